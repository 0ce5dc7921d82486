//! The S3 endpoint as a task of the supervisor: one for all buckets of the environment.
//!
//! It is put with the first bucket and removed with the last. Its spec says where the store and the
//! records are and holds the key that opens them; the supervisor keeps it sealed. The keys of clients
//! are read from the records, so a restart has all of them, and no secret is written for it.

use super::control::Control;
use crate::environment::{
    Environment, Record, Records, Stage, create_private, disk_error, supervisor_error,
};
use crate::s3::{Keys, Right, Store, serve, system_clock};
use crate::supervisor::{Health, Host, HostedTask, Restart, State, Stop, Unit, Work};
use async_trait::async_trait;
use dsenv_sdk::provider::Token;
use dsenv_sdk::seal::{SealKey, parse_hex, push_hex};
use dsenv_sdk::{OpError, Secret};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// The unit's name; workspaces and databases have a `-` and a token in theirs.
pub(super) const UNIT: &str = "s3";
/// The store's folder below the environment's.
pub(super) const STORE: &str = "s3";
/// The port that it has where it has an address of its own.
const PORT: u16 = 9000;
const KIND: &str = "s3";
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How often objects that are due are looked for; they expire at midnight.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// What the task is told.
#[derive(Serialize, Deserialize)]
struct Spec {
    dir: PathBuf,
    lineage: String,
    key: String,
    address: SocketAddr,
}

/// Returns where the endpoint writes what it has to say.
pub(super) fn log(env: &Environment) -> PathBuf {
    env.dir.join("logs/s3.log")
}

/// Sees to it that the endpoint runs and answers; returns its URL.
pub(super) async fn ensure(env: &Environment) -> Result<String, OpError> {
    let _lock = env.endpoint.lock().await;
    let client = env.client().await?;
    let assigned = env.addresses.assign(None, UNIT, UNIT, &[PORT]).await.map_err(disk_error)?;
    let address = SocketAddr::from((assigned.address, assigned.port(PORT)));
    client.put_unit(unit(env, address)).await.map_err(supervisor_error)?;
    let what = format!("the S3 endpoint at {address}");
    env.wait_healthy(&client, UNIT, &what, READY_WITHIN).await?;
    Ok(format!("http://{address}"))
}

/// Has the endpoint run as it was, for the bucket of this record; returns before it answers.
pub(super) async fn restore(env: &Environment, bucket: &Record) -> Result<(), OpError> {
    let _lock = env.endpoint.lock().await;
    let Some(assigned) = env.addresses.assigned(UNIT).map_err(disk_error)? else { return Ok(()) };
    let address = SocketAddr::from((assigned.address, assigned.port(PORT)));
    let client = env.client().await?;
    if !env.is_current(bucket)? {
        return Ok(());
    }
    client.put_unit(unit(env, address)).await.map_err(supervisor_error)
}

/// Says whether the endpoint has the store open, or may have soon. Starts nothing.
pub(super) async fn runs(env: &Environment) -> Result<bool, OpError> {
    let Some(client) = env.supervisor.connect().await.map_err(supervisor_error)? else {
        return Ok(false);
    };
    let units = client.list().await.map_err(supervisor_error)?;
    let unit = units.into_iter().find(|unit| unit.name == UNIT);
    Ok(unit.is_some_and(|unit| match unit.state {
        State::Starting | State::Healthy | State::Unhealthy { .. } => true,
        State::Stopped | State::Failed { .. } | State::Backoff { .. } => false,
    }))
}

/// What became of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It ended, and its store is gone with every bucket.
    Nothing,
    /// Another bucket needs it.
    Endpoint,
}

/// Ends the endpoint and removes its store, when no bucket but this one is recorded.
pub(super) async fn end_with_last(env: &Environment, last: &Token) -> Result<Left, OpError> {
    let _lock = env.endpoint.lock().await;
    end_unless_needed(env, last).await
}

/// Forgets a bucket that is no longer in the store, and ends the endpoint when it was the last.
///
/// Its record goes under the lock: of two buckets that are deleted at once, each would see the other's,
/// and leave the endpoint to it.
pub(super) async fn forget(env: &Environment, gone: &Token) -> Result<(), OpError> {
    let _lock = env.endpoint.lock().await;
    end_unless_needed(env, gone).await?;
    env.records.remove(gone).map_err(disk_error)
}

