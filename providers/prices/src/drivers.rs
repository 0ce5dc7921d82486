//! What the product is charged for, under keys of our own.
//!
//! A driver is one thing that costs: space of a disk, an hour of a NAT gateway. Its key says what, of which
//! class, and per what: `disk/gp3/GB-month`. `drivers.csv` says which published row is which driver; rows
//! that stand there in no line are kept under `SERVICE: ITEM per UNIT` and found by [`Book::service`].
//!
//! The part behind the last `/` is what is counted: `hour`, `month`, `GB`, `GB-month`, `request`. Rates that
//! are published per thousand or million are divided when the book is compiled, exactly.
//!
//! ## Why
//! Names of Terraform resources and report lines change, and differ by cloud for the same thing. What prices
//! a blueprint asks for `nat/hour` on every cloud, and gets `None` where nobody says.
//!
//! [`Book::service`]: crate::Book::service

use std::fmt;

/// The key of a row without a driver.
///
/// The unit is part of it: one item may be published per several.
pub(crate) fn raw_key(service: &str, item: &str, unit: &str) -> String {
    format!("{service}: {item} per {unit}")
}

macro_rules! drivers {
    ($($(#[$doc:meta])* $name:ident $({ $($field:ident),+ })? = $key:literal;)*) => {
        /// A thing that costs, with the class that decides its price.
        ///
        /// Classes are the cloud's own words (`gp3`, `P10`, `db.t3.large`), except for buckets and
        /// shares, whose classes are given with the variant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Driver<'a> {
            $($(#[$doc])* #[doc = ""] #[doc = concat!("Key: `", $key, "`.")]
            $name $({ $(#[doc = concat!("The ", stringify!($field), ".")] $field: &'a str,)+ })?,)*
        }

        impl fmt::Display for Driver<'_> {
            /// Shows the key.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Driver::$name $({ $($field),+ })? => write!(f, $key),)*
                }
            }
        }

        impl Driver<'_> {
            /// The key of every driver, with its classes in braces.
            pub const KEYS: &'static [&'static str] = &[$($key,)*];
        }
    };
}

drivers! {
    /// Space of a disk: `gp3`, `pd-balanced`. On Azure only ultra disks are sold by space.
    DiskSpace { class } = "disk/{class}/GB-month";
    /// An Azure disk of a size of the price list: `P10`, `E4`, `S20`, all locally redundant.
    DiskOfSize { size } = "disk/{size}/month";
    /// Operations per second beyond what a disk comes with.
    DiskIops { class } = "disk/{class}/IOPS-month";
    /// Throughput beyond what a disk comes with.
    DiskThroughput { class } = "disk/{class}/MBps-month";
    /// One operation on a disk that charges for them.
    DiskRequest { class } = "disk/{class}/request";
    /// Space of a disk's snapshot.
    SnapshotSpace = "snapshot/GB-month";
    /// Space of a machine image.
    ImageSpace = "image/GB-month";
    /// A processor hour beyond what a burstable machine has earned.
    MachineCredit = "machine/credit/vCPU-hour";
    /// Space of a bucket. AWS: `standard`, `infrequent`, `one-zone-infrequent`, `intelligent`, `archive`,
    /// `deep-archive`. Azure: `hot-lrs`, `hot-zrs`, `hot-grs`, `cool-lrs`. Google Cloud: `standard`,
    /// `coldline`.
    BucketSpace { class } = "bucket/{class}/GB-month";
    /// One request that writes or lists (AWS, Google Cloud class A), or writes (Azure).
    BucketWrite { class } = "bucket/{class}/write";
    /// One request that reads.
    BucketRead { class } = "bucket/{class}/read";
    /// One request that lists, where it is not charged as a write.
    BucketList { class } = "bucket/{class}/list";
    /// Data that is read from a class that charges for it.
    BucketRetrieval { class } = "bucket/{class}/retrieval/GB";
    /// Data that leaves a bucket of Google Cloud: to `worldwide`, `asia`, `australia`, `china`, `continent`.
    BucketEgress { to } = "bucket/egress/{to}/GB";
    /// An hour of a NAT gateway.
    NatHour = "nat/hour";
    /// An hour of one machine behind Cloud NAT, of the first 32.
    NatMachineHour = "nat/machine/hour";
    /// Data through a NAT gateway.
    NatData = "nat/GB";
    /// An hour of a public IPv4 address in use.
    AddressHour = "ipv4/hour";
    /// An hour of a public IPv4 address of a spot machine, where that differs.
    AddressSpotHour = "ipv4/spot/hour";
    /// An hour of a public IPv4 address that is kept and not used, where that differs.
    AddressUnusedHour = "ipv4/unused/hour";
    /// An hour of a private endpoint, per zone at AWS.
    EndpointHour = "endpoint/hour";
    /// Data through a private endpoint, both ways.
    EndpointData = "endpoint/GB";
    /// Data into a private endpoint, where the ways are charged apart.
    EndpointDataIn = "endpoint/in/GB";
    /// Data out of a private endpoint, where the ways are charged apart.
    EndpointDataOut = "endpoint/out/GB";
    /// Data to the internet, in steps.
    EgressInternet = "egress/internet/GB";
    /// Data to another region of the cloud.
    EgressRegion = "egress/region/GB";
    /// Data to one of the two regions in the east of the US, from the other one.
    EgressUsEast = "egress/us-east/GB";
    /// Data to another zone; charged at both ends.
    EgressZone = "egress/zone/GB";
    /// Data into a network from another one of the same region.
    PeeringDataIn = "peering/in/GB";
    /// Data out of a network to another one of the same region.
    PeeringDataOut = "peering/out/GB";
    /// An hour of a load balancer: `application`, `network`, `classic`.
    BalancerHour { class } = "lb/{class}/hour";
    /// A capacity unit of a load balancer for a month.
    BalancerUnits { class } = "lb/{class}/LCU-month";
    /// An hour of a rule of a load balancer, where rules are charged.
    BalancerRuleHour = "lb/rule/hour";
    /// Data through a load balancer, where data is charged.
    BalancerData = "lb/GB";
    /// An hour of a database server. A standby is not in it: see the next.
    DatabaseHour { engine, class } = "database/{engine}/{class}/hour";
    /// An hour of a database server with its standby. Azure publishes none: there it is two servers.
    DatabaseHaHour { engine, class } = "database/{engine}/{class}/ha/hour";
    /// An hour of a database server that was reserved for a year, without an upfront fee.
    DatabaseReservedHour { engine, class } = "database/{engine}/{class}/reserved-1-year/hour";
    /// The same with its standby.
    DatabaseHaReservedHour { engine, class } = "database/{engine}/{class}/ha/reserved-1-year/hour";
    /// An hour of a processor, where servers are made to measure.
    DatabaseCpuHour { engine } = "database/{engine}/vCPU-hour";
    /// The same with a standby.
    DatabaseHaCpuHour { engine } = "database/{engine}/ha/vCPU-hour";
    /// Memory, where servers are made to measure.
    DatabaseMemory { engine } = "database/{engine}/memory/GB-month";
    /// The same with a standby.
    DatabaseHaMemory { engine } = "database/{engine}/ha/memory/GB-month";
    /// Space of a database: `gp2`, `gp3`, `io1`, `magnetic`, `ssd`.
    DatabaseSpace { engine, class } = "database/{engine}/storage/{class}/GB-month";
    /// The same with a standby.
    DatabaseHaSpace { engine, class } = "database/{engine}/storage/{class}/ha/GB-month";
    /// Operations per second beyond what the space comes with.
    DatabaseIops { engine, class } = "database/{engine}/storage/{class}/IOPS-month";
    /// Space of backups beyond what is free.
    DatabaseBackup { engine } = "database/{engine}/backup/GB-month";
    /// Space of a file share. AWS: `standard`, `infrequent`, `one-zone`, `one-zone-infrequent`. Azure:
    /// `premium-lrs`, `hot-zrs`, `transaction-grs` and so on.
    ShareSpace { class } = "share/{class}/GB-month";
    /// Space of a share's snapshots.
    ShareSnapshot { class } = "share/{class}/snapshot/GB-month";
    /// Throughput that a share is given beyond its size.
    ShareThroughput = "share/throughput/MBps-month";
    /// Data that is read from a class of a share that charges for it.
    ShareRead { class } = "share/{class}/read/GB";
    /// Data that is written to such a class.
    ShareWrite { class } = "share/{class}/write/GB";
    /// An hour of a cache node.
    CacheHour { class } = "cache/{class}/hour";
    /// A month of a cache node, where that is what is published.
    CacheMonth { class } = "cache/{class}/month";
    /// Space of a cache that is sold by it: `basic-m1` to `standard-m5`.
    CacheSpace { class } = "cache/{class}/GB-month";
    /// Space of a cache's backups.
    CacheBackup = "cache/backup/GB-month";
    /// One request to a queue: `standard`, `fifo`, `basic`.
    QueueRequest { class } = "queue/{class}/request";
    /// An hour of a queue that has a base charge.
    QueueHour { class } = "queue/{class}/hour";
    /// A month of a unit of a queue that is sold by units.
    QueueUnits { class } = "queue/{class}/unit-month";
    /// Data into a topic, in TiB of 1,024 GiB.
    QueueDataIn = "queue/in/TiB";
    /// Data out of a topic, in TiB of 1,024 GiB.
    QueueDataOut = "queue/out/TiB";
    /// A month of a secret, or of an active version of one at Google Cloud.
    SecretMonth = "secret/month";
    /// One request for a secret.
    SecretRequest = "secret/request";
    /// A month of a key, or of an active version of one at Google Cloud.
    KeyMonth = "key/month";
    /// One request to a key.
    KeyRequest = "key/request";
    /// An hour of a managed Kubernetes control plane.
    ClusterHour = "cluster/hour";
    /// Logs that are taken in.
    LogData = "log/GB";
    /// Space of a registry of container images.
    RegistrySpace = "registry/GB-month";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Book, Cloud};
    use std::collections::BTreeSet;

    /// Which of `Driver::KEYS` a key is one of.
    fn patterns(key: &str) -> Vec<&'static str> {
        let parts: Vec<&str> = key.split('/').collect();
        let fits = |pattern: &&&str| {
            let wanted: Vec<&str> = pattern.split('/').collect();
            let same = |(wanted, part): (&&str, &&str)| wanted.starts_with('{') || wanted == part;
            wanted.len() == parts.len() && wanted.iter().zip(&parts).all(same)
        };
        Driver::KEYS.iter().filter(fits).copied().collect()
    }

    #[test]
    fn a_key_says_what_of_which_class_and_per_what() {
        assert_eq!(Driver::NatHour.to_string(), "nat/hour");
        assert_eq!(Driver::DiskSpace { class: "gp3" }.to_string(), "disk/gp3/GB-month");
        let database = Driver::DatabaseHaHour { engine: "mysql", class: "db.t3.large" };
        assert_eq!(database.to_string(), "database/mysql/db.t3.large/ha/hour");
    }

    #[test]
    fn every_key_of_the_book_is_that_of_a_driver_and_every_driver_has_a_price_somewhere() {
        let book = Book::builtin();
        let mut used = BTreeSet::new();
        for cloud in Cloud::ALL {
            for region in book.regions(*cloud) {
                let rates = book.rates(*cloud, region);
                for rate in rates.iter().filter(|rate| !rate.key.contains(": ")) {
                    let patterns = patterns(rate.key);
                    assert!(!patterns.is_empty(), "{} is no driver's", rate.key);
                    used.extend(patterns);
                }
            }
        }
        let unused: Vec<_> = Driver::KEYS.iter().filter(|key| !used.contains(*key)).collect();
        assert!(unused.is_empty(), "{unused:?}");
    }
}
