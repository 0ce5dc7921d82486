//! What the cloud refuses, rule by rule.

use crate::client::{
    accepted, addr, args, class, client, client_of, done, input, owner, prior, token, ty,
};
use crate::conformance::valid_args;
use dsenv_fake::{FakeCloud, Stage, Verb};
use dsenv_sdk::provider::DataFate;
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{OpError, Secret};

#[tokio::test]
async fn one_token_makes_one_object_and_asks_for_the_same() {
    let client = client().await;
    let first = done(client.create("fake.object", "a", &input("x")).await);
    // What the create asked for counts, not what the object was changed to since.
    done(client.update("fake.object", "a", &first, &input("y")).await);
    let again = done(client.create("fake.object", "a", &input("x")).await);
    assert_eq!(first.remote_id, again.remote_id);
    assert_eq!(class(&client.create("fake.object", "a", &input("y")).await), "conflict");
    assert_eq!(client.cloud.objects().len(), 1);
    assert_eq!(client.cloud.changes(), ["create a", "update a"]);
}

#[tokio::test]
async fn a_token_is_used_once_and_ids_never_come_back() {
    let client = client().await;
    let first = done(client.create("fake.object", "a", &input("x")).await);
    client.delete("fake.object", "a", &first).await.expect("a delete");
    assert_eq!(class(&client.create("fake.object", "a", &input("x")).await), "conflict");
    let second = client.create_with("fake.object", "a", &token("a", 2), &input("x")).await;
    assert_ne!(done(second).remote_id, first.remote_id);
}

#[tokio::test]
async fn arguments_are_held_to_the_table() {
    let client = client().await;
    for (name, wrong) in [
        ("fake.object", args([("inputt", Value::Int(1))])),
        ("fake.bucket", args([("versioning", "yes".into())])),
        ("fake.network", args([("cidr", "10.0.0.1/8".into())])),
        ("fake.network", Map::new()),
        ("fake.database", args([("engine", "oracle".into()), ("version", "1".into())])),
    ] {
        assert_eq!(class(&client.create(name, "a", &wrong).await), "invalid", "{wrong:?}");
    }
    let object = done(client.create("fake.object", "a", &input("x")).await);
    let unknown = args([("inputt", Value::Int(1))]);
    assert_eq!(class(&client.update("fake.object", "a", &object, &unknown).await), "invalid");
    assert_eq!(client.cloud.objects().len(), 1);
}

#[tokio::test]
async fn what_is_referred_to_exists_is_of_the_right_type_and_ready() {
    let client = client().await;
    let machine = |id: &str| args([("network", id.into())]);
    let create = |at: &'static str, id: String| {
        let client = &client;
        async move { class(&client.create("fake.machine", at, &machine(&id)).await) }
    };
    assert_eq!(create("m1", "fake-network-000099".to_owned()).await, "invalid");
    assert_eq!(create("m2", "net".to_owned()).await, "invalid");
    let object = done(client.create("fake.object", "a", &input("x")).await);
    assert_eq!(create("m3", object.remote_id.clone()).await, "invalid");
    // An id is a reference wherever it stands.
    let nested = args([("input", Value::List(vec!["fake-object-000099".into()]))]);
    assert_eq!(class(&client.create("fake.object", "b", &nested).await), "invalid");
    let updated = client.update("fake.object", "a", &object, &nested).await;
    assert_eq!(class(&updated), "invalid");
    let bucket = accepted(client.create("fake.bucket", "l", &Map::new()).await);
    let id = bucket.remote_id.clone().expect("an id");
    let user = args([("input", id.into())]);
    assert_eq!(class(&client.create("fake.object", "u", &user).await), "conflict");
    client.finish("fake.bucket", &bucket).await;
    done(client.create("fake.object", "u", &user).await);
}

#[tokio::test]
async fn what_is_in_use_stays_until_its_users_are_gone() {
    let client = client().await;
    let args = valid_args(&client, "fake.database").await;
    let network = client.cloud.object_at("net").expect("a network").remote_id;
    let network = client.read("fake.network", "net", &observed(&network)).await.expect("one");
    let database = client.made("fake.database", "d", &args).await;
    assert_eq!(class(&client.delete("fake.network", "net", &network).await), "in_use");
    // On its way out it still uses the network.
    let deletion = accepted(client.delete("fake.database", "d", &database).await);
    assert_eq!(class(&client.delete("fake.network", "net", &network).await), "in_use");
    assert_eq!(client.finish("fake.database", &deletion).await, None);
    client.delete("fake.network", "net", &network).await.expect("a delete");
    assert!(client.cloud.objects().is_empty());
}

