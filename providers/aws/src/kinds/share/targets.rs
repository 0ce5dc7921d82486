//! `aws.mount_targets`: where machines reach a file system, one address in each zone.
//!
//! ## Why one node and not one a zone
//! A network says in which subnets data stands as one list, and how long it is is the network's affair: a
//! share is lowered without knowing. And EFS has no tags for mount targets: the file system carries whose
//! they are, and in which subnets they are to be, so that one half of them is known to be a half.

use super::efs;
use crate::clients::{Aws, partition};
use crate::failure::{failed, not_visible_yet};
use crate::object::{
    Actions, Change, Live, Make, Object, Remove, Select, Stage, Tags, begun, text, values,
};
use crate::tags::{self, tags_in};
use async_trait::async_trait;
use aws_sdk_efs::types::{FileSystemDescription, LifeCycleState, MountTargetDescription};
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::Value;
use futures::future::try_join_all;

/// A mount target takes a minute or two.
const MAKING_MS: u64 = 10_000;

/// The tags of a file system that say whose its mount targets are, and where they are to be.
const CARRIED_ADDRESS: &str = "dsenv:targets-address";
const CARRIED_SUBNETS: &str = "dsenv:targets-subnets";
const CARRIED_TOKEN: &str = "dsenv:targets-token";

/// What the id ends with: there is no object of that name, and the file system has its own id.
const SUFFIX: &str = ":targets";

