//! From day to day, on a small environment: look into it, work in it, change it.

use crate::place::{Place, postgres_version};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;

/// One of everything, with a service that any machine with a Python can run.
const SMALL: &str = r#"blueprint: small
inputs:
  members: {type: integer, default: 2, min: 0, max: 4}
resources:
  net: {kind: network, cidr: 10.20.0.0/16}
  lake: {kind: bucket, versioning: true}
  features: {kind: database, engine: postgres, version: "VERSION", size: small, storage: 1GiB}
  token: {kind: secret, generate: {length: 32}}
  web:
    kind: machine
    cpus: 1+
    memory: 1GiB+
    image: debian-12
    uses: {features: read_write, lake: read_write}
    environment: {TOKEN: "${token.value}"}
    services:
      http:
        run: python3 -m http.server --bind ${self.address} ${self.ports.http}
        port: 8000
        health: {http: /}
  workers:
    kind: pool
    count: ${inputs.members}
    cpus: 1+
    memory: 1GiB+
    image: debian-12
    uses: {lake: read_write}
environments:
  dev: {provider: local, ephemeral: true}
outputs:
  web: ${web.services.http.url}
  token: ${token.value}
"#;

/// The small blueprint with a PostgreSQL that this machine has, if it has one.
pub(crate) fn small() -> String {
    SMALL.replace("VERSION", &postgres_version())
}

/// What an HTTP server answers: the status and the rest.
pub(crate) fn get(url: &str, headers: &str) -> (u16, String) {
    let rest = url.strip_prefix("http://").expect("a plain URL");
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).expect("it answers");
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("it answers to the end");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
    (status, text)
}

#[test]
fn an_environment_is_looked_into_and_worked_in() {
    let place = Place::new(&small());
    let first = place.apply();
    assert!(first.out.contains("Plan: 11 to create."), "{}", first.out);
    assert!(first.out.contains("token = (secret)"), "{}", first.out);
    look(&place);
    work(&place);
    reach(&place);
    wrong_names_are_refused(&place);
}

fn look(place: &Place) {
    let again = place.apply();
    assert!(again.out.contains("No changes."), "{}", again.out);
    assert!(again.took.as_millis() < 1_000, "a second apply took {:?}", again.took);
    place.is_settled();
    let status = place.json(&["status"]);
    let states: Vec<_> = status.as_array().expect("a list").iter().map(|it| &it["state"]).collect();
    assert_eq!(states, ["healthy", "healthy", "healthy"]);
    let text = place.ok(&["status"]).out;
    assert!(text.starts_with("ADDRESS"), "{text}");
    let url = place.ok(&["output", "web"]).out;
    assert_eq!(get(url.trim(), "").0, 200);
    let logs = place.ok(&["logs", "web"]).out;
    assert!(logs.contains("GET / "), "{logs}");
    let logs = place.ok(&["logs", "web", "--service", "http", "-n", "1"]).out;
    assert_eq!(logs.lines().count(), 1, "{logs}");
    let logs = place.ok(&["logs", "features"]).out;
    assert!(logs.contains("ready to accept connections"), "{logs}");
}

