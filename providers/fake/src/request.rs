//! The calls that pass between a connection and the cloud, in process or over the wire.
//!
//! One enum for the question and one for the answer, so that both ways in share every rule,
//! every fault and the log.

use crate::calls::{Call, Outcome, Verb};
use dsenv_sdk::addr::Addr;
use dsenv_sdk::preflight::{Intent, Remark};
use dsenv_sdk::provider::{DataFate, Found, Identity, Observed, Owned, Owner, Progress, Token};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::value::{Map, Value};

/// One question to the cloud, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) owner: Owner,
    pub(crate) ask: Ask,
}

/// What is asked. The fields are those of the trait's requests.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Identity,
    Find { ty: &'static NativeType, token: Token },
    ReadMany { ty: &'static NativeType, wanted: Vec<(Addr, String)> },
    Create { ty: &'static NativeType, addr: Addr, token: Token, args: Map },
    Update { ty: &'static NativeType, addr: Addr, token: Token, remote_id: String, args: Map },
    Delete { ty: &'static NativeType, addr: Addr, token: Token, remote_id: String, data: DataFate },
    Poll { ty: &'static NativeType, remote_id: Option<String>, operation: String },
    ReadForeign { ty: &'static NativeType, remote_id: String },
    Claim { ty: &'static NativeType, addr: Addr, token: Token, remote_id: String },
    Inventory { lineage: Option<String> },
    Preflight { intended: Vec<(Addr, &'static NativeType, Intent)>, check_permissions: bool },
    Pin { pin: String, need: Value },
    Close { kept: Vec<Token> },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    Identity(Identity),
    Found(Option<Found>),
    Read(Vec<Option<Observed>>),
    /// With a line for people, where there is something to say.
    Progress(Progress<Option<Observed>>, Option<String>),
    Object(Option<Observed>),
    Owned(Vec<Owned>),
    Remarks(Vec<Remark>),
    Pinned(Value),
    Nothing,
}

impl Ask {
    pub(crate) fn verb(&self) -> Verb {
        match self {
            Ask::Identity => Verb::Identity,
            Ask::Find { .. } => Verb::Find,
            Ask::ReadMany { .. } => Verb::ReadMany,
            Ask::Create { .. } => Verb::Create,
            Ask::Update { .. } => Verb::Update,
            Ask::Delete { .. } => Verb::Delete,
            Ask::Poll { .. } => Verb::Poll,
            Ask::ReadForeign { .. } => Verb::ReadForeign,
            Ask::Claim { .. } => Verb::Claim,
            Ask::Inventory { .. } => Verb::Inventory,
            Ask::Preflight { .. } => Verb::Preflight,
            Ask::Pin { .. } => Verb::Pin,
            Ask::Close { .. } => Verb::Close,
        }
    }

    /// Writes it down as a call that has just come in.
    pub(crate) fn call(&self) -> Call {
        let mut call = Call {
            seq: 0,
            verb: self.verb(),
            ty: None,
            addr: None,
            token: None,
            remote_id: None,
            objects: 1,
            changed: false,
            effect: None,
            outcome: Outcome::InFlight,
        };
        match self {
            Ask::Identity
            | Ask::Inventory { .. }
            | Ask::Preflight { .. }
            | Ask::Pin { .. }
            | Ask::Close { .. } => {}
            Ask::Find { ty, token } => {
                call.ty = Some(ty.name);
                call.token = Some(token.clone());
            }
            Ask::ReadMany { ty, wanted } => {
                call.ty = Some(ty.name);
                call.objects = wanted.len();
                if let [(addr, remote_id)] = wanted.as_slice() {
                    call.addr = Some(addr.clone());
                    call.remote_id = Some(remote_id.clone());
                }
            }
            Ask::Create { ty, addr, token, .. } => {
                call.ty = Some(ty.name);
                call.addr = Some(addr.clone());
                call.token = Some(token.clone());
            }
            Ask::Update { ty, addr, token, remote_id, .. }
            | Ask::Delete { ty, addr, token, remote_id, .. }
            | Ask::Claim { ty, addr, token, remote_id } => {
                call.ty = Some(ty.name);
                call.addr = Some(addr.clone());
                call.token = Some(token.clone());
                call.remote_id = Some(remote_id.clone());
            }
            Ask::Poll { ty, remote_id, .. } => {
                call.ty = Some(ty.name);
                call.remote_id = remote_id.clone();
            }
            Ask::ReadForeign { ty, remote_id } => {
                call.ty = Some(ty.name);
                call.remote_id = Some(remote_id.clone());
            }
        }
        call
    }
}

impl Reply {
    /// Returns the object that the answer is about, for the log.
    pub(crate) fn remote_id(&self) -> Option<String> {
        match self {
            Reply::Progress(Progress::Done(observed), _) | Reply::Object(observed) => {
                observed.as_ref().map(|observed| observed.remote_id.clone())
            }
            Reply::Progress(Progress::Accepted(accepted), _) => accepted.remote_id.clone(),
            Reply::Found(found) => found.as_ref().map(|found| found.observed.remote_id.clone()),
            Reply::Identity(_)
            | Reply::Read(_)
            | Reply::Owned(_)
            | Reply::Remarks(_)
            | Reply::Pinned(_)
            | Reply::Nothing => None,
        }
    }
}
