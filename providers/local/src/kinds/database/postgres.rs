//! `local.postgres`: a PostgreSQL server with one database, under the supervisor.
//!
//! The superuser's password and the data folder are made once and kept in the record; grants and
//! `dsenv exec` find them there. Where root runs dsenv, the server has an account of its own, and its
//! data lies where that account can get.

use super::{Object, Service, major};
use crate::account::reachable_or;
use crate::environment::{
    Assigned, Environment, Record, admin_error, disk_error, failure, missing_class, server_error,
    supervisor_error,
};
use crate::postgres::{Admin, Binaries, Host, Recovered, Server, ServerAccounts, server};
use crate::python::venv::blocking;
use crate::supervisor::{
    Client, Command, EnvValue, Health, Process, Restart, RunAs, State, StopSignal, Unit, Work,
};
use crate::tool::{Tool, ToolEnv, run_ok};
use async_trait::async_trait;
use dsenv_sdk::builtin::random_text;
use dsenv_sdk::provider::{DataFate, Entry, OpErrorClass, Watch};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{OpError, Secret};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The native type.
pub(crate) const POSTGRES: NativeType = NativeType {
    name: "local.postgres",
    doc: "A PostgreSQL server on a loopback address, with one database.",
    fields: &[
        Field::new("database", Type::Text, "The database's name.").required().kept(),
        Field::new("version", Type::Text, "Its major version.").required().replaces(),
        Field::new("size", Type::Choice(&["small", "medium", "large"]), "How many sessions.")
            .class(Class::Scale),
        Field::new("network", Type::Text, "The block that its address is in.")
            .class(Class::Bind)
            .replaces(),
    ],
    attributes: &[
        Attribute::new("host", "Where it answers."),
        Attribute::new("port", "The port that it answers on."),
        Attribute::new("name", "The database's name on its server."),
        Attribute::new("server_version", "The exact version that runs.").changes(),
        Attribute::new("server", "Which server it is: another one after a replacement."),
    ],
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: true,
};

const PORT: u16 = 5432;
const READY_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN_MS: u64 = 30_000;
/// Where root keeps what the server's account could not reach in the environment's own folder.
const SHARED_DATA: &str = "/var/lib/dsenv";
const SHARED_CACHE: &str = "/var/cache/dsenv";

/// Where the private values of a record have them.
const PASSWORD: &str = "password";
const DATA_DIR: &str = "data_dir";
/// The folder of the programs that the server runs.
const PROGRAMS: &str = "programs";
/// Names of roles that were deleted while the server could not be asked.
const LEFT_ROLES: &str = "left_roles";

pub(crate) struct Postgres;

fn unit_name(record: &Record) -> String {
    format!("{}/postgres", record.remote_id)
}

fn log(env: &Environment, record: &Record) -> PathBuf {
    env.dir.join("logs").join(format!("{}.log", record.remote_id))
}

/// A server as its record describes it, and the password of its superuser.
pub(super) struct Known {
    pub(super) server: Server,
    pub(super) password: Secret,
}

/// Describes the server of a record that was begun before, with the programs that it has; where they
/// are gone, others are found.
pub(super) async fn known(
    env: &Environment,
    record: &Record,
    watch: Watch<'_>,
) -> Result<Known, OpError> {
    let accounts = accounts(record)?;
    let binaries = binaries(env, record, accounts.as_ref(), watch).await?;
    describe(env, record, accounts, binaries)
}

fn describe(
    env: &Environment,
    record: &Record,
    accounts: Option<ServerAccounts>,
    binaries: Binaries,
) -> Result<Known, OpError> {
    let missing = |what: &str| {
        let message = format!("the record of `{}` has no {what}", record.addr);
        OpError::new(OpErrorClass::NotFound, message)
    };
    let password = record.own_text(PASSWORD).ok_or_else(|| missing("password"))?;
    let data = record.own_text(DATA_DIR).ok_or_else(|| missing("data folder"))?;
    let assigned = env.addresses.assigned(record.token.as_str()).map_err(disk_error)?;
    let assigned = assigned.ok_or_else(|| missing("address"))?;
    let server = server(binaries, Path::new(data), &assigned, accounts)?;
    Ok(Known { server, password: Secret::new(password) })
}

fn server(
    binaries: Binaries,
    data: &Path,
    assigned: &Assigned,
    accounts: Option<ServerAccounts>,
) -> Result<Server, OpError> {
    let port = assigned.port(PORT);
    Server::new(binaries, data, assigned.address.into(), port, accounts).map_err(server_error)
}

