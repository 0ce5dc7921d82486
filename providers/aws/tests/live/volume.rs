//! What volumes have that others do not: a last copy, and a machine that writes to them.

use super::bench::{Bench, with_bench};
use super::ground;
use super::values::id;
use dsenv_fake::aws_proxy::{On, Pace, Slow, What};
use dsenv_sdk::provider::{DataFate, OpErrorClass, Prior, Progress};
use serde_json::json;

/// A volume at an instance.
async fn attached(bench: &Bench) -> (Prior, Prior, Prior) {
    let net = ground::network(bench).await;
    attached_in(bench, &net).await
}

async fn attached_in(bench: &Bench, net: &ground::Network) -> (Prior, Prior, Prior) {
    let instance = ground::instance_beside(bench, net);
    let instance = bench.try_create("aws.instance", "work", &instance).await.expect("an instance");
    let volume = bench.try_create("aws.volume", "data", &ground::volume()).await.expect("a volume");
    let args = ground::attachment(&volume, &instance);
    let attachment = bench.try_create("aws.attachment", "work.grant", &args).await;
    (volume, instance, attachment.expect("an attachment"))
}

/// The calls that changed something since the log was cleared, by their names.
fn changes(bench: &Bench) -> Vec<String> {
    let calls = bench.proxy.calls().into_iter().filter(|call| call.mutating && call.made);
    calls.map(|call| call.action).collect()
}

const STATES: &str = "show([i['State']['Name'] for i in instances(ENV)])";

/// Seen to fail: with the stop left out, and with the start after it left out.
#[test]
fn a_machine_stops_before_its_volume_goes_and_works_on_after_it() {
    with_bench("volume-stops", async |bench| {
        let (volume, _, attachment) = attached(&bench).await;
        bench.proxy.set_slow(Slow::Instance, Some(Pace::Looks(2)));
        bench.proxy.clear_log();
        bench.delete("aws.attachment", &attachment).await.expect("it is detached");
        assert_eq!(changes(&bench), ["StopInstances", "DetachVolume", "StartInstances"]);
        assert_eq!(bench.boto3(STATES), json!(["running"]));
        bench.proxy.set_slow(Slow::Instance, None);
        bench.delete("aws.attachment", &attachment).await.expect("it is gone");
        bench.delete("aws.volume", &volume).await.expect("it is gone");
    });
}

/// Seen to fail: with the refusal of `StopInstances` passed on.
#[test]
fn a_spot_instance_is_not_stopped() {
    with_bench("volume-spot", async |bench| {
        let (_, _, attachment) = attached(&bench).await;
        let refused = What::Refused {
            status: 400,
            code: "UnsupportedOperation".to_owned(),
            message: "You can't stop the Spot Instance because it is associated with a one-time \
                      Spot Instance request."
                .to_owned(),
        };
        bench.proxy.inject(On::action("ec2", "StopInstances").is(refused));
        bench.proxy.clear_log();
        bench.delete("aws.attachment", &attachment).await.expect("it is detached");
        assert_eq!(changes(&bench), ["DetachVolume"]);
    });
}

#[test]
fn a_machine_that_stands_still_is_started_for_its_volume() {
    with_bench("volume-wakes", async |bench| {
        let (volume, instance, attachment) = attached(&bench).await;
        bench.delete("aws.attachment", &attachment).await.expect("it is detached");
        let machine = &instance.observed.remote_id;
        bench.boto3(&format!("ec2.stop_instances(InstanceIds=['{machine}'])\nshow(0)"));
        let args = ground::attachment(&volume, &instance);
        bench.try_create("aws.attachment", "again.grant", &args).await.expect("an attachment");
        assert_eq!(bench.boto3(STATES), json!(["running"]));
    });
}

/// Two volumes have two names of devices, also when one came later.
#[test]
fn another_volume_has_another_device() {
    with_bench("volume-devices", async |bench| {
        let (_, instance, first) = attached(&bench).await;
        let volume = bench.try_create("aws.volume", "more", &ground::volume()).await;
        let args = ground::attachment(&volume.expect("a volume"), &instance);
        let second = bench.try_create("aws.attachment", "work.more", &args).await.expect("another");
        let device = |prior: &Prior| prior.observed.values["device"].to_string();
        assert_eq!((&*device(&first), &*device(&second)), ("\"/dev/sdf\"", "\"/dev/sdg\""));
    });
}

