//! From day to day: `logs`, `ssh`, `exec`, `connect`.

use super::setting::{Setting, address};
use super::{Exit, terminal};
use crate::blueprint::listed;
use crate::diag::{Code, Diagnostic, suggest};
use crate::drive::{Front, Problem};
use crate::report::outputs::{self, Secrets};
use crate::retry;
use crate::state::State;
use crate::store::Loaded;
use clap::Args;
use dsenv_sdk::provider::{Connection, Entry, GRANT, OpError, Operate, variable_stem};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, kinds};
use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::Arc;

/// How much of a log is read to show its last lines.
const LOG_TAIL_BYTES_MAX: u64 = 1 << 20;
const LOG_POLL_MS: u64 = 300;

#[derive(Args)]
pub(super) struct LogsTyped {
    /// The machine, member, database or bucket.
    #[arg(value_name = "ADDR")]
    address: String,
    /// Only this service.
    #[arg(long)]
    service: Option<String>,
    /// How many of the last lines.
    #[arg(short = 'n', long, default_value_t = 50)]
    lines: usize,
    /// Goes on with what is written.
    #[arg(long)]
    follow: bool,
}

#[derive(Args)]
pub(super) struct SshTyped {
    /// The machine, pool member or database.
    #[arg(value_name = "ADDR")]
    address: String,
}

#[derive(Args)]
pub(super) struct ExecTyped {
    /// The machine, pool member or database.
    #[arg(value_name = "ADDR")]
    address: String,
    /// The command.
    #[arg(required = true, last = true)]
    command: Vec<String>,
}

#[derive(Args)]
pub(super) struct ConnectTyped {
    /// The database or bucket.
    #[arg(value_name = "ADDR")]
    address: String,
    /// Prints passwords and keys in clear.
    #[arg(long = "show-secrets")]
    show_secrets: bool,
}

/// What a command does to a resource, and to which kinds it can.
struct Deed {
    /// Behind "can be": `entered`.
    done: &'static str,
    kinds: Vec<&'static str>,
}

fn entered() -> Deed {
    Deed { done: "entered", kinds: vec!["machine", "pool", "database"] }
}

fn with_logs() -> Deed {
    Deed { done: "asked for logs", kinds: vec!["machine", "pool", "database", "bucket"] }
}

fn connected_to() -> Deed {
    let kinds = kinds::KINDS.iter().filter(|kind| !kind.connection.is_empty());
    Deed { done: "connected to", kinds: kinds.map(|kind| kind.name).collect() }
}

fn applied(setting: &Setting) -> Result<(Front, Loaded), Problem> {
    let front = setting.front()?;
    let loaded = setting.site.load(&front)?;
    if loaded.state.resources.is_empty() {
        let message = "nothing was applied in this environment yet";
        let help = "`dsenv apply` makes it";
        return Err(Problem::refused(Diagnostic::error(Code::E0814, message).help(help)));
    }
    Ok((front, loaded))
}

pub(super) async fn connection(setting: &Setting) -> Result<Arc<dyn Connection>, Problem> {
    let (front, loaded) = applied(setting)?;
    let store = setting.site.store(&front)?;
    setting.site.connect(&front, &store, &loaded).await
}

/// Connects, for a command about one resource; refuses a name that is not there, or that is of a
/// kind to which this cannot be done.
async fn connection_to(
    setting: &Setting,
    typed: &str,
    deed: &Deed,
) -> Result<(Addr, Arc<dyn Connection>), Problem> {
    let (front, loaded) = applied(setting)?;
    let addr = find(&loaded.state, typed, deed)?;
    let store = setting.site.store(&front)?;
    Ok((addr, setting.site.connect(&front, &store, &loaded).await?))
}

fn find(state: &State, typed: &str, deed: &Deed) -> Result<Addr, Problem> {
    let addr = address(typed)?;
    let named = state.resources.iter().find(|(known, _)| addr.covers(known));
    let fits = |kind: &str| deed.kinds.contains(&kind);
    let fitting = state.resources.iter().filter(|(_, resource)| fits(&resource.kind));
    let fitting: BTreeSet<String> = fitting.map(|(known, _)| known.owner().to_string()).collect();
    let names: Vec<&str> = fitting.iter().map(String::as_str).collect();
    let listed = match names.as_slice() {
        [] => format!("nothing in this environment can be {}", deed.done),
        names => format!("these can be {}: {}", deed.done, listed(names)),
    };
    match named {
        Some((_, resource)) if fits(&resource.kind) => Ok(addr),
        Some((_, resource)) => {
            let message = format!("`{addr}` is a {}, which cannot be {}", resource.kind, deed.done);
            let wrong = Diagnostic::error(Code::E0814, message).help(listed);
            let enter = entered().kinds.contains(&resource.kind.as_str());
            Err(Problem::refused(match enter {
                true => wrong.help(format!("`dsenv ssh {addr}` opens a shell in it")),
                false => wrong,
            }))
        }
        None => {
            let unknown =
                Diagnostic::error(Code::E0814, format!("this environment has no `{addr}`"));
            Err(Problem::refused(match suggest(typed, names) {
                Some(near) => unknown.did_you_mean(Some(near)),
                None => unknown.help(listed),
            }))
        }
    }
}

