//! What every command does: compile, look, plan, apply. Nothing here prints or asks.
//!
//! [`compile`] is offline and pure. [`Site`] is one environment on one machine: where its state is and
//! who may open its secrets. [`Site::plan`] looks and plans; [`Site::apply`] and [`Site::apply_saved`]
//! take the lock, recover, and obey. A command is forty lines on top of this; another front end
//! (tests, a bench) drives the same functions.
//!
//! What it must never do: print, ask, or know a provider's name.

mod adopt;
mod advice;
mod base;
mod compile;
mod edits;
mod elsewhere;
mod explain;
mod figures;
mod look;
mod parity;
mod preflight;
mod probe;
mod problem;
mod rebuild;
mod site;
mod sitting;
mod survey;
mod taking;

pub use adopt::{Adoption, Surplus};
pub use advice::Advice;
pub use compile::{Compiled, Front, Request, back, bare, compile, front};
pub use edits::edit_refused;
pub use elsewhere::{Compared, Elsewhere, Spec};
pub use explain::Explained;
pub use figures::{BOOK_BYTES_MAX, BookChoice, Figures, Files, Remarks};
pub use look::{Options, Planned, cost};
pub use parity::Pair;
pub use preflight::remarks;
pub use problem::Problem;
pub(crate) use problem::{chain, journal_code};
pub use rebuild::Rebuilt;
pub use site::Site;
pub use sitting::{Ended, Sitting, Talk};
pub use survey::Surveyed;
pub use taking::{Fate, How, Kept, Left, Outcome as Taking, Taken};
