//! `pool`: managed instance groups that keep as many instances of a template as are asked for.
//!
//! ```text
//! workers.template["spot"] ------ workers (the group) -------- workers.autoscaler["spot"]
//! workers.template["on_demand"] - workers.base (the group) --- workers.autoscaler["on_demand"]
//! ```
//! A group of Google Cloud is all spot or all on demand, so a pool with an on-demand base is two groups:
//! `base` has the first members, the main one the rest, and tells the addresses of both. A group takes any
//! of several types (instance flexibility), in any of the zones. Its bounds are an autoscaler's: one that
//! is off keeps them and does nothing.

mod group;

pub(crate) use group::{AUTOSCALER, INSTANCE_GROUP, INSTANCE_TEMPLATE};

use super::machine::{around_instance, check_machine, launch_args, offers, wants};
use super::{GcpKind, args, check_known, display_name, int, known, of, part};
use dsenv_sdk::provider::{Finding, Native, Neutral, Surroundings, refuses, substitutes};
use dsenv_sdk::reading::{Count, check_count, count, markets};
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Key, Term};
use offers::{Offers, Ways};

pub(crate) const KIND: GcpKind = GcpKind { name: "pool", check, wants, lower };

/// More than a few types make no difference to capacity.
const TYPES_MAX: usize = 10;
/// How busy processors are to be where `scale` does not say: the API's own default.
const CPU_TARGET_USUAL: i64 = 60;

const SPOT: &str = "spot";
const ON_DEMAND: &str = "on_demand";

/// How many are never spot; `None` where none is spot.
fn base(resource: &Neutral) -> Option<i64> {
    let base = known(resource, "purchase").and_then(|it| it.step("on_demand_base"));
    let base = base.and_then(Value::as_int).unwrap_or(0);
    markets(resource).contains(&SPOT).then_some(base)
}

/// Members of a spot group are never on demand: nothing takes their place.
fn ways(resource: &Neutral) -> Ways {
    match base(resource) {
        None => Ways { spot: false, on_demand: true },
        Some(base) => Ways { spot: true, on_demand: base > 0 },
    }
}

/// The types of a pool, in the order in which they are tried.
pub(crate) fn types_of(resource: &Neutral, around: &Surroundings<'_>) -> Vec<String> {
    offers::offers(resource, around, ways(resource), TYPES_MAX).types
}

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = check_machine(resource, around, ways(resource));
    findings.extend(check_count(resource));
    let spot = known(resource, "purchase").and_then(|it| it.step("spot")).and_then(Value::as_text);
    if spot == Some("preferred") {
        let message = "on gcp a pool buys what is above `on_demand_base` as spot alone: an instance group \
                       does not put on-demand instances in the place of spot that is not to be had";
        findings.push(substitutes(&["purchase", "spot"], message));
    }
    if let Some(used) = resource.uses.iter().find(|used| used.kind == "volume") {
        let message = format!("one machine uses the volume `{}` at a time", used.target);
        let path = ["uses", &used.target.to_string()];
        findings.push(refuses(&path, message, "use it from a machine, or take a bucket"));
    }
    findings.extend(check_known(resource, &["scale"]));
    findings.extend(check_scale(resource));
    findings
}

fn check_scale(resource: &Neutral) -> Vec<Finding> {
    let Some(scale) = known(resource, "scale") else { return Vec::new() };
    let mut findings = Vec::new();
    let on = scale.step("on").and_then(Value::as_text).unwrap_or_default();
    if on != "cpu" {
        let message = format!("on gcp a pool is not scaled by `{on}` yet: the agent measures none");
        findings.push(refuses(&["scale", "on"], message, "write `scale: {on: cpu, target: 60%}`"));
    }
    if scale.step("idle_stop").is_some_and(|said| *said != Value::Null) {
        let message =
            "on gcp `idle_stop` is not built yet: the autoscaler looks at the last ten minutes";
        findings.push(refuses(&["scale", "idle_stop"], message, "take it away"));
    }
    let ranged = count(resource).is_none_or(|count| count.min < count.max);
    if on == "cpu" && !ranged {
        let message = "a pool that always has as many members is not scaled";
        let help = "write `count: {min: 0, max: 8}`";
        findings.push(refuses(&["scale"], message, help));
    }
    findings
}

