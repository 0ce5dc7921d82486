//! Writing objects: put, copy, delete and tag.

use super::super::checksum::Algorithm;
use super::super::condition::Conditions;
use super::super::error::StoreError;
use super::super::object::{Description, NewObject};
use super::super::store::Store;
use super::reads::{checked_tags, tags_of_header};
use super::receive::Announced;
use super::{
    Endpoint, ObjectName, algorithm_of, etag, given_checksum, moment_of, show_checksum, size,
    tag_of, timestamp,
};
use hyper::HeaderMap;
use hyper::header::HeaderName;
use s3s::header::{IF_MATCH, IF_NONE_MATCH};
use s3s::{S3Request, S3Result, dto, s3_error};
use std::collections::BTreeMap;

/// User metadata is part of the headers and limited like them, names and values together.
const METADATA_BYTES_MAX: usize = 2048;

const DELETE_KEYS_MAX: usize = 1000;

/// Collects what a request says about an object besides its bytes. Three requests have these fields.
macro_rules! describe {
    ($input:expr) => {
        $crate::s3::endpoint::writes::description(
            [
                ("cache-control", $input.cache_control.take()),
                ("content-disposition", $input.content_disposition.take()),
                ("content-encoding", $input.content_encoding.take()),
                ("content-language", $input.content_language.take()),
                ("content-type", $input.content_type.take()),
            ],
            $input.expires.take(),
            $input.metadata.take(),
            $input.tagging.take(),
        )
    };
}
pub(super) use describe;

pub(super) async fn put(
    endpoint: &Endpoint,
    req: S3Request<dto::PutObjectInput>,
) -> S3Result<dto::PutObjectOutput> {
    let mut input = req.input;
    let description = describe!(input)?;
    let announced = Announced {
        length: input.content_length,
        md5: input.content_md5.take(),
        checksum: given_checksum!(input)?,
        algorithm: None,
        trailers: req.trailing_headers,
    };
    let announced =
        announced.with_algorithm(algorithm_of(input.checksum_algorithm.as_ref())?, &req.headers);
    let conditions = Conditions {
        if_match: input.if_match.map(tag_of),
        if_none_match: input.if_none_match.map(tag_of),
        ..Conditions::default()
    };
    let (draft, digests) = endpoint.receive(input.body, announced).await?;
    let (bucket, key) = (input.bucket, input.key);
    let mut output = dto::PutObjectOutput {
        e_tag: Some(etag(&digests.etag())),
        size: Some(size(digests.size)),
        checksum_type: digests
            .checksum
            .as_ref()
            .and_then(|checksum| checksum.to_dto().checksum_type),
        ..dto::PutObjectOutput::default()
    };
    show_checksum!(&digests.checksum => output);
    let written = endpoint
        .blocking(move |store| {
            let new = NewObject {
                bucket: &bucket,
                key: &key,
                blob: store.blobs.seal(draft)?,
                etag: digests.etag(),
                checksum: digests.checksum,
                part_sizes: Vec::new(),
                description: &description,
            };
            store.put(&new, &conditions)
        })
        .await?;
    output.version_id = written.version_id;
    Ok(output)
}

pub(super) async fn copy(
    endpoint: &Endpoint,
    req: S3Request<dto::CopyObjectInput>,
) -> S3Result<dto::CopyObjectOutput> {
    let mut input = req.input;
    let replaced = describe!(input)?;
    let source = ObjectName::of_source(input.copy_source)?;
    let keep_metadata =
        keeps(input.metadata_directive.as_ref().map(dto::MetadataDirective::as_str))?;
    let keep_tags = keeps(input.tagging_directive.as_ref().map(dto::TaggingDirective::as_str))?;
    if keep_metadata
        && source.bucket == input.bucket
        && source.key == input.key
        && source.version_id.is_none()
    {
        return Err(s3_error!(
            InvalidRequest,
            "a copy of an object onto itself must change its metadata"
        ));
    }
    let source_conditions = Conditions {
        if_match: input.copy_source_if_match.map(tag_of),
        if_none_match: input.copy_source_if_none_match.map(tag_of),
        if_modified_since: input.copy_source_if_modified_since.map(moment_of),
        if_unmodified_since: input.copy_source_if_unmodified_since.map(moment_of),
    };
    // s3s 0.14.1 has no fields for these two, and a condition must not be dropped.
    let conditions = Conditions {
        if_match: condition_in(&req.headers, &IF_MATCH)?,
        if_none_match: condition_in(&req.headers, &IF_NONE_MATCH)?,
        ..Conditions::default()
    };
    let copying = Copying {
        source,
        source_conditions,
        bucket: input.bucket,
        key: input.key,
        conditions,
        replaced,
        keep_metadata,
        keep_tags,
        algorithm: algorithm_of(input.checksum_algorithm.as_ref())?,
    };
    endpoint.blocking(move |store| copy_stored(store, copying)).await
}

