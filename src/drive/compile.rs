//! From text to native nodes, all findings at once.

use super::Elsewhere;
use crate::blueprint::{self, listed};
use crate::diag::{Code, Diagnostic, Findings, Source, suggest};
use crate::graph;
use crate::lock::Lock;
use crate::lower::{self, Native};
use crate::policy;
use crate::registry::Registry;
use crate::resolve::{self, InputSource, Resolved};
use dsenv_sdk::{Addr, Provider};
use jiff::civil::Date;
use std::sync::Arc;

/// What is compiled, and for which environment.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The environment; the only one there is when absent.
    pub environment: Option<String>,
    /// Inputs as they were typed.
    pub inputs: Vec<InputSource>,
    /// Where it is taken to be instead of where its environment says.
    pub elsewhere: Option<Elsewhere>,
    /// Which day it is, for waivers; without one none counts.
    pub today: Option<Date>,
}

/// A blueprint in one environment, before it is known what the lock pins.
#[derive(Clone)]
pub struct Front {
    /// The resources.
    pub resolved: Resolved,
    /// Their addresses, each behind what it needs.
    pub order: Vec<Addr>,
    /// The provider's pure half.
    pub provider: Arc<dyn Provider>,
    /// The digest of what the blueprint says. Inputs are not in it: a plan keeps its own.
    pub digest: String,
    /// What rules say of it that does not refuse it: what is waived, what is advised against.
    pub remarks: Findings,
    /// Which day it was compiled on.
    pub today: Option<Date>,
}

/// A blueprint in one environment, ready to be compared with what is there.
#[derive(Clone)]
pub struct Compiled {
    /// What it was made of.
    pub front: Front,
    /// What the provider makes of it.
    pub native: Native,
}

/// Reads and resolves; `None` with errors among the findings, and never without.
pub fn front(source: &Source, request: &Request, registry: &Registry) -> (Option<Front>, Findings) {
    let (blueprint, mut findings) = blueprint::parse_unnamed(source);
    let Some(mut blueprint) = blueprint else { return (None, findings) };
    if let Some(place) = &request.elsewhere {
        for environment in blueprint.environments.values_mut() {
            environment.provider.text.clone_from(&place.provider);
            environment.region.clone_from(&place.region);
            environment.account = None;
        }
    }
    let environment = request.environment.as_deref();
    let (resolved, found) = resolve::resolve(source, &blueprint, environment, &request.inputs);
    findings.append(found);
    let Some(resolved) = resolved else { return (None, findings) };
    let Some(provider) = find_provider(&blueprint, &resolved, registry, &mut findings) else {
        return (None, findings);
    };
    let (order, found) = graph::order(&resolved);
    findings.append(found);
    let mut remarks = Findings::new();
    // Rules are about all resources, so they wait until all of them could be read.
    if !findings.has_errors() {
        remarks = policy::judge(&resolved, request.today);
        findings.append(remarks.clone());
    }
    if findings.has_errors() {
        findings.append(lower::remarks(&resolved, &*provider));
        return (None, findings);
    }
    let digest = blueprint.digest;
    let today = request.today;
    (Some(Front { resolved, order, provider, digest, remarks, today }), findings)
}

/// Reads which environment it is and no more: for commands that look at what there is, or take it
/// away. Mistakes elsewhere in the blueprint do not stand in their way, and no input is asked for.
pub fn bare(source: &Source, request: &Request, registry: &Registry) -> (Option<Front>, Findings) {
    let (blueprint, findings) = blueprint::parse(source);
    let Some(blueprint) = blueprint else { return (None, findings) };
    let (resolved, mut findings) = resolve::bare(&blueprint, request.environment.as_deref());
    let Some(resolved) = resolved else { return (None, findings) };
    let provider = find_provider(&blueprint, &resolved, registry, &mut findings);
    let digest = blueprint.digest;
    let (order, remarks, today) = (Vec::new(), Findings::new(), request.today);
    let front =
        provider.map(|provider| Front { resolved, order, provider, digest, remarks, today });
    (front, findings)
}

/// Lowers with what the lock pins.
pub fn back(front: Front, lock: &Lock) -> (Option<Compiled>, Findings) {
    let (native, findings) =
        lower::lower(&front.resolved, &front.order, &*front.provider, &lock.pins);
    if findings.has_errors() {
        return (None, findings);
    }
    (Some(Compiled { front, native }), findings)
}

/// Both halves, for a lock that is at hand.
pub fn compile(
    source: &Source,
    request: &Request,
    lock: &Lock,
    registry: &Registry,
) -> (Option<Compiled>, Findings) {
    let (front, mut findings) = front(source, request, registry);
    let Some(front) = front else { return (None, findings) };
    let (compiled, found) = back(front, lock);
    findings.append(found);
    (compiled, findings)
}

fn find_provider(
    blueprint: &blueprint::Blueprint,
    resolved: &Resolved,
    registry: &Registry,
    findings: &mut Findings,
) -> Option<Arc<dyn Provider>> {
    let found = registry.get(&resolved.provider).cloned();
    if found.is_none() {
        let names = registry.names();
        let environment = &blueprint.environments[&resolved.environment];
        let message = format!(
            "environment `{}` is on provider `{}`; this build has {}",
            resolved.environment,
            resolved.provider,
            listed(&names)
        );
        let unknown = Diagnostic::error(Code::E0508, message).at(environment.provider.span);
        findings.push(unknown.did_you_mean(suggest(&resolved.provider, names)));
    }
    found
}
