//! The parts that the state's file and the journal are made of, as JSON.
//!
//! Written by `…Out` structs that borrow, read by `…In` structs that refuse unknown fields: both
//! are the format `1`, and a change to either is a new number and a golden of the old form.
//! Secrets are in here only sealed.

pub(crate) mod value;

use super::{Binding, Object, Resource, Status};
use crate::vault::{Access, Place, VaultError, WrappedKey};
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{Accepted, Observed, OnDestroy, Token};
use serde::{Deserialize, Serialize, Serializer};
use value::{MapIn, MapOut, Sealing, open_map};

/// Why a part cannot be understood although it is JSON of the right shape.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PartError {
    #[error(transparent)]
    Addr(#[from] dsenv_sdk::addr::AddrError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// An address as text.
pub(crate) struct AddrOut<'a>(pub(crate) &'a Addr);

impl Serialize for AddrOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

pub(crate) fn addrs_in<C: FromIterator<Addr>>(texts: Vec<String>) -> Result<C, PartError> {
    texts.iter().map(|text| Ok(text.parse()?)).collect()
}

/// Writes a resource.
#[derive(Serialize)]
pub(crate) struct ResourceOut<'a> {
    kind: &'a str,
    #[serde(rename = "type")]
    ty: &'a str,
    provider: &'a str,
    generation: u64,
    current: Option<ObjectOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deposed: Vec<ObjectOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<AddrOut<'a>>,
    create_first: bool,
    on_destroy: &'static str,
}

impl<'a> ResourceOut<'a> {
    pub(crate) fn new(resource: &'a Resource, sealing: Sealing<'a>) -> ResourceOut<'a> {
        ResourceOut {
            kind: &resource.kind,
            ty: &resource.ty,
            provider: &resource.provider,
            generation: resource.generation,
            current: resource.current.as_ref().map(|object| ObjectOut::new(object, sealing)),
            deposed: resource.deposed.iter().map(|o| ObjectOut::new(o, sealing)).collect(),
            depends_on: resource.depends_on.iter().map(AddrOut).collect(),
            create_first: resource.create_first,
            on_destroy: match resource.on_destroy {
                OnDestroy::Refuse => "refuse",
                OnDestroy::Snapshot => "snapshot",
                OnDestroy::Retain => "retain",
                OnDestroy::Delete => "delete",
            },
        }
    }
}

#[derive(Serialize)]
struct ObjectOut<'a> {
    token: &'a str,
    generation: u64,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    ty: Option<&'a str>,
    status: StatusWire,
    remote_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    doubt_since: Option<TimeWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<AcceptedOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price_paid: Option<&'a str>,
    args: MapOut<'a>,
    observed: MapOut<'a>,
}

