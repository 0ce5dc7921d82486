//! What cannot be launched: types, images and keys that nobody knows, groups of another network, and
//! instance profiles that IAM has and EC2 has not heard of yet.
//!
//! moto launches anything. Codes:
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>. What must not be
//! here: how many may be launched.

use crate::aws_proxy::asked::Asked;
use crate::aws_proxy::refusal::Refusal;
use crate::aws_proxy::view::View;
use crate::aws_proxy::xml::Element;
use std::collections::BTreeMap;

/// What is launched, from the call and the launch template that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) instance_type: String,
    pub(super) image: String,
    /// The name of the instance profile.
    pub(super) profile: String,
    /// Its ARN, when it was named by that.
    profile_arn: String,
    pub(super) is_spot: bool,
    key: String,
    subnet: String,
    groups: Vec<String>,
}

/// Instance profiles that EC2 has not heard of yet, and how often it still says so.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    refusals: u32,
    fresh: BTreeMap<String, u32>,
}

impl Profiles {
    /// Sets how many launches with a profile that is made from now on are refused.
    pub(crate) fn set(&mut self, refusals: u32) {
        self.refusals = refusals;
    }

    /// Learns what was made.
    pub(crate) fn learn(&mut self, asked: &Asked) {
        if asked.is("iam", "CreateInstanceProfile") && self.refusals > 0 {
            self.fresh.insert(asked.param("InstanceProfileName").to_owned(), self.refusals);
        }
    }

    /// Says whether EC2 has not heard of it, as one try.
    fn is_unheard_of(&mut self, name: &str) -> bool {
        let Some(left) = self.fresh.get_mut(name) else { return false };
        *left -= 1;
        if *left == 0 {
            self.fresh.remove(name);
        }
        true
    }
}

/// Refuses a launch, also one by a scaling group that is being made.
///
/// What a launch template says is checked when something is launched from it, as EC2 does it.
pub(super) async fn judge(view: &View<'_>, asked: &Asked, checked: bool) -> Result<(), Refusal> {
    let is_group = asked.is("autoscaling", "CreateAutoScalingGroup");
    if !is_group && !asked.is("ec2", "RunInstances") {
        return Ok(());
    }
    let launch = launch(view, asked).await?;
    if !is_group {
        return judge_launch(view, &launch, checked).await;
    }
    let mut judged = judge_launch(view, &launch, checked).await;
    for ty in overrides(asked) {
        if checked && judged.is_ok() {
            judged = judge_type(view, ty).await;
        }
    }
    // Auto Scaling tries the launch, and gives back what EC2 says in a code of its own.
    judged.map_err(|refusal| {
        let lead = "You must use a valid fully-formed launch template.";
        Refusal::new("ValidationError", format!("{lead} {}", refusal.message))
    })
}

/// Returns the instance types that a group may launch instead of its template's.
fn overrides(asked: &Asked) -> impl Iterator<Item = &str> {
    let prefix = "MixedInstancesPolicy.LaunchTemplate.Overrides.member.";
    let types = asked
        .params
        .iter()
        .filter(move |(name, _)| name.starts_with(prefix) && name.ends_with(".InstanceType"));
    types.map(|(_, ty)| ty.as_str())
}

async fn judge_launch(view: &View<'_>, launch: &Launch, checked: bool) -> Result<(), Refusal> {
    let profile = &launch.profile;
    if !profile.is_empty() && view.state().profiles.is_unheard_of(profile) {
        return no_profile(launch);
    }
    if !checked {
        return Ok(());
    }
    judge_kind(view, launch).await?;
    judge_parts(view, launch).await
}

/// In the words of EC2, which callers look into: the code is that of any wrong value.
fn no_profile(launch: &Launch) -> Result<(), Refusal> {
    let (value, part, kind) = match launch.profile_arn.as_str() {
        "" => (launch.profile.as_str(), "name", "name"),
        arn => (arn, "arn", "ARN"),
    };
    let lead = format!("Value ({value}) for parameter iamInstanceProfile.{part} is invalid.");
    let message = format!("{lead} Invalid IAM Instance Profile {kind}");
    Err(Refusal::new("InvalidParameterValue", message))
}

/// Refuses what does not exist or does not belong together of the rest that a launch names.
async fn judge_parts(view: &View<'_>, launch: &Launch) -> Result<(), Refusal> {
    let Launch { profile, key, subnet, groups, .. } = launch;
    if !profile.is_empty() {
        let params = [("InstanceProfileName", profile.as_str())];
        let reply = view.ask("iam", "GetInstanceProfile", &params).await?;
        if reply.at("GetInstanceProfileResult/InstanceProfile").is_none() {
            return no_profile(launch);
        }
    }
    if !key.is_empty() {
        let reply = view.ec2("DescribeKeyPairs", "key-name", key).await?;
        if reply.at("keySet/item").is_none() {
            let message = format!("The key pair '{key}' does not exist");
            return Err(Refusal::new("InvalidKeyPair.NotFound", message));
        }
    }
    let subnets = view.ec2("DescribeSubnets", "subnet-id", subnet).await?;
    let network = subnets.text_at("subnetSet/item/vpcId");
    for group in groups {
        let reply = view.ec2("DescribeSecurityGroups", "group-id", group).await?;
        let other = reply.text_at("securityGroupInfo/item/vpcId");
        if !network.is_empty() && !other.is_empty() && network != other {
            let what = format!("Security group {group} and subnet {subnet}");
            let message = format!("{what} belong to different networks.");
            return Err(Refusal::new("InvalidParameter", message));
        }
    }
    Ok(())
}

