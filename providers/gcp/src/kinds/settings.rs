//! What a machine is to be: an object in a bucket of its own for all to read who may, and a secret of Secret
//! Manager for what is secret. The machine looks for both and makes itself so.
//!
//! ```text
//! gs://MAILBOX/boot.json       services, variables, locked packages    written here, read there
//! secretmanager: dsenv-...     secret variables                         written here, read there
//! gs://MAILBOX/status, logs    how it went                              written there, read here
//! ```

use super::bucket::MAILBOX;
use super::{account, flag, of, part};
use crate::labels::LABELS;
use dsenv_sdk::entry::people;
use dsenv_sdk::provider::{Native, Neutral, Surroundings, Use, variable_stem};
use dsenv_sdk::reading;
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::software as packages;
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Term};
use std::collections::BTreeMap;

/// The part that says what a machine is to be.
pub(crate) const PART: &str = "settings";
/// The part that is the bucket which it stands in.
pub(crate) const MAILBOX_PART: &str = "mailbox";

/// How long logs of machines that are gone are kept.
const LOG_DAYS: i64 = 30;

/// What a machine is to be.
pub(crate) const SETTINGS: NativeType = NativeType {
    name: "gcp.settings",
    doc: "What a machine is to be: an object that it reads, and a secret with its secrets.",
    fields: &[
        Field::new("bucket", Type::Text, "The bucket that it stands in.").required().replaces(),
        Field::new("environment", Type::Map(&Type::Any), "Variables of all services."),
        Field::new("services", Type::Map(&Type::Any), "What runs, by name."),
        Field::new("software", Type::Any, "What the lock has for its packages."),
        Field::new("buckets", Type::Map(&Type::Any), "What it uses, by the start of variables."),
        Field::new("databases", Type::Map(&Type::Any), "What it uses, by the start of variables."),
        Field::new("volumes", Type::Map(&Type::Any), "What it uses, by the start of variables."),
        Field::new("people", Type::List(&Type::Any), "Who comes in by ssh, by which keys.")
            .class(Class::Policy)
            .of("access"),
        Field::new("replica_location", Type::Text, "Where the secret is kept.")
            .required()
            .replaces()
            .class(Class::Bind),
        Field::new("intact", Type::Bool, "Whether it is as it was written.").required(),
        LABELS,
    ],
    attributes: &[Attribute::new("secret", "The secret's name.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// Whether a machine has anything to be told.
pub(crate) fn is_told(resource: &Neutral) -> bool {
    ["environment", "services", "software"].iter().any(|name| resource.fields.contains_key(*name))
        || !resource.uses.is_empty()
        || people(resource).is_some()
}

/// Lowers the bucket, what stands in it, and the machine's rights on both; nothing for a machine that has
/// nothing to be told.
pub(crate) fn settings(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    if !is_told(resource) {
        return Vec::new();
    }
    let addr = &resource.addr;
    let region = Term::text(around.region.expect("a machine without a region was refused"));
    let field = |name: &str| resource.fields.get(name).cloned();
    let software = match resource.fields.get("software").and_then(packages::spec_of) {
        Some(Ok(spec)) => {
            let want = packages::want(&spec);
            let pinned = around.pins.get(&*want.pin).cloned().map(Term::Known);
            Some(pinned.unwrap_or(Term::NotLocked(want.pin)))
        }
        _ => None,
    };
    let of_kind = |kind: &str, terms: fn(&Addr, &Use) -> Term| {
        let used = resource.uses.iter().filter(|used| used.kind == kind);
        let used: BTreeMap<String, Term> =
            used.map(|used| (variable_stem(&used.target), terms(addr, used))).collect();
        (!used.is_empty()).then(|| Term::map(used))
    };
    let mailbox = super::bucket::mailbox(&region, LOG_DAYS);
    let settings = part(
        PART,
        None,
        SETTINGS.name,
        [
            ("bucket", of(&addr.part(MAILBOX_PART, None), "name")),
            ("environment", field("environment")),
            ("services", field("services")),
            ("software", software),
            ("buckets", of_kind("bucket", bucket_terms)),
            ("databases", of_kind("database", |_, used| reading::database_terms(used))),
            ("volumes", of_kind("volume", volume_terms)),
            ("people", people(resource)),
            ("replica_location", Some(region)),
            ("intact", flag(true)),
        ],
    );
    let mailbox = part_of(MAILBOX_PART, MAILBOX.name, mailbox);
    [mailbox, settings].into_iter().chain(rights(addr)).collect()
}

fn part_of(name: &str, ty: &'static str, args: BTreeMap<String, Term>) -> Native {
    Native { args, ..part(name, None, ty, []) }
}

/// What a machine may do with its settings: read them, and say how it went.
fn rights(machine: &Addr) -> Vec<Native> {
    let bucket = || of(&machine.part(MAILBOX_PART, None), "name");
    let secret = of(&machine.part(PART, None), "secret");
    let reader = "roles/storage.objectViewer";
    // It writes its status over again, which needs the right to delete.
    let writer = "roles/storage.objectUser";
    let accessor = "roles/secretmanager.secretAccessor";
    let right = |name, on, resource, role, prefix| {
        account::own_grant(machine, name, on, resource, role, prefix)
    };
    vec![
        right("boot", "bucket", bucket(), reader, Some("boot.json")),
        right("status", "bucket", bucket(), writer, Some("status/")),
        right("logs", "bucket", bucket(), writer, Some("logs/")),
        right("secrets", "secret", secret, accessor, None),
    ]
}

fn bucket_terms(user: &Addr, used: &Use) -> Term {
    let mut terms = reading::bucket_terms(used);
    let halves = [("access_key_id", "access_id"), ("secret_access_key", "secret")];
    for (name, half) in halves {
        terms.extend(account::of_s3_key(user, half).map(|term| (name.to_owned(), term)));
    }
    Term::map(terms)
}

/// Where a disk is found on the machine, and where it is mounted.
fn volume_terms(_: &Addr, used: &Use) -> Term {
    let device = Value::text(super::volume::device_name(&used.target));
    let path = Value::text(super::volume::mount_path(&used.target));
    let terms = [("device".to_owned(), device), ("path".to_owned(), path)];
    Term::Known(Value::Map(Map::from(terms)))
}
