//! The events of the YAML parser become the tree.
//!
//! One pass, no recursion: a stack holds the lists and mappings that are still open. What is wrong
//! is noted and the pass goes on, except where the text stops being YAML or a limit is reached.

use super::node::{Entry, Map, Node, NodeKind, Style};
use super::{
    ALIAS_BYTES_MAX, ALIAS_NODES_MAX, DEPTH_MAX, NODES_MAX, end_of, expression, scalar, syntax,
};
use crate::diag::{Code, Diagnostic, Findings, Source, Span};
use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, StructureStyle};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// How many bytes may be read again for the sake of expressions without quotes. A usual blueprint
/// has dozens of attempts, one of 10,000 resources has two.
const REREAD_BYTES_MAX: usize = 1024 * 1024;

/// Reads one YAML document.
///
/// Returns the tree beside all findings. There is no tree when the text is not YAML or goes over a
/// limit; otherwise there is one even when errors were found, so that later layers can add theirs.
/// In it, the first of several equal keys counts, tags are left out, and an expression that YAML
/// cut in pieces is whole again.
pub fn parse(source: &Source) -> (Option<Node>, Findings) {
    let (node, findings, _) = parse_counting(source);
    (node, findings)
}

/// Like [`parse`], with the number of parser events that were handled: the measure of the work.
pub(super) fn parse_counting(source: &Source) -> (Option<Node>, Findings, usize) {
    if let Err(too_large) = super::check_length(source.text().len() as u64) {
        return (None, too_large.into(), 0);
    }
    let mut masked = Cow::Borrowed(source.text());
    let mut misread = Findings::new();
    let mut reread_bytes = 0;
    let mut events = 0;
    loop {
        let mut builder = Builder::new(source, &masked);
        let result = builder.run(&masked);
        events += builder.events;
        let Err(error) = result else {
            misread.append(builder.findings);
            return (builder.root, misread, events);
        };
        // An expression that YAML stumbled over is noted and blotted out, and the text read again,
        // so that one missing pair of quotes does not hide all other mistakes.
        match expression::misread(&masked, &error) {
            Some(span) => {
                misread.push(expression::needs_quotes(source, span));
                reread_bytes += masked.len();
                if reread_bytes > REREAD_BYTES_MAX {
                    return (None, misread, events);
                }
                masked = Cow::Owned(expression::blot_out(&masked, span));
            }
            None => {
                let bracket = builder.open_bracket();
                misread.append(builder.findings);
                misread.push(syntax::describe(source, &error, bracket));
                return (None, misread, events);
            }
        }
    }
}

/// A list or mapping that is still open.
struct Open {
    start: u32,
    style: Style,
    anchor: usize,
    /// The totals when it was opened: the difference is what an alias of it stands for.
    before: Totals,
    /// How many levels the values inside have.
    inner_height: usize,
    parts: Parts,
}

enum Parts {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// Mappings to merge, with the place of the value of `<<`.
        merges: Vec<(Span, Arc<Map>)>,
        /// The place of a `<<` already seen.
        merge_key: Option<Span>,
        key: Option<Node>,
        /// A key that is the first half of an expression.
        halved: Option<Span>,
    },
}

/// What the tree stands for so far, aliases expanded.
#[derive(Clone, Copy, Default)]
struct Totals {
    nodes: usize,
    bytes: usize,
}

/// A complete value with an anchor.
struct Anchored {
    node: Node,
    /// What an alias of it stands for.
    size: Totals,
    height: usize,
}

/// A complete value on its way to its place.
struct Complete {
    node: Node,
    anchor: usize,
    before: Totals,
    height: usize,
}

struct Builder<'s> {
    source: &'s Source,
    /// The text the parser sees, which differs from the source where something was blotted out.
    blotted: bool,
    findings: Findings,
    root: Option<Node>,
    stack: Vec<Open>,
    anchors: BTreeMap<usize, Anchored>,
    value_count: usize,
    events: usize,
    totals: Totals,
    aliased: Totals,
}

/// Whether to read on.
type Next = ControlFlow<()>;

impl Complete {
    /// What came through an alias has been counted, and has no anchor of its own.
    fn alias(node: Node, height: usize) -> Complete {
        Complete { node, anchor: 0, before: Totals::default(), height }
    }
}

