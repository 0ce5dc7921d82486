//! The tool that resolves and installs: uv where there is one, else pip.
//!
//! [`Installer::find`] settles which; the functions here are the only place that knows their command
//! lines, and each is one run of the tool. No installer ever writes into an interpreter of the
//! system: it is told which venv or folder to fill.
//!
//! ## Why
//! pip is used from outside the venv that it fills (`--python`, since pip 22.3), so that the venv
//! holds what is locked and nothing else. The interpreter's own pip will do; where it has none or an
//! old one, a private venv in the cache holds one, made once.

use super::failure::{Failure, explain};
use super::interpreter::{Interpreter, is_program};
use super::venv::VenvFolder;
use crate::tool::{Finished, OnLine, Tool, ToolEnv, ToolError, run, run_ok};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// First pip with `--python` (and with `--report`, of 22.2).
const PIP_VERSION_MIN: (u32, u32) = (22, 3);

/// A tool that resolves and installs packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installer {
    /// uv: locks for all platforms.
    Uv {
        /// Where it is.
        program: PathBuf,
        /// `0.13.8`.
        version: String,
    },
    /// pip: locks for the platform it runs on.
    Pip {
        /// The interpreter whose pip it is.
        python: PathBuf,
        /// `23.2.1`.
        version: String,
    },
}

/// Why there is no installer, or why it has no result.
#[derive(Debug, thiserror::Error)]
pub enum InstallerError {
    /// Neither uv, nor pip, nor a way to get pip.
    #[error("`{}` has neither pip nor ensurepip, and uv is not on the search path", python.display())]
    NoInstaller {
        /// The interpreter.
        python: PathBuf,
    },
    /// The interpreter cannot make a venv.
    #[error("`{}` has no venv module", python.display())]
    NoVenv {
        /// The interpreter.
        python: PathBuf,
    },
    /// The tool ran and said why it cannot.
    #[error("{0}")]
    Refused(Failure),
    /// The tool did not run to its end.
    #[error("the installer did not run to its end")]
    Tool(#[from] ToolError),
    /// A folder or file could not be made or read.
    #[error("cannot work in `{}`", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl InstallerError {
    /// Says what the user can do, where that is known.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            InstallerError::NoInstaller { .. } | InstallerError::NoVenv { .. } => Some(
                "run `apt-get install python3-venv` on Debian or Ubuntu, or put `uv` on the PATH",
            ),
            InstallerError::Refused(refused) => refused.kind.help(),
            InstallerError::Tool(_) | InstallerError::Io { .. } => None,
        }
    }
}

pub(crate) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> InstallerError {
    let path = path.to_owned();
    move |source| InstallerError::Io { path, source }
}

impl Installer {
    /// Finds uv on the search path, else pip; the private pip, when one is needed, is made in
    /// `cache` and kept there.
    pub async fn find(
        interpreter: &Interpreter,
        env: &ToolEnv,
        cache: &Path,
        on_line: OnLine<'_>,
    ) -> Result<Installer, InstallerError> {
        for folder in env.search_path() {
            let program = folder.join("uv");
            if is_program(&program)
                && let Some(version) = uv_version(&program, env).await
            {
                return Ok(Installer::Uv { program, version });
            }
        }
        Installer::pip(interpreter, env, cache, on_line).await
    }

    /// Finds pip, also where there is a uv.
    pub async fn pip(
        interpreter: &Interpreter,
        env: &ToolEnv,
        cache: &Path,
        on_line: OnLine<'_>,
    ) -> Result<Installer, InstallerError> {
        let python = interpreter.program.clone();
        if !interpreter.has_venv {
            return Err(InstallerError::NoVenv { python });
        }
        if let Some(version) = interpreter.pip.clone().filter(|version| is_new_enough(version)) {
            return Ok(Installer::Pip { python, version });
        }
        if !interpreter.has_ensurepip {
            return Err(InstallerError::NoInstaller { python });
        }
        private_pip(interpreter, env, cache, on_line).await
    }

