//! Which events are worth a line, and the words of that line. Shared by terminal and pipe.

use crate::event::{At, Event, Summary, Work};
use crate::report::words;
use dsenv_sdk::Addr;
use std::collections::BTreeMap;

/// A step that takes less than this is instantaneous to a person.
const INSTANT_MS: u64 = 1_000;
/// How many instantaneous steps have a line of their own; the others are counted.
const INSTANT_LINES_MAX: usize = 20;
/// How often the count is told while it grows.
const COUNT_EVERY_MS: u64 = 5_000;
/// How many skipped steps have a line of their own.
const SKIPPED_LINES_MAX: usize = 10;
/// How many retries of one node have a line of their own; then only every tenth has.
const RETRY_LINES_MAX: u32 = 3;

/// What was said so far, and what is held back.
#[derive(Debug, Default)]
pub(super) struct Digest {
    instant: usize,
    held: BTreeMap<Work, usize>,
    told_ms: u64,
    skipped: usize,
}

impl Digest {
    /// Returns the lines that an event is worth. Starts, waits and progress are worth none: a
    /// terminal shows them otherwise, a pipe now and then.
    pub(super) fn lines(&mut self, at: At, event: &Event) -> Vec<String> {
        let mut lines = Vec::new();
        match event {
            Event::StepDone { addr, verb, elapsed_ms } => {
                lines.extend(self.done(addr, *verb, *elapsed_ms));
            }
            Event::StepSkipped { addr, because } => {
                self.skipped += 1;
                if self.skipped <= SKIPPED_LINES_MAX {
                    lines.push(format!("skipped {addr}: `{because}` failed"));
                }
            }
            Event::Retrying { addr, attempt, after_ms, why } => {
                if attempt.saturating_sub(1) <= RETRY_LINES_MAX || attempt.is_multiple_of(10) {
                    let after = words::duration(*after_ms);
                    lines.push(format!("again   {addr} in {after}, attempt {attempt}: {why}"));
                }
            }
            Event::Recovering { operation, command } => {
                lines.push(format!("an earlier {command} ({operation}) did not come to its end"));
            }
            Event::Locking { addr, what } => {
                lines.push(format!("locking the {what} of {addr}: not in the lock yet"));
            }
            Event::Locked { pins, path } => {
                let pins = words::count(*pins, "pin");
                lines.push(format!("locked  {pins} more in `{path}`; commit it"));
            }
            Event::Adopted { addr, remote_id } => {
                lines.push(format!("adopted {addr}: `{remote_id}`, of an interrupted apply"));
            }
            Event::StepFailed { .. } | Event::Interrupted { .. } | Event::ApplyDone { .. } => {
                lines.extend(self.held_back(at));
                lines.extend(self.last_words(event));
            }
            Event::ApplyStarted { .. }
            | Event::StepStarted { .. }
            | Event::StepProgress { .. }
            | Event::StepWaiting { .. } => {}
        }
        lines.extend(self.due(at));
        lines.iter().map(|line| one_line(line)).collect()
    }

    /// Returns the counts when they are due.
    pub(super) fn due(&mut self, at: At) -> Vec<String> {
        if self.held.is_empty() || at.elapsed_ms < self.told_ms + COUNT_EVERY_MS {
            return Vec::new();
        }
        self.held_back(at)
    }

    fn done(&mut self, addr: &Addr, verb: Work, elapsed_ms: u64) -> Option<String> {
        if verb == Work::Record {
            return None;
        }
        if elapsed_ms < INSTANT_MS {
            self.instant += 1;
            if self.instant > INSTANT_LINES_MAX {
                *self.held.entry(verb).or_default() += 1;
                return None;
            }
        }
        Some(format!("{:<7} {addr} in {}", verb.done(), words::duration(elapsed_ms)))
    }

    fn held_back(&mut self, at: At) -> Vec<String> {
        self.told_ms = at.elapsed_ms;
        let held = std::mem::take(&mut self.held);
        let line = |(verb, count): (Work, usize)| {
            format!("{:<7} {} more", verb.done(), words::number(count))
        };
        held.into_iter().map(line).collect()
    }

    fn last_words(&self, event: &Event) -> Option<String> {
        match event {
            Event::StepFailed { addr, verb, class, message, .. } => {
                Some(format!("FAILED  {addr} while {} it: {message} ({class})", verb.doing()))
            }
            Event::Interrupted { in_flight: 0 } => Some("stopping".to_owned()),
            Event::Interrupted { in_flight } => Some(format!(
                "stopping: {} still running, nothing new is begun",
                words::count(*in_flight, "step")
            )),
            Event::ApplyDone { summary } if self.skipped > SKIPPED_LINES_MAX => {
                debug_assert!(summary.skipped >= self.skipped);
                let more = words::number(self.skipped - SKIPPED_LINES_MAX);
                Some(format!("skipped {more} more"))
            }
            _ => None,
        }
    }
}

/// Takes out of a text what would end the line or move the cursor: it may come from anywhere.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The last line of an apply.
pub(super) fn summary(summary: Summary, at: At) -> String {
    let Summary { applied, failed, skipped, unknown } = summary;
    let mut parts = vec![format!("{} applied", words::number(applied))];
    for (count, what) in [(failed, "failed"), (skipped, "skipped"), (unknown, "unknown")] {
        if count > 0 {
            parts.push(format!("{} {what}", words::number(count)));
        }
    }
    format!("{} in {}", parts.join(", "), words::duration(at.elapsed_ms))
}
