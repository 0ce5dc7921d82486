//! Services that do not run: what can be done without them is done.

use crate::place::{
    Place, alive, kill, map, postgres_version, processes_with, resource, skipped, supervisors,
    until, using, with_place,
};
use crate::whole::run;
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{DataFate, Right, Use};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Every test of this file.
pub(crate) const ALL: &[(&str, fn())] = &[
    ("a_database_that_does_not_start_is_destroyed_with_its_roles", broken_database),
    ("a_role_deleted_while_its_server_is_down_is_gone_after_the_next_start", left_role),
    ("a_role_that_is_added_after_a_reboot_starts_its_server", role_after_reboot),
    ("a_database_keeps_the_programs_that_it_was_made_with", kept_programs),
    ("what_could_not_be_deleted_goes_on_to_be_used", failed_delete),
    ("a_store_that_came_back_goes_with_its_environment", store_came_back),
    ("an_endpoint_that_lost_its_socket_has_another_one", lost_socket),
    ("buckets_deleted_at_once_take_the_endpoint_with_them", deleted_at_once),
    ("buckets_and_keys_of_an_endpoint_that_cannot_run_are_deleted", broken_endpoint),
];

const NO_POSTGRES: &str = "PostgreSQL: nothing in /usr/lib/postgresql (apt-get install postgresql)";

/// A database and a machine with a role in it; returns where the data is.
async fn with_role(place: &Place, version: &str) -> PathBuf {
    let fields = json!({"engine": "postgres", "version": version});
    place.apply(&resource("features", "database", fields)).await.expect("a database");
    let used =
        Use { target: Addr::resource("features"), kind: "database", right: Right::ReadWrite };
    let machine = using(resource("m", "machine", json!({})), vec![used]);
    place.apply(&machine).await.expect("a machine");
    PathBuf::from(sql(place, "show data_directory").await)
}

async fn sql(place: &Place, text: &str) -> String {
    let argv = ["psql", "-Atc", text].map(str::to_owned);
    let entry = place.operate().enter(&Addr::resource("features"), &argv).await.expect("a way in");
    run(entry).await.trim().to_owned()
}

/// Ends the server and sees to it that it does not start again; returns what was there before.
async fn break_server(data: &Path) -> String {
    let file = data.join("postgresql.conf");
    let before = std::fs::read_to_string(&file).expect("a configuration");
    let mut broken = std::fs::File::options().append(true).open(&file).expect("ours");
    broken.write_all(b"\nno_such_setting = 1\n").expect("written");
    let pid = std::fs::read_to_string(data.join("postmaster.pid")).expect("it runs");
    let pid: u32 = pid.lines().next().expect("a line").parse().expect("a pid");
    kill(pid);
    until("the server ended", async || (!alive(pid)).then_some(())).await;
    before
}

fn broken_database() {
    let Some(version) = postgres_version() else { return skipped(NO_POSTGRES) };
    with_place(async |place| {
        let data = with_role(place, &version).await;
        for name in ["second", "third", "fourth"] {
            let used =
                Use { target: Addr::resource("features"), kind: "database", right: Right::Read };
            let machine = using(resource(name, "machine", json!({})), vec![used]);
            place.apply(&machine).await.expect("a machine");
        }
        break_server(&data).await;
        let grants =
            ["m", "second", "third", "fourth"].map(|it| format!("{it}.grant[\"features\"]"));
        let deleted = grants.iter().map(|grant| place.delete(grant, DataFate::Delete));
        let deleted = futures::future::join_all(deleted);
        let deleted = tokio::time::timeout(std::time::Duration::from_secs(40), deleted).await;
        let deleted = deleted.expect("they do not wait for each other's starts");
        deleted.into_iter().for_each(|deleted| deleted.expect("deleted"));
        // The end of the test deletes the rest, and sees that nothing is left.
    });
}

fn left_role() {
    let Some(version) = postgres_version() else { return skipped(NO_POSTGRES) };
    with_place(async |place| {
        let data = with_role(place, &version).await;
        let count = "select count(*) from pg_roles where rolname = 'm'";
        assert_eq!(sql(place, count).await, "1");
        let configuration = break_server(&data).await;
        place.delete("m.grant[\"features\"]", DataFate::Delete).await.expect("deleted");
        std::fs::write(data.join("postgresql.conf"), configuration).expect("mended");
        let addr = Addr::resource("features");
        place.update(&addr, &place.args(&addr)).await.expect("it runs again");
        assert_eq!(sql(place, count).await, "0");
    });
}

fn role_after_reboot() {
    let Some(version) = postgres_version() else { return skipped(NO_POSTGRES) };
    with_place(async |place| {
        with_role(place, &version).await;
        supervisors(&place.dir).into_iter().for_each(kill);
        while let Some(pid) = processes_with(&place.dir).into_iter().find(|pid| alive(*pid)) {
            kill(pid);
        }
        let used = Use { target: Addr::resource("features"), kind: "database", right: Right::Read };
        let machine = using(resource("second", "machine", json!({})), vec![used]);
        place.apply(&machine).await.expect("a machine");
        let count = "select count(*) from pg_roles where rolname in ('m', 'second')";
        assert_eq!(sql(place, count).await, "2");
    });
}

