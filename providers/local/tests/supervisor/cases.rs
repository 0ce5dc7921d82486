//! What the supervisor does when nothing kills it.

use crate::cli::{free_address, shell, unit, web};
use crate::place::{
    alive, files_below, kill, processes_with, skipped, until, visible, with_place, with_place_at,
};
use dsenv_local::supervisor::{
    Command, EnvValue, Exit, Health, Restart, RunAs, State, SupervisorError, Unit, Work, tail,
};
use dsenv_sdk::Secret;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

/// Every test of this file.
pub(crate) const ALL: &[(&str, fn())] = &[
    ("a_service_gets_only_what_its_unit_says", a_service_gets_only_what_its_unit_says),
    ("a_dead_service_is_started_again", a_dead_service_is_started_again),
    ("a_service_that_keeps_dying_is_reported_early", a_service_that_keeps_dying_is_reported_early),
    ("a_service_that_never_answers_is_reported", a_service_that_never_answers_is_reported),
    ("a_service_that_stops_answering_is_unhealthy", a_service_that_stops_answering_is_unhealthy),
    ("restart_rules_are_kept", restart_rules_are_kept),
    ("the_same_unit_is_no_change", the_same_unit_is_no_change),
    ("a_removed_unit_leaves_no_relative", a_removed_unit_leaves_no_relative),
    ("a_service_that_ignores_its_signal_is_killed", a_service_that_ignores_its_signal_is_killed),
    ("a_taken_port_names_its_holder", a_taken_port_names_its_holder),
    ("a_command_that_does_not_exist_is_named", a_command_that_does_not_exist_is_named),
    ("a_hosted_task_is_a_unit_like_others", a_hosted_task_is_a_unit_like_others),
    ("no_file_has_a_secret_in_clear", no_file_has_a_secret_in_clear),
    ("another_user_runs_with_its_groups_only", another_user_runs_with_its_groups_only),
    ("shutdown_leaves_nothing_and_forgets_nothing", shutdown_leaves_nothing_and_forgets_nothing),
    ("shutdown_ends_who_dropped_every_mark", shutdown_ends_who_dropped_every_mark),
    ("a_long_folder_works", a_long_folder_works),
];

const LONG: Duration = Duration::from_secs(60);

