//! A customer's own prices: discounts, agreed prices, the hourly rate of an own machine, and the currency.
//! Pure; a file of them is read by [`super::read`].
//!
//! A rule names what it is for by provider, region, service (the key of a cost driver), type and purchase
//! option; what it does not name, it is for all of. Of the rules that are for a charge the most specific one
//! wins, wherever it stands: first whichever names more things exactly, then more by a pattern, then the
//! longer pattern. Two that are equally specific and can both be for one charge are refused when they are read.
//!
//! ## Why
//! Rules never add up: a price that is 10 % and then 5 % off is one that nobody has in a contract.

use crate::diag::Span;
use dsenv_sdk::cost::{MACHINE_HOUR, Rate};
use dsenv_sdk::prices::search::is_like;
use dsenv_sdk::prices::{Currency, Date, Exchange, Money, Purchase};
use rust_decimal::Decimal;

/// Effective prices have so many decimals at most, so that times any quantity they stay exact.
pub const PRICE_DECIMALS: u32 = 12;

/// A customer's own prices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    /// The currency of every sum; `None` is that of the price book.
    pub currency: Option<Currency>,
    /// What other currencies are worth in it.
    pub exchanges: Vec<Conversion>,
    /// The rules, in no order that matters.
    pub rules: Vec<Rule>,
}

/// A rate of exchange, and who says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    /// The rate with its day.
    pub exchange: Exchange,
    /// Who published it.
    pub source: String,
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// A provider, by its name.
    pub provider: Option<String>,
    /// A region or a pattern for regions.
    pub region: Option<String>,
    /// The key of a cost driver or a pattern for keys; an hour of a machine is `machine/hour`.
    pub service: Option<String>,
    /// A type of a machine or a pattern for types.
    pub ty: Option<String>,
    /// How a machine is bought.
    pub purchase: Option<Purchase>,
    /// What it gives.
    pub gives: Gives,
    /// Who says so: a contract, a meter.
    pub source: String,
    /// Since when, or as of which day.
    pub as_of: Date,
    /// What else must be known of it.
    pub note: Option<String>,
    /// Where it stands in its file.
    pub span: Span,
}

/// What a rule gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Gives {
    /// So many percent less than the list says; from 0 to 100.
    Off(Decimal),
    /// This price for each unit, whatever the list says.
    Price(Money),
}

/// What a rule is asked about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sold<'a> {
    pub(super) provider: &'a str,
    pub(super) region: Option<&'a str>,
    pub(super) rate: &'a Rate,
}

/// How specific a rule is; the greatest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weight {
    exact: usize,
    patterns: usize,
    letters: usize,
}

impl Rates {
    /// Says whether there is a rule for this provider by name: then one without a price list is charged.
    pub fn name(&self, provider: &str) -> bool {
        self.rules.iter().any(|rule| rule.provider.as_deref() == Some(provider))
    }

    /// Returns an amount in a currency; `None` without a rate of exchange.
    pub fn convert(&self, money: Money, to: Currency) -> Option<Decimal> {
        if money.currency == to {
            return Some(money.amount);
        }
        let fits = |it: &&Conversion| it.exchange.from == money.currency && it.exchange.to == to;
        let conversion = self.exchanges.iter().find(fits)?;
        let amount = money.convert(&conversion.exchange).ok()?.amount;
        Some(amount.round_dp(PRICE_DECIMALS).normalize())
    }

    /// Returns the rule that wins for what is sold; `None` when none is for it.
    pub(super) fn rule(&self, sold: Sold<'_>) -> Option<&Rule> {
        // Equally specific ones that are for the same were refused, so there is one greatest.
        self.rules.iter().filter(|rule| rule.is_for(sold)).max_by_key(|rule| rule.weight())
    }

    /// Returns the first two rules that are equally specific and can be for one charge, by their places.
    pub fn tie(&self) -> Option<(usize, usize)> {
        let rules = &self.rules;
        let later = |at: usize| (at + 1..rules.len()).map(move |other| (at, other));
        (0..rules.len()).flat_map(later).find(|(one, other)| rules[*one].ties_with(&rules[*other]))
    }
}

/// Text that a pattern may be in.
fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether a name is what a rule says; a rule that says nothing is for every name, and one that says
/// something is not for what has no name.
fn fits(wanted: Option<&str>, name: Option<&str>) -> bool {
    match (wanted, name) {
        (None, _) => true,
        (Some(wanted), Some(name)) => is_like(wanted, name),
        (Some(_), None) => false,
    }
}

