//! What `${self.…}` stands for on a machine, and how a text is filled in with it.
//!
//! A service's command and variables may say `${self.address}`: which address a machine has is
//! known to the machine before it is known to anybody else. So these stay in the text until the
//! machine starts, on every provider alike, and the text is the same in every environment, which
//! is what parity compares.

use crate::secret::Secret;
use crate::value::Value;
use std::collections::BTreeMap;

/// The plain names that may stand behind `self.`; `ports.NAME` comes on top.
pub const NAMES: &[&str] = &["address", "index", "name"];

/// What one machine knows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfFacts {
    /// The address that its services listen on.
    pub address: String,
    /// Its name: the resource's, with the member's key or position.
    pub name: String,
    /// Its position in its pool, from 0; 0 for a machine.
    pub index: u32,
    /// The port of each service that has one.
    pub ports: BTreeMap<String, u16>,
}

impl SelfFacts {
    /// Fills a text in: `${self.…}` becomes what it stands for and `$${` becomes `${`. The error
    /// names what is not there; the compiler has checked the rest of the form.
    pub fn fill(&self, template: &str) -> Result<String, String> {
        let mut text = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                text.push_str(&rest[..at - 1]);
                text.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            text.push_str(&rest[..at]);
            let Some((path, tail)) = rest[at + 2..].split_once('}') else {
                return Err("`${` is not closed by `}`".to_owned());
            };
            text.push_str(&self.fact(path)?);
            rest = tail;
        }
        text.push_str(rest);
        Ok(text)
    }

    /// Fills in a text or a secret, keeping it what it is; other values stay as they are.
    pub fn fill_value(&self, value: &Value) -> Result<Value, String> {
        match value {
            Value::Text(text) => self.fill(text).map(Value::Text),
            Value::Secret(secret) => {
                self.fill(secret.expose()).map(|text| Value::Secret(Secret::new(text)))
            }
            other => Ok(other.clone()),
        }
    }

    fn fact(&self, path: &str) -> Result<String, String> {
        match path.split('.').collect::<Vec<_>>().as_slice() {
            ["self", "address"] => Ok(self.address.clone()),
            ["self", "name"] => Ok(self.name.clone()),
            ["self", "index"] => Ok(self.index.to_string()),
            ["self", "ports", service] => match self.ports.get(*service) {
                Some(port) => Ok(port.to_string()),
                None => Err(format!("there is no service `{service}` with a port")),
            },
            _ => Err(format!("`{path}` is none of `self.address`, `self.name`, `self.index`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_filled_in_and_a_literal_stays() {
        let facts = SelfFacts {
            address: "127.0.0.9".to_owned(),
            name: "nb".to_owned(),
            index: 3,
            ports: BTreeMap::from([("web".to_owned(), 8888)]),
        };
        let filled = facts.fill("--ip=${self.address}:${self.ports.web} $${HOME} ${self.index}");
        assert_eq!(filled.as_deref(), Ok("--ip=127.0.0.9:8888 ${HOME} 3"));
        assert!(facts.fill("${self.ports.db}").is_err() && facts.fill("${db.host}").is_err());
    }
}
