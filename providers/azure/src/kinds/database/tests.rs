use super::*;
use crate::kinds::tests_of_kinds::{
    access, charged, charged_of, findings, findings_in, natives, neutral,
};
use dsenv_sdk::value::Map;
use expect_test::expect;

fn database(engine: &str, version: &str, fields: &[(&str, Value)]) -> Neutral {
    let mut all = vec![
        ("engine", Value::text(engine)),
        ("version", Value::text(version)),
        ("storage", Value::text("20GiB")),
    ];
    all.extend_from_slice(fields);
    Neutral { network: Some(Addr::resource("net")), ..neutral("features", "database", &all) }
}

#[test]
fn a_database_is_a_server_its_password_and_its_zone() {
    let small = database("postgres", "18", &[]);
    expect![[r#"
        features.password: dsenv.secret
          length = 32
        features.firewall: azure.shared_group
          security_group = <net.data_firewall>
        features.zone: azure.dns_zone
          zone = "features-5ac22d6c.private.postgres.database.azure.com"
        features.zone_link: azure.dns_link
          virtual_network = <net.id>
          zone = <features.zone.name>
        features: azure.database
          backup_days = 7
          classes = ["Standard_B1ms"]
          database = "features"
          dns_zone = <features.zone.id>
          engine = "postgres"
          location = "westeurope"
          multi_zone = false
          password = <features.password.value>
          storage_gib = 32
          subnet = <net.postgres_place>
          username = "dsenv"
          version = "18"
          after features.zone_link
    "#]]
    .assert_eq(&natives(&small));
    expect![[r#"
        features: server: 1 x database/postgres/B_Standard_B1ms/hour for each hour that it runs
        features: storage: 32 x database/postgres/storage/ssd/GB-month
        features: backups beyond the size of the storage: 0 x database/postgres/backup/GB-month (`usage.backup` is 0 GiB a month; 32 GiB of backups are free)
        features.zone: private DNS zone: 1 x dns/zone/month
        features.zone: DNS queries: 100000 x dns/query (100000 queries a month)
    "#]].assert_eq(&charged(&small, &[], &[]));
    expect![[r#"
        storage: substitutes: on azure the disk of a database is sold in steps: it has 32GiB for 20GiB
    "#]].assert_eq(&findings(&small));
}

#[test]
fn a_standby_is_a_second_server_with_a_second_disk() {
    let large = database(
        "postgres",
        "17",
        &[
            ("size", Value::text("large")),
            ("storage", Value::text("512GiB")),
            ("multi_zone", Value::Bool(true)),
            ("backup_days", Value::Int(14)),
        ],
    );
    expect![[r#"
        features.password: dsenv.secret
          length = 32
        features.firewall: azure.shared_group
          security_group = <net.data_firewall>
        features.zone: azure.dns_zone
          zone = "features-5ac22d6c.private.postgres.database.azure.com"
        features.zone_link: azure.dns_link
          virtual_network = <net.id>
          zone = <features.zone.name>
        features: azure.database
          backup_days = 14
          classes = ["Standard_D8ds_v5", "Standard_D8ads_v5"]
          database = "features"
          dns_zone = <features.zone.id>
          engine = "postgres"
          location = "westeurope"
          multi_zone = true
          password = <features.password.value>
          storage_gib = 512
          subnet = <net.postgres_place>
          username = "dsenv"
          version = "17"
          after features.zone_link
    "#]]
    .assert_eq(&natives(&large));
    expect![[r#"
        features: server and standby: 2 x database/postgres/GP_Standard_D8ds_v5/hour for each hour that it runs
        features: storage: 1024 x database/postgres/storage/ssd/GB-month
        features: backups beyond the size of the storage: 88 x database/postgres/backup/GB-month (512 GiB of backups are free)
        features.zone: private DNS zone: 1 x dns/zone/month
        features.zone: DNS queries: 100000 x dns/query (100000 queries a month)
    "#]].assert_eq(&charged(&large, &[], &[("backup", Value::text("600GiB"))]));
    expect![[""]].assert_eq(&findings(&large));
}

#[test]
fn mysql_has_sizes_and_storage_of_its_own() {
    let mysql = database("mysql", "8.4", &[("size", Value::text("medium"))]);
    expect![[r#"
        features.password: dsenv.secret
          length = 32
        features.firewall: azure.shared_group
          security_group = <net.data_firewall>
        features.zone: azure.dns_zone
          zone = "features-5ac22d6c.private.mysql.database.azure.com"
        features.zone_link: azure.dns_link
          virtual_network = <net.id>
          zone = <features.zone.name>
        features: azure.database
          backup_days = 7
          classes = ["Standard_D2ads_v5"]
          database = "features"
          dns_zone = <features.zone.id>
          engine = "mysql"
          location = "westeurope"
          multi_zone = false
          password = <features.password.value>
          storage_gib = 20
          subnet = <net.mysql_place>
          username = "dsenv"
          version = "8.4"
          after features.zone_link
    "#]]
    .assert_eq(&natives(&mysql));
    expect![[r#"
        features: server: 1 x database/mysql/GP_Standard_D2ads_v5/hour for each hour that it runs
        features: storage: 20 x database/mysql/storage/ssd/GB-month
        features: backups beyond the size of the storage: 0 x database/mysql/backup/GB-month (`usage.backup` is 0 GiB a month; 20 GiB of backups are free)
        features.zone: private DNS zone: 1 x dns/zone/month
        features.zone: DNS queries: 100000 x dns/query (100000 queries a month)
    "#]].assert_eq(&charged(&mysql, &[], &[]));
}

#[test]
fn the_size_that_runs_is_what_is_charged() {
    let medium = database("postgres", "18", &[("size", Value::text("medium"))]);
    let seen = Map::from([("server_class".to_owned(), Value::text("Standard_D2ads_v5"))]);
    let charges = charged_of(&medium, &[], &[], Some(&seen));
    assert!(
        charges.starts_with("features: server: 1 x database/postgres/GP_Standard_D2ads_v5/hour")
    );
}

#[test]
fn what_azure_cannot_do_is_refused() {
    let small = database("postgres", "18", &[("multi_zone", Value::Bool(true))]);
    expect![[r#"
        multi_zone: refuses: on azure a small server is a burstable one, and those have no second server (write `size: medium`, or take it out)
        storage: substitutes: on azure the disk of a database is sold in steps: it has 32GiB for 20GiB
    "#]].assert_eq(&findings(&small));
    let nowhere = database(
        "mysql",
        "8.0",
        &[("size", Value::text("medium")), ("multi_zone", Value::Bool(true))],
    );
    expect![[r#"
        multi_zone: refuses: `westus` has no second zone for a second server (take `multi_zone` out, or take a region with zones: `region: westeurope`)
    "#]].assert_eq(&findings_in(Some("westus"), &nowhere));
    let wrong = Neutral {
        network: None,
        access: vec![access("ada", "sql", None)],
        on_destroy: OnDestroy::Snapshot,
        ..database(
            "postgres",
            "9.6",
            &[
                ("cpus", Value::Int(3)),
                ("memory", Value::text("8GiB+")),
                ("storage", Value::text("40TiB")),
                ("backup_days", Value::Int(0)),
                ("encrypted", Value::Bool(false)),
            ],
        )
    };
    expect![[r#"
        : refuses: on azure a database stands in a network, and there is none (add one: `net: {kind: network, cidr: 10.20.0.0/16}`)
        version: refuses: on azure a database has a major version, one of 14, 15, 16, 17, 18, not `9.6` (write `version: "18"`)
        cpus: refuses: azure has no server of postgres with 3 processors and 8GiB+ of memory (ask for `+` instead of an exact number; with `multi_zone`, for two processors at least)
        storage: refuses: on azure a database has 32767GiB at most, not 40960GiB (write `storage: 32767GiB`, or less)
        backup_days: refuses: on azure backups of postgres are kept for 7 to 35 days, not 0 (write `backup_days: 7`)
        encrypted: substitutes: on azure a database is encrypted all the same, and nobody can switch it off
        on_destroy: refuses: on azure the backups of a database go with its server (write `on_destroy: retain`, which keeps the server, or `delete`)
        access: refuses: on azure nobody reaches a database from outside: it stands in the network (take `how: sql` away; a machine that `uses` it reaches it)
    "#]].assert_eq(&findings(&wrong));
}

#[test]
fn names_are_plain_and_two_addresses_never_share_one() {
    let name = |addr: &str| plain_name(&addr.parse().expect("an address"));
    assert_eq!(name("features"), "features");
    assert!(name("features[\"eu\"]").starts_with("features_eu_"));
    assert_ne!(name("features[\"eu\"]"), name("features_eu"));
    assert!(name("postgres").starts_with("own_postgres_"));
    assert!(name(&"d".repeat(90)).len() <= 63);
    let label = |addr: &str| zone_label(&addr.parse().expect("an address"));
    assert_ne!(label("f[\"a-b\"]"), label("f[\"a_b\"]"));
    assert!(label(&"d".repeat(90)).len() <= 63);
}

#[test]
fn a_size_is_called_with_its_tier_or_without() {
    let named = |name: &str| ("type", Value::text(name));
    let refused = |fields: &[(&str, Value)]| {
        let all = findings(&database("postgres", "17", fields));
        all.lines().filter(|line| line.contains("refuses")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(refused(&[named("Standard_D2ds_v5")]), "");
    expect!["type: refuses: on azure a size of database servers is not called `MO_Standard_D2ds_v5` (write it with its tier: `type: GP_Standard_D2ds_v5`)"].assert_eq(&refused(&[named("MO_Standard_D2ds_v5")]));
    expect!["type: refuses: on azure a size of database servers is not called `D2ds_v5` (write it with its tier: `type: GP_Standard_D2ds_v5`)"].assert_eq(&refused(&[named("D2ds_v5"), ("cpus", Value::Int(2))]));
    let burstable = [named("B_Standard_B2ms"), ("multi_zone", Value::Bool(true))];
    expect!["multi_zone: refuses: on azure a `B_Standard_B2ms` is a burstable one, and those have no second server (take another `type`, or take it out)"].assert_eq(&refused(&burstable));
    let twice = [named("GP_Standard_D2ds_v5"), ("memory", Value::text("8GiB"))];
    expect!["memory: refuses: `type` says how big the server is, and `memory` says it again (take one of them out)"].assert_eq(&refused(&twice));
}
