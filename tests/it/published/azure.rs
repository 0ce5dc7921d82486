//! What the rows of Azure are held to.

use super::row::Row;
use super::{Bound, Question};

const NETWORK: &str = "  net: {kind: network, cidr: 10.1.0.0/16, nat: none}\n";

pub(super) fn question(row: &Row) -> Question {
    match row.resource() {
        "azurerm_virtual_machine" => machine(row),
        "azurerm_windows_virtual_machine" => windows(row),
        "azurerm_managed_disk" => volume(row),
        "azurerm_postgresql_flexible_server" => database(row),
        "azurerm_storage_account" => bucket(row),
        "azurerm_nat_gateway" => {
            let through = row.used("monthly_data_processed_gb").expect("what passes is said");
            let name =
                if row.component() == "Data processed" { "data through it" } else { "gateway" };
            Question::line(nat(&format!(", usage: {{nat: {through}GiB}}")), name)
        }
        "azurerm_public_ip" => Question::line(nat(""), "public IPv4 address"),
        "azurerm_public_ip_prefix" => {
            Question::Unsaid("addresses are made one by one, no prefixes")
        }
        "azurerm_lb" | "azurerm_lb_rule" => {
            Question::Foreign("loadbalancer", "a load balancer is no kind yet")
        }
        "azurerm_machine_learning_compute_cluster" => low_priority(row),
        other => panic!("{}: {other} is of no kind", row.shown()),
    }
}

/// Sizes that are no longer sold, of which no source says what they cost.
const RETIRED: &[&str] = &[
    "Standard_NC12",
    "Standard_NC24",
    "Standard_NC6",
    "Standard_NV12",
    "Standard_NV24",
    "Standard_NV6",
];

/// Nodes that Azure may take back, which is what spot is. The rows are of what they cost when it does not.
fn low_priority(row: &Row) -> Question {
    let ty = row.said("instance_type").expect("a node has a type");
    let Some(count) = row.machines() else {
        return Question::Unsaid(
            "its nodes run for a part of the month, and how many there are is not said",
        );
    };
    let pool =
        |more: &str| format!("{NETWORK}  w: {{kind: pool, type: {ty}, count: {count}{more}}}\n");
    if RETIRED.contains(&ty) {
        return Question::Unpriced(pool(""), "compute, on demand".to_owned());
    }
    if !row.is_suspect {
        return Question::line(pool(", purchase: spot"), "compute, spot");
    }
    let reason =
        "what Azure may take back is priced as what it may not: on demand we come to as much";
    Question::Alike(pool(""), "compute, on demand".to_owned(), reason)
}

fn nat(more: &str) -> String {
    format!("  net: {{kind: network, cidr: 10.1.0.0/16, nat: one{more}}}\n")
}

/// Sizes of which no source of the price book says what they cost in eastus. What the rows say is no source:
/// they would be held to themselves.
const UNPRICED: &[&str] = &[
    "Standard_A9",
    "Standard_B8s_v2",
    "Standard_D96as_v5",
    "Standard_E96as_v5",
    "Standard_E96ias_v5",
    "Standard_F8alds_v6",
    "Standard_F8amds_v6",
    "Standard_PB6s",
];

const WINDOWS: &str =
    "machines with Windows are not in the language: without its licence they cost no more";

fn machine(row: &Row) -> Question {
    match row.component() {
        // Its system's disk is named by nothing but what it costs.
        "Disk operations" | "Provisioned IOPS" => {
            return Question::Unsaid("the specification does not say what the disk is");
        }
        _ => {}
    }
    let ty = row.said("instance_type").expect("a machine has a type");
    if row.said("os") == Some("windows") {
        if ty.starts_with("Standard_EC") && !ty.contains("_cc_") {
            let machine = format!("{NETWORK}  m: {{kind: machine, type: {ty}}}\n");
            let reason = "a confidential machine is not built yet";
            return Question::Refused(machine, "is a confidential machine", reason);
        }
        let machine = format!("{NETWORK}  m: {{kind: machine, type: {ty}{}}}\n", row.hours());
        return Question::Bound(machine, format!("compute, {ty}"), Bound::AtMost, WINDOWS);
    }
    let machine = format!("{NETWORK}  m: {{kind: machine, type: {ty}{}}}\n", row.hours());
    let name = format!("compute, {ty}");
    if UNPRICED.contains(&ty) {
        return Question::Unpriced(machine, name);
    }
    Question::Line(machine, name)
}

