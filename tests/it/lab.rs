//! An environment to experiment on: a simulated machine, the fake cloud, and the same facade that
//! every command uses.
//!
//! A test writes a blueprint, applies it, looks. After each run the lab checks what must hold whatever
//! happened (C0): the state is sound, every object of the cloud is believed in or explained by an open
//! step, no token made two objects. Time is virtual: an hour of waiting costs nothing.

use dsenv::apply::{Interrupt, Outcome};
use dsenv::diag::Code;
use dsenv::diff::{Mode, Wishes};
use dsenv::drive::{Ended, Front, Options, Planned, Problem, Request, Site, Talk};
use dsenv::event::Event;
use dsenv::plan::Plan;
use dsenv::registry::Registry;
use dsenv::state::{State, Status};
use dsenv::store::Store;
use dsenv::vault::{IDENTITY_VARIABLE, Identity};
use dsenv::world::World;
use dsenv::world::sim::{PowerOff, SimDisk, SimWorld};
use dsenv_fake::{CallMatch, FakeCloud, FakeProvider, Values, Verb, What, When};
use dsenv_sdk::provider::{Owner, Token};
use dsenv_sdk::{Addr, Provider};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Where the blueprint is.
pub(crate) const FILE: &str = "/project/dsenv.yaml";

/// One user's machine and the cloud that it talks to.
pub(crate) struct Lab {
    pub(crate) cloud: Arc<FakeCloud>,
    pub(crate) world: Arc<SimWorld>,
    pub(crate) options: Options,
    /// The environment that commands are for; the only one there is when absent.
    pub(crate) environment: Option<String>,
    /// What was told during the last run.
    pub(crate) events: Vec<Event>,
    /// What is asked of the run under way; set back before each.
    pub(crate) interrupt: watch::Sender<Interrupt>,
    /// What somebody else deleted: until a run has ended well, the state may still believe in it.
    pub(crate) gone: Vec<String>,
    /// `--input`.
    pub(crate) inputs: Vec<(String, String)>,
    /// What an approval is answered with.
    pub(crate) approves: bool,
    /// What the last run asked about.
    pub(crate) asked: Option<Planned>,
    /// How long somebody thinks before they approve.
    pub(crate) thinks_ms: u64,
    provider: Arc<dyn Provider>,
    runtime: Arc<tokio::runtime::Runtime>,
}

/// Where a run is stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    /// The power goes off after this many operations of the disk.
    Disk(u64, PowerOff),
    /// The process dies in this call, counted from 1 with every verb; what was not synced is lost.
    Call(u32, When),
    /// The process dies after this time; the machine stays up.
    Time(u64),
}

impl Lab {
    /// A lab in which values are objects of the cloud that name what they refer to.
    pub(crate) fn new() -> Lab {
        Lab::of(Values::LinkedObjects)
    }

    pub(crate) fn of(values: Values) -> Lab {
        let cloud = FakeCloud::new();
        Lab::with(cloud.clone(), Arc::new(FakeProvider::new(cloud).values(values)))
    }

    pub(crate) fn with(cloud: Arc<FakeCloud>, provider: Arc<dyn Provider>) -> Lab {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
        cloud.set_sleeper(Arc::new(|ms| Box::pin(tokio::time::sleep(Duration::from_millis(ms)))));
        let world = SimWorld::new(1, SimDisk::new());
        let world = world.with_variable(IDENTITY_VARIABLE, &new_identity());
        let lab = Lab {
            cloud,
            world: Arc::new(world),
            options: Options::default(),
            environment: None,
            events: Vec::new(),
            interrupt: watch::channel(Interrupt::None).0,
            gone: Vec::new(),
            inputs: Vec::new(),
            approves: true,
            asked: None,
            thinks_ms: 0,
            provider,
            runtime: Arc::new(runtime),
        };
        // So that the clock of every process of the lab is the runtime's.
        lab.block_on(async { lab.world.monotonic_ms() });
        let clock = lab.world.clone();
        lab.cloud.set_clock(Arc::new(move || clock.monotonic_ms()));
        lab
    }

