//! State, plan and lock files that were changed, belong elsewhere, or are in use.

use crate::place::{Place, start, until};
use std::fmt::Write;

/// Needs no service: applied in a moment.
const QUIET: &str = "blueprint: small
inputs:
  n: {type: integer, default: 1}
resources:
  token: {kind: secret, generate: {length: 20}}
  one: {kind: value, input: '${inputs.n}'}
environments:
  dev: {provider: local, ephemeral: true}
  two: {provider: local, ephemeral: true}
outputs:
  token: ${token.value}
";

const STATE: &str = ".dsenv/small/dev/state.json";

fn applied() -> Place {
    let place = Place::with_environments(QUIET, vec!["dev", "two"]);
    place.apply();
    place
}

/// Damages a file, runs a look, and puts the file back.
fn with_file(place: &Place, name: &str, text: &str, look: impl FnOnce()) {
    let good = place.read(name);
    place.write(name, text);
    look();
    place.write(name, &good);
}

const COMMANDS: [&[&str]; 5] = [
    &["plan", "-e", "dev"],
    &["apply", "-e", "dev", "--yes"],
    &["destroy", "-e", "dev", "--yes"],
    &["output", "-e", "dev"],
    &["state", "list", "-e", "dev"],
];

#[test]
fn a_truncated_state_is_refused_and_an_earlier_one_can_be_restored() {
    let place = applied();
    place.ok(&["apply", "-e", "dev", "--yes", "--input", "n=2"]);
    let good = place.read(STATE);
    for length in [0, 1, good.len() / 2, good.len() - 2] {
        with_file(&place, STATE, &good[..length], || {
            for command in COMMANDS {
                let ran = place.refuses(command, 1, "E0802");
                ran.says(&["state.json", "help: ", "dsenv state restore"]);
            }
        });
    }
    // The help is true: what is kept brings the environment back.
    place.write(STATE, &good[..good.len() / 2]);
    place.ok(&["state", "history", "-e", "dev"]);
    place.ok(&["state", "restore", "2", "-e", "dev"]);
    let ran = place.run(&["plan", "-e", "dev", "--input", "n=2", "--detailed-exitcode"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
}

#[test]
fn a_state_edited_by_hand_is_refused_by_the_program() {
    let place = applied();
    let good = place.read(STATE);
    let edited = good.replacen("\"one\"", "\"two\"", 1);
    assert_ne!(good, edited);
    with_file(&place, STATE, &edited, || {
        for command in COMMANDS {
            place.refuses(command, 1, "E0802").says(&["help: "]);
        }
    });
    place.ok(&["plan", "-e", "dev"]);
}

#[test]
fn a_state_of_a_newer_dsenv_is_refused_by_the_program() {
    let place = applied();
    let newer = place.read(STATE).replacen("dsenv-state/1", "dsenv-state/2", 1);
    assert!(newer.contains("dsenv-state/2"), "the format is named in the file");
    with_file(&place, STATE, &newer, || {
        for command in COMMANDS {
            place.refuses(command, 1, "E0803").says(&["2"]);
        }
    });
}

#[test]
fn the_state_of_another_blueprint_is_refused_by_the_program() {
    let place = applied();
    place.write("other.yaml", &QUIET.replace("small", "other"));
    place.ok(&["apply", "-f", "other.yaml", "-e", "dev", "--yes"]);
    with_file(&place, STATE, &place.read(".dsenv/other/dev/state.json"), || {
        for command in COMMANDS {
            place.refuses(command, 1, "E0804").says(&["other"]);
        }
    });
    // And that of another environment of the same blueprint.
    place.ok(&["apply", "-e", "two", "--yes"]);
    with_file(&place, STATE, &place.read(".dsenv/small/two/state.json"), || {
        place.refuses(&["plan", "-e", "dev"], 1, "E0804").says(&["two"]);
    });
}

#[test]
fn a_saved_plan_is_applied_once_and_only_where_it_was_made() {
    let place = Place::with_environments(QUIET, vec!["dev", "two"]);
    place.ok(&["plan", "-e", "dev", "-o", "plan.json"]);
    let ran = place.refuses(&["apply", "-e", "two", "--yes", "plan.json"], 1, "E0806");
    ran.says(&["`dev`", "`-e two`"]);
    place.ok(&["apply", "--yes", "plan.json"]);
    place.is_settled();
    let ran = place.refuses(&["apply", "--yes", "plan.json"], 1, "E0805");
    ran.says(&["serial", "help: plan again"]);
}

#[test]
fn a_plan_is_stale_after_an_apply_or_an_edit_of_the_blueprint() {
    let place = applied();
    place.ok(&["plan", "-e", "dev", "--input", "n=2", "-o", "plan.json"]);
    let good = place.read("dsenv.yaml");
    place.edit("dsenv.yaml", "length: 20", "length: 21");
    let ran = place.refuses(&["apply", "--yes", "plan.json"], 1, "E0805");
    ran.says(&["the blueprint was changed", "help: plan again"]);
    // A comment is no change, and the plan has its inputs.
    place.write("dsenv.yaml", &format!("# The same.\n{good}"));
    assert_eq!(place.run(&["apply", "--yes", "--input", "n=2", "plan.json"]).code, 64);
    place.ok(&["apply", "--yes", "plan.json"]);
    assert!(place.ok(&["state", "show", "-e", "dev", "one"]).out.contains('2'));
    place.ok(&["plan", "-e", "dev", "-o", "plan.json"]);
    place.ok(&["apply", "-e", "dev", "--yes", "--input", "n=3"]);
    place.refuses(&["apply", "--yes", "plan.json"], 1, "E0805");
}

#[test]
fn a_kept_plan_has_its_secrets_sealed_for_who_made_it() {
    let place = applied();
    let secret = secret_of(&place);
    place.edit("dsenv.yaml", "token: ${token.value}", "again: ${token.value}");
    place.ok(&["plan", "-e", "dev", "-o", "plan.json"]);
    assert!(!place.read("plan.json").contains(&secret), "the plan's file has the secret in clear");
    let other = Place::with_environments(QUIET, vec!["dev"]);
    other.apply();
    let identity = "home/.config/dsenv/identity.age";
    with_file(&place, identity, &other.read(identity), || {
        let ran = place.refuses(&["apply", "--yes", "plan.json"], 1, "E0807");
        ran.says(&["somebody with another identity"]);
    });
    place.ok(&["apply", "--yes", "plan.json"]);
    let again = place.ok(&["output", "again", "--show-secrets", "-e", "dev"]);
    assert_eq!(again.out.trim(), secret);
}

#[test]
fn a_plan_without_a_terminal_needs_yes_too() {
    let place = Place::with_environments(QUIET, vec!["dev", "two"]);
    place.ok(&["plan", "-e", "dev", "-o", "plan.json"]);
    place.refuses(&["apply", "plan.json"], 1, "E0905");
    assert!(!place.path(".dsenv").exists());
}

#[test]
fn a_plan_with_one_changed_byte_is_refused() {
    let place = Place::with_environments(QUIET, vec!["dev", "two"]);
    place.ok(&["plan", "-e", "dev", "-o", "plan.json"]);
    let good = place.read("plan.json");
    // Every place in the file counts: some of them, spread over all of it.
    for at in (0..good.len()).step_by(good.len() / 12) {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        place.write("plan.json", &changed);
        let ran = place.refuses(&["apply", "--yes", "plan.json"], 1, "E0807");
        ran.says(&["`plan.json`", "help: plan again"]);
    }
    place.write("plan.json", &good[..good.len() / 2]);
    place.refuses(&["apply", "--yes", "plan.json"], 1, "E0807");
    let ran = place.refuses(&["apply", "--yes", "nothing.json"], 1, "E0906");
    ran.says(&["nothing.json"]);
}

#[test]
fn of_two_applies_at_once_the_second_names_the_first() {
    let mut yaml = "blueprint: small\nresources:\n".to_owned();
    for number in 0..3_000 {
        let _ = writeln!(yaml, "  r{number}: {{kind: value, input: {number}}}");
    }
    yaml.push_str("environments:\n  dev: {provider: local, ephemeral: true}\n");
    let place = Place::new(&yaml);
    let mut first = place.command();
    first.args(["apply", "-e", "dev", "--yes", "--quiet"]);
    let first = start(first);
    until("the first apply holds the lock", || {
        let lock = std::fs::read_to_string(place.path(".dsenv/small/dev/lock.json")).ok()?;
        lock.contains("\"apply\"").then_some(())
    });
    let second = place.run(&["apply", "-e", "dev", "--yes"]);
    let first = first.end();
    assert_eq!(first.code, 0, "{}", first.err);
    assert_eq!(second.code, 1, "{}\n{}", second.out, second.err);
    second.says(&["error[E0801]", "apply", "help: wait with `--lock-timeout 5m`"]);
    place.is_settled();
    let history = place.json(&["state", "history", "-e", "dev"]);
    assert_eq!(history.as_array().map(Vec::len), Some(1), "one apply was recorded: {history}");
}

#[test]
fn an_apply_waits_for_the_lock_when_asked_to() {
    let place = Place::with_environments(QUIET, vec!["dev"]);
    let begin = |n: &str| {
        let mut command = place.command();
        command.args(["apply", "-e", "dev", "--yes", "--lock-timeout", "60s", "--input", n]);
        start(command)
    };
    let running = [begin("n=1"), begin("n=2"), begin("n=3")];
    for running in running {
        let ran = running.end();
        assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    }
    let listed = place.resources();
    assert_eq!(listed.len(), 2, "{listed:?}");
}

#[test]
fn an_address_that_nothing_has_is_refused_by_the_program() {
    let place = applied();
    let dev = ["-e", "dev"];
    let commands: [&[&str]; 6] = [
        &["plan", "--target", "onne"],
        &["apply", "--yes", "--replace", "onne"],
        &["state", "show", "onne"],
        &["state", "rm", "onne"],
        &["protect", "onne"],
        &["state", "mv", "onne", "two"],
    ];
    for command in commands {
        let ran = place.refuses(&[command, &dev].concat(), 1, "E0814");
        ran.says(&["`onne`"]);
    }
    let ran = place.refuses(&["output", "tokn", "-e", "dev"], 1, "E0814");
    ran.says(&["`tokn`", "did you mean `token`?"]);
    place.refuses(&["state", "show", "1!", "-e", "dev"], 1, "E0814");
}

#[test]
fn a_lock_file_that_was_damaged_is_refused_by_the_program() {
    let place = applied();
    for text in ["{", "[]", "{\"format\": \"dsenv-lock/9\"}"] {
        place.write("small.lock", text);
        for command in [&["plan", "-e", "dev"][..], &["apply", "-e", "dev", "--yes"]] {
            let ran = place.refuses(command, 1, "E0815");
            ran.says(&["small.lock", "help: "]);
        }
    }
    std::fs::remove_file(place.path("small.lock")).expect("it was written");
}

#[test]
fn secrets_of_somebody_else_are_not_opened() {
    let place = applied();
    let identity = "home/.config/dsenv/identity.age";
    let other = Place::with_environments(QUIET, vec!["dev"]);
    other.apply();
    with_file(&place, identity, &other.read(identity), || {
        for command in [&["output", "-e", "dev"][..], &["apply", "-e", "dev", "--yes"]] {
            place.refuses(command, 1, "E0811").says(&["help: ", "identity.age"]);
        }
    });
    assert!(!place.read(STATE).contains(secret_of(&place).as_str()), "the state is sealed");
}

fn secret_of(place: &Place) -> String {
    let ran = place.ok(&["output", "token", "--show-secrets", "-e", "dev"]);
    ran.out.trim().to_owned()
}

#[test]
fn a_secret_is_in_no_file_and_in_no_answer_unless_asked_for() {
    let place = applied();
    let secret = secret_of(&place);
    assert_eq!(secret.len(), 20);
    for (file, bytes) in place.kept_files() {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains(&secret), "{}", file.display());
    }
    for command in [
        &["output"][..],
        &["output", "--json"],
        &["output", "--env-file"],
        &["show"],
        &["state", "show", "token"],
        &["state", "show", "token", "--json"],
        &["plan", "--json", "--destroy"],
        &["errors"],
    ] {
        let ran = place.run(&[command, &["-e", "dev"]].concat());
        assert!(!ran.out.contains(&secret) && !ran.err.contains(&secret), "{command:?}");
        let warned = ran.err.contains("warning: secrets stand as `(secret)`");
        assert_eq!(warned, command.contains(&"--env-file"), "{command:?}: {}", ran.err);
    }
}
