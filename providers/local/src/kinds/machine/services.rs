//! What runs on a workspace: its services as units of the supervisor, and what they see.
//!
//! Pure: arguments, folders and an address in, units out. The environment of a service is complete:
//! nothing of the variables of whoever ran dsenv reaches it.

use super::entry;
use crate::environment::{Assigned, Record, SYSTEM_PATH};
use crate::python::jupyter;
use crate::supervisor::{
    Command, EnvValue, Health, NAME_BYTES_MAX, Process, Restart, StopSignal, Unit, Work,
};
use dsenv_sdk::OpError;
use dsenv_sdk::Secret;
use dsenv_sdk::provider::OpErrorClass;
use dsenv_sdk::self_facts::SelfFacts;
use dsenv_sdk::value::{Map, Value, wire};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Answers below this status are life: a 403 without a token is one.
const ILL_FROM: u16 = 500;
const STOP_WITHIN_MS: u64 = 10_000;

/// The folders of one workspace.
#[derive(Clone, Debug)]
pub(super) struct Folders {
    root: PathBuf,
}

impl Folders {
    pub(super) fn new(root: PathBuf) -> Folders {
        Folders { root }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where its services start and where a person lands.
    pub(super) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    pub(super) fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(super) fn log(&self, service: &str) -> PathBuf {
        self.root.join("logs").join(format!("{}.log", file_name(service)))
    }

    /// Settings and data of Jupyter, of one service.
    pub(super) fn jupyter(&self, service: &str) -> PathBuf {
        self.root.join("jupyter").join(file_name(service))
    }
}

/// A name of the blueprint as the name of a file: such names are plain, and this holds all the same.
fn file_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if !name.is_empty() && name.len() <= 40 && name.chars().all(plain) {
        return name.to_owned();
    }
    blake3::hash(name.as_bytes()).to_hex()[..16].to_owned()
}

/// The unit that runs a service.
pub(super) fn unit_name(record: &Record, service: &str) -> String {
    let name = format!("{}{}", unit_prefix(record), file_name(service));
    debug_assert!(name.len() <= NAME_BYTES_MAX + 16, "{name}");
    name
}

/// What the names of all units of a workspace begin with.
pub(super) fn unit_prefix(record: &Record) -> String {
    format!("{}/", record.remote_id)
}

/// The services of a workspace, by name.
pub(super) fn programs(record: &Record) -> Map {
    match entry(&record.args, "programs") {
        Some(Value::Map(programs)) => programs.clone(),
        _ => Map::new(),
    }
}

/// The ports that services ask for, by service.
pub(super) fn wanted_ports(programs: &Map) -> BTreeMap<String, u16> {
    let port = |program: &Value| u16::try_from(program.step("port")?.as_int()?).ok();
    programs.iter().filter_map(|(name, it)| Some((name.clone(), port(it)?))).collect()
}

/// What the machine knows of itself.
pub(super) fn facts(record: &Record, assigned: &Assigned) -> SelfFacts {
    let ports = wanted_ports(&programs(record));
    let index = record.args.get("index").and_then(Value::as_int).unwrap_or(0);
    SelfFacts {
        address: assigned.address.to_string(),
        name: record.arg_text("name").unwrap_or_default().to_owned(),
        index: u32::try_from(index).unwrap_or(0),
        ports: ports.into_iter().map(|(name, port)| (name, assigned.port(port))).collect(),
    }
}

