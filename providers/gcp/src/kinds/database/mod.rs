//! `database`: a server of Cloud SQL, reached from its network alone.
//!
//! ```text
//! features.password (dsenv.secret) --\
//! net.services, net.peering ----------> features (gcp.sql_instance)
//! ```
//! Who uses it is let out to its address by a rule of theirs (see `flows`), and takes its name and password
//! from here. `tiers` says how big a server is.
//!
//! ## Choices
//! - The edition is Enterprise: PostgreSQL from 16 on would be Enterprise Plus otherwise, at another price.
//! - The disk does not grow by itself: it never shrinks again, and nobody would have been asked.
//! - Backups are daily; the moments in between are kept for seven days, which is what this edition has.

mod instance;
pub(crate) mod tiers;

pub(crate) use instance::DATABASE;

use super::{GcpKind, args, check_known, flag, int, known, of, part, text};
use crate::regions;
use dsenv_sdk::provider::{Finding, Native, Neutral, Surroundings, refuses, substitutes};
use dsenv_sdk::reading;
use dsenv_sdk::schema::parse_size;
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Term, builtin};

pub(crate) const KIND: GcpKind =
    GcpKind { name: "database", check, wants: |_, _| Vec::new(), lower };

/// Whom the database belongs to. Fixed: nobody types it.
const USERNAME: &str = "dsenv";
const PASSWORD_CHARS: i64 = 32;
/// What the neutral kind promises where there are backups.
const BACKUP_DAYS_USUAL: i64 = 7;
/// <https://cloud.google.com/sql/docs/postgres/backup-recovery/pitr>
const LOG_DAYS_MAX: i64 = 7;
const GIB: u64 = 1 << 30;
/// <https://cloud.google.com/sql/docs/quotas#storage_limits>
const STORAGE_GIB: std::ops::RangeInclusive<u64> = 10..=65_536;
const STORAGE_GIB_USUAL: u64 = 20;

/// The major versions that make sense, the newest last: older ones have had their last fix.
/// <https://cloud.google.com/sql/docs/db-versions>
fn versions(engine: &str) -> &'static [&'static str] {
    match engine {
        "mysql" => &["8.0", "8.4"],
        _ => &["14", "15", "16", "17", "18"],
    }
}

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    const KNOWN: &[&str] = &[
        "engine",
        "version",
        "size",
        "cpus",
        "memory",
        "type",
        "storage",
        "multi_zone",
        "backup_days",
    ];
    let mut findings = check_known(resource, KNOWN);
    findings.extend(regions::check(resource, around));
    if resource.network.is_none() {
        let help = "add one beside it: `net: {kind: network, cidr: 10.20.0.0/16}`";
        findings.push(refuses(&[], "on gcp a database needs a network", help));
    }
    findings.extend(check_version(resource));
    if let Err((field, message)) = tiers::tier(resource) {
        let help = match field {
            "type" => "write one that is sold: `type: db-custom-2-8192`",
            _ => "write `size: medium`, or `cpus: 2+` and `memory: 8GiB+`",
        };
        findings.push(refuses(&[field], message, help));
    }
    if let Some(storage) = text(resource, "storage")
        && !storage_gib(storage).is_some_and(|gib| STORAGE_GIB.contains(&gib))
    {
        let message = format!("on gcp a database has from 10GiB to 64TiB, not {storage}");
        findings.push(refuses(&["storage"], message, "write `storage: 20GiB`"));
    }
    if known(resource, "encrypted") == Some(&Value::Bool(false)) {
        let message = "on gcp a database is encrypted all the same: nobody can switch it off";
        findings.push(substitutes(&["encrypted"], message));
    }
    findings.extend(check_backups(resource));
    if resource.access.iter().any(|access| access.how == "sql") {
        let message =
            "on gcp nobody reaches a database from outside: it has a private address alone";
        let help = "take `how: sql` away; a machine that `uses` it reaches it";
        findings.push(refuses(&["access"], message, help));
    }
    findings
}

