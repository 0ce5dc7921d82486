//! A folder with a blueprint, a home, and the certainty that nothing is left of it afterwards.
//!
//! ## Why
//! The environment of the program is cleared but for what finds programs and packages, so that the
//! machine of whoever runs the tests has no say in them. The cache is kept between runs: it holds
//! what costs a download, and the register of loopback addresses, which places share as the
//! environments of one user do.

#![allow(clippy::disallowed_methods, reason = "the door of these tests to time and processes")]

use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// No command of these tests may take longer, save the first one of a workbench.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

const PASSED_ON: [&str; 7] = [
    "PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
];

/// The program under test: a link of our own, so that a build meanwhile changes nothing here.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let built = Path::new(env!("CARGO_BIN_EXE_dsenv"));
        let link = kept("program").join(format!("dsenv-{}", std::process::id()));
        for old in std::fs::read_dir(kept("program")).expect("our folder").flatten() {
            let name = old.file_name().to_string_lossy().into_owned();
            let owner = name.trim_start_matches("dsenv-");
            if !Path::new("/proc").join(owner).exists() {
                let _ = std::fs::remove_file(old.path());
            }
        }
        match std::fs::hard_link(built, &link) {
            Ok(()) => link,
            Err(_) => built.to_owned(),
        }
    })
}

/// A folder that is kept between runs.
pub(crate) fn kept(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real").join(name);
    std::fs::create_dir_all(&folder).expect("the target folder is ours");
    folder
}

/// Says what a test could not have; in CI that is a failure.
#[allow(clippy::print_stdout, reason = "a test speaks to its runner")]
pub(crate) fn skipped(missing: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "missing: {missing}");
    println!("SKIPPED: {missing}");
}

/// The major version of a PostgreSQL of this machine; 18, which is fetched, where there is none.
pub(crate) fn postgres_version() -> String {
    let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let versions = folders
        .filter(|folder| folder.path().join("bin/initdb").exists())
        .filter_map(|folder| folder.file_name().to_str()?.parse::<u32>().ok());
    versions.max().unwrap_or(18).to_string()
}

/// A folder with a blueprint and a home.
pub(crate) struct Place {
    root: PathBuf,
    blueprint: String,
    /// The environments on this machine that the blueprint has.
    environments: Vec<&'static str>,
    /// What its commands find in their environment beside what finds programs.
    variables: BTreeMap<&'static str, String>,
    _temporary: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) took: Duration,
}

/// A command that is under way.
pub(crate) struct Running {
    pub(crate) child: Child,
    out: Receiver<Vec<u8>>,
    err: Receiver<Vec<u8>>,
    began: Instant,
}

impl Place {
    /// A place with this `dsenv.yaml`, whose one environment is `dev`.
    pub(crate) fn new(blueprint: &str) -> Place {
        Place::with_environments(blueprint, vec!["dev"])
    }

    /// The same, with these environments.
    pub(crate) fn with_environments(blueprint: &str, environments: Vec<&'static str>) -> Place {
        use std::os::unix::fs::PermissionsExt;
        let temporary = tempfile::Builder::new().prefix("dsenv-real-").tempdir().expect("a folder");
        let root = temporary.path().canonicalize().expect("a real folder");
        // Where root runs the tests, the database's account must be able to enter.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&root, open).expect("our folder");
        std::fs::create_dir(root.join("home")).expect("a home");
        let blueprint = blueprint.to_owned();
        let variables = BTreeMap::new();
        let place = Place { root, blueprint, environments, variables, _temporary: temporary };
        place.write("dsenv.yaml", &place.blueprint);
        place
    }

    /// The same place, whose commands find these in their environment.
    pub(crate) fn with_variables(mut self, variables: BTreeMap<&'static str, String>) -> Place {
        self.variables = variables;
        self
    }

    /// The same place, whose commands find this one too.
    pub(crate) fn with_variable(mut self, name: &'static str, value: String) -> Place {
        self.variables.insert(name, value);
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("our folder is writable");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("the file is there")
    }

