//! What an environment costs, offline and without an account: plan, cost, budgets.

use crate::place::Place;
use serde_json::{Value as Json, json};

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

#[test]
fn what_a_change_does_to_the_bill_is_said_with_its_cause() {
    let place = place("ephemeral: true");
    let before = place.ok(&["cost", "--json"]).out;
    place.write("before.json", &before);
    place.write("before.yaml", &place.read("dsenv.yaml"));
    let same = place.json(&["cost", "--diff", "before.yaml"]);
    assert_eq!((&same["format"], &same["monthly"]), (&"dsenv-cost-diff/1".into(), &"0".into()));
    assert!(place.ok(&["cost", "--diff", "before.json"]).out.contains("Nothing differs."));
    // A disk that grows, a pool that starts with more, a bucket that is new, a machine that is dearer.
    place.edit("dsenv.yaml", "disk: 20GiB", "disk: 30GiB");
    place.edit("dsenv.yaml", "{min: 1, max: 4}", "{min: 2, max: 4}");
    place.edit("dsenv.yaml", "environments:", "  lake: {kind: bucket}\nenvironments:");
    let diff = place.json(&["cost", "--diff", "before.yaml"]);
    let cost = place.json(&["cost"]);
    let more = amount(&cost["total"]["monthly"]["now"])
        - amount(&serde_json::from_str::<Json>(&before).expect("JSON")["total"]["monthly"]["now"]);
    assert!((amount(&diff["monthly"]) - more).abs() < 1e-6, "{diff:#}");
    let all = diff["differences"].as_array().expect("a list");
    let sum: f64 =
        all.iter().filter(|it| !it["monthly"].is_null()).map(|it| amount(&it["monthly"])).sum();
    assert!((sum - more).abs() < 1e-6, "{sum} is not {more}");
    let cause = |address: &str, name: &str| {
        let found = all.iter().find(|it| it["address"] == address && it["name"] == name);
        found.map(|it| it["cause"].as_str().expect("a text").to_owned())
    };
    assert_eq!(cause("desk", "root disk").as_deref(), Some("quantity"));
    assert_eq!(cause("lake", "storage").as_deref(), Some("new"));
    assert_eq!(place.json(&["cost", "--diff", "before.json"])["differences"], diff["differences"]);
    // Both sides are priced with the same file, so that is no difference; a document keeps its own.
    place.write(
        "dsenv.rates.yaml",
        "rates: [{provider: aws, percent: 50, source: contract, as_of: 2026-01-01}]\n",
    );
    let halved = place.json(&["cost", "--diff", "before.yaml"]);
    assert!((amount(&halved["monthly"]) - more / 2.0).abs() < 1e-6, "{halved:#}");
    let dated = place.json(&["cost", "--diff", "before.json"]);
    assert!(dated["by_cause"]["price"].as_str().is_some_and(|it| it.starts_with('-')), "{dated:#}");
    let text = place.ok(&["cost", "--diff", "before.yaml"]).out;
    assert!(text.contains("new: lake storage") && text.contains("Difference: +$"), "{text}");
    // A price that gets lost is no saving.
    place.edit("dsenv.yaml", "type: m7i.large, disk: 30GiB", "type: m99.huge, disk: 30GiB");
    let lost = place.ok(&["cost", "--diff", "before.yaml"]).out;
    assert!(lost.contains("no price  new: desk compute, m99.huge"), "{lost}");
    assert!(lost.contains("to at least $"), "{lost}");
}

#[test]
fn bases_that_are_none_are_refused() {
    let place = place("ephemeral: true");
    place.refuses(&["cost", "--diff", "nowhere.yaml"], 1, "E0906");
    place.write("other.json", "{\"format\": \"dsenv-plan/1\"}");
    place.refuses(&["cost", "--diff", "other.json"], 1, "E0906");
    place.write(
        "broken.yaml",
        "blueprint: x\nresources: {a: {kind: buckett}}\nenvironments: {prod: {provider: aws}}\n",
    );
    let broken = place.refuses(&["cost", "--diff", "broken.yaml"], 1, "E0204");
    broken.says(&["broken.yaml:2"]);
    place.write("before.json", &place.ok(&["cost", "--json"]).out);
    place.write(
        "dsenv.rates.yaml",
        "currency: EUR\nexchange: {from: USD, rate: 0.9, on: 2026-11-30, source: ECB}\n",
    );
    place.refuses(&["cost", "--diff", "before.json"], 1, "E1010");
    assert_eq!(place.run(&["cost", "--diff", "before.json", "--history"]).code, 64);
}

/// The same spot machine in three clouds. Offers leave no hole in a plan, and are pinned all the same.
#[test]
fn offers_are_pinned_in_every_cloud() {
    let image = json!({"id": "image", "version": "1.2.3", "root": "/dev/sda1", "gib": 10});
    let (aws, azure) = (("aws", "us-east-1"), ("azure", "westeurope"));
    let (zones, by_spot) = (json!(["us-east-1a", "us-east-1b"]), "-by-spot");
    let others = json!({"aws-image-us-east-1-debian-12": image, "aws-zones-us-east-1": zones});
    pinned(aws, "", others);
    pinned(azure, "", json!({"azure-image-westeurope-debian-12": image}));
    pinned(("gcp", "us-central1"), by_spot, json!({"gcp-image-debian-12": image}));
}

fn pinned((cloud, region): (&str, &str), order: &str, others: Json) {
    let blueprint = format!(
        "blueprint: bill
resources:
  net: {{kind: network, cidr: 10.1.0.0/16, nat: none}}
  desk: {{kind: machine, tier: research, cpus: 4+, memory: 16GiB+, purchase: spot}}
environments:
  prod: {{provider: {cloud}, region: {region}}}
"
    );
    let place = Place::with_environments(&blueprint, vec!["prod"]);
    let pin = format!("{cloud}-offers-{region}-cpus-4+-memory-16GiB+{order}");
    let not_locked = || {
        let text = place.ok(&["plan"]).out;
        let words: Vec<&str> = text.split_whitespace().collect();
        let note = words.join(" ");
        let note = note.split_once("Not locked yet: ").and_then(|(_, rest)| rest.split_once(". "));
        note.map(|(names, _)| names.to_owned()).unwrap_or_default()
    };
    let lock = |pins: &Json| {
        let lock = json!({"format": "dsenv-lock/1", "blueprint": "bill", "pins": pins});
        place.write("bill.lock", &lock.to_string());
    };
    let all = not_locked();
    assert!(all.contains(&pin) && all.contains("image"), "{cloud}: {all}");
    let explained = place.json(&["plan", "--explain", "desk"]);
    assert_eq!(explained["pinned"], false);
    // They are shown at the price by which they are put in order.
    let offers = explained["offers"].as_array().expect("a list");
    let considered = explained["considered"].as_array().expect("a list");
    let priced = |offer: &Json| considered.iter().find(|it| it["name"] == *offer).expect("it");
    let prices: Vec<f64> = offers.iter().map(|it| amount(&priced(it)["hourly"])).collect();
    assert!(prices.len() > 1 && prices.is_sorted(), "{cloud}: {offers:?} at {prices:?}");

    // What has a pin is not told as if it had none, nor is what has none forgotten.
    lock(&others);
    assert_eq!(not_locked(), pin);
    let last = &offers[offers.len() - 1];
    let mut pins = others;
    pins[&pin] = json!([last]);
    lock(&pins);
    assert_eq!(not_locked(), "", "{cloud}");
    let explained = place.json(&["plan", "--explain", "desk"]);
    assert_eq!((&explained["pinned"], &explained["offers"]), (&json!(true), &json!([last])));
}
