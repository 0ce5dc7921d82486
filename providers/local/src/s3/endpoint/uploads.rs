//! Multipart uploads.

use super::super::checksum::Algorithm;
use super::super::condition::Conditions;
use super::super::upload::{ListedPart, PART_NUMBERS, WantedChecksum, WhichUpload};
use super::receive::Announced;
use super::writes::describe;
use super::{
    Endpoint, ObjectName, algorithm_of, etag, given_checksum, in_xml, moment_of, range_error,
    show_checksum, size, tag_of, timestamp,
};
use s3s::{S3Request, S3Result, dto, s3_error};

/// The most entries of a listing of parts or uploads.
const ENTRIES_MAX: usize = 1000;

/// Names an upload by owned strings, so that it can move to another thread.
#[derive(Debug, Clone)]
struct UploadName {
    bucket: String,
    key: String,
    id: String,
}

impl UploadName {
    fn which(&self) -> WhichUpload<'_> {
        WhichUpload { bucket: &self.bucket, key: &self.key, id: &self.id }
    }
}

pub(super) async fn create(
    endpoint: &Endpoint,
    req: S3Request<dto::CreateMultipartUploadInput>,
) -> S3Result<dto::CreateMultipartUploadOutput> {
    let mut input = req.input;
    let description = describe!(input)?;
    let algorithm = algorithm_of(input.checksum_algorithm.as_ref())?;
    let full_object = match (input.checksum_type.as_ref().map(dto::ChecksumType::as_str), algorithm)
    {
        (Some(dto::ChecksumType::FULL_OBJECT), Some(Algorithm::Sha1 | Algorithm::Sha256)) => {
            return Err(s3_error!(InvalidRequest, "a SHA checksum of parts is always composite"));
        }
        (Some(dto::ChecksumType::COMPOSITE), Some(Algorithm::Crc64Nvme)) => {
            return Err(s3_error!(
                InvalidRequest,
                "a CRC64NVME checksum is always of the full object"
            ));
        }
        (Some(dto::ChecksumType::FULL_OBJECT), _) | (None, Some(Algorithm::Crc64Nvme)) => true,
        (Some(dto::ChecksumType::COMPOSITE) | None, _) => false,
        (Some(_), _) => {
            return Err(s3_error!(InvalidArgument, "a checksum type is COMPOSITE or FULL_OBJECT"));
        }
    };
    let wanted = algorithm.map(|algorithm| WantedChecksum { algorithm, full_object });
    let (bucket, key) = (input.bucket, input.key);
    let (bucket, key, upload_id) = endpoint
        .blocking(move |store| {
            let id = store.start_upload(&bucket, &key, wanted, &description)?;
            Ok((bucket, key, id))
        })
        .await?;
    Ok(dto::CreateMultipartUploadOutput {
        bucket: Some(bucket),
        key: in_xml(key),
        upload_id: Some(upload_id),
        checksum_algorithm: algorithm
            .map(|algorithm| dto::ChecksumAlgorithm::from_static(algorithm.name())),
        checksum_type: wanted.map(checksum_type),
        ..dto::CreateMultipartUploadOutput::default()
    })
}

pub(super) async fn part(
    endpoint: &Endpoint,
    req: S3Request<dto::UploadPartInput>,
) -> S3Result<dto::UploadPartOutput> {
    let mut input = req.input;
    let number = part_number(input.part_number)?;
    let upload = UploadName { bucket: input.bucket, key: input.key, id: input.upload_id };
    let announced = Announced {
        length: input.content_length,
        md5: input.content_md5.take(),
        checksum: given_checksum!(input)?,
        algorithm: None,
        trailers: req.trailing_headers,
    };
    let named = algorithm_of(input.checksum_algorithm.as_ref())?;
    let (upload, wanted) = endpoint
        .blocking(move |store| {
            let found = store.upload(upload.which())?;
            Ok((upload, found.checksum))
        })
        .await?;
    let mut announced = announced.with_algorithm(named, &req.headers);
    if let Some(wanted) = wanted {
        if announced.checksum.as_ref().is_some_and(|given| given.algorithm != wanted.algorithm) {
            return Err(s3_error!(
                InvalidRequest,
                "the upload was started for {}",
                wanted.algorithm.name()
            ));
        }
        announced.algorithm = Some(wanted.algorithm);
    }
    let (draft, digests) = endpoint.receive(input.body, announced).await?;
    let mut output = dto::UploadPartOutput {
        e_tag: Some(etag(&digests.etag())),
        ..dto::UploadPartOutput::default()
    };
    show_checksum!(&digests.checksum => output);
    endpoint
        .blocking(move |store| {
            let blob = store.blobs.seal(draft)?;
            store.put_part(upload.which(), number, blob, &digests)
        })
        .await?;
    Ok(output)
}