/// Who runs the server; once there is data, its owner.
fn accounts(record: &Record) -> Result<Option<ServerAccounts>, OpError> {
    let found = match record.own_text(DATA_DIR) {
        Some(data) => ServerAccounts::of_data(Path::new(data)),
        None => ServerAccounts::find(),
    };
    found.map_err(|error| {
        let class = OpErrorClass::Denied { permission: None };
        failure(class, "PostgreSQL has no account to run as", &error)
    })
}

/// Describes the server with programs that this machine has; `None` when it has none, as nothing is
/// fetched to take a look.
pub(super) async fn known_here(env: &Environment, record: &Record) -> Option<Known> {
    let accounts = accounts(record).ok()?;
    let major = wanted_major(record).ok()?;
    let cache = cache(env, accounts.as_ref());
    let host = Host { env: &env.tools, cache: &cache, accounts: accounts.as_ref() };
    let binaries = match kept(record, major, host).await {
        Some(kept) => kept,
        None => Binaries::present(major, host).await?,
    };
    describe(env, record, accounts, binaries).ok()
}

fn wanted_major(record: &Record) -> Result<u32, OpError> {
    let version = record.arg_text("version").unwrap_or_default();
    major(version).ok_or_else(|| {
        let message = format!("`{version}` is not a major version of PostgreSQL");
        OpError::new(OpErrorClass::Invalid, message)
    })
}

/// Where packages of programs are unpacked.
fn cache(env: &Environment, accounts: Option<&ServerAccounts>) -> PathBuf {
    let account = accounts.map(|accounts| &accounts.server);
    reachable_or(&env.cache.join("postgres"), Path::new(SHARED_CACHE), account)
}

async fn kept(record: &Record, major: u32, host: Host<'_>) -> Option<Binaries> {
    Binaries::kept(Path::new(record.own_text(PROGRAMS)?), major, host).await
}

async fn binaries(
    env: &Environment,
    record: &Record,
    accounts: Option<&ServerAccounts>,
    watch: Watch<'_>,
) -> Result<Binaries, OpError> {
    let major = wanted_major(record)?;
    let cache = cache(env, accounts);
    let host = Host { env: &env.tools, cache: &cache, accounts };
    if let Some(kept) = kept(record, major, host).await {
        return Ok(kept);
    }
    Binaries::find(major, host, &mut |line| watch(line)).await.map_err(|missing| {
        let help = missing.help();
        failure(missing_class(&missing), "the database cannot be had", &missing).help(help)
    })
}

/// Sessions that a size allows; PostgreSQL's own default is 100.
fn connections(record: &Record) -> u32 {
    match record.arg_text("size") {
        Some("large") => 400,
        Some("medium") => 200,
        _ => 100,
    }
}

fn unit(env: &Environment, record: &Record, server: &Server, address: SocketAddr) -> Unit {
    let launch = server.launch(connections(record));
    let text = |word: OsString| word.to_string_lossy().into_owned();
    let mut argv = vec![launch.program.to_string_lossy().into_owned()];
    argv.extend(launch.args.into_iter().map(text));
    let pg_isready = server.binaries().program("pg_isready");
    // A package of binaries may have none; its server's port says less.
    let health = if pg_isready.exists() {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let words = [&*pg_isready.to_string_lossy(), "-q", "-h", &host, "-p", &port];
        Health::Command { argv: words.map(str::to_owned).into() }
    } else {
        Health::Tcp { address }
    };
    let run_as = launch.run_as.map(|it| RunAs { uid: it.uid, gid: it.gid, groups: vec![it.gid] });
    Unit {
        name: unit_name(record),
        work: Work::Process(Process {
            command: Command::Argv(argv),
            cwd: launch.folder,
            env: launch
                .env
                .into_iter()
                .map(|(name, value)| (text(name), EnvValue::Plain(text(value))))
                .collect(),
            run_as,
            stop_signal: StopSignal::Int,
            stop_timeout_ms: STOP_WITHIN_MS,
        }),
        health: Some(health),
        address: Some(address.ip()),
        ports: vec![address.port()],
        restart: Restart::Always,
        log: log(env, record),
    }
}