impl<'a> ObjectOut<'a> {
    fn new(object: &'a Object, sealing: Sealing<'a>) -> ObjectOut<'a> {
        ObjectOut {
            token: object.token.as_str(),
            generation: object.generation,
            ty: object.ty.as_deref(),
            status: object.status.into(),
            remote_id: &object.observed.remote_id,
            doubt_since: object.doubt_since.map(TimeWire),
            accepted: object.accepted.as_ref().map(|accepted| AcceptedOut {
                remote_id: accepted.remote_id.as_deref(),
                operation: &accepted.operation,
                waits_for: &accepted.waits_for,
                ask_again_ms: accepted.ask_again_ms,
            }),
            price_paid: object.price_paid.as_deref(),
            args: MapOut(&object.args, sealing),
            observed: MapOut(&object.observed.values, sealing),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct TimeWire(#[serde(with = "time")] jiff::Timestamp);

#[derive(Serialize)]
struct AcceptedOut<'a> {
    remote_id: Option<&'a str>,
    operation: &'a str,
    waits_for: &'a str,
    ask_again_ms: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StatusWire {
    Ready,
    Tainted,
    Creating,
    Updating,
    Deleting,
}

impl From<Status> for StatusWire {
    fn from(status: Status) -> StatusWire {
        match status {
            Status::Ready => StatusWire::Ready,
            Status::Tainted => StatusWire::Tainted,
            Status::Creating => StatusWire::Creating,
            Status::Updating => StatusWire::Updating,
            Status::Deleting => StatusWire::Deleting,
        }
    }
}

impl From<StatusWire> for Status {
    fn from(status: StatusWire) -> Status {
        match status {
            StatusWire::Ready => Status::Ready,
            StatusWire::Tainted => Status::Tainted,
            StatusWire::Creating => Status::Creating,
            StatusWire::Updating => Status::Updating,
            StatusWire::Deleting => Status::Deleting,
        }
    }
}

/// Reads a resource.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResourceIn {
    kind: String,
    #[serde(rename = "type")]
    ty: String,
    provider: String,
    generation: u64,
    current: Option<ObjectIn>,
    #[serde(default)]
    deposed: Vec<ObjectIn>,
    #[serde(default)]
    depends_on: Vec<String>,
    create_first: bool,
    on_destroy: OnDestroyIn,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OnDestroyIn {
    Refuse,
    Snapshot,
    Retain,
    Delete,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectIn {
    token: String,
    generation: u64,
    #[serde(rename = "type")]
    ty: Option<String>,
    status: StatusWire,
    remote_id: String,
    doubt_since: Option<TimeWire>,
    accepted: Option<AcceptedIn>,
    price_paid: Option<String>,
    args: MapIn,
    observed: MapIn,
}

impl std::fmt::Debug for StatusWire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Status::from(*self).fmt(f)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptedIn {
    remote_id: Option<String>,
    operation: String,
    waits_for: String,
    ask_again_ms: u64,
}

impl ResourceIn {
    /// Opens its secrets and parses its texts.
    pub(crate) fn open(
        self,
        addr: &Addr,
        lineage: &str,
        access: &Access,
    ) -> Result<Resource, PartError> {
        let open = |object: ObjectIn| object.open(addr, lineage, access);
        Ok(Resource {
            kind: self.kind,
            ty: self.ty,
            provider: self.provider,
            generation: self.generation,
            current: self.current.map(open).transpose()?,
            deposed: self.deposed.into_iter().map(open).collect::<Result<_, _>>()?,
            depends_on: addrs_in(self.depends_on)?,
            create_first: self.create_first,
            on_destroy: match self.on_destroy {
                OnDestroyIn::Refuse => OnDestroy::Refuse,
                OnDestroyIn::Snapshot => OnDestroy::Snapshot,
                OnDestroyIn::Retain => OnDestroy::Retain,
                OnDestroyIn::Delete => OnDestroy::Delete,
            },
        })
    }
}

impl ObjectIn {
    fn open(self, addr: &Addr, lineage: &str, access: &Access) -> Result<Object, VaultError> {
        let place = Place::Node(addr);
        Ok(Object {
            token: Token::from_text(&self.token),
            generation: self.generation,
            ty: self.ty,
            args: open_map(self.args, access, lineage, place)?,
            observed: Observed {
                remote_id: self.remote_id,
                values: open_map(self.observed, access, lineage, place)?,
            },
            status: self.status.into(),
            doubt_since: self.doubt_since.map(|TimeWire(since)| since),
            accepted: self.accepted.map(|accepted| Accepted {
                remote_id: accepted.remote_id,
                operation: accepted.operation,
                waits_for: accepted.waits_for,
                ask_again_ms: accepted.ask_again_ms,
            }),
            price_paid: self.price_paid,
        })
    }
}

/// Where the objects live.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BindingWire {
    provider: String,
    account: String,
    region: String,
}

impl From<&Binding> for BindingWire {
    fn from(bound: &Binding) -> BindingWire {
        let Binding { provider, account, region } = bound.clone();
        BindingWire { provider, account, region }
    }
}

impl From<BindingWire> for Binding {
    fn from(wire: BindingWire) -> Binding {
        let BindingWire { provider, account, region } = wire;
        Binding { provider, account, region }
    }
}

/// The wrapped key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrappedKeyWire {
    recipients: Vec<String>,
    sealed: String,
}

impl From<&WrappedKey> for WrappedKeyWire {
    fn from(key: &WrappedKey) -> WrappedKeyWire {
        let WrappedKey { recipients, sealed } = key.clone();
        WrappedKeyWire { recipients, sealed }
    }
}

impl From<WrappedKeyWire> for WrappedKey {
    fn from(wire: WrappedKeyWire) -> WrappedKey {
        let WrappedKeyWire { recipients, sealed } = wire;
        WrappedKey { recipients, sealed }
    }
}

/// Times as RFC 3339 text.
pub(crate) mod time {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(
        time: &jiff::Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<jiff::Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// One entry of the history: an apply, an import or an edit. Nothing rewrites one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its own name, random.
    pub id: String,
    /// The operation before it; `None` is the first.
    pub parent: Option<String>,
    /// What it did, in a word or two: `apply`, `state mv`.
    pub command: String,
    /// The command line as it was typed.
    pub command_line: String,
    /// Who typed it.
    pub user: String,
    /// Where.
    pub host: String,
    /// As which process.
    pub pid: u32,
    /// When it began.
    #[serde(with = "time")]
    pub started: jiff::Timestamp,
    /// When its result was written; for one that was interrupted, when that was found.
    #[serde(with = "time")]
    pub ended: jiff::Timestamp,
    /// The serial that it began from.
    pub serial_before: u64,
    /// The serial that it wrote.
    pub serial_after: u64,
    /// The digest of the plan that was applied.
    pub plan: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// For an interrupted operation, the process that folded its journal in: `user@host, pid N`.
    pub recovered_by: Option<String>,
    /// For a restore, the serial whose content was taken.
    pub restored_from: Option<u64>,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything that was planned was done.
    Done,
    /// Some of it was.
    Partly,
    /// Nothing changed.
    Failed,
    /// Its end was not seen: the process died, or lost its lock.
    Interrupted,
}
