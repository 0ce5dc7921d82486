//! The shipped blueprint in its environment `prod`: from a first plan to nothing, with databases that
//! take their time and reads that are behind the truth.

use super::{Cloud, is_empty};
use dsenv_fake::aws_proxy::{Pace, Slow};
use serde_json::Value as Json;
use std::collections::BTreeMap;

const BLUEPRINT: &str = include_str!("../../../blueprints/workbench.yaml");

/// As slow and as late as AWS, only sooner over.
fn unkind(cloud: &Cloud) {
    for slow in [Slow::Database, Slow::Instance, Slow::NatGateway, Slow::ScalingGroup] {
        cloud.proxy.set_slow(slow, Some(Pace::Looks(2)));
    }
    cloud.proxy.set_eventual(Some(Pace::Looks(1)));
    cloud.proxy.set_profile_refusals(1);
}

#[test]
fn the_workbench_lives_on_aws() {
    let Some(cloud) = Cloud::new(BLUEPRINT) else { return };
    unkind(&cloud);
    plans_without_credentials(&cloud);
    let first = cloud.apply();
    first.says(&["created features"]);
    is_what_the_blueprint_says(&cloud);
    a_second_apply_changes_nothing(&cloud);
    is_what_a_laptop_has(&cloud);
    what_a_hand_changed_is_put_back(&cloud);
    a_changed_service_reaches_the_machine_that_runs(&cloud);
    resizes_in_place(&cloud);
    replaces_one_machine(&cloud);
    is_protected_and_then_destroyed(&cloud);
}

/// A first plan needs nobody's credentials, and says that it went without.
fn plans_without_credentials(cloud: &Cloud) {
    let mut command = cloud.place.command();
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    // Not this machine's own role either.
    command.env("AWS_EC2_METADATA_DISABLED", "true").args(["plan", "-e", "prod"]);
    let ran = crate::place::start(command).end();
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    ran.says(&["not checked against the account", "there are no AWS credentials"]);
    assert!(ran.out.contains("Plan: 31 to create"), "{}", ran.out);
}

/// Dev on this machine and prod on AWS, applied from one lock, differ in nothing that must not differ.
fn is_what_a_laptop_has(cloud: &Cloud) {
    let place = &cloud.place;
    place.ok(&["apply", "-e", "dev", "--yes"]);
    let parity = place.json(&["parity", "dev", "prod", "--level", "L2"]);
    assert_eq!(parity["verdict"], "identical_with_substitutions", "{parity:#}");
    assert_eq!(parity["level"], "L2");
    for level in ["L0", "L1", "L2"] {
        let digests = &parity["digests"][level];
        assert!(digests["dev"].is_string() && digests["dev"] == digests["prod"], "{level}");
    }
    let variances = parity["variances"].as_array().expect("a list");
    let bound = |row: &&Json| row["level"] == "L1" && row["what"] != "python packages";
    assert!(variances.iter().filter(bound).all(|row| row["class"] == "bind"), "{parity:#}");
    let image = |it: &Json| it["environment"] == "dev" && it["path"] == "image";
    let substitutions = parity["substitutions"].as_array().expect("a list");
    assert!(substitutions.iter().any(image), "local has no image, and says so: {parity:#}");
    place.ok(&["destroy", "-e", "dev", "--yes"]);
}

fn one<'a>(seen: &'a Json, kind: &str) -> &'a Json {
    let objects = seen[kind].as_array().expect("a list");
    assert_eq!(objects.len(), 1, "{kind}: {objects:#?}");
    &objects[0]
}

