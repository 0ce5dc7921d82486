//! The folder of one environment: its state, lock, journal and history.
//!
//! ```text
//! .dsenv/BLUEPRINT/ENV/
//!   state.json                 the state, format dsenv-state/1
//!   lock.json, lock.guard      who may change it
//!   journal.jsonl              of the operation that runs, or that was interrupted
//!   errors.jsonl               steps that failed, one line each
//!   history/operations.jsonl   one line an operation; nothing rewrites one
//!   history/costs.jsonl        what each apply came to, by the prices of its day
//!   history/state-SERIAL.json  the last generations of the state
//!   history/journals/ID.jsonl  the journals of the last operations
//! ```
//! How a command goes: [`Store::load`] to look. To change: [`Store::acquire`],
//! [`Store::establish`], then [`Store::begin`], [`Journal::append`], [`Journal::commit`] and
//! [`Store::finish`]; or [`Store::edit`] for a change in one go.
//!
//! ## What a crash leaves, and who mends it
//! `finish` writes the state, then the history, then puts the journal away. The state's file names
//! the operation that wrote it, so a journal of that operation is done with, and a history without
//! it lacks one line; a journal of any other operation is an interrupted run. `load` folds that in
//! without writing; `establish` writes what `load` saw.
//!
//! ## Why not below `state`
//! The store uses the journal, and the journal uses the state: a module uses only earlier ones.

mod history;
mod rebuild;
mod restore;

pub use history::{Generation, History};
pub use rebuild::Ground;

use crate::journal::{
    FailedStep, FoldError, Folded, Journal, JournalError, OpenStep, Opening, Record, fold, read,
};
use crate::state::file::{FileError, STATE_BYTES_MAX, decode, encode};
use crate::state::lease::{self, Holder, Lease, LeaseError};
use crate::state::{Operation, Outcome, State, verify};
use crate::vault::{Access, Identity, Vault, VaultError, identity_path};
use crate::world::{DiskError, World};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How often `load` looks again when a writer came between two of its reads.
const LOAD_ATTEMPTS_MAX: usize = 5;

/// Why the store cannot do what was asked. The state is as it was, unless the error says so.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder cannot be used.
    #[error("the state cannot be stored")]
    Disk(#[from] DiskError),
    /// The state's file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The lock is not to be had, or was lost.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The keys cannot be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The journal does not continue the state.
    #[error(
        "the journal `{}` does not belong to the state beside it: one of them was put there from \
         a copy; move the journal away to go on without it", .path.display()
    )]
    Fold {
        /// The journal.
        path: PathBuf,
        /// Why.
        source: FoldError,
    },
    /// The state belongs to something else.
    #[error(
        "`{}` is the state of blueprint `{found_blueprint}`, environment `{found_environment}`, \
         and not of `{blueprint}`, `{environment}`", .path.display()
    )]
    OtherBlueprint {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        blueprint: String,
        /// What was asked for.
        environment: String,
        /// What the file says.
        found_blueprint: String,
        /// What the file says.
        found_environment: String,
    },
    /// There was a state, and its file is gone. Its objects may live: an empty state in its place
    /// would make everything twice.
    #[error(
        "the state `{}` is gone, and its history is there: {}; `dsenv state restore SERIAL` brings \
         one back", .path.display(), list_kept(.kept)
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The generations that there are.
        kept: Vec<u64>,
    },
    /// The state breaks its own invariants.
    #[error(
        "the state `{}` is not sound: {}; `dsenv state history` lists earlier ones, \
         `dsenv state restore SERIAL` brings one back", .path.display(), .problems.join("; ")
    )]
    Unsound {
        /// The file.
        path: PathBuf,
        /// Every broken invariant.
        problems: Vec<String>,
    },
    /// An edit would break an invariant; nothing was written.
    #[error("the edit is refused, since the state would not be sound: {}", .problems.join("; "))]
    BadEdit {
        /// Every broken invariant.
        problems: Vec<String>,
    },
    /// A state that was to be rebuilt is there.
    #[error("the state `{}` is not lost: it has {count} resources", .path.display())]
    NotLost {
        /// The file.
        path: PathBuf,
        /// How many it has.
        count: usize,
    },
    /// There is no such generation.
    #[error("`{}` has no generation {serial}: {}", .dir.display(), list_kept(.kept))]
    NoGeneration {
        /// The folder of the history.
        dir: PathBuf,
        /// What was asked for.
        serial: u64,
        /// What there is.
        kept: Vec<u64>,
    },
    /// A name that would leave the folder.
    #[error("`{name}` cannot name a folder of states: expected only a-z, A-Z, 0-9, `_` and `-`")]
    BadName {
        /// The name.
        name: String,
    },
}

