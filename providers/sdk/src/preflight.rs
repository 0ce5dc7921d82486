//! What a provider says of a plan before anybody sees it.
//!
//! In: what the plan means to do. Out: remarks, each of which refuses the plan or is only worth
//! knowing: a quota that would be exceeded, an offer that the region does not have, a permission that
//! is missing. Changes nothing, neither here nor in the cloud.

use crate::addr::Addr;
use crate::schema::NativeType;
use crate::term::Term;
use std::collections::BTreeMap;

/// What a plan means to do.
#[derive(Clone, Copy, Debug)]
pub struct Preflight<'a> {
    /// Every object that it creates, changes, replaces or deletes, in the order of the graph; never
    /// one that lives in the state alone.
    pub intended: &'a [Intended<'a>],
    /// Whether to ask for each permission that it takes as well, which may need many calls:
    /// `--check-permissions`.
    pub check_permissions: bool,
}

/// One object that a plan touches.
#[derive(Clone, Copy, Debug)]
pub struct Intended<'a> {
    /// The node.
    pub addr: &'a Addr,
    /// The native type.
    pub ty: &'static NativeType,
    /// What is done.
    pub intent: Intent,
    /// The arguments that are asked for, with holes for what is known after apply; none for a delete.
    pub args: &'a BTreeMap<String, Term>,
}

/// What is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// It is created.
    Create,
    /// It is changed in place.
    Update,
    /// It is created anew, and the old one deleted, in whichever order.
    Replace,
    /// It is deleted.
    Delete,
}

/// What a provider has to say of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The node that it is about; `None` is the plan as a whole.
    pub addr: Option<Addr>,
    /// Whether it refuses the plan.
    pub verdict: Verdict,
    /// What is wrong, lower-case, no full stop, without secrets.
    pub message: String,
    /// What to do, in words that can be pasted.
    pub help: Option<String>,
}

/// What a remark does to the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Apply would fail: the plan is shown and not applied.
    Refuses,
    /// It is worth knowing.
    Warns,
}
