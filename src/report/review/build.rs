//! Puts a report together from a plan, its estimates and what stands around them.

use super::{
    Assumption, Budget, Changed, Driver, Gpus, Grouping, Kept, Objection, Outcome, Published,
    Report, Rule, Said, Schedule, Spot, Waived,
};
use crate::blueprint::{Enforce, Over};
use crate::diag::{Code, Severity};
use crate::diff::{Action, Mode};
use crate::drive::{Advice, Front, Planned, Surveyed};
use crate::estimate::{Costed, Effect, Estimate, Line, Moment, Terms, Total, estimate};
use crate::guard;
use crate::plan::view::{self, Entry};
use crate::policy::{self, Verdict, View};
use crate::report::cost::groups::{By, groups};
use crate::report::plan::what;
use dsenv_sdk::cost::{HOURS_A_MONTH, Time, USAGE};
use dsenv_sdk::prices::{Book, Cloud, Purchase};
use dsenv_sdk::{Addr, Provider};
use jiff::civil;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// How many tags are grouped by.
const TAGS_MAX: usize = 5;

/// What a report is made of.
pub struct Sources<'a> {
    /// The version of dsenv.
    pub tool_version: &'a str,
    /// The blueprint in the environment.
    pub front: &'a Front,
    /// Its plan.
    pub planned: &'a Planned,
    /// Every environment.
    pub environments: Vec<Surveyed>,
    /// Edits that save something.
    pub advice: Vec<Advice>,
    /// The figures that the plan was priced with.
    pub terms: &'a Terms<'a>,
    /// The day.
    pub made: Option<civil::Date>,
}

/// Puts a report together.
pub fn build(sources: Sources<'_>) -> Report {
    let Sources { tool_version, front, planned, environments, advice, terms, made } = sources;
    let plan = &planned.plan;
    let provider: &dyn Provider = &*front.provider;
    let at = |moment| estimate(plan, &front.resolved, provider, terms, moment);
    let Effect { before, after } = match &planned.cost {
        Some(effect) => (**effect).clone(),
        None => Effect { before: at(Moment::Before), after: at(Moment::After) },
    };
    let cloud = provider.cloud();
    // What is waived stands with its rule.
    let objections = planned.verdicts.iter().filter(|it| it.severity != Severity::Note);
    let objection = |found: &crate::diag::Diagnostic| Objection {
        refuses: found.severity == Severity::Error,
        code: found.code.to_string(),
        message: found.message.clone(),
    };
    Report {
        tool_version: tool_version.to_owned(),
        blueprint: plan.bound.blueprint.clone(),
        environment: plan.bound.environment.clone(),
        made,
        budgets: budgets(front, &after, plan.mode),
        changes: changes(&view::entries(plan), &before, &after),
        drivers: drivers(&after),
        spot: spot(&after, terms.book, cloud),
        gpus: gpus(&after, terms.book, cloud),
        schedules: after.resources.iter().filter_map(schedule).collect(),
        rules: rules(front, planned),
        objections: objections.map(objection).collect(),
        assumptions: assumptions(&after),
        usage: usage(front),
        sources: published(&after),
        groups: groupings(&after),
        environments,
        advice,
        before,
        after,
    }
}

/// Every rule, and what came of it. What destroys is held against none.
fn rules(front: &Front, planned: &Planned) -> Vec<Rule> {
    let (resolved, today) = (&front.resolved, front.today);
    let mut judged = policy::each(&View::of(resolved), Over::Blueprint, today);
    if planned.plan.mode == Mode::Apply {
        let cost = planned.cost.as_deref();
        judged.extend(guard::policies::each(&planned.plan, resolved, cost, today));
    }
    let rule = |it: &policy::Judged<'_>| Rule {
        name: it.policy.name.text.clone(),
        message: it.policy.message.clone(),
        kept: match (&it.verdict, it.policy.enforce) {
            (Verdict::Held, _) => Kept::Held,
            (Verdict::Waived { .. }, _) => Kept::Waived,
            (Verdict::Broken { .. }, Enforce::Advisory) => Kept::Advised,
            (Verdict::Broken { .. } | Verdict::Malformed(_), _) => Kept::Broken,
        },
        waived: it
            .waived
            .iter()
            .map(|(addr, waiver)| Waived {
                addr: addr.clone(),
                reason: waiver.reason.clone(),
                until: waiver.until,
            })
            .collect(),
    };
    judged.iter().map(rule).collect()
}

