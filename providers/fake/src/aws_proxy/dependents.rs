//! What cannot be deleted because something stands on it: `DependencyViolation` and its kin.
//!
//! moto lets go of most things at any time; who deletes in the wrong order never learns of it
//! there. What stands on an object is asked of moto, call by call: nothing is kept here.
//! Codes: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html> and the
//! page of each action. What must not be here: what a launch template is used by, which AWS lets
//! go of.

use crate::aws_proxy::asked::Asked;
use crate::aws_proxy::refusal::Refusal;
use crate::aws_proxy::view::View;
use crate::aws_proxy::xml::Element;

/// Refuses a delete while something stands on the object. What does not exist is left to moto.
pub(super) async fn judge(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    match (asked.service.as_str(), asked.action.as_str()) {
        ("ec2", "DeleteSecurityGroup") => security_group(view, asked).await,
        ("ec2", "DeleteSubnet") => subnet(view, asked.param("SubnetId")).await,
        ("ec2", "DeleteVpc") => vpc(view, asked.param("VpcId")).await,
        ("ec2", "DetachInternetGateway") => attached_gateway(view, asked.param("VpcId")).await,
        ("ec2", "DeleteInternetGateway") => gateway(view, asked.param("InternetGatewayId")).await,
        ("ec2", "DeleteRouteTable") => route_table(view, asked.param("RouteTableId")).await,
        ("ec2", "ReleaseAddress") => address(view, asked.param("AllocationId")).await,
        ("rds", "DeleteDBSubnetGroup") => {
            subnet_group(view, asked.param("DBSubnetGroupName")).await
        }
        ("rds", "DeleteDBParameterGroup") => {
            parameter_group(view, asked.param("DBParameterGroupName")).await
        }
        ("autoscaling", "DeleteAutoScalingGroup") => scaling_group(view, asked).await,
        _ => Ok(()),
    }
}

/// Refuses with the code that EC2 has for nearly all of this.
fn unless(free: bool, message: String) -> Result<(), Refusal> {
    match free {
        true => Ok(()),
        false => Err(Refusal::new("DependencyViolation", message)),
    }
}

