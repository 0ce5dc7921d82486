//! When a failed call is tried again, and after which pause.
//!
//! Providers answer once and never wait; how often to try again, how long to pause and when to give
//! up is decided here, so that it is the same for every provider and can be simulated.

use crate::world::World;
use dsenv_sdk::provider::{OpError, OpErrorClass};

/// How often a call that fails for a passing reason is tried in all.
pub const ATTEMPTS_MAX: u32 = 10;
/// The same for what is still in use: interfaces of databases, balancers and members that are gone are
/// let go of after minutes, and what they stand on cannot go before. A quarter of an hour in all.
pub const IN_USE_MAX: u32 = 36;
/// The pause before the second attempt; it doubles with each.
const PAUSE_FIRST_MS: u64 = 250;
const PAUSE_MAX_MS: u64 = 30_000;

/// Returns how long to pause before trying again after this attempt, counted from 1; `None` when
/// trying again will not help.
pub fn pause_ms(class: &OpErrorClass, attempt: u32) -> Option<u64> {
    let attempts_max = if *class == OpErrorClass::InUse { IN_USE_MAX } else { ATTEMPTS_MAX };
    if attempt >= attempts_max {
        return None;
    }
    let doubled_ms = (PAUSE_FIRST_MS << attempt.saturating_sub(1).min(10)).min(PAUSE_MAX_MS);
    match class {
        OpErrorClass::Throttled { retry_after_ms } => {
            Some(retry_after_ms.unwrap_or(0).max(doubled_ms))
        }
        // What stands on it is on its way out: its delete was asked for before this one.
        OpErrorClass::InUse => Some(doubled_ms),
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

/// Makes a call that changes nothing until it is answered or there is no hope. A lost reply is asked
/// for again: nothing can have happened.
pub async fn read<T, F>(world: &dyn World, mut call: impl FnMut() -> F) -> Result<T, OpError>
where
    F: Future<Output = Result<T, OpError>>,
{
    let mut attempt = 1;
    loop {
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let lost = error.class == OpErrorClass::Unknown && attempt < ATTEMPTS_MAX;
        let again_ms = pause_ms(&error.class, attempt).or(lost.then_some(PAUSE_FIRST_MS));
        let Some(again_ms) = again_ms else { return Err(error) };
        world.sleep(again_ms).await;
        attempt += 1;
    }
}
