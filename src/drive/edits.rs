//! Changes of the state alone, each an operation under the lock.

use super::sitting::beside;
use super::{Front, Problem, Site};
use crate::diag::{Code, Diagnostic};
use crate::retry;
use crate::state::State;
use crate::state::edit::{self, EditError};
use crate::store::Loaded;
use crate::vault::Identity;
use dsenv_sdk::Addr;
use dsenv_sdk::provider::OpErrorClass;
use futures::FutureExt;

impl Site {
    /// Reads the state without changing anything; an interrupted run is folded in.
    pub fn load(&self, front: &Front) -> Result<Loaded, Problem> {
        let identity = Identity::find(&*self.world)?;
        Ok(self.store(front)?.load(identity.as_ref())?)
    }

    /// Changes the state in one go, as an operation. What `change` refuses changes nothing.
    pub async fn edit(
        &self,
        front: &Front,
        command: &str,
        lock_timeout_ms: u64,
        change: impl FnOnce(&mut State) -> Result<(), Problem>,
    ) -> Result<u64, Problem> {
        let store = self.store(front)?;
        let lease = store.acquire(command, lock_timeout_ms).await?;
        let identity = Identity::find_or_create(&*self.world)?;
        let mut loaded = store.establish(&lease, &identity)?;
        let finished = store.edit(&lease, &mut loaded, command, change)?;
        lease.release().map_err(crate::store::StoreError::from)?;
        Ok(finished.serial)
    }

    /// Gives a resource another name, in the state and on its objects. The objects first: a second
    /// call after a crash between the two finds them as they should be.
    pub async fn rename(&self, front: &Front, from: &Addr, to: &Addr) -> Result<(), Problem> {
        let options = super::Options::default();
        let mut sitting = self.sit(front, "state mv", &options, &mut |_| {}).await?;
        let state = &sitting.loaded.state;
        let mut renamed = state.clone();
        edit::rename(&mut renamed, from, to).map_err(edit_refused)?;
        let connection = sitting.connection.clone();
        for (addr, resource) in &renamed.resources {
            let Some(ty) = front.provider.native_type(&resource.ty) else { continue };
            let objects = resource.current.iter().chain(&resource.deposed);
            let objects = objects.filter(|object| !object.observed.remote_id.is_empty());
            if state.resources.contains_key(addr) || ty.state_only {
                continue;
            }
            for object in objects {
                let remote_id = &object.observed.remote_id;
                let claimed = retry::read(&*self.world, || {
                    connection.claim(ty, addr, &object.token, remote_id)
                });
                let doing = format!("marking `{remote_id}`");
                let claimed = beside(&sitting.lease, claimed.map(Ok)).await?;
                // What is gone needs no mark; the next plan says that it is gone.
                match claimed {
                    Err(error) if error.class != OpErrorClass::NotFound => {
                        return Err(Problem::Provider { doing, source: error });
                    }
                    Err(_) | Ok(()) => {}
                }
            }
        }
        let edited = sitting.store.edit(&sitting.lease, &mut sitting.loaded, "state mv", |state| {
            *state = State { serial: state.serial, ..renamed };
            Ok::<(), Problem>(())
        });
        edited?;
        sitting.lease.release().map_err(crate::store::StoreError::from)?;
        Ok(())
    }

    /// Brings an earlier generation back; returns the serial that it has now.
    pub async fn restore(&self, front: &Front, serial: u64) -> Result<u64, Problem> {
        let store = self.store(front)?;
        let lease = store.acquire("state restore", 0).await?;
        let identity = Identity::find_or_create(&*self.world)?;
        let loaded = store.restore(&lease, serial, &identity)?;
        lease.release().map_err(crate::store::StoreError::from)?;
        Ok(loaded.state.serial)
    }

    /// Makes a new key and seals every secret with it.
    pub async fn rotate_key(&self, front: &Front) -> Result<(), Problem> {
        let store = self.store(front)?;
        let lease = store.acquire("state rotate-key", 0).await?;
        let identity = Identity::find_or_create(&*self.world)?;
        let mut loaded = store.establish(&lease, &identity)?;
        store.rotate(&lease, &mut loaded, &[identity.recipient()])?;
        lease.release().map_err(crate::store::StoreError::from)?;
        Ok(())
    }
}

/// Words why an edit of the state is refused.
pub fn edit_refused(error: EditError) -> Problem {
    let message = error.to_string();
    Problem::refused(match error {
        EditError::Protected { by, .. } => Diagnostic::error(Code::E0808, message)
            .help(format!("if that is meant: `dsenv unprotect '{by}'`, then again")),
        EditError::NotThere(_)
        | EditError::Taken(_)
        | EditError::Part
        | EditError::NotProtected(_) => Diagnostic::error(Code::E0814, message),
    })
}