fn a_service_gets_only_what_its_unit_says() {
    with_place(async |place| {
        let client = place.client().await;
        let mut wanted = web(&place.dir, "notebook/web", free_address());
        if let Work::Process(process) = &mut wanted.work {
            process.env.insert("TOKEN".into(), EnvValue::Secret(Secret::new("t0p")));
            process.cwd = "/usr".into();
        }
        client.put_unit(wanted).await.expect("put");
        let pid = place.healthy_pid("notebook/web").await;
        let environ = std::fs::read_to_string(format!("/proc/{pid}/environ")).expect("environ");
        let mut names: Vec<&str> =
            environ.split('\0').filter_map(|entry| Some(entry.split_once('=')?.0)).collect();
        names.sort_unstable();
        assert_eq!(names, ["DSENV_UNIT", "LANG", "PATH", "TOKEN"]);
        let cwd = std::fs::read_link(format!("/proc/{pid}/cwd")).expect("cwd");
        assert_eq!(cwd.to_str(), Some("/usr"));
        // Input, output, error, its lock, and its own listener.
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("fd").flatten();
        let fds: Vec<String> = fds
            .filter_map(|fd| Some(std::fs::read_link(fd.path()).ok()?.display().to_string()))
            .filter(|target| !target.starts_with("socket:"))
            .map(|target| target.rsplit('/').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(fds, ["null", "web.log", "web.log", "notebook%2fweb.lock"]);
        let mode = std::fs::metadata(place.dir.join("supervisor.sock")).expect("a socket").mode();
        assert_eq!(mode & 0o777, 0o600);
    });
}

fn a_dead_service_is_started_again() {
    with_place(async |place| {
        let client = place.client().await;
        client.put_unit(web(&place.dir, "web", free_address())).await.expect("put");
        let first = place.healthy_pid("web").await;
        kill(first);
        let status = until("another process", async || {
            let status = place.status("web").await;
            (status.pid? != first).then_some(status)
        })
        .await;
        assert_eq!((status.restarts, status.last_exit), (1, Some(Exit::Signal(9))));
        place.healthy_pid("web").await;
    });
}

fn a_service_that_keeps_dying_is_reported_early() {
    with_place(async |place| {
        let client = place.client().await;
        let line = "echo out; echo \"no such table\" >&2; exit 3";
        let begun = tokio::time::Instant::now();
        client.put_unit(shell(&place.dir, "broken", line)).await.expect("put");
        let Err(SupervisorError::Unhealthy(report)) = client.wait_healthy("broken", LONG).await
        else {
            panic!("it cannot be healthy");
        };
        assert_eq!(report.why, "it ended with exit code 3");
        assert_eq!(report.last_exit, Some(Exit::Code(3)));
        assert_eq!(report.log[report.log.len() - 2..], ["out", "no such table"]);
        assert!(matches!(report.state, State::Backoff { .. }), "{:?}", report.state);
        let status = place.status("broken").await;
        // 100 + 200 + 400 + 800 ms lie between five attempts.
        assert!(begun.elapsed() >= Duration::from_millis(1_500), "{:?}", begun.elapsed());
        assert!((4..8).contains(&status.restarts), "{} restarts", status.restarts);
    });
}

fn a_service_that_never_answers_is_reported() {
    with_place(async |place| {
        let client = place.client().await;
        let address = free_address();
        let health = Some(Health::Tcp { address });
        let mute = Unit { health, ..shell(&place.dir, "mute", "echo thinking; exec sleep 600") };
        client.put_unit(mute).await.expect("put");
        let waited = client.wait_healthy("mute", Duration::from_millis(400)).await;
        let Err(SupervisorError::Unhealthy(report)) = waited else {
            panic!("it cannot be healthy");
        };
        let last_check = format!(" ms: connecting to {address} failed");
        assert!(report.why.starts_with("not healthy within "), "{}", report.why);
        assert!(report.why.contains(&last_check), "{}", report.why);
        assert_eq!((&report.state, &report.log[..]), (&State::Starting, &["thinking".into()][..]));
    });
}

fn a_service_that_stops_answering_is_unhealthy() {
    with_place(async |place| {
        let client = place.client().await;
        client.put_unit(web(&place.dir, "web", free_address())).await.expect("put");
        let pid = place.healthy_pid("web").await;
        let raw = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a pid");
        rustix::process::kill_process(raw, rustix::process::Signal::STOP).expect("stopped");
        // The check's own time limit is five seconds.
        until("unhealthy", async || {
            let state = place.status("web").await.state;
            matches!(state, State::Unhealthy { .. }).then_some(())
        })
        .await;
        rustix::process::kill_process(raw, rustix::process::Signal::CONT).expect("continued");
        assert_eq!(place.healthy_pid("web").await, pid);
    });
}

fn restart_rules_are_kept() {
    with_place(async |place| {
        let client = place.client().await;
        let never = Unit { restart: Restart::Never, ..shell(&place.dir, "never", "exit 4") };
        let clean = Unit { restart: Restart::OnFailure, ..shell(&place.dir, "clean", "exit 0") };
        client.put_unit(never).await.expect("put");
        client.put_unit(clean).await.expect("put");
        let why = "it ended with exit code 4".to_owned();
        until("never failed", async || {
            (place.status("never").await.state == State::Failed { why: why.clone() }).then_some(())
        })
        .await;
        until("clean stopped", async || {
            (place.status("clean").await.state == State::Stopped).then_some(())
        })
        .await;
        client.restart("never").await.expect("restarted");
        assert!(client.wait_healthy("never", LONG).await.is_err());
        assert_eq!(place.status("clean").await.restarts, 0);
        let log = tail(&place.dir.join("logs/never.log"), 5).expect("a log");
        assert!(log.is_empty(), "{log:?}");
    });
}

fn the_same_unit_is_no_change() {
    with_place(async |place| {
        let client = place.client().await;
        let address = free_address();
        client.put_unit(web(&place.dir, "web", address)).await.expect("put");
        let first = place.healthy_pid("web").await;
        client.put_unit(web(&place.dir, "web", address)).await.expect("put");
        assert_eq!(place.healthy_pid("web").await, first);
        let mut changed = web(&place.dir, "web", address);
        if let Work::Process(process) = &mut changed.work {
            process.env.insert("MORE".into(), EnvValue::Plain("1".into()));
        }
        client.put_unit(changed).await.expect("put");
        let second = place.healthy_pid("web").await;
        assert_ne!(second, first);
        assert!(!alive(first));
        client.restart("web").await.expect("restarted");
        let third = place.healthy_pid("web").await;
        assert!(third != second && !alive(second));
        client.remove_unit("web").await.expect("removed");
        client.remove_unit("web").await.expect("removed twice");
        client.remove_unit("never there").await.expect("removed though never there");
        assert!(!alive(third) && client.list().await.expect("a list").is_empty());
        assert!(matches!(client.restart("web").await, Err(SupervisorError::Refused { .. })));
    });
}

/// A stray of each sort: own session and no environment, as PostgreSQL's backends; own session and
/// no inherited descriptor, as Jupyter's kernels; both orphaned, and a plain child.
fn a_removed_unit_leaves_no_relative() {
    if std::process::Command::new("python3").arg("-V").output().is_err() {
        return skipped("python3, whose way of starting kernels this is about");
    }
    with_place(async |place| {
        let client = place.client().await;
        let kernel =
            "import subprocess; subprocess.Popen(['sleep', '7777'], start_new_session=True)";
        let line = format!(
            "setsid env -i sleep 7777 & \
             python3 -c \"{kernel}\"; \
             (sleep 7777 &) ; \
             echo started; exec sleep 7777"
        );
        client.put_unit(shell(&place.dir, "family", &line)).await.expect("put");
        let leader = place.healthy_pid("family").await;
        let log = place.dir.join("logs/family.log");
        until("all are started", async || {
            tail(&log, 1).ok()?.contains(&"started".to_owned()).then_some(())
        })
        .await;
        // Every one of them has the log as its output, and no stranger has.
        let relatives = until("four sleepers", async || {
            let found = holders_of(&log);
            (found.len() == 4).then_some(found)
        })
        .await;
        assert!(relatives.contains(&leader));
        client.remove_unit("family").await.expect("removed");
        let left: Vec<u32> = relatives.into_iter().filter(|pid| alive(*pid)).collect();
        assert_eq!(left, [0_u32; 0]);
        assert!(files_below(&place.dir.join("run")).is_empty());
    });
}

/// Returns the sleeping processes that have a file open.
fn holders_of(file: &std::path::Path) -> Vec<u32> {
    let has_it = |pid: &u32| {
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        fds.into_iter().any(|fd| std::fs::read_link(fd.path()).is_ok_and(|target| target == file))
    };
    processes_with("7777")
        .into_iter()
        .filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|it| it == "sleep\n")
        })
        .filter(has_it)
        .collect()
}

