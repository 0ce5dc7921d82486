//! The JSON Schema of `plan --json`: what `dsenv schema plan` prints.

use serde_json::{Value as Json, json};

/// Makes the schema of [`super::FORMAT`], draft 2020-12.
pub fn plan_schema() -> Json {
    let object = json!({"type": ["object", "null"]});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dsenv plan --json",
        "type": "object",
        "required": ["format", "dsenv", "blueprint", "environment", "serial", "mode", "summary",
            "changes", "outputs", "not_locked", "cost", "verdicts", "diagnostics"],
        "properties": {
            "format": {"const": super::FORMAT},
            "dsenv": {"type": "string", "description": "The version of dsenv that made the plan."},
            "blueprint": {"type": "string"},
            "environment": {"type": "string"},
            "serial": {"type": "integer", "minimum": 0,
                "description": "The serial of the state that the plan was made from; 0 when there was none."},
            "mode": {"enum": ["apply", "destroy", "refresh_only"]},
            "summary": summary(),
            "changes": {"type": "array", "items": {"$ref": "#/$defs/change"},
                "description": "What is done, and what was changed outside of dsenv. Nodes that stay as they are are only counted."},
            "outputs": {"type": "object", "required": ["values", "unknown"],
                "properties": {"values": {"type": "object"}, "unknown": paths()}},
            "not_locked": {"type": "array", "items": {"type": "string"},
                "description": "Pins that the lock lacks. Such a plan is not applied as it is."},
            "cost": {"type": ["object", "null"],
                "description": "What it costs; null where nothing is charged.",
                "required": ["currency", "price_book", "total", "before", "difference", "missing"],
                "properties": {
                    "currency": {"type": "string"},
                    "price_book": {"type": "object"},
                    "exchange": {"type": "array", "items": {"type": "object"},
                        "description": "What other currencies are worth in this one, with day and source."},
                    "total": {"$ref": "#/$defs/total"},
                    "before": {"$ref": "#/$defs/total", "description": "Of what was applied last."},
                    "difference": {"type": "string", "description": "A month now, against before: a decimal."},
                    "missing": {"type": "array", "items": {"type": "object", "required": ["address", "name"],
                        "properties": {"address": {"type": "string"}, "name": {"type": "string"}}},
                        "description": "What has no price: with it, sums are what it comes to at least."}}},
            "verdicts": {"type": "array", "items": {"$ref": "#/$defs/diagnostic"},
                "description": "What the guards say; an error among them refuses the plan."},
            "diagnostics": {"type": "array", "items": {"$ref": "#/$defs/diagnostic"}},
        },
        "$defs": {
            "change": change(&object),
            "reason": reason(),
            "diagnostic": diagnostic(),
            "total": total(),
        },
    })
}

fn paths() -> Json {
    json!({"type": "array", "items": {"type": "string"},
        "description": "Paths of values that are known after apply and null here: `environment.URL`, `packages[0]`, `tags[\"a.b\"]`."})
}

fn summary() -> Json {
    let names = ["create", "update", "replace", "delete", "forget", "unchanged", "left_out"];
    let count = |name: &&str| ((*name).to_owned(), json!({"type": "integer", "minimum": 0}));
    let properties: serde_json::Map<String, Json> = names.iter().map(count).collect();
    json!({"type": "object", "required": names, "properties": properties})
}

fn change(object: &Json) -> Json {
    json!({
        "type": "object",
        "required": ["address", "kind", "provider", "type", "action", "reason", "order", "data",
            "deposed", "before", "after", "unknown", "not_locked", "drift"],
        "properties": {
            "address": {"type": "string"},
            "kind": {"type": "string", "description": "The neutral kind, as the blueprint has it."},
            "provider": {"type": "string"},
            "type": {"type": "string", "description": "The native type, as the provider has it."},
            "action": {"enum": ["create", "update", "replace", "delete", "forget", "resume", "no-op"]},
            "reason": {"$ref": "#/$defs/reason"},
            "order": {"enum": ["create_first", "delete_first", null],
                "description": "Of a replacement."},
            "data": {"enum": ["delete", "snapshot", null],
                "description": "What becomes of the data of what is deleted."},
            "deposed": {"type": ["integer", "null"],
                "description": "The generation of an object that was replaced before and is deleted now."},
            "before": object,
            "after": object,
            "unknown": paths(),
            "not_locked": {"type": "array", "items": {"type": "object", "required": ["path", "pin"],
                "properties": {"path": {"type": "string"}, "pin": {"type": "string"}}}},
            "drift": {"type": "array", "items": {"type": "object",
                "required": ["name", "before", "after", "relevant"],
                "properties": {"name": {"type": "string"}, "before": true, "after": true,
                    "relevant": {"type": "boolean",
                        "description": "Whether anything depends on it."}}}},
        },
    })
}

fn reason() -> Json {
    json!({
        "type": "object",
        "required": ["code"],
        "properties": {
            "code": {"enum": ["new", "changed", "drifted", "gone_outside", "tainted",
                "replace_outstanding", "interrupted", "requested", "block_gone", "destroy",
                "deposed", "same", "left_out"]},
            "fields": {"type": "array", "items": {"type": "string"},
                "description": "The arguments concerned, of `changed` and `drifted`."},
        },
    })
}

/// Sums of a month and of an hour, as decimals in texts.
fn total() -> Json {
    let bounds = json!({"type": "object", "required": ["floor", "now", "ceiling"], "properties": {
        "floor": {"type": "string"}, "now": {"type": "string"}, "ceiling": {"type": "string"}}});
    json!({"type": "object", "required": ["hourly", "monthly", "missing"], "properties": {
        "hourly": bounds, "monthly": bounds,
        "missing": {"type": "integer", "minimum": 0, "description": "How many figures have no price."}}})
}

fn diagnostic() -> Json {
    let whole = json!({"type": ["integer", "null"]});
    json!({
        "type": "object",
        "required": ["code", "severity", "title", "message", "file", "line", "column", "end_line",
            "end_column", "address", "help"],
        "properties": {
            "code": {"type": "string"},
            "severity": {"enum": ["error", "warning", "note"]},
            "title": {"type": "string"},
            "message": {"type": "string"},
            "file": {"type": "string"},
            "line": whole, "column": whole, "end_line": whole, "end_column": whole,
            "address": {"type": ["string", "null"]},
            "help": {"type": "array", "items": {"type": "string"}},
        },
    })
}