/// What boto3 sees is what the file says.
fn is_what_the_blueprint_says(cloud: &Cloud) {
    let seen = cloud.look();
    let ids = cloud.resources();
    let count = |kind: &str| match &seen[kind] {
        Json::Array(items) => items.len(),
        Json::Object(map) => map.len(),
        other => panic!("{kind}: {other}"),
    };
    for (kind, expected) in [
        ("vpcs", 1),
        ("subnets", 4),
        ("internet gateways", 1),
        ("NAT gateways", 1),
        ("addresses", 1),
        ("route tables", 2),
        ("endpoints", 1),
        ("security groups", 3),
        ("rules", 1),
        ("open to the world", 0),
        ("instances", 3),
        ("templates", 1),
        ("groups", 1),
        ("buckets", 3),
        ("databases", 1),
        ("subnet groups", 1),
        ("parameter groups", 1),
        ("roles", 2),
        ("profiles", 2),
        ("parameters", 2),
    ] {
        assert_eq!(count(kind), expected, "{kind}: {:#}", seen[kind]);
    }
    let zones = seen["subnets"].as_object().expect("subnets").values();
    let zones: std::collections::BTreeSet<&str> =
        zones.filter_map(|subnet| subnet["zone"].as_str()).collect();
    assert_eq!(zones.len(), 2, "two zones");
    the_notebook(&seen, &ids);
    the_database(&seen, &ids);
    the_lake(&seen, &ids);
    the_workers(&seen, &ids);
    the_rights(&seen, &ids);
}

fn the_notebook(seen: &Json, ids: &BTreeMap<String, String>) {
    let instances = seen["instances"].as_array().expect("instances");
    let notebook = instances.iter().find(|it| it["id"] == *ids["notebook"]).expect("it is there");
    assert_eq!(notebook["type"], "t3a.medium");
    assert_eq!(notebook["tokens"], "required", "IMDSv2 only");
    assert_eq!(notebook["public"], Json::Null);
    assert_eq!(notebook["groups"], serde_json::json!([ids["notebook.firewall"]]));
    assert_eq!(notebook["tags"]["owner"], "research@example.org");
    let volumes = seen["volumes"].as_array().expect("volumes");
    let disk = volumes.iter().find(|it| it["attached"][0] == *ids["notebook"]).expect("a disk");
    assert_eq!((&disk["gib"], &disk["encrypted"]), (&Json::from(50), &Json::from(true)));
}

fn the_database(seen: &Json, ids: &BTreeMap<String, String>) {
    let database = one(seen, "databases");
    for (key, expected) in [
        ("DBInstanceIdentifier", Json::from(ids["features"].as_str())),
        ("Engine", Json::from("postgres")),
        ("EngineVersion", Json::from("18")),
        ("MultiAZ", Json::from(false)),
        ("StorageEncrypted", Json::from(true)),
        ("DeletionProtection", Json::from(true)),
        ("BackupRetentionPeriod", Json::from(7)),
        ("AllocatedStorage", Json::from(20)),
        ("PubliclyAccessible", Json::from(false)),
        ("groups", serde_json::json!([ids["features.firewall"]])),
    ] {
        assert_eq!(database[key], expected, "{key}");
    }
    // The one way in: from the notebook, to the database's port.
    let rule = one(seen, "rules");
    assert_eq!(rule["group"], *ids["features.firewall"]);
    assert_eq!(rule["from"], *ids["notebook.firewall"]);
    assert_eq!(rule["port"], 5_432);
}

fn the_lake(seen: &Json, ids: &BTreeMap<String, String>) {
    for (name, bucket) in seen["buckets"].as_object().expect("buckets") {
        assert_eq!(bucket["encryption"], "AES256", "{name}");
        let block = bucket["block"].as_object().expect("a public access block");
        assert!(block.len() == 4 && block.values().all(|it| it == true), "{name}: {block:?}");
    }
    let lake = &seen["buckets"][&ids["lake"]];
    assert_eq!(lake["versioning"], "Enabled");
    let rules = lake["rules"].as_array().expect("rules");
    assert!(
        rules
            .iter()
            .any(|rule| rule.to_string().contains("tmp/") && rule["Expiration"]["Days"] == 30),
        "{rules:#?}"
    );
}

