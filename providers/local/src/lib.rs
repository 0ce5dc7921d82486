//! The local provider: environments on this machine.

pub mod account;
pub mod postgres;
pub mod python;
pub mod s3;
pub mod supervisor;
pub mod tool;
