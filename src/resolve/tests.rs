//! Text in, findings or fields out.

use super::{InputSource, resolve};
use crate::blueprint;
use crate::diag::{Findings, Source};
use expect_test::{Expect, expect};

/// Resolves and lists the findings as `CODE line:column message`, else every field that is known.
fn check(yaml: &str, expected: Expect) {
    check_with(yaml, None, &[], expected);
}

fn check_with(yaml: &str, environment: Option<&str>, inputs: &[(&str, &str)], expected: Expect) {
    let source = Source::new("dsenv.yaml", yaml);
    let (parsed, mut findings) = blueprint::parse(&source);
    let inputs: Vec<_> = inputs
        .iter()
        .map(|(name, typed)| InputSource { name: (*name).into(), typed: (*typed).into() })
        .collect();
    let mut text = String::new();
    if let Some(blueprint) = parsed {
        let (resolved, found) = resolve(&source, &blueprint, environment, &inputs);
        findings.append(found);
        for resource in resolved.iter().flat_map(|resolved| resolved.resources.values()) {
            for (name, term) in &*resource.fields {
                let shown = term.known().map_or("...".to_owned(), ToString::to_string);
                text.push_str(&format!("{}.{name} = {shown}\n", resource.addr));
            }
        }
    }
    if findings.has_errors() {
        text = listed(&findings, &source);
    }
    expected.assert_eq(&text);
}

fn listed(findings: &Findings, source: &Source) -> String {
    let mut text = String::new();
    for found in findings.sorted() {
        let at = found.span.map(|span| source.position(span.start));
        let at = at.map_or("-".to_owned(), |at| format!("{}:{}", at.line, at.column));
        text.push_str(&format!("{} {at} {}\n", found.code, found.message));
    }
    text
}

