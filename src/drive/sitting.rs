//! Under the lock: recovers an interrupted run, pins, asks, obeys, and writes what came of it.
//!
//! A [`Sitting`] holds the lock from before the first look to after the last write. Whatever may take
//! minutes runs beside the lease, so that losing it ends the work. Whatever the outcome, the state is
//! written; where it cannot be, beside it.

use super::compile::{Compiled, Front, back};
use super::look::{judge, look, plan_for, recover, verify};
use super::preflight::{preflight, warn_of_unknown};
use super::site::TOOL_VERSION;
use super::{Options, Planned, Problem, Site};
use crate::apply::{self, Execution, Interrupt, Outcome, Recovered, Watch};
use crate::diag::{Code, Diagnostic, Findings};
use crate::diff::Mode;
use crate::estimate;
use crate::event::{Event, Summary};
use crate::journal::{self, Phase, Record};
use crate::lock::{self, Lock};
use crate::lower::Native;
use crate::plan::wire::digest;
use crate::plan::{Plan, Verb};
use crate::registry::Registry;
use crate::retry;
use crate::state::lease::Lease;
use crate::state::{self, Binding, State};
use crate::store::{Finished, Loaded, Start, Store, StoreError};
use crate::vault::Identity;
use crate::world::World;
use dsenv_sdk::provider::{Connection, OpError, Owned, Token};
use dsenv_sdk::value::Map;
use dsenv_sdk::{Addr, Provider, Term};
use futures::FutureExt;
use futures::future::{BoxFuture, Either, select};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::watch;
/// How long another environment may take to write its pins.
const PINS_WAIT_MS: u64 = 10_000;

/// How the driver of an apply is talked to.
pub struct Talk<'a> {
    /// Shown the plan before anything is done; what it returns may take as long as people take, and
    /// must not block. `false` ends it.
    pub approve: &'a mut (dyn FnMut(&Planned) -> BoxFuture<'static, bool> + Send),
    /// Told what happens.
    pub events: &'a mut (dyn FnMut(Event) + Send),
    /// Told what providers say in the middle of a call.
    pub watch: Watch,
    /// Asks to end early.
    pub interrupt: watch::Receiver<Interrupt>,
}

/// How an apply ended.
pub enum Ended {
    /// There was nothing to do.
    Nothing(Planned),
    /// The driver did not want it.
    Declined,
    /// Somebody asked to stop before anything was begun; nothing was done.
    Interrupted,
    /// It ran.
    Ran {
        /// What was done.
        outcome: Outcome,
        /// What was written; `None` when it could not be, and `trouble` says why.
        finished: Option<Finished>,
        /// The state afterwards.
        state: Box<State>,
        /// What is left after a destroy, by the provider's own listing. What the plan itself left
        /// alone is not among it.
        left: Vec<Owned>,
        /// What went wrong beside the steps: the journal, the state, the proof.
        trouble: Option<Problem>,
    },
}
impl Site {
    /// Plans under the lock, asks, and obeys.
    pub async fn apply(
        &self,
        compiled: Compiled,
        options: &Options,
        command: &str,
        talk: Talk<'_>,
    ) -> Result<Ended, Problem> {
        if options.locked && options.wishes.mode == Mode::Apply {
            // Before the lock is taken, so that nothing at all is changed.
            refuse_unpinned(&compiled, &self.lock(&compiled.front.resolved.blueprint)?)?;
        }
        let interrupt = talk.interrupt.clone();
        let prepared = self.prepare(compiled, options, command, talk.events, &talk.watch);
        let Some(prepared) = unless_interrupted(&interrupt, prepared).await else {
            return Ok(Ended::Interrupted);
        };
        let (mut sitting, planned) = prepared?;
        // The lock is given back when the sitting ends. Failing to is no failure of the apply: the
        // next holder sees that this process is gone.
        self.obey(&mut sitting, planned, options, command, talk).await
    }

