//! `database`: a managed database in the private subnets of a network.
//!
//! ```text
//! features.password (dsenv.secret) ----------\
//! features.subnets (aws.db_subnet_group) -----\
//! features.parameters (aws.db_parameter_group) -> features (aws.database)
//! features.firewall (aws.security_group) -----/
//! ```
//! Who uses it is let in by a rule of theirs on `firewall`, and takes its name and password from
//! here. `classes` says how big a server is; `groups` and `instance` make the objects.
//!
//! ## Versions
//! A blueprint names a major version; RDS takes its newest minor one, and keeps it: what changes by
//! itself is in no plan. A newer major version upgrades the database in place, which is what keeps the
//! data; it comes with a parameter group of its family, as RDS wants it. There is no way back.

mod classes;
mod groups;
mod instance;
mod rds;

pub(crate) use groups::{PARAMETER_GROUP, ParameterGroup, SUBNET_GROUP, SubnetGroup};
pub(crate) use instance::{DATABASE, Database};

use super::{AwsKind, args, refuses, substitutes};
use dsenv_sdk::addr::Part;
use dsenv_sdk::provider::{Finding, Native, Neutral, Surroundings};
use dsenv_sdk::reading::{self, known, text};
use dsenv_sdk::schema::parse_size;
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Term, builtin};
use std::collections::BTreeMap;

pub(super) const KIND: AwsKind =
    AwsKind { name: "database", check, wants: |_, _| Vec::new(), lower };

/// The type of the firewall.
const SECURITY_GROUP: &str = super::flows::SECURITY_GROUP.name;
/// Whom the database belongs to. Fixed: nobody types it.
const USERNAME: &str = "dsenv";
/// MySQL takes 41 characters, PostgreSQL 128.
const PASSWORD_CHARS: i64 = 32;
/// What the neutral kind promises where there are backups.
const BACKUP_DAYS_USUAL: i64 = 7;
const GIB: u64 = 1 << 30;
/// What general purpose storage has:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html>
const STORAGE_GIB: std::ops::RangeInclusive<u64> = 20..=65_536;

/// A database that RDS runs and that is offered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Postgres,
    Mysql,
}

impl Engine {
    fn parse(text: &str) -> Option<Engine> {
        match text {
            "postgres" => Some(Engine::Postgres),
            "mysql" => Some(Engine::Mysql),
            _ => None,
        }
    }

    /// The major versions that make sense: older ones have had their last fix. Of MySQL 8.0, RDS' own
    /// support ended on 31 July 2026:
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/MySQL.Concepts.VersionMgmt.html>
    fn versions(self) -> &'static [&'static str] {
        match self {
            Engine::Postgres => &["14", "15", "16", "17", "18"],
            Engine::Mysql => &["8.0", "8.4"],
        }
    }

    /// The major version of an exact one: `18` of `18.1`, `8.4` of `8.4.7`.
    fn major(self, version: &str) -> String {
        let parts = if self == Engine::Postgres { 1 } else { 2 };
        version.split('.').take(parts).collect::<Vec<_>>().join(".")
    }

    /// What makes the server refuse whoever does not come by TLS.
    ///
    /// Nothing else is set: PostgreSQL before 15 and MySQL up to 8.4 take plain connections unless
    /// told otherwise, and all other defaults of RDS follow the size of the server.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL.Concepts.General.SSL.html>,
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/mysql-ssl-connections.require-ssl.html>
    fn tls_only(self) -> Value {
        let name = match self {
            Engine::Postgres => "rds.force_ssl",
            Engine::Mysql => "require_secure_transport",
        };
        Value::Map(Map::from([(name.to_owned(), Value::text("1"))]))
    }
}

