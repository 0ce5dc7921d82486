//! The cloud itself: what a test holds, and the course of one call.
//!
//! ```text
//! come in (log, peak) -> step aside once -> faults in front -> effect, all at once -> faults
//! behind -> reply
//! ```
//! A future that is dropped in front of the effect did nothing; behind it, it did everything: as
//! with a cloud that is on the other end of a cable.
//!
//! ## Why each call steps aside once
//! Without it a call without latency would end before the next begins, and two calls that an
//! engine sends at once would never be in flight together.

use crate::calls::{Call, Log, Outcome, Verb};
use crate::fault::{Fault, Faults, Seeded, What, When};
use crate::native;
use crate::request::{Ask, Reply, Request};
use crate::world::{Object, World};
use dsenv_sdk::addr::Addr;
use dsenv_sdk::provider::{Identity, OpError, OpErrorClass, Owner, Progress};
use dsenv_sdk::value::Map;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

/// Waits this many milliseconds, by whatever clock the test has.
pub type Sleeper = Arc<dyn Fn(u64) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Tells the milliseconds since some moment, by whatever clock the test has.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Called when a [`What::Crash`] strikes. It may panic, to unwind the engine from within.
pub type CrashHook = Arc<dyn Fn(&Call, When) + Send + Sync>;

/// A cloud in memory. Every method may be called at any time, also while calls are in flight.
pub struct FakeCloud {
    inner: Mutex<Inner>,
}

struct Inner {
    world: World,
    log: Log,
    faults: Faults,
    sleeper: Sleeper,
    clock: Clock,
    crash: Option<CrashHook>,
}

impl fmt::Debug for FakeCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeCloud").field("objects", &self.inner().world.objects).finish()
    }
}

// ---------------------------------------------------------------- settings

impl FakeCloud {
    /// Makes an empty cloud: no quotas, no faults, consistent reads, buckets and databases
    /// accepted first. Without [`FakeCloud::set_sleeper`] a latency takes no time.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Arc<FakeCloud> {
        Arc::new(FakeCloud {
            inner: Mutex::new(Inner {
                world: World::new(),
                log: Log::default(),
                faults: Faults::default(),
                sleeper: Arc::new(|_| Box::pin(yield_once())),
                clock: Arc::new(|| 0),
                crash: None,
            }),
        })
    }

    /// Sets what waiting means: the simulation's clock, or a real one.
    pub fn set_sleeper(&self, sleeper: Sleeper) {
        self.inner().sleeper = sleeper;
    }

    /// Sets what time it is. Without it time stands still.
    pub fn set_clock(&self, clock: Clock) {
        self.inner().clock = clock;
    }

    /// Sets what is called when a crash strikes. The call itself then never ends, so the hook
    /// tells the test to drop the engine's future, or panics.
    pub fn on_crash(&self, hook: CrashHook) {
        self.inner().crash = Some(hook);
    }

    /// Sets which account and region the connection acts for.
    pub fn set_identity(&self, account: &str, region: &str) {
        self.inner().world.settings.identity =
            Identity { account: account.to_owned(), region: region.to_owned() };
    }

    /// Lets the account have this many of a type, and no more.
    pub fn set_quota(&self, ty: &str, max: usize) {
        self.inner().world.settings.quotas.insert(known_type(ty).name.to_owned(), max);
    }

    /// Lets plans be looked over: quotas are told before anything is begun, and what may not be done.
    pub fn set_preflight(&self, on: bool) {
        self.inner().world.settings.preflight = on;
    }

    /// Takes the permission to create, change and delete a type away, as far as `--check-permissions`
    /// tells.
    pub fn deny(&self, ty: &str) {
        self.inner().world.settings.denied.insert(known_type(ty).name.to_owned());
    }

    /// Says whether plans are looked over.
    pub(crate) fn has_preflight(&self) -> bool {
        self.inner().world.settings.preflight
    }

    /// Makes the creates of a type take no token, as those of EC2's networks and addresses do: sent
    /// twice, they make two objects. What was made carries its token as a tag, and `find` and
    /// `inventory` see it only after this time.
    pub fn set_tokenless(&self, ty: &str, visible_after_ms: u64) {
        let ty = known_type(ty).name.to_owned();
        self.inner().world.settings.tokenless.insert(ty, visible_after_ms);
    }

    /// Says for how long a fresh object of a type without tokens may be invisible.
    pub(crate) fn invisible_for_ms(&self, ty: &str) -> Option<u64> {
        self.inner().world.settings.tokenless.get(ty).copied()
    }

    /// Makes a create, update or delete of a type done after this many polls; 0 is at once.
    pub fn set_polls(&self, verb: Verb, ty: &str, polls: u32) {
        let ty = known_type(ty).name.to_owned();
        self.inner().world.settings.polls.insert((verb, ty), polls);
    }

    /// Sets after how long an accepted call wants to be polled.
    pub fn set_ask_again_ms(&self, ms: u64) {
        self.inner().world.settings.ask_again_ms = ms;
    }

    /// Makes an object be seen as it was before its creation or last update by this many reads of
    /// it. `find` stays truthful. With 0 the cloud has caught up: what was behind is so no more.
    pub fn set_stale_reads(&self, reads: u32) {
        let mut inner = self.inner();
        inner.world.settings.stale_reads = reads;
        if reads == 0 {
            inner.world.objects.values_mut().for_each(|object| object.stale = None);
        }
    }

    /// Makes `find` not see either what reads do not see yet. An engine cannot adopt under this;
    /// it is for showing that it then says so.
    pub fn set_stale_find(&self, stale: bool) {
        self.inner().world.settings.stale_find = stale;
    }
}

