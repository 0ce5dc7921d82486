//! What AWS charges for: the lines of a bill that native nodes come to. Pure.
//!
//! Prices are in no line: the engine finds them in the price book. What is charged for use (requests, data
//! that leaves) is counted from `usage`.
//!
//! ## Facts
//! - Every public IPv4 address is charged, in use or not, since February 2024:
//!   <https://aws.amazon.com/vpc/pricing/>.
//! - A NAT gateway is charged by the hour and by what passes it; its address is charged on top.
//! - A second server of a database costs as much as the first, and so does its storage:
//!   <https://aws.amazon.com/rds/postgresql/pricing/>. Backups up to the size of the storage are free.
//! - Traffic to another zone is charged at both ends: <https://aws.amazon.com/ec2/pricing/on-demand/>.
//! - A gateway endpoint to S3, security groups, roles, routes, launch templates and scaling groups are free.

use crate::kinds::{cpus_of, types};
use dsenv_sdk::cost::{Amount, Charge, Costing, Planned, Rate, Time};
use dsenv_sdk::prices::{Driver, Purchase};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::value::{Map, Value};
use rust_decimal::Decimal;

/// What the root disk of a public image is, where the image is not pinned yet.
const IMAGE_GIB: i64 = 8;

/// The agent of a machine looks for another bundle four times a minute, and writes how it is at least once
/// a minute; with logs of its services up to five times.
const MAILBOX_READS_A_MONTH: i64 = 4 * 60 * 730;
const MAILBOX_WRITES_A_MONTH: i64 = 60 * 730;
const MAILBOX_WRITES_MAX: i64 = 5 * MAILBOX_WRITES_A_MONTH;

/// Lists what a resource is charged for.
pub(crate) fn charges(costing: &Costing<'_>) -> Vec<Charge> {
    let mut charges = Vec::new();
    for node in costing.nodes {
        match node.ty.name {
            types::INSTANCE => charges.extend(instance(costing, node)),
            types::SCALING_GROUP => charges.extend(group(costing, node)),
            types::DATABASE => charges.extend(database(costing, node)),
            types::BUCKET => charges.extend(bucket(costing, node)),
            types::MAILBOX => charges.extend(mailbox(costing, node)),
            types::VOLUME => charges.extend(volume(costing, node)),
            types::FILESYSTEM => charges.extend(share(costing, node)),
            types::NAT_GATEWAY => charges.extend(nat(costing, node)),
            types::ELASTIC_IP => charges.push(address(node, "address of the NAT gateway")),
            _ => {}
        }
    }
    charges
}

/// Says why nodes of a type cost nothing by themselves.
pub(crate) fn free(ty: &NativeType) -> Option<&'static str> {
    Some(match ty.name {
        "aws.vpc" | "aws.subnet" | "aws.internet_gateway" | "aws.route_table" => {
            "a network costs nothing by itself"
        }
        "aws.s3_endpoint" => "a gateway endpoint is free, and what passes it too",
        "aws.security_group" | "aws.ingress" => "rules cost nothing",
        "aws.role" => "IAM is free",
        "aws.attachment" => "the volume is charged, that it is attached is not",
        "aws.mount_targets" => "the share is charged, its places are not",
        "aws.launch_template" => "members are charged, a template is not",
        "aws.db_subnet_group" | "aws.db_parameter_group" => {
            "the database is charged, its settings are not"
        }
        "aws.settings" => {
            "a standard parameter is free; one of more than 4 KiB becomes an advanced one, at USD 0.05 a month"
        }
        _ => return None,
    })
}

fn number(count: i64) -> Decimal {
    Decimal::from(count)
}

/// One charge for use, marked when it was assumed.
fn used(node: &Planned<'_>, name: &str, driver: Driver<'_>, amount: Amount) -> Charge {
    Charge::new(node.addr, name, Time::Month, Rate::of(driver), amount.count)
        .assuming(amount.assumed)
}

fn address(node: &Planned<'_>, name: &str) -> Charge {
    Charge::new(node.addr, name, Time::Always, Rate::of(Driver::AddressHour), Decimal::ONE)
}

/// Which of a list of offers is taken, or will be: what exists stays while the list has it, else the first.
fn taken<'a>(node: &Planned<'a>, offers: &str, attribute: &str) -> Option<&'a str> {
    let offers = node.texts(offers);
    let there = node.observed.and_then(|seen: &Map| seen.get(attribute)).and_then(Value::as_text);
    there.filter(|there| offers.contains(there)).or(offers.first().copied())
}

// ---------------------------------------------------------------- machines

/// An hour of one of several types, of which the first is taken if it is to be had.
struct Offered<'a> {
    types: Vec<&'a str>,
    /// The one that is taken, or will be.
    taken: &'a str,
    /// The most that is paid for spot, when the blueprint says it.
    max_price: Option<Decimal>,
}

