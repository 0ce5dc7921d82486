//! The two halves of a provider, and what passes through them.
//!
//! ## What a provider must never do
//! Retry, sleep, print, log to the terminal, read the environment or the clock: the engine owns
//! time and the terminal, so that it can be simulated. A provider answers each call once, with
//! what it saw or with an [`OpError`] that the engine can act on.
//!
//! ## Why `find` is compulsory
//! Between the begin record of a create and its reply the process can die. Without a way to ask
//! "did this token make something", what was made is an orphan that costs money.

pub use crate::errors::{OpError, OpErrorClass};

use crate::addr::{Addr, Key, Part};
use crate::cost::{Charge, Costing};
use crate::placement::Market;
use crate::preflight::{Preflight, Remark};
use crate::schema::NativeType;
use crate::seal::SealKey;
use crate::software::Resolver;
use crate::term::{Ref, Term};
use crate::value::{Map, Value};
use async_trait::async_trait;
use dsenv_prices::Cloud;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

// ---------------------------------------------------------------- the pure half

/// One neutral resource, checked against its kind, as a provider's pure half sees it.
#[derive(Clone, Debug)]
pub struct Neutral {
    /// Its address; the part is always absent.
    pub addr: Addr,
    /// The name of its kind.
    pub kind: &'static str,
    /// Its arguments by name, defaults filled in; what stands on every resource is not here.
    pub fields: BTreeMap<String, Term>,
    /// What it uses, in order of the name.
    pub uses: Vec<Use>,
    /// The network that it is placed in: the one named, else the only one there is.
    pub network: Option<Addr>,
    /// What the blueprint says becomes of its data.
    pub on_destroy: OnDestroy,
    /// The only ways in for people.
    pub access: Vec<Access>,
    /// Its tags, for clouds that have some.
    pub tags: BTreeMap<String, String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Whether the blueprint protects it.
    pub protect: bool,
}

impl Neutral {
    /// A machine without a name that says nothing: what a part of one is read by.
    pub fn nameless() -> Neutral {
        Neutral {
            addr: Addr::resource("nameless"),
            kind: "machine",
            fields: BTreeMap::new(),
            uses: Vec::new(),
            network: None,
            on_destroy: OnDestroy::Refuse,
            access: Vec::new(),
            tags: BTreeMap::new(),
            owner: None,
            protect: false,
        }
    }
}

/// One entry of `access`: a way in for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// A person or a group; with `ssh`, the resource that is their key.
    pub who: String,
    /// The keys that `who` names, of kind `key`; none when it names no such resource.
    pub keys: Vec<Addr>,
    /// `ssh`, `web` or `sql`.
    pub how: String,
    /// The addresses that it is from, as a CIDR; nobody says when absent.
    pub from: Option<String>,
    /// The last day of it, `2026-12-31`; it has no end when absent.
    pub until: Option<String>,
}

/// One entry of `uses`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The resource that is used.
    pub target: Addr,
    /// Its kind.
    pub kind: &'static str,
    /// Whether it may be written to.
    pub right: Right,
}

/// What a grant allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// What becomes of data when its resource is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDestroy {
    /// The delete is refused.
    Refuse,
    /// A last copy is kept.
    Snapshot,
    /// It stays, and dsenv forgets it.
    Retain,
    /// It is deleted.
    Delete,
}

/// What surrounds a resource while it is checked and lowered.
#[derive(Clone, Debug)]
pub struct Surroundings<'a> {
    /// The blueprint's name.
    pub blueprint: &'a str,
    /// The environment's name.
    pub environment: &'a str,
    /// The environment's `region`, when it names one.
    pub region: Option<&'a str>,
    /// The environment's `account`, when it names one.
    pub account: Option<&'a str>,
    /// What the lock has pinned, by the name of the pin. Nothing in a blueprint that is refused
    /// already: then the lock is not read.
    pub pins: &'a BTreeMap<String, Value>,
}

impl<'a> Surroundings<'a> {
    /// Returns those of an environment that names neither a region nor an account.
    pub fn new(
        blueprint: &'a str,
        environment: &'a str,
        pins: &'a BTreeMap<String, Value>,
    ) -> Surroundings<'a> {
        Surroundings { blueprint, environment, region: None, account: None, pins }
    }
}

