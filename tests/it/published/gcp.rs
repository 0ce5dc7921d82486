//! What the rows of Google Cloud are held to.

use super::row::Row;
use super::{Bound, OTHER_ENGINE, Question};
use rust_decimal::Decimal;

const NETWORK: &str = "  net: {kind: network, cidr: 10.1.0.0/16, nat: none}\n";
const UNSIZED: &str = "the specification does not say how big the disk is";
const SUSTAINED: &str = "the discount for sustained use is in the row, and ours are list prices: less it, they are the same";

pub(super) fn question(row: &Row) -> Question {
    match row.resource() {
        "google_compute_instance" => instance(row),
        "google_compute_instance_group_manager" => group(row),
        "google_compute_disk" => volume(row),
        "google_sql_database_instance" => database(row),
        "google_compute_router_nat" => nat(row),
        "google_compute_address" => address(row),
        "google_storage_bucket" => Question::Unsaid(
            "a bucket stands in the region of its environment and is of the standard class: places over \
             several regions and other classes are not in the language",
        ),
        "google_compute_image" | "google_compute_snapshot" => {
            Question::Foreign("snapshot", "an image or a snapshot is no kind")
        }
        "google_container_cluster" | "google_container_node_pool" => nodes(row),
        "google_compute_forwarding_rule" => {
            Question::Foreign("loadbalancer", "a load balancer is no kind yet")
        }
        other => panic!("{}: {other} is of no kind", row.shown()),
    }
}

/// A line of which the row has a discount taken off, where it says so.
fn less_discount(row: &Row, resources: String, name: &str) -> Question {
    match row.discount() {
        None => Question::line(resources, name),
        Some(percent) => {
            let share = Decimal::ONE - Decimal::new(percent, 2);
            Question::Share(resources, name.to_owned(), share, SUSTAINED)
        }
    }
}

/// What is attached to machines, or made to measure.
fn attached(row: &Row) -> Option<Question> {
    let component = row.component();
    if component.starts_with("Custom ") {
        // What is made to measure is no offer of the price book.
        let ty = row.said("machine_type").or_else(|| row.inner("node_config", "machine_type"));
        let ty = ty.expect("a machine has a type");
        let machine = format!("{NETWORK}  m: {{kind: machine, type: {ty}}}\n");
        return Some(Question::Unpriced(machine, format!("compute, {ty}")));
    }
    if component.starts_with("NVIDIA L4") {
        let ty = row.said("machine_type").expect("a machine has a type");
        let machine = format!("{NETWORK}  m: {{kind: machine, type: {ty}}}\n");
        let reason = "the price of a machine has its L4 in it, once";
        return Some(Question::Bound(machine, "compute".to_owned(), Bound::AtLeast, reason));
    }
    if component.starts_with("NVIDIA Tesla K80") {
        let machine = format!("{NETWORK}  m: {{kind: machine, gpu: K80}}\n");
        let reason = "accelerators that are attached to a machine are refused";
        return Some(Question::Refused(machine, "attaches a K80", reason));
    }
    if component.starts_with("NVIDIA") {
        return Some(Question::Unsaid(
            "accelerators that are attached to a machine have no figure in the price book",
        ));
    }
    component
        .starts_with("Local SSD")
        .then_some(Question::Unsaid("local disks of a machine are not in the language"))
}

fn instance(row: &Row) -> Question {
    if let Some(question) = attached(row) {
        return question;
    }
    let ty = row.said("machine_type").expect("a machine has a type");
    if let Some(class) = row.said("disk_type") {
        let size = row.inner("boot_disk", "size");
        let size = size.map_or_else(String::new, |gib| format!(", disk: {gib}GiB"));
        let machine =
            format!("{NETWORK}  m: {{kind: machine, type: {ty}, disk_class: {class}{size}}}\n");
        return Question::line(machine, "root disk");
    }
    // Of some rows the usage file says fewer hours than are counted.
    let hours = if row.quantity == Decimal::from(730) { String::new() } else { row.hours() };
    let machine =
        |more: &str| format!("{NETWORK}  m: {{kind: machine, type: {ty}{more}{hours}}}\n");
    match row.said("purchase") {
        Some("preemptible") => {
            Question::Spot(machine(", purchase: spot"), format!("compute, spot, {ty}"))
        }
        _ => less_discount(row, machine(""), &format!("compute, {ty}")),
    }
}

fn group(row: &Row) -> Question {
    if let Some(question) = attached(row) {
        return question;
    }
    if row.said("part").is_some() {
        return unsized_disk(row, row.said("disk_type").expect("a disk has a class"));
    }
    let ty = row.said("instance_type").expect("a member has a type");
    let count = row.said("target_size").expect("a group has a size");
    let pool = format!("{NETWORK}  w: {{kind: pool, type: {ty}, count: {count}}}\n");
    less_discount(row, pool, "compute, on demand")
}

/// Nodes of a cluster are machines, so that what they come to is what a pool does. How many disks they have is
/// said by nothing but the number of disks.
fn nodes(row: &Row) -> Question {
    if let Some(question) = attached(row) {
        return question;
    }
    let (Some(ty), Some(count)) = (row.said("instance_type"), row.machines()) else {
        return Question::Foreign("cluster", "a cluster is no kind yet");
    };
    let pool =
        |more: &str| format!("{NETWORK}  w: {{kind: pool, type: {ty}, count: {count}{more}}}\n");
    match row.said("purchase") {
        Some("preemptible") => Question::Spot(pool(", purchase: spot"), "compute, spot".to_owned()),
        _ => less_discount(row, pool(""), "compute, on demand"),
    }
}

