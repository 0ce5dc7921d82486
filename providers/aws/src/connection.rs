//! The live half: the engine's calls, made of what each native type answers to.

use crate::clients::Aws;
use crate::kinds;
use crate::object::{Change, Live, Make, Object, Remove, Repeat, Select, Stage, begun, tag_names};
use crate::operate::{KNOWN_HOSTS, LOGS};
use crate::preflight;
use crate::tags;
use async_trait::async_trait;
use dsenv_sdk::OpError;
use dsenv_sdk::addr::Addr;
use dsenv_sdk::builtin;
use dsenv_sdk::preflight::{Preflight, Remark};
use dsenv_sdk::provider::{
    Accepted, Connection, Create, Delete, Found, Identity, Observed, OpErrorClass, Operate, Owned,
    Prior, Progress, Token, Update, Want, Watch,
};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::software::{self, Resolver};
use dsenv_sdk::value::{Map, Value};
use futures::future::try_join_all;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A configured connection.
pub(crate) struct AwsConnection {
    pub(crate) aws: Aws,
    /// A folder of the provider's own: for logs that were fetched, and keys of hosts.
    pub(crate) dir: PathBuf,
    /// Environment variables of whoever called: for `ssh`.
    pub(crate) variables: BTreeMap<String, String>,
    /// Who pins software: this machine, whatever the provider.
    pub(crate) resolver: Option<Arc<dyn Resolver>>,
}

/// After which time EC2 shows what was made. Its own account of its consistency says seconds, and at
/// worst minutes: <https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>
const VISIBLE_WITHIN_MS: u64 = 60_000;
const LOOK_AGAIN_MS: u64 = 5_000;
/// After so many looks for what was just made it is given up; they take longer than
/// [`VISIBLE_WITHIN_MS`].
const LOOKS_MAX: u32 = 100;

/// What was made is not shown yet.
const NOT_SHOWN: Stage = Stage::Pending("it was made, and AWS does not show it yet", 1_000);

/// What an accepted operation is: the engine keeps it as a text, `make 3 ["team"]`, with how often it
/// was asked for and the names of the tags that were asked for.
mod operation {
    pub(super) const MAKE: &str = "make";
    pub(super) const DELETE: &str = "delete";
}

fn object(ty: &NativeType) -> Result<&'static dyn Object, OpError> {
    kinds::object(ty.name).ok_or_else(|| {
        OpError::new(OpErrorClass::Invalid, format!("`{}` has nobody to make it", ty.name))
    })
}

/// How soon the first question comes; each further one waits twice as long, up to what the type says.
const ASK_FIRST_MS: u64 = 250;

/// An accepted operation that was asked for so often.
fn accepted(remote_id: &str, verb: &str, looks: u32, waits_for: &str, most_ms: u64) -> Accepted {
    Accepted {
        remote_id: Some(remote_id.to_owned()),
        operation: format!("{verb} {looks}"),
        waits_for: waits_for.to_owned(),
        ask_again_ms: (ASK_FIRST_MS << looks.min(16)).min(most_ms),
    }
}

/// Reads an operation back: what it is, how often it was asked for, and arguments with the names of the
/// tags.
fn said(accepted: &Accepted) -> (&str, u32, Map) {
    let mut parts = accepted.operation.splitn(3, ' ');
    let verb = parts.next().unwrap_or_default();
    let looks = parts.next().and_then(|looks| looks.parse().ok()).unwrap_or(0);
    let names: Vec<String> =
        parts.next().and_then(|names| serde_json::from_str(names).ok()).unwrap_or_default();
    let names = names.into_iter().map(|name| (name, Value::Null));
    let known = Map::from([("tags".to_owned(), Value::Map(names.collect()))]);
    (verb, looks, known)
}

/// How a create, an update or a poll of them ends; `looks` is how often it was asked for.
fn progress(live: Live, known: Option<&Map>, looks: u32) -> Result<Progress<Observed>, OpError> {
    let waiting = |waits_for: &str, most_ms| {
        let id = &live.remote_id;
        let mut accepted = accepted(id, operation::MAKE, looks, waits_for, most_ms);
        let names: Vec<&String> = known.map(tag_names).unwrap_or_default();
        accepted.operation += &format!(" {}", serde_json::json!(names));
        Ok(Progress::Accepted(accepted))
    };
    match &live.stage {
        Stage::Ready => Ok(Progress::Done(observed(live, known))),
        Stage::Pending(waits_for, ask_again_ms) | Stage::Leaving(waits_for, ask_again_ms) => {
            waiting(waits_for, *ask_again_ms)
        }
        Stage::Partial => {
            let message = format!("{} was made and is not complete", live.remote_id);
            Err(OpError::new(OpErrorClass::Partial(Box::new(observed(live, known))), message))
        }
        Stage::Failed(why) => {
            let message = format!("{}: {why}", live.remote_id);
            Err(OpError::new(OpErrorClass::Partial(Box::new(observed(live, known))), message))
        }
        Stage::Gone(why) => {
            let message = format!("{} is gone again: {why}", live.remote_id);
            Err(OpError::new(OpErrorClass::Invalid, message))
        }
    }
}

