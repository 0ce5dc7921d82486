//! States on the way are shown for as many looks as was said, and hold back what they hold back.

use super::bench::bench;
use dsenv_fake::aws_proxy::{Pace, Slow};
use serde_json::json;

#[test]
fn a_database_is_creating_without_endpoint_then_available() {
    let Some(bench) = bench() else { return };
    bench.proxy.set_slow(Slow::Database, Some(Pace::Looks(2)));
    let seen = bench.proxied(
        r#"
def look():
    found = rds.describe_db_instances(DBInstanceIdentifier="db")["DBInstances"][0]
    return [found["DBInstanceStatus"], "Endpoint" in found]
made = database()
early = code(rds.modify_db_instance, DBInstanceIdentifier="db", AllocatedStorage=30)
states = [look() for _ in range(3)]
changed = rds.modify_db_instance(DBInstanceIdentifier="db", AllocatedStorage=30,
    ApplyImmediately=True)["DBInstance"]["DBInstanceStatus"]
states += [look() for _ in range(3)]
show([[made["DBInstanceStatus"], "Endpoint" in made], early, states, changed])
"#,
    );
    let expected = json!([
        ["creating", false],
        "InvalidDBInstanceState",
        [
            ["creating", false],
            ["creating", false],
            ["available", true],
            ["modifying", true],
            ["modifying", true],
            ["available", true]
        ],
        "modifying"
    ]);
    assert_eq!(seen, expected);
}

#[test]
fn a_database_is_deleting_then_gone() {
    let Some(bench) = bench() else { return };
    bench.proxied("show(database()['DBInstanceStatus'])");
    bench.proxy.set_slow(Slow::Database, Some(Pace::Looks(2)));
    let seen = bench.proxied(
        r#"
def gone():
    return code(rds.delete_db_instance, DBInstanceIdentifier="db", SkipFinalSnapshot=True)
def one():
    return rds.describe_db_instances(DBInstanceIdentifier="db")["DBInstances"][0]["DBInstanceStatus"]
def every():
    return [d["DBInstanceStatus"] for d in rds.describe_db_instances()["DBInstances"]]
bare = code(rds.delete_db_instance, DBInstanceIdentifier="db")
show([bare, gone(), gone(), code(database), one(), every(), every(), code(one)])
"#,
    );
    let expected = json!([
        "InvalidParameterCombination",
        "",
        "InvalidDBInstanceState",
        "DBInstanceAlreadyExists",
        "deleting",
        ["deleting"],
        [],
        "DBInstanceNotFound"
    ]);
    assert_eq!(seen, expected);
}

#[test]
fn an_instance_is_pending_and_shutting_down_also_for_filters() {
    let Some(bench) = bench() else { return };
    bench.proxy.set_slow(Slow::Instance, Some(Pace::Looks(2)));
    let seen = bench.proxied(
        r#"
def states(*wanted):
    filters = [{"Name": "instance-state-name", "Values": list(wanted)}] if wanted else []
    pages = ec2.describe_instances(Filters=filters)["Reservations"]
    return [i["State"]["Name"] for r in pages for i in r["Instances"]]
i = run()
v = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
attach = code(ec2.attach_volume, VolumeId=v, InstanceId=i, Device="/dev/sdf")
first = [states("running"), states("pending"), states("running")]
ec2.terminate_instances(InstanceIds=[i])
show([attach, first, states(), states("terminated"), states("terminated")])
"#,
    );
    let expected = json!([
        "IncorrectState",
        [[], ["pending"], ["running"]],
        ["shutting-down"],
        [],
        ["terminated"]
    ]);
    assert_eq!(seen, expected);
}

