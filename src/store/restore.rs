//! Bringing an earlier generation back, and changing the keys.

use super::{Finished, Loaded, Store, StoreError, describe};
use crate::state::file::{FileError, STATE_BYTES_MAX, decode};
use crate::state::lease::Lease;
use crate::state::{State, verify};
use crate::vault::{Access, Identity, identity_path};
use std::sync::Arc;

impl Store {
    /// Makes the content of an earlier generation the state, as a new operation with a new
    /// serial. What the cloud holds is not touched; the next plan compares with it.
    ///
    /// Where the current state can be read, its protections are kept and its counters of
    /// generations are honoured: an object that only the current state knows is found again by
    /// its token when its node is created next. Where it cannot be read, the damaged file is kept
    /// in the history, and a journal that continues the restored generation is folded in.
    pub fn restore(
        &self,
        lease: &Lease,
        serial: u64,
        identity: &Identity,
    ) -> Result<Loaded, StoreError> {
        lease.check()?;
        let mut target = self.read_generation(serial, identity)?;
        match self.load(Some(identity)) {
            Ok(_) => {
                let mut loaded = self.establish(lease, identity)?;
                carry_over(&mut target.state, &loaded.state);
                if target.state.lineage != loaded.state.lineage {
                    loaded.access = target.access;
                }
                self.write_edit(lease, &mut loaded, target.state, "state restore", Some(serial))?;
                Ok(loaded)
            }
            Err(StoreError::File(
                FileError::Empty { .. } | FileError::Damaged { .. } | FileError::Foreign { .. },
            )) => self.replace_damaged(lease, serial, target, identity),
            Err(StoreError::Unsound { .. }) => {
                self.replace_damaged(lease, serial, target, identity)
            }
            Err(error) => Err(error),
        }
    }

    fn replace_damaged(
        &self,
        lease: &Lease,
        serial: u64,
        mut target: Loaded,
        identity: &Identity,
    ) -> Result<Loaded, StoreError> {
        let guard = lease.guard()?;
        self.keep_generation_on_disk()?;
        let bytes = self.world.disk().read(&self.generation_path(serial), STATE_BYTES_MAX)?;
        let bytes = bytes.expect("it was read a moment ago");
        self.world.disk().write_atomic(&self.state_path(), &bytes)?;
        drop(guard);
        match self.load(Some(identity)) {
            // The journal of an interrupted run continues it, or there is none.
            Ok(_) => target = self.establish(lease, identity)?,
            Err(StoreError::Fold { .. }) => self.put_journal_away(None)?,
            Err(error) => return Err(error),
        }
        // Serials only grow, so that a plan made at a lost one is not taken for a plan at this.
        let newest = self.generations()?.last().map_or(serial, |newest| newest.serial);
        let state = target.state.clone();
        target.state.serial = target.state.serial.max(newest);
        self.write_edit(lease, &mut target, state, "state restore", Some(serial))?;
        Ok(target)
    }

    fn read_generation(&self, serial: u64, identity: &Identity) -> Result<Loaded, StoreError> {
        let path = self.generation_path(serial);
        let Some(bytes) = self.world.disk().read(&path, STATE_BYTES_MAX)? else {
            let kept = self.generations()?.iter().map(|generation| generation.serial).collect();
            return Err(StoreError::NoGeneration { dir: self.history_dir(), serial, kept });
        };
        let file = decode(&bytes, &path, Some(identity), &identity_path(&*self.world))?;
        let problems = verify(&file.state);
        if !problems.is_empty() {
            return Err(StoreError::Unsound { path, problems });
        }
        let loaded =
            Loaded { state: file.state, access: file.access, last: file.operation, leftover: None };
        loaded.vault()?;
        Ok(loaded)
    }

    /// Gives an established state a new data key for these recipients, seals every secret with
    /// it, and removes the generations and journals that the old key opens.
    pub fn rotate(
        &self,
        lease: &Lease,
        loaded: &mut Loaded,
        recipients: &[String],
    ) -> Result<Finished, StoreError> {
        let vault = loaded.vault()?.rotate(recipients)?;
        let old = std::mem::replace(&mut loaded.access, Access::Open(Arc::new(vault)));
        let state = loaded.state.clone();
        match self.write_edit(lease, loaded, state, "rotate keys", None) {
            Ok(mut finished) => {
                if let Err(error) = self.forget_old_ciphertexts(finished.serial) {
                    finished.warnings.push(describe(&error));
                }
                Ok(finished)
            }
            Err(error) => {
                loaded.access = old;
                Err(error)
            }
        }
    }
}

/// Keeps of the current state what going back must not lose.
fn carry_over(target: &mut State, current: &State) {
    target.protected.extend(current.protected.iter().cloned());
    let last = |addr| current.next_generation(addr) - 1;
    for (addr, resource) in &current.resources {
        // One less than the living object: the next create then has its token and finds it.
        let living = resource.current.as_ref().map(|object| object.generation - 1);
        let counter = living.unwrap_or(last(addr));
        match target.resources.get_mut(addr) {
            Some(kept) => kept.generation = kept.generation.max(counter),
            None => {
                target.retired.insert(addr.clone(), counter);
            }
        }
    }
    for (addr, counter) in &current.retired {
        match target.resources.get_mut(addr) {
            Some(kept) => kept.generation = kept.generation.max(*counter),
            None => {
                let known = target.retired.entry(addr.clone()).or_default();
                *known = (*known).max(*counter);
            }
        }
    }
}
