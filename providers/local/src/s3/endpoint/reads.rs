//! Reading objects: whole, in ranges or by part, and their facts and tags.

use super::super::condition::Conditions;
use super::super::object::{Description, Version};
use super::{
    Endpoint, ObjectName, etag, moment_of, range_error, show_checksum, size, tag_of, timestamp,
};
use futures::stream;
use hyper::body::Bytes;
use s3s::{S3Error, S3Request, S3Result, dto, s3_error};
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// How much of an object is in memory at a time for each reader.
const CHUNK_BYTES: u64 = 512 * 1024;

pub(super) async fn get(
    endpoint: &Endpoint,
    req: S3Request<dto::GetObjectInput>,
) -> S3Result<dto::GetObjectOutput> {
    let input = req.input;
    let name = ObjectName { bucket: input.bucket, key: input.key, version_id: input.version_id };
    let conditions = Conditions {
        if_match: input.if_match.map(tag_of),
        if_none_match: input.if_none_match.map(tag_of),
        if_modified_since: input.if_modified_since.map(moment_of),
        if_unmodified_since: input.if_unmodified_since.map(moment_of),
    };
    let (version, file) =
        endpoint.blocking(move |store| store.open_object(name.which(), &conditions)).await?;
    let slice = slice(&version, input.range, input.part_number)?;
    let facts = facts(&version, &slice, input.checksum_mode.as_ref());
    Ok(dto::GetObjectOutput {
        body: Some(dto::StreamingBlob::wrap(chunks(file, slice.bytes))),
        accept_ranges: facts.accept_ranges,
        cache_control: facts.cache_control,
        checksum_crc32: facts.checksum_crc32,
        checksum_crc32c: facts.checksum_crc32c,
        checksum_crc64nvme: facts.checksum_crc64nvme,
        checksum_sha1: facts.checksum_sha1,
        checksum_sha256: facts.checksum_sha256,
        checksum_type: facts.checksum_type,
        content_disposition: facts.content_disposition,
        content_encoding: facts.content_encoding,
        content_language: facts.content_language,
        content_length: facts.content_length,
        content_range: facts.content_range,
        content_type: facts.content_type,
        e_tag: facts.e_tag,
        expires: facts.expires,
        last_modified: facts.last_modified,
        metadata: facts.metadata,
        parts_count: facts.parts_count,
        tag_count: i32::try_from(version.description.tags.len()).ok().filter(|count| *count > 0),
        version_id: facts.version_id,
        ..dto::GetObjectOutput::default()
    })
}

pub(super) async fn head(
    endpoint: &Endpoint,
    req: S3Request<dto::HeadObjectInput>,
) -> S3Result<dto::HeadObjectOutput> {
    let input = req.input;
    let name = ObjectName { bucket: input.bucket, key: input.key, version_id: input.version_id };
    let conditions = Conditions {
        if_match: input.if_match.map(tag_of),
        if_none_match: input.if_none_match.map(tag_of),
        if_modified_since: input.if_modified_since.map(moment_of),
        if_unmodified_since: input.if_unmodified_since.map(moment_of),
    };
    let version = endpoint.blocking(move |store| store.find(name.which(), &conditions)).await?;
    let slice = slice(&version, input.range, input.part_number)?;
    Ok(facts(&version, &slice, input.checksum_mode.as_ref()))
}

pub(super) async fn tags(
    endpoint: &Endpoint,
    req: S3Request<dto::GetObjectTaggingInput>,
) -> S3Result<dto::GetObjectTaggingOutput> {
    let input = req.input;
    let name = ObjectName { bucket: input.bucket, key: input.key, version_id: input.version_id };
    let version =
        endpoint.blocking(move |store| store.find(name.which(), &Conditions::default())).await?;
    let tags = version.description.tags.into_iter();
    let tag_set =
        tags.map(|(key, value)| dto::Tag { key: Some(key), value: Some(value) }).collect();
    Ok(dto::GetObjectTaggingOutput { tag_set, version_id: version.shown_id })
}

/// The part of an object that a request asks for.
struct Slice {
    bytes: Range<u64>,
    /// `Content-Range`, when it is not simply the whole.
    content_range: Option<String>,
}

fn slice(
    version: &Version,
    range: Option<dto::Range>,
    part_number: Option<i32>,
) -> S3Result<Slice> {
    let whole = version.size;
    let bytes = match (range, part_number) {
        (None, None) => return Ok(Slice { bytes: 0..whole, content_range: None }),
        (Some(_), Some(_)) => {
            return Err(s3_error!(InvalidRequest, "a range and a part number exclude each other"));
        }
        (Some(range), None) => range.check(whole).map_err(|_| range_error(whole))?,
        (None, Some(number)) => part_bytes(version, number)?,
    };
    // An empty object has one empty part, which no Content-Range can express.
    if bytes.is_empty() {
        return Ok(Slice { bytes, content_range: None });
    }
    let content_range = Some(format!("bytes {}-{}/{whole}", bytes.start, bytes.end - 1));
    Ok(Slice { bytes, content_range })
}

