//! The report of a plan's cost for people without a terminal: from the verdict to where each price is from.
//!
//! [`build`] puts a [`Report`] together: figures and facts, no sentences and no layout. [`html`], [`markdown`],
//! [`json`] and [`csv`] show the same report, so they cannot disagree. Text of HTML and Markdown comes from one
//! set of [`sections`], each table with its heading row.
//!
//! ## What holds
//! - What has no price is shown as that, and a sum with it as "at least"; no cell is 0 for want of a price.
//! - A section with nothing to say is one line, or absent: no empty tables.
//! - What users write (names, tags, messages) is text: the template escapes everything, and holds no unescaped
//!   part at all. Pictures are data too until the template draws them.
//! - The page needs no script, no network and no font of its own.
//!
//! ## Why
//! The day is handed in, because age of prices is part of what a reader must judge, and nothing here may ask
//! for the time: the same plan on the same day is the same report, byte by byte.

mod build;
mod csv;
mod figures;
mod html;
mod json;
mod markdown;
mod page;
mod schema;
mod sections;
#[cfg(test)]
mod tests;

pub use self::csv::{HEAD as CSV_HEAD, csv};
pub use build::{Sources, build};
pub use html::html;
pub use json::{FORMAT, json};
pub use markdown::markdown;
pub use schema::{cost_diff_schema, cost_schema, schema};

use crate::diff::Action;
use crate::drive::{Advice, Surveyed};
use crate::estimate::{Bounds, Estimate, Total};
use dsenv_sdk::Addr;
use dsenv_sdk::prices::{Band, Date, Money};
use jiff::civil;
use rust_decimal::Decimal;
use std::collections::BTreeSet;

/// What a reviewer is told of one environment.
#[derive(Clone, Debug)]
pub struct Report {
    /// The version of dsenv.
    pub tool_version: String,
    /// The blueprint's name.
    pub blueprint: String,
    /// The environment that it is about.
    pub environment: String,
    /// The day on which it was made; `None` when the caller has no clock.
    pub made: Option<civil::Date>,
    /// As it was applied last.
    pub before: Estimate,
    /// Once the plan is applied: every line of it.
    pub after: Estimate,
    /// Limits and what came of them; empty without a budget.
    pub budgets: Vec<Budget>,
    /// Every environment of the blueprint, in the order of the file.
    pub environments: Vec<Surveyed>,
    /// Resources that change, or cost something else than before, by address.
    pub changes: Vec<Changed>,
    /// Lines by what they cost, the dearest first; those that cost nothing are not in it.
    pub drivers: Vec<Driver>,
    /// What is bought as spot.
    pub spot: Vec<Spot>,
    /// Machines with accelerators.
    pub gpus: Vec<Gpus>,
    /// What does not run for every hour of the month.
    pub schedules: Vec<Schedule>,
    /// The rules that it is held to, those over the blueprint first.
    pub rules: Vec<Rule>,
    /// What is said against the plan.
    pub objections: Vec<Objection>,
    /// Edits that save something.
    pub advice: Vec<Advice>,
    /// What was assumed, since nobody says.
    pub assumptions: Vec<Assumption>,
    /// What the blueprint says of use.
    pub usage: Vec<Said>,
    /// What published the prices, the one with most money first.
    pub sources: Vec<Published>,
    /// Sums by one thing each; every resource is in one group of each.
    pub groups: Vec<Grouping>,
}

/// A limit, and what came of it.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Whose limit it is, in words.
    pub name: String,
    /// The most.
    pub limit: Money,
    /// What is held against it: its ceiling counts.
    pub total: Total,
    /// What came of it.
    pub outcome: Outcome,
    /// Why missing prices are passed over, when the blueprint says so.
    pub waived: Option<String>,
}

/// What came of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is room.
    Held,
    /// There is little room.
    Near,
    /// The ceiling is above it, which refuses the plan.
    Exceeded,
    /// A price is missing, or the currency is another one, which refuses the plan too.
    CannotTell,
}

impl Outcome {
    /// Returns the word of the JSON document.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Held => "held",
            Outcome::Near => "near",
            Outcome::Exceeded => "exceeded",
            Outcome::CannotTell => "cannot_tell",
        }
    }
}

/// A resource that changes, or costs something else.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The resource.
    pub addr: Addr,
    /// Its kind.
    pub kind: String,
    /// What is done with it; nothing when only its cost differs.
    pub action: Action,
    /// What is done and why, in words.
    pub what: String,
    /// What it costs as applied last; `None` when it was not there.
    pub before: Option<Total>,
    /// What it will cost; `None` when it will not be there.
    pub after: Option<Total>,
}

/// One line, by what it costs.
#[derive(Clone, Debug)]
pub struct Driver {
    /// The resource.
    pub addr: Addr,
    /// What is charged.
    pub name: String,
    /// What a month costs.
    pub monthly: Decimal,
}

/// Machines that are bought as spot.
#[derive(Clone, Debug)]
pub struct Spot {
    /// The resource.
    pub addr: Addr,
    /// The cloud's name of the type.
    pub ty: String,
    /// Hours of a month, of all of them together.
    pub hours: Decimal,
    /// What an hour costs as spot.
    pub price: Option<Decimal>,
    /// What an hour of the same type costs on demand.
    pub on_demand: Option<Decimal>,
    /// What an hour costs at most: when there is no spot, something else is taken.
    pub ceiling: Option<Decimal>,
    /// How many were taken back in a month, and what says so; `None` when nobody does.
    pub interrupted: Option<(Band, String)>,
    /// What a month costs, at least and at most.
    pub monthly: Bounds<Option<Decimal>>,
}

