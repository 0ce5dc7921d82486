//! The real program, as a user runs it: real processes, a real database, a real bucket, on loopback.
//!
//! Each test has a [`place::Place`]: a folder with a blueprint and a home of its own. When a place
//! goes, it destroys what was applied in it and proves that no process, no port and no file is left.
//! What cannot be had here is said (`SKIPPED: ...`); where `CI` is `true`, that is a failure.

mod aws;
mod boot;
mod codes;
mod cost;
mod crashes;
mod daily;
mod faults;
mod lists;
mod parity;
mod place;
mod prices;
mod refusals;
mod report;
mod terminal;
mod trust;
mod volumes;
mod workbench;
