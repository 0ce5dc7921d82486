//! A state in the place of one that was lost.

use super::{Finished, Loaded, Store, StoreError};
use crate::state::State;
use crate::state::file::FileError;
use crate::state::lease::Lease;
use crate::vault::{Access, Identity, Vault};
use std::sync::Arc;

/// Where a lost state is rebuilt.
#[derive(Debug)]
pub struct Ground {
    /// An empty state that goes on counting where the lost one stood, with open keys.
    pub loaded: Loaded,
    /// The newest generation of the lost state that can be read.
    pub kept: Option<State>,
}

impl Store {
    /// Looks what is left of a state that was lost: nothing on a machine that never had one, a
    /// history where only the file is gone or damaged. Changes nothing. Refuses a state that has
    /// resources: it is not lost.
    pub fn ground(&self, lease: &Lease, identity: &Identity) -> Result<Ground, StoreError> {
        lease.refresh()?;
        match self.load(Some(identity)) {
            Ok(loaded) if !loaded.state.resources.is_empty() => {
                let (path, count) = (self.state_path(), loaded.state.resources.len());
                Err(StoreError::NotLost { path, count })
            }
            Ok(mut loaded) => {
                if let Access::Unkeyed = loaded.access {
                    loaded.access = new_key(identity)?;
                }
                Ok(Ground { loaded, kept: None })
            }
            Err(
                StoreError::Missing { .. }
                | StoreError::Unsound { .. }
                | StoreError::File(
                    FileError::Empty { .. } | FileError::Damaged { .. } | FileError::Foreign { .. },
                ),
            ) => self.ground_of_history(identity),
            Err(error) => Err(error),
        }
    }

    fn ground_of_history(&self, identity: &Identity) -> Result<Ground, StoreError> {
        let generations = self.generations()?;
        let mut read = generations
            .iter()
            .rev()
            .filter_map(|generation| self.read_generation(generation.serial, identity).ok());
        let (kept, access, last) = match read.next() {
            Some(loaded) => (Some(loaded.state), loaded.access, loaded.last),
            None => (None, new_key(identity)?, None),
        };
        // Serials only grow, so that a plan made at a lost one is not taken for a plan at this.
        let serial = generations.last().map_or(0, |newest| newest.serial);
        let state = State { serial, ..State::empty(&self.blueprint, &self.environment) };
        Ok(Ground { loaded: Loaded { state, access, last, leftover: None }, kept })
    }

    /// Makes this the state, as an operation. A journal that continued the lost one is put away.
    pub fn rebuild(
        &self,
        lease: &Lease,
        mut ground: Ground,
        mut state: State,
    ) -> Result<Finished, StoreError> {
        state.prune_dependencies();
        let problems = crate::state::verify(&state);
        if !problems.is_empty() {
            return Err(StoreError::BadEdit { problems });
        }
        lease.refresh()?;
        self.world.disk().create_dir_all(&self.journals_dir())?;
        let guard = lease.guard()?;
        self.put_journal_away(None)?;
        drop(guard);
        self.write_edit(lease, &mut ground.loaded, state, "state rebuild", None)
    }
}

fn new_key(identity: &Identity) -> Result<Access, StoreError> {
    Ok(Access::Open(Arc::new(Vault::create(&[identity.recipient()])?)))
}
