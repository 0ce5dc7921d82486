//! One PostgreSQL server: its data folder, how it is started, when it is ready.
//!
//! [`Server::init`] makes the data folder, [`Server::launch`] says what the supervisor runs,
//! [`Server::recover`] clears what a killed server left in the way, [`Server::wait_ready`] returns
//! once SQL is answered. Data is never removed or overwritten here: a folder that cannot be used as
//! it is, is an error.
//!
//! ## Why
//! - TCP only. A Unix socket's path may have 107 bytes, and a project's folder is often longer: the
//!   server would not start.
//! - `scram-sha-256` for every connection, never `trust`. On Linux a client of 127.0.5.1 appears as
//!   127.0.0.1 like every other process of the machine: an address proves nothing.
//! - `mmap` for dynamic shared memory: `/dev/shm` has 64 MB in most containers.
//! - SIGINT stops it: it ends sessions and writes a checkpoint. SIGTERM would wait for the last
//!   session, and a notebook keeps its own open for days.

use super::binaries::Binaries;
use super::processes::{LOOK_AGAIN, end_all, has_entry, working_in};
use super::run_as::ServerAccounts;
use crate::account::{Account, Unreachable, create_enterable, reach};
use crate::python::venv::blocking;
use crate::tool::{Tool, ToolEnv, ToolError, run_ok};
use dsenv_sdk::secret::Secret;
use rustix::process::Signal;
use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_postgres::error::SqlState;

/// The role that owns a server; its password is dsenv's, and no blueprint gets it.
pub const SUPERUSER: &str = "postgres";
/// A database that every server has, for what belongs to no other.
pub const MAINTENANCE_DATABASE: &str = "postgres";
/// One attempt to connect to a server of the same machine.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long the initdb of a run that was killed may go on.
const ORPHAN_INITDB_MS: u64 = 20_000;
const CLEAR_EVERY_MS: u64 = 50;

/// Who may connect, and how: written into every data folder.
const HBA: &str = include_str!("../../../../templates/boot/pg_hba.conf");

/// A server that runs, or could.
#[derive(Clone, Debug)]
pub struct Server {
    binaries: Binaries,
    data_dir: PathBuf,
    address: IpAddr,
    port: u16,
    accounts: Option<ServerAccounts>,
}

/// What `init` found or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// It made the data folder, with the password given.
    Created,
    /// The folder was there, complete, with the password it was made with.
    Existed,
}

/// What `recover` found or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// The server runs; this is its postmaster, to be adopted.
    Running(u32),
    /// Nothing is in the way of a start; so many processes of a dead server were ended.
    Clear(usize),
}

/// How the supervisor runs a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments, without the program.
    pub args: Vec<OsString>,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Its folder.
    pub folder: PathBuf,
    /// Who it runs as; `None` for the supervisor's own account.
    pub run_as: Option<Account>,
    /// What ends it within seconds, sessions or not.
    pub stop_signal: Signal,
}

