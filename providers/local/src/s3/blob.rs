//! The bytes of objects: one file a version or an uploaded part, written once and never changed.
//!
//! Bytes enter through a [`Draft`] in `tmp/`, are hashed on the way, synced, renamed into `blobs/`
//! and only then named by a row of the index. What no row names is rubbish: opening the store
//! deletes it. So a crash at any point leaves either the whole object or nothing.
//!
//! File names are numbers of our own. No part of a key ever reaches the file system, which is why
//! `../`, 1,024-byte keys and `a` beside `a/b` need no special care.
//!
//! ## Why
//! Numbers are not reused while the process lives: a reader that looked up a row just before its
//! object was overwritten must find its own file or none, never another object's bytes.

use super::checksum::{Algorithm, Checksum, Hasher};
use super::error::StoreError;
use s3s::crypto::{Checksum as _, Md5};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

/// The most bytes one request may store, as in S3. Larger objects are uploaded in parts.
pub(super) const PUT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

const COPY_BUFFER: usize = 1024 * 1024;

/// The number of a blob file.
pub(super) type BlobId = i64;

/// The folder of blobs.
pub(super) struct Blobs {
    kept: PathBuf,
    drafts: PathBuf,
    next: AtomicI64,
}

impl Blobs {
    /// Opens the folder and deletes every file that `named` does not list.
    ///
    /// The caller holds the store's lock: a second process would delete the drafts of the first.
    pub(super) fn open(dir: &Path, named: &BTreeSet<BlobId>) -> Result<Blobs, StoreError> {
        let blobs = Blobs {
            kept: dir.join("blobs"),
            drafts: dir.join("tmp"),
            next: AtomicI64::new(named.last().map_or(1, |last| last + 1)),
        };
        create_private(&blobs.kept)?;
        create_private(&blobs.drafts)?;
        sweep(&blobs.drafts, |_| false)?;
        sweep(&blobs.kept, |id| named.contains(&id))?;
        Ok(blobs)
    }

    /// Starts a blob. Nothing of it stays unless it is sealed.
    pub(super) fn draft(&self, algorithm: Option<Algorithm>) -> Result<Draft, StoreError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.drafts.join(file_name(id));
        let file =
            File::options().write(true).create_new(true).mode(0o600).open(&path).map_err(
                |source| StoreError::Io { action: "create", path: path.clone(), source },
            )?;
        Ok(Draft { id, path, file, size: 0, md5: Md5::new(), hasher: algorithm.map(Hasher::new) })
    }

    /// Makes a draft durable under its final name. It is still invisible: no row names it.
    pub(super) fn seal(&self, draft: Draft) -> Result<Sealed, StoreError> {
        let fail = |action, source| StoreError::Io { action, path: draft.path.clone(), source };
        draft.file.sync_data().map_err(|source| fail("sync", source))?;
        fs::rename(&draft.path, self.path(draft.id)).map_err(|source| fail("rename", source))?;
        sync_dir(&self.kept)?;
        Ok(Sealed { id: draft.id, size: draft.size })
    }

    /// Opens a blob for reading. An open blob stays readable after it is removed.
    pub(super) fn read(&self, id: BlobId) -> Result<File, StoreError> {
        let path = self.path(id);
        File::open(&path).map_err(|source| StoreError::Io { action: "open", path, source })
    }

    /// Deletes blobs that no row names any more.
    ///
    /// A failure is not reported: the file is out of sight already, and the next opening of the
    /// store deletes what is left.
    pub(super) fn remove(&self, ids: &[BlobId]) {
        for id in ids {
            let _ = fs::remove_file(self.path(*id));
        }
    }

    fn path(&self, id: BlobId) -> PathBuf {
        self.kept.join(file_name(id))
    }
}

/// A blob that is being written. Dropped without [`Blobs::seal`], it leaves nothing.
pub(super) struct Draft {
    id: BlobId,
    path: PathBuf,
    file: File,
    size: u64,
    md5: Md5,
    hasher: Option<Hasher>,
}

/// What a finished draft turned out to hold.
#[derive(Debug, Clone)]
pub(super) struct Digests {
    pub(super) size: u64,
    pub(super) md5: [u8; 16],
    pub(super) checksum: Option<Checksum>,
}

