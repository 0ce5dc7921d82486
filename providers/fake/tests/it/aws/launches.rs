//! What cannot be launched, and how much of it.

use super::bench::bench;
use dsenv_fake::aws_proxy::quotas::{ADDRESSES, ON_DEMAND_VCPUS, SPOT_VCPUS, VPCS};
use serde_json::json;

#[test]
fn unknown_types_and_images_are_refused_also_from_a_template() {
    let Some(bench) = bench() else { return };
    let script = r#"
ec2.create_launch_template(LaunchTemplateName="tpl",
    LaunchTemplateData={"InstanceType": "t3.none", "ImageId": image()})
from_template = lambda: ec2.run_instances(MinCount=1, MaxCount=1,
    LaunchTemplate={"LaunchTemplateName": "tpl"})
group = lambda: autoscaling.create_auto_scaling_group(AutoScalingGroupName="g", MinSize=0,
    MaxSize=1, LaunchTemplate={"LaunchTemplateName": "tpl"}, AvailabilityZones=["us-east-1a"])
ec2.create_launch_template(LaunchTemplateName="good",
    LaunchTemplateData={"InstanceType": "t3.micro", "ImageId": image()})
mixed = lambda *types: code(autoscaling.create_auto_scaling_group, AutoScalingGroupName="m",
    MinSize=0, MaxSize=1, AvailabilityZones=["us-east-1a"], MixedInstancesPolicy={"LaunchTemplate":
        {"LaunchTemplateSpecification": {"LaunchTemplateName": "good"},
            "Overrides": [{"InstanceType": ty} for ty in types]}})
show([code(run, InstanceType="t3.none"), code(run, ImageId="ami-00000000"),
    code(from_template), code(group), code(run), mixed("t3.small", "t3.none"),
    mixed("t3.small", "t3.large")])
"#;
    let expected = json!([
        "InvalidParameterValue",
        "InvalidAMIID.NotFound",
        "InvalidParameterValue",
        "ValidationError",
        "",
        "ValidationError",
        ""
    ]);
    assert_eq!(bench.proxied(script), expected);
}

#[test]
fn a_fresh_profile_is_unheard_of_for_a_while() {
    let Some(bench) = bench() else { return };
    bench.proxy.set_profile_refusals(2);
    let script = r#"
made = iam.create_instance_profile(InstanceProfileName="p")["InstanceProfile"]["Arn"]
by_name = lambda: code(run, IamInstanceProfile={"Name": "p"})
by_arn = lambda: error(run, IamInstanceProfile={"Arn": made})["Error"]
show([by_name(), by_arn(), by_name()])
"#;
    let refused = "InvalidParameterValue";
    let message = "Value (arn:aws:iam::123456789012:instance-profile/p) for parameter \
                   iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN";
    let expected = json!([refused, { "Code": refused, "Message": message }, ""]);
    assert_eq!(bench.proxied(script), expected);
}

#[test]
fn quotas_are_listed_and_hold() {
    let Some(bench) = bench() else { return };
    bench.proxy.set_quota("ec2", ON_DEMAND_VCPUS, 4);
    bench.proxy.set_quota("ec2", SPOT_VCPUS, 2);
    bench.proxy.set_quota("ec2", ADDRESSES, 1);
    bench.proxy.set_quota("vpc", VPCS, 2);
    let script = r#"
def value(service, quota):
    return quotas.get_service_quota(ServiceCode=service, QuotaCode=quota)["Quota"]["Value"]
pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="vpc",
    PaginationConfig={"PageSize": 2})
listed = {q["QuotaCode"]: q["Value"] for page in pages for q in page["Quotas"]}
spot = {"MarketType": "spot"}
show([value("ec2", "L-1216C47A"), listed["L-F678F1CE"],
    code(quotas.get_service_quota, ServiceCode="ec2", QuotaCode="L-NONE"),
    code(run), code(run, MaxCount=2), code(run), code(run),
    code(run, InstanceMarketOptions=spot), code(run, InstanceMarketOptions=spot),
    code(ec2.create_vpc, CidrBlock="10.0.0.0/16"), code(ec2.create_vpc, CidrBlock="10.1.0.0/16"),
    code(ec2.allocate_address), code(ec2.allocate_address)])
"#;
    let expected = json!([
        4.0,
        2.0,
        "NoSuchResourceException",
        "",
        "VcpuLimitExceeded",
        "",
        "VcpuLimitExceeded",
        "",
        "MaxSpotInstanceCountExceeded",
        "",
        "VpcLimitExceeded",
        "",
        "AddressLimitExceeded"
    ]);
    assert_eq!(bench.proxied(script), expected);
}
