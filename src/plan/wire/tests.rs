use super::*;
use crate::diag::{Findings, Source};
use crate::diff::{Action, Drift, Reason};
use crate::plan::fixture::{addr, change, create, drift, map, plan, same, terms};
use crate::plan::{Plan, Verb};
use dsenv_sdk::provider::{DataFate, Observed};
use dsenv_sdk::term::{Each, Expr, Form, Ref, Term};
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Key, Secret};
use expect_test::expect;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Not encryption, but nothing of the text can be read in it.
fn seal(secret: &Secret) -> Json {
    let hex: String = secret.expose().bytes().map(|byte| format!("{:02x}", byte ^ 0x55)).collect();
    json!({"$sealed": hex})
}

fn open(sealed: &str) -> Result<Secret, BoxError> {
    let byte = |at: usize| u8::from_str_radix(&sealed[at..at + 2], 16).map(|byte| byte ^ 0x55);
    let bytes = (0..sealed.len()).step_by(2).map(byte).collect::<Result<Vec<_>, _>>()?;
    Ok(Secret::new(String::from_utf8(bytes)?))
}

fn saved(plan: &Plan) -> Vec<u8> {
    save(plan, &mut seal)
}

fn loaded(bytes: &[u8]) -> Result<Plan, PlanFileError> {
    load(bytes, "0.1.0", &mut open)
}

