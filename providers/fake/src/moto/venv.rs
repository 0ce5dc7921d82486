//! The Python environment that moto runs in: made once a target folder, by whoever comes first.
//!
//! It is named after the digest of its requirements, so that two checkouts with one target folder
//! and different pins do not take turns. A stamp is written last: without it the environment is
//! made anew. What must not be here: anything about AWS.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

const REQUIREMENTS: &str = include_str!("requirements.txt");

/// Returns the environment's interpreter, or what is missing and how to get it.
pub(super) fn interpreter() -> Result<PathBuf, String> {
    let digest = blake3::hash(REQUIREMENTS.as_bytes()).to_hex();
    let root = target()?;
    let name = format!("moto-venv-{}", &digest.as_str()[..16]);
    let place = root.join(&name);
    let at = |error| format!("{}: {error}", place.display());
    let lock = File::create(root.join(name + ".lock")).map_err(at)?;
    lock.lock().map_err(at)?;
    let python = place.join("bin/python");
    let stamp = place.join("complete");
    if stamp.exists() {
        return Ok(python);
    }
    let help = "python3 with its module venv is needed (Debian: `apt install python3-venv`)";
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place), help)?;
    let requirements = place.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).map_err(at)?;
    let help = "the package index pypi.org, or the one in PIP_INDEX_URL, must answer once";
    let install =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(Command::new(&python).args(install).arg(&requirements), help)?;
    fs::write(&stamp, "").map_err(at)?;
    Ok(python)
}

/// Returns the target folder that this program was built in: cargo marks its root as a cache. A
/// program that was moved elsewhere is told the workspace's own.
fn target() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let marked = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    let root = match marked {
        Some(root) => root.to_owned(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
    };
    fs::create_dir_all(&root).map_err(|error| format!("{}: {error}", root.display()))?;
    Ok(root)
}

fn run(command: &mut Command, help: &str) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}; {help}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}; {help}", String::from_utf8_lossy(&output.stderr).trim_end()))
}
