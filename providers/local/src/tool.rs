//! Runs a program of others to its end: initdb, pip, uv, a Python interpreter.
//!
//! A [`Tool`] says what to run; [`run`] gives every line of it to the caller while it runs and
//! returns what it printed. The child sees only the variables of its [`ToolEnv`], has no input, and
//! leads its own process group: dropping the future kills the group, so that a cancelled `apply`
//! leaves no pip behind. Nothing here reads the environment of dsenv, retries, or prints.
//!
//! ## Why
//! A cleared environment makes `PYTHONPATH`, `PGDATA` or an activated venv of the caller harmless.
//! The group is needed because pip and initdb have children of their own, which outlive the kill of
//! their parent alone.

use crate::account::Account;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// Bytes of output kept from one run; a resolver's report of a thousand packages is 10 MB.
const OUTPUT_BYTES_MAX: usize = 64 << 20;
/// Lines of output that an error carries.
const TAIL_LINES_MAX: usize = 20;

/// Receives each line that a tool prints, without its end, so that a user sees what is waited for.
pub type OnLine<'a> = &'a mut (dyn FnMut(&str) + Send);

/// The variables that a tool sees: these and no others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolEnv(BTreeMap<OsString, OsString>);

/// Variables that change where a tool finds programs, its index, its cache or its certificates.
const CHOSEN: [&str; 11] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "NETRC",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "LD_LIBRARY_PATH",
];
const CHOSEN_PREFIXES: [&str; 2] = ["PIP_", "UV_"];
/// Read in both spellings by every tool that reads them.
const PROXIES: [&str; 4] = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];
/// Would let a variable of the caller redirect an install out of its folder.
const REFUSED: [&str; 10] = [
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_USER",
    "PIP_PYTHON",
    "PIP_REQUIREMENT",
    "PIP_CONSTRAINT",
    "PIP_REQUIRE_VIRTUALENV",
    "UV_PYTHON",
    "UV_PROJECT_ENVIRONMENT",
];

impl ToolEnv {
    /// Takes exactly these variables.
    pub fn new(vars: impl IntoIterator<Item = (OsString, OsString)>) -> ToolEnv {
        ToolEnv(vars.into_iter().collect())
    }

    /// Takes from the caller's environment what tools need: `PATH`, `HOME`, the settings of pip and
    /// uv, proxies and certificates. Left out is all else, and what would move an install elsewhere.
    pub fn chosen_from(vars: impl IntoIterator<Item = (OsString, OsString)>) -> ToolEnv {
        ToolEnv(vars.into_iter().filter(|(name, _)| is_chosen(name)).collect())
    }

    /// Returns the same variables with one more; it replaces one of that name.
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> ToolEnv {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Returns the value of one variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// Returns the folders of `PATH` in their order; none when there is no `PATH`. Relative ones
    /// are left out: what is found must not depend on the current folder.
    pub fn search_path(&self) -> Vec<PathBuf> {
        let Some(path) = self.get("PATH") else { return Vec::new() };
        std::env::split_paths(path).filter(|folder| folder.is_absolute()).collect()
    }
}

fn is_chosen(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let wanted = CHOSEN.contains(&name)
        || CHOSEN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || PROXIES.iter().any(|proxy| name.eq_ignore_ascii_case(proxy));
    wanted && !REFUSED.contains(&name)
}

/// One program to run to its end.
#[derive(Clone, Debug)]
pub struct Tool<'a> {
    program: PathBuf,
    args: Vec<OsString>,
    folder: PathBuf,
    env: &'a ToolEnv,
    account: Option<&'a Account>,
}

