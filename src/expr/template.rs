//! Splits a scalar at its `${ }`.

use super::ExprError;

/// One piece of a scalar.
pub(super) enum Piece<'a> {
    /// Text as it is meant: `$${` has become `${`.
    Literal(String),
    /// What stands between `${` and `}`, and where it starts in the scalar.
    Code { start: usize, source: &'a str },
}

/// Splits; the pieces in order, no literal empty.
pub(super) fn split(text: &str) -> Result<Vec<Piece<'_>>, ExprError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let open = at + found;
        if text[..open].ends_with('$') && open > at {
            // `$${`: the dollar before is in the literal's tail already counted once.
            literal.push_str(&text[at..open - 1]);
            literal.push_str("${");
            at = open + 2;
            continue;
        }
        literal.push_str(&text[at..open]);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        let close = closing_brace(text, open + 2).ok_or_else(|| ExprError {
            start: open,
            end: text.len(),
            message: "`${` is not closed by `}`".to_owned(),
        })?;
        let source = &text[open + 2..close];
        if source.trim().is_empty() {
            let message = "there is no expression between `${` and `}`".to_owned();
            return Err(ExprError { start: open, end: close + 1, message });
        }
        pieces.push(Piece::Code { start: open + 2, source });
        at = close + 1;
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// Finds the brace that closes the one before `from`, past nested braces and quoted text.
fn closing_brace(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut quote: Option<u8> = None;
    let mut at = from;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(bytes[at]),
            (None, b'{') => depth += 1,
            (None, b'}') if depth == 0 => return Some(at),
            (None, b'}') => depth -= 1,
            (None, _) => {}
        }
        at += 1;
    }
    None
}
