//! Sums that say what they lack. Pure.

use super::line::Line;
use dsenv_sdk::cost::HOURS_A_MONTH;
use rust_decimal::Decimal;

/// Decimals of an amount by the hour that is a share of a month.
const HOURLY_DECIMALS: u32 = 10;

/// Three figures for one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds<T> {
    /// The least.
    pub floor: T,
    /// As it is, or will be right after an apply.
    pub now: T,
    /// The most.
    pub ceiling: T,
}

impl<T> Bounds<T> {
    /// Makes three of three.
    pub fn map<U>(self, mut with: impl FnMut(T) -> U) -> Bounds<U> {
        Bounds { floor: with(self.floor), now: with(self.now), ceiling: with(self.ceiling) }
    }

    /// Makes three of two times three.
    pub fn zip<U, V>(self, other: Bounds<U>, mut with: impl FnMut(T, U) -> V) -> Bounds<V> {
        Bounds {
            floor: with(self.floor, other.floor),
            now: with(self.now, other.now),
            ceiling: with(self.ceiling, other.ceiling),
        }
    }
}

/// What lines come to. Where something is missing, each figure is what it is at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// In a month.
    pub monthly: Bounds<Decimal>,
    /// Of that, what is charged by the hour, in an hour in which it runs.
    by_hour: Bounds<Decimal>,
    /// Of that, what is charged by the month.
    by_month: Bounds<Decimal>,
    /// How many lines and nodes have no price.
    pub missing: usize,
}

impl Total {
    /// Adds a line.
    pub fn add(&mut self, line: &Line) {
        let known = |amount: Option<Decimal>| amount.unwrap_or_default();
        self.monthly = self.monthly.zip(line.monthly, |sum, more| sum + known(more));
        self.by_hour = self.by_hour.zip(line.hourly, |sum, more| sum + known(more));
        if line.hours.is_none() {
            self.by_month = self.by_month.zip(line.monthly, |sum, more| sum + known(more));
        }
        self.missing += usize::from(line.is_missing());
    }

    /// Adds another total.
    pub fn join(&mut self, other: &Total) {
        self.monthly = self.monthly.zip(other.monthly, |sum, more| sum + more);
        self.by_hour = self.by_hour.zip(other.by_hour, |sum, more| sum + more);
        self.by_month = self.by_month.zip(other.by_month, |sum, more| sum + more);
        self.missing += other.missing;
    }

    /// Returns what an hour costs in which everything runs, with its share of what is charged by the
    /// month.
    pub fn hourly(&self) -> Bounds<Decimal> {
        let share = |month: Decimal| {
            (month / Decimal::from(HOURS_A_MONTH)).round_dp(HOURLY_DECIMALS).normalize()
        };
        self.by_hour.zip(self.by_month, |hour, month| (hour + share(month)).normalize())
    }
}
