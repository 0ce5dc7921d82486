//! Amounts of money: exact decimals with their currency.
//!
//! Prices come in, are multiplied by quantities and added; an amount is rounded when it is shown and
//! never before. Two currencies are never added: what is converted needs a rate with its date.
//!
//! ## Why
//! `rust_decimal` has 28 digits. A published price has up to ten decimals and a quantity up to six, so a
//! product is exact below a thousand billion. Where digits would be lost all the same, the answer is an
//! error: a total that is nearly right cannot be told from one that is right.

use crate::date::Date;
use rust_decimal::{Decimal, RoundingStrategy};
use std::fmt;
use std::str::FromStr;

/// The three letters of a currency, as ISO 4217 has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The dollar of the United States, in which every public price list is kept.
    pub const USD: Currency = Currency(*b"USD");
    /// The euro.
    pub const EUR: Currency = Currency(*b"EUR");

    /// Reads three capital letters; `None` for anything else.
    ///
    /// Whether there is such a currency is not looked up.
    pub fn parse(text: &str) -> Option<Currency> {
        let letters: [u8; 3] = text.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Currency(letters))
    }

    /// Returns the three letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency is three capital letters")
    }

    pub(crate) fn bytes(self) -> [u8; 3] {
        self.0
    }

    fn symbol(&self) -> Option<&'static str> {
        match &self.0 {
            b"USD" => Some("$"),
            b"EUR" => Some("€"),
            b"GBP" => Some("£"),
            _ => None,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Why two amounts give no third.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The amounts are of two currencies.
    #[error("`{left}` and `{right}` cannot be added: convert one with a rate and its date")]
    Currencies {
        /// The currency of the first amount.
        left: Currency,
        /// The currency of the second amount.
        right: Currency,
    },
    /// The result has more digits than can be kept.
    #[error("the amount has more than 28 digits")]
    Digits,
    /// The text is no amount.
    #[error("`{0}` is no amount of money: write `4000 USD`")]
    Text(String),
}

/// An exact amount in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    /// How much; never rounded.
    pub amount: Decimal,
    /// Of which currency.
    pub currency: Currency,
}

/// What one currency is worth in another, on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The currency that is given.
    pub from: Currency,
    /// The currency that is got.
    pub to: Currency,
    /// How many of `to` one of `from` is.
    pub rate: Decimal,
    /// The day of the rate: an amount is converted as of it.
    pub as_of: Date,
}

impl Money {
    /// Returns an amount of dollars.
    pub fn usd(amount: Decimal) -> Money {
        Money { amount, currency: Currency::USD }
    }

    /// Returns nothing, of this currency: what a sum starts from.
    pub fn zero(currency: Currency) -> Money {
        Money { amount: Decimal::ZERO, currency }
    }

    /// Adds two amounts of one currency, exactly.
    pub fn plus(self, other: Money) -> Result<Money, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Currencies { left: self.currency, right: other.currency });
        }
        let (left, right) = (self.amount.normalize(), other.amount.normalize());
        let amount = left.checked_add(right).ok_or(MoneyError::Digits)?;
        // The library rounds a sum that does not fit, which then has fewer decimals than its parts.
        if amount.scale() < left.scale().max(right.scale()) {
            return Err(MoneyError::Digits);
        }
        Ok(Money { amount: amount.normalize(), ..self })
    }

    /// Multiplies by a quantity, exactly.
    pub fn times(self, quantity: Decimal) -> Result<Money, MoneyError> {
        let amount = exact_product(self.amount, quantity).ok_or(MoneyError::Digits)?;
        Ok(Money { amount, ..self })
    }

    /// Divides, for shares such as the price of one GPU of eight; has up to 28 digits, the last one
    /// rounded. `None` when divided by zero.
    pub fn share(self, parts: Decimal) -> Option<Money> {
        Some(Money { amount: self.amount.checked_div(parts)?, ..self })
    }

    /// Converts by a rate, which may round the 28th digit.
    ///
    /// An amount that is not in the currency that the rate gives from is refused.
    pub fn convert(self, exchange: &Exchange) -> Result<Money, MoneyError> {
        if self.currency != exchange.from {
            return Err(MoneyError::Currencies { left: self.currency, right: exchange.from });
        }
        let amount = self.amount.checked_mul(exchange.rate).ok_or(MoneyError::Digits)?;
        Ok(Money { amount, currency: exchange.to })
    }
}

/// The product when no digit of it is lost.
///
/// The library rounds silently to 28 decimals; a product of two normal numbers that lost none has as many
/// decimals as both together.
pub(crate) fn exact_product(left: Decimal, right: Decimal) -> Option<Decimal> {
    let (left, right) = (left.normalize(), right.normalize());
    let product = left.checked_mul(right)?;
    let kept = product.scale() == left.scale() + right.scale();
    (kept || product.is_zero() && (left.is_zero() || right.is_zero())).then(|| product.normalize())
}