/// Puts password, data folder, programs and address of a server that is begun into its record,
/// durably.
async fn begin(
    env: &Environment,
    record: &mut Record,
    accounts: Option<&ServerAccounts>,
    binaries: &Binaries,
) -> Result<Assigned, OpError> {
    let assigned = env
        .addresses
        .assign(
            record.arg_text("network"),
            record.token.as_str(),
            &record.addr.to_string(),
            &[PORT],
        )
        .await
        .map_err(disk_error)?;
    if !record.own.contains_key(DATA_DIR) {
        let wanted = env.dir.join("databases").join(&record.remote_id);
        let account = accounts.map(|accounts| &accounts.server);
        let data = reachable_or(&wanted, Path::new(SHARED_DATA), account);
        record.own.insert(DATA_DIR.to_owned(), Value::text(data.to_string_lossy()));
        record.own.insert(PASSWORD.to_owned(), Value::Secret(random_text(32)));
    }
    let programs = Value::text(binaries.folder().to_string_lossy());
    record.own.insert(PROGRAMS.to_owned(), programs);
    env.records.save(record).map_err(disk_error)?;
    Ok(assigned)
}

/// What there is of a server before it is started.
enum Way {
    /// It runs, or the supervisor is about to know that.
    Running,
    /// Nothing is in its way.
    Free,
    /// A server that no supervisor knows has its data.
    Stranger(u32),
}

/// Clears what a killed server left in the way of a unit that does not run.
///
/// A supervisor that has just been replaced knows its units before it has found their processes, so
/// one that is starting is left alone, and what runs of one that is known is the unit's own.
async fn clear(client: &Client, name: &str, server: &Server) -> Result<Way, OpError> {
    let units = client.list().await.map_err(supervisor_error)?;
    let unit = units.into_iter().find(|unit| unit.name == name);
    match unit.as_ref().map(|unit| &unit.state) {
        Some(State::Starting | State::Healthy | State::Unhealthy { .. }) => {
            return Ok(Way::Running);
        }
        None | Some(State::Stopped | State::Failed { .. } | State::Backoff { .. }) => {}
    }
    Ok(match server.recover().await.map_err(server_error)? {
        Recovered::Clear(_) => Way::Free,
        Recovered::Running(_) if unit.is_some() => Way::Running,
        Recovered::Running(pid) => Way::Stranger(pid),
    })
}

/// Starts the server and returns once it answers SQL.
async fn start(
    env: &Environment,
    record: &Record,
    known: &Known,
    address: SocketAddr,
    watch: Watch<'_>,
) -> Result<(), OpError> {
    let client = env.client().await?;
    let name = unit_name(record);
    match clear(&client, &name, &known.server).await? {
        Way::Running => {}
        Way::Free => env.check_free(address, &format!("`{}`", record.addr))?,
        Way::Stranger(pid) => {
            let message = format!("process {pid} has the data of `{}` open", record.addr);
            let help = "end it, and run the command again";
            return Err(OpError::new(OpErrorClass::Conflict, message).help(help));
        }
    }
    watch(&format!("waiting for the database at {address}"));
    let unit = unit(env, record, &known.server, address);
    client.put_unit(unit).await.map_err(supervisor_error)?;
    let what = format!("the database at {address}");
    if let Err(error) = env.wait_healthy(&client, &name, &what, READY_WITHIN).await {
        // A supervisor that came back starts it by itself, before what a killed server left is out
        // of the way: a zombie under a slow init passes for a running postmaster, and one that
        // outlived its supervisor unseen has the data open.
        let units = client.list().await.map_err(supervisor_error)?;
        let runs = units.iter().any(|unit| unit.name == name && unit.pid.is_some());
        if runs || !known.server.end_orphan().await.map_err(server_error)? {
            return Err(error);
        }
        client.restart(&name).await.map_err(supervisor_error)?;
        env.wait_healthy(&client, &name, &what, READY_WITHIN).await?;
    }
    known.server.wait_ready(&known.password, READY_WITHIN).await.map_err(server_error)?;
    if left_roles(env, record)?.is_empty() {
        return Ok(());
    }
    let admin = known.server.admin(&known.password).await.map_err(admin_error)?;
    drop_left_roles(env, record, &admin).await
}

/// Opens a session of the superuser on a server that was made before, which is started when it does
/// not run.
pub(super) async fn session<'a>(
    env: &Environment,
    record: &Record,
    known: &'a Known,
    watch: Watch<'_>,
) -> Result<Admin<'a>, OpError> {
    let admin = match known.server.admin(&known.password).await {
        Ok(admin) => admin,
        Err(_) => {
            start(env, record, known, known.server.address(), watch).await?;
            known.server.admin(&known.password).await.map_err(admin_error)?
        }
    };
    drop_left_roles(env, record, &admin).await?;
    Ok(admin)
}

