//! What the charges come to with the figures of the price book, held to amounts that were published: what
//! infracost's tests show for the same things in us-central1, where those are right.
//!
//! Theirs have a discount for sustained use in them, also on GPUs; ours are at list price: `0.7` of it.

use crate::kinds::tests_of_kinds::{charged, map, neutral};
use dsenv_sdk::Addr;
use dsenv_sdk::cost::{Charge, HOURS_A_MONTH, Line, Rate, Time};
use dsenv_sdk::prices::{Book, Cloud, Os};
use dsenv_sdk::provider::{Access, Neutral};
use dsenv_sdk::value::Value;
use expect_test::{Expect, expect};
use rust_decimal::Decimal;

/// What a line comes to in a month; `None` without a price.
fn monthly(time: Time, line: &Line, hours: Decimal) -> Option<Decimal> {
    let book = Book::builtin();
    let count = match time {
        Time::Running => line.count * hours,
        Time::Always => line.count * Decimal::from(HOURS_A_MONTH),
        Time::Month => line.count,
    };
    match &line.rate {
        Rate::Machine { ty, purchase, .. } => {
            let hourly = book.compute(Cloud::Gcp, "us-central1", ty, Os::Linux, *purchase)?;
            Some(hourly.price.decimal() * count)
        }
        Rate::Key(key) => {
            let rate = book.rate_by_key(Cloud::Gcp, "us-central1", key)?;
            Some(rate.tiers.cost(count).ok()?.amount)
        }
        Rate::Said(amount) => Some(*amount * count),
        Rate::Dearest(rates) => {
            let each =
                |rate: &Rate| monthly(time, &Line { rate: rate.clone(), ..line.clone() }, hours);
            let each: Option<Vec<Decimal>> = rates.iter().map(each).collect();
            each?.into_iter().max()
        }
    }
}

/// The amounts of a month, to the cent, one line a charge: now, and at most where that differs.
fn amounts(resources: &[&Neutral], usage: &[(&str, Value)]) -> String {
    let hours =
        usage.iter().find(|(name, _)| *name == "hours").and_then(|(_, value)| value.as_int());
    let hours = Decimal::from(hours.unwrap_or(HOURS_A_MONTH));
    let shown = |line: &Line, time| match monthly(time, line, hours) {
        Some(amount) => format!("{:.2}", amount.round_dp(2)),
        None => "no price".to_owned(),
    };
    let line = |charge: Charge| {
        let (now, most) = (shown(&charge.now, charge.time), shown(&charge.ceiling, charge.time));
        let most = if most == now { String::new() } else { format!(", at most {most}") };
        format!("{}: {now}{most}\n", charge.name)
    };
    charged(resources, usage, &[]).into_iter().map(line).collect()
}

fn check(resource: &Neutral, usage: &[(&str, Value)], expected: Expect) {
    expected.assert_eq(&amounts(&[resource], usage));
}

fn machine(ty: &str, purchase: &str, is_open: bool) -> Neutral {
    let fields = [
        ("type", Value::text(ty)),
        ("disk", Value::text("40GiB")),
        ("purchase", map([("spot", Value::text(purchase))])),
    ];
    let access = Access {
        who: "ada".to_owned(),
        keys: Vec::new(),
        how: "web".to_owned(),
        from: Some("203.0.113.0/24".to_owned()),
        until: None,
    };
    let access = if is_open { vec![access] } else { Vec::new() };
    let network = Some(Addr::resource("net"));
    Neutral { network, access, ..neutral("m", "machine", &fields) }
}

fn database(engine: &str, version: &str, fields: &[(&str, Value)]) -> Neutral {
    let mut all = vec![("engine", Value::text(engine)), ("version", Value::text(version))];
    all.extend(fields.iter().cloned());
    let network = Some(Addr::resource("net"));
    Neutral { network, ..neutral("db", "database", &all) }
}

#[test]
fn machines_at_list_price_without_a_discount_on_gpus() {
    // 388.36 / 0.7.
    check(
        &machine("n1-standard-16", "never", false),
        &[],
        expect![[r#"
            compute: 554.80
            root disk: 4.00
            data to the internet: no price
            data to other zones: no price
        "#]],
    );
    check(
        &machine("n1-standard-16", "only", true),
        &[("hours", Value::Int(100))],
        expect![[r#"
            compute, spot: 26.80, at most 76.00
            root disk: 4.00
            public IPv4 address: 0.25
            data to the internet: no price
            data to other zones: no price
        "#]],
    );
    // Once, with its L4: not 515.99 and 286.18 on top.
    check(
        &machine("g2-standard-4", "never", false),
        &[],
        expect![[r#"
            compute: 515.99
            root disk: 4.00
            data to the internet: no price
            data to other zones: no price
        "#]],
    );
    // 3.65 an address on demand, 1.83 on spot.
    check(
        &machine("f1-micro", "preferred", true),
        &[],
        expect![[r#"
            compute, spot: 0.50, at most 5.55
            root disk: 4.00
            public IPv4 address: 1.82, at most 3.65
            data to the internet: no price
            data to other zones: no price
        "#]],
    );
    check(
        &machine("e2-medium", "never", true),
        &[],
        expect![[r#"
            compute: 24.46
            root disk: 4.00
            public IPv4 address: 3.65
            data to the internet: no price
            data to other zones: no price
        "#]],
    );
}

#[test]
fn databases_whose_second_server_is_paid() {
    let custom = |zones: bool| {
        let fields = [
            ("cpus", Value::text("2")),
            ("memory", Value::text("7680MiB")),
            ("multi_zone", Value::Bool(zones)),
        ];
        database("postgres", "15", &fields)
    };
    check(
        &custom(false),
        &[],
        expect![[r#"
            server, processors: 60.30
            server, memory: 38.32
            storage: 3.40
            backups: 0.00
        "#]],
    );
    check(
        &custom(true),
        &[],
        expect![[r#"
            server, processors: 120.60
            server, memory: 76.65
            storage: 6.80
            backups: 0.00
        "#]],
    );
    let small = database("mysql", "8.4", &[]);
    check(
        &small,
        &[("backup", Value::text("1000GiB"))],
        expect![[r#"
        server: 25.55
        storage: 3.40
        backups: 80.00
    "#]],
    );
}

#[test]
fn a_nat_by_its_machines_up_to_32() {
    let network = neutral("net", "network", &[("cidr", Value::text("10.20.0.0/16"))]);
    let pool = |count: i64| {
        let fields = [("type", Value::text("e2-medium")), ("count", Value::Int(count))];
        Neutral { network: Some(Addr::resource("net")), ..neutral("w", "pool", &fields) }
    };
    let usage = [("nat", Value::text("1000GiB"))];
    expect![[r#"
        machines behind the NAT: 4.09
        addresses of the NAT: 3.65
        data through the NAT: 45.00
    "#]]
    .assert_eq(&amounts(&[&network, &pool(4)], &usage));
    expect![[r#"
        machines behind the NAT: 32.70
        addresses of the NAT: 3.65
        data through the NAT: 45.00
    "#]]
    .assert_eq(&amounts(&[&network, &pool(200)], &usage));
}
