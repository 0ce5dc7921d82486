//! The fake cloud as the engine sees it: the two halves of the contract.
//!
//! A connection translates each call of the trait into one `Ask` and hands it to the cloud, in
//! process or over loopback; it adds no rule of its own. Nodes that live in the state alone never
//! reach the cloud.

use crate::cloud::FakeCloud;
use crate::loopback;
use crate::lower::{self, Values};
use crate::native;
use crate::request::{Ask, Reply, Request};
use async_trait::async_trait;
use dsenv_sdk::addr::Addr;
use dsenv_sdk::builtin;
use dsenv_sdk::preflight::{Intended, Preflight, Remark};
use dsenv_sdk::provider::{
    Accepted, Connection, Create, Delete, Finding, Found, Identity, Native, Neutral, Observed,
    OpError, OpErrorClass, Owned, Owner, Prior, Progress, Provider, Setup, Surroundings, Token,
    Update, Want, Watch,
};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::value::Value;
use std::sync::Arc;

/// The variable that names a cloud in another process: `127.0.0.1:4567`.
pub const ENDPOINT_VARIABLE: &str = "DSENV_FAKE_ENDPOINT";

const KINDS: &[&str] = &[
    "bucket", "database", "key", "machine", "network", "pool", "secret", "share", "value", "volume",
];

/// The pure half.
#[derive(Clone, Debug)]
pub struct FakeProvider {
    cloud: Option<Arc<FakeCloud>>,
    values: Values,
}

impl FakeProvider {
    /// Makes a provider of a cloud in this process. [`ENDPOINT_VARIABLE`] goes before it.
    pub fn new(cloud: Arc<FakeCloud>) -> FakeProvider {
        FakeProvider { cloud: Some(cloud), values: Values::Builtin }
    }

    /// Makes a provider that has no cloud of its own: connecting needs [`ENDPOINT_VARIABLE`].
    pub fn remote() -> FakeProvider {
        FakeProvider { cloud: None, values: Values::Builtin }
    }

    /// The same provider, with `value` and `secret` lowered to this.
    pub fn values(mut self, values: Values) -> FakeProvider {
        self.values = values;
        self
    }
}

#[async_trait]
impl Provider for FakeProvider {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn native_types(&self) -> &'static [&'static NativeType] {
        native::TYPES
    }

    fn kinds(&self) -> &'static [&'static str] {
        KINDS
    }

    fn check(&self, resource: &Neutral, _: &Surroundings<'_>) -> Vec<Finding> {
        lower::check(resource)
    }

    fn wants(&self, resource: &Neutral, _: &Surroundings<'_>) -> Vec<Want> {
        lower::wants(resource)
    }

    fn lower(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
        lower::lower(resource, around, self.values)
    }

    fn looks_ahead(&self) -> bool {
        self.cloud.as_ref().is_some_and(|cloud| cloud.has_preflight())
    }

    async fn connect(&self, setup: Setup) -> Result<Arc<dyn Connection>, OpError> {
        let link = match (setup.variables.get(ENDPOINT_VARIABLE), &self.cloud) {
            (Some(endpoint), _) => Link::Loopback(endpoint.clone()),
            (None, Some(cloud)) => Link::InProcess(cloud.clone()),
            (None, None) => {
                let message = "there is no fake cloud to connect to";
                let help = format!("set {ENDPOINT_VARIABLE} to what `dsenv-fake` prints");
                return Err(OpError::new(OpErrorClass::Invalid, message).help(help));
            }
        };
        Ok(Arc::new(FakeConnection { owner: setup.owner, link }))
    }
}

#[derive(Clone, Debug)]
enum Link {
    InProcess(Arc<FakeCloud>),
    Loopback(String),
}

/// The live half.
#[derive(Debug)]
struct FakeConnection {
    owner: Owner,
    link: Link,
}

impl FakeConnection {
    async fn ask(&self, ask: Ask) -> Result<Reply, OpError> {
        let request = Request { owner: self.owner.clone(), ask };
        match &self.link {
            Link::InProcess(cloud) => cloud.serve(&request).await,
            Link::Loopback(endpoint) => loopback::ask(endpoint, &request).await,
        }
    }

