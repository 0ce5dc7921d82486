//! A whole little environment, made in order through the trait, used, and taken away.

use crate::place::{
    Place, get, map, postgres_version, resource, serve_command, skipped, supervisors, until, using,
    with_place,
};
use dsenv_sdk::provider::{DataFate, Entry, Neutral, OpErrorClass, Right, Use};
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Term};
use serde_json::json;

/// Every test of this file.
pub(crate) const ALL: &[(&str, fn())] = &[
    ("a_whole_environment_works_and_leaves_nothing", whole),
    ("a_service_that_does_not_come_up_says_why_and_stays_to_be_looked_at", ill_service),
    ("a_key_ends_with_its_grant_and_others_work_on", keys_end),
    ("a_last_copy_of_a_database_stays_when_everything_else_goes", last_copy),
    ("a_volume_outlives_its_machine_and_its_last_copy_stays", volume),
    ("a_database_below_a_closed_home_lies_where_its_account_can_get", closed_home),
    ("what_was_retained_is_never_taken_over_or_removed", retained),
    ("a_port_in_use_names_who_has_it_and_leaves_nothing", port_in_use),
    ("a_package_that_does_not_exist_is_named", no_such_package),
    ("a_postgres_that_cannot_be_had_says_what_can", no_such_postgres),
];

fn uses() -> Vec<Use> {
    let used = |name: &str, kind, right| Use { target: Addr::resource(name), kind, right };
    vec![used("features", "database", Right::ReadWrite), used("lake", "bucket", Right::ReadWrite)]
}

/// A machine with a service of Python's and one of ours.
fn notebook(token: Value) -> Neutral {
    let fields = json!({
        "software": {"python": "3.11+", "packages": ["boto3"]},
        "services": {
            "files": {
                "run": "python -m http.server --bind ${self.address} ${self.ports.files}",
                "port": 8000, "health": {"http": "/"},
            },
            "web": {"run": serve_command("web"), "port": 8888, "health": {"tcp": true}},
        },
    });
    let mut machine = using(resource("nb", "machine", fields), uses());
    let variables = Value::Map([("TOKEN".to_owned(), token)].into());
    machine.fields.insert("environment".to_owned(), Term::Known(variables));
    machine.network = Some(Addr::resource("net"));
    machine
}

fn workers() -> Neutral {
    let fields = json!({
        "count": 2,
        "services": {"web": {"run": serve_command("web"), "port": 8888, "health": {"http": "/"}}},
    });
    let mut pool = using(resource("workers", "pool", fields), uses());
    pool.network = Some(Addr::resource("net"));
    pool
}

/// Makes all of it.
pub(crate) async fn make(place: &Place, version: &str) {
    let apply = async |resource: &Neutral| place.apply(resource).await.expect("made");
    apply(&resource("net", "network", json!({"cidr": "10.20.0.0/16"}))).await;
    let mut database =
        resource("features", "database", json!({"engine": "postgres", "version": version}));
    database.network = Some(Addr::resource("net"));
    apply(&database).await;
    apply(&resource("lake", "bucket", json!({"versioning": true}))).await;
    let token = apply(&resource("token", "secret", json!({"generate": {"length": 24}}))).await;
    apply(&notebook(token.values["value"].clone())).await;
    apply(&workers()).await;
}

fn whole() {
    let Some(version) = postgres_version() else {
        return skipped("PostgreSQL: nothing in /usr/lib/postgresql (apt-get install postgresql)");
    };
    with_place(async |place| {
        make(place, &version).await;
        addresses(place).await;
        services(place).await;
        sql(place).await;
        objects(place).await;
        operate(place).await;
        drift(place).await;
        secrets_are_sealed(place);
    });
}

/// Everything is in the block of its network, each with an address of its own.
async fn addresses(place: &Place) {
    let block = place.values("net")["id"].as_text().expect("a text").replace("0/24", "");
    let Value::List(members) = &place.values("workers")["addresses"] else { panic!("a list") };
    let mut all: Vec<String> =
        members.iter().map(|it| it.as_text().expect("a text").to_owned()).collect();
    all.push(place.values("nb")["address"].as_text().expect("a text").to_owned());
    all.push(place.values("features")["host"].as_text().expect("a text").to_owned());
    assert!(all.iter().all(|address| address.starts_with(&block)), "{all:?} in {block}");
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!((count, all.len()), (4, 4), "{all:?}");
}

