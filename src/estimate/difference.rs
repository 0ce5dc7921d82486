//! What differs between two estimates, line by line, and why: a price, a quantity, the use. Pure.
//!
//! ## What holds
//! The amounts add up to the difference of the sums of all lines that have a price on both sides, or are on one
//! side alone. A line that has a price on one side only differs by what nobody knows: it is listed, and in no
//! sum, since a price that got lost would look like a saving.

use super::wire::{PaidLine, lines};
use super::{Bounds, Estimate};
use dsenv_sdk::prices::Currency;
use rust_decimal::Decimal;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// One side: an estimate, or what a document says of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// The currency of every amount.
    pub currency: Currency,
    /// The digest of the price book.
    pub book: String,
    /// Every line, as it is now or right after an apply.
    pub lines: Vec<PaidLine>,
    /// What a month comes to.
    pub monthly: Bounds<Decimal>,
    /// What an hour comes to in which everything runs.
    pub hourly: Bounds<Decimal>,
    /// How many lines have no price.
    pub missing: usize,
}

/// Why a document is no side. The text says what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is not JSON of the form.
    #[error("it is not what `dsenv cost --json` prints: {0}")]
    Form(#[from] serde_json::Error),
    /// It is another document, or of another version.
    #[error("it has format `{0}`, and what `dsenv cost --json` prints is `dsenv-cost/1`")]
    Format(String),
    /// Its currency is none.
    #[error("`{0}` is no currency: expected three capital letters")]
    Currency(String),
}

/// What is read of `dsenv-cost/1`; the rest of it is for people.
#[derive(Deserialize)]
struct Document {
    format: String,
    currency: String,
    price_book: BookOf,
    total: TotalOf,
    resources: Vec<ResourceOf>,
    missing: Vec<MissingOf>,
}

#[derive(Deserialize)]
struct BookOf {
    digest: String,
}

#[derive(Deserialize)]
struct TotalOf {
    monthly: BoundsOf,
    hourly: BoundsOf,
}

#[derive(Deserialize)]
struct BoundsOf {
    floor: Decimal,
    now: Decimal,
    ceiling: Decimal,
}

impl From<BoundsOf> for Bounds<Decimal> {
    fn from(of: BoundsOf) -> Bounds<Decimal> {
        Bounds { floor: of.floor, now: of.now, ceiling: of.ceiling }
    }
}

#[derive(Deserialize)]
struct ResourceOf {
    components: Vec<ComponentOf>,
}

#[derive(Deserialize)]
struct ComponentOf {
    address: String,
    name: String,
    unit: String,
    quantity: Decimal,
    unit_price: Option<Decimal>,
    in_use: bool,
}

#[derive(Deserialize)]
struct MissingOf {
    address: String,
    name: String,
}

impl Side {
    /// Returns an estimate as a side.
    pub fn of(estimate: &Estimate) -> Side {
        let total = estimate.total();
        Side {
            currency: estimate.currency,
            book: estimate.book.clone(),
            lines: lines(estimate, &|_| true),
            monthly: total.monthly,
            hourly: total.hourly(),
            missing: total.missing,
        }
    }

    /// Reads a document of `dsenv cost --json`. What stands among its missing and is no component is a
    /// node of which nobody says what it costs.
    pub fn read(document: &[u8]) -> Result<Side, DocumentError> {
        let document: Document = serde_json::from_slice(document)?;
        if document.format != "dsenv-cost/1" {
            return Err(DocumentError::Format(document.format));
        }
        let currency = Currency::parse(&document.currency);
        let currency = currency.ok_or(DocumentError::Currency(document.currency))?;
        let components = document.resources.into_iter().flat_map(|it| it.components);
        let mut lines: Vec<PaidLine> = components
            .map(|it| PaidLine {
                address: it.address,
                name: it.name,
                unit: it.unit,
                quantity: it.quantity,
                unit_price: it.unit_price,
                use_alone: it.in_use,
            })
            .collect();
        let missing = document.missing.len();
        for MissingOf { address, name } in document.missing {
            if !lines.iter().any(|line| line.address == address && line.name == name) {
                lines.push(PaidLine::unknown(address, name));
            }
        }
        let (monthly, hourly) = (document.total.monthly.into(), document.total.hourly.into());
        let book = document.price_book.digest;
        Ok(Side { currency, book, lines, monthly, hourly, missing })
    }
}

/// Why a month costs more or less than it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Something is new.
    New,
    /// Something is gone.
    Gone,
    /// There is more or less of it.
    Quantity,
    /// It is used more or less.
    Use,
    /// One costs more or less.
    Price,
}

impl Cause {
    /// Every cause, in the order in which they are told.
    pub const ALL: [Cause; 5] =
        [Cause::New, Cause::Gone, Cause::Quantity, Cause::Use, Cause::Price];

    /// What people and documents call it.
    pub fn word(self) -> &'static str {
        match self {
            Cause::New => "new",
            Cause::Gone => "gone",
            Cause::Quantity => "quantity",
            Cause::Use => "usage",
            Cause::Price => "price",
        }
    }
}

/// One difference between two sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference<'a> {
    /// The line as it was; `None` for one that is new.
    pub before: Option<&'a PaidLine>,
    /// The line as it is; `None` for one that is gone.
    pub after: Option<&'a PaidLine>,
    /// Why.
    pub cause: Cause,
    /// How much more a month; `None` where a price is missing on one side.
    pub monthly: Option<Decimal>,
}

