//! What every machine is made with, be it one of its own or a member of a pool: image, disk, purchase.

use super::machine::{images, sizes};
use super::{args, fixed, fixed_text, id_of, location, of};
use super::{check_known, check_network, flows, identity, known, refuses, settings, text};
use crate::charge;
use crate::regions;
use dsenv_sdk::entry;
use dsenv_sdk::provider::{Finding, Native, Neutral, Surroundings, Want};
use dsenv_sdk::reading::{self, check_software, display_name, ports};
use dsenv_sdk::schema::{Class, Field, Type, parse_size};
use dsenv_sdk::value::Value;
use dsenv_sdk::{Term, software};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// What both take.
pub(crate) const IMAGE: Field =
    Field::new("image", Type::Any, "The image of the marketplace: publisher, offer, sku, version.")
        .required();
pub(crate) const DISK: Field = Field::new(
    "disk_gib",
    Type::Int { min: 30, max: charge::DISK_GIB_MAX },
    "The size of the system's disk; it is charged as the next larger one that is sold.",
)
.required()
.class(Class::Scale)
.of("disk");
pub(crate) const DISK_CLASS: Field = Field::new(
    "disk_class",
    Type::Choice(&[charge::PREMIUM, charge::STANDARD_SSD, charge::STANDARD_HDD]),
    "What the disk is made of.",
)
.required()
.class(Class::Scale);
pub(crate) const IDENTITY: Field = id_of("identity", "As whom it acts.");
pub(crate) const SETTINGS: Field = id_of("settings", "Where it finds what it is to be.");
pub(crate) const GROUP: Field = id_of("security_group", "Who comes in.").required();
pub(crate) const APPLICATION_GROUP: Field =
    id_of("application_group", "By what rules mean it.").required();
pub(crate) const PUBLIC: Field = Field::new(
    "public",
    Type::Bool,
    "Whether it has a public address, which is made and deleted with it.",
)
.required()
.class(Class::Policy);
pub(crate) const EVICTION: Field = Field::new(
    "eviction",
    Type::Choice(&["Delete", "Deallocate"]),
    "What becomes of spot that Azure takes back.",
)
.class(Class::Scale)
.of("purchase");
pub(crate) const MAX_PRICE: Field =
    Field::new("spot_max_price", Type::Text, "The most that is paid for spot, USD an hour.")
        .class(Class::Scale)
        .of("purchase");

/// The disk of an image without more: what Debian and Ubuntu have, 30 GiB, is charged as so much.
const DISK_GIB_USUAL: i64 = 32;
/// Images do not fit on less.
const DISK_GIB_MIN: i64 = 30;
/// <https://learn.microsoft.com/azure/virtual-machines/managed-disks-overview>
const DISK_GIB_MAX: i64 = 4_095;

/// How it is bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bought {
    OnDemand,
    Spot,
    SpotThenOnDemand,
}

impl Bought {
    pub(crate) fn of(resource: &Neutral) -> Bought {
        let purchase = known(resource, "purchase");
        let spot = purchase.and_then(|it| it.step("spot")).and_then(Value::as_text);
        match (purchase.and_then(Value::as_text), spot) {
            (Some("spot"), _) | (_, Some("only")) => Bought::Spot,
            (_, Some("preferred")) => Bought::SpotThenOnDemand,
            _ => Bought::OnDemand,
        }
    }

    pub(crate) fn has_spot(self) -> bool {
        self != Bought::OnDemand
    }
}

/// What a machine and a pool are refused for.
pub(crate) fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = check_known(resource, &["cpus", "memory", "gpu", "type", "purchase"]);
    // Without these, and without a region, there is no size to speak of.
    let has_needs = findings.is_empty();
    findings.extend(check_known(resource, &["disk", "disk_class", "image"]));
    findings.extend(check_network(resource));
    let lost = regions::check(resource, around);
    if has_needs && lost.is_empty() {
        findings.extend(sizes::check(resource, around));
        findings.extend(check_purchase(resource, around));
        findings.extend(check_disk_class(resource, around));
    }
    findings.extend(lost);
    findings.extend(check_disk(resource));
    findings.extend(images::check(resource));
    findings.extend(check_software(resource));
    findings.extend(entry::check("azure", resource, &ports(resource)));
    findings.extend(reading::check_database_rights("azure", resource));
    findings
}

fn check_disk(resource: &Neutral) -> Vec<Finding> {
    let Some(gib) = said_gib(resource) else { return Vec::new() };
    if (DISK_GIB_MIN..=DISK_GIB_MAX).contains(&gib) {
        return Vec::new();
    }
    let message = format!(
        "on azure the disk of a machine has from {DISK_GIB_MIN}GiB to {DISK_GIB_MAX}GiB, not {gib}GiB"
    );
    vec![refuses(&["disk"], message, "write `disk: 64GiB`")]
}

