//! Versions of objects: writing, finding, deleting and tagging them.
//!
//! A write comes with a sealed blob and becomes visible when its row commits; a delete removes the
//! row first and the blob after. The versioning of the bucket decides what an overwrite keeps.

use super::blob::{BlobId, Sealed};
use super::bucket::{Versioning, versioning};
use super::checksum::{Algorithm, Checksum};
use super::clock::UnixMs;
use super::condition::Conditions;
use super::error::StoreError;
use super::index::fresh_id;
use super::store::Store;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use std::collections::BTreeMap;
use std::fs::File;

/// The id of what was written while the bucket did not keep versions.
const NULL_VERSION: &str = "null";

/// How often a read looks again when the object is replaced between the look-up and the opening.
const OPEN_ATTEMPTS_MAX: usize = 16;

/// What a client says about an object besides its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Description {
    /// `content-type` and its like, by lower-case header name.
    pub(super) headers: BTreeMap<String, String>,
    /// User metadata, without `x-amz-meta-`.
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
}

/// An object that is ready to become visible.
#[derive(Debug)]
pub(super) struct NewObject<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) blob: Sealed,
    pub(super) etag: String,
    pub(super) checksum: Option<Checksum>,
    /// Empty unless it was uploaded in parts.
    pub(super) part_sizes: Vec<u64>,
    pub(super) description: &'a Description,
}

/// A version as the index has it.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) seq: i64,
    pub(super) version_id: String,
    /// `None` in a bucket that never kept versions: S3 shows no version ids there.
    pub(super) shown_id: Option<String>,
    pub(super) modified: UnixMs,
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) checksum: Option<Checksum>,
    pub(super) part_sizes: Vec<u64>,
    pub(super) description: Description,
    /// `None` for a delete marker.
    pub(super) blob: Option<BlobId>,
}

/// Names a version: the newest, or one by its id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Which<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) version_id: Option<&'a str>,
}

/// What a write made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    /// The id to show, if the bucket keeps versions.
    pub(super) version_id: Option<String>,
    pub(super) modified: UnixMs,
}

/// What a delete did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Deleted {
    /// The version that was removed or the marker that was added.
    pub(super) version_id: Option<String>,
    pub(super) marker: bool,
}

impl Store {
    /// Makes a sealed blob visible as the newest version of its key.
    ///
    /// If this fails the blob is removed: nothing names it.
    pub(super) fn put(
        &self,
        new: &NewObject<'_>,
        conditions: &Conditions,
    ) -> Result<Written, StoreError> {
        let now = self.now();
        let done = self.index.write(|index| insert(index, now, new, conditions));
        match done {
            Ok((version_id, freed)) => {
                self.blobs.remove(&freed);
                Ok(Written { version_id, modified: now })
            }
            Err(error) => {
                self.blobs.remove(&[new.blob.id]);
                Err(error)
            }
        }
    }

    /// Returns a version that has content and meets the conditions.
    pub(super) fn find(
        &self,
        which: Which<'_>,
        conditions: &Conditions,
    ) -> Result<Version, StoreError> {
        let version = self.index.read(|index| find(index, which))?;
        conditions.judge_read(&version)?;
        Ok(version)
    }