impl<'s> Builder<'s> {
    fn new(source: &'s Source, masked: &Cow<'s, str>) -> Builder<'s> {
        Builder {
            source,
            blotted: matches!(masked, Cow::Owned(_)),
            findings: Findings::new(),
            root: None,
            stack: Vec::new(),
            anchors: BTreeMap::new(),
            value_count: 0,
            events: 0,
            totals: Totals::default(),
            aliased: Totals::default(),
        }
    }

    /// Reads to the end, to a limit, or to where the text stops being YAML.
    fn run(&mut self, text: &str) -> Result<(), ScanError> {
        let mut seen_document = false;
        for event in Parser::new_from_str_with_options(text, parser_options()) {
            let (event, place) = event?;
            self.events += 1;
            let span = span_of(place);
            let tag = place.tag_span().map(span_of);
            if let Event::DocumentStart(..) = event {
                if seen_document {
                    self.second_document(span);
                    return Ok(());
                }
                seen_document = true;
            }
            if self.event(event, span, tag).is_break() {
                self.root = None;
                return Ok(());
            }
        }
        // A document with only comments has no event of its own, or an empty scalar.
        let empty = self
            .root
            .as_ref()
            .is_none_or(|root| root.span.is_empty() && matches!(root.kind, NodeKind::Null));
        if empty {
            self.root = None;
            let end = end_of(self.source);
            self.findings.push(
                Diagnostic::error(Code::E0006, "there is nothing in it but comments and space")
                    .at(end)
                    .help("begin with `blueprint: NAME` and `resources:`; `dsenv explain E0006` shows a whole one"),
            );
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, span: Span, tag: Option<Span>) -> Next {
        if let Some(tag) = tag {
            self.findings.push(syntax::tag(self.source, tag));
        }
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let before = self.totals;
                let node = self.scalar(text, style, span);
                self.totals.nodes += 1;
                self.totals.bytes += node.scalar_text().map_or(0, str::len);
                self.complete(Complete { node, anchor, before, height: 0 })
            }
            Event::SequenceStart(style, anchor, _) => {
                self.open(span, style, anchor, Parts::List(Vec::new()))
            }
            Event::MappingStart(style, anchor, _) => {
                let (entries, merges) = (Vec::new(), Vec::new());
                let parts =
                    Parts::Map { entries, merges, merge_key: None, key: None, halved: None };
                self.open(span, style, anchor, parts)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(id) => self.alias(id, span),
            Event::UnresolvedAlias(name) => {
                self.findings.push(syntax::unknown_alias(&name, span));
                self.complete(Complete::alias(empty_node(span), 0))
            }
            // `Event` may grow; what we did not ask for by an option is no part of the tree.
            _ => Next::Continue(()),
        }
    }

    /// Returns the innermost `[` or `{` that is open. (`[a: 1]` has a mapping without a `{`.)
    fn open_bracket(&self) -> Option<u32> {
        let mut starts = self.stack.iter().rev().map(|open| open.start);
        let is_bracket = |start: &u32| {
            matches!(self.source.text().as_bytes().get(*start as usize), Some(b'[' | b'{'))
        };
        starts.find(is_bracket)
    }

    fn second_document(&mut self, span: Span) {
        self.findings.push(
            Diagnostic::error(Code::E0105, "a second document starts here; it is not read")
                .at(span)
                .help("give each blueprint a file of its own, or delete this line"),
        );
    }

    fn scalar(&mut self, text: Cow<'_, str>, style: ScalarStyle, span: Span) -> Node {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::SingleQuoted,
            ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
        };
        let inner = match style {
            Style::SingleQuoted | Style::DoubleQuoted => {
                Span { start: span.start + 1, end: span.end.saturating_sub(1).max(span.start + 1) }
            }
            _ => span,
        };
        // The parser gives "~" for a value that was left out.
        let text = if span.is_empty() { Cow::Borrowed("") } else { text };
        let original = self.source.slice(inner);
        let text = if self.blotted && style == Style::Plain && text != original {
            Cow::Owned(expression::fold_lines(original))
        } else {
            text
        };
        let verbatim_from = (text == original).then_some(inner.start);
        let node = |kind, written| Node { span, kind, alias: None, written, style, verbatim_from };
        if style != Style::Plain {
            return node(NodeKind::Text(text.into_owned()), None);
        }
        let kind = match scalar::resolve(&text) {
            Ok(NodeKind::Text(text)) => {
                if let Some(whole) = expression::cut_by_comment(self.source, &text, span) {
                    self.findings.push(expression::needs_quotes(self.source, whole));
                    return text_node(self.source, whole);
                }
                return node(NodeKind::Text(text), None);
            }
            Ok(kind) => kind,
            Err(why) => {
                self.findings.push(syntax::number_out_of_range(&text, why, span));
                NodeKind::Text(text.to_string())
            }
        };
        node(kind, Some(text.into()))
    }

    fn open(&mut self, span: Span, style: StructureStyle, anchor: usize, parts: Parts) -> Next {
        self.check_depth(self.stack.len() + 1, span)?;
        let style = match style {
            StructureStyle::Flow => Style::Flow,
            StructureStyle::Block => Style::Block,
        };
        let (start, before) = (span.start, self.totals);
        self.totals.nodes += 1;
        self.stack.push(Open { start, style, anchor, before, inner_height: 0, parts });
        Next::Continue(())
    }

    fn close(&mut self, end: Span) -> Next {
        let open = self.stack.pop().expect("the parser pairs starts and ends");
        let (kind, last, halved) = match open.parts {
            Parts::List(items) => {
                let last = items.last().map(|item| item.alias.unwrap_or(item.span).end);
                (NodeKind::List(Arc::new(items)), last, None)
            }
            Parts::Map { entries, merges, halved, .. } => {
                let last = entries.last().map(|entry| {
                    entry.value.alias.unwrap_or(entry.value.span).end.max(entry.key_span.end)
                });
                let last = last.max(merges.last().map(|(site, _)| site.end));
                let only = entries.is_empty() && merges.is_empty();
                let map = self.mapping(entries, merges);
                (NodeKind::Map(Arc::new(map)), last, halved.filter(|_| only))
            }
        };
        // A block ends where its last part ends; the parser would have it end at the next token.
        let end = match open.style {
            Style::Flow => end.end,
            _ => last.or(halved.map(|span| span.end)).unwrap_or(open.start),
        };
        let span = Span { start: open.start, end: end.max(open.start) };
        let node = match halved {
            Some(whole) => text_node(self.source, whole),
            None => Node {
                span,
                kind,
                alias: None,
                written: None,
                style: open.style,
                verbatim_from: None,
            },
        };
        let height = open.inner_height + 1;
        self.complete(Complete { node, anchor: open.anchor, before: open.before, height })
    }

    /// Notes keys written twice and adds what is merged: own entries win over merged ones, and
    /// earlier merges over later ones.
    fn mapping(&mut self, entries: Vec<Entry>, merges: Vec<(Span, Arc<Map>)>) -> Map {
        let (map, again) = Map::new(entries);
        self.findings.extend(again.into_iter().map(|(first, entry)| {
            let message = format!("`{}` is already a key of this mapping", entry.key);
            Diagnostic::error(Code::E0102, message)
                .at(entry.key_span)
                .label(first, "first written here")
                .help("rename one of the two, or delete it")
        }));
        if merges.is_empty() {
            return map;
        }
        let mut all = map.entries().to_vec();
        for (site, merged) in merges {
            let added = merged.iter().filter(|entry| map.get(&entry.key).is_none());
            all.extend(added.map(|entry| Entry { merged: Some(site), ..entry.clone() }));
        }
        Map::new(all).0
    }

    fn alias(&mut self, id: usize, span: Span) -> Next {
        let Some(Anchored { node, size, height }) = self.anchors.get(&id) else {
            let anchor = self.stack.iter().find(|open| open.anchor == id);
            self.findings.push(syntax::recursive_alias(span, anchor.map(|open| open.start)));
            return self.complete(Complete::alias(empty_node(span), 0));
        };
        let (size, height) = (*size, *height);
        let node = Node { alias: Some(span), ..node.clone() };
        self.count_aliased(size, span)?;
        self.check_depth(self.stack.len() + height, span)?;
        self.complete(Complete::alias(node, height))
    }

    /// Puts a finished value where it belongs.
    fn complete(&mut self, Complete { node, anchor, before, height }: Complete) -> Next {
        if anchor != 0 {
            let nodes = self.totals.nodes - before.nodes;
            let size = Totals { nodes, bytes: self.totals.bytes - before.bytes };
            self.anchors.insert(anchor, Anchored { node: node.clone(), size, height });
        }
        if let Some(open) = self.stack.last_mut() {
            open.inner_height = open.inner_height.max(height);
            if let Parts::Map { key: key @ None, .. } = &mut open.parts {
                *key = Some(node);
                return Next::Continue(());
            }
        }
        self.count_value(node.span)?;
        match self.stack.last_mut().map(|open| &mut open.parts) {
            None => self.root = Some(node),
            Some(Parts::List(items)) => items.push(node),
            Some(Parts::Map { key, .. }) => {
                let key = key.take().expect("a value without a key became the key above");
                self.entry(key, node);
            }
        }
        Next::Continue(())
    }

    fn entry(&mut self, key: Node, value: Node) {
        let key_span = key.alias.unwrap_or(key.span);
        let Some(Open { parts: Parts::Map { entries, merges, merge_key, halved, .. }, .. }) =
            self.stack.last_mut()
        else {
            unreachable!("only a mapping has keys");
        };
        if key.style == Style::Plain && key.as_text() == Some("<<") {
            match merge_key.replace(key_span) {
                None => merge(value, merges, &mut self.findings),
                Some(first) => self.findings.push(syntax::second_merge(key_span, first)),
            }
            return;
        }
        let source = self.source;
        match key.kind {
            NodeKind::Text(text) => {
                if key.style == Style::Plain && expression::is_unclosed(&text) {
                    let whole = key_span.to(value.span);
                    self.findings.push(expression::needs_quotes(source, whole));
                    *halved = Some(whole);
                    return;
                }
                entries.push(Entry { key: text, key_span, value, merged: None });
            }
            NodeKind::List(_) | NodeKind::Map(_) => {
                self.findings.push(syntax::structured_key(source, key_span));
            }
            NodeKind::Null | NodeKind::Bool(_) | NodeKind::Int(_) | NodeKind::Float(_) => {
                self.findings.push(syntax::key_is_not_text(&key, key_span));
                let text = key.scalar_text().unwrap_or_default().to_owned();
                entries.push(Entry { key: text, key_span, value, merged: None });
            }
        }
    }

    fn count_value(&mut self, span: Span) -> Next {
        self.value_count += 1;
        if self.value_count <= NODES_MAX {
            return Next::Continue(());
        }
        let message = format!("a blueprint may hold {NODES_MAX} values; this is one too many");
        self.findings.push(
            Diagnostic::error(Code::E0003, message)
                .at(span)
                .help("replace repeated resources by one with `for_each`"),
        );
        Next::Break(())
    }

    fn check_depth(&mut self, depth: usize, span: Span) -> Next {
        if depth <= DEPTH_MAX {
            return Next::Continue(());
        }
        let message = format!("lists and mappings nest at most {DEPTH_MAX} deep");
        self.findings.push(Diagnostic::error(Code::E0004, message).at(span));
        Next::Break(())
    }

    /// Counting is arithmetic on the size of the anchor, so a bomb is refused before it goes off.
    fn count_aliased(&mut self, size: Totals, span: Span) -> Next {
        for total in [&mut self.totals, &mut self.aliased] {
            total.nodes = total.nodes.saturating_add(size.nodes);
            total.bytes = total.bytes.saturating_add(size.bytes);
        }
        let within_nodes = self.aliased.nodes <= ALIAS_NODES_MAX;
        let within_bytes = self.aliased.bytes <= ALIAS_BYTES_MAX;
        if within_nodes && within_bytes {
            return Next::Continue(());
        }
        let message = format!(
            "with this alias, aliases stand for {} values and {} bytes; the limits are \
             {ALIAS_NODES_MAX} and {ALIAS_BYTES_MAX}",
            self.aliased.nodes, self.aliased.bytes
        );
        self.findings.push(
            Diagnostic::error(Code::E0005, message)
                .at(span)
                .help("use `for_each` to repeat a resource, and an input to repeat a value"),
        );
        Next::Break(())
    }
}

