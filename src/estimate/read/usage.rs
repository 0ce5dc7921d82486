//! The file that says how resources are used.
//!
//! ```yaml
//! resources:
//!   lake: {stored: 1TiB, reads: 5000000}
//! kinds:
//!   bucket: {egress: 100GiB}
//! ```
//! What a blueprint says in `usage` goes before `resources`, and that before `kinds`.

use super::Reader;
use crate::diag::{Code, Diagnostic, Findings, Source, suggest};
use crate::yaml::{Entry, Node, NodeKind};
use dsenv_sdk::cost::{USAGE, Usage};
use dsenv_sdk::kinds::{KINDS, kind};
use dsenv_sdk::schema::{Field, Type, parse_size};
use dsenv_sdk::value::{Map, Value};
use std::collections::BTreeMap;

/// How resources are used, by name, and those of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// By the name of the resource.
    pub resources: BTreeMap<String, Usage>,
    /// By kind.
    pub kinds: BTreeMap<String, Usage>,
}

/// Reads a file of use. A resource that none of these names is warned of: it may be of another environment.
/// Where no names are known, none is.
pub fn usage(source: &Source, resources: &[&str]) -> (Use, Findings) {
    let (mut reader, node) = Reader::parse(source);
    let mut read = Use::default();
    let Some(node) = node else { return (read, reader.findings) };
    let Some(whole) = reader.fields(&node, "a usage file", &["resources", "kinds"]) else {
        return (read, reader.findings);
    };
    for entry in entries(&mut reader, whole.value("resources"), "`resources`") {
        // `workers[0]` is one of `workers`.
        let name = entry.key.split('[').next().unwrap_or(&entry.key);
        if !resources.is_empty() && !resources.contains(&name) {
            let message = format!("this environment has no resource `{name}`");
            let unknown = Diagnostic::warning(Code::E1002, message).at(entry.key_span);
            reader.findings.push(unknown.did_you_mean(suggest(name, resources.iter().copied())));
        }
        let usage = one(&mut reader, entry);
        read.resources.insert(entry.key.clone(), usage);
    }
    for entry in entries(&mut reader, whole.value("kinds"), "`kinds`") {
        if kind(&entry.key).is_none() {
            let message = format!("there is no kind `{}`", entry.key);
            let near = suggest(&entry.key, KINDS.iter().map(|kind| kind.name));
            let unknown = Diagnostic::error(Code::E1002, message).at(entry.key_span);
            reader.findings.push(unknown.did_you_mean(near));
        }
        let usage = one(&mut reader, entry);
        read.kinds.insert(entry.key.clone(), usage);
    }
    (read, reader.findings)
}

fn entries<'n>(reader: &mut Reader, node: Option<&'n Node>, what: &str) -> &'n [Entry] {
    let map = node.and_then(|node| reader.map(node, what));
    map.map_or(&[], |map| map.entries())
}

/// The use of one resource or kind.
fn one(reader: &mut Reader, entry: &Entry) -> Usage {
    let known: Vec<&str> = USAGE.iter().map(|field| field.name).collect();
    let mut said = Map::new();
    let Some(fields) = reader.fields(&entry.value, "usage", &known) else {
        return Usage::default();
    };
    for field in USAGE {
        let Some(node) = fields.value(field.name) else { continue };
        if let Some(value) = amount(reader, field, node) {
            said.insert(field.name.to_owned(), value);
        }
    }
    Usage::read(&said)
}

fn amount(reader: &mut Reader, field: &Field, node: &Node) -> Option<Value> {
    let (value, valid) = match (&field.ty, &node.kind) {
        (Type::Int { min, max }, NodeKind::Int(number)) if (min..=max).contains(&number) => {
            (Some(Value::Int(*number)), String::new())
        }
        (Type::Int { min, max }, _) => (None, format!("a whole number from {min} to {max}")),
        (_, NodeKind::Text(text)) if parse_size(text).is_some() => {
            (Some(Value::text(text)), String::new())
        }
        _ => (None, "a size such as `50GiB`".to_owned()),
    };
    if value.is_none() {
        let found = node.scalar_text().map_or_else(|| node.kind_name().to_owned(), super::quoted);
        reader.wrong(node.span, format!("`{}`: expected {valid}, found {found}", field.name));
    }
    value
}
