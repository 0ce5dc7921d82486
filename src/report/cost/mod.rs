//! What an environment costs: as text for a terminal, as JSON for programs.
//!
//! ```text
//! workbench in prod on aws, us-east-1
//!
//! notebook (machine)                                      $33.15 a month
//!   compute, t3.large          730 hour x $0.0832         $60.74
//! ```
//! Count times price is the amount of a line. What has no price says so, and a sum with it is "at least".

pub mod compare;
pub mod diff;
pub mod groups;
pub mod history;
pub mod json;
pub mod line;
mod text;

pub use text::text;

use dsenv_sdk::prices::{Currency, Money};
use rust_decimal::Decimal;

/// An amount as people read it: rounded, and never to nothing.
pub(crate) fn money(amount: Decimal, currency: Currency) -> String {
    Money { amount, currency }.to_string()
}
