//! Access keys and what each may do, in memory only.
//!
//! The owner fills the table from its encrypted state and changes it while the endpoint runs. It is
//! never written anywhere, and its secrets show in no `Debug`.

use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// What a key may do with the objects of a bucket. No right makes or removes buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// List and read.
    Read,
    /// Also write, tag and delete.
    ReadWrite,
}

/// A secret and the rights that come with it.
#[derive(Debug, Clone)]
pub struct Key {
    secret: SecretKey,
    rights: BTreeMap<String, Right>,
}

impl Key {
    /// Returns a key with these rights, by bucket. The secret is wiped from memory when it is dropped.
    pub fn new(secret: impl Into<Box<str>>, rights: BTreeMap<String, Right>) -> Key {
        Key { secret: SecretKey::from(secret.into()), rights }
    }
}

/// The table of keys, by access key id. Shared with the endpoint, which sees a change at once.
#[derive(Debug, Default)]
pub struct Keys {
    table: RwLock<BTreeMap<String, Key>>,
}

impl Keys {
    /// Returns an empty table: nobody may do anything.
    pub fn new() -> Keys {
        Keys::default()
    }

    /// Replaces the whole table.
    pub fn replace(&self, table: BTreeMap<String, Key>) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
    }

    /// Adds a key or replaces the one of that id.
    pub fn insert(&self, id: impl Into<String>, key: Key) {
        self.table.write().unwrap_or_else(PoisonError::into_inner).insert(id.into(), key);
    }

    /// Removes a key. Requests that were already let in finish; one that is not there is fine.
    pub fn remove(&self, id: &str) {
        self.table.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Returns the right of a key on a bucket, or `None` if it has none or does not exist.
    pub(super) fn right(&self, id: &str, bucket: &str) -> Option<Right> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.get(id)?.rights.get(bucket).copied()
    }
}

/// A view of the table for s3s, which wants to own what it asks.
pub(super) struct Signatures(pub(super) std::sync::Arc<Keys>);

#[async_trait::async_trait]
impl S3Auth for Signatures {
    async fn get_secret_key(&self, id: &str) -> S3Result<SecretKey> {
        let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        let key = table.get(id);
        key.map(|key| key.secret.clone()).ok_or_else(|| {
            s3_error!(InvalidAccessKeyId, "The access key id does not exist on this endpoint.")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show() {
        let keys = Keys::new();
        keys.insert("id", Key::new("hunter2", BTreeMap::from([("lake".to_owned(), Right::Read)])));
        let shown = format!("{keys:?}");
        assert!(shown.contains("lake") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_right_ends_with_its_key() {
        let keys = Keys::new();
        keys.insert("id", Key::new("s", BTreeMap::from([("lake".to_owned(), Right::Read)])));
        assert_eq!(keys.right("id", "lake"), Some(Right::Read));
        assert_eq!(keys.right("id", "other"), None);
        keys.replace(BTreeMap::new());
        assert_eq!(keys.right("id", "lake"), None);
    }
}
