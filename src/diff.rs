//! What differs between what is asked for, what was recorded and what is there; and why.
//!
//! In: the native graph, the state, what refresh saw and what the user asked for on the command line.
//! Out: one [`Change`] a node, in an order in which nodes can be made, each with its reason. The
//! engine diffs from the schema; providers do not. Pure.

use crate::lower::{Native, Node};
use crate::refresh::{Refreshed, Seen};
use crate::resolve::Scope;
use crate::settle::{self, Facts};
use crate::state::{Object, Resource, State, Status};
use dsenv_sdk::schema::{Field, NativeType, OnChange, ReplaceOrder};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Term};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is done with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It is created.
    Create,
    /// It is changed in place.
    Update,
    /// It is created anew, and the old one deleted.
    Replace,
    /// It is deleted.
    Delete,
    /// It is taken out of the state and left alone.
    Forget,
    /// An interrupted create is finished.
    Resume,
    /// Nothing is done.
    NoOp,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The blueprint has it and the state has not.
    New,
    /// These arguments differ from what was applied.
    Changed(Vec<String>),
    /// These arguments were changed outside of dsenv; the blueprint wins.
    Drifted(Vec<String>),
    /// It was deleted outside of dsenv.
    GoneOutside,
    /// Its creation did not finish well.
    Tainted,
    /// Its old object was deleted, and the new one was not created yet.
    ReplaceOutstanding,
    /// Its creation was interrupted.
    Interrupted,
    /// `--replace` names it.
    Requested,
    /// Its block is gone from the blueprint.
    BlockGone,
    /// The environment is destroyed.
    Destroy,
    /// It was replaced before, and its old object is still there.
    Deposed,
    /// Nothing differs.
    Same,
    /// `--target` or `--exclude` leaves it out.
    LeftOut,
}

/// One argument or attribute that is not what was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// Its name.
    pub name: String,
    /// What was recorded.
    pub before: Value,
    /// What is there.
    pub after: Value,
    /// Whether anything depends on it: an argument always, an attribute when a resource or output
    /// takes it.
    pub relevant: bool,
}

/// What is to become of one node.
#[derive(Clone, Debug)]
pub struct Change {
    /// The node.
    pub addr: Addr,
    /// The neutral kind.
    pub kind: String,
    /// The native type.
    pub ty: String,
    /// What is done.
    pub action: Action,
    /// In which order it is replaced, when it is.
    pub order: ReplaceOrder,
    /// Why.
    pub reason: Reason,
    /// What was applied last.
    pub before: Option<Map>,
    /// What is asked for, with holes; empty for a delete.
    pub after: Arc<BTreeMap<String, Term>>,
    /// What differs between what was recorded and what is there.
    pub drift: Vec<Drift>,
    /// What is there, when refresh saw it.
    pub observed: Option<dsenv_sdk::provider::Observed>,
}

/// What the command line asks for.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// What kind of plan it is.
    pub mode: Mode,
    /// `--replace`.
    pub replace: Vec<Addr>,
    /// `--target`; never together with `exclude`.
    pub target: Vec<Addr>,
    /// `--exclude`, or `--keep` of destroy.
    pub exclude: Vec<Addr>,
}

/// What kind of plan it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Make what is there what the blueprint says.
    #[default]
    Apply,
    /// Delete everything.
    Destroy,
    /// Take over what is there into the state; change nothing.
    RefreshOnly,
}

/// An expression that cannot be computed.
#[derive(Debug, Clone)]
pub struct Unsettled {
    /// The node.
    pub addr: Addr,
    /// What is wrong, for the user.
    pub message: String,
}

/// Everything that a node's terms can refer to, as it becomes known.
struct Known<'a> {
    native: &'a Native,
    scope: &'a Scope,
    attributes: BTreeMap<Addr, Map>,
    /// The settled arguments of nodes that are nothing but their arguments.
    mirrors: BTreeMap<Addr, Arc<BTreeMap<String, Term>>>,
}

impl Facts for Known<'_> {
    fn arguments(&self, addr: &Addr) -> Option<&BTreeMap<String, Term>> {
        self.native.arguments.get(addr).map(|arguments| &**arguments)
    }

    fn attributes(&self, addr: &Addr) -> Option<&Map> {
        self.attributes.get(addr)
    }

    fn mirrored(&self, addr: &Addr, attribute: &str) -> Option<&Term> {
        let args = self.mirrors.get(addr)?;
        let ty = self.native.nodes.get(addr)?.ty;
        args.get(ty.attribute(attribute)?.of?)
    }

    fn scope(&self) -> &Scope {
        self.scope
    }
}

