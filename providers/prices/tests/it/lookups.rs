//! Single figures, from the small book and from the one of the program.

use crate::small;
use dsenv_prices::{Book, Cloud, Driver, Os, Purchase};
use expect_test::{Expect, expect, expect_file};

/// `CLOUD REGION TYPE OS PURCHASE`, or `CLOUD REGION KEY`.
fn shown(book: &Book, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let cloud = Cloud::parse(words[0]).expect("a cloud");
    match words[1..] {
        [region, ty, os, purchase] => {
            let os = Os::parse(os).expect("a system");
            let purchase = Purchase::parse(purchase).expect("a purchase option");
            match book.compute(cloud, region, ty, os, purchase) {
                None => "none".to_owned(),
                Some(priced) => {
                    let as_of =
                        priced.origin.as_of.map(|date| date.to_string()).unwrap_or_default();
                    let price = priced.price.decimal();
                    format!("{price} per {}, {} of {as_of}", priced.unit, priced.origin.source)
                }
            }
        }
        [region, key] => match book.rate_by_key(cloud, region, key) {
            None => "none".to_owned(),
            Some(rate) => {
                let tier = |tier: &dsenv_prices::Tier| {
                    let to = tier.to.map_or("on".to_owned(), |to| format!("to {to}"));
                    format!("{} from {} {to}", tier.price.decimal(), tier.from)
                };
                let tiers: Vec<String> = rate.tiers.tiers().iter().map(tier).collect();
                let rounded = if rate.rounded { ", rounded" } else { "" };
                format!("{} per {}{rounded}", tiers.join("; "), rate.unit)
            }
        },
        _ => unreachable!("five words or three"),
    }
}

fn check(book: &Book, lines: &[&str], expect: Expect) {
    let shown: Vec<String> =
        lines.iter().map(|line| format!("{line}: {}\n", shown(book, line))).collect();
    expect.assert_eq(&shown.concat());
}

