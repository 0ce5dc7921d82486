//! `database`: a flexible server of PostgreSQL or MySQL in the delegated subnet of a network.
//!
//! ```text
//! features.password (dsenv.secret) --\
//! features.zone (azure.dns_zone) -----> features (azure.database)
//! features.zone_link (azure.dns_link)-/      net (its subnet)
//! features.firewall (the network's group for databases, where users bring their rules)
//! ```
//! Who uses it is let in by a rule of theirs on the network's group for databases, and takes its name and
//! password from here. `classes` says how big a server is.
//!
//! ## A second server in another zone
//! is a whole server with a whole disk, and both are charged twice. Burstable servers cannot have one.
//!
//! ## Versions
//! A blueprint names a major version; Azure applies minor ones by itself, and they are in no plan.

mod classes;
mod objects;

pub(crate) use objects::{DATABASE, DNS_LINK, DNS_ZONE};

use super::{
    AzureKind, args, check_known, check_network, fixed, fixed_text, flows, known, location, node,
    of, part, refuses, substitutes, text,
};
use crate::charge;
use crate::regions;
use dsenv_sdk::cost::{Charge, Costing, Planned, Rate, Time};
use dsenv_sdk::prices::Driver;
use dsenv_sdk::provider::{Finding, Native, Neutral, OnDestroy, Surroundings, Token};
use dsenv_sdk::reading;
use dsenv_sdk::schema::parse_size;
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Key, Term, builtin};
use rust_decimal::Decimal;

pub(super) const KIND: AzureKind =
    AzureKind { name: "database", check, wants: |_, _| Vec::new(), lower };

/// Whom the database belongs to. Fixed: nobody types it.
const USERNAME: &str = "dsenv";
const PASSWORD_CHARS: i64 = 32;
/// What the neutral kind promises.
const BACKUP_DAYS_USUAL: i64 = 7;
const BACKUP_DAYS_MAX: i64 = 35;

/// What PostgreSQL's storage is sold in, in GiB.
const POSTGRES_GIB: &[i64] = &[32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_767];
/// What MySQL's may be, by single GiB.
const MYSQL_GIB: std::ops::RangeInclusive<i64> = 20..=16_384;

/// A database that Azure runs and that is offered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Postgres,
    Mysql,
}

impl Engine {
    fn of(resource: &Neutral) -> Option<Engine> {
        match text(resource, "engine") {
            Some("postgres") => Some(Engine::Postgres),
            Some("mysql") => Some(Engine::Mysql),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Engine::Postgres => "postgres",
            Engine::Mysql => "mysql",
        }
    }

    /// The major versions that make sense; older ones have had their last fix.
    fn versions(self) -> &'static [&'static str] {
        match self {
            Engine::Postgres => &["14", "15", "16", "17", "18"],
            Engine::Mysql => &["8.0", "8.4"],
        }
    }

    /// The fewest days that backups are kept; Azure keeps some always.
    fn backup_days_min(self) -> i64 {
        match self {
            Engine::Postgres => 7,
            Engine::Mysql => 1,
        }
    }

    /// The storage that a server has for so much: the next larger that is sold; `None` beyond the largest.
    fn storage_gib(self, gib: i64) -> Option<i64> {
        match self {
            Engine::Postgres => POSTGRES_GIB.iter().copied().find(|sold| *sold >= gib),
            Engine::Mysql if gib > *MYSQL_GIB.end() => None,
            Engine::Mysql => Some(gib.max(*MYSQL_GIB.start())),
        }
    }

    /// How the names of its zones must end.
    fn zone_suffix(self) -> &'static str {
        match self {
            Engine::Postgres => "private.postgres.database.azure.com",
            Engine::Mysql => "private.mysql.database.azure.com",
        }
    }
}

fn said_gib(resource: &Neutral) -> Option<i64> {
    let bytes = text(resource, "storage").and_then(parse_size)?;
    i64::try_from(bytes.div_ceil(1 << 30)).ok()
}

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let decisive = ["engine", "version", "size", "cpus", "memory", "type", "storage"];
    let mut findings = check_known(resource, &decisive);
    findings.extend(check_known(resource, &["multi_zone", "backup_days"]));
    findings.extend(check_network(resource));
    let lost = regions::check(resource, around);
    let is_lost = !lost.is_empty();
    findings.extend(lost);
    if let Some(engine) = Engine::of(resource) {
        findings.extend(check_version(resource, engine));
        findings.extend(check_class(resource, engine));
        findings.extend(check_storage(resource, engine));
        findings.extend(check_backup(resource, engine));
    }
    let region = around.region.unwrap_or_default();
    if !is_lost && has_standby(resource) && !regions::has_zones(region) {
        let message = format!("`{region}` has no second zone for a second server");
        let help = "take `multi_zone` out, or take a region with zones: `region: westeurope`";
        findings.push(refuses(&["multi_zone"], message, help));
    }
    if known(resource, "encrypted") == Some(&Value::Bool(false)) {
        let message = "on azure a database is encrypted all the same, and nobody can switch it off";
        findings.push(substitutes(&["encrypted"], message));
    }
    if resource.on_destroy == OnDestroy::Snapshot {
        let message = "on azure the backups of a database go with its server";
        let help = "write `on_destroy: retain`, which keeps the server, or `delete`";
        findings.push(refuses(&["on_destroy"], message, help));
    }
    if resource.access.iter().any(|access| access.how == "sql") {
        let message = "on azure nobody reaches a database from outside: it stands in the network";
        let help = "take `how: sql` away; a machine that `uses` it reaches it";
        findings.push(refuses(&["access"], message, help));
    }
    findings
}

