//! How big a database server is: from what a blueprint says to the sizes that satisfy it. Pure.
//!
//! Sizes are the flexible servers' own, from the cheapest to the dearest: of one number of processors,
//! burstable ones cost less than general ones, and those less than ones with much memory.
//! <https://learn.microsoft.com/azure/postgresql/compute-storage/concepts-compute>,
//! <https://learn.microsoft.com/azure/mysql/flexible-server/concepts-service-tiers-storage>, compared in
//! November 2026; a test compares them with the machines of the same names.

use super::Engine;
use crate::kinds::{known, text};
use dsenv_sdk::prices::need::{Amount, parse_count, parse_memory};
use dsenv_sdk::provider::Neutral;
use dsenv_sdk::value::Value;
use std::fmt;

/// A size, without `Standard_`, and what it has.
struct Class {
    name: &'static str,
    cpus: u64,
    memory_gib: u64,
}

const fn class(name: &'static str, cpus: u64, memory_gib: u64) -> Class {
    Class { name, cpus, memory_gib }
}

/// The same in both.
const BURSTABLE: &[Class] = &[
    class("B1ms", 1, 2),
    class("B2s", 2, 4),
    class("B2ms", 2, 8),
    class("B4ms", 4, 16),
    class("B8ms", 8, 32),
    class("B12ms", 12, 48),
    class("B16ms", 16, 64),
    class("B20ms", 20, 80),
];

const POSTGRES: &[Class] = &[
    class("D2ds_v5", 2, 8),
    class("D2ads_v5", 2, 8),
    class("E2ds_v5", 2, 16),
    class("E2ads_v5", 2, 16),
    class("D4ds_v5", 4, 16),
    class("D4ads_v5", 4, 16),
    class("E4ds_v5", 4, 32),
    class("E4ads_v5", 4, 32),
    class("D8ds_v5", 8, 32),
    class("D8ads_v5", 8, 32),
    class("E8ds_v5", 8, 64),
    class("E8ads_v5", 8, 64),
    class("D16ds_v5", 16, 64),
    class("D16ads_v5", 16, 64),
    class("E16ds_v5", 16, 128),
    class("E16ads_v5", 16, 128),
    class("D32ds_v5", 32, 128),
    class("D32ads_v5", 32, 128),
    class("E32ds_v5", 32, 256),
    class("E32ads_v5", 32, 256),
    class("D48ds_v5", 48, 192),
    class("D48ads_v5", 48, 192),
    class("E48ds_v5", 48, 384),
    class("E48ads_v5", 48, 384),
    class("D64ds_v5", 64, 256),
    class("D64ads_v5", 64, 256),
    class("E64ds_v5", 64, 512),
    class("E64ads_v5", 64, 512),
    class("D96ds_v5", 96, 384),
    class("D96ads_v5", 96, 384),
    class("E96ds_v5", 96, 672),
    class("E96ads_v5", 96, 672),
];

const MYSQL: &[Class] = &[
    class("D2ads_v5", 2, 8),
    class("E2ds_v4", 2, 16),
    class("E2ads_v5", 2, 16),
    class("D4ads_v5", 4, 16),
    class("E4ds_v4", 4, 32),
    class("E4ads_v5", 4, 32),
    class("D8ads_v5", 8, 32),
    class("E8ds_v4", 8, 64),
    class("E8ads_v5", 8, 64),
    class("D16ads_v5", 16, 64),
    class("E16ds_v4", 16, 128),
    class("E16ads_v5", 16, 128),
    class("D32ads_v5", 32, 128),
    class("E32ds_v4", 32, 256),
    class("E32ads_v5", 32, 256),
    class("D48ads_v5", 48, 192),
    class("E48ds_v4", 48, 384),
    class("E48ads_v5", 48, 384),
    class("D64ads_v5", 64, 256),
    class("E64ds_v4", 64, 504),
    class("E64ads_v5", 64, 512),
];

/// What `size` is where nothing says more. No two share a size, so that another one is always another
/// server.
fn of_size(engine: Engine, size: &str) -> &'static [&'static str] {
    match (engine, size) {
        (Engine::Postgres, "medium") => &["D2ds_v5", "D2ads_v5"],
        (Engine::Postgres, "large") => &["D8ds_v5", "D8ads_v5"],
        (Engine::Mysql, "medium") => &["D2ads_v5"],
        (Engine::Mysql, "large") => &["D8ads_v5"],
        _ => &["B1ms"],
    }
}

/// Says whether a server of this size may be slowed down, and has no standby.
pub(super) fn is_burstable(class: &str) -> bool {
    class.starts_with('B')
}

/// The tier that ARM wants beside a size, and what stands for it in the price list.
pub(super) fn tier(class: &str) -> (&'static str, &'static str) {
    match class.chars().next() {
        Some('B') => ("Burstable", "B"),
        Some('E') => ("MemoryOptimized", "MO"),
        _ => ("GeneralPurpose", "GP"),
    }
}

/// Returns a size without its tier, `D2ds_v5` of `GP_Standard_D2ds_v5`; `None` for what is no size, or one of
/// another tier. The tier may be left out.
pub(super) fn bare(named: &str) -> Option<&str> {
    let (before, size) = named.split_once("Standard_")?;
    let fits = before.is_empty() || before.strip_suffix('_') == Some(tier(size).1);
    (fits && size.starts_with(['B', 'D', 'E'])).then_some(size)
}

