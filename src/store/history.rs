//! What was: operations, generations of the state, errors of steps.
//!
//! ## Why a generation is a copy and not a second name of the file
//! An editor that writes in place would change both.

use super::{Store, StoreError};
use crate::journal::FailedStep;
use crate::state::Operation;
use crate::state::file::{FileError, STATE_BYTES_MAX};
use std::path::{Path, PathBuf};

/// How many generations are kept.
pub(crate) const GENERATIONS_MAX: usize = 50;
/// Once they are larger than this together, only [`GENERATIONS_MIN`] are kept.
pub(crate) const GENERATIONS_BYTES_MAX: u64 = 256 << 20;
/// How many are kept whatever their size.
pub(crate) const GENERATIONS_MIN: usize = 5;
/// How many journals are kept.
pub(crate) const JOURNALS_MAX: usize = 20;
const LINES_BYTES_MAX: u64 = 256 << 20;

/// The operations of an environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Oldest first.
    pub operations: Vec<Operation>,
    /// Generations of the state that can be restored, by serial.
    pub generations: Vec<Generation>,
    /// Lines that could not be understood, from 1.
    pub damaged_lines: Vec<usize>,
}

/// A kept generation of the state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation {
    /// The serial.
    pub serial: u64,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub size_bytes: u64,
}

impl Store {
    /// Reads the history. An operation whose line was cut off by a crash is shown from the state.
    pub fn read_history(&self) -> Result<History, StoreError> {
        let mut history = History { generations: self.generations()?, ..History::default() };
        for (at, line) in self.lines(&self.operations_path())?.iter().enumerate() {
            match serde_json::from_slice(line) {
                Ok(operation) => history.operations.push(operation),
                Err(_) => history.damaged_lines.push(at + 1),
            }
        }
        if let Ok(loaded) = self.load_file(None)
            && let Some(last) = loaded.last
            && history.operations.last().map(|operation| &operation.id) != Some(&last.id)
        {
            history.operations.push(last);
        }
        Ok(history)
    }

    /// Keeps what an apply comes to, as one line. `text` is a line without its end.
    pub fn keep_cost(&self, text: &[u8]) -> Result<(), StoreError> {
        self.world.disk().create_dir_all(&self.history_dir())?;
        self.append_lines(&self.costs_path(), &[text, b"\n"].concat())
    }

    /// Reads what applies came to, oldest first, as lines.
    pub fn read_costs(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.lines(&self.costs_path())
    }

    /// Reads the steps that failed, oldest first. Lines cut off by a crash are left out.
    pub fn read_errors(&self) -> Result<Vec<FailedStep>, StoreError> {
        let lines = self.lines(&self.errors_path())?;
        Ok(lines.iter().filter_map(|line| FailedStep::read_line(line)).collect())
    }

    /// Appends the operation unless it is the last line already, and makes the current state a
    /// generation.
    pub(super) fn complete_history(&self, operation: &Operation) -> Result<(), StoreError> {
        self.world.disk().create_dir_all(&self.history_dir())?;
        let path = self.operations_path();
        let lines = self.lines(&path)?;
        let last = lines.iter().rev().find_map(|line| serde_json::from_slice(line).ok());
        if last.as_ref().map(|last: &Operation| &last.id) != Some(&operation.id) {
            let mut line = serde_json::to_vec(operation).expect("texts have a form in JSON");
            line.push(b'\n');
            self.append_lines(&path, &line)?;
        }
        self.keep_generation_on_disk()?;
        self.prune()
    }

    pub(super) fn append_errors(&self, failures: &[FailedStep]) -> Result<(), StoreError> {
        if failures.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        failures.iter().for_each(|failure| failure.write_line(&mut text));
        self.append_lines(&self.errors_path(), &text)
    }

    /// Copies the state's file among the generations unless its serial is there already. A file
    /// that is damaged is kept aside under its own name.
    pub(super) fn keep_generation_on_disk(&self) -> Result<(), StoreError> {
        let disk = self.world.disk();
        let Some(bytes) = disk.read(&self.state_path(), STATE_BYTES_MAX)? else { return Ok(()) };
        disk.create_dir_all(&self.history_dir())?;
        let path = match crate::state::file::serial_of(&bytes, &self.state_path()) {
            Ok(serial) => self.generation_path(serial),
            Err(FileError::Empty { .. }) => return Ok(()),
            Err(_) => {
                let hash = blake3::hash(&bytes).to_hex();
                self.history_dir().join(format!("damaged-{}.json", &hash[..16]))
            }
        };
        let kept = disk.read(&path, STATE_BYTES_MAX)?;
        if kept.as_deref() != Some(&bytes) {
            disk.write_atomic(&path, &bytes)?;
        }
        Ok(())
    }

