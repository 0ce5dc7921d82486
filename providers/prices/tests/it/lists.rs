//! The vendors' own lists, in their documented shapes, and the book that comes of them.

use dsenv_prices::compile::{Shelf, revise};
use dsenv_prices::lists::{self, Figure, What, aws, azure, gcp};
use dsenv_prices::{Book, Cloud, Currency, Date, Decimal, Os, Price, Purchase};
use expect_test::{Expect, expect};
use std::collections::BTreeSet;

fn shown(figures: &[Figure]) -> String {
    let text = lists::keep(figures);
    let (_, lines) = text.split_once('\n').expect("a head");
    lines.replace('\t', " ")
}

fn day() -> Date {
    Date::parse("2026-11-30").expect("a day")
}

const HEAD: &str = "\"FormatVersion\",\"v1.0\"
\"Disclaimer\",\"for information, says the vendor\"
\"Publication Date\",\"2026-11-25T17:45:21Z\"
\"Version\",\"20261125174521\"
\"OfferCode\",\"AmazonEC2\"
";
const COLUMNS: &str = "\"SKU\",\"OfferTermCode\",\"RateCode\",\"TermType\",\"PriceDescription\",\"EffectiveDate\",\"StartingRange\",\"EndingRange\",\"Unit\",\"PricePerUnit\",\"Currency\",\"Product Family\",\"Location Type\",\"Instance Type\",\"Tenancy\",\"Operating System\",\"License Model\",\"usageType\",\"CapacityStatus\",\"MarketOption\",\"Pre Installed S/W\",\"Region Code\"\n";

/// A table with rows of: term, price, type, tenancy, system, capacity, software.
fn machines(rows: &[[&str; 7]]) -> String {
    let row = |[term, price, ty, tenancy, os, capacity, software]: &[&str; 7]| {
        format!(
            "\"S\",\"T\",\"R\",\"{term}\",\"d\",\"2026-11-01\",\"0\",\"Inf\",\"Hrs\",\"{price}\",\"USD\",\"Compute Instance\",\"AWS Region\",\"{ty}\",\"{tenancy}\",\"{os}\",\"No License required\",\"BoxUsage:{ty}\",\"{capacity}\",\"OnDemand\",\"{software}\",\"us-east-1\"\n"
        )
    };
    format!("{HEAD}{COLUMNS}{}", rows.iter().map(row).collect::<String>())
}

fn check_aws(table: &str, expect: Expect) {
    let read = aws::prices(&mut table.as_bytes(), "AmazonEC2", "us-east-1", &Book::builtin());
    expect.assert_eq(&read.map_or_else(|error| error.to_string(), |figures| shown(&figures)));
}