impl<'a> Offered<'a> {
    /// `None` for a node whose types are not known before apply.
    fn of(node: &Planned<'a>, taken: Option<&'a str>) -> Option<Offered<'a>> {
        let types = node.texts("types");
        let taken = taken.or(types.first().copied())?;
        let max_price = node.text("spot_max_price").and_then(|text| text.parse().ok());
        Some(Offered { types, taken, max_price })
    }

    fn rate(&self, purchase: Purchase) -> Rate {
        Rate::machine(self.taken, purchase)
    }

    /// The most that one costs on demand: the dearest that would do.
    fn dearest(&self) -> Rate {
        match self.types.as_slice() {
            [] | [_] => self.rate(Purchase::OnDemand),
            several => {
                let rates = several.iter().map(|ty| Rate::machine(ty, Purchase::OnDemand));
                Rate::Dearest(rates.collect())
            }
        }
    }

    /// The most that spot costs: what is said, else what on demand costs, which it never exceeds.
    fn spot_at_most(&self) -> Rate {
        self.max_price.map_or_else(|| self.dearest(), Rate::Said)
    }
}

fn instance(costing: &Costing<'_>, node: &Planned<'_>) -> Vec<Charge> {
    let Some(offered) = Offered::of(node, taken(node, "types", "instance_type")) else {
        return Vec::new();
    };
    let markets = node.texts("markets");
    let market = taken(node, "markets", "market").unwrap_or("on_demand");
    let one = Decimal::ONE;
    let compute = match market {
        "spot" => {
            let falls_back = markets.contains(&"on_demand");
            let most = if falls_back { offered.dearest() } else { offered.spot_at_most() };
            let rate = offered.rate(Purchase::Spot);
            Charge::new(node.addr, "compute, spot", Time::Running, rate, one).at_most(most)
        }
        _ => {
            // What runs stays what it is; what is to be made may have to be another.
            let most = match node.observed {
                Some(_) => offered.rate(Purchase::OnDemand),
                None => offered.dearest(),
            };
            let rate = offered.rate(Purchase::OnDemand);
            Charge::new(node.addr, "compute", Time::Running, rate, one).at_most(most)
        }
    };
    let mut charges = vec![compute];
    charges.extend(credits(costing, node, &offered));
    charges.extend(around(costing, node, node, [one, one, one]));
    charges
}

/// What a burstable instance computes beyond what it has earned: these are launched without a limit.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances-unlimited-mode.html>
fn credits(costing: &Costing<'_>, node: &Planned<'_>, offered: &Offered<'_>) -> Option<Charge> {
    let family = offered.taken.split('.').next()?;
    let amount = costing.usage.amount("cpu_credits");
    let charge = || used(node, "processor credits", Driver::MachineCredit, amount);
    matches!(family, "t3" | "t3a" | "t4g").then(charge)
}

/// What comes with every instance, so many of them now, at least and at most: its disk, its address, what
/// it sends. `launch` is the node that says how it is launched.
fn around(
    costing: &Costing<'_>,
    node: &Planned<'_>,
    launch: &Planned<'_>,
    [now, floor, ceiling]: [Decimal; 3],
) -> Vec<Charge> {
    let gib = launch.int("disk_gib");
    let assumed = gib.is_none().then(|| format!("the image's disk has {IMAGE_GIB} GiB"));
    let gib = number(gib.unwrap_or(IMAGE_GIB));
    let class = disk_class(launch.text("disk_class"));
    let space = Rate::of(Driver::DiskSpace { class });
    let disk = Charge::new(node.addr, "root disk", Time::Month, space, gib * now);
    let mut charges = vec![disk.between(gib * floor, gib * ceiling).assuming(assumed)];
    let requests = disk_requests(costing, node, class, "root disk requests");
    charges.extend(requests.map(|charge| {
        let each = charge.now.count;
        let now = dsenv_sdk::cost::Line { count: each * now, ..charge.now.clone() };
        Charge { now, ..charge }.between(each * floor, each * ceiling)
    }));
    if launch.flag("public") {
        let rate = Rate::of(Driver::AddressHour);
        let address = Charge::new(node.addr, "public IPv4 address", Time::Running, rate, now);
        charges.push(address.between(floor, ceiling));
    }
    let traffic = [
        ("egress", "data to the internet", Driver::EgressInternet, 1),
        ("cross_zone", "data to other zones, both ends", Driver::EgressZone, 2),
    ];
    for (field, name, driver, ends) in traffic {
        let amount = costing.usage.amount(field);
        let count = amount.count * number(ends);
        let charge = used(node, name, driver, Amount { count, ..amount });
        // Nobody who is not there sends anything.
        let share = |of: Decimal| if of.is_zero() { Decimal::ZERO } else { count };
        let now = Charge {
            now: dsenv_sdk::cost::Line { count: share(now), ..charge.now.clone() },
            ..charge
        };
        charges.push(now.between(share(floor), share(ceiling)));
    }
    charges
}

