//! Each fault is what botocore parses it as, and leaves in moto what it says.

use super::bench::bench;
use dsenv_fake::aws_proxy::{Call, On, Outcome, What};
use serde_json::json;

#[test]
fn throttling_has_each_services_own_code() {
    let Some(bench) = bench() else { return };
    bench.proxy.inject(On::every_call().is(What::Throttled { retry_after_s: Some(7) }));
    let codes = bench.proxied(
        r#"
def both(call, **params):
    response = error(call, **params)
    head = response["ResponseMetadata"]
    return [response["Error"]["Code"], head["HTTPStatusCode"], head["HTTPHeaders"]["retry-after"],
        bool(head["RequestId"])]
show([
    both(ec2.describe_vpcs),
    both(rds.describe_db_instances),
    both(iam.list_roles),
    both(autoscaling.describe_auto_scaling_groups),
    both(s3.list_buckets),
    both(ssm.get_parameter, Name="/a"),
    both(efs.describe_file_systems),
])
"#,
    );
    let expected = json!([
        ["RequestLimitExceeded", 503, "7", true],
        ["Throttling", 400, "7", true],
        ["Throttling", 400, "7", true],
        ["Throttling", 400, "7", true],
        ["SlowDown", 503, "7", true],
        ["ThrottlingException", 400, "7", true],
        ["ThrottlingException", 429, "7", true],
    ]);
    assert_eq!(codes, expected);
}

#[test]
fn a_fault_strikes_as_often_as_it_says() {
    let Some(bench) = bench() else { return };
    let throttled = || What::Throttled { retry_after_s: None };
    bench.proxy.inject(On::action("ec2", "DescribeVpcs").is(throttled()).every(2));
    bench.proxy.inject(On::action("ec2", "DescribeSubnets").is(throttled()).next(2));
    bench.proxy.inject(On::action("ec2", "DescribeVolumes").is(throttled()).nth(2));
    let struck = bench.proxied(
        r#"
show([[code(call) != "" for _ in range(4)]
    for call in [ec2.describe_vpcs, ec2.describe_subnets, ec2.describe_volumes]])
"#,
    );
    let expected = json!([
        [false, true, false, true],
        [true, true, false, false],
        [false, true, false, false],
    ]);
    assert_eq!(struck, expected);
    bench.proxy.inject(On::service("ec2").is(throttled()));
    bench.proxy.clear_faults();
    assert_eq!(bench.proxied("show(code(ec2.describe_vpcs))"), json!(""));
}

#[test]
fn a_lost_reply_leaves_an_object_and_a_lost_request_none() {
    let Some(bench) = bench() else { return };
    bench.proxy.inject(On::action("ec2", "CreateVolume").is(What::LostReply).next(1));
    bench.proxy.inject(On::action("ec2", "CreateVpc").is(What::LostRequest).next(1));
    let seen = bench.proxied(
        r#"
show([code(ec2.create_volume, AvailabilityZone="us-east-1a", Size=1),
    code(ec2.create_vpc, CidrBlock="10.9.0.0/16")])
"#,
    );
    assert_eq!(seen, json!(["ConnectionClosedError", "ConnectionClosedError"]));
    let left = bench.direct(
        r#"
show([len(ec2.describe_volumes()["Volumes"]),
    [v["CidrBlock"] for v in ec2.describe_vpcs()["Vpcs"] if not v["IsDefault"]]])
"#,
    );
    assert_eq!(left, json!([1, []]));
    let ends: Vec<(bool, Outcome)> =
        bench.proxy.calls().into_iter().map(|call| (call.made, call.outcome)).collect();
    assert_eq!(ends, [(true, Outcome::Lost), (false, Outcome::Lost)]);
}

#[test]
fn a_client_token_makes_one_object() {
    let Some(bench) = bench() else { return };
    bench.proxy.inject(On::action("ec2", "RunInstances").is(What::LostReply).next(1));
    let seen = bench.proxied(
        r#"
ami = image()
def launch(**params):
    params = dict(ImageId=ami, InstanceType="t3.micro", MinCount=1, MaxCount=1) | params
    return ec2.run_instances(ClientToken="one", **params)["Instances"][0]["InstanceId"]
lost = code(launch)
first, again = launch(), launch()
other = code(launch, InstanceType="t3.small")
show([lost, first == again, first in instances(), len(instances()), other])
"#,
    );
    let expected = json!(["ConnectionClosedError", true, true, 1, "IdempotentParameterMismatch"]);
    assert_eq!(seen, expected);
    let made = |call: &Call| call.is("ec2", "RunInstances") && call.made;
    assert_eq!(bench.proxy.count(made), 1);
}

