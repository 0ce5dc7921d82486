#![doc = include_str!("ARCHITECTURE.md")]

pub mod blueprint;
pub mod diag;
pub mod expr;
pub mod journal;
pub mod state;
pub mod store;
pub mod vault;
pub mod world;
pub mod yaml;
