//! The local crate.

pub mod account;
pub mod postgres;
pub mod python;
pub mod tool;
