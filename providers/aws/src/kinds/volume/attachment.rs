//! `aws.attachment`: that a volume is attached to an instance.
//!
//! EC2 has no tags for attachments, so the volume carries whose its attachment is.
//!
//! ## Why a running machine is stopped before its volume is taken away
//! The volume is mounted, and a disk that disappears from below a file system takes with it what was not
//! written yet. Only the machine itself can unmount it, and it does when it stops. So the machine is
//! stopped, the volume detached, and the machine started again: one that is to go is deleted after this, and
//! one that stays works on without the volume. A spot instance cannot be stopped; EC2 is asked to detach
//! and waits by itself until the machine has let go.

use super::disk::LAST_COPY;
use crate::clients::Aws;
use crate::ec2::{self, filters, pages};
use crate::failure::{failed, not_visible_yet};
use crate::object::{
    Actions, Busy, Change, Live, Make, Object, Remove, Select, Stage, Tags, begun, text, values,
};
use crate::tags::{self, tags_in};
use async_trait::async_trait;
use aws_sdk_ec2::types::{
    EbsInstanceBlockDeviceSpecification, Filter, InstanceBlockDeviceMappingSpecification,
    InstanceStateName, Tag, Volume, VolumeAttachment, VolumeAttachmentState,
};
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::Value;

/// What EC2 calls the disks of an instance beside its root; machines see other names.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/device_naming.html>
pub(super) const DEVICES: [&str; 11] = [
    "/dev/sdf", "/dev/sdg", "/dev/sdh", "/dev/sdi", "/dev/sdj", "/dev/sdk", "/dev/sdl", "/dev/sdm",
    "/dev/sdn", "/dev/sdo", "/dev/sdp",
];

const ATTACHING_MS: u64 = 2_000;
const STOPPING_MS: u64 = 10_000;

/// The tags of a volume that say whose its attachment is.
const CARRIED_ADDRESS: &str = "dsenv:attachment-address";
const CARRIED_TOKEN: &str = "dsenv:attachment-token";

