//! Edits of a blueprint that make it cheaper, each found by compiling and pricing the edited blueprint.
//!
//! In: what was compiled. Out: [`Advice`], the largest saving first. An edit is proposed only when it follows
//! from what the blueprint says, compiles on the same provider, leaves no more without a price than before,
//! and saves something. What is given up for it is said with it.
//!
//! ## Why
//! A saving that is estimated by a rule of thumb is wrong where it matters: without a NAT gateway each machine
//! has an address that is charged. So nothing here knows a price; it edits, and asks what that comes to.

use super::compile::{Compiled, back};
use super::look::plan_for;
use super::{Options, Problem, Site};
use crate::apply::Recovered;
use crate::estimate::{Estimate, Total};
use crate::lock::Lock;
use crate::refresh::Refreshed;
use crate::resolve::Resource;
use crate::state::State;
use crate::vault::Identity;
use dsenv_sdk::prices::{Book, Cloud};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Term};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many edits are tried; each compiles the blueprint.
const TRIED_MAX: usize = 200;

/// An edit of the blueprint that makes it cheaper.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// The resource whose block is edited.
    pub addr: Addr,
    /// What its block says then: `nat: none`.
    pub edit: String,
    /// Why that would do.
    pub because: String,
    /// What is given up.
    pub gives_up: &'static str,
    /// What the environment comes to without the edit.
    pub before: Total,
    /// What it comes to with the edit, and no other.
    pub after: Total,
}

