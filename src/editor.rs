//! The JSON Schema of blueprints, for editors: completion, descriptions, and red lines as one types.
//!
//! Made from the tables of the kinds, so that it cannot say anything else than the compiler. An
//! expression may stand wherever a value may, so every type also accepts a text with `${`. Pure.

use crate::blueprint::{PACKS, RESOURCES_MAX};
use dsenv_sdk::kinds::{COMMON, KINDS, LATER};
use dsenv_sdk::schema::{Class, Field, Format, Kind, Presence, Type};
use serde_json::{Map, Value as Json, json};

/// Returns the schema, draft 2020-12.
pub fn schema() -> Json {
    let resources: Vec<Json> = KINDS.iter().map(|kind| resource(kind)).collect();
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dsenv blueprint",
        "type": "object",
        "required": ["blueprint", "resources"],
        "additionalProperties": false,
        "properties": {
            "blueprint": {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,62}$", "description": "Its name."},
            "description": {"type": "string", "description": "What it is for."},
            "owner": {"type": "string", "description": "Who answers for it."},
            "inputs": named(&input(), "What may be given from outside, by name."),
            "resources": {
                "type": "object",
                "description": "What there is to be, by name.",
                "maxProperties": RESOURCES_MAX,
                "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,62}$"},
                "additionalProperties": {
                    "type": "object",
                    "required": ["kind"],
                    "properties": {"kind": {"enum": names, "description": "What it is."}},
                    "oneOf": resources,
                },
            },
            "vary": {
                "type": "object",
                "description": "The only things that an environment may set, with their bounds.",
                "additionalProperties": {
                    "anyOf": [
                        {"type": "array"},
                        {"type": "object", "properties": {"min": {"type": "integer", "description": "The least."}, "max": {"type": "integer", "description": "The most."}}, "additionalProperties": false},
                    ],
                },
            },
            "environments": named(&environment(), "Named sets of values that the blueprint is resolved against."),
            "policies": {"type": "array", "items": {"oneOf": [policy(), pack()]}, "description": "Rules in CEL, and packs of them."},
            "waive": {"type": "array", "items": waiver(), "description": "What may break a rule for a while, and why."},
            "outputs": {"type": "object", "description": "What `dsenv output` shows, by name."},
            "removed": {"type": "array", "items": removed(), "description": "What is forgotten instead of deleted."},
        },
        "$comment": format!("kinds of the language that this version does not build: {}", LATER.join(", ")),
    })
}

fn named(item: &Json, description: &str) -> Json {
    json!({"type": "object", "description": description, "additionalProperties": item})
}

fn input() -> Json {
    json!({
        "type": "object",
        "required": ["type"],
        "additionalProperties": false,
        "properties": {
            "type": {"enum": ["boolean", "integer", "list", "number", "secret", "string"], "description": "What it may hold; a `secret` is a text that nobody sees."},
            "default": {"description": "What it is when nobody says; without it, it must be given."},
            "min": {"type": "integer", "description": "The least that is accepted, of a whole number."},
            "max": {"type": "integer", "description": "The most that is accepted, of a whole number."},
            "choices": {"type": "array", "description": "The only values that are accepted."},
            "description": {"type": "string", "description": "What it is for."},
        },
    })
}

fn environment() -> Json {
    json!({
        "type": "object",
        "required": ["provider"],
        "properties": {
            "provider": {"type": "string", "description": "Where it runs: `local` is this machine."},
            "account": {"type": "string", "description": "The one account that it may act in."},
            "region": {"type": "string", "description": "Its home region."},
            "ephemeral": {"type": "boolean", "description": "Whether its data may go with it."},
            "set": {"type": "object", "description": "What it sets of what `vary` lists, by path."},
            "inputs": {"type": "object", "description": "What it gives as inputs, by name."},
        },
    })
}

fn policy() -> Json {
    json!({
        "type": "object",
        "required": ["name", "rule"],
        "additionalProperties": false,
        "properties": {
            "name": {"type": "string", "description": "Its name, which its findings begin with."},
            "rule": {"type": "string", "description": "CEL over `resources`, `environment`, `inputs`, `env` and `with`, without `${ }`; over a plan, `changes` and `cost` too."},
            "message": {"type": "string", "description": "What is said when it does not hold."},
            "help": {"type": "string", "description": "What helps, in words that can be pasted."},
            "field": {"type": "string", "description": "The field of a resource that is to change: findings point at it."},
            "on": {"enum": ["blueprint", "plan"], "description": "What it is about; `blueprint` when absent."},
            "enforce": enforce(),
            "with": {"type": "object", "description": "What the rule sees as `with`."},
        },
    })
}

fn pack() -> Json {
    let names: Vec<&str> = PACKS.iter().map(|(name, _)| *name).collect();
    json!({
        "type": "object",
        "required": ["pack"],
        "additionalProperties": false,
        "properties": {
            "pack": {"enum": names, "description": "Rules that come with dsenv; `dsenv explain NAME` prints them."},
            "enforce": enforce(),
            "with": {"type": "object", "description": "What the pack is given."},
        },
    })
}

fn enforce() -> Json {
    json!({"enum": ["advisory", "mandatory"], "description": "Whether a breach warns or refuses; it refuses when absent."})
}

