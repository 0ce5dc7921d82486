//! The JSON Schemas, draft 2020-12, of `report --format json` and of `cost --json`.

use super::json::FORMAT;
use crate::report::cost::diff::FORMAT as DIFF_FORMAT;
use crate::report::cost::json::FORMAT as COST_FORMAT;
use serde_json::{Map, Value as Json, json};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Fields by name, each with the word for its type.
type Fields = [(&'static str, &'static str)];

/// Makes an object whose fields are all there. A type that ends with `?` may be `null`; `money` is a decimal
/// in a text, `[x]` a list of the definition `x`, `{x}` a map of it.
fn object(fields: &Fields) -> Json {
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Json> =
        fields.iter().map(|(name, ty)| ((*name).to_owned(), of(ty))).collect();
    json!({"type": "object", "required": names, "properties": properties})
}

fn of(ty: &str) -> Json {
    if let Some(ty) = ty.strip_suffix('?') {
        return json!({"anyOf": [of(ty), {"type": "null"}]});
    }
    if let Some(item) = ty.strip_prefix('[').and_then(|ty| ty.strip_suffix(']')) {
        return json!({"type": "array", "items": of(item)});
    }
    if let Some(item) = ty.strip_prefix('{').and_then(|ty| ty.strip_suffix('}')) {
        return json!({"type": "object", "additionalProperties": of(item)});
    }
    match ty {
        "text" => json!({"type": "string"}),
        "count" => json!({"type": "integer", "minimum": 0}),
        "days" => json!({"type": "integer"}),
        "flag" => json!({"type": "boolean"}),
        "day" => json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}),
        definition => json!({"$ref": format!("#/$defs/{definition}")}),
    }
}

/// What both documents are made of.
const SHARED: &[(&str, &Fields)] = &[
    ("book", &[("digest", "text"), ("from", "text"), ("as_of", "day?"), ("oldest", "day?")]),
    (
        "conversion",
        &[("from", "text"), ("to", "text"), ("rate", "money"), ("on", "day"), ("source", "text")],
    ),
    ("discount", &[("percent", "money?"), ("source", "text"), ("as_of", "day"), ("note", "text?")]),
    ("bounds", &[("floor", "money?"), ("now", "money?"), ("ceiling", "money?")]),
    ("total", &[("hourly", "bounds"), ("monthly", "bounds"), ("missing", "count")]),
    ("nothing", &[("address", "text"), ("name", "text")]),
    ("free", &[("address", "text"), ("reason", "text")]),
    (
        "component",
        &[
            ("address", "text"),
            ("type", "text"),
            ("name", "text"),
            ("service", "text"),
            ("in_use", "flag"),
            ("unit", "text"),
            ("hours", "money?"),
            ("quantity", "money"),
            ("quantities", "bounds"),
            ("unit_price", "money?"),
            ("list_price", "money?"),
            ("discount", "discount?"),
            ("ceiling_price", "money?"),
            ("monthly", "money?"),
            ("monthlies", "bounds"),
            ("source", "text?"),
            ("as_of", "day?"),
            ("rounded", "flag"),
            ("assumed", "flag"),
            ("assumptions", "[text]"),
        ],
    ),
    (
        "resource",
        &[
            ("address", "text"),
            ("kind", "text"),
            ("tier", "text?"),
            ("owner", "text?"),
            ("tags", "{text}"),
            ("monthly", "money"),
            ("total", "total"),
            ("components", "[component]"),
            ("free", "[free]"),
        ],
    ),
];