/// A disk of which only what is charged says how big it is: one of so much costs as much.
fn unsized_disk(row: &Row, class: &str) -> Question {
    let count = row.quantity.normalize();
    let is_speed = row.component() == "Provisioned IOPS";
    let (gib, iops) = if is_speed { (1_000.into(), count) } else { (count, 10_000.into()) };
    let iops = if class.ends_with("extreme") { format!(", iops: {iops}") } else { String::new() };
    let volume = format!("{NETWORK}  v: {{kind: volume, size: {gib}GiB, class: {class}{iops}}}\n");
    let name = if is_speed { "operations" } else { "storage" };
    Question::Alike(volume, name.to_owned(), UNSIZED)
}

fn volume(row: &Row) -> Question {
    let class = row.said("type").expect("a disk has a class");
    let Some(size) = row.said("size") else { return unsized_disk(row, class) };
    let iops = row.said("provisioned_iops");
    let iops = iops.map_or_else(String::new, |iops| format!(", iops: {iops}"));
    let volume = format!("{NETWORK}  v: {{kind: volume, size: {size}GiB, class: {class}{iops}}}\n");
    if class == "pd-extreme" {
        return Question::Refused(
            volume,
            "has from 500GiB",
            "Google Cloud makes no extreme disk of less than 500 GiB, so that it is refused",
        );
    }
    let name = if row.component() == "Provisioned IOPS" { "operations" } else { "storage" };
    Question::line(volume, name)
}

/// A tier by the name that Cloud SQL's API takes: others are names of the console's for the same measures,
/// and PostgreSQL takes only what is made to measure.
fn tier(name: &str, engine: &str) -> String {
    let number = |text: &str| text.parse::<u64>().expect("a number of processors");
    let custom = |cpus: u64, mib: u64| format!("db-custom-{cpus}-{mib}");
    if let Some(cpus) = name.strip_prefix("db-standard-").map(number) {
        return custom(cpus, cpus * 3_840);
    }
    if let Some(cpus) = name.strip_prefix("db-lightweight-").map(number) {
        return custom(cpus, 3_840);
    }
    if let Some(cpus) = name.strip_prefix("db-highmem-").map(number) {
        return custom(cpus, cpus * 6_656);
    }
    match name.strip_prefix("db-n1-standard-").map(number) {
        Some(cpus) if engine == "postgres" => custom(cpus, cpus * 3_840),
        _ => name.to_owned(),
    }
}

fn database(row: &Row) -> Question {
    let engine = row.said("engine").expect("a database has an engine");
    let (engine, version) = match engine {
        "MYSQL_8_0" => ("mysql", "8.0"),
        "POSTGRES_15" => ("postgres", "15"),
        _ => {
            let database = format!("{NETWORK}  d: {{kind: database, engine: {engine}}}\n");
            return Question::Refused(database, "expected `postgres` or `mysql`", OTHER_ENGINE);
        }
    };
    if row.component().starts_with("IP address") {
        return Question::Unsaid("a database has a private address alone, which costs nothing");
    }
    if row.said("part") == Some("Replica") {
        return Question::Unsaid("a replica to read from is not in the language");
    }
    let tier = tier(row.said("tier").expect("a database has a tier"), engine);
    let regional = row.said("availability") == Some("regional");
    let storage = row.inner("settings", "disk_size");
    let storage = storage.map_or_else(String::new, |gib| format!(", storage: {gib}GiB"));
    let backup = row.used("backup_storage_gb");
    let usage = backup.map_or_else(String::new, |gib| format!(", usage: {{backup: {gib}GiB}}"));
    let database = format!(
        "{NETWORK}  d: {{kind: database, engine: {engine}, version: \"{version}\", type: {tier}, multi_zone: {regional}{storage}{usage}}}\n"
    );
    let component = row.component();
    if component.starts_with("vCPUs") {
        Question::line(database, "server, processors")
    } else if component.starts_with("Memory") {
        Question::line(database, "server, memory")
    } else if component.starts_with("Storage") {
        Question::line(database, "storage")
    } else if component == "Backups" {
        Question::line(database, "backups")
    } else {
        Question::line(database, "server")
    }
}

fn nat(row: &Row) -> Question {
    let used = |name: &str| row.used(name).expect("what is used is said");
    let resources = format!(
        "  net: {{kind: network, cidr: 10.1.0.0/16, nat: one, usage: {{nat: {}GiB}}}}\n  w: {{kind: pool, type: f1-micro, count: {}}}\n",
        used("monthly_data_processed_gb"),
        used("assigned_vms"),
    );
    let data = row.component() == "Data processed";
    Question::line(resources, if data { "data through the NAT" } else { "machines behind the NAT" })
}

fn address(row: &Row) -> Question {
    let spot = match row.component() {
        "IP address (standard VM)" => "",
        "IP address (preemptible VM)" => ", purchase: spot",
        _ => return Question::Unsaid("no address is kept that nothing uses"),
    };
    // Which machine has it is not said, and changes nothing.
    let machine = format!("{NETWORK}  m: {{kind: machine, type: f1-micro{spot}}}\n");
    Question::line(machine, "public IPv4 address")
}
