//! One published rate, and rates that change with the quantity.
//!
//! A price is a whole number of ten-billionths, so that it is what a source published, digit for digit.
//! An absent price is `None`; a price of zero is one that a source said.

use crate::date::Date;
use crate::money::{Currency, Money, MoneyError, exact_product};
use rust_decimal::Decimal;
use std::fmt;

/// Published prices have up to ten decimals.
pub(crate) const DECIMALS: u32 = 10;

/// One rate per unit, exactly as published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price {
    pub(crate) ten_billionths: i64,
    pub(crate) currency: Currency,
}

impl Price {
    /// Reads a plain decimal such as `0.0416`.
    ///
    /// `None` for a sign, an exponent, more than ten decimals, and from 922 million upwards.
    pub fn parse(text: &str, currency: Currency) -> Option<Price> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > DECIMALS as usize {
            return None;
        }
        let scale = 10_i64.pow(DECIMALS - decimals.len() as u32);
        let whole = whole.parse::<i64>().ok()?.checked_mul(10_i64.pow(DECIMALS))?;
        let decimals = decimals.parse::<i64>().ok()?.checked_mul(scale)?;
        Some(Price { ten_billionths: whole.checked_add(decimals)?, currency })
    }

    /// Returns the rate as a decimal without trailing zeros.
    pub fn decimal(self) -> Decimal {
        Decimal::new(self.ten_billionths, DECIMALS).normalize()
    }

    /// Returns what one unit costs.
    pub fn money(self) -> Money {
        Money { amount: self.decimal(), currency: self.currency }
    }

    /// Returns what so many units cost, exactly.
    pub fn cost(self, quantity: Decimal) -> Result<Money, MoneyError> {
        self.money().times(quantity)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.money().fmt(f)
    }
}

/// Where a figure is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin<'b> {
    /// What published it, with the revision: `parsec@28e2c40`.
    pub source: &'b str,
    /// The licence under which it may be passed on, as SPDX has it.
    pub licence: &'b str,
    /// Where it can be looked up.
    pub url: &'b str,
    /// The day of the figures; `None` when the source names none.
    pub as_of: Option<Date>,
    /// What else must be known of them; mostly empty.
    pub note: &'b str,
}

/// A rate with all that must be said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priced<'b> {
    /// The rate.
    pub price: Price,
    /// For what it is due once: `hour`, `GB-month`.
    pub unit: &'b str,
    /// Where it is from.
    pub origin: Origin<'b>,
    /// The source may have rounded it, mostly to the cent.
    pub rounded: bool,
}

/// One step of a rate that changes with the quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Quantity from which the price holds.
    pub from: u64,
    /// Quantity up to which it holds; `None` is without end.
    pub to: Option<u64>,
    /// What a unit costs within.
    pub price: Price,
}

/// A rate whose price changes with the quantity within a month.
///
/// A plain rate is one tier from zero without end. Tiers are in order and do not overlap; between them may
/// be holes, where no source says a price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiers(Vec<Tier>);

/// Why a quantity has no cost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCost {
    /// No source says what is charged within this range.
    #[error("no price is known from {from} {}", match to { Some(to) => format!("to {to}"), None => "upwards".to_owned() })]
    Missing {
        /// Where the hole begins.
        from: u64,
        /// Where it ends; `None` is without end.
        to: Option<u64>,
    },
    /// A quantity below zero.
    #[error("a quantity is zero or more")]
    Negative,
    /// The sum cannot be kept exactly.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

impl Tiers {
    /// Takes tiers in any order; `None` when there is none, one is empty, two overlap, or they are of two
    /// currencies.
    pub fn new(mut tiers: Vec<Tier>) -> Option<Tiers> {
        tiers.sort_by_key(|tier| tier.from);
        let full = tiers.iter().all(|tier| tier.to.is_none_or(|to| to > tier.from));
        let apart = tiers.windows(2).all(|two| {
            two[0].to.is_some_and(|to| to <= two[1].from)
                && two[0].price.currency == two[1].price.currency
        });
        (full && apart && !tiers.is_empty()).then_some(Tiers(tiers))
    }

    /// Returns the tiers in order.
    pub fn tiers(&self) -> &[Tier] {
        &self.0
    }

    /// Returns the price when it is the same for every quantity.
    pub fn flat(&self) -> Option<Price> {
        match self.0.as_slice() {
            [Tier { from: 0, to: None, price }] => Some(*price),
            _ => None,
        }
    }