fn observed(remote_id: &str) -> dsenv_sdk::provider::Observed {
    dsenv_sdk::provider::Observed { remote_id: remote_id.to_owned(), values: Map::new() }
}

#[tokio::test]
async fn a_field_that_replaces_is_not_updated() {
    let client = client().await;
    let network = client.made("fake.network", "n", &args([("cidr", "10.0.0.0/8".into())])).await;
    let other = args([("cidr", "10.0.0.0/16".into())]);
    assert_eq!(class(&client.update("fake.network", "n", &network, &other).await), "invalid");
    let object = done(client.create("fake.object", "a", &input("x")).await);
    let added = args([("input", "x".into()), ("replace_on", Value::Int(1))]);
    assert_eq!(class(&client.update("fake.object", "a", &object, &added).await), "invalid");
}

#[tokio::test]
async fn a_fixed_name_exists_once() {
    let client = client().await;
    let named = args([("name", "one".into())]);
    let first = done(client.create("fake.named", "a", &named).await);
    let second = client.create_with("fake.named", "a", &token("a", 2), &named).await;
    assert_eq!(class(&second), "conflict");
    client.delete("fake.named", "a", &first).await.expect("a delete");
    done(client.create_with("fake.named", "a", &token("a", 2), &named).await);
}

#[tokio::test]
async fn an_account_has_quotas() {
    let client = client().await;
    client.cloud.set_quota("fake.object", 1);
    let first = done(client.create("fake.object", "a", &input("x")).await);
    assert_eq!(class(&client.create("fake.object", "b", &input("x")).await), "quota");
    done(client.create("fake.named", "n", &args([("name", "n".into())])).await);
    client.delete("fake.object", "a", &first).await.expect("a delete");
    done(client.create("fake.object", "b", &input("x")).await);
}

#[tokio::test]
async fn what_is_accepted_is_not_ready_and_tells_only_its_id() {
    let client = client().await;
    client.cloud.set_polls(Verb::Create, "fake.bucket", 2);
    let creation = accepted(client.create("fake.bucket", "b", &Map::new()).await);
    let found = client.connection.find(ty("fake.bucket"), &token("b", 1)).await.expect("a find");
    let found = found.expect("it exists");
    assert!(!found.complete);
    assert_eq!(found.observed.values.keys().collect::<Vec<_>>(), ["id"]);
    // The same create again joins the operation.
    assert_eq!(accepted(client.create("fake.bucket", "b", &Map::new()).await), creation);
    assert_eq!(
        class(&client.update("fake.bucket", "b", &found.observed, &Map::new()).await),
        "conflict"
    );
    accepted(client.connection.poll(ty("fake.bucket"), &creation).await);
    let bucket = client.finish("fake.bucket", &creation).await.expect("a bucket");
    assert!(bucket.values.contains_key("endpoint"));
    // The reply may have been lost: asked again, it is the same.
    assert_eq!(client.finish("fake.bucket", &creation).await, Some(bucket));
    let mut unknown = creation;
    unknown.operation = "create-nothing".to_owned();
    let poll = client.connection.poll(ty("fake.bucket"), &unknown).await;
    assert_eq!(class(&poll), "not_found");
}

#[tokio::test]
async fn an_accepted_update_keeps_others_out() {
    let client = client().await;
    let mut args = valid_args(&client, "fake.database").await;
    let database = client.made("fake.database", "d", &args).await;
    args.insert("version".to_owned(), "19".into());
    let update = accepted(client.update("fake.database", "d", &database, &args).await);
    assert_eq!(accepted(client.update("fake.database", "d", &database, &args).await), update);
    let mut other = args.clone();
    other.insert("size".to_owned(), "large".into());
    assert_eq!(class(&client.update("fake.database", "d", &database, &other).await), "conflict");
    let after = client.finish("fake.database", &update).await.expect("a database");
    assert_eq!(after.values["server_version"], Value::text("19.3"));
    done_or_accepted(client.update("fake.database", "d", &database, &other).await);
}

fn done_or_accepted<T>(progress: Result<T, OpError>) {
    assert_eq!(class(&progress), "ok");
}

