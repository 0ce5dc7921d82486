//! The desired units on disk: written durably before anything is done about them.
//!
//! One file a unit, sealed as a whole: command lines and hosted specs carry secrets as readily as
//! environment variables do, and a file that is all secret needs no rule for what is. Name and
//! revision stay in clear, and are authenticated by the seal.

use super::layout::{self, Layout};
use super::unit::Unit;
use dsenv_sdk::seal::{SealError, Sealer};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// The form of a unit's file.
const FORMAT: &str = "dsenv-unit/1";

/// A unit with the revision that its running process must have to be the right one.
#[derive(Debug)]
pub(super) struct StoredUnit {
    pub(super) unit: Unit,
    /// Random, new for each change and each restart asked for.
    pub(super) revision: String,
}

/// A file in the units folder that cannot be used; it stays where it is.
#[derive(Debug)]
pub(super) struct Damaged {
    /// The unit's name, as the name of the file has it.
    pub(super) name: String,
    pub(super) why: String,
}

/// Everything that the units folder has.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) units: Vec<StoredUnit>,
    pub(super) damaged: Vec<Damaged>,
}

/// Why nothing was read.
#[derive(Debug)]
pub(super) enum LoadError {
    /// The folder cannot be listed.
    Io(io::Error),
    /// The key opens none of the units: another key sealed them.
    WrongKey,
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> LoadError {
        LoadError::Io(error)
    }
}

/// A file of the units folder.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnitFile {
    format: String,
    name: String,
    revision: String,
    sealed: String,
}

/// Reads and writes the units folder.
#[derive(Debug)]
pub(super) struct Store {
    layout: Layout,
    sealer: Sealer,
}

impl Store {
    pub(super) fn new(layout: Layout, sealer: Sealer) -> Store {
        Store { layout, sealer }
    }

    /// Writes the unit; when this returns, it survives a loss of power.
    pub(super) fn put(&self, stored: &StoredUnit) -> io::Result<()> {
        let plain = Zeroizing::new(serde_json::to_vec(&stored.unit)?);
        let (name, revision) = (&stored.unit.name, &stored.revision);
        let file = UnitFile {
            format: FORMAT.into(),
            name: name.clone(),
            revision: revision.clone(),
            sealed: self.sealer.seal(&context(name, revision), &plain),
        };
        write_durable(&self.layout.unit(name), &serde_json::to_vec(&file)?)
    }

    /// Removes the unit's file, durably. One that does not exist is removed.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.layout.unit(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        sync_folder_of(&path)
    }

    /// Reads every unit. A damaged file is reported beside the good ones; a key that opens none
    /// of several units, or not the only one, is the wrong key, and nothing may be done with it.
    pub(super) fn load(&self) -> Result<Loaded, LoadError> {
        let (mut units, mut damaged, mut refused) = (Vec::new(), Vec::new(), 0);
        for entry in std::fs::read_dir(self.layout.units())? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match self.read(&path) {
                Ok(stored) => units.push(stored),
                Err(Unreadable { name, why, refused: by_key }) => {
                    refused += usize::from(by_key);
                    damaged.push(Damaged { name, why });
                }
            }
        }
        if refused > 0 && units.is_empty() {
            return Err(LoadError::WrongKey);
        }
        Ok(Loaded { units, damaged })
    }

    fn read(&self, path: &Path) -> Result<StoredUnit, Unreadable> {
        let name = layout::unit_name(path).unwrap_or_else(|| path.display().to_string());
        let damaged = |why: String| Unreadable { name: name.clone(), why, refused: false };
        let bytes = std::fs::read(path).map_err(|error| damaged(error.to_string()))?;
        let file: UnitFile =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if file.format != FORMAT {
            return Err(damaged(format!("format `{}`, expected `{FORMAT}`", file.format)));
        }
        if file.name != name {
            return Err(damaged(format!("it speaks of `{}`", file.name)));
        }
        let plain = self.sealer.open(&context(&name, &file.revision), &file.sealed);
        let plain = plain.map_err(|error| Unreadable {
            name: name.clone(),
            why: error.to_string(),
            refused: error == SealError::Refused,
        })?;
        let unit = serde_json::from_slice(&plain).map_err(|error| damaged(error.to_string()))?;
        Ok(StoredUnit { unit, revision: file.revision })
    }
}

struct Unreadable {
    name: String,
    why: String,
    refused: bool,
}

fn context(name: &str, revision: &str) -> String {
    format!("{FORMAT} {name} {revision}")
}

/// Replaces `path` by a file with these bytes, for the owner alone: after a crash there is either
/// the old file or the new one, and after this returned it is the new one.
pub(super) fn write_durable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension(format!("{}.tmp", super::clock::random_id()));
    let written = write_synced(&new, bytes).and_then(|()| std::fs::rename(&new, path));
    if written.is_err() {
        // Best effort: the disk is full, or the folder is gone.
        let _ = std::fs::remove_file(&new);
    }
    written?;
    sync_folder_of(path)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().expect("a file has a folder"))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::super::unit::{Restart, Work};
    use super::*;
    use dsenv_sdk::Secret;
    use dsenv_sdk::seal::SealKey;

    fn unit(name: &str) -> StoredUnit {
        let unit = Unit {
            name: name.into(),
            work: Work::Hosted { kind: "s3".into(), spec: Secret::new("sentinel") },
            health: None,
            address: None,
            ports: Vec::new(),
            restart: Restart::Always,
            log: "/tmp/log".into(),
        };
        StoredUnit { unit, revision: "r1".into() }
    }

    fn store(dir: &Path, key: &SealKey) -> Store {
        let layout = Layout::new(dir);
        layout.create().expect("a folder");
        Store::new(layout, Sealer::new(key))
    }

    #[test]
    fn a_unit_comes_back_and_its_secret_is_not_in_the_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let key = SealKey::generate();
        store(dir.path(), &key).put(&unit("a/b")).expect("written");
        let bytes = std::fs::read(Layout::new(dir.path()).unit("a/b")).expect("a file");
        assert!(!String::from_utf8_lossy(&bytes).contains("sentinel"));
        let Loaded { units, damaged } = store(dir.path(), &key).load().expect("read");
        assert_eq!(units[0].unit, unit("a/b").unit);
        assert!(damaged.is_empty());
    }

    #[test]
    fn a_truncated_file_is_reported_and_the_others_are_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let key = SealKey::generate();
        let store = store(dir.path(), &key);
        store.put(&unit("good")).expect("written");
        std::fs::write(Layout::new(dir.path()).unit("bad"), b"{\"format\":").expect("written");
        let Loaded { units, damaged } = store.load().expect("read");
        assert_eq!(units.len(), 1);
        assert_eq!(damaged[0].name, "bad");
    }

    #[test]
    fn another_key_is_told_from_damage() {
        let dir = tempfile::tempdir().expect("a folder");
        store(dir.path(), &SealKey::generate()).put(&unit("a")).expect("written");
        let other = store(dir.path(), &SealKey::generate());
        assert!(matches!(other.load(), Err(LoadError::WrongKey)));
    }
}