/// Compares. The changes stand in the order of the graph, then what is only in the state, in
/// reverse order of its dependencies.
pub fn diff(
    native: &Native,
    scope: &Scope,
    outputs: &BTreeMap<String, Term>,
    state: &State,
    refreshed: &Refreshed,
    wishes: &Wishes,
) -> Result<(Vec<Change>, BTreeMap<String, Term>), Unsettled> {
    let selected = select(native, state, wishes);
    let relevant = relevant_attributes(native, outputs);
    let mut known = Known { native, scope, attributes: BTreeMap::new(), mirrors: BTreeMap::new() };
    let mut changes = Vec::with_capacity(native.order.len());
    if wishes.mode != Mode::Destroy {
        for addr in &native.order {
            let node = &native.nodes[addr];
            let args = settle::settle_all(&node.args, &known)
                .map_err(|message| Unsettled { addr: addr.clone(), message })?;
            let prior = state.resources.get(addr);
            let mut change = compare(addr, node, args, prior, refreshed, &relevant);
            judge_selection(&mut change, wishes, selected.as_ref());
            if let Some(attributes) = attributes_after(&change, node.ty, prior) {
                known.attributes.insert(addr.clone(), attributes);
            }
            if node.ty.mirrors() {
                known.mirrors.insert(addr.clone(), change.after.clone());
            }
            changes.push(change);
        }
    }
    let settled_outputs = settle::settle_all(outputs, &known).map_err(|message| {
        let addr = Addr::resource("outputs");
        Unsettled { addr, message }
    })?;
    add_deletes(native, state, refreshed, wishes, selected.as_ref(), &mut changes);
    Ok((changes, settled_outputs))
}

/// Compares one node of the blueprint with the state.
fn compare(
    addr: &Addr,
    node: &Node,
    args: BTreeMap<String, Term>,
    prior: Option<&Resource>,
    refreshed: &Refreshed,
    relevant: &BTreeSet<(Addr, String)>,
) -> Change {
    let object = prior.and_then(|prior| prior.current.as_ref());
    let mut change = Change {
        addr: addr.clone(),
        kind: node.kind.to_owned(),
        ty: node.ty.name.to_owned(),
        action: Action::NoOp,
        order: node.replace,
        reason: Reason::Same,
        before: object.map(|object| object.args.clone()),
        after: Arc::new(args),
        drift: Vec::new(),
        observed: None,
    };
    let Some(object) = object else {
        change.action = Action::Create;
        change.reason = match prior {
            Some(prior) if prior.generation > 0 => Reason::ReplaceOutstanding,
            _ => Reason::New,
        };
        return change;
    };
    let retyped = prior.is_some_and(|prior| prior.ty != node.ty.name);
    if !retyped {
        keep_given(&mut change, node.ty, object);
    }
    match object.status {
        Status::Creating if !retyped => return resume(change, node, object),
        Status::Creating => return replace(change, Reason::Interrupted),
        Status::Tainted => return replace(change, Reason::Tainted),
        Status::Ready | Status::Updating | Status::Deleting => {}
    }
    match refreshed.seen(addr) {
        Seen::Gone => {
            change.action = Action::Create;
            // Our own delete was under way when the run was interrupted.
            let ours = object.status == Status::Deleting;
            change.reason = if ours { Reason::ReplaceOutstanding } else { Reason::GoneOutside };
            return change;
        }
        Seen::There(_) | Seen::Unread if retyped => {
            return replace(change, Reason::Changed(vec!["type".to_owned()]));
        }
        Seen::There(observed) => {
            change.drift = drift(addr, node.ty, object, observed, relevant);
            change.observed = Some(observed.clone());
        }
        Seen::Unread => {}
    }
    if object.status == Status::Deleting {
        // Somebody agreed to its deletion, and the cloud may be at it still.
        return replace(change, Reason::Interrupted);
    }
    compare_args(&mut change, node, object);
    change
}

