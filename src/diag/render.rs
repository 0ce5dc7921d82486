//! Findings as text for people, in the manner of rustc.
//!
//! Title with the code, the line with the place underlined and the message beside it, the other
//! places that explain it, then help. Only the lines shown are handed to annotate-snippets, so the
//! cost of a diagnostic does not grow with the file.

use super::{Diagnostic, Findings, Severity, Source, Span};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};

/// How many diagnostics are shown; the rest is counted in a last line. JSON has them all.
pub const SHOWN_MAX: usize = 50;

/// Places at most this many lines apart are shown in one piece, with the lines between them.
const GAP_LINES_MAX: u32 = 6;

/// Pieces longer than this many bytes are cut to what surrounds the place.
const LINE_BYTES_MAX: usize = 2_000;

/// Of a place longer than this many bytes, the beginning is underlined: what matters is where it
/// starts, and its message stands behind it.
const SPAN_BYTES_MAX: usize = 72;

/// How the text may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether colour codes are written.
    pub color: Color,
    /// How many columns a line may have; longer source lines are cut.
    pub width: usize,
}

/// Whether colour codes are written. The caller knows the terminal and NO_COLOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Plain text.
    Off,
    /// ANSI codes.
    On,
}

impl Look {
    /// Plain text, 100 columns: for pipes and tests.
    pub const PLAIN: Look = Look { color: Color::Off, width: 100 };
}

/// Renders all findings in the order of the text, an empty line after each.
///
/// Spans that do not lie in `source` are shown at its end. Returns "" when there are no findings.
pub fn text(findings: &Findings, source: &Source, look: Look) -> String {
    let renderer = match look.color {
        Color::Off => Renderer::plain(),
        Color::On => Renderer::styled(),
    };
    let renderer = renderer.term_width(look.width).decor_style(DecorStyle::Ascii);
    let sorted = findings.sorted();
    let covered = cover(&sorted, source);
    let source = covered.as_ref().unwrap_or(source);
    let mut out = String::new();
    for diagnostic in sorted.iter().take(SHOWN_MAX) {
        let mut cuts = Vec::new();
        let group = group(diagnostic, source, &mut cuts);
        let mut text = renderer.render(&[group]);
        for cut in cuts {
            text = text.replacen(&cut.shown, &cut.meant, 1);
        }
        out.push_str(&text);
        out.push_str("\n\n");
    }
    let hidden = sorted.len().saturating_sub(SHOWN_MAX) + findings.omitted();
    if hidden > 0 {
        out.push_str(&format!("... and {hidden} more like these\n\n"));
    }
    out
}

/// The source with every secret that a finding knows of covered by stars, byte by byte, so that all
/// other places stay where they are; `None` when there is no secret. Other findings on its line
/// would show it as well, so it is covered for all.
fn cover(findings: &[&Diagnostic], source: &Source) -> Option<Source> {
    let mut bytes = source.text().as_bytes().to_vec();
    let mut any = false;
    for span in findings.iter().filter_map(|finding| finding.conceals) {
        for byte in bytes.get_mut(span.range()).into_iter().flatten() {
            if !byte.is_ascii_whitespace() {
                *byte = b'*';
            }
            any = true;
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    any.then(|| Source::new(source.name(), text))
}

/// A position as it is rendered of a line that was cut, and as it is in the file.
struct Cut {
    shown: String,
    meant: String,
}

fn group<'a>(diagnostic: &'a Diagnostic, source: &'a Source, cuts: &mut Vec<Cut>) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(diagnostic.code.title()).id(diagnostic.code.as_str());
    let mut group = Group::with_title(title);
    match diagnostic.span {
        Some(span) => group = group.elements(snippets(diagnostic, span, source, cuts)),
        None => {
            // What has no place has no file to open either: the message names what it is about.
            group = group.element(Level::NOTE.no_name().message(diagnostic.message.as_str()));
        }
    }
    if let Some(address) = &diagnostic.address {
        group = group.element(Level::NOTE.with_name("resource").message(address.as_str()));
    }
    group.elements(diagnostic.help.iter().map(|help| Level::HELP.message(help.as_str())))
}

/// One underlined place.
struct Mark<'a> {
    kind: AnnotationKind,
    span: Span,
    line: u32,
    text: &'a str,
}

