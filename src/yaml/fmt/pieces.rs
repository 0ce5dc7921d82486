//! The text as a row of pieces: everything that is not white space, in order.
//!
//! The scanner of the YAML parser finds scalars, comments, brackets, anchors, aliases and tags with
//! their places. What is left between them is white space and a handful of marks, which are found
//! here.

use granit_parser::{ScalarStyle, Scanner, StrInput, TokenType};

/// What a piece is, as far as the layout depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Plain or quoted.
    Scalar,
    /// The lines of a `|` or `>` block, the break after the last one included.
    Lines,
    /// `|`, `>-`, `|2+`, ...
    Header,
    /// From `#` to the end of the line.
    Comment,
    /// `*name`.
    Alias,
    /// `&name` or `!tag`.
    Property,
    /// `[` or `{`.
    Open,
    /// `]` or `}`.
    Close,
    /// `,`.
    Comma,
    /// `:`.
    Colon,
    /// `-`.
    Dash,
    /// `?`.
    Question,
    /// `---` or `...`.
    Document,
}

/// One piece and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
    pub(super) start: usize,
}

/// Cuts a text into pieces; `None` when it has something in it that is not understood.
pub(super) fn cut(text: &str) -> Option<Vec<Piece<'_>>> {
    let mut tokens = Vec::new();
    for token in Scanner::new(StrInput::new(text)) {
        let token = token.ok()?;
        let range = token.span().byte_range()?;
        let kind = kind_of(token.token_type());
        // A value that was left out has no text; a block without lines may stand for empty ones.
        if let Some(kind) = kind.filter(|kind| !range.is_empty() || *kind == Kind::Lines) {
            tokens.push(Piece { kind, text: &text[range.clone()], start: range.start });
        }
    }
    tokens.sort_by_key(|token| token.start);
    let mut pieces = Vec::with_capacity(2 * tokens.len());
    let mut end = 0;
    for mut token in tokens {
        if token.start < end {
            continue;
        }
        marks(text, end, token.start, &mut pieces)?;
        if token.kind == Kind::Lines && !ends_with_header(&pieces) {
            // At the end of the file the token of a block without text starts at its header.
            let line_end = token.text.find('\n').map_or(token.text.len(), |newline| newline + 1);
            marks(text, token.start, token.start + line_end, &mut pieces)?;
            token = Piece { text: &token.text[line_end..], start: token.start + line_end, ..token };
        }
        end = token.start + token.text.len();
        pieces.push(token);
    }
    marks(text, end, text.len(), &mut pieces)?;
    Some(pieces)
}

fn ends_with_header(pieces: &[Piece<'_>]) -> bool {
    let mut last = pieces.iter().rev().map(|piece| piece.kind);
    match last.next() {
        Some(Kind::Header) => true,
        Some(Kind::Comment) => last.next() == Some(Kind::Header),
        _ => false,
    }
}

fn kind_of(token: &TokenType<'_>) -> Option<Kind> {
    match token {
        TokenType::Scalar(ScalarStyle::Literal | ScalarStyle::Folded, _) => Some(Kind::Lines),
        TokenType::Scalar(..) => Some(Kind::Scalar),
        TokenType::Comment(_) => Some(Kind::Comment),
        TokenType::Alias(_) => Some(Kind::Alias),
        TokenType::Anchor(_) | TokenType::Tag(..) => Some(Kind::Property),
        TokenType::FlowSequenceStart | TokenType::FlowMappingStart => Some(Kind::Open),
        TokenType::FlowSequenceEnd | TokenType::FlowMappingEnd => Some(Kind::Close),
        TokenType::FlowEntry => Some(Kind::Comma),
        // Structure without a place of its own: the marks are found in the text.
        _ => None,
    }
}

/// Finds the marks between two tokens.
fn marks<'t>(text: &'t str, from: usize, to: usize, pieces: &mut Vec<Piece<'t>>) -> Option<()> {
    let mut start = from;
    while start < to {
        let rest = &text[start..to];
        let word_end = rest.find([' ', '\t', '\n']).unwrap_or(rest.len());
        let line_end = rest.find('\n').unwrap_or(rest.len());
        let (kind, length) = match rest.as_bytes()[0] {
            b' ' | b'\t' | b'\n' => {
                start += 1;
                continue;
            }
            b'#' => (Kind::Comment, line_end),
            b'|' | b'>' => (Kind::Header, word_end),
            b':' => (Kind::Colon, 1),
            b'?' => (Kind::Question, 1),
            b'-' | b'.' if matches!(&rest[..word_end], "---" | "...") => (Kind::Document, 3),
            b'-' => (Kind::Dash, 1),
            _ => return None,
        };
        pieces.push(Piece { kind, text: &rest[..length], start });
        start += length;
    }
    Some(())
}
