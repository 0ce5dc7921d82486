//! What each apply came to is kept by the prices of its day, and a change has its cause.

use super::{Cloud, environments};

#[test]
fn what_was_paid_is_told_with_what_changed_it() {
    let resources = r#"blueprint: paid
resources:
  net: {kind: network, cidr: 10.1.0.0/16, nat: none}
  desk: {kind: machine, type: t3.nano, disk: 10GiB}
"#;
    let blueprint = format!("{resources}{}", environments(", ephemeral: true"));
    let Some(cloud) = Cloud::new(&blueprint) else { return };
    cloud.apply();
    cloud.place.edit("dsenv.yaml", "t3.nano", "t3.micro");
    cloud.apply();
    let history = cloud.place.json(&["cost", "--history", "-e", "prod"]);
    let applies = history["applies"].as_array().expect("a list");
    assert_eq!(applies.len(), 2, "{history:#}");
    assert_eq!(applies[0]["changes"].as_array().map(Vec::len), Some(0));
    let changes = applies[1]["changes"].as_array().expect("a list");
    let said: Vec<(&str, &str)> = changes
        .iter()
        .filter_map(|it| Some((it["cause"].as_str()?, it["name"].as_str()?)))
        .collect();
    assert!(said.contains(&("gone", "compute, t3.nano")), "{said:?}");
    assert!(said.contains(&("new", "compute, t3.micro")), "{said:?}");
    // What the plan promised is what the second apply came to.
    let plan = cloud.place.json(&["plan", "-e", "prod"]);
    assert_eq!(plan["cost"]["before"]["monthly"]["now"], applies[1]["monthly"]);
    assert_eq!(plan["cost"]["difference"], "0");
    cloud.place.ok(&["destroy", "-e", "prod", "--yes"]);
    let told = cloud.place.ok(&["cost", "--history", "-e", "prod"]);
    assert!(told.out.contains("gone: `desk` compute, t3.micro"), "{}", told.out);
}
