//! The supervisor's door to time, randomness and its own binary.
//!
//! The engine's clock is injected; the supervisor is a process of its own that watches real
//! processes, so real time is its subject. Nothing outside this file asks the system for it,
//! except through tokio's timers.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the wall clock in milliseconds since 1970, for people to read; never compared with a
/// deadline. A clock before 1970 reads as zero.
#[allow(clippy::disallowed_methods)]
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Blocks the calling thread. Only the guard does: it has one thread and no runtime.
#[allow(clippy::disallowed_methods)]
pub(super) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Returns 16 hexadecimal digits from the system's random source.
pub(super) fn random_id() -> String {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).expect("the system has a random source");
    let mut text = String::with_capacity(16);
    dsenv_sdk::seal::push_hex(&mut text, &bytes);
    text
}

/// Returns a path that runs this very binary again, also after an upgrade replaced or deleted
/// the file it was started from: the kernel keeps the old one behind `/proc/self/exe`.
#[cfg(target_os = "linux")]
pub(super) fn own_binary() -> std::io::Result<PathBuf> {
    Ok(PathBuf::from("/proc/self/exe"))
}

/// Returns the path this binary was started from. Unlike on Linux, a replaced file is the new one.
#[cfg(not(target_os = "linux"))]
pub(super) fn own_binary() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}
