//! What a user trusts the program with: partial failures, protection, secrets, the question.

use crate::place::{Place, start};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Scenario 18: what failed, what was skipped, what was done, and a code of its own.
#[test]
fn a_part_that_failed_has_a_code_of_its_own() {
    let place = Place::new(
        "blueprint: small
resources:
  good: {kind: value, input: 1}
  bad:
    kind: machine
    services: {s: {run: exit 3, port: 7001, health: {tcp: true}}}
  dependant: {kind: value, input: 2, depends_on: [bad]}
environments:
  dev: {provider: local, ephemeral: true}
",
    );
    let ran = place.run(&["apply", "--yes"]);
    assert_eq!(ran.code, 3, "{}\n{}", ran.out, ran.err);
    for part in ["error[E0901]", "`bad`", "exit code 3", "Skipped 1: dependant"] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let listed: Vec<String> = place.resources().into_keys().collect();
    assert!(listed.contains(&"good".to_owned()) && !listed.contains(&"dependant".to_owned()));
    let lines = place.run(&["apply", "--yes", "--json"]);
    let last = lines.out.lines().last().expect("a summary");
    let summary: serde_json::Value = serde_json::from_str(last).expect("JSON");
    assert_eq!((&summary["event"], &summary["failed"]), (&"summary".into(), &1.into()), "{last}");
    place.edit(
        "dsenv.yaml",
        "run: exit 3",
        "run: 'python3 -m http.server --bind ${self.address} 7001'",
    );
    place.apply();
    place.is_settled();
}

/// Scenario 20, as it is typed.
#[test]
fn protection_is_kept_until_it_is_taken_away() {
    let with = "blueprint: small
resources:
  kept: {kind: secret, generate: {length: 12}}
  one: {kind: value, input: 1}
environments:
  dev: {provider: local, ephemeral: true}
";
    let place = Place::new(with);
    place.apply();
    place.ok(&["protect", "kept"]);
    place
        .write("dsenv.yaml", &with.replace("  kept: {kind: secret, generate: {length: 12}}\n", ""));
    for command in [
        &["plan"][..],
        &["apply", "--yes"],
        &["destroy", "--yes"],
        &["destroy", "--yes", "--target", "kept"],
        &["state", "rm", "kept"],
    ] {
        let ran = place.run(command);
        assert_eq!(ran.code, 1, "{command:?}\n{}\n{}", ran.out, ran.err);
        ran.says(&["E0808", "`kept`", "dsenv unprotect 'kept'"]);
    }
    place.write("dsenv.yaml", with);
    let ran = place.run(&["apply", "--yes", "--replace", "kept"]);
    ran.says(&["E0808"]);
    place.ok(&["unprotect", "kept"]);
    place.ok(&["apply", "--yes", "--replace", "kept"]);
    assert_eq!(place.run(&["unprotect", "kept"]).code, 1, "it is not protected any more");
}

/// Scenario 22: what contradicts itself is not typed.
#[test]
fn flags_that_contradict_each_other_are_refused() {
    let place = Place::new(
        "blueprint: small\nresources: {one: {kind: value, input: 1}}\n\
         environments: {dev: {provider: local}}\n",
    );
    place.ok(&["plan", "-o", "plan.json"]);
    place.ok(&["plan", "-o", "plan.json"]);
    for file in ["dsenv.yaml", ".", "nowhere/plan.json"] {
        let ran = place.run(&["plan", "-o", file]);
        assert_eq!(ran.code, 1, "{file}: {}\n{}", ran.out, ran.err);
        ran.says(&["E0906", file, "help: name a file"]);
    }
    for command in [
        &["plan", "--target", "one", "--exclude", "one"][..],
        &["apply", "--yes", "--target", "one", "--exclude", "one"],
        &["destroy", "--yes", "--target", "one", "--keep", "one"],
        &["apply", "plan.json", "--yes", "--target", "one"],
        &["apply", "plan.json", "--yes", "--replace", "one"],
        &["apply", "plan.json", "--yes", "--refresh=only"],
    ] {
        let ran = place.run(command);
        assert_eq!(ran.code, 64, "{command:?}\n{}\n{}", ran.out, ran.err);
    }
    place.ok(&["apply", "plan.json", "--yes"]);
}

