//! The one loop that owns what is desired.
//!
//! Requests enter in order; each is written to disk before a keeper hears of it. What takes time,
//! stopping or becoming healthy, is not waited for here: the answer carries what to watch.

use super::clock;
use super::keeper::{Context, Desired, Keeper, Live};
use super::launch::RunRecord;
use super::protocol::{Reply, Request};
use super::store::{Loaded, Store, StoredUnit};
use super::unit::{State, Unit, UnitStatus};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

/// How many requests may wait before their senders do.
pub(super) const QUEUE_MAX: usize = 256;

/// What the registry is told.
pub(super) enum Ask {
    /// A request, with where to answer it.
    Answer { request: Request, answer: oneshot::Sender<Answer> },
    /// The shutdown came to nothing: this supervisor stays, and takes units again.
    Reopen,
}

/// What the registry says at once.
pub(super) enum Answer {
    /// All there is to say.
    Reply(Reply),
    /// Say it when all of these are gone.
    WhenGone(Vec<Leaving>),
    /// Say it when the unit is healthy at this revision, or hopeless.
    WhenHealthy { live: watch::Receiver<Live>, revision: String, log: PathBuf },
}

/// A unit that was told to go.
pub(super) struct Leaving {
    pub(super) name: String,
    pub(super) live: watch::Receiver<Live>,
    /// It is gone when [`Live::gone`] is this; an older one is of an earlier life.
    pub(super) ticket: u64,
}

struct Entry {
    desired: watch::Sender<Desired>,
    live: watch::Receiver<Live>,
    keeper: AbortHandle,
}

/// The units of one supervisor.
pub(super) struct Registry {
    context: Arc<Context>,
    store: Store,
    units: BTreeMap<String, Entry>,
    damaged: BTreeMap<String, String>,
    /// The last ticket given to a unit that was told to go.
    ticket: u64,
    /// Set by a shutdown: nothing is started any more, unless the shutdown fails.
    closing: bool,
}

impl Registry {
    /// Takes up what an earlier daemon left: desired units start or are adopted, and what runs
    /// without being desired is ended.
    pub(super) fn new(context: Arc<Context>, store: Store, loaded: Loaded) -> Registry {
        let damaged: BTreeMap<_, _> =
            loaded.damaged.into_iter().map(|it| (it.name, it.why)).collect();
        let units_of = BTreeMap::new();
        let mut registry =
            Registry { context, store, units: units_of, damaged, ticket: 0, closing: false };
        for stored in loaded.units {
            let name = stored.unit.name.clone();
            registry.desire(&name, Desired::Run(Arc::new(stored)));
        }
        for name in RunRecord::names(&registry.context.layout) {
            // A damaged unit may still be wanted: its process stays until somebody says more.
            if !registry.units.contains_key(&name) && !registry.damaged.contains_key(&name) {
                registry.dismiss(&name);
            }
        }
        registry
    }

