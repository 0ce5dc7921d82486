//! What AWS refuses because of what exists, and moto does: names that are taken, gateways that are
//! not attached, parts that belong to different networks, states that do not allow it.
//!
//! Codes: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html> and the
//! page of each action. What must not be here: deletes, which are `dependents`; launches.

use crate::aws_proxy::asked::Asked;
use crate::aws_proxy::refusal::Refusal;
use crate::aws_proxy::view::View;
use crate::aws_proxy::xml::Element;
use std::collections::BTreeSet;

/// Refuses by what exists. What does not exist is left to moto, which says so.
pub(super) async fn judge(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    match (asked.service.as_str(), asked.action.as_str()) {
        ("ec2", "AttachInternetGateway") => attached_gateway(view, asked).await,
        ("ec2", "CreateRoute" | "ReplaceRoute") => route(view, asked).await,
        ("ec2", "AssociateRouteTable") => associated_table(view, asked).await,
        ("ec2", "CreateNatGateway") => nat_gateway(view, asked).await,
        ("ec2", "AssociateAddress") => associated_address(view, asked).await,
        ("ec2", "ModifyInstanceAttribute") => changed_instance(view, asked).await,
        ("ec2", "AttachVolume") => attached_volume(view, asked).await,
        ("ec2", "ModifyVolume") => changed_volume(view, asked).await,
        ("ec2", "DeleteSecurityGroup") => default_group(view, asked.param("GroupId")).await,
        ("rds", "CreateDBInstance") => database(view, asked).await,
        ("rds", "ModifyDBInstance") => changed_database(view, asked).await,
        ("rds", "CreateDBSubnetGroup") => subnet_group(view, asked).await,
        ("autoscaling", "CreateAutoScalingGroup") => scaling_group(view, asked).await,
        ("autoscaling", "SetDesiredCapacity") => desired_capacity(view, asked).await,
        _ => Ok(()),
    }
}

fn refused(code: &str, message: String) -> Result<(), Refusal> {
    Err(Refusal::new(code, message))
}

async fn gateways_of(view: &View<'_>, vpc: &str) -> Result<Vec<String>, Refusal> {
    let reply = view.ec2("DescribeInternetGateways", "attachment.vpc-id", vpc).await?;
    let ids = reply.texts("internetGatewaySet/item/internetGatewayId");
    Ok(ids.into_iter().map(str::to_owned).collect())
}

async fn attached_gateway(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    let vpc = asked.param("VpcId");
    match gateways_of(view, vpc).await?.is_empty() {
        true => Ok(()),
        false => refused(
            "InvalidParameterValue",
            format!("Network {vpc} already has an internet gateway attached"),
        ),
    }
}

async fn route(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    let (table, gateway) = (asked.param("RouteTableId"), asked.param("GatewayId"));
    if !gateway.starts_with("igw-") {
        return Ok(());
    }
    let reply = view.ec2("DescribeRouteTables", "route-table-id", table).await?;
    let vpc = reply.text_at("routeTableSet/item/vpcId");
    match vpc.is_empty() || gateways_of(view, vpc).await?.iter().any(|id| id == gateway) {
        true => Ok(()),
        false => refused(
            "InvalidParameterValue",
            format!(
                "route table {table} and network gateway {gateway} belong to different networks"
            ),
        ),
    }
}

async fn associated_table(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    let (table, subnet) = (asked.param("RouteTableId"), asked.param("SubnetId"));
    if subnet.is_empty() {
        return Ok(());
    }
    let reply = view.ec2("DescribeRouteTables", "association.subnet-id", subnet).await?;
    // The same pair again is answered with the association that there is.
    let others = reply.texts("routeTableSet/item/routeTableId");
    match others.into_iter().all(|other| other == table) {
        true => Ok(()),
        false => refused(
            "Resource.AlreadyAssociated",
            format!(
                "the specified association for route table {table} conflicts with an existing \
                 association"
            ),
        ),
    }
}

async fn vpc_of_subnet(view: &View<'_>, subnet: &str) -> Result<String, Refusal> {
    let reply = view.ec2("DescribeSubnets", "subnet-id", subnet).await?;
    Ok(reply.text_at("subnetSet/item/vpcId").to_owned())
}

fn not_attached(vpc: &str) -> Result<(), Refusal> {
    refused("Gateway.NotAttached", format!("Network {vpc} is not attached to any internet gateway"))
}

