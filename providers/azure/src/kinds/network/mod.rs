//! `network`: a virtual network with subnets for machines and for databases, and the ways out.
//!
//! ```text
//! net.virtual_network -- net.subnet["machines-0"] -- net.nat[0] -- net.nat_address[0]
//!                   \--- net.subnet["postgres"], net.subnet["mysql"] -- net.firewall
//!                   \--- net (what others refer to)
//! ```
//! The range is cut into sixteen equal blocks, as on every provider. A subnet spans the zones of its region,
//! so machines of all zones share one; with a NAT gateway in each zone, which is what Azure attaches to a
//! subnet, each zone has a subnet. Buckets are reached past the NAT by service endpoints, which cost nothing.
//!
//! ## Why the subnets of databases are always there
//! Servers stand in a subnet that is given to their service alone. A database cannot choose a free block of
//! somebody else's network, so the network has one for each service, which costs nothing.

mod objects;

pub(crate) use objects::{NAT_GATEWAY, NETWORK, PUBLIC_ADDRESS, SUBNET, VIRTUAL_NETWORK};

use super::flows::{self, FIREWALL, SECURITY_GROUP};
use super::{
    AzureKind, args, check_known, fixed, fixed_text, known, location, node, of, refuses,
    substitutes, text,
};
use crate::charge::{self, Counts};
use crate::regions;
use dsenv_sdk::addr::Part;
use dsenv_sdk::cost::{Charge, Costing, Planned, Rate, Time};
use dsenv_sdk::prices::Driver;
use dsenv_sdk::provider::{Finding, Native, Neutral, Surroundings};
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Key, Term};
use rust_decimal::Decimal;
use std::net::Ipv4Addr;

pub(super) const KIND: AzureKind =
    AzureKind { name: "network", check, wants: |_, _| Vec::new(), lower };

/// Into how many equal blocks the range is cut, as a power of two.
const BLOCK_BITS: u32 = 4;
/// The blocks of databases.
const POSTGRES_BLOCK: u32 = 8;
const MYSQL_BLOCK: u32 = 9;
const ZONES_USUAL: i64 = 2;

/// The services that subnets are delegated to.
const POSTGRES_SERVICE: &str = "Microsoft.DBforPostgreSQL/flexibleServers";
const MYSQL_SERVICE: &str = "Microsoft.DBforMySQL/flexibleServers";
/// What machines reach past the NAT.
const STORAGE_SERVICE: &str = "Microsoft.Storage";

/// How machines reach out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nat {
    None,
    One,
    PerZone,
}

fn nat(resource: &Neutral) -> Nat {
    match text(resource, "nat") {
        Some("none") => Nat::None,
        Some("per_zone") => Nat::PerZone,
        _ => Nat::One,
    }
}

/// How many zones it is spread over; none in a region that has none.
fn zones(resource: &Neutral, region: &str) -> u32 {
    if !regions::has_zones(region) {
        return 0;
    }
    let said = known(resource, "zones").and_then(Value::as_int).unwrap_or(ZONES_USUAL);
    u32::try_from(said.min(regions::ZONES)).expect("the table bounds the zones")
}

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = check_known(resource, &["cidr", "zones", "nat"]);
    if text(resource, "cidr").is_some_and(|cidr| Block::parse(cidr).is_none()) {
        let message = "on azure a network has from 8 to 24 bits, and its address ends there";
        findings.push(refuses(&["cidr"], message, "write `cidr: 10.20.0.0/16`"));
    }
    let lost = regions::check(resource, around);
    if let (true, Some(region)) = (lost.is_empty(), around.region) {
        findings.extend(check_zones(resource, region));
    }
    findings.extend(lost);
    findings
}