/// A search would find the system's programs; the record names others of the same version.
fn kept_programs() {
    let Some(version) = postgres_version() else { return skipped(NO_POSTGRES) };
    with_place(async |place| {
        let data = with_role(place, &version).await;
        let bin = place.dir.join("bin");
        std::fs::create_dir(&bin).expect("ours");
        let system = PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"));
        for program in std::fs::read_dir(&system).expect("it is installed").flatten() {
            let link = bin.join(program.file_name());
            std::os::unix::fs::symlink(program.path(), link).expect("linked");
        }
        for file in crate::place::files_below(&place.dir.join("objects")) {
            let text = std::fs::read_to_string(&file).expect("a record");
            let (old, new) = (system.display().to_string(), bin.display().to_string());
            std::fs::write(&file, text.replace(&old, &new)).expect("ours");
        }
        let runs = async |folder: &Path| {
            let program = folder.join("postgres").display().to_string();
            until("it runs from there", async || {
                place.operate().status().await.expect("a status");
                let pid = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
                let words = std::fs::read(format!("/proc/{}/cmdline", pid.lines().next()?)).ok()?;
                words.starts_with(format!("{program}\0").as_bytes()).then_some(())
            })
            .await;
        };
        runs(&bin).await;
        std::fs::remove_dir_all(&bin).expect("ours");
        runs(&system).await;
    });
}

fn failed_delete() {
    with_place(async |place| {
        place.apply(&resource("lake", "bucket", json!({}))).await.expect("a bucket");
        let stage = || {
            let files = crate::place::files_below(&place.dir.join("objects"));
            let [record] = &*files else { panic!("{files:?}") };
            let text = std::fs::read_to_string(record).expect("a record");
            let record: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            record["stage"].as_str().expect("a text").to_owned()
        };
        place.delete("lake", DataFate::Snapshot).await.expect_err("a bucket has no last copy");
        assert_eq!(stage(), "complete");
        // As an earlier dsenv left it.
        let [file] = &*crate::place::files_below(&place.dir.join("objects")) else { panic!("one") };
        let text = std::fs::read_to_string(file).expect("a record");
        std::fs::write(file, text.replace("\"complete\"", "\"deleting\"")).expect("ours");
        let addr = Addr::resource("lake");
        place.update(&addr, &place.args(&addr)).await.expect("updated");
        assert_eq!(stage(), "complete");
    });
}

fn lost_socket() {
    with_place(async |place| {
        place.apply(&resource("lake", "bucket", json!({}))).await.expect("a bucket");
        let log = std::fs::read_to_string(place.dir.join("logs/s3.log")).expect("a log");
        assert!(log.contains("serving on 127."), "{log}");
        let socket = place.dir.join("supervisor/s3.sock");
        std::fs::remove_file(&socket).expect("it was there");
        place.apply(&resource("pond", "bucket", json!({}))).await.expect("another bucket");
        assert!(socket.exists());
    });
}

fn deleted_at_once() {
    with_place(async |place| {
        for round in 0..5 {
            let names = ["lake", "pond", "sea"];
            for name in names {
                place.apply(&resource(name, "bucket", json!({}))).await.expect("a bucket");
            }
            let delete = |name| place.delete(name, DataFate::Delete);
            let deleted = futures::future::join_all(names.map(delete)).await;
            deleted.into_iter().for_each(|deleted| deleted.expect("deleted"));
            assert!(!place.dir.join("s3").exists(), "round {round}");
            let listening = crate::place::listeners();
            let left = listening.iter().find(|address| address.ends_with(":9000"));
            assert_eq!(left.filter(|it| it.starts_with(&place.blocks()[0])), None);
        }
    });
}

/// As when an endpoint was started while its last bucket was deleted.
fn store_came_back() {
    with_place(async |place| {
        place.apply(&resource("lake", "bucket", json!({}))).await.expect("a bucket");
        place.delete_all().await.expect("deleted");
        std::fs::create_dir(place.dir.join("s3")).expect("ours");
        std::fs::write(place.dir.join("s3/lock"), "").expect("ours");
    });
}

fn broken_endpoint() {
    with_place(async |place| {
        place.apply(&resource("lake", "bucket", json!({}))).await.expect("a bucket");
        for name in ["pond", "sea", "well"] {
            place.apply(&resource(name, "bucket", json!({}))).await.expect("a bucket");
        }
        let args = json!({"bucket": "bench-dev-lake", "holder": "m", "right": "read"});
        let key: Addr = "m.grant[\"lake\"]".parse().expect("an address");
        place.create(&key, "local.key", &map(args)).await.expect("a key");
        let endpoint = place.values("lake")["endpoint"].as_text().expect("a URL").to_owned();
        let address = endpoint.trim_start_matches("http://").to_owned();
        supervisors(&place.dir).into_iter().for_each(kill);
        let held = until("the port is free", async || std::net::TcpListener::bind(&address).ok());
        let held = held.await;
        let status = place.operate().status().await.expect("a status");
        assert!(status.iter().all(|it| !it.well), "{status:?}");
        place.delete("m.grant[\"lake\"]", DataFate::Delete).await.expect("the key is deleted");
        let delete = |name| place.delete(name, DataFate::Delete);
        let deleted = futures::future::join_all(["lake", "pond", "sea"].map(delete)).await;
        deleted.into_iter().for_each(|deleted| deleted.expect("it is deleted in the store"));
        delete("well").await.expect("the last one is deleted with the store");
        drop(held);
    });
}