fn waiver() -> Json {
    json!({
        "type": "object",
        "required": ["policy", "reason", "until"],
        "additionalProperties": false,
        "properties": {
            "policy": {"type": "string", "description": "The rule, `PACK.RULE` for one of a pack, or a pack for all of its rules."},
            "resource": {"type": "string", "description": "The resource that may break it; all may when absent."},
            "reason": {"type": "string", "description": "Why that may be."},
            "until": {"type": "string", "pattern": pattern(Format::Date), "description": "The last day on which it counts."},
        },
    })
}

fn removed() -> Json {
    json!({
        "type": "object",
        "required": ["address"],
        "additionalProperties": false,
        "properties": {
            "address": {"type": "string", "description": "The resource, as `dsenv state list` names it."},
            "destroy": {"type": "boolean", "description": "`false` forgets it and leaves it alone."},
        },
    })
}

fn resource(kind: &Kind) -> Json {
    let mut properties = Map::new();
    for field in COMMON.iter().chain(kind.fields) {
        properties.insert(field.name.to_owned(), described(field));
    }
    properties.insert("kind".to_owned(), json!({"const": kind.name, "description": "What it is."}));
    let required: Vec<&str> = std::iter::once("kind")
        .chain(kind.fields.iter().filter(|f| f.presence == Presence::Required).map(|f| f.name))
        .collect();
    json!({
        "title": kind.name,
        "description": kind.doc,
        "required": required,
        "additionalProperties": false,
        "properties": properties,
    })
}

fn described(field: &Field) -> Json {
    let class = match field.class {
        Class::Fixed => "the same in every environment",
        Class::Scale => "may vary within bounds",
        Class::Bind => "bound in each environment",
        Class::Policy => "may be stricter in prod, never laxer",
    };
    let class = match field.keys_fixed {
        true => "its names the same in every environment, its values bound in each",
        false => class,
    };
    let mut schema = of_type(&field.ty);
    let object = schema.as_object_mut().expect("a schema is an object");
    object.insert("description".to_owned(), json!(format!("{} ({class})", field.doc)));
    object.insert("x-class".to_owned(), json!(format!("{:?}", field.class).to_uppercase()));
    if let Presence::Default(text) = field.presence {
        let default = serde_json::from_str(text).expect("a default is JSON");
        object.insert("default".to_owned(), default);
    }
    schema
}

/// A value, or an expression that gives one.
fn of_type(ty: &Type) -> Json {
    let expression = json!({"type": "string", "pattern": "\\$\\{"});
    match ty {
        Type::Any => json!({}),
        Type::Text => json!({"type": "string", "minLength": 1}),
        Type::Bool => json!({"anyOf": [{"type": "boolean"}, expression]}),
        Type::Int { min, max } => {
            let mut number = json!({"type": "integer", "minimum": min});
            if *max != i64::MAX {
                number["maximum"] = json!(max);
            }
            json!({"anyOf": [number, expression]})
        }
        Type::Choice(choices) => json!({"anyOf": [{"enum": choices}, expression]}),
        Type::Format(format) => {
            let text = json!({"type": "string", "pattern": pattern(*format)});
            let number = json!({"type": "integer", "minimum": 0});
            match format {
                Format::CountNeed => json!({"anyOf": [text, number, expression]}),
                _ => json!({"anyOf": [text, expression]}),
            }
        }
        Type::List(item) => {
            json!({"anyOf": [{"type": "array", "items": of_type(item)}, expression]})
        }
        Type::Map(item) => {
            json!({"anyOf": [{"type": "object", "additionalProperties": of_type(item)}, expression]})
        }
        Type::Object(fields) => {
            let properties: Map<String, Json> =
                fields.iter().map(|f| (f.name.to_owned(), described(f))).collect();
            let required: Vec<&str> = fields
                .iter()
                .filter(|f| f.presence == Presence::Required)
                .map(|f| f.name)
                .collect();
            json!({
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": false,
            })
        }
        Type::Either(types) => json!({"anyOf": types.iter().map(of_type).collect::<Vec<_>>()}),
    }
}

fn pattern(format: Format) -> &'static str {
    match format {
        Format::Cidr => r"^\d+\.\d+\.\d+\.\d+/\d+$",
        Format::Size => r"^\d+ ?([KMGT]i?)?B$",
        Format::SizeNeed => r"^\d+ ?([KMGT]i?)?B\+?$",
        Format::CountNeed => r"^\d+\+?$",
        Format::Duration => r"^\d+[smhd]$",
        Format::Percent => r"^\d+%$",
        Format::Version => r"^\d+(\.\d+)*\+?$",
        Format::Date => r"^\d{4}-\d{2}-\d{2}$",
        Format::PublicKey => r"^[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?$",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists the properties, anywhere in a schema, that say nothing about themselves.
    fn undescribed(schema: &Json, path: &str, found: &mut Vec<String>) {
        if let Some(properties) = schema.get("properties").and_then(Json::as_object) {
            for (name, property) in properties {
                if property.get("description").and_then(Json::as_str).is_none() {
                    found.push(format!("{path}.{name}"));
                }
            }
        }
        let below: Vec<(String, &Json)> = match schema {
            Json::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
            Json::Array(items) => items.iter().map(|item| (String::new(), item)).collect(),
            _ => Vec::new(),
        };
        for (key, value) in below {
            undescribed(value, &format!("{path}/{key}"), found);
        }
    }

    #[test]
    fn every_property_has_a_description() {
        let mut found = Vec::new();
        undescribed(&schema(), "", &mut found);
        assert!(found.is_empty(), "{found:#?}");
    }
}
