//! The tree: what was written, where, in the order of the file.

use crate::diag::{Source, Span};
use std::ops::Range;
use std::sync::Arc;

/// One value with its place in the text.
///
/// Cloning is cheap: lists and mappings are shared.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where the value stands, quotes and brackets included, tag and anchor not.
    ///
    /// For what came through an alias or a merge this is the anchored original. For a value that
    /// was left out (`key:`) it is the empty span behind the colon.
    pub span: Span,
    /// What the value is.
    pub kind: NodeKind,
    /// The `*name` through which the value came here, if it did.
    pub alias: Option<Span>,
    pub(super) written: Option<Box<str>>,
    pub(super) style: Style,
    /// The text stands in the source byte for byte, from this offset on.
    pub(super) verbatim_from: Option<u32>,
}

/// What a value is, by the core schema of YAML 1.2.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// `null`, `~`, or nothing at all.
    Null,
    /// `true` or `false`; not `yes`, `no`, `on`, `off`, which are text.
    Bool(bool),
    /// A whole number. See [`Node::scalar_text`] for what was written: `007` is 7 here.
    Int(i64),
    /// Any other number, always finite. `1.10` is 1.1 here: money, versions and sizes are read from
    /// [`Node::scalar_text`].
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Arc<Vec<Node>>),
    /// A mapping.
    Map(Arc<Map>),
}

/// How a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A scalar without quotes.
    Plain,
    /// `'text'`.
    SingleQuoted,
    /// `"text"`.
    DoubleQuoted,
    /// `|` and lines.
    Literal,
    /// `>` and lines.
    Folded,
    /// `[ ]` or `{ }`.
    Flow,
    /// A list or mapping by indentation.
    Block,
}

/// One key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key; unique in its mapping.
    pub key: String,
    /// Where the key stands, quotes included.
    pub key_span: Span,
    /// The value.
    pub value: Node,
    /// The value of the `<<` through which the entry came here, if it did.
    pub merged: Option<Span>,
}

/// A mapping: entries in the order of the file, merged ones last, each key once.
#[derive(Clone, Debug, Default)]
pub struct Map {
    entries: Vec<Entry>,
    /// Indices of `entries` in the order of their keys.
    by_key: Vec<u32>,
}

impl Map {
    /// Builds a mapping and returns beside it the entries whose key was there already, each with
    /// the span of the first one.
    pub(super) fn new(entries: Vec<Entry>) -> (Map, Vec<(Span, Entry)>) {
        let mut by_key: Vec<u32> = (0..entries.len() as u32).collect();
        // Stable: of equal keys the first written comes first.
        by_key.sort_by(|a, b| entries[*a as usize].key.cmp(&entries[*b as usize].key));
        let repeats = by_key
            .windows(2)
            .any(|pair| entries[pair[0] as usize].key == entries[pair[1] as usize].key);
        if !repeats {
            return (Map { entries, by_key }, Vec::new());
        }
        let mut first_of = vec![None; entries.len()];
        for pair in by_key.windows(2) {
            let (before, this) = (pair[0] as usize, pair[1] as usize);
            if entries[before].key == entries[this].key {
                first_of[this] = first_of[before].or(Some(entries[before].key_span));
            }
        }
        let mut kept = Vec::new();
        let mut again = Vec::new();
        for (entry, first) in entries.into_iter().zip(first_of) {
            match first {
                Some(first) => again.push((first, entry)),
                None => kept.push(entry),
            }
        }
        let (map, none) = Map::new(kept);
        assert!(none.is_empty(), "only the first entry of each key was kept");
        (map, again)
    }

    /// Returns the entry with this key, in O(log n).
    pub fn get(&self, key: &str) -> Option<&Entry> {
        let found = self
            .by_key
            .binary_search_by(|index| self.entries[*index as usize].key.as_str().cmp(key));
        found.ok().map(|place| &self.entries[self.by_key[place] as usize])
    }

    /// Returns the value of this key, in O(log n).
    pub fn value(&self, key: &str) -> Option<&Node> {
        self.get(key).map(|entry| &entry.value)
    }