fn check(resource: &Neutral, _: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for field in ["engine", "version", "size", "cpus", "memory", "type", "storage"] {
        if resource.fields.get(field).is_some_and(|term| term.known().is_none()) {
            let message = format!("`{field}` of a database must be known before apply");
            findings.push(refuses(&[field], message, "take it from an input, or write it out"));
        }
    }
    if resource.network.is_none() {
        let help = "add one beside it: `net: {kind: network, cidr: 10.20.0.0/16}`";
        findings.push(refuses(&[], "on aws a database needs a network", help));
    }
    let engine = text(resource, "engine").and_then(Engine::parse);
    if let (Some(engine), Some(version)) = (engine, text(resource, "version"))
        && !engine.versions().contains(&version)
    {
        let versions = engine.versions().join(", ");
        let message =
            format!("on aws a database has a major version, one of {versions}, not `{version}`");
        let newest = engine.versions().last().expect("an engine has versions");
        findings.push(refuses(&["version"], message, format!("write `version: \"{newest}\"`")));
    }
    if engine == Some(Engine::Mysql) && text(resource, "version") == Some("8.0") {
        findings.push(substitutes(
            &["version"],
            "RDS has ended its standard support of MySQL 8.0 in July 2026: AWS charges for extended \
             support, by processor and hour, and `8.4` costs nothing more",
        ));
    }
    findings.extend(check_type(resource));
    let needs = classes::Needs::of(resource);
    if needs.classes().is_empty() {
        let message = format!("aws has no database server with {needs}");
        let help = format!("the biggest one has {}; `8+` is at least eight", classes::biggest());
        let field = if needs.has_cpus() { "cpus" } else { "memory" };
        findings.push(refuses(&[field], message, help));
    }
    if let Some(storage) = text(resource, "storage")
        && !storage_gib(storage).is_some_and(|gib| STORAGE_GIB.contains(&gib))
    {
        let message = format!("on aws a database has from 20GiB to 64TiB, not {storage}");
        findings.push(refuses(&["storage"], message, "write `storage: 20GiB`"));
    }
    if resource.access.iter().any(|access| access.how == "sql") {
        let message = "on aws nobody reaches a database from outside: it stands in private subnets";
        let help = "take `how: sql` away; a machine that `uses` it reaches it";
        findings.push(refuses(&["access"], message, help));
    }
    findings
}

/// What a server that is named is refused for.
fn check_type(resource: &Neutral) -> Option<Finding> {
    let named = text(resource, "type")?;
    let class = named.strip_prefix("db.").and_then(|class| class.split_once('.'));
    if !class.is_some_and(|(family, size)| !family.is_empty() && !size.is_empty()) {
        let message = format!("on aws a class of database servers is not called `{named}`");
        return Some(refuses(&["type"], message, "write it as RDS does: `type: db.t4g.small`"));
    }
    let said = ["cpus", "memory"].into_iter().find(|field| known(resource, field).is_some())?;
    let message = format!("`type` says how big the server is, and `{said}` says it again");
    Some(refuses(&[said], message, "take one of them out"))
}

/// A size in whole GiB, rounded up.
fn storage_gib(text: &str) -> Option<u64> {
    parse_size(text).map(|bytes| bytes.div_ceil(GIB))
}

fn lower(resource: &Neutral, _: &Surroundings<'_>) -> Vec<Native> {
    let engine = text(resource, "engine").and_then(Engine::parse).expect("another was refused");
    let version = text(resource, "version").expect("a version that is not known was refused");
    let network = resource.network.as_ref().expect("a database without a network was refused");
    let addr = &resource.addr;
    let of_part = |part: &str, attribute: &str| {
        Some(Term::Ref(Ref::attribute(addr.part(part, None), attribute)))
    };
    let of_network = |attribute| Some(Term::Ref(Ref::attribute(network.clone(), attribute)));
    let fixed = |value: Value| Some(Term::Known(value));
    let field = |name: &str, usual: Value| {
        let given = resource.fields.get(name).filter(|term| term.known() != Some(&Value::Null));
        Some(given.cloned().unwrap_or(Term::Known(usual)))
    };
    let family = match engine {
        Engine::Postgres => format!("postgres{version}"),
        Engine::Mysql => format!("mysql{version}"),
    };
    let description = format!("who reaches database {}", addr.name);
    let storage = text(resource, "storage").and_then(storage_gib).unwrap_or(*STORAGE_GIB.start());
    let storage = i64::try_from(storage).expect("the storage was checked");
    let classes = classes::Needs::of(resource).classes().into_iter().map(Value::text).collect();
    let engine_name = if engine == Engine::Postgres { "postgres" } else { "mysql" };
    let database = args([
        ("engine", fixed(Value::text(engine_name))),
        ("version", fixed(Value::text(version))),
        ("class", fixed(Value::List(classes))),
        ("storage_gib", fixed(Value::Int(storage))),
        ("multi_zone", field("multi_zone", Value::Bool(false))),
        ("backup_days", field("backup_days", Value::Int(BACKUP_DAYS_USUAL))),
        ("encrypted", field("encrypted", Value::Bool(true))),
        ("deletion_protection", fixed(Value::Bool(resource.protect))),
        ("guarded", fixed(Value::Bool(true))),
        ("username", fixed(Value::text(USERNAME))),
        ("password", of_part("password", "value")),
        ("database", fixed(Value::text(plain_name(addr)))),
        ("subnet_group", of_part("subnets", "name")),
        ("parameter_group", of_part("parameters", "name")),
        ("security_groups", of_part("firewall", "id").map(|id| Term::list(vec![id]))),
    ]);
    vec![
        part("password", builtin::SECRET.name, [("length", fixed(Value::Int(PASSWORD_CHARS)))]),
        part("subnets", SUBNET_GROUP.name, [("subnets", of_network("data_places"))]),
        part(
            "parameters",
            PARAMETER_GROUP.name,
            [("family", fixed(Value::text(family))), ("parameters", fixed(engine.tls_only()))],
        ),
        part(
            "firewall",
            SECURITY_GROUP,
            [("vpc", of_network("id")), ("description", fixed(Value::text(description)))],
        ),
        Native { part: None, ty: DATABASE.name, args: database, after: Vec::new() },
    ]
}

