//! The vendors' own price lists, as their interfaces give them: each is read into [`Figure`]s.
//!
//! Text goes in, as a reader where a list is too large to be held; figures come out. Nothing here fetches
//! anything. A list that is not what its vendor documents is an error that says what is not; a row of another
//! sort of price (reserved, dedicated, of another currency) is passed over.
//!
//! Where a list has two prices for the same thing, the higher one is taken: an estimate may be too high, and
//! never too low.

pub mod aws;
pub mod azure;
pub mod gcp;
mod kept;

pub use kept::{keep, kept};

use crate::date::Date;
use crate::money::Currency;
use crate::price::{DECIMALS, Price};
use crate::shape::{Cloud, Os, Purchase};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// The source of what the AWS Price List says.
pub const AWS: &str = "aws-price-list";
/// The source of what Azure Retail Prices says.
pub const AZURE: &str = "azure-retail-prices";
/// The source of what the Cloud Billing Catalog says.
pub const GCP: &str = "gcp-billing-catalog";

/// Why a list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// It is no JSON of the documented shape.
    #[error("not the documented JSON: {0}")]
    Json(String),
    /// It is no table of the documented shape.
    #[error("not the documented table: {0}")]
    Table(String),
    /// A name that must be in it is not.
    #[error("it has no `{0}`")]
    Lacks(String),
}

/// One published figure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figure {
    /// Whose.
    pub cloud: Cloud,
    /// Where.
    pub region: String,
    /// For what.
    pub what: What,
    /// How much.
    pub price: Price,
    /// Which list says so.
    pub source: &'static str,
    /// The day of the list.
    pub as_of: Date,
}

/// For what a figure is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// An hour of a machine.
    Machine {
        /// Its type.
        ty: String,
        /// With which licence.
        os: Os,
        /// How bought.
        purchase: Purchase,
    },
    /// A step of the rate of a cost driver.
    Rate {
        /// The driver's key.
        key: String,
        /// For what it is due once.
        unit: String,
        /// Quantity from which it holds.
        from: u64,
        /// Up to which; `None` is without end.
        to: Option<u64>,
    },
}

/// Figures by what they are for: of two prices for the same, the higher.
#[derive(Default)]
struct Highest(BTreeMap<(String, What), Price>);

impl Highest {
    fn add(&mut self, region: &str, what: What, price: Price) {
        let there = self.0.entry((region.to_owned(), what)).or_insert(price);
        *there = (*there).max(price);
    }

    fn figures(self, cloud: Cloud, source: &'static str, as_of: Date) -> Vec<Figure> {
        let each = |((region, what), price)| Figure { cloud, region, what, price, source, as_of };
        self.0.into_iter().map(each).collect()
    }
}

/// Leaves one figure for each thing: of several, the higher; of one price, the newer.
pub fn highest(figures: Vec<Figure>) -> Vec<Figure> {
    let mut kept: BTreeMap<(Cloud, String, What), Figure> = BTreeMap::new();
    for figure in figures {
        let key = (figure.cloud, figure.region.clone(), figure.what.clone());
        let better = |there: &Figure| (figure.price, figure.as_of) > (there.price, there.as_of);
        if kept.get(&key).is_none_or(better) {
            kept.insert(key, figure);
        }
    }
    kept.into_values().collect()
}

/// A price with as many decimals as a book keeps; `None` for one that is below zero or too large.
fn price(amount: Decimal) -> Option<Price> {
    Price::parse(&amount.round_dp(DECIMALS).normalize().to_string(), Currency::USD)
}

/// A number as JSON writes it, also with an exponent.
fn number(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()
}
