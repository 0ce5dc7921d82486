//! An apply on a terminal: what runs now, since when, and what it waits for; what is done scrolls
//! above it.

use super::Consumer;
use super::digest::{self, Digest};
use crate::event::{At, Event, Work};
use crate::report::words;
use dsenv_sdk::Addr;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How many running steps have a row.
const ROWS_MAX: usize = 8;
/// The rows are drawn at most this often, whatever happens.
const DRAW_EVERY_MS: u64 = 80;
const FRAMES: [char; 4] = ['|', '/', '-', '\\'];

/// Draws rows of what runs now, and lets lines scroll above them.
pub struct Bars {
    bar: ProgressBar,
    columns: usize,
    digest: Digest,
    running: BTreeMap<Addr, Running>,
    steps: usize,
    ended: usize,
    drawn_ms: Option<u64>,
    paused: bool,
}

struct Running {
    verb: Work,
    since_ms: u64,
    note: String,
}

impl Bars {
    /// Starts with nothing drawn, on a terminal with so many columns. The terminal is written to with
    /// the usual escape codes; it is for the caller to know that it takes them.
    pub fn new(out: impl Write + Send + 'static, columns: u16) -> Bars {
        let terminal = Terminal { out: Mutex::new(Box::new(out)), columns };
        // No limit of its own: it would ask the clock, and the caller's is the one that counts.
        let target = ProgressDrawTarget::term_like(Box::new(terminal));
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is sound"));
        Bars {
            bar,
            columns: usize::from(columns),
            digest: Digest::default(),
            running: BTreeMap::new(),
            steps: 0,
            ended: 0,
            drawn_ms: None,
            paused: false,
        }
    }

    fn note(&mut self, event: &Event, at: At) {
        match event {
            Event::ApplyStarted { steps, .. } => self.steps = *steps,
            Event::StepStarted { addr, verb, .. } => {
                let running = Running { verb: *verb, since_ms: at.elapsed_ms, note: String::new() };
                self.running.insert(addr.clone(), running);
            }
            Event::StepProgress { addr, text, .. } => self.say(addr, text.clone()),
            Event::StepWaiting { addr, waits_for, .. } => self.say(addr, waits_for.clone()),
            Event::Retrying { addr, attempt, why, .. } => {
                self.say(addr, format!("attempt {attempt} soon: {why}"));
            }
            Event::StepDone { addr, .. } | Event::StepFailed { addr, .. } => {
                self.running.remove(addr);
                self.ended += 1;
            }
            Event::StepSkipped { .. } => self.ended += 1,
            Event::Recovering { .. }
            | Event::Locking { .. }
            | Event::Locked { .. }
            | Event::Adopted { .. }
            | Event::Interrupted { .. }
            | Event::ApplyDone { .. } => {}
        }
    }

    fn say(&mut self, addr: &Addr, note: String) {
        if let Some(running) = self.running.get_mut(addr) {
            running.note = note;
        }
    }

    fn draw(&mut self, at: At) {
        if self.drawn_ms.is_some_and(|drawn| at.elapsed_ms < drawn + DRAW_EVERY_MS) {
            return;
        }
        self.drawn_ms = Some(at.elapsed_ms);
        self.bar.set_message(self.rows(at).join("\n"));
        self.bar.tick();
    }

    /// What runs now, the longest first, then how far everything is.
    fn rows(&self, at: At) -> Vec<String> {
        let mut running: Vec<(&Addr, &Running)> = self.running.iter().collect();
        running.sort_by_key(|(_, running)| running.since_ms);
        let frame = FRAMES[(at.elapsed_ms / 250 % FRAMES.len() as u64) as usize];
        let row = |(addr, running): &(&Addr, &Running)| {
            let since = words::duration(at.elapsed_ms.saturating_sub(running.since_ms));
            let note =
                if running.note.is_empty() { String::new() } else { format!(": {}", running.note) };
            format!("{frame} {} {addr} {since}{note}", running.verb.doing())
        };
        let mut rows: Vec<String> = running.iter().take(ROWS_MAX).map(row).collect();
        let hidden = self.running.len().saturating_sub(ROWS_MAX);
        let more = if hidden > 0 { format!(", {hidden} more running") } else { String::new() };
        let (ended, steps) = (words::number(self.ended), words::count(self.steps, "step"));
        rows.push(format!("{ended} of {steps}, {}{more}", words::duration(at.elapsed_ms)));
        rows.iter().map(|row| cut(row, self.columns.saturating_sub(1))).collect()
    }
}

/// Cuts a row at the edge of the terminal: one that wraps could not be drawn over.
fn cut(row: &str, columns: usize) -> String {
    let one_line = digest::one_line(row);
    if one_line.width() <= columns {
        return one_line;
    }
    let mut width = 0;
    let fits = |c: &char| {
        width += c.width().unwrap_or(0);
        width <= columns.saturating_sub(3)
    };
    let mut text: String = one_line.chars().take_while(fits).collect();
    text.push_str("...");
    text
}

impl Consumer for Bars {
    fn event(&mut self, at: At, event: &Event) -> io::Result<()> {
        self.paused = false;
        self.note(event, at);
        for line in self.digest.lines(at, event) {
            self.bar.println(line);
        }
        if let Event::ApplyDone { summary } = event {
            self.bar.println(digest::summary(*summary, at));
            self.bar.finish_and_clear();
            return Ok(());
        }
        self.draw(at);
        Ok(())
    }

    fn tick(&mut self, at: At) -> io::Result<()> {
        if self.paused {
            return Ok(());
        }
        for line in self.digest.due(at) {
            self.bar.println(line);
        }
        self.draw(at);
        Ok(())
    }

    fn pause(&mut self) -> io::Result<()> {
        self.paused = true;
        if self.drawn_ms.take().is_some() {
            self.bar.set_message(String::new());
            self.bar.tick();
        }
        Ok(())
    }
}

impl Drop for Bars {
    /// An apply that stops short leaves no half-drawn rows behind.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A writer as indicatif wants a terminal.
struct Terminal {
    out: Mutex<Box<dyn Write + Send>>,
    columns: u16,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Terminal")
    }
}

impl Terminal {
    fn put(&self, text: &str) -> io::Result<()> {
        // A writer that panicked is as good as one that failed: the next write will tell.
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(text.as_bytes())
    }

    fn steps(&self, count: usize, code: char) -> io::Result<()> {
        if count == 0 { Ok(()) } else { self.put(&format!("\u{1b}[{count}{code}")) }
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        self.columns
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.steps(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.steps(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.steps(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.steps(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.put(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.put(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.put("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}
