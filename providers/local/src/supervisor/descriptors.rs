//! Descriptors: closing what a process inherited and did not ask for, and watching one.
//! The one file of the supervisor with unsafe code.
//!
//! `$(dsenv apply)` ends when the last writer of its pipe closes it. A guard that keeps a
//! descriptor of its caller keeps the caller's caller waiting for as long as it lives.

use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
use std::os::fd::RawFd;
#[cfg(target_os = "linux")]
use tokio::io::{Interest, unix::AsyncFd};

#[cfg(target_os = "linux")]
const OPEN_DESCRIPTORS: &str = "/proc/self/fd";
#[cfg(not(target_os = "linux"))]
const OPEN_DESCRIPTORS: &str = "/dev/fd";

/// Closes every descriptor from 3 up. Must be the first thing a process does: before threads,
/// before anything is opened.
pub(super) fn close_inherited() {
    let Ok(entries) = std::fs::read_dir(OPEN_DESCRIPTORS) else { return };
    let numbers: Vec<RawFd> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in numbers {
        // The listing's own descriptor was in it, and is closed by now.
        if std::fs::symlink_metadata(format!("{OPEN_DESCRIPTORS}/{number}")).is_ok() {
            close(number);
        }
    }
}

#[allow(unsafe_code)]
fn close(number: RawFd) {
    // SAFETY: it is open, and called before this process opened anything, so no object owns it.
    unsafe { rustix::io::close(number) };
}

/// Registers a descriptor with the runtime, to wait until it is readable.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
pub(super) fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and names one descriptor until it is dropped, with the result.
    let watched = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
    watched.map_err(io::Error::from)
}

/// Points standard input at nothing, after what was handed over there has been read.
pub(super) fn forget_stdin() -> io::Result<()> {
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(())
}
