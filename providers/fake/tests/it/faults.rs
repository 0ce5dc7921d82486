//! Faults, time, the crash hook and the call log.

use crate::client::{Client, addr, class, client, done, input, token, ty};
use dsenv_fake::{CallMatch, FakeCloud, Fault, Outcome, Seeded, Verb, What, When};
use dsenv_sdk::provider::OpErrorClass;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

fn on(verb: Verb, what: What) -> Fault {
    CallMatch::verb(verb).fails(what)
}

#[tokio::test]
async fn refusals_do_nothing_and_have_their_class() {
    let client = client().await;
    for (what, name) in [
        (What::Throttled { retry_after_ms: Some(5) }, "throttled"),
        (What::NoCapacity, "no_capacity"),
        (What::Quota, "quota"),
        (What::Denied, "denied"),
        (What::Invalid, "invalid"),
        (What::Conflict, "conflict"),
        (What::Unknown { happened: false }, "unknown"),
    ] {
        client.cloud.clear_faults();
        client.cloud.inject(on(Verb::Create, what));
        assert_eq!(class(&client.create("fake.object", "a", &input("x")).await), name);
    }
    assert!(client.cloud.objects().is_empty());
    assert!(client.cloud.changes().is_empty());
    assert_eq!(client.cloud.mutating_calls().len(), 7);
}

#[tokio::test]
async fn a_lost_reply_is_found_by_its_token() {
    let client = client().await;
    client.cloud.inject(on(Verb::Create, What::Unknown { happened: true }));
    assert_eq!(class(&client.create("fake.object", "a", &input("x")).await), "unknown");
    let found = client.connection.find(ty("fake.object"), &token("a", 1)).await.expect("a find");
    let found = found.expect("it happened");
    assert!(found.complete);
    client.cloud.clear_faults();
    client.cloud.inject(on(Verb::Update, What::Unknown { happened: true }));
    client.cloud.inject(on(Verb::Delete, What::Unknown { happened: true }));
    let updated = client.update("fake.object", "a", &found.observed, &input("y")).await;
    assert_eq!(class(&updated), "unknown");
    let read = client.read("fake.object", "a", &found.observed).await.expect("it is there");
    assert_eq!(read.values["input"], "y".into());
    assert_eq!(class(&client.delete("fake.object", "a", &read).await), "unknown");
    assert!(client.cloud.objects().is_empty());
    assert_eq!(client.cloud.changes(), ["create a", "update a", "delete a"]);
}

#[tokio::test]
async fn half_a_creation_is_finished_by_the_same_create() {
    let client = client().await;
    client.cloud.inject(CallMatch::verb(Verb::Create).nth(1).fails(What::Partial));
    let error = client.create("fake.object", "a", &input("x")).await.expect_err("half");
    let OpErrorClass::Partial(half) = error.class else { panic!("{error:?}") };
    let found = client.connection.find(ty("fake.object"), &token("a", 1)).await.expect("a find");
    assert!(!found.expect("something is there").complete);
    assert!(!half.values.contains_key("output"));
    let whole = done(client.create("fake.object", "a", &input("x")).await);
    assert_eq!(whole.remote_id, half.remote_id);
    let found = client.connection.find(ty("fake.object"), &token("a", 1)).await.expect("a find");
    assert!(found.expect("it is there").complete);
}

#[tokio::test]
async fn a_fault_strikes_what_it_names_only() {
    let client = client().await;
    let create = CallMatch::verb(Verb::Create);
    client.cloud.inject(create.clone().at("b").nth(2).fails(What::NoCapacity));
    client.cloud.inject(create.of("fake.named").fails(What::Denied));
    let create = async |name: &str, at: &str| class(&client.create(name, at, &input("x")).await);
    assert_eq!(create("fake.object", "a").await, "ok");
    assert_eq!(create("fake.object", "b").await, "ok");
    assert_eq!(create("fake.object", "b").await, "no_capacity");
    assert_eq!(create("fake.object", "b").await, "ok");
    assert_eq!(create("fake.named", "c").await, "denied");
}

/// Polls a future once with a waker that does nothing.
fn poll_once<F: Future + ?Sized>(future: &mut std::pin::Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn latency_is_waited_out_by_the_sleeper_of_the_test() {
    let client = client().await;
    let (sender, waits) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(true)));
    let (seen, held) = (sender.clone(), waits.clone());
    client.cloud.set_sleeper(Arc::new(move |ms| {
        seen.lock().expect("a lock").push(ms);
        let held = held.clone();
        Box::pin(std::future::poll_fn(move |_| {
            if *held.lock().expect("a lock") { Poll::Pending } else { Poll::Ready(()) }
        }))
    }));
    for (at, when, objects) in [("a", When::After, 1), ("b", When::Before, 1)] {
        *waits.lock().expect("a lock") = true;
        client.cloud.clear_faults();
        client.cloud.inject(on(Verb::Create, What::Latency { ms: 5_000, when }));
        let args = input("x");
        let mut create = Box::pin(client.create("fake.object", at, &args));
        for _ in 0..5 {
            assert!(poll_once(&mut create).is_pending());
        }
        // With `After` the object exists from the start, and the reply is late.
        assert_eq!(client.cloud.objects().len(), objects);
        *waits.lock().expect("a lock") = false;
        assert!(poll_once(&mut create).is_ready());
    }
    assert_eq!(*sender.lock().expect("a lock"), [5_000, 5_000]);
    assert_eq!(client.cloud.objects().len(), 2);
}

