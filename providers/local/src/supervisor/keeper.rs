//! One task a unit: brings what runs to what is desired, and keeps it there.
//!
//! What is desired enters as a level, not as a list of commands: however often it changes, only
//! the last value counts. What the unit does leaves as [`Live`]. The keeper alone starts and stops
//! processes of its unit, so no two hands reach for them.

use super::checkup::Checkup;
use super::clock;
use super::family::{self, Family};
use super::host::{Host, HostedTask, Stop};
use super::launch::{self, RunRecord, StopPlan};
use super::layout::{FileId, Layout};
use super::process::{self, Grip};
use super::store::StoredUnit;
use super::unit::{Exit, Process, Restart, State, StopSignal, UnitStatus, Work};
use super::{log, ports};
use rustix::process::Signal;
use std::fs::File;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const DELAY_FIRST: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(10);
/// After this long up, the next end is the first again.
const STEADY: Duration = Duration::from_secs(60);
/// So many ends or refusals in a row, without health in between, and waiting is hopeless.
const FAILURES_MAX: u32 = 5;
/// How long relatives that a dead process left may take to end when asked.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(2);
const HOSTED_PATIENCE: Duration = Duration::from_secs(5);
const SWEEP_AGAIN: Duration = Duration::from_secs(2);

/// What every keeper needs of the daemon.
pub(super) struct Context {
    pub(super) layout: Layout,
    /// Names this supervisor in the marks: another folder's units are none of ours.
    pub(super) id: String,
    pub(super) guard_pid: u32,
    pub(super) hosts: Vec<Arc<dyn Host>>,
}

/// What should be.
#[derive(Clone, Debug)]
pub(super) enum Desired {
    /// This unit runs, at this revision.
    Run(Arc<StoredUnit>),
    /// Nothing of the unit runs.
    Gone {
        /// What [`Live::gone`] says when that is reached.
        ticket: u64,
    },
}

/// What is.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) status: UnitStatus,
    /// The revision that the rest speaks of; `None` before the first and once it is gone.
    pub(super) revision: Option<String>,
    /// The ticket of the dismissal for which nothing of the unit runs any more.
    pub(super) gone: Option<u64>,
    /// Why waiting for health makes no sense.
    pub(super) hopeless: Option<String>,
    /// What the last check met.
    pub(super) last_check: Option<String>,
}

impl Live {
    pub(super) fn new(name: &str) -> Live {
        let status = UnitStatus {
            name: name.to_owned(),
            state: State::Starting,
            pid: None,
            started_at_ms: None,
            restarts: 0,
            last_exit: None,
            adopted: false,
        };
        Live { status, revision: None, gone: None, hopeless: None, last_check: None }
    }
}

pub(super) struct Keeper {
    context: Arc<Context>,
    name: String,
    desired: watch::Receiver<Desired>,
    live: watch::Sender<Live>,
    /// The lock that this unit's processes have; kept open, because its file may be deleted, and
    /// its inode, once free, be that of another unit's lock.
    lock: Option<File>,
}

/// What runs.
enum Running {
    Child { child: tokio::process::Child, grip: Grip },
    Adopted { grip: Grip },
    Hosted { task: JoinHandle<Result<(), String>>, stop: watch::Sender<bool> },
}

/// Why watching ended.
enum Ended {
    /// Something else is desired now; it still runs.
    Changed(Running),
    /// It ended by itself.
    Exited(End),
}

/// An end, or a start that did not happen.
struct End {
    /// `None` when it did not start.
    exit: Option<Exit>,
    why: String,
    up: Duration,
    /// The process that led the family.
    leader: Option<u32>,
    was_healthy: bool,
}

impl End {
    fn refused(why: String) -> End {
        End { exit: None, why, up: Duration::ZERO, leader: None, was_healthy: false }
    }
}

impl Running {
    fn pid(&self) -> Option<u32> {
        match self {
            Running::Child { grip, .. } | Running::Adopted { grip } => Some(grip.identity().pid),
            Running::Hosted { .. } => None,
        }
    }