    /// For how long fresh objects of a type without tokens may be invisible; `None` for other types.
    fn lag_ms(&self, ty: &NativeType) -> Option<u64> {
        match &self.link {
            Link::InProcess(cloud) => cloud.invisible_for_ms(ty.name),
            Link::Loopback(_) => None,
        }
    }

    /// Looks what an earlier attempt made, where a create takes no token; `None` when there is nothing
    /// to look for, or nothing is there and enough time has passed to be sure.
    async fn look_first(&self, request: Create<'_>) -> Result<Option<Observed>, OpError> {
        let (Some(lag_ms), Some(before_ms)) = (self.lag_ms(request.ty), request.begun_before_ms)
        else {
            return Ok(None);
        };
        match self.find(request.ty, request.token).await? {
            Some(found) if found.complete => Ok(Some(found.observed)),
            Some(found) => {
                let class = OpErrorClass::Partial(Box::new(found.observed));
                Err(OpError::new(class, "an earlier attempt stopped half way"))
            }
            None if before_ms < lag_ms => {
                let class = OpErrorClass::Throttled { retry_after_ms: Some(lag_ms - before_ms) };
                Err(OpError::new(class, "what an earlier attempt made may not be seen yet"))
            }
            None => Ok(None),
        }
    }

    /// Asks for a change, and passes on what there is to say.
    async fn change(
        &self,
        ask: Ask,
        watch: Watch<'_>,
    ) -> Result<Progress<Option<Observed>>, OpError> {
        match self.ask(ask).await? {
            Reply::Progress(progress, note) => {
                if let Some(note) = note {
                    watch(&note);
                }
                Ok(progress)
            }
            other => Err(strange(&other)),
        }
    }
}

/// An answer to another question: a bug of the fake's own wire.
fn strange(reply: &Reply) -> OpError {
    OpError::new(OpErrorClass::Unknown, format!("the cloud gave a strange answer: {reply:?}"))
}

/// A create or update that is done has an object.
fn with_object(progress: Progress<Option<Observed>>) -> Result<Progress<Observed>, OpError> {
    match progress {
        Progress::Done(Some(observed)) => Ok(Progress::Done(observed)),
        Progress::Accepted(accepted) => Ok(Progress::Accepted(accepted)),
        Progress::Done(None) => Err(strange(&Reply::Object(None))),
    }
}

#[async_trait]
impl Connection for FakeConnection {
    async fn identity(&self) -> Result<Identity, OpError> {
        match self.ask(Ask::Identity).await? {
            Reply::Identity(identity) => Ok(identity),
            other => Err(strange(&other)),
        }
    }

    async fn find(&self, ty: &'static NativeType, token: &Token) -> Result<Option<Found>, OpError> {
        if builtin::owns(ty) {
            return Ok(None);
        }
        match self.ask(Ask::Find { ty, token: token.clone() }).await? {
            Reply::Found(found) => Ok(found),
            other => Err(strange(&other)),
        }
    }

    async fn read_many(
        &self,
        ty: &'static NativeType,
        wanted: &[Prior],
    ) -> Result<Vec<Option<Observed>>, OpError> {
        if builtin::owns(ty) {
            return Ok(builtin::read_many(wanted));
        }
        let id = |prior: &Prior| (prior.addr.clone(), prior.observed.remote_id.clone());
        match self.ask(Ask::ReadMany { ty, wanted: wanted.iter().map(id).collect() }).await? {
            Reply::Read(read) => Ok(read),
            other => Err(strange(&other)),
        }
    }

    async fn create(&self, request: Create<'_>) -> Result<Progress<Observed>, OpError> {
        if builtin::owns(request.ty) {
            return Ok(Progress::Done(builtin::create(request)?));
        }
        if let Some(found) = self.look_first(request).await? {
            return Ok(Progress::Done(found));
        }
        let Create { addr, ty, token, args, watch, .. } = request;
        let (addr, token, args) = (addr.clone(), token.clone(), args.clone());
        with_object(self.change(Ask::Create { ty, addr, token, args }, watch).await?)
    }