fn list_kept(serials: &[u64]) -> String {
    match (serials.first(), serials.last()) {
        (Some(first), Some(last)) => format!("the ones kept are {first} to {last}"),
        _ => "none is kept".to_owned(),
    }
}

/// The folder of one environment. Opening it touches nothing.
#[derive(Clone)]
pub struct Store {
    world: Arc<dyn World>,
    dir: PathBuf,
    blueprint: String,
    environment: String,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.dir.display())
    }
}

/// What the store holds, as it would be written now.
#[derive(Debug)]
pub struct Loaded {
    /// The state, with the journal of an interrupted run folded in and its serial counted.
    pub state: State,
    /// The keys, as far as this user has them.
    pub access: Access,
    /// The last operation whose result is in the file.
    pub last: Option<Operation>,
    /// The interrupted run that was folded in; after [`Store::establish`] it is written.
    pub leftover: Option<Leftover>,
}

/// A run that did not come to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Leftover {
    /// What it was: operation, command, who and when.
    pub opening: Opening,
    /// How it ended, when only the writing of its result was interrupted.
    pub outcome: Option<Outcome>,
    /// Steps whose end is not known: their objects are to be found by their tokens.
    pub open_steps: Vec<OpenStep>,
    /// Steps that had failed.
    pub failures: Vec<FailedStep>,
    /// Bytes of a commit that was never acknowledged; they were dropped.
    pub torn_bytes: usize,
}

impl Loaded {
    /// Says whether nothing was ever applied here.
    pub fn is_new(&self) -> bool {
        self.state.lineage.is_empty() || self.last.is_none() && self.state.serial == 0
    }

    /// Returns the open keys; the error says what is missing.
    pub fn vault(&self) -> Result<Arc<Vault>, VaultError> {
        match &self.access {
            Access::Open(vault) => Ok(vault.clone()),
            Access::Unkeyed => Err(VaultError::NoKey),
            Access::Locked(error) => Err(error.again()),
        }
    }
}

/// What a new operation is to be called.
#[derive(Clone, Debug)]
pub struct Start {
    /// What it does: `apply`, `state mv`.
    pub command: String,
    /// The digest of the plan.
    pub plan: Option<String>,
}

/// What `finish` wrote.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The state's new serial.
    pub serial: u64,
    /// Broken invariants of what was written. dsenv will refuse to start from it, and says so.
    pub problems: Vec<String>,
    /// What could not be done although the state itself is safe, as sentences with the path.
    pub warnings: Vec<String>,
}

impl Store {
    /// Names the folder of an environment below `root`, which is `.dsenv` beside the blueprint.
    pub fn open(
        world: Arc<dyn World>,
        root: &Path,
        blueprint: &str,
        environment: &str,
    ) -> Result<Store, StoreError> {
        for name in [blueprint, environment] {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(fits) {
                return Err(StoreError::BadName { name: name.to_owned() });
            }
        }
        let dir = root.join(blueprint).join(environment);
        let (blueprint, environment) = (blueprint.to_owned(), environment.to_owned());
        Ok(Store { world, dir, blueprint, environment })
    }

