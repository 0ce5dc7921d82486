//! What a resource will be charged for, before anything of it exists.
//!
//! A provider's pure half looks at the native nodes that a resource was lowered to and lists [`Charge`]s:
//! what is counted, how many of it, and which figure of the price book is its price. It never says a price
//! itself. The engine finds prices, multiplies, and says where one is missing.
//!
//! Three figures stand for each: what it is now, the least (`floor`) and the most (`ceiling`) that it can
//! come to without anybody changing the blueprint: a pool between its bounds, spot that becomes on-demand.
//!
//! ## Why
//! Charges hang on native nodes and not on neutral resources, because clouds charge for what exists: a
//! machine is an instance, a disk and an address. What happens in use (requests, data that leaves) is in no
//! node: that is [`Usage`], and what nobody said of it is assumed, and marked as assumed.

use crate::addr::Addr;
use crate::schema::{Class, Field, Format, NativeType, Type, parse_size};
use crate::term::Term;
use crate::value::{Map, Value};
use dsenv_prices::{Driver, Os, Purchase};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Hours of a month, as the whole field counts them: 365 days in twelve parts.
pub const HOURS_A_MONTH: i64 = 730;

/// The key under which a customer's own prices name an hour of a machine. The book has machines by type.
pub const MACHINE_HOUR: &str = "machine/hour";

// ---------------------------------------------------------------- what is asked

/// One native node as it will be.
#[derive(Clone, Copy, Debug)]
pub struct Planned<'a> {
    /// Its address.
    pub addr: &'a Addr,
    /// Its type.
    pub ty: &'static NativeType,
    /// Its arguments, filled in as far as that goes offline: what refers to something that does not exist
    /// yet is open.
    pub args: &'a BTreeMap<String, Term>,
    /// What was last seen of it; `None` when it does not exist. Of a list of offers, it says which was
    /// taken.
    pub observed: Option<&'a Map>,
}

impl<'a> Planned<'a> {
    /// Returns an argument that is known.
    pub fn arg(&self, name: &str) -> Option<&'a Value> {
        self.args.get(name).and_then(Term::known)
    }

    /// Returns an argument that is a text.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.arg(name).and_then(Value::as_text)
    }

    /// Returns an argument that is a whole number.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.arg(name).and_then(Value::as_int)
    }

    /// Says whether an argument is `true`; one that is absent or open is not.
    pub fn flag(&self, name: &str) -> bool {
        self.arg(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Returns the texts of an argument that is a list; none of one that is absent or open.
    pub fn texts(&self, name: &str) -> Vec<&'a str> {
        let items = self.arg(name).and_then(Value::as_list).unwrap_or_default();
        items.iter().filter_map(Value::as_text).collect()
    }
}

/// A resource whose charges are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Costing<'a> {
    /// The resource.
    pub addr: &'a Addr,
    /// Its kind.
    pub kind: &'static str,
    /// The environment's region, when it names one.
    pub region: Option<&'a str>,
    /// Its native nodes, in order of their addresses.
    pub nodes: &'a [Planned<'a>],
    /// Every node of the environment: some charges count what others are.
    pub all: &'a BTreeMap<&'a Addr, Planned<'a>>,
    /// What happens in use.
    pub usage: &'a Usage,
}

// ---------------------------------------------------------------- what is answered

/// One line of a bill.
#[derive(Clone, Debug, PartialEq)]
pub struct Charge {
    /// The native node that it is for.
    pub addr: Addr,
    /// What is charged, in a few words: `compute`, `root disk`.
    pub name: String,
    /// How the count becomes that of a month.
    pub time: Time,
    /// As things are, or will be right after an apply.
    pub now: Line,
    /// The least.
    pub floor: Line,
    /// The most.
    pub ceiling: Line,
    /// What was assumed, in words; empty when all of it follows from the blueprint.
    pub assumed: Vec<String>,
}

/// So many of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What one costs.
    pub rate: Rate,
    /// How many; never below zero.
    pub count: Decimal,
}

