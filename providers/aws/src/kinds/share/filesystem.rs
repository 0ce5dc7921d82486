//! `aws.filesystem`: the EFS file system itself.

use super::efs;
use crate::clients::Aws;
use crate::failure::failed;
use crate::kinds::TAGS;
use crate::object::{
    Actions, Change, Live, Make, Object, Remove, Select, Stage, Tags, dropped, in_our_own_way,
    tags_of, text, values,
};
use crate::tags::{self, tags_in};
use async_trait::async_trait;
use aws_sdk_efs::types::{FileSystemDescription, LifeCycleState};
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;
use dsenv_sdk::schema::{Attribute, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::Value;

const MAKING_MS: u64 = 3_000;

/// The native type.
///
/// How it is paid for is EFS' own default, `bursting`: by what is stored, and nothing for what is read
/// and written. <https://docs.aws.amazon.com/efs/latest/ug/performance.html>
pub(crate) const FILESYSTEM: NativeType = NativeType {
    name: "aws.filesystem",
    doc: "An EFS file system over all zones of the region.",
    fields: &[
        Field::new("encrypted", Type::Bool, "Whether it is encrypted at rest.")
            .required()
            .replaces(),
        TAGS,
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: true,
};

pub(crate) struct FileSystem;

fn stage(state: &LifeCycleState) -> Stage {
    match state {
        LifeCycleState::Creating => Stage::Pending("the file system is being created", MAKING_MS),
        LifeCycleState::Deleting => Stage::Leaving("the file system is being deleted", MAKING_MS),
        LifeCycleState::Deleted => Stage::Gone("it was deleted".to_owned()),
        LifeCycleState::Error => Stage::Failed("its state is `error`".to_owned()),
        _ => Stage::Ready,
    }
}

fn live(found: &FileSystemDescription) -> Live {
    let id = found.file_system_id();
    let values =
        values([("encrypted", found.encrypted().map(Value::Bool)), ("id", text(Some(id)))]);
    let (tags, stage) = (tags_in!(found.tags()), stage(found.life_cycle_state()));
    Live { remote_id: id.to_owned(), tags, stage, values }
}

impl FileSystem {
    /// What a create with this token has made before.
    async fn of_token(aws: &Aws, make: Make<'_>) -> Result<Option<Live>, OpError> {
        let request = aws.efs.describe_file_systems().creation_token(make.token.as_str());
        let reply = request.send().await.map_err(|e| failed("looking for a file system", e))?;
        Ok(reply.file_systems().first().map(live))
    }
}

#[async_trait]
impl Object for FileSystem {
    fn ty(&self) -> &'static NativeType {
        &FILESYSTEM
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["elasticfilesystem:DescribeFileSystems"],
            create: &["elasticfilesystem:CreateFileSystem", "elasticfilesystem:TagResource"],
            update: &["elasticfilesystem:TagResource", "elasticfilesystem:UntagResource"],
            delete: &["elasticfilesystem:DeleteFileSystem"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let ids = match select {
            Select::Ids(ids) => Some(ids),
            Select::Owner(_) | Select::Token(_) => None,
        };
        let found = efs::filesystems(aws, ids).await?;
        let mut found: Vec<Live> = found.iter().map(live).collect();
        found.retain(|live| tags::are_meant(&live.tags, aws, select));
        Ok(found)
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let tags = tags::all(aws, make.addr, FILESYSTEM.name, make.token, tags_of(make.args));
        let request = aws
            .efs
            .create_file_system()
            .creation_token(make.token.as_str())
            .encrypted(make.flag("encrypted"))
            .set_tags(Some(efs::as_tags(&tags)?));
        let reply = match request.send().await.map_err(|e| failed("creating a file system", e)) {
            // A create that is sent twice is an error, which says that the first one was taken.
            Err(error) if error.class == OpErrorClass::Conflict => {
                let known = FileSystem::of_token(aws, make).await?;
                return known.ok_or_else(|| in_our_own_way(make, error));
            }
            reply => reply?,
        };
        let id = reply.file_system_id();
        let values =
            values([("encrypted", reply.encrypted().map(Value::Bool)), ("id", text(Some(id)))]);
        Ok(Live { remote_id: id.to_owned(), tags, stage: stage(reply.life_cycle_state()), values })
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let id = &change.observed.remote_id;
        let (before, after) = (tags_of(change.prior_args), tags_of(change.make.args));
        let gone = dropped(&before, &after);
        if !gone.is_empty() {
            let request = aws.efs.untag_resource().resource_id(id).set_tag_keys(Some(gone));
            request.send().await.map_err(|e| failed(&format!("untagging {id}"), e))?;
        }
        if !after.is_empty() {
            efs::tag(aws, id, &after).await?;
        }
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let request = aws.efs.delete_file_system().file_system_id(remove.remote_id());
        request.send().await.map_err(|e| failed("deleting a file system", e))?;
        Ok(false)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        efs::tag(aws, remote_id, tags).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_that_is_being_made_is_waited_for() {
        assert!(matches!(stage(&LifeCycleState::Creating), Stage::Pending(..)));
        assert!(matches!(stage(&LifeCycleState::Deleting), Stage::Leaving(..)));
        assert!(matches!(stage(&LifeCycleState::Error), Stage::Failed(_)));
        // It can be used while it is updated.
        assert_eq!(stage(&LifeCycleState::Updating), Stage::Ready);
        assert_eq!(stage(&LifeCycleState::Available), Stage::Ready);
    }
}
