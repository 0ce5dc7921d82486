//! What an environment sets: `set: {features.size: large}` puts another tree in the place of one.
//!
//! Only paths that the blueprint lists under `vary` may be set, inside the bounds given there. Where
//! what is set may flow is [`super::flow`]'s.

use crate::blueprint::{Blueprint, Environment, listed};
use crate::diag::{Code, Diagnostic, Findings, Span, suggest};
use crate::yaml::{Node, NodeKind};
use std::collections::BTreeMap;

/// Trees by path, the resource's name first.
#[derive(Debug, Default)]
pub(super) struct Overlay(BTreeMap<Vec<String>, Node>);

impl Overlay {
    /// Returns what is put in the place of the value at this path.
    pub(super) fn at(&self, path: &[String]) -> Option<&Node> {
        if self.0.is_empty() { None } else { self.0.get(path) }
    }

    /// Lists the names that are set directly below this path.
    pub(super) fn below<'a>(&'a self, path: &'a [String]) -> impl Iterator<Item = &'a str> {
        let inside = |key: &&Vec<String>| key.len() > path.len() && key.starts_with(path);
        self.0.keys().filter(inside).map(move |key| key[path.len()].as_str())
    }
}

pub(super) fn read(
    blueprint: &Blueprint,
    environment: &Environment,
    findings: &mut Findings,
) -> Overlay {
    let mut overlay = Overlay::default();
    // What an environment gives under `inputs` is set by it like everything else.
    for (name, (span, node)) in &environment.inputs {
        if blueprint.inputs.contains_key(name) {
            may_set(blueprint, &format!("inputs.{name}"), *span, node, findings);
        }
    }
    for (path, (span, node)) in &environment.set {
        if !may_set(blueprint, path, *span, node, findings) {
            continue;
        }
        let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
        if steps[0] == "inputs" {
            continue;
        }
        if steps.len() < 2 || !blueprint.resources.contains_key(&steps[0]) {
            let message = format!("`{path}` names no field of a resource");
            let unknown = Diagnostic::error(Code::E0303, message).at(*span);
            let names = blueprint.resources.keys().map(String::as_str);
            findings.push(unknown.did_you_mean(suggest(&steps[0], names)));
            continue;
        }
        overlay.0.insert(steps, node.clone());
    }
    overlay
}

/// Says whether `vary` lists the path and this value of it; if not, the findings say why.
fn may_set(
    blueprint: &Blueprint,
    path: &str,
    span: Span,
    node: &Node,
    findings: &mut Findings,
) -> bool {
    let Some((_, bounds)) = blueprint.vary.get(path) else {
        refuse_path(blueprint, path, span, findings);
        return false;
    };
    let Some(message) = out_of_bounds(bounds, node) else { return true };
    let refused = Diagnostic::error(Code::E0507, format!("`{path}`: {message}")).at(node.span);
    findings.push(refused.label(bounds.span, "the bounds stand here"));
    false
}

fn refuse_path(blueprint: &Blueprint, path: &str, span: Span, findings: &mut Findings) {
    let varied: Vec<&str> = blueprint.vary.keys().map(String::as_str).collect();
    let message = format!("`{path}` is not listed under `vary`");
    let refused = Diagnostic::error(Code::E0507, message).at(span);
    findings.push(match suggest(path, varied.iter().copied()) {
        Some(near) => refused.did_you_mean(Some(near)),
        None if varied.is_empty() => {
            refused.help(format!("add `vary: {{{path}: [...]}}` with the values it may have"))
        }
        None => refused.help(format!("`vary` lists {}", listed(&varied))),
    });
}

/// Says how a value breaks its bounds: `{min, max}` or a list of what is valid.
fn out_of_bounds(bounds: &Node, node: &Node) -> Option<String> {
    match &bounds.kind {
        NodeKind::List(choices) => {
            let valid = choices.iter().any(|choice| choice.scalar_text() == node.scalar_text());
            let names: Vec<_> = choices.iter().filter_map(Node::scalar_text).collect();
            (!valid).then(|| format!("expected one of {}", listed(&names)))
        }
        NodeKind::Map(map) => {
            let bound = |key: &str| match map.value(key).map(|node| &node.kind) {
                Some(NodeKind::Int(number)) => Some(*number),
                _ => None,
            };
            let NodeKind::Int(number) = node.kind else {
                return Some(format!("expected a whole number, found {}", node.kind_name()));
            };
            let (min, max) = (bound("min"), bound("max"));
            let outside =
                min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max);
            let word = |bound: Option<i64>| bound.map_or("any".to_owned(), |b| b.to_string());
            outside.then(|| format!("{number} is not between {} and {}", word(min), word(max)))
        }
        _ => None,
    }
}