fn each(count: Count, part: impl Fn(i64) -> i64) -> Count {
    Count { min: part(count.min), max: part(count.max), start: part(count.start) }
}

/// What a pool is made of: how many are bought in which way, the main group last.
fn groups(resource: &Neutral) -> Vec<(&'static str, Count)> {
    let count = count(resource).expect("an unknown count was refused");
    match base(resource) {
        None => vec![(ON_DEMAND, count)],
        Some(base) if base >= count.max && base > 0 => vec![(ON_DEMAND, count)],
        Some(0) => vec![(SPOT, count)],
        Some(base) => vec![
            (ON_DEMAND, each(count, |all| all.min(base))),
            (SPOT, each(count, |all| (all - base).max(0))),
        ],
    }
}

fn key(market: &str) -> Option<Key> {
    Some(Key::Text(market.into()))
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let addr = &resource.addr;
    let mut natives = around_instance(resource, around);
    let offers = offers::offers(resource, around, ways(resource), TYPES_MAX);
    let groups = groups(resource);
    let (main, _) = groups.last().copied().expect("a pool has a group");
    let base = (groups.len() > 1).then(|| addr.part("base", None));
    for (market, count) in groups {
        let is_main = market == main;
        natives.push(template(resource, around, &offers, market));
        let mut group = group(resource, around, &offers, market, count);
        let group_addr = if is_main { addr.clone() } else { addr.part("base", None) };
        if is_main {
            group.part = None;
            group.args.extend(args([("base", base.as_ref().and_then(|base| of(base, "name")))]));
        }
        natives.push(group);
        natives.extend(autoscaler(resource, &group_addr, market, count));
    }
    natives
}

fn template(
    resource: &Neutral,
    around: &Surroundings<'_>,
    offers: &Offers,
    market: &str,
) -> Native {
    let mut template = launch_args(resource, around, offers, market == SPOT);
    let usual = offers.types.first().expect("a pool that nothing satisfies was refused");
    template.extend(args([
        ("machine_type", Some(Term::text(usual))),
        ("market", Some(Term::text(market))),
        ("name", Some(Term::text(display_name(&resource.addr)))),
    ]));
    Native { args: template, ..part("template", key(market), INSTANCE_TEMPLATE.name, []) }
}

fn group(
    resource: &Neutral,
    around: &Surroundings<'_>,
    offers: &Offers,
    market: &str,
    count: Count,
) -> Native {
    let network = resource.network.as_ref().expect("a pool without a network was refused");
    let template = resource.addr.part("template", key(market));
    part(
        "base",
        None,
        INSTANCE_GROUP.name,
        [
            ("template", of(&template, "self_link")),
            ("types", Some(Term::list(offers.types.iter().map(Term::text).collect()))),
            ("market", Some(Term::text(market))),
            ("region", around.region.map(Term::text)),
            ("zones", of(network, "zones")),
            ("target_shape", Some(Term::text("ANY"))),
            ("size", int(count.start)),
            // A member that runs stays as it is; new ones are of the newer template.
            ("update_type", Some(Term::text("OPPORTUNISTIC"))),
        ],
    )
}

/// The bounds of a group; `None` for one that always has as many members.
fn autoscaler(
    resource: &Neutral,
    group: &Addr,
    market: &str,
    Count { min, max, .. }: Count,
) -> Option<Native> {
    if min == max {
        return None;
    }
    let scale = known(resource, "scale");
    let target = scale.and_then(|scale| scale.step("target")).and_then(Value::as_text);
    let percent = target.and_then(|text| text.trim_end_matches('%').parse::<i64>().ok());
    let mode = if scale.is_some() { "ON" } else { "OFF" };
    Some(part(
        "autoscaler",
        key(market),
        AUTOSCALER.name,
        [
            ("group", of(group, "self_link")),
            ("min", int(min)),
            ("max", int(max)),
            ("mode", Some(Term::text(mode))),
            ("cpu_target_percent", int(percent.unwrap_or(CPU_TARGET_USUAL))),
        ],
    ))
}

#[cfg(test)]
mod tests;