    /// Everything up to the question: takes the lock, recovers, pins, looks and plans.
    async fn prepare(
        &self,
        compiled: Compiled,
        options: &Options,
        command: &str,
        events: &mut (dyn FnMut(Event) + Send),
        watch: &Watch,
    ) -> Result<(Sitting, Planned), Problem> {
        let sitting = self.sit(&compiled.front, command, options, events).await?;
        let lease = sitting.lease.clone();
        let pinned = self.pin(compiled, &sitting, options, events, watch);
        let compiled = beside(&lease, pinned).await?;
        let provider = compiled.front.provider.clone();
        let (state, connection) = (&sitting.loaded.state, &*sitting.connection);
        let looking = look(state, &*provider, connection, &*self.world, options);
        let refreshed = beside(&lease, looking).await?;
        let recovered = sitting.recovered.clone();
        let binding = Some(sitting.binding.clone());
        let state = &sitting.loaded.state;
        let mut planned = plan_for(&compiled, state, &refreshed, binding, options, recovered)?;
        let world = &*self.world;
        let known = warn_of_unknown(&mut planned, state, &*provider, connection, world);
        beside(&lease, known.map(Ok)).await?;
        let native = &compiled.native;
        let looked = preflight(&mut planned, native, &*provider, connection, &*self.world, options);
        beside(&lease, looked).await?;
        // The plan holds all that is needed; the tree of the blueprint is the larger part of memory.
        drop((compiled, refreshed));
        Ok((sitting, planned))
    }

    /// Obeys a plan that was made before, if nothing has changed since.
    pub async fn apply_saved(
        &self,
        front: &Front,
        plan: Plan,
        options: &Options,
        talk: Talk<'_>,
    ) -> Result<Ended, Problem> {
        let store = self.store(front)?;
        let identity = Identity::find(&*self.world)?;
        // Before the lock is taken, so that a stale plan changes nothing at all.
        refuse_stale(&plan, front, &store.load(identity.as_ref())?.state)?;
        let command = if plan.mode == Mode::Destroy { "destroy" } else { "apply" };
        let interrupt = talk.interrupt.clone();
        let sat = self.sit(front, command, options, talk.events);
        let Some(sat) = unless_interrupted(&interrupt, sat).await else {
            return Ok(Ended::Interrupted);
        };
        let mut sitting = sat?;
        // Somebody may have been quicker; only the lineage may be new, when there was no state.
        let serial = sitting.loaded.state.serial;
        if serial != plan.bound.serial {
            return Err(Problem::refused(stale(&plan, serial)));
        }
        if plan.bound.binding.as_ref().is_some_and(|bound| *bound != sitting.binding) {
            let message = "the plan was made for another account or region than the credentials'";
            return Err(Problem::refused(Diagnostic::error(Code::E0813, message)));
        }
        let cost = super::cost(&plan, front, &options.figures);
        let verdicts = judge(&plan, &sitting.loaded.state, front, cost.as_deref());
        let recovered = sitting.recovered.clone();
        let diagnostics = Findings::new();
        let mut planned = Planned { plan, verdicts, diagnostics, recovered, cost, amid: None };
        let (connection, lease) = (sitting.connection.clone(), sitting.lease.clone());
        let (native, provider) = (Native::default(), &*front.provider);
        let world = &*self.world;
        let looked = preflight(&mut planned, &native, provider, &*connection, world, options);
        beside(&lease, looked).await?;
        self.obey(&mut sitting, planned, options, command, talk).await
    }

    /// Takes the lock, writes what an interrupted run left, connects and verifies the account.
    pub async fn sit(
        &self,
        front: &Front,
        command: &str,
        options: &Options,
        events: &mut (dyn FnMut(Event) + Send),
    ) -> Result<Sitting, Problem> {
        let store = self.store(front)?;
        let lease = store.acquire(command, options.lock_timeout_ms).await?;
        let identity = Identity::find_or_create(&*self.world)?;
        let before = store.load(Some(&identity))?;
        if let Some(leftover) = &before.leftover {
            let operation = leftover.opening.operation.clone();
            let command = leftover.opening.command.clone();
            events(Event::Recovering { operation, command });
        }
        let mut loaded = store.establish(&lease, &identity)?;
        let connection = beside(&lease, self.connect(front, &store, &loaded)).await?;
        let world = &*self.world;
        let verified = verify(front, &loaded.state, &*connection, world);
        let binding = beside(&lease, verified).await?;
        let known = loaded.state.clone();
        let found = recover(&mut loaded.state, &*front.provider, &*connection, world);
        let recovered = beside(&lease, found).await?;
        for (addr, remote_id) in &recovered.adopted {
            events(Event::Adopted { addr: addr.clone(), remote_id: remote_id.clone() });
        }
        Ok(Sitting { store, lease, loaded, known, connection, binding, recovered })
    }

