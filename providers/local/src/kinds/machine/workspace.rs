//! `local.workspace`: a folder, an address and supervised services that stand for a computer.

use super::super::{Object, Service};
use super::services::{self, Folders};
use crate::account::{accounts, is_root};
use crate::environment::{Assigned, Environment, Record, Stage, disk_error, supervisor_error};
use crate::python::jupyter;
use crate::supervisor::{Client, Unit};
use async_trait::async_trait;
use dsenv_sdk::OpError;
use dsenv_sdk::provider::{DataFate, Entry, OpErrorClass, Watch};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::{Map, Value};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// The native type.
pub(crate) const WORKSPACE: NativeType = NativeType {
    name: "local.workspace",
    doc: "A machine on this computer: a folder, a loopback address, and services kept running.",
    fields: &[
        Field::new("name", Type::Text, "What it calls itself.").required(),
        Field::new("index", Type::Int { min: 0, max: 10_000 }, "Its position in its pool."),
        Field::new("network", Type::Text, "The block that its address is in.")
            .class(Class::Bind)
            .replaces(),
        Field::new("software", Type::Text, "The folder of programs at the front of its `PATH`."),
        Field::new("connections", Type::Map(&Type::Any), "Variables that `uses` gives."),
        Field::new("environment", Type::Map(&Type::Any), "Variables of all of its services.")
            .takes_self(),
        Field::new("programs", Type::Map(&Type::Any), "Its services.").takes_self().of("services"),
    ],
    attributes: &[
        Attribute::new("address", "The address that its services listen on."),
        Attribute::new("services", "By name, `url` and `port` of each service that has a port.")
            .changes(),
    ],
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

/// How long a service may take from its start until it answers.
const READY_WITHIN: Duration = Duration::from_secs(120);

pub(crate) struct Workspace;

fn folders(env: &Environment, record: &Record) -> Folders {
    Folders::new(env.dir.join("machines").join(&record.remote_id))
}

/// The name of the user that services run as: the caller's own.
fn user() -> String {
    let uid = rustix::process::geteuid().as_raw();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = accounts(&passwd).into_iter().find(|account| account.uid == uid);
    named.map_or_else(|| uid.to_string(), |account| account.name)
}

async fn assign(env: &Environment, record: &Record) -> Result<Assigned, OpError> {
    let ports = services::wanted_ports(&services::programs(record));
    let ports: BTreeSet<u16> = ports.into_values().collect();
    let ports: Vec<u16> = ports.into_iter().collect();
    let (token, name) = (record.token.as_str(), record.addr.to_string());
    env.addresses.assign(record.arg_text("network"), token, &name, &ports).await.map_err(disk_error)
}

fn create_folders(folders: &Folders, record: &Record) -> std::io::Result<()> {
    use crate::environment::{create_private, write_durably};
    create_private(folders.root())?;
    for folder in [folders.home(), folders.temporary(), folders.root().join("logs")] {
        create_private(&folder)?;
    }
    // Jupyter refuses to run as root unless a file says so; the user's own file stays.
    if is_root() && record.args.contains_key("software") {
        let (name, text) = jupyter::ALLOW_ROOT;
        for service in services::programs(record).keys() {
            let folder = folders.jupyter(service).join("config");
            create_private(&folder)?;
            if !folder.join(name).exists() {
                write_durably(&folder.join(name), text.as_bytes())?;
            }
        }
    }
    Ok(())
}

/// Takes away what should not run, puts what should, and waits for all of it.
async fn run(
    env: &Environment,
    client: &Client,
    record: &Record,
    units: Vec<(String, Unit)>,
    watch: Watch<'_>,
) -> Result<(), OpError> {
    let prefix = services::unit_prefix(record);
    let running = client.list().await.map_err(supervisor_error)?;
    let running: BTreeSet<String> = running.into_iter().map(|unit| unit.name).collect();
    for (name, unit) in units.iter().filter(|(_, unit)| !running.contains(&unit.name)) {
        if let (Some(address), Some(port)) = (unit.address, unit.ports.first()) {
            let what = format!("service `{name}` of `{}`", record.addr);
            env.check_free(SocketAddr::new(address, *port), &what)?;
        }
    }
    for gone in running.iter().filter(|unit| unit.starts_with(&prefix)) {
        if !units.iter().any(|(_, unit)| unit.name == *gone) {
            client.remove_unit(gone).await.map_err(supervisor_error)?;
        }
    }
    let names: Vec<(String, String, Option<String>)> =
        units.iter().map(|(name, unit)| (name.clone(), unit.name.clone(), asked(unit))).collect();
    for (_, unit) in units {
        client.put_unit(unit).await.map_err(supervisor_error)?;
    }
    for (name, unit, asked) in names {
        match asked {
            Some(asked) => watch(&format!("waiting for {name} ({asked})")),
            None => watch(&format!("starting {name}")),
        }
        let what = format!("service `{name}` of `{}`", record.addr);
        env.wait_healthy(client, &unit, &what, READY_WITHIN).await?;
    }
    Ok(())
}

/// What is asked to see that a unit works: `http 8888 /api`.
fn asked(unit: &Unit) -> Option<String> {
    use crate::supervisor::Health;
    match unit.health.as_ref()? {
        Health::Http { address, path, .. } => Some(format!("http {} {path}", address.port())),
        Health::Tcp { address } => Some(format!("tcp {}", address.port())),
        Health::Command { argv } => argv.first().cloned(),
    }
}

#[async_trait]
impl Object for Workspace {
    fn ty(&self) -> &'static NativeType {
        &WORKSPACE
    }

    async fn make(
        &self,
        env: &Environment,
        record: &mut Record,
        watch: Watch<'_>,
    ) -> Result<(), OpError> {
        let assigned = assign(env, record).await?;
        let folders = folders(env, record);
        create_folders(&folders, record).map_err(disk_error)?;
        let units = services::units(record, &assigned, &folders, &user())?;
        let facts = services::facts(record, &assigned);
        record.values = Map::from([
            ("address".to_owned(), Value::text(facts.address.clone())),
            ("services".to_owned(), services::services_value(&facts)),
        ]);
        if units.is_empty() && !env.dir.join("supervisor").exists() {
            return Ok(());
        }
        let client = env.client().await?;
        run(env, &client, record, units, watch).await.map_err(|mut error| {
            // The folder and its logs are there to look at; a port in use leaves nothing behind.
            if record.stage == Stage::Creating && error.class == OpErrorClass::Invalid {
                error.class = OpErrorClass::Partial(Box::new(record.observed()));
            }
            error
        })
    }

    async fn look(
        &self,
        env: &Environment,
        records: &[Record],
    ) -> Result<Vec<Option<Map>>, OpError> {
        let client = env.supervisor.connect().await.map_err(supervisor_error)?;
        let known = match client {
            Some(client) => Some(client.list().await.map_err(supervisor_error)?),
            // Nothing can be said of units; `status` brings back what should run.
            None => None,
        };
        let look = |record: &Record| {
            if !folders(env, record).home().exists() {
                return None;
            }
            let mut values = record.values.clone();
            let mut programs = services::programs(record);
            let wanted = programs.len();
            if let Some(known) = &known {
                programs.retain(|name, _| {
                    let unit = services::unit_name(record, name);
                    known.iter().any(|known| known.name == unit)
                });
            }
            if programs.len() != wanted {
                values.insert("programs".to_owned(), Value::Map(programs));
            }
            Some(values)
        };
        Ok(records.iter().map(look).collect())
    }

    async fn remove(
        &self,
        env: &Environment,
        record: &Record,
        _data: DataFate,
        watch: Watch<'_>,
    ) -> Result<(), OpError> {
        if env.dir.join("supervisor").exists() {
            let client = env.client().await?;
            let prefix = services::unit_prefix(record);
            for unit in client.list().await.map_err(supervisor_error)? {
                if unit.name.starts_with(&prefix) {
                    watch(&format!("stopping {}", &unit.name[prefix.len()..]));
                    client.remove_unit(&unit.name).await.map_err(supervisor_error)?;
                }
            }
        }
        let folders = folders(env, record);
        env.remove_folder(folders.root()).await.map_err(disk_error)?;
        env.addresses.release(record.token.as_str()).await.map_err(disk_error)
    }

    async fn restore(&self, env: &Environment, record: &Record) -> Result<(), OpError> {
        let assigned = env.addresses.assigned(record.token.as_str()).map_err(disk_error)?;
        let Some(assigned) = assigned else { return Ok(()) };
        let folders = folders(env, record);
        // A workspace whose folder is gone is made anew by apply, not here.
        if !folders.home().exists() {
            return Ok(());
        }
        let client = env.client().await?;
        for (_, unit) in services::units(record, &assigned, &folders, &user())? {
            if !env.is_current(record)? {
                return Ok(());
            }
            client.put_unit(unit).await.map_err(supervisor_error)?;
        }
        Ok(())
    }

    fn services(&self, env: &Environment, record: &Record) -> Vec<Service> {
        let folders = folders(env, record);
        let url = |name: &str| {
            let service = record.values.get("services")?.step(name)?;
            service.step("url").and_then(Value::as_text).map(str::to_owned)
        };
        services::programs(record)
            .keys()
            .map(|name| Service {
                name: name.clone(),
                unit: services::unit_name(record, name),
                log: folders.log(name),
                url: url(name),
            })
            .collect()
    }
}

/// Says how to run a command in a workspace; without one, a shell.
pub(crate) fn workspace_entry(
    env: &Environment,
    record: &Record,
    argv: &[String],
) -> Result<Entry, OpError> {
    // Only what it has: a look around changes nothing.
    let assigned = env.addresses.assigned(record.token.as_str()).map_err(disk_error)?;
    let assigned = assigned.ok_or_else(|| {
        let message = format!("`{}` has no address yet", record.addr);
        OpError::new(OpErrorClass::NotFound, message).help("`dsenv apply` finishes it")
    })?;
    let folders = folders(env, record);
    let facts = services::facts(record, &assigned);
    let variables = services::variables(record, &facts, &folders, None, &user())?;
    let argv = match argv {
        [] => vec![shell().to_owned()],
        argv => argv.to_vec(),
    };
    Ok(Entry { argv, env: variables.into_iter().collect(), dir: folders.home() })
}

fn shell() -> &'static str {
    let shells = ["/bin/bash", "/usr/bin/bash"];
    shells.into_iter().find(|shell| Path::new(shell).exists()).unwrap_or("/bin/sh")
}