#[test]
fn of_a_machines_many_prices_the_shared_one_on_demand_is_taken() {
    check_aws(
        &machines(&[
            ["OnDemand", "0.1008000000", "m7i.large", "Shared", "Linux", "Used", "NA"],
            ["OnDemand", "0.1928000000", "m7i.large", "Shared", "Windows", "Used", "NA"],
            ["Reserved", "0.0600000000", "m7i.large", "Shared", "Linux", "Used", "NA"],
            ["OnDemand", "0.1100000000", "m7i.large", "Dedicated", "Linux", "Used", "NA"],
            ["OnDemand", "0.9000000000", "m7i.large", "Shared", "Linux", "Used", "SQL Ent"],
            [
                "OnDemand",
                "0.1008000000",
                "m7i.large",
                "Shared",
                "Linux",
                "UnusedCapacityReservation",
                "NA",
            ],
            ["OnDemand", "0.0000000000", "m7i.xlarge", "Shared", "Linux", "Used", "NA"],
            ["OnDemand", "0.1300000000", "m7i.large", "Shared", "RHEL", "Used", "NA"],
            ["OnDemand", "0.1000000000", "z99.nobody", "Shared", "Linux", "Used", "NA"],
        ]),
        expect![[r#"
            aws us-east-1 aws-price-list 2026-11-25 0.1008 machine m7i.large linux on_demand
            aws us-east-1 aws-price-list 2026-11-25 0.1928 machine m7i.large windows on_demand
        "#]],
    );
}

#[test]
fn what_is_used_is_known_by_its_usage_type_whatever_the_region_is_called() {
    let row = |usage: &str, from: &str, to: &str, unit: &str, price: &str, location: &str| {
        format!(
            "\"S\",\"T\",\"R\",\"OnDemand\",\"d\",\"2026-11-01\",\"{from}\",\"{to}\",\"{unit}\",\"{price}\",\"USD\",\"Storage\",\"{location}\",,,,,\"{usage}\",,,,\"eu-west-1\"\n"
        )
    };
    let table = [
        HEAD.to_owned(),
        COLUMNS.to_owned(),
        row("EU-EBS:VolumeUsage.gp3", "0", "Inf", "GB-Mo", "0.0880000000", "AWS Region"),
        row("LON1-EBS:VolumeUsage.gp3", "0", "Inf", "GB-Mo", "0.2000000000", "AWS Local Zone"),
        row("EU-EBS:VolumeP-Throughput.gp3", "0", "Inf", "GiBps-mo", "45.0560000000", "AWS Region"),
        row("EU-NatGateway-Hours", "0", "Inf", "Hrs", "0.0480000000", "AWS Region"),
        row("EU-NatGateway-Bytes", "0", "Inf", "Quantity", "0.0480000000", "AWS Region"),
    ]
    .concat();
    let read = |service, table: &str| {
        let read = aws::prices(&mut table.as_bytes(), service, "eu-west-1", &Book::builtin());
        shown(&read.expect("a table"))
    };
    expect![[r#"
        aws eu-west-1 aws-price-list 2026-11-25 0.088 rate disk/gp3/GB-month GB-month 0 -
        aws eu-west-1 aws-price-list 2026-11-25 0.044 rate disk/gp3/MBps-month MBps-month 0 -
        aws eu-west-1 aws-price-list 2026-11-25 0.048 rate nat/hour hour 0 -
    "#]]
    .assert_eq(&read("AmazonEC2", &table));
    let steps = [
        HEAD.to_owned(),
        COLUMNS.to_owned(),
        row("EU-TimedStorage-ByteHrs", "0", "51200", "GB-Mo", "0.0230000000", "AWS Region"),
        row("EU-TimedStorage-ByteHrs", "51200", "512000", "GB-Mo", "0.0220000000", "AWS Region"),
        row("EU-TimedStorage-ByteHrs", "512000", "Inf", "GB-Mo", "0.0210000000", "AWS Region"),
        row("EU-Requests-Tier1", "0", "Inf", "Requests", "0.0000050000", "AWS Region"),
    ]
    .concat();
    expect![[r#"
        aws eu-west-1 aws-price-list 2026-11-25 0.023 rate bucket/standard/GB-month GB-month 0 51200
        aws eu-west-1 aws-price-list 2026-11-25 0.022 rate bucket/standard/GB-month GB-month 51200 512000
        aws eu-west-1 aws-price-list 2026-11-25 0.021 rate bucket/standard/GB-month GB-month 512000 -
        aws eu-west-1 aws-price-list 2026-11-25 0.000005 rate bucket/standard/write write 0 -
    "#]].assert_eq(&read("AmazonS3", &steps));
}

#[test]
fn a_table_of_another_shape_is_refused() {
    let whole = machines(&[["OnDemand", "0.1", "m7i.large", "Shared", "Linux", "Used", "NA"]]);
    check_aws("<html>busy</html>", expect!["it has no `row of column names`"]);
    check_aws("", expect!["it has no `row of column names`"]);
    check_aws(&whole.replace("TermType", "Term"), expect!["it has no `column `TermType``"]);
    check_aws(
        &whole.replace("Publication Date", "Published"),
        expect!["it has no `Publication Date`"],
    );
    check_aws(
        &whole[..whole.len() - 40],
        expect!["not the documented table: the row before line 7 has 18 of 22 cells"],
    );
}

#[test]
fn the_indices_lead_to_the_tables() {
    let index = br#"{"formatVersion": "v1.0", "publicationDate": "2026-11-25T17:45:21Z", "offers": {"AmazonEC2":
        {"offerCode": "AmazonEC2", "currentRegionIndexUrl": "/offers/v1.0/aws/AmazonEC2/current/region_index.json"}}}"#;
    let at = aws::region_index(index, "AmazonEC2").expect("it is there");
    assert_eq!(at, "/offers/v1.0/aws/AmazonEC2/current/region_index.json");
    let error = aws::region_index(index, "AmazonS3").expect_err("it is not there");
    expect!["it has no `offers.AmazonS3.currentRegionIndexUrl`"].assert_eq(&error.to_string());
    let regions = br#"{"regions": {"us-east-1": {"regionCode": "us-east-1",
        "currentVersionUrl": "/offers/v1.0/aws/AmazonEC2/20261125/us-east-1/index.json"}}}"#;
    let tables = aws::tables(regions).expect("regions");
    assert_eq!(tables["us-east-1"], "/offers/v1.0/aws/AmazonEC2/20261125/us-east-1/index.csv");
    assert!(aws::tables(b"{\"regions\": []}").is_err());
}

#[test]
fn azures_spot_and_windows_are_told_by_their_names() {
    let item = |sku: &str, product: &str, price: &str, more: &str| {
        format!(
            r#"{{"currencyCode": "USD", "tierMinimumUnits": 0.0, "retailPrice": {price}, "unitPrice": {price},
            "armRegionName": "westeurope", "armSkuName": "Standard_D2s_v5", "skuName": "{sku}", "productName": "{product}",
            "serviceName": "Virtual Machines", "unitOfMeasure": "1 Hour", "type": "Consumption"{more}}}"#
        )
    };
    let series = "Virtual Machines Dsv5 Series";
    let windows = "Virtual Machines Dsv5 Series Windows";
    let items = [
        item("D2s v5", series, "0.115", ""),
        item("D2s v5 Spot", series, "2.3E-02", ""),
        item("D2s v5 Low Priority", series, "0.3", ""),
        item("D2s v5", windows, "0.207", ""),
        item("D2s v5", series, "0.9", ", \"isPrimaryMeterRegion\": false"),
    ];
    let page = format!(
        r#"{{"BillingCurrency": "USD", "Items": [{}], "NextPageLink": "https://prices.azure.com:443/api/retail/prices?$skip=1000", "Count": 5}}"#,
        items.join(",")
    );
    let (figures, next) = azure::page(page.as_bytes(), day(), &Book::builtin()).expect("a page");
    expect![[r#"
        azure westeurope azure-retail-prices 2026-11-30 0.115 machine Standard_D2s_v5 linux on_demand
        azure westeurope azure-retail-prices 2026-11-30 0.023 machine Standard_D2s_v5 linux spot
        azure westeurope azure-retail-prices 2026-11-30 0.207 machine Standard_D2s_v5 windows on_demand
    "#]].assert_eq(&shown(&figures));
    assert!(next.is_some_and(|next| next.ends_with("$skip=1000")));
    let last = br#"{"Items": [], "NextPageLink": null, "Count": 0}"#;
    assert_eq!(azure::page(last, day(), &Book::builtin()), Ok((Vec::new(), None)));
    let error = azure::page(b"{\"error\": 1}", day(), &Book::builtin()).expect_err("no page");
    expect!["not the documented JSON: missing field `Items` at line 1 column 12"]
        .assert_eq(&error.to_string());
}

/// A page of the catalog with prices of processors and memory.
fn catalog(skus: &[(&str, &str, &str, i64)]) -> String {
    let sku = |(description, usage, unit, nanos): &(&str, &str, &str, i64)| {
        format!(
            r#"{{"name": "services/x/skus/y", "skuId": "y", "description": "{description}",
            "category": {{"serviceDisplayName": "Compute Engine", "resourceFamily": "Compute", "resourceGroup": "CPU", "usageType": "{usage}"}},
            "serviceRegions": ["us-central1"], "pricingInfo": [{{"effectiveTime": "2026-11-30T08:00:00Z", "pricingExpression":
            {{"usageUnit": "{unit}", "displayQuantity": 1, "tieredRates": [{{"startUsageAmount": 0, "unitPrice":
            {{"currencyCode": "USD", "units": "0", "nanos": {nanos}}}}}]}}}}]}}"#
        )
    };
    let skus: Vec<String> = skus.iter().map(sku).collect();
    format!(r#"{{"skus": [{}], "nextPageToken": ""}}"#, skus.join(","))
}

