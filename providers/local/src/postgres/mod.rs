//! Real PostgreSQL servers on loopback.
//!
//! In the order of use: [`ServerAccounts`] says who may run a server, [`Binaries`] where its
//! programs are, [`Server`] makes a data folder and says how it is started (the supervisor starts
//! and stops it), and [`Admin`] makes databases and roles with SQL. Every function can be called
//! again: what is there already is left or brought to what was asked.
//!
//! Nothing here starts a server, keeps a password, or listens beyond loopback. A password reaches a
//! server only as a SCRAM verifier, so it is in no file, command line or log.

pub mod admin;
pub mod binaries;
mod package;
mod processes;
pub mod run_as;
pub mod server;

pub use admin::{Admin, Facts, Right};
pub use binaries::{Binaries, Host, MissingPostgres};
pub use run_as::ServerAccounts;
pub use server::{ConnectError, Init, Launch, Recovered, Server, ServerError};
