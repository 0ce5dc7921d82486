//! The local crate.
