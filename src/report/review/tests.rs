use super::{
    Changed, Report, Sources, build, cost_diff_schema, cost_schema, csv, html, json, markdown,
    schema,
};
use crate::diag::Source;
use crate::diff::Action;
use crate::drive::{Figures, Options, Request, Site};
use crate::estimate::read::{self, Around};
use crate::estimate::{Line, Total};
use crate::registry::Registry;
use crate::report::cost;
use crate::world::sim::{SimDisk, SimWorld};
use dsenv_sdk::prices::{Book, Currency};
use expect_test::{Expect, expect, expect_file};
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const WORKBENCH: &str = include_str!("../../../blueprints/workbench.yaml");

/// A bit of everything that a report has a section for, and text of users that is markup elsewhere.
const LAB: &str = r#"blueprint: lab
owner: "<script>alert(1)</script>"
inputs:
  workers: {type: integer, default: 1, min: 0, max: 8}
resources:
  net: {kind: network, cidr: 10.20.0.0/16, nat: per_zone}
  lake: {kind: bucket, usage: {stored: 2TiB, reads: 5000000}}
  features: {kind: database, engine: postgres, version: "18", size: small, storage: 20GiB, multi_zone: true}
  notebook: {kind: machine, tier: research, type: m5.xlarge, tags: {team: vision}, usage: {hours: 160}}
  trainers: {kind: pool, tier: job, count: "${inputs.workers}", gpu: "24GiB+", tags: {team: vision}}
  sweeps:
    kind: pool
    tier: job
    count: {min: 0, max: 6, start: 2}
    cpus: 4+
    memory: 16GiB+
    purchase: {spot: preferred, on_demand_base: 1}
vary: {inputs.workers: {min: 0, max: 8}}
environments:
  dev: {provider: local, ephemeral: true}
  stage: {provider: aws, account: "123456789012", region: us-east-1, ephemeral: true}
  prod: {provider: aws, account: "123456789012", region: us-east-1, set: {inputs.workers: 3}}
  later: {provider: nowhere}
policies:
  - name: named
    rule: 'resources.all(r, r.name != "x")'
    message: "<img src=x onerror=alert(2)> | @everyone **bold**"
"#;

const SMALL: &str = r#"blueprint: small
resources:
  lake: {kind: bucket, tier: data, usage: {stored: 100GiB}}
environments:
  prod: {provider: aws, account: "123456789012", region: us-east-1}
"#;

fn site(blueprint: &str) -> Site {
    let disk = SimDisk::new();
    disk.put(Path::new("dsenv.yaml"), blueprint.as_bytes());
    Site {
        world: Arc::new(SimWorld::new(1, disk)),
        file: PathBuf::from("dsenv.yaml"),
        here: PathBuf::from("/"),
        cache: PathBuf::from("/cache"),
        variables: BTreeMap::new(),
        registry: Registry::built_in(),
    }
}

/// The report on a day that does not change.
fn report(blueprint: &str, environment: &str) -> Report {
    report_by(Figures::default(), blueprint, environment)
}

fn report_by(figures: Figures, blueprint: &str, environment: &str) -> Report {
    let site = site(blueprint);
    let request = Request {
        environment: Some(environment.to_owned()),
        inputs: Vec::new(),
        ..Request::default()
    };
    let (compiled, _) = site.compile(&request).expect("it compiles");
    let figures = std::sync::Arc::new(figures);
    let options = Options { figures: figures.clone(), ..Options::default() };
    build(Sources {
        tool_version: "0.1.0",
        front: &compiled.front,
        planned: &site.foresee(&compiled, &options).expect("a plan"),
        environments: site.survey(&request, &options).expect("a survey"),
        advice: site.advise(&compiled, &options).expect("advice"),
        terms: &figures.terms(),
        made: Some(jiff::civil::date(2026, 9, 1)),
    })
}

/// The report of `blueprint` where `before` was applied.
fn changed(before: &str, blueprint: &str, environment: &str) -> Report {
    let mut report = report(blueprint, environment);
    report.before = self::report(before, environment).after;
    for change in &mut report.changes {
        let was = report.before.resources.iter().find(|it| it.addr == change.addr);
        let before = was.map(crate::estimate::Costed::total);
        let (action, what) = match before {
            Some(_) => (Action::Update, "change, because `storage` differs"),
            None => (Action::Create, "create"),
        };
        *change = Changed { before, action, what: what.to_owned(), ..change.clone() };
    }
    report
}

