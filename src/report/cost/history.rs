//! What an environment cost from each apply on, and why that changed: `dsenv cost --history`.

use super::money;
use crate::estimate::difference::{Difference, differences};
use crate::estimate::wire::{Paid, PaidLine};
use crate::report::Style;
use crate::report::style::wrap;
use dsenv_sdk::prices::Currency;
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};

/// How many causes of one apply are named; the others are counted.
const CAUSES_MAX: usize = 8;

fn sum(paid: &Paid) -> (Decimal, usize) {
    let missing = paid.lines.iter().filter(|line| line.unit_price.is_none()).count();
    (paid.lines.iter().filter_map(PaidLine::monthly).sum(), missing)
}

fn currency(paid: &Paid) -> Currency {
    Currency::parse(&paid.currency).unwrap_or(Currency::USD)
}

/// What an apply changed, the largest amounts first; nothing where the currency is another one.
fn causes<'a>(before: Option<&'a Paid>, after: &'a Paid) -> Vec<Difference<'a>> {
    let Some(before) = before.filter(|it| it.currency == after.currency) else { return Vec::new() };
    let mut found = differences(&before.lines, &after.lines);
    found.sort_by_key(|it| std::cmp::Reverse(it.monthly.map(|amount| amount.abs())));
    found
}

/// Renders the applies in the order given, which is oldest first.
pub fn text(history: &[Paid], style: &Style) -> String {
    if history.is_empty() {
        return "Nothing was applied yet that is charged.\n".to_owned();
    }
    let mut text = String::new();
    for (at, paid) in history.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &history[before]);
        let (amount, missing) = sum(paid);
        let least = if missing > 0 { "at least " } else { "" };
        let of = |amount| money(amount, currency(paid));
        text.push_str(&format!(
            "{}  serial {}: {least}{} a month",
            paid.at,
            paid.serial,
            of(amount)
        ));
        if let Some(before) = before.filter(|it| it.currency == paid.currency) {
            let more = amount - sum(before).0;
            text.push_str(&format!(
                ", {}{}",
                if more > Decimal::ZERO { "+" } else { "" },
                of(more)
            ));
        }
        text.push('\n');
        let causes = causes(before, paid);
        for cause in causes.iter().take(CAUSES_MAX) {
            let amount = cause.monthly.map_or("no price".to_owned(), |amount| {
                format!("{}{}", if amount > Decimal::ZERO { "+" } else { "" }, of(amount))
            });
            let of = cause.line();
            let line = format!("  {amount} {}: `{}` {}", cause.cause.word(), of.address, of.name);
            text.push_str(&wrap(&line, 0, 6, style.width).join("\n"));
            text.push('\n');
        }
        if causes.len() > CAUSES_MAX {
            text.push_str(&format!("  and {} more\n", causes.len() - CAUSES_MAX));
        }
    }
    text
}

/// Makes the document of `cost --history --json`.
pub fn json(history: &[Paid]) -> Json {
    let each = history.iter().enumerate().map(|(at, paid)| {
        let before = at.checked_sub(1).map(|before| &history[before]);
        let causes = causes(before, paid).into_iter().map(|it| {
            let monthly = it.monthly.map(|amount| amount.normalize().to_string());
            json!({"address": it.line().address, "name": it.line().name, "cause": it.cause.word(),
                "monthly": monthly})
        });
        let (amount, missing) = sum(paid);
        json!({"serial": paid.serial, "at": paid.at, "currency": paid.currency,
            "price_book": paid.book, "monthly": amount.normalize().to_string(),
            "missing": missing, "changes": causes.collect::<Vec<_>>()})
    });
    json!({"format": "dsenv-cost-history/1", "applies": each.collect::<Vec<_>>()})
}