/// What a blueprint says of how big a server is.
pub(super) struct Needs<'a> {
    /// The size by its own name, without the tier.
    named: Option<&'a str>,
    engine: Engine,
    size: &'a str,
    cpus: Option<Amount>,
    memory: Option<(Amount, &'a str)>,
    has_standby: bool,
}

impl<'a> Needs<'a> {
    /// Reads them; what is not known is left out, and refused elsewhere.
    pub(super) fn of(resource: &'a Neutral, engine: Engine) -> Needs<'a> {
        let cpus = match known(resource, "cpus") {
            Some(Value::Int(number)) => u64::try_from(*number).ok().map(Amount::Exactly),
            Some(Value::Text(text)) => parse_count(text).ok(),
            _ => None,
        };
        let memory = text(resource, "memory");
        Needs {
            named: text(resource, "type").and_then(bare),
            engine,
            size: text(resource, "size").unwrap_or("small"),
            cpus,
            memory: memory.and_then(|text| Some((parse_memory(text).ok()?, text))),
            has_standby: known(resource, "multi_zone") == Some(&Value::Bool(true)),
        }
    }

    pub(super) fn has_cpus(&self) -> bool {
        self.cpus.is_some()
    }

    /// Whether `size` alone says how big it is.
    pub(super) fn is_by_size(&self) -> bool {
        self.cpus.is_none() && self.memory.is_none()
    }

    /// The sizes that satisfy them, in order of preference; with a standby, none that has no standby. One
    /// that is named is the only one.
    pub(super) fn classes(&self) -> Vec<&'a str> {
        if let Some(named) = self.named {
            return vec![named];
        }
        if self.is_by_size() {
            return of_size(self.engine, self.size).to_vec();
        }
        let own = if self.engine == Engine::Postgres { POSTGRES } else { MYSQL };
        let mut classes: Vec<&Class> = BURSTABLE.iter().chain(own).collect();
        classes.sort_by_key(|class| class.cpus);
        let satisfies = |class: &&&Class| {
            self.cpus.is_none_or(|need| need.is_met_by(class.cpus))
                && self.memory.is_none_or(|(need, _)| need.is_met_by(class.memory_gib << 10))
                && !(self.has_standby && is_burstable(class.name))
        };
        classes.iter().filter(satisfies).map(|class| class.name).collect()
    }
}

/// In the words of the blueprint: `3 processors and 8GiB+ of memory`.
impl fmt::Display for Needs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cpus {
            Some(Amount::Exactly(number)) => write!(f, "{number} processors")?,
            Some(Amount::AtLeast(number)) => write!(f, "{number}+ processors")?,
            None => {}
        }
        if let Some((_, memory)) = self.memory {
            write!(f, "{}{memory} of memory", if self.has_cpus() { " and " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests_of_kinds::neutral;
    use dsenv_sdk::prices::{Book, Cloud};

    fn classes(engine: Engine, fields: &[(&str, Value)]) -> Vec<String> {
        let resource = neutral("features", "database", fields);
        Needs::of(&resource, engine).classes().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn sizes_are_classes_and_no_two_share_one() {
        for engine in [Engine::Postgres, Engine::Mysql] {
            let size = |size: &str| classes(engine, &[("size", Value::text(size))]);
            let all = [size("small"), size("medium"), size("large")].concat();
            let known = BURSTABLE.iter().chain(POSTGRES).chain(MYSQL);
            let known: Vec<&str> = known.map(|class| class.name).collect();
            assert!(all.iter().all(|name| known.contains(&name.as_str())));
            assert_eq!(all[0], "B1ms");
        }
    }

    #[test]
    fn a_need_is_exact_unless_it_says_more() {
        let exact = [("cpus", Value::Int(2)), ("memory", Value::text("16GiB"))];
        assert_eq!(classes(Engine::Postgres, &exact), ["E2ds_v5", "E2ads_v5"]);
        let least = [("cpus", Value::text("3+"))];
        assert_eq!(classes(Engine::Mysql, &least)[..2], ["B4ms", "D4ads_v5"]);
        let standby = [("cpus", Value::text("2+")), ("multi_zone", Value::Bool(true))];
        assert_eq!(classes(Engine::Postgres, &standby)[0], "D2ds_v5");
        assert_eq!(classes(Engine::Mysql, &[("memory", Value::text("4TiB+"))]), [""; 0]);
        let named = [("type", Value::text("GP_Standard_D4s_v3"))];
        assert_eq!(classes(Engine::Postgres, &named), ["D4s_v3"]);
        for (named, size) in [
            ("Standard_D4s_v3", Some("D4s_v3")),
            ("B_Standard_B1ms", Some("B1ms")),
            ("MO_Standard_D4s_v3", None),
            ("Standard_F2", None),
            ("db.t3.large", None),
        ] {
            assert_eq!(bare(named), size, "{named}");
        }
    }

    /// Servers run on the machines of the same names.
    #[test]
    fn classes_have_what_machines_of_their_names_have() {
        let book = Book::builtin();
        for class in BURSTABLE.iter().chain(POSTGRES).chain(MYSQL) {
            let shape = book.shape(Cloud::Azure, &format!("Standard_{}", class.name));
            let has = shape.map(|it| (u64::from(it.cpus), u64::from(it.memory_mib) >> 10));
            assert_eq!(has, Some((class.cpus, class.memory_gib)), "{}", class.name);
        }
    }

    #[test]
    fn the_tables_are_from_small_to_big() {
        for table in [BURSTABLE, POSTGRES, MYSQL] {
            assert!(table.is_sorted_by_key(|class| class.cpus));
        }
    }
}
