//! `machine`: an instance with its own account, rights and settings.
//!
//! ```text
//! notebook.grant["features"] (a flow to the database)   notebook.grant["lake"] (a right on the bucket)
//! notebook.settings (what it is to be: services, variables, packages; secrets apart)
//! notebook.account (who it is in the project)           notebook.access["..."] (a way in for people)
//! notebook (the instance) -- notebook.account, notebook.settings, net
//! ```
//! What it runs comes from the settings and not from metadata, so a change of a service reaches the
//! machine that runs. With GPUs the start is measured and not restricted: their drivers are not signed.

pub(crate) mod images;
mod instance;
pub(crate) mod offers;

pub(crate) use instance::INSTANCE;
pub(super) use instance::{
    ACCOUNT, DISK, DISK_TYPE, IMAGE, MAINTENANCE, METADATA, PUBLIC, SECURE_BOOT, SUBNETWORK,
    TERMINATION,
};

use super::{
    GcpKind, account, args, check_known, display_name, flag, flows, known, of, settings, text,
    volume,
};
use crate::regions;
use dsenv_sdk::Term;
use dsenv_sdk::entry;
use dsenv_sdk::provider::{Finding, Native, Neutral, Surroundings, Want, refuses};
use dsenv_sdk::reading::{self, check_software, markets, ports};
use dsenv_sdk::schema::parse_size;
use dsenv_sdk::software;
use dsenv_sdk::value::{Map, Value};
use offers::{Offers, Ways};
use std::collections::BTreeMap;

pub(crate) const KIND: GcpKind = GcpKind { name: "machine", check, wants, lower };

/// How many types are tried before one gives up.
const TYPES_MAX: usize = 6;
const GIB: u64 = 1 << 30;
/// <https://cloud.google.com/compute/docs/disks>
const DISK_GIB_MAX: u64 = 65_536;

fn ways(resource: &Neutral) -> Ways {
    let markets = markets(resource);
    Ways { spot: markets.contains(&"spot"), on_demand: markets.contains(&"on_demand") }
}

/// The types of a machine, in the order in which they are tried.
pub(crate) fn types_of(resource: &Neutral, around: &Surroundings<'_>) -> Vec<String> {
    offers::offers(resource, around, ways(resource), TYPES_MAX).types
}

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = check_machine(resource, around, ways(resource));
    let base = known(resource, "purchase").and_then(|it| it.step("on_demand_base")).is_some();
    if base {
        let message = "`on_demand_base` is a number of members, and a machine has none";
        let help = "write it on a pool, or `purchase: on_demand` here";
        findings.push(refuses(&["purchase", "on_demand_base"], message, help));
    }
    findings
}

/// What a machine and a pool are refused for.
pub(super) fn check_machine(
    resource: &Neutral,
    around: &Surroundings<'_>,
    ways: Ways,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = regions::check(resource, around).into_iter().collect();
    if findings.is_empty() {
        let class = offers::check_disk_class(resource, around, ways);
        // What no type starts from would be said twice.
        match class {
            Some(finding) => findings.push(finding),
            None => findings.extend(offers::check(resource, around, ways)),
        }
    }
    if resource.network.is_none() {
        let message = format!("on gcp a {} stands in a network, and there is none", resource.kind);
        let help = "add one: `net: {kind: network, cidr: 10.20.0.0/16}`";
        findings.push(refuses(&[], message, help));
    }
    findings.extend(check_known(resource, &["image", "disk", "disk_class", "purchase"]));
    findings.extend(check_image(resource));
    findings.extend(check_disk(resource));
    findings.extend(check_software(resource));
    findings.extend(check_purchase(resource));
    findings.extend(entry::check("gcp", resource, &ports(resource)));
    findings.extend(reading::check_database_rights("gcp", resource));
    findings
}

