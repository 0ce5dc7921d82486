//! Obeys a plan: begin record durable, call, end record durable, dependants (law 5).
//!
//! In: a plan, the state that it was made for, a journal and a connection. Out: an [`Outcome`] and the
//! state as it is then. One loop owns the state and the journal; calls run beside it and answer by
//! value. Steps start in order of the longest chain that hangs on them, as many at once as is allowed.
//!
//! | module | does |
//! |---|---|
//! | [`schedule`] | which step may start next |
//! | [`transition`] | what a record does to the state |
//! | [`call`] | one attempt at one call, and what its failure means |
//! | [`recover`] | what became of an interrupted run |
//!
//! ## Group commit
//! One durable write carries the ends of the calls that just answered and the begins of those that
//! start next. The order holds: a dependant's begin stands behind the end that it needs in the same
//! write, and its call is made only once both are on the disk.
//!
//! ## What it never does
//! Decide what to change, choose between offers, undo, print, or remove a resource because a call
//! failed.

mod call;
mod recover;
mod schedule;
mod transition;

pub use recover::{Recovered, recover};

use crate::diff::Mode;
use crate::event::{Event, Work};
use crate::journal::{self, Failure, Journal, JournalError, Phase, Record};
use crate::plan::{Plan, Step, Verb};
use crate::resolve::Scope;
use crate::retry;
use crate::settle::{self, Facts};
use crate::state::lease::Lease;
use crate::state::{State, Status};
use crate::world::World;
use call::{Answer, Attempt, Request};
use dsenv_sdk::provider::{Connection, OpError, OpErrorClass, Provider};
use dsenv_sdk::value::Map;
use dsenv_sdk::{Addr, Term};
use futures::FutureExt;
use futures::future::{BoxFuture, Either, select};
use futures::stream::{FuturesUnordered, StreamExt};
use schedule::Schedule;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;
use transition::{Before, Script};

/// How many calls run at once unless somebody says otherwise.
pub const PARALLELISM: usize = 10;

/// What is done after a step failed. What depends on it is skipped either way, and what is under way
/// is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// Nothing else begins.
    Stop,
    /// What does not depend on it goes on.
    Continue,
}

/// How somebody asks an apply to end early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interrupt {
    /// Nobody did.
    #[default]
    None,
    /// Begin nothing; finish what is under way.
    Drain,
    /// Return at once; the journal knows what was begun.
    Abandon,
}

/// Takes what a provider says of a node in the middle of a call.
pub type Watch = Arc<dyn Fn(&Addr, &str) + Send + Sync>;

/// Everything that an apply works with.
pub struct Execution<'a> {
    /// The plan's provider.
    pub provider: &'a dyn Provider,
    /// A connection whose identity was verified.
    pub connection: Arc<dyn Connection>,
    /// The clock.
    pub world: &'a dyn World,
    /// The journal of this operation.
    pub journal: &'a mut Journal,
    /// The right to change this state, renewed beside the calls. Losing it ends the apply.
    pub lease: &'a Lease,
    /// Who asks to end early.
    pub interrupt: watch::Receiver<Interrupt>,
    /// Whom to tell what happens.
    pub events: &'a mut (dyn FnMut(Event) + Send),
    /// Takes what a provider says in the middle of a call, from whichever thread it runs on.
    pub watch: Watch,
    /// How many calls run at once.
    pub parallelism: usize,
    /// What is done after a step failed.
    pub on_error: OnError,
}

/// How one step failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The node.
    pub addr: Addr,
    /// What was tried.
    pub verb: Work,
    /// Why.
    pub error: OpError,
}

/// How an apply ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Steps that ended well, in order: the node and what was done.
    pub applied: Vec<(Addr, Work)>,
    /// Steps that failed.
    pub failed: Vec<Failed>,
    /// Steps that were not tried, and the node whose failure is the reason; `None` when it was
    /// somebody's wish.
    pub skipped: Vec<(Addr, Option<Addr>)>,
    /// Steps whose end nobody knows.
    pub unknown: Vec<Failed>,
    /// Outputs that cannot be computed from what exists now, and why.
    pub unsettled: Vec<(String, String)>,
    /// Whether somebody asked to end early.
    pub interrupted: bool,
    /// Why the journal could not be written, when that ended it.
    pub halted: Option<Arc<JournalError>>,
}

