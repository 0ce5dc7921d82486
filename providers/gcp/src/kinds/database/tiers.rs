//! How big a database server is: from what a blueprint says to a tier of Cloud SQL. Pure.
//!
//! Servers are made to measure: one processor or an even number up to 96, with from 0.9 to 6.5 GiB each,
//! 3.75 GiB at least, in steps of 256 MiB; two small tiers share a processor.
//! <https://cloud.google.com/sql/docs/postgres/create-instance#machine-types>

use super::super::known;
use dsenv_sdk::prices::need::{Amount, parse_count, parse_memory};
use dsenv_sdk::provider::Neutral;
use dsenv_sdk::value::Value;

const STEP_MIB: u64 = 256;
const MEMORY_MIB_MIN: u64 = 3_840;
const CPUS_MAX: u64 = 96;

/// The tiers that share a processor, and their memory in MiB.
const SHARED: &[(&str, u64)] = &[("db-f1-micro", 614), ("db-g1-small", 1_740)];

/// Tiers of before servers were made to measure, which are sold still and have prices of their own; how many
/// processors there are.
/// <https://cloud.google.com/sql/docs/mysql/instance-settings#machine-type-2ndgen>
const FAMILIES: &[(&str, &[u64])] = &[
    ("db-n1-standard-", &[1, 2, 4, 8, 16, 32, 64, 96]),
    ("db-n1-highmem-", &[2, 4, 8, 16, 32, 64, 96]),
];

/// What `size` is where nothing says more. `small` shares a processor, for which Google Cloud promises no
/// availability; it is what a laptop's database is.
fn usual(size: &str) -> &'static str {
    match size {
        "medium" => "db-custom-2-8192",
        "large" => "db-custom-8-32768",
        _ => "db-g1-small",
    }
}