/// What only the report is made of.
const OWN: &[(&str, &Fields)] = &[
    (
        "verdict",
        &[
            ("standing", "text"),
            ("difference", "money"),
            ("percent", "money?"),
            ("missing", "count"),
        ],
    ),
    (
        "environment",
        &[
            ("name", "text"),
            ("provider", "text"),
            ("region", "text?"),
            ("is_charged", "flag"),
            ("total", "total?"),
            ("resources", "{total}?"),
            ("problem", "text?"),
        ],
    ),
    (
        "change",
        &[
            ("address", "text"),
            ("kind", "text"),
            ("action", "text"),
            ("what", "text"),
            ("before", "total?"),
            ("after", "total?"),
            ("difference", "money"),
        ],
    ),
    (
        "driver",
        &[("address", "text"), ("name", "text"), ("monthly", "money"), ("percent", "money?")],
    ),
    (
        "spot",
        &[
            ("address", "text"),
            ("type", "text"),
            ("hours", "money"),
            ("hourly", "money?"),
            ("on_demand_hourly", "money?"),
            ("ceiling_hourly", "money?"),
            ("saving_monthly", "money?"),
            ("interrupted", "text?"),
            ("interrupted_source", "text?"),
            ("monthly", "bounds"),
        ],
    ),
    (
        "gpus",
        &[
            ("address", "text"),
            ("name", "text"),
            ("accelerator", "text?"),
            ("count", "money"),
            ("accelerator_hours", "money"),
            ("accelerator_hourly", "money?"),
            ("monthly", "money?"),
        ],
    ),
    (
        "schedule",
        &[
            ("address", "text"),
            ("hours", "money"),
            ("monthly", "money"),
            ("monthly_always", "money"),
            ("is_missing", "flag"),
        ],
    ),
    (
        "budget",
        &[
            ("name", "text"),
            ("limit", "money"),
            ("currency", "text"),
            ("ceiling", "money"),
            ("missing", "count"),
            ("outcome", "text"),
            ("waived", "text?"),
        ],
    ),
    (
        "policy",
        &[("name", "text"), ("message", "text?"), ("outcome", "text"), ("waived", "[waived]")],
    ),
    ("waived", &[("address", "text?"), ("reason", "text"), ("until", "day")]),
    ("objection", &[("code", "text"), ("message", "text"), ("refuses", "flag")]),
    (
        "advice",
        &[
            ("address", "text"),
            ("edit", "text"),
            ("because", "text"),
            ("gives_up", "text"),
            ("difference", "money"),
            ("after", "total"),
        ],
    ),
    ("assumption", &[("text", "text"), ("addresses", "[text]"), ("total", "total")]),
    ("said", &[("address", "text"), ("field", "text"), ("amount", "money")]),
    (
        "source",
        &[
            ("source", "text"),
            ("licence", "text"),
            ("url", "text"),
            ("oldest", "day?"),
            ("newest", "day?"),
            ("age_days", "days?"),
            ("lines", "count"),
            ("rounded", "count"),
            ("monthly", "money"),
        ],
    ),
    ("group", &[("name", "text"), ("total", "total")]),
    ("grouping", &[("by", "text"), ("groups", "[group]")]),
];

const REPORT: &Fields = &[
    ("dsenv", "text"),
    ("blueprint", "text"),
    ("environment", "text"),
    ("provider", "text"),
    ("region", "text?"),
    ("made", "day?"),
    ("currency", "text"),
    ("price_book", "book"),
    ("verdict", "verdict"),
    ("total", "total"),
    ("before", "total"),
    ("environments", "[environment]"),
    ("changes", "[change]"),
    ("resources", "[resource]"),
    ("drivers", "[driver]"),
    ("spot", "[spot]"),
    ("gpus", "[gpus]"),
    ("schedules", "[schedule]"),
    ("budgets", "[budget]"),
    ("policies", "[policy]"),
    ("objections", "[objection]"),
    ("advice", "[advice]"),
    ("assumptions", "[assumption]"),
    ("usage", "[said]"),
    ("sources", "[source]"),
    ("missing", "[nothing]"),
    ("groups", "[grouping]"),
];

const COST: &Fields = &[
    ("provider", "text"),
    ("region", "text?"),
    ("currency", "text"),
    ("price_book", "book"),
    ("exchange", "[conversion]"),
    ("total", "total"),
    ("resources", "[resource]"),
    ("missing", "[nothing]"),
    ("assumed", "[text]"),
];