impl Outcome {
    /// Says whether every step ended well.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty()
            && self.skipped.is_empty()
            && self.unknown.is_empty()
            && self.halted.is_none()
    }
}

/// Obeys the plan. `state` is what the plan was made for, and afterwards what is believed then; the
/// caller writes it, whatever the outcome.
pub async fn execute<'a>(
    plan: &'a Plan,
    state: &'a mut State,
    execution: Execution<'a>,
) -> Outcome {
    let schedule = Schedule::new(&plan.steps);
    let mut run = Run {
        plan,
        script: Script::of(plan),
        state,
        execution,
        schedule,
        running: BTreeMap::new(),
        written: Vec::new(),
        outcome: Outcome::default(),
    };
    run.protect();
    run.go().await;
    run.settle_outputs();
    run.outcome
}

/// One step under way.
struct Running {
    /// The arguments that it was begun with.
    args: Map,
    started_ms: u64,
    allowed_ms: u64,
    attempt: u32,
    before: Before,
}

impl Running {
    /// How long it may go on.
    fn left_ms(&self, now_ms: u64) -> u64 {
        self.started_ms.saturating_add(self.allowed_ms).saturating_sub(now_ms)
    }
}

struct Run<'a> {
    plan: &'a Plan,
    script: Script<'a>,
    state: &'a mut State,
    execution: Execution<'a>,
    schedule: Schedule,
    running: BTreeMap<u32, Running>,
    /// What is said once the records of this turn are durable.
    written: Vec<Event>,
    outcome: Outcome,
}

/// What is heard in the loop.
enum Heard {
    Answer(u32, Answer),
    Interrupt,
    LeaseLost(JournalError),
}

type Calls<'a> = FuturesUnordered<BoxFuture<'a, (u32, Answer)>>;

/// What is waited for beside the calls: somebody's wish to stop, or the loss of the lease.
type Aside<'a> = FuturesUnordered<BoxFuture<'a, Heard>>;

impl<'a> Run<'a> {
    async fn go(&mut self) {
        let mut calls: Calls<'a> = FuturesUnordered::new();
        let lease = self.execution.lease;
        let kept = async move { Heard::LeaseLost(JournalError::Lease(lease.keep().await)) };
        let aside: Aside<'a> = FuturesUnordered::from_iter([kept.boxed(), self.wish()]);
        let mut aside = aside;
        loop {
            let begun = self.begin_ready(calls.len());
            if !self.commit() {
                // What was begun in this turn is not durable, so its calls are not made.
                for (number, _) in begun {
                    self.running.remove(&number);
                }
                self.drain(&mut calls, &mut aside).await;
                break;
            }
            for (number, request) in begun {
                calls.push(self.attempt(number, request, 0));
            }
            if calls.is_empty() {
                if self.schedule.is_idle() || self.is_stopping() {
                    break;
                }
                continue;
            }
            match listen(&mut calls, &mut aside).await {
                Heard::Answer(number, answer) => {
                    self.take_in(number, answer, &mut calls);
                    // Whatever else has answered shares the next write.
                    while let Some(Some((number, answer))) = calls.next().now_or_never() {
                        self.take_in(number, answer, &mut calls);
                    }
                }
                Heard::Interrupt if self.interrupt() == Interrupt::Abandon => {
                    self.abandon();
                    return;
                }
                Heard::Interrupt => {
                    self.interrupted(calls.len());
                    aside.push(self.wish());
                }
                Heard::LeaseLost(error) => self.outcome.halted = Some(Arc::new(error)),
            }
        }
        // Asked before the first call, or between two.
        self.outcome.interrupted |=
            self.interrupt() != Interrupt::None && !self.schedule.untried().is_empty();
        self.skip_the_rest();
        self.commit();
    }

