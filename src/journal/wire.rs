//! The records as JSON, format `dsenv-journal/1`.

use super::{FailedStep, Failure, Opening, Phase, Record, Step};
use crate::state::Outcome;
use crate::state::wire::value::{MapIn, MapOut, Sealing, open_map};
use crate::state::wire::{
    AddrOut, BindingWire, PartError, ResourceIn, ResourceOut, addrs_in, time,
};
use crate::vault::{Access, Place, Vault};
use dsenv_sdk::Addr;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

pub(super) const FORMAT: &str = "dsenv-journal/1";

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum RecordOut<'a> {
    Open(OpeningOut<'a>),
    Step(StepOut<'a>),
    Outputs(MapOut<'a>),
    Protected(Vec<AddrOut<'a>>),
    Bound(BindingWire),
    Close(Outcome),
}

#[derive(Serialize)]
struct OpeningOut<'a> {
    format: &'static str,
    #[serde(flatten)]
    opening: OpeningWire<'a>,
}

#[derive(Serialize, Deserialize)]
struct OpeningWire<'a> {
    lineage: Cow<'a, str>,
    serial: u64,
    operation: Cow<'a, str>,
    fence: u64,
    plan: Option<Cow<'a, str>>,
    command: Cow<'a, str>,
    command_line: Cow<'a, str>,
    user: Cow<'a, str>,
    host: Cow<'a, str>,
    pid: u32,
    #[serde(with = "time")]
    started: jiff::Timestamp,
}

#[derive(Serialize)]
struct StepOut<'a> {
    phase: PhaseWire,
    step: u32,
    addr: AddrOut<'a>,
    #[serde(with = "time")]
    at: jiff::Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureOut<'a>>,
    resource: Option<ResourceOut<'a>>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PhaseWire {
    Begin,
    Accepted,
    End,
    Failed,
}

#[derive(Serialize)]
struct FailureOut<'a> {
    class: &'a str,
    message: &'a str,
    causes: &'a [String],
    help: Option<&'a str>,
    request_id: Option<&'a str>,
}

impl<'a> FailureOut<'a> {
    fn new(failure: &'a Failure) -> FailureOut<'a> {
        FailureOut {
            class: &failure.class,
            message: &failure.message,
            causes: &failure.causes,
            help: failure.help.as_deref(),
            request_id: failure.request_id.as_deref(),
        }
    }
}

/// Appends one record as a line.
pub(super) fn write_record(
    line: &mut Vec<u8>,
    record: &Record<'_>,
    vault: &Vault,
    lineage: &str,
) -> Result<(), serde_json::Error> {
    let sealing = |place| Sealing { vault: Some(vault), lineage, place };
    let out = match record {
        Record::Open(opening) => RecordOut::Open(opening_out(opening)),
        Record::Step(step) => RecordOut::Step(StepOut {
            phase: step.phase.into(),
            step: step.step,
            addr: AddrOut(&step.addr),
            at: step.at,
            failure: step.failure.as_ref().map(FailureOut::new),
            resource: step
                .resource
                .as_deref()
                .map(|resource| ResourceOut::new(resource, sealing(Place::Node(&step.addr)))),
        }),
        Record::Outputs(outputs) => RecordOut::Outputs(MapOut(outputs, sealing(Place::Outputs))),
        Record::Protected(addrs) => RecordOut::Protected(addrs.iter().map(AddrOut).collect()),
        Record::Bound(bound) => RecordOut::Bound(bound.into()),
        Record::Close(outcome) => RecordOut::Close(*outcome),
    };
    serde_json::to_writer(&mut *line, &out)?;
    line.push(b'\n');
    Ok(())
}

fn opening_out(opening: &Opening) -> OpeningOut<'_> {
    OpeningOut {
        format: FORMAT,
        opening: OpeningWire {
            lineage: Cow::Borrowed(&opening.lineage),
            serial: opening.serial,
            operation: Cow::Borrowed(&opening.operation),
            fence: opening.fence,
            plan: opening.plan.as_deref().map(Cow::Borrowed),
            command: Cow::Borrowed(&opening.command),
            command_line: Cow::Borrowed(&opening.command_line),
            user: Cow::Borrowed(&opening.user),
            host: Cow::Borrowed(&opening.host),
            pid: opening.pid,
            started: opening.started,
        },
    }
}

/// The line that ends what was made durable at once.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Commit {
    pub(super) n: u64,
    pub(super) records: u64,
    pub(super) blake3: String,
}

#[derive(Serialize)]
struct CommitOut<'a> {
    commit: &'a Commit,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommitIn {
    commit: Commit,
}

pub(super) fn write_commit(line: &mut Vec<u8>, commit: &Commit) {
    serde_json::to_writer(&mut *line, &CommitOut { commit }).expect("a commit has a form in JSON");
    line.push(b'\n');
}

