//! Taking over what exists: objects with this environment's tags that the state does not know, and any
//! object by its name.
//!
//! `adopt` looks at everything that carries the tags: what a lost reply left, what another's lost state
//! made. What its node lacks becomes the node's object. What is too much is left alone unless that is
//! asked for; then it stands in the state among what was replaced, and the next plan deletes it like
//! any other, shown, asked about, and its data guarded.

use super::sitting::{Sitting, beside};
use super::taking::{self, Extent, Left, Seen, all_objects};
use super::{Compiled, Options, Problem, Site};
use crate::diag::{Code, Diagnostic};
use crate::retry;
use crate::state::{Object, Resource, State, Status};
use crate::store::StoreError;
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{OpError, Owned, Token};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};

/// What is done with objects that are too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surplus {
    /// They are listed.
    List,
    /// They are taken too, for the next plan to delete.
    Take,
}

/// What an adoption comes to.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// What is taken, and what is left.
    pub outcome: taking::Outcome,
    /// How many objects carry the tags of this environment and another lineage.
    pub others: BTreeMap<String, usize>,
    /// Whether it was done: nobody has to be asked where nothing is taken.
    pub done: bool,
}

/// Shown what would be taken; `false` leaves everything as it is.
pub(super) type Approve<'a, T> = &'a mut (dyn FnMut(&T) -> BoxFuture<'static, bool> + Send);

impl Site {
    /// Takes objects over that carry this environment's tags and that the state does not know.
    pub async fn adopt(
        &self,
        compiled: &Compiled,
        surplus: Surplus,
        approve: Approve<'_, Adoption>,
    ) -> Result<Adoption, Problem> {
        let options = Options::default();
        let mut sitting = self.sit(&compiled.front, "adopt", &options, &mut |_| {}).await?;
        let lease = sitting.lease.clone();
        let (mut seen, left, others) =
            beside(&lease, self.unknown(compiled, &sitting).map(|it| it.map_err(listing))).await?;
        let mut state = sitting.loaded.state.clone();
        let renewed = match surplus {
            Surplus::List => BTreeSet::new(),
            Surplus::Take => renew(&mut seen, &state),
        };
        let extent = match surplus {
            Surplus::List => Extent::Missing,
            Surplus::Take => Extent::All,
        };
        let marked: Vec<Seen> =
            seen.iter().filter(|it| renewed.contains(&it.owned.token)).cloned().collect();
        let mut outcome = taking::take(&mut state, seen, compiled, None, extent);
        outcome.left.extend(left);
        let mut adoption = Adoption { outcome, others, done: false };
        if adoption.outcome.taken.is_empty() {
            return Ok(adoption);
        }
        if !beside(&lease, approve(&adoption).map(Ok)).await? {
            return Ok(adoption);
        }
        let connection = sitting.connection.clone();
        for one in &marked {
            let Owned { addr, token, remote_id, .. } = &one.owned;
            let claimed =
                retry::read(&*self.world, || connection.claim(one.ty(), addr, token, remote_id));
            let doing = format!("marking `{remote_id}`");
            let claimed = claimed.await.map_err(|source| Problem::Provider { doing, source });
            beside(&lease, std::future::ready(claimed)).await?;
        }
        protect(&mut state, compiled);
        state.bound = Some(sitting.binding.clone());
        let edited = sitting.store.edit(&lease, &mut sitting.loaded, "adopt", |before| {
            *before = state;
            Ok::<(), Problem>(())
        });
        edited?;
        lease.release().map_err(StoreError::from)?;
        adoption.done = true;
        Ok(adoption)
    }

    /// Reads what carries the tags and is not in the state; counts what is of other lineages.
    async fn unknown(
        &self,
        compiled: &Compiled,
        sitting: &Sitting,
    ) -> Result<(Vec<Seen>, Vec<Left>, BTreeMap<String, usize>), OpError> {
        let (connection, state) = (&*sitting.connection, &sitting.loaded.state);
        let listed = retry::read(&*self.world, || connection.inventory(None)).await?;
        let (ours, theirs): (Vec<Owned>, Vec<Owned>) =
            listed.into_iter().partition(|owned| owned.lineage == state.lineage);
        let mut others = BTreeMap::new();
        for owned in theirs {
            *others.entry(owned.lineage).or_default() += 1;
        }
        let is_known = |owned: &Owned| {
            state.resources.values().flat_map(all_objects).any(|object| {
                let id = &object.observed.remote_id;
                *id == owned.remote_id || id.is_empty() && object.token == owned.token
            })
        };
        let unknown = ours.into_iter().filter(|owned| !is_known(owned)).collect();
        let provider = &*compiled.front.provider;
        let (seen, left) = taking::read(unknown, provider, connection, &*self.world).await?;
        Ok((seen, left, others))
    }

    /// Takes an object over as a node of the blueprint, by the cloud's name for it: `import`, of one
    /// that dsenv never made, and `adopt`. Its arguments become what the provider reports, so the next
    /// plan shows what differs from the blueprint.
    pub async fn take_over(
        &self,
        compiled: &Compiled,
        addr: &Addr,
        remote_id: &str,
        command: &str,
    ) -> Result<(), Problem> {
        let refuse = |message: String| Problem::refused(Diagnostic::error(Code::E0814, message));
        let node = compiled.native.nodes.get(addr);
        let node = node.ok_or_else(|| refuse(format!("the blueprint has no `{addr}`")))?;
        let options = super::Options::default();
        let mut sitting = self.sit(&compiled.front, command, &options, &mut |_| {}).await?;
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
        let object = Object {
            token,
            generation,
            args: taking::arguments(node.ty, &observed.values),
            observed,
            status: Status::Ready,
            accepted: None,
            ty: None,
            doubt_since: None,
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
        let edited = sitting.store.edit(&sitting.lease, &mut sitting.loaded, command, |state| {
            state.put(addr.clone(), resource);
            state.bound = Some(bound);
            Ok::<(), Problem>(())
        });
        edited?;
        sitting.lease.release().map_err(crate::store::StoreError::from)?;
        Ok(())
    }
}

/// Protects what the blueprint protects and the state has.
pub(super) fn protect(state: &mut State, compiled: &Compiled) {
    let has = |addr: &&Addr| state.resources.keys().any(|known| addr.covers(known));
    let protected: Vec<Addr> = compiled.native.protect.iter().filter(has).cloned().collect();
    state.protected.extend(protected);
}

/// Gives objects that share a token with another one of their own; returns the new tokens.
fn renew(seen: &mut [Seen], state: &State) -> BTreeSet<Token> {
    let objects = state.resources.values().flat_map(all_objects);
    let mut used: BTreeSet<Token> = objects.map(|object| object.token.clone()).collect();
    let mut renewed = BTreeSet::new();
    for one in seen {
        if !used.insert(one.owned.token.clone()) {
            let token = one.renew(state, &used).clone();
            renewed.insert(token.clone());
            used.insert(token);
        }
    }
    renewed
}

pub(super) fn listing(source: OpError) -> Problem {
    let doing = "listing what carries the tags of this environment".to_owned();
    Problem::Provider { doing, source }
}

/// The node that has this object, now or from before a replacement.
fn owner_of(state: &State, ty: &str, remote_id: &str) -> Option<Addr> {
    let has = |(_, resource): &(&Addr, &Resource)| {
        let mut objects = resource.current.iter().chain(&resource.deposed);
        resource.ty == ty && objects.any(|object| object.observed.remote_id == remote_id)
    };
    state.resources.iter().find(has).map(|(addr, _)| addr.clone())
}
