//! What the supervisor does when parts of it are killed, replaced or deleted.

use crate::cli::{free_address, shell, web};
use crate::place::{alive, kill, processes_with, skipped, until, visible, with_place};
use dsenv_local::supervisor::{EnvValue, Exit, Supervisor, SupervisorError, Work};
use dsenv_sdk::seal::SealKey;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Every test of this file.
pub(crate) const ALL: &[(&str, fn())] = &[
    ("a_killed_daemon_comes_back_to_the_same_processes", daemon_killed),
    ("killed_guard_and_daemon_are_replaced_by_the_next_call", guard_and_daemon_killed),
    ("a_killed_guard_is_replaced_by_the_next_call", guard_killed),
    ("a_service_that_dies_unwatched_is_started_again", dies_unwatched),
    ("a_removal_that_was_cut_short_is_finished", removal_cut_short),
    ("killed_at_any_moment_there_is_one_of_each", killed_at_any_moment),
    ("twenty_calls_at_once_make_one_guard", twenty_calls),
    ("command_substitution_ends", command_substitution),
    ("a_service_can_be_interrupted_though_its_command_could_not", ignored_signals),
    ("a_deleted_folder_ends_its_supervisor", folder_deleted),
    ("a_folder_deleted_while_no_daemon_lives_ends_its_guard", deleted_unseen),
    ("a_guard_outlives_a_time_in_which_nothing_can_be_started", nothing_to_start_with),
    ("a_daemon_that_hangs_is_reported", hanging_daemon),
    ("a_start_that_is_given_up_leaves_nobody", given_up),
    ("a_shutdown_between_two_daemons_ends_the_guard", shutdown_between),
    ("a_sweep_spares_who_got_the_inode_of_a_deleted_lock", inode_used_again),
    ("a_replaced_binary_changes_nothing", binary_replaced),
    ("another_key_touches_nothing", another_key),
    ("a_lost_socket_comes_back", lost_socket),
];

fn daemon_killed() {
    with_place(async |place| {
        let client = place.client().await;
        client.put_unit(web(&place.dir, "web", free_address())).await.expect("put");
        let pid = place.healthy_pid("web").await;
        let before = client.ping().await.expect("a daemon");
        kill(before.daemon_pid);
        let after = client.ping().await.expect("another daemon");
        assert_eq!(after.guard_pid, before.guard_pid);
        assert_ne!(after.daemon_pid, before.daemon_pid);
        assert_eq!(place.healthy_pid("web").await, pid);
        let status = place.status("web").await;
        assert!(status.adopted);
        assert_eq!((status.restarts, status.last_exit), (0, None));
        // An adopted process is watched like any other, but its exit code is not to be had.
        kill(pid);
        let status = until("another process", async || {
            let status = place.status("web").await;
            (status.pid? != pid).then_some(status)
        })
        .await;
        assert_eq!((status.last_exit, status.adopted), (Some(Exit::Unknown), false));
    });
}

fn guard_and_daemon_killed() {
    with_place(async |place| {
        let client = place.client().await;
        client.put_unit(web(&place.dir, "web", free_address())).await.expect("put");
        let pid = place.healthy_pid("web").await;
        let pong = client.ping().await.expect("a daemon");
        kill(pong.guard_pid);
        kill(pong.daemon_pid);
        until("both are gone", async || {
            (!alive(pong.guard_pid) && !alive(pong.daemon_pid)).then_some(())
        })
        .await;
        // Without a guard there is nothing to wait for, and a client says so at once.
        assert!(matches!(client.list().await, Err(SupervisorError::Lost { .. })));
        assert!(place.supervisor.connect().await.expect("looked").is_none());
        assert_eq!(place.healthy_pid("web").await, pid);
        assert!(place.status("web").await.adopted);
        // A shutdown finds what a killed supervisor left, too.
        let pong = place.client().await.ping().await.expect("a daemon");
        kill(pong.guard_pid);
        kill(pong.daemon_pid);
        until("both are gone", async || {
            (!alive(pong.guard_pid) && !alive(pong.daemon_pid)).then_some(())
        })
        .await;
        place.supervisor.shutdown().await.expect("ended");
        assert!(!alive(pid));
    });
}

fn guard_killed() {
    with_place(async |place| {
        let client = place.client().await;
        client.put_unit(web(&place.dir, "web", free_address())).await.expect("put");
        let pid = place.healthy_pid("web").await;
        let before = client.ping().await.expect("a daemon");
        kill(before.guard_pid);
        until("unguarded", async || {
            (!client.ping().await.expect("a daemon").guarded).then_some(())
        })
        .await;
        let after = place.client().await.ping().await.expect("a daemon");
        assert!(after.guarded && after.guard_pid != before.guard_pid);
        assert!(!alive(before.daemon_pid));
        assert_eq!(place.healthy_pid("web").await, pid);
    });
}

