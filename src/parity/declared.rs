//! L0: what the blueprint says in each environment.
//!
//! In: one blueprint, resolved twice, and what each provider remarks. Out: leaves of every resource that
//! both have, a leaf for each resource that only one has, and the substitutions. Offline and pure.
//!
//! A resource that one environment lacks is FIXED, unless the author let it vary: `vary` lists its `when`
//! or `for_each`, or these are computed from varied inputs alone. One that is there because of the name of
//! the environment is a violation: what is not there in dev was never tried there.

use super::exposure::Way;
use super::{Leaf, Leaves, Level, Parity, Strictness, Substitution};
use crate::blueprint::Blueprint;
use crate::expr;
use crate::lower;
use crate::resolve::{Resolved, Resource, Scope};
use crate::yaml::{Node, NodeKind};
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{OnDestroy, Provider, Right, Weight};
use dsenv_sdk::schema::{Class, Field, ReplaceOrder, Type};
use dsenv_sdk::term::{Expr, Term};
use dsenv_sdk::value::{Value, wire};
use std::collections::{BTreeMap, BTreeSet};

/// One environment of the blueprint.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// Its resources.
    pub resolved: &'a Resolved,
    /// The pure half of its provider.
    pub provider: &'a dyn Provider,
}

/// Holds one environment against another of the same blueprint.
pub fn compare(blueprint: &Blueprint, one: Side<'_>, other: Side<'_>, parity: &mut Parity) {
    let (ours, theirs) = (&one.resolved.resources, &other.resolved.resources);
    let mut sides = [environment(one.resolved), environment(other.resolved)];
    for (side, (mine, others)) in sides.iter_mut().zip([(one, theirs), (other, ours)]) {
        for (addr, resource) in &mine.resolved.resources {
            if others.contains_key(addr) {
                add_resource(resource, &mine.resolved.scope, side);
            } else {
                let leaf = Leaf::new(class_of_being(blueprint, addr), there(resource));
                side.insert((addr.to_string(), String::new()), leaf);
            }
        }
    }
    let [ours, theirs] = sides;
    parity.add(Level::Declared, &ours, &theirs);
    for side in [one, other] {
        parity.substitutions.extend(substitutions(side));
    }
}

/// What is said of an environment as a whole.
fn environment(resolved: &Resolved) -> Leaves {
    let mut leaves = Leaves::new();
    let mut put = |path: &str, leaf| leaves.insert((String::new(), path.to_owned()), leaf);
    put("provider", Leaf::new(Class::Bind, &*resolved.provider));
    if let Some(region) = &resolved.region {
        put("region", Leaf::new(Class::Bind, &**region));
    }
    if let Some(account) = &resolved.account {
        put("account", Leaf::new(Class::Bind, &**account));
    }
    let keeps = resolved.scope.env.get("ephemeral").and_then(Value::as_bool) != Some(true);
    put("ephemeral", ranked((!keeps).to_string(), keeps.into()));
    if resolved.budget.is_some() {
        put("budget", ranked("there is one", 1));
    }
    leaves
}

/// A leaf of class POLICY that is as strict as its rank.
fn ranked(text: impl Into<String>, rank: u64) -> Leaf {
    let strictness = Some(Strictness::Rank(rank));
    Leaf { class: Class::Policy, text: text.into(), strictness }
}

fn there(resource: &Resource) -> String {
    format!("a {}", resource.kind.name)
}

/// How environments may differ in whether a resource is there at all.
fn class_of_being(blueprint: &Blueprint, addr: &Addr) -> Class {
    let name = &*addr.name;
    let block = &blueprint.resources[name];
    let mut declared = false;
    for field in ["when", "for_each"] {
        if blueprint.vary.contains_key(&format!("{name}.{field}")) {
            declared = true;
            continue;
        }
        let NodeKind::Map(body) = &block.node.kind else { continue };
        let Some(entry) = body.get(field) else { continue };
        let mut paths = Vec::new();
        each_path(&entry.value, &mut |path| paths.push(path.to_vec()));
        for path in paths {
            let varied = match path.as_slice() {
                [root, input, ..] if root == "inputs" => {
                    blueprint.vary.contains_key(&format!("inputs.{input}"))
                }
                _ => false,
            };
            if !varied {
                return Class::Fixed;
            }
            declared = true;
        }
    }
    if declared { Class::Scale } else { Class::Fixed }
}

