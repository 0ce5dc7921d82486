//! Whether two environments are identical, as text and as the certificate `dsenv-parity/1`.

use super::style::{Ink, wrap};
use super::{Style, table};
use crate::parity::{Level, Parity, Row, Substitution, Verdict};
use dsenv_sdk::schema::Class;
use serde_json::{Value as Json, json};

/// The name and version of the certificate.
pub const FORMAT: &str = "dsenv-parity/1";

/// What the certificate says beside what was found.
#[derive(Clone, Debug)]
pub struct Heading<'a> {
    /// The blueprint's name.
    pub blueprint: &'a str,
    /// The digest of what it says.
    pub blueprint_digest: &'a str,
    /// The two environments, in the order that was asked for.
    pub environments: [&'a str; 2],
    /// When it was looked.
    pub time: String,
    /// The version of dsenv.
    pub tool_version: &'a str,
}

/// Renders what differs and what was proven. Rows that may differ are listed in full only on request; what
/// must not differ always is.
pub fn text(parity: &Parity, heading: &Heading<'_>, style: &Style) -> String {
    let mut text = String::new();
    let mut say = |ink, line: &str| {
        let lines = wrap(line, 0, 2, style.width);
        text.push_str(&style.paint(ink, &lines.join("\n")));
        text.push('\n');
    };
    let (ink, verdict) = sentence(parity, heading);
    say(ink, &verdict);
    text.push_str(&rows("Must not differ", &parity.violations, heading));
    text.push_str(&rows("May differ", &parity.variances, heading));
    text.push_str(&substitutions(&parity.substitutions, style));
    text.push_str(&untested(parity, style));
    text
}

fn sentence(parity: &Parity, heading: &Heading<'_>) -> (Ink, String) {
    let [one, other] = heading.environments;
    let read = match parity.level() {
        Some(level) => format!("as far as {} ({})", level.word(), level.code()),
        None => "as far as nothing at all".to_owned(),
    };
    match parity.verdict() {
        Verdict::Identical => {
            let text = format!("`{one}` and `{other}` are identical up to what may vary, {read}.");
            (Ink::Good, text)
        }
        Verdict::IdenticalWithSubstitutions => {
            let text = format!(
                "`{one}` and `{other}` are identical up to what may vary and what a provider puts in the \
                 place of something, {read}."
            );
            (Ink::Good, text)
        }
        Verdict::Violation => {
            let count = parity.violations.len();
            let differ = if count == 1 { "thing differs" } else { "things differ" };
            let text = format!(
                "`{one}` and `{other}` are not identical: {count} {differ} that must not, {read}."
            );
            (Ink::Danger, text)
        }
        Verdict::CannotTell => {
            let missed = parity.missed.map_or("anything", Level::word);
            let text = format!(
                "It cannot be told whether `{one}` and `{other}` are identical as {missed}; they are, {read}."
            );
            (Ink::Change, text)
        }
    }
}

fn rows(title: &str, rows: &[Row], heading: &Heading<'_>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "(nothing)".to_owned());
    let cells = rows.iter().map(|row| {
        let address = if row.address.is_empty() { "(environment)" } else { &row.address };
        vec![
            row.level.code().to_owned(),
            address.to_owned(),
            row.path.clone(),
            side(&row.one),
            side(&row.other),
            row.why.clone(),
        ]
    });
    let [one, other] = heading.environments;
    let headings = ["LEVEL", "RESOURCE", "FIELD", one, other, "WHY"];
    format!("\n{title}:\n{}", table::table(&headings, cells.collect()))
}

fn substitutions(all: &[Substitution], style: &Style) -> String {
    let mut text = String::new();
    for it in all {
        let dot = if it.path.is_empty() { "" } else { "." };
        let line = format!("{}: {}{dot}{}: {}", it.environment, it.address, it.path, it.what);
        text.push_str("  ");
        text.push_str(&wrap(&line, 2, 4, style.width).join("\n"));
        text.push('\n');
    }
    if text.is_empty() {
        text
    } else {
        format!("\nPut in the place of what was asked for:\n{text}")
    }
}

