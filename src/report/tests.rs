use super::outcome::{Failure, Outcome};
use super::outputs::Secrets;
use super::{Detail, Style};
use crate::diag::render::Color;
use crate::diag::{Code, Source, Span};
use crate::diff::{Action, Mode, Reason};
use crate::event::Work;
use crate::plan::fixture::{addr, change, create, drift, map, plan, same, terms};
use crate::plan::{Plan, Verb};
use crate::state::{Object, Resource, State, Status};
use dsenv_sdk::provider::{Accepted, DataFate, Observed, OnDestroy, ServiceStatus, Token};
use dsenv_sdk::schema::ReplaceOrder;
use expect_test::{Expect, expect};

const NARROW: Style = Style { width: 60, ..Style::PLAIN };
const FULL: Style = Style { detail: Detail::Full, ..Style::PLAIN };

fn check(plan: &Plan, style: &Style, expected: Expect) {
    expected.assert_eq(&super::plan(plan, style));
}

fn fields(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A bit of everything, in the order of the graph.
fn mixed() -> Plan {
    let mut features = change(
        "features",
        "database",
        Action::Replace,
        Reason::Changed(fields(&["version"])),
        r#"{"engine": "postgres", "version": "17", "password": "secret:a"}"#,
        r#"{"engine": "postgres", "version": "18", "password": "secret:b"}"#,
    );
    features.order = ReplaceOrder::DeleteFirst;
    let mut notebook = change(
        "notebook",
        "machine",
        Action::Update,
        Reason::Changed(fields(&["environment", "services", "software"])),
        r#"{"software": {"python": "3.11", "packages": ["boto3", "jupyterlab", "pandas"]},
            "environment": {"TOKEN": "secret:t", "OLD": "1", "LOG": "info"},
            "services": {"jupyter": {"run": "jupyter lab --ip=0.0.0.0 --port=8888 --no-browser --ServerApp.root_dir=/srv", "port": 8888}}}"#,
        r#"{"software": {"python": "3.11", "packages": ["boto3", "polars", "jupyterlab", "pandas"], "lock": "pin:python/notebook"},
            "environment": {"TOKEN": "ref:token.value", "LOG": "info", "FEATURES_URL": "ref:features.url"},
            "services": {"jupyter": {"run": "jupyter lab --ip=0.0.0.0 --port=9999 --no-browser --ServerApp.root_dir=/srv", "port": 9999}}}"#,
    );
    notebook.drift.push(drift("uptime", "1", "2", false));
    let mut web = change(
        "web",
        "machine",
        Action::Update,
        Reason::Drifted(fields(&["port"])),
        r#"{"port": 80}"#,
        r#"{"port": 80}"#,
    );
    web.drift.push(drift("port", "80", "81", true));
    let mut plan = plan(vec![
        create("net", "network", r#"{"cidr": "10.20.0.0/16"}"#),
        features,
        notebook,
        create(
            "notebook.grant[\"lake\"]",
            "machine",
            r#"{"right": "read_write", "on": "ref:lake.arn"}"#,
        ),
        web,
        same("token", "secret"),
        same("lake", "bucket"),
        change(
            "old_lake",
            "bucket",
            Action::Delete,
            Reason::BlockGone,
            r#"{"versioning": true}"#,
            "",
        ),
        change("worker", "machine", Action::Delete, Reason::BlockGone, "{}", ""),
    ]);
    plan.not_locked.push("python/notebook".to_owned());
    plan
}

