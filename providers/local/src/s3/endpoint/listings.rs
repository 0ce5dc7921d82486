//! The three listings of S3 over the one of the store.

use super::super::listing::{Entry, Listed, PAGE_MAX, Page, Query, Show, name_of_token, token};
use super::{Endpoint, etag, in_xml, size, timestamp};
use s3s::{S3Request, S3Result, dto, s3_error};

/// A listing as a client asks for it, whichever of the three operations it used.
#[derive(Debug, Clone, Default)]
struct Asked {
    bucket: String,
    prefix: String,
    delimiter: String,
    after: String,
    after_version: Option<String>,
    max: usize,
}

impl Endpoint {
    async fn page(&self, asked: &Asked, show: Show) -> S3Result<Page> {
        let asked = asked.clone();
        self.blocking(move |store| {
            let query = Query {
                bucket: &asked.bucket,
                prefix: &asked.prefix,
                delimiter: &asked.delimiter,
                after: &asked.after,
                after_version: asked.after_version.as_deref(),
                max: asked.max,
            };
            store.list(&query, show)
        })
        .await
    }
}

/// How names are written in the answer: as they are, or percent-encoded when the client asks.
///
/// XML has no form for most control characters, so clients that list arbitrary keys ask for `url`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Plain,
    Url,
}

impl Encoding {
    fn asked(name: Option<&dto::EncodingType>) -> S3Result<Encoding> {
        match name.map(dto::EncodingType::as_str) {
            None => Ok(Encoding::Plain),
            Some(dto::EncodingType::URL) => Ok(Encoding::Url),
            Some(_) => Err(s3_error!(InvalidArgument, "the encoding type is `url` or absent")),
        }
    }

    fn write(self, name: &str) -> String {
        match self {
            Encoding::Plain => name.to_owned(),
            // S3 leaves slashes as they are.
            Encoding::Url => urlencoding::encode(name).replace("%2F", "/"),
        }
    }

    fn shown(self) -> Option<dto::EncodingType> {
        match self {
            Encoding::Plain => None,
            Encoding::Url => Some(dto::EncodingType::from_static(dto::EncodingType::URL)),
        }
    }
}

pub(super) async fn objects_v1(
    endpoint: &Endpoint,
    req: S3Request<dto::ListObjectsInput>,
) -> S3Result<dto::ListObjectsOutput> {
    let input = req.input;
    let encoding = Encoding::asked(input.encoding_type.as_ref())?;
    let max_keys = input.max_keys.unwrap_or(PAGE_MAX as i32);
    let asked = Asked {
        bucket: input.bucket,
        prefix: input.prefix.unwrap_or_default(),
        delimiter: input.delimiter.unwrap_or_default(),
        after: input.marker.unwrap_or_default(),
        after_version: None,
        max: page_size(max_keys)?,
    };
    let page = endpoint.page(&asked, Show::Objects).await?;
    // S3 gives NextMarker only with a delimiter. Clients that get it without one use it all the same.
    let next = page
        .truncated
        .then(|| page.entries.last().map(|entry| encoding.write(entry.name())))
        .flatten();
    let (objects, prefixes) = split(&page, encoding)?;
    Ok(dto::ListObjectsOutput {
        name: Some(asked.bucket.clone()),
        prefix: Some(encoding.write(&asked.prefix)),
        marker: Some(encoding.write(&asked.after)),
        max_keys: Some(max_keys),
        is_truncated: Some(page.truncated),
        contents: Some(objects.into_iter().map(|listed| object(listed, encoding)).collect()),
        common_prefixes: Some(prefixes),
        delimiter: shown_delimiter(&asked, encoding),
        next_marker: next,
        encoding_type: encoding.shown(),
        ..dto::ListObjectsOutput::default()
    })
}

pub(super) async fn objects_v2(
    endpoint: &Endpoint,
    req: S3Request<dto::ListObjectsV2Input>,
) -> S3Result<dto::ListObjectsV2Output> {
    let input = req.input;
    let encoding = Encoding::asked(input.encoding_type.as_ref())?;
    let max_keys = input.max_keys.unwrap_or(PAGE_MAX as i32);
    let after = match &input.continuation_token {
        Some(token) => name_of_token(token).ok_or_else(|| {
            s3_error!(InvalidArgument, "the continuation token is not one of this endpoint")
        })?,
        None => input.start_after.clone().unwrap_or_default(),
    };
    let asked = Asked {
        bucket: input.bucket,
        prefix: input.prefix.unwrap_or_default(),
        delimiter: input.delimiter.unwrap_or_default(),
        after,
        after_version: None,
        max: page_size(max_keys)?,
    };
    let page = endpoint.page(&asked, Show::Objects).await?;
    let next =
        page.truncated.then(|| page.entries.last().map(|entry| token(entry.name()))).flatten();
    let (objects, prefixes) = split(&page, encoding)?;
    Ok(dto::ListObjectsV2Output {
        name: Some(asked.bucket.clone()),
        prefix: Some(encoding.write(&asked.prefix)),
        max_keys: Some(max_keys),
        key_count: i32::try_from(page.entries.len()).ok(),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.truncated),
        next_continuation_token: next,
        contents: Some(objects.into_iter().map(|listed| object(listed, encoding)).collect()),
        common_prefixes: Some(prefixes),
        delimiter: shown_delimiter(&asked, encoding),
        encoding_type: encoding.shown(),
        start_after: input.start_after.map(|name| encoding.write(&name)),
        ..dto::ListObjectsV2Output::default()
    })
}

