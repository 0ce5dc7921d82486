//! What Google Cloud charges for: the lines of a bill that native nodes come to. Pure.
//!
//! Prices are in no line: the engine finds them in the price book. What is charged for use (requests, data
//! that leaves) is counted from `usage`.
//!
//! ## Facts
//! - All of it is at list price. A discount for sustained use is a credit that comes at the end of a month,
//!   for some families alone and never for GPUs and spot: <https://cloud.google.com/compute/docs/sustained-use-discounts>.
//! - The price of a2, a3, a4, g2 and g4 types has their GPUs in it, and their local SSDs where they have some.
//! - A public address in use is charged, at another price on a spot machine; one that nothing uses would be
//!   too, and none is kept: <https://cloud.google.com/vpc/network-pricing#ipaddress>.
//! - Cloud NAT is charged by the hour and machine, up to 32 of them, for what passes it, and for its addresses:
//!   <https://cloud.google.com/nat/pricing>.
//! - Firewall rules, service accounts, keys, templates, groups, autoscalers and peerings are free.

mod data;
mod machines;
mod network;
#[cfg(test)]
mod published;

use crate::kinds::types;
use dsenv_sdk::cost::{Amount, Charge, Costing, Planned, Rate, Time};
use dsenv_sdk::prices::Driver;
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::value::Value;
use rust_decimal::Decimal;

/// Lists what a resource is charged for.
pub(crate) fn charges(costing: &Costing<'_>) -> Vec<Charge> {
    let mut charges = Vec::new();
    for node in costing.nodes {
        match node.ty.name {
            types::INSTANCE => charges.extend(machines::instance(costing, node)),
            types::INSTANCE_GROUP => charges.extend(machines::group(costing, node)),
            types::SETTINGS => charges.extend(data::secrets(costing, node)),
            types::MAILBOX => charges.extend(data::mailbox(costing, node)),
            types::BUCKET => charges.extend(data::bucket(costing, node)),
            types::DATABASE => charges.extend(data::database(costing, node)),
            types::DISK => charges.extend(data::disk(node)),
            types::ROUTER => charges.extend(network::nat(costing, node)),
            _ => {}
        }
    }
    charges
}

/// Says why nodes of a type cost nothing by themselves.
pub(crate) fn free(ty: &NativeType) -> Option<&'static str> {
    Some(match ty.name {
        types::VPC | types::SUBNETWORK => "a network costs nothing by itself",
        types::SERVICE_RANGE => "private addresses cost nothing",
        types::PEERING => {
            "a peering costs nothing, and neither does what passes it within a region"
        }
        types::FIREWALL => "rules cost nothing",
        types::SERVICE_ACCOUNT | types::GRANT | types::HMAC_KEY => "IAM is free",
        types::INSTANCE_TEMPLATE => "members are charged, a template is not",
        types::AUTOSCALER => "members are charged, what counts them is not",
        types::ATTACHED_DISK => "the disk is charged, that a machine has it is not",
        _ => return None,
    })
}

fn number(count: i64) -> Decimal {
    Decimal::from(count)
}

/// Three counts: now, at least, at most.
type Counts = [Decimal; 3];

/// A charge that is not the same for all counts.
fn counted(
    node: &Planned<'_>,
    name: &str,
    time: Time,
    driver: Driver<'_>,
    [now, floor, ceiling]: Counts,
) -> Charge {
    Charge::new(node.addr, name, time, Rate::of(driver), now).between(floor, ceiling)
}

/// One charge for use, marked when it was assumed.
fn used(node: &Planned<'_>, name: &str, driver: Driver<'_>, amount: Amount) -> Charge {
    Charge::new(node.addr, name, Time::Month, Rate::of(driver), amount.count)
        .assuming(amount.assumed)
}

/// An attribute of what exists.
fn seen<'a>(node: &Planned<'a>, name: &str) -> Option<&'a Value> {
    node.observed.and_then(|seen| seen.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::NATIVE_TYPES;

    /// What is charged; the tests of the kinds hold each of them to a charge.
    const CHARGED: &[&str] = &[
        types::BUCKET,
        types::DATABASE,
        types::DISK,
        types::INSTANCE,
        types::INSTANCE_GROUP,
        types::MAILBOX,
        types::ROUTER,
        types::SETTINGS,
    ];

    #[test]
    fn every_type_is_charged_or_free_with_a_reason() {
        for ty in NATIVE_TYPES.iter().filter(|ty| !ty.state_only) {
            assert!(free(ty).is_some() != CHARGED.contains(&ty.name), "{}", ty.name);
        }
    }
}
