//! Objects that carry this environment's tags become entries of a state that does not know them.
//!
//! In: what the provider lists and the state. [`read`] looks at each object; [`take`] is pure, and says
//! of each what became of it. Used by `adopt`, where a state lacks some of them, and by `state rebuild`,
//! where it lacks all.
//!
//! ## What an object is believed to have been asked for
//! What the blueprint asks for, with the values that are there: an argument that a cloud fills in by
//! itself was not asked for. What a cloud does not tell (passwords above all) is not known. Where it can
//! be changed in place it is left open, and the next plan sends it again. Where a change of it would
//! replace the object it is believed to be as the blueprint says: nobody replaces a database because its
//! state was lost.

use super::Compiled;
use crate::apply::PARALLELISM;
use crate::lower::{Native, Node};
use crate::resolve::Scope;
use crate::retry;
use crate::settle::{self, Facts};
use crate::state::{Object, Resource, State, Status};
use crate::world::World;
use dsenv_sdk::builtin;
use dsenv_sdk::provider::{Connection, Create, Observed, OnDestroy, Owned, Token};
use dsenv_sdk::schema::{NativeType, OnChange};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, OpError, Provider, Term};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet};

/// How many generations of an address are tried against a token.
const GENERATIONS_TRIED: u64 = 1_000;

/// An object of the inventory, as it was read.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) owned: Owned,
    ty: &'static NativeType,
    /// What a refresh sees of it.
    observed: Observed,
    /// All that the cloud tells, arguments included.
    told: Map,
    /// Whether its creation had finished.
    complete: bool,
    /// Which creation of its node it is; `None` when it had another name then.
    generation: Option<u64>,
}

/// What became of an object that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The object.
    pub owned: Owned,
    /// How it stands in the state.
    pub how: How,
}

/// How an object that was taken stands in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is its node's object.
    Current,
    /// It is its node's object, and has a secret that cannot be read: the next apply gives it another.
    SecretLost,
    /// It is its node's object, and its creation had not finished: the next apply does that.
    Unfinished,
    /// It is its node's object, and the blueprint has no such node: the next plan deletes it.
    Stray,
    /// Its node has another one: the next plan deletes it.
    Surplus,
}

/// An object that was left where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The object.
    pub owned: Owned,
    /// Why, in words that follow "it".
    pub why: String,
}

/// A node that lives in the state alone, of a state that was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The node.
    pub addr: Addr,
    /// Its native type.
    pub ty: &'static str,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a node that lives in the state alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The history had it.
    FromHistory,
    /// It follows from its arguments, and was computed anew.
    Computed,
    /// It is lost, and the next plan makes a new one; these nodes take it.
    Lost(Vec<Addr>),
}

/// What came of all of them.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What is in the state now.
    pub taken: Vec<Taken>,
    /// What is not.
    pub left: Vec<Left>,
    /// What lives in the state alone, when all of it was lost.
    pub state_only: Vec<Kept>,
}

/// What is taken besides objects whose node has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Nothing.
    Missing,
    /// Objects of nodes that the blueprint does not have, and those that their node had before.
    All,
    /// The whole state was lost: the same, where it is certain which object of a node is the newest;
    /// and what lives in the state alone, as far as it can be had.
    Rebuild,
}

/// Reads what an inventory lists, several at once. What is gone meanwhile is left out, and what is of no
/// known type is left.
pub(super) async fn read(
    owned: Vec<Owned>,
    provider: &dyn Provider,
    connection: &dyn Connection,
    world: &dyn World,
) -> Result<(Vec<Seen>, Vec<Left>), OpError> {
    let reads = owned.into_iter().map(|owned| read_one(owned, provider, connection, world));
    let read: Vec<_> = stream::iter(reads).buffered(PARALLELISM).try_collect().await?;
    let (mut seen, mut left) = (Vec::new(), Vec::new());
    for one in read.into_iter().flatten() {
        match one {
            Ok(one) => seen.push(*one),
            Err(one) => left.push(one),
        }
    }
    Ok((seen, left))
}

