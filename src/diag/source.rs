//! A source text and positions in it.
//!
//! Positions are byte offsets; people see lines and columns, which are looked up only when a
//! diagnostic is rendered. Nothing here reads a file: the caller brings the text.

use std::ops::Range;
use std::sync::Arc;

/// A half-open range of bytes in one [`Source`].
///
/// Offsets are 32 bits because `yaml::FILE_BYTES_MAX` is far below 4 GiB and every node of the
/// tree carries a span. Both ends lie on character boundaries when the span came from the parser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// One past the last byte; equal to `start` for a mere position.
    pub end: u32,
}

impl Span {
    /// Makes a span from offsets as `str` methods give them.
    ///
    /// Offsets beyond 4 GiB saturate; such texts never get this far. An end before the start
    /// becomes an empty span at the start.
    pub fn new(start: usize, end: usize) -> Span {
        let start = u32::try_from(start).unwrap_or(u32::MAX);
        let end = u32::try_from(end).unwrap_or(u32::MAX);
        Span { start, end: end.max(start) }
    }

    /// Makes an empty span: a position between two characters.
    pub fn at(offset: usize) -> Span {
        Span::new(offset, offset)
    }

    /// Returns the range to slice the text with.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Returns the number of bytes covered.
    pub fn len(self) -> usize {
        self.range().len()
    }

    /// Tells whether the span is a mere position.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Returns the smallest span that covers both.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A line and a column, both counted from 1; the column counts characters, not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

/// A named text with an index of its lines.
///
/// Cloning is cheap: the text is shared.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: Arc<str>,
    line_starts: Arc<[u32]>,
}

impl Source {
    /// Indexes `text`, which diagnostics will call `name` (a path as the user typed it).
    ///
    /// An empty text is fine: a file that was refused is still named in its diagnostics.
    pub fn new(name: impl Into<String>, text: impl Into<Arc<str>>) -> Source {
        let text = text.into();
        let starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(i, _)| i + 1));
        let line_starts = starts.map(|start| u32::try_from(start).unwrap_or(u32::MAX)).collect();
        Source { name: name.into(), text, line_starts }
    }

    /// Returns the name given to [`Source::new`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the text under `span`, or "" for a span of another source.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or("")
    }

    /// Returns the number of lines; a final line feed starts a last, empty line.
    pub fn line_count(&self) -> usize {
        self.line_starts.len()
    }

    /// Returns the line, from 1, that holds `offset`, in O(log n).
    ///
    /// An offset past the end is on the last line.
    pub fn line_of(&self, offset: u32) -> u32 {
        self.line_starts.partition_point(|start| *start <= offset) as u32
    }

    /// Returns the span of `line` (from 1) without its line break; empty past the last line.
    pub fn line_span(&self, line: u32) -> Span {
        let end_of_text = self.text.len();
        let index = (line as usize).saturating_sub(1);
        let start = self.line_starts.get(index).map_or(end_of_text, |start| *start as usize);
        let next = self.line_starts.get(index + 1).map_or(end_of_text, |start| *start as usize);
        let text = &self.text[start..next];
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        Span::new(start, start + text.len())
    }

    /// Returns line and column of `offset`, in O(log lines + length of the line).
    ///
    /// An offset inside a character or past the end is taken back to the nearest boundary.
    pub fn position(&self, offset: u32) -> Position {
        let offset = self.text.floor_char_boundary(offset as usize);
        let line = self.line_of(Span::at(offset).start);
        let start = self.line_starts[line as usize - 1] as usize;
        let column = self.text[start..offset].chars().count() as u32 + 1;
        Position { line, column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, offset: u32) -> (u32, u32) {
        let Position { line, column } = Source::new("x", text).position(offset);
        (line, column)
    }

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        assert_eq!(at("", 0), (1, 1));
        assert_eq!(at("ab\ncd", 2), (1, 3));
        assert_eq!(at("ab\ncd", 3), (2, 1));
        assert_eq!(at("é: ü\n", 4), (1, 4));
    }

    #[test]
    fn offsets_between_characters_or_past_the_end_are_taken_back() {
        assert_eq!(at("é", 1), (1, 1));
        assert_eq!(at("a\n", 99), (2, 1));
    }

    #[test]
    fn line_spans_leave_out_the_line_break() {
        let source = Source::new("x", "a\r\nbc\n");
        let lines: Vec<&str> = (1..=4).map(|line| source.slice(source.line_span(line))).collect();
        assert_eq!(lines, ["a", "bc", "", ""]);
        assert_eq!(source.line_count(), 3);
    }
}
