//! Changes become steps with edges. The rules stand at the head of [`super`].

use super::{NodeFacts, Step, Verb};
use crate::diff::{Action, Change, Mode, Reason};
use crate::lower::Native;
use crate::state::{Object, Resource, State};
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{DataFate, OnDestroy};
use dsenv_sdk::schema::ReplaceOrder;
use std::collections::{BTreeMap, BTreeSet};

/// The steps of each node: what makes the new version ready, and what makes old objects gone.
#[derive(Default)]
struct StepsOf {
    /// Where its change stands.
    at: usize,
    ready: Option<u32>,
    gone: Vec<u32>,
}

/// What the steps are built from.
pub struct Sources<'a> {
    /// The native graph.
    pub native: &'a Native,
    /// The state.
    pub state: &'a State,
    /// The provider's name.
    pub provider: &'a str,
    /// Resources whose data may go: `--delete-data`.
    pub delete_data: &'a [Addr],
    /// Resources that are forgotten instead of deleted.
    pub forgotten: &'a [Addr],
    /// Whether the state takes over what refresh saw.
    pub record: bool,
    /// What kind of plan it is.
    pub mode: Mode,
}

impl Sources<'_> {
    /// Says whether a node's object is of another type than the blueprint wants.
    fn is_retyped(&self, addr: &Addr) -> bool {
        let prior = self.state.resources.get(addr);
        let node = self.native.nodes.get(addr);
        prior.zip(node).is_some_and(|(prior, node)| prior.ty != node.ty.name)
    }
}

/// Builds the steps, and the facts of every node that they touch. Settles in `changes` on the way
/// what follows from more than one node: the order of each replacement, what is forgotten instead of
/// deleted, and which old objects are deleted although nothing else is done.
pub fn build(
    changes: &mut [Change],
    sources: &Sources<'_>,
) -> (Vec<Step>, BTreeMap<Addr, NodeFacts>) {
    settle_orders(changes, sources);
    let mut steps = Vec::new();
    let mut nodes = BTreeMap::new();
    let mut steps_of: BTreeMap<Addr, StepsOf> = BTreeMap::new();
    for (at, change) in changes.iter_mut().enumerate() {
        if is_untouched(change, sources) {
            continue;
        }
        let facts = facts(change, sources);
        settle_action(change, facts.as_ref(), sources);
        let change = &*change;
        let mut made = StepsOf { at, ..StepsOf::default() };
        for verb in verbs(change, facts.as_ref(), sources) {
            let number = u32::try_from(steps.len()).expect("a plan has less than 2^32 steps");
            match verb {
                Verb::Delete { .. } | Verb::Forget => made.gone.push(number),
                Verb::Create { .. } | Verb::Update { .. } | Verb::Resume | Verb::Record { .. } => {
                    made.ready = Some(number);
                }
            }
            steps.push(Step { addr: change.addr.clone(), verb, after: Vec::new() });
        }
        if made.ready.is_some() || !made.gone.is_empty() {
            nodes.extend(facts.map(|facts| (change.addr.clone(), facts)));
            steps_of.insert(change.addr.clone(), made);
        }
    }
    link(changes, sources, &steps_of, &mut steps);
    for step in &mut steps {
        step.after.sort_unstable();
        step.after.dedup();
    }
    (steps, nodes)
}

/// Replacement order, made to agree. The changes of the blueprint's nodes stand in the order of the
/// graph, so one pass each way reaches everything.
///
/// Upwards: what stands on a delete-first replacement is delete-first too, unless its block asks for
/// create-first; a fixed name cannot be had twice, and being create-first is mostly just a default.
/// Downwards: what a create-first replacement needs is create-first. A change of type is delete-first
/// whatever is asked, and so is what stands on it; so the second pass never meets it.
fn settle_orders(changes: &mut [Change], sources: &Sources<'_>) {
    let mut retyped: BTreeSet<Addr> = BTreeSet::new();
    let mut on_delete_first: BTreeSet<Addr> = BTreeSet::new();
    for change in changes.iter_mut() {
        let Some(node) = sources.native.nodes.get(&change.addr) else { continue };
        let replaced = change.action == Action::Replace;
        let on = |set: &BTreeSet<Addr>| node.depends_on.iter().any(|needed| set.contains(needed));
        let stands_on_one = on(&on_delete_first);
        if sources.is_retyped(&change.addr) || on(&retyped) {
            change.order = ReplaceOrder::DeleteFirst;
            retyped.insert(change.addr.clone());
        } else if replaced && stands_on_one && !node.asks_create_first {
            change.order = ReplaceOrder::DeleteFirst;
        }
        if stands_on_one || replaced && change.order == ReplaceOrder::DeleteFirst {
            on_delete_first.insert(change.addr.clone());
        }
    }
    let mut create_first: BTreeSet<Addr> = BTreeSet::new();
    for change in changes.iter_mut().rev() {
        let Some(node) = sources.native.nodes.get(&change.addr) else { continue };
        if create_first.contains(&change.addr) && !retyped.contains(&change.addr) {
            change.order = ReplaceOrder::CreateFirst;
        }
        // What is not replaced itself passes it on: it stands between the two in the order too.
        let marked = create_first.contains(&change.addr);
        let replaced = change.action == Action::Replace;
        if change.order == ReplaceOrder::CreateFirst && (replaced || marked) {
            create_first.extend(node.depends_on.iter().cloned());
        }
    }
}

