//! What clouds read of a neutral resource in the same way, and refuse in the same words. Pure.
//!
//! A resource goes in, with fields that were checked against its kind; plain data or findings come out. What
//! must not be here: anything that one cloud reads in its own way, however little it differs.

use crate::addr::{Addr, Key};
use crate::provider::{Finding, Neutral, Right, Token, Use, refuses};
use crate::software;
use crate::term::{Ref, Term};
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Returns a field that is known and says something.
pub fn known<'a>(resource: &'a Neutral, field: &str) -> Option<&'a Value> {
    resource.fields.get(field).and_then(Term::known).filter(|value| **value != Value::Null)
}

/// Returns a field that is known and is a text.
pub fn text<'a>(resource: &'a Neutral, field: &str) -> Option<&'a str> {
    known(resource, field).and_then(Value::as_text)
}

/// What a resource is refused for whose shape depends on another resource: one finding for each of these
/// fields that is not known.
pub fn check_known(resource: &Neutral, fields: &[&str]) -> Vec<Finding> {
    let open =
        |field: &&&str| resource.fields.get(**field).is_some_and(|term| term.known().is_none());
    let refuse = |field: &&str| {
        let message = format!("`{field}` of a {} must be known before apply", resource.kind);
        refuses(&[field], message, "take it from an input, or write it out")
    };
    fields.iter().filter(open).map(refuse).collect()
}

/// What the `software` of a machine or a pool is refused for.
pub fn check_software(resource: &Neutral) -> Option<Finding> {
    match software::spec_of(resource.fields.get("software")?) {
        Some(Ok(_)) => None,
        Some(Err(error)) => {
            let help = "write versions as \"3.11\" and packages as `name`, `name[extra]` or \
                        `name>=1.2`";
            Some(refuses(&["software"], error.to_string(), help))
        }
        None => check_known(resource, &["software"]).pop(),
    }
}

/// What a machine is refused for that only reads a database, where it has the role of the database's owner.
pub fn check_database_rights(cloud: &str, resource: &Neutral) -> Vec<Finding> {
    let reads = |used: &&Use| used.kind == "database" && used.right == Right::Read;
    let refuse = |used: &Use| {
        let message = format!(
            "on {cloud} a machine has the database's own role, so `read` of `{}` would be more than \
             reading",
            used.target
        );
        let help = format!("write `{}: read_write`", used.target);
        refuses(&["uses", &used.target.to_string()], message, help)
    };
    resource.uses.iter().filter(reads).map(refuse).collect()
}

/// Returns the ports of services, by name; those without one, or with one that is not known, are left out.
pub fn ports(resource: &Neutral) -> Vec<(String, i64)> {
    let Some(services) = resource.fields.get("services") else { return Vec::new() };
    let names: Vec<&String> = match services {
        Term::Map(services) => services.keys().collect(),
        Term::Known(Value::Map(services)) => services.keys().collect(),
        _ => Vec::new(),
    };
    let port = |name: &String| {
        let port = services.step(name)?.step("port")?;
        Some((name.clone(), port.known().and_then(Value::as_int)?))
    };
    names.into_iter().filter_map(port).collect()
}

/// Returns how a machine or a pool is bought, in the order in which it is tried: `spot`, `on_demand`.
pub fn markets(resource: &Neutral) -> &'static [&'static str] {
    let purchase = known(resource, "purchase");
    let spot = purchase.and_then(|it| it.step("spot")).and_then(Value::as_text);
    match (purchase.and_then(Value::as_text), spot) {
        (Some("spot"), _) | (_, Some("only")) => &["spot"],
        (_, Some("preferred")) => &["spot", "on_demand"],
        _ => &["on_demand"],
    }
}

/// How many members a pool has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The floor.
    pub min: i64,
    /// The ceiling.
    pub max: i64,
    /// How many there are at first.
    pub start: i64,
}

