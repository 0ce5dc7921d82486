//! Buckets, as dsenv makes, reads and removes them. No S3 client can: see `access`.
//!
//! Each call is idempotent and one transaction.

use super::blob::BlobId;
use super::clock::UnixMs;
use super::error::StoreError;
use super::index::read_closed;
use super::store::{Store, lock_existing};
use rusqlite::{OptionalExtension, Transaction, params};
use std::path::Path;
use std::time::SystemTime;

/// What a bucket is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketSettings {
    /// Keep overwritten and deleted objects. Turned off again, it is suspended: what was kept stays.
    pub versioning: bool,
    /// When objects expire by themselves, sorted by prefix when read back.
    pub expire: Vec<Expire>,
}

/// Objects whose key starts with `prefix` expire `days` after they were written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expire {
    /// The start of the key; empty for all.
    pub prefix: String,
    /// At least 1. As in S3, counted to the midnight (UTC) that follows.
    pub days: u32,
}

/// What a bucket is and holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketFacts {
    /// As last given to [`Store::ensure_bucket`].
    pub settings: BucketSettings,
    /// When it was first ensured.
    pub created: SystemTime,
    /// Objects that a plain listing shows.
    pub objects: u64,
    /// Bytes of all versions and of unfinished uploads: what deleting the bucket frees.
    pub bytes: u64,
}

/// What [`Store::delete_bucket`] does with the objects of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// Refuse if there is a version or a delete marker. Unfinished uploads go, as in S3.
    MustBeEmpty,
    /// Delete every version with the bucket.
    Delete,
}

/// Whether a bucket keeps versions. S3 cannot go back from `On` to `Off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versioning {
    Off,
    On,
    Suspended,
}

impl Store {
    /// Creates the bucket, or gives an existing one these settings. Never touches objects.
    pub fn ensure_bucket(&self, name: &str, settings: &BucketSettings) -> Result<(), StoreError> {
        if !s3s::path::check_bucket_name(name) {
            return Err(StoreError::BucketName(name.to_owned()));
        }
        if let Some(expire) = settings.expire.iter().find(|expire| expire.days == 0) {
            return Err(StoreError::ExpireDays(expire.prefix.clone()));
        }
        let now = self.now();
        self.index.write(|index| {
            let before = match versioning(index, name) {
                Ok(state) => Some(state),
                Err(StoreError::NoSuchBucket(_)) => None,
                Err(error) => return Err(error),
            };
            let after = match (before, settings.versioning) {
                (_, true) => Versioning::On,
                (None | Some(Versioning::Off), false) => Versioning::Off,
                (Some(Versioning::On | Versioning::Suspended), false) => Versioning::Suspended,
            };
            index.execute(
                "INSERT INTO bucket (name, created, versioning) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET versioning = excluded.versioning",
                params![name, now, after.code()],
            )?;
            index.execute("DELETE FROM expire WHERE bucket = ?1", [name])?;
            for Expire { prefix, days } in &settings.expire {
                index.execute(
                    "INSERT OR IGNORE INTO expire (bucket, prefix, days) VALUES (?1, ?2, ?3)",
                    params![name, prefix.as_bytes(), days],
                )?;
            }
            Ok(())
        })
    }