    async fn update(&self, request: Update<'_>) -> Result<Progress<Observed>, OpError> {
        let Update { addr, ty, prior, args, watch, .. } = request;
        if builtin::owns(ty) {
            let (token, begun_before_ms) = (&prior.token, None);
            let create = Create { addr, ty, token, args, begun_before_ms, watch };
            return Ok(Progress::Done(builtin::update(prior, create)?));
        }
        let ask = Ask::Update {
            ty,
            addr: addr.clone(),
            token: prior.token.clone(),
            remote_id: prior.observed.remote_id.clone(),
            args: args.clone(),
        };
        with_object(self.change(ask, watch).await?)
    }

    async fn delete(&self, request: Delete<'_>) -> Result<Progress<()>, OpError> {
        let Delete { addr, ty, prior, data, watch, .. } = request;
        if builtin::owns(ty) {
            return Ok(Progress::Done(()));
        }
        let ask = Ask::Delete {
            ty,
            addr: addr.clone(),
            token: prior.token.clone(),
            remote_id: prior.observed.remote_id.clone(),
            data,
        };
        match self.change(ask, watch).await? {
            Progress::Done(_) => Ok(Progress::Done(())),
            Progress::Accepted(accepted) => Ok(Progress::Accepted(accepted)),
        }
    }

    async fn poll(
        &self,
        ty: &'static NativeType,
        accepted: &Accepted,
    ) -> Result<Progress<Option<Observed>>, OpError> {
        let Accepted { remote_id, operation, .. } = accepted.clone();
        self.change(Ask::Poll { ty, remote_id, operation }, &|_| {}).await
    }

    async fn read_foreign(
        &self,
        ty: &'static NativeType,
        remote_id: &str,
    ) -> Result<Option<Observed>, OpError> {
        if builtin::owns(ty) {
            return Ok(None);
        }
        match self.ask(Ask::ReadForeign { ty, remote_id: remote_id.to_owned() }).await? {
            Reply::Object(observed) => Ok(observed),
            other => Err(strange(&other)),
        }
    }

    async fn claim(
        &self,
        ty: &'static NativeType,
        addr: &Addr,
        token: &Token,
        remote_id: &str,
    ) -> Result<(), OpError> {
        let (addr, token) = (addr.clone(), token.clone());
        let ask = Ask::Claim { ty, addr, token, remote_id: remote_id.to_owned() };
        self.ask(ask).await.map(|_| ())
    }

    async fn inventory(&self, lineage: Option<&str>) -> Result<Vec<Owned>, OpError> {
        let lineage = lineage.map(str::to_owned);
        match self.ask(Ask::Inventory { lineage }).await? {
            Reply::Owned(owned) => Ok(owned),
            other => Err(strange(&other)),
        }
    }

    async fn preflight(&self, request: Preflight<'_>) -> Result<Vec<Remark>, OpError> {
        let one = |it: &Intended<'_>| (it.addr.clone(), it.ty, it.intent);
        let intended = request.intended.iter().map(one).collect();
        let ask = Ask::Preflight { intended, check_permissions: request.check_permissions };
        match self.ask(ask).await? {
            Reply::Remarks(remarks) => Ok(remarks),
            other => Err(strange(&other)),
        }
    }

    async fn pin(&self, want: &Want, _watch: Watch<'_>) -> Result<Value, OpError> {
        let ask = Ask::Pin { pin: want.pin.to_string(), need: want.need.clone() };
        match self.ask(ask).await? {
            Reply::Pinned(pinned) => Ok(pinned),
            other => Err(strange(&other)),
        }
    }

    async fn close_environment(&self, kept: &[Token]) -> Result<(), OpError> {
        self.ask(Ask::Close { kept: kept.to_vec() }).await.map(|_| ())
    }

    fn invisible_for_ms(&self, ty: &'static NativeType) -> u64 {
        self.lag_ms(ty).unwrap_or(0)
    }
}
