#![doc = include_str!("ARCHITECTURE.md")]

pub mod blueprint;
pub mod diag;
pub mod diff;
pub mod expr;
pub mod graph;
pub mod guard;
pub mod lower;
pub mod plan;
pub mod refresh;
pub mod report;
pub mod resolve;
pub mod settle;
pub mod state;
pub mod yaml;
