//! The report as its readers have it: a file, in a real browser, on a phone, at a desk, in the dark, printed.

use crate::place::{Place, skipped, start};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::Command;

const WORKBENCH: &str = include_str!("../../blueprints/workbench.yaml");

/// What the rest of a report is about: accelerators, hours, spot, savings, an environment that is wrong, long
/// names, and text that is markup elsewhere.
const LAB: &str = r#"blueprint: lab
owner: "<script>alert(1)</script>"
resources:
  net: {kind: network, cidr: 10.20.0.0/16, nat: per_zone}
  lake: {kind: bucket, for_each: [raw, curated], usage: {stored: 2TiB, reads: 5000000}}
  a_name_that_is_as_long_as_names_of_resources_may_be_all_in_all:
    kind: machine
    tier: research
    type: m5.xlarge
    tags: {team: vision}
    usage: {hours: 160}
  trainers: {kind: pool, tier: job, count: 2, gpu: "24GiB+", tags: {team: language}}
  sweeps: {kind: pool, tier: job, count: {min: 0, max: 6, start: 2}, cpus: 4+, purchase: {spot: preferred}}
environments:
  dev: {provider: local, ephemeral: true}
  stage: {provider: aws, account: "123456789012", region: us-east-1}
  prod: {provider: aws, account: "123456789012", region: eu-central-1}
  later: {provider: nowhere}
policies:
  - {name: named, rule: 'resources.all(r, r.name != "x")', message: "<img src=x onerror=alert(2)>"}
"#;

/// Contrast of text that WCAG 2 asks for at level AA.
const CONTRAST_MIN: f64 = 4.5;

fn place(blueprint: &str) -> Place {
    Place::with_environments(blueprint, Vec::new())
}

#[allow(clippy::disallowed_methods, reason = "a browser is looked for where programs are")]
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let all = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    all.into_iter().find(|program| program.is_file())
}

/// What the browser says of a page, once for each screen.
fn looked_at(browser: &Path, page: &Path) -> Vec<Json> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/page.py");
    let ran = Command::new("python3").arg(script).arg(browser).arg(page).output();
    let ran = ran.expect("python3 runs");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}\n{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"))
}

fn empty() -> Json {
    Json::Array(Vec::new())
}

/// Demands of a page on one screen what must hold on each.
fn judge(look: &Json, document: &Json) {
    let screen = &look["screen"];
    assert_eq!(look["console"], empty(), "{screen}");
    assert_eq!(look["requests"], empty(), "{screen}: it asks for nothing");
    assert_eq!(look["scripts"], 0, "{screen}");
    assert_eq!(look["same_ids"], empty(), "{screen}");
    assert_eq!(look["language"], "en");
    let width = |name: &str| look[name].as_u64().expect("a width");
    let inside = width("scroll_width") <= width("inner_width").min(width("width"));
    assert!(inside, "{screen} scrolls sideways: {}", look["scroll_width"]);
    let contrast = look["contrasts"]["ratio"].as_f64().expect("a ratio");
    assert!(contrast >= CONTRAST_MIN, "{screen}: {}", look["contrasts"]);
    for picture in look["pictures"].as_array().expect("a list") {
        assert!(picture["title"] != "" && picture["labelled"] == true, "{screen}: {picture}");
        assert!(picture["numbers"].as_u64().expect("a count") > 0, "{screen}: {picture}");
        assert_eq!(picture["lost"], empty(), "{screen}: each number stands as text too");
    }
    for table in look["tables"].as_array().expect("a list") {
        assert!(table["rows"].as_u64().expect("a count") > 0, "{screen}: {table}");
        assert!(table["heads"] == true && table["names"] == true, "{screen}: {table}");
    }
    assert_eq!(look["total"], document["total"]["monthly"]["now"], "{screen}");
    let sum = |caption: &str| {
        let mut tables = look["tables"].as_array().expect("a list").iter();
        tables.find(|table| table["caption"] == caption).map(|table| table["sum"][0][0].clone())
    };
    if let Some(sum) = sum("Every line: how many, times what one costs") {
        assert_eq!(sum, document["total"]["monthly"]["now"], "{screen}");
    }
}

#[test]
fn a_browser_shows_it_on_every_screen() {
    let Some(browser) = browser() else {
        return skipped("a Chromium: apt-get install chromium");
    };
    for (blueprint, environments) in
        [(WORKBENCH, &["dev", "prod"][..]), (LAB, &["dev", "stage", "prod"])]
    {
        let place = place(blueprint);
        for environment in environments {
            place.ok(&["report", "-e", environment, "-o", "report.html"]);
            let document = place.json(&["report", "-e", environment]);
            let looks = looked_at(&browser, &place.path("report.html"));
            assert_eq!(looks.len(), 5);
            for look in &looks {
                judge(look, &document);
            }
        }
    }
}

#[test]
fn every_shipped_blueprint_is_reported_without_a_network() {
    // A name space of its own has no network but loopback, which is down.
    let alone = ["unshare", "--map-root-user", "--net"];
    let can = Command::new(alone[0]).args(&alone[1..]).arg("true").output();
    let before = match can {
        Ok(ran) if ran.status.success() => &alone[..],
        _ => &[],
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("blueprints");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the blueprints") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a blueprint");
        let place = place(&text);
        let environments = place.json(&["env", "list"]);
        for environment in environments.as_array().expect("a list") {
            let name = environment["name"].as_str().expect("a name");
            for format in ["html", "markdown", "json", "csv"] {
                let mut command = place.wrapped(before);
                command.args(["report", "-e", name, "--format", format]);
                let ran = start(command).end();
                assert_eq!(ran.code, 0, "{}: {name}: {}", path.display(), ran.err);
                assert!(!ran.out.is_empty());
                seen += 1;
            }
        }
    }
    assert!(seen >= 8, "{seen} reports");
}

#[test]
fn only_an_earlier_report_is_replaced() {
    let place = place(WORKBENCH);
    place.refuses(&["report", "-e", "prod", "-o", "dsenv.yaml"], 1, "E0906");
    place.refuses(&["report", "-e", "prod", "-o", "no/such/folder.html"], 1, "E0906");
    place.refuses(&["report"], 64, "E0506");
    place.refuses(&["report", "-e", "prdo"], 1, "E0505");
    for format in ["html", "markdown", "json", "csv"] {
        for _ in 0..2 {
            let ran = place.ok(&["report", "-e", "prod", "--format", format, "-o", "out"]);
            assert_eq!(ran.out, "");
            ran.says(&["The report is in `out`."]);
        }
        let printed = place.ok(&["report", "-e", "prod", "--format", format]).out;
        assert_eq!(place.read("out"), printed, "a file and stdout have the same");
    }
}
