//! What a line comes to, and that lines add up: by examples, and for any charges at all.

use crate::estimate::line::{Line, Pricing};
use crate::estimate::rates::Rates;
use crate::estimate::sum::Total;
use dsenv_sdk::Addr;
use dsenv_sdk::cost::{Charge, Rate, Time};
use dsenv_sdk::prices::{Book, Cloud, Currency, Driver, Purchase};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use rust_decimal::Decimal;

fn priced(charge: &Charge, hours: i64) -> Vec<Line> {
    let book = Book::builtin();
    let (rates, currency) = (Rates::default(), Currency::USD);
    let (provider, cloud, region) = ("aws", Some(Cloud::Aws), Some("us-east-1"));
    let pricing = Pricing { book: &book, rates: &rates, provider, currency, cloud, region };
    pricing.lines(charge, "x.y", hours.into())
}

fn check(charge: &Charge, expected: Expect) {
    let shown = |amount: Option<Decimal>| amount.map_or("-".to_owned(), |it| it.to_string());
    let line = |line: Line| {
        let (quantity, monthly) = (line.quantity, line.monthly);
        format!(
            "{}: {} {} x {} = {} ({} to {})\n",
            line.name,
            quantity.now,
            line.unit,
            shown(line.unit_price),
            shown(monthly.now),
            shown(monthly.floor),
            shown(monthly.ceiling),
        )
    };
    expected.assert_eq(&priced(charge, 730).into_iter().map(line).collect::<String>());
}

fn charge(time: Time, rate: Rate, count: i64) -> Charge {
    Charge::new(&Addr::resource("a"), "it", time, rate, count.into())
}

#[test]
fn count_times_price_is_what_a_line_costs() {
    let spot = Rate::machine("m7i.large", Purchase::Spot);
    let on_demand = Rate::machine("m7i.large", Purchase::OnDemand);
    let pool = charge(Time::Running, spot, 2).between(Decimal::ZERO, 4.into()).at_most(on_demand);
    check(
        &pool,
        expect![[r#"
        it, m7i.large: 1460 hour x 0.0401 = 58.546 (0 to 294.336)
    "#]],
    );
    let disk = charge(Time::Month, Rate::of(Driver::DiskSpace { class: "gp3" }), 50);
    check(
        &disk,
        expect![[r#"
        it: 50 GB-month x 0.08 = 4 (4 to 4)
    "#]],
    );
    check(
        &charge(Time::Always, Rate::of(Driver::NatHour), 2),
        expect![[r#"
        it: 1460 hour x 0.045 = 65.7 (65.7 to 65.7)
    "#]],
    );
}

#[test]
fn a_rate_in_steps_has_a_line_for_each_step_that_is_reached() {
    check(
        &charge(Time::Month, Rate::of(Driver::EgressInternet), 60_000),
        expect![[r#"
        it, up to 10240: 10240 GB x 0.09 = 921.6 (921.6 to 921.6)
        it, from 10240 to 51200: 40960 GB x 0.085 = 3481.6 (3481.6 to 3481.6)
        it, from 51200 to 153600: 8800 GB x 0.07 = 616 (616 to 616)
    "#]],
    );
    check(
        &charge(Time::Month, Rate::of(Driver::EgressInternet), 1),
        expect![[r#"
        it, up to 10240: 1 GB x 0.09 = 0.09 (0.09 to 0.09)
    "#]],
    );
}

#[test]
fn what_has_no_price_is_missing_and_nothing_of_it_is_nothing() {
    let huge = Rate::machine("m99.huge", Purchase::OnDemand);
    check(
        &charge(Time::Running, huge.clone(), 1),
        expect![[r#"
        it, m99.huge: 730 hour x - = - (- to -)
    "#]],
    );
    check(
        &charge(Time::Running, huge.clone(), 0),
        expect![[r#"
        it, m99.huge: 0 hour x - = 0 (0 to 0)
    "#]],
    );
    // One of several that nobody knows could be the dearest.
    let small = Rate::machine("t3.nano", Purchase::OnDemand);
    let either = charge(Time::Running, small.clone(), 1);
    check(
        &either.clone().at_most(Rate::Dearest(vec![small.clone(), huge])),
        expect![[r#"
        it, t3.nano: 730 hour x 0.0052 = 3.796 (3.796 to -)
    "#]],
    );
    let larger = Rate::machine("t3.small", Purchase::OnDemand);
    check(
        &either.at_most(Rate::Dearest(vec![small, larger])),
        expect![[r#"
        it, t3.nano: 730 hour x 0.0052 = 3.796 (3.796 to 15.184)
    "#]],
    );
}

/// Any charge, some of them without a price.
fn any_charge() -> impl Strategy<Value = Charge> {
    let rate = prop_oneof![
        Just(Rate::machine("m7i.large", Purchase::OnDemand)),
        Just(Rate::machine("m99.huge", Purchase::OnDemand)),
        Just(Rate::of(Driver::EgressInternet)),
        Just(Rate::of(Driver::DiskSpace { class: "gp3" })),
        Just(Rate::Key("no/such/GB".to_owned())),
    ];
    let time = prop_oneof![Just(Time::Running), Just(Time::Always), Just(Time::Month)];
    (rate, time, 0..200_000_i64, 0..1_000_i64, 0..1_000_i64).prop_map(
        |(rate, time, now, less, more)| {
            let floor = (now - less).max(0);
            charge(time, rate, now).between(floor.into(), (now + more).into())
        },
    )
}

fn total(charges: &[Charge]) -> Total {
    let mut total = Total::default();
    for charge in charges {
        for line in priced(charge, 730) {
            total.add(&line);
        }
    }
    total
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn costs_add_up_across_any_grouping_in_any_order(
        charges in prop::collection::vec(any_charge(), 0..8), cut in 0..8_usize,
    ) {
        let whole = total(&charges);
        let (first, second) = charges.split_at(cut.min(charges.len()));
        let mut joined = total(second);
        joined.join(&total(first));
        prop_assert_eq!(&joined, &whole);
        let reversed: Vec<Charge> = charges.into_iter().rev().collect();
        prop_assert_eq!(total(&reversed), whole);
    }

    #[test]
    fn more_of_anything_never_costs_less(one in any_charge(), more in 1..1_000_i64) {
        let mut larger = one.clone();
        larger.now.count += Decimal::from(more);
        larger.ceiling.count += Decimal::from(more);
        let (small, large) = (total(&[one]), total(&[larger]));
        prop_assert!(large.monthly.now >= small.monthly.now);
        prop_assert!(large.monthly.ceiling >= small.monthly.ceiling);
        prop_assert!(large.missing >= small.missing);
    }

    #[test]
    fn floor_is_no_more_than_now_and_now_no_more_than_the_ceiling(one in any_charge()) {
        let total = total(&[one]);
        prop_assert!(total.monthly.floor <= total.monthly.now);
        prop_assert!(total.monthly.now <= total.monthly.ceiling);
        let hourly = total.hourly();
        prop_assert!(hourly.floor <= hourly.now && hourly.now <= hourly.ceiling);
    }

    #[test]
    fn a_missing_price_never_lowers_a_total_unmarked(charges in prop::collection::vec(any_charge(), 1..6)) {
        for charge in &charges {
            for line in priced(charge, 730) {
                let unknown = line.unit_price.is_none() && !line.quantity.ceiling.is_zero();
                prop_assert_eq!(line.is_missing(), unknown, "{:?}", line);
            }
        }
        let missing: usize = charges.iter().flat_map(|it| priced(it, 730)).filter(Line::is_missing).count();
        prop_assert_eq!(total(&charges).missing, missing);
    }
}
