//! Fills the holes of a term as far as what it refers to is known.
//!
//! The plan settles with what is known before anything is done; apply settles again with what exists
//! by then. The same function for both, so that they cannot disagree. Pure.

use crate::expr::{self, Lookup, Outcome};
use crate::resolve::Scope;
use dsenv_sdk::term::{Expr, Ref, Term};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Key};
use std::collections::BTreeMap;

/// What references are looked up in.
pub trait Facts {
    /// The neutral arguments of a resource, which expressions may name.
    fn arguments(&self, addr: &Addr) -> Option<&BTreeMap<String, Term>>;

    /// The attributes of a node that are known now. An attribute that is not in it is known after
    /// apply; `None` when all of them are.
    fn attributes(&self, addr: &Addr) -> Option<&Map>;

    /// What `inputs` and `env` stand for.
    fn scope(&self) -> &Scope;
}

/// How deep a reference may lead to another before it is taken for a mistake of ours.
const DEPTH_MAX: usize = 256;

/// Settles a term. What stays open stays as it is; the error is worded for the user.
pub fn settle(term: &Term, facts: &dyn Facts) -> Result<Term, String> {
    settle_at(term, facts, 0)
}

/// Settles every argument.
pub fn settle_all(
    args: &BTreeMap<String, Term>,
    facts: &dyn Facts,
) -> Result<BTreeMap<String, Term>, String> {
    let one = |(name, term): (&String, &Term)| {
        let settled = settle(term, facts).map_err(|error| format!("`{name}`: {error}"))?;
        Ok((name.clone(), settled))
    };
    args.iter().map(one).collect()
}

fn settle_at(term: &Term, facts: &dyn Facts, depth: usize) -> Result<Term, String> {
    assert!(depth < DEPTH_MAX, "the graph has no cycle, so references end");
    Ok(match term {
        Term::Known(_) | Term::NotLocked(_) => term.clone(),
        Term::Ref(reference) => match look_up(reference, facts, depth)? {
            Some(value) => Term::Known(value),
            None => term.clone(),
        },
        Term::Expr(expr) => match evaluate(expr, facts, depth)? {
            Some(value) => Term::Known(value),
            None => term.clone(),
        },
        Term::List(items) => Term::list(
            items.iter().map(|item| settle_at(item, facts, depth + 1)).collect::<Result<_, _>>()?,
        ),
        Term::Map(entries) => Term::map(
            entries
                .iter()
                .map(|(key, term)| Ok((key.clone(), settle_at(term, facts, depth + 1)?)))
                .collect::<Result<_, String>>()?,
        ),
    })
}

/// Follows a reference: an argument of the resource first, else an attribute of the node.
fn look_up(reference: &Ref, facts: &dyn Facts, depth: usize) -> Result<Option<Value>, String> {
    let addr = &reference.addr;
    let Some((first, rest)) = reference.path.split_first() else {
        return whole(addr, facts, depth);
    };
    if addr.part.is_none()
        && let Some(argument) = facts.arguments(addr).and_then(|args| args.get(&**first))
        && let Some(found) = rest.iter().try_fold(argument.clone(), |term, step| term.step(step))
    {
        return Ok(match settle_at(&found, facts, depth + 1)? {
            Term::Known(value) => Some(value),
            _ => None,
        });
    }
    let Some(attributes) = facts.attributes(addr) else { return Ok(None) };
    let Some(start) = attributes.get(&**first) else { return Ok(None) };
    let found = rest.iter().try_fold(start, |value, step| value.step(step));
    match found {
        Some(value) => Ok(Some(value.clone())),
        None => Err(format!("there is no `{reference}`")),
    }
}

/// Everything that is known of one member, for expressions that go over all members.
fn whole(addr: &Addr, facts: &dyn Facts, depth: usize) -> Result<Option<Value>, String> {
    let Some(attributes) = facts.attributes(addr) else { return Ok(None) };
    let mut all = Map::new();
    for (name, term) in facts.arguments(addr).into_iter().flatten() {
        match settle_at(term, facts, depth + 1)? {
            Term::Known(value) => all.insert(name.clone(), value),
            _ => return Ok(None),
        };
    }
    all.extend(attributes.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok(Some(Value::Map(all)))
}

fn evaluate(expr: &Expr, facts: &dyn Facts, depth: usize) -> Result<Option<Value>, String> {
    let compiled = expr::compile(&expr.source)
        .expect("it was compiled when the blueprint was read")
        .expect("it has an expression in it");
    let mut lookup = |path: &[String]| match resolve_path(expr, path, facts, depth) {
        Ok(Some(value)) => Lookup::Known(value),
        Ok(None) => Lookup::Unknown,
        Err(message) => Lookup::Missing(message),
    };
    Ok(match compiled.evaluate(expr.form, &mut lookup)? {
        Outcome::Known(value) => Some(value),
        Outcome::Unknown => None,
    })
}

/// What one path of an expression stands for.
fn resolve_path(
    expr: &Expr,
    path: &[String],
    facts: &dyn Facts,
    depth: usize,
) -> Result<Option<Value>, String> {
    if let Some(found) = facts.scope().lookup(path) {
        return found.map(Some).ok_or_else(|| format!("there is no `{}`", path.join(".")));
    }
    if path[0] == "each" {
        let each = expr.each.as_ref().expect("`each` was seen to stand in a `for_each`");
        if path.get(1).is_some_and(|step| step == "key") {
            return Ok(Some(Value::text(&*each.key)));
        }
        let found = path[2..].iter().try_fold(&each.value, |value, step| value.step(step));
        return found.cloned().map(Some).ok_or_else(|| format!("there is no `{}`", path.join(".")));
    }
    if let Some(reference) = expr.refs.iter().find(|reference| is_written(reference, path)) {
        return look_up(reference, facts, depth + 1);
    }
    // A path that names a resource with `for_each` and no key: all of its members.
    let mut members = Map::new();
    for reference in expr.refs.iter().filter(|r| *r.addr.name == *path[0] && r.path.is_empty()) {
        let Some(Key::Text(key)) = &reference.addr.key else { continue };
        match look_up(reference, facts, depth + 1)? {
            Some(value) => members.insert(key.to_string(), value),
            None => return Ok(None),
        };
    }
    Ok(Some(Value::Map(members)))
}

/// Says whether a path, as written, is this reference: `w.eu.address` is `w["eu"]` and `address`.
fn is_written(reference: &Ref, path: &[String]) -> bool {
    let addr = &reference.addr;
    if *addr.name != *path[0] {
        return false;
    }
    let rest = match &addr.key {
        None => &path[1..],
        Some(Key::Text(key)) => match path.get(1) {
            Some(step) if *step == **key => &path[2..],
            _ => return false,
        },
        Some(Key::Index(_)) => return false,
    };
    rest.len() == reference.path.len() && rest.iter().zip(&reference.path).all(|(a, b)| **a == **b)
}