/// Limits are for what spends: what destroys is held against none.
fn budgets(front: &Front, after: &Estimate, mode: Mode) -> Vec<Budget> {
    let budget = front.resolved.budget.as_ref().filter(|_| mode == Mode::Apply);
    // Where nothing is charged, nothing is judged either.
    let Some(budget) = budget.filter(|_| front.provider.cloud().is_some()) else {
        return Vec::new();
    };
    let judged = guard::budget::each(after, budget).into_iter().map(|it| Budget {
        outcome: match &it.finding {
            None => Outcome::Held,
            Some(found) if found.severity != Severity::Error => Outcome::Near,
            Some(found) if found.code == Code::E0821 => Outcome::Exceeded,
            Some(_) => Outcome::CannotTell,
        },
        waived: budget.waived.clone().filter(|_| it.total.missing > 0),
        name: it.whose,
        limit: it.most,
        total: it.total,
    });
    judged.collect()
}

/// Every line, with the resource that it is of.
pub(super) fn lines(estimate: &Estimate) -> impl Iterator<Item = (&Costed, &Line)> {
    estimate.resources.iter().flat_map(|it| it.lines.iter().map(move |line| (it, line)))
}

/// Which part of a resource a node is, in words; `None` for its main node.
pub(super) fn part_of(addr: &Addr, owner: &Addr) -> Option<String> {
    let (text, owner) = (addr.to_string(), owner.to_string());
    let rest = text.strip_prefix(&owner)?.trim_start_matches('.');
    (!rest.is_empty()).then(|| rest.to_owned())
}

/// What a line is for within its resource: `nat[0]: gateway`.
pub(super) fn name(resource: &Costed, line: &Line) -> String {
    match part_of(&line.addr, &resource.addr) {
        Some(part) => format!("{part}: {}", line.name),
        None => line.name.clone(),
    }
}