/// From one mark to another, without these.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("`{from}` in {text}"));
    rest.split_once(to).unwrap_or_else(|| panic!("`{to}` in {rest}")).0
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is a decimal"))
}

// ---------------------------------------------------------------- goldens

/// A text without the digest of the price book, which changes with every figure of it.
fn without_digest(text: &str) -> String {
    let digest = Book::builtin().digest();
    text.replace(&digest, "DIGEST").replace(&digest[..12], "DIGEST")
}

#[test]
fn the_shipped_blueprint_as_a_comment() {
    let text = without_digest(&markdown(&report(WORKBENCH, "prod")));
    expect_file!["../../../tests/golden/report/workbench.md"].assert_eq(&text);
}

#[test]
fn the_shipped_blueprint_as_rows() {
    let text = csv(&report(WORKBENCH, "prod"));
    expect_file!["../../../tests/golden/report/workbench.csv"].assert_eq(&text);
}

#[test]
fn one_bucket_as_data() {
    let text = without_digest(&format!("{:#}\n", json(&report(SMALL, "prod"))));
    expect_file!["../../../tests/golden/report/small.json"].assert_eq(&text);
}

#[test]
fn one_bucket_as_a_page() {
    let page = html(&report(SMALL, "prod"));
    let (_, body) = page.split_once("<body>").expect("a body");
    expect_file!["../../../tests/golden/report/small.html"].assert_eq(&without_digest(body));
}

