//! `pool`: a scale set that keeps as many machines as are asked for, of several sizes in several zones.
//!
//! ```text
//! workers.firewall, .group, .identity, .mailbox, .settings   as a machine has them
//! workers (the scale set) <- workers.bounds (autoscale: between which numbers)
//! ```
//! Orchestration is flexible: members are machines like others. With spot, the set keeps
//! `on_demand_base` regular ones and buys what is above them as spot, by the strategy that looks at capacity
//! first.
//!
//! ## Why a pool stands in one subnet
//! A scale set has one for all of its members, whichever zone they are in: with a NAT gateway in each zone,
//! pools reach out by the first one's. The network says so.

use super::launch::{self, Bought};
use super::machine::{dearest, sizes, spot_at_most};
use super::{
    AzureKind, LOCATION, TAGS, args, fixed, id_of, known, node, of, part, refuses, substitutes,
};
use crate::charge::{self, Counts};
use crate::regions;
use dsenv_sdk::Term;
use dsenv_sdk::cost::{Charge, Costing, Planned, Rate, Time};
use dsenv_sdk::prices::Purchase;
use dsenv_sdk::provider::{Finding, Native, Neutral, Surroundings};
use dsenv_sdk::reading::{Count, check_count, count};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::Value;
use rust_decimal::Decimal;

pub(super) const KIND: AzureKind = AzureKind { name: "pool", check, wants: launch::wants, lower };

/// What a mix takes: <https://learn.microsoft.com/azure/virtual-machine-scale-sets/instance-mix-overview>.
const SIZES_MAX: usize = 5;
/// What a flexible set takes.
const MEMBERS_MAX: i64 = 1_000;

/// The part that says between which numbers a set is scaled.
const BOUNDS_PART: &str = "bounds";

const COUNT: Type = Type::Int { min: 0, max: MEMBERS_MAX };

