//! The local provider: environments on this machine.

pub mod supervisor;