/// What was decided when the object was made is not asked for anew.
fn keep_given(change: &mut Change, ty: &NativeType, object: &Object) {
    for field in ty.fields.iter().filter(|field| field.on_change == OnChange::Keep) {
        if let Some(given) = object.args.get(field.name) {
            let after = Arc::make_mut(&mut change.after);
            after.insert(field.name.to_owned(), Term::Known(given.clone()));
        }
    }
}

fn replace(change: Change, reason: Reason) -> Change {
    Change { action: Action::Replace, reason, ..change }
}

/// An interrupted create is finished with the same arguments; with others it begins anew.
fn resume(mut change: Change, node: &Node, object: &Object) -> Change {
    let names = change.after.keys().chain(object.args.keys());
    let mut names = names.filter(|name| !is_ignored(node, name));
    let same =
        names.all(|name| same(node.ty.field(name), change.after.get(name), object.args.get(name)));
    change.action = if same { Action::Resume } else { Action::Replace };
    change.reason = Reason::Interrupted;
    change
}

fn compare_args(change: &mut Change, node: &Node, object: &Object) {
    let names: BTreeSet<&String> = change.after.keys().chain(object.args.keys()).collect();
    let mut changed = Vec::new();
    let mut drifted = Vec::new();
    let mut replace = false;
    for name in names {
        let field = node.ty.field(name);
        let asked = change.after.get(name);
        let satisfied = field.is_some_and(|field| satisfies(change, field, object));
        let differs = !same(field, asked, object.args.get(name)) && !satisfied;
        // An update was begun and nobody knows how far it came: all of it is sent again.
        let open = object.status == Status::Updating;
        let of_field = |drift: &Drift| {
            drift.name == *name || field.and_then(|field| field.taken) == Some(&*drift.name)
        };
        let moved = change.drift.iter().any(of_field)
            && field.is_some_and(|field| !field.cloud_owned)
            && !satisfied;
        if is_ignored(node, name) || !(differs || moved || open) {
            continue;
        }
        let seen = change.observed.as_ref().and_then(|seen| seen.values.get(name));
        let there = seen.or_else(|| object.args.get(name));
        let asked = asked.and_then(Term::known);
        replace |=
            field.is_some_and(|field| field.replaces_from(there, asked)) && (differs || moved);
        if differs || open { changed.push(name.clone()) } else { drifted.push(name.clone()) }
    }
    if changed.is_empty() && drifted.is_empty() {
        return;
    }
    change.action = if replace { Action::Replace } else { Action::Update };
    change.reason =
        if changed.is_empty() { Reason::Drifted(drifted) } else { Reason::Changed(changed) };
    if change.action == Action::Update {
        keep_ignored(change, node, object);
    }
}

/// Says whether what was taken from a list of offers, as it was seen, else as it was recorded, is
/// still in the list.
fn satisfies(change: &Change, field: &Field, object: &Object) -> bool {
    let Some(attribute) = field.taken else { return false };
    let seen = change.observed.as_ref().unwrap_or(&object.observed).values.get(attribute);
    match (seen, change.after.get(field.name)) {
        (Some(seen), Some(Term::Known(Value::List(asked)))) => asked.contains(seen),
        // One that is still to be made is one more, and takes none away.
        (Some(seen), Some(Term::List(asked))) => asked.iter().any(|it| it.known() == Some(seen)),
        _ => false,
    }
}

/// An update sends every argument, so those that the blueprint ignores go out as they are: as they
/// were seen, else as they were applied. What is made anew is made as the blueprint says.
fn keep_ignored(change: &mut Change, node: &Node, object: &Object) {
    let after = Arc::make_mut(&mut change.after);
    for field in node.ty.fields.iter().filter(|field| is_ignored(node, field.name)) {
        let seen = change.observed.as_ref().and_then(|seen| seen.values.get(field.name));
        match seen.or_else(|| object.args.get(field.name)) {
            Some(value) => after.insert(field.name.to_owned(), Term::Known(value.clone())),
            None => after.remove(field.name),
        };
    }
}

/// Says whether the blueprint ignores a native argument, by its own name or by the neutral field that
/// it comes from.
fn is_ignored(node: &Node, name: &str) -> bool {
    let field = node.ty.field(name);
    node.ignore.iter().any(|it| it == name || field.is_some_and(|field| field.is_named(it)))
}

