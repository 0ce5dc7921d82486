//! Pins what a blueprint asks for: every package, its version and the hashes of its files.
//!
//! The tool's solver decides the versions; this module runs it in a scratch folder and reads its
//! answer. The answer is sorted, so the same index gives the same [`Locked`]. It downloads, and a
//! source distribution may run its build script to name its dependencies; nothing is installed.

use super::installer::{Installer, InstallerError, accepted, io_error, pip_for, quiet};
use super::tools::Tools;
use crate::tool::{OnLine, Tool, run};
use dsenv_sdk::software::locked::{LineError, Locked, LockedPackage, Platforms};
use dsenv_sdk::software::spec::{PythonSpec, PythonVersion, normalized};
use serde_json::Value;
use std::path::Path;

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The tool refused or did not run: most often a package that does not exist.
    #[error(transparent)]
    Installer(#[from] InstallerError),
    /// The tools were found for another version of Python.
    #[error("the interpreter is Python 3.{found}, not {wanted}")]
    OtherVersion {
        /// What was asked for.
        wanted: PythonVersion,
        /// What was given.
        found: u32,
    },
    /// The tool's answer has a line that is no locked package.
    #[error("{tool} resolved to something that cannot be locked")]
    Line {
        /// The tool.
        tool: String,
        /// The line.
        #[source]
        source: LineError,
    },
    /// pip's report is not in the form that it documents.
    #[error("{tool} wrote a report that cannot be read: {reason}")]
    Report {
        /// The tool.
        tool: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Resolves the packages of `spec` for the interpreter of `tools`.
///
/// With uv the result is good on every platform; with pip, only on one like this. No packages gives
/// an empty lock and runs nothing.
pub async fn resolve(
    spec: &PythonSpec,
    tools: &Tools,
    on_line: OnLine<'_>,
) -> Result<Locked, ResolveError> {
    if !spec.version().accepts(tools.interpreter.minor) {
        let found = tools.interpreter.minor;
        return Err(ResolveError::OtherVersion { wanted: spec.version(), found });
    }
    let tool = tools.installer.name();
    let platforms = match tools.installer {
        Installer::Uv { .. } => Platforms::Universal,
        Installer::Pip { .. } => Platforms::Only(tools.interpreter.platform.clone()),
    };
    let packages = if spec.packages().is_empty() {
        Vec::new()
    } else {
        let scratch = tempfile::tempdir_in(&tools.cache).map_err(io_error(&tools.cache))?;
        let asked = spec.packages().join("\n") + "\n";
        std::fs::write(scratch.path().join(ASKED), asked).map_err(io_error(scratch.path()))?;
        match &tools.installer {
            Installer::Uv { program, .. } => {
                with_uv(program, scratch.path(), tools, on_line).await?
            }
            Installer::Pip { python, .. } => {
                with_pip(python, scratch.path(), tools, on_line).await?
            }
        }
    };
    let python = tools.interpreter.minor_version();
    Locked::new(python, tool.clone(), platforms, packages)
        .map_err(|source| ResolveError::Line { tool, source })
}

/// The requirements as written, in the scratch folder.
const ASKED: &str = "requirements.in";

async fn with_uv(
    program: &Path,
    scratch: &Path,
    tools: &Tools,
    on_line: OnLine<'_>,
) -> Result<Vec<LockedPackage>, ResolveError> {
    let env = quiet(&tools.env);
    let tool = Tool::new(program, scratch, &env)
        .args(["pip", "compile", ASKED, "--universal", "--generate-hashes"])
        .args(["--no-header", "--no-annotate", "--no-emit-index-url", "--python"])
        .arg(&tools.interpreter.program)
        .args(["--python-version", &tools.interpreter.minor_version()]);
    // Its standard output is the answer and no news.
    let answer = accepted(run(tool, on_line).await.map_err(InstallerError::from)?)?.stdout;
    let mut packages = Vec::new();
    for line in answer.replace("\\\n", " ").lines().filter(|line| is_package(line)) {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        packages.push(
            LockedPackage::from_line(&line)
                .map_err(|source| ResolveError::Line { tool: tools.installer.name(), source })?,
        );
    }
    Ok(packages)
}

/// Options that uv repeats from the user's settings, and comments, are no packages.
fn is_package(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with('-') && !line.starts_with('#')
}

async fn with_pip(
    python: &Path,
    scratch: &Path,
    tools: &Tools,
    on_line: OnLine<'_>,
) -> Result<Vec<LockedPackage>, ResolveError> {
    // An empty venv: what the system has installed must not count as there already, and a pip of
    // the system refuses to work on an interpreter of the system.
    let venv = scratch.join("venv");
    tools
        .installer
        .make_venv(&tools.interpreter, &venv_folder(&venv)?, &tools.env, on_line)
        .await?;
    let env = quiet(&tools.env);
    let report = scratch.join("report.json");
    let tool = pip_for(python, &venv.join("bin/python"), scratch, &env)
        .args(["install", "--dry-run", "--ignore-installed", "--no-input", "--report"])
        .arg(&report)
        .args(["-r", ASKED]);
    accepted(run(tool, on_line).await.map_err(InstallerError::from)?)?;
    let text = std::fs::read_to_string(&report).map_err(io_error(&report))?;
    packages_of_report(&text)
        .map_err(|reason| ResolveError::Report { tool: tools.installer.name(), reason })
}

fn venv_folder(venv: &Path) -> Result<std::path::PathBuf, InstallerError> {
    std::fs::create_dir(venv).map_err(io_error(venv))?;
    Ok(venv.to_owned())
}

/// Reads pip's installation report, whose form pip documents as version 1.
fn packages_of_report(text: &str) -> Result<Vec<LockedPackage>, String> {
    let report: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let installs = report["install"].as_array().ok_or("it has no list `install`")?;
    installs.iter().map(package_of_install).collect()
}

fn package_of_install(install: &Value) -> Result<LockedPackage, String> {
    let word = |pointer: &str| install.pointer(pointer).and_then(Value::as_str);
    let name = word("/metadata/name").ok_or("a package has no name")?;
    let version = word("/metadata/version").ok_or_else(|| format!("`{name}` has no version"))?;
    let hash = word("/download_info/archive_info/hashes/sha256").or_else(|| {
        word("/download_info/archive_info/hash").and_then(|hash| hash.strip_prefix("sha256="))
    });
    let hash = hash.ok_or_else(|| format!("`{name}` has no sha256 hash"))?;
    let line = format!("{}=={version} --hash=sha256:{hash}", normalized(name));
    LockedPackage::from_line(&line).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_gives_names_versions_and_hashes() {
        let hash = "ab".repeat(32);
        let install = |info: &str| {
            let metadata = r#"{"name": "Ruamel.YAML", "version": "0.18"}"#;
            format!(
                r#"{{"install": [{{"download_info": {{"archive_info": {info}}}, "metadata": {metadata}}}]}}"#
            )
        };
        let expected = format!("ruamel-yaml==0.18 --hash=sha256:{hash}");
        for info in [
            format!(r#"{{"hashes": {{"sha256": "{hash}"}}}}"#),
            format!(r#"{{"hash": "sha256={hash}"}}"#),
        ] {
            let packages = packages_of_report(&install(&info)).expect("a report");
            assert_eq!(packages[0].line(), expected);
        }
        assert_eq!(
            packages_of_report(&install("{}")),
            Err("`Ruamel.YAML` has no sha256 hash".into())
        );
        assert!(packages_of_report("{}").is_err());
    }
}
