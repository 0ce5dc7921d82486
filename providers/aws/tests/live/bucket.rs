//! `aws.bucket` through its life, and with what is done to it from outside.

use super::bench::{ty, with_bench};
use super::values::{map, tags};
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{BucketVersioningStatus, ObjectLockMode, VersioningConfiguration};
use aws_smithy_types::DateTime;
use dsenv_sdk::conformance::{lifecycle, update};
use dsenv_sdk::provider::{DataFate, OpErrorClass, Prior};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Connection};

/// What the account's owner does with a client of their own.
fn client(endpoint: &str) -> Client {
    let credentials = aws_credential_types::Credentials::new("test", "test", None, None, "test");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .credentials_provider(credentials)
        .build();
    Client::from_conf(config)
}

fn rule(prefix: &str, days: i64) -> Value {
    Value::Map(map([("prefix", Value::text(prefix)), ("days", Value::Int(days))]))
}

fn plain() -> Map {
    map([("versioning", Value::Bool(false)), ("guarded", Value::Bool(true))])
}

fn rich() -> Map {
    map([
        ("versioning", Value::Bool(true)),
        ("expire", Value::List(vec![rule("tmp/", 30), rule("", 400)])),
        ("immutable_days", Value::Int(7)),
        ("guarded", Value::Bool(true)),
        ("tags", tags(&[("team", "ml")])),
    ])
}

async fn seen(connection: &dyn Connection, prior: &Prior) -> Map {
    let found = connection.read_many(ty("aws.bucket"), std::slice::from_ref(prior)).await;
    let found = found.expect("an answer").pop().flatten();
    found.expect("a bucket").values
}

#[test]
fn a_bucket_lives_as_the_contract_says() {
    with_bench("life", async |bench| {
        let connection = &bench.connection;
        let addr: Addr = "lake[\"eu\"]".parse().expect("an address");
        for args in [plain(), rich()] {
            let wrong = lifecycle(&**connection, ty("aws.bucket"), &addr, &args).await;
            assert!(wrong.is_empty(), "{wrong:#?}");
        }
    });
}

#[test]
fn every_setting_changes_in_place() {
    with_bench("change", async |bench| {
        let connection = &bench.connection;
        let addr = Addr::resource("lake");
        let expiring = map([
            ("versioning", Value::Bool(true)),
            ("expire", Value::List(vec![rule("", 1)])),
            ("guarded", Value::Bool(true)),
            ("tags", tags(&[("team", "bi"), ("cost", "7")])),
        ]);
        for (before, after) in
            [(plain(), rich()), (rich(), expiring.clone()), (expiring.clone(), plain())]
        {
            let wrong = update(&**connection, ty("aws.bucket"), &addr, &before, &after).await;
            assert!(wrong.is_empty(), "{wrong:#?}");
        }
    });
}

#[test]
fn what_is_changed_outside_is_seen_and_set_right_again() {
    with_bench("drift", async |bench| {
        let (connection, endpoint) = (&bench.connection, bench.direct());
        let (ty, s3) = (ty("aws.bucket"), client(&endpoint));
        let args = Map::from_iter(rich().into_iter().filter(|(name, _)| name != "immutable_days"));
        let prior = bench.try_create(ty.name, "lake", &args).await.expect("a bucket");
        let name = &*prior.observed.remote_id;
        assert!(name.starts_with("work-bench-drift-lake-"), "{name}");
        s3.delete_public_access_block().bucket(name).send().await.expect("an answer");
        let suspended = VersioningConfiguration::builder();
        let suspended = suspended.status(BucketVersioningStatus::Suspended).build();
        let request = s3.put_bucket_versioning().bucket(name);
        request.versioning_configuration(suspended).send().await.expect("an answer");
        s3.delete_bucket_lifecycle().bucket(name).send().await.expect("an answer");
        let drifted = seen(&**connection, &prior).await;
        assert_eq!(drifted["guarded"], Value::Bool(false));
        assert_eq!(drifted["versioning"], Value::Bool(false));
        assert_eq!(drifted["expire"], Value::Null);

        let observed = dsenv_sdk::provider::Observed { values: drifted, ..prior.observed.clone() };
        let drifted = Prior { observed, ..prior.clone() };
        let request = dsenv_sdk::provider::Update {
            addr: &prior.addr,
            ty,
            prior: &drifted,
            prior_args: &args,
            args: &args,
            watch: &|_| {},
        };
        connection.update(request).await.expect("an update");
        assert_eq!(seen(&**connection, &prior).await, prior.observed.values);
        bench.delete_as(ty.name, &prior, DataFate::Delete).await.expect("it goes");
    });
}

