//! What the blueprint lets environments set: `vary: {features.size: [small, large]}`.
//!
//! In: a [`Blueprint`]. Out: findings about paths that lead nowhere, bounds that bound nothing, and
//! fields that are the same in every environment. What an environment then sets is the overlay's.

use crate::blueprint::{Block, Blueprint, listed, refuse_unknown_keys};
use crate::diag::{Code, Diagnostic, Findings, Span, suggest};
use crate::yaml::{Node, NodeKind};
use dsenv_sdk::kinds;
use dsenv_sdk::schema::{Class, Field, Kind, Type};

/// Checks every entry, whichever environment is chosen.
pub(super) fn check(blueprint: &Blueprint, findings: &mut Findings) {
    for (path, (span, bounds)) in &blueprint.vary {
        let steps: Vec<&str> = path.split('.').collect();
        match steps.as_slice() {
            ["inputs", name] => check_input(blueprint, name, *span, findings),
            [name, rest @ ..] if *name != "inputs" && !rest.is_empty() => {
                check_field(blueprint, name, rest, *span, findings);
            }
            _ => {
                let message = format!("`{path}` names neither an input nor a field of a resource");
                let wrong = Diagnostic::error(Code::E0303, message).at(*span);
                findings.push(wrong.help("write `inputs.NAME` or `RESOURCE.FIELD`"));
            }
        }
        check_bounds(path, bounds, findings);
    }
}

fn check_input(blueprint: &Blueprint, name: &str, span: Span, findings: &mut Findings) {
    if !blueprint.inputs.contains_key(name) {
        let message = format!("the blueprint has no input `{name}`");
        let near = suggest(name, blueprint.inputs.keys().map(String::as_str));
        let near = near.map(|near| format!("inputs.{near}"));
        let unknown = Diagnostic::error(Code::E0504, message).at(span);
        findings.push(unknown.did_you_mean(near.as_deref()));
    }
}

fn check_field(
    blueprint: &Blueprint,
    name: &str,
    steps: &[&str],
    span: Span,
    findings: &mut Findings,
) {
    if blueprint.unread.contains(name) {
        return;
    }
    let Some(block) = blueprint.resources.get(name) else {
        let message = format!("there is no resource `{name}`");
        let names = blueprint.resources.keys().map(String::as_str);
        let unknown = Diagnostic::error(Code::E0303, message).at(span);
        findings.push(unknown.did_you_mean(suggest(name, names)));
        return;
    };
    match class_of(block.kind, steps) {
        Ok(Class::Scale | Class::Bind | Class::Policy) => {
            findings.extend(adds_key(block, steps).map(|found| found.at(span).address(name)));
        }
        Ok(Class::Fixed) => {
            let message = format!(
                "`{}` of a {} is the same in every environment",
                steps.join("."),
                block.kind.name
            );
            findings.push(Diagnostic::error(Code::E0509, message).at(span).address(name));
        }
        Err((unknown, known)) => {
            let message = format!("`{name}` of kind {} has no `{unknown}`", block.kind.name);
            let wrong = Diagnostic::error(Code::E0202, message).at(span).address(name);
            findings.push(match suggest(unknown, known.iter().copied()) {
                Some(near) => wrong.did_you_mean(Some(near)),
                None if known.is_empty() => wrong,
                None => wrong.help(format!("there is {}", listed(&known))),
            });
        }
    }
}

/// What is set below a map with fixed keys is one of its keys.
fn adds_key(block: &Block, steps: &[&str]) -> Option<Diagnostic> {
    let at = (1..steps.len())
        .find(|at| look(block.kind, &steps[..*at]).is_ok_and(|found| found.keys_fixed))?;
    let mut node = Some(&block.node);
    for step in &steps[..=at] {
        node = node.and_then(|node| node.as_map()?.value(step));
    }
    let map = steps[..at].join(".");
    node.is_none().then(|| {
        let message = format!(
            "`{map}` has no `{}`, and its names are the same in every environment",
            steps[at]
        );
        let help = format!("give `{}` a value in `{map}` that environments may replace", steps[at]);
        Diagnostic::error(Code::E0509, message).help(help)
    })
}