/// An edit that may help: fields that get another value, or are taken out.
struct Edit {
    text: String,
    because: String,
    gives_up: &'static str,
    fields: Vec<(&'static str, Option<Value>)>,
}

impl Site {
    /// Looks for edits that make an environment cheaper, the largest saving first. Each is by itself: two
    /// that touch the same thing do not add up. None where nothing is charged. Priced by the figures of
    /// `options`.
    pub fn advise(&self, compiled: &Compiled, options: &Options) -> Result<Vec<Advice>, Problem> {
        let front = &compiled.front;
        let Some(cloud) = front.provider.cloud() else { return Ok(Vec::new()) };
        let identity = Identity::find(&*self.world)?;
        let state = self.store(front)?.load(identity.as_ref())?.state;
        let lock = self.lock(&front.resolved.blueprint)?;
        let Some(before) = estimated(compiled, &state, options) else { return Ok(Vec::new()) };
        let (missing, before) = (missing(&before), before.total());
        let book = &options.figures.book;
        let candidates = front.resolved.resources.values().flat_map(|resource| {
            edits(resource, is_ephemeral(compiled), book, cloud)
                .into_iter()
                .map(|edit| (resource.addr.clone(), edit))
        });
        let mut advice = Vec::new();
        for (addr, edit) in candidates.take(TRIED_MAX) {
            let edited = edited(compiled, &addr, &edit, &lock);
            let Some(after) = edited.and_then(|it| estimated(&it, &state, options)) else {
                continue;
            };
            let is_known = self::missing(&after).is_subset(&missing);
            let after = after.total();
            // What was priced and no longer is would look like a saving.
            if is_known && after.monthly.now < before.monthly.now {
                let Edit { text, because, gives_up, .. } = edit;
                advice.push(Advice { addr, edit: text, because, gives_up, before, after });
            }
        }
        advice.sort_by(|a, b| {
            let key = |it: &Advice| (it.after.monthly.now, it.addr.clone());
            key(a).cmp(&key(b))
        });
        Ok(advice)
    }
}

fn missing(estimate: &Estimate) -> BTreeSet<(Addr, String)> {
    estimate.missing().into_iter().collect()
}

/// What an environment costs; `None` when it cannot be planned.
fn estimated(compiled: &Compiled, state: &State, options: &Options) -> Option<Estimate> {
    let (unread, nothing) = (Refreshed::unread(), Recovered::default());
    let planned = plan_for(compiled, state, &unread, None, options, nothing).ok()?;
    planned.cost.map(|effect| effect.after)
}

/// Compiles with an edit; `None` when the provider refuses it.
fn edited(compiled: &Compiled, addr: &Addr, edit: &Edit, lock: &Lock) -> Option<Compiled> {
    let mut front = compiled.front.clone();
    let resource = front.resolved.resources.get_mut(addr)?;
    let fields = Arc::make_mut(&mut resource.fields);
    for (name, value) in &edit.fields {
        match value {
            Some(value) => fields.insert((*name).to_owned(), Term::Known(value.clone())),
            None => fields.remove(*name),
        };
    }
    back(front, lock).0
}

fn is_ephemeral(compiled: &Compiled) -> bool {
    let env = &compiled.front.resolved.scope.env;
    env.get("ephemeral").and_then(Value::as_bool).unwrap_or(false)
}

fn edits(resource: &Resource, ephemeral: bool, book: &Book, cloud: Cloud) -> Vec<Edit> {
    match resource.kind.name {
        "network" => nat(resource),
        "pool" => spot(resource).into_iter().chain(named_type(resource, book, cloud)).collect(),
        "machine" => named_type(resource, book, cloud).into_iter().collect(),
        "database" if ephemeral => second_zone(resource).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn text<'a>(resource: &'a Resource, name: &str) -> Option<&'a str> {
    resource.fields.get(name).and_then(Term::known).and_then(Value::as_text)
}

fn nat(resource: &Resource) -> Vec<Edit> {
    let edit = |to: &str, because: &str, gives_up| Edit {
        text: format!("nat: {to}"),
        because: because.to_owned(),
        gives_up,
        fields: vec![("nat", Some(Value::text(to)))],
    };
    let one = edit(
        "one",
        "there is a NAT gateway in each zone",
        "when the zone of the one gateway fails, machines of other zones do not reach out",
    );
    let none = edit(
        "none",
        "a NAT gateway is paid for by the hour, and an address a machine may be cheaper",
        "machines have public addresses; nobody can come in by them",
    );
    match text(resource, "nat") {
        Some("none") => Vec::new(),
        Some("per_zone") => vec![one, none],
        _ => vec![none],
    }
}

/// What may be interrupted is bought as spot. Only jobs say of themselves that they may be.
fn spot(resource: &Resource) -> Option<Edit> {
    if resource.tier.as_deref() != Some("job") {
        return None;
    }
    let purchase = resource.fields.get("purchase").map(Term::known);
    let wish = |value: &Value| value.step("spot").and_then(Value::as_text).map(str::to_owned);
    let mut purchase = match purchase {
        // Not known before apply: nobody can say how it is bought.
        Some(None) => return None,
        Some(Some(Value::Text(short))) if short == "spot" => return None,
        Some(Some(value)) if matches!(wish(value).as_deref(), Some("preferred" | "only")) => {
            return None;
        }
        Some(Some(Value::Map(map))) => map.clone(),
        Some(Some(_)) | None => Map::new(),
    };
    purchase.insert("spot".to_owned(), Value::text("preferred"));
    Some(Edit {
        text: "purchase: {spot: preferred}".to_owned(),
        because: "it is a pool of tier `job`, and none of it is spot".to_owned(),
        gives_up: "the cloud can take members back at short notice",
        fields: vec![("purchase", Some(Value::Map(purchase)))],
    })
}

/// What is named outright may be had cheaper under another name.
fn named_type(resource: &Resource, book: &Book, cloud: Cloud) -> Option<Edit> {
    let ty = text(resource, "type")?;
    let shape = book.shape(cloud, ty)?;
    let gib = shape.memory_mib / 1024;
    // A type with accelerators is chosen for them, and part of a GiB cannot be asked for.
    if shape.gpu.is_some() || gib == 0 {
        return None;
    }
    let (cpus, memory) = (format!("{}+", shape.cpus), format!("{gib}GiB+"));
    let mut fields = vec![("type", None)];
    for (name, need) in [("cpus", &cpus), ("memory", &memory)] {
        if text(resource, name).is_none() {
            fields.push((name, Some(Value::text(&**need))));
        }
    }
    Some(Edit {
        text: format!("cpus: {cpus}, memory: {memory} instead of type: {ty}"),
        because: format!("`{ty}` is named, and another type has as much"),
        gives_up: "the type is chosen by need, and may be of another make",
        fields,
    })
}

fn second_zone(resource: &Resource) -> Option<Edit> {
    let field = resource.fields.get("multi_zone").and_then(Term::known);
    (field.and_then(Value::as_bool) == Some(true)).then(|| Edit {
        text: "multi_zone: false".to_owned(),
        because: "the environment is ephemeral".to_owned(),
        gives_up: "when the zone fails, the database is away until it is back",
        fields: vec![("multi_zone", Some(Value::Bool(false)))],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::Request;
    use crate::registry::Registry;
    use crate::world::sim::{SimDisk, SimWorld};
    use expect_test::{Expect, expect};
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    /// What is advised for these resources on AWS.
    fn check(resources: &str, expected: Expect) {
        let text = format!(
            "blueprint: one\nresources:\n{resources}environments:\n  \
             prod: {{provider: aws, account: \"123456789012\", region: us-east-1, ephemeral: true}}\n"
        );
        let disk = SimDisk::new();
        disk.put(Path::new("dsenv.yaml"), text.as_bytes());
        let site = Site {
            world: Arc::new(SimWorld::new(1, disk)),
            file: PathBuf::from("dsenv.yaml"),
            here: PathBuf::from("/"),
            cache: PathBuf::from("/cache"),
            variables: BTreeMap::new(),
            registry: Registry::built_in(),
        };
        let (compiled, _) = site.compile(&Request::default()).expect("it compiles");
        let advice = site.advise(&compiled, &Options::default()).expect("a plan");
        let line = |it: &Advice| {
            let saved = it.before.monthly.now - it.after.monthly.now;
            format!("{}: {}, saves {}\n", it.addr, it.edit, saved.normalize())
        };
        expected.assert_eq(&advice.iter().map(line).collect::<String>());
    }

    const NET: &str = "  net: {kind: network, cidr: 10.0.0.0/16}\n";

    #[test]
    fn a_gateway_for_each_zone_may_be_one_or_none() {
        check(
            "  net: {kind: network, cidr: 10.0.0.0/16, nat: per_zone}\n",
            expect![[r#"
            net: nat: none, saves 75.25
            net: nat: one, saves 36.5
        "#]],
        );
        check("  net: {kind: network, cidr: 10.0.0.0/16, nat: none}\n", expect![""]);
    }

    #[test]
    fn addresses_of_machines_are_paid_for_without_a_gateway() {
        // Eleven addresses cost more than a gateway with its own.
        let many = format!("{NET}  web: {{kind: pool, count: 11, cpus: 2+}}\n");
        check(&many, expect![""]);
    }

    #[test]
    fn jobs_may_be_interrupted_and_others_may_not() {
        let net = NET.replace("/16}", "/16, nat: none}");
        check(
            &format!("{net}  work: {{kind: pool, tier: job, count: 2, cpus: 4+}}\n"),
            expect![[r#"
                work: purchase: {spot: preferred}, saves 141.182
            "#]],
        );
        check(&format!("{net}  work: {{kind: pool, count: 2, cpus: 4+}}\n"), expect![""]);
        let spot = "{kind: pool, tier: job, count: 2, cpus: 4+, purchase: spot}";
        check(&format!("{net}  work: {spot}\n"), expect![""]);
    }

    #[test]
    fn what_is_named_may_be_had_cheaper() {
        let net = NET.replace("/16}", "/16, nat: none}");
        check(
            &format!("{net}  web: {{kind: machine, type: m5.xlarge}}\n"),
            expect![[r#"
                web: cpus: 4+, memory: 16GiB+ instead of type: m5.xlarge, saves 30.368
            "#]],
        );
        check(
            &format!("{net}  web: {{kind: machine, type: t3.medium}}\n"),
            expect![[r#"
            web: cpus: 2+, memory: 4GiB+ instead of type: t3.medium, saves 2.92
        "#]],
        );
    }
}
