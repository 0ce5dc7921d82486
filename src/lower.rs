//! Resources become native nodes: what the environment's provider creates for each.
//!
//! In: [`Resolved`] in order, a provider's pure half and the pins of the lock. Out: [`Native`], a graph
//! of nodes with typed arguments that may still hold references. Needs no credential and makes no
//! call. Every neutral attribute that another resource refers to is an attribute of the main node.

use crate::diag::{Code, Diagnostic, Findings, Span};
use crate::graph::{self, network_of};
use crate::resolve::{Resolved, Resource, Scope};
use crate::settle::{self, Facts};
use dsenv_sdk::provider::{Neutral, OnDestroy, Provider, Surroundings, Want, Weight};
use dsenv_sdk::schema::{NativeType, ReplaceOrder};
use dsenv_sdk::value::{self, Value};
use dsenv_sdk::{Addr, Term};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One native node.
#[derive(Clone, Debug)]
pub struct Node {
    /// The neutral kind that it comes from.
    pub kind: &'static str,
    /// What the provider creates.
    pub ty: &'static NativeType,
    /// Its arguments.
    pub args: BTreeMap<String, Term>,
    /// Every node that it needs.
    pub depends_on: BTreeSet<Addr>,
    /// The order in which it is replaced, before dependants have their say.
    pub replace: ReplaceOrder,
    /// Whether its block itself asks for create-first: then what it needs has to follow.
    pub asks_create_first: bool,
    /// Arguments whose changes are left alone.
    pub ignore: Vec<String>,
    /// What becomes of its data.
    pub on_destroy: OnDestroy,
    /// How long each operation may take, in seconds: create, update, delete.
    pub timeouts_s: [Option<u64>; 3],
    /// Where its resource stands in the blueprint.
    pub span: Span,
}

/// The neutral arguments of every resource, shared: a map of a few entries costs a kilobyte, and every
/// stage holds all of them.
pub type Arguments = BTreeMap<Addr, Arc<BTreeMap<String, Term>>>;

/// The native graph of one environment.
#[derive(Clone, Debug, Default)]
pub struct Native {
    /// Every node, by address.
    pub nodes: BTreeMap<Addr, Node>,
    /// The addresses, each behind what it needs.
    pub order: Vec<Addr>,
    /// The neutral arguments of every resource: what expressions that name an argument refer to.
    pub arguments: Arc<Arguments>,
    /// What the lock must pin, sorted, each once, and the resource that wants it first.
    pub wants: Vec<(Want, Addr)>,
    /// The pins of these that the lock lacks.
    pub not_locked: BTreeSet<String>,
    /// Resources that the blueprint protects.
    pub protect: BTreeSet<Addr>,
}

/// Lowers every resource. With errors among the findings, the graph is not to be used.
pub fn lower(
    resolved: &Resolved,
    order: &[Addr],
    provider: &dyn Provider,
    pins: &BTreeMap<String, Value>,
) -> (Native, Findings) {
    let mut findings = Findings::new();
    let mut native = Native::default();
    let mut arguments = Arguments::new();
    let mut unsettled = BTreeSet::new();
    let around = surroundings(resolved, pins);
    for addr in order {
        let resource = &resolved.resources[addr];
        let neutral = neutral(resolved, resource);
        if !check(resource, &neutral, &around, provider, &mut findings) {
            continue;
        }
        add_wants(&neutral, &around, provider, &mut native.wants);
        for part in provider.lower(&neutral, &around) {
            let (addr, node) = make_node(resource, provider, part);
            native.nodes.insert(addr, node);
        }
        if resource.protect {
            native.protect.insert(addr.clone());
        }
        let settled = settled(resource, &arguments, &resolved.scope).unwrap_or_else(|message| {
            if !leads_to(resource, &unsettled) {
                let wrong = Diagnostic::error(Code::E0402, message).at(resource.span);
                findings.push(wrong.address(addr.to_string()));
            }
            unsettled.insert(addr.clone());
            resource.fields.clone()
        });
        arguments.insert(addr.clone(), settled);
    }
    native.arguments = arguments.into();
    native.wants.sort_by(|a, b| a.0.pin.cmp(&b.0.pin));
    let names = native.wants.iter().map(|(want, _)| want.pin.to_string());
    native.not_locked = names.filter(|name| !pins.contains_key(name)).collect();
    if !findings.has_errors() {
        link(resolved, &mut native, provider, &mut findings);
    }
    (native, findings)
}

