//! What own prices do to a line: by examples, and for any rules at all.

use crate::diag::{Source, Span};
use crate::estimate::line::Pricing;
use crate::estimate::rates::{Gives, Rates, Rule};
use crate::estimate::read::{self, Around};
use crate::estimate::{Line, PRICE_DECIMALS};
use dsenv_sdk::Addr;
use dsenv_sdk::cost::{Charge, Rate, Time};
use dsenv_sdk::prices::{Book, Cloud, Currency, Date, Money, Purchase};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use rust_decimal::Decimal;

const AROUND: Around<'static> =
    Around { listed: Currency::USD, providers: &["aws", "gcp", "local"], own: &["local"] };

fn lines(rates: &Rates, charge: &Charge) -> Vec<Line> {
    let book = Book::builtin();
    let currency = rates.currency.unwrap_or(Currency::USD);
    let (provider, cloud, region) = ("aws", Some(Cloud::Aws), Some("us-east-1"));
    Pricing { book: &book, rates, provider, currency, cloud, region }.lines(
        charge,
        "x.y",
        730.into(),
    )
}

fn charge(rate: Rate, count: i64) -> Charge {
    let addr: Addr = "web".parse().expect("an address");
    Charge::new(&addr, "it", Time::Running, rate, count.into())
}

fn machine(ty: &str, purchase: Purchase) -> Charge {
    charge(Rate::machine(ty, purchase), 1)
}

/// What a line of one machine and one of a bucket come to by a file of own prices; else what is wrong.
fn check(file: &str, expect: Expect) {
    let source = Source::new("dsenv.rates.yaml", file);
    let (rates, findings) = read::rates(&source, AROUND);
    let mut shown = String::new();
    for found in findings.sorted() {
        let at = found.span.map_or(0, |span| source.position(span.start).line);
        let help = found.help.join("; ");
        shown += &format!("{} line {at}: {} [{help}]\n", found.code, found.message);
    }
    if findings.is_empty() {
        let storage = Rate::Key("bucket/standard/GB-month".to_owned());
        for charge in [machine("m7i.large", Purchase::OnDemand), charge(storage, 1)] {
            for line in lines(&rates, &charge) {
                let text = |it: Option<Decimal>| it.map_or("?".to_owned(), |it| it.to_string());
                let (list, paid) = (text(line.list_price), text(line.unit_price));
                let percent = line.discount.map(|it| text(it.percent));
                let source = line.source.unwrap_or_default();
                shown += &format!("{list} -> {paid} {percent:?} {source}\n");
            }
        }
    }
    expect.assert_eq(&shown);
}

