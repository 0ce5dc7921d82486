//! Findings as JSON, `dsenv-diagnostics/1`: what `check --json` prints and other outputs embed.
//!
//! The keys are a contract (see the format's golden below): changing one changes the number.

use super::{Diagnostic, Findings, Source};
use serde::Serialize;

/// The name and version of the format.
pub const FORMAT: &str = "dsenv-diagnostics/1";

/// The document that `check --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Always [`FORMAT`].
    pub format: &'static str,
    /// In the order of the text.
    pub diagnostics: Vec<Entry>,
}

/// One diagnostic; lines and columns count from 1, columns in characters, the end is exclusive.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Such as `E0102`.
    pub code: &'static str,
    /// `error`, `warning` or `note`.
    pub severity: &'static str,
    /// The same for every diagnostic of this code.
    pub title: &'static str,
    /// What is wrong, with names.
    pub message: String,
    /// The file, as the user named it.
    pub file: String,
    /// `null` when it concerns the file as a whole, as for the other three.
    pub line: Option<u32>,
    /// See `line`.
    pub column: Option<u32>,
    /// See `line`.
    pub end_line: Option<u32>,
    /// See `line`.
    pub end_column: Option<u32>,
    /// The resource concerned, or `null`.
    pub address: Option<String>,
    /// What to do; may be empty.
    pub help: Vec<String>,
}

/// Turns findings into the document of `check --json`.
pub fn report(findings: &Findings, source: &Source) -> Report {
    Report { format: FORMAT, diagnostics: entries(findings, source) }
}

/// Turns findings into the list that other documents, such as a plan, embed.
pub fn entries(findings: &Findings, source: &Source) -> Vec<Entry> {
    findings.sorted().into_iter().map(|diagnostic| entry(diagnostic, source)).collect()
}

fn entry(diagnostic: &Diagnostic, source: &Source) -> Entry {
    let start = diagnostic.span.map(|span| source.position(span.start));
    let end = diagnostic.span.map(|span| source.position(span.end));
    Entry {
        code: diagnostic.code.as_str(),
        severity: diagnostic.severity.as_str(),
        title: diagnostic.code.title(),
        message: diagnostic.message.clone(),
        file: source.name().to_owned(),
        line: start.map(|position| position.line),
        column: start.map(|position| position.column),
        end_line: end.map(|position| position.line),
        end_column: end.map(|position| position.column),
        address: diagnostic.address.clone(),
        help: diagnostic.help.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Code, Span};
    use expect_test::expect;

    #[test]
    fn the_format_is_a_contract() {
        let source = Source::new("dsenv.yaml", "a: 1\ném: 2\n");
        let findings = Findings::from_iter([
            Diagnostic::error(Code::E0102, "`ém` is written twice")
                .at(Span::new(5, 8))
                .address("lake")
                .help("rename it"),
            Diagnostic::warning(Code::E0001, "large"),
        ]);
        let json = serde_json::to_string_pretty(&report(&findings, &source)).expect("plain data");
        expect![[r#"
            {
              "format": "dsenv-diagnostics/1",
              "diagnostics": [
                {
                  "code": "E0001",
                  "severity": "warning",
                  "title": "file too large",
                  "message": "large",
                  "file": "dsenv.yaml",
                  "line": null,
                  "column": null,
                  "end_line": null,
                  "end_column": null,
                  "address": null,
                  "help": []
                },
                {
                  "code": "E0102",
                  "severity": "error",
                  "title": "duplicate key",
                  "message": "`ém` is written twice",
                  "file": "dsenv.yaml",
                  "line": 2,
                  "column": 1,
                  "end_line": 2,
                  "end_column": 3,
                  "address": "lake",
                  "help": [
                    "rename it"
                  ]
                }
              ]
            }"#]]
        .assert_eq(&json);
    }
}
