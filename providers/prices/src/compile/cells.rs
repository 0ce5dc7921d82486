//! The cells of a table, and what is wrong with one.

use super::{CompileError, usd};
use crate::price::Price;
use crate::shape::Cloud;
use std::io::Read;

/// A table has no more lines; one that has is not what it seems to be.
const LINES_MAX: u64 = 5_000_000;

/// One line of a table.
pub(super) struct Cells<'c> {
    file: &'static str,
    line: u64,
    columns: &'static [&'static str],
    record: &'c csv::StringRecord,
}

/// Calls `visit` for every line of a table with exactly these columns.
pub(super) fn each(
    file: &'static str,
    columns: &'static [&'static str],
    table: &mut dyn Read,
    mut visit: impl FnMut(&Cells<'_>) -> Result<(), CompileError>,
) -> Result<(), CompileError> {
    let fail =
        |line: u64, message: String| CompileError { file, line, column: String::new(), message };
    let mut reader =
        csv::ReaderBuilder::new().has_headers(true).comment(Some(b'#')).from_reader(table);
    let unread = |error: csv::Error| {
        let line = error.position().map_or(0, csv::Position::line);
        fail(line, format!("no line of a table: {error}"))
    };
    let names = reader.headers().map_err(unread)?;
    if names.iter().ne(columns.iter().copied()) {
        return Err(fail(1, format!("the columns must be {}", columns.join(","))));
    }
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(unread)? {
        let line = record.position().map_or(0, csv::Position::line);
        if line > LINES_MAX {
            return Err(fail(line, format!("a table has {LINES_MAX} lines at most")));
        }
        visit(&Cells { file, line, columns, record: &record })?;
    }
    Ok(())
}

impl Cells<'_> {
    /// What the cell of a column holds.
    pub(super) fn text(&self, column: &str) -> &str {
        let at = self.columns.iter().position(|name| *name == column);
        &self.record[at.expect("a column of this table")]
    }

    /// What is wrong with the cell of a column.
    pub(super) fn wrong(&self, column: &str, message: impl Into<String>) -> CompileError {
        let (file, line) = (self.file, self.line);
        CompileError { file, line, column: column.to_owned(), message: message.into() }
    }

    pub(super) fn filled(&self, column: &str) -> Result<&str, CompileError> {
        match self.text(column) {
            "" => Err(self.wrong(column, "must not be empty")),
            text => Ok(text),
        }
    }

    /// Reads a cell; `valid` says what could be in it.
    pub(super) fn parse<T>(
        &self,
        column: &str,
        valid: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, CompileError> {
        let text = self.text(column);
        read(text).ok_or_else(|| self.wrong(column, format!("`{text}` is not {valid}")))
    }

    /// Reads a cell that may be empty: no source says.
    pub(super) fn optional<T>(
        &self,
        column: &str,
        valid: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, CompileError> {
        match self.text(column) {
            "" => Ok(None),
            _ => self.parse(column, valid, read).map(Some),
        }
    }

    pub(super) fn cloud(&self) -> Result<Cloud, CompileError> {
        self.parse("provider", "aws, azure or gcp", Cloud::parse)
    }

    pub(super) fn price(&self, column: &str) -> Result<Price, CompileError> {
        self.parse(column, "a plain decimal with ten decimals at most", usd)
    }
}