/// Why a server cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is not this machine's alone: connections are not encrypted.
    #[error("`{0}` is not a loopback address")]
    NotLoopback(IpAddr),
    /// Two processes in different folders must mean the same data.
    #[error("the data folder `{}` is not an absolute path", .0.display())]
    Relative(PathBuf),
    /// The account of the server cannot get to its data.
    #[error("the data folder `{}` cannot be used by the server", path.display())]
    Unreachable {
        /// The data folder.
        path: PathBuf,
        /// Which folder is closed.
        #[source]
        source: Unreachable,
    },
    /// There is data of another major version.
    #[error(
        "`{}` holds data of PostgreSQL {found}, which PostgreSQL {wanted} cannot read; dump it with \
         the old version and restore it into the new one",
        path.display()
    )]
    OtherMajor {
        /// The data folder.
        path: PathBuf,
        /// The version of the data.
        found: String,
        /// The version of the programs.
        wanted: u32,
    },
    /// There is something, and it is no data folder.
    #[error("`{}` is not empty and holds no complete PostgreSQL data; move it away", .0.display())]
    NotData(PathBuf),
    /// The data belongs to another account than the one the server would run as.
    #[error("`{}` belongs to uid {found}, and the server would run as uid {wanted}", path.display())]
    OtherOwner {
        /// The data folder.
        path: PathBuf,
        /// Whose it is.
        found: u32,
        /// Who would use it.
        wanted: u32,
    },
    /// initdb failed.
    #[error("PostgreSQL cannot make the data folder `{}`", path.display())]
    Initdb {
        /// The data folder.
        path: PathBuf,
        /// What initdb said.
        #[source]
        source: ToolError,
    },
    /// A file or folder could not be made, moved or given away.
    #[error("cannot work on `{}`", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Processes of a dead server cannot be ended.
    #[error("processes {pids:?} of a dead server still work in `{}`", path.display())]
    Stuck {
        /// The data folder.
        path: PathBuf,
        /// The processes.
        pids: Vec<u32>,
    },
    /// It did not answer in time.
    #[error("the server at {at} did not answer within {} s", waited.as_secs())]
    NotReady {
        /// Its address.
        at: String,
        /// How long it was waited for.
        waited: Duration,
        /// The last answer, when there was one.
        #[source]
        last: Option<ConnectError>,
    },
    /// Another server answers at the address.
    #[error("a server at {at} answers, and it is not the one of `{}`", path.display())]
    OtherServer {
        /// The address.
        at: String,
        /// The data folder that was expected.
        path: PathBuf,
    },
    /// It does not take the password.
    #[error("the server at {at} does not accept the password of `{role}`")]
    Password {
        /// The address.
        at: String,
        /// The role.
        role: String,
        /// What it said.
        #[source]
        source: ConnectError,
    },
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The server or the system refused.
    #[error(transparent)]
    Refused(#[from] tokio_postgres::Error),
    /// Something took the connection and says nothing.
    #[error("the connection was taken, and nothing was said for {} s", CONNECT_WITHIN.as_secs())]
    Silent,
}

impl ConnectError {
    /// Returns what the server refused with, when it did.
    pub fn code(&self) -> Option<&SqlState> {
        match self {
            ConnectError::Refused(error) => error.code(),
            ConnectError::Silent => None,
        }
    }
}

