//! What the types of RDS share: tags, and how soon to ask again.

use crate::clients::Aws;
use crate::failure::failed;
use crate::object::Tags;
use aws_sdk_rds::types::Tag;
use dsenv_sdk::OpError;

/// Identifiers of instances: <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html>
/// Those of groups may have 255 characters; one length for all is enough.
pub(super) const NAME_CHARS_MAX: usize = 63;

/// Creating, changing and deleting a server take minutes, and RDS is quick to throttle.
pub(super) const MINUTES_MS: u64 = 15_000;

pub(super) fn as_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// Writes tags onto what an ARN names.
pub(super) async fn tag(aws: &Aws, arn: &str, tags: &Tags) -> Result<(), OpError> {
    let request = aws.rds.add_tags_to_resource().resource_name(arn).set_tags(Some(as_tags(tags)));
    request.send().await.map_err(|e| failed(&format!("tagging {arn}"), e))?;
    Ok(())
}

/// Takes tags away that are wanted no more, and writes those that are.
pub(super) async fn retag(
    aws: &Aws,
    arn: &str,
    before: &Tags,
    after: &Tags,
) -> Result<(), OpError> {
    let gone: Vec<String> =
        before.keys().filter(|name| !after.contains_key(*name)).cloned().collect();
    if !gone.is_empty() {
        let request = aws.rds.remove_tags_from_resource().resource_name(arn);
        let request = request.set_tag_keys(Some(gone));
        request.send().await.map_err(|e| failed(&format!("untagging {arn}"), e))?;
    }
    if after.is_empty() { Ok(()) } else { tag(aws, arn, after).await }
}

/// Asks for the tags of what an ARN names: groups do not show them themselves.
pub(super) async fn tags_at(aws: &Aws, arn: &str) -> Result<Tags, OpError> {
    let reply = aws.rds.list_tags_for_resource().resource_name(arn).send().await;
    let reply = reply.map_err(|e| failed(&format!("looking at the tags of {arn}"), e))?;
    Ok(crate::tags::tags_in!(reply.tag_list()))
}
