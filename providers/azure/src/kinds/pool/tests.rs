use super::*;
use crate::kinds::tests_of_kinds::{charged, charged_of, findings, map, natives, neutral, uses};
use dsenv_sdk::Addr;
use dsenv_sdk::provider::Right;
use dsenv_sdk::value::Map;
use expect_test::expect;

fn pool(count: Value, fields: &[(&str, Value)]) -> Neutral {
    let mut all = vec![("count", count), ("cpus", Value::text("4+"))];
    all.extend_from_slice(fields);
    Neutral { network: Some(Addr::resource("net")), ..neutral("workers", "pool", &all) }
}

fn range() -> Value {
    map(&[("min", Value::Int(1)), ("max", Value::Int(8)), ("start", Value::Int(3))])
}

fn spot(base: i64) -> (&'static str, Value) {
    ("purchase", map(&[("spot", Value::text("preferred")), ("on_demand_base", Value::Int(base))]))
}

#[test]
fn a_pool_of_one_number_is_a_scale_set() {
    let two = pool(Value::Int(2), &[]);
    expect![[r#"
        workers.firewall: azure.security_group
          location = "westeurope"
          rules = []
        workers.group: azure.application_group
          location = "westeurope"
        workers: azure.scale_set
          application_group = <workers.group.id>
          capacity = 2
          disk_class = "Premium_LRS"
          disk_gib = 32
          image = {offer: "debian-12", publisher: "Debian", sku: "12-gen2", version: not locked: azure-image-westeurope-debian-12}
          location = "westeurope"
          name = "workers"
          priority = "Regular"
          public = <net.machine_addresses>
          security_group = <workers.firewall.id>
          sizes = ["Standard_B4als_v2", "Standard_B4ls_v2", "Standard_B4as_v2", "Standard_B4ms", "Standard_B4s_v2"]
          subnet = <net.pool_place>
          zones = <net.machine_zones>
    "#]].assert_eq(&natives(&two));
    expect![[r#"
        workers: compute, on demand: 2 x Standard_B4als_v2 on_demand, from 2 x Standard_B4als_v2 on_demand to 2 x the dearest of B4als_v2, B4ls_v2, B4as_v2, B4ms, B4s_v2 for each hour that it runs (every member is a Standard_B4als_v2)
        workers: root disks (P4): 2 x disk/P4/month
        workers: public IPv4 address: 2 x ipv4/hour for each hour
        workers: data to the internet: 10 x egress/internet/GB (`usage.egress` is 10 GiB a month)
    "#]].assert_eq(&charged(&two, &[("net.machine_addresses", Value::Bool(true))], &[]));
    assert_eq!(findings(&two), "");
}

#[test]
fn a_pool_between_bounds_keeps_a_base_and_buys_the_rest_as_spot() {
    let scale = map(&[("on", Value::text("cpu")), ("target", Value::text("60%"))]);
    let workers = Neutral {
        uses: vec![uses("lake", "bucket", Right::ReadWrite)],
        ..pool(range(), &[spot(2), ("scale", scale), ("disk", Value::text("128GiB"))])
    };
    expect![[r#"
        workers.firewall: azure.security_group
          location = "westeurope"
          rules = []
        workers.group: azure.application_group
          location = "westeurope"
        workers.identity: azure.identity
          location = "westeurope"
        workers.mailbox: azure.mailbox
          location = "westeurope"
          log_days = 30
        workers.settings: azure.settings
          buckets = {LAKE: {endpoint: <lake.endpoint>, name: <lake.name>, region: <lake.region>, url: <lake.url>}}
          intact = true
          mailbox = <workers.mailbox.endpoint>
        workers.right["boot"]: azure.role_assignment
          principal = <workers.identity.principal_id>
          role = "Storage Blob Data Reader"
          role_id = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
          scope = <workers.mailbox.boot_id>
        workers.right["reports"]: azure.role_assignment
          principal = <workers.identity.principal_id>
          role = "Storage Blob Data Contributor"
          role_id = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
          scope = <workers.mailbox.reports_id>
        workers.grant["lake"]: azure.role_assignment
          principal = <workers.identity.principal_id>
          role = "Storage Blob Data Contributor"
          role_id = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
          scope = <lake.id>
        workers: azure.scale_set
          application_group = <workers.group.id>
          capacity = 3
          disk_class = "Premium_LRS"
          disk_gib = 128
          eviction = "Delete"
          identity = <workers.identity.id>
          image = {offer: "debian-12", publisher: "Debian", sku: "12-gen2", version: not locked: azure-image-westeurope-debian-12}
          location = "westeurope"
          name = "workers"
          on_demand_base = 2
          on_demand_percent = 0
          priority = "Spot"
          public = <net.machine_addresses>
          security_group = <workers.firewall.id>
          settings = <workers.mailbox.endpoint>
          sizes = ["Standard_D4als_v6", "Standard_D4als_v7", "Standard_D4ls_v6", "Standard_D4as_v6", "Standard_D4as_v7"]
          subnet = <net.pool_place>
          zones = <net.machine_zones>
        workers.bounds: azure.autoscale
          cpu_percent = 60
          location = "westeurope"
          max = 8
          min = 1
          start = 3
          target = <workers.id>
    "#]].assert_eq(&natives(&workers));
    expect![[r#"
        workers: compute, on demand: 2 x Standard_D4als_v6 on_demand, from 1 x Standard_D4als_v6 on_demand to 2 x the dearest of D4als_v6, D4als_v7, D4ls_v6, D4as_v6, D4as_v7 for each hour that it runs (every member is a Standard_D4als_v6)
        workers: compute, spot: 1 x Standard_D4als_v6 spot, from 0 x Standard_D4als_v6 spot to 6 x the dearest of D4als_v6, D4als_v7, D4ls_v6, D4as_v6, D4as_v7 for each hour that it runs (every member is a Standard_D4als_v6)
        workers: root disks (P10): 3 x disk/P10/month, from 1 x disk/P10/month to 8 x disk/P10/month
        workers: data to the internet: 10 x egress/internet/GB (`usage.egress` is 10 GiB a month)
        workers.mailbox: settings and logs: 1 x bucket/hot-lrs/GB-month (1 GiB of logs)
        workers.mailbox: settings reads: 1440 x bucket/hot-lrs/read, from 480 x bucket/hot-lrs/read to 3840 x bucket/hot-lrs/read for each hour that it runs (480 an hour by each machine)
        workers.mailbox: report writes: 180 x bucket/hot-lrs/write, from 60 x bucket/hot-lrs/write to 480 x bucket/hot-lrs/write for each hour that it runs (60 an hour by each machine)
    "#]].assert_eq(&charged(&workers, &[], &[]));
    expect![[r#"
        purchase.spot: substitutes: on azure a pool buys what is above `on_demand_base` as spot alone: a scale set does not put regular machines in the place of spot that is not to be had
    "#]].assert_eq(&findings(&workers));
}

#[test]
fn now_is_how_many_run_and_every_member_has_a_disk() {
    let workers = pool(range(), &[("type", Value::text("Standard_D4s_v5")), spot(2)]);
    let seen = Map::from([("capacity".to_owned(), Value::Int(5))]);
    expect![[r#"
        workers: compute, on demand: 2 x Standard_D4s_v5 on_demand, from 1 x Standard_D4s_v5 on_demand to 2 x Standard_D4s_v5 on_demand for each hour that it runs
        workers: compute, spot: 3 x Standard_D4s_v5 spot, from 0 x Standard_D4s_v5 spot to 6 x Standard_D4s_v5 on_demand for each hour that it runs
        workers: root disks (P4): 5 x disk/P4/month, from 1 x disk/P4/month to 8 x disk/P4/month
        workers: data to the internet: 10 x egress/internet/GB (`usage.egress` is 10 GiB a month)
    "#]].assert_eq(&charged_of(&workers, &[], &[], Some(&seen)));
}

#[test]
fn accelerators_are_not_mixed() {
    let gpus = pool(Value::Int(1), &[("gpu", Value::text("T4"))]);
    let lowered = natives(&gpus);
    assert!(lowered.contains(r#"sizes = ["Standard_NC4as_T4_v3"]"#), "{lowered}");
}

#[test]
fn what_a_scale_set_cannot_do_is_refused() {
    let scale = map(&[("on", Value::text("gpu")), ("idle_stop", Value::text("15m"))]);
    let wrong = Neutral {
        uses: vec![uses("data", "volume", Right::ReadWrite)],
        ..pool(Value::Int(2_000), &[("scale", scale)])
    };
    expect![[r#"
        count: refuses: on azure a pool has 1000 members at most, not 2000 (make several pools, with `for_each`)
        uses: refuses: a volume belongs to one machine, and a pool is many (use a `share`, or a bucket)
        scale.on: refuses: on azure a pool cannot scale on `gpu` yet: Azure measures `cpu` alone (write `scale: {on: cpu, target: 70%}`)
        scale.idle_stop: refuses: on azure nothing looks yet for members that are idle (take `idle_stop` out)
        count: refuses: a pool of one number has nothing to scale between (write `count: {min: 0, max: 8}`)
    "#]].assert_eq(&findings(&wrong));
    let start = map(&[("min", Value::Int(2)), ("max", Value::Int(4)), ("start", Value::Int(9))]);
    expect![[r#"
        count: refuses: `start` is from `min` to `max`: 2, 9, 4 (write `{min: 0, max: 8, start: 2}`)
    "#]]
    .assert_eq(&findings(&pool(start, &[])));
}
