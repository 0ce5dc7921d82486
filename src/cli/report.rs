//! `dsenv report`: what the environment will cost, for people without a terminal.
//!
//! Without `-o` the report is the answer, on stdout, like every other. With it, the file is written whole or
//! not at all, and only an earlier report is replaced: `-o dsenv.yaml` would be the end of the blueprint.

use super::Exit;
use super::cost::FigureArgs;
use super::setting::Setting;
use super::terminal;
use crate::diag::{Code, Diagnostic};
use crate::drive::{Options, Problem, chain};
use crate::report::review::{self, Sources};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// A file that is larger is no report.
const REPORT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// By which part of its beginning an earlier report is known.
const HEAD_BYTES: usize = 2 * 1024;

#[derive(Args)]
pub(super) struct Typed {
    /// What is made of it; `--json` is short for `json`.
    #[arg(long, value_enum, default_value_t = Format::Html)]
    format: Format,
    /// Writes it to a file instead of stdout; an earlier report is replaced.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    figures: FigureArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A page that needs nothing else: no network, no script.
    Html,
    /// A comment for a pull request.
    Markdown,
    /// `dsenv-report/1`; `dsenv schema report` prints its schema.
    Json,
    /// One row a line, in columns of FOCUS.
    Csv,
}

pub(super) fn run(setting: &Setting, typed: &Typed) -> Result<Exit, Problem> {
    let compiled = setting.compile()?;
    let site = &setting.site;
    let figures = setting.figures_for(&typed.figures, &compiled)?;
    let options = Options { figures: figures.clone(), ..Options::default() };
    let planned = site.foresee(&compiled, &options)?;
    setting.warn_of_idle(&figures, &planned, &compiled.front);
    let now = site.world.now();
    let report = review::build(Sources {
        tool_version: env!("CARGO_PKG_VERSION"),
        front: &compiled.front,
        planned: &planned,
        environments: site.survey(&setting.request, &options)?,
        advice: site.advise(&compiled, &options)?,
        terms: &figures.terms(),
        made: Some(now.to_zoned(jiff::tz::TimeZone::UTC).date()),
    });
    let format = if setting.general.json { Format::Json } else { typed.format };
    let text = match format {
        Format::Html => review::html(&report),
        Format::Markdown => review::markdown(&report),
        Format::Json => format!("{:#}\n", review::json(&report)),
        Format::Csv => review::csv(&report),
    };
    match &typed.out {
        None => terminal::out(&text),
        Some(file) => {
            refuse_to_replace(setting, file)?;
            let written = site.world.disk().write_atomic(file, text.as_bytes());
            written.map_err(|error| not_written(file, &error))?;
            setting.say(&format!("The report is in `{}`.\n", file.display()));
        }
    }
    Ok(Exit::Done)
}

fn refuse_to_replace(setting: &Setting, file: &Path) -> Result<(), Problem> {
    match setting.site.world.disk().read(file, REPORT_BYTES_MAX) {
        Ok(None) => Ok(()),
        Ok(Some(bytes)) if bytes.is_empty() || is_report(&bytes) => Ok(()),
        Ok(Some(_)) => {
            let message = format!("`{}` is there, and it is no report", file.display());
            let help = "name a file that is not there yet: `-o report.html`";
            Err(Problem::refused(Diagnostic::error(Code::E0906, message).help(help)))
        }
        Err(error) => Err(not_written(file, &error)),
    }
}

/// Each form names itself near its beginning.
fn is_report(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(HEAD_BYTES)]);
    head.starts_with(&review::CSV_HEAD.join(","))
        || ["<!doctype html>", "<!-- ", "{"].iter().any(|start| head.starts_with(start))
            && String::from_utf8_lossy(bytes).contains(review::FORMAT)
}

fn not_written(file: &Path, error: &crate::world::DiskError) -> Problem {
    let why = chain(error);
    let message = format!("the report cannot be written to `{}`: {why}", file.display());
    let help = "name a file in a folder that is there: `-o report.html`";
    Problem::refused(Diagnostic::error(Code::E0906, message).help(help))
}