/// Notes, durably, a role that is to be dropped once the server runs again.
pub(super) fn leave_role(env: &Environment, server: &Record, role: &str) -> Result<(), OpError> {
    let note = |record: &mut Record| {
        let left = record.own.entry(LEFT_ROLES.to_owned()).or_insert(Value::List(Vec::new()));
        let Value::List(names) = left else { return };
        if !names.iter().any(|name| name.as_text() == Some(role)) {
            names.push(Value::text(role));
        }
    };
    env.records.change(&server.token, note).map_err(disk_error)
}

/// The noted roles, as they are on disk now.
pub(super) fn left_roles(env: &Environment, server: &Record) -> Result<Vec<String>, OpError> {
    let record = env.records.get(&server.token).map_err(disk_error)?;
    let noted = record.as_ref().and_then(|record| record.own.get(LEFT_ROLES)?.as_list());
    Ok(noted.into_iter().flatten().filter_map(Value::as_text).map(str::to_owned).collect())
}

/// Drops the noted roles. The session holds the lock of the server's administration, so no role of
/// one of these names is made between the look at the notes and their end.
async fn drop_left_roles(
    env: &Environment,
    server: &Record,
    admin: &Admin<'_>,
) -> Result<(), OpError> {
    let names = left_roles(env, server)?;
    if names.is_empty() {
        return Ok(());
    }
    for name in &names {
        admin.drop_role(name).await.map_err(admin_error)?;
    }
    let forget = |record: &mut Record| drop(record.own.remove(LEFT_ROLES));
    env.records.change(&server.token, forget).map_err(disk_error)
}

#[async_trait]
impl Object for Postgres {
    fn ty(&self) -> &'static NativeType {
        &POSTGRES
    }

    async fn make(
        &self,
        env: &Environment,
        record: &mut Record,
        watch: Watch<'_>,
    ) -> Result<(), OpError> {
        let accounts = accounts(record)?;
        // First what may be missing: then nothing was begun.
        let binaries = binaries(env, record, accounts.as_ref(), watch).await?;
        let assigned = begin(env, record, accounts.as_ref(), &binaries).await?;
        let known = describe(env, record, accounts, binaries)?;
        watch("making the database's data folder");
        known.server.init(&known.password).await.map_err(server_error)?;
        let address = SocketAddr::from((assigned.address, assigned.port(PORT)));
        start(env, record, &known, address, watch).await?;
        // Dropped by now; this copy of the record must not bring the note back.
        record.own.remove(LEFT_ROLES);
        let database = record.arg_text("database").unwrap_or_default().to_owned();
        let admin = known.server.admin(&known.password).await.map_err(admin_error)?;
        admin.ensure_database(&database).await.map_err(admin_error)?;
        let version = known.server.binaries().version();
        record.values = Map::from([
            ("host".to_owned(), Value::text(address.ip().to_string())),
            ("port".to_owned(), Value::Int(i64::from(address.port()))),
            ("name".to_owned(), Value::text(database)),
            ("server_version".to_owned(), Value::text(version)),
            ("server".to_owned(), Value::text(record.remote_id.clone())),
        ]);
        Ok(())
    }

    async fn look(
        &self,
        _env: &Environment,
        records: &[Record],
    ) -> Result<Vec<Option<Map>>, OpError> {
        let look = |record: &Record| {
            let data = Path::new(record.own_text(DATA_DIR)?);
            data.join("PG_VERSION").exists().then(|| record.values.clone())
        };
        Ok(records.iter().map(look).collect())
    }

    async fn remove(
        &self,
        env: &Environment,
        record: &Record,
        data: DataFate,
        watch: Watch<'_>,
    ) -> Result<(), OpError> {
        let folder = record.own_text(DATA_DIR).map(PathBuf::from);
        if data == DataFate::Snapshot && folder.as_ref().is_some_and(|folder| folder.exists()) {
            dump(env, record, watch).await?;
        }
        env.remove_unit(&unit_name(record)).await?;
        if let Some(folder) = folder {
            server::clear_drafts(&folder).await.map_err(disk_error)?;
            env.remove_folder(&folder).await.map_err(disk_error)?;
            // The shared folder of root goes with the last one in it; else it is not empty.
            if folder.starts_with(SHARED_DATA) {
                blocking(|| server::leave(Path::new(SHARED_DATA))).await.map_err(disk_error)?;
            }
        }
        env.remove_logs(&log(env, record)).map_err(disk_error)?;
        env.addresses.release(record.token.as_str()).await.map_err(disk_error)
    }

    async fn restore(&self, env: &Environment, record: &Record) -> Result<(), OpError> {
        let known = known(env, record, &|_| {}).await?;
        let assigned = env.addresses.assigned(record.token.as_str()).map_err(disk_error)?;
        let Some(assigned) = assigned else { return Ok(()) };
        let address = SocketAddr::from((assigned.address, assigned.port(PORT)));
        let client = env.client().await?;
        // A stranger in the way is what the status will say.
        clear(&client, &unit_name(record), &known.server).await?;
        let unit = unit(env, record, &known.server, address);
        if !env.is_current(record)? {
            return Ok(());
        }
        client.put_unit(unit).await.map_err(supervisor_error)
    }

    fn services(&self, env: &Environment, record: &Record) -> Vec<Service> {
        let at = |name: &str| {
            record.values.get(name).map(|value| match value {
                Value::Text(text) => text.clone(),
                other => other.to_string(),
            })
        };
        let url = at("host").zip(at("port")).zip(at("name"));
        vec![Service {
            name: "postgres".to_owned(),
            unit: unit_name(record),
            log: log(env, record),
            url: url.map(|((host, port), name)| format!("postgresql://{host}:{port}/{name}")),
        }]
    }
}