async fn services(place: &Place) {
    let services = &place.values("nb")["services"];
    let url = |name: &str| {
        services.step(name).and_then(|it| it.step("url")).and_then(Value::as_text).expect("a URL")
    };
    assert!(url("web").ends_with(":8888/") && url("files").ends_with(":8000/"));
    let seen = get(url("web")).await.expect("an answer");
    let token = place.values("token")["value"].expose_text().expect("a text").to_owned();
    assert!(seen.contains(&format!("TOKEN={token}")), "{seen}");
    assert!(seen.contains("FEATURES_URL=postgresql://nb:"), "{seen}");
    for name in ["LAKE_ENDPOINT=http://127.", "LAKE_SECRET_ACCESS_KEY=", "HOME=/", "VIRTUAL_ENV="] {
        assert!(seen.contains(name), "{name} in {seen}");
    }
    // Nothing of this test's own environment reaches a service.
    assert!(!seen.contains("CARGO_"), "{seen}");
}

/// The grant's role reads and writes; another machine's role sees what it wrote.
async fn sql(place: &Place) {
    let url = |grant: &str| place.values(grant)["url"].expose_text().expect("a text").to_owned();
    let connect = async |url: String| {
        let (client, connection) =
            tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("connected");
        tokio::spawn(async move { drop(connection.await) });
        client
    };
    let one = connect(url("nb.grant[\"features\"]")).await;
    let two = connect(url("workers.grant[\"features\"]")).await;
    one.batch_execute("create table t (x int); insert into t values (7)").await.expect("written");
    let row = two.query_one("select x from t", &[]).await.expect("read");
    assert_eq!(row.get::<_, i32>(0), 7);
}

const BOTO3: &str = "\
import boto3, os
lake = boto3.client('s3', endpoint_url=os.environ['LAKE_ENDPOINT'],
    region_name=os.environ['LAKE_REGION'], aws_access_key_id=os.environ['LAKE_ACCESS_KEY_ID'],
    aws_secret_access_key=os.environ['LAKE_SECRET_ACCESS_KEY'])
name = os.environ['LAKE_NAME']
lake.put_object(Bucket=name, Key='a/b', Body=b'one')
lake.put_object(Bucket=name, Key='a/b', Body=b'two')
print(lake.get_object(Bucket=name, Key='a/b')['Body'].read().decode())
print(len(lake.list_object_versions(Bucket=name)['Versions']))
";

/// A program in the machine, with the machine's own packages and variables, uses the bucket.
async fn objects(place: &Place) {
    let argv = ["python", "-c", BOTO3].map(str::to_owned);
    let entry = place.operate().enter(&Addr::resource("nb"), &argv).await.expect("a way in");
    assert_eq!(run(entry).await, "two\n2\n");
}

