//! A real PostgreSQL server, whose backends have sessions of their own and no environment.

use crate::cli::{free_address, unit};
use crate::place::{alive, kill, skipped, until, with_place};
use dsenv_local::supervisor::{Command, Health, RunAs, StopSignal, Unit, Work};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// Every test of this file.
pub(crate) const ALL: &[(&str, fn())] =
    &[("a_database_server_is_adopted_restarted_and_removed_whole", server)];

struct Server {
    bin: PathBuf,
    /// Whom it runs as; it refuses to be root.
    user: Option<(u32, u32)>,
    data: tempfile::TempDir,
    address: SocketAddr,
}

fn server() {
    let Some(server) = Server::new() else {
        return skipped("PostgreSQL below /usr/lib/postgresql, and a user for it");
    };
    with_place(async |place| {
        let client = place.client().await;
        client.put_unit(server.unit(&place.dir)).await.expect("put");
        let first = place.healthy_pid("features").await;
        let mut session = server.busy_session();
        let backend = server.busy_backend(first).await;
        // The session survives the supervisor's death.
        kill(client.ping().await.expect("a daemon").daemon_pid);
        assert_eq!(place.healthy_pid("features").await, first);
        assert!(place.status("features").await.adopted && alive(backend));
        // A backend that outlives its killed server keeps the data folder in use.
        stop(backend);
        kill(first);
        let second = until("another server", async || {
            place.status("features").await.pid.filter(|pid| *pid != first)
        })
        .await;
        assert_eq!(place.healthy_pid("features").await, second);
        assert!(!alive(backend));
        session.wait().expect("its session is lost");
        let mut session = server.busy_session();
        let backend = server.busy_backend(second).await;
        client.remove_unit("features").await.expect("removed");
        session.wait().expect("its session is lost");
        assert!(!alive(second) && !alive(backend));
        assert!(!server.data.path().join("pg/postmaster.pid").exists(), "it was shut down cleanly");
    });
}

impl Server {
    fn new() -> Option<Server> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
        let bin = versions.map(|entry| entry.path().join("bin")).find(|bin| bin.exists())?;
        let user = match rustix::process::geteuid().is_root() {
            true => Some(user_of_postgres()?),
            false => None,
        };
        let data = tempfile::tempdir().expect("a folder");
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(data.path(), Some(uid), Some(gid)).expect("given away");
        }
        let server = Server { bin, user, data, address: free_address() };
        let mut initdb = server.command("initdb");
        initdb.arg("-D").arg(server.data.path().join("pg")).args(["-A", "trust", "-U", "me"]);
        initdb.args(["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]).stdout(Stdio::null());
        assert!(initdb.status().expect("run").success());
        Some(server)
    }

    fn command(&self, program: &str) -> std::process::Command {
        let mut command = std::process::Command::new(self.bin.join(program));
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command.current_dir(self.data.path()).stderr(Stdio::null());
        command
    }

    fn unit(&self, dir: &Path) -> Unit {
        let mut argv = vec![self.bin.join("postgres").display().to_string()];
        let settings = [
            format!("listen_addresses={}", self.address.ip()),
            format!("port={}", self.address.port()),
            "unix_socket_directories=".into(),
            "dynamic_shared_memory_type=mmap".into(),
        ];
        argv.extend(["-D".into(), self.data.path().join("pg").display().to_string()]);
        argv.extend(settings.into_iter().flat_map(|setting| ["-c".into(), setting]));
        let isready = self.bin.join("pg_isready").display().to_string();
        let (host, port) = (self.address.ip().to_string(), self.address.port().to_string());
        let check = [isready, "-q".into(), "-h".into(), host, "-p".into(), port];
        let mut unit = Unit {
            health: Some(Health::Command { argv: check.into() }),
            address: Some(self.address.ip()),
            ports: vec![self.address.port()],
            ..unit(dir, "features", Command::Argv(argv))
        };
        if let Work::Process(process) = &mut unit.work {
            process.stop_signal = StopSignal::Int;
            process.run_as = self.user.map(|(uid, gid)| RunAs { uid, gid, groups: vec![gid] });
            process.cwd = self.data.path().into();
        }
        unit
    }

    /// Starts a client whose query does not end.
    fn busy_session(&self) -> Child {
        let mut psql = self.command("psql");
        psql.args(["-h", &self.address.ip().to_string(), "-p", &self.address.port().to_string()]);
        psql.args(["-U", "me", "-c", "select pg_sleep(600)", "postgres"]).stdout(Stdio::null());
        psql.spawn().expect("psql runs")
    }

    /// Finds the server's process for it.
    async fn busy_backend(&self, server: u32) -> u32 {
        let server = server.to_string();
        until("a busy backend", async || {
            let pids = std::fs::read_dir("/proc").expect("/proc").flatten();
            let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
            pids.find(|pid: &u32| {
                let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
                let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
                parent == Some(&server) && title.is_ok_and(|title| title.contains("SELECT"))
            })
        })
        .await
    }
}

fn stop(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("stopped");
}

fn user_of_postgres() -> Option<(u32, u32)> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
