//! What each neutral kind becomes in a project.
//!
//! One folder a kind and one line in [`KINDS`]; a test compares the two. `key`, `secret` and `value` live in
//! the state alone and come from the SDK. Beside the folders stands what several kinds share: `flows` (who
//! reaches whom), `account` (what a machine may do), `settings` (what it is to be).

pub(crate) mod account;
pub(crate) mod bucket;
pub(crate) mod database;
pub(crate) mod flows;
pub(crate) mod machine;
pub(crate) mod network;
pub(crate) mod pool;
pub(crate) mod settings;
pub(crate) mod share;
pub(crate) mod volume;

use dsenv_sdk::addr::Part;
use dsenv_sdk::provider::{Finding, Native, Neutral, Surroundings, Want};
use dsenv_sdk::reading::{check_known, display_name, known, text};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Key, Term, builtin};
use std::collections::BTreeMap;

/// One kind.
pub(crate) struct GcpKind {
    pub(crate) name: &'static str,
    pub(crate) check: fn(&Neutral, &Surroundings<'_>) -> Vec<Finding>,
    pub(crate) wants: fn(&Neutral, &Surroundings<'_>) -> Vec<Want>,
    pub(crate) lower: fn(&Neutral, &Surroundings<'_>) -> Vec<Native>,
}

pub(crate) use machine::offers::MARKET;

const KEY: GcpKind = builtin_kind("key");
const SECRET: GcpKind = builtin_kind("secret");
const VALUE: GcpKind = builtin_kind("value");

/// Every kind, by name.
pub(crate) const KINDS: &[&GcpKind] = &[
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

/// The types that a machine or a pool is lowered to; none for another kind.
pub(crate) fn offers(resource: &Neutral, around: &Surroundings<'_>) -> Vec<String> {
    match resource.kind {
        "machine" => machine::types_of(resource, around),
        "pool" => pool::types_of(resource, around),
        _ => Vec::new(),
    }
}

/// Every native type, by name.
pub(crate) const NATIVE_TYPES: &[&NativeType] = &[
    &builtin::KEY,
    &builtin::SECRET,
    &builtin::VALUE,
    &volume::ATTACHED_DISK,
    &pool::AUTOSCALER,
    &bucket::BUCKET,
    &volume::DISK,
    &flows::FIREWALL,
    &account::GRANT,
    &account::HMAC_KEY,
    &machine::INSTANCE,
    &pool::INSTANCE_GROUP,
    &pool::INSTANCE_TEMPLATE,
    &bucket::MAILBOX,
    &network::NETWORK,
    &network::ROUTER,
    &account::SERVICE_ACCOUNT,
    &network::PEERING,
    &network::SERVICE_RANGE,
    &settings::SETTINGS,
    &database::DATABASE,
    &network::SUBNETWORK,
    &network::VPC,
];

/// The names of the types that `costs` knows something of.
pub(crate) mod types {
    pub(crate) const ATTACHED_DISK: &str = super::volume::ATTACHED_DISK.name;
    pub(crate) const AUTOSCALER: &str = super::pool::AUTOSCALER.name;
    pub(crate) const BUCKET: &str = super::bucket::BUCKET.name;
    pub(crate) const DATABASE: &str = super::database::DATABASE.name;
    pub(crate) const DISK: &str = super::volume::DISK.name;
    pub(crate) const FIREWALL: &str = super::flows::FIREWALL.name;
    pub(crate) const GRANT: &str = super::account::GRANT.name;
    pub(crate) const HMAC_KEY: &str = super::account::HMAC_KEY.name;
    pub(crate) const INSTANCE: &str = super::machine::INSTANCE.name;
    pub(crate) const INSTANCE_GROUP: &str = super::pool::INSTANCE_GROUP.name;
    pub(crate) const INSTANCE_TEMPLATE: &str = super::pool::INSTANCE_TEMPLATE.name;
    pub(crate) const MAILBOX: &str = super::bucket::MAILBOX.name;
    pub(crate) const PEERING: &str = super::network::PEERING.name;
    pub(crate) const ROUTER: &str = super::network::ROUTER.name;
    pub(crate) const SERVICE_ACCOUNT: &str = super::account::SERVICE_ACCOUNT.name;
    pub(crate) const SERVICE_RANGE: &str = super::network::SERVICE_RANGE.name;
    pub(crate) const SETTINGS: &str = super::settings::SETTINGS.name;
    pub(crate) const SUBNETWORK: &str = super::network::SUBNETWORK.name;
    pub(crate) const VPC: &str = super::network::VPC.name;
}

const fn builtin_kind(name: &'static str) -> GcpKind {
    GcpKind {
        name,
        check: |_, _| Vec::new(),
        wants: |_, _| Vec::new(),
        lower: |resource, _| builtin::lower(resource),
    }
}

/// Makes arguments from pairs; absent ones are left out.
fn args<const N: usize>(pairs: [(&str, Option<Term>); N]) -> BTreeMap<String, Term> {
    pairs.into_iter().filter_map(|(name, term)| Some((name.to_owned(), term?))).collect()
}

/// A node below a resource.
fn part<const N: usize>(
    name: &str,
    key: Option<Key>,
    ty: &'static str,
    pairs: [(&str, Option<Term>); N],
) -> Native {
    let part = Some(Part { name: name.into(), key });
    Native { part, ty, args: args(pairs), after: Vec::new() }
}

/// A reference to an argument or attribute of a node.
fn of(addr: &Addr, name: &str) -> Option<Term> {
    Some(Term::Ref(Ref::attribute(addr.clone(), name)))
}

fn flag(flag: bool) -> Option<Term> {
    Some(Term::Known(Value::Bool(flag)))
}

fn int(number: i64) -> Option<Term> {
    Some(Term::Known(Value::Int(number)))
}

#[cfg(test)]
mod api;
#[cfg(test)]
mod sweep;
#[cfg(test)]
pub(crate) mod tests_of_kinds;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_folder_is_a_kind_and_every_kind_a_folder_or_built_in() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kinds");
        let folders: BTreeSet<String> = std::fs::read_dir(here)
            .expect("the folder of the kinds")
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .chain(builtin::KINDS.iter().map(|name| (*name).to_owned()))
            .collect();
        let names = |kinds: &[&GcpKind]| kinds.iter().map(|kind| kind.name.to_owned()).collect();
        let kinds: Vec<String> = names(KINDS);
        assert_eq!(kinds, NAMES);
        assert_eq!(folders, kinds.into_iter().collect());
    }
}