async fn read_one(
    owned: Owned,
    provider: &dyn Provider,
    connection: &dyn Connection,
    world: &dyn World,
) -> Result<Option<Result<Box<Seen>, Left>>, OpError> {
    let Some(ty) = provider.native_type(&owned.ty) else {
        let why = "is of a type that this version does not know".to_owned();
        return Ok(Some(Err(Left { owned, why })));
    };
    let found = retry::read(world, || connection.find(ty, &owned.token)).await?;
    // A token may be on two objects, where a cloud takes none with a create.
    let found = found.filter(|found| found.observed.remote_id == owned.remote_id);
    let told = retry::read(world, || connection.read_foreign(ty, &owned.remote_id)).await?;
    let complete = found.as_ref().is_none_or(|found| found.complete);
    let Some(observed) = found.map(|found| found.observed).or_else(|| told.clone()) else {
        return Ok(None);
    };
    let mut all = observed.values.clone();
    all.extend(told.into_iter().flat_map(|told| told.values));
    let generation = generation(&owned);
    Ok(Some(Ok(Box::new(Seen { owned, ty, observed, told: all, complete, generation }))))
}

/// Finds which creation of its node made an object: the token tells when it is tried.
fn generation(owned: &Owned) -> Option<u64> {
    let fits =
        |generation: &u64| Token::new(&owned.lineage, &owned.addr, *generation) == owned.token;
    (1..=GENERATIONS_TRIED).find(fits)
}

impl Seen {
    /// Gives it a token of its own, where another object has the same; the caller marks the object.
    pub(super) fn renew(&mut self, state: &State, used: &BTreeSet<Token>) -> &Token {
        let addr = &self.owned.addr;
        let mut generation = state.next_generation(addr);
        let token = |generation| Token::new(&self.owned.lineage, addr, generation);
        while used.contains(&token(generation)) {
            generation += 1;
        }
        self.owned.token = token(generation);
        self.generation = Some(generation);
        &self.owned.token
    }

    pub(super) fn ty(&self) -> &'static NativeType {
        self.ty
    }

    /// What it is to its node, before anybody knows whether it is wanted.
    fn how(&self, in_blueprint: bool) -> How {
        if !self.complete {
            How::Unfinished
        } else if !in_blueprint {
            How::Stray
        } else if self.has_secret_lost() {
            How::SecretLost
        } else {
            How::Current
        }
    }

    fn has_secret_lost(&self) -> bool {
        let mut secrets = self.ty.attributes.iter().filter(|attribute| attribute.secret);
        secrets.any(|attribute| !self.observed.values.contains_key(attribute.name))
    }
}

/// Picks what is an argument of this type out of what a cloud tells of an object.
pub(super) fn arguments(ty: &NativeType, told: &Map) -> Map {
    let told = told.iter().filter(|(name, _)| ty.field(name).is_some());
    told.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What terms refer to: what the state has.
struct There<'a> {
    native: &'a Native,
    scope: &'a Scope,
    state: &'a State,
}

impl Facts for There<'_> {
    fn arguments(&self, addr: &Addr) -> Option<&BTreeMap<String, Term>> {
        self.native.arguments.get(addr).map(|arguments| &**arguments)
    }

    fn attributes(&self, addr: &Addr) -> Option<&Map> {
        let object = self.state.resources.get(addr)?.current.as_ref()?;
        (object.status == Status::Ready).then_some(&object.observed.values)
    }

    fn scope(&self) -> &Scope {
        self.scope
    }
}

/// Settles what the blueprint asks for with what the state has; what cannot be settled stays open.
pub(super) fn asked(compiled: &Compiled, state: &State, node: &Node) -> BTreeMap<String, Term> {
    let scope = &compiled.front.resolved.scope;
    let there = There { native: &compiled.native, scope, state };
    settle::settle_all(&node.args, &there).unwrap_or_else(|_| node.args.clone())
}