/// Builds the unit of each service, in order of the name.
pub(super) fn units(
    record: &Record,
    assigned: &Assigned,
    folders: &Folders,
    user: &str,
) -> Result<Vec<(String, Unit)>, OpError> {
    let facts = facts(record, assigned);
    let mut units = Vec::new();
    for (name, program) in &programs(record) {
        let wrong = |what: String| {
            let message = format!("service `{name}` of `{}`: {what}", record.addr);
            OpError::new(OpErrorClass::Invalid, message)
        };
        let run = program.step("run").and_then(Value::expose_text).unwrap_or_default();
        let run = facts.fill(run).map_err(wrong)?;
        let mut variables = variables(record, &facts, folders, Some(name), user)?;
        if let Some(Value::Map(own)) = program.step("environment") {
            fill_into(&mut variables, own, &facts).map_err(wrong)?;
        }
        let port = facts.ports.get(name).copied();
        let address = port.map(|port| SocketAddr::from((assigned.address, port)));
        let unit = Unit {
            name: unit_name(record, name),
            work: Work::Process(Process {
                command: Command::Shell(run),
                cwd: folders.home(),
                env: variables.into_iter().filter_map(for_process).collect(),
                run_as: None,
                stop_signal: StopSignal::Term,
                stop_timeout_ms: STOP_WITHIN_MS,
            }),
            health: address.and_then(|address| health(program, address)),
            address: address.map(|address| address.ip()),
            ports: port.into_iter().collect(),
            restart: Restart::Always,
            log: folders.log(name),
        };
        units.push((name.clone(), unit));
    }
    Ok(units)
}

fn health(program: &Value, address: SocketAddr) -> Option<Health> {
    let health = program.step("health")?;
    if let Some(path) = health.step("http").and_then(Value::as_text) {
        return Some(Health::Http { address, path: path.to_owned(), ill_from: ILL_FROM });
    }
    let tcp = health.step("tcp").and_then(Value::as_bool).unwrap_or(false);
    tcp.then_some(Health::Tcp { address })
}

/// Returns the whole environment of a workspace, or of one of its services; what is named later
/// wins: the system's, Jupyter's folders, connections, the blueprint's own.
pub(super) fn variables(
    record: &Record,
    facts: &SelfFacts,
    folders: &Folders,
    service: Option<&str>,
    user: &str,
) -> Result<BTreeMap<String, Value>, OpError> {
    let path = |path: &Path| Value::text(path.to_string_lossy());
    let mut variables = BTreeMap::from([
        ("HOME".to_owned(), path(&folders.home())),
        ("LANG".to_owned(), Value::text("C.UTF-8")),
        ("LOGNAME".to_owned(), Value::text(user)),
        ("PATH".to_owned(), Value::text(SYSTEM_PATH)),
        ("SHELL".to_owned(), Value::text("/bin/sh")),
        ("TMPDIR".to_owned(), path(&folders.temporary())),
        ("USER".to_owned(), Value::text(user)),
    ]);
    if let Some(bin) = record.arg_text("software") {
        variables.insert("PATH".to_owned(), Value::text(format!("{bin}:{SYSTEM_PATH}")));
        if let Some(venv) = Path::new(bin).parent() {
            variables.insert("VIRTUAL_ENV".to_owned(), path(venv));
        }
        let jupyter = jupyter::environment(&folders.jupyter(service.unwrap_or("shell")));
        variables.extend(jupyter.into_iter().map(|(name, value)| (name, Value::text(value))));
    }
    if let Some(Value::Map(connections)) = entry(&record.args, "connections") {
        variables.extend(connections.clone());
    }
    if let Some(Value::Map(own)) = entry(&record.args, "environment") {
        fill_into(&mut variables, own, facts).map_err(|what| {
            let message = format!("`environment` of `{}`: {what}", record.addr);
            OpError::new(OpErrorClass::Invalid, message)
        })?;
    }
    Ok(variables)
}

fn fill_into(
    variables: &mut BTreeMap<String, Value>,
    own: &Map,
    facts: &SelfFacts,
) -> Result<(), String> {
    for (name, value) in own {
        variables.insert(name.clone(), facts.fill_value(value)?);
    }
    Ok(())
}

/// A value as a process gets it; `None` for one that was never said. Lists and maps are JSON.
fn for_process((name, value): (String, Value)) -> Option<(String, EnvValue)> {
    let plain = match value {
        Value::Null => return None,
        Value::Secret(secret) => return Some((name, EnvValue::Secret(secret))),
        Value::Text(text) => text,
        Value::List(_) | Value::Map(_) => {
            let json = wire::encode(&value, &mut |secret| secret.expose().into()).to_string();
            return Some((
                name,
                match value.holds_secret() {
                    true => EnvValue::Secret(Secret::new(json)),
                    false => EnvValue::Plain(json),
                },
            ));
        }
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => value.to_string(),
    };
    Some((name, EnvValue::Plain(plain)))
}

