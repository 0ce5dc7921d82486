//! How many calls things take, and how long they take when each call is slow. What is printed here is
//! what the README's table has: `cargo test --test real aws::calls -- --nocapture`.

use super::{Cloud, environments};
use crate::place::{PATIENCE, start};
use std::time::Duration;

/// So long does each call take, for the bound.
const LATENCY: Duration = Duration::from_millis(200);
/// How many resources there are that need nothing of each other.
const WIDE: u32 = 200;
/// How many machines are read, where nobody asks for more with `DSENV_MACHINES`: moto needs seconds for
/// every hundred of them.
const MACHINES: u32 = 60;

#[allow(clippy::print_stdout, reason = "figures for people")]
fn say(what: &str, figure: impl std::fmt::Display) {
    println!("{what}: {figure}");
}

#[allow(clippy::disallowed_methods, reason = "whoever runs the tests says how long they may take")]
fn machines() -> u32 {
    std::env::var("DSENV_MACHINES").ok().and_then(|it| it.parse().ok()).unwrap_or(MACHINES)
}

#[test]
fn many_machines_are_read_in_a_handful_of_calls() {
    let count = machines();
    let machine = |number: u32| format!("  m{number}: {{kind: machine, type: t3.nano}}\n");
    let each: String = (0..count).map(machine).collect();
    let net = "  net: {kind: network, cidr: 10.0.0.0/16, nat: none}\n";
    let end = environments(", ephemeral: true");
    let blueprint = format!("blueprint: many\nresources:\n{net}{each}{end}");
    let Some(cloud) = Cloud::new(&blueprint) else { return };
    cloud.proxy.set_quota("ec2", dsenv_fake::aws_proxy::quotas::ON_DEMAND_VCPUS, 10 * count);
    let mut apply = cloud.place.command();
    apply.args(["apply", "-e", "prod", "--yes", "--parallelism", "32"]);
    // moto makes ten a second, and gets slower.
    let applied = start(apply).end_within(PATIENCE * (1 + count / 100));
    assert_eq!(applied.code, 0, "{}\n{}", applied.out, applied.err);
    say(&format!("calls to create {count} machines with a group each"), cloud.proxy.calls().len());
    cloud.forget_calls();
    cloud.is_settled();
    let calls = cloud.proxy.calls();
    let of_machines = calls.iter().filter(|call| call.is("ec2", "DescribeInstances")).count();
    say(
        &format!("calls of a plan of {count} machines with a group each, and a network"),
        calls.len(),
    );
    // One page holds a thousand; what exists is read once, and once more for the account's quotas.
    let pages = usize::try_from(count.div_ceil(1_000)).expect("it is small");
    // A filter takes two hundred ids.
    let filters = usize::try_from(count.div_ceil(200)).expect("it is small");
    let most = 2 * pages + filters;
    assert!(of_machines <= most, "{of_machines} calls to read {count} machines");
    let in_all = 30 + 4 * pages + 2 * filters;
    assert!(calls.len() <= in_all, "{} calls in all: {calls:#?}", calls.len());
}

#[test]
fn the_workbench_takes_so_many_calls() {
    let Some(cloud) = Cloud::new(include_str!("../../../blueprints/workbench.yaml")) else {
        return;
    };
    let count = |cloud: &Cloud| {
        let (all, changing) = (cloud.proxy.calls().len(), cloud.changes().len());
        cloud.forget_calls();
        format!("{all} calls, {changing} of them change something")
    };
    cloud.place.ok(&["plan", "-e", "prod"]);
    say("workbench, first plan", count(&cloud));
    cloud.apply();
    say("workbench, first apply (31 objects)", count(&cloud));
    cloud.is_settled();
    let again = cloud.proxy.calls().len();
    say("workbench, plan with nothing to do", count(&cloud));
    cloud.place.ok(&["unprotect", "-e", "prod", "features"]);
    count(&cloud);
    let data = ["--delete-data", "features", "--delete-data", "lake"];
    cloud.place.ok(&[&["destroy", "-e", "prod", "--yes"][..], &data].concat());
    say("workbench, destroy", count(&cloud));
    assert!(again < 110, "{again} calls to see that nothing is to be done");
}

/// Buckets need nothing of each other, and each takes several calls, one behind the other. The bound
/// is what no order of calls can beat: the calls of one of them at that latency, or what moto needs for
/// all of them without any, whichever is longer.
#[test]
fn what_needs_nothing_of_each_other_is_done_at_once() {
    // The clock of a machine that does something else meanwhile is not held to the figure itself, nor to
    // one try.
    const TRIES: usize = 3;
    let held = (0..TRIES).any(|_| times_the_bound() < 2.0);
    assert!(held, "an apply of {WIDE} at once takes twice as long as it must, each time");
}

fn times_the_bound() -> f64 {
    let slow_ms = u64::try_from(LATENCY.as_millis()).expect("it is short");
    let (one, all_at_once) = (seconds(1, slow_ms), seconds(WIDE, 0));
    let bound = one.max(all_at_once);
    let took = seconds(WIDE, slow_ms);
    let ratio = took / bound;
    say(
        "buckets",
        format!(
            "one at {LATENCY:?} a call {one:.1} s, {WIDE} without latency {all_at_once:.1} s, \
             {WIDE} at {LATENCY:?} a call {took:.1} s: {ratio:.2} times the bound"
        ),
    );
    ratio
}

/// How long an apply of so many buckets takes at so much latency; nothing where moto cannot be had.
fn seconds(count: u32, latency_ms: u64) -> f64 {
    let bucket = |number: u32| format!("  p{number}: {{kind: bucket}}\n");
    let each: String = (0..count).map(bucket).collect();
    let end = environments(", ephemeral: true");
    let Some(cloud) = Cloud::new(&format!("blueprint: wide\nresources:\n{each}{end}")) else {
        return 1.0;
    };
    let wide = count.to_string();
    cloud.proxy.set_latency_ms(latency_ms);
    let ran = cloud.place.ok(&["apply", "-e", "prod", "--yes", "--parallelism", &wide]);
    cloud.proxy.set_latency_ms(0);
    cloud.place.ok(&["destroy", "-e", "prod", "--yes", "--parallelism", &wide]);
    ran.took.as_secs_f64()
}
