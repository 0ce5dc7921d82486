//! What a record does to the state: the one place where beliefs change during an apply.
//!
//! Every function changes the entry of one address and nothing else; the journal's record carries
//! that entry whole, so replaying the journal cannot come to anything different.

use super::Watch;
use super::call::{Request, What};
use crate::diff::{Action, Change, Reason};
use crate::plan::{NodeFacts, Plan, Step, Verb};
use crate::refresh::prior;
use crate::state::{Object, Resource, State, Status};
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{Accepted, Observed, OpError, OpErrorClass, Token};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::value::Map;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A plan, with what is looked up in it by address.
pub(super) struct Script<'a> {
    pub(super) plan: &'a Plan,
    changes: BTreeMap<&'a Addr, &'a Change>,
    /// The nodes of which the plan creates an object.
    created: BTreeSet<&'a Addr>,
}

impl<'a> Script<'a> {
    pub(super) fn of(plan: &'a Plan) -> Script<'a> {
        let created = plan.steps.iter().filter(|step| matches!(step.verb, Verb::Create { .. }));
        Script {
            plan,
            changes: plan.changes.iter().map(|change| (&change.addr, change)).collect(),
            created: created.map(|step| &step.addr).collect(),
        }
    }

    fn makes_new(&self, addr: &Addr) -> bool {
        self.changes.get(addr).is_some_and(|change| {
            change.action == Action::Create && change.reason != Reason::ReplaceOutstanding
        })
    }

    /// Says whether the plan saw that the current object is not there any more.
    fn saw_gone(&self, addr: &Addr) -> bool {
        self.changes.get(addr).is_some_and(|change| change.action == Action::Create)
    }
}

/// What a step found when it began, for when its failure takes the begin back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    /// How the object stood.
    status: Option<Status>,
    /// The generation that a create put aside.
    put_aside: Option<u64>,
    /// Since when the create was in doubt.
    doubt_since: Option<Timestamp>,
}

impl Before {
    /// Says whether an earlier run had begun to change the object and its end was not seen.
    pub(super) fn was_open(self) -> bool {
        matches!(self.status, Some(Status::Updating | Status::Deleting))
    }
}

/// Builds the call of a step; `None` when the object that it speaks of is not in the state.
pub(super) fn request(
    state: &State,
    step: &Step,
    ty: &'static NativeType,
    args: Map,
    watch: &Watch,
    now: Timestamp,
) -> Option<Request> {
    let addr = &step.addr;
    let object = match &step.verb {
        Verb::Create { .. } => None,
        Verb::Update { .. } | Verb::Resume => state.resources.get(addr)?.current.as_ref(),
        Verb::Delete { generation, .. } => find(state.resources.get(addr)?, *generation),
        Verb::Forget | Verb::Record { .. } => unreachable!("these make no call"),
    };
    let mut doubt_since = None;
    let (token, args, what) = match (&step.verb, object) {
        (Verb::Create { generation, .. }, _) => {
            (Token::new(&state.lineage, addr, *generation), args, What::Create)
        }
        (Verb::Resume, Some(object)) => {
            let what = match &object.accepted {
                Some(accepted) => What::Poll { accepted: accepted.clone(), deletes: false },
                None => What::Create,
            };
            doubt_since = Some(object.doubt_since.unwrap_or(now));
            (object.token.clone(), object.args.clone(), what)
        }
        (Verb::Update { .. }, Some(object)) => {
            let prior_args = object.args.clone();
            let what = What::Update { prior: prior(addr, object), prior_args };
            (object.token.clone(), args, behind(object, what))
        }
        (Verb::Delete { fate, .. }, Some(object)) => {
            let what = What::Delete {
                prior: prior(addr, object),
                prior_args: object.args.clone(),
                fate: *fate,
            };
            doubt_since = Some(object.doubt_since.unwrap_or(now));
            (object.token.clone(), Map::new(), behind(object, what))
        }
        _ => return None,
    };
    let (watch, watched) = (watch.clone(), addr.clone());
    let watch = Arc::new(move |text: &str| watch(&watched, text));
    Some(Request { addr: addr.clone(), ty, token, args, what, doubt_since, watch })
}

/// A call on an object of which an earlier operation is open.
fn behind(object: &Object, what: What) -> What {
    match &object.accepted {
        Some(accepted) => What::After { accepted: accepted.clone(), then: Box::new(what) },
        None => what,
    }
}

