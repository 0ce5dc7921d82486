//! What every command does: compile, look, plan, apply. Nothing here prints or asks.
//!
//! [`compile`] is offline and pure. [`Site`] is one environment on one machine: where its state is and
//! who may open its secrets. [`Site::plan`] looks and plans; [`Site::apply`] and [`Site::apply_saved`]
//! take the lock, recover, and obey. A command is forty lines on top of this; another front end
//! (tests, a bench) drives the same functions.
//!
//! What it must never do: print, ask, or know a provider's name.

mod compile;
mod edits;
mod look;
mod problem;
mod site;
mod sitting;

pub use compile::{Compiled, Front, Request, back, bare, compile, front};
pub use edits::edit_refused;
pub use look::{Options, Planned};
pub use problem::Problem;
pub(crate) use problem::{chain, journal_code};
pub use site::Site;
pub use sitting::{Ended, Sitting, Talk};
