//! Multipart uploads: parts are blobs of their own until completion joins them into one.
//!
//! Joining happens outside any transaction, since it may take seconds; the transaction that makes
//! the object visible checks again that the upload and its parts are still the ones that were joined.

use super::blob::{BlobId, Digests, Sealed, bytes_of_hex, hex};
use super::bucket::versioning;
use super::checksum::{self, Algorithm, Checksum};
use super::clock::UnixMs;
use super::condition::Conditions;
use super::error::StoreError;
use super::index::{above_prefix, fresh_id};
use super::listing::key_of;
use super::object::{self, Description, NewObject, checksum_of, description_of, to_json};
use super::store::Store;
use rusqlite::{OptionalExtension, Transaction, params};
use s3s::crypto::{Checksum as _, Md5};
use std::ops::RangeInclusive;

/// The numbers a part may have, as in S3.
pub(super) const PART_NUMBERS: RangeInclusive<u16> = 1..=10_000;

/// The least a part holds unless it is the last, as in S3.
pub(super) const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;

/// Which checksum the finished object is to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WantedChecksum {
    pub(super) algorithm: Algorithm,
    /// Of the bytes rather than of the parts' checksums.
    pub(super) full_object: bool,
}

/// Names an upload. The key and bucket must be the ones it was started with.
#[derive(Debug, Clone, Copy)]
pub(super) struct WhichUpload<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) id: &'a str,
}

/// An upload that is neither completed nor aborted.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) started: UnixMs,
    pub(super) checksum: Option<WantedChecksum>,
    pub(super) description: Description,
}

/// An uploaded part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) number: u16,
    pub(super) modified: UnixMs,
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) checksum: Option<Checksum>,
    blob: BlobId,
}

/// A part as the client lists it when it completes the upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedPart {
    pub(super) number: u16,
    pub(super) etag: Option<String>,
    pub(super) checksum: Option<Checksum>,
}

/// What completion made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Completed {
    pub(super) version_id: Option<String>,
    pub(super) etag: String,
    pub(super) checksum: Option<Checksum>,
}