/// A copy, as the client asked for it.
struct Copying {
    source: ObjectName,
    source_conditions: Conditions,
    bucket: String,
    key: String,
    conditions: Conditions,
    replaced: Description,
    keep_metadata: bool,
    keep_tags: bool,
    algorithm: Option<Algorithm>,
}

fn copy_stored(store: &Store, copying: Copying) -> Result<dto::CopyObjectOutput, StoreError> {
    let opened = store.open_object(copying.source.which(), &copying.source_conditions);
    let (version, file) = opened.map_err(super::unmodified_source)?;
    let algorithm = copying.algorithm.or(version.checksum.map(|checksum| checksum.algorithm));
    let mut draft = store.blobs.draft(algorithm)?;
    draft.copy(&file, 0..version.size)?;
    let digests = draft.digests();
    let (old, replaced) = (version.description, copying.replaced);
    let description = Description {
        tags: if copying.keep_tags { old.tags } else { replaced.tags },
        headers: if copying.keep_metadata { old.headers } else { replaced.headers },
        metadata: if copying.keep_metadata { old.metadata } else { replaced.metadata },
    };
    let new = NewObject {
        bucket: &copying.bucket,
        key: &copying.key,
        blob: store.blobs.seal(draft)?,
        etag: digests.etag(),
        checksum: digests.checksum.clone(),
        part_sizes: Vec::new(),
        description: &description,
    };
    let written = store.put(&new, &copying.conditions)?;
    let mut result = dto::CopyObjectResult {
        e_tag: Some(etag(&digests.etag())),
        last_modified: Some(timestamp(written.modified)),
        checksum_type: digests.checksum.as_ref().and_then(|sum| sum.to_dto().checksum_type),
        ..dto::CopyObjectResult::default()
    };
    show_checksum!(&digests.checksum => result);
    Ok(dto::CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: version.shown_id,
        version_id: written.version_id,
        ..dto::CopyObjectOutput::default()
    })
}

pub(super) async fn delete(
    endpoint: &Endpoint,
    req: S3Request<dto::DeleteObjectInput>,
) -> S3Result<dto::DeleteObjectOutput> {
    let input = req.input;
    if input.if_match_last_modified_time.is_some() || input.if_match_size.is_some() {
        return Err(s3_error!(NotImplemented, "a delete can be conditional on the ETag only"));
    }
    let name = ObjectName { bucket: input.bucket, key: input.key, version_id: input.version_id };
    let conditions = Conditions { if_match: input.if_match.map(tag_of), ..Conditions::default() };
    let deleted = endpoint.blocking(move |store| store.delete(name.which(), &conditions)).await?;
    Ok(dto::DeleteObjectOutput {
        delete_marker: deleted.marker.then_some(true),
        version_id: deleted.version_id,
        ..dto::DeleteObjectOutput::default()
    })
}

