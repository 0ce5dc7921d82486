//! An apply for programs: one JSON object a line, `dsenv-event/1`, nothing left out.
//!
//! ```text
//! {"format":"dsenv-event/1","time":"…","event":"step_done","address":"lake","action":"create","elapsed_ms":12}
//! …
//! {"format":"dsenv-event/1","time":"…","event":"summary","applied":7,"failed":0,"skipped":0,"unknown":0}
//! ```
//! The last line is the summary. Each line is written whole, so that a reader never sees half of one.

use super::Consumer;
use crate::event::{At, Event, Summary};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::io::{self, Write};

/// The name and version of the format.
pub const FORMAT: &str = "dsenv-event/1";

/// Writes every event.
#[derive(Debug)]
pub struct JsonLines<W: Write> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write> JsonLines<W> {
    /// Starts with nothing written.
    pub fn new(out: W) -> JsonLines<W> {
        JsonLines { out, line: Vec::new() }
    }
}

/// The keys in the order in which they are written; what an event does not have is absent.
#[derive(Default, Serialize)]
struct Line<'a> {
    format: &'static str,
    time: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    elapsed_ms: Option<u64>,
    #[serde(flatten)]
    rest: Rest<'a>,
}

/// What only one event has.
#[derive(Default, Serialize)]
#[serde(untagged)]
enum Rest<'a> {
    #[default]
    None,
    Started {
        steps: usize,
        operation: &'a str,
    },
    Recovering {
        operation: &'a str,
        command: &'a str,
    },
    Locking {
        what: &'a str,
    },
    Locked {
        pins: usize,
        path: &'a str,
    },
    Adopted {
        remote_id: &'a str,
    },
    Step {
        step: u32,
    },
    Progress {
        text: &'a str,
    },
    Waiting {
        waits_for: &'a str,
    },
    Retrying {
        attempt: u32,
        after_ms: u64,
        why: &'a str,
    },
    Failed {
        class: &'a str,
        message: &'a str,
        causes: &'a [String],
        help: Option<&'a str>,
    },
    Skipped {
        because: String,
    },
    Interrupted {
        in_flight: usize,
    },
    Summary {
        applied: usize,
        failed: usize,
        skipped: usize,
        unknown: usize,
    },
}

fn line<'a>(at: At, event: &'a Event) -> Line<'a> {
    let time = at.time.to_string();
    let named = |event, addr: Option<&dsenv_sdk::Addr>, rest| Line {
        format: FORMAT,
        time: time.clone(),
        event,
        address: addr.map(ToString::to_string),
        action: None,
        elapsed_ms: None,
        rest,
    };
    match event {
        Event::ApplyStarted { steps, operation } => {
            named("apply_started", None, Rest::Started { steps: *steps, operation })
        }
        Event::Recovering { operation, command } => {
            named("recovering", None, Rest::Recovering { operation, command })
        }
        Event::Locking { addr, what } => named("locking", Some(addr), Rest::Locking { what }),
        Event::Locked { pins, path } => named("locked", None, Rest::Locked { pins: *pins, path }),
        Event::Adopted { addr, remote_id } => {
            named("adopted", Some(addr), Rest::Adopted { remote_id })
        }
        Event::StepStarted { step, addr, verb } => {
            let line = named("step_started", Some(addr), Rest::Step { step: *step });
            Line { action: Some(verb.as_str()), ..line }
        }
        Event::StepProgress { addr, text, elapsed_ms } => {
            let line = named("step_progress", Some(addr), Rest::Progress { text });
            Line { elapsed_ms: Some(*elapsed_ms), ..line }
        }
        Event::StepWaiting { addr, waits_for, since_ms } => {
            let line = named("step_waiting", Some(addr), Rest::Waiting { waits_for });
            Line { elapsed_ms: Some(*since_ms), ..line }
        }
        Event::Retrying { addr, attempt, after_ms, why } => {
            let rest = Rest::Retrying { attempt: *attempt, after_ms: *after_ms, why };
            named("retrying", Some(addr), rest)
        }
        Event::StepDone { addr, verb, elapsed_ms } => {
            let line = named("step_done", Some(addr), Rest::None);
            Line { action: Some(verb.as_str()), elapsed_ms: Some(*elapsed_ms), ..line }
        }
        Event::StepFailed { addr, verb, class, message, causes, help } => {
            let rest = Rest::Failed { class, message, causes, help: help.as_deref() };
            Line { action: Some(verb.as_str()), ..named("step_failed", Some(addr), rest) }
        }
        Event::StepSkipped { addr, because } => {
            named("step_skipped", Some(addr), Rest::Skipped { because: because.to_string() })
        }
        Event::Interrupted { in_flight } => {
            named("interrupted", None, Rest::Interrupted { in_flight: *in_flight })
        }
        Event::ApplyDone { summary: Summary { applied, failed, skipped, unknown } } => {
            let (applied, failed, skipped, unknown) = (*applied, *failed, *skipped, *unknown);
            named("summary", None, Rest::Summary { applied, failed, skipped, unknown })
        }
    }
}

impl<W: Write> Consumer for JsonLines<W> {
    fn event(&mut self, at: At, event: &Event) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, &line(at, event))?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)?;
        // A reader follows the events as they come; a writer that buffers keeps the quick ones.
        match event {
            Event::StepDone { .. } | Event::StepStarted { .. } => Ok(()),
            _ => self.out.flush(),
        }
    }

    fn tick(&mut self, _: At) -> io::Result<()> {
        self.out.flush()
    }
}

/// Makes the JSON Schema of one line, draft 2020-12: what `dsenv schema events` prints.
pub fn event_schema() -> Json {
    let text = json!({"type": "string"});
    let count = json!({"type": "integer", "minimum": 0});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "one line of dsenv apply --json; the last one is the event `summary`",
        "type": "object",
        "required": ["format", "time", "event"],
        "properties": {
            "format": {"const": FORMAT},
            "time": {"type": "string", "format": "date-time"},
            "event": {"enum": ["recovering", "locking", "locked", "apply_started", "adopted", "step_started", "step_progress",
                "step_waiting", "retrying", "step_done", "step_failed", "step_skipped",
                "interrupted", "summary"]},
            "address": text,
            "action": {"enum": ["create", "update", "resume", "delete", "forget", "record"]},
            "elapsed_ms": count,
            "steps": count, "operation": text, "remote_id": text, "step": count, "text": text,
            "command": text, "what": text, "pins": count, "path": text,
            "waits_for": text, "attempt": count, "after_ms": count, "why": text, "class": text,
            "message": text, "causes": {"type": "array", "items": text},
            "help": {"type": ["string", "null"]}, "because": text, "in_flight": count,
            "applied": count, "failed": count, "skipped": count, "unknown": count,
        },
    })
}