/// A step that leads nowhere, and what would.
type Astray<'a> = (&'a str, Vec<&'static str>);

/// The class of the field at a path, which is that of the outermost field that has one: what may be
/// set as a whole may be set in part. A map whose keys are fixed is FIXED as a whole.
pub(super) fn class_of<'a>(kind: &Kind, steps: &[&'a str]) -> Result<Class, Astray<'a>> {
    let found = look(kind, steps)?;
    Ok(if found.keys_fixed { Class::Fixed } else { found.class })
}

/// What a path leads to.
struct Found {
    class: Class,
    /// Whether it is a map whose keys are the same in every environment.
    keys_fixed: bool,
}

fn look<'a>(kind: &Kind, steps: &[&'a str]) -> Result<Found, Astray<'a>> {
    let fields = || kinds::COMMON.iter().chain(kind.fields);
    let Some(first) = fields().find(|field| field.name == steps[0]) else {
        return Err((steps[0], fields().map(|field| field.name).collect()));
    };
    let (mut class, mut keys_fixed) = (first.class, first.keys_fixed);
    let mut types = vec![first.ty];
    for step in &steps[1..] {
        let mut next = Vec::new();
        let mut known = Vec::new();
        keys_fixed = false;
        while let Some(ty) = types.pop() {
            match ty {
                Type::Either(alternatives) => types.extend_from_slice(alternatives),
                Type::Any => next.push(Type::Any),
                Type::Map(item) => next.push(*item),
                Type::List(item) if step.parse::<usize>().is_ok() => next.push(*item),
                Type::Object(fields) => {
                    known.extend(fields.iter().map(|field: &Field| field.name));
                    for field in fields.iter().filter(|field| field.name == *step) {
                        if class == Class::Fixed {
                            class = field.class;
                        }
                        keys_fixed |= field.keys_fixed;
                        next.push(field.ty);
                    }
                }
                Type::List(_)
                | Type::Bool
                | Type::Int { .. }
                | Type::Text
                | Type::Choice(_)
                | Type::Format(_) => {}
            }
        }
        if next.is_empty() {
            return Err((step, known));
        }
        types = next;
    }
    Ok(Found { class, keys_fixed })
}

fn check_bounds(path: &str, bounds: &Node, findings: &mut Findings) {
    let refuse = |message: String, findings: &mut Findings| {
        let wrong = Diagnostic::error(Code::E0207, message).at(bounds.span);
        findings.push(
            wrong.help(format!("for example `{path}: [a, b]` or `{path}: {{min: 0, max: 8}}`")),
        );
    };
    match &bounds.kind {
        NodeKind::List(choices) if choices.is_empty() => {
            refuse(format!("`{path}` may have no value at all"), findings);
        }
        NodeKind::List(_) => {}
        NodeKind::Map(map) => {
            refuse_unknown_keys(map, &["min", "max"], "a bound of `vary`", findings);
            let mut numbers = [None, None];
            for (at, key) in ["min", "max"].into_iter().enumerate() {
                match map.value(key).map(|node| &node.kind) {
                    Some(NodeKind::Int(number)) => numbers[at] = Some(*number),
                    None => {}
                    Some(_) => refuse(format!("`{path}`: `{key}` is a whole number"), findings),
                }
            }
            if let [Some(min), Some(max)] = numbers
                && min > max
            {
                refuse(format!("`{path}`: nothing is from {min} to {max}"), findings);
            }
        }
        _ => {
            let found = bounds.kind_name();
            refuse(
                format!("`{path}`: bounds are a list or `min` and `max`, not {found}"),
                findings,
            );
        }
    }
}