/// The native type of what a step works on.
pub(super) fn native_type<'a>(state: &'a State, step: &'a Step, planned: &'a str) -> &'a str {
    let Some(resource) = state.resources.get(&step.addr) else { return planned };
    match &step.verb {
        Verb::Delete { generation, .. } => {
            let object = find(resource, *generation);
            object.and_then(|object| object.ty.as_deref()).unwrap_or(&resource.ty)
        }
        Verb::Resume => &resource.ty,
        Verb::Create { .. } | Verb::Update { .. } | Verb::Forget | Verb::Record { .. } => planned,
    }
}

fn find(resource: &Resource, generation: u64) -> Option<&Object> {
    let objects = resource.current.iter().chain(&resource.deposed);
    objects.into_iter().find(|object| object.generation == generation)
}

fn find_mut(resource: &mut Resource, generation: u64) -> Option<&mut Object> {
    let objects = resource.current.iter_mut().chain(&mut resource.deposed);
    objects.into_iter().find(|object| object.generation == generation)
}

/// Before the call: what is about to be. Returns what was.
pub(super) fn begin(
    script: &Script<'_>,
    state: &mut State,
    step: &Step,
    request: &Request,
) -> Before {
    let facts = &script.plan.nodes[&step.addr];
    let mut before = Before::default();
    match &step.verb {
        Verb::Create { generation, .. } => {
            assert_eq!(*generation, state.next_generation(&step.addr), "a generation is used once");
            if !state.resources.contains_key(&step.addr) {
                state.put(step.addr.clone(), new_resource(facts));
            }
            let resource = state.resources.get_mut(&step.addr).expect("it was just put");
            resource.generation = *generation;
            // What was seen to be gone needs no delete, so it is not put aside for one.
            let mut old = resource.current.take().filter(|_| !script.saw_gone(&step.addr));
            before.put_aside = old.as_ref().map(|old| old.generation);
            if resource.ty != facts.ty {
                let made_as = resource.ty.clone();
                old.iter_mut().chain(&mut resource.deposed).for_each(|old| {
                    old.ty.get_or_insert_with(|| made_as.clone());
                });
            }
            resource.deposed.extend(old);
            resource.current = Some(Object {
                token: request.token.clone(),
                generation: *generation,
                args: request.args.clone(),
                observed: Observed { remote_id: String::new(), values: Map::new() },
                status: Status::Creating,
                accepted: None,
                ty: None,
                doubt_since: None,
                price_paid: None,
            });
            take_facts(resource, facts);
        }
        Verb::Update { .. } => {
            let object = current(state, step);
            before.status = Some(object.status);
            object.status = Status::Updating;
        }
        // While an attempt is under way, it is not over.
        Verb::Resume => {
            current(state, step).doubt_since = None;
            before.doubt_since = request.doubt_since;
        }
        Verb::Delete { generation, .. } => {
            let resource = state.resources.get_mut(&step.addr).expect("it was just found");
            let object = find_mut(resource, *generation).expect("it was just found");
            before.status = Some(object.status);
            object.status = Status::Deleting;
            if object.observed.remote_id.is_empty() {
                object.doubt_since = request.doubt_since;
            }
        }
        Verb::Forget | Verb::Record { .. } => unreachable!("these make no call"),
    }
    before
}

fn new_resource(facts: &NodeFacts) -> Resource {
    Resource {
        kind: facts.kind.clone(),
        ty: facts.ty.clone(),
        provider: facts.provider.clone(),
        generation: 0,
        current: None,
        deposed: Vec::new(),
        depends_on: facts.depends_on.clone(),
        create_first: facts.create_first,
        on_destroy: facts.on_destroy,
    }
}

fn take_facts(resource: &mut Resource, facts: &NodeFacts) {
    resource.kind.clone_from(&facts.kind);
    resource.ty.clone_from(&facts.ty);
    resource.provider.clone_from(&facts.provider);
    resource.depends_on.clone_from(&facts.depends_on);
    resource.create_first = facts.create_first;
    resource.on_destroy = facts.on_destroy;
}

fn current<'a>(state: &'a mut State, step: &Step) -> &'a mut Object {
    let resource = state.resources.get_mut(&step.addr).expect("it was just found");
    resource.current.as_mut().expect("it was just found")
}