fn has_standby(resource: &Neutral) -> bool {
    known(resource, "multi_zone") == Some(&Value::Bool(true))
}

fn check_version(resource: &Neutral, engine: Engine) -> Option<Finding> {
    let version = text(resource, "version")?;
    if engine.versions().contains(&version) {
        return None;
    }
    let versions = engine.versions().join(", ");
    let message =
        format!("on azure a database has a major version, one of {versions}, not `{version}`");
    let newest = engine.versions().last().expect("an engine has versions");
    Some(refuses(&["version"], message, format!("write `version: \"{newest}\"`")))
}

fn check_class(resource: &Neutral, engine: Engine) -> Option<Finding> {
    if let Some(finding) = check_type(resource) {
        return Some(finding);
    }
    let needs = classes::Needs::of(resource, engine);
    let classes = needs.classes();
    let Some(first) = classes.first() else {
        let message = format!("azure has no server of {} with {needs}", engine.name());
        let help = "ask for `+` instead of an exact number; with `multi_zone`, for two processors at least";
        let field = if needs.has_cpus() { "cpus" } else { "memory" };
        return Some(refuses(&[field], message, help));
    };
    if has_standby(resource) && classes::is_burstable(first) {
        let (what, help) = match text(resource, "type") {
            Some(named) => (format!("`{named}`"), "take another `type`, or take it out"),
            None => ("small server".to_owned(), "write `size: medium`, or take it out"),
        };
        let message =
            format!("on azure a {what} is a burstable one, and those have no second server");
        return Some(refuses(&["multi_zone"], message, help));
    }
    None
}

/// What a server that is named is refused for.
fn check_type(resource: &Neutral) -> Option<Finding> {
    let named = text(resource, "type")?;
    if classes::bare(named).is_none() {
        let message = format!("on azure a size of database servers is not called `{named}`");
        let help = "write it with its tier: `type: GP_Standard_D2ds_v5`";
        return Some(refuses(&["type"], message, help));
    }
    let said = ["cpus", "memory"].into_iter().find(|field| known(resource, field).is_some())?;
    let message = format!("`type` says how big the server is, and `{said}` says it again");
    Some(refuses(&[said], message, "take one of them out"))
}

fn check_storage(resource: &Neutral, engine: Engine) -> Option<Finding> {
    let gib = said_gib(resource)?;
    match engine.storage_gib(gib) {
        None => {
            let most = engine.storage_gib(*POSTGRES_GIB.last().expect("there are steps"));
            let most = most.unwrap_or(*MYSQL_GIB.end());
            let message = format!("on azure a database has {most}GiB at most, not {gib}GiB");
            Some(refuses(&["storage"], message, format!("write `storage: {most}GiB`, or less")))
        }
        Some(sold) if sold != gib => {
            let message = format!(
                "on azure the disk of a database is sold in steps: it has {sold}GiB for {gib}GiB"
            );
            Some(substitutes(&["storage"], message))
        }
        Some(_) => None,
    }
}

fn check_backup(resource: &Neutral, engine: Engine) -> Option<Finding> {
    let days = known(resource, "backup_days").and_then(Value::as_int)?;
    let least = engine.backup_days_min();
    if (least..=BACKUP_DAYS_MAX).contains(&days) {
        return None;
    }
    let message = format!(
        "on azure backups of {} are kept for {least} to {BACKUP_DAYS_MAX} days, not {days}",
        engine.name()
    );
    Some(refuses(&["backup_days"], message, format!("write `backup_days: {least}`")))
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let engine = Engine::of(resource).expect("another engine was refused");
    let network = resource.network.as_ref().expect("a database without a network was refused");
    let addr = &resource.addr;
    let storage = said_gib(resource).and_then(|gib| engine.storage_gib(gib));
    let storage = storage.or(engine.storage_gib(0)).expect("there is a smallest storage");
    let classes = classes::Needs::of(resource, engine).classes();
    let classes = classes.iter().map(|class| Value::Text(format!("Standard_{class}"))).collect();
    let days = known(resource, "backup_days").and_then(Value::as_int).unwrap_or(BACKUP_DAYS_USUAL);
    let place = match engine {
        Engine::Postgres => "postgres_place",
        Engine::Mysql => "mysql_place",
    };
    let database = args([
        ("location", location(around)),
        ("engine", fixed_text(engine.name())),
        ("version", text(resource, "version").map(Term::text)),
        ("classes", fixed(Value::List(classes))),
        ("storage_gib", fixed(Value::Int(storage))),
        ("multi_zone", fixed(Value::Bool(has_standby(resource)))),
        ("backup_days", fixed(Value::Int(days))),
        ("username", fixed_text(USERNAME)),
        ("password", of(&addr.part("password", None), "value")),
        ("database", fixed_text(&plain_name(addr))),
        ("subnet", of(network, place)),
        ("dns_zone", of(&addr.part("zone", None), "id")),
    ]);
    let link = args([
        ("zone", of(&addr.part("zone", None), "name")),
        ("virtual_network", of(network, "id")),
    ]);
    let zone_name = format!("{}.{}", zone_label(addr), engine.zone_suffix());
    let mut server = node(None, &DATABASE, database);
    // A server whose name nobody finds is refused.
    server.after.push(addr.part("zone_link", None));
    vec![
        node(
            part("password"),
            &builtin::SECRET,
            args([("length", fixed(Value::Int(PASSWORD_CHARS)))]),
        ),
        flows::shared_group(network),
        node(part("zone"), &DNS_ZONE, args([("zone", fixed_text(&zone_name))])),
        node(part("zone_link"), &DNS_LINK, link),
        server,
    ]
}