fn check_zones(resource: &Neutral, region: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let said = known(resource, "zones").and_then(Value::as_int);
    if said.is_some_and(|zones| zones > regions::ZONES) {
        let message = format!("a region of azure has {} zones at most", regions::ZONES);
        findings.push(refuses(&["zones"], message, "write `zones: 3`"));
    }
    if !regions::has_zones(region) {
        let help = "take it out, or take a region with zones: `region: westeurope`";
        if said.is_some_and(|zones| zones > 1) {
            let message = format!("`{region}` has no availability zones");
            findings.push(refuses(&["zones"], message, help));
        }
        if nat(resource) == Nat::PerZone {
            let message = format!("`{region}` has no availability zones, so no gateway in each");
            findings.push(refuses(&["nat"], message, "write `nat: one`"));
        }
        return findings;
    }
    if nat(resource) == Nat::PerZone {
        let message = "on azure a pool stands in one subnet: it reaches out by the gateway of the first \
                       zone, whichever zone its members are in; machines by that of their own";
        findings.push(substitutes(&["nat"], message));
    }
    findings
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    first: u32,
    bits: u32,
}

impl Block {
    /// Reads a range that a network may have and that can be cut into blocks that a service takes.
    fn parse(text: &str) -> Option<Block> {
        let (address, bits) = text.split_once('/')?;
        let bits: u32 = bits.parse().ok().filter(|bits| (8..=24).contains(bits))?;
        let first = u32::from(address.parse::<Ipv4Addr>().ok()?);
        (first.trailing_zeros() >= 32 - bits).then_some(Block { first, bits })
    }

    /// Returns the nth of its equal blocks.
    fn cut(self, number: u32) -> String {
        let bits = self.bits + BLOCK_BITS;
        let first = self.first + (number << (32 - bits));
        format!("{}/{bits}", Ipv4Addr::from(first))
    }
}

/// What lowering one network works with.
struct Plan<'a> {
    addr: &'a Addr,
    location: Option<Term>,
    block: Block,
    zones: u32,
    nat: Nat,
}

fn part(name: &str, key: Key) -> Option<Part> {
    Some(Part { name: name.into(), key: Some(key) })
}

fn machines_key(number: u32) -> Key {
    Key::Text(format!("machines-{number}").into())
}

/// What Azure calls a zone.
fn zone_name(number: u32) -> Term {
    Term::text((number + 1).to_string())
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let cidr = text(resource, "cidr").unwrap_or_default();
    let region = around.region.expect("a network without a region was refused");
    let plan = Plan {
        addr: &resource.addr,
        location: location(around),
        block: Block::parse(cidr).expect("a network with another range was refused"),
        zones: zones(resource, region),
        nat: nat(resource),
    };
    let network = args([("location", plan.location.clone()), ("cidr", fixed_text(cidr))]);
    let mut natives = vec![node(super::part("virtual_network"), &VIRTUAL_NETWORK, network)];
    natives.extend(plan.ways_out());
    natives.extend((0..plan.machine_subnets()).map(|number| plan.machines(number)));
    natives.extend(plan.databases());
    natives.push(plan.whole());
    natives
}