    /// Returns the entries in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Iterates over the entries in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.entries.iter()
    }

    /// Returns the keys in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.key.as_str())
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Node {
    /// Returns how the value was written.
    pub fn style(&self) -> Style {
        self.style
    }

    /// Tells whether a scalar is text because its author said so, by quotes, `|` or `>`.
    pub fn is_quoted(&self) -> bool {
        match self.style {
            Style::SingleQuoted | Style::DoubleQuoted | Style::Literal | Style::Folded => true,
            Style::Plain | Style::Flow | Style::Block => false,
        }
    }

    /// Returns a scalar as it was written, quotes and escapes resolved; `None` for the rest.
    ///
    /// So `18` and `"18"` both give "18", `1.10` gives "1.10" and a value left out gives "".
    pub fn scalar_text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Text(text) => Some(text),
            NodeKind::Null | NodeKind::Bool(_) | NodeKind::Int(_) | NodeKind::Float(_) => {
                self.written.as_deref()
            }
            NodeKind::List(_) | NodeKind::Map(_) => None,
        }
    }

    /// Returns the text, `None` for anything else, numbers included.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the mapping, `None` for anything else.
    pub fn as_map(&self) -> Option<&Map> {
        match &self.kind {
            NodeKind::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Returns the items of a list, `None` for anything else.
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.kind {
            NodeKind::List(items) => Some(items),
            _ => None,
        }
    }

    /// Names the kind for messages: "expected text, found a whole number".
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            NodeKind::Null => "nothing",
            NodeKind::Bool(_) => "a boolean",
            NodeKind::Int(_) => "a whole number",
            NodeKind::Float(_) => "a number",
            NodeKind::Text(_) => "text",
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a mapping",
        }
    }

    /// Returns the place in the file of byte `index` of the text.
    ///
    /// Works for text that stands in the file as it is: plain and quoted, without escapes or line
    /// breaks. `None` for other values; [`Node::text_span`] does more.
    pub fn text_offset(&self, index: usize) -> Option<u32> {
        let text = self.scalar_text()?;
        let from = self.verbatim_from?;
        (index <= text.len()).then(|| from + index as u32)
    }

    /// Returns the span in the file of a part of the text: as narrow as can be told, at worst that
    /// of the whole value.
    ///
    /// On top of [`Node::text_offset`] it knows the lines of a `|` block.
    pub fn text_span(&self, source: &Source, part: Range<usize>) -> Span {
        let exact = |index| self.text_offset(index).or_else(|| self.literal_offset(source, index));
        match (exact(part.start), exact(part.end)) {
            (Some(start), Some(end)) if start <= end => Span { start, end },
            _ => self.span,
        }
    }

    /// In a `|` block, line n of the text is line n of the block, indented. Counting from the end of
    /// the line spares us to know by how much.
    fn literal_offset(&self, source: &Source, index: usize) -> Option<u32> {
        let text = self.as_text().filter(|_| self.style == Style::Literal)?;
        let before = text.get(..index)?;
        let line_number = before.matches('\n').count() as u32;
        let from_line_end = text[index..].find('\n').unwrap_or(text.len() - index);
        // The span starts behind the indentation of the first line that is not empty, so the empty
        // lines before it are counted back.
        let empty_lines = text.bytes().take_while(|byte| *byte == b'\n').count() as u32;
        let first = source.line_of(self.span.start).checked_sub(empty_lines)?;
        let line = source.line_span(first + line_number);
        let offset = line.end.checked_sub(from_line_end as u32)?;
        (offset >= line.start).then_some(offset)
    }

    /// Appends what the tree says, whatever its layout and the order of its keys, as bytes to be
    /// hashed. Trees that differ in more give different bytes: every part is preceded by its sort
    /// and its length.
    pub fn write_content(&self, bytes: &mut Vec<u8>) {
        let mut part = |sort: u8, length: usize| {
            bytes.extend_from_slice(&[sort, u8::from(self.is_quoted())]);
            bytes.extend_from_slice(&(length as u64).to_le_bytes());
        };
        match &self.kind {
            NodeKind::List(items) => {
                part(b'l', items.len());
                items.iter().for_each(|item| item.write_content(bytes));
            }
            NodeKind::Map(map) => {
                part(b'm', map.len());
                for index in &map.by_key {
                    let Entry { key, value, .. } = &map.entries[*index as usize];
                    bytes.extend_from_slice(&(key.len() as u64).to_le_bytes());
                    bytes.extend_from_slice(key.as_bytes());
                    value.write_content(bytes);
                }
            }
            _ => {
                let text = self.scalar_text().unwrap_or_default();
                part(b's', text.len());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// Tells whether two trees say the same, wherever and however each was laid out.
    ///
    /// Order, quoting and the spelling of numbers count; spans, aliases and flow or block do not.
    pub fn says_the_same(&self, other: &Node) -> bool {
        if self.is_quoted() != other.is_quoted() || self.scalar_text() != other.scalar_text() {
            return false;
        }
        match (&self.kind, &other.kind) {
            (NodeKind::List(a), NodeKind::List(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.says_the_same(b))
            }
            (NodeKind::Map(a), NodeKind::Map(b)) => {
                let same =
                    |(a, b): (&Entry, &Entry)| a.key == b.key && a.value.says_the_same(&b.value);
                a.len() == b.len() && a.iter().zip(b.iter()).all(same)
            }
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }
}