fn changes(entries: &[Entry<'_>], before: &Estimate, after: &Estimate) -> Vec<Changed> {
    let mut by_owner: BTreeMap<Addr, Vec<&Entry<'_>>> = BTreeMap::new();
    for entry in entries {
        by_owner.entry(entry.change.addr.owner()).or_default().push(entry);
    }
    let cost = |of: &Estimate, addr: &Addr| {
        of.resources.iter().find(|it| it.addr == *addr).map(Costed::total)
    };
    let mut changes = Vec::new();
    for (addr, entries) in by_owner {
        // What happens to its main node says most; else what happens to a part of it.
        let acts = |entry: &&&Entry<'_>| entry.action != Action::NoOp;
        let main = entries.iter().find(|entry| entry.change.addr.part.is_none() && acts(entry));
        let shown = main.or_else(|| entries.iter().find(acts));
        let (before, after) = (cost(before, &addr), cost(after, &addr));
        let (action, what) = match shown {
            Some(entry) if main.is_some() => (entry.action, what(entry)),
            Some(entry) => (Action::Update, format!("{} a part of it", what(entry))),
            None if before == after => continue,
            None => (Action::NoOp, "costs something else".to_owned()),
        };
        let kind = entries[0].change.kind.clone();
        changes.push(Changed { addr, kind, action, what, before, after });
    }
    changes
}

fn drivers(after: &Estimate) -> Vec<Driver> {
    let driver = |(resource, line): (&Costed, &Line)| {
        let monthly = line.monthly.now.filter(|amount| !amount.is_zero())?;
        Some(Driver { addr: resource.addr.clone(), name: name(resource, line), monthly })
    };
    let mut drivers: Vec<Driver> = lines(after).filter_map(driver).collect();
    // The sort is stable: what costs the same stays in the order of addresses.
    drivers.sort_by_key(|it| std::cmp::Reverse(it.monthly));
    drivers
}

fn spot(after: &Estimate, book: &Book, cloud: Option<Cloud>) -> Vec<Spot> {
    let of = |(resource, line): (&Costed, &Line)| {
        let machine = line.machine.as_ref().filter(|it| it.purchase == Purchase::Spot)?;
        let place = cloud.zip(after.region.as_deref());
        let on_demand = place.and_then(|(cloud, region)| {
            book.compute(cloud, region, &machine.ty, machine.os, Purchase::OnDemand)
        });
        let interrupted =
            place.and_then(|(cloud, region)| book.interruption(cloud, region, &machine.ty));
        Some(Spot {
            addr: resource.addr.clone(),
            ty: machine.ty.clone(),
            hours: line.quantity.now,
            price: line.unit_price,
            on_demand: on_demand.map(|priced| priced.price.decimal()),
            ceiling: line.ceiling_price.or(line.monthly.ceiling.and(line.unit_price)),
            interrupted: interrupted.map(|it| (it.band, it.origin.source.to_owned())),
            monthly: line.monthly,
        })
    };
    lines(after).filter_map(of).collect()
}

fn gpus(after: &Estimate, book: &Book, cloud: Option<Cloud>) -> Vec<Gpus> {
    let of = |(resource, line): (&Costed, &Line)| {
        let gpu = book.shape(cloud?, &line.machine.as_ref()?.ty)?.gpu?;
        let each = gpu.count();
        Some(Gpus {
            addr: resource.addr.clone(),
            name: line.name.clone(),
            gpu: gpu.name.map(str::to_owned),
            each,
            hours: line.quantity.now * each,
            price: line.unit_price.and_then(|price| price.checked_div(each)),
            monthly: line.monthly.now,
        })
    };
    lines(after).filter_map(of).collect()
}

fn schedule(resource: &Costed) -> Option<Schedule> {
    let month = Decimal::from(HOURS_A_MONTH);
    let lines = || resource.lines.iter().filter(|line| line.time == Time::Running);
    let hours = lines().find_map(|line| line.hours).filter(|hours| *hours != month)?;
    let known = |amount: Option<Decimal>| amount.unwrap_or_default();
    Some(Schedule {
        addr: resource.addr.clone(),
        hours,
        monthly: lines().map(|line| known(line.monthly.now)).sum(),
        always: lines().map(|line| known(line.hourly.now) * month).sum(),
        is_missing: lines().any(Line::is_missing),
    })
}

fn assumptions(after: &Estimate) -> Vec<Assumption> {
    let mut found: BTreeMap<&str, Assumption> = BTreeMap::new();
    for (resource, line) in lines(after) {
        for text in &line.assumed {
            let entry = found.entry(text).or_insert_with(|| Assumption {
                text: text.clone(),
                addrs: BTreeSet::new(),
                total: Total::default(),
            });
            entry.addrs.insert(resource.addr.clone());
            entry.total.add(line);
        }
    }
    found.into_values().collect()
}

fn usage(front: &Front) -> Vec<Said> {
    let of = |(addr, resource): (&Addr, &crate::resolve::Resource)| {
        let said = USAGE.iter().filter_map(|field| {
            let amount = resource.usage.said(field.name)?;
            Some(Said { addr: addr.clone(), field: field.name, amount })
        });
        said.collect::<Vec<_>>()
    };
    front.resolved.resources.iter().flat_map(of).collect()
}

fn published(after: &Estimate) -> Vec<Published> {
    let mut found: BTreeMap<(&str, &str), Published> = BTreeMap::new();
    for (_, line) in lines(after) {
        let Some(source) = &line.source else { continue };
        let url = line.url.as_deref().unwrap_or_default();
        let entry = found.entry((source, url)).or_insert_with(|| Published {
            source: source.clone(),
            licence: line.licence.clone().unwrap_or_default(),
            url: url.to_owned(),
            as_of: None,
            lines: 0,
            rounded: 0,
            monthly: Decimal::ZERO,
        });
        entry.lines += 1;
        entry.rounded += usize::from(line.rounded);
        entry.monthly += line.monthly.now.unwrap_or_default();
        if let Some(day) = line.as_of {
            let (oldest, newest) = entry.as_of.unwrap_or((day, day));
            entry.as_of = Some((oldest.min(day), newest.max(day)));
        }
    }
    let mut sources: Vec<Published> = found.into_values().collect();
    sources.sort_by_key(|it| std::cmp::Reverse(it.monthly));
    sources
}

/// By tier, owner, kind and each tag; not by what no resource has.
fn groupings(after: &Estimate) -> Vec<Grouping> {
    let tags: BTreeSet<&String> = after.resources.iter().flat_map(|it| it.tags.keys()).collect();
    let tags = tags.into_iter().take(TAGS_MAX).map(|tag| By::Tag(tag.clone()));
    let mut all = Vec::new();
    for by in [By::Tier, By::Owner, By::Kind].into_iter().chain(tags) {
        let has = |it: &Costed| match &by {
            By::Tier => it.tier.is_some(),
            By::Owner => it.owner.is_some(),
            By::Kind => true,
            By::Tag(tag) => it.tags.contains_key(tag),
        };
        if !after.resources.iter().any(has) {
            continue;
        }
        let name = match &by {
            By::Tier => "tier".to_owned(),
            By::Owner => "owner".to_owned(),
            By::Kind => "kind".to_owned(),
            By::Tag(tag) => format!("tag:{tag}"),
        };
        let charged = |(_, total): &(String, Total)| {
            total.missing > 0 || total.monthly != crate::estimate::Bounds::default()
        };
        let groups = groups(after, &by).into_iter().filter(charged).collect();
        all.push(Grouping { by: name, groups });
    }
    all
}
