//! The real world: the system's clock, random source, processes and files.
//!
//! ## Why `/proc` by hand
//! Three small files say which boot, which start and which namespace a process belongs to; a crate
//! for it would read forty. On systems without `/proc` those facts are empty, and a lock is then
//! judged by the pid and by its lifetime alone.

// This module is the declared door: the methods are banned everywhere so that they are used here.
#![allow(clippy::disallowed_methods)]

use super::disk::{AppendFile, Disk, DiskError, DiskErrorKind, DiskGuard, Entry};
use super::{ProcessFacts, World};
use async_trait::async_trait;
use rustix::fs::FlockOperation;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a busy lock is tried again.
const LOCK_POLL_MS: u64 = 2;

/// The world as it is.
pub struct RealWorld {
    started: Instant,
    disk: RealDisk,
}

impl RealWorld {
    /// Opens the door. Reads nothing yet.
    pub fn new() -> RealWorld {
        RealWorld { started: Instant::now(), disk: RealDisk }
    }
}

impl Default for RealWorld {
    fn default() -> RealWorld {
        RealWorld::new()
    }
}

#[async_trait]
impl World for RealWorld {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).expect("a process runs for less")
    }

    async fn sleep(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    fn fresh_id(&self) -> String {
        // A key is 256 bits of the system's random source; an id is half of one.
        let random = dsenv_sdk::seal::SealKey::generate();
        let mut id = String::with_capacity(32);
        dsenv_sdk::seal::push_hex(&mut id, &random.expose()[..16]);
        id
    }

    fn process(&self) -> ProcessFacts {
        let pid = std::process::id();
        let arguments = std::env::args_os().map(|part| part.to_string_lossy().into_owned());
        let arguments = without_values(arguments.collect());
        ProcessFacts {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid,
            user: self
                .variable("USER")
                .or_else(|| self.variable("LOGNAME"))
                .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw())),
            start: stat_of(pid).map(|stat| stat.start).unwrap_or_default(),
            boot_id: boot_id(),
            namespace: pid_namespace(),
            command: arguments.join(" "),
        }
    }

    fn is_alive(&self, process: &ProcessFacts) -> Option<bool> {
        let here = self.process();
        if process.host != here.host || process.namespace != here.namespace {
            return None;
        }
        if process.boot_id != here.boot_id {
            return Some(false);
        }
        if process.start.is_empty() {
            return Some(answers_signals(process.pid));
        }
        let stat = stat_of(process.pid);
        Some(stat.is_some_and(|stat| stat.start == process.start && !stat.is_dead))
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|text| !text.is_empty())
    }

    fn temp_dir(&self) -> PathBuf {
        std::env::temp_dir()
    }

    fn disk(&self) -> &dyn Disk {
        &self.disk
    }
}

/// Leaves the values of inputs out of a command line: one of them may be a secret, which only the
/// blueprint knows, and the line is kept in the lock, the journal and the history.
fn without_values(mut arguments: Vec<String>) -> Vec<String> {
    let mut is_input = false;
    for argument in &mut arguments {
        let joined = argument.starts_with("--input=");
        if joined || is_input {
            let from = if joined { "--input=".len() } else { 0 };
            let name_ends = argument[from..].find('=').map_or(from, |at| from + at + 1);
            argument.truncate(name_ends);
            argument.push_str("...");
        }
        is_input = argument == "--input";
    }
    arguments
}