// ---------------------------------------------------------------- faults and the log

impl FakeCloud {
    /// Adds a fault. Faults stay until [`FakeCloud::clear_faults`], unless they name the nth call.
    pub fn inject(&self, fault: Fault) {
        self.inner().faults.inject(fault);
    }

    /// Lets chance strike, from a seed; `None` stops it.
    pub fn seed_faults(&self, seeded: Option<Seeded>) {
        self.inner().faults.seed(seeded);
    }

    /// Takes every fault away, scripted and seeded.
    pub fn clear_faults(&self) {
        self.inner().faults.clear();
    }

    /// Returns every call, in the order in which they came in.
    pub fn calls(&self) -> Vec<Call> {
        self.inner().log.calls.clone()
    }

    /// Returns the calls that asked for a change, whatever came of them.
    pub fn mutating_calls(&self) -> Vec<Call> {
        let calls = self.calls();
        calls.into_iter().filter(|call| call.verb.is_mutating()).collect()
    }

    /// Returns what changed the cloud, a line each, in the order in which it took effect:
    /// `create a`, `delete b`. A poll that makes a change final is not among them.
    pub fn changes(&self) -> Vec<String> {
        let mut calls = self.mutating_calls();
        calls.retain(|call| call.changed);
        calls.sort_by_key(|call| call.effect);
        calls.iter().map(Call::line).collect()
    }

    /// Empties the log and forgets the peaks. Only between runs: calls in flight lose their entry.
    pub fn clear_calls(&self) {
        self.inner().log.clear();
    }

    /// Returns the most calls that were in flight at once, of one verb or of all.
    pub fn peak(&self, verb: Option<Verb>) -> usize {
        self.inner().log.peak(verb)
    }
}

// ---------------------------------------------------------------- behind the engine's back

impl FakeCloud {
    /// Returns everything that exists, by id.
    pub fn objects(&self) -> Vec<Object> {
        self.inner().world.objects.values().cloned().collect()
    }

    /// Returns the object that carries this address; `None` when there is none. Panics when there
    /// are two.
    pub fn object_at(&self, addr: &str) -> Option<Object> {
        let addr: Addr = addr.parse().expect("a test names an address");
        let mut found = self.objects();
        found.retain(|object| object.addr.as_ref() == Some(&addr));
        assert!(found.len() <= 1, "there are {} objects for {addr}", found.len());
        found.pop()
    }

    /// Returns the last copies that were kept of data: their places.
    pub fn snapshots(&self) -> Vec<String> {
        self.inner().world.snapshots.keys().cloned().collect()
    }

    /// Changes an object's arguments behind the engine's back; its attributes follow. Panics when
    /// there is no such object.
    pub fn edit(&self, remote_id: &str, edit: impl FnOnce(&mut Map)) {
        let mut inner = self.inner();
        inner.world.change_args(remote_id, edit);
        inner.world.settle_attributes(remote_id);
    }

