//! Whether two environments of one blueprint are identical, up to what may vary.
//!
//! Each level looks at one thing, and rests on the level before it: what is declared ([`declared`]), what
//! is locked ([`locked`]), what was applied ([`applied`]), what is there ([`observed`]). A level flattens
//! both sides to [`Leaf`]s, what may be compared by its name, and [`compare`] holds one side against the
//! other by the class of each leaf. What is FIXED is equal or it is a violation. All of what is FIXED has a
//! digest, so two environments that pass a level have one digest there.
//!
//! What it must never do: call equal what it did not read. A level that cannot be read is `untested`, with
//! the reason, and so is what a level does not look at.
//!
//! ## Why differences of SCALE, BIND and POLICY need no list here
//! A difference comes from `set` or `inputs` of an environment, which the compiler holds to the bounds of
//! `vary`, or from `env`, which it lets reach no FIXED field. So whatever differs and is not FIXED was
//! declared by the blueprint's author; nothing on the command line can allow more.

pub mod applied;
pub mod declared;
mod exposure;
pub mod locked;
pub mod observed;

use dsenv_sdk::schema::Class;
use std::collections::{BTreeMap, BTreeSet};

/// How deep two environments are compared. Each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What the blueprint says: L0. Needs the blueprint alone.
    Declared,
    /// What the lock pins: L1.
    Locked,
    /// What the states say was applied: L2.
    Applied,
    /// What is found on the machines: L3.
    Observed,
}

impl Level {
    /// Every level, in order.
    pub const ALL: [Level; 4] = [Level::Declared, Level::Locked, Level::Applied, Level::Observed];

    /// What people call it: `L0` and so on.
    pub fn code(self) -> &'static str {
        match self {
            Level::Declared => "L0",
            Level::Locked => "L1",
            Level::Applied => "L2",
            Level::Observed => "L3",
        }
    }

    /// What it looks at, in a word.
    pub fn word(self) -> &'static str {
        match self {
            Level::Declared => "declared",
            Level::Locked => "locked",
            Level::Applied => "applied",
            Level::Observed => "observed",
        }
    }
}

/// One thing that has one value in an environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// How environments may differ in it.
    pub class: Class,
    /// What is compared. Never a secret: where the value is one, this says only that.
    pub text: String,
    /// How strict it is, for those of class POLICY that have an order.
    pub strictness: Option<Strictness>,
}

impl Leaf {
    /// A leaf that is no stricter than another.
    pub fn new(class: Class, text: impl Into<String>) -> Leaf {
        Leaf { class, text: text.into(), strictness: None }
    }
}

/// How strict something of class POLICY is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// The greater, the stricter; 0 is what counts where the leaf is absent.
    Rank(u64),
    /// The ways in for people: the fewer and the narrower, the stricter.
    Ways(Vec<exposure::Way>),
}

/// One side of a level: the leaves by address and path.
pub type Leaves = BTreeMap<(String, String), Leaf>;

/// One thing in which the environments differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The level that saw it.
    pub level: Level,
    /// The resource; empty where it is about the whole environment.
    pub address: String,
    /// The way to it from there.
    pub path: String,
    /// How environments may differ in it.
    pub class: Class,
    /// What the first environment has; `None` where it has nothing.
    pub one: Option<String>,
    /// What the second environment has.
    pub other: Option<String>,
    /// Why this is a violation, or why it may be; a clause without a full stop.
    pub why: String,
}

/// What a provider puts in the place of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Substitution {
    /// The environment that it is in.
    pub environment: String,
    /// The resource.
    pub address: String,
    /// The field; empty is the resource.
    pub path: String,
    /// What is put in its place, as the provider's schema declares it.
    pub what: String,
}

/// What was not looked at, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untested {
    /// The level that would have looked.
    pub level: Level,
    /// What of it.
    pub claim: String,
    /// Why nobody can tell.
    pub why: String,
}

/// The digests of what is FIXED at one level, of both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Of the first environment.
    pub one: String,
    /// Of the second.
    pub other: String,
}

