//! Bringing an earlier generation back, and changing the keys.

use super::{Finished, Loaded, Store, StoreError, describe};
use crate::state::file::{FileError, STATE_BYTES_MAX, decode};
use crate::state::lease::Lease;
use crate::state::{Object, Resource, State, verify};
use crate::vault::{Access, Identity, identity_path};
use dsenv_sdk::Addr;
use dsenv_sdk::provider::Token;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Store {
    /// Makes the content of an earlier generation the state, as a new operation with a new
    /// serial. What the cloud holds is not touched; the next plan compares with it.
    ///
    /// Where the current state can be read, what it knows is not lost: its protections, its counts
    /// of generations, and every object that the earlier generation does not have. Such an object
    /// stays under its address, or, where the earlier generation has another one there, among those
    /// that were replaced; the next plan deletes it or asks. Where the current state cannot be read
    /// or is gone, a damaged file is kept in the history, the protections of the newest generation
    /// that can be read are kept, and a journal that continues the restored one is folded in.
    pub fn restore(
        &self,
        lease: &Lease,
        serial: u64,
        identity: &Identity,
    ) -> Result<Loaded, StoreError> {
        lease.refresh()?;
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
            Err(StoreError::Unsound { .. } | StoreError::Missing { .. }) => {
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
            Err(StoreError::Fold { .. }) => {
                let _guard = lease.guard()?;
                self.put_journal_away(None)?;
            }
            Err(error) => return Err(error),
        }
        let protected = self.newest_protections(identity)?;
        // Serials only grow, so that a plan made at a lost one is not taken for a plan at this.
        let newest = self.generations()?.last().map_or(serial, |newest| newest.serial);
        let mut state = target.state.clone();
        state.protected.extend(protected);
        target.state.serial = target.state.serial.max(newest);
        self.write_edit(lease, &mut target, state, "state restore", Some(serial))?;
        Ok(target)
    }

    /// What the newest generation that can be read protects.
    fn newest_protections(&self, identity: &Identity) -> Result<BTreeSet<Addr>, StoreError> {
        let generations = self.generations()?;
        let read = |serial| self.read_generation(serial, identity).ok();
        let newest = generations.iter().rev().find_map(|generation| read(generation.serial));
        Ok(newest.map(|loaded| loaded.state.protected).unwrap_or_default())
    }

    pub(super) fn read_generation(
        &self,
        serial: u64,
        identity: &Identity,
    ) -> Result<Loaded, StoreError> {
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
    target.counted_from = target.counted_from.max(current.counted_from);
    let known: BTreeSet<Token> =
        target.resources.values().flat_map(objects).map(|object| object.token.clone()).collect();
    for (addr, resource) in &current.resources {
        let is_new = |object: &&Object| !known.contains(&object.token);
        let unknown: Vec<Object> = objects(resource).filter(is_new).cloned().collect();
        match target.resources.get_mut(addr) {
            Some(kept) => {
                kept.generation = kept.generation.max(resource.generation);
                let made_as = (kept.ty != resource.ty).then(|| resource.ty.clone());
                kept.deposed.extend(unknown.into_iter().map(|object| Object {
                    ty: object.ty.clone().or_else(|| made_as.clone()),
                    ..object
                }));
            }
            None if unknown.is_empty() => {
                target.retired.insert(addr.clone(), resource.generation);
            }
            None => {
                let is_current = resource.current.as_ref().is_some_and(|it| is_new(&it));
                let mut kept = resource.clone();
                kept.current = kept.current.filter(|_| is_current);
                kept.deposed.retain(|object| !known.contains(&object.token));
                target.put(addr.clone(), kept);
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
    target.prune_dependencies();
}

fn objects(resource: &Resource) -> impl Iterator<Item = &Object> {
    resource.current.iter().chain(&resource.deposed)
}