fn a_service_that_ignores_its_signal_is_killed() {
    with_place(async |place| {
        let client = place.client().await;
        let line = "trap '' TERM; echo deaf; while :; do sleep 1; done";
        let mut deaf = shell(&place.dir, "deaf", line);
        if let Work::Process(process) = &mut deaf.work {
            process.stop_timeout_ms = 300;
        }
        client.put_unit(deaf).await.expect("put");
        let pid = place.healthy_pid("deaf").await;
        client.remove_unit("deaf").await.expect("removed");
        assert!(!alive(pid));
    });
}

fn a_taken_port_names_its_holder() {
    with_place(async |place| {
        let client = place.client().await;
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = taken.local_addr().expect("bound");
        client.put_unit(web(&place.dir, "web", address)).await.expect("put");
        let Err(SupervisorError::Unhealthy(report)) = client.wait_healthy("web", LONG).await else {
            panic!("the port is taken");
        };
        let (port, pid) = (address.port(), std::process::id());
        let expected = format!("port {port} on 127.0.0.1 is in use by process {pid} (");
        assert!(report.why.starts_with(&expected), "{}", report.why);
        assert_eq!(report.last_exit, None);
        // Once it is free, the service comes up by itself.
        drop(taken);
        until("healthy after all", async || {
            (place.status("web").await.state == State::Healthy).then_some(())
        })
        .await;
    });
}