fn snippets<'a>(
    diagnostic: &'a Diagnostic,
    span: Span,
    source: &'a Source,
    cuts: &mut Vec<Cut>,
) -> Vec<Element<'a>> {
    let primary = (AnnotationKind::Primary, span, diagnostic.message.as_str());
    let labels =
        diagnostic.labels.iter().map(|(span, text)| (AnnotationKind::Context, *span, &text[..]));
    let mut marks: Vec<Mark<'_>> = std::iter::once(primary)
        .chain(labels)
        .map(|(kind, span, text)| {
            let span = first_line(span, source);
            Mark { kind, span, line: source.line_of(span.start), text }
        })
        .collect();
    // The piece with the place itself comes first, as its position heads the diagnostic.
    let primary_line = marks[0].line;
    marks.sort_by_key(|mark| mark.line);
    let mut pieces: Vec<Vec<Mark<'_>>> = Vec::new();
    for mark in marks {
        match pieces.last_mut() {
            Some(piece) if mark.line - piece[piece.len() - 1].line <= GAP_LINES_MAX => {
                piece.push(mark);
            }
            _ => pieces.push(vec![mark]),
        }
    }
    pieces.sort_by_key(|piece| !piece.iter().any(|mark| mark.line == primary_line));
    pieces.into_iter().map(|piece| Element::from(whole_or_cut(piece, source, cuts))).collect()
}

fn whole_or_cut<'a>(
    marks: Vec<Mark<'a>>,
    source: &'a Source,
    cuts: &mut Vec<Cut>,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let first = source.line_span(marks[0].line);
    let last = source.line_span(marks[marks.len() - 1].line);
    let shown = first.to(last);
    if shown.len() <= LINE_BYTES_MAX {
        return snippet(marks, shown, source);
    }
    // Of very long lines, what surrounds the place itself is kept, and marks out of sight are
    // dropped. The snippet counts its column from the cut, which is put right afterwards.
    let main = marks.iter().find(|mark| mark.kind == AnnotationKind::Primary).unwrap_or(&marks[0]);
    let shown = window(source.line_span(main.line), main.span, source.text());
    let position = source.position(main.span.start);
    let before = source.slice(Span { start: shown.start, end: main.span.start });
    let at = |column: usize| format!("{}:{}:{column}\n", source.name(), position.line);
    let cut = before.chars().count() + 1;
    cuts.push(Cut { shown: at(cut), meant: at(position.column as usize) });
    snippet(marks, shown, source)
}

fn snippet<'a>(
    marks: Vec<Mark<'a>>,
    shown: Span,
    source: &'a Source,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let base = shown.start as usize;
    let annotations = marks
        .into_iter()
        .filter(|mark| shown.start <= mark.span.start && mark.span.end <= shown.end)
        .map(|mark| {
            mark.kind
                .span(mark.span.start as usize - base..mark.span.end as usize - base)
                .label(mark.text)
        });
    Snippet::source(source.slice(shown))
        .line_start(source.line_of(shown.start) as usize)
        .path(source.name())
        .annotations(annotations)
}

/// Shortens a span that runs over several lines to the part on its first one: the start is what
/// matters, and a mapping may go on for thousands of lines. Ends inside a character are moved out
/// of it: a span that is a little wrong must not cost the user the message.
fn first_line(span: Span, source: &Source) -> Span {
    let text = source.text();
    let start = text.floor_char_boundary(span.start as usize);
    let line = source.line_span(source.line_of(start as u32)).range();
    let start = start.min(line.end);
    let end = (span.end as usize).clamp(start, line.end).min(start + SPAN_BYTES_MAX);
    Span::new(start, text.ceil_char_boundary(end))
}

