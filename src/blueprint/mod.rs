//! The blueprint: what the file says, block by block, before an environment is chosen.
//!
//! In: the tree of [`crate::yaml`]. Out: a [`Blueprint`] whose blocks have known names, kinds and
//! places, beside all findings. Values stay trees: what is in them depends on the environment, so
//! [`crate::resolve`] reads them. Resources, inputs and environments are sorted by name, so that the
//! order of the file never reaches a plan (law 2).
//!
//! What a later version builds is refused here by name, never skipped.

mod budget;
mod environments;
mod inputs;
mod names;
mod packs;
mod policies;

pub use budget::Budget;
pub use environments::Environment;
pub(crate) use inputs::plain_value;
pub use inputs::{Input, InputType, read_typed};
pub use names::{RESERVED, check_name};
pub use packs::PACKS;
pub use policies::{Enforce, Over, Policy, Waiver};

use crate::diag::{Code, Diagnostic, Findings, Source, Span, suggest};
use crate::yaml::{self, Map, Node, NodeKind};
use dsenv_sdk::kinds;
use dsenv_sdk::schema::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// The most resources that a blueprint may come to, members of `for_each` counted.
pub const RESOURCES_MAX: usize = 10_000;

/// A text and where it stands.
#[derive(Clone, Debug)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// One block under `resources`.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its name, and where.
    pub name: Text,
    /// Its kind.
    pub kind: &'static Kind,
    /// The whole block.
    pub node: Node,
}

/// One entry of `removed`: what dsenv forgets instead of deleting.
#[derive(Clone, Debug)]
pub struct Removed {
    /// The address.
    pub address: Text,
    /// Whether it is deleted; `false` forgets it.
    pub destroy: bool,
}

/// What one file says.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// Its name; a stand-in when it has none that would do.
    pub name: Text,
    /// Whether the name is its own.
    pub is_named: bool,
    /// What it is for.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Its inputs.
    pub inputs: BTreeMap<String, Input>,
    /// Its resources.
    pub resources: BTreeMap<String, Block>,
    /// Names of blocks under `resources` that could not be read: what refers to them is not wrong
    /// on top of it.
    pub unread: BTreeSet<String>,
    /// The only things that an environment may set, by path, with their bounds.
    pub vary: BTreeMap<String, (Span, Node)>,
    /// Its environments; there is always at least one.
    pub environments: BTreeMap<String, Environment>,
    /// Its rules, those of the packs that it asks for among them.
    pub policies: Vec<Policy>,
    /// What may break a rule for a while, and why.
    pub waivers: Vec<Waiver>,
    /// What `dsenv output` shows.
    pub outputs: BTreeMap<String, (Span, Node)>,
    /// What is forgotten or deleted when its block is gone.
    pub removed: Vec<Removed>,
    /// The digest of what the file says: layout, comments and the order of keys are not in it.
    pub digest: String,
}

const TOP_LEVEL: &[&str] = &[
    "blueprint",
    "description",
    "environments",
    "inputs",
    "outputs",
    "owner",
    "policies",
    "removed",
    "resources",
    "vary",
    "waive",
];

/// Top-level blocks that the language names and this version does not build.
const TOP_LEVEL_LATER: &[(&str, &str)] =
    &[("moved", "until then, `dsenv state mv FROM TO` renames a resource")];

/// Reads a blueprint; `None` when the file is not even a mapping with a name.
pub fn parse(source: &Source) -> (Option<Blueprint>, Findings) {
    let (blueprint, findings) = parse_unnamed(source);
    (blueprint.filter(|blueprint| blueprint.is_named), findings)
}

/// Reads a blueprint also when it has no name that would do: to find what else is wrong with it, and
/// never to look for its state, which has the name in its path.
pub fn parse_unnamed(source: &Source) -> (Option<Blueprint>, Findings) {
    let (node, mut findings) = yaml::parse(source);
    let Some(node) = node else { return (None, findings) };
    let Some(map) = node.as_map() else {
        let message = format!("a blueprint is a mapping, not {}", node.kind_name());
        let help = "begin with `blueprint: NAME` and `resources:`";
        findings.push(Diagnostic::error(Code::E0201, message).at(node.span).help(help));
        return (None, findings);
    };
    refuse_unknown_blocks(map, &mut findings);
    let name = read_name(map, node.span, &mut findings);
    let is_named = name.is_ok();
    let resources = read_resources(map, node.span, &mut findings);
    let policies = policies::read(map, &mut findings);
    let mut blueprint = Blueprint {
        name: name.unwrap_or_else(|span| Text { text: "unnamed".to_owned(), span }),
        is_named,
        unread: unread(map, &resources),
        description: text_of(map, "description", &mut findings),
        owner: text_of(map, "owner", &mut findings),
        inputs: inputs::read(map, &mut findings),
        resources,
        vary: read_nodes(map, "vary", &mut findings),
        environments: environments::read(map, &mut findings),
        waivers: policies::read_waivers(map, &policies, &mut findings),
        policies,
        outputs: read_nodes(map, "outputs", &mut findings),
        removed: read_removed(map, &mut findings),
        digest: digest(&node),
    };
    if blueprint.environments.is_empty() {
        let only = Environment::embedded_default();
        blueprint.environments.insert(only.name.text.clone(), only);
    }
    (Some(blueprint), findings)
}

