//! How long durable state takes: `cargo bench --bench journal`.
//!
//! Writes the begin and end records of 10,000 nodes on a real disk, then the state, then reads
//! both. Prints one line a measure; compare runs on one machine only.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use dsenv::journal::{Journal, Phase, Record, Step};
use dsenv::state::{Object, Outcome, Resource, State, Status};
use dsenv::store::{Start, Store};
use dsenv::vault::Identity;
use dsenv::world::real::RealWorld;
use dsenv_sdk::provider::{Observed, OnDestroy, Token};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Secret};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

const NODES: u32 = 10_000;

fn main() {
    for batch in [10, 64] {
        for secrets in [false, true] {
            measure(batch, secrets);
        }
    }
}

fn measure(batch: usize, secrets: bool) {
    let temp = tempfile::tempdir_in(".").expect("a folder");
    let world = Arc::new(RealWorld::new());
    let store = Store::open(world, temp.path(), "bench", "dev").expect("good names");
    let identity = Identity::generate();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let lease = runtime.block_on(store.acquire("apply", 0)).expect("free");
    let loaded = store.establish(&lease, &identity).expect("new");
    let mut state = loaded.state.clone();
    let start = Start { command: "apply".into(), plan: None };
    let mut journal = store.begin(&lease, &loaded, start).expect("begun");

    let nodes: Vec<(Addr, Resource)> = (0..NODES).map(|n| node(&state, n, secrets)).collect();
    let began = Instant::now();
    for phase in [Phase::Begin, Phase::End] {
        for group in nodes.chunks(batch) {
            write(&mut journal, group, phase);
        }
    }
    let journal_ms = began.elapsed().as_millis();
    state.resources.extend(nodes);

    let began = Instant::now();
    store.load(Some(&identity)).expect("the journal folds");
    let fold_ms = began.elapsed().as_millis();
    let began = Instant::now();
    store.finish(&lease, journal, &loaded, state, Outcome::Done).expect("written");
    let finish_ms = began.elapsed().as_millis();
    let began = Instant::now();
    let again = store.load(Some(&identity)).expect("sound");
    let load_ms = began.elapsed().as_millis();
    assert_eq!(again.state.resources.len(), NODES as usize);
    println!(
        "{NODES} nodes, commits of {batch}, secrets {secrets}: journal {journal_ms} ms, \
         fold {fold_ms} ms, finish {finish_ms} ms, load {load_ms} ms"
    );
}

fn write(journal: &mut Journal, group: &[(Addr, Resource)], phase: Phase) {
    let at = jiff::Timestamp::UNIX_EPOCH;
    for (number, (addr, resource)) in (0..).zip(group) {
        let resource = Some(Cow::Borrowed(resource));
        let step = Step { phase, step: number, addr: addr.clone(), resource, failure: None, at };
        journal.append(&[Record::Step(step)]).expect("taken");
    }
    journal.commit().expect("durable");
}

fn node(state: &State, number: u32, secrets: bool) -> (Addr, Resource) {
    let addr = Addr::resource(&format!("value_{number}"));
    let text = format!("layer {} of something", number % 10);
    let input = if secrets { Value::Secret(Secret::new(text)) } else { Value::Text(text) };
    let args = Map::from([("input".to_owned(), input.clone())]);
    let values = Map::from([("input".to_owned(), input.clone()), ("output".to_owned(), input)]);
    let token = Token::new(&state.lineage, &addr, 1);
    let depends_on = (0..3).filter(|_| number >= 1_000);
    let depends_on = depends_on.map(|n| Addr::resource(&format!("value_{}", number - 1_000 + n)));
    let object = Object {
        generation: 1,
        args,
        observed: Observed { remote_id: token.to_string(), values },
        token,
        status: Status::Ready,
        accepted: None,
        ty: None,
        doubt_since: None,
        price_paid: None,
    };
    let resource = Resource {
        kind: "value".into(),
        ty: "value".into(),
        provider: "local".into(),
        generation: 1,
        current: Some(object),
        deposed: Vec::new(),
        depends_on: depends_on.collect(),
        create_first: false,
        on_destroy: OnDestroy::Delete,
    };
    (addr, resource)
}
