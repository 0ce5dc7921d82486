use super::*;
use expect_test::{Expect, expect};
use proptest::prelude::*;

fn check(text: &str, expected: Expect) {
    let formatted = fmt(&Source::new("x", text)).expect("the text is valid");
    expected.assert_eq(&formatted);
    let again = fmt(&Source::new("x", formatted.as_str())).expect("and stays valid");
    assert_eq!(again, formatted, "formatting twice changes nothing more");
}

#[test]
fn a_blueprint_that_is_in_order_stays_as_it_is() {
    check(
        "# A comment.\nblueprint: demo\n\nresources:\n  net: {kind: network, cidr: 10.0.0.0/8}\n  lake:\n    kind: bucket\n    expire: [{prefix: tmp/, days: 30}]\n    tags:\n      - a\n      - b: 1\n        c: 2\n",
        expect![[r#"
            # A comment.
            blueprint: demo

            resources:
              net: {kind: network, cidr: 10.0.0.0/8}
              lake:
                kind: bucket
                expire: [{prefix: tmp/, days: 30}]
                tags:
                  - a
                  - b: 1
                    c: 2
        "#]],
    );
}

#[test]
fn space_is_made_canonical() {
    check(
        "\n\nblueprint:   demo   \n\n\n\nresources:\n    net:   { kind : network , cidr:  10.0.0.0/8 }\n    list:\n    -   a\n    -   b:   1\n        c: [ 1,2 ,3 ]\n    empty: { }\n    none: {a: }\n\n\n",
        expect![[r#"
            blueprint: demo

            resources:
              net: {kind: network, cidr: 10.0.0.0/8}
              list:
                - a
                - b: 1
                  c: [1, 2, 3]
              empty: {}
              none: {a: }
        "#]],
    );
}

#[test]
fn comments_stay_with_what_they_are_about() {
    check(
        "# file\na:   # behind a\n    # about b\n    b: 1      # behind b\n    ccc: 2    # behind c\n    # end of a\n# about d\nd:\n- x\n# about y\n- y\n# about e\ne: [ # open\n  1, # one\n  # two\n  2\n  ]\n# end\n",
        expect![[r#"
            # file
            a:   # behind a
              # about b
              b: 1      # behind b
              ccc: 2    # behind c
              # end of a
            # about d
            d:
              - x
              # about y
              - y
            # about e
            e: [ # open
              1, # one
              # two
              2
            ]
            # end
        "#]],
    );
}

#[test]
fn text_over_several_lines_keeps_what_it_says() {
    check(
        "a:\n      run: |\n         #!/bin/sh\n\n           echo ${x}\n         exit  \n\n\n      keep: |+\n        x\n\n\n      first: |2-\n\n           indented\n      plain: one\n         two\n\n         three\n      quoted: \"one \\\n           two\\  \n           three\"\n- \n".trim_end_matches("- \n"),
        expect![[r#"
            a:
              run: |
                #!/bin/sh

                  echo ${x}
                exit  

              keep: |+
                x


              first: |2-

                   indented
              plain: one
                two

                three
              quoted: "one \
                two\  
                three"
        "#]],
    );
}

/// A last line without its end: what it has beyond the indentation is text, the rest is not.
#[test]
fn space_at_the_end_of_the_file_is_text_where_yaml_says_so() {
    check("- >\n a\n  ", expect!["- >\n  a\n   \n"]);
    check("- >\n a\n ", expect!["- >\n  a\n"]);
    check("- |+\n a\n   ", expect!["- |+\n  a\n    \n"]);
}

#[test]
fn brackets_over_several_lines_are_indented() {
    check(
        "a: [\n1,\n  {b: 2,\nc: 3},\n    ]\nb:\n  - {x: 1,\n    y: 2}\n",
        expect![[r#"
        a: [
          1,
          {b: 2,
            c: 3},
        ]
        b:
          - {x: 1,
              y: 2}
    "#]],
    );
}

#[test]
fn anchors_aliases_and_documents() {
    check(
        "---\na:   &x\n   b: 1\nc:\n   <<:   *x\n   *y : 2\nd: &y   text\n...\n"
            .replace("   *y : 2\n", "")
            .as_str(),
        expect![[r#"
            ---
            a: &x
              b: 1
            c:
              <<: *x
            d: &y text
            ...
        "#]],
    );
    check(
        "? a\n:   b\n? c\n: - d\n  - e\n",
        expect![[r#"
        ? a
        : b
        ? c
        : - d
          - e
    "#]],
    );
}

/// Found by the random rows of characters below.
#[test]
fn odd_blocks_and_anchors_settle_at_once() {
    check(
        "\n &a\n- x\n",
        expect![[r#"
        &a
        - x
    "#]],
    );
    check(
        "a: >\n \nb: |+\n\n\n",
        expect![[r#"
        a: >
        b: |+


    "#]],
    );
    check(
        "a: |",
        expect![[r#"
        a: |
    "#]],
    );
}

#[test]
fn windows_line_ends_become_line_feeds() {
    check(
        "a: 1\r\nb: |\r\n  x\r\n  y\r\n",
        expect![[r#"
        a: 1
        b: |
          x
          y
    "#]],
    );
}

#[test]
fn a_text_with_errors_is_left_alone() {
    let findings = fmt(&Source::new("x", "a: {\n")).expect_err("not YAML");
    assert_eq!(findings.iter().next().map(|found| found.code), Some(Code::E0101));
    let findings = fmt(&Source::new("x", "a: 1\na: 2\n")).expect_err("duplicate key");
    assert_eq!(findings.iter().next().map(|found| found.code), Some(Code::E0102));
}

#[test]
fn a_formatted_text_that_means_something_else_is_refused() {
    let says_the_same = |before: &str, after: &str| {
        let tree = crate::yaml::parse(&Source::new("", before)).0.expect("valid");
        super::says_the_same(&tree, &pieces::cut(before).expect("understood"), after)
    };
    assert!(says_the_same("a: {b: 1} # c\n", "a:\n  b: 1 # c\n"));
    assert!(!says_the_same("a: 1\n", "a: 2\n"));
    assert!(!says_the_same("a: 1.10\n", "a: 1.1\n"));
    assert!(!says_the_same("a: 18\n", "a: \"18\"\n"));
    assert!(!says_the_same("a: 1\nb: 2\n", "b: 2\na: 1\n"));
    assert!(!says_the_same("a: 1 # c\n", "a: 1\n"));
    assert!(!says_the_same("a: 1\n", "a: {\n"));
    assert!(!says_the_same("a: [1]\n", "a: [1, 1]\n"));
    assert!(!says_the_same("a: {b: 1}\n", "a: {c: 1}\n"));
    assert!(!says_the_same("a: null\n", "a:\n"));
}

/// Text of a value, with the space that authors leave here and there.
fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,6}",
        "[a-z]{1,4} {1,2}[a-z#:]{1,3}[a-z]",
        "[0-9]{1,4}(\\.[0-9]{1,2})?",
        "\"[a-z #:\\[{]{0,6}\"",
        "'[a-z #:\\[{]{0,5}('')?'",
        Just("\"${a ? b : c}\"".to_owned()),
        Just("${inputs.x}".to_owned()),
        Just(String::new()),
    ]
}

fn flow() -> impl Strategy<Value = String> {
    let leaf = prop_oneof!["[a-z]{1,4}", "[0-9]{1,3}", "\"[a-z,\\]} ]{0,4}\"", "'[a-z]'"];
    let space = prop_oneof![4 => Just(""), 2 => Just(" "), 1 => Just("   "), 1 => Just("\n@ ")];
    let comment = prop_oneof![9 => Just(""), 1 => Just(" # in, [brackets\n@ ")];
    leaf.prop_recursive(3, 12, 4, move |inner| {
        let item = (space.clone(), inner, space.clone(), comment.clone())
            .prop_map(|(before, item, after, comment)| format!("{before}{item}{after}{comment}"));
        let list = prop::collection::vec(item.clone(), 0..4);
        prop_oneof![
            list.clone().prop_map(|items| format!("[{}]", items.join(","))),
            list.prop_map(|items| {
                let entries: Vec<String> =
                    items.iter().enumerate().map(|(n, item)| format!(" k{n}: {item}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

/// A block of lines; `@` stands for the indentation of the block it is put into.
fn block() -> impl Strategy<Value = String> {
    let literal = ("[|>][-+]?", prop::collection::vec("( {0,2}[a-z#-]{1,5} ?)?", 1..4), 1..4_usize)
        .prop_map(|(header, lines, indent)| {
            let pad = " ".repeat(indent);
            let lines: Vec<String> = lines.iter().map(|line| format!("@{pad}x{line}")).collect();
            format!("{header}\n{}\n", lines.join("\n\n"))
        });
    let folded = ("[a-z]{1,4}", "[a-z]{1,4}").prop_map(|(a, b)| format!("{a}\n@   {b}\n"));
    let end = prop_oneof![3 => Just("\n"), 1 => Just("   # behind\n"), 1 => Just(" # near\n")];
    let line = (prop_oneof![scalar(), flow()], end).prop_map(|(value, end)| value + end);
    let leaf = prop_oneof![6 => line, 1 => literal, 1 => folded];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let gap = prop_oneof![
            6 => Just(""),
            1 => Just("\n"),
            1 => Just("\n\n\n"),
            1 => Just("@# about\n"),
            1 => Just("@  # further in\n\n"),
            1 => Just("# far out\n"),
        ];
        let parts = prop::collection::vec((gap, inner), 1..4);
        (parts, 1..4_usize, 0..3_u8, 0..3_usize).prop_map(|(parts, indent, shape, spaces)| {
            let (pad, wide) = (" ".repeat(indent), " ".repeat(spaces));
            let mut out = String::from("\n");
            for (number, (gap, value)) in parts.into_iter().enumerate() {
                let deeper = |text: &str, by: &str| text.replace('@', &format!("@{by}"));
                match shape {
                    0 => {
                        out += &deeper(gap, &pad);
                        out += &format!("@{pad}k{number}:{wide} {}", deeper(&value, &pad));
                    }
                    1 => {
                        out += &deeper(gap, &pad);
                        out += &format!("@{pad}-{wide} {}", deeper(&value, &format!("{pad} ")));
                    }
                    _ => {
                        // A list at the column of its key is told apart by what holds it.
                        out += &deeper(gap, &pad);
                        let inner = format!("{pad}  {wide}");
                        out += &format!("@{pad}- {wide}k: {}", deeper(&value, &inner));
                    }
                }
            }
            out
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_formatted_without_loss_and_once_for_all(
        blocks in prop::collection::vec(block(), 1..4), ending in "(# end\n)?",
    ) {
        let keys = blocks.iter().enumerate().map(|(n, block)| format!("top{n}: {block}"));
        let text = keys.collect::<String>().replace('@', "") + &ending;
        let source = Source::new("x", text.as_str());
        let (tree, findings) = crate::yaml::parse(&source);
        // The generator writes what an author would; some of it is not YAML.
        prop_assume!(tree.is_some() && !findings.has_errors());
        let formatted = fmt(&source);
        prop_assert!(formatted.is_ok(), "not formatted:\n{text}");
        let formatted = formatted.unwrap_or_default();
        let space_is_text = text.contains(['|', '>']);
        prop_assert!(space_is_text || formatted.lines().all(|line| line == line.trim_end()));
        let again = fmt(&Source::new("x", formatted.as_str()));
        prop_assert_eq!(again.ok(), Some(formatted), "not once for all:\n{}", text);
    }

    /// No generator thinks of everything: this one thinks of nothing.
    #[test]
    fn any_row_of_characters_is_read_without_panic_and_formatted_once_for_all(
        text in "([a-c]{1,2}|[-:?] |[\\[\\]{},&*!|>'\"%@ \\n\\t#0~$]|\n {1,3}|: |\n- |\na: |é){0,24}",
    ) {
        let source = Source::new("x", text.as_str());
        let (_, findings) = crate::yaml::parse(&source);
        crate::diag::render::text(&findings, &source, crate::diag::render::Look::PLAIN);
        match fmt(&source) {
            Ok(formatted) => {
                let again = fmt(&Source::new("x", formatted.as_str()));
                prop_assert_eq!(again.ok(), Some(formatted), "not once for all:\n{}", text);
            }
            Err(_) => prop_assert!(findings.has_errors(), "not formatted:\n{text}"),
        }
    }
}
