//! What exists in the cloud, and what each call does to it.
//!
//! One call is one step here: it happens at once or is refused, and nothing is half done unless a
//! fault asks for it. Waiting, faults and the log are [`cloud`](crate::cloud)'s.

use crate::request::{Ask, Reply, Request};
use crate::rules;
use crate::{calls::Verb, computed, native};
use dsenv_sdk::addr::Addr;
use dsenv_sdk::provider::{
    Accepted, DataFate, Found, Identity, Observed, OpError, OpErrorClass, Owned, Owner, Progress,
    Token,
};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::value::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// How far an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It can be used.
    Ready,
    /// Its creation stopped half way; the same create again goes on.
    Partial,
    /// Its creation was accepted; polls finish it.
    Creating {
        /// The operation to poll.
        operation: String,
    },
    /// A change was accepted. It can be used meanwhile, and not be changed otherwise.
    Updating {
        /// The operation to poll.
        operation: String,
    },
    /// Its deletion was accepted. Until it is polled to the end the object exists and costs.
    Deleting {
        /// The operation to poll.
        operation: String,
    },
}

/// One object of the cloud.
#[derive(Clone, Debug)]
pub struct Object {
    /// The cloud's name for it.
    pub remote_id: String,
    /// Its type.
    pub ty: &'static NativeType,
    /// The node that its tags name; absent on what dsenv did not make.
    pub addr: Option<Addr>,
    /// Whose it is, by its tags.
    pub owner: Option<Owner>,
    /// The token that made or claimed it.
    pub token: Option<Token>,
    /// Its arguments as they are now.
    pub args: Map,
    /// Its attributes, `id` alone until it is ready.
    pub attributes: Map,
    /// How far it is.
    pub stage: Stage,
    /// What the create asked for: a token sent again must ask for the same.
    created_with: Map,
    /// When it was made.
    made_ms: u64,
    /// For how many reads it is still seen as it was: `None` inside is "not there".
    pub(crate) stale: Option<(u32, Option<Observed>)>,
}

/// What a test may set.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) identity: Identity,
    pub(crate) quotas: BTreeMap<String, usize>,
    /// Whether plans are looked over.
    pub(crate) preflight: bool,
    /// Types that may not be touched.
    pub(crate) denied: BTreeSet<String>,
    /// Types whose creates take no token, and for how long what they made is not found.
    pub(crate) tokenless: BTreeMap<String, u64>,
    /// After how many polls an operation is done; absent is at once.
    pub(crate) polls: BTreeMap<(Verb, String), u32>,
    pub(crate) ask_again_ms: u64,
    pub(crate) stale_reads: u32,
    pub(crate) stale_find: bool,
}

#[derive(Clone, Debug)]
struct Operation {
    verb: Verb,
    remote_id: String,
    polls_left: u32,
}

/// Everything that exists.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) objects: BTreeMap<String, Object>,
    /// What time it is.
    pub(crate) now_ms: u64,
    /// Who refers to what, as (what, who): a delete among 10,000 objects must not read them all.
    users: BTreeSet<(String, String)>,
    /// Last copies of data, by their place, with what they are copies of.
    pub(crate) snapshots: BTreeMap<String, Object>,
    /// What each token made, for ever: a token is used once.
    tokens: BTreeMap<Token, String>,
    /// Operations, finished ones too: a reply may be lost and asked for again.
    operations: BTreeMap<String, Operation>,
    objects_made: u64,
}

/// An answer, and whether the cloud changed.
type Acted = Result<(Reply, bool), OpError>;

impl World {
    pub(crate) fn new() -> World {
        let polls = [
            (Verb::Create, native::BUCKET.name, 1),
            (Verb::Create, native::DATABASE.name, 3),
            (Verb::Update, native::DATABASE.name, 1),
            (Verb::Delete, native::DATABASE.name, 2),
        ];
        let identity = Identity { account: "000000000000".to_owned(), region: "fake-1".to_owned() };
        World {
            settings: Settings {
                identity,
                quotas: BTreeMap::new(),
                preflight: false,
                denied: BTreeSet::new(),
                tokenless: BTreeMap::new(),
                polls: polls.map(|(verb, ty, polls)| ((verb, ty.to_owned()), polls)).into(),
                ask_again_ms: 1_000,
                stale_reads: 0,
                stale_find: false,
            },
            objects: BTreeMap::new(),
            now_ms: 0,
            users: BTreeSet::new(),
            snapshots: BTreeMap::new(),
            tokens: BTreeMap::new(),
            operations: BTreeMap::new(),
            objects_made: 0,
        }
    }

