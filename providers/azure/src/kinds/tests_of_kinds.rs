//! What the tests of the kinds share: a resource in, text out.

use crate::provider::AzureProvider;
use dsenv_sdk::cost::{Charge, Costing, HOURS_A_MONTH, Line, Planned, Rate, Time, Usage};
use dsenv_sdk::prices::{Book, Cloud};
use dsenv_sdk::provider::{
    Access, Finding, Native, Neutral, OnDestroy, Right, Surroundings, Use, Weight,
};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Provider, Term};
use rust_decimal::Decimal;
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

/// A map of such pairs.
pub(crate) fn map(pairs: &[(&str, Value)]) -> Value {
    Value::Map(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

/// One entry of `uses`.
pub(crate) fn uses(target: &str, kind: &'static str, right: Right) -> Use {
    Use { target: Addr::resource(target), kind, right }
}

/// One entry of `access`, with a key for `ssh`.
pub(crate) fn access(who: &str, how: &str, from: Option<&str>) -> Access {
    let keys = if how == "ssh" { vec![Addr::resource(who)] } else { Vec::new() };
    let from = from.map(str::to_owned);
    Access { who: who.to_owned(), keys, how: how.to_owned(), from, until: None }
}

fn around<'a>(region: Option<&'a str>, pins: &'a BTreeMap<String, Value>) -> Surroundings<'a> {
    Surroundings { region, ..Surroundings::new("workbench", "prod", pins) }
}

const REGION: Option<&str> = Some("westeurope");

/// What a check finds, one line a finding.
pub(crate) fn findings(resource: &Neutral) -> String {
    findings_in(REGION, resource)
}

/// The same in another region.
pub(crate) fn findings_in(region: Option<&str>, resource: &Neutral) -> String {
    let line = |finding: Finding| {
        let weight = match finding.weight {
            Weight::Refuses => "refuses",
            Weight::Substitutes => "substitutes",
        };
        let help = finding.help.map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}: {weight}: {}{help}\n", finding.path.join("."), finding.message)
    };
    AzureProvider.check(resource, &around(region, &BTreeMap::new())).into_iter().map(line).collect()
}

/// The nodes that a resource is lowered to. Each argument fits its field, and none is missing.
pub(crate) fn lowered(region: &str, resource: &Neutral) -> Vec<(Addr, Native)> {
    let natives = AzureProvider.lower(resource, &around(Some(region), &BTreeMap::new()));
    let natives = natives.into_iter().map(|native| {
        let ty = AzureProvider.native_type(native.ty).expect("a listed type");
        for (name, term) in &native.args {
            let field = ty.field(name).unwrap_or_else(|| panic!("{} has no `{name}`", ty.name));
            assert_eq!(field.ty.check(term), [], "{}.{name}", ty.name);
        }
        for field in ty.fields {
            let required = matches!(field.presence, dsenv_sdk::schema::Presence::Required);
            assert!(
                !required || native.args.contains_key(field.name),
                "{}.{}",
                ty.name,
                field.name
            );
        }
        (Addr { part: native.part.clone(), ..resource.addr.clone() }, native)
    });
    natives.collect()
}

/// The nodes that a resource is lowered to, each with its arguments.
pub(crate) fn natives(resource: &Neutral) -> String {
    natives_in("westeurope", resource)
}

/// The same in another region.
pub(crate) fn natives_in(region: &str, resource: &Neutral) -> String {
    let mut text = String::new();
    for (addr, native) in lowered(region, resource) {
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

fn shown(term: &Term) -> String {
    match term {
        Term::Known(value) => value.to_string(),
        Term::Ref(reference) => format!("<{reference}>"),
        Term::NotLocked(pin) => format!("not locked: {pin}"),
        Term::List(items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        Term::Map(items) => {
            let items = items.iter().map(|(name, term)| format!("{name}: {}", shown(term)));
            format!("{{{}}}", items.collect::<Vec<_>>().join(", "))
        }
        Term::Expr(expr) => expr.source.to_string(),
    }
}

/// What a resource is charged for: `settled` says what references are, by their text, as the engine would
/// know; `usage` is what the blueprint says of use.
pub(crate) fn charged(
    resource: &Neutral,
    settled: &[(&str, Value)],
    usage: &[(&str, Value)],
) -> String {
    charged_of(resource, settled, usage, None)
}

/// Every charge of a resource, where machines have public addresses.
pub(crate) fn charges(resource: &Neutral) -> Vec<Charge> {
    let public = [("net.machine_addresses", Value::Bool(true))];
    charges_of("westeurope", resource, &public, &[], None)
}

/// The same of one whose main node exists and was seen with these values.
pub(crate) fn charged_of(
    resource: &Neutral,
    settled: &[(&str, Value)],
    usage: &[(&str, Value)],
    observed: Option<&Map>,
) -> String {
    charges_of("westeurope", resource, settled, usage, observed).iter().map(charge_line).collect()
}

/// What the built-in price book says of every charge of a month now, by its name.
pub(crate) fn monthly(region: &str, resource: &Neutral, usage: &[(&str, Value)]) -> String {
    let book = Book::builtin();
    let public = [("net.machine_addresses", Value::Bool(true))];
    let hours = usage.iter().find(|(name, _)| *name == "hours").and_then(|(_, it)| it.as_int());
    let priced = |charge: &Charge| {
        let times = match charge.time {
            Time::Running => Decimal::from(hours.unwrap_or(HOURS_A_MONTH)),
            Time::Always => Decimal::from(HOURS_A_MONTH),
            Time::Month => Decimal::ONE,
        };
        let count = charge.now.count * times;
        let cost = match &charge.now.rate {
            Rate::Machine { ty, os, purchase } => book
                .compute(Cloud::Azure, region, ty, *os, *purchase)
                .and_then(|priced| priced.price.cost(count).ok()),
            Rate::Key(key) => book
                .rate_by_key(Cloud::Azure, region, key)
                .and_then(|rate| rate.tiers.cost(count).ok()),
            other => panic!("{other:?} is no price of now"),
        };
        let shown = cost.map_or("no price".to_owned(), |it| it.amount.round_dp(2).to_string());
        format!("{} {}: {shown}\n", charge.addr, charge.name)
    };
    charges_of(region, resource, &public, usage, None).iter().map(priced).collect()
}

fn charges_of(
    region: &str,
    resource: &Neutral,
    settled: &[(&str, Value)],
    usage: &[(&str, Value)],
    observed: Option<&Map>,
) -> Vec<Charge> {
    let settle = |term: &Term| match term {
        Term::Ref(reference) => {
            let found = settled.iter().find(|(text, _)| *text == reference.to_string());
            found.map_or_else(|| term.clone(), |(_, value)| Term::Known(value.clone()))
        }
        other => other.clone(),
    };
    let mut natives = lowered(region, resource);
    natives.sort_by(|one, other| one.0.cmp(&other.0));
    for (_, native) in &mut natives {
        native.args.values_mut().for_each(|term| *term = settle(term));
    }
    let nodes: Vec<Planned<'_>> = natives
        .iter()
        .map(|(addr, native)| Planned {
            addr,
            ty: AzureProvider.native_type(native.ty).expect("a listed type"),
            args: &native.args,
            observed: observed.filter(|_| native.part.is_none()),
        })
        .collect();
    let all = nodes.iter().map(|node| (node.addr, *node)).collect();
    let usage: Map =
        usage.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let costing = Costing {
        addr: &resource.addr,
        kind: resource.kind,
        region: Some(region),
        nodes: &nodes,
        all: &all,
        usage: &Usage::read(&usage),
    };
    let charges = AzureProvider.cost(&costing);
    for node in &nodes {
        let is_charged = charges.iter().any(|charge| charge.addr == *node.addr);
        let is_free = AzureProvider.free(node.ty).is_some();
        assert!(is_charged != is_free, "{} is charged or free, and not both", node.addr);
    }
    charges
}

fn charge_line(charge: &Charge) -> String {
    let time = match charge.time {
        Time::Running => " for each hour that it runs",
        Time::Always => " for each hour",
        Time::Month => "",
    };
    let [floor, now, ceiling] = [&charge.floor, &charge.now, &charge.ceiling].map(line);
    let range = match floor == now && now == ceiling {
        true => now,
        false => format!("{now}, from {floor} to {ceiling}"),
    };
    let assumed = match charge.assumed.is_empty() {
        true => String::new(),
        false => format!(" ({})", charge.assumed.join("; ")),
    };
    format!("{}: {}: {range}{time}{assumed}\n", charge.addr, charge.name)
}

fn line(line: &Line) -> String {
    let rate = match &line.rate {
        Rate::Machine { ty, purchase, .. } => format!("{ty} {purchase}"),
        Rate::Key(key) => key.clone(),
        Rate::Said(amount) => format!("at {amount}"),
        Rate::Dearest(rates) => {
            let names = rates.iter().map(|rate| match rate {
                Rate::Machine { ty, .. } => ty.trim_start_matches("Standard_"),
                other => panic!("{other:?}"),
            });
            format!("the dearest of {}", names.collect::<Vec<_>>().join(", "))
        }
    };
    format!("{} x {rate}", line.count.normalize())
}
