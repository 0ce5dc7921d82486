//! What is not refused can be lowered: machines and pools of many shapes, in regions that have all and in
//! ones that have little.

use crate::kinds::tests_of_kinds::{check_schema, map, neutral};
use crate::kinds::{GcpKind, NATIVE_TYPES, machine, pool};
use dsenv_sdk::Addr;
use dsenv_sdk::prices::{Book, Cloud};
use dsenv_sdk::provider::{Neutral, Surroundings, Weight};
use dsenv_sdk::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Needs, each as fields.
fn needs() -> Vec<Vec<(&'static str, Value)>> {
    let text = |text: &str| Value::text(text);
    vec![
        vec![],
        vec![("cpus", text("2+")), ("memory", text("8GiB+"))],
        vec![("cpus", text("64+"))],
        vec![("gpu", text("24GiB+"))],
        vec![("gpu", text("A100"))],
        vec![("gpu", text("H100"))],
        vec![("gpu", text("V100"))],
        vec![("type", text("c4a-standard-4"))],
    ]
}

fn purchases() -> Vec<Value> {
    let spot = |spot: &str, base: i64| {
        map([("spot", Value::text(spot)), ("on_demand_base", Value::Int(base))])
    };
    vec![
        Value::text("on_demand"),
        Value::text("spot"),
        spot("only", 0),
        spot("preferred", 2),
        map([("spot", Value::text("preferred"))]),
    ]
}

/// Lowers what is not refused; tells whether it was.
fn lowered(kind: &GcpKind, resource: &Neutral, region: &str) -> bool {
    let pins = BTreeMap::new();
    let region = Some(region);
    let around = Surroundings { region, ..Surroundings::new("workbench", "prod", &pins) };
    let findings = (kind.check)(resource, &around);
    if findings.iter().any(|finding| finding.weight == Weight::Refuses) {
        assert!(findings.iter().all(|it| it.weight != Weight::Refuses || it.help.is_some()));
        return false;
    }
    let natives = (kind.lower)(resource, &around);
    let parts: BTreeSet<_> = natives.iter().map(|native| native.part.clone()).collect();
    assert_eq!(parts.len(), natives.len(), "a part is there twice");
    assert_eq!(natives.iter().filter(|native| native.part.is_none()).count(), 1);
    for native in &natives {
        check_schema(native);
        for term in native.args.values() {
            // What is referred to within the resource is there, and has what is asked of it.
            term.each_ref(&mut |reference| {
                if reference.addr.owner() != resource.addr {
                    return;
                }
                let target = natives.iter().find(|it| it.part == reference.addr.part);
                let target = target.unwrap_or_else(|| panic!("there is no {}", reference.addr));
                let ty = NATIVE_TYPES.iter().find(|ty| ty.name == target.ty).expect("a type");
                let name = &*reference.path[0];
                assert!(ty.attribute(name).is_some() || ty.field(name).is_some(), "{reference}");
            });
        }
    }
    true
}

#[test]
fn what_is_not_refused_can_be_lowered() {
    let network = Some(Addr::resource("net"));
    let mut usual = 0;
    for region in ["us-central1", "europe-north2"] {
        for need in needs() {
            for purchase in purchases() {
                let mut fields = need.clone();
                fields.push(("purchase", purchase));
                let network = network.clone();
                let machine = Neutral { network, ..neutral("m", "machine", &fields) };
                usual += usize::from(lowered(&machine::KIND, &machine, region));
                for (min, max) in [(0, 0), (0, 1), (2, 2), (1, 8)] {
                    let count = map([("min", Value::Int(min)), ("max", Value::Int(max))]);
                    let mut fields = fields.clone();
                    fields.push(("count", count));
                    let network = Some(Addr::resource("net"));
                    let pool = Neutral { network, ..neutral("p", "pool", &fields) };
                    lowered(&pool::KIND, &pool, region);
                }
            }
        }
    }
    assert!(usual > 0, "something is to be had");
}

#[test]
fn every_region_has_a_usual_machine() {
    let fields = [("cpus", Value::text("2+")), ("memory", Value::text("8GiB+"))];
    let network = Some(Addr::resource("net"));
    let machine = Neutral { network, ..neutral("m", "machine", &fields) };
    for region in Book::builtin().regions(Cloud::Gcp).filter(|region| region.contains('-')) {
        assert!(lowered(&machine::KIND, &machine, region), "{region}");
    }
}
