//! What AWS refuses and moto by itself does.

use super::bench::bench;
use serde_json::json;

#[test]
fn arguments_that_no_service_takes_are_refused() {
    let Some(bench) = bench() else { return };
    let script = r#"
vpc, subnet = network()
group = lambda **p: code(ec2.create_security_group, **({"GroupName": "g", "Description": "d",
    "VpcId": vpc} | p))
tags = lambda *keys: code(ec2.create_tags, Resources=[vpc],
    Tags=[{"Key": key, "Value": ""} for key in keys])
db = lambda **p: code(database, **p)
scaling = lambda **p: code(autoscaling.create_auto_scaling_group, AutoScalingGroupName="g",
    LaunchTemplate={"LaunchTemplateName": "none"}, AvailabilityZones=["us-east-1a"], **p)
show([
    code(run, UserData="x" * 16_385), tags("aws:a"), tags("a", "a"), tags("a", "b"),
    group(GroupName="sg-a"), group(Description="who's"), group(),
    code(ec2.create_subnet, VpcId=vpc, CidrBlock="10.0.2.0/29"),
    code(ec2.create_nat_gateway, SubnetId=subnet),
    db(MasterUserPassword="short"), db(MasterUserPassword="with a space"),
    db(ManageMasterUserPassword=True), db(MasterUsername="admin"), db(AllocatedStorage=5),
    code(s3.create_bucket, Bucket="Lake_1"),
    code(iam.create_role, RoleName="r", AssumeRolePolicyDocument="{}"),
    scaling(MinSize=2, MaxSize=1), scaling(MinSize=0, MaxSize=1, DesiredCapacity=2),
])
"#;
    let (value, combination) = ("InvalidParameterValue", "InvalidParameterCombination");
    let expected = json!([
        value,
        value,
        value,
        "",
        value,
        value,
        "",
        "InvalidSubnet.Range",
        "MissingParameter",
        value,
        value,
        combination,
        value,
        value,
        "InvalidBucketName",
        "MalformedPolicyDocument",
        "ValidationError",
        "ValidationError"
    ]);
    assert_eq!(bench.proxied(script), expected);
}

#[test]
fn parts_of_a_network_must_belong_together() {
    let Some(bench) = bench() else { return };
    let script = r#"
vpc, subnet = network()
other = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
stranger = ec2.create_security_group(GroupName="g", Description="d", VpcId=other)["GroupId"]
gate = lambda: ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
first, second = gate(), gate()
attach = lambda gateway: code(ec2.attach_internet_gateway, InternetGatewayId=gateway, VpcId=vpc)
table = lambda: ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
one, two = table(), table()
link = lambda table: code(ec2.associate_route_table, RouteTableId=table, SubnetId=subnet)
route = lambda gateway: code(ec2.create_route, RouteTableId=one, GatewayId=gateway,
    DestinationCidrBlock="0.0.0.0/0")
ip = ec2.allocate_address(Domain="vpc")["AllocationId"]
nat = lambda: code(ec2.create_nat_gateway, SubnetId=subnet, AllocationId=ip)
default = [g["GroupId"] for g in ec2.describe_security_groups()["SecurityGroups"]
    if g["GroupName"] == "default" and g["VpcId"] == other][0]
show([
    route(first), nat(), attach(first), attach(second), route(second), route(first), nat(),
    link(one), link(two), link(one),
    code(run, SubnetId=subnet, SecurityGroupIds=[stranger]), code(run, KeyName="none"),
    code(run, IamInstanceProfile={"Name": "none"}),
    code(ec2.delete_security_group, GroupId=default),
])
"#;
    let value = "InvalidParameterValue";
    let expected = json!([
        value,
        "Gateway.NotAttached",
        "",
        value,
        value,
        "",
        "",
        "",
        "Resource.AlreadyAssociated",
        "",
        "InvalidParameter",
        "InvalidKeyPair.NotFound",
        value,
        "CannotDelete"
    ]);
    assert_eq!(bench.proxied(script), expected);
}

