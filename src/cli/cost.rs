//! `dsenv cost`: what the environment will cost, offline and without an account.

use super::setting::Setting;
use super::{Exit, compare};
use crate::diag::{Code, Diagnostic};
use crate::drive::{BookChoice, Compiled, Figures, Files, Front, Options, Planned, Problem};
use crate::estimate::difference::Side;
use crate::estimate::wire::{self, Paid};
use crate::estimate::{self, Estimate, Moment, Terms};
use crate::report::cost::{self, groups::By};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Args)]
pub(super) struct Typed {
    /// Sums by `tier`, `kind`, `owner` or `tag:NAME` instead of line by line.
    #[arg(long, value_name = "WHAT")]
    by: Option<By>,
    /// Shows what each apply came to by the prices of its day, and why that changed.
    #[arg(long, conflicts_with = "by")]
    history: bool,
    /// Shows what differs from another blueprint, a folder with one, or what `cost --json` printed, and why.
    #[arg(long, value_name = "BASE", conflicts_with_all = ["by", "history"])]
    diff: Option<PathBuf>,
    #[command(flatten)]
    figures: FigureArgs,
    #[command(subcommand)]
    elsewhere: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Prices the same environment on other providers and in other regions.
    Compare(compare::Typed),
}

/// With which figures something is priced: the same wherever prices are shown.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct FigureArgs {
    /// How resources are used; else `dsenv.usage.yaml` beside the blueprint, where it is there.
    #[arg(long, value_name = "FILE")]
    usage: Option<PathBuf>,
    /// Own prices and the currency; else `dsenv.rates.yaml` beside the blueprint, where it is there.
    #[arg(long, value_name = "FILE")]
    rates: Option<PathBuf>,
    #[command(flatten)]
    book: WhichBook,
}

/// Which price book is used.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(super) struct WhichBook {
    /// Takes the prices that came with this dsenv, also where newer ones were fetched.
    #[arg(long)]
    builtin: bool,
}

impl WhichBook {
    pub(super) fn choice(self) -> BookChoice {
        if self.builtin { BookChoice::BuiltIn } else { BookChoice::Newest }
    }
}

impl Setting {
    /// Reads the figures that resources of these names are priced with, and says what is odd about them.
    pub(super) fn figures(
        &self,
        args: &FigureArgs,
        resources: &[&str],
    ) -> Result<Arc<Figures>, Problem> {
        let files = Files { usage: args.usage.clone(), rates: args.rates.clone() };
        let (figures, remarks) = self.site.figures(args.book.choice(), &files, resources)?;
        for (source, findings) in remarks {
            self.say_findings_of(&findings, source.as_ref());
        }
        Ok(Arc::new(figures))
    }

    /// The same for what was compiled.
    pub(super) fn figures_for(
        &self,
        args: &FigureArgs,
        compiled: &Compiled,
    ) -> Result<Arc<Figures>, Problem> {
        let resources = compiled.front.resolved.resources.keys();
        let names: Vec<&str> = resources.map(|addr| &*addr.name).collect();
        self.figures(args, &names)
    }

    /// Warns of own prices that are for nothing in a plan, each at its place in their file.
    pub(super) fn warn_of_idle(&self, figures: &Figures, planned: &Planned, front: &Front) {
        if let Some(file) = &figures.rates_file {
            self.say_findings_of(&figures.idle(&planned.plan, front), Some(file));
        }
    }
}

pub(super) fn run(setting: &Setting, typed: &Typed) -> Result<Exit, Problem> {
    if let Some(Command::Compare(compare)) = &typed.elsewhere {
        return compare::run(setting, compare, &typed.figures);
    }
    if typed.history {
        return history(setting);
    }
    let compiled = setting.compile()?;
    let planned = setting.site.foresee(&compiled, &Options::default())?;
    let front = &compiled.front;
    let figures = setting.figures_for(&typed.figures, &compiled)?;
    setting.warn_of_idle(&figures, &planned, front);
    let terms = figures.terms();
    let (plan, provider) = (&planned.plan, &*front.provider);
    let estimate = estimate::estimate(plan, &front.resolved, provider, &terms, Moment::After);
    if let Some(base) = &typed.diff {
        return diff(setting, base, &compiled, &estimate, &terms);
    }
    let region = estimate.region.as_ref().map_or_else(String::new, |region| format!(", {region}"));
    let title = format!(
        "{} in {} on {}{region}",
        plan.bound.blueprint, plan.bound.environment, estimate.provider
    );
    setting.answer(
        || cost::json::json(&estimate),
        || cost::text(&estimate, &title, typed.by.as_ref(), &setting.style(false)),
    );
    Ok(Exit::Done)
}

fn diff(
    setting: &Setting,
    base: &Path,
    compiled: &Compiled,
    estimate: &Estimate,
    terms: &Terms<'_>,
) -> Result<Exit, Problem> {
    let before = setting.site.base(base, &setting.request, compiled, terms)?;
    let after = Side::of(estimate);
    if before.currency != after.currency {
        let message = format!(
            "`{}` is in {}, and this estimate is in {}",
            base.display(),
            before.currency,
            after.currency
        );
        let help = "make both with the same `--rates`; two currencies have no difference";
        return Err(Problem::refused(Diagnostic::error(Code::E1010, message).help(help)));
    }
    let resolved = &compiled.front.resolved;
    let title =
        format!("{} in {} against {}", resolved.blueprint, resolved.environment, base.display());
    setting.answer(
        || cost::diff::json(&before, &after),
        || cost::diff::text(&before, &after, &title, &setting.style(false)),
    );
    Ok(Exit::Done)
}

fn history(setting: &Setting) -> Result<Exit, Problem> {
    let front = setting.front()?;
    let lines = setting.site.store(&front)?.read_costs()?;
    // What a crash cut off is left out.
    let paid: Vec<Paid> = lines.iter().filter_map(|line| wire::read(line)).collect();
    setting.answer(
        || cost::history::json(&paid),
        || cost::history::text(&paid, &setting.style(false)),
    );
    Ok(Exit::Done)
}