    /// Pins what the lock lacks and writes it, unless `--locked` forbids.
    async fn pin(
        &self,
        compiled: Compiled,
        sitting: &Sitting,
        options: &Options,
        events: &mut (dyn FnMut(Event) + Send),
        watch: &Watch,
    ) -> Result<Compiled, Problem> {
        let blueprint = compiled.front.resolved.blueprint.clone();
        let mut lock = self.lock(&blueprint)?;
        let wants =
            if options.wishes.mode == Mode::Apply { &compiled.native.wants[..] } else { &[] };
        let missing: Vec<_> =
            wants.iter().filter(|(want, _)| !lock.pins.contains_key(&*want.pin)).collect();
        if missing.is_empty() {
            return Ok(compiled);
        }
        for (want, addr) in &missing {
            events(Event::Locking { addr: addr.clone(), what: want.what.to_owned() });
            let told = |text: &str| watch(addr, text);
            let pinned = sitting.connection.pin(want, &told).await;
            let pinned = pinned.map_err(|error| not_pinned(&compiled, want.what, addr, error))?;
            lock.pins.insert(want.pin.to_string(), pinned);
        }
        let pins = missing.len();
        let path = self.lock_path(&blueprint);
        // Environments share the lock and not the state: another may have pinned something
        // meanwhile, and what is pinned stays.
        let disk = self.world.disk();
        let guard = disk.lock(&sitting.store.shared_dir().join("pins.guard"), PINS_WAIT_MS)?;
        let theirs = self.lock(&blueprint)?.pins;
        lock.pins.extend(theirs);
        disk.write_atomic(&path, &lock::write(&blueprint, &lock))?;
        drop(guard);
        events(Event::Locked { pins, path: path.display().to_string() });
        match back(compiled.front, &lock) {
            (Some(compiled), _) => Ok(compiled),
            (None, findings) => Err(Problem::Refused(findings)),
        }
    }

    /// Asks, then executes a plan under the lock and writes what came of it.
    async fn obey(
        &self,
        sitting: &mut Sitting,
        planned: Planned,
        options: &Options,
        command: &str,
        mut talk: Talk<'_>,
    ) -> Result<Ended, Problem> {
        let nothing = planned.plan.is_empty()
            && sitting.known == sitting.loaded.state
            && known_outputs(&planned.plan) == sitting.known.outputs;
        let plan = &planned.plan;
        if nothing && plan.mode != Mode::Destroy {
            return Ok(Ended::Nothing(planned));
        }
        if planned.verdicts.has_errors() {
            return Err(Problem::Refused(planned.verdicts));
        }
        refuse_unlocked(plan)?;
        if plan.has_changes()
            && let Some(ended) = agree(sitting, &planned, &mut talk).await?
        {
            return Ok(ended);
        }
        let start = Start { command: command.to_owned(), plan: Some(digest(plan)) };
        let (mut journal, mut state) = self.open(sitting, start)?;
        let kept = left_alone(plan, &state);
        let operation = journal.opening().operation.clone();
        (talk.events)(Event::ApplyStarted { operation, steps: plan.steps.len() });
        let mut outcome = apply::execute(
            plan,
            &mut state,
            Execution {
                provider: &*sitting.provider(&self.registry),
                connection: sitting.connection.clone(),
                world: &*self.world,
                journal: &mut journal,
                lease: &sitting.lease,
                interrupt: talk.interrupt.clone(),
                events: talk.events,
                watch: talk.watch,
                parallelism: options.parallelism,
                on_error: options.on_error,
            },
        )
        .await;
        let (finished, mut trouble) = match self.finish(sitting, journal, &state, &outcome) {
            Ok(finished) => (Some(finished), None),
            Err(problem) => (None, Some(problem)),
        };
        let kept_cost = self.keep_cost(sitting, &planned, finished.as_ref(), &state);
        trouble = trouble.or(kept_cost.err());
        let plan = &planned.plan;
        let mut left = Vec::new();
        let emptied = outcome.is_complete() && trouble.is_none() && state.resources.is_empty();
        if plan.mode == Mode::Destroy && emptied {
            let proof = beside(&sitting.lease, self.prove_empty(sitting, &kept));
            match unless_interrupted(&talk.interrupt, proof).await {
                Some(Ok(found)) => left = found,
                Some(Err(problem)) => trouble = Some(problem),
                None => outcome.interrupted = true,
            }
        }
        (talk.events)(Event::ApplyDone { summary: summary(&outcome) });
        Ok(Ended::Ran { outcome, finished, state: Box::new(state), left, trouble })
    }

