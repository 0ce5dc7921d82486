//! A blueprint and an environment become resources without variables.
//!
//! In: a [`Blueprint`], the name of one environment and typed inputs. Out: [`Resolved`]: one entry a
//! resource and member of `for_each`, every field a [`Term`] that is known or refers to attributes of
//! other resources, checked against its kind. All findings at once.
//!
//! `inputs`, `env` and `each` are gone afterwards, but for expressions that mix them with attributes
//! of resources; those keep them by [`Scope`] and [`Each`]. Pure.

mod agreement;
mod environment;
mod flow;
mod members;
mod overlay;
mod reader;
mod shared_fields;
mod vary;
mod volumes;

#[cfg(test)]
mod tests;

pub use environment::InputSource;
pub use shared_fields::Lifecycle;

use crate::blueprint::{Blueprint, Budget, Policy, RESOURCES_MAX, Waiver};
use crate::diag::{Code, Diagnostic, Findings, Source, Span};
use crate::yaml::Node;
use dsenv_sdk::Addr;
use dsenv_sdk::cost::Usage;
use dsenv_sdk::provider::{Access, OnDestroy, Use};
use dsenv_sdk::schema::Kind;
use dsenv_sdk::term::{Each, Term};
use dsenv_sdk::value::{Map, Value};
use members::Members;
use overlay::Overlay;
use reader::Reader;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What `inputs` and `env` stand for in this environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    /// Every input, by name.
    pub inputs: Map,
    /// `name`, `provider`, `region`, `account`, `ephemeral`.
    pub env: Map,
}

impl Scope {
    /// Follows a path whose first name is `inputs` or `env`; `None` for other roots.
    pub fn lookup(&self, path: &[String]) -> Option<Option<Value>> {
        let (root, rest) = path.split_first()?;
        let map = match root.as_str() {
            "inputs" => &self.inputs,
            "env" => &self.env,
            _ => return None,
        };
        let Some((first, rest)) = rest.split_first() else {
            return Some(Some(Value::Map(map.clone())));
        };
        let Some(start) = map.get(first) else { return Some(None) };
        Some(rest.iter().try_fold(start, |value, step| value.step(step)).cloned())
    }
}

/// One resource, or one member of a `for_each`.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its address.
    pub addr: Addr,
    /// Its kind.
    pub kind: &'static Kind,
    /// Where its name stands.
    pub span: Span,
    /// Its block, for the places of its fields.
    pub node: Node,
    /// The kind's own arguments, defaults filled in.
    pub fields: Arc<BTreeMap<String, Term>>,
    /// Resources that must exist first although nothing is taken from them.
    pub depends_on: BTreeSet<Addr>,
    /// What it uses.
    pub uses: Vec<Use>,
    /// The network that it names.
    pub network: Option<String>,
    /// Its part of the platform.
    pub tier: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether it is protected.
    pub protect: bool,
    /// What becomes of its data.
    pub on_destroy: OnDestroy,
    /// How it is replaced, and what is ignored.
    pub lifecycle: Lifecycle,
    /// How long each operation may take, in seconds: create, update, delete.
    pub timeouts_s: [Option<u64>; 3],
    /// The only ways in for people.
    pub access: Vec<Access>,
    /// How it is used in a month, as far as its block says.
    pub usage: Usage,
    /// Whether nothing was wrong with it, so that others may judge it too.
    pub sound: bool,
}

/// The blueprint in one environment.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The blueprint's name.
    pub blueprint: String,
    /// The environment's name.
    pub environment: String,
    /// The provider's name.
    pub provider: String,
    /// The account that it names.
    pub account: Option<String>,
    /// The region that it names.
    pub region: Option<String>,
    /// What expressions that stay open need.
    pub scope: Scope,
    /// Every resource, by address.
    pub resources: BTreeMap<Addr, Resource>,
    /// What `dsenv output` shows, by name.
    pub outputs: BTreeMap<String, Term>,
    /// What it may cost.
    pub budget: Option<Budget>,
    /// How long it lives, as written.
    pub ttl: Option<String>,
    /// Where its block stands; `None` when the blueprint names no environment.
    pub place: Option<Span>,
    /// The rules.
    pub policies: Vec<Policy>,
    /// What may break them for a while.
    pub waivers: Vec<Waiver>,
    /// What is forgotten instead of deleted.
    pub forgotten: Vec<Addr>,
}