pub(super) async fn versions(
    endpoint: &Endpoint,
    req: S3Request<dto::ListObjectVersionsInput>,
) -> S3Result<dto::ListObjectVersionsOutput> {
    let input = req.input;
    let encoding = Encoding::asked(input.encoding_type.as_ref())?;
    let max_keys = input.max_keys.unwrap_or(PAGE_MAX as i32);
    let after = input.key_marker.unwrap_or_default();
    let after_version = input.version_id_marker.filter(|id| !id.is_empty());
    if after.is_empty() && after_version.is_some() {
        return Err(s3_error!(InvalidArgument, "a version id marker needs a key marker"));
    }
    let asked = Asked {
        bucket: input.bucket,
        prefix: input.prefix.unwrap_or_default(),
        delimiter: input.delimiter.unwrap_or_default(),
        after,
        after_version,
        max: page_size(max_keys)?,
    };
    let page = endpoint.page(&asked, Show::Versions).await?;
    let next = page.entries.last().filter(|_| page.truncated);
    let next_version = next.and_then(|entry| match entry {
        Entry::Version(listed) => Some(listed.version_id.clone()),
        Entry::CommonPrefix(_) => None,
    });
    let next_key = next.map(|entry| encoding.write(entry.name()));
    let (rows, prefixes) = split(&page, encoding)?;
    let (markers, kept): (Vec<_>, Vec<_>) = rows.into_iter().partition(|listed| listed.marker);
    Ok(dto::ListObjectVersionsOutput {
        name: Some(asked.bucket.clone()),
        prefix: Some(encoding.write(&asked.prefix)),
        key_marker: Some(encoding.write(&asked.after)),
        version_id_marker: asked.after_version.clone(),
        max_keys: Some(max_keys),
        is_truncated: Some(page.truncated),
        next_key_marker: next_key,
        next_version_id_marker: next_version,
        versions: Some(kept.into_iter().map(|listed| version(listed, encoding)).collect()),
        delete_markers: Some(markers.into_iter().map(|listed| marker(listed, encoding)).collect()),
        common_prefixes: Some(prefixes),
        delimiter: shown_delimiter(&asked, encoding),
        encoding_type: encoding.shown(),
        ..dto::ListObjectVersionsOutput::default()
    })
}

fn page_size(max_keys: i32) -> S3Result<usize> {
    usize::try_from(max_keys)
        .map_err(|_| s3_error!(InvalidArgument, "the size of a page is 0 to 1000"))
}

fn shown_delimiter(asked: &Asked, encoding: Encoding) -> Option<String> {
    (!asked.delimiter.is_empty()).then(|| encoding.write(&asked.delimiter))
}

/// Parts versions from common prefixes, after making sure that the answer can carry their names.
fn split(page: &Page, encoding: Encoding) -> S3Result<(Vec<&Listed>, Vec<dto::CommonPrefix>)> {
    let mut rows = Vec::new();
    let mut prefixes = Vec::new();
    for entry in &page.entries {
        if encoding == Encoding::Plain && in_xml(entry.name().to_owned()).is_none() {
            return Err(s3_error!(
                InvalidRequest,
                "a key here has characters that XML cannot carry: list with encoding-type=url"
            ));
        }
        match entry {
            Entry::Version(listed) => rows.push(listed),
            Entry::CommonPrefix(prefix) => {
                prefixes.push(dto::CommonPrefix { prefix: Some(encoding.write(prefix)) });
            }
        }
    }
    Ok((rows, prefixes))
}

fn object(listed: &Listed, encoding: Encoding) -> dto::Object {
    dto::Object {
        key: Some(encoding.write(&listed.key)),
        e_tag: Some(etag(&listed.etag)),
        size: Some(size(listed.size)),
        last_modified: Some(timestamp(listed.modified)),
        checksum_algorithm: algorithms(listed),
        storage_class: Some(dto::ObjectStorageClass::from_static(
            dto::ObjectStorageClass::STANDARD,
        )),
        ..dto::Object::default()
    }
}

fn version(listed: &Listed, encoding: Encoding) -> dto::ObjectVersion {
    dto::ObjectVersion {
        key: Some(encoding.write(&listed.key)),
        version_id: Some(listed.version_id.clone()),
        is_latest: Some(listed.latest),
        e_tag: Some(etag(&listed.etag)),
        size: Some(size(listed.size)),
        last_modified: Some(timestamp(listed.modified)),
        checksum_algorithm: algorithms(listed),
        storage_class: Some(dto::ObjectVersionStorageClass::from_static(
            dto::ObjectVersionStorageClass::STANDARD,
        )),
        ..dto::ObjectVersion::default()
    }
}

fn marker(listed: &Listed, encoding: Encoding) -> dto::DeleteMarkerEntry {
    dto::DeleteMarkerEntry {
        key: Some(encoding.write(&listed.key)),
        version_id: Some(listed.version_id.clone()),
        is_latest: Some(listed.latest),
        last_modified: Some(timestamp(listed.modified)),
        ..dto::DeleteMarkerEntry::default()
    }
}

fn algorithms(listed: &Listed) -> Option<Vec<dto::ChecksumAlgorithm>> {
    let checksum = listed.checksum.as_ref()?;
    Some(vec![dto::ChecksumAlgorithm::from_static(checksum.algorithm.name())])
}
