//! The plan's file, format `dsenv-plan-file/1`: what `plan -o` writes and `apply FILE` obeys.
//!
//! ```text
//! {
//!   "format": "dsenv-plan-file/1",
//!   "dsenv": "0.1.0",          which version made it: no other one may apply it
//!   "blake3": "…",             of every byte behind this line
//!   "mode": "apply",
//!   …
//!   "steps": [
//!     {…},                     one line a step
//! ```
//! Format and version are read before anything else, so that a plan of another version is called
//! that and not damaged. The checksum is against accidents and editors, not against forgers.
//!
//! ## What is left out
//! What apply neither does nor shows: the arguments of nodes that stay as they are, what refresh saw
//! of them, and the neutral arguments that no open expression refers to. A plan of one change in ten
//! thousand resources stays small.

use super::parts::{BoundWire, ChangeWire, ModeWire, NodeWire, StepWire, decode_map};
use super::term::{self, BoxError, Object, Open, Seal};
use crate::diff::{Action, Change, Reason};
use crate::plan::{Allowed, Plan, Verb};
use crate::resolve::Scope;
use dsenv_sdk::schema::ReplaceOrder;
use dsenv_sdk::value::wire;
use dsenv_sdk::{Addr, Term};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The format that this version writes, and the only one that it reads.
pub const FILE_FORMAT: &str = "dsenv-plan-file/1";
/// A plan's file may not be larger.
pub const PLAN_FILE_BYTES_MAX: usize = 1 << 30;

/// Why a plan's file is not applied. The caller adds which file.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// It is something else.
    #[error("this is not a plan of dsenv: it does not begin with the format `{FILE_FORMAT}`")]
    NotAPlan,
    /// It is what `plan --json` printed.
    #[error(
        "this is the output of `dsenv plan --json`, which is made to be read; `dsenv plan -o FILE` writes a plan that can be applied"
    )]
    Readable,
    /// Another version of dsenv wrote it in another format.
    #[error("the plan has the format `{format}`, and this dsenv reads `{FILE_FORMAT}`")]
    OtherFormat {
        /// What it says.
        format: String,
    },
    /// Another version of dsenv made it; it might do something else with the same plan.
    #[error("dsenv {made_by} made the plan, and this is dsenv {this}")]
    OtherVersion {
        /// The version that made it.
        made_by: String,
        /// The version that was to read it.
        this: String,
    },
    /// Its end is missing.
    #[error("the plan is incomplete: its end is missing")]
    Truncated,
    /// A byte is not what it was.
    #[error("the plan was changed after it was made: its checksum does not match")]
    Changed,
    /// It is longer than anything that dsenv writes.
    #[error("the plan is larger than {PLAN_FILE_BYTES_MAX} bytes")]
    TooLarge,
    /// The checksum is right and the content is not: another program wrote it.
    #[error("the plan cannot be read: {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
    /// A secret in it cannot be opened.
    #[error("a secret in the plan cannot be opened")]
    Secret {
        /// Why.
        source: BoxError,
    },
}

/// Turns a plan into the text of its file; `seal` gives what stands for a secret, as an object with
/// the one key `$sealed`. It is not called for a plan without secrets.
pub fn save(plan: &Plan, seal: Seal<'_>) -> Vec<u8> {
    let mut body = Vec::with_capacity(1024 + 512 * plan.steps.len());
    write_body(&mut body, plan, seal);
    let hash = blake3::hash(&body).to_hex();
    let mut file = head(&plan.bound.tool_version, hash.as_str()).into_bytes();
    file.append(&mut body);
    file
}

/// Says whether these bytes begin as a plan's file does, of whatever version.
pub fn is_plan(bytes: &[u8]) -> bool {
    bytes.starts_with(b"{\n  \"format\": \"dsenv-plan-file/")
}

