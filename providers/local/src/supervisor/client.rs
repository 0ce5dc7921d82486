//! The command's side: find the supervisor of a folder, start one, talk to it.

use super::guard;
use super::layout::{FileId, Layout};
use super::process::Identity;
use super::protocol::{self, Channel, Pong, ReadError, Reply, Request, Unhealthy};
use super::unit::{Unit, UnitStatus};
use super::{clock, daemon, family, log};
use dsenv_sdk::seal::SealKey;
use rustix::process::Signal;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::Instant;

/// How long a supervisor may take from its start to its first answer.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a request looks for a daemon that died and is being restarted.
const REPAIR_TIMEOUT: Duration = Duration::from_secs(10);
/// How long guard, daemon and socket may outlive the daemon's last answer.
const END_TIMEOUT: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(3);
/// How long a daemon may take to say that it is there.
const PING_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take for what it writes to disk.
const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// How much later than promised the answer to a wait may come.
const LATE_MAX: Duration = Duration::from_secs(5);
/// Where the supervisor's own log is moved aside when a new one starts.
const OWN_LOG_BYTES_MAX: u64 = 1024 * 1024;
/// What programs are looked up on by guard and daemon, which look up none.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What kept a supervisor from doing what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// A file or folder of the supervisor could not be used.
    #[error("the supervisor's folder `{}` cannot be used", path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The supervisor could not be started.
    #[error("the supervisor did not start: {why}")]
    Start {
        /// Why, with the last lines of its log.
        why: String,
    },
    /// The key is not the one that the units on disk were sealed with. Nothing was touched.
    #[error("the key does not open the units in `{}`, or all of them were changed", dir.display())]
    WrongKey {
        /// The supervisor's folder.
        dir: PathBuf,
    },
    /// The socket is another user's.
    #[error("the supervisor of `{}` runs as user {uid}", dir.display())]
    OtherUser {
        /// The supervisor's folder.
        dir: PathBuf,
        /// Whom it runs as.
        uid: u32,
    },
    /// The running supervisor is of another dsenv; [`Supervisor::ensure`] replaces it.
    #[error("the supervisor speaks version {theirs} of its protocol, not {}", protocol::VERSION)]
    Version {
        /// The version it speaks.
        theirs: u32,
    },
    /// The connection broke, and no daemon came back in time.
    #[error("the supervisor of `{}` does not answer", dir.display())]
    Lost {
        /// The supervisor's folder.
        dir: PathBuf,
        /// What the system said last.
        source: io::Error,
    },
    /// A daemon is there, and says nothing: it is stopped, or the machine has no time for it.
    #[error("the supervisor of `{}` has not answered within {} s", dir.display(), within.as_secs())]
    Silent {
        /// The supervisor's folder.
        dir: PathBuf,
        /// How long it was waited for.
        within: Duration,
    },
    /// The supervisor refused, or answered what was not asked.
    #[error("the supervisor refused: {why}")]
    Refused {
        /// Its reason.
        why: String,
    },
    /// A unit did not become healthy.
    #[error("unit `{}` is not healthy: {}", .0.name, .0.why)]
    Unhealthy(Box<Unhealthy>),
    /// Something was left after a shutdown.
    #[error("the supervisor's shutdown left {what}")]
    Left {
        /// Processes and files.
        what: String,
    },
}

/// The supervisor of one folder, running or not.
#[derive(Clone, Debug)]
pub struct Supervisor {
    layout: Layout,
    key: SealKey,
}

/// A way to talk to a running supervisor. Each request is a connection of its own, and is sent
/// again when the daemon dies under it: all of them may be repeated.
#[derive(Clone, Debug)]
pub struct Client {
    layout: Layout,
}

impl Supervisor {
    /// Names the supervisor of `dir`, an absolute path; nothing is made or started. `key` seals
    /// what rests there: the same for the folder's whole life.
    pub fn at(dir: &Path, key: SealKey) -> Supervisor {
        Supervisor { layout: Layout::new(dir), key }
    }