async fn end_unless_needed(env: &Environment, gone: &Token) -> Result<Left, OpError> {
    let buckets = env.records.of_type(super::BUCKET.name).map_err(disk_error)?;
    if buckets.iter().any(|record| record.token != *gone) {
        return Ok(Left::Endpoint);
    }
    env.remove_unit(UNIT).await?;
    env.remove_folder(&env.dir.join(STORE)).await.map_err(disk_error)?;
    env.addresses.release(UNIT).await.map_err(disk_error)?;
    Ok(Left::Nothing)
}

fn unit(env: &Environment, address: SocketAddr) -> Unit {
    let mut key = String::new();
    push_hex(&mut key, env.key.expose());
    let spec = Spec { dir: env.dir.clone(), lineage: env.owner.lineage.clone(), key, address };
    let spec = serde_json::to_string(&spec).expect("paths of ours are UTF-8");
    Unit {
        name: UNIT.to_owned(),
        work: Work::Hosted { kind: KIND.to_owned(), spec: Secret::new(spec) },
        health: Some(Health::Tcp { address }),
        address: Some(address.ip()),
        ports: vec![address.port()],
        restart: Restart::Always,
        log: log(env),
    }
}

/// Runs S3 endpoints inside the supervisor.
pub(crate) struct EndpointHost;

#[async_trait]
impl Host for EndpointHost {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn run(&self, task: HostedTask, mut stop: Stop) -> Result<(), String> {
        let spec: Spec = serde_json::from_str(task.spec.expose()).map_err(|it| it.to_string())?;
        let key = parse_hex(&spec.key).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let key = SealKey::new(key.ok_or("its key has not 32 bytes")?);
        let records = Records::new(&spec.dir, &spec.lineage, &key);
        if let Some(logs) = task.log.parent() {
            create_private(logs).map_err(|it| format!("the folder of its log: {it}"))?;
        }
        let folder = spec.dir.join(STORE);
        let opened = tokio::task::spawn_blocking(move || Store::open(&folder)).await;
        let store = opened.map_err(|it| it.to_string())?.map_err(|it| chain(&it))?;
        let store = Arc::new(store);
        let keys = Arc::new(Keys::new());
        read_keys(&records, &keys)?;
        // The socket first: who sees the port open can ask.
        let control = Control::bind(&spec.dir).map_err(|it| format!("its socket: {it}"))?;
        let listener = TcpListener::bind(spec.address).await.map_err(|it| it.to_string())?;
        say(&task.log, &format!("serving on {}", spec.address));
        let read_again = || read_keys(&records, &keys);
        tokio::select! {
            served = serve(listener, Arc::clone(&store), Arc::clone(&keys), stop.requested()) => {
                served.map_err(|it| it.to_string())
            }
            why = control.answer(&store, &read_again) => Err(why),
            () = expire(&store, &task.log) => Ok(()),
        }
    }
}

/// Deletes what is due, for ever.
async fn expire(store: &Arc<Store>, log: &Path) {
    let clock = system_clock();
    let mut ticks = tokio::time::interval(EXPIRE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (store, now) = (Arc::clone(store), clock());
        let expired = tokio::task::spawn_blocking(move || store.expire(now)).await;
        match expired {
            Ok(Ok(0)) => {}
            Ok(Ok(count)) => say(log, &format!("{count} objects expired")),
            Ok(Err(error)) => say(log, &format!("cannot expire objects: {}", chain(&error))),
            Err(error) => say(log, &format!("cannot expire objects: {error}")),
        }
    }
}

fn read_keys(records: &Records, keys: &Keys) -> Result<(), String> {
    let mut table = BTreeMap::new();
    for record in records.of_type(super::KEY.name).map_err(|it| it.to_string())? {
        if let Some((id, key)) = key_of(&record) {
            table.insert(id, key);
        }
    }
    keys.replace(table);
    Ok(())
}

/// The key of a record; `None` while it has none, and once its deletion has begun.
fn key_of(record: &Record) -> Option<(String, crate::s3::Key)> {
    if record.stage == Stage::Deleting {
        return None;
    }
    let id = record.value_text("access_key_id")?.to_owned();
    let secret = record.values.get("secret_access_key")?.expose_text()?;
    let right = match record.arg_text("right")? {
        "read_write" => Right::ReadWrite,
        _ => Right::Read,
    };
    let rights = BTreeMap::from([(record.arg_text("bucket")?.to_owned(), right)]);
    Some((id, crate::s3::Key::new(secret, rights)))
}

/// Writes a line to the log; a full disk does not end the endpoint.
fn say(log: &Path, line: &str) {
    let file = std::fs::File::options().append(true).create(true).open(log);
    if let Ok(mut file) = file {
        let _ = writeln!(file, "{line}");
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text += &format!(": {error}");
        next = error.source();
    }
    text
}
