//! What resources become, without any connection.

use crate::place::{resource, using};
use dsenv_local::provider;
use dsenv_sdk::provider::{Neutral, OnDestroy, Right, Surroundings, Use, Weight};
use dsenv_sdk::{Addr, Term, conformance};
use serde_json::json;
use std::collections::BTreeMap;

/// Every test of this file.
pub(crate) const ALL: &[(&str, fn())] = &[
    ("the_tables_pass_the_conformance_suite", tables),
    ("a_machine_is_grants_software_and_a_workspace_in_that_order", machine),
    ("members_of_a_pool_share_software_and_grants", pool),
    ("a_folder_is_a_variable_of_who_uses_it", folders),
    ("every_neutral_attribute_is_one_of_the_main_node", attributes),
    ("what_cannot_be_honoured_is_refused_and_what_differs_is_said", findings),
    ("the_same_requirement_is_the_same_pin", pins),
];

fn tables() {
    assert_eq!(conformance::schema(&*provider()), Vec::<String>::new());
}

fn lower(resource: &Neutral) -> Vec<(String, &'static str, BTreeMap<String, Term>)> {
    let pins = BTreeMap::new();
    let around = Surroundings::new("b", "e", &pins);
    let native = provider().lower(resource, &around).into_iter();
    native
        .map(|it| {
            let addr = Addr { part: it.part, ..resource.addr.clone() };
            (addr.to_string(), it.ty, it.args)
        })
        .collect()
}

fn uses() -> Vec<Use> {
    let used = |name: &str, kind, right| Use { target: Addr::resource(name), kind, right };
    vec![used("features", "database", Right::ReadWrite), used("lake", "bucket", Right::Read)]
}

fn machine() {
    let fields = json!({"software": {"python": "3.11", "packages": ["six"]}, "image": "debian-12"});
    let mut machine = using(resource("nb", "machine", fields), uses());
    machine.network = Some(Addr::resource("net"));
    let nodes = lower(&machine);
    let shape: Vec<_> = nodes.iter().map(|(addr, ty, _)| format!("{addr} {ty}")).collect();
    let expected = [
        "nb.grant[\"features\"] local.role",
        "nb.grant[\"lake\"] local.key",
        "nb.software local.software",
        "nb local.workspace",
    ];
    assert_eq!(shape, expected);
    let workspace = &nodes[3].2;
    let mut refs = Vec::new();
    workspace.values().for_each(|term| term.each_ref(&mut |it| refs.push(it.to_string())));
    assert!(refs.contains(&"nb.software.bin".to_owned()), "{refs:?}");
    assert!(refs.contains(&"nb.grant[\"features\"].password".to_owned()), "{refs:?}");
    assert!(refs.contains(&"net.id".to_owned()), "{refs:?}");
    // Not pinned yet: shown, and never applied.
    assert!(nodes[2].2["pins"].is_unlocked());
    // Software needs no grant: packages are installed while the database is being made.
    nodes[2].2.values().for_each(|term| term.each_ref(&mut |it| panic!("software needs {it}")));
}

fn pool() {
    let fields = json!({
        "count": {"min": 0, "max": 8, "start": 2},
        "software": {"python": "3.11+", "packages": []},
    });
    let nodes = lower(&using(resource("w", "pool", fields), uses()));
    let shape: Vec<_> = nodes.iter().map(|(addr, ty, _)| format!("{addr} {ty}")).collect();
    let expected = [
        "w.grant[\"features\"] local.role",
        "w.grant[\"lake\"] local.key",
        "w.software local.software",
        "w.member[0] local.workspace",
        "w.member[1] local.workspace",
        "w local.pool",
    ];
    assert_eq!(shape, expected);
    let Term::List(members) = &nodes[5].2["members"] else { panic!("a list") };
    assert_eq!(members.len(), 2);
    let none = lower(&resource("w", "pool", json!({"count": 0})));
    assert_eq!(none.len(), 1, "a pool of none is its list alone");
}

