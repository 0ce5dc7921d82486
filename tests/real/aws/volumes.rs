//! A volume and a share: made, grown, kept while their machine is replaced, and not lost by accident.

use super::{Cloud, environments, is_empty};
use dsenv_fake::aws_proxy::{Pace, Slow};
use serde_json::{Value as Json, json};

fn blueprint() -> String {
    let resources = r#"blueprint: disks
resources:
  net: {kind: network, cidr: 10.1.0.0/16}
  data: {kind: volume, size: 10GiB}
  files: {kind: share}
  desk:
    kind: machine
    cpus: 2
    memory: 8GiB
    uses: {data: read_write, files: read}
    services: {job: {run: work}}
  workers:
    kind: pool
    count: 2
    type: m7i.large
    uses: {files: read_write}
    purchase: on_demand
"#;
    format!("{resources}{}", environments(""))
}

/// As slow and as late as AWS, only sooner over.
fn unkind(cloud: &Cloud) {
    for slow in [Slow::Instance, Slow::Volume, Slow::NatGateway, Slow::ScalingGroup] {
        cloud.proxy.set_slow(slow, Some(Pace::Looks(2)));
    }
    cloud.proxy.set_eventual(Some(Pace::Looks(1)));
}

#[test]
fn a_volume_outlives_its_machine_and_a_share_is_everywhere() {
    let Some(cloud) = Cloud::new(&blueprint()) else { return };
    unkind(&cloud);
    cloud.apply();
    cloud.is_settled();
    is_what_the_blueprint_says(&cloud, 10);
    grows_and_does_not_shrink(&cloud);
    its_machine_is_replaced(&cloud);
    is_taken_away_and_given_back(&cloud);
    is_replaced_when_that_is_asked_for(&cloud);
    is_not_lost_by_accident(&cloud);
    cloud.place.ok(&[
        "destroy",
        "-e",
        "prod",
        "--yes",
        "--delete-data",
        "data",
        "--delete-data",
        "files",
    ]);
    is_empty(&cloud.look());
}

fn find<'a>(seen: &'a Json, kind: &str, id: &str) -> &'a Json {
    let objects = seen[kind].as_array().expect("a list");
    objects.iter().find(|it| it["id"] == *id).unwrap_or_else(|| panic!("{kind}: {objects:#?}"))
}

/// What a machine is told.
fn bundle(cloud: &Cloud, mailbox: &str) -> Json {
    cloud.boto3(&format!(
        "show(json.load(s3.get_object(Bucket='{mailbox}', Key='boot.json')['Body']))"
    ))
}

fn is_what_the_blueprint_says(cloud: &Cloud, gib: i64) {
    let (seen, ids) = (cloud.look(), cloud.resources());
    let (volume, desk) = (find(&seen, "volumes", &ids["data"]), &ids["desk"]);
    let expected = json!({
        "id": ids["data"], "gib": gib, "encrypted": true, "type": "gp3", "zone": "us-east-1a",
        "attached": [desk],
    });
    assert_eq!(*volume, expected);
    // The machine stands where its volume does, whatever else its network has.
    let desk = find(&seen, "instances", desk);
    assert_eq!(seen["subnets"][desk["subnet"].as_str().expect("an id")]["zone"], "us-east-1a");
    let subnets = seen["groups"][0]["subnets"].as_array().expect("subnets");
    assert_eq!(subnets.len(), 2, "a pool has no volume");
    let files = &seen["file systems"][&ids["files"]];
    assert_eq!(files["encrypted"], true);
    let private = ["net.subnet[\"private-0\"]", "net.subnet[\"private-1\"]"];
    let targets = private.map(|addr| (ids[addr].clone(), json!([ids["files.firewall"]])));
    assert_eq!(files["targets"], Json::from_iter(targets));
    let rules = seen["rules"].as_array().expect("rules");
    let mut from: Vec<&str> = rules
        .iter()
        .filter(|rule| rule["group"] == *ids["files.firewall"] && rule["port"] == 2_049)
        .filter_map(|rule| rule["from"].as_str())
        .collect();
    from.sort_unstable();
    let mut users = [&*ids["desk.firewall"], &*ids["workers.firewall"]];
    users.sort_unstable();
    assert_eq!((&*from, rules.len()), (&users[..], 2));
    let nfs = format!("{}.efs.us-east-1.amazonaws.com:/", ids["files"]);
    let told = bundle(cloud, &ids["desk.mailbox"]);
    let expected = json!([
        {"path": "/mnt/data", "volume": ids["data"], "nfs": null, "readonly": false,
         "size": format!("{gib}GiB")},
        {"path": "/mnt/files", "volume": null, "nfs": nfs, "readonly": true, "size": null},
    ]);
    assert_eq!(told["mounts"], expected);
    assert_eq!(told["environment"]["DATA_PATH"], "/mnt/data");
    assert_eq!(told["environment"]["FILES_PATH"], "/mnt/files");
    let told = bundle(cloud, &ids["workers.mailbox"]);
    assert_eq!(
        (told["mounts"].as_array().map(Vec::len), &told["mounts"][0]["readonly"]),
        (Some(1), &json!(false))
    );
}