    /// Does what is asked. `half_way` stops a create in the middle.
    pub(crate) fn act(&mut self, request: &Request, half_way: bool) -> Acted {
        let owner = &request.owner;
        match &request.ask {
            Ask::Identity => Ok((Reply::Identity(self.settings.identity.clone()), false)),
            Ask::Find { ty, token } => Ok((Reply::Found(self.find(ty, token)), false)),
            Ask::ReadMany { ty, wanted } => {
                let read = wanted.iter().map(|(_, id)| self.read(ty, id));
                Ok((Reply::Read(read.collect::<Result<_, _>>()?), false))
            }
            Ask::Create { ty, addr, token, args } => match self.tokens.get(token).cloned() {
                Some(made) if !self.settings.tokenless.contains_key(ty.name) => {
                    self.create_again(ty, token, &made, args)
                }
                _ => self.create(owner, ty, (addr, token), args, half_way),
            },
            Ask::Update { ty, addr, token, remote_id, args } => {
                self.check_target(owner, ty, token, remote_id)?;
                self.update(addr, remote_id, args)
            }
            Ask::Delete { ty, token, remote_id, data, .. } => {
                if !self.objects.contains_key(remote_id) {
                    return Ok((Reply::Progress(Progress::Done(None), None), false));
                }
                self.check_target(owner, ty, token, remote_id)?;
                self.delete(ty, remote_id, *data)
            }
            Ask::Poll { operation, .. } => self.poll(operation),
            Ask::ReadForeign { ty, remote_id } => {
                let object = self.objects.get(remote_id).filter(|object| object.ty.name == ty.name);
                Ok((Reply::Object(object.map(observe)), false))
            }
            Ask::Claim { ty, addr, token, remote_id } => {
                self.claim(owner, ty, (addr, token), remote_id)
            }
            Ask::Inventory { lineage } => {
                Ok((Reply::Owned(self.inventory(owner, lineage.as_deref())), false))
            }
            Ask::Preflight { intended, check_permissions } => {
                let mut remarks = rules::quota_remarks(self, intended);
                if *check_permissions {
                    remarks.extend(rules::permission_remarks(self, intended));
                }
                Ok((Reply::Remarks(remarks), false))
            }
            Ask::Pin { pin, need } => Ok((Reply::Pinned(pinned(pin, need)), false)),
            Ask::Close { kept } => {
                let left = self.inventory(owner, Some(&owner.lineage));
                match left.iter().find(|owned| !kept.contains(&owned.token)) {
                    Some(left) => {
                        let message = format!("the environment still has {}", left.remote_id);
                        Err(OpError::new(OpErrorClass::InUse, message))
                    }
                    None => Ok((Reply::Nothing, false)),
                }
            }
        }
    }

    /// Returns the address on the object that a find, poll or foreign read is about.
    pub(crate) fn addr_of(&self, ask: &Ask) -> Option<Addr> {
        let remote_id = match ask {
            Ask::Find { token, .. } => self.tokens.get(token)?,
            Ask::Poll { operation, .. } => &self.operations.get(operation)?.remote_id,
            Ask::ReadForeign { remote_id, .. } => remote_id,
            _ => return None,
        };
        self.objects.get(remote_id)?.addr.clone()
    }

