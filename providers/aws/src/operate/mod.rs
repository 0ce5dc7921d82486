//! What one does with an environment from day to day: how it stands, its logs, a shell in it.
//!
//! A machine says how it is, and sends its logs, by its mailbox (`templates/boot/agent.py`); that is
//! read here, and compared with what EC2 says of the instance. Nobody is connected to but by `ssh`. What
//! is read:
//! `status/INSTANCE.json` and `logs/INSTANCE/SERVICE.log`.
//!
//! | module | holds |
//! |---|---|
//! | `enter` | a way in by ssh, for whom the blueprint has one |
//! | `machines` | instances and mailboxes of the environment |
//! | `report` | what a machine said, as the status of its services: pure |
//! | `status` | all of the environment |
//! | `logs` | logs, fetched into the provider's own folder |

mod enter;
mod logs;
mod machines;
mod report;
mod status;

pub(crate) use enter::KNOWN_HOSTS;
pub(crate) use logs::LOGS;

use crate::connection::AwsConnection;
use async_trait::async_trait;
use dsenv_sdk::provider::{Entry, Operate, ServiceStatus};
use dsenv_sdk::{Addr, OpError};
use std::path::PathBuf;

/// Machines send what was written every fifteen seconds.
const LOGS_EVERY_MS: u64 = 5_000;

#[async_trait]
impl Operate for AwsConnection {
    async fn status(&self) -> Result<Vec<ServiceStatus>, OpError> {
        status::all(&self.aws).await
    }

    async fn logs(&self, addr: &Addr) -> Result<Vec<(String, PathBuf)>, OpError> {
        logs::fetch(&self.aws, &self.dir, addr).await
    }

    fn logs_fetched_every_ms(&self) -> Option<u64> {
        Some(LOGS_EVERY_MS)
    }

    async fn enter(&self, addr: &Addr, argv: &[String]) -> Result<Entry, OpError> {
        enter::enter(self, addr, argv).await
    }
}