/// Runs what an entry says and returns what it printed.
pub(crate) async fn run(entry: Entry) -> String {
    let mut command = tokio::process::Command::new("/usr/bin/env");
    command.env_clear().current_dir(&entry.dir);
    for (name, value) in &entry.env {
        let text = value.expose_text().map_or_else(|| value.to_string(), str::to_owned);
        command.env(name, text);
    }
    let output = command.args(&entry.argv).output().await.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn operate(place: &Place) {
    let all = place.operate().status().await.expect("a status");
    let lines: Vec<String> =
        all.iter().map(|it| format!("{} {} {}", it.addr, it.service, it.state)).collect();
    let expected = [
        "features postgres healthy",
        "lake s3 healthy",
        "nb files healthy",
        "nb web healthy",
        "workers.member[0] web healthy",
        "workers.member[1] web healthy",
    ];
    assert_eq!(lines, expected);
    assert!(all.iter().all(|it| it.well && it.restarts == 0), "{all:?}");
    for (addr, services) in [("nb", 2), ("features", 1), ("lake", 1), ("workers", 2)] {
        let logs = place.operate().logs(&Addr::resource(addr)).await.expect("logs");
        assert_eq!(logs.len(), services, "{logs:?}");
        assert!(logs.iter().all(|(_, log)| log.exists()), "{logs:?}");
    }
    let sql = ["psql", "-Atc", "select x from t"].map(str::to_owned);
    let entry = place.operate().enter(&Addr::resource("features"), &sql).await.expect("a way in");
    assert_eq!(run(entry).await, "7\n");
    let member = "workers.member[1]".parse().expect("an address");
    let entry = place.operate().enter(&member, &[]).await.expect("a shell");
    assert!(entry.argv[0].ends_with("sh"), "{entry:?}");
    assert!(place.operate().enter(&Addr::resource("net"), &[]).await.is_err());
}

/// What is changed behind the provider's back is seen, and an update brings it back.
async fn drift(place: &Place) {
    let addr = Addr::resource("nb");
    let before = place.read(&addr).await.expect("it is there");
    let units = place.dir.join("machines");
    assert!(units.exists());
    // A service is dropped by an update and comes back by another one; the other is not restarted.
    let args = place.args(&addr);
    let mut fewer = args.clone();
    let Some(Value::Map(mut programs)) = fewer.remove("programs") else { panic!("a map") };
    programs.remove("web");
    fewer.insert("programs".to_owned(), Value::Map(programs));
    let pid = async || {
        let all = place.operate().status().await.expect("a status");
        all.iter().find(|it| it.addr == addr && it.service == "files").expect("it runs").pid
    };
    let running = pid().await;
    let observed = place.update(&addr, &fewer).await.expect("updated");
    assert_eq!(observed.values["services"].step("web"), None);
    let web = place.values("nb")["services"].clone();
    let web =
        web.step("web").and_then(|it| it.step("url")).and_then(Value::as_text).expect("a URL");
    assert!(get(web).await.is_err(), "what was taken out of the blueprint does not run on");
    assert_eq!(place.update(&addr, &args).await.expect("updated").values, before.values);
    assert_eq!(pid().await, running, "an unchanged service is left alone");
    let bucket = Addr::resource("lake");
    let mut args = place.args(&bucket);
    args.insert("versioning".to_owned(), Value::Bool(false));
    place.update(&bucket, &args).await.expect("updated");
    let seen = place.read(&bucket).await.expect("there");
    assert_eq!(seen.values.get("versioning"), None, "as applied");
}

/// No secret is in clear in any file of the environment but the service's own.
fn secrets_are_sealed(place: &Place) {
    let token = place.values("token")["value"].expose_text().expect("a text").to_owned();
    let grant = place.values("nb.grant[\"features\"]");
    let password = grant["password"].expose_text().expect("a text").to_owned();
    for file in crate::place::files_below(&place.dir) {
        let Ok(bytes) = std::fs::read(&file) else { continue };
        for secret in [&token, &password] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "a secret is in {}", file.display());
        }
    }
}

fn ill_service() {
    with_place(async |place| {
        let addr = Addr::resource("m");
        let run = "echo the configuration is missing; exit 3";
        let args = json!({"name": "m", "programs": {"web": {"run": run, "port": 8888,
                          "health": {"http": "/"}}}});
        let error = place.create(&addr, "local.workspace", &map(args)).await.expect_err("ill");
        let OpErrorClass::Partial(observed) = &error.class else { panic!("{error:?}") };
        assert!(observed.values.contains_key("address"), "{observed:?}");
        assert!(error.message.contains("service `web` of `m` does not come up"), "{error}");
        let log = error.causes.join("\n");
        assert!(log.contains("the configuration is missing"), "{error:?}");
        // It is known, it is not complete, and sending a better one finishes it.
        assert_eq!(place.connection.inventory(None).await.expect("inventory").len(), 1);
        let run = serve_command("web");
        let args = json!({"name": "m", "programs": {"web": {"run": run, "port": 8888}}});
        place.create(&addr, "local.workspace", &map(args)).await.expect("finished");
    });
}

/// A program that tries a key, and says `yes` or the error's code.
const TRY_KEY: &str = "\
import boto3, os, sys
from botocore.exceptions import ClientError
lake = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1',
    aws_access_key_id=sys.argv[3], aws_secret_access_key=sys.argv[4])
try:
    lake.list_objects_v2(Bucket=sys.argv[2])
    print('yes', end='')
except ClientError as error:
    print(error.response['Error']['Code'], end='')
";