    /// Returns the folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the folder that the environments of the blueprint share.
    pub fn shared_dir(&self) -> &Path {
        self.dir.parent().expect("a name was joined to it")
    }

    /// Says whether there is a state, whatever it is worth.
    pub fn has_state(&self) -> Result<bool, StoreError> {
        Ok(self.world.disk().list(&self.dir)?.iter().any(|entry| entry.name == "state.json"))
    }

    /// Reads the state without changing anything, also in a folder that may not be written to.
    /// Where nothing is, the state is empty. `identity` is needed only when there are secrets.
    pub fn load(&self, identity: Option<&Identity>) -> Result<Loaded, StoreError> {
        let mut attempts = 1;
        loop {
            match self.load_once(identity) {
                // A run finished and another began between the two reads.
                Err(StoreError::Fold {
                    source: FoldError::OtherSerial { state, journal }, ..
                }) if journal > state && attempts < LOAD_ATTEMPTS_MAX => {
                    attempts += 1;
                }
                other => return other,
            }
        }
    }

    fn load_once(&self, identity: Option<&Identity>) -> Result<Loaded, StoreError> {
        let mut loaded = self.load_file(identity)?;
        let problems = verify(&loaded.state);
        if !problems.is_empty() {
            return Err(StoreError::Unsound { path: self.state_path(), problems });
        }
        let path = self.journal_path();
        let limit_bytes = crate::journal::JOURNAL_BYTES_MAX;
        let Some(bytes) = self.world.disk().read(&path, limit_bytes)? else { return Ok(loaded) };
        let reading = read(&bytes, &path, &loaded.access, &loaded.state.lineage)?;
        let written_by = loaded.last.as_ref().map(|operation| operation.id.as_str());
        if let Some(Record::Open(opening)) = reading.records.first()
            && Some(opening.operation.as_str()) == written_by
        {
            return Ok(loaded);
        }
        let folded = fold(std::mem::take(&mut loaded.state), reading.records);
        match folded.map_err(|source| StoreError::Fold { path, source })? {
            Err(state) => loaded.state = state,
            Ok(Folded { state, opening, closed, open_steps, failures }) => {
                loaded.state = state;
                loaded.state.serial += 1;
                let problems = verify(&loaded.state);
                if !problems.is_empty() {
                    return Err(StoreError::Unsound { path: self.state_path(), problems });
                }
                let (outcome, torn_bytes) = (closed, reading.torn_bytes);
                loaded.leftover =
                    Some(Leftover { opening, outcome, open_steps, failures, torn_bytes });
            }
        }
        Ok(loaded)
    }

    fn load_file(&self, identity: Option<&Identity>) -> Result<Loaded, StoreError> {
        let path = self.state_path();
        let Some(bytes) = self.world.disk().read(&path, STATE_BYTES_MAX)? else {
            let kept: Vec<u64> = self.generations()?.iter().map(|kept| kept.serial).collect();
            if !kept.is_empty() {
                return Err(StoreError::Missing { path, kept });
            }
            let state = State::empty(&self.blueprint, &self.environment);
            return Ok(Loaded { state, access: Access::Unkeyed, last: None, leftover: None });
        };
        let file = decode(&bytes, &path, identity, &identity_path(&*self.world))?;
        let state = file.state;
        if state.blueprint != self.blueprint || state.environment != self.environment {
            return Err(StoreError::OtherBlueprint {
                path,
                blueprint: self.blueprint.clone(),
                environment: self.environment.clone(),
                found_blueprint: state.blueprint,
                found_environment: state.environment,
            });
        }
        Ok(Loaded { state, access: file.access, last: file.operation, leftover: None })
    }