fn untested(parity: &Parity, style: &Style) -> String {
    let mut text = String::new();
    for it in &parity.untested {
        let line = format!("{} {}: {}", it.level.code(), it.claim, it.why);
        text.push_str("  ");
        text.push_str(&wrap(&line, 2, 4, style.width).join("\n"));
        text.push('\n');
    }
    if text.is_empty() { text } else { format!("\nNot looked at:\n{text}") }
}

/// Makes the certificate. `level` is the highest one that was read, `null` when none was.
pub fn json(parity: &Parity, heading: &Heading<'_>) -> Json {
    let [one, other] = heading.environments;
    let digests = parity.digests.iter().map(|(level, digests)| {
        (level.code().to_owned(), json!({one: digests.one, other: digests.other}))
    });
    let substitution = |it: &Substitution| {
        json!({
            "environment": it.environment,
            "address": it.address,
            "path": it.path,
            "what": it.what,
        })
    };
    let untested = parity.untested.iter();
    json!({
        "format": FORMAT,
        "dsenv": heading.tool_version,
        "time": heading.time,
        "blueprint": heading.blueprint,
        "blueprint_digest": heading.blueprint_digest,
        "environments": [one, other],
        "level": parity.level().map(Level::code),
        "verdict": verdict(parity.verdict()),
        "digests": digests.collect::<serde_json::Map<_, _>>(),
        "violations": parity.violations.iter().map(row).collect::<Vec<_>>(),
        "variances": parity.variances.iter().map(row).collect::<Vec<_>>(),
        "substitutions": parity.substitutions.iter().map(substitution).collect::<Vec<_>>(),
        "untested": untested
            .map(|it| json!({"level": it.level.code(), "claim": it.claim, "why": it.why}))
            .collect::<Vec<_>>(),
    })
}

fn row(row: &Row) -> Json {
    json!({
        "level": row.level.code(),
        "address": row.address,
        "path": row.path,
        "class": class(row.class),
        "one": row.one,
        "other": row.other,
        "why": row.why,
    })
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Identical => "identical",
        Verdict::IdenticalWithSubstitutions => "identical_with_substitutions",
        Verdict::Violation => "violation",
        Verdict::CannotTell => "cannot_tell",
    }
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Fixed => "fixed",
        Class::Scale => "scale",
        Class::Bind => "bind",
        Class::Policy => "policy",
    }
}

/// Returns the JSON Schema of the certificate, draft 2020-12.
pub fn schema() -> Json {
    let text = json!({"type": "string"});
    let text_or_null = json!({"type": ["string", "null"]});
    let level = json!({"enum": Level::ALL.map(Level::code)});
    let object = |properties: Json| {
        let names: Vec<String> =
            properties.as_object().expect("it is one").keys().cloned().collect();
        json!({"type": "object", "required": names, "properties": properties})
    };
    let list = |items: Json| json!({"type": "array", "items": items});
    let row = object(json!({
        "level": level,
        "address": text,
        "path": text,
        "class": {"enum": ["fixed", "scale", "bind", "policy"]},
        "one": text_or_null,
        "other": text_or_null,
        "why": text,
    }));
    let substitution =
        object(json!({"environment": text, "address": text, "path": text, "what": text}));
    let digests = json!({"type": "object", "additionalProperties": text});
    let mut schema = object(json!({
        "format": {"const": FORMAT},
        "dsenv": text,
        "time": text,
        "blueprint": text,
        "blueprint_digest": text,
        "environments": {"type": "array", "items": text, "minItems": 2, "maxItems": 2},
        "level": {"anyOf": [level, {"type": "null"}]},
        "verdict": {"enum": ["identical", "identical_with_substitutions", "violation", "cannot_tell"]},
        "digests": {"type": "object", "additionalProperties": digests},
        "violations": list(row.clone()),
        "variances": list(row),
        "substitutions": list(substitution),
        "untested": list(object(json!({"level": level, "claim": text, "why": text}))),
    }));
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("What `dsenv parity --json` prints");
    schema
}