fn settle_action(change: &mut Change, facts: Option<&NodeFacts>, sources: &Sources<'_>) {
    let prior = sources.state.resources.get(&change.addr);
    if change.action == Action::Delete && fate(change, facts, sources).is_none() {
        change.action = Action::Forget;
    }
    let left = change.reason == Reason::LeftOut || sources.mode == Mode::RefreshOnly;
    let deposed = prior.is_some_and(|prior| !prior.deposed.is_empty());
    if change.action == Action::NoOp && deposed && !left {
        change.action = Action::Delete;
        change.reason = Reason::Deposed;
    }
}

fn facts(change: &Change, sources: &Sources<'_>) -> Option<NodeFacts> {
    let Some(node) = sources.native.nodes.get(&change.addr) else {
        let prior = sources.state.resources.get(&change.addr)?;
        return Some(NodeFacts {
            kind: prior.kind.clone(),
            ty: prior.ty.clone(),
            provider: prior.provider.clone(),
            depends_on: prior.depends_on.clone(),
            create_first: prior.create_first,
            on_destroy: prior.on_destroy,
            timeouts_s: [None; 3],
        });
    };
    Some(NodeFacts {
        kind: node.kind.to_owned(),
        ty: node.ty.name.to_owned(),
        provider: sources.provider.to_owned(),
        depends_on: node.depends_on.clone(),
        create_first: change.order == ReplaceOrder::CreateFirst,
        on_destroy: node.on_destroy,
        timeouts_s: node.timeouts_s,
    })
}

/// What is done with one node, in no particular order; [`link`] orders it.
fn verbs(change: &Change, facts: Option<&NodeFacts>, sources: &Sources<'_>) -> Vec<Verb> {
    let prior = sources.state.resources.get(&change.addr);
    let generation = sources.state.next_generation(&change.addr);
    // Only a whole node is forgotten. The old object of a replacement goes, as the guard has asked.
    let fate = fate(change, facts, sources).unwrap_or(DataFate::Delete);
    let current = prior.and_then(|prior| prior.current.as_ref()).map(|object| object.generation);
    let delete = |generation| Verb::Delete { generation, fate };
    let args = change.after.clone();
    let mut verbs = match change.action {
        Action::Create => vec![Verb::Create { generation, args }],
        Action::Update => vec![Verb::Update { args }],
        Action::Resume => vec![Verb::Resume],
        Action::Replace => {
            let old = current.expect("what is replaced is there");
            vec![delete(old), Verb::Create { generation, args }]
        }
        Action::Delete if change.reason != Reason::Deposed => {
            current.map(delete).into_iter().collect()
        }
        Action::Forget => vec![Verb::Forget],
        Action::Delete | Action::NoOp => {
            record(change, facts, prior, sources).into_iter().collect()
        }
    };
    if change.reason != Reason::LeftOut && sources.mode != Mode::RefreshOnly {
        let deposed = prior.into_iter().flat_map(|prior| &prior.deposed);
        verbs.extend(deposed.map(|object| delete(object.generation)));
    }
    verbs
}

/// What becomes of the data; `None` keeps the object and forgets it. Whether that is allowed at all
/// is for [`crate::guard`] to say.
fn fate(change: &Change, facts: Option<&NodeFacts>, sources: &Sources<'_>) -> Option<DataFate> {
    if sources.forgotten.iter().any(|addr| addr.covers(&change.addr)) {
        return None;
    }
    if sources.delete_data.iter().any(|addr| addr.covers(&change.addr)) {
        return Some(DataFate::Delete);
    }
    match facts.map(|facts| facts.on_destroy) {
        Some(OnDestroy::Snapshot) => Some(DataFate::Snapshot),
        Some(OnDestroy::Retain) => None,
        Some(OnDestroy::Delete | OnDestroy::Refuse) | None => Some(DataFate::Delete),
    }
}