    /// Waits up to `wait_ms` for the right to change the state, creating the folder on first use.
    /// The caller lets [`Lease::keep`] run beside its work.
    pub async fn acquire(&self, operation: &str, wait_ms: u64) -> Result<Lease, StoreError> {
        self.world.disk().create_dir_all(&self.dir)?;
        Ok(lease::acquire(&self.world, &self.dir, operation, wait_ms).await?)
    }

    /// Says who holds the lock, whether or not they still live.
    pub fn holder(&self) -> Result<Option<Box<Holder>>, StoreError> {
        Ok(lease::holder(&*self.world, &self.dir)?)
    }

    /// Says who works on the environment now.
    pub fn live_holder(&self) -> Result<Option<Box<Holder>>, StoreError> {
        Ok(lease::live_holder(&*self.world, &self.dir)?)
    }

    /// Frees a lock whose holder is gone; returns who it was. One that still counts is refused.
    pub fn unlock(&self) -> Result<Option<Box<Holder>>, StoreError> {
        self.world.disk().create_dir_all(&self.dir)?;
        Ok(lease::unlock(&*self.world, &self.dir)?)
    }

    /// Frees the lock whoever holds it; returns who it was. They are fenced out.
    pub fn unlock_by_force(&self) -> Result<Option<Box<Holder>>, StoreError> {
        self.world.disk().create_dir_all(&self.dir)?;
        Ok(lease::unlock_by_force(&*self.world, &self.dir)?)
    }

    /// Loads under the lock and makes the folder whole: writes the result of an interrupted run
    /// as an operation, completes the history, and gives a new state its lineage and keys. The
    /// returned state's serial is the one that [`Store::load`] told.
    pub fn establish(&self, lease: &Lease, identity: &Identity) -> Result<Loaded, StoreError> {
        lease.refresh()?;
        let mut loaded = self.load(Some(identity))?;
        let disk = self.world.disk();
        disk.create_dir_all(&self.journals_dir())?;
        let is_new = loaded.state.lineage.is_empty();
        if is_new {
            loaded.state.lineage = self.world.fresh_id();
        }
        if let Access::Unkeyed = loaded.access {
            let vault = Vault::create(&[identity.recipient()])?;
            loaded.access = Access::Open(Arc::new(vault));
        }
        let vault = loaded.vault()?;
        if let Some(leftover) = &loaded.leftover {
            let operation = self.interrupted(leftover, &loaded);
            let guard = lease.guard()?;
            self.append_errors(&leftover.failures)?;
            drop(guard);
            self.write_state(lease, &loaded.state, &vault, Some(&operation))?;
            loaded.last = Some(operation);
        } else if is_new {
            self.write_state(lease, &loaded.state, &vault, None)?;
        }
        let _guard = lease.guard()?;
        if let Some(last) = &loaded.last {
            self.complete_history(last)?;
        }
        self.put_journal_away(loaded.last.as_ref())?;
        Ok(loaded)
    }

    fn interrupted(&self, leftover: &Leftover, loaded: &Loaded) -> Operation {
        let Opening { operation, command, command_line, user, host, pid, plan, .. } =
            leftover.opening.clone();
        let here = self.world.process();
        Operation {
            id: operation,
            parent: loaded.last.as_ref().map(|last| last.id.clone()),
            command,
            command_line,
            user,
            host,
            pid,
            started: leftover.opening.started,
            ended: self.world.now(),
            serial_before: leftover.opening.serial,
            serial_after: loaded.state.serial,
            plan,
            outcome: leftover.outcome.unwrap_or(Outcome::Interrupted),
            recovered_by: Some(format!("{}@{}, pid {}", here.user, here.host, here.pid)),
            restored_from: None,
        }
    }

