//! The parts that the plan's file is made of. `...Out` borrow and are written, `...In` own and are
//! read; both refuse what they do not know, and both are format 1.

use super::file::PlanFileError;
use super::term::{self, Object, Open, Seal};
use crate::diff::{Action, Change, Drift, Mode, Reason};
use crate::plan::{BoundTo, NodeFacts, Step, Verb};
use crate::state::Binding;
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{DataFate, Observed, OnDestroy};
use dsenv_sdk::schema::ReplaceOrder;
use dsenv_sdk::value::{Map, wire};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Makes a serde twin of an enum without data, which has none of its own.
macro_rules! words {
    ($wire:ident for $of:ident { $($name:ident),* $(,)? }) => {
        #[derive(Clone, Copy, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(super) enum $wire { $($name),* }

        impl From<$of> for $wire {
            fn from(value: $of) -> $wire {
                match value { $($of::$name => $wire::$name),* }
            }
        }

        impl From<$wire> for $of {
            fn from(value: $wire) -> $of {
                match value { $($wire::$name => $of::$name),* }
            }
        }
    };
}

words!(ActionWire for Action { Create, Update, Replace, Delete, Forget, Resume, NoOp });
words!(ModeWire for Mode { Apply, Destroy, RefreshOnly });
words!(OrderWire for ReplaceOrder { CreateFirst, DeleteFirst });
words!(FateWire for DataFate { Delete, Snapshot });
words!(OnDestroyWire for OnDestroy { Refuse, Snapshot, Retain, Delete });

/// Why, with the names of arguments where it has some.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code", content = "fields")]
pub(super) enum ReasonWire {
    New,
    Changed(Vec<String>),
    Drifted(Vec<String>),
    GoneOutside,
    Tainted,
    ReplaceOutstanding,
    Interrupted,
    Requested,
    BlockGone,
    Destroy,
    Deposed,
    Same,
    LeftOut,
}

impl From<&Reason> for ReasonWire {
    fn from(reason: &Reason) -> ReasonWire {
        match reason {
            Reason::New => ReasonWire::New,
            Reason::Changed(fields) => ReasonWire::Changed(fields.clone()),
            Reason::Drifted(fields) => ReasonWire::Drifted(fields.clone()),
            Reason::GoneOutside => ReasonWire::GoneOutside,
            Reason::Tainted => ReasonWire::Tainted,
            Reason::ReplaceOutstanding => ReasonWire::ReplaceOutstanding,
            Reason::Interrupted => ReasonWire::Interrupted,
            Reason::Requested => ReasonWire::Requested,
            Reason::BlockGone => ReasonWire::BlockGone,
            Reason::Destroy => ReasonWire::Destroy,
            Reason::Deposed => ReasonWire::Deposed,
            Reason::Same => ReasonWire::Same,
            Reason::LeftOut => ReasonWire::LeftOut,
        }
    }
}

impl From<ReasonWire> for Reason {
    fn from(reason: ReasonWire) -> Reason {
        match reason {
            ReasonWire::New => Reason::New,
            ReasonWire::Changed(fields) => Reason::Changed(fields),
            ReasonWire::Drifted(fields) => Reason::Drifted(fields),
            ReasonWire::GoneOutside => Reason::GoneOutside,
            ReasonWire::Tainted => Reason::Tainted,
            ReasonWire::ReplaceOutstanding => Reason::ReplaceOutstanding,
            ReasonWire::Interrupted => Reason::Interrupted,
            ReasonWire::Requested => Reason::Requested,
            ReasonWire::BlockGone => Reason::BlockGone,
            ReasonWire::Destroy => Reason::Destroy,
            ReasonWire::Deposed => Reason::Deposed,
            ReasonWire::Same => Reason::Same,
            ReasonWire::LeftOut => Reason::LeftOut,
        }
    }
}