    /// Changes an object's attributes behind the engine's back, until its next update.
    pub fn edit_attributes(&self, remote_id: &str, edit: impl FnOnce(&mut Map)) {
        let mut inner = self.inner();
        edit(&mut inner.world.objects.get_mut(remote_id).expect("the object exists").attributes);
    }

    /// Deletes an object behind the engine's back, also one that is in use. Panics when there is
    /// no such object.
    pub fn delete_out_of_band(&self, remote_id: &str) {
        self.inner().world.remove(remote_id).expect("the object exists");
    }

    /// Puts a ready object there that nobody owns, for imports, and returns its id.
    pub fn put_foreign(&self, ty: &str, args: &Map) -> String {
        let mut inner = self.inner();
        let remote_id = inner.world.put(known_type(ty), args);
        inner.world.make_ready(&remote_id);
        remote_id
    }

    /// Puts a second object there that carries the tags of another, as a create that is sent twice
    /// makes where it takes no token; returns its id.
    pub fn put_twin(&self, remote_id: &str) -> String {
        let mut inner = self.inner();
        let first = inner.world.objects.get(remote_id).expect("the object exists").clone();
        let twin = inner.world.put(first.ty, &first.args);
        inner.world.make_ready(&twin);
        let object = inner.world.objects.get_mut(&twin).expect("it was just put");
        (object.addr, object.owner, object.token) = (first.addr, first.owner, first.token);
        twin
    }

    /// Compares what this owner has with what an engine believes, and lists what is wrong: the
    /// invariant of the engine's scenarios. `current` and `deposed` are (address, id) of what the
    /// state holds, without nodes of types that exist in the state alone.
    ///
    /// - an *orphan* exists and is not believed in; a *phantom* is believed in and does not exist;
    /// - a *duplicate* is a second current object of one address, or one object believed in twice.
    pub fn inconsistencies(
        &self,
        owner: &Owner,
        current: &[(Addr, String)],
        deposed: &[(Addr, String)],
    ) -> Vec<String> {
        let objects = self.objects();
        let mut wrong = Vec::new();
        let mut ids = BTreeSet::new();
        for (addr, id) in current.iter().chain(deposed) {
            if !ids.insert(id.as_str()) {
                wrong.push(format!("duplicate: {id} is believed in twice, once as {addr}"));
            }
            if !objects.iter().any(|object| object.remote_id == *id) {
                wrong.push(format!("phantom: {addr} is believed to be {id}, which is not there"));
            }
        }
        let mut at = BTreeMap::new();
        for (addr, id) in current {
            if let Some(other) = at.insert(addr, id) {
                wrong.push(format!("duplicate: {addr} is believed to be {other} and {id}"));
            }
        }
        for object in objects.iter().filter(|object| object.owner.as_ref() == Some(owner)) {
            if !ids.contains(object.remote_id.as_str()) {
                let addr = object.addr.as_ref().map(Addr::to_string).unwrap_or_default();
                wrong.push(format!("orphan: {} of {addr} is not believed in", object.remote_id));
            }
        }
        wrong
    }

    /// Panics with every inconsistency and the changes that led there, when there is one.
    pub fn assert_consistent(&self, owner: &Owner, current: &[(Addr, String)]) {
        let wrong = self.inconsistencies(owner, current, &[]);
        let changes = self.changes().join("\n  ");
        assert!(wrong.is_empty(), "{}\nafter:\n  {changes}", wrong.join("\n"));
    }
}

fn known_type(name: &str) -> &'static dsenv_sdk::schema::NativeType {
    native::find(name).expect("a test names a native type of the fake cloud")
}

// ---------------------------------------------------------------- the course of one call

/// A call that is in the log as in flight, until it ends or is dropped.
struct InFlight<'a> {
    cloud: &'a FakeCloud,
    seq: u64,
    ended: bool,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.cloud.inner().log.end(self.seq, Outcome::Abandoned);
        }
    }
}

impl InFlight<'_> {
    fn end(mut self, result: Result<Reply, OpError>) -> Result<Reply, OpError> {
        self.ended = true;
        let outcome = match &result {
            Ok(Reply::Progress(Progress::Accepted(_), _)) => Outcome::Accepted,
            Ok(_) => Outcome::Done,
            Err(error) => Outcome::Failed(error.class.name()),
        };
        self.cloud.inner().log.end(self.seq, outcome);
        result.map_err(|mut error| {
            error.request_id = Some(format!("fake-request-{}", self.seq));
            error
        })
    }
}

