//! How an apply ended: what was done, what failed and why, and what to do.

use super::style::{Ink, wrap};
use super::{Detail, Style, words};
use crate::diag::{Code, Diagnostic, Findings, Source, Span, render};
use crate::event::Work;
use dsenv_sdk::Addr;

/// How many names of what was skipped a brief report has.
const NAMES_MAX: usize = 10;

/// The end of an apply.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was done, in the order in which it ended.
    pub applied: Vec<(Addr, Work)>,
    /// What failed.
    pub failed: Vec<Failure>,
    /// What was not begun, and what it waited for.
    pub skipped: Vec<(Addr, Addr)>,
    /// What was begun and nobody knows the end of.
    pub unknown: Vec<Addr>,
    /// Whether somebody asked it to stop.
    pub interrupted: bool,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// One failed step.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The node.
    pub addr: Addr,
    /// What was to be done.
    pub work: Work,
    /// Such as [`Code::E0901`].
    pub code: Code,
    /// The class of the error, in a word.
    pub class: String,
    /// What happened.
    pub message: String,
    /// What led to it, outermost first.
    pub causes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
    /// The cloud's own name for the request.
    pub request_id: Option<String>,
    /// Where its resource stands in the blueprint; `None` when the blueprint no longer has it.
    pub span: Option<Span>,
}

/// Renders every failure with its place in the blueprint, then what was skipped, what is not known,
/// and one line that counts everything.
pub fn text(outcome: &Outcome, source: &Source, style: &Style) -> String {
    let mut text = String::new();
    for failure in &outcome.failed {
        text.push_str(&self::failure(failure, source, style));
    }
    let names = |addrs: Vec<String>| match style.detail {
        Detail::Brief => words::some(&addrs, NAMES_MAX),
        Detail::Full => addrs.join(", "),
    };
    let mut line = |ink, title: String, rest: String| {
        let rest = wrap(&rest, title.len(), 2, style.width).join("\n");
        text.push_str(&format!("{}{rest}\n", style.paint(ink, &title)));
    };
    if !outcome.skipped.is_empty() {
        let addrs = outcome.skipped.iter().map(|(addr, _)| addr.to_string()).collect();
        let title = format!("Skipped {}: ", outcome.skipped.len());
        line(Ink::Change, title, names(addrs));
    }
    if !outcome.unknown.is_empty() {
        let addrs = outcome.unknown.iter().map(Addr::to_string).collect();
        let why = "their end is not known; the next apply finds out";
        let title = format!("Unknown {}: ", outcome.unknown.len());
        line(Ink::Danger, title, format!("{} ({why})", names(addrs)));
    }
    let (ink, title, rest) = last_line(outcome);
    line(ink, title.to_owned(), rest);
    text
}

fn last_line(outcome: &Outcome) -> (Ink, &'static str, String) {
    let mut parts = Vec::new();
    for work in [Work::Create, Work::Update, Work::Resume, Work::Delete, Work::Forget] {
        let count = outcome.applied.iter().filter(|(_, done)| *done == work).count();
        if count > 0 {
            parts.push(format!("{} {}", words::number(count), work.done()));
        }
    }
    for (count, what) in [
        (outcome.failed.len(), "failed"),
        (outcome.skipped.len(), "skipped"),
        (outcome.unknown.len(), "unknown"),
    ] {
        if count > 0 {
            parts.push(format!("{} {what}", words::number(count)));
        }
    }
    if parts.is_empty() {
        parts.push("nothing changed".to_owned());
    }
    let is_whole = outcome.failed.is_empty() && outcome.unknown.is_empty();
    let (ink, title) = match (is_whole, outcome.interrupted) {
        (_, true) => (Ink::Danger, "Stopped: "),
        (true, false) if outcome.skipped.is_empty() => (Ink::Good, "Done: "),
        _ => (Ink::Danger, "Not done: "),
    };
    let rest = format!("{} in {}", parts.join(", "), words::duration(outcome.elapsed_ms));
    let next = match title {
        "Done: " => ".",
        _ => ". What was made is kept and recorded; `dsenv plan` starts from there.",
    };
    (ink, title, format!("{rest}{next}"))
}

/// One failure as a diagnostic, with the chain of causes under it.
fn failure(failure: &Failure, source: &Source, style: &Style) -> String {
    let Failure { addr, work, class, message, .. } = failure;
    let doing = work.doing();
    let message = format!("{doing} `{addr}` failed: {message} ({class})");
    let mut diagnostic = Diagnostic::error(failure.code, message).address(addr.to_string());
    diagnostic.span = failure.span;
    let text = render::text(&Findings::from(diagnostic), source, style.look());
    let mut text = text.trim_end().to_owned();
    text.push('\n');
    // The renderer's own notes stand behind the numbers of lines; these stand below them.
    let note = text.lines().rfind(|line| line.trim_start().starts_with("= ")).unwrap_or("  = ");
    let indent = " ".repeat(note.len() - note.trim_start().len());
    let mut line = |name: &str, words: &str| {
        let lead = format!("{indent}= {name}: ");
        let lines = wrap(&words.replace('\n', " "), lead.len(), lead.len(), style.width);
        text.push_str(&format!("{lead}{}\n", lines.join("\n")));
    };
    for cause in &failure.causes {
        line("cause", cause);
    }
    if let Some(request) = &failure.request_id {
        line("request", request);
    }
    if let Some(help) = &failure.help {
        line("help", help);
    }
    text.push('\n');
    text
}
