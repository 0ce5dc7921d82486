//! Rules over plans, waivers by the clock, and each rule of each pack: broken once, and once not.

use crate::lab::Lab;
use dsenv::diag::{Code, Diagnostic, Findings, Severity};
use dsenv::drive::{Options, Problem, Request, Site};
use dsenv::registry::Registry;
use dsenv::world::sim::{SimDisk, SimWorld};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const AWS: &str = "{provider: aws, account: \"123456789012\", region: us-east-1}";
const CHARGED: &str =
    "{provider: aws, account: \"123456789012\", region: us-east-1, budget: 9000 USD/month}";

/// Compiles and plans offline on the providers of this build; everything that is said.
fn said(policies: &str, resources: &str, environment: &str) -> Vec<Diagnostic> {
    let text = format!(
        "blueprint: t\npolicies: [{policies}]\nenvironments: {{prod: {environment}}}\nresources:\n{resources}"
    );
    let disk = SimDisk::new();
    disk.put(Path::new("dsenv.yaml"), text.as_bytes());
    let site = Site {
        world: Arc::new(SimWorld::new(1, disk)),
        file: PathBuf::from("dsenv.yaml"),
        here: PathBuf::from("/"),
        cache: PathBuf::from("/cache"),
        variables: BTreeMap::new(),
        registry: Registry::built_in(),
    };
    let findings = match site.compile(&Request::default()) {
        Err(Problem::Refused(findings)) => findings,
        Err(other) => panic!("{other:?}"),
        Ok((compiled, _)) => {
            let planned = site.foresee(&compiled, &Options::default());
            planned.unwrap_or_else(|problem| panic!("{problem:?}")).verdicts
        }
    };
    let unread = [Code::E0401, Code::E0201, Code::E0202, Code::E0206, Code::E0207, Code::E0524];
    assert!(!findings.iter().any(|found| unread.contains(&found.code)), "{findings:#?}");
    findings.into_iter().collect()
}

/// The rules that are broken.
fn broken(policies: &str, resources: &str, environment: &str) -> BTreeSet<String> {
    let said = said(policies, resources, environment);
    let broken = said.iter().filter(|found| found.code == Code::E0603);
    let named = broken.map(|found| {
        assert!(!found.message.contains("cannot be judged"), "{}", found.message);
        found.message.split('`').nth(1).expect("a name").to_owned()
    });
    named.collect()
}

const KEY: &str = "  ada: {kind: key, owner: ada, public_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti ada@laptop}\n";

/// A rule, the pack as it is asked for, what breaks it and what does not: resources, environment.
type Case = (&'static str, &'static str, [(&'static str, &'static str); 2]);

