//! `kill -9` at any moment of an apply, and replies that are lost: the next apply finds what exists and
//! ends with one of everything.

use super::{Cloud, environments, is_empty};
use crate::place::{start, wait};
use dsenv_fake::aws_proxy::{On, Pace, Slow, What};
use serde_json::Value as Json;
use std::time::Duration;

/// How many moments are tried; more with `DSENV_CRASH_MOMENTS`.
const MOMENTS: u32 = 6;

/// What the workbench has, without packages to lock.
fn blueprint() -> String {
    let resources = r#"blueprint: crash
resources:
  net: {kind: network, cidr: 10.20.0.0/16}
  lake: {kind: bucket, versioning: true}
  features: {kind: database, engine: postgres, version: "18"}
  data: {kind: volume, size: 10GiB}
  files: {kind: share}
  token: {kind: secret, generate: {length: 32}}
  notebook:
    kind: machine
    cpus: 2+
    memory: 4GiB+
    disk: 50GiB
    uses: {features: read_write, lake: read_write, data: read_write, files: read_write}
    environment: {JUPYTER_TOKEN: "${token.value}"}
    services: {web: {run: serve, port: 8888}}
  workers:
    kind: pool
    count: 2
    cpus: 2+
    uses: {lake: read_write}
    purchase: {spot: preferred}
"#;
    format!("{resources}{}", environments(", ephemeral: true"))
}

#[allow(clippy::disallowed_methods, reason = "whoever runs the tests says how long they may take")]
fn moments() -> u32 {
    std::env::var("DSENV_CRASH_MOMENTS").ok().and_then(|it| it.parse().ok()).unwrap_or(MOMENTS)
}

/// How many there are of each kind of object.
fn counts(seen: &Json) -> Vec<(String, usize)> {
    let count = |objects: &Json| match objects {
        Json::Array(items) => items.len(),
        Json::Object(map) => map.len(),
        _ => 0,
    };
    let kinds = seen.as_object().expect("a map").iter();
    kinds.map(|(kind, objects)| (kind.clone(), count(objects))).collect()
}

#[test]
fn an_apply_killed_at_any_moment_leaves_one_of_everything() {
    let Some(cloud) = Cloud::new(&blueprint()) else { return };
    cloud.proxy.set_latency_ms(15);
    let whole = cloud.apply();
    let expected = counts(&cloud.look());
    cloud.place.ok(&["destroy", "-e", "prod", "--yes"]);
    let all = moments();
    for moment in 0..all {
        let mut command = cloud.place.command();
        command.args(["apply", "-e", "prod", "--yes"]);
        let mut running = start(command);
        let at = whole.took * moment / all + Duration::from_millis(10);
        wait(at.saturating_sub(running.elapsed()));
        running.child.kill().expect("it is our child");
        running.child.wait().expect("it is our child");
        cloud.apply();
        cloud.is_settled();
        let found = counts(&cloud.look());
        assert_eq!(found, expected, "killed at {at:?} of {:?}", whole.took);
        cloud.place.ok(&["destroy", "-e", "prod", "--yes"]);
        is_empty(&cloud.look());
        cloud.begin_anew();
        // The image that it pins is another one now.
        std::fs::remove_file(cloud.place.path("crash.lock")).expect("it was locked");
    }
}

/// The calls that make something, each in the name that its service gives it.
const MAKES: &[(&str, &str)] = &[
    ("autoscaling", "CreateAutoScalingGroup"),
    ("ec2", "AllocateAddress"),
    ("ec2", "AttachInternetGateway"),
    ("ec2", "AuthorizeSecurityGroupIngress"),
    ("ec2", "CreateInternetGateway"),
    ("ec2", "CreateLaunchTemplate"),
    ("ec2", "CreateNatGateway"),
    ("ec2", "CreateRoute"),
    ("ec2", "CreateRouteTable"),
    ("ec2", "CreateSecurityGroup"),
    ("ec2", "CreateSubnet"),
    ("ec2", "CreateVpc"),
    ("ec2", "CreateVpcEndpoint"),
    ("ec2", "RunInstances"),
    ("iam", "CreateInstanceProfile"),
    ("iam", "CreateRole"),
    ("rds", "CreateDBInstance"),
    ("rds", "CreateDBParameterGroup"),
    ("s3", "CreateBucket"),
    ("ssm", "PutParameter"),
];

#[test]
fn a_reply_that_is_lost_makes_nothing_twice() {
    let Some(cloud) = Cloud::new(&blueprint()) else { return };
    cloud.apply();
    let expected = counts(&cloud.look());
    cloud.place.ok(&["destroy", "-e", "prod", "--yes"]);
    for (service, action) in MAKES {
        cloud.proxy.inject(On::action(service, action).is(What::LostReply).next(1));
    }
    cloud.forget_calls();
    let mut tries = 0;
    loop {
        let ran = cloud.place.run(&["apply", "-e", "prod", "--yes"]);
        tries += 1;
        if ran.code == 0 {
            break;
        }
        assert!(tries < 25, "{}\n{}", ran.out, ran.err);
    }
    let lost = |service: &str, action: &str| {
        cloud.proxy.calls().iter().any(|call| {
            call.is(service, action) && call.outcome == dsenv_fake::aws_proxy::Outcome::Lost
        })
    };
    for (service, action) in MAKES {
        assert!(lost(service, action), "the reply of {service}:{action} was lost once");
    }
    assert_eq!(counts(&cloud.look()), expected);
    cloud.is_settled();
    cloud.place.ok(&["destroy", "-e", "prod", "--yes"]);
    is_empty(&cloud.look());
}

#[test]
fn throttling_and_slowness_are_waited_out_and_said() {
    let Some(cloud) = Cloud::new(&blueprint()) else { return };
    cloud.proxy.set_slow(Slow::Database, Some(Pace::Looks(3)));
    cloud.proxy.inject(On::every_call().is(What::Throttled { retry_after_s: None }).every(9));
    let ran = cloud.place.ok(&["apply", "-e", "prod", "--yes", "--json"]);
    let events = ran.events();
    let waits = |event: &Json| event["event"] == "step_waiting" && event["address"] == "features";
    let waiting = events.iter().find(|event| waits(event)).expect("the wait is said");
    assert!(waiting.to_string().contains("database"), "{waiting}");
    cloud.proxy.clear_faults();
    cloud.is_settled();
    cloud.place.ok(&["destroy", "-e", "prod", "--yes"]);
    is_empty(&cloud.look());
}