pub(super) async fn part_copy(
    endpoint: &Endpoint,
    req: S3Request<dto::UploadPartCopyInput>,
) -> S3Result<dto::UploadPartCopyOutput> {
    let input = req.input;
    let number = part_number(input.part_number)?;
    let upload = UploadName { bucket: input.bucket, key: input.key, id: input.upload_id };
    let source = ObjectName::of_source(input.copy_source)?;
    let conditions = Conditions {
        if_match: input.copy_source_if_match.map(tag_of),
        if_none_match: input.copy_source_if_none_match.map(tag_of),
        if_modified_since: input.copy_source_if_modified_since.map(moment_of),
        if_unmodified_since: input.copy_source_if_unmodified_since.map(moment_of),
    };
    let range = input.copy_source_range.as_deref().map(dto::Range::parse).transpose();
    let range = range
        .map_err(|_| s3_error!(InvalidArgument, "the range of a copy is `bytes=FIRST-LAST`"))?;
    let (upload, wanted, version, file) = endpoint
        .blocking(move |store| {
            let wanted = store.upload(upload.which())?.checksum;
            let opened = store.open_object(source.which(), &conditions);
            let (version, file) = opened.map_err(super::unmodified_source)?;
            Ok((upload, wanted, version, file))
        })
        .await?;
    let bytes = match range {
        None => 0..version.size,
        Some(range) => range.check(version.size).map_err(|_| range_error(version.size))?,
    };
    let mut result = dto::CopyPartResult::default();
    let (digests, modified) = endpoint
        .blocking(move |store| {
            let mut draft = store.blobs.draft(wanted.map(|wanted| wanted.algorithm))?;
            draft.copy(&file, bytes)?;
            let digests = draft.digests();
            let blob = store.blobs.seal(draft)?;
            let modified = store.put_part(upload.which(), number, blob, &digests)?;
            Ok((digests, modified))
        })
        .await?;
    show_checksum!(&digests.checksum => result);
    result.e_tag = Some(etag(&digests.etag()));
    result.last_modified = Some(timestamp(modified));
    Ok(dto::UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: version.shown_id,
        ..dto::UploadPartCopyOutput::default()
    })
}

pub(super) async fn complete(
    endpoint: &Endpoint,
    req: S3Request<dto::CompleteMultipartUploadInput>,
) -> S3Result<dto::CompleteMultipartUploadOutput> {
    let mut input = req.input;
    let expected = given_checksum!(input)?;
    let conditions = Conditions {
        if_match: input.if_match.take().map(tag_of),
        if_none_match: input.if_none_match.take().map(tag_of),
        ..Conditions::default()
    };
    let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    let parts = parts.into_iter().map(listed_part).collect::<S3Result<Vec<_>>>()?;
    let upload = UploadName { bucket: input.bucket, key: input.key, id: input.upload_id };
    let (upload, completed) = endpoint
        .blocking(move |store| {
            let completed =
                store.complete_upload(upload.which(), &parts, expected.as_ref(), &conditions)?;
            Ok((upload, completed))
        })
        .await?;
    let mut output = dto::CompleteMultipartUploadOutput {
        location: Some(format!(
            "/{}/{}",
            upload.bucket,
            urlencoding::encode(&upload.key).replace("%2F", "/")
        )),
        bucket: Some(upload.bucket),
        key: in_xml(upload.key),
        e_tag: Some(etag(&completed.etag)),
        version_id: completed.version_id,
        checksum_type: completed
            .checksum
            .as_ref()
            .and_then(|checksum| checksum.to_dto().checksum_type),
        ..dto::CompleteMultipartUploadOutput::default()
    };
    show_checksum!(&completed.checksum => output);
    Ok(output)
}

pub(super) async fn abort(
    endpoint: &Endpoint,
    req: S3Request<dto::AbortMultipartUploadInput>,
) -> S3Result<dto::AbortMultipartUploadOutput> {
    let upload =
        UploadName { bucket: req.input.bucket, key: req.input.key, id: req.input.upload_id };
    endpoint.blocking(move |store| store.abort_upload(upload.which())).await?;
    Ok(dto::AbortMultipartUploadOutput::default())
}

