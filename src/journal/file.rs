//! The journal's file: appended to by its writer, read after a crash.

use super::wire::{Commit, LineError, read_commit, read_record, write_commit, write_record};
use super::{FailedStep, JournalError, Opening, Record};
use crate::state::lease::Lease;
use crate::state::wire::PartError;
use crate::vault::{Access, Vault};
use crate::world::{AppendFile, Disk};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A journal may not be larger.
pub(crate) const JOURNAL_BYTES_MAX: u64 = 4 << 30;

/// The open journal of one operation. Only one exists a lease.
pub struct Journal {
    lease: Lease,
    vault: Arc<Vault>,
    opening: Opening,
    path: PathBuf,
    file: Box<dyn AppendFile>,
    buffer: Vec<u8>,
    buffered: u64,
    commits: u64,
    last_hash: blake3::Hash,
    failures: Vec<FailedStep>,
    given_up: bool,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Journal({}, {} commits)", self.path.display(), self.commits)
    }
}

impl Journal {
    /// Creates the file, which must not exist, with its opening durable.
    pub(crate) fn create(
        disk: &dyn Disk,
        path: PathBuf,
        lease: Lease,
        vault: Arc<Vault>,
        opening: Opening,
    ) -> Result<Journal, JournalError> {
        let mut journal = Journal {
            file: disk.create(&path)?,
            lease,
            vault,
            opening: opening.clone(),
            path,
            buffer: Vec::new(),
            buffered: 0,
            commits: 0,
            last_hash: blake3::Hash::from_bytes([0; 32]),
            failures: Vec::new(),
            given_up: false,
        };
        journal.append(&[Record::Open(opening)])?;
        journal.commit()?;
        let folder = journal.path.parent().expect("the path was joined to a folder");
        disk.sync_dir(folder)?;
        Ok(journal)
    }

    /// Takes records into memory. They count from the next [`Journal::commit`] on.
    pub fn append(&mut self, records: &[Record<'_>]) -> Result<(), JournalError> {
        let whole = self.buffer.len();
        for record in records {
            let lineage = &self.opening.lineage;
            let written = write_record(&mut self.buffer, record, &self.vault, lineage);
            if let Err(error) = written {
                self.buffer.truncate(whole);
                return Err(JournalError::Unwritable { detail: error.to_string() });
            }
        }
        self.buffered += records.len() as u64;
        self.note_failures(records);
        Ok(())
    }

    /// Makes everything that was appended durable with one write and one sync; nothing to do is a
    /// success. Blocks for as long as the disk takes. After an error the journal is given up:
    /// what stands in the file is a torn commit, and one behind it would look like damage.
    ///
    /// The lease is checked on both sides of the write, so that a process that slept through the
    /// loss of its lock learns of it before it acts on what it wrote.
    pub fn commit(&mut self) -> Result<(), JournalError> {
        if self.given_up {
            return Err(JournalError::GivenUp { path: self.path.clone() });
        }
        if self.buffered == 0 {
            return Ok(());
        }
        self.given_up = true;
        self.lease.check()?;
        let hash = chain(&self.last_hash, &self.buffer);
        let n = self.commits + 1;
        let commit = Commit { n, records: self.buffered, blake3: hash.to_hex().to_string() };
        write_commit(&mut self.buffer, &commit);
        self.file.append(&self.buffer)?;
        self.file.sync()?;
        self.lease.check()?;
        self.given_up = false;
        (self.commits, self.last_hash, self.buffered) = (n, hash, 0);
        self.buffer.clear();
        Ok(())
    }

    /// Returns what the journal belongs to.
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// Returns the steps whose failure was recorded.
    pub fn failures(&self) -> &[FailedStep] {
        &self.failures
    }

    fn note_failures(&mut self, records: &[Record<'_>]) {
        for record in records {
            if let Record::Step(step) = record
                && let Some(failure) = &step.failure
            {
                self.failures.push(FailedStep {
                    operation: self.opening.operation.clone(),
                    step: step.step,
                    addr: step.addr.clone(),
                    at: step.at,
                    failure: failure.clone(),
                });
            }
        }
    }
}

fn chain(last: &blake3::Hash, records: &[u8]) -> blake3::Hash {
    let mut hash = blake3::Hasher::new();
    hash.update(last.as_bytes()).update(records);
    hash.finalize()
}

/// What a journal's file holds.
#[derive(Debug)]
pub struct Reading {
    /// The records of every whole commit.
    pub records: Vec<Record<'static>>,
    /// How many bytes of a torn commit were dropped at the end.
    pub torn_bytes: usize,
}

/// Reads a journal's bytes. `path` is for messages, `lineage` is the state's.
pub fn read(
    bytes: &[u8],
    path: &Path,
    access: &Access,
    lineage: &str,
) -> Result<Reading, JournalError> {
    let (whole, torn) = whole_commits(bytes, path)?;
    let mut records = Vec::new();
    for (at, line) in whole.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() || read_commit(line).is_some() {
            continue;
        }
        let record = read_record(line, access, lineage);
        records.push(record.map_err(|error| explain(error, path, at + 1))?);
    }
    Ok(Reading { records, torn_bytes: torn })
}

fn explain(error: LineError, path: &Path, line: usize) -> JournalError {
    let path = path.to_owned();
    match error {
        LineError::Newer(format) => JournalError::Newer { path, format },
        LineError::Part(PartError::Vault(source)) => JournalError::Vault { path, source },
        LineError::Part(PartError::Addr(error)) => {
            JournalError::Damaged { path, line, detail: error.to_string() }
        }
        LineError::Json(error) => JournalError::Damaged { path, line, detail: error.to_string() },
    }
}

/// Splits the bytes into whole commits and a torn rest, of which the length is returned.
fn whole_commits<'a>(bytes: &'a [u8], path: &Path) -> Result<(&'a [u8], usize), JournalError> {
    let mut last_hash = blake3::Hash::from_bytes([0; 32]);
    let (mut commits, mut lines) = (0, 0);
    let (mut whole, mut start) = (0, 0);
    while let Some(length) = bytes[start..].iter().position(|byte| *byte == b'\n') {
        let end = start + length + 1;
        if read_commit(&bytes[start..end - 1]).is_some() {
            let hash = chain(&last_hash, &bytes[whole..start]);
            let (n, blake3) = (commits + 1, hash.to_hex().to_string());
            let mut expected = Vec::with_capacity(128);
            write_commit(&mut expected, &Commit { n, records: lines, blake3 });
            if bytes[start..end] != expected {
                break;
            }
            (commits, last_hash, whole, lines) = (n, hash, end, 0);
        } else {
            lines += 1;
        }
        start = end;
    }
    let rest = &bytes[whole..];
    // A commit was begun only after the one before it was durable. So a commit line whose number
    // is not the next one stands behind damage; the next one itself may be torn inside.
    let later = |line: &[u8]| read_commit(line).is_some_and(|commit| commit.n > commits + 1);
    if rest.split(|byte| *byte == b'\n').any(later) {
        let line = 1 + bytes[..whole].iter().filter(|byte| **byte == b'\n').count();
        let detail = "its checksum does not fit, and later records are whole".to_owned();
        return Err(JournalError::Damaged { path: path.to_owned(), line, detail });
    }
    Ok((&bytes[..whole], rest.len()))
}
