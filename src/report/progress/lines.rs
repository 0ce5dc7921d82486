//! An apply in a pipe or a log: plain lines, each with the time since the beginning.

use super::Consumer;
use super::digest::{self, Digest};
use crate::event::{At, Event};
use crate::report::words;
use dsenv_sdk::Addr;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// How often one node may say what it waits for or is at.
const WAIT_EVERY_MS: u64 = 15_000;

/// Writes one line for each event that is worth one.
#[derive(Debug)]
pub struct Lines<W: Write> {
    out: W,
    digest: Digest,
    /// When each running node last had a line.
    told_ms: BTreeMap<Addr, u64>,
}

impl<W: Write> Lines<W> {
    /// Starts with nothing written.
    pub fn new(out: W) -> Lines<W> {
        Lines { out, digest: Digest::default(), told_ms: BTreeMap::new() }
    }

    fn write(&mut self, at: At, text: &str) -> io::Result<()> {
        writeln!(self.out, "{:>8}  {text}", words::duration(at.elapsed_ms))
    }

    /// Says what a long step is at, the first time after a while and then now and then.
    fn now_and_then(&mut self, at: At, addr: &Addr, text: &str) -> io::Result<()> {
        let told = self.told_ms.entry(addr.clone()).or_insert(at.elapsed_ms);
        if at.elapsed_ms < *told + WAIT_EVERY_MS {
            return Ok(());
        }
        *told = at.elapsed_ms;
        self.write(at, &digest::one_line(&format!("waiting {addr}: {text}")))
    }
}

impl<W: Write> Consumer for Lines<W> {
    fn event(&mut self, at: At, event: &Event) -> io::Result<()> {
        match event {
            Event::ApplyStarted { steps, operation } => {
                let text =
                    format!("applying {} (operation {operation})", words::count(*steps, "step"));
                self.write(at, &text)?;
            }
            Event::StepStarted { addr, .. } => {
                self.told_ms.insert(addr.clone(), at.elapsed_ms);
            }
            Event::StepProgress { addr, text, elapsed_ms } => {
                let text = format!("{text}, {}", words::duration(*elapsed_ms));
                self.now_and_then(at, addr, &text)?;
            }
            Event::StepWaiting { addr, waits_for, since_ms } => {
                let text = format!("{waits_for}, {}", words::duration(*since_ms));
                self.now_and_then(at, addr, &text)?;
            }
            Event::StepDone { addr, .. } | Event::StepFailed { addr, .. } => {
                self.told_ms.remove(addr);
            }
            Event::Locking { addr, .. } => {
                self.told_ms.insert(addr.clone(), at.elapsed_ms);
            }
            Event::Recovering { .. }
            | Event::Locked { .. }
            | Event::Adopted { .. }
            | Event::Retrying { .. }
            | Event::StepSkipped { .. }
            | Event::Interrupted { .. }
            | Event::ApplyDone { .. } => {}
        }
        for line in self.digest.lines(at, event) {
            self.write(at, &line)?;
        }
        if let Event::ApplyDone { summary } = event {
            self.write(at, &digest::summary(*summary, at))?;
            self.out.flush()?;
        }
        Ok(())
    }

    fn tick(&mut self, at: At) -> io::Result<()> {
        for line in self.digest.due(at) {
            self.write(at, &line)?;
        }
        self.out.flush()
    }
}
