//! Everything that people see of plans, applies and states.
//!
//! In: a plan, an event, an outcome, a state. Out: text, or lines written to what the caller gives.
//! Nothing here prints, asks, or knows a terminal or the time: the caller says how wide a line is,
//! whether colours may stand in it and what time it is. Secrets go out as `(secret)`; the one
//! exception is [`outputs`], when it is asked for them by name. A closed pipe is the caller's concern.

pub mod catalog;
pub mod cost;
pub mod errors;
pub mod graph;
pub mod history;
pub mod outcome;
pub mod outputs;
pub mod parity;
pub mod placement;
mod plan;
pub mod progress;
pub mod review;
pub mod state;
pub mod status;
mod style;
mod table;
pub mod taking;
#[cfg(test)]
mod tests;
mod words;

pub use plan::plan;
pub use style::{Detail, Style};
