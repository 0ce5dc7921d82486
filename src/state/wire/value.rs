//! Values on their way into and out of JSON, without a copy in between.
//!
//! The form is the one of [`dsenv_sdk::value::wire`]; that module builds a tree of JSON first,
//! which is too slow for a record a step. A secret passes only through the vault.

use crate::vault::{Access, Place, Vault, VaultError, seal_context};
use dsenv_sdk::value::wire::{SEALED, escape_key, unescape_key};
use dsenv_sdk::value::{Map, Value};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// Deeper values are refused: a reader's stack has an end.
const DEPTH_MAX: usize = 100;

/// What seals the secrets of one place while it is written.
#[derive(Clone, Copy)]
pub(crate) struct Sealing<'a> {
    /// `None`: a secret is an error.
    pub(crate) vault: Option<&'a Vault>,
    pub(crate) lineage: &'a str,
    pub(crate) place: Place<'a>,
}

/// Writes one value.
pub(crate) struct ValueOut<'a>(pub(crate) &'a Value, pub(crate) Sealing<'a>);

/// Writes one map of values.
pub(crate) struct MapOut<'a>(pub(crate) &'a Map, pub(crate) Sealing<'a>);

impl Serialize for ValueOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sealing = self.1;
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(flag) => serializer.serialize_bool(*flag),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Secret(secret) => {
                let missing = || S::Error::custom("there is a secret and no key to seal it with");
                let vault = sealing.vault.ok_or_else(missing)?;
                let sealed = vault.seal(&seal_context(sealing.lineage, sealing.place), secret);
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(SEALED, &sealed)?;
                map.end()
            }
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&ValueOut(item, sealing))?;
                }
                list.end()
            }
            Value::Map(map) => MapOut(map, sealing).serialize(serializer),
        }
    }
}

impl Serialize for MapOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, item) in self.0 {
            if key.starts_with('$') {
                map.serialize_entry(&escape_key(key), &ValueOut(item, self.1))?;
            } else {
                map.serialize_entry(key, &ValueOut(item, self.1))?;
            }
        }
        map.end()
    }
}

/// A value as it was read: secrets are still sealed.
#[derive(Debug)]
pub(crate) enum ValueIn {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<ValueIn>),
    Map(MapIn),
}

/// A map as it was read; its keys are still escaped.
pub(crate) type MapIn = BTreeMap<String, ValueIn>;

/// Opens what was read. `lineage` and `place` are what it was sealed under.
pub(crate) fn open_map(
    map: MapIn,
    access: &Access,
    lineage: &str,
    place: Place<'_>,
) -> Result<Map, VaultError> {
    let entry = |(key, item)| Ok((unescape_key(key), open(item, access, lineage, place)?));
    map.into_iter().map(entry).collect()
}

fn open(
    value: ValueIn,
    access: &Access,
    lineage: &str,
    place: Place<'_>,
) -> Result<Value, VaultError> {
    Ok(match value {
        ValueIn::Null => Value::Null,
        ValueIn::Bool(flag) => Value::Bool(flag),
        ValueIn::Int(number) => Value::Int(number),
        ValueIn::Float(number) => Value::Float(number),
        ValueIn::Text(text) => Value::Text(text),
        ValueIn::List(items) => {
            let items = items.into_iter().map(|item| open(item, access, lineage, place));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        ValueIn::Map(map) => match map.get(SEALED) {
            Some(ValueIn::Text(sealed)) if map.len() == 1 => {
                Value::Secret(access.open_sealed(lineage, place, sealed)?)
            }
            _ => Value::Map(open_map(map, access, lineage, place)?),
        },
    })
}

impl<'de> Deserialize<'de> for ValueIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ValueIn, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = ValueIn;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<ValueIn, E> {
        Ok(ValueIn::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<ValueIn, E> {
        Ok(ValueIn::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<ValueIn, E> {
        Ok(ValueIn::Int(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<ValueIn, E> {
        i64::try_from(number).map(ValueIn::Int).map_err(|_| E::custom("the number is too large"))
    }

    fn visit_f64<E>(self, number: f64) -> Result<ValueIn, E> {
        Ok(ValueIn::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<ValueIn, E> {
        Ok(ValueIn::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<ValueIn, E> {
        Ok(ValueIn::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ValueIn, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(ValueIn::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ValueIn, A::Error> {
        let mut entries = MapIn::new();
        while let Some((key, item)) = map.next_entry()? {
            if entries.insert(key, item).is_some() {
                return Err(A::Error::custom("a key stands twice"));
            }
        }
        Ok(ValueIn::Map(entries))
    }
}

/// Says whether a value is too deep to be read back (serde_json stops at 128 levels, of which the
/// frame around a value takes some) or holds a number that JSON has no form for.
pub(crate) fn unwritable(map: &Map) -> Option<&'static str> {
    map.values().find_map(|item| unwritable_value(item, 0))
}

fn unwritable_value(value: &Value, depth: usize) -> Option<&'static str> {
    if depth > DEPTH_MAX {
        return Some("it is nested deeper than 100 levels");
    }
    match value {
        Value::Float(number) if !number.is_finite() => Some("it holds a number that is not finite"),
        Value::List(items) => items.iter().find_map(|item| unwritable_value(item, depth + 1)),
        Value::Map(map) => map.values().find_map(|item| unwritable_value(item, depth + 1)),
        _ => None,
    }
}
