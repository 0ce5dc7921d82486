//! The S3 operations: s3s's typed requests in, calls to the store, typed answers out.
//!
//! This file lists what is offered and turns the store's refusals into S3's error codes. The work is
//! in the submodules by what it is about. An operation that is not listed here answers
//! `NotImplemented`, from s3s; who may call what was decided in `access` before any of this runs.

mod buckets;
mod listings;
mod reads;
mod receive;
mod uploads;
mod writes;

use super::checksum::{Algorithm, Checksum};
use super::clock::UnixMs;
use super::condition::Tag;
use super::error::StoreError;
use super::keys::Keys;
use super::object::Which;
use super::store::Store;
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use s3s::dto;
use s3s::header::{CONTENT_RANGE, ETAG, X_AMZ_DELETE_MARKER, X_AMZ_VERSION_ID};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use std::sync::Arc;
use std::time::SystemTime;

/// The store and the keys behind s3s.
pub(super) struct Endpoint {
    pub(super) store: Arc<Store>,
    pub(super) keys: Arc<Keys>,
}

macro_rules! operations {
    ($($name:ident($input:ident) -> $output:ident = $module:ident::$function:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Endpoint {
            $(async fn $name(&self, req: S3Request<dto::$input>) -> S3Result<S3Response<dto::$output>> {
                $module::$function(self, req).await.map(S3Response::new)
            })*
        }
    };
}

operations! {
    list_buckets(ListBucketsInput) -> ListBucketsOutput = buckets::list;
    head_bucket(HeadBucketInput) -> HeadBucketOutput = buckets::head;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput = buckets::location;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput = buckets::versioning;
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput)
        -> GetBucketLifecycleConfigurationOutput = buckets::lifecycle;

    list_objects(ListObjectsInput) -> ListObjectsOutput = listings::objects_v1;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = listings::objects_v2;
    list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput = listings::versions;

    get_object(GetObjectInput) -> GetObjectOutput = reads::get;
    head_object(HeadObjectInput) -> HeadObjectOutput = reads::head;
    get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput = reads::tags;

    put_object(PutObjectInput) -> PutObjectOutput = writes::put;
    copy_object(CopyObjectInput) -> CopyObjectOutput = writes::copy;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput = writes::delete;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = writes::delete_many;
    put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput = writes::tag;
    delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput = writes::untag;

    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput = uploads::create;
    upload_part(UploadPartInput) -> UploadPartOutput = uploads::part;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput = uploads::part_copy;
    complete_multipart_upload(CompleteMultipartUploadInput)
        -> CompleteMultipartUploadOutput = uploads::complete;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput = uploads::abort;
    list_parts(ListPartsInput) -> ListPartsOutput = uploads::parts;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput = uploads::list;
}

impl Endpoint {
    /// Runs work that blocks where it may. It runs to its end even if the client goes away.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> S3Result<T> {
        let store = Arc::clone(&self.store);
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.map_err(S3Error::internal_error)?.map_err(s3_error_of)
    }
}

/// Names a version by owned strings, so that it can move to another thread.
#[derive(Debug, Clone)]
struct ObjectName {
    bucket: String,
    key: String,
    version_id: Option<String>,
}

impl ObjectName {
    fn which(&self) -> Which<'_> {
        Which { bucket: &self.bucket, key: &self.key, version_id: self.version_id.as_deref() }
    }

    fn of_source(source: dto::CopySource) -> S3Result<ObjectName> {
        match source {
            dto::CopySource::Bucket { bucket, key, version_id } => Ok(ObjectName {
                bucket: bucket.into(),
                key: key.into(),
                version_id: version_id.map(Into::into),
            }),
            dto::CopySource::AccessPoint { .. } | dto::CopySource::Outpost { .. } => Err(
                s3_error!(NotImplemented, "the source of a copy is BUCKET/KEY on this endpoint"),
            ),
        }
    }
}

/// Collects the checksum that a request gives in one of five fields.
macro_rules! given_checksum {
    ($from:expr) => {
        $crate::s3::endpoint::one_checksum([
            (Algorithm::Crc32, $from.checksum_crc32.take()),
            (Algorithm::Crc32c, $from.checksum_crc32c.take()),
            (Algorithm::Crc64Nvme, $from.checksum_crc64nvme.take()),
            (Algorithm::Sha1, $from.checksum_sha1.take()),
            (Algorithm::Sha256, $from.checksum_sha256.take()),
        ])
    };
}

/// Sets the one of five fields in which an answer carries a checksum.
macro_rules! show_checksum {
    ($checksum:expr => $to:expr) => {
        if let Some(checksum) = $checksum {
            let fields = checksum.to_dto();
            $to.checksum_crc32 = fields.checksum_crc32;
            $to.checksum_crc32c = fields.checksum_crc32c;
            $to.checksum_crc64nvme = fields.checksum_crc64nvme;
            $to.checksum_sha1 = fields.checksum_sha1;
            $to.checksum_sha256 = fields.checksum_sha256;
        }
    };
}
use {given_checksum, show_checksum};

