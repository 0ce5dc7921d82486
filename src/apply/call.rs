//! One attempt at one call, and what its failure means.
//!
//! Providers answer once and never wait; how often to try again, how long to pause and when to give
//! up is decided here, so that it is the same for every provider and can be simulated.

use crate::plan::Verb;
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{
    Accepted, Connection, Create, DataFate, Delete, Observed, OpError, OpErrorClass, Prior,
    Progress, Token, Update,
};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::value::Map;
use std::sync::Arc;

/// How often a call that fails for a passing reason is tried in all.
pub(super) const ATTEMPTS_MAX: u32 = 10;
/// The pause before the second attempt; it doubles with each.
const PAUSE_FIRST_MS: u64 = 250;
const PAUSE_MAX_MS: u64 = 30_000;

/// How long an operation may take unless the blueprint says otherwise.
const CREATE_S: u64 = 60 * 60;
const UPDATE_S: u64 = 60 * 60;
const DELETE_S: u64 = 60 * 60;

/// Everything that one call needs, owned, so that it can be made again.
pub(super) struct Request {
    pub(super) addr: Addr,
    pub(super) ty: &'static NativeType,
    pub(super) token: Token,
    pub(super) args: Map,
    pub(super) what: What,
    /// Where the provider's own words go.
    pub(super) watch: Arc<dyn Fn(&str) + Send + Sync>,
}

/// What is called.
pub(super) enum What {
    Create,
    Update { prior: Prior, prior_args: Map },
    Delete { prior: Prior, prior_args: Map, fate: DataFate },
    Poll { accepted: Accepted, deletes: bool },
}

/// How an attempt ended well.
pub(super) enum Attempt {
    /// Done; `None` when the object is gone, as a delete wants it.
    Done(Option<Observed>),
    /// Taken, and not finished.
    Accepted(Accepted),
}

/// An attempt's end, with the request to make again.
pub(super) struct Answer {
    pub(super) request: Request,
    pub(super) result: Result<Attempt, OpError>,
}

impl Request {
    /// The same request, now asking how it stands.
    pub(super) fn polling(mut self, accepted: Accepted) -> Request {
        let deletes = match self.what {
            What::Delete { .. } => true,
            What::Poll { deletes, .. } => deletes,
            What::Create | What::Update { .. } => false,
        };
        self.what = What::Poll { accepted, deletes };
        self
    }

    /// Says whether the object is to be gone afterwards.
    pub(super) fn deletes(&self) -> bool {
        matches!(self.what, What::Delete { .. } | What::Poll { deletes: true, .. })
    }
}

/// Makes one attempt.
pub(super) async fn run(
    connection: &dyn Connection,
    request: &mut Request,
) -> Result<Attempt, OpError> {
    let Request { addr, ty, token, args, what, watch } = request;
    let (addr, watch) = (&*addr, &**watch);
    match what {
        What::Create => {
            let create = Create { addr, ty, token, args, watch };
            connection.create(create).await.map(some)
        }
        What::Update { prior, prior_args } => {
            let update = Update { addr, ty, prior, prior_args, args, watch };
            connection.update(update).await.map(some)
        }
        What::Delete { prior, prior_args, fate } => {
            let delete = Delete { addr, ty, prior, prior_args, data: *fate, watch };
            Ok(match connection.delete(delete).await? {
                Progress::Done(()) => Attempt::Done(None),
                Progress::Accepted(accepted) => Attempt::Accepted(accepted),
            })
        }
        What::Poll { accepted, .. } => Ok(match connection.poll(ty, accepted).await? {
            Progress::Done(observed) => Attempt::Done(observed),
            Progress::Accepted(accepted) => Attempt::Accepted(accepted),
        }),
    }
}

fn some(progress: Progress<Observed>) -> Attempt {
    match progress {
        Progress::Done(observed) => Attempt::Done(Some(observed)),
        Progress::Accepted(accepted) => Attempt::Accepted(accepted),
    }
}

/// How long to pause before trying again; `None` when trying again will not help.
pub(super) fn pause_before_retry(error: &OpError, attempt: u32) -> Option<u64> {
    if attempt >= ATTEMPTS_MAX {
        return None;
    }
    let doubled_ms = PAUSE_FIRST_MS << attempt.saturating_sub(1).min(10);
    match error.class {
        OpErrorClass::Throttled { retry_after_ms } => {
            Some(retry_after_ms.unwrap_or(0).max(doubled_ms.min(PAUSE_MAX_MS)))
        }
        // What stands on it is on its way out: its delete was asked for before this one.
        OpErrorClass::InUse => Some(doubled_ms.min(PAUSE_MAX_MS)),
        OpErrorClass::NoCapacity
        | OpErrorClass::Quota
        | OpErrorClass::Denied { .. }
        | OpErrorClass::Invalid
        | OpErrorClass::Conflict
        | OpErrorClass::NotFound
        | OpErrorClass::Partial(_)
        | OpErrorClass::Unknown => None,
    }
}

/// How long a step may take in all.
pub(super) fn allowed_ms(verb: &Verb, timeouts_s: &[Option<u64>; 3]) -> u64 {
    let (written, usual) = match verb {
        Verb::Create { .. } | Verb::Resume => (timeouts_s[0], CREATE_S),
        Verb::Update { .. } => (timeouts_s[1], UPDATE_S),
        Verb::Delete { .. } => (timeouts_s[2], DELETE_S),
        Verb::Forget | Verb::Record { .. } => (None, 0),
    };
    written.unwrap_or(usual) * 1_000
}

/// The provider did not answer in time: nobody knows what became of it.
pub(super) fn timed_out(after_ms: u64) -> OpError {
    let message = format!("no answer within {} s", after_ms.div_ceil(1_000));
    OpError::new(OpErrorClass::Unknown, message).help(
        "apply again: what exists is found and adopted; `timeouts` in the block gives it longer",
    )
}
