//! The form of the file, and what the integrity check finds.

use super::file::{decode, encode};
use super::{Object, Operation, Outcome, Resource, State, Status, verify};
use crate::vault::{Identity, Vault};
use dsenv_sdk::provider::{Accepted, Observed, OnDestroy, Token};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Secret};
use expect_test::expect;
use std::path::Path;

fn addr(text: &str) -> Addr {
    text.parse().expect("an address")
}

fn object(name: &str, generation: u64) -> Object {
    let args = Map::from([
        ("$ref".to_owned(), Value::text("data, not a secret")),
        ("size".to_owned(), Value::List(vec![Value::Int(2), Value::Float(1.0), Value::Null])),
    ]);
    Object {
        token: Token::new("l", &addr(name), generation),
        generation,
        observed: Observed { remote_id: "r-1".into(), values: args.clone() },
        args,
        status: Status::Ready,
        accepted: None,
        ty: None,
        doubt_since: None,
        price_paid: None,
    }
}

fn resource(name: &str) -> Resource {
    Resource {
        kind: "bucket".into(),
        ty: "local.bucket".into(),
        provider: "local".into(),
        generation: 2,
        current: Some(object(name, 2)),
        deposed: Vec::new(),
        depends_on: Default::default(),
        create_first: true,
        on_destroy: OnDestroy::Refuse,
    }
}

fn state() -> State {
    let mut lake = resource("lake");
    lake.deposed.push(Object { status: Status::Tainted, ..object("lake", 1) });
    lake.depends_on.insert(addr("net"));
    let mut pending = resource("net");
    let current = pending.current.as_mut().expect("it was just made");
    current.status = Status::Creating;
    current.price_paid = Some("0.0116 USD/hour".into());
    current.accepted = Some(Accepted {
        remote_id: None,
        operation: "op-7".into(),
        waits_for: "network is being created".into(),
        ask_again_ms: 500,
    });
    State {
        lineage: "l".into(),
        serial: 4,
        blueprint: "bench".into(),
        environment: "dev".into(),
        bound: None,
        resources: [(addr("lake"), lake), (addr("net"), pending)].into(),
        outputs: Map::from([("url".to_owned(), Value::text("s3://lake"))]),
        protected: [addr("w[\"eu\"]")].into(),
        retired: [(addr("old"), 3)].into(),
        counted_from: 0,
    }
}

fn operation() -> Operation {
    Operation {
        id: "0f".into(),
        parent: None,
        command: "apply".into(),
        command_line: "dsenv apply -e dev".into(),
        user: "ana".into(),
        host: "h1".into(),
        pid: 7,
        started: jiff::Timestamp::UNIX_EPOCH,
        ended: jiff::Timestamp::UNIX_EPOCH,
        serial_before: 3,
        serial_after: 4,
        plan: None,
        outcome: Outcome::Done,
        recovered_by: None,
        restored_from: None,
    }
}