/// What the engine sees. Tags that nobody asked for are left out: what others hang on an object is
/// their own affair, and taking it away would be a fight that nobody wins. One that was asked for and
/// is not there is told as nothing: left out, nobody would ask for it the next time.
fn observed(mut live: Live, known: Option<&Map>) -> Observed {
    let own = tags::own(&live.tags);
    let told = match known {
        None => own.into_iter().map(|(name, value)| (name, Value::Text(value))).collect(),
        Some(known) => {
            let tell = |name: &String| own.get(name).map_or(Value::Null, Value::text);
            Map::from_iter(tag_names(known).into_iter().map(|name| (name.clone(), tell(name))))
        }
    };
    if !told.is_empty() {
        live.values.insert("tags".to_owned(), Value::Map(told));
    }
    Observed { remote_id: live.remote_id, values: live.values }
}

impl AwsConnection {
    async fn one(&self, ty: &NativeType, remote_id: &str) -> Result<Option<Live>, OpError> {
        let found = object(ty)?.list(&self.aws, Select::Ids(&[remote_id])).await?;
        Ok(found.into_iter().find(|live| live.remote_id == remote_id))
    }

    /// Asks how a delete stands, and goes on with one that the cloud does not finish by itself.
    async fn poll_delete(
        &self,
        ty: &NativeType,
        remote_id: &str,
        looks: u32,
    ) -> Result<Progress<Option<Observed>>, OpError> {
        let busy = match object(ty)?.go_on_deleting(&self.aws, remote_id).await {
            Err(error) if error.class == OpErrorClass::NotFound => return Ok(Progress::Done(None)),
            busy => busy?,
        };
        let live = self.one(ty, remote_id).await?.filter(|it| !matches!(it.stage, Stage::Gone(_)));
        Ok(match (live, busy) {
            (None, None) => Progress::Done(None),
            (Some(live), None) => Progress::Accepted(leaving(live, looks)),
            (_, Some(busy)) => {
                let verb = operation::DELETE;
                Progress::Accepted(accepted(remote_id, verb, looks, busy.waits_for, busy.most_ms))
            }
        })
    }

    /// Makes sure that what was made is shown to everybody. That it was made is certain by now, so
    /// whatever goes wrong here is a reason to look again and never to make it again.
    async fn shown(
        &self,
        object: &dyn Object,
        live: Live,
        args: &Map,
    ) -> Result<Progress<Observed>, OpError> {
        if !object.shows_late() {
            return progress(live, Some(args), 0);
        }
        match self.one(object.ty(), &live.remote_id).await {
            Ok(Some(shown)) if shown.stage == Stage::Ready => progress(shown, Some(args), 0),
            _ => progress(Live { stage: NOT_SHOWN, ..live }, Some(args), 0),
        }
    }

    /// Does what a create has left to do; where that has to wait, the engine asks again.
    async fn completed(
        &self,
        object: &dyn Object,
        live: Live,
        args: &Map,
    ) -> Result<Progress<Observed>, OpError> {
        match object.finish(&self.aws, &live).await.map_err(|error| begun(&live, error)) {
            Err(error) if matches!(error.class, OpErrorClass::Partial(_)) => Err(error),
            _ => progress(Live { stage: NOT_SHOWN, ..live }, Some(args), 0),
        }
    }

    async fn by_token(&self, ty: &NativeType, token: &Token) -> Result<Option<Live>, OpError> {
        let mut found = object(ty)?.list(&self.aws, Select::Token(token)).await?;
        found.retain(is_there);
        // More than one can only be the work of a create whose reply was lost. Any will do, as long as
        // it is the same each time; the inventory shows the other.
        found.sort_by(|a, b| a.remote_id.cmp(&b.remote_id));
        Ok(found.into_iter().next())
    }
}

#[async_trait]
impl Connection for AwsConnection {
    async fn identity(&self) -> Result<Identity, OpError> {
        let caller = self.aws.caller().await?;
        Ok(Identity { account: caller.account.clone(), region: self.aws.region.clone() })
    }