/// The published rates of N2 in Iowa, added, are what other sources say of whole machines.
#[test]
fn googles_processors_and_memory_add_up_to_the_prices_of_machines() {
    let page = catalog(&[
        ("N2 Instance Core running in Americas", "OnDemand", "h", 31_611_000),
        ("N2 Instance Ram running in Americas", "OnDemand", "GiBy.h", 4_237_000),
        ("N2 Custom Instance Core running in Americas", "OnDemand", "h", 99_000_000),
        ("Commitment v1: N2 Cpu in Americas for 1 Year", "Commit1Yr", "h", 1_000_000),
        ("C3 Instance Core running in Americas", "OnDemand", "h", 1_000_000),
    ]);
    let (mut parts, book) = (gcp::Parts::default(), Book::builtin());
    assert_eq!(gcp::page(page.as_bytes(), &mut parts), Ok(None));
    let figures = gcp::prices(&parts, day(), &book);
    let mut compared = 0;
    for figure in &figures {
        let What::Machine { ty, os, purchase } = &figure.what else { panic!("machines alone") };
        assert!(ty.starts_with("n2-"), "half a series has no price: {ty}");
        let Some(there) = book.compute(Cloud::Gcp, "us-central1", ty, *os, *purchase) else {
            continue;
        };
        let apart = (there.price.decimal() - figure.price.decimal()).abs();
        assert!(apart < Decimal::new(1, 4), "{ty}: {} and {}", there.price, figure.price);
        compared += 1;
    }
    assert!(compared > 10, "{compared}");
}

