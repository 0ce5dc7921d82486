//! What the rows of AWS are held to.

use super::row::Row;
use super::{OTHER_ENGINE, Question, RESERVED};

const NETWORK: &str = "  net: {kind: network, cidr: 10.1.0.0/16, nat: none}\n";
const TOO_SMALL: &str =
    "AWS makes no st1 and no sc1 volume of less than 125 GiB, so that it is refused";
const UNSIZED: &str = "the specification does not say how big the disk is";

pub(super) fn question(row: &Row) -> Question {
    match row.resource() {
        "aws_instance" => instance(row),
        "aws_autoscaling_group" => group(row),
        "aws_ebs_volume" => volume(row),
        "aws_db_instance" => database(row),
        "aws_s3_bucket" => bucket(row),
        "aws_nat_gateway" => {
            let through = row.used("monthly_data_processed_gb");
            let usage = through.map(|gib| format!(", usage: {{nat: {gib}GiB}}"));
            let nat = nat(&usage.unwrap_or_default());
            let data = row.component() == "Data processed";
            Question::line(nat, if data { "data through it" } else { "gateway" })
        }
        // Idle or in use, an address costs the same; a gateway has one.
        "aws_eip" => Question::line(nat(""), "address of the NAT gateway"),
        "aws_eks_cluster" => Question::Foreign("cluster", "a cluster is no kind yet"),
        "aws_lb" => Question::Foreign("loadbalancer", "a load balancer is no kind yet"),
        other => panic!("{}: {other} is of no kind", row.shown()),
    }
}

fn nat(more: &str) -> String {
    NETWORK.replace("none", &format!("one{more}"))
}

/// What of an instance is charged that we do not make.
fn extras(component: &str) -> Option<Question> {
    Some(Question::Unsaid(match component {
        "EBS-optimized usage" => {
            "machines are launched as their types are; older ones are not made EBS-optimized"
        }
        "EC2 detailed monitoring" => "machines are launched without detailed monitoring",
        _ => return None,
    }))
}

fn instance(row: &Row) -> Question {
    if let Some(question) = extras(row.component()) {
        return question;
    }
    let ty = row.said("instance_type");
    if let (Some("reserved"), Some(ty)) = (row.said("purchase"), ty) {
        let machine = format!("{NETWORK}  m: {{kind: machine, type: {ty}, purchase: reserved}}\n");
        return Question::Refused(machine, "expected `on_demand` or `spot`", RESERVED);
    }
    match (row.said("part"), ty) {
        (None, Some(ty)) => {
            let machine = format!("{NETWORK}  m: {{kind: machine, type: {ty}{}}}\n", row.hours());
            Question::line(machine, &format!("compute, {ty}"))
        }
        (Some("root_block_device"), Some(ty)) => {
            let class = row.said("disk_type").expect("a disk has a class");
            let machine =
                format!("{NETWORK}  m: {{kind: machine, type: {ty}, disk_class: {class}}}\n");
            Question::line(machine, "root disk")
        }
        (Some(_), _) => unsized_disk(row),
        (None, None) => panic!("{}: it has no type", row.shown()),
    }
}

/// A disk of which only what is charged says how big it is: one of so much costs as much.
fn unsized_disk(row: &Row) -> Question {
    let count = row.quantity.normalize();
    let volume = |fields: &str| format!("{NETWORK}  v: {{kind: volume, {fields}}}\n");
    if row.component() == "Provisioned IOPS" {
        let volume = volume(&format!("size: 20GiB, class: io1, iops: {count}"));
        return Question::Alike(volume, "operations a second".to_owned(), UNSIZED);
    }
    let class = row.said("disk_type").expect("a disk has a class");
    let iops = if class == "io1" { ", iops: 200" } else { "" };
    let volume = volume(&format!("size: {count}GiB, class: {class}{iops}"));
    match class {
        "sc1" => Question::Refused(volume, "has from 125GiB", TOO_SMALL),
        _ => Question::Alike(volume, "space".to_owned(), UNSIZED),
    }
}

fn group(row: &Row) -> Question {
    if let Some(question) = extras(row.component()) {
        return question;
    }
    let count = || {
        let bound = |name: &str| row.said(name).expect("a group has bounds");
        let (min, max) = (bound("min_size"), bound("max_size"));
        format!("{{min: {min}, max: {max}, start: {}}}", bound("desired_capacity"))
    };
    let pool = |ty: &str, more: &str| {
        format!("{NETWORK}  w: {{kind: pool, type: {ty}, count: {}{more}}}\n", count())
    };
    match (row.component(), row.said("instance_type")) {
        ("CPU credits", None) => {
            let used = |name: &str| row.used(name).expect("what is used is said");
            let members: u64 =
                row.said("desired_capacity").and_then(|it| it.parse().ok()).expect("a number");
            let hours = used("monthly_cpu_credit_hrs") * used("vcpu_count") * members;
            // Which type is not said, but that it has credits and two processors.
            let pool = pool("t3.large", &format!(", usage: {{cpu_credits: {hours}}}"));
            Question::line(pool, "processor credits")
        }
        // Its root disk is the image's own, whatever its type.
        (storage, None) if storage.starts_with("Storage") => {
            let part = row.said("part").expect("a disk is of a part");
            if !part.ends_with("root_block_device") || row.used("instances").is_some() {
                return unsized_disk(row);
            }
            let class = row.said("disk_type").expect("a disk has a class");
            Question::line(pool("t3.large", &format!(", disk_class: {class}")), "root disk")
        }
        (_, Some(ty)) => Question::line(pool(ty, ""), "compute, on demand"),
        (other, None) => panic!("{}: {other} is not known", row.shown()),
    }
}

