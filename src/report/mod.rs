//! Everything that people see of plans, applies and states.
//!
//! In: a plan, an event, an outcome, a state. Out: text, or lines written to what the caller gives.
//! Nothing here prints, asks, or knows a terminal or the time: the caller says how wide a line is,
//! whether colours may stand in it and what time it is. Secrets go out as `(secret)`; the one
//! exception is [`outputs`], when it is asked for them by name. A closed pipe is the caller's concern.

pub mod event;
pub mod plan;
mod style;
mod words;

pub use style::{Detail, Style};
