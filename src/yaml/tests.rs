use super::*;
use crate::diag::render::{self, Look};
use expect_test::{Expect, expect};
use std::fmt::Write;

/// Text in; the tree, or the tree and the findings, out.
fn check(text: &str, expected: Expect) {
    let source = Source::new("dsenv.yaml", text);
    let (node, findings) = parse(&source);
    let mut out = render::text(&findings, &source, Look::PLAIN);
    if let Some(node) = node {
        dump(&node, &source, 0, &mut out);
        out.push('\n');
    }
    expected.assert_eq(&out);
}

/// Prints a tree with the text under each span after an `@`, where it differs from the value.
fn dump(node: &Node, source: &Source, indent: usize, out: &mut String) {
    let place = source.slice(node.alias.unwrap_or(node.span));
    let at = if node.alias.is_some() { format!(" @{place}") } else { String::new() };
    match &node.kind {
        NodeKind::List(items) => {
            write!(out, "list{at}").expect("a string takes all");
            for item in items.iter() {
                write!(out, "\n{:1$}- ", "", indent + 2).expect("a string takes all");
                dump(item, source, indent + 2, out);
            }
        }
        NodeKind::Map(map) => {
            write!(out, "map{at}").expect("a string takes all");
            for entry in map.iter() {
                let merged = if entry.merged.is_some() { "<<" } else { "" };
                write!(out, "\n{:2$}{merged}{}: ", "", entry.key, indent + 2)
                    .expect("a string takes all");
                dump(&entry.value, source, indent + 2, out);
            }
        }
        scalar => write!(out, "{scalar:?}{at} @{:?}", place).expect("a string takes all"),
    }
}