    /// Opens the journal of a new operation on an established state.
    pub fn begin(
        &self,
        lease: &Lease,
        loaded: &Loaded,
        start: Start,
    ) -> Result<Journal, StoreError> {
        let vault = loaded.vault()?;
        assert!(!loaded.state.lineage.is_empty(), "a state is established before it is changed");
        lease.refresh()?;
        let path = self.journal_path();
        let disk = self.world.disk();
        // Whoever slept since may have been followed by another, whose journal this must not empty.
        let _guard = lease.guard()?;
        let there = disk.read(&path, crate::journal::JOURNAL_BYTES_MAX)?;
        assert!(there.is_none(), "a leftover journal was put away when the state was established");
        let here = self.world.process();
        let opening = Opening {
            lineage: loaded.state.lineage.clone(),
            serial: loaded.state.serial,
            operation: self.world.fresh_id(),
            fence: lease.fence(),
            plan: start.plan,
            command: start.command,
            command_line: here.command,
            user: here.user,
            host: here.host,
            pid: here.pid,
            started: self.world.now(),
        };
        Ok(Journal::create(disk, path, lease.clone(), vault, opening)?)
    }

    /// Ends an operation: closes the journal, then writes `state` with the next serial, then the
    /// history. `state` is what the records of the journal make of `loaded.state`. After an error
    /// the journal still holds everything, and the next [`Store::establish`] writes it.
    pub fn finish(
        &self,
        lease: &Lease,
        mut journal: Journal,
        loaded: &Loaded,
        mut state: State,
        outcome: Outcome,
    ) -> Result<Finished, StoreError> {
        journal.append(&[Record::Close(outcome)])?;
        journal.commit()?;
        state.prune_dependencies();
        state.serial = journal.opening().serial + 1;
        self.assert_folds_to(&state);
        let problems = verify(&state);
        let operation = self.finished(journal.opening(), loaded, outcome);
        self.write_state(lease, &state, &*loaded.vault()?, Some(&operation))?;
        // The state is safe from here on: what fails below is mended by the next `establish`.
        let mut warnings = Vec::new();
        let mut note = |result: Result<(), StoreError>| {
            if let Err(error) = result {
                warnings.push(describe(&error));
            }
        };
        match lease.guard() {
            Ok(_guard) => {
                note(self.append_errors(journal.failures()));
                note(self.complete_history(&operation));
                note(self.put_journal_away(Some(&operation)));
            }
            // Another has followed, and has mended it.
            Err(error) => note(Err(error.into())),
        }
        Ok(Finished { serial: state.serial, problems, warnings })
    }

    fn finished(&self, opening: &Opening, loaded: &Loaded, outcome: Outcome) -> Operation {
        let Opening { operation, command, command_line, user, host, pid, plan, .. } =
            opening.clone();
        Operation {
            id: operation,
            parent: loaded.last.as_ref().map(|last| last.id.clone()),
            command,
            command_line,
            user,
            host,
            pid,
            started: opening.started,
            ended: self.world.now(),
            serial_before: opening.serial,
            serial_after: opening.serial + 1,
            plan,
            outcome,
            recovered_by: None,
            restored_from: None,
        }
    }

    /// Holds the executor's state against the journal, in builds with debug assertions: reading
    /// 20,000 records back costs more than writing them did.
    fn assert_folds_to(&self, state: &State) {
        if cfg!(debug_assertions)
            && let Some(identity) = Identity::find(&*self.world).ok().flatten()
            && let Ok(loaded) = self.load_once(Some(&identity))
        {
            assert_eq!(&loaded.state, state, "the journal folds to the executor's state");
        }
    }

    /// Changes an established state in one go, as an operation: `state mv`, `state rm`,
    /// `protect`. `change` may refuse with its own error. A result that is not sound is refused.
    pub fn edit<E: From<StoreError>>(
        &self,
        lease: &Lease,
        loaded: &mut Loaded,
        command: &str,
        change: impl FnOnce(&mut State) -> Result<(), E>,
    ) -> Result<Finished, E> {
        let mut state = loaded.state.clone();
        change(&mut state)?;
        state.prune_dependencies();
        let problems = verify(&state);
        if !problems.is_empty() {
            return Err(StoreError::BadEdit { problems }.into());
        }
        Ok(self.write_edit(lease, loaded, state, command, None)?)
    }