fn digest(node: &Node) -> String {
    let mut content = Vec::new();
    node.write_content(&mut content);
    let mut hash = blake3::Hasher::new_derive_key("dsenv 2026-11 blueprint digest");
    hash.update(&content);
    hash.finalize().to_hex().to_string()
}

fn refuse_unknown_blocks(map: &Map, findings: &mut Findings) {
    for entry in map {
        if let Some((name, help)) = TOP_LEVEL_LATER.iter().find(|(name, _)| *name == entry.key) {
            let message = format!("`{name}` is part of the language and not built in this version");
            let later = Diagnostic::error(Code::E0203, message).at(entry.key_span).help(*help);
            findings.push(later);
        } else if !TOP_LEVEL.contains(&entry.key.as_str()) {
            let message = format!("a blueprint has no `{}`", entry.key);
            let unknown = Diagnostic::error(Code::E0202, message).at(entry.key_span);
            findings.push(match suggest(&entry.key, TOP_LEVEL.iter().copied()) {
                Some(name) => unknown.did_you_mean(Some(name)),
                None => unknown.help(format!("it may have {}", listed(TOP_LEVEL))),
            });
        }
    }
}

/// `` `a`, `b` and `c` ``.
pub(crate) fn listed(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => "nothing".to_owned(),
    }
}

/// The name; the error is where one should stand.
fn read_name(map: &Map, whole: Span, findings: &mut Findings) -> Result<Text, Span> {
    let Some(entry) = map.get("blueprint") else {
        let message = "the file does not say which blueprint it is";
        let help = "begin with `blueprint: NAME`";
        let at = Span::at(whole.range().start);
        findings.push(Diagnostic::error(Code::E0206, message).at(at).help(help));
        return Err(at);
    };
    let text = entry.value.as_text();
    let valid = |text: &str| {
        text.len() <= names::NAME_BYTES_MAX
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
    };
    match text {
        Some(text) if valid(text) => Ok(Text { text: text.to_owned(), span: entry.value.span }),
        _ => {
            let message = "a blueprint's name is a lower-case letter, then letters, digits, `_` \
                           and `-`, 63 at most";
            let help = "for example `blueprint: workbench`";
            let wrong = Diagnostic::error(Code::E0301, message).at(entry.value.span).help(help);
            findings.push(wrong);
            Err(entry.value.span)
        }
    }
}

fn text_of(map: &Map, key: &str, findings: &mut Findings) -> Option<String> {
    let entry = map.get(key)?;
    let text = entry.value.as_text();
    if text.is_none() {
        let message = format!("`{key}` is text, not {}", entry.value.kind_name());
        findings.push(Diagnostic::error(Code::E0207, message).at(entry.value.span));
    }
    text.map(str::to_owned)
}

fn read_resources(map: &Map, whole: Span, findings: &mut Findings) -> BTreeMap<String, Block> {
    let mut resources = BTreeMap::new();
    let Some(entry) = map.get("resources") else {
        let help = "for example `resources: {lake: {kind: bucket}}`";
        let at = Span::at(whole.range().start);
        let missing = Diagnostic::error(Code::E0206, "there are no `resources`").at(at).help(help);
        findings.push(missing);
        return resources;
    };
    let Some(blocks) = mapping(&entry.value, "resources", findings) else { return resources };
    if blocks.len() > RESOURCES_MAX {
        let message = format!("{} resources; the most is {RESOURCES_MAX}", blocks.len());
        let help = "split the blueprint, or make alike resources one with `for_each` or a pool";
        findings.push(Diagnostic::error(Code::E0602, message).at(entry.key_span).help(help));
        return resources;
    }
    for block in blocks {
        check_name(&block.key, block.key_span, "resource", findings);
        let name = Text { text: block.key.clone(), span: block.key_span };
        let Some(body) = mapping(&block.value, &block.key, findings) else { continue };
        if let Some(kind) = read_kind(&name, body, findings) {
            let node = block.value.clone();
            resources.insert(block.key.clone(), Block { name, kind, node });
        }
    }
    resources
}

fn unread(map: &Map, resources: &BTreeMap<String, Block>) -> BTreeSet<String> {
    let blocks = map.value("resources").and_then(Node::as_map);
    let names = blocks.into_iter().flat_map(Map::keys);
    names.filter(|name| !resources.contains_key(*name)).map(str::to_owned).collect()
}