/// Resolves; `None` when the environment itself cannot be told.
pub fn resolve(
    source: &Source,
    blueprint: &Blueprint,
    environment: Option<&str>,
    inputs: &[InputSource],
) -> (Option<Resolved>, Findings) {
    let mut findings = Findings::new();
    let Some(environment) = environment::choose(blueprint, environment, &mut findings) else {
        return (None, findings);
    };
    environment.refuse_later(&mut findings);
    vary::check(blueprint, &mut findings);
    flow::check(source, blueprint, &mut findings);
    let scope = environment::scope(source, blueprint, environment, inputs, &mut findings);
    let overlay = overlay::read(blueprint, environment, &mut findings);
    let mut members = BTreeMap::new();
    for (name, block) in &blueprint.resources {
        let found = members::of_block(source, &scope, &overlay, block, &mut findings);
        members.insert(name.clone(), found);
    }
    let mut resolved = Resolved {
        blueprint: blueprint.name.text.clone(),
        environment: environment.name.text.clone(),
        provider: environment.provider.text.clone(),
        account: environment.account.clone(),
        region: environment.region.clone(),
        scope,
        resources: BTreeMap::new(),
        outputs: BTreeMap::new(),
        budget: environment.budget.clone(),
        ttl: environment.ttl.clone(),
        place: environment.place(),
        policies: blueprint.policies.clone(),
        waivers: blueprint.waivers.clone(),
        forgotten: forgotten(blueprint, &mut findings),
    };
    let total: usize = members.values().map(Members::count).sum();
    if total > RESOURCES_MAX {
        let message =
            format!("the blueprint comes to {total} resources; the most is {RESOURCES_MAX}");
        findings.push(Diagnostic::error(Code::E0602, message));
        return (Some(resolved), findings);
    }
    let whole = Whole { source, blueprint, members: &members, overlay: &overlay };
    resolved.resources =
        read_resources(&whole, &resolved.scope, environment.ephemeral, &mut findings);
    volumes::judge(&mut resolved.resources, &mut findings);
    resolved.outputs = read_outputs(&whole, &resolved.scope, &mut findings);
    (Some(resolved), findings)
}

/// Reads only which environment it is, without its inputs and resources: enough to find its state
/// and to connect, also where the rest is wrong.
pub fn bare(blueprint: &Blueprint, environment: Option<&str>) -> (Option<Resolved>, Findings) {
    let mut findings = Findings::new();
    let Some(environment) = environment::choose(blueprint, environment, &mut findings) else {
        return (None, findings);
    };
    let resolved = Resolved {
        blueprint: blueprint.name.text.clone(),
        environment: environment.name.text.clone(),
        provider: environment.provider.text.clone(),
        account: environment.account.clone(),
        region: environment.region.clone(),
        scope: Scope::default(),
        resources: BTreeMap::new(),
        outputs: BTreeMap::new(),
        budget: None,
        ttl: environment.ttl.clone(),
        place: environment.place(),
        policies: Vec::new(),
        waivers: Vec::new(),
        forgotten: Vec::new(),
    };
    (Some(resolved), findings)
}

/// What every block is read against.
struct Whole<'a> {
    source: &'a Source,
    blueprint: &'a Blueprint,
    members: &'a BTreeMap<String, Members>,
    overlay: &'a Overlay,
}

fn read_resources(
    whole: &Whole<'_>,
    scope: &Scope,
    ephemeral: bool,
    findings: &mut Findings,
) -> BTreeMap<Addr, Resource> {
    let mut resources = BTreeMap::new();
    for (name, block) in &whole.blueprint.resources {
        for (addr, each) in whole.members[name].addresses(name) {
            let reader = reader(whole, scope, each, Some(&addr));
            let errors = findings.error_count();
            let mut resource = shared_fields::read(&reader, block, &addr, ephemeral, findings);
            resource.sound = findings.error_count() == errors;
            resources.insert(addr, resource);
        }
    }
    resources
}

fn reader<'a>(
    whole: &'a Whole<'a>,
    scope: &'a Scope,
    each: Option<Arc<Each>>,
    addr: Option<&Addr>,
) -> Reader<'a> {
    Reader {
        source: whole.source,
        blueprint: whole.blueprint,
        members: whole.members,
        overlay: whole.overlay,
        scope,
        each,
        addr: addr.map(Addr::to_string),
    }
}

fn read_outputs(
    whole: &Whole<'_>,
    scope: &Scope,
    findings: &mut Findings,
) -> BTreeMap<String, Term> {
    let reader = reader(whole, scope, None, None);
    let mut outputs = BTreeMap::new();
    for (name, (_, node)) in &whole.blueprint.outputs {
        let path = vec!["outputs".to_owned(), name.clone()];
        outputs.insert(name.clone(), reader.term(node, &path, None, findings));
    }
    outputs
}

fn forgotten(blueprint: &Blueprint, findings: &mut Findings) -> Vec<Addr> {
    let mut forgotten = Vec::new();
    for removed in &blueprint.removed {
        match removed.address.text.parse::<Addr>() {
            Ok(addr) if !removed.destroy => forgotten.push(addr),
            Ok(_) => {}
            Err(error) => findings
                .push(Diagnostic::error(Code::E0301, error.to_string()).at(removed.address.span)),
        }
    }
    forgotten
}
