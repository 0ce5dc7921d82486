//! What the live half shares: one environment's folder, records, addresses and supervisor.
//!
//! ```text
//! DIR/objects/TOKEN.json   one record an object, secrets sealed
//! DIR/addresses.json       who has which loopback address
//! DIR/supervisor/          what should run and what runs
//! DIR/machines/ID/         home, logs and settings of a workspace
//! DIR/software/ID/         venvs
//! DIR/databases/ID/        data of PostgreSQL, unless its account cannot get there
//! DIR/s3/                  the S3 endpoint's store
//! DIR/volumes/ID/          what is on a volume or a share
//! DIR/snapshots/           last copies of what was deleted; nobody deletes these
//! CACHE/addresses/         which blocks the environments of this user have
//! CACHE/python, CACHE/postgres
//! ```
//! Nothing is made before the first create: a plan leaves no trace.

mod addresses;
mod failure;
mod files;
mod records;

pub(crate) use addresses::{AddressBook, Assigned, listeners};
pub(crate) use failure::{
    admin_error, class_of, disk_error, failure, installer_class, missing_class, server_error,
    store_error, supervisor_error,
};
pub(crate) use files::{create_private, remove_tree, write_durably};
pub(crate) use records::{Record, Records, Stage};

use crate::account::create_enterable;
use crate::supervisor::{Client, Supervisor, SupervisorError, check_port, rotated};
use crate::tool::ToolEnv;
use dsenv_sdk::OpError;
use dsenv_sdk::provider::{Owner, Setup};
use dsenv_sdk::seal::SealKey;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where services find the system's programs; the caller's own `PATH` reaches none of them.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// One environment of one user on this machine.
pub(crate) struct Environment {
    pub(crate) owner: Owner,
    /// The environment's own folder, absolute.
    pub(crate) dir: PathBuf,
    /// The user's shared folder, absolute.
    pub(crate) cache: PathBuf,
    pub(crate) key: SealKey,
    /// What tools of others see of the user's variables.
    pub(crate) tools: ToolEnv,
    pub(crate) records: Records,
    pub(crate) addresses: AddressBook,
    pub(crate) supervisor: Supervisor,
    /// Held while the S3 endpoint is put or taken away.
    pub(crate) endpoint: tokio::sync::Mutex<()>,
    /// Held while a role is removed.
    pub(crate) roles: tokio::sync::Mutex<()>,
}

impl Environment {
    /// Names everything; makes nothing.
    pub(crate) fn new(setup: Setup) -> io::Result<Environment> {
        let dir = std::path::absolute(&setup.dir)?;
        let cache = std::path::absolute(&setup.cache)?;
        let variables =
            setup.variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Ok(Environment {
            records: Records::new(&dir, &setup.owner.lineage, &setup.key),
            addresses: AddressBook::new(&dir, &cache, &setup.owner.lineage),
            supervisor: Supervisor::at(&dir.join("supervisor"), setup.key.clone()),
            tools: ToolEnv::chosen_from(variables),
            endpoint: tokio::sync::Mutex::new(()),
            roles: tokio::sync::Mutex::new(()),
            owner: setup.owner,
            key: setup.key,
            dir,
            cache,
        })
    }

    /// Returns a client of the supervisor, which is started when none runs.
    pub(crate) async fn client(&self) -> Result<Client, OpError> {
        self.create().map_err(disk_error)?;
        self.supervisor.ensure().await.map_err(supervisor_error)
    }

    /// Makes the environment's folder. Others may pass through it, for a database whose server has an
    /// account of its own; what is in it is closed to them.
    pub(crate) fn create(&self) -> io::Result<()> {
        create_enterable(&self.dir)
    }

    /// Says whether an object is still what this record says, and complete. `status` works beside an
    /// apply: it must not bring back what that is changing or has taken away.
    pub(crate) fn is_current(&self, record: &Record) -> Result<bool, OpError> {
        let now = self.records.get(&record.token).map_err(disk_error)?;
        Ok(now.is_some_and(|now| now.stage == Stage::Complete && now.args == record.args))
    }

    /// Removes a unit and returns when no process of it is left.
    pub(crate) async fn remove_unit(&self, unit: &str) -> Result<(), OpError> {
        // Without the folder there was never a supervisor, and none is started for this.
        if !self.dir.join("supervisor").exists() {
            return Ok(());
        }
        self.client().await?.remove_unit(unit).await.map_err(supervisor_error)
    }

    /// Returns once a unit is healthy; `what` names it for people.
    pub(crate) async fn wait_healthy(
        &self,
        client: &Client,
        unit: &str,
        what: &str,
        within: Duration,
    ) -> Result<(), OpError> {
        match client.wait_healthy(unit, within).await {
            Ok(()) => Ok(()),
            Err(SupervisorError::Unhealthy(ill)) => Err(failure::unhealthy(what, *ill)),
            Err(error) => Err(supervisor_error(error)),
        }
    }

    /// Refuses a port that somebody else listens on, and names who.
    pub(crate) fn check_free(&self, address: SocketAddr, what: &str) -> Result<(), OpError> {
        let ip: IpAddr = address.ip();
        check_port(ip, address.port()).map_err(|why| {
            let help = "end that process, or give the service another port";
            OpError::new(class_of(&why), format!("{what} cannot listen: {why}")).help(help)
        })
    }

    /// Removes a log and its rotated part.
    pub(crate) fn remove_logs(&self, log: &Path) -> io::Result<()> {
        for file in [log.to_owned(), rotated(log)] {
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes a folder of this environment with all that is in it; one that is gone is removed.
    pub(crate) async fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        let folder = folder.to_owned();
        let removed = tokio::task::spawn_blocking(move || remove_tree(&folder)).await;
        removed.unwrap_or_else(|panic| Err(io::Error::other(panic)))
    }
}
