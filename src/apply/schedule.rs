//! Which step may start next: those whose predecessors ended well, longest chain first.
//!
//! The length of the chain behind a step is counted once, in steps: calls take minutes or nothing,
//! and a chain of twelve is the apply's own length whatever else is done meanwhile.

use crate::plan::Step;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The steps of one plan and how each stands.
pub(super) struct Schedule {
    /// The steps that wait for each step.
    next: Vec<Vec<u32>>,
    /// How many predecessors have not ended well.
    waits: Vec<u32>,
    /// How many steps the longest chain behind each has.
    chain: Vec<u32>,
    standing: Vec<Standing>,
    /// Longest chain first; of equals, the first in the plan.
    ready: BinaryHeap<(u32, Reverse<u32>)>,
    open: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Standing {
    Waiting,
    Started,
    Ended,
}

impl Schedule {
    /// Takes the plan's steps. Panics on a cycle: the planner never makes one.
    pub(super) fn new(steps: &[Step]) -> Schedule {
        let mut next = vec![Vec::new(); steps.len()];
        let mut waits = vec![0; steps.len()];
        for (number, step) in (0u32..).zip(steps) {
            waits[number as usize] = u32::try_from(step.after.len()).expect("few predecessors");
            for before in &step.after {
                next[*before as usize].push(number);
            }
        }
        let chain = chains(&next, &waits);
        let ready = (0u32..)
            .zip(&waits)
            .filter(|(_, waits)| **waits == 0)
            .map(|(number, _)| (chain[number as usize], Reverse(number)))
            .collect();
        let standing = vec![Standing::Waiting; steps.len()];
        Schedule { next, waits, chain, standing, ready, open: steps.len() }
    }

    /// Takes the next step that may start.
    pub(super) fn next(&mut self) -> Option<u32> {
        let (_, Reverse(number)) = self.ready.pop()?;
        self.standing[number as usize] = Standing::Started;
        Some(number)
    }

    /// Says whether nothing is ready and nothing can become so by itself.
    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_empty()
    }

    /// Notes that a step ended well, and makes ready what waited for it alone.
    pub(super) fn done(&mut self, number: u32) {
        self.end(number);
        for next in std::mem::take(&mut self.next[number as usize]) {
            let waits = &mut self.waits[next as usize];
            *waits -= 1;
            if *waits == 0 && self.standing[next as usize] == Standing::Waiting {
                self.ready.push((self.chain[next as usize], Reverse(next)));
            }
        }
    }

    /// Notes that a step failed; returns what can no longer be tried, in the order of the plan.
    pub(super) fn failed(&mut self, number: u32) -> Vec<u32> {
        self.end(number);
        let mut skipped = Vec::new();
        let mut open = vec![number];
        while let Some(number) = open.pop() {
            for next in std::mem::take(&mut self.next[number as usize]) {
                if self.standing[next as usize] == Standing::Waiting {
                    self.end(next);
                    skipped.push(next);
                    open.push(next);
                }
            }
        }
        skipped.sort_unstable();
        skipped
    }

    /// Lists what was never started and is not counted as skipped yet.
    pub(super) fn untried(&self) -> Vec<u32> {
        let waiting = |(_, standing): &(u32, &Standing)| **standing == Standing::Waiting;
        (0u32..).zip(&self.standing).filter(waiting).map(|(number, _)| number).collect()
    }

    fn end(&mut self, number: u32) {
        let standing = &mut self.standing[number as usize];
        assert!(*standing != Standing::Ended, "a step ends once");
        *standing = Standing::Ended;
        self.open -= 1;
    }
}

/// The length of the longest chain behind each step, in one pass against the order.
fn chains(next: &[Vec<u32>], waits: &[u32]) -> Vec<u32> {
    let mut waits = waits.to_vec();
    let mut order: Vec<u32> =
        (0u32..).zip(&waits).filter(|(_, waits)| **waits == 0).map(|(number, _)| number).collect();
    let mut at = 0;
    while at < order.len() {
        for after in &next[order[at] as usize] {
            waits[*after as usize] -= 1;
            if waits[*after as usize] == 0 {
                order.push(*after);
            }
        }
        at += 1;
    }
    assert_eq!(order.len(), next.len(), "the steps of a plan have no cycle");
    let mut chain = vec![0; next.len()];
    for number in order.into_iter().rev() {
        let longest = next[number as usize].iter().map(|after| chain[*after as usize] + 1).max();
        chain[number as usize] = longest.unwrap_or(0);
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Verb;
    use dsenv_sdk::Addr;

    /// `"0: ; 1: 0"`: step 1 comes after step 0.
    fn schedule(text: &str) -> Schedule {
        let step = |line: &str| {
            let (_, after) = line.split_once(':').expect("a colon");
            let after = after.split_whitespace().map(|n| n.parse().expect("a number")).collect();
            Step { addr: Addr::resource("a"), verb: Verb::Forget, after }
        };
        Schedule::new(&text.split(';').map(step).collect::<Vec<_>>())
    }

    #[test]
    fn the_longest_chain_starts_first() {
        let mut schedule = schedule("0: ; 1: ; 2: 1 ; 3: 2");
        assert_eq!((schedule.next(), schedule.next(), schedule.next()), (Some(1), Some(0), None));
        schedule.done(1);
        assert_eq!(schedule.next(), Some(2));
    }

    #[test]
    fn a_failure_skips_everything_behind_it_and_nothing_else() {
        let mut schedule = schedule("0: ; 1: 0 ; 2: 1 ; 3: ; 4: 2 3");
        assert_eq!(schedule.next(), Some(0));
        assert_eq!(schedule.failed(0), [1, 2, 4]);
        assert_eq!((schedule.next(), schedule.next()), (Some(3), None));
        schedule.done(3);
        assert!(schedule.is_idle() && schedule.untried().is_empty());
    }
}
