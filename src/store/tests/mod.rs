//! What the store promises, held against a disk that loses everything it may lose.

mod crash;
mod faults;
mod lock;
mod real;

use super::*;
use crate::journal::{Phase, Step};
use crate::state::{Object, Resource, Status};
use crate::vault::IDENTITY_VARIABLE;
use crate::world::sim::{SimDisk, SimWorld};
use age::secrecy::ExposeSecret;
use dsenv_sdk::provider::{Observed, OnDestroy, Token};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Secret};
use std::borrow::Cow;
use std::sync::OnceLock;

/// A text that may stand in no file.
pub(super) const SENTINEL: &str = "hunter2-sentinel";

pub(super) fn identity_text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| age::x25519::Identity::generate().to_string().expose_secret().to_owned())
}

pub(super) fn identity() -> Identity {
    Identity::parse(identity_text(), "the test").expect("it was generated")
}

pub(super) fn sim(seed: u64, disk: SimDisk) -> SimWorld {
    SimWorld::new(seed, disk).with_variable(IDENTITY_VARIABLE, identity_text())
}

pub(super) fn store_of(world: SimWorld) -> Store {
    Store::open(Arc::new(world), Path::new("/p/.dsenv"), "bench", "dev").expect("good names")
}

pub(super) fn addr(text: &str) -> Addr {
    text.parse().expect("an address")
}

pub(super) fn start() -> Start {
    Start { command: "apply".into(), plan: Some("abc".into()) }
}

/// A node with a secret argument.
pub(super) fn resource(state: &State, addr: &Addr, status: Status) -> Resource {
    let generation = state.next_generation(addr);
    let args = Map::from([
        ("password".to_owned(), Value::Secret(Secret::new(SENTINEL))),
        ("$size".to_owned(), Value::Int(3)),
    ]);
    let observed = Observed { remote_id: format!("id-{addr}"), values: args.clone() };
    Resource {
        kind: "database".into(),
        ty: "local.database".into(),
        provider: "local".into(),
        generation,
        current: Some(Object {
            token: Token::new(&state.lineage, addr, generation),
            generation,
            args,
            observed,
            status,
            accepted: None,
            ty: None,
            doubt_since: None,
            price_paid: None,
        }),
        deposed: Vec::new(),
        depends_on: Default::default(),
        create_first: false,
        on_destroy: OnDestroy::Refuse,
    }
}

/// Sets the entry of a node in `state` and records it.
pub(super) fn step(
    journal: &mut Journal,
    state: &mut State,
    phase: Phase,
    name: &str,
) -> Result<(), JournalError> {
    let addr = addr(name);
    let status = if phase == Phase::Begin { Status::Creating } else { Status::Ready };
    let mut entry =
        resource(&State { resources: Default::default(), ..state.clone() }, &addr, status);
    entry.generation = entry.generation.max(1);
    state.put(addr.clone(), entry);
    let at = jiff::Timestamp::UNIX_EPOCH;
    let resource = Some(Cow::Borrowed(&state.resources[&addr]));
    journal.append(&[Record::Step(Step {
        phase,
        step: 0,
        addr: addr.clone(),
        resource,
        failure: None,
        at,
    })])
}

/// One whole apply that creates `name`.
pub(super) async fn apply(store: &Store, name: &str) -> Result<Finished, StoreError> {
    let lease = store.acquire("apply", 0).await?;
    let loaded = store.establish(&lease, &identity())?;
    let mut state = loaded.state.clone();
    let mut journal = store.begin(&lease, &loaded, start())?;
    step(&mut journal, &mut state, Phase::Begin, name)?;
    journal.commit()?;
    step(&mut journal, &mut state, Phase::End, name)?;
    state.outputs.insert("dsn".into(), Value::Secret(Secret::new(SENTINEL)));
    journal.append(&[Record::Outputs(Cow::Borrowed(&state.outputs))])?;
    journal.commit()?;
    let finished = store.finish(&lease, journal, &loaded, state, Outcome::Done)?;
    lease.release()?;
    Ok(finished)
}

pub(super) fn load(store: &Store) -> Result<Loaded, StoreError> {
    store.load(Some(&identity()))
}

