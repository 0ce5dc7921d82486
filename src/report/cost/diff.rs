//! What a change of a blueprint does to the bill, and why: `dsenv cost --diff BASE`.

use super::json::decimal;
use super::money;
use crate::estimate::Bounds;
use crate::estimate::difference::{Cause, Difference, Side, differences};
use crate::estimate::wire::PaidLine;
use crate::report::Style;
use crate::report::style::{Ink, wrap};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// The name of the format.
pub const FORMAT: &str = "dsenv-cost-diff/1";

/// What differs, the largest amounts first, and what of it is known.
struct Found<'a> {
    differences: Vec<Difference<'a>>,
    /// The sum of the amounts that are known.
    monthly: Decimal,
    /// How many are not.
    unknown: usize,
}

fn found<'a>(before: &'a Side, after: &'a Side) -> Found<'a> {
    let mut all = differences(&before.lines, &after.lines);
    // The sort is stable: what is worth the same stays in the order of addresses.
    all.sort_by_key(|it| std::cmp::Reverse(it.monthly.map(|amount| amount.abs())));
    let monthly = all.iter().filter_map(|it| it.monthly).sum();
    let unknown = all.iter().filter(|it| it.monthly.is_none()).count();
    Found { differences: all, monthly, unknown }
}

/// Renders what differs: the sums, then each line with its cause, then what each cause comes to. The two
/// sides have one currency.
pub fn text(before: &Side, after: &Side, title: &str, style: &Style) -> String {
    let found = found(before, after);
    let of = |amount| money(amount, after.currency);
    let mut text = wrap(title, 0, 2, style.width).join("\n") + "\n\n";
    if found.differences.is_empty() {
        text.push_str("Nothing differs.\n");
        return text;
    }
    for it in &found.differences {
        let amount = it.monthly.map_or_else(|| "no price".to_owned(), |it| signed(it, &of));
        let line = it.line();
        let (ink, what) = (ink(it), format!("{} {}", line.address, line.name));
        let head = format!("{amount}  {}: {what}", it.cause.word());
        text.push_str(&style.paint(ink, &wrap(&head, 0, 4, style.width).join("\n")));
        let sides = match (it.before, it.after) {
            (Some(was), Some(is)) => format!("{}, was {}", counted(is, &of), counted(was, &of)),
            (None, Some(line)) | (Some(line), None) => counted(line, &of),
            (None, None) => unreachable!("it is on one side at least"),
        };
        let sides = wrap(&sides, 4, 6, style.width).join("\n");
        text.push_str(&format!("\n    {sides}\n"));
    }
    let causes = by_cause(&found);
    if causes.len() > 1 {
        let each =
            causes.iter().map(|(cause, it)| format!("{} {}", cause.word(), signed(*it, &of)));
        let line = format!("By cause: {}.", each.collect::<Vec<_>>().join(", "));
        text.push_str(&format!("\n{}\n", wrap(&line, 0, 2, style.width).join("\n")));
    }
    let sums = sums(before, after, &found, &of);
    text.push_str(&format!(
        "\n{}\n",
        style.paint(Ink::Strong, &wrap(&sums, 0, 2, style.width).join("\n"))
    ));
    for remark in remarks(before, after, &found) {
        text.push_str(&format!("{}\n", wrap(&remark, 0, 2, style.width).join("\n")));
    }
    text
}

fn ink(difference: &Difference<'_>) -> Ink {
    match difference.monthly {
        None => Ink::Danger,
        Some(amount) if amount > Decimal::ZERO => Ink::Change,
        Some(_) => Ink::Good,
    }
}

/// `+$3.00`, `-$3.00`, `$0.00`.
fn signed(amount: Decimal, of: &dyn Fn(Decimal) -> String) -> String {
    let sign = if amount > Decimal::ZERO { "+" } else { "" };
    format!("{sign}{}", of(amount))
}

