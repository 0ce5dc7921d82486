//! What became of an interrupted run: asks the provider for everything that was begun and not ended.
//!
//! Changes beliefs only. What a create had finished is adopted; what it had not stays open, and the
//! next plan finishes it with the same token, so that a request that was lost on the way and arrives
//! late makes no second object.

use crate::retry;
use crate::state::{State, Status};
use crate::world::World;
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{Connection, OpError, Provider};

/// What recovery found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Objects that had been made and are now known, with the cloud's names for them.
    pub adopted: Vec<(Addr, String)>,
    /// Creates that had not finished; the next plan does.
    pub unfinished: Vec<Addr>,
}

/// Asks for every open create of the state, and adopts what is there.
pub async fn recover(
    state: &mut State,
    provider: &dyn Provider,
    connection: &dyn Connection,
    world: &dyn World,
) -> Result<Recovered, OpError> {
    let mut recovered = Recovered::default();
    for (addr, resource) in &mut state.resources {
        let Some(object) = resource.current.as_mut().filter(|o| o.status == Status::Creating)
        else {
            continue;
        };
        let Some(ty) = provider.native_type(&resource.ty) else { continue };
        match retry::read(world, || connection.find(ty, &object.token)).await? {
            Some(found) if found.complete => {
                recovered.adopted.push((addr.clone(), found.observed.remote_id.clone()));
                object.observed = found.observed;
                object.status = Status::Ready;
                object.doubt_since = None;
                object.accepted = None;
            }
            Some(found) => {
                object.observed.remote_id = found.observed.remote_id;
                recovered.unfinished.push(addr.clone());
            }
            None => recovered.unfinished.push(addr.clone()),
        }
    }
    Ok(recovered)
}
