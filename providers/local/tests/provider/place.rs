//! A folder with an environment, and the certainty that nothing of it is left after the test.

use dsenv_local::provider;
use dsenv_sdk::provider::{
    Create, DataFate, Delete, Native, Neutral, Observed, OnDestroy, OpError, Operate, Owner, Prior,
    Progress, Setup, Surroundings, Token, Update, Use, Want,
};
use dsenv_sdk::seal::SealKey;
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Connection, Provider, Term};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long any condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);

/// An environment of one test.
pub(crate) struct Place {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) connection: Arc<dyn Connection>,
    pub(crate) dir: PathBuf,
    pub(crate) pins: Mutex<BTreeMap<String, Value>>,
    /// What was created, in order.
    made: Mutex<Vec<Made>>,
    setup: Setup,
}

#[derive(Clone)]
struct Made {
    addr: Addr,
    ty: &'static str,
    token: Token,
    args: Map,
    observed: Observed,
}

/// Runs a test with an environment of its own; afterwards closes it and looks for what is left.
pub(crate) fn with_place(test: impl AsyncFnOnce(&Place)) {
    let temporary = tempfile::tempdir().expect("a folder");
    // As root, a database's server has an account of its own and must get to its data.
    open_to_all(temporary.path());
    let root = temporary.path().canonicalize().expect("a real folder");
    block_on(async {
        let place = Place::new(&root).await;
        let result =
            futures::future::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(test(&place)))
                .await;
        if let Err(panic) = result {
            // What a failed test made is taken away, so that the next one is alone.
            place.delete_all().await.ok();
            place.connection.close_environment(&[]).await.ok();
            processes_with(&place.dir).into_iter().for_each(kill);
            std::panic::resume_unwind(panic);
        }
        place.delete_all().await.expect("everything is deleted");
        let left = place.connection.inventory(None).await.expect("an inventory");
        assert_eq!(left, [], "objects left behind");
        let blocks = place.blocks();
        place.connection.close_environment(&[]).await.expect("closed");
        place.connection.close_environment(&[]).await.expect("closed twice");
        let left = processes_with(&place.dir);
        left.iter().copied().for_each(kill);
        assert_eq!(left, [0_u32; 0], "processes left behind");
        assert!(!place.dir.exists(), "files left: {:?}", files_below(&place.dir));
        let listeners = listeners();
        let held = |block: &String| listeners.iter().any(|address| address.starts_with(block));
        assert!(!blocks.iter().any(held), "ports left behind: {listeners:?}");
    });
}

/// Runs a future on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().expect("a runtime").block_on(future)
}

impl Place {
    async fn new(root: &Path) -> Place {
        let provider = provider();
        let dir = root.join("state/local");
        #[allow(clippy::disallowed_methods, reason = "a test's own door to the environment")]
        let variables = std::env::vars().collect();
        let setup = Setup {
            owner: Owner {
                blueprint: "bench".into(),
                environment: "dev".into(),
                lineage: format!("lineage of {}", root.display()),
            },
            dir: dir.clone(),
            cache: root.join("cache"),
            key: SealKey::derive("dsenv local provider tests", b"a fixed secret"),
            variables,
            account: None,
            region: None,
            resolver: None,
        };
        let connection = provider.connect(setup.clone()).await.expect("connected");
        assert!(!dir.exists(), "connecting leaves no trace");
        let (pins, made) = (Mutex::default(), Mutex::default());
        Place { provider, connection, dir, pins, made, setup }
    }

    /// A second connection, as another command has it.
    pub(crate) async fn reconnect(&self) -> Arc<dyn Connection> {
        self.provider.connect(self.setup.clone()).await.expect("connected")
    }

    /// What one does from day to day.
    pub(crate) fn operate(&self) -> &dyn Operate {
        self.connection.operate().expect("local can be operated")
    }

    /// Lowers a resource and creates all of its nodes, in their order.
    pub(crate) async fn apply(&self, resource: &Neutral) -> Result<Observed, OpError> {
        for want in self.wants(resource) {
            let pinned = self.connection.pin(&want, &|_| {}).await?;
            self.pins.lock().expect("pins").insert(want.pin.to_string(), pinned);
        }
        let mut main = None;
        for native in self.lower(resource) {
            let addr = Addr { part: native.part.clone(), ..resource.addr.clone() };
            let args = self.settle(&native.args);
            let observed = self.create(&addr, native.ty, &args).await?;
            if native.part.is_none() {
                main = Some(observed);
            }
        }
        Ok(main.expect("one main node"))
    }

    pub(crate) fn wants(&self, resource: &Neutral) -> Vec<Want> {
        let pins = self.pins.lock().expect("pins");
        self.provider.wants(resource, &Surroundings::new("bench", "dev", &pins))
    }

