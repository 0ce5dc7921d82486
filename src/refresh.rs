//! Looks at what is there: every object of the state, read again in few calls.
//!
//! In: the state and a connection. Out: [`Refreshed`], by address. Changes nothing, neither in the
//! cloud nor in the state; the plan decides what becomes of what was seen.
//!
//! ## Why what is not there is asked for twice
//! Reads of a cloud may be behind the truth: EC2 shows a new instance to DescribeInstances after up
//! to a minute. An object that is taken for gone is made anew, and then there are two. So `find`,
//! which asks by token, has the last word.

use crate::retry;
use crate::state::{Object, State, Status};
use crate::world::World;
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{Connection, Observed, OpError, OpErrorClass, Prior, Provider};
use dsenv_sdk::schema::NativeType;
use std::collections::BTreeMap;

/// How many objects of one type are asked for in one call at most.
const BATCH_MAX: usize = 1_000;

/// What was seen of one node's current object.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen<'a> {
    /// Nobody looked.
    Unread,
    /// It is not there.
    Gone,
    /// This is there.
    There(&'a Observed),
}

/// What was seen, by address.
#[derive(Clone, Debug, Default)]
pub struct Refreshed(BTreeMap<Addr, Option<Observed>>);

impl Refreshed {
    /// Nobody looked at anything: `--refresh=false`.
    pub fn unread() -> Refreshed {
        Refreshed::default()
    }

    /// Returns what was seen of a node.
    pub fn seen(&self, addr: &Addr) -> Seen<'_> {
        match self.0.get(addr) {
            None => Seen::Unread,
            Some(None) => Seen::Gone,
            Some(Some(observed)) => Seen::There(observed),
        }
    }

    /// Records what was seen of a node; for tests, and for adoption.
    pub fn insert(&mut self, addr: Addr, observed: Option<Observed>) {
        self.0.insert(addr, observed);
    }
}

/// Reads every current object of the state again. An object whose creation has not finished is left
/// to recovery.
pub async fn refresh(
    state: &State,
    provider: &dyn Provider,
    connection: &dyn Connection,
    world: &dyn World,
) -> Result<Refreshed, OpError> {
    let mut by_type: BTreeMap<&str, Vec<Prior>> = BTreeMap::new();
    for (addr, resource) in &state.resources {
        if let Some(object) = resource.current.as_ref().filter(|o| o.status != Status::Creating) {
            by_type.entry(&resource.ty).or_default().push(prior(addr, object));
        }
    }
    let mut refreshed = Refreshed::default();
    for (ty, priors) in by_type {
        // A type that this provider no longer has cannot be read; its objects stay as recorded.
        let Some(ty) = provider.native_type(ty) else { continue };
        for batch in priors.chunks(BATCH_MAX) {
            let seen = retry::read(world, || connection.read_many(ty, batch)).await?;
            if seen.len() != batch.len() {
                return Err(miscounted(provider, batch.len(), seen.len()));
            }
            for (prior, seen) in batch.iter().zip(seen) {
                let seen = match seen {
                    Some(observed) => Some(observed),
                    None => find(ty, prior, connection, world).await?,
                };
                refreshed.0.insert(prior.addr.clone(), seen);
            }
        }
    }
    Ok(refreshed)
}

/// Asks by token for what a read did not show. State-only objects and imported ones that were never
/// claimed have nothing to find.
async fn find(
    ty: &'static NativeType,
    prior: &Prior,
    connection: &dyn Connection,
    world: &dyn World,
) -> Result<Option<Observed>, OpError> {
    let found = retry::read(world, || connection.find(ty, &prior.token)).await?;
    // One that was made half way is there, and costs.
    Ok(found.map(|found| found.observed))
}

fn miscounted(provider: &dyn Provider, asked: usize, answered: usize) -> OpError {
    let name = provider.name();
    let message = format!(
        "provider `{name}` broke its contract: asked for {asked} objects, it answered for {answered}"
    );
    OpError::new(OpErrorClass::Invalid, message)
}

/// What the state remembers of an object, as a provider takes it.
pub fn prior(addr: &Addr, object: &Object) -> Prior {
    Prior { addr: addr.clone(), token: object.token.clone(), observed: object.observed.clone() }
}
