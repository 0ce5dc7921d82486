//! The daemon: answers on the socket and runs the keepers.
//!
//! Its death ends no service: they have no pipe to it, are not signalled by it, and the next
//! daemon adopts them. It ends by itself in three ways: told to shut down, told to retire, or when
//! its folder was deleted under it; then it stops its units, because nobody could ask for that any
//! more and a daemon of a new folder would fight it for their ports.

use super::clock;
use super::guard::{hide_memory, read_key};
use super::host::Host;
use super::keeper::Context;
use super::layout::{FileId, Layout};
use super::protocol::{self, Channel, Pong, ReadError, Reply, Request, Unhealthy};
use super::registry::{Answer, Ask, Leaving, QUEUE_MAX, Registry};
use super::store::{self, LoadError, Store};
use super::unit::State;
use super::{descriptors, keeper, log, note};
use dsenv_sdk::seal::Sealer;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// The hidden verb of the daemon.
pub(super) const VERB: &str = "__daemon";

/// How often the daemon looks whether its folder and its socket are still there.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// How long a stop may take in all: the units' own time limits are below it.
pub(super) const GONE_TIMEOUT: Duration = Duration::from_secs(120);
const WORKERS: usize = 2;
/// Lines of the log in a report of ill health.
const REPORTED_LINES: usize = 20;

/// How a daemon ends when it was not killed; its exit code tells the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Finish {
    /// Everything is stopped.
    Stopped = 0,
    /// The units run on.
    Retired = 10,
    /// The units on disk are sealed with another key; nothing was touched.
    WrongKey = 11,
}

impl Finish {
    pub(super) fn of_exit_code(code: Option<i32>) -> Option<Finish> {
        match code? {
            0 => Some(Finish::Stopped),
            10 => Some(Finish::Retired),
            11 => Some(Finish::WrongKey),
            _ => None,
        }
    }
}

/// Says whether a process is a daemon, of whatever folder; where that cannot be seen, it is not.
pub(super) fn is_one(pid: u32) -> bool {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words.split(|byte| *byte == 0).nth(1) == Some(VERB.as_bytes())
}

