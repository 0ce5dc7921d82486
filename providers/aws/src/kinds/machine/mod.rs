//! `machine`: an instance with its own group, role and settings.
//!
//! ```text
//! notebook.grant["features"] (a flow to the database)   features.firewall
//! notebook.settings (what it is to be: services, variables, packages; secrets apart)
//! notebook.role (reads its settings, writes its logs, uses the bucket) -- lake, notebook.settings
//! notebook (the instance) -- notebook.role, notebook.firewall, net
//! ```
//! What it runs comes from the settings and not from user data, so a change of a service reaches the
//! machine that runs.

pub(super) mod images;
mod instance;
pub(super) mod offers;

pub(crate) use instance::{INSTANCE, Instance, max_price, service_urls};

use super::{AwsKind, args, flows, refuses, role, settings, share, volume};
use dsenv_sdk::Term;
use dsenv_sdk::addr::Part;
use dsenv_sdk::entry;
use dsenv_sdk::provider::{Finding, Native, Neutral, Surroundings, Want};
use dsenv_sdk::reading::{self, check_software, display_name, known, ports};
use dsenv_sdk::software;
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::{Map, Value};

pub(super) const KIND: AwsKind = AwsKind { name: "machine", check, wants, lower };

/// How many types are tried before one gives up.
const TYPES_MAX: usize = 6;

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    check_machine(resource, around)
}

/// What a machine and a pool are refused for.
pub(super) fn check_machine(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = offers::MARKET.check(resource, around, "m7i.large");
    if resource.network.is_none() {
        let message = format!("on aws a {} stands in a network, and there is none", resource.kind);
        let help = "add one: `net: {kind: network, cidr: 10.20.0.0/16}`";
        findings.push(refuses(&[], message, help));
    }
    if around.region.is_none() {
        let message = format!("on aws a {} needs to know its region", resource.kind);
        findings.push(refuses(&[], message, "write `region: us-east-1` below the environment"));
    }
    findings.extend(check_image(resource));
    findings.extend(check_disk_class(resource));
    findings.extend(check_software(resource));
    findings.extend(check_purchase(resource, around));
    findings.extend(volume::check_uses(resource));
    findings.extend(entry::check("aws", resource, &ports(resource)));
    findings.extend(reading::check_database_rights("aws", resource));
    findings
}

fn check_image(resource: &Neutral) -> Vec<Finding> {
    match resource.fields.get("image") {
        None => Vec::new(),
        Some(Term::Known(Value::Text(name))) if images::is_known(name) => Vec::new(),
        Some(Term::Known(value)) => {
            let message = format!("on aws there is no image {value}");
            let names = images::names().join("`, `");
            let help = format!("write one of `{names}`, or an id: `ami-...`");
            vec![refuses(&["image"], message, help)]
        }
        Some(_) => {
            let help = "take it from an input, or write it out";
            vec![refuses(&["image"], "`image` must be known before apply", help)]
        }
    }
}

/// What a root disk may be. Disks of `io1` and `io2` are made with a number of operations a second, for which
/// a machine has no field, and AWS starts nothing from `st1` and `sc1`.
fn check_disk_class(resource: &Neutral) -> Option<Finding> {
    let term = resource.fields.get("disk_class")?;
    let Some(class) = term.known() else {
        let help = "take it from an input, or write it out";
        return Some(refuses(&["disk_class"], "`disk_class` must be known before apply", help));
    };
    let text = class.as_text();
    if *class == Value::Null || text.is_some_and(|it| matches!(it, "gp2" | "gp3" | "standard")) {
        return None;
    }
    let message = format!("on aws a root disk is no {class}");
    let help = "write `gp3`, `gp2` or `standard`; a volume may be of any class";
    Some(refuses(&["disk_class"], message, help))
}

fn check_purchase(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let Some(purchase) = known(resource, "purchase") else { return Vec::new() };
    let mut findings = Vec::new();
    match purchase.step("on_interruption").and_then(Value::as_text) {
        None | Some("terminate") => {}
        Some(other) => {
            let message = format!("on aws `{other}` of what is taken back is not built yet");
            let help = "write `on_interruption: terminate`";
            findings.push(refuses(&["purchase", "on_interruption"], message, help));
        }
    }
    if let Some(said) = purchase.step("max_price") {
        let types = offers::MARKET.offers(resource, around);
        let ty = types.first().map(String::as_str).unwrap_or_default();
        if max_price(said, ty, around.region).is_none() {
            let message = format!("{said} is no price for a `{ty}`");
            let help = "write `0.25 USD/h`, or a share of a type that this version knows: `80%`";
            findings.push(refuses(&["purchase", "max_price"], message, help));
        }
    }
    findings
}

/// The image's name, the usual one when nothing is said.
pub(super) fn image_name(resource: &Neutral) -> &str {
    known(resource, "image").and_then(Value::as_text).unwrap_or(images::USUAL)
}

