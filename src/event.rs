//! What happens while a plan is applied, as the executor tells it.
//!
//! The executor sends events in the order in which things happen; the caller stamps each with [`At`]
//! and hands it to one [`Consumer`](crate::report::progress::Consumer). No event holds a secret.

use crate::plan::Verb;
use dsenv_sdk::Addr;

/// When something happened. The clock is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The time of day, for programs.
    pub time: jiff::Timestamp,
    /// How long the apply has been running, for people.
    pub elapsed_ms: u64,
}

/// What a step does, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Creates an object.
    Create,
    /// Changes one in place.
    Update,
    /// Finishes a create that was interrupted.
    Resume,
    /// Deletes one.
    Delete,
    /// Takes one out of the state.
    Forget,
    /// Writes what was seen into the state.
    Record,
}

impl From<&Verb> for Work {
    fn from(verb: &Verb) -> Work {
        match verb {
            Verb::Create { .. } => Work::Create,
            Verb::Update { .. } => Work::Update,
            Verb::Resume => Work::Resume,
            Verb::Delete { .. } => Work::Delete,
            Verb::Forget => Work::Forget,
            Verb::Record { .. } => Work::Record,
        }
    }
}

impl Work {
    /// The word in JSON: `create`.
    pub fn as_str(self) -> &'static str {
        match self {
            Work::Create => "create",
            Work::Update => "update",
            Work::Resume => "resume",
            Work::Delete => "delete",
            Work::Forget => "forget",
            Work::Record => "record",
        }
    }

    /// The word for what was done: `created`.
    pub fn done(self) -> &'static str {
        match self {
            Work::Create => "created",
            Work::Update => "changed",
            Work::Resume => "finished",
            Work::Delete => "deleted",
            Work::Forget => "forgotten",
            Work::Record => "recorded",
        }
    }

    /// The word for what is being done: `creating`.
    pub fn doing(self) -> &'static str {
        match self {
            Work::Create => "creating",
            Work::Update => "changing",
            Work::Resume => "finishing",
            Work::Delete => "deleting",
            Work::Forget => "forgetting",
            Work::Record => "recording",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The run before this one did not come to its end.
    Recovering {
        /// Its operation.
        operation: String,
        /// Its command.
        command: String,
    },
    /// Something that the lock lacks is being pinned; the network may be used.
    Locking {
        /// The resource that wants it.
        addr: Addr,
        /// What it is: `python packages`.
        what: String,
    },
    /// The lock was written.
    Locked {
        /// How many pins are new.
        pins: usize,
        /// The file.
        path: String,
    },
    /// The apply begins.
    ApplyStarted {
        /// How many steps there are.
        steps: usize,
        /// The operation's name.
        operation: String,
    },
    /// An object of an interrupted apply was found and taken over.
    Adopted {
        /// The node.
        addr: Addr,
        /// The cloud's name for it.
        remote_id: String,
    },
    /// A step begins.
    StepStarted {
        /// Its number in the plan.
        step: u32,
        /// The node.
        addr: Addr,
        /// What it does.
        verb: Work,
    },
    /// A provider says what it is at.
    StepProgress {
        /// The node.
        addr: Addr,
        /// What it says.
        text: String,
        /// How long the step has been running.
        elapsed_ms: u64,
    },
    /// The cloud has taken a call and not finished it.
    StepWaiting {
        /// The node.
        addr: Addr,
        /// What it waits for.
        waits_for: String,
        /// For how long by now.
        since_ms: u64,
    },
    /// A call failed and is sent again.
    Retrying {
        /// The node.
        addr: Addr,
        /// Which attempt comes next, from 2.
        attempt: u32,
        /// In how long.
        after_ms: u64,
        /// Why.
        why: String,
    },
    /// A step ended well.
    StepDone {
        /// The node.
        addr: Addr,
        /// What it did.
        verb: Work,
        /// How long it took.
        elapsed_ms: u64,
    },
    /// A step failed.
    StepFailed {
        /// The node.
        addr: Addr,
        /// What it was to do.
        verb: Work,
        /// The class of the error, as [`OpErrorClass::name`](dsenv_sdk::provider::OpErrorClass::name)
        /// has it.
        class: String,
        /// What happened.
        message: String,
        /// What led to it, outermost first.
        causes: Vec<String>,
        /// What to do.
        help: Option<String>,
    },
    /// A step is not done because something that it needs failed.
    StepSkipped {
        /// The node.
        addr: Addr,
        /// What failed.
        because: Addr,
    },
    /// Somebody asked to stop: no new step begins.
    Interrupted {
        /// How many steps are still running.
        in_flight: usize,
    },
    /// The apply is over. Always the last event.
    ApplyDone {
        /// How it ended.
        summary: Summary,
    },
}

/// How many steps ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Ended well.
    pub applied: usize,
    /// Failed.
    pub failed: usize,
    /// Not begun.
    pub skipped: usize,
    /// Begun, and nobody knows how they ended.
    pub unknown: usize,
}