/// The native type.
pub(crate) const ATTACHMENT: NativeType = NativeType {
    name: "aws.attachment",
    doc: "That a volume is attached to an instance.",
    fields: &[
        Field::new("volume", Type::Text, "The volume.").required().replaces().class(Class::Bind),
        Field::new("instance", Type::Text, "The instance.")
            .required()
            .replaces()
            .class(Class::Bind),
        Field::new(
            "number",
            Type::Int { min: 0, max: 10 },
            "Which name of a device is tried first.",
        )
        .kept(),
        Field::new("outlives", Type::Bool, "Whether the volume stays when the instance goes.")
            .required(),
    ],
    attributes: &[Attribute::new("device", "What EC2 calls the disk.")],
    // A volume is attached once.
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

pub(crate) struct Attachment;

fn id_of(volume: &str, instance: &str) -> String {
    format!("{volume}:{instance}")
}

/// The volume and the instance of an attachment.
fn parts(remote_id: &str) -> (&str, &str) {
    remote_id.split_once(':').unwrap_or((remote_id, ""))
}

/// The tags of an attachment, as its volume carries them.
fn carried(tags: &Tags) -> Tags {
    let names = [(CARRIED_ADDRESS, tags::ADDRESS), (CARRIED_TOKEN, tags::TOKEN)];
    let tag = |(carried, name): (&str, &str)| Some((carried.to_owned(), tags.get(name)?.clone()));
    names.into_iter().filter_map(tag).collect()
}

/// The tags of an attachment, read from its volume's.
fn own_tags(of_volume: &Tags) -> Tags {
    let names = [
        (tags::ADDRESS, CARRIED_ADDRESS),
        (tags::TOKEN, CARRIED_TOKEN),
        (tags::BLUEPRINT, tags::BLUEPRINT),
        (tags::ENVIRONMENT, tags::ENVIRONMENT),
        (tags::LINEAGE, tags::LINEAGE),
    ];
    let tag = |(name, from): (&str, &str)| Some((name.to_owned(), of_volume.get(from)?.clone()));
    let mut tags: Tags = names.into_iter().filter_map(tag).collect();
    tags.insert(tags::TYPE.to_owned(), ATTACHMENT.name.to_owned());
    tags
}

fn stage(state: Option<&VolumeAttachmentState>) -> Stage {
    match state {
        Some(VolumeAttachmentState::Attaching) => {
            Stage::Pending("the volume is being attached", ATTACHING_MS)
        }
        Some(VolumeAttachmentState::Detaching | VolumeAttachmentState::Busy) => {
            Stage::Leaving("the volume is being detached", STOPPING_MS)
        }
        Some(VolumeAttachmentState::Detached) => Stage::Gone("it was detached".to_owned()),
        _ => Stage::Ready,
    }
}

fn live(attachment: &VolumeAttachment, of_volume: &Tags) -> Live {
    let volume = attachment.volume_id().unwrap_or_default();
    let instance = attachment.instance_id().unwrap_or_default();
    let values = values([
        ("volume", text(Some(volume))),
        ("instance", text(Some(instance))),
        ("outlives", Some(Value::Bool(attachment.delete_on_termination() != Some(true)))),
        ("device", text(attachment.device())),
    ]);
    let (remote_id, stage) = (id_of(volume, instance), stage(attachment.state()));
    Live { remote_id, tags: own_tags(of_volume), stage, values }
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

impl Attachment {
    async fn volume(aws: &Aws, id: &str) -> Result<Option<Volume>, OpError> {
        let request = aws.ec2.describe_volumes().filters(filter("volume-id", id));
        Ok(pages!("looking at a volume", request, volumes).into_iter().next())
    }

    /// How an instance stands; `None` when it is not shown.
    async fn state(aws: &Aws, instance: &str) -> Result<Option<InstanceStateName>, OpError> {
        let request = aws.ec2.describe_instances().filters(filter("instance-id", instance));
        let found = pages!("looking at an instance", request, reservations);
        let mut instances = found.iter().flat_map(|it| it.instances());
        Ok(instances.next().and_then(|it| it.state()).and_then(|state| state.name().cloned()))
    }

    /// The first free name, from the one on that is tried first.
    async fn device(aws: &Aws, make: Make<'_>, instance: &str) -> Result<&'static str, OpError> {
        let request = aws.ec2.describe_volumes();
        let request = request.filters(filter("attachment.instance-id", instance));
        let volumes = pages!("looking at volumes of an instance", request, volumes);
        let attachments = || volumes.iter().flat_map(|volume| volume.attachments());
        let taken = |name: &&str| attachments().any(|it| it.device() == Some(*name));
        let first = make.int("number").and_then(|it| usize::try_from(it).ok()).unwrap_or(0);
        let names = DEVICES.iter().cycle().skip(first).take(DEVICES.len());
        let none = || {
            let message = format!("{instance} has no room for another volume");
            OpError::new(OpErrorClass::Invalid, message)
        };
        names.copied().find(|name| !taken(name)).ok_or_else(none)
    }

    /// Starts a machine that stands still: that a volume is attached to it means that it is to work.
    async fn wake(
        aws: &Aws,
        instance: &str,
        state: Option<InstanceStateName>,
    ) -> Result<(), OpError> {
        if state != Some(InstanceStateName::Stopped) {
            return Ok(());
        }
        let request = aws.ec2.start_instances().instance_ids(instance);
        request.send().await.map_err(|e| failed(&format!("starting {instance}"), e))?;
        Ok(())
    }

    /// Stops a machine, so that it lets go of its volumes; `false` when it is one that cannot be stopped.
    async fn stop(aws: &Aws, instance: &str) -> Result<bool, OpError> {
        let request = aws.ec2.stop_instances().instance_ids(instance);
        match request.send().await.map_err(|e| failed(&format!("stopping {instance}"), e)) {
            Ok(_) => Ok(true),
            // A spot instance: "You can't stop the Spot Instance ... because it is associated with a
            // one-time Spot Instance request".
            Err(error) if error.message.contains("UnsupportedOperation") => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn detach(aws: &Aws, volume: &str, instance: &str) -> Result<(), OpError> {
        // Never by force: that loses what was not written.
        let request = aws.ec2.detach_volume().volume_id(volume).instance_id(instance);
        let doing = format!("detaching {volume} from {instance}");
        match request.send().await.map_err(|e| failed(&doing, e)) {
            // It was detached meanwhile, or never attached: `IncorrectState`, as for others.
            Err(error) if error.message.contains("is in the 'available' state") => Ok(()),
            reply => reply.map(drop),
        }
    }

    /// Takes the next step of letting go; `None` when nothing is left to do.
    async fn let_go(aws: &Aws, remote_id: &str) -> Result<Option<Busy>, OpError> {
        const DETACHES: Busy =
            Busy { waits_for: "the volume is being detached", most_ms: STOPPING_MS };
        const STOPS: Busy = Busy {
            waits_for: "the machine stops, so that all is written to its volume",
            most_ms: STOPPING_MS,
        };
        let (volume, instance) = parts(remote_id);
        let found = Attachment::volume(aws, volume).await?;
        let attached = found.as_ref().and_then(|found| {
            let mut attachments = found.attachments().iter();
            attachments.find(|it| it.instance_id() == Some(instance))
        });
        let Some(attached) = attached.filter(|it| !matches!(stage(it.state()), Stage::Gone(_)))
        else {
            let state = Attachment::state(aws, instance).await?;
            return Attachment::wake(aws, instance, state).await.map(|()| None);
        };
        if matches!(stage(attached.state()), Stage::Leaving(..)) {
            return Ok(Some(DETACHES));
        }
        match Attachment::state(aws, instance).await? {
            Some(InstanceStateName::Running) if Attachment::stop(aws, instance).await? => {
                return Ok(Some(STOPS));
            }
            Some(
                InstanceStateName::Pending
                | InstanceStateName::Stopping
                | InstanceStateName::ShuttingDown,
            ) => return Ok(Some(STOPS)),
            // It stands still, or is gone.
            _ => {}
        }
        Attachment::detach(aws, volume, instance).await?;
        Ok(Some(DETACHES))
    }
}

#[async_trait]
impl Object for Attachment {
    fn ty(&self) -> &'static NativeType {
        &ATTACHMENT
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["ec2:DescribeInstances", "ec2:DescribeVolumes"],
            create: &["ec2:AttachVolume", "ec2:CreateTags", "ec2:DeleteTags", "ec2:StartInstances"],
            update: &["ec2:ModifyInstanceAttribute"],
            delete: &["ec2:DetachVolume", "ec2:StartInstances", "ec2:StopInstances"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let ids: Vec<&str> = match select {
            Select::Ids(ids) => ids.iter().map(|id| parts(id).0).collect(),
            Select::Owner(_) | Select::Token(_) => Vec::new(),
        };
        let filters = match select {
            Select::Ids(_) => filters(aws, Select::Ids(&ids), "volume-id"),
            Select::Token(token) => vec![filter(&format!("tag:{CARRIED_TOKEN}"), token.as_str())],
            Select::Owner(_) => filters(aws, select, "volume-id"),
        };
        let request = aws.ec2.describe_volumes().set_filters(Some(filters));
        let volumes = pages!("looking at attachments", request, volumes);
        let mut found = Vec::new();
        for volume in &volumes {
            let tags: Tags = tags_in!(volume.tags());
            // A root disk is attached too, and is its instance's own affair.
            if matches!(select, Select::Ids(_)) || tags.contains_key(CARRIED_TOKEN) {
                found.extend(volume.attachments().iter().map(|it| live(it, &tags)));
            }
        }
        if let Select::Ids(ids) = select {
            found.retain(|live| ids.contains(&&*live.remote_id));
        }
        Ok(found)
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let (volume, instance) = (make.text("volume")?, make.text("instance")?);
        let missing =
            || OpError::new(OpErrorClass::NotFound, format!("volume {volume} is not there"));
        let found = Attachment::volume(aws, volume).await?;
        let found = found.ok_or_else(|| not_visible_yet(missing()))?;
        let of_volume: Tags = tags_in!(found.tags());
        let tags = tags::all(aws, make.addr, ATTACHMENT.name, make.token, Tags::new());
        // First, so that whatever is attached says whose it is.
        ec2::tag(aws, volume, &carried(&tags)).await?;
        if of_volume.contains_key(LAST_COPY) {
            // What is written from now on is in no copy.
            let request = aws.ec2.delete_tags().resources(volume);
            let request = request.tags(Tag::builder().key(LAST_COPY).build());
            request.send().await.map_err(|e| failed(&format!("untagging {volume}"), e))?;
        }
        let state = Attachment::state(aws, instance).await?;
        if matches!(state, Some(InstanceStateName::Pending | InstanceStateName::Stopping)) {
            // EC2 attaches to what runs or stands still.
            let message = format!("{instance} is on its way to run or to stop");
            return Err(OpError::new(OpErrorClass::InUse, message));
        }
        let there = found.attachments().iter().find(|it| it.instance_id() == Some(instance));
        let there =
            there.filter(|it| matches!(stage(it.state()), Stage::Ready | Stage::Pending(..)));
        let attached = match there {
            // By a reply that was lost, or by a hand. It becomes ours.
            Some(there) => live(there, &of_volume),
            None => {
                let device = Attachment::device(aws, make, instance).await?;
                let request = aws.ec2.attach_volume().volume_id(volume).instance_id(instance);
                let doing = format!("attaching {volume} to {instance}");
                let reply = request.device(device).send().await;
                let reply = reply.map_err(|e| not_visible_yet(failed(&doing, e)));
                let reply = reply.map_err(device_is_taken)?;
                let made = VolumeAttachment::builder()
                    .volume_id(volume)
                    .instance_id(instance)
                    .device(reply.device().unwrap_or(device))
                    .set_state(reply.state().cloned())
                    .build();
                live(&made, &of_volume)
            }
        };
        let attached = Live { tags, ..attached };
        let woken = Attachment::wake(aws, instance, state).await;
        woken.map_err(|error| begun(&attached, error))?;
        Ok(attached)
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let (_, instance) = parts(&change.observed.remote_id);
        let device = change.observed.values.get("device").and_then(Value::as_text);
        let ebs = EbsInstanceBlockDeviceSpecification::builder()
            .delete_on_termination(!change.make.flag("outlives"))
            .build();
        let mapping = InstanceBlockDeviceMappingSpecification::builder()
            .set_device_name(device.map(str::to_owned))
            .ebs(ebs)
            .build();
        let request = aws.ec2.modify_instance_attribute().instance_id(instance);
        let request = request.block_device_mappings(mapping);
        request.send().await.map_err(|e| failed(&format!("changing a disk of {instance}"), e))?;
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        Ok(Attachment::let_go(aws, remove.remote_id()).await?.is_none())
    }

    async fn go_on_deleting(&self, aws: &Aws, remote_id: &str) -> Result<Option<Busy>, OpError> {
        Attachment::let_go(aws, remote_id).await
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        ec2::tag(aws, parts(remote_id).0, &carried(tags)).await
    }
}

/// Two volumes that are attached to one instance at once may take the same name; another is taken then.
fn device_is_taken(error: OpError) -> OpError {
    match error.message.contains("already in use") {
        true => OpError { class: OpErrorClass::Throttled { retry_after_ms: None }, ..error },
        false => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_that_goes_with_its_instance_is_seen() {
        let outlives = |delete: Option<bool>| {
            let attachment = VolumeAttachment::builder().set_delete_on_termination(delete).build();
            live(&attachment, &Tags::new()).values["outlives"].clone()
        };
        assert_eq!(outlives(Some(true)), Value::Bool(false));
        assert_eq!(outlives(Some(false)), Value::Bool(true));
        assert_eq!(outlives(None), Value::Bool(true));
    }

    #[test]
    fn a_volume_says_whose_its_attachment_is() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let own = Tags::from([pair(tags::ADDRESS, "desk.grant"), pair(tags::TOKEN, "t")]);
        let mut of_volume = Tags::from([
            pair(tags::ADDRESS, "data"),
            pair(tags::TOKEN, "of the volume"),
            pair(tags::LINEAGE, "l"),
            pair("team", "ml"),
        ]);
        of_volume.extend(carried(&own));
        let read = own_tags(&of_volume);
        assert_eq!(
            (&read[tags::ADDRESS], &read[tags::TOKEN]),
            (&own[tags::ADDRESS], &own[tags::TOKEN])
        );
        assert_eq!((&*read[tags::TYPE], &*read[tags::LINEAGE]), (ATTACHMENT.name, "l"));
        assert!(!read.contains_key("team"));
    }
}