fn full_name(addr: &Addr) -> String {
    match &addr.key {
        Some(Key::Text(key)) => format!("{}_{key}", addr.name),
        Some(Key::Index(key)) => format!("{}_{key}", addr.name),
        None => addr.name.to_string(),
    }
}

/// The name of the database for an address.
fn plain_name(addr: &Addr) -> String {
    /// The servers' own.
    const TAKEN: &[&str] = &[
        "azure_maintenance",
        "azure_sys",
        "information_schema",
        "mysql",
        "performance_schema",
        "postgres",
        "sys",
        "template0",
        "template1",
    ];
    reading::database_name(addr, |name| TAKEN.contains(&name))
}

/// The first label of a database's zone; no two addresses of a network share one.
fn zone_label(addr: &Addr) -> String {
    const CHARS_MAX: usize = 40;
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let mut label: String = full_name(addr).chars().map(plain).collect();
    label.truncate(CHARS_MAX);
    let digest = Token::new("zone of a database", addr, 0);
    format!("{}-{}", label.trim_end_matches('-'), &digest.as_str()[..8])
}

/// What a server is charged for. A standby is a second server with a second disk; backups beyond as much as
/// the disk are charged, and up to it are not.
pub(crate) fn charges(node: &Planned<'_>, costing: &Costing<'_>) -> Vec<Charge> {
    let engine = node.text("engine").unwrap_or("postgres");
    let servers = Decimal::from(if node.flag("multi_zone") { 2 } else { 1 });
    let gib = Decimal::from(node.int("storage_gib").unwrap_or_default());
    let mut charges = Vec::new();
    if let Some(class) = class(node) {
        let bare = class.trim_start_matches("Standard_");
        let class = format!("{}_Standard_{bare}", classes::tier(bare).1);
        let rate = Rate::of(Driver::DatabaseHour { engine, class: &class });
        let name = if servers > Decimal::ONE { "server and standby" } else { "server" };
        charges.push(Charge::new(node.addr, name, Time::Running, rate, servers));
    }
    let space = Rate::of(Driver::DatabaseSpace { engine, class: "ssd" });
    charges.push(Charge::new(node.addr, "storage", Time::Month, space, gib * servers));
    let backup = costing.usage.amount("backup");
    let beyond = (backup.count - gib).max(Decimal::ZERO);
    let rate = Rate::of(Driver::DatabaseBackup { engine });
    let free = format!("{gib} GiB of backups are free");
    charges.push(
        Charge::new(node.addr, "backups beyond the size of the storage", Time::Month, rate, beyond)
            .assuming(backup.assumed)
            .assuming([free]),
    );
    charges
}

/// The size that runs, else the one that is tried first.
fn class<'a>(node: &Planned<'a>) -> Option<&'a str> {
    let running = node.observed.and_then(|seen| seen.get("server_class")).and_then(Value::as_text);
    let classes = node.texts("classes");
    running.filter(|class| classes.contains(class)).or_else(|| classes.first().copied())
}

/// What a zone is charged for. The price book has no figure for either.
pub(crate) fn zone_charges(node: &Planned<'_>, _: &Costing<'_>) -> Vec<Charge> {
    /// Machines keep an answer for some seconds.
    const QUERIES: i64 = 100_000;
    let month = charge::rate_without_driver("dns/zone/month");
    let query = charge::rate_without_driver("dns/query");
    vec![
        Charge::new(node.addr, "private DNS zone", Time::Month, month, Decimal::ONE),
        Charge::new(node.addr, "DNS queries", Time::Month, query, QUERIES.into())
            .assuming([format!("{QUERIES} queries a month")]),
    ]
}

#[cfg(test)]
mod tests;