fn check_version(resource: &Neutral) -> Option<Finding> {
    let (engine, version) = (text(resource, "engine")?, text(resource, "version")?);
    let versions = versions(engine);
    if !versions.contains(&version) {
        let message = format!(
            "on gcp a database has a major version, one of {}, not `{version}`",
            versions.join(", ")
        );
        let newest = versions.last().expect("an engine has versions");
        return Some(refuses(&["version"], message, format!("write `version: \"{newest}\"`")));
    }
    let message = "MySQL 8.0 has had its last fix in April 2026: Google Cloud charges for extended support \
                   of such versions, by processor and hour, at a price that is not in the price book; `8.4` \
                   costs nothing more";
    (version == "8.0").then(|| substitutes(&["version"], message))
}

fn check_backups(resource: &Neutral) -> Option<Finding> {
    let days = backup_days(resource);
    if days == 0 && is_regional(resource) {
        let message = "on gcp a database with a second server has backups: it starts from them";
        return Some(refuses(&["backup_days"], message, "write `backup_days: 1`, or more"));
    }
    let message = format!(
        "on gcp a database can be brought back as it was at any moment of the last {LOG_DAYS_MAX} days, and \
         as it was once a day before that"
    );
    (days > LOG_DAYS_MAX).then(|| substitutes(&["backup_days"], message))
}

fn backup_days(resource: &Neutral) -> i64 {
    known(resource, "backup_days").and_then(Value::as_int).unwrap_or(BACKUP_DAYS_USUAL)
}

fn is_regional(resource: &Neutral) -> bool {
    known(resource, "multi_zone") == Some(&Value::Bool(true))
}

/// A size in whole GiB, rounded up.
fn storage_gib(text: &str) -> Option<u64> {
    parse_size(text).map(|bytes| bytes.div_ceil(GIB))
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let addr = &resource.addr;
    let network = resource.network.as_ref().expect("a database without a network was refused");
    let engine = text(resource, "engine").expect("an engine that is not known was refused");
    let version = text(resource, "version").expect("a version that is not known was refused");
    let tier = tiers::tier(resource).expect("what no tier satisfies was refused");
    let version = format!("{}_{}", engine.to_uppercase(), version.replace('.', "_"));
    let storage = text(resource, "storage").and_then(storage_gib).unwrap_or(STORAGE_GIB_USUAL);
    let storage = i64::try_from(storage).expect("the storage was checked");
    let days = backup_days(resource);
    let words = |text: &str| Some(Term::text(text));
    let database = args([
        ("engine", words(engine)),
        ("database_version", words(&version)),
        ("edition", words("ENTERPRISE")),
        ("tier", words(&tier)),
        ("region", around.region.map(Term::text)),
        ("availability_type", words(if is_regional(resource) { "REGIONAL" } else { "ZONAL" })),
        ("storage_type", words("PD_SSD")),
        ("storage_gib", int(storage)),
        ("storage_auto_resize", flag(false)),
        ("backup_days", int(days)),
        ("log_days", int(days.min(LOG_DAYS_MAX))),
        ("public_address", flag(false)),
        ("private_network", of(network, "id")),
        ("allocated_range", of(network, "service_range")),
        ("ssl_mode", words("ENCRYPTED_ONLY")),
        ("deletion_protection", flag(resource.protect)),
        ("username", words(USERNAME)),
        ("password", of(&addr.part("password", None), "value")),
        ("database", words(&plain_name(addr))),
    ]);
    // An address is had only once the peering is there.
    let after = vec![network.part("peering", None)];
    vec![
        part("password", None, builtin::SECRET.name, [("length", int(PASSWORD_CHARS))]),
        Native { part: None, ty: DATABASE.name, args: database, after },
    ]
}

