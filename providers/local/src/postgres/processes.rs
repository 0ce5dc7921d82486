//! Which processes belong to a data folder.
//!
//! A backend of PostgreSQL leads a session of its own and clears its environment, so neither the
//! process group of the postmaster nor a mark in the environment finds it. Its current folder does:
//! every process of a server works in the data folder. Linux only; elsewhere the answer is empty,
//! and a restart after `kill -9` relies on PostgreSQL's own checks.

use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::time::Duration;

/// How often a condition is looked at again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long a backend may take to quit before it is killed.
const QUIT_WITHIN: Duration = Duration::from_secs(3);

/// Returns the processes that work in the data folder, lowest first, also when it was deleted.
///
/// A zombie works in no folder and is not among them, nor are processes of which this one may not
/// know, which as the same user or as root are none.
pub(super) fn working_in(data_dir: &Path) -> Vec<u32> {
    let real = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
    let deleted = format!("{} (deleted)", real.display());
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut found: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            std::fs::read_link(format!("/proc/{pid}/cwd"))
                .is_ok_and(|folder| folder == real || folder.as_os_str() == deleted.as_str())
        })
        .filter(|pid| is_postgres(*pid))
        .collect();
    found.sort_unstable();
    found
}

/// A shell that a person left in the data folder is not the server's.
fn is_postgres(pid: u32) -> bool {
    let file = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.trim_end_matches(" (deleted)").starts_with("postgres")
}

/// Ends every process that works in the data folder, and returns those that are still there.
///
/// For a server without its postmaster: a backend that is busy does not notice, and blocks the next
/// start. They are asked to quit at once, then killed.
pub(super) async fn end_all(data_dir: &Path) -> Vec<u32> {
    for signal in [Signal::QUIT, Signal::KILL] {
        for pid in working_in(data_dir) {
            signal_to(pid, signal);
        }
        let gone = async {
            while !working_in(data_dir).is_empty() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        if tokio::time::timeout(QUIT_WITHIN, gone).await.is_ok() {
            return Vec::new();
        }
    }
    working_in(data_dir)
}

fn signal_to(pid: u32, signal: Signal) {
    // One that has ended in the meantime needs no signal.
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Says whether a signal could be sent to the pid: true of a zombie too, which PostgreSQL takes for
/// a running postmaster.
pub(super) fn has_entry(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    rustix::process::test_kill_process(pid).is_ok()
}
