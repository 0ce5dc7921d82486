//! Figures as people read them in a column: two decimals, thousands apart, never nothing for something.

use crate::report::cost::money;
use dsenv_sdk::prices::Currency;
use rust_decimal::{Decimal, RoundingStrategy};

const CENT: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

/// `$1,234.50`; `<$0.01` for what is less than half a cent and more than nothing.
pub(super) fn amount(amount: Decimal, currency: Currency) -> String {
    let rounded = amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    if rounded.is_zero() && !amount.is_zero() {
        let sign = if amount.is_sign_negative() { "-" } else { "" };
        return format!("{sign}<{}", money(CENT, currency));
    }
    apart(&money(rounded, currency))
}

/// `+$12.00`, `-$3.00`, `$0.00`.
pub(super) fn signed(difference: Decimal, currency: Currency) -> String {
    let sign = if difference > Decimal::ZERO { "+" } else { "" };
    format!("{sign}{}", amount(difference, currency))
}

/// A price with as many decimals as it takes: `$0.0000004`.
pub(super) fn price(price: Decimal, currency: Currency) -> String {
    apart(&money(price, currency))
}

/// `175,200`, `0.5`.
pub(super) fn quantity(quantity: Decimal) -> String {
    apart(&quantity.normalize().to_string())
}

/// The share of a whole in percent, to a tenth; `None` of nothing.
pub(super) fn percent(part: Decimal, whole: Decimal) -> Option<Decimal> {
    let share = (part * Decimal::ONE_HUNDRED).checked_div(whole)?;
    Some(share.round_dp_with_strategy(1, RoundingStrategy::MidpointAwayFromZero))
}

/// `28.2 %`, or a dash of nothing.
pub(super) fn share(part: Decimal, whole: Decimal) -> String {
    percent(part, whole).map_or_else(|| "–".to_owned(), |share| format!("{share:.1} %"))
}

/// Sets a comma between thousands, in front of the point.
fn apart(text: &str) -> String {
    let start = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
    let rest = &text[start..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let digits = &rest[..end];
    let mut set = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            set.push(',');
        }
        set.push(digit);
    }
    format!("{}{set}{}", &text[..start], &rest[end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expect: Expect) {
        let decimal: Decimal = text.parse().expect("a decimal");
        let usd = Currency::USD;
        let all =
            [amount(decimal, usd), signed(decimal, usd), price(decimal, usd), quantity(decimal)];
        expect.assert_eq(&all.join(" | "));
    }

    #[test]
    fn columns_have_two_decimals_and_something_is_never_nothing() {
        check(
            "1234567.895",
            expect!["$1,234,567.90 | +$1,234,567.90 | $1,234,567.90 | 1,234,567.895"],
        );
        check("0.0701", expect!["$0.07 | +$0.07 | $0.0701 | 0.0701"]);
        check("0.0000004", expect!["<$0.01 | +<$0.01 | $0.0000004 | 0.0000004"]);
        check("-0.001", expect!["-<$0.01 | -<$0.01 | -$0.001 | -0.001"]);
        check("-1460", expect!["-$1,460.00 | -$1,460.00 | -$1,460.00 | -1,460"]);
        check("0", expect!["$0.00 | $0.00 | $0.00 | 0"]);
    }

    #[test]
    fn shares_are_to_a_tenth() {
        let of = |a: i64, b: i64| share(a.into(), b.into());
        assert_eq!([of(1, 3), of(2, 2), of(1, 0)], ["33.3 %", "100.0 %", "–"]);
    }
}