/// Everything at once.
fn rich() -> Plan {
    let mut web = change(
        "web",
        "machine",
        Action::Update,
        Reason::Changed(vec!["environment".into()]),
        r#"{"environment": {"A": "1"}, "password": "secret:hunter2"}"#,
        r#"{"environment": {"A": "2", "URL": "expr:http://${db.host}/"}, "password": "secret:hunter2",
            "hosts": ["x", "ref:db.host"], "python": {"lock": "pin:python/web"}, "$ref": "data"}"#,
    );
    web.drift.push(drift("environment", r#"{"A": "1"}"#, r#"{"A": "0"}"#, true));
    let mut lake = same("lake", "bucket");
    lake.drift.push(drift("objects", "1", "2", false));
    let mut plan = plan(vec![
        create("db", "database", r#"{"version": "18"}"#),
        web,
        lake,
        same("net", "network"),
        change("old", "bucket", Action::Delete, Reason::BlockGone, r#"{"a": 1}"#, ""),
    ]);
    plan.allowed.replace = vec![addr("db")];
    plan.scope.inputs = map(r#"{"token": "secret:hunter2", "n": 1.5}"#);
    plan.outputs = terms(r#"{"host": "ref:db.host"}"#);
    std::sync::Arc::make_mut(&mut plan.arguments)
        .insert(addr("db"), terms(r#"{"version": "18", "net": "ref:net.cidr"}"#).into());
    std::sync::Arc::make_mut(&mut plan.arguments)
        .insert(addr("net"), terms(r#"{"cidr": "10.0.0.0/16"}"#).into());
    std::sync::Arc::make_mut(&mut plan.arguments)
        .insert(addr("lake"), terms(r#"{"versioning": true}"#).into());
    plan.protect.insert(addr("db"));
    plan.not_locked.push("python/web".to_owned());
    let observed = Observed { remote_id: "i-1".into(), values: map(r#"{"objects": 2}"#) };
    let record = Verb::Record { observed: Some(observed) };
    plan.steps.push(crate::plan::Step { addr: addr("lake"), verb: record, after: vec![0] });
    plan
}

#[test]
fn a_plan_is_loaded_as_it_was_saved() {
    let plan = rich();
    let bytes = saved(&plan);
    let back = loaded(&bytes).expect("a sound plan");
    assert_eq!(back.steps, plan.steps);
    assert_eq!(back.nodes, plan.nodes);
    assert_eq!(back.bound, plan.bound);
    assert_eq!((back.mode, &back.scope), (plan.mode, &plan.scope));
    assert_eq!((&back.outputs, &back.protect), (&plan.outputs, &plan.protect));
    assert_eq!(back.not_locked, plan.not_locked);
    // `host` needs `db`, whose arguments need `net`; nobody needs `lake`.
    let named: Vec<_> = back.arguments.keys().map(Addr::to_string).collect();
    assert_eq!(named, ["db", "net"]);
    for before in &plan.changes {
        let after = back.changes.iter().find(|c| c.addr == before.addr).expect("it is there");
        if before.action != Action::NoOp {
            assert_eq!((&after.before, &after.after), (&before.before, &before.after));
        }
        assert_eq!((&after.drift, &after.reason), (&before.drift, &before.reason));
        assert_eq!(
            (after.action, after.order, &after.ty),
            (before.action, before.order, &before.ty)
        );
    }
    assert_eq!(digest(&back), digest(&plan), "it has the same name");
    assert_eq!(saved(&back), bytes, "saved again it is the same file");
    assert_eq!(document(&back), document(&plan), "it is shown as the plan that was made");
}

#[test]
fn no_secret_stands_in_the_file_or_the_document() {
    let plan = rich();
    let file = String::from_utf8(saved(&plan)).expect("text");
    assert!(!file.contains("hunter2") && file.contains("$sealed"));
    assert!(!document(&plan).to_string().contains("hunter2"));
}

#[test]
fn a_plan_without_secrets_needs_no_key() {
    let plan = plan(vec![create("net", "network", r#"{"cidr": "10.0.0.0/16"}"#)]);
    let bytes = save(&plan, &mut |_| unreachable!("there is no secret"));
    assert!(load(&bytes, "0.1.0", &mut |_| unreachable!("there is no secret")).is_ok());
}

fn refused(bytes: &[u8]) -> String {
    loaded(bytes).expect_err("it must be refused").to_string()
}

#[test]
fn any_changed_byte_is_noticed() {
    let bytes = saved(&rich());
    for at in 0..bytes.len() {
        for flip in [0x01, 0x20] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            assert!(loaded(&changed).is_err(), "byte {at}: {:?}", changed[at] as char);
        }
    }
}

#[test]
fn any_missing_end_is_noticed() {
    let bytes = saved(&rich());
    for length in 0..bytes.len() {
        assert!(loaded(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
    }
}

#[test]
fn a_refusal_says_what_is_wrong() {
    let bytes = saved(&rich());
    let text = String::from_utf8(bytes.clone()).expect("text");
    let all = [
        refused(text.replace("hosts", "hostz").as_bytes()),
        refused(&bytes[..bytes.len() / 2]),
        refused(text.replace("plan-file/1", "plan-file/2").as_bytes()),
        refused(text.replace("\"dsenv\": \"0.1.0\"", "\"dsenv\": \"0.9.0\"").as_bytes()),
        refused(document(&rich()).to_string().as_bytes()),
        refused(b"{}"),
        refused(b""),
    ];
    expect![[r#"
        the plan was changed after it was made: its checksum does not match
        the plan is incomplete: its end is missing
        the plan has the format `dsenv-plan-file/2`, and this dsenv reads `dsenv-plan-file/1`
        dsenv 0.9.0 made the plan, and this is dsenv 0.1.0
        this is the output of `dsenv plan --json`, which is made to be read; `dsenv plan -o FILE` writes a plan that can be applied
        this is not a plan of dsenv: it does not begin with the format `dsenv-plan-file/1`
        this is not a plan of dsenv: it does not begin with the format `dsenv-plan-file/1`"#]]
    .assert_eq(&all.join("\n"));
}

#[test]
fn a_key_that_does_not_open_is_said() {
    let mut refuse = |_: &str| Err("another key".into());
    let error = load(&saved(&rich()), "0.1.0", &mut refuse).expect_err("the key is wrong");
    assert!(matches!(error, PlanFileError::Secret { .. }), "{error}");
}

#[test]
fn the_file_format_is_a_contract() {
    let mut plan = plan(vec![
        create("db", "database", r#"{"password": "secret:x", "net": "ref:net.cidr"}"#),
        same("net", "network"),
    ]);
    plan.nodes.clear();
    expect![[r#"
        {
          "format": "dsenv-plan-file/1",
          "dsenv": "0.1.0",
          "blake3": "ad250e26fdc388250d47fd712ab0f86ef79764722207e8df67059a88eb452476",
          "mode": "apply",
          "bound": {"blueprint":"workbench","blueprint_digest":"b3:1234","environment":"dev","binding":{"provider":"local","account":"ada","region":"build7"},"lineage":"l-1","serial":3},
          "inputs": {},
          "env": {},
          "protect": [],
          "not_locked": [],
          "allowed": {"replace":[],"delete_data":[]},
          "outputs": {},
          "arguments": {
          },
          "nodes": {
          },
          "changes": [
            {"address":"db","kind":"database","type":"local.database","action":"create","order":"delete_first","reason":{"code":"new"}}
          ],
          "unchanged": [
            {"address":"net","kind":"network","type":"local.network"}
          ],
          "steps": [
            {"address":"db","do":{"create":{"generation":1,"args":{"net":{"$ref":"net","path":["cidr"]},"password":{"$sealed":"2d"}}}},"after":[]}
          ]
        }
    "#]]
    .assert_eq(&String::from_utf8(saved(&plan)).expect("text"));
}

// ---------------------------------------------------------------- the document

fn document(plan: &Plan) -> Json {
    let source = Source::new("dsenv.yaml", "");
    let document = shown(plan, &Findings::new(), &Findings::new(), &source, Json::Null);
    serde_json::to_value(document).expect("plain data")
}

#[test]
fn the_document_is_a_contract() {
    let source = Source::new("dsenv.yaml", "");
    let (plan, none) = (rich(), Findings::new());
    let document = shown(&plan, &none, &none, &source, Json::Null);
    expect![[r#"
        {
          "format": "dsenv-plan/1",
          "dsenv": "0.1.0",
          "blueprint": "workbench",
          "environment": "dev",
          "serial": 3,
          "mode": "apply",
          "summary": {
            "create": 1,
            "update": 1,
            "replace": 0,
            "delete": 1,
            "forget": 0,
            "unchanged": 2,
            "left_out": 0
          },
          "changes": [
            {
              "address": "db",
              "kind": "database",
              "provider": "local",
              "type": "local.database",
              "action": "create",
              "reason": {
                "code": "new"
              },
              "order": null,
              "data": null,
              "deposed": null,
              "before": null,
              "after": {
                "version": "18"
              },
              "unknown": [],
              "not_locked": [],
              "drift": []
            },
            {
              "address": "web",
              "kind": "machine",
              "provider": "local",
              "type": "local.machine",
              "action": "update",
              "reason": {
                "code": "changed",
                "fields": [
                  "environment"
                ]
              },
              "order": null,
              "data": null,
              "deposed": null,
              "before": {
                "environment": {
                  "A": "1"
                },
                "password": "(secret)"
              },
              "after": {
                "$ref": "data",
                "environment": {
                  "A": "2",
                  "URL": null
                },
                "hosts": [
                  "x",
                  null
                ],
                "password": "(secret)",
                "python": {
                  "lock": null
                }
              },
              "unknown": [
                "environment.URL",
                "hosts[1]",
                "python.lock"
              ],
              "not_locked": [
                {
                  "path": "python.lock",
                  "pin": "python/web"
                }
              ],
              "drift": [
                {
                  "name": "environment",
                  "before": {
                    "A": "1"
                  },
                  "after": {
                    "A": "0"
                  },
                  "relevant": true
                }
              ]
            },
            {
              "address": "lake",
              "kind": "bucket",
              "provider": "local",
              "type": "local.bucket",
              "action": "no-op",
              "reason": {
                "code": "same"
              },
              "order": null,
              "data": null,
              "deposed": null,
              "before": {},
              "after": {},
              "unknown": [],
              "not_locked": [],
              "drift": [
                {
                  "name": "objects",
                  "before": 1,
                  "after": 2,
                  "relevant": false
                }
              ]
            },
            {
              "address": "old",
              "kind": "bucket",
              "provider": "local",
              "type": "local.bucket",
              "action": "delete",
              "reason": {
                "code": "block_gone"
              },
              "order": null,
              "data": "delete",
              "deposed": null,
              "before": {
                "a": 1
              },
              "after": null,
              "unknown": [],
              "not_locked": [],
              "drift": []
            }
          ],
          "outputs": {
            "values": {
              "host": null
            },
            "unknown": [
              "host"
            ]
          },
          "not_locked": [
            "python/web"
          ],
          "cost": null,
          "verdicts": [],
          "diagnostics": []
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&document).expect("plain data"));
}

#[test]
fn what_was_replaced_before_has_an_entry_of_its_own() {
    let mut plan = plan(vec![same("web", "machine")]);
    let delete = Verb::Delete { generation: 1, fate: DataFate::Delete };
    plan.steps.push(crate::plan::Step { addr: addr("web"), verb: delete, after: vec![] });
    let document = document(&plan);
    assert_eq!(document["summary"]["delete"], 1);
    assert_eq!(document["changes"][0]["reason"], json!({"code": "deposed"}));
    assert_eq!(document["changes"][0]["deposed"], 1);
}

#[test]
fn a_delete_whose_object_stays_is_a_forget() {
    let mut plan = plan(vec![change(
        "db",
        "database",
        Action::Delete,
        Reason::BlockGone,
        r#"{"version": "18"}"#,
        "",
    )]);
    plan.steps[0].verb = Verb::Forget;
    let document = document(&plan);
    assert_eq!(document["changes"][0]["action"], "forget");
    assert_eq!(
        (&document["summary"]["forget"], &document["summary"]["delete"]),
        (&json!(1), &json!(0))
    );
}

/// Checks a document against the parts of JSON Schema that the schema uses.
fn check(schema: &Json, root: &Json, document: &Json, at: &str) {
    if let Some(target) = schema.get("$ref").and_then(Json::as_str) {
        let target = target.strip_prefix('#').expect("a local reference");
        return check(root.pointer(target).expect("it is there"), root, document, at);
    }
    if let Some(constant) = schema.get("const") {
        assert_eq!(document, constant, "{at}");
    }
    if let Some(choices) = schema.get("enum").and_then(Json::as_array) {
        assert!(choices.contains(document), "{at}: {document} is none of {choices:?}");
    }
    if let Some(ty) = schema.get("type") {
        let one = [ty.clone()];
        let types = ty.as_array().map_or(&one[..], Vec::as_slice);
        let found = match document {
            Json::Null => "null",
            Json::Bool(_) => "boolean",
            Json::Number(_) => "integer",
            Json::String(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
        };
        assert!(types.iter().any(|ty| ty == found), "{at}: {found} is none of {types:?}");
    }
    let Json::Object(object) = document else {
        if let (Json::Array(items), Some(schema)) = (document, schema.get("items")) {
            items.iter().for_each(|item| check(schema, root, item, &format!("{at}[]")));
        }
        return;
    };
    let required = schema.get("required").and_then(Json::as_array);
    for name in required.into_iter().flatten().filter_map(Json::as_str) {
        assert!(object.contains_key(name), "{at}: `{name}` is missing");
    }
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else { return };
    for (name, value) in object {
        let schema = properties.get(name).unwrap_or_else(|| panic!("{at}: `{name}` is unknown"));
        check(schema, root, value, &format!("{at}.{name}"));
    }
}

#[test]
fn the_document_is_what_its_schema_says() {
    let schema = plan_schema();
    check(&schema, &schema, &document(&rich()), "$");
    check(&schema, &schema, &document(&plan(Vec::new())), "$");
}

#[test]
fn paths_can_be_read() {
    let path = |steps: &[&str]| path_text(&steps.iter().map(|s| s.to_string()).collect::<Vec<_>>());
    assert_eq!(path(&["environment", "URL"]), "environment.URL");
    assert_eq!(path(&["packages", "[0]"]), "packages[0]");
    assert_eq!(path(&["tags", "a.b"]), "tags[\"a.b\"]");
}

// ---------------------------------------------------------------- random terms

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>()
            .prop_filter("JSON has no such number", |f| f.is_finite())
            .prop_map(Value::Float),
        any_text().prop_map(Value::Text),
        any_text().prop_map(|text| Value::Secret(Secret::new(text))),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            proptest::collection::btree_map(any_text(), inner, 0..4).prop_map(Value::Map),
        ]
    })
}

/// Texts that the format itself uses are likely.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("$ref".to_owned()),
        Just("$$ref".to_owned()),
        Just("$sealed".to_owned()),
        Just("$expr".to_owned()),
        Just("$not_locked".to_owned()),
        Just("path".to_owned()),
        "[a-z$]{0,3}",
        any::<String>(),
    ]
}

fn any_ref() -> impl Strategy<Value = Ref> {
    let key = proptest::option::of(prop_oneof![
        any::<u32>().prop_map(Key::Index),
        "[ -~]{1,4}".prop_map(|text| Key::Text(text.into())),
    ]);
    let path = proptest::collection::vec(any_text(), 0..3);
    ("[a-z][a-z0-9_]{0,4}", key, path).prop_map(|(name, key, path)| {
        let mut addr = Addr::resource(&name);
        addr.key = key;
        Ref { addr, path: path.into_iter().map(Arc::from).collect() }
    })
}

fn any_term() -> impl Strategy<Value = Term> {
    let form = prop_oneof![Just(Form::Plain), Just(Form::SelfTemplate)];
    let each = proptest::option::of((any_text(), any_value()));
    let refs = proptest::collection::vec(any_ref(), 0..3);
    let expr = (any_text(), form, each, refs).prop_map(|(source, form, each, refs)| {
        let each = each.map(|(key, value)| Arc::new(Each { key, value }));
        Term::Expr(Expr { source: source.into(), form, each, refs: refs.into() })
    });
    let leaf = prop_oneof![
        3 => any_value().prop_map(Term::Known),
        1 => any_ref().prop_map(Term::Ref),
        1 => expr,
        1 => any_text().prop_map(|pin| Term::NotLocked(pin.into())),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Term::list),
            proptest::collection::btree_map(any_text(), inner, 0..4).prop_map(Term::map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_term_survives_the_file(args in proptest::collection::btree_map(any_text(), any_term(), 0..4)) {
        let mut plan = plan(vec![create("web", "machine", "{}")]);
        let args = std::sync::Arc::new(args);
        plan.changes[0].after = args.clone();
        plan.steps[0].verb = Verb::Create { generation: 1, args: args.clone() };
        let back = loaded(&saved(&plan)).expect("it was just saved");
        prop_assert_eq!(&back.changes[0].after, &args);
        prop_assert_eq!(back.steps, plan.steps);
    }
}

// ---------------------------------------------------------------- size and speed

fn large(count: usize) -> Plan {
    let member = |at: usize| {
        let text = format!("v[\"{at}\"]");
        let input = format!("{{\"input\": {{\"number\": {at}, \"text\": \"value {at}\"}}}}");
        create(&text, "value", &input)
    };
    plan((0..count).map(member).collect())
}

/// Measured with `cargo test --release -p dsenv --lib ten_thousand -- --nocapture`.
#[test]
fn ten_thousand_values_are_a_file_of_a_few_megabytes() {
    let plan = large(10_000);
    let bytes = saved(&plan);
    assert!(bytes.len() < 5_000_000, "{} bytes", bytes.len());
    assert_eq!(loaded(&bytes).expect("it was just saved").steps.len(), 10_000);
}

#[test]
fn what_stays_as_it_is_costs_little() {
    let mut quiet = large(1_000);
    for change in &mut quiet.changes {
        (change.action, change.reason) = (Action::NoOp, Reason::Same);
    }
    quiet.steps.clear();
    quiet.nodes.clear();
    assert!(saved(&quiet).len() < 80_000, "{}", saved(&quiet).len());
}

#[test]
fn a_step_that_waits_for_nothing_that_exists_is_refused() {
    let mut plan = rich();
    plan.steps[0].after.push(99);
    assert!(refused(&saved(&plan)).contains("waits for one that is not there"));
}

#[test]
fn drift_is_kept_with_its_relevance() {
    let back = loaded(&saved(&rich())).expect("sound");
    let lake = back.changes.iter().find(|change| change.addr == addr("lake")).expect("there");
    let [Drift { relevant: false, after: Value::Int(2), .. }] = lake.drift.as_slice() else {
        panic!("{:?}", lake.drift);
    };
}