fn grows_and_does_not_shrink(cloud: &Cloud) {
    let before = cloud.resources();
    cloud.place.edit("dsenv.yaml", "size: 10GiB", "size: 20GiB");
    cloud.apply();
    assert_eq!(cloud.resources(), before);
    is_what_the_blueprint_says(cloud, 20);
    cloud.is_settled();
    cloud.place.edit("dsenv.yaml", "size: 20GiB", "size: 10GiB");
    cloud.forget_calls();
    let ran = cloud.place.run(&["apply", "-e", "prod", "--yes"]);
    assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
    ran.says(&["E0809", "the plan replaces `data`", "--replace"]);
    assert_eq!(cloud.changes(), Vec::<String>::new());
    cloud.place.edit("dsenv.yaml", "size: 10GiB", "size: 20GiB");
}

/// The machine stops before its volume is taken from it; the new one has the same volume.
fn its_machine_is_replaced(cloud: &Cloud) {
    let before = cloud.resources();
    cloud.forget_calls();
    cloud.place.ok(&["apply", "-e", "prod", "--yes", "--replace", "desk"]);
    let after = cloud.resources();
    assert_ne!(after["desk"], before["desk"]);
    assert_eq!((&after["data"], &after["files"]), (&before["data"], &before["files"]));
    is_what_the_blueprint_says(cloud, 20);
    let changes = cloud.changes();
    let at = |action: &str| {
        let place = changes.iter().position(|line| line.contains(action));
        place.unwrap_or_else(|| panic!("{action}: {changes:#?}"))
    };
    assert!(at("StopInstances") < at("DetachVolume"), "{changes:#?}");
    assert!(at("DetachVolume") < at("AttachVolume"), "{changes:#?}");
    cloud.is_settled();
    assert_eq!(cloud.look()["instances"].as_array().map(Vec::len), Some(3), "the old one is gone");
}

/// A machine that uses it no more works on without it.
fn is_taken_away_and_given_back(cloud: &Cloud) {
    let before = cloud.resources();
    cloud.place.edit("dsenv.yaml", "uses: {data: read_write, files: read}", "uses: {files: read}");
    cloud.apply();
    let (seen, ids) = (cloud.look(), cloud.resources());
    assert_eq!(find(&seen, "volumes", &ids["data"])["attached"], json!([]));
    assert_eq!((&ids["desk"], &ids["data"]), (&before["desk"], &before["data"]));
    assert_eq!(find(&seen, "instances", &ids["desk"])["state"], "running");
    assert_eq!(bundle(cloud, &ids["desk.mailbox"])["mounts"].as_array().map(Vec::len), Some(1));
    cloud.is_settled();
    cloud.place.edit("dsenv.yaml", "uses: {files: read}", "uses: {data: read_write, files: read}");
    cloud.apply();
    is_what_the_blueprint_says(cloud, 20);
    assert_eq!(cloud.resources()["desk"], before["desk"]);
}

/// Another volume in its place, at the same machine.
fn is_replaced_when_that_is_asked_for(cloud: &Cloud) {
    let before = cloud.resources();
    cloud.place.ok(&["apply", "-e", "prod", "--yes", "--replace", "data"]);
    let after = cloud.resources();
    assert_ne!(after["data"], before["data"]);
    assert_eq!(after["desk"], before["desk"]);
    is_what_the_blueprint_says(cloud, 20);
    let seen = cloud.look();
    assert_eq!(find(&seen, "instances", &after["desk"])["state"], "running");
    let volumes = seen["volumes"].as_array().expect("volumes");
    assert!(volumes.iter().all(|it| it["id"] != *before["data"]), "the old one is gone");
    cloud.is_settled();
}

fn is_not_lost_by_accident(cloud: &Cloud) {
    cloud.forget_calls();
    let ran = cloud.place.run(&["destroy", "-e", "prod", "--yes"]);
    assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
    ran.says(&["E0809", "`data`", "`files`", "--delete-data"]);
    assert_eq!(cloud.changes(), Vec::<String>::new());
}