impl<'a> Tool<'a> {
    /// Describes a run of `program` in `folder`, which must exist and be open to the account.
    pub fn new(program: &Path, folder: &Path, env: &'a ToolEnv) -> Tool<'a> {
        Tool {
            program: program.into(),
            args: Vec::new(),
            folder: folder.into(),
            env,
            account: None,
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Tool<'a> {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Tool<'a> {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Runs as this account, without supplementary groups; needs root. `None` runs as the caller.
    pub fn run_as(mut self, account: Option<&'a Account>) -> Tool<'a> {
        self.account = account;
        self
    }

    fn name(&self) -> String {
        self.program.display().to_string()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(&self.folder).env_clear().envs(&self.env.0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        if let Some(account) = self.account {
            // With a uid, std also drops the supplementary groups of root.
            command.uid(account.uid).gid(account.gid);
        }
        command
    }
}

/// What a tool left when it ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// All of its standard error; bytes that are not UTF-8 are replaced.
    pub stderr: String,
}

impl Finished {
    /// Returns the last lines of what it printed, errors last, for a person to read.
    pub fn tail(&self) -> String {
        let lines: Vec<&str> = self.stdout.lines().chain(self.stderr.lines()).collect();
        lines[lines.len().saturating_sub(TAIL_LINES_MAX)..].join("\n")
    }
}

/// Why a tool's run has no result.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It could not be started: missing, not executable, or the account may not be switched to.
    #[error("cannot start `{program}`")]
    Start {
        /// The program's path.
        program: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Its output could not be read to the end.
    #[error("cannot read what `{program}` prints")]
    Read {
        /// The program's path.
        program: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It printed more than dsenv keeps, and was stopped.
    #[error("`{program}` printed more than {} MiB and was stopped", OUTPUT_BYTES_MAX >> 20)]
    Flood {
        /// The program's path.
        program: String,
    },
    /// It ended with a failure.
    #[error("`{program}` failed ({status})\n{tail}")]
    Failed {
        /// The program's path.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it printed.
        tail: String,
    },
}

/// Runs the tool to its end and returns what it printed, also when it failed.
///
/// Dropping the future kills the tool and every child of it that stayed in its process group.
pub async fn run(tool: Tool<'_>, on_line: OnLine<'_>) -> Result<Finished, ToolError> {
    let program = tool.name();
    let mut child = match tool.command().spawn() {
        Ok(child) => child,
        Err(source) => return Err(ToolError::Start { program, source }),
    };
    let group = GroupGuard::new(child.id());
    let mut stdout = child.stdout.take().expect("standard output is piped");
    let mut stderr = child.stderr.take().expect("standard error is piped");
    let (mut out, mut err) = (Printed::default(), Printed::default());
    let (mut out_chunk, mut err_chunk) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    while out.open || err.open {
        let read = tokio::select! {
            read = stdout.read(&mut out_chunk), if out.open => {
                read.map(|count| out.take(&out_chunk[..count], on_line))
            }
            read = stderr.read(&mut err_chunk), if err.open => {
                read.map(|count| err.take(&err_chunk[..count], on_line))
            }
        };
        if let Err(source) = read {
            return Err(ToolError::Read { program, source });
        }
        if out.bytes.len() + err.bytes.len() > OUTPUT_BYTES_MAX {
            return Err(ToolError::Flood { program });
        }
    }
    let status = match child.wait().await {
        Ok(status) => status,
        Err(source) => return Err(ToolError::Read { program, source }),
    };
    group.disarm();
    Ok(Finished { status, stdout: out.text(), stderr: err.text() })
}

/// Runs the tool to its end; a failure of the tool is an error that carries its last lines.
pub async fn run_ok(tool: Tool<'_>, on_line: OnLine<'_>) -> Result<Finished, ToolError> {
    let program = tool.name();
    let finished = run(tool, on_line).await?;
    if finished.status.success() {
        return Ok(finished);
    }
    Err(ToolError::Failed { program, status: finished.status, tail: finished.tail() })
}

/// What was read of one stream.
struct Printed {
    bytes: Vec<u8>,
    /// Where the line begins that has no end yet.
    line_start: usize,
    open: bool,
}

impl Default for Printed {
    fn default() -> Printed {
        Printed { bytes: Vec::new(), line_start: 0, open: true }
    }
}

impl Printed {
    /// Keeps a chunk and gives its complete lines away; an empty chunk is the end.
    fn take(&mut self, chunk: &[u8], on_line: &mut (dyn FnMut(&str) + Send)) {
        let mut searched = self.bytes.len();
        self.bytes.extend_from_slice(chunk);
        self.open = !chunk.is_empty();
        while let Some(length) = self.bytes[searched..].iter().position(|byte| *byte == b'\n') {
            let end = searched + length;
            say(&self.bytes[self.line_start..end], on_line);
            (self.line_start, searched) = (end + 1, end + 1);
        }
        if !self.open {
            say(&self.bytes[self.line_start..], on_line);
            self.line_start = self.bytes.len();
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

fn say(line: &[u8], on_line: &mut (dyn FnMut(&str) + Send)) {
    let line = String::from_utf8_lossy(line);
    if !line.trim().is_empty() {
        on_line(line.trim_end());
    }
}

/// Kills the process group on drop, unless its leader was waited for.
struct GroupGuard(Option<rustix::process::Pid>);

impl GroupGuard {
    fn new(leader: Option<u32>) -> GroupGuard {
        let leader = leader.and_then(|pid| i32::try_from(pid).ok());
        GroupGuard(leader.and_then(rustix::process::Pid::from_raw))
    }

    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for GroupGuard {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // The leader was not waited for, so its pid cannot belong to another group. It may have
            // ended on its own: that is what a failure to signal means here.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(list: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        list.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn settings_of_pip_and_proxies_pass_and_the_rest_does_not() {
        let env = ToolEnv::chosen_from(vars(&[
            ("PATH", "/bin:relative:/usr/bin"),
            ("PIP_CERT", "/c"),
            ("HTTPS_PROXY", "p"),
            ("no_proxy", "n"),
            ("PYTHONPATH", "/evil"),
            ("VIRTUAL_ENV", "/v"),
            ("PIP_TARGET", "/elsewhere"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
        ]));
        let names: Vec<_> = env.0.keys().map(|name| name.to_str().unwrap_or_default()).collect();
        assert_eq!(names, ["HTTPS_PROXY", "PATH", "PIP_CERT", "no_proxy"]);
        assert_eq!(env.search_path(), [Path::new("/bin"), Path::new("/usr/bin")]);
    }

    #[tokio::test]
    async fn lines_of_both_streams_arrive_and_the_environment_is_cleared() {
        let env = ToolEnv::new(vars(&[("ONLY", "this")]));
        let script = "echo out-$ONLY-${HOME:-none}; printf err-without-end >&2";
        let tool = Tool::new(Path::new("/bin/sh"), Path::new("/"), &env).args(["-c", script]);
        let mut lines = Vec::new();
        let finished = run(tool, &mut |line| lines.push(line.to_owned())).await.expect("sh runs");
        lines.sort();
        assert_eq!(lines, ["err-without-end", "out-this-none"]);
        assert_eq!(finished.stdout, "out-this-none\n");
        assert_eq!(finished.stderr, "err-without-end");
    }

    #[tokio::test]
    async fn dropping_the_future_kills_the_children_of_the_tool() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_owned();
        let running = tokio::spawn(async move {
            let env = ToolEnv::new(vars(&[("PATH", "/usr/bin:/bin")]));
            let script = "sleep 600 & echo $! > pid.tmp; mv pid.tmp pid; wait";
            let tool = Tool::new(Path::new("/bin/sh"), &path, &env).args(["-c", script]);
            run(tool, &mut |_| {}).await.map(|_| ())
        });
        let file = folder.path().join("pid");
        while !file.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let pid: i32 = std::fs::read_to_string(file).expect("written").trim().parse().expect("pid");
        let pid = rustix::process::Pid::from_raw(pid).expect("not zero");
        assert!(rustix::process::test_kill_process(pid).is_ok());
        running.abort();
        let gone = async {
            while is_running(pid) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), gone).await.expect("killed");
    }

    /// A zombie that no init reaps still has an entry; it does not run.
    fn is_running(pid: rustix::process::Pid) -> bool {
        match std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())) {
            Ok(stat) => !stat.contains(") Z "),
            Err(_) => rustix::process::test_kill_process(pid).is_ok() && !cfg!(target_os = "linux"),
        }
    }
}
