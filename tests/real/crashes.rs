//! `kill -9` at any moment: the next command adopts what exists and ends with one of everything.

use crate::daily::small;
use crate::place::{Place, Ran, kill, listeners, start, until, wait};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::time::Duration;

/// How many moments of one apply are tried; spread evenly over its length.
const MOMENTS: u32 = 10;

fn begin(place: &Place, verb: &str) -> crate::place::Running {
    let mut command = place.command();
    command.args([verb, "-e", "dev", "--yes"]);
    start(command)
}

/// Exactly one of everything: in the state, among processes, and listening.
fn is_whole(place: &Place, last: &Ran) {
    place.is_settled();
    let listed: BTreeSet<String> = place.resources().into_keys().collect();
    let wanted: BTreeSet<String> = [
        "features",
        "lake",
        "net",
        "token",
        "web",
        "web.grant[\"features\"]",
        "web.grant[\"lake\"]",
        "workers",
        "workers.grant[\"lake\"]",
        "workers.member[0]",
        "workers.member[1]",
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(listed, wanted, "{}\n{}", last.out, last.err);
    let objects = std::fs::read_dir(place.path(".dsenv/small/dev/local/objects")).expect("objects");
    // A secret is not an object of the provider.
    let records =
        objects.flatten().filter(|it| it.path().extension().is_some_and(|it| it == "json"));
    assert_eq!(records.count(), wanted.len() - 1, "one record an object");
    let machines = std::fs::read_dir(place.path(".dsenv/small/dev/local/machines")).expect("there");
    assert_eq!(machines.count(), 3, "one folder a machine");
    is_alone(place);
}

/// One guard, one daemon, one server of each service.
fn is_alone(place: &Place) {
    let verbs: Vec<String> = until("one guard and one daemon", || {
        let mut verbs: Vec<_> = place.supervisor().into_iter().map(|(verb, _)| verb).collect();
        verbs.sort();
        (verbs.len() == 2).then_some(verbs)
    });
    assert_eq!(verbs, ["__daemon", "__guard"]);
    let status = place.json(&["status", "-e", "dev"]);
    let services = status.as_array().expect("a list");
    assert_eq!(services.len(), 3, "{status}");
    let urls: Vec<&str> = services.iter().filter_map(|it| it["url"].as_str()).collect();
    for url in urls {
        let address = url.split("://").nth(1).and_then(|rest| rest.split('/').next());
        let address = address.expect("an address").rsplit('@').next().expect("a part");
        let address: std::net::SocketAddrV4 = address.parse().expect("an address and port");
        let count = listeners().into_iter().filter(|it| *it == address).count();
        assert_eq!(count, 1, "{url}");
    }
}

/// Applies to the end, and returns how long it took.
fn duration_of_an_apply() -> Duration {
    let place = Place::new(&small());
    let ran = place.apply();
    is_whole(&place, &ran);
    ran.took
}

#[test]
fn an_apply_killed_at_any_moment_is_finished_by_the_next() {
    let whole = duration_of_an_apply();
    for moment in 0..MOMENTS {
        let place = Place::new(&small());
        let mut running = begin(&place, "apply");
        let at = whole * moment / MOMENTS + Duration::from_millis(15);
        wait(at.saturating_sub(running.elapsed()));
        running.child.kill().expect("it is our child");
        running.child.wait().expect("it is our child");
        let next = place.run(&["apply", "-e", "dev", "--yes"]);
        let shown = format!("killed at {at:?} of {whole:?}\n{}\n{}", next.out, next.err);
        assert_eq!(next.code, 0, "{shown}");
        is_whole(&place, &next);
    }
}

#[test]
fn an_initdb_that_outlives_its_dsenv_is_in_nobodys_way() {
    for next in ["apply", "destroy"] {
        let place = Place::new(&small());
        let mut running = begin(&place, "apply");
        let initdb = until("initdb runs", || {
            place.databases().iter().find_map(|id| initdb_of(id).first().copied())
        });
        let staging = std::fs::read_link(format!("/proc/{initdb}/cwd")).expect("it runs");
        running.child.kill().expect("it is our child");
        running.child.wait().expect("it is our child");
        let ran = place.ok(&[next, "-e", "dev", "--yes"]);
        assert!(!staging.exists(), "what was half made is gone after {next}");
        if next == "apply" {
            is_whole(&place, &ran);
        }
    }
}

/// The processes that make the data of this database.
fn initdb_of(id: &str) -> Vec<u32> {
    let names = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.contains("--pgdata=") && line.contains(id)
    };
    let pids = std::fs::read_dir("/proc").expect("/proc").flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(names).collect()
}