/// The cloud took the call.
pub(super) fn accepted(state: &mut State, step: &Step, accepted: &Accepted) {
    let resource = state.resources.get_mut(&step.addr).expect("it was begun");
    let object = match &step.verb {
        Verb::Delete { generation, .. } => find_mut(resource, *generation),
        _ => resource.current.as_mut(),
    };
    let object = object.expect("it was begun");
    object.accepted = Some(accepted.clone());
    if let (Some(remote_id), true) = (&accepted.remote_id, object.observed.remote_id.is_empty()) {
        object.observed.remote_id.clone_from(remote_id);
    }
}

/// The call ended well.
pub(super) fn end(
    script: &Script<'_>,
    state: &mut State,
    step: &Step,
    args: Map,
    observed: Option<Observed>,
) {
    let facts = &script.plan.nodes[&step.addr];
    match &step.verb {
        Verb::Create { .. } | Verb::Resume | Verb::Update { .. } => {
            let object = current(state, step);
            if matches!(step.verb, Verb::Update { .. }) {
                object.args = args;
            }
            object.observed = observed.expect("the contract was seen to hold");
            object.status = Status::Ready;
            object.doubt_since = None;
            object.accepted = None;
            let resource = state.resources.get_mut(&step.addr).expect("it is current");
            take_facts(resource, facts);
        }
        Verb::Delete { generation, .. } => {
            remove_object(state, step, *generation);
            drop_if_empty(script, state, step);
        }
        Verb::Forget | Verb::Record { .. } => unreachable!("these make no call"),
    }
}

fn remove_object(state: &mut State, step: &Step, generation: u64) {
    let resource = state.resources.get_mut(&step.addr).expect("it was begun");
    if resource.current.as_ref().is_some_and(|object| object.generation == generation) {
        resource.current = None;
    }
    resource.deposed.retain(|object| object.generation != generation);
}

/// An entry without objects goes, unless this plan creates one still: its generation must not be
/// forgotten in between.
fn drop_if_empty(script: &Script<'_>, state: &mut State, step: &Step) {
    let Some(resource) = state.resources.get(&step.addr) else { return };
    let empty = resource.current.is_none() && resource.deposed.is_empty();
    if empty && !script.created.contains(&step.addr) {
        state.remove(&step.addr);
    }
}

/// The call failed: what is believed then. A definite failure takes the begin back; an indefinite
/// one leaves it open, for recovery to ask.
pub(super) fn failed(
    script: &Script<'_>,
    state: &mut State,
    step: &Step,
    error: &OpError,
    before: Before,
    now: Timestamp,
) {
    let Some(resource) = state.resources.get_mut(&step.addr) else { return };
    // A create that is given up for a passing reason may have been several calls, and the first of
    // them may have made something.
    let creates = matches!(step.verb, Verb::Create { .. } | Verb::Resume);
    let passing = matches!(error.class, OpErrorClass::Throttled { .. } | OpErrorClass::InUse);
    let accepted = resource.current.as_ref().is_some_and(|object| object.accepted.is_some());
    if error.class == OpErrorClass::Unknown || creates && passing && !accepted {
        if let (Verb::Create { .. } | Verb::Resume, Some(object)) =
            (&step.verb, &mut resource.current)
        {
            object.doubt_since = Some(now);
        }
        return;
    }
    match &step.verb {
        Verb::Create { generation, .. } => {
            let begun = resource.current.as_mut().filter(|o| o.generation == *generation);
            let Some(object) = begun else { return };
            if !create_failed(object, &error.class) {
                resource.current = take_back(resource, before);
                drop_if_new(script, state, step);
            }
        }
        Verb::Resume => {
            if let Some(object) = &mut resource.current {
                // This attempt made nothing; the one before it may have.
                object.doubt_since = before.doubt_since;
                resume_failed(object, &error.class);
            }
        }
        Verb::Update { .. } => {
            let updating = resource.current.as_mut().filter(|o| o.status == Status::Updating);
            let Some(object) = updating else { return };
            match &error.class {
                OpErrorClass::Partial(observed) => object.observed = (**observed).clone(),
                // Accepted and then failed: nobody knows how much of it was done.
                _ if object.accepted.is_some() => {}
                _ => object.status = before.status.unwrap_or(object.status),
            }
            object.accepted = None;
        }
        Verb::Delete { generation, .. } => {
            if let Some(object) = find_mut(resource, *generation) {
                object.status = before.status.unwrap_or(object.status);
                object.accepted = None;
            }
        }
        Verb::Forget | Verb::Record { .. } => {}
    }
}