    /// Returns how it ended, once it did. May be dropped and called again.
    async fn ended(&mut self) -> (Exit, String) {
        match self {
            Running::Child { child, .. } => {
                let exit = child.wait().await.map_or(Exit::Unknown, process::exit_of);
                (exit, format!("it ended with {exit}"))
            }
            Running::Adopted { grip } => match grip.ended().await {
                Ok(()) => (Exit::Unknown, "it ended; its exit code is unknown".into()),
                Err(error) => (Exit::Unknown, format!("it cannot be watched: {error}")),
            },
            Running::Hosted { task, .. } => match task.await {
                Ok(Ok(())) => (Exit::Code(0), "its task ended".into()),
                Ok(Err(why)) => (Exit::Code(1), why),
                Err(error) => (Exit::Code(1), format!("its task panicked: {error}")),
            },
        }
    }
}

impl Keeper {
    pub(super) fn new(
        context: Arc<Context>,
        name: String,
        desired: watch::Receiver<Desired>,
        live: watch::Sender<Live>,
    ) -> Keeper {
        let lock = File::open(context.layout.run_lock(&name)).ok();
        Keeper { context, name, desired, live, lock }
    }

    /// Runs for as long as the daemon does.
    pub(super) async fn run(mut self) {
        loop {
            let desired = self.desired.borrow_and_update().clone();
            match desired {
                Desired::Run(stored) => self.keep(&stored).await,
                Desired::Gone { ticket } => self.leave(ticket).await,
            }
        }
    }

    /// Keeps the unit running until something else is desired; then it does not run any more.
    async fn keep(&mut self, stored: &StoredUnit) {
        let name = self.name.clone();
        self.live.send_modify(|live| {
            let last_exit = live.status.last_exit;
            *live = Live::new(&name);
            live.status.last_exit = last_exit;
            live.revision = Some(stored.revision.clone());
        });
        let mut running = self.adopt(stored).await;
        let (mut failures, mut delay) = (0, DELAY_FIRST);
        loop {
            let end = match self.attempt(stored, running.take()).await {
                Ok(Ended::Changed(running)) => return self.stop(stored, running).await,
                Ok(Ended::Exited(end)) => end,
                Err(why) => End::refused(why),
            };
            self.forget(Signal::TERM, LEFTOVER_PATIENCE, end.leader).await;
            failures = if end.was_healthy { 1 } else { failures + 1 };
            if end.up >= STEADY {
                delay = DELAY_FIRST;
            }
            let again = match stored.unit.restart {
                Restart::Always => true,
                Restart::OnFailure => end.exit != Some(Exit::Code(0)),
                Restart::Never => false,
            };
            self.report(&end, again.then_some(delay), failures);
            tokio::select! {
                () = changed(&mut self.desired) => return,
                () = tokio::time::sleep(delay), if again => {}
            }
            delay = (delay * 2).min(DELAY_MAX);
            self.live.send_modify(|live| live.status.restarts += u32::from(end.exit.is_some()));
        }
    }

    /// Says that the unit does not run, and when it will be tried again.
    fn report(&self, end: &End, retry_in: Option<Duration>, failures: u32) {
        let why = end.why.clone();
        let state = match (retry_in, end.exit) {
            (Some(delay), _) => {
                let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                State::Backoff { why, until_ms: clock::now_ms().saturating_add(delay_ms) }
            }
            (None, Some(Exit::Code(0))) => State::Stopped,
            (None, _) => State::Failed { why },
        };
        let hopeless = retry_in.is_none() || failures >= FAILURES_MAX;
        self.live.send_modify(|live| {
            live.status.state = state;
            live.status.pid = None;
            live.status.started_at_ms = None;
            live.status.adopted = false;
            live.status.last_exit = end.exit.or(live.status.last_exit);
            live.hopeless = hopeless.then(|| end.why.clone());
        });
    }