fn keys_end() {
    with_place(async |place| {
        place.apply(&resource("lake", "bucket", json!({}))).await.expect("a bucket");
        let fields = json!({"software": {"python": "3.11+", "packages": ["boto3"]}});
        place.apply(&resource("m", "machine", fields)).await.expect("a machine");
        let key = async |name: &str| {
            let args = json!({"bucket": "bench-dev-lake", "holder": name, "right": "read"});
            let addr = format!("{name}.grant[\"lake\"]").parse().expect("an address");
            place.create(&addr, "local.key", &map(args)).await.expect("a key").values
        };
        let (one, two) = (key("one").await, key("two").await);
        let works = async |key: &dsenv_sdk::value::Map| {
            let text = |name: &str| key[name].expose_text().expect("a text").to_owned();
            let words = ["endpoint", "name", "access_key_id", "secret_access_key"].map(text);
            let mut argv = ["python", "-c", TRY_KEY].map(str::to_owned).to_vec();
            argv.extend(words);
            let machine = Addr::resource("m");
            run(place.operate().enter(&machine, &argv).await.expect("a way in")).await
        };
        assert_eq!((works(&one).await.as_str(), works(&two).await.as_str()), ("yes", "yes"));
        place.delete("two.grant[\"lake\"]", DataFate::Delete).await.expect("deleted");
        assert_eq!(works(&two).await, "InvalidAccessKeyId");
        assert_eq!(works(&one).await, "yes");
    });
}

fn last_copy() {
    let Some(version) = postgres_version() else {
        return skipped("PostgreSQL: nothing in /usr/lib/postgresql (apt-get install postgresql)");
    };
    with_place(async |place| {
        let fields = json!({"engine": "postgres", "version": version});
        let database = resource("features", "database", fields);
        place.apply(&database).await.expect("a database");
        let sql = ["psql", "-qc", "create table kept (x int)"].map(str::to_owned);
        let entry = place.operate().enter(&database.addr, &sql).await.expect("a way in");
        run(entry).await;
        place.delete("features", DataFate::Snapshot).await.expect("deleted");
        place.connection.close_environment(&[]).await.expect("closed");
        let left = crate::place::files_below(&place.dir);
        let [copy] = &*left else { panic!("{left:?}") };
        let bytes = std::fs::read(copy).expect("a copy");
        assert!(bytes.starts_with(b"PGDMP"), "{}", copy.display());
        assert!(bytes.windows(4).any(|window| window == b"kept"));
        // Nobody deletes a last copy; this test is done with it.
        std::fs::remove_dir_all(&place.dir).expect("removed");
    });
}

/// Seen to fail: with the folders of volumes taken away with a machine, and with a last copy deleted.
fn volume() {
    with_place(async |place| {
        let volume = resource("data", "volume", json!({"size": "1GiB"}));
        place.apply(&volume).await.expect("a volume");
        let used = Use { target: Addr::resource("data"), kind: "volume", right: Right::ReadWrite };
        let machine = using(resource("m", "machine", json!({})), vec![used]);
        place.apply(&machine).await.expect("a machine");
        let sh = async |script: &str| {
            let argv = ["/bin/sh", "-c", script].map(str::to_owned);
            run(place.operate().enter(&Addr::resource("m"), &argv).await.expect("a way in")).await
        };
        sh("echo kept > $DATA_PATH/file").await;
        place.delete("m", DataFate::Delete).await.expect("deleted");
        place.apply(&machine).await.expect("another machine");
        assert_eq!(sh("cat $DATA_PATH/file").await, "kept\n");
        // What a hand removes is seen.
        let path = place.values("data")["path"].as_text().expect("a text").to_owned();
        std::fs::rename(&path, format!("{path}-away")).expect("moved");
        assert!(place.read(&volume.addr).await.is_none());
        std::fs::rename(format!("{path}-away"), &path).expect("moved back");
        place.delete("m", DataFate::Delete).await.expect("deleted");
        place.delete("data", DataFate::Snapshot).await.expect("deleted");
        place.delete_all().await.expect("deleted");
        place.connection.close_environment(&[]).await.expect("closed");
        let left = crate::place::files_below(&place.dir);
        let [copy] = &*left else { panic!("{left:?}") };
        assert_eq!(std::fs::read_to_string(copy).expect("a copy"), "kept\n");
        // Nobody deletes a last copy; this test is done with it.
        std::fs::remove_dir_all(&place.dir).expect("removed");
    });
}