/// An open term may come to anything, so it differs. Absent and null are the same.
fn same(field: Option<&Field>, asked: Option<&Term>, recorded: Option<&Value>) -> bool {
    match (asked, recorded) {
        (None | Some(Term::Known(Value::Null)), None | Some(Value::Null)) => true,
        (Some(Term::Known(asked)), Some(recorded)) => match field {
            Some(field) => field.agrees(asked, recorded),
            None => asked == recorded,
        },
        _ => false,
    }
}

fn drift(
    addr: &Addr,
    ty: &NativeType,
    object: &Object,
    observed: &dsenv_sdk::provider::Observed,
    relevant: &BTreeSet<(Addr, String)>,
) -> Vec<Drift> {
    let mut drifts = Vec::new();
    for (name, after) in &observed.values {
        let field = ty.field(name);
        let before = match field {
            Some(field) if field.cloud_owned => continue,
            // What was not asked for and the cloud has filled in is compared with what it was then.
            Some(_) => object.args.get(name).or_else(|| object.observed.values.get(name)),
            None => object.observed.values.get(name),
        };
        let before = before.cloned().unwrap_or(Value::Null);
        if !field.map_or(before == *after, |field| field.agrees(&before, after)) {
            let relevant = field.is_some() || relevant.contains(&(addr.clone(), name.clone()));
            drifts.push(Drift { name: name.clone(), before, after: after.clone(), relevant });
        }
    }
    drifts
}

/// Every attribute that some node or output takes.
fn relevant_attributes(
    native: &Native,
    outputs: &BTreeMap<String, Term>,
) -> BTreeSet<(Addr, String)> {
    let mut relevant = BTreeSet::new();
    let terms = native.nodes.values().flat_map(|node| node.args.values());
    for term in terms.chain(outputs.values()) {
        term.each_ref(&mut |reference| {
            if let Some(first) = reference.path.first() {
                relevant.insert((reference.addr.clone(), first.to_string()));
            }
        });
    }
    relevant
}