#[test]
fn a_destroy_killed_at_any_moment_is_finished_by_the_next() {
    for share in [1, 4, 7] {
        let place = Place::new(&small());
        place.apply();
        let mut running = begin(&place, "destroy");
        wait(Duration::from_millis(100 * share));
        running.child.kill().expect("it is our child");
        running.child.wait().expect("it is our child");
        place.ok(&["destroy", "-e", "dev", "--yes"]);
        assert!(place.resources().is_empty());
        assert!(place.processes().is_empty(), "the first destroy that ends proves it");
    }
}

#[test]
fn the_supervisor_killed_at_any_moment_of_an_apply_comes_back() {
    for moment in 1..=5 {
        let place = Place::new(&small());
        let running = begin(&place, "apply");
        let began = until("a supervisor", || {
            let found = place.supervisor();
            (!found.is_empty()).then_some(found)
        });
        drop(began);
        wait(Duration::from_millis(150 * moment));
        for (verb, pid) in place.supervisor() {
            if moment % 2 == 0 || verb == "__daemon" {
                kill(pid);
            }
        }
        // The apply itself may notice; what counts is what the next one makes of it.
        let first = running.end();
        let next = place.run(&["apply", "-e", "dev", "--yes"]);
        let shown = format!("{}\n{}\n{}\n{}", first.out, first.err, next.out, next.err);
        assert_eq!(next.code, 0, "killed at moment {moment}\n{shown}");
        is_whole(&place, &next);
    }
}

#[test]
fn services_outlive_their_supervisor_and_are_adopted() {
    let place = Place::new(&small());
    place.apply();
    let pids = |place: &Place| {
        let status = place.json(&["status", "-e", "dev"]);
        let services = status.as_array().expect("a list").iter();
        services.map(|it| it["pid"].as_u64()).collect::<Vec<_>>()
    };
    let before = pids(&place);
    for victims in [&["__daemon"][..], &["__guard"], &["__daemon", "__guard"]] {
        for (verb, pid) in place.supervisor() {
            if victims.contains(&verb.as_str()) {
                kill(pid);
            }
        }
        assert_eq!(pids(&place), before, "the same processes after the death of {victims:?}");
        is_alone(&place);
    }
    place.is_settled();
}

#[test]
fn a_service_that_was_killed_is_running_again() {
    let place = Place::new(&small());
    place.apply();
    let web = || {
        let status = place.run(&["status", "-e", "dev", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&status.out).expect("JSON");
        let services = status.as_array().expect("a list").iter();
        services.into_iter().find(|it| it["address"] == "web").expect("web").clone()
    };
    let before = web()["pid"].as_u64().expect("a process");
    kill(u32::try_from(before).expect("a pid"));
    let mut last = web();
    for _ in 0..100 {
        let now = last["pid"].as_u64();
        if last["state"] == "healthy" && now.is_some_and(|now| now != before) {
            break;
        }
        wait(Duration::from_millis(50));
        last = web();
    }
    assert_eq!(last["state"], "healthy", "{last}");
    assert_ne!(last["pid"].as_u64(), Some(before), "{last}");
    place.is_settled();
}

#[test]
fn one_interrupt_drains_and_the_next_apply_goes_on() {
    for signal in [Signal::INT, Signal::TERM] {
        let place = Place::new(&small());
        let running = begin(&place, "apply");
        until("a step is done", || {
            let objects = std::fs::read_dir(place.path(".dsenv/small/dev/local/objects")).ok()?;
            (objects.count() > 1).then_some(())
        });
        running.signal(signal);
        let ran = running.end();
        assert_eq!(ran.code, 130, "{}\n{}", ran.out, ran.err);
        let next = place.apply();
        is_whole(&place, &next);
    }
}

#[test]
fn two_interrupts_end_it_at_once_and_lose_nothing() {
    let place = Place::new(&small());
    let mut running = begin(&place, "apply");
    until("the database is under way", || {
        let log = place.path(".dsenv/small/dev/local/objects");
        (std::fs::read_dir(log).ok()?.count() > 4).then_some(())
    });
    running.signal(Signal::INT);
    let asked = running.elapsed();
    // Signals that come while the first is not yet seen are one; so does a person press again.
    until("it ends", || {
        wait(Duration::from_millis(200));
        running.signal(Signal::INT);
        running.child.try_wait().expect("it is our child")
    });
    let ran = running.end();
    assert_eq!(ran.code, 130, "{}\n{}", ran.out, ran.err);
    assert!(ran.took - asked < Duration::from_secs(3), "ended {:?} later", ran.took - asked);
    let next = place.apply();
    is_whole(&place, &next);
}
