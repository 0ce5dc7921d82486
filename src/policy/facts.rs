//! What rules see: `resources`, `environment`, `inputs`, `env`, `with`; and over a plan `changes` and `cost`.
//!
//! A resource is a map with `name`, `address`, `kind`, `tier`, `owner`, `tags`, `protect`, `on_destroy`,
//! `uses` (the right, by address), `needs` (addresses), `access`, the kind's arguments, and for machines and
//! pools `members` with `min` and `max`. An argument that is known after apply is absent. What is absent and
//! could be there (an owner, a tier, a region, a budget) is `null`.

use crate::blueprint::{Budget, Policy};
use crate::expr::{Lookup, amount};
use crate::graph;
use crate::resolve::{Resolved, Resource};
use dsenv_sdk::prices::Money;
use dsenv_sdk::provider::{Access, OnDestroy, Right};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Term};
use std::collections::BTreeMap;

/// Something that a rule may be asked about by itself.
pub struct Item {
    /// Its address.
    pub addr: Addr,
    /// What a rule sees of it.
    pub shown: Value,
}

/// Everything that rules see, by the first name of a path.
pub struct View<'a> {
    pub(super) resolved: &'a Resolved,
    roots: Map,
    lists: BTreeMap<&'static str, Vec<Item>>,
}

impl<'a> View<'a> {
    /// What rules over the blueprint see.
    pub fn of(resolved: &'a Resolved) -> View<'a> {
        let mut view = View { resolved, roots: Map::new(), lists: BTreeMap::new() };
        if resolved.policies.is_empty() {
            return view;
        }
        view.show("environment", environment(resolved));
        let items = resolved.resources.values();
        let items = items.map(|it| Item { addr: it.addr.clone(), shown: shown(resolved, it) });
        view.list("resources", items.collect());
        view
    }

    /// Adds something.
    pub fn show(&mut self, root: &str, value: Value) {
        self.roots.insert(root.to_owned(), value);
    }

    /// Adds a list, of whose items a rule may be asked about each.
    pub fn list(&mut self, root: &'static str, items: Vec<Item>) {
        let all = items.iter().map(|item| item.shown.clone()).collect();
        self.show(root, Value::List(all));
        self.lists.insert(root, items);
    }

    pub(super) fn lists(&self) -> impl Iterator<Item = (&'static str, &[Item])> {
        self.lists.iter().map(|(name, items)| (*name, items.as_slice()))
    }

    pub(super) fn look_up(&self, policy: &Policy, path: &[String]) -> Lookup {
        let missing = || Lookup::Missing(format!("there is no `{}`", path.join(".")));
        if let Some(found) = self.resolved.scope.lookup(path) {
            return found.map_or_else(missing, Lookup::Known);
        }
        let (root, rest) = path.split_first().expect("a path is never empty");
        let with = || (root == "with").then(|| Value::Map(policy.with.clone()));
        let Some(start) = self.roots.get(root).cloned().or_else(with) else {
            let roots: Vec<&str> = self.roots.keys().map(String::as_str).collect();
            let roots = roots.iter().map(|root| format!("`{root}`")).collect::<Vec<_>>().join(", ");
            let why = format!("a rule sees {roots}, `inputs`, `env` and `with`, not `{root}`");
            return Lookup::Missing(why);
        };
        let found = rest.iter().try_fold(&start, |value, step| value.step(step));
        found.map_or_else(missing, |value| Lookup::Known(value.clone()))
    }
}

fn text(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::text)
}

fn environment(resolved: &Resolved) -> Value {
    let budget = resolved.budget.as_ref().map_or(Value::Null, budget);
    let ephemeral = resolved.scope.env.get("ephemeral").cloned().unwrap_or(Value::Null);
    Value::Map(Map::from([
        ("name".to_owned(), Value::text(&*resolved.environment)),
        ("provider".to_owned(), Value::text(&*resolved.provider)),
        ("account".to_owned(), text(resolved.account.as_deref())),
        ("region".to_owned(), text(resolved.region.as_deref())),
        ("ephemeral".to_owned(), ephemeral),
        ("ttl".to_owned(), text(resolved.ttl.as_deref())),
        ("budget".to_owned(), budget),
    ]))
}

fn budget(budget: &Budget) -> Value {
    let amounts = |of: &BTreeMap<String, Money>| {
        Value::Map(of.iter().map(|(name, most)| (name.clone(), amount(*most, 0))).collect())
    };
    Value::Map(Map::from([
        ("total".to_owned(), budget.total.map_or(Value::Null, |most| amount(most, 0))),
        ("tiers".to_owned(), amounts(&budget.tiers)),
        ("owners".to_owned(), amounts(&budget.owners)),
    ]))
}

fn shown(resolved: &Resolved, resource: &Resource) -> Value {
    let tags = resource.tags.iter().map(|(k, v)| (k.clone(), Value::text(&**v))).collect();
    let uses = resource.uses.iter().map(|used| {
        let right = match used.right {
            Right::Read => "read",
            Right::ReadWrite => "read_write",
        };
        (used.target.to_string(), Value::text(right))
    });
    let network = graph::network_of(resolved, resource);
    let needs = graph::needs(resource, network.as_ref());
    let needs = needs.iter().map(|addr| Value::text(addr.to_string()));
    let on_destroy = match resource.on_destroy {
        OnDestroy::Refuse => "refuse",
        OnDestroy::Snapshot => "snapshot",
        OnDestroy::Retain => "retain",
        OnDestroy::Delete => "delete",
    };
    let mut map = Map::from([
        ("name".to_owned(), Value::text(&*resource.addr.name)),
        ("address".to_owned(), Value::text(resource.addr.to_string())),
        ("kind".to_owned(), Value::text(resource.kind.name)),
        ("tier".to_owned(), text(resource.tier.as_deref())),
        ("owner".to_owned(), text(resource.owner.as_deref())),
        ("tags".to_owned(), Value::Map(tags)),
        ("protect".to_owned(), Value::Bool(resource.protect)),
        ("on_destroy".to_owned(), Value::text(on_destroy)),
        ("uses".to_owned(), Value::Map(uses.collect())),
        ("needs".to_owned(), Value::List(needs.collect())),
        ("access".to_owned(), Value::List(resource.access.iter().map(access).collect())),
    ]);
    if let Some(members) = members(resource) {
        map.insert("members".to_owned(), members);
    }
    for (name, term) in &*resource.fields {
        if let Term::Known(value) = term {
            map.insert(name.clone(), value.clone());
        }
    }
    Value::Map(map)
}

fn access(access: &Access) -> Value {
    Value::Map(Map::from([
        ("who".to_owned(), Value::text(&*access.who)),
        ("how".to_owned(), Value::text(&*access.how)),
        ("from".to_owned(), text(access.from.as_deref())),
        ("until".to_owned(), text(access.until.as_deref())),
    ]))
}

/// How many machines it is at least and at most; `None` when that is known after apply, or it is none.
fn members(resource: &Resource) -> Option<Value> {
    let range = |min: Value, max: Value| {
        Some(Value::Map(Map::from([("min".to_owned(), min), ("max".to_owned(), max)])))
    };
    if resource.kind.name == "machine" {
        return range(Value::Int(1), Value::Int(1));
    }
    let count = resource.fields.get("count")?;
    match count.known()? {
        Value::Int(count) => range(Value::Int(*count), Value::Int(*count)),
        count => range(count.step("min")?.clone(), count.step("max")?.clone()),
    }
}