    /// Keeps what the environment comes to now, by the prices of today; nothing where nothing is charged.
    fn keep_cost(
        &self,
        sitting: &Sitting,
        planned: &Planned,
        finished: Option<&Finished>,
        state: &State,
    ) -> Result<(), Problem> {
        let (Some(effect), Some(finished)) = (&planned.cost, finished) else { return Ok(()) };
        let exists = |addr: &Addr| state.resources.get(addr).is_some_and(|it| it.current.is_some());
        let at = self.world.now().to_string();
        let paid = estimate::wire::paid(&effect.after, finished.serial, at, &exists);
        let line = serde_json::to_vec(&paid).expect("plain data is JSON");
        Ok(sitting.store.keep_cost(&line)?)
    }

    /// Opens the journal, with what recovery found and whom the state is bound to. Returns it with the
    /// state that the plan starts from.
    fn open(
        &self,
        sitting: &mut Sitting,
        start: Start,
    ) -> Result<(journal::Journal, State), Problem> {
        let mut journal = sitting.store.begin(&sitting.lease, &sitting.loaded, start)?;
        let mut state = std::mem::replace(&mut sitting.loaded.state, sitting.known.clone());
        state.bound = Some(sitting.binding.clone());
        record_recovery(&mut journal, &sitting.recovered, &state, &*self.world)?;
        journal
            .append(&[Record::Bound(sitting.binding.clone())])
            .and_then(|()| journal.commit())
            .map_err(StoreError::from)?;
        Ok((journal, state))
    }

    /// Writes the state whatever the outcome; where it cannot be written, beside it.
    fn finish(
        &self,
        sitting: &Sitting,
        journal: journal::Journal,
        state: &State,
        outcome: &Outcome,
    ) -> Result<Finished, Problem> {
        let word = if outcome.is_complete() {
            state::Outcome::Done
        } else if outcome.interrupted && !outcome.unknown.is_empty() {
            state::Outcome::Interrupted
        } else if outcome.applied.is_empty() {
            state::Outcome::Failed
        } else {
            state::Outcome::Partly
        };
        let mut diagnostic = match &outcome.halted {
            Some(halted) => Diagnostic::error(super::journal_code(halted), super::chain(&**halted)),
            None => {
                let store = &sitting.store;
                match store.finish(&sitting.lease, journal, &sitting.loaded, state.clone(), word) {
                    Ok(finished) => return Ok(finished),
                    Err(error) => first_of(error.into()),
                }
            }
        };
        let vault = sitting.loaded.vault()?;
        let aside = sitting.store.write_aside(state, &vault, &self.world.temp_dir());
        diagnostic = match aside {
            Ok(path) => diagnostic.help(format!(
                "what is known now was written to `{}`; the journal beside the state holds what \
                 was durable, and the next apply finds and adopts the rest",
                path.display()
            )),
            Err(_) => diagnostic.help(
                "the journal beside the state holds what was durable; the next apply finds and \
                 adopts the rest",
            ),
        };
        Err(Problem::refused(diagnostic))
    }