/// What surrounds a place in its line; the place is short enough to be in it as a whole.
fn window(line: Span, mark: Span, text: &str) -> Span {
    let half = LINE_BYTES_MAX / 2;
    let start = (mark.start as usize).saturating_sub(half).max(line.start as usize);
    let end = (mark.end as usize + half).min(line.end as usize);
    Span::new(text.ceil_char_boundary(start), text.floor_char_boundary(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Code;
    use expect_test::{Expect, expect};

    fn check(text: &str, diagnostic: Diagnostic, expected: Expect) {
        let source = Source::new("dsenv.yaml", text);
        expected.assert_eq(&super::text(&Findings::from(diagnostic), &source, Look::PLAIN));
    }

    #[test]
    fn message_labels_address_and_help() {
        check(
            "resources:\n  lake: {}\n  lake: {}\n",
            Diagnostic::error(Code::E0102, "`lake` is already a key of this mapping")
                .at(Span::new(24, 28))
                .label(Span::new(13, 17), "first written here")
                .address("lake")
                .help("rename one of the two"),
            expect![[r#"
                error[E0102]: duplicate key
                 --> dsenv.yaml:3:3
                  |
                2 |   lake: {}
                  |   ---- first written here
                3 |   lake: {}
                  |   ^^^^ `lake` is already a key of this mapping
                  |
                  = resource: lake
                  = help: rename one of the two

            "#]],
        );
    }

    #[test]
    fn places_far_apart_are_two_pieces() {
        let text = format!("a: 1\n{}a: 2\n", "x: 1\n".repeat(100));
        let again = text.len() - 5;
        check(
            &text,
            Diagnostic::error(Code::E0102, "again")
                .at(Span::new(again, again + 1))
                .label(Span::new(0, 1), "first"),
            expect![[r#"
                error[E0102]: duplicate key
                   --> dsenv.yaml:102:1
                    |
                102 | a: 2
                    | ^ again
                    |
                   ::: dsenv.yaml:1:1
                    |
                  1 | a: 1
                    | - first

            "#]],
        );
    }

    #[test]
    fn a_span_of_many_lines_shows_its_first() {
        check(
            "net:\n  kind: network\n  cidr: 10.0.0.0/8\n",
            Diagnostic::warning(Code::E0101, "odd").at(Span::new(7, 40)),
            expect![[r#"
                warning[E0101]: not valid YAML
                 --> dsenv.yaml:2:3
                  |
                2 |   kind: network
                  |   ^^^^^^^^^^^^^ odd

            "#]],
        );
    }

    #[test]
    fn the_file_as_a_whole() {
        check(
            "",
            Diagnostic::error(Code::E0001, "it has 20 MiB"),
            expect![[r#"
                error[E0001]: file too large
                 |
                 = it has 20 MiB

            "#]],
        );
        check(
            "",
            Diagnostic::error(Code::E0006, "there is nothing in it").at(Span::at(0)),
            expect![[r#"
                error[E0006]: nothing in the file
                 --> dsenv.yaml:1:1
                  |
                1 |
                  | ^ there is nothing in it

            "#]],
        );
    }

    #[test]
    fn a_line_of_a_megabyte_is_cut_around_the_place() {
        let text = format!("a: {}!{}", "x".repeat(500_000), "é".repeat(250_000));
        let source = Source::new("dsenv.yaml", text.as_str());
        let diagnostic = Diagnostic::error(Code::E0101, "here").at(Span::new(500_003, 500_004));
        let rendered = super::text(&Findings::from(diagnostic), &source, Look::PLAIN);
        assert!(rendered.len() < 1_000, "{rendered}");
        assert!(rendered.contains("^ here"), "{rendered}");
        assert!(rendered.contains("--> dsenv.yaml:1:500004\n"), "{rendered}");
    }

    #[test]
    fn a_place_that_is_very_long_is_underlined_at_its_beginning() {
        for length in [500, 1_500, 3_000, 100_000] {
            let text = format!("a: 1\nb: {}\n", "x".repeat(length));
            let source = Source::new("dsenv.yaml", text.as_str());
            let diagnostic = Diagnostic::error(Code::E0101, "here").at(Span::new(8, 8 + length));
            let rendered = super::text(&Findings::from(diagnostic), &source, Look::PLAIN);
            assert!(rendered.contains("--> dsenv.yaml:2:4\n"), "{rendered}");
            assert!(rendered.contains("^ here"), "{rendered}");
            assert!(rendered.len() < 1_000 && !rendered.contains(":::"), "{rendered}");
        }
    }

    #[test]
    fn a_span_that_is_a_little_wrong_still_shows() {
        let findings = Findings::from_iter([
            Diagnostic::error(Code::E0101, "inside").at(Span::new(4, 5)),
            Diagnostic::error(Code::E0101, "behind").at(Span::new(90, 99)),
            Diagnostic::error(Code::E0101, "on the line break").at(Span::new(7, 8)),
        ]);
        let rendered = super::text(&findings, &Source::new("x", "a: éé\nb\n"), Look::PLAIN);
        for message in ["^ inside", "^ behind", "^ on the line break"] {
            assert!(rendered.contains(message), "{rendered}");
        }
    }

    #[test]
    fn a_secret_in_the_text_is_covered_in_every_finding() {
        let text = "a: {from: häm}\n";
        let findings = Findings::from_iter([
            Diagnostic::warning(Code::E0210, "here").at(Span::new(4, 8)).conceal(Span::new(10, 14)),
            Diagnostic::error(Code::E0101, "beside").at(Span::new(0, 1)),
        ]);
        let rendered = super::text(&findings, &Source::new("x", text), Look::PLAIN);
        assert_eq!(rendered.matches("a: {from: ****}").count(), 2, "{rendered}");
        assert!(!rendered.contains("häm"), "{rendered}");
    }

    #[test]
    fn at_most_fifty_are_shown() {
        let one = Diagnostic::error(Code::E0101, "here").at(Span::at(0));
        let findings = Findings::from_iter(vec![one; 60]);
        let rendered = super::text(&findings, &Source::new("x", "a"), Look::PLAIN);
        assert_eq!(rendered.matches("^ here").count(), 50);
        assert!(rendered.ends_with("... and 10 more like these\n\n"), "{rendered}");
    }

    #[test]
    fn colour_only_when_asked_for() {
        let diagnostic = Diagnostic::error(Code::E0101, "here").at(Span::at(0));
        let findings = Findings::from(diagnostic);
        let source = Source::new("x", "a");
        assert!(!super::text(&findings, &source, Look::PLAIN).contains('\u{1b}'));
        let colored = Look { color: Color::On, width: 80 };
        assert!(super::text(&findings, &source, colored).contains('\u{1b}'));
    }
}
