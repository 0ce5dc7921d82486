//! What Cloud NAT is charged for: the machines behind it, which are those of the whole environment.

use super::{Counts, counted, machines, used};
use crate::kinds::types;
use dsenv_sdk::Term;
use dsenv_sdk::cost::{Charge, Costing, Planned, Time};
use dsenv_sdk::prices::Driver;
use rust_decimal::Decimal;

/// More machines than these cost nothing more.
const MACHINES_MAX: Decimal = Decimal::from_parts(32, 0, 0, false, 0);
/// An address has 64,512 ports, and each machine is given 64 of them:
/// <https://cloud.google.com/nat/docs/ports-and-addresses>
const MACHINES_AN_ADDRESS: Decimal = Decimal::from_parts(1_008, 0, 0, false, 0);

/// What one NAT is charged for.
pub(super) fn nat(costing: &Costing<'_>, node: &Planned<'_>) -> Vec<Charge> {
    let behind = behind(costing);
    let machines = behind.map(|count| count.min(MACHINES_MAX));
    let addresses = behind.map(|count| (count / MACHINES_AN_ADDRESS).ceil());
    let assumed = "every machine without a public address runs all month".to_owned();
    let counted_machines =
        counted(node, "machines behind the NAT", Time::Always, Driver::NatMachineHour, machines);
    vec![
        counted_machines.assuming([assumed]),
        counted(node, "addresses of the NAT", Time::Always, Driver::AddressHour, addresses),
        used(node, "data through the NAT", Driver::NatData, costing.usage.amount("nat")),
    ]
}

/// How many machines of this network have no public address.
fn behind(costing: &Costing<'_>) -> Counts {
    let mut sum = [Decimal::ZERO; 3];
    let networks = costing.all.values().filter(|it| it.ty.name == types::SUBNETWORK).count();
    for node in costing.all.values() {
        let (launch, counts) = match node.ty.name {
            types::INSTANCE => (*node, [Decimal::ONE; 3]),
            types::INSTANCE_GROUP => {
                let counts = machines::members(node, costing.all.values());
                (template(costing, node).unwrap_or(*node), counts)
            }
            _ => continue,
        };
        let is_here = networks < 2 || stands_in(costing, &launch);
        // An address that is not known before apply depends on the network's NAT, and there is one.
        if is_here && !launch.flag("public") {
            for (sum, count) in sum.iter_mut().zip(counts) {
                *sum += count;
            }
        }
    }
    sum
}

fn template<'a>(costing: &Costing<'a>, group: &Planned<'_>) -> Option<Planned<'a>> {
    let owner = group.addr.owner();
    let is_its_own = |node: &&Planned<'_>| {
        node.ty.name == types::INSTANCE_TEMPLATE
            && node.addr.owner() == owner
            && node.text("market") == group.text("market")
    };
    costing.all.values().find(is_its_own).copied()
}

/// Whether a machine stands in the network whose NAT this is: by a reference to it, or by the name of its
/// subnetwork once that is known.
fn stands_in(costing: &Costing<'_>, launch: &Planned<'_>) -> bool {
    match launch.args.get("subnetwork") {
        Some(Term::Ref(reference)) => reference.addr.owner() == *costing.addr,
        Some(Term::Known(place)) => costing.nodes.iter().any(|node| {
            node.ty.name == types::SUBNETWORK && super::seen(node, "self_link") == Some(place)
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::kinds::tests_of_kinds::{charges, map, neutral};
    use dsenv_sdk::Addr;
    use dsenv_sdk::provider::{Access, Neutral};
    use dsenv_sdk::value::Value;
    use expect_test::expect;

    fn network(name: &str) -> Neutral {
        neutral(name, "network", &[("cidr", Value::text("10.20.0.0/16"))])
    }

    fn machine(name: &str, network: &str) -> Neutral {
        let network = Some(Addr::resource(network));
        Neutral { network, ..neutral(name, "machine", &[("type", Value::text("e2-medium"))]) }
    }

    fn pool(max: i64) -> Neutral {
        let count =
            map([("min", Value::Int(1)), ("max", Value::Int(max)), ("start", Value::Int(4))]);
        let fields = [
            ("type", Value::text("e2-medium")),
            ("count", count),
            ("purchase", map([("spot", Value::text("only")), ("on_demand_base", Value::Int(2))])),
        ];
        let network = Some(Addr::resource("net"));
        Neutral { network, ..neutral("workers", "pool", &fields) }
    }

    #[test]
    fn the_machines_of_the_whole_network_are_counted_up_to_32() {
        let access = Access {
            who: "ada".to_owned(),
            keys: vec![Addr::resource("ada")],
            how: "ssh".to_owned(),
            from: Some("203.0.113.0/24".to_owned()),
            until: None,
        };
        let open = Neutral { access: vec![access], ..machine("open", "net") };
        let (closed, pool) = (machine("closed", "net"), pool(100));
        expect![[r#"
            net.router: machines behind the NAT (Always): nat/machine/hour x 5; floor nat/machine/hour x 2; ceiling nat/machine/hour x 32 [every machine without a public address runs all month]
            net.router: addresses of the NAT (Always): ipv4/hour x 1
            net.router: data through the NAT (Month): nat/GB x 50 [`usage.nat` is 50 GiB a month]
        "#]].assert_eq(&charges(&[&network("net"), &open, &closed, &pool], &[]));
    }

    #[test]
    fn another_network_has_its_own_machines() {
        let others = [&network("net"), &network("other"), &machine("there", "other")];
        let shown = charges(&others, &[("nat", Value::text("1GiB"))]);
        expect![[r#"
            net.router: machines behind the NAT (Always): nat/machine/hour x 0 [every machine without a public address runs all month]
            net.router: addresses of the NAT (Always): ipv4/hour x 0
            net.router: data through the NAT (Month): nat/GB x 1
        "#]].assert_eq(&shown);
    }
}