/// The smallest that has a price of its own, where nothing says how big.
fn gib_of_tier(tier: &str) -> Option<&'static str> {
    matches!(tier, "P4" | "E4" | "S4").then_some("32")
}

fn windows(row: &Row) -> Question {
    if row.said("os").is_some() {
        return Question::Unsaid(WINDOWS);
    }
    // A disk costs the same whatever system is on it.
    let class = row.said("disk_type").expect("a disk has a class");
    let tier = row.said("disk_tier").expect("a disk has a tier");
    let size = row.inner("os_disk", "disk_size_gb").or(gib_of_tier(tier)).expect("a size");
    let ty = row.said("size").expect("a machine has a type");
    let machine = format!(
        "{NETWORK}  m: {{kind: machine, type: {ty}, disk: {size}GiB, disk_class: {class}}}\n"
    );
    if ty == "Standard_F2" && class == "Premium_LRS" {
        return Question::Refused(
            machine,
            "takes no premium disk",
            "Azure gives no premium disk to a machine whose size has no `s`, so that it is refused",
        );
    }
    Question::line(machine, &format!("root disk ({tier})"))
}

fn volume(row: &Row) -> Question {
    let class = row.said("storage_account_type").expect("a disk has a class");
    let tier = row.said("disk_tier");
    let size = row.said("disk_size_gb").or(tier.and_then(gib_of_tier)).expect("a size");
    let volume = format!("{NETWORK}  v: {{kind: volume, size: {size}GiB, class: {class}}}\n");
    match tier {
        Some(tier) => Question::line(volume, &format!("disk ({tier})")),
        None => Question::Refused(
            volume,
            "or it is not built yet",
            "ultra disks are not built: machines must be made for them",
        ),
    }
}

fn database(row: &Row) -> Question {
    let sku = row.said("sku_name").expect("a server has a name");
    let mib: u64 = row.said("storage_mb").map_or(32_768, |mib| mib.parse().expect("a number"));
    let gib = mib / 1_024;
    // We say how much the backups are, of which as much as the disk has is free.
    let usage = row.used("additional_backup_storage_gb").map(|beyond| beyond + gib);
    let usage = usage.map_or_else(String::new, |gib| format!(", usage: {{backup: {gib}GiB}}"));
    let standby = row.said("high_availability").is_some() && !row.is_suspect;
    let database = format!(
        "{NETWORK}  d: {{kind: database, engine: postgres, version: \"17\", type: {sku}, storage: {gib}GiB, multi_zone: {standby}{usage}}}\n"
    );
    if row.is_suspect {
        let reason = "the second server is not in the row: without it we come to as much";
        return Question::Alike(database, "server".to_owned(), reason);
    }
    let name = match row.component() {
        "Storage" => "storage",
        "Additional backup storage" => "backups beyond",
        _ => "server",
    };
    Question::line(database, name)
}

fn bucket(row: &Row) -> Question {
    let account = row.said("account").expect("an account is described");
    let parts: Vec<&str> = account.split('.').collect();
    if parts[0] == "FileStorage" {
        return Question::Unsaid(
            "a share is charged by the class that we make, which is none of these",
        );
    }
    if parts != ["StorageV2", "Standard", "LRS", "Hot"] {
        return Question::Unsaid(
            "access tiers, replication and older kinds of accounts are not in the language",
        );
    }
    let used = |name: &str| row.used(name).expect("what is used is said");
    let bucket = format!(
        "  b: {{kind: bucket, usage: {{stored: {}GiB, writes: {}, reads: {}}}}}\n",
        used("storage_gb"),
        used("monthly_write_operations"),
        used("monthly_read_operations"),
    );
    match row.component() {
        "Write operations" => Question::line(bucket, "writes and lists"),
        "Read operations" => Question::line(bucket, "reads"),
        "Capacity (first 50TB)" => Question::line(bucket, "storage, up to"),
        "Capacity (next 450TB)" => Question::line(bucket, "storage, from"),
        "Capacity (over 500TB)" => Question::line(bucket, "storage, above"),
        "List and create container operations" => {
            Question::Unsaid("lists are counted together with writes, which cost the same here")
        }
        other => panic!("{}: {other} is not known", row.shown()),
    }
}