#[test]
fn a_second_call_with_a_token_waits_for_the_first() {
    let Some(bench) = bench() else { return };
    let seen = bench.proxied(
        r#"
from concurrent.futures import ThreadPoolExecutor
def make(_):
    return ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, ClientToken="t")["VolumeId"]
ec2.describe_volumes()
with ThreadPoolExecutor(8) as pool:
    made = set(pool.map(make, range(8)))
show([len(made), len(ec2.describe_volumes()["Volumes"])])
"#,
    );
    assert_eq!(seen, json!([1, 1]));
}

#[test]
fn client_tokens_hold_for_every_action_that_takes_one() {
    let Some(bench) = bench() else { return };
    let counts = bench.proxied(
        r#"
vpc, subnet = network()
for _ in range(2):
    ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private", ClientToken="n")
    ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, ClientToken="v")
    ec2.create_route_table(VpcId=vpc, ClientToken="r")
    ec2.create_launch_template(LaunchTemplateName="tpl", ClientToken="t",
        LaunchTemplateData={"InstanceType": "t3.micro"})
of_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
show([
    len(ec2.describe_nat_gateways()["NatGateways"]),
    len(ec2.describe_volumes()["Volumes"]),
    len(ec2.describe_route_tables(Filters=of_vpc)["RouteTables"]),
    len(ec2.describe_launch_templates()["LaunchTemplates"]),
])
"#,
    );
    // The second route table is the VPC's own.
    assert_eq!(counts, json!([1, 1, 2, 1]));
}

#[test]
fn what_is_denied_is_said_in_the_services_words() {
    let Some(bench) = bench() else { return };
    bench.proxy.inject(On::every_call().is(What::Denied));
    let seen = bench.proxied(
        r#"
show([code(ec2.describe_vpcs), code(rds.describe_db_instances), code(s3.list_buckets),
    code(ssm.get_parameter, Name="/a"), error(ec2.describe_vpcs)["Error"]["Message"]])
"#,
    );
    let message = "You are not authorized to perform this operation. User: \
                   arn:aws:iam::123456789012:user/x is not authorized to perform: \
                   ec2:DescribeVpcs on resource: arn:aws:ec2:us-east-1:123456789012:* because no \
                   identity-based policy allows the ec2:DescribeVpcs action";
    let expected = json!([
        "UnauthorizedOperation",
        "AccessDenied",
        "AccessDenied",
        "AccessDeniedException",
        message
    ]);
    assert_eq!(seen, expected);
}

#[test]
fn any_refusal_can_be_asked_for() {
    let Some(bench) = bench() else { return };
    let conflict = On::action("s3", "CreateBucket").is(What::bucket_conflict()).next(1);
    bench.proxy.inject(conflict);
    let small = On::action("ec2", "RunInstances").with("InstanceType", "t3.small");
    bench.proxy.inject(small.is(What::no_capacity()));
    bench.proxy.inject(On::action("ssm", "PutParameter").is(What::refused("ParameterLimit", "no")));
    let seen = bench.proxied(
        r#"
show([code(s3.create_bucket, Bucket="lake"), code(s3.create_bucket, Bucket="lake"),
    code(run, InstanceType="t3.small"), code(run),
    code(ssm.put_parameter, Name="/a", Value="b", Type="String")])
"#,
    );
    let expected =
        json!(["OperationAborted", "", "InsufficientInstanceCapacity", "", "ParameterLimit"]);
    assert_eq!(seen, expected);
}

#[test]
fn latency_is_before_and_a_late_reply_is_after() {
    let Some(bench) = bench() else { return };
    bench.proxy.set_latency_ms(60);
    bench.proxy.inject(On::action("ec2", "DescribeVpcs").is(What::LateReply { ms: 60 }));
    let seen = bench.proxied(
        r#"
import time
begun = time.monotonic()
ec2.describe_vpcs()
show(time.monotonic() - begun >= 0.12)
"#,
    );
    assert_eq!(seen, json!(true));
}