#[test]
fn a_volume_of_another_machine_is_waited_for_and_never_taken() {
    with_bench("volume-taken", async |bench| {
        let net = ground::network(&bench).await;
        let (volume, _, attachment) = attached_in(&bench, &net).await;
        let other = ground::instance_beside(&bench, &net);
        let other = bench.try_create("aws.instance", "other", &other).await.expect("an instance");
        let args = ground::attachment(&volume, &other);
        let error = bench.try_create("aws.attachment", "other.grant", &args).await;
        assert_eq!(error.expect_err("it is taken").class, OpErrorClass::InUse);
        assert!(bench.read("aws.attachment", &attachment).await.is_some());
    });
}

const COPIES: &str = "show([[s['State'], s['VolumeSize'], sorted(t['Key'] for t in s['Tags'] if \
                      not t['Key'].startswith('dsenv:'))] for s in ec2.describe_snapshots(\
                      OwnerIds=['self'], Filters=tag(ENV))['Snapshots']])";

/// Seen to fail: with a copy looked for by the token alone, with the mark left on a volume that is
/// attached again, and with the copy made of a volume that is attached.
#[test]
fn the_last_copy_is_of_what_was_written_last() {
    with_bench("volume-copy", async |bench| {
        let (volume, instance, attachment) = attached(&bench).await;
        // Not while somebody may write to it.
        let asked = bench.ask_delete("aws.volume", &volume, DataFate::Snapshot).await;
        assert_eq!(asked.expect_err("it is in use").class, OpErrorClass::InUse);
        assert_eq!(bench.boto3(COPIES), json!([]));
        bench.delete("aws.attachment", &attachment).await.expect("it is detached");
        // The copy is made, and then nobody deletes the volume.
        bench.proxy.inject(On::action("ec2", "DeleteVolume").is(What::Denied).next(1));
        let denied = bench.ask_delete("aws.volume", &volume, DataFate::Snapshot).await;
        denied.expect_err("it is not allowed");
        let one = json!([["completed", 10, ["Name"]]]);
        assert_eq!(bench.boto3(COPIES), one);
        // A lost reply makes no second copy.
        bench.proxy.inject(On::action("ec2", "DeleteVolume").is(What::Denied).next(1));
        let denied = bench.ask_delete("aws.volume", &volume, DataFate::Snapshot).await;
        denied.expect_err("it is not allowed");
        assert_eq!(bench.boto3(COPIES), one);
        // It is used again, and goes months later: what was written then is to be in the copy.
        let args = ground::attachment(&volume, &instance);
        let again = bench.try_create("aws.attachment", "work.again", &args).await;
        bench.delete("aws.attachment", &again.expect("attached")).await.expect("detached");
        bench.delete_as("aws.volume", &volume, DataFate::Snapshot).await.expect("it goes");
        assert_eq!(bench.boto3(COPIES).as_array().expect("a list").len(), 2);
        assert_eq!(bench.drift("aws.volume", &volume).await, ["gone"]);
    });
}

/// Seen to fail: with the state taken for `Stage::Ready`.
#[test]
fn a_volume_takes_its_time() {
    with_bench("volume-slow", async |bench| {
        bench.proxy.set_slow(Slow::Volume, Some(Pace::Looks(3)));
        let sent = bench.sent("aws.volume", "slow", &ground::volume());
        let progress = bench.send(&sent, None).await.expect("it is taken");
        assert!(matches!(progress, Progress::Accepted(_)), "{progress:?}");
        let ty = super::bench::ty("aws.volume");
        let (made, said) = bench.watched(ty, progress).await.expect("it is made");
        assert!(said.iter().any(|said| said.contains("is being created")), "{said:?}");
        let made = made.expect("it is there");
        assert_eq!(
            made.values["id"],
            id(&Prior {
                addr: "slow".parse().expect("an address"),
                token: sent.token.clone(),
                observed: made.clone(),
            })
        );
    });
}
