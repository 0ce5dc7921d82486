//! May this plan be applied: protection and data; in [`budget`], what it costs; in [`policies`], what rules
//! say of it.
//!
//! In: a plan, with what the user allowed, and the state. Out: findings; an error among them refuses the
//! plan. Protection is read from the state, so it outlives the block that declared it (law 11). Pure.

pub mod budget;
pub mod policies;

use crate::diag::{Code, Diagnostic, Findings};
use crate::diff::{Action, Change, Reason};
use crate::plan::{Plan, Verb};
use crate::state::{State, Status};
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{OnDestroy, Provider};
use std::collections::BTreeSet;

/// Judges every change of the plan.
pub fn judge(plan: &Plan, state: &State, provider: &dyn Provider) -> Findings {
    let mut findings = Findings::new();
    let protected: BTreeSet<&Addr> = state.protected.iter().chain(&plan.protect).collect();
    for change in &plan.changes {
        let what = match change.action {
            Action::Delete => "deletes",
            Action::Replace => "replaces",
            Action::Forget if change.reason != Reason::GoneOutside => "forgets",
            Action::Create | Action::Update | Action::Forget | Action::Resume | Action::NoOp => {
                continue;
            }
        };
        // Where there is no object, or none any more, none is lost.
        let prior = state.resources.get(&change.addr);
        let lost = [Reason::Deposed, Reason::GoneOutside].contains(&change.reason);
        if lost || prior.is_none_or(|prior| prior.current.is_none()) {
            continue;
        }
        findings.extend(judge_protection(change, what, &protected));
        findings.extend(judge_data(change, plan, state, provider));
    }
    findings.extend(judge_deposed(plan, state, provider));
    findings
}

/// Judges the deletion of objects that were replaced before. Whoever allowed the replacement saw the
/// plan of that day; data is asked about again, since a state that was restored has such objects too.
fn judge_deposed(plan: &Plan, state: &State, provider: &dyn Provider) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for step in &plan.steps {
        let Verb::Delete { generation, .. } = step.verb else { continue };
        let Some(prior) = state.resources.get(&step.addr) else { continue };
        let mut deposed = prior.deposed.iter();
        let Some(object) = deposed.find(|object| object.generation == generation) else { continue };
        let ty = object.ty.as_ref().unwrap_or(&prior.ty);
        let holds_data = provider.native_type(ty).is_some_and(|ty| ty.holds_data);
        let allowed = plan.allowed.replace.iter().chain(&plan.allowed.delete_data);
        let mut named = allowed.filter(|name| name.covers(&step.addr));
        let facts = plan.nodes.get(&step.addr);
        let on_destroy = facts.map_or(prior.on_destroy, |facts| facts.on_destroy);
        if !holds_data || named.next().is_some() || on_destroy != OnDestroy::Refuse {
            continue;
        }
        let addr = &step.addr;
        let message = format!(
            "the plan deletes an object that `{addr}` had before, a {}, with everything in it",
            prior.kind
        );
        let refused = Diagnostic::error(Code::E0809, message).address(addr.to_string());
        findings.push(refused.help(format!("if that is meant: `--delete-data '{addr}'`")));
    }
    findings
}

fn judge_protection(
    change: &Change,
    what: &str,
    protected: &BTreeSet<&Addr>,
) -> Option<Diagnostic> {
    // What covers an address is itself, its member, or the whole resource.
    let addr = &change.addr;
    let covering = [addr.clone(), addr.owner(), Addr::resource(&addr.name)];
    let owner = covering.iter().rev().find(|owner| protected.contains(owner))?;
    let message = format!("the plan {what} `{}`, and `{owner}` is protected", change.addr);
    let help = format!("if that is meant: `dsenv unprotect '{owner}'`, then again");
    let refused = Diagnostic::error(Code::E0808, message).address(change.addr.to_string());
    Some(refused.help(help))
}

fn judge_data(
    change: &Change,
    plan: &Plan,
    state: &State,
    provider: &dyn Provider,
) -> Option<Diagnostic> {
    let allowed = &plan.allowed;
    let addr = &change.addr;
    let prior = state.resources.get(addr)?;
    let holds_data = provider.native_type(&prior.ty).is_some_and(|ty| ty.holds_data);
    // Its deletion was agreed to and begun, and was interrupted.
    if prior.current.as_ref().is_some_and(|object| object.status == Status::Deleting) {
        return None;
    }
    let named = |names: &[Addr]| names.iter().any(|name| name.covers(addr));
    if !holds_data || named(&allowed.delete_data) {
        return None;
    }
    // What its block says now counts; where the block is gone, what it said last.
    let on_destroy = plan.nodes.get(addr).map_or(prior.on_destroy, |facts| facts.on_destroy);
    let kind = &change.kind;
    let refuse =
        |message: String| Diagnostic::error(Code::E0809, message).address(addr.to_string());
    match (change.action, on_destroy) {
        (Action::Replace, _) if !named(&allowed.replace) => Some(
            refuse(format!("the plan replaces `{addr}`: a new {kind} is created, and the data of \
                            the old one is not in it"))
            .help(format!("if that is meant: `--replace '{addr}'`")),
        ),
        (Action::Replace, OnDestroy::Retain) => Some(
            refuse(format!("the plan replaces `{addr}`, and the old {kind} cannot be retained"))
                .help(format!("if its data may go: `--delete-data '{addr}'`"))
                .help("to keep it, give the new one another name, and this one a place in `removed:`"),
        ),
        (Action::Delete, OnDestroy::Refuse) => Some(
            refuse(format!("the plan deletes `{addr}`, a {kind}, with everything in it"))
                .help(format!("if that is meant: `--delete-data '{addr}'`"))
                .help("or say in its block what becomes of its data: `on_destroy: delete`, `snapshot` or `retain`"),
        ),
        _ => None,
    }
}