    /// Lists what the provider still has besides what was left alone on purpose, and ends what it
    /// keeps for itself when that is nothing.
    async fn prove_empty(
        &self,
        sitting: &Sitting,
        kept: &BTreeSet<Token>,
    ) -> Result<Vec<Owned>, Problem> {
        let failed = |doing: &str| {
            let doing = doing.to_owned();
            move |source| Problem::Provider { doing, source }
        };
        let connection = &sitting.connection;
        let lineage = Some(&*sitting.loaded.state.lineage);
        let listed = retry::read(&*self.world, || connection.inventory(lineage)).await;
        let mut left = listed.map_err(failed("listing what is left"))?;
        left.retain(|owned| !kept.contains(&owned.token));
        if left.is_empty() {
            // Nobody else may have begun something here meanwhile.
            sitting.lease.check().map_err(StoreError::from)?;
            let kept: Vec<Token> = kept.iter().cloned().collect();
            let closed = connection.close_environment(&kept).await;
            closed.map_err(failed("ending what the provider keeps for itself"))?;
        }
        Ok(left)
    }
}

/// How many steps ended how.
fn summary(outcome: &Outcome) -> Summary {
    Summary {
        applied: outcome.applied.len(),
        failed: outcome.failed.len(),
        skipped: outcome.skipped.len(),
        unknown: outcome.unknown.len(),
    }
}

/// An environment under one's own lock, with what was found on the way in.
pub struct Sitting {
    /// Where the state is.
    pub store: Store,
    /// The lock.
    pub lease: Lease,
    /// The state, adopted objects included.
    pub loaded: Loaded,
    /// The state as it is on the disk.
    known: State,
    /// The live half.
    pub connection: Arc<dyn Connection>,
    /// Whom the connection acts for.
    pub binding: Binding,
    /// What recovery found.
    pub recovered: Recovered,
}

impl Sitting {
    fn provider(&self, registry: &Registry) -> Arc<dyn Provider> {
        registry.get(&self.binding.provider).expect("it was connected").clone()
    }
}
/// Does something that may take minutes while the lock is kept; ends early when it is lost.
pub(super) async fn beside<T>(
    lease: &Lease,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    match select(pin!(work), pin!(lease.keep())).await {
        Either::Left((done, _)) => done,
        Either::Right((lost, _)) => Err(StoreError::from(lost).into()),
    }
}
/// Asks whether to go on; how it ended when not. The lock is kept while somebody thinks.
async fn agree(
    sitting: &Sitting,
    planned: &Planned,
    talk: &mut Talk<'_>,
) -> Result<Option<Ended>, Problem> {
    let answer = (talk.approve)(planned);
    let asked = beside(&sitting.lease, answer.map(Ok));
    Ok(match unless_interrupted(&talk.interrupt, asked).await {
        None => Some(Ended::Interrupted),
        Some(answer) => (!answer?).then_some(Ended::Declined),
    })
}
/// Does something that may be given up without a trace until somebody asks to stop; `None` then.
async fn unless_interrupted<T>(
    interrupt: &watch::Receiver<Interrupt>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut interrupt = interrupt.clone();
    let asked = async move {
        // A sender that is gone will never ask.
        if interrupt.wait_for(|wish| *wish != Interrupt::None).await.is_err() {
            futures::future::pending::<()>().await;
        }
    };
    match select(pin!(work), pin!(asked)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(((), _)) => None,
    }
}
/// The objects that the plan takes out of the state and leaves alone.
fn left_alone(plan: &Plan, state: &State) -> BTreeSet<Token> {
    let forgotten = plan.steps.iter().filter(|step| matches!(step.verb, Verb::Forget));
    let resources = forgotten.filter_map(|step| state.resources.get(&step.addr));
    resources
        .filter_map(|resource| resource.current.as_ref())
        .map(|object| object.token.clone())
        .collect()
}
/// A problem as one diagnostic, for more help to be added.
fn first_of(problem: Problem) -> Diagnostic {
    problem.into_findings().into_iter().next().expect("a problem has a finding")
}
/// The outputs that are known without a step: what the state would hold after an empty plan.
pub(super) fn known_outputs(plan: &Plan) -> Map {
    let known = |(name, term): (&String, &Term)| Some((name.clone(), term.known()?.clone()));
    plan.outputs.iter().filter_map(known).collect()
}
/// Words why something cannot be pinned, at its resource in the blueprint.
pub(super) fn not_pinned(compiled: &Compiled, what: &str, addr: &Addr, error: OpError) -> Problem {
    let mut message = format!("pinning the {what} of `{addr}`: {}", error.message);
    if let Some(cause) = error.causes.first() {
        message.push_str(&format!(": {cause}"));
    }
    let mut diagnostic = Diagnostic::error(Code::E0901, message).address(addr.to_string());
    diagnostic.span = compiled.native.nodes.get(addr).map(|node| node.span);
    if error.help.is_none() {
        // Without a word on what to do, what the tool said is the best there is.
        diagnostic.message.extend(error.causes.iter().skip(1).map(|cause| format!("\n{cause}")));
    }
    diagnostic.help.extend(error.help);
    Problem::refused(diagnostic)
}

