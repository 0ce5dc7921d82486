//! The state: what dsenv believes exists, one entry a native node.
//!
//! It is a belief with a history. Records of the journal change it ([`crate::journal`]), a store
//! keeps it ([`crate::store`]), and one loop owns it while an apply runs. What is in the cloud may differ;
//! `refresh` finds out. Format 1 already carries what later work needs: deposed and tainted
//! objects, the order of replacement, protection, accepted operations and the price paid.
//!
//! What this module never does: call a provider, decide what to change.

pub mod edit;
pub mod file;
pub mod lease;
mod verify;
pub(crate) mod wire;

pub use verify::verify;
pub use wire::{Operation, Outcome};

use dsenv_sdk::Addr;
use dsenv_sdk::provider::{Accepted, Observed, Token};
use dsenv_sdk::value::Map;
use std::collections::{BTreeMap, BTreeSet};

/// The whole of what dsenv believes of one environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The identity of this history: random, made by the first apply, the same for ever. Empty
    /// before that.
    pub lineage: String,
    /// How many times it was written. A plan made at one serial is refused at another.
    pub serial: u64,
    /// The blueprint's name: a state of another blueprint is refused.
    pub blueprint: String,
    /// The environment's name.
    pub environment: String,
    /// The provider, and the account and region that were verified at the last apply.
    pub bound: Option<Binding>,
    /// Every node, by address.
    pub resources: BTreeMap<Addr, Resource>,
    /// What the blueprint's `outputs` were after the last apply, by name.
    pub outputs: Map,
    /// Resources protected in the state, whatever the blueprint says: neutral addresses.
    pub protected: BTreeSet<Addr>,
    /// Where the generations of nodes begin that are in neither list: after a rebuild, what was
    /// counted before is lost.
    pub counted_from: u64,
    /// The last generation of nodes that are gone. Without it a node that comes back would count
    /// from 1 again, and its token would name the object that was deleted.
    pub retired: BTreeMap<Addr, u64>,
}

impl State {
    /// Makes the state of an environment in which nothing was ever applied.
    pub fn empty(blueprint: &str, environment: &str) -> State {
        State {
            blueprint: blueprint.to_owned(),
            environment: environment.to_owned(),
            ..State::default()
        }
    }

    /// Returns the generation of the node's next object.
    pub fn next_generation(&self, addr: &Addr) -> u64 {
        let last = self.resources.get(addr).map(|resource| resource.generation);
        let last = last.or_else(|| self.retired.get(addr).copied()).unwrap_or(0);
        last.max(self.counted_from) + 1
    }

    /// Sets the entry of a node. The count of its generations never goes back.
    pub fn put(&mut self, addr: Addr, mut resource: Resource) {
        let retired = self.retired.remove(&addr).unwrap_or(0);
        resource.generation = resource.generation.max(retired);
        self.resources.insert(addr, resource);
    }

    /// Removes the entry of a node and keeps its generation; `None` when there was none.
    /// Dependencies on it stay until [`State::prune_dependencies`].
    pub fn remove(&mut self, addr: &Addr) -> Option<Resource> {
        let resource = self.resources.remove(addr)?;
        if resource.generation > 0 {
            self.retired.insert(addr.clone(), resource.generation);
        }
        Some(resource)
    }

    /// Forgets dependencies on nodes that are no longer there. They order deletions, and what is
    /// gone needs no place in the order.
    pub fn prune_dependencies(&mut self) {
        let there: BTreeSet<Addr> = self.resources.keys().cloned().collect();
        for resource in self.resources.values_mut() {
            resource.depends_on.retain(|addr| there.contains(addr));
        }
    }
}

/// Where the objects of a state live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The provider's name.
    pub provider: String,
    /// The account, as the provider said it.
    pub account: String,
    /// The region, as the provider said it.
    pub region: String,
}

/// One node: its current object, and those that were replaced and await deletion.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// The neutral kind that it was lowered from.
    pub kind: String,
    /// The native type.
    pub ty: String,
    /// The provider's name.
    pub provider: String,
    /// The last generation that was begun; the next create is one more. Never goes back, so that
    /// a token is never used for two different objects.
    pub generation: u64,
    /// The object that counts now; `None` between the two halves of a delete-first replacement,
    /// and when a create failed.
    pub current: Option<Object>,
    /// Objects that were replaced and could not be deleted yet.
    pub deposed: Vec<Object>,
    /// Nodes that it was made after, so that they can be deleted in the right order when the
    /// blueprint no longer says.
    pub depends_on: BTreeSet<Addr>,
    /// Whether it is replaced create-first, kept because its block may be gone when it matters.
    pub create_first: bool,
    /// What becomes of its data, kept for the same reason.
    pub on_destroy: dsenv_sdk::provider::OnDestroy,
}

/// One object in the cloud.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The token that made it.
    pub token: Token,
    /// Which creation of this node it is, from 1.
    pub generation: u64,
    /// The native type that it was made as, where that is not its node's any more. It is deleted as
    /// what it is.
    pub ty: Option<String>,
    /// What was asked for when it was last applied.
    pub args: Map,
    /// What was last seen of it. Before a create is answered, the remote id may be empty.
    pub observed: Observed,
    /// How it stands.
    pub status: Status,
    /// Since when its create is in doubt: no attempt is under way any more, and nobody knows whether
    /// one made something. `None` after a death in the middle; the next run counts from its own time.
    pub doubt_since: Option<jiff::Timestamp>,
    /// What the cloud has taken and not finished.
    pub accepted: Option<Accepted>,
    /// What it cost when it was applied, as decimal text with its currency; `None` where no price
    /// was known.
    pub price_paid: Option<String>,
}

/// How an object stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is there and as asked for.
    Ready,
    /// It was created incompletely: the next plan replaces it.
    Tainted,
    /// A create was begun and its end is not known.
    Creating,
    /// An update was begun and its end is not known.
    Updating,
    /// A delete was begun and its end is not known.
    Deleting,
}

#[cfg(test)]
mod tests;
