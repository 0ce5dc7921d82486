//! `dsenv schema`: JSON Schemas.

use super::{Exit, setting::Setting, terminal};
use crate::{editor, plan, report};
use clap::{Args, ValueEnum};

#[derive(Args)]
pub(super) struct Typed {
    /// Of what.
    #[arg(value_enum, default_value_t = Document::Blueprint)]
    document: Document,
}

#[derive(Clone, Copy, ValueEnum)]
enum Document {
    /// A blueprint, for editors.
    Blueprint,
    /// What `plan --json` prints.
    Plan,
    /// The lines that `apply --json` prints.
    Events,
    /// What `cost --json` prints.
    Cost,
    /// What `cost --diff --json` prints.
    CostDiff,
    /// What `report --format json` prints.
    Report,
    /// What `parity --json` prints.
    Parity,
}

pub(super) fn run(_setting: &Setting, typed: &Typed) -> Exit {
    let schema = match typed.document {
        Document::Blueprint => editor::schema(),
        Document::Plan => plan::wire::plan_schema(),
        Document::Events => report::progress::event_schema(),
        Document::Cost => report::review::cost_schema(),
        Document::CostDiff => report::review::cost_diff_schema(),
        Document::Report => report::review::schema(),
        Document::Parity => report::parity::schema(),
    };
    terminal::out(&format!("{schema:#}\n"));
    Exit::Done
}
