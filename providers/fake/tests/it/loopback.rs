//! The same cloud over loopback: same rules, same log, and objects that outlive their caller.

use crate::client::{Client, addr, args, class, done, input, setup, token, ty};
use crate::conformance::valid_args;
use dsenv_fake::{CallMatch, FakeCloud, FakeProvider, Loopback, Verb, What, When, native};
use dsenv_sdk::conformance;
use dsenv_sdk::preflight::{Intended, Intent, Preflight, Verdict};
use dsenv_sdk::provider::{DataFate, Provider, Want};
use dsenv_sdk::value::{Map, Value};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

async fn remote_client(cloud: &Arc<FakeCloud>, endpoint: &str) -> Client {
    let provider = FakeProvider::remote();
    let connection = provider.connect(setup("bp", Some(endpoint))).await.expect("a cloud");
    Client { cloud: cloud.clone(), connection }
}

#[tokio::test]
async fn every_type_lives_its_life_over_loopback() {
    for native in native::TYPES {
        let cloud = FakeCloud::new();
        let loopback = Loopback::start(cloud.clone()).expect("a free port");
        let client = remote_client(&cloud, &loopback.endpoint()).await;
        let args = valid_args(&client, native.name).await;
        let connection = &*client.connection;
        let wrong = conformance::lifecycle(connection, native, &addr("subject"), &args).await;
        assert_eq!(wrong, Vec::<String>::new(), "{}", native.name);
    }
}

#[tokio::test]
async fn every_call_passes_the_wire() {
    let cloud = FakeCloud::new();
    let loopback = Loopback::start(cloud.clone()).expect("a free port");
    let client = remote_client(&cloud, &loopback.endpoint()).await;
    let connection = &client.connection;
    assert_eq!(connection.identity().await.expect("an identity").region, "fake-1");
    let object = done(client.create("fake.object", "a[\"x\"].p", &input("x")).await);
    let updated = done(client.update("fake.object", "a[\"x\"].p", &object, &input("y")).await);
    let foreign = connection.read_foreign(ty("fake.object"), &object.remote_id).await;
    assert_eq!(foreign.expect("a read"), Some(updated));
    let (at, new_token) = (addr("b"), token("b", 1));
    let id = object.remote_id.as_str();
    connection.claim(ty("fake.object"), &at, &new_token, id).await.expect("a claim");
    let owned = connection.inventory(None).await.expect("a list");
    assert_eq!((&owned[0].addr, &owned[0].token), (&at, &new_token));
    assert_eq!(connection.inventory(Some("another")).await.expect("a list"), []);
    cloud.set_quota("fake.object", 1);
    let (at, args_of_it) = (addr("c"), Default::default());
    let (ty, intent) = (ty("fake.object"), Intent::Create);
    let intended = [Intended { addr: &at, ty, intent, args: &args_of_it }];
    let request = Preflight { intended: &intended, check_permissions: true };
    let remarks = connection.preflight(request).await.expect("remarks");
    assert_eq!((remarks.len(), remarks[0].verdict), (1, Verdict::Refuses));
    assert_eq!(remarks[0].addr, Some(at));
    let need = Value::Map(args([("python", "3.11".into())]));
    let want = Want { pin: "packages-1".into(), what: "python packages", need: need.clone() };
    let pinned = connection.pin(&want, &|_| {}).await.expect("a pin");
    assert_eq!(pinned, connection.pin(&want, &|_| {}).await.expect("a pin"));
    assert_eq!(pinned.step("need"), Some(&need));
    assert_eq!(class(&connection.close_environment(&[]).await), "in_use");
    let bucket = client.made("fake.bucket", "l", &Map::new()).await;
    let kept = client.delete_keeping("fake.bucket", "l", &bucket, DataFate::Snapshot).await;
    assert_eq!((class(&kept), cloud.snapshots().len()), ("ok", 1));
}

#[tokio::test]
async fn what_a_caller_began_is_done_when_the_caller_is_gone() {
    let cloud = FakeCloud::new();
    let loopback = Loopback::start(cloud.clone()).expect("a free port");
    let client = remote_client(&cloud, &loopback.endpoint()).await;
    let late = What::Latency { ms: 60_000, when: When::After };
    cloud.inject(CallMatch::verb(Verb::Create).fails(late));
    let args = input("x");
    let create = client.create("fake.object", "a", &args);
    let gone = tokio::time::timeout(Duration::from_secs(10), async {
        tokio::select! {
            _ = create => panic!("the reply is a minute away"),
            () = until(|| cloud.objects().len() == 1) => {}
        }
    });
    gone.await.expect("the object is there long before the reply");
    cloud.clear_faults();
    let again = done(client.create("fake.object", "a", &input("x")).await);
    assert_eq!(cloud.objects().len(), 1);
    assert_eq!(cloud.object_at("a").expect("one").remote_id, again.remote_id);
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_cloud_that_is_away_is_an_error_and_not_a_hang() {
    let cloud = FakeCloud::new();
    let loopback = Loopback::start(cloud.clone()).expect("a free port");
    let client = remote_client(&cloud, &loopback.endpoint()).await;
    cloud.inject(CallMatch::verb(Verb::Find).fails(What::Hang { when: When::Before }));
    let hanging = client.connection.clone();
    let hanging =
        tokio::spawn(async move { hanging.find(ty("fake.object"), &token("a", 1)).await });
    until(|| cloud.peak(Some(Verb::Find)) == 1).await;
    drop(loopback);
    assert_eq!(class(&hanging.await.expect("it ends")), "unknown");
    assert_eq!(class(&client.connection.identity().await), "throttled");
}

#[tokio::test]
async fn the_program_keeps_what_one_caller_made_for_the_next() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_dsenv-fake"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program is built with its tests");
    let mut line = String::new();
    let stdout = program.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let endpoint = line.trim().strip_prefix("DSENV_FAKE_ENDPOINT=").expect("an endpoint");
    let unused = FakeCloud::new();
    let first = remote_client(&unused, endpoint).await;
    let object = done(first.create("fake.object", "a", &input("x")).await);
    drop(first);
    let second = remote_client(&unused, endpoint).await;
    let read = second.read("fake.object", "a", &object).await;
    program.kill().expect("it runs");
    program.wait().expect("it ends");
    assert_eq!(read, Some(object));
}
