//! `machine`: a virtual machine with its own groups, identity and settings.
//!
//! ```text
//! desk.firewall, desk.group     who comes in, by what rules mean it
//! desk.grant["features"]        a flow to the database
//! desk.mailbox, desk.settings   what it is to be: services, variables, packages; secrets apart
//! desk.identity                 reads its settings, writes its logs, uses the bucket
//! desk (the machine, its disk, its interface, its public address)
//! ```
//! ## Why disk, interface and address are no nodes of their own
//! ARM makes them with the machine (`networkInterfaceConfigurations`, `deleteOption: Delete`) and deletes
//! them with it, as it does for members of a scale set. So a create that falls back to another zone leaves no
//! interface in the first one's subnet, and nothing is left when a machine goes.
//!
//! ## Why premium disks
//! They are the smallest that carry Azure's promise of uptime for a single machine, and they charge by size
//! alone: what a machine costs is known beforehand. A standard SSD is cheaper by the month and charges each
//! read and write, which nobody knows beforehand. It is taken where a size that was named takes nothing else.

pub(crate) mod images;
pub(crate) mod sizes;

use super::launch::{self, Bought};
use super::{AzureKind, LOCATION, TAGS, args, fixed, known, node, of, volume};
use crate::charge::{self, Counts};
use crate::regions;
use dsenv_sdk::Term;
use dsenv_sdk::cost::{Charge, Costing, Planned, Rate, Time};
use dsenv_sdk::prices::Purchase;
use dsenv_sdk::provider::{Finding, Native, Neutral, Surroundings};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{entry, reading};
use rust_decimal::Decimal;

pub(super) const KIND: AzureKind =
    AzureKind { name: "machine", check, wants: launch::wants, lower };

/// How many sizes are tried before one gives up.
const SIZES_MAX: usize = 6;

/// The sizes of a machine, in the order in which they are tried.
pub(crate) fn offers(resource: &Neutral, around: &Surroundings<'_>) -> Vec<String> {
    sizes::sizes(resource, around, SIZES_MAX)
}

/// What a machine is bought as.
const SPOT: &str = "spot";
const ON_DEMAND: &str = "on_demand";

