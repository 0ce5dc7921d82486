//! The engine held to its scenarios and laws, against a simulated world and the fake cloud.

mod crash;
mod lab;
mod scenarios;