/// The native type.
pub(crate) const MOUNT_TARGETS: NativeType = NativeType {
    name: "aws.mount_targets",
    doc: "Where machines reach a file system: one address in each zone.",
    fields: &[
        Field::new("filesystem", Type::Text, "The file system.")
            .required()
            .replaces()
            .class(Class::Bind),
        Field::new("subnets", Type::List(&Type::Text), "Where: one subnet a zone.")
            .required()
            .unordered()
            .class(Class::Bind),
        Field::new("groups", Type::List(&Type::Text), "Their security groups.")
            .required()
            .unordered()
            .class(Class::Bind),
    ],
    attributes: &[Attribute::new("host", "The name that leads to the one in one's own zone.")],
    // A file system has one in a zone.
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

pub(crate) struct MountTargets;

/// <https://docs.aws.amazon.com/efs/latest/ug/mounting-fs-mount-cmd-dns-name.html>
fn host(id: &str, region: &str) -> String {
    let domain = if partition(region) == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("{id}.efs.{region}.{domain}")
}

fn filesystem_of(remote_id: &str) -> &str {
    remote_id.strip_suffix(SUFFIX).unwrap_or(remote_id)
}

fn carried(tags: &Tags) -> Tags {
    let names = [(CARRIED_ADDRESS, tags::ADDRESS), (CARRIED_TOKEN, tags::TOKEN)];
    let tag = |(carried, name): (&str, &str)| Some((carried.to_owned(), tags.get(name)?.clone()));
    names.into_iter().filter_map(tag).collect()
}

/// A subnet's id has 24 characters, and a tag takes 256: more zones than ten has no region.
fn carried_subnets(make: Make<'_>) -> (String, String) {
    (CARRIED_SUBNETS.to_owned(), make.texts("subnets").join(" "))
}

fn own_tags(of_filesystem: &Tags) -> Tags {
    let names = [
        (tags::ADDRESS, CARRIED_ADDRESS),
        (tags::TOKEN, CARRIED_TOKEN),
        (tags::BLUEPRINT, tags::BLUEPRINT),
        (tags::ENVIRONMENT, tags::ENVIRONMENT),
        (tags::LINEAGE, tags::LINEAGE),
    ];
    let tag =
        |(name, from): (&str, &str)| Some((name.to_owned(), of_filesystem.get(from)?.clone()));
    let mut tags: Tags = names.into_iter().filter_map(tag).collect();
    tags.insert(tags::TYPE.to_owned(), MOUNT_TARGETS.name.to_owned());
    tags
}

/// How far all of them are, and whether one is missing of those that are to be.
fn stage(targets: &[MountTargetDescription], wanted: &str) -> Stage {
    let is =
        |state: LifeCycleState| targets.iter().any(|target| *target.life_cycle_state() == state);
    let missing = wanted.split_whitespace().any(|subnet| {
        !targets.iter().any(|target| {
            target.subnet_id() == subnet && !efs::is_leaving(target.life_cycle_state())
        })
    });
    if is(LifeCycleState::Error) {
        Stage::Failed("the state of a mount target is `error`".to_owned())
    } else if is(LifeCycleState::Creating) || is(LifeCycleState::Updating) {
        Stage::Pending("the share is being brought into each zone", MAKING_MS)
    } else if targets.iter().all(|target| efs::is_leaving(target.life_cycle_state())) {
        Stage::Leaving("the share is being taken out of each zone", MAKING_MS)
    } else if missing {
        Stage::Partial
    } else {
        Stage::Ready
    }
}

impl MountTargets {
    async fn of(aws: &Aws, filesystem: &str) -> Result<Vec<MountTargetDescription>, OpError> {
        // There is one a zone at most, and a page has ten at least.
        let request = aws.efs.describe_mount_targets().file_system_id(filesystem).max_items(100);
        match request.send().await.map_err(|e| failed("looking at mount targets", e)) {
            Ok(reply) => Ok(reply.mount_targets.unwrap_or_default()),
            Err(error) if error.class == OpErrorClass::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The groups of one, sorted.
    async fn groups(aws: &Aws, target: &str) -> Result<Vec<String>, OpError> {
        let request = aws.efs.describe_mount_target_security_groups().mount_target_id(target);
        let reply = request.send().await;
        match reply.map_err(|e| failed(&format!("looking at the groups of {target}"), e)) {
            Ok(reply) => {
                let mut groups = reply.security_groups;
                groups.sort();
                Ok(groups)
            }
            // It goes, or is not there yet.
            Err(error) if error.class == OpErrorClass::NotFound => Ok(Vec::new()),
            Err(error) if error.class == OpErrorClass::InUse => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Looks at all of one file system; `None` where there are none.
    async fn look(aws: &Aws, found: &FileSystemDescription) -> Result<Option<Live>, OpError> {
        let id = found.file_system_id();
        let targets = MountTargets::of(aws, id).await?;
        if targets.is_empty() {
            return Ok(None);
        }
        let tags: Tags = tags_in!(found.tags());
        let wanted = tags.get(CARRIED_SUBNETS).map(String::as_str).unwrap_or_default();
        let stage = stage(&targets, wanted);
        let usable =
            targets.iter().filter(|it| *it.life_cycle_state() == LifeCycleState::Available);
        let groups = usable.map(|target| MountTargets::groups(aws, target.mount_target_id()));
        let mut groups = try_join_all(groups).await?;
        groups.sort();
        groups.dedup();
        // That they differ is told as all of them together: then it is what nobody asked for.
        let mut groups: Vec<String> = groups.into_iter().flatten().collect();
        groups.dedup();
        let there = targets.iter().filter(|it| !efs::is_leaving(it.life_cycle_state()));
        let mut subnets: Vec<&str> = there.map(|target| target.subnet_id()).collect();
        subnets.sort_unstable();
        let values = values([
            ("filesystem", text(Some(id))),
            ("subnets", Some(Value::List(subnets.into_iter().map(Value::text).collect()))),
            ("groups", Some(Value::List(groups.into_iter().map(Value::Text).collect()))),
            ("host", text(Some(&host(id, &aws.region)))),
        ]);
        let remote_id = format!("{id}{SUFFIX}");
        Ok(Some(Live { remote_id, tags: own_tags(&tags), stage, values }))
    }

    /// Makes those that are missing.
    async fn add(aws: &Aws, make: Make<'_>, id: &str) -> Result<(), OpError> {
        let there = MountTargets::of(aws, id).await?;
        for subnet in make.texts("subnets") {
            let known = there.iter().find(|target| target.subnet_id() == subnet);
            if known.is_some_and(|target| !efs::is_leaving(target.life_cycle_state())) {
                continue;
            }
            let request = aws.efs.create_mount_target().file_system_id(id).subnet_id(&subnet);
            let request = request.set_security_groups(Some(make.texts("groups")));
            let doing = format!("bringing {id} into {subnet}");
            let reply = request.send().await;
            match reply.map_err(|e| not_visible_yet(failed(&doing, e))) {
                // An earlier try has made it, and it is not shown yet.
                Err(error) if error.message.contains("MountTargetConflict") && make.again => {}
                reply => drop(reply?),
            }
        }
        Ok(())
    }

    async fn drop_target(aws: &Aws, target: &str) -> Result<(), OpError> {
        let request = aws.efs.delete_mount_target().mount_target_id(target);
        match request.send().await.map_err(|e| failed(&format!("deleting {target}"), e)) {
            Err(error) if error.class != OpErrorClass::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Object for MountTargets {
    fn ty(&self) -> &'static NativeType {
        &MOUNT_TARGETS
    }

    fn actions(&self) -> Actions {
        // The addresses are interfaces of the caller's own network.
        // <https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html>
        Actions {
            look: &[
                "elasticfilesystem:DescribeFileSystems",
                "elasticfilesystem:DescribeMountTargetSecurityGroups",
                "elasticfilesystem:DescribeMountTargets",
            ],
            create: &[
                "ec2:CreateNetworkInterface",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSubnets",
                "elasticfilesystem:CreateMountTarget",
                "elasticfilesystem:TagResource",
            ],
            update: &[
                "ec2:CreateNetworkInterface",
                "ec2:DeleteNetworkInterface",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSubnets",
                "ec2:ModifyNetworkInterfaceAttribute",
                "elasticfilesystem:CreateMountTarget",
                "elasticfilesystem:DeleteMountTarget",
                "elasticfilesystem:ModifyMountTargetSecurityGroups",
                "elasticfilesystem:TagResource",
            ],
            delete: &["ec2:DeleteNetworkInterface", "elasticfilesystem:DeleteMountTarget"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let ids: Option<Vec<&str>> = match select {
            Select::Ids(ids) => Some(ids.iter().map(|id| filesystem_of(id)).collect()),
            Select::Owner(_) | Select::Token(_) => None,
        };
        let mut found = efs::filesystems(aws, ids.as_deref()).await?;
        found.retain(|it| {
            let tags: Tags = tags_in!(it.tags());
            let own = own_tags(&tags);
            ids.is_some() || own.contains_key(tags::TOKEN) && tags::are_meant(&own, aws, select)
        });
        let looks = found.iter().map(|it| MountTargets::look(aws, it));
        Ok(try_join_all(looks).await?.into_iter().flatten().collect())
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let id = make.text("filesystem")?;
        let tags = tags::all(aws, make.addr, MOUNT_TARGETS.name, make.token, Tags::new());
        let mut told = carried(&tags);
        told.extend([carried_subnets(make)]);
        // First, so that whatever is made says whose it is.
        efs::tag(aws, id, &told).await.map_err(not_visible_yet)?;
        let values = values([
            ("filesystem", text(Some(id))),
            ("subnets", make.arg("subnets").cloned()),
            ("groups", make.arg("groups").cloned()),
            ("host", text(Some(&host(id, &aws.region)))),
        ]);
        let stage = Stage::Pending("the share is being brought into each zone", MAKING_MS);
        let live = Live { remote_id: format!("{id}{SUFFIX}"), tags, stage, values };
        MountTargets::add(aws, make, id).await.map_err(|error| begun(&live, error))?;
        Ok(live)
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let (id, make) = (filesystem_of(&change.observed.remote_id), change.make);
        efs::tag(aws, id, &Tags::from([carried_subnets(make)])).await?;
        MountTargets::add(aws, Make { again: true, ..make }, id).await?;
        let (subnets, groups) = (make.texts("subnets"), make.texts("groups"));
        for target in MountTargets::of(aws, id).await? {
            let name = target.mount_target_id();
            if !subnets.iter().any(|subnet| subnet == target.subnet_id()) {
                MountTargets::drop_target(aws, name).await?;
                continue;
            }
            let mut wanted = groups.clone();
            wanted.sort();
            let available = *target.life_cycle_state() == LifeCycleState::Available;
            if available && MountTargets::groups(aws, name).await? != wanted {
                let request = aws.efs.modify_mount_target_security_groups().mount_target_id(name);
                let request = request.set_security_groups(Some(groups.clone()));
                let doing = format!("changing the groups of {name}");
                request.send().await.map_err(|e| failed(&doing, e))?;
            }
        }
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        for target in MountTargets::of(aws, filesystem_of(remove.remote_id())).await? {
            if !efs::is_leaving(target.life_cycle_state()) {
                MountTargets::drop_target(aws, target.mount_target_id()).await?;
            }
        }
        Ok(false)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        efs::tag(aws, filesystem_of(remote_id), &carried(tags)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(states: &[(&str, LifeCycleState)]) -> Vec<MountTargetDescription> {
        let target = |(subnet, state): &(&str, LifeCycleState)| {
            MountTargetDescription::builder()
                .mount_target_id("fsmt-1")
                .file_system_id("fs-1")
                .subnet_id(*subnet)
                .life_cycle_state(state.clone())
                .build()
                .expect("all is there")
        };
        states.iter().map(target).collect()
    }

    #[test]
    fn a_share_is_ready_where_it_is_in_every_zone() {
        use LifeCycleState::{Available, Creating, Deleting, Error};
        let stage = |states: &[(&str, LifeCycleState)]| stage(&targets(states), "a b");
        assert_eq!(stage(&[("a", Available), ("b", Available)]), Stage::Ready);
        assert_eq!(stage(&[("a", Available)]), Stage::Partial);
        assert_eq!(stage(&[("a", Available), ("b", Deleting)]), Stage::Partial);
        assert!(matches!(stage(&[("a", Available), ("b", Creating)]), Stage::Pending(..)));
        assert!(matches!(stage(&[("a", Deleting), ("b", Deleting)]), Stage::Leaving(..)));
        assert!(matches!(stage(&[("a", Available), ("b", Error)]), Stage::Failed(_)));
    }

    #[test]
    fn its_name_is_that_of_its_partition() {
        assert_eq!(host("fs-1", "us-east-1"), "fs-1.efs.us-east-1.amazonaws.com");
        assert_eq!(host("fs-1", "cn-north-1"), "fs-1.efs.cn-north-1.amazonaws.com.cn");
    }
}