/// Where a price is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rate {
    /// An hour of a machine.
    Machine {
        /// The cloud's name of the type.
        ty: String,
        /// With which system's licence.
        os: Os,
        /// How it is bought.
        purchase: Purchase,
    },
    /// A figure of the price book, by the key of its driver: `disk/gp3/GB-month`.
    Key(String),
    /// An amount that the blueprint itself says, in the currency of the book: the most for spot.
    Said(Decimal),
    /// Whatever is the dearest of these: one of several types will be taken. One without a price leaves
    /// the whole without.
    Dearest(Vec<Rate>),
}

/// How a count becomes that of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Each counts for every hour that it runs: `usage.hours`, else all of the month.
    Running,
    /// Each counts for every hour of the month.
    Always,
    /// The count is of a month already.
    Month,
}

impl Rate {
    /// The rate under the key of a driver.
    pub fn of(driver: Driver<'_>) -> Rate {
        Rate::Key(driver.to_string())
    }

    /// An hour of a Linux machine, bought in one way.
    pub fn machine(ty: &str, purchase: Purchase) -> Rate {
        Rate::Machine { ty: ty.to_owned(), os: Os::Linux, purchase }
    }
}

impl Charge {
    /// A charge of which there is the same whatever happens.
    pub fn new(addr: &Addr, name: &str, time: Time, rate: Rate, count: Decimal) -> Charge {
        let line = Line { rate, count };
        Charge {
            addr: addr.clone(),
            name: name.to_owned(),
            time,
            now: line.clone(),
            floor: line.clone(),
            ceiling: line,
            assumed: Vec::new(),
        }
    }

    /// The same charge, of which there are so many at least and at most.
    pub fn between(mut self, floor: Decimal, ceiling: Decimal) -> Charge {
        self.floor.count = floor;
        self.ceiling.count = ceiling;
        self
    }

    /// The same charge, of which one costs so much at most.
    pub fn at_most(mut self, rate: Rate) -> Charge {
        self.ceiling.rate = rate;
        self
    }

    /// The same charge, with what was assumed for it.
    pub fn assuming(mut self, assumed: impl IntoIterator<Item = String>) -> Charge {
        self.assumed.extend(assumed);
        self
    }
}

// ---------------------------------------------------------------- use

const GIB: u64 = 1 << 30;

/// What happens in use: the fields of `usage`, which stand on every resource.
pub const USAGE: &[Field] = &[
    Field::new("hours", Type::Int { min: 0, max: 744 }, "For how many hours a month it runs.")
        .class(Class::Scale),
    Field::new("stored", Type::Format(Format::Size), "How much is stored in it.")
        .class(Class::Scale),
    Field::new("backup", Type::Format(Format::Size), "How much its backups take.")
        .class(Class::Scale),
    Field::new("reads", REQUESTS, "How many requests a month read.").class(Class::Scale),
    Field::new("writes", REQUESTS, "How many requests a month write or list.").class(Class::Scale),
    Field::new(
        "cpu_credits",
        REQUESTS,
        "For how many processor hours a month it computes beyond what it has earned, where that is charged.",
    )
    .class(Class::Scale),
    Field::new(
        "disk_requests",
        REQUESTS,
        "How many reads and writes a month each disk takes, where they are charged.",
    )
    .class(Class::Scale),
    Field::new("egress", Type::Format(Format::Size), "How much a month goes out to the internet.")
        .class(Class::Scale),
    Field::new("cross_zone", Type::Format(Format::Size), "How much a month goes to another zone.")
        .class(Class::Scale),
    Field::new("nat", Type::Format(Format::Size), "How much a month passes its NAT gateways.")
        .class(Class::Scale),
    Field::new("processed", Type::Format(Format::Size), "How much a month passes a load balancer.")
        .class(Class::Scale),
];

const REQUESTS: Type = Type::Int { min: 0, max: 1_000_000_000_000 };