fn dies_unwatched() {
    with_place(async |place| {
        let client = place.client().await;
        client.put_unit(web(&place.dir, "web", free_address())).await.expect("put");
        let pid = place.healthy_pid("web").await;
        let pong = client.ping().await.expect("a daemon");
        for victim in [pong.guard_pid, pong.daemon_pid, pid] {
            kill(victim);
        }
        until("all are gone", async || {
            [pong.guard_pid, pong.daemon_pid, pid].iter().all(|pid| !alive(*pid)).then_some(())
        })
        .await;
        assert_ne!(place.healthy_pid("web").await, pid);
    });
}

/// The unit's file is removed before its processes are; a power cut between the two leaves
/// processes that nobody wants.
fn removal_cut_short() {
    with_place(async |place| {
        let client = place.client().await;
        client.put_unit(shell(&place.dir, "web", "exec sleep 600")).await.expect("put");
        let pid = place.healthy_pid("web").await;
        let pong = client.ping().await.expect("a daemon");
        kill(pong.guard_pid);
        kill(pong.daemon_pid);
        std::fs::remove_file(place.dir.join("units/web.json")).expect("it was written");
        let client = place.client().await;
        until("swept", async || (!alive(pid)).then_some(())).await;
        until("forgotten", async || client.list().await.expect("a list").is_empty().then_some(()))
            .await;
    });
}

/// The daemon, and every third time the guard, is killed at another moment of a change each time:
/// from before the unit is written to after its process runs.
fn killed_at_any_moment() {
    with_place(async |place| {
        let addresses = [free_address(), free_address(), free_address()];
        for round in 0..24_u64 {
            let client = place.client().await;
            let pong = client.ping().await.expect("a daemon");
            let idx = usize::try_from(round % 3).expect("small");
            let (name, address) = (format!("web{idx}"), addresses[idx]);
            let mut changed = web(&place.dir, &name, address);
            if let Work::Process(process) = &mut changed.work {
                process.env.insert("ROUND".into(), EnvValue::Plain(round.to_string()));
            }
            let put = tokio::spawn(async move { client.put_unit(changed).await });
            tokio::time::sleep(Duration::from_millis(round * 2)).await;
            if round % 3 == 2 {
                kill(pong.guard_pid);
            }
            kill(pong.daemon_pid);
            // Lost with its supervisor or done: either is an answer.
            let _ = put.await.expect("it does not panic");
        }
        let client = place.client().await;
        for (idx, address) in addresses.into_iter().enumerate() {
            let name = format!("web{idx}");
            client.put_unit(web(&place.dir, &name, address)).await.expect("put");
            let pid = place.healthy_pid(&name).await;
            assert_eq!(processes_with(&format!("/{name}\0")), [pid], "{name}");
        }
    });
}

fn twenty_calls() {
    with_place(async |place| {
        let binary = std::env::current_exe().expect("this binary");
        let dir = place.dir.to_str().expect("UTF-8");
        let calls: Vec<_> = (0..20)
            .map(|_| {
                let mut call = Command::new(&binary);
                call.args(["cli", dir, "ensure"]).stdout(Stdio::piped()).spawn().expect("spawned")
            })
            .collect();
        let guards: BTreeSet<String> = calls
            .into_iter()
            .map(|call| {
                let output = call.wait_with_output().expect("ended");
                let text = String::from_utf8(output.stdout).expect("a pid");
                assert!(output.status.success(), "{text}");
                text
            })
            .collect();
        assert_eq!(guards.len(), 1, "{guards:?}");
        let parts = processes_with(dir);
        assert_eq!(parts.len(), 2, "guard and daemon, not {parts:?}");
    });
}

/// The pipe of `$(...)` reaches the command twice: as its output and as descriptor 7.
fn command_substitution() {
    with_place(async |place| {
        let binary = std::env::current_exe().expect("this binary");
        let script = "out=$(\"$0\" cli \"$1\" put \"$2\" 7>&1) || exit 9; echo \"got $out\"";
        let mut call = tokio::process::Command::new("sh");
        call.args(["-c", script]).arg(&binary).arg(&place.dir).arg(free_address().to_string());
        call.env("CALLER_ONLY", "1").kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_secs(30), call.output()).await;
        let output = output.expect("the substitution ends").expect("a shell");
        let text = String::from_utf8(output.stdout).expect("text");
        let pid: u32 = text.trim().strip_prefix("got ").expect("a pid").parse().expect("a pid");
        assert_eq!(place.healthy_pid("web").await, pid);
        let pong = place.client().await.ping().await.expect("a daemon");
        for part in [pong.guard_pid, pong.daemon_pid, pid] {
            let environ = visible(part, "environ");
            assert!(!environ.contains("CALLER_ONLY"), "{environ}");
        }
    });
}

