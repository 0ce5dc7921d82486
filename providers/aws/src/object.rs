//! What every native type of this provider answers to, and what is passed between them.
//!
//! A type lists, creates, changes and deletes; [`connection`](crate::connection) makes the engine's
//! contract of that, the same for every type. All reading is listing: by token after a crash, by
//! owner for an inventory, by name to see how something stands. So a type has one place where the
//! cloud's answer becomes values, and what was created is seen with the same eyes as what is read.

use crate::clients::Aws;
use async_trait::async_trait;
use dsenv_sdk::addr::Addr;
use dsenv_sdk::preflight::Intent;
use dsenv_sdk::provider::{DataFate, Observed, OpError, OpErrorClass, Token, Watch};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::value::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Tags by name.
pub(crate) type Tags = BTreeMap<String, String>;

/// Which objects are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Select<'a> {
    /// Those that carry the tags of this blueprint and environment: of one lineage, or of all.
    Owner(Option<&'a str>),
    /// What this token made.
    Token(&'a Token),
    /// These, by the cloud's names. One that is not there is left out of the answer.
    Ids(&'a [&'a str]),
}

/// One object as the cloud shows it.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    /// The cloud's name for it.
    pub(crate) remote_id: String,
    /// All of its tags.
    pub(crate) tags: Tags,
    /// How far it is.
    pub(crate) stage: Stage,
    /// Its arguments as far as the cloud tells them, and its attributes.
    pub(crate) values: Map,
}

/// How far an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is there and can be used.
    Ready,
    /// It was begun and something of it is missing; the same create finishes it.
    Partial,
    /// The cloud is at it: what for, in words, and how long to wait between two questions at most.
    Pending(&'static str, u64),
    /// It is on its way out.
    Leaving(&'static str, u64),
    /// The cloud gave up making it, and says why; it is there all the same.
    Failed(String),
    /// It was there and is gone, and the cloud shows it for a while: why it went.
    Gone(String),
}

/// What a create does that may have been sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It sends the same again: the cloud's idempotency token, or a name that follows from ours, keeps
    /// it from making a second object.
    Sends,
    /// It looks first: another of its ways of making one may have been taken.
    Looks,
    /// It looks first, and while nothing is shown it waits until that would be shown: the cloud takes
    /// no token for this type, and its objects have no names.
    Waits,
}

/// A create or a change, as a type sees it.
#[derive(Clone, Copy)]
pub(crate) struct Make<'a> {
    pub(crate) addr: &'a Addr,
    pub(crate) ty: &'static NativeType,
    pub(crate) token: &'a Token,
    pub(crate) args: &'a Map,
    /// Whether it was tried before, and nobody knows how that ended.
    pub(crate) again: bool,
}

impl Make<'_> {
    /// Returns an argument, unless it is absent.
    pub(crate) fn arg(&self, name: &str) -> Option<&Value> {
        self.args.get(name).filter(|value| **value != Value::Null)
    }

    /// Returns a text that the schema makes compulsory.
    pub(crate) fn text(&self, name: &str) -> Result<&str, OpError> {
        self.arg(name).and_then(Value::expose_text).ok_or_else(|| {
            let message = format!("`{name}` of {} must be a text", self.ty.name);
            OpError::new(OpErrorClass::Invalid, message)
        })
    }

    /// Returns true or false; false when it is absent.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.arg(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Returns a whole number that the cloud takes with 32 bits.
    pub(crate) fn int(&self, name: &str) -> Option<i32> {
        self.arg(name).and_then(Value::as_int).and_then(|number| i32::try_from(number).ok())
    }

    /// Returns the texts of a list; none when it is absent.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let items = self.arg(name).and_then(Value::as_list).unwrap_or_default();
        items.iter().filter_map(Value::expose_text).map(str::to_owned).collect()
    }
}

/// A change in place.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    /// What it is to be.
    pub(crate) make: Make<'a>,
    /// What was seen of it last.
    pub(crate) observed: &'a Observed,
    /// What its arguments were when they were last applied.
    pub(crate) prior_args: &'a Map,
}

impl Change<'_> {
    /// Says whether an argument is to be another than was applied, or than is there.
    pub(crate) fn changes(&self, name: &str) -> bool {
        let wanted = self.make.arg(name);
        let there = self.observed.values.get(name);
        wanted != self.prior_args.get(name) || there.is_some() && wanted != there
    }
}

/// A delete.
#[derive(Clone, Copy)]
pub(crate) struct Remove<'a> {
    pub(crate) token: &'a Token,
    /// What was seen of it last.
    pub(crate) observed: &'a Observed,
    /// What becomes of its data.
    pub(crate) data: DataFate,
    /// Whom to tell where a last copy is.
    pub(crate) watch: Watch<'a>,
}

impl Remove<'_> {
    pub(crate) fn remote_id(&self) -> &str {
        &self.observed.remote_id
    }
}

/// What a delete is at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy {
    /// In words.
    pub(crate) waits_for: &'static str,
    /// How long to wait between two questions at most.
    pub(crate) most_ms: u64,
}