/// Reads the `count` of a pool; `None` when it depends on another resource.
pub fn count(resource: &Neutral) -> Option<Count> {
    match known(resource, "count")? {
        Value::Map(range) => {
            let number = |name: &str| range.get(name).and_then(Value::as_int);
            let (min, max) = (number("min")?, number("max")?);
            Some(Count { min, max, start: number("start").unwrap_or(min) })
        }
        number => {
            let number = number.as_int()?;
            Some(Count { min: number, max: number, start: number })
        }
    }
}

/// What the `count` of a pool is refused for.
pub fn check_count(resource: &Neutral) -> Option<Finding> {
    let Some(Count { min, max, start }) = count(resource) else {
        let help = "take it from an input, or write a number";
        return Some(refuses(&["count"], "`count` must be known before apply", help));
    };
    if min <= start && start <= max {
        return None;
    }
    let message = format!("`start` is from `min` to `max`: {min}, {start}, {max}");
    Some(refuses(&["count"], message, "write `{min: 0, max: 8, start: 2}`"))
}

/// Reads the rules of a bucket's `expire`, each with a prefix, none twice, in their order. `None` where it is
/// open how many there are, or which is one.
pub fn expire(term: &Term) -> Option<Vec<Term>> {
    let items = match term {
        Term::Known(Value::Null) => return Some(Vec::new()),
        Term::Known(Value::List(items)) => items.iter().cloned().map(Term::Known).collect(),
        Term::List(items) => items.clone(),
        _ => return None,
    };
    let mut seen = BTreeSet::new();
    let mut rules = Vec::new();
    for item in items {
        if !matches!(item, Term::Known(Value::Map(_)) | Term::Map(_)) {
            return None;
        }
        let prefix = item.step("prefix").filter(|term| term.known() != Some(&Value::Null));
        let prefix = prefix.unwrap_or_else(|| Term::text(""));
        let rule =
            Term::map([("prefix".into(), prefix), ("days".into(), item.step("days")?)].into());
        // Values have no order; their text has.
        if rule.known().is_none_or(|rule| seen.insert(rule.to_string())) {
            rules.push(rule);
        }
    }
    Some(rules)
}

/// What the `expire` of a bucket is refused for.
pub fn check_expire(resource: &Neutral) -> Option<Finding> {
    let term = resource.fields.get("expire")?;
    if expire(term).is_some() {
        return None;
    }
    let message = "`expire` of a bucket must be known before apply";
    let help = "take it from an input, or write it out; `days` may be known later";
    Some(refuses(&["expire"], message, help))
}

/// `workers-eu`: the resource's name, with the member's key.
pub fn display_name(addr: &Addr) -> String {
    name_with_key(addr, '-')
}

fn name_with_key(addr: &Addr, between: char) -> String {
    match &addr.key {
        Some(Key::Text(key)) => format!("{}{between}{key}", addr.name),
        Some(Key::Index(key)) => format!("{}{between}{key}", addr.name),
        None => addr.name.to_string(),
    }
}

/// Returns the name of the database for an address: small letters, digits and `_`, the same as on one's own
/// machine where it can be. Where it is reserved, too long or not whole, a digest of the address keeps two
/// names apart.
pub fn database_name(addr: &Addr, is_reserved: impl Fn(&str) -> bool) -> String {
    /// PostgreSQL's limit; MySQL takes 64.
    const CHARS_MAX: usize = 63;
    const DIGEST_CHARS: usize = 8;
    let full = name_with_key(addr, '_');
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let mut name: String = full.chars().map(plain).collect();
    let reserved = is_reserved(&name) || name.starts_with("pg_");
    if reserved {
        name.insert_str(0, "own_");
    }
    // A member and a resource may read alike: `m["a"]` and `m_a`.
    if reserved || addr.key.is_some() || name != full || name.len() > CHARS_MAX {
        let digest = Token::new("name of a database", addr, 0);
        name.truncate(CHARS_MAX - DIGEST_CHARS - 1);
        name += &format!("_{}", &digest.as_str()[..DIGEST_CHARS]);
    }
    name
}

