//! Data: what a field holds once it is known.
//!
//! The five shapes of JSON and one more, [`Value::Secret`]. A `Value` has no holes, so a provider
//! that takes one can never be handed something unknown (law 9); data with holes is a
//! [`Term`](crate::term::Term).

use crate::secret::Secret;
use std::collections::BTreeMap;
use std::fmt;

/// A map with sorted keys, so that whatever is made of it is the same each time.
pub type Map = BTreeMap<String, Value>;

/// One known datum.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing was said. Not the empty text, not zero.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction, as data of the user's own. Never money, sizes or time.
    Float(f64),
    /// Text.
    Text(String),
    /// Text that must not be seen.
    Secret(Secret),
    /// An ordered list.
    List(Vec<Value>),
    /// Names and what they stand for.
    Map(Map),
}

impl Value {
    /// Makes a text.
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// Returns the text, when it is one; a secret is not.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the text in clear, of a text or a secret. For handing to the cloud, not to people.
    pub fn expose_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Secret(secret) => Some(secret.expose()),
            _ => None,
        }
    }

    /// Returns the whole number, when it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns true or false, when it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// Returns the list, when it is one.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the map, when it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Follows one step of a path: a key of a map or a position of a list.
    pub fn step(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(map) => map.get(key),
            Value::List(items) => items.get(key.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// Says whether a secret is in it, at any depth.
    pub fn holds_secret(&self) -> bool {
        match self {
            Value::Secret(_) => true,
            Value::List(items) => items.iter().any(Value::holds_secret),
            Value::Map(map) => map.values().any(Value::holds_secret),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {
                false
            }
        }
    }

    /// Names the shape, for messages: "a text", "a list".
    pub fn shape(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::Secret(_) => "a secret",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Int(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value::Bool(flag)
    }
}

/// Prints as JSON with secrets as `(secret)`: what people may see.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Secret(_) => f.write_str("(secret)"),
            Value::Text(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Value::Null => f.write_str("null"),
            Value::Bool(flag) => write!(f, "{flag}"),
            Value::Int(number) => write!(f, "{number}"),
            Value::Float(number) => write!(f, "{number:?}"),
            Value::List(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Value::Map(map) => {
                f.write_str("{")?;
                for (at, (key, item)) in map.iter().enumerate() {
                    write!(f, "{}{key}: {item}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
        }
    }
}

/// The JSON form, for files and for processes of one's own. A secret passes only through the
/// function that the caller gives, so that no file can hold one by accident.
pub mod wire {
    use super::{Map, Value};
    use crate::secret::Secret;
    use serde_json::Value as Json;

    /// The key under which a sealed secret stands: `{"$sealed": "sealed:v1:…"}`.
    pub const SEALED: &str = "$sealed";

    /// Turns a value into JSON; `secret` says what stands for one.
    pub fn encode(value: &Value, secret: &mut dyn FnMut(&Secret) -> Json) -> Json {
        match value {
            Value::Null => Json::Null,
            Value::Bool(flag) => Json::Bool(*flag),
            Value::Int(number) => Json::from(*number),
            Value::Float(number) => Json::from(*number),
            Value::Text(text) => Json::String(text.clone()),
            Value::Secret(text) => secret(text),
            Value::List(items) => items.iter().map(|item| encode(item, secret)).collect(),
            Value::Map(map) => Json::Object(encode_map(map, secret)),
        }
    }

    /// Turns a map into a JSON object. A key that begins with `$` gets another one, so that data
    /// can never be taken for a sealed secret.
    pub fn encode_map(
        map: &Map,
        secret: &mut dyn FnMut(&Secret) -> Json,
    ) -> serde_json::Map<String, Json> {
        map.iter().map(|(key, item)| (escape_key(key), encode(item, secret))).collect()
    }

    /// Turns JSON back; `open` gives the secret for what stood under [`SEALED`].
    pub fn decode<E>(
        json: Json,
        open: &mut dyn FnMut(&str) -> Result<Secret, E>,
    ) -> Result<Value, E> {
        Ok(match json {
            Json::Null => Value::Null,
            Json::Bool(flag) => Value::Bool(flag),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Value::Int(whole),
                None => Value::Float(number.as_f64().expect("a JSON number is an i64 or a f64")),
            },
            Json::String(text) => Value::Text(text),
            Json::Array(items) => Value::List(
                items.into_iter().map(|item| decode(item, open)).collect::<Result<_, E>>()?,
            ),
            Json::Object(object) => match object.get(SEALED) {
                Some(Json::String(sealed)) if object.len() == 1 => Value::Secret(open(sealed)?),
                _ => Value::Map(decode_map(object, open)?),
            },
        })
    }

    /// Turns a JSON object back into a map.
    pub fn decode_map<E>(
        object: serde_json::Map<String, Json>,
        open: &mut dyn FnMut(&str) -> Result<Secret, E>,
    ) -> Result<Map, E> {
        let entry = |(key, item): (String, Json)| Ok((unescape_key(key), decode(item, open)?));
        object.into_iter().map(entry).collect()
    }

    /// Doubles a leading `$`.
    pub fn escape_key(key: &str) -> String {
        if key.starts_with('$') { format!("${key}") } else { key.to_owned() }
    }

    /// Takes one leading `$` away.
    pub fn unescape_key(key: String) -> String {
        match key.strip_prefix('$') {
            Some(rest) if rest.starts_with('$') => rest.to_owned(),
            _ => key,
        }
    }

    /// Turns a value into the JSON that people may see: a secret is the text `(secret)`.
    pub fn shown(value: &Value) -> Json {
        encode(value, &mut |_| Json::from("(secret)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_that_looks_like_a_sealed_secret_stays_data() {
        let value = Value::Map(Map::from([("$sealed".to_owned(), Value::text("x"))]));
        let json = wire::encode(&value, &mut |_| unreachable!("there is no secret"));
        let back = wire::decode::<()>(json, &mut |_| unreachable!("there is no secret"));
        assert_eq!(back, Ok(value));
    }

    #[test]
    fn what_people_see_has_no_secret() {
        let value = Value::List(vec![Value::Secret(Secret::new("hunter2")), Value::Int(1)]);
        assert_eq!(value.to_string(), "[(secret), 1]");
        assert_eq!(wire::shown(&value).to_string(), "[\"(secret)\",1]");
    }
}
