//! The blueprint's outputs: how to reach what was made.

use super::words;
use dsenv_sdk::value::{Map, Value, wire};
use serde_json::{Value as Json, json};
use unicode_width::UnicodeWidthStr;

/// Whether secrets are shown in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// As `(secret)`.
    Hidden,
    /// In clear: `--show-secrets`, for a person or program that asked for them.
    Shown,
}

/// Renders the outputs, one a line, names aligned. Texts stand without quotes, to be copied.
pub fn text(outputs: &Map, secrets: Secrets) -> String {
    let width = outputs.keys().map(|name| name.width()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in outputs {
        let pad = " ".repeat(width - name.width());
        text.push_str(&format!("{name}{pad} = {}\n", bare(value, secrets)));
    }
    text
}

/// Renders one output for a script: its text and a line feed, nothing else.
pub fn one(value: &Value, secrets: Secrets) -> String {
    format!("{}\n", bare(value, secrets))
}

/// Makes the document of `output --json`: `{name: {value, secret}}`.
pub fn json(outputs: &Map, secrets: Secrets) -> Json {
    let entry = |(name, value): (&String, &Value)| {
        let secret = value.holds_secret();
        (name.clone(), json!({"value": plain(value, secrets), "secret": secret}))
    };
    Json::Object(outputs.iter().map(entry).collect())
}

fn bare(value: &Value, secrets: Secrets) -> String {
    match (value, secrets) {
        (Value::Text(text), _) => text.clone(),
        (Value::Secret(text), Secrets::Shown) => text.expose().to_owned(),
        (Value::List(_) | Value::Map(_), Secrets::Shown) => plain(value, secrets).to_string(),
        (value, _) => words::value(value, usize::MAX),
    }
}

/// A value that is read and not decoded: no key is escaped.
fn plain(value: &Value, secrets: Secrets) -> Json {
    match value {
        Value::Secret(text) if secrets == Secrets::Shown => Json::from(text.expose()),
        Value::List(items) => items.iter().map(|item| plain(item, secrets)).collect(),
        Value::Map(map) => {
            let entry = |(key, item): (&String, _)| (key.clone(), plain(item, secrets));
            Json::Object(map.iter().map(entry).collect())
        }
        scalar => wire::shown(scalar),
    }
}

/// Renders the outputs as lines that a shell or a `.env` file takes: `NAME='text'`.
///
/// A quote inside a text is written `'\''`, which every POSIX shell reads back as it was.
pub fn env_file(outputs: &Map, secrets: Secrets) -> String {
    let line = |(name, value): (&String, &Value)| {
        let text = bare(value, secrets).replace('\'', r"'\''");
        format!("{}='{text}'\n", name.to_uppercase())
    };
    outputs.iter().map(line).collect()
}