/// Computes the name of a plan: what an operation remembers of the plan that it applied. The same
/// plan has the same name, saved or not; the text of its secrets does not enter into it.
pub fn digest(plan: &Plan) -> String {
    let mut body = Vec::new();
    write_body(&mut body, plan, &mut |_| serde_json::json!({wire::SEALED: ""}));
    blake3::hash(&body).to_hex().to_string()
}

/// Reads a plan's file back. `tool_version` is the version of this dsenv; another one's plan is
/// refused. Does not compare the plan with a state or an account; the caller does.
pub fn load(bytes: &[u8], tool_version: &str, open: Open<'_>) -> Result<Plan, PlanFileError> {
    if bytes.len() > PLAN_FILE_BYTES_MAX {
        return Err(PlanFileError::TooLarge);
    }
    check_head(bytes, tool_version)?;
    let file: FileIn = serde_json::from_slice(bytes).map_err(|e| term::wrong(&e.to_string()))?;
    file.into_plan(open)
}

// ---------------------------------------------------------------- the head

fn head(tool_version: &str, hash: &str) -> String {
    let version = serde_json::Value::from(tool_version);
    format!(
        "{{\n  \"format\": \"{FILE_FORMAT}\",\n  \"dsenv\": {version},\n  \"blake3\": \"{hash}\",\n"
    )
}

/// Compares the head byte by byte and hashes the rest, so that every byte of the file counts.
fn check_head(bytes: &[u8], tool_version: &str) -> Result<(), PlanFileError> {
    let [open, format, version, hash, body] = {
        let mut lines = bytes.splitn(5, |byte| *byte == b'\n');
        std::array::from_fn(|_| lines.next().unwrap_or_default())
    };
    let format = entry(format, "format").filter(|_| open == b"{");
    match format.as_deref() {
        Some(FILE_FORMAT) => {}
        Some(other) if other.starts_with("dsenv-plan-file/") => {
            return Err(PlanFileError::OtherFormat { format: other.to_owned() });
        }
        _ if is_shown_plan(bytes) => return Err(PlanFileError::Readable),
        _ => return Err(PlanFileError::NotAPlan),
    }
    let made_by = entry(version, "dsenv").ok_or(PlanFileError::Changed)?;
    if made_by != tool_version {
        return Err(PlanFileError::OtherVersion { made_by, this: tool_version.to_owned() });
    }
    let length = bytes.len() - body.len();
    let expected = head(tool_version, blake3::hash(body).to_hex().as_str());
    if entry(hash, "blake3").is_some() && bytes[..length] == *expected.as_bytes() {
        return Ok(());
    }
    if body.ends_with(b"]\n}\n") {
        Err(PlanFileError::Changed)
    } else {
        Err(PlanFileError::Truncated)
    }
}

/// Reads one line of the head: `  "name": "text",`.
fn entry(line: &[u8], name: &str) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?.trim().strip_suffix(',')?;
    let text = line.strip_prefix(&format!("\"{name}\":"))?;
    serde_json::from_str(text).ok()
}

/// Says whether it is the document of `plan --json`.
fn is_shown_plan(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Head {
        format: String,
    }
    serde_json::from_slice::<Head>(bytes).is_ok_and(|head| head.format == super::FORMAT)
}

// ---------------------------------------------------------------- writing

