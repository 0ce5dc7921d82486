//! What a machine is to be: blobs in a storage account of its own, which its identity alone may read.
//!
//! ```text
//! desk.mailbox (an account with the containers `boot` and `reports`)
//!   boot/boot.json      services, variables, locked packages    written here, read there
//!   boot/secrets.json   secret variables                        written here, read there
//!   reports/...         how it went, logs                       written there, read here
//! desk.right["boot"] (reads one) desk.right["reports"] (writes the other)
//! ```
//! ## Why secrets stand in a blob and not in a vault
//! A vault that was deleted keeps its name for a week at least, its secrets end at 25 KB, and it is one more
//! thing that is charged. The blob is encrypted at rest, has no key and no public address, and whoever may
//! read it by a role might as well read the vault.

use super::identity::{self, BLOB_CONTRIBUTOR, BLOB_READER};
use super::{LOCATION, TAGS, args, fixed, id_of, node, of, part, pool, share};
use dsenv_sdk::cost::{Charge, Costing, Planned, Rate, Time};
use dsenv_sdk::entry::{SSH, people};
use dsenv_sdk::prices::Driver;
use dsenv_sdk::provider::{Native, Neutral, Surroundings, Use, variable_stem};
use dsenv_sdk::reading::{attributes, bucket_terms, database_terms};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::Value;
use dsenv_sdk::{Term, software as packages};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// The part that says what a machine is to be.
pub(crate) const PART: &str = "settings";
/// The part that is the account which it stands in.
pub(crate) const MAILBOX_PART: &str = "mailbox";

/// How long logs of machines that are gone are kept.
const LOG_DAYS: i64 = 30;