impl Store {
    /// Starts an upload and returns its id.
    pub(super) fn start_upload(
        &self,
        bucket: &str,
        key: &str,
        wanted: Option<WantedChecksum>,
        description: &Description,
    ) -> Result<String, StoreError> {
        let now = self.now();
        self.index.write(|index| {
            versioning(index, bucket)?;
            let id = fresh_id(index)?;
            index
                .prepare_cached(
                    "INSERT INTO upload (id, bucket, key, started, algorithm, full_object, headers, metadata, tags)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![
                    id,
                    bucket,
                    key.as_bytes(),
                    now,
                    wanted.map(|wanted| wanted.algorithm.name()),
                    wanted.is_some_and(|wanted| wanted.full_object),
                    to_json(&description.headers),
                    to_json(&description.metadata),
                    to_json(&description.tags),
                ])?;
            Ok(id)
        })
    }

    /// Returns an upload that is still open.
    pub(super) fn upload(&self, which: WhichUpload<'_>) -> Result<Upload, StoreError> {
        self.index.read(|index| find(index, which))
    }

    /// Records a sealed blob as a part, in place of an earlier one of that number.
    pub(super) fn put_part(
        &self,
        which: WhichUpload<'_>,
        number: u16,
        blob: Sealed,
        digests: &Digests,
    ) -> Result<UnixMs, StoreError> {
        let now = self.now();
        let recorded = self.index.write(|index| {
            find(index, which)?;
            let replaced: Option<BlobId> = index
                .prepare_cached("DELETE FROM part WHERE upload = ?1 AND number = ?2 RETURNING blob")?
                .query_row(params![which.id, number], |row| row.get(0))
                .optional()?;
            index
                .prepare_cached(
                    "INSERT INTO part (upload, number, modified, size, etag, algorithm, checksum, blob)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![
                    which.id,
                    number,
                    now,
                    blob.size,
                    digests.etag(),
                    digests.checksum.as_ref().map(|sum| sum.algorithm.name()),
                    digests.checksum.as_ref().map(|sum| &sum.value),
                    blob.id,
                ])?;
            Ok(replaced)
        });
        // Either the part that was replaced or, if this failed, the one that was not recorded.
        let freed = recorded.as_ref().map_or(Some(blob.id), |replaced| *replaced);
        self.blobs.remove(freed.as_slice());
        recorded.map(|_| now)
    }

    /// Joins the listed parts into the newest version of the key. Parts that are not listed go.
    pub(super) fn complete_upload(
        &self,
        which: WhichUpload<'_>,
        listed: &[ListedPart],
        expected: Option<&Checksum>,
        conditions: &Conditions,
    ) -> Result<Completed, StoreError> {
        let (upload, stored) =
            self.index.read(|index| Ok((find(index, which)?, parts(index, which.id)?)))?;
        let chosen = choose(listed, &stored)?;
        let checksum = joined_checksum(upload.checksum, &chosen)?;
        if expected.is_some() && expected != checksum.as_ref() {
            return Err(StoreError::InvalidPart(chosen.first().map_or(1, |part| part.number)));
        }
        let blob = self.join(&chosen)?;
        let new = NewObject {
            bucket: which.bucket,
            key: which.key,
            blob,
            etag: joined_etag(&chosen),
            checksum: checksum.clone(),
            part_sizes: chosen.iter().map(|part| part.size).collect(),
            description: &upload.description,
        };
        let now = self.now();
        let done = self.index.write(|index| {
            find(index, which)?;
            let again = parts(index, which.id)?;
            if again != stored {
                let changed = stored.iter().find(|part| !again.contains(part));
                return Err(StoreError::InvalidPart(changed.map_or(1, |part| part.number)));
            }
            let (version_id, mut freed) = object::insert(index, now, &new, conditions)?;
            index.prepare_cached("DELETE FROM upload WHERE id = ?1")?.execute([which.id])?;
            freed.extend(stored.iter().map(|part| part.blob));
            Ok((version_id, freed))
        });
        match done {
            Ok((version_id, freed)) => {
                self.blobs.remove(&freed);
                Ok(Completed { version_id, etag: new.etag, checksum })
            }
            Err(error) => {
                self.blobs.remove(&[blob.id]);
                Err(error)
            }
        }
    }

    /// Forgets an upload and its parts.
    pub(super) fn abort_upload(&self, which: WhichUpload<'_>) -> Result<(), StoreError> {
        let freed: Vec<BlobId> = self.index.write(|index| {
            find(index, which)?;
            let freed = parts(index, which.id)?.iter().map(|part| part.blob).collect();
            index.prepare_cached("DELETE FROM upload WHERE id = ?1")?.execute([which.id])?;
            Ok(freed)
        })?;
        self.blobs.remove(&freed);
        Ok(())
    }

    /// Returns an open upload and its parts, by number.
    pub(super) fn upload_parts(
        &self,
        which: WhichUpload<'_>,
    ) -> Result<(Upload, Vec<Part>), StoreError> {
        self.index.read(|index| Ok((find(index, which)?, parts(index, which.id)?)))
    }

    /// Returns the open uploads whose key starts with `prefix`, by key and id.
    pub(super) fn uploads(&self, bucket: &str, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        self.index.read(|index| {
            versioning(index, bucket)?;
            let mut select = index.prepare_cached(
                "SELECT * FROM upload WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3)
                 ORDER BY key, id",
            )?;
            let end = above_prefix(prefix.as_bytes());
            let mut rows = select.query(params![bucket, prefix.as_bytes(), end])?;
            let mut uploads = Vec::new();
            while let Some(row) = rows.next()? {
                uploads.push(upload_of(row)?);
            }
            Ok(uploads)
        })
    }

    fn join(&self, chosen: &[&Part]) -> Result<Sealed, StoreError> {
        let mut draft = self.blobs.draft(None)?;
        for part in chosen {
            let file = match self.blobs.read(part.blob) {
                Ok(file) => file,
                // Aborted or uploaded again since the parts were read.
                Err(StoreError::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound =>
                {
                    return Err(StoreError::NoSuchUpload);
                }
                Err(error) => return Err(error),
            };
            draft.join(file)?;
        }
        let sealed = self.blobs.seal(draft)?;
        let expected: u64 = chosen.iter().map(|part| part.size).sum();
        assert_eq!(sealed.size, expected, "a joined object holds exactly its parts");
        Ok(sealed)
    }
}

