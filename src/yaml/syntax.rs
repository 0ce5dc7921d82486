//! The words for what is wrong with a text as YAML.
//!
//! The parser's own messages speak of its grammar ("did not find expected key"); these speak of
//! what stands in the file.

use super::end_of;
use super::node::Node;
use crate::diag::{Code, Diagnostic, Source, Span};
use granit_parser::{ErrorKind, ScanError};

/// Describes the place where the text stops being YAML; `bracket` is the innermost one still open.
pub(super) fn describe(source: &Source, error: &ScanError, bracket: Option<u32>) -> Diagnostic {
    let offset = error.marker().byte_offset().unwrap_or_default();
    let offset = source.text().floor_char_boundary(offset);
    if let Some(tab) = tab_in_indentation(source, Span::at(offset)) {
        return Diagnostic::error(Code::E0103, "YAML indents with spaces only")
            .at(tab)
            .help("replace each tab by two spaces");
    }
    let character = source.text()[offset..].chars().next().filter(|c| *c != '\n');
    let at = Span::new(offset, offset + character.map_or(0, char::len_utf8));
    // Where nothing but space is left, point behind the last thing that was written.
    let at = if at.start >= end_of(source).end { end_of(source) } else { at };
    let (message, help) = words(error.kind(), source, at);
    let mut diagnostic = Diagnostic::error(Code::E0101, message).at(at);
    if let Some(start) = bracket.filter(|start| *start != at.start) {
        diagnostic = diagnostic.label(Span { start, end: start + 1 }, "opened here");
    }
    match help {
        "" => diagnostic,
        help => diagnostic.help(help),
    }
}

/// Returns the first tab in the indentation of the line at `at` or of the next one: some errors are
/// reported at the end of the line before.
fn tab_in_indentation(source: &Source, at: Span) -> Option<Span> {
    let line = source.line_of(at.start);
    [line, line + 1].into_iter().find_map(|line| {
        let line = source.line_span(line);
        let text = source.slice(line);
        let indentation = &text[..text.len() - text.trim_start().len()];
        let tab = line.start as usize + indentation.find('\t')?;
        (indentation.len() < text.len()).then(|| Span::new(tab, tab + 1))
    })
}

fn words(kind: &ErrorKind, source: &Source, at: Span) -> (String, &'static str) {
    let (message, help) = match kind {
        ErrorKind::UnclosedFlowCollection { open } => {
            let close = if *open == '[' { ']' } else { '}' };
            return (format!("this `{open}` is never closed by a `{close}`"), "");
        }
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            return (format!("this `{open}` is closed by a `{close}`"), "");
        }
        ErrorKind::UnexpectedCharacter { character: character @ ('@' | '`' | '%') } => {
            return (format!("a value cannot start with `{character}`"), "put the value in quotes");
        }
        ErrorKind::UnexpectedCharacter { character } => {
            let message = format!("the character U+{:04X} cannot stand here", *character as u32);
            return (message, "in double quotes it can be written as an escape, such as `\\u0007`");
        }
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::UnexpectedEofImplicitFlowMapping => (
            "expected a `,` or the closing `}` of this mapping",
            "a value with a `{`, `[` or `,` in it needs quotes",
        ),
        ErrorKind::ExpectedFlowSequenceSeparator => (
            "expected a `,` or the closing `]` of this list",
            "a value with a `{`, `[` or `,` in it needs quotes",
        ),
        ErrorKind::MisplacedFlowCollectionEnd => {
            ("nothing is open that this could close", "if it is text, put the value in quotes")
        }
        ErrorKind::UnexpectedEofFlowSequence | ErrorKind::UnexpectedEofFlowMapping => {
            ("the file ends inside brackets that are still open", "")
        }
        ErrorKind::InvalidColonPlacement => {
            ("a `key: value` cannot stand here", "a `[` or `{` above may not be closed")
        }
        ErrorKind::MappingValueNotAllowed => (
            "a second `: ` on one line, or one that continues the value above",
            "put the value in quotes, or check the indentation of this line",
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            return (
                format!("expected `{}: value`", first_word(source, at)),
                "a `:` and a space follow each key",
            );
        }
        ErrorKind::ExpectedBlockMappingKey => (
            "this line does not line up with the entries of any mapping above",
            "give it the indentation of its neighbours",
        ),
        ErrorKind::ExpectedBlockSequenceEntry => (
            "expected another `- item` of the list above",
            "indent the list more than what follows it",
        ),
        ErrorKind::BlockSequenceEntryNotAllowed => {
            ("a `- item` cannot stand here", "start the list on a line of its own")
        }
        ErrorKind::ExpectedDocumentStart => (
            "this line is indented less than the first",
            "start all top-level keys at the beginning of the line",
        ),
        ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::UnclosedQuotedScalar
        | ErrorKind::DocumentIndicatorInQuotedScalar => {
            ("the quote opened above is not closed before this line", "")
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar => (
            "text follows the closing quote",
            "an apostrophe inside single quotes is written twice: `'it''s'`",
        ),
        ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            ("text follows the closing quote", "put the whole value inside the quotes")
        }
        ErrorKind::UnknownQuotedScalarEscape => (
            "a backslash in this value starts an escape that YAML does not have",
            "use single quotes, in which a backslash is only a backslash",
        ),
        ErrorKind::InvalidBlockScalarHeader => (
            "after `|` or `>`, the text starts on the next line",
            "if it is a value, put it in quotes",
        ),
        ErrorKind::MissingAnchorOrAliasName => {
            ("`*` and `&` start an alias and an anchor, and need a name", "put the value in quotes")
        }
        ErrorKind::DirectiveDisallowed => {
            ("a line that starts with `%` is a directive", "delete the line")
        }
        ErrorKind::RecursionLimitExceeded => ("brackets nest too deeply", ""),
        other => return (other.to_string(), ""),
    };
    (message.to_owned(), help)
}

