//! A lost state is made anew from the tags that every object carries.
//!
//! In: the blueprint, the folder of the state, a connection. Out: a state of the same lineage, so that
//! tokens go on meaning the same. What lived in the state alone is had again from the history, or where
//! it follows from the blueprint; a generated secret is lost, and the next plan makes a new one.
//!
//! ## Generations
//! The token of an object tells its generation, and nothing tells those of objects that are gone. So
//! counting goes on from the clock, in seconds: no earlier count comes near it.

use super::adopt::{Approve, listing, protect};
use super::look::{plan_for, verify};
use super::sitting::beside;
use super::taking::{self, Extent, Outcome};
use super::{Compiled, Options, Planned, Problem, Site};
use crate::apply::Recovered;
use crate::diag::{Code, Diagnostic};
use crate::refresh::Refreshed;
use crate::retry;
use crate::state::{Binding, State};
use crate::store::{Ground, StoreError};
use crate::vault::Identity;
use dsenv_sdk::provider::Owned;
use futures::FutureExt;
use std::collections::BTreeMap;

/// A state that was made anew.
#[derive(Clone)]
pub struct Rebuilt {
    /// The lineage that it goes on with.
    pub lineage: String,
    /// Whom its objects belong to.
    pub binding: Binding,
    /// What is in it, and what is not.
    pub outcome: Outcome,
    /// How many objects carry the tags of this environment and another lineage.
    pub others: BTreeMap<String, usize>,
    /// What would be done next, where that can be told.
    pub next: Option<Box<Planned>>,
    /// The serial that it has; `None` when somebody did not want it.
    pub serial: Option<u64>,
}

impl Site {
    /// Makes a lost state anew; `lineage` chooses where objects of several are found.
    pub async fn rebuild(
        &self,
        compiled: &Compiled,
        lineage: Option<&str>,
        approve: Approve<'_, Rebuilt>,
    ) -> Result<Rebuilt, Problem> {
        let store = self.store(&compiled.front)?;
        let lease = store.acquire("state rebuild", 0).await?;
        let identity = Identity::find_or_create(&*self.world)?;
        let ground = store.ground(&lease, &identity)?;
        let made = beside(&lease, self.assemble(compiled, &ground, lineage)).await?;
        let (state, mut rebuilt) = made;
        if !beside(&lease, approve(&rebuilt).map(Ok)).await? {
            return Ok(rebuilt);
        }
        let finished = store.rebuild(&lease, ground, state)?;
        rebuilt.serial = Some(finished.serial);
        lease.release().map_err(StoreError::from)?;
        Ok(rebuilt)
    }

    /// Finds the lineage, reads its objects, and makes the state. Changes nothing.
    async fn assemble(
        &self,
        compiled: &Compiled,
        ground: &Ground,
        wanted: Option<&str>,
    ) -> Result<(State, Rebuilt), Problem> {
        let front = &compiled.front;
        let (world, provider) = (&*self.world, &*front.provider);
        let store = self.store(front)?;
        let vault = ground.loaded.vault()?;
        let environment = &front.resolved.environment;
        let key = |lineage: &str| vault.provider_key(lineage, environment);
        let known = ground.kept.as_ref().unwrap_or(&ground.loaded.state);
        let connection =
            self.connect_as(front, &store, &known.lineage, key(&known.lineage)).await?;
        let nothing = State::empty(&known.blueprint, environment);
        let binding = verify(front, &nothing, &*connection, world).await?;
        let listed = retry::read(world, || connection.inventory(None)).await.map_err(listing)?;
        let Chosen { lineage, owned, others } = choose(listed, wanted, compiled, &binding)?;
        let connection = self.connect_as(front, &store, &lineage, key(&lineage)).await?;
        let read = taking::read(owned, provider, &*connection, world).await;
        let (seen, left) = read.map_err(listing)?;
        let kept = ground.kept.as_ref().filter(|kept| kept.lineage == lineage);
        let mut state = beginning(ground, kept, &lineage, world.now().as_second());
        state.bound = Some(binding.clone());
        let mut outcome = taking::take(&mut state, seen, compiled, kept, Extent::Rebuild);
        outcome.left.extend(left);
        protect(&mut state, compiled);
        let (options, unread) = (Options::default(), Refreshed::unread());
        let bound = Some(binding.clone());
        let next = plan_for(compiled, &state, &unread, bound, &options, Recovered::default());
        let next = next.ok().map(Box::new);
        Ok((state, Rebuilt { lineage, binding, outcome, others, next, serial: None }))
    }
}

