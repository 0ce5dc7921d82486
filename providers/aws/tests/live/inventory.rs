//! All that was made is listed, with whose it is, and nothing once it is deleted.

use super::bench::{Bench, ty, with_bench};
use super::ground;
use super::values::{id, list, map, text, with};
use dsenv_sdk::Connection;
use dsenv_sdk::provider::{Owned, Prior};
use dsenv_sdk::value::{Map, Value};
use serde_json::json;
use std::collections::BTreeSet;

/// Makes one of every type, in the order of a plan.
async fn everything(bench: &Bench) -> Vec<(&'static str, Prior)> {
    let net = ground::network(bench).await;
    let mut made = vec![
        ("aws.vpc", net.vpc.clone()),
        ("aws.internet_gateway", net.gateway.clone()),
        ("aws.route_table", net.table.clone()),
        ("aws.subnet", net.subnets[0].clone()),
        ("aws.subnet", net.subnets[1].clone()),
        ("aws.security_group", net.group.clone()),
    ];
    let mut make = async |name: &'static str, addr: &str, args: &Map| {
        let prior = bench.try_create(name, addr, args).await;
        let prior = prior.unwrap_or_else(|error| panic!("{name}: {error}"));
        made.push((name, prior.clone()));
        prior
    };
    let address = make("aws.elastic_ip", "net.nat_address[0]", &Map::new()).await;
    let nat = map([("subnet", id(&net.subnets[0])), ("address", id(&address))]);
    make("aws.nat_gateway", "net.nat[0]", &nat).await;
    let tables = list(&[&net.table.observed.remote_id]);
    make("aws.s3_endpoint", "net.s3", &map([("vpc", id(&net.vpc)), ("route_tables", tables)]))
        .await;
    let rule = map([
        ("group", id(&net.group)),
        ("from_cidr", text("203.0.113.0/24")),
        ("port", Value::Int(22)),
    ]);
    make("aws.ingress", "work.access[\"ssh from 203.0.113.0/24 for ada\"]", &rule).await;
    let role = make("aws.role", "work.role", &ground::role("lake")).await;
    let bucket = map([("versioning", Value::Bool(false)), ("guarded", Value::Bool(true))]);
    let mailbox = make("aws.mailbox", "work.mailbox", &bucket).await;
    make("aws.bucket", "lake[\"eu-1/ä\"]", &bucket).await;
    let settings = make("aws.settings", "work.settings", &ground::settings(&mailbox)).await;
    let told = [
        ("profile", id(&role)),
        ("settings_bucket", id(&mailbox)),
        ("settings_parameter", id(&settings)),
    ];
    let instance = with(&ground::instance_beside(bench, &net), &told);
    let instance = make("aws.instance", "work", &instance).await;
    let volume = make("aws.volume", "data", &ground::volume()).await;
    let attachment = ground::attachment(&volume, &instance);
    make("aws.attachment", "work.grant[\"data\"]", &attachment).await;
    let files = make("aws.filesystem", "files", &map([("encrypted", Value::Bool(true))])).await;
    make("aws.mount_targets", "files.targets", &ground::mount_targets(&files, &net)).await;
    let template = with(&ground::template(bench, &net), &told);
    let template = make("aws.launch_template", "workers.template", &template).await;
    make("aws.scaling_group", "workers", &ground::scaling_group(&net, &template)).await;
    let subnets = map([("subnets", net.subnet_ids())]);
    let subnets = make("aws.db_subnet_group", "features.subnets", &subnets).await;
    let set = Value::Map(map([("rds.force_ssl", text("1"))]));
    let set = map([("family", text("postgres17")), ("parameters", set)]);
    let parameters = make("aws.db_parameter_group", "features.parameters", &set).await;
    let args = ground::database(&net, &[subnets, parameters]);
    make("aws.database", "features", &args).await;
    made
}

fn lines(owned: &[Owned]) -> BTreeSet<String> {
    let line =
        |it: &Owned| format!("{} {} {} {} {}", it.addr, it.ty, it.token, it.remote_id, it.lineage);
    owned.iter().map(line).collect()
}

async fn listed(connection: &dyn Connection, lineage: Option<&str>) -> BTreeSet<String> {
    let owned = connection.inventory(lineage).await.expect("an inventory");
    let lines = lines(&owned);
    assert_eq!(lines.len(), owned.len(), "nothing is listed twice");
    lines
}

