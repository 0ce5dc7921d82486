//! What the supervisor keeps alive, and what it says about it.
//!
//! A [`Unit`] is complete: nothing of the caller's environment, folder or rights reaches the
//! service unless it is written here. Units cross the supervisor's socket as JSON and rest on disk
//! sealed as a whole; both forms are these types, so changing one changes `protocol::VERSION` and
//! `store::FORMAT`.

use dsenv_sdk::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Longest name of a unit, in bytes: its encoded form must fit a file name.
pub const NAME_BYTES_MAX: usize = 80;

/// One thing that is kept running, a process or a task inside the supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Unique in the environment, e.g. `notebook/jupyter`. Printable ASCII without spaces.
    pub name: String,
    /// What runs.
    pub work: Work,
    /// How to tell that it works; without one, a unit that has run for a moment is healthy.
    pub health: Option<Health>,
    /// The address whose `ports` must be free before each start.
    pub address: Option<IpAddr>,
    /// Ports that must be free on `address` before each start; ignored without an address.
    pub ports: Vec<u16>,
    /// What happens when it ends by itself.
    pub restart: Restart,
    /// Where standard output and error are appended; created with its folder when missing. Grows
    /// to [`super::LOG_BYTES_MAX`] and is then kept once more under the same name with `.1`.
    pub log: PathBuf,
}

/// What a unit runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A process of its own that outlives the supervisor's crashes.
    Process(Process),
    /// A task inside the daemon, run by the [`super::Host`] of that name. It ends when the daemon
    /// dies, and starts again with it.
    Hosted {
        /// [`super::Host::kind`] of the host that runs it.
        kind: String,
        /// What the host reads to know what to run; kept sealed like everything else.
        #[serde(with = "clear")]
        spec: Secret,
    },
}

/// A process: what to execute, where, as whom, and how it is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// What to execute.
    pub command: Command,
    /// The working folder; must exist and be within reach of `run_as`.
    pub cwd: PathBuf,
    /// The whole environment. Nothing is added but `DSENV_UNIT`, the mark by which the family of
    /// the process is found again.
    pub env: BTreeMap<String, EnvValue>,
    /// Whom to run as, when dsenv itself is root; `None` keeps the user.
    pub run_as: Option<RunAs>,
    /// The signal that asks it to end.
    pub stop_signal: StopSignal,
    /// How long it may take to end before it is killed.
    pub stop_timeout_ms: u64,
}

/// A program with its arguments, or a line for the shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Executed as it is. The program is looked up on the `PATH` of the unit's own environment.
    Argv(Vec<String>),
    /// Given to `/bin/sh -c`. The stop signal goes to the whole process group, because the shell
    /// may stay between the supervisor and the service.
    Shell(String),
}

/// The value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvValue {
    /// Anyone may see it.
    Plain(String),
    /// Never printed by dsenv. The service's own user can read it under `/proc`.
    Secret(#[serde(with = "clear")] Secret),
}

impl EnvValue {
    /// Returns the text, secret or not, for handing it to the process.
    pub(super) fn expose(&self) -> &str {
        match self {
            EnvValue::Plain(text) => text,
            EnvValue::Secret(secret) => secret.expose(),
        }
    }
}

/// User and groups of a process, by number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunAs {
    /// The user.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// All supplementary groups; empty means none, not those of root.
    pub groups: Vec<u32>,
}

/// The signal that asks a service to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopSignal {
    /// SIGTERM: for most.
    #[default]
    Term,
    /// SIGINT: a PostgreSQL that gets SIGTERM waits for its sessions to leave.
    Int,
    /// SIGQUIT.
    Quit,
    /// SIGKILL: nothing to save.
    Kill,
}

/// What happens when a unit ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// It starts again, after 100 ms, doubling to 10 s, from 100 ms again after a minute up.
    #[default]
    Always,
    /// The same, unless it ended with exit code 0.
    OnFailure,
    /// It stays down.
    Never,
}