fn figure(ty: &str, price: &str) -> Figure {
    let price = Price::parse(price, Currency::USD).expect("a price");
    let (os, purchase) = (Os::Linux, Purchase::OnDemand);
    let what = What::Machine { ty: ty.to_owned(), os, purchase };
    let (cloud, region) = (Cloud::Aws, "us-east-1".to_owned());
    Figure { cloud, region, what, price, source: lists::AWS, as_of: day() }
}

#[test]
fn a_revised_book_has_the_new_figures_and_all_others() {
    let book = Book::builtin();
    let rate = Figure {
        what: What::Rate { key: "nat/hour".to_owned(), unit: "hour".to_owned(), from: 0, to: None },
        ..figure("", "0.046")
    };
    let revised = revise(&book, &[figure("m7i.large", "0.1"), rate], &BTreeSet::new());
    let revised = revised.expect("a book");
    let new = Book::open(revised.bytes.clone()).expect("it verifies");
    let price = |book: &Book, ty: &str| {
        let priced = book.compute(Cloud::Aws, "us-east-1", ty, Os::Linux, Purchase::OnDemand)?;
        let origin = priced.origin;
        Some((priced.price.decimal().to_string(), origin.source.to_owned(), origin.as_of))
    };
    assert_eq!(price(&new, "m7i.large"), Some(("0.1".into(), lists::AWS.into(), Some(day()))));
    let nat = new.rate_by_key(Cloud::Aws, "us-east-1", "nat/hour").expect("a rate");
    assert_eq!(nat.tiers.flat().expect("one price").to_string(), "$0.046");
    assert_eq!(new.as_of().expect("days").1, day());
    for ty in ["m7i.xlarge", "t3.large", "p4d.24xlarge"] {
        assert_eq!(price(&new, ty), price(&book, ty));
    }
    for cloud in Cloud::ALL {
        assert!(book.regions(*cloud).eq(new.regions(*cloud)));
        assert!(book.type_names(*cloud).eq(new.type_names(*cloud)));
        for region in book.regions(*cloud).filter(|it| *it != "us-east-1") {
            assert_eq!(book.rates(*cloud, region), new.rates(*cloud, region), "{region}");
        }
    }
    for ty in book.type_names(Cloud::Aws) {
        assert_eq!(book.shape(Cloud::Aws, ty), new.shape(Cloud::Aws, ty));
        let band = |book: &Book| book.interruption(Cloud::Aws, "eu-west-1", ty).map(|it| it.band);
        assert_eq!(band(&book), band(&new));
    }
    // The same again changes nothing; from the same figures come the same bytes.
    let again = revise(&new, &[figure("m7i.large", "0.1")], &BTreeSet::new()).expect("a book");
    assert_eq!(again.bytes, revised.bytes);
    assert_eq!((again.compared.same, again.compared.changed), (1, 0));
}