fn part_bytes(version: &Version, number: i32) -> S3Result<Range<u64>> {
    let whole = [version.size];
    let sizes = if version.part_sizes.is_empty() { &whole[..] } else { &version.part_sizes };
    let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    let Some((at, len)) = at.and_then(|at| Some((at, sizes.get(at)?))) else {
        return Err(s3_error!(InvalidRange, "the object has {} parts", sizes.len()));
    };
    let start = sizes[..at].iter().sum::<u64>();
    Ok(start..start + len)
}

fn facts(
    version: &Version,
    slice: &Slice,
    mode: Option<&dto::ChecksumMode>,
) -> dto::HeadObjectOutput {
    let Description { headers, metadata, tags: _ } = &version.description;
    let header = |name: &str| headers.get(name).cloned();
    let mut facts = dto::HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: header("cache-control"),
        content_disposition: header("content-disposition"),
        content_encoding: header("content-encoding"),
        content_language: header("content-language"),
        content_length: Some(size(slice.bytes.end - slice.bytes.start)),
        content_range: slice.content_range.clone(),
        content_type: header("content-type"),
        e_tag: Some(etag(&version.etag)),
        expires: header("expires")
            .and_then(|at| dto::Timestamp::parse(dto::TimestampFormat::HttpDate, &at).ok()),
        last_modified: Some(timestamp(version.modified)),
        metadata: Some(
            metadata.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        ),
        parts_count: i32::try_from(version.part_sizes.len()).ok().filter(|count| *count > 0),
        version_id: version.shown_id.clone(),
        ..dto::HeadObjectOutput::default()
    };
    // The checksum is that of the whole: beside a range it would make the client see damage.
    let asked = mode.is_some_and(|mode| mode.as_str() == dto::ChecksumMode::ENABLED);
    if asked && slice.content_range.is_none() {
        facts.checksum_type =
            version.checksum.as_ref().and_then(|checksum| checksum.to_dto().checksum_type);
        show_checksum!(&version.checksum => facts);
    }
    facts
}

/// Reads a range of an open file in chunks, each on a thread that may block.
///
/// A file that is shorter than the index says ends the answer with an error, never early.
fn chunks(
    file: File,
    bytes: Range<u64>,
) -> impl stream::Stream<Item = Result<Bytes, std::io::Error>> + Send + Sync {
    let file = Arc::new(file);
    stream::try_unfold(bytes, move |left| {
        let file = Arc::clone(&file);
        async move {
            if left.is_empty() {
                return Ok(None);
            }
            let end = left.end.min(left.start + CHUNK_BYTES);
            let read = tokio::task::spawn_blocking(move || {
                let mut buffer =
                    vec![0; usize::try_from(end - left.start).expect("a chunk fits in memory")];
                file.read_exact_at(&mut buffer, left.start).map(|()| Bytes::from(buffer))
            });
            let chunk = read.await.map_err(std::io::Error::other)??;
            Ok(Some((chunk, end..left.end)))
        }
    })
}

/// Parses the `k=v&k=v` of `x-amz-tagging`.
pub(super) fn tags_of_header(header: Option<&str>) -> S3Result<BTreeMap<String, String>> {
    let pairs = form_urlencoded::parse(header.unwrap_or_default().as_bytes());
    checked_tags(pairs.map(|(key, value)| (key.into_owned(), value.into_owned())))
}

/// Collects tags within S3's limits.
pub(super) fn checked_tags(
    tags: impl Iterator<Item = (String, String)>,
) -> S3Result<BTreeMap<String, String>> {
    const TAGS_MAX: usize = 10;
    const TAG_KEY_CHARS: Range<usize> = 1..129;
    const TAG_VALUE_CHARS: Range<usize> = 0..257;
    let mut checked = BTreeMap::new();
    for (key, value) in tags {
        let fits = TAG_KEY_CHARS.contains(&key.chars().count())
            && TAG_VALUE_CHARS.contains(&value.chars().count());
        if !fits || checked.insert(key, value).is_some() {
            return Err(invalid_tags());
        }
    }
    if checked.len() > TAGS_MAX {
        return Err(invalid_tags());
    }
    Ok(checked)
}

fn invalid_tags() -> S3Error {
    s3_error!(
        InvalidTag,
        "an object has at most 10 tags, each with a key of its own of 1 to 128 characters and a value of up to 256"
    )
}