#[tokio::test]
async fn reads_may_be_stale_and_find_is_not() {
    let client = client().await;
    client.cloud.set_stale_reads(2);
    let object = done(client.create("fake.object", "a", &input("x")).await);
    for seen in [None, None, Some(&object)] {
        assert_eq!(client.read("fake.object", "a", &object).await.as_ref(), seen);
    }
    let found = |client: &crate::client::Client| {
        let connection = client.connection.clone();
        async move { connection.find(ty("fake.object"), &token("a", 1)).await.expect("a find") }
    };
    let updated = done(client.update("fake.object", "a", &object, &input("y")).await);
    assert_eq!(found(&client).await.expect("it exists").observed, updated);
    for seen in [&object, &object, &updated] {
        assert_eq!(client.read("fake.object", "a", &object).await.as_ref(), Some(seen));
    }
    client.create("fake.object", "b", &input("x")).await.expect("a create");
    let connection = &client.connection;
    assert!(connection.find(ty("fake.object"), &token("b", 1)).await.expect("a find").is_some());
    client.cloud.set_stale_find(true);
    assert!(connection.find(ty("fake.object"), &token("b", 1)).await.expect("a find").is_none());
}

#[tokio::test]
async fn nobody_changes_what_is_not_theirs() {
    let cloud = FakeCloud::new();
    let (mine, other) = (client_of(&cloud, "bp").await, client_of(&cloud, "other").await);
    let object = done(mine.create("fake.object", "a", &input("x")).await);
    assert_eq!(class(&other.update("fake.object", "a", &object, &input("y")).await), "denied");
    assert_eq!(class(&other.delete("fake.object", "a", &object).await), "denied");
    assert_eq!(mine.connection.inventory(None).await.expect("a list").len(), 1);
    assert!(other.connection.inventory(None).await.expect("a list").is_empty());
    assert_eq!(class(&mine.connection.close_environment(&[]).await), "in_use");
    other.connection.close_environment(&[]).await.expect("nothing is left");
}

#[tokio::test]
async fn a_foreign_object_is_claimed_before_it_is_changed() {
    let client = client().await;
    let id = client.cloud.put_foreign("fake.object", &input("x"));
    let connection = &client.connection;
    assert_eq!(connection.read_foreign(ty("fake.named"), &id).await.expect("a read"), None);
    let seen = connection.read_foreign(ty("fake.object"), &id).await.expect("a read");
    let seen = seen.expect("it is there");
    assert_eq!(seen.values["output"], Value::text("x"));
    assert_eq!(class(&client.delete("fake.object", "a", &seen).await), "denied");
    for _ in 0..2 {
        let claim = connection.claim(ty("fake.object"), &addr("a"), &token("a", 1), &id).await;
        claim.expect("a claim");
    }
    let found = connection.find(ty("fake.object"), &token("a", 1)).await.expect("a find");
    assert_eq!(found.expect("it is ours").observed, seen);
    let another = client.cloud.put_foreign("fake.object", &input("x"));
    let claim = connection.claim(ty("fake.object"), &addr("a"), &token("a", 1), &another).await;
    assert_eq!(class(&claim), "conflict");
    done(client.update("fake.object", "a", &seen, &input("y")).await);
}

#[tokio::test]
async fn an_id_is_used_with_its_type_and_its_token() {
    let client = client().await;
    let object = done(client.create("fake.object", "a", &input("x")).await);
    assert_eq!(class(&client.delete("fake.named", "a", &object).await), "invalid");
    assert_eq!(class(&client.delete("fake.object", "b", &object).await), "invalid");
    assert_eq!(class(&client.update("fake.object", "b", &object, &input("y")).await), "invalid");
    let read = client.connection.read_many(ty("fake.named"), &[prior("a", &object)]).await;
    assert_eq!(class(&read), "invalid");
    assert_eq!(client.cloud.objects().len(), 1);
}

#[tokio::test]
async fn deleting_what_is_gone_is_a_success_and_changes_nothing() {
    let client = client().await;
    let object = done(client.create("fake.object", "a", &input("x")).await);
    client.cloud.delete_out_of_band(&object.remote_id);
    assert_eq!(client.read("fake.object", "a", &object).await, None);
    client.delete("fake.object", "a", &object).await.expect("a delete");
    assert_eq!(client.cloud.changes(), ["create a"]);
    assert_eq!(class(&client.update("fake.object", "a", &object, &input("y")).await), "not_found");
}

#[tokio::test]
async fn a_last_copy_is_kept_of_data_only() {
    let client = client().await;
    let bucket = client.made("fake.bucket", "b", &Map::new()).await;
    let kept = client.delete_keeping("fake.bucket", "b", &bucket, DataFate::Snapshot).await;
    assert_eq!(class(&kept), "ok");
    assert_eq!(client.cloud.snapshots(), [format!("snapshot-of-{}", bucket.remote_id)]);
    let object = done(client.create("fake.object", "a", &input("x")).await);
    let kept = client.delete_keeping("fake.object", "a", &object, DataFate::Snapshot).await;
    assert_eq!(class(&kept), "invalid");
}

