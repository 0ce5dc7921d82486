//! Expressions that YAML reads as something else, because they need quotes and have none.
//!
//! This layer knows only where `${ }` begins and ends; what is inside belongs to the expression
//! layer.

use crate::diag::{Code, Diagnostic, Source, Span};
use granit_parser::{Parser, ScanError};

/// How far before a syntax error an expression may begin to be the reason for it.
const LOOK_BACK_BYTES_MAX: usize = 2_000;

/// Longer expressions are not repeated in the help.
const QUOTED_BYTES_MAX: usize = 200;

/// Returns where the expression that starts at `start` (at its `$`) ends, or `None` when it does
/// not. Braces inside the strings of the expression do not count.
fn end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut quote = None;
    let mut index = start + 1;
    while index < bytes.len() {
        let byte = bytes[index];
        match (quote, byte) {
            (Some(_), b'\\') => index += 1,
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'{') => depth += 1,
            (None, b'}') => {
                depth -= 1;
                if depth == 0 {
                    return Some(index + 1);
                }
            }
            (None, _) => {}
        }
        index += 1;
    }
    None
}

/// Tells whether an expression starts in `text` and does not end in it. `$${` starts none.
pub(super) fn is_unclosed(text: &str) -> bool {
    let mut from = 0;
    while let Some(found) = text[from..].find("${") {
        let start = from + found;
        if start > 0 && text.as_bytes()[start - 1] == b'$' {
            from = start + 2;
            continue;
        }
        match end(text, start) {
            Some(end) => from = end,
            None => return true,
        }
    }
    false
}

/// Finds the expression that made the parser stumble: one that holds the place of the error, and
/// without which the text can be read further.
pub(super) fn misread(text: &str, error: &ScanError) -> Option<Span> {
    let stumble = error.marker().byte_offset()?;
    let earliest = text.ceil_char_boundary(stumble.saturating_sub(LOOK_BACK_BYTES_MAX));
    let latest = text.ceil_char_boundary((stumble + 2).min(text.len()));
    let start = earliest + text[earliest..latest].rfind("${")?;
    let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    let end = end(text, start).unwrap_or(line_end);
    if stumble > end {
        return None;
    }
    let span = Span::new(start, end);
    let without = blot_out(text, span);
    let next_stumble = Parser::new_from_str(&without).find_map(Result::err);
    let further = next_stumble
        .and_then(|error| error.marker().byte_offset())
        .is_none_or(|offset| offset > stumble);
    further.then_some(span)
}

/// Replaces the text under `span` by letters, so that all other offsets stay what they are.
pub(super) fn blot_out(text: &str, span: Span) -> String {
    let letters = |byte: u8| if byte == b'\n' { '\n' } else { 'x' };
    let mut blotted = String::with_capacity(text.len());
    blotted.push_str(&text[..span.start as usize]);
    blotted.extend(text[span.range()].bytes().map(letters));
    blotted.push_str(&text[span.end as usize..]);
    blotted
}

/// Reads the lines of a plain scalar as YAML does: line breaks and what surrounds them are a space.
pub(super) fn fold_lines(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// When a plain scalar is the first part of an expression and a comment swallowed the rest, returns
/// the span of both.
pub(super) fn cut_by_comment(source: &Source, text: &str, span: Span) -> Option<Span> {
    if !is_unclosed(text) {
        return None;
    }
    let line = source.line_span(source.line_of(span.end));
    let rest = source.slice(Span { start: span.end, end: line.end });
    let whole = Span { start: span.start, end: span.end + rest.trim_end().len() as u32 };
    rest.trim_start().starts_with('#').then_some(whole)
}

/// Says that an expression needs quotes, why, and how they would look.
pub(super) fn needs_quotes(source: &Source, span: Span) -> Diagnostic {
    let expression = fold_lines(source.slice(span));
    let reason = if expression.contains(": ") {
        "YAML takes the `: ` in it for the end of a key"
    } else if expression.contains(" #") {
        "YAML takes the ` #` in it for the start of a comment"
    } else {
        "inside `{ }` and `[ ]`, YAML takes its braces, brackets and commas for its own"
    };
    let line = source.line_span(source.line_of(span.start));
    let before = source.slice(Span { start: line.start, end: span.start }).trim_end();
    let after = source.slice(Span { start: span.end.min(line.end), end: line.end }).trim_start();
    let whole = (before.is_empty() || before.ends_with([':', '-', ',', '[', '{']))
        && (after.is_empty() || after.starts_with([',', ']', '}', '#']));
    let help = match whole && expression.len() <= QUOTED_BYTES_MAX {
        true => format!("put it in quotes: {}", quoted(&expression)),
        false => "put the whole value that holds it in quotes".to_owned(),
    };
    Diagnostic::error(Code::E0104, reason).at(span).help(help)
}

/// Quotes text for YAML, with the quotes that need the fewest escapes.
fn quoted(text: &str) -> String {
    match (text.contains(['"', '\\']), text.contains('\'')) {
        (false, _) => format!("\"{text}\""),
        (true, false) => format!("'{text}'"),
        (true, true) => format!("'{}'", text.replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_expression_is_its_own_brace() {
        let inside = |text: &str| end(text, 0).map(|end| text[..end].to_owned());
        assert_eq!(inside("${a} b}").as_deref(), Some("${a}"));
        assert_eq!(inside(r#"${ {"}": 1} } "#).as_deref(), Some(r#"${ {"}": 1} }"#));
        assert_eq!(inside(r#"${"\"}"}"#).as_deref(), Some(r#"${"\"}"}"#));
        assert_eq!(inside("${a"), None);
    }

    #[test]
    fn a_doubled_dollar_starts_no_expression() {
        assert!(is_unclosed("a ${b"));
        assert!(is_unclosed("${a} ${b"));
        assert!(!is_unclosed("$${b"));
        assert!(!is_unclosed("${a} $b {"));
    }

    #[test]
    fn quotes_that_need_no_escapes_are_preferred() {
        assert_eq!(quoted("${a}"), r#""${a}""#);
        assert_eq!(quoted(r#"${a == "b"}"#), r#"'${a == "b"}'"#);
        assert_eq!(quoted(r#"${a == "b" + 'c'}"#), r#"'${a == "b" + ''c''}'"#);
    }
}
