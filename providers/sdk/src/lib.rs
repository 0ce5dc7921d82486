//! The contract between dsenv's engine and its providers.
//!
//! A provider has two halves. The pure half ([`Provider`]) says what a neutral resource becomes in
//! this cloud and needs no credential; the live half ([`Connection`]) finds, reads, creates,
//! updates and deletes. The engine owns everything else: what changes and why, in which order,
//! when to retry and for how long to wait, what is durable before a call is made.
//!
//! | module | holds |
//! |---|---|
//! | [`addr`] | stable names of resources and of the native nodes below them |
//! | [`secret`], [`seal`] | text that is never printed, and how it is encrypted at rest |
//! | [`value`] | data: what a field holds once it is known |
//! | [`term`] | data with holes: what a field holds before everything is known |
//! | [`schema`] | what a kind or a native type has: fields, classes, what a change does |
//! | [`self_facts`] | what `${self.…}` stands for on a machine |
//! | [`kinds`] | the neutral kinds that people write |
//! | [`software`] | what a blueprint asks of Python, and what a lock says of it |
//! | [`cost`] | what a resource will be charged for |
//! | [`placement`] | from what a machine needs to offers that satisfy it |
//! | [`reading`], [`entry`] | what clouds read of a resource in the same way, and who comes in |
//! | [`provider`] | the two traits, and what passes through them |
//! | [`preflight`] | what a provider says of a plan before anybody sees it |
//! | [`builtin`] | the kinds that live in the state alone, the same for each provider |
//! | [`conformance`] | the suite that every provider's native types must pass |
//!
//! What must not be here: anything of one provider, I/O, a clock, the environment.

pub mod addr;
pub mod builtin;
pub mod conformance;
pub mod cost;
pub mod entry;
mod errors;
mod formats;
pub mod kinds;
pub mod placement;
pub mod preflight;
pub mod provider;
pub mod reading;
pub mod schema;
pub mod seal;
pub mod secret;
pub mod self_facts;
pub mod software;
pub mod term;
pub mod value;

pub use addr::{Addr, Key};
pub use dsenv_prices as prices;
pub use provider::{Connection, OpError, Provider};
pub use secret::Secret;
pub use term::Term;
pub use value::Value;