    /// Returns what a quantity within one month costs, exactly.
    ///
    /// Of nothing it is zero. Where the quantity reaches into a range without a price, the hole is told:
    /// a sum without it would be too low.
    pub fn cost(&self, quantity: Decimal) -> Result<Money, NoCost> {
        if quantity.is_sign_negative() && !quantity.is_zero() {
            return Err(NoCost::Negative);
        }
        let mut sum = Money::zero(self.0[0].price.currency);
        let mut reached = 0;
        for tier in &self.0 {
            let from = Decimal::from(tier.from);
            if quantity <= Decimal::from(reached) {
                break;
            }
            if tier.from > reached {
                return Err(NoCost::Missing { from: reached, to: Some(tier.from) });
            }
            let end = tier.to.map_or(quantity, |to| quantity.min(Decimal::from(to)));
            sum = sum.plus(tier.price.cost(end - from)?)?;
            reached = tier.to.unwrap_or(u64::MAX);
        }
        if quantity > Decimal::from(reached) {
            return Err(NoCost::Missing { from: reached, to: None });
        }
        debug_assert!(exact_product(sum.amount, Decimal::ONE).is_some());
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn price(text: &str) -> Price {
        Price::parse(text, Currency::USD).expect("a price")
    }

    fn tiers(text: &str) -> Option<Tiers> {
        let tier = |text: &str| {
            let mut parts = text.split(' ');
            let mut next = || parts.next().expect("three parts");
            let from = next().parse().expect("a number");
            let to = next().parse().ok();
            Tier { from, to, price: price(next()) }
        };
        Tiers::new(text.split(", ").map(tier).collect())
    }

    fn check(tiers_text: &str, quantity: &str, expect: Expect) {
        let quantity = Decimal::from_str_exact(quantity).expect("a decimal");
        let tiers = tiers(tiers_text).expect("tiers");
        let shown = match tiers.cost(quantity) {
            Ok(money) => money.amount.normalize().to_string(),
            Err(error) => error.to_string(),
        };
        expect.assert_eq(&shown);
    }

    #[test]
    fn a_price_is_what_was_published_digit_for_digit() {
        for text in ["0.0000000309", "360.98695", "0", "0.0416", "922337203"] {
            assert_eq!(price(text).decimal().to_string(), text);
        }
        for wrong in
            ["", ".", "1.", ".5", "-1", "+1", "1e3", "0.00000000001", "922337204", "x", "1,5"]
        {
            assert_eq!(Price::parse(wrong, Currency::USD), None, "{wrong}");
        }
    }

    #[test]
    fn each_step_is_paid_at_its_own_price() {
        const EGRESS: &str = "0 10240 0.09, 10240 51200 0.085, 51200 - 0.07";
        check(EGRESS, "0", expect![["0"]]);
        check(EGRESS, "1", expect![["0.09"]]);
        check(EGRESS, "10240", expect![["921.6"]]);
        check(EGRESS, "10240.5", expect![["921.6425"]]);
        check(EGRESS, "61200", expect![["5103.2"]]);
        check(EGRESS, "-1", expect![["a quantity is zero or more"]]);
    }

    #[test]
    fn a_free_step_is_one_that_a_source_says() {
        check("0 100 0, 100 - 0.09", "150", expect![["4.5"]]);
    }

    #[test]
    fn a_hole_in_the_steps_gives_no_cost() {
        check("13 100 0.8", "5", expect![["no price is known from 0 to 13"]]);
        check("13 100 0.8", "50", expect![["no price is known from 0 to 13"]]);
        check("13 100 0.8", "0", expect![["0"]]);
        check("0 10 1, 20 - 3", "15", expect![["no price is known from 10 to 20"]]);
        check("0 10 1, 20 - 3", "10", expect![["10"]]);
        check("0 10 1", "10.1", expect![["no price is known from 10 upwards"]]);
    }

    #[test]
    fn steps_that_overlap_are_refused() {
        assert!(tiers("0 10 1, 9 - 2").is_none());
        assert!(tiers("0 - 1, 10 - 2").is_none());
        assert!(tiers("5 5 1").is_none());
        assert!(Tiers::new(Vec::new()).is_none());
        assert!(tiers("10 - 2, 0 10 1").is_some());
    }
}
