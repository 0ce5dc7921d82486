//! What others stand on, made with the connection itself.

use super::bench::Bench;
use super::values::{id, list, map, text};
use dsenv_sdk::provider::Prior;
use dsenv_sdk::secret::Secret;
use dsenv_sdk::value::{Map, Value};

/// A VPC with a way out, a subnet in each of two zones, and a group.
pub(crate) struct Network {
    pub(crate) vpc: Prior,
    pub(crate) gateway: Prior,
    pub(crate) table: Prior,
    pub(crate) subnets: [Prior; 2],
    pub(crate) group: Prior,
}

impl Network {
    pub(crate) fn subnet_ids(&self) -> Value {
        let mut ids = self.subnets.each_ref().map(|subnet| &*subnet.observed.remote_id);
        ids.sort_unstable();
        list(&ids)
    }

    pub(crate) fn group_ids(&self) -> Value {
        list(&[&self.group.observed.remote_id])
    }
}

pub(crate) async fn network(bench: &Bench) -> Network {
    let vpc = bench.create("aws.vpc", "net.vpc", [("cidr", text("10.20.0.0/16"))]).await;
    let gateway = [("vpc", id(&vpc))];
    let gateway = bench.create("aws.internet_gateway", "net.gateway", gateway).await;
    let out = [("vpc", id(&vpc)), ("internet_gateway", id(&gateway))];
    let table = bench.create("aws.route_table", "net.route_public", out).await;
    let a = subnet(bench, &vpc, &table, 0).await;
    let b = subnet(bench, &vpc, &table, 1).await;
    let group = [("vpc", id(&vpc)), ("description", text("work of dsenv"))];
    let group = bench.create("aws.security_group", "work.firewall", group).await;
    Network { vpc, gateway, table, subnets: [a, b], group }
}

async fn subnet(bench: &Bench, vpc: &Prior, table: &Prior, zone: usize) -> Prior {
    let args = [
        ("vpc", id(vpc)),
        ("cidr", text(&format!("10.20.{zone}.0/24"))),
        ("zone", text(["us-east-1a", "us-east-1b"][zone])),
        ("route_table", id(table)),
    ];
    bench.create("aws.subnet", &format!("net.subnet[{zone}]"), args).await
}

/// The arguments of an instance.
pub(crate) fn instance(bench: &Bench, network: &Network) -> Map {
    let ports = Value::Map(map([("jupyter", Value::Int(8_888))]));
    map([
        ("image", text(bench.image())),
        ("root", text("/dev/xvda")),
        ("types", list(&["t3.micro", "t3.small"])),
        ("subnets", network.subnet_ids()),
        ("groups", network.group_ids()),
        ("disk_gib", Value::Int(20)),
        ("name", text("work")),
        ("public", Value::Bool(false)),
        ("open", Value::Bool(false)),
        ("markets", list(&["on_demand"])),
        ("ports", ports),
    ])
}

/// The arguments of a template of a pool.
pub(crate) fn template(bench: &Bench, network: &Network) -> Map {
    map([
        ("image", text(bench.image())),
        ("root", text("/dev/xvda")),
        ("instance_type", text("t3.micro")),
        ("groups", network.group_ids()),
        ("disk_gib", Value::Int(20)),
        ("name", text("work")),
        ("public", Value::Bool(false)),
    ])
}

/// The arguments of a scaling group.
pub(crate) fn scaling_group(network: &Network, template: &Prior) -> Map {
    map([
        ("template", id(template)),
        ("template_version", template.observed.values["version"].clone()),
        ("types", list(&["t3.micro", "t3.small"])),
        ("subnets", network.subnet_ids()),
        ("min", Value::Int(1)),
        ("max", Value::Int(3)),
        ("desired", Value::Int(2)),
        ("on_demand_base", Value::Int(0)),
        ("on_demand_percent", Value::Int(100)),
    ])
}

/// The arguments of a role that may read one bucket.
pub(crate) fn role(bucket: &str) -> Map {
    let statement = map([
        ("actions", list(&["s3:GetObject"])),
        ("resources", list(&[&format!("arn:aws:s3:::{bucket}/*")])),
    ]);
    map([("statements", Value::List(vec![Value::Map(statement)]))])
}

/// The arguments of settings in a bucket.
pub(crate) fn settings(bucket: &Prior) -> Map {
    let environment =
        map([("PLAIN", text("a")), ("KEY", Value::Secret(Secret::new("a secret of a machine")))]);
    map([
        ("bucket", id(bucket)),
        ("environment", Value::Map(environment)),
        ("intact", Value::Bool(true)),
    ])
}

/// What a database stands on: its subnets and its parameters.
pub(crate) async fn database_groups(bench: &Bench, network: &Network) -> [Prior; 2] {
    let subnets = [("subnets", network.subnet_ids())];
    let subnets = bench.create("aws.db_subnet_group", "features.subnets", subnets).await;
    let set = Value::Map(map([("rds.force_ssl", text("1"))]));
    let set = [("family", text("postgres17")), ("parameters", set)];
    let parameters = bench.create("aws.db_parameter_group", "features.parameters", set).await;
    [subnets, parameters]
}

/// The arguments of a database.
pub(crate) fn database(network: &Network, [subnets, parameters]: &[Prior; 2]) -> Map {
    map([
        ("engine", text("postgres")),
        ("version", text("17")),
        ("class", list(&["db.t4g.small", "db.t3.small"])),
        ("storage_gib", Value::Int(20)),
        ("multi_zone", Value::Bool(false)),
        ("backup_days", Value::Int(7)),
        ("encrypted", Value::Bool(true)),
        ("deletion_protection", Value::Bool(false)),
        ("guarded", Value::Bool(true)),
        ("username", text("dsenv")),
        ("password", Value::Secret(Secret::new("a-password-of-tests"))),
        ("database", text("features")),
        ("subnet_group", id(subnets)),
        ("parameter_group", id(parameters)),
        ("security_groups", network.group_ids()),
    ])
}

/// The arguments of a volume in the zone of the first subnet.
pub(crate) fn volume() -> Map {
    map([
        ("size_gib", Value::Int(10)),
        ("disk_type", text("gp3")),
        ("iops", Value::Int(3_000)),
        ("throughput_mib", Value::Int(125)),
        ("encrypted", Value::Bool(true)),
        ("zone", text("us-east-1a")),
    ])
}

/// The arguments of an instance in the zone of [`volume`].
pub(crate) fn instance_beside(bench: &Bench, network: &Network) -> Map {
    let first = list(&[&network.subnets[0].observed.remote_id]);
    super::values::with(&instance(bench, network), &[("subnets", first)])
}

/// The arguments of an attachment.
pub(crate) fn attachment(volume: &Prior, instance: &Prior) -> Map {
    map([
        ("volume", id(volume)),
        ("instance", id(instance)),
        ("number", Value::Int(0)),
        ("outlives", Value::Bool(true)),
    ])
}

/// The arguments of the mount targets of a file system.
pub(crate) fn mount_targets(filesystem: &Prior, network: &Network) -> Map {
    map([
        ("filesystem", id(filesystem)),
        ("subnets", network.subnet_ids()),
        ("groups", network.group_ids()),
    ])
}
