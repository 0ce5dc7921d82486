//! What the types of EC2 share: filters, tags at creation, deletes by id.

use crate::clients::Aws;
use crate::failure::failed;
use crate::object::{Select, Tags};
use crate::tags;
use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};
use dsenv_sdk::OpError;

/// The most values that one filter takes:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html>
pub(crate) const FILTER_VALUES_MAX: usize = 200;

/// The filters that select. Asking by a filter and not by a list of ids means that one id that is
/// gone does not hide the others.
pub(crate) fn filters(aws: &Aws, select: Select<'_>, id_filter: &str) -> Vec<Filter> {
    let filter = |name: &str, values: &[&str]| {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Filter::builder().name(name).set_values(Some(values)).build()
    };
    let tag = |name: &str, value: &str| filter(&format!("tag:{name}"), &[value]);
    match select {
        Select::Owner(lineage) => {
            let mut filters = vec![
                tag(tags::BLUEPRINT, &tags::encode(&aws.owner.blueprint)),
                tag(tags::ENVIRONMENT, &tags::encode(&aws.owner.environment)),
            ];
            filters.extend(lineage.map(|lineage| tag(tags::LINEAGE, lineage)));
            filters
        }
        Select::Token(token) => vec![tag(tags::TOKEN, token.as_str())],
        // More than a filter takes: all of this environment's are asked for, and the others left out.
        Select::Ids(ids) if ids.len() > FILTER_VALUES_MAX => {
            vec![tag(tags::LINEAGE, &aws.owner.lineage)]
        }
        Select::Ids(ids) => vec![filter(id_filter, ids)],
    }
}

/// The tags of a create, for one type of object.
pub(crate) fn specification(of: ResourceType, tags: &Tags) -> TagSpecification {
    TagSpecification::builder().resource_type(of).set_tags(Some(as_tags(tags))).build()
}

fn as_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// Writes tags onto an object of EC2, whatever it is.
pub(crate) async fn tag(aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
    let request = aws.ec2.create_tags().resources(remote_id).set_tags(Some(as_tags(tags)));
    request.send().await.map_err(|e| failed(&format!("tagging {remote_id}"), e))?;
    Ok(())
}

/// Takes tags away that are wanted no more, and writes those that are.
pub(crate) async fn retag(
    aws: &Aws,
    remote_id: &str,
    before: &Tags,
    after: &Tags,
) -> Result<(), OpError> {
    let gone: Vec<Tag> = before
        .keys()
        .filter(|name| !after.contains_key(*name))
        .map(|name| Tag::builder().key(name).build())
        .collect();
    if !gone.is_empty() {
        let request = aws.ec2.delete_tags().resources(remote_id).set_tags(Some(gone));
        request.send().await.map_err(|e| failed(&format!("untagging {remote_id}"), e))?;
    }
    if after.is_empty() { Ok(()) } else { tag(aws, remote_id, after).await }
}

/// Follows the pages of a Describe call to their end.
macro_rules! pages {
    ($doing:expr, $request:expr, $items:ident) => {{
        let mut found = Vec::new();
        let mut pages = $request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| $crate::failure::failed($doing, error))?;
            found.extend(page.$items.unwrap_or_default());
        }
        found
    }};
}
pub(crate) use pages;
