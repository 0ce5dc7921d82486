//! A Python environment with the pinned S3 clients, made once a target folder.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const REQUIREMENTS: &str = include_str!("clients/requirements.txt");

/// Returns the environment's interpreter, or what is missing.
///
/// Tests run side by side and in several processes, so the first one makes it under a file lock.
pub(crate) fn interpreter() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("s3-clients");
    fs::create_dir_all(&root).map_err(|error| format!("{}: {error}", root.display()))?;
    let lock = File::create(root.join("lock")).expect("the target folder is writable");
    lock.lock().expect("the target folder's file system has locks");
    let python = root.join("venv/bin/python");
    let installed = root.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(python);
    }
    let requirements = root.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).expect("the target folder is writable");
    let venv = root.join("venv");
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    let install =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(Command::new(&python).args(install).arg(&requirements))?;
    fs::write(&installed, REQUIREMENTS).expect("the target folder is writable");
    Ok(python)
}

/// Prints what is missing and returns, except in CI, where every real part must be there.
pub(crate) fn skipped(missing: &str) {
    #[allow(clippy::disallowed_methods, reason = "tests read CI, as the whole project's do")]
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!ci, "SKIPPED in CI: {missing}");
    // Not `eprintln!`, which the test harness keeps to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {missing}");
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}
