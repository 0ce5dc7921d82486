//! Tasks that the embedder runs inside the daemon.
//!
//! The supervisor knows nothing of what they do; it starts them from their persisted spec, checks
//! their health, restarts them when they end, and tells them to stop.

use dsenv_sdk::Secret;
use std::path::PathBuf;
use tokio::sync::watch;

/// Runs hosted units of one kind, e.g. S3 endpoints.
#[async_trait::async_trait]
pub trait Host: Send + Sync {
    /// The kind of units that it runs.
    fn kind(&self) -> &'static str;

    /// Runs one task until `stop` is requested; returning earlier, with or without an error, or a
    /// panic, is a failure like the end of a process. Must be cancel safe: a task that does not
    /// stop in time is dropped, and the daemon may be killed at any moment.
    async fn run(&self, task: HostedTask, stop: Stop) -> Result<(), String>;
}

/// What a host is asked to run.
#[derive(Clone, Debug)]
pub struct HostedTask {
    /// The unit's name.
    pub name: String,
    /// The spec of the unit, as it was put.
    pub spec: Secret,
    /// The unit's log; the host writes it, the supervisor rotates it.
    pub log: PathBuf,
}

/// Tells a hosted task when to stop.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Makes a stop and the sender that requests it.
    pub(super) fn new() -> (watch::Sender<bool>, Stop) {
        let (sender, receiver) = watch::channel(false);
        (sender, Stop(receiver))
    }

    /// Returns once the task should stop; at once when that was requested before.
    pub async fn requested(&mut self) {
        // The other end gone is a request too.
        let _ = self.0.wait_for(|requested| *requested).await;
    }
}
