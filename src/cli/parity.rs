//! `dsenv parity`: whether two environments are identical up to what may vary.

use super::Exit;
use super::setting::Setting;
use crate::drive::Problem;
use crate::parity::{Level, Verdict};
use crate::report::parity::{self, Heading};
use clap::{Args, ValueEnum};

#[derive(Args)]
pub(super) struct Typed {
    /// The first environment, `dev`.
    #[arg(value_name = "ONE")]
    one: String,
    /// The second one, `prod`.
    #[arg(value_name = "OTHER")]
    other: String,
    /// How deep it has to look; without it, as far as the files on this machine lead.
    #[arg(long, value_enum, ignore_case = true)]
    level: Option<LevelTyped>,
}

#[derive(Clone, Copy, ValueEnum)]
enum LevelTyped {
    /// What the blueprint says.
    #[value(alias = "0", alias = "declared")]
    L0,
    /// What the lock pins, too.
    #[value(alias = "1", alias = "locked")]
    L1,
    /// What the states say was applied, too.
    #[value(alias = "2", alias = "applied")]
    L2,
    /// What is found on the machines, too.
    #[value(alias = "3", alias = "observed")]
    L3,
}

pub(super) async fn run(setting: &Setting, typed: &Typed) -> Result<Exit, Problem> {
    let names = [typed.one.as_str(), typed.other.as_str()];
    let asked = typed.level.map(|level| match level {
        LevelTyped::L0 => Level::Declared,
        LevelTyped::L1 => Level::Locked,
        LevelTyped::L2 => Level::Applied,
        LevelTyped::L3 => Level::Observed,
    });
    let pair = setting.site.parity(&setting.request, names, asked).await?;
    let front = &pair.compiled[0].front;
    let heading = Heading {
        blueprint: &front.resolved.blueprint,
        blueprint_digest: &front.digest,
        environments: names,
        time: setting.site.world.now().to_string(),
        tool_version: env!("CARGO_PKG_VERSION"),
    };
    setting.answer(
        || parity::json(&pair.parity, &heading),
        || parity::text(&pair.parity, &heading, &setting.style(false)),
    );
    Ok(match pair.parity.verdict() {
        Verdict::Identical | Verdict::IdenticalWithSubstitutions => Exit::Done,
        Verdict::Violation => Exit::Failed,
        Verdict::CannotTell => Exit::CannotTell,
    })
}
