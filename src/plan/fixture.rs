//! Plans made by hand, for the tests of what is shown and saved of them.

use super::{Allowed, BoundTo, NodeFacts, Plan, Step, Verb};
use crate::diff::{Action, Change, Drift, Mode, Reason};
use crate::resolve::Scope;
use crate::state::Binding;
use dsenv_sdk::provider::{DataFate, OnDestroy};
use dsenv_sdk::schema::ReplaceOrder;
use dsenv_sdk::term::{Expr, Form, Ref};
use dsenv_sdk::value::{Map, Value, wire};
use dsenv_sdk::{Addr, Secret, Term};
use std::collections::{BTreeMap, BTreeSet};

/// An address.
pub(crate) fn addr(text: &str) -> Addr {
    text.parse().expect("an address")
}

/// Reads a value from JSON; a text `secret:x` is the secret `x`.
pub(crate) fn value(json: &str) -> Value {
    let json = serde_json::from_str(json).expect("JSON");
    let value = wire::decode::<()>(json, &mut |_| unreachable!("nothing is sealed"));
    with_secrets(value.expect("a value"))
}

fn with_secrets(value: Value) -> Value {
    match value {
        Value::Text(text) => match text.strip_prefix("secret:") {
            Some(secret) => Value::Secret(Secret::new(secret)),
            None => Value::Text(text),
        },
        Value::List(items) => Value::List(items.into_iter().map(with_secrets).collect()),
        Value::Map(map) => {
            Value::Map(map.into_iter().map(|(key, item)| (key, with_secrets(item))).collect())
        }
        scalar => scalar,
    }
}

/// Reads a map of values from JSON.
pub(crate) fn map(json: &str) -> Map {
    value(json).as_map().expect("a map").clone()
}

/// Reads terms from JSON: `ref:a.b` is a reference, `expr:text` an expression, `pin:x` not locked.
pub(crate) fn terms(json: &str) -> BTreeMap<String, Term> {
    map(json).into_iter().map(|(key, item)| (key, term(item))).collect()
}

fn term(value: Value) -> Term {
    match value {
        Value::Text(text) => match text.split_once(':') {
            Some(("ref", path)) => {
                let mut steps = path.split('.');
                let addr = addr(steps.next().expect("a name"));
                Term::Ref(Ref { addr, path: steps.map(Into::into).collect() })
            }
            Some(("expr", source)) => Term::Expr(Expr {
                source: source.into(),
                form: Form::Plain,
                each: None,
                refs: [Ref::attribute(addr("db"), "host")].into(),
            }),
            Some(("pin", pin)) => Term::NotLocked(pin.into()),
            _ => Term::text(text),
        },
        Value::List(items) => Term::list(items.into_iter().map(term).collect()),
        Value::Map(map) => {
            Term::map(map.into_iter().map(|(key, item)| (key, term(item))).collect())
        }
        scalar => Term::Known(scalar),
    }
}

/// A change; `before` and `after` are JSON, empty for absent.
pub(crate) fn change(
    text: &str,
    kind: &str,
    action: Action,
    reason: Reason,
    before: &str,
    after: &str,
) -> Change {
    let part = addr(text).part.map_or(kind.to_owned(), |part| part.name.to_string());
    Change {
        addr: addr(text),
        kind: kind.to_owned(),
        ty: format!("local.{part}"),
        action,
        order: ReplaceOrder::DeleteFirst,
        reason,
        before: (!before.is_empty()).then(|| map(before)),
        after: if after.is_empty() { Default::default() } else { terms(after).into() },
        drift: Vec::new(),
        observed: None,
    }
}

/// A change that creates something new.
pub(crate) fn create(text: &str, kind: &str, after: &str) -> Change {
    change(text, kind, Action::Create, Reason::New, "", after)
}

/// A change that changes nothing.
pub(crate) fn same(text: &str, kind: &str) -> Change {
    change(text, kind, Action::NoOp, Reason::Same, "{}", "{}")
}

/// Something that was changed outside.
pub(crate) fn drift(name: &str, before: &str, after: &str, relevant: bool) -> Drift {
    Drift { name: name.to_owned(), before: value(before), after: value(after), relevant }
}

/// The verbs that the planner makes of a change.
fn verbs(change: &Change) -> Vec<Verb> {
    let args = change.after.clone();
    let delete = Verb::Delete { generation: 1, fate: DataFate::Delete };
    match change.action {
        Action::Create => vec![Verb::Create { generation: 1, args }],
        Action::Update => vec![Verb::Update { args }],
        Action::Replace => vec![delete, Verb::Create { generation: 2, args }],
        Action::Delete => vec![delete],
        Action::Forget => vec![Verb::Forget],
        Action::Resume => vec![Verb::Resume],
        Action::NoOp => Vec::new(),
    }
}

/// A plan of these changes, with their steps one after the other.
pub(crate) fn plan(changes: Vec<Change>) -> Plan {
    let mut steps: Vec<Step> = Vec::new();
    let mut nodes = BTreeMap::new();
    for change in &changes {
        for verb in verbs(change) {
            let after = steps.len().checked_sub(1).map(|last| last as u32).into_iter().collect();
            steps.push(Step { addr: change.addr.clone(), verb, after });
            let facts = NodeFacts {
                kind: change.kind.clone(),
                ty: change.ty.clone(),
                provider: "local".to_owned(),
                depends_on: BTreeSet::new(),
                create_first: false,
                on_destroy: OnDestroy::Delete,
                timeouts_s: [Some(60), None, None],
            };
            nodes.insert(change.addr.clone(), facts);
        }
    }
    let binding = Binding {
        provider: "local".to_owned(),
        account: "ada".to_owned(),
        region: "build7".to_owned(),
    };
    Plan {
        bound: BoundTo {
            tool_version: "0.1.0".to_owned(),
            blueprint: "workbench".to_owned(),
            blueprint_digest: "b3:1234".to_owned(),
            environment: "dev".to_owned(),
            binding: Some(binding),
            lineage: "l-1".to_owned(),
            serial: 3,
        },
        mode: Mode::Apply,
        allowed: Allowed::default(),
        changes,
        steps,
        nodes,
        scope: Scope::default(),
        arguments: Default::default(),
        outputs: BTreeMap::new(),
        protect: BTreeSet::new(),
        not_locked: Vec::new(),
    }
}
