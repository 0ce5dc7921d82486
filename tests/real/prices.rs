//! Prices from the terminal: offers, own prices, how resources are used. No cloud is asked for anything.

use crate::place::Place;

const SHOP: &str = "blueprint: shop
resources:
  net: {kind: network, cidr: 10.20.0.0/16}
  lake: {kind: bucket}
  web: {kind: machine, cpus: 2, memory: 8GiB}
environments:
  dev: {provider: local, ephemeral: true}
  prod: {provider: aws, region: us-east-1}
";

/// The shop, with a cache of its own.
pub(crate) fn shop() -> Place {
    let place = Place::new(SHOP);
    let cache = place.path("cache").to_str().expect("UTF-8").to_owned();
    place.with_variable("XDG_CACHE_HOME", cache)
}

#[test]
fn offers_are_found_by_need_without_a_blueprint() {
    let place = Place::new("");
    std::fs::remove_file(place.path("dsenv.yaml")).expect("it was there");
    let search = ["catalog", "search", "--gpu", "A100:8", "--region", "us-*", "--spot"];
    let found = place.json(&[&search[..], &["--provider", "aws"]].concat());
    assert_eq!(found["format"], "dsenv-catalog/1");
    assert_eq!(found["purchase"], "spot");
    let offers = found["offers"].as_array().expect("a list");
    assert_eq!(found["total"], offers.len());
    let prices: Vec<Option<f64>> = offers
        .iter()
        .map(|it| it["hourly"].as_str().map(|text| text.parse().expect("a decimal")))
        .collect();
    let known: Vec<f64> = prices.iter().copied().flatten().collect();
    assert!(known.is_sorted() && known.len() < prices.len(), "{prices:?}");
    assert!(prices[known.len()..].iter().all(Option::is_none), "what has no price is last");
    for offer in offers {
        assert_eq!(offer["gpu"]["count"], "8");
        assert_eq!(offer["hourly"].is_null(), offer["gpu_hourly"].is_null(), "{offer}");
        assert_eq!(offer["hourly"].is_null(), offer["source"].is_null(), "{offer}");
    }
    let text = place.ok(&search);
    assert!(text.out.contains("no price"), "{}", text.out);
    assert!(text.out.contains("PER GPU/H") && text.out.contains("(built in)"), "{}", text.out);

    let needs = ["catalog", "search", "--cpus", "4+", "--memory", "16GiB+", "--arch", "arm64"];
    let most = ["--max-price", "0.2", "--sort", "memory", "--limit", "3", "--provider", "gcp"];
    let found = place.json(&[&needs[..], &most[..]].concat());
    let offers = found["offers"].as_array().expect("a list");
    assert_eq!(offers.len(), 3);
    assert!(offers.iter().all(|it| it["arch"] == "arm64" && it["memory_gib"] == "16"));
}

#[test]
fn a_name_that_the_price_book_does_not_know_has_a_nearest_one() {
    let place = Place::new("");
    fn search<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&["catalog", "search"][..], more].concat()
    }
    let refuses = |more: &[&str], pieces: &[&str]| {
        place.refuses(&search(more), 1, "E1001").says(pieces);
    };
    refuses(&["--region", "us-eats-1"], &["called `us-eats-1`", "did you mean `us-east-1`?"]);
    refuses(&["--region", "westeurope", "--provider", "aws"], &["`azure` has it"]);
    refuses(&["--gpu", "A1000:8"], &["called `A1000`", "did you mean `A100`?"]);
    refuses(&["--type", "m7i.larg"], &["did you mean `m7i.large`?"]);
    let ran = place.run(&search(&["--provider", "awss"]));
    assert_eq!(ran.code, 64, "{}", ran.err);
    assert!(ran.err.contains("a similar value exists: 'aws'"), "{}", ran.err);
    let ran = place.run(&search(&["--cpus", "many"]));
    assert_eq!(ran.code, 64, "{}", ran.err);
    assert!(ran.err.contains("write `4`, or `4+` for four and more"), "{}", ran.err);
}

