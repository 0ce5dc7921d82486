//! `dsenv destroy`: deletes the environment and proves that nothing is left.

use super::Exit;
use super::apply::{Manner, conclude_with_nothing, drive, question, refuse_to_guess};
use super::cost::FigureArgs;
use super::plan::{Look, Scope};
use super::setting::{Setting, addresses};
use crate::diff::Mode;
use crate::drive::{Compiled, Problem};
use crate::lower::Native;
use clap::Args;

#[derive(Args)]
pub(super) struct Typed {
    /// Keeps this resource and what it needs; may be repeated.
    #[arg(long, value_name = "ADDR", conflicts_with = "target")]
    keep: Vec<String>,
    /// Deletes only this resource and what needs it; may be repeated.
    #[arg(long, value_name = "ADDR")]
    target: Vec<String>,
    /// Allows the data of this resource to be deleted; may be repeated.
    #[arg(long = "delete-data", value_name = "ADDR")]
    delete_data: Vec<String>,
    #[command(flatten)]
    manner: Manner,
}

pub(super) async fn run(setting: &Setting, typed: &Typed) -> Result<Exit, Problem> {
    let scope = Scope {
        target: typed.target.clone(),
        exclude: Vec::new(),
        replace: Vec::new(),
        delete_data: typed.delete_data.clone(),
        refresh: Look::True,
        locked: false,
    };
    let mut options = scope.options(Mode::Destroy)?;
    options.wishes.exclude = addresses(&typed.keep)?;
    typed.manner.take_into(&mut options);
    let compiled = match setting.site.compile(&setting.request) {
        Ok((compiled, _)) => compiled,
        // What is wrong in the blueprint must not keep alive what costs money.
        Err(_) => {
            let front = setting.front()?;
            setting.say("The blueprint has mistakes (`dsenv check`); the state alone says what is deleted.\n");
            Compiled { front, native: Native::default() }
        }
    };
    // Nor what is wrong in the files beside it: list prices do.
    options.figures = setting.figures_for(&FigureArgs::default(), &compiled).unwrap_or_default();
    refuse_to_guess(&typed.manner, "dsenv plan --destroy")?;
    let loaded = setting.site.load(&compiled.front)?;
    if loaded.state.lineage.is_empty() {
        setting.say("Nothing was applied in this environment.\n");
        return conclude_with_nothing(setting);
    }
    drive(setting, &typed.manner, question(Mode::Destroy), async |talk| {
        setting.site.apply(compiled, &options, "destroy", talk).await
    })
    .await
}