#[test]
fn a_figure_comes_with_its_unit_source_and_day() {
    check(
        &small::book(),
        &[
            "aws eu-west-1 m7i.large linux on_demand",
            "aws us-east-1 m5.large linux spot",
            "azure westeurope Standard_NV6ads_A10_v5 linux on_demand",
        ],
        expect![[r#"
            aws eu-west-1 m7i.large linux on_demand: 0.107 per hour, parsec@28e2c40 of 2026-02-17
            aws us-east-1 m5.large linux spot: 0.0331 per hour, spotinfo@69bcec6 of 2026-08-06
            azure westeurope Standard_NV6ads_A10_v5 linux on_demand: 0.000684 per hour, azure-radar@cf741f2 of 2026-08-20
        "#]],
    );
}

#[test]
fn what_no_source_says_is_none_and_a_zero_is_one_that_a_source_said() {
    check(
        &small::book(),
        &[
            "aws eu-west-1 m5.large linux on_demand",
            "aws eu-west-1 m7i.large linux spot",
            "aws eu-west-1 m7i.large windows on_demand",
            "aws nowhere m7i.large linux on_demand",
            "azure eu-west-1 m7i.large linux on_demand",
            "aws eu-west-1 Standard_ND96asr_v4 linux on_demand",
            "aws eu-west-1 nothing linux on_demand",
            "azure westeurope Standard_NV6ads_A10_v5 windows on_demand",
            "aws eu-west-1 nat/hour",
            "gcp us-central1 nat/hour",
        ],
        expect![[r#"
            aws eu-west-1 m5.large linux on_demand: none
            aws eu-west-1 m7i.large linux spot: none
            aws eu-west-1 m7i.large windows on_demand: none
            aws nowhere m7i.large linux on_demand: none
            azure eu-west-1 m7i.large linux on_demand: none
            aws eu-west-1 Standard_ND96asr_v4 linux on_demand: none
            aws eu-west-1 nothing linux on_demand: none
            azure westeurope Standard_NV6ads_A10_v5 windows on_demand: 0 per hour, azure-radar@cf741f2 of 2026-08-20
            aws eu-west-1 nat/hour: none
            gcp us-central1 nat/hour: none
        "#]],
    );
}

#[test]
fn rates_stand_under_the_key_of_their_driver_per_single_unit() {
    check(
        &small::book(),
        &[
            "aws us-east-1 nat/hour",
            "aws us-east-1 secret/request",
            "aws us-east-1 egress/internet/GB",
            "aws us-east-1 disk/gp3/GB-month",
            "aws us-east-1 disk/gp2/GB-month",
            "aws us-east-1 cache/cache.m4.large/hour",
        ],
        expect![[r#"
            aws us-east-1 nat/hour: 0.045 from 0 on per hour
            aws us-east-1 secret/request: 0.000005 from 0 on per request
            aws us-east-1 egress/internet/GB: 0.09 from 0 to 10240; 0.085 from 10240 to 51200 per GB
            aws us-east-1 disk/gp3/GB-month: 0.08 from 0 on per GB-month, rounded
            aws us-east-1 disk/gp2/GB-month: none
            aws us-east-1 cache/cache.m4.large/hour: 0.156 from 0 on per hour
        "#]],
    );
}

#[test]
fn a_row_without_a_driver_is_found_by_its_raw_names() {
    let book = small::book();
    let service =
        |item, unit| book.service(Cloud::Aws, "us-east-1", "aws_kinesis_stream", item, unit);
    let priced = service("Data ingested", "GB").expect("it is there");
    assert_eq!((priced.price.decimal().to_string().as_str(), priced.unit), ("0.08", "GB"));
    assert!(priced.rounded);
    assert_eq!(priced.origin.licence, "Apache-2.0");
    assert_eq!(priced.origin.as_of, None, "the source names no day");
    assert_eq!(service("Data ingested", "TB"), None);
    assert_eq!(service("Data", "GB"), None);
}

#[test]
fn interruptions_are_a_band_and_a_saving() {
    let book = small::book();
    let of = |ty| book.interruption(Cloud::Aws, "us-east-1", ty);
    let m5 = of("m5.large").expect("it is there");
    assert_eq!((m5.band.text(), m5.savings_percent), (">20%", -62));
    assert_eq!(m5.origin.source, "spotinfo (AWS Spot Advisor)");
    assert_eq!(of("m6i.large"), None);
    assert_eq!(book.interruption(Cloud::Aws, "eu-west-1", "m5.large"), None);
}

#[test]
fn a_shape_says_what_is_known_and_no_more() {
    let book = small::book();
    let shape = |cloud, ty| book.shape(cloud, ty).expect("it is there");
    let m4 = shape(Cloud::Aws, "m4.large");
    assert_eq!((m4.network_mbps, m4.local_nvme_gb, m4.previous), (None, Some(0), true));
    let share = shape(Cloud::Azure, "Standard_NV6ads_A10_v5").gpu.expect("a share of one");
    assert_eq!((share.to_string().as_str(), share.memory_mib), ("A10:0.166667", Some(4_096)));
    let both = shape(Cloud::Azure, "Standard_ND96asr_v4");
    assert_eq!(both.origin.licence, "Apache-2.0 AND CC-BY-4.0");
    assert_eq!(shape(Cloud::Gcp, "c4n-standard-2").arch, None);
    assert_eq!(book.shape(Cloud::Aws, "Standard_ND96asr_v4"), None);
}

#[test]
fn the_book_of_the_program_knows_what_everybody_can_look_up() {
    let book = Book::builtin();
    check(
        &book,
        &[
            "aws us-east-1 m5.large linux on_demand",
            "aws eu-west-1 m7i.large linux on_demand",
            "gcp us-central1 g2-standard-4 linux on_demand",
            "azure westeurope Standard_D4s_v5 linux on_demand",
            "azure westeurope Standard_D4s_v5 windows spot",
            "aws us-east-1 nat/hour",
            "azure westeurope nat/hour",
            "gcp us-central1 nat/machine/hour",
            "aws us-east-1 ipv4/hour",
            "aws us-east-1 disk/gp3/GB-month",
            "aws us-east-1 egress/internet/GB",
            "aws eu-west-1 egress/internet/GB",
            "azure westus bucket/hot-lrs/GB-month",
            "azure westeurope queue/standard/request",
            "aws us-east-1 bucket/standard/write",
            "aws us-east-1 database/postgres/db.t3.large/hour",
            "aws us-east-1 database/mysql/db.t3.large/ha/hour",
            "azure eastus disk/S4/month",
        ],
        expect![[r#"
            aws us-east-1 m5.large linux on_demand: 0.096 per hour, karpenter-aws@1d92708 of 2026-07-20
            aws eu-west-1 m7i.large linux on_demand: 0.11235 per hour, parsec@28e2c40 of 2026-02-17
            gcp us-central1 g2-standard-4 linux on_demand: 0.706832 per hour, karpenter-gcp@417f047 of 2026-08-03
            azure westeurope Standard_D4s_v5 linux on_demand: 0.23 per hour, azure-radar@cf741f2 of 2026-08-20
            azure westeurope Standard_D4s_v5 windows spot: 0.076507 per hour, azure-radar@cf741f2 of 2026-08-20
            aws us-east-1 nat/hour: 0.045 from 0 on per hour
            azure westeurope nat/hour: 0.045 from 0 on per hour
            gcp us-central1 nat/machine/hour: 0.0014 from 0 on per VM-hours
            aws us-east-1 ipv4/hour: 0.005 from 0 on per hour
            aws us-east-1 disk/gp3/GB-month: 0.08 from 0 on per GB-month, rounded
            aws us-east-1 egress/internet/GB: 0.09 from 0 to 10240; 0.085 from 10240 to 51200; 0.07 from 51200 to 153600 per GB
            aws eu-west-1 egress/internet/GB: 0.09 from 0 to 10240; 0.085 from 10240 to 51200; 0.07 from 51200 to 153600; 0.05 from 153600 on per GB
            azure westus bucket/hot-lrs/GB-month: 0.0208 from 0 to 51200; 0.019968 from 51200 to 512000; 0.019136 from 512000 on per GB-month
            azure westeurope queue/standard/request: 0.0000008 from 13000000 to 100000000; 0.0000005 from 100000000 to 2500000000; 0.0000002 from 2500000000 on per request, rounded
            aws us-east-1 bucket/standard/write: 0.000005 from 0 on per write
            aws us-east-1 database/postgres/db.t3.large/hour: 0.145 from 0 on per hour
            aws us-east-1 database/mysql/db.t3.large/ha/hour: 0.272 from 0 on per hour
            azure eastus disk/S4/month: 1.536 from 0 on per month
        "#]],
    );
    let (first, last) = book.as_of().expect("sources name days");
    expect!["2026-02-17 to 2026-08-20"].assert_eq(&format!("{first} to {last}"));
    assert_eq!(book.currency().code(), "USD");
    assert!(
        book.origins()
            .all(|origin| !origin.licence.is_empty() && origin.url.starts_with("https://"))
    );
}

#[test]
fn a_typed_driver_finds_what_its_key_finds() {
    let book = Book::builtin();
    let typed = book.rate(Cloud::Aws, "us-east-1", Driver::DiskSpace { class: "gp3" });
    assert_eq!(typed, book.rate_by_key(Cloud::Aws, "us-east-1", "disk/gp3/GB-month"));
    assert!(typed.is_some());
}

/// The licences ask that the sources are named wherever the figures go.
#[test]
fn the_notice_names_every_source_of_the_book() {
    let book = Book::builtin();
    let mut lines: Vec<String> = book
        .origins()
        .map(|origin| {
            let note =
                if origin.note.is_empty() { String::new() } else { format!("; {}", origin.note) };
            let as_of = origin.as_of.map_or(String::new(), |date| format!(" of {date}"));
            format!("- {}{as_of}: {}, {}{note}\n", origin.source, origin.licence, origin.url)
        })
        .collect();
    lines.dedup();
    let head = "# Sources of the figures in `prices.book`\n\nFacts that these published, compiled into our own format. `UPDATE_EXPECT=1 cargo test -p dsenv-prices` rewrites this list.\n\n";
    expect_file!["../../NOTICE.md"].assert_eq(&format!("{head}{}", lines.concat()));
}