/// Takes objects into the state. `kept` is what an earlier state said of them. Objects of one node
/// come in the order in which they were made, as far as that is known.
pub(super) fn take(
    state: &mut State,
    seen: Vec<Seen>,
    compiled: &Compiled,
    kept: Option<&State>,
    extent: Extent,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut by_addr: BTreeMap<Addr, Vec<Seen>> = BTreeMap::new();
    for one in seen {
        by_addr.entry(one.owned.addr.clone()).or_default().push(one);
    }
    // What others refer to first.
    let mut order = compiled.native.order.clone();
    order.extend(by_addr.keys().filter(|addr| !compiled.native.nodes.contains_key(addr)).cloned());
    let mut around = Around::of(state, by_addr.values().flatten());
    for addr in order {
        let place = Place { addr: &addr, compiled, kept, extent };
        if let Some(objects) = by_addr.remove(&addr) {
            place.take(state, objects, &mut around, &mut outcome);
        } else if extent == Extent::Rebuild {
            outcome.state_only.extend(place.make_state_only(state));
        }
    }
    state.prune_dependencies();
    outcome
}

/// One address, and what is known of it besides its objects.
struct Place<'a> {
    addr: &'a Addr,
    compiled: &'a Compiled,
    kept: Option<&'a State>,
    extent: Extent,
}

/// All objects, those of the state and those that are taken.
struct Around {
    /// Whose they are, by the names that arguments use.
    ids: BTreeMap<String, Addr>,
    /// The tokens of the state's.
    tokens: BTreeSet<Token>,
}

impl Around {
    fn of<'a>(state: &State, seen: impl Iterator<Item = &'a Seen>) -> Around {
        let ids = seen.map(|it| (it.owned.remote_id.clone(), it.owned.addr.clone()));
        let mut around = Around { ids: ids.collect(), tokens: BTreeSet::new() };
        for (addr, resource) in &state.resources {
            for object in all_objects(resource) {
                around.ids.insert(object.observed.remote_id.clone(), addr.clone());
                around.tokens.insert(object.token.clone());
            }
        }
        around
    }
}