#[test]
fn all_mistakes_come_at_once_and_none_twice() {
    check(
        "blueprint: t
inputs:
  n: {type: integer}
resources:
  a: {kind: value, inputt: 1}
  b: {kind: valu}
  c: {kind: value, input: '${a.outpt} ${zz.y} ${b.output} ${inputs.n}'}
  d: {kind: value, input: '${a.outpt} ${zz.y}'}
  e: {kind: value, depends_on: [b, gone]}
",
        expect![[r#"
            E0502 3:3 nobody gave input `n`, and it has no default
            E0202 5:20 `a` of kind value has no field `inputt`
            E0204 6:13 there is no kind `valu`
            E0304 8:30 `a` of kind value has no `outpt`
            E0303 8:41 there is no resource `zz`
            E0303 9:36 `depends_on` names `gone`, and there is no such resource
        "#]],
    );
}

#[test]
fn inputs_come_from_the_command_line_then_the_environment_then_the_default() {
    let yaml = "blueprint: t
inputs:
  n: {type: integer, default: 1, max: 8}
resources:
  a: {kind: value, input: '${inputs.n} in ${env.name}'}
vary:
  inputs.n: {min: 0, max: 8}
environments:
  dev: {provider: local}
  big: {provider: local, set: {inputs.n: 4}}
";
    check_with(
        yaml,
        Some("dev"),
        &[],
        expect![[r#"
        a.input = "1 in dev"
    "#]],
    );
    check_with(
        yaml,
        Some("big"),
        &[],
        expect![[r#"
        a.input = "4 in big"
    "#]],
    );
    check_with(
        yaml,
        Some("big"),
        &[("n", "7")],
        expect![[r#"
        a.input = "7 in big"
    "#]],
    );
    check_with(
        yaml,
        Some("big"),
        &[("n", "9")],
        expect![[r#"
        E0503 - input `n`: expected a whole number up to 8, found `9`
    "#]],
    );
}

#[test]
fn an_environment_sets_what_vary_lists_and_nothing_else() {
    let yaml = |set: &str| {
        format!(
            "blueprint: t
resources:
  db: {{kind: database, engine: postgres, version: \"18\"}}
vary:
  db.size: [small, large]
environments:
  dev: {{provider: local, set: {{{set}}}}}
"
        )
    };
    check(
        &yaml("db.size: large"),
        expect![[r#"
        db.encrypted = true
        db.engine = "postgres"
        db.size = "large"
        db.storage = "20GiB"
        db.version = "18"
    "#]],
    );
    check(
        &yaml("db.size: medium"),
        expect![[r#"
        E0507 7:41 `db.size`: expected one of `small` and `large`
    "#]],
    );
    check(
        &yaml("db.version: \"16\""),
        expect![[r#"
        E0507 7:32 `db.version` is not listed under `vary`
    "#]],
    );
}

#[test]
fn for_each_makes_members_and_when_leaves_things_out() {
    check(
        "blueprint: t
resources:
  a: {kind: value, for_each: {x: 1, y: 2}, input: '${each.key}=${each.value}'}
  b: {kind: value, when: '${env.name == \"prod\"}', input: 1}
  c: {kind: value, input: '${a[\"x\"].input}'}
",
        expect![[r#"
            a["x"].input = "x=1"
            a["y"].input = "y=2"
            c.input = ...
        "#]],
    );
    check(
        "blueprint: t
resources:
  a: {kind: value, for_each: [x, x]}
  b: {kind: value, when: '${c.output}'}
  c: {kind: value, input: '${d.output}'}
  d: {kind: value, when: false}
  e: {kind: value, input: '${f.output} ${f.z.output}'}
  f: {kind: value, for_each: [x]}
",
        expect![[r#"
            E0207 3:30 `for_each` lists `x` twice
            E0404 4:26 `when` decides how many resources there are, and `c.output` is not known before they exist
            E0305 5:30 `d` has a `when` or `for_each` that leaves nothing of it here
            E0306 7:30 `f` has no member `output`
            E0306 7:42 `f` has no member `z`
        "#]],
    );
}

#[test]
fn a_value_made_of_a_secret_input_is_secret() {
    check_with(
        "blueprint: t
inputs: {key: {type: secret}}
resources:
  a: {kind: value, input: 'x-${inputs.key}'}
",
        None,
        &[("key", "hunter2")],
        expect![[r#"
            a.input = (secret)
        "#]],
    );
}

/// The access of the last resource of a blueprint that is sound.
fn access_in(yaml: &str) -> Vec<dsenv_sdk::provider::Access> {
    let source = Source::new("dsenv.yaml", yaml);
    let (blueprint, _) = blueprint::parse(&source);
    let (resolved, findings) = resolve(&source, &blueprint.expect("sound"), None, &[]);
    assert!(findings.is_empty(), "{findings:?}");
    let resolved = resolved.expect("sound");
    resolved.resources.values().next_back().expect("one resource").access.clone()
}

#[test]
fn who_comes_in_by_ssh_is_a_key_or_all_keys_of_that_name() {
    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    let access = access_in(&format!(
        "blueprint: t
resources:
  ada: {{kind: key, public_key: \"{KEY}\"}}
  team: {{kind: key, for_each: [bo, cy], public_key: \"{KEY}\"}}
  zoo: {{kind: machine, access: [{{who: ada, how: ssh}}, {{who: team, how: ssh}},
    {{who: 'team[\"cy\"]', how: ssh}}, {{who: zoo, how: ssh}}, {{who: eve@example.org, how: ssh}}]}}
"
    ));
    let keys = |access: &dsenv_sdk::provider::Access| {
        access.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let keys: Vec<String> = access.iter().map(keys).collect();
    assert_eq!(keys, ["ada", "team[\"bo\"] team[\"cy\"]", "team[\"cy\"]", "", ""]);
}

#[test]
fn access_reaches_the_provider_as_it_was_written() {
    let access = access_in(
        "blueprint: t
resources:
  box: {kind: machine, access: [{who: ada, how: web, from: 10.0.0.0/8, until: 2026-12-31}]}
",
    );
    expect![[r#"[Access { who: "ada", keys: [], how: "web", from: Some("10.0.0.0/8"), until: Some("2026-12-31") }]"#]]
        .assert_eq(&format!("{access:?}"));
}

#[test]
fn what_fields_say_together_is_checked_before_anything_starts() {
    check(
        "blueprint: t
resources:
  a: {kind: pool, count: {min: 3, max: 1}}
  b: {kind: pool, count: {min: 0, max: 1, start: 4}}
  c: {kind: secret}
  d: {kind: secret, generate: {}, from: x}
  e:
    kind: machine
    environment: {A-B: 1, _ok: 2}
    services:
      web: {run: 'x ${self.ports.wbe} ${self.ports.quiet} ${self.ports.web}', port: 80}
      Api: {run: x, port: 80, health: {http: api}, environment: {1A: ''}}
      quiet: {run: x}
  f: {kind: database, engine: postgres, version: '18', lifecycle: {ignore: [storage, siz]}}
  g: {kind: value, on_destroy: snapshot}
  h: {kind: secret, from: 12}
",
        expect![[r#"
            E0208 3:27 `count`: `min` is 3, which is more than `max`, 1
            E0208 4:43 `count`: `start` is 4, which is not from 0 to 1
            E0206 5:3 nothing says where the secret comes from
            E0209 6:35 a secret is made or given: `generate` and `from` exclude each other
            E0210 6:35 the secret stands in the file in clear, for everybody who reads it
            E0301 9:19 `A-B` is no name of a variable: a letter or `_`, then letters, digits and `_`
            E0403 11:23 no service `wbe` with a port is here
            E0403 11:41 no service `quiet` with a port is here
            E0209 11:79 `Api` and `web` both listen on port 80
            E0301 12:7 `Api` is no name of a service: a lower-case letter, then letters, digits and `_`, 63 at most
            E0207 12:40 `services.Api.health.http`: expected a path that begins with `/`, found `api`
            E0301 12:66 `1A` is no name of a variable: a letter or `_`, then letters, digits and `_`
            E0202 14:86 a database has no field `siz` to ignore
            E0209 15:20 `on_destroy: snapshot` keeps data, and a value holds none
            E0207 16:21 `from`: a secret is a text, not a whole number
        "#]],
    );
}

#[test]
fn a_literal_secret_is_hidden_and_warned_of() {
    let yaml = "blueprint: t
inputs: {plain: {type: string, default: seen}, key: {type: secret, default: LiteralSentinel}}
resources:
  a: {kind: secret, from: LiteralSentinel}
  b: {kind: secret, from: '${inputs.plain}'}
vary: {inputs.key: [LiteralSentinel]}
environments: {dev: {provider: local, inputs: {key: LiteralSentinel}}}
";
    check(
        yaml,
        expect![[r#"
        a.from = (secret)
        b.from = (secret)
    "#]],
    );
    let source = Source::new("dsenv.yaml", yaml);
    let (blueprint, mut findings) = blueprint::parse(&source);
    let (_, found) = resolve(&source, &blueprint.expect("it is valid"), None, &[]);
    findings.append(found);
    expect![[r#"
        E0210 2:68 the default of `key` stands in the file in clear, for everybody who reads it
        E0210 4:21 the secret stands in the file in clear, for everybody who reads it
        E0210 7:48 secret input `key` stands in the file in clear, for everybody who reads it
    "#]]
    .assert_eq(&listed(&findings, &source));
}

#[test]
fn inputs_and_policies_are_declared_well() {
    check(
        "blueprint: t
inputs:
  n: {type: integer, min: 5, max: 2, default: 3}
  m: {type: integer, max: 2, default: 3}
resources:
  a: {kind: value, input: '${inputs.m}'}
policies:
  - {name: p, rule: 'true'}
  - {name: p, rule: 'true'}
",
        expect![[r#"
            E0501 3:27 `min` is 5, which is more than `max`, 2: nothing fits
            E0503 3:47 the default of input `n`: expected a whole number from 5 to 2, found `3`
            E0503 4:39 the default of input `m`: expected a whole number up to 2, found `3`
            E0308 9:12 there is a policy `p` already
        "#]],
    );
}

#[test]
fn vary_names_what_is_there_and_bounds_it() {
    check(
        "blueprint: t
inputs: {n: {type: integer, default: 1}}
resources:
  db: {kind: database, engine: postgres, version: '18'}
  p: {kind: pool, count: 1}
  v: {kind: value}
vary:
  ghost.size: [small]
  db.nosuch: [a]
  db.siz: [a]
  db.version: ['17']
  db: [a]
  inputs.m: [1]
  db.size: small
  db.storage: []
  p.count: {min: 2, max: 1}
  inputs.n: {mn: 1, max: x}
  p.purchase.spt: [never]
  p.purchase.spot: [never]
  p.count.max: {min: 0}
  v.input.deep: [1]
",
        expect![[r#"
            E0303 8:3 there is no resource `ghost`
            E0202 9:3 `db` of kind database has no `nosuch`
            E0202 10:3 `db` of kind database has no `siz`
            E0509 11:3 `version` of a database is the same in every environment
            E0303 12:3 `db` names neither an input nor a field of a resource
            E0504 13:3 the blueprint has no input `m`
            E0207 14:12 `db.size`: bounds are a list or `min` and `max`, not text
            E0207 15:15 `db.storage` may have no value at all
            E0207 16:12 `p.count`: nothing is from 2 to 1
            E0207 17:13 `inputs.n`: `max` is a whole number
            E0202 17:14 a bound of `vary` has no `mn`
            E0202 18:3 `p` of kind pool has no `spt`
        "#]],
    );
}

#[test]
fn inputs_of_an_environment_are_bound_like_all_that_it_sets() {
    let yaml = |vary: &str| {
        format!(
            "blueprint: t
inputs: {{n: {{type: integer, default: 1}}}}
resources: {{v: {{kind: value, input: '${{inputs.n}}'}}}}
vary: {{{vary}}}
environments: {{dev: {{provider: local, inputs: {{n: 50}}}}}}
"
        )
    };
    check(
        &yaml("inputs.n: {min: 0, max: 2}"),
        expect![[r#"
        E0507 5:51 `inputs.n`: 50 is not between 0 and 2
    "#]],
    );
    check(
        &yaml(""),
        expect![[r#"
        E0507 5:48 `inputs.n` is not listed under `vary`
    "#]],
    );
    check(
        &yaml("inputs.n: [2, 50]"),
        expect![[r#"
        v.input = 50
    "#]],
    );
}

#[test]
fn what_is_empty_is_said_to_be_empty() {
    let yaml = "blueprint: t
inputs: {l: {type: list, default: []}}
resources:
  a: {kind: value, for_each: '${inputs.l}'}
  b: {kind: value, input: '${a.x.output}'}
  c: {kind: machine, services: {s: {run: ''}}}
  d: {kind: [value]}
";
    check(
        yaml,
        expect![[r#"
        E0306 5:30 `a` has no member `x`
        E0207 6:42 `services.s.run`: expected a text, found an empty text
        E0207 7:13 `kind` is one word, not a list
    "#]],
    );
    let source = Source::new("dsenv.yaml", yaml);
    let (blueprint, _) = blueprint::parse(&source);
    let (_, findings) = resolve(&source, &blueprint.expect("it is read"), None, &[]);
    let help = findings.iter().flat_map(|found| found.help.clone()).collect::<Vec<_>>();
    assert_eq!(help, ["its `for_each` is empty here, so it has no members"]);
}

#[test]
fn what_will_come_from_a_secret_and_cannot_be_hidden_is_refused_before_it_is_there() {
    check(
        "blueprint: t
resources:
  s: {kind: secret, generate: {}}
  m: {kind: secret, for_each: [x], generate: {}}
  a: {kind: value, input: '${size(s.value)}'}
  b: {kind: value, input: '${{\"n\": 1, \"eq\": s.value == m.x.value}}'}
  c: {kind: value, input: '${{s.value: 1}}'}
  d: {kind: value, input: 'n-${size(s.value)} ${s.value + \"x\"}'}
  e: {kind: value, input: '${s.value == \"x\" ? \"a\" : \"b\"}'}
  f: {kind: value, input: '${[\"a\"].exists(x, x == s.value)}'}
  g: {kind: value, input: '${has(s.value)}'}
",
        expect![[r#"
            E0402 5:27 this cannot come from a secret: a value computed from a secret is a secret, and only a text can be kept secret
            E0402 6:27 this cannot come from a secret: a value computed from a secret is a secret, and only a text can be kept secret
            E0402 7:27 the name of a key cannot come from a secret: a value computed from a secret is a secret, and only a text can be kept secret
            E0402 10:27 this cannot come from a secret: a value computed from a secret is a secret, and only a text can be kept secret
        "#]],
    );
}

#[test]
fn a_volume_has_one_user() {
    check(
        "blueprint: t
resources:
  data: {kind: volume, size: 1GiB}
  own: {kind: volume, size: 1GiB, for_each: [x, y]}
  desks: {kind: machine, for_each: [a, b, c], uses: {data: read_write}}
  one: {kind: machine, uses: {'own[\"x\"]': read}}
  two: {kind: machine, uses: {'own[\"x\"]': read, 'own[\"y\"]': read_write}}
  workers: {kind: pool, count: 1, uses: {data: read}}
  files: {kind: share}
  many: {kind: pool, count: 2, uses: {files: read_write}}
",
        expect![[r#"
            E0310 5:54 `desks["a"]` and `desks["b"]` both use `data`, and so does another one: a volume is used by one machine at a time
            E0310 7:31 `one` and `two` both use `own["x"]`: a volume is used by one machine at a time
            E0310 8:42 `workers` is a pool and uses `data`, a volume, which one machine can use at a time
        "#]],
    );
}
