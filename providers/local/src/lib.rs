//! The local crate.

pub mod s3;
