//! How big a database server is: from what a blueprint says to the classes of RDS that satisfy it.
//! Pure.

use super::known;
use dsenv_sdk::provider::Neutral;
use dsenv_sdk::schema::parse_size;
use dsenv_sdk::value::Value;
use std::fmt;

const GIB: u64 = 1 << 30;

struct Class {
    name: &'static str,
    cpus: u64,
    memory_gib: u64,
}

const fn class(name: &'static str, cpus: u64, memory_gib: u64) -> Class {
    Class { name, cpus, memory_gib }
}

/// The classes, from the cheapest to the dearest: within a family the price doubles with the size,
/// and of one number of processors burstable ones (`t`) cost less than general ones (`m`), and those
/// less than ones with much memory (`r`). Of two alike, the one with AWS' own processor (`g`) costs
/// less; the other is for regions and moments that lack it.
///
/// What RDS offers: <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Types.html>.
/// The numbers are those of the EC2 types of the same names, from `DescribeInstanceTypes`, compared in
/// November 2026. A class that a region lacks, or an engine's version does not run on, is refused when
/// it is asked for, and the next one is.
const CLASSES: &[Class] = &[
    class("db.t4g.micro", 2, 1),
    class("db.t3.micro", 2, 1),
    class("db.t4g.small", 2, 2),
    class("db.t3.small", 2, 2),
    class("db.t4g.medium", 2, 4),
    class("db.t3.medium", 2, 4),
    class("db.t4g.large", 2, 8),
    class("db.t3.large", 2, 8),
    class("db.m7g.large", 2, 8),
    class("db.m7i.large", 2, 8),
    class("db.r7g.large", 2, 16),
    class("db.r7i.large", 2, 16),
    class("db.t4g.xlarge", 4, 16),
    class("db.t3.xlarge", 4, 16),
    class("db.m7g.xlarge", 4, 16),
    class("db.m7i.xlarge", 4, 16),
    class("db.r7g.xlarge", 4, 32),
    class("db.r7i.xlarge", 4, 32),
    class("db.t4g.2xlarge", 8, 32),
    class("db.t3.2xlarge", 8, 32),
    class("db.m7g.2xlarge", 8, 32),
    class("db.m7i.2xlarge", 8, 32),
    class("db.r7g.2xlarge", 8, 64),
    class("db.r7i.2xlarge", 8, 64),
    class("db.m7g.4xlarge", 16, 64),
    class("db.m7i.4xlarge", 16, 64),
    class("db.r7g.4xlarge", 16, 128),
    class("db.r7i.4xlarge", 16, 128),
    class("db.m7g.8xlarge", 32, 128),
    class("db.m7i.8xlarge", 32, 128),
    class("db.r7g.8xlarge", 32, 256),
    class("db.r7i.8xlarge", 32, 256),
    class("db.m7g.12xlarge", 48, 192),
    class("db.m7i.12xlarge", 48, 192),
    class("db.r7g.12xlarge", 48, 384),
    class("db.r7i.12xlarge", 48, 384),
    class("db.m7g.16xlarge", 64, 256),
    class("db.m7i.16xlarge", 64, 256),
    class("db.r7g.16xlarge", 64, 512),
    class("db.r7i.16xlarge", 64, 512),
];

/// What `size` is where nothing says more. No two share a class, so that another size is always
/// another server.
const SMALL: &[&str] = &["db.t4g.small", "db.t3.small"];
const MEDIUM: &[&str] = &["db.m7g.large", "db.m7i.large"];
const LARGE: &[&str] = &["db.m7g.2xlarge", "db.m7i.2xlarge"];

/// A number, or at least that number.
#[derive(Clone, Copy)]
struct Need {
    number: u64,
    or_more: bool,
}

impl Need {
    fn allows(self, number: u64) -> bool {
        if self.or_more { number >= self.number } else { number == self.number }
    }
}

/// What a blueprint says of how big a server is.
pub(super) struct Needs<'a> {
    /// The class by its own name.
    named: Option<&'a str>,
    size: &'a str,
    cpus: Option<Need>,
    /// In bytes, and as it was written.
    memory: Option<(Need, &'a str)>,
}

