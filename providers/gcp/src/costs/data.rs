//! What is charged for where data is: buckets, databases, disks, secrets.

use super::machines::machines;
use super::{counted, number, used};
use crate::kinds::database::tiers::Tier;
use crate::kinds::{settings, volume};
use dsenv_sdk::cost::{Charge, Costing, HOURS_A_MONTH, Planned, Rate, Time};
use dsenv_sdk::prices::Driver;
use rust_decimal::Decimal;

/// The storage class of every bucket, in the words of the price book.
const STANDARD: &str = "standard";

/// The agent of a machine looks for another bundle four times a minute, and writes how it is at least once
/// a minute; with logs of its services up to five times.
const MAILBOX_READS_A_MONTH: i64 = 4 * 60 * HOURS_A_MONTH;
const MAILBOX_WRITES_A_MONTH: i64 = 60 * HOURS_A_MONTH;
const MAILBOX_WRITES_MAX: i64 = 5 * MAILBOX_WRITES_A_MONTH;
/// What logs of a machine take, which are kept for thirty days.
const MAILBOX_GIB: i64 = 1;
/// How often a machine asks for its secrets: when it starts, and when they have changed.
const SECRET_READS_A_MONTH: i64 = 10;

/// What a bucket is charged for.
pub(super) fn bucket(costing: &Costing<'_>, node: &Planned<'_>) -> Vec<Charge> {
    let usage = costing.usage;
    let egress = Driver::BucketEgress { to: "worldwide" };
    vec![
        used(node, "storage", Driver::BucketSpace { class: STANDARD }, usage.amount("stored")),
        used(
            node,
            "writes and lists (class A)",
            Driver::BucketWrite { class: STANDARD },
            usage.amount("writes"),
        ),
        used(
            node,
            "reads (class B)",
            Driver::BucketRead { class: STANDARD },
            usage.amount("reads"),
        ),
        used(node, "data to the internet", egress, usage.amount("egress")),
    ]
}

/// What the mailbox of a machine or a pool is charged for: what it holds is small, and asked for all the
/// time.
pub(super) fn mailbox(costing: &Costing<'_>, node: &Planned<'_>) -> Vec<Charge> {
    let machines = machines(costing);
    let times = |count: i64| machines.map(|machines| machines * number(count));
    let [now, floor, _] = times(MAILBOX_WRITES_A_MONTH);
    let [_, _, writes_max] = times(MAILBOX_WRITES_MAX);
    let read = Driver::BucketRead { class: STANDARD };
    let write = Driver::BucketWrite { class: STANDARD };
    let space = Driver::BucketSpace { class: STANDARD };
    let assumed = format!("logs of a machine take {MAILBOX_GIB} GiB");
    vec![
        counted(node, "looks for settings", Time::Month, read, times(MAILBOX_READS_A_MONTH)),
        counted(node, "reports and logs", Time::Month, write, [now, floor, writes_max]),
        counted(node, "logs kept", Time::Month, space, times(MAILBOX_GIB)).assuming([assumed]),
    ]
}

/// What the secrets of a machine or a pool are charged for: one version is active at a time.
pub(super) fn secrets(costing: &Costing<'_>, node: &Planned<'_>) -> Vec<Charge> {
    debug_assert!(node.addr.part.as_ref().is_some_and(|part| &*part.name == settings::PART));
    let reads = machines(costing).map(|machines| machines * number(SECRET_READS_A_MONTH));
    let assumed = format!("a machine asks for its secrets {SECRET_READS_A_MONTH} times a month");
    vec![
        counted(node, "secret", Time::Month, Driver::SecretMonth, [Decimal::ONE; 3]),
        counted(node, "reads of the secret", Time::Month, Driver::SecretRequest, reads)
            .assuming([assumed]),
    ]
}

/// What a database is charged for. With a second server there are other figures, which hold both: they are
/// not doubled again.
pub(super) fn database(costing: &Costing<'_>, node: &Planned<'_>) -> Vec<Charge> {
    const CLASS: &str = "ssd";
    let engine = node.text("engine").unwrap_or("postgres");
    let Some(tier) = node.text("tier").and_then(Tier::parse) else { return Vec::new() };
    let regional = node.text("availability_type") == Some("REGIONAL");
    let hour = |driver: Driver<'_>, name: &str, count: Decimal| {
        Charge::new(node.addr, name, Time::Running, Rate::of(driver), count)
    };
    let mut charges = Vec::new();
    match tier {
        Tier::Shared(class) | Tier::OfFamily { name: class, .. } => {
            let driver = match regional {
                true => Driver::DatabaseHaHour { engine, class },
                false => Driver::DatabaseHour { engine, class },
            };
            charges.push(hour(driver, "server", Decimal::ONE));
        }
        Tier::Custom { cpus, memory_mib } => {
            let (cpu, memory) = match regional {
                true => (Driver::DatabaseHaCpuHour { engine }, Driver::DatabaseHaMemory { engine }),
                false => (Driver::DatabaseCpuHour { engine }, Driver::DatabaseMemory { engine }),
            };
            charges.push(hour(cpu, "server, processors", Decimal::from(cpus)));
            // The figure is of a month, and a server that is stopped is not charged for it.
            let hours = costing.usage.said("hours").unwrap_or(number(HOURS_A_MONTH));
            let gib = Decimal::from(memory_mib) / number(1_024);
            let gib = gib * hours / number(HOURS_A_MONTH);
            let memory = Rate::of(memory);
            charges.push(Charge::new(node.addr, "server, memory", Time::Month, memory, gib));
        }
    }
    let space = match regional {
        true => Driver::DatabaseHaSpace { engine, class: CLASS },
        false => Driver::DatabaseSpace { engine, class: CLASS },
    };
    let storage = number(node.int("storage_gib").unwrap_or(0));
    charges.push(Charge::new(node.addr, "storage", Time::Month, Rate::of(space), storage));
    if node.int("backup_days").is_none_or(|days| days > 0) {
        let backup = costing.usage.amount("backup");
        charges.push(used(node, "backups", Driver::DatabaseBackup { engine }, backup));
    }
    if node.text("database_version") == Some("MYSQL_8_0") {
        // No driver of the price book stands for it: it is shown as what has no price.
        let rate = Rate::Key(format!("database/{engine}/extended-support/vCPU-hour"));
        let cpus = match tier {
            Tier::Shared(_) => 1,
            Tier::OfFamily { cpus, .. } | Tier::Custom { cpus, .. } => cpus,
        };
        let name = "extended support";
        charges.push(Charge::new(node.addr, name, Time::Running, rate, Decimal::from(cpus)));
    }
    charges
}

/// What a disk of its own is charged for.
pub(super) fn disk(node: &Planned<'_>) -> Vec<Charge> {
    let class = node.text("disk_type").unwrap_or_default();
    let once = |name: &str, driver: Driver<'_>, count: i64| {
        counted(node, name, Time::Month, driver, [number(count); 3])
    };
    let size = node.int("size_gib").unwrap_or(0);
    let mut charges = vec![once("storage", Driver::DiskSpace { class }, size)];
    let beyond = |given: Option<i64>, free: i64| given.map(|given| (given - free).max(0));
    let iops = beyond(node.int("iops"), volume::free_iops(class)).filter(|count| *count > 0);
    let throughput = beyond(node.int("throughput_mib_s"), volume::FREE_MIB_S);
    charges.extend(iops.map(|count| once("operations", Driver::DiskIops { class }, count)));
    let throughput = throughput.filter(|count| *count > 0);
    charges.extend(
        throughput.map(|count| once("throughput", Driver::DiskThroughput { class }, count)),
    );
    charges
}