    /// Another process on `host` (`sim` is this one), with the same disk, cloud and clock.
    pub(crate) fn neighbour(&self, host: &str) -> Lab {
        Lab {
            cloud: self.cloud.clone(),
            world: Arc::new(self.world.fork(host)),
            options: self.options.clone(),
            environment: self.environment.clone(),
            events: Vec::new(),
            interrupt: watch::channel(Interrupt::None).0,
            gone: Vec::new(),
            inputs: Vec::new(),
            approves: true,
            asked: None,
            thinks_ms: 0,
            provider: self.provider.clone(),
            runtime: self.runtime.clone(),
        }
    }

    pub(crate) fn runtime(&self) -> Arc<tokio::runtime::Runtime> {
        self.runtime.clone()
    }

    /// From now on somebody else sits at the machine.
    pub(crate) fn use_new_identity(&mut self) {
        let world = self.world.fork("sim").with_variable(IDENTITY_VARIABLE, &new_identity());
        self.world = Arc::new(world);
    }

    /// Changes the state as `dsenv state` does.
    pub(crate) fn edit_state(&self, command: &str, change: impl FnOnce(&mut State)) {
        let store = self.store();
        let identity = Identity::find(&*self.world).expect("an identity").expect("there is one");
        let lease = self.block_on(store.acquire(command, 0)).expect("the lock is free");
        let mut loaded = store.establish(&lease, &identity).expect("a state");
        let change = |state: &mut State| {
            change(state);
            Ok::<(), dsenv::store::StoreError>(())
        };
        store.edit(&lease, &mut loaded, command, change).expect("a sound edit");
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub(crate) fn site(&self) -> Site {
        Site {
            world: self.world.clone(),
            file: PathBuf::from(FILE),
            here: PathBuf::from("/"),
            cache: PathBuf::from("/cache"),
            variables: BTreeMap::new(),
            registry: Registry::of([self.provider.clone()]),
        }
    }

    /// Writes the blueprint: a whole one, or only its resources.
    pub(crate) fn write(&self, text: &str) {
        self.world.sim_disk().put(Path::new(FILE), blueprint(text).as_bytes());
    }

    pub(crate) fn request(&self) -> Request {
        let input = |(name, typed): &(String, String)| dsenv::resolve::InputSource {
            name: name.clone(),
            typed: typed.clone(),
        };
        Request {
            environment: self.environment.clone(),
            inputs: self.inputs.iter().map(input).collect(),
            ..Request::default()
        }
    }

    /// Plans what is written.
    pub(crate) fn try_plan(&self) -> Result<Planned, Problem> {
        let site = self.site();
        let (compiled, _) = site.compile(&self.request())?;
        self.block_on(site.plan(&compiled, &self.options))
    }

    /// Plans this blueprint.
    pub(crate) fn plan(&self, text: &str) -> Planned {
        self.write(text);
        self.try_plan().unwrap_or_else(|problem| panic!("no plan: {}", words(problem)))
    }

    /// One line for each change that is one, in the order of the plan: `create a: New`.
    pub(crate) fn changes(&self, text: &str) -> Vec<String> {
        lines_of(&self.plan(text).plan)
    }

    /// Applies what is written, whatever comes of it, and checks C0.
    pub(crate) fn run(&mut self) -> Result<Ended, Problem> {
        let ended = self.run_unchecked();
        let done = matches!(&ended, Ok(Ended::Ran { outcome, .. }) if outcome.is_complete());
        self.check(done || matches!(ended, Ok(Ended::Nothing(_))));
        ended
    }

    pub(crate) fn run_unchecked(&mut self) -> Result<Ended, Problem> {
        let runtime = self.runtime.clone();
        runtime.block_on(self.running())
    }

    /// The run itself, for tests that do something beside it.
    pub(crate) async fn running(&mut self) -> Result<Ended, Problem> {
        self.events.clear();
        let site = self.site();
        let (compiled, _) = site.compile(&self.request())?;
        let command = if self.options.wishes.mode == Mode::Destroy { "destroy" } else { "apply" };
        let (approves, thinks_ms) = (self.approves, self.thinks_ms);
        let talk = Talk {
            approve: &mut |planned| {
                self.asked = Some(planned.clone());
                Box::pin(async move {
                    tokio::time::sleep(Duration::from_millis(thinks_ms)).await;
                    approves
                })
            },
            events: &mut |event| self.events.push(event),
            watch: Arc::new(|_, _| {}),
            interrupt: self.interrupt.subscribe(),
        };
        told(site.apply(compiled, &self.options, command, talk).await)
    }

    /// Obeys a plan that was made before, for what is written.
    pub(crate) fn apply_saved(&mut self, plan: Plan) -> Result<Ended, Problem> {
        self.events.clear();
        let site = self.site();
        let front = site.front(&self.request())?;
        let talk = Talk {
            approve: &mut |_| Box::pin(std::future::ready(true)),
            events: &mut |event| self.events.push(event),
            watch: Arc::new(|_, _| {}),
            interrupt: self.interrupt.subscribe(),
        };
        told(self.runtime.block_on(site.apply_saved(&front, plan, &self.options, talk)))
    }

    /// Applies this blueprint; whatever ended it, its outcome. A refusal panics.
    pub(crate) fn attempt(&mut self, text: &str) -> Outcome {
        self.write(text);
        outcome(self.run())
    }

    /// Applies this blueprint; everything must end well.
    pub(crate) fn apply(&mut self, text: &str) -> Outcome {
        let outcome = self.attempt(text);
        assert!(outcome.is_complete(), "{outcome:#?}\n{:#?}", self.events);
        outcome
    }

    /// Applies and then sees that a second apply has nothing to do (law 3).
    pub(crate) fn apply_and_settle(&mut self, text: &str) -> Outcome {
        let outcome = self.apply(text);
        self.assert_settled();
        outcome
    }

    /// The plan is empty, and an apply makes no call that changes something (law 3).
    pub(crate) fn assert_settled(&mut self) {
        let calls = self.cloud.mutating_calls().len();
        let planned = self.try_plan().unwrap_or_else(|problem| panic!("{}", words(problem)));
        let drift: Vec<_> = planned.plan.changes.iter().flat_map(|c| &c.drift).collect();
        let steps = &planned.plan.steps;
        let lines = lines_of(&planned.plan);
        let events = &self.events;
        assert!(planned.plan.is_empty(), "{lines:#?}\n{drift:#?}\n{steps:#?}\n{events:#?}");
        let ended = self.run().unwrap_or_else(|problem| panic!("{}", words(problem)));
        assert!(matches!(ended, Ended::Nothing(_)), "{}", ended_words(&ended));
        assert_eq!(self.cloud.mutating_calls().len(), calls);
    }

    /// Refused with these codes and without a call that changes something.
    pub(crate) fn refused(&mut self, text: &str) -> Vec<Code> {
        self.write(text);
        let calls = self.cloud.mutating_calls().len();
        let problem = self.run_unchecked().err().expect("it is refused");
        assert_eq!(self.cloud.mutating_calls().len(), calls, "a refusal changes nothing");
        codes(problem)
    }

    /// Deletes everything that is written and known.
    pub(crate) fn destroy(&mut self) -> Result<Ended, Problem> {
        let wishes = Wishes { mode: Mode::Destroy, ..Wishes::default() };
        let wishes = std::mem::replace(&mut self.options.wishes, wishes);
        let ended = self.run();
        self.options.wishes = wishes;
        ended
    }

    /// Applies with these wishes once.
    pub(crate) fn with_wishes<T>(&mut self, wishes: Wishes, run: impl FnOnce(&mut Lab) -> T) -> T {
        let before = std::mem::replace(&mut self.options.wishes, wishes);
        let result = run(self);
        self.options.wishes = before;
        result
    }

    /// Runs until the stop; `true` when the run was cut there, `false` when it ended before. The
    /// machine is up again afterwards.
    pub(crate) fn run_until(&mut self, stop: Stop) -> bool {
        match stop {
            Stop::Disk(operations, fate) => {
                let disk = self.world.sim_disk().clone();
                let before = disk.operations();
                disk.cut_power_after(operations);
                let ended = self.run_unchecked();
                let cut = disk.operations() >= before + operations
                    && !matches!(&ended, Ok(Ended::Nothing(_)));
                self.reboot(fate);
                cut
            }
            Stop::Call(nth, when) => {
                let fault = CallMatch::default().nth(nth).fails(What::Crash { when });
                self.cloud.inject(fault);
                let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
                let disk = self.world.sim_disk().clone();
                self.cloud.on_crash(Arc::new(move |_, _| {
                    // What is dropped on the way out must not write any more.
                    disk.cut_power_after(0);
                    // Nobody listens any more when a second call was under way.
                    let _ = tell.send(());
                }));
                let runtime = self.runtime.clone();
                let crashed = runtime.block_on(async {
                    tokio::select! {
                        biased;
                        _ = told.recv() => true,
                        _ = self.running() => false,
                    }
                });
                self.cloud.clear_faults();
                self.reboot(PowerOff::DropsAll);
                crashed
            }
            Stop::Time(ms) => {
                let disk = self.world.sim_disk().clone();
                let runtime = self.runtime.clone();
                let crashed = runtime.block_on(async {
                    let mut running = Box::pin(self.running());
                    let crashed = tokio::select! {
                        biased;
                        _ = tokio::time::sleep(Duration::from_millis(ms)) => true,
                        _ = &mut running => false,
                    };
                    disk.cut_power_after(0);
                    crashed
                });
                let disk = self.world.sim_disk().power_off(PowerOff::KeepsAll);
                self.world.kill();
                self.world = Arc::new(self.world.restart(disk));
                crashed
            }
        }
    }

    /// The process ends, whatever it still holds, and another is started.
    pub(crate) fn next_process(&mut self) {
        self.world.kill();
        self.world = Arc::new(self.world.fork("sim"));
    }

    /// The power goes off and comes back.
    pub(crate) fn reboot(&mut self, fate: PowerOff) {
        let disk = self.world.sim_disk().power_off(fate);
        self.world = Arc::new(self.world.reboot(disk));
    }

    pub(crate) fn front(&self) -> Front {
        let site = self.site();
        let compiled = site.compile(&self.request());
        compiled.unwrap_or_else(|problem| panic!("{}", words(problem))).0.front
    }

    pub(crate) fn store(&self) -> Store {
        self.site().store(&self.front()).unwrap_or_else(|problem| panic!("{}", words(problem)))
    }

    pub(crate) fn state(&self) -> State {
        let identity = Identity::find(&*self.world).expect("an identity");
        self.store().load(identity.as_ref()).expect("a state that can be read").state
    }

    /// Checks C0; after a run that `settled`, nothing may be left open.
    pub(crate) fn check(&self, settled: bool) {
        let state = self.state();
        assert_eq!(dsenv::state::verify(&state), Vec::<String>::new());
        self.check_tokens();
        let owner = Owner {
            blueprint: state.blueprint.clone(),
            environment: state.environment.clone(),
            lineage: state.lineage.clone(),
        };
        let objects = self.cloud.objects();
        let named = |token: &Token| {
            let made = objects.iter().find(|object| object.token.as_ref() == Some(token));
            made.map(|object| object.remote_id.clone())
        };
        let (mut current, mut deposed) = (Vec::new(), Vec::new());
        for (addr, resource) in &state.resources {
            if resource.ty.starts_with("dsenv.") {
                continue;
            }
            for object in resource.current.iter().chain(&resource.deposed) {
                let open = matches!(object.status, Status::Creating | Status::Deleting);
                assert!(!(open && settled), "{addr} is {:?} after a run that ended well", object);
                // What is open may or may not be there; it is explained either way.
                let nameless = object.observed.remote_id.is_empty();
                let id = if open || nameless { named(&object.token) } else { Some(id_of(object)) };
                let Some(id) = id else { continue };
                let list = if resource.current.as_ref() == Some(object) {
                    &mut current
                } else {
                    &mut deposed
                };
                list.push((addr.clone(), id));
            }
        }
        let mut wrong = self.cloud.inconsistencies(&owner, &current, &deposed);
        wrong.retain(|line| settled || !self.gone.iter().any(|id| line.contains(id)));
        let changes = self.cloud.changes().join("\n  ");
        assert!(wrong.is_empty(), "{}\nafter:\n  {changes}", wrong.join("\n"));
    }

    /// One token, one object, for ever; what takes no token is made again after somebody deleted it.
    fn check_tokens(&self) {
        let mut made: BTreeMap<Token, String> = BTreeMap::new();
        for call in self.cloud.calls() {
            let (Verb::Create, Some(token), Some(id)) = (call.verb, call.token, call.remote_id)
            else {
                continue;
            };
            let first = made.entry(token).or_insert_with(|| id.clone());
            let gone = self.gone.contains(first);
            assert!(*first == id || gone, "a token made two objects: {first} and {id}");
        }
    }

    /// The id of the one object at an address.
    pub(crate) fn id(&self, addr: &str) -> String {
        let object = self.cloud.object_at(addr);
        object.unwrap_or_else(|| panic!("there is no {addr}")).remote_id
    }

    /// Changes of the cloud since the last call of this.
    pub(crate) fn take_changes(&self) -> Vec<String> {
        let changes = self.cloud.changes();
        self.cloud.clear_calls();
        changes
    }
}

/// What went wrong beside the steps is what a test of a refusal looks for.
fn told(ended: Result<Ended, Problem>) -> Result<Ended, Problem> {
    match ended {
        Ok(Ended::Ran { trouble: Some(problem), .. }) => Err(problem),
        ended => ended,
    }
}

fn new_identity() -> String {
    let key = age::x25519::Identity::generate().to_string();
    age::secrecy::ExposeSecret::expose_secret(&key).to_owned()
}

fn id_of(object: &dsenv::state::Object) -> String {
    object.observed.remote_id.clone()
}

/// A whole blueprint of these resources, or the text itself when it is one.
pub(crate) fn blueprint(text: &str) -> String {
    if text.contains("blueprint:") {
        return text.to_owned();
    }
    let head = "blueprint: demo\nenvironments: {test: {provider: fake, ephemeral: true}}\n";
    let body: String = text.lines().map(|line| format!("  {}\n", line)).collect();
    format!("{head}resources:\n{}", if body.trim().is_empty() { "  {}\n".to_owned() } else { body })
}

pub(crate) fn outcome(ended: Result<Ended, Problem>) -> Outcome {
    match ended {
        Ok(Ended::Ran { outcome, finished, .. }) => {
            let finished = finished.expect("it was written");
            assert_eq!((finished.problems, finished.warnings), (Vec::new(), Vec::new()));
            outcome
        }
        Ok(Ended::Nothing(_)) => Outcome::default(),
        Ok(Ended::Declined) => panic!("the lab approves"),
        Ok(Ended::Interrupted) => panic!("it was interrupted before anything was begun"),
        Err(problem) => panic!("it is refused: {}", words(problem)),
    }
}

pub(crate) fn lines_of(plan: &Plan) -> Vec<String> {
    let changes = plan.changes.iter();
    let changes = changes.filter(|change| change.action != dsenv::diff::Action::NoOp);
    changes.map(|c| format!("{:?} {}: {:?}", c.action, c.addr, c.reason)).collect()
}

pub(crate) fn codes(problem: Problem) -> Vec<Code> {
    problem.into_findings().iter().map(|diagnostic| diagnostic.code).collect()
}

pub(crate) fn words(problem: Problem) -> String {
    let findings = problem.into_findings();
    let lines = findings.iter().map(|d| format!("{} {} {:?}", d.code, d.message, d.help));
    lines.collect::<Vec<_>>().join("\n")
}

pub(crate) fn ended_words(ended: &Ended) -> String {
    match ended {
        Ended::Nothing(_) => "nothing".to_owned(),
        Ended::Declined => "declined".to_owned(),
        Ended::Interrupted => "interrupted".to_owned(),
        Ended::Ran { outcome, .. } => format!("{outcome:#?}"),
    }
}

pub(crate) fn addr(text: &str) -> Addr {
    text.parse().expect("an address")
}