fn check_image(resource: &Neutral) -> Option<Finding> {
    let name = known(resource, "image")?;
    if name.as_text().is_some_and(images::is_known) {
        return None;
    }
    let names = images::names().join("`, `");
    let help = format!("write one of `{names}`, or a path: `projects/PROJECT/global/images/NAME`");
    Some(refuses(&["image"], format!("on gcp there is no image {name}"), help))
}

fn check_disk(resource: &Neutral) -> Option<Finding> {
    let text = text(resource, "disk")?;
    let gib = parse_size(text)?.div_ceil(GIB);
    if (images::IMAGE_GIB as u64..=DISK_GIB_MAX).contains(&gib) {
        return None;
    }
    let message = format!("on gcp a root disk has from 10GiB to 64TiB, not {text}");
    Some(refuses(&["disk"], message, "write `disk: 50GiB`"))
}

fn check_purchase(resource: &Neutral) -> Vec<Finding> {
    let Some(purchase) = known(resource, "purchase") else { return Vec::new() };
    let mut findings = Vec::new();
    match purchase.step("on_interruption").and_then(Value::as_text) {
        None | Some("terminate") => {}
        Some("stop") if resource.kind == "machine" => {}
        Some("stop") => {
            let message =
                "on gcp a member of a pool that is taken back is replaced, and not started again";
            let help = "write `on_interruption: terminate`";
            findings.push(refuses(&["purchase", "on_interruption"], message, help));
        }
        Some(other) => {
            let message = format!("Google Cloud does not {other} what it takes back");
            let help = "write `on_interruption: terminate`, or `stop` for a machine";
            findings.push(refuses(&["purchase", "on_interruption"], message, help));
        }
    }
    if purchase.step("max_price").is_some_and(|said| *said != Value::Null) {
        let message = "Google Cloud takes no bid for spot: what it costs is in its price list, which changes \
                       once a month at most, and nothing would keep to a limit";
        let help =
            "take `max_price` away; a `budget` of the environment is judged on what it may come to";
        findings.push(refuses(&["purchase", "max_price"], message, help));
    }
    findings
}

/// The image's name, the usual one when nothing is said.
fn image_name(resource: &Neutral) -> &str {
    text(resource, "image").unwrap_or(images::USUAL)
}