const CASES: &[Case] = &[
    (
        "encryption.at_rest",
        "{pack: encryption}",
        [
            ("  a: {kind: bucket, encrypted: false}\n", AWS),
            ("  a: {kind: bucket}\n  b: {kind: value}\n", AWS),
        ],
    ),
    (
        "exposure.web_names_from",
        "{pack: exposure}",
        [
            ("  m: {kind: machine, access: [{who: all, how: web}]}\n", AWS),
            ("  m: {kind: machine, access: [{who: all, how: web, from: 0.0.0.0/0}]}\n", AWS),
        ],
    ),
    (
        "exposure.no_ssh_from_everywhere",
        "{pack: exposure}",
        [
            ("  m: {kind: machine, access: [{who: ada, how: ssh, from: 128.0.0.0/1}]}\n", AWS),
            ("  m: {kind: machine, access: [{who: ada, how: ssh, from: 198.51.100.0/24}]}\n", AWS),
        ],
    ),
    (
        "exposure.no_sql_from_everywhere",
        "{pack: exposure}",
        [
            (
                "  d: {kind: database, engine: postgres, version: \"17\", access: [{who: ada, how: sql, from: 0.0.0.0/0}]}\n",
                AWS,
            ),
            (
                "  d: {kind: database, engine: postgres, version: \"17\", access: [{who: ada, how: sql, from: 10.0.0.0/8}]}\n",
                AWS,
            ),
        ],
    ),
    (
        "tags.required",
        "{pack: tags, with: {required: [team]}}",
        [
            ("  a: {kind: bucket, tags: {other: x}}\n", AWS),
            ("  a: {kind: bucket, tags: {team: vision}}\n  v: {kind: value}\n", AWS),
        ],
    ),
    (
        "lifetime.owner",
        "{pack: lifetime}",
        [("  a: {kind: bucket}\n", AWS), ("  a: {kind: bucket, owner: ada}\n", AWS)],
    ),
    (
        "lifetime.ttl",
        "{pack: lifetime, with: {permanent: [live]}}",
        [
            ("  a: {kind: bucket, owner: ada}\n", AWS),
            ("  a: {kind: bucket, owner: ada}\n", "{provider: local, ttl: 8h}"),
        ],
    ),
    (
        "regions.allowed",
        "{pack: regions, with: {allowed: [us-east-1]}}",
        [
            (
                "  a: {kind: bucket}\n",
                "{provider: aws, account: \"123456789012\", region: eu-west-1}",
            ),
            ("  a: {kind: bucket}\n", AWS),
        ],
    ),
    (
        "budget.set",
        "{pack: budget}",
        [("  a: {kind: bucket}\n", AWS), ("  a: {kind: bucket}\n", CHARGED)],
    ),
    (
        "tiers.t1_not_all_spot",
        "{pack: tiers}",
        [
            (
                "  p: {kind: pool, tier: application, owner: ada, count: 3, cpus: 2+, memory: 4GiB+, purchase: {spot: preferred}}\n",
                CHARGED,
            ),
            (
                "  p: {kind: pool, tier: application, owner: ada, count: 3, cpus: 2+, memory: 4GiB+, purchase: {spot: preferred, on_demand_base: 1}}\n",
                CHARGED,
            ),
        ],
    ),
    (
        "tiers.t1_not_all_spot",
        "{pack: tiers}",
        [
            (
                "  p: {kind: machine, tier: system, owner: ada, cpus: 2+, memory: 4GiB+, purchase: spot}\n",
                CHARGED,
            ),
            (
                "  p: {kind: machine, tier: system, owner: ada, cpus: 2+, memory: 4GiB+, purchase: on_demand}\n",
                CHARGED,
            ),
        ],
    ),
    (
        "tiers.t2_jobs_are_stateless",
        "{pack: tiers}",
        [
            (
                "  v: {kind: volume, size: 10GiB}\n  j: {kind: machine, tier: job, owner: ada, uses: {v: read_write}}\n",
                CHARGED,
            ),
            (
                "  v: {kind: volume, size: 10GiB, on_destroy: delete}\n  j: {kind: machine, tier: job, owner: ada, uses: {v: read_write}}\n",
                CHARGED,
            ),
        ],
    ),
    (
        "tiers.t3_one_tier_a_machine",
        "{pack: tiers}",
        [
            ("  m: {kind: machine}\n", CHARGED),
            ("  m: {kind: machine, tier: research, owner: ada}\n  b: {kind: bucket}\n", CHARGED),
        ],
    ),
    (
        "tiers.t4_public_only_in_system",
        "{pack: tiers}",
        [
            (
                "  m: {kind: machine, tier: application, owner: ada, access: [{who: all, how: web, from: 0.0.0.0/0}]}\n",
                CHARGED,
            ),
            (
                "  m: {kind: machine, tier: system, owner: ada, access: [{who: all, how: web, from: 0.0.0.0/0}]}\n  n: {kind: machine, tier: application, owner: ada, access: [{who: all, how: web, from: 10.0.0.0/8}]}\n",
                CHARGED,
            ),
        ],
    ),
    (
        "tiers.t5_odd_quorum",
        "{pack: tiers}",
        [
            ("  p: {kind: pool, tier: directory, owner: ada, count: {min: 1, max: 3}}\n", CHARGED),
            ("  p: {kind: pool, tier: directory, owner: ada, count: 3}\n", CHARGED),
        ],
    ),
    (
        "tiers.t6_research_reads_production",
        "{pack: tiers}",
        [
            (
                "  b: {kind: bucket}\n  m: {kind: machine, tier: research, owner: ada, uses: {b: read_write}}\n",
                CHARGED,
            ),
            (
                "  b: {kind: bucket}\n  own: {kind: bucket, tier: research, owner: ada}\n  m: {kind: machine, tier: research, owner: ada, uses: {b: read, own: read_write}}\n",
                CHARGED,
            ),
        ],
    ),
    (
        "tiers.t7_owner",
        "{pack: tiers}",
        [
            ("  b: {kind: bucket, tier: data}\n", CHARGED),
            ("  b: {kind: bucket, tier: data, owner: ada}\n  c: {kind: bucket}\n", CHARGED),
        ],
    ),
    (
        "tiers.t7_budget",
        "{pack: tiers}",
        [
            (
                "  b: {kind: bucket, tier: data, owner: ada}\n",
                "{provider: aws, account: \"123456789012\", region: us-east-1, budget: {tiers: {job: 10 USD/month}}}",
            ),
            (
                "  b: {kind: bucket, tier: data, owner: ada}\n",
                "{provider: aws, account: \"123456789012\", region: us-east-1, budget: {tiers: {data: 10 USD/month}}}",
            ),
        ],
    ),
    (
        "tiers.t8_jobs_have_a_scheduler",
        "{pack: tiers}",
        [
            (
                "  h: {kind: machine, tier: application, owner: ada}\n  p: {kind: pool, tier: job, owner: ada, count: 1, depends_on: [h]}\n",
                CHARGED,
            ),
            (
                "  h: {kind: machine, tier: directory, owner: ada}\n  p: {kind: pool, tier: job, owner: ada, count: 1, environment: {HEAD: \"${h.address}\"}}\n",
                CHARGED,
            ),
        ],
    ),
];

