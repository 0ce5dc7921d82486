//! `local.software`: a venv that holds exactly what the lock names.
//!
//! Another lock makes another object: the new venv is built while services run from the old one, the
//! workspace moves over, and then the old one is deleted.

use super::super::Object;
use crate::environment::{Environment, Record, disk_error, failure, installer_class};
use crate::python::install::InstallError;
use crate::python::installer::InstallerError;
use crate::python::resolve::ResolveError;
use crate::python::tools::ToolsError;
use crate::python::{Installed, Locked, PythonVersion, Tools, install, installed, resolve};
use crate::tool::ToolEnv;
use async_trait::async_trait;
use dsenv_sdk::OpError;
use dsenv_sdk::provider::{DataFate, OpErrorClass, Watch};
use dsenv_sdk::schema::{Attribute, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::software;
use dsenv_sdk::value::{Map, Value};
use std::path::{Path, PathBuf};

/// The native type.
pub(crate) const SOFTWARE: NativeType = NativeType {
    name: "local.software",
    doc: "A Python environment that holds exactly what the lock names.",
    fields: &[
        Field::new("python", Type::Text, "The version asked for.")
            .required()
            .replaces()
            .of("software"),
        Field::new("packages", Type::List(&Type::Text), "The packages asked for.")
            .replaces()
            .of("software"),
        Field::new("pins", Type::Any, "What the lock has for them.")
            .required()
            .replaces()
            .of("software"),
    ],
    attributes: &[
        Attribute::new("bin", "Its folder of programs, for the front of a `PATH`."),
        Attribute::new("digest", "The digest of the lock that it was made from."),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// Resolves a need into what the lock file keeps.
pub(crate) async fn pin(
    tools: &ToolEnv,
    cache: &Path,
    need: &Map,
    watch: Watch<'_>,
) -> Result<Value, OpError> {
    let spec = software::spec(need)
        .ok_or_else(|| OpError::new(OpErrorClass::Invalid, "a pin of software has another form"))?
        .map_err(|error| {
            failure(OpErrorClass::Invalid, "these packages cannot be locked", &error)
        })?;
    let mut say = |line: &str| watch(shortened(line));
    let tools = Tools::find(spec.version(), tools, &cache.join("python"), &mut say)
        .await
        .map_err(tools_error)?;
    let locked = resolve(&spec, &tools, &mut say).await.map_err(|error| match &error {
        ResolveError::Installer(error) => installer_error("the packages cannot be locked", error),
        _ => failure(OpErrorClass::Invalid, "the packages cannot be locked", &error),
    })?;
    Ok(locked.to_value())
}

pub(crate) struct Software;

fn folder(env: &Environment, record: &Record) -> PathBuf {
    env.dir.join("software").join(&record.remote_id)
}

#[async_trait]
impl Object for Software {
    fn ty(&self) -> &'static NativeType {
        &SOFTWARE
    }

    async fn make(
        &self,
        env: &Environment,
        record: &mut Record,
        watch: Watch<'_>,
    ) -> Result<(), OpError> {
        let locked = Locked::from_value(record.args.get("pins").unwrap_or(&Value::Null))?;
        let folder = folder(env, record);
        let installed = match installed(&locked, &folder).await {
            Some(installed) => installed,
            None => build(env, &locked, &folder, watch).await?,
        };
        record.values = Map::from([
            ("bin".to_owned(), Value::text(installed.bin.to_string_lossy())),
            ("digest".to_owned(), Value::text(installed.digest)),
        ]);
        Ok(())
    }

    async fn look(
        &self,
        env: &Environment,
        records: &[Record],
    ) -> Result<Vec<Option<Map>>, OpError> {
        let mut seen = Vec::new();
        for record in records {
            let there = match Locked::from_value(record.args.get("pins").unwrap_or(&Value::Null)) {
                Ok(locked) => installed(&locked, &folder(env, record)).await.is_some(),
                Err(_) => false,
            };
            seen.push(there.then(|| record.values.clone()));
        }
        Ok(seen)
    }

    async fn remove(
        &self,
        env: &Environment,
        record: &Record,
        _data: DataFate,
        _watch: Watch<'_>,
    ) -> Result<(), OpError> {
        env.remove_folder(&folder(env, record)).await.map_err(disk_error)
    }
}

async fn build(
    env: &Environment,
    locked: &Locked,
    folder: &std::path::Path,
    watch: Watch<'_>,
) -> Result<Installed, OpError> {
    let version: PythonVersion = locked
        .python
        .parse()
        .map_err(|error| failure(OpErrorClass::Invalid, "the lock cannot be installed", &error))?;
    let mut say = |line: &str| watch(shortened(line));
    let cache = env.cache.join("python");
    let tools = Tools::find(version, &env.tools, &cache, &mut say).await.map_err(tools_error)?;
    watch(&format!("installing {} python packages", locked.packages.len()));
    install(locked, folder, &tools, &mut say).await.map_err(|error| match &error {
        InstallError::Installer(error) => {
            installer_error("the packages cannot be installed", error)
        }
        _ => failure(OpErrorClass::Invalid, "the packages cannot be installed", &error),
    })
}

/// The beginning of a line: pip names ninety packages in one.
fn shortened(line: &str) -> &str {
    const CHARS_MAX: usize = 100;
    line.char_indices().nth(CHARS_MAX).map_or(line, |(end, _)| &line[..end])
}

fn tools_error(error: ToolsError) -> OpError {
    let help = error.help();
    let class = match &error {
        ToolsError::Installer(error) => installer_class(error),
        ToolsError::Interpreter(_) => OpErrorClass::Invalid,
    };
    let error = failure(class, "this machine cannot make the environment", &error);
    match help {
        Some(help) => error.help(help),
        None => error,
    }
}

fn installer_error(message: &str, error: &InstallerError) -> OpError {
    let mut failed = failure(installer_class(error), message, error);
    if let InstallerError::Refused(refused) = error {
        failed.causes.extend(refused.tail.lines().map(str::to_owned));
    }
    match error.help() {
        Some(help) => failed.help(help),
        None => failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsenv_sdk::software::{LockedPackage, Platforms};

    fn locked() -> Locked {
        let line = format!("six==1 ; os_name == 'nt' --hash=sha256:{}", "0".repeat(64));
        let package = LockedPackage::from_line(&line).expect("a locked package");
        Locked::new("3.11".into(), "uv 1".into(), Platforms::Universal, vec![package])
            .expect("every package has a hash")
    }

    #[test]
    fn a_lock_comes_back_from_the_lock_file_as_it_went() {
        assert_eq!(Locked::from_value(&locked().to_value()).expect("a lock"), locked());
    }

    #[test]
    fn a_lock_that_was_edited_is_refused() {
        let Value::Map(mut pins) = locked().to_value() else { panic!("a map") };
        pins.insert("python".to_owned(), Value::text("3.12"));
        let refused = Locked::from_value(&Value::Map(pins.clone())).expect_err("edited");
        assert!(refused.message.contains("digest"), "{refused}");
        let evil = Map::from([
            ("name".to_owned(), Value::text("--index-url=x")),
            ("version".to_owned(), Value::text("1")),
        ]);
        pins.insert("packages".to_owned(), Value::List(vec![Value::Map(evil)]));
        assert!(Locked::from_value(&Value::Map(pins)).is_err());
    }
}
