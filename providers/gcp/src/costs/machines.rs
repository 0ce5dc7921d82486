//! What machines are charged for, be they alone or members of a group.

use super::{Counts, counted, number, seen};
use crate::kinds::machine::images::IMAGE_GIB;
use crate::kinds::types;
use dsenv_sdk::cost::{Charge, Costing, Planned, Rate, Time};
use dsenv_sdk::prices::{Driver, Purchase};
use dsenv_sdk::value::Value;
use rust_decimal::Decimal;

const SPOT: &str = "spot";

/// An hour of one of several types, of which the first is taken if it is to be had.
struct Offered<'a> {
    types: Vec<&'a str>,
    /// The one that is taken, or will be.
    taken: &'a str,
}

impl<'a> Offered<'a> {
    /// `None` for a node whose types are not known before apply.
    fn of(node: &Planned<'a>) -> Option<Offered<'a>> {
        let types = node.texts("types");
        let taken = seen(node, "machine_type").and_then(Value::as_text);
        let taken = taken.or(types.first().copied())?;
        Some(Offered { types, taken })
    }

    fn rate(&self, purchase: Purchase) -> Rate {
        Rate::machine(self.taken, purchase)
    }

    /// The most that one costs: the dearest that would do.
    fn dearest(&self, purchase: Purchase) -> Rate {
        match self.types.as_slice() {
            [] | [_] => self.rate(purchase),
            several => {
                Rate::Dearest(several.iter().map(|ty| Rate::machine(ty, purchase)).collect())
            }
        }
    }
}

/// What one machine is charged for.
pub(super) fn instance(costing: &Costing<'_>, node: &Planned<'_>) -> Vec<Charge> {
    let Some(offered) = Offered::of(node) else { return Vec::new() };
    let markets = node.texts("markets");
    let seen_market = seen(node, "market").and_then(Value::as_text);
    let is_spot = seen_market.or(markets.first().copied()) == Some(SPOT);
    let purchase = if is_spot { Purchase::Spot } else { Purchase::OnDemand };
    // Spot is an offer that Google Cloud takes back; what comes next may be on demand, and another type.
    let most = match (is_spot, node.observed) {
        (true, _) => offered.dearest(Purchase::OnDemand),
        // What runs stays what it is; what is to be made may have to be another.
        (false, Some(_)) => offered.rate(Purchase::OnDemand),
        (false, None) => offered.dearest(Purchase::OnDemand),
    };
    let name = if is_spot { "compute, spot" } else { "compute" };
    let compute = Charge::new(node.addr, name, Time::Running, offered.rate(purchase), Decimal::ONE);
    let may_be_on_demand = markets.contains(&"on_demand");
    let mut charges = vec![compute.at_most(most)];
    charges.extend(around(node, node, [Decimal::ONE; 3], (is_spot, may_be_on_demand)));
    charges.extend(traffic(costing, node, [Decimal::ONE; 3]));
    charges
}

/// What comes with every machine, so many of them: its disk and its address. `launch` is the node that says
/// how it is launched.
fn around(
    node: &Planned<'_>,
    launch: &Planned<'_>,
    counts: Counts,
    (is_spot, may_be_on_demand): (bool, bool),
) -> Vec<Charge> {
    let gib = launch.int("disk_gib");
    let assumed = gib.is_none().then(|| format!("the image's disk has {IMAGE_GIB} GiB"));
    let gib = number(gib.unwrap_or(IMAGE_GIB));
    let class = launch.text("disk_type").unwrap_or(crate::kinds::machine::offers::PERSISTENT);
    let space = counts.map(|count| count * gib);
    let disk = counted(node, "root disk", Time::Month, Driver::DiskSpace { class }, space);
    let mut charges = vec![disk.assuming(assumed)];
    if launch.flag("public") {
        let driver = if is_spot { Driver::AddressSpotHour } else { Driver::AddressHour };
        let mut address = counted(node, "public IPv4 address", Time::Running, driver, counts);
        if is_spot && may_be_on_demand {
            address = address.at_most(Rate::of(Driver::AddressHour));
        }
        charges.push(address);
    }
    charges
}

/// What a resource sends in a month, be it one machine or several.
fn traffic(costing: &Costing<'_>, node: &Planned<'_>, counts: Counts) -> Vec<Charge> {
    let kinds = [
        ("egress", "data to the internet", Driver::EgressInternet),
        ("cross_zone", "data to other zones", Driver::EgressZone),
    ];
    let charge = |(field, name, driver)| {
        let amount = costing.usage.amount(field);
        // Nobody who is not there sends anything.
        let sent = |count: Decimal| if count.is_zero() { Decimal::ZERO } else { amount.count };
        counted(node, name, Time::Month, driver, counts.map(sent)).assuming(amount.assumed)
    };
    kinds.into_iter().map(charge).collect()
}

/// How many machines a resource is: one, or the members of all of its groups.
pub(super) fn machines(costing: &Costing<'_>) -> Counts {
    let groups = costing.nodes.iter().filter(|node| node.ty.name == types::INSTANCE_GROUP);
    let mut groups = groups.map(|group| members(group, costing.nodes)).peekable();
    if groups.peek().is_none() {
        return [Decimal::ONE; 3];
    }
    groups.fold([Decimal::ZERO; 3], |sum, group| [0, 1, 2].map(|at| sum[at] + group[at]))
}

/// How many members a group has. Its bounds are those of its autoscaler; without one it has as many always.
pub(super) fn members<'a>(
    group: &Planned<'_>,
    nodes: impl IntoIterator<Item = &'a Planned<'a>>,
) -> Counts {
    let market = group.text("market").unwrap_or_default();
    let owner = group.addr.owner();
    let is_its_own = |node: &&Planned<'_>| {
        let key = node.addr.part.as_ref().and_then(|part| part.key.as_ref());
        let is_of_market = matches!(key, Some(dsenv_sdk::Key::Text(text)) if &**text == market);
        node.ty.name == types::AUTOSCALER && node.addr.owner() == owner && is_of_market
    };
    let size = seen(group, "size").and_then(Value::as_int).or(group.int("size")).unwrap_or(0);
    let bounds = nodes.into_iter().find(is_its_own);
    let bound = |name: &str| bounds.and_then(|node| node.int(name));
    match (bound("min"), bound("max")) {
        (Some(min), Some(max)) => [size.clamp(min, max.max(min)), min, max].map(number),
        _ => [number(size); 3],
    }
}