impl ServerError {
    /// Says what the user can do, where that is known.
    pub fn help(&self) -> Option<String> {
        match self {
            ServerError::Unreachable { source, .. } => Some(format!(
                "move the project out of `{}`, or open that folder with `chmod o+x`",
                source.folder.display()
            )),
            ServerError::Initdb { source: ToolError::Failed { tail, .. }, .. }
                if tail.contains("could not look up effective user ID") =>
            {
                Some("PostgreSQL wants its user in `/etc/passwd`; run dsenv as one that is".into())
            }
            ServerError::Initdb { source: ToolError::Start { .. }, .. } => Some(
                "in a container that has one user id, run dsenv as a user that is not root".into(),
            ),
            ServerError::OtherServer { .. } | ServerError::Password { .. } => {
                Some("stop the other server at that port, or choose another port".into())
            }
            ServerError::NotLoopback(_)
            | ServerError::Relative(_)
            | ServerError::OtherMajor { .. }
            | ServerError::NotData(_)
            | ServerError::OtherOwner { .. }
            | ServerError::Initdb { .. }
            | ServerError::Io { .. }
            | ServerError::Stuck { .. }
            | ServerError::NotReady { .. } => None,
        }
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> ServerError {
    let path = path.to_owned();
    move |source| ServerError::Io { path, source }
}

impl Server {
    /// Describes a server; nothing is made.
    ///
    /// `accounts` is what [`ServerAccounts::find`] says. Where it is `Some`, choose the data folder
    /// with [`reachable_or`](crate::account::reachable_or), and record it: it must not move.
    pub fn new(
        binaries: Binaries,
        data_dir: &Path,
        address: IpAddr,
        port: u16,
        accounts: Option<ServerAccounts>,
    ) -> Result<Server, ServerError> {
        if !address.is_loopback() {
            return Err(ServerError::NotLoopback(address));
        }
        if !data_dir.is_absolute() || data_dir.file_name().is_none() {
            return Err(ServerError::Relative(data_dir.to_owned()));
        }
        Ok(Server { binaries, data_dir: data_dir.to_owned(), address, port, accounts })
    }

    /// Returns the programs.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// Returns the data folder.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    /// Returns address and port as text.
    pub fn at(&self) -> String {
        self.address().to_string()
    }

    /// Makes the data folder, with this password for [`SUPERUSER`].
    ///
    /// It is made beside its place and renamed into it, so that it is there complete or not at all:
    /// what an interrupted call left is removed by the next one. A complete folder is left as it
    /// is, with the password that it has. Takes about a second.
    pub async fn init(&self, password: &Secret) -> Result<Init, ServerError> {
        let parent = self.data_dir.parent().expect("an absolute path with a name has a parent");
        // The folder itself is the lock of its servers' first moments: no file is left behind.
        let held = parent.to_owned();
        let lock = blocking(move || hold(&held)).await.map_err(io_error(parent))?;
        for account in self.accounts.iter().flat_map(|it| [&it.server, &it.setup]) {
            reach(parent, account).map_err(|source| ServerError::Unreachable {
                path: self.data_dir.clone(),
                source,
            })?;
        }
        if self.holds_data()? {
            return Ok(Init::Existed);
        }
        // A name of its own: the initdb of a run that was killed may still write into the last one.
        clear_drafts(&self.data_dir).await.map_err(io_error(parent))?;
        let staging = parent.join(format!("{}{}", stem(&self.data_dir), std::process::id()));
        let made = self.make_data(&staging, password).await;
        // Also after a failure; what cannot be removed now is removed by the next call.
        let _ = std::fs::remove_dir_all(&staging);
        made?;
        lock.sync_all().map_err(io_error(parent))?;
        Ok(Init::Created)
    }

    /// Says whether the data folder is complete and usable; `false` when it is missing or empty.
    fn holds_data(&self) -> Result<bool, ServerError> {
        let path = self.data_dir.clone();
        let found = match path.metadata() {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(io_error(&path)(error)),
        };
        let version = std::fs::read_to_string(path.join("PG_VERSION")).unwrap_or_default();
        if version.is_empty() || !path.join("global/pg_control").exists() {
            let mut entries = std::fs::read_dir(&path).map_err(io_error(&path))?;
            return match entries.next() {
                None => Ok(false),
                Some(_) => Err(ServerError::NotData(path)),
            };
        }
        let (found_major, wanted) = (version.trim().to_owned(), self.binaries.major());
        if found_major != wanted.to_string() {
            return Err(ServerError::OtherMajor { path, found: found_major, wanted });
        }
        match &self.accounts {
            Some(accounts) if accounts.server.uid != found.uid() => Err(ServerError::OtherOwner {
                path,
                found: found.uid(),
                wanted: accounts.server.uid,
            }),
            Some(_) | None => Ok(true),
        }
    }

    async fn make_data(&self, staging: &Path, password: &Secret) -> Result<(), ServerError> {
        let in_staging = io_error(staging);
        let verifier = verifier(password);
        self.prepare(staging, &verifier).map_err(in_staging)?;
        self.run_initdb(staging).await?;
        self.publish(staging).map_err(io_error(staging))
    }

    /// Makes the staging folder and the verifier's file in it, both of the account of initdb.
    fn prepare(&self, staging: &Path, verifier: &str) -> io::Result<()> {
        std::fs::create_dir(staging)?;
        std::fs::set_permissions(staging, Permissions::from_mode(0o700))?;
        let file = staging.join(VERIFIER);
        let mut options = File::options();
        options.write(true).create_new(true).mode(0o600);
        options.open(&file)?.write_all(verifier.as_bytes())?;
        if let Some(accounts) = &self.accounts {
            let (uid, gid) = (accounts.setup.uid, accounts.setup.gid);
            std::os::unix::fs::lchown(&file, Some(uid), Some(gid))?;
            std::os::unix::fs::lchown(staging, Some(uid), Some(gid))?;
        }
        Ok(())
    }

    async fn run_initdb(&self, staging: &Path) -> Result<(), ServerError> {
        let env = ToolEnv::new(environment());
        let tool = Tool::new(&self.binaries.program("initdb"), staging, &env)
            .args(["--username", SUPERUSER, "--encoding=UTF8"])
            .args(["--auth=scram-sha-256", "--data-checksums"])
            .arg(locale_option())
            .arg(concat_path("--pwfile=", &staging.join(VERIFIER)))
            .arg(concat_path("--pgdata=", &staging.join(DATA)))
            .run_as(self.accounts.as_ref().map(|accounts| &accounts.setup));
        let path = self.data_dir.clone();
        run_ok(tool, &mut |_| {})
            .await
            .map(|_| ())
            .map_err(|source| ServerError::Initdb { path, source })
    }

    /// Gives the data to the server's account, sets who may connect, and moves it into its place.
    fn publish(&self, staging: &Path) -> io::Result<()> {
        let data = staging.join(DATA);
        if let Some(accounts) = &self.accounts {
            // First the door is shut: from here on the account of initdb cannot get in.
            std::os::unix::fs::lchown(staging, Some(0), Some(0))?;
            if accounts.setup != accounts.server {
                give_away(&data, &accounts.server)?;
            }
        }
        let hba = data.join("pg_hba.conf");
        std::fs::remove_file(&hba)?;
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&hba)?;
        file.write_all(HBA.as_bytes())?;
        file.sync_all()?;
        if let Some(accounts) = &self.accounts {
            let owner = &accounts.server;
            std::os::unix::fs::fchown(&file, Some(owner.uid), Some(owner.gid))?;
        }
        File::open(&data)?.sync_all()?;
        std::fs::rename(&data, &self.data_dir)
    }

    /// Says how the server is run. The data folder must have been made.
    ///
    /// Everything that dsenv decides is on the command line; `postgresql.conf` and
    /// `ALTER SYSTEM` keep what the owner of the data adds.
    pub fn launch(&self, max_connections: u32) -> Launch {
        let settings = [
            format!("listen_addresses={}", self.address),
            format!("port={}", self.port),
            "unix_socket_directories=".to_owned(),
            "dynamic_shared_memory_type=mmap".to_owned(),
            format!("max_connections={max_connections}"),
            "log_destination=stderr".to_owned(),
            "logging_collector=off".to_owned(),
        ];
        let mut args: Vec<OsString> = vec!["-D".into(), self.data_dir.clone().into()];
        for setting in settings {
            args.extend(["-c".into(), setting.into()]);
        }
        Launch {
            program: self.binaries.program("postgres"),
            args,
            env: environment(),
            folder: self.data_dir.clone(),
            run_as: self.accounts.as_ref().map(|accounts| accounts.server.clone()),
            stop_signal: Signal::INT,
        }
    }

    /// Returns every process of this server, postmaster and backends; Linux only, else none.
    ///
    /// Backends lead their own sessions, so a kill of the postmaster's process group misses them.
    pub fn processes(&self) -> Vec<u32> {
        working_in(&self.data_dir)
    }

    /// Clears what a killed server left in the way of a start.
    ///
    /// After `kill -9` of the postmaster a busy backend keeps the data folder in use, and a zombie
    /// postmaster, or another program that got its pid, passes for a running one. A server that
    /// runs is left alone, and named for the supervisor to adopt.
    pub async fn recover(&self) -> Result<Recovered, ServerError> {
        let file = self.data_dir.join("postmaster.pid");
        let noted = std::fs::read_to_string(&file).unwrap_or_default();
        let noted: Option<u32> = noted.lines().next().and_then(|line| line.trim().parse().ok());
        let working = self.processes();
        if let Some(pid) = noted.filter(|pid| working.contains(pid)) {
            return Ok(Recovered::Running(pid));
        }
        let left = end_all(&self.data_dir).await;
        if !left.is_empty() {
            return Err(ServerError::Stuck { path: self.data_dir.clone(), pids: left });
        }
        // Only a note that PostgreSQL would believe: it clears shared memory by any other.
        if cfg!(target_os = "linux") && noted.is_some_and(has_entry) {
            std::fs::remove_file(&file).map_err(io_error(&file))?;
        }
        Ok(Recovered::Clear(working.len()))
    }

    /// Ends the server when it is one that dsenv started and no supervisor watches any more; says
    /// whether nothing is in the way of a start now. A server that somebody else started on this
    /// data, by other words, is left alone.
    pub async fn end_orphan(&self) -> Result<bool, ServerError> {
        let Recovered::Running(pid) = self.recover().await? else { return Ok(true) };
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let ours = [format!("listen_addresses={}", self.address), format!("port={}", self.port)];
        if !ours.iter().all(|word| words.contains(&word.as_bytes())) {
            return Ok(false);
        }
        let left = end_all(&self.data_dir).await;
        if left.is_empty() {
            return Ok(matches!(self.recover().await?, Recovered::Clear(_)));
        }
        Err(ServerError::Stuck { path: self.data_dir.clone(), pids: left })
    }

    /// Returns once this server answers SQL, and not another one at the same port.
    pub async fn wait_ready(&self, password: &Secret, within: Duration) -> Result<(), ServerError> {
        let mut last = None;
        let ready = async {
            loop {
                match self.connect(SUPERUSER, password, MAINTENANCE_DATABASE).await {
                    Ok(client) => match self.is_own(&client).await {
                        Ok(true) => return Ok(()),
                        Ok(false) => {
                            let (at, path) = (self.at(), self.data_dir.clone());
                            return Err(ServerError::OtherServer { at, path });
                        }
                        // It said nothing of itself: it ends, or starts again.
                        Err(error) => last = Some(error.into()),
                    },
                    Err(error) if is_refusal(&error) => {
                        return Err(ServerError::Password {
                            at: self.at(),
                            role: SUPERUSER.into(),
                            source: error,
                        });
                    }
                    Err(error) => last = Some(error),
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        match tokio::time::timeout(within, ready).await {
            Ok(answer) => answer,
            Err(_) => Err(ServerError::NotReady { at: self.at(), waited: within, last }),
        }
    }

    /// Asks a server whose data it has; one that will not tell is another one.
    async fn is_own(&self, client: &tokio_postgres::Client) -> Result<bool, tokio_postgres::Error> {
        let folder: String = match client.query_one("SHOW data_directory", &[]).await {
            Ok(row) => row.try_get(0)?,
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        Ok(Path::new(&folder).canonicalize().ok() == self.data_dir.canonicalize().ok())
    }

    /// Opens a session; it ends when the client is dropped.
    pub(super) async fn connect(
        &self,
        role: &str,
        password: &Secret,
        database: &str,
    ) -> Result<tokio_postgres::Client, ConnectError> {
        let mut config = tokio_postgres::Config::new();
        config.host(self.address.to_string()).port(self.port).connect_timeout(CONNECT_WITHIN);
        config.user(role).password(password.expose()).dbname(database).application_name("dsenv");
        // The limit of the configuration is that of the connection alone, not of what is said then.
        let connected = tokio::time::timeout(CONNECT_WITHIN, config.connect(tokio_postgres::NoTls));
        let (client, connection) = connected.await.map_err(|_| ConnectError::Silent)??;
        // The client reports what the connection dies of.
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }
}

/// The password and the right to connect are what no waiting changes.
fn is_refusal(error: &ConnectError) -> bool {
    let refusals = [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION];
    error.code().is_some_and(|code| refusals.contains(code))
}

const VERIFIER: &str = "verifier";
const DATA: &str = "data";

/// Returns what PostgreSQL stores of a password: it proves one and does not reveal it.
pub(super) fn verifier(password: &Secret) -> String {
    postgres_protocol::password::scram_sha_256(password.expose().as_bytes())
}

/// `LANG=C` would make the encoding SQL_ASCII, and the user's locale may be one that is not
/// installed; the time zone is the one of every cloud.
fn environment() -> Vec<(OsString, OsString)> {
    [("LC_ALL", locale()), ("PATH", "/usr/bin:/bin"), ("TZ", "UTC")]
        .map(|(name, value)| (name.into(), value.into()))
        .into()
}

/// A locale that every system of its sort has: UTF-8, sorted by code point.
fn locale() -> &'static str {
    if cfg!(target_os = "macos") { "en_US.UTF-8" } else { "C.UTF-8" }
}

fn locale_option() -> String {
    format!("--locale={}", locale())
}

fn concat_path(option: &str, path: &Path) -> OsString {
    let mut text = OsString::from(option);
    text.push(path);
    text
}

/// Changes the owner of a tree. Every step is relative to an open folder and follows no link, so
/// that a name that is swapped meanwhile cannot lead out of the tree.
fn give_away(tree: &Path, owner: &Account) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    give_folder_away(open(tree, flags, Mode::empty())?, owner)
}

fn give_folder_away(folder: OwnedFd, owner: &Account) -> io::Result<()> {
    use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, fchown, openat};
    let (uid, gid) = (Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)));
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if entry.file_type() == FileType::Directory {
            give_folder_away(openat(&folder, name, flags, Mode::empty())?, owner)?;
        } else {
            chownat(&folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
    }
    Ok(fchown(&folder, uid, gid)?)
}

/// Makes a folder that several servers share, and locks it. Blocks while another one works in it.
fn hold(folder: &Path) -> io::Result<File> {
    loop {
        create_enterable(folder)?;
        if let Some(lock) = lock_of(folder)? {
            return Ok(lock);
        }
    }
}

/// Removes a folder that servers share when nothing is in it and nobody is about to put something
/// there. Blocks while another one works in it.
pub(crate) fn leave(folder: &Path) -> io::Result<()> {
    let Some(_lock) = lock_of(folder)? else { return Ok(()) };
    match std::fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        removed => removed,
    }
}

