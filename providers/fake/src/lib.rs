//! The fake crate.
