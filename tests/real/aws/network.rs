//! A network over two zones, a pool of three, a database with a second server, and people who come in.

use super::{Cloud, environments, is_empty};

fn blueprint() -> String {
    let resources = r#"blueprint: zones
resources:
  net: {kind: network, cidr: 10.1.0.0/16, zones: 2, nat: per_zone}
  store:
    kind: database
    engine: postgres
    version: "17"
    multi_zone: true
    backup_days: 3
  desk:
    kind: machine
    cpus: 2
    memory: 8GiB
    access: [{who: ann@example.org, how: web, from: 203.0.113.0/24}]
    services: {web: {run: serve, port: 8888}}
  workers:
    kind: pool
    count: 3
    type: m7i.large
    uses: {store: read_write}
    purchase: on_demand
"#;
    format!("{resources}{}", environments(", ephemeral: true"))
}

#[test]
fn zones_pools_and_second_servers() {
    let Some(cloud) = Cloud::new(&blueprint()) else { return };
    cloud.apply();
    cloud.is_settled();
    let (seen, ids) = (cloud.look(), cloud.resources());
    assert_eq!(seen["NAT gateways"].as_array().map(Vec::len), Some(2));
    assert_eq!(seen["route tables"].as_array().map(Vec::len), Some(3));
    let database = &seen["databases"][0];
    assert_eq!(database["MultiAZ"], true);
    assert_eq!(database["BackupRetentionPeriod"], 3);
    let group = &seen["groups"][0];
    assert_eq!(group["sizes"], serde_json::json!([3, 3, 3]));
    assert_eq!(group["instances"].as_array().map(Vec::len), Some(3));
    assert_eq!(group["types"], serde_json::json!(["m7i.large"]));
    assert_eq!(group["distribution"]["OnDemandPercentageAboveBaseCapacity"], 100);
    // The desk is where its owner can come in, from one range, to one port.
    let rules = seen["rules"].as_array().expect("rules");
    let desk: Vec<_> = rules.iter().filter(|it| it["group"] == *ids["desk.firewall"]).collect();
    assert_eq!(desk.len(), 1, "{rules:#?}");
    assert_eq!((&desk[0]["port"], &desk[0]["cidr"]), (&8_888.into(), &"203.0.113.0/24".into()));
    let instances = seen["instances"].as_array().expect("instances");
    let public = |id: &str| {
        let instance = instances.iter().find(|it| it["id"] == *id).expect("it is there");
        instance["public"].is_string()
    };
    assert!(public(&ids["desk"]));
    for member in group["instances"].as_array().expect("members") {
        assert!(!public(member.as_str().expect("an id")));
    }
    cloud.place.ok(&["destroy", "-e", "prod", "--yes"]);
    is_empty(&cloud.look());
}

#[test]
fn another_zone_comes_beside_the_others() {
    let resources = r#"blueprint: grows
resources:
  net: {kind: network, cidr: 10.1.0.0/16, zones: 2}
  desk: {kind: machine, cpus: 2}
"#;
    let blueprint = format!("{resources}{}", environments(", ephemeral: true"));
    let Some(cloud) = Cloud::new(&blueprint) else { return };
    cloud.apply();
    let before = cloud.resources();
    cloud.place.edit("dsenv.yaml", "zones: 2", "zones: 3");
    cloud.apply();
    let after = cloud.resources();
    assert!(before.iter().all(|(addr, id)| after.get(addr) == Some(id)), "{before:#?}\n{after:#?}");
    assert_eq!(cloud.look()["subnets"].as_object().map(serde_json::Map::len), Some(6));
    cloud.is_settled();
    cloud.place.ok(&["destroy", "-e", "prod", "--yes"]);
    is_empty(&cloud.look());
}