/// Runs the daemon of this folder.
pub(super) fn run(dir: &OsStr, hosts: Vec<Arc<dyn Host>>) -> ExitCode {
    descriptors::close_inherited();
    match prepare_and_serve(&Layout::new(dir.as_ref()), hosts) {
        Ok(finish) => ExitCode::from(finish as u8),
        Err(error) => {
            note(&format!("daemon: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn prepare_and_serve(layout: &Layout, hosts: Vec<Arc<dyn Host>>) -> io::Result<Finish> {
    let key = read_key()?;
    descriptors::forget_stdin()?;
    hide_memory()?;
    let lock = File::options().append(true).create(true).open(layout.daemon_lock())?;
    if lock.try_lock().is_err() {
        return Err(io::Error::other("another daemon has the lock"));
    }
    let lock_id = FileId::of(&lock.metadata()?);
    let store = Store::new(layout.clone(), Sealer::new(&key));
    let loaded = match store.load() {
        Ok(loaded) => loaded,
        Err(LoadError::Io(error)) => return Err(error),
        Err(LoadError::WrongKey) => {
            note("daemon: the key does not open the units; nothing was touched");
            return Ok(Finish::WrongKey);
        }
    };
    let guard_pid = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    let context = Arc::new(Context {
        layout: layout.clone(),
        id: read_or_make_id(layout)?,
        guard_pid: guard_pid.cast_unsigned(),
        hosts,
    });
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let served = runtime.block_on(async {
        let registry = Registry::new(Arc::clone(&context), store, loaded);
        serve(context, registry, lock_id).await
    });
    // Keepers and hosted tasks end here; nothing is waited for that may hang.
    runtime.shutdown_timeout(Duration::from_millis(200));
    drop(lock);
    served
}

/// Returns the name that this folder's marks begin with, made by its first daemon.
fn read_or_make_id(layout: &Layout) -> io::Result<String> {
    match std::fs::read_to_string(layout.id()) {
        Ok(id) if !id.trim().is_empty() => Ok(id.trim().to_owned()),
        _ => {
            let id = clock::random_id();
            store::write_durable(&layout.id(), id.as_bytes())?;
            Ok(id)
        }
    }
}

async fn serve(context: Arc<Context>, registry: Registry, lock: FileId) -> io::Result<Finish> {
    let layout = &context.layout;
    let (asks, asked) = mpsc::channel(QUEUE_MAX);
    let (finish, mut finished) = mpsc::channel(1);
    tokio::spawn(registry.run(asked));
    let mut listener = bind(layout)?;
    let mut socket = FileId::at(&layout.socket());
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let (asks, finish) = (asks.clone(), finish.clone());
                let context = Arc::clone(&context);
                tokio::spawn(async move { converse(stream, &context, &asks, &finish).await });
            }
            finish = finished.recv() => {
                layout.remove_socket();
                return Ok(finish.expect("this loop holds a sender"));
            }
            _ = look.tick() => {
                if FileId::at(&layout.daemon_lock()) != Some(lock) {
                    note("daemon: the folder was deleted; stopping all units");
                    stop_all(&asks).await;
                    return Ok(Finish::Stopped);
                }
                // Something cleans up /tmp, say: without its socket the daemon is deaf.
                if FileId::at(&layout.socket()) != socket {
                    listener = bind(layout)?;
                    socket = FileId::at(&layout.socket());
                }
            }
        }
    }
}

/// Binds the socket. What is in its place is dead: this daemon holds the lock.
fn bind(layout: &Layout) -> io::Result<UnixListener> {
    layout.create_socket_dir()?;
    let path = layout.socket();
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers one connection until it closes.
async fn converse(
    stream: UnixStream,
    context: &Context,
    asks: &mpsc::Sender<Ask>,
    finish: &mpsc::Sender<Finish>,
) {
    // The file mode keeps others out; this holds where a socket's mode is not looked at.
    let own = rustix::process::geteuid().as_raw();
    if !stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0) {
        return;
    }
    let mut channel = Channel::new(stream);
    loop {
        let request = match channel.request().await {
            Ok(Some(request)) => request,
            Ok(None) | Err(ReadError::Io(_)) => return,
            Err(ReadError::Version(theirs)) => {
                let ours = protocol::VERSION;
                let why = format!("this supervisor speaks version {ours}, not {theirs}");
                let _ = channel.send(Reply::Refused(why)).await;
                continue;
            }
            Err(ReadError::Malformed(why)) => {
                let _ = channel.send(Reply::Refused(why)).await;
                return;
            }
        };
        let end = match request {
            Request::Shutdown => Some(Finish::Stopped),
            Request::Retire => Some(Finish::Retired),
            _ => None,
        };
        let reply = answer(context, asks, request).await;
        let done = matches!(reply, Reply::Done);
        let sent = channel.send(reply).await;
        if let Some(end) = end.filter(|_| done) {
            // Full means that another connection has ended the daemon already.
            let _ = finish.try_send(end);
            return;
        }
        if sent.is_err() {
            return;
        }
    }
}

async fn answer(context: &Context, asks: &mpsc::Sender<Ask>, request: Request) -> Reply {
    let mut timeout_ms = 0;
    match &request {
        Request::Ping => return Reply::Pong(pong(context)),
        Request::Retire => return Reply::Done,
        Request::WaitHealthy { timeout_ms: asked, .. } => timeout_ms = *asked,
        _ => {}
    }
    let name = match &request {
        Request::WaitHealthy { name, .. } => name.clone(),
        _ => String::new(),
    };
    let closes = matches!(request, Request::Shutdown);
    match ask(asks, request).await {
        Answer::Reply(reply) => reply,
        Answer::WhenGone(leaving) => {
            let reply = all_gone(leaving).await;
            if closes && !matches!(reply, Reply::Done) {
                // A registry that has ended takes no units anyway.
                let _ = asks.send(Ask::Reopen).await;
            }
            reply
        }
        Answer::WhenHealthy { live, revision, log } => {
            healthy(&name, live, &revision, &log, Duration::from_millis(timeout_ms)).await
        }
    }
}

fn pong(context: &Context) -> Pong {
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    Pong {
        daemon_pid: std::process::id(),
        guard_pid: context.guard_pid,
        guarded: parent.cast_unsigned() == context.guard_pid,
    }
}

async fn ask(asks: &mpsc::Sender<Ask>, request: Request) -> Answer {
    let (sender, answer) = oneshot::channel();
    let sent = asks.send(Ask::Answer { request, answer: sender }).await;
    let ended = || Answer::Reply(Reply::Refused("the supervisor is ending".into()));
    match sent {
        Ok(()) => answer.await.unwrap_or_else(|_| ended()),
        Err(_) => ended(),
    }
}

async fn stop_all(asks: &mpsc::Sender<Ask>) {
    if let Answer::WhenGone(leaving) = ask(asks, Request::Shutdown).await {
        // What cannot be stopped cannot be reported to anyone either, but in the log.
        if let Reply::Refused(why) = all_gone(leaving).await {
            note(&format!("daemon: {why}"));
        }
    }
}

async fn all_gone(leaving: Vec<Leaving>) -> Reply {
    let deadline = Instant::now() + GONE_TIMEOUT;
    for mut unit in leaving {
        let gone = unit.live.wait_for(|live| live.gone == Some(unit.ticket));
        let waited = tokio::time::timeout_at(deadline, gone).await.map(|gone| gone.is_ok());
        match waited {
            Ok(true) => {}
            Ok(false) => return Reply::Refused(format!("unit `{}` lost its keeper", unit.name)),
            Err(_) => {
                let state = unit.live.borrow().status.state.clone();
                let why = match state {
                    State::Failed { why } => why,
                    _ => format!("it does not stop within {} s", GONE_TIMEOUT.as_secs()),
                };
                return Reply::Refused(format!("unit `{}`: {why}", unit.name));
            }
        }
    }
    Reply::Done
}

/// Waits for health, for hopelessness, for a change of the unit, or for the time to pass.
async fn healthy(
    name: &str,
    mut live: watch::Receiver<keeper::Live>,
    revision: &str,
    log: &Path,
    timeout: Duration,
) -> Reply {
    let deadline = Instant::now() + timeout;
    let why = loop {
        let now = live.borrow_and_update().clone();
        if now.revision.as_deref() == Some(revision) {
            if now.status.state == State::Healthy {
                return Reply::Done;
            }
            if let Some(why) = now.hopeless {
                break why;
            }
        }
        match tokio::time::timeout_at(deadline, live.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => break "it was removed".into(),
            Err(_) => {
                let last = now.last_check.unwrap_or_else(|| "nothing was checked yet".into());
                break format!("not healthy within {} ms: {last}", timeout.as_millis());
            }
        }
    };
    let status = live.borrow().status.clone();
    Reply::Unhealthy(Unhealthy {
        name: name.to_owned(),
        why,
        state: status.state,
        last_exit: status.last_exit,
        // A report without its log is better than none.
        log: log::tail(log, REPORTED_LINES).unwrap_or_default(),
    })
}