fn part<const N: usize>(name: &str, ty: &'static str, pairs: [(&str, Option<Term>); N]) -> Native {
    let args: BTreeMap<String, Term> = args(pairs);
    Native { part: Some(Part { name: name.into(), key: None }), ty, args, after: Vec::new() }
}

/// Words that no database may be called: the servers' own databases and roles, and what SQL reserves
/// in PostgreSQL or MySQL and somebody may call a resource.
const RESERVED: &str = "\
    admin all analyze any array case cast check column condition constraint cube current cursor \
    database databases default dense_rank desc distinct each empty end except explain fetch \
    foreign from function grant group grouping groups index information_schema innodb interval \
    into join key keys lateral lead leading limit lines load lock match mysql natural not null \
    of offset on only option or order out outer over partition performance_schema placing \
    postgres primary procedure range rank rdsadmin read reads recursive references release \
    rename repeat replace right row rows schema schemas select session_user set show signal some \
    sql starting stored symmetric sys system table template0 template1 then tmp to trailing \
    trigger union unique update usage use user using values when where window with write";

/// The name of the database for an address.
fn plain_name(addr: &Addr) -> String {
    reading::database_name(addr, |name| RESERVED.split(' ').any(|word| word == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests_of_kinds::{findings, natives, neutral};
    use dsenv_sdk::provider::Access;
    use expect_test::{Expect, expect};

    fn database(fields: &[(&str, Value)]) -> Neutral {
        let network = Some(Addr::resource("net"));
        Neutral { network, protect: true, ..neutral("features", "database", fields) }
    }

    fn checked(resource: &Neutral, expected: Expect) {
        expected.assert_eq(&findings(check, resource));
    }

    fn fields<'a>(engine: &str, version: &str) -> Vec<(&'a str, Value)> {
        vec![("engine", Value::text(engine)), ("version", Value::text(version))]
    }

    #[test]
    fn a_database_is_five_nodes() {
        let mut fields = fields("postgres", "18");
        fields.extend([("size", Value::text("medium")), ("storage", Value::text("100GB"))]);
        expect![[r#"
            features.password: dsenv.secret
              length = 32
            features.subnets: aws.db_subnet_group
              subnets = <net.data_places>
            features.parameters: aws.db_parameter_group
              family = "postgres18"
              parameters = {rds.force_ssl: "1"}
            features.firewall: aws.security_group
              description = "who reaches database features"
              vpc = <net.id>
            features: aws.database
              backup_days = 7
              class = ["db.m7g.large", "db.m7i.large"]
              database = "features"
              deletion_protection = true
              encrypted = true
              engine = "postgres"
              guarded = true
              multi_zone = false
              parameter_group = <features.parameters.name>
              password = <features.password.value>
              security_groups = [<features.firewall.id>]
              storage_gib = 94
              subnet_group = <features.subnets.name>
              username = "dsenv"
              version = "18"
        "#]]
        .assert_eq(&natives(lower, &database(&fields)));
    }

    #[test]
    fn what_is_said_of_backups_and_zones_is_taken_as_it_is() {
        let mut fields = fields("mysql", "8.4");
        fields.extend([
            ("backup_days", Value::Int(0)),
            ("multi_zone", Value::Bool(true)),
            ("encrypted", Value::Bool(false)),
        ]);
        let lowered = natives(lower, &database(&fields));
        for line in ["backup_days = 0", "multi_zone = true", "encrypted = false"] {
            assert!(lowered.contains(line), "{lowered}");
        }
        assert!(lowered.contains("family = \"mysql8.4\""), "{lowered}");
        assert!(lowered.contains("{require_secure_transport: \"1\"}"), "{lowered}");
    }

    #[test]
    fn what_rds_cannot_do_is_refused() {
        let mut fields = fields("postgres", "9.6");
        fields.extend([
            ("cpus", Value::Int(3)),
            ("memory", Value::text("8GiB+")),
            ("storage", Value::text("10GiB")),
        ]);
        let access = Access {
            who: "ada".into(),
            keys: Vec::new(),
            how: "sql".into(),
            from: None,
            until: None,
        };
        let resource = Neutral {
            network: None,
            access: vec![access],
            ..neutral("features", "database", &fields)
        };
        checked(
            &resource,
            expect![[r#"
                : refuses: on aws a database needs a network (add one beside it: `net: {kind: network, cidr: 10.20.0.0/16}`)
                version: refuses: on aws a database has a major version, one of 14, 15, 16, 17, 18, not `9.6` (write `version: "18"`)
                cpus: refuses: aws has no database server with 3 processors and 8GiB+ of memory (the biggest one has 64 processors and 512GiB of memory; `8+` is at least eight)
                storage: refuses: on aws a database has from 20GiB to 64TiB, not 10GiB (write `storage: 20GiB`)
                access: refuses: on aws nobody reaches a database from outside: it stands in private subnets (take `how: sql` away; a machine that `uses` it reaches it)
            "#]],
        );
        checked(&database(&self::fields("postgres", "18")), expect![""]);
    }

    #[test]
    fn a_version_that_costs_more_is_said() {
        let old = database(&fields("mysql", "8.0"));
        checked(
            &old,
            expect![[r#"
                version: substitutes: RDS has ended its standard support of MySQL 8.0 in July 2026: AWS charges for extended support, by processor and hour, and `8.4` costs nothing more
            "#]],
        );
    }

    #[test]
    fn names_are_plain_and_two_addresses_never_share_one() {
        let name = |addr: &str| plain_name(&addr.parse().expect("an address"));
        assert_eq!(name("features"), "features");
        assert!(name("features[\"eu\"]").starts_with("features_eu_"));
        assert_ne!(name("features[\"eu\"]"), name("features_eu"));
        assert_ne!(name("f[\"a-b\"]"), name("f[\"a_b\"]"));
        for reserved in ["postgres", "order", "user", "admin", "write"] {
            assert!(name(reserved).starts_with(&format!("own_{reserved}_")));
        }
        assert!(name(&"d".repeat(90)).len() <= 63);
    }

    #[test]
    fn the_major_version_of_an_exact_one() {
        assert_eq!(Engine::Postgres.major("18.1"), "18");
        assert_eq!(Engine::Mysql.major("8.4.7"), "8.4");
    }

    #[test]
    fn a_class_is_called_as_rds_calls_it() {
        let of = |more: &[(&'static str, Value)]| {
            let mut all = fields("postgres", "18");
            all.extend(more.iter().cloned());
            database(&all)
        };
        let named = |name: &str| ("type", Value::text(name));
        assert!(findings(check, &of(&[named("db.t3.large")])).is_empty());
        checked(
            &of(&[named("t3.large")]),
            expect![[r#"
            type: refuses: on aws a class of database servers is not called `t3.large` (write it as RDS does: `type: db.t4g.small`)
        "#]],
        );
        checked(
            &of(&[named("db.t3.large"), ("cpus", Value::Int(2))]),
            expect![[r#"
            cpus: refuses: `type` says how big the server is, and `cpus` says it again (take one of them out)
        "#]],
        );
    }
}