fn write_body(text: &mut Vec<u8>, plan: &Plan, seal: Seal<'_>) {
    field(text, "mode", &ModeWire::from(plan.mode));
    field(text, "bound", &BoundWire::new(&plan.bound));
    field(text, "inputs", &wire::encode_map(&plan.scope.inputs, seal));
    field(text, "env", &wire::encode_map(&plan.scope.env, seal));
    field(text, "protect", &plan.protect.iter().map(Addr::to_string).collect::<Vec<_>>());
    field(text, "not_locked", &plan.not_locked);
    field(text, "allowed", &AllowedWire::new(&plan.allowed));
    field(text, "outputs", &term::encode_all(&plan.outputs, seal));
    let named = named_arguments(plan);
    let arguments = named.into_iter().map(|(addr, args)| (addr.to_string(), args));
    rows(text, "arguments", "{}", arguments, |(addr, args)| {
        (Some(addr), term::encode_all(args, seal))
    });
    rows(text, "nodes", "{}", &plan.nodes, |(addr, facts)| {
        (Some(addr.to_string()), NodeWire::new(facts))
    });
    let (unchanged, changes): (Vec<_>, Vec<_>) =
        plan.changes.iter().partition(|change| is_unchanged(change));
    let args = step_args(&plan.steps);
    rows(text, "changes", "[]", changes, |change| {
        (None, ChangeWire::new(change, args.get(&change.addr).copied(), seal))
    });
    rows(text, "unchanged", "[]", unchanged, |change| (None, UnchangedWire::new(change)));
    rows(text, "steps", "[]", &plan.steps, |step| (None, StepWire::new(step, seal)));
    // The last row ends with a comma; the file does not.
    text.truncate(text.len() - ",\n".len());
    text.extend_from_slice(b"\n}\n");
}

fn field(text: &mut Vec<u8>, name: &str, value: &impl Serialize) {
    text.extend_from_slice(format!("  \"{name}\": ").as_bytes());
    write(text, value);
    text.extend_from_slice(b",\n");
}

/// Writes a list or an object with one line an entry, so that a diff of two plans can be read.
fn rows<I: IntoIterator, W: Serialize>(
    text: &mut Vec<u8>,
    name: &str,
    brackets: &str,
    items: I,
    mut row: impl FnMut(I::Item) -> (Option<String>, W),
) {
    let (open, close) = brackets.split_at(1);
    text.extend_from_slice(format!("  \"{name}\": {open}").as_bytes());
    let mut between = "\n    ";
    for item in items {
        text.extend_from_slice(between.as_bytes());
        between = ",\n    ";
        let (key, value) = row(item);
        if let Some(key) = key {
            write(text, &key);
            text.extend_from_slice(b": ");
        }
        write(text, &value);
    }
    text.extend_from_slice(format!("\n  {close},\n").as_bytes());
}

fn write(text: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(text, value).expect("plain data with keys of text is JSON");
}

/// Says whether nothing is done with it and there is nothing to show of it.
fn is_unchanged(change: &Change) -> bool {
    change.action == Action::NoOp && change.drift.is_empty()
}

/// The arguments of each node's create or update.
fn step_args(steps: &[crate::plan::Step]) -> BTreeMap<&Addr, &BTreeMap<String, Term>> {
    let mut found = BTreeMap::new();
    for step in steps {
        match &step.verb {
            Verb::Create { args, .. } | Verb::Update { args } => {
                found.insert(&step.addr, &**args);
            }
            Verb::Resume | Verb::Delete { .. } | Verb::Forget | Verb::Record { .. } => {}
        }
    }
    found
}

/// The neutral arguments that something open may name: apply settles with these.
fn named_arguments(plan: &Plan) -> BTreeMap<&Addr, &BTreeMap<String, Term>> {
    let mut open: BTreeSet<Addr> = BTreeSet::new();
    let mut note = |term: &Term| {
        term.each_ref(&mut |reference| {
            open.insert(reference.addr.clone());
        });
    };
    step_args(&plan.steps).values().flat_map(|args| args.values()).for_each(&mut note);
    plan.outputs.values().for_each(&mut note);
    let mut open: Vec<Addr> = open.into_iter().collect();
    let mut named = BTreeMap::new();
    while let Some(addr) = open.pop() {
        let Some((addr, args)) = plan.arguments.get_key_value(&addr) else { continue };
        if named.insert(addr, &**args).is_some() {
            continue;
        }
        for term in args.values() {
            term.each_ref(&mut |reference| open.push(reference.addr.clone()));
        }
    }
    named
}

/// A node that stays as it is.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnchangedWire {
    address: String,
    kind: String,
    #[serde(rename = "type")]
    ty: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    left_out: bool,
}