/// <https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html>: the gateway
/// of a network without internet gateway becomes `failed`. Here it is refused at once.
async fn nat_gateway(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    if asked.param("ConnectivityType") == "private" {
        return Ok(());
    }
    let vpc = vpc_of_subnet(view, asked.param("SubnetId")).await?;
    match vpc.is_empty() || !gateways_of(view, &vpc).await?.is_empty() {
        true => Ok(()),
        false => not_attached(&vpc),
    }
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateAddress.html>
async fn associated_address(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    let (instance, interface) = (asked.param("InstanceId"), asked.param("NetworkInterfaceId"));
    let vpc = match (instance, interface) {
        ("", "") => return Ok(()),
        ("", interface) => {
            let filter = "network-interface-id";
            let reply = view.ec2("DescribeNetworkInterfaces", filter, interface).await?;
            reply.text_at("networkInterfaceSet/item/vpcId").to_owned()
        }
        (instance, _) => {
            let instances = view.instances("instance-id", instance).await?;
            instances.first().map_or("", |instance| instance.text_at("vpcId")).to_owned()
        }
    };
    match vpc.is_empty() || !gateways_of(view, &vpc).await?.is_empty() {
        true => Ok(()),
        false => not_attached(&vpc),
    }
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html>: the
/// type, and the user data, of an instance that is stopped.
async fn changed_instance(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    let id = asked.param("InstanceId");
    let attribute = asked.param("Attribute");
    let needs_stop = ["InstanceType.Value", "UserData.Value", "UserData"]
        .iter()
        .any(|name| !asked.param(name).is_empty())
        || ["instanceType", "userData"].contains(&attribute);
    if !needs_stop {
        return Ok(());
    }
    let instances = view.instances("instance-id", id).await?;
    let is_stopped = |at: &Element| at.text_at("instanceState/name") == "stopped";
    match instances.iter().all(is_stopped) {
        true => Ok(()),
        false => refused(
            "IncorrectInstanceState",
            format!("The instance '{id}' is not in the 'stopped' state."),
        ),
    }
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachVolume.html>
async fn attached_volume(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    let (id, instance) = (asked.param("VolumeId"), asked.param("InstanceId"));
    let volumes = view.ec2("DescribeVolumes", "volume-id", id).await?;
    let instances = view.instances("instance-id", instance).await?;
    let (Some(volume), Some(at)) = (volumes.at("volumeSet/item"), instances.first()) else {
        return Ok(());
    };
    if volume.at("attachmentSet/item").is_some() {
        return refused("VolumeInUse", format!("{id} is already attached to an instance"));
    }
    match volume.text_at("availabilityZone") == at.text_at("placement/availabilityZone") {
        true => Ok(()),
        false => refused(
            "InvalidVolume.ZoneMismatch",
            format!(
                "The volume '{id}' is not in the same availability zone as instance '{instance}'"
            ),
        ),
    }
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVolume.html>: no smaller one.
async fn changed_volume(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    let (id, size) = (asked.param("VolumeId"), asked.param("Size"));
    let volumes = view.ec2("DescribeVolumes", "volume-id", id).await?;
    let there = volumes.text_at("volumeSet/item/size").parse::<u64>();
    match (there, size.parse::<u64>()) {
        (Ok(there), Ok(asked)) if asked < there => refused(
            "InvalidParameterValue",
            format!("New size cannot be smaller than existing size ({there})"),
        ),
        _ => Ok(()),
    }
}

async fn default_group(view: &View<'_>, id: &str) -> Result<(), Refusal> {
    let reply = view.ec2("DescribeSecurityGroups", "group-id", id).await?;
    match !id.is_empty() && reply.text_at("securityGroupInfo/item/groupName") == "default" {
        true => refused(
            "CannotDelete",
            format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user"),
        ),
        false => Ok(()),
    }
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>
async fn database(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    let class = asked.param("DBInstanceClass");
    let ty = class.strip_prefix("db.").unwrap_or_default();
    let known = view.ask("ec2", "DescribeInstanceTypes", &[("InstanceType.1", ty)]).await?;
    // The classes are named after the types of EC2.
    if class != "db.serverless" && known.at("instanceTypeSet/item").is_none() {
        return refused("InvalidParameterValue", format!("Invalid DB Instance class: {class}"));
    }
    let mut vpcs = BTreeSet::new();
    for group in asked.list("VpcSecurityGroupIds") {
        let reply = view.ec2("DescribeSecurityGroups", "group-id", group).await?;
        match reply.text_at("securityGroupInfo/item/vpcId") {
            "" => {
                let message = format!("Invalid security group , groupId= {group}, groupName=.");
                return refused("InvalidParameterValue", message);
            }
            vpc => drop(vpcs.insert(vpc.to_owned())),
        }
    }
    let name = asked.param("DBSubnetGroupName");
    if !name.is_empty() {
        let params = [("DBSubnetGroupName", name)];
        let reply = view.ask("rds", "DescribeDBSubnetGroups", &params).await?;
        let path = "DescribeDBSubnetGroupsResult/DBSubnetGroups/DBSubnetGroup/VpcId";
        vpcs.extend(reply.texts(path).into_iter().map(str::to_owned));
    }
    match vpcs.len() > 1 {
        true => refused(
            "InvalidParameterCombination",
            "The DB instance and EC2 security group are in different VPCs.".to_owned(),
        ),
        false => Ok(()),
    }
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.ModifyingExisting.html>: a
/// database does not become smaller.
async fn changed_database(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    let Ok(new) = asked.param("AllocatedStorage").parse::<u32>() else { return Ok(()) };
    let params = [("DBInstanceIdentifier", asked.param("DBInstanceIdentifier"))];
    let reply = view.ask("rds", "DescribeDBInstances", &params).await?;
    let path = "DescribeDBInstancesResult/DBInstances/DBInstance/AllocatedStorage";
    let old: u32 = reply.text_at(path).parse().unwrap_or(0);
    match new < old {
        true => refused(
            "InvalidParameterCombination",
            format!("Requested storage size ({new}) cannot be less than the current ({old})."),
        ),
        false => Ok(()),
    }
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSubnetGroup.html>
async fn subnet_group(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    let name = asked.param("DBSubnetGroupName");
    let reply = view.ask("rds", "DescribeDBSubnetGroups", &[("DBSubnetGroupName", name)]).await?;
    if reply.at("DescribeDBSubnetGroupsResult/DBSubnetGroups/DBSubnetGroup").is_some() {
        let message = format!("The DB subnet group '{name}' already exists.");
        return refused("DBSubnetGroupAlreadyExists", message);
    }
    let (mut zones, mut vpcs) = (BTreeSet::new(), BTreeSet::new());
    for subnet in asked.list("SubnetIds") {
        let reply = view.ec2("DescribeSubnets", "subnet-id", subnet).await?;
        match reply.at("subnetSet/item") {
            Some(item) => {
                zones.insert(item.text_at("availabilityZone").to_owned());
                vpcs.insert(item.text_at("vpcId").to_owned());
            }
            None => {
                let message = format!("Some input subnets in :[{subnet}] are invalid.");
                return refused("InvalidSubnet", message);
            }
        }
    }
    if vpcs.len() > 1 {
        let message = "The subnets are not all in the same VPC.".to_owned();
        return refused("InvalidSubnet", message);
    }
    match zones.len() < 2 {
        true => refused(
            "DBSubnetGroupDoesNotCoverEnoughAZs",
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Add \
             subnets to cover at least 2 AZs."
                .to_owned(),
        ),
        false => Ok(()),
    }
}

async fn group_of(view: &View<'_>, name: &str) -> Result<Option<Element>, Refusal> {
    let params = [("AutoScalingGroupNames.member.1", name)];
    let reply = view.ask("autoscaling", "DescribeAutoScalingGroups", &params).await?;
    Ok(reply.at("DescribeAutoScalingGroupsResult/AutoScalingGroups/member").cloned())
}

/// <https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html>
async fn scaling_group(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    let name = asked.param("AutoScalingGroupName");
    let lead = "AutoScalingGroup by this name already exists";
    match group_of(view, name).await? {
        Some(_) => refused(
            "AlreadyExists",
            format!("{lead} - A group with the name {name} already exists"),
        ),
        None => Ok(()),
    }
}

/// <https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetDesiredCapacity.html>
async fn desired_capacity(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    let Some(group) = group_of(view, asked.param("AutoScalingGroupName")).await? else {
        return Ok(());
    };
    let Ok(desired) = asked.param("DesiredCapacity").parse::<u32>() else { return Ok(()) };
    let bound = |name: &str| group.text_at(name).parse::<u32>();
    let lead = format!("New SetDesiredCapacity value {desired} is");
    match (bound("MinSize"), bound("MaxSize")) {
        (_, Ok(most)) if desired > most => refused(
            "ValidationError",
            format!("{lead} above max value {most} for the AutoScalingGroup."),
        ),
        (Ok(least), _) if desired < least => refused(
            "ValidationError",
            format!("{lead} below min value {least} for the AutoScalingGroup."),
        ),
        _ => Ok(()),
    }
}