/// As after `nohup dsenv apply &`.
fn ignored_signals() {
    with_place(async |place| {
        let binary = std::env::current_exe().expect("this binary");
        let script = "trap '' HUP INT QUIT; exec \"$0\" cli \"$1\" put \"$2\"";
        let mut call = tokio::process::Command::new("sh");
        call.args(["-c", script]).arg(&binary).arg(&place.dir).arg(free_address().to_string());
        let output = call.output().await.expect("a shell");
        let text = String::from_utf8(output.stdout).expect("text");
        let pid: u32 = text.trim().parse().expect("a pid");
        let status = visible(pid, "status");
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t"));
        let ignored = u64::from_str_radix(ignored.expect("a line"), 16).expect("a number");
        // Signals 1, 2 and 3.
        assert_eq!(ignored & 0b111, 0, "{status}");
    });
}

fn folder_deleted() {
    with_place(async |place| {
        let client = place.client().await;
        let address = free_address();
        client.put_unit(web(&place.dir, "web", address)).await.expect("put");
        let pid = place.healthy_pid("web").await;
        let pong = client.ping().await.expect("a daemon");
        std::fs::remove_dir_all(&place.dir).expect("deleted");
        // At once, so that the old and the new meet.
        let client = place.client().await;
        client.put_unit(web(&place.dir, "web", address)).await.expect("put");
        let second = place.healthy_pid("web").await;
        for old in [pid, pong.daemon_pid, pong.guard_pid] {
            until("the old ones are gone", async || (!alive(old)).then_some(())).await;
        }
        // The old one, ending, did not take the new one's service for its own.
        assert_eq!(place.healthy_pid("web").await, second);
        assert!(TcpListener::bind(address).is_err());
    });
}

fn deleted_unseen() {
    with_place(async |place| {
        let client = place.client().await;
        client.put_unit(web(&place.dir, "web", free_address())).await.expect("put");
        let pid = place.healthy_pid("web").await;
        let pong = client.ping().await.expect("a daemon");
        signal(pong.guard_pid, Signal::STOP);
        kill(pong.daemon_pid);
        std::fs::remove_dir_all(&place.dir).expect("deleted");
        signal(pong.guard_pid, Signal::CONT);
        for old in [pong.guard_pid, pid] {
            until("the old ones are gone", async || (!alive(old)).then_some(())).await;
        }
    });
}

#[cfg(target_os = "linux")]
fn nothing_to_start_with() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    with_place(async |place| {
        let before = place.client().await.ping().await.expect("a daemon");
        let guard = Pid::from_raw(before.guard_pid.cast_signed());
        let none = Rlimit { current: Some(3), maximum: Some(1024) };
        prlimit(guard, Resource::Nofile, none).expect("the guard is ours");
        kill(before.daemon_pid);
        let log = place.dir.join("supervisor.log");
        until("the guard has tried", async || {
            std::fs::read_to_string(&log).ok()?.contains("no daemon").then_some(())
        })
        .await;
        let usual = Rlimit { current: Some(1024), maximum: Some(1024) };
        prlimit(guard, Resource::Nofile, usual).expect("the guard is ours");
        let after = place.client().await.ping().await.expect("another daemon");
        assert_eq!(after.guard_pid, before.guard_pid);
    });
}

/// Where no other process's limits can be set.
#[cfg(not(target_os = "linux"))]
fn nothing_to_start_with() {
    skipped("a way to set the limits of another process");
}

fn hanging_daemon() {
    with_place(async |place| {
        let client = place.client().await;
        let pong = client.ping().await.expect("a daemon");
        signal(pong.daemon_pid, Signal::STOP);
        let silent = tokio::time::timeout(Duration::from_secs(30), place.supervisor.ensure());
        let silent = silent.await.expect("an answer in time").map(drop);
        signal(pong.daemon_pid, Signal::CONT);
        assert!(matches!(silent, Err(SupervisorError::Silent { .. })), "{silent:?}");
        assert_eq!(client.ping().await.expect("the same one"), pong);
    });
}

