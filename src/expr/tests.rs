//! Expressions in, values or refusals out.

use super::*;
use dsenv_sdk::value::Map;
use expect_test::{Expect, expect};

fn lookup(path: &[String]) -> Lookup {
    match path.join(".").as_str() {
        "db.host" => Lookup::Known(Value::text("h")),
        "db.port" => Lookup::Known(Value::Int(5432)),
        "db.password" => Lookup::Known(Value::Secret(Secret::new("p${w"))),
        "db.later" => Lookup::Unknown,
        "db" => Lookup::Known(Value::Map(Map::from([("host".to_owned(), Value::text("h"))]))),
        "names" => Lookup::Known(Value::List(vec![Value::text("a"), Value::text("b")])),
        "inputs" => Lookup::Known(Value::Map(Map::from([("n".to_owned(), Value::Int(2))]))),
        "inputs.n" => Lookup::Known(Value::Int(2)),
        other => Lookup::Missing(format!("there is no `{other}`")),
    }
}

fn run(text: &str) -> String {
    let compiled = match compile(text) {
        Ok(compiled) => compiled.expect("an expression"),
        Err(error) => return format!("{}..{}: {error}", error.start, error.end),
    };
    match compiled.evaluate(Form::Plain, &mut |path| lookup(path)) {
        Ok(Outcome::Known(value)) => value.to_string(),
        Ok(Outcome::Unknown) => "unknown".to_owned(),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn a_whole_expression_keeps_its_type_and_a_part_becomes_text() {
    assert_eq!(run("${db.port}"), "5432");
    assert_eq!(run("${db.host}:${db.port}/$${x}"), "\"h:5432/${x}\"");
    assert_eq!(run("${inputs.n > 1 ? 'many' : 'one'}"), "\"many\"");
    assert_eq!(run("${names.map(n, n + '-x')}"), "[\"a-x\", \"b-x\"]");
    assert_eq!(run("${{'a': db.port}}"), "{a: 5432}");
    assert_eq!(run("${db.port + 1}"), "5433");
    assert_eq!(run("${true}"), "true");
}

#[test]
fn unknown_and_secret_spread() {
    assert_eq!(run("x-${db.later}"), "unknown");
    assert_eq!(run("${db.later == 'a' || true}"), "unknown");
    assert_eq!(run("x-${db.password}"), "(secret)");
    assert_eq!(run("${db.password + 'x'}"), "(secret)");
    assert_eq!(run("${[db.password]}"), "[(secret)]");
}

#[test]
fn errors_name_no_value() {
    for text in ["${db.password < 1}", "${db.password[0]}", "${int(db.password)}"] {
        let message = run(text);
        assert!(message.starts_with("error: ") && !message.contains("p$"), "{message}");
    }
    assert_eq!(run("${{'a': 1}[db.password]}"), "error: there is no such key");
    assert_eq!(run("${{'a': 1}[db.host + 'x']}"), "error: there is no such key");
    assert_eq!(run("${{'a': 1}['b']}"), "error: there is no key `b`");
    assert_eq!(run("a ${db.gone}"), "error: there is no `db.gone`");
    assert_eq!(run("${names}-x"), "error: a list cannot stand inside a text");
}

#[test]
fn syntax_errors_say_where() {
    assert_eq!(run("a ${db.host"), "2..11: `${` is not closed by `}`");
    assert!(run("ab ${db. + 1}").starts_with("9..12"), "{}", run("ab ${db. + 1}"));
    assert_eq!(run("${}"), "0..3: there is no expression between `${` and `}`");
}

#[test]
fn what_it_refers_to_is_listed() {
    let paths = |text: &str| {
        let compiled = compile(text).expect("valid").expect("an expression");
        compiled.paths().iter().map(|path| path.join(".")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(paths("${a.b} ${c[\"d\"].e[0]} ${a.b}"), "a.b c.d.e.0");
    assert_eq!(paths("${x.filter(n, n != y.z).map(n, n.q)}"), "x y.z");
    assert_eq!(paths("${has(a.b) ? a.b : w[k.l].m}"), "a.b k.l w");
}

#[test]
fn self_stays_for_the_machine_to_fill_in() {
    let compiled = compile("--ip=${self.address} ${db.host} $${x} ${db.password}");
    let compiled = compiled.expect("valid").expect("an expression");
    let outcome = compiled.evaluate(Form::SelfTemplate, &mut |path| lookup(path));
    let Ok(Outcome::Known(Value::Secret(text))) = outcome else { panic!("{outcome:?}") };
    assert_eq!(text.expose(), "--ip=${self.address} h $${x} p$${w");
    assert!(compile("${self.port + 1}").expect("valid").expect("one").computes_with_self());
}

/// Evaluates each and lists what it comes to.
fn check(expressions: &[&str], expected: Expect) {
    let lines: Vec<_> =
        expressions.iter().map(|text| format!("{text} -> {}\n", run(text))).collect();
    expected.assert_eq(&lines.concat());
}

#[test]
fn what_cannot_be_kept_secret_is_refused() {
    check(
        &[
            "${int(db.password)}",
            "${size(db.password)}",
            "${db.password == 'x'}",
            "${db.password.startsWith('p') ? 1 : 2}",
            "${{db.password: 1}}",
            "${[db.password].filter(p, p == 'x')}",
            "${[size(db.password)]}",
            "${db.password == 'x' ? {'a': 1} : {'b': 1}}",
            "${db.password == 'x' ? null : 'a'}",
        ],
        expect![[r#"
            ${int(db.password)} -> error: `int` cannot take this value
            ${size(db.password)} -> error: a whole number cannot come from a secret: a value computed from a secret is a secret, and only a text can be kept secret
            ${db.password == 'x'} -> error: true or false cannot come from a secret: a value computed from a secret is a secret, and only a text can be kept secret
            ${db.password.startsWith('p') ? 1 : 2} -> error: a whole number cannot come from a secret: a value computed from a secret is a secret, and only a text can be kept secret
            ${{db.password: 1}} -> error: the name of a key cannot come from a secret: a value computed from a secret is a secret, and only a text can be kept secret
            ${[db.password].filter(p, p == 'x')} -> error: how long a list is cannot come from a secret: a value computed from a secret is a secret, and only a text can be kept secret
            ${[size(db.password)]} -> error: a whole number cannot come from a secret: a value computed from a secret is a secret, and only a text can be kept secret
            ${db.password == 'x' ? {'a': 1} : {'b': 1}} -> error: the keys of a map cannot come from a secret: a value computed from a secret is a secret, and only a text can be kept secret
            ${db.password == 'x' ? null : 'a'} -> (secret)
        "#]],
    );
}

#[test]
fn texts_from_a_secret_are_secrets_and_what_stands_beside_them_is_not() {
    check(
        &[
            "${db.password == 'x' ? 'a' : 'b'}",
            "${string(size(db.password))}",
            "x-${size(db.password)}",
            "${{'port': db.port, 'password': db.password}}",
            "${[db.password, 'x'] + names}",
            "${names.map(n, n + db.password)}",
            "${true ? 5 : size(db.password)}",
            "${has(db.password)}",
        ],
        expect![[r#"
            ${db.password == 'x' ? 'a' : 'b'} -> (secret)
            ${string(size(db.password))} -> (secret)
            x-${size(db.password)} -> (secret)
            ${{'port': db.port, 'password': db.password}} -> {password: (secret), port: 5432}
            ${[db.password, 'x'] + names} -> [(secret), (secret), (secret), (secret)]
            ${names.map(n, n + db.password)} -> [(secret), (secret)]
            ${true ? 5 : size(db.password)} -> 5
            ${has(db.password)} -> true
        "#]],
    );
}

#[test]
fn what_may_be_missing_can_be_asked_for() {
    check(
        &[
            "${has(inputs.gone)}",
            "${has(inputs.n) ? inputs.n : 1}",
            "${has(inputs.gone) ? inputs.gone : 1}",
            "${has(db.gone.more)}",
        ],
        expect![[r#"
            ${has(inputs.gone)} -> false
            ${has(inputs.n) ? inputs.n : 1} -> 2
            ${has(inputs.gone) ? inputs.gone : 1} -> 1
            ${has(db.gone.more)} -> error: there is no `db.gone`
        "#]],
    );
}

#[test]
fn texts_are_matched_with_patterns() {
    check(
        &["${db.host.matches('^[a-h]$')}", "${'abc'.matches('b+')}", "${'a'.matches('(')}"],
        expect![[r#"
            ${db.host.matches('^[a-h]$')} -> true
            ${'abc'.matches('b+')} -> true
            ${'a'.matches('(')} -> error: `matches` cannot take this value
        "#]],
    );
}

#[test]
fn a_number_without_a_form_in_json_is_refused() {
    check(
        &["${1.0 / 0.0}", "x${0.0 / 0.0}", "${18446744073709551615u}"],
        expect![[r#"
        ${1.0 / 0.0} -> error: the result is not a finite number
        x${0.0 / 0.0} -> error: the result is not a finite number
        ${18446744073709551615u} -> error: the number is too large
    "#]],
    );
}

fn deep(open: &str, middle: &str, close: &str, times: usize) -> String {
    format!("${{{}{middle}{}}}", open.repeat(times), close.repeat(times))
}

#[test]
fn how_deep_an_expression_goes_is_bounded_before_it_is_read() {
    let fit = EXPRESSION_DEPTH_MAX;
    assert_eq!(run(&deep("(", "1", ")", fit - 1)), "1");
    assert_eq!(run(&deep("1+", "1", "", fit)), "201");
    assert!(run(&deep("[", "1", "]", VALUE_DEPTH_MAX - 1)).starts_with("[[["));
    assert!(run(&deep("[", "1", "]", fit)).contains("more than 64 levels"));
    assert_eq!(run(&deep("true ? 1 : ", "2", "", fit / 2)), "1");
    assert_eq!(run(&deep("!", "true", "", fit)), "true");
    for text in [
        deep("(", "1", ")", 5_000),
        deep("1+", "1", "", 5_000),
        deep("[", "1", "]", 5_000),
        deep("{'a':", "1", "}", 5_000),
        deep("!", "true", "", 5_000),
        deep("-", "1", "", 5_000),
        deep("true?1:", "1", "", 5_000),
        deep("a.", "b + 1", "", 5_000),
        deep("1 in ", "1", "", 5_000),
        deep("true&&", "true", "", 5_000),
    ] {
        let message = run(&text);
        assert!(message.contains("levels deep, and 200 is the most"), "{message}");
    }
    // Quotes hide nothing that the parser sees.
    let many = "(".repeat(5_000);
    for text in [
        format!(r"r'\' + {many}1 + r'\'"),
        format!("'''x'y'''{many} + ''"),
        format!("1 // it's\n+ {many}1 // it's"),
        format!("'\n' + {many}1"),
        format!(r"'\q' + {many}1 + '\q'"),
    ] {
        let refused = compile_rule(&text).expect_err("deep or badly quoted").message;
        let right = ["levels deep", "not closed", "no such escape"];
        assert!(right.iter().any(|it| refused.contains(it)), "{refused}");
    }
    // What is just not deep enough for a thread of its own fits into the 2 MiB of a test's.
    assert_eq!(run(&deep("(", "1+1+1+1+1+1+1+1+1+1", ")", 3)), "10");
    assert_eq!(run(&deep("[1].map(a,", "a", ")", 3)), "[[[1]]]");
    assert!(run(&deep("[1].map(a,", "a", ")", 60)).starts_with("[[[["));
    assert!(run(&deep("[1].map(a,", "a", ")", 64)).contains("more than 64 levels"));
    // A long list is not deep.
    let list = vec!["1"; 5_000].join(",");
    assert!(run(&format!("${{[{list}]}}")).starts_with("[1, 1"));
}

#[test]
fn how_much_an_expression_computes_is_bounded() {
    let ten = "[0,1,2,3,4,5,6,7,8,9]";
    let nested = |times: usize| {
        let maps: String = (0..times).map(|at| format!("{ten}.map(x{at}, ")).collect();
        format!("${{{maps}1{}}}", ")".repeat(times))
    };
    assert!(run(&nested(3)).starts_with("[[[1"));
    assert!(run(&nested(7)).contains("it goes over more than 500000 items"), "{}", run(&nested(7)));
    let long = "x".repeat(60_000);
    let texts = format!("${{{ten}.map(a, {ten}.map(b, {ten}.map(c, '{long}')))}}");
    assert!(run(&texts).contains("it goes over more than 500000 items"));
}

#[test]
fn texts_in_quotes_are_read_as_cel_reads_them() {
    check(
        &[
            r"${r'a\q' + ''}",
            "${'''it's''' + ''}",
            r"${'\u00e9\x41\101\n' + '(((' }",
            r"${'\q' + ''}",
            "${1 // one\n + 1}",
        ],
        expect![[r#"
            ${r'a\q' + ''} -> "a\\q"
            ${'''it's''' + ''} -> 0..18: `${` is not closed by `}`
            ${'\u00e9\x41\101\n' + '(((' } -> "éAA\n((("
            ${'\q' + ''} -> 3..11: not a CEL expression: there is no such escape; a backslash is `\\`
            ${1 // one
             + 1} -> 2
        "#]],
    );
}
