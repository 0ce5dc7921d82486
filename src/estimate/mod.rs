//! What an environment costs: each native node, priced from the book, before anything of it exists.
//!
//! In: a [`Plan`], the resolved blueprint, the provider's pure half and [`Terms`]. Out: an [`Estimate`] of
//! what will be, or of what was applied last. Pure: no credential, no call, no clock.
//!
//! ## What holds
//! - A figure that nobody knows is missing. It is no zero, and no sum hides it.
//! - Count times price is the cost of a line, exactly; sums are of lines, so they add up across any grouping.
//! - The order of resources changes nothing.
//!
//! ## Why
//! Rates that get cheaper with the quantity are applied to each resource by itself, not to the account: what a
//! resource costs must not depend on which others there are, or no grouping would add up. What is shared
//! (the first 100 GB that leave an account for nothing) is therefore not counted off, and the sum is a little
//! too high, never too low.

pub mod difference;
mod line;
mod rates;
pub mod read;
mod service;
mod sum;
#[cfg(test)]
mod tests;
pub mod wire;

pub use line::{Discount, Line, Machine};
pub use rates::{Conversion, Gives, PRICE_DECIMALS, Rates, Rule};
pub use service::Service;
pub use sum::{Bounds, Total};

use crate::diff::Action;
use crate::plan::Plan;
use crate::resolve::Resolved;
use dsenv_sdk::cost::{Charge, Costing, Planned, Rate, Usage};
use dsenv_sdk::prices::{Book, Currency, Date};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::value::Map;
use dsenv_sdk::{Addr, Provider, Term};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// How the book of the program is called.
pub const BUILT_IN: &str = "built in";

/// By what prices are found and quantities are counted.
#[derive(Clone, Debug)]
pub struct Terms<'b> {
    /// The figures.
    pub book: &'b Book,
    /// How the book is called: where it is from.
    pub book_from: &'b str,
    /// Own prices, and the currency.
    pub rates: &'b Rates,
    /// How resources are used, by their names: what a file says, behind what the blueprint says.
    pub usage: BTreeMap<String, Usage>,
    /// How resources of a kind are used that nobody says more of.
    pub usual: BTreeMap<String, Usage>,
}

impl<'b> Terms<'b> {
    /// Those of a book alone.
    pub fn of(book: &'b Book) -> Terms<'b> {
        const NONE: &Rates = &Rates { currency: None, exchanges: Vec::new(), rules: Vec::new() };
        let (usage, usual) = (BTreeMap::new(), BTreeMap::new());
        Terms { book, book_from: BUILT_IN, rates: NONE, usage, usual }
    }

    fn currency(&self) -> Currency {
        self.rates.currency.unwrap_or(self.book.currency())
    }

    /// Whether anything of a provider is charged: one without a price list is where own prices name it.
    fn charges(&self, provider: &dyn Provider) -> bool {
        provider.cloud().is_some() || self.rates.name(provider.name())
    }
}

/// Which moment an estimate is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Once the plan is applied.
    After,
    /// As it was applied last.
    Before,
}

/// What an environment costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The currency of every figure.
    pub currency: Currency,
    /// The provider's name.
    pub provider: String,
    /// The region; `None` where there is none.
    pub region: Option<String>,
    /// The digest of the price book.
    pub book: String,
    /// How the price book is called: where it is from.
    pub book_from: String,
    /// The rates by which list prices and own ones became this currency.
    pub exchanges: Vec<Conversion>,
    /// The days of the figures of the book, the oldest and the newest.
    pub as_of: Option<(Date, Date)>,
    /// Every resource, by address; those that cost nothing too.
    pub resources: Vec<Costed>,
}

/// What one resource costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Costed {
    /// The resource.
    pub addr: Addr,
    /// Its kind.
    pub kind: String,
    /// Its part of the platform.
    pub tier: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// What it is charged for.
    pub lines: Vec<Line>,
    /// Its nodes that cost nothing by themselves, and why.
    pub free: Vec<(Addr, &'static str)>,
    /// Its nodes of which nobody says what they cost.
    pub unpriced: Vec<(Addr, String)>,
}

impl Costed {
    /// Returns what it comes to.
    pub fn total(&self) -> Total {
        let mut total = Total::default();
        for line in &self.lines {
            total.add(line);
        }
        total.missing += self.unpriced.len();
        total
    }
}

impl Estimate {
    /// Returns what all of it comes to.
    pub fn total(&self) -> Total {
        let mut total = Total::default();
        for resource in &self.resources {
            total.join(&resource.total());
        }
        total
    }