    pub(super) fn generations(&self) -> Result<Vec<Generation>, StoreError> {
        let entries = self.world.disk().list(&self.history_dir())?;
        let generation = |entry: crate::world::Entry| {
            let serial = entry.name.strip_prefix("state-")?.strip_suffix(".json")?;
            let serial = serial.parse().ok()?;
            let path = self.history_dir().join(&entry.name);
            Some(Generation { serial, path, size_bytes: entry.size_bytes })
        };
        let mut generations: Vec<_> = entries.into_iter().filter_map(generation).collect();
        generations.sort();
        Ok(generations)
    }

    fn prune(&self) -> Result<(), StoreError> {
        let disk = self.world.disk();
        let mut generations = self.generations()?;
        let mut total: u64 = generations.iter().map(|generation| generation.size_bytes).sum();
        generations.reverse();
        while generations.len() > GENERATIONS_MAX
            || generations.len() > GENERATIONS_MIN && total > GENERATIONS_BYTES_MAX
        {
            let oldest = generations.pop().expect("there are more than the limit");
            total -= oldest.size_bytes;
            disk.remove(&oldest.path)?;
        }
        let journals = disk.list(&self.journals_dir())?;
        if journals.len() > JOURNALS_MAX {
            self.prune_journals()?;
        }
        Ok(())
    }

    /// Removes the journals of operations that are not among the last.
    fn prune_journals(&self) -> Result<(), StoreError> {
        let disk = self.world.disk();
        let lines = self.lines(&self.operations_path())?;
        let recent = lines.iter().rev().take(JOURNALS_MAX);
        let parsed = recent.filter_map(|line| serde_json::from_slice::<Operation>(line).ok());
        let kept: Vec<String> = parsed.map(|operation| format!("{}.jsonl", operation.id)).collect();
        for entry in disk.list(&self.journals_dir())? {
            if !kept.contains(&entry.name) {
                disk.remove(&self.journals_dir().join(&entry.name))?;
            }
        }
        Ok(())
    }

    /// Removes every generation but the current one, and every journal: they hold what old keys
    /// sealed.
    pub(super) fn forget_old_ciphertexts(&self, serial: u64) -> Result<(), StoreError> {
        let disk = self.world.disk();
        for entry in disk.list(&self.history_dir())? {
            let path = self.history_dir().join(&entry.name);
            if path != self.operations_path() && path != self.generation_path(serial) {
                disk.remove(&path)?;
            }
        }
        for entry in disk.list(&self.journals_dir())? {
            disk.remove(&self.journals_dir().join(&entry.name))?;
        }
        disk.create_dir_all(&self.journals_dir())?;
        disk.sync_dir(&self.journals_dir())?;
        Ok(disk.sync_dir(&self.history_dir())?)
    }

    fn lines(&self, path: &Path) -> Result<Vec<Vec<u8>>, StoreError> {
        let bytes = self.world.disk().read(path, LINES_BYTES_MAX)?.unwrap_or_default();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.map(<[u8]>::to_vec).collect())
    }

    /// Appends whole lines durably; a line that a crash cut off stays as it is.
    fn append_lines(&self, path: &Path, text: &[u8]) -> Result<(), StoreError> {
        let disk = self.world.disk();
        let before = disk.read(path, LINES_BYTES_MAX)?;
        let mut file = disk.open_append(path)?;
        let cut = before.as_ref().is_some_and(|b| !b.is_empty() && !b.ends_with(b"\n"));
        let text = if cut { [b"\n", text].concat() } else { text.to_vec() };
        file.append(&text)?;
        file.sync()?;
        let folder = path.parent().expect("the path was joined to a folder");
        if before.is_none() {
            disk.sync_dir(folder)?;
        }
        Ok(())
    }

    pub(super) fn generation_path(&self, serial: u64) -> PathBuf {
        self.history_dir().join(format!("state-{serial:010}.json"))
    }

    fn operations_path(&self) -> PathBuf {
        self.history_dir().join("operations.jsonl")
    }

    fn costs_path(&self) -> PathBuf {
        self.history_dir().join("costs.jsonl")
    }

    fn errors_path(&self) -> PathBuf {
        self.dir.join("errors.jsonl")
    }
}