#[test]
fn each_rule_of_a_pack_is_broken_by_what_it_forbids_and_by_nothing_else() {
    for (rule, policies, [(wrong, at), (right, there)]) in CASES {
        let with_key = |resources: &str| format!("{KEY}{resources}");
        let found = broken(policies, &with_key(wrong), at);
        assert!(found.contains(*rule), "{rule} is not broken by\n{wrong}: {found:?}");
        let found = broken(policies, &with_key(right), there);
        assert_eq!(found, BTreeSet::new(), "{rule}\n{right}");
    }
}

#[test]
fn every_rule_of_every_pack_has_a_case() {
    let tried: BTreeSet<&str> = CASES.iter().map(|(rule, _, _)| *rule).collect();
    for (pack, text) in dsenv::blueprint::PACKS {
        for line in text.lines() {
            let Some(name) = line.strip_prefix("  - name: ") else { continue };
            let rule = format!("{pack}.{name}");
            // What has no price is found below: no such thing is in the book of this build for sure.
            assert!(tried.contains(&*rule) || rule == "budget.priced", "{rule}");
        }
    }
}

#[test]
fn a_pack_can_be_advice_and_is_asked_for_what_it_needs() {
    let said = said(
        "{pack: encryption, enforce: advisory}",
        "  a: {kind: bucket, encrypted: false}\n",
        AWS,
    );
    let advice: Vec<_> = said.iter().filter(|found| found.code == Code::E0603).collect();
    let [advice] = advice.as_slice() else { panic!("{said:#?}") };
    assert_eq!(advice.severity, Severity::Warning, "it stands among the verdicts of the plan");
    assert_eq!(advice.address.as_deref(), Some("a"));
}