impl<'a> Needs<'a> {
    /// Reads them; what is not known is left out, and refused elsewhere.
    pub(super) fn of(resource: &'a Neutral) -> Needs<'a> {
        let need = |text: &str, read: fn(&str) -> Option<u64>| {
            let or_more = text.ends_with('+');
            Some(Need { number: read(text.trim_end_matches('+'))?, or_more })
        };
        let cpus = match known(resource, "cpus") {
            Some(Value::Int(number)) => {
                u64::try_from(*number).ok().map(|number| Need { number, or_more: false })
            }
            Some(Value::Text(text)) => need(text, |text| text.parse().ok()),
            _ => None,
        };
        let memory = known(resource, "memory").and_then(Value::as_text);
        let memory = memory.and_then(|text| Some((need(text, parse_size)?, text)));
        let size = known(resource, "size").and_then(Value::as_text).unwrap_or("small");
        let named = known(resource, "type").and_then(Value::as_text);
        Needs { named, size, cpus, memory }
    }

    pub(super) fn has_cpus(&self) -> bool {
        self.cpus.is_some()
    }

    /// The classes that satisfy them, in order of preference; one that is named is the only one.
    pub(super) fn classes(&self) -> Vec<&'a str> {
        if let Some(named) = self.named {
            return vec![named];
        }
        if self.cpus.is_none() && self.memory.is_none() {
            let classes = match self.size {
                "medium" => MEDIUM,
                "large" => LARGE,
                _ => SMALL,
            };
            return classes.to_vec();
        }
        let satisfies = |class: &&Class| {
            self.cpus.is_none_or(|need| need.allows(class.cpus))
                && self.memory.is_none_or(|(need, _)| need.allows(class.memory_gib * GIB))
        };
        CLASSES.iter().filter(satisfies).map(|class| class.name).collect()
    }
}

/// In the words of the blueprint: `3 processors and 8GiB+ of memory`.
impl fmt::Display for Needs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Need { number, or_more }) = self.cpus {
            write!(f, "{number}{} processors", if or_more { "+" } else { "" })?;
        }
        if let Some((_, memory)) = self.memory {
            write!(f, "{}{memory} of memory", if self.has_cpus() { " and " } else { "" })?;
        }
        Ok(())
    }
}

/// What the biggest class has, in words.
pub(super) fn biggest() -> String {
    let class = CLASSES.last().expect("there are classes");
    format!("{} processors and {}GiB of memory", class.cpus, class.memory_gib)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests_of_kinds::neutral;

    fn classes(fields: &[(&str, Value)]) -> Vec<String> {
        let resource = neutral("features", "database", fields);
        Needs::of(&resource).classes().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn sizes_are_classes_and_no_two_share_one() {
        let size = |size: &str| classes(&[("size", Value::text(size))]);
        let all = [size("small"), size("medium"), size("large")].concat();
        assert_eq!(all, [SMALL, MEDIUM, LARGE].concat());
        assert!(all.iter().all(|name| CLASSES.iter().any(|class| class.name == *name)));
        assert_eq!(classes(&[]), SMALL);
    }

    #[test]
    fn a_need_is_exact_unless_it_says_more() {
        let exact = classes(&[("cpus", Value::Int(2)), ("memory", Value::text("16GiB"))]);
        assert_eq!(exact, ["db.r7g.large", "db.r7i.large"]);
        let least = classes(&[("cpus", Value::text("3+")), ("memory", Value::text("200GiB+"))]);
        assert_eq!(least[..2], ["db.r7g.8xlarge", "db.r7i.8xlarge"]);
        assert_eq!(classes(&[("memory", Value::text("64GiB"))])[0], "db.r7g.2xlarge");
        assert_eq!(classes(&[("memory", Value::text("1TiB+"))]), [""; 0]);
        assert_eq!(classes(&[("type", Value::text("db.t3.large"))]), ["db.t3.large"]);
    }

    #[test]
    fn the_table_is_from_small_to_big() {
        let sizes = || CLASSES.iter().map(|class| class.cpus);
        assert!(sizes().is_sorted());
    }
}
