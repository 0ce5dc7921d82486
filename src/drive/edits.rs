//! Changes of the state alone, each an operation under the lock.

use super::sitting::beside;
use super::{Compiled, Front, Problem, Site};
use crate::diag::{Code, Diagnostic};
use crate::retry;
use crate::state::edit::{self, EditError};
use crate::state::{Object, Resource, State, Status};
use crate::store::Loaded;
use crate::vault::Identity;
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{OpErrorClass, Token};
use dsenv_sdk::value::Map;
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

    /// Takes an object that dsenv did not create over as a node of the blueprint. Its arguments
    /// become what the provider reports, so the next plan shows what differs from the blueprint.
    pub async fn import(
        &self,
        compiled: &Compiled,
        addr: &Addr,
        remote_id: &str,
    ) -> Result<(), Problem> {
        let refuse = |message: String| Problem::refused(Diagnostic::error(Code::E0814, message));
        let node = compiled.native.nodes.get(addr);
        let node = node.ok_or_else(|| refuse(format!("the blueprint has no `{addr}`")))?;
        let options = super::Options::default();
        let mut sitting = self.sit(&compiled.front, "import", &options, &mut |_| {}).await?;
        if sitting.loaded.state.resources.contains_key(addr) {
            return Err(refuse(format!("the state has `{addr}` already")));
        }
        if let Some(other) = owner_of(&sitting.loaded.state, node.ty.name, remote_id) {
            return Err(refuse(format!("`{remote_id}` is `{other}` in the state already")));
        }
        let connection = sitting.connection.clone();
        let failed = |doing: &str| {
            let doing = format!("{doing} `{remote_id}`");
            move |source| Problem::Provider { doing, source }
        };
        let read = connection.read_foreign(node.ty, remote_id).await;
        let observed = read
            .map_err(failed("reading"))?
            .ok_or_else(|| refuse(format!("the provider has no {} `{remote_id}`", node.ty.name)))?;
        let generation = sitting.loaded.state.next_generation(addr);
        let token = Token::new(&sitting.loaded.state.lineage, addr, generation);
        let claimed = connection.claim(node.ty, addr, &token, remote_id).await;
        claimed.map_err(failed("marking"))?;
        let is_argument = |name: &&String| node.ty.field(name).is_some();
        let args: Map = observed
            .values
            .iter()
            .filter(|(name, _)| is_argument(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let object = Object {
            token,
            generation,
            args,
            observed,
            status: Status::Ready,
            accepted: None,
            ty: None,
            price_paid: None,
        };
        let resource = Resource {
            kind: node.kind.to_owned(),
            ty: node.ty.name.to_owned(),
            provider: compiled.front.provider.name().to_owned(),
            generation,
            current: Some(object),
            deposed: Vec::new(),
            depends_on: node.depends_on.clone(),
            create_first: false,
            on_destroy: node.on_destroy,
        };
        let bound = sitting.binding.clone();
        let edited = sitting.store.edit(&sitting.lease, &mut sitting.loaded, "import", |state| {
            state.put(addr.clone(), resource);
            state.bound = Some(bound);
            Ok::<(), Problem>(())
        });
        edited?;
        sitting.lease.release().map_err(crate::store::StoreError::from)?;
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

/// The node that has this object, now or from before a replacement.
fn owner_of(state: &State, ty: &str, remote_id: &str) -> Option<Addr> {
    let has = |(_, resource): &(&Addr, &Resource)| {
        let mut objects = resource.current.iter().chain(&resource.deposed);
        resource.ty == ty && objects.any(|object| object.observed.remote_id == remote_id)
    };
    state.resources.iter().find(has).map(|(addr, _)| addr.clone())
}
