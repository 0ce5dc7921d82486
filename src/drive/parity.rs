//! Holds two environments of the blueprint against each other, level by level.
//!
//! Without a level it goes as far as the files on this machine lead, and says what it did not look at. With
//! one it has to get there: what cannot be read is then the answer. Changes nothing. Only L3 connects to
//! anything, and starts again what should run, as every status does.

use super::compile::Compiled;
use super::{Options, Problem, Request, Site, chain, probe};
use crate::blueprint;
use crate::diag::{Code, Diagnostic};
use crate::diff::Action;
use crate::lower;
use crate::parity::applied::{self, Applied};
use crate::parity::declared::{self, Side};
use crate::parity::locked::{self, Pin};
use crate::parity::observed::{self, Found};
use crate::parity::{Level, Parity};
use crate::retry;
use dsenv_sdk::Addr;
use dsenv_sdk::provider::Operate;
use dsenv_sdk::software::Locked;
use std::collections::{BTreeMap, BTreeSet};

/// Two environments, and what came of holding one against the other.
pub struct Pair {
    /// What was found.
    pub parity: Parity,
    /// The blueprint in each of the two.
    pub compiled: [Compiled; 2],
}

impl Site {
    /// Compares two environments by name, up to a level; up to L2 as far as it can be read when `None`.
    ///
    /// The order counts: the second may be stricter than the first, never laxer.
    pub async fn parity(
        &self,
        request: &Request,
        names: [&str; 2],
        asked: Option<Level>,
    ) -> Result<Pair, Problem> {
        if names[0] == names[1] {
            let message = format!("`{}` is held against itself", names[0]);
            let same = Diagnostic::error(Code::E0506, message);
            return Err(Problem::refused(same.help("name two environments: `parity dev prod`")));
        }
        let (blueprint, findings) = blueprint::parse(&self.source()?);
        let Some(blueprint) = blueprint else { return Err(Problem::Refused(findings)) };
        let in_one = |name: &str| {
            let request = Request { environment: Some(name.to_owned()), ..request.clone() };
            self.compile(&request).map(|(compiled, _)| compiled)
        };
        let compiled = [in_one(names[0])?, in_one(names[1])?];
        let mut parity = Parity::default();
        let [one, other] = compiled
            .each_ref()
            .map(|it| Side { resolved: &it.front.resolved, provider: &*it.front.provider });
        declared::compare(&blueprint, one, other, &mut parity);
        for level in Level::ALL.into_iter().filter(|level| wanted(*level, asked)) {
            let read = match level {
                Level::Declared => Ok(()),
                Level::Locked => self.locked(&compiled, &mut parity)?,
                Level::Applied => self.applied(names, &compiled, &mut parity)?,
                Level::Observed => self.observed(names, &compiled, &mut parity).await?,
            };
            if let Err(why) = read {
                parity.untested(level, "all of it", why);
                parity.missed = asked.is_some().then_some(level);
                break;
            }
        }
        Ok(Pair { parity, compiled })
    }
}

/// Nobody connects to anything without being asked to.
fn wanted(level: Level, asked: Option<Level>) -> bool {
    level <= asked.unwrap_or(Level::Applied)
}

impl Site {
    fn locked(
        &self,
        compiled: &[Compiled; 2],
        parity: &mut Parity,
    ) -> Result<Result<(), String>, Problem> {
        let lock = self.lock(&compiled[0].front.resolved.blueprint)?;
        let [one, other] = compiled.each_ref().map(|side| pins(side, &lock.pins));
        Ok(locked::compare(&one, &other, parity))
    }

    fn applied(
        &self,
        names: [&str; 2],
        compiled: &[Compiled; 2],
        parity: &mut Parity,
    ) -> Result<Result<(), String>, Problem> {
        let [one, other] = [self.as_applied(&compiled[0])?, self.as_applied(&compiled[1])?];
        Ok(applied::compare(names, &one, &other, parity))
    }

