//! The sdk crate.
