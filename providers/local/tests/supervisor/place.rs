//! A folder with a supervisor, and the certainty that nothing of it is left after the test.

use crate::cli;
use dsenv_local::supervisor::{Client, State, Supervisor, UnitStatus, tail};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long any condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

/// A supervisor's folder of one test.
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    pub(crate) supervisor: Supervisor,
    _temporary: tempfile::TempDir,
}

/// Runs one test with a folder of its own; afterwards, also when it failed, shuts the supervisor
/// down and looks for processes of the folder.
pub(crate) fn with_place(test: impl AsyncFnOnce(&Place)) {
    with_place_at("local", test);
}

/// The same, with this name for the supervisor's folder.
pub(crate) fn with_place_at(name: &str, test: impl AsyncFnOnce(&Place)) {
    let temporary = tempfile::tempdir().expect("a folder");
    let dir = temporary.path().canonicalize().expect("a real folder").join(name);
    let supervisor = Supervisor::at(&dir, cli::key());
    let place = Place { dir, supervisor, _temporary: temporary };
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        cli::block_on(test(&place));
    }));
    let end = cli::block_on(place.supervisor.shutdown());
    let left = processes_with(place.dir.to_str().expect("UTF-8"));
    for pid in &left {
        // Ours by the folder in its command line or environment.
        kill(*pid);
    }
    if let Err(panic) = result {
        let log = tail(&place.dir.join("supervisor.log"), 20).unwrap_or_default();
        let _ = writeln!(std::io::stderr(), "its supervisor said: {log:#?}");
        std::panic::resume_unwind(panic);
    }
    end.expect("the supervisor shuts down");
    assert_eq!(left, [0_u32; 0], "processes left behind");
    assert!(!place.dir.join("supervisor.sock").exists(), "socket left behind");
}

impl Place {
    pub(crate) async fn client(&self) -> Client {
        self.supervisor.ensure().await.expect("a supervisor")
    }

    /// Returns what the supervisor says of a unit.
    pub(crate) async fn status(&self, name: &str) -> UnitStatus {
        let units = self.client().await.list().await.expect("a list");
        units.into_iter().find(|unit| unit.name == name).expect("the unit is listed")
    }

    /// Waits for the unit to be healthy and returns its pid.
    pub(crate) async fn healthy_pid(&self, name: &str) -> u32 {
        let client = self.client().await;
        client.wait_healthy(name, PATIENCE).await.expect("healthy");
        let status = self.status(name).await;
        assert_eq!(status.state, State::Healthy);
        status.pid.expect("a process")
    }
}

/// Looks until something is found.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    #[allow(clippy::disallowed_methods, reason = "these are real processes, in real time")]
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Says that a test could not run, and why; where everything must run, that is a failure.
#[allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a test's own door")]
pub(crate) fn skipped(missing: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "missing: {missing}");
    println!("SKIPPED: {missing}");
}

/// Sends SIGKILL to one process.
pub(crate) fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a pid");
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

/// Returns whether the process lives; a zombie does not.
pub(crate) fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(") ").map(|(_, rest)| !rest.starts_with(['Z', 'X'])))
        .unwrap_or(false)
}

/// Returns the living processes that name `text` in their command line or environment, save this.
pub(crate) fn processes_with(text: &str) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").expect("/proc").flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != std::process::id() && alive(*pid))
        .filter(|pid| {
            ["cmdline", "environ"].iter().any(|file| {
                std::fs::read(format!("/proc/{pid}/{file}"))
                    .is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text))
            })
        })
        .collect()
}

/// Returns what others can see of guard or daemon; nothing, where only root may look.
pub(crate) fn visible(pid: u32, file: &str) -> String {
    match std::fs::read(format!("/proc/{pid}/{file}")) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
            String::new()
        }
    }
}

/// Returns every file below a folder.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            files.extend(files_below(&entry.path()));
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files
}
