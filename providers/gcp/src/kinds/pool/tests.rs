//! What a pool becomes, is refused for, and is charged for.

use super::*;
use crate::kinds::tests_of_kinds::{charges, charges_seen, findings, map, natives, neutral};
use expect_test::{Expect, expect};

fn pool(fields: &[(&str, Value)]) -> Neutral {
    let mut all = vec![("type", Value::text("e2-standard-4")), ("disk", Value::text("50GiB"))];
    all.extend(fields.iter().cloned());
    Neutral { network: Some(Addr::resource("net")), ..neutral("workers", "pool", &all) }
}

fn range(min: i64, max: i64, start: i64) -> Value {
    map([("min", Value::Int(min)), ("max", Value::Int(max)), ("start", Value::Int(start))])
}

fn spot(base: i64) -> Value {
    map([("spot", Value::text("preferred")), ("on_demand_base", Value::Int(base))])
}

fn checked(fields: &[(&str, Value)], expected: Expect) {
    expected.assert_eq(&findings(&KIND, &pool(fields)));
}

#[test]
fn a_pool_of_a_fixed_size_is_a_template_and_a_group() {
    let resource = Neutral { ..pool(&[("count", Value::Int(3))]) };
    expect![[r#"
        workers.account: gcp.service_account
          display_name = "workers of dsenv"
        workers.template["on_demand"]: gcp.instance_template
          disk_gib = 50
          disk_type = "pd-balanced"
          image = not locked: gcp-image-debian-12
          machine_type = "e2-standard-4"
          market = "on_demand"
          metadata = {block-project-ssh-keys: "true", dsenv-name: "workers", enable-oslogin: "false", serial-port-enable: "false"}
          name = "workers"
          on_host_maintenance = "MIGRATE"
          public = <net.machine_addresses>
          secure_boot = true
          service_account = <workers.account.email>
          subnetwork = <net.place>
        workers: gcp.instance_group
          market = "on_demand"
          region = "us-central1"
          size = 3
          target_shape = "ANY"
          template = <workers.template["on_demand"].self_link>
          types = ["e2-standard-4"]
          update_type = "OPPORTUNISTIC"
          zones = <net.zones>
    "#]].assert_eq(&natives(&KIND, &resource));
}

#[test]
fn a_base_on_demand_is_a_group_of_its_own() {
    let fields = [
        ("count", range(1, 8, 4)),
        ("purchase", spot(2)),
        ("scale", map([("on", Value::text("cpu")), ("target", Value::text("70%"))])),
    ];
    checked(
        &fields,
        expect![[r#"
        purchase.spot: substitutes: on gcp a pool buys what is above `on_demand_base` as spot alone: an instance group does not put on-demand instances in the place of spot that is not to be had
    "#]],
    );
    expect![[r#"
        workers.account: gcp.service_account
          display_name = "workers of dsenv"
        workers.template["on_demand"]: gcp.instance_template
          disk_gib = 50
          disk_type = "pd-balanced"
          image = not locked: gcp-image-debian-12
          machine_type = "e2-standard-4"
          market = "on_demand"
          metadata = {block-project-ssh-keys: "true", dsenv-name: "workers", enable-oslogin: "false", serial-port-enable: "false"}
          name = "workers"
          on_host_maintenance = "MIGRATE"
          public = <net.machine_addresses>
          secure_boot = true
          service_account = <workers.account.email>
          subnetwork = <net.place>
        workers.base: gcp.instance_group
          market = "on_demand"
          region = "us-central1"
          size = 2
          target_shape = "ANY"
          template = <workers.template["on_demand"].self_link>
          types = ["e2-standard-4"]
          update_type = "OPPORTUNISTIC"
          zones = <net.zones>
        workers.autoscaler["on_demand"]: gcp.autoscaler
          cpu_target_percent = 70
          group = <workers.base.self_link>
          max = 2
          min = 1
          mode = "ON"
        workers.template["spot"]: gcp.instance_template
          disk_gib = 50
          disk_type = "pd-balanced"
          image = not locked: gcp-image-debian-12
          machine_type = "e2-standard-4"
          market = "spot"
          metadata = {block-project-ssh-keys: "true", dsenv-name: "workers", enable-oslogin: "false", serial-port-enable: "false"}
          name = "workers"
          on_host_maintenance = "MIGRATE"
          public = <net.machine_addresses>
          secure_boot = true
          service_account = <workers.account.email>
          subnetwork = <net.place>
          termination_action = "DELETE"
        workers: gcp.instance_group
          base = <workers.base.name>
          market = "spot"
          region = "us-central1"
          size = 2
          target_shape = "ANY"
          template = <workers.template["spot"].self_link>
          types = ["e2-standard-4"]
          update_type = "OPPORTUNISTIC"
          zones = <net.zones>
        workers.autoscaler["spot"]: gcp.autoscaler
          cpu_target_percent = 70
          group = <workers.self_link>
          max = 6
          min = 0
          mode = "ON"
    "#]].assert_eq(&natives(&KIND, &pool(&fields)));
}

#[test]
fn members_are_shared_out() {
    let shared = |count: Value, purchase: Value| {
        let groups = groups(&pool(&[("count", count), ("purchase", purchase)]));
        let one = |(market, count): &(&str, Count)| {
            format!("{market} {}-{}-{}", count.min, count.start, count.max)
        };
        groups.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(shared(range(0, 8, 2), spot(0)), "spot 0-2-8");
    assert_eq!(shared(range(0, 8, 2), spot(1)), "on_demand 0-1-1, spot 0-1-7");
    assert_eq!(shared(Value::Int(2), spot(2)), "on_demand 2-2-2");
    assert_eq!(shared(Value::Int(0), spot(0)), "spot 0-0-0");
    assert_eq!(shared(range(1, 4, 1), Value::text("on_demand")), "on_demand 1-1-4");
}

#[test]
fn what_google_cloud_cannot_do_is_refused() {
    let fields = [
        ("count", range(3, 2, 5)),
        ("scale", map([("on", Value::text("gpu")), ("idle_stop", Value::text("15m"))])),
        (
            "purchase",
            map([
                ("spot", Value::text("only")),
                ("on_interruption", Value::text("stop")),
                ("max_price", Value::text("80%")),
            ]),
        ),
    ];
    checked(
        &fields,
        expect![[r#"
        purchase.on_interruption: refuses: on gcp a member of a pool that is taken back is replaced, and not started again (write `on_interruption: terminate`)
        purchase.max_price: refuses: Google Cloud takes no bid for spot: what it costs is in its price list, which changes once a month at most, and nothing would keep to a limit (take `max_price` away; a `budget` of the environment is judged on what it may come to)
        count: refuses: `start` is from `min` to `max`: 3, 5, 2 (write `{min: 0, max: 8, start: 2}`)
        scale.on: refuses: on gcp a pool is not scaled by `gpu` yet: the agent measures none (write `scale: {on: cpu, target: 60%}`)
        scale.idle_stop: refuses: on gcp `idle_stop` is not built yet: the autoscaler looks at the last ten minutes (take it away)
    "#]],
    );
    let fields = [("count", Value::Int(2)), ("scale", map([("on", Value::text("cpu"))]))];
    checked(
        &fields,
        expect![[r#"
        scale: refuses: a pool that always has as many members is not scaled (write `count: {min: 0, max: 8}`)
    "#]],
    );
}

#[test]
fn every_member_is_charged_with_its_disk() {
    let fields = [("count", range(1, 8, 4)), ("purchase", spot(2))];
    expect![[r#"
        workers: compute, spot (Running): e2-standard-4 spot x 2; floor e2-standard-4 spot x 0; ceiling e2-standard-4 on_demand x 6
        workers: root disk (Month): disk/pd-balanced/GB-month x 100; floor disk/pd-balanced/GB-month x 0; ceiling disk/pd-balanced/GB-month x 300
        workers: data to the internet (Month): egress/internet/GB x 10 [`usage.egress` is 10 GiB a month]
        workers: data to other zones (Month): egress/zone/GB x 10 [`usage.cross_zone` is 10 GiB a month]
        workers.base: compute, on demand (Running): e2-standard-4 on_demand x 2; floor e2-standard-4 on_demand x 1
        workers.base: root disk (Month): disk/pd-balanced/GB-month x 100; floor disk/pd-balanced/GB-month x 50
    "#]].assert_eq(&charges(&[&pool(&fields)], &[]));
    // The autoscaler has added some.
    let seen = [("workers", map([("size", Value::Int(5))]))];
    let shown = charges_seen(&[&pool(&fields)], &[], &seen);
    assert!(shown.contains("workers: compute, spot (Running): e2-standard-4 spot x 5"), "{shown}");
}

#[test]
fn a_pool_of_several_types_may_come_to_the_dearest() {
    let network = Some(Addr::resource("net"));
    let fields =
        [("cpus", Value::text("4")), ("memory", Value::text("16GiB")), ("count", Value::Int(2))];
    let resource = Neutral { network, ..neutral("workers", "pool", &fields) };
    expect![[r#"
        workers: compute, on demand (Running): e2-standard-4 on_demand x 2; ceiling dearest(e2-standard-4 on_demand, n2d-standard-4 on_demand, t2d-standard-4 on_demand, c2d-standard-4 on_demand, c3d-standard-4 on_demand, n2-standard-4 on_demand, c3-standard-4 on_demand, c2-standard-4 on_demand, c3-standard-4-lssd on_demand) x 2
        workers: root disk (Month): disk/pd-balanced/GB-month x 20 [the image's disk has 10 GiB]
        workers: data to the internet (Month): egress/internet/GB x 10 [`usage.egress` is 10 GiB a month]
        workers: data to other zones (Month): egress/zone/GB x 10 [`usage.cross_zone` is 10 GiB a month]
    "#]].assert_eq(&charges(&[&resource], &[]));
}