    fn interrupted(&mut self, in_flight: usize) {
        self.outcome.interrupted = true;
        (self.execution.events)(Event::Interrupted { in_flight });
    }

    fn now_ms(&self) -> u64 {
        self.execution.world.monotonic_ms()
    }

    fn interrupt(&self) -> Interrupt {
        *self.execution.interrupt.borrow()
    }

    fn is_stopping(&self) -> bool {
        let failed = !self.outcome.failed.is_empty() || !self.outcome.unknown.is_empty();
        self.interrupt() != Interrupt::None
            || self.outcome.halted.is_some()
            || failed && self.execution.on_error == OnError::Stop
    }

    /// Ends when somebody asks for more than was asked so far.
    fn wish(&self) -> BoxFuture<'a, Heard> {
        let mut interrupt = self.execution.interrupt.clone();
        let known = if self.outcome.interrupted { self.interrupt() } else { Interrupt::None };
        async move {
            // A sender that is gone will never ask.
            let gone = interrupt.wait_for(|wish| *wish > known).await.is_err();
            if gone {
                futures::future::pending::<()>().await;
            }
            Heard::Interrupt
        }
        .boxed()
    }

    /// Writes what is protected, before anything else is begun.
    fn protect(&mut self) {
        if self.plan.protect.is_subset(&self.state.protected) {
            return;
        }
        self.state.protected.extend(self.plan.protect.iter().cloned());
        let record = Record::Protected(Cow::Borrowed(&self.state.protected));
        append(self.execution.journal, &record, &mut self.outcome);
    }

    /// Begins as many steps as may run, longest chain first. Steps that need no call end here.
    fn begin_ready(&mut self, in_flight: usize) -> Vec<(u32, Request)> {
        let mut begun = Vec::new();
        while !self.is_stopping() && in_flight + begun.len() < self.execution.parallelism {
            let Some(number) = self.schedule.next() else { break };
            let step = &self.plan.steps[number as usize];
            match self.prepare(step) {
                Ok(Prepared::Call(request)) => {
                    self.begin(number, step, &request);
                    begun.push((number, request));
                }
                Ok(Prepared::Nothing) => {
                    transition::settle_without_call(self.plan, self.state, step);
                    self.record(number, step, Phase::End, None);
                    self.done(number, 0);
                }
                Err(error) => self.fail(number, error),
            }
        }
        begun
    }

    /// Settles a step's arguments with what exists by now.
    fn prepare(&self, step: &Step) -> Result<Prepared, OpError> {
        let invalid = |message: String| OpError::new(OpErrorClass::Invalid, message);
        let args = match &step.verb {
            Verb::Forget | Verb::Record { .. } => return Ok(Prepared::Nothing),
            Verb::Delete { .. } | Verb::Resume => BTreeMap::new(),
            Verb::Create { args, .. } | Verb::Update { args } => {
                let live = Live { plan: self.plan, state: self.state };
                settle::settle_all(args, &live).map_err(invalid)?
            }
        };
        let mut known = Map::new();
        for (name, term) in args {
            match term {
                Term::Known(value) => known.insert(name, value),
                // Law 9: no unknown value reaches a provider.
                Term::Ref(_)
                | Term::Expr(_)
                | Term::NotLocked(_)
                | Term::List(_)
                | Term::Map(_) => {
                    let message = format!("`{name}` is not known, although all it needs is there");
                    return Err(invalid(message));
                }
            };
        }
        // An object is deleted as what it is, which may not be what the blueprint wants now.
        let name = transition::native_type(self.state, step, &self.plan.nodes[&step.addr].ty);
        let ty = self.execution.provider.native_type(name).ok_or_else(|| {
            let provider = self.execution.provider.name();
            invalid(format!("provider `{provider}` has no `{name}` in this version"))
        })?;
        let now = self.execution.world.now();
        let request = transition::request(self.state, step, ty, known, &self.execution.watch, now)
            .ok_or_else(|| {
                invalid("the state has no such object, although the plan says so".to_owned())
            })?;
        Ok(Prepared::Call(request))
    }

    fn begin(&mut self, number: u32, step: &Step, request: &Request) {
        let before = transition::begin(&self.script, self.state, step, request);
        self.record(number, step, Phase::Begin, None);
        let started_ms = self.now_ms();
        let allowed_ms = call::allowed_ms(&step.verb, &self.plan.nodes[&step.addr].timeouts_s);
        let running =
            Running { args: request.args.clone(), started_ms, allowed_ms, attempt: 1, before };
        self.running.insert(number, running);
        let (addr, verb) = (step.addr.clone(), Work::from(&step.verb));
        self.written.push(Event::StepStarted { step: number, addr, verb });
    }

    /// One attempt, after a pause; the deadline ends it whatever the provider does.
    fn attempt(
        &self,
        number: u32,
        request: Request,
        pause_ms: u64,
    ) -> BoxFuture<'a, (u32, Answer)> {
        let world = self.execution.world;
        let connection = self.execution.connection.clone();
        let running = &self.running[&number];
        let (left_ms, allowed_ms) = (running.left_ms(self.now_ms()), running.allowed_ms);
        async move {
            if pause_ms > 0 {
                world.sleep(pause_ms).await;
            }
            let limit = world.sleep(left_ms);
            let mut request = request;
            let result =
                match select(Box::pin(call::run(&*connection, &mut request, world.now())), limit)
                    .await
                {
                    Either::Left((result, _)) => Some(result),
                    Either::Right(_) => None,
                };
            let result = result.unwrap_or_else(|| Err(call::timed_out(allowed_ms)));
            (number, Answer { request, result })
        }
        .boxed()
    }

    fn take_in(&mut self, number: u32, answer: Answer, calls: &mut Calls<'a>) {
        let step = &self.plan.steps[number as usize];
        let elapsed_ms = self.now_ms() - self.running[&number].started_ms;
        match answer.result {
            Ok(Attempt::Accepted(accepted)) => {
                transition::accepted(self.state, step, &accepted);
                self.record(number, step, Phase::Accepted, None);
                let waits_for = accepted.waits_for.clone();
                let addr = step.addr.clone();
                self.written.push(Event::StepWaiting { addr, waits_for, since_ms: elapsed_ms });
                let now_ms = self.now_ms();
                let running = self.running.get_mut(&number).expect("it is under way");
                // Whatever went wrong before, it goes on.
                running.attempt = 1;
                let left_ms = running.left_ms(now_ms);
                if left_ms == 0 {
                    // A cloud that always answers "not yet" is not asked for ever.
                    let late = call::timed_out(running.allowed_ms);
                    self.fail(number, late);
                    return;
                }
                let pause_ms = accepted.ask_again_ms.min(left_ms);
                let request = answer.request.polling(accepted);
                // The acceptance is durable before the next question, at the next commit at latest:
                // a lost acceptance only costs a `find`.
                calls.push(self.attempt(number, request, pause_ms));
            }
            Ok(Attempt::Done(observed)) => {
                let args = std::mem::take(
                    &mut self.running.get_mut(&number).expect("it is under way").args,
                );
                match transition::contract_broken(&answer.request, observed.as_ref()) {
                    Some(error) => self.fail(number, error),
                    None => {
                        transition::end(&self.script, self.state, step, args, observed);
                        self.record(number, step, Phase::End, None);
                        self.done(number, elapsed_ms);
                    }
                }
            }
            Err(error) => self.retry_or_fail(number, answer.request, error, calls),
        }
    }

    fn retry_or_fail(
        &mut self,
        number: u32,
        request: Request,
        error: OpError,
        calls: &mut Calls<'a>,
    ) {
        let now_ms = self.now_ms();
        let running = self.running.get_mut(&number).expect("it is under way");
        let left_ms = running.left_ms(now_ms);
        // What an interrupted run had asked for may be under way still.
        let ours = error.class == OpErrorClass::Conflict && running.before.was_open();
        let busy = if ours { OpErrorClass::InUse } else { error.class.clone() };
        // A question whose answer was lost is asked again: it changes nothing.
        let lost = request.only_asks() && busy == OpErrorClass::Unknown;
        let busy = if lost { OpErrorClass::Throttled { retry_after_ms: None } } else { busy };
        let pause_ms = retry::pause_ms(&busy, running.attempt);
        let pause_ms = pause_ms.filter(|pause_ms| *pause_ms < left_ms);
        let Some(after_ms) = pause_ms.filter(|_| !self.is_stopping()) else {
            self.fail(number, error);
            return;
        };
        let running = self.running.get_mut(&number).expect("it is under way");
        running.attempt += 1;
        let attempt = running.attempt;
        let addr = self.plan.steps[number as usize].addr.clone();
        let why = error.message.clone();
        (self.execution.events)(Event::Retrying { addr, attempt, after_ms, why });
        calls.push(self.attempt(number, request, after_ms));
    }

    fn done(&mut self, number: u32, elapsed_ms: u64) {
        let step = &self.plan.steps[number as usize];
        let verb = Work::from(&step.verb);
        self.running.remove(&number);
        self.schedule.done(number);
        self.outcome.applied.push((step.addr.clone(), verb));
        self.written.push(Event::StepDone { addr: step.addr.clone(), verb, elapsed_ms });
    }

    fn fail(&mut self, number: u32, mut error: OpError) {
        let step = &self.plan.steps[number as usize];
        let verb = Work::from(&step.verb);
        let running = self.running.remove(&number);
        // A provider quotes what a program printed, and a program may print what it was given.
        let objects = self.state.resources.values().filter_map(|it| it.current.as_ref());
        let known = objects.flat_map(|object| object.observed.values.values());
        let given = running.iter().flat_map(|running| running.args.values());
        let secrets = given.chain(self.plan.scope.inputs.values()).chain(known);
        call::hide_secrets(&mut error, secrets);
        let before = running.map(|running| running.before);
        let (before, now) = (before.unwrap_or_default(), self.execution.world.now());
        transition::failed(&self.script, self.state, step, &error, before, now);
        self.record(number, step, Phase::Failed, Some(Failure::from(&error)));
        for skipped in self.schedule.failed(number) {
            let addr = self.plan.steps[skipped as usize].addr.clone();
            let because = step.addr.clone();
            self.outcome.skipped.push((addr.clone(), Some(because.clone())));
            self.written.push(Event::StepSkipped { addr, because });
        }
        self.written.push(Event::StepFailed {
            addr: step.addr.clone(),
            verb,
            class: error.class.name().to_owned(),
            message: error.message.clone(),
            causes: error.causes.clone(),
            help: error.help.clone(),
        });
        let unknown = error.class == OpErrorClass::Unknown;
        let failed = Failed { addr: step.addr.clone(), verb, error };
        if unknown { self.outcome.unknown.push(failed) } else { self.outcome.failed.push(failed) }
    }

    fn record(&mut self, number: u32, step: &Step, phase: Phase, failure: Option<Failure>) {
        let record = Record::Step(journal::Step {
            phase,
            step: number,
            addr: step.addr.clone(),
            resource: self.state.resources.get(&step.addr).map(Cow::Borrowed),
            failure,
            at: self.execution.world.now(),
        });
        append(self.execution.journal, &record, &mut self.outcome);
    }

    /// Makes this turn's records durable, then says what happened. `false` when it could not.
    fn commit(&mut self) -> bool {
        if self.outcome.halted.is_some() {
            return false;
        }
        if let Err(error) = self.execution.journal.commit() {
            self.outcome.halted = Some(Arc::new(error));
            return false;
        }
        for event in self.written.drain(..) {
            (self.execution.events)(event);
        }
        true
    }

    /// Lets what is under way finish although nothing can be written any more: the state that the
    /// caller writes aside should know as much as possible.
    async fn drain(&mut self, calls: &mut Calls<'a>, aside: &mut Aside<'a>) {
        while !calls.is_empty() {
            match listen(calls, aside).await {
                Heard::Answer(number, answer) => self.take_in(number, answer, calls),
                Heard::Interrupt if self.interrupt() == Interrupt::Abandon => {
                    self.abandon();
                    return;
                }
                Heard::Interrupt => {
                    self.interrupted(calls.len());
                    aside.push(self.wish());
                }
                Heard::LeaseLost(_) => {}
            }
        }
    }

    /// What was begun and is not answered stays open in the journal.
    fn abandon(&mut self) {
        self.outcome.interrupted = true;
        for number in std::mem::take(&mut self.running).into_keys() {
            let step = &self.plan.steps[number as usize];
            let error = OpError::new(OpErrorClass::Unknown, "dsenv was told to stop at once");
            let verb = Work::from(&step.verb);
            self.outcome.unknown.push(Failed { addr: step.addr.clone(), verb, error });
        }
        self.skip_the_rest();
    }

    fn skip_the_rest(&mut self) {
        for number in self.schedule.untried() {
            let addr = self.plan.steps[number as usize].addr.clone();
            self.outcome.skipped.push((addr, None));
        }
        let mut seen = BTreeSet::new();
        self.outcome.skipped.retain(|(addr, _)| seen.insert(addr.clone()));
    }

    /// Settles the blueprint's outputs with what exists now. One that is still open, because a step
    /// did not end well, stays what it was; so do all of them while a destroy leaves something.
    fn settle_outputs(&mut self) {
        if self.plan.mode == Mode::Destroy && !self.state.resources.is_empty() {
            return;
        }
        let mut outputs = Map::new();
        let live = Live { plan: self.plan, state: self.state };
        for (name, term) in &self.plan.outputs {
            let before = self.state.outputs.get(name).cloned();
            let value = match settle::settle(term, &live) {
                Ok(Term::Known(value)) => Some(value),
                Ok(_) => before,
                Err(message) => {
                    self.outcome.unsettled.push((name.clone(), message));
                    before
                }
            };
            outputs.extend(value.map(|value| (name.clone(), value)));
        }
        if outputs != self.state.outputs {
            self.state.outputs = outputs;
            let record = Record::Outputs(Cow::Borrowed(&self.state.outputs));
            append(self.execution.journal, &record, &mut self.outcome);
            self.commit();
        }
    }
}