/// The attributes that dependants can count on once this change is made; `None` when none is known.
fn attributes_after(change: &Change, ty: &NativeType, prior: Option<&Resource>) -> Option<Map> {
    let recorded = || prior?.current.as_ref().map(|object| &object.observed);
    let observed = change.observed.as_ref().or_else(recorded)?;
    match change.action {
        Action::NoOp => Some(observed.values.clone()),
        Action::Update => {
            let stable = |name: &String| ty.attribute(name).is_some_and(|a| a.stable);
            let kept = observed.values.iter().filter(|(name, _)| stable(name));
            Some(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        Action::Create | Action::Replace | Action::Delete | Action::Forget | Action::Resume => None,
    }
}

/// Takes `--replace`, `--target`, `--exclude` and refresh-only into account.
fn judge_selection(change: &mut Change, wishes: &Wishes, selected: Option<&BTreeSet<Addr>>) {
    if selected.is_some_and(|selected| !selected.contains(&change.addr)) {
        change.action = Action::NoOp;
        change.reason = Reason::LeftOut;
        return;
    }
    if wishes.mode == Mode::RefreshOnly {
        let gone = change.reason == Reason::GoneOutside;
        change.action = if gone { Action::Forget } else { Action::NoOp };
        if !gone {
            change.reason = Reason::Same;
        }
        return;
    }
    let requested = wishes.replace.iter().any(|addr| addr.covers(&change.addr));
    if requested && matches!(change.action, Action::NoOp | Action::Update) {
        change.action = Action::Replace;
        change.reason = Reason::Requested;
    }
}

/// Adds a delete for what only the state has, and for what was replaced and is still there.
fn add_deletes(
    native: &Native,
    state: &State,
    refreshed: &Refreshed,
    wishes: &Wishes,
    selected: Option<&BTreeSet<Addr>>,
    changes: &mut Vec<Change>,
) {
    if wishes.mode == Mode::RefreshOnly {
        return;
    }
    for (addr, prior) in &state.resources {
        let wanted = wishes.mode != Mode::Destroy && native.nodes.contains_key(addr);
        let left_out = selected.is_some_and(|selected| !selected.contains(addr));
        if wanted || left_out {
            continue;
        }
        let gone = matches!(refreshed.seen(addr), Seen::Gone);
        // The first half of a replacement was done, and the second is not wanted any more.
        let nothing = prior.current.is_none() && prior.deposed.is_empty();
        let object = prior.current.as_ref().or(prior.deposed.first());
        let reason = match (wishes.mode, gone) {
            (_, true) => Reason::GoneOutside,
            (Mode::Destroy, _) => Reason::Destroy,
            _ => Reason::BlockGone,
        };
        changes.push(Change {
            addr: addr.clone(),
            kind: prior.kind.clone(),
            ty: prior.ty.clone(),
            // What was seen to be gone is deleted all the same: that is a success where it is gone,
            // and no orphan where the read was behind.
            action: if nothing { Action::Forget } else { Action::Delete },
            order: ReplaceOrder::DeleteFirst,
            reason,
            before: object.map(|object| object.args.clone()),
            after: Arc::default(),
            drift: Vec::new(),
            observed: None,
        });
    }
}

/// The nodes that the plan may touch; `None` is all of them.
///
/// A target brings what it needs and nothing that needs it; what is excluded takes with it what needs
/// it. When things are deleted the direction turns round: nothing may be deleted under what stays.
fn select(native: &Native, state: &State, wishes: &Wishes) -> Option<BTreeSet<Addr>> {
    if wishes.target.is_empty() && wishes.exclude.is_empty() {
        return None;
    }
    let all: BTreeSet<&Addr> = native.nodes.keys().chain(state.resources.keys()).collect();
    let named = |names: &[Addr]| -> BTreeSet<Addr> {
        let covered = |addr: &&&Addr| names.iter().any(|name| name.covers(addr));
        all.iter().filter(covered).map(|addr| (*addr).clone()).collect()
    };
    let edges = Edges::of(native, state, &all);
    if wishes.mode == Mode::Destroy {
        let up = |start| closure(start, &|addr| edges.stands_on_it.get(addr));
        let down = |start| closure(start, &|addr| state.resources.get(addr).map(|r| &r.depends_on));
        if !wishes.target.is_empty() {
            return Some(up(named(&wishes.target)));
        }
        let kept = down(named(&wishes.exclude));
        return Some(all.into_iter().filter(|addr| !kept.contains(addr)).cloned().collect());
    }
    if !wishes.target.is_empty() {
        // What only the state has is deleted, and what stands on it must have let go before.
        let brings = |addr: &Addr| match native.nodes.get(addr) {
            Some(node) => Some(&node.depends_on),
            None => edges.stands_on_it.get(addr),
        };
        return Some(closure(named(&wishes.target), &brings));
    }
    let takes_along = |addr: &Addr| edges.stays_with_it.get(addr);
    let excluded = closure(named(&wishes.exclude), &takes_along);
    Some(all.into_iter().filter(|addr| !excluded.contains(addr)).cloned().collect())
}

/// The edges that a selection follows, against the direction in which they are kept.
struct Edges {
    /// By the state: what was made on it.
    stands_on_it: BTreeMap<Addr, BTreeSet<Addr>>,
    /// When it is left as it is: what needs it, and what only the state has and it stands on.
    stays_with_it: BTreeMap<Addr, BTreeSet<Addr>>,
}

impl Edges {
    fn of(native: &Native, state: &State, all: &BTreeSet<&Addr>) -> Edges {
        let mut stands_on_it: BTreeMap<Addr, BTreeSet<Addr>> = BTreeMap::new();
        let mut stays_with_it: BTreeMap<Addr, BTreeSet<Addr>> = BTreeMap::new();
        for addr in all {
            for needed in state.resources.get(*addr).into_iter().flat_map(|r| &r.depends_on) {
                stands_on_it.entry(needed.clone()).or_default().insert((*addr).clone());
                if !native.nodes.contains_key(needed) {
                    stays_with_it.entry((*addr).clone()).or_default().insert(needed.clone());
                }
            }
            for needed in native.nodes.get(*addr).into_iter().flat_map(|node| &node.depends_on) {
                stays_with_it.entry(needed.clone()).or_default().insert((*addr).clone());
            }
        }
        Edges { stands_on_it, stays_with_it }
    }
}

fn closure<'a>(
    start: BTreeSet<Addr>,
    next: &dyn Fn(&Addr) -> Option<&'a BTreeSet<Addr>>,
) -> BTreeSet<Addr> {
    let mut open: Vec<Addr> = start.iter().cloned().collect();
    let mut closed = start;
    while let Some(addr) = open.pop() {
        for found in next(&addr).into_iter().flatten() {
            if closed.insert(found.clone()) {
                open.push(found.clone());
            }
        }
    }
    closed
}