/// Returns references to attributes of a resource, by their names.
pub fn attributes<const N: usize>(of: &Addr, names: [&str; N]) -> BTreeMap<String, Term> {
    let term = |name: &str| (name.to_owned(), Term::Ref(Ref::attribute(of.clone(), name)));
    names.map(term).into()
}

/// Returns what a machine is told of a bucket that it uses, but for its keys.
pub fn bucket_terms(used: &Use) -> BTreeMap<String, Term> {
    attributes(&used.target, ["url", "name", "endpoint", "region"])
}

/// Returns what a machine is told of a database that it uses, whose password is its part.
pub fn database_terms(used: &Use) -> Term {
    let mut terms = attributes(&used.target, ["host", "port", "name", "user", "engine"]);
    let password = Ref::attribute(used.target.part("password", None), "value");
    terms.insert("password".to_owned(), Term::Ref(password));
    Term::map(terms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Map;

    fn resource(fields: &[(&str, Term)]) -> Neutral {
        let fields = fields.iter().map(|(name, term)| ((*name).to_owned(), term.clone()));
        Neutral { fields: fields.collect(), ..Neutral::nameless() }
    }

    fn map(pairs: &[(&str, Value)]) -> Value {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Value::Map(pairs.collect::<Map>())
    }

    fn open() -> Term {
        Term::Ref(Ref::attribute(Addr::resource("other"), "it"))
    }

    #[test]
    fn a_port_that_is_not_known_is_left_out_and_not_the_others() {
        let known = Term::Known(map(&[("port", Value::Int(80))]));
        let later = Term::Map(BTreeMap::from([("port".to_owned(), open())]));
        let without = Term::Known(map(&[("run", Value::text("a"))]));
        let services = [("a", later), ("b", known), ("c", without)];
        let services = services.map(|(name, term)| (name.to_owned(), term));
        let machine = resource(&[("services", Term::Map(services.into()))]);
        assert_eq!(ports(&machine), [("b".to_owned(), 80)]);
        assert_eq!(ports(&resource(&[])), []);
    }

    #[test]
    fn a_count_is_in_order() {
        let checked = |value: Value| check_count(&resource(&[("count", Term::Known(value))]));
        assert_eq!(checked(Value::Int(3)), None);
        let range = |start| {
            map(&[("min", Value::Int(1)), ("max", Value::Int(4)), ("start", Value::Int(start))])
        };
        assert_eq!(checked(range(4)), None);
        assert!(checked(range(0)).is_some() && checked(range(5)).is_some());
        let backwards = map(&[("min", Value::Int(4)), ("max", Value::Int(1))]);
        assert!(checked(backwards).is_some());
        assert!(check_count(&resource(&[("count", open())])).is_some());
    }

    #[test]
    fn a_rule_stands_once_and_its_days_may_be_known_later() {
        let rule = |days: i64| Term::Known(map(&[("days", Value::Int(days))]));
        let later = Term::Map(BTreeMap::from([("days".to_owned(), open())]));
        let rules = expire(&Term::List(vec![rule(3), later, rule(3)])).expect("known enough");
        assert_eq!(rules.len(), 2);
        assert_eq!(rules[0].step("prefix"), Some(Term::text("")));
        assert_eq!(expire(&open()), None);
        assert_eq!(expire(&Term::List(vec![open()])), None);
        assert_eq!(expire(&Term::Known(Value::Null)), Some(Vec::new()));
    }

    #[test]
    fn no_two_databases_have_one_name() {
        let name = |addr: &str| {
            database_name(&addr.parse().expect("an address"), |name| name == "postgres")
        };
        assert_eq!(name("features"), "features");
        assert!(name("postgres").starts_with("own_postgres_"));
        assert!(name("pg_a").starts_with("own_pg_a_"));
        assert_ne!(name("m[\"a\"]"), name("m_a"));
        assert_eq!(name(&"a".repeat(80)).len(), 63);
    }
}
