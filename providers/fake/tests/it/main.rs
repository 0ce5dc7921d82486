//! The fake cloud held to its own rules: each strictness has a test that fails without it.

mod aws;
mod client;
mod conformance;
mod faults;
mod loopback;
mod lowering;
mod strictness;
