//! What the account itself tells: tags bring a lost state back, and show what belongs to nobody.

use super::{Cloud, environments, is_empty};
use dsenv_fake::aws_proxy::{On, What};

fn blueprint() -> String {
    let resources = r#"blueprint: lost
resources:
  net: {kind: network, cidr: 10.20.0.0/16, nat: none}
  lake: {kind: bucket}
  store: {kind: database, engine: postgres, version: "18"}
  data: {kind: volume, size: 10GiB}
  files: {kind: share}
  desk:
    kind: machine
    cpus: 2+
    uses: {lake: read_write, store: read_write, data: read_write, files: read_write}
"#;
    format!("{resources}{}", environments(", ephemeral: true"))
}

#[test]
fn a_lost_state_is_rebuilt_from_tags_alone() {
    let Some(cloud) = Cloud::new(&blueprint()) else { return };
    cloud.apply();
    let before = cloud.resources();
    std::fs::remove_dir_all(cloud.place.path(".dsenv")).expect("the state is there");
    cloud.forget_calls();
    let ran = cloud.place.ok(&["state", "rebuild", "-e", "prod", "--yes"]);
    assert_eq!(cloud.changes(), Vec::<String>::new(), "{}", ran.out);
    let after = cloud.resources();
    for (addr, id) in &before {
        let lives_in_the_state = ["net", "store.password"].contains(&addr.as_str());
        assert!(
            lives_in_the_state || after.get(addr) == Some(id),
            "{addr}: {after:#?}\n{}",
            ran.out
        );
    }
    // What was lost is made anew, in place: nothing with data in it goes.
    let plan = cloud.place.json(&["plan", "-e", "prod"]);
    let harm = plan["changes"].as_array().expect("changes").iter().find(|change| {
        ["delete", "replace"].contains(&change["action"].as_str().expect("a text"))
            && ["database", "bucket", "volume", "share"]
                .contains(&change["kind"].as_str().expect("a text"))
    });
    assert!(harm.is_none(), "{harm:#?}");
    cloud.apply();
    cloud.is_settled();
    cloud.place.ok(&["destroy", "-e", "prod", "--yes"]);
    is_empty(&cloud.look());
}

#[test]
fn the_wrong_account_is_refused_before_any_other_call() {
    let blueprint = blueprint().replace("123456789012", "210987654321");
    let Some(cloud) = Cloud::new(&blueprint) else { return };
    for command in ["plan", "apply"] {
        cloud.forget_calls();
        let ran = cloud.place.run(&[command, "-e", "prod"]);
        if command == "plan" {
            ran.says(&["error[E0813]", "123456789012", "210987654321"]);
        }
        assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
        let calls: Vec<String> = cloud.proxy.calls().iter().map(|call| call.line()).collect();
        assert!(calls.iter().all(|line| line.contains("GetCallerIdentity")), "{calls:?}");
    }
}

#[test]
fn a_missing_permission_is_named() {
    let Some(cloud) = Cloud::new(&blueprint()) else { return };
    cloud.proxy.inject(On::action("ec2", "CreateVpc").is(What::Denied));
    let ran = cloud.place.run(&["apply", "-e", "prod", "--yes"]);
    assert_eq!(ran.code, 3, "{}\n{}", ran.out, ran.err);
    ran.says(&["net.vpc", "ec2:CreateVpc"]);
    cloud.proxy.clear_faults();
    cloud.apply();
    cloud.place.ok(&["destroy", "-e", "prod", "--yes"]);
    is_empty(&cloud.look());
}
