//! Eventual consistency: what was just made is not yet there for those who look.
//!
//! EC2: <https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>. IAM:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html>. A look is a reply that
//! would have shown the object; whoever asks by id gets the service's own code for what does not
//! exist. Calls that change something see the object: which of them do in AWS is not documented.
//!
//! What must not be here: RDS, S3 and others that show at once what they made.

use crate::aws_proxy::asked::Asked;
use crate::aws_proxy::pace::{Countdown, Pace};
use crate::aws_proxy::refusal::Refusal;
use crate::aws_proxy::xml::Element;
use std::collections::BTreeMap;

/// Where the call that makes an object has its id.
enum Id {
    /// In the reply, at this path.
    Reply(&'static str),
    /// In the request, as this parameter.
    Param(&'static str),
}

/// What becomes visible late.
struct Kind {
    service: &'static str,
    create: &'static str,
    id: Id,
    /// The parameter that asks for one or several by id.
    asked: &'static str,
    /// The reply that lists them: the action, where they stand, where each has its id.
    listed: (&'static str, &'static str, &'static str),
    /// What is said about one that does not exist, `{}` for its id; `None` where the service gives
    /// an empty list.
    missing: Option<(u16, &'static str, &'static str)>,
}

const fn ec2(
    create: &'static str,
    id: &'static str,
    asked: &'static str,
    listed: (&'static str, &'static str, &'static str),
    missing: (&'static str, &'static str),
) -> Kind {
    let missing = Some((400, missing.0, missing.1));
    Kind { service: "ec2", create, id: Id::Reply(id), asked, listed, missing }
}

const KINDS: &[Kind] = &[
    ec2(
        "CreateVpc",
        "vpc/vpcId",
        "VpcId",
        ("DescribeVpcs", "vpcSet/item", "vpcId"),
        ("InvalidVpcID.NotFound", "The vpc ID '{}' does not exist"),
    ),
    ec2(
        "CreateSubnet",
        "subnet/subnetId",
        "SubnetId",
        ("DescribeSubnets", "subnetSet/item", "subnetId"),
        ("InvalidSubnetID.NotFound", "The subnet ID '{}' does not exist"),
    ),
    ec2(
        "CreateSecurityGroup",
        "groupId",
        "GroupId",
        ("DescribeSecurityGroups", "securityGroupInfo/item", "groupId"),
        ("InvalidGroup.NotFound", "The security group '{}' does not exist"),
    ),
    ec2(
        "CreateInternetGateway",
        "internetGateway/internetGatewayId",
        "InternetGatewayId",
        ("DescribeInternetGateways", "internetGatewaySet/item", "internetGatewayId"),
        ("InvalidInternetGatewayID.NotFound", "The internetGateway ID '{}' does not exist"),
    ),
    ec2(
        "CreateRouteTable",
        "routeTable/routeTableId",
        "RouteTableId",
        ("DescribeRouteTables", "routeTableSet/item", "routeTableId"),
        ("InvalidRouteTableID.NotFound", "The routeTable ID '{}' does not exist"),
    ),
    ec2(
        "CreateNatGateway",
        "natGateway/natGatewayId",
        "NatGatewayId",
        ("DescribeNatGateways", "natGatewaySet/item", "natGatewayId"),
        ("NatGatewayNotFound", "NAT gateway {} was not found"),
    ),
    ec2(
        "AllocateAddress",
        "allocationId",
        "AllocationId",
        ("DescribeAddresses", "addressesSet/item", "allocationId"),
        ("InvalidAllocationID.NotFound", "The allocation ID '{}' does not exist"),
    ),
    ec2(
        "RunInstances",
        "instancesSet/item/instanceId",
        "InstanceId",
        ("DescribeInstances", "reservationSet/item/instancesSet/item", "instanceId"),
        ("InvalidInstanceID.NotFound", "The instance ID '{}' does not exist"),
    ),
    ec2(
        "CreateVolume",
        "volumeId",
        "VolumeId",
        ("DescribeVolumes", "volumeSet/item", "volumeId"),
        ("InvalidVolume.NotFound", "The volume '{}' does not exist."),
    ),
    ec2(
        "CreateSnapshot",
        "snapshotId",
        "SnapshotId",
        ("DescribeSnapshots", "snapshotSet/item", "snapshotId"),
        ("InvalidSnapshot.NotFound", "The snapshot '{}' does not exist."),
    ),
    ec2(
        "CreateNetworkInterface",
        "networkInterface/networkInterfaceId",
        "NetworkInterfaceId",
        ("DescribeNetworkInterfaces", "networkInterfaceSet/item", "networkInterfaceId"),
        ("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '{}' does not exist"),
    ),
    ec2(
        "CreateVpcEndpoint",
        "vpcEndpoint/vpcEndpointId",
        "VpcEndpointId",
        ("DescribeVpcEndpoints", "vpcEndpointSet/item", "vpcEndpointId"),
        ("InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '{}' does not exist"),
    ),
    ec2(
        "CreateLaunchTemplate",
        "launchTemplate/launchTemplateId",
        "LaunchTemplateId",
        ("DescribeLaunchTemplates", "launchTemplates/item", "launchTemplateId"),
        (
            "InvalidLaunchTemplateId.NotFound",
            "The specified launch template, with template ID {}, does not exist.",
        ),
    ),
    Kind {
        service: "iam",
        create: "CreateRole",
        id: Id::Param("RoleName"),
        asked: "RoleName",
        listed: ("ListRoles", "ListRolesResult/Roles/member", "RoleName"),
        missing: Some((404, "NoSuchEntity", "The role with name {} cannot be found.")),
    },
    Kind {
        service: "iam",
        create: "CreateInstanceProfile",
        id: Id::Param("InstanceProfileName"),
        asked: "InstanceProfileName",
        listed: (
            "ListInstanceProfiles",
            "ListInstanceProfilesResult/InstanceProfiles/member",
            "InstanceProfileName",
        ),
        missing: Some((404, "NoSuchEntity", "Instance Profile {} cannot be found.")),
    },
    Kind {
        service: "iam",
        create: "CreatePolicy",
        id: Id::Reply("CreatePolicyResult/Policy/Arn"),
        asked: "PolicyArn",
        listed: ("ListPolicies", "ListPoliciesResult/Policies/member", "Arn"),
        missing: Some((404, "NoSuchEntity", "Policy {} does not exist or is not attachable.")),
    },
    Kind {
        service: "autoscaling",
        create: "CreateAutoScalingGroup",
        id: Id::Param("AutoScalingGroupName"),
        asked: "AutoScalingGroupNames",
        listed: (
            "DescribeAutoScalingGroups",
            "DescribeAutoScalingGroupsResult/AutoScalingGroups/member",
            "AutoScalingGroupName",
        ),
        missing: None,
    },
];

/// What was made and is not seen yet.
#[derive(Debug, Default)]
pub(crate) struct Eventual {
    pace: Option<Pace>,
    /// By the action that made it and its id.
    hidden: BTreeMap<(&'static str, String), Countdown>,
}

impl Eventual {
    /// Sets how long what is made from now on is not seen.
    pub(crate) fn set(&mut self, pace: Option<Pace>) {
        self.pace = pace;
    }

    /// Learns from the reply to a call what was made.
    pub(crate) fn learn(&mut self, asked: &Asked, reply: &Element) {
        let Some(pace) = self.pace else { return };
        let kind = KINDS.iter().find(|kind| asked.is(kind.service, kind.create));
        let Some(kind) = kind else { return };
        let ids = match kind.id {
            Id::Reply(path) => reply.texts(path),
            Id::Param(name) => vec![asked.param(name)],
        };
        for id in ids {
            let left = Countdown::new(pace);
            if left.is_running() {
                self.hidden.insert((kind.create, id.to_owned()), left);
            }
        }
    }

    /// Takes out of a reply what is not seen yet, as one look; refuses a question by its id.
    pub(crate) fn rewrite(&mut self, asked: &Asked, reply: &mut Element) -> Result<(), Refusal> {
        self.hidden.retain(|_, left| left.is_running());
        if self.hidden.is_empty() {
            return Ok(());
        }
        for kind in KINDS.iter().filter(|kind| kind.service == asked.service) {
            self.refuse_by_id(kind, asked)?;
            let (action, items, id) = kind.listed;
            if asked.action == action {
                reply.retain(items, &mut |item| !self.hides(kind, item.text_at(id)));
            }
            if asked.is("ec2", "DescribeTags") {
                let shows = &mut |tag: &Element| !self.hides(kind, tag.text_at("resourceId"));
                reply.retain("tagSet/item", shows);
            }
        }
        if asked.is("ec2", "DescribeInstances") {
            reply.retain("reservationSet/item", &mut |item| item.at("instancesSet/item").is_some());
        }
        Ok(())
    }

    fn refuse_by_id(&mut self, kind: &Kind, asked: &Asked) -> Result<(), Refusal> {
        let Some((status, code, message)) = kind.missing else { return Ok(()) };
        let mut ids = asked.list(kind.asked);
        ids.push(asked.param(kind.asked));
        match ids.into_iter().find(|id| self.hides(kind, id)) {
            Some(id) => Err(Refusal { status, ..Refusal::new(code, message.replace("{}", id)) }),
            None => Ok(()),
        }
    }

    fn hides(&mut self, kind: &Kind, id: &str) -> bool {
        let left = self.hidden.get_mut(&(kind.create, id.to_owned()));
        left.is_some_and(Countdown::look)
    }
}