impl Difference<'_> {
    /// Returns the line that it is about, as it is, or else as it was.
    pub fn line(&self) -> &PaidLine {
        self.after.or(self.before).expect("it is on one side at least")
    }
}

/// Lists what differs, by address and name. Of a line of which both the price and the quantity changed, the
/// price counts for what there was, and the quantity at the new price.
pub fn differences<'a>(before: &'a [PaidLine], after: &'a [PaidLine]) -> Vec<Difference<'a>> {
    type Lines<'a> = BTreeMap<(&'a str, &'a str), &'a PaidLine>;
    fn by_name(lines: &[PaidLine]) -> Lines<'_> {
        lines.iter().map(|line| ((&*line.address, &*line.name), line)).collect()
    }
    let (old, new) = (by_name(before), by_name(after));
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        let (before, after) = (old.get(name).copied(), new.get(name).copied());
        let mut push = |cause, monthly| found.push(Difference { before, after, cause, monthly });
        match (before, after) {
            (None, Some(line)) => push(Cause::New, line.monthly()),
            (Some(line), None) => push(Cause::Gone, line.monthly().map(|amount| -amount)),
            (Some(was), Some(is)) => {
                for (cause, monthly) in causes(was, is) {
                    push(cause, monthly);
                }
            }
            (None, None) => unreachable!("the name is of one side"),
        }
    }
    found
}

/// Why a line that is on both sides differs; nothing where it does not.
fn causes(was: &PaidLine, is: &PaidLine) -> Vec<(Cause, Option<Decimal>)> {
    let counted = if is.use_alone { Cause::Use } else { Cause::Quantity };
    let more = is.quantity - was.quantity;
    let mut causes = Vec::new();
    match (was.unit_price, is.unit_price) {
        (Some(old), Some(new)) => {
            if old != new {
                causes.push((Cause::Price, Some((new - old) * was.quantity)));
            }
            if !more.is_zero() {
                causes.push((counted, Some(new * more)));
            }
        }
        (None, None) if more.is_zero() => {}
        (None, None) => causes.push((counted, None)),
        (Some(_), None) | (None, Some(_)) => causes.push((Cause::Price, None)),
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(name: &str, quantity: i64, price: Option<i64>) -> PaidLine {
        PaidLine {
            address: "a".to_owned(),
            name: name.to_owned(),
            unit: "hour".to_owned(),
            quantity: quantity.into(),
            unit_price: price.map(|price| Decimal::new(price, 2)),
            use_alone: name == "egress",
        }
    }

    fn said(before: &[PaidLine], after: &[PaidLine]) -> Vec<String> {
        let text = |amount: Option<Decimal>| amount.map_or("?".to_owned(), |it| it.to_string());
        let all = differences(before, after).into_iter();
        all.map(|it| format!("{} {}: {}", it.line().name, it.cause.word(), text(it.monthly)))
            .collect()
    }

    #[test]
    fn a_change_has_its_cause() {
        let before = [
            line("compute", 730, Some(10)),
            line("egress", 10, Some(9)),
            line("old", 1, Some(1)),
            line("same", 5, Some(5)),
        ];
        let after = [
            line("compute", 1_460, Some(12)),
            line("egress", 20, Some(9)),
            line("new", 1, Some(5)),
            line("same", 5, Some(5)),
        ];
        assert_eq!(
            said(&before, &after),
            [
                "compute price: 14.60",
                "compute quantity: 87.60",
                "egress usage: 0.90",
                "new new: 0.05",
                "old gone: -0.01",
            ]
        );
    }

    #[test]
    fn a_price_that_is_lost_saves_nothing_and_one_that_is_found_costs_nothing_more() {
        let (known, unknown) = ([line("x", 10, Some(100))], [line("x", 20, None)]);
        assert_eq!(said(&known, &unknown), ["x price: ?"]);
        assert_eq!(said(&unknown, &known), ["x price: ?"]);
        assert_eq!(said(&[], &unknown), ["x new: ?"]);
        assert_eq!(said(&unknown, &[]), ["x gone: ?"]);
        assert_eq!(said(&unknown, &[line("x", 10, None)]), ["x quantity: ?"]);
        assert_eq!(said(&unknown, &unknown), [""; 0]);
    }

    /// Counts and prices by name; some without a price.
    fn any_lines() -> impl Strategy<Value = BTreeMap<String, (i64, Option<i64>)>> {
        prop::collection::btree_map("[a-d]", (0..100_i64, prop::option::of(0..100_i64)), 0..5)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn causes_add_up_to_the_difference(old in any_lines(), new in any_lines()) {
            let of = |lines: &BTreeMap<String, (i64, Option<i64>)>| -> Vec<PaidLine> {
                lines.iter().map(|(name, (count, price))| line(name, *count, *price)).collect()
            };
            let (before, after) = (of(&old), of(&new));
            let causes = differences(&before, &after);
            let known = |name: &str, other: &BTreeMap<String, (i64, Option<i64>)>| {
                other.get(name).is_none_or(|(_, price)| price.is_some())
            };
            let sum = |lines: &[PaidLine], other| -> Decimal {
                lines.iter().filter(|it| known(&it.name, other)).filter_map(PaidLine::monthly).sum()
            };
            let total: Decimal = causes.iter().filter_map(|it| it.monthly).sum();
            prop_assert_eq!(total, sum(&after, &old) - sum(&before, &new));
            let mut turned: Vec<PaidLine> = after.clone();
            turned.reverse();
            prop_assert_eq!(causes, differences(&before, &turned), "whatever the order");
        }
    }
}