fn find(index: &Transaction<'_>, which: WhichUpload<'_>) -> Result<Upload, StoreError> {
    versioning(index, which.bucket)?;
    let mut select =
        index.prepare_cached("SELECT * FROM upload WHERE id = ?1 AND bucket = ?2 AND key = ?3")?;
    let mut rows = select.query(params![which.id, which.bucket, which.key.as_bytes()])?;
    let row = rows.next()?.ok_or(StoreError::NoSuchUpload)?;
    upload_of(row)
}

fn upload_of(row: &rusqlite::Row<'_>) -> Result<Upload, StoreError> {
    let algorithm = row.get::<_, Option<String>>("algorithm")?;
    let full_object = row.get("full_object")?;
    let checksum = algorithm
        .map(|name| {
            Algorithm::parse(&name).ok_or(StoreError::Damaged("an unknown checksum algorithm"))
        })
        .transpose()?
        .map(|algorithm| WantedChecksum { algorithm, full_object });
    Ok(Upload {
        id: row.get("id")?,
        key: key_of(row)?,
        started: row.get("started")?,
        checksum,
        description: description_of(row)?,
    })
}

fn parts(index: &Transaction<'_>, upload: &str) -> Result<Vec<Part>, StoreError> {
    let mut select =
        index.prepare_cached("SELECT * FROM part WHERE upload = ?1 ORDER BY number")?;
    let mut rows = select.query([upload])?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next()? {
        parts.push(Part {
            number: row.get("number")?,
            modified: row.get("modified")?,
            size: row.get("size")?,
            etag: row.get("etag")?,
            checksum: checksum_of(row)?,
            blob: row.get("blob")?,
        });
    }
    Ok(parts)
}

/// Returns the stored parts that the client lists, after checking that they are what it says.
fn choose<'a>(listed: &[ListedPart], stored: &'a [Part]) -> Result<Vec<&'a Part>, StoreError> {
    if !listed.is_sorted_by(|a, b| a.number < b.number) {
        return Err(StoreError::PartOrder);
    }
    let mut chosen = Vec::with_capacity(listed.len());
    for wanted in listed {
        let part = stored.iter().find(|part| part.number == wanted.number);
        let part = part.ok_or(StoreError::InvalidPart(wanted.number))?;
        let other_etag = wanted.etag.as_ref().is_some_and(|etag| *etag != part.etag);
        let other_checksum = wanted.checksum.is_some() && wanted.checksum != part.checksum;
        if other_etag || other_checksum {
            return Err(StoreError::InvalidPart(wanted.number));
        }
        chosen.push(part);
    }
    let (_, all_but_last) = chosen.split_last().ok_or(StoreError::InvalidPart(1))?;
    match all_but_last.iter().find(|part| part.size < PART_BYTES_MIN) {
        Some(part) => Err(StoreError::PartTooSmall(part.number)),
        None => Ok(chosen),
    }
}

/// Returns the checksum of the whole, or `None` if none was asked for when the upload was started.
fn joined_checksum(
    wanted: Option<WantedChecksum>,
    parts: &[&Part],
) -> Result<Option<Checksum>, StoreError> {
    let Some(WantedChecksum { algorithm, full_object }) = wanted else { return Ok(None) };
    let mut sums = Vec::with_capacity(parts.len());
    for part in parts {
        let sum = part.checksum.as_ref().filter(|sum| sum.algorithm == algorithm);
        sums.push((sum.ok_or(StoreError::InvalidPart(part.number))?.value.as_str(), part.size));
    }
    let joined = if full_object {
        checksum::full_object(algorithm, &sums)
    } else {
        checksum::composite(algorithm, &sums.iter().map(|(value, _)| *value).collect::<Vec<_>>())
    };
    joined.map(Some).ok_or(StoreError::Damaged("a part's checksum that is not base64"))
}

/// Returns S3's ETag of a multipart object: the MD5 of the parts' MD5s, and their number.
fn joined_etag(parts: &[&Part]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        let digest =
            bytes_of_hex(&part.etag).expect("a part's ETag is the hexadecimal MD5 we wrote");
        md5.update(&digest);
    }
    format!("{}-{}", hex(&md5.finalize()), parts.len())
}
