//! `pool`: a launch template and a scaling group that keeps as many instances of it as are asked for.
//!
//! A pool buys several types in several zones, spot by the strategy that looks at capacity first: the
//! API's own default, `lowest-price`, is the one that is interrupted most.

mod group;
mod template;

pub(crate) use group::{SCALING_GROUP, ScalingGroup};
pub(crate) use template::{LAUNCH_TEMPLATE, LaunchTemplate, MEMBER};

use super::machine::{
    around_instance, check_machine, launch_args, max_price, offers, part, placement, wants,
};
use super::{AwsKind, args, refuses, substitutes};
use dsenv_sdk::Term;
use dsenv_sdk::provider::{Finding, Native, Neutral, Surroundings};
use dsenv_sdk::reading::{Count, check_count, count, known};
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::Value;

pub(super) const KIND: AwsKind = AwsKind { name: "pool", check, wants, lower };

/// The part that says how a member is launched.
pub(crate) const TEMPLATE: &str = "template";

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = check_machine(resource, around);
    findings.extend(check_count(resource));
    let spot = known(resource, "purchase").and_then(|it| it.step("spot")).and_then(Value::as_text);
    if spot == Some("preferred") {
        let message = "on aws a pool buys what is above `on_demand_base` as spot alone: a scaling \
                       group does not put on-demand instances in the place of spot that is not to be had";
        findings.push(substitutes(&["purchase", "spot"], message));
    }
    if resource.fields.contains_key("scale") {
        let message = "on aws `scale` is not built yet: nothing adds or takes away members by load";
        let help =
            "set the number with `count`, or change the group's own wish by hand: it is kept";
        findings.push(refuses(&["scale"], message, help));
    }
    findings
}

/// How a pool is bought.
struct Purchase {
    /// How many are never spot.
    base: i64,
    /// Of what comes on top, how many percent are not.
    on_demand_percent: i64,
}

fn purchase(resource: &Neutral) -> Purchase {
    let said = known(resource, "purchase");
    let spot = said.and_then(|it| it.step("spot")).and_then(Value::as_text);
    let base = said.and_then(|it| it.step("on_demand_base")).and_then(Value::as_int).unwrap_or(0);
    match (said.and_then(Value::as_text), spot) {
        (Some("spot"), _) | (_, Some("only" | "preferred")) => {
            Purchase { base, on_demand_percent: 0 }
        }
        _ => Purchase { base, on_demand_percent: 100 },
    }
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let mut natives = around_instance(resource, around);
    let types = offers::MARKET.offers(resource, around);
    let (subnets, public) = placement(resource);
    let mut template = launch_args(resource, around, &natives);
    template
        .extend(args([("instance_type", types.first().map(Term::text)), ("public", Some(public))]));
    let said = known(resource, "purchase").and_then(|purchase| purchase.step("max_price"));
    let price = said.and_then(|said| max_price(said, types.first()?, around.region));
    natives.push(Native {
        part: part(TEMPLATE),
        ty: LAUNCH_TEMPLATE.name,
        args: template,
        after: Vec::new(),
    });
    let Count { min, max, start } = count(resource).expect("an unknown count was refused");
    let Purchase { base, on_demand_percent } = purchase(resource);
    let int = |number: i64| Some(Term::Known(Value::Int(number)));
    let of_template =
        |name: &str| Some(Term::Ref(Ref::attribute(resource.addr.part(TEMPLATE, None), name)));
    let group = args([
        ("template", of_template("id")),
        ("template_version", of_template("version")),
        ("types", Some(Term::list(types.into_iter().map(Term::text).collect()))),
        ("subnets", Some(subnets)),
        ("min", int(min)),
        ("max", int(max)),
        ("desired", int(start)),
        ("on_demand_base", int(base)),
        ("on_demand_percent", int(on_demand_percent)),
        ("spot_max_price", price.map(Term::text)),
    ]);
    natives.push(Native { part: None, ty: SCALING_GROUP.name, args: group, after: Vec::new() });
    natives
}