#[tokio::test]
async fn a_crash_calls_the_hook_and_never_returns() {
    for (when, objects) in [(When::Before, 0), (When::After, 1)] {
        let client = client().await;
        let crashed = Arc::new(Mutex::new(Vec::new()));
        let seen = crashed.clone();
        client.cloud.on_crash(Arc::new(move |call, when| {
            seen.lock().expect("a lock").push((call.line(), when));
        }));
        client.cloud.inject(CallMatch::verb(Verb::Create).nth(1).fails(What::Crash { when }));
        let args = input("x");
        let mut create = Box::pin(client.create("fake.object", "a", &args));
        for _ in 0..5 {
            assert!(poll_once(&mut create).is_pending());
        }
        assert_eq!(*crashed.lock().expect("a lock"), [("create a".to_owned(), when)]);
        drop(create);
        assert_eq!(client.cloud.calls()[0].outcome, Outcome::Abandoned);
        assert_eq!(client.cloud.objects().len(), objects);
        done(client.create("fake.object", "a", &input("x")).await);
        assert_eq!(client.cloud.objects().len(), 1);
    }
}

#[tokio::test]
async fn the_hook_may_unwind_the_engine() {
    let client = Arc::new(client().await);
    client.cloud.on_crash(Arc::new(|_, _| panic!("the engine stops here")));
    client.cloud.inject(on(Verb::Create, What::Crash { when: When::After }));
    let engine = client.clone();
    let run =
        tokio::spawn(async move { engine.create("fake.object", "a", &input("x")).await.map(drop) });
    assert!(run.await.expect_err("it panics").is_panic());
    assert_eq!(client.cloud.objects().len(), 1);
    assert_eq!(client.cloud.calls()[0].outcome, Outcome::Abandoned);
}

#[tokio::test]
async fn calls_that_are_sent_together_are_in_flight_together() {
    let client = client().await;
    let args = input("x");
    let names = ["a", "b", "c"];
    let mut creates: Vec<_> =
        names.iter().map(|at| Box::pin(client.create("fake.object", at, &args))).collect();
    while !creates.is_empty() {
        creates.retain_mut(|create| poll_once(create).is_pending());
    }
    client.connection.identity().await.expect("an identity");
    assert_eq!(client.cloud.peak(Some(Verb::Create)), 3);
    assert_eq!(client.cloud.peak(Some(Verb::Identity)), 1);
    assert_eq!(client.cloud.peak(None), 3);
    assert_eq!(client.cloud.changes(), ["create a", "create b", "create c"]);
}

#[tokio::test]
async fn the_log_has_each_call_with_what_it_was_about() {
    let client = client().await;
    let object = done(client.create("fake.object", "a", &input("x")).await);
    client.create("fake.object", "a", &input("y")).await.expect_err("other arguments");
    client.read("fake.object", "a", &object).await.expect("it is there");
    client.connection.find(ty("fake.object"), &token("a", 1)).await.expect("a find");
    let calls = client.cloud.calls();
    let lines: Vec<_> = calls.iter().map(|call| (call.seq, call.line(), call.changed)).collect();
    let line = |seq, text: &str, changed| (seq, text.to_owned(), changed);
    assert_eq!(
        lines,
        [
            line(1, "create a", true),
            line(2, "create a", false),
            line(3, "read_many a", false),
            line(4, "find a", false),
        ]
    );
    assert_eq!(calls[0].remote_id.as_deref(), Some(object.remote_id.as_str()));
    assert_eq!(calls[0].token, Some(token("a", 1)));
    assert_eq!(calls[1].outcome, Outcome::Failed("conflict"));
    assert_eq!(calls[3].addr, Some(addr("a")));
    client.cloud.clear_calls();
    assert!(client.cloud.calls().is_empty());
}

/// A patient caller: the same create until it is done.
async fn persist(client: &Client, at: &str) -> usize {
    for attempt in 1..100 {
        if client.create("fake.object", at, &input("x")).await.is_ok() {
            return attempt;
        }
    }
    panic!("chance is bounded");
}

#[tokio::test]
async fn chance_follows_from_the_seed_and_ends() {
    let run = async |seed: u64, names: &[&str]| {
        let client = client().await;
        let seeded = Seeded { seed, per_mille: 600, node_max: 3, latency_max_ms: 100 };
        client.cloud.seed_faults(Some(seeded));
        let mut attempts = Vec::new();
        for at in names {
            attempts.push(((*at).to_owned(), persist(&client, at).await));
        }
        assert_eq!(client.cloud.objects().len(), names.len());
        attempts.sort();
        attempts
    };
    let names = ["a", "b", "c", "d", "e", "f"];
    let backwards = ["f", "e", "d", "c", "b", "a"];
    let first = run(7, &names).await;
    assert_eq!(first, run(7, &backwards).await, "chance does not depend on the order of calls");
    assert!(first.iter().any(|(_, attempts)| *attempts > 1), "{first:?}");
    assert!(first.iter().all(|(_, attempts)| *attempts <= 4), "{first:?}");
    assert_ne!(first, run(8, &names).await);
    let quiet = FakeCloud::new();
    quiet.seed_faults(Some(Seeded { seed: 7, per_mille: 0, node_max: 9, latency_max_ms: 1 }));
    assert_eq!(persist(&crate::client::client_of(&quiet, "bp").await, "a").await, 1);
}