#[test]
fn a_create_that_died_is_found_and_finished() {
    with_bench("crash", async |bench| {
        let (connection, endpoint) = (&bench.connection, bench.direct());
        let (ty, s3) = (ty("aws.bucket"), client(&endpoint));
        let addr = Addr::resource("lake");
        let token = bench.token(&addr);
        let name = format!("work-bench-crash-lake-{}", &token.as_str()[..10]);
        // Died after `CreateBucket`, before there was a tag.
        s3.create_bucket().bucket(&name).send().await.expect("a bucket");
        let found = connection.find(ty, &token).await.expect("an answer").expect("it is found");
        assert!(!found.complete && found.observed.remote_id == name);
        let prior = bench.try_create(ty.name, "lake", &rich()).await.expect("a bucket");
        assert_eq!(prior.observed.remote_id, name);
        let found = connection.find(ty, &token).await.expect("an answer").expect("it is found");
        assert!(found.complete);
        bench.delete_as(ty.name, &prior, DataFate::Delete).await.expect("it goes");
    });
}

#[test]
fn a_bucket_is_emptied_of_versions_markers_and_uploads() {
    with_bench("full", async |bench| {
        let endpoint = bench.direct();
        let (ty, s3) = (ty("aws.bucket"), client(&endpoint));
        let args = map([("versioning", Value::Bool(true)), ("guarded", Value::Bool(true))]);
        let prior = bench.try_create(ty.name, "lake", &args).await.expect("a bucket");
        let name = &*prior.observed.remote_id;
        for _ in 0..2 {
            for key in ["a", "b c/ü"] {
                s3.put_object()
                    .bucket(name)
                    .key(key)
                    .body(vec![1].into())
                    .send()
                    .await
                    .expect("it");
            }
        }
        s3.delete_object().bucket(name).key("a").send().await.expect("a marker");
        let upload = s3.create_multipart_upload().bucket(name).key("half").send().await;
        upload.expect("an upload");
        let refused = bench.delete_as(ty.name, &prior, DataFate::Snapshot).await;
        assert_eq!(refused.expect_err("no copies").class, OpErrorClass::Invalid);
        bench.delete_as(ty.name, &prior, DataFate::Delete).await.expect("it goes");
        assert!(s3.head_bucket().bucket(name).send().await.is_err());
    });
}

#[test]
fn what_is_immutable_stays_and_says_until_when() {
    with_bench("locked", async |bench| {
        let endpoint = bench.direct();
        let (ty, s3) = (ty("aws.bucket"), client(&endpoint));
        let prior = bench.try_create(ty.name, "lake", &rich()).await.expect("a bucket");
        let name = &*prior.observed.remote_id;
        let until = DateTime::from_secs(4_102_444_800);
        let request = s3.put_object().bucket(name).key("proof").body(vec![1].into());
        let request = request.object_lock_mode(ObjectLockMode::Compliance);
        request.object_lock_retain_until_date(until).send().await.expect("an object");
        let refused = bench.delete_as(ty.name, &prior, DataFate::Delete).await;
        let refused = refused.expect_err("it is immutable");
        assert_eq!(refused.class, OpErrorClass::Denied { permission: None });
        let expected = format!(
            "bucket {name} cannot be emptied: `proof` is immutable until 2100-01-01T00:00:00Z"
        );
        assert_eq!(refused.message, expected);
    });
}