/// A tier that shares a processor, one of a family, or one that is made to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier<'a> {
    Shared(&'a str),
    OfFamily { name: &'a str, cpus: u64 },
    Custom { cpus: u64, memory_mib: u64 },
}

impl<'a> Tier<'a> {
    /// Reads the name of a tier; `None` for one that Cloud SQL does not have.
    pub(crate) fn parse(name: &'a str) -> Option<Tier<'a>> {
        let of_family = FAMILIES.iter().find_map(|(family, counts)| {
            let cpus = name.strip_prefix(family)?.parse().ok()?;
            counts.contains(&cpus).then_some(Tier::OfFamily { name, cpus })
        });
        if of_family.is_some() {
            return of_family;
        }
        if let Some(custom) = name.strip_prefix("db-custom-") {
            let (cpus, memory) = custom.split_once('-')?;
            return Some(Tier::Custom {
                cpus: cpus.parse().ok()?,
                memory_mib: memory.parse().ok()?,
            });
        }
        SHARED.iter().any(|(shared, _)| *shared == name).then_some(Tier::Shared(name))
    }
}

/// Which field is not to be had, and why.
type Lack = (&'static str, String);

/// Reads the processors and the memory that are needed.
fn need(resource: &Neutral) -> Result<(Option<Amount>, Option<Amount>), Lack> {
    let shown = |value: &Value| match value {
        Value::Int(number) => number.to_string(),
        other => other.as_text().unwrap_or_default().to_owned(),
    };
    let cpus = known(resource, "cpus").map(shown).map(|text| parse_count(&text)).transpose();
    let memory = known(resource, "memory").map(shown).map(|text| parse_memory(&text)).transpose();
    Ok((
        cpus.map_err(|error| ("cpus", error.to_string()))?,
        memory.map_err(|error| ("memory", error.to_string()))?,
    ))
}

/// Returns the tier that a resource names.
fn named(resource: &Neutral, name: &str) -> Result<String, Lack> {
    let sold = match Tier::parse(name) {
        None => false,
        Some(Tier::Shared(_)) => true,
        // What is made to measure has the measures that are sold.
        Some(Tier::Custom { cpus, memory_mib }) => {
            (cpus == 1 || cpus % 2 == 0)
                && (1..=CPUS_MAX).contains(&cpus)
                && self::memory_mib(cpus, Amount::Exactly(memory_mib)) == Some(memory_mib)
        }
        // Servers of PostgreSQL were always made to measure.
        Some(Tier::OfFamily { .. }) => {
            known(resource, "engine").and_then(Value::as_text) != Some("postgres")
        }
    };
    if !sold {
        return Err(("type", format!("gcp has no database server that is called `{name}`")));
    }
    match ["cpus", "memory"].into_iter().find(|field| known(resource, field).is_some()) {
        Some(said) => {
            Err((said, format!("`type` says how big the server is, and `{said}` says it again")))
        }
        None => Ok(name.to_owned()),
    }
}

/// Returns the smallest tier that satisfies a resource, or the one that it names; the error names the field
/// that none does.
pub(crate) fn tier(resource: &Neutral) -> Result<String, Lack> {
    if let Some(name) = known(resource, "type").and_then(Value::as_text) {
        return named(resource, name);
    }
    let (cpus, memory) = need(resource)?;
    let (cpus, memory) = match (cpus, memory) {
        (None, None) => {
            let size = known(resource, "size").and_then(Value::as_text).unwrap_or("small");
            return Ok(usual(size).to_owned());
        }
        // Who counts processors wants whole ones.
        (None, Some(memory)) => {
            let shared = SHARED.iter().find(|(_, mib)| memory.is_met_by(*mib));
            if let Some((name, _)) = shared {
                return Ok((*name).to_owned());
            }
            (Amount::AtLeast(1), memory)
        }
        (Some(cpus), memory) => (cpus, memory.unwrap_or(Amount::AtLeast(0))),
    };
    let counts = std::iter::once(1).chain((2..=CPUS_MAX).step_by(2));
    let mut counts = counts.filter(|count| cpus.is_met_by(*count)).peekable();
    if counts.peek().is_none() {
        let message = "gcp has database servers with 1 processor, or an even number up to 96";
        return Err(("cpus", message.to_owned()));
    }
    let found = counts.find_map(|count| memory_mib(count, memory).map(|mib| (count, mib)));
    match found {
        Some((count, mib)) => Ok(format!("db-custom-{count}-{mib}")),
        None => {
            let message = "gcp has database servers with from 3.75 to 6.5 GiB of memory for each processor, \
                           and at least 0.9, in steps of 256 MiB";
            Err(("memory", message.to_owned()))
        }
    }
}

/// The least memory that so many processors may have and that is enough.
fn memory_mib(cpus: u64, wanted: Amount) -> Option<u64> {
    // 0.9 GiB and 6.5 GiB each.
    let least = (cpus * 9 * 1_024).div_ceil(10).max(MEMORY_MIB_MIN);
    let most = cpus * 13 * 1_024 / 2;
    let (Amount::Exactly(asked) | Amount::AtLeast(asked)) = wanted;
    let mib = least.max(asked).div_ceil(STEP_MIB) * STEP_MIB;
    (mib <= most && wanted.is_met_by(mib)).then_some(mib)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests_of_kinds::neutral;

    fn tier_of(fields: &[(&str, &str)]) -> String {
        let fields: Vec<(&str, Value)> =
            fields.iter().map(|(name, text)| (*name, Value::text(*text))).collect();
        match tier(&neutral("features", "database", &fields)) {
            Ok(tier) => tier,
            Err((field, _)) => format!("{field} refused"),
        }
    }

    #[test]
    fn the_smallest_that_satisfies_is_taken() {
        for (fields, tier) in [
            (vec![], "db-g1-small"),
            (vec![("size", "medium")], "db-custom-2-8192"),
            (vec![("size", "large")], "db-custom-8-32768"),
            (vec![("memory", "512MiB+")], "db-f1-micro"),
            (vec![("memory", "1GiB+")], "db-g1-small"),
            (vec![("memory", "2GiB+")], "db-custom-1-3840"),
            (vec![("cpus", "1")], "db-custom-1-3840"),
            (vec![("cpus", "3+")], "db-custom-4-3840"),
            (vec![("cpus", "16")], "db-custom-16-14848"),
            (vec![("cpus", "2+"), ("memory", "16GiB+")], "db-custom-4-16384"),
            (vec![("cpus", "2"), ("memory", "8GiB")], "db-custom-2-8192"),
            (vec![("memory", "5000MiB+")], "db-custom-1-5120"),
            (vec![("cpus", "96"), ("memory", "624GiB")], "db-custom-96-638976"),
            (vec![("cpus", "3")], "cpus refused"),
            (vec![("cpus", "128+")], "cpus refused"),
            (vec![("cpus", "2"), ("memory", "16GiB+")], "memory refused"),
            (vec![("memory", "2GiB")], "memory refused"),
            (vec![("memory", "much")], "memory refused"),
            (vec![("type", "db-custom-4-15360")], "db-custom-4-15360"),
            (vec![("type", "db-f1-micro")], "db-f1-micro"),
            (vec![("type", "db-n1-standard-96")], "db-n1-standard-96"),
            (vec![("type", "db-custom-3-15360")], "type refused"),
            (vec![("type", "db-custom-2-15360")], "type refused"),
            (vec![("type", "db.t3.large")], "type refused"),
            (vec![("type", "db-f1-micro"), ("cpus", "1")], "cpus refused"),
        ] {
            assert_eq!(tier_of(&fields), tier, "{fields:?}");
        }
    }

    #[test]
    fn a_tier_says_what_it_is() {
        let custom = Tier::Custom { cpus: 2, memory_mib: 8_192 };
        assert_eq!(Tier::parse("db-custom-2-8192"), Some(custom));
        assert_eq!(Tier::parse("db-f1-micro"), Some(Tier::Shared("db-f1-micro")));
        let standard = Tier::OfFamily { name: "db-n1-standard-2", cpus: 2 };
        assert_eq!(Tier::parse("db-n1-standard-2"), Some(standard));
        assert_eq!(Tier::parse("db-n1-standard-3"), None);
    }
}
