//! The store: buckets and objects of one machine, in one folder.
//!
//! dsenv enters through the methods here and in `bucket`, S3 clients through `endpoint`. Everything
//! blocks; the endpoint calls it from threads that may.
//!
//! The store holds no keys and knows no users: who may do what is `keys` and `access`, in memory.
//!
//! ```text
//! DIR/lock           held by the process that has the store open
//! DIR/index.sqlite   what exists: see schema.sql
//! DIR/blobs/         the bytes, one file a version
//! DIR/tmp/           what is being written; emptied when the store is opened
//! ```

use super::blob::{self, Blobs};
use super::clock::{Clock, UnixMs};
use super::error::StoreError;
use super::index::Index;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// Buckets and objects in a folder of their own. Shared by the endpoint and its owner in an `Arc`.
pub struct Store {
    pub(super) index: Index,
    pub(super) blobs: Blobs,
    clock: Clock,
    /// Released when the process ends, however it ends.
    _lock: File,
}

impl Store {
    /// Opens the store in `dir`, or creates an empty one, on the machine's clock.
    ///
    /// Deletes what a crash left unfinished. Refuses a folder that another process has open
    /// ([`StoreError::Busy`]) and one written by a newer dsenv.
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        Store::open_with_clock(dir, super::clock::system())
    }

    /// Opens the store with a clock of the caller's. See [`Store::open`].
    pub fn open_with_clock(dir: &Path, clock: Clock) -> Result<Store, StoreError> {
        blob::create_private(dir)?;
        let lock = lock(dir)?;
        let index = Index::open(dir)?;
        let blobs = Blobs::open(dir, &index.blobs()?)?;
        Ok(Store { index, blobs, clock, _lock: lock })
    }

    pub(super) fn now(&self) -> UnixMs {
        UnixMs::from((self.clock)())
    }
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("lock");
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    take(file.map_err(|source| lock_error("open", &path, source))?, dir, &path)
}

/// Locks a store that is there; `None` when it is not. Creates nothing.
pub(super) fn lock_existing(dir: &Path) -> Result<Option<File>, StoreError> {
    let path = dir.join("lock");
    match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(lock_error("open", &path, error)),
        Ok(file) => take(file, dir, &path).map(Some),
    }
}

fn take(file: File, dir: &Path, path: &Path) -> Result<File, StoreError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Busy(dir.to_path_buf())),
        Err(TryLockError::Error(source)) => Err(lock_error("lock", path, source)),
    }
}

fn lock_error(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { action, path: path.to_owned(), source }
}
