//! `dsenv show`: what the environment is, or what a saved plan would do.

use super::cost::FigureArgs;
use super::setting::Setting;
use super::{Exit, plan};
use crate::diag::Findings;
use crate::drive::{Planned, Problem};
use crate::report;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Typed {
    /// A plan that `dsenv plan -o` kept; without it, the environment.
    #[arg(value_name = "PLANFILE")]
    plan: Option<PathBuf>,
    /// Shows every line, however many there are.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    figures: FigureArgs,
}

pub(super) async fn run(setting: &Setting, typed: &Typed) -> Result<Exit, Problem> {
    if let Some(file) = &typed.plan {
        let plan = plan::load(setting, file)?;
        // Without its blueprint a plan can be looked at all the same.
        let figures = setting.figures(&typed.figures, &[])?;
        let cost =
            setting.front().ok().and_then(|front| crate::drive::cost(&plan, &front, &figures));
        let planned = Planned {
            plan,
            verdicts: Findings::new(),
            cost,
            diagnostics: Findings::new(),
            recovered: Default::default(),
            amid: None,
        };
        plan::show(setting, &planned, typed.full);
        return Ok(Exit::Done);
    }
    let front = setting.front()?;
    let loaded = setting.site.load(&front)?;
    setting.answer(
        || report::state::list_json(&loaded.state),
        || {
            let mut text = report::state::list(&loaded.state);
            if !loaded.state.outputs.is_empty() {
                text.push('\n');
                text.push_str(&report::outputs::text(
                    &loaded.state.outputs,
                    report::outputs::Secrets::Hidden,
                ));
            }
            text
        },
    );
    Ok(Exit::Done)
}