/// The permissions that a type takes, by the names of IAM, sorted. What only some objects of a type
/// take, for a setting that few have, is left out.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>
#[derive(Clone, Copy, Debug)]
pub(crate) struct Actions {
    /// To see it, which whatever is done to it takes.
    pub(crate) look: &'static [&'static str],
    pub(crate) create: &'static [&'static str],
    pub(crate) update: &'static [&'static str],
    pub(crate) delete: &'static [&'static str],
}

impl Actions {
    /// Returns those that are needed for what is meant, sorted.
    pub(crate) fn of(self, intent: Intent) -> BTreeSet<&'static str> {
        let acts: &[&[&str]] = match intent {
            Intent::Create => &[self.create],
            Intent::Update => &[self.update],
            Intent::Replace => &[self.create, self.delete],
            Intent::Delete => &[self.delete],
        };
        acts.iter().copied().chain([self.look]).flatten().copied().collect()
    }
}

/// What does the work for one native type. Every call is made once: an error goes to the engine.
#[async_trait]
pub(crate) trait Object: Send + Sync {
    /// The type.
    fn ty(&self) -> &'static NativeType;

    /// The permissions that the calls below take.
    fn actions(&self) -> Actions;

    /// Lists objects, in as few calls as there are pages.
    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError>;

    /// Creates one, or finishes what a create with this token had begun. Sent twice it makes one
    /// object: by the cloud's own idempotency token, or by a name that follows from ours.
    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError>;

    /// Changes one in place; `None` when the cloud has to be asked how it stands now.
    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError>;

    /// Deletes one; `true` when it is gone at once. What is not there is an error of its class.
    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError>;

    /// Goes on with a delete that takes more calls than one, each time that the engine asks how it
    /// stands; says what it is at, `None` when the cloud does the rest by itself. What it is at counts
    /// also when the object is not shown any more: the members of a group outlive it.
    async fn go_on_deleting(&self, _aws: &Aws, _remote_id: &str) -> Result<Option<Busy>, OpError> {
        Ok(None)
    }

    /// Writes tags onto one.
    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError>;

    /// Whether what was just made may be hidden from reads for a while, so that it is looked for before
    /// it is said to be there. Buckets and parameters are shown at once.
    fn shows_late(&self) -> bool {
        true
    }

    /// What a create does that may have been sent before.
    fn repeat(&self) -> Repeat {
        Repeat::Sends
    }

    /// Goes on with one that was made by [`Repeat::Waits`] and is not complete: such a create is sent
    /// once, so what comes after its first call has to be known from the object alone.
    async fn finish(&self, _aws: &Aws, live: &Live) -> Result<(), OpError> {
        Err(OpError::new(OpErrorClass::Invalid, format!("{} is not complete", live.remote_id)))
    }
}

/// What a create answers when its first call made something and a later one failed. For a passing
/// reason the same create is sent again; for any other, what was made must not be forgotten.
pub(crate) fn begun(live: &Live, error: OpError) -> OpError {
    let class = match error.class {
        OpErrorClass::Throttled { .. } | OpErrorClass::InUse | OpErrorClass::Unknown => {
            return error;
        }
        // What was just made is not seen by the next call.
        OpErrorClass::NotFound => OpErrorClass::Throttled { retry_after_ms: None },
        _ => {
            let (remote_id, values) = (live.remote_id.clone(), live.values.clone());
            OpErrorClass::Partial(Box::new(Observed { remote_id, values }))
        }
    };
    OpError { class, ..error }
}

/// A name or a range that is ours alone is taken, and nothing of ours is shown: an earlier try has
/// made it, and it will be. The first time, it is somebody else's.
pub(crate) fn in_our_own_way(make: Make<'_>, error: OpError) -> OpError {
    match make.again {
        true => OpError { class: OpErrorClass::Throttled { retry_after_ms: None }, ..error },
        false => error,
    }
}

/// An answer that says that something was made and not what: only a look can tell.
pub(crate) fn unnamed(what: &str) -> OpError {
    OpError::new(OpErrorClass::Unknown, format!("the answer names no {what}"))
}

/// The tags argument that every type has.
pub(crate) fn tags_of(args: &Map) -> Tags {
    let map = args.get("tags").and_then(Value::as_map).cloned().unwrap_or_default();
    let text = |(name, value): (String, Value)| Some((name, value.as_text()?.to_owned()));
    map.into_iter().filter_map(text).collect()
}

/// The names of the tags among arguments, or of an observation, where one that is gone is nothing.
pub(crate) fn tag_names(args: &Map) -> Vec<&String> {
    let tags = args.get("tags").and_then(Value::as_map);
    tags.map(|tags| tags.keys().collect()).unwrap_or_default()
}

/// The names of tags that are wanted no more.
pub(crate) fn dropped(before: &Tags, after: &Tags) -> Vec<String> {
    before.keys().filter(|name| !after.contains_key(*name)).cloned().collect()
}

/// Makes the values of an object from pairs; what the cloud does not tell is left out.
pub(crate) fn values<const N: usize>(pairs: [(&str, Option<Value>); N]) -> Map {
    pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// A text as a value; absent stays absent.
pub(crate) fn text(value: Option<&str>) -> Option<Value> {
    value.map(Value::text)
}
