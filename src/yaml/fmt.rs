//! `dsenv fmt`: the canonical layout of a blueprint.
//!
//! Two spaces a level, list items indented under their key, one space after `:` and `,`, none inside
//! brackets, at most one empty line in a row, no space at the end of a line, line feeds, one of them
//! at the end. What the author chose stays: order, quotes, `[ ]` or indented, where a line breaks,
//! and the column of a comment behind a value.
//!
//! The pieces of the text are put down again one after the other with new space between them, so
//! nothing can get lost. Even so the result is read back: if it does not say the same, comments
//! included, it is refused.
//!
//! ## Why
//! Not printed from the tree, because the tree has no comments and a printer that attaches them to
//! nodes loses one sooner or later. Indentation follows the columns of the source, as YAML itself
//! does; the scanner is asked only where scalars, comments and brackets are.

mod pieces;
#[cfg(test)]
mod tests;

use self::pieces::{Kind, Piece};
use super::Node;
use crate::diag::{Code, Diagnostic, Findings, Source};

/// Spaces a level.
const STEP: usize = 2;

/// Returns the text in canonical layout; applying it again changes nothing.
///
/// A blueprint with errors is not formatted: the findings are returned, and the file is to be left
/// alone. The same goes, as E0112, for a result that would not mean the same.
pub fn fmt(source: &Source) -> Result<String, Findings> {
    let (before, findings) = super::parse(source);
    let before = match before {
        Some(tree) if !findings.has_errors() => tree,
        _ => return Err(findings),
    };
    if before.scalar_text().is_some() {
        // No blueprint, and nothing to lay out.
        return Ok(source.text().to_owned());
    }
    let text = with_line_feeds(source.text());
    let pieces = pieces::cut(&text).ok_or_else(would_change)?;
    let formatted = lay_out(&text, &pieces);
    if says_the_same(&before, &pieces, &formatted) { Ok(formatted) } else { Err(would_change()) }
}

fn would_change() -> Findings {
    Diagnostic::error(Code::E0112, "the file is left as it is; this is a bug in dsenv")
        .help("report it with the file, or with the part that `dsenv fmt` cannot format")
        .into()
}

/// Tells whether a text has this tree and the comments among these pieces.
fn says_the_same(tree: &Node, pieces: &[Piece<'_>], formatted: &str) -> bool {
    let (after, findings) = super::parse(&Source::new("", formatted));
    let same_tree = after.is_some_and(|after| tree.says_the_same(&after));
    let same_comments =
        pieces::cut(formatted).is_some_and(|after| comments(pieces).eq(comments(&after)));
    same_tree && same_comments && !findings.has_errors()
}

fn comments<'t>(pieces: &[Piece<'t>]) -> impl Iterator<Item = &'t str> {
    let comments = pieces.iter().filter(|piece| piece.kind == Kind::Comment);
    comments.map(|piece| piece.text.trim_end())
}

fn with_line_feeds(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// A block that is still open: the column of its lines in the source, and the new one.
#[derive(Clone, Copy, Debug)]
struct Level {
    source_column: usize,
    column: usize,
    is_list: bool,
}

struct Layout<'t> {
    text: &'t str,
    out: String,
    levels: Vec<Level>,
    /// How many brackets are open.
    brackets: usize,
    /// Nothing but `-` and `?` was put on this line so far: a block may start behind them.
    at_head: bool,
    /// How far the line moved to the right (or left).
    shift: isize,
    previous: Option<Piece<'t>>,
    /// The last `|` or `>` with what belongs to it.
    header: &'t str,
    /// Lines of comments whose column depends on what follows.
    waiting: Vec<Piece<'t>>,
}