impl Spot {
    /// Returns what a month saves against on-demand machines of the type; `None` without both prices.
    pub fn saving(&self) -> Option<Decimal> {
        Some((self.on_demand? - self.price?) * self.hours)
    }
}

/// Machines with accelerators.
#[derive(Clone, Debug)]
pub struct Gpus {
    /// The resource.
    pub addr: Addr,
    /// What is charged.
    pub name: String,
    /// The accelerator's name.
    pub gpu: Option<String>,
    /// How many one machine has.
    pub each: Decimal,
    /// Hours of a month of one accelerator, of all of them together.
    pub hours: Decimal,
    /// What such an hour costs, with the machine around it.
    pub price: Option<Decimal>,
    /// What a month costs.
    pub monthly: Option<Decimal>,
}

/// A resource that does not run for every hour.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The resource.
    pub addr: Addr,
    /// For how many hours a month it runs.
    pub hours: Decimal,
    /// What its hours cost in such a month.
    pub monthly: Decimal,
    /// What they would cost if it always ran.
    pub always: Decimal,
    /// Whether a price of it is missing.
    pub is_missing: bool,
}

/// A rule, and what came of it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// What it says.
    pub message: Option<String>,
    /// What came of it.
    pub kept: Kept,
    /// What breaks it and may for a while.
    pub waived: Vec<Waived>,
}

/// What came of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It holds.
    Held,
    /// Whatever breaks it is waived.
    Waived,
    /// It is broken, and was advice.
    Advised,
    /// It is broken, which refuses the plan.
    Broken,
}

impl Kept {
    /// Returns the word of the JSON document.
    pub fn word(self) -> &'static str {
        match self {
            Kept::Held => "held",
            Kept::Waived => "waived",
            Kept::Advised => "advised",
            Kept::Broken => "broken",
        }
    }
}

/// A breach that may be.
#[derive(Clone, Debug)]
pub struct Waived {
    /// What breaks the rule; `None` when it is no resource by itself.
    pub addr: Option<Addr>,
    /// Why that may be.
    pub reason: String,
    /// The last day of it.
    pub until: civil::Date,
}

/// Something that is said against a plan.
#[derive(Clone, Debug)]
pub struct Objection {
    /// Whether it refuses the plan.
    pub refuses: bool,
    /// The code that `dsenv explain` explains.
    pub code: String,
    /// What is said.
    pub message: String,
}

/// Something that was assumed.
#[derive(Clone, Debug)]
pub struct Assumption {
    /// What, in words.
    pub text: String,
    /// Resources with a line that hangs on it.
    pub addrs: BTreeSet<Addr>,
    /// What such lines come to.
    pub total: Total,
}

/// Something that the blueprint says of use.
#[derive(Clone, Debug)]
pub struct Said {
    /// The resource.
    pub addr: Addr,
    /// The field of `usage`.
    pub field: &'static str,
    /// So much: GiB, requests or hours.
    pub amount: Decimal,
}

/// What published prices.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its name, with the revision.
    pub source: String,
    /// Its licence, as SPDX has it.
    pub licence: String,
    /// Where it can be looked up.
    pub url: String,
    /// The oldest and the newest day of its prices; `None` when it names none.
    pub as_of: Option<(Date, Date)>,
    /// How many lines are priced with it.
    pub lines: usize,
    /// How many of these prices it may have rounded.
    pub rounded: usize,
    /// What its lines come to.
    pub monthly: Decimal,
}

/// Sums by one thing.
#[derive(Clone, Debug)]
pub struct Grouping {
    /// By what: `tier`, `owner`, `kind`, `tag:team`.
    pub by: String,
    /// The groups, the dearest first.
    pub groups: Vec<(String, Total)>,
}

/// Where a report stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Everything has a price, and nothing refuses the plan.
    Priced,
    /// Something has no price: every sum with it is a lower bound.
    Incomplete,
    /// The plan is refused.
    Refused,
}

impl Standing {
    /// Returns the word of the JSON document.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Priced => "priced",
            Standing::Incomplete => "incomplete",
            Standing::Refused => "refused",
        }
    }
}

impl Report {
    /// Returns what the environment comes to once the plan is applied.
    pub fn total(&self) -> Total {
        self.after.total()
    }

    /// Returns what a month costs more than before; of what has a price.
    pub fn difference(&self) -> Decimal {
        self.total().monthly.now - self.before.total().monthly.now
    }

    /// Says whether anything of it was applied before.
    pub fn runs(&self) -> bool {
        self.before.resources.iter().any(|resource| !resource.lines.is_empty())
    }

    /// Says whether anything of it is charged, or may be.
    pub fn is_charged(&self) -> bool {
        let total = self.total();
        total.missing > 0 || total.monthly != Bounds::default()
    }

    /// Returns where it stands.
    pub fn standing(&self) -> Standing {
        if self.objections.iter().any(|objection| objection.refuses) {
            Standing::Refused
        } else if self.total().missing > 0 {
            Standing::Incomplete
        } else {
            Standing::Priced
        }
    }

    /// Returns for how many days a price has stood on the day of the report.
    pub fn age_days(&self, day: Date) -> Option<i64> {
        let day: civil::Date = day.to_string().parse().expect("a day of the calendar");
        let span = self.made?.since((jiff::Unit::Day, day)).ok()?;
        Some(span.get_days().into())
    }
}
