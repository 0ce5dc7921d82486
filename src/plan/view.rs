//! A plan as people and programs are shown it: one entry for each thing that happens.
//!
//! In: a [`Plan`]. Out: its [`Entry`]s and their [`Summary`]. What is said of a node follows from its
//! steps, which are what apply obeys, and not from what the change was called on the way: a delete
//! whose data stays is a forget. Text and JSON are both made from here, so they cannot disagree. Pure.

use super::{Plan, Verb};
use crate::diff::{Action, Change, Reason};
use dsenv_sdk::provider::DataFate;
use dsenv_sdk::{Addr, kinds};
use std::collections::BTreeMap;

/// One thing that happens to one node, or one that does not.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The change that it belongs to.
    pub change: &'a Change,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: &'a Reason,
    /// What becomes of the data of what is deleted; `None` when nothing is.
    pub fate: Option<DataFate>,
    /// Which old object is deleted, when it is one that was replaced before. Such an entry stands
    /// behind the one of the current object.
    pub deposed: Option<u64>,
}

impl Entry<'_> {
    /// Says whether an object that holds data is deleted with it. Read from the neutral kind: only
    /// the main node of a resource holds its data.
    pub fn loses_data(&self) -> bool {
        self.fate == Some(DataFate::Delete) && self.holds_data()
    }

    /// Says whether its objects hold data.
    pub fn holds_data(&self) -> bool {
        let change = self.change;
        change.addr.part.is_none() && kinds::kind(&change.kind).is_some_and(|kind| kind.holds_data)
    }

    /// Says whether it is left as it is and nothing was seen that is worth a word.
    pub fn is_silent(&self) -> bool {
        self.action == Action::NoOp && self.change.drift.is_empty()
    }
}

/// How many nodes each action concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Created, or the interrupted creation finished.
    pub create: usize,
    /// Changed in place.
    pub update: usize,
    /// Created anew.
    pub replace: usize,
    /// Deleted, old objects of earlier replacements included.
    pub delete: usize,
    /// Taken out of the state.
    pub forget: usize,
    /// Left as they are.
    pub unchanged: usize,
    /// Left out by `--target` or `--exclude`, whatever would be done with them.
    pub left_out: usize,
}

/// Lists what happens to every node, in the order of the plan's changes.
pub fn entries(plan: &Plan) -> Vec<Entry<'_>> {
    let mut verbs: BTreeMap<&Addr, Vec<&Verb>> = BTreeMap::new();
    for step in &plan.steps {
        verbs.entry(&step.addr).or_default().push(&step.verb);
    }
    let mut entries = Vec::with_capacity(plan.changes.len());
    for change in &plan.changes {
        let verbs = verbs.get(&change.addr).map_or(&[][..], Vec::as_slice);
        add_entries(change, verbs, &mut entries);
    }
    entries
}

/// Counts the entries.
pub fn summary(entries: &[Entry<'_>]) -> Summary {
    let mut summary = Summary::default();
    for entry in entries {
        let count = match entry.action {
            Action::Create | Action::Resume => &mut summary.create,
            Action::Update => &mut summary.update,
            Action::Replace => &mut summary.replace,
            Action::Delete => &mut summary.delete,
            Action::Forget => &mut summary.forget,
            Action::NoOp if entry.change.reason == Reason::LeftOut => &mut summary.left_out,
            Action::NoOp => &mut summary.unchanged,
        };
        *count += 1;
    }
    summary
}

/// The entry of the current object, then one for each object that was replaced before.
fn add_entries<'a>(change: &'a Change, verbs: &[&Verb], entries: &mut Vec<Entry<'a>>) {
    let mut deletes: Vec<(u64, DataFate)> = Vec::new();
    let mut forgets = false;
    for verb in verbs {
        match verb {
            Verb::Delete { generation, fate } => deletes.push((*generation, *fate)),
            Verb::Forget => forgets = true,
            Verb::Create { .. } | Verb::Update { .. } | Verb::Resume | Verb::Record { .. } => {}
        }
    }
    // The planner puts the delete of the current object before those of older ones.
    let own = match change.action {
        Action::Replace | Action::Delete if !deletes.is_empty() => Some(deletes.remove(0)),
        Action::Replace
        | Action::Delete
        | Action::Create
        | Action::Update
        | Action::Forget
        | Action::Resume
        | Action::NoOp => None,
    };
    let action = match change.action {
        Action::Delete if own.is_none() && forgets => Action::Forget,
        action => action,
    };
    let fate = own.map(|(_, fate)| fate);
    entries.push(Entry { change, action, reason: &change.reason, fate, deposed: None });
    for (generation, fate) in deletes {
        entries.push(Entry {
            change,
            action: Action::Delete,
            reason: &Reason::Deposed,
            fate: Some(fate),
            deposed: Some(generation),
        });
    }
}