pub(super) fn operate(connection: &dyn Connection) -> Result<&dyn Operate, Problem> {
    connection.operate().ok_or_else(|| {
        let message = "the provider of this environment has no such command";
        Problem::refused(Diagnostic::error(Code::E0701, message))
    })
}

pub(super) fn failed(doing: &str) -> impl FnOnce(OpError) -> Problem + use<> {
    let doing = doing.to_owned();
    move |source| Problem::Provider { doing, source }
}

pub(super) async fn logs(setting: &Setting, typed: &LogsTyped) -> Result<Exit, Problem> {
    let (addr, connection) = connection_to(setting, &typed.address, &with_logs()).await?;
    let operate = operate(&*connection)?;
    let logs = operate.logs(&addr).await.map_err(failed("finding the logs"))?;
    let names: Vec<String> = logs.iter().map(|(name, _)| name.clone()).collect();
    let wanted = |name: &String| typed.service.as_ref().is_none_or(|service| service == name);
    let logs: Logs = logs.into_iter().filter(|(name, _)| wanted(name)).collect();
    if logs.is_empty() {
        return Err(Problem::refused(no_logs(&addr, typed.service.as_deref(), &names)));
    }
    let several = logs.len() > 1;
    let mut offsets = Vec::new();
    for (name, path) in &logs {
        let (text, end) = tail(path, typed.lines);
        show_log(name, &text, several);
        offsets.push(end);
    }
    if !typed.follow {
        return Ok(Exit::Done);
    }
    let known = logs.into_iter().zip(offsets).collect();
    follow(setting, operate, &addr, known, &wanted).await
}

/// The files of logs, by service.
type Logs = Vec<(String, PathBuf)>;

/// Shows what is written from here on, for ever; also of services that begin meanwhile, where logs are
/// fetched.
async fn follow(
    setting: &Setting,
    operate: &dyn Operate,
    addr: &Addr,
    mut known: Vec<((String, PathBuf), u64)>,
    wanted: &dyn Fn(&String) -> bool,
) -> Result<Exit, Problem> {
    let world = &*setting.site.world;
    let mut fetched_before_ms = 0;
    loop {
        world.sleep(LOG_POLL_MS).await;
        fetched_before_ms += LOG_POLL_MS;
        if operate.logs_fetched_every_ms().is_some_and(|every_ms| fetched_before_ms >= every_ms) {
            fetched_before_ms = 0;
            let fetched = retry::read(world, || operate.logs(addr)).await;
            let fetched = fetched.map_err(failed("fetching the logs"))?;
            let is_new = |log: &(String, PathBuf)| known.iter().all(|(it, _)| it != log);
            let new: Logs = fetched.into_iter().filter(|it| wanted(&it.0) && is_new(it)).collect();
            known.extend(new.into_iter().map(|log| (log, 0)));
        }
        let several = known.len() > 1;
        for ((name, path), offset) in &mut known {
            let (text, end) = read_from(path, *offset);
            *offset = end;
            show_log(name, &text, several);
        }
    }
}

fn no_logs(addr: &Addr, service: Option<&str>, names: &[String]) -> Diagnostic {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match service {
        Some(service) if !names.is_empty() => {
            let message = format!("`{addr}` has no service `{service}`");
            let unknown = Diagnostic::error(Code::E0814, message);
            match suggest(service, names.iter().copied()) {
                Some(near) => unknown.did_you_mean(Some(near)),
                None => unknown.help(format!("it has {}", listed(&names))),
            }
        }
        _ => {
            let message = format!("`{addr}` has no services, so it has no logs");
            Diagnostic::error(Code::E0814, message)
        }
    }
}

fn show_log(name: &str, text: &str, several: bool) {
    for line in text.lines() {
        let lead = if several { format!("{name}: ") } else { String::new() };
        terminal::out(&format!("{lead}{line}\n"));
    }
}

/// The last lines of a file and where it ends; nothing for a file that is not there yet.
fn tail(path: &PathBuf, lines: usize) -> (String, u64) {
    let length = std::fs::metadata(path).map_or(0, |facts| facts.len());
    let (text, end) = read_from(path, length.saturating_sub(LOG_TAIL_BYTES_MAX));
    let all: Vec<&str> = text.lines().collect();
    let from = all.len().saturating_sub(lines);
    (all[from..].join("\n"), end)
}