fn the_workers(seen: &Json, ids: &BTreeMap<String, String>) {
    let group = one(seen, "groups");
    assert_eq!(group["name"], *ids["workers"]);
    assert_eq!(group["sizes"], serde_json::json!([2, 2, 2]));
    assert_eq!(group["rebalance"], true);
    let distribution = &group["distribution"];
    assert_eq!(distribution["SpotAllocationStrategy"], "price-capacity-optimized");
    assert_eq!(distribution["OnDemandBaseCapacity"], 0);
    assert_eq!(distribution["OnDemandPercentageAboveBaseCapacity"], 0);
    assert!(group["types"].as_array().is_some_and(|types| types.len() > 3), "{group:#}");
    assert!(group["subnets"].as_array().is_some_and(|subnets| subnets.len() == 2));
}

/// Exactly the rights that `uses` names; secrets where they belong.
fn the_rights(seen: &Json, ids: &BTreeMap<String, String>) {
    let rights = |role: &str| seen["roles"][&ids[role]]["policies"]["dsenv"].to_string();
    let (notebook, workers) = (rights("notebook.role"), rights("workers.role"));
    for rights in [&notebook, &workers] {
        assert!(rights.contains(&format!("arn:aws:s3:::{}/*", ids["lake"])), "{rights}");
        assert!(!rights.contains("\"*\"") && !rights.contains("s3:*"), "{rights}");
        assert!(!rights.contains("s3:DeleteBucket") && !rights.contains("iam:"), "{rights}");
    }
    assert!(!workers.contains(&ids["notebook.settings"]), "nobody reads another's settings");
    for (name, role) in seen["roles"].as_object().expect("roles") {
        assert_eq!(role["attached"], serde_json::json!([]), "{name}");
    }
    let kinds = seen["parameters"].as_object().expect("parameters");
    assert!(kinds.values().all(|kind| kind == "SecureString"), "{kinds:?}");
}

fn a_second_apply_changes_nothing(cloud: &Cloud) {
    cloud.is_settled();
    cloud.forget_calls();
    let ran = cloud.apply();
    assert!(ran.out.contains("No changes."), "{}", ran.out);
    assert_eq!(cloud.changes(), Vec::<String>::new());
    // The secrets of it stand nowhere in clear.
    let token = cloud.place.ok(&["output", "-e", "prod", "token", "--show-secrets"]).out;
    let token = token.trim().to_owned();
    assert_eq!(token.len(), 32);
    let seen = cloud.look().to_string();
    assert!(!seen.contains(&token), "in tags, user data or policies");
    for (path, bytes) in cloud.place.kept_files() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&token), "{}", path.display());
    }
    let settings = &cloud.resources()["notebook.settings"];
    let kept = cloud.boto3(&format!(
        "show(ssm.get_parameter(Name='{settings}', WithDecryption=True)['Parameter']['Value'])"
    ));
    assert!(kept.as_str().expect("a text").contains(&token), "the machine can have it");
}

fn what_a_hand_changed_is_put_back(cloud: &Cloud) {
    let ids = cloud.resources();
    let rule = &ids["notebook.grant[\"features\"]"];
    cloud.boto3(&format!(
        "s3.put_bucket_versioning(Bucket='{lake}', VersioningConfiguration={{'Status': 'Suspended'}})
s3.delete_public_access_block(Bucket='{lake}')
rds.modify_db_instance(DBInstanceIdentifier='{db}', BackupRetentionPeriod=1)
ec2.revoke_security_group_ingress(GroupId='{group}', SecurityGroupRuleIds=['{rule}'])
ec2.create_tags(Resources=['{vpc}'], Tags=[{{'Key': 'owner', 'Value': 'me'}}, {{'Key': 'x', 'Value': 'y'}}])
autoscaling.update_auto_scaling_group(AutoScalingGroupName='{workers}', MaxSize=5)
show(None)",
        lake = ids["lake"],
        db = ids["features"],
        group = ids["features.firewall"],
        vpc = ids["net.vpc"],
        workers = ids["workers"],
    ));
    let plan = cloud.place.json(&["plan", "-e", "prod"]);
    let changes = plan["changes"].as_array().expect("changes").iter();
    let acted = changes.filter(|change| change["action"] != "no-op");
    let acted: BTreeMap<&str, &str> = acted
        .map(|it| (it["address"].as_str().expect("a text"), it["action"].as_str().expect("a text")))
        .collect();
    let expected = BTreeMap::from([
        ("features", "update"),
        ("lake", "update"),
        ("net.vpc", "update"),
        ("notebook.grant[\"features\"]", "create"),
        ("workers", "update"),
    ]);
    assert_eq!(acted, expected, "{plan:#}");
    cloud.apply();
    is_what_the_blueprint_says(cloud);
    cloud.is_settled();
    let vpc = &ids["net.vpc"];
    let tags =
        cloud.boto3(&format!("show(tags(ec2.describe_vpcs(VpcIds=['{vpc}'])['Vpcs'][0]['Tags']))"));
    assert_eq!(tags["owner"], "research@example.org");
    assert_eq!(tags["x"], "y", "what others hang on it is their own affair");
}