impl FakeCloud {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A crash hook may panic, never while this is held; a test's closure may, and then the
        // world is as that closure left it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one call from its coming in to its reply.
    pub(crate) async fn serve(&self, request: &Request) -> Result<Reply, OpError> {
        let (call, struck) = self.come_in(&request.ask);
        yield_once().await;
        for what in &struck {
            self.wait(&call, what, When::Before).await;
            if let Some(error) = refusal(what, request.ask.verb()) {
                return call.end(Err(error));
            }
        }
        let half_way = struck.contains(&What::Partial);
        let result = self.take_effect(&call, request, half_way);
        for what in &struck {
            self.wait(&call, what, When::After).await;
            if *what == (What::Unknown { happened: true }) {
                return call.end(Err(lost_reply()));
            }
        }
        call.end(result)
    }

    fn come_in(&self, ask: &Ask) -> (InFlight<'_>, Vec<What>) {
        let mut call = ask.call();
        let mut inner = self.inner();
        call.addr = call.addr.or_else(|| inner.world.addr_of(ask));
        let struck = inner.faults.strike(&call);
        let seq = inner.log.begin(call);
        (InFlight { cloud: self, seq, ended: false }, struck)
    }

    fn take_effect(
        &self,
        call: &InFlight<'_>,
        request: &Request,
        half_way: bool,
    ) -> Result<Reply, OpError> {
        let mut inner = self.inner();
        inner.world.now_ms = (inner.clock)();
        let result = inner.world.act(request, half_way);
        let (changed, remote_id) = match &result {
            Ok((reply, changed)) => (*changed, reply.remote_id()),
            Err(OpError { class: OpErrorClass::Partial(observed), .. }) => {
                (true, Some(observed.remote_id.clone()))
            }
            Err(_) => return result.map(|(reply, _)| reply),
        };
        inner.log.effect(call.seq, changed);
        if let Some(logged) = inner.log.call(call.seq) {
            logged.remote_id = logged.remote_id.take().or(remote_id);
        }
        result.map(|(reply, _)| reply)
    }

    /// Waits out what a fault says of this moment; for ever, when the engine is to stop here.
    async fn wait(&self, call: &InFlight<'_>, what: &What, now: When) {
        match what {
            What::Latency { ms, when } if *when == now => {
                let sleeper = self.inner().sleeper.clone();
                sleeper(*ms).await;
            }
            What::Hang { when } if *when == now => std::future::pending().await,
            What::Crash { when } if *when == now => {
                let (hook, logged) = {
                    let mut inner = self.inner();
                    (inner.crash.clone(), inner.log.call(call.seq).cloned())
                };
                if let (Some(hook), Some(logged)) = (hook, logged) {
                    hook(&logged, now);
                }
                std::future::pending().await
            }
            _ => {}
        }
    }
}

/// Returns the error of a fault that keeps the cloud from acting.
fn refusal(what: &What, verb: Verb) -> Option<OpError> {
    let (class, message) = match what {
        What::Throttled { retry_after_ms } => {
            (OpErrorClass::Throttled { retry_after_ms: *retry_after_ms }, "too many requests")
        }
        What::NoCapacity => (OpErrorClass::NoCapacity, "there is none of it to be had now"),
        What::Quota => (OpErrorClass::Quota, "a limit of the account is reached"),
        What::Denied => {
            let permission = Some(format!("fake:{}", verb.name()));
            (OpErrorClass::Denied { permission }, "not allowed")
        }
        What::Invalid => (OpErrorClass::Invalid, "the request makes no sense"),
        What::Says(words) => (OpErrorClass::Invalid, words.as_str()),
        What::Conflict => (OpErrorClass::Conflict, "something else was changed meanwhile"),
        What::Unknown { happened: false } => return Some(lost_reply()),
        What::Partial if verb != Verb::Create => return Some(lost_reply()),
        What::Unknown { happened: true }
        | What::Partial
        | What::Latency { .. }
        | What::Hang { .. }
        | What::Crash { .. } => return None,
    };
    Some(OpError::new(class, message))
}

fn lost_reply() -> OpError {
    OpError::new(OpErrorClass::Unknown, "the connection closed before the reply came")
}

/// Lets everything else that is ready run once.
async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
