//! `database`: a PostgreSQL server of its own; a grant on it is a role.

mod postgres;
mod role;

use super::{LocalKind, Object, Service, refuses, substitutes, substitutes_where_set};
use dsenv_sdk::Term;
use dsenv_sdk::provider::{Finding, Native, Neutral, Surroundings};
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Key};
use std::collections::BTreeMap;

pub(crate) use postgres::superuser_entry;
pub(super) use postgres::{POSTGRES, Postgres};
pub(super) use role::{ROLE, Role, role_args};

pub(super) const KIND: LocalKind =
    LocalKind { name: "database", check, wants: |_| Vec::new(), lower };

const SUBSTITUTES: &[(&str, &str)] = &[
    ("cpus", "on local a database shares this computer's processors; `cpus` sets no limit"),
    ("memory", "on local a database shares this computer's memory; `memory` sets no limit"),
    ("type", "on local there are no offers; a server on this computer stands in for `type`"),
    (
        "storage",
        "on local a database's disk is a folder of this computer's; `storage` sets no limit",
    ),
    ("multi_zone", "on local one server is all there is, and nothing takes over when it fails"),
    ("backup_days", "on local there are no backups but the ones that you make"),
    ("size", "on local `size` sets how many sessions there may be, and nothing else"),
];

/// Major versions that make sense: older ones have no SCRAM that is on by default.
const MAJOR_MIN: u32 = 14;

fn check(resource: &Neutral) -> Vec<Finding> {
    let mut findings = substitutes_where_set(resource, SUBSTITUTES);
    let text =
        |field: &str| resource.fields.get(field).and_then(Term::known).and_then(Value::as_text);
    if let Some(engine) = text("engine").filter(|engine| *engine != "postgres") {
        let message = format!("local runs postgres, and no {engine}");
        let help = "write `engine: postgres`, or use another provider in this environment";
        findings.push(refuses(&["engine"], message, help));
    }
    if let Some(version) = text("version")
        && major(version).is_none()
    {
        let message = format!(
            "on local a database is PostgreSQL {MAJOR_MIN} or newer, by its major version, and this \
             is `{version}`"
        );
        findings.push(refuses(&["version"], message, "write `version: \"18\"`"));
    }
    if resource.fields.get("encrypted").and_then(Term::known) == Some(&Value::Bool(true)) {
        findings.push(substitutes(
            &["encrypted"],
            "on local data lies in a folder of the server's alone, as encrypted as the disk is",
        ));
    }
    findings
}

/// Reads a major version; `None` for a minor one, a range, or one that is too old.
fn major(version: &str) -> Option<u32> {
    version.parse().ok().filter(|major| *major >= MAJOR_MIN)
}

fn lower(resource: &Neutral, _around: &Surroundings<'_>) -> Vec<Native> {
    let mut args =
        BTreeMap::from([("database".to_owned(), Term::text(plain_name(&resource.addr, 52)))]);
    for field in ["version", "size"] {
        if let Some(term) = resource.fields.get(field) {
            args.insert(field.to_owned(), term.clone());
        }
    }
    if let Some(network) = &resource.network {
        let id = Ref::attribute(network.clone(), "id");
        args.insert("network".to_owned(), Term::Ref(id));
    }
    vec![Native { part: None, ty: POSTGRES.name, args, after: Vec::new() }]
}

/// The name of a database or a role for an address: its name, with the member's key. Where that is
/// a word of the server's own, too long, or has other characters, a hash keeps two names apart.
fn plain_name(addr: &Addr, length_max: usize) -> String {
    const OWN: [&str; 5] = ["postgres", "template0", "template1", "public", "none"];
    let full = match &addr.key {
        Some(Key::Text(key)) => format!("{}_{key}", addr.name),
        Some(Key::Index(key)) => format!("{}_{key}", addr.name),
        None => addr.name.to_string(),
    };
    let mut name: String =
        full.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let reserved = OWN.contains(&&*name) || name.starts_with("pg_");
    if reserved {
        name.insert_str(0, "own_");
    }
    // A member and a resource may read alike: `m["a"]` and `m_a`.
    let of_member = addr.key.is_some();
    if reserved || of_member || name != full || name.len() > length_max {
        let hash = blake3::hash(addr.to_string().as_bytes()).to_hex();
        name.truncate(length_max - 9);
        name += &format!("_{}", &hash[..8]);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_two_addresses_never_share_one() {
        let name = |addr: &str| plain_name(&addr.parse().expect("an address"), 52);
        assert_eq!(name("features"), "features");
        assert!(name("features[\"eu\"]").starts_with("features_eu_"));
        assert_ne!(name("features[\"eu\"]"), name("features_eu"));
        assert_ne!(name("f[\"a-b\"]"), name("f[\"a_b\"]"));
        assert!(name("postgres").starts_with("own_postgres_"));
        assert!(name(&"d".repeat(90)).len() <= 52);
    }

    #[test]
    fn only_a_major_version_is_taken() {
        assert_eq!(major("15"), Some(15));
        for bad in ["15.3", "15+", "9", "", "x"] {
            assert_eq!(major(bad), None, "{bad}");
        }
    }
}