impl Rule {
    /// The service that it is for: who names a type or a purchase option and no service means machines.
    fn service(&self) -> Option<&str> {
        let machines = self.ty.is_some() || self.purchase.is_some();
        self.service.as_deref().or(machines.then_some(MACHINE_HOUR))
    }

    /// Whether it is for machines alone, and its service is for none.
    pub(super) fn contradicts_itself(&self) -> bool {
        let machines = self.ty.is_some() || self.purchase.is_some();
        machines && !fits(self.service(), Some(MACHINE_HOUR))
    }

    /// Whether it is for anything at all of a provider in a region.
    pub(super) fn is_of(&self, provider: &str, region: Option<&str>) -> bool {
        fits(self.provider.as_deref(), Some(provider)) && fits(self.region.as_deref(), region)
    }

    /// Whether it is for what is sold, also where a more specific one wins.
    pub(super) fn is_for(&self, sold: Sold<'_>) -> bool {
        self.is_of(sold.provider, sold.region)
            && match sold.rate {
                Rate::Machine { ty, purchase, .. } => {
                    fits(self.service(), Some(MACHINE_HOUR))
                        && fits(self.ty.as_deref(), Some(ty))
                        && self.purchase.is_none_or(|only| only == *purchase)
                }
                // Who names a type means machines alone: classes of the rest are in their keys.
                Rate::Key(key) => {
                    fits(self.service(), Some(key)) && self.ty.is_none() && self.purchase.is_none()
                }
                // What the blueprint itself says is what is paid at most; no list, no discount.
                Rate::Said(_) | Rate::Dearest(_) => false,
            }
    }

    fn texts(&self) -> [Option<&str>; 4] {
        [
            self.provider.as_deref(),
            self.region.as_deref(),
            self.service.as_deref(),
            self.ty.as_deref(),
        ]
    }

    pub(super) fn weight(&self) -> Weight {
        let named = || self.texts().into_iter().flatten();
        let patterns = || named().filter(|text| is_pattern(text));
        let literal = |text: &str| text.chars().filter(|c| !['*', '?'].contains(c)).count();
        let exact = named().count() - patterns().count() + usize::from(self.purchase.is_some());
        Weight { exact, patterns: patterns().count(), letters: patterns().map(literal).sum() }
    }

    /// Whether both can be for one charge, and neither is the more specific one.
    fn ties_with(&self, other: &Rule) -> bool {
        let both = |one: Option<&str>, other: Option<&str>| match (one, other) {
            (Some(one), Some(other)) => can_meet(one, other),
            _ => true,
        };
        let purchase = match (self.purchase, other.purchase) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        self.weight() == other.weight()
            && purchase
            && both(self.service(), other.service())
            && self.texts().into_iter().zip(other.texts()).all(|(one, other)| both(one, other))
    }
}

/// Whether there is a text that is like both patterns.
fn can_meet(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // Whether what is left of both patterns from these places can meet; filled from the ends.
    let mut meets = vec![vec![false; other.len() + 1]; one.len() + 1];
    for a in (0..=one.len()).rev() {
        for b in (0..=other.len()).rev() {
            meets[a][b] = match (one.get(a), other.get(b)) {
                (None, None) => true,
                (Some('*'), _) if meets[a + 1][b] => true,
                (_, Some('*')) if meets[a][b + 1] => true,
                (Some('*'), Some(_)) => meets[a][b + 1],
                (Some(_), Some('*')) => meets[a + 1][b],
                (Some(x), Some(y)) => (x == y || *x == '?' || *y == '?') && meets[a + 1][b + 1],
                (None, Some(_)) | (Some(_), None) => false,
            };
        }
    }
    meets[0][0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_meet_where_one_text_is_like_both() {
        for (one, other) in
            [("m7i.*", "*.large"), ("a*", "ab"), ("*", ""), ("a?c", "abc"), ("*a*", "*b*")]
        {
            assert!(can_meet(one, other), "{one} {other}");
            assert!(can_meet(other, one), "{other} {one}");
        }
        for (one, other) in
            [("m7i.*", "c7i.*"), ("a", "b"), ("a?", "a"), ("*/hour", "bucket/*/read")]
        {
            assert!(!can_meet(one, other), "{one} {other}");
            assert!(!can_meet(other, one), "{other} {one}");
        }
    }
}