#[test]
fn own_prices_and_use_are_read_beside_the_blueprint_and_by_flag() {
    let place = shop();
    let list = place.json(&["cost", "-e", "prod"]);
    assert_eq!(list["currency"], "USD");
    place.write("dsenv.usage.yaml", "resources: {lake: {stored: 1TiB}}\n");
    let rates = "currency: EUR
exchange: {from: USD, rate: 0.5, on: 2026-11-30, source: ECB}
rates:
  - {provider: aws, percent: 10, source: contract 7, as_of: 2026-01-01}
  - {provider: aws, type: t3a.large, purchase: on_demand, price: 0.05 USD, source: plan, as_of: 2026-02-01}
";
    place.write("own.yaml", rates);
    let own = place.json(&["cost", "-e", "prod", "--rates", "own.yaml"]);
    assert_eq!((&own["currency"], &own["exchange"][0]["source"]), (&"EUR".into(), &"ECB".into()));
    let line = |of: &str, name: &str| {
        let resources = own["resources"].as_array().expect("a list");
        let resource = resources.iter().find(|it| it["address"] == of).expect("it is there");
        let lines = resource["components"].as_array().expect("a list");
        lines.iter().find(|it| it["name"] == name).expect("a line").clone()
    };
    let machine = line("web", "compute, t3a.large");
    assert_eq!(machine["list_price"], "0.0376", "{machine:#}");
    assert_eq!(machine["unit_price"], "0.025", "{machine:#}");
    assert_eq!((&machine["source"], &machine["as_of"]), (&"plan".into(), &"2026-02-01".into()));
    assert!(machine["discount"]["percent"].is_null());
    let storage = line("lake", "storage");
    assert_eq!((&storage["quantity"], &storage["assumed"]), (&"1024".into(), &false.into()));
    assert_eq!(storage["list_price"], "0.0115", "{storage:#}");
    assert_eq!(storage["unit_price"], "0.01035", "{storage:#}");
    assert_eq!(storage["discount"]["percent"], "10");
    assert_eq!(storage["discount"]["source"], "contract 7");

    // Beside the blueprint, the same; a plan says it too.
    place.write("dsenv.rates.yaml", rates);
    assert_eq!(place.json(&["cost", "-e", "prod"])["total"], own["total"]);
    let plan = place.json(&["plan", "-e", "prod"]);
    assert_eq!(plan["cost"]["total"], own["total"]);
    let text = place.ok(&["cost", "-e", "prod"]).out;
    assert!(text.contains("(list €0.0376)") && text.contains("10 % off by contract 7"), "{text}");
}

#[test]
fn this_computer_is_charged_where_its_owner_says_what_it_costs() {
    let place = shop();
    place.edit("dsenv.yaml", "  web:", "  job: {kind: machine, cpus: 1, memory: 1GiB}\n  web:");
    let free = place.json(&["cost", "-e", "dev"]);
    assert_eq!(
        (&free["total"]["monthly"]["now"], &free["missing"]),
        (&"0".into(), &serde_json::json!([]))
    );
    assert!(place.json(&["plan", "-e", "dev"])["cost"].is_null());
    let rates = "rates:
  - {provider: local, price: 0.10 USD, energy: {watts: 200, kwh: 0.30 USD}, source: meter, as_of: 2026-10-01}
";
    place.write("dsenv.rates.yaml", rates);
    let own = place.json(&["cost", "-e", "dev"]);
    // One computer, two machines on it: 730 hours at 0.16.
    assert_eq!(own["total"]["monthly"]["now"], "116.8", "{own:#}");
    assert_eq!(place.json(&["plan", "-e", "dev"])["cost"]["total"], own["total"]);
}

