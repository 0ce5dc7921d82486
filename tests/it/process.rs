//! Real processes, real files, real signals: what a simulation cannot show. The cloud is the fake on
//! loopback in this process, so its objects outlive whoever is killed.

#![allow(clippy::disallowed_methods)] // The world is real here; waiting polls with a deadline.

use dsenv::apply::Interrupt;
use dsenv::drive::{Ended, Options, Request, Site, Talk};
use dsenv::registry::Registry;
use dsenv::world::World;
use dsenv::world::real::RealWorld;
use dsenv_fake::{
    CallMatch, ENDPOINT_VARIABLE, FakeCloud, FakeProvider, Loopback, Values, Verb, What, When,
};
use dsenv_sdk::Provider;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const FOLDER: &str = "DSENV_TEST_FOLDER";
const WAIT: &str = "DSENV_TEST_LOCK_TIMEOUT_MS";
const DEADLINE: Duration = Duration::from_secs(60);

/// Not a test: this binary as the dsenv under test, when a test has started it so.
#[test]
fn as_dsenv() {
    let world = Arc::new(RealWorld::new());
    let Some(folder) = world.variable(FOLDER) else { return };
    let folder = Path::new(&folder);
    let endpoint = world.variable(ENDPOINT_VARIABLE).expect("the test says where the cloud is");
    let provider = FakeProvider::remote().values(Values::LinkedObjects);
    let site = Site {
        world: world.clone(),
        file: folder.join("dsenv.yaml"),
        here: folder.to_owned(),
        cache: folder.join("cache"),
        variables: BTreeMap::from([(ENDPOINT_VARIABLE.to_owned(), endpoint)]),
        registry: Registry::of([Arc::new(provider) as Arc<dyn Provider>]),
    };
    let wait = world.variable(WAIT).map(|text| text.parse().expect("a number"));
    let options = Options { lock_timeout_ms: wait.unwrap_or(0), ..Options::default() };
    let (compiled, _) = site.compile(&Request::default()).unwrap_or_else(|_| panic!("it compiles"));
    let (_ask, interrupt) = tokio::sync::watch::channel(Interrupt::None);
    let talk = Talk {
        approve: &mut |_| Box::pin(std::future::ready(true)),
        events: &mut |_| {},
        watch: Arc::new(|_, _| {}),
        interrupt,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.expect("a runtime").block_on(site.apply(compiled, &options, "apply", talk));
    match ended {
        Ok(Ended::Ran { trouble: Some(problem), .. }) => {
            panic!("refused: {:?}", problem.into_findings())
        }
        Ok(Ended::Ran { outcome, .. }) => assert!(outcome.is_complete(), "{outcome:?}"),
        Ok(_) => {}
        Err(problem) => panic!("refused: {:?}", problem.into_findings()),
    }
}

struct Scene {
    folder: tempfile::TempDir,
    cloud: Arc<FakeCloud>,
    loopback: Loopback,
}

impl Scene {
    fn new(resources: &str) -> Scene {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = crate::lab::blueprint(resources);
        std::fs::write(folder.path().join("dsenv.yaml"), text).expect("the folder can be written");
        let cloud = FakeCloud::new();
        let loopback = Loopback::start(cloud.clone()).expect("loopback answers");
        Scene { folder, cloud, loopback }
    }

    fn start(&self, lock_timeout_ms: u64) -> Child {
        Command::new(std::env::current_exe().expect("a program has a path"))
            .args(["--exact", "process::as_dsenv", "--nocapture"])
            .env(FOLDER, self.folder.path())
            .env(WAIT, lock_timeout_ms.to_string())
            .env(ENDPOINT_VARIABLE, self.loopback.endpoint())
            .env("HOME", self.folder.path())
            .env_remove("XDG_CONFIG_HOME")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("this binary starts itself")
    }

    fn run(&self, lock_timeout_ms: u64) {
        let output = self.start(lock_timeout_ms).wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < DEADLINE, "{what} does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = i32::try_from(child.id()).expect("a process id");
    let pid = rustix::process::Pid::from_raw(pid).expect("a process id is not 0");
    rustix::process::kill_process(pid, signal).expect("our own child");
}

/// Scenario 1, with a real `kill -9`.
#[test]
fn kill_9_in_the_middle_of_five_creates_leaves_five_objects() {
    let five: String = (0..5).map(|n| format!("v{n}: {{kind: value, input: {n}}}\n")).collect();
    let scene = Scene::new(&five);
    let late = What::Latency { ms: 600_000, when: When::After };
    scene.cloud.inject(CallMatch::verb(Verb::Create).fails(late));
    let mut child = scene.start(0);
    wait_until("five creates", || scene.cloud.objects().len() == 5);
    child.kill().expect("our own child");
    child.wait().expect("it is dead");
    scene.cloud.clear_faults();
    scene.run(0);
    assert_eq!(scene.cloud.objects().len(), 5);
    let changes = scene.cloud.changes().len();
    scene.run(0);
    assert_eq!(scene.cloud.changes().len(), changes, "the second apply does nothing");
}

/// Scenario 5, with two processes.
#[test]
fn the_second_process_is_refused_and_names_the_first() {
    let scene = Scene::new("a: {kind: value, input: 1}");
    let late = What::Latency { ms: 600_000, when: When::After };
    scene.cloud.inject(CallMatch::verb(Verb::Create).fails(late));
    let mut first = scene.start(0);
    wait_until("a create", || scene.cloud.objects().len() == 1);
    let calls = scene.cloud.calls().len();
    let second = scene.start(200).wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success());
    let process = format!("(process {}) for `apply` since", first.id());
    assert!(said.contains("E0801") && said.contains(&process), "{said}");
    assert_eq!(scene.cloud.calls().len(), calls, "the cloud was not touched");
    first.kill().expect("our own child");
    first.wait().expect("it is dead");
    // A dead holder is seen at once.
    scene.cloud.clear_faults();
    scene.run(0);
    assert_eq!(scene.cloud.objects().len(), 1);
}

/// Scenario 6: a stopped process keeps its lock while it lives and its lease runs; one whose lock was
/// broken writes nothing when it wakes.
#[test]
fn a_stopped_process_writes_nothing_after_its_lock_was_taken() {
    let scene = Scene::new("a: {kind: value, input: 1}\nb: {kind: value, input: \"${a.output}\"}");
    let late = What::Latency { ms: 1_500, when: When::After };
    scene.cloud.inject(CallMatch::verb(Verb::Create).at("a").nth(1).fails(late));
    let first = scene.start(0);
    wait_until("a create", || scene.cloud.objects().len() == 1);
    signal(&first, rustix::process::Signal::STOP);
    let world: Arc<dyn World> = Arc::new(RealWorld::new());
    let root = scene.folder.path().join(".dsenv");
    let store = dsenv::store::Store::open(world, &root, "demo", "test").expect("good names");
    assert!(store.unlock().is_err(), "it lives, so the lock is not simply freed");
    store.unlock_by_force().expect("by force");
    scene.run(0);
    assert_eq!(scene.cloud.objects().len(), 2);
    let state = std::fs::read(store.dir().join("state.json")).expect("a state");
    signal(&first, rustix::process::Signal::CONT);
    let woken = first.wait_with_output().expect("it ends");
    assert!(!woken.status.success());
    let said = String::from_utf8_lossy(&woken.stderr).into_owned();
    assert!(said.contains("E0801"), "{said}");
    assert_eq!(std::fs::read(store.dir().join("state.json")).expect("a state"), state);
    assert_eq!(scene.cloud.objects().len(), 2);
    scene.run(0);
}