/// Reads a commit line; `None` for every other line.
pub(super) fn read_commit(line: &[u8]) -> Option<Commit> {
    if !line.starts_with(b"{\"commit\":") {
        return None;
    }
    serde_json::from_slice::<CommitIn>(line).ok().map(|line| line.commit)
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RecordIn {
    Open(OpeningIn),
    Step(StepIn),
    Outputs(MapIn),
    Protected(Vec<String>),
    Bound(BindingWire),
    Close(Outcome),
}

#[derive(Deserialize)]
struct OpeningIn {
    format: String,
    #[serde(flatten)]
    opening: OpeningWire<'static>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepIn {
    phase: PhaseWire,
    step: u32,
    addr: String,
    #[serde(with = "time")]
    at: jiff::Timestamp,
    failure: Option<FailureIn>,
    resource: Option<ResourceIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailureIn {
    class: String,
    message: String,
    causes: Vec<String>,
    help: Option<String>,
    request_id: Option<String>,
}

impl From<FailureIn> for Failure {
    fn from(wire: FailureIn) -> Failure {
        let FailureIn { class, message, causes, help, request_id } = wire;
        Failure { class, message, causes, help, request_id }
    }
}

impl From<Phase> for PhaseWire {
    fn from(phase: Phase) -> PhaseWire {
        match phase {
            Phase::Begin => PhaseWire::Begin,
            Phase::Accepted => PhaseWire::Accepted,
            Phase::End => PhaseWire::End,
            Phase::Failed => PhaseWire::Failed,
        }
    }
}

impl From<PhaseWire> for Phase {
    fn from(phase: PhaseWire) -> Phase {
        match phase {
            PhaseWire::Begin => Phase::Begin,
            PhaseWire::Accepted => Phase::Accepted,
            PhaseWire::End => Phase::End,
            PhaseWire::Failed => Phase::Failed,
        }
    }
}

/// Why a line whose hash is right cannot be understood.
pub(super) enum LineError {
    Json(serde_json::Error),
    Newer(String),
    Part(PartError),
}

impl<E: Into<PartError>> From<E> for LineError {
    fn from(error: E) -> LineError {
        LineError::Part(error.into())
    }
}

/// Reads one record.
pub(super) fn read_record(
    line: &[u8],
    access: &Access,
    lineage: &str,
) -> Result<Record<'static>, LineError> {
    Ok(match serde_json::from_slice(line).map_err(LineError::Json)? {
        RecordIn::Open(open) if open.format != FORMAT => return Err(LineError::Newer(open.format)),
        RecordIn::Open(open) => Record::Open(opening_in(open.opening)),
        RecordIn::Step(step) => {
            let addr: Addr = step.addr.parse()?;
            let open = |resource: ResourceIn| resource.open(&addr, lineage, access);
            Record::Step(Step {
                phase: step.phase.into(),
                step: step.step,
                resource: step.resource.map(open).transpose()?.map(Cow::Owned),
                failure: step.failure.map(Into::into),
                at: step.at,
                addr,
            })
        }
        RecordIn::Outputs(map) => {
            Record::Outputs(Cow::Owned(open_map(map, access, lineage, Place::Outputs)?))
        }
        RecordIn::Protected(texts) => Record::Protected(Cow::Owned(addrs_in(texts)?)),
        RecordIn::Bound(bound) => Record::Bound(bound.into()),
        RecordIn::Close(outcome) => Record::Close(outcome),
    })
}

fn opening_in(wire: OpeningWire<'_>) -> Opening {
    Opening {
        lineage: wire.lineage.into_owned(),
        serial: wire.serial,
        operation: wire.operation.into_owned(),
        fence: wire.fence,
        plan: wire.plan.map(Cow::into_owned),
        command: wire.command.into_owned(),
        command_line: wire.command_line.into_owned(),
        user: wire.user.into_owned(),
        host: wire.host.into_owned(),
        pid: wire.pid,
        started: wire.started,
    }
}

#[derive(Serialize)]
struct FailedOut<'a> {
    #[serde(with = "time")]
    at: jiff::Timestamp,
    operation: &'a str,
    step: u32,
    address: AddrOut<'a>,
    #[serde(flatten)]
    failure: FailureOut<'a>,
}

#[derive(Deserialize)]
struct FailedIn {
    #[serde(with = "time")]
    at: jiff::Timestamp,
    operation: String,
    step: u32,
    address: String,
    class: String,
    message: String,
    causes: Vec<String>,
    help: Option<String>,
    request_id: Option<String>,
}

impl FailedStep {
    /// Appends it as a line of the history of errors.
    pub(crate) fn write_line(&self, line: &mut Vec<u8>) {
        let out = FailedOut {
            at: self.at,
            operation: &self.operation,
            step: self.step,
            address: AddrOut(&self.addr),
            failure: FailureOut::new(&self.failure),
        };
        serde_json::to_writer(&mut *line, &out).expect("texts have a form in JSON");
        line.push(b'\n');
    }

    /// Reads such a line; `None` when it is not one.
    pub(crate) fn read_line(line: &[u8]) -> Option<FailedStep> {
        let wire: FailedIn = serde_json::from_slice(line).ok()?;
        let FailedIn { class, message, causes, help, request_id, .. } = wire;
        Some(FailedStep {
            operation: wire.operation,
            step: wire.step,
            addr: wire.address.parse().ok()?,
            at: wire.at,
            failure: Failure { class, message, causes, help, request_id },
        })
    }
}
