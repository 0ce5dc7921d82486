//! May it cost that much: the budgets of an environment, judged on the ceiling.
//!
//! Below four fifths nothing is said, from there on a warning; above, the plan is refused with the number. With
//! a price that nobody knows it cannot be told, which refuses too, unless the budget says why that may be.

use crate::blueprint::Budget;
use crate::diag::{Code, Diagnostic, Findings};
use crate::estimate::{Conversion, Costed, Estimate, Total};
use dsenv_sdk::prices::Money;
use rust_decimal::Decimal;

/// From this share on, in percent, a budget is warned of.
const WARN_PERCENT: i64 = 80;

/// One limit of a budget, what is held against it, and what came of that.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Whose limit it is, in words: the environment, a tier, an owner.
    pub whose: String,
    /// The most.
    pub most: Money,
    /// What is held against it: its ceiling counts.
    pub total: Total,
    /// What is said against it; `None` when it holds.
    pub finding: Option<Diagnostic>,
}

/// Judges what will be against every budget.
pub fn judge(after: &Estimate, budget: &Budget) -> Findings {
    let mut findings = Findings::new();
    for judged in each(after, budget) {
        findings.extend(judged.finding);
    }
    findings
}

/// Judges what will be against every budget, also those that hold.
pub fn each(after: &Estimate, budget: &Budget) -> Vec<Judged> {
    let sum = |belongs: &dyn Fn(&Costed) -> bool| {
        let mut total = Total::default();
        for resource in after.resources.iter().filter(|resource| belongs(resource)) {
            total.join(&resource.total());
        }
        total
    };
    let mut each: Vec<(String, Money, Total)> = Vec::new();
    each.extend(budget.total.map(|most| ("the environment".to_owned(), most, sum(&|_| true))));
    for (tier, most) in &budget.tiers {
        let total = sum(&|it| it.tier.as_ref() == Some(tier));
        each.push((format!("tier `{tier}`"), *most, total));
    }
    for (owner, most) in &budget.owners {
        let total = sum(&|it| it.owner.as_ref() == Some(owner));
        each.push((format!("owner `{owner}`"), *most, total));
    }
    let judged = each.into_iter().map(|(whose, most, total)| {
        let verdict = verdict(&whose, most, &total, after, budget);
        let finding = verdict.map(|it| it.at(budget.span));
        Judged { whose, most, total, finding }
    });
    judged.collect()
}

fn verdict(
    whose: &str,
    most: Money,
    total: &Total,
    after: &Estimate,
    budget: &Budget,
) -> Option<Diagnostic> {
    let of = |amount: Decimal| Money { amount, currency: after.currency };
    let Some((most, said)) = in_currency_of(after, most) else {
        let message = format!(
            "the budget of {whose} is in {}, and prices are in {}",
            most.currency, after.currency
        );
        let help = format!(
            "give the budget in {to}, or a rate in dsenv.rates.yaml: `exchange: {{from: {from}, rate: ..., on: \
             2026-01-01, source: ...}}`",
            from = most.currency,
            to = after.currency
        );
        return Some(Diagnostic::error(Code::E0822, message).help(help));
    };
    let ceiling = total.monthly.ceiling;
    if ceiling > most.amount {
        let least = if total.missing > 0 { "at least " } else { "" };
        let message = format!(
            "{whose} can come to {least}{} a month, {} more than its budget of {said}",
            of(ceiling),
            of(ceiling - most.amount)
        );
        let help = "`dsenv cost` shows what that is made of: fewer members at most, a smaller type, or a \
                    larger `budget:`";
        return Some(Diagnostic::error(Code::E0821, message).help(help));
    }
    if total.missing > 0 && budget.waived.is_none() {
        let message = format!(
            "{whose} can come to at least {} a month of its budget of {said}, and {} without a price: how \
             much more, nobody can tell",
            of(ceiling),
            if total.missing == 1 {
                "one figure is".to_owned()
            } else {
                format!("{} figures are", total.missing)
            }
        );
        let help = "`dsenv cost` names them; `budget: {total: ..., missing: WHY}` passes them over";
        return Some(Diagnostic::error(Code::E0822, message).help(help));
    }
    if ceiling * Decimal::from(100) >= most.amount * Decimal::from(WARN_PERCENT)
        && !ceiling.is_zero()
    {
        let percent = (ceiling * Decimal::from(100) / most.amount).round();
        let message = format!(
            "{whose} can come to {} a month: {percent} % of its budget of {said}",
            of(ceiling)
        );
        return Some(Diagnostic::warning(Code::E0821, message));
    }
    None
}