/// Root runs the server as another account, which cannot enter a home of mode 0700.
fn closed_home() {
    let Some(version) = postgres_version() else {
        return skipped("PostgreSQL: nothing in /usr/lib/postgresql (apt-get install postgresql)");
    };
    with_place(async |place| {
        use std::os::unix::fs::PermissionsExt;
        let home = place.dir.parent().and_then(|it| it.parent()).expect("a folder above");
        let closed = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(home, closed).expect("ours");
        let fields = json!({"engine": "postgres", "version": version});
        place.apply(&resource("features", "database", fields)).await.expect("a database");
        let sql = ["psql", "-Atc", "show data_directory"].map(str::to_owned);
        let addr = Addr::resource("features");
        let entry = place.operate().enter(&addr, &sql).await.expect("a way in");
        let data = std::path::PathBuf::from(run(entry).await.trim());
        let root = rustix::process::geteuid().is_root();
        assert_eq!(data.starts_with(&place.dir), !root, "{}", data.display());
        place.delete_all().await.expect("deleted");
        assert!(!data.exists(), "{} is left", data.display());
    });
}

fn retained() {
    with_place(async |place| {
        place.apply(&resource("lake", "bucket", json!({}))).await.expect("a bucket");
        // As after `on_destroy: retain`: the engine forgot it, and closes.
        place.connection.close_environment(&[]).await.expect("closed");
        assert_eq!(place.connection.inventory(None).await.expect("an inventory").len(), 1);
        assert!(place.read(&Addr::resource("lake")).await.is_some());
        assert_eq!(supervisors(&place.dir), [0_u32; 0], "to look is not to start");
        let again = map(json!({"bucket": "bench-dev-lake"}));
        let other = Addr::resource("other");
        let error = place.create(&other, "local.bucket", &again).await.expect_err("it is there");
        assert_eq!(error.class, OpErrorClass::Conflict, "{error:?}");
        assert!(place.read(&Addr::resource("lake")).await.is_some(), "its data is untouched");
    });
}

fn port_in_use() {
    with_place(async |place| {
        let _holder = std::net::TcpListener::bind("0.0.0.0:0").expect("a free port");
        let port = _holder.local_addr().expect("bound").port();
        let args = json!({"name": "m", "programs": {"web": {"run": serve_command("web"),
                          "port": port}}});
        let addr = Addr::resource("m");
        let error = place.create(&addr, "local.workspace", &map(args)).await.expect_err("taken");
        assert_eq!(error.class, OpErrorClass::Conflict, "{error:?}");
        let (pid, port) = (std::process::id().to_string(), port.to_string());
        for part in ["service `web` of `m`", "127.", &port, &pid] {
            assert!(error.message.contains(part), "{part} in {error}");
        }
        assert_eq!(place.connection.inventory(None).await.expect("inventory"), []);
    });
}

fn no_such_package() {
    with_place(async |place| {
        let name = "dsenv-no-such-package-x7";
        let fields = json!({"software": {"python": "3.11+", "packages": [name]}});
        let error = place.apply(&resource("m", "machine", fields)).await.expect_err("missing");
        assert_eq!(error.class, OpErrorClass::Invalid, "{error:?}");
        assert!(error.causes.iter().any(|it| it.contains(name)), "{error:?}");
        let broken = json!({"python": "3.11", "packages": [], "pins": {"digest": "x"}});
        let addr = "m.software".parse().expect("an address");
        let error = place.create(&addr, "local.software", &map(broken)).await.expect_err("broken");
        assert_eq!(error.class, OpErrorClass::Invalid, "{error:?}");
        assert_eq!(place.connection.inventory(None).await.expect("inventory"), []);
    });
}

fn no_such_postgres() {
    with_place(async |place| {
        let fields = json!({"engine": "postgres", "version": "29"});
        let error = place.apply(&resource("d", "database", fields)).await.expect_err("missing");
        assert_eq!(error.class, OpErrorClass::Invalid, "{error:?}");
        assert!(error.help.is_some_and(|help| help.contains("postgresql-29")));
        assert_eq!(place.connection.inventory(None).await.expect("inventory"), []);
    });
}

/// Used by the tests of crashes too.
pub(crate) async fn healthy(place: &Place) -> Vec<(String, Option<u32>)> {
    until("everything is healthy", async || {
        let all = place.operate().status().await.expect("a status");
        let well = all.iter().all(|it| it.well);
        well.then(|| all.iter().map(|it| (format!("{}/{}", it.addr, it.service), it.pid)).collect())
    })
    .await
}
