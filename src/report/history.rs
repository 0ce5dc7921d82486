//! What was done to an environment, by whom and when: `state history`.

use super::table;
use serde::Serialize;
use serde_json::{Value as Json, json};

/// One operation, as texts: where it comes from is the store's concern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The serial that it wrote.
    pub serial: u64,
    /// Its name.
    pub operation: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// Who, and on which machine: `ada@build7`.
    pub who: String,
    /// How it ended: `done`, `partly`, `failed`, `interrupted`.
    pub outcome: String,
    /// The command line as it was typed.
    pub command_line: String,
    /// Whether its state can still be restored.
    pub kept: bool,
}

/// Renders the history in the order given.
pub fn text(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "Nothing was done yet.\n".to_owned();
    }
    let cells = |row: &Row| {
        let kept = if row.kept { "kept" } else { "" };
        vec![
            row.serial.to_string(),
            row.started.clone(),
            row.who.clone(),
            row.outcome.clone(),
            kept.to_owned(),
            row.command_line.clone(),
        ]
    };
    let headings = ["SERIAL", "STARTED", "WHO", "OUTCOME", "STATE", "COMMAND"];
    table::table(&headings, rows.iter().map(cells).collect())
}

/// Makes the document of `state history --json`: a list in the order given.
pub fn json(rows: &[Row]) -> Json {
    json!(rows)
}
