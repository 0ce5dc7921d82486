//! The line of a plan that says what it costs.

use super::money;
use crate::estimate::{Bounds, Effect, Total};
use dsenv_sdk::prices::Currency;
use rust_decimal::Decimal;

/// Says in a line what an environment comes to, and how that differs from what runs; `None` where nothing is
/// charged and nothing is without a price.
///
/// `$0.29/h now, $0.10 floor, $4.56 ceiling; $212.34 a month, +$212.34 against what runs`
pub fn line(effect: &Effect) -> Option<String> {
    let Effect { before, after } = effect;
    let (total, prior) = (after.total(), before.total());
    if [&total, &prior].into_iter().all(|it| it.missing == 0 && it.monthly == Bounds::default()) {
        return None;
    }
    let of = |amount: Decimal| money(amount, after.currency);
    let hourly = total.hourly();
    let mut text = format!("{}{}/h now", at_least(&total), of(hourly.now));
    if hourly.floor != hourly.now || hourly.ceiling != hourly.now {
        text += &format!(", {} floor, {} ceiling", of(hourly.floor), of(hourly.ceiling));
    }
    text += &format!("; {} a month", of(total.monthly.now));
    if before.resources.iter().any(|resource| !resource.lines.is_empty()) {
        text += &format!(", {} against what runs", difference(&total, &prior, after.currency));
    }
    if total.missing > 0 {
        text += &format!("; {} without a price", number(total.missing));
    }
    Some(text)
}

fn number(missing: usize) -> String {
    if missing == 1 { "1 figure is".to_owned() } else { format!("{missing} figures are") }
}

/// What stands before a sum that lacks something.
pub(crate) fn at_least(total: &Total) -> &'static str {
    if total.missing > 0 { "at least " } else { "" }
}

/// `+$212.34`, `-$3.00`, `$0.00`.
pub(crate) fn difference(after: &Total, before: &Total, currency: Currency) -> String {
    let difference = after.monthly.now - before.monthly.now;
    let sign = if difference > Decimal::ZERO { "+" } else { "" };
    format!("{sign}{}", money(difference, currency))
}