/// A budget in the currency of the estimate, and how it is told: with the rate and its day, where it is
/// converted by one. `None` without a rate.
fn in_currency_of(after: &Estimate, most: Money) -> Option<(Money, String)> {
    if most.currency == after.currency {
        return Some((most, most.to_string()));
    }
    let fits =
        |it: &&Conversion| it.exchange.from == most.currency && it.exchange.to == after.currency;
    let Conversion { exchange, source } = after.exchanges.iter().find(fits)?;
    let converted = most.convert(exchange).ok()?;
    let said = format!(
        "{most}, which is {converted} at {} of {} ({source})",
        exchange.rate.normalize(),
        exchange.as_of
    );
    Some((converted, said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Span;
    use crate::estimate::{Bounds, Line};
    use dsenv_sdk::Addr;
    use dsenv_sdk::prices::Currency;
    use expect_test::{Expect, expect};
    use std::collections::BTreeMap;

    fn costed(name: &str, owner: &str, now: i64, ceiling: i64, unpriced: bool) -> Costed {
        let addr = Addr::resource(name);
        let monthly = Bounds { floor: now, now, ceiling };
        Costed {
            kind: "machine".to_owned(),
            tier: Some("job".to_owned()),
            owner: Some(owner.to_owned()),
            tags: BTreeMap::new(),
            lines: vec![Line::of_month(&addr, monthly.map(Decimal::from))],
            free: Vec::new(),
            unpriced: if unpriced { vec![(addr.clone(), "x.y".to_owned())] } else { Vec::new() },
            addr,
        }
    }

    fn check(budget: Budget, resources: Vec<Costed>, expected: Expect) {
        check_with(Vec::new(), budget, resources, expected);
    }

    fn check_with(
        exchanges: Vec<Conversion>,
        budget: Budget,
        resources: Vec<Costed>,
        expected: Expect,
    ) {
        let estimate = Estimate {
            currency: Currency::USD,
            provider: "aws".to_owned(),
            region: None,
            book: String::new(),
            book_from: String::new(),
            exchanges,
            as_of: None,
            resources,
        };
        let said = judge(&estimate, &budget);
        let line = |it: &Diagnostic| format!("{:?} {:?}: {}\n", it.severity, it.code, it.message);
        expected.assert_eq(&said.iter().map(line).collect::<String>());
    }

    fn total(text: &str) -> Budget {
        Budget {
            total: Some(text.parse().expect("an amount")),
            tiers: BTreeMap::new(),
            owners: BTreeMap::new(),
            waived: None,
            span: Span::at(0),
        }
    }

    #[test]
    fn the_ceiling_is_judged_and_not_what_it_is_now() {
        check(total("100 USD"), vec![costed("a", "ada", 10, 79, false)], expect![[""]]);
        check(
            total("100 USD"),
            vec![costed("a", "ada", 10, 80, false)],
            expect![[r#"
                Warning E0821: the environment can come to $80.00 a month: 80 % of its budget of $100.00
            "#]],
        );
        check(
            total("100 USD"),
            vec![costed("a", "ada", 10, 101, false)],
            expect![[r#"
                Error E0821: the environment can come to $101.00 a month, $1.00 more than its budget of $100.00
            "#]],
        );
    }

    #[test]
    fn a_missing_price_cannot_tell_unless_somebody_says_why_that_may_be() {
        check(
            total("100 USD"),
            vec![costed("a", "ada", 10, 20, true)],
            expect![[r#"
                Error E0822: the environment can come to at least $20.00 a month of its budget of $100.00, and one figure is without a price: how much more, nobody can tell
            "#]],
        );
        check(
            total("100 USD"),
            vec![costed("a", "ada", 10, 120, true)],
            expect![[r#"
                Error E0821: the environment can come to at least $120.00 a month, $20.00 more than its budget of $100.00
            "#]],
        );
        let waived = Budget { waived: Some("agreed".to_owned()), ..total("100 USD") };
        check(waived, vec![costed("a", "ada", 10, 20, true)], expect![[""]]);
        check(
            total("100 EUR"),
            vec![costed("a", "ada", 10, 20, false)],
            expect![[r#"
            Error E0822: the budget of the environment is in EUR, and prices are in USD
        "#]],
        );
    }

    #[test]
    fn a_budget_in_another_currency_is_converted_by_a_rate_with_its_day() {
        use dsenv_sdk::prices::{Date, Exchange};
        let exchange = Exchange {
            from: Currency::EUR,
            to: Currency::USD,
            rate: Decimal::new(11, 1),
            as_of: Date::parse("2026-11-30").expect("a day"),
        };
        let euros = || vec![Conversion { exchange, source: "ECB".to_owned() }];
        let of = |ceiling| vec![costed("a", "ada", 10, ceiling, false)];
        check_with(euros(), total("100 EUR"), of(87), expect![[""]]);
        check_with(
            euros(),
            total("100 EUR"),
            of(111),
            expect![[r#"
                Error E0821: the environment can come to $111.00 a month, $1.00 more than its budget of €100.00, which is $110.00 at 1.1 of 2026-11-30 (ECB)
            "#]],
        );
        check_with(
            euros(),
            total("100 GBP"),
            of(10),
            expect![[r#"
                Error E0822: the budget of the environment is in GBP, and prices are in USD
            "#]],
        );
    }

    #[test]
    fn tiers_and_owners_have_budgets_of_their_own() {
        let amount = |text: &str| text.parse().expect("an amount");
        let budget = Budget {
            total: None,
            tiers: BTreeMap::from([("job".to_owned(), amount("25 USD"))]),
            owners: BTreeMap::from([
                ("ada".to_owned(), amount("15 USD")),
                ("bo".to_owned(), amount("15 USD")),
            ]),
            ..total("1 USD")
        };
        let resources = vec![costed("a", "ada", 10, 10, false), costed("b", "bo", 20, 20, false)];
        check(
            budget,
            resources,
            expect![[r#"
                Error E0821: tier `job` can come to $30.00 a month, $5.00 more than its budget of $25.00
                Error E0821: owner `bo` can come to $20.00 a month, $5.00 more than its budget of $15.00
            "#]],
        );
    }
}
