//! The engine held to its scenarios and laws, against a simulated world and the fake cloud.

mod codes;
mod crash;
mod edits;
mod faults;
mod lab;
mod laws;
mod parity;
mod plan;
mod policies;
mod preflight;
mod process;
mod published;
mod rebuild;
mod refusals;
mod scale;
mod scenarios;
mod sim;
mod tidy;
