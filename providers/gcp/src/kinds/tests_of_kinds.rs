//! What the tests of the kinds share: a resource in, text out.

use crate::{costs, kinds};
use dsenv_sdk::cost::{Charge, Costing, Line, Planned, Rate, Usage};
use dsenv_sdk::provider::{Finding, Native, Neutral, OnDestroy, Surroundings, Weight};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Term};
use std::collections::BTreeMap;

/// A resource with these fields and nothing else.
pub(crate) fn neutral(name: &str, kind: &'static str, fields: &[(&str, Value)]) -> Neutral {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into()));
    Neutral {
        addr: Addr::resource(name),
        kind,
        fields: fields.collect(),
        uses: Vec::new(),
        network: None,
        on_destroy: OnDestroy::Refuse,
        access: Vec::new(),
        tags: BTreeMap::new(),
        owner: None,
        protect: false,
    }
}

/// A map of values.
pub(crate) fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

pub(crate) fn around(pins: &BTreeMap<String, Value>) -> Surroundings<'_> {
    let region = Some("us-central1");
    Surroundings { region, ..Surroundings::new("workbench", "prod", pins) }
}

pub(crate) fn shown_findings(findings: Vec<Finding>) -> String {
    let line = |finding: Finding| {
        let weight = match finding.weight {
            Weight::Refuses => "refuses",
            Weight::Substitutes => "substitutes",
        };
        let help = finding.help.map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}: {weight}: {}{help}\n", finding.path.join("."), finding.message)
    };
    findings.into_iter().map(line).collect()
}

/// What a check finds, one line a finding.
pub(crate) fn findings(kind: &kinds::GcpKind, resource: &Neutral) -> String {
    shown_findings((kind.check)(resource, &around(&BTreeMap::new())))
}

/// The nodes that a resource is lowered to, each with its arguments, which fit the schema of its type.
pub(crate) fn natives(kind: &kinds::GcpKind, resource: &Neutral) -> String {
    let mut text = String::new();
    for native in (kind.lower)(resource, &around(&BTreeMap::new())) {
        check_schema(&native);
        let addr = Addr { part: native.part, ..resource.addr.clone() };
        text += &format!("{addr}: {}\n", native.ty);
        for (name, term) in &native.args {
            text += &format!("  {name} = {}\n", shown(term));
        }
        for addr in &native.after {
            text += &format!("  after {addr}\n");
        }
    }
    text
}

pub(crate) fn check_schema(native: &Native) {
    let ty = kinds::NATIVE_TYPES.iter().find(|ty| ty.name == native.ty).expect("a type of ours");
    for (name, term) in &native.args {
        let field = ty.field(name).unwrap_or_else(|| panic!("`{}` has no `{name}`", ty.name));
        let wrong = field.ty.check(term);
        assert!(wrong.is_empty(), "{}.{name}: {wrong:?}", ty.name);
    }
    for field in ty.fields {
        let required = field.presence == dsenv_sdk::schema::Presence::Required;
        assert!(!required || native.args.contains_key(field.name), "{}.{}", ty.name, field.name);
    }
}

fn shown(term: &Term) -> String {
    match term {
        Term::Known(value) => value.to_string(),
        Term::Ref(reference) => format!("<{reference}>"),
        Term::NotLocked(pin) => format!("not locked: {pin}"),
        Term::List(items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        Term::Map(entries) => {
            let entry = |(name, term): (&String, &Term)| format!("{name}: {}", shown(term));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}

/// What the first of some resources is charged for, with the others beside it, one line a charge.
pub(crate) fn charges(resources: &[&Neutral], usage: &[(&str, Value)]) -> String {
    charges_seen(resources, usage, &[])
}

/// The same, where something of a node was seen.
pub(crate) fn charges_seen(
    resources: &[&Neutral],
    usage: &[(&str, Value)],
    seen: &[(&str, Value)],
) -> String {
    charged(resources, usage, seen).iter().map(charge_line).collect()
}

/// What the first of some resources is charged for.
pub(crate) fn charged(
    resources: &[&Neutral],
    usage: &[(&str, Value)],
    seen: &[(&str, Value)],
) -> Vec<Charge> {
    let pins = BTreeMap::new();
    let lowered: Vec<(Addr, Native)> = resources
        .iter()
        .flat_map(|resource| {
            let all = kinds::KINDS.iter();
            let kind = all.copied().find(|kind| kind.name == resource.kind).expect("a kind");
            let natives = (kind.lower)(resource, &around(&pins));
            let addr =
                |native: &Native| Addr { part: native.part.clone(), ..resource.addr.clone() };
            natives.into_iter().map(move |native| (addr(&native), native))
        })
        .collect();
    let seen: Vec<(Addr, Map)> = seen
        .iter()
        .map(|(addr, value)| {
            (addr.parse().expect("an address"), value.as_map().expect("a map").clone())
        })
        .collect();
    let planned = |(addr, native): &'_ (Addr, Native)| Planned {
        addr: Box::leak(Box::new(addr.clone())),
        ty: kinds::NATIVE_TYPES.iter().find(|ty| ty.name == native.ty).expect("a type of ours"),
        args: Box::leak(Box::new(native.args.clone())),
        observed: seen.iter().find(|(it, _)| it == addr).map(|(_, map)| {
            let map: &Map = Box::leak(Box::new(map.clone()));
            map
        }),
    };
    let all: BTreeMap<&Addr, Planned<'_>> =
        lowered.iter().map(planned).map(|planned| (planned.addr, planned)).collect();
    let first = resources[0];
    let nodes: Vec<Planned<'_>> =
        all.values().filter(|node| node.addr.owner() == first.addr).copied().collect();
    let usage: Map =
        usage.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let costing = Costing {
        addr: &first.addr,
        kind: first.kind,
        region: Some("us-central1"),
        nodes: &nodes,
        all: &all,
        usage: &Usage::read(&usage),
    };
    let charges = costs::charges(&costing);
    for node in &nodes {
        let charged = charges.iter().any(|charge| &charge.addr == node.addr);
        let free = costs::free(node.ty).is_some() || node.ty.name.starts_with("dsenv.");
        assert!(charged != (free || node.ty.state_only), "{}: {}", node.addr, node.ty.name);
    }
    charges
}

/// `notebook: compute = machine e2-standard-2 on_demand x 1 each hour that it runs`, then what differs.
fn charge_line(charge: &Charge) -> String {
    let line = |line: &Line| format!("{} x {}", rate(&line.rate), line.count.normalize());
    let now = line(&charge.now);
    let mut text = format!("{}: {} ({:?}): {now}", charge.addr, charge.name, charge.time);
    for (name, other) in [("floor", &charge.floor), ("ceiling", &charge.ceiling)] {
        if line(other) != now {
            text += &format!("; {name} {}", line(other));
        }
    }
    for assumed in &charge.assumed {
        text += &format!(" [{assumed}]");
    }
    text + "\n"
}

fn rate(rate: &Rate) -> String {
    match rate {
        Rate::Machine { ty, purchase, .. } => format!("{ty} {purchase}"),
        Rate::Key(key) => key.clone(),
        Rate::Said(amount) => amount.to_string(),
        Rate::Dearest(rates) => {
            let rates: Vec<String> = rates.iter().map(self::rate).collect();
            format!("dearest({})", rates.join(", "))
        }
    }
}