#[test]
fn the_most_dangerous_comes_first() {
    check(
        &mixed(),
        &Style::PLAIN,
        expect![[r#"
            workbench in dev on local, account ada, region build7

            -/+ features (database): replace, deleting the old one first, because `version` differs
                ! the data of the old one is deleted
                  password: (secret) -> (another secret)
                  version: "17" -> "18"
              - old_lake (bucket): delete, because the blueprint no longer has it
                ! its data is deleted with it
              - worker (machine): delete, because the blueprint no longer has it
              ~ notebook (machine): change, because `environment`, `services` and `software` differ
                  + environment.FEATURES_URL: (known after apply)
                  - environment.OLD: "1"
                  environment.TOKEN: (secret) -> (known after apply)
                  services.jupyter.port: 8888 -> 9999
                  services.jupyter.run:
                       "...p=0.0.0.0 --port=8888 --no-browser --ServerApp.root_dir=/srv" (75 characters)
                    -> "...p=0.0.0.0 --port=9999 --no-browser --ServerApp.root_dir=/srv" (75 characters)
                  + software.lock: (not locked)
                  + software.packages: "polars"
                + grant["lake"] (local.grant): create
                    on: (known after apply)
                    right: "read_write"
              ~ web (machine): change, because `port` changed outside of dsenv
                  drift: port: 80 -> 81; the blueprint wins
              + net (network): create
                  cidr: "10.20.0.0/16"

            Not locked yet: python/notebook. `dsenv apply` pins it first.
            1 attribute changed that nothing uses; `--json` lists them.
            Plan: 2 to create, 2 to update, 1 to replace, 2 to delete, 2 unchanged.
        "#]],
    );
}

#[test]
fn sixty_columns_are_enough() {
    check(
        &mixed(),
        &NARROW,
        expect![[r#"
            workbench in dev on local, account ada, region build7

            -/+ features (database): replace, deleting the old one
                  first, because `version` differs
                ! the data of the old one is deleted
                  password: (secret) -> (another secret)
                  version: "17" -> "18"
              - old_lake (bucket): delete, because the blueprint no
                  longer has it
                ! its data is deleted with it
              - worker (machine): delete, because the blueprint no
                  longer has it
              ~ notebook (machine): change, because `environment`,
                  `services` and `software` differ
                  + environment.FEATURES_URL: (known after apply)
                  - environment.OLD: "1"
                  environment.TOKEN: (secret) -> (known after apply)
                  services.jupyter.port: 8888 -> 9999
                  services.jupyter.run:
                       "....0.0 --port=8888 --no-..." (75 characters)
                    -> "....0.0 --port=9999 --no-..." (75 characters)
                  + software.lock: (not locked)
                  + software.packages: "polars"
                + grant["lake"] (local.grant): create
                    on: (known after apply)
                    right: "read_write"
              ~ web (machine): change, because `port` changed outside of
                  dsenv
                  drift: port: 80 -> 81; the blueprint wins
              + net (network): create
                  cidr: "10.20.0.0/16"

            Not locked yet: python/notebook. `dsenv apply` pins it
              first.
            1 attribute changed that nothing uses; `--json` lists them.
            Plan: 2 to create, 2 to update, 1 to replace, 2 to delete, 2
                  unchanged.
        "#]],
    );
    let text = super::plan(&mixed(), &NARROW);
    let wide: Vec<_> = text.lines().filter(|line| line.chars().count() > 60).collect();
    assert!(wide.is_empty(), "{wide:?}");
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    let coloured = super::plan(&mixed(), &Style { color: Color::On, ..Style::PLAIN });
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').expect("a code ends").1;
    }
    plain.push_str(rest);
    assert!(coloured.contains('\u{1b}'));
    assert_eq!(plain, super::plan(&mixed(), &Style::PLAIN));
}

#[test]
fn no_secret_is_shown() {
    let mut plan = mixed();
    plan.changes[1].after =
        terms(r#"{"password": "secret:hunter2", "all": {"x": ["secret:hunter2"]}}"#).into();
    for style in [Style::PLAIN, FULL] {
        assert!(!super::plan(&plan, &style).contains("hunter2"));
    }
}

#[test]
fn an_empty_plan_says_so_in_one_line() {
    let mut plan = plan(vec![same("net", "network")]);
    check(
        &plan,
        &Style::PLAIN,
        expect![[r#"
        No changes. What is there is what the blueprint says.
    "#]],
    );
    plan.mode = Mode::RefreshOnly;
    check(
        &plan,
        &Style::PLAIN,
        expect![[r#"
        No changes. What is there is what the state says.
    "#]],
    );
    plan.mode = Mode::Destroy;
    plan.changes.clear();
    check(
        &plan,
        &Style::PLAIN,
        expect![[r#"
        No changes. There is nothing to destroy.
    "#]],
    );
}

#[test]
fn drift_that_nobody_uses_is_one_line_at_the_end() {
    let mut lake = same("lake", "bucket");
    lake.drift.push(drift("objects", "1", "2", false));
    lake.drift.push(drift("bytes", "10", "20", false));
    let mut net = same("net", "network");
    net.before.as_mut().expect("it is there").insert("tags".into(), "x".into());
    net.drift.push(drift("tags", "\"x\"", "\"y\"", true));
    check(
        &plan(vec![lake, net]),
        &Style::PLAIN,
        expect![[r#"
        1 argument changed outside of dsenv that `lifecycle.ignore` leaves alone.
        2 attributes changed that nothing uses; `--json` lists them.
        No changes. What is there is what the blueprint says.
    "#]],
    );
}

#[test]
fn refresh_only_shows_what_was_seen() {
    let mut lake = same("lake", "bucket");
    lake.drift.push(drift(
        "address",
        r#"{"v4": "10.0.0.1", "v6": "x"}"#,
        r#"{"v4": "10.0.0.2", "v6": "x"}"#,
        true,
    ));
    let gone = change("web", "machine", Action::Forget, Reason::GoneOutside, "{}", "");
    let mut plan = plan(vec![lake, gone]);
    plan.mode = Mode::RefreshOnly;
    check(
        &plan,
        &Style::PLAIN,
        expect![[r#"
            workbench in dev on local, account ada, region build7

              . web (machine): forget, because it was deleted outside of dsenv
              * lake (bucket): changed outside of dsenv
                  drift: address.v4: "10.0.0.1" -> "10.0.0.2"

            Plan: 1 to forget, 1 unchanged.
        "#]],
    );
}

#[test]
fn members_that_fare_alike_are_said_once() {
    let mut changes = Vec::new();
    for at in 0..1_000 {
        changes.push(create(&format!("w[\"m{at:03}\"]"), "value", &format!("{{\"input\": {at}}}")));
    }
    changes.push(create("w[\"odd\"]", "value", r#"{"replace_on": 2}"#));
    check(
        &plan(changes),
        &Style::PLAIN,
        expect![[r#"
            workbench in dev on local, account ada, region build7

              + w["m000"] (value): create
                  input: 0
                and 999 more in the same way: w["m001"], w["m002"], w["m003"], w["m004"], w["m005"], w["m006"],
                  w["m007"], w["m008"], w["m009"], w["m010"] and 989 more
              + w["odd"] (value): create
                  replace_on: 2

            `--full` shows what is only counted here.
            Plan: 1,001 to create.
        "#]],
    );
}

#[test]
fn a_thousand_resources_do_not_drown_the_reader() {
    let block = |at| create(&format!("r{at:03}"), "value", &format!("{{\"input\": {at}}}"));
    let plan = plan((0..1_000).map(block).collect());
    let text = super::plan(&plan, &Style::PLAIN);
    assert!(text.lines().count() < 60, "{text}");
    let end: Vec<&str> = text.lines().rev().take(4).collect();
    expect![[r#"
          + 980 more create: r020, r021, r022, r023, r024, r025, r026, r027, r028, r029 and 970 more

        `--full` shows what is only counted here.
        Plan: 1,000 to create."#]]
    .assert_eq(&end.into_iter().rev().collect::<Vec<_>>().join("\n"));
    let full = super::plan(&plan, &FULL);
    assert!((0..1_000).all(|at| full.contains(&format!("+ r{at:03} "))));
}

#[test]
fn data_that_is_lost_is_always_named() {
    let gone =
        |at| change(&format!("b{at:02}"), "bucket", Action::Delete, Reason::Destroy, "{}", "");
    let mut plan = plan((0..50).map(gone).collect());
    plan.mode = Mode::Destroy;
    let text = super::plan(&plan, &Style::PLAIN);
    assert!((0..50).all(|at| text.contains(&format!("- b{at:02} "))));
    assert_eq!(text.matches("! its data is deleted with it").count(), 50);
}

#[test]
fn every_reason_has_its_words() {
    let mut changes = Vec::new();
    for (name, action, reason) in [
        ("gone", Action::Create, Reason::GoneOutside),
        ("half", Action::Create, Reason::ReplaceOutstanding),
        ("tainted", Action::Replace, Reason::Tainted),
        ("asked", Action::Replace, Reason::Requested),
        ("broken", Action::Resume, Reason::Interrupted),
        ("again", Action::Replace, Reason::Interrupted),
        ("kept", Action::Delete, Reason::BlockGone),
        ("left", Action::NoOp, Reason::LeftOut),
        ("snapped", Action::Delete, Reason::BlockGone),
        ("fine", Action::NoOp, Reason::Same),
    ] {
        changes.push(change(name, "database", action, reason, "{}", ""));
    }
    changes[3].order = ReplaceOrder::CreateFirst;
    let mut plan = plan(changes);
    for step in &mut plan.steps {
        match step.addr.to_string().as_str() {
            "kept" => step.verb = Verb::Forget,
            "snapped" => {
                step.verb = Verb::Delete { generation: 1, fate: DataFate::Snapshot };
            }
            _ => {}
        }
    }
    let old = Verb::Delete { generation: 1, fate: DataFate::Delete };
    plan.steps.push(crate::plan::Step { addr: addr("fine"), verb: old, after: Vec::new() });
    plan.protect.insert(addr("gone"));
    check(
        &plan,
        &Style::PLAIN,
        expect![[r#"
            workbench in dev on local, account ada, region build7

            -/+ tainted (database): replace, deleting the old one first, because its creation did not finish
                  well
                ! the data of the old one is deleted
            +/- asked (database): replace, creating the new one first, because `--replace` names it
                ! the data of the old one is deleted
            -/+ again (database): replace, deleting the old one first, because it was interrupted before
                ! the data of the old one is deleted
              - snapped (database): delete, because the blueprint no longer has it
                ! a last snapshot of its data is kept
              - fine (database): delete its old object, because it was replaced before
                ! its data is deleted with it
              . kept (database): forget, and leave it as it is, because the blueprint no longer has it
              + broken (database): finish creating, because its creation was interrupted
              + gone (database): create again, because it was deleted outside of dsenv
              + half (database): create again, because its old object is gone and the new one was not made

            Protected by this plan: gone.
            Plan: 3 to create, 3 to replace, 2 to delete, 1 to forget, 1 unchanged, 1 left out.
        "#]],
    );
}

#[test]
fn long_texts_and_lists_are_cut_where_they_differ() {
    let many =
        |n: usize| (0..n).map(|at| format!("\"package-{at}\"")).collect::<Vec<_>>().join(",");
    let before = format!(r#"{{"script": "{}A tail", "list": [{}]}}"#, "x".repeat(500), many(40));
    let after = format!(
        r#"{{"script": "{}B tail", "list": ["first", {}], "new": [{}], "rules": [{{"port": 1}}, {{"port": 2}}], "none": null}}"#,
        "x".repeat(500),
        many(39),
        many(40)
    );
    let reason = Reason::Changed(fields(&["list", "new", "rules", "script"]));
    let web = change("web", "machine", Action::Update, reason, &before, &after);
    check(
        &plan(vec![web.clone()]),
        &Style::PLAIN,
        expect![[r#"
            workbench in dev on local, account ada, region build7

              ~ web (machine): change, because `list`, `new`, `rules` and `script` differ
                  - list: "package-39"
                  + list: "first"
                  + new: ["package-0", "package-1", "package-2", "package-3", ... 36 more]
                  + rules[0].port: 1
                  + rules[1].port: 2
                  script:
                       "...xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxA tail" (506 characters)
                    -> "...xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxB tail" (506 characters)

            Plan: 1 to update.
        "#]],
    );
    assert!(super::plan(&plan(vec![web]), &FULL).contains(&"x".repeat(500)));
}

#[test]
fn a_full_report_says_everything() {
    check(
        &mixed(),
        &FULL,
        expect![[r#"
            workbench in dev on local, account ada, region build7

            -/+ features (database): replace, deleting the old one first, because `version` differs
                ! the data of the old one is deleted
                  password: (secret) -> (another secret)
                  version: "17" -> "18"
              - old_lake (bucket): delete, because the blueprint no longer has it
                ! its data is deleted with it
                  - versioning: true
              - worker (machine): delete, because the blueprint no longer has it
              ~ notebook (machine): change, because `environment`, `services` and `software` differ
                  + environment.FEATURES_URL: (known after apply)
                  - environment.OLD: "1"
                  environment.TOKEN: (secret) -> (known after apply)
                  services.jupyter.port: 8888 -> 9999
                  services.jupyter.run:
                       "jupyter lab --ip=0.0.0.0 --port=8888 --no-browser --ServerApp.root_dir=/srv"
                    -> "jupyter lab --ip=0.0.0.0 --port=9999 --no-browser --ServerApp.root_dir=/srv"
                  + software.lock: (not locked)
                  + software.packages: "polars"
                + grant["lake"] (local.grant): create
                    on: (known after apply)
                    right: "read_write"
              ~ web (machine): change, because `port` changed outside of dsenv
                  drift: port: 80 -> 81; the blueprint wins
              + net (network): create
                  cidr: "10.20.0.0/16"

            Not locked yet: python/notebook. `dsenv apply` pins it first.
            1 attribute changed that nothing uses; `--json` lists them.
            Plan: 2 to create, 2 to update, 1 to replace, 2 to delete, 2 unchanged.
        "#]],
    );
}

#[test]
fn lists_are_compared_as_people_would() {
    let check = |before: &str, after: &str, expected: Expect| {
        let list = |items: &str| format!("{{\"l\": [{items}]}}");
        let reason = Reason::Changed(fields(&["l"]));
        let (before, after) = (list(before), list(after));
        let plan = plan(vec![change("w", "value", Action::Update, reason, &before, &after)]);
        let text = super::plan(&plan, &Style::PLAIN);
        let lines = text.lines().skip(3).take_while(|line| !line.is_empty());
        let lines: Vec<&str> = lines.map(str::trim_start).collect();
        expected.assert_eq(&lines.join("\n"));
    };
    check("1, 2, 3", "1, 3", expect!["- l: 2"]);
    check("1, 2, 3", "0, 1, 2, 3", expect!["+ l: 0"]);
    check("1, 2, 3", "1, 5, 3", expect!["l[1]: 2 -> 5"]);
    check(
        "1, 2, 3",
        "3, 2, 1",
        expect![[r#"
                  l[0]: 1 -> 3
                  l[2]: 3 -> 1"#]],
    );
    check("1, 1, 2", "1, 2", expect!["- l: 1"]);
    check("{\"a\": 1, \"b\": 2}", "{\"a\": 1, \"b\": 3}", expect!["l[0].b: 2 -> 3"]);
    check("1, 2, 1", "2, 1", expect!["- l: 1"]);
    check("", "1", expect!["+ l: 1"]);
}

#[test]
fn a_resource_whose_parts_alone_change_says_so() {
    let plan = plan(vec![same("nb", "machine"), create("nb.grant[\"lake\"]", "machine", "{}")]);
    check(
        &plan,
        &Style::PLAIN,
        expect![[r#"
            workbench in dev on local, account ada, region build7

                nb (machine): in its parts only
                + grant["lake"] (local.grant): create

            Plan: 1 to create, 1 unchanged.
        "#]],
    );
}

#[test]
fn what_is_created_with_its_parts_is_one_block() {
    let plan = plan(vec![
        create("nb", "machine", r#"{"cpus": 2}"#),
        create("nb.software", "machine", r#"{"python": "3.11"}"#),
        create("nb.grant[\"lake\"]", "machine", r#"{"right": "read"}"#),
        create("pool", "pool", r#"{"size": 2}"#),
    ]);
    check(
        &plan,
        &Style::PLAIN,
        expect![[r#"
            workbench in dev on local, account ada, region build7

              + nb (machine): create
                  cpus: 2
                with grant["lake"], software
              + pool (pool): create
                  size: 2

            Plan: 4 to create.
        "#]],
    );
}

// ---------------------------------------------------------------- what comes after the plan

fn failed() -> (Outcome, Source) {
    let source = Source::new("dsenv.yaml", "resources:\n  notebook:\n    kind: machine\n");
    let failure = Failure {
        addr: addr("notebook.grant[\"lake\"]"),
        work: Work::Create,
        code: Code::E0901,
        class: "denied".to_owned(),
        message: "the right cannot be given".to_owned(),
        causes: vec![
            "the request was refused".to_owned(),
            "missing permission\n`s3:PutBucketPolicy`".to_owned(),
        ],
        help: Some("give `ada` the permission `s3:PutBucketPolicy`".to_owned()),
        request_id: Some("req-1".to_owned()),
        span: Some(Span::new(13, 21)),
    };
    let outcome = Outcome {
        applied: vec![(addr("net"), Work::Create), (addr("lake"), Work::Record)],
        failed: vec![failure],
        skipped: vec![(addr("web"), addr("notebook"))],
        unknown: vec![addr("features")],
        interrupted: false,
        elapsed_ms: 65_432,
    };
    (outcome, source)
}

#[test]
fn a_failure_says_where_why_and_what_to_do() {
    let (outcome, source) = failed();
    expect![[r#"
        error[E0901]: a step failed
         --> dsenv.yaml:2:3
          |
        2 |   notebook:
          |   ^^^^^^^^ creating `notebook.grant["lake"]` failed: the right cannot be given (denied)
          |
          = resource: notebook.grant["lake"]
          = cause: the request was refused
          = cause: missing permission `s3:PutBucketPolicy`
          = request: req-1
          = help: give `ada` the permission `s3:PutBucketPolicy`

        Skipped 1: web
        Unknown 1: features (their end is not known; the next apply finds out)
        Not done: 1 created, 1 failed, 1 skipped, 1 unknown in 1m 05s. What was made is kept and recorded;
          `dsenv plan` starts from there.
    "#]].assert_eq(&super::outcome::text(&outcome, &source, &Style::PLAIN));
}

#[test]
fn an_apply_that_went_well_is_one_line() {
    let (mut outcome, source) = failed();
    outcome.failed.clear();
    outcome.skipped.clear();
    outcome.unknown.clear();
    expect![[r#"
        Done: 1 created in 1m 05s.
    "#]]
    .assert_eq(&super::outcome::text(&outcome, &source, &Style::PLAIN));
    outcome.skipped.push((addr("web"), addr("net")));
    outcome.interrupted = true;
    expect![[r#"
        Skipped 1: web
        Stopped: 1 created, 1 skipped in 1m 05s. What was made is
          kept and recorded; `dsenv plan` starts from there.
    "#]]
    .assert_eq(&super::outcome::text(&outcome, &source, &NARROW));
}

fn object(id: &str, generation: u64, status: Status) -> Object {
    Object {
        token: Token::from_text("00ff"),
        generation,
        args: map(r#"{"version": "18", "password": "secret:hunter2"}"#),
        observed: Observed {
            remote_id: id.to_owned(),
            values: map(r#"{"url": "secret:postgres://hunter2@x", "port": 5432}"#),
        },
        status,
        accepted: None,
        ty: None,
        doubt_since: None,
        price_paid: None,
    }
}

/// A state with a bit of everything.
fn state() -> State {
    let resource = |kind: &str, current, deposed| Resource {
        kind: kind.to_owned(),
        ty: format!("local.{kind}"),
        provider: "local".to_owned(),
        generation: 2,
        current,
        deposed,
        depends_on: [addr("net")].into(),
        create_first: false,
        on_destroy: OnDestroy::Refuse,
    };
    let mut state = State::default();
    let mut db = object("db-2", 2, Status::Creating);
    db.accepted = Some(Accepted {
        remote_id: None,
        operation: "o".to_owned(),
        waits_for: "database is being created".to_owned(),
        ask_again_ms: 1,
    });
    let old = object("db-1", 1, Status::Ready);
    state.resources.insert(addr("features"), resource("database", Some(db), vec![old]));
    state.resources.insert(addr("w[\"eu\"]"), resource("machine", None, Vec::new()));
    state
}

#[test]
fn the_state_is_a_table() {
    expect![[r#"
        ADDRESS   KIND      TYPE            STATUS    REMOTE ID
        features  database  local.database  creating  db-2
        features  database  local.database  deposed   db-1
        w["eu"]   machine   local.machine   absent    -
    "#]]
    .assert_eq(&super::state::list(&state()));
    expect![[r#"
        The state is empty.
    "#]]
    .assert_eq(&super::state::list(&State::default()));
    let json = super::state::list_json(&state());
    expect![[r#"{"address":"features","kind":"database","provider":"local","remote_id":"db-2","status":"creating","type":"local.database"}"#]].assert_eq(&json[0].to_string());
}

#[test]
fn a_node_is_shown_without_its_secrets() {
    let state = state();
    let resource = &state.resources[&addr("features")];
    let text = super::state::show(&addr("features"), resource, true, &Style::PLAIN);
    expect![[r#"
        features (database, local.database)
          provider: local
          generation: 2
          on_destroy: refuse
          replaced: delete_first
          protected: yes
          needs: net
          object db-2, generation 2, creating
            waits for: database is being created
            arguments
              password: (secret)
              version: "18"
            attributes
              port: 5432
              url: (secret)
          replaced object db-1, generation 1, deposed
            arguments
              password: (secret)
              version: "18"
            attributes
              port: 5432
              url: (secret)
    "#]]
    .assert_eq(&text);
    let json = super::state::show_json(&addr("features"), resource, true).to_string();
    assert!(!json.contains("hunter2") && json.contains("\"port\":5432"), "{json}");
}

#[test]
fn outputs_hide_secrets_unless_asked() {
    let outputs = map(
        r#"{"jupyter": "http://127.0.0.2:8888", "token": "secret:hunter2", "n": 3, "all": {"$a": ["secret:hunter2"]}}"#,
    );
    expect![[r#"
        all     = {$a: [(secret)]}
        jupyter = http://127.0.0.2:8888
        n       = 3
        token   = (secret)
    "#]]
    .assert_eq(&super::outputs::text(&outputs, Secrets::Hidden));
    expect![[r#"
        all     = {"$a":["hunter2"]}
        jupyter = http://127.0.0.2:8888
        n       = 3
        token   = hunter2
    "#]]
    .assert_eq(&super::outputs::text(&outputs, Secrets::Shown));
    expect![[r#"{"all":{"secret":true,"value":{"$a":["(secret)"]}},"jupyter":{"secret":false,"value":"http://127.0.0.2:8888"},"n":{"secret":false,"value":3},"token":{"secret":true,"value":"(secret)"}}"#]].assert_eq(&super::outputs::json(&outputs, Secrets::Hidden).to_string());
    expect![[r#"{"all":{"secret":true,"value":{"$a":["hunter2"]}},"jupyter":{"secret":false,"value":"http://127.0.0.2:8888"},"n":{"secret":false,"value":3},"token":{"secret":true,"value":"hunter2"}}"#]].assert_eq(&super::outputs::json(&outputs, Secrets::Shown).to_string());
    assert_eq!(super::outputs::one(&outputs["token"], Secrets::Shown), "hunter2\n");
}

#[test]
fn a_service_that_is_not_well_says_why() {
    let service = |name: &str, well| ServiceStatus {
        addr: addr("notebook"),
        service: name.to_owned(),
        state: if well { "healthy" } else { "failed" }.to_owned(),
        well,
        pid: well.then_some(4711),
        restarts: 0,
        url: well.then(|| "http://127.0.0.2:8888".to_owned()),
        detail: (!well).then(|| "exit code 1\nModuleNotFoundError: pandas".to_owned()),
    };
    let services = [service("jupyter", true), service("sync", false)];
    expect![[r#"
        ADDRESS   SERVICE  STATE    PID   RESTARTS  URL
        notebook  jupyter  healthy  4711  0         http://127.0.0.2:8888
        notebook  sync     failed   -     0         -

        notebook sync is failed
          exit code 1
          ModuleNotFoundError: pandas
    "#]]
    .assert_eq(&super::status::text(&services, &Style::PLAIN));
}

#[test]
fn the_history_is_a_table() {
    let row = super::history::Row {
        serial: 3,
        operation: "op-3".to_owned(),
        started: "2026-11-21T10:00:00Z".to_owned(),
        who: "ada@build7".to_owned(),
        outcome: "done".to_owned(),
        command_line: "dsenv apply -e dev --yes".to_owned(),
        kept: true,
    };
    let older = super::history::Row { serial: 2, kept: false, ..row.clone() };
    expect![[r#"
        SERIAL  STARTED               WHO         OUTCOME  STATE  COMMAND
        3       2026-11-21T10:00:00Z  ada@build7  done     kept   dsenv apply -e dev --yes
        2       2026-11-21T10:00:00Z  ada@build7  done     -      dsenv apply -e dev --yes
    "#]]
    .assert_eq(&super::history::text(&[row, older]));
}

#[test]
fn times_and_numbers_in_words() {
    let words = [0, 340, 4_299, 59_999, 65_000, 3_599_999, 3_900_000].map(super::words::duration);
    assert_eq!(words, ["0.0s", "0.3s", "4.2s", "59.9s", "1m 05s", "59m 59s", "1h 05m"]);
    assert_eq!(
        [0, 999, 1_000, 1_234_567].map(super::words::number),
        ["0", "999", "1,000", "1,234,567"]
    );
}