/// What a file has from here on; from its start when it was rotated meanwhile.
fn read_from(path: &PathBuf, offset: u64) -> (String, u64) {
    let read = || -> std::io::Result<(String, u64)> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        let start = if length < offset { 0 } else { offset };
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(length - start).read_to_end(&mut bytes)?;
        Ok((String::from_utf8_lossy(&bytes).into_owned(), length))
    };
    read().unwrap_or((String::new(), offset))
}

pub(super) async fn ssh(setting: &Setting, typed: &SshTyped) -> Result<Exit, Problem> {
    enter(setting, &typed.address, &[]).await
}

pub(super) async fn exec(setting: &Setting, typed: &ExecTyped) -> Result<Exit, Problem> {
    enter(setting, &typed.address, &typed.command).await
}

async fn enter(setting: &Setting, typed: &str, argv: &[String]) -> Result<Exit, Problem> {
    let (addr, connection) = connection_to(setting, typed, &entered()).await?;
    let entry = operate(&*connection)?.enter(&addr, argv).await;
    let entry = entry.map_err(failed("entering the machine"))?;
    run_entry(&entry).await
}

/// Runs a program for the person at the terminal and ends as it ends.
async fn run_entry(entry: &Entry) -> Result<Exit, Problem> {
    let (program, arguments) = entry.argv.split_first().expect("an entry names a program");
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).current_dir(&entry.dir).env_clear();
    for name in ["TERM", "COLORTERM", "LINES", "COLUMNS"] {
        // Others may not be UTF-8, which is nobody's mistake.
        if let Some((_, value)) = std::env::vars_os().find(|(known, _)| known == name) {
            command.env(name, value);
        }
    }
    for (name, value) in &entry.env {
        command.env(name, value.expose_text().map_or_else(|| value.to_string(), str::to_owned));
    }
    let status = command.status().await.map_err(|error| {
        let message = format!("`{program}` cannot be started: {error}");
        Problem::refused(Diagnostic::error(Code::E0901, message))
    })?;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(Exit::Program(u8::try_from(code).unwrap_or(1)))
}

pub(super) async fn connect(setting: &Setting, typed: &ConnectTyped) -> Result<Exit, Problem> {
    let (_, loaded) = applied(setting)?;
    let addr = find(&loaded.state, &typed.address, &connected_to())?;
    let secrets = if typed.show_secrets { Secrets::Shown } else { Secrets::Hidden };
    let mut text = String::new();
    for (user, variables) in granted(&loaded.state, &addr) {
        text.push_str(&format!("# as {user}\n"));
        text.push_str(&outputs::env_file(&variables, secrets));
    }
    let (users, variables) = (users(&loaded.state, &addr), own(&loaded.state, &addr));
    if text.is_empty() && !users.is_empty() && !variables.is_empty() {
        let names: Vec<String> = users.iter().map(Addr::to_string).collect();
        text.push_str(&format!("# as {} has it, by rights of its own\n", names.join(", ")));
        text.push_str(&outputs::env_file(&variables, secrets));
        setting.say(&format!("There is no key to `{addr}` but what stands here.\n"));
    }
    if text.is_empty() {
        let message =
            format!("nothing in this environment uses `{addr}`, so nobody has a key to it");
        let help = format!("`uses: {{{addr}: read}}` on a machine gives it one");
        return Err(Problem::refused(Diagnostic::error(Code::E0814, message).help(help)));
    }
    if !typed.show_secrets {
        setting.say("Secrets are hidden; `--show-secrets` prints them.\n");
    }
    terminal::out(&text);
    Ok(Exit::Done)
}

/// What each user of a resource connects with, where a grant makes keys: then it has the first of the
/// variables that the kind promises.
fn granted(state: &State, addr: &Addr) -> Vec<(Addr, Map)> {
    let target = addr.to_string();
    let grants = state.resources.iter().filter(|(granted, _)| {
        granted.part.as_ref().is_some_and(|part| {
            let key = part.key.as_ref().map(|key| match key {
                dsenv_sdk::Key::Text(text) => text.to_string(),
                dsenv_sdk::Key::Index(index) => index.to_string(),
            });
            &*part.name == GRANT && key.as_deref() == Some(target.as_str())
        })
    });
    let first = suffixes(state, addr).into_iter().next();
    let mut users = Vec::new();
    for (granted, resource) in grants {
        let Some(object) = &resource.current else { continue };
        let values = &object.observed.values;
        if !first.is_some_and(|first| values.contains_key(&first.to_lowercase())) {
            continue;
        }
        let stem = variable_stem(addr);
        let given = values.iter().filter(|(_, value)| !matches!(value, Value::Null));
        let variables =
            given.map(|(name, value)| (format!("{stem}_{}", name.to_uppercase()), value.clone()));
        users.push((granted.owner(), variables.collect()));
    }
    users
}

