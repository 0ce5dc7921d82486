//! What an environment costs, offline and without an account: plan, cost, budgets.

use crate::place::Place;
use serde_json::Value as Json;

/// A machine and a pool in an account that nobody has credentials of.
fn place(more: &str) -> Place {
    let blueprint = format!(
        r#"blueprint: bill
resources:
  net: {{kind: network, cidr: 10.1.0.0/16, nat: none}}
  desk: {{kind: machine, tier: research, type: m7i.large, disk: 20GiB}}
  workers:
    kind: pool
    tier: job
    type: m7i.large
    disk: 10GiB
    count: {{min: 1, max: 4}}
    purchase: {{spot: preferred, on_demand_base: 1}}
environments:
  prod: {{provider: aws, region: us-east-1, {more}}}
"#
    );
    Place::with_environments(&blueprint, vec!["prod"])
}

fn amount(json: &Json) -> f64 {
    json.as_str().expect("money is a text").parse().expect("a decimal")
}

#[test]
fn lines_add_up_to_what_the_plan_says() {
    let place = place("ephemeral: true");
    let cost = place.json(&["cost"]);
    assert_eq!(cost["format"], "dsenv-cost/1");
    let resources = cost["resources"].as_array().expect("resources");
    let components = resources.iter().flat_map(|it| it["components"].as_array().expect("a list"));
    let components: Vec<&Json> = components.collect();
    for bound in ["floor", "now", "ceiling"] {
        let sum: f64 = components.iter().map(|it| amount(&it["monthlies"][bound])).sum();
        let total = amount(&cost["total"]["monthly"][bound]);
        assert!((sum - total).abs() < 1e-6, "{bound}: {sum} is not {total}");
    }
    for component in &components {
        let product = amount(&component["quantity"]) * amount(&component["unit_price"]);
        assert!((product - amount(&component["monthly"])).abs() < 1e-6, "{component:#}");
        assert!(component["source"].is_string(), "{component:#}");
    }
    // Two machines at the least, five at the most, on demand: each an hour of 730.
    let hour = amount(
        &components.iter().find(|it| it["name"] == "compute, m7i.large").expect("it")["unit_price"],
    );
    let most: f64 = components
        .iter()
        .filter(|it| it["name"].as_str().is_some_and(|name| name.starts_with("compute")))
        .map(|it| amount(&it["monthlies"]["ceiling"]))
        .sum();
    assert!((most - 5.0 * 730.0 * hour).abs() < 1e-6, "{most}");
    let plan = place.json(&["plan"]);
    assert_eq!(plan["cost"]["total"], cost["total"]);
    assert_eq!(plan["cost"]["difference"], cost["total"]["monthly"]["now"]);
    let said = place.ok(&["plan"]);
    assert!(said.out.contains("\nCost: $"), "{}", said.out);
}

#[test]
fn what_has_no_price_is_said_and_never_zero() {
    let place = place("ephemeral: true");
    place.edit("dsenv.yaml", "type: m7i.large, disk: 20GiB", "type: m99.huge, disk: 20GiB");
    let cost = place.json(&["cost"]);
    let missing = cost["missing"].as_array().expect("a list");
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert_eq!(missing[0]["address"], "desk");
    let text = place.ok(&["cost"]);
    assert!(
        text.out.contains("no price") && text.out.contains("Total: at least $"),
        "{}",
        text.out
    );
}

#[test]
fn a_budget_is_judged_on_the_ceiling() {
    let over = place("budget: 200 USD/month");
    let refused = over.run(&["plan"]);
    assert_eq!(refused.code, 1, "{}\n{}", refused.out, refused.err);
    assert!(refused.err.contains("error[E0821]"), "{}", refused.err);
    assert!(refused.err.contains("more than its budget of $200.00"), "{}", refused.err);
    let near = place("budget: 450 USD/month");
    let warned = near.ok(&["plan"]);
    assert!(warned.err.contains("% of its budget"), "{}", warned.err);
    let far = place("budget: {total: 5000 USD/month, tiers: {job: 1000 USD/month}}");
    assert!(!far.ok(&["plan"]).err.contains("E0821"));
}

#[test]
fn a_missing_price_cannot_be_judged_unless_it_is_waived() {
    let place = place("budget: 5000 USD/month");
    place.edit("dsenv.yaml", "type: m7i.large, disk: 20GiB", "type: m99.huge, disk: 20GiB");
    let unknown = place.run(&["plan"]);
    assert_eq!(unknown.code, 4, "{}\n{}", unknown.out, unknown.err);
    assert!(unknown.err.contains("error[E0822]"), "{}", unknown.err);
    place.edit("dsenv.yaml", "5000 USD/month", "{total: 5000 USD/month, missing: it was agreed}");
    place.ok(&["plan"]);
}

#[test]
fn a_placement_is_explained() {
    let place = place("ephemeral: true");
    place.edit("dsenv.yaml", "type: m7i.large, disk: 20GiB", "cpus: 4+, memory: 16GiB+");
    let explained = place.json(&["plan", "--explain", "desk"]);
    let offers = explained["offers"].as_array().expect("a list");
    assert_eq!(offers.len(), 10);
    let considered = explained["considered"].as_array().expect("a list");
    let chosen = considered.iter().find(|it| it["name"] == offers[0]).expect("it was considered");
    assert_eq!(chosen["fits"], true);
    let cheaper =
        |it: &&Json| it["hourly"].is_string() && amount(&it["hourly"]) < amount(&chosen["hourly"]);
    let cheaper: Vec<&Json> = considered.iter().filter(cheaper).collect();
    assert!(cheaper.len() > 100, "{}", cheaper.len());
    assert!(cheaper.iter().all(|it| it["fits"] == false), "nothing cheaper would do");
    place.refuses(&["plan", "--explain", "net"], 1, "E0814");
}
