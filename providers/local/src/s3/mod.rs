//! The S3 endpoint of this machine: real buckets on loopback, for boto3 and the aws CLI.
//!
//! ```text
//! dsenv  ->  Store  (buckets: ensure, read, delete, expire)
//!        ->  Keys   (who may do what, in memory only)
//!        ->  serve  (listener, Store, Keys) <- S3 clients
//! ```
//!
//! s3s speaks the protocol and checks signatures; this module is the `S3` behind it: an SQLite index
//! ([`Store`]) and one file a version. What it must never do: listen beyond loopback, show a
//! part-written object, lose an answered write, let a key reach a bucket it was not given, write a
//! key's secret to disk.
//!
//! ## Why
//! s3s-fs, the file-system back end that comes with s3s, lets several conditional writers win,
//! stores objects whose checksum it rejects, crosses buckets with `../` and CopySource and has no
//! versions; so the storage is ours and the protocol is theirs.

mod access;
mod blob;
mod bucket;
mod checksum;
mod clock;
mod condition;
mod endpoint;
mod error;
mod expiry;
mod index;
mod keys;
mod listing;
mod object;
mod serve;
mod store;
mod upload;

#[cfg(test)]
mod tests;

pub use bucket::{BucketFacts, BucketSettings, Contents, Expire};
pub use clock::{Clock, system as system_clock};
pub use error::StoreError;
pub use keys::{Key, Keys, Right};
pub use serve::serve;
pub use store::Store;