impl Plan<'_> {
    fn id(&self, name: &str, key: Option<Key>) -> Option<Term> {
        of(&self.addr.part(name, key), "id")
    }

    /// One subnet for all zones, unless each has a gateway of its own.
    fn machine_subnets(&self) -> u32 {
        if self.nat == Nat::PerZone { self.zones } else { 1 }
    }

    /// Gateways and their addresses.
    fn ways_out(&self) -> Vec<Native> {
        let gateways = if self.nat == Nat::None { 0 } else { self.machine_subnets() };
        let mut natives = Vec::new();
        for number in 0..gateways {
            let zones = || (self.nat == Nat::PerZone).then(|| Term::list(vec![zone_name(number)]));
            let key = Key::Index(number);
            let address = args([("location", self.location.clone()), ("zones", zones())]);
            natives.push(node(part("nat_address", key.clone()), &PUBLIC_ADDRESS, address));
            let gateway = args([
                ("location", self.location.clone()),
                ("zones", zones()),
                ("address", self.id("nat_address", Some(key.clone()))),
            ]);
            natives.push(node(part("nat", key), &NAT_GATEWAY, gateway));
        }
        natives
    }

    fn machines(&self, number: u32) -> Native {
        let nat = (self.nat != Nat::None).then(|| self.id("nat", Some(Key::Index(number))));
        let endpoints = Value::List(vec![Value::text(STORAGE_SERVICE)]);
        let args = args([
            ("virtual_network", self.id("virtual_network", None)),
            ("cidr", fixed_text(&self.block.cut(number))),
            ("nat_gateway", nat.flatten()),
            ("service_endpoints", fixed(endpoints)),
            // Azure would lend an address that may change at any time.
            ("default_outbound", fixed(Value::Bool(false))),
        ]);
        node(part("subnet", machines_key(number)), &SUBNET, args)
    }

    /// The subnets of databases, and what guards them: whoever uses one brings a rule.
    fn databases(&self) -> Vec<Native> {
        let blocks =
            [("postgres", POSTGRES_BLOCK, POSTGRES_SERVICE), ("mysql", MYSQL_BLOCK, MYSQL_SERVICE)];
        // A server and its standby talk to each other.
        let inside = |(name, block, _): (&str, u32, &str)| {
            flows::rule(&format!("inside {name}"), &self.block.cut(block), None, i64::from(block))
        };
        let rules = Value::List(blocks.map(inside).to_vec());
        let group = args([("location", self.location.clone()), ("rules", fixed(rules))]);
        let mut natives = vec![node(super::part(FIREWALL), &SECURITY_GROUP, group)];
        natives.extend(blocks.map(|(name, block, service)| {
            let args = args([
                ("virtual_network", self.id("virtual_network", None)),
                ("cidr", fixed_text(&self.block.cut(block))),
                ("security_group", self.id(FIREWALL, None)),
                ("delegation", fixed_text(service)),
            ]);
            node(part("subnet", Key::Text(name.into())), &SUBNET, args)
        }));
        natives
    }

    /// The node that stands for all of it.
    fn whole(&self) -> Native {
        let subnet = |number: u32| {
            let number = if self.nat == Nat::PerZone { number } else { 0 };
            self.id("subnet", Some(machines_key(number))).expect("a reference")
        };
        let places: Vec<Term> = (0..self.zones.max(1)).map(subnet).collect();
        let each_once = (0..self.machine_subnets()).map(subnet).collect();
        let zones: Vec<Term> = (0..self.zones).map(zone_name).collect();
        let first = |terms: &[Term]| terms.first().cloned();
        let data = |name: &str| self.id("subnet", Some(Key::Text(name.into())));
        let args = args([
            ("virtual_network", self.id("virtual_network", None)),
            ("first_subnet", first(&places)),
            ("first_subnets", first(&places).map(|place| Term::list(vec![place]))),
            ("first_zone", first(&zones)),
            ("first_zones", first(&zones).map(|zone| Term::list(vec![zone]))),
            ("subnets", Some(Term::list(places))),
            ("all_subnets", Some(Term::list(each_once))),
            ("zones", (self.zones > 0).then(|| Term::list(zones))),
            ("postgres_subnet", data("postgres")),
            ("mysql_subnet", data("mysql")),
            ("data_group", self.id(FIREWALL, None)),
            ("machines_public", fixed(Value::Bool(self.nat == Nat::None))),
        ]);
        node(None, &NETWORK, args)
    }
}

/// What a gateway is charged for: its hours, and what passes all of them, on the first one.
pub(crate) fn nat_charges(node: &Planned<'_>, costing: &Costing<'_>) -> Vec<Charge> {
    let rate = Rate::of(Driver::NatHour);
    let mut charges = vec![Charge::new(node.addr, "gateway", Time::Always, rate, Decimal::ONE)];
    let first = costing.nodes.iter().find(|it| it.ty.name == node.ty.name);
    if first.is_none_or(|first| first.addr == node.addr) {
        let passed = charge::usage(node.addr, costing, "data through it", "nat", Driver::NatData);
        charges.push(passed);
    }
    charges
}

/// What an address is charged for.
pub(crate) fn address_charges(node: &Planned<'_>, _: &Costing<'_>) -> Vec<Charge> {
    vec![charge::addresses(node.addr, Counts::fixed(1))]
}

#[cfg(test)]
mod tests;