/// By name, `url` and `port` of each service that has a port: what others may refer to.
pub(super) fn services_value(facts: &SelfFacts) -> Value {
    let service = |(name, port): (&String, &u16)| {
        let fields = Map::from([
            ("url".to_owned(), Value::text(url(facts, *port))),
            ("port".to_owned(), Value::Int(i64::from(*port))),
        ]);
        (name.clone(), Value::Map(fields))
    };
    Value::Map(facts.ports.iter().map(service).collect())
}

/// Where a service answers. Without a token: that is the user's to add.
pub(super) fn url(facts: &SelfFacts, port: u16) -> String {
    format!("http://{}:{port}/", facts.address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsenv_sdk::Addr;
    use dsenv_sdk::provider::Token;
    use std::net::Ipv4Addr;

    fn record() -> (Record, Assigned) {
        let text = Value::text;
        let program = Map::from([
            (
                "run".to_owned(),
                text("serve --ip=${self.address} --port=${self.ports.web} $${HOME}"),
            ),
            ("port".to_owned(), Value::Int(8888)),
            ("health".to_owned(), Value::Map(Map::from([("http".to_owned(), text("/api"))]))),
            (
                "environment".to_owned(),
                Value::Map(Map::from([("A".to_owned(), text("${self.index}"))])),
            ),
        ]);
        let args = Map::from([
            ("name".to_owned(), text("workers-2")),
            ("index".to_owned(), Value::Int(2)),
            ("software".to_owned(), text("/venv/bin")),
            (
                "connections".to_owned(),
                Value::Map(Map::from([(
                    "DB_PASSWORD".to_owned(),
                    Value::Secret(Secret::new("${self.x}")),
                )])),
            ),
            ("environment".to_owned(), Value::Map(Map::from([("A".to_owned(), Value::Int(1))]))),
            (
                "programs".to_owned(),
                Value::Map(Map::from([("web".to_owned(), Value::Map(program))])),
            ),
        ]);
        let addr = Addr::resource("w");
        let record = Record::new(&addr, "local.workspace", &Token::new("l", &addr, 1), &args);
        let address = Ipv4Addr::new(127, 64, 0, 9);
        (record, Assigned { address, ports: BTreeMap::from([(8888, 9999)]) })
    }

    #[test]
    fn a_service_sees_what_it_is_given_and_nothing_else() {
        let (record, assigned) = record();
        let folders = Folders::new("/machines/w".into());
        let units = units(&record, &assigned, &folders, "me").expect("units");
        let [(_, unit)] = &*units else { panic!("one unit") };
        let Work::Process(process) = &unit.work else { panic!("a process") };
        let run = "serve --ip=127.64.0.9 --port=9999 ${HOME}";
        assert_eq!(process.command, Command::Shell(run.to_owned()));
        assert_eq!(process.env["A"], EnvValue::Plain("2".to_owned()), "a service's own wins");
        assert_eq!(process.env["PATH"], EnvValue::Plain(format!("/venv/bin:{SYSTEM_PATH}")));
        // What another resource gives is never read as a template.
        let password = EnvValue::Secret(Secret::new("${self.x}"));
        assert_eq!(process.env["DB_PASSWORD"], password);
        assert_eq!(process.env["HOME"], EnvValue::Plain("/machines/w/home".to_owned()));
        assert_eq!(unit.ports, [9999]);
    }

    #[test]
    fn what_a_machine_does_not_know_of_itself_is_an_error_that_names_the_service() {
        let (mut record, assigned) = record();
        let program = Map::from([("run".to_owned(), Value::text("x ${self.ports.db}"))]);
        let programs = Map::from([("web".to_owned(), Value::Map(program))]);
        record.args.insert("programs".to_owned(), Value::Map(programs));
        let folders = Folders::new("/machines/w".into());
        let error = units(&record, &assigned, &folders, "me").expect_err("there is no `db`");
        assert!(error.message.contains("`web`") && error.message.contains("`db`"), "{error}");
    }

    #[test]
    fn services_say_where_they_answer() {
        let (record, assigned) = record();
        let value = services_value(&facts(&record, &assigned)).to_string();
        assert_eq!(value, r#"{web: {port: 9999, url: "http://127.64.0.9:9999/"}}"#);
    }
}
