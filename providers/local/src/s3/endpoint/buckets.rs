//! Reading buckets: which there are for this key, and their settings. No operation here changes one.

use super::super::bucket::Versioning;
use super::{Endpoint, timestamp};
use s3s::{S3Request, S3Result, dto, s3_error};

/// Lists the buckets that the key has any right to, and no others.
pub(super) async fn list(
    endpoint: &Endpoint,
    req: S3Request<dto::ListBucketsInput>,
) -> S3Result<dto::ListBucketsOutput> {
    let Some(credentials) = &req.credentials else { return Err(s3_error!(AccessDenied)) };
    if req.input.continuation_token.is_some() {
        return Err(s3_error!(
            InvalidArgument,
            "the list of buckets has one page on this endpoint"
        ));
    }
    let prefix = req.input.prefix.unwrap_or_default();
    let all = endpoint.blocking(|store| store.buckets()).await?;
    let visible = all.into_iter().filter(|(name, _)| {
        name.starts_with(&prefix) && endpoint.keys.right(&credentials.access_key, name).is_some()
    });
    let buckets = visible.map(|(name, created)| dto::Bucket {
        name: Some(name),
        creation_date: Some(timestamp(created)),
        ..dto::Bucket::default()
    });
    let owner = dto::Owner { display_name: Some("dsenv".to_owned()), id: Some("dsenv".to_owned()) };
    Ok(dto::ListBucketsOutput {
        buckets: Some(buckets.collect()),
        owner: Some(owner),
        prefix: Some(prefix).filter(|prefix| !prefix.is_empty()),
        ..dto::ListBucketsOutput::default()
    })
}

/// Answers whether the bucket exists. Its region is whichever the client signed for.
pub(super) async fn head(
    endpoint: &Endpoint,
    req: S3Request<dto::HeadBucketInput>,
) -> S3Result<dto::HeadBucketOutput> {
    let bucket = req.input.bucket;
    endpoint.blocking(move |store| store.versioning(&bucket)).await?;
    Ok(dto::HeadBucketOutput {
        bucket_region: req.region.map(|region| region.as_str().to_owned()),
        ..dto::HeadBucketOutput::default()
    })
}

/// Answers with no constraint, which S3 clients read as us-east-1: there is no region here.
pub(super) async fn location(
    endpoint: &Endpoint,
    req: S3Request<dto::GetBucketLocationInput>,
) -> S3Result<dto::GetBucketLocationOutput> {
    let bucket = req.input.bucket;
    endpoint.blocking(move |store| store.versioning(&bucket)).await?;
    Ok(dto::GetBucketLocationOutput::default())
}

pub(super) async fn versioning(
    endpoint: &Endpoint,
    req: S3Request<dto::GetBucketVersioningInput>,
) -> S3Result<dto::GetBucketVersioningOutput> {
    let bucket = req.input.bucket;
    let status = match endpoint.blocking(move |store| store.versioning(&bucket)).await? {
        Versioning::Off => None,
        Versioning::On => Some(dto::BucketVersioningStatus::ENABLED),
        Versioning::Suspended => Some(dto::BucketVersioningStatus::SUSPENDED),
    };
    let status = status.map(dto::BucketVersioningStatus::from_static);
    Ok(dto::GetBucketVersioningOutput { status, ..dto::GetBucketVersioningOutput::default() })
}

pub(super) async fn lifecycle(
    endpoint: &Endpoint,
    req: S3Request<dto::GetBucketLifecycleConfigurationInput>,
) -> S3Result<dto::GetBucketLifecycleConfigurationOutput> {
    let bucket = req.input.bucket;
    let expires = endpoint.blocking(move |store| store.bucket_expires(&bucket)).await?;
    if expires.is_empty() {
        return Err(s3_error!(
            NoSuchLifecycleConfiguration,
            "The lifecycle configuration does not exist"
        ));
    }
    let rules = expires.into_iter().enumerate().map(|(number, expire)| dto::LifecycleRule {
        abort_incomplete_multipart_upload: None,
        expiration: Some(dto::LifecycleExpiration {
            days: i32::try_from(expire.days).ok(),
            ..dto::LifecycleExpiration::default()
        }),
        filter: Some(dto::LifecycleRuleFilter {
            prefix: Some(expire.prefix),
            ..dto::LifecycleRuleFilter::default()
        }),
        id: Some(format!("expire-{number}")),
        noncurrent_version_expiration: None,
        noncurrent_version_transitions: None,
        prefix: None,
        status: dto::ExpirationStatus::from_static(dto::ExpirationStatus::ENABLED),
        transitions: None,
    });
    Ok(dto::GetBucketLifecycleConfigurationOutput {
        rules: Some(rules.collect()),
        ..dto::GetBucketLifecycleConfigurationOutput::default()
    })
}
