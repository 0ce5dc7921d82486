//! What was just made is not seen at once.

use super::bench::bench;
use dsenv_fake::aws_proxy::Pace;
use serde_json::json;

#[test]
fn a_new_object_is_missing_in_lists_and_by_id() {
    let Some(bench) = bench() else { return };
    bench.proxy.set_eventual(Some(Pace::Looks(2)));
    let seen = bench.proxied(
        r#"
vpc, subnet = network()
i = run()
tagged = [{"Name": "resource-id", "Values": [vpc]}]
ec2.create_tags(Resources=[vpc], Tags=[{"Key": "a", "Value": "b"}])
subnets = lambda: subnet in [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]]
show([
    code(ec2.describe_vpcs, VpcIds=[vpc]), len(ec2.describe_tags(Filters=tagged)["Tags"]),
    code(ec2.describe_vpcs, VpcIds=[vpc]),
    subnets(), subnets(), subnets(),
    instances(), code(ec2.describe_instances, InstanceIds=[i]), instances() == [i],
])
"#,
    );
    let expected = json!([
        "InvalidVpcID.NotFound",
        0,
        "",
        false,
        false,
        true,
        [],
        "InvalidInstanceID.NotFound",
        true
    ]);
    assert_eq!(seen, expected);
}

#[test]
fn roles_and_groups_are_seen_late_too() {
    let Some(bench) = bench() else { return };
    bench.proxy.set_eventual(Some(Pace::Looks(1)));
    let seen = bench.proxied(
        r#"
iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
iam.create_role(RoleName="s", AssumeRolePolicyDocument=TRUST)
roles = lambda: sorted(r["RoleName"] for r in iam.list_roles()["Roles"])
by_name = [code(iam.get_role, RoleName="r"), code(iam.get_role, RoleName="r")]
listed = [roles(), roles()]
ec2.create_launch_template(LaunchTemplateName="tpl",
    LaunchTemplateData={"InstanceType": "t3.micro", "ImageId": image()})
autoscaling.create_auto_scaling_group(AutoScalingGroupName="g", MinSize=0, MaxSize=1,
    LaunchTemplate={"LaunchTemplateName": "tpl"}, AvailabilityZones=["us-east-1a"])
groups = lambda: len(autoscaling.describe_auto_scaling_groups(
    AutoScalingGroupNames=["g"])["AutoScalingGroups"])
show([by_name, listed, groups(), groups()])
"#,
    );
    assert_eq!(seen, json!([["NoSuchEntity", ""], [["r"], ["r", "s"]], 0, 1]));
}