#[test]
fn gateways_and_volumes_take_their_time() {
    let Some(bench) = bench() else { return };
    bench.proxy.set_slow(Slow::NatGateway, Some(Pace::Looks(1)));
    bench.proxy.set_slow(Slow::Volume, Some(Pace::Looks(1)));
    let seen = bench.proxied(
        r#"
def nat():
    return ec2.describe_nat_gateways()["NatGateways"][0]["State"]
def volume():
    return ec2.describe_volumes()["Volumes"][0]["State"]
_, subnet = network()
n = ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")["NatGateway"]
v = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)
made = [n["State"], nat(), nat(), v["State"], volume(), volume()]
ec2.delete_nat_gateway(NatGatewayId=n["NatGatewayId"])
show([made, nat(), nat()])
"#,
    );
    let made = ["pending", "pending", "available", "creating", "creating", "available"];
    assert_eq!(seen, json!([made, "deleting", "deleted"]));
}

#[test]
fn a_groups_instances_are_pending_before_they_are_in_service() {
    let Some(bench) = bench() else { return };
    bench.proxy.set_slow(Slow::ScalingGroup, Some(Pace::Looks(1)));
    let seen = bench.proxied(
        r#"
ec2.create_launch_template(LaunchTemplateName="tpl",
    LaunchTemplateData={"InstanceType": "t3.micro", "ImageId": image()})
autoscaling.create_auto_scaling_group(AutoScalingGroupName="g", MinSize=1, MaxSize=2,
    LaunchTemplate={"LaunchTemplateName": "tpl"}, AvailabilityZones=["us-east-1a"])
def states():
    group = autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    return sorted(i["LifecycleState"] for i in group["Instances"])
first = [states(), states()]
autoscaling.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=2)
kept = code(autoscaling.delete_auto_scaling_group, AutoScalingGroupName="g")
show([first, states(), states(), kept])
"#,
    );
    let first = [["Pending"], ["InService"]];
    let more = ["InService", "Pending"];
    assert_eq!(seen, json!([first, more, ["InService", "InService"], "ResourceInUse"]));
}

#[test]
fn a_group_that_is_deleted_goes_with_its_instances() {
    let Some(bench) = bench() else { return };
    bench.proxied(
        r#"
vpc, subnet = network()
ec2.create_launch_template(LaunchTemplateName="tpl",
    LaunchTemplateData={"InstanceType": "t3.micro", "ImageId": image()})
autoscaling.create_auto_scaling_group(AutoScalingGroupName="g", MinSize=1, MaxSize=1,
    LaunchTemplate={"LaunchTemplateName": "tpl"}, VPCZoneIdentifier=subnet)
show(0)
"#,
    );
    bench.proxy.set_slow(Slow::ScalingGroup, Some(Pace::Looks(2)));
    let seen = bench.proxied(
        r#"
params = dict(AutoScalingGroupName="g", MinSize=0, MaxSize=1,
    LaunchTemplate={"LaunchTemplateName": "tpl"}, AvailabilityZones=["us-east-1a"])
end = lambda: code(autoscaling.delete_auto_scaling_group, AutoScalingGroupName="g",
    ForceDelete=True)
def look():
    found = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=["g"])
    return [g["Status"] for g in found["AutoScalingGroups"]]
subnet = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]
    if s["CidrBlock"] == "10.0.1.0/24"][0]
free = lambda: code(ec2.delete_subnet, SubnetId=subnet)
make = lambda: code(autoscaling.create_auto_scaling_group, **params)
show([end(), end(), make(), free(), look(), look(), look(), free(), make()])
"#,
    );
    let going = ["Delete in progress"];
    let expected = json!([
        "",
        "ScalingActivityInProgress",
        "AlreadyExists",
        "DependencyViolation",
        going,
        going,
        [],
        "",
        ""
    ]);
    assert_eq!(seen, expected);
}

#[test]
fn a_pace_can_be_of_time() {
    let Some(bench) = bench() else { return };
    bench.proxy.set_slow(Slow::Volume, Some(Pace::Ms(300)));
    let seen = bench.proxied(
        r#"
import time
ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)
def volume():
    return ec2.describe_volumes()["Volumes"][0]["State"]
first = volume()
while volume() == "creating":
    time.sleep(0.02)
show([first, volume()])
"#,
    );
    assert_eq!(seen, json!(["creating", "available"]));
}
