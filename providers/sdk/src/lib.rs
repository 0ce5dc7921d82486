//! The contract between dsenv's engine and its providers.

pub mod seal;
pub mod secret;

pub use secret::Secret;