async fn judge_type(view: &View<'_>, ty: &str) -> Result<(), Refusal> {
    match vcpus(view, ty).await? {
        Some(_) => Ok(()),
        None => {
            let message = format!("Invalid value '{ty}' for InstanceType.");
            Err(Refusal::new("InvalidParameterValue", message))
        }
    }
}

/// Refuses a type or an image that nobody knows.
async fn judge_kind(view: &View<'_>, launch: &Launch) -> Result<(), Refusal> {
    if !launch.instance_type.is_empty() {
        judge_type(view, &launch.instance_type).await?;
    }
    let image = &launch.image;
    let params = [("ImageId.1", image.as_str())];
    let known = image.is_empty()
        || view.ask("ec2", "DescribeImages", &params).await?.at("imagesSet/item").is_some();
    match known {
        true => Ok(()),
        false => {
            let message = format!("The image id '[{image}]' does not exist");
            Err(Refusal::new("InvalidAMIID.NotFound", message))
        }
    }
}

/// Returns how many vCPUs an instance type has; `None` when there is no such type.
pub(super) async fn vcpus(view: &View<'_>, ty: &str) -> Result<Option<u32>, Refusal> {
    let reply = view.ask("ec2", "DescribeInstanceTypes", &[("InstanceType.1", ty)]).await?;
    Ok(reply.text_at("instanceTypeSet/item/vCpuInfo/defaultVCpus").parse().ok())
}

/// Returns what a call launches: what it says itself, and of the rest what its template says.
pub(super) async fn launch(view: &View<'_>, asked: &Asked) -> Result<Launch, Refusal> {
    let template = template(view, asked).await?;
    let said = |name: &str, path: &str| match asked.param(name) {
        "" => template.text_at(path).to_owned(),
        value => value.to_owned(),
    };
    let name = said("IamInstanceProfile.Name", "iamInstanceProfile/name");
    let profile_arn = said("IamInstanceProfile.Arn", "iamInstanceProfile/arn");
    let profile = match name.as_str() {
        "" => profile_arn.rsplit('/').next().unwrap_or_default().to_owned(),
        name => name.to_owned(),
    };
    let market = said("InstanceMarketOptions.MarketType", "instanceMarketOptions/marketType");
    let zones = asked.param("VPCZoneIdentifier").split(',').next().unwrap_or_default().to_owned();
    let subnets = [
        said("SubnetId", "subnetId"),
        said("NetworkInterface.1.SubnetId", "networkInterfaceSet/item/subnetId"),
        zones,
    ];
    let groups = [
        asked.list("SecurityGroupId"),
        asked.list("NetworkInterface.1.SecurityGroupId"),
        template.texts("securityGroupIdSet/item"),
        template.texts("networkInterfaceSet/item/groupSet/groupId"),
    ];
    Ok(Launch {
        key: said("KeyName", "keyName"),
        subnet: subnets.into_iter().find(|subnet| !subnet.is_empty()).unwrap_or_default(),
        groups: groups.concat().into_iter().map(str::to_owned).collect(),
        instance_type: said("InstanceType", "instanceType"),
        image: said("ImageId", "imageId"),
        profile,
        profile_arn,
        is_spot: market == "spot",
    })
}

/// Returns the data of the launch template that a call names; an empty element without one.
async fn template(view: &View<'_>, asked: &Asked) -> Result<Element, Refusal> {
    let prefix = match asked.service.as_str() {
        "autoscaling"
            if asked.params.keys().any(|key| key.starts_with("MixedInstancesPolicy.")) =>
        {
            "MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification"
        }
        _ => "LaunchTemplate",
    };
    let part = |name: &str| asked.param(&format!("{prefix}.{name}"));
    let (id, name) = (part("LaunchTemplateId"), part("LaunchTemplateName"));
    let version = match part("Version") {
        "" => "$Default",
        version => version,
    };
    let which = match (id, name) {
        ("", "") => return Ok(Element::default()),
        ("", name) => ("LaunchTemplateName", name),
        (id, _) => ("LaunchTemplateId", id),
    };
    let params = [which, ("LaunchTemplateVersion.1", version)];
    let reply = view.ask("ec2", "DescribeLaunchTemplateVersions", &params).await?;
    let data = reply.at("launchTemplateVersionSet/item/launchTemplateData");
    Ok(data.cloned().unwrap_or_default())
}
