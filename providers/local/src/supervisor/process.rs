//! Telling a process from another one that has its number.
//!
//! A pid is used again. Who signals a pid from a file may kill a stranger. A process is therefore
//! known by pid, start time and boot; on Linux it is also held by a pidfd, which never means
//! another one.

use super::unit::{Exit, StopSignal};
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};
use std::io;

/// A process for all time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) pid: u32,
    /// Clock ticks since boot; 0 where the system does not say.
    pub(super) start_time: u64,
    pub(super) boot_id: String,
}

impl Identity {
    /// Returns who has this pid now; `None` when nobody has, or only a zombie: it holds no file
    /// and no port, and a kill with signal 0 would still call it alive.
    #[cfg(target_os = "linux")]
    pub(super) fn of(pid: u32) -> Option<Identity> {
        let stat = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()?;
        let boot_id = procfs::sys::kernel::random::boot_id().ok()?;
        let lives = !matches!(stat.state, 'Z' | 'X' | 'x');
        lives.then_some(Identity { pid, start_time: stat.starttime, boot_id })
    }

    /// Returns who has this pid now. Missing here: start time and boot, so that a pid that was
    /// used again is taken for the old process, and zombies are taken for living ones.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn of(pid: u32) -> Option<Identity> {
        rustix::process::test_kill_process(raw_pid(pid)?).ok()?;
        Some(Identity { pid, start_time: 0, boot_id: String::new() })
    }

    /// Returns whether this very process still runs.
    pub(super) fn is_alive(&self) -> bool {
        Identity::of(self.pid).as_ref() == Some(self)
    }
}

fn raw_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Returns the system's number for the signal.
pub(super) fn signal(stop: StopSignal) -> Signal {
    match stop {
        StopSignal::Term => Signal::TERM,
        StopSignal::Int => Signal::INT,
        StopSignal::Quit => Signal::QUIT,
        StopSignal::Kill => Signal::KILL,
    }
}

/// Sends a signal to every process of the group that this pid leads. No such group is no error.
pub(super) fn signal_group(leader: u32, signal: Signal) -> io::Result<()> {
    let Some(pid) = raw_pid(leader) else { return Ok(()) };
    match rustix::process::kill_process_group(pid, signal) {
        Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Reads an exit from the standard library's form.
pub(super) fn exit_of(status: std::process::ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

/// A grip on one process, child or not, that no other process can slip into.
#[derive(Debug)]
pub(super) struct Grip {
    identity: Identity,
    #[cfg(target_os = "linux")]
    pidfd: std::os::fd::OwnedFd,
}

impl Grip {
    /// Takes hold of the process; `None` when it is not alive any more. Verifies, opens, verifies
    /// again: between the first look and the open, the pid may have changed hands.
    pub(super) fn take(identity: &Identity) -> Option<Grip> {
        if !identity.is_alive() {
            return None;
        }
        let grip = Grip::open(identity).ok()?;
        grip.identity.is_alive().then_some(grip)
    }

    /// Takes hold of a child of this process that nobody has waited for: until then, the number is
    /// its own, even when it has ended.
    pub(super) fn of_child(identity: &Identity) -> io::Result<Grip> {
        Grip::open(identity)
    }

    fn open(identity: &Identity) -> io::Result<Grip> {
        #[cfg(target_os = "linux")]
        let pidfd = {
            let pid = raw_pid(identity.pid).ok_or(io::ErrorKind::NotFound)?;
            rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::NONBLOCK)?
        };
        Ok(Grip {
            identity: identity.clone(),
            #[cfg(target_os = "linux")]
            pidfd,
        })
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Sends a signal to this process. One that has ended is no error.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        let sent = rustix::process::pidfd_send_signal(&self.pidfd, signal);
        #[cfg(not(target_os = "linux"))]
        let sent = match raw_pid(self.identity.pid) {
            Some(pid) => rustix::process::kill_process(pid, signal),
            None => Ok(()),
        };
        match sent {
            Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns when the process has ended, whoever its parent is.
    #[cfg(target_os = "linux")]
    pub(super) async fn ended(&self) -> io::Result<()> {
        let watched = super::descriptors::watch(self.pidfd.try_clone()?)?;
        watched.readable().await.map(drop)
    }

    /// Returns when the process has ended, seen by looking now and then.
    #[cfg(not(target_os = "linux"))]
    pub(super) async fn ended(&self) -> io::Result<()> {
        while self.identity.is_alive() {
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_zombie_is_not_alive_and_another_start_time_is_another_process() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep runs");
        let identity = Identity::of(child.id()).expect("it runs");
        let grip = Grip::take(&identity).expect("it runs");
        let other = Identity { start_time: identity.start_time + 1, ..identity.clone() };
        assert!(!other.is_alive());
        assert!(Grip::take(&other).is_none());
        grip.signal(Signal::KILL).expect("sent");
        grip.ended().await.expect("watched");
        // Not waited for yet: a zombie, whose number a kill with signal 0 still finds.
        assert!(rustix::process::test_kill_process(raw_pid(child.id()).expect("a pid")).is_ok());
        assert!(!identity.is_alive());
        child.wait().expect("reaped");
    }
}