impl Digests {
    /// Returns the ETag of an object that was put in one request, without its quotes.
    pub(super) fn etag(&self) -> String {
        hex(&self.md5)
    }
}

/// A durable blob that no row names yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sealed {
    pub(super) id: BlobId,
    pub(super) size: u64,
}

impl Draft {
    /// Appends bytes and hashes them. Refuses what would exceed [`PUT_BYTES_MAX`].
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let size = self.size + bytes.len() as u64;
        if size > PUT_BYTES_MAX {
            return Err(StoreError::TooLarge(PUT_BYTES_MAX));
        }
        self.append(size, |file| file.write_all(bytes))?;
        self.md5.update(bytes);
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(())
    }

    /// Appends `range` of an open blob, hashed like any other bytes.
    pub(super) fn copy(
        &mut self,
        from: &File,
        range: std::ops::Range<u64>,
    ) -> Result<(), StoreError> {
        let mut buffer = vec![0; COPY_BUFFER];
        let mut offset = range.start;
        while offset < range.end {
            let wanted = usize::try_from(range.end - offset)
                .map_or(COPY_BUFFER, |left| left.min(COPY_BUFFER));
            let chunk = &mut buffer[..wanted];
            from.read_exact_at(chunk, offset).map_err(|source| self.failed("copy into", source))?;
            self.write(chunk)?;
            offset += wanted as u64;
        }
        Ok(())
    }

    /// Appends a whole blob without hashing it: its digest is known from its upload.
    ///
    /// `io::copy` hands this to the kernel, which shares the blocks where the file system can.
    pub(super) fn join(&mut self, mut part: File) -> Result<(), StoreError> {
        let copied = io::copy(&mut part, &mut self.file)
            .map_err(|source| self.failed("copy into", source))?;
        self.size += copied;
        Ok(())
    }

    /// Takes the digests of what was written so far. Hashing ends here, so this comes last.
    pub(super) fn digests(&mut self) -> Digests {
        let md5 = std::mem::replace(&mut self.md5, Md5::new());
        Digests {
            size: self.size,
            md5: md5.finalize(),
            checksum: self.hasher.take().map(Hasher::finish),
        }
    }

    fn append(
        &mut self,
        size: u64,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        write(&mut self.file).map_err(|source| self.failed("write", source))?;
        self.size = size;
        Ok(())
    }

    fn failed(&self, action: &'static str, source: io::Error) -> StoreError {
        StoreError::Io { action, path: self.path.clone(), source }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a seal the name is gone and this finds nothing.
        let _ = fs::remove_file(&self.path);
    }
}

/// Returns lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string succeeds");
        text
    })
}

/// Returns the bytes of lower- or upper-case hexadecimal, or `None` if it is not that.
pub(super) fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(
            |pair| {
                if let [high, low] = pair { Some(digit(*high)? << 4 | digit(*low)?) } else { None }
            },
        )
        .collect()
}

fn file_name(id: BlobId) -> String {
    format!("{id:016x}")
}

fn sweep(dir: &Path, keep: impl Fn(BlobId) -> bool) -> Result<(), StoreError> {
    let fail = |action| move |source| StoreError::Io { action, path: dir.to_path_buf(), source };
    for entry in fs::read_dir(dir).map_err(fail("list"))? {
        let entry = entry.map_err(fail("list"))?;
        let id = entry.file_name().to_str().and_then(|name| BlobId::from_str_radix(name, 16).ok());
        // A file whose name is not ours was put there by someone else, and is theirs to remove.
        let Some(id) = id else { continue };
        if !keep(id) {
            fs::remove_file(entry.path()).map_err(fail("clean"))?;
        }
    }
    Ok(())
}

/// Creates a folder that only its owner can enter, with its parents. An existing one is left as it is.
pub(super) fn create_private(dir: &Path) -> Result<(), StoreError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| StoreError::Io { action: "create", path: dir.to_path_buf(), source })
}

fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|source| StoreError::Io { action: "sync", path: dir.to_path_buf(), source })
}
