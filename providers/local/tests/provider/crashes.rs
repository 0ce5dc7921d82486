//! What is left after processes were killed, and how it is brought back.

use crate::place::{
    Place, alive, kill, map, postgres_version, processes_with, resource, serve_command, skipped,
    supervisors, with_place,
};
use crate::whole::{healthy, make};
use dsenv_sdk::Addr;
use dsenv_sdk::provider::{Create, Progress, Token};
use serde_json::json;

/// Every test of this file.
pub(crate) const ALL: &[(&str, fn())] = &[
    ("a_killed_supervisor_is_repaired_with_the_same_processes", killed_supervisor),
    ("everything_killed_is_started_again", everything_killed),
    ("a_create_that_was_cut_off_is_found_and_finished", cut_off),
    ("a_workspace_whose_folder_is_gone_is_gone", folder_gone),
];

fn killed_supervisor() {
    let Some(version) = postgres_version() else {
        return skipped("PostgreSQL: nothing in /usr/lib/postgresql (apt-get install postgresql)");
    };
    with_place(async |place| {
        make(place, &version).await;
        let before = healthy(place).await;
        for round in 0..3 {
            let pids = supervisors(&place.dir);
            assert_eq!(pids.len(), 2, "guard and daemon: {pids:?}");
            // One of them, the other, then both.
            let doomed = if round < 2 { &pids[round..=round] } else { &pids[..] };
            doomed.iter().copied().for_each(kill);
            assert_eq!(healthy(place).await, before, "round {round}");
        }
        assert_eq!(supervisors(&place.dir).len(), 2);
        // A key that was granted before still opens its bucket: it is read from the records.
        let keys = place.values("nb.grant[\"lake\"]");
        assert!(keys.contains_key("secret_access_key"));
    });
}

fn everything_killed() {
    let Some(version) = postgres_version() else {
        return skipped("PostgreSQL: nothing in /usr/lib/postgresql (apt-get install postgresql)");
    };
    with_place(async |place| {
        let fields = json!({"engine": "postgres", "version": version});
        place.apply(&resource("features", "database", fields)).await.expect("a database");
        place.apply(&resource("lake", "bucket", json!({}))).await.expect("a bucket");
        workspace(place).await;
        let before = healthy(place).await;
        // As after a power cut: the supervisor first, so that it restarts nothing.
        supervisors(&place.dir).into_iter().for_each(kill);
        while let Some(pid) = processes_with(&place.dir).into_iter().find(|pid| alive(*pid)) {
            kill(pid);
        }
        let after = healthy(place).await;
        let names = |all: &[(String, Option<u32>)]| -> Vec<String> {
            all.iter().map(|(name, _)| name.clone()).collect()
        };
        assert_eq!(names(&after), names(&before));
        assert_ne!(after, before, "these are new processes");
    });
}

fn cut_off() {
    with_place(async |place| {
        let addr = Addr::resource("m");
        let ty = place.provider.native_type("local.workspace").expect("a native type");
        // It never answers, so the call is cut off while it waits.
        let run = "exec sleep 1000";
        let args = map(json!({"name": "m", "programs": {"web": {"run": run, "port": 8888,
                              "health": {"http": "/"}}}}));
        let token = Token::new("cut off", &addr, 1);
        let (sender, mut waits) = tokio::sync::mpsc::unbounded_channel();
        let watch = move |line: &str| drop(sender.send(line.to_owned()));
        let create = Create {
            addr: &addr,
            ty,
            token: &token,
            args: &args,
            begun_before_ms: None,
            watch: &watch,
        };
        tokio::select! {
            done = place.connection.create(create) => panic!("it is never healthy: {done:?}"),
            line = waits.recv() => assert_eq!(line.as_deref(), Some("waiting for web (http 8888 /)")),
        }
        let other = place.reconnect().await;
        let found = other.find(ty, &token).await.expect("asked").expect("found");
        assert!(!found.complete);
        let run = serve_command("web");
        let args = map(json!({"name": "m", "programs": {"web": {"run": run, "port": 8888,
                              "health": {"http": "/"}}}}));
        let create = Create {
            addr: &addr,
            ty,
            token: &token,
            args: &args,
            begun_before_ms: Some(0),
            watch: &|_| {},
        };
        let Progress::Done(observed) = other.create(create).await.expect("finished") else {
            panic!("local never accepts");
        };
        assert_eq!(observed.remote_id, found.observed.remote_id);
        let found = other.find(ty, &token).await.expect("asked").expect("found");
        assert!(found.complete);
        let prior =
            dsenv_sdk::provider::Prior { addr: addr.clone(), token: token.clone(), observed };
        let delete = dsenv_sdk::provider::Delete {
            addr: &addr,
            ty,
            prior: &prior,
            prior_args: &args,
            data: dsenv_sdk::provider::DataFate::Delete,
            watch: &|_| {},
        };
        other.delete(delete).await.expect("deleted");
    });
}

fn folder_gone() {
    with_place(async |place| {
        workspace(place).await;
        let addr = Addr::resource("m");
        assert!(place.read(&addr).await.is_some());
        std::fs::remove_dir_all(place.dir.join("machines")).expect("removed");
        assert_eq!(place.read(&addr).await, None);
    });
}

async fn workspace(place: &Place) {
    let services = json!({"web": {"run": serve_command("web"), "port": 8888,
                          "health": {"http": "/"}}});
    let machine = resource("m", "machine", json!({"services": services}));
    place.apply(&machine).await.expect("a machine");
}