    /// Answers requests until every sender is gone.
    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        while let Some(ask) = asks.recv().await {
            self.prune();
            match ask {
                Ask::Answer { request, answer } => {
                    // Who asked may have gone; what was asked is done all the same.
                    let _ = answer.send(self.answer(request));
                }
                Ask::Reopen => self.closing = false,
            }
        }
    }

    fn answer(&mut self, request: Request) -> Answer {
        match request {
            Request::Put { unit } => self.put(unit),
            Request::Remove { name } => self.remove(&name),
            Request::Restart { name } => self.restart(&name),
            Request::List => Answer::Reply(Reply::Units(self.list())),
            Request::WaitHealthy { name, .. } => self.watch(&name),
            Request::Shutdown => self.shutdown(),
            // Answered before they come here.
            Request::Ping | Request::Retire => Answer::Reply(Reply::Done),
        }
    }

    fn put(&mut self, unit: Unit) -> Answer {
        if self.closing {
            return refused("the supervisor is shutting down");
        }
        if let Err(why) = unit.check() {
            return refused(format!("unit `{}`: {why}", unit.name));
        }
        let is_known = self.stored(&unit.name).is_some_and(|stored| stored.unit == unit);
        if is_known && !self.is_waiting(&unit.name) {
            return Answer::Reply(Reply::Done);
        }
        self.write_and_run(unit)
    }

    /// Says whether a unit does not run because of what went wrong before. Who asks for it again
    /// has perhaps mended that, and wants to know how it is now.
    fn is_waiting(&self, name: &str) -> bool {
        let mut units = self.list().into_iter();
        units.any(|it| {
            it.name == name && matches!(it.state, State::Backoff { .. } | State::Failed { .. })
        })
    }

    fn restart(&mut self, name: &str) -> Answer {
        match self.stored(name) {
            _ if self.closing => refused("the supervisor is shutting down"),
            Some(stored) => self.write_and_run(stored.unit.clone()),
            None => refused(format!("there is no unit `{name}`")),
        }
    }

    /// A new revision of the unit: what runs of an older one will be replaced.
    fn write_and_run(&mut self, unit: Unit) -> Answer {
        let name = unit.name.clone();
        let stored = StoredUnit { unit, revision: clock::random_id() };
        if let Err(error) = self.store.put(&stored) {
            return refused(format!("unit `{name}` cannot be written: {error}"));
        }
        self.damaged.remove(&name);
        self.desire(&name, Desired::Run(Arc::new(stored)));
        Answer::Reply(Reply::Done)
    }

    fn remove(&mut self, name: &str) -> Answer {
        if let Err(error) = self.store.remove(name) {
            return refused(format!("unit `{name}` cannot be removed: {error}"));
        }
        self.damaged.remove(name);
        // Also for a unit that is not known: something of it may run.
        Answer::WhenGone(vec![self.dismiss(name)])
    }

    fn list(&self) -> Vec<UnitStatus> {
        let running = self.units.values().map(|entry| entry.live.borrow().status.clone());
        let damaged = self.damaged.iter().map(|(name, why)| UnitStatus {
            state: State::Failed { why: format!("its file cannot be used: {why}") },
            ..Live::new(name).status
        });
        let mut all: Vec<UnitStatus> = running.chain(damaged).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn watch(&self, name: &str) -> Answer {
        match (self.stored(name), self.units.get(name)) {
            (Some(stored), Some(entry)) => Answer::WhenHealthy {
                live: entry.live.clone(),
                revision: stored.revision.clone(),
                log: stored.unit.log.clone(),
            },
            _ => refused(format!("there is no unit `{name}`")),
        }
    }

    /// Ends every unit, and forgets none: the next supervisor starts them again.
    fn shutdown(&mut self) -> Answer {
        self.closing = true;
        let names: Vec<String> =
            self.units.keys().cloned().chain(self.damaged.keys().cloned()).collect();
        Answer::WhenGone(names.iter().map(|name| self.dismiss(name)).collect())
    }

    fn stored(&self, name: &str) -> Option<Arc<StoredUnit>> {
        match &*self.units.get(name)?.desired.borrow() {
            Desired::Run(stored) => Some(Arc::clone(stored)),
            Desired::Gone { .. } => None,
        }
    }

    /// Tells the unit to go; one that is going already keeps its ticket.
    fn dismiss(&mut self, name: &str) -> Leaving {
        let going = self.units.get(name).and_then(|entry| match &*entry.desired.borrow() {
            Desired::Gone { ticket } => Some((entry.live.clone(), *ticket)),
            Desired::Run(_) => None,
        });
        let (live, ticket) = going.unwrap_or_else(|| {
            self.ticket += 1;
            (self.desire(name, Desired::Gone { ticket: self.ticket }), self.ticket)
        });
        Leaving { name: name.to_owned(), live, ticket }
    }

    /// Tells the unit's keeper, which is made when there is none.
    fn desire(&mut self, name: &str, desired: Desired) -> watch::Receiver<Live> {
        if let Some(entry) = self.units.get(name) {
            entry.desired.send_replace(desired);
            return entry.live.clone();
        }
        let (desired_sender, desired) = watch::channel(desired);
        let (live_sender, live) = watch::channel(Live::new(name));
        let context = Arc::clone(&self.context);
        let keeper = Keeper::new(context, name.to_owned(), desired, live_sender);
        let keeper = tokio::spawn(keeper.run()).abort_handle();
        let entry = Entry { desired: desired_sender, live: live.clone(), keeper };
        self.units.insert(name.to_owned(), entry);
        live
    }

    /// Drops the keepers of units that are gone for good; each waits for nothing any more.
    fn prune(&mut self) {
        self.units.retain(|_, entry| {
            let gone = match &*entry.desired.borrow() {
                Desired::Run(_) => false,
                Desired::Gone { ticket } => entry.live.borrow().gone == Some(*ticket),
            };
            if gone {
                entry.keeper.abort();
            }
            !gone
        });
    }
}

fn refused(why: impl Into<String>) -> Answer {
    Answer::Reply(Reply::Refused(why.into()))
}

#[cfg(test)]
mod tests {
    use super::super::layout::Layout;
    use super::super::unit::{Restart, Work};
    use super::*;
    use dsenv_sdk::seal::{SealKey, Sealer};
    use dsenv_sdk::secret::Secret;
    use std::path::Path;

    fn unit(dir: &Path) -> Unit {
        // Nobody hosts it, so nothing is started.
        let work = Work::Hosted { kind: "nobody's".into(), spec: Secret::new("") };
        Unit {
            name: "web".into(),
            work,
            health: None,
            address: None,
            ports: Vec::new(),
            restart: Restart::Never,
            log: dir.join("web.log"),
        }
    }

    #[tokio::test]
    async fn units_are_taken_again_after_a_shutdown_that_failed() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::new(folder.path());
        layout.create().expect("made");
        let key = SealKey::derive("registry test", b"x");
        let store = Store::new(layout.clone(), Sealer::new(&key));
        let (id, hosts) = ("test".to_owned(), Vec::new());
        let context = Arc::new(Context { layout, id, guard_pid: 0, hosts });
        let none = Loaded { units: Vec::new(), damaged: Vec::new() };
        let (asks, asked) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(Registry::new(context, store, none).run(asked));
        let say = async |request| {
            let (answer, answered) = oneshot::channel();
            assert!(asks.send(Ask::Answer { request, answer }).await.is_ok(), "it runs");
            answered.await.expect("an answer")
        };
        assert!(matches!(say(Request::Shutdown).await, Answer::WhenGone(_)));
        let put = || Request::Put { unit: unit(folder.path()) };
        assert!(matches!(say(put()).await, Answer::Reply(Reply::Refused(_))));
        assert!(asks.send(Ask::Reopen).await.is_ok(), "it runs");
        assert!(matches!(say(put()).await, Answer::Reply(Reply::Done)));
    }
}
