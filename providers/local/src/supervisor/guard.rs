//! The guard: keeps the daemon alive, and reaps what nobody else does.
//!
//! One thread, no runtime, nothing that can fail after the start: it must outlive everything else.
//! It holds the key in memory, to hand it to each new daemon, and is the parent of every orphan of
//! the services (subreaper), so that it can wait for them and, at shutdown, end them.
//!
//! It must not keep a descriptor or a variable of the command that started it: `$(dsenv apply)`
//! would wait for it, and the services would inherit what one user happened to have set.

use super::daemon::{self, Finish};
use super::layout::{FileId, Layout};
use super::{clock, descriptors, family, note};
use dsenv_sdk::seal::SealKey;
use rustix::fs::Mode;
use rustix::process::{Pid, Signal, WaitOptions};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use zeroize::Zeroizing;

/// The hidden verb of the guard.
pub(super) const VERB: &str = "__guard";

/// The exit code of a guard that found another one.
pub(super) const SECOND_GUARD: u8 = 3;

const DELAY_FIRST: Duration = Duration::from_millis(20);
const DELAY_MAX: Duration = Duration::from_secs(5);
/// Rounds of killing what is left at the end, 10 ms each.
const KILL_ROUNDS_MAX: u32 = 500;

/// Guards the daemon of this folder until the daemon says that it is done.
pub(super) fn run(dir: &OsStr) -> ExitCode {
    descriptors::close_inherited();
    let layout = Layout::new(dir.as_ref());
    match guard(&layout) {
        Ok(code) => code,
        Err(error) => {
            note(&format!("guard: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn guard(layout: &Layout) -> io::Result<ExitCode> {
    let key = read_key()?;
    descriptors::forget_stdin()?;
    // Refused only to the leader of a group, which a spawned process is not.
    let _ = rustix::process::setsid();
    hide_memory()?;
    adopt_orphans()?;
    rustix::process::umask(Mode::from_raw_mode(0o077));
    std::env::set_current_dir("/")?;
    let lock = File::options().append(true).create(true).open(layout.guard_lock())?;
    if lock.try_lock().is_err() {
        return Ok(ExitCode::from(SECOND_GUARD));
    }
    let held = FileId::of(&lock.metadata()?);
    let mut delay = DELAY_FIRST;
    loop {
        // Deleted while no daemon lived to see it: nobody can ask for an end any more.
        if FileId::at(&layout.guard_lock()) != Some(held) {
            note("guard: the folder was deleted; ending what is left");
            end_orphans();
            return Ok(ExitCode::SUCCESS);
        }
        let begun = clock::now_ms();
        // No process or descriptor may be left for it; in a moment there may be.
        let code = run_daemon(layout, &key).unwrap_or_else(|error| {
            note(&format!("guard: no daemon: {error}"));
            None
        });
        match Finish::of_exit_code(code) {
            Some(Finish::Stopped) => {
                end_orphans();
                return Ok(ExitCode::SUCCESS);
            }
            Some(Finish::Retired) => return Ok(ExitCode::SUCCESS),
            Some(Finish::WrongKey) => return Ok(ExitCode::from(Finish::WrongKey as u8)),
            None => note("guard: the daemon is dead; starting another"),
        }
        // A day's first death is repaired at once; a daemon that cannot live does not spin.
        let lived_long = clock::now_ms().saturating_sub(begun) > 10_000;
        delay = if lived_long { DELAY_FIRST } else { (delay * 2).min(DELAY_MAX) };
        clock::pause(delay);
    }
}

/// Reads the key from standard input, where the starter wrote it: never from the command line,
/// the environment or a file.
pub(super) fn read_key() -> io::Result<SealKey> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    io::stdin().read_exact(&mut *bytes)?;
    Ok(SealKey::new(*bytes))
}

/// Keeps the memory, with the key in it, out of core dumps and away from debuggers.
pub(super) fn hide_memory() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

fn adopt_orphans() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// Starts a daemon and waits for its end, reaping every orphan that ends meanwhile. Returns its
/// exit code; `None` for a signal.
fn run_daemon(layout: &Layout, key: &SealKey) -> io::Result<Option<i32>> {
    let mut daemon = Command::new(clock::own_binary()?)
        .arg0("dsenv")
        .arg(daemon::VERB)
        .arg(layout.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let pid = Pid::from_child(&daemon);
    let mut input = daemon.stdin.take().expect("the daemon's input is a pipe");
    // One that died before it read the key is seen below.
    let _ = input.write_all(key.expose());
    drop(input);
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((ended, status))) if ended == pid => return Ok(status.exit_status()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Kills and reaps whoever is left. Children of the killed become children of the guard, so the
/// direct ones are enough to look at, again and again.
fn end_orphans() {
    for _ in 0..KILL_ROUNDS_MAX {
        let left = family::children(std::process::id());
        for orphan in &left {
            let _ = orphan.signal(Signal::KILL);
        }
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        if left.is_empty() {
            return;
        }
        clock::pause(Duration::from_millis(10));
    }
    note("guard: processes are left that do not end, not even when killed");
}
