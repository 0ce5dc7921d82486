//! Every native type through its life, on the real thing.

use crate::place::{Place, map, postgres_version, resource, serve_command, skipped, with_place};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, conformance};
use serde_json::json;

/// Every test of this file.
pub(crate) const ALL: &[(&str, fn())] = &[
    ("built_in_types_live_in_the_state", built_in),
    ("networks_and_pools_live", bookkeeping),
    ("buckets_and_keys_live", buckets),
    ("servers_and_roles_live", databases),
    ("software_lives", software),
    ("volumes_and_shares_live", folders),
    ("workspaces_live", workspaces),
];

async fn change(place: &Place, ty: &str, name: &str, before: &Map, after: &Map) {
    let ty = place.provider.native_type(ty).expect("a native type");
    let addr: Addr = name.parse().expect("an address");
    let wrong = conformance::update(&*place.connection, ty, &addr, before, after).await;
    assert_eq!(wrong, Vec::<String>::new());
}

/// The same arguments with some of them other ones.
fn with(args: &Map, other: serde_json::Value) -> Map {
    let mut args = args.clone();
    args.extend(map(other));
    args
}

async fn live(place: &Place, ty: &str, name: &str, args: &Map) {
    let ty = place.provider.native_type(ty).expect("a native type");
    let addr: Addr = name.parse().expect("an address");
    let wrong = conformance::lifecycle(&*place.connection, ty, &addr, args).await;
    assert_eq!(wrong, Vec::<String>::new());
}

fn built_in() {
    with_place(async |place| {
        live(place, "dsenv.value", "v", &map(json!({"input": 1}))).await;
        live(place, "dsenv.secret", "s", &map(json!({"length": 20}))).await;
    });
}

fn bookkeeping() {
    with_place(async |place| {
        let network = map(json!({"cidr": "10.0.0.0/8"}));
        live(place, "local.network", "net", &network).await;
        let other = with(&network, json!({"cidr": "10.1.0.0/16"}));
        change(place, "local.network", "net", &network, &other).await;
        let pool = map(json!({"members": ["127.64.0.10"]}));
        live(place, "local.pool", "w", &pool).await;
        change(place, "local.pool", "w", &pool, &with(&pool, json!({"members": []}))).await;
    });
}

fn buckets() {
    with_place(async |place| {
        let args = json!({"bucket": "bench-dev-lake", "versioning": true,
                          "expire": [{"prefix": "tmp/", "days": 3}]});
        let args = map(args);
        live(place, "local.bucket", "lake", &args).await;
        let other = with(&args, json!({"versioning": false, "expire": []}));
        change(place, "local.bucket", "lake", &args, &other).await;
        place.apply(&resource("lake", "bucket", json!({}))).await.expect("a bucket");
        let args = json!({"bucket": "bench-dev-lake", "holder": "nb", "right": "read"});
        let args = map(args);
        live(place, "local.key", "nb.grant[\"lake\"]", &args).await;
        let other = with(&args, json!({"right": "read_write"}));
        change(place, "local.key", "nb.grant[\"lake\"]", &args, &other).await;
    });
}

fn databases() {
    let Some(version) = postgres_version() else {
        return skipped("PostgreSQL: nothing in /usr/lib/postgresql (apt-get install postgresql)");
    };
    with_place(async |place| {
        let args = json!({"database": "features", "version": version, "size": "small"});
        let args = map(args);
        live(place, "local.postgres", "features", &args).await;
        let other = with(&args, json!({"size": "large"}));
        change(place, "local.postgres", "features", &args, &other).await;
        let addr = Addr::resource("features");
        let made = place.create(&addr, "local.postgres", &args).await.expect("a server");
        let mut args = map(json!({"role": "nb", "right": "read_write"}));
        args.insert("server".to_owned(), made.values["server"].clone());
        live(place, "local.role", "nb.grant[\"features\"]", &args).await;
        let other = with(&args, json!({"right": "read"}));
        change(place, "local.role", "nb.grant[\"features\"]", &args, &other).await;
    });
}

fn software() {
    with_place(async |place| {
        let fields = json!({"software": {"python": "3.11+", "packages": ["six"]}});
        let want = place.wants(&resource("m", "machine", fields)).remove(0);
        let pins = place.connection.pin(&want, &|_| {}).await.expect("pinned");
        let again = place.connection.pin(&want, &|_| {}).await.expect("pinned");
        assert_eq!(pins, again, "a pin is canonical");
        let Value::Map(mut args) = want.need else { panic!("a map") };
        args.insert("pins".to_owned(), pins);
        live(place, "local.software", "m.software", &args).await;
    });
}

fn folders() {
    with_place(async |place| {
        live(place, "local.volume", "data", &Map::new()).await;
        live(place, "local.share", "files", &Map::new()).await;
        let mount = map(json!({"folder": "/a"}));
        live(place, "local.mount", "nb.grant[\"data\"]", &mount).await;
        let other = map(json!({"folder": "/b"}));
        change(place, "local.mount", "nb.grant[\"data\"]", &mount, &other).await;
    });
}

fn workspaces() {
    with_place(async |place| {
        let args = json!({
            "name": "m", "index": 0, "environment": {"A": "1"},
            "programs": {"web": {
                "run": serve_command("web"), "port": 8888, "health": {"http": "/"},
            }},
        });
        let args = map(args);
        live(place, "local.workspace", "m", &args).await;
        let other = with(&args, json!({"environment": {"A": "2"}, "programs": {}}));
        change(place, "local.workspace", "m", &args, &other).await;
    });
}