    async fn find(&self, ty: &'static NativeType, token: &Token) -> Result<Option<Found>, OpError> {
        if ty.state_only {
            return Ok(None);
        }
        let found = self.by_token(ty, token).await?;
        Ok(found.map(|live| {
            let complete = live.stage == Stage::Ready;
            Found { observed: observed(live, None), complete }
        }))
    }

    async fn read_many(
        &self,
        ty: &'static NativeType,
        wanted: &[Prior],
    ) -> Result<Vec<Option<Observed>>, OpError> {
        if ty.state_only {
            return Ok(builtin::read_many(wanted));
        }
        let ids: Vec<&str> = wanted.iter().map(|prior| &*prior.observed.remote_id).collect();
        let found = object(ty)?.list(&self.aws, Select::Ids(&ids)).await?;
        let mut found: BTreeMap<String, Live> =
            found.into_iter().filter(is_there).map(|live| (live.remote_id.clone(), live)).collect();
        let known = |prior: &Prior| {
            let live = found.remove(&prior.observed.remote_id)?;
            Some(observed(live, Some(&prior.observed.values)))
        };
        Ok(wanted.iter().map(known).collect())
    }

    async fn create(&self, request: Create<'_>) -> Result<Progress<Observed>, OpError> {
        let Create { addr, ty, token, args, begun_before_ms, .. } = request;
        if builtin::owns(ty) {
            return builtin::create(request).map(Progress::Done);
        }
        let object = object(ty)?;
        let again = begun_before_ms.is_some();
        if again && object.repeat() != Repeat::Sends {
            let over_for_ms = begun_before_ms.unwrap_or(0);
            match self.by_token(ty, token).await? {
                Some(live) if live.stage == Stage::Partial => {
                    return self.completed(object, live, args).await;
                }
                Some(live) => return progress(live, Some(args), 0),
                None if object.repeat() == Repeat::Waits && over_for_ms < VISIBLE_WITHIN_MS => {
                    return Err(maybe_made(ty));
                }
                None => {}
            }
        }
        let live = object.create(&self.aws, Make { addr, ty, token, args, again }).await?;
        match live.stage {
            Stage::Ready => self.shown(object, live, args).await,
            Stage::Partial => self.completed(object, live, args).await,
            _ => progress(live, Some(args), 0),
        }
    }

    async fn update(&self, request: Update<'_>) -> Result<Progress<Observed>, OpError> {
        let Update { addr, ty, prior, prior_args, args, watch } = request;
        let token = &prior.token;
        if builtin::owns(ty) {
            let create = Create { addr, ty, token, args, begun_before_ms: None, watch };
            return builtin::update(prior, create).map(Progress::Done);
        }
        let object = object(ty)?;
        let remote_id = &prior.observed.remote_id;
        let gone = || OpError::new(OpErrorClass::NotFound, format!("{remote_id} is not there"));
        // As it is now, not as it was recorded: what a hand has changed is to be put back, and of an
        // update that was cut off only the rest is to be done.
        let seen = self.one(ty, remote_id).await?.ok_or_else(gone)?;
        let seen = observed(seen, Some(prior_args));
        let make = Make { addr, ty, token, args, again: false };
        let change = Change { make, observed: &seen, prior_args };
        let live = match object.update(&self.aws, change).await? {
            Some(live) => Some(live),
            None => self.one(ty, remote_id).await?,
        };
        progress(live.ok_or_else(gone)?, Some(args), 0)
    }

    async fn delete(&self, request: Delete<'_>) -> Result<Progress<()>, OpError> {
        let Delete { ty, prior, data, watch, .. } = request;
        if ty.state_only {
            return Ok(Progress::Done(()));
        }
        let observed = &prior.observed;
        let remove = Remove { token: &prior.token, observed, data, watch };
        let remote_id = prior.observed.remote_id.clone();
        match object(ty)?.delete(&self.aws, remove).await {
            Ok(true) => Ok(Progress::Done(())),
            Err(error) if error.class == OpErrorClass::NotFound => Ok(Progress::Done(())),
            Err(error) => Err(error),
            Ok(false) => match self.poll_delete(ty, &remote_id, 0).await? {
                Progress::Done(_) => Ok(Progress::Done(())),
                Progress::Accepted(accepted) => Ok(Progress::Accepted(accepted)),
            },
        }
    }