/// What the lock must pin: the image, the types and the packages.
pub(super) fn wants(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Want> {
    let mut wants = vec![images::want(image_name(resource))];
    wants.extend(offers::want(resource, around, ways(resource)));
    if let Some(Ok(spec)) = resource.fields.get("software").and_then(software::spec_of) {
        wants.push(software::want(&spec));
    }
    wants
}

/// Everything around an instance that a machine and a pool have alike: the account and its rights, the
/// flows, the settings.
pub(super) fn around_instance(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let addr = &resource.addr;
    let mut natives = vec![account::account(addr)];
    natives.extend(flows::entrances(resource, &ports(resource)));
    if resource.uses.iter().any(|used| used.kind == "bucket") {
        natives.push(account::s3_key(addr));
    }
    for used in &resource.uses {
        match used.kind {
            "bucket" => natives.push(account::bucket_grant(addr, &used.target, used.right)),
            "database" => natives.push(flows::flow(resource, &used.target)),
            // A volume is attached to the instance, in `lower`; a share is refused where it stands.
            "share" | "volume" => {}
            kind => unreachable!("`uses` was checked: a {kind} gives nothing to use"),
        }
    }
    natives.extend(settings::settings(resource, around));
    natives
}

/// The arguments that an instance and the template of a pool's members have alike.
pub(super) fn launch_args(
    resource: &Neutral,
    around: &Surroundings<'_>,
    offers: &Offers,
    is_spot: bool,
) -> BTreeMap<String, Term> {
    let network = resource.network.as_ref().expect("a machine without a network was refused");
    let pin = images::pinned(image_name(resource), around);
    let of_pin = |name: &str| match &pin {
        Term::Known(pin) => Term::Known(pin.step(name).cloned().unwrap_or(Value::Null)),
        open => open.clone(),
    };
    let gib = text(resource, "disk").and_then(parse_size).map(|bytes| bytes.div_ceil(GIB));
    let gib = gib.map(|gib| Term::Known(Value::Int(gib.try_into().expect("the disk was checked"))));
    let action = known(resource, "purchase").and_then(|it| it.step("on_interruption"));
    let stops = action.and_then(Value::as_text) == Some("stop");
    let action = is_spot.then(|| Term::text(if stops { "STOP" } else { "DELETE" }));
    // People come in at a public address; others have one where there is no other way out.
    let public = match resource.access.is_empty() {
        true => of(network, "machine_addresses"),
        false => flag(true),
    };
    let maintenance = if offers.has_gpu { "TERMINATE" } else { "MIGRATE" };
    args([
        ("image", Some(of_pin("id"))),
        ("subnetwork", of(network, "place")),
        ("disk_type", Some(Term::text(offers.disk))),
        ("disk_gib", Some(gib.unwrap_or_else(|| of_pin("gib")))),
        ("service_account", account::email(&resource.addr)),
        ("termination_action", action),
        ("on_host_maintenance", Some(Term::text(maintenance))),
        ("secure_boot", flag(!offers.has_gpu)),
        ("metadata", Some(metadata(resource))),
        ("public", public),
    ])
}

/// What it may ask about itself: where its settings are, and that no key of the project lets anybody in.
fn metadata(resource: &Neutral) -> Term {
    let addr = &resource.addr;
    let told = settings::is_told(resource);
    let of_part = |part: &str, name: &str| told.then(|| of(&addr.part(part, None), name)).flatten();
    Term::map(args([
        ("block-project-ssh-keys", Some(Term::text("true"))),
        ("enable-oslogin", Some(Term::text("false"))),
        ("serial-port-enable", Some(Term::text("false"))),
        ("dsenv-name", Some(Term::text(display_name(addr)))),
        ("dsenv-mailbox", of_part(settings::MAILBOX_PART, "name")),
        ("dsenv-secret", of_part(settings::PART, "secret")),
    ]))
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let mut natives = around_instance(resource, around);
    let network = resource.network.as_ref().expect("a machine without a network was refused");
    let markets = markets(resource);
    let offers = offers::offers(resource, around, ways(resource), TYPES_MAX);
    let mut instance = launch_args(resource, around, &offers, markets.contains(&"spot"));
    // A disk is in one zone, and so is who uses it.
    let disk = resource.uses.iter().find(|used| used.kind == "volume");
    let zones = match disk {
        Some(used) => of(&used.target, "zone").map(|zone| Term::list(vec![zone])),
        None => of(network, "zones"),
    };
    let ports = ports(resource).into_iter().map(|(name, port)| (name, Value::Int(port)));
    let ports: Map = ports.collect();
    // By ssh they come to sshd; its services are seen from outside when others come in.
    let has_visitors = entry::has_visitors(resource);
    let texts = |texts: Vec<String>| Term::list(texts.into_iter().map(Term::text).collect());
    instance.extend(args([
        ("types", Some(texts(offers.types))),
        ("zones", zones),
        ("open", has_visitors.then_some(Term::Known(Value::Bool(true)))),
        ("markets", Some(Term::list(markets.iter().map(|market| Term::text(*market)).collect()))),
        ("deletion_protection", flag(resource.protect)),
        ("name", Some(Term::text(display_name(&resource.addr)))),
        ("ports", (!ports.is_empty()).then_some(Term::Known(Value::Map(ports)))),
    ]));
    natives.push(Native { part: None, ty: INSTANCE.name, args: instance, after: Vec::new() });
    let volumes = resource.uses.iter().filter(|used| used.kind == "volume");
    natives.extend(volumes.map(|used| volume::attachment(&resource.addr, used)));
    natives
}

#[cfg(test)]
mod tests;
