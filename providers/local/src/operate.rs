//! What one does with an environment from day to day: how it stands, its logs, a shell in it.

use crate::connection::LocalConnection;
use crate::environment::{Record, Stage, disk_error, supervisor_error};
use crate::kinds;
use crate::supervisor::{Client, State, SupervisorError, UnitStatus, tail};
use async_trait::async_trait;
use dsenv_sdk::addr::Part;
use dsenv_sdk::provider::{Entry, OpErrorClass, Operate, ServiceStatus};
use dsenv_sdk::{Addr, Key, OpError};
use std::path::PathBuf;
use std::time::Duration;

/// How long `status` waits for what it has just started to answer.
const SETTLE_WITHIN: Duration = Duration::from_secs(10);
/// Lines of a log that say why a service is not well.
const LOG_LINES: usize = 5;

#[async_trait]
impl Operate for LocalConnection {
    async fn status(&self) -> Result<Vec<ServiceStatus>, OpError> {
        let records = self.env.records.all().map_err(disk_error)?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.env.client().await?;
        let mut hindered = Vec::new();
        for record in records.iter().filter(|record| record.stage == Stage::Complete) {
            if let Some(object) = kinds::object(&record.ty)
                && let Err(error) = object.restore(&self.env, record).await
            {
                hindered.push((record.addr.clone(), error));
            }
        }
        settle(&client).await?;
        let units = client.list().await.map_err(supervisor_error)?;
        let mut all = Vec::new();
        for record in &records {
            let Some(object) = kinds::object(&record.ty) else { continue };
            let why = hindered.iter().find(|(addr, _)| *addr == record.addr);
            for service in object.services(&self.env, record) {
                let unit = units.iter().find(|unit| unit.name == service.unit);
                let mut status = describe(record, service, unit);
                if let Some((_, error)) = why {
                    status.well = false;
                    status.detail = Some(error.to_string());
                }
                all.push(status);
            }
        }
        Ok(all)
    }

    async fn logs(&self, addr: &Addr) -> Result<Vec<(String, PathBuf)>, OpError> {
        let mut logs = Vec::new();
        for record in self.named(addr)? {
            let Some(object) = kinds::object(&record.ty) else { continue };
            for service in object.services(&self.env, &record) {
                let name = match record.addr == *addr {
                    true => service.name,
                    false => format!("{}/{}", record.addr, service.name),
                };
                logs.push((name, service.log));
            }
        }
        Ok(logs)
    }

    async fn enter(&self, addr: &Addr, argv: &[String]) -> Result<Entry, OpError> {
        for record in self.named(addr)? {
            match record.ty.as_str() {
                "local.workspace" => return kinds::workspace_entry(&self.env, &record, argv),
                "local.postgres" => return kinds::superuser_entry(&self.env, &record, argv).await,
                _ => {}
            }
        }
        let message = format!("`{addr}` is no machine, pool or database");
        Err(OpError::new(OpErrorClass::Invalid, message).help("name one that `dsenv status` lists"))
    }
}

impl LocalConnection {
    /// The records that an address stands for: its own, and those of a pool's members.
    fn named(&self, addr: &Addr) -> Result<Vec<Record>, OpError> {
        let records = self.env.records.all().map_err(disk_error)?;
        let member = |record: &Record| {
            let counted = matches!(
                &record.addr.part,
                Some(Part { name, key: Some(Key::Index(_)) }) if &**name == "member"
            );
            counted && record.addr.owner() == *addr
        };
        let named: Vec<Record> =
            records.into_iter().filter(|it| it.addr == *addr || member(it)).collect();
        if named.is_empty() {
            let message = format!("there is no `{addr}` in this environment");
            let help = "`dsenv status` lists what there is";
            return Err(OpError::new(OpErrorClass::NotFound, message).help(help));
        }
        Ok(named)
    }
}

/// Starts again what ended for good, and waits a little for what is starting.
async fn settle(client: &Client) -> Result<(), OpError> {
    for unit in client.list().await.map_err(supervisor_error)? {
        match unit.state {
            State::Stopped | State::Failed { .. } => {
                match client.restart(&unit.name).await {
                    // Taken away meanwhile, or its file is damaged: what it says for itself is what
                    // is reported.
                    Err(SupervisorError::Refused { .. }) => {}
                    restarted => restarted.map_err(supervisor_error)?,
                }
            }
            State::Starting | State::Healthy | State::Unhealthy { .. } | State::Backoff { .. } => {}
        }
    }
    for unit in client.list().await.map_err(supervisor_error)? {
        if unit.state == State::Starting {
            // That it is not well by then is what the status says.
            let _ = client.wait_healthy(&unit.name, SETTLE_WITHIN).await;
        }
    }
    Ok(())
}

fn describe(record: &Record, service: kinds::Service, unit: Option<&UnitStatus>) -> ServiceStatus {
    let (state, why) = match unit.map(|unit| &unit.state) {
        None => ("stopped", Some("the supervisor does not know it".to_owned())),
        Some(State::Healthy) => ("healthy", None),
        Some(State::Starting) => ("starting", None),
        Some(State::Stopped) => ("stopped", None),
        Some(State::Unhealthy { why }) => ("unhealthy", Some(why.clone())),
        Some(State::Backoff { why, .. } | State::Failed { why }) => ("failed", Some(why.clone())),
    };
    let well = state == "healthy";
    let detail = (!well).then(|| {
        let mut lines: Vec<String> = why.into_iter().collect();
        lines.extend(tail(&service.log, LOG_LINES).unwrap_or_default());
        lines.join("\n")
    });
    ServiceStatus {
        addr: record.addr.clone(),
        service: service.name,
        state: state.to_owned(),
        well,
        pid: unit.and_then(|unit| unit.pid),
        restarts: unit.map_or(0, |unit| unit.restarts),
        url: service.url,
        detail: detail.filter(|detail| !detail.is_empty()),
    }
}