fn work(place: &Place) {
    let ran = place.run(&["exec", "web", "--", "sh", "-c", "echo to stderr >&2; exit 7"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (7, "to stderr\n"),
        "the program's own code and words"
    );
    let mut command = place.command();
    let foreign = std::ffi::OsStr::from_bytes(b"caf\xe9");
    command.args(["exec", "web", "--", "env"]).env(foreign, foreign).env("TERM", "vt100");
    let ran = crate::place::start(command).end();
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "a variable that is not UTF-8 is no matter");
    let variables = ran.out;
    assert!(variables.contains("TERM=vt100"), "{variables}");
    for name in
        ["FEATURES_URL=postgresql://", "LAKE_URL=s3://", "LAKE_ENDPOINT=http://127.", "TOKEN="]
    {
        assert!(variables.contains(name), "{name}: {variables}");
    }
    assert!(!variables.contains("PIP_"), "nothing of the caller's environment: {variables}");
    let members = place.ok(&["exec", "workers.member[1]", "--", "pwd"]).out;
    assert!(members.contains("workers-member-1"), "{members}");
    // A shell reads what is piped into it, and does not need a terminal.
    let mut command = place.command();
    command.args(["ssh", "web"]).stdin(std::process::Stdio::piped());
    let mut running = crate::place::start(command);
    let mut stdin = running.child.stdin.take().expect("a pipe");
    stdin.write_all(b"echo here: $LAKE_NAME\nexit 3\n").expect("the shell reads");
    drop(stdin);
    let ran = running.end();
    assert_eq!(ran.code, 3, "{}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("here: small-dev-lake"), "{}", ran.out);
}

fn reach(place: &Place) {
    let hidden = place.ok(&["connect", "lake"]);
    assert!(hidden.out.contains("LAKE_SECRET_ACCESS_KEY='(secret)'"), "{}", hidden.out);
    hidden.says(&["--show-secrets"]);
    let shown = place.ok(&["connect", "features", "--show-secrets"]).out;
    assert!(shown.contains("FEATURES_URL='postgresql://web:"), "{shown}");
    let lines = place.ok(&["output", "--env-file", "--show-secrets"]).out;
    assert!(lines.lines().any(|line| line.starts_with("TOKEN=") || line.starts_with("token=")));
    let all = place.json(&["output"]);
    assert_eq!(all["token"]["value"], "(secret)");
    assert_eq!(all["token"]["secret"], true);
    let token = place.ok(&["output", "token", "--show-secrets"]).out;
    assert_eq!(token.trim().len(), 32);
    let graph = place.ok(&["graph"]).out;
    assert!(graph.contains("web") && graph.contains("lake"), "{graph}");
    let picture = place.ok(&["graph", "--format", "svg"]).out;
    assert!(picture.starts_with("<svg ") && picture.contains(">lake</text>"), "{picture}");
}

fn wrong_names_are_refused(place: &Place) {
    for command in [&["logs", "wbe"][..], &["ssh", "wbe"], &["exec", "wbe", "--", "true"]] {
        let ran = place.refuses(command, 1, "E0814");
        ran.says(&["`wbe`", "help: did you mean `web`?"]);
    }
    let ran = place.refuses(&["logs", "web", "--service", "htp"], 1, "E0814");
    ran.says(&["no service `htp`", "help: did you mean `http`?"]);
    let ran = place.refuses(&["connect", "net"], 1, "E0814");
    ran.says(&["`net` is a network, which cannot be connected to", "help: "]);
    let ran = place.refuses(&["connect", "web"], 1, "E0814");
    ran.says(&["`web` is a machine", "help: `dsenv ssh web` opens a shell in it"]);
}

#[test]
fn data_outlives_a_change_and_a_pool_grows_and_shrinks() {
    let place = Place::new(&small());
    place.apply();
    let sql = |text: &str| place.ok(&["exec", "features", "--", "psql", "-Atc", text]).out;
    let has_psql = place.run(&["exec", "features", "--", "psql", "-Atc", "select 1"]).code == 0;
    if has_psql {
        sql("create table kept (n int); insert into kept values (42)");
    }
    let plan = |input: &str| place.json(&["plan", "--input", input])["summary"].clone();
    let grown = plan("members=3");
    assert_eq!(
        (&grown["create"], &grown["delete"], &grown["replace"]),
        (&1.into(), &0.into(), &0.into())
    );
    place.ok(&["apply", "--yes", "--input", "members=3"]);
    place.ok(&["exec", "workers.member[2]", "--", "true"]);
    place.ok(&["apply", "--yes", "--input", "members=1"]);
    assert!(!place.resources().contains_key("workers.member[1]"));
    place.edit("dsenv.yaml", "port: 8000", "port: 8001");
    let ran = place.run(&["plan", "--detailed-exitcode", "--input", "members=1"]);
    assert_eq!(ran.code, 2, "{}", ran.out);
    assert!(ran.out.contains("~ web") && !ran.out.contains("features (database)"), "{}", ran.out);
    place.ok(&["apply", "--yes", "--input", "members=1"]);
    let url = place.ok(&["output", "web"]).out;
    assert!(url.contains(":8001/"), "{url}");
    assert_eq!(get(url.trim(), "").0, 200);
    if has_psql {
        assert_eq!(sql("select n from kept").trim(), "42", "the data is still there");
    }
}

#[test]
fn services_that_are_ignored_are_left_alone() {
    let place = Place::new(
        "blueprint: small
resources:
  m:
    kind: machine
    cpus: 1+
    memory: 1GiB+
    image: debian-12
    environment: {LEVEL: one}
    services:
      web: {run: 'exec sleep 1000'}
    lifecycle: {ignore: [services]}
environments:
  dev: {provider: local, ephemeral: true}
",
    );
    place.apply();
    place.edit("dsenv.yaml", "sleep 1000", "sleep 2000");
    let ran = place.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    place.edit("dsenv.yaml", "LEVEL: one", "LEVEL: two");
    let ran = place.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(ran.code, 2, "what is not ignored is changed: {}", ran.out);
}

#[test]
fn a_forgotten_bucket_is_taken_over_as_it_is() {
    let place = Place::new(
        "blueprint: small
resources:
  lake: {kind: bucket, versioning: true}
environments:
  dev: {provider: local, ephemeral: true}
",
    );
    place.apply();
    let list = place.ok(&["state", "list", "-e", "dev", "--json"]).out;
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let id = list[0]["remote_id"].as_str().expect("a remote id").to_owned();
    place.ok(&["state", "rm", "-e", "dev", "lake"]);
    place.ok(&["import", "-e", "dev", "lake", &id]);
    let plan = place.ok(&["plan", "-e", "dev"]).out;
    assert!(plan.contains("No changes."), "{plan}");
    place.is_settled();
}

#[test]
fn a_renamed_database_and_bucket_keep_what_is_in_them() {
    let version = crate::place::postgres_version();
    let place = Place::new(&format!(
        "blueprint: small
resources:
  lake: {{kind: bucket}}
  features: {{kind: database, engine: postgres, version: \"{version}\"}}
environments:
  dev: {{provider: local}}
"
    ));
    place.apply();
    let before = place.resources();
    for (from, to) in [("lake", "pond"), ("features", "store")] {
        place.ok(&["state", "mv", from, to]);
        place.edit("dsenv.yaml", &format!("{from}:"), &format!("{to}:"));
    }
    let plan = place.ok(&["plan"]).out;
    assert!(plan.contains("No changes."), "{plan}");
    let after = place.resources();
    assert_eq!(before["lake"], after["pond"]);
    assert_eq!(before["features"], after["store"]);
    place.ok(&["logs", "store"]);
    place.ok(&["destroy", "--yes", "--delete-data", "pond", "--delete-data", "store"]);
    assert!(place.processes().is_empty());
}

/// What somebody removed by hand is seen and made again, and what was left of it is cleared away.
#[test]
fn what_was_removed_by_hand_is_made_again() {
    let version = crate::place::postgres_version();
    let place = Place::new(&format!(
        "blueprint: small
resources:
  features: {{kind: database, engine: postgres, version: \"{version}\"}}
  box:
    kind: machine
    services:
      s: {{run: 'python3 -m http.server --bind ${{self.address}} 7001', port: 7001, health: {{tcp: true}}}}
environments:
  dev: {{provider: local, ephemeral: true}}
"
    ));
    place.apply();
    let before = place.resources();
    let local = place.path(".dsenv/small/dev/local");
    std::fs::remove_dir_all(local.join("machines").join(&before["box"])).expect("it is there");
    let drift = place.run(&["drift", "--detailed-exitcode"]);
    assert_eq!(drift.code, 2, "{}\n{}", drift.out, drift.err);
    let plan = place.json(&["plan"]);
    assert_eq!(plan["summary"]["create"], 1, "{plan}");
    place.apply();
    place.is_settled();
    let after = place.resources();
    assert_ne!(before["box"], after["box"]);
    assert_eq!(before["features"], after["features"]);
    place.ok(&["exec", "box", "--", "true"]);
    let services = place.json(&["status"]);
    assert_eq!(services.as_array().expect("a list").len(), 2, "{services}");
    // And a destroy finds nothing of it in its way.
    std::fs::remove_dir_all(local.join("machines").join(&after["box"])).expect("it is there");
    place.ok(&["destroy", "--yes"]);
    assert!(place.processes().is_empty());
}

/// `m["a"]` and `m_a` read alike, and are two users and two buckets with rights of their own; and a
/// user of a database that is renamed keeps its way in.
#[test]
fn names_that_read_alike_are_not_one() {
    let version = crate::place::postgres_version();
    let place = Place::new(&format!(
        "blueprint: small
resources:
  db: {{kind: database, engine: postgres, version: \"{version}\"}}
  lake: {{kind: bucket, for_each: [raw]}}
  lake_raw: {{kind: bucket}}
  m: {{kind: machine, for_each: [a], uses: {{db: read}}}}
  m_a: {{kind: machine, uses: {{db: read_write}}}}
environments:
  dev: {{provider: local, ephemeral: true}}
"
    ));
    place.apply();
    let role = |addr: &str| {
        let shown = place.json(&["state", "show", addr]).to_string();
        let (_, rest) = shown.split_once("\"role\":\"").expect("a role");
        rest.split('"').next().expect("its name").to_owned()
    };
    assert_ne!(role("m[\"a\"].grant[\"db\"]"), role("m_a.grant[\"db\"]"));
    let variables = place.ok(&["connect", "db", "--show-secrets"]).out;
    assert!(variables.lines().all(|line| line.starts_with("DB_") || line.starts_with('#')));
    place.ok(&["state", "mv", "db", "store"]);
    let text = place.read("dsenv.yaml").replace("db:", "store:");
    place.write("dsenv.yaml", &text);
    let plan = place.json(&["plan"]);
    assert_eq!(plan["summary"]["create"], 0, "{plan}");
    assert_eq!(plan["summary"]["delete"], 0, "{plan}");
    place.apply();
    place.is_settled();
    // A machine that is forgotten does not keep the environment alive.
    place.ok(&["state", "rm", "m_a"]);
    let ran = place.run(&["destroy", "--yes"]);
    assert!(
        ran.err.contains("`m_a`") && !ran.err.contains("m_a.grant"),
        "{}\n{}",
        ran.out,
        ran.err
    );
    let left = place.json(&["plan"])["changes"].to_string();
    assert!(left.contains("m_a"), "{left}");
    let id = ran.err.split("`m_a` (").nth(1).and_then(|rest| rest.split(')').next());
    place.ok(&["import", "m_a", id.expect("its id")]);
    place.ok(&["destroy", "--yes"]);
    assert!(place.processes().is_empty());
}

#[test]
fn a_lost_state_is_made_anew_and_a_forgotten_object_adopted() {
    let place = Place::new(
        "blueprint: small
resources:
  net: {kind: network, cidr: 10.20.0.0/16}
  lake: {kind: bucket, versioning: true}
  token: {kind: secret, generate: {length: 32}}
  web:
    kind: machine
    cpus: 1+
    memory: 1GiB+
    image: debian-12
    uses: {lake: read_write}
    environment: {TOKEN: \"${token.value}\"}
environments:
  dev: {provider: local}
outputs:
  token: ${token.value}
",
    );
    place.apply();
    let before = (place.resources(), place.ok(&["output", "token", "--show-secrets"]).out);
    place.refuses(&["state", "rebuild", "--yes"], 1, "E0819");
    let dir = place.path(".dsenv/small/dev");
    std::fs::remove_file(dir.join("state.json")).expect("it is there");
    let ran = place.refuses(&["plan"], 1, "E0802");
    assert!(ran.err.contains("dsenv state rebuild"), "{}", ran.err);
    // Without a terminal it shows what it would do, and does nothing.
    let ran = place.refuses(&["state", "rebuild"], 1, "E0905");
    assert!(ran.out.contains("lake") && ran.out.contains("its object"), "{}", ran.out);
    assert!(!dir.join("state.json").exists());
    // Without the key of the history, what is on this machine cannot be opened.
    std::fs::rename(dir.join("history"), place.path("aside")).expect("it is there");
    let ran = place.refuses(&["state", "rebuild", "--yes"], 1, "E0901");
    assert!(ran.err.contains("sealed with the key of its state"), "{}", ran.err);
    std::fs::rename(place.path("aside"), dir.join("history")).expect("it was there");
    let rebuilt = place.json(&["state", "rebuild", "--yes"]);
    assert_eq!(rebuilt["done"], true);
    assert_eq!(rebuilt["state_only"][0]["fate"], "from_history", "{rebuilt}");
    let plan = place.ok(&["plan"]).out;
    assert!(plan.contains("No changes."), "{plan}");
    assert_eq!(place.resources(), before.0);
    place.apply();
    place.is_settled();
    assert_eq!(place.ok(&["output", "token", "--show-secrets"]).out, before.1);
    let history = place.ok(&["state", "history"]).out;
    assert!(history.contains("state rebuild"), "{history}");
    place.ok(&["state", "rm", "web"]);
    place.ok(&["state", "rm", "lake"]);
    let listed = place.refuses(&["adopt"], 1, "E0905").out;
    assert!(listed.contains("lake") && listed.contains("web"), "{listed}");
    place.ok(&["adopt", "--yes"]);
    assert_eq!(place.resources(), before.0);
    let plan = place.ok(&["plan"]).out;
    assert!(plan.contains("No changes."), "{plan}");
    place.refuses(&["plan", "--check-permissions"], 1, "E0817");
    place.ok(&["destroy", "--yes", "--delete-data", "lake"]);
}
