//! Starting a process through the run shim, and knowing it again later.
//!
//! The daemon hands the shim an [`Order`] on its standard input: never on the command line, which
//! everybody can read. The shim writes a [`RunRecord`] of itself and then becomes the service, so
//! there is no moment in which a service runs that no record names.

use super::clock;
use super::family::{self, MARK};
use super::layout::Layout;
use super::process::{Grip, Identity};
use super::store::StoredUnit;
use super::unit::{Command, Process, RunAs, StopSignal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zeroize::Zeroizing;

/// The hidden verb of the shim.
pub(super) const VERB: &str = "__run";

/// How long the shim may take to become the service: a full disk answers sooner.
const EXEC_TIMEOUT: Duration = Duration::from_secs(30);

/// What the shim is to become.
#[derive(Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) argv: Vec<String>,
    pub(super) cwd: PathBuf,
    pub(super) env: BTreeMap<String, String>,
    pub(super) run_as: Option<RunAs>,
    pub(super) log: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) record_path: PathBuf,
    pub(super) record: Plan,
}

/// The part of a record that is known before the process exists.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) unit: String,
    pub(super) revision: String,
    pub(super) restarts: u32,
    pub(super) stop: StopPlan,
}

/// How a process is stopped; in the record, because the unit may be gone when it is needed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct StopPlan {
    pub(super) signal: StopSignal,
    pub(super) timeout_ms: u64,
    /// Whether the whole process group is asked to end, not only its leader.
    pub(super) group: bool,
}

impl StopPlan {
    pub(super) fn of(process: &Process) -> StopPlan {
        StopPlan {
            signal: process.stop_signal,
            timeout_ms: process.stop_timeout_ms,
            group: matches!(process.command, Command::Shell(_)),
        }
    }
}

/// A process that was started, on disk until it is known to have ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RunRecord {
    pub(super) plan: Plan,
    pub(super) identity: Identity,
    pub(super) started_at_ms: u64,
}

impl RunRecord {
    /// Reads the record of a unit. None, or one that cannot be read, is none: the sweep before
    /// every start finds by their marks the processes it would have named.
    pub(super) fn read(layout: &Layout, name: &str) -> Option<RunRecord> {
        serde_json::from_slice(&std::fs::read(layout.run_record(name)).ok()?).ok()
    }

    /// Returns the names of all units that have a record.
    pub(super) fn names(layout: &Layout) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(layout.runs()) else { return Vec::new() };
        let records = entries.flatten().map(|entry| entry.path());
        records
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .filter_map(|path| serde_json::from_slice::<RunRecord>(&std::fs::read(path).ok()?).ok())
            .map(|record| record.plan.unit)
            .collect()
    }
}

/// A process that the daemon started.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) child: tokio::process::Child,
    pub(super) grip: Grip,
    pub(super) started_at_ms: u64,
}

/// Starts the unit's process; returns when it is executing. The error says, in a sentence without
/// its full stop, why it is not; then nothing runs.
pub(super) async fn launch(
    layout: &Layout,
    mark: &str,
    stored: &StoredUnit,
    process: &Process,
    restarts: u32,
) -> Result<Launched, String> {
    let name = &stored.unit.name;
    let mut env: BTreeMap<String, String> =
        process.env.iter().map(|(name, value)| (name.clone(), value.expose().into())).collect();
    env.insert(MARK.into(), mark.into());
    let order = Order {
        argv: process.argv(),
        cwd: process.cwd.clone(),
        env,
        run_as: process.run_as.clone(),
        log: stored.unit.log.clone(),
        lock: layout.run_lock(name),
        record_path: layout.run_record(name),
        record: Plan {
            unit: name.clone(),
            revision: stored.revision.clone(),
            restarts,
            stop: StopPlan::of(process),
        },
    };
    let mut child = spawn_shim(name, mark).map_err(|error| format!("no new process: {error}"))?;
    let handed = tokio::time::timeout(EXEC_TIMEOUT, hand_over(&mut child, order)).await;
    let refusal = handed.unwrap_or_else(|_| Err("the start took too long".into())).err();
    if let Some(why) = refusal {
        // It may be stuck; it is nobody's service yet.
        let _ = child.kill().await;
        return Err(why);
    }
    let record = RunRecord::read(layout, name).filter(|it| Some(it.identity.pid) == child.id());
    let held = record.ok_or_else(|| "its record cannot be read".to_owned()).and_then(|record| {
        let grip = Grip::of_child(&record.identity).map_err(|error| error.to_string())?;
        Ok((grip, record.started_at_ms))
    });
    match held {
        Ok((grip, started_at_ms)) => Ok(Launched { child, grip, started_at_ms }),
        Err(why) => {
            let _ = child.kill().await;
            Err(why)
        }
    }
}

fn spawn_shim(name: &str, mark: &str) -> std::io::Result<tokio::process::Child> {
    let mut shim = std::process::Command::new(clock::own_binary()?);
    shim.arg0("dsenv").arg(VERB).arg(name).env_clear().env(MARK, mark).current_dir("/");
    shim.stdin(Stdio::piped()).stdout(Stdio::piped());
    family::spawn(&mut tokio::process::Command::from(shim))
}

/// Gives the shim its order and reads what it objects to; silence is its exec.
async fn hand_over(child: &mut tokio::process::Child, order: Order) -> Result<(), String> {
    let mut input = child.stdin.take().expect("the shim's input is a pipe");
    let mut output = child.stdout.take().expect("the shim's output is a pipe");
    let text = Zeroizing::new(serde_json::to_vec(&order).map_err(|error| error.to_string())?);
    zeroize_env(order);
    // A shim that dies before it has read everything says why on its output.
    let _ = input.write_all(&text).await;
    drop(input);
    let mut objection = String::new();
    output.read_to_string(&mut objection).await.map_err(|error| error.to_string())?;
    if objection.is_empty() { Ok(()) } else { Err(objection) }
}

/// Overwrites the copies of secrets that were made for the order.
fn zeroize_env(order: Order) {
    order.env.into_values().for_each(|value| drop(Zeroizing::new(value)));
}
