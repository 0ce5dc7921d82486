//! The few lines of an engine that these tests need: addresses, tokens and the calls of the trait
//! with little to type.

use dsenv_fake::{ENDPOINT_VARIABLE, FakeCloud, FakeProvider, native};
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{
    Accepted, Connection, Create, DataFate, Delete, Observed, OpError, Owner, Prior, Progress,
    Provider, Setup, Token, Update,
};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::seal::SealKey;
use dsenv_sdk::value::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) struct Client {
    pub(crate) cloud: Arc<FakeCloud>,
    pub(crate) connection: Arc<dyn Connection>,
}

pub(crate) fn owner(blueprint: &str) -> Owner {
    Owner {
        blueprint: blueprint.to_owned(),
        environment: "test".to_owned(),
        lineage: "lineage".to_owned(),
    }
}

pub(crate) fn setup(blueprint: &str, endpoint: Option<&str>) -> Setup {
    let endpoint = endpoint.map(|text| (ENDPOINT_VARIABLE.to_owned(), text.to_owned()));
    Setup {
        owner: owner(blueprint),
        dir: PathBuf::new(),
        cache: PathBuf::new(),
        key: SealKey::new([0; 32]),
        variables: BTreeMap::from_iter(endpoint),
        account: None,
        region: None,
        resolver: None,
    }
}

/// Connects the blueprint `bp` to a new cloud.
pub(crate) async fn client() -> Client {
    client_of(&FakeCloud::new(), "bp").await
}

pub(crate) async fn client_of(cloud: &Arc<FakeCloud>, blueprint: &str) -> Client {
    let provider = FakeProvider::new(cloud.clone());
    let connection = provider.connect(setup(blueprint, None)).await.expect("a cloud in process");
    Client { cloud: cloud.clone(), connection }
}

pub(crate) fn ty(name: &str) -> &'static NativeType {
    native::find(name).expect("a native type")
}

pub(crate) fn addr(text: &str) -> Addr {
    text.parse().expect("an address")
}

pub(crate) fn token(at: &str, generation: u64) -> Token {
    Token::new("lineage", &addr(at), generation)
}

pub(crate) fn args<const N: usize>(entries: [(&str, Value); N]) -> Map {
    entries.map(|(name, value)| (name.to_owned(), value)).into()
}

pub(crate) fn input(text: &str) -> Map {
    args([("input", Value::text(text))])
}

/// Returns the object of a call that was done at once.
pub(crate) fn done(progress: Result<Progress<Observed>, OpError>) -> Observed {
    match progress {
        Ok(Progress::Done(observed)) => observed,
        other => panic!("not done: {other:?}"),
    }
}

pub(crate) fn accepted<T: std::fmt::Debug>(progress: Result<Progress<T>, OpError>) -> Accepted {
    match progress {
        Ok(Progress::Accepted(accepted)) => accepted,
        other => panic!("not accepted: {other:?}"),
    }
}

/// Returns the name of the error's class, or `ok`.
pub(crate) fn class<T>(result: &Result<T, OpError>) -> &'static str {
    result.as_ref().err().map_or("ok", |error| error.class.name())
}

impl Client {
    pub(crate) async fn create(
        &self,
        ty_name: &str,
        at: &str,
        args: &Map,
    ) -> Result<Progress<Observed>, OpError> {
        self.create_with(ty_name, at, &token(at, 1), args).await
    }

    pub(crate) async fn create_with(
        &self,
        ty_name: &str,
        at: &str,
        token: &Token,
        args: &Map,
    ) -> Result<Progress<Observed>, OpError> {
        let addr = addr(at);
        let (ty, begun_before_ms) = (ty(ty_name), None);
        let create = Create { addr: &addr, ty, token, args, begun_before_ms, watch: &|_| {} };
        self.connection.create(create).await
    }

    /// Creates and polls until it is done.
    pub(crate) async fn made(&self, ty_name: &str, at: &str, args: &Map) -> Observed {
        match self.create(ty_name, at, args).await.expect("a create") {
            Progress::Done(observed) => observed,
            Progress::Accepted(accepted) => {
                self.finish(ty_name, &accepted).await.expect("an object")
            }
        }
    }

    pub(crate) async fn finish(&self, ty_name: &str, accepted: &Accepted) -> Option<Observed> {
        loop {
            match self.connection.poll(ty(ty_name), accepted).await.expect("a poll") {
                Progress::Done(observed) => return observed,
                Progress::Accepted(_) => {}
            }
        }
    }

    pub(crate) async fn update(
        &self,
        ty_name: &str,
        at: &str,
        observed: &Observed,
        args: &Map,
    ) -> Result<Progress<Observed>, OpError> {
        let prior = prior(at, observed);
        self.connection
            .update(Update {
                addr: &addr(at),
                ty: ty(ty_name),
                prior: &prior,
                prior_args: &Map::new(),
                args,
                watch: &|_| {},
            })
            .await
    }

    pub(crate) async fn delete(
        &self,
        ty_name: &str,
        at: &str,
        observed: &Observed,
    ) -> Result<Progress<()>, OpError> {
        self.delete_keeping(ty_name, at, observed, DataFate::Delete).await
    }

    pub(crate) async fn delete_keeping(
        &self,
        ty_name: &str,
        at: &str,
        observed: &Observed,
        data: DataFate,
    ) -> Result<Progress<()>, OpError> {
        let prior = prior(at, observed);
        self.connection
            .delete(Delete {
                addr: &addr(at),
                ty: ty(ty_name),
                prior: &prior,
                prior_args: &Map::new(),
                data,
                watch: &|_| {},
            })
            .await
    }

    pub(crate) async fn read(&self, ty_name: &str, at: &str, was: &Observed) -> Option<Observed> {
        let read = self.connection.read_many(ty(ty_name), &[prior(at, was)]).await;
        read.expect("a read").pop().expect("one answer")
    }
}

pub(crate) fn prior(at: &str, observed: &Observed) -> Prior {
    Prior { addr: addr(at), token: token(at, 1), observed: observed.clone() }
}
