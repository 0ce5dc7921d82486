//! How all of an environment stands: machines by what they say, databases by what RDS says.

use super::machines::{self, Machine};
use super::report::{self, BOOT, Known};
use crate::clients::Aws;
use crate::ec2::pages;
use crate::failure::failed;
use crate::kinds::{self, types};
use crate::object::{Live, Select, Stage, Tags};
use crate::tags::{self, tags_in};
use aws_sdk_rds::types::DbInstance;
use dsenv_sdk::provider::ServiceStatus;
use dsenv_sdk::{Addr, OpError};
use futures::future::try_join_all;

/// How many machines are asked about together.
const MACHINES_AT_A_TIME: usize = 32;
/// How much of a log is read to say why a service is not well, and how many lines of that are shown.
const LOG_BYTES: u32 = 4 << 10;
const LOG_LINES: usize = 5;

/// Everything that runs, sorted by address.
pub(super) async fn all(aws: &Aws) -> Result<Vec<ServiceStatus>, OpError> {
    let (machines, mailboxes, pools, mut all) = futures::try_join!(
        machines::instances(aws),
        machines::mailboxes(aws),
        pools(aws),
        databases(aws)
    )?;
    for machines in machines.chunks(MACHINES_AT_A_TIME) {
        let asked = machines.iter().map(|machine| {
            let mailbox = mailboxes.get(&machine.addr).map(String::as_str);
            of_machine(aws, machine, mailbox)
        });
        all.extend(try_join_all(asked).await?.into_iter().flatten());
    }
    all.extend(pools.iter().filter_map(of_pool));
    for (addr, mailbox) in &mailboxes {
        let has_instance = machines.iter().any(|it| it.addr == *addr && it.is_there());
        let is_pool = pools.iter().any(|live| tags::address(&live.tags).as_ref() == Some(addr));
        if !has_instance && !is_pool {
            all.push(gone(aws, addr, mailbox).await?);
        }
    }
    all.sort_by(|a, b| (&a.addr, &a.service).cmp(&(&b.addr, &b.service)));
    Ok(all)
}

// ---------------------------------------------------------------- machines

async fn of_machine(
    aws: &Aws,
    machine: &Machine,
    mailbox: Option<&str>,
) -> Result<Vec<ServiceStatus>, OpError> {
    let said = match mailbox.filter(|_| machine.is_there()) {
        Some(mailbox) => machines::said(aws, mailbox, &machine.id).await?,
        None => None,
    };
    let said = said.as_ref().map(|(said, age_s)| (said, *age_s));
    let known = Known { machine, has_mailbox: mailbox.is_some(), said };
    let mut services = report::services(&known);
    let Some(mailbox) = mailbox else { return Ok(services) };
    let tails = services.iter_mut().map(|status| add_log(aws, machine, mailbox, status));
    try_join_all(tails).await?;
    Ok(services)
}

/// Adds the last words of a service that is not well, unless it has said them already.
async fn add_log(
    aws: &Aws,
    machine: &Machine,
    mailbox: &str,
    status: &mut ServiceStatus,
) -> Result<(), OpError> {
    let name = status.service.split('@').next().unwrap_or_default();
    let has_words = status.detail.as_ref().is_some_and(|detail| detail.contains('\n'));
    if status.well || has_words || name == BOOT {
        return Ok(());
    }
    let key = format!("logs/{}/{name}.log", machine.id);
    let Some(log) = machines::read(aws, mailbox, &key, Some(LOG_BYTES)).await? else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(&log.bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LOG_LINES)..].iter().map(|line| (*line).to_owned());
    let detail: Vec<String> = status.detail.take().into_iter().chain(last).collect();
    status.detail = Some(detail.join("\n")).filter(|detail| !detail.is_empty());
    Ok(())
}

/// What is said of a machine whose instance is gone: what it said last, if it was taken back.
async fn gone(aws: &Aws, addr: &Addr, mailbox: &str) -> Result<ServiceStatus, OpError> {
    let request = aws.s3.list_objects_v2().bucket(mailbox).prefix("status/");
    let mut pages = request.into_paginator().send();
    let mut newest: Option<(i64, String)> = None;
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| failed(&format!("looking into {mailbox}"), e))?;
        for object in page.contents.unwrap_or_default() {
            let written = object.last_modified().map_or(0, |it| it.secs());
            let found = object.key.map(|key| (written, key));
            newest = newest.max(found);
        }
    }
    let mut detail = "it has no instance; `dsenv apply` makes one".to_owned();
    let id = newest.as_ref().and_then(|(_, key)| {
        key.strip_prefix("status/").and_then(|rest| rest.strip_suffix(".json"))
    });
    if let Some(id) = id
        && let Some((said, _)) = machines::said(aws, mailbox, id).await?
        && let Some(why) = report::interruption(&said)
    {
        detail = format!("{detail}\nof {id} was last heard: {why}");
    }
    Ok(status(addr, BOOT, "failed", Some(detail)))
}

