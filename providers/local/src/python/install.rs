//! Makes a venv that holds exactly what a lock names.
//!
//! [`install`] is a no-op on a venv that was finished from the same lock, rebuilds anything else,
//! and leaves nothing when it fails. [`freeze`] asks a venv what it holds and [`differences`] holds
//! that against the lock. No package gets in without the hash that the lock has for it.
//!
//! ## Why
//! An update does not change a venv in place: services run from it. The caller names the folder
//! after the lock's digest, builds the new one beside the old, restarts, and removes the old one.

use super::installer::{InstallerError, accepted, io_error};
use super::tools::Tools;
use super::venv::VenvFolder;
use crate::tool::{OnLine, Tool, ToolEnv, run};
use dsenv_sdk::software::locked::{Locked, Platforms};
use dsenv_sdk::software::spec::normalized;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A venv that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Its interpreter.
    pub python: PathBuf,
    /// Its folder of programs, for the front of a `PATH`.
    pub bin: PathBuf,
    /// The digest of the lock that it was made from.
    pub digest: String,
}

/// Why there is no venv.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The tool refused or did not run; a hash that differs is one of these.
    #[error(transparent)]
    Installer(#[from] InstallerError),
    /// The lock was made for another version of Python or another platform.
    #[error("the lock is for {locked}, and this is {found}")]
    OtherPlatform {
        /// Python version and platform of the lock.
        locked: String,
        /// Those of the interpreter.
        found: String,
    },
    /// The tool said that it installed the lock and did not.
    #[error("{tool} left a different set of packages than was locked: {}", differences.join(", "))]
    Differs {
        /// The tool.
        tool: String,
        /// What differs, one package each.
        differences: Vec<String>,
    },
}

/// Returns the venv in `folder` when it was finished from this lock; runs no program.
pub async fn installed(locked: &Locked, folder: &Path) -> Option<Installed> {
    if !folder.is_dir() {
        return None;
    }
    let venv = VenvFolder::claim(folder).await.ok()?;
    existing(&venv, &locked.digest())
}

fn existing(venv: &VenvFolder, digest: &str) -> Option<Installed> {
    if venv.complete()? != digest {
        return None;
    }
    Some(described(venv, digest))
}

fn described(venv: &VenvFolder, digest: &str) -> Installed {
    let bin = venv.path().join("bin");
    Installed { python: venv.python(), bin, digest: digest.to_owned() }
}

/// Makes the venv in `folder` hold what the lock names, and nothing else.
///
/// A venv finished from the same lock is returned as it is, within a millisecond. Any other venv of
/// ours, an unfinished one too, is removed and rebuilt; a folder with files of others is an error.
/// After a failure the folder is gone; after a dropped future it is unfinished, and rebuilt by the
/// next call. Several callers at once build it once.
pub async fn install(
    locked: &Locked,
    folder: &Path,
    tools: &Tools,
    on_line: OnLine<'_>,
) -> Result<Installed, InstallError> {
    let digest = locked.digest();
    let venv = VenvFolder::claim(folder).await.map_err(io_error(folder))?;
    if let Some(installed) = existing(&venv, &digest) {
        return Ok(installed);
    }
    check_platform(locked, tools)?;
    venv.begin().map_err(io_error(folder))?;
    if let Err(error) = build(locked, &venv, tools, on_line).await {
        venv.abandon();
        return Err(error);
    }
    venv.finish(digest.clone()).await.map_err(io_error(folder))?;
    Ok(described(&venv, &digest))
}

fn check_platform(locked: &Locked, tools: &Tools) -> Result<(), InstallError> {
    let interpreter = &tools.interpreter;
    let right_platform = match &locked.platforms {
        Platforms::Universal => true,
        Platforms::Only(tag) => *tag == interpreter.platform,
    };
    if right_platform && locked.python == interpreter.minor_version() {
        return Ok(());
    }
    Err(InstallError::OtherPlatform {
        locked: format!("Python {} on {}", locked.python, locked.platforms),
        found: format!("Python {} on {}", interpreter.minor_version(), interpreter.platform),
    })
}

async fn build(
    locked: &Locked,
    venv: &VenvFolder,
    tools: &Tools,
    on_line: OnLine<'_>,
) -> Result<(), InstallError> {
    let Tools { interpreter, installer, env, .. } = tools;
    installer.make_venv(interpreter, venv.path(), env, on_line).await?;
    if !locked.packages.is_empty() {
        let requirements = venv.path().join("requirements.txt");
        std::fs::write(&requirements, locked.requirements()).map_err(io_error(&requirements))?;
        installer.sync(&requirements, &venv.python(), venv.path(), env, on_line).await?;
    }
    let differences = differences(locked, &freeze(venv.path(), env).await?);
    if differences.is_empty() {
        return Ok(());
    }
    Err(InstallError::Differs { tool: installer.name(), differences })
}

/// Prints each distribution that the venv's interpreter sees.
const LIST: &str = "\
from importlib.metadata import distributions
for one in distributions():
    print(one.metadata['Name'] + '==' + one.version)
";

/// Returns name and version of every package in a venv, by name as indexes compare it.
///
/// It asks the venv's own interpreter, so it needs no tool and shows what a program would import.
pub async fn freeze(
    folder: &Path,
    env: &ToolEnv,
) -> Result<BTreeMap<String, String>, InstallerError> {
    let python = folder.join("bin/python");
    let tool = Tool::new(&python, folder, env).args(["-I", "-c", LIST]);
    let finished = accepted(run(tool, &mut |_| {}).await?)?;
    let pairs = finished.stdout.lines().filter_map(|line| line.split_once("=="));
    Ok(pairs.map(|(name, version)| (normalized(name), version.to_owned())).collect())
}

/// Returns what a venv's packages and a lock do not agree on, sorted; nothing when they agree.
///
/// A locked package with a marker may be absent: whether it applies is the installer's knowledge.
pub fn differences(locked: &Locked, frozen: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = BTreeSet::new();
    for (name, version) in frozen {
        let pinned = || locked.packages.iter().filter(|package| package.name == *name);
        if pinned().next().is_none() {
            found.insert(format!("`{name}` {version} is not in the lock"));
        } else if !pinned().any(|package| package.version == *version) {
            found.insert(format!("`{name}` is {version}, not as locked"));
        }
    }
    for package in &locked.packages {
        if package.marker.is_none() && !frozen.contains_key(&package.name) {
            found.insert(format!("`{}` {} is missing", package.name, package.version));
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsenv_sdk::software::locked::LockedPackage;

    #[test]
    fn a_venv_that_drifted_is_seen_and_a_marker_excuses_absence() {
        let package = |line: &str| {
            let line = format!("{line} --hash=sha256:{}", "0".repeat(64));
            LockedPackage::from_line(&line).expect("a locked package")
        };
        let packages =
            vec![package("six==1"), package("idna==2"), package("colorama==3 ; os_name == 'nt'")];
        let locked = Locked::new("3.11".into(), "uv".into(), Platforms::Universal, packages)
            .expect("hashes");
        let frozen = |list: &[(&str, &str)]| {
            let pairs = list.iter().map(|(name, version)| ((*name).into(), (*version).into()));
            differences(&locked, &pairs.collect())
        };
        assert!(frozen(&[("six", "1"), ("idna", "2")]).is_empty());
        assert!(frozen(&[("six", "1"), ("idna", "2"), ("colorama", "3")]).is_empty());
        assert_eq!(
            frozen(&[("six", "9"), ("evil", "1")]),
            ["`evil` 1 is not in the lock", "`idna` 2 is missing", "`six` is 9, not as locked"]
        );
    }
}
