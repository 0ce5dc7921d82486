//! `dsenv errors`: the steps that failed, from the structured history.

use super::Exit;
use super::setting::Setting;
use crate::drive::Problem;
use crate::report;
use clap::Args;
use clap::builder::PossibleValuesParser;
use dsenv_sdk::provider::OpErrorClass;

#[derive(Args)]
pub(super) struct Typed {
    /// Only those of this class.
    #[arg(long, value_parser = PossibleValuesParser::new(OpErrorClass::NAMES))]
    class: Option<String>,
    /// How many at most, the latest first.
    #[arg(long, default_value_t = 20)]
    last: usize,
}

pub(super) async fn run(setting: &Setting, typed: &Typed) -> Result<Exit, Problem> {
    let front = setting.front()?;
    let store = setting.site.store(&front)?;
    let mut failures = store.read_errors()?;
    failures
        .retain(|failed| typed.class.as_ref().is_none_or(|class| failed.failure.class == *class));
    failures.reverse();
    failures.truncate(typed.last);
    setting.answer(
        || report::errors::json(&failures),
        || report::errors::text(&failures, &setting.style(false)),
    );
    Ok(Exit::Done)
}
