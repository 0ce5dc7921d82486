//! The same environment on another provider or in another region: compiled and priced, never applied.

use super::{Compiled, Options, Planned, Problem, Request, Site, back};
use crate::diag::Findings;
use crate::estimate::{self, Estimate, Moment, Terms};
use crate::lock::Lock;
use crate::lower;
use crate::refresh::Refreshed;
use crate::state::State;
use dsenv_sdk::Addr;
use dsenv_sdk::prices::{Gpu, Shape};
use std::collections::BTreeMap;

/// Another place for an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The provider's name.
    pub provider: String,
    /// The region; the environment's own where it is `None`.
    pub region: Option<String>,
}

/// What a machine would be there.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The offer.
    pub name: String,
    /// Processors, memory in MiB, and the accelerators in words; `None` for an offer that the price book does
    /// not know.
    pub shape: Option<(u32, u32, Option<String>)>,
}

/// What came of one place.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Which one.
    pub place: Elsewhere,
    /// What it would cost.
    pub estimate: Estimate,
    /// What each machine and pool would be.
    pub specs: BTreeMap<Addr, Spec>,
}

impl Site {
    /// Compiles the environment as if it were elsewhere, from nothing and without the lock, and prices it.
    /// The findings say why it cannot be there.
    pub fn compare(
        &self,
        request: &Request,
        place: &Elsewhere,
        terms: &Terms<'_>,
    ) -> Result<Compared, Findings> {
        let source = self.source().map_err(Problem::into_findings)?;
        let today = request.today.or(Some(self.today()));
        let request = Request { elsewhere: Some(place.clone()), today, ..request.clone() };
        let (front, findings) = super::front(&source, &request, &self.registry);
        let front = front.ok_or(findings)?;
        let (compiled, findings) = back(front, &Lock::default());
        let compiled = compiled.ok_or(findings)?;
        let planned = from_nothing(&compiled).map_err(Problem::into_findings)?;
        let front = &compiled.front;
        let estimate = estimate::estimate(
            &planned.plan,
            &front.resolved,
            &*front.provider,
            terms,
            Moment::After,
        );
        let specs = specs(&compiled, terms);
        Ok(Compared { place: place.clone(), estimate, specs })
    }
}

fn from_nothing(compiled: &Compiled) -> Result<Planned, Problem> {
    let resolved = &compiled.front.resolved;
    let state = State::empty(&resolved.blueprint, &resolved.environment);
    let (refreshed, options) = (Refreshed::unread(), Options::default());
    super::look::plan_for(compiled, &state, &refreshed, None, &options, Default::default())
}

fn specs(compiled: &Compiled, terms: &Terms<'_>) -> BTreeMap<Addr, Spec> {
    let front = &compiled.front;
    let Some(market) = front.provider.market() else { return BTreeMap::new() };
    let pins = BTreeMap::new();
    let around = lower::surroundings(&front.resolved, &pins);
    let mut specs = BTreeMap::new();
    for (addr, resource) in &front.resolved.resources {
        if resource.kind.field("gpu").is_none() {
            continue;
        }
        let neutral = lower::neutral(&front.resolved, resource);
        let offers = front.provider.offers(&neutral, &around);
        let Some(name) = offers.into_iter().next() else { continue };
        let shape = terms.book.shape(market.cloud, &name);
        let shape = shape.map(|Shape { cpus, memory_mib, gpu, .. }| {
            (cpus, memory_mib, gpu.map(|gpu: Gpu<'_>| gpu.to_string()))
        });
        specs.insert(addr.clone(), Spec { name, shape });
    }
    specs
}
