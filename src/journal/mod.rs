//! The journal: an append-only record of one operation, durable before the cloud is called.
//!
//! Each step record carries the whole new entry of its address, so that folding is "the last
//! record of an address wins": it cannot disagree with what the executor believed when it wrote.
//! [`Journal`] writes, [`read`] reads, [`fold`] turns a state and records into the next state.
//!
//! ```text
//! {"open":{"format":"dsenv-journal/1","lineage":"…","serial":7,"operation":"…",…}}
//! {"commit":{"n":1,"records":1,"blake3":"…"}}
//! {"step":{"phase":"begin","step":3,"addr":"net","at":"…","resource":{…}}}
//! {"step":{"phase":"begin","step":4,"addr":"lake","at":"…","resource":{…}}}
//! {"commit":{"n":2,"records":2,"blake3":"…"}}
//! ```
//! A commit line ends what was made durable at once. Its hash covers the records of the commit and
//! the hash of the commit before.
//!
//! ## Why the commit is the unit
//! A power failure tears the last commit at any place, also in its middle. A torn commit was never
//! acknowledged, so no call to the cloud stands on it and it is dropped whole. A bad commit with a
//! good one behind it is damage, and is refused.

mod file;
mod wire;

pub(crate) use file::JOURNAL_BYTES_MAX;
pub use file::{Journal, Reading, read};

use crate::state::lease::LeaseError;
use crate::state::{Binding, Outcome, Resource, State};
use crate::vault::VaultError;
use crate::world::DiskError;
use dsenv_sdk::value::Map;
use dsenv_sdk::{Addr, OpError};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// One record. Written from borrowed parts, read as `Record<'static>`.
#[derive(Clone, Debug, PartialEq)]
pub enum Record<'a> {
    /// The first record of each journal.
    Open(Opening),
    /// Something happened to a node.
    Step(Step<'a>),
    /// The outputs as they are now.
    Outputs(Cow<'a, Map>),
    /// The protected addresses as they are now.
    Protected(Cow<'a, BTreeSet<Addr>>),
    /// The account that was verified.
    Bound(Binding),
    /// The last record: the operation came to its end.
    Close(Outcome),
}

/// What a journal belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The history.
    pub lineage: String,
    /// The serial of the state that it changes.
    pub serial: u64,
    /// The operation's own name.
    pub operation: String,
    /// The fence of the lease that it was written under.
    pub fence: u64,
    /// The digest of the plan.
    pub plan: Option<String>,
    /// What the operation does: `apply`, `destroy`.
    pub command: String,
    /// The command line as it was typed.
    pub command_line: String,
    /// Who typed it.
    pub user: String,
    /// Where.
    pub host: String,
    /// As which process.
    pub pid: u32,
    /// When.
    pub started: jiff::Timestamp,
}

/// A step of the plan, at one of its moments.
#[derive(Clone, Debug, PartialEq)]
pub struct Step<'a> {
    /// Which moment.
    pub phase: Phase,
    /// The number of the step in the plan.
    pub step: u32,
    /// The node.
    pub addr: Addr,
    /// The entry of the node from now on; `None` removes it.
    pub resource: Option<Cow<'a, Resource>>,
    /// Why it failed; with [`Phase::Failed`] only.
    pub failure: Option<Failure>,
    /// When.
    pub at: jiff::Timestamp,
}

/// The moments of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The call is about to be made.
    Begin,
    /// The cloud took it and works on it.
    Accepted,
    /// It is done.
    End,
    /// It failed, and the entry says how the node stands.
    Failed,
}

/// Why a step failed, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The class of the provider's error.
    pub class: String,
    /// What happened.
    pub message: String,
    /// What led to it, outermost first.
    pub causes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
    /// The cloud's name for the request.
    pub request_id: Option<String>,
}

impl From<&OpError> for Failure {
    fn from(error: &OpError) -> Failure {
        Failure {
            class: error.class.name().to_owned(),
            message: error.message.clone(),
            causes: error.causes.clone(),
            help: error.help.clone(),
            request_id: error.request_id.clone(),
        }
    }
}

/// A step that failed, as the structured history of errors keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedStep {
    /// The operation.
    pub operation: String,
    /// The number of the step in the plan.
    pub step: u32,
    /// The node.
    pub addr: Addr,
    /// When.
    pub at: jiff::Timestamp,
    /// Why.
    pub failure: Failure,
}