fn a_command_that_does_not_exist_is_named() {
    with_place(async |place| {
        let client = place.client().await;
        let missing = unit(&place.dir, "missing", Command::Argv(vec!["dsenv-no-such".into()]));
        client.put_unit(missing).await.expect("put");
        let Err(SupervisorError::Unhealthy(report)) = client.wait_healthy("missing", LONG).await
        else {
            panic!("there is no such program");
        };
        assert!(report.why.starts_with("`dsenv-no-such` cannot be executed: "), "{}", report.why);
        let mut nowhere = shell(&place.dir, "nowhere", "true");
        if let Work::Process(process) = &mut nowhere.work {
            process.cwd = "/nonexistent".into();
        }
        client.put_unit(nowhere).await.expect("put");
        let waited = client.wait_healthy("nowhere", LONG).await.expect_err("nowhere to run");
        assert!(waited.to_string().contains("`/nonexistent` cannot be entered"), "{waited}");
        let relative = Unit { log: "log".into(), ..shell(&place.dir, "relative", "true") };
        let refused = client.put_unit(relative).await.expect_err("refused");
        assert!(refused.to_string().contains("must be an absolute path"), "{refused}");
    });
}

fn a_hosted_task_is_a_unit_like_others() {
    with_place(async |place| {
        let client = place.client().await;
        let address = free_address();
        let spec = Secret::new(format!("{address} hosted-sentinel"));
        let hosted = Unit {
            work: Work::Hosted { kind: "listener".into(), spec },
            health: Some(Health::Tcp { address }),
            address: Some(address.ip()),
            ports: vec![address.port()],
            ..shell(&place.dir, "lake", "")
        };
        client.put_unit(hosted).await.expect("put");
        client.wait_healthy("lake", LONG).await.expect("healthy");
        assert!(TcpListener::bind(address).is_err());
        client.restart("lake").await.expect("restarted");
        client.wait_healthy("lake", LONG).await.expect("healthy");
        kill(client.ping().await.expect("a daemon").daemon_pid);
        client.wait_healthy("lake", LONG).await.expect("healthy in the next daemon");
        client.remove_unit("lake").await.expect("removed");
        TcpListener::bind(address).expect("the port is free");
        let nobody = Work::Hosted { kind: "nobody".into(), spec: Secret::new("") };
        client.put_unit(Unit { work: nobody, ..shell(&place.dir, "x", "") }).await.expect("put");
        let waited = client.wait_healthy("x", LONG).await.expect_err("no such host");
        assert!(waited.to_string().contains("no host runs units of kind `nobody`"), "{waited}");
    });
}

