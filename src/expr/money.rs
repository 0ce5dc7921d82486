//! Amounts in rules: `at_most(cost.ceiling, "500 USD")`.
//!
//! An amount is a map with `amount`, a decimal in a text, `currency`, and `missing`, how many figures of it
//! have no price; a limit is such a map, or a text as budgets have it.
//!
//! ## Why a function
//! CEL has no decimals. As texts `"1000" <= "500"` holds, and as a binary fraction no amount is exact; two
//! maps cannot be compared by CEL at all, so whoever forgets the function is told. What lacks a price is at
//! most nothing that one could name: above the limit it is, below it nobody can tell.

use cel::{Context, ExecutionError, Value as Cel};
use dsenv_sdk::prices::Money;
use dsenv_sdk::value::{Map, Value};

/// The name of the function.
pub const AT_MOST: &str = "at_most";

/// Makes an amount as rules see it.
pub fn amount(money: Money, missing: usize) -> Value {
    Value::Map(Map::from([
        ("amount".to_owned(), Value::text(money.amount.normalize().to_string())),
        ("currency".to_owned(), Value::text(money.currency.code())),
        ("missing".to_owned(), Value::Int(i64::try_from(missing).unwrap_or(i64::MAX))),
    ]))
}

/// Gives an evaluation the function.
pub(super) fn allow(context: &mut Context<'_, '_>) {
    let function = |amount: Cel, limit: Cel| at_most(&amount, &limit);
    context.add_function(AT_MOST, function).expect("no other function has this name");
}

fn at_most(amount: &Cel, limit: &Cel) -> Result<bool, ExecutionError> {
    let refuse = |message: &str| Err(ExecutionError::function_error(AT_MOST, message));
    let (Some((amount, missing)), Some((limit, lacks))) = (read(amount), read(limit)) else {
        return refuse("`at_most` compares amounts: `at_most(cost.ceiling, \"500 USD\")`");
    };
    if amount.currency != limit.currency {
        return refuse("`at_most` compares amounts of one currency");
    }
    match amount.amount > limit.amount {
        true if !lacks => Ok(false),
        false if !missing => Ok(true),
        _ => refuse("a price is missing, so nobody can tell how much it comes to"),
    }
}

/// An amount, and whether a price is missing in it.
fn read(value: &Cel) -> Option<(Money, bool)> {
    match value {
        Cel::String(text) => Some((text.trim().trim_end_matches("/month").parse().ok()?, false)),
        Cel::Map(map) => {
            let get = |key: &str| map.map.get(&cel::objects::Key::from(key));
            let (Some(Cel::String(amount)), Some(Cel::String(currency))) =
                (get("amount"), get("currency"))
            else {
                return None;
            };
            let missing = !matches!(get("missing"), Some(Cel::Int(0)));
            Some((format!("{amount} {currency}").parse().ok()?, missing))
        }
        _ => None,
    }
}
