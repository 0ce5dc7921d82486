//! What each neutral kind becomes, and that the result is acceptable to the cloud.

use crate::client::{addr, args, ty};
use dsenv_fake::{FakeCloud, FakeProvider, Values};
use dsenv_sdk::provider::{
    Native, Neutral, OnDestroy, Provider, Right, Surroundings, Use, Weight, grant_addr,
};
use dsenv_sdk::term::{Ref, Term};
use dsenv_sdk::value::{Map, Value};
use std::collections::BTreeMap;

fn neutral(kind: &'static str, at: &str, fields: Map) -> Neutral {
    Neutral {
        addr: addr(at),
        kind,
        fields: fields.into_iter().map(|(name, value)| (name, Term::Known(value))).collect(),
        uses: Vec::new(),
        network: None,
        on_destroy: OnDestroy::Refuse,
        access: Vec::new(),
        tags: BTreeMap::new(),
        owner: None,
        protect: false,
    }
}

fn provider(values: Values) -> FakeProvider {
    FakeProvider::new(FakeCloud::new()).values(values)
}

fn around(pins: &BTreeMap<String, Value>) -> Surroundings<'_> {
    Surroundings::new("bp", "test", pins)
}

fn lower(resource: &Neutral, values: Values, pins: &BTreeMap<String, Value>) -> Vec<Native> {
    let natives = provider(values).lower(resource, &around(pins));
    for native in &natives {
        for (name, term) in &native.args {
            let field = ty(native.ty).field(name).expect("an argument of the type");
            assert!(field.ty.check(term).is_empty(), "{}.{name}: {term:?}", native.ty);
        }
    }
    assert_eq!(natives.iter().filter(|native| native.part.is_none()).count(), 1);
    natives
}

/// Says which node is what, in a line each.
fn nodes(at: &str, natives: &[Native]) -> Vec<String> {
    let node = |native: &Native| {
        let addr = dsenv_sdk::Addr { part: native.part.clone(), ..addr(at) };
        format!("{addr} {}", native.ty)
    };
    natives.iter().map(node).collect()
}

fn workers() -> Neutral {
    let mut fields = args([("count", Value::Int(2)), ("cpus", "2+".into())]);
    let software =
        args([("python", "3.11".into()), ("packages", Value::List(vec!["numpy".into()]))]);
    fields.insert("software".to_owned(), Value::Map(software));
    let service = args([("run", "serve".into()), ("port", Value::Int(80))]);
    let services = args([("web", Value::Map(service))]);
    fields.insert("services".to_owned(), Value::Map(services));
    fields.insert("environment".to_owned(), Value::Map(args([("MODE", "fast".into())])));
    let used = Use { target: addr("features"), kind: "database", right: Right::ReadWrite };
    Neutral { uses: vec![used], network: Some(addr("net")), ..neutral("pool", "w", fields) }
}

#[test]
fn a_pool_is_its_members_and_what_they_share() {
    let natives = lower(&workers(), Values::Builtin, &BTreeMap::new());
    assert_eq!(
        nodes("w", &natives),
        [
            "w fake.pool",
            "w.member[0] fake.machine",
            "w.member[1] fake.machine",
            "w.software fake.software",
            "w.grant[\"features\"] fake.database_grant",
        ]
    );
    let member = &natives[1].args;
    assert_eq!(member["network"], Term::Ref(Ref::attribute(addr("net"), "id")));
    assert_eq!(member["software"], Term::Ref(Ref::attribute(addr("w.software"), "id")));
    let grant = grant_addr(&addr("w"), &addr("features"));
    let environment = &member["environment"];
    assert_eq!(environment.step("FEATURES_URL"), Some(Term::Ref(Ref::attribute(grant, "url"))));
    assert_eq!(environment.step("MODE"), Some(Term::text("fast")));
    let target = Term::Ref(Ref::attribute(addr("features"), "id"));
    assert_eq!(natives[4].args["target"], target);
    let ids = natives[0].args["members"].step("1");
    assert_eq!(ids, Some(Term::Ref(Ref::attribute(addr("w.member[1]"), "id"))));
}