fn check_disk_class(resource: &Neutral, around: &Surroundings<'_>) -> Option<Finding> {
    const CLASSES: [&str; 3] = [charge::PREMIUM, charge::STANDARD_SSD, charge::STANDARD_HDD];
    let class = text(resource, "disk_class")?;
    if !CLASSES.contains(&class) {
        let message =
            format!("on azure no machine starts from a `{class}`, or it is not built yet");
        let help = format!("write one of `{}`", CLASSES.join("`, `"));
        return Some(refuses(&["disk_class"], message, help));
    }
    let sizes = sizes::sizes(resource, around, usize::MAX);
    let slow = sizes.iter().find(|size| !sizes::takes_premium(size))?;
    let message = format!("on azure a `{slow}` takes no premium disk");
    let help = format!("write `disk_class: {}`", charge::STANDARD_SSD);
    (class == charge::PREMIUM).then(|| refuses(&["disk_class"], message, help))
}

fn check_purchase(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let Some(purchase) = known(resource, "purchase") else { return Vec::new() };
    let mut findings = Vec::new();
    if purchase.step("on_interruption").and_then(Value::as_text) == Some("hibernate") {
        let message = "on azure spot cannot hibernate when it is taken back";
        let help = "write `on_interruption: stop`, which keeps the disk, or `terminate`";
        findings.push(refuses(&["purchase", "on_interruption"], message, help));
    }
    let Some(said) = purchase.step("max_price") else { return findings };
    let size = sizes::sizes(resource, around, 1).pop().unwrap_or_default();
    if sizes::max_price(said, &size, around.region.unwrap_or_default()).is_none() {
        let message = format!("{said} is no price for a `{size}`");
        let help = "write `0.25 USD/h`, or a share of a size that the price book knows: `80%`";
        findings.push(refuses(&["purchase", "max_price"], message, help));
    }
    findings
}

fn said_gib(resource: &Neutral) -> Option<i64> {
    let bytes = text(resource, "disk").and_then(parse_size)?;
    i64::try_from(bytes.div_ceil(1 << 30)).ok()
}

/// What the lock must pin: the image's version, the sizes and the packages.
pub(crate) fn wants(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Want> {
    let mut wants: Vec<Want> = images::want(resource, around).into_iter().collect();
    wants.extend(sizes::MARKET.want(resource, around));
    if let Some(Ok(spec)) = resource.fields.get("software").and_then(software::spec_of) {
        wants.push(software::want(&spec));
    }
    wants
}

/// Everything around a machine that a pool has alike: groups and flows, settings, identity, rights.
pub(crate) fn around_machine(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let addr = &resource.addr;
    let location = location(around);
    let mut natives: Vec<Native> =
        flows::groups(resource, &location, &ports(resource)).into_iter().collect();
    let mut rights = settings::settings(resource, around, &location);
    for used in &resource.uses {
        match used.kind {
            "bucket" => rights.push(identity::bucket_grant(addr, &used.target, used.right)),
            "database" => natives.push(flows::flow(addr, &used.target, of(&used.target, "port"))),
            // A share lets in the whole network's machines, a volume is attached: see there.
            "share" | "volume" => {}
            kind => unreachable!("`uses` was checked: a {kind} gives nothing to use"),
        }
    }
    if !rights.is_empty() {
        natives.push(identity::identity(location));
    }
    natives.extend(rights);
    natives
}

/// The arguments that a machine and a pool have alike.
pub(crate) fn launch_args(
    resource: &Neutral,
    around: &Surroundings<'_>,
    natives: &[Native],
    sizes: &[String],
) -> BTreeMap<String, Term> {
    let addr = &resource.addr;
    let has =
        |part: &str| natives.iter().any(|it| it.part.as_ref().is_some_and(|p| &*p.name == part));
    let of_part = |name: &str, attribute: &str| {
        has(name).then(|| of(&addr.part(name, None), attribute)).flatten()
    };
    let premium = sizes.iter().all(|size| sizes::takes_premium(size));
    let usual = if premium { charge::PREMIUM } else { charge::STANDARD_SSD };
    let class = text(resource, "disk_class").unwrap_or(usual);
    let bought = Bought::of(resource);
    let purchase = known(resource, "purchase");
    let stops = purchase.and_then(|it| it.step("on_interruption")).and_then(Value::as_text);
    let eviction = if stops == Some("stop") { "Deallocate" } else { "Delete" };
    let price = purchase
        .and_then(|it| it.step("max_price"))
        .and_then(|said| sizes::max_price(said, sizes.first()?, around.region.unwrap_or_default()));
    let mut launch = args([
        ("location", location(around)),
        ("image", Some(images::image(resource, around))),
        ("disk_gib", fixed(Value::Int(said_gib(resource).unwrap_or(DISK_GIB_USUAL)))),
        ("disk_class", fixed_text(class)),
        ("identity", of_part(identity::PART, "id")),
        ("settings", of_part(settings::MAILBOX_PART, "endpoint")),
        ("public", Some(public(resource))),
        ("eviction", bought.has_spot().then(|| Term::text(eviction))),
        ("spot_max_price", price.filter(|_| bought.has_spot()).map(money)),
        ("name", Some(Term::text(display_name(addr)))),
    ]);
    launch.extend(args(flows::behind(addr)));
    launch
}

fn money(amount: Decimal) -> Term {
    Term::text(amount.normalize().to_string())
}

/// Whether it has a public address: people's way in, or its own way out.
fn public(resource: &Neutral) -> Term {
    if !resource.access.is_empty() {
        return Term::Known(Value::Bool(true));
    }
    let network = resource.network.as_ref().expect("one without a network was refused");
    of(network, "machine_addresses").expect("a reference")
}
