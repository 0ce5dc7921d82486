//! Finds a Python interpreter of the version asked for.
//!
//! Candidates come from the search path that the caller passes; each is asked what it is, since a
//! name proves nothing (pyenv puts a `python3.12` on the path that only says it is not installed).
//! When none will do, the error lists every one that was looked at and what it said.

use crate::account::{Account, Unreachable, reach};
use crate::tool::{Tool, ToolEnv, ToolError, run};
use dsenv_sdk::software::spec::PythonVersion;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Newest minor version that is looked for by its own name.
const MINOR_MAX: u32 = 30;

/// Prints what an interpreter is, one fact a line. Runs on every Python 3, and fails on 2.
///
/// The base executable, because a venv made by an interpreter inside a venv dies with that one.
const INSPECT: &str = "\
import sys, sysconfig
from importlib import util
def has(name):
    return 'yes' if util.find_spec(name) else 'no'
try:
    from importlib.metadata import version
    pip = version('pip')
except Exception:
    pip = ''
print(getattr(sys, '_base_executable', '') or sys.executable)
print('.'.join(str(part) for part in sys.version_info[:3]))
print(sysconfig.get_platform())
print(has('venv'))
print(has('ensurepip'))
print(pip)
";

/// An interpreter that ran and said what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// Where it is: never a shim, never inside a venv.
    pub program: PathBuf,
    /// Its full version, `3.11.7`.
    pub version: String,
    /// Its minor version, 11.
    pub minor: u32,
    /// What it calls its platform, `linux-x86_64`.
    pub platform: String,
    /// Whether it can make venvs.
    pub has_venv: bool,
    /// Whether it can put pip into a venv; Debian ships this apart, in `python3-venv`.
    pub has_ensurepip: bool,
    /// The version of its own pip, when it has one.
    pub pip: Option<String>,
}

/// A program that was looked at and will not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Where it is.
    pub program: PathBuf,
    /// What it is: a version, or why it does not run.
    pub found: String,
}

/// No interpreter will do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this machine has no Python {version} on the search path\n{}", listed(.looked))]
pub struct MissingInterpreter {
    /// What was asked for.
    pub version: PythonVersion,
    /// What there is instead.
    pub looked: Vec<Looked>,
}

fn listed(looked: &[Looked]) -> impl fmt::Display {
    if looked.is_empty() {
        return "no program named `python3` or `python` was found".to_owned();
    }
    let lines: Vec<String> =
        looked.iter().map(|it| format!("  {}: {}", it.program.display(), it.found)).collect();
    format!("looked at:\n{}", lines.join("\n"))
}

impl MissingInterpreter {
    /// Says what the user can do.
    pub fn help(&self) -> String {
        let minor = self.version.minor;
        let mut help = format!(
            "install it (`apt-get install python3.{minor} python3.{minor}-venv` where the system \
             has that version, or `uv python install 3.{minor}`) and put it on the PATH"
        );
        if let Some(minor) = self.looked.iter().find_map(|it| minor_of(&it.found)) {
            help += &format!(", or ask for `python: \"3.{minor}\"` in the blueprint");
        }
        help
    }
}

impl Interpreter {
    /// Returns the first interpreter on the search path of `env` that satisfies the version.
    ///
    /// For an exact version `python3.N` anywhere comes before `python3`; for a floor `python3`
    /// comes first, then the lowest version that will do. Programs that do not run are passed over.
    pub async fn find(
        version: PythonVersion,
        env: &ToolEnv,
    ) -> Result<Interpreter, MissingInterpreter> {
        let search_path = env.search_path();
        let mut looked = Vec::new();
        for name in names(version) {
            for folder in &search_path {
                let program = folder.join(&name);
                if !is_program(&program) {
                    continue;
                }
                match inspect(&program, env).await {
                    Ok(found) if version.accepts(found.minor) => return Ok(found),
                    Ok(found) => looked.push(Looked { program, found: found.version }),
                    Err(reason) => looked.push(Looked { program, found: reason }),
                }
            }
        }
        Err(MissingInterpreter { version, looked })
    }

    /// Checks that another account can run it: one below a home of mode 0700 is out of reach.
    pub fn reachable_by(&self, account: &Account) -> Result<(), Unreachable> {
        reach(&self.program, account)
    }

    /// Returns the minor version as a lock names it, `3.11`.
    pub fn minor_version(&self) -> String {
        format!("3.{}", self.minor)
    }
}

fn names(version: PythonVersion) -> Vec<String> {
    let exact = format!("python3.{}", version.minor);
    if !version.or_newer {
        return vec![exact, "python3".into(), "python".into()];
    }
    let newer = (version.minor..=MINOR_MAX).map(|minor| format!("python3.{minor}"));
    ["python3".to_owned(), "python".to_owned()].into_iter().chain(newer).collect()
}

/// Says whether there is a file that can be run; links are followed.
pub(crate) fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

async fn inspect(program: &Path, env: &ToolEnv) -> Result<Interpreter, String> {
    let tool = Tool::new(program, Path::new("/"), env).args(["-I", "-c", INSPECT]);
    let finished = match run(tool, &mut |_| {}).await {
        Ok(finished) => finished,
        Err(ToolError::Start { source, .. }) => return Err(format!("does not run: {source}")),
        Err(error) => return Err(error.to_string()),
    };
    let said = parse(&finished.stdout);
    if let (true, Some(interpreter)) = (finished.status.success(), said) {
        return Ok(interpreter);
    }
    let first = finished.stderr.lines().find(|line| !line.trim().is_empty());
    Err(format!("does not run as Python 3: {}", first.unwrap_or("it says nothing").trim()))
}

fn parse(facts: &str) -> Option<Interpreter> {
    let mut lines = facts.lines();
    let (program, version, platform) = (lines.next()?, lines.next()?, lines.next()?);
    let (has_venv, has_ensurepip) = (lines.next()? == "yes", lines.next()? == "yes");
    let pip = lines.next().filter(|pip| !pip.is_empty()).map(str::to_owned);
    Some(Interpreter {
        program: program.into(),
        version: version.to_owned(),
        minor: minor_of(version)?,
        platform: platform.to_owned(),
        has_venv,
        has_ensurepip,
        pip,
    })
}

fn minor_of(version: &str) -> Option<u32> {
    version.strip_prefix("3.")?.split('.').next()?.parse().ok()
}
