//! Numbers, times, lists and values in words.

use dsenv_sdk::Value;

/// `0.3s`, `4.2s`, `2m 05s`, `1h 05m`.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{seconds}.{}s", ms % 1_000 / 100),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// `9,990`.
pub(super) fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 attribute`, `3 attributes`.
pub(super) fn count(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", number(count), if count == 1 { "" } else { "s" })
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn and(parts: &[String]) -> String {
    match parts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

/// The first few of many names, and how many more there are.
pub(super) fn some(names: &[String], max: usize) -> String {
    // One more name is no longer than saying that there is one more.
    if names.len() <= max + 1 {
        return names.join(", ");
    }
    format!("{} and {} more", names[..max].join(", "), number(names.len() - max))
}

/// A value on one line with at most about `max` characters; secrets as `(secret)`.
pub(super) fn value(value: &Value, max: usize) -> String {
    match value {
        Value::Text(text) => quoted(text, 0, max),
        Value::List(items) => {
            let parts = items.iter().map(|item| self::value(item, max));
            bracketed('[', ']', parts.collect(), max)
        }
        Value::Map(map) => {
            let parts = map.iter().map(|(key, item)| format!("{key}: {}", self::value(item, max)));
            bracketed('{', '}', parts.collect(), max)
        }
        scalar => scalar.to_string(),
    }
}

fn bracketed(open: char, close: char, parts: Vec<String>, max: usize) -> String {
    let mut length = 0;
    let mut shown = 0;
    for part in &parts {
        length += part.chars().count() + 2;
        if length > max && shown > 0 {
            break;
        }
        shown += 1;
    }
    let hidden = parts.len() - shown;
    let mut text = parts[..shown].join(", ");
    if hidden > 0 {
        text.push_str(&format!(", ... {} more", number(hidden)));
    }
    format!("{open}{text}{close}")
}

/// A text in quotes, at most about `max` characters of it from character `from` on; what is cut is
/// marked, and its length said.
pub(super) fn quoted(text: &str, from: usize, max: usize) -> String {
    let length = text.chars().count();
    if length <= max {
        return json(text);
    }
    let from = from.min(length - max);
    let part: String = text.chars().skip(from).take(max).collect();
    let before = if from > 0 { "..." } else { "" };
    let after = if from + max < length { "..." } else { "" };
    format!("{} ({} characters)", json(&format!("{before}{part}{after}")), number(length))
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