    /// Starts the unit unless it runs already, and watches it.
    async fn attempt(
        &mut self,
        stored: &StoredUnit,
        running: Option<Running>,
    ) -> Result<Ended, String> {
        let running = match running {
            Some(running) => running,
            None => self.start(stored).await?,
        };
        Ok(self.watch(stored, running).await)
    }

    /// Finds the unit's process of an earlier daemon. One of another revision is stopped, and so
    /// is every relative that runs without its leader.
    async fn adopt(&mut self, stored: &StoredUnit) -> Option<Running> {
        let record = RunRecord::read(&self.context.layout, &self.name);
        let found = record.and_then(|record| Some((Grip::take(&record.identity)?, record)));
        match found {
            Some((grip, record)) if record.plan.revision == stored.revision => {
                self.live.send_modify(|live| {
                    live.status.pid = Some(grip.identity().pid);
                    live.status.started_at_ms = Some(record.started_at_ms);
                    live.status.restarts = record.plan.restarts;
                    live.status.adopted = true;
                });
                Some(Running::Adopted { grip })
            }
            Some((grip, record)) => {
                self.stop_process(Running::Adopted { grip }, record.plan.stop).await;
                None
            }
            None => {
                self.forget(Signal::TERM, LEFTOVER_PATIENCE, None).await;
                None
            }
        }
    }

    async fn start(&mut self, stored: &StoredUnit) -> Result<Running, String> {
        if let Some(address) = stored.unit.address {
            for port in &stored.unit.ports {
                ports::check(address, *port)?;
            }
        }
        let (running, started_at_ms) = match &stored.unit.work {
            Work::Process(process) => self.start_process(stored, process).await?,
            Work::Hosted { kind, spec } => {
                let host = self.context.hosts.iter().find(|host| host.kind() == kind);
                let host = host.ok_or_else(|| format!("no host runs units of kind `{kind}`"))?;
                let (host, (sender, stop)) = (Arc::clone(host), Stop::new());
                let (name, log) = (self.name.clone(), stored.unit.log.clone());
                let task = HostedTask { name, spec: spec.clone(), log };
                let task = tokio::spawn(async move { host.run(task, stop).await });
                (Running::Hosted { task, stop: sender }, clock::now_ms())
            }
        };
        self.live.send_modify(|live| {
            live.status.state = State::Starting;
            live.status.pid = running.pid();
            live.status.started_at_ms = Some(started_at_ms);
        });
        Ok(running)
    }

    async fn start_process(
        &mut self,
        stored: &StoredUnit,
        process: &Process,
    ) -> Result<(Running, u64), String> {
        let restarts = self.live.borrow().status.restarts;
        let mark = self.mark();
        let started = launch::launch(&self.context.layout, &mark, stored, process, restarts).await;
        // The shim made the file when it was missing.
        self.lock = File::open(self.context.layout.run_lock(&self.name)).ok();
        let started = started?;
        Ok((Running::Child { child: started.child, grip: started.grip }, started.started_at_ms))
    }

    async fn watch(&mut self, stored: &StoredUnit, mut running: Running) -> Ended {
        let begun = Instant::now();
        let mut checkup = Checkup::new();
        loop {
            tokio::select! {
                (exit, why) = running.ended() => {
                    let (up, leader) = (begun.elapsed(), running.pid());
                    let was_healthy = checkup.was_healthy();
                    let exit = Some(exit);
                    return Ended::Exited(End { exit, why, up, leader, was_healthy });
                }
                () = changed(&mut self.desired) => return Ended::Changed(running),
                finding = checkup.next(&stored.unit) => {
                    self.live.send_if_modified(|live| {
                        let news = live.status.state != finding.state
                            || live.last_check != finding.last_check;
                        live.status.state = finding.state;
                        live.last_check = finding.last_check;
                        if live.status.state == State::Healthy {
                            live.hopeless = None;
                        }
                        news
                    });
                    let (path, limit) = (stored.unit.log.clone(), log::LOG_BYTES_MAX);
                    // A log that cannot be rotated grows; the next round tries again.
                    let rotated = move || log::rotate_when_large(&path, limit);
                    let _ = tokio::task::spawn_blocking(rotated).await;
                }
            }
        }
    }