/// `730 hour x $0.04 = $27.45`.
fn counted(line: &PaidLine, of: &dyn Fn(Decimal) -> String) -> String {
    match line.unit_price.zip(line.monthly()) {
        Some((price, sum)) => {
            format!("{} {} x {} = {}", line.quantity.normalize(), line.unit, of(price), of(sum))
        }
        None => format!("{} {}, no price", line.quantity.normalize(), line.unit),
    }
}

fn by_cause(found: &Found<'_>) -> BTreeMap<Cause, Decimal> {
    let mut sums = BTreeMap::new();
    for it in &found.differences {
        if let Some(amount) = it.monthly {
            *sums.entry(it.cause).or_default() += amount;
        }
    }
    sums
}

fn sums(before: &Side, after: &Side, found: &Found<'_>, of: &dyn Fn(Decimal) -> String) -> String {
    let sum = |side: &Side| {
        let least = if side.missing > 0 { "at least " } else { "" };
        format!("{least}{}", of(side.monthly.now))
    };
    let mut text = format!(
        "Difference: {} a month, from {} to {}",
        signed(found.monthly, of),
        sum(before),
        sum(after)
    );
    // What an hour comes to with a price missing on one side says nothing of the difference.
    if before.missing == 0 && after.missing == 0 {
        let hourly = after.hourly.zip(before.hourly, |is, was| is - was);
        text += &format!("; {}/h now", signed(hourly.now, of));
        if hourly.ceiling != hourly.now {
            text += &format!(", {}/h at the most", signed(hourly.ceiling, of));
        }
    }
    text + "."
}

fn remarks(before: &Side, after: &Side, found: &Found<'_>) -> Vec<String> {
    let mut remarks = Vec::new();
    if found.unknown > 0 {
        let are = if found.unknown == 1 { "1 difference is" } else { "some differences are" };
        remarks.push(format!(
            "It cannot be told what {are} worth: {} without a price, which is in no sum.",
            found.unknown
        ));
    }
    if before.book != after.book {
        let short = |digest: &str| digest.chars().take(12).collect::<String>();
        remarks.push(format!(
            "The prices are of two price books: `{}` and `{}`.",
            short(&before.book),
            short(&after.book)
        ));
    }
    remarks
}

/// Makes the document of `cost --diff --json`. Money is a decimal in a text; what nobody knows is `null`.
pub fn json(before: &Side, after: &Side) -> Json {
    let found = found(before, after);
    let side = |side: &Side| {
        json!({
            "price_book": side.book,
            "monthly": bounds(side.monthly),
            "hourly": bounds(side.hourly),
            "missing": side.missing,
        })
    };
    let line = |line: Option<&PaidLine>| {
        line.map(|line| {
            json!({
                "unit": line.unit,
                "quantity": decimal(Some(line.quantity)),
                "unit_price": decimal(line.unit_price),
                "monthly": decimal(line.monthly()),
            })
        })
    };
    let each = found.differences.iter().map(|it| {
        json!({
            "address": it.line().address,
            "name": it.line().name,
            "cause": it.cause.word(),
            "monthly": decimal(it.monthly),
            "before": line(it.before),
            "after": line(it.after),
        })
    });
    let causes = by_cause(&found).into_iter();
    let causes = causes.map(|(cause, sum)| (cause.word().to_owned(), decimal(Some(sum))));
    json!({
        "format": FORMAT,
        "currency": after.currency.code(),
        "before": side(before),
        "after": side(after),
        "monthly": decimal(Some(found.monthly)),
        "unknown": found.unknown,
        "by_cause": causes.collect::<serde_json::Map<_, _>>(),
        "differences": each.collect::<Vec<_>>(),
    })
}

fn bounds(bounds: Bounds<Decimal>) -> Json {
    let Bounds { floor, now, ceiling } = bounds.map(|amount| decimal(Some(amount)));
    json!({"floor": floor, "now": now, "ceiling": ceiling})
}
