//! Nothing is deleted under what stands on it.

use super::bench::bench;
use dsenv_fake::aws_proxy::{Pace, Slow};
use serde_json::json;

#[test]
fn a_network_goes_from_the_leaves_up() {
    let Some(bench) = bench() else { return };
    let seen = bench.proxied(
        r#"
vpc, subnet = network()
group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
link = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
ip = ec2.allocate_address(Domain="vpc")["AllocationId"]
nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=ip)["NatGateway"]["NatGatewayId"]
i = run(SubnetId=subnet, SecurityGroupIds=[group])
del_group = lambda: code(ec2.delete_security_group, GroupId=group)
del_subnet = lambda: code(ec2.delete_subnet, SubnetId=subnet)
del_vpc = lambda: code(ec2.delete_vpc, VpcId=vpc)
detach = lambda: code(ec2.detach_internet_gateway, InternetGatewayId=gateway, VpcId=vpc)
del_gateway = lambda: code(ec2.delete_internet_gateway, InternetGatewayId=gateway)
del_table = lambda: code(ec2.delete_route_table, RouteTableId=table)
release = lambda: code(ec2.release_address, AllocationId=ip)
out = [[f() for f in
    [del_group, del_subnet, del_vpc, detach, del_gateway, del_table, release]]]
ec2.terminate_instances(InstanceIds=[i])
out.append([del_group(), del_subnet(), detach(), release()])
ec2.delete_nat_gateway(NatGatewayId=nat)
ec2.disassociate_route_table(AssociationId=link)
out.append([del_vpc(), del_table(), detach(), release(), del_gateway(), del_subnet(), del_vpc()])
show(out)
"#,
    );
    let (no, used) = ("DependencyViolation", "InvalidIPAddress.InUse");
    let expected =
        json!([[no, no, no, no, no, no, used], ["", no, no, used], [no, "", "", "", "", "", ""],]);
    assert_eq!(seen, expected);
}

#[test]
fn a_group_that_another_groups_rule_names_stays() {
    let Some(bench) = bench() else { return };
    let seen = bench.proxied(
        r#"
vpc, _ = network()
make = lambda name: ec2.create_security_group(GroupName=name, Description="d", VpcId=vpc)["GroupId"]
a, b = make("a"), make("b")
rule = dict(GroupId=b, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1,
    "UserIdGroupPairs": [{"GroupId": a}]}])
ec2.authorize_security_group_ingress(**rule)
first = code(ec2.delete_security_group, GroupId=a)
vpc_too = code(ec2.delete_vpc, VpcId=vpc)
ec2.revoke_security_group_ingress(**rule)
show([first, vpc_too, code(ec2.delete_security_group, GroupId=a),
    code(ec2.delete_security_group, GroupId=b)])
"#,
    );
    assert_eq!(seen, json!(["DependencyViolation", "DependencyViolation", "", ""]));
}

#[test]
fn what_an_endpoint_stands_on_stays_until_it_is_gone() {
    let Some(bench) = bench() else { return };
    bench.proxy.set_slow(Slow::Endpoint, Some(Pace::Looks(4)));
    let seen = bench.proxied(
        r#"
vpc, subnet = network()
group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.ssm",
    VpcEndpointType="Interface", SubnetIds=[subnet], SecurityGroupIds=[group])["VpcEndpoint"]
deletes = lambda: [code(ec2.delete_security_group, GroupId=group),
    code(ec2.delete_subnet, SubnetId=subnet), code(ec2.delete_vpc, VpcId=vpc)]
look = lambda: ec2.describe_vpc_endpoints()["VpcEndpoints"][0]["State"]
early, before = look(), deletes()
ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])
show([made["State"], early, before, look(), deletes(), look(), deletes()])
"#,
    );
    let refused = ["DependencyViolation", "DependencyViolation", "DependencyViolation"];
    let expected =
        json!(["pending", "pending", refused, "deleting", refused, "deleted", ["", "", ""]]);
    assert_eq!(seen, expected);
}

const DATABASE: &str = r#"
vpc, subnet = network()
other = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.2.0/24",
    AvailabilityZone="us-east-1b")["Subnet"]["SubnetId"]
group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
rds.create_db_subnet_group(DBSubnetGroupName="s", DBSubnetGroupDescription="d",
    SubnetIds=[subnet, other])
rds.create_db_parameter_group(DBParameterGroupName="p", DBParameterGroupFamily="postgres16",
    Description="d")
database(DBSubnetGroupName="s", DBParameterGroupName="p", VpcSecurityGroupIds=[group])
def deletes():
    return [code(ec2.delete_security_group, GroupId=group), code(ec2.delete_subnet, SubnetId=other),
        code(rds.delete_db_subnet_group, DBSubnetGroupName="s"),
        code(rds.delete_db_parameter_group, DBParameterGroupName="p")]
before = deletes()
rds.delete_db_instance(DBInstanceIdentifier="db", SkipFinalSnapshot=True)
"#;

#[test]
fn what_a_database_stands_on_stays_until_it_is_gone() {
    let Some(bench) = bench() else { return };
    // Each refusal is a look of whoever waits.
    bench.proxy.set_slow(Slow::Database, Some(Pace::Looks(4)));
    let seen = bench.proxied(&format!("{DATABASE}show([before, deletes(), deletes()])"));
    let refused = [
        "DependencyViolation",
        "DependencyViolation",
        "InvalidDBSubnetGroupStateFault",
        "InvalidDBParameterGroupState",
    ];
    assert_eq!(seen, json!([refused, refused, ["", "", "", ""]]));
}

#[test]
fn dependencies_can_be_let_go() {
    let Some(bench) = bench() else { return };
    bench.proxy.set_dependencies_hold(false);
    let seen = bench.proxied(
        r#"
_, subnet = network()
run(SubnetId=subnet)
show(code(ec2.delete_subnet, SubnetId=subnet))
"#,
    );
    assert_eq!(seen, json!(""));
}
