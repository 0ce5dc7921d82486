//! What was paid, as one line an apply: `dsenv-paid/1`, in `history/costs.jsonl`.
//!
//! Prices are kept as they were when they were applied, so that it can be told later whether a price, a
//! quantity or the use changed. Amounts are decimals in texts.

use super::Estimate;
use dsenv_sdk::Addr;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name and version of the format.
pub const FORMAT: &str = "dsenv-paid/1";

/// What an environment cost from one apply on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paid {
    format: String,
    /// The serial of the state that the apply wrote.
    pub serial: u64,
    /// When it ended, RFC 3339.
    pub at: String,
    /// The currency of every amount.
    pub currency: String,
    /// The digest of the price book.
    pub book: String,
    /// Every line, by its node and its name.
    pub lines: Vec<PaidLine>,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaidLine {
    /// The node.
    pub address: String,
    /// What is charged.
    pub name: String,
    /// What is counted.
    pub unit: String,
    /// How many a month.
    pub quantity: Decimal,
    /// What one costs; `None` when nobody said.
    pub unit_price: Option<Decimal>,
    /// Whether the quantity follows from use, and from nothing that exists.
    pub use_alone: bool,
}

impl PaidLine {
    /// What a month of it costs; `None` without a price.
    pub fn monthly(&self) -> Option<Decimal> {
        self.unit_price.map(|price| price * self.quantity)
    }
}

/// Makes the line of an apply, of the nodes that exist after it.
pub fn paid(estimate: &Estimate, serial: u64, at: String, exists: &dyn Fn(&Addr) -> bool) -> Paid {
    let lines = estimate.resources.iter().flat_map(|resource| &resource.lines);
    let lines = lines.filter(|line| exists(&line.addr)).map(|line| PaidLine {
        address: line.addr.to_string(),
        name: line.name.clone(),
        unit: line.unit.clone(),
        quantity: line.quantity.now,
        unit_price: line.unit_price,
        use_alone: line.in_use,
    });
    Paid {
        format: FORMAT.to_owned(),
        serial,
        at,
        currency: estimate.currency.code().to_owned(),
        book: estimate.book.clone(),
        lines: lines.collect(),
    }
}

/// Reads a line; `None` for one of another format, or that a crash cut off.
pub fn read(line: &[u8]) -> Option<Paid> {
    serde_json::from_slice::<Paid>(line).ok().filter(|paid| paid.format == FORMAT)
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

/// One difference between two applies.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The node.
    pub address: String,
    /// What is charged.
    pub name: String,
    /// Why.
    pub cause: Cause,
    /// How much more a month; `None` where a price is missing on one side.
    pub monthly: Option<Decimal>,
}

/// Lists what differs, so that the amounts add up to the difference of the sums: of a line of which both the
/// price and the quantity changed, the price counts for what there was, the quantity at the new price.
pub fn differences(before: &Paid, after: &Paid) -> Vec<Difference> {
    type Lines<'a> = BTreeMap<(&'a str, &'a str), &'a PaidLine>;
    let by_name = |paid: &'_ Paid| -> Vec<(String, String)> {
        paid.lines.iter().map(|line| (line.address.clone(), line.name.clone())).collect()
    };
    fn lines(paid: &Paid) -> Lines<'_> {
        paid.lines.iter().map(|line| ((&*line.address, &*line.name), line)).collect()
    }
    let (old, new) = (lines(before), lines(after));
    let mut names = by_name(before);
    names.extend(by_name(after));
    names.sort();
    names.dedup();
    let mut found = Vec::new();
    for (address, name) in &names {
        let key = (address.as_str(), name.as_str());
        let mut push = |cause, monthly: Option<Decimal>| {
            let (address, name) = (address.clone(), name.clone());
            found.push(Difference { address, name, cause, monthly });
        };
        match (old.get(&key), new.get(&key)) {
            (None, Some(line)) => push(Cause::New, line.monthly()),
            (Some(line), None) => push(Cause::Gone, line.monthly().map(|amount| -amount)),
            (Some(was), Some(is)) => {
                if was.unit_price != is.unit_price {
                    let prices = is.unit_price.zip(was.unit_price);
                    push(
                        Cause::Price,
                        prices.map(|(is, was_price)| (is - was_price) * was.quantity),
                    );
                }
                if was.quantity != is.quantity {
                    let cause = if is.use_alone { Cause::Use } else { Cause::Quantity };
                    push(cause, is.unit_price.map(|price| price * (is.quantity - was.quantity)));
                }
            }
            (None, None) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(name: &str, quantity: i64, price: i64) -> PaidLine {
        PaidLine {
            address: "a".to_owned(),
            name: name.to_owned(),
            unit: "hour".to_owned(),
            quantity: quantity.into(),
            unit_price: Some(Decimal::new(price, 2)),
            use_alone: name == "egress",
        }
    }

    fn record(lines: Vec<PaidLine>) -> Paid {
        Paid {
            format: FORMAT.to_owned(),
            serial: 1,
            at: String::new(),
            currency: "USD".to_owned(),
            book: String::new(),
            lines,
        }
    }

    #[test]
    fn a_change_has_its_cause() {
        let before =
            record(vec![line("compute", 730, 10), line("egress", 10, 9), line("old", 1, 1)]);
        let after =
            record(vec![line("compute", 1_460, 12), line("egress", 20, 9), line("new", 1, 5)]);
        let said: Vec<(String, Cause, String)> = differences(&before, &after)
            .into_iter()
            .map(|it| (it.name, it.cause, it.monthly.expect("priced").to_string()))
            .collect();
        let said: Vec<(&str, Cause, &str)> =
            said.iter().map(|(name, cause, amount)| (&**name, *cause, &**amount)).collect();
        assert_eq!(
            said,
            [
                ("compute", Cause::Price, "14.60"),
                ("compute", Cause::Quantity, "87.60"),
                ("egress", Cause::Use, "0.90"),
                ("new", Cause::New, "0.05"),
                ("old", Cause::Gone, "-0.01"),
            ]
        );
    }

    #[test]
    fn a_line_comes_back_as_it_went_and_half_a_line_is_no_line() {
        let paid = record(vec![line("compute", 730, 10)]);
        let text = serde_json::to_vec(&paid).expect("plain data");
        assert_eq!(read(&text), Some(paid));
        assert_eq!(read(&text[..text.len() - 3]), None);
        assert_eq!(read(br#"{"format": "dsenv-paid/9"}"#), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn causes_add_up_to_the_difference(
            old in prop::collection::btree_map("[a-d]", (0..100_i64, 0..100_i64), 0..5),
            new in prop::collection::btree_map("[a-d]", (0..100_i64, 0..100_i64), 0..5),
        ) {
            let of = |lines: &BTreeMap<String, (i64, i64)>| {
                record(lines.iter().map(|(name, (count, price))| line(name, *count, *price)).collect())
            };
            let sum = |paid: &Paid| paid.lines.iter().filter_map(PaidLine::monthly).sum::<Decimal>();
            let (before, after) = (of(&old), of(&new));
            let causes = differences(&before, &after);
            let total: Decimal = causes.iter().filter_map(|it| it.monthly).sum();
            prop_assert_eq!(total, sum(&after) - sum(&before));
        }
    }
}
