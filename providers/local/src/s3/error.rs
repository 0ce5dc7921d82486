//! What the store refuses and what stops it, in the store's own words.
//!
//! The admin side of dsenv prints these; `endpoint` turns them into S3 error codes in one place.

use std::path::PathBuf;

/// Why the store did not do what it was asked.
///
/// The first variants are refusals: nothing was changed and the caller can act on them. The last
/// three stop the request: the disk or the index did not do what it must.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message says what it is")]
pub enum StoreError {
    #[error("bucket `{0}` does not exist")]
    NoSuchBucket(String),
    #[error("bucket `{bucket}` still holds {versions} object versions and delete markers")]
    BucketNotEmpty { bucket: String, versions: u64 },
    #[error("bucket name `{0}` is not 3 to 63 lower-case letters, digits, dots and hyphens")]
    BucketName(String),
    #[error("an expiry of 0 days on prefix `{0}`: the shortest is 1")]
    ExpireDays(String),
    #[error("the key does not exist")]
    NoSuchKey { delete_marker: bool },
    #[error("the version does not exist")]
    NoSuchVersion,
    #[error("the version is a delete marker, which has no content")]
    DeleteMarker { version_id: String },
    #[error("the multipart upload does not exist: it was completed or aborted")]
    NoSuchUpload,
    #[error("part {0} was not uploaded, was uploaded again, or has another ETag")]
    InvalidPart(u16),
    #[error("the parts are not in ascending order of their numbers")]
    PartOrder,
    #[error("part {0} is under 5 MiB and is not the last")]
    PartTooSmall(u16),
    #[error("a condition of the request does not hold")]
    ConditionFailed,
    #[error("the object has not changed")]
    NotModified { etag: String },
    #[error("the object would be larger than {0} bytes")]
    TooLarge(u64),
    #[error("another process has the store in {}", .0.display())]
    Busy(PathBuf),
    #[error("the store in {} has format {found}; this dsenv knows up to {known}", dir.display())]
    NewerFormat { dir: PathBuf, found: i64, known: i64 },
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("the object index failed")]
    Index(#[source] rusqlite::Error),
    #[error("the object index holds {0}")]
    Damaged(&'static str),
}

impl StoreError {
    /// Says whether there was no room for what was to be written.
    pub fn is_disk_full(&self) -> bool {
        use std::io::ErrorKind;
        match self {
            StoreError::Io { source, .. } => {
                matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
            }
            StoreError::Index(error) => {
                error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
            }
            _ => false,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> StoreError {
        StoreError::Index(source)
    }
}