/// How to tell that a unit works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// A GET is answered.
    Http {
        /// Where to ask.
        address: SocketAddr,
        /// What to ask for, with its leading slash.
        path: String,
        /// The lowest status that counts as ill: 500 takes a 403 without a token for life.
        ill_from: u16,
    },
    /// A connection is accepted. A PostgreSQL that is still starting up accepts them too.
    Tcp {
        /// Where to connect.
        address: SocketAddr,
    },
    /// A program, run with the process's own folder, environment, user and primary group, ends
    /// with exit code 0, e.g. `pg_isready`. Not for hosted tasks.
    Command {
        /// The program and its arguments.
        argv: Vec<String>,
    },
}

/// What the supervisor knows of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitStatus {
    /// The unit's name.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// The process, when one runs; `None` for a hosted task.
    pub pid: Option<u32>,
    /// When the running process or task started, wall clock.
    pub started_at_ms: Option<u64>,
    /// How often it was started again since it was put.
    pub restarts: u32,
    /// How it last ended; `None` when it never did.
    pub last_exit: Option<Exit>,
    /// Whether the process was started by an earlier daemon.
    pub adopted: bool,
}

/// Where a unit stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Runs, and has not answered yet.
    Starting,
    /// Runs and answers.
    Healthy,
    /// Runs, answered once, and does not any more. It is not restarted for that.
    Unhealthy {
        /// What the last check met.
        why: String,
    },
    /// Does not run, and will be started again.
    Backoff {
        /// Why it does not run.
        why: String,
        /// When the next attempt is due, wall clock.
        until_ms: u64,
    },
    /// Ended, as its `restart` allows, or was stopped.
    Stopped,
    /// Ended or could not start, and is not started again.
    Failed {
        /// Why.
        why: String,
    },
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with this code. A hosted task that returns an error has code 1.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody can say: only a parent learns it, and the parent died before.
    Unknown,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(signal) => write!(f, "signal {signal}"),
            Exit::Unknown => f.write_str("unknown exit code"),
        }
    }
}

impl Unit {
    /// Returns what is wrong with the unit itself, before anything is tried.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX {
            return Err(format!("the name must have 1 to {NAME_BYTES_MAX} bytes"));
        }
        if !self.name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the name must be printable ASCII without spaces".into());
        }
        if !self.log.is_absolute() {
            return Err(format!("the log `{}` must be an absolute path", self.log.display()));
        }
        match (&self.work, &self.health) {
            (_, Some(Health::Command { argv })) if argv.is_empty() => {
                Err("the command of its health check is empty".into())
            }
            (Work::Hosted { .. }, Some(Health::Command { .. })) => {
                Err("a hosted task has no user and no folder to run a check with".into())
            }
            (Work::Process(process), _) => process.check(),
            (Work::Hosted { .. }, _) => Ok(()),
        }
    }
}

impl Process {
    fn check(&self) -> Result<(), String> {
        if !self.cwd.is_absolute() {
            return Err(format!("the folder `{}` must be an absolute path", self.cwd.display()));
        }
        let argv = self.argv();
        if argv.first().is_none_or(String::is_empty) {
            return Err("the command is empty".into());
        }
        if argv.iter().any(|argument| argument.contains('\0')) {
            return Err("the command contains a zero byte".into());
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) || value.expose().contains('\0') {
                return Err(format!("the environment variable `{name}` cannot be set"));
            }
        }
        Ok(())
    }

    /// Returns what is executed in the end.
    pub(super) fn argv(&self) -> Vec<String> {
        match &self.command {
            Command::Argv(argv) => argv.clone(),
            Command::Shell(line) => vec!["/bin/sh".into(), "-c".into(), line.clone()],
        }
    }
}

/// Secrets in clear: the socket is the owner's alone, and what rests on disk is sealed as a whole.
mod clear {
    use super::Secret;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(secret.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        String::deserialize(from).map(Secret::new)
    }
}