/// Scenario 24, with a secret that is typed.
#[test]
fn a_typed_secret_is_nowhere_in_clear() {
    const SENTINEL: &str = "Tr0ub4dor-and-3-horses";
    let place = Place::new(
        "blueprint: small
inputs:
  password: {type: secret}
resources:
  kept: {kind: value, input: 'x-${inputs.password}'}
  wrong: {kind: value, input: '${kept.output}', depends_on: [kept]}
environments:
  dev: {provider: local, ephemeral: true}
outputs:
  p: ${kept.output}
",
    );
    let input = format!("password={SENTINEL}");
    let typed = ["--input", input.as_str()];
    let mut heard = String::new();
    for command in [
        &["plan"][..],
        &["plan", "--json"],
        &["plan", "--full", "-o", "plan.json"],
        &["apply", "--yes", "--json"],
        &["plan", "--json"],
        &["state", "history"],
        &["state", "history", "--json"],
        &["state", "show", "kept"],
        &["output", "--json"],
        &["output", "--env-file"],
        &["drift", "--json"],
        &["show", "plan.json"],
        &["state", "rotate-key"],
    ] {
        let ran = place.run(&[command, &typed].concat());
        assert!(ran.code == 0, "{command:?}\n{}\n{}", ran.out, ran.err);
        heard += &ran.out;
        heard += &ran.err;
    }
    assert!(!heard.contains(SENTINEL));
    let shown = place.ok(&["output", "p", "--show-secrets"]).out;
    assert_eq!(shown.trim(), format!("x-{SENTINEL}"), "and yet it is kept, under the new key too");
    let files: BTreeMap<PathBuf, Vec<u8>> = place.kept_files();
    assert!(files.keys().any(|path| path.ends_with("plan.json")));
    for (path, bytes) in files {
        let found = bytes.windows(SENTINEL.len()).any(|part| part == SENTINEL.as_bytes());
        assert!(!found, "the secret stands in {}", path.display());
    }
}

/// What looks at an environment and what takes it away needs no sound blueprint, and no inputs.
#[test]
fn a_broken_blueprint_does_not_keep_an_environment_alive() {
    let place = Place::new(
        "blueprint: small
inputs:
  n: {type: integer}
resources:
  one: {kind: value, input: '${inputs.n}'}
environments:
  dev: {provider: local, ephemeral: true}
outputs:
  one: ${one.output}
",
    );
    place.ok(&["plan", "--input", "n=3", "-o", "plan.json"]);
    place.ok(&["apply", "plan.json", "--yes"]);
    assert_eq!(place.ok(&["output", "one"]).out.trim(), "3", "the plan had its input");
    place.edit("dsenv.yaml", "kind: value", "knid: value");
    for command in [
        &["output"][..],
        &["status"],
        &["show"],
        &["errors"],
        &["state", "list"],
        &["state", "history"],
    ] {
        place.ok(command);
    }
    // An environment that is gone from the file is not forgotten either.
    place.edit("dsenv.yaml", "  dev:", "  later:");
    let ran = place.run(&["destroy", "--yes", "-e", "dev"]);
    assert_eq!(ran.code, 1);
    ran.says(&["E0505", "has the state of an environment `dev`", "put `dev:` back"]);
    place.edit("dsenv.yaml", "  later:", "  dev:");
    let ran = place.ok(&["destroy", "--yes"]);
    ran.says(&["dsenv check"]);
    assert!(place.resources().is_empty());
}

/// A plan that was saved to destroy proves what a destroy proves.
#[test]
fn a_saved_destroy_ends_what_the_provider_keeps() {
    let place = Place::new(
        "blueprint: small
resources:
  lake: {kind: bucket}
environments:
  dev: {provider: local}
",
    );
    place.apply();
    place.ok(&["plan", "--destroy", "--delete-data", "lake", "-o", "plan.json"]);
    place.ok(&["apply", "plan.json", "--yes"]);
    assert!(place.resources().is_empty());
    assert!(place.processes().is_empty(), "no supervisor is left");
}

/// The question, at a real terminal: only `yes` is yes, and Ctrl-C is heard while it waits.
#[test]
fn the_question_is_asked_at_a_terminal() {
    let place = Place::new(
        "blueprint: small\nresources: {one: {kind: value, input: 1}}\n\
         environments: {dev: {provider: local}}\n",
    );
    for (typed, code, applied) in
        [("no\n", 1, false), ("y\n", 1, false), ("\u{3}", 130, false), ("yes\n", 0, true)]
    {
        let Some((shown, ended)) = answer(&place, typed) else {
            return crate::place::skipped("the program `script`, for a terminal");
        };
        let (_, after) = shown.split_once("Apply this? Only `yes` goes on: ").expect("it asks");
        assert_eq!(ended, code, "{typed:?}: {shown}");
        // Nothing is drawn over the question while it waits.
        assert!(!after.contains("steps, 0"), "{after:?}");
        assert_eq!(place.path(".dsenv/small/dev/history/operations.jsonl").exists(), applied);
    }
}

/// Types something at the question of an apply, in a terminal of its own.
fn answer(place: &Place, typed: &str) -> Option<(String, i32)> {
    let mut command = std::process::Command::new("script");
    place.surround(&mut command);
    command.args(["-qec", "\"$DSENV\" apply", "/dev/null"]).env("DSENV", crate::place::program());
    command.env("SHELL", "/bin/sh").env("TERM", "xterm").stdin(std::process::Stdio::piped());
    if std::process::Command::new("script").arg("--version").output().is_err() {
        return None;
    }
    let mut running = start(command);
    let mut keyboard = running.child.stdin.take().expect("a pipe");
    // The program listens before it asks; what is typed earlier waits in the terminal.
    crate::place::wait(std::time::Duration::from_millis(700));
    std::io::Write::write_all(&mut keyboard, typed.as_bytes()).expect("the terminal reads");
    let ran = running.end();
    drop(keyboard);
    Some((ran.out + &ran.err, ran.code))
}
