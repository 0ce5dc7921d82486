//! The provider passes the suite that every provider must pass, for each native type.

use crate::client::{Client, addr, args, client, client_of, ty};
use dsenv_fake::{FakeCloud, FakeProvider, native};
use dsenv_sdk::conformance;
use dsenv_sdk::value::{Map, Value};

#[test]
fn the_tables_are_in_order() {
    let wrong = conformance::schema(&FakeProvider::new(FakeCloud::new()));
    assert_eq!(wrong, Vec::<String>::new());
}

/// Valid arguments of a type, made with what they refer to.
pub(crate) async fn valid_args(client: &Client, name: &str) -> Map {
    let network = client.made("fake.network", "net", &args([("cidr", "10.0.0.0/16".into())])).await;
    let network = Value::text(network.remote_id);
    let machine = args([("network", network.clone())]);
    let database = args([
        ("engine", "postgres".into()),
        ("version", "18".into()),
        ("network", network.clone()),
    ]);
    let grant = |target: String| {
        args([
            ("principal", "nb".into()),
            ("target", target.into()),
            ("right", "read_write".into()),
        ])
    };
    match name {
        "dsenv.key" => args([("public_key", "ssh-ed25519 AAAA ada".into())]),
        "dsenv.secret" | "fake.secret" => args([("length", Value::Int(16))]),
        "fake.bucket" => args([("versioning", Value::Bool(true))]),
        "fake.bucket_grant" => grant(client.made("fake.bucket", "b", &Map::new()).await.remote_id),
        "fake.database" => database,
        "fake.database_grant" => {
            grant(client.made("fake.database", "d", &database).await.remote_id)
        }
        "fake.machine" => {
            let service = Value::Map(args([("port", Value::Int(80))]));
            let workload = Value::Map(args([("web", service)]));
            args([("network", network), ("workload", workload)])
        }
        "fake.mount" => {
            let volume = args([("gib", Value::Int(10))]);
            let volume = client.made("fake.volume", "data", &volume).await.remote_id;
            args([("principal", "nb".into()), ("target", volume.into()), ("right", "read".into())])
        }
        "fake.share" => args([("size", "10GiB".into())]),
        "fake.volume" => args([("gib", Value::Int(10))]),
        "fake.named" => args([("name", "one".into()), ("input", Value::Int(1))]),
        "fake.network" => args([("cidr", "10.1.0.0/16".into())]),
        "fake.pool" => {
            let member = client.made("fake.machine", "w.member[0]", &machine).await;
            args([("members", Value::List(vec![member.remote_id.into()]))])
        }
        "fake.software" => args([("requirement", "x".into()), ("lock", "y".into())]),
        "dsenv.value" | "fake.object" => args([("input", Value::Int(1))]),
        other => panic!("no arguments for {other}"),
    }
}

#[tokio::test]
async fn every_type_lives_its_life() {
    for native in native::TYPES {
        let client = client().await;
        let args = valid_args(&client, native.name).await;
        let wrong =
            conformance::lifecycle(&*client.connection, native, &addr("subject"), &args).await;
        assert_eq!(wrong, Vec::<String>::new(), "{}", native.name);
    }
}

#[tokio::test]
async fn every_type_with_something_to_change_is_changed_in_place() {
    for native in native::TYPES {
        let client = client().await;
        let before = valid_args(&client, native.name).await;
        let mut after = before.clone();
        let (name, value) = match native.name {
            "dsenv.secret" | "fake.secret" | "fake.network" => continue,
            "dsenv.key" => ("public_key", "ssh-ed25519 BBBB ada".into()),
            "fake.bucket" => ("versioning", Value::Bool(false)),
            "fake.bucket_grant" | "fake.database_grant" => ("right", "read".into()),
            "fake.database" => ("version", "19".into()),
            "fake.machine" => ("cpus", "4+".into()),
            "fake.mount" => ("right", "read_write".into()),
            "fake.pool" => ("members", Value::List(Vec::new())),
            "fake.share" => ("size", "20GiB".into()),
            "fake.volume" => ("gib", Value::Int(20)),
            "fake.software" => ("lock", "z".into()),
            _ => ("input", Value::Int(2)),
        };
        after.insert(name.to_owned(), value);
        let connection = &*client.connection;
        let wrong =
            conformance::update(connection, native, &addr("subject"), &before, &after).await;
        assert_eq!(wrong, Vec::<String>::new(), "{}", native.name);
    }
}

#[tokio::test]
async fn attributes_of_each_kind_are_those_of_its_main_node() {
    for (kind, native) in [
        ("bucket", "fake.bucket"),
        ("database", "fake.database"),
        ("machine", "fake.machine"),
        ("network", "fake.network"),
        ("pool", "fake.pool"),
        ("share", "fake.share"),
        ("volume", "fake.volume"),
        ("secret", "fake.secret"),
        ("value", "fake.object"),
        ("value", "fake.named"),
    ] {
        for attribute in dsenv_sdk::kinds::kind(kind).expect("a kind").attributes {
            let found = ty(native).attribute(attribute.name).expect("the same attribute");
            let same = (found.secret, found.stable) == (attribute.secret, attribute.stable);
            assert!(same, "{native}.{}", attribute.name);
        }
    }
}

#[tokio::test]
async fn a_grant_has_an_attribute_for_each_variable() {
    for (kind, native) in [("bucket", "fake.bucket_grant"), ("database", "fake.database_grant")] {
        for variable in dsenv_sdk::kinds::kind(kind).expect("a kind").connection {
            let name = variable.suffix.to_lowercase();
            assert!(ty(native).attribute(&name).is_some(), "{native}.{name}");
        }
        let client = client_of(&FakeCloud::new(), "bp").await;
        let args = valid_args(&client, native).await;
        let grant = client.made(native, "nb.grant[\"x\"]", &args).await;
        assert!(!grant.values.values().any(|value| *value == Value::Null), "{grant:?}");
        for attribute in ty(native).attributes {
            let secret = matches!(grant.values[attribute.name], Value::Secret(_));
            assert_eq!(secret, attribute.secret, "{native}.{}", attribute.name);
        }
    }
}