#[test]
fn budgets_are_judged_where_the_verdict_stands() {
    let with = |budget: &str| {
        let budget = format!("region: us-east-1, budget: {budget}}}");
        report(&SMALL.replace("region: us-east-1}", &budget), "prod")
    };
    check_verdict(
        &with("10 USD/month"),
        expect![[r#"
        Nothing of it runs yet, so all of it is new.
        The budget of the environment, $10.00 a month, holds."#]],
    );
    check_verdict(
        &with("4 USD/month"),
        expect![[r#"
        Nothing of it runs yet, so all of it is new.
        The budget of the environment, $4.00 a month, holds, and is nearly used."#]],
    );
    check_verdict(
        &with("3 USD/month"),
        expect![[r#"
        Nothing of it runs yet, so all of it is new.
        The budget of the environment, $3.00 a month, is exceeded, which refuses the plan.
        The plan is refused for 1 reason."#]],
    );
    let report = with("{total: 3 USD/month, tiers: {data: 9 USD/month}}");
    let page = html(&report);
    let section = between(&page, "id=\"budgets\"", "</table>");
    assert!(section.contains("is exceeded, which refuses the plan"), "{section}");
    assert!(page.contains("class=\"verdict refused\""), "{page}");
    fits(&json(&report), &schema());
    assert_eq!(json(&report)["budgets"][0]["outcome"], "exceeded");
    let unknown =
        WORKBENCH.replace("region: us-east-1,", "region: us-east-1, budget: 900 USD/month,");
    check_verdict(
        &self::report(&unknown, "prod"),
        expect![[r#"
        Nothing of it runs yet, so all of it is new.
        1 figure is without a price: every sum with it is what it comes to at least.
        The budget of the environment, $900.00 a month, cannot be told, which refuses the plan.
        The plan is refused for 1 reason."#]],
    );
}

fn check_verdict(report: &Report, expected: Expect) {
    expected.assert_eq(&super::sections::verdict(report).join("\n"));
}

#[test]
fn the_verdict_is_against_what_runs() {
    let larger = SMALL.replace("100GiB", "150GiB");
    check_verdict(&report(SMALL, "prod"), expect!["Nothing of it runs yet, so all of it is new."]);
    check_verdict(
        &changed(SMALL, &larger, "prod"),
        expect!["+$1.15 a month (+35.0 %) against what runs, which costs $3.29."],
    );
    check_verdict(
        &changed(&larger, SMALL, "prod"),
        expect!["-$1.15 a month (-25.9 %) against what runs, which costs $4.44."],
    );
    check_verdict(
        &changed(SMALL, SMALL, "prod"),
        expect!["It costs what runs costs: $3.29 a month."],
    );
    check_verdict(
        &report(WORKBENCH, "prod"),
        expect![[r#"
        Nothing of it runs yet, so all of it is new.
        1 figure is without a price: every sum with it is what it comes to at least."#]],
    );
    check_verdict(&report(WORKBENCH, "dev"), expect!["Nothing of it is charged."]);
}

#[test]
fn a_line_that_changes_says_what_it_was() {
    let larger = SMALL.replace("100GiB", "150GiB");
    let page = html(&changed(SMALL, &larger, "prod"));
    assert!(page.contains("<td>100 GB-month × $0.023</td>"), "{page}");
    let text = markdown(&changed(SMALL, &larger, "prod"));
    let row = text.lines().find(|line| line.contains("`lake`")).expect("a row");
    expect![[
        r#"| `lake` bucket | $3.29 | $4.44 | +$1.15 | \~ change, because `storage` differs |"#
    ]]
    .assert_eq(row);
}

// ---------------------------------------------------------------- agreement

/// What each format says that a month comes to: JSON, HTML, Markdown, CSV.
fn totals(report: &Report) -> [Decimal; 4] {
    let document = json(report);
    let page = html(report);
    let comment = markdown(report);
    let rows = csv(report);
    let mut reader = ::csv::Reader::from_reader(rows.as_bytes());
    let at = reader.headers().expect("a head").iter().position(|name| name == "ListCost");
    let costs = reader.records().map(|row| row.expect("a row")[at.expect("a column")].to_owned());
    // What has no price is an empty cell, and in no sum.
    let costs = costs.filter(|cost| !cost.is_empty()).map(|cost| decimal(&cost));
    [
        decimal(document["total"]["monthly"]["now"].as_str().expect("a text")),
        decimal(between(&page, "<data id=\"total\" value=\"", "\"")),
        decimal(between(&comment, "total=", " ")),
        costs.sum::<Decimal>().normalize(),
    ]
}

fn agree(report: &Report) {
    let all = totals(report);
    assert!(all.iter().all(|total| *total == all[0]), "{all:?}");
    assert_eq!(all[0], report.total().monthly.now.normalize());
    for grouping in &report.groups {
        let mut sum = Total::default();
        grouping.groups.iter().for_each(|(_, total)| sum.join(total));
        assert_eq!(sum, report.total(), "by {}", grouping.by);
    }
    let mine = report.environments.iter().find(|it| it.environment == report.environment);
    let mine = mine.expect("it is one of them").cost.as_ref().expect("it compiles");
    let mine = mine.as_ref().map(|it| it.total()).unwrap_or_default();
    assert_eq!(mine, report.total(), "the matrix and the report");
}

#[test]
fn every_shipped_environment_is_reported_alike_in_every_format() {
    for environment in ["dev", "prod"] {
        agree(&report(WORKBENCH, environment));
    }
    for environment in ["dev", "stage", "prod"] {
        agree(&report(LAB, environment));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_it_comes_to_all_formats_say_the_same(
        stored in 0u32..5_000_000, hours in 0u32..745, workers in 0u32..9,
        nat in prop::sample::select(&["none", "one", "per_zone"][..]),
        region in prop::sample::select(&["us-east-1", "eu-central-1", "ap-south-1"][..]),
    ) {
        let text = LAB
            .replace("stored: 2TiB", &format!("stored: {stored}GiB"))
            .replace("hours: 160", &format!("hours: {hours}"))
            .replace("default: 1", &format!("default: {workers}"))
            .replace("nat: per_zone", &format!("nat: {nat}"))
            .replace("region: us-east-1, ephemeral", &format!("region: {region}, ephemeral"));
        agree(&report(&text, "stage"));
    }
}

#[test]
fn the_same_plan_on_the_same_day_is_the_same_report() {
    assert_eq!(html(&report(LAB, "stage")), html(&report(LAB, "stage")));
}

// ---------------------------------------------------------------- what is not known

#[test]
fn what_has_no_price_is_never_zero() {
    let report = report(WORKBENCH, "prod");
    assert!(
        report.total().missing > 0,
        "the book has a price for all of it now: take another region"
    );
    let document = json(&report);
    let missing = &document["missing"][0];
    let resources = document["resources"].as_array().expect("a list");
    let resource = resources.iter().find(|it| it["address"] == missing["address"]);
    let components = resource.expect("it is there")["components"].as_array().expect("a list");
    let component = components.iter().find(|it| it["name"] == missing["name"]).expect("a line");
    assert_eq!((&component["unit_price"], &component["monthly"]), (&Json::Null, &Json::Null));
    let rows = csv(&report);
    let row = rows.lines().find(|row| row.contains(",server,")).expect("a row");
    assert!(row.contains(",730,hour,,,,,,USD,"), "{row}");
    let page = html(&report);
    assert!(page.contains(">no price</td>"), "{page}");
    assert!(page.contains("<small>at least</small> <data id=\"total\""), "{page}");
    assert!(markdown(&report).contains("| `features` | server | no price |"));
}

#[test]
fn a_sum_of_which_nothing_is_known_has_no_price() {
    let text = LAB.replace("region: us-east-1, ephemeral", "region: eu-central-1, ephemeral");
    let comment = markdown(&report(&text, "stage"));
    let row = comment.lines().find(|line| line.contains("`net` network")).expect("a row");
    expect!["| `net` network | – | no price | no price | + create |"].assert_eq(row);
}

#[test]
fn an_environment_that_cannot_be_compiled_is_named_with_the_reason() {
    let report = report(LAB, "stage");
    let page = html(&report);
    let section = between(&page, "id=\"environments\"", "</section>");
    assert!(section.contains("<code>later</code> cannot be compiled"), "{section}");
    let document = json(&report);
    let later = &document["environments"][3];
    assert_eq!((&later["name"], &later["total"]), (&Json::from("later"), &Json::Null));
    let why = "environment `later` is on provider `nowhere`; this build has `aws`, `azure`, `gcp` and `local`";
    assert_eq!(later["problem"], why);
}

#[test]
fn where_nothing_is_charged_there_are_no_empty_tables() {
    let page = html(&report(WORKBENCH, "dev"));
    assert!(page.contains("Nothing of it is charged."), "{page}");
    assert!(!page.contains("<tbody>\n</tbody>"), "{page}");
    assert!(!page.contains("id=\"spot\""), "{page}");
}

// ---------------------------------------------------------------- text of users

#[test]
fn what_users_write_is_text() {
    let mut report = report(LAB, "stage");
    report.groups[0].by = "tag:<b onclick=x>".to_owned();
    report.groups[0].groups[0].0 = "</td><script>alert(3)</script>".to_owned();
    report.changes[0].what = "\"><svg onload=alert(4)>`${{{x}}}`".to_owned();
    let page = html(&report);
    for markup in ["<script", "<img", "<b ", "<svg onload", "\"><svg"] {
        assert!(!page.contains(markup), "{markup} in {page}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    let comment = markdown(&report);
    for markup in ["<script", "<img", "@everyone", "**bold"] {
        assert!(!comment.contains(markup), "{markup} in {comment}");
    }
}

#[test]
fn the_template_escapes_everything_and_asks_for_nothing() {
    let template = include_str!("../../../templates/report/page.html.hbs");
    for unescaped in ["{{{", "{{&", "<script", "http:", "https:", "url(", "@import"] {
        assert!(!template.contains(unescaped), "{unescaped}");
    }
}

#[test]
fn every_table_says_what_its_columns_and_rows_are() {
    let page = html(&report(LAB, "stage"));
    for table in page.split("<table>").skip(1) {
        let table = table.split("</table>").next().unwrap_or_default();
        assert!(table.starts_with("\n<caption>"), "{table}");
        let columns = table.matches("<th scope=\"col\"").count();
        let rows = table.matches("<tr class=").count();
        assert_eq!(table.matches("<th scope=\"row\"").count(), rows, "{table}");
        assert_eq!(table.matches("<td").count(), rows * (columns - 1), "{table}");
    }
    for picture in page.split("<svg ").skip(1) {
        assert!(picture.starts_with("role=\"img\" aria-labelledby="), "{picture}");
    }
}

// ---------------------------------------------------------------- schemas

/// Says where a document differs from a schema, of the few words that ours use. A key that the schema does
/// not have is a difference too: what is printed is documented.
fn misfits(value: &Json, schema: &Json, root: &Json, at: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.trim_start_matches("#/$defs/");
        return misfits(value, &root["$defs"][name], root, at, found);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = |schema: &Json| {
            let mut found = Vec::new();
            misfits(value, schema, root, at, &mut found);
            found.is_empty()
        };
        if !any.iter().any(fits) {
            found.push(format!("{at}: {value}"));
        }
        return;
    }
    if let Some(words) = schema["enum"].as_array() {
        if !words.contains(value) {
            found.push(format!("{at}: {value}"));
        }
        return;
    }
    if !schema["const"].is_null() {
        if schema["const"] != *value {
            found.push(format!("{at}: {value}"));
        }
        return;
    }
    let fits = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("null") => value.is_null(),
        other => panic!("{at}: a type {other:?}"),
    };
    if !fits {
        found.push(format!("{at}: {value}"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        misfits(item, &schema["items"], root, &format!("{at}[{index}]"), found);
    }
    for (key, item) in value.as_object().into_iter().flatten() {
        let each = match &schema["additionalProperties"] {
            Json::Null => &schema["properties"][key],
            each => each,
        };
        match each {
            Json::Null => found.push(format!("{at}.{key} is not documented")),
            each => misfits(item, each, root, &format!("{at}.{key}"), found),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().expect("a name")).is_none() {
            found.push(format!("{at} lacks {name}"));
        }
    }
}

fn fits(document: &Json, schema: &Json) {
    let mut found = Vec::new();
    misfits(document, schema, schema, "", &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_is_printed_is_what_its_schema_says() {
    for (blueprint, environment) in
        [(LAB, "stage"), (LAB, "dev"), (WORKBENCH, "prod"), (SMALL, "prod")]
    {
        let report = report(blueprint, environment);
        fits(&json(&report), &schema());
        fits(&cost::json::json(&report.after), &cost_schema());
    }
}

#[test]
fn what_does_not_fit_a_schema_is_found() {
    let mut document = json(&report(SMALL, "prod"));
    document["total"]["monthly"]["now"] = Json::from(1.5);
    document["more"] = Json::Null;
    let (mut found, schema) = (Vec::new(), schema());
    misfits(&document, &schema, &schema, "", &mut found);
    assert_eq!(found.len(), 2, "{found:?}");
}

/// What somebody pays: a discount, and another currency.
fn own_prices() -> Figures {
    let file = "currency: EUR
exchange: {from: USD, rate: 0.9, on: 2026-08-30, source: ECB}
rates:
  - {provider: aws, percent: 10, source: contract 7, as_of: 2026-01-01}
";
    let around = Around { listed: Currency::USD, providers: &["aws", "local"], own: &["local"] };
    let (rates, findings) = read::rates(&Source::new("dsenv.rates.yaml", file), around);
    assert!(findings.is_empty(), "{findings:?}");
    Figures { rates, ..Figures::default() }
}

#[test]
fn own_prices_are_in_every_form_and_beside_the_list() {
    let report = report_by(own_prices(), LAB, "stage");
    let lines = || super::build::lines(&report.after).map(|(_, line)| line);
    let listed: Decimal = lines().filter_map(Line::list_cost).sum();
    let paid = report.total().monthly.now;
    assert_eq!((listed * Decimal::new(9, 1) - paid).round_dp(6), Decimal::ZERO);
    let plain = self::report(LAB, "stage").total().monthly.now;
    assert_eq!((plain * Decimal::new(9, 1) - listed).round_dp(6), Decimal::ZERO, "in euros");
    assert_eq!(json(&report)["total"]["monthly"]["now"], paid.normalize().to_string());
    let mut rows = ::csv::Reader::from_reader(csv(&report).into_bytes().leak() as &[u8]);
    let column = |name: &str| super::CSV_HEAD.iter().position(|it| *it == name).expect("a column");
    let (list, contracted) = (column("ListCost"), column("ContractedCost"));
    let (mut lists, mut costs) = (Decimal::ZERO, Decimal::ZERO);
    for row in rows.records() {
        let row = row.expect("a row");
        lists += row[list].parse::<Decimal>().unwrap_or_default();
        costs += row[contracted].parse::<Decimal>().unwrap_or_default();
    }
    assert_eq!(((lists - listed).round_dp(6), (costs - paid).round_dp(6)), Default::default());
    let shown = html(&report);
    assert!(shown.contains("contract 7 of 2026-01-01"), "the page names who says so");
    let survey = report.environments.iter().find(|it| it.environment == "stage");
    let survey = survey.and_then(|it| it.cost.clone().ok().flatten()).expect("it is priced");
    assert_eq!(survey.total().monthly.now, paid, "the comparison has the same figures");
}

#[test]
fn a_difference_is_what_its_schema_says_and_adds_up() {
    use crate::estimate::difference::Side;
    let (small, lab) = (report(SMALL, "prod"), report(LAB, "stage"));
    let (before, after) = (Side::of(&small.after), Side::of(&lab.after));
    let document = cost::diff::json(&before, &after);
    fits(&document, &cost_diff_schema());
    let printed = cost::json::json(&lab.after).to_string();
    let read = Side::read(printed.as_bytes()).expect("what we print is what we read");
    assert_eq!(cost::diff::json(&before, &read)["differences"], document["differences"]);
    let same = cost::diff::json(&read, &after);
    assert_eq!((&same["differences"], &same["monthly"]), (&Json::Array(Vec::new()), &"0".into()));
}