/// Makes the schema of `dsenv-report/1`: what `dsenv schema report` prints.
pub fn schema() -> Json {
    document("dsenv report --format json", FORMAT, REPORT, &[SHARED, OWN])
}

/// Makes the schema of `dsenv-cost/1`: what `dsenv schema cost` prints.
pub fn cost_schema() -> Json {
    document("dsenv cost --json", COST_FORMAT, COST, &[SHARED])
}

/// What `cost --diff --json` prints.
const DIFF: &Fields = &[
    ("currency", "text"),
    ("before", "side"),
    ("after", "side"),
    ("monthly", "money"),
    ("unknown", "count"),
    ("by_cause", "{money}"),
    ("differences", "[difference]"),
];

const PARTS_OF_DIFF: &[(&str, &Fields)] = &[
    (
        "side",
        &[
            ("price_book", "text"),
            ("monthly", "bounds"),
            ("hourly", "bounds"),
            ("missing", "count"),
        ],
    ),
    ("bounds", &[("floor", "money"), ("now", "money"), ("ceiling", "money")]),
    (
        "difference",
        &[
            ("address", "text"),
            ("name", "text"),
            ("cause", "text"),
            ("monthly", "money?"),
            ("before", "counted?"),
            ("after", "counted?"),
        ],
    ),
    (
        "counted",
        &[("unit", "text"), ("quantity", "money"), ("unit_price", "money?"), ("monthly", "money?")],
    ),
];

/// Returns the JSON Schema of what `cost --diff --json` prints.
pub fn cost_diff_schema() -> Json {
    document("dsenv cost --diff --json", DIFF_FORMAT, DIFF, &[PARTS_OF_DIFF])
}

fn document(title: &str, format: &str, fields: &Fields, parts: &[&[(&str, &Fields)]]) -> Json {
    let mut document = object(fields);
    let definitions = parts.iter().copied().flatten();
    let mut definitions: Map<String, Json> =
        definitions.map(|(name, fields)| ((*name).to_owned(), object(fields))).collect();
    definitions.insert("money".to_owned(), money());
    let closed = |name: &str, field: &str, words: Json, about: &str| {
        let at = definitions.get_mut(name).and_then(|it| it["properties"].get_mut(field));
        if let Some(at) = at {
            *at = json!({"enum": words, "description": about});
        }
    };
    word_closed_sets(closed);
    let whole = document.as_object_mut().expect("it was just made");
    whole.insert("$schema".to_owned(), json!(DRAFT));
    whole.insert("title".to_owned(), json!(title));
    whole["properties"]["format"] = json!({"const": format});
    whole["required"].as_array_mut().expect("a list").insert(0, json!("format"));
    whole.insert("$defs".to_owned(), Json::Object(definitions));
    document
}

fn word_closed_sets(mut closed: impl FnMut(&str, &str, Json, &str)) {
    let actions = json!(["create", "update", "replace", "delete", "forget", "resume", "no-op"]);
    closed("change", "action", actions, "`no-op`: only its cost differs.");
    let standings = json!(["priced", "incomplete", "refused"]);
    closed(
        "verdict",
        "standing",
        standings,
        "`incomplete`: each sum is what it comes to at least.",
    );
    let outcomes = json!(["held", "near", "exceeded", "cannot_tell"]);
    closed("budget", "outcome", outcomes, "The ceiling is judged. The last two refuse the plan.");
    let kept = json!(["held", "waived", "advised", "broken"]);
    closed("policy", "outcome", kept, "`broken` refuses the plan; `advised` is broken and warns.");
    let services = json!(["compute", "storage", "network", "database", "other"]);
    closed("component", "service", services, "What it is for, whatever its cloud calls that.");
    let bands = json!(["<5%", "5-10%", "10-15%", "15-20%", ">20%", null]);
    closed("spot", "interrupted", bands, "The share that was taken back in the month before.");
}

fn money() -> Json {
    json!({"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?$",
        "description": "A decimal with all its digits. Where something is missing, a sum is what it comes to at least."})
}
