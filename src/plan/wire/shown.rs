//! The document of `plan --json`, `dsenv-plan/1`: every value as people may see it.

use super::parts::{ActionWire, FateWire, ModeWire, OrderWire, ReasonWire};
use super::term::Object;
use crate::diag::{Findings, Source, wire as diagnostics};
use crate::diff::{Action, Drift};
use crate::plan::Plan;
use crate::plan::view::{self, Entry, Summary};
use dsenv_sdk::value::wire;
use dsenv_sdk::{Addr, Term};
use serde::Serialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// The name and version of the format.
pub const FORMAT: &str = "dsenv-plan/1";

/// Makes the document. `cost` is what it costs, `null` where nothing is charged; `verdicts` are what the guards said of the plan, `diagnostics` what the
/// compiler said of the blueprint; both may be empty. The same input gives the same bytes.
///
/// Nodes that stay as they are are only counted, unless something was seen to differ outside.
///
/// It is a type of its own and no tree of JSON, so that the keys stand in an order that people like
/// and nothing is copied: write it with `serde_json::to_writer`.
pub fn shown<'a>(
    plan: &'a Plan,
    verdicts: &Findings,
    diagnostics: &Findings,
    source: &Source,
    cost: Json,
) -> Document<'a> {
    let entries = view::entries(plan);
    let changes = entries.iter().filter(|entry| !entry.is_silent());
    Document {
        format: FORMAT,
        dsenv: &plan.bound.tool_version,
        blueprint: &plan.bound.blueprint,
        environment: &plan.bound.environment,
        serial: plan.bound.serial,
        mode: plan.mode.into(),
        summary: SummaryOut::new(view::summary(&entries)),
        changes: changes.map(|entry| change(plan, entry)).collect(),
        outputs: holes(&plan.outputs),
        not_locked: &plan.not_locked,
        cost,
        verdicts: diagnostics::entries(verdicts, source),
        diagnostics: diagnostics::entries(diagnostics, source),
    }
}

/// What `plan --json` prints.
#[derive(Serialize)]
pub struct Document<'a> {
    format: &'static str,
    dsenv: &'a str,
    blueprint: &'a str,
    environment: &'a str,
    serial: u64,
    mode: ModeWire,
    summary: SummaryOut,
    changes: Vec<ChangeOut<'a>>,
    outputs: Shown,
    not_locked: &'a [String],
    cost: Json,
    verdicts: Vec<diagnostics::Entry>,
    diagnostics: Vec<diagnostics::Entry>,
}

#[derive(Serialize)]
struct SummaryOut {
    create: usize,
    update: usize,
    replace: usize,
    delete: usize,
    forget: usize,
    unchanged: usize,
    left_out: usize,
}

impl SummaryOut {
    fn new(summary: Summary) -> SummaryOut {
        let Summary { create, update, replace, delete, forget, unchanged, left_out } = summary;
        SummaryOut { create, update, replace, delete, forget, unchanged, left_out }
    }
}

#[derive(Serialize)]
struct ChangeOut<'a> {
    address: String,
    kind: &'a str,
    provider: String,
    #[serde(rename = "type")]
    ty: &'a str,
    action: ActionShown,
    reason: ReasonWire,
    /// `null` when the action is not a replacement.
    order: Option<OrderWire>,
    /// What becomes of the data of what is deleted; `null` when nothing is.
    data: Option<FateWire>,
    /// The generation of an object that was replaced before and is deleted now, or `null`.
    deposed: Option<u64>,
    before: Option<Object>,
    after: Option<Object>,
    unknown: Vec<String>,
    not_locked: Vec<NotLocked>,
    drift: Vec<DriftOut<'a>>,
}

/// The words of the contract: one of them has a hyphen.
#[derive(Serialize)]
#[serde(untagged)]
enum ActionShown {
    #[serde(serialize_with = "no_op")]
    NoOp,
    Other(ActionWire),
}

fn no_op<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("no-op")
}

#[derive(Serialize)]
struct NotLocked {
    path: String,
    pin: String,
}

#[derive(Serialize)]
struct DriftOut<'a> {
    name: &'a str,
    before: Json,
    after: Json,
    relevant: bool,
}

/// Terms as people may see them: holes are `null` and listed by their paths.
#[derive(Default, Serialize)]
struct Shown {
    values: Object,
    unknown: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_locked: Vec<NotLocked>,
}