    async fn stop(&mut self, stored: &StoredUnit, running: Running) {
        match (&stored.unit.work, running) {
            (_, Running::Hosted { mut task, stop }) => {
                let _ = stop.send(true);
                if tokio::time::timeout(HOSTED_PATIENCE, &mut task).await.is_err() {
                    task.abort();
                    // Waited for: its ports are free only once it has been dropped.
                    let _ = task.await;
                }
            }
            (Work::Process(process), running) => {
                self.stop_process(running, StopPlan::of(process)).await;
            }
            (Work::Hosted { .. }, running) => self.stop_process(running, KILL).await,
        }
    }

    /// Asks the process to end, waits, kills, and sweeps its family.
    async fn stop_process(&mut self, mut running: Running, plan: StopPlan) {
        let signal = process::signal(plan.signal);
        let leader = running.pid();
        if let Running::Child { grip, .. } | Running::Adopted { grip } = &running {
            let sent = match plan.group {
                true => process::signal_group(grip.identity().pid, signal),
                false => grip.signal(signal),
            };
            // One that cannot be asked is swept at once.
            let patience = Duration::from_millis(if sent.is_ok() { plan.timeout_ms } else { 0 });
            if tokio::time::timeout(patience, running.ended()).await.is_err() {
                self.forget(Signal::KILL, Duration::ZERO, leader).await;
                return;
            }
        }
        self.forget(Signal::TERM, LEFTOVER_PATIENCE, leader).await;
    }

    /// Sweeps the family, and its record when nobody is left. Returns whether that is so.
    async fn forget(&mut self, first: Signal, patience: Duration, leader: Option<u32>) -> bool {
        let spared = vec![std::process::id(), self.context.guard_pid];
        let lock = self.lock.as_ref().and_then(|file| file.metadata().ok());
        let lock = lock.map(|metadata| FileId::of(&metadata));
        let family = Family { mark: self.mark(), lock, leader, spared };
        match family::sweep(&family, first, patience).await {
            Ok(()) => {
                // A record that stays is one of a dead process, and is seen to be.
                let _ = std::fs::remove_file(self.context.layout.run_record(&self.name));
                true
            }
            Err(pids) => {
                let why = format!("processes {pids:?} do not end, not even when killed");
                self.live.send_modify(|live| live.status.state = State::Failed { why });
                false
            }
        }
    }

    /// Makes sure that nothing of the unit runs, and waits until something is desired again.
    async fn leave(&mut self, ticket: u64) {
        let record = RunRecord::read(&self.context.layout, &self.name);
        if let Some(record) = record
            && let Some(grip) = Grip::take(&record.identity)
        {
            self.stop_process(Running::Adopted { grip }, record.plan.stop).await;
        }
        if !self.forget(Signal::TERM, LEFTOVER_PATIENCE, None).await {
            tokio::select! {
                () = tokio::time::sleep(SWEEP_AGAIN) => {}
                () = changed(&mut self.desired) => {}
            }
            self.desired.mark_changed();
            return;
        }
        let _ = std::fs::remove_file(self.context.layout.run_lock(&self.name));
        self.lock = None;
        let name = self.name.clone();
        self.live.send_modify(|live| {
            *live = Live::new(&name);
            live.status.state = State::Stopped;
            live.gone = Some(ticket);
        });
        changed(&mut self.desired).await;
    }

    fn mark(&self) -> String {
        format!("{}/{}", self.context.id, self.name)
    }
}

const KILL: StopPlan = StopPlan { signal: StopSignal::Kill, timeout_ms: 1_000, group: true };

/// Returns when something new is desired. When the registry has ended, the daemon is about to,
/// and what runs is left to the next one.
async fn changed(desired: &mut watch::Receiver<Desired>) {
    if desired.changed().await.is_err() {
        pending::<()>().await;
    }
}