/// The state before anything is taken into it: what an earlier one counted and protected.
fn beginning(ground: &Ground, kept: Option<&State>, lineage: &str, now_s: i64) -> State {
    let mut state = State { lineage: lineage.to_owned(), ..ground.loaded.state.clone() };
    state.counted_from = u64::try_from(now_s).unwrap_or(0).max(state.counted_from);
    if let Some(kept) = kept {
        state.counted_from = state.counted_from.max(kept.counted_from);
        state.protected.extend(kept.protected.iter().cloned());
        state.retired.extend(kept.retired.clone());
        let last = kept.resources.iter().map(|(addr, it)| (addr.clone(), it.generation));
        state.retired.extend(last.filter(|(_, generation)| *generation > 0));
    }
    state
}

/// One lineage of those whose objects carry the tags.
struct Chosen {
    lineage: String,
    owned: Vec<Owned>,
    /// How many objects there are of each other one.
    others: BTreeMap<String, usize>,
}

/// Finds the lineage that is meant.
fn choose(
    listed: Vec<Owned>,
    wanted: Option<&str>,
    compiled: &Compiled,
    binding: &Binding,
) -> Result<Chosen, Problem> {
    let refuse = |message: String| Diagnostic::error(Code::E0819, message);
    let mut by_lineage: BTreeMap<String, Vec<Owned>> = BTreeMap::new();
    for owned in listed {
        by_lineage.entry(owned.lineage.clone()).or_default().push(owned);
    }
    let named = |by_lineage: &BTreeMap<String, Vec<Owned>>| {
        let one = |(lineage, owned): (&String, &Vec<Owned>)| {
            format!("`{lineage}` with {}", some_of(owned))
        };
        by_lineage.iter().map(one).collect::<Vec<_>>().join("; ")
    };
    let Some(first) = by_lineage.keys().next().cloned() else {
        let resolved = &compiled.front.resolved;
        let message = format!(
            "nothing in account `{}`, region `{}`, carries the tags of blueprint `{}`, \
             environment `{}`",
            binding.account, binding.region, resolved.blueprint, resolved.environment
        );
        let help = "if there never was anything, `dsenv apply` begins";
        return Err(Problem::refused(refuse(message).help(help)));
    };
    let chosen = match wanted {
        Some(wanted) if !by_lineage.contains_key(wanted) => {
            let message =
                format!("nothing carries lineage `{wanted}`; there is {}", named(&by_lineage));
            return Err(Problem::refused(refuse(message)));
        }
        Some(wanted) => wanted.to_owned(),
        None if by_lineage.len() > 1 => {
            let message = format!(
                "objects of {} lineages are there: {}",
                by_lineage.len(),
                named(&by_lineage)
            );
            let help = "`--lineage NAME` chooses one; what is of another belongs to another state, \
                        perhaps to somebody who works from the same blueprint";
            return Err(Problem::refused(refuse(message).help(help)));
        }
        None => first,
    };
    let owned = by_lineage.remove(&chosen).expect("it was just found");
    let others = by_lineage.into_iter().map(|(lineage, owned)| (lineage, owned.len()));
    Ok(Chosen { lineage: chosen, owned, others: others.collect() })
}

/// How many objects, and the first of them by name.
fn some_of(owned: &[Owned]) -> String {
    const NAMED_MAX: usize = 3;
    let mut names: Vec<String> = owned.iter().map(|owned| format!("`{}`", owned.addr)).collect();
    names.sort();
    names.dedup();
    let more = if names.len() > NAMED_MAX { ", ..." } else { "" };
    names.truncate(NAMED_MAX);
    let objects = if owned.len() == 1 { "object" } else { "objects" };
    format!("{} {objects} ({}{more})", owned.len(), names.join(", "))
}
