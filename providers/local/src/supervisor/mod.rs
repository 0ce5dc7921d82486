//! Keeps the services of one environment running, past the end of the command and past its own
//! crashes.
//!
//! ```text
//! command -> guard (own session, reaper) -> daemon (restarted by the guard) -> shim -> service
//! ```
//!
//! A command names the [`Supervisor`] of a folder, makes sure that it runs, and puts and removes
//! [`Unit`]s through a [`Client`]. Everything that should run is on disk, sealed, before it is
//! acted on; everything that does run is on disk before it executes. So each process here can be
//! killed at any moment: the next daemon, or the next command, reads both and goes on, with the
//! same service processes.
//!
//! The main function of the embedding binary calls [`entry`] first: guard, daemon and shim are
//! this binary under hidden verbs.
//!
//! It must never listen on anything but its socket, never let a service see the environment or the
//! descriptors of the command that happened to start it, and never signal a process that it has
//! not identified by more than its number.
//!
//! ## Why
//! - *Three processes.* The daemon does the work, so it may crash; the guard only waits, so it
//!   does not. Services are neither's pipe's end, so neither's death reaches them.
//! - *No systemd, no launchd.* A container or a CI job has neither, and both keep their units
//!   where `destroy` of one folder would have to know of them.
//! - *Whole files sealed, not fields.* See `store`.
//!
//! Missing on macOS: adoption tells processes by number alone, the sweep sees the process group
//! only, there is no reaper, no user to run as, and no name for the holder of a port.

mod checkup;
mod client;
mod clock;
mod daemon;
mod descriptors;
mod family;
mod guard;
mod health;
mod host;
mod keeper;
mod launch;
mod layout;
mod log;
mod ports;
mod process;
mod protocol;
mod registry;
mod shim;
mod store;
mod unit;

pub use client::{Client, Supervisor, SupervisorError};
pub use host::{Host, HostedTask, Stop};
pub(crate) use layout::{FileId, socket_beside};
pub use log::{LOG_BYTES_MAX, rotated, tail};
pub(crate) use ports::check as check_port;
pub use protocol::{Pong, Unhealthy};
pub use unit::{
    Command, EnvValue, Exit, Health, NAME_BYTES_MAX, Process, Restart, RunAs, State, StopSignal,
    Unit, UnitStatus, Work,
};

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

/// Takes over when this process is to be a part of a supervisor, and returns its exit code; `None`
/// when it is not, which is nearly always.
///
/// `args` are the arguments without the program. The main function calls this before anything
/// else, before threads, files and output: the parts of the supervisor begin by closing every
/// descriptor. `hosts` is called in the daemon only.
pub fn entry(args: &[OsString], hosts: fn() -> Vec<Arc<dyn Host>>) -> Option<ExitCode> {
    let verb = args.first()?.to_str()?;
    let dir = args.get(1);
    match (verb, dir) {
        (guard::VERB, Some(dir)) => Some(guard::run(dir)),
        (daemon::VERB, Some(dir)) => Some(daemon::run(dir, hosts())),
        (launch::VERB, Some(_)) => Some(shim::run()),
        _ => None,
    }
}

/// Writes a line to the supervisor's own log, which is the standard error of guard and daemon.
fn note(text: &str) {
    let time =
        jiff::Timestamp::from_millisecond(i64::try_from(clock::now_ms()).unwrap_or(i64::MAX));
    let time = time.map(|time| time.to_string()).unwrap_or_default();
    // A full disk must not end who notes that.
    let _ = writeln!(std::io::stderr(), "{time} {} {text}", std::process::id());
}
