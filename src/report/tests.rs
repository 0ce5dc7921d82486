use super::{Detail, Style};
use crate::diag::render::Color;
use crate::diff::{Action, Mode, Reason};
use crate::plan::fixture::{addr, change, create, drift, plan, same, terms};
use crate::plan::{Plan, Verb};
use dsenv_sdk::provider::DataFate;
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
            workbench in dev on local, account ada, build7

            -/+ features (database): replaced, the old one is deleted first, because `version` differs
                ! the data of the old one is deleted
                  password: (secret) -> (another secret)
                  version: "17" -> "18"
              - old_lake (bucket): deleted, because its block is gone
                ! its data is deleted with it
              - worker (machine): deleted, because its block is gone
              ~ notebook (machine): changed, because `environment`, `services` and `software` differ
                  + environment.FEATURES_URL: (known after apply)
                  - environment.OLD: "1"
                  environment.TOKEN: (secret) -> (known after apply)
                  services.jupyter.port: 8888 -> 9999
                  services.jupyter.run:
                       "...p=0.0.0.0 --port=8888 --no-browser --ServerApp.root_dir=/srv" (75 characters)
                    -> "...p=0.0.0.0 --port=9999 --no-browser --ServerApp.root_dir=/srv" (75 characters)
                  + software.lock: (not locked)
                  + software.packages: "polars"
                  + grant["lake"] (local.grant): created
                      on: (known after apply)
                      right: "read_write"
              ~ web (machine): changed, because `port` changed outside of dsenv
                  drift: port: 80 -> 81; the blueprint wins
              + net (network): created
                  cidr: "10.20.0.0/16"

            Not locked yet: python/notebook. `dsenv apply` locks first; `dsenv lock` does nothing else.
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
            workbench in dev on local, account ada, build7

            -/+ features (database): replaced, the old one is deleted
                  first, because `version` differs
                ! the data of the old one is deleted
                  password: (secret) -> (another secret)
                  version: "17" -> "18"
              - old_lake (bucket): deleted, because its block is gone
                ! its data is deleted with it
              - worker (machine): deleted, because its block is gone
              ~ notebook (machine): changed, because `environment`,
                  `services` and `software` differ
                  + environment.FEATURES_URL: (known after apply)
                  - environment.OLD: "1"
                  environment.TOKEN: (secret) -> (known after apply)
                  services.jupyter.port: 8888 -> 9999
                  services.jupyter.run:
                       "...p=0.0.0.0 --port=8888 --no-browser --ServerApp.root_dir=/srv" (75 characters)
                    -> "...p=0.0.0.0 --port=9999 --no-browser --ServerApp.root_dir=/srv" (75 characters)
                  + software.lock: (not locked)
                  + software.packages: "polars"
                  + grant["lake"] (local.grant): created
                      on: (known after apply)
                      right: "read_write"
              ~ web (machine): changed, because `port` changed outside
                  of dsenv
                  drift: port: 80 -> 81; the blueprint wins
              + net (network): created
                  cidr: "10.20.0.0/16"

            Not locked yet: python/notebook. `dsenv apply` locks first;
              `dsenv lock` does nothing else.
            1 attribute changed that nothing uses; `--json` lists them.
            Plan: 2 to create, 2 to update, 1 to replace, 2 to delete, 2
                  unchanged.
        "#]],
    );
    let is_wide = |line: &&str| line.chars().count() > 60;
    let text = super::plan(&mixed(), &NARROW);
    // A value is never broken, so that it can be searched for.
    let wide: Vec<_> = text.lines().filter(is_wide).filter(|line| !line.contains('"')).collect();
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
        terms(r#"{"password": "secret:hunter2", "all": {"x": ["secret:hunter2"]}}"#);
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
            workbench in dev on local, account ada, build7

              . web (machine): forgotten, because it was deleted outside of dsenv
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
    changes.push(create("w[\"odd\"]", "value", r#"{"input": 1, "replace_on": 2}"#));
    check(
        &plan(changes),
        &Style::PLAIN,
        expect![[r#"
            workbench in dev on local, account ada, build7

              + w["m000"] (value): created
                  input: 0
                and 999 more in the same way: w["m001"], w["m002"], w["m003"], w["m004"], w["m005"], w["m006"],
                  w["m007"], w["m008"], w["m009"], w["m010"] and 989 more
              + w["odd"] (value): created
                  input: 1
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
          + 980 more created: r020, r021, r022, r023, r024, r025, r026, r027, r028, r029 and 970 more

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
            workbench in dev on local, account ada, build7

            -/+ tainted (database): replaced, the old one is deleted first, because its creation did not finish
                  well
                ! the data of the old one is deleted
            +/- asked (database): replaced, the new one is created first, because `--replace` names it
                ! the data of the old one is deleted
            -/+ again (database): replaced, the old one is deleted first, because it was interrupted before
                ! the data of the old one is deleted
              - snapped (database): deleted, because its block is gone
                ! a last snapshot of its data is kept
              - fine (database): its old object is deleted, because it was replaced before
                ! its data is deleted with it
              . kept (database): forgotten, and left as it is, because its block is gone
              + broken (database): finished, because its creation was interrupted
              + gone (database): created again, because it was deleted outside of dsenv
              + half (database): created again, because its old object is gone and the new one was not made

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
            workbench in dev on local, account ada, build7

              ~ web (machine): changed, because `list`, `new`, `rules` and `script` differ
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
            workbench in dev on local, account ada, build7

            -/+ features (database): replaced, the old one is deleted first, because `version` differs
                ! the data of the old one is deleted
                  password: (secret) -> (another secret)
                  version: "17" -> "18"
              - old_lake (bucket): deleted, because its block is gone
                ! its data is deleted with it
                  - versioning: true
              - worker (machine): deleted, because its block is gone
              ~ notebook (machine): changed, because `environment`, `services` and `software` differ
                  + environment.FEATURES_URL: (known after apply)
                  - environment.OLD: "1"
                  environment.TOKEN: (secret) -> (known after apply)
                  services.jupyter.port: 8888 -> 9999
                  services.jupyter.run:
                       "jupyter lab --ip=0.0.0.0 --port=8888 --no-browser --ServerApp.root_dir=/srv"
                    -> "jupyter lab --ip=0.0.0.0 --port=9999 --no-browser --ServerApp.root_dir=/srv"
                  + software.lock: (not locked)
                  + software.packages: "polars"
                  + grant["lake"] (local.grant): created
                      on: (known after apply)
                      right: "read_write"
              ~ web (machine): changed, because `port` changed outside of dsenv
                  drift: port: 80 -> 81; the blueprint wins
              + net (network): created
                  cidr: "10.20.0.0/16"

            Not locked yet: python/notebook. `dsenv apply` locks first; `dsenv lock` does nothing else.
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
        let lines: Vec<&str> = text.lines().skip(3).take_while(|line| !line.is_empty()).collect();
        expected.assert_eq(&lines.join("\n"));
    };
    check("1, 2, 3", "1, 3", expect!["      - l: 2"]);
    check("1, 2, 3", "0, 1, 2, 3", expect!["      + l: 0"]);
    check("1, 2, 3", "1, 5, 3", expect!["      l[1]: 2 -> 5"]);
    check("1, 2, 3", "3, 2, 1", expect![[r#"
              l[0]: 1 -> 3
              l[2]: 3 -> 1"#]]);
    check("1, 1, 2", "1, 2", expect!["      - l: 1"]);
    check("{\"a\": 1, \"b\": 2}", "{\"a\": 1, \"b\": 3}", expect!["      l[0].b: 2 -> 3"]);
    check("", "1", expect!["      + l: 1"]);
}

#[test]
fn a_resource_whose_parts_alone_change_says_so() {
    let plan = plan(vec![same("nb", "machine"), create("nb.grant[\"lake\"]", "machine", "{}")]);
    check(&plan, &Style::PLAIN, expect![[r#"
        workbench in dev on local, account ada, build7

            nb (machine): in its parts only
              + grant["lake"] (local.grant): created

        Plan: 1 to create, 1 unchanged.
    "#]]);
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
            workbench in dev on local, account ada, build7

              + nb (machine): created
                  cpus: 2
                with grant["lake"], software
              + pool (pool): created
                  size: 2

            Plan: 4 to create.
        "#]],
    );
}
