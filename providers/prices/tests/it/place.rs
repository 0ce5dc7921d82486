//! Placement in the small book, with the reason of everything that fell out; and in the one of the program.

use crate::small;
use dsenv_prices::need::{
    Arches, Burstable, Generations, GpuNeed, Gpus, Need, PriceMax, parse_count, parse_memory,
};
use dsenv_prices::place::{Placement, Verdict, place};
use dsenv_prices::{Arch, Band, Book, Cloud, Purchase};
use expect_test::{Expect, expect};

/// Reads `cpus=2+ memory=8GiB+ gpu=A100:8`, and so on.
pub(crate) fn need(text: &str) -> Need {
    let mut need = Need::default();
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').expect("KEY=VALUE");
        let gpus =
            |value: &str| value.split(',').map(|one| GpuNeed::parse(one).expect("a GPU")).collect();
        match key {
            "cpus" => need.cpus = Some(parse_count(value).expect("a count")),
            "memory" => need.memory_mib = Some(parse_memory(value).expect("a size")),
            "arch" => need.arch = Arches::Only(Arch::parse(value).expect("an architecture")),
            "gpu" => need.gpus = Gpus::Ordered(gpus(value)),
            "any_gpu" => need.gpus = Gpus::AnyOf(gpus(value)),
            "type" => need.named = Some(value.to_owned()),
            "then" => need.further_regions.push(value.to_owned()),
            "buy" => need.purchase = Purchase::parse(value).expect("a purchase option"),
            "max" => need.price_max = Some(PriceMax::parse(value).expect("a limit")),
            "band" => need.band_max = Some(Band::parse(value).expect("a band")),
            "generations" if value == "current" => need.generations = Generations::CurrentOnly,
            "generations" => need.generations = Generations::Any,
            "burstable" => need.burstable = Burstable::Refused,
            other => unreachable!("no need is called {other}"),
        }
    }
    need
}