/// One native node that a resource is lowered to.
#[derive(Clone, Debug)]
pub struct Native {
    /// Which node below the resource; `None` is its main node, and there is exactly one.
    pub part: Option<Part>,
    /// The native type's name.
    pub ty: &'static str,
    /// Its arguments. References in them are the edges of the graph.
    pub args: BTreeMap<String, Term>,
    /// Nodes that must exist first although nothing is taken from them.
    pub after: Vec<Addr>,
}

/// Something that the lock must pin before it can be applied: packages, images.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    /// The name of the pin: the same requirement has the same name wherever it stands.
    pub pin: Arc<str>,
    /// What kind of thing it is, in a word, for people: `python packages`.
    pub what: &'static str,
    /// The requirement.
    pub need: Value,
}

/// A remark of a provider's pure half on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The way to the field that it is about; empty is the resource.
    pub path: Vec<String>,
    /// Whether it refuses the blueprint, or is only worth knowing.
    pub weight: Weight,
    /// What is wrong, or what is put in its place.
    pub message: String,
    /// What to do, in words that can be pasted.
    pub help: Option<String>,
}

/// What a finding does to the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The provider cannot honour it: the blueprint is refused for this environment.
    Refuses,
    /// The provider puts something else in its place, and its schema declares so.
    Substitutes,
}

/// A finding that refuses the resource.
pub fn refuses(path: &[&str], message: impl Into<String>, help: impl Into<String>) -> Finding {
    Finding {
        path: path.iter().map(|step| (*step).to_owned()).collect(),
        weight: Weight::Refuses,
        message: message.into(),
        help: Some(help.into()),
    }
}

/// A finding that says what stands in the place of what.
pub fn substitutes(path: &[&str], message: impl Into<String>) -> Finding {
    Finding {
        path: path.iter().map(|step| (*step).to_owned()).collect(),
        weight: Weight::Substitutes,
        message: message.into(),
        help: None,
    }
}

/// The pure half: what a neutral resource becomes here. No credential, no I/O, no clock.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The provider's name in a blueprint, which is its folder's name too.
    fn name(&self) -> &'static str;

    /// Every native type that it creates, sorted by name.
    fn native_types(&self) -> &'static [&'static NativeType];

    /// The names of the neutral kinds that it can lower, sorted.
    fn kinds(&self) -> &'static [&'static str];

    /// Says what it cannot honour in this resource, and what it puts in the place of what.
    fn check(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding>;

    /// Lists what the lock must pin for this resource.
    fn wants(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Want>;

    /// Lowers a resource that [`Provider::check`] did not refuse: one main node, and its parts.
    fn lower(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native>;

    /// Lists what a resource will be charged for. A node for which it lists nothing and which is not
    /// [free](Provider::free) is shown as one without a price.
    fn cost(&self, _resource: &Costing<'_>) -> Vec<Charge> {
        Vec::new()
    }

    /// Says why nodes of a type cost nothing by themselves; `None` for a type that costs something.
    fn free(&self, _ty: &NativeType) -> Option<&'static str> {
        None
    }

    /// How machines of this cloud are placed; `None` for a provider that has no offers.
    fn market(&self) -> Option<&'static Market> {
        None
    }

    /// Lists the offers that a machine or pool is lowered to, in the order in which they are tried. None for
    /// another kind, or where nothing satisfies.
    fn offers(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<String> {
        self.market().map(|market| market.offers(resource, around)).unwrap_or_default()
    }

    /// The cloud whose figures of the price book are its prices; `None` for one that has no price list.
    fn cloud(&self) -> Option<Cloud> {
        None
    }

    /// Says whether its connection has something to say of a plan: [`Connection::preflight`]. Then a
    /// plan connects also where nothing was applied yet; without credentials, it does without.
    fn looks_ahead(&self) -> bool {
        false
    }

    /// Opens the live half. Reads nothing from the environment: all of it is in `setup`.
    async fn connect(&self, setup: Setup) -> Result<Arc<dyn Connection>, OpError>;

    /// Finds a native type by name.
    fn native_type(&self, name: &str) -> Option<&'static NativeType> {
        self.native_types().iter().copied().find(|native| native.name == name)
    }
}

/// Everything that a live half needs to know of the world.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whose objects these are.
    pub owner: Owner,
    /// A folder of the provider's own in this environment's state. It may not exist yet.
    pub dir: PathBuf,
    /// A folder shared by every environment of this user, for what can be fetched again.
    pub cache: PathBuf,
    /// The key for secrets that the provider keeps on disk.
    pub key: SealKey,
    /// Environment variables that the provider may use, as the command line handed them in.
    pub variables: BTreeMap<String, String>,
    /// The environment's `account`, when it names one.
    pub account: Option<String>,
    /// The environment's `region`, when it names one.
    pub region: Option<String>,
    /// Who pins software; a provider whose machines are elsewhere asks it. `None` in tests that pin
    /// none.
    pub resolver: Option<Arc<dyn Resolver>>,
}