    /// Returns name and version for a lock, `uv 0.13.8`.
    pub fn name(&self) -> String {
        match self {
            Installer::Uv { version, .. } => format!("uv {version}"),
            Installer::Pip { version, .. } => format!("pip {version}"),
        }
    }

    /// Makes a venv without pip in an existing folder, which may hold marks of ours.
    pub(crate) async fn make_venv(
        &self,
        interpreter: &Interpreter,
        folder: &Path,
        env: &ToolEnv,
        on_line: OnLine<'_>,
    ) -> Result<(), InstallerError> {
        let tool = match self {
            Installer::Uv { program, .. } => Tool::new(program, folder, env)
                .args(["venv", "--allow-existing", "--no-project", "--python"])
                .arg(&interpreter.program),
            Installer::Pip { .. } => Tool::new(&interpreter.program, folder, env).args([
                "-I",
                "-m",
                "venv",
                "--without-pip",
            ]),
        };
        accepted(run(tool.arg(folder), on_line).await?).map(|_| ())
    }

    /// Installs exactly the lines of a requirements file, each with its hash, into a venv.
    pub(crate) async fn sync(
        &self,
        requirements: &Path,
        venv_python: &Path,
        folder: &Path,
        env: &ToolEnv,
        on_line: OnLine<'_>,
    ) -> Result<(), InstallerError> {
        let env = quiet(env);
        let tool = match self {
            Installer::Uv { program, .. } => Tool::new(program, folder, &env)
                .args(["pip", "sync", "--require-hashes", "--allow-empty-requirements"])
                .arg("--python")
                .arg(venv_python)
                .arg(requirements),
            Installer::Pip { python, .. } => pip_for(python, venv_python, folder, &env)
                .args(["install", "--require-hashes", "--no-deps", "--no-input"])
                // As uv does: what is imported is compiled then, and most of it never is.
                .args(["--no-compile", "-r"])
                .arg(requirements),
        };
        accepted(run(tool, on_line).await?).map(|_| ())
    }

    /// Unpacks one wheel, with its hash, into a folder that is no venv: binaries made for another
    /// platform or Python than the interpreter's may be asked for.
    pub(crate) async fn unpack(
        &self,
        wheel: &Wheel<'_>,
        target: &Path,
        interpreter: &Interpreter,
        env: &ToolEnv,
        on_line: OnLine<'_>,
    ) -> Result<(), InstallerError> {
        let folder = target.parent().unwrap_or(target);
        let env = quiet(env);
        let scratch = tempfile::tempdir_in(folder).map_err(io_error(folder))?;
        let requirements = scratch.path().join("requirements.txt");
        std::fs::write(&requirements, format!("{}\n", wheel.requirement))
            .map_err(io_error(folder))?;
        let tool = match self {
            Installer::Uv { program, .. } => Tool::new(program, folder, &env)
                .args(["pip", "install", "--python"])
                .arg(&interpreter.program)
                .args(["--python-platform", wheel.uv_platform]),
            Installer::Pip { python, .. } => Tool::new(python, folder, &env)
                .args(["-I", "-m", "pip", "install", "--no-input", "--no-compile"])
                .args(["--implementation", "cp", "--abi", wheel.abi])
                .args(["--platform", wheel.pip_platform]),
        };
        let tool = tool
            .args(["--no-deps", "--require-hashes", "--only-binary", ":all:"])
            .args(["--python-version", wheel.python_version, "--target"])
            .arg(target)
            .arg("-r")
            .arg(requirements);
        accepted(run(tool, on_line).await?).map(|_| ())
    }
}

/// One wheel that is used for the files in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wheel<'a> {
    /// `name==version --hash=sha256:...`.
    pub(crate) requirement: &'a str,
    /// The Python that the wheel was built for, `3.11`.
    pub(crate) python_version: &'a str,
    /// Its ABI tag, `cp311`.
    pub(crate) abi: &'a str,
    /// Its platform as pip names it.
    pub(crate) pip_platform: &'a str,
    /// Its platform as uv names it.
    pub(crate) uv_platform: &'a str,
}

/// Describes a run of one interpreter's pip that works on another interpreter.
pub(crate) fn pip_for<'a>(python: &Path, on: &Path, folder: &Path, env: &'a ToolEnv) -> Tool<'a> {
    Tool::new(python, folder, env).args(["-I", "-m", "pip", "--python"]).arg(on)
}