fn status(addr: &Addr, service: &str, state: &str, detail: Option<String>) -> ServiceStatus {
    ServiceStatus {
        addr: addr.clone(),
        service: service.to_owned(),
        state: state.to_owned(),
        well: state == "healthy",
        pid: None,
        restarts: 0,
        url: None,
        detail,
    }
}

// ---------------------------------------------------------------- pools

async fn pools(aws: &Aws) -> Result<Vec<Live>, OpError> {
    let object = kinds::object(types::SCALING_GROUP).expect("pools are made by this provider");
    object.list(aws, Select::Owner(Some(&aws.owner.lineage))).await
}

/// A pool that lacks members; each member that there is says for itself how it is.
fn of_pool(live: &Live) -> Option<ServiceStatus> {
    let addr = tags::address(&live.tags)?;
    let Stage::Pending(why, _) = &live.stage else { return None };
    let help = format!(
        "{why}: `aws autoscaling describe-scaling-activities --auto-scaling-group-name {}` says what \
         stands in the way",
        live.remote_id
    );
    Some(status(&addr, "members", "starting", Some(help)))
}

// ---------------------------------------------------------------- databases

async fn databases(aws: &Aws) -> Result<Vec<ServiceStatus>, OpError> {
    let found = pages!("looking at databases", aws.rds.describe_db_instances(), db_instances);
    let ours = found.iter().filter_map(|instance| {
        let tags: Tags = tags_in!(instance.tag_list());
        let ours = tags::is_owned(&tags, &aws.owner, Some(&aws.owner.lineage));
        Some((tags::address(&tags).filter(|_| ours)?, instance))
    });
    Ok(ours.map(|(addr, instance)| of_database(&addr, instance)).collect())
}

/// The identifier of a database of this environment.
pub(super) async fn database_id(aws: &Aws, addr: &Addr) -> Result<Option<String>, OpError> {
    let object = kinds::object(types::DATABASE).expect("databases are made by this provider");
    let found = object.list(aws, Select::Owner(Some(&aws.owner.lineage))).await?;
    let named = |live: &Live| tags::address(&live.tags).is_some_and(|it| addr.covers(&it));
    Ok(found.into_iter().find(named).map(|live| live.remote_id))
}

fn of_database(addr: &Addr, instance: &DbInstance) -> ServiceStatus {
    let said = instance.db_instance_status().unwrap_or_default();
    let state = database_state(said);
    let (engine, scheme) = match instance.engine() {
        Some("postgres") => ("postgres", "postgresql"),
        other => (other.unwrap_or("database"), other.unwrap_or("database")),
    };
    let endpoint = instance.endpoint().and_then(|it| Some((it.address()?, it.port()?)));
    let url = endpoint.map(|(host, port)| {
        format!("{scheme}://{host}:{port}/{}", instance.db_name().unwrap_or_default())
    });
    let told = instance.status_infos().iter().filter_map(|info| info.message());
    let lines = std::iter::once(format!("RDS says `{said}`")).chain(told.map(str::to_owned));
    let detail = (state != "healthy").then(|| lines.collect::<Vec<_>>().join("\n"));
    ServiceStatus { url, ..status(addr, engine, state, detail) }
}

/// What a status of RDS means to whoever uses the database: whether it answers.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html>
fn database_state(said: &str) -> &'static str {
    match said {
        "available"
        | "backing-up"
        | "modifying"
        | "renaming"
        | "resetting-master-credentials"
        | "storage-config-upgrade"
        | "storage-initialization"
        | "storage-optimization" => "healthy",
        "storage-full" => "unhealthy",
        "stopped" | "stopping" | "deleting" | "delete-precheck" => "stopped",
        "failed" | "insufficient-capacity" | "restore-error" => "failed",
        _ if said.starts_with("configuring-") => "healthy",
        _ if said.starts_with("incompatible-") || said.starts_with("inaccessible-") => "failed",
        // `creating`, `starting`, `rebooting`, `upgrading`, `maintenance`, and what comes later.
        _ => "starting",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_well_while_it_answers() {
        for (said, state) in [
            ("available", "healthy"),
            ("backing-up", "healthy"),
            ("configuring-enhanced-monitoring", "healthy"),
            ("creating", "starting"),
            ("upgrading", "starting"),
            ("stopped", "stopped"),
            ("storage-full", "unhealthy"),
            ("incompatible-network", "failed"),
        ] {
            assert_eq!(database_state(said), state, "{said}");
        }
    }
}