/// What the lock must pin: the image, the types and the packages.
pub(super) fn wants(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Want> {
    let mut wants: Vec<Want> = images::want(image_name(resource), around).into_iter().collect();
    wants.extend(offers::MARKET.want(resource, around));
    if let Some(Ok(spec)) = resource.fields.get("software").and_then(software::spec_of) {
        wants.push(software::want(&spec));
    }
    wants
}

/// Everything around an instance that a machine and a pool have alike: the group and its flows, the
/// settings, the role.
pub(super) fn around_instance(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let mut natives = Vec::new();
    natives.extend(flows::group(resource));
    natives.extend(flows::entrances(resource, &ports(resource)));
    let mut statements = Vec::new();
    for used in &resource.uses {
        match used.kind {
            "bucket" => statements.extend(role::bucket_statements(&used.target, used.right)),
            "database" => {
                let port = Term::Ref(Ref::attribute(used.target.clone(), "port"));
                natives.push(flows::flow(&resource.addr, &used.target, port));
            }
            "share" => {
                let port = Term::Known(Value::Int(share::PORT));
                natives.push(flows::flow(&resource.addr, &used.target, port));
            }
            // A flow is none, and a right neither: see `volume::attachments`.
            "volume" => {}
            kind => unreachable!("`uses` was checked: a {kind} gives nothing to use"),
        }
    }
    natives.extend(volume::attachments(resource));
    if let Some(settings) = settings::settings(resource, around) {
        statements.extend(settings::statements(&resource.addr));
        natives.extend(settings);
    }
    if !statements.is_empty() {
        natives.push(role::role(statements));
    }
    natives
}

/// The arguments that an instance and a launch template have alike.
pub(super) fn launch_args(
    resource: &Neutral,
    around: &Surroundings<'_>,
    natives: &[Native],
) -> std::collections::BTreeMap<String, Term> {
    let pin = images::pinned(image_name(resource), around);
    let of_pin = |name: &str| match &pin {
        Term::Known(pin) => Term::Known(pin.step(name).cloned().unwrap_or(Value::Null)),
        open => open.clone(),
    };
    let has =
        |part: &str| natives.iter().any(|it| it.part.as_ref().is_some_and(|p| &*p.name == part));
    // Both are decided when they are made: what stands in them changes, and the machine does not.
    let of = |part: &str, name: &str| {
        let part_of_it = resource.addr.part(part, None);
        has(settings::PART).then(|| Term::Ref(Ref::attribute(part_of_it, name)))
    };
    // The image's own size where nothing is said: the disk is ours either way, because it is encrypted.
    let disk = offers::disk_gib(resource).map(|gib| Term::Known(Value::Int(gib)));
    let disk = disk.unwrap_or_else(|| of_pin("gib"));
    // The usual class is not said, so that what was made before there was a choice stays as it is.
    let disk_class = known(resource, "disk_class").and_then(Value::as_text);
    let disk_class = disk_class.filter(|class| *class != crate::kinds::launch::ROOT_CLASS);
    args([
        ("image", Some(of_pin("id"))),
        ("root", Some(of_pin("root"))),
        ("groups", Some(Term::list(vec![flows::group_id(&resource.addr)]))),
        ("profile", has(role::PART).then(|| role::profile(resource))),
        ("settings_bucket", of(settings::MAILBOX_PART, "name")),
        ("settings_parameter", of(settings::PART, "parameter")),
        ("disk_gib", Some(disk).filter(|gib| gib.known() != Some(&Value::Null))),
        ("disk_class", disk_class.map(Term::text)),
        ("name", Some(Term::text(display_name(&resource.addr)))),
    ])
}

/// Whether people come in from outside, so that it stands where they can.
fn is_open(resource: &Neutral) -> bool {
    !resource.access.is_empty()
}

/// Where it stands, and whether it has a public address: people's way in, or its own way out.
pub(super) fn placement(resource: &Neutral) -> (Term, Term) {
    let network = resource.network.clone().expect("one without a network was refused");
    let of = |name: &str| Term::Ref(Ref::attribute(network.clone(), name));
    // A volume is attached to what stands in its own zone alone.
    let on_volume = volume::used(resource) > 0;
    if is_open(resource) {
        let places = if on_volume { "volume_open_places" } else { "open_places" };
        (of(places), Term::Known(Value::Bool(true)))
    } else {
        let places = if on_volume { "volume_places" } else { "machine_places" };
        (of(places), of("machine_addresses"))
    }
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let mut natives = around_instance(resource, around);
    let mut instance = launch_args(resource, around, &natives);
    let (subnets, public) = placement(resource);
    let mut types = offers::MARKET.offers(resource, around);
    types.truncate(TYPES_MAX);
    let said = known(resource, "purchase").and_then(|purchase| purchase.step("max_price"));
    let price = said.and_then(|said| max_price(said, types.first()?, around.region));
    let markets = reading::markets(resource);
    let ports = ports(resource).into_iter().map(|(name, port)| (name, Value::Int(port)));
    let ports: Map = ports.collect();
    let own = args([
        ("types", Some(Term::list(types.into_iter().map(Term::text).collect()))),
        ("subnets", Some(subnets)),
        ("public", Some(public)),
        ("open", entry::has_visitors(resource).then_some(Term::Known(Value::Bool(true)))),
        ("markets", Some(Term::list(markets.iter().map(|name| Term::text(*name)).collect()))),
        ("spot_max_price", price.map(Term::text)),
        ("ports", (!ports.is_empty()).then_some(Term::Known(Value::Map(ports)))),
    ]);
    instance.extend(own);
    natives.push(Native { part: None, ty: INSTANCE.name, args: instance, after: Vec::new() });
    natives
}

/// A part of a resource by its name alone.
pub(super) fn part(name: &str) -> Option<Part> {
    Some(Part { name: name.into(), key: None })
}