    fn find(&self, ty: &'static NativeType, token: &Token) -> Option<Found> {
        let object = if self.settings.tokenless.contains_key(ty.name) {
            let carries = |object: &&Object| object.token.as_ref() == Some(token);
            self.objects.values().filter(carries).find(|object| self.is_visible(object))?
        } else {
            self.objects.get(self.tokens.get(token)?)?
        };
        if object.token.as_ref() != Some(token) {
            return None;
        }
        let hidden = self.settings.stale_find && matches!(object.stale, Some((_, None)));
        if object.ty.name != ty.name || hidden {
            return None;
        }
        let complete = match object.stage {
            Stage::Ready | Stage::Updating { .. } | Stage::Deleting { .. } => true,
            Stage::Partial | Stage::Creating { .. } => false,
        };
        Some(Found { observed: observe(object), complete })
    }

    /// Says whether a search by tags shows it already.
    fn is_visible(&self, object: &Object) -> bool {
        let lag_ms = self.settings.tokenless.get(object.ty.name).copied().unwrap_or(0);
        self.now_ms >= object.made_ms.saturating_add(lag_ms)
    }

    fn read(&mut self, ty: &NativeType, remote_id: &str) -> Result<Option<Observed>, OpError> {
        let Some(object) = self.objects.get_mut(remote_id) else { return Ok(None) };
        if object.ty.name != ty.name {
            let message = format!("{remote_id} is a {}, not a {}", object.ty.name, ty.name);
            return Err(OpError::new(OpErrorClass::Invalid, message));
        }
        match &mut object.stale {
            Some((reads_left @ 1.., as_it_was)) => {
                *reads_left -= 1;
                Ok(as_it_was.clone())
            }
            _ => {
                object.stale = None;
                Ok(Some(observe(object)))
            }
        }
    }

    fn create(
        &mut self,
        owner: &Owner,
        ty: &'static NativeType,
        (addr, token): (&Addr, &Token),
        args: &Map,
        half_way: bool,
    ) -> Acted {
        rules::check_args(ty, args)?;
        rules::check_workload(ty, args)?;
        rules::check_references(self, ty, args)?;
        rules::check_name(self, ty, args)?;
        rules::check_quota(self, ty)?;
        let remote_id = self.put(ty, args);
        self.tokens.insert(token.clone(), remote_id.clone());
        let stale_reads = self.settings.stale_reads;
        let tokenless = self.settings.tokenless.contains_key(ty.name);
        let object = self.object_mut(&remote_id);
        object.addr = Some(addr.clone());
        object.owner = Some(owner.clone());
        object.token = Some(token.clone());
        // Its provider calls a create done once reads by id show it: only searches are behind.
        object.stale = (stale_reads > 0 && !tokenless).then_some((stale_reads, None));
        if half_way {
            let class = OpErrorClass::Partial(Box::new(observe(object)));
            let message = format!("the creation of {remote_id} stopped half way");
            return Err(OpError::new(class, message));
        }
        Ok((self.begin(Verb::Create, &remote_id), true))
    }

    /// A token that is known: the same object when the same is asked for.
    fn create_again(
        &mut self,
        ty: &'static NativeType,
        token: &Token,
        made: &str,
        args: &Map,
    ) -> Acted {
        let Some(object) = self.objects.get(made) else {
            let message = format!("the token {token} made {made}, which is gone");
            return Err(OpError::new(OpErrorClass::Conflict, message));
        };
        if object.token.as_ref() != Some(token) {
            let message = format!("the token {token} made {made}, which was claimed since");
            return Err(OpError::new(OpErrorClass::Conflict, message));
        }
        if object.ty.name != ty.name || object.created_with != *args {
            let message = format!("the token {token} made {made} with other arguments");
            return Err(OpError::new(OpErrorClass::Conflict, message));
        }
        match &object.stage {
            Stage::Ready | Stage::Updating { .. } => {
                Ok((Reply::Progress(Progress::Done(Some(observe(object))), None), false))
            }
            Stage::Creating { operation } => {
                let operation = operation.clone();
                Ok((Reply::Progress(Progress::Accepted(self.accepted(&operation)), None), false))
            }
            Stage::Partial => Ok((self.begin(Verb::Create, made), true)),
            Stage::Deleting { .. } => {
                let message = format!("{made} is being deleted");
                Err(OpError::new(OpErrorClass::Conflict, message))
            }
        }
    }