    pub(crate) fn lower(&self, resource: &Neutral) -> Vec<Native> {
        let pins = self.pins.lock().expect("pins");
        let around = Surroundings::new("bench", "dev", &pins);
        self.provider.lower(resource, &around)
    }

    /// Creates one node as the engine does.
    pub(crate) async fn create(
        &self,
        addr: &Addr,
        ty: &str,
        args: &Map,
    ) -> Result<Observed, OpError> {
        let ty = self.provider.native_type(ty).expect("a native type");
        let token = Token::new(&self.setup.owner.lineage, addr, 1);
        let begun_before_ms = None;
        let create = Create { addr, ty, token: &token, args, begun_before_ms, watch: &|_| {} };
        let Progress::Done(observed) = self.connection.create(create).await? else {
            panic!("local never accepts");
        };
        let made = Made {
            addr: addr.clone(),
            ty: ty.name,
            token,
            args: args.clone(),
            observed: observed.clone(),
        };
        self.made.lock().expect("made").push(made);
        Ok(observed)
    }

    /// Changes one node in place.
    pub(crate) async fn update(&self, addr: &Addr, args: &Map) -> Result<Observed, OpError> {
        let made = self.made_at(addr);
        let ty = self.provider.native_type(made.ty).expect("a native type");
        let prior = prior(&made);
        let prior_args = &made.args;
        let update = Update { addr, ty, prior: &prior, prior_args, args, watch: &|_| {} };
        match self.connection.update(update).await? {
            Progress::Done(observed) => Ok(observed),
            Progress::Accepted(_) => panic!("local never accepts"),
        }
    }

    /// Reads one node again.
    pub(crate) async fn read(&self, addr: &Addr) -> Option<Observed> {
        let made = self.made_at(addr);
        let ty = self.provider.native_type(made.ty).expect("a native type");
        let read = self.connection.read_many(ty, &[prior(&made)]).await.expect("read");
        read.into_iter().next().expect("one answer")
    }

    /// The arguments that a node was created with.
    pub(crate) fn args(&self, addr: &Addr) -> Map {
        self.made_at(addr).args
    }

    /// What a node's creation observed.
    pub(crate) fn values(&self, addr: &str) -> Map {
        self.made_at(&addr.parse().expect("an address")).observed.values
    }

    fn made_at(&self, addr: &Addr) -> Made {
        let made = self.made.lock().expect("made");
        made.iter().rfind(|made| made.addr == *addr).expect("it was made").clone()
    }

    /// Deletes everything, last made first.
    pub(crate) async fn delete_all(&self) -> Result<(), OpError> {
        let made: Vec<Made> = std::mem::take(&mut *self.made.lock().expect("made"));
        for made in made.into_iter().rev() {
            self.delete_made(&made, DataFate::Delete).await?;
        }
        Ok(())
    }

    /// Deletes one node.
    pub(crate) async fn delete(&self, addr: &str, data: DataFate) -> Result<(), OpError> {
        self.delete_made(&self.made_at(&addr.parse().expect("an address")), data).await
    }

    async fn delete_made(&self, made: &Made, data: DataFate) -> Result<(), OpError> {
        let ty = self.provider.native_type(made.ty).expect("a native type");
        let (addr, prior, prior_args) = (&made.addr, &prior(made), &made.args);
        let delete = Delete { addr, ty, prior, prior_args, data, watch: &|_| {} };
        self.connection.delete(delete).await.map(drop)
    }

    /// Fills references in with what was made.
    fn settle(&self, args: &BTreeMap<String, Term>) -> Map {
        args.iter().map(|(name, term)| (name.clone(), self.settled(term))).collect()
    }

    fn settled(&self, term: &Term) -> Value {
        match term {
            Term::Known(value) => value.clone(),
            Term::Ref(reference) => {
                let values = self.made_at(&reference.addr).observed.values;
                let value = reference.path[1..]
                    .iter()
                    .try_fold(&values[&*reference.path[0]], |value, step| value.step(step));
                value.expect("what is referred to is there").clone()
            }
            Term::List(items) => Value::List(items.iter().map(|it| self.settled(it)).collect()),
            Term::Map(entries) => Value::Map(self.settle(entries)),
            Term::NotLocked(pin) => panic!("{pin} is not locked"),
            Term::Expr(expr) => panic!("{expr:?} in a test"),
        }
    }

    /// The first three numbers of every block of addresses that the environment has.
    pub(crate) fn blocks(&self) -> Vec<String> {
        let Ok(text) = std::fs::read_to_string(self.dir.join("addresses.json")) else {
            return Vec::new();
        };
        let book: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let blocks = book["blocks"].as_object().expect("blocks");
        let prefix = |id: &serde_json::Value| {
            id.as_str().expect("a text").trim_end_matches("0/24").to_owned()
        };
        blocks.values().map(prefix).collect()
    }
}

