//! `machine`: a workspace on a loopback address of its own, with locked software and services.
//!
//! It is lowered to one grant for each entry of `uses`, one `local.software` and the workspace that
//! needs them, so that packages are installed while a database is being made.

mod services;
mod software;
mod workspace;

use super::{LocalKind, bucket, database, refuses, substitutes_where_set, volume};
use dsenv_sdk::addr::Part;
use dsenv_sdk::provider::{
    Finding, Native, Neutral, Surroundings, Use, Want, connection_variables, grant_key,
};
use dsenv_sdk::software::{spec_of, want};
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Key, Term};
use std::collections::BTreeMap;

pub(crate) use software::pin as pin_software;
pub(super) use software::{SOFTWARE, Software};
pub(super) use workspace::Workspace;
pub(crate) use workspace::{WORKSPACE, workspace_entry};

pub(super) const KIND: LocalKind =
    LocalKind { name: "machine", check, wants: software_wants, lower };

/// What this machine puts in the place of what, for every field that says something of hardware.
pub(super) const MACHINE_SUBSTITUTES: &[(&str, &str)] = &[
    ("cpus", "on local a machine shares this computer's processors; `cpus` sets no limit"),
    ("memory", "on local a machine shares this computer's memory; `memory` sets no limit"),
    ("gpu", "on local a machine has this computer's own GPUs, or none where it has none"),
    ("type", "on local there are no offers; this computer stands in for `type`"),
    ("disk", "on local a machine's disk is a folder of this computer's; `disk` sets no limit"),
    ("disk_class", "on local a machine's disk is this computer's, whatever `disk_class` says"),
    ("image", "on local a machine runs this computer's own operating system, not `image`"),
    ("purchase", "on local nothing is bought, and nothing is interrupted"),
];

/// The part that holds the software.
const SOFTWARE_PART: &str = "software";

fn check(resource: &Neutral) -> Vec<Finding> {
    let mut findings = check_machine(resource);
    findings.extend(substitutes_where_set(resource, MACHINE_SUBSTITUTES));
    findings
}

/// What a machine and a member of a pool are refused for.
pub(super) fn check_machine(resource: &Neutral) -> Vec<Finding> {
    let mut findings = volume::check_uses(resource);
    if let Some(term) = resource.fields.get("software") {
        match spec_of(term) {
            None => {
                let help = "take it from an input, or write it out";
                let message = "`software` must be known before apply";
                findings.push(refuses(&["software"], message, help));
            }
            Some(Err(error)) => {
                let help = "write versions as \"3.11\" and packages as `name`, `name[extra]` or \
                            `name>=1.2`";
                findings.push(refuses(&["software"], error.to_string(), help));
            }
            Some(Ok(_)) => {}
        }
    }
    if let Some(Term::Known(Value::Map(services))) = resource.fields.get("services") {
        for (name, service) in services {
            if service.step("health").is_some() && service.step("port").is_none() {
                let message = format!("service `{name}` has `health` and no `port` to ask");
                let help = format!("add `port:` to `services.{name}`");
                findings.push(refuses(&["services", name, "health"], message, help));
            }
        }
    }
    findings
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let mut natives = grants(resource);
    natives.extend(software(resource, around));
    let args = workspace_args(resource, 0, display_name(&resource.addr, None));
    natives.push(Native { part: None, ty: WORKSPACE.name, args, after: Vec::new() });
    natives
}

/// One member of a pool.
pub(super) fn member_workspace(resource: &Neutral, part: &str, index: u32) -> Native {
    let args = workspace_args(resource, index, display_name(&resource.addr, Some(index)));
    let part = Some(Part { name: part.into(), key: Some(Key::Index(index)) });
    Native { part, ty: WORKSPACE.name, args, after: Vec::new() }
}

/// `workers-eu-2`: the resource's name, the member's key, the position in the pool.
fn display_name(addr: &Addr, index: Option<u32>) -> String {
    let mut name = addr.name.to_string();
    match &addr.key {
        Some(Key::Text(key)) => name += &format!("-{key}"),
        Some(Key::Index(key)) => name += &format!("-{key}"),
        None => {}
    }
    if let Some(index) = index {
        name += &format!("-{index}");
    }
    name
}

fn workspace_args(resource: &Neutral, index: u32, name: String) -> BTreeMap<String, Term> {
    let mut args = BTreeMap::from([
        ("name".to_owned(), Term::text(name)),
        ("index".to_owned(), Term::Known(Value::Int(i64::from(index)))),
    ]);
    let connections = connection_variables(&resource.addr, &resource.uses);
    if !connections.is_empty() {
        args.insert("connections".to_owned(), Term::map(connections));
    }
    for (field, arg) in [("environment", "environment"), ("services", "programs")] {
        if let Some(term) = resource.fields.get(field) {
            args.insert(arg.to_owned(), term.clone());
        }
    }
    if resource.fields.contains_key("software") {
        let part = resource.addr.part(SOFTWARE_PART, None);
        args.insert("software".to_owned(), Term::Ref(Ref::attribute(part, "bin")));
    }
    if let Some(network) = &resource.network {
        let id = Ref::attribute(network.clone(), "id");
        args.insert("network".to_owned(), Term::Ref(id));
    }
    args
}

/// One node for each entry of `uses`.
pub(super) fn grants(resource: &Neutral) -> Vec<Native> {
    resource.uses.iter().map(|used| grant(&resource.addr, used)).collect()
}

fn grant(user: &Addr, used: &Use) -> Native {
    let part =
        Some(Part { name: dsenv_sdk::provider::GRANT.into(), key: Some(grant_key(&used.target)) });
    let (ty, args) = match used.kind {
        "bucket" => bucket::key_args(user, used),
        "database" => database::role_args(user, used),
        "share" | "volume" => volume::mount_args(used),
        kind => unreachable!("`uses` was checked: a {kind} gives nothing to use"),
    };
    Native { part, ty, args, after: Vec::new() }
}

/// The node that installs the packages, when there are any to install.
pub(super) fn software(resource: &Neutral, around: &Surroundings<'_>) -> Option<Native> {
    let want = software_wants(resource).pop()?;
    let pins = match around.pins.get(&*want.pin) {
        Some(pins) => Term::Known(pins.clone()),
        None => Term::NotLocked(want.pin.clone()),
    };
    let Value::Map(need) = want.need else { unreachable!("the need was made as a map") };
    let mut args: BTreeMap<String, Term> =
        need.into_iter().map(|(name, value)| (name, Term::Known(value))).collect();
    args.insert("pins".to_owned(), pins);
    let part = Some(Part { name: SOFTWARE_PART.into(), key: None });
    Some(Native { part, ty: SOFTWARE.name, args, after: Vec::new() })
}

/// What the lock must pin.
pub(super) fn software_wants(resource: &Neutral) -> Vec<Want> {
    match resource.fields.get("software").and_then(spec_of) {
        Some(Ok(spec)) => vec![want(&spec)],
        _ => Vec::new(),
    }
}

/// Puts a map's entry where a map of arguments has one.
fn entry<'a>(args: &'a Map, name: &str) -> Option<&'a Value> {
    args.get(name).filter(|value| **value != Value::Null)
}
