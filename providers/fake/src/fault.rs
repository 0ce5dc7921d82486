//! Injected faults: by script, which call goes wrong and how; by seed, one in so many.
//!
//! A seeded draw hashes the seed with the verb, the node and how often that node was asked for
//! that; so the same seed gives the same faults however calls interleave.

use crate::calls::{Call, Verb};
use dsenv_sdk::addr::Addr;
use std::collections::BTreeMap;

/// Which calls a fault strikes. The default strikes every call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallMatch {
    /// The verb; any when absent.
    pub verb: Option<Verb>,
    /// The node; any when absent.
    pub addr: Option<Addr>,
    /// The native type; any when absent.
    pub ty: Option<String>,
    /// Of the calls that match and come in after the fault was injected, only this one, from 1.
    pub nth: Option<u32>,
}

impl CallMatch {
    /// Matches every call of one verb.
    pub fn verb(verb: Verb) -> CallMatch {
        CallMatch { verb: Some(verb), ..CallMatch::default() }
    }

    /// The same, of one node only, as a person writes it. Panics when it is not an address.
    pub fn at(mut self, addr: &str) -> CallMatch {
        self.addr = Some(addr.parse().expect("a test names an address"));
        self
    }

    /// The same, of one native type only.
    pub fn of(mut self, ty: &str) -> CallMatch {
        self.ty = Some(ty.to_owned());
        self
    }

    /// The same, only the nth that matches, from 1.
    pub fn nth(mut self, nth: u32) -> CallMatch {
        self.nth = Some(nth);
        self
    }

    /// Makes the fault: this, on those calls.
    pub fn fails(self, what: What) -> Fault {
        Fault { on: self, what }
    }

    fn covers(&self, call: &Call) -> bool {
        self.verb.is_none_or(|verb| verb == call.verb)
            && self.ty.as_deref().is_none_or(|ty| call.ty == Some(ty))
            && self.addr.as_ref().is_none_or(|addr| call.addr.as_ref() == Some(addr))
    }
}

/// Whether something happens before the cloud acts on a call, or after it and before the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Nothing has happened yet.
    Before,
    /// It has happened; the reply is under way.
    After,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Refused: too many requests.
    Throttled {
        /// What `Retry-After` says.
        retry_after_ms: Option<u64>,
    },
    /// Refused: none of it to be had.
    NoCapacity,
    /// Refused: a limit of the account.
    Quota,
    /// Refused: not allowed.
    Denied,
    /// Refused: it makes no sense.
    Invalid,
    /// Refused as senseless, in these words: a provider may quote what it was given.
    Says(String),
    /// Refused: something else exists, or changed meanwhile.
    Conflict,
    /// The reply is lost.
    Unknown {
        /// Whether the cloud acted on the call.
        happened: bool,
    },
    /// A create stops half way: something exists, and the same create again finishes it. On other
    /// verbs, the reply is lost and nothing happened.
    Partial,
    /// The call takes this long, by the test's clock.
    Latency {
        /// How long.
        ms: u64,
        /// `After`: the object exists from the start, and the reply is late.
        when: When,
    },
    /// The call never ends.
    Hang {
        /// Whether the cloud acted on it.
        when: When,
    },
    /// The crash hook is called, then the call never ends; see
    /// [`FakeCloud::on_crash`](crate::FakeCloud::on_crash).
    Crash {
        /// Whether the cloud acted on the call.
        when: When,
    },
}

/// A scripted fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Which calls it strikes.
    pub on: CallMatch,
    /// What it does to them.
    pub what: What,
}

/// Faults by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeded {
    /// Where chance comes from.
    pub seed: u64,
    /// How many calls of a thousand are struck.
    pub per_mille: u32,
    /// How often one verb on one node is struck at most, so that a patient engine always ends.
    pub node_max: u32,
    /// The most latency, in milliseconds, of those that are only late.
    pub latency_max_ms: u64,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    seen: u32,
}

/// Every fault that is set, and how often each was met.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<Armed>,
    seeded: Option<Seeded>,
    /// By verb and node: how often asked, how often struck.
    met: BTreeMap<(Verb, String), (u32, u32)>,
}

impl Faults {
    pub(crate) fn inject(&mut self, fault: Fault) {
        self.armed.push(Armed { fault, seen: 0 });
    }

    pub(crate) fn seed(&mut self, seeded: Option<Seeded>) {
        self.seeded = seeded;
        self.met.clear();
    }

    pub(crate) fn clear(&mut self) {
        *self = Faults::default();
    }

    /// Returns what strikes this call, in the order of injection, chance last.
    pub(crate) fn strike(&mut self, call: &Call) -> Vec<What> {
        let mut struck = Vec::new();
        for armed in self.armed.iter_mut().filter(|armed| armed.fault.on.covers(call)) {
            armed.seen += 1;
            if armed.fault.on.nth.is_none_or(|nth| nth == armed.seen) {
                struck.push(armed.fault.what.clone());
            }
        }
        struck.extend(self.draw(call));
        struck
    }

    fn draw(&mut self, call: &Call) -> Option<What> {
        let seeded = self.seeded?;
        let node = match (&call.addr, &call.remote_id) {
            (Some(addr), _) => addr.to_string(),
            (None, id) => id.clone().unwrap_or_default(),
        };
        let text = format!("{}\n{}\n{node}\n", seeded.seed, call.verb.name());
        let (asked, struck) = self.met.entry((call.verb, node)).or_default();
        *asked += 1;
        let hash = blake3::hash(format!("{text}{asked}").as_bytes());
        let number = |at: usize| {
            let bytes = hash.as_bytes()[at..at + 8].try_into().expect("eight bytes are eight");
            u64::from_le_bytes(bytes)
        };
        if *struck >= seeded.node_max || number(0) % 1_000 >= u64::from(seeded.per_mille) {
            return None;
        }
        *struck += 1;
        let late = |when| What::Latency { ms: number(16) % seeded.latency_max_ms.max(1), when };
        let lost = |happened| What::Unknown { happened };
        Some(match (number(8) % 6, call.verb.is_mutating()) {
            (0, _) => What::Throttled { retry_after_ms: None },
            (1, _) => What::Throttled { retry_after_ms: Some(number(16) % 5_000) },
            (2, true) => lost(true),
            (3, true) => lost(false),
            (4, true) if call.verb == Verb::Create => What::Partial,
            (2 | 4, _) => late(When::Before),
            (_, _) => late(When::After),
        })
    }
}