fn prior(made: &Made) -> Prior {
    Prior { addr: made.addr.clone(), token: made.token.clone(), observed: made.observed.clone() }
}

/// A resource with these fields, as JSON.
pub(crate) fn resource(name: &str, kind: &'static str, fields: serde_json::Value) -> Neutral {
    let fields = match value(fields) {
        Value::Map(fields) => fields.into_iter().map(|(k, v)| (k, Term::Known(v))).collect(),
        other => panic!("{other} is no map"),
    };
    let addr = Addr::resource(name);
    let (uses, network) = (Vec::new(), None);
    Neutral {
        addr,
        kind,
        fields,
        uses,
        network,
        on_destroy: OnDestroy::Delete,
        access: Vec::new(),
        tags: BTreeMap::new(),
        owner: None,
        protect: false,
    }
}

/// The same resource, using others.
pub(crate) fn using(mut resource: Neutral, uses: Vec<Use>) -> Neutral {
    resource.uses = uses;
    resource
}

/// JSON as a value.
pub(crate) fn value(json: serde_json::Value) -> Value {
    dsenv_sdk::value::wire::decode::<()>(json, &mut |_| panic!("no secrets")).expect("a value")
}

/// JSON as a map.
pub(crate) fn map(json: serde_json::Value) -> Map {
    value(json).as_map().expect("a map").clone()
}

/// The command of a service that this binary is, for a service of this name.
pub(crate) fn serve_command(service: &str) -> String {
    let binary = std::env::current_exe().expect("this binary");
    format!("exec {} serve ${{self.address}}:${{self.ports.{service}}}", binary.display())
}

/// Asks a service and returns what it said.
pub(crate) async fn get(url: &str) -> std::io::Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut text = Vec::new();
    // A service of a test closes when it has answered; its answer may come in several parts.
    stream.read_to_end(&mut text).await?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Looks until something is found.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    #[allow(clippy::disallowed_methods, reason = "these are real processes, in real time")]
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Says that a test could not run, and why; where everything must run, that is a failure.
#[allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a test's own door")]
pub(crate) fn skipped(missing: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "missing: {missing}");
    println!("SKIPPED: {missing}");
}

/// The major version of an installed PostgreSQL.
pub(crate) fn postgres_version() -> Option<String> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let mut versions: Vec<String> = versions
        .filter(|entry| entry.path().join("bin/initdb").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    versions.sort();
    versions.pop()
}

/// Sends SIGKILL to one process.
pub(crate) fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a pid");
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

/// Returns whether the process lives; a zombie does not.
pub(crate) fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(") ").map(|(_, rest)| !rest.starts_with(['Z', 'X'])))
        .unwrap_or(false)
}

/// Returns the living processes that name a folder in their command line or environment, or work in
/// it, save this one.
pub(crate) fn processes_with(dir: &Path) -> Vec<u32> {
    let text = dir.to_str().expect("UTF-8");
    let pids = std::fs::read_dir("/proc").expect("/proc").flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != std::process::id() && alive(*pid))
        .filter(|pid| {
            let names = ["cmdline", "environ"].iter().any(|file| {
                std::fs::read(format!("/proc/{pid}/{file}"))
                    .is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text))
            });
            let works = std::fs::read_link(format!("/proc/{pid}/cwd"))
                .is_ok_and(|cwd| cwd.to_string_lossy().contains(text));
            names || works
        })
        .collect()
}

/// The daemon or the guard of an environment, by its hidden verb.
pub(crate) fn supervisors(dir: &Path) -> Vec<u32> {
    let folder = dir.join("supervisor");
    let is_one = |pid: &u32| {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|bytes| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let words: Vec<&str> = text.split('\0').collect();
            words.get(2) == folder.to_str().as_ref()
        })
    };
    let mut pids = processes_with(&folder);
    pids.retain(is_one);
    pids
}

/// Every file below a folder.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_below(&entry.path())),
            _ => files.push(entry.path()),
        }
    }
    files
}

/// Every listening IPv4 address of this machine, `127.64.3.9:8888`.
pub(crate) fn listeners() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
    let listening = |line: &str| {
        let mut fields = line.split_whitespace();
        let (local, state) = (fields.nth(1)?, fields.nth(1)?);
        let (address, port) = local.split_once(':')?;
        let address = u32::from_str_radix(address, 16).ok()?.to_ne_bytes();
        let port = u16::from_str_radix(port, 16).ok()?;
        let [a, b, c, d] = address;
        (state == "0A").then(|| format!("{a}.{b}.{c}.{d}:{port}"))
    };
    table.lines().skip(1).filter_map(listening).collect()
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, open).expect("ours");
}