impl UnchangedWire {
    fn new(change: &Change) -> UnchangedWire {
        UnchangedWire {
            address: change.addr.to_string(),
            kind: change.kind.clone(),
            ty: change.ty.clone(),
            left_out: change.reason == Reason::LeftOut,
        }
    }

    fn into_change(self) -> Result<Change, PlanFileError> {
        Ok(Change {
            addr: term::addr(&self.address)?,
            kind: self.kind,
            ty: self.ty,
            action: Action::NoOp,
            order: ReplaceOrder::DeleteFirst,
            reason: if self.left_out { Reason::LeftOut } else { Reason::Same },
            before: None,
            after: Arc::default(),
            drift: Vec::new(),
            observed: None,
        })
    }
}

/// What the user allowed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowedWire {
    replace: Vec<String>,
    delete_data: Vec<String>,
}

impl AllowedWire {
    fn new(allowed: &Allowed) -> AllowedWire {
        let texts = |addrs: &[Addr]| addrs.iter().map(Addr::to_string).collect();
        let Allowed { replace, delete_data } = allowed;
        AllowedWire { replace: texts(replace), delete_data: texts(delete_data) }
    }

    fn into_allowed(self) -> Result<Allowed, PlanFileError> {
        let addrs = |texts: Vec<String>| {
            texts.iter().map(|text| term::addr(text)).collect::<Result<Vec<Addr>, _>>()
        };
        Ok(Allowed { replace: addrs(self.replace)?, delete_data: addrs(self.delete_data)? })
    }
}

// ---------------------------------------------------------------- reading

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileIn {
    #[serde(rename = "format")]
    _format: serde::de::IgnoredAny,
    dsenv: String,
    #[serde(rename = "blake3")]
    _blake3: serde::de::IgnoredAny,
    mode: ModeWire,
    bound: BoundWire,
    inputs: Object,
    env: Object,
    protect: Vec<String>,
    not_locked: Vec<String>,
    allowed: AllowedWire,
    outputs: Object,
    arguments: BTreeMap<String, Object>,
    nodes: BTreeMap<String, NodeWire>,
    changes: Vec<ChangeWire>,
    unchanged: Vec<UnchangedWire>,
    steps: Vec<StepWire>,
}

impl FileIn {
    fn into_plan(self, open: Open<'_>) -> Result<Plan, PlanFileError> {
        let steps = self.steps.into_iter().map(|step| step.into_step(open));
        let steps = steps.collect::<Result<Vec<_>, _>>()?;
        let ends = u32::try_from(steps.len()).unwrap_or(u32::MAX);
        if steps.iter().flat_map(|step| &step.after).any(|after| *after >= ends) {
            return Err(term::wrong("a step waits for one that is not there"));
        }
        let args = step_args(&steps);
        let changes = self.changes.into_iter().map(|change| change.into_change(&args, open));
        let mut changes = changes.collect::<Result<Vec<_>, _>>()?;
        for unchanged in self.unchanged {
            changes.push(unchanged.into_change()?);
        }
        let mut arguments = BTreeMap::new();
        for (addr, args) in self.arguments {
            arguments.insert(term::addr(&addr)?, term::decode_all(args, open)?.into());
        }
        let mut nodes = BTreeMap::new();
        for (addr, facts) in self.nodes {
            nodes.insert(term::addr(&addr)?, facts.into_facts()?);
        }
        let protect = self.protect.iter().map(|text| term::addr(text));
        Ok(Plan {
            bound: self.bound.into_bound(&self.dsenv),
            mode: self.mode.into(),
            changes,
            nodes,
            scope: Scope {
                inputs: decode_map(self.inputs, open)?,
                env: decode_map(self.env, open)?,
            },
            arguments: Arc::new(arguments),
            outputs: term::decode_all(self.outputs, open)?,
            protect: protect.collect::<Result<_, _>>()?,
            not_locked: self.not_locked,
            allowed: self.allowed.into_allowed()?,
            steps,
        })
    }
}