#[test]
fn without_rules_the_list_is_paid() {
    check(
        "",
        expect![[r#"
        0.1008 -> 0.1008 None karpenter-aws@1d92708
        0.023 -> 0.023 None infracost
    "#]],
    );
    check(
        "rates: []\n",
        expect![[r#"
        0.1008 -> 0.1008 None karpenter-aws@1d92708
        0.023 -> 0.023 None infracost
    "#]],
    );
}

#[test]
fn the_most_specific_rule_wins_wherever_it_stands() {
    check(
        "rates:
  - {provider: aws, type: m7i.large, percent: 20, source: a, as_of: 2026-01-01}
  - {provider: aws, type: 'm7i.*', percent: 10, source: a, as_of: 2026-01-01}
  - {percent: 1, source: a, as_of: 2026-01-01}
  - {provider: aws, service: '*', percent: 2, source: a, as_of: 2026-01-01}
",
        expect![[r#"
            0.1008 -> 0.08064 Some("20") karpenter-aws@1d92708
            0.023 -> 0.02254 Some("2") infracost
        "#]],
    );
}

#[test]
fn a_price_of_ones_own_replaces_the_list_and_its_source() {
    check(
        "rates:
  - {type: m7i.large, purchase: on_demand, price: 0.05 USD, source: plan, as_of: 2026-01-01}
  - {type: m7i.large, purchase: spot, price: 0.01 USD, source: plan, as_of: 2026-01-01}
",
        expect![[r#"
            0.1008 -> 0.05 Some("?") plan
            0.023 -> 0.023 None infracost
        "#]],
    );
}

#[test]
fn everything_is_in_the_currency_that_was_chosen() {
    check(
        "currency: EUR
exchange: {from: USD, rate: 0.5, on: 2026-11-30, source: ECB}
rates:
  - {service: 'bucket/*', percent: 50, source: a, as_of: 2026-01-01}
  - {type: m7i.large, price: 0.05 EUR, source: a, as_of: 2026-01-01}
",
        expect![[r#"
            0.0504 -> 0.05 Some("?") a
            0.0115 -> 0.00575 Some("50") infracost
        "#]],
    );
}

#[test]
fn two_currencies_without_an_exchange_are_refused() {
    check(
        "currency: EUR\n",
        expect![[r#"
        E1003 line 1: list prices are in USD, sums are in EUR, and no exchange is given [`exchange: {from: USD, rate: ..., on: 2026-01-01, source: ...}` says what one USD is in EUR]
    "#]],
    );
    check(
        "rates:\n  - {provider: aws, price: 0.05 EUR, source: a, as_of: 2026-01-01}\n",
        expect![[r#"
            E1003 line 2: the price is in EUR, sums are in USD, and no exchange is given [`exchange: {from: EUR, rate: ..., on: 2026-01-01, source: ...}` says what one EUR is in USD]
        "#]],
    );
}

#[test]
fn two_rules_that_are_equally_specific_are_refused() {
    check(
        "rates:
  - {type: m7i.large, percent: 3, source: a, as_of: 2026-01-01}
  - {region: us-east-1, percent: 4, source: a, as_of: 2026-01-01}
",
        expect![[r#"
            E1004 line 3: two rules are equally specific, and both can be for one charge [name one more thing in the one that should win, or write a longer pattern]
        "#]],
    );
    // These two can never be for one charge.
    check(
        "rates:
  - {type: m7i.large, percent: 3, source: a, as_of: 2026-01-01}
  - {service: bucket/standard/GB-month, percent: 4, source: a, as_of: 2026-01-01}
",
        expect![[r#"
            0.1008 -> 0.097776 Some("3") karpenter-aws@1d92708
            0.023 -> 0.02208 Some("4") infracost
        "#]],
    );
}

#[test]
fn mistakes_have_their_lines_and_nearest_names() {
    check(
        "curency: EUR
rates:
  - {provider: awz, percnt: 3, source: a, as_of: 2026-01-01}
  - {percent: 130, source: a, as_of: yesterday}
  - {percent: 3, price: 1 USD, as_of: 2026-01-01}
  - {type: m7i.large, service: nat/hour, percent: 3, source: a, as_of: 2026-01-01}
  - {provider: gcp, price: 1 USD, energy: {watts: 5, kwh: 1 USD}, source: a, as_of: 2026-01-01}
",
        expect![[r#"
            E1002 line 1: a rates file has no `curency` [did you mean `currency`?]
            E1002 line 3: a rate gives `percent` off the list price, or a `price` of its own []
            E1002 line 3: there is no provider `awz` [did you mean `aws`?]
            E1002 line 3: a rate has no `percnt` [did you mean `percent`?]
            E1002 line 4: `percent`: expected a number from 0 to 100, found `130` []
            E1002 line 4: `as_of`: expected a day such as `2026-01-01`, found `yesterday` []
            E1002 line 5: `source` is missing: who says so, such as `contract 7` []
            E1002 line 5: a rate is `percent` off the list or a `price`, not both []
            E1002 line 6: `type` and `purchase` are of machines, which are `machine/hour`, and the service is another []
            E1002 line 7: `energy` is for a machine of one's own: a cloud's price has it in []
        "#]],
    );
}

#[test]
fn an_own_machine_costs_its_hour_and_what_it_draws() {
    let file = "rates:
  - {provider: local, price: 0.10 USD, energy: {watts: 200, kwh: 0.30 USD}, source: m, as_of: 2026-01-01}
";
    let (rates, findings) = read::rates(&Source::new("r", file), AROUND);
    assert!(findings.is_empty(), "{findings:?}");
    assert!(rates.name("local") && !rates.name("aws"));
    expect![[r#"
        Price(
            Money {
                amount: 0.16,
                currency: Currency(
                    [
                        85,
                        83,
                        68,
                    ],
                ),
            },
        )
    "#]]
    .assert_debug_eq(&rates.rules[0].gives);
    expect![[r#"
        Some(
            "$0.10 and 200 W at $0.30 a kWh",
        )
    "#]]
    .assert_debug_eq(&rates.rules[0].note);
}

#[test]
fn a_file_of_use_is_read_and_its_mistakes_told() {
    let file = "resources:
  lake: {stored: 1TiB, reads: 5000000}
  laek: {stord: 1TiB, reads: many, egress: 5}
kinds:
  bucket: {egress: 100GiB}
  bukket: {}
";
    let source = Source::new("dsenv.usage.yaml", file);
    let (usage, findings) = read::usage(&source, &["lake"]);
    assert_eq!(usage.resources["lake"].said("stored"), Some(1_024.into()));
    assert_eq!(usage.resources["lake"].said("reads"), Some(5_000_000.into()));
    assert_eq!(usage.kinds["bucket"].said("egress"), Some(100.into()));
    let told = findings.iter().map(|it| {
        let line = it.span.map_or(0, |span| source.position(span.start).line);
        format!("{line}: {} [{}]\n", it.message, it.help.join("; "))
    });
    expect![[r#"
        3: this environment has no resource `laek` [did you mean `lake`?]
        3: usage has no `stord` [did you mean `stored`?]
        3: `reads`: expected a whole number from 0 to 1000000000000, found `many` []
        3: `egress`: expected a size such as `50GiB`, found `5` []
        6: there is no kind `bukket` [did you mean `bucket`?]
    "#]]
    .assert_eq(&told.collect::<String>());
}

// ---------------------------------------------------------------- for any rules at all

fn day() -> Date {
    Date::parse("2026-01-01").expect("a day")
}

fn gives() -> impl Strategy<Value = Gives> {
    prop_oneof![
        (0_u32..=10_000).prop_map(|it| Gives::Off(Decimal::new(it.into(), 2))),
        (0_u32..1_000_000).prop_map(|it| Gives::Price(Money::usd(Decimal::new(it.into(), 6)))),
    ]
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    proptest::option::of(proptest::sample::select(texts).prop_map(str::to_owned))
}

fn rule() -> impl Strategy<Value = Rule> {
    let purchase = proptest::sample::select(&[Purchase::OnDemand, Purchase::Spot][..]);
    (
        one_of(&["aws", "gcp"]),
        one_of(&["us-east-1", "us-*", "eu-*", "*-1"]),
        one_of(&["machine/hour", "machine/*", "bucket/*", "*", "bucket/standard/*"]),
        one_of(&["m7i.large", "m7i.*", "*.large", "c7i.*"]),
        proptest::option::of(purchase),
        gives(),
    )
        .prop_map(|(provider, region, service, ty, purchase, gives)| Rule {
            provider,
            region,
            service,
            ty,
            purchase,
            gives,
            source: "contract".to_owned(),
            as_of: day(),
            note: None,
            span: Span::at(0),
        })
        .prop_filter("it is for something", |rule| !rule.contradicts_itself())
}

/// Rules of which no two are equally specific: those that tie with an earlier one are left out.
fn rules() -> impl Strategy<Value = Vec<Rule>> {
    proptest::collection::vec(rule(), 0..8).prop_map(|all| {
        let mut kept: Vec<Rule> = Vec::new();
        for rule in all {
            kept.push(rule);
            if with(kept.clone()).tie().is_some() {
                kept.pop();
            }
        }
        kept
    })
}

fn with(rules: Vec<Rule>) -> Rates {
    Rates { rules, ..Rates::default() }
}

fn charges() -> Vec<Charge> {
    let key = |key: &str| charge(Rate::Key(key.to_owned()), 20_000);
    let dearest = ["m7i.large", "c7i.large", "m6a.large"];
    let dearest = dearest.map(|ty| Rate::machine(ty, Purchase::OnDemand)).to_vec();
    vec![
        machine("m7i.large", Purchase::OnDemand),
        machine("c7i.large", Purchase::Spot),
        charge(Rate::Dearest(dearest), 1),
        key("bucket/standard/GB-month"),
        key("egress/internet/GB"),
        key("nobody/sells/this"),
    ]
}

fn sum(lines: &[Line]) -> Option<Decimal> {
    lines.iter().map(|line| line.monthly.now).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_discount_never_raises_a_cost(rules in rules()) {
        let off = rules.into_iter().filter(|rule| matches!(rule.gives, Gives::Off(_)));
        let off = with(off.collect());
        for charge in charges() {
            let (list, paid) = (lines(&Rates::default(), &charge), lines(&off, &charge));
            prop_assert_eq!(list.len(), paid.len());
            for (list, paid) in list.iter().zip(&paid) {
                prop_assert!(paid.unit_price <= list.unit_price);
                prop_assert!(paid.monthly.now <= list.monthly.now);
                prop_assert!(paid.monthly.ceiling <= list.monthly.ceiling);
                // Of several types another one may be the dearest now, with a list price of its own.
                if !matches!(charge.now.rate, Rate::Dearest(_)) {
                    prop_assert_eq!(paid.list_price, list.unit_price);
                }
            }
        }
    }

    #[test]
    fn nothing_off_changes_nothing(rules in rules()) {
        let none = rules.into_iter().map(|rule| Rule { gives: Gives::Off(Decimal::ZERO), ..rule });
        let none = with(none.collect());
        for charge in charges() {
            let mut paid = lines(&none, &charge);
            paid.iter_mut().for_each(|line| line.discount = None);
            prop_assert_eq!(paid, lines(&Rates::default(), &charge));
        }
    }

    #[test]
    fn the_order_of_rules_changes_nothing(rules in rules().prop_shuffle(), by in any::<prop::sample::Index>()) {
        let there = with(rules.clone());
        let mut turned = rules;
        if !turned.is_empty() {
            let at = by.index(turned.len());
            turned.rotate_left(at);
            turned.reverse();
        }
        let turned = with(turned);
        for charge in charges() {
            prop_assert_eq!(lines(&there, &charge), lines(&turned, &charge));
        }
    }

    #[test]
    fn count_times_price_is_the_cost_of_every_line(rules in rules()) {
        let rates = with(rules);
        for charge in charges() {
            for line in lines(&rates, &charge) {
                let Some(price) = line.unit_price else { continue };
                prop_assert_eq!(line.monthly.now, Some((line.quantity.now * price).normalize()));
                prop_assert!(price.scale() <= PRICE_DECIMALS);
            }
            prop_assert!(sum(&lines(&rates, &charge)).is_none_or(|sum| sum >= Decimal::ZERO));
        }
    }
}