/// Adds what keeps pip and uv from asking, colouring, and downloading interpreters of their own.
pub(crate) fn quiet(env: &ToolEnv) -> ToolEnv {
    // Without one retry pip does not say that there is no network, only that there is no package.
    let mute = env.get("PIP_RETRIES").is_some_and(|count| count == "0");
    let env = if mute { env.clone().with("PIP_RETRIES", "1") } else { env.clone() };
    env.with("NO_COLOR", "1")
        .with("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .with("PIP_ROOT_USER_ACTION", "ignore")
        .with("PIP_PROGRESS_BAR", "off")
        .with("UV_NO_PROGRESS", "1")
        .with("UV_PYTHON_DOWNLOADS", "never")
}

pub(crate) fn accepted(finished: Finished) -> Result<Finished, InstallerError> {
    if finished.status.success() {
        return Ok(finished);
    }
    let output = format!("{}\n{}", finished.stdout, finished.stderr);
    Err(InstallerError::Refused(explain(&output)))
}

async fn uv_version(program: &Path, env: &ToolEnv) -> Option<String> {
    let tool = Tool::new(program, Path::new("/"), env).arg("--version");
    let finished = run_ok(tool, &mut |_| {}).await.ok()?;
    finished.stdout.strip_prefix("uv ")?.split_whitespace().next().map(str::to_owned)
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= PIP_VERSION_MIN
}

/// Returns the pip of a private venv in the cache, made for this interpreter when it is missing.
async fn private_pip(
    interpreter: &Interpreter,
    env: &ToolEnv,
    cache: &Path,
    on_line: OnLine<'_>,
) -> Result<Installer, InstallerError> {
    let name: OsString = format!(
        "pip-{}-{}",
        interpreter.version,
        &blake3::hash(interpreter.program.as_os_str().as_encoded_bytes()).to_hex()[..12]
    )
    .into();
    let path = cache.join(name);
    let venv = VenvFolder::claim(&path).await.map_err(io_error(&path))?;
    if let Some(version) = venv.complete() {
        return Ok(Installer::Pip { python: venv.python(), version });
    }
    venv.begin().map_err(io_error(&path))?;
    match build_private_pip(interpreter, &venv, &quiet(env), on_line).await {
        Ok(version) => {
            venv.finish(version.clone()).await.map_err(io_error(&path))?;
            Ok(Installer::Pip { python: venv.python(), version })
        }
        Err(error) => {
            venv.abandon();
            Err(error)
        }
    }
}

async fn build_private_pip(
    interpreter: &Interpreter,
    venv: &VenvFolder,
    env: &ToolEnv,
    on_line: OnLine<'_>,
) -> Result<String, InstallerError> {
    on_line("making a private pip, once");
    let tool = Tool::new(&interpreter.program, venv.path(), env);
    let made = run(tool.args(["-I", "-m", "venv"]).arg(venv.path()), on_line).await?;
    accepted(made)?;
    let python = venv.python();
    let pip = |args: &[&str]| {
        Tool::new(&python, venv.path(), env).args(["-I", "-m", "pip"]).args(args.to_vec())
    };
    let version_of = |said: &str| said.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let said = accepted(run(pip(&["--version"]), &mut |_| {}).await?)?;
    let version = version_of(&said.stdout);
    if is_new_enough(&version) {
        return Ok(version);
    }
    let wanted = format!("pip>={}.{}", PIP_VERSION_MIN.0, PIP_VERSION_MIN.1);
    accepted(run(pip(&["install", "--upgrade", "--no-input", &wanted]), on_line).await?)?;
    let said = accepted(run(pip(&["--version"]), &mut |_| {}).await?)?;
    Ok(version_of(&said.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pip_is_new_enough_from_22_3_on() {
        for (version, enough) in
            [("22.3", true), ("22.2.2", false), ("23.0.1", true), ("9.0", false), ("", false)]
        {
            assert_eq!(is_new_enough(version), enough, "{version}");
        }
    }
}