    fn write_edit(
        &self,
        lease: &Lease,
        loaded: &mut Loaded,
        mut state: State,
        command: &str,
        restored_from: Option<u64>,
    ) -> Result<Finished, StoreError> {
        let (here, now) = (self.world.process(), self.world.now());
        let serial_before = loaded.state.serial;
        state.serial = serial_before + 1;
        let operation = Operation {
            id: self.world.fresh_id(),
            parent: loaded.last.as_ref().map(|last| last.id.clone()),
            command: command.to_owned(),
            command_line: here.command,
            user: here.user,
            host: here.host,
            pid: here.pid,
            started: now,
            ended: now,
            serial_before,
            serial_after: state.serial,
            plan: None,
            outcome: Outcome::Done,
            recovered_by: None,
            restored_from,
        };
        self.write_state(lease, &state, &*loaded.vault()?, Some(&operation))?;
        let completed = lease
            .guard()
            .map_err(StoreError::from)
            .and_then(|_guard| self.complete_history(&operation));
        let warnings = completed.err().iter().map(describe).collect();
        loaded.state = state;
        loaded.last = Some(operation);
        Ok(Finished { serial: loaded.state.serial, problems: Vec::new(), warnings })
    }

    /// Writes a state to a folder of its own, for when its own cannot be written to: a full disk,
    /// a lost lock. Returns the file. It is not found by itself: the caller tells its path.
    pub fn write_aside(
        &self,
        state: &State,
        vault: &Vault,
        folder: &Path,
    ) -> Result<PathBuf, StoreError> {
        let disk = self.world.disk();
        disk.create_dir_all(folder)?;
        let id = self.world.fresh_id();
        let (blueprint, environment, serial) = (&self.blueprint, &self.environment, state.serial);
        let name = format!("dsenv-{blueprint}-{environment}-{serial}-{}.json", &id[..8]);
        let path = folder.join(name);
        disk.write_atomic(&path, &encode(state, Some(vault), None)?)?;
        Ok(path)
    }

    /// Puts the state in its place under the lock, and a copy among the generations.
    fn write_state(
        &self,
        lease: &Lease,
        state: &State,
        vault: &Vault,
        operation: Option<&Operation>,
    ) -> Result<(), StoreError> {
        let bytes = encode(state, Some(vault), operation)?;
        let guard = lease.guard()?;
        self.keep_generation_on_disk()?;
        self.world.disk().write_atomic(&self.state_path(), &bytes)?;
        drop(guard);
        Ok(())
    }

    fn put_journal_away(&self, last: Option<&Operation>) -> Result<(), StoreError> {
        let disk = self.world.disk();
        let path = self.journal_path();
        // What is there is the journal of the last operation, or one cut before its opening.
        match disk.read(&path, crate::journal::JOURNAL_BYTES_MAX)? {
            None => return Ok(()),
            Some(bytes) if bytes.is_empty() => disk.remove(&path)?,
            Some(_) => {
                let id = last.map_or("unopened", |operation| operation.id.as_str());
                disk.create_dir_all(&self.journals_dir())?;
                disk.rename(&path, &self.journals_dir().join(format!("{id}.jsonl")))?;
                disk.sync_dir(&self.journals_dir())?;
            }
        }
        Ok(disk.sync_dir(&self.dir)?)
    }

    fn state_path(&self) -> PathBuf {
        self.dir.join("state.json")
    }

    fn journal_path(&self) -> PathBuf {
        self.dir.join("journal.jsonl")
    }

    fn history_dir(&self) -> PathBuf {
        self.dir.join("history")
    }

    fn journals_dir(&self) -> PathBuf {
        self.history_dir().join("journals")
    }
}

/// Joins an error and what led to it.
fn describe(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