/// Takes the value of `<<`: a mapping or a list of them.
fn merge(value: Node, merges: &mut Vec<(Span, Arc<Map>)>, findings: &mut Findings) {
    let site = value.alias.unwrap_or(value.span);
    match &value.kind {
        NodeKind::Map(map) => merges.push((site, Arc::clone(map))),
        NodeKind::List(items) if items.iter().all(|item| item.as_map().is_some()) => {
            for item in items.iter() {
                merge(item.clone(), merges, findings);
            }
        }
        _ => findings.push(syntax::not_mergeable(&value, site)),
    }
}

/// Stands in for a value that could not be had, where an error was already noted.
fn empty_node(span: Span) -> Node {
    let written = Some(Box::from(""));
    let (style, kind) = (Style::Plain, NodeKind::Null);
    Node { span, kind, alias: None, written, style, verbatim_from: None }
}

/// An expression that YAML took for a mapping, put together again.
fn text_node(source: &Source, span: Span) -> Node {
    let original = source.slice(span);
    let text = expression::fold_lines(original);
    let verbatim_from = (text == original).then_some(span.start);
    let kind = NodeKind::Text(text);
    Node { span, kind, alias: None, written: None, style: Style::Plain, verbatim_from }
}

fn parser_options() -> Options {
    granit_parser::options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        disallow_directives: true,
        // Ours is lower and has words for it.
        flow_nesting_limit: 2 * DEPTH_MAX,
        block_nesting_limit: 2 * DEPTH_MAX,
    }
}

fn span_of(place: granit_parser::Span) -> Span {
    let range = place.byte_range().expect("a parser over text knows byte offsets");
    Span::new(range.start, range.end)
}
