//! Looks at what is there: every object of the state, read again in few calls.
//!
//! In: the state and a connection. Out: [`Refreshed`], by address. Changes nothing, neither in the
//! cloud nor in the state; the plan decides what becomes of what was seen.

use crate::state::{Object, State, Status};
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{Connection, Observed, OpError, Prior, Provider};
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
            let seen = connection.read_many(ty, batch).await?;
            assert_eq!(seen.len(), batch.len(), "a provider answers as often as it was asked");
            for (prior, seen) in batch.iter().zip(seen) {
                refreshed.0.insert(prior.addr.clone(), seen);
            }
        }
    }
    Ok(refreshed)
}

/// What the state remembers of an object, as a provider takes it.
pub fn prior(addr: &Addr, object: &Object) -> Prior {
    Prior { addr: addr.clone(), token: object.token.clone(), observed: object.observed.clone() }
}