/// Keeps a last copy, in the form that `pg_restore` reads, and says where.
async fn dump(env: &Environment, record: &Record, watch: Watch<'_>) -> Result<(), OpError> {
    let known = known(env, record, watch).await?;
    let assigned = env.addresses.assigned(record.token.as_str()).map_err(disk_error)?;
    let Some(assigned) = assigned else { return Ok(()) };
    let address = SocketAddr::from((assigned.address, assigned.port(PORT)));
    start(env, record, &known, address, watch).await?;
    let folder = env.dir.join("snapshots");
    crate::environment::create_private(&folder).map_err(disk_error)?;
    let file = folder.join(format!("{}.dump", record.remote_id));
    let mut variables = superuser_variables(record, &known, address);
    variables.push(("PATH".into(), "/usr/bin:/bin".into()));
    let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
    let tools = ToolEnv::new(variables);
    let tool = Tool::new(&known.server.binaries().pg_dump(), &folder, &tools)
        .args(["--format=custom", "--no-password", "--file"])
        .arg(&file);
    run_ok(tool, &mut |line| watch(line)).await.map_err(|error| {
        failure(OpErrorClass::Invalid, "the last copy of the database failed", &error)
    })?;
    watch(&format!("a last copy of the database is in {}", file.display()));
    Ok(())
}

fn superuser_variables(
    record: &Record,
    known: &Known,
    address: SocketAddr,
) -> Vec<(String, String)> {
    let database = record.arg_text("database").unwrap_or_default();
    [
        ("PGHOST", address.ip().to_string()),
        ("PGPORT", address.port().to_string()),
        ("PGUSER", server::SUPERUSER.to_owned()),
        ("PGPASSWORD", known.password.expose().to_owned()),
        ("PGDATABASE", database.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Says how to run a command against a database as its superuser; without one, `psql`.
pub(crate) async fn superuser_entry(
    env: &Environment,
    record: &Record,
    argv: &[String],
) -> Result<Entry, OpError> {
    let known = known(env, record, &|_| {}).await?;
    let assigned = env.addresses.assigned(record.token.as_str()).map_err(disk_error)?;
    let assigned =
        assigned.ok_or_else(|| OpError::new(OpErrorClass::NotFound, "it has no address"))?;
    let address = SocketAddr::from((assigned.address, assigned.port(PORT)));
    let variables = superuser_variables(record, &known, address);
    let folder = known.server.binaries().program("psql");
    let psql = if folder.exists() { folder.to_string_lossy().into_owned() } else { "psql".into() };
    let mut env: Vec<(String, Value)> = variables
        .into_iter()
        .map(|(name, value)| {
            let secret = name == "PGPASSWORD";
            (name, if secret { Value::Secret(Secret::new(value)) } else { Value::text(value) })
        })
        .collect();
    env.push(("PATH".to_owned(), Value::text(crate::environment::SYSTEM_PATH)));
    env.push(("LANG".to_owned(), Value::text("C.UTF-8")));
    let argv = if argv.is_empty() { vec![psql] } else { argv.to_vec() };
    Ok(Entry { argv, env, dir: PathBuf::from("/") })
}
