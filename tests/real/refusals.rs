//! Bad input: each gets a code, a place and help, and changes nothing.

use crate::place::{Place, Ran};
use std::time::Duration;

/// Refuses a blueprint the same way in `check` and in `apply`, with these pieces in this order.
fn refused(yaml: &str, code: &str, pieces: &[&str]) {
    let place = Place::new(yaml);
    place.refuses(&["check"], 1, code).says(pieces);
    place.refuses(&["apply", "--yes"], 1, code).says(pieces);
    assert!(!place.path(".dsenv").exists(), "nothing is begun for a blueprint that is refused");
}

#[test]
fn wrong_types_are_all_named_at_once() {
    refused(
        "blueprint: small
resources:
  lake: {kind: bucket, versioning: 3}
  db: {kind: database, engine: postgres, version: 18, storage: 20, size: tiny}
",
        "E0207",
        &[
            "dsenv.yaml:3:36",
            "`versioning`: expected `true` or `false`, found `3`",
            "dsenv.yaml:4:51",
            "expected a version in quotes",
            "dsenv.yaml:4:64",
            "expected a size such as `50GiB`, found `20`",
            "error[E0205]",
            "dsenv.yaml:4:74",
            "`small`, `medium` or `large`, found `tiny`",
        ],
    );
}

#[test]
fn an_unknown_field_has_a_nearest_name() {
    refused(
        "blueprint: small\nresources:\n  lake: {kind: bucket, versionning: true}\n",
        "E0202",
        &["dsenv.yaml:3:24", "no field `versionning`", "help: did you mean `versioning`?"],
    );
}

#[test]
fn an_unknown_kind_has_a_nearest_name() {
    refused(
        "blueprint: small\nresources:\n  lake: {kind: bukket}\n",
        "E0204",
        &["dsenv.yaml:3:16", "there is no kind `bukket`", "help: did you mean `bucket`?"],
    );
}

#[test]
fn a_kind_of_later_is_refused_by_name() {
    refused(
        "blueprint: small\nresources:\n  jobs: {kind: queue}\n",
        "E0203",
        &["dsenv.yaml:3:16", "`queue` is part of the language and not built yet", "help: "],
    );
}

#[test]
fn a_duplicate_key_shows_both_places() {
    refused(
        "blueprint: small\nresources:\n  lake: {kind: bucket}\n  lake: {kind: bucket}\n",
        "E0102",
        &["dsenv.yaml:4:3", "first written here", "`lake` is already a key", "help: "],
    );
}

#[test]
fn a_bad_expression_has_its_column() {
    refused(
        "blueprint: small\nresources:\n  lake: {kind: bucket, versioning: '${1 +}'}\n",
        "E0401",
        &["dsenv.yaml:3:42", "not a CEL expression: it ends too early"],
    );
    refused(
        "blueprint: small\nresources:\n  n: {kind: value, input: '${1 + * 2}'}\n",
        "E0401",
        &["dsenv.yaml:3:", "not a CEL expression: `*` cannot stand here"],
    );
}

#[test]
fn an_expression_of_the_wrong_types_is_underlined() {
    refused(
        "blueprint: small\nresources:\n  lake: {kind: bucket, versioning: '${\"a\" + 1}'}\n",
        "E0402",
        &["dsenv.yaml:3:36", "the operation does not fit these types"],
    );
}

const WITH_INPUT: &str = "blueprint: small
inputs:
  n: {type: integer, min: 0, max: 3}
resources:
  kept: {kind: value, input: '${inputs.n}'}
  also: {kind: value, input: '${inputs.n + 1}'}
";

#[test]
fn a_missing_input_is_asked_for_by_name() {
    let place = Place::new(WITH_INPUT);
    for command in [&["check"][..], &["plan"], &["apply", "--yes"]] {
        let ran = place.refuses(command, 1, "E0502");
        ran.says(&["dsenv.yaml:3:3", "`n`", "--input n="]);
        assert_eq!(ran.err.matches("error[").count(), 1, "said once:\n{}", ran.err);
    }
    place.ok(&["check", "--input", "n=2"]);
}

#[test]
fn an_input_out_of_bounds_or_of_another_type_is_refused() {
    let place = Place::new(WITH_INPUT);
    let ran = place.refuses(&["plan", "--input", "n=9"], 1, "E0503");
    ran.says(&["expected a whole number from 0 to 3, found `9`"]);
    let ran = place.refuses(&["plan", "--input", "n=x"], 1, "E0503");
    ran.says(&["expected a whole number, found `x`"]);
    let ran = place.refuses(&["plan", "--input", "n=1", "--input", "m=1"], 1, "E0504");
    ran.says(&["no input `m`"]);
    let ran = place.run(&["plan", "--input", "n"]);
    assert_eq!(ran.code, 64, "what was typed makes no sense\n{}", ran.err);
    ran.says(&["--input NAME=VALUE"]);
}

#[test]
fn a_reference_to_nothing_has_a_nearest_name() {
    refused(
        "blueprint: small
resources:
  lake: {kind: value, input: '${laek.name}'}
  next: {kind: value, input: '${lake.outpt}'}
",
        "E0303",
        &[
            "dsenv.yaml:3:33",
            "there is no resource `laek`",
            "help: did you mean `lake`?",
            "error[E0304]",
            "dsenv.yaml:4:33",
            "help: did you mean `output`?",
        ],
    );
}

#[test]
fn a_cycle_is_named_edge_by_edge() {
    refused(
        "blueprint: small
resources:
  a: {kind: value, input: '${b.output}'}
  b: {kind: value, input: '${c.output}'}
  c: {kind: value, input: '${a.output}'}
",
        "E0601",
        &[
            "dsenv.yaml:3:27",
            "`a.input` needs `b`, `b.input` needs `c`, `c.input` needs `a`",
            "help: take one of these references away",
        ],
    );
}