// ---------------------------------------------------------------- what it is bound to

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BoundWire {
    blueprint: String,
    blueprint_digest: String,
    environment: String,
    binding: Option<BindingWire>,
    lineage: String,
    serial: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BindingWire {
    provider: String,
    account: String,
    region: String,
}

impl BoundWire {
    pub(super) fn new(bound: &BoundTo) -> BoundWire {
        let BoundTo { blueprint, blueprint_digest, environment, lineage, serial, .. } =
            bound.clone();
        let binding = bound.binding.clone().map(|binding| {
            let Binding { provider, account, region } = binding;
            BindingWire { provider, account, region }
        });
        BoundWire { blueprint, blueprint_digest, environment, binding, lineage, serial }
    }

    /// The version stands in the file's head, not here.
    pub(super) fn into_bound(self, tool_version: &str) -> BoundTo {
        let binding = self.binding.map(|binding| {
            let BindingWire { provider, account, region } = binding;
            Binding { provider, account, region }
        });
        BoundTo {
            tool_version: tool_version.to_owned(),
            blueprint: self.blueprint,
            blueprint_digest: self.blueprint_digest,
            environment: self.environment,
            binding,
            lineage: self.lineage,
            serial: self.serial,
        }
    }
}

// ---------------------------------------------------------------- nodes

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeWire {
    kind: String,
    #[serde(rename = "type")]
    ty: String,
    provider: String,
    depends_on: Vec<String>,
    create_first: bool,
    on_destroy: OnDestroyWire,
    timeouts_s: [Option<u64>; 3],
}

impl NodeWire {
    pub(super) fn new(facts: &NodeFacts) -> NodeWire {
        NodeWire {
            kind: facts.kind.clone(),
            ty: facts.ty.clone(),
            provider: facts.provider.clone(),
            depends_on: facts.depends_on.iter().map(Addr::to_string).collect(),
            create_first: facts.create_first,
            on_destroy: facts.on_destroy.into(),
            timeouts_s: facts.timeouts_s,
        }
    }

    pub(super) fn into_facts(self) -> Result<NodeFacts, PlanFileError> {
        let depends_on = self.depends_on.iter().map(|text| term::addr(text));
        Ok(NodeFacts {
            kind: self.kind,
            ty: self.ty,
            provider: self.provider,
            depends_on: depends_on.collect::<Result<_, _>>()?,
            create_first: self.create_first,
            on_destroy: self.on_destroy.into(),
            timeouts_s: self.timeouts_s,
        })
    }
}

// ---------------------------------------------------------------- changes

/// A change. `after` is absent when the step of the same node has the same arguments.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeWire {
    address: String,
    kind: String,
    #[serde(rename = "type")]
    ty: String,
    action: ActionWire,
    order: OrderWire,
    reason: ReasonWire,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Object>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Object>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    drift: Vec<DriftWire>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DriftWire {
    name: String,
    before: Json,
    after: Json,
    relevant: bool,
}

impl ChangeWire {
    /// `in_step` are the arguments of the node's create or update, when it has one.
    pub(super) fn new(
        change: &Change,
        in_step: Option<&BTreeMap<String, dsenv_sdk::Term>>,
        seal: Seal<'_>,
    ) -> ChangeWire {
        let before = change.before.as_ref().map(|before| wire::encode_map(before, seal));
        let follows = in_step.map_or(change.after.is_empty(), |args| *args == *change.after);
        let after = if follows { None } else { Some(term::encode_all(&change.after, seal)) };
        let drift = change.drift.iter().map(|drift| DriftWire {
            name: drift.name.clone(),
            before: wire::encode(&drift.before, seal),
            after: wire::encode(&drift.after, seal),
            relevant: drift.relevant,
        });
        ChangeWire {
            address: change.addr.to_string(),
            kind: change.kind.clone(),
            ty: change.ty.clone(),
            action: change.action.into(),
            order: change.order.into(),
            reason: (&change.reason).into(),
            before,
            after,
            drift: drift.collect(),
        }
    }

    pub(super) fn into_change(
        self,
        steps: &BTreeMap<&Addr, &BTreeMap<String, dsenv_sdk::Term>>,
        open: Open<'_>,
    ) -> Result<Change, PlanFileError> {
        let addr = term::addr(&self.address)?;
        let after = match self.after {
            Some(after) => term::decode_all(after, open)?,
            None => steps.get(&addr).map(|args| (*args).clone()).unwrap_or_default(),
        };
        let before = self.before.map(|before| decode_map(before, open)).transpose()?;
        let mut drift = Vec::with_capacity(self.drift.len());
        for wire in self.drift {
            drift.push(Drift {
                name: wire.name,
                before: term::decode_value(wire.before, open)?,
                after: term::decode_value(wire.after, open)?,
                relevant: wire.relevant,
            });
        }
        Ok(Change {
            addr,
            kind: self.kind,
            ty: self.ty,
            action: self.action.into(),
            order: self.order.into(),
            reason: self.reason.into(),
            before,
            after: after.into(),
            drift,
            observed: None,
        })
    }
}

pub(super) fn decode_map(object: Object, open: Open<'_>) -> Result<Map, PlanFileError> {
    wire::decode_map(object, open).map_err(|source| PlanFileError::Secret { source })
}

// ---------------------------------------------------------------- steps

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepWire {
    address: String,
    #[serde(rename = "do")]
    verb: VerbWire,
    after: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum VerbWire {
    Create { generation: u64, args: Object },
    Update { args: Object },
    Resume,
    Delete { generation: u64, fate: FateWire },
    Forget,
    Record { observed: Option<ObservedWire> },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ObservedWire {
    remote_id: String,
    values: Object,
}

impl StepWire {
    pub(super) fn new(step: &Step, seal: Seal<'_>) -> StepWire {
        let verb = match &step.verb {
            Verb::Create { generation, args } => {
                VerbWire::Create { generation: *generation, args: term::encode_all(args, seal) }
            }
            Verb::Update { args } => VerbWire::Update { args: term::encode_all(args, seal) },
            Verb::Resume => VerbWire::Resume,
            Verb::Delete { generation, fate } => {
                VerbWire::Delete { generation: *generation, fate: (*fate).into() }
            }
            Verb::Forget => VerbWire::Forget,
            Verb::Record { observed } => VerbWire::Record {
                observed: observed.as_ref().map(|observed| ObservedWire {
                    remote_id: observed.remote_id.clone(),
                    values: wire::encode_map(&observed.values, seal),
                }),
            },
        };
        StepWire { address: step.addr.to_string(), verb, after: step.after.clone() }
    }

    pub(super) fn into_step(self, open: Open<'_>) -> Result<Step, PlanFileError> {
        let verb = match self.verb {
            VerbWire::Create { generation, args } => {
                Verb::Create { generation, args: term::decode_all(args, open)?.into() }
            }
            VerbWire::Update { args } => {
                Verb::Update { args: term::decode_all(args, open)?.into() }
            }
            VerbWire::Resume => Verb::Resume,
            VerbWire::Delete { generation, fate } => Verb::Delete { generation, fate: fate.into() },
            VerbWire::Forget => Verb::Forget,
            VerbWire::Record { observed } => {
                let seen = |seen: ObservedWire| {
                    let values = decode_map(seen.values, open)?;
                    Ok::<_, PlanFileError>(Observed { remote_id: seen.remote_id, values })
                };
                Verb::Record { observed: observed.map(seen).transpose()? }
            }
        };
        Ok(Step { addr: term::addr(&self.address)?, verb, after: self.after })
    }
}
