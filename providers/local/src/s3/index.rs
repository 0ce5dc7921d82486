//! The SQLite index: which buckets, versions and uploads exist, and which blob each one names.
//!
//! Reads and writes enter as closures over a connection. A write is one immediate transaction and
//! durable when it returns; conditions are judged inside it, so that of many writers with
//! `If-None-Match: *` one wins.
//!
//! ## Why
//! Two connections: SQLite has one writer at a time anyway, and in WAL mode a long listing on the
//! reader holds no writer up.

use super::blob::BlobId;
use super::error::StoreError;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The format that this code reads and writes. A store of a higher one is refused.
const FORMAT: i64 = 1;

const STATEMENTS_CACHED_MAX: usize = 64;

pub(super) struct Index {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
}

impl Index {
    /// Opens the index in `dir`, or creates an empty one.
    pub(super) fn open(dir: &Path) -> Result<Index, StoreError> {
        let path = dir.join("index.sqlite");
        let mut writer = Connection::open(&path)?;
        configure(&writer)?;
        let found: i64 = writer.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match found {
            0 => create(&mut writer)?,
            FORMAT => {}
            _ => return Err(newer(dir, found)),
        }
        let reader = Connection::open(&path)?;
        configure(&reader)?;
        reader.pragma_update(None, "query_only", true)?;
        Ok(Index { writer: Mutex::new(writer), reader: Mutex::new(reader) })
    }

    /// Runs `read` on the last committed state.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = lock(&self.reader);
        // A transaction, so that the queries of one read see one state.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
        read(&transaction)
    }

    /// Runs `write` in a transaction: durable if it returns `Ok`, without effect if it does not.
    pub(super) fn write<T>(
        &self,
        write: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = lock(&self.writer);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let written = write(&transaction)?;
        transaction.commit()?;
        Ok(written)
    }

    /// Returns every blob that a version or a part names.
    pub(super) fn blobs(&self) -> Result<BTreeSet<BlobId>, StoreError> {
        self.read(|index| {
            let mut named = index.prepare(
                "SELECT blob FROM version WHERE blob IS NOT NULL UNION ALL SELECT blob FROM part",
            )?;
            let ids = named.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok(ids)
        })
    }
}

/// Runs `read` on the index of a store that nobody has open; `None` when there is no index. Creates
/// nothing and writes nothing, save that SQLite finishes what a crash left in its journal.
pub(super) fn read_closed<T>(
    dir: &Path,
    read: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let path = dir.join("index.sqlite");
    if !path.exists() {
        return Ok(None);
    }
    // Not read-only for SQLite: that would leave its journal behind, as it could not take it away.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&path, flags)?;
    connection.pragma_update(None, "query_only", true)?;
    match connection.pragma_query_value(None, "user_version", |row| row.get(0))? {
        0 => Ok(None),
        FORMAT => read(&connection.transaction()?).map(Some),
        found => Err(newer(dir, found)),
    }
}

fn newer(dir: &Path, found: i64) -> StoreError {
    StoreError::NewerFormat { dir: dir.to_path_buf(), found, known: FORMAT }
}

/// Returns a new identifier for a version or an upload: 128 random bits, in hexadecimal.
pub(super) fn fresh_id(index: &Transaction<'_>) -> Result<String, StoreError> {
    Ok(index
        .prepare_cached("SELECT lower(hex(randomblob(16)))")?
        .query_row([], |row| row.get(0))?)
}

/// Returns the lowest key above every key that starts with `prefix`, or `None` if there is none.
pub(super) fn above_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let cut = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut above = prefix[..=cut].to_vec();
    above[cut] += 1;
    Some(above)
}

fn configure(connection: &Connection) -> Result<(), StoreError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: a commit that was answered survives a power cut, in WAL mode too.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(())
}

fn create(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(include_str!("schema.sql"))?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    Ok(())
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    // A panic inside a transaction rolled it back when it was dropped, so the connection is sound.
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_a_prefix_ends_right_above_it() {
        assert_eq!(above_prefix(b"a/"), Some(b"a0".to_vec()));
        assert_eq!(above_prefix(&[b'a', 255, 255]), Some(b"b".to_vec()));
        assert_eq!(above_prefix(&[255]), None);
        assert_eq!(above_prefix(b""), None);
    }
}