fn no_file_has_a_secret_in_clear() {
    const SENTINEL: &str = "s3ntinel-5f1c";
    with_place(async |place| {
        let client = place.client().await;
        let mut wanted = shell(&place.dir, "web", &format!("sleep 600; echo {SENTINEL}"));
        if let Work::Process(process) = &mut wanted.work {
            process.env.insert("TOKEN".into(), EnvValue::Secret(Secret::new(SENTINEL)));
        }
        client.put_unit(wanted).await.expect("put");
        let pid = place.healthy_pid("web").await;
        // It is there where it must be, so the search below can find it.
        let environ = std::fs::read_to_string(format!("/proc/{pid}/environ")).expect("environ");
        assert!(environ.contains(&format!("TOKEN={SENTINEL}")));
        let files = files_below(&place.dir);
        assert!(files.len() >= 6, "{files:?}");
        for file in files {
            let bytes = std::fs::read(&file).expect("readable");
            assert!(!String::from_utf8_lossy(&bytes).contains(SENTINEL), "{}", file.display());
        }
        let hex: String = crate::cli::key().expose().iter().map(|b| format!("{b:02x}")).collect();
        let pong = client.ping().await.expect("a daemon");
        for part in [pong.guard_pid, pong.daemon_pid] {
            for file in ["cmdline", "environ"] {
                assert!(!visible(part, file).contains(&hex));
            }
        }
    });
}

fn another_user_runs_with_its_groups_only() {
    if !rustix::process::geteuid().is_root() {
        return skipped("root, who alone can take on another user");
    }
    with_place(async |place| {
        let client = place.client().await;
        let line = "id -u; id -G; echo again >> /dev/stderr; exec sleep 600";
        let mut other = shell(&place.dir, "other", line);
        if let Work::Process(process) = &mut other.work {
            process.run_as = Some(RunAs { uid: 4321, gid: 4322, groups: vec![4322, 4323] });
        }
        client.put_unit(other).await.expect("put");
        place.healthy_pid("other").await;
        let log = place.dir.join("logs/other.log");
        assert_eq!(tail(&log, 5).expect("a log"), ["4321", "4322 4323", "again"]);
        let owner = std::fs::metadata(&log).expect("a log");
        assert_eq!((owner.uid(), owner.permissions().mode() & 0o777), (4321, 0o600));
    });
}

fn shutdown_leaves_nothing_and_forgets_nothing() {
    with_place(async |place| {
        let client = place.client().await;
        let address = free_address();
        client.put_unit(web(&place.dir, "web", address)).await.expect("put");
        let pong = client.ping().await.expect("a daemon");
        let pid = place.healthy_pid("web").await;
        place.supervisor.shutdown().await.expect("ended");
        for gone in [pid, pong.guard_pid, pong.daemon_pid] {
            assert!(!alive(gone), "{gone} is left");
        }
        TcpListener::bind(address).expect("the port is free");
        assert!(place.supervisor.connect().await.expect("looked").is_none());
        place.supervisor.shutdown().await.expect("nothing to end");
        assert_ne!(place.healthy_pid("web").await, pid);
    });
}

/// No mark, no descriptor, no session, no parent: only the reaper can know that it is left.
fn shutdown_ends_who_dropped_every_mark() {
    if std::process::Command::new("python3").arg("-V").output().is_err() {
        return skipped("python3, which drops every mark of a child");
    }
    with_place(async |place| {
        let client = place.client().await;
        let escape = "import subprocess; print(subprocess.Popen(['sleep', '7777'], \
                      start_new_session=True, env={}).pid, flush=True)";
        let line = format!("python3 -c \"{escape}\"; exec sleep 600");
        client.put_unit(shell(&place.dir, "web", &line)).await.expect("put");
        let log = place.dir.join("logs/web.log");
        let pid: u32 = until("its pid", async || tail(&log, 1).ok()?.first()?.parse().ok()).await;
        assert!(alive(pid));
        place.supervisor.shutdown().await.expect("ended");
        assert!(!alive(pid));
    });
}

fn a_long_folder_works() {
    with_place_at(&"long/".repeat(40), async |place| {
        let client = place.client().await;
        client.put_unit(web(&place.dir, "web", free_address())).await.expect("put");
        place.healthy_pid("web").await;
        assert!(!place.dir.join("supervisor.sock").exists());
    });
}