    /// Replaces a piece of a file, which must have it.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "`{name}` has `{from}`");
        self.write(name, &text.replacen(from, to, 1));
    }

    /// The program in this place: without arguments, without input, with little environment.
    pub(crate) fn command(&self) -> Command {
        self.wrapped(&[])
    }

    /// The same, behind other words: `setpriv ... dsenv`.
    pub(crate) fn wrapped(&self, before: &[&str]) -> Command {
        let mut command = match before.split_first() {
            None => Command::new(program()),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program());
                command
            }
        };
        self.surround(&mut command);
        command
    }

    /// Gives a command the folder and the environment of this place.
    pub(crate) fn surround(&self, command: &mut Command) {
        command.current_dir(&self.root).env_clear().stdin(Stdio::null());
        for (name, value) in std::env::vars_os() {
            let known = name.to_str().unwrap_or_default();
            if PASSED_ON.contains(&known) || known.starts_with("PIP_") {
                command.env(&name, value);
            }
        }
        command.env("HOME", self.path("home")).env("XDG_CACHE_HOME", kept("cache"));
        command.envs(&self.variables);
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command();
        command.args(arguments);
        start(command).end()
    }

    /// Runs it and demands that it succeeds.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "dsenv {arguments:?}\n{}\n{}", ran.out, ran.err);
        ran
    }

    /// Runs it with `--json` and returns what it prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> Json {
        let ran = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}\n{}", ran.out))
    }

    pub(crate) fn apply(&self) -> Ran {
        self.ok(&["apply", "-e", "dev", "--yes"])
    }

    /// Demands that a plan has nothing to do.
    pub(crate) fn is_settled(&self) {
        let ran = self.run(&["plan", "-e", "dev", "--detailed-exitcode"]);
        assert_eq!(ran.code, 0, "the plan is empty\n{}\n{}", ran.out, ran.err);
    }

    /// What the state lists, by address: its remote id.
    pub(crate) fn resources(&self) -> BTreeMap<String, String> {
        let listed = self.json(&["state", "list", "-e", "dev"]);
        let text = |row: &Json, key: &str| row[key].as_str().expect("a text").to_owned();
        let rows = listed.as_array().expect("a list").iter();
        rows.map(|row| (text(row, "address"), text(row, "remote_id"))).collect()
    }

    /// Every file that a refused command must leave as it was, with its bytes.
    ///
    /// Left out are the lock of the state, whose counter tells who had it, and the provider's own
    /// folder, where services write meanwhile.
    pub(crate) fn kept_files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.root, &mut files);
        let own = |path: &Path| {
            let text = path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy();
            text.contains("/local/")
                || text.ends_with("/lock.json")
                || text.ends_with("/lock.guard")
        };
        files.retain(|path, _| !own(path));
        files
    }

    /// Runs a command that must change nothing, and be refused with this exit code and this code.
    pub(crate) fn refuses(&self, arguments: &[&str], exit: i32, code: &str) -> Ran {
        let before = (self.kept_files(), self.processes().len());
        let ran = self.run(arguments);
        let shown = format!("dsenv {arguments:?}\n{}\n{}", ran.out, ran.err);
        assert_eq!(ran.code, exit, "{shown}");
        assert!(ran.err.contains(&format!("error[{code}]")), "{code}: {shown}");
        let after = (self.kept_files(), self.processes().len());
        let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&before.0), names(&after.0), "the files are the same\n{shown}");
        assert!(before.0 == after.0, "every file is byte for byte the same\n{shown}");
        assert_eq!(before.1, after.1, "no process was started\n{shown}");
        ran
    }

    /// The living processes that belong to this place.
    pub(crate) fn processes(&self) -> Vec<u32> {
        processes_of(&self.root)
    }

    /// The guard and the daemon of this place, where they run.
    pub(crate) fn supervisor(&self) -> Vec<(String, u32)> {
        let verb = |pid: u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let verb = line.split(|byte| *byte == 0).nth(1)?;
            let verb = String::from_utf8_lossy(verb).into_owned();
            verb.starts_with("__").then_some((verb, pid))
        };
        self.processes().into_iter().filter_map(verb).collect()
    }

    fn applied(&self, environment: &str) -> bool {
        let folder = self.root.join(".dsenv");
        let blueprints = std::fs::read_dir(folder).into_iter().flatten().flatten();
        blueprints.into_iter().any(|entry| entry.path().join(environment).exists())
    }

    /// Destroys every environment and returns what is wrong with what remains.
    fn tear_down(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let blocks = self.blocks();
        let ours = self.databases();
        self.write("dsenv.yaml", &self.blueprint);
        for environment in self.environments.iter().filter(|it| self.applied(it)) {
            let ran = self.run(&["destroy", "-e", environment, "--yes"]);
            if ran.code != 0 {
                wrong.push(format!("destroy ends with {}: {}{}", ran.code, ran.out, ran.err));
            }
        }
        for pid in self.processes() {
            wrong.push(format!("process {pid} is left: {}", describe(pid)));
            kill(pid);
        }
        for listener in listeners().into_iter().filter(|it| blocks.contains(&block_of(*it.ip()))) {
            wrong.push(format!("something listens on {listener}"));
        }
        if let (false, Ok(elsewhere)) = (ours.is_empty(), std::fs::read_dir("/var/lib/dsenv")) {
            let names = elsewhere.flatten().map(|it| it.file_name().to_string_lossy().into_owned());
            let left = names.filter(|name| ours.iter().any(|id| name.contains(id.as_str())));
            wrong.extend(left.map(|name| format!("`/var/lib/dsenv/{name}` is left")));
        }
        let mut files = BTreeMap::new();
        collect(&self.root.join(".dsenv"), &mut files);
        for file in files.keys() {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let expected = ["state.json", "lock.json", "lock.guard", "pins.guard", "errors.jsonl"]
                .contains(&name)
                || file.components().any(|part| part.as_os_str() == "history");
            if !expected {
                wrong.push(format!("`{}` is left", file.display()));
            }
        }
        wrong
    }

    /// The remote ids of this place's databases: root keeps their data outside of the place.
    pub(crate) fn databases(&self) -> Vec<String> {
        let mut files = BTreeMap::new();
        collect(&self.root.join(".dsenv"), &mut files);
        let objects = files.iter().filter(|(path, _)| path.to_string_lossy().contains("/objects/"));
        let read = |bytes: &Vec<u8>| serde_json::from_slice::<Json>(bytes).ok();
        objects
            .filter_map(|(_, bytes)| read(bytes))
            .filter(|object| object["type"] == "local.postgres")
            .filter_map(|object| object["remote_id"].as_str().map(str::to_owned))
            .collect()
    }

    /// The loopback blocks of this place, by the register that all environments share.
    fn blocks(&self) -> Vec<[u8; 3]> {
        let register = kept("cache").join("dsenv/addresses/blocks.json");
        let Ok(text) = std::fs::read_to_string(register) else { return Vec::new() };
        let register: Json = serde_json::from_str(&text).expect("the register is JSON");
        let ours = |it: &Json| {
            it["dir"].as_str().is_some_and(|dir| Path::new(dir).starts_with(&self.root))
        };
        let blocks = register["blocks"].as_object().expect("blocks").iter();
        blocks
            .filter(|(_, holder)| ours(holder))
            .map(|(block, _)| {
                let address = block.split('/').next().expect("a part").parse().expect("an address");
                block_of(address)
            })
            .collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A second panic while one is under way would end all tests.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.tear_down()));
        } else {
            let wrong = self.tear_down();
            assert!(wrong.is_empty(), "left behind:\n{}", wrong.join("\n"));
        }
    }
}