/// Calls `visit` with every path that expressions in a node name.
fn each_path(node: &Node, visit: &mut dyn FnMut(&[String])) {
    match &node.kind {
        NodeKind::Text(text) => {
            if let Ok(Some(compiled)) = expr::compile(text) {
                compiled.paths().iter().for_each(|path| visit(path));
            }
        }
        NodeKind::List(items) => items.iter().for_each(|item| each_path(item, visit)),
        NodeKind::Map(map) => map.iter().for_each(|entry| each_path(&entry.value, visit)),
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Int(_) | NodeKind::Float(_) => {}
    }
}

fn add_resource(resource: &Resource, scope: &Scope, leaves: &mut Leaves) {
    let address = resource.addr.to_string();
    let mut put = |path: String, leaf: Leaf| {
        leaves.insert((address.clone(), path), leaf);
    };
    put("kind".to_owned(), Leaf::new(Class::Fixed, resource.kind.name));
    for (name, term) in &*resource.fields {
        let Some(field) = resource.kind.field(name) else { continue };
        let mut path = vec![name.clone()];
        flatten(&Place::of(field), &mut path, term, scope, &mut put);
    }
    for used in &resource.uses {
        put(format!("uses.{}", used.target), Leaf::new(Class::Fixed, right(used.right)));
    }
    let needed: Vec<String> = resource.depends_on.iter().map(Addr::to_string).collect();
    put("depends_on".to_owned(), Leaf::new(Class::Fixed, needed.join(", ")));
    if let Some(network) = &resource.network {
        put("network".to_owned(), Leaf::new(Class::Fixed, &**network));
    }
    if let Some(tier) = &resource.tier {
        put("tier".to_owned(), Leaf::new(Class::Fixed, &**tier));
    }
    let replace = resource.lifecycle.replace.map_or("as is usual", replace_order);
    put("lifecycle.replace".to_owned(), Leaf::new(Class::Fixed, replace));
    let ignored = resource.lifecycle.ignore.join(", ");
    put("lifecycle.ignore".to_owned(), Leaf::new(Class::Fixed, ignored));
    add_bound(resource, &mut put);
    add_policies(resource, &mut put);
}

/// What is bound in each environment beside the arguments.
fn add_bound(resource: &Resource, put: &mut dyn FnMut(String, Leaf)) {
    if let Some(owner) = &resource.owner {
        put("owner".to_owned(), Leaf::new(Class::Bind, &**owner));
    }
    for (tag, value) in &resource.tags {
        put(format!("tags.{tag}"), Leaf::new(Class::Bind, &**value));
    }
    let people: BTreeSet<&str> = resource.access.iter().map(|entry| &*entry.who).collect();
    if !people.is_empty() {
        let people: Vec<&str> = people.into_iter().collect();
        put("access.who".to_owned(), Leaf::new(Class::Bind, people.join(", ")));
    }
}

/// What may be stricter in one of two environments.
fn add_policies(resource: &Resource, put: &mut dyn FnMut(String, Leaf)) {
    let protect = resource.protect;
    put("protect".to_owned(), ranked(protect.to_string(), protect.into()));
    if resource.kind.holds_data {
        let (fate, rank) = match resource.on_destroy {
            OnDestroy::Delete => ("delete", 0),
            OnDestroy::Snapshot => ("snapshot", 1),
            OnDestroy::Retain => ("retain", 2),
            OnDestroy::Refuse => ("refuse", 3),
        };
        put("on_destroy".to_owned(), ranked(fate, rank));
    }
    for (name, seconds) in ["create", "update", "delete"].iter().zip(resource.timeouts_s) {
        if let Some(seconds) = seconds {
            put(format!("timeouts.{name}"), Leaf::new(Class::Policy, format!("{seconds}s")));
        }
    }
    let ways: Vec<Way> = resource.access.iter().map(Way::of).collect();
    let text: BTreeSet<String> = ways.iter().map(Way::to_string).collect();
    let text: Vec<String> = text.into_iter().collect();
    let text = if text.is_empty() { "closed".to_owned() } else { text.join(", ") };
    let strictness = Some(Strictness::Ways(ways));
    put("access".to_owned(), Leaf { class: Class::Policy, text, strictness });
}

/// What the schema says of one place in a field.
struct Place {
    class: Class,
    types: Vec<Type>,
    keys_fixed: bool,
}

impl Place {
    fn of(field: &Field) -> Place {
        Place { class: field.class, types: vec![field.ty], keys_fixed: field.keys_fixed }
    }

