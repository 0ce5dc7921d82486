//! An apply as it goes: on a terminal, in a pipe, for a program.
//!
//! In: [`Event`]s, each with the time. Out: what the chosen [`Consumer`] writes to the writer that it
//! was given. A consumer decides nothing about the apply and never fails it: what to do about a
//! write that failed is for the caller.
//!
//! ## What is not said
//! [`Lines`] and [`Bars`] are for people. A step that took less than a second has a line of its own
//! only while there are few of them; afterwards they are counted and one line says "created 9,950
//! more". Failures always have their line. [`JsonLines`] says everything.

mod bars;
mod digest;
mod json;
mod lines;
#[cfg(test)]
mod tests;

pub use bars::Bars;
pub use json::{FORMAT, JsonLines, event_schema};
pub use lines::Lines;

use crate::event::{At, Event};
use std::io;

/// Takes the events of one apply, in order.
pub trait Consumer {
    /// Shows one event.
    fn event(&mut self, at: At, event: &Event) -> io::Result<()>;

    /// Shows that time has passed. To be called a few times a second while nothing happens; calling
    /// it more or less often changes nothing but how alive it looks.
    fn tick(&mut self, at: At) -> io::Result<()>;

    /// Takes away what is drawn over, and draws nothing before the next event: somebody is asked
    /// something in the same place.
    fn pause(&mut self) -> io::Result<()> {
        Ok(())
    }
}
