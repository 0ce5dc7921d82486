//! Our prices held to published ones: what Infracost's tests show for written-out specifications.
//!
//! Each row of `published_monthly.csv` is one line of a bill. From its specification a blueprint is written;
//! prices come from the price book and quantities from lowering, never from the row. What we come to is the
//! row's figure to the cent, or as near as the row's price was rounded, or there is a reason in words. A row
//! that is none of these fails the test.
//!
//! ## Why
//! A reason that can be computed is: a discount is taken from our price and must give the row's, what costs
//! as much in the row's place must come to the same, a refusal must be the one that is named. So a wrong price
//! cannot hide behind one. Reasons that are words alone are counted, so that no row becomes one unnoticed.

mod aws;
mod azure;
mod gcp;
mod row;

use dsenv::drive::{Elsewhere, Request, Site};
use dsenv::estimate::{Line, Terms};
use dsenv::registry::Registry;
use dsenv::world::sim::{SimDisk, SimWorld};
use dsenv_sdk::prices::Book;
use expect_test::{Expect, expect};
use row::Row;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FILE: &str = "/project/dsenv.yaml";

/// What a row is held to.
enum Question {
    /// Resources with a line of this name that is the row's.
    Line(String, String),
    /// The same, of which the row is a share, for a reason.
    Share(String, String, Decimal, &'static str),
    /// The same, bought as spot, which costs something else every month.
    Spot(String, String),
    /// The same, for which the price book has no figure.
    Unpriced(String, String),
    /// Resources with a line of this name that are not the row's and cost as much, for a reason.
    Alike(String, String, &'static str),
    /// Resources with a line of this name that is part of what the row has, or has all of it.
    Bound(String, String, Bound, &'static str),
    /// Resources that are refused with this text: the row is of what is not sold.
    Refused(String, &'static str, &'static str),
    /// What the language has no words for.
    Unsaid(&'static str),
    /// It is of a kind that is refused.
    Foreign(&'static str, &'static str),
}

/// Which of two amounts is the larger one.
#[derive(Clone, Copy)]
enum Bound {
    /// Ours is at most the row's.
    AtMost,
    /// Ours is at least the row's.
    AtLeast,
}

impl Question {
    fn line(resources: String, name: &str) -> Question {
        Question::Line(resources, name.to_owned())
    }
}

/// What came of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Matched,
    Rounded,
    Explained(&'static str),
    /// What is said of it is held to nothing.
    Unchecked(&'static str),
    Foreign(&'static str),
    /// What is wrong there, beside what we come to.
    Suspect(String),
    Wrong(String),
}

impl Verdict {
    fn heading(&self) -> &'static str {
        match self {
            Verdict::Matched => "matched to the cent",
            Verdict::Rounded => "rounded at its source",
            Verdict::Explained(_) => "explained, and the reason holds",
            Verdict::Unchecked(_) => "explained in words alone",
            Verdict::Foreign(_) => "not our kind",
            Verdict::Suspect(_) => "SUSPECT, reported only",
            Verdict::Wrong(_) => "WRONG",
        }
    }
}

const OTHER_ENGINE: &str = "no such engine is in the language: postgres and mysql are";
const RESERVED: &str = "a reserved purchase is not in the language";
const OTHER_DAY: &str =
    "what spot costs changes every month, and the price book and the row are of different ones";
const NO_FIGURE: &str = "the price book has no figure for this in this region";

/// Where the whole catalogue is, when it is on this machine.
fn table() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/catalog");
    Some(folder.join("published_monthly.csv")).filter(|file| file.is_file())
}

fn site() -> Site {
    Site {
        world: Arc::new(SimWorld::new(1, SimDisk::new())),
        file: PathBuf::from(FILE),
        here: PathBuf::from("/"),
        cache: PathBuf::from("/cache"),
        variables: BTreeMap::new(),
        registry: Registry::built_in(),
    }
}

fn question(row: &Row) -> Question {
    match row.provider.as_str() {
        "aws" => aws::question(row),
        "azure" => azure::question(row),
        "gcp" => gcp::question(row),
        other => panic!("row {}: no provider is called {other}", row.number),
    }
}

/// The lines of a bill, or why there is none.
type Priced = Result<Vec<Line>, String>;

fn price(site: &Site, (provider, region): (&str, &str), resources: &str) -> Priced {
    let text = format!(
        "blueprint: published\nresources:\n{resources}environments:\n  one: {{provider: {provider}, region: {region}}}\n"
    );
    let disk = SimDisk::new();
    disk.put(Path::new(FILE), text.as_bytes());
    let site = Site { world: Arc::new(SimWorld::new(1, disk)), ..site.clone() };
    let book = Book::builtin();
    let place = Elsewhere { provider: provider.to_owned(), region: Some(region.to_owned()) };
    match site.compare(&Request::default(), &place, &Terms::of(&book)) {
        Ok(compared) => {
            Ok(compared.estimate.resources.into_iter().flat_map(|it| it.lines).collect())
        }
        Err(findings) => Err(format!("{findings:?}\n{text}")),
    }
}

/// What the lines of this name come to; `Ok(None)` where one has no price.
fn sum(lines: &[Line], name: &str) -> Result<Option<Decimal>, String> {
    let found: Vec<&Line> = lines.iter().filter(|line| line.name.starts_with(name)).collect();
    if found.is_empty() {
        let all: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
        return Err(format!("no line is called {name}: {all:?}"));
    }
    let mut sum = Some(Decimal::ZERO);
    for line in found {
        sum = sum.zip(line.monthly.now).map(|(sum, amount)| sum + amount);
    }
    Ok(sum)
}

/// Holds what we come to to what the row says; a cent is what is shown of it.
fn compare(row: &Row, ours: Decimal) -> Verdict {
    let half_a_cent = Decimal::new(5, 3);
    let apart = (ours - row.monthly).abs();
    if apart <= half_a_cent {
        Verdict::Matched
    } else if apart <= half_a_cent + row.tolerance * row.quantity {
        Verdict::Rounded
    } else {
        Verdict::Wrong(format!("{} says {}, and we come to {ours}", row.shown(), row.monthly))
    }
}

/// The same where the price is of another day: each is at most twice the other.
fn compare_spot(row: &Row, ours: Decimal) -> Verdict {
    let two = Decimal::TWO;
    match compare(row, ours) {
        Verdict::Wrong(_) if ours <= row.monthly * two && row.monthly <= ours * two => {
            Verdict::Explained(OTHER_DAY)
        }
        other => other,
    }
}

fn judge(site: &Site, row: &Row) -> Verdict {
    let wrong = |message: String| Verdict::Wrong(format!("{}: {message}", row.shown()));
    let priced = |resources: &str, name: &str| {
        let lines = price(site, (&row.provider, &row.region), resources);
        lines.and_then(|lines| sum(&lines, name))
    };
    let amount = |resources: &str, name: &str| {
        priced(resources, name)?.ok_or_else(|| "there is no price".to_owned())
    };
    let refused = |resources: &str, text: &str, verdict: Verdict| match price(
        site,
        (&row.provider, &row.region),
        resources,
    ) {
        Err(refusal) if refusal.contains(text) => verdict,
        Err(refusal) => wrong(refusal),
        Ok(_) => wrong("it is not refused any more".to_owned()),
    };
    let explained = |verdict: Verdict, reason| match verdict {
        Verdict::Matched | Verdict::Rounded => Verdict::Explained(reason),
        other => other,
    };
    let judged = match question(row) {
        // What is known to be wrong, and cannot be held to what it should be.
        Question::Unsaid(reason) if row.is_suspect => {
            Ok(Verdict::Suspect(format!("{} says {}: {reason}", row.shown(), row.monthly)))
        }
        Question::Unsaid(reason) => Ok(Verdict::Unchecked(reason)),
        Question::Foreign(kind, reason) => {
            let resources = format!("  it: {{kind: {kind}}}\n");
            Ok(refused(&resources, &format!("kind `{kind}`"), Verdict::Foreign(reason)))
        }
        Question::Refused(resources, text, reason) => {
            Ok(refused(&resources, text, Verdict::Explained(reason)))
        }
        Question::Unpriced(resources, name) => priced(&resources, &name).map(|ours| match ours {
            None => Verdict::Explained(NO_FIGURE),
            Some(_) => wrong("it has a price now: take it off the list".to_owned()),
        }),
        Question::Line(resources, name) => amount(&resources, &name).map(|ours| compare(row, ours)),
        Question::Spot(resources, name) => {
            amount(&resources, &name).map(|ours| compare_spot(row, ours))
        }
        Question::Share(resources, name, share, reason) => {
            amount(&resources, &name).map(|ours| explained(compare(row, ours * share), reason))
        }
        Question::Alike(resources, name, reason) => {
            amount(&resources, &name).map(|ours| explained(compare(row, ours), reason))
        }
        Question::Bound(resources, name, bound, reason) => {
            priced(&resources, &name).map(|ours| compare_bound(row, ours, bound, reason))
        }
    };
    judged.unwrap_or_else(wrong)
}

/// Holds a part of the row to the row, or the row to what has it as a part; to nothing where no price is known.
fn compare_bound(row: &Row, ours: Option<Decimal>, bound: Bound, reason: &'static str) -> Verdict {
    let Some(ours) = ours else { return Verdict::Unchecked(reason) };
    let cent = Decimal::new(1, 2);
    let (less, more, words) = match bound {
        Bound::AtMost => (ours, row.monthly, "which is part of it, costs more"),
        Bound::AtLeast => (row.monthly, ours, "which has it as a part, costs less"),
    };
    if less <= more + cent {
        return Verdict::Explained(reason);
    }
    Verdict::Wrong(format!(
        "{} says {}, and what we come to, {ours}, {words}",
        row.shown(),
        row.monthly
    ))
}

#[test]
#[allow(clippy::print_stderr)]
fn published_amounts_are_ours_or_there_is_a_reason() {
    let Some(table) = table() else {
        eprintln!("SKIPPED: the published amounts are not on this machine");
        return;
    };
    let text = std::fs::read_to_string(&table).expect("the published amounts are text");
    let rows = row::read(&text);
    let site = site();
    let mut counts: BTreeMap<(String, String, &str), usize> = BTreeMap::new();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut words: BTreeMap<&str, usize> = BTreeMap::new();
    let mut suspects = Vec::new();
    let mut wrong = BTreeSet::new();
    for row in &rows {
        let verdict = judge(&site, row);
        let key = (row.provider.clone(), row.kind.clone(), verdict.heading());
        *counts.entry(key).or_default() += 1;
        match verdict {
            Verdict::Explained(reason) | Verdict::Foreign(reason) => {
                *reasons.entry(reason).or_default() += 1;
            }
            Verdict::Unchecked(reason) => *words.entry(reason).or_default() += 1,
            Verdict::Wrong(message) => {
                wrong.insert(message);
            }
            Verdict::Suspect(message) => suspects.push(message),
            Verdict::Matched | Verdict::Rounded => {}
        }
    }
    eprintln!("{} rows:", rows.len());
    for ((provider, kind, heading), count) in &counts {
        eprintln!("{count:5} {provider} {kind}: {heading}");
    }
    for (reason, count) in &reasons {
        eprintln!("{count:5} because {reason}");
    }
    for suspect in &suspects {
        eprintln!("SUSPECT {suspect}");
    }
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "{} rows differ:\n{}", wrong.len(), wrong.join("\n"));
    // What is held to nothing is counted, so that it does not grow.
    let words = words.iter().map(|(reason, count)| format!("{count} {reason}\n"));
    expect![[r#"
        4 S3 Select, which takes no new customers, is not in the language
        23 a bucket stands in the region of its environment and is of the standard class: places over several regions and other classes are not in the language
        1 a database has a private address alone, which costs nothing
        1 a replica to read from is not in the language
        4 a reserved purchase is not in the language
        10 a share is charged by the class that we make, which is none of these
        32 access tiers, replication and older kinds of accounts are not in the language
        1 addresses are made one by one, no prefixes
        2 local disks of a machine are not in the language
        1 machines are launched as their types are; older ones are not made EBS-optimized
        2 machines are launched without detailed monitoring
        10 machines with Windows are not in the language: without its licence they cost no more
        2 no address is kept that nothing uses
        1 processor credits of a database have no figure in the price book
        13 storage classes of buckets, and moves between them, are not in the language
        3 the specification does not say what the disk is
        4 what the disk of a database is, and its speed, are not in the language
        4 SUSPECT
    "#]].assert_eq(&format!("{}{} SUSPECT\n", words.collect::<String>(), suspects.len()));
}

/// Lines of a month with what they come to, without those of use that nobody says.
fn check(place: (&str, &str), resources: &str, expected: Expect) {
    let lines = price(&site(), place, resources).unwrap_or_else(|refusal| panic!("{refusal}"));
    let shown = |line: &Line| {
        let quantity = line.quantity.now.normalize();
        let monthly = line.monthly.now.map(|amount| format!("{:.2}", amount.round_dp(2)));
        let monthly = monthly.unwrap_or_else(|| "no price".to_owned());
        format!("{} {}: {quantity} {}: {monthly}\n", line.addr, line.name, line.unit)
    };
    let lines =
        lines.iter().filter(|line| !line.quantity.now.is_zero() && !line.name.starts_with("data"));
    expected.assert_eq(&lines.map(shown).collect::<String>());
}

#[test]
fn what_is_named_is_what_is_charged_on_aws() {
    let resources = "  net: {kind: network, cidr: 10.1.0.0/16, nat: none}
  m: {kind: machine, type: t3.large, disk_class: standard, usage: {cpu_credits: 10, disk_requests: 2000000}}
  w: {kind: pool, type: t3.large, count: 3, disk: 10GiB, disk_class: gp2, usage: {cpu_credits: 7}}
  v: {kind: volume, size: 100GiB, class: io1, iops: 500}
  d: {kind: database, engine: mysql, version: \"8.0\", type: db.t3.large, multi_zone: true}
";
    check(
        ("aws", "us-east-1"),
        resources,
        expect![[r#"
        d server: 730 hour: 198.56
        d storage: 20 GB-month: 4.60
        d extended support: 2920 vCPU-hour: no price
        m compute, t3.large: 730 hour: 60.74
        m processor credits: 10 vCPU-hour: 0.50
        m root disk: 8 GB-month: 0.40
        m root disk requests: 2000000 request: 0.10
        m public IPv4 address: 730 hour: 3.65
        v space: 100 GB-month: 12.50
        v operations a second: 500 IOPS-month: 32.50
        w compute, on demand, t3.large: 2190 hour: 182.21
        w processor credits: 7 vCPU-hour: 0.35
        w root disk: 30 GB-month: 3.00
        w public IPv4 address: 2190 hour: 10.95
    "#]],
    );
}

#[test]
fn what_is_named_is_what_is_charged_on_azure() {
    let resources = "  net: {kind: network, cidr: 10.1.0.0/16, nat: one}
  w: {kind: pool, type: Standard_D4s_v5, count: 3, disk: 100GiB, disk_class: StandardSSD_LRS, usage: {disk_requests: 20000}}
  v: {kind: volume, size: 100GiB, class: Standard_LRS}
  d: {kind: database, engine: postgres, version: \"17\", type: GP_Standard_D2ds_v5, storage: 64GiB, multi_zone: true}
";
    check(
        ("azure", "westeurope"),
        resources,
        expect![[r#"
        d server and standby: 1460 hour: no price
        d storage: 128 GB-month: no price
        d.zone private DNS zone: 1 month: no price
        d.zone DNS queries: 100000 query: no price
        net.nat[0] gateway: 730 hour: 32.85
        net.nat_address[0] public IPv4 address: 730 hour: 3.65
        v disk (S10): 1 month: 5.89
        v disk operations: 1000000 request: no price
        w compute, on demand, Standard_D4s_v5: 2190 hour: 503.70
        w root disks (E10): 3 month: no price
        w root disks operations: 60000 request: no price
    "#]],
    );
}

#[test]
fn what_is_named_is_what_is_charged_on_gcp() {
    let resources = "  net: {kind: network, cidr: 10.1.0.0/16, nat: one}
  w: {kind: pool, type: n1-standard-4, count: 3, disk: 100GiB, disk_class: pd-ssd}
  v: {kind: volume, size: 500GiB, class: pd-extreme, iops: 3000}
  d: {kind: database, engine: mysql, version: \"8.4\", type: db-n1-standard-4, multi_zone: true}
";
    check(
        ("gcp", "us-central1"),
        resources,
        expect![[r#"
        d server: 730 hour: 394.49
        d storage: 20 GB-month: 6.80
        net.router machines behind the NAT: 2190 hour: 3.07
        net.router addresses of the NAT: 730 hour: 3.65
        v storage: 500 GB-month: 62.50
        v operations: 3000 IOPS-month: 195.00
        w compute, on demand, n1-standard-4: 2190 hour: 416.10
        w root disk: 300 GB-month: 51.00
    "#]],
    );
}
