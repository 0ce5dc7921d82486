//! The call log: what was asked of the cloud, in which order, and how each call ended.

use dsenv_sdk::addr::Addr;
use dsenv_sdk::provider::Token;
use std::collections::BTreeMap;

/// What a call asks for; the names of the methods of `Connection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Whom the connection acts for.
    Identity,
    /// What a token made.
    Find,
    /// Objects again, many at once.
    ReadMany,
    /// A new object.
    Create,
    /// A change in place.
    Update,
    /// A delete.
    Delete,
    /// How an accepted call stands.
    Poll,
    /// An object by the cloud's name.
    ReadForeign,
    /// Ownership of an imported object.
    Claim,
    /// Everything of one owner.
    Inventory,
    /// What stands in the way of a plan.
    Preflight,
    /// A pin for the lock.
    Pin,
    /// The end of an environment.
    Close,
}

impl Verb {
    /// Every verb.
    pub const ALL: &[Verb] = &[
        Verb::Identity,
        Verb::Find,
        Verb::ReadMany,
        Verb::Create,
        Verb::Update,
        Verb::Delete,
        Verb::Poll,
        Verb::ReadForeign,
        Verb::Claim,
        Verb::Inventory,
        Verb::Preflight,
        Verb::Pin,
        Verb::Close,
    ];

    /// Returns its name, as the trait's method has it.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Identity => "identity",
            Verb::Find => "find",
            Verb::ReadMany => "read_many",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Delete => "delete",
            Verb::Poll => "poll",
            Verb::ReadForeign => "read_foreign",
            Verb::Claim => "claim",
            Verb::Inventory => "inventory",
            Verb::Preflight => "preflight",
            Verb::Pin => "pin",
            Verb::Close => "close",
        }
    }

    /// Says whether it asks for a change, whatever comes of it.
    pub fn is_mutating(self) -> bool {
        matches!(self, Verb::Create | Verb::Update | Verb::Delete | Verb::Claim)
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has not ended yet.
    InFlight,
    /// It was answered.
    Done,
    /// It was accepted; polls follow.
    Accepted,
    /// It was refused, or its reply was lost: the name of the error's class.
    Failed(&'static str),
    /// Nobody waited for the answer any more: the engine was stopped, or its timeout fired.
    Abandoned,
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Its place in the log, from 1. Ordered by when the call came in.
    pub seq: u64,
    /// What it asked for.
    pub verb: Verb,
    /// The native type.
    pub ty: Option<&'static str>,
    /// The node, where the call is about one.
    pub addr: Option<Addr>,
    /// The token, where the call carries one.
    pub token: Option<Token>,
    /// The object, where the call names one or made one.
    pub remote_id: Option<String>,
    /// How many objects a read asked for; 1 for other calls.
    pub objects: usize,
    /// Whether the cloud is not as it was before: also true of a call whose reply was lost.
    pub changed: bool,
    /// Its place among the effects, from 1, once the cloud acted on it; `None` until then. Calls
    /// with a latency in front take effect later than calls that came in after them.
    pub effect: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
}

impl Call {
    /// Says what was asked, in a line: `create a.grant["lake"]`.
    pub fn line(&self) -> String {
        match (&self.addr, &self.remote_id, self.ty) {
            (Some(addr), _, _) => format!("{} {addr}", self.verb.name()),
            (None, Some(id), _) => format!("{} {id}", self.verb.name()),
            (None, None, Some(ty)) => format!("{} {ty}", self.verb.name()),
            (None, None, None) => self.verb.name().to_owned(),
        }
    }
}

/// The log, and how many calls were in flight at once.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) calls: Vec<Call>,
    effects: u64,
    in_flight: BTreeMap<Verb, usize>,
    peaks: BTreeMap<Verb, usize>,
    peak: usize,
}

impl Log {
    /// Takes a call in and returns its number.
    pub(crate) fn begin(&mut self, mut call: Call) -> u64 {
        call.seq = self.calls.len() as u64 + 1;
        let seq = call.seq;
        let of_verb = self.in_flight.entry(call.verb).or_default();
        *of_verb += 1;
        let peak = self.peaks.entry(call.verb).or_default();
        *peak = (*peak).max(*of_verb);
        self.peak = self.peak.max(self.in_flight.values().sum());
        self.calls.push(call);
        seq
    }

    /// Returns a call by its number.
    pub(crate) fn call(&mut self, seq: u64) -> Option<&mut Call> {
        self.calls.get_mut(usize::try_from(seq).ok()?.checked_sub(1)?)
    }

    /// Notes that the cloud acted on the call.
    pub(crate) fn effect(&mut self, seq: u64, changed: bool) {
        self.effects += 1;
        let place = self.effects;
        if let Some(call) = self.call(seq) {
            call.effect = Some(place);
            call.changed |= changed;
        }
    }

    /// Notes how the call ended.
    pub(crate) fn end(&mut self, seq: u64, outcome: Outcome) {
        let Some(call) = self.call(seq) else { return };
        call.outcome = outcome;
        let verb = call.verb;
        let of_verb = self.in_flight.entry(verb).or_default();
        *of_verb = of_verb.saturating_sub(1);
    }

    /// Empties the log. Calls in flight are forgotten, and the numbers begin at 1 again.
    pub(crate) fn clear(&mut self) {
        *self = Log::default();
    }

    /// Returns the most calls that were in flight at once, of one verb or of all.
    pub(crate) fn peak(&self, verb: Option<Verb>) -> usize {
        match verb {
            Some(verb) => self.peaks.get(&verb).copied().unwrap_or(0),
            None => self.peak,
        }
    }
}
