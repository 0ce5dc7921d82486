use super::*;
use crate::kinds::tests_of_kinds::{
    access, charged, charged_of, findings, findings_in, map, natives, natives_in, neutral, uses,
};
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{Access, Right};
use expect_test::expect;
use std::collections::BTreeMap;

fn machine(fields: &[(&str, Value)]) -> Neutral {
    let mut all = vec![("cpus", Value::text("2+")), ("memory", Value::text("8GiB+"))];
    all.extend_from_slice(fields);
    Neutral { network: Some(Addr::resource("net")), ..neutral("desk", "machine", &all) }
}

fn service() -> (&'static str, Value) {
    let jupyter = map(&[("run", Value::text("jupyter lab")), ("port", Value::Int(8_888))]);
    ("services", map(&[("jupyter", jupyter)]))
}

fn full() -> Neutral {
    let purchase = map(&[
        ("spot", Value::text("preferred")),
        ("max_price", Value::text("80%")),
        ("on_interruption", Value::text("stop")),
    ]);
    let software = map(&[
        ("python", Value::text("3.11")),
        ("packages", Value::List(vec![Value::text("pandas")])),
    ]);
    Neutral {
        uses: vec![
            uses("data", "volume", Right::ReadWrite),
            uses("features", "database", Right::ReadWrite),
            uses("files", "share", Right::ReadWrite),
            uses("lake", "bucket", Right::Read),
        ],
        access: vec![
            access("ada", "ssh", Some("203.0.113.0/24")),
            access("team", "web", Some("203.0.113.0/24")),
            access("bob", "web", Some("203.0.113.0/24")),
        ],
        ..machine(&[
            ("disk", Value::text("100GiB")),
            ("image", Value::text("ubuntu-24.04")),
            ("purchase", purchase),
            ("software", software),
            service(),
        ])
    }
}

