//! Expiry: deletes what the buckets' rules say has lived long enough, when the owner asks.

use super::blob::BlobId;
use super::bucket::Expire;
use super::clock::UnixMs;
use super::condition::Conditions;
use super::error::StoreError;
use super::index::above_prefix;
use super::listing::key_of;
use super::object::{self, Which};
use super::store::Store;
use rusqlite::{Transaction, params};
use std::time::SystemTime;

/// How many objects one transaction expires, so that clients are not held up by a long sweep.
const BATCH_MAX: usize = 500;

impl Store {
    /// Deletes the objects that have expired by `now`. Returns how many.
    ///
    /// As in S3, the newest version counts: where versions are kept it gets a delete marker and can
    /// be had back. Calling this twice, or rarely, is fine: an object stays readable until it runs.
    pub fn expire(&self, now: SystemTime) -> Result<u64, StoreError> {
        let now = UnixMs::from(now);
        let mut expired = 0;
        for (bucket, _) in self.buckets()? {
            let rules = match self.bucket_expires(&bucket) {
                Ok(rules) => rules,
                // Deleted since the buckets were listed.
                Err(StoreError::NoSuchBucket(_)) => continue,
                Err(error) => return Err(error),
            };
            for rule in &rules {
                while let count @ 1.. = self.expire_batch(&bucket, rule, now)? {
                    expired += count;
                }
            }
        }
        Ok(expired)
    }

    fn expire_batch(&self, bucket: &str, rule: &Expire, now: UnixMs) -> Result<u64, StoreError> {
        let Some(horizon) = now.expiry_horizon(rule.days) else { return Ok(0) };
        let (count, freed): (u64, Vec<BlobId>) = self.index.write(|index| {
            let mut freed = Vec::new();
            let keys = due(index, bucket, rule, horizon)?;
            for key in &keys {
                let which = Which { bucket, key, version_id: None };
                object::delete(index, now, which, &Conditions::default(), &mut freed)?;
            }
            Ok((keys.len() as u64, freed))
        })?;
        self.blobs.remove(&freed);
        Ok(count)
    }
}

fn due(
    index: &Transaction<'_>,
    bucket: &str,
    rule: &Expire,
    horizon: UnixMs,
) -> Result<Vec<String>, StoreError> {
    let mut select = index.prepare_cached(
        "SELECT key FROM version
         WHERE bucket = ?1 AND latest = 1 AND marker = 0 AND modified <= ?2
               AND key >= ?3 AND (?4 IS NULL OR key < ?4)
         ORDER BY key LIMIT ?5",
    )?;
    let prefix = rule.prefix.as_bytes();
    let mut rows =
        select.query(params![bucket, horizon, prefix, above_prefix(prefix), BATCH_MAX as u64])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        keys.push(key_of(row)?);
    }
    Ok(keys)
}
