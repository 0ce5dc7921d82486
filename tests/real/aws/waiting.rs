//! Waiting for what machines make of themselves: until all is well, or until one says why it is not.

use super::{Cloud, environments};
use serde_json::{Value as Json, json};
use std::time::Duration;

#[test]
fn apply_and_status_wait_until_services_are_well_or_say_why_not() {
    let resources = r#"blueprint: waits
resources:
  net: {kind: network, cidr: 10.1.0.0/16, nat: none}
  desk: {kind: machine, cpus: 2, services: {web: {run: serve, port: 8888}}}
"#;
    let blueprint = format!("{resources}{}", environments(", ephemeral: true"));
    let Some(cloud) = Cloud::new(&blueprint) else { return };
    // moto runs no machine, so nothing is heard of it.
    let silent = cloud.place.run(&["apply", "-e", "prod", "--yes", "--wait=2s"]);
    assert_eq!(silent.code, 1, "{}\n{}", silent.out, silent.err);
    assert!(silent.err.contains("Waiting for `desk` boot, starting (0 s)."), "{}", silent.err);
    assert!(silent.err.contains("nothing was heard of i-"), "{}", silent.err);
    assert!(silent.out.contains("Done: "), "{}", silent.out);

    let ids = cloud.resources();
    let says = |phase: &str, state: &str, failure: Json| {
        let service = json!({"state": state, "restarts": 0, "pid": 7, "url": null, "detail": null});
        let status = json!({"format": "dsenv-status/1", "phase": phase, "failure": failure,
            "interruption": null, "services": {"web": service}});
        let (mailbox, id) = (&ids["desk.mailbox"], &ids["desk"]);
        let body = json!(status.to_string());
        cloud.boto3(&format!(
            "s3.put_object(Bucket='{mailbox}', Key='status/{id}.json', Body={body})\nshow(None)"
        ));
    };
    says(
        "failed",
        "failed",
        json!({"what": "service `web` does not work",
        "cause": "it ended with exit code 127", "log_tail": "serve: not found"}),
    );
    let failed = cloud.place.run(&["status", "-e", "prod", "--wait"]);
    assert_eq!(failed.code, 1, "{}\n{}", failed.out, failed.err);
    assert!(failed.took < Duration::from_secs(60), "what has failed is not waited for");
    assert!(failed.out.contains("serve: not found"), "{}", failed.out);

    says("installing", "starting", Json::Null);
    std::thread::scope(|scope| {
        let waiting =
            scope.spawn(|| cloud.place.run(&["status", "-e", "prod", "--wait=2m", "--json"]));
        says("ready", "healthy", Json::Null);
        let ran = waiting.join().expect("it ends");
        assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
        let services: Json = serde_json::from_str(&ran.out).expect("one document");
        assert_eq!(services[0]["state"], "healthy", "{services:#}");
    });
    let well = cloud.place.ok(&["apply", "-e", "prod", "--yes", "--wait=2s"]);
    assert!(well.err.contains("All services are well."), "{}", well.err);
    cloud.place.ok(&["destroy", "-e", "prod", "--yes"]);
}
