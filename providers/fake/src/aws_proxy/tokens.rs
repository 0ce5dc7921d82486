//! Idempotency of EC2: a call with a client token is done once, and its answer is given again.
//!
//! <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html>: the same token with
//! the same parameters succeeds without a further object; with others it is refused with
//! `IdempotentParameterMismatch`. A call that failed may be tried again with its token. A second
//! call that comes in while the first is under way waits for it.
//!
//! What must not be here: tokens that moto itself understands (`CreationToken` of EFS).

use crate::aws_proxy::asked::Asked;
use crate::aws_proxy::backend::Answer;
use crate::aws_proxy::refusal::Refusal;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

const PARAM: &str = "ClientToken";

#[derive(Debug)]
struct Done {
    params: BTreeMap<String, String>,
    answer: Answer,
}

/// What was done with each token. Tokens are kept for as long as the proxy lives: EC2 forgets them
/// earlier, at a time that it does not say.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    seen: BTreeMap<(String, String), Arc<Mutex<Option<Done>>>>,
}

/// A token that this call alone holds.
#[derive(Debug)]
pub(crate) struct Held {
    done: OwnedMutexGuard<Option<Done>>,
}

impl Tokens {
    /// Returns the place of a call's token; `None` when it carries none.
    pub(crate) fn place(&mut self, asked: &Asked) -> Option<Place> {
        let token = asked.param(PARAM);
        if asked.service != "ec2" || token.is_empty() || !asked.is_mutating() {
            return None;
        }
        let key = (asked.action.clone(), token.to_owned());
        Some(Place(self.seen.entry(key).or_default().clone()))
    }
}

/// Where it stands what was done with a token.
#[derive(Debug)]
pub(crate) struct Place(Arc<Mutex<Option<Done>>>);

impl Place {
    /// Waits for a call with the same token that is under way.
    pub(crate) async fn hold(self) -> Held {
        Held { done: self.0.lock_owned().await }
    }
}

impl Held {
    /// Returns the answer that was given before; `None` when there was none.
    pub(crate) fn answered(&self, asked: &Asked) -> Option<Result<Answer, Refusal>> {
        let done = self.done.as_ref()?;
        if done.params == asked.params {
            return Some(Ok(done.answer.clone()));
        }
        let message = "Arguments on this idempotent request are inconsistent with arguments used \
                       in previous request(s).";
        Some(Err(Refusal::new("IdempotentParameterMismatch", message)))
    }

    /// Keeps the answer for the next call, when it is a success.
    pub(crate) fn keep(mut self, asked: &Asked, answer: &Answer) {
        if answer.status.is_success() {
            *self.done = Some(Done { params: asked.params.clone(), answer: answer.clone() });
        }
    }
}