/// What is assumed of use where nobody says: small figures, so that what is charged for use is seen and is
/// no surprise, and so that nothing is zero because nobody thought of it.
const ASSUMED: &[(&str, i64)] = &[
    ("backup", 0),
    ("cpu_credits", 0),
    ("cross_zone", 10),
    ("disk_requests", 1_000_000),
    ("egress", 10),
    ("hours", HOURS_A_MONTH),
    ("nat", 50),
    ("processed", 50),
    ("reads", 100_000),
    ("stored", 100),
    ("writes", 10_000),
];

/// How a resource is used in a month. Sizes are in GiB, which is what clouds call a GB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    said: BTreeMap<String, Decimal>,
}

/// An amount, and whether somebody said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount {
    /// GiB, requests or hours.
    pub count: Decimal,
    /// What was assumed, in words; `None` when it was said.
    pub assumed: Option<String>,
}

impl Usage {
    /// Reads the fields of `usage` that are known. The value fits [`USAGE`]: it was checked.
    pub fn read(usage: &Map) -> Usage {
        let amount = |value: &Value| match value {
            Value::Int(number) => Some(Decimal::from(*number)),
            Value::Text(text) => parse_size(text).map(gib),
            _ => None,
        };
        let said = usage.iter().filter_map(|(name, value)| Some((name.clone(), amount(value)?)));
        Usage { said: said.collect() }
    }

    /// The same use, and what another one says of what this one does not.
    pub fn or(mut self, other: &Usage) -> Usage {
        for (name, amount) in &other.said {
            self.said.entry(name.clone()).or_insert(*amount);
        }
        self
    }

    /// Returns what was said of a field of [`USAGE`].
    pub fn said(&self, name: &str) -> Option<Decimal> {
        self.said.get(name).copied()
    }

    /// Returns what was said of a field of [`USAGE`], else what is assumed of it.
    pub fn amount(&self, name: &str) -> Amount {
        if let Some(count) = self.said(name) {
            return Amount { count, assumed: None };
        }
        let (_, count) = ASSUMED.iter().find(|(known, _)| *known == name).expect("it is in USAGE");
        let unit = match name {
            "cpu_credits" | "hours" => " hours",
            "disk_requests" | "reads" | "writes" => "",
            _ => " GiB",
        };
        let assumed = Some(format!("`usage.{name}` is {count}{unit} a month"));
        Amount { count: Decimal::from(*count), assumed }
    }
}

/// Returns bytes in GiB, exactly.
pub fn gib(bytes: u64) -> Decimal {
    Decimal::from(bytes) / Decimal::from(GIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_says_is_assumed_and_marked() {
        let said = Map::from([
            ("stored".to_owned(), Value::text("512MiB")),
            ("reads".to_owned(), Value::Int(7)),
        ]);
        let usage = Usage::read(&said);
        assert_eq!(usage.amount("stored").count, Decimal::new(5, 1));
        assert_eq!(usage.amount("reads"), Amount { count: 7.into(), assumed: None });
        let nat = usage.amount("nat");
        assert_eq!(nat.assumed.as_deref(), Some("`usage.nat` is 50 GiB a month"));
    }

    #[test]
    fn every_field_has_something_to_be_assumed() {
        let mut fields: Vec<&str> = USAGE.iter().map(|field| field.name).collect();
        fields.sort_unstable();
        let assumed: Vec<&str> = ASSUMED.iter().map(|(name, _)| *name).collect();
        assert_eq!(fields, assumed);
    }

    #[test]
    fn the_first_word_counts() {
        let one = Usage::read(&Map::from([("hours".to_owned(), Value::Int(100))]));
        let other = Usage::read(&Map::from([
            ("hours".to_owned(), Value::Int(200)),
            ("nat".to_owned(), Value::text("1GiB")),
        ]));
        let both = one.or(&other);
        assert_eq!((both.said("hours"), both.said("nat")), (Some(100.into()), Some(1.into())));
    }
}
