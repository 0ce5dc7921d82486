//! The only door to the clock, random ids, the environment, processes and the file system.
//!
//! Everything that acts takes a `&dyn World`, so that the engine runs the same under
//! [`real::RealWorld`] and under [`sim::SimWorld`], where time is virtual, ids come from a seed and
//! the power can go off between any two disk operations.
//!
//! What this module never does: decide anything, know a file format, print.

mod disk;
pub mod real;
pub mod sim;
mod sim_disk;

pub use disk::{AppendFile, Disk, DiskError, DiskErrorKind, DiskGuard, Entry};

use async_trait::async_trait;
use std::path::PathBuf;

/// What surrounds dsenv. Implementations are shared between tasks.
#[async_trait]
pub trait World: Send + Sync {
    /// Returns the time of day. It may jump; for measuring use [`World::monotonic_ms`].
    fn now(&self) -> jiff::Timestamp;

    /// Returns milliseconds since some fixed moment; it never goes back.
    fn monotonic_ms(&self) -> u64;

    /// Waits. In a simulation virtual time advances when every task waits.
    async fn sleep(&self, ms: u64);

    /// Returns 128 random bits as 32 characters of `[0-9a-f]`; never the same twice.
    fn fresh_id(&self) -> String;

    /// Says which process this is.
    fn process(&self) -> ProcessFacts;

    /// Says whether that process still runs; `None` when it cannot be told from here, because it
    /// is on another host or in another container. A zombie does not run.
    fn is_alive(&self, process: &ProcessFacts) -> Option<bool>;

    /// Returns an environment variable that is set, not empty and UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// Returns the folder for what may be lost.
    fn temp_dir(&self) -> PathBuf;

    /// Returns the file system.
    fn disk(&self) -> &dyn Disk;
}

/// Which process something was done by: enough to tell later whether it still runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessFacts {
    /// The host's name.
    pub host: String,
    /// The process id.
    pub pid: u32,
    /// The user's name, else the number.
    pub user: String,
    /// When it started, in the kernel's own units: a pid that was used again has another. Empty
    /// where the system does not tell.
    pub start: String,
    /// Which boot of the host it belongs to. Empty where the system does not tell.
    pub boot_id: String,
    /// Which process namespace its pid counts in: two containers may share a host's name. Empty
    /// where the system does not tell.
    pub namespace: String,
    /// The command line, arguments joined by blanks; values of `--input` are left out, as one may be
    /// a secret.
    pub command: String,
}
