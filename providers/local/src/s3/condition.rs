//! Conditional requests: `If-Match`, `If-None-Match` and the two dates, as RFC 9110 and S3 judge them.

use super::clock::UnixMs;
use super::error::StoreError;
use super::object::Version;

/// What `If-Match` or `If-None-Match` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tag {
    Any,
    Is(String),
}

impl Tag {
    fn matches(&self, version: &Version) -> bool {
        match self {
            Tag::Any => true,
            Tag::Is(etag) => *etag == version.etag,
        }
    }
}

/// The conditions of one request. The default has none and always holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    pub(super) if_match: Option<Tag>,
    pub(super) if_none_match: Option<Tag>,
    pub(super) if_modified_since: Option<UnixMs>,
    pub(super) if_unmodified_since: Option<UnixMs>,
}

impl Conditions {
    pub(super) fn is_empty(&self) -> bool {
        *self == Conditions::default()
    }

    /// Judges a read: an ETag condition takes precedence over the date of the same sense.
    pub(super) fn judge_read(&self, version: &Version) -> Result<(), StoreError> {
        let modified = version.modified.to_seconds();
        match (&self.if_match, self.if_unmodified_since) {
            (Some(tag), _) if !tag.matches(version) => return Err(StoreError::ConditionFailed),
            (None, Some(since)) if modified > since => return Err(StoreError::ConditionFailed),
            (Some(_) | None, _) => {}
        }
        let unchanged = match (&self.if_none_match, self.if_modified_since) {
            (Some(tag), _) => tag.matches(version),
            (None, Some(since)) => modified <= since,
            (None, None) => false,
        };
        if unchanged {
            return Err(StoreError::NotModified { etag: version.etag.clone() });
        }
        Ok(())
    }

    /// Judges a write by what the key holds now. `If-Match` on a missing object is `NoSuchKey`, as in S3.
    pub(super) fn judge_write(&self, current: Option<&Version>) -> Result<(), StoreError> {
        match (&self.if_match, current) {
            (Some(_), None) => return Err(StoreError::NoSuchKey { delete_marker: false }),
            (Some(tag), Some(version)) if !tag.matches(version) => {
                return Err(StoreError::ConditionFailed);
            }
            (Some(_), Some(_)) | (None, _) => {}
        }
        match (&self.if_none_match, current) {
            (Some(tag), Some(version)) if tag.matches(version) => Err(StoreError::ConditionFailed),
            (Some(_), _) | (None, _) => Ok(()),
        }
    }
}