/// What is not pinned, where `--locked` forbids to pin it now.
pub(super) fn refuse_unpinned(compiled: &Compiled, lock: &Lock) -> Result<(), Problem> {
    let wants = compiled.native.wants.iter();
    let names: Vec<_> = wants
        .filter(|(want, _)| !lock.pins.contains_key(&*want.pin))
        .map(|(want, addr)| format!("the {} of `{addr}`", want.what))
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    let message = format!("{} have no pinned versions yet", names.join(", "));
    let help = "apply once without `--locked`, and commit the lock file";
    Err(Problem::refused(Diagnostic::error(Code::E0810, message).help(help)))
}

pub(super) fn refuse_stale(plan: &Plan, front: &Front, state: &State) -> Result<(), Problem> {
    let bound = &plan.bound;
    let resolved = &front.resolved;
    if bound.blueprint != resolved.blueprint || bound.environment != resolved.environment {
        let message = format!(
            "the plan is for blueprint `{}`, environment `{}`; this is `{}`, `{}`",
            bound.blueprint, bound.environment, resolved.blueprint, resolved.environment
        );
        return Err(Problem::refused(Diagnostic::error(Code::E0806, message)));
    }
    if bound.tool_version != TOOL_VERSION {
        let message =
            format!("dsenv {} made the plan, and this is dsenv {TOOL_VERSION}", bound.tool_version);
        return Err(Problem::refused(Diagnostic::error(Code::E0807, message)));
    }
    // A first plan knows no lineage; an apply that was refused may have given one since.
    let same = bound.lineage == state.lineage || bound.lineage.is_empty() && state.serial == 0;
    if !same || bound.serial != state.serial {
        return Err(Problem::refused(stale(plan, state.serial)));
    }
    if bound.blueprint_digest != front.digest {
        let message = "the blueprint was changed after the plan was made";
        let help = "plan again, or bring the blueprint back to what it was";
        return Err(Problem::refused(Diagnostic::error(Code::E0805, message).help(help)));
    }
    Ok(())
}

pub(super) fn stale(plan: &Plan, serial: u64) -> Diagnostic {
    let message = format!(
        "the plan was made for serial {} of the state, which is at {serial} now",
        plan.bound.serial
    );
    Diagnostic::error(Code::E0805, message).help("plan again")
}

pub(super) fn refuse_unlocked(plan: &Plan) -> Result<(), Problem> {
    if plan.not_locked.is_empty() {
        return Ok(());
    }
    let message = format!("the plan needs {} pins that the lock lacks", plan.not_locked.len());
    let help = "`dsenv apply` without a plan file pins them first";
    Err(Problem::refused(Diagnostic::error(Code::E0810, message).help(help)))
}

/// Writes what recovery found into the journal of the new operation, before anything is begun.
pub(super) fn record_recovery(
    journal: &mut journal::Journal,
    recovered: &Recovered,
    state: &State,
    world: &dyn World,
) -> Result<(), Problem> {
    for addr in recovered.adopted.iter().map(|(addr, _)| addr).chain(&recovered.unfinished) {
        let record = Record::Step(journal::Step {
            phase: Phase::End,
            step: u32::MAX,
            addr: addr.clone(),
            resource: state.resources.get(addr).map(Cow::Borrowed),
            failure: None,
            at: world.now(),
        });
        journal.append(&[record]).map_err(StoreError::from)?;
    }
    Ok(())
}
