//! What happens while a plan is applied, told as it happens.
//!
//! The engine does not print: it hands events to whoever drives it, and [`crate::report`] turns them
//! into bars, lines or JSON. Times are of the world's clock, in milliseconds.

use dsenv_sdk::Addr;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The apply begins.
    ApplyStarted {
        /// The operation's id.
        operation: String,
        /// How many steps the plan has.
        steps: usize,
    },
    /// An object of an interrupted run was found and taken over.
    Adopted {
        /// The node.
        addr: Addr,
        /// The cloud's name for it.
        remote_id: String,
    },
    /// A step begins.
    StepStarted {
        /// The node.
        addr: Addr,
        /// `create`, `update`, `resume`, `delete`.
        verb: &'static str,
    },
    /// A provider says what it is doing.
    StepProgress {
        /// The node.
        addr: Addr,
        /// In its words.
        text: String,
        /// Since the step began.
        elapsed_ms: u64,
    },
    /// The cloud took a call and has not finished it.
    StepWaiting {
        /// The node.
        addr: Addr,
        /// What is waited for.
        waits_for: String,
        /// Since the step began.
        elapsed_ms: u64,
    },
    /// A call failed and is tried again.
    Retrying {
        /// The node.
        addr: Addr,
        /// Which attempt comes next, from 2.
        attempt: u32,
        /// After how long.
        after_ms: u64,
        /// Why the last one failed.
        why: String,
    },
    /// A step ended well.
    StepDone {
        /// The node.
        addr: Addr,
        /// `create`, `update`, `resume`, `delete`, `forget`, `record`.
        verb: &'static str,
        /// Since the step began.
        elapsed_ms: u64,
    },
    /// A step failed.
    StepFailed {
        /// The node.
        addr: Addr,
        /// What was tried.
        verb: &'static str,
        /// What it means.
        class: &'static str,
        /// What happened.
        message: String,
    },
    /// A step was not tried.
    StepSkipped {
        /// The node.
        addr: Addr,
        /// The node whose step failed.
        because: Addr,
    },
    /// Somebody asked to stop; what is under way is finished.
    Interrupted {
        /// How many steps are under way.
        in_flight: usize,
    },
    /// The apply ended.
    ApplyDone {
        /// How many steps ended well.
        applied: usize,
        /// How many failed.
        failed: usize,
        /// How many were not tried.
        skipped: usize,
        /// How many have an end that nobody knows.
        unknown: usize,
    },
}