/// One virtual machine.
pub(crate) const VIRTUAL_MACHINE: NativeType = NativeType {
    name: "azure.virtual_machine",
    doc: "A virtual machine with its disk, its interface and, where it has one, its public address.",
    fields: &[
        LOCATION,
        Field::new("sizes", Type::List(&Type::Text), "Sizes that do, the preferred one first.")
            .required()
            .taken("size")
            .class(Class::Scale)
            .of("type"),
        Field::new("subnets", Type::Any, "Subnets that do, one for each zone, in order.")
            .required()
            .taken("subnet")
            .replaces()
            .class(Class::Bind),
        Field::new("zones", Type::Any, "Zones that do, in order; none where a region has none.")
            .taken("zone")
            .replaces()
            .class(Class::Bind),
        launch::IMAGE.replaces(),
        launch::DISK.replaces(),
        launch::DISK_CLASS.replaces(),
        launch::GROUP,
        launch::APPLICATION_GROUP,
        launch::IDENTITY,
        launch::SETTINGS.replaces(),
        launch::PUBLIC.replaces(),
        Field::new("open", Type::Bool, "Whether people come in from outside the network.")
            .class(Class::Policy),
        Field::new("name", Type::Text, "What it calls itself.").kept(),
        Field::new("markets", Type::List(&Type::Text), "`spot` and `on_demand`, in order.")
            .required()
            .taken("market")
            .replaces()
            .class(Class::Scale)
            .of("purchase"),
        launch::EVICTION.kept(),
        launch::MAX_PRICE,
        Field::new("ports", Type::Map(&Type::Any), "The ports of its services, by name."),
        TAGS,
    ],
    attributes: &[
        Attribute::new("id", "Its id."),
        Attribute::new("address", "Its address in the network."),
        Attribute::new("public_address", "Its public address, when it has one.").changes(),
        Attribute::new("size", "The size that it is.").changes(),
        Attribute::new("subnet", "The subnet that it stands in."),
        Attribute::new("zone", "The zone that it stands in."),
        Attribute::new("market", "`spot` or `on_demand`."),
        Attribute::new("services", "By name, `url` and `port` of its services.").changes(),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = launch::check(resource, around);
    findings.extend(volume::check_uses(resource));
    if known(resource, "purchase").and_then(|it| it.step("on_demand_base")).is_some() {
        let message = "a machine is one, so there is no base of it";
        let help = "take `on_demand_base` out, or make it a pool";
        findings.push(super::refuses(&["purchase", "on_demand_base"], message, help));
    }
    findings
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let mut natives = launch::around_machine(resource, around);
    let region = around.region.expect("a machine without a region was refused");
    let sizes = offers(resource, around);
    let mut machine = launch::launch_args(resource, around, &natives, &sizes);
    let network = resource.network.as_ref().expect("one without a network was refused");
    // A volume is attached to what stands in its own zone alone.
    let on_volume = volume::used(resource) > 0;
    let (subnets, zones) = match on_volume {
        true => ("volume_places", "volume_zones"),
        false => ("machine_places", "machine_zones"),
    };
    let markets: &[&str] = match Bought::of(resource) {
        Bought::OnDemand => &[ON_DEMAND],
        Bought::Spot => &[SPOT],
        Bought::SpotThenOnDemand => &[SPOT, ON_DEMAND],
    };
    let visitors = entry::has_visitors(resource);
    let ports = reading::ports(resource).into_iter().map(|(name, port)| (name, Value::Int(port)));
    let ports: Map = ports.collect();
    machine.extend(args([
        ("sizes", Some(Term::list(sizes.into_iter().map(Term::text).collect()))),
        ("subnets", of(network, subnets)),
        ("zones", of(network, zones).filter(|_| regions::has_zones(region))),
        ("open", visitors.then_some(Term::Known(Value::Bool(true)))),
        ("markets", Some(Term::list(markets.iter().map(|name| Term::text(*name)).collect()))),
        (
            "ports",
            fixed(Value::Map(ports)).filter(|it| it.known() != Some(&Value::Map(Map::new()))),
        ),
    ]));
    natives.extend(volume::attachments(resource));
    natives.push(node(None, &VIRTUAL_MACHINE, machine));
    natives
}

/// The most that an hour on demand costs: as much as the dearest of the sizes that would do.
pub(crate) fn dearest(sizes: &[&str]) -> Rate {
    let rates = sizes.iter().map(|size| Rate::machine(size, Purchase::OnDemand));
    match sizes {
        [only] => Rate::machine(only, Purchase::OnDemand),
        _ => Rate::Dearest(rates.collect()),
    }
}

/// What spot costs at most: what the blueprint says, else as much as on demand, above which Azure sells
/// none. <https://learn.microsoft.com/azure/virtual-machines/spot-vms>
pub(crate) fn spot_at_most(node: &Planned<'_>, sizes: &[&str]) -> Rate {
    let said = node.text("spot_max_price").and_then(|text| text.parse::<Decimal>().ok());
    said.map_or_else(|| dearest(sizes), Rate::Said)
}

/// The size that runs, else the one that is tried first.
fn size<'a>(node: &Planned<'a>) -> Option<&'a str> {
    let running = node.observed.and_then(|seen| seen.get("size")).and_then(Value::as_text);
    let sizes = node.texts("sizes");
    running.filter(|size| sizes.contains(size)).or_else(|| sizes.first().copied())
}

/// What a machine is charged for: its hours, its disk, its address, what it sends out.
pub(crate) fn charges(node: &Planned<'_>, costing: &Costing<'_>) -> Vec<Charge> {
    let mut charges: Vec<Charge> = compute(node).into_iter().collect();
    let class = node.text("disk_class").unwrap_or(charge::PREMIUM);
    let gib = node.int("disk_gib").unwrap_or_default();
    charges.extend(charge::disk(node.addr, costing, ("root disk", class), gib, Counts::fixed(1)));
    if node.flag("public") {
        charges.push(charge::addresses(node.addr, Counts::fixed(1)));
    }
    charges.push(charge::egress(node.addr, costing, Counts::fixed(1)));
    charges
}

fn compute(node: &Planned<'_>) -> Option<Charge> {
    let size = size(node)?;
    let sizes = node.texts("sizes");
    let markets = node.texts("markets");
    let running = node.observed.and_then(|seen| seen.get("market")).and_then(Value::as_text);
    let market = running.filter(|market| markets.contains(market)).or(markets.first().copied());
    let one = Decimal::ONE;
    if market != Some(SPOT) {
        let rate = Rate::machine(size, Purchase::OnDemand);
        // What runs stays what it is; what is to be made may have to be another.
        let most = if node.observed.is_some() { rate.clone() } else { dearest(&sizes) };
        return Some(Charge::new(node.addr, "compute", Time::Running, rate, one).at_most(most));
    }
    let rate = Rate::machine(size, Purchase::Spot);
    // What may be bought on demand instead is not held down by the most for spot.
    let most = match markets.contains(&ON_DEMAND) {
        true => dearest(&sizes),
        false => spot_at_most(node, &sizes),
    };
    Some(Charge::new(node.addr, "compute, spot", Time::Running, rate, one).at_most(most))
}

#[cfg(test)]
mod tests;