    fn as_applied(&self, compiled: &Compiled) -> Result<Applied, Problem> {
        let loaded = self.load(&compiled.front)?;
        let mut applied = Applied::default();
        if loaded.state.resources.is_empty() {
            applied.silent = Some("was never applied".to_owned());
            return Ok(applied);
        }
        if loaded.leftover.is_some() {
            let why = "has an apply that did not come to its end: `dsenv apply` finishes it";
            applied.silent = Some(why.to_owned());
            return Ok(applied);
        }
        let planned = self.foresee(compiled, &Options::default())?;
        for change in planned.plan.changes.iter().filter(|it| it.action != Action::NoOp) {
            let what = match change.action {
                Action::Create | Action::Resume => "to be created",
                Action::Update => "to be changed",
                Action::Replace => "to be replaced",
                Action::Delete | Action::Forget => "to be taken away",
                Action::NoOp => unreachable!("these were left out"),
            };
            applied.pending.insert(change.addr.owner().to_string(), what.to_owned());
        }
        let owners: BTreeSet<Addr> = loaded.state.resources.keys().map(Addr::owner).collect();
        applied.there = owners.iter().map(Addr::to_string).collect();
        Ok(applied)
    }

    async fn observed(
        &self,
        names: [&str; 2],
        compiled: &[Compiled; 2],
        parity: &mut Parity,
    ) -> Result<Result<(), String>, Problem> {
        let mut found = Vec::new();
        for (name, side) in names.iter().zip(compiled) {
            match self.find_out(side).await {
                Ok(seen) => found.push(seen),
                Err(problem) => {
                    let findings = problem.into_findings();
                    let why = findings.iter().next().map(|it| it.message.clone());
                    return Ok(Err(format!("`{name}`: {}", why.unwrap_or_default())));
                }
            }
        }
        observed::compare(names, &found[0], &found[1], parity);
        Ok(Ok(()))
    }

    /// Looks at one environment: how its services stand, and what is on its machines.
    async fn find_out(&self, compiled: &Compiled) -> Result<Found, Problem> {
        let front = &compiled.front;
        let (store, loaded) = (self.store(front)?, self.load(front)?);
        let connection = self.connect(front, &store, &loaded).await?;
        let lock = self.lock(&front.resolved.blueprint)?;
        let Some(operate) = connection.operate() else {
            let why = format!("provider `{}` does not say", front.provider.name());
            return Ok(Found { services: Err(why), ..Found::default() });
        };
        let services = retry::read(&*self.world, || operate.status()).await;
        let mut found =
            Found { services: services.map_err(|error| chain(&error)), ..Found::default() };
        let pins = pins(compiled, &lock.pins);
        for (addr, resource) in &front.resolved.resources {
            if !resource.fields.contains_key("software") {
                continue;
            }
            let address = addr.to_string();
            let mut of = pins.iter().filter(|pin| pin.address == address);
            let locked = of.find_map(|pin| Locked::from_value(pin.value.as_ref()?).ok());
            if let Some(locked) = locked {
                found.locked.insert(address.clone(), versions(&locked));
            }
            let facts = facts(operate, addr).await;
            found.machines.insert(address, facts);
        }
        Ok(found)
    }
}

async fn facts(operate: &dyn Operate, addr: &Addr) -> Result<observed::Facts, String> {
    let argv = ["python", "-c", observed::PROBE].map(str::to_owned);
    let entry = operate.enter(addr, &argv).await.map_err(|error| chain(&error))?;
    observed::read(&probe::printed(&entry).await?)
}

/// Versions by name. A package that a marker may leave out has that among them.
fn versions(locked: &Locked) -> BTreeMap<String, BTreeSet<String>> {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in &locked.packages {
        let known = versions.entry(package.name.clone()).or_default();
        known.insert(package.version.clone());
        if package.marker.is_some() {
            known.insert(observed::MAYBE.to_owned());
        }
    }
    versions
}

/// What each resource wants pinned, and what the lock has for it.
fn pins(compiled: &Compiled, lock: &BTreeMap<String, dsenv_sdk::Value>) -> Vec<Pin> {
    let (resolved, provider) = (&compiled.front.resolved, &compiled.front.provider);
    let around = lower::surroundings(resolved, lock);
    let of = |(addr, resource): (&Addr, &crate::resolve::Resource)| {
        let wants = provider.wants(&lower::neutral(resolved, resource), &around);
        let pin = |want: dsenv_sdk::provider::Want| Pin {
            address: addr.to_string(),
            value: lock.get(&*want.pin).cloned(),
            name: want.pin.to_string(),
            what: want.what,
        };
        wants.into_iter().map(pin).collect::<Vec<_>>()
    };
    resolved.resources.iter().flat_map(of).collect()
}
