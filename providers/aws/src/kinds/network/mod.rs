//! `network`: a VPC with a private and a public subnet in each zone, and the ways out.
//!
//! ```text
//! net.vpc -- net.gateway (internet) -- net.route_public ------- net.subnet["public-0"] ...
//!        \                           \ net.nat_address[0] -- net.nat[0]
//!         \- net.route_private[0] ----------------------------/   |
//!          \      |  net.s3 (objects do not go through the NAT)   |
//!           \- net.subnet["private-0"] ...                        net (what others refer to)
//! ```
//! The range is cut into sixteen equal blocks, so that another zone moves no subnet: the first eight
//! are private, the last eight public. Machines stand in private subnets and reach out by NAT, or,
//! without NAT, in public ones with an address that nobody can come in by. Databases are private
//! always. Volumes stand in the first zone, and so do machines that use one.

mod nat;
mod objects;
mod routes;

pub(crate) use nat::{ELASTIC_IP, ElasticIp, NAT_GATEWAY, NatGateway};
pub(crate) use objects::{INTERNET_GATEWAY, InternetGateway, NETWORK, SUBNET, Subnet, VPC, Vpc};
pub(crate) use routes::{ROUTE_TABLE, RouteTable, S3_ENDPOINT, S3Endpoint};

use super::{AwsKind, args, refuses};
use crate::clients::Aws;
use crate::failure::failed;
use aws_sdk_ec2::types::Filter;
use dsenv_sdk::addr::Part;
use dsenv_sdk::provider::{Finding, Native, Neutral, Surroundings, Want};
use dsenv_sdk::reading::known;
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Key, OpError, Term};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

pub(super) const KIND: AwsKind = AwsKind { name: "network", check, wants, lower };

/// What the pins of zones are called.
pub(super) const ZONES_WHAT: &str = "availability zones";

/// Into how many equal blocks the range is cut, as a power of two.
const BLOCK_BITS: u32 = 4;
/// The first of the public blocks.
const PUBLIC_FROM: u32 = 8;
/// Two, because a database's subnet group needs two.
const ZONES_USUAL: i64 = 2;

/// How machines reach out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nat {
    None,
    One,
    PerZone,
}

fn nat(resource: &Neutral) -> Nat {
    match known(resource, "nat").and_then(Value::as_text) {
        Some("none") => Nat::None,
        Some("per_zone") => Nat::PerZone,
        _ => Nat::One,
    }
}

fn zones(resource: &Neutral) -> u32 {
    let zones = known(resource, "zones").and_then(Value::as_int).unwrap_or(ZONES_USUAL);
    u32::try_from(zones).expect("the table bounds the zones")
}

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for field in ["cidr", "zones", "nat"] {
        if resource.fields.get(field).is_some_and(|term| term.known().is_none()) {
            let message = format!("`{field}` of a network must be known before apply");
            findings.push(refuses(&[field], message, "take it from an input, or write it out"));
        }
    }
    let cidr = known(resource, "cidr").and_then(Value::as_text);
    if cidr.is_some_and(|cidr| Block::parse(cidr).is_none()) {
        let message = "on aws a network has from 16 to 24 bits, and its address ends there";
        findings.push(refuses(&["cidr"], message, "write `cidr: 10.20.0.0/16`"));
    }
    if around.region.is_none() {
        let message = "on aws a network needs to know its region";
        findings.push(refuses(&[], message, "write `region: us-east-1` below the environment"));
    }
    findings
}

fn zones_pin(region: &str) -> String {
    format!("aws-zones-{region}")
}

fn wants(_: &Neutral, around: &Surroundings<'_>) -> Vec<Want> {
    let Some(region) = around.region else { return Vec::new() };
    let need = Value::Map(Map::from([("region".to_owned(), Value::text(region))]));
    vec![Want { pin: zones_pin(region).into(), what: ZONES_WHAT, need }]
}

/// Asks which zones this account has in the region; local zones and those that want to be opted into
/// are left out.
pub(super) async fn pin_zones(aws: &Aws) -> Result<Value, OpError> {
    let request = aws
        .ec2
        .describe_availability_zones()
        .filters(Filter::builder().name("opt-in-status").values("opt-in-not-required").build());
    let reply = request.send().await.map_err(|e| failed("asking for availability zones", e))?;
    let zones = reply.availability_zones.unwrap_or_default();
    let mut names: Vec<String> = zones.into_iter().filter_map(|zone| zone.zone_name).collect();
    names.sort();
    Ok(Value::List(names.into_iter().map(Value::Text).collect()))
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    first: u32,
    bits: u32,
}

impl Block {
    /// Reads a range that a VPC may have and that can be cut:
    /// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html>
    fn parse(text: &str) -> Option<Block> {
        let (address, bits) = text.split_once('/')?;
        let bits: u32 = bits.parse().ok().filter(|bits| (16..=24).contains(bits))?;
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

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let cidr = known(resource, "cidr").and_then(Value::as_text).unwrap_or_default();
    let block = Block::parse(cidr).expect("a network with another range was refused");
    let region = around.region.expect("a network without a region was refused");
    let zone_names = around.pins.get(&zones_pin(region));
    let plan = Plan { addr: &resource.addr, zones: zones(resource), nat: nat(resource) };
    let zone = |number: u32| match zone_names {
        None => Term::NotLocked(zones_pin(region).into()),
        // An account with fewer zones than asked for: the cloud's refusal names the subnet.
        Some(names) => Term::Known(names.step(&number.to_string()).cloned().unwrap_or(Value::Null)),
    };
    let mut natives = vec![
        plan.native("vpc", None, VPC.name, args([("cidr", Some(Term::text(cidr)))])),
        plan.native("gateway", None, INTERNET_GATEWAY.name, args([("vpc", plan.id("vpc", None))])),
    ];
    natives.extend(plan.ways_out());
    for number in 0..plan.zones {
        natives.push(plan.subnet("private", number, block.cut(number), zone(number)));
        natives.push(plan.subnet("public", number, block.cut(PUBLIC_FROM + number), zone(number)));
    }
    natives.push(plan.whole(zone(0)));
    natives
}

/// What lowering one network works with.
struct Plan<'a> {
    addr: &'a Addr,
    zones: u32,
    nat: Nat,
}

