//! One attempt at one call, and what its failure means.
//!
//! Whether it is made again is for [`crate::retry`] to say.

use crate::plan::Verb;
use crate::retry;
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{
    Accepted, Connection, Create, DataFate, Delete, Observed, OpError, OpErrorClass, Prior,
    Progress, Token, Update,
};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::value::{Map, Value};
use jiff::Timestamp;
use std::sync::Arc;

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
    /// Since when an earlier create of this object is over, where its answer never came.
    pub(super) doubt_since: Option<Timestamp>,
    /// Where the provider's own words go.
    pub(super) watch: Arc<dyn Fn(&str) + Send + Sync>,
}

/// What is called.
pub(super) enum What {
    Create,
    Update {
        prior: Prior,
        prior_args: Map,
    },
    Delete {
        prior: Prior,
        prior_args: Map,
        fate: DataFate,
    },
    Poll {
        accepted: Accepted,
        deletes: bool,
    },
    /// An earlier operation is still open, and clouds refuse a second one on the same object: its
    /// end is waited for, whatever it is, then the call is made.
    After {
        accepted: Accepted,
        then: Box<What>,
    },
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
        let deletes = self.deletes();
        self.what = match self.what {
            What::After { then, .. } => What::After { accepted, then },
            What::Create | What::Update { .. } | What::Delete { .. } | What::Poll { .. } => {
                What::Poll { accepted, deletes }
            }
        };
        self
    }

    /// Goes on with what was kept waiting.
    fn proceed(&mut self) {
        self.what = match std::mem::replace(&mut self.what, What::Create) {
            What::After { then, .. } => *then,
            what => what,
        };
    }

    /// Says whether it asks how something stands, and changes nothing.
    pub(super) fn only_asks(&self) -> bool {
        matches!(self.what, What::Poll { .. } | What::After { .. })
    }

    /// Says whether the object is to be gone afterwards.
    pub(super) fn deletes(&self) -> bool {
        match &self.what {
            What::Delete { .. } => true,
            What::Poll { deletes, .. } => *deletes,
            What::After { then, .. } => matches!(**then, What::Delete { .. }),
            What::Create | What::Update { .. } => false,
        }
    }
}

/// Makes one attempt, now.
pub(super) async fn run(
    connection: &dyn Connection,
    request: &mut Request,
    now: Timestamp,
) -> Result<Attempt, OpError> {
    if let What::After { accepted, .. } = &request.what {
        match connection.poll(request.ty, accepted).await {
            Ok(Progress::Accepted(accepted)) => return Ok(Attempt::Accepted(accepted)),
            Ok(Progress::Done(None)) if request.deletes() => return Ok(Attempt::Done(None)),
            Err(error) if retry::pause_ms(&error.class, 1).is_some() => return Err(error),
            Ok(Progress::Done(_)) | Err(_) => request.proceed(),
        }
    }
    let Request { addr, ty, token, args, what, doubt_since, watch } = request;
    let (addr, watch) = (&*addr, &**watch);
    match what {
        What::Create => {
            let begun_before_ms = doubt_since.map(|since| elapsed_ms(since, now));
            let create = Create { addr, ty, token, args, begun_before_ms, watch };
            connection.create(create).await.map(some)
        }
        What::Update { prior, prior_args } => {
            let update = Update { addr, ty, prior, prior_args, args, watch };
            connection.update(update).await.map(some)
        }
        What::Delete { prior, prior_args, fate } => {
            // A create whose reply was lost left no name: nothing may be deleted by an empty one.
            if prior.observed.remote_id.is_empty() {
                match connection.find(ty, &prior.token).await? {
                    Some(found) => prior.observed = found.observed,
                    None => return never_made(connection, ty, *doubt_since, now),
                }
            }
            let delete = Delete { addr, ty, prior, prior_args, data: *fate, watch };
            match connection.delete(delete).await {
                Ok(Progress::Done(())) => Ok(Attempt::Done(None)),
                Ok(Progress::Accepted(accepted)) => Ok(Attempt::Accepted(accepted)),
                Err(error) if error.class == OpErrorClass::NotFound => Ok(Attempt::Done(None)),
                Err(error) => Err(error),
            }
        }
        What::After { .. } => unreachable!("it has just ended"),
        What::Poll { accepted, .. } => Ok(match connection.poll(ty, accepted).await? {
            Progress::Done(observed) => Attempt::Done(observed),
            Progress::Accepted(accepted) => Attempt::Accepted(accepted),
        }),
    }
}

/// What was begun and is not found was never made, once enough time has passed to be sure.
fn never_made(
    connection: &dyn Connection,
    ty: &'static NativeType,
    doubt_since: Option<Timestamp>,
    now: Timestamp,
) -> Result<Attempt, OpError> {
    let since_ms = doubt_since.map_or(0, |since| elapsed_ms(since, now));
    match connection.invisible_for_ms(ty).saturating_sub(since_ms) {
        0 => Ok(Attempt::Done(None)),
        left_ms => {
            let class = OpErrorClass::Throttled { retry_after_ms: Some(left_ms) };
            Err(OpError::new(class, "what an interrupted create made may not be seen yet"))
        }
    }
}

/// The time between two moments; none where the clock was set back meanwhile.
fn elapsed_ms(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or(0)
}

fn some(progress: Progress<Observed>) -> Attempt {
    match progress {
        Progress::Done(observed) => Attempt::Done(Some(observed)),
        Progress::Accepted(accepted) => Attempt::Accepted(accepted),
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
    written.unwrap_or(usual).saturating_mul(1_000)
}

/// The provider did not answer in time: nobody knows what became of it.
pub(super) fn timed_out(after_ms: u64) -> OpError {
    let message = format!("no answer within {} s", after_ms.div_ceil(1_000));
    OpError::new(OpErrorClass::Unknown, message).help(
        "apply again: what exists is found and adopted; `timeouts` in the block gives it longer",
    )
}

/// The shortest secret that is looked for: a shorter one would be found in words that are not it.
const SECRET_SHOWN_MIN: usize = 4;

/// Puts a word in the place of every secret among the arguments, wherever an error quotes it.
pub(super) fn hide_secrets<'a>(error: &mut OpError, args: impl Iterator<Item = &'a Value>) {
    let mut secrets: Vec<&str> = Vec::new();
    args.for_each(|value| collect_secrets(value, &mut secrets));
    secrets.retain(|secret| secret.len() >= SECRET_SHOWN_MIN);
    // The longest first: one may be a part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let texts = error.causes.iter_mut().chain([&mut error.message]).chain(&mut error.help);
    for text in texts {
        for secret in &secrets {
            if text.contains(secret) {
                *text = text.replace(secret, "(secret)");
            }
        }
    }
}

fn collect_secrets<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
    match value {
        Value::Secret(secret) => into.push(secret.expose()),
        Value::List(items) => items.iter().for_each(|item| collect_secrets(item, into)),
        Value::Map(map) => map.values().for_each(|item| collect_secrets(item, into)),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
    }
}