    /// Returns what the bucket is and holds, or `None` if there is no such bucket.
    pub fn bucket(&self, name: &str) -> Result<Option<BucketFacts>, StoreError> {
        self.index.read(|index| {
            let found = index
                .query_row(
                    "SELECT created, versioning FROM bucket WHERE name = ?1",
                    [name],
                    |row| Ok((row.get::<_, UnixMs>(0)?, row.get(1)?)),
                )
                .optional()?;
            let Some((created, code)) = found else { return Ok(None) };
            let (objects, bytes) = index.query_row(
                "SELECT count(*) FILTER (WHERE latest = 1 AND marker = 0), coalesce(sum(size), 0)
                 FROM version WHERE bucket = ?1",
                [name],
                |row| Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?)),
            )?;
            let unfinished: u64 = index.query_row(
                "SELECT coalesce(sum(part.size), 0) FROM part JOIN upload ON part.upload = upload.id
                 WHERE upload.bucket = ?1",
                [name],
                |row| row.get(0),
            )?;
            let versioning = Versioning::from_code(code)? == Versioning::On;
            let settings = BucketSettings { versioning, expire: expires(index, name)? };
            Ok(Some(BucketFacts {
                settings,
                created: created.into(),
                objects,
                bytes: bytes + unfinished,
            }))
        })
    }

    /// Reads what buckets are to be from a store that nobody has open, `None` for each that does not
    /// exist. Creates, sweeps and changes nothing; refuses as [`Store::open`] does.
    pub fn settings_in(
        dir: &Path,
        names: &[String],
    ) -> Result<Vec<Option<BucketSettings>>, StoreError> {
        let none = || names.iter().map(|_| None).collect();
        let Some(_lock) = lock_existing(dir)? else { return Ok(none()) };
        let all = |index: &Transaction<'_>| -> Result<Vec<_>, StoreError> {
            names.iter().map(|name| settings(index, name)).collect()
        };
        Ok(read_closed(dir, all)?.unwrap_or_else(none))
    }

    /// Deletes the bucket. One that does not exist is fine.
    pub fn delete_bucket(&self, name: &str, contents: Contents) -> Result<(), StoreError> {
        let freed = self.index.write(|index| {
            let versions: u64 =
                index.query_row("SELECT count(*) FROM version WHERE bucket = ?1", [name], |row| row.get(0))?;
            match contents {
                Contents::MustBeEmpty if versions > 0 => {
                    return Err(StoreError::BucketNotEmpty { bucket: name.to_owned(), versions });
                }
                Contents::MustBeEmpty | Contents::Delete => {}
            }
            let mut named = index.prepare(
                "SELECT blob FROM version WHERE bucket = ?1 AND blob IS NOT NULL
                 UNION ALL
                 SELECT part.blob FROM part JOIN upload ON part.upload = upload.id WHERE upload.bucket = ?1",
            )?;
            let freed: Vec<BlobId> = named.query_map([name], |row| row.get(0))?.collect::<Result<_, _>>()?;
            index.execute("DELETE FROM bucket WHERE name = ?1", [name])?;
            Ok(freed)
        })?;
        self.blobs.remove(&freed);
        Ok(())
    }

    /// Returns the names and creation times of all buckets, in order.
    pub(super) fn buckets(&self) -> Result<Vec<(String, UnixMs)>, StoreError> {
        self.index.read(|index| {
            let mut all = index.prepare_cached("SELECT name, created FROM bucket ORDER BY name")?;
            let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Returns whether the bucket keeps versions, or that it does not exist.
    pub(super) fn versioning(&self, name: &str) -> Result<Versioning, StoreError> {
        self.index.read(|index| versioning(index, name))
    }

    /// Returns the expiry rules of the bucket, or that it does not exist.
    pub(super) fn bucket_expires(&self, name: &str) -> Result<Vec<Expire>, StoreError> {
        self.index.read(|index| {
            versioning(index, name)?;
            expires(index, name)
        })
    }
}

/// Returns whether the bucket keeps versions; `NoSuchBucket` is how a missing bucket shows.
pub(super) fn versioning(index: &Transaction<'_>, name: &str) -> Result<Versioning, StoreError> {
    let mut select = index.prepare_cached("SELECT versioning FROM bucket WHERE name = ?1")?;
    let code = select.query_row([name], |row| row.get(0)).optional()?;
    Versioning::from_code(code.ok_or_else(|| StoreError::NoSuchBucket(name.to_owned()))?)
}

fn settings(index: &Transaction<'_>, name: &str) -> Result<Option<BucketSettings>, StoreError> {
    match versioning(index, name) {
        Ok(versioning) => {
            let versioning = versioning == Versioning::On;
            Ok(Some(BucketSettings { versioning, expire: expires(index, name)? }))
        }
        Err(StoreError::NoSuchBucket(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn expires(index: &Transaction<'_>, name: &str) -> Result<Vec<Expire>, StoreError> {
    let mut select = index.prepare_cached(
        "SELECT prefix, days FROM expire WHERE bucket = ?1 ORDER BY prefix, days",
    )?;
    let rows = select.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.map(|row| {
        let (prefix, days) = row?;
        let prefix = String::from_utf8(prefix)
            .map_err(|_| StoreError::Damaged("a prefix that is not UTF-8"))?;
        Ok(Expire { prefix, days })
    })
    .collect()
}

impl Versioning {
    fn code(self) -> i64 {
        match self {
            Versioning::Off => 0,
            Versioning::On => 1,
            Versioning::Suspended => 2,
        }
    }

    fn from_code(code: i64) -> Result<Versioning, StoreError> {
        match code {
            0 => Ok(Versioning::Off),
            1 => Ok(Versioning::On),
            2 => Ok(Versioning::Suspended),
            _ => Err(StoreError::Damaged("an unknown state of versioning")),
        }
    }
}
