//! What a rate is for, told by its key: the same words on every cloud. Pure.

use dsenv_sdk::cost::Rate;

/// What a line of a bill is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Machines.
    Compute,
    /// Disks, buckets, shares, snapshots and images.
    Storage,
    /// Addresses, gateways, load balancers, data that moves.
    Network,
    /// Databases and caches with their storage.
    Database,
    /// Anything else.
    Other,
}

/// The first part of keys, and what these are for.
const SERVICES: &[(&str, Service)] = &[
    ("bucket", Service::Storage),
    ("cache", Service::Database),
    ("database", Service::Database),
    ("disk", Service::Storage),
    ("egress", Service::Network),
    ("endpoint", Service::Network),
    ("image", Service::Storage),
    ("ipv4", Service::Network),
    ("lb", Service::Network),
    ("machine", Service::Compute),
    ("nat", Service::Network),
    ("peering", Service::Network),
    ("share", Service::Storage),
    ("snapshot", Service::Storage),
];

/// The last part of keys of what is counted while it is used.
const COUNTED_IN_USE: &[&str] = &["GB", "LCU-month", "TiB", "list", "read", "request", "write"];

/// The first part of keys of space that nobody sets aside: it is what happens to be stored.
const STORED_IN_USE: &[&str] = &["bucket", "registry", "share", "snapshot"];

/// Returns what a rate is for.
pub(super) fn of(rate: &Rate) -> Service {
    match rate {
        Rate::Machine { .. } | Rate::Said(_) => Service::Compute,
        Rate::Dearest(rates) => rates.first().map_or(Service::Other, of),
        Rate::Key(key) if is_from_bucket(key) => Service::Network,
        Rate::Key(key) => {
            let found = SERVICES.iter().find(|(head, _)| *head == head_of(key));
            found.map_or(Service::Other, |(_, service)| *service)
        }
    }
}

/// Says whether what is counted comes from use, and is there in no node.
pub(super) fn is_use(rate: &Rate) -> bool {
    let Rate::Key(key) = rate else { return false };
    let last = key.rsplit('/').next().unwrap_or(key);
    COUNTED_IN_USE.contains(&last)
        || STORED_IN_USE.contains(&head_of(key)) && last == "GB-month"
        || key.contains("/backup/")
        || key.starts_with("machine/credit/")
}

fn head_of(key: &str) -> &str {
    key.split('/').next().unwrap_or(key)
}

/// Data that leaves a bucket moves, though its key begins as those of buckets do.
fn is_from_bucket(key: &str) -> bool {
    key.starts_with("bucket/egress/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsenv_sdk::prices::Driver;
    use expect_test::expect;

    fn keys(of: impl Fn(&Rate) -> bool) -> String {
        let keys = Driver::KEYS.iter().filter(|key| of(&Rate::Key((**key).to_owned())));
        keys.map(|key| format!("{key}\n")).collect()
    }

    #[test]
    fn what_is_counted_in_use_is_told_by_its_key() {
        expect![[r#"
            disk/{class}/request
            snapshot/GB-month
            machine/credit/vCPU-hour
            bucket/{class}/GB-month
            bucket/{class}/write
            bucket/{class}/read
            bucket/{class}/list
            bucket/{class}/retrieval/GB
            bucket/egress/{to}/GB
            nat/GB
            endpoint/GB
            endpoint/in/GB
            endpoint/out/GB
            egress/internet/GB
            egress/region/GB
            egress/us-east/GB
            egress/zone/GB
            peering/in/GB
            peering/out/GB
            lb/{class}/LCU-month
            lb/GB
            database/{engine}/backup/GB-month
            share/{class}/GB-month
            share/{class}/snapshot/GB-month
            share/{class}/read/GB
            share/{class}/write/GB
            cache/backup/GB-month
            queue/{class}/request
            queue/in/TiB
            queue/out/TiB
            secret/request
            key/request
            log/GB
            registry/GB-month
        "#]]
        .assert_eq(&keys(is_use));
    }

    #[test]
    fn what_moves_is_network_whatever_it_leaves() {
        expect![[r#"
            bucket/egress/{to}/GB
            nat/hour
            nat/machine/hour
            nat/GB
            ipv4/hour
            ipv4/spot/hour
            ipv4/unused/hour
            endpoint/hour
            endpoint/GB
            endpoint/in/GB
            endpoint/out/GB
            egress/internet/GB
            egress/region/GB
            egress/us-east/GB
            egress/zone/GB
            peering/in/GB
            peering/out/GB
            lb/{class}/hour
            lb/{class}/LCU-month
            lb/rule/hour
            lb/GB
        "#]]
        .assert_eq(&keys(|rate| of(rate) == Service::Network));
    }

    #[test]
    fn what_stays_is_storage_and_databases_have_their_own() {
        expect![[r#"
            disk/{class}/GB-month
            disk/{size}/month
            disk/{class}/IOPS-month
            disk/{class}/MBps-month
            disk/{class}/request
            snapshot/GB-month
            image/GB-month
            bucket/{class}/GB-month
            bucket/{class}/write
            bucket/{class}/read
            bucket/{class}/list
            bucket/{class}/retrieval/GB
            share/{class}/GB-month
            share/{class}/snapshot/GB-month
            share/throughput/MBps-month
            share/{class}/read/GB
            share/{class}/write/GB
        "#]]
        .assert_eq(&keys(|rate| of(rate) == Service::Storage));
        expect![[r#"
            queue/{class}/request
            queue/{class}/hour
            queue/{class}/unit-month
            queue/in/TiB
            queue/out/TiB
            secret/month
            secret/request
            key/month
            key/request
            cluster/hour
            log/GB
            registry/GB-month
        "#]]
        .assert_eq(&keys(|rate| of(rate) == Service::Other));
    }
}
