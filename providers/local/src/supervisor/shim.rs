//! The run shim: the process that becomes a service.
//!
//! Reads its order, makes itself known, and executes. It runs as a process of its own because all
//! of this must happen after the fork, and only the simplest of it may happen there in a process
//! with threads.
//!
//! Says nothing on standard output when all is well: the daemon reads the closing of that pipe, by
//! the exec, as success, and any text as the reason why not.

use super::clock;
use super::launch::{Order, RunRecord};
use super::layout::FileId;
use super::process::Identity;
use super::{descriptors, log, store};
use rustix::fs::{FlockOperation, Mode};
use rustix::io::FdFlags;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use zeroize::Zeroizing;

/// The exit code of a shim that did not become a service.
const REFUSED: u8 = 125;

/// Becomes the service; returns only when that failed.
pub(super) fn run() -> ExitCode {
    descriptors::close_inherited();
    // A copy, because a failed exec has replaced the original; the exec that succeeds closes it.
    let report = rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 3);
    let Err(why) = become_service();
    if let Ok(report) = report {
        // The daemon may have died meanwhile; then nobody needs to know.
        let _ = File::from(report).write_all(why.as_bytes());
    }
    ExitCode::from(REFUSED)
}

fn become_service() -> Result<std::convert::Infallible, String> {
    let order = read_order()?;
    // A session of its own: no terminal reaches it, and its group can be signalled as one.
    rustix::process::setsid().map_err(|error| format!("no session of its own: {error}"))?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let _lock = take_lock(&order.lock)?;
    let output = open_log(&order)?;
    write_record(&order)?;
    answer_signals().map_err(|error| format!("no signals as usual: {error}"))?;
    take_rights(&order)?;
    std::env::set_current_dir(&order.cwd).map_err(|error| {
        format!("the folder `{}` cannot be entered: {error}", order.cwd.display())
    })?;
    let copy = output.try_clone().map_err(|error| format!("no second log handle: {error}"))?;
    let (program, arguments) = order.argv.split_first().ok_or("the command is empty")?;
    let error = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(&order.env)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(copy)
        .exec();
    Err(format!("`{program}` cannot be executed: {error}"))
}

fn read_order() -> Result<Order, String> {
    let mut text = Zeroizing::new(Vec::new());
    std::io::stdin().read_to_end(&mut text).map_err(|error| format!("no order: {error}"))?;
    serde_json::from_slice(&text).map_err(|error| format!("an order that cannot be read: {error}"))
}

/// Locks the unit's file, and lets every descendant inherit it. While one of them keeps it, no
/// second family of this unit starts, whatever daemon asks for it.
fn take_lock(path: &Path) -> Result<File, String> {
    let failed = |error: std::io::Error| format!("the lock `{}` failed: {error}", path.display());
    let file = File::options().append(true).create(true).open(path).map_err(failed)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            return Err("a process of this unit still runs".into());
        }
        Err(error) => return Err(failed(error.into())),
    }
    rustix::io::fcntl_setfd(&file, FdFlags::empty()).map_err(|error| failed(error.into()))?;
    // A lock on a file that was deleted meanwhile keeps nobody out.
    if FileId::at(path) != file.metadata().ok().map(|metadata| FileId::of(&metadata)) {
        return Err("the lock was deleted meanwhile".into());
    }
    Ok(file)
}

fn open_log(order: &Order) -> Result<File, String> {
    let failed =
        |error: std::io::Error| format!("the log `{}` failed: {error}", order.log.display());
    let file = log::open(&order.log).map_err(failed)?;
    if let Some(user) = &order.run_as {
        // Services that open /dev/stderr again open the log by name.
        std::os::unix::fs::fchown(&file, Some(user.uid), Some(user.gid)).map_err(failed)?;
    }
    Ok(file)
}

fn write_record(order: &Order) -> Result<(), String> {
    let identity = Identity::of(std::process::id()).ok_or("this process cannot find itself")?;
    let record = RunRecord { plan: order.record.clone(), identity, started_at_ms: clock::now_ms() };
    let path = &order.record_path;
    let bytes = serde_json::to_vec(&record).map_err(|error| error.to_string())?;
    store::write_durable(path, &bytes)
        .map_err(|error| format!("the record `{}` failed: {error}", path.display()))
}

/// Has the signals of a terminal do what they do by default. `nohup` and a shell's `&` leave them
/// ignored, and what is ignored stays so in every process after: no service could be interrupted.
///
/// What has a handler is back at its default after the exec, so a handler is all that it takes, and
/// tokio's needs no unsafe code. Its runtime has no thread of its own.
fn answer_signals() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    for kind in [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::quit()] {
        drop(signal(kind)?);
    }
    Ok(())
}

/// Takes on the user and groups of the order. Groups first: without root they cannot be set.
#[cfg(target_os = "linux")]
fn take_rights(order: &Order) -> Result<(), String> {
    use rustix::process::{Gid, Uid};
    use rustix::thread;
    let Some(user) = &order.run_as else { return Ok(()) };
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let groups: Vec<Gid> = user.groups.iter().map(|group| Gid::from_raw(*group)).collect();
    // The calls are of one thread, and this process has one.
    thread::set_thread_groups(&groups)
        .and_then(|()| thread::set_thread_res_gid(gid, gid, gid))
        .and_then(|()| thread::set_thread_res_uid(uid, uid, uid))
        .map_err(|error| format!("no rights to run as user {}: {error}", user.uid))
}

/// Missing here: another user. The services of an unprivileged dsenv need none.
#[cfg(not(target_os = "linux"))]
fn take_rights(order: &Order) -> Result<(), String> {
    match &order.run_as {
        Some(user) => Err(format!("running as user {} is not supported here", user.uid)),
        None => Ok(()),
    }
}
