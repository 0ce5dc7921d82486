//! `network`: a VPC with one subnetwork in the environment's region, the way out, and the way to databases.
//!
//! ```text
//! net.vpc -- net.subnet ---------------------------- net (what others refer to)
//!        \-- net.router (Cloud Router and Cloud NAT)
//!        \-- net.services (addresses for databases) -- net.peering -- net.firewall
//! ```
//! A subnetwork of Google Cloud spans all zones of its region, so one is enough: it has the lower half of
//! the range. Of the upper half, the first eighth is for databases, which stand in a network of Google's
//! own behind a peering: <https://cloud.google.com/sql/docs/postgres/configure-private-ip>.

mod objects;

pub(crate) use objects::{NETWORK, PEERING, ROUTER, SERVICE_RANGE, SUBNETWORK, VPC};

use super::{GcpKind, check_known, flag, flows, known, of, part, text};
use crate::regions;
use dsenv_sdk::provider::{Finding, Native, Neutral, Surroundings, refuses, substitutes};
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Term};
use std::net::Ipv4Addr;

pub(crate) const KIND: GcpKind =
    GcpKind { name: "network", check, wants: |_, _| Vec::new(), lower };

/// The part that is the VPC itself.
pub(crate) const VPC_PART: &str = "vpc";

/// What a range for databases has at least: <https://cloud.google.com/vpc/docs/configure-private-services-access>.
const SERVICE_BITS_MAX: u32 = 24;
/// The range for databases is a sixteenth of the whole.
const SERVICE_CUT_BITS: u32 = 4;
const BITS: std::ops::RangeInclusive<u32> = 8..=SERVICE_BITS_MAX - SERVICE_CUT_BITS;
const ZONES_USUAL: i64 = 2;

fn has_nat(resource: &Neutral) -> bool {
    text(resource, "nat") != Some("none")
}

fn zones(resource: &Neutral) -> usize {
    let zones = known(resource, "zones").and_then(Value::as_int).unwrap_or(ZONES_USUAL);
    usize::try_from(zones).expect("the table bounds the zones")
}

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = check_known(resource, &["cidr", "zones", "nat"]);
    findings.extend(regions::check(resource, around));
    let cidr = text(resource, "cidr");
    if cidr.is_some_and(|cidr| Block::parse(cidr).is_none()) {
        let message = "on gcp a network has from 8 to 20 bits, and its address ends there: databases take \
                       a sixteenth of it, which has 24 bits at most";
        findings.push(refuses(&["cidr"], message, "write `cidr: 10.20.0.0/16`"));
    }
    let there = around.region.map_or(usize::MAX, |region| regions::zones(region).len());
    if zones(resource) > there {
        let message = format!(
            "{} has {there} zones, and {} are asked for",
            around.region.unwrap_or_default(),
            zones(resource)
        );
        findings.push(refuses(&["zones"], message, format!("write `zones: {there}`")));
    }
    if text(resource, "nat") == Some("per_zone") {
        let message =
            "on gcp one NAT serves all zones of a region, and the loss of a zone does not stop it";
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
    /// Reads a range that can be cut.
    fn parse(text: &str) -> Option<Block> {
        let (address, bits) = text.split_once('/')?;
        let bits: u32 = bits.parse().ok().filter(|bits| BITS.contains(bits))?;
        let first = u32::from(address.parse::<Ipv4Addr>().ok()?);
        (first.trailing_zeros() >= 32 - bits).then_some(Block { first, bits })
    }

    /// The lower half, for machines.
    fn machines(self) -> String {
        format!("{}/{}", Ipv4Addr::from(self.first), self.bits + 1)
    }

    /// The start of the upper half, for databases.
    fn services(self) -> (Ipv4Addr, u32) {
        (Ipv4Addr::from(self.first + (1 << (31 - self.bits))), self.bits + SERVICE_CUT_BITS)
    }
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let block = text(resource, "cidr").and_then(Block::parse);
    let block = block.expect("a network with another range was refused");
    let region = around.region.expect("a network without a region was refused");
    let addr = &resource.addr;
    let vpc = || of(&addr.part(VPC_PART, None), "self_link");
    let mut natives = vec![
        part(
            VPC_PART,
            None,
            VPC.name,
            [("auto_subnetworks", flag(false)), ("routing_mode", Some(Term::text("REGIONAL")))],
        ),
        part(
            "subnet",
            None,
            SUBNETWORK.name,
            [
                ("network", vpc()),
                ("region", Some(Term::text(region))),
                ("cidr", Some(Term::text(block.machines()))),
                // Buckets and secrets are reached without a public address, and not through the NAT.
                ("private_google_access", flag(true)),
            ],
        ),
    ];
    if has_nat(resource) {
        let subnet = of(&addr.part("subnet", None), "self_link");
        natives.push(part(
            "router",
            None,
            ROUTER.name,
            [
                ("network", vpc()),
                ("region", Some(Term::text(region))),
                ("nat_subnetworks", subnet.map(|subnet| Term::list(vec![subnet]))),
                ("nat_addresses", Some(Term::text("AUTO_ONLY"))),
            ],
        ));
    }
    natives.extend(to_databases(addr, block));
    natives.push(whole(resource, region));
    natives
}