#[test]
fn a_pool_with_a_range_begins_where_it_says() {
    let sized = |entries: &[(&str, i64)]| {
        let range = entries.iter().map(|(key, value)| ((*key).to_owned(), Value::Int(*value)));
        let fields = args([("count", Value::Map(range.collect()))]);
        lower(&neutral("pool", "w", fields), Values::Builtin, &BTreeMap::new()).len() - 1
    };
    assert_eq!(sized(&[("min", 1), ("max", 5)]), 1);
    assert_eq!(sized(&[("min", 1), ("max", 5), ("start", 3)]), 3);
}

#[test]
fn a_machine_is_not_locked_until_its_packages_are() {
    let machine = Neutral { kind: "machine", ..workers() };
    let machine = Neutral {
        fields: machine.fields.into_iter().filter(|(name, _)| name != "count").collect(),
        ..machine
    };
    let want =
        provider(Values::Builtin).wants(&machine, &around(&BTreeMap::new())).pop().expect("a want");
    let lock = |pins: &BTreeMap<String, Value>| {
        let natives = lower(&machine, Values::Builtin, pins);
        let software = natives.iter().find(|native| native.ty == "fake.software");
        software.expect("software").args["lock"].clone()
    };
    assert_eq!(lock(&BTreeMap::new()), Term::NotLocked(want.pin.clone()));
    let pins = BTreeMap::from([(want.pin.to_string(), Value::text("pinned"))]);
    assert_eq!(lock(&pins), Term::text("pinned"));
    // The same requirement has the same name wherever it stands.
    assert_eq!(provider(Values::Builtin).wants(&workers(), &around(&pins))[0].pin, want.pin);
}

#[test]
fn values_are_what_the_test_asks_for() {
    let none = BTreeMap::new();
    let plain = neutral("value", "a", args([("input", Value::Int(1))]));
    let named = neutral("value", "a", args([("input", Value::Map(args([("name", "n".into())])))]));
    let secret = neutral("secret", "s", args([("generate", Value::Map(Map::new()))]));
    let types =
        |values| [&plain, &named, &secret].map(|resource| lower(resource, values, &none)[0].ty);
    assert_eq!(types(Values::Builtin), ["dsenv.value", "dsenv.value", "dsenv.secret"]);
    assert_eq!(types(Values::Objects), ["fake.object", "fake.named", "fake.secret"]);
    assert_eq!(lower(&named, Values::Objects, &none)[0].args["name"], Term::text("n"));
}

#[test]
fn linked_values_name_the_ids_of_what_they_refer_to() {
    let mut value = neutral("value", "b", Map::new());
    let output = Term::Ref(Ref::attribute(addr("a"), "output"));
    value.fields.insert("input".to_owned(), output);
    let links = |values| lower(&value, values, &BTreeMap::new())[0].args.get("links").cloned();
    assert_eq!(links(Values::Objects), None);
    let id = Term::Ref(Ref::attribute(addr("a"), "id"));
    assert_eq!(links(Values::LinkedObjects), Some(Term::List(vec![id])));
}

#[test]
fn one_thing_is_refused_and_one_is_substituted() {
    let purchase = Value::Map(args([("on_interruption", "hibernate".into())]));
    let mut pool = neutral("pool", "w", args([("gpu", "A100".into()), ("purchase", purchase)]));
    pool.fields.insert("count".to_owned(), Term::Ref(Ref::attribute(addr("a"), "output")));
    let none = BTreeMap::new();
    let found: Vec<_> = provider(Values::Builtin)
        .check(&pool, &around(&none))
        .into_iter()
        .map(|finding| (finding.path.join("."), finding.weight))
        .collect();
    assert_eq!(
        found,
        [
            ("count".to_owned(), Weight::Refuses),
            ("purchase.on_interruption".to_owned(), Weight::Refuses),
            ("gpu".to_owned(), Weight::Substitutes),
        ]
    );
    assert!(provider(Values::Builtin).check(&workers(), &around(&none)).is_empty());
}