fn change<'a>(plan: &'a Plan, entry: &Entry<'a>) -> ChangeOut<'a> {
    let change = entry.change;
    let ends = match entry.action {
        Action::Delete | Action::Forget => true,
        Action::Create | Action::Update | Action::Replace | Action::Resume | Action::NoOp => false,
    };
    let before = change.before.as_ref().filter(|_| entry.deposed.is_none());
    let after = if ends { Shown::default() } else { holes(&change.after) };
    let action = match entry.action {
        Action::NoOp => ActionShown::NoOp,
        action => ActionShown::Other(action.into()),
    };
    ChangeOut {
        address: change.addr.to_string(),
        kind: &change.kind,
        provider: provider(plan, &change.addr, &change.ty),
        ty: &change.ty,
        action,
        reason: entry.reason.into(),
        order: (entry.action == Action::Replace).then(|| change.order.into()),
        data: entry.fate.map(FateWire::from),
        deposed: entry.deposed,
        before: before.map(|map| {
            let show = |(key, value): (&String, _)| (key.clone(), plain(value));
            map.iter().map(show).collect()
        }),
        after: (!ends).then_some(after.values),
        unknown: after.unknown,
        not_locked: after.not_locked,
        drift: if entry.deposed.is_some() { Vec::new() } else { drift(&change.drift) },
    }
}

fn drift(drifts: &[Drift]) -> Vec<DriftOut<'_>> {
    let mut out = Vec::with_capacity(drifts.len());
    for Drift { name, before, after, relevant } in drifts {
        let (before, after) = (plain(before), plain(after));
        out.push(DriftOut { name, before, after, relevant: *relevant });
    }
    out
}

/// The provider of a node. A node without steps has no facts in the plan; it belongs to the
/// environment's provider.
fn provider(plan: &Plan, addr: &Addr, ty: &str) -> String {
    let facts = plan.nodes.get(addr).map(|facts| facts.provider.as_str());
    let bound = || plan.bound.binding.as_ref().map(|binding| binding.provider.as_str());
    let env = || plan.scope.env.get("provider").and_then(|value| value.as_text());
    let prefix = || ty.split('.').next().unwrap_or(ty);
    facts.or_else(bound).or_else(env).unwrap_or_else(prefix).to_owned()
}

fn holes(terms: &BTreeMap<String, Term>) -> Shown {
    let mut shown = Shown::default();
    let mut path = Vec::new();
    for (name, term) in terms {
        path.push(name.clone());
        let json = show(term, &mut path, &mut shown);
        path.pop();
        shown.values.insert(name.clone(), json);
    }
    shown
}

fn show(term: &Term, path: &mut Vec<String>, shown: &mut Shown) -> Json {
    match term {
        Term::Known(value) => plain(value),
        Term::Ref(_) | Term::Expr(_) => {
            shown.unknown.push(path_text(path));
            Json::Null
        }
        Term::NotLocked(pin) => {
            let at = path_text(path);
            shown.unknown.push(at.clone());
            shown.not_locked.push(NotLocked { path: at, pin: pin.to_string() });
            Json::Null
        }
        Term::List(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (at, item) in items.iter().enumerate() {
                path.push(format!("[{at}]"));
                list.push(show(item, path, shown));
                path.pop();
            }
            Json::Array(list)
        }
        Term::Map(entries) => {
            let mut object = Object::new();
            for (key, item) in entries {
                path.push(key.clone());
                let json = show(item, path, shown);
                path.pop();
                object.insert(key.clone(), json);
            }
            Json::Object(object)
        }
    }
}

/// A known value as it is: this document is read and never decoded, so no key is escaped.
fn plain(value: &dsenv_sdk::Value) -> Json {
    use dsenv_sdk::Value;
    match value {
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Map(map) => {
            Json::Object(map.iter().map(|(key, value)| (key.clone(), plain(value))).collect())
        }
        scalar => wire::shown(scalar),
    }
}

/// Writes a path: `environment.URL`, `packages[0]`, `tags["a.b"]`. A step that begins with a bracket
/// is taken as it is.
pub fn path_text(path: &[String]) -> String {
    let mut text = String::new();
    for step in path {
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if step.starts_with('[') && step.ends_with(']') {
            text.push_str(step);
        } else if step.is_empty() || !step.chars().all(plain) {
            text.push_str(&format!("[{}]", Json::from(step.as_str())));
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(step);
        }
    }
    text
}