/// What a group's members are charged for.
pub(super) fn group(costing: &Costing<'_>, node: &Planned<'_>) -> Vec<Charge> {
    let Some(offered) = Offered::of(node) else { return Vec::new() };
    let counts = members(node, costing.nodes);
    let is_spot = node.text("market") == Some(SPOT);
    let (purchase, name) = match is_spot {
        true => (Purchase::Spot, "compute, spot"),
        false => (Purchase::OnDemand, "compute, on demand"),
    };
    // A group is all spot: nothing on demand takes its place. Its members may be of any of the types, and
    // the price of spot may change once a month, up to that on demand.
    let most = offered.dearest(Purchase::OnDemand);
    let [now, floor, ceiling] = counts;
    let compute = Charge::new(node.addr, name, Time::Running, offered.rate(purchase), now);
    let mut charges = vec![compute.between(floor, ceiling).at_most(most)];
    let market = node.text("market").unwrap_or_default();
    let is_template = |it: &&Planned<'_>| {
        it.ty.name == types::INSTANCE_TEMPLATE && it.text("market") == Some(market)
    };
    let template = costing.nodes.iter().find(is_template).unwrap_or(node);
    charges.extend(around(node, template, counts, (is_spot, false)));
    // `usage` is of the whole pool: it is counted once, at its main group.
    if node.addr.part.is_none() {
        charges.extend(traffic(costing, node, machines(costing)));
    }
    charges
}