/// Seen to fail: with the tag of the lineage left out, and when the gateways of another environment,
/// which moto gives without being asked, were taken for ours.
#[test]
fn everything_is_listed_and_nothing_once_it_is_deleted() {
    with_bench("inventory", async |bench| {
        // Another environment, whose name begins as ours: none of it is ours.
        bench.boto3(
            "
names = {'blueprint': 'work=5Fbench', 'environment': 'inventory-2', 'lineage': 'x', 'token': 'y',
    'address': 'a', 'type': 'aws.bucket'}
tags = [{'Key': f'dsenv:{name}', 'Value': value} for name, value in names.items()]
s3.create_bucket(Bucket='work-bench-inventory-2-a-0123456789')
s3.put_bucket_tagging(Bucket='work-bench-inventory-2-a-0123456789', Tagging={'TagSet': tags})
s3.create_bucket(Bucket='work-bench-inventory-without-a-tag')
show(0)",
        );
        assert_eq!(listed(&*bench.connection, None).await, BTreeSet::new());
        let made = everything(&bench).await;
        let lineage = "lineage-of-inventory";
        let expected: BTreeSet<String> = made
            .iter()
            .map(|(name, prior)| {
                let Prior { addr, token, observed } = prior;
                format!("{addr} {name} {token} {} {lineage}", observed.remote_id)
            })
            .collect();
        let types: BTreeSet<&str> = made.iter().map(|(name, _)| *name).collect();
        let all = dsenv_aws::provider().native_types().iter().filter(|ty| !ty.state_only).count();
        assert_eq!(types.len(), all, "one of every type");
        assert_eq!(listed(&*bench.connection, None).await, expected);
        assert_eq!(listed(&*bench.connection, Some(lineage)).await, expected);
        assert_eq!(listed(&*bench.connection, Some("another")).await, BTreeSet::new());

        // Somebody who lost the state sees them too, and may take them over.
        let other = bench.of_lineage("another").await;
        assert_eq!(listed(&*other, None).await, expected);
        assert_eq!(listed(&*other, Some("another")).await, BTreeSet::new());
        for (name, prior) in &made {
            let (ty, token) = (ty(name), dsenv_sdk::provider::Token::from_text("claimed"));
            let foreign = other.read_foreign(ty, &prior.observed.remote_id).await;
            let foreign = foreign.expect("an answer").unwrap_or_else(|| panic!("no {name}"));
            assert_eq!(foreign.remote_id, prior.observed.remote_id);
            let claimed = other.claim(ty, &prior.addr, &token, &foreign.remote_id).await;
            claimed.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        // moto goes on to show the tags that a template was made with.
        let owned = other.inventory(Some("another")).await.expect("an inventory");
        let claimed: BTreeSet<&str> = owned.iter().map(|it| &*it.ty).collect();
        let missing: Vec<&&str> = types.iter().filter(|ty| !claimed.contains(**ty)).collect();
        assert!(missing.is_empty(), "{missing:?}");

        for (name, prior) in made.iter().rev() {
            let deleted = bench.delete(name, prior).await;
            deleted.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert_eq!(listed(&*bench.connection, None).await, BTreeSet::new());
    });
}

/// Seen not to end: with delete markers left where they are.
#[test]
fn a_bucket_of_many_versions_is_emptied() {
    with_bench("many", async |bench| {
        let args = map([("versioning", Value::Bool(true)), ("guarded", Value::Bool(true))]);
        let bucket = bench.try_create("aws.bucket", "lake", &args).await.expect("a bucket");
        let name = &bucket.observed.remote_id;
        let made = bench.boto3(&format!(
            "
from concurrent.futures import ThreadPoolExecutor
s3.list_buckets()
with ThreadPoolExecutor(4) as pool:
    list(pool.map(lambda n: s3.put_object(Bucket='{name}', Key=f'k/{{n % 900}}'), range(2450)))
    list(pool.map(lambda n: s3.delete_object(Bucket='{name}', Key=f'k/{{n}}'), range(50)))
pages = s3.get_paginator('list_object_versions').paginate(Bucket='{name}')
show(sum(len(p.get('Versions', [])) + len(p.get('DeleteMarkers', [])) for p in pages))"
        ));
        assert_eq!(made, json!(2_500));
        bench.delete("aws.bucket", &bucket).await.expect("it goes");
        let left = "show(len(s3.list_buckets(Prefix='work-bench-many-')['Buckets']))";
        assert_eq!(bench.boto3(left), json!(0));
        // A page is a thousand, and none is asked for twice.
        assert_eq!(bench.proxy.count(|call| call.is("s3", "DeleteObjects")), 3);
    });
}