fn one_checksum(fields: [(Algorithm, Option<String>); 5]) -> S3Result<Option<Checksum>> {
    let mut given = fields
        .into_iter()
        .filter_map(|(algorithm, value)| Some(Checksum { algorithm, value: value? }));
    let checksum = given.next();
    match given.next() {
        None => Ok(checksum),
        Some(_) => Err(s3_error!(InvalidRequest, "a request carries at most one checksum")),
    }
}

fn algorithm_of(name: Option<&dto::ChecksumAlgorithm>) -> S3Result<Option<Algorithm>> {
    let parse = |name: &dto::ChecksumAlgorithm| {
        Algorithm::parse(name.as_str()).ok_or_else(|| {
            s3_error!(NotImplemented, "the checksum algorithm `{}` is not offered", name.as_str())
        })
    };
    name.map(parse).transpose()
}

fn tag_of(condition: dto::ETagCondition) -> Tag {
    match condition {
        dto::ETagCondition::Any => Tag::Any,
        dto::ETagCondition::ETag(etag) => Tag::Is(etag.into_value()),
    }
}

fn moment_of(timestamp: dto::Timestamp) -> UnixMs {
    // The conversion to `SystemTime` is that of `time`, which s3s's timestamps wrap.
    UnixMs::from(SystemTime::from(time::OffsetDateTime::from(timestamp)))
}

fn timestamp(moment: UnixMs) -> dto::Timestamp {
    dto::Timestamp::from(SystemTime::from(moment))
}

fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).expect("files are smaller than 8 EiB")
}

fn etag(value: &str) -> dto::ETag {
    dto::ETag::Strong(value.to_owned())
}

/// Returns the text if an XML answer can carry it. XML 1.0 has no form for most control characters.
fn in_xml(text: String) -> Option<String> {
    let fits = |char| !matches!(char, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    text.chars().all(fits).then_some(text)
}

/// Turns a refusal or failure of the store into what an S3 client understands.
fn s3_error_of(error: StoreError) -> S3Error {
    let code = match &error {
        StoreError::NoSuchBucket(_) => S3ErrorCode::NoSuchBucket,
        StoreError::BucketNotEmpty { .. } => S3ErrorCode::BucketNotEmpty,
        StoreError::BucketName(_) => S3ErrorCode::InvalidBucketName,
        StoreError::ExpireDays(_) => S3ErrorCode::InvalidArgument,
        StoreError::NoSuchKey { .. } => S3ErrorCode::NoSuchKey,
        StoreError::NoSuchVersion => S3ErrorCode::NoSuchVersion,
        StoreError::DeleteMarker { .. } => S3ErrorCode::MethodNotAllowed,
        StoreError::NoSuchUpload => S3ErrorCode::NoSuchUpload,
        StoreError::InvalidPart(_) => S3ErrorCode::InvalidPart,
        StoreError::PartOrder => S3ErrorCode::InvalidPartOrder,
        StoreError::PartTooSmall(_) => S3ErrorCode::EntityTooSmall,
        StoreError::ConditionFailed => S3ErrorCode::PreconditionFailed,
        StoreError::NotModified { .. } => S3ErrorCode::NotModified,
        StoreError::TooLarge(_) => S3ErrorCode::EntityTooLarge,
        StoreError::Busy(_)
        | StoreError::NewerFormat { .. }
        | StoreError::Io { .. }
        | StoreError::Index(_)
        | StoreError::Damaged(_) => S3ErrorCode::InternalError,
    };
    let mut answer = S3Error::with_message(code, explanation(&error));
    let mut headers = HeaderMap::new();
    match &error {
        StoreError::NoSuchKey { delete_marker: true } => {
            headers.insert(X_AMZ_DELETE_MARKER, HeaderValue::from_static("true"));
        }
        StoreError::DeleteMarker { version_id } => {
            headers.insert(X_AMZ_DELETE_MARKER, HeaderValue::from_static("true"));
            headers.extend(HeaderValue::from_str(version_id).ok().map(|id| (X_AMZ_VERSION_ID, id)));
        }
        StoreError::NotModified { etag: value } => {
            headers.extend(etag(value).to_http_header().ok().map(|value| (ETAG, value)));
        }
        _ => {}
    }
    if !headers.is_empty() {
        answer.set_headers(headers);
    }
    answer
}

/// A copy whose source "has not changed" fails, where a read would answer that nothing is new.
fn unmodified_source(error: StoreError) -> StoreError {
    match error {
        StoreError::NotModified { .. } => StoreError::ConditionFailed,
        error => error,
    }
}

/// Returns the error with its causes: the client and its owner share this machine, and "cannot sync"
/// without "no space left on device" would help neither.
fn explanation(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn range_error(object_size: u64) -> S3Error {
    let mut error =
        s3_error!(InvalidRange, "The range lies outside of the object's {object_size} bytes");
    let mut headers = HeaderMap::new();
    headers.extend(
        HeaderValue::from_str(&format!("bytes */{object_size}"))
            .ok()
            .map(|value| (CONTENT_RANGE, value)),
    );
    error.set_headers(headers);
    error
}