    /// Lists what has no price: the node, and what it would be charged for.
    pub fn missing(&self) -> Vec<(Addr, String)> {
        let mut missing = Vec::new();
        for resource in &self.resources {
            let lines = resource.lines.iter().filter(|line| line.is_missing());
            missing.extend(lines.map(|line| (line.addr.clone(), line.name.clone())));
            missing.extend(resource.unpriced.iter().cloned());
        }
        missing
    }

    /// Lists the own prices that hold for a line, each once.
    pub fn discounts(&self) -> BTreeSet<&Discount> {
        let lines = self.resources.iter().flat_map(|resource| &resource.lines);
        lines.filter_map(|line| line.discount.as_ref()).collect()
    }

    /// Lists what was assumed, each once.
    pub fn assumed(&self) -> BTreeSet<&str> {
        let lines = self.resources.iter().flat_map(|resource| &resource.lines);
        lines.flat_map(|line| line.assumed.iter().map(String::as_str)).collect()
    }
}

/// What a plan changes about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// What was applied last.
    pub before: Estimate,
    /// What will be.
    pub after: Estimate,
}

/// Estimates both moments of a plan; `None` for a provider where nothing is charged.
pub fn effect(
    plan: &Plan,
    resolved: &Resolved,
    provider: &dyn Provider,
    terms: &Terms<'_>,
) -> Option<Effect> {
    if !terms.charges(provider) {
        return None;
    }
    let at = |moment| estimate(plan, resolved, provider, terms, moment);
    Some(Effect { before: at(Moment::Before), after: at(Moment::After) })
}

/// Returns the own prices that are for this provider and region, and for nothing that a plan comes to: of a
/// service that it does not use, or with a name that is mistyped.
pub fn idle<'t>(
    plan: &Plan,
    resolved: &Resolved,
    provider: &dyn Provider,
    terms: &'t Terms<'_>,
) -> Vec<&'t Rule> {
    let region = region(plan, resolved);
    let of = |rule: &&Rule| rule.is_of(provider.name(), region);
    let mut idle: Vec<&Rule> = terms.rates.rules.iter().filter(of).collect();
    let charges = |costing: &Costing<'_>| provider.cost(costing);
    each_resource(plan, resolved, provider, terms, Moment::After, &mut |costing| {
        for charge in charges(costing) {
            for rate in [&charge.now.rate, &charge.ceiling.rate] {
                let rates =
                    if let Rate::Dearest(all) = rate { all.iter().collect() } else { vec![rate] };
                for rate in rates {
                    let sold = rates::Sold { provider: provider.name(), region, rate };
                    idle.retain(|rule| !rule.is_for(sold));
                }
            }
        }
    });
    idle
}

/// One node at one moment.
struct Node<'a> {
    addr: &'a Addr,
    kind: &'a str,
    ty: &'static NativeType,
    args: Cow<'a, BTreeMap<String, Term>>,
    observed: Option<&'a Map>,
}

/// Estimates one moment of a plan. What belongs to another provider than this one is not in it.
pub fn estimate(
    plan: &Plan,
    resolved: &Resolved,
    provider: &dyn Provider,
    terms: &Terms<'_>,
    moment: Moment,
) -> Estimate {
    let region = region(plan, resolved);
    let currency = terms.currency();
    let pricing = line::Pricing {
        book: terms.book,
        rates: terms.rates,
        provider: provider.name(),
        currency,
        cloud: provider.cloud(),
        region,
    };
    let charged = terms.charges(provider);
    let mut resources = Vec::new();
    each_resource(plan, resolved, provider, terms, moment, &mut |costing| {
        let charges = if charged { provider.cost(costing) } else { Vec::new() };
        resources.push(cost(costing, &charges, resolved, provider, &pricing));
    });
    Estimate {
        currency,
        provider: provider.name().to_owned(),
        region: region.map(str::to_owned),
        book: terms.book.digest(),
        book_from: terms.book_from.to_owned(),
        exchanges: terms.rates.exchanges.clone(),
        as_of: terms.book.as_of(),
        resources,
    }
}

/// The region that prices are of: the one that the environment names, else the one that it is bound to.
fn region<'a>(plan: &'a Plan, resolved: &'a Resolved) -> Option<&'a str> {
    let bound = plan.bound.binding.as_ref().map(|binding| binding.region.as_str());
    resolved.region.as_deref().or(bound)
}