pub(super) async fn parts(
    endpoint: &Endpoint,
    req: S3Request<dto::ListPartsInput>,
) -> S3Result<dto::ListPartsOutput> {
    let input = req.input;
    let max = entries(input.max_parts)?;
    let after = u16::try_from(input.part_number_marker.unwrap_or(0))
        .map_err(|_| s3_error!(InvalidArgument, "a part number marker is 0 to 10000"))?;
    let upload = UploadName {
        bucket: input.bucket.clone(),
        key: input.key.clone(),
        id: input.upload_id.clone(),
    };
    let (upload, parts) =
        endpoint.blocking(move |store| store.upload_parts(upload.which())).await?;
    let rest: Vec<_> = parts.into_iter().filter(|part| part.number > after).collect();
    let page = &rest[..rest.len().min(max)];
    let truncated = rest.len() > page.len();
    let shown = page.iter().map(|part| {
        let mut shown = dto::Part {
            part_number: Some(i32::from(part.number)),
            e_tag: Some(etag(&part.etag)),
            size: Some(size(part.size)),
            last_modified: Some(timestamp(part.modified)),
            ..dto::Part::default()
        };
        show_checksum!(&part.checksum => shown);
        shown
    });
    Ok(dto::ListPartsOutput {
        bucket: Some(input.bucket),
        key: in_xml(input.key),
        upload_id: Some(input.upload_id),
        part_number_marker: Some(i32::from(after)),
        next_part_number_marker: page
            .last()
            .filter(|_| truncated)
            .map(|part| i32::from(part.number)),
        max_parts: i32::try_from(max).ok(),
        is_truncated: Some(truncated),
        parts: Some(shown.collect()),
        checksum_algorithm: upload
            .checksum
            .map(|wanted| dto::ChecksumAlgorithm::from_static(wanted.algorithm.name())),
        checksum_type: upload.checksum.map(checksum_type),
        ..dto::ListPartsOutput::default()
    })
}

pub(super) async fn list(
    endpoint: &Endpoint,
    req: S3Request<dto::ListMultipartUploadsInput>,
) -> S3Result<dto::ListMultipartUploadsOutput> {
    let input = req.input;
    if input.delimiter.as_ref().is_some_and(|delimiter| !delimiter.is_empty()) {
        return Err(s3_error!(
            NotImplemented,
            "uploads are listed without a delimiter on this endpoint"
        ));
    }
    let max = entries(input.max_uploads)?;
    let prefix = input.prefix.unwrap_or_default();
    let (bucket, wanted) = (input.bucket.clone(), prefix.clone());
    let uploads = endpoint.blocking(move |store| store.uploads(&bucket, &wanted)).await?;
    let marker = (input.key_marker.unwrap_or_default(), input.upload_id_marker.unwrap_or_default());
    let rest = uploads.into_iter().filter(|upload| match upload.key.cmp(&marker.0) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => !marker.1.is_empty() && upload.id > marker.1,
        std::cmp::Ordering::Greater => true,
    });
    let rest: Vec<_> = rest.collect();
    let page = &rest[..rest.len().min(max)];
    let next = page.last().filter(|_| rest.len() > page.len());
    let url = input
        .encoding_type
        .as_ref()
        .is_some_and(|encoding| encoding.as_str() == dto::EncodingType::URL);
    let write = |name: &str| {
        if url { urlencoding::encode(name).replace("%2F", "/") } else { name.to_owned() }
    };
    let shown = page.iter().map(|upload| dto::MultipartUpload {
        key: Some(write(&upload.key)),
        upload_id: Some(upload.id.clone()),
        initiated: Some(timestamp(upload.started)),
        storage_class: Some(dto::StorageClass::from_static(dto::StorageClass::STANDARD)),
        ..dto::MultipartUpload::default()
    });
    Ok(dto::ListMultipartUploadsOutput {
        uploads: Some(shown.collect()),
        is_truncated: Some(next.is_some()),
        next_key_marker: next.map(|upload| write(&upload.key)),
        next_upload_id_marker: next.map(|upload| upload.id.clone()),
        bucket: Some(input.bucket),
        prefix: Some(write(&prefix)),
        key_marker: Some(write(&marker.0)),
        upload_id_marker: Some(marker.1.clone()),
        max_uploads: i32::try_from(max).ok(),
        encoding_type: input.encoding_type,
        ..dto::ListMultipartUploadsOutput::default()
    })
}

fn part_number(number: i32) -> S3Result<u16> {
    let number = u16::try_from(number).ok().filter(|number| PART_NUMBERS.contains(number));
    number.ok_or_else(|| s3_error!(InvalidArgument, "a part number is 1 to 10000"))
}

fn listed_part(mut part: dto::CompletedPart) -> S3Result<ListedPart> {
    Ok(ListedPart {
        number: part_number(part.part_number.unwrap_or(0))?,
        checksum: given_checksum!(part)?,
        etag: part.e_tag.map(dto::ETag::into_value),
    })
}

fn checksum_type(wanted: WantedChecksum) -> dto::ChecksumType {
    let name = if wanted.full_object {
        dto::ChecksumType::FULL_OBJECT
    } else {
        dto::ChecksumType::COMPOSITE
    };
    dto::ChecksumType::from_static(name)
}

fn entries(asked: Option<i32>) -> S3Result<usize> {
    let asked = usize::try_from(asked.unwrap_or(ENTRIES_MAX as i32));
    asked
        .map(|asked| asked.min(ENTRIES_MAX))
        .map_err(|_| s3_error!(InvalidArgument, "a page has 0 to 1000 entries"))
}