#[test]
fn a_small_machine_is_itself_and_its_groups() {
    let small = machine(&[]);
    expect![[r#"
        desk.firewall: azure.security_group
          location = "westeurope"
          rules = []
        desk.group: azure.application_group
          location = "westeurope"
        desk: azure.virtual_machine
          application_group = <desk.group.id>
          disk_class = "Premium_LRS"
          disk_gib = 32
          image = {offer: "debian-12", publisher: "Debian", sku: "12-gen2", version: not locked: azure-image-westeurope-debian-12}
          location = "westeurope"
          markets = ["on_demand"]
          name = "desk"
          public = <net.machine_addresses>
          security_group = <desk.firewall.id>
          sizes = ["Standard_B2as_v2", "Standard_B2ms", "Standard_B2s_v2", "Standard_D2as_v5", "Standard_D2as_v6", "Standard_D2as_v7"]
          subnets = <net.machine_places>
          zones = <net.machine_zones>
    "#]].assert_eq(&natives(&small));
    expect![[r#"
        desk: compute: 1 x Standard_B2as_v2 on_demand, from 1 x Standard_B2as_v2 on_demand to 1 x the dearest of B2as_v2, B2ms, B2s_v2, D2as_v5, D2as_v6, D2as_v7 for each hour that it runs
        desk: root disk (P4): 1 x disk/P4/month
        desk: data to the internet: 10 x egress/internet/GB (`usage.egress` is 10 GiB a month)
    "#]]
    .assert_eq(&charged(&small, &[("net.machine_addresses", Value::Bool(false))], &[]));
    assert_eq!(findings(&small), "");
    assert!(!natives_in("westus", &small).contains("zones"));
}

#[test]
fn a_full_machine_has_flows_rights_settings_and_an_address() {
    let full = full();
    expect![[r#"
        desk.firewall: azure.security_group
          location = "westeurope"
          rules = [{from: "203.0.113.0/24", name: "ada", port: 22, priority: 100}, {from: "203.0.113.0/24", name: "team and bob", port: 8888, priority: 101}]
        desk.group: azure.application_group
          location = "westeurope"
        desk.grant["features"]: azure.security_rule
          description = "desk uses features"
          from_group = <desk.group.id>
          port = <features.port>
          security_group = <features.firewall.id>
        desk.identity: azure.identity
          location = "westeurope"
        desk.mailbox: azure.mailbox
          location = "westeurope"
          log_days = 30
        desk.settings: azure.settings
          buckets = {LAKE: {endpoint: <lake.endpoint>, name: <lake.name>, region: <lake.region>, url: <lake.url>}}
          databases = {FEATURES: {engine: <features.engine>, host: <features.host>, name: <features.name>, password: <features.password.value>, port: <features.port>, user: <features.user>}}
          intact = true
          mailbox = <desk.mailbox.endpoint>
          mounts = {DATA: {lun: 0}, FILES: {host: <files.host>, path: <files.path>}}
          people = [{keys: [<ada.public_key>], who: "ada"}]
          services = {jupyter: {port: 8888, run: "jupyter lab"}}
          software = not locked: python-c69f6b43d24cb260
        desk.right["boot"]: azure.role_assignment
          principal = <desk.identity.principal_id>
          role = "Storage Blob Data Reader"
          role_id = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
          scope = <desk.mailbox.boot_id>
        desk.right["reports"]: azure.role_assignment
          principal = <desk.identity.principal_id>
          role = "Storage Blob Data Contributor"
          role_id = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
          scope = <desk.mailbox.reports_id>
        desk.grant["lake"]: azure.role_assignment
          principal = <desk.identity.principal_id>
          role = "Storage Blob Data Reader"
          role_id = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
          scope = <lake.id>
        desk.grant["data"]: azure.attachment
          disk = <data.id>
          lun = 0
          machine = <desk.id>
        desk: azure.virtual_machine
          application_group = <desk.group.id>
          disk_class = "Premium_LRS"
          disk_gib = 100
          eviction = "Deallocate"
          identity = <desk.identity.id>
          image = {offer: "ubuntu-24_04-lts", publisher: "Canonical", sku: "server", version: not locked: azure-image-westeurope-ubuntu-24.04}
          location = "westeurope"
          markets = ["spot", "on_demand"]
          name = "desk"
          open = true
          ports = {jupyter: 8888}
          public = true
          security_group = <desk.firewall.id>
          settings = <desk.mailbox.endpoint>
          sizes = ["Standard_D2as_v5", "Standard_D2as_v6", "Standard_D2as_v7", "Standard_D2s_v5", "Standard_D2s_v6", "Standard_D2ads_v5"]
          spot_max_price = "0.0832"
          subnets = <net.volume_places>
          zones = <net.volume_zones>
    "#]].assert_eq(&natives(&full));
    expect![[r#"
        desk: compute, spot: 1 x Standard_D2as_v5 spot, from 1 x Standard_D2as_v5 spot to 1 x the dearest of D2as_v5, D2as_v6, D2as_v7, D2s_v5, D2s_v6, D2ads_v5 for each hour that it runs
        desk: root disk (P10): 1 x disk/P10/month
        desk: public IPv4 address: 1 x ipv4/hour for each hour
        desk: data to the internet: 100 x egress/internet/GB
        desk.mailbox: settings and logs: 1 x bucket/hot-lrs/GB-month (1 GiB of logs)
        desk.mailbox: settings reads: 480 x bucket/hot-lrs/read for each hour that it runs (480 an hour by each machine)
        desk.mailbox: report writes: 60 x bucket/hot-lrs/write for each hour that it runs (60 an hour by each machine)
    "#]].assert_eq(&charged(&full, &[], &[("egress", Value::text("100GiB"))]));
    assert_eq!(findings(&full), "");
}

#[test]
fn without_a_gateway_it_has_an_address() {
    let addresses = [("net.machine_addresses", Value::Bool(true))];
    assert!(charged(&machine(&[]), &addresses, &[]).contains("public IPv4 address: 1 x ipv4/hour"));
}

#[test]
fn spot_costs_at_most_what_is_said_or_what_on_demand_costs() {
    let bought = |purchase: Value| {
        let spot = machine(&[("type", Value::text("Standard_D4s_v5")), ("purchase", purchase)]);
        charged(&spot, &[], &[]).lines().next().expect("a charge").to_owned() + "\n"
    };
    let capped = map(&[("spot", Value::text("only")), ("max_price", Value::text("0.10 USD/h"))]);
    let preferred = map(&[("spot", Value::text("preferred")), ("max_price", Value::text("0.10"))]);
    let all = [Value::text("on_demand"), Value::text("spot"), capped, preferred].map(bought);
    expect![[r#"
        desk: compute: 1 x Standard_D4s_v5 on_demand for each hour that it runs
        desk: compute, spot: 1 x Standard_D4s_v5 spot, from 1 x Standard_D4s_v5 spot to 1 x Standard_D4s_v5 on_demand for each hour that it runs
        desk: compute, spot: 1 x Standard_D4s_v5 spot, from 1 x Standard_D4s_v5 spot to 1 x at 0.1 for each hour that it runs
        desk: compute, spot: 1 x Standard_D4s_v5 spot, from 1 x Standard_D4s_v5 spot to 1 x Standard_D4s_v5 on_demand for each hour that it runs
    "#]].assert_eq(&all.concat());
}

#[test]
fn what_runs_is_what_is_charged() {
    let purchase = map(&[("spot", Value::text("preferred"))]);
    let desk = machine(&[("purchase", purchase)]);
    let pins = BTreeMap::new();
    let around = Surroundings { region: Some("westeurope"), ..Surroundings::new("b", "e", &pins) };
    let sizes = sizes::sizes(&desk, &around, SIZES_MAX);
    let seen = Map::from([
        ("market".to_owned(), Value::text("on_demand")),
        ("size".to_owned(), Value::text(&*sizes[1])),
    ]);
    let charges = charged_of(&desk, &[], &[], Some(&seen));
    let line = format!("desk: compute: 1 x {} on_demand for each hour that it runs\n", sizes[1]);
    assert!(charges.starts_with(&line), "{charges}");
}

#[test]
fn a_size_without_premium_disks_has_a_disk_that_charges_operations() {
    let old = machine(&[("type", Value::text("Standard_D4_v5"))]);
    expect![[r#"
        desk: compute: 1 x Standard_D4_v5 on_demand for each hour that it runs
        desk: root disk (E4): 1 x disk/E4/month
        desk: root disk operations: 1000000 x disk/standard-ssd/request (`usage.disk_requests` is 1000000 a month)
        desk: data to the internet: 10 x egress/internet/GB (`usage.egress` is 10 GiB a month)
    "#]].assert_eq(&charged(&old, &[], &[]));
}

#[test]
fn what_azure_cannot_do_is_refused() {
    let service = map(&[("run", Value::text("sshd")), ("port", Value::Int(22))]);
    let purchase = map(&[
        ("on_interruption", Value::text("hibernate")),
        ("max_price", Value::text("cheap")),
        ("on_demand_base", Value::Int(1)),
    ]);
    let nobody = Access { keys: Vec::new(), ..access("eve", "ssh", None) };
    let until =
        Access { until: Some("2026-12-31".to_owned()), ..access("al", "web", Some("10.0.0.0/8")) };
    let wrong = Neutral {
        network: None,
        uses: vec![uses("features", "database", Right::Read)],
        access: vec![nobody, access("dan", "sql", Some("10.0.0.0/8")), until],
        ..machine(&[
            ("image", Value::text("amazon-linux-2023")),
            ("disk", Value::text("5TiB")),
            ("purchase", purchase),
            ("services", map(&[("inner", service)])),
        ])
    };
    expect![[r#"
        : refuses: on azure a machine stands in a network, and there is none (add one: `net: {kind: network, cidr: 10.20.0.0/16}`)
        purchase.on_interruption: refuses: on azure spot cannot hibernate when it is taken back (write `on_interruption: stop`, which keeps the disk, or `terminate`)
        purchase.max_price: refuses: "cheap" is no price for a `Standard_B2as_v2` (write `0.25 USD/h`, or a share of a size that the price book knows: `80%`)
        disk: refuses: on azure the disk of a machine has from 30GiB to 4095GiB, not 5120GiB (write `disk: 64GiB`)
        image: refuses: on azure there is no image "amazon-linux-2023" (write one of `debian-12`, `debian-13`, `ubuntu-22.04`, `ubuntu-24.04`)
        access.0: refuses: nobody says from where `eve` comes in (add `from:` with a range of addresses: `from: 203.0.113.0/24`)
        access.0.who: refuses: `eve` comes in by ssh, and there is no key of that name (add a key and name it: `ada: {kind: key, public_key: "ssh-ed25519 AAAA..."}` among the resources, and `who: ada` here)
        access.0.how: refuses: sshd and the service `inner` cannot both have port 22 (give the service another port)
        access.1.how: refuses: on azure nobody comes in to a database from outside its network (work from a machine that `uses` it)
        access.2.until: substitutes: on azure nothing closes it by itself on 2026-12-31: take the entry out then, and apply
        uses.features: refuses: on azure a machine has the database's own role, so `read` of `features` would be more than reading (write `features: read_write`)
        purchase.on_demand_base: refuses: a machine is one, so there is no base of it (take `on_demand_base` out, or make it a pool)
    "#]].assert_eq(&findings(&wrong));
}

#[test]
fn sizes_that_will_not_do_are_refused() {
    let named = |size: &str, purchase: &str| {
        findings(&machine(&[("type", Value::text(size)), ("purchase", Value::text(purchase))]))
    };
    let all = [
        named("m5.large", "on_demand"),
        named("Standard_D2pls_v5", "on_demand"),
        named("Standard_DC2as_v5", "on_demand"),
        named("Standard_B2s", "spot"),
        findings(&machine(&[("cpus", Value::text("9999+"))])),
        findings(&machine(&[("gpu", Value::text("A100:3"))])),
        findings(&machine(&[("gpu", Value::text("A1000"))])),
        findings_in(None, &machine(&[])),
    ];
    expect![[r#"
        type: refuses: `m5.large` is no size of azure (write a size as Azure does: `type: Standard_D4s_v5`)
        type: refuses: `Standard_DC2as_v5` is a confidential machine, which is not built yet (write a size as Azure does: `type: Standard_D4s_v5`)
        type: refuses: azure does not sell `Standard_B2s` as spot (write `purchase: on_demand`, or name another line: `type: Standard_D4s_v5`)
        memory: refuses: in westeurope azure has no size of machine with what is needed (ask for `+` instead of an exact number, or name one: `type: Standard_D4s_v5`)
        gpu: refuses: in westeurope azure has no size of machine with what is needed (ask for `+` instead of an exact number, or name one: `type: Standard_D4s_v5`)
        gpu: refuses: no accelerator is called `A1000`: known are A10, A100, A10G, B200, B300, Gaudi, GB200, H100, H200, Inferentia, Inferentia2, K80, L4, L40S, M60, MI25, MI300X, P100, P4, RTX-PRO-4500, RTX-PRO-6000, T4, T4G, Trainium, Trainium2, V100, V520, V620, V710 (write counts as `2` or `2+`, sizes as `8GiB` or `8GiB+`, accelerators as `A100:8` or `24GiB+`)
        : refuses: on azure a machine needs to know its region (write `region: westeurope` below the environment)
    "#]].assert_eq(&all.concat());
}

#[test]
fn a_disk_is_of_the_class_that_is_said() {
    let on = |ty: &str, class: &str| {
        machine(&[("type", Value::text(ty)), ("disk_class", Value::text(class))])
    };
    expect![[r#"
        desk: compute: 1 x Standard_D4s_v5 on_demand for each hour that it runs
        desk: root disk (S4): 1 x disk/S4/month
        desk: root disk operations: 1000000 x disk/standard-hdd/request (`usage.disk_requests` is 1000000 a month)
        desk: data to the internet: 10 x egress/internet/GB (`usage.egress` is 10 GiB a month)
    "#]].assert_eq(&charged(&on("Standard_D4s_v5", "Standard_LRS"), &[], &[]));
    expect![[r#"
        disk_class: refuses: on azure a `Standard_D4_v5` takes no premium disk (write `disk_class: StandardSSD_LRS`)
    "#]].assert_eq(&findings(&on("Standard_D4_v5", "Premium_LRS")));
    expect![[r#"
        disk_class: refuses: on azure no machine starts from a `gp3`, or it is not built yet (write one of `Premium_LRS`, `StandardSSD_LRS`, `Standard_LRS`)
    "#]].assert_eq(&findings(&on("Standard_D4s_v5", "gp3")));
}