/// How many members a pool has: now, at least, at most.
fn members(group: &Planned<'_>) -> [Decimal; 3] {
    let observed = group.observed.and_then(|seen| seen.get("desired")).and_then(Value::as_int);
    let (min, max) = (group.int("min").unwrap_or(0), group.int("max").unwrap_or(0));
    let now = observed.or(group.int("desired")).unwrap_or(min).clamp(min, max.max(min));
    [now, min, max].map(number)
}

fn group(costing: &Costing<'_>, node: &Planned<'_>) -> Vec<Charge> {
    let Some(offered) = Offered::of(node, None) else { return Vec::new() };
    let all = members(node);
    let base = number(node.int("on_demand_base").unwrap_or(0));
    let percent = number(node.int("on_demand_percent").unwrap_or(100));
    // Above the base, the share of on-demand instances is rounded up:
    // <https://docs.aws.amazon.com/autoscaling/ec2/userguide/mixed-instances-groups-set-up-overview.html>
    let on_demand = all.map(|all| {
        let above = (all - base).max(Decimal::ZERO);
        all.min(base) + (above * percent / number(100)).ceil()
    });
    let spot = [0, 1, 2].map(|at| all[at] - on_demand[at]);
    let mut charges = Vec::new();
    let one_of = |name: &str, rate: Rate, most: Rate, [now, floor, ceiling]: [Decimal; 3]| {
        Charge::new(node.addr, name, Time::Running, rate, now).between(floor, ceiling).at_most(most)
    };
    if !on_demand[2].is_zero() {
        let rate = offered.rate(Purchase::OnDemand);
        charges.push(one_of("compute, on demand", rate, offered.dearest(), on_demand));
    }
    if !spot[2].is_zero() {
        let rate = offered.rate(Purchase::Spot);
        charges.push(one_of("compute, spot", rate, offered.spot_at_most(), spot));
    }
    charges.extend(credits(costing, node, &offered));
    let template = costing.nodes.iter().find(|it| it.ty.name == types::LAUNCH_TEMPLATE);
    charges.extend(around(costing, node, template.unwrap_or(node), all));
    charges
}

// ---------------------------------------------------------------- storage

fn bucket(costing: &Costing<'_>, node: &Planned<'_>) -> Vec<Charge> {
    const CLASS: &str = "standard";
    let usage = costing.usage;
    vec![
        used(node, "storage", Driver::BucketSpace { class: CLASS }, usage.amount("stored")),
        used(
            node,
            "writes and lists",
            Driver::BucketWrite { class: CLASS },
            usage.amount("writes"),
        ),
        used(node, "reads", Driver::BucketRead { class: CLASS }, usage.amount("reads")),
        used(node, "data to the internet", Driver::EgressInternet, usage.amount("egress")),
    ]
}

/// A class of disks in the words of the price book.
fn disk_class(class: Option<&str>) -> &str {
    match class {
        None => "gp3",
        Some("standard") => "magnetic",
        Some(class) => class,
    }
}

/// Magnetic disks charge each read and write: <https://aws.amazon.com/ebs/previous-generation/>.
fn disk_requests(
    costing: &Costing<'_>,
    node: &Planned<'_>,
    class: &str,
    name: &str,
) -> Option<Charge> {
    let requests = costing.usage.amount("disk_requests");
    (class == "magnetic").then(|| used(node, name, Driver::DiskRequest { class }, requests))
}

/// A `gp3` volume comes with 3,000 operations and 125 MiB a second, and what is above is charged; of `io1`
/// and `io2` every operation a second is: <https://aws.amazon.com/ebs/pricing/>.
fn volume(costing: &Costing<'_>, node: &Planned<'_>) -> Vec<Charge> {
    let class = disk_class(node.text("disk_type"));
    let (iops_free, name) = match class {
        "gp3" => (3_000, "operations a second beyond 3,000"),
        _ => (0, "operations a second"),
    };
    const THROUGHPUT_FREE: i64 = 125;
    let above = |name: &str, free: i64| number((node.int(name).unwrap_or(free) - free).max(0));
    let month = |name: &str, driver: Driver<'_>, count: Decimal| {
        Charge::new(node.addr, name, Time::Month, Rate::of(driver), count)
    };
    let gib = number(node.int("size_gib").unwrap_or(0));
    let mut charges = vec![month("space", Driver::DiskSpace { class }, gib)];
    let (iops, throughput) = (above("iops", iops_free), above("throughput_mib", THROUGHPUT_FREE));
    if !iops.is_zero() {
        charges.push(month(name, Driver::DiskIops { class }, iops));
    }
    if !throughput.is_zero() {
        let name = "MiB a second beyond 125";
        charges.push(month(name, Driver::DiskThroughput { class }, throughput));
    }
    charges.extend(disk_requests(costing, node, class, "requests"));
    charges
}