    fn update(&mut self, addr: &Addr, remote_id: &str, args: &Map) -> Acted {
        let object = &self.objects[remote_id];
        let ty = object.ty;
        match &object.stage {
            Stage::Ready => {}
            Stage::Updating { operation } if object.args == *args => {
                let accepted = self.accepted(operation);
                return Ok((Reply::Progress(Progress::Accepted(accepted), None), false));
            }
            Stage::Updating { operation } => {
                // Time passes while somebody tries again, also when the operation's name was lost.
                let (operation, busy) = (operation.clone(), busy(object));
                self.poll(&operation)?;
                return Err(busy);
            }
            Stage::Partial | Stage::Creating { .. } | Stage::Deleting { .. } => {
                return Err(busy(object));
            }
        }
        rules::check_args(ty, args)?;
        rules::check_workload(ty, args)?;
        rules::check_update(object, args)?;
        rules::check_references(self, ty, args)?;
        let changed = object.args != *args;
        let as_it_was = observe(object);
        let stale_reads = self.settings.stale_reads;
        self.change_args(remote_id, |now| *now = args.clone());
        let object = self.object_mut(remote_id);
        object.addr = Some(addr.clone());
        object.stale = (stale_reads > 0).then_some((stale_reads, Some(as_it_was)));
        Ok((self.begin(Verb::Update, remote_id), changed))
    }

    fn delete(&mut self, ty: &NativeType, remote_id: &str, data: DataFate) -> Acted {
        if let Stage::Deleting { operation } = &self.objects[remote_id].stage {
            let accepted = self.accepted(operation);
            return Ok((Reply::Progress(Progress::Accepted(accepted), None), false));
        }
        rules::check_unused(self, remote_id)?;
        let note = match data {
            DataFate::Delete => None,
            DataFate::Snapshot if !ty.holds_data => {
                let message = format!("{} holds no data to take a copy of", ty.name);
                return Err(OpError::new(OpErrorClass::Invalid, message));
            }
            DataFate::Snapshot => {
                let place = format!("snapshot-of-{remote_id}");
                self.snapshots.insert(place.clone(), self.objects[remote_id].clone());
                Some(format!("a last copy is kept as {place}"))
            }
        };
        match self.begin(Verb::Delete, remote_id) {
            Reply::Progress(progress, _) => Ok((Reply::Progress(progress, note), true)),
            other => Ok((other, true)),
        }
    }

    /// Finishes a change at once, or notes that polls will.
    fn begin(&mut self, verb: Verb, remote_id: &str) -> Reply {
        let ty = self.objects[remote_id].ty.name.to_owned();
        let polls = self.settings.polls.get(&(verb, ty)).copied().unwrap_or(0);
        if polls == 0 {
            return Reply::Progress(Progress::Done(self.finish(verb, remote_id)), None);
        }
        let operation = format!("{}-{remote_id}-{}", verb.name(), self.operations.len() + 1);
        let doing = Operation { verb, remote_id: remote_id.to_owned(), polls_left: polls };
        self.operations.insert(operation.clone(), doing);
        let named = operation.clone();
        self.object_mut(remote_id).stage = match verb {
            Verb::Update => Stage::Updating { operation: named },
            Verb::Delete => Stage::Deleting { operation: named },
            _ => Stage::Creating { operation: named },
        };
        Reply::Progress(Progress::Accepted(self.accepted(&operation)), None)
    }

    fn accepted(&self, operation: &str) -> Accepted {
        let doing = &self.operations[operation];
        let done = match doing.verb {
            Verb::Update => "updated",
            Verb::Delete => "deleted",
            _ => "created",
        };
        Accepted {
            remote_id: Some(doing.remote_id.clone()),
            operation: operation.to_owned(),
            waits_for: format!("{} is being {done}", doing.remote_id),
            ask_again_ms: self.settings.ask_again_ms,
        }
    }