#[test]
fn mistakes_in_a_rates_file_have_their_lines_and_nearest_names() {
    let place = shop();
    place.write(
        "dsenv.rates.yaml",
        "rates:\n  - {provider: aws, percnt: 3, source: a, as_of: 2026-01-01}\n",
    );
    let pieces = ["dsenv.rates.yaml:2:21", "a rate has no `percnt`", "did you mean `percent`?"];
    place.refuses(&["cost", "-e", "prod"], 1, "E1002").says(&pieces);
    place.refuses(&["plan", "-e", "prod"], 1, "E1002").says(&pieces);
    let json = place.run(&["cost", "-e", "prod", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(json["diagnostics"][0]["file"], "dsenv.rates.yaml", "{json:#}");
    place.write("dsenv.rates.yaml", "currency: EUR\n");
    place.refuses(&["cost", "-e", "prod"], 1, "E1003");
    std::fs::remove_file(place.path("dsenv.rates.yaml")).expect("it was there");
    place.write("u.yaml", "kinds:\n  bucket: {stord: 1TiB}\n");
    let usage = ["cost", "-e", "prod", "--usage", "u.yaml"];
    place.refuses(&usage, 1, "E1002").says(&["u.yaml:2:12", "did you mean `stored`?"]);
    let missing = ["cost", "-e", "prod", "--usage", "nothing.yaml"];
    place.refuses(&missing, 1, "E0906").says(&["nothing.yaml"]);
}

#[test]
fn a_damaged_fetched_book_is_not_used_and_said() {
    let place = shop();
    let folder = place.path("cache/dsenv/prices");
    std::fs::create_dir_all(&folder).expect("our folder");
    let built_in = include_bytes!("../../providers/prices/prices.book");
    let mut damaged = built_in.to_vec();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(folder.join("prices.book"), &damaged).expect("our folder");
    let ran = place.ok(&["cost", "-e", "prod"]);
    assert!(ran.err.contains("warning[E1007]") && ran.err.contains("its digest is"), "{}", ran.err);
    assert!(ran.out.contains("(built in)"), "{}", ran.out);
    let ran = place.ok(&["cost", "-e", "prod", "--builtin"]);
    assert!(!ran.err.contains("E1007"), "{}", ran.err);

    std::fs::write(folder.join("prices.book"), built_in).expect("our folder");
    let ran = place.ok(&["catalog", "search", "--type", "m7i.large"]);
    assert!(ran.out.contains("cache/dsenv/prices/prices.book"), "{}", ran.out);
    let ran = place.ok(&["catalog", "search", "--type", "m7i.large", "--builtin"]);
    assert!(ran.out.contains("(built in)"), "{}", ran.out);
}

#[test]
fn a_rate_for_nothing_is_said_and_one_for_elsewhere_is_not() {
    let place = Place::with_environments(
        r#"blueprint: typo
resources:
  net: {kind: network, cidr: 10.1.0.0/16, nat: none}
  desk: {kind: machine, type: m7i.large, disk: 20GiB}
environments:
  prod: {provider: aws, region: us-east-1}
"#,
        vec!["prod"],
    );
    place.write(
        "dsenv.rates.yaml",
        "rates:
  - {provider: aws, type: m7i.large, percent: 5, source: contract, as_of: 2026-01-01}
  - {provider: aws, type: m7l.large, percent: 30, source: contract, as_of: 2026-01-01}
  - {provider: aws, region: eu-west-1, service: 'bucket/*', percent: 9, source: contract, as_of: 2026-01-01}
  - {provider: gcp, percent: 7, source: contract, as_of: 2026-01-01}
",
    );
    let said = place.ok(&["cost", "-e", "prod"]).err;
    assert_eq!(said.matches("E1011").count(), 1, "{said}");
    assert!(said.contains("dsenv.rates.yaml:3"), "{said}");
    assert!(place.ok(&["report", "-e", "prod"]).err.contains("E1011"));
}
