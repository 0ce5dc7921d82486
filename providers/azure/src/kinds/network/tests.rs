use super::*;
use crate::kinds::tests_of_kinds::{charged, findings, findings_in, natives, natives_in, neutral};
use expect_test::expect;

fn network(fields: &[(&str, Value)]) -> Neutral {
    let mut all = vec![("cidr", Value::text("10.20.0.0/16"))];
    all.extend_from_slice(fields);
    neutral("net", "network", &all)
}

#[test]
fn a_range_is_cut_into_sixteen() {
    let block = Block::parse("10.20.0.0/16").expect("a range");
    assert_eq!(block.cut(0), "10.20.0.0/20");
    assert_eq!(block.cut(POSTGRES_BLOCK), "10.20.128.0/20");
    assert_eq!(Block::parse("10.0.0.0/24").expect("a range").cut(15), "10.0.0.240/28");
    for text in ["10.0.0.0/7", "10.0.0.0/25", "10.0.1.0/16", "10.0.0/16", "x/16", "10.0.0.0"] {
        assert_eq!(Block::parse(text), None, "{text}");
    }
}

#[test]
fn machines_share_a_subnet_and_a_gateway() {
    let net = network(&[]);
    expect![[r#"
        net.virtual_network: azure.virtual_network
          cidr = "10.20.0.0/16"
          location = "westeurope"
        net.nat_address[0]: azure.public_address
          location = "westeurope"
        net.nat[0]: azure.nat_gateway
          address = <net.nat_address[0].id>
          location = "westeurope"
        net.subnet["machines-0"]: azure.subnet
          cidr = "10.20.0.0/20"
          default_outbound = false
          nat_gateway = <net.nat[0].id>
          service_endpoints = ["Microsoft.Storage"]
          virtual_network = <net.virtual_network.id>
        net.firewall: azure.security_group
          location = "westeurope"
          rules = [{from: "10.20.128.0/20", name: "inside postgres", priority: 108}, {from: "10.20.144.0/20", name: "inside mysql", priority: 109}]
        net.subnet["postgres"]: azure.subnet
          cidr = "10.20.128.0/20"
          delegation = "Microsoft.DBforPostgreSQL/flexibleServers"
          security_group = <net.firewall.id>
          virtual_network = <net.virtual_network.id>
        net.subnet["mysql"]: azure.subnet
          cidr = "10.20.144.0/20"
          delegation = "Microsoft.DBforMySQL/flexibleServers"
          security_group = <net.firewall.id>
          virtual_network = <net.virtual_network.id>
        net: azure.network
          all_subnets = [<net.subnet["machines-0"].id>]
          data_group = <net.firewall.id>
          first_subnet = <net.subnet["machines-0"].id>
          first_subnets = [<net.subnet["machines-0"].id>]
          first_zone = "1"
          first_zones = ["1"]
          machines_public = false
          mysql_subnet = <net.subnet["mysql"].id>
          postgres_subnet = <net.subnet["postgres"].id>
          subnets = [<net.subnet["machines-0"].id>, <net.subnet["machines-0"].id>]
          virtual_network = <net.virtual_network.id>
          zones = ["1", "2"]
    "#]].assert_eq(&natives(&net));
    expect![[r#"
        net.nat[0]: gateway: 1 x nat/hour for each hour
        net.nat[0]: data through it: 50 x nat/GB (`usage.nat` is 50 GiB a month)
        net.nat_address[0]: public IPv4 address: 1 x ipv4/hour for each hour
    "#]]
    .assert_eq(&charged(&net, &[], &[]));
}

#[test]
fn each_zone_has_a_gateway_and_what_passes_is_charged_once() {
    let net = network(&[("nat", Value::text("per_zone")), ("zones", Value::Int(3))]);
    let lowered = natives(&net);
    let of_zones: Vec<&str> =
        lowered.split("\nnet").filter(|it| it.contains("machines-")).collect();
    assert_eq!(of_zones.len(), 4, "three subnets and the whole: {lowered}");
    expect![[r#"
        nat: substitutes: on azure a pool stands in one subnet: it reaches out by the gateway of the first zone, whichever zone its members are in; machines by that of their own
    "#]].assert_eq(&findings(&net));
    expect![[r#"
        net.nat[0]: gateway: 1 x nat/hour for each hour
        net.nat[0]: data through it: 200 x nat/GB
        net.nat[1]: gateway: 1 x nat/hour for each hour
        net.nat[2]: gateway: 1 x nat/hour for each hour
        net.nat_address[0]: public IPv4 address: 1 x ipv4/hour for each hour
        net.nat_address[1]: public IPv4 address: 1 x ipv4/hour for each hour
        net.nat_address[2]: public IPv4 address: 1 x ipv4/hour for each hour
    "#]]
    .assert_eq(&charged(&net, &[], &[("nat", Value::text("200GiB"))]));
}

#[test]
fn without_a_gateway_machines_have_addresses_and_the_network_costs_nothing() {
    let net = network(&[("nat", Value::text("none"))]);
    assert!(natives(&net).contains("machines_public = true"));
    assert_eq!(charged(&net, &[], &[]), "");
}

#[test]
fn a_region_without_zones_has_none() {
    let net = network(&[]);
    assert!(!natives_in("westus", &net).contains("zone"));
    let zoned = network(&[("zones", Value::Int(2)), ("nat", Value::text("per_zone"))]);
    expect![[r#"
        zones: refuses: `westus` has no availability zones (take it out, or take a region with zones: `region: westeurope`)
        nat: refuses: `westus` has no availability zones, so no gateway in each (write `nat: one`)
    "#]].assert_eq(&findings_in(Some("westus"), &zoned));
}

#[test]
fn what_azure_cannot_do_is_refused() {
    let wrong = neutral(
        "net",
        "network",
        &[("cidr", Value::text("10.0.0.0/28")), ("zones", Value::Int(6))],
    );
    expect![[r#"
        cidr: refuses: on azure a network has from 8 to 24 bits, and its address ends there (write `cidr: 10.20.0.0/16`)
        zones: refuses: a region of azure has 3 zones at most (write `zones: 3`)
    "#]].assert_eq(&findings(&wrong));
    expect![[r#"
        : refuses: on azure a network needs to know its region (write `region: westeurope` below the environment)
    "#]].assert_eq(&findings_in(None, &network(&[])));
    expect![[r#"
        : refuses: azure has no region `West Europe` in the price book (write `region: westeurope` below the environment)
    "#]].assert_eq(&findings_in(Some("West Europe"), &network(&[])));
    expect![[r#"
        : refuses: azure has no region `mars` in the price book (write `region: westeurope` below the environment)
    "#]].assert_eq(&findings_in(Some("mars"), &network(&[])));
}