#[tokio::test]
async fn a_secret_argument_is_taken_and_never_shown() {
    let client = client().await;
    let secret = args([("input", Value::Secret(Secret::new("sentinel-31337")))]);
    let object = done(client.create("fake.object", "a", &secret).await);
    assert!(!object.values.contains_key("input"));
    assert_eq!(object.values["output"], secret["input"]);
    let shown = format!("{object:?} {:?} {:?}", client.cloud, client.cloud.calls());
    assert!(!shown.contains("sentinel"), "{shown}");
}

#[tokio::test]
async fn edits_behind_the_engine_are_seen() {
    let client = client().await;
    let object = done(client.create("fake.object", "a", &input("x")).await);
    client.cloud.edit(&object.remote_id, |args| {
        args.insert("input".to_owned(), "edited".into());
    });
    let read = client.read("fake.object", "a", &object).await.expect("it is there");
    assert_eq!(read.values["input"], Value::text("edited"));
    assert_eq!(read.values["output"], Value::text("edited"));
    client.cloud.edit_attributes(&object.remote_id, |attributes| {
        attributes.insert("output".to_owned(), "odd".into());
    });
    let read = client.read("fake.object", "a", &object).await.expect("it is there");
    assert_eq!(read.values["output"], Value::text("odd"));
}

#[tokio::test]
async fn identity_is_what_the_test_says() {
    let client = client().await;
    client.cloud.set_identity("111", "elsewhere-1");
    let identity = client.connection.identity().await.expect("an identity");
    assert_eq!((identity.account.as_str(), identity.region.as_str()), ("111", "elsewhere-1"));
}