/// Locks a folder; `None` when it is not there, or not any more: another environment may remove it
/// between the opening and the locking, and what is locked then is no longer what the path leads to.
fn lock_of(folder: &Path) -> io::Result<Option<File>> {
    let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let lock = match File::open(folder) {
        Err(error) if missing(&error) => return Ok(None),
        opened => opened?,
    };
    lock.lock()?;
    let held = lock.metadata()?;
    match folder.metadata() {
        Err(error) if missing(&error) => Ok(None),
        found => {
            let found = found?;
            let same = (found.dev(), found.ino()) == (held.dev(), held.ino());
            Ok(same.then_some(lock))
        }
    }
}

/// What the names of drafts of a data folder begin with.
fn stem(data_dir: &Path) -> String {
    let name = data_dir.file_name().expect("an absolute path with a name").to_string_lossy();
    format!(".{name}.init-")
}

/// Removes what interrupted runs of `init` left. An initdb may outlive its run by a second and goes on
/// writing meanwhile, so a folder that fills again is tried again.
pub(crate) async fn clear_drafts(data_dir: &Path) -> io::Result<()> {
    let parent = data_dir.parent().expect("an absolute path with a name has a parent");
    let entries = match std::fs::read_dir(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let stem = stem(data_dir);
    let mut waited_ms = 0;
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(&stem) {
            continue;
        }
        loop {
            match std::fs::remove_dir_all(entry.path()) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) if waited_ms >= ORPHAN_INITDB_MS => return Err(error),
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(CLEAR_EVERY_MS)).await;
                    waited_ms += CLEAR_EVERY_MS;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_folder_is_not_removed_under_one_who_works_in_it() {
        let place = tempfile::tempdir().expect("a folder");
        let shared = place.path().join("servers");
        let work = &|name: String| {
            for round in 0..300 {
                let lock = hold(&shared).expect("it can be made");
                let own = shared.join(&name);
                std::fs::create_dir(&own)
                    .unwrap_or_else(|error| panic!("{name}, round {round}: {error}"));
                drop(lock);
                std::fs::remove_dir(&own).expect("it is ours");
                leave(&shared).expect("it is ours");
            }
        };
        std::thread::scope(|scope| {
            for number in 0..4 {
                scope.spawn(move || work(number.to_string()));
            }
        });
        assert!(!shared.exists(), "the last one removes it");
    }
}
