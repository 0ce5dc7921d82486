//! `aws.volume`: the EBS volume itself.

use crate::clients::Aws;
use crate::ec2::{self, filters, pages, specification};
use crate::failure::{failed, not_visible_yet};
use crate::kinds::TAGS;
use crate::object::{
    Actions, Busy, Change, Live, Make, Object, Remove, Select, Stage, Tags, tags_of, text, values,
};
use crate::tags::{self, tags_in};
use async_trait::async_trait;
use aws_sdk_ec2::operation::create_volume::CreateVolumeOutput;
use aws_sdk_ec2::types::{Filter, ResourceType, SnapshotState, VolumeState, VolumeType};
use dsenv_sdk::OpError;
use dsenv_sdk::provider::{DataFate, OpErrorClass, Token};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::{Map, Value};

/// The type that costs by size, and by speed only beyond the usual.
pub(super) const GP3: &str = "gp3";

const MAKING_MS: u64 = 2_000;
const CHANGING_MS: u64 = 15_000;
const COPYING_MS: u64 = 30_000;

/// The tag that says what the last copy of a volume is called, on the volume and on the copy.
pub(super) const LAST_COPY: &str = "dsenv:last-copy";

/// The native type.
pub(crate) const VOLUME: NativeType = NativeType {
    name: "aws.volume",
    doc: "An EBS volume in one zone, which outlives whatever it is attached to.",
    fields: &[
        Field::new("size_gib", Type::Int { min: 1, max: 65_536 }, "Its size; it grows.")
            .required()
            .grows()
            .class(Class::Scale)
            .of("size"),
        Field::new("disk_type", Type::Text, "What kind of disk it is.")
            .required()
            .class(Class::Scale)
            .of("class"),
        Field::new("iops", Type::Int { min: 1, max: 1_000_000 }, "Reads and writes a second.")
            .class(Class::Scale),
        Field::new("throughput_mib", Type::Int { min: 1, max: 1_000_000 }, "MiB a second.")
            .class(Class::Scale)
            .of("throughput"),
        Field::new("encrypted", Type::Bool, "Whether it is encrypted.").required().replaces(),
        Field::new("zone", Type::Text, "Its availability zone.")
            .required()
            .replaces()
            .class(Class::Bind),
        TAGS,
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: true,
};

pub(crate) struct Volume;

/// How far a volume is, in the words of
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-describing-volumes.html>
fn stage(state: Option<&VolumeState>) -> Stage {
    match state {
        Some(VolumeState::Creating) => Stage::Pending("the volume is being created", MAKING_MS),
        Some(VolumeState::Deleting) => Stage::Leaving("the volume is being deleted", MAKING_MS),
        Some(VolumeState::Deleted) => Stage::Gone("it was deleted".to_owned()),
        Some(VolumeState::Error) => Stage::Failed("its state is `error`".to_owned()),
        _ => Stage::Ready,
    }
}

fn live(volume: &aws_sdk_ec2::types::Volume) -> Live {
    let id = volume.volume_id().unwrap_or_default();
    // What a class has by itself, without being asked, is told as a number too.
    let class = volume.volume_type().map(|ty| ty.as_str());
    let is_measured = class.is_some_and(|class| matches!(class, GP3 | "io1" | "io2"));
    let int = |number: Option<i32>| number.map(|number| Value::Int(number.into()));
    let values = values([
        ("size_gib", int(volume.size())),
        ("disk_type", text(class)),
        ("iops", int(volume.iops()).filter(|_| is_measured)),
        ("throughput_mib", int(volume.throughput()).filter(|_| class == Some(GP3))),
        ("encrypted", volume.encrypted().map(Value::Bool)),
        ("zone", text(volume.availability_zone())),
        ("id", text(Some(id))),
    ]);
    let (tags, stage) = (tags_in!(volume.tags()), stage(volume.state()));
    Live { remote_id: id.to_owned(), tags, stage, values }
}

/// What a create has made, from what was asked for.
fn made(reply: &CreateVolumeOutput, make: Make<'_>, tags: Tags) -> Live {
    let id = reply.volume_id().unwrap_or_default();
    let mut values: Map = make.args.clone();
    values.remove("tags");
    values.insert("id".to_owned(), Value::text(id));
    Live { remote_id: id.to_owned(), tags, stage: stage(reply.state()), values }
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// The last copy of a volume.
struct Copy {
    id: String,
    state: Option<SnapshotState>,
}

impl Volume {
    /// Which of these are being changed: until that is over they show what they were.
    async fn changing(aws: &Aws, select: Select<'_>) -> Result<Vec<String>, OpError> {
        let Select::Ids(ids) = select else { return Ok(Vec::new()) };
        let mut request = aws
            .ec2
            .describe_volumes_modifications()
            .filters(filter("modification-state", "modifying"));
        if ids.len() <= ec2::FILTER_VALUES_MAX {
            let ids = ids.iter().map(|id| (*id).to_owned()).collect();
            let of_these = Filter::builder().name("volume-id").set_values(Some(ids)).build();
            request = request.filters(of_these);
        }
        let found = pages!("looking at changes of volumes", request, volumes_modifications);
        // Not every server filters by the state.
        let under_way = found.into_iter().filter(|it| {
            it.modification_state().is_some_and(|state| state.as_str() == "modifying")
        });
        Ok(under_way.filter_map(|it| it.volume_id).collect())
    }

    /// The last copies of a volume: each has a name in its tags.
    async fn copies(aws: &Aws, id: &str) -> Result<Vec<(String, Copy)>, OpError> {
        let request = aws
            .ec2
            .describe_snapshots()
            .owner_ids("self")
            .filters(filter("volume-id", id))
            .filters(filter("tag-key", LAST_COPY));
        let found = pages!("looking for the last copy of a volume", request, snapshots);
        let copy = |it: aws_sdk_ec2::types::Snapshot| {
            let name = tags_in!(it.tags()).remove(LAST_COPY)?;
            Some((name, Copy { id: it.snapshot_id?, state: it.state }))
        };
        Ok(found.into_iter().filter_map(copy).collect())
    }

    /// Sees to it that there is a last copy. `CreateSnapshot` takes no token, so the volume says first
    /// what its copy is called; whoever attaches it again takes that away, since what is written then
    /// is not in that copy.
    async fn copied(aws: &Aws, live: &Live, token: &Token) -> Result<Copy, OpError> {
        let id = &live.remote_id;
        let copies = Volume::copies(aws, id).await?;
        let name = match live.tags.get(LAST_COPY) {
            Some(name) => name.clone(),
            None => {
                let name = format!("{token}-{}", copies.len());
                ec2::tag(aws, id, &Tags::from([(LAST_COPY.to_owned(), name.clone())])).await?;
                name
            }
        };
        if let Some((_, copy)) = copies.into_iter().find(|(known, _)| *known == name) {
            return Ok(copy);
        }
        let mut tags = tags::own(&live.tags);
        for name in [tags::ADDRESS, tags::BLUEPRINT, tags::ENVIRONMENT, tags::LINEAGE, tags::NAME] {
            tags.extend(live.tags.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        tags.insert(LAST_COPY.to_owned(), name);
        let request = aws
            .ec2
            .create_snapshot()
            .volume_id(id)
            .description(format!("last copy of {id}, by dsenv"))
            .tag_specifications(specification(ResourceType::Snapshot, &tags));
        let doing = format!("copying {id}");
        let reply = request.send().await.map_err(|e| failed(&doing, e))?;
        let id = reply.snapshot_id().unwrap_or_default().to_owned();
        Ok(Copy { id, state: reply.state })
    }

    /// Looks at one that is there, and whether it is attached to anything.
    async fn look(aws: &Aws, id: &str) -> Result<Option<(Live, bool)>, OpError> {
        let request = aws.ec2.describe_volumes().filters(filter("volume-id", id));
        let found = pages!("looking at a volume", request, volumes);
        let there = found.first().map(|volume| (live(volume), !volume.attachments().is_empty()));
        Ok(there.filter(|(live, _)| !matches!(live.stage, Stage::Gone(_))))
    }

    async fn drop_volume(aws: &Aws, id: &str) -> Result<(), OpError> {
        let request = aws.ec2.delete_volume().volume_id(id);
        request.send().await.map_err(|e| failed(&format!("deleting {id}"), e))?;
        Ok(())
    }
}

/// A copy that will never be one.
fn copy_failed(id: &str, copy: &str) -> OpError {
    let message = format!("the last copy {copy} of {id} failed, so it was not deleted");
    OpError::new(OpErrorClass::Invalid, message)
        .help(format!("delete {copy}, then again; or let the data go: `on_destroy: delete`"))
}

#[async_trait]
impl Object for Volume {
    fn ty(&self) -> &'static NativeType {
        &VOLUME
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["ec2:DescribeVolumes", "ec2:DescribeVolumesModifications"],
            create: &["ec2:CreateTags", "ec2:CreateVolume"],
            update: &["ec2:CreateTags", "ec2:DeleteTags", "ec2:ModifyVolume"],
            delete: &[
                "ec2:CreateSnapshot",
                "ec2:CreateTags",
                "ec2:DeleteVolume",
                "ec2:DescribeSnapshots",
            ],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let request = aws.ec2.describe_volumes();
        let request = request.set_filters(Some(filters(aws, select, "volume-id")));
        let volumes = async { Ok(pages!("looking at volumes", request, volumes)) };
        let changing = Volume::changing(aws, select);
        let (volumes, changing) = futures::try_join!(volumes, changing)?;
        let mut found: Vec<Live> = volumes.iter().map(live).collect();
        // Root disks carry the tags of their instance, and are the instance's own affair.
        found.retain(|live| {
            matches!(select, Select::Ids(_))
                || live.tags.get(tags::TYPE).is_some_and(|ty| ty == VOLUME.name)
        });
        for live in &mut found {
            if live.stage == Stage::Ready && changing.contains(&live.remote_id) {
                live.stage = Stage::Pending("the volume is being changed", CHANGING_MS);
            }
        }
        Ok(found)
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let tags = tags::all(aws, make.addr, VOLUME.name, make.token, tags_of(make.args));
        let request = aws
            .ec2
            .create_volume()
            .availability_zone(make.text("zone")?)
            .set_size(make.int("size_gib"))
            .volume_type(VolumeType::from(make.text("disk_type")?))
            .set_iops(make.int("iops"))
            .set_throughput(make.int("throughput_mib"))
            .encrypted(make.flag("encrypted"))
            .client_token(make.token.as_str())
            .tag_specifications(specification(ResourceType::Volume, &tags));
        let reply = request.send().await;
        let reply = reply.map_err(|e| not_visible_yet(failed("creating a volume", e)))?;
        Ok(made(&reply, make, tags))
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let (id, make) = (&change.observed.remote_id, change.make);
        ec2::retag(aws, id, &tags_of(change.prior_args), &tags_of(make.args)).await?;
        // As it is now decides: of a change that was cut off, the rest alone is to be sent.
        let differs = |name: &str| change.observed.values.get(name) != make.arg(name);
        let names = ["size_gib", "disk_type", "iops", "throughput_mib"];
        if !names.into_iter().any(differs) {
            return Ok(None);
        }
        let mut request = aws.ec2.modify_volume().volume_id(id);
        if differs("size_gib") {
            request = request.set_size(make.int("size_gib"));
        }
        if differs("disk_type") {
            request = request.volume_type(VolumeType::from(make.text("disk_type")?));
        }
        if differs("iops") || differs("disk_type") {
            request = request.set_iops(make.int("iops"));
        }
        if differs("throughput_mib") || differs("disk_type") {
            request = request.set_throughput(make.int("throughput_mib"));
        }
        let reply = request.send().await.map_err(|e| failed(&format!("changing {id}"), e));
        match reply {
            // A change is under way already: how it ends is to be seen first.
            Err(error) if error.message.contains("IncorrectModificationState") => {
                return Err(OpError { class: OpErrorClass::InUse, ..error });
            }
            Err(error) if error.message.contains("VolumeModificationRateExceeded") => {
                let help = "AWS changes a volume once in six hours; apply again after that";
                return Err(error.help(help));
            }
            reply => reply?,
        };
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let id = remove.remote_id();
        let Some((live, is_attached)) = Volume::look(aws, id).await? else { return Ok(true) };
        if matches!(live.stage, Stage::Leaving(..)) {
            return Ok(false);
        }
        if remove.data == DataFate::Snapshot {
            if is_attached {
                let message = format!("{id} is attached still, and may be written to");
                return Err(OpError::new(OpErrorClass::InUse, message));
            }
            let copy = Volume::copied(aws, &live, remove.token).await?;
            (remove.watch)(&format!("its last copy is the snapshot {}", copy.id));
            if copy.state != Some(SnapshotState::Completed) {
                return Ok(false);
            }
        }
        Volume::drop_volume(aws, id).await?;
        Ok(false)
    }

    /// A volume goes once its last copy is whole.
    async fn go_on_deleting(&self, aws: &Aws, id: &str) -> Result<Option<Busy>, OpError> {
        let Some((live, _)) = Volume::look(aws, id).await? else { return Ok(None) };
        let name = live.tags.get(LAST_COPY).filter(|_| live.stage == Stage::Ready);
        let Some(name) = name else { return Ok(None) };
        let copies = Volume::copies(aws, id).await?;
        let copy = copies.into_iter().find(|(known, _)| known == name);
        let Some((_, copy)) = copy else {
            return Ok(Some(Busy { waits_for: "its last copy is being made", most_ms: MAKING_MS }));
        };
        match copy.state {
            Some(SnapshotState::Completed) => Volume::drop_volume(aws, id).await.map(|()| None),
            Some(SnapshotState::Error) => Err(copy_failed(id, &copy.id)),
            _ => Ok(Some(Busy { waits_for: "its last copy is being made", most_ms: COPYING_MS })),
        }
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        ec2::tag(aws, remote_id, tags).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_a_stage() {
        let name = |state: VolumeState| match stage(Some(&state)) {
            Stage::Ready => "ready",
            Stage::Partial => "partial",
            Stage::Pending(..) => "pending",
            Stage::Leaving(..) => "leaving",
            Stage::Failed(_) => "failed",
            Stage::Gone(_) => "gone",
        };
        for (state, expected) in [
            (VolumeState::Creating, "pending"),
            (VolumeState::Available, "ready"),
            (VolumeState::InUse, "ready"),
            (VolumeState::Deleting, "leaving"),
            (VolumeState::Deleted, "gone"),
            (VolumeState::Error, "failed"),
        ] {
            assert_eq!(name(state.clone()), expected, "{state:?}");
        }
    }
}