/// Why a journal cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be used.
    #[error("the journal cannot be used")]
    Disk(#[from] DiskError),
    /// Another process has taken the lock over.
    #[error("the journal belongs to another now")]
    Lease(#[from] LeaseError),
    /// An earlier commit failed, so that nothing is known of the file's end.
    #[error("the journal `{}` was given up after an earlier error", .path.display())]
    GivenUp {
        /// The file.
        path: PathBuf,
    },
    /// A commit is damaged and good ones follow: not what a crash leaves.
    #[error("the journal `{}` is damaged at line {line}: {detail}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first line of the bad commit, from 1.
        line: usize,
        /// What was seen.
        detail: String,
    },
    /// A newer dsenv wrote it.
    #[error(
        "the journal `{}` has format `{format}`: use the version of dsenv that wrote it, or a \
         newer one", .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// What it says.
        format: String,
    },
    /// Its secrets cannot be opened.
    #[error("the secrets of the journal `{}` cannot be opened", .path.display())]
    Vault {
        /// The file.
        path: PathBuf,
        /// Why.
        source: VaultError,
    },
    /// A record has no form as text.
    #[error("a record cannot be written as text: {detail}")]
    Unwritable {
        /// Why.
        detail: String,
    },
}

/// Why records do not continue a state.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The first record is not an opening, or there is a second one.
    #[error("a journal begins with one opening record")]
    NotOpened,
    /// They belong to another history.
    #[error("the journal continues the history `{journal}`, and the state is of `{state}`")]
    OtherLineage {
        /// The state's.
        state: String,
        /// The journal's.
        journal: String,
    },
    /// They continue another serial.
    #[error("the journal continues serial {journal}, and the state has serial {state}")]
    OtherSerial {
        /// The state's.
        state: u64,
        /// The journal's.
        journal: u64,
    },
    /// Something stands behind the closing record.
    #[error("a record stands behind the closing one")]
    AfterClose,
}

/// What records made of a state.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// The next state; its serial is still the old one.
    pub state: State,
    /// What the journal belongs to.
    pub opening: Opening,
    /// How it ended; `None` when it did not.
    pub closed: Option<Outcome>,
    /// Steps that were begun and did not end, in order of their number.
    pub open_steps: Vec<OpenStep>,
    /// Steps that failed.
    pub failures: Vec<FailedStep>,
}

/// A step that was begun and whose end is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenStep {
    /// Its number in the plan.
    pub step: u32,
    /// The node.
    pub addr: Addr,
    /// Whether the cloud had taken it.
    pub accepted: bool,
}

/// Applies records to the state that they continue. `None` when there are no records: a journal
/// that was cut off before its opening was durable.
pub fn fold(
    mut state: State,
    records: impl IntoIterator<Item = Record<'static>>,
) -> Result<Result<Folded, State>, FoldError> {
    let mut records = records.into_iter();
    let opening = match records.next() {
        Some(Record::Open(opening)) => opening,
        Some(_) => return Err(FoldError::NotOpened),
        None => return Ok(Err(state)),
    };
    if opening.lineage != state.lineage {
        return Err(FoldError::OtherLineage { state: state.lineage, journal: opening.lineage });
    }
    if opening.serial != state.serial {
        return Err(FoldError::OtherSerial { state: state.serial, journal: opening.serial });
    }
    let mut open: BTreeMap<u32, OpenStep> = BTreeMap::new();
    let mut failures = Vec::new();
    let mut closed = None;
    for record in records {
        if closed.is_some() {
            return Err(FoldError::AfterClose);
        }
        match record {
            Record::Open(_) => return Err(FoldError::NotOpened),
            Record::Step(step) => {
                fold_step(&mut state, &opening, step, &mut open, &mut failures);
            }
            Record::Outputs(outputs) => state.outputs = outputs.into_owned(),
            Record::Protected(protected) => state.protected = protected.into_owned(),
            Record::Bound(bound) => state.bound = Some(bound),
            Record::Close(outcome) => closed = Some(outcome),
        }
    }
    state.prune_dependencies();
    let open_steps = open.into_values().collect();
    Ok(Ok(Folded { state, opening, closed, open_steps, failures }))
}

fn fold_step(
    state: &mut State,
    opening: &Opening,
    step: Step<'static>,
    open: &mut BTreeMap<u32, OpenStep>,
    failures: &mut Vec<FailedStep>,
) {
    let addr = step.addr;
    match step.phase {
        Phase::Begin | Phase::Accepted => {
            let accepted = step.phase == Phase::Accepted;
            open.insert(step.step, OpenStep { step: step.step, addr: addr.clone(), accepted });
        }
        Phase::End | Phase::Failed => {
            open.remove(&step.step);
        }
    }
    if let Some(failure) = step.failure {
        let operation = opening.operation.clone();
        let (step, at) = (step.step, step.at);
        failures.push(FailedStep { operation, step, addr: addr.clone(), at, failure });
    }
    match step.resource {
        Some(resource) => state.put(addr, resource.into_owned()),
        None => drop(state.remove(&addr)),
    }
}