/// How many decimals people are shown.
///
/// From one unit upwards two; below it four, or as many as show two digits that are not zero. So what
/// costs something never reads as nothing.
fn shown(amount: Decimal) -> Decimal {
    const HALF_UP: RoundingStrategy = RoundingStrategy::MidpointAwayFromZero;
    let size = amount.abs();
    if size >= Decimal::ONE || size.is_zero() {
        return amount.round_dp_with_strategy(2, HALF_UP);
    }
    let four = amount.round_dp_with_strategy(4, HALF_UP);
    if size >= Decimal::new(1, 3) {
        return four;
    }
    amount.round_sf_with_strategy(2, HALF_UP).unwrap_or(amount)
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut amount = shown(self.amount).normalize();
        amount.rescale(amount.scale().max(2));
        let sign = if amount.is_sign_negative() && !amount.is_zero() { "-" } else { "" };
        let amount = amount.abs();
        match self.currency.symbol() {
            Some(symbol) => write!(f, "{sign}{symbol}{amount}"),
            None => write!(f, "{sign}{amount} {}", self.currency),
        }
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    /// Reads `4000 USD`, `0.25 EUR` and `$20`.
    fn from_str(text: &str) -> Result<Money, MoneyError> {
        let refused = || MoneyError::Text(text.to_owned());
        let (number, currency) = match text.trim().strip_prefix('$') {
            Some(number) => (number, Currency::USD),
            None => {
                let (number, code) = text.trim().split_once(' ').ok_or_else(refused)?;
                (number, Currency::parse(code.trim()).ok_or_else(refused)?)
            }
        };
        let plain = |c: char| c.is_ascii_digit() || c == '.';
        if !number.starts_with(|c: char| c.is_ascii_digit()) || !number.chars().all(plain) {
            return Err(refused());
        }
        let amount = Decimal::from_str_exact(number).map_err(|_| refused())?;
        Ok(Money { amount, currency })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn money(text: &str) -> Money {
        text.parse().expect("an amount")
    }

    fn check(input: &str, expect: Expect) {
        let shown = match input.parse::<Money>() {
            Ok(money) => money.to_string(),
            Err(error) => error.to_string(),
        };
        expect.assert_eq(&shown);
    }

    #[test]
    fn an_amount_is_rounded_when_it_is_shown() {
        check("1.234 USD", expect![["$1.23"]]);
        check("1.235 USD", expect![["$1.24"]]);
        check("4000 USD", expect![["$4000.00"]]);
        check("0.5 USD", expect![["$0.50"]]);
        check("0.0042 USD", expect![["$0.0042"]]);
        check("0.0416 USD", expect![["$0.0416"]]);
        check("0.99999 USD", expect![["$1.00"]]);
        check("0 USD", expect![["$0.00"]]);
        check("3 CHF", expect![["3.00 CHF"]]);
        check("$20", expect![["$20.00"]]);
    }

    #[test]
    fn what_costs_something_never_reads_as_nothing() {
        check("0.0000000309 USD", expect![["$0.000000031"]]);
        check("0.000000125 USD", expect![["$0.00000013"]]);
    }

    #[test]
    fn what_is_no_amount_is_told_how_to_write_one() {
        check("4000", expect![["`4000` is no amount of money: write `4000 USD`"]]);
        check("-1 USD", expect![["`-1 USD` is no amount of money: write `4000 USD`"]]);
        check("1e3 USD", expect![["`1e3 USD` is no amount of money: write `4000 USD`"]]);
        check("4_000 USD", expect![["`4_000 USD` is no amount of money: write `4000 USD`"]]);
        check("1 usd", expect![["`1 usd` is no amount of money: write `4000 USD`"]]);
        check("", expect![["`` is no amount of money: write `4000 USD`"]]);
    }

    #[test]
    fn a_sum_is_exact() {
        let mut sum = Money::zero(Currency::USD);
        for _ in 0..1_000_000 {
            sum = sum.plus(money("0.0000000309 USD")).expect("it fits");
        }
        assert_eq!(sum.amount.to_string(), "0.0309");
    }

    #[test]
    fn digits_are_never_lost_in_silence() {
        let tiny = money("0.0000000001 USD");
        let huge = money("1000000000000000000000000 USD");
        assert_eq!(huge.plus(tiny), Err(MoneyError::Digits));
        let precise = Decimal::from_str_exact("0.12345678901234567890").expect("a decimal");
        assert_eq!(tiny.times(precise), Err(MoneyError::Digits));
        assert_eq!(tiny.times(Decimal::ZERO).expect("zero").amount, Decimal::ZERO);
        assert_eq!(huge.times(Decimal::from(1_000_000)), Err(MoneyError::Digits));
    }

    #[test]
    fn two_currencies_are_not_added() {
        let error = money("1 USD").plus(money("1 EUR")).expect_err("two currencies");
        expect!["`USD` and `EUR` cannot be added: convert one with a rate and its date"]
            .assert_eq(&error.to_string());
        let exchange = Exchange {
            from: Currency::EUR,
            to: Currency::USD,
            rate: Decimal::new(11, 1),
            as_of: Date::parse("2026-08-01").expect("a date"),
        };
        let sum = money("1 EUR").convert(&exchange).and_then(|usd| usd.plus(money("1 USD")));
        expect!["$2.10"].assert_eq(&sum.expect("one currency").to_string());
        assert!(money("1 USD").convert(&exchange).is_err());
    }

    #[test]
    fn a_share_of_nothing_is_none() {
        assert_eq!(money("8 USD").share(Decimal::ZERO), None);
        expect!["$2.67"]
            .assert_eq(&money("8 USD").share(Decimal::from(3)).expect("three").to_string());
    }
}