/// Waits for an answer, or for something beside the calls.
async fn listen<'a>(calls: &mut Calls<'a>, aside: &mut Aside<'a>) -> Heard {
    match select(calls.next(), aside.next()).await {
        Either::Left((Some((number, answer)), _)) => Heard::Answer(number, answer),
        Either::Left((None, _)) => unreachable!("there are calls under way"),
        Either::Right((Some(heard), _)) => heard,
        Either::Right((None, _)) => {
            unreachable!("the lease is kept for as long as there are calls")
        }
    }
}

/// Takes a record into the journal's memory. A record that has no form as text ends the apply: what
/// cannot be recorded must not be done.
fn append(journal: &mut Journal, record: &Record<'_>, outcome: &mut Outcome) {
    if let Err(error) = journal.append(std::slice::from_ref(record)) {
        outcome.halted = Some(Arc::new(error));
    }
}

enum Prepared {
    Call(Request),
    Nothing,
}

/// What terms refer to while the plan is applied: the state as it is now.
struct Live<'a> {
    plan: &'a Plan,
    state: &'a State,
}

impl Facts for Live<'_> {
    fn arguments(&self, addr: &Addr) -> Option<&BTreeMap<String, Term>> {
        self.plan.arguments.get(addr).map(|arguments| &**arguments)
    }

    fn attributes(&self, addr: &Addr) -> Option<&Map> {
        let object = self.state.resources.get(addr)?.current.as_ref()?;
        (object.status == Status::Ready).then_some(&object.observed.values)
    }

    fn scope(&self) -> &Scope {
        &self.plan.scope
    }
}
