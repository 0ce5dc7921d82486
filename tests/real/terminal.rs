//! Manners: what a terminal, a pipe and a script get.

use crate::place::{Place, start};
use std::path::Path;
use std::process::Command;

const QUIET: &str = "blueprint: small
resources:
  token: {kind: secret, generate: {length: 20}}
  one: {kind: value, input: 1}
environments:
  dev: {provider: local, ephemeral: true}
outputs:
  one: ${one.output}
";

fn script(place: &Place, text: &str) -> crate::place::Ran {
    let mut command = Command::new("sh");
    command.args(["-c", text]);
    place.surround(&mut command);
    command.env("DSENV", crate::place::program());
    start(command).end()
}

#[test]
fn a_pipe_gets_no_colour_and_no_cursor_movement() {
    let place = Place::new(QUIET);
    let commands: [&[&str]; 7] = [
        &["plan"],
        &["apply", "--yes"],
        &["plan", "--destroy"],
        &["status"],
        &["--help"],
        &["plann"],
        &["check", "-f", "nothing"],
    ];
    for command in commands {
        let ran = place.run(command);
        assert!(!ran.out.contains('\x1b') && !ran.err.contains('\x1b'), "{command:?}");
        assert!(!ran.err.contains('\r') && !ran.out.contains('\r'), "{command:?}");
    }
}

/// Runs a command at a terminal of its own; both outputs are one.
fn at_a_terminal(place: &Place, text: &str) -> Option<String> {
    Command::new("script").arg("--version").output().ok()?;
    let mut command = Command::new("script");
    command.args(["-qec", text, "/dev/null"]);
    place.surround(&mut command);
    command.env("DSENV", crate::place::program()).env("TERM", "xterm");
    Some(start(command).end().out)
}

#[test]
fn a_terminal_gets_colour_unless_it_is_not_wanted() {
    let place = Place::new(QUIET);
    let Some(coloured) = at_a_terminal(&place, "$DSENV plan") else {
        return crate::place::skipped("the program `script`, for a terminal");
    };
    assert!(coloured.contains("\x1b["), "{coloured}");
    for plain in ["NO_COLOR=1 $DSENV plan", "$DSENV --no-color plan", "TERM=dumb $DSENV plan"] {
        let text = at_a_terminal(&place, plain).expect("there is one");
        assert!(!text.contains("\x1b["), "{plain}: {text:?}");
        assert!(text.contains("2 to create"), "{text}");
    }
}

#[test]
fn at_a_terminal_it_asks_and_only_yes_is_yes() {
    let place = Place::new(QUIET);
    let Some(text) = at_a_terminal(&place, "echo no | $DSENV apply; echo code $?") else {
        return crate::place::skipped("the program `script`, for a terminal");
    };
    assert!(text.contains("E0905") && text.contains("code 1"), "a pipe cannot answer: {text}");
    assert!(!place.path(".dsenv/small/dev/state.json").exists());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new(QUIET);
    for command in ["plan --full", "apply --yes", "schema", "--help", "state list"] {
        let text = format!("( \"$DSENV\" {command}; echo $? >code ) | head -1 >/dev/null");
        let ran = script(&place, &text);
        assert!(!ran.err.contains("panicked") && !ran.err.contains("bug"), "{}", ran.err);
        assert_eq!(place.read("code").trim(), "0", "{command}: {}", ran.err);
    }
    let gone = script(&place, "\"$DSENV\" plan >&- 2>&-; echo $?");
    assert_eq!(gone.out.trim(), "0");
}

#[test]
fn a_command_substitution_ends_with_the_command() {
    let place = Place::new(&crate::daily::small());
    // A supervisor that inherited the pipe would keep the shell waiting for ever.
    let ran = script(&place, "text=$(\"$DSENV\" apply --yes 2>&1); echo \"ended $?: ${#text}\"");
    assert!(ran.out.starts_with("ended 0: "), "{}\n{}", ran.out, ran.err);
}

#[test]
fn narrow_terminals_get_narrow_lines() {
    let place = Place::new(QUIET);
    place.edit("dsenv.yaml", "input: 1", "inputt: 1");
    let mut command = place.command();
    command.arg("check").env("COLUMNS", "60");
    let ran = start(command).end();
    assert_eq!(ran.code, 1);
    ran.says(&["did you mean `input`?"]);
}