#[test]
fn the_form_of_format_1() {
    let text = encode(&state(), None, Some(&operation())).expect("it has no secret");
    expect![[r#"
        {
          "format": "dsenv-state/1",
          "blake3": "2aaea0acc719e7b84bd1acec702a53986d4155563f0af9f005ebc51a4364203f",
          "lineage": "l",
          "serial": 4,
          "blueprint": "bench",
          "environment": "dev",
          "operation": {"id":"0f","parent":null,"command":"apply","command_line":"dsenv apply -e dev","user":"ana","host":"h1","pid":7,"started":"1970-01-01T00:00:00Z","ended":"1970-01-01T00:00:00Z","serial_before":3,"serial_after":4,"plan":null,"outcome":"done","recovered_by":null,"restored_from":null},
          "bound": null,
          "keys": null,
          "protected": ["w[\"eu\"]"],
          "retired": {"old":3},
          "outputs": {"url":"s3://lake"},
          "resources": {
            "lake": {"kind":"bucket","type":"local.bucket","provider":"local","generation":2,"current":{"token":"c10d21214a38879d96098bb46e51755a","generation":2,"status":"ready","remote_id":"r-1","args":{"$$ref":"data, not a secret","size":[2,1.0,null]},"observed":{"$$ref":"data, not a secret","size":[2,1.0,null]}},"deposed":[{"token":"7e5aea87da017e0dc9e57086874dd98d","generation":1,"status":"tainted","remote_id":"r-1","args":{"$$ref":"data, not a secret","size":[2,1.0,null]},"observed":{"$$ref":"data, not a secret","size":[2,1.0,null]}}],"depends_on":["net"],"create_first":true,"on_destroy":"refuse"},
            "net": {"kind":"bucket","type":"local.bucket","provider":"local","generation":2,"current":{"token":"d66d46951656936043ae66f49da02a27","generation":2,"status":"creating","remote_id":"r-1","accepted":{"remote_id":null,"operation":"op-7","waits_for":"network is being created","ask_again_ms":500},"price_paid":"0.0116 USD/hour","args":{"$$ref":"data, not a secret","size":[2,1.0,null]},"observed":{"$$ref":"data, not a secret","size":[2,1.0,null]}},"create_first":true,"on_destroy":"refuse"}
          }
        }
    "#]].assert_eq(std::str::from_utf8(&text).expect("text"));
}

#[test]
fn what_is_written_is_read_back() {
    let identity = Identity::generate();
    let vault = Vault::create(&[identity.recipient()]).expect("a recipient");
    let mut state = state();
    state.counted_from = 7;
    state.outputs.insert("password".into(), Value::Secret(Secret::new("hunter2")));
    let pending = state.resources.get_mut(&addr("net")).and_then(|it| it.current.as_mut());
    pending.expect("it is there").doubt_since = Some(jiff::Timestamp::UNIX_EPOCH);
    let bytes = encode(&state, Some(&vault), Some(&operation())).expect("there is a key");
    let file = decode(&bytes, Path::new("s"), Some(&identity), Path::new("i")).expect("its own");
    assert_eq!((file.state, file.operation), (state.clone(), Some(operation())));
    let again = encode(&state, Some(&vault), Some(&operation())).expect("there is a key");
    assert_eq!(bytes, again, "an unchanged state gives the same bytes");
    let error = encode(&state, None, None).expect_err("no key").to_string();
    assert!(error.contains("no key to seal it with"), "{error}");
}

#[test]
fn a_secret_cannot_be_moved_to_another_node() {
    let identity = Identity::generate();
    let vault = Vault::create(&[identity.recipient()]).expect("a recipient");
    let mut state = state();
    let secret = Map::from([("password".to_owned(), Value::Secret(Secret::new("hunter2")))]);
    let lake = state.resources.get_mut(&addr("lake")).expect("it is there");
    lake.current.as_mut().expect("it is there").args = secret;
    let bytes = encode(&state, Some(&vault), None).expect("there is a key");
    let text = String::from_utf8(bytes).expect("text").replace("\"lake\": {", "\"pond\": {");
    let body = &text[text.find("  \"lineage\"").expect("it is there")..];
    let hash = blake3::hash(body.as_bytes()).to_hex();
    let forged = format!("{{\n  \"format\": \"dsenv-state/1\",\n  \"blake3\": \"{hash}\",\n{body}");
    let error = decode(forged.as_bytes(), Path::new("s"), Some(&identity), Path::new("i"));
    let error = error.expect_err("it was sealed for lake");
    let cause = std::error::Error::source(&error).expect("it has one").to_string();
    assert_eq!(cause, "the secret of `pond` cannot be opened");
}

#[test]
fn the_check_finds_each_broken_invariant() {
    assert_eq!(verify(&state()), Vec::<String>::new());
    let check = |change: &dyn Fn(&mut State), says: &str| {
        let mut state = state();
        change(&mut state);
        let problems = verify(&state).join("; ");
        assert!(problems.contains(says), "expected `{says}` in `{problems}`");
    };
    fn lake(state: &mut State) -> &mut Resource {
        state.resources.get_mut(&addr("lake")).expect("it is there")
    }
    check(&|s| s.lineage.clear(), "no lineage");
    check(&|s| lake(s).depends_on.extend([addr("gone")]), "`gone`, which is not there");
    check(&|s| lake(s).depends_on.extend([addr("lake")]), "`lake` depends on itself");
    check(&|s| lake(s).generation = 1, "has generation 2, and the last is 1");
    check(&|s| lake(s).deposed[0].generation = 2, "two objects of generation 2");
    check(&|s| lake(s).deposed[0].token = object("net", 2).token, "share the token");
    check(&|s| lake(s).deposed[0].token = Token::from_text(""), "without a token");
    check(
        &|s| s.outputs.extend([("x".into(), Value::Float(f64::NAN))]),
        "a number that is not finite",
    );
    let deep = (0..200).fold(Value::Null, |inner, _| Value::List(vec![inner]));
    check(&|s| s.outputs.extend([("x".into(), deep.clone())]), "nested deeper");
}

#[test]
fn a_cycle_over_others_is_found() {
    let mut state = state();
    for (from, to) in [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")] {
        let mut entry = resource(from);
        entry.depends_on.insert(addr(to));
        state.put(addr(from), entry);
    }
    assert_eq!(verify(&state), ["`a` depends on itself, over others or at once"]);
}