    /// Returns a version with its file open, so that it can be read whatever happens to it next.
    pub(super) fn open_object(
        &self,
        which: Which<'_>,
        conditions: &Conditions,
    ) -> Result<(Version, File), StoreError> {
        let mut attempts = 0;
        loop {
            let version = self.find(which, conditions)?;
            let blob = version.blob.ok_or(StoreError::Damaged("an object without content"))?;
            attempts += 1;
            match self.blobs.read(blob) {
                Ok(file) => return Ok((version, file)),
                // Replaced since the look-up: the next one finds its successor.
                Err(StoreError::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound
                        && attempts < OPEN_ATTEMPTS_MAX => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Deletes the newest version or one by its id. A missing object is fine, as in S3.
    pub(super) fn delete(
        &self,
        which: Which<'_>,
        conditions: &Conditions,
    ) -> Result<Deleted, StoreError> {
        let now = self.now();
        let (deleted, freed) = self.index.write(|index| {
            let mut freed = Vec::new();
            let deleted = delete(index, now, which, conditions, &mut freed)?;
            Ok((deleted, freed))
        })?;
        self.blobs.remove(&freed);
        Ok(deleted)
    }

    /// Deletes many in one transaction: all of them or, if the disk fails, none.
    pub(super) fn delete_many(
        &self,
        bucket: &str,
        objects: &[(String, Option<String>)],
    ) -> Result<Vec<Deleted>, StoreError> {
        let now = self.now();
        let (deleted, freed) = self.index.write(|index| {
            let mut freed = Vec::new();
            let mut deleted = Vec::with_capacity(objects.len());
            for (key, version_id) in objects {
                let which = Which { bucket, key, version_id: version_id.as_deref() };
                deleted.push(delete(index, now, which, &Conditions::default(), &mut freed)?);
            }
            Ok((deleted, freed))
        })?;
        self.blobs.remove(&freed);
        Ok(deleted)
    }

    /// Replaces the tags of a version. Returns the id to show, if any.
    pub(super) fn tag(
        &self,
        which: Which<'_>,
        tags: &BTreeMap<String, String>,
    ) -> Result<Option<String>, StoreError> {
        self.index.write(|index| {
            let version = find(index, which)?;
            index
                .prepare_cached("UPDATE version SET tags = ?2 WHERE seq = ?1")?
                .execute(params![version.seq, to_json(tags)])?;
            Ok(version.shown_id)
        })
    }
}

/// Adds a version inside a transaction. Returns the id to show and the blobs it freed.
pub(super) fn insert(
    index: &Transaction<'_>,
    now: UnixMs,
    new: &NewObject<'_>,
    conditions: &Conditions,
) -> Result<(Option<String>, Vec<BlobId>), StoreError> {
    let state = versioning(index, new.bucket)?;
    conditions.judge_write(current(index, new.bucket, new.key)?.as_ref())?;
    let mut freed = Vec::new();
    let version_id = match state {
        Versioning::On => fresh_id(index)?,
        Versioning::Off | Versioning::Suspended => {
            remove_null_version(index, new.bucket, new.key, &mut freed)?;
            NULL_VERSION.to_owned()
        }
    };
    retire_latest(index, new.bucket, new.key)?;
    index
        .prepare_cached(
            "INSERT INTO version (bucket, key, version_id, latest, marker, modified, size, etag, algorithm,
                                  checksum, part_sizes, headers, metadata, tags, blob)
             VALUES (?1, ?2, ?3, 1, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            new.bucket,
            new.key.as_bytes(),
            version_id,
            now,
            new.blob.size,
            new.etag,
            new.checksum.as_ref().map(|sum| sum.algorithm.name()),
            new.checksum.as_ref().map(|sum| &sum.value),
            (!new.part_sizes.is_empty()).then(|| to_json(&new.part_sizes)),
            to_json(&new.description.headers),
            to_json(&new.description.metadata),
            to_json(&new.description.tags),
            new.blob.id,
        ])?;
    Ok((shown(state, &version_id), freed))
}

/// Deletes inside a transaction, as [`Store::delete`]. Freed blobs are appended to `freed`.
pub(super) fn delete(
    index: &Transaction<'_>,
    now: UnixMs,
    which: Which<'_>,
    conditions: &Conditions,
    freed: &mut Vec<BlobId>,
) -> Result<Deleted, StoreError> {
    let state = versioning(index, which.bucket)?;
    if !conditions.is_empty() {
        conditions.judge_write(current(index, which.bucket, which.key)?.as_ref())?;
    }
    if let Some(version_id) = which.version_id {
        return delete_version(index, which, version_id, state, freed);
    }
    match state {
        Versioning::Off => {
            remove_null_version(index, which.bucket, which.key, freed)?;
            Ok(Deleted::default())
        }
        Versioning::On => {
            let version_id = fresh_id(index)?;
            insert_marker(index, now, which, &version_id)
        }
        Versioning::Suspended => {
            remove_null_version(index, which.bucket, which.key, freed)?;
            insert_marker(index, now, which, NULL_VERSION)
        }
    }
}

fn insert_marker(
    index: &Transaction<'_>,
    now: UnixMs,
    which: Which<'_>,
    version_id: &str,
) -> Result<Deleted, StoreError> {
    retire_latest(index, which.bucket, which.key)?;
    index
        .prepare_cached(
            "INSERT INTO version (bucket, key, version_id, latest, marker, modified, size, etag, headers,
                                  metadata, tags)
             VALUES (?1, ?2, ?3, 1, 1, ?4, 0, '', '{}', '{}', '{}')",
        )?
        .execute(params![which.bucket, which.key.as_bytes(), version_id, now])?;
    Ok(Deleted { version_id: Some(version_id.to_owned()), marker: true })
}

fn delete_version(
    index: &Transaction<'_>,
    which: Which<'_>,
    version_id: &str,
    state: Versioning,
    freed: &mut Vec<BlobId>,
) -> Result<Deleted, StoreError> {
    let removed = index
        .prepare_cached(
            "DELETE FROM version WHERE bucket = ?1 AND key = ?2 AND version_id = ?3 RETURNING blob, marker, latest",
        )?
        .query_row(params![which.bucket, which.key.as_bytes(), version_id], |row| {
            Ok((row.get::<_, Option<BlobId>>(0)?, row.get::<_, bool>(1)?, row.get::<_, bool>(2)?))
        })
        .optional()?;
    let Some((blob, marker, latest)) = removed else {
        return Ok(Deleted { version_id: shown(state, version_id), marker: false });
    };
    freed.extend(blob);
    if latest {
        index
            .prepare_cached(
                "UPDATE version SET latest = 1 WHERE seq =
                    (SELECT max(seq) FROM version WHERE bucket = ?1 AND key = ?2)",
            )?
            .execute(params![which.bucket, which.key.as_bytes()])?;
    }
    Ok(Deleted { version_id: shown(state, version_id), marker })
}

/// Removes the one version that a bucket without versioning overwrites. There may be none.
fn remove_null_version(
    index: &Transaction<'_>,
    bucket: &str,
    key: &str,
    freed: &mut Vec<BlobId>,
) -> Result<(), StoreError> {
    let blob: Option<Option<BlobId>> = index
        .prepare_cached(
            "DELETE FROM version WHERE bucket = ?1 AND key = ?2 AND version_id = 'null' RETURNING blob",
        )?
        .query_row(params![bucket, key.as_bytes()], |row| row.get(0))
        .optional()?;
    freed.extend(blob.flatten());
    Ok(())
}

fn retire_latest(index: &Transaction<'_>, bucket: &str, key: &str) -> Result<(), StoreError> {
    index
        .prepare_cached(
            "UPDATE version SET latest = 0 WHERE bucket = ?1 AND key = ?2 AND latest = 1",
        )?
        .execute(params![bucket, key.as_bytes()])?;
    Ok(())
}

/// Finds a version with content; a delete marker is `NoSuchKey` by key and `DeleteMarker` by id.
fn find(index: &Transaction<'_>, which: Which<'_>) -> Result<Version, StoreError> {
    let state = versioning(index, which.bucket)?;
    let found = match which.version_id {
        None => select(index, "latest = 1", state, which.bucket, which.key, "")?,
        Some(id) => select(index, "version_id = ?3", state, which.bucket, which.key, id)?,
    };
    match (found, which.version_id) {
        (Some(version), _) if version.blob.is_some() => Ok(version),
        (Some(_), None) => Err(StoreError::NoSuchKey { delete_marker: true }),
        (Some(marker), Some(_)) => Err(StoreError::DeleteMarker { version_id: marker.version_id }),
        (None, None) => Err(StoreError::NoSuchKey { delete_marker: false }),
        (None, Some(_)) => Err(StoreError::NoSuchVersion),
    }
}

/// Returns what a plain read of the key would find, or `None` for a delete marker or nothing.
fn current(
    index: &Transaction<'_>,
    bucket: &str,
    key: &str,
) -> Result<Option<Version>, StoreError> {
    let latest = select(index, "latest = 1", Versioning::On, bucket, key, "")?;
    Ok(latest.filter(|version| version.blob.is_some()))
}

fn select(
    index: &Transaction<'_>,
    matching: &'static str,
    state: Versioning,
    bucket: &str,
    key: &str,
    version_id: &str,
) -> Result<Option<Version>, StoreError> {
    let sql = format!(
        "SELECT seq, version_id, modified, size, etag, algorithm, checksum, part_sizes, headers, metadata,
                tags, blob
         FROM version WHERE bucket = ?1 AND key = ?2 AND ?3 = ?3 AND {matching}"
    );
    let mut statement = index.prepare_cached(&sql)?;
    let row = statement
        .query_row(params![bucket, key.as_bytes(), version_id], |row| Ok(version_of(row, state)));
    row.optional()?.transpose()
}

fn version_of(row: &Row<'_>, state: Versioning) -> Result<Version, StoreError> {
    let version_id: String = row.get("version_id")?;
    Ok(Version {
        seq: row.get("seq")?,
        shown_id: shown(state, &version_id),
        version_id,
        modified: row.get("modified")?,
        size: row.get("size")?,
        etag: row.get("etag")?,
        checksum: checksum_of(row)?,
        part_sizes: row
            .get::<_, Option<String>>("part_sizes")?
            .map_or(Ok(Vec::new()), |text| from_json(&text))?,
        description: description_of(row)?,
        blob: row.get("blob")?,
    })
}

/// Reads the columns `headers`, `metadata` and `tags`.
pub(super) fn description_of(row: &Row<'_>) -> Result<Description, StoreError> {
    Ok(Description {
        headers: from_json(&row.get::<_, String>("headers")?)?,
        metadata: from_json(&row.get::<_, String>("metadata")?)?,
        tags: from_json(&row.get::<_, String>("tags")?)?,
    })
}

/// Reads the columns `algorithm` and `checksum`.
pub(super) fn checksum_of(row: &Row<'_>) -> Result<Option<Checksum>, StoreError> {
    let Some(name) = row.get::<_, Option<String>>("algorithm")? else { return Ok(None) };
    let algorithm =
        Algorithm::parse(&name).ok_or(StoreError::Damaged("an unknown checksum algorithm"))?;
    Ok(Some(Checksum { algorithm, value: row.get("checksum")? }))
}

fn shown(state: Versioning, version_id: &str) -> Option<String> {
    match state {
        Versioning::Off => None,
        Versioning::On | Versioning::Suspended => Some(version_id.to_owned()),
    }
}

pub(super) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("maps of strings and lists of numbers have a JSON form")
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Damaged("a description that is not JSON"))
}