fn index(number: u32) -> Option<Key> {
    Some(Key::Index(number))
}

impl Plan<'_> {
    fn native(
        &self,
        part: &str,
        key: Option<Key>,
        ty: &'static str,
        args: BTreeMap<String, Term>,
    ) -> Native {
        Native { part: Some(Part { name: part.into(), key }), ty, args, after: Vec::new() }
    }

    fn id(&self, part: &str, key: Option<Key>) -> Option<Term> {
        Some(Term::Ref(Ref::attribute(self.addr.part(part, key), "id")))
    }

    fn nat_gateways(&self) -> u32 {
        match self.nat {
            Nat::None => 0,
            Nat::One => 1,
            Nat::PerZone => self.zones,
        }
    }

    /// Gateways, their addresses, and the tables that lead to them.
    fn ways_out(&self) -> Vec<Native> {
        let vpc = || self.id("vpc", None);
        let gateway = self.id("gateway", None);
        let public = args([("vpc", vpc()), ("internet_gateway", gateway)]);
        let mut natives = vec![self.native("route_public", None, ROUTE_TABLE.name, public)];
        for number in 0..self.nat_gateways() {
            let mut address = self.native("nat_address", index(number), ELASTIC_IP.name, args([]));
            // An address on its way out of the network needs the network to have a way out.
            address.after.push(self.addr.part("gateway", None));
            natives.push(address);
            let nat = args([
                ("subnet", self.id("subnet", text_key("public", number))),
                ("address", self.id("nat_address", index(number))),
            ]);
            let mut nat = self.native("nat", index(number), NAT_GATEWAY.name, nat);
            nat.after.push(self.addr.part("gateway", None));
            natives.push(nat);
        }
        let mut tables = Vec::new();
        for number in 0..self.nat_gateways().max(1) {
            let nat = (self.nat != Nat::None).then(|| self.id("nat", index(number))).flatten();
            let private = args([("vpc", vpc()), ("nat_gateway", nat)]);
            natives.push(self.native("route_private", index(number), ROUTE_TABLE.name, private));
            tables.extend(self.id("route_private", index(number)));
        }
        tables.extend(self.id("route_public", None));
        let endpoint = args([("vpc", vpc()), ("route_tables", Some(Term::list(tables)))]);
        natives.push(self.native("s3", None, S3_ENDPOINT.name, endpoint));
        natives
    }

    fn subnet(&self, side: &str, number: u32, cidr: String, zone: Term) -> Native {
        let table = match side {
            "public" => self.id("route_public", None),
            _ if self.nat == Nat::PerZone => self.id("route_private", index(number)),
            _ => self.id("route_private", index(0)),
        };
        let args = args([
            ("vpc", self.id("vpc", None)),
            ("cidr", Some(Term::text(cidr))),
            ("zone", Some(zone)),
            ("route_table", table),
        ]);
        self.native("subnet", text_key(side, number), SUBNET.name, args)
    }

    /// The node that stands for all of it.
    fn whole(&self, first_zone: Term) -> Native {
        let of = |side: &str, zones: u32| {
            let ids = (0..zones).filter_map(|n| self.id("subnet", text_key(side, n)));
            Term::list(ids.collect())
        };
        let side = |side: &str| of(side, self.zones);
        let public = self.nat == Nat::None;
        let machines = if public { "public" } else { "private" };
        let args = args([
            ("vpc", self.id("vpc", None)),
            ("private_subnets", Some(side("private"))),
            ("public_subnets", Some(side("public"))),
            ("machine_subnets", Some(side(machines))),
            ("first_zone", Some(first_zone)),
            ("first_machine_subnets", Some(of(machines, 1))),
            ("first_public_subnets", Some(of("public", 1))),
            ("machines_public", Some(Term::Known(Value::Bool(public)))),
        ]);
        let parts = ["gateway", "route_public", "s3"].map(|part| self.addr.part(part, None));
        Native { part: None, ty: NETWORK.name, args, after: parts.into() }
    }
}

fn text_key(side: &str, number: u32) -> Option<Key> {
    Some(Key::Text(format!("{side}-{number}").into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_into_sixteen() {
        let block = Block::parse("10.20.0.0/16").expect("a range");
        assert_eq!(block.cut(0), "10.20.0.0/20");
        assert_eq!(block.cut(PUBLIC_FROM), "10.20.128.0/20");
        assert_eq!(block.cut(15), "10.20.240.0/20");
        assert_eq!(Block::parse("10.0.0.0/24").expect("a range").cut(15), "10.0.0.240/28");
    }

    #[test]
    fn other_ranges_are_refused() {
        for text in ["10.0.0.0/8", "10.0.0.0/25", "10.0.1.0/16", "10.0.0/16", "x/16", "10.0.0.0"] {
            assert_eq!(Block::parse(text), None, "{text}");
        }
    }
}
