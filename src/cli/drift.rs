//! `dsenv drift`: what was changed outside of dsenv.

use super::Exit;
use super::plan::show;
use super::setting::Setting;
use crate::diff::{Mode, Reason, Wishes};
use crate::drive::{Options, Problem};
use clap::Args;

#[derive(Args)]
pub(super) struct Typed {
    /// Exits with 2 when there is drift.
    #[arg(long = "detailed-exitcode")]
    detailed_exitcode: bool,
}

pub(super) async fn run(setting: &Setting, typed: &Typed) -> Result<Exit, Problem> {
    let compiled = setting.compile()?;
    let wishes = Wishes { mode: Mode::RefreshOnly, ..Wishes::default() };
    let options = Options { wishes, ..Options::default() };
    let planned = setting.site.plan(&compiled, &options).await?;
    show(setting, &planned, false);
    let drifted = planned.plan.changes.iter().any(|change| {
        change.reason == Reason::GoneOutside || change.drift.iter().any(|drift| drift.relevant)
    });
    Ok(if typed.detailed_exitcode && drifted { Exit::Changes } else { Exit::Done })
}