/// Calls `visit` with each resource of a plan and its nodes, by address.
fn each_resource(
    plan: &Plan,
    resolved: &Resolved,
    provider: &dyn Provider,
    terms: &Terms<'_>,
    moment: Moment,
    visit: &mut dyn FnMut(&Costing<'_>),
) {
    let nodes = nodes(plan, provider, moment);
    let planned: Vec<Planned<'_>> = nodes
        .iter()
        .map(|node| Planned {
            addr: node.addr,
            ty: node.ty,
            args: &node.args,
            observed: node.observed,
        })
        .collect();
    let all: BTreeMap<&Addr, Planned<'_>> = planned.iter().map(|node| (node.addr, *node)).collect();
    let mut by_owner: BTreeMap<Addr, (&str, Vec<Planned<'_>>)> = BTreeMap::new();
    for (node, planned) in nodes.iter().zip(&planned) {
        let entry = by_owner.entry(node.addr.owner());
        entry.or_insert_with(|| (node.kind, Vec::new())).1.push(*planned);
    }
    let region = region(plan, resolved);
    for (addr, (kind, mut nodes)) in by_owner {
        nodes.sort_by_key(|node| node.addr);
        let usage = usage(&addr, kind, resolved, terms);
        let kind = dsenv_sdk::kinds::kind(kind).map_or("", |kind| kind.name);
        visit(&Costing { addr: &addr, kind, region, nodes: &nodes, all: &all, usage: &usage });
    }
}

fn nodes<'a>(plan: &'a Plan, provider: &dyn Provider, moment: Moment) -> Vec<Node<'a>> {
    let mut nodes = Vec::new();
    for change in &plan.changes {
        let Some(ty) = provider.native_type(&change.ty) else { continue };
        let goes = matches!(change.action, Action::Delete | Action::Forget);
        let args = match (moment, &change.before) {
            (Moment::After, _) if goes => continue,
            (Moment::After, _) => Cow::Borrowed(&*change.after),
            (Moment::Before, None) => continue,
            (Moment::Before, Some(_)) if change.action == Action::Create => continue,
            (Moment::Before, Some(before)) => {
                let terms = before.iter().map(|(name, it)| (name.clone(), Term::Known(it.clone())));
                Cow::Owned(terms.collect())
            }
        };
        // What is replaced is another object, of which nothing was seen yet.
        let is_new = moment == Moment::After && change.action == Action::Replace;
        let observed = change.observed.as_ref().filter(|_| !is_new).map(|seen| &seen.values);
        nodes.push(Node { addr: &change.addr, kind: &change.kind, ty, args, observed });
    }
    nodes
}

/// How a resource is used: what its block says, what a file says of it, what a file says of its kind.
fn usage(addr: &Addr, kind: &str, resolved: &Resolved, terms: &Terms<'_>) -> Usage {
    let nothing = Usage::default();
    let own = resolved.resources.get(addr).map_or(&nothing, |resource| &resource.usage);
    let named = terms.usage.get(&addr.to_string()).or_else(|| terms.usage.get(&*addr.name));
    let usual = terms.usual.get(kind);
    own.clone().or(named.unwrap_or(&nothing)).or(usual.unwrap_or(&nothing))
}

fn cost(
    costing: &Costing<'_>,
    charges: &[Charge],
    resolved: &Resolved,
    provider: &dyn Provider,
    pricing: &line::Pricing<'_>,
) -> Costed {
    let hours = costing.usage.amount("hours").count;
    let node = |addr: &Addr| costing.nodes.iter().find(|node| node.addr == addr);
    let priced = charges.iter().flat_map(|charge| {
        let node = node(&charge.addr).expect("a charge is for a node of its resource");
        pricing.lines(charge, node.ty.name, hours)
    });
    let lines: Vec<Line> = priced.collect();
    let charged: BTreeSet<&Addr> = charges.iter().map(|charge| &charge.addr).collect();
    let (mut free, mut unpriced) = (Vec::new(), Vec::new());
    for node in costing.nodes.iter().filter(|node| !charged.contains(node.addr)) {
        match provider.free(node.ty) {
            _ if node.ty.state_only => {
                free.push((node.addr.clone(), "it lives in the state alone"))
            }
            Some(why) => free.push((node.addr.clone(), why)),
            None => unpriced.push((node.addr.clone(), node.ty.name.to_owned())),
        }
    }
    let resource = resolved.resources.get(costing.addr);
    Costed {
        addr: costing.addr.clone(),
        kind: costing.kind.to_owned(),
        tier: resource.and_then(|it| it.tier.clone()),
        owner: resource.and_then(|it| it.owner.clone()),
        tags: resource.map(|it| it.tags.clone()).unwrap_or_default(),
        lines,
        free,
        unpriced,
    }
}