/// What came of holding two environments against each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parity {
    /// What must not differ and does.
    pub violations: Vec<Row>,
    /// What may differ and does.
    pub variances: Vec<Row>,
    /// What providers put in the place of what.
    pub substitutions: Vec<Substitution>,
    /// What was not looked at although its level was reached or asked for.
    pub untested: Vec<Untested>,
    /// What is FIXED, by level; only levels that could be read.
    pub digests: BTreeMap<Level, Digests>,
    /// A level that was asked for and could not be read.
    pub missed: Option<Level>,
}

/// The answer to "are they identical?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes, up to what may vary.
    Identical,
    /// Yes, but for what a provider cannot have and says so.
    IdenticalWithSubstitutions,
    /// No.
    Violation,
    /// Something that was asked for could not be read.
    CannotTell,
}

impl Parity {
    /// Returns the highest level that was read; `None` when none was.
    pub fn level(&self) -> Option<Level> {
        self.digests.last_key_value().map(|(level, _)| *level)
    }

    /// A violation counts before what could not be read: it stays one whatever that says.
    pub fn verdict(&self) -> Verdict {
        if !self.violations.is_empty() {
            Verdict::Violation
        } else if self.missed.is_some() || self.digests.is_empty() {
            Verdict::CannotTell
        } else if self.substitutions.is_empty() {
            Verdict::Identical
        } else {
            Verdict::IdenticalWithSubstitutions
        }
    }

    /// Adds a level that was read on both sides.
    pub fn add(&mut self, level: Level, one: &Leaves, other: &Leaves) {
        compare(level, one, other, self);
        let digests = Digests { one: digest(one), other: digest(other) };
        self.digests.insert(level, digests);
    }

    /// Notes a claim of a level that nobody can tell.
    pub fn untested(&mut self, level: Level, claim: impl Into<String>, why: impl Into<String>) {
        self.untested.push(Untested { level, claim: claim.into(), why: why.into() });
    }
}

/// Returns the digest of what is FIXED: blake3 of the sorted leaves, in hexadecimal.
pub fn digest(leaves: &Leaves) -> String {
    let mut hasher = blake3::Hasher::new();
    for ((address, path), leaf) in leaves.iter().filter(|(_, leaf)| leaf.class == Class::Fixed) {
        for part in [address, path, &leaf.text] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// Holds two sides of one level against each other. The order of the two counts for POLICY alone: the
/// other one may be stricter, never laxer.
fn compare(level: Level, one: &Leaves, other: &Leaves, parity: &mut Parity) {
    let places: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    for place in places {
        let (ours, theirs) = (one.get(place), other.get(place));
        if ours == theirs {
            continue;
        }
        let class = ours.or(theirs).expect("one of the two has it").class;
        let laxer = match class {
            Class::Policy => laxer(ours, theirs),
            Class::Fixed | Class::Scale | Class::Bind => None,
        };
        let text = |leaf: Option<&Leaf>| leaf.map(|leaf| leaf.text.clone());
        let (ours, theirs) = (text(ours), text(theirs));
        let (why, allowed) = match (class, laxer) {
            (Class::Fixed, _) => ("it is the same in every environment".to_owned(), false),
            (Class::Policy, Some(why)) => (why, false),
            (Class::Policy, None) => ("it may be stricter in the second".to_owned(), true),
            (Class::Scale, _) => ("it may vary within the bounds of `vary`".to_owned(), true),
            (Class::Bind, _) => ("it is bound in each environment".to_owned(), true),
        };
        let (address, path) = place.clone();
        let row = Row { level, address, path, class, one: ours, other: theirs, why };
        if allowed { parity.variances.push(row) } else { parity.violations.push(row) }
    }
}

/// Says in what the other one is laxer; `None` where it is not, or where there is no order.
fn laxer(one: Option<&Leaf>, other: Option<&Leaf>) -> Option<String> {
    let order = |leaf: Option<&Leaf>| leaf.and_then(|leaf| leaf.strictness.clone());
    match (order(one), order(other)) {
        (None, None) => None,
        (Some(Strictness::Ways(ours)), Some(Strictness::Ways(theirs))) => {
            exposure::wider(&ours, &theirs)
        }
        (ours, theirs) => {
            let rank = |order| match order {
                Some(Strictness::Rank(rank)) => rank,
                Some(Strictness::Ways(_)) | None => 0,
            };
            let laxer = rank(theirs) < rank(ours);
            laxer.then(|| "the second may be stricter than the first, never laxer".to_owned())
        }
    }
}