#[test]
fn a_tree_keeps_the_order_and_what_was_written() {
    check(
        "b: 1.10\na: \"18\"\nlist:\n- x\n- [y, 'z ']\nnothing:\nlast: >\n  folded\n  text\n",
        expect![[r#"
            map
              b: Float(1.1) @"1.10"
              a: Text("18") @"\"18\""
              list: list
                - Text("x") @"x"
                - list
                  - Text("y") @"y"
                  - Text("z ") @"'z '"
              nothing: Null @""
              last: Text("folded text\n") @"folded\n  text\n"
        "#]],
    );
}

#[test]
fn aliases_and_merges() {
    check(
        "base: &base {a: 1, b: 2}\nnet:\n  <<: *base\n  b: 3\nboth: {<<: [{b: 5, c: 6}, *base]}\ncopy: *base\n",
        expect![[r#"
            map
              base: map
                a: Int(1) @"1"
                b: Int(2) @"2"
              net: map
                b: Int(3) @"3"
                <<a: Int(1) @"1"
              both: map
                <<b: Int(5) @"5"
                <<c: Int(6) @"6"
                <<a: Int(1) @"1"
              copy: map @*base
                a: Int(1) @"1"
                b: Int(2) @"2"
        "#]],
    );
}

#[test]
fn everything_wrong_is_reported_at_once() {
    check(
        "a: 1\na: 2\ntags: {1: x, true: y}\nwhen: !inputs.x\nn: 98765432109876543210\nc: *nope\n<<: 3\n",
        expect![[r#"
            error[E0102]: duplicate key
             --> dsenv.yaml:2:1
              |
            1 | a: 1
              | - first written here
            2 | a: 2
              | ^ `a` is already a key of this mapping
              |
              = help: rename one of the two, or delete it

            error[E0106]: key is not text
             --> dsenv.yaml:3:8
              |
            3 | tags: {1: x, true: y}
              |        ^ this key is a whole number
              |
              = help: put it in quotes: `"1":`

            error[E0106]: key is not text
             --> dsenv.yaml:3:14
              |
            3 | tags: {1: x, true: y}
              |              ^^^^ this key is a boolean
              |
              = help: put it in quotes: `"true":`

            error[E0107]: tag has no meaning here
             --> dsenv.yaml:4:7
              |
            4 | when: !inputs.x
              |       ^^^^^^^^^ `!inputs.x` is read as a YAML tag
              |
              = help: to negate, write `${!inputs.x}`; for text that starts with `!`, use quotes

            error[E0111]: number out of range
             --> dsenv.yaml:5:4
              |
            5 | n: 98765432109876543210
              |    ^^^^^^^^^^^^^^^^^^^^ the number does not fit in 64 bits
              |
              = help: if it is text, quote it: "98765432109876543210"

            error[E0108]: alias without an anchor
             --> dsenv.yaml:6:4
              |
            6 | c: *nope
              |    ^^^^^ nothing above is marked `&nope`
              |
              = help: mark the value to repeat, or quote the text

            error[E0109]: merge needs a mapping
             --> dsenv.yaml:7:5
              |
            7 | <<: 3
              |     ^ `<<` takes a mapping or a list of them, found a whole number
              |
              = help: write `<<: *name`, where `&name` marks a mapping

            map
              a: Int(1) @"1"
              tags: map
                1: Text("x") @"x"
                true: Text("y") @"y"
              when: Null @""
              n: Text("98765432109876543210") @"98765432109876543210"
              c: Null @"*nope"
        "#]],
    );
}

#[test]
fn an_expression_cut_by_yaml_is_whole_again_and_named() {
    check(
        "cidr: {a: ${inputs.cidr}, b: [${x[0]}, ${y}]}\ncpus: ${large ? 8 : 2}\nlist:\n  - ${a ? b : c}\nm: ${a # b}\n",
        expect![[r#"
            error[E0104]: expression needs quotes
             --> dsenv.yaml:1:11
              |
            1 | cidr: {a: ${inputs.cidr}, b: [${x[0]}, ${y}]}
              |           ^^^^^^^^^^^^^^ inside `{ }` and `[ ]`, YAML takes its braces, brackets and commas for its own
              |
              = help: put it in quotes: "${inputs.cidr}"

            error[E0104]: expression needs quotes
             --> dsenv.yaml:1:31
              |
            1 | cidr: {a: ${inputs.cidr}, b: [${x[0]}, ${y}]}
              |                               ^^^^^^^ inside `{ }` and `[ ]`, YAML takes its braces, brackets and commas for its own
              |
              = help: put it in quotes: "${x[0]}"

            error[E0104]: expression needs quotes
             --> dsenv.yaml:1:40
              |
            1 | cidr: {a: ${inputs.cidr}, b: [${x[0]}, ${y}]}
              |                                        ^^^^ inside `{ }` and `[ ]`, YAML takes its braces, brackets and commas for its own
              |
              = help: put it in quotes: "${y}"

            error[E0104]: expression needs quotes
             --> dsenv.yaml:2:7
              |
            2 | cpus: ${large ? 8 : 2}
              |       ^^^^^^^^^^^^^^^^ YAML takes the `: ` in it for the end of a key
              |
              = help: put it in quotes: "${large ? 8 : 2}"

            error[E0104]: expression needs quotes
             --> dsenv.yaml:4:5
              |
            4 |   - ${a ? b : c}
              |     ^^^^^^^^^^^^ YAML takes the `: ` in it for the end of a key
              |
              = help: put it in quotes: "${a ? b : c}"

            error[E0104]: expression needs quotes
             --> dsenv.yaml:5:4
              |
            5 | m: ${a # b}
              |    ^^^^^^^^ YAML takes the ` #` in it for the start of a comment
              |
              = help: put it in quotes: "${a # b}"

            map
              cidr: map
                a: Text("${inputs.cidr}") @"${inputs.cidr}"
                b: list
                  - Text("${x[0]}") @"${x[0]}"
                  - Text("${y}") @"${y}"
              cpus: Text("${large ? 8 : 2}") @"${large ? 8 : 2}"
              list: list
                - Text("${a ? b : c}") @"${a ? b : c}"
              m: Text("${a # b}") @"${a # b}"
        "#]],
    );
}

#[test]
fn quotes_are_suggested_that_fit_the_expression() {
    check(
        "a: ${env.name == \"prod\" ? 1 : 2}\nb: x-${a ? 1 : 2}-y\n",
        expect![[r#"
            error[E0104]: expression needs quotes
             --> dsenv.yaml:1:4
              |
            1 | a: ${env.name == "prod" ? 1 : 2}
              |    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ YAML takes the `: ` in it for the end of a key
              |
              = help: put it in quotes: '${env.name == "prod" ? 1 : 2}'

            error[E0104]: expression needs quotes
             --> dsenv.yaml:2:6
              |
            2 | b: x-${a ? 1 : 2}-y
              |      ^^^^^^^^^^^^ YAML takes the `: ` in it for the end of a key
              |
              = help: put the whole value that holds it in quotes

            map
              a: Text("${env.name == \"prod\" ? 1 : 2}") @"${env.name == \"prod\" ? 1 : 2}"
              b: Text("x-${a ? 1 : 2}-y") @"x-${a ? 1 : 2}-y"
        "#]],
    );
}

#[test]
fn an_expression_that_is_not_to_blame_is_left_alone() {
    check(
        "a: \"${x ? 1 : 2}\"\nb: \"${x}\" + 1\n",
        expect![[r#"
        error[E0101]: not valid YAML
         --> dsenv.yaml:2:11
          |
        2 | b: "${x}" + 1
          |           ^ text follows the closing quote
          |
          = help: put the whole value inside the quotes

    "#]],
    );
}

#[test]
fn a_tab_is_shown() {
    check(
        "a:\n\tb: 1\n",
        expect![[r#"
        error[E0103]: tab used for indentation
         --> dsenv.yaml:2:1
          |
        2 |     b: 1
          | ^^^^ YAML indents with spaces only
          |
          = help: replace each tab by two spaces

    "#]],
    );
    check(
        "a:\n  b: 1\n \tc: 2\n",
        expect![[r#"
        error[E0103]: tab used for indentation
         --> dsenv.yaml:3:2
          |
        3 |      c: 2
          |  ^^^^ YAML indents with spaces only
          |
          = help: replace each tab by two spaces

    "#]],
    );
}

#[test]
fn syntax_errors_speak_of_the_file() {
    let mistakes = [
        "a: {b: 1\nc: 2\n",
        "a: [1, 2\n",
        "a: [1}\n",
        "a: \"abc\nb: 1\n",
        "b: 1\nkey:value\nc: 1\n",
        "a: 1\n  b: 2\n",
        "a:\n   b: 1\n  c: 2\n",
        "a: @x\n",
        "a: >24\n",
        "a: ]\n",
        "a: b: c\n",
        "a: 'it's'\n",
        "a: \"\\d\"\n",
        "- a\nb: 1\n",
        "a: - b\n",
        "a: *\n",
        "%YAML 1.2\n---\na: 1\n",
        "a: x\u{7}\n",
        "  a: 1\nb: 2\n",
        "a: {b: 1,, c: 2}\n",
    ];
    let mut out = String::new();
    for text in mistakes {
        let source = Source::new("x", text);
        let (node, findings) = parse(&source);
        assert!(node.is_none(), "{text:?}");
        for found in &findings {
            let at = found.span.map(|span| source.position(span.start)).expect("a place");
            let (line, column) = (at.line, at.column);
            writeln!(out, "{text:?}\n  {line}:{column}: {}", found.message).expect("a string");
            for help in &found.help {
                writeln!(out, "  help: {help}").expect("a string");
            }
        }
    }
    expect![[r#"
        "a: {b: 1\nc: 2\n"
          2:2: expected a `,` or the closing `}` of this mapping
          help: a value with a `{`, `[` or `,` in it needs quotes
        "a: [1, 2\n"
          1:4: this `[` is never closed by a `]`
        "a: [1}\n"
          1:4: this `[` is closed by a `}`
        "a: \"abc\nb: 1\n"
          2:1: the quote opened above is not closed before this line
        "b: 1\nkey:value\nc: 1\n"
          2:1: expected `key: value`
          help: a `:` and a space follow each key
        "a: 1\n  b: 2\n"
          2:4: a second `: ` on one line, or one that continues the value above
          help: put the value in quotes, or check the indentation of this line
        "a:\n   b: 1\n  c: 2\n"
          3:3: this line does not line up with the entries of any mapping above
          help: give it the indentation of its neighbours
        "a: @x\n"
          1:4: a value cannot start with `@`
          help: put the value in quotes
        "a: >24\n"
          1:4: after `|` or `>`, the text starts on the next line
          help: if it is a value, put it in quotes
        "a: ]\n"
          1:4: nothing is open that this could close
          help: if it is text, put the value in quotes
        "a: b: c\n"
          1:5: a second `: ` on one line, or one that continues the value above
          help: put the value in quotes, or check the indentation of this line
        "a: 'it's'\n"
          1:8: text follows the closing quote
          help: an apostrophe inside single quotes is written twice: `'it''s'`
        "a: \"\\d\"\n"
          1:4: a backslash in this value starts an escape that YAML does not have
          help: use single quotes, in which a backslash is only a backslash
        "- a\nb: 1\n"
          2:1: expected another `- item` of the list above
          help: indent the list more than what follows it
        "a: - b\n"
          1:4: a `- item` cannot stand here
          help: start the list on a line of its own
        "a: *\n"
          1:4: `*` and `&` start an alias and an anchor, and need a name
          help: put the value in quotes
        "%YAML 1.2\n---\na: 1\n"
          1:1: a line that starts with `%` is a directive
          help: delete the line
        "a: x\u{7}\n"
          1:4: the character U+0007 cannot stand here
          help: in double quotes it can be written as an escape, such as `\u0007`
        "  a: 1\nb: 2\n"
          2:1: this line is indented less than the first
          help: start all top-level keys at the beginning of the line
        "a: {b: 1,, c: 2}\n"
          1:10: expected a `,` or the closing `}` of this mapping
          help: a value with a `{`, `[` or `,` in it needs quotes
    "#]]
    .assert_eq(&out);
}

#[test]
fn the_bracket_that_is_open_is_shown() {
    check(
        "a: {b: 1\nc: 2\n",
        expect![[r#"
        error[E0101]: not valid YAML
         --> dsenv.yaml:2:2
          |
        1 | a: {b: 1
          |    - opened here
        2 | c: 2
          |  ^ expected a `,` or the closing `}` of this mapping
          |
          = help: a value with a `{`, `[` or `,` in it needs quotes

    "#]],
    );
    check(
        "a: [é: a\n",
        expect![[r#"
        error[E0101]: not valid YAML
         --> dsenv.yaml:1:4
          |
        1 | a: [é: a
          |    ^ this `[` is never closed by a `]`

    "#]],
    );
}

fn resources(count: usize) -> String {
    let resource = |n: usize| {
        format!("  r{n}:\n    kind: value\n    input: {{a: \"${{r{n}.output}}\", b: [1, 2]}}\n")
    };
    format!("resources:\n{}", (0..count).map(resource).collect::<String>())
}

#[test]
fn reading_is_linear() {
    let work = |text: &str| parse::parse_counting(&Source::new("x", text)).2;
    let thousand = work(&resources(1_000));
    let ten_thousand = work(&resources(10_000));
    assert!(thousand > 1_000);
    assert!(ten_thousand <= 10 * thousand, "{thousand} events become {ten_thousand}");
    // Every expression without quotes has the text read again, and there is a limit to that.
    let misread = resources(1_000) + &"a: ${x ? 1 : 2}\n".repeat(500);
    let passes = work(&misread) / thousand;
    assert!((2..100).contains(&passes), "{passes} passes");
}

#[test]
fn ten_thousand_resources_are_within_the_limits() {
    let source = Source::new("x", resources(10_000));
    let (node, findings) = parse(&source);
    assert!(findings.is_empty());
    let node = node.expect("a tree");
    let resources = node.as_map().and_then(|map| map.value("resources")).and_then(Node::as_map);
    let resources = resources.expect("resources");
    assert_eq!(resources.len(), 10_000);
    let last = resources.value("r9999").and_then(Node::as_map).and_then(|map| map.value("kind"));
    assert_eq!(last.and_then(Node::as_text), Some("value"));
}

#[test]
fn a_second_document_is_not_read() {
    check(
        "a: 1\n---\nb: 2\n",
        expect![[r#"
        error[E0105]: more than one document
         --> dsenv.yaml:2:1
          |
        2 | ---
          | ^^^ a second document starts here; it is not read
          |
          = help: give each blueprint a file of its own, or delete this line

        map
          a: Int(1) @"1"
    "#]],
    );
    check(
        "---\na: 1\n...\n",
        expect![[r#"
        map
          a: Int(1) @"1"
    "#]],
    );
}

#[test]
fn a_file_with_nothing_in_it() {
    check(
        "",
        expect![[r#"
        error[E0006]: nothing in the file
         --> dsenv.yaml:1:1
          |
        1 |
          | ^ there is nothing in it but comments and space
          |
          = help: begin with `blueprint: NAME` and `resources:`; `dsenv explain E0006` shows a whole one

    "#]],
    );
    check(
        "# only\n\n# comments\n",
        expect![[r#"
        error[E0006]: nothing in the file
         --> dsenv.yaml:3:11
          |
        3 | # comments
          |           ^ there is nothing in it but comments and space
          |
          = help: begin with `blueprint: NAME` and `resources:`; `dsenv explain E0006` shows a whole one

    "#]],
    );
    check(
        "---\n",
        expect![[r#"
        error[E0006]: nothing in the file
         --> dsenv.yaml:1:4
          |
        1 | ---
          |    ^ there is nothing in it but comments and space
          |
          = help: begin with `blueprint: NAME` and `resources:`; `dsenv explain E0006` shows a whole one

    "#]],
    );
}

#[test]
fn the_pages_of_this_layer_show_what_they_say() {
    use crate::diag::Example;
    let ours = Code::ALL.iter().filter(|code| (Code::E0001..=Code::E0112).contains(code));
    for (code, example) in ours.flat_map(|code| code.examples().into_iter().map(move |e| (code, e)))
    {
        let found = |yaml: &str| parse(&Source::new("x", yaml)).1;
        match example {
            Example::Refused(case) => {
                let codes: Vec<Code> = found(case.yaml).iter().map(|found| found.code).collect();
                assert_eq!(codes, [*code], "{}", case.yaml);
            }
            Example::Mended(case) => assert!(found(case.yaml).is_empty(), "{}", case.yaml),
            Example::Console { .. } => {}
        }
    }
}

#[test]
fn an_alias_of_itself_is_refused() {
    check(
        "a: &x {b: *x}\n",
        expect![[r#"
        error[E0110]: alias inside its own anchor
         --> dsenv.yaml:1:11
          |
        1 | a: &x {b: *x}
          |       -   ^^ this alias stands inside the value it repeats
          |       |
          |       the value starts here

        map
          a: map
            b: Null @"*x"
    "#]],
    );
}

#[test]
fn a_file_over_the_limit_is_refused_by_its_length() {
    assert!(check_length(FILE_BYTES_MAX).is_ok());
    let refused = check_length(100_000_000).expect_err("too long");
    assert_eq!(refused.code, Code::E0001);
    let (source, findings) = decode("x", &vec![b' '; FILE_BYTES_MAX as usize + 1]);
    assert_eq!((source.text(), findings.has_errors()), ("", true));
}

#[test]
fn bytes_that_are_not_utf_8_are_refused_with_their_place() {
    let (source, findings) = decode("old.yaml", b"a: 1\nb: caf\xe9\n");
    expect![[r#"
        error[E0002]: file is not UTF-8
         |
         = byte 0xe9 on line 2 is not part of UTF-8
         = help: save the file as UTF-8

    "#]]
    .assert_eq(&render::text(&findings, &source, Look::PLAIN));
    let (source, findings) = decode("bom.yaml", b"\xef\xbb\xbfa: 1\n");
    assert_eq!((source.text(), findings.is_empty()), ("a: 1\n", true));
}

fn refused(text: &str) -> Code {
    let (node, findings) = parse(&Source::new("x", text));
    assert!(node.is_none(), "there is no tree of {} bytes", text.len());
    assert_eq!(findings.len(), 1);
    findings.iter().next().expect("there is one").code
}

#[test]
fn too_many_values_are_refused() {
    let just = "[".to_owned() + &"1,".repeat(NODES_MAX - 1) + "]";
    let (node, findings) = parse(&Source::new("x", just.as_str()));
    assert!(node.is_some_and(|node| node.as_list().is_some_and(|l| l.len() == NODES_MAX - 1)));
    assert!(findings.is_empty());
    assert_eq!(refused(&("[".to_owned() + &"1,".repeat(NODES_MAX) + "]")), Code::E0003);
}

#[test]
fn nesting_has_a_limit_which_aliases_cannot_get_around() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(parse(&Source::new("x", nested(DEPTH_MAX))).0.is_some());
    assert_eq!(refused(&nested(DEPTH_MAX + 1)), Code::E0004);
    let block: String = (0..=DEPTH_MAX).map(|depth| format!("{:1$}a:\n", "", depth)).collect();
    assert_eq!(refused(&block), Code::E0004);
    let by_alias = format!("a: &a {}\nb: {}*a{}\n", nested(40), "[".repeat(40), "]".repeat(40));
    assert_eq!(refused(&by_alias), Code::E0004);
}

#[test]
fn alias_bombs_are_refused_by_counting() {
    let mut values = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut merges = "a0: &a0 {k0: x}\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        values += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{below}"); 10].join(", "));
        let list = vec![format!("*a{below}"); 10].join(", ");
        merges += &format!("a{level}: &a{level} {{k{level}: x, <<: [{list}]}}\n");
    }
    assert_eq!(refused(&values), Code::E0005);
    assert_eq!(refused(&merges), Code::E0005);
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(200));
    assert_eq!(refused(&long), Code::E0005);
}

#[test]
fn a_place_inside_a_text_is_found_in_the_file() {
    let text =
        "a: x ${b}\nb: 'x ${b}'\nc: \"\\t${b}\"\nd: |\n\n  one\n    ${b} two\ne: x\n  ${b}\n";
    let source = Source::new("x", text);
    let (node, findings) = parse(&source);
    assert!(findings.is_empty());
    let node = node.expect("a tree");
    let places: Vec<&str> = node
        .as_map()
        .expect("a mapping")
        .iter()
        .map(|entry| {
            let text = entry.value.as_text().expect("text");
            let start = text.find("${b}").expect("it is in each");
            let span = entry.value.text_span(&source, start..start + 4);
            source.slice(span)
        })
        .collect();
    // Escapes and folded lines are not traced: the whole value is shown.
    assert_eq!(places, ["${b}", "${b}", "\"\\t${b}\"", "${b}", "x\n  ${b}"]);
}