fn has_dependents(kind: &str, id: &str) -> String {
    format!("The {kind} '{id}' has dependencies and cannot be deleted.")
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html>
async fn security_group(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    let groups = view.ask("ec2", "DescribeSecurityGroups", &[]).await?;
    let groups = groups.all("securityGroupInfo/item");
    let by_name = || {
        let name = asked.param("GroupName");
        let named = groups.iter().find(|group| group.text_at("groupName") == name);
        named.map_or("", |group| group.text_at("groupId"))
    };
    let id = match asked.param("GroupId") {
        "" => by_name(),
        id => id,
    };
    if id.is_empty() {
        return Ok(());
    }
    let refers = |group: &&Element| {
        ["ipPermissions/item/groups/item/groupId", "ipPermissionsEgress/item/groups/item/groupId"]
            .iter()
            .any(|path| group.texts(path).contains(&id))
    };
    let of_others = groups.iter().filter(|group| group.text_at("groupId") != id);
    let own = groups.iter().find(|group| group.text_at("groupId") == id);
    let Some(vpc) = own.map(|group| group.text_at("vpcId")) else { return Ok(()) };
    let endpoints = view.endpoints("vpc-id", vpc).await?;
    let databases = view.databases().await?;
    let path = "VpcSecurityGroups/VpcSecurityGroupMembership/VpcSecurityGroupId";
    let free = of_others.copied().filter(refers).count() == 0
        && !databases.iter().any(|database| database.texts(path).contains(&id))
        && !endpoints.iter().any(|at| at.texts("groupSet/item/groupId").contains(&id))
        && view.instances("instance.group-id", id).await?.is_empty()
        && view.interfaces("group-id", id).await?.is_empty();
    unless(free, format!("resource {id} has a dependent object"))
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSubnet.html>
async fn subnet(view: &View<'_>, id: &str) -> Result<(), Refusal> {
    let subnets = view.ec2("DescribeSubnets", "subnet-id", id).await?;
    let endpoints = view.endpoints("vpc-id", subnets.text_at("subnetSet/item/vpcId")).await?;
    let databases = view.databases().await?;
    let path = "DBSubnetGroup/Subnets/Subnet/SubnetIdentifier";
    let free = !databases.iter().any(|database| database.texts(path).contains(&id))
        && !endpoints.iter().any(|at| at.texts("subnetIdSet/item").contains(&id))
        && view.instances("subnet-id", id).await?.is_empty()
        && view.nat_gateways("subnet-id", id).await?.is_empty()
        && view.interfaces("subnet-id", id).await?.is_empty();
    unless(free, has_dependents("subnet", id))
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVpc.html>: the main route
/// table, the default security group and the default network ACL go with it, nothing else.
async fn vpc(view: &View<'_>, id: &str) -> Result<(), Refusal> {
    let subnets = view.ec2("DescribeSubnets", "vpc-id", id).await?;
    let gateways = view.ec2("DescribeInternetGateways", "attachment.vpc-id", id).await?;
    let groups = view.ec2("DescribeSecurityGroups", "vpc-id", id).await?;
    let tables = view.ec2("DescribeRouteTables", "vpc-id", id).await?;
    let endpoints = view.endpoints("vpc-id", id).await?;
    let own_groups = groups.texts("securityGroupInfo/item/groupName");
    let is_main = |table: &&Element| table.texts("associationSet/item/main").contains(&"true");
    let free = subnets.at("subnetSet/item").is_none()
        && gateways.at("internetGatewaySet/item").is_none()
        && own_groups.iter().all(|name| *name == "default")
        && tables.all("routeTableSet/item").iter().all(is_main)
        && endpoints.is_empty();
    unless(free, has_dependents("vpc", id))
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DetachInternetGateway.html>: the VPC
/// must not have public addresses in use.
async fn attached_gateway(view: &View<'_>, vpc: &str) -> Result<(), Refusal> {
    let instances = view.instances("vpc-id", vpc).await?;
    let nat_gateways = view.nat_gateways("vpc-id", vpc).await?;
    let is_public = |gateway: &Element| gateway.text_at("connectivityType") != "private";
    let free = instances.iter().all(|instance| instance.text_at("ipAddress").is_empty())
        && !nat_gateways.iter().any(is_public);
    let lead = format!("Network {vpc} has some mapped public address(es).");
    unless(
        free,
        format!("{lead} Please unmap those public address(es) before detaching the gateway."),
    )
}

async fn gateway(view: &View<'_>, id: &str) -> Result<(), Refusal> {
    let gateways = view.ec2("DescribeInternetGateways", "internet-gateway-id", id).await?;
    let free = gateways.at("internetGatewaySet/item/attachmentSet/item").is_none();
    unless(free, has_dependents("internetGateway", id))
}

async fn route_table(view: &View<'_>, id: &str) -> Result<(), Refusal> {
    let tables = view.ec2("DescribeRouteTables", "route-table-id", id).await?;
    let free = tables.at("routeTableSet/item/associationSet/item").is_none();
    unless(free, has_dependents("routeTable", id))
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReleaseAddress.html>
async fn address(view: &View<'_>, id: &str) -> Result<(), Refusal> {
    if id.is_empty() {
        return Ok(());
    }
    let addresses = view.ec2("DescribeAddresses", "allocation-id", id).await?;
    let Some(address) = addresses.at("addressesSet/item") else { return Ok(()) };
    let mut in_use = !address.text_at("associationId").is_empty();
    let gateways = view.ask("ec2", "DescribeNatGateways", &[]).await?;
    for gateway in gateways.all("natGatewaySet/item") {
        let holds = gateway.texts("natGatewayAddressSet/item/allocationId").contains(&id);
        if holds {
            // moto goes on to say that a deleted gateway's address is associated.
            in_use = gateway.text_at("state") != "deleted";
        }
    }
    let public = address.text_at("publicIp");
    match in_use {
        true => Err(Refusal::new("InvalidIPAddress.InUse", format!("Address {public} is in use."))),
        false => Ok(()),
    }
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBSubnetGroup.html>
async fn subnet_group(view: &View<'_>, name: &str) -> Result<(), Refusal> {
    let databases = view.databases().await?;
    let mut names = databases.iter().map(|at| at.text_at("DBSubnetGroup/DBSubnetGroupName"));
    match names.any(|used| used.eq_ignore_ascii_case(name)) {
        true => Err(Refusal::new(
            "InvalidDBSubnetGroupStateFault",
            format!(
                "Cannot delete the subnet group '{name}' because at least one database uses it."
            ),
        )),
        false => Ok(()),
    }
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBParameterGroup.html>
async fn parameter_group(view: &View<'_>, name: &str) -> Result<(), Refusal> {
    let databases = view.databases().await?;
    let path = "DBParameterGroups/DBParameterGroup/DBParameterGroupName";
    match databases.iter().any(|database| database.texts(path).contains(&name)) {
        true => Err(Refusal::new(
            "InvalidDBParameterGroupState",
            format!(
                "One or more database instances are still members of this group {name}, so the \
                     group cannot be deleted"
            ),
        )),
        false => Ok(()),
    }
}

/// <https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteAutoScalingGroup.html>:
/// without force, a group must have no instances.
async fn scaling_group(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    if asked.param("ForceDelete") == "true" {
        return Ok(());
    }
    let name = [("AutoScalingGroupNames.member.1", asked.param("AutoScalingGroupName"))];
    let groups = view.ask("autoscaling", "DescribeAutoScalingGroups", &name).await?;
    let path = "DescribeAutoScalingGroupsResult/AutoScalingGroups/member/Instances/member";
    match groups.at(path) {
        Some(_) => Err(Refusal::new(
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot \
             instance request(s) still in the group.",
        )),
        None => Ok(()),
    }
}
