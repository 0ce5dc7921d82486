//! What the tests of the pure halves share: a resource in, text out.

use dsenv_sdk::provider::{Finding, Native, Neutral, OnDestroy, Surroundings, Weight};
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Term};
use std::collections::BTreeMap;

/// A resource with these fields and nothing else.
pub(super) fn neutral(name: &str, kind: &'static str, fields: &[(&str, Value)]) -> Neutral {
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

fn around(pins: &BTreeMap<String, Value>) -> Surroundings<'_> {
    let region = Some("us-east-1");
    Surroundings { region, ..Surroundings::new("workbench", "prod", pins) }
}

/// What a check finds, one line a finding.
pub(super) fn findings(
    check: fn(&Neutral, &Surroundings<'_>) -> Vec<Finding>,
    resource: &Neutral,
) -> String {
    let line = |finding: Finding| {
        let weight = match finding.weight {
            Weight::Refuses => "refuses",
            Weight::Substitutes => "substitutes",
        };
        let help = finding.help.map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}: {weight}: {}{help}\n", finding.path.join("."), finding.message)
    };
    check(resource, &around(&BTreeMap::new())).into_iter().map(line).collect()
}

/// The nodes that a resource is lowered to, each with its arguments.
pub(super) fn natives(
    lower: fn(&Neutral, &Surroundings<'_>) -> Vec<Native>,
    resource: &Neutral,
) -> String {
    let mut text = String::new();
    for native in lower(resource, &around(&BTreeMap::new())) {
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

fn shown(term: &Term) -> String {
    match term {
        Term::Known(value) => value.to_string(),
        Term::Ref(reference) => format!("<{reference}>"),
        Term::List(items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        Term::Map(entries) => {
            let entries = entries.iter().map(|(name, term)| format!("{name}: {}", shown(term)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}
