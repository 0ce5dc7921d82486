//! How many resources a block comes to: `when` and `for_each`.

use super::Scope;
use super::overlay::Overlay;
use super::reader::value_now;
use crate::blueprint::Block;
use crate::diag::{Code, Diagnostic, Findings, Source};
use crate::yaml::Node;
use dsenv_sdk::term::Each;
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Key};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a block comes to in this environment.
#[derive(Clone, Debug)]
pub(super) enum Members {
    /// Nothing: its `when` is false.
    Absent,
    /// One resource.
    Single,
    /// One for each key.
    Keyed(BTreeMap<String, Arc<Each>>),
}

impl Members {
    pub(super) fn count(&self) -> usize {
        match self {
            Members::Absent => 0,
            Members::Single => 1,
            Members::Keyed(keys) => keys.len(),
        }
    }

    /// Lists the addresses, with what `each` is in each.
    pub(super) fn addresses(&self, name: &str) -> Vec<(Addr, Option<Arc<Each>>)> {
        match self {
            Members::Absent => Vec::new(),
            Members::Single => vec![(Addr::resource(name), None)],
            Members::Keyed(keys) => {
                let member = |key: &str| Addr::resource(name).member(Key::Text(key.into()));
                keys.iter().map(|(key, each)| (member(key), Some(each.clone()))).collect()
            }
        }
    }
}

pub(super) fn of_block(
    source: &Source,
    scope: &Scope,
    overlay: &Overlay,
    block: &Block,
    findings: &mut Findings,
) -> Members {
    let body = block.node.as_map().expect("a block was seen to be a mapping");
    let name = &block.name.text;
    let field = |key: &str| overlay.at(&[name.clone(), key.to_owned()]).or_else(|| body.value(key));
    if let Some(node) = field("when") {
        match value_now(source, scope, node, "when", name, findings) {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Members::Absent,
            Some(other) => {
                refuse(
                    node,
                    name,
                    format!("`when` is `true` or `false`, not {}", other.shape()),
                    findings,
                );
            }
            None => {}
        }
    }
    let Some(node) = field("for_each") else { return Members::Single };
    let Some(value) = value_now(source, scope, node, "for_each", name, findings) else {
        return Members::Absent;
    };
    match keys(value) {
        Ok(keys) => Members::Keyed(keys),
        Err(message) => {
            refuse(node, name, message, findings);
            Members::Absent
        }
    }
}

fn refuse(node: &Node, name: &str, message: String, findings: &mut Findings) {
    findings.push(Diagnostic::error(Code::E0207, message).at(node.span).address(name));
}

/// A list of texts, each once, or a map.
fn keys(value: Value) -> Result<BTreeMap<String, Arc<Each>>, String> {
    let mut keys = BTreeMap::new();
    match value {
        Value::List(items) => {
            for item in items {
                let Value::Text(key) = item else {
                    return Err(format!("`for_each` lists texts, not {}", item.shape()));
                };
                let each = Each { key: key.clone(), value: Value::text(&*key) };
                if keys.insert(key.clone(), Arc::new(each)).is_some() {
                    return Err(format!("`for_each` lists `{key}` twice"));
                }
            }
        }
        Value::Map(map) => {
            for (key, value) in map {
                keys.insert(key.clone(), Arc::new(Each { key, value }));
            }
        }
        other => {
            return Err(format!("`for_each` is a list of texts or a map, not {}", other.shape()));
        }
    }
    Ok(keys)
}