#[test]
fn an_instance_is_changed_where_its_state_allows_it() {
    let Some(bench) = bench() else { return };
    let script = r#"
i = run(DisableApiTermination=True, Placement={"AvailabilityZone": "us-east-1a"})
end = lambda: code(ec2.terminate_instances, InstanceIds=[i])
resize = lambda: code(ec2.modify_instance_attribute, InstanceId=i,
    InstanceType={"Value": "t3.small"})
def attach(zone):
    v = ec2.create_volume(AvailabilityZone=zone, Size=1)["VolumeId"]
    once = lambda: code(ec2.attach_volume, VolumeId=v, InstanceId=i, Device="/dev/sdf")
    return [once(), once()]
attached = [attach("us-east-1b"), attach("us-east-1a")]
kept, running = end(), resize()
ec2.modify_instance_attribute(InstanceId=i, DisableApiTermination={"Value": False})
ec2.stop_instances(InstanceIds=[i])
show([attached, kept, running, resize(), end()])
"#;
    let apart = "InvalidVolume.ZoneMismatch";
    let attached = json!([[apart, apart], ["", "VolumeInUse"]]);
    let expected = json!([attached, "OperationNotPermitted", "IncorrectInstanceState", "", ""]);
    assert_eq!(bench.proxied(script), expected);
}

/// A disk grows, and never shrinks.
#[test]
fn a_volume_does_not_shrink() {
    let Some(bench) = bench() else { return };
    let script = r#"
v = ec2.create_volume(AvailabilityZone="us-east-1a", Size=10)["VolumeId"]
resize = lambda size: code(ec2.modify_volume, VolumeId=v, Size=size)
show([resize(20), resize(20), resize(5), code(ec2.modify_volume, VolumeId=v, Iops=4000)])
"#;
    assert_eq!(bench.proxied(script), json!(["", "", "InvalidParameterValue", ""]));
}

#[test]
fn names_are_taken_once_and_databases_fit_their_network() {
    let Some(bench) = bench() else { return };
    let script = r#"
vpc, subnet = network()
far = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.2.0/24",
    AvailabilityZone="us-east-1b")["Subnet"]["SubnetId"]
other = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
stranger = ec2.create_security_group(GroupName="g", Description="d", VpcId=other)["GroupId"]
subnets = lambda *ids: code(rds.create_db_subnet_group, DBSubnetGroupName="s",
    DBSubnetGroupDescription="d", SubnetIds=list(ids))
db = lambda **p: code(database, DBSubnetGroupName="s", **p)
near = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.3.0/24", AvailabilityZone="us-east-1a")
ec2.create_launch_template(LaunchTemplateName="tpl",
    LaunchTemplateData={"InstanceType": "t3.micro", "ImageId": image()})
group = lambda: code(autoscaling.create_auto_scaling_group, AutoScalingGroupName="g", MinSize=0,
    MaxSize=1, LaunchTemplate={"LaunchTemplateName": "tpl"}, AvailabilityZones=["us-east-1a"])
show([
    subnets(subnet, near["Subnet"]["SubnetId"]), subnets(subnet, far), subnets(subnet, far),
    db(VpcSecurityGroupIds=[stranger]), db(VpcSecurityGroupIds=["sg-00000000"]),
    db(DBInstanceClass="db.none"), db(), db(),
    code(rds.modify_db_instance, DBInstanceIdentifier="db", AllocatedStorage=10),
    group(), group(),
    code(autoscaling.set_desired_capacity, AutoScalingGroupName="g", DesiredCapacity=2),
])
"#;
    let (value, combination) = ("InvalidParameterValue", "InvalidParameterCombination");
    let expected = json!([
        "DBSubnetGroupDoesNotCoverEnoughAZs",
        "",
        "DBSubnetGroupAlreadyExists",
        combination,
        value,
        value,
        "",
        "DBInstanceAlreadyExists",
        combination,
        "",
        "AlreadyExists",
        "ValidationError"
    ]);
    assert_eq!(bench.proxied(script), expected);
}
