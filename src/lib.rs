#![doc = include_str!("ARCHITECTURE.md")]

pub mod expr;
pub mod state;