/// The addresses that databases have, the peering that leads there, and the rule that nobody takes it who
/// uses none.
fn to_databases(addr: &Addr, block: Block) -> [Native; 3] {
    let vpc = || of(&addr.part(VPC_PART, None), "self_link");
    let range = addr.part("services", None);
    let (first, bits) = block.services();
    let services = part(
        "services",
        None,
        SERVICE_RANGE.name,
        [
            ("network", vpc()),
            ("address", Some(Term::text(first.to_string()))),
            ("prefix_length", super::int(bits.into())),
        ],
    );
    let ranges = of(&range, "name").map(|name| Term::list(vec![name]));
    let peering = part("peering", None, PEERING.name, [("network", vpc()), ("ranges", ranges)]);
    [services, peering, flows::forbidden(addr, Term::text(format!("{first}/{bits}")))]
}

/// The node that stands for all of it.
fn whole(resource: &Neutral, region: &str) -> Native {
    let addr = &resource.addr;
    let zones = regions::zones(region).into_iter().take(zones(resource)).map(Term::text).collect();
    let args = super::args([
        ("vpc", of(&addr.part(VPC_PART, None), "self_link")),
        ("subnet", of(&addr.part("subnet", None), "self_link")),
        ("in_zones", Some(Term::list(zones))),
        ("machines_public", flag(!has_nat(resource))),
        ("services", of(&addr.part("services", None), "name")),
        ("peering", of(&addr.part("peering", None), "name")),
    ]);
    let mut after = vec![addr.part("firewall", None)];
    if has_nat(resource) {
        after.push(addr.part("router", None));
    }
    Native { part: None, ty: NETWORK.name, args, after }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests_of_kinds::{charges, findings, natives, neutral};
    use expect_test::{Expect, expect};

    fn network(fields: &[(&str, Value)]) -> Neutral {
        neutral("net", "network", fields)
    }

    fn checked(fields: &[(&str, Value)], expected: Expect) {
        expected.assert_eq(&findings(&KIND, &network(fields)));
    }

    #[test]
    fn a_range_is_cut_for_machines_and_databases() {
        let block = Block::parse("10.20.0.0/16").expect("a range");
        assert_eq!(block.machines(), "10.20.0.0/17");
        assert_eq!(block.services(), (Ipv4Addr::new(10, 20, 128, 0), 20));
        for text in ["10.0.0.0/7", "10.0.0.0/21", "10.0.1.0/16", "10.0.0/16", "x/16", "10.0.0.0"] {
            assert_eq!(Block::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_network_has_one_subnetwork_and_one_nat() {
        expect![[r#"
            net.vpc: gcp.vpc
              auto_subnetworks = false
              routing_mode = "REGIONAL"
            net.subnet: gcp.subnetwork
              cidr = "10.20.0.0/17"
              network = <net.vpc.self_link>
              private_google_access = true
              region = "us-central1"
            net.router: gcp.router
              nat_addresses = "AUTO_ONLY"
              nat_subnetworks = [<net.subnet.self_link>]
              network = <net.vpc.self_link>
              region = "us-central1"
            net.services: gcp.service_range
              address = "10.20.128.0"
              network = <net.vpc.self_link>
              prefix_length = 20
            net.peering: gcp.service_peering
              network = <net.vpc.self_link>
              ranges = [<net.services.name>]
            net.firewall: gcp.firewall
              allow = false
              description = "databases are for who uses them"
              destination_ranges = ["10.20.128.0/20"]
              direction = "EGRESS"
              network = <net.vpc.self_link>
              priority = 60000
            net: gcp.network
              in_zones = ["us-central1-a", "us-central1-b"]
              machines_public = false
              peering = <net.peering.name>
              services = <net.services.name>
              subnet = <net.subnet.self_link>
              vpc = <net.vpc.self_link>
              after net.firewall
              after net.router
        "#]]
        .assert_eq(&natives(&KIND, &network(&[("cidr", Value::text("10.20.0.0/16"))])));
    }

    #[test]
    fn without_nat_machines_reach_out_by_themselves() {
        let fields = [("cidr", Value::text("10.20.0.0/16")), ("nat", Value::text("none"))];
        let lowered = natives(&KIND, &network(&fields));
        assert!(!lowered.contains("gcp.router"), "{lowered}");
        assert!(lowered.contains("machines_public = true"), "{lowered}");
        expect![[""]].assert_eq(&charges(&[&network(&fields)], &[]));
    }

    #[test]
    fn what_google_cloud_cannot_do_is_refused_or_said() {
        let fields = [
            ("cidr", Value::text("10.20.0.0/24")),
            ("nat", Value::text("per_zone")),
            ("zones", Value::Int(5)),
        ];
        checked(
            &fields,
            expect![[r#"
            cidr: refuses: on gcp a network has from 8 to 20 bits, and its address ends there: databases take a sixteenth of it, which has 24 bits at most (write `cidr: 10.20.0.0/16`)
            zones: refuses: us-central1 has 4 zones, and 5 are asked for (write `zones: 4`)
            nat: substitutes: on gcp one NAT serves all zones of a region, and the loss of a zone does not stop it
        "#]],
        );
    }
}