#[test]
fn broken_yaml_says_what_was_expected_and_what_was_open() {
    refused(
        "blueprint: small\nresources:\n  lake: {kind: bucket\n  b: [\n",
        "E0101",
        &["dsenv.yaml:4:4", "opened here", "expected a `,` or the closing `}`"],
    );
    refused("blueprint: small\nresources:\n\tlake: 3\n", "E0103", &["dsenv.yaml:3:1", "help: "]);
    refused("# Nothing yet.\n", "E0006", &["dsenv.yaml:1:1", "help: begin with `blueprint: NAME`"]);
}

/// What is too large must be refused before it costs anything.
fn quickly(ran: &Ran, most: Duration) {
    assert!(ran.took < most, "refused after {:?}", ran.took);
}

#[test]
fn an_alias_bomb_is_refused_quickly() {
    let mut yaml = "blueprint: small\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let before = vec![format!("*a{}", level - 1); 10].join(",");
        yaml.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    let place = Place::new(&yaml);
    let ran = place.refuses(&["check"], 1, "E0005");
    ran.says(&["dsenv.yaml:7:", "the limits are", "help: "]);
    quickly(&ran, Duration::from_secs(3));
}

#[test]
fn a_file_of_100_mb_is_refused_quickly() {
    let place = Place::new("blueprint: small\nresources: {}\n");
    let line = format!("# {}\n", "x".repeat(1021));
    place.write("large.yaml", &line.repeat(100 * 1024));
    // Not `refuses`: comparing 100 MB twice says nothing more.
    let ran = place.run(&["check", "-f", "large.yaml"]);
    assert_eq!(ran.code, 1);
    ran.says(&["error[E0001]", "`large.yaml` is larger than"]);
    quickly(&ran, Duration::from_secs(2));
}

#[test]
fn ten_thousand_and_one_resources_are_refused_quickly() {
    let mut yaml = "blueprint: small\nresources:\n".to_owned();
    for number in 0..=10_000 {
        yaml.push_str(&format!("  r{number}: {{kind: value, input: 1}}\n"));
    }
    let place = Place::new(&yaml);
    let ran = place.refuses(&["check"], 1, "E0602");
    ran.says(&["dsenv.yaml:2:1", "10001 resources; the most is 10000", "help: "]);
    quickly(&ran, Duration::from_secs(20));
}

#[test]
fn a_blueprint_that_is_not_there_is_named() {
    let place = Place::new("blueprint: small\nresources: {}\n");
    let ran = place.refuses(&["plan", "-f", "nothing.yaml"], 1, "E0906");
    ran.says(&["`nothing.yaml`: there is no such file", "help: `-f FILE` names the blueprint"]);
    let ran = place.refuses(&["apply", "--yes", "-f", "home"], 1, "E0906");
    ran.says(&["home/dsenv.yaml"]);
}

const TWO: &str = "blueprint: small
resources:
  token: {kind: secret, generate: {length: 20}}
environments:
  dev: {provider: local, ephemeral: true}
  two: {provider: local, ephemeral: true}
";

#[test]
fn without_an_environment_every_command_that_needs_one_is_refused() {
    let place = Place::with_environments(TWO, vec!["dev", "two"]);
    let commands: [&[&str]; 9] = [
        &["check"],
        &["plan"],
        &["apply", "--yes"],
        &["destroy", "--yes"],
        &["status"],
        &["output"],
        &["state", "list"],
        &["show"],
        &["exec", "token", "--", "true"],
    ];
    for command in commands {
        let ran = place.refuses(command, 64, "E0506");
        ran.says(&["help: say which with `-e dev` or `-e two`"]);
    }
    let ran = place.refuses(&["plan", "-e", "tow"], 1, "E0505");
    ran.says(&["there is no environment `tow`", "`two`"]);
}

#[test]
fn what_is_there_and_cannot_be_entered_is_said_so() {
    let place = Place::new(
        "blueprint: small\nresources:\n  token: {kind: secret, generate: {length: 20}}\nenvironments:\n  dev: {provider: local, ephemeral: true}\n",
    );
    place.apply();
    for (command, done) in [
        (&["exec", "token", "--", "true"][..], "entered"),
        (&["ssh", "token"], "entered"),
        (&["logs", "token"], "asked for logs"),
        (&["connect", "token"], "connected to"),
    ] {
        let ran = place.refuses(command, 1, "E0814");
        ran.says(&[&format!("`token` is a secret, which cannot be {done}"), "help: "]);
    }
    let ran = place.refuses(&["exec", "nope", "--", "true"], 1, "E0814");
    ran.says(&["this environment has no `nope`", "nothing in this environment can be entered"]);
    let ran = place.run(&["errors", "--class", "nope"]);
    assert_eq!(ran.code, 64, "{}", ran.err);
    ran.says(&["nope", "conflict", "quota", "unknown"]);
}

#[test]
fn apply_without_a_terminal_needs_yes() {
    let place = Place::new(
        "blueprint: small\nresources:\n  token: {kind: secret, generate: {length: 20}}\nenvironments:\n  dev: {provider: local, ephemeral: true}\n",
    );
    for (command, look) in [("apply", "`dsenv plan`"), ("destroy", "`dsenv plan --destroy`")] {
        let ran = place.refuses(&[command], 1, "E0905");
        ran.says(&["there is no terminal to ask at", "help: look at ", look, "--yes"]);
        assert!(!place.path(".dsenv").exists());
    }
}
