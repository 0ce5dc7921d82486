//! The lock: what was resolved once, so that the same blueprint means the same everywhere.
//!
//! One JSON file beside the blueprint, `BLUEPRINT.lock`, sorted and with one item a line, so that a
//! change of it can be reviewed. In this version it pins packages; what a pin holds is the provider's
//! and goes in and out as it is. Pure: the caller reads and writes the file.

use dsenv_sdk::value::{Map, Value, wire};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The format that this version writes.
pub const FORMAT: &str = "dsenv-lock/1";

/// The largest lock that is read, in bytes.
pub const LOCK_BYTES_MAX: u64 = 64 << 20;

/// What is pinned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lock {
    /// Every pin, by name.
    pub pins: BTreeMap<String, Value>,
}

/// Why a lock cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LockError {
    /// It is not JSON of our form.
    #[error("it is not a lock: {0}")]
    Form(String),
    /// A newer dsenv wrote it.
    #[error("it has format `{0}`, and this version reads `{FORMAT}`")]
    Newer(String),
    /// It was written for another blueprint.
    #[error("it is the lock of blueprint `{0}`")]
    OtherBlueprint(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockWire {
    format: String,
    blueprint: String,
    pins: BTreeMap<String, serde_json::Value>,
}

/// Only the format, so that a newer form is told from a damaged one.
#[derive(Deserialize)]
struct FormatWire {
    format: String,
}

/// Reads a lock.
pub fn read(blueprint: &str, bytes: &[u8]) -> Result<Lock, LockError> {
    let form = |error: serde_json::Error| LockError::Form(error.to_string());
    let FormatWire { format } = serde_json::from_slice(bytes).map_err(form)?;
    if format != FORMAT {
        return Err(LockError::Newer(format));
    }
    let file: LockWire = serde_json::from_slice(bytes).map_err(form)?;
    if file.blueprint != blueprint {
        return Err(LockError::OtherBlueprint(file.blueprint));
    }
    let mut pins = BTreeMap::new();
    for (name, json) in file.pins {
        let refused = |_: &str| Err(LockError::Form("a lock holds no secrets".to_owned()));
        pins.insert(name, wire::decode(json, &mut |text| refused(text))?);
    }
    Ok(Lock { pins })
}

/// Writes a lock. The same pins give the same bytes.
pub fn write(blueprint: &str, lock: &Lock) -> Vec<u8> {
    let shown = |value: &Value| wire::shown(value);
    let file = LockWire {
        format: FORMAT.to_owned(),
        blueprint: blueprint.to_owned(),
        pins: lock.pins.iter().map(|(name, value)| (name.clone(), shown(value))).collect(),
    };
    let mut bytes = serde_json::to_vec_pretty(&file).expect("strings and maps are JSON");
    bytes.push(b'\n');
    bytes
}

impl Lock {
    /// Returns the digest of what is pinned, as 64 hexadecimal digits.
    pub fn digest(&self) -> String {
        let pins: Map = self.pins.clone();
        blake3::hash(Value::Map(pins).to_string().as_bytes()).to_hex().to_string()
    }

    /// Takes the pins that these names do not use any more away; says whether there were any.
    pub fn keep_only(&mut self, used: &[&str]) -> bool {
        let before = self.pins.len();
        self.pins.retain(|name, _| used.contains(&name.as_str()));
        self.pins.len() != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let pin = Value::Map(Map::from([("version".to_owned(), Value::text("1.0"))]));
        let lock = Lock { pins: BTreeMap::from([("python-1".to_owned(), pin)]) };
        let bytes = write("demo", &lock);
        assert_eq!(read("demo", &bytes), Ok(lock));
        assert_eq!(read("other", &bytes), Err(LockError::OtherBlueprint("demo".to_owned())));
    }

    #[test]
    fn a_newer_and_a_damaged_lock_are_told_apart() {
        let newer = br#"{"format": "dsenv-lock/2", "images": {}}"#;
        assert_eq!(read("demo", newer), Err(LockError::Newer("dsenv-lock/2".to_owned())));
        assert!(matches!(read("demo", b"{"), Err(LockError::Form(_))));
    }
}
