//! Who may do which operation on which bucket.
//!
//! Every operation is in one of the lists below or is refused, so an operation that a newer s3s adds
//! is closed until someone lists it. The source of a copy is a second bucket and is judged as a read.

use super::keys::{Keys, Right};
use hyper::HeaderMap;
use s3s::access::{S3Access, S3AccessContext};
use s3s::dto::{CopyObjectInput, CopySource, UploadPartCopyInput};
use s3s::{S3Request, S3Result, s3_error};
use std::sync::Arc;

/// Encryption with given keys, locks and grants.
const UNHONOURED_PREFIXES: [&str; 4] = [
    "x-amz-server-side-encryption",
    "x-amz-copy-source-server-side-encryption",
    "x-amz-object-lock",
    "x-amz-grant",
];

/// What an operation asks of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Any key: the answer shows only what the key may see.
    AnyKey,
    Right(Right),
    /// Buckets are made, changed and removed by dsenv alone.
    Owner,
    /// Not offered by this endpoint.
    Absent,
}

fn needs(operation: &str) -> Needs {
    match operation {
        "ListBuckets" => Needs::AnyKey,
        "GetObject"
        | "HeadObject"
        | "GetObjectTagging"
        | "ListObjects"
        | "ListObjectsV2"
        | "ListObjectVersions"
        | "HeadBucket"
        | "GetBucketLocation"
        | "GetBucketVersioning"
        | "GetBucketLifecycleConfiguration" => Needs::Right(Right::Read),
        "PutObject"
        | "PostObject"
        | "CopyObject"
        | "DeleteObject"
        | "DeleteObjects"
        | "PutObjectTagging"
        | "DeleteObjectTagging"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload"
        | "AbortMultipartUpload"
        | "ListMultipartUploads"
        | "ListParts" => Needs::Right(Right::ReadWrite),
        "CreateBucket"
        | "DeleteBucket"
        | "PutBucketVersioning"
        | "PutBucketLifecycleConfiguration"
        | "DeleteBucketLifecycle"
        | "PutBucketPolicy"
        | "DeleteBucketPolicy"
        | "PutBucketAcl"
        | "PutPublicAccessBlock"
        | "DeletePublicAccessBlock" => Needs::Owner,
        _ => Needs::Absent,
    }
}

/// Judges each request by the table of keys.
pub(super) struct Access(pub(super) Arc<Keys>);

impl Access {
    fn allow(&self, id: &str, bucket: &str, needed: Right) -> S3Result<()> {
        match self.0.right(id, bucket) {
            Some(right) if right >= needed => Ok(()),
            Some(_) | None => Err(s3_error!(AccessDenied, "Access Denied")),
        }
    }

    fn allow_source(&self, id: Option<&str>, source: &CopySource) -> S3Result<()> {
        let id = id.ok_or_else(|| s3_error!(AccessDenied, "Access Denied"))?;
        match source {
            CopySource::Bucket { bucket, .. } => self.allow(id, bucket, Right::Read),
            CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => Err(s3_error!(
                NotImplemented,
                "the source of a copy is BUCKET/KEY on this endpoint"
            )),
        }
    }
}

/// Refuses a request that asks for something which this endpoint would have to ignore.
///
/// A client that asks for encryption, a lock or an access list relies on it: silence would be a lie.
fn refuse_unhonoured(headers: &HeaderMap) -> S3Result<()> {
    for (name, value) in headers {
        let name = name.as_str();
        let honoured = match name {
            "x-amz-acl" => value == "private" || value == "bucket-owner-full-control",
            "x-amz-storage-class" => value == "STANDARD",
            "x-amz-mfa"
            | "x-amz-website-redirect-location"
            | "x-amz-write-offset-bytes"
            | "x-amz-expected-bucket-owner"
            | "x-amz-source-expected-bucket-owner" => false,
            _ => !UNHONOURED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)),
        };
        if !honoured {
            return Err(s3_error!(
                NotImplemented,
                "`{name}` asks for something that this endpoint does not have; leave it out here"
            ));
        }
    }
    Ok(())
}

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(credentials) = cx.credentials() else {
            return Err(s3_error!(AccessDenied, "Access Denied: the request is not signed"));
        };
        let id = credentials.access_key.as_str();
        let allowed = match (needs(cx.s3_op().name()), cx.s3_path().get_bucket_name()) {
            (Needs::AnyKey, _) => Ok(()),
            (Needs::Right(right), Some(bucket)) => self.allow(id, bucket, right),
            (Needs::Right(_), None) => Err(s3_error!(AccessDenied, "Access Denied")),
            (Needs::Owner, _) => Err(s3_error!(
                AccessDenied,
                "Access Denied: buckets are declared in the blueprint and changed by dsenv"
            )),
            (Needs::Absent, _) => Err(s3_error!(
                NotImplemented,
                "{} is not offered by this endpoint",
                cx.s3_op().name()
            )),
        };
        allowed.and_then(|()| refuse_unhonoured(cx.headers()))
    }

    async fn copy_object(&self, req: &mut S3Request<CopyObjectInput>) -> S3Result<()> {
        let id = req.credentials.as_ref().map(|credentials| credentials.access_key.as_str());
        self.allow_source(id, &req.input.copy_source)
    }

    async fn upload_part_copy(&self, req: &mut S3Request<UploadPartCopyInput>) -> S3Result<()> {
        let id = req.credentials.as_ref().map(|credentials| credentials.access_key.as_str());
        self.allow_source(id, &req.input.copy_source)
    }
}
