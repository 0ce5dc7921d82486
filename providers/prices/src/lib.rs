//! What the clouds charge.
//!
//! A [`Book`] holds published figures with their source and day: what an hour of a machine costs, what a
//! gigabyte of a disk costs, how often spot machines are taken back. [`place`](place::place) picks the types
//! that satisfy a [`Need`](need::Need), cheapest first, and says of every other why not;
//! [`search`](search::search) lists offers over regions and clouds. [`Money`] is exact and never mixes
//! currencies.
//!
//! Figures come from the tables that [`compile`](compile::compile) reads, through a file of our own format
//! that is part of the program. Everything is a function of its arguments: no clock, no environment, no
//! network, no file.
//!
//! What is not known is `None` or an error, never zero.
//!
//! ```
//! use dsenv_prices::need::{GpuNeed, Gpus, Need};
//! use dsenv_prices::{Book, Cloud, Driver, place::place};
//!
//! let book = Book::builtin();
//! let gpus = Gpus::Ordered(vec![GpuNeed::parse("A100:8")?, GpuNeed::parse("24GiB+")?]);
//! let placement = place(&book, Cloud::Aws, "us-east-1", &Need { gpus, ..Need::default() });
//! assert_eq!(placement.chosen.map(|offer| offer.name), Some("p4d.24xlarge"));
//!
//! let traffic = book.rate(Cloud::Aws, "eu-west-1", Driver::EgressInternet).expect("it is published");
//! assert_eq!(traffic.tiers.cost(20_000.into())?.to_string(), "$1751.20");
//! assert_eq!(book.rate(Cloud::Azure, "westeurope", Driver::SecretMonth), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ## Why
//! A crate of its own, under the providers and used by them: each needs prices for placement, and the engine
//! for estimates. It uses nothing of the SDK, so that neither waits for the other to compile.

pub mod accelerators;
pub mod compile;
pub mod generations;
pub mod lists;
pub mod need;
pub mod place;
pub mod search;

mod book;
mod date;
mod drivers;
mod layout;
mod money;
mod price;
mod shape;
mod verify;
#[cfg(test)]
mod work;

pub use book::{Book, BookError, Rate};
pub use date::Date;
pub use drivers::Driver;
pub use money::{Currency, Exchange, Money, MoneyError};
/// The exact decimal of quantities and amounts, so that whoever uses this crate has the same one.
pub use rust_decimal::Decimal;

pub use price::{NoCost, Origin, Price, Priced, Tier, Tiers};
pub use shape::{Arch, Band, Cloud, Gpu, Interruption, Os, Purchase, Shape};