    /// Returns a client of the running supervisor; `None` when none runs. Starts nothing.
    pub async fn connect(&self) -> Result<Option<Client>, SupervisorError> {
        let client = Client { layout: self.layout.clone() };
        match client.exchange_once(&Request::Ping).await {
            Ok(Reply::Pong(_)) => Ok(Some(client)),
            Ok(reply) => Err(unexpected(reply)),
            Err(SupervisorError::Lost { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns a client of the supervisor, which is started when none runs, and replaced, its
    /// services untouched, when it has lost its guard or is of another version of dsenv. Services
    /// that an earlier supervisor left running are adopted. Any number of commands may do this at
    /// once; one supervisor results.
    pub async fn ensure(&self) -> Result<Client, SupervisorError> {
        if let Some(client) = self.sound().await? {
            return Ok(client);
        }
        self.layout.create().map_err(|source| self.folder_error(source))?;
        let _lock = self.take_start_lock().await?;
        if let Some(client) = self.sound().await? {
            return Ok(client);
        }
        self.retire().await?;
        self.start().await
    }

    /// Stops every unit, the daemon and the guard, and returns when no process and no socket is
    /// left, or with what is. The units are not forgotten: the next [`Supervisor::ensure`] starts
    /// them; remove them first to end them for good. Nothing running is success.
    pub async fn shutdown(&self) -> Result<(), SupervisorError> {
        let client = match self.connect().await? {
            Some(client) => client,
            // Without a daemon there may still be services, of one that was killed, or a guard that is
            // about to start another one.
            None if self.left_services() || is_locked(&self.layout.guard_lock()) => {
                self.ensure().await?
            }
            None => return Ok(()),
        };
        let pong = client.ping().await?;
        let processes: Vec<Identity> =
            [pong.guard_pid, pong.daemon_pid].into_iter().filter_map(Identity::of).collect();
        // Lost is the end of the guard, too: it was asked until then.
        match client.exchange(Request::Shutdown).await {
            Ok(Reply::Done) | Err(SupervisorError::Lost { .. }) => {}
            Ok(reply) => return Err(unexpected(reply)),
            Err(error) => return Err(error),
        }
        self.wait_for_end(&processes).await
    }

    /// Returns a client of a supervisor that has nothing to repair.
    async fn sound(&self) -> Result<Option<Client>, SupervisorError> {
        let client = match self.connect().await {
            Ok(Some(client)) => client,
            Ok(None) | Err(SupervisorError::Version { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        match client.exchange_once(&Request::Ping).await {
            Ok(Reply::Pong(Pong { guarded: true, .. })) => Ok(Some(client)),
            _ => Ok(None),
        }
    }

    async fn take_start_lock(&self) -> Result<File, SupervisorError> {
        let path = self.layout.start_lock();
        let taken = tokio::task::spawn_blocking(move || {
            loop {
                let file = File::options().append(true).create(true).open(&path)?;
                file.lock()?;
                // Deleted with its folder while this waited: the lock that counts is a new file.
                if FileId::at(&path) == Some(FileId::of(&file.metadata()?)) {
                    return Ok(file);
                }
                if let Some(dir) = path.parent() {
                    std::fs::create_dir_all(dir)?;
                }
            }
        });
        let taken = taken.await.expect("taking a lock does not panic");
        taken.map_err(|source| self.folder_error(source))
    }

    /// Ends a daemon that is to be replaced, if there is one; its services run on.
    async fn retire(&self) -> Result<(), SupervisorError> {
        let client = Client { layout: self.layout.clone() };
        // The guard is not waited for: when it is what is missing, its number means nothing, and
        // the next guard waits for its lock.
        let old = match client.exchange_once(&Request::Ping).await {
            Ok(Reply::Pong(Pong { guarded: true, .. })) => return Ok(()),
            Ok(Reply::Pong(pong)) => Identity::of(pong.daemon_pid),
            Ok(_) | Err(SupervisorError::Version { .. }) => None,
            Err(_) => return Ok(()),
        };
        if let Ok(Reply::Refused(why)) = client.exchange_once(&Request::Retire).await {
            return Err(SupervisorError::Refused { why });
        }
        self.wait_for_end(old.as_slice()).await
    }

    async fn start(&self) -> Result<Client, SupervisorError> {
        // Both guard and daemon of before may be on their way out, with their locks.
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let mut guard = self.spawn_guard().await.map_err(|source| self.folder_error(source))?;
            match self.wait_for_answer(&mut guard, deadline).await {
                Ok(Some(client)) => return Ok(client),
                Ok(None) => {}
                Err(error) => {
                    give_up(&mut guard).await;
                    return Err(error);
                }
            }
            if Instant::now() > deadline {
                return Err(self.start_error("another guard is there, and does not answer"));
            }
            tokio::time::sleep(LOOK_EVERY * 10).await;
        }
    }

    /// Waits for the daemon of this guard, or of another one; `None` when this guard ended because
    /// there is another one.
    async fn wait_for_answer(
        &self,
        guard: &mut tokio::process::Child,
        deadline: Instant,
    ) -> Result<Option<Client>, SupervisorError> {
        loop {
            match self.connect().await {
                Ok(Some(client)) => return Ok(Some(client)),
                Ok(None) | Err(SupervisorError::Silent { .. }) => {}
                Err(error) => return Err(error),
            }
            let ended = guard.try_wait().map_err(|source| self.folder_error(source))?;
            match ended.map(|status| status.code()) {
                Some(Some(code)) if code == i32::from(guard::SECOND_GUARD) => return Ok(None),
                Some(Some(code)) if code == daemon::Finish::WrongKey as i32 => {
                    return Err(SupervisorError::WrongKey { dir: self.layout.dir().into() });
                }
                Some(_) => return Err(self.start_error("its guard ended")),
                None if Instant::now() > deadline => {
                    return Err(self.start_error("it does not answer"));
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Starts a guard that has nothing of this process but the key and a log.
    async fn spawn_guard(&self) -> io::Result<tokio::process::Child> {
        let own_log = self.layout.own_log();
        log::rotate_when_large(&own_log, OWN_LOG_BYTES_MAX)?;
        let mut guard = tokio::process::Command::new(clock::own_binary()?)
            .arg0("dsenv")
            .arg(guard::VERB)
            .arg(self.layout.dir())
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", "C.UTF-8")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log::open(&own_log)?)
            .spawn()?;
        let mut input = guard.stdin.take().expect("the guard's input is a pipe");
        // A guard that is already gone is seen by who waits for it.
        let _ = input.write_all(self.key.expose()).await;
        Ok(guard)
    }

    async fn wait_for_end(&self, processes: &[Identity]) -> Result<(), SupervisorError> {
        let deadline = Instant::now() + END_TIMEOUT;
        loop {
            let alive: Vec<u32> =
                processes.iter().filter(|it| it.is_alive()).map(|it| it.pid).collect();
            let socket = self.layout.socket();
            let socket_left = socket.exists();
            if alive.is_empty() && !socket_left {
                return Ok(());
            }
            if Instant::now() > deadline {
                let socket = if socket_left { socket.display().to_string() } else { String::new() };
                return Err(SupervisorError::Left {
                    what: format!("processes {alive:?} {socket}"),
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn left_services(&self) -> bool {
        !super::launch::RunRecord::names(&self.layout).is_empty()
    }

    fn folder_error(&self, source: io::Error) -> SupervisorError {
        SupervisorError::Folder { path: self.layout.dir().into(), source }
    }

    fn start_error(&self, what: &str) -> SupervisorError {
        let lines = log::tail(&self.layout.own_log(), 5).unwrap_or_default();
        SupervisorError::Start { why: format!("{what}; its log ends: {}", lines.join(" / ")) }
    }
}

impl Client {
    /// Returns who answers.
    pub async fn ping(&self) -> Result<Pong, SupervisorError> {
        match self.exchange(Request::Ping).await? {
            Reply::Pong(pong) => Ok(pong),
            reply => Err(unexpected(reply)),
        }
    }

    /// Makes this unit run, durably. The same unit again changes nothing, save that one which waits
    /// to be tried again, or was given up, is tried at once; a changed one of the same name
    /// replaces what runs. Returns before it runs: see [`Client::wait_healthy`].
    pub async fn put_unit(&self, unit: Unit) -> Result<(), SupervisorError> {
        self.exchange_done(Request::Put { unit }).await
    }

    /// Removes the unit, durably, and returns when no process of its family is left. One that
    /// does not exist is removed.
    pub async fn remove_unit(&self, name: &str) -> Result<(), SupervisorError> {
        self.exchange_done(Request::Remove { name: name.into() }).await
    }

    /// Stops the unit and starts it again. Returns before it runs.
    pub async fn restart(&self, name: &str) -> Result<(), SupervisorError> {
        self.exchange_done(Request::Restart { name: name.into() }).await
    }

    /// Returns every unit, by name.
    pub async fn list(&self) -> Result<Vec<UnitStatus>, SupervisorError> {
        match self.exchange(Request::List).await? {
            Reply::Units(units) => Ok(units),
            reply => Err(unexpected(reply)),
        }
    }

    /// Returns when the unit, as it was last put, is healthy; with
    /// [`SupervisorError::Unhealthy`] when the time is over, or as soon as waiting is hopeless: it
    /// ended for good, or several times in a row, or its port stays taken.
    pub async fn wait_healthy(&self, name: &str, timeout: Duration) -> Result<(), SupervisorError> {
        let until = Instant::now() + timeout;
        let mut repair = None;
        loop {
            let left = until.saturating_duration_since(Instant::now()).as_millis();
            let timeout_ms = u64::try_from(left).unwrap_or(u64::MAX);
            let request = Request::WaitHealthy { name: name.into(), timeout_ms };
            let result = self.exchange_once(&request).await;
            let lost = matches!(result, Err(SupervisorError::Lost { .. }));
            if !lost || !self.worth_repeating(&mut repair).await {
                return result.and_then(done);
            }
        }
    }

    async fn exchange_done(&self, request: Request) -> Result<(), SupervisorError> {
        self.exchange(request).await.and_then(done)
    }

    async fn exchange(&self, request: Request) -> Result<Reply, SupervisorError> {
        let mut deadline = None;
        loop {
            let result = self.exchange_once(&request).await;
            let lost = matches!(result, Err(SupervisorError::Lost { .. }));
            if !lost || !self.worth_repeating(&mut deadline).await {
                return result;
            }
        }
    }

    /// Waits a little for a guard to bring its daemon back; `false` when it had its time.
    async fn worth_repeating(&self, deadline: &mut Option<Instant>) -> bool {
        let now = Instant::now();
        let until = *deadline.get_or_insert(now + REPAIR_TIMEOUT);
        tokio::time::sleep(LOOK_EVERY).await;
        // Without a guard nobody brings a daemon back.
        now < until && is_locked(&self.layout.guard_lock())
    }

    async fn exchange_once(&self, request: &Request) -> Result<Reply, SupervisorError> {
        let within = answered_within(request);
        let silent = || SupervisorError::Silent { dir: self.layout.dir().into(), within };
        let answer = tokio::time::timeout(within, self.send_and_receive(request)).await;
        answer.unwrap_or_else(|_| Err(silent()))
    }

    async fn send_and_receive(&self, request: &Request) -> Result<Reply, SupervisorError> {
        let lost = |source| SupervisorError::Lost { dir: self.layout.dir().into(), source };
        let stream = UnixStream::connect(self.layout.socket()).await.map_err(lost)?;
        let peer = stream.peer_cred().map_err(lost)?.uid();
        let own = rustix::process::geteuid().as_raw();
        // Before anything secret is said: under /tmp, somebody else's socket may have the name.
        if peer != own {
            return Err(SupervisorError::OtherUser { dir: self.layout.dir().into(), uid: peer });
        }
        let mut channel = Channel::new(stream);
        channel.send(request).await.map_err(lost)?;
        match channel.reply().await {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(lost(io::ErrorKind::UnexpectedEof.into())),
            Err(ReadError::Io(source)) => Err(lost(source)),
            Err(ReadError::Version(theirs)) => Err(SupervisorError::Version { theirs }),
            Err(ReadError::Malformed(why)) => Err(SupervisorError::Refused { why }),
        }
    }
}

/// How long the answer to a request may take; without a limit, a daemon that hangs would hang every
/// command.
fn answered_within(request: &Request) -> Duration {
    match request {
        Request::Ping => PING_WITHIN,
        Request::Put { .. } | Request::Restart { .. } | Request::List | Request::Retire => {
            WRITE_WITHIN
        }
        Request::Remove { .. } | Request::Shutdown => daemon::GONE_TIMEOUT + LATE_MAX,
        Request::WaitHealthy { timeout_ms, .. } => Duration::from_millis(*timeout_ms) + LATE_MAX,
    }
}

/// Ends a guard that did not get its daemon to answer, and that daemon: they would keep the next start
/// out for ever. Services, which may be the guard's children by now, run on.
async fn give_up(guard: &mut tokio::process::Child) {
    let children = guard.id().map(family::children).unwrap_or_default();
    // One that has ended by itself is what is wanted.
    let _ = guard.kill().await;
    for child in children.iter().filter(|child| daemon::is_one(child.identity().pid)) {
        let _ = child.signal(Signal::KILL);
    }
}

/// Returns whether somebody holds this lock. A file that does not exist is not held.
fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock_shared().is_err())
}

fn done(reply: Reply) -> Result<(), SupervisorError> {
    match reply {
        Reply::Done => Ok(()),
        reply => Err(unexpected(reply)),
    }
}

fn unexpected(reply: Reply) -> SupervisorError {
    match reply {
        Reply::Unhealthy(unhealthy) => SupervisorError::Unhealthy(Box::new(unhealthy)),
        Reply::Refused(why) => SupervisorError::Refused { why },
        Reply::Pong(_) | Reply::Done | Reply::Units(_) => {
            SupervisorError::Refused { why: "it answered what was not asked".into() }
        }
    }
}