fn names(placement: &Placement<'_>) -> String {
    let offers = placement.chosen.iter().chain(&placement.fallbacks);
    let shown = offers.map(|offer| {
        let price = offer.hourly.map_or("no price".to_owned(), |priced| priced.price.to_string());
        format!("{} {} {price}", offer.region.unwrap_or("?"), offer.name)
    });
    let shown: Vec<String> =
        shown.chain(placement.unknown.iter().map(|what| format!("unknown: {what}"))).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

fn check(place_in: &str, text: &str, expect: Expect) {
    let book = small::book();
    let (cloud, region) = place_in.split_once(' ').expect("CLOUD REGION");
    let cloud = Cloud::parse(cloud).expect("a cloud");
    expect.assert_eq(&names(&place(&book, cloud, region, &need(text))));
}

#[test]
fn the_cheapest_that_satisfies_is_taken_and_equal_prices_by_name() {
    check(
        "aws eu-west-1",
        "cpus=2+ memory=8GiB+",
        expect![
            "eu-west-1 m6i.large $0.107, eu-west-1 m7i.large $0.107, eu-west-1 m7i.xlarge $0.2247"
        ],
    );
    check(
        "aws eu-west-1",
        "cpus=2 memory=4GiB",
        expect!["eu-west-1 t3.medium $0.0456, eu-west-1 c6i.large $0.09"],
    );
    check("aws eu-west-1", "cpus=2 memory=4GiB burstable=no", expect!["eu-west-1 c6i.large $0.09"]);
    check("aws eu-west-1", "arch=arm64", expect!["eu-west-1 m7g.large $0.0911"]);
    check("aws eu-west-1", "cpus=9999+", expect!["nothing"]);
}

#[test]
fn everything_that_falls_out_has_a_reason() {
    let book = small::book();
    let need = need("cpus=2+ memory=8GiB+ burstable=no max=3");
    let placement = place(&book, Cloud::Aws, "eu-west-1", &need);
    let shown = placement.considered.iter().map(|one| format!("{}: {}\n", one.name(), one.verdict));
    expect![[r#"
        c6i.large: 4 GiB of memory, 8 GiB needed
        g4dn.xlarge: has an accelerator, and none is needed
        g5.xlarge: has an accelerator, and none is needed
        g6f.large: has an accelerator, and none is needed
        inf2.xlarge: has an accelerator, and none is needed
        m4.large: previous generation
        m5.large: no price in eu-west-1
        m6i.large: fits
        m7g.large: arm64
        m7i.16xlarge: $3.40 an hour is more than may be paid
        m7i.large: fits
        m7i.metal-24xl: bare metal, which must be named
        m7i.xlarge: fits
        p4d.24xlarge: has an accelerator, and none is needed
        p4de.24xlarge: has an accelerator, and none is needed
        t3.medium: 4 GiB of memory, 8 GiB needed
    "#]]
    .assert_eq(&shown.collect::<String>());
}

#[test]
fn accelerators_are_taken_in_order_or_by_price() {
    check(
        "aws eu-west-1",
        "gpu=A10G,T4",
        expect!["eu-west-1 g5.xlarge $1.12, eu-west-1 g4dn.xlarge $0.587"],
    );
    check(
        "aws eu-west-1",
        "any_gpu=A10G,T4",
        expect!["eu-west-1 g4dn.xlarge $0.587, eu-west-1 g5.xlarge $1.12"],
    );
    check("aws eu-west-1", "gpu=H100:8,T4", expect!["eu-west-1 g4dn.xlarge $0.587"]);
    check(
        "aws us-east-1",
        "gpu=A100:8",
        expect!["us-east-1 p4d.24xlarge $21.96, us-east-1 p4de.24xlarge $27.45"],
    );
    check("aws us-east-1", "gpu=A100-80GB:8", expect!["us-east-1 p4de.24xlarge $27.45"]);
    check("aws us-east-1", "gpu=A100:1", expect!["nothing"]);
    check("azure westeurope", "gpu=a100:8", expect!["westeurope Standard_ND96asr_v4 $32.77"]);
    check("gcp us-central1", "gpu=A100:8", expect!["us-central1 a2-highgpu-8g $29.39"]);
}

#[test]
fn memory_is_what_cards_are_sold_with_and_only_cuda_is_taken_unnamed() {
    check("aws eu-west-1", "gpu=24GiB+", expect!["eu-west-1 g5.xlarge $1.12"]);
    check("aws eu-west-1", "gpu=16GiB", expect!["eu-west-1 g4dn.xlarge $0.587"]);
    check(
        "aws eu-west-1",
        "gpu=2GiB+",
        expect![
            "eu-west-1 g6f.large $0.20, eu-west-1 g4dn.xlarge $0.587, eu-west-1 g5.xlarge $1.12"
        ],
    );
    check("aws eu-west-1", "gpu=Inferentia2", expect!["eu-west-1 inf2.xlarge $0.80"]);
}

#[test]
fn an_accelerator_that_is_attached_is_told_and_not_priced_as_if_it_were_free() {
    let book = small::book();
    let placement = place(&book, Cloud::Gcp, "us-central1", &need("gpu=T4"));
    assert_eq!(placement.chosen, None);
    let n1 = placement
        .considered
        .iter()
        .find(|one| one.name() == "n1-standard-4")
        .expect("it is looked at");
    expect!["a T4 is attached at a price of its own, which is not in the price book"]
        .assert_eq(&n1.verdict.to_string());
}

#[test]
fn a_previous_generation_is_taken_when_nothing_current_satisfies_or_it_is_named() {
    check(
        "aws eu-west-1",
        "memory=8GiB generations=any",
        expect!["eu-west-1 m4.large $0.05, eu-west-1 m6i.large $0.107, eu-west-1 m7i.large $0.107"],
    );
    check(
        "aws eu-west-1",
        "memory=8GiB",
        expect!["eu-west-1 m6i.large $0.107, eu-west-1 m7i.large $0.107"],
    );
    check("aws eu-west-1", "memory=8GiB max=0.06", expect!["eu-west-1 m4.large $0.05"]);
    check("aws eu-west-1", "memory=8GiB max=0.06 generations=current", expect!["nothing"]);
    check("aws eu-west-1", "type=m4.large", expect!["eu-west-1 m4.large $0.05"]);
}

#[test]
fn a_type_without_a_price_is_taken_only_when_it_is_named() {
    check("aws eu-west-1", "type=m5.large", expect!["eu-west-1 m5.large no price"]);
    check("aws eu-west-1", "type=m5.large max=1", expect!["nothing"]);
    check("aws eu-west-1", "type=m7i.metal-24xl", expect!["eu-west-1 m7i.metal-24xl $0.01"]);
    check("aws eu-west-1", "type=m7g.large", expect!["eu-west-1 m7g.large $0.0911"]);
    check("aws eu-west-1", "type=m7i.large arch=arm64", expect!["nothing"]);
    check("aws eu-west-1", "type=m5.lrge", expect!["unknown: the type `m5.lrge`"]);
    check("aws eu-west-1", "type=p4d.24xlarge", expect!["eu-west-1 p4d.24xlarge no price"]);
}

#[test]
fn further_regions_are_tried_after_the_first() {
    check(
        "aws eu-west-1",
        "memory=8GiB cpus=2 then=us-east-1",
        expect![
            "eu-west-1 m6i.large $0.107, eu-west-1 m7i.large $0.107, us-east-1 m5.large $0.096, us-east-1 m7i.large $0.1008"
        ],
    );
    check(
        "aws eu-west-1",
        "gpu=A100:8 then=us-east-1",
        expect!["us-east-1 p4d.24xlarge $21.96, us-east-1 p4de.24xlarge $27.45"],
    );
    check(
        "aws eu-west-9",
        "memory=8GiB cpus=2 then=us-east-1",
        expect![
            "us-east-1 m5.large $0.096, us-east-1 m7i.large $0.1008, unknown: the region `eu-west-9`"
        ],
    );
}

#[test]
fn spot_is_placed_by_its_own_price_and_band() {
    check("aws us-east-1", "buy=spot", expect!["us-east-1 m5.large $0.0331"]);
    check("aws us-east-1", "buy=spot max=35%", expect!["us-east-1 m5.large $0.0331"]);
    check("aws us-east-1", "buy=spot max=34%", expect!["nothing"]);
    check("aws us-east-1", "cpus=2 max=99%", expect!["nothing"]);
    check("aws us-east-1", "buy=spot band=15-20%", expect!["nothing"]);
    check("aws eu-west-1", "buy=spot", expect!["unknown: any spot price of linux in `eu-west-1`"]);
    check("aws us-east-1", "band=5-10%", expect!["us-east-1 m7i.large $0.1008"]);
}

#[test]
fn a_limit_in_another_currency_cannot_be_kept() {
    let book = small::book();
    let mut need = need("");
    need.price_max = Some(PriceMax::parse("100 EUR").expect("a limit"));
    assert_eq!(place(&book, Cloud::Aws, "eu-west-1", &need).chosen, None);
}

#[test]
fn the_book_of_the_program_places_as_people_expect() {
    let book = Book::builtin();
    let mut shown = String::new();
    for (cloud, region) in
        [(Cloud::Aws, "us-east-1"), (Cloud::Azure, "westeurope"), (Cloud::Gcp, "us-central1")]
    {
        for text in [
            "cpus=2+ memory=8GiB+",
            "cpus=4+ memory=16GiB+ burstable=no",
            "gpu=24GiB+",
            "gpu=A100:8",
            "gpu=H100:8",
            "gpu=T4",
            "gpu=L4",
            "gpu=V100",
        ] {
            let placement = place(&book, cloud, region, &need(text));
            let chosen = placement.chosen.as_ref().map_or("nothing".to_owned(), |offer| {
                let price = offer.hourly.expect("what is chosen has a price").price;
                format!("{} {price}, {} more", offer.name, placement.fallbacks.len())
            });
            shown += &format!("{cloud} {region} {text}: {chosen}\n");
        }
    }
    expect![[r#"
        aws us-east-1 cpus=2+ memory=8GiB+: t3a.large $0.0752, 78 more
        aws us-east-1 cpus=4+ memory=16GiB+ burstable=no: m6a.xlarge $0.1728, 75 more
        aws us-east-1 gpu=24GiB+: g6.xlarge $0.8048, 5 more
        aws us-east-1 gpu=A100:8: p4d.24xlarge $21.96, 1 more
        aws us-east-1 gpu=H100:8: p5.48xlarge $55.04, 0 more
        aws us-east-1 gpu=T4: g4dn.xlarge $0.526, 1 more
        aws us-east-1 gpu=L4: g6.xlarge $0.8048, 1 more
        aws us-east-1 gpu=V100: p3.2xlarge $3.06, 0 more
        azure westeurope cpus=2+ memory=8GiB+: Standard_B2as_v2 $0.0864, 107 more
        azure westeurope cpus=4+ memory=16GiB+ burstable=no: Standard_D4as_v5 $0.208, 103 more
        azure westeurope gpu=24GiB+: Standard_NV36ads_A10_v5 $4.16, 7 more
        azure westeurope gpu=A100:8: Standard_ND96asr_v4 $35.36, 1 more
        azure westeurope gpu=H100:8: Standard_ND96isr_H100_v5 $127.82, 0 more
        azure westeurope gpu=T4: Standard_NC4as_T4_v3 $0.658, 1 more
        azure westeurope gpu=L4: nothing
        azure westeurope gpu=V100: Standard_NC6s_v3 $3.82, 0 more
        gcp us-central1 cpus=2+ memory=8GiB+: e2-standard-2 $0.067, 36 more
        gcp us-central1 cpus=4+ memory=16GiB+ burstable=no: e2-standard-4 $0.134, 45 more
        gcp us-central1 gpu=24GiB+: g2-standard-4 $0.7068, 1 more
        gcp us-central1 gpu=A100:8: a2-highgpu-8g $29.39, 1 more
        gcp us-central1 gpu=H100:8: a3-highgpu-8g $88.49, 0 more
        gcp us-central1 gpu=T4: nothing
        gcp us-central1 gpu=L4: g2-standard-4 $0.7068, 1 more
        gcp us-central1 gpu=V100: nothing
    "#]]
    .assert_eq(&shown);
}

#[test]
fn every_type_of_the_cloud_gets_one_verdict() {
    let book = Book::builtin();
    for cloud in Cloud::ALL {
        let region = book.regions(*cloud).next().expect("a region").to_owned();
        let placement = place(&book, *cloud, &region, &need("cpus=2+"));
        let fits = placement.considered.iter().filter(|one| one.verdict == Verdict::Fits).count();
        assert_eq!(fits, placement.chosen.iter().count() + placement.fallbacks.len());
        assert!(placement.considered.iter().map(|one| one.name()).eq(book.type_names(*cloud)));
    }
}