fn folders() {
    let used = |name: &str, kind, right| Use { target: Addr::resource(name), kind, right };
    let uses = vec![used("data", "volume", Right::ReadWrite), used("files", "share", Right::Read)];
    let machine = using(resource("nb", "machine", json!({})), uses);
    let nodes = lower(&machine);
    let shape: Vec<_> = nodes.iter().map(|(addr, ty, _)| format!("{addr} {ty}")).collect();
    let expected =
        ["nb.grant[\"data\"] local.mount", "nb.grant[\"files\"] local.mount", "nb local.workspace"];
    assert_eq!(shape, expected);
    let connections = &nodes[2].2["connections"];
    for (name, path) in
        [("DATA_PATH", "nb.grant[\"data\"].path"), ("FILES_PATH", "nb.grant[\"files\"].path")]
    {
        let Some(Term::Ref(taken)) = connections.step(name) else { panic!("{name}") };
        assert_eq!(taken.to_string(), path);
    }
    let said = |resource: &Neutral| -> Vec<String> {
        let pins = BTreeMap::new();
        let found = provider().check(resource, &Surroundings::new("b", "e", &pins)).into_iter();
        found
            .map(|it| {
                assert_eq!(it.weight, Weight::Substitutes, "{it:?}");
                it.path.join(".")
            })
            .collect()
    };
    assert_eq!(said(&machine), ["uses.files"], "read-only is not kept");
    let fields = json!({"size": "20GiB", "iops": 4000, "throughput": "250MiB", "encrypted": true});
    let volume = resource("data", "volume", fields);
    assert_eq!(said(&volume), ["encrypted", "size", "iops", "throughput"]);
    let share = resource("files", "share", json!({"encrypted": false, "size": "1TiB"}));
    assert_eq!(said(&share), ["size"]);
}

fn attributes() {
    let provider = provider();
    for (kind, fields) in [
        ("bucket", json!({})),
        ("database", json!({"engine": "postgres", "version": "15"})),
        ("machine", json!({})),
        ("network", json!({"cidr": "10.0.0.0/8"})),
        ("pool", json!({"count": 1})),
        ("secret", json!({"generate": {"length": 32}})),
        ("share", json!({})),
        ("value", json!({"input": 1})),
        ("volume", json!({"size": "20GiB"})),
    ] {
        let neutral = dsenv_sdk::kinds::kind(kind).expect("a kind");
        let mut main = lower(&resource("r", neutral.name, fields));
        main.retain(|(addr, _, _)| addr == "r");
        let [(_, ty, args)] = &*main else { panic!("{kind} has one main node") };
        let ty = provider.native_type(ty).expect("it is listed");
        for attribute in neutral.attributes {
            assert!(ty.attribute(attribute.name).is_some(), "{kind}.{}", attribute.name);
        }
        for name in args.keys() {
            assert!(ty.field(name).is_some(), "{kind} is lowered to an unknown `{name}`");
        }
    }
}

fn findings() {
    let check = |resource: &Neutral| {
        let none = BTreeMap::new();
        let all = provider().check(resource, &Surroundings::new("b", "e", &none));
        let text = |weight| {
            let of = all.iter().filter(|finding| finding.weight == weight);
            of.map(|finding| finding.path.join(".")).collect::<Vec<_>>().join(" ")
        };
        (text(Weight::Refuses), text(Weight::Substitutes))
    };
    let mysql = resource("d", "database", json!({"engine": "mysql", "version": "8.0"}));
    assert_eq!(check(&mysql).0, "engine version");
    let minor = resource("d", "database", json!({"engine": "postgres", "version": "15.3"}));
    assert_eq!(check(&minor).0, "version");
    let machine = json!({"image": "debian-12", "gpu": "A100", "cpus": "2+", "purchase": "spot"});
    assert_eq!(
        check(&resource("m", "machine", machine)),
        (String::new(), "cpus gpu image purchase".to_owned())
    );
    let option = json!({"software": {"python": "3.11", "packages": ["-r x"]}});
    assert_eq!(check(&resource("m", "machine", option)).0, "software");
    let health = json!({"services": {"web": {"run": "x", "health": {"http": "/"}}}});
    assert_eq!(check(&resource("m", "machine", health)).0, "services.web.health");
    let mut lake = resource("lake", "bucket", json!({"encrypted": true}));
    assert_eq!(check(&lake), (String::new(), "encrypted".to_owned()));
    lake.on_destroy = OnDestroy::Snapshot;
    assert_eq!(check(&lake).0, "on_destroy");
    assert_eq!(check(&resource("v", "value", json!({"input": 1}))), Default::default());
}

fn pins() {
    let none = BTreeMap::new();
    let around = Surroundings::new("b", "e", &none);
    let wants = |packages: serde_json::Value| {
        let software = json!({"software": {"python": "3.11", "packages": packages}});
        let wants = provider().wants(&resource("m", "machine", software), &around);
        assert_eq!(wants.len(), 1);
        wants[0].pin.to_string()
    };
    assert_eq!(wants(json!(["six"])), wants(json!(["six"])));
    assert_ne!(wants(json!(["six"])), wants(json!(["six", "idna"])));
    assert!(provider().wants(&resource("m", "machine", json!({})), &around).is_empty());
}