impl Ran {
    /// Demands that stderr has all of these, in this order.
    pub(crate) fn says(&self, pieces: &[&str]) -> &Ran {
        let mut rest = &self.err[..];
        for piece in pieces {
            let Some(at) = rest.find(piece) else {
                panic!("stderr lacks `{piece}` (after what came before it):\n{}", self.err);
            };
            rest = &rest[at + piece.len()..];
        }
        self
    }

    /// The events that `apply --json` printed.
    pub(crate) fn events(&self) -> Vec<Json> {
        let read =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.out.lines().map(read).collect()
    }
}

/// Starts a command; both of its outputs are read while it runs.
pub(crate) fn start(mut command: Command) -> Running {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn().expect("the program starts");
    let out = read_all(child.stdout.take().expect("a pipe"));
    let err = read_all(child.stderr.take().expect("a pipe"));
    Running { child, out, err, began }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (to, from) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = to.send(bytes);
    });
    from
}

impl Running {
    /// Waits for the end of the program, and of whoever else holds its outputs: a supervisor that
    /// did would make `$(dsenv apply)` hang.
    pub(crate) fn end(self) -> Ran {
        self.end_within(PATIENCE)
    }

    /// The same, for what may take longer.
    pub(crate) fn end_within(mut self, patience: Duration) -> Ran {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            if self.began.elapsed() > patience {
                let _ = self.child.kill();
                panic!("the program does not end");
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = self.began.elapsed();
        let text = |from: Receiver<Vec<u8>>| {
            let bytes = from.recv_timeout(Duration::from_secs(10));
            let bytes = bytes.expect("nobody holds the pipe after the program's end");
            String::from_utf8(bytes).expect("what is printed is UTF-8")
        };
        use std::os::unix::process::ExitStatusExt;
        let code = status.code().unwrap_or_else(|| -status.signal().unwrap_or(0));
        Ran { code, out: text(self.out), err: text(self.err), took }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).expect("a pid");
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Looks until something is found.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "never came true: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for a moment of a run; not for a condition.
pub(crate) fn wait(time: Duration) {
    std::thread::sleep(time);
}

pub(crate) fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a pid");
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn describe(pid: u32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// The living processes that name the folder in command line or environment, or work in it.
fn processes_of(root: &Path) -> Vec<u32> {
    let text = root.to_str().expect("UTF-8");
    let names = |pid: u32| {
        let read = |file| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let works_in = std::fs::read_link(format!("/proc/{pid}/cwd"));
        works_in.is_ok_and(|cwd| cwd.starts_with(root))
            || ["cmdline", "environ"]
                .iter()
                .any(|file| String::from_utf8_lossy(&read(file)).contains(text))
    };
    let pids = std::fs::read_dir("/proc").expect("/proc").flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != std::process::id() && names(*pid) && alive(*pid))
        .collect()
}

fn block_of(address: Ipv4Addr) -> [u8; 3] {
    let [a, b, c, _] = address.octets();
    [a, b, c]
}

/// Who listens on IPv4 on this machine.
pub(crate) fn listeners() -> Vec<SocketAddrV4> {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("/proc");
    let read = |line: &str| {
        let mut words = line.split_whitespace();
        let (address, port) = words.nth(1)?.split_once(':')?;
        // State 0A is LISTEN; the words after the local one are the remote one and the state.
        (words.nth(1)? == "0A").then_some(())?;
        let address = u32::from_str_radix(address, 16).ok()?.to_le_bytes();
        Some(SocketAddrV4::new(address.into(), u16::from_str_radix(port, 16).ok()?))
    };
    table.lines().skip(1).filter_map(read).collect()
}

fn collect(folder: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&path, into),
            Ok(kind) if kind.is_file() => {
                let bytes = std::fs::read(&path).unwrap_or_default();
                into.insert(path, bytes);
            }
            _ => {}
        }
    }
}
