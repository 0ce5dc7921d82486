//! What was paid, as one line an apply: `dsenv-paid/1`, in `history/costs.jsonl`.
//!
//! Prices are kept as they were when they were applied, so that it can be told later whether a price, a
//! quantity or the use changed. Amounts are decimals in texts.

use super::Estimate;
use dsenv_sdk::Addr;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

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
    /// Makes the line of a node of which nobody says what it costs.
    pub fn unknown(address: String, name: String) -> PaidLine {
        let (unit, quantity) = ("month".to_owned(), Decimal::ONE);
        PaidLine { address, name, unit, quantity, unit_price: None, use_alone: false }
    }

    /// What a month of it costs; `None` without a price.
    pub fn monthly(&self) -> Option<Decimal> {
        self.unit_price.map(|price| price * self.quantity)
    }
}

/// Makes the line of an apply, of the nodes that exist after it.
pub fn paid(estimate: &Estimate, serial: u64, at: String, exists: &dyn Fn(&Addr) -> bool) -> Paid {
    Paid {
        format: FORMAT.to_owned(),
        serial,
        at,
        currency: estimate.currency.code().to_owned(),
        book: estimate.book.clone(),
        lines: lines(estimate, exists),
    }
}

/// Lists what an estimate counts now, of the nodes that `exists` says. A node of which nobody says what it
/// costs is a line without a price.
pub fn lines(estimate: &Estimate, exists: &dyn Fn(&Addr) -> bool) -> Vec<PaidLine> {
    let mut lines = Vec::new();
    for resource in &estimate.resources {
        lines.extend(resource.lines.iter().filter(|line| exists(&line.addr)).map(|line| {
            PaidLine {
                address: line.addr.to_string(),
                name: line.name.clone(),
                unit: line.unit.clone(),
                quantity: line.quantity.now,
                unit_price: line.unit_price,
                use_alone: line.in_use,
            }
        }));
        let unpriced = resource.unpriced.iter().filter(|(addr, _)| exists(addr));
        lines.extend(unpriced.map(|(addr, ty)| PaidLine::unknown(addr.to_string(), ty.clone())));
    }
    lines
}

/// Reads a line; `None` for one of another format, or that a crash cut off.
pub fn read(line: &[u8]) -> Option<Paid> {
    serde_json::from_slice::<Paid>(line).ok().filter(|paid| paid.format == FORMAT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_as_it_went_and_half_a_line_is_no_line() {
        let line = PaidLine {
            address: "a".to_owned(),
            name: "compute".to_owned(),
            unit: "hour".to_owned(),
            quantity: 730.into(),
            unit_price: Some(Decimal::new(10, 2)),
            use_alone: false,
        };
        let format = FORMAT.to_owned();
        let [at, book] = [String::new(), String::new()];
        let currency = "USD".to_owned();
        let paid = Paid { format, serial: 1, at, currency, book, lines: vec![line] };
        let text = serde_json::to_vec(&paid).expect("plain data");
        assert_eq!(read(&text), Some(paid));
        assert_eq!(read(&text[..text.len() - 3]), None);
        assert_eq!(read(br#"{"format": "dsenv-paid/9"}"#), None);
    }
}