/// The machines and pools that were made after a resource, since something of it is theirs.
fn users(state: &State, addr: &Addr) -> BTreeSet<Addr> {
    let made_after = state.resources.iter().filter(|(user, resource)| {
        let takes_uses = kinds::kind(&resource.kind).is_some_and(|kind| kind.takes_uses);
        takes_uses
            && !addr.covers(user)
            && resource.depends_on.iter().any(|ground| addr.covers(ground))
    });
    made_after.map(|(user, _)| user.owner()).collect()
}

/// What a resource says itself of how it is reached: of what its kind promises, its own attributes,
/// and the values of parts that are called so: `features.password`.
fn own(state: &State, addr: &Addr) -> Map {
    let attribute = |of: &Addr, name: &str| {
        let object = state.resources.get(of)?.current.as_ref()?;
        let value = object.observed.values.get(name)?;
        Some(value.clone()).filter(|value| *value != Value::Null)
    };
    let mut variables = Map::new();
    for suffix in suffixes(state, addr) {
        let name = suffix.to_lowercase();
        let found = attribute(addr, &name);
        let found = found.or_else(|| attribute(&addr.part(&name, None), "value"));
        variables.extend(found.map(|it| (format!("{}_{suffix}", variable_stem(addr)), it)));
    }
    variables
}

/// What the variables end with that a resource's kind promises.
fn suffixes(state: &State, addr: &Addr) -> Vec<&'static str> {
    let kind = state.resources.get(addr).and_then(|resource| kinds::kind(&resource.kind));
    let variables = kind.map(|kind| kind.connection).unwrap_or_default();
    variables.iter().map(|variable| variable.suffix).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Object, Resource, Status};
    use dsenv_sdk::provider::{Observed, OnDestroy, Token};

    fn addr(text: &str) -> Addr {
        text.parse().expect("an address")
    }

    fn with(
        mut state: State,
        at: &str,
        kind: &str,
        after: &[&str],
        values: &[(&str, &str)],
    ) -> State {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), Value::text(*value));
        let values = values.iter().map(text).collect();
        let current = Object {
            token: Token::from_text("t"),
            generation: 1,
            ty: None,
            args: Map::new(),
            observed: Observed { remote_id: "r".to_owned(), values },
            status: Status::Ready,
            doubt_since: None,
            accepted: None,
            price_paid: None,
        };
        let resource = Resource {
            kind: kind.to_owned(),
            ty: "x".to_owned(),
            provider: "x".to_owned(),
            generation: 1,
            current: Some(current),
            deposed: Vec::new(),
            depends_on: after.iter().map(|at| addr(at)).collect(),
            create_first: true,
            on_destroy: OnDestroy::Delete,
        };
        state.resources.insert(addr(at), resource);
        state
    }

    fn database() -> State {
        let own = [("host", "h"), ("port", "5432"), ("name", "n"), ("user", "u"), ("arn", "a")];
        let state = with(State::default(), "db", "database", &["db.password"], &own);
        with(state, "db.password", "database", &[], &[("value", "p")])
    }

    #[test]
    fn a_grant_that_makes_a_key_is_what_one_connects_with() {
        let given = [("url", "postgresql://h"), ("user", "w")];
        let state = with(database(), "w.grant[\"db\"]", "machine", &["db"], &given);
        let [(user, variables)] = &granted(&state, &addr("db"))[..] else { panic!("one user") };
        assert_eq!((user.to_string(), &variables["DB_USER"]), ("w".to_owned(), &Value::text("w")));
    }

    #[test]
    fn where_a_grant_is_a_flow_the_resource_says_how_it_is_reached() {
        let flow = [("port", "5432"), ("group", "sg-1")];
        let state = with(database(), "w.grant[\"db\"]", "machine", &["db.firewall"], &flow);
        assert_eq!(granted(&state, &addr("db")), []);
        assert_eq!(users(&state, &addr("db")), BTreeSet::from([addr("w")]));
        let variables = own(&state, &addr("db"));
        let names: Vec<&str> = variables.keys().map(String::as_str).collect();
        assert_eq!(names, ["DB_HOST", "DB_NAME", "DB_PASSWORD", "DB_PORT", "DB_USER"]);
    }

    #[test]
    fn what_nobody_uses_has_no_users() {
        assert_eq!(users(&database(), &addr("db")), BTreeSet::new());
    }
}