/// Words that no database may be called: the servers' own databases and roles, and what SQL reserves
/// in PostgreSQL or MySQL and somebody may call a resource.
const RESERVED: &str = "\
    admin all analyze any array case cast check cloudsqladmin column condition constraint cube current \
    cursor database databases default desc distinct each else end except explain fetch for foreign from \
    function grant group groups in index information_schema into is join key keys lateral limit load lock \
    match mysql natural not null of offset on only option or order out outer over partition \
    performance_schema postgres primary procedure range rank read reads references release rename repeat \
    replace right row rows schema schemas select session_user set show signal some sql starting stored sys \
    system table template0 template1 then to trailing trigger union unique update usage use user using \
    values when where window with write";

/// The name of the database for an address.
fn plain_name(addr: &Addr) -> String {
    reading::database_name(addr, |name| RESERVED.split_whitespace().any(|word| word == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests_of_kinds::{charges, findings, natives, neutral};
    use dsenv_sdk::Key;
    use dsenv_sdk::provider::Access;
    use expect_test::{Expect, expect};

    fn database(engine: &str, version: &str, fields: &[(&str, Value)]) -> Neutral {
        let mut all = vec![("engine", Value::text(engine)), ("version", Value::text(version))];
        all.extend(fields.iter().cloned());
        let network = Some(Addr::resource("net"));
        Neutral { network, ..neutral("features", "database", &all) }
    }

    fn checked(resource: &Neutral, expected: Expect) {
        expected.assert_eq(&findings(&KIND, resource));
    }

    #[test]
    fn a_database_is_a_password_and_a_server() {
        expect![[r#"
            features.password: dsenv.secret
              length = 32
            features: gcp.sql_instance
              allocated_range = <net.service_range>
              availability_type = "ZONAL"
              backup_days = 7
              database = "features"
              database_version = "POSTGRES_18"
              deletion_protection = false
              edition = "ENTERPRISE"
              engine = "postgres"
              log_days = 7
              password = <features.password.value>
              private_network = <net.id>
              public_address = false
              region = "us-central1"
              ssl_mode = "ENCRYPTED_ONLY"
              storage_auto_resize = false
              storage_gib = 20
              storage_type = "PD_SSD"
              tier = "db-g1-small"
              username = "dsenv"
              after net.peering
        "#]]
        .assert_eq(&natives(&KIND, &database("postgres", "18", &[])));
    }

    #[test]
    fn a_large_one_has_a_second_server_and_its_backups() {
        let fields = [
            ("size", Value::text("large")),
            ("storage", Value::text("100GB")),
            ("multi_zone", Value::Bool(true)),
            ("backup_days", Value::Int(14)),
        ];
        let resource = Neutral { protect: true, ..database("mysql", "8.4", &fields) };
        checked(
            &resource,
            expect![[r#"
            backup_days: substitutes: on gcp a database can be brought back as it was at any moment of the last 7 days, and as it was once a day before that
        "#]],
        );
        expect![[r#"
            features.password: dsenv.secret
              length = 32
            features: gcp.sql_instance
              allocated_range = <net.service_range>
              availability_type = "REGIONAL"
              backup_days = 14
              database = "features"
              database_version = "MYSQL_8_4"
              deletion_protection = true
              edition = "ENTERPRISE"
              engine = "mysql"
              log_days = 7
              password = <features.password.value>
              private_network = <net.id>
              public_address = false
              region = "us-central1"
              ssl_mode = "ENCRYPTED_ONLY"
              storage_auto_resize = false
              storage_gib = 94
              storage_type = "PD_SSD"
              tier = "db-custom-8-32768"
              username = "dsenv"
              after net.peering
        "#]]
        .assert_eq(&natives(&KIND, &resource));
    }

    #[test]
    fn what_cloud_sql_cannot_do_is_refused() {
        let fields = [
            ("cpus", Value::text("3")),
            ("storage", Value::text("1GiB")),
            ("encrypted", Value::Bool(false)),
            ("multi_zone", Value::Bool(true)),
            ("backup_days", Value::Int(0)),
        ];
        let access = Access {
            who: "ada".to_owned(),
            keys: Vec::new(),
            how: "sql".to_owned(),
            from: None,
            until: None,
        };
        let resource =
            Neutral { network: None, access: vec![access], ..database("postgres", "9.6", &fields) };
        checked(
            &resource,
            expect![[r#"
            : refuses: on gcp a database needs a network (add one beside it: `net: {kind: network, cidr: 10.20.0.0/16}`)
            version: refuses: on gcp a database has a major version, one of 14, 15, 16, 17, 18, not `9.6` (write `version: "18"`)
            cpus: refuses: gcp has database servers with 1 processor, or an even number up to 96 (write `size: medium`, or `cpus: 2+` and `memory: 8GiB+`)
            storage: refuses: on gcp a database has from 10GiB to 64TiB, not 1GiB (write `storage: 20GiB`)
            encrypted: substitutes: on gcp a database is encrypted all the same: nobody can switch it off
            backup_days: refuses: on gcp a database with a second server has backups: it starts from them (write `backup_days: 1`, or more)
            access: refuses: on gcp nobody reaches a database from outside: it has a private address alone (take `how: sql` away; a machine that `uses` it reaches it)
        "#]],
        );
        checked(
            &database("mysql", "8.0", &[]),
            expect![[r#"
            version: substitutes: MySQL 8.0 has had its last fix in April 2026: Google Cloud charges for extended support of such versions, by processor and hour, at a price that is not in the price book; `8.4` costs nothing more
        "#]],
        );
    }

    #[test]
    fn a_server_is_charged_for_its_hours_its_memory_and_its_disk() {
        expect![[r#"
            features: server (Running): database/postgres/db-g1-small/hour x 1
            features: storage (Month): database/postgres/storage/ssd/GB-month x 20
            features: backups (Month): database/postgres/backup/GB-month x 0 [`usage.backup` is 0 GiB a month]
        "#]].assert_eq(&charges(&[&database("postgres", "18", &[])], &[]));
        let fields = [("size", Value::text("medium")), ("storage", Value::text("100GiB"))];
        let resource = database("postgres", "18", &fields);
        let usage = [("hours", Value::Int(365)), ("backup", Value::text("50GiB"))];
        expect![[r#"
            features: server, processors (Running): database/postgres/vCPU-hour x 2
            features: server, memory (Month): database/postgres/memory/GB-month x 4
            features: storage (Month): database/postgres/storage/ssd/GB-month x 100
            features: backups (Month): database/postgres/backup/GB-month x 50
        "#]]
        .assert_eq(&charges(&[&resource], &usage));
    }

    #[test]
    fn a_second_server_is_charged_by_its_own_figures() {
        let fields = [("multi_zone", Value::Bool(true)), ("size", Value::text("medium"))];
        expect![[r#"
            features: server, processors (Running): database/mysql/ha/vCPU-hour x 2
            features: server, memory (Month): database/mysql/ha/memory/GB-month x 8
            features: storage (Month): database/mysql/storage/ssd/ha/GB-month x 20
            features: backups (Month): database/mysql/backup/GB-month x 0 [`usage.backup` is 0 GiB a month]
            features: extended support (Running): database/mysql/extended-support/vCPU-hour x 2
        "#]].assert_eq(&charges(&[&database("mysql", "8.0", &fields)], &[]));
        let shared =
            charges(&[&database("mysql", "8.4", &[("multi_zone", Value::Bool(true))])], &[]);
        assert!(shared.contains("database/mysql/db-g1-small/ha/hour x 1"), "{shared}");
        let none = charges(&[&database("mysql", "8.4", &[("backup_days", Value::Int(0))])], &[]);
        assert!(!none.contains("backup"), "{none}");
    }

    #[test]
    fn a_name_is_one_that_a_server_takes() {
        assert_eq!(plain_name(&Addr::resource("features")), "features");
        assert!(plain_name(&Addr::resource("postgres")).starts_with("own_postgres_"));
        let member = Addr::resource("m").member(Key::Text("a".into()));
        assert_ne!(plain_name(&member), plain_name(&Addr::resource("m_a")));
    }
}