/// Says whether a process of that id exists, also one that belongs to somebody else.
fn answers_signals(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else {
        return false;
    };
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

struct Stat {
    start: String,
    is_dead: bool,
}

/// Reads state and start time from `/proc/PID/stat`; `None` when there is no such process or no
/// `/proc`. The name in brackets may hold blanks and brackets, so fields count from the last one.
fn stat_of(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    // `starttime` is field 22 of proc_pid_stat(5); state is field 3.
    let start = fields.nth(18)?.to_owned();
    Some(Stat { start, is_dead: matches!(state, "Z" | "X" | "x") })
}

fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

fn pid_namespace() -> String {
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.to_string_lossy().into_owned()
}

/// The file system of the machine.
struct RealDisk;

impl Disk for RealDisk {
    fn read(&self, path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, DiskError> {
        let fail = |cause| DiskError::new("read", path, cause);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(error)),
        };
        let size = file.metadata().map_err(fail)?.len();
        let mut bytes = Vec::with_capacity(usize::try_from(size.min(limit_bytes)).unwrap_or(0));
        file.take(limit_bytes + 1).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 > limit_bytes {
            return Err(DiskError::refused("read", path, DiskErrorKind::TooLarge { limit_bytes }));
        }
        Ok(Some(bytes))
    }

    fn open_read(&self, path: &Path) -> Result<Option<Box<dyn Read + Send>>, DiskError> {
        match File::open(path) {
            Ok(file) => Ok(Some(Box::new(io::BufReader::new(file)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DiskError::new("read", path, error)),
        }
    }

    fn create(&self, path: &Path) -> Result<Box<dyn AppendFile>, DiskError> {
        open(path, OpenOptions::new().write(true).create(true).truncate(true))
    }

    fn rewrite(&self, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
        let target = fs::canonicalize(path).map_err(|cause| DiskError::new("find", path, cause))?;
        let fail = |cause| DiskError::new("write", &target, cause);
        let mode = fs::metadata(&target).map_err(fail)?.permissions();
        let draft = super::disk::draft_path(&target);
        let mut file = self.create(&draft)?;
        file.append(bytes)?;
        file.sync()?;
        drop(file);
        fs::set_permissions(&draft, mode).map_err(fail)?;
        self.rename(&draft, &target)?;
        self.sync_dir(super::disk::parent_of(&target))
    }

    fn open_append(&self, path: &Path) -> Result<Box<dyn AppendFile>, DiskError> {
        open(path, OpenOptions::new().append(true).create(true))
    }

    fn create_dir_all(&self, path: &Path) -> Result<(), DiskError> {
        if path.is_dir() {
            return Ok(());
        }
        let parent = super::disk::parent_of(path);
        self.create_dir_all(parent)?;
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => self.sync_dir(parent),
            // Another process was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            Err(error) => Err(DiskError::new("create the folder", path, error)),
        }
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>, DiskError> {
        let fail = |cause| DiskError::new("list", path, cause);
        let folder = match fs::read_dir(path) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fail(error)),
        };
        let mut entries = Vec::new();
        for entry in folder {
            let entry = entry.map_err(fail)?;
            let facts = entry.metadata().map_err(fail)?;
            if let (true, Ok(name)) = (facts.is_file(), entry.file_name().into_string()) {
                entries.push(Entry { name, size_bytes: facts.len() });
            }
        }
        entries.sort();
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        fs::rename(from, to).map_err(|cause| DiskError::new("replace", to, cause))
    }

    fn hard_link(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        fs::hard_link(from, to).map_err(|cause| DiskError::new("create", to, cause))
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(DiskError::new("remove", path, error))
            }
            _ => Ok(()),
        }
    }

    fn sync_dir(&self, path: &Path) -> Result<(), DiskError> {
        let sync = || File::open(path)?.sync_all();
        sync().map_err(|cause| DiskError::new("sync the folder", path, cause))
    }

    fn lock(&self, path: &Path, wait_ms: u64) -> Result<Box<dyn DiskGuard>, DiskError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(|cause| DiskError::new("open", path, cause))?;
        let began = Instant::now();
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Box::new(RealGuard { _file: file })),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    if began.elapsed() >= Duration::from_millis(wait_ms) {
                        return Err(DiskError::refused("lock", path, DiskErrorKind::Busy));
                    }
                    std::thread::sleep(Duration::from_millis(LOCK_POLL_MS));
                }
                Err(error) => return Err(DiskError::new("lock", path, error.into())),
            }
        }
    }
}

fn open(path: &Path, options: &mut OpenOptions) -> Result<Box<dyn AppendFile>, DiskError> {
    let file = options.mode(0o600).open(path);
    let file = file.map_err(|cause| DiskError::new("open", path, cause))?;
    Ok(Box::new(RealFile { file, path: path.to_owned() }))
}

struct RealFile {
    file: File,
    path: PathBuf,
}

impl AppendFile for RealFile {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.file.write_all(bytes).map_err(|cause| DiskError::new("write", &self.path, cause))
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(|cause| DiskError::new("sync", &self.path, cause))
    }
}

/// The lock is the open file's: closing it, or the end of the process, releases it.
struct RealGuard {
    _file: File,
}

impl DiskGuard for RealGuard {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_rewritten_keeps_its_mode_and_the_link_to_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("real.yaml"), folder.path().join("dsenv.yaml"));
        fs::write(&file, "old").expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("allowed");
        std::os::unix::fs::symlink("real.yaml", &link).expect("linked");
        RealDisk.rewrite(&link, b"new").expect("written");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read_to_string(&file).expect("there"), "new");
        let mode = fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[test]
    fn values_of_inputs_are_not_in_the_command_line() {
        let typed = ["dsenv", "apply", "--input", "pw=a=b", "--input=n=hunter2", "--yes"];
        let shown = without_values(typed.map(str::to_owned).into());
        assert_eq!(shown.join(" "), "dsenv apply --input pw=... --input=n=... --yes");
        let odd = without_values(["--input", "hunter2"].map(str::to_owned).into());
        assert_eq!(odd.join(" "), "--input ...");
    }
}