/// Reports what the provider remarks of every resource that is sound by itself: for a blueprint that
/// is refused already, so that its findings come in one round.
pub fn remarks(resolved: &Resolved, provider: &dyn Provider) -> Findings {
    let mut findings = Findings::new();
    let pins = BTreeMap::new();
    let around = surroundings(resolved, &pins);
    for resource in resolved.resources.values().filter(|resource| resource.sound) {
        check(resource, &neutral(resolved, resource), &around, provider, &mut findings);
    }
    findings
}

/// The neutral arguments with those of other resources filled in, which are settled already: what a
/// later reference comes by is then one step away, and not a chain of as many as there are resources.
fn settled(
    resource: &Resource,
    before: &Arguments,
    scope: &Scope,
) -> Result<Arc<BTreeMap<String, Term>>, String> {
    // Most references lead to what is known after apply, and nothing of such a resource is filled in:
    // a copy of each would be a sixth of a plan's memory.
    let mut comes_by_one = false;
    for term in resource.fields.values() {
        term.each_ref(&mut |reference| {
            let named = |args: &Arc<BTreeMap<String, Term>>| match reference.path.first() {
                Some(first) => args.contains_key(&**first),
                None => true,
            };
            comes_by_one |= before.get(&reference.addr).is_some_and(named);
        });
    }
    if !comes_by_one {
        return Ok(resource.fields.clone());
    }
    settle::settle_all(&resource.fields, &Told { before, scope }).map(Arc::new)
}

/// Says whether one of its arguments is taken from one of these: then their mistake is not its own.
fn leads_to(resource: &Resource, unsettled: &BTreeSet<Addr>) -> bool {
    let mut found = false;
    for term in resource.fields.values() {
        term.each_ref(&mut |reference| found |= unsettled.contains(&reference.addr));
    }
    found
}

/// What is known before anything exists: arguments alone.
struct Told<'a> {
    before: &'a Arguments,
    scope: &'a Scope,
}

impl Facts for Told<'_> {
    fn arguments(&self, addr: &Addr) -> Option<&BTreeMap<String, Term>> {
        self.before.get(addr).map(|args| &**args)
    }

    fn attributes(&self, _: &Addr) -> Option<&value::Map> {
        None
    }

    fn scope(&self) -> &Scope {
        self.scope
    }
}

/// Builds what a provider sees of a resource.
pub fn neutral(resolved: &Resolved, resource: &Resource) -> Neutral {
    Neutral {
        addr: resource.addr.clone(),
        kind: resource.kind.name,
        fields: (*resource.fields).clone(),
        uses: resource.uses.clone(),
        network: network_of(resolved, resource),
        on_destroy: resource.on_destroy,
        access: resource.access.clone(),
        tags: resource.tags.clone(),
        owner: resource.owner.clone(),
        protect: resource.protect,
    }
}

/// What surrounds every resource, with what the lock pins.
pub fn surroundings<'a>(
    resolved: &'a Resolved,
    pins: &'a BTreeMap<String, Value>,
) -> Surroundings<'a> {
    Surroundings {
        blueprint: &resolved.blueprint,
        environment: &resolved.environment,
        region: resolved.region.as_deref(),
        account: resolved.account.as_deref(),
        pins,
    }
}