#[tokio::test(start_paused = true)]
async fn what_was_applied_is_loaded_and_has_a_history() {
    let store = store_of(sim(1, SimDisk::new()));
    assert!(load(&store).expect("empty").is_new());
    for (serial, name) in [(1, "a"), (2, "b"), (3, "c")] {
        let finished = apply(&store, name).await.expect("applied");
        assert_eq!(finished.serial, serial);
        assert_eq!((finished.problems.len(), finished.warnings.len()), (0, 0), "{finished:?}");
    }
    let loaded = load(&store).expect("loaded");
    assert_eq!(loaded.state.resources.len(), 3);
    assert!(loaded.leftover.is_none() && !loaded.is_new());
    let password =
        &loaded.state.resources[&addr("a")].current.as_ref().expect("made").args["password"];
    assert_eq!(password.expose_text(), Some(SENTINEL));
    let history = store.read_history().expect("read");
    let serials: Vec<_> =
        history.operations.iter().map(|o| (o.serial_before, o.serial_after)).collect();
    assert_eq!(serials, [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(history.operations[2].parent.as_ref(), Some(&history.operations[1].id));
    let kept: Vec<_> = history.generations.iter().map(|generation| generation.serial).collect();
    assert_eq!(kept, [0, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_sentinel_secret_stands_in_no_file() {
    let disk = SimDisk::new();
    let store = store_of(sim(1, disk.clone()));
    apply(&store, "a").await.expect("applied");
    let lease = store.acquire("apply", 0).await.expect("free");
    let loaded = store.establish(&lease, &identity()).expect("sound");
    let aside =
        store.write_aside(&loaded.state, &loaded.vault().expect("open"), Path::new("/tmp/x"));
    assert!(aside.expect("written").starts_with("/tmp/x"));
    let files = disk.files();
    assert!(files.len() >= 7, "{:?}", files.keys());
    for (path, bytes) in files {
        let found = bytes.windows(SENTINEL.len()).any(|part| part == SENTINEL.as_bytes());
        assert!(!found, "{}", path.display());
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_without_secrets_is_read_without_an_identity() {
    let store = store_of(sim(1, SimDisk::new()));
    let lease = store.acquire("apply", 0).await.expect("free");
    let mut loaded = store.establish(&lease, &identity()).expect("new");
    assert!(store.load(None).is_ok());
    store
        .edit(&lease, &mut loaded, "test", |state| {
            let entry = resource(state, &addr("a"), Status::Ready);
            state.put(addr("a"), entry);
            Ok::<_, StoreError>(())
        })
        .expect("sound");
    let error = describe(&store.load(None).expect_err("there is a secret"));
    assert!(error.contains("there is no identity") && error.contains("identity.age"), "{error}");
    let other = Identity::generate();
    let error = describe(&store.load(Some(&other)).expect_err("not for it"));
    let (mine, theirs) = (identity().recipient(), other.recipient());
    let says = format!("was encrypted for {mine}, you hold {theirs}");
    assert!(error.contains(&says), "{error}");
}

#[tokio::test(start_paused = true)]
async fn rotation_leaves_nothing_that_the_old_key_opens() {
    let disk = SimDisk::new();
    let store = store_of(sim(1, disk.clone()));
    apply(&store, "a").await.expect("applied");
    let sealed = |disk: &SimDisk| -> std::collections::BTreeSet<String> {
        let files = disk.files();
        let texts = files.values().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let parts = texts.flat_map(|text| {
            let parts = text.split('"').filter(|part| part.starts_with("sealed:v1:"));
            parts.map(str::to_owned).collect::<Vec<_>>()
        });
        parts.collect()
    };
    let before = sealed(&disk);
    let lease = store.acquire("rotate", 0).await.expect("free");
    let mut loaded = store.establish(&lease, &identity()).expect("sound");
    let key = loaded.vault().expect("open").provider_key("l", "e");
    let other = Identity::generate();
    store.rotate(&lease, &mut loaded, &[other.recipient()]).expect("rotated");
    let after = sealed(&disk);
    assert!(!before.is_empty() && !after.is_empty());
    assert!(before.is_disjoint(&after));
    assert!(store.load(Some(&identity())).is_err());
    let again = store.load(Some(&other)).expect("its own");
    assert_eq!(again.state.resources, loaded.state.resources);
    assert_eq!(again.vault().expect("open").provider_key("l", "e").expose(), key.expose());
}

#[tokio::test(start_paused = true)]
async fn a_restore_is_an_operation_and_loses_neither_protection_nor_counters() {
    let store = store_of(sim(1, SimDisk::new()));
    apply(&store, "a").await.expect("applied");
    apply(&store, "b").await.expect("applied");
    let lease = store.acquire("protect", 0).await.expect("free");
    let mut loaded = store.establish(&lease, &identity()).expect("sound");
    store
        .edit(&lease, &mut loaded, "protect", |state| {
            state.protected.insert(addr("a"));
            Ok::<_, StoreError>(())
        })
        .expect("sound");
    let restored = store.restore(&lease, 1, &identity()).expect("kept");
    assert_eq!(restored.state.serial, 4);
    assert!(restored.state.protected.contains(&addr("a")));
    assert!(restored.state.resources.contains_key(&addr("b")), "its object is not lost");
    assert_eq!(restored.state.next_generation(&addr("b")), 2);
    assert_eq!(load(&store).expect("sound").state, restored.state);
    let last = store.read_history().expect("read").operations.pop().expect("there are four");
    assert_eq!((last.command.as_str(), last.restored_from), ("state restore", Some(1)));
    let error = store.restore(&lease, 77, &identity()).expect_err("not kept").to_string();
    assert!(error.contains("no generation 77: the ones kept are 0 to 4"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_breaks_the_state_is_refused_and_changes_nothing() {
    let store = store_of(sim(1, SimDisk::new()));
    apply(&store, "a").await.expect("applied");
    let lease = store.acquire("state mv", 0).await.expect("free");
    let mut loaded = store.establish(&lease, &identity()).expect("sound");
    let error = store.edit(&lease, &mut loaded, "state mv", |state| {
        let entry = state.resources[&addr("a")].clone();
        state.put(addr("b"), entry);
        Ok::<_, StoreError>(())
    });
    let error = error.expect_err("two share a token").to_string();
    assert!(error.contains("share the token"), "{error}");
    assert_eq!(load(&store).expect("sound").state, loaded.state);
    assert_eq!(loaded.state.serial, 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_gets_another_token() {
    let store = store_of(sim(1, SimDisk::new()));
    apply(&store, "a").await.expect("applied");
    let lease = store.acquire("destroy", 0).await.expect("free");
    let mut loaded = store.establish(&lease, &identity()).expect("sound");
    let remove = |state: &mut State| {
        state.remove(&addr("a"));
        Ok::<_, StoreError>(())
    };
    store.edit(&lease, &mut loaded, "state rm", remove).expect("sound");
    assert_eq!(load(&store).expect("sound").state.next_generation(&addr("a")), 2);
}

#[test]
fn names_cannot_leave_the_folder() {
    for name in ["", "..", "a/b", "a b", "ä"] {
        let world = Arc::new(sim(1, SimDisk::new()));
        assert!(Store::open(world, Path::new("/p"), name, "dev").is_err(), "{name}");
    }
}