#[test]
fn what_a_whole_list_no_longer_has_is_gone_and_counted() {
    let book = Book::builtin();
    let (region, purchase, os) = ("us-east-1".to_owned(), Purchase::OnDemand, Os::Linux);
    let shelf = Shelf { cloud: Cloud::Aws, region, purchase, os };
    let figures = [figure("m7i.large", "0.1008"), figure("t3.large", "8.32")];
    let revised = revise(&book, &figures, &BTreeSet::from([shelf])).expect("a book");
    let compared = revised.compared;
    assert_eq!((compared.same, compared.changed, compared.leaps, compared.new), (1, 1, 1, 0));
    assert!(compared.gone > 500, "{compared:?}");
    expect!["aws us-east-1 t3.large on_demand linux 0.0832 -> 8.32"]
        .assert_eq(&compared.examples[0]);
    let new = Book::open(revised.bytes).expect("it verifies");
    let price = |ty| new.compute(Cloud::Aws, "us-east-1", ty, Os::Linux, purchase);
    assert!(price("m7i.large").is_some() && price("m7i.xlarge").is_none());
    let spot = new.compute(Cloud::Aws, "us-east-1", "m7i.xlarge", Os::Linux, Purchase::Spot);
    assert!(spot.is_some(), "spot is another list's");
}

#[test]
fn what_was_kept_is_read_again_and_a_cut_is_seen() {
    let figures = vec![figure("m7i.large", "0.1008"), figure("t3.large", "0.0832")];
    let text = lists::keep(&figures);
    assert_eq!(lists::kept(&text), Ok(figures.clone()));
    for end in 1..text.len() {
        assert!(lists::kept(&text[..end]).is_err(), "{end}");
    }
    let double = [figures.clone(), vec![figure("t3.large", "0.09")]].concat();
    let highest = lists::highest(double);
    assert_eq!(highest.len(), 2);
    assert!(highest.iter().any(|it| it.price.to_string() == "$0.09"), "{highest:?}");
}

