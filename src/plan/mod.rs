//! The plan: a graph of steps in which nothing is undecided.
//!
//! In: the changes of [`crate::diff`]. Out: a [`Plan`], which can be shown, saved, judged and obeyed. It
//! holds everything that apply needs; apply chooses nothing (law 4). The same inputs give the same
//! plan, byte for byte (law 2). Pure.
//!
//! ## Order
//! - What is created or changed comes after what it needs.
//! - A delete comes after the deletes of what needed it, and after the changes that let go of it
//!   unless those themselves need something that is replaced delete-first behind it.
//! - Delete-first replacement deletes upwards and creates downwards: del C, del B, del A, create A, B, C.
//! - Create-first replacement deletes the old object after everything that stood on it has let go.
//! - What is replaced with something delete-first is delete-first too, unless its block asks for the
//!   other.
//! - A resource that is replaced create-first makes all that it needs create-first too: otherwise the
//!   old dependency would have to go while the old dependant still stands on it.
//! - A node whose native type changes is replaced delete-first, and so is whatever is replaced with
//!   it: the state keeps one type a node, and the old object must be deleted as what it is.

#[cfg(test)]
pub(crate) mod fixture;
mod steps;
pub mod view;
pub mod wire;

pub use steps::{Sources, build};

use crate::diff::{Change, Mode};
use crate::lower::Arguments;
use crate::resolve::Scope;
use crate::state::Binding;
use dsenv_sdk::provider::{DataFate, Observed, OnDestroy};
use dsenv_sdk::{Addr, Term};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a plan is bound to: anything else refuses it (law 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundTo {
    /// The version of dsenv that made it.
    pub tool_version: String,
    /// The blueprint's name.
    pub blueprint: String,
    /// The digest of the blueprint's text.
    pub blueprint_digest: String,
    /// The environment's name.
    pub environment: String,
    /// The provider, the account and the region, as the connection said them.
    pub binding: Option<Binding>,
    /// The state's lineage; empty when there was no state yet.
    pub lineage: String,
    /// The state's serial; 0 when there was none.
    pub serial: u64,
}

/// Everything that is to be done, and everything that people need to judge it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it is bound to.
    pub bound: BoundTo,
    /// What kind of plan it is.
    pub mode: Mode,
    /// One entry a node, unchanged ones included.
    pub changes: Vec<Change>,
    /// The steps; a step's number is its position.
    pub steps: Vec<Step>,
    /// What the state keeps of each node that a step touches.
    pub nodes: BTreeMap<Addr, NodeFacts>,
    /// What expressions that are still open need.
    pub scope: Scope,
    /// The neutral arguments that open expressions may name.
    pub arguments: Arc<Arguments>,
    /// The blueprint's outputs, with holes.
    pub outputs: BTreeMap<String, Term>,
    /// Resources that become protected and are not yet.
    pub protect: BTreeSet<Addr>,
    /// Names of pins that the lock lacks. Such a plan is shown and not applied.
    pub not_locked: Vec<String>,
    /// What the user allowed when it was made: that holds when it is applied later.
    pub allowed: Allowed,
}

/// What the user allowed on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Resources that may be replaced although they hold data: `--replace`.
    pub replace: Vec<Addr>,
    /// Resources whose data may be deleted: `--delete-data`.
    pub delete_data: Vec<Addr>,
}

/// What the state keeps of a node besides its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// The neutral kind.
    pub kind: String,
    /// The native type.
    pub ty: String,
    /// The provider's name.
    pub provider: String,
    /// What it needs.
    pub depends_on: BTreeSet<Addr>,
    /// Whether it is replaced create-first.
    pub create_first: bool,
    /// What becomes of its data.
    pub on_destroy: OnDestroy,
    /// How long each operation may take, in seconds: create, update, delete.
    pub timeouts_s: [Option<u64>; 3],
}

/// One thing to do: at most one call that changes something.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The node.
    pub addr: Addr,
    /// What is done.
    pub verb: Verb,
    /// The steps that must have ended well before.
    pub after: Vec<u32>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Verb {
    /// Creates a new object. An object that is current becomes deposed.
    Create {
        /// Which creation of this node it is; the token follows from it.
        generation: u64,
        /// Its arguments, with holes.
        args: Arc<BTreeMap<String, Term>>,
    },
    /// Changes the current object.
    Update {
        /// Its arguments, with holes.
        args: Arc<BTreeMap<String, Term>>,
    },
    /// Finishes an interrupted create of the current object, with its recorded arguments.
    Resume,
    /// Deletes one object, current or deposed.
    Delete {
        /// Which one.
        generation: u64,
        /// What becomes of its data.
        fate: DataFate,
    },
    /// Takes the node out of the state and leaves the object alone.
    Forget,
    /// Writes what was seen, or what the state keeps besides, into the state. No call.
    Record {
        /// What was seen; `None` leaves it as it is.
        observed: Option<Observed>,
    },
}

impl Plan {
    /// Says whether applying it would do nothing at all, not even to the state.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.protect.is_empty()
    }

    /// Says whether it changes something outside of the state.
    pub fn has_changes(&self) -> bool {
        self.steps.iter().any(|step| !matches!(step.verb, Verb::Record { .. }))
    }
}