/// What a failed create leaves; `false` when it is nothing.
fn create_failed(object: &mut Object, class: &OpErrorClass) -> bool {
    match class {
        OpErrorClass::Partial(observed) => taint(object, Some(observed)),
        _ if object.accepted.is_none() => return false,
        // It was the question that failed, and what was asked about goes on.
        OpErrorClass::Throttled { .. } | OpErrorClass::Denied { .. } | OpErrorClass::InUse => {}
        OpErrorClass::NotFound => object.accepted = None,
        // Accepted and then failed: something of it may be there.
        OpErrorClass::NoCapacity
        | OpErrorClass::Quota
        | OpErrorClass::Invalid
        | OpErrorClass::Conflict
        | OpErrorClass::Unknown => taint(object, None),
    }
    true
}

/// An interrupted create that cannot be finished under its token is tainted, so that the next plan
/// makes a new one; for a passing reason it stays open.
fn resume_failed(object: &mut Object, class: &OpErrorClass) {
    match class {
        OpErrorClass::Partial(observed) => taint(object, Some(observed)),
        OpErrorClass::Conflict => taint(object, None),
        _ if object.accepted.is_some() => {
            create_failed(object, class);
        }
        _ => {}
    }
}

fn taint(object: &mut Object, observed: Option<&Observed>) {
    if let Some(observed) = observed {
        object.observed = observed.clone();
    }
    object.status = Status::Tainted;
    object.doubt_since = None;
    object.accepted = None;
}

/// After a create that made nothing, the object that it put aside counts again.
fn take_back(resource: &mut Resource, before: Before) -> Option<Object> {
    let put_aside = before.put_aside?;
    let at = resource.deposed.iter().position(|object| object.generation == put_aside)?;
    Some(resource.deposed.remove(at))
}

fn drop_if_new(script: &Script<'_>, state: &mut State, step: &Step) {
    let Some(resource) = state.resources.get(&step.addr) else { return };
    let empty = resource.current.is_none() && resource.deposed.is_empty();
    if empty && script.makes_new(&step.addr) {
        state.remove(&step.addr);
    }
}

/// Steps without a call: what they write down.
pub(super) fn settle_without_call(plan: &Plan, state: &mut State, step: &Step) {
    match &step.verb {
        // Only the current object is left alone. One that it replaced was agreed to go, and this
        // plan or the next deletes it.
        Verb::Forget => match state.resources.get_mut(&step.addr) {
            Some(resource) if !resource.deposed.is_empty() => resource.current = None,
            _ => drop(state.remove(&step.addr)),
        },
        Verb::Record { observed } => {
            let Some(resource) = state.resources.get_mut(&step.addr) else { return };
            if let (Some(object), Some(observed)) = (&mut resource.current, observed) {
                object.observed = observed.clone();
            }
            take_facts(resource, &plan.nodes[&step.addr]);
        }
        Verb::Create { .. } | Verb::Update { .. } | Verb::Resume | Verb::Delete { .. } => {
            unreachable!("these make a call")
        }
    }
}

/// What a provider answered against its own schema, as an error that names the provider. What was
/// made all the same is not forgotten: with a name it is tainted, without one it stays open.
pub(super) fn contract_broken(request: &Request, observed: Option<&Observed>) -> Option<OpError> {
    let made = observed.filter(|observed| !observed.remote_id.is_empty());
    let broken = |message: String| {
        let provider = request.ty.name.split('.').next().unwrap_or_default();
        let message = format!("provider `{provider}` broke its contract: {message}");
        let class = match made {
            Some(observed) => OpErrorClass::Partial(Box::new(observed.clone())),
            None => OpErrorClass::Unknown,
        };
        Some(OpError::new(class, message))
    };
    match observed {
        None if request.deletes() => None,
        None => broken(format!("`{}` is not there after it was made", request.ty.name)),
        Some(_) if request.deletes() => broken("a delete gave an object back".to_owned()),
        Some(observed) if observed.remote_id.is_empty() => {
            broken(format!("`{}` has no remote id", request.ty.name))
        }
        Some(observed) => {
            let known = |key: &&String| {
                request.ty.field(key).is_some() || request.ty.attribute(key).is_some()
            };
            let foreign = observed.values.keys().find(|key| !known(key))?;
            broken(format!("`{}.{foreign}` is not in its schema", request.ty.name))
        }
    }
}