    async fn poll(
        &self,
        ty: &'static NativeType,
        accepted: &Accepted,
    ) -> Result<Progress<Option<Observed>>, OpError> {
        let remote_id = accepted.remote_id.as_deref().unwrap_or_default();
        let (verb, looks, known) = said(accepted);
        if verb == operation::DELETE {
            return self.poll_delete(ty, remote_id, looks + 1).await;
        }
        let looks = looks + 1;
        let live = match self.one(ty, remote_id).await? {
            Some(live) if live.stage == Stage::Partial && looks < LOOKS_MAX => {
                let left = object(ty)?.finish(&self.aws, &live).await;
                if let Err(error) = left
                    && object(ty)?.repeat() == Repeat::Waits
                    && let Err(error) = passing(begun(&live, error))
                {
                    return Err(error);
                }
                Live { stage: NOT_SHOWN, ..live }
            }
            Some(live) => live,
            None if looks < LOOKS_MAX => unseen(remote_id),
            None => {
                let message = format!("{remote_id} was made, and AWS does not show it");
                return Err(OpError::new(OpErrorClass::Invalid, message));
            }
        };
        Ok(match progress(live, Some(&known), looks)? {
            Progress::Done(observed) => Progress::Done(Some(observed)),
            Progress::Accepted(accepted) => Progress::Accepted(accepted),
        })
    }

    async fn read_foreign(
        &self,
        ty: &'static NativeType,
        remote_id: &str,
    ) -> Result<Option<Observed>, OpError> {
        Ok(self.one(ty, remote_id).await?.map(|live| observed(live, None)))
    }

    async fn claim(
        &self,
        ty: &'static NativeType,
        addr: &Addr,
        token: &Token,
        remote_id: &str,
    ) -> Result<(), OpError> {
        let tags = tags::all(&self.aws, addr, ty.name, token, BTreeMap::new());
        object(ty)?.tag(&self.aws, remote_id, &tags).await
    }

    async fn inventory(&self, lineage: Option<&str>) -> Result<Vec<Owned>, OpError> {
        let select = Select::Owner(lineage);
        let lists = kinds::OBJECTS.iter().map(|object| object.list(&self.aws, select));
        let live = try_join_all(lists).await?.into_iter().flatten();
        let there = live.filter(is_there);
        Ok(there.filter_map(|live| tags::owned(&live)).collect())
    }

    fn invisible_for_ms(&self, ty: &'static NativeType) -> u64 {
        let late = object(ty).is_ok_and(|object| object.shows_late());
        if late { VISIBLE_WITHIN_MS } else { 0 }
    }

    async fn preflight(&self, request: Preflight<'_>) -> Result<Vec<Remark>, OpError> {
        preflight::look(&self.aws, request).await
    }

    async fn pin(&self, want: &Want, watch: Watch<'_>) -> Result<Value, OpError> {
        if want.what == software::WHAT {
            let Some(resolver) = &self.resolver else {
                let message = "nobody on this machine pins software";
                return Err(OpError::new(OpErrorClass::Invalid, message));
            };
            return resolver.resolve(want, watch).await;
        }
        kinds::pin(&self.aws, want).await
    }

    async fn close_environment(&self, _kept: &[Token]) -> Result<(), OpError> {
        // All that is kept on this machine: logs that were fetched, and keys of hosts.
        for name in [LOGS, KNOWN_HOSTS] {
            let folder = self.dir.join(name);
            match std::fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    let message = format!("{} cannot be deleted", folder.display());
                    return Err(OpError::new(OpErrorClass::Invalid, message).caused_by(&error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn operate(&self) -> Option<&dyn Operate> {
        Some(self)
    }
}

/// Says whether an object is there and stays.
fn is_there(live: &Live) -> bool {
    !matches!(live.stage, Stage::Leaving(..) | Stage::Gone(_))
}

/// Lets through what passes by itself.
fn passing(error: OpError) -> Result<(), OpError> {
    match error.class {
        OpErrorClass::Partial(_) => Err(error),
        _ => Ok(()),
    }
}

/// What was made and is not shown to this question.
fn unseen(remote_id: &str) -> Live {
    let (remote_id, values) = (remote_id.to_owned(), Map::new());
    Live { remote_id, tags: BTreeMap::new(), stage: NOT_SHOWN, values }
}

/// An earlier create may have made one that reads do not show yet, and another create would make a
/// second one: to be asked again until it would be shown.
fn maybe_made(ty: &NativeType) -> OpError {
    let class = OpErrorClass::Throttled { retry_after_ms: Some(LOOK_AGAIN_MS) };
    let message = "an earlier request may have made it, and AWS does not show it yet";
    OpError::new(class, format!("{}: {message}", ty.name))
}

/// A delete that the cloud is at.
fn leaving(live: Live, looks: u32) -> Accepted {
    let (waits_for, most_ms) = match live.stage {
        Stage::Leaving(waits_for, most_ms) | Stage::Pending(waits_for, most_ms) => {
            (waits_for, most_ms)
        }
        _ => ("it is being deleted", 1_000),
    };
    accepted(&live.remote_id, operation::DELETE, looks, waits_for, most_ms)
}