    fn poll(&mut self, name: &str) -> Acted {
        let Some(operation) = self.operations.get_mut(name) else {
            let message = format!("there is no operation {name}");
            return Err(OpError::new(OpErrorClass::NotFound, message));
        };
        let was_open = operation.polls_left > 0;
        operation.polls_left = operation.polls_left.saturating_sub(1);
        let Operation { verb, remote_id, polls_left } = operation.clone();
        if polls_left > 0 {
            return Ok((Reply::Progress(Progress::Accepted(self.accepted(name)), None), false));
        }
        if was_open && self.objects.contains_key(&remote_id) {
            let observed = self.finish(verb, &remote_id);
            return Ok((Reply::Progress(Progress::Done(observed), None), true));
        }
        match self.objects.get(&remote_id) {
            Some(object) => {
                Ok((Reply::Progress(Progress::Done(Some(observe(object))), None), false))
            }
            None if verb == Verb::Delete => {
                Ok((Reply::Progress(Progress::Done(None), None), false))
            }
            None => {
                let message = format!("{remote_id} was deleted meanwhile");
                Err(OpError::new(OpErrorClass::NotFound, message))
            }
        }
    }

    /// Makes a change final: the object is ready, or gone.
    fn finish(&mut self, verb: Verb, remote_id: &str) -> Option<Observed> {
        if verb == Verb::Delete {
            self.remove(remote_id);
            return None;
        }
        self.object_mut(remote_id).stage = Stage::Ready;
        self.settle_attributes(remote_id);
        Some(observe(&self.objects[remote_id]))
    }

    fn claim(
        &mut self,
        owner: &Owner,
        ty: &NativeType,
        (addr, token): (&Addr, &Token),
        remote_id: &str,
    ) -> Acted {
        let made = self.tokens.get(token).cloned();
        if made.as_deref().is_some_and(|made| made != remote_id) {
            let message = format!("the token {token} is that of another object");
            return Err(OpError::new(OpErrorClass::Conflict, message));
        }
        let Some(object) = self.objects.get_mut(remote_id) else {
            let message = format!("{remote_id} does not exist");
            return Err(OpError::new(OpErrorClass::NotFound, message));
        };
        if object.ty.name != ty.name {
            let message = format!("{remote_id} is a {}, not a {}", object.ty.name, ty.name);
            return Err(OpError::new(OpErrorClass::Invalid, message));
        }
        if object.owner.is_some() {
            rules::check_owner(object, owner)?;
        }
        let changed = object.token.as_ref() != Some(token) || object.addr.as_ref() != Some(addr);
        object.owner = Some(owner.clone());
        object.addr = Some(addr.clone());
        // The old token stays known, so that it can never make a second object.
        object.token = Some(token.clone());
        self.tokens.insert(token.clone(), remote_id.to_owned());
        Ok((Reply::Nothing, changed))
    }

    /// Lists what carries the tags of a blueprint and environment, of one lineage or of all.
    fn inventory(&self, owner: &Owner, lineage: Option<&str>) -> Vec<Owned> {
        let owned = |object: &Object| {
            let whose = object.owner.as_ref().filter(|whose| {
                whose.blueprint == owner.blueprint
                    && whose.environment == owner.environment
                    && lineage.is_none_or(|lineage| whose.lineage == lineage)
            })?;
            let (Some(addr), Some(token), true) =
                (&object.addr, &object.token, self.is_visible(object))
            else {
                return None;
            };
            Some(Owned {
                addr: addr.clone(),
                ty: object.ty.name.to_owned(),
                token: token.clone(),
                remote_id: object.remote_id.clone(),
                lineage: whose.lineage.clone(),
            })
        };
        self.objects.values().filter_map(owned).collect()
    }

    /// Refuses a change of an object that is not the one that the engine takes it for.
    fn check_target(
        &self,
        owner: &Owner,
        ty: &NativeType,
        token: &Token,
        remote_id: &str,
    ) -> Result<(), OpError> {
        let Some(object) = self.objects.get(remote_id) else {
            let message = format!("{remote_id} does not exist");
            return Err(OpError::new(OpErrorClass::NotFound, message));
        };
        rules::check_owner(object, owner)?;
        if object.ty.name != ty.name {
            let message = format!("{remote_id} is a {}, not a {}", object.ty.name, ty.name);
            return Err(OpError::new(OpErrorClass::Invalid, message));
        }
        if object.token.as_ref() != Some(token) {
            let message = format!("{remote_id} was made by another token than {token}");
            return Err(OpError::new(OpErrorClass::Invalid, message));
        }
        Ok(())
    }