fn lay_out(text: &str, pieces: &[Piece<'_>]) -> String {
    let mut layout = Layout {
        text,
        out: String::with_capacity(text.len()),
        levels: Vec::new(),
        brackets: 0,
        at_head: true,
        shift: 0,
        previous: None,
        header: "",
        waiting: Vec::new(),
    };
    for piece in pieces {
        let starts_line = text[..piece.start].trim_end_matches([' ', '\t']).ends_with('\n');
        let starts_line = (starts_line || piece.start == 0 || layout.previous.is_none())
            && piece.kind != Kind::Lines;
        match (starts_line, piece.kind) {
            (true, Kind::Comment) if layout.brackets == 0 => layout.waiting.push(*piece),
            (true, _) => layout.line(*piece),
            (false, _) => layout.behind(*piece),
        }
    }
    layout.put_waiting(None);
    layout.out.push('\n');
    layout.out
}

impl<'t> Layout<'t> {
    /// Puts a piece at the start of a line.
    fn line(&mut self, piece: Piece<'t>) {
        let source_column = self.source_column(piece.start);
        let levels_before = self.levels.clone();
        let column = if self.brackets > 0 {
            let inside = self.brackets - usize::from(piece.kind == Kind::Close);
            self.block_column() + STEP * inside
        } else if piece.kind == Kind::Document {
            self.levels.clear();
            self.at_head = false;
            0
        } else {
            self.at_head = true;
            self.enter(piece, source_column)
        };
        self.put_waiting(Some((levels_before, Level { source_column, column, is_list: false })));
        self.break_line(piece.start);
        self.indent(column);
        self.shift = column as isize - source_column as isize;
        self.put(piece);
    }

    /// Puts a piece on the line of the one before.
    fn behind(&mut self, piece: Piece<'t>) {
        let previous = self.previous.expect("the first piece starts a line").kind;
        match (previous, piece.kind) {
            (_, Kind::Lines) => return self.put_lines(piece),
            (_, Kind::Comment) => return self.put_comment_behind(piece),
            (Kind::Open, _) => {}
            // Without the space, `{a:}` and `*a:` would be read as one word.
            (Kind::Colon, Kind::Close) | (Kind::Alias, Kind::Colon) => self.out.push(' '),
            (_, Kind::Close | Kind::Comma | Kind::Colon) => {}
            _ => self.out.push(' '),
        }
        if self.at_head && self.brackets == 0 && piece.kind != Kind::Header {
            self.enter(piece, self.source_column(piece.start));
        }
        self.put(piece);
    }

    /// Finds or opens the block that has its lines at this column of the source.
    fn enter(&mut self, piece: Piece<'t>, source_column: usize) -> usize {
        while let Some(top) = self.levels.last() {
            // A list may stand at the column of its key; the next key ends it.
            let list_ended =
                top.is_list && top.source_column == source_column && piece.kind != Kind::Dash;
            let key_above = self.levels.iter().rev().nth(1);
            let shares = key_above.is_some_and(|level| level.source_column == source_column);
            if top.source_column > source_column || (list_ended && shares) {
                self.levels.pop();
            } else {
                break;
            }
        }
        let is_list = piece.kind == Kind::Dash;
        let column = match self.levels.last() {
            None => 0,
            Some(top) if top.source_column == source_column && (top.is_list || !is_list) => {
                return top.column;
            }
            Some(top) => top.column + STEP,
        };
        // An anchor on a line of its own is no part of the block that it names.
        let rest = self.text[piece.start + piece.text.len()..].split('\n').next();
        let alone = rest.is_none_or(|rest| rest.trim().is_empty() || rest.trim().starts_with('#'));
        if piece.kind != Kind::Property || !alone {
            self.levels.push(Level { source_column, column, is_list });
        }
        column
    }

    fn put(&mut self, piece: Piece<'t>) {
        match piece.kind {
            Kind::Open => self.brackets += 1,
            Kind::Close => self.brackets -= 1,
            _ => {}
        }
        // A `:` is at the head only behind a `?` of its own.
        self.at_head &= matches!(piece.kind, Kind::Dash | Kind::Question | Kind::Colon);
        match piece.kind {
            Kind::Header => {
                self.header = piece.text;
                self.out.push_str(piece.text);
            }
            Kind::Scalar => self.put_scalar(piece.text),
            Kind::Comment => self.out.push_str(piece.text.trim_end()),
            _ => self.out.push_str(piece.text),
        }
        self.previous = Some(piece);
    }

    /// A scalar may run over several lines; space around its line breaks means nothing.
    fn put_scalar(&mut self, text: &str) {
        let column = self.block_column() + STEP * self.brackets.max(1);
        for (index, line) in text.split('\n').enumerate() {
            let line = if index == 0 { line } else { line.trim_start_matches([' ', '\t']) };
            let trimmed = line.trim_end_matches([' ', '\t']);
            // In double quotes, `\ ` is an escaped space, and `\` at the end something else.
            let line = if trimmed.ends_with('\\') { line } else { trimmed };
            if index > 0 {
                self.out.push('\n');
                self.indent(if line.is_empty() { 0 } else { column });
            }
            self.out.push_str(line);
        }
    }

    /// Puts the lines of a `|` or `>` block, which keep everything but their indentation.
    fn put_lines(&mut self, piece: Piece<'t>) {
        let digit = self.header.bytes().find(u8::is_ascii_digit);
        let explicit = digit.map(|digit| (digit - b'0') as usize);
        // Empty lines before the first are part of the value, but not of the token.
        let header_end = self.previous.map_or(0, |previous| previous.start + previous.text.len());
        let start = self.text[header_end..].find('\n').map_or(header_end, |at| header_end + at + 1);
        let text = &self.text[start..piece.start + piece.text.len()];
        let source_indent = match explicit {
            Some(digits) => self.levels.last().map_or(0, |level| level.source_column) + digits,
            None => {
                let first = text.lines().find(|line| !line.trim().is_empty());
                // Where there is no text, there are only empty lines.
                first.map_or(usize::MAX, |line| line.len() - line.trim_start_matches(' ').len())
            }
        };
        // The token may reach into the indentation of the line behind it. At the end of the file
        // there is none: what its last line has beyond the block's own indentation is text.
        let ends_file = piece.start + piece.text.len() == self.text.len();
        let text = match text.rfind('\n').map(|at| text.split_at(at + 1)) {
            Some((whole, last))
                if last.trim().is_empty() && !(ends_file && last.len() > source_indent) =>
            {
                whole
            }
            _ => text,
        };
        let indent = self.block_column() + explicit.unwrap_or(STEP);
        let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        let mut contents: Vec<&str> =
            lines.map(|line| line.get(source_indent..).unwrap_or("")).collect();
        while !self.keeps_empty_lines() && contents.last().is_some_and(|line| line.is_empty()) {
            contents.pop();
        }
        for content in contents {
            self.out.push('\n');
            if !content.is_empty() {
                self.indent(indent);
                self.out.push_str(content);
            }
        }
        self.previous = Some(piece);
    }

    /// With `+`, the empty lines behind a block belong to its value.
    fn keeps_empty_lines(&self) -> bool {
        self.header.contains('+')
    }

    /// A comment behind something keeps its column where it can, so that columns stay columns.
    fn put_comment_behind(&mut self, piece: Piece<'t>) {
        let wanted = self.source_column(piece.start) as isize + self.shift;
        let line_start = self.out.rfind('\n').map_or(0, |newline| newline + 1);
        let used = self.out[line_start..].chars().count();
        let gap = (wanted - used as isize).max(1) as usize;
        self.indent(gap);
        self.put(piece);
    }

    /// Puts the lines of comments before `next`: at its column, or at that of the block above whose
    /// column they had.
    fn put_waiting(&mut self, next: Option<(Vec<Level>, Level)>) {
        let (mut levels, next) = match next {
            Some((levels, next)) => (levels, Some(next)),
            None => (self.levels.clone(), None),
        };
        levels.extend(next);
        for comment in std::mem::take(&mut self.waiting) {
            let source_column = self.source_column(comment.start);
            let nearest = levels
                .iter()
                .filter(|level| level.source_column <= source_column)
                .max_by_key(|level| level.source_column)
                .or(next.as_ref());
            let column = nearest.map_or(0, |level| level.column);
            self.break_line(comment.start);
            self.indent(column);
            self.out.push_str(comment.text.trim_end());
            self.previous = Some(comment);
        }
    }

    /// Ends the line, and keeps one of the empty lines that stood before `start`.
    fn break_line(&mut self, start: usize) {
        let Some(previous) = self.previous else { return };
        self.out.push('\n');
        let end = previous.start + previous.text.len();
        // The lines of a block end with their line break, and may have taken empty lines with them.
        let lines = previous.kind == Kind::Lines;
        let from = if lines { previous.start + previous.text.trim_end().len() } else { end };
        let breaks = self.text[from..start].matches('\n').count();
        if breaks > 1 && !(lines && self.keeps_empty_lines()) {
            self.out.push('\n');
        }
    }

    fn indent(&mut self, columns: usize) {
        self.out.extend(std::iter::repeat_n(' ', columns));
    }

    fn block_column(&self) -> usize {
        self.levels.last().map_or(0, |level| level.column)
    }

    fn source_column(&self, start: usize) -> usize {
        let line_start = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        self.text[line_start..start].chars().count()
    }
}
