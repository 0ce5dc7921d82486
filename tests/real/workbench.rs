//! The blueprint of the README, as a new user would take it.

use crate::daily::get;
use crate::place::{Place, skipped};
use std::path::Path;
use std::process::Command;

const WORKBENCH: &str = include_str!("../../blueprints/workbench.yaml");

/// What a user would type into the first cell.
const CELL: &str = r#"
import os, boto3, pandas, psycopg
with psycopg.connect(os.environ["FEATURES_URL"]) as db:
    db.execute("create table if not exists kept (n int)")
    db.execute("insert into kept values (42)")
    rows = db.execute("select n from kept").fetchall()
s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["LAKE_ENDPOINT"],
    aws_access_key_id=os.environ["LAKE_ACCESS_KEY_ID"],
    aws_secret_access_key=os.environ["LAKE_SECRET_ACCESS_KEY"],
    region_name=os.environ["LAKE_REGION"],
)
s3.put_object(Bucket=os.environ["LAKE_NAME"], Key="cell", Body=b"from a cell")
body = s3.get_object(Bucket=os.environ["LAKE_NAME"], Key="cell")["Body"].read()
print("rows", pandas.DataFrame(rows).iloc[0, 0], "body", body.decode())
"#;

/// What must still be there after every change.
const STILL_THERE: &str = r#"
import os, boto3, psycopg
with psycopg.connect(os.environ["FEATURES_URL"]) as db:
    n = db.execute("select n from kept").fetchall()[0][0]
s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["LAKE_ENDPOINT"],
    aws_access_key_id=os.environ["LAKE_ACCESS_KEY_ID"],
    aws_secret_access_key=os.environ["LAKE_SECRET_ACCESS_KEY"],
    region_name=os.environ["LAKE_REGION"],
)
body = s3.get_object(Bucket=os.environ["LAKE_NAME"], Key="cell")["Body"].read()
print("still", n, body.decode())
"#;

fn notebook(cell: &str) -> String {
    let cell = serde_json::json!({
        "cell_type": "code", "id": "a", "metadata": {}, "outputs": [],
        "execution_count": null, "source": cell,
    });
    let kernel = serde_json::json!({"display_name": "P", "language": "python", "name": "python3"});
    let metadata = serde_json::json!({"kernelspec": kernel});
    let book = serde_json::json!({
        "cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5,
    });
    book.to_string()
}

fn can_be_had() -> bool {
    let ran = Command::new("python3").args(["-c", "import venv, ensurepip"]).output();
    ran.is_ok_and(|ran| ran.status.success())
}

#[test]
fn the_workbench_is_applied_used_changed_and_destroyed() {
    if !can_be_had() {
        return skipped("python3 with venv");
    }
    let place = Place::new(WORKBENCH);
    let first = place.run(&["apply", "-e", "dev", "--yes"]);
    if first.code != 0 && first.err.contains("package index") {
        return skipped("the package index");
    }
    assert_eq!(first.code, 0, "{}\n{}", first.out, first.err);
    assert!(first.out.contains("jupyter") && first.out.contains("(secret)"), "{}", first.out);
    jupyter_answers_behind_its_token(&place);
    a_cell_runs(&place);
    a_second_apply_does_nothing(&place);
    changes_are_exact_and_lose_nothing(&place);
    place.ok(&["destroy", "-e", "dev", "--yes"]);
    assert!(place.processes().is_empty(), "destroy leaves no process");
    assert!(place.resources().is_empty());
}

fn jupyter_answers_behind_its_token(place: &Place) {
    let text =
        |arguments: &[&str]| place.ok(&[arguments, &["-e", "dev"]].concat()).out.trim().to_owned();
    let url = text(&["output", "jupyter"]);
    let token = text(&["output", "token", "--show-secrets"]);
    let contents = format!("{}/api/contents", url.trim_end_matches('/'));
    assert_eq!(get(&contents, "").0, 403, "without its token");
    assert_eq!(get(&contents, &format!("Authorization: token {token}\r\n")).0, 200);
    assert_eq!(get(&contents, "Authorization: token wrong\r\n").0, 403);
}

fn inside(place: &Place, command: &[&str]) -> String {
    place.ok(&[&["exec", "-e", "dev", "notebook", "--"], command].concat()).out
}

fn a_cell_runs(place: &Place) {
    let home = inside(place, &["pwd"]);
    let book = Path::new(home.trim()).join("first.ipynb");
    std::fs::write(book, notebook(CELL)).expect("the machine's folder is on this disk");
    let run = ["jupyter", "nbconvert", "--to", "notebook", "--execute", "--stdout", "first.ipynb"];
    let done: serde_json::Value = serde_json::from_str(&inside(place, &run)).expect("a notebook");
    let printed = done["cells"][0]["outputs"][0]["text"].to_string();
    assert!(printed.contains("rows 42 body from a cell"), "{printed}");
}

fn a_second_apply_does_nothing(place: &Place) {
    let again = place.apply();
    assert!(again.out.contains("No changes."), "{}", again.out);
    assert!(again.took.as_millis() < 1_000, "a second apply took {:?}", again.took);
    place.is_settled();
    let status = place.json(&["status", "-e", "dev"]);
    let services = status.as_array().expect("a list");
    assert!(services.iter().all(|it| it["state"] == "healthy"), "{status}");
}

fn changes_are_exact_and_lose_nothing(place: &Place) {
    let before = place.resources();
    place.edit("dsenv.yaml", "        health: {http: /api}\n", "        health: {http: /api}\n      files:\n        run: python -m http.server --bind ${self.address} ${self.ports.files}\n        port: 8899\n");
    let plan = place.json(&["plan", "-e", "dev", "--input", "workers=2"]);
    let changed = |action: &str| {
        let changes = plan["changes"].as_array().expect("changes").iter();
        let named = changes.filter(|it| it["action"] == action);
        named.map(|it| it["address"].as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(changed("delete"), [""; 0], "{plan}");
    assert_eq!(changed("replace"), [""; 0], "{plan}");
    assert!(changed("update").contains(&"notebook".to_owned()), "{plan}");
    assert!(!changed("update").contains(&"features".to_owned()), "{plan}");
    assert_eq!(changed("create"), ["workers.member[0]", "workers.member[1]"], "{plan}");
    place.ok(&["apply", "-e", "dev", "--yes", "--input", "workers=2"]);
    assert!(inside(place, &["python", "-c", STILL_THERE]).contains("still 42 from a cell"));
    let after = place.resources();
    assert!(before.iter().all(|(addr, id)| after.get(addr) == Some(id)), "{before:?}\n{after:?}");
    let member = place.ok(&["exec", "-e", "dev", "workers.member[1]", "--", "env"]).out;
    assert!(member.contains("LAKE_URL=s3://"), "{member}");
}
