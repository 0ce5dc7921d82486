//! When to check a unit's health, and what follows from it.

use super::health;
use super::unit::{State, Unit};
use std::time::Duration;
use tokio::time::Instant;

/// How long a unit without a health check must run to be called healthy.
const SETTLE: Duration = Duration::from_millis(300);
/// Between checks while it starts: quick at first, for services that are up in milliseconds.
const STARTING_EVERY: Duration = Duration::from_millis(40);
const STARTING_SLOWLY_EVERY: Duration = Duration::from_millis(250);
const QUICK_FOR: Duration = Duration::from_secs(5);
/// Between checks once it answered.
const HEALTHY_EVERY: Duration = Duration::from_secs(2);
const ILL_EVERY: Duration = Duration::from_millis(500);
/// One missed check is a hiccup.
const MISSES_MAX: u32 = 2;

/// The checks of one process, from its start to its end.
pub(super) struct Checkup {
    begun: Instant,
    due: Instant,
    was_healthy: bool,
    misses: u32,
}

/// What a check found.
pub(super) struct Finding {
    pub(super) state: State,
    /// What the check met, when it was not met with health.
    pub(super) last_check: Option<String>,
}

impl Checkup {
    pub(super) fn new() -> Checkup {
        let begun = Instant::now();
        Checkup { begun, due: begun, was_healthy: false, misses: 0 }
    }

    /// Returns whether it was ever found healthy.
    pub(super) fn was_healthy(&self) -> bool {
        self.was_healthy
    }

    /// Waits until a check is due and makes it. May be dropped and called again.
    pub(super) async fn next(&mut self, unit: &Unit) -> Finding {
        let Some(health) = &unit.health else { return self.settle().await };
        tokio::time::sleep_until(self.due).await;
        let result = health::check(health, &unit.work).await;
        let now = Instant::now();
        match result {
            Ok(()) => {
                (self.was_healthy, self.misses) = (true, 0);
                self.due = now + HEALTHY_EVERY;
                Finding { state: State::Healthy, last_check: None }
            }
            Err(why) if self.was_healthy => {
                self.misses += 1;
                self.due = now + ILL_EVERY;
                let ill = self.misses >= MISSES_MAX;
                let state =
                    if ill { State::Unhealthy { why: why.clone() } } else { State::Healthy };
                Finding { state, last_check: Some(why) }
            }
            Err(why) => {
                let quick = now.duration_since(self.begun) < QUICK_FOR;
                self.due = now + if quick { STARTING_EVERY } else { STARTING_SLOWLY_EVERY };
                Finding { state: State::Starting, last_check: Some(why) }
            }
        }
    }

    async fn settle(&mut self) -> Finding {
        let wait = if self.was_healthy { HEALTHY_EVERY } else { SETTLE };
        tokio::time::sleep_until(self.due + wait).await;
        self.due = Instant::now();
        self.was_healthy = true;
        Finding { state: State::Healthy, last_check: None }
    }
}