fn first_word(source: &Source, at: Span) -> &str {
    let line = source.line_span(source.line_of(at.start));
    let rest = source.slice(Span { start: at.start, end: line.end });
    let word = rest.split([' ', ':', ',']).next().filter(|word| !word.is_empty());
    word.filter(|word| word.len() <= 40).unwrap_or("key")
}

/// A `!tag`.
pub(super) fn tag(source: &Source, span: Span) -> Diagnostic {
    let tag = source.slice(span);
    let name = tag.trim_start_matches('!');
    let diagnostic =
        Diagnostic::error(Code::E0107, format!("`{tag}` is read as a YAML tag")).at(span);
    match name {
        "Ref" | "Sub" | "GetAtt" | "Join" => {
            diagnostic.help("references are expressions: `${name.attribute}`")
        }
        "str" => diagnostic.help("delete it, and quote the value to keep it text"),
        "" | "bool" | "int" | "float" | "null" | "seq" | "map" | "binary" | "timestamp" | "set" => {
            diagnostic.help("delete it: the schema says what type a field has")
        }
        _ => diagnostic.help(format!(
            "to negate, write `${{!{name}}}`; for text that starts with `!`, use quotes"
        )),
    }
}

/// A `*name` for which there is no `&name` above.
pub(super) fn unknown_alias(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error(Code::E0108, format!("nothing above is marked `&{name}`"))
        .at(span)
        .help("mark the value to repeat, or quote the text")
}

/// A `*name` inside the value marked `&name`.
pub(super) fn recursive_alias(span: Span, anchored: Option<u32>) -> Diagnostic {
    let diagnostic =
        Diagnostic::error(Code::E0110, "this alias stands inside the value it repeats").at(span);
    match anchored {
        Some(start) => diagnostic.label(Span { start, end: start }, "the value starts here"),
        None => diagnostic,
    }
}

/// Too many digits, `.inf`, `.nan`.
pub(super) fn number_out_of_range(text: &str, why: &str, span: Span) -> Diagnostic {
    let quoted = if text.len() <= 100 { format!(": \"{text}\"") } else { String::new() };
    Diagnostic::error(Code::E0111, format!("the number {why}"))
        .at(span)
        .help(format!("if it is text, quote it{quoted}"))
}

/// A second `<<` in one mapping.
pub(super) fn second_merge(span: Span, first: Span) -> Diagnostic {
    Diagnostic::error(Code::E0102, "`<<` is already a key of this mapping")
        .at(span)
        .label(first, "first written here")
        .help("merge several mappings with one list: `<<: [*a, *b]`")
}

/// A `<<` whose value is no mapping.
pub(super) fn not_mergeable(value: &Node, site: Span) -> Diagnostic {
    let found = value.kind_name();
    Diagnostic::error(Code::E0109, format!("`<<` takes a mapping or a list of them, found {found}"))
        .at(site)
        .help("write `<<: *name`, where `&name` marks a mapping")
}

/// A number, boolean or nothing as a key.
pub(super) fn key_is_not_text(key: &Node, span: Span) -> Diagnostic {
    let text = key.scalar_text().unwrap_or_default();
    let diagnostic =
        Diagnostic::error(Code::E0106, format!("this key is {}", key.kind_name())).at(span);
    match text {
        "" => diagnostic.help("write the key before the `:`"),
        text => diagnostic.help(format!("put it in quotes: `\"{text}\":`")),
    }
}

/// A list or mapping as a key, such as `{{ name }}`.
pub(super) fn structured_key(source: &Source, span: Span) -> Diagnostic {
    let line = source.line_span(source.line_of(span.start));
    let before = source.slice(Span { start: line.start, end: span.start });
    let diagnostic = Diagnostic::error(Code::E0106, "a list or a mapping cannot be a key").at(span);
    if before.ends_with('{') {
        return diagnostic.help("templates are written `${name}` here, not `{{ name }}`");
    }
    diagnostic.help("put the key in quotes")
}