/// A share costs what is stored in it; mount targets are free, and its throughput follows the load without a
/// charge of its own in bursting mode: <https://aws.amazon.com/efs/pricing/>.
fn share(costing: &Costing<'_>, node: &Planned<'_>) -> Vec<Charge> {
    let stored = costing.usage.amount("stored");
    vec![used(node, "space", Driver::ShareSpace { class: "standard" }, stored)]
}

/// The mailbox of a machine or a pool: what it holds is small, and asked for all the time.
fn mailbox(costing: &Costing<'_>, node: &Planned<'_>) -> Vec<Charge> {
    const CLASS: &str = "standard";
    let group = costing.nodes.iter().find(|it| it.ty.name == types::SCALING_GROUP);
    let machines = group.map_or([Decimal::ONE; 3], members);
    let [now, floor, ceiling] = machines;
    let (reads, writes) = (number(MAILBOX_READS_A_MONTH), number(MAILBOX_WRITES_A_MONTH));
    let read = Rate::of(Driver::BucketRead { class: CLASS });
    let write = Rate::of(Driver::BucketWrite { class: CLASS });
    vec![
        Charge::new(node.addr, "looks for settings", Time::Month, read, reads * now)
            .between(reads * floor, reads * ceiling),
        Charge::new(node.addr, "reports and logs", Time::Month, write, writes * now)
            .between(writes * floor, number(MAILBOX_WRITES_MAX) * ceiling),
    ]
}

// ---------------------------------------------------------------- databases

fn database(costing: &Costing<'_>, node: &Planned<'_>) -> Vec<Charge> {
    const CLASS: &str = "gp3";
    let engine = node.text("engine").unwrap_or("postgres");
    let Some(class) = taken(node, "class", "instance_class") else { return Vec::new() };
    let storage = number(node.int("storage_gib").unwrap_or(0));
    let (server, space) = match node.flag("multi_zone") {
        true => (
            Driver::DatabaseHaHour { engine, class },
            Driver::DatabaseHaSpace { engine, class: CLASS },
        ),
        false => {
            (Driver::DatabaseHour { engine, class }, Driver::DatabaseSpace { engine, class: CLASS })
        }
    };
    let mut charges = vec![
        Charge::new(node.addr, "server", Time::Running, Rate::of(server), Decimal::ONE),
        Charge::new(node.addr, "storage", Time::Month, Rate::of(space), storage),
    ];
    charges.extend(extended_support(node, (engine, class)));
    if node.int("backup_days").is_none_or(|days| days > 0) {
        let backup = costing.usage.amount("backup");
        let above = (backup.count - storage).max(Decimal::ZERO);
        let amount = Amount { count: above, ..backup };
        let name = "backups beyond the size of the storage";
        charges.push(used(node, name, Driver::DatabaseBackup { engine }, amount));
    }
    charges
}

/// What RDS charges on top for a version that has had its last fix, by the processors of each server:
/// <https://aws.amazon.com/rds/mysql/pricing/>. No driver of the price book stands for it: it is shown as what
/// has no price.
fn extended_support(node: &Planned<'_>, (engine, class): (&str, &str)) -> Option<Charge> {
    if (engine, node.text("version")) != ("mysql", Some("8.0")) {
        return None;
    }
    let cpus = class.strip_prefix("db.").and_then(cpus_of);
    let assumed = cpus.is_none().then(|| format!("a `{class}` has two processors"));
    let servers = if node.flag("multi_zone") { 2 } else { 1 };
    let rate = Rate::Key(format!("database/{engine}/extended-support/vCPU-hour"));
    let count = Decimal::from(cpus.unwrap_or(2)) * number(servers);
    Some(Charge::new(node.addr, "extended support", Time::Running, rate, count).assuming(assumed))
}

// ---------------------------------------------------------------- networks

fn nat(costing: &Costing<'_>, node: &Planned<'_>) -> Vec<Charge> {
    let gateways = costing.nodes.iter().filter(|it| it.ty.name == types::NAT_GATEWAY).count();
    let through = costing.usage.amount("nat");
    let share = through.count / Decimal::from(gateways.max(1));
    vec![
        Charge::new(node.addr, "gateway", Time::Always, Rate::of(Driver::NatHour), Decimal::ONE),
        used(node, "data through it", Driver::NatData, Amount { count: share, ..through }),
    ]
}