impl Place<'_> {
    fn take(
        &self,
        state: &mut State,
        mut objects: Vec<Seen>,
        around: &mut Around,
        outcome: &mut Outcome,
    ) {
        objects.sort_by(|a, b| {
            let key = |seen: &Seen| (seen.generation, seen.owned.remote_id.clone());
            key(a).cmp(&key(b))
        });
        let certain = objects.len() == 1 || objects.iter().all(|it| it.generation.is_some());
        let node = self.compiled.native.nodes.get(self.addr);
        let has_one = |state: &State| {
            state.resources.get(self.addr).is_some_and(|resource| resource.current.is_some())
        };
        // The newest first: it is the one that counts, where the state has none.
        for seen in objects.into_iter().rev() {
            let used = !around.tokens.insert(seen.owned.token.clone());
            let why = match (has_one(state), node, self.extent) {
                _ if used => Some("carries the token of another object".to_owned()),
                (false, Some(_), _) | (_, _, Extent::All) => None,
                (false, None, Extent::Rebuild) => None,
                (true, _, Extent::Rebuild) if certain => None,
                (false, None, Extent::Missing) => {
                    Some(format!("was made for `{}`, which the blueprint does not have", self.addr))
                }
                (true, ..) => {
                    let other = state.resources[self.addr].current.as_ref();
                    let other = other.map_or("", |object| &object.observed.remote_id);
                    Some(format!("was made for `{}`, which has `{other}`", self.addr))
                }
            };
            if let Some(why) = why {
                outcome.left.push(Left { owned: seen.owned, why });
                continue;
            }
            let how = if has_one(state) { How::Surplus } else { seen.how(node.is_some()) };
            self.put(state, node, &seen, how, around);
            outcome.taken.push(Taken { owned: seen.owned, how });
        }
    }

    fn put(&self, state: &mut State, node: Option<&Node>, seen: &Seen, how: How, around: &Around) {
        let known = state.resources.get(self.addr);
        let used: BTreeSet<u64> =
            known.into_iter().flat_map(all_objects).map(|object| object.generation).collect();
        let free = || (1..).find(|generation| !used.contains(generation)).expect("some are free");
        let generation = seen.generation.filter(|it| !used.contains(it)).unwrap_or_else(free);
        let mut object = self.object(state, node, seen, generation);
        let mut resource = match known {
            Some(known) => known.clone(),
            None => self.resource(node, seen, around),
        };
        resource.generation = resource.generation.max(generation);
        if how == How::Surplus {
            object.ty = (resource.ty != seen.ty.name).then(|| seen.ty.name.to_owned());
            resource.deposed.push(object);
        } else {
            resource.ty = seen.ty.name.to_owned();
            object.status = match how {
                How::Unfinished => Status::Creating,
                // All of it is sent again, as after an update whose end nobody saw.
                How::SecretLost => Status::Updating,
                How::Current | How::Stray | How::Surplus => Status::Ready,
            };
            resource.current = Some(object);
        }
        state.put(self.addr.clone(), resource);
    }

    fn object(&self, state: &State, node: Option<&Node>, seen: &Seen, generation: u64) -> Object {
        let kept = self.kept.and_then(|kept| kept.resources.get(self.addr));
        let kept = kept.into_iter().flat_map(all_objects);
        let kept = kept.into_iter().find(|object| object.token == seen.owned.token);
        let mut observed = seen.observed.clone();
        for (name, value) in kept.into_iter().flat_map(|kept| &kept.observed.values) {
            if value.holds_secret() {
                observed.values.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        let told = arguments(seen.ty, &seen.told);
        let node = node.filter(|node| node.ty.name == seen.ty.name);
        let args = match node {
            Some(node) => {
                let asked = asked(self.compiled, state, node);
                believed(node.ty, &asked, &told, kept.map(|kept| &kept.args))
            }
            None => told,
        };
        Object {
            token: seen.owned.token.clone(),
            generation,
            args,
            observed,
            status: Status::Ready,
            doubt_since: None,
            accepted: None,
            ty: None,
            price_paid: kept.and_then(|kept| kept.price_paid.clone()),
        }
    }

    /// The entry of a node of which the state has none. Where the blueprint does not have it either,
    /// its data is not deleted unasked, and it is deleted before what its arguments name.
    fn resource(&self, node: Option<&Node>, seen: &Seen, around: &Around) -> Resource {
        let (kind, depends_on, on_destroy) = match node {
            Some(node) => (node.kind.to_owned(), node.depends_on.clone(), node.on_destroy),
            None => (
                kind_of(self.compiled, seen.ty),
                self.named_in(&seen.told, around),
                OnDestroy::Refuse,
            ),
        };
        Resource {
            kind,
            ty: seen.ty.name.to_owned(),
            provider: self.compiled.front.provider.name().to_owned(),
            generation: 0,
            current: None,
            deposed: Vec::new(),
            depends_on,
            create_first: false,
            on_destroy,
        }
    }

    /// The nodes whose objects these values name, as far as that makes no circle: of two that name
    /// each other, the later name stands on the earlier.
    fn named_in(&self, told: &Map, around: &Around) -> BTreeSet<Addr> {
        let mut named = BTreeSet::new();
        told.values().for_each(|value| add_named(value, around, &mut named));
        let in_blueprint = |addr: &Addr| self.compiled.native.nodes.contains_key(addr);
        named.retain(|addr| in_blueprint(addr) || addr < self.addr);
        named
    }

    /// Brings a node back that lives in the state alone: from the history, or computed anew. `None`
    /// where it is something else.
    fn make_state_only(&self, state: &mut State) -> Option<Kept> {
        let node = self.compiled.native.nodes.get(self.addr).filter(|node| node.ty.state_only)?;
        let told = |fate| Some(Kept { addr: self.addr.clone(), ty: node.ty.name, fate });
        let kept = self.kept.and_then(|kept| kept.resources.get(self.addr));
        let kept = kept.filter(|kept| kept.ty == node.ty.name);
        if let Some(object) = kept.and_then(|kept| kept.current.clone())
            && object.status == Status::Ready
        {
            self.put_state_only(state, node, object);
            return told(Fate::FromHistory);
        }
        match self.compute(state, node) {
            Some(object) => {
                self.put_state_only(state, node, object);
                told(Fate::Computed)
            }
            None => {
                let nodes = self.compiled.native.nodes.iter();
                let takes = nodes.filter(|(_, other)| other.depends_on.contains(self.addr));
                told(Fate::Lost(takes.map(|(addr, _)| addr.clone()).collect()))
            }
        }
    }

    /// Computes what follows from arguments that are all known.
    fn compute(&self, state: &State, node: &Node) -> Option<Object> {
        let asked = asked(self.compiled, state, node);
        let known = |(name, term): (&String, &Term)| Some((name.clone(), term.known()?.clone()));
        let args: Map = asked.iter().map(known).collect::<Option<_>>()?;
        if !builtin::follows_from_arguments(node.ty, &args) {
            return None;
        }
        let generation = state.next_generation(self.addr);
        let token = Token::new(&state.lineage, self.addr, generation);
        let made = builtin::create(Create {
            addr: self.addr,
            ty: node.ty,
            token: &token,
            args: &args,
            begun_before_ms: None,
            watch: &|_| {},
        });
        let observed = made.ok()?;
        Some(Object {
            token,
            generation,
            args,
            observed,
            status: Status::Ready,
            doubt_since: None,
            accepted: None,
            ty: None,
            price_paid: None,
        })
    }

    fn put_state_only(&self, state: &mut State, node: &Node, object: Object) {
        let resource = Resource {
            kind: node.kind.to_owned(),
            ty: node.ty.name.to_owned(),
            provider: self.compiled.front.provider.name().to_owned(),
            generation: object.generation,
            current: Some(object),
            deposed: Vec::new(),
            depends_on: node.depends_on.clone(),
            create_first: false,
            on_destroy: node.on_destroy,
        };
        state.put(self.addr.clone(), resource);
    }
}

fn add_named(value: &Value, around: &Around, named: &mut BTreeSet<Addr>) {
    match value {
        Value::Text(text) => named.extend(around.ids.get(text).cloned()),
        Value::List(items) => items.iter().for_each(|item| add_named(item, around, named)),
        Value::Map(map) => map.values().for_each(|item| add_named(item, around, named)),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Secret(_) => {}
    }
}

/// What an object was asked for: the values that are there of what the blueprint asks for.
fn believed(
    ty: &NativeType,
    asked: &BTreeMap<String, Term>,
    told: &Map,
    kept: Option<&Map>,
) -> Map {
    let mut args = Map::new();
    for (name, term) in asked {
        let stays = ty.field(name).is_some_and(|field| field.on_change != OnChange::Update);
        let as_asked = || term.known().filter(|_| stays);
        let value = told.get(name).or_else(|| kept?.get(name)).or_else(as_asked);
        args.extend(value.map(|value| (name.clone(), value.clone())));
    }
    args
}

/// The neutral kind that a native type most likely comes from, for people.
fn kind_of(compiled: &Compiled, ty: &NativeType) -> String {
    let same = compiled.native.nodes.values().find(|node| node.ty.name == ty.name);
    let last = ty.name.rsplit('.').next().unwrap_or(ty.name);
    same.map_or(last, |node| node.kind).to_owned()
}

pub(super) fn all_objects(resource: &Resource) -> impl Iterator<Item = &Object> {
    resource.current.iter().chain(&resource.deposed)
}