/// A row of RDS: usage, class, engine, licence, unit, price.
fn database(rows: &[[&str; 7]]) -> String {
    let columns = "\"SKU\",\"OfferTermCode\",\"RateCode\",\"TermType\",\"PriceDescription\",\"EffectiveDate\",\"StartingRange\",\"EndingRange\",\"Unit\",\"PricePerUnit\",\"Currency\",\"Product Family\",\"Location Type\",\"Instance Type\",\"Database Engine\",\"License Model\",\"usageType\",\"Deployment Option\",\"Region Code\"\n";
    let row = |[family, usage, class, engine, licence, unit, price]: &[&str; 7]| {
        let deployment = if usage.contains("Multi-AZ") { "Multi-AZ" } else { "Single-AZ" };
        format!(
            "\"S\",\"T\",\"R\",\"OnDemand\",\"d\",\"2026-11-01\",\"0\",\"Inf\",\"{unit}\",\"{price}\",\"USD\",\"{family}\",\"AWS Region\",\"{class}\",\"{engine}\",\"{licence}\",\"{usage}\",\"{deployment}\",\"eu-west-1\"\n"
        )
    };
    let rows: String = rows.iter().map(row).collect();
    [HEAD, columns, &rows].concat()
}

/// Facts of the published table: <https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonRDS/>.
#[test]
fn a_database_is_read_by_engine_and_class_and_its_disks_for_any() {
    const FREE: &str = "No license required";
    let table = database(&[
        [
            "Database Instance",
            "EU-InstanceUsage:db.m7i.large",
            "db.m7i.large",
            "PostgreSQL",
            FREE,
            "Hrs",
            "0.2090",
        ],
        [
            "Database Instance",
            "EU-Multi-AZUsage:db.r7g.2xl",
            "db.r7g.2xlarge",
            "MySQL",
            FREE,
            "Hrs",
            "2.0980",
        ],
        [
            "Database Instance",
            "EU-Multi-AZClusterUsage:db.m6gd.l",
            "db.m6gd.large",
            "MySQL",
            FREE,
            "Hrs",
            "0.9",
        ],
        [
            "Database Instance",
            "EU-InstanceUsage:db.m7i.large",
            "db.m7i.large",
            "Oracle",
            "License included",
            "Hrs",
            "0.4",
        ],
        [
            "Database Instance",
            "EU-InstanceUsage:db.m7i.large",
            "db.m7i.large",
            "Aurora PostgreSQL",
            FREE,
            "Hrs",
            "0.3",
        ],
        ["Database Storage", "EU-RDS:GP3-Storage", "", "Any", "", "GB-Mo", "0.1270"],
        [
            "Database Storage",
            "EU-RDS:Multi-AZ-GP3-Storage",
            "",
            "PostgreSQL",
            "",
            "GB-Mo",
            "0.2540",
        ],
        ["Database Storage", "EU-RDS:Mirror-GP2-Storage", "", "SQL Server", "", "GB-Mo", "0.2540"],
        ["Storage Snapshot", "EU-RDS:ChargedBackupUsage", "", "Any", "", "GB-Mo", "0.0950"],
        [
            "Database Instance",
            "EU-InstanceUsage:db.m7i.xlarge",
            "db.m7i.xlarge",
            "PostgreSQL",
            FREE,
            "Hrs",
            "0.0000",
        ],
    ]);
    let read = aws::prices(&mut table.as_bytes(), "AmazonRDS", "eu-west-1", &Book::builtin());
    expect![[r#"
        aws eu-west-1 aws-price-list 2026-11-25 0.095 rate database/mysql/backup/GB-month GB-month 0 -
        aws eu-west-1 aws-price-list 2026-11-25 2.098 rate database/mysql/db.r7g.2xlarge/ha/hour hour 0 -
        aws eu-west-1 aws-price-list 2026-11-25 0.127 rate database/mysql/storage/gp3/GB-month GB-month 0 -
        aws eu-west-1 aws-price-list 2026-11-25 0.095 rate database/postgres/backup/GB-month GB-month 0 -
        aws eu-west-1 aws-price-list 2026-11-25 0.209 rate database/postgres/db.m7i.large/hour hour 0 -
        aws eu-west-1 aws-price-list 2026-11-25 0.127 rate database/postgres/storage/gp3/GB-month GB-month 0 -
        aws eu-west-1 aws-price-list 2026-11-25 0.254 rate database/postgres/storage/gp3/ha/GB-month GB-month 0 -
    "#]]
    .assert_eq(&shown(&read.expect("a table")));
}