/// Says whether nothing is done with a node, and nothing is to be written down of it: true of nearly
/// all nodes of nearly all plans.
fn is_untouched(change: &Change, sources: &Sources<'_>) -> bool {
    let prior = sources.state.resources.get(&change.addr);
    let node = sources.native.nodes.get(&change.addr);
    let (Action::NoOp, Some(prior), Some(node)) = (change.action, prior, node) else {
        return false;
    };
    let known = |object: &Object| change.observed.as_ref().is_none_or(|it| *it == object.observed);
    prior.deposed.is_empty()
        && prior.current.as_ref().is_some_and(known)
        && prior.depends_on == node.depends_on
        && prior.on_destroy == node.on_destroy
}

/// Takes into the state what it does not know yet: what refresh saw, or changed facts of the node.
fn record(
    change: &Change,
    facts: Option<&NodeFacts>,
    prior: Option<&Resource>,
    sources: &Sources<'_>,
) -> Option<Verb> {
    let prior = prior.filter(|_| change.reason != Reason::LeftOut)?;
    let object = prior.current.as_ref()?;
    let seen = change.observed.as_ref().filter(|seen| sources.record && **seen != object.observed);
    let facts_changed = facts.is_some_and(|facts| {
        // The order of replacement follows from the plan of the day; it is kept with real steps only.
        facts.depends_on != prior.depends_on || facts.on_destroy != prior.on_destroy
    });
    (seen.is_some() || facts_changed).then(|| Verb::Record { observed: seen.cloned() })
}

/// A delete that should come after a change.
struct Wish {
    delete: u32,
    change: u32,
}

/// Orders the steps.
///
/// What must be goes in first, and has no cycle: creation follows the new graph, deletion the old
/// one backwards, and [`settle_orders`] has made the two halves of replacements agree. That a delete
/// comes after whatever stood on the object has let go is wished for; a delete-first replacement
/// may make it impossible, since what lets go can itself need the new object.
fn link(
    changes: &[Change],
    sources: &Sources<'_>,
    steps_of: &BTreeMap<Addr, StepsOf>,
    steps: &mut [Step],
) {
    let mut wishes = Vec::new();
    let mut halves = Vec::new();
    for (addr, made) in steps_of {
        let Change { action, order, .. } = &changes[made.at];
        let anew = matches!(action, Action::Replace | Action::Create);
        let deletes_first = anew && *order == ReplaceOrder::DeleteFirst && !made.gone.is_empty();
        if let Some(ready) = made.ready {
            let node = sources.native.nodes.get(addr);
            let needed = node.into_iter().flat_map(|node| &node.depends_on);
            let before = needed.filter_map(|needed| steps_of.get(needed)?.ready);
            steps[ready as usize].after.extend(before);
            if deletes_first {
                steps[ready as usize].after.extend(&made.gone);
                halves.push(ready);
            } else if *action == Action::Replace {
                push_after(steps, &made.gone, ready);
            } else {
                wishes
                    .extend(made.gone.iter().map(|delete| Wish { delete: *delete, change: ready }));
            }
        }
        let prior = sources.state.resources.get(addr);
        for needed in prior.into_iter().flat_map(|prior| &prior.depends_on) {
            let Some(other) = steps_of.get(needed) else { continue };
            for gone in &made.gone {
                push_after(steps, &other.gone, *gone);
            }
            // Its own delete has let go already.
            if let Some(ready) = made.ready.filter(|_| !deletes_first) {
                wishes.extend(
                    other.gone.iter().map(|delete| Wish { delete: *delete, change: ready }),
                );
            }
        }
    }
    grant(wishes, &halves, steps);
}

/// Grants every wish that makes no cycle. Without delete-first halves none can: nothing that is
/// created waits for a delete then.
fn grant(wishes: Vec<Wish>, halves: &[u32], steps: &mut [Step]) {
    let mut before: Vec<Vec<u32>> = steps.iter().map(|step| step.after.clone()).collect();
    for wish in &wishes {
        before[wish.delete as usize].push(wish.change);
    }
    let mut in_question = vec![false; steps.len()];
    let mut open = halves.to_vec();
    while let Some(step) = open.pop() {
        if !std::mem::replace(&mut in_question[step as usize], true) {
            open.extend(&before[step as usize]);
        }
    }
    for Wish { delete, change } in wishes {
        if !in_question[delete as usize] || !comes_after(steps, change, delete) {
            steps[delete as usize].after.push(change);
        }
    }
}

/// Says whether one step waits for another, over others or at once.
fn comes_after(steps: &[Step], late: u32, early: u32) -> bool {
    let mut seen = vec![false; steps.len()];
    let mut open = vec![late];
    while let Some(step) = open.pop() {
        if step == early {
            return true;
        }
        if !std::mem::replace(&mut seen[step as usize], true) {
            open.extend(&steps[step as usize].after);
        }
    }
    false
}

/// Makes each of these steps wait for one other.
fn push_after(steps: &mut [Step], waiting: &[u32], other: u32) {
    for step in waiting.iter().filter(|step| **step != other) {
        steps[*step as usize].after.push(other);
    }
}
