//! Everything that belongs to a unit, and getting rid of it.
//!
//! A process that ends leaves relatives: PostgreSQL backends have sessions of their own and no
//! environment, Jupyter kernels have sessions of their own and no inherited descriptor. So a
//! relative is whoever shows one of: the unit's mark in its environment, the unit's lock among its
//! descriptors, the leader's session or group, or a parent who is a relative.
//!
//! It must never signal a process that shows none of these. What escapes: a process that dropped
//! all four and whose parent died; the guard, its reaper, finds that one at shutdown.

use super::layout::FileId;
use super::process::{Grip, Identity};
use rustix::process::Signal;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The variable that marks every process of a unit.
pub(super) const MARK: &str = "DSENV_UNIT";

/// How long killed processes may take to be gone, e.g. while they are stuck in the kernel.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(15);

/// How the processes of one unit are told.
#[derive(Clone, Debug)]
pub(super) struct Family {
    /// The value of [`MARK`] in their environment.
    pub(super) mark: String,
    /// The lock that they inherited. The caller keeps the file open: a free inode is used again.
    pub(super) lock: Option<FileId>,
    /// The process that leads their session; only while it is known to be theirs, because a
    /// number is used again.
    pub(super) leader: Option<u32>,
    /// Processes that are never counted: the daemon and its guard.
    pub(super) spared: Vec<u32>,
}

/// Ends every process of the family: `first` is sent to all, and after `patience` SIGKILL to who
/// is left, until nobody is. An empty family is ended. The error has the pids that remain.
pub(super) async fn sweep(
    family: &Family,
    first: Signal,
    patience: Duration,
) -> Result<(), Vec<u32>> {
    let kill_from = Instant::now() + patience;
    let give_up = kill_from + KILL_PATIENCE;
    let mut told: Vec<Identity> = Vec::new();
    loop {
        let looked_for = family.clone();
        let members = tokio::task::spawn_blocking(move || members(&looked_for));
        let members = members.await.expect("looking at processes does not panic");
        if members.is_empty() {
            return Ok(());
        }
        let now = Instant::now();
        if now > give_up {
            return Err(members.iter().map(|member| member.identity().pid).collect());
        }
        for member in &members {
            // A refused signal shows in the next look, and in the end among those that remain.
            if now >= kill_from {
                let _ = member.signal(Signal::KILL);
            } else if !told.contains(member.identity()) {
                let _ = member.signal(first);
                told.push(member.identity().clone());
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Held while a process is made, and while processes are looked at. Between its fork and its exec
/// a child of the daemon has the daemon's descriptors, every unit's lock among them, and would be
/// taken for a relative of any.
static FORKING: Mutex<()> = Mutex::new(());

/// Starts a process of the daemon, when nobody looks; returns after its exec.
pub(super) fn spawn(command: &mut tokio::process::Command) -> io::Result<tokio::process::Child> {
    let _alone = FORKING.lock().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

/// Returns a grip on every living process of the family.
#[cfg(target_os = "linux")]
pub(super) fn members(family: &Family) -> Vec<Grip> {
    let _alone = FORKING.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(processes) = procfs::process::all_processes() else { return Vec::new() };
    let mut strangers = Vec::new();
    let mut found: Vec<u32> = Vec::new();
    for process in processes.flatten() {
        let Ok(stat) = process.stat() else { continue };
        let pid = stat.pid.cast_unsigned();
        if matches!(stat.state, 'Z' | 'X' | 'x') || family.spared.contains(&pid) {
            continue;
        }
        let led = family.leader.is_some_and(|leader| {
            let leader = leader.cast_signed();
            stat.pid == leader || stat.session == leader || stat.pgrp == leader
        });
        if led || has_mark(pid, &family.mark) || holds_lock(&process, family.lock) {
            found.push(pid);
        } else {
            strangers.push((pid, stat.ppid.cast_unsigned()));
        }
    }
    // Children of members, and theirs; as often as that finds another one.
    loop {
        let before = found.len();
        for (pid, parent) in &strangers {
            if found.contains(parent) && !found.contains(pid) {
                found.push(*pid);
            }
        }
        if found.len() == before {
            break;
        }
    }
    found.into_iter().filter_map(|pid| Grip::take(&Identity::of(pid)?)).collect()
}

/// Missing here: without /proc only the leader is found; its group is signalled by the caller.
#[cfg(not(target_os = "linux"))]
pub(super) fn members(family: &Family) -> Vec<Grip> {
    family.leader.and_then(Identity::of).and_then(|it| Grip::take(&it)).into_iter().collect()
}

#[cfg(target_os = "linux")]
fn has_mark(pid: u32, mark: &str) -> bool {
    // Of another user, or gone: not ours.
    let Ok(environ) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    environ.split(|byte| *byte == 0).any(|entry| {
        let value = entry.strip_prefix(MARK.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        value == Some(mark.as_bytes())
    })
}

#[cfg(target_os = "linux")]
fn holds_lock(process: &procfs::process::Process, lock: Option<FileId>) -> bool {
    use procfs::process::FDTarget;
    let (Some(lock), Ok(fds)) = (lock, process.fd()) else { return false };
    fds.flatten().any(|fd| {
        // The name first: asking a descriptor on a dead network disk who it is would hang.
        let FDTarget::Path(path) = &fd.target else { return false };
        let name = path.to_string_lossy();
        let named = name.ends_with(".lock") || name.ends_with(".lock (deleted)");
        let link = format!("/proc/{}/fd/{}", process.pid(), fd.fd);
        named && FileId::at(std::path::Path::new(&link)) == Some(lock)
    })
}

/// Returns the living children of a process, zombies left out.
#[cfg(target_os = "linux")]
pub(super) fn children(parent: u32) -> Vec<Grip> {
    let Ok(processes) = procfs::process::all_processes() else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|process| process.stat().ok())
        .filter(|stat| stat.ppid.cast_unsigned() == parent)
        .filter_map(|stat| Grip::take(&Identity::of(stat.pid.cast_unsigned())?))
        .collect()
}

/// Missing here: macOS has no subreaper, so orphans are not the guard's children.
#[cfg(not(target_os = "linux"))]
pub(super) fn children(_parent: u32) -> Vec<Grip> {
    Vec::new()
}