    /// Puts an object there that is not finished, has no owner and no token.
    pub(crate) fn put(&mut self, ty: &'static NativeType, args: &Map) -> String {
        self.objects_made += 1;
        let remote_id = rules::object_id(ty, self.objects_made);
        let object = Object {
            remote_id: remote_id.clone(),
            ty,
            addr: None,
            owner: None,
            token: None,
            args: args.clone(),
            attributes: Map::from([("id".to_owned(), Value::text(remote_id.as_str()))]),
            stage: Stage::Partial,
            created_with: args.clone(),
            made_ms: self.now_ms,
            stale: None,
        };
        self.users.extend(uses(&object));
        self.objects.insert(remote_id.clone(), object);
        remote_id
    }

    /// Takes an object away, whoever uses it; `None` when it is not there.
    pub(crate) fn remove(&mut self, remote_id: &str) -> Option<Object> {
        let object = self.objects.remove(remote_id)?;
        for pair in uses(&object) {
            self.users.remove(&pair);
        }
        Some(object)
    }

    /// Changes an object's arguments, without any rule. Panics when it is not there.
    pub(crate) fn change_args(&mut self, remote_id: &str, change: impl FnOnce(&mut Map)) {
        let object = self.objects.get_mut(remote_id).expect("the object exists");
        let before = uses(object);
        change(&mut object.args);
        let after = uses(object);
        for pair in &before {
            self.users.remove(pair);
        }
        self.users.extend(after);
    }

    /// Returns one of the objects that refer to this one, other than itself.
    pub(crate) fn user_of(&self, remote_id: &str) -> Option<&str> {
        let from = (remote_id.to_owned(), String::new());
        let users = self.users.range(from..).take_while(|(target, _)| target == remote_id);
        users.map(|(_, user)| user.as_str()).find(|user| *user != remote_id)
    }

    /// Makes an object ready, as after a creation that nobody saw.
    pub(crate) fn make_ready(&mut self, remote_id: &str) {
        self.finish(Verb::Create, remote_id);
    }

    fn object_mut(&mut self, remote_id: &str) -> &mut Object {
        self.objects.get_mut(remote_id).expect("the caller has seen that it exists")
    }

    /// Computes an object's attributes anew from its arguments and what it refers to.
    pub(crate) fn settle_attributes(&mut self, remote_id: &str) {
        let attributes = computed::attributes(self, &self.objects[remote_id]);
        let object = self.object_mut(remote_id);
        object.attributes = attributes.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        object.attributes.insert("id".to_owned(), Value::text(remote_id));
    }
}

fn busy(object: &Object) -> OpError {
    let message = format!("{} is busy: {:?}", object.remote_id, object.stage);
    OpError::new(OpErrorClass::Conflict, message)
}

/// Lists what an object refers to, as (what, itself).
fn uses(object: &Object) -> Vec<(String, String)> {
    let user = object.remote_id.as_str();
    let ids = rules::references(&object.args).into_iter();
    ids.map(|target| (target.to_owned(), user.to_owned())).collect()
}

/// Shows an object as the cloud tells of it: a secret argument is never shown.
pub(crate) fn observe(object: &Object) -> Observed {
    let shown = object.args.iter().filter(|(_, value)| !value.holds_secret());
    let mut values: Map = shown.map(|(name, value)| (name.clone(), value.clone())).collect();
    values.extend(object.attributes.clone());
    Observed { remote_id: object.remote_id.clone(), values }
}

fn pinned(pin: &str, need: &Value) -> Value {
    let digest = blake3::hash(format!("{pin}\n{need}").as_bytes()).to_hex();
    let entries = [("digest", Value::text(digest.as_str())), ("need", need.clone())];
    Value::Map(entries.map(|(key, value)| (key.to_owned(), value)).into())
}