#[test]
fn a_rule_over_a_plan_sees_what_it_does_and_costs() {
    let rules = [
        r#"{name: p0, on: plan, rule: 'changes.all(c, c.action != "create")'}"#,
        r#"{name: p1, on: plan, rule: 'changes.all(c, c.kind == "bucket" && c.before == null && c.after != null)'}"#,
        r#"{name: p2, on: plan, rule: 'at_most(cost.ceiling, "0.01 USD")'}"#,
        r#"{name: p3, on: plan, rule: 'at_most(cost.floor, "500 USD/month") && cost.missing == 0'}"#,
        r#"{name: p4, on: plan, rule: 'at_most(cost.ceiling, environment.budget.total)'}"#,
        r#"{name: p5, on: plan, rule: 'cost.ceiling <= 5'}"#,
        r#"{name: p6, rule: 'cost == null'}"#,
        r#"{name: p7, on: plan, rule: 'resources.all(r, r.name == "lake") && environment.name == "prod"'}"#,
    ];
    let lake = "  lake: {kind: bucket, usage: {stored: 100GiB}}\n";
    let said = |rules: &[&str]| -> Vec<String> {
        let said = said(&rules.join(", "), lake, CHARGED);
        let broken = said.into_iter().filter(|found| found.code == Code::E0603);
        broken.map(|found| found.message).collect()
    };
    assert_eq!(
        said(&[&rules[..6], &rules[7..]].concat()),
        [
            "policy `p0`: the rule does not hold (broken by `lake`)",
            "policy `p2`: the rule does not hold",
            "policy `p5`: the rule cannot be judged: `<=` does not take (map, int)",
        ]
    );
    // Before there is a plan there is nothing of it to be seen.
    let [only] = &*said(&rules[6..7]) else { panic!("one rule is broken") };
    assert!(only.contains("a rule sees `environment`, `resources`"), "{only}");
}

/// What is missing makes a sum a lower bound: above the limit it is, below it nobody can tell.
#[test]
fn an_amount_without_a_price_is_below_no_limit() {
    let unpriced = "  n: {kind: network, cidr: 10.1.0.0/16}\n  d: {kind: database, engine: mysql, version: \"8.0\"}\n";
    let rule =
        |limit: &str| format!("{{name: p, on: plan, rule: 'at_most(cost.ceiling, \"{limit}\")'}}");
    let said = said(&rule("9000 USD"), unpriced, AWS);
    let told = said.iter().find(|found| found.code == Code::E0603);
    let message = &told.unwrap_or_else(|| panic!("it cannot be told: {said:#?}")).message;
    assert!(message.contains("a price is missing"), "{message}");
}

#[test]
fn a_plan_is_refused_by_its_rules_and_a_destroy_is_not() {
    let mut lab = Lab::new();
    let text = |rule: &str| {
        format!(
            "blueprint: demo\nenvironments: {{prod: {{provider: fake}}}}\nresources:\n  \
                 a: {{kind: value, input: 1}}\npolicies: [{{name: p, on: plan, rule: '{rule}'}}]\n"
        )
    };
    let codes = |findings: &Findings| findings.iter().map(|found| found.code).collect::<Vec<_>>();
    let never = text("size(changes) == 0");
    assert_eq!(codes(&lab.plan(&never).verdicts), [Code::E0603]);
    assert_eq!(lab.refused(&never), [Code::E0603]);
    lab.apply(&text("size(changes) == 1"));
    lab.write(&text("changes.all(c, c.action != \"delete\")"));
    assert!(crate::lab::outcome(lab.destroy()).is_complete());
}

/// The line that is to change comes first, and the rule beside it.
#[test]
fn a_verdict_points_at_what_is_to_change() {
    let rule = r#"{name: p, on: plan, field: versioning, rule: 'changes.all(c, c.kind != "bucket" || c.after.versioning)'}"#;
    let said = said(rule, "  lake: {kind: bucket, versioning: false}\n", AWS);
    let found = said.iter().find(|found| found.code == Code::E0603);
    let found = found.unwrap_or_else(|| panic!("{said:#?}"));
    assert_eq!(found.address.as_deref(), Some("lake"));
    assert_eq!(found.labels.len(), 1, "{found:#?}");
    assert!(found.span.expect("a place").start > found.labels[0].0.start);
}