/// Reports what the provider remarks; says whether the resource can be lowered.
fn check(
    resource: &Resource,
    neutral: &Neutral,
    around: &Surroundings<'_>,
    provider: &dyn Provider,
    findings: &mut Findings,
) -> bool {
    if !provider.kinds().contains(&neutral.kind) {
        let message = format!("provider `{}` has no {}", provider.name(), neutral.kind);
        let refused = Diagnostic::error(Code::E0701, message).at(resource.span);
        findings.push(refused.address(resource.addr.to_string()));
        return false;
    }
    let mut honoured = true;
    for finding in provider.check(neutral, around) {
        let span = graph::path_span(resource, &finding.path);
        let diagnostic = match finding.weight {
            Weight::Refuses => {
                honoured = false;
                Diagnostic::error(Code::E0701, finding.message)
            }
            Weight::Substitutes => Diagnostic::note(Code::E0702, finding.message),
        };
        let mut diagnostic = diagnostic.at(span).address(resource.addr.to_string());
        diagnostic.help.extend(finding.help);
        findings.push(diagnostic);
    }
    honoured
}

fn add_wants(
    neutral: &Neutral,
    around: &Surroundings<'_>,
    provider: &dyn Provider,
    wants: &mut Vec<(Want, Addr)>,
) {
    for want in provider.wants(neutral, around) {
        if !wants.iter().any(|(known, _)| known.pin == want.pin) {
            wants.push((want, neutral.addr.clone()));
        }
    }
}

fn make_node(
    resource: &Resource,
    provider: &dyn Provider,
    part: dsenv_sdk::provider::Native,
) -> (Addr, Node) {
    let ty = provider.native_type(part.ty).unwrap_or_else(|| {
        panic!("provider `{}` lowers to `{}`, which it does not list", provider.name(), part.ty)
    });
    let addr = Addr { part: part.part, ..resource.addr.clone() };
    let mut depends_on: BTreeSet<Addr> = part.after.into_iter().collect();
    for term in part.args.values() {
        term.each_ref(&mut |reference| {
            depends_on.insert(reference.addr.clone());
        });
    }
    depends_on.extend(resource.depends_on.iter().cloned());
    depends_on.remove(&addr);
    let node = Node {
        kind: resource.kind.name,
        ty,
        args: part.args,
        depends_on,
        replace: resource.lifecycle.replace.unwrap_or(ty.replace),
        asks_create_first: resource.lifecycle.replace == Some(ReplaceOrder::CreateFirst),
        ignore: resource.lifecycle.ignore.clone(),
        on_destroy: resource.on_destroy,
        timeouts_s: resource.timeouts_s,
        span: resource.span,
    };
    (addr, node)
}

/// Orders the nodes. A reference to a node that nobody made, or a cycle, is the provider's bug:
/// the neutral graph was seen to be sound.
fn link(
    resolved: &Resolved,
    native: &mut Native,
    provider: &dyn Provider,
    findings: &mut Findings,
) {
    let bug = |message: String, addr: &Addr| {
        let resource = &resolved.resources[&addr.owner()];
        Diagnostic::error(Code::E0903, format!("provider `{}` {message}", provider.name()))
            .at(resource.span)
            .address(addr.to_string())
    };
    let mut edges = BTreeMap::new();
    for (addr, node) in &native.nodes {
        for needed in &node.depends_on {
            if !native.nodes.contains_key(needed) {
                findings.push(bug(
                    format!("lowers `{addr}` to need `{needed}`, which is not there"),
                    addr,
                ));
                return;
            }
        }
        edges.insert(addr.clone(), node.depends_on.clone());
    }
    match graph::topological(&edges) {
        Ok(order) => native.order = order,
        Err(cycle) => {
            let names: Vec<_> = cycle.iter().map(|addr| format!("`{addr}`")).collect();
            let message = format!("lowers {} to need each other", names.join(", "));
            findings.push(bug(message, &cycle[0]));
        }
    }
}