fn volume(row: &Row) -> Question {
    let class = row.said("type").or(row.said("disk_type")).expect("a volume has a class");
    let size = row.said("size").expect("a volume has a size");
    let iops = row.said("iops").map_or_else(String::new, |iops| format!(", iops: {iops}"));
    let throughput = row.said("throughput");
    let throughput = throughput.map_or_else(String::new, |mib| format!(", throughput: {mib}MiB"));
    let requests = row.used("monthly_standard_io_requests");
    let usage =
        requests.map_or_else(String::new, |count| format!(", usage: {{disk_requests: {count}}}"));
    let volume = format!(
        "{NETWORK}  v: {{kind: volume, size: {size}GiB, class: {class}{iops}{throughput}{usage}}}\n"
    );
    match (class, row.component()) {
        ("st1" | "sc1", _) => Question::Refused(volume, "has from 125GiB", TOO_SMALL),
        (_, "Provisioned IOPS") => Question::line(volume, "operations a second"),
        (_, "Provisioned throughput") => Question::line(volume, "MiB a second beyond"),
        (_, "I/O requests") => Question::line(volume, "requests"),
        _ => Question::line(volume, "space"),
    }
}

fn database(row: &Row) -> Question {
    let engine = row.said("engine").expect("a database has an engine");
    if !matches!(engine, "postgres" | "mysql") {
        let database = format!("{NETWORK}  d: {{kind: database, engine: {engine}}}\n");
        return Question::Refused(database, "expected `postgres` or `mysql`", OTHER_ENGINE);
    }
    if row.said("purchase") == Some("reserved") {
        return Question::Unsaid(RESERVED);
    }
    let component = row.component();
    let gp3 = component == "Storage (general purpose SSD, gp3)";
    if component.contains("IOPS") || (component.starts_with("Storage") && !gp3) {
        return Question::Unsaid(
            "what the disk of a database is, and its speed, are not in the language",
        );
    }
    if component == "CPU credits" {
        return Question::Unsaid(
            "processor credits of a database have no figure in the price book",
        );
    }
    let class = row.said("instance_class").expect("a database has a class");
    let usual = if engine == "mysql" { "8.4" } else { "18" };
    let version = row.said("engine_version").unwrap_or(usual);
    let gib: u64 = row.said("allocated_storage").map_or(20, |gib| gib.parse().expect("a number"));
    // We say how much the backups are, of which as much as the disk has is free.
    let backup = row.used("additional_backup_storage_gb").map(|beyond| beyond + gib);
    let usage = backup.map_or_else(String::new, |gib| format!(", usage: {{backup: {gib}GiB}}"));
    let zones = row.said("deployment") == Some("Multi-AZ");
    let database = format!(
        "{NETWORK}  d: {{kind: database, engine: {engine}, version: \"{version}\", type: {class}, storage: \
         {gib}GiB, multi_zone: {zones}{usage}}}\n"
    );
    if row.said("engine_version").is_some() {
        return Question::Refused(
            database,
            "major version, one of",
            "a version that has had its last fix is refused",
        );
    }
    let name = match component {
        "Additional backup storage" => "backups beyond",
        _ if gp3 => "storage",
        _ => "server",
    };
    Question::line(database, name)
}

fn bucket(row: &Row) -> Question {
    if row.component().starts_with("Select data") {
        return Question::Unsaid("S3 Select, which takes no new customers, is not in the language");
    }
    if row.said("part") == Some("Standard") {
        // Of what is used, the standard class comes first.
        let used = |name: &str| row.used(name).expect("what is used is said");
        let bucket = format!(
            "  b: {{kind: bucket, usage: {{stored: {}GiB, writes: {}, reads: {}}}}}\n",
            used("storage_gb"),
            used("monthly_tier_1_requests"),
            used("monthly_tier_2_requests"),
        );
        let name = match row.component() {
            "Storage" => "storage",
            "PUT, COPY, POST, LIST requests" => "writes and lists",
            _ => "reads",
        };
        return Question::line(bucket, name);
    }
    Question::Unsaid("storage classes of buckets, and moves between them, are not in the language")
}