pub(super) async fn delete_many(
    endpoint: &Endpoint,
    req: S3Request<dto::DeleteObjectsInput>,
) -> S3Result<dto::DeleteObjectsOutput> {
    let input = req.input;
    let objects = input.delete.objects;
    if objects.is_empty() || objects.len() > DELETE_KEYS_MAX {
        return Err(s3_error!(MalformedXML, "1 to 1000 objects are deleted at once"));
    }
    let conditional = |object: &dto::ObjectIdentifier| {
        object.e_tag.is_some() || object.size.is_some() || object.last_modified_time.is_some()
    };
    if objects.iter().any(conditional) {
        return Err(s3_error!(NotImplemented, "deleting many is not conditional on this endpoint"));
    }
    let names: Vec<_> = objects.into_iter().map(|object| (object.key, object.version_id)).collect();
    let bucket = input.bucket;
    let (names, deleted) = endpoint
        .blocking(move |store| {
            let deleted = store.delete_many(&bucket, &names)?;
            Ok((names, deleted))
        })
        .await?;
    if input.delete.quiet == Some(true) {
        return Ok(dto::DeleteObjectsOutput::default());
    }
    let shown =
        names.into_iter().zip(deleted).map(|((key, version_id), deleted)| dto::DeletedObject {
            key: Some(key),
            delete_marker: deleted.marker.then_some(true),
            delete_marker_version_id: deleted.version_id.filter(|_| deleted.marker),
            version_id,
        });
    Ok(dto::DeleteObjectsOutput {
        deleted: Some(shown.collect()),
        ..dto::DeleteObjectsOutput::default()
    })
}

pub(super) async fn tag(
    endpoint: &Endpoint,
    req: S3Request<dto::PutObjectTaggingInput>,
) -> S3Result<dto::PutObjectTaggingOutput> {
    let input = req.input;
    let name = ObjectName { bucket: input.bucket, key: input.key, version_id: input.version_id };
    let given = input.tagging.tag_set.into_iter();
    let tags = checked_tags(
        given.map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())),
    )?;
    let version_id = endpoint.blocking(move |store| store.tag(name.which(), &tags)).await?;
    Ok(dto::PutObjectTaggingOutput { version_id })
}

pub(super) async fn untag(
    endpoint: &Endpoint,
    req: S3Request<dto::DeleteObjectTaggingInput>,
) -> S3Result<dto::DeleteObjectTaggingOutput> {
    let input = req.input;
    let name = ObjectName { bucket: input.bucket, key: input.key, version_id: input.version_id };
    let version_id =
        endpoint.blocking(move |store| store.tag(name.which(), &BTreeMap::new())).await?;
    Ok(dto::DeleteObjectTaggingOutput { version_id })
}

pub(super) fn description(
    headers: [(&'static str, Option<String>); 5],
    expires: Option<dto::Timestamp>,
    metadata: Option<dto::Metadata>,
    tagging: Option<String>,
) -> S3Result<Description> {
    let mut kept: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        kept.extend(value.map(|value| (name.to_owned(), value)));
    }
    // `aws-chunked` says how the body travels, not what it is.
    if let Some(encodings) = kept.remove("content-encoding") {
        let real = encodings
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty() && *name != "aws-chunked");
        let real = real.collect::<Vec<_>>().join(",");
        kept.extend((!real.is_empty()).then(|| ("content-encoding".to_owned(), real)));
    }
    kept.entry("content-type".to_owned()).or_insert_with(|| "binary/octet-stream".to_owned());
    if let Some(expires) = expires {
        let mut text = Vec::new();
        let formatted = expires.format(dto::TimestampFormat::HttpDate, &mut text).ok();
        let text = formatted.and_then(|()| String::from_utf8(text).ok());
        kept.extend(text.map(|text| ("expires".to_owned(), text)));
    }
    let metadata: BTreeMap<String, String> = metadata.unwrap_or_default().into_iter().collect();
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > METADATA_BYTES_MAX {
        return Err(s3_error!(
            MetadataTooLarge,
            "user metadata has {bytes} bytes; {METADATA_BYTES_MAX} fit"
        ));
    }
    Ok(Description { headers: kept, metadata, tags: tags_of_header(tagging.as_deref())? })
}

/// Returns whether a directive of a copy keeps what the source has. That is also the default.
fn keeps(directive: Option<&str>) -> S3Result<bool> {
    match directive {
        None | Some("COPY") => Ok(true),
        Some("REPLACE") => Ok(false),
        Some(_) => Err(s3_error!(InvalidArgument, "a directive is COPY or REPLACE")),
    }
}

fn condition_in(
    headers: &HeaderMap,
    name: &HeaderName,
) -> S3Result<Option<super::super::condition::Tag>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let condition = dto::ETagCondition::parse_http_header(value.as_bytes());
    let condition =
        condition.map_err(|_| s3_error!(InvalidArgument, "`{name}` is an ETag or `*`"))?;
    Ok(Some(tag_of(condition)))
}
