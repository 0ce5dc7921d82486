//! Lists of offers, as `catalog search` asks for them.

use crate::{place, small};
use dsenv_prices::search::{Query, SortBy, is_like, search};
use dsenv_prices::{Book, Cloud};
use expect_test::{Expect, expect};

fn query(cloud: &str, region: &str, sort: &str, text: &str) -> Query {
    let mut need = place::need(text);
    let default = Query::default();
    if !text.contains("arch=") {
        need.arch = default.need.arch;
    }
    if !text.contains("gpu=") {
        need.gpus = default.need.gpus.clone();
    }
    need.generations = default.need.generations;
    let sort = SortBy::parse(sort).expect("an order");
    Query { cloud: Cloud::parse(cloud), region: region.to_owned(), need, sort }
}

fn shown(book: &Book, query: &Query, most: usize) -> String {
    let line = |offer: &dsenv_prices::place::Offer<'_>| {
        let money = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
        let hourly = money(offer.hourly.map(|priced| priced.price.to_string()));
        let gpu = offer.shape.gpu.map_or("-".to_owned(), |gpu| gpu.to_string());
        let per_gpu = money(offer.per_gpu().map(|each| each.to_string()));
        let region = offer.region.unwrap_or("anywhere");
        format!("{} {region} {} {hourly} {gpu} {per_gpu}\n", offer.cloud, offer.name)
    };
    search(book, query).iter().take(most).map(line).collect()
}

fn check(query: &Query, expect: Expect) {
    expect.assert_eq(&shown(&small::book(), query, 30));
}

#[test]
fn offers_of_every_cloud_are_sorted_by_price_and_show_it_per_gpu() {
    check(
        &query("any", "*", "price", "gpu=A100:8"),
        expect![[r#"
        aws us-east-1 p4d.24xlarge $21.96 A100:8 $2.74
        aws us-east-1 p4de.24xlarge $27.45 A100:8 $3.43
        gcp us-central1 a2-highgpu-8g $29.39 A100:8 $3.67
        azure westeurope Standard_ND96asr_v4 $32.77 A100:8 $4.10
    "#]],
    );
    check(
        &query("azure", "west*", "price", "gpu=1GiB+"),
        expect![[r#"
        azure westeurope Standard_NV6ads_A10_v5 $0.00068 A10:0.166667 $0.0041
        azure westeurope Standard_ND96asr_v4 $32.77 A100:8 $4.10
    "#]],
    );
}

#[test]
fn what_has_no_price_is_last_and_shown_as_such() {
    check(
        &query("aws", "us-*", "price", "memory=8GiB"),
        expect![[r#"
        aws us-east-1 m5.large $0.096 - unknown
        aws us-east-1 m7i.large $0.1008 - unknown
    "#]],
    );
    check(
        &query("aws", "us-*", "price", "memory=8GiB buy=spot"),
        expect![[r#"
        aws us-east-1 m5.large $0.0331 - unknown
        aws us-east-1 m7i.large unknown - unknown
    "#]],
    );
}

#[test]
fn a_limit_leaves_out_what_cannot_be_shown_to_keep_it() {
    check(
        &query("aws", "us-*", "price", "memory=8GiB buy=spot max=1"),
        expect![[r#"
        aws us-east-1 m5.large $0.0331 - unknown
    "#]],
    );
    check(
        &query("aws", "*", "price", "gpu=A100:8 max=25"),
        expect![[r#"
        aws us-east-1 p4d.24xlarge $21.96 A100:8 $2.74
    "#]],
    );
}

#[test]
fn offers_are_sorted_as_asked() {
    check(
        &query("aws", "eu-*", "name", "cpus=2"),
        expect![[r#"
        aws eu-west-1 c6i.large $0.09 - unknown
        aws eu-west-1 g6f.large $0.20 L4:0.125 $1.60
        aws eu-west-1 m4.large $0.05 - unknown
        aws eu-west-1 m6i.large $0.107 - unknown
        aws eu-west-1 m7g.large $0.0911 - unknown
        aws eu-west-1 m7i.large $0.107 - unknown
        aws eu-west-1 t3.medium $0.0456 - unknown
    "#]],
    );
    check(
        &query("aws", "eu-*", "memory", "cpus=2"),
        expect![[r#"
        aws eu-west-1 t3.medium $0.0456 - unknown
        aws eu-west-1 c6i.large $0.09 - unknown
        aws eu-west-1 m4.large $0.05 - unknown
        aws eu-west-1 m7g.large $0.0911 - unknown
        aws eu-west-1 m6i.large $0.107 - unknown
        aws eu-west-1 m7i.large $0.107 - unknown
        aws eu-west-1 g6f.large $0.20 L4:0.125 $1.60
    "#]],
    );
    check(
        &query("aws", "eu-*", "cpus", "max=0.3 cpus=3+"),
        expect![[r#"
            aws eu-west-1 m7i.xlarge $0.2247 - unknown
            aws eu-west-1 m7i.metal-24xl $0.01 - unknown
        "#]],
    );
    check(
        &query("aws", "eu-*", "price", "cpus=96"),
        expect![[r#"
        aws eu-west-1 m7i.metal-24xl $0.01 - unknown
    "#]],
    );
    check(&query("aws", "mars-*", "price", "cpus=2 max=1"), expect![[""]]);
}

#[test]
fn a_pattern_has_stars_and_question_marks() {
    let cases = [
        ("us-*", "us-east-1", true),
        ("us-*", "eu-west-1", false),
        ("*", "", true),
        ("*-1", "us-east-1", true),
        ("*-1", "us-east-2", false),
        ("us-east-?", "us-east-2", true),
        ("us-east-?", "us-east-22", false),
        ("*east*2", "us-east-12", true),
        ("us-east-1", "us-east-1", true),
        ("us-east", "us-east-1", false),
        ("", "", true),
        ("", "x", false),
        ("**a*", "banana", true),
    ];
    for (pattern, text, expected) in cases {
        assert_eq!(is_like(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn the_book_of_the_program_lists_spot_offers_under_a_limit() {
    let query = query("any", "us-*", "price", "gpu=A100:8 buy=spot max=20");
    expect![[r#"
        aws us-west-2 p4d.24xlarge $12.88 A100:8 $1.61
        gcp us-east5 a2-ultragpu-8g $14.22 A100:8 $1.78
        aws us-east-1 p4d.24xlarge $14.23 A100:8 $1.78
        gcp us-west4 a2-highgpu-8g $14.53 A100:8 $1.82
        gcp us-central1 a2-highgpu-8g $15.42 A100:8 $1.93
        gcp us-east1 a2-highgpu-8g $15.42 A100:8 $1.93
    "#]]
    .assert_eq(&shown(&Book::builtin(), &query, 6));
}
