//! How long something takes to become what it was asked to be: a number of looks, or a time.
//!
//! What must not be here: what it is that takes so long.

use std::time::Duration;
use tokio::time::Instant;

/// How long something takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So many looks at it show it as it was; the next shows it done. 0: at once.
    Looks(u32),
    /// This long, of real time.
    Ms(u64),
}

/// What is left of a pace.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Countdown {
    Looks(u32),
    Until(Instant),
}

impl Countdown {
    pub(crate) fn new(pace: Pace) -> Countdown {
        match pace {
            Pace::Looks(looks) => Countdown::Looks(looks),
            Pace::Ms(ms) => Countdown::Until(Instant::now() + Duration::from_millis(ms)),
        }
    }

    /// Says whether it is not done yet.
    pub(crate) fn is_running(self) -> bool {
        match self {
            Countdown::Looks(looks) => looks > 0,
            Countdown::Until(end) => Instant::now() < end,
        }
    }

    /// Says the same, as one look more.
    pub(crate) fn look(&mut self) -> bool {
        let running = self.is_running();
        if let Countdown::Looks(looks) = self {
            *looks = looks.saturating_sub(1);
        }
        running
    }
}