/// The account by which a machine is told what to be, and tells how it went.
pub(crate) const MAILBOX: NativeType = NativeType {
    name: "azure.mailbox",
    doc: "The storage account by which a machine is told what to be, and tells how it went.",
    fields: &[
        LOCATION,
        Field::new("log_days", Type::Int { min: 1, max: 36_500 }, "How long logs are kept."),
        TAGS,
    ],
    attributes: &[
        Attribute::new("id", "Its id."),
        Attribute::new("endpoint", "Where it answers."),
        Attribute::new("boot_id", "The container that a machine reads."),
        Attribute::new("reports_id", "The container that a machine writes."),
    ],
    // What is in it is written anew, and logs are no one's data.
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// What a machine is to be.
pub(crate) const SETTINGS: NativeType = NativeType {
    name: "azure.settings",
    doc: "What a machine is to be: a blob that it reads, and one with its secrets.",
    fields: &[
        id_of("mailbox", "Where it stands.").required().replaces(),
        Field::new("environment", Type::Map(&Type::Any), "Variables of all services."),
        Field::new("services", Type::Map(&Type::Any), "What runs, by name."),
        Field::new("software", Type::Any, "What the lock has for its packages."),
        Field::new("buckets", Type::Map(&Type::Any), "What it uses, by the start of variables."),
        Field::new("databases", Type::Map(&Type::Any), "What it uses, by the start of variables."),
        Field::new("mounts", Type::Map(&Type::Any), "What it mounts, by the start of variables."),
        Field::new("people", Type::List(&Type::Any), "Who comes in by ssh, by which keys.")
            .class(Class::Policy)
            .of("access"),
        Field::new("intact", Type::Bool, "Whether it is as it was written.").required(),
    ],
    attributes: &[Attribute::new("id", "Where it stands.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// Whether a machine has anything to be told.
fn is_told(resource: &Neutral) -> bool {
    let said = ["environment", "services", "software"];
    said.iter().any(|name| resource.fields.contains_key(*name))
        || !resource.uses.is_empty()
        || resource.access.iter().any(|access| access.how == SSH)
}

/// Lowers the mailbox, what stands in it, and the machine's rights on both; nothing for a machine that has
/// nothing to be told.
pub(crate) fn settings(
    resource: &Neutral,
    around: &Surroundings<'_>,
    location: &Option<Term>,
) -> Vec<Native> {
    if !is_told(resource) {
        return Vec::new();
    }
    let addr = &resource.addr;
    let mailbox_addr = addr.part(MAILBOX_PART, None);
    let mailbox = args([("location", location.clone()), ("log_days", fixed(Value::Int(LOG_DAYS)))]);
    let field = |name: &str| resource.fields.get(name).cloned();
    let settings = args([
        ("mailbox", of(&mailbox_addr, "endpoint")),
        ("environment", field("environment")),
        ("services", field("services")),
        ("software", software(resource, around)),
        ("buckets", of_kind(resource, "bucket", |used| Term::map(bucket_terms(used)))),
        ("databases", of_kind(resource, "database", database_terms)),
        ("mounts", mounts(resource)),
        ("people", people(resource)),
        ("intact", fixed(Value::Bool(true))),
    ]);
    vec![
        node(part(MAILBOX_PART), &MAILBOX, mailbox),
        node(part(PART), &SETTINGS, settings),
        identity::own_right(addr, "boot", of(&mailbox_addr, "boot_id"), BLOB_READER),
        identity::own_right(addr, "reports", of(&mailbox_addr, "reports_id"), BLOB_CONTRIBUTOR),
    ]
}

fn software(resource: &Neutral, around: &Surroundings<'_>) -> Option<Term> {
    let spec = resource.fields.get("software").and_then(packages::spec_of)?.ok()?;
    let want = packages::want(&spec);
    let pinned = around.pins.get(&*want.pin).cloned().map(Term::Known);
    Some(pinned.unwrap_or(Term::NotLocked(want.pin)))
}

fn of_kind(resource: &Neutral, kind: &str, terms: fn(&Use) -> Term) -> Option<Term> {
    let used = resource.uses.iter().filter(|used| used.kind == kind);
    let used: BTreeMap<String, Term> =
        used.map(|used| (variable_stem(&used.target), terms(used))).collect();
    (!used.is_empty()).then(|| Term::map(used))
}

/// What a machine mounts: a volume by the number of its place, a share by its address.
fn mounts(resource: &Neutral) -> Option<Term> {
    let volumes = resource.uses.iter().filter(|used| used.kind == "volume").zip(0_i64..);
    let volumes = volumes.map(|(used, number)| {
        let number = BTreeMap::from([("lun".to_owned(), Term::Known(Value::Int(number)))]);
        (variable_stem(&used.target), Term::map(number))
    });
    let shares = resource.uses.iter().filter(|used| used.kind == "share");
    let shares = shares.map(|used| {
        (variable_stem(&used.target), Term::map(attributes(&used.target, share::MOUNTED_BY)))
    });
    let mounts: BTreeMap<String, Term> = volumes.chain(shares).collect();
    (!mounts.is_empty()).then(|| Term::map(mounts))
}

/// What a mailbox is charged for: little space, and that each machine looks into it again and again.
pub(crate) fn charges(node: &Planned<'_>, costing: &Costing<'_>) -> Vec<Charge> {
    /// Machines look for both blobs four times a minute, and say once a minute how they are.
    const READS_AN_HOUR: i64 = 480;
    const WRITES_AN_HOUR: i64 = 60;
    let machines = pool::members(costing);
    let space = Charge::new(
        node.addr,
        "settings and logs",
        Time::Month,
        Rate::of(Driver::BucketSpace { class: super::bucket::CLASS }),
        Decimal::ONE,
    );
    let calls = |name: &str, an_hour: i64, driver| {
        let an_hour = Decimal::from(an_hour);
        Charge::new(node.addr, name, Time::Running, Rate::of(driver), an_hour * machines.now)
            .between(an_hour * machines.floor, an_hour * machines.ceiling)
            .assuming([format!("{an_hour} an hour by each machine")])
    };
    vec![
        space.assuming(["1 GiB of logs".to_owned()]),
        calls("settings reads", READS_AN_HOUR, Driver::BucketRead { class: super::bucket::CLASS }),
        calls("report writes", WRITES_AN_HOUR, Driver::BucketWrite { class: super::bucket::CLASS }),
    ]
}