    /// The place of one entry of a map. The class of a field counts for what is below it unless it is FIXED,
    /// as everywhere.
    fn below(&self, key: &str) -> Place {
        let mut below = Place { class: self.class, types: Vec::new(), keys_fixed: false };
        let mut open = self.types.clone();
        while let Some(ty) = open.pop() {
            match ty {
                Type::Either(alternatives) => open.extend_from_slice(alternatives),
                Type::Map(item) => below.types.push(*item),
                Type::Object(fields) => {
                    for field in fields.iter().filter(|field| field.name == key) {
                        if self.class == Class::Fixed {
                            below.class = field.class;
                        }
                        below.keys_fixed |= field.keys_fixed;
                        below.types.push(field.ty);
                    }
                }
                Type::Any
                | Type::Bool
                | Type::Int { .. }
                | Type::Text
                | Type::Choice(_)
                | Type::Format(_)
                | Type::List(_) => {}
            }
        }
        below
    }
}

/// Goes down into maps and objects, whose entries have classes of their own.
fn flatten(
    place: &Place,
    path: &mut Vec<String>,
    term: &Term,
    scope: &Scope,
    put: &mut dyn FnMut(String, Leaf),
) {
    let entries: BTreeMap<String, Term> = match term {
        Term::Known(Value::Map(map)) => {
            map.iter().map(|(key, value)| (key.clone(), Term::Known(value.clone()))).collect()
        }
        Term::Map(map) => map.clone(),
        Term::Known(_) | Term::Ref(_) | Term::Expr(_) | Term::NotLocked(_) | Term::List(_) => {
            return put(path.join("."), leaf(place.class, term, scope));
        }
    };
    if place.keys_fixed {
        let keys: Vec<&str> = entries.keys().map(String::as_str).collect();
        put(path.join("."), Leaf::new(Class::Fixed, keys.join(", ")));
    }
    for (key, term) in &entries {
        path.push(key.clone());
        flatten(&place.below(key), path, term, scope, put);
        path.pop();
    }
}

/// A secret is never compared: that it comes from where it does is.
fn leaf(class: Class, term: &Term, scope: &Scope) -> Leaf {
    let secret = term.known().is_some_and(Value::holds_secret);
    let class = if secret { Class::Bind } else { class };
    let number = term.known().and_then(Value::as_int).and_then(|number| u64::try_from(number).ok());
    let rank = number.filter(|_| class == Class::Policy);
    Leaf { class, text: text(term, scope), strictness: rank.map(Strictness::Rank) }
}

/// What of a term is compared: values as JSON, references by name. An expression that stays open is its
/// text with what it takes from the environment, since that is all in which it can differ.
fn text(term: &Term, scope: &Scope) -> String {
    match term {
        Term::Known(value) => shown(value),
        Term::Ref(reference) => format!("${{{reference}}}"),
        Term::NotLocked(pin) => format!("not locked: {pin}"),
        Term::Expr(expr) => expression(expr, scope),
        Term::List(items) => {
            let items: Vec<String> = items.iter().map(|item| text(item, scope)).collect();
            format!("[{}]", items.join(", "))
        }
        Term::Map(map) => {
            let entries = map.iter().map(|(key, term)| format!("{key}: {}", text(term, scope)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

fn expression(expr: &Expr, scope: &Scope) -> String {
    let mut bound = BTreeMap::new();
    if let Ok(Some(compiled)) = expr::compile(&expr.source) {
        for path in compiled.paths() {
            if let Some(Some(value)) = scope.lookup(path) {
                bound.insert(path.join("."), shown(&value));
            }
        }
    }
    let each = expr.each.as_ref().map(|each| shown(&each.value));
    let bound: Vec<String> = bound
        .into_iter()
        .chain(each.map(|value| ("each.value".to_owned(), value)))
        .map(|(path, value)| format!("{path} = {value}"))
        .collect();
    match bound.as_slice() {
        [] => expr.source.to_string(),
        bound => format!("{} with {}", expr.source, bound.join(", ")),
    }
}

fn shown(value: &Value) -> String {
    match wire::shown(value) {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

fn right(right: Right) -> &'static str {
    match right {
        Right::Read => "read",
        Right::ReadWrite => "read_write",
    }
}

fn replace_order(order: ReplaceOrder) -> &'static str {
    match order {
        ReplaceOrder::CreateFirst => "create_first",
        ReplaceOrder::DeleteFirst => "delete_first",
    }
}

fn substitutions(side: Side<'_>) -> Vec<Substitution> {
    let pins = BTreeMap::new();
    let around = lower::surroundings(side.resolved, &pins);
    let mut found = Vec::new();
    for resource in side.resolved.resources.values() {
        for finding in side.provider.check(&lower::neutral(side.resolved, resource), &around) {
            if finding.weight == Weight::Substitutes {
                found.push(Substitution {
                    environment: side.resolved.environment.clone(),
                    address: resource.addr.to_string(),
                    path: finding.path.join("."),
                    what: finding.message,
                });
            }
        }
    }
    found
}
