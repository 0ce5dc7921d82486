//! What a scalar without quotes is, by the core schema of YAML 1.2.

use super::node::NodeKind;

/// Tells a plain scalar's kind; `Err` for a number that has no place in a blueprint: too many
/// digits, infinite, not a number.
pub(super) fn resolve(text: &str) -> Result<NodeKind, &'static str> {
    // Most scalars are words. Everything that is not text starts with one of these.
    let first = text.bytes().next();
    if !first.is_none_or(|byte| byte.is_ascii_digit() || b"+-.~nNtTfF".contains(&byte)) {
        return Ok(NodeKind::Text(text.to_owned()));
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(NodeKind::Null),
        "true" | "True" | "TRUE" => return Ok(NodeKind::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(NodeKind::Bool(false)),
        _ => {}
    }
    if let Some(number) = whole_number(text) {
        return number.map(NodeKind::Int).ok_or("does not fit in 64 bits");
    }
    match text.trim_start_matches(['+', '-']) {
        ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN" => return Err("is not finite"),
        _ => {}
    }
    if is_decimal(text) {
        let number: f64 = text.parse().expect("Rust reads every decimal of the core schema");
        return if number.is_finite() { Ok(NodeKind::Float(number)) } else { Err("is not finite") };
    }
    Ok(NodeKind::Text(text.to_owned()))
}

/// `None` when it is not a whole number, `Some(None)` when it is one beyond 64 bits.
fn whole_number(text: &str) -> Option<Option<i64>> {
    let radix = |digits: &str, radix: u32| {
        let fits = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        fits.then(|| i64::from_str_radix(digits, radix).ok())
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    decimal.then(|| text.parse().ok())
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_is_number = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digit = !(whole.is_empty() && fraction.is_empty());
    exponent_is_number && has_digit && digits(whole) && digits(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> String {
        match resolve(text) {
            Ok(kind) => format!("{kind:?}"),
            Err(why) => why.to_owned(),
        }
    }

    #[test]
    fn the_core_schema() {
        for null in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(kind(null), "Null");
        }
        assert_eq!(kind("true"), "Bool(true)");
        assert_eq!(kind("FALSE"), "Bool(false)");
        assert_eq!(kind("-18"), "Int(-18)");
        assert_eq!(kind("007"), "Int(7)");
        assert_eq!(kind("0x1F"), "Int(31)");
        assert_eq!(kind("0o17"), "Int(15)");
        assert_eq!(kind("1.10"), "Float(1.1)");
        assert_eq!(kind("+.5e-3"), "Float(0.0005)");
        assert_eq!(kind("1."), "Float(1.0)");
    }

    #[test]
    fn what_other_schemas_read_as_something_is_text() {
        for text in [
            "yes",
            "no",
            "on",
            "off",
            "y",
            "n",
            "nULL",
            "tRUE",
            "1:30",
            "2026-11-21",
            "1_000",
            "0b1",
            "1e",
            "e1",
            ".",
            "+",
            "-",
            "-.",
            "0x",
            "0xg",
            "1.2.3",
            "10.0.0.0/8",
            "8GiB+",
            "--1",
            "-0x1",
        ] {
            assert_eq!(kind(text), format!("Text({text:?})"));
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert_eq!(kind("9223372036854775807"), "Int(9223372036854775807)");
        assert_eq!(kind("9223372036854775808"), "does not fit in 64 bits");
        assert_eq!(kind("-.inf"), "is not finite");
        assert_eq!(kind(".NaN"), "is not finite");
        assert_eq!(kind("1e999"), "is not finite");
    }
}