#[tokio::test]
async fn consistency_names_orphans_phantoms_and_duplicates() {
    let client = client().await;
    let mut believed = Vec::new();
    for at in ["a", "b"] {
        let object = done(client.create("fake.object", at, &input("x")).await);
        believed.push((addr(at), object.remote_id));
    }
    client.cloud.put_foreign("fake.object", &input("not ours"));
    client.cloud.assert_consistent(&owner("bp"), &believed);
    let wrong = |current: &[_], deposed: &[_]| {
        let lines = client.cloud.inconsistencies(&owner("bp"), current, deposed);
        lines.iter().map(|line| line.split(':').next().unwrap_or("").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(wrong(&believed[..1], &[]), ["orphan"]);
    let phantom = [believed.clone(), vec![(addr("c"), "fake-object-000009".to_owned())]].concat();
    assert_eq!(wrong(&phantom, &[]), ["phantom"]);
    let twice = [believed.clone(), vec![(addr("c"), believed[0].1.clone())]].concat();
    assert_eq!(wrong(&twice, &[]), ["duplicate"]);
    let both = [(addr("a"), believed[0].1.clone()), (addr("a"), believed[1].1.clone())];
    assert_eq!(wrong(&both, &[]), ["duplicate"]);
    assert_eq!(wrong(&both[1..], &both[..1]), Vec::<String>::new());
}

#[tokio::test]
async fn deleting_takes_its_time_where_the_cloud_takes_it() {
    let client = client().await;
    let database = valid_args(&client, "fake.database").await;
    let made = client.made("fake.database", "d", &database).await;
    let deletion = accepted(client.delete("fake.database", "d", &made).await);
    assert_eq!(accepted(client.delete("fake.database", "d", &made).await), deletion);
    let stage = client.cloud.object_at("d").expect("still there").stage;
    assert!(matches!(stage, Stage::Deleting { .. }));
    assert_eq!(class(&client.create("fake.database", "d", &database).await), "conflict");
    assert_eq!(client.connection.inventory(None).await.expect("a list").len(), 2);
    assert_eq!(client.finish("fake.database", &deletion).await, None);
    assert_eq!(client.finish("fake.database", &deletion).await, None);
    assert_eq!(client.read("fake.database", "d", &made).await, None);
}

#[tokio::test]
async fn an_update_to_what_is_there_already_changes_nothing() {
    let client = client().await;
    let object = done(client.create("fake.object", "a", &input("x")).await);
    done(client.update("fake.object", "a", &object, &input("x")).await);
    assert_eq!(client.cloud.changes(), ["create a"]);
    assert_eq!(client.cloud.mutating_calls().len(), 2);
}

#[tokio::test]
async fn an_object_that_moved_carries_its_new_address() {
    let client = client().await;
    let object = done(client.create("fake.object", "a", &input("x")).await);
    let prior = prior("a", &object);
    let update = dsenv_sdk::provider::Update {
        addr: &addr("b"),
        ty: ty("fake.object"),
        prior: &prior,
        prior_args: &input("x"),
        args: &input("y"),
        watch: &|_| {},
    };
    client.connection.update(update).await.expect("an update");
    assert_eq!(client.cloud.object_at("b").expect("it moved").remote_id, object.remote_id);
    assert!(client.cloud.object_at("a").is_none());
}

#[tokio::test]
async fn a_claim_takes_nothing_from_others_and_retires_the_old_token() {
    let cloud = FakeCloud::new();
    let (mine, other) = (client_of(&cloud, "bp").await, client_of(&cloud, "other").await);
    let object = done(mine.create("fake.object", "a", &input("x")).await);
    let (id, at, new) = (object.remote_id.as_str(), addr("b"), token("b", 1));
    let theft = other.connection.claim(ty("fake.object"), &at, &new, id).await;
    assert_eq!(class(&theft), "denied");
    mine.connection.claim(ty("fake.object"), &at, &new, id).await.expect("a claim");
    let old = mine.connection.find(ty("fake.object"), &token("a", 1)).await.expect("a find");
    assert_eq!(old, None);
    assert_eq!(class(&mine.create("fake.object", "a", &input("x")).await), "conflict");
    assert_eq!(cloud.objects().len(), 1);
}

#[tokio::test]
async fn polling_what_is_over_does_not_finish_what_came_later() {
    let client = client().await;
    let mut args = valid_args(&client, "fake.database").await;
    let creation = accepted(client.create("fake.database", "d", &args).await);
    let database = client.finish("fake.database", &creation).await.expect("a database");
    args.insert("size".to_owned(), "large".into());
    accepted(client.update("fake.database", "d", &database, &args).await);
    client.finish("fake.database", &creation).await.expect("it is still there");
    let stage = client.cloud.object_at("d").expect("one").stage;
    assert!(matches!(stage, Stage::Updating { .. }), "{stage:?}");
}

#[tokio::test]
async fn use_ends_with_an_update_that_no_longer_refers() {
    let client = client().await;
    let first = done(client.create("fake.object", "a", &input("x")).await);
    let second = done(client.create("fake.object", "b", &input(&first.remote_id)).await);
    assert_eq!(class(&client.delete("fake.object", "a", &first).await), "in_use");
    done(client.update("fake.object", "b", &second, &input("free")).await);
    client.delete("fake.object", "a", &first).await.expect("a delete");
    let first = client.create_with("fake.object", "a", &token("a", 2), &input("x")).await;
    let first = done(first);
    client.cloud.edit(&second.remote_id, |args| {
        args.insert("input".to_owned(), first.remote_id.clone().into());
    });
    let delete_again = || async {
        let again = dsenv_sdk::provider::Prior { token: token("a", 2), ..prior("a", &first) };
        let delete = dsenv_sdk::provider::Delete {
            addr: &addr("a"),
            ty: ty("fake.object"),
            prior: &again,
            prior_args: &Map::new(),
            data: DataFate::Delete,
            watch: &|_| {},
        };
        client.connection.delete(delete).await
    };
    assert_eq!(class(&delete_again().await), "in_use");
    client.cloud.delete_out_of_band(&second.remote_id);
    assert_eq!(class(&delete_again().await), "ok");
}

#[tokio::test]
async fn a_machine_is_given_nothing_that_it_cannot_settle_itself() {
    let client = client().await;
    let machine = |run: &str, variable: &str| {
        let service = Value::Map(args([("run", run.into()), ("port", Value::Int(80))]));
        let workload = Value::Map(args([("web", service)]));
        let environment = Value::Map(args([("V", variable.into())]));
        args([("workload", workload), ("environment", environment)])
    };
    let fine = machine("serve ${self.address}:${self.ports.web} $${HOME}", "${self.name}");
    let made = done(client.create("fake.machine", "a", &fine).await);
    for wrong in [machine("serve ${db.host}", "x"), machine("serve", "${self.ports.db}")] {
        assert_eq!(class(&client.create("fake.machine", "b", &wrong).await), "invalid");
        assert_eq!(class(&client.update("fake.machine", "a", &made, &wrong).await), "invalid");
    }
}
