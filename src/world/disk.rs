//! The part of a file system that durable state needs, and what can go wrong with it.
//!
//! ## Why so little of it
//! Each operation here is one that a power failure can separate from the next. `write_atomic` is
//! made of the others, so that the simulation cuts it into the same pieces as reality does.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A file system. Operations block; each error names the path.
pub trait Disk: Send + Sync {
    /// Reads a whole file; `None` when there is none. More than `limit_bytes` is an error.
    fn read(&self, path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, DiskError>;

    /// Opens a file to be read from its beginning, for one that is too large to be held; `None` when there
    /// is none.
    fn open_read(&self, path: &Path) -> Result<Option<Box<dyn io::Read + Send>>, DiskError>;

    /// Creates a file for its owner alone, or empties the one that is there.
    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>, DiskError>;

    /// Opens a file for appending, creating it for its owner alone when there is none.
    fn open_append(&self, path: &Path) -> Result<Box<dyn AppendFile>, DiskError>;

    /// Creates a folder for its owner alone, with its parents. One that is there is left as it is.
    fn create_dir_all(&self, path: &Path) -> Result<(), DiskError>;

    /// Lists the files of a folder, sorted by name; none when there is no such folder.
    fn list(&self, path: &Path) -> Result<Vec<Entry>, DiskError>;

    /// Gives a file another name, replacing what has it. Durable after [`Disk::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError>;

    /// Gives a file a second name; [`DiskErrorKind::Exists`] when that one is taken.
    fn hard_link(&self, from: &Path, to: &Path) -> Result<(), DiskError>;

    /// Removes a file; one that is not there is a success.
    fn remove(&self, path: &Path) -> Result<(), DiskError>;

    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> Result<(), DiskError>;

    /// Takes an exclusive advisory lock that ends with the guard or with the process; waits up to
    /// `wait_ms`, then [`DiskErrorKind::Busy`]. To be held for milliseconds.
    fn lock(&self, path: &Path, wait_ms: u64) -> Result<Box<dyn DiskGuard>, DiskError>;

    /// Puts `bytes` in the place of the file: whoever reads it, now or after a power failure, sees
    /// the old content or the new. Durable when it returns. Two at once on one path are the
    /// caller's to prevent.
    fn write_atomic(&self, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
        let draft = draft_path(path);
        let mut file = self.create(&draft)?;
        file.append(bytes)?;
        file.sync()?;
        drop(file);
        self.rename(&draft, path)?;
        self.sync_dir(parent_of(path))
    }

    /// Puts `bytes` in the place of a file that is somebody else's, as [`Disk::write_atomic`] does:
    /// who may read it stays as it is, and a link still leads to it afterwards.
    fn rewrite(&self, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
        self.write_atomic(path, bytes)
    }
}

/// A file that is only appended to.
pub trait AppendFile: Send {
    /// Appends all of `bytes`. After an error any prefix of them may be there.
    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError>;

    /// Makes what was appended durable (`fdatasync`). After an error nothing is known of it, and
    /// a second call would not tell either: the caller must give the file up.
    fn sync(&mut self) -> Result<(), DiskError>;
}

/// Holds an advisory lock until dropped.
pub trait DiskGuard: Send {}

/// One file of a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name, without the folder.
    pub name: String,
    /// Its size in bytes.
    pub size_bytes: u64,
}

/// Returns the name that a file has while it is being written.
pub(crate) fn draft_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// Returns the folder of a file; a bare name is in the current one.
pub(crate) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// An operation on the file system that failed.
#[derive(Debug)]
pub struct DiskError {
    /// What was tried: `read`, `write`, `sync`.
    pub doing: &'static str,
    /// With which file or folder.
    pub path: PathBuf,
    /// What it means to the caller.
    pub kind: DiskErrorKind,
    /// What the system said; absent where dsenv itself refused.
    pub cause: Option<io::Error>,
}

/// What a failed operation means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskErrorKind {
    /// The disk or the quota is full.
    Full,
    /// The folder or file system may not be written to.
    ReadOnly,
    /// Not allowed.
    Denied,
    /// Something of that name is there already.
    Exists,
    /// Somebody else holds the lock.
    Busy,
    /// The file is larger than it may be.
    TooLarge {
        /// How large it may be.
        limit_bytes: u64,
    },
    /// Anything else; the cause says more.
    Other,
}

impl DiskError {
    /// Wraps what the system said.
    pub fn new(doing: &'static str, path: &Path, cause: io::Error) -> DiskError {
        let kind = match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DiskErrorKind::Full,
            io::ErrorKind::ReadOnlyFilesystem => DiskErrorKind::ReadOnly,
            io::ErrorKind::PermissionDenied => DiskErrorKind::Denied,
            io::ErrorKind::AlreadyExists => DiskErrorKind::Exists,
            io::ErrorKind::WouldBlock => DiskErrorKind::Busy,
            _ => DiskErrorKind::Other,
        };
        DiskError { doing, path: path.to_owned(), kind, cause: Some(cause) }
    }

    /// Makes an error of dsenv's own.
    pub fn refused(doing: &'static str, path: &Path, kind: DiskErrorKind) -> DiskError {
        DiskError { doing, path: path.to_owned(), kind, cause: None }
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} `{}`", self.doing, self.path.display())?;
        match self.kind {
            DiskErrorKind::Full => f.write_str(": the disk is full"),
            DiskErrorKind::ReadOnly => f.write_str(": the file system is read-only"),
            DiskErrorKind::Denied => f.write_str(": not allowed for this user"),
            DiskErrorKind::Exists => f.write_str(": it exists already"),
            DiskErrorKind::Busy => f.write_str(": another process holds it"),
            DiskErrorKind::TooLarge { limit_bytes } => {
                write!(f, ": it is larger than {limit_bytes} bytes")
            }
            DiskErrorKind::Other => Ok(()),
        }
    }
}

impl std::error::Error for DiskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}