/// Whose an object is: written on it as tags where the cloud has them, beside its address, its native
/// type and its token. A state that is lost is rebuilt from these alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The blueprint's name.
    pub blueprint: String,
    /// The environment's name.
    pub environment: String,
    /// The identity of the state's history; empty before there is one, and then nothing is changed.
    pub lineage: String,
}

// ---------------------------------------------------------------- the live half

/// Names one creation: the same lineage, address and generation give the same token, so that a
/// create that is sent twice makes one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(Arc<str>);

impl Token {
    /// Computes the token of one generation of one node.
    pub fn new(lineage: &str, addr: &Addr, generation: u64) -> Token {
        let mut hash = blake3::Hasher::new_derive_key("dsenv 2026-11 token");
        hash.update(format!("{lineage}\n{addr}\n{generation}").as_bytes());
        Token(hash.finalize().to_hex()[..32].into())
    }

    /// Takes a token as a file or a tag has it.
    pub fn from_text(text: &str) -> Token {
        Token(text.into())
    }

    /// Returns its 32 characters, each of `[0-9a-f]`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the cloud says of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The cloud's name for it.
    pub remote_id: String,
    /// Its arguments as the cloud has them, as far as it tells, and its attributes. A secret
    /// argument that the cloud never shows is absent, which is not drift.
    pub values: Map,
}

/// An object that a token made.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// What there is.
    pub observed: Observed,
    /// Whether its creation had finished. If not, sending the same create again finishes it.
    pub complete: bool,
}

/// An object as the state remembers it, to be read again.
#[derive(Clone, Debug)]
pub struct Prior {
    /// The node, for providers that tag.
    pub addr: Addr,
    /// The token that made it.
    pub token: Token,
    /// What was last seen of it.
    pub observed: Observed,
}

/// Takes a line on what a long call is doing, for people. May be called often; must not block.
pub type Watch<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// A create. Sent twice with one token it must give the same object.
///
/// Where the cloud takes no token with a create (EC2: networks, gateways, addresses), the provider
/// has to look first, and a fresh object may be invisible to reads for up to a minute. Such a
/// provider looks when [`Create::begun_before_ms`] is there; while nothing is found and too little
/// time has passed, it answers `Throttled` with the time that is left, and is asked again then.
#[derive(Clone, Copy)]
pub struct Create<'a> {
    /// The node.
    pub addr: &'a Addr,
    /// The native type.
    pub ty: &'static NativeType,
    /// The token.
    pub token: &'a Token,
    /// All of its arguments; absent ones are absent.
    pub args: &'a Map,
    /// A create with this token was sent before and its answer never came: for how many milliseconds
    /// that attempt has been over for certain. `None` when this is the first.
    pub begun_before_ms: Option<u64>,
    /// Whom to tell what is going on.
    pub watch: Watch<'a>,
}

/// A change in place.
#[derive(Clone, Copy)]
pub struct Update<'a> {
    /// The node.
    pub addr: &'a Addr,
    /// The native type.
    pub ty: &'static NativeType,
    /// What was last seen of it.
    pub prior: &'a Prior,
    /// What its arguments were when they were last applied.
    pub prior_args: &'a Map,
    /// All of its arguments as they are to be.
    pub args: &'a Map,
    /// Whom to tell what is going on.
    pub watch: Watch<'a>,
}

/// A delete. Of an object that is not there, it is a success.
#[derive(Clone, Copy)]
pub struct Delete<'a> {
    /// The node.
    pub addr: &'a Addr,
    /// The native type.
    pub ty: &'static NativeType,
    /// What was last seen of it.
    pub prior: &'a Prior,
    /// What its arguments were when they were last applied.
    pub prior_args: &'a Map,
    /// What becomes of its data.
    pub data: DataFate,
    /// Whom to tell what is going on.
    pub watch: Watch<'a>,
}

/// What becomes of the data of an object that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFate {
    /// It is deleted with the object.
    Delete,
    /// A last copy is kept where the provider keeps such copies, and its place is reported.
    Snapshot,
}

/// How a call ended that the cloud may finish later.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress<T> {
    /// It is done.
    Done(T),
    /// The cloud works on it; ask again with [`Connection::poll`].
    Accepted(Accepted),
}