fn read_kind(name: &Text, body: &Map, findings: &mut Findings) -> Option<&'static Kind> {
    let Some(entry) = body.get("kind") else {
        let message = format!("resource `{}` does not say which kind it is", name.text);
        let help = format!("add `kind:` and one of {}", listed(&kind_names()));
        findings.push(
            Diagnostic::error(Code::E0206, message).at(name.span).address(&name.text).help(help),
        );
        return None;
    };
    let Some(written) = entry.value.as_text() else {
        let message = format!("`kind` is one word, not {}", entry.value.kind_name());
        let wrong = Diagnostic::error(Code::E0207, message).at(entry.value.span);
        let help = format!("the kinds are {}", listed(&kind_names()));
        findings.push(wrong.address(&name.text).help(help));
        return None;
    };
    if let Some(kind) = kinds::kind(written) {
        return Some(kind);
    }
    let at = |code, message: String| {
        Diagnostic::error(code, message).at(entry.value.span).address(&name.text)
    };
    if kinds::LATER.contains(&written) {
        let message = format!("kind `{written}` is part of the language and not built yet");
        let help = format!("this version builds {}", listed(&kind_names()));
        findings.push(at(Code::E0203, message).help(help));
        return None;
    }
    let unknown = at(Code::E0204, format!("there is no kind `{written}`"));
    findings.push(match suggest(written, kinds::KINDS.iter().map(|kind| kind.name)) {
        Some(near) => unknown.did_you_mean(Some(near)),
        None => unknown.help(format!("the kinds are {}", listed(&kind_names()))),
    });
    None
}

fn kind_names() -> Vec<&'static str> {
    kinds::KINDS.iter().map(|kind| kind.name).collect()
}

/// Returns the mapping, or says that it must be one. Nothing at all is no mapping either.
pub(crate) fn mapping<'a>(node: &'a Node, name: &str, findings: &mut Findings) -> Option<&'a Map> {
    let map = node.as_map();
    if map.is_none() {
        let message = format!("`{name}` is a mapping, not {}", node.kind_name());
        findings.push(Diagnostic::error(Code::E0207, message).at(node.span));
    }
    map
}

/// Reads a block whose keys are free and whose values are read later.
fn read_nodes(map: &Map, key: &str, findings: &mut Findings) -> BTreeMap<String, (Span, Node)> {
    let Some(entry) = map.get(key) else { return BTreeMap::new() };
    let Some(block) = mapping(&entry.value, key, findings) else { return BTreeMap::new() };
    if key == "outputs" {
        for output in block {
            check_name(&output.key, output.key_span, "output", findings);
        }
    }
    block.iter().map(|e| (e.key.clone(), (e.key_span, e.value.clone()))).collect()
}

fn read_removed(map: &Map, findings: &mut Findings) -> Vec<Removed> {
    let items = items_of(map, "removed", findings);
    let mut removed = Vec::new();
    for item in items {
        let Some(body) = mapping(item, "removed", findings) else { continue };
        refuse_unknown_keys(body, &["address", "destroy"], "an entry of `removed`", findings);
        let address = body.value("address").and_then(|n| Some((n.as_text()?.to_owned(), n.span)));
        let destroy = match body.value("destroy").map(|node| &node.kind) {
            None => Some(true),
            Some(NodeKind::Bool(flag)) => Some(*flag),
            Some(_) => None,
        };
        match (address, destroy) {
            (Some((text, span)), Some(destroy)) => {
                removed.push(Removed { address: Text { text, span }, destroy });
            }
            _ => {
                let message = "an entry of `removed` has an `address` and `destroy: true` or \
                               `destroy: false`";
                findings.push(Diagnostic::error(Code::E0206, message).at(item.span));
            }
        }
    }
    removed
}

fn items_of<'a>(map: &'a Map, key: &str, findings: &mut Findings) -> &'a [Node] {
    let Some(entry) = map.get(key) else { return &[] };
    entry.value.as_list().unwrap_or_else(|| {
        let message = format!("`{key}` is a list, not {}", entry.value.kind_name());
        findings.push(Diagnostic::error(Code::E0207, message).at(entry.value.span));
        &[]
    })
}

/// Says which keys of a fixed mapping are unknown.
pub(crate) fn refuse_unknown_keys(map: &Map, known: &[&str], what: &str, findings: &mut Findings) {
    for entry in map {
        if !known.contains(&entry.key.as_str()) {
            let message = format!("{what} has no `{}`", entry.key);
            let unknown = Diagnostic::error(Code::E0202, message).at(entry.key_span);
            findings.push(match suggest(&entry.key, known.iter().copied()) {
                Some(near) => unknown.did_you_mean(Some(near)),
                None => unknown.help(format!("it may have {}", listed(known))),
            });
        }
    }
}
