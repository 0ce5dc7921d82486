#![doc = include_str!("ARCHITECTURE.md")]

pub mod blueprint;
pub mod diag;
pub mod expr;
pub mod graph;
pub mod lower;
pub mod resolve;
pub mod state;
pub mod yaml;