/// A call that the cloud took and has not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The cloud's name for the object, when it has one already.
    pub remote_id: Option<String>,
    /// The cloud's name for the operation.
    pub operation: String,
    /// What it waits for, for people: `database is being created`.
    pub waits_for: String,
    /// When to ask again, in milliseconds from now.
    pub ask_again_ms: u64,
}

/// Which account the connection acts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account, subscription or project; on one's own machine the user.
    pub account: String,
    /// The region; on one's own machine the host's name.
    pub region: String,
}

/// An object that carries the tags of a blueprint and an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The node that it was made for.
    pub addr: Addr,
    /// Its native type.
    pub ty: String,
    /// The token that made it.
    pub token: Token,
    /// The cloud's name for it.
    pub remote_id: String,
    /// The lineage of the state that it belongs to.
    pub lineage: String,
}

/// The live half: one configured connection. Calls may run at the same time.
#[async_trait]
pub trait Connection: Send + Sync {
    /// Says whom it acts for. The engine compares it with the plan before any other call.
    async fn identity(&self) -> Result<Identity, OpError>;

    /// Finds what a token made; `None` when it made nothing.
    async fn find(&self, ty: &'static NativeType, token: &Token) -> Result<Option<Found>, OpError>;

    /// Reads objects of one type again, in few calls; the answers stand in the order of the
    /// question, `None` for one that is not there.
    async fn read_many(
        &self,
        ty: &'static NativeType,
        wanted: &[Prior],
    ) -> Result<Vec<Option<Observed>>, OpError>;

    /// Creates an object. It is done once `read_many` shows it, and accepted before: what is not there
    /// at the next look, and `find` does not see either, is made anew.
    async fn create(&self, request: Create<'_>) -> Result<Progress<Observed>, OpError>;

    /// Changes an object in place.
    async fn update(&self, request: Update<'_>) -> Result<Progress<Observed>, OpError>;

    /// Deletes an object.
    async fn delete(&self, request: Delete<'_>) -> Result<Progress<()>, OpError>;

    /// Asks how an accepted call stands; `None` is a delete that is done.
    async fn poll(
        &self,
        ty: &'static NativeType,
        accepted: &Accepted,
    ) -> Result<Progress<Option<Observed>>, OpError>;

    /// Reads an object that dsenv did not create, by the cloud's own name for it.
    async fn read_foreign(
        &self,
        ty: &'static NativeType,
        remote_id: &str,
    ) -> Result<Option<Observed>, OpError>;

    /// Makes an object that was imported one's own, so that `find` and `inventory` know it: where
    /// the cloud has tags, writes them.
    async fn claim(
        &self,
        ty: &'static NativeType,
        addr: &Addr,
        token: &Token,
        remote_id: &str,
    ) -> Result<(), OpError>;

    /// Lists everything that carries the tags of the owner's blueprint and environment: of one lineage,
    /// or of all. How `destroy` proves that nothing is left, and how a lost state is rebuilt; then the
    /// owner's own lineage is not known yet, and empty.
    async fn inventory(&self, lineage: Option<&str>) -> Result<Vec<Owned>, OpError>;

    /// Says what stands in the way of a plan, before it is shown. Called after `identity`, about once
    /// a plan, and only where [`Provider::looks_ahead`]. Where nothing was applied yet the owner's
    /// lineage is empty.
    async fn preflight(&self, _request: Preflight<'_>) -> Result<Vec<Remark>, OpError> {
        Ok(Vec::new())
    }

    /// Pins one want: the network may be used. The value goes into the lock as it is.
    async fn pin(&self, want: &Want, watch: Watch<'_>) -> Result<Value, OpError>;

    /// Ends what the provider keeps for itself once nothing is left of the environment but `kept`,
    /// which its owner retains on purpose: processes of its own, its folder. What is kept stays
    /// whole. Called twice, the second call does nothing.
    async fn close_environment(&self, kept: &[Token]) -> Result<(), OpError>;

    /// Returns for how long `find` may not see what a create has just made. What was begun and is not
    /// found is taken for never made only after this time: its delete waits for it.
    fn invisible_for_ms(&self, _ty: &'static NativeType) -> u64 {
        0
    }

    /// What one does with an environment from day to day; `None` where there is nothing of it.
    fn operate(&self) -> Option<&dyn Operate> {
        None
    }
}

// ---------------------------------------------------------------- from day to day

/// How a service of a machine stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// The machine, pool member, database or bucket.
    pub addr: Addr,
    /// The service's name.
    pub service: String,
    /// In a word: `healthy`, `starting`, `unhealthy`, `stopped`, `failed`.
    pub state: String,
    /// Whether that is how it should be.
    pub well: bool,
    /// Its process, when it has one here.
    pub pid: Option<u32>,
    /// How often it was started again.
    pub restarts: u32,
    /// Where it answers.
    pub url: Option<String>,
    /// Why it is not well, with the last words of its log.
    pub detail: Option<String>,
}

/// A process to be started for a person: a shell, a command, `psql`.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The whole environment of it; nothing is inherited but the terminal's own variables.
    pub env: Vec<(String, Value)>,
    /// Where it starts.
    pub dir: PathBuf,
}

/// What one does with an environment from day to day.
#[async_trait]
pub trait Operate: Send + Sync {
    /// Says how every service stands, and starts again what should run and does not.
    async fn status(&self) -> Result<Vec<ServiceStatus>, OpError>;

    /// Returns the files that the logs of a node's services stand in, by service.
    async fn logs(&self, addr: &Addr) -> Result<Vec<(String, PathBuf)>, OpError>;

    /// After which time [`Operate::logs`] is to be called again by whoever follows them: where logs are
    /// written elsewhere, the call fetches what is new. `None` where the files are written to as it
    /// happens.
    fn logs_fetched_every_ms(&self) -> Option<u64> {
        None
    }

    /// Says how to run a command in a machine; an empty `argv` is a shell.
    async fn enter(&self, addr: &Addr, argv: &[String]) -> Result<Entry, OpError>;
}

// ---------------------------------------------------------------- what lowering shares

/// The name of the part that one entry of `uses` is lowered to.
pub const GRANT: &str = "grant";

/// Returns the address of the node that gives `user` its right on `target`.
pub fn grant_addr(user: &Addr, target: &Addr) -> Addr {
    user.part(GRANT, Some(grant_key(target)))
}

/// Returns the key of that node below its user: the target's address as text.
pub fn grant_key(target: &Addr) -> Key {
    Key::Text(target.to_string().into())
}

/// Returns the variables that `uses` gives: `FEATURES_URL` and so on, each taken from the grant's
/// attribute of the same name. The scheme is the same for every provider.
pub fn connection_variables(user: &Addr, uses: &[Use]) -> BTreeMap<String, Term> {
    let mut variables = BTreeMap::new();
    for used in uses {
        let kind = crate::kinds::kind(used.kind).expect("`uses` was checked against the kinds");
        let grant = grant_addr(user, &used.target);
        for variable in kind.connection {
            let name = format!("{}_{}", variable_stem(&used.target), variable.suffix);
            let attribute = variable.suffix.to_lowercase();
            variables.insert(name, Term::Ref(Ref::attribute(grant.clone(), &attribute)));
        }
    }
    variables
}

/// Returns what the variables of a target begin with, on every provider: `lake["eu-1"]` gives
/// `LAKE_EU_1`.
pub fn variable_stem(target: &Addr) -> String {
    let mut stem = target.name.to_uppercase();
    if let Some(key) = &target.key {
        let text = match key {
            Key::Index(index) => index.to_string(),
            Key::Text(text) => text.to_uppercase(),
        };
        stem.push('_');
        stem.extend(text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_depends_on_all_three() {
        let addr = Addr::resource("a");
        let token = Token::new("l", &addr, 1);
        assert_eq!(token, Token::new("l", &addr, 1));
        assert_eq!(token.as_str().len(), 32);
        for other in [
            Token::new("m", &addr, 1),
            Token::new("l", &Addr::resource("b"), 1),
            Token::new("l", &addr, 2),
        ] {
            assert_ne!(token, other);
        }
    }

    #[test]
    fn uses_gives_variables_by_the_documented_scheme() {
        let lake = Addr::resource("lake").member(Key::Text("eu-1".into()));
        let uses = [Use { target: lake, kind: "bucket", right: Right::Read }];
        let variables = connection_variables(&Addr::resource("notebook"), &uses);
        let Some(Term::Ref(url)) = variables.get("LAKE_EU_1_URL") else { panic!("{variables:?}") };
        assert_eq!(url.to_string(), r#"notebook.grant["lake[\"eu-1\"]"].url"#);
        assert!(variables.contains_key("LAKE_EU_1_SECRET_ACCESS_KEY"));
    }
}