#[test]
fn quiet_prints_the_answer_alone() {
    let place = Place::new(QUIET);
    let ran = place.ok(&["apply", "--yes", "--quiet"]);
    assert_eq!(ran.err, "");
    assert_eq!(place.ok(&["plan", "--quiet"]).err, "");
    assert_eq!(place.ok(&["output", "one", "--quiet"]).out, "1\n");
    place.edit("dsenv.yaml", "input: 1", "inputt: 1");
    let ran = place.run(&["plan", "--quiet"]);
    assert!(ran.err.contains("E0202"), "an error is always said");
    place.edit("dsenv.yaml", "inputt: 1", "input: 1");
}

#[test]
fn json_is_json_and_nothing_else() {
    let place = Place::new(QUIET);
    let plan = place.json(&["plan"]);
    assert_eq!(plan["format"], "dsenv-plan/1");
    assert_eq!(plan["summary"]["create"], 2);
    let events = place.ok(&["apply", "--yes", "--json"]).events();
    assert!(events.iter().all(|it| it["format"] == "dsenv-event/1" && it["time"].is_string()));
    let last = events.last().expect("a summary");
    assert_eq!(last["applied"], 2, "{last}");
    let again = place.ok(&["apply", "--yes", "--json"]).events();
    assert_eq!(again.last().expect("a summary")["applied"], 0);
    assert_eq!(place.json(&["check"])["format"], "dsenv-diagnostics/1");
    assert_eq!(place.json(&["output"])["one"]["value"], 1);
    assert_eq!(place.json(&["env", "list"])[0]["name"], "dev");
    for command in [
        &["state", "list"][..],
        &["state", "show", "one"],
        &["state", "history"],
        &["show"],
        &["status"],
        &["errors"],
        &["drift"],
        &["graph"],
        &["schema"],
        &["schema", "plan"],
        &["explain", "E0202"],
    ] {
        let ran = place.run(&[command, &["--json"]].concat());
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&ran.out);
        assert!(parsed.is_ok(), "{command:?} ends with {}: {}\n{}", ran.code, ran.out, ran.err);
    }
    let ran = place.run(&["plan", "-e", "nope", "--json"]);
    let refused: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(refused["diagnostics"][0]["code"], "E0505");
    assert_eq!(ran.err, "");
}

#[test]
fn exit_codes_are_those_of_the_readme() {
    let place = Place::new(QUIET);
    assert_eq!(place.run(&["plan"]).code, 0);
    assert_eq!(place.run(&["plan", "--detailed-exitcode"]).code, 2);
    assert_eq!(place.run(&["apply"]).code, 1);
    assert_eq!(place.run(&["apply", "--yes"]).code, 0);
    assert_eq!(place.run(&["plan", "--detailed-exitcode"]).code, 0);
    for usage in [&["plann"][..], &["plan", "--nope"], &["--input", "x", "plan"], &[]] {
        assert_eq!(place.run(usage).code, 64, "{usage:?}");
    }
    for asked in [&["--help"][..], &["--version"], &["plan", "--help"]] {
        let ran = place.run(asked);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{asked:?}");
        assert!(!ran.out.is_empty());
    }
}

/// The commands that the help lists.
fn commands(place: &Place) -> Vec<String> {
    let help = place.ok(&["--help"]).out;
    let list = help.split("Commands:").nth(1).and_then(|rest| rest.split("Options:").next());
    let lines = list.expect("a list").lines();
    let names = lines
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned));
    names.collect()
}

#[test]
fn every_command_of_the_help_has_a_help_of_its_own_and_does_something() {
    let place = Place::new(QUIET);
    let names = commands(&place);
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        place.ok(&[&name, "--help"]);
        let ran = place.run(&[&name]);
        let said = format!("{}{}", ran.out, ran.err).to_lowercase();
        for stub in ["not implemented", "todo", "unimplemented", "bug in dsenv"] {
            assert!(!said.contains(stub), "{name}: {said}");
        }
    }
}

/// Help that names a command which does not exist is worse than none.
#[test]
fn every_command_that_a_message_names_exists() {
    let place = Place::new(QUIET);
    let names = commands(&place);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for folder in ["src", "providers/local/src", "providers/sdk/src"] {
        read_sources(&root.join(folder), &mut |file, text| {
            for piece in text.split("`dsenv ").skip(1) {
                let word: String = piece.chars().take_while(|c| c.is_ascii_lowercase()).collect();
                if !word.is_empty() && !names.contains(&word) {
                    wrong.push(format!("{}: `dsenv {word}`", file.display()));
                }
            }
        });
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn read_sources(folder: &Path, look: &mut dyn FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).expect("a folder of this repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_sources(&path, look);
        } else if path.extension().is_some_and(|it| it == "rs" || it == "md") {
            look(&path, &std::fs::read_to_string(&path).expect("a source"));
        }
    }
}
