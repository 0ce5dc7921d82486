//! What the types of EFS share: file systems as they are listed, and their tags.

use crate::clients::Aws;
use crate::failure::failed;
use crate::object::Tags;
use aws_sdk_efs::types::{FileSystemDescription, LifeCycleState, Tag};
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;

/// The most that one answer holds.
const A_PAGE: i32 = 100;

/// Lists file systems: one, or all of the account; there is no filter by tag.
pub(super) async fn filesystems(
    aws: &Aws,
    ids: Option<&[&str]>,
) -> Result<Vec<FileSystemDescription>, OpError> {
    let doing = "looking at file systems";
    if let Some([]) = ids {
        return Ok(Vec::new());
    }
    if let Some([id]) = ids {
        let reply = aws.efs.describe_file_systems().file_system_id(*id).send().await;
        return match reply.map_err(|e| failed(doing, e)) {
            Ok(reply) => Ok(reply.file_systems.unwrap_or_default()),
            Err(error) if error.class == OpErrorClass::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        };
    }
    let mut found = Vec::new();
    let mut marker = None;
    loop {
        let request = aws.efs.describe_file_systems().max_items(A_PAGE).set_marker(marker);
        let reply = request.send().await.map_err(|e| failed(doing, e))?;
        found.extend(reply.file_systems.unwrap_or_default());
        marker = reply.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            break;
        }
    }
    found.retain(|it| ids.is_none_or(|ids| ids.contains(&it.file_system_id())));
    Ok(found)
}

/// Says whether something is on its way out, or out.
pub(super) fn is_leaving(state: &LifeCycleState) -> bool {
    matches!(state, LifeCycleState::Deleting | LifeCycleState::Deleted)
}

pub(super) fn as_tags(tags: &Tags) -> Result<Vec<Tag>, OpError> {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    let tags: Result<Vec<Tag>, _> = tags.iter().map(tag).collect();
    tags.map_err(|e| OpError::new(OpErrorClass::Invalid, "a tag cannot be written").caused_by(&e))
}

/// Writes tags onto a file system.
pub(super) async fn tag(aws: &Aws, id: &str, tags: &Tags) -> Result<(), OpError> {
    let request = aws.efs.tag_resource().resource_id(id).set_tags(Some(as_tags(tags)?));
    request.send().await.map_err(|e| failed(&format!("tagging {id}"), e))?;
    Ok(())
}