/// The daemon cannot bind its socket, so its guard starts one after the other.
fn given_up() {
    with_place(async |place| {
        let socket = place.dir.join("supervisor.sock");
        std::fs::create_dir_all(socket.join("in the way")).expect("made");
        let refused = place.supervisor.ensure().await.expect_err("no daemon can answer");
        assert!(matches!(refused, SupervisorError::Start { .. }), "{refused}");
        let dir = place.dir.to_str().expect("UTF-8");
        until("nobody is left", async || processes_with(dir).is_empty().then_some(())).await;
        std::fs::remove_dir_all(&socket).expect("ours");
        place.client().await.ping().await.expect("the next start is in nobody's way");
    });
}

fn shutdown_between() {
    with_place(async |place| {
        let pong = place.client().await.ping().await.expect("a daemon");
        kill(pong.daemon_pid);
        until("it is dead", async || (!alive(pong.daemon_pid)).then_some(())).await;
        place.supervisor.shutdown().await.expect("ended");
        assert!(!alive(pong.guard_pid), "the guard would start another daemon");
    });
}

fn signal(pid: u32, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a pid");
    rustix::process::kill_process(pid, signal).expect("it lives");
}

/// A deleted lock's inode is free once the service that held it has ended, in the middle of its
/// sweep; the next file made may get it.
fn inode_used_again() {
    let bystander = "import sys, time\nkept = []\nwhile len(kept) < 900:\n \
                     kept.append(open(f'{sys.argv[1]}/{len(kept)}.lock', 'w'))\n \
                     time.sleep(0.001)\ntime.sleep(600)";
    let others = tempfile::tempdir().expect("a folder");
    with_place(async |place| {
        let client = place.client().await;
        // Its child lives on for a moment, so that the sweep looks more than once.
        let line =
            "(trap '' TERM; exec sleep 7777 9>&- 8>&- 7>&- 6>&- 5>&- 4>&- 3>&-) & sleep 7777";
        client.put_unit(shell(&place.dir, "web", line)).await.expect("put");
        place.healthy_pid("web").await;
        let pong = client.ping().await.expect("a daemon");
        let mut python = Command::new("python3");
        let Ok(mut other) = python.args(["-c", bystander]).arg(others.path()).spawn() else {
            return skipped("python3, for a process that makes many files");
        };
        std::fs::remove_dir_all(&place.dir).expect("deleted");
        until("the supervisor has ended", async || (!alive(pong.guard_pid)).then_some(())).await;
        let ended = other.try_wait().expect("looked");
        other.kill().expect("killed");
        other.wait().expect("reaped");
        assert_eq!(ended, None, "a stranger was killed");
    });
}

fn binary_replaced() {
    with_place(async |place| {
        let bin = tempfile::tempdir().expect("a folder");
        let copy = bin.path().join("dsenv");
        std::fs::copy(std::env::current_exe().expect("this binary"), &copy).expect("copied");
        let mut call = Command::new(&copy);
        call.arg("cli").arg(&place.dir).arg("ensure").stdout(Stdio::null());
        assert!(call.status().expect("run").success());
        std::fs::remove_file(&copy).expect("removed");
        std::fs::write(&copy, "not a program").expect("replaced");
        let client = place.supervisor.connect().await.expect("looked").expect("it runs");
        client.put_unit(web(&place.dir, "web", free_address())).await.expect("put");
        let pid = place.healthy_pid("web").await;
        let pong = client.ping().await.expect("a daemon");
        kill(pong.daemon_pid);
        assert_ne!(client.ping().await.expect("another daemon").daemon_pid, pong.daemon_pid);
        kill(pid);
        until("another process", async || (place.status("web").await.pid? != pid).then_some(()))
            .await;
        place.healthy_pid("web").await;
    });
}

fn another_key() {
    with_place(async |place| {
        let client = place.client().await;
        client.put_unit(web(&place.dir, "web", free_address())).await.expect("put");
        let pid = place.healthy_pid("web").await;
        let pong = client.ping().await.expect("a daemon");
        kill(pong.guard_pid);
        kill(pong.daemon_pid);
        until("both are gone", async || {
            (!alive(pong.guard_pid) && !alive(pong.daemon_pid)).then_some(())
        })
        .await;
        let other = Supervisor::at(&place.dir, SealKey::generate());
        assert!(matches!(other.ensure().await, Err(SupervisorError::WrongKey { .. })));
        assert!(alive(pid));
        assert_eq!(place.healthy_pid("web").await, pid);
    });
}

fn lost_socket() {
    with_place(async |place| {
        let client = place.client().await;
        let before = client.ping().await.expect("a daemon");
        std::fs::remove_file(place.dir.join("supervisor.sock")).expect("it was there");
        let after = client.ping().await.expect("the same daemon");
        assert_eq!(after, before);
    });
}
