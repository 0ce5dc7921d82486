//! Monthly costs that others publish for written-out examples, worked out again from the rates of the book.
//!
//! Rows that their own table marks as suspect are left out.

use crate::compile;
use dsenv_prices::{Book, Cloud};
use rust_decimal::Decimal;

/// Kind and component of an example, and the key of its driver.
const DRIVERS: &[(&str, &str, &str)] = &[
    ("aws/nat", "NAT gateway", "nat/hour"),
    ("aws/ip", "IP address (if unused)", "ipv4/hour"),
    ("aws/lb", "Application load balancer", "lb/application/hour"),
    ("aws/lb", "Network load balancer", "lb/network/hour"),
    ("aws/k8s", "EKS cluster", "cluster/hour"),
    ("aws/disk", "Storage (general purpose SSD, gp2)", "disk/gp2/GB-month"),
    ("aws/disk", "Storage (general purpose SSD, gp3)", "disk/gp3/GB-month"),
    ("aws/disk", "Storage (provisioned IOPS SSD, io1)", "disk/io1/GB-month"),
    ("aws/disk", "Storage (cold HDD, sc1)", "disk/sc1/GB-month"),
    ("aws/disk", "Storage (throughput optimized HDD, st1)", "disk/st1/GB-month"),
    ("aws/disk", "Provisioned throughput", "disk/gp3/MBps-month"),
    ("azure/nat", "NAT gateway", "nat/hour"),
    ("azure/nat", "Data processed", "nat/GB"),
    ("azure/ip", "IP address (static, regional)", "ipv4/hour"),
    ("azure/lb", "Data processed", "lb/GB"),
    ("azure/lb", "Rule usage", "lb/rule/hour"),
    ("azure/disk", "Storage (E30, LRS)", "disk/E30/month"),
    ("azure/disk", "Storage (P4, LRS)", "disk/P4/month"),
    ("azure/disk", "Storage (S4, LRS)", "disk/S4/month"),
    ("azure/disk", "Storage (ultra, 2048 GiB)", "disk/ultra/GB-month"),
    ("azure/db", "Compute (GP_Standard_D4s_v3)", "database/postgres/GP_Standard_D4s_v3/hour"),
    ("azure/db", "Compute (B_Standard_B1ms)", "database/postgres/B_Standard_B1ms/hour"),
    ("azure/db", "Storage", "database/postgres/storage/ssd/GB-month"),
    ("azure/db", "Additional backup storage", "database/postgres/backup/GB-month"),
    ("gcp/nat", "Assigned VMs (first 32)", "nat/machine/hour"),
    ("gcp/nat", "Data processed", "nat/GB"),
    ("gcp/ip", "IP address (standard VM)", "ipv4/hour"),
    ("gcp/ip", "IP address (preemptible VM)", "ipv4/spot/hour"),
    ("gcp/ip", "IP address (unused)", "ipv4/unused/hour"),
    ("gcp/lb", "Forwarding rules", "lb/rule/hour"),
    ("gcp/lb", "Ingress data", "lb/GB"),
    ("gcp/k8s", "Cluster management fee", "cluster/hour"),
    ("gcp/disk", "SSD provisioned storage (pd-ssd)", "disk/pd-ssd/GB-month"),
    ("gcp/disk", "Standard provisioned storage (pd-standard)", "disk/pd-standard/GB-month"),
    ("gcp/disk", "Extreme provisioned storage (pd-extreme)", "disk/pd-extreme/GB-month"),
    ("gcp/bucket", "Storage (standard)", "bucket/standard/GB-month"),
    ("gcp/bucket", "Storage (coldline)", "bucket/coldline/GB-month"),
    ("gcp/db", "SQL instance (db-n1-standard-8, zonal)", "database/mysql/db-n1-standard-8/hour"),
    (
        "gcp/db",
        "SQL instance (db-n1-standard-8, regional)",
        "database/mysql/db-n1-standard-8/ha/hour",
    ),
    ("gcp/db", "SQL instance (db-f1-micro, zonal)", "database/postgres/db-f1-micro/hour"),
    ("gcp/db", "Storage (SSD, regional)", "database/postgres/storage/ssd/ha/GB-month"),
];

#[test]
fn published_monthly_costs_follow_from_the_rates() {
    let Some(folder) = compile::catalogue() else { return compile::skipped() };
    let book = Book::builtin();
    let table = compile::table(&folder, "published_monthly.csv");
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let names = reader.headers().expect("names of columns").clone();
    let mut checked = 0;
    let mut wrong = Vec::new();
    for record in reader.records() {
        let record = record.expect("a row");
        let cell = |column: &str| {
            let at = names.iter().position(|name| name == column).expect("a column");
            &record[at]
        };
        let (provider, region, spec) = (cell("provider"), cell("region"), cell("spec"));
        let component = spec.split("; ").find_map(|part| part.strip_prefix("component="));
        let kind = format!("{provider}/{}", cell("resource_kind"));
        let driver = DRIVERS.iter().find(|driver| driver.0 == kind && Some(driver.1) == component);
        let Some((_, _, key)) = driver.filter(|_| !cell("caveat").starts_with("SUSPECT")) else {
            continue;
        };
        let cloud = Cloud::parse(provider).expect("a cloud");
        let rate = book
            .rate_by_key(cloud, region, key)
            .unwrap_or_else(|| panic!("{cloud} {region} {key}"));
        let number = |column: &str| cell(column).parse::<Decimal>().expect("a decimal");
        let cost = rate.tiers.cost(number("monthly_qty")).expect("there is a price").amount;
        // Published to the cent; a rate that is rounded itself is off by as much a unit.
        let cent = Decimal::new(6, 3);
        if (cost - number("monthly_cost_usd")).abs() > cent {
            wrong.push(format!(
                "{cloud} {region} {key}: {cost}, published {}: {spec}",
                cell("monthly_cost_usd")
            ));
        }
        checked += 1;
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(checked > 70, "only {checked} examples were worked out");
}
