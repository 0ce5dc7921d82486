//! What each neutral kind becomes on this machine, and how its objects are made.
//!
//! One folder a kind and one line in [`KINDS`]; a test compares the two. `key`, `secret` and `value`
//! live in the state alone and come from the SDK. A folder holds both halves: the functions of [`LocalKind`]
//! are pure, those of [`Object`] do the work.

mod bucket;
mod database;
mod machine;
mod network;
mod pool;
mod share;
mod volume;

use crate::environment::{Environment, Record};
use crate::supervisor::Host;
use async_trait::async_trait;
use dsenv_sdk::OpError;
use dsenv_sdk::builtin;
use dsenv_sdk::provider::{
    DataFate, Finding, Native, Neutral, Surroundings, Want, Watch, refuses, substitutes,
};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::value::Map;
use std::sync::Arc;

pub(crate) use database::superuser_entry;
pub(crate) use machine::{WORKSPACE, pin_software, workspace_entry};

/// The pure half of one kind.
pub(crate) struct LocalKind {
    pub(crate) name: &'static str,
    pub(crate) check: fn(&Neutral) -> Vec<Finding>,
    pub(crate) wants: fn(&Neutral) -> Vec<Want>,
    pub(crate) lower: fn(&Neutral, &Surroundings<'_>) -> Vec<Native>,
}

const KEY: LocalKind = builtin_kind("key");
const SECRET: LocalKind = builtin_kind("secret");
const VALUE: LocalKind = builtin_kind("value");

/// Every kind, by name.
pub(crate) const KINDS: &[&LocalKind] = &[
    &bucket::KIND,
    &database::KIND,
    &KEY,
    &machine::KIND,
    &network::KIND,
    &pool::KIND,
    &SECRET,
    &share::KIND,
    &VALUE,
    &volume::KIND,
];

/// The names of the kinds, in the same order.
pub(crate) const NAMES: &[&str] = &[
    "bucket", "database", "key", "machine", "network", "pool", "secret", "share", "value", "volume",
];

/// Every native type, by name.
pub(crate) const NATIVE_TYPES: &[&NativeType] = &[
    &builtin::KEY,
    &builtin::SECRET,
    &builtin::VALUE,
    &bucket::BUCKET,
    &bucket::KEY,
    &volume::MOUNT,
    &network::NETWORK,
    &pool::POOL,
    &database::POSTGRES,
    &database::ROLE,
    &volume::SHARE,
    &machine::SOFTWARE,
    &volume::VOLUME,
    &machine::WORKSPACE,
];

/// What does the work, for every native type that is not built in.
const OBJECTS: &[&dyn Object] = &[
    &bucket::Bucket,
    &bucket::Key,
    &network::Network,
    &pool::Pool,
    &database::Postgres,
    &database::Role,
    &machine::Software,
    &machine::Workspace,
    &volume::Folder(&volume::SHARE),
    &volume::Folder(&volume::VOLUME),
];

const fn builtin_kind(name: &'static str) -> LocalKind {
    LocalKind {
        name,
        check: |_| Vec::new(),
        wants: |_| Vec::new(),
        lower: |resource, _| builtin::lower(resource),
    }
}

/// Finds what does the work for a type that is not built in.
pub(crate) fn object(ty: &str) -> Option<&'static dyn Object> {
    OBJECTS.iter().copied().find(|object| object.ty().name == ty)
}

/// What the supervisor runs inside itself for this provider.
pub(crate) fn hosts() -> Vec<Arc<dyn Host>> {
    vec![Arc::new(bucket::EndpointHost)]
}

/// The live half of one native type. Arguments come in the record; everything that is made is named
/// after its token, so that two objects of one address never share a file.
#[async_trait]
pub(crate) trait Object: Send + Sync {
    /// The type that it makes.
    fn ty(&self) -> &'static NativeType;

    /// Makes what the record's arguments say, or brings what is there to it, and puts what is known
    /// then into the record's values. Called again after a crash at any point, and for an update.
    async fn make(
        &self,
        env: &Environment,
        record: &mut Record,
        watch: Watch<'_>,
    ) -> Result<(), OpError>;

    /// Looks what is there of these, in their order; `None` for what is gone.
    async fn look(
        &self,
        env: &Environment,
        records: &[Record],
    ) -> Result<Vec<Option<Map>>, OpError>;

    /// Removes it. What was never made or is gone already is removed.
    async fn remove(
        &self,
        env: &Environment,
        record: &Record,
        data: DataFate,
        watch: Watch<'_>,
    ) -> Result<(), OpError>;

    /// Brings back what should run of it, as it was last applied: after the supervisor's files were
    /// lost, and for `status`.
    async fn restore(&self, _env: &Environment, _record: &Record) -> Result<(), OpError> {
        Ok(())
    }

    /// Lists its services: name, unit of the supervisor, log and URL.
    fn services(&self, _env: &Environment, _record: &Record) -> Vec<Service> {
        Vec::new()
    }
}

/// One service of an object.
pub(crate) struct Service {
    /// Its name, for people.
    pub(crate) name: String,
    /// The unit that runs it.
    pub(crate) unit: String,
    /// Where its output is.
    pub(crate) log: std::path::PathBuf,
    /// Where it answers.
    pub(crate) url: Option<String>,
}

/// The findings for those fields of a table that the blueprint sets.
fn substitutes_where_set(resource: &Neutral, table: &[(&str, &str)]) -> Vec<Finding> {
    table
        .iter()
        .filter(|(field, _)| resource.fields.contains_key(*field))
        .map(|(field, message)| substitutes(&[field], *message))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_is_a_kind_and_every_kind_a_folder_or_built_in() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kinds");
        let mut folders: Vec<String> = std::fs::read_dir(here)
            .expect("the folder of the kinds")
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .chain(builtin::KINDS.iter().map(|name| (*name).to_owned()))
            .collect();
        folders.sort();
        let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(folders, kinds);
        assert_eq!(kinds, NAMES);
    }

    #[test]
    fn every_native_type_is_built_in_or_has_somebody_to_make_it() {
        for ty in NATIVE_TYPES {
            assert!(builtin::owns(ty) || object(ty.name).is_some(), "{}", ty.name);
        }
        let built_in = NATIVE_TYPES.iter().filter(|ty| builtin::owns(ty)).count();
        assert_eq!(NATIVE_TYPES.len(), OBJECTS.len() + built_in);
    }
}