/// Keeps as many machines as are asked for.
pub(crate) const SCALE_SET: NativeType = NativeType {
    name: "azure.scale_set",
    doc: "Keeps as many machines as are asked for, each with its disk and interface.",
    fields: &[
        LOCATION,
        Field::new("sizes", Type::List(&Type::Text), "Sizes that do, the preferred one first.")
            .required()
            .class(Class::Scale)
            .of("type"),
        id_of("subnet", "Where members stand.").required().replaces(),
        Field::new("zones", Type::Any, "In which zones; none where a region has none.")
            .replaces()
            .class(Class::Bind),
        launch::IMAGE,
        launch::DISK,
        launch::DISK_CLASS,
        launch::GROUP,
        launch::APPLICATION_GROUP,
        launch::IDENTITY,
        launch::SETTINGS,
        launch::PUBLIC,
        Field::new("name", Type::Text, "What members call themselves.").kept(),
        // Autoscale changes it by itself, and people do by hand.
        Field::new("capacity", COUNT, "How many there are at first.")
            .required()
            .cloud_owned()
            .class(Class::Scale)
            .of("count"),
        Field::new("priority", Type::Choice(&["Regular", "Spot"]), "Whether spot is bought.")
            .required()
            .replaces()
            .class(Class::Scale)
            .of("purchase"),
        Field::new("on_demand_base", COUNT, "How many are never spot.")
            .class(Class::Scale)
            .of("purchase"),
        Field::new("on_demand_percent", Type::Int { min: 0, max: 100 }, "Of the others, how many.")
            .class(Class::Scale)
            .of("purchase"),
        launch::EVICTION.replaces(),
        launch::MAX_PRICE,
        TAGS,
    ],
    attributes: &[
        Attribute::new("id", "Its id."),
        Attribute::new("addresses", "The addresses of its members.").changes(),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// Between which numbers a scale set is scaled.
pub(crate) const BOUNDS: NativeType = NativeType {
    name: "azure.autoscale",
    doc: "Between which numbers a scale set is scaled, and by what.",
    fields: &[
        LOCATION,
        id_of("target", "The set.").required().replaces(),
        Field::new("min", COUNT, "The floor.").required().class(Class::Scale).of("count"),
        Field::new("max", COUNT, "The ceiling.").required().class(Class::Scale).of("count"),
        Field::new("start", COUNT, "How many, while nothing is measured.")
            .required()
            .class(Class::Scale)
            .of("count"),
        Field::new(
            "cpu_percent",
            Type::Int { min: 1, max: 100 },
            "Above so busy a processor on average one comes, below half of it one goes.",
        )
        .class(Class::Scale)
        .of("scale"),
        TAGS,
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = launch::check(resource, around);
    findings.extend(match check_count(resource) {
        None => count(resource).and_then(check_members),
        refused => refused,
    });
    if Bought::of(resource) == Bought::SpotThenOnDemand {
        let message = "on azure a pool buys what is above `on_demand_base` as spot alone: a scale set \
                       does not put regular machines in the place of spot that is not to be had";
        findings.push(substitutes(&["purchase", "spot"], message));
    }
    if resource.uses.iter().any(|used| used.kind == "volume") {
        let message = "a volume belongs to one machine, and a pool is many";
        findings.push(refuses(&["uses"], message, "use a `share`, or a bucket"));
    }
    findings.extend(check_scale(resource));
    findings
}

fn check_scale(resource: &Neutral) -> Vec<Finding> {
    let Some(term) = resource.fields.get("scale") else { return Vec::new() };
    let Some(scale) = term.known() else { return super::check_known(resource, &["scale"]) };
    let mut findings = Vec::new();
    let on = scale.step("on").and_then(Value::as_text).unwrap_or_default();
    if on != "cpu" {
        let message =
            format!("on azure a pool cannot scale on `{on}` yet: Azure measures `cpu` alone");
        findings.push(refuses(&["scale", "on"], message, "write `scale: {on: cpu, target: 70%}`"));
    }
    if scale.step("idle_stop").is_some() {
        let message = "on azure nothing looks yet for members that are idle";
        findings.push(refuses(&["scale", "idle_stop"], message, "take `idle_stop` out"));
    }
    if count(resource).is_some_and(|count| count.min == count.max) {
        let message = "a pool of one number has nothing to scale between";
        findings.push(refuses(&["count"], message, "write `count: {min: 0, max: 8}`"));
    }
    findings
}

/// What busy is, in percent; `None` when nothing scales it.
fn cpu_percent(resource: &Neutral) -> Option<i64> {
    const USUAL: i64 = 70;
    let scale = known(resource, "scale")?;
    let target = scale.step("target").and_then(Value::as_text);
    let percent = target.and_then(|text| text.strip_suffix('%')?.parse().ok());
    Some(percent.unwrap_or(USUAL).max(1))
}

fn check_members(Count { max, .. }: Count) -> Option<Finding> {
    let message = format!("on azure a pool has {MEMBERS_MAX} members at most, not {max}");
    (max > MEMBERS_MAX).then(|| refuses(&["count"], message, "make several pools, with `for_each`"))
}

/// The sizes that may be mixed with the first one: of the lines that Azure mixes, and alike in whether they
/// have a disk of their own and in how they reach their disks.
fn mixed(sizes: Vec<String>) -> Vec<String> {
    let Some(first) = sizes.first().cloned() else { return sizes };
    if !sizes::can_be_mixed(&first) {
        return vec![first];
    }
    let alike = |size: &String| {
        sizes::can_be_mixed(size)
            && sizes::has_own_disk(size) == sizes::has_own_disk(&first)
            && sizes::has_nvme(size) == sizes::has_nvme(&first)
    };
    sizes.into_iter().filter(alike).take(SIZES_MAX).collect()
}

/// The sizes of a pool, in the order in which they are tried.
pub(crate) fn offers(resource: &Neutral, around: &Surroundings<'_>) -> Vec<String> {
    /// So many are looked at for those that may be mixed.
    const LOOKED_AT_MAX: usize = 20;
    mixed(sizes::sizes(resource, around, LOOKED_AT_MAX))
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let mut natives = launch::around_machine(resource, around);
    let region = around.region.expect("a pool without a region was refused");
    let sizes = offers(resource, around);
    let mut set = launch::launch_args(resource, around, &natives, &sizes);
    let network = resource.network.as_ref().expect("one without a network was refused");
    let Count { min, max, start } = count(resource).expect("an unknown count was refused");
    let spot = Bought::of(resource).has_spot();
    let base = known(resource, "purchase").and_then(|it| it.step("on_demand_base"));
    let base = base.and_then(Value::as_int).unwrap_or(0);
    let int = |number: i64| fixed(Value::Int(number));
    set.extend(args([
        ("sizes", Some(Term::list(sizes.into_iter().map(Term::text).collect()))),
        ("subnet", of(network, "pool_place")),
        ("zones", of(network, "machine_zones").filter(|_| regions::has_zones(region))),
        ("capacity", int(start)),
        ("priority", Some(Term::text(if spot { "Spot" } else { "Regular" }))),
        ("on_demand_base", int(base).filter(|_| spot)),
        ("on_demand_percent", int(0).filter(|_| spot)),
    ]));
    natives.push(node(None, &SCALE_SET, set));
    if min != max {
        let bounds = args([
            ("location", super::location(around)),
            ("target", of(&resource.addr, "id")),
            ("min", int(min)),
            ("max", int(max)),
            ("start", int(start)),
            ("cpu_percent", cpu_percent(resource).and_then(int)),
        ]);
        natives.push(node(part(BOUNDS_PART), &BOUNDS, bounds));
    }
    natives
}

/// How many machines a resource is: a pool's members, else one.
pub(crate) fn members(costing: &Costing<'_>) -> Counts {
    let node = |ty: &NativeType| costing.nodes.iter().find(|node| node.ty.name == ty.name);
    let Some(set) = node(&SCALE_SET) else { return Counts::fixed(1) };
    let start = set.int("capacity").unwrap_or_default();
    let Some(bounds) = node(&BOUNDS) else { return Counts::fixed(start) };
    let (min, max) = (bounds.int("min").unwrap_or(start), bounds.int("max").unwrap_or(start));
    let running = set.observed.and_then(|seen| seen.get("capacity")).and_then(Value::as_int);
    let now = running.unwrap_or(start).max(min).min(max);
    let [now, floor, ceiling] = [now, min, max].map(Decimal::from);
    Counts { now, floor, ceiling }
}

/// What a pool is charged for: the hours of its members, and for each a disk and perhaps an address.
pub(crate) fn charges(node: &Planned<'_>, costing: &Costing<'_>) -> Vec<Charge> {
    let members = members(costing);
    let mut charges = compute(node, members);
    let class = node.text("disk_class").unwrap_or(charge::PREMIUM);
    let gib = node.int("disk_gib").unwrap_or_default();
    charges.extend(charge::disk(node.addr, costing, ("root disks", class), gib, members));
    if node.flag("public") {
        charges.push(charge::addresses(node.addr, members));
    }
    charges.push(charge::egress(node.addr, costing, members));
    charges
}

/// The hours: regular members up to the base and as many percent of the others, the rest as spot.
fn compute(node: &Planned<'_>, members: Counts) -> Vec<Charge> {
    let sizes = node.texts("sizes");
    let Some(size) = sizes.first() else { return Vec::new() };
    let spot = node.text("priority") == Some("Spot");
    let base = Decimal::from(node.int("on_demand_base").unwrap_or_default());
    let percent = Decimal::from(node.int("on_demand_percent").unwrap_or_default());
    let regular = |count: Decimal| match spot {
        false => count,
        true => {
            let above = (count - base).max(Decimal::ZERO);
            count.min(base) + (above * percent / Decimal::ONE_HUNDRED).ceil()
        }
    };
    let Counts { now, floor, ceiling } = members;
    let mix = (sizes.len() > 1).then(|| format!("every member is a {size}"));
    let charge = |name: &str, purchase, most, counts: [Decimal; 3]| {
        Charge::new(node.addr, name, Time::Running, Rate::machine(size, purchase), counts[0])
            .between(counts[1], counts[2])
            .at_most(most)
            .assuming(mix.clone())
    };
    let [regular_now, regular_floor, regular_ceiling] = [now, floor, ceiling].map(regular);
    let mut charges = Vec::new();
    if !spot || regular_ceiling > Decimal::ZERO {
        let counts = [regular_now, regular_floor, regular_ceiling];
        let most = dearest(&sizes);
        charges.push(charge("compute, on demand", Purchase::OnDemand, most, counts));
    }
    if spot {
        let counts = [now - regular_now, floor - regular_floor, ceiling - regular_ceiling];
        let most = spot_at_most(node, &sizes);
        charges.push(charge("compute, spot", Purchase::Spot, most, counts));
    }
    charges
}

#[cfg(test)]
mod tests;