/// What a machine is to run is told to the one that runs, and nothing is made anew.
fn a_changed_service_reaches_the_machine_that_runs(cloud: &Cloud) {
    let before = cloud.resources();
    cloud.place.edit("dsenv.yaml", "--no-browser", "--no-browser --debug");
    cloud.apply();
    assert_eq!(cloud.resources(), before);
    let mailbox = &before["notebook.mailbox"];
    let bundle = cloud.boto3(&format!(
        "show(json.load(s3.get_object(Bucket='{mailbox}', Key='boot.json')['Body']))"
    ));
    let run = bundle["services"]["jupyter"]["run"].as_str().expect("a command");
    assert!(run.ends_with("--no-browser --debug"), "{run}");
    assert!(bundle["software"]["packages"].as_array().is_some_and(|it| it.len() > 50), "locked");
    assert_eq!(bundle["environment"]["LAKE_NAME"], *before["lake"]);
    assert_eq!(bundle["environment"].get("FEATURES_PASSWORD"), None, "it is in the parameter");
}

/// Sizes change without another object.
fn resizes_in_place(cloud: &Cloud) {
    let before = cloud.resources();
    cloud.place.edit("dsenv.yaml", "features.size: large", "features.size: medium");
    let class = |cloud: &Cloud| one(&cloud.look(), "databases")["DBInstanceClass"].clone();
    let large = class(cloud);
    cloud.place.ok(&["apply", "-e", "prod", "--yes", "--input", "workers=3"]);
    assert_eq!(cloud.resources(), before);
    let seen = cloud.look();
    assert_eq!(one(&seen, "groups")["sizes"], serde_json::json!([3, 3, 3]));
    assert_ne!(class(cloud), large);
    cloud.place.edit("dsenv.yaml", "features.size: medium", "features.size: large");
    cloud.apply();
}

fn replaces_one_machine(cloud: &Cloud) {
    let before = cloud.resources();
    cloud.place.ok(&["apply", "-e", "prod", "--yes", "--replace", "notebook"]);
    let after = cloud.resources();
    assert_ne!(before["notebook"], after["notebook"]);
    let seen = cloud.look();
    let instances = seen["instances"].as_array().expect("instances").iter();
    let machines: Vec<&str> =
        instances.filter(|it| it["group"].is_null()).filter_map(|it| it["id"].as_str()).collect();
    assert_eq!(machines, [after["notebook"].as_str()]);
    cloud.is_settled();
}

fn is_protected_and_then_destroyed(cloud: &Cloud) {
    let refused = cloud.place.run(&["destroy", "-e", "prod", "--yes"]);
    assert_eq!(refused.code, 1, "{}\n{}", refused.out, refused.err);
    refused.says(&["features"]);
    cloud.place.ok(&["unprotect", "-e", "prod", "features"]);
    let data = ["--delete-data", "features", "--delete-data", "lake"];
    let ran = cloud.place.ok(&[&["destroy", "-e", "prod", "--yes"][..], &data].concat());
    assert!(ran.out.contains("Done"), "{}", ran.out);
    is_empty(&cloud.look());
}
