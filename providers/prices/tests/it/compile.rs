//! What the compiler of the book makes of tables, right and wrong.

use crate::small;
use dsenv_prices::compile::{Tables, compile};
use dsenv_prices::{Book, BookError};
use expect_test::{Expect, expect};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

fn check(name: &str, from: &str, to: &str, expect: Expect) {
    let table = match name {
        "instances" => small::INSTANCES,
        "compute" => small::COMPUTE,
        "services" => small::SERVICES,
        "interruptions" => small::INTERRUPTIONS,
        other => unreachable!("no table is called {other}"),
    };
    assert!(table.contains(from), "the table has no `{from}`");
    let error = small::compile_with(name, &table.replacen(from, to, 1));
    let error = error.map(|compiled| compiled.mapped).expect_err("it is wrong");
    expect.assert_eq(&error.to_string());
}

#[test]
fn a_wrong_cell_is_told_with_its_place_and_what_is_valid() {
    check(
        "compute",
        "0.09,2026",
        "$0.09,2026",
        expect![[
            "compute_prices.csv:2: column `price_usd_hour`: `$0.09` is not a plain decimal with ten decimals at most"
        ]],
    );
    check(
        "compute",
        "0.587",
        "",
        expect![[
            "compute_prices.csv:3: column `price_usd_hour`: `` is not a plain decimal with ten decimals at most"
        ]],
    );
    check(
        "compute",
        "0.587",
        "-1",
        expect![[
            "compute_prices.csv:3: column `price_usd_hour`: `-1` is not a plain decimal with ten decimals at most"
        ]],
    );
    check(
        "compute",
        "on_demand",
        "reserved",
        expect![["compute_prices.csv:2: column `market`: `reserved` is not on_demand or spot"]],
    );
    check(
        "compute",
        "2026-02-17",
        "17.2.2026",
        expect![[
            "compute_prices.csv:2: column `as_of`: `17.2.2026` is not a day such as 2026-08-20"
        ]],
    );
    check(
        "compute",
        "c6i.large",
        "c6i.lrge",
        expect![[
            "compute_prices.csv:2: column `instance_type`: `c6i.lrge` is no type of instances.csv"
        ]],
    );
    check(
        "compute",
        "eu-west-1",
        "",
        expect![["compute_prices.csv:2: column `region`: must not be empty"]],
    );
    check(
        "compute",
        "parsec@28e2c40",
        "somebody@1",
        expect![[
            "compute_prices.csv:2: column `source`: `somebody@1` is no source whose licence is known (`origins.rs`)"
        ]],
    );
    check(
        "compute",
        "aws,eu-west-1,g4dn.xlarge",
        "aws,eu-west-1,c6i.large",
        expect![["compute_prices.csv:3: column `price_usd_hour`: stands there twice"]],
    );
    check(
        "instances",
        "A10G",
        "A11G",
        expect![[
            "instances.csv:4: column `gpu_name`: `A11G` is not an accelerator of `accelerators.rs`, or nothing"
        ]],
    );
    check(
        "instances",
        "c6i.large,2,",
        "c6i.large,2.5,",
        expect![["instances.csv:2: column `vcpu`: `2.5` is not a whole number"]],
    );
    check(
        "instances",
        "T4,1,",
        "T4,0,",
        expect![[
            "instances.csv:3: column `gpu_count`: is above zero where an accelerator is named"
        ]],
    );
    check(
        "instances",
        "g4dn.xlarge",
        "c6i.large",
        expect![["instances.csv:3: column `instance_type`: stands there twice"]],
    );
    check(
        "interruptions",
        ">20%",
        "20%",
        expect![[
            "aws_spot_interruption.csv:2: column `interruption_band_monthly`: `20%` is not one of <5%, 5-10%, 10-15%, 15-20%, >20%"
        ]],
    );
    check(
        "interruptions",
        "-62",
        "101",
        expect![[
            "aws_spot_interruption.csv:2: column `savings_percent`: `101` is not a percentage of at most 100"
        ]],
    );
    check(
        "services",
        "0.05\n",
        "0.000000001\n",
        expect![["service_prices.csv:3: column `price_usd`: has too many decimals for one unit"]],
    );
}

#[test]
fn a_table_of_another_form_is_refused() {
    check(
        "compute",
        "provider,region",
        "cloud,region",
        expect![[
            "compute_prices.csv:1: the columns must be provider,region,instance_type,os,market,price_usd_hour,as_of,source"
        ]],
    );
    check(
        "compute",
        "aws,eu-west-1,c6i.large,linux",
        "aws,eu-west-1,c6i.large",
        expect![
            "compute_prices.csv:2: no line of a table: CSV error: record 1 (line: 2, byte: 68): found record with 7 fields, but the previous record has 8 fields"
        ],
    );
}

#[test]
fn two_figures_for_one_driver_are_refused() {
    let twice = "aws,us-east-1,aws_elasticache_replication_group,\"ElastiCache (on-demand, cache.m4.large)\",hour,0.2\n";
    let table = format!("{}{twice}", small::SERVICES);
    let error = small::compile_with("services", &table.replace("0.156", "0.157"))
        .map(|compiled| compiled.mapped)
        .expect_err("two figures");
    expect!["service_prices.csv:9: column `item`: `cache/cache.m4.large/hour` costs both $0.157 and $0.20 in us-east-1"].assert_eq(&error.to_string());
}

#[test]
fn steps_that_overlap_are_refused() {
    let flat = "azure,westeurope,azurerm_storage_account,Capacity [account_tier=Standard; account_replication_type=LRS],GB-month,0.0196\n";
    let step = "azure,westeurope,azurerm_storage_account,Capacity (next 450TB) [StorageV2.Standard.LRS.Hot],GB-month,0.0188\n";
    let table = format!("{}{flat}{step}", small::SERVICES);
    let error = small::compile_with("services", &table).map(|compiled| compiled.mapped);
    expect!["the book: the price book contradicts itself: the steps of a rate overlap"]
        .assert_eq(&error.expect_err("they overlap").to_string());
}

#[test]
fn the_order_of_rows_changes_no_byte() {
    let tables = [
        ("instances", small::INSTANCES),
        ("compute", small::COMPUTE),
        ("services", small::SERVICES),
        ("interruptions", small::INTERRUPTIONS),
        ("published", small::PUBLISHED),
    ];
    for (name, table) in tables {
        let mut lines: Vec<&str> = table.lines().collect();
        lines[1..].reverse();
        let turned = small::compile_with(name, &lines.join("\n")).expect("it is right");
        assert!(turned.bytes == small::bytes(), "{name}");
    }
}

#[test]
fn a_damaged_or_foreign_file_is_no_book() {
    let open = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = small::bytes();
        change(&mut bytes);
        Book::open(bytes).expect_err("it is no book")
    };
    assert_eq!(open(&|bytes| bytes.clear()), BookError::Magic);
    assert_eq!(open(&|bytes| bytes.truncate(60)), BookError::Magic);
    assert_eq!(open(&|bytes| bytes[0] = b'D'), BookError::Magic);
    assert_eq!(open(&|bytes| bytes[8] = 2), BookError::Version(2));
    assert!(matches!(
        open(&|bytes| *bytes.last_mut().expect("a byte") ^= 1),
        BookError::Digest { .. }
    ));
    assert!(matches!(open(&|bytes| bytes[16] ^= 1), BookError::Digest { .. }));
    assert!(matches!(open(&|bytes| bytes[12] = b'A'), BookError::Digest { .. }));
    let cut = open(&|bytes| bytes.truncate(bytes.len() - 1));
    assert_eq!(cut, BookError::Content("a section ends behind the file"));
}

/// Whoever writes a file can give it a right digest: a look-up must not depend on good will.
#[test]
fn no_change_of_a_byte_makes_a_look_up_panic() {
    let bytes = small::bytes();
    let mut refused = 0;
    for at in 48..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x81;
        let digest = blake3::Hasher::new().update(&changed[..16]).update(&changed[48..]).finalize();
        changed[16..48].copy_from_slice(digest.as_bytes());
        let Ok(book) = Book::open(changed) else {
            refused += 1;
            continue;
        };
        for cloud in dsenv_prices::Cloud::ALL {
            for region in book.regions(*cloud) {
                let _ = book.rates(*cloud, region);
                for name in book.type_names(*cloud) {
                    let _ = book.shape(*cloud, name);
                }
                let need = dsenv_prices::need::Need::default();
                let _ = dsenv_prices::place::place(&book, *cloud, region, &need);
            }
        }
    }
    assert!(refused > bytes.len() / 20, "{refused} of {}", bytes.len());
}

/// Where the whole catalogue is, when it is on this machine.
pub(crate) fn catalogue() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/catalog");
    folder.is_dir().then_some(folder)
}

/// Says that a test did not run.
#[allow(clippy::print_stderr)]
pub(crate) fn skipped() {
    eprintln!("SKIPPED: the catalogue is not on this machine");
}

pub(crate) fn table(folder: &Path, name: &str) -> String {
    let mut text = String::new();
    match File::open(folder.join(name)) {
        Ok(mut file) => file.read_to_string(&mut text),
        Err(_) => {
            let file =
                File::open(folder.join(format!("{name}.gz"))).expect("the table is there, packed");
            flate2::read::GzDecoder::new(file).read_to_string(&mut text)
        }
    }
    .expect("the table is text");
    text
}

#[test]
fn the_book_of_the_program_is_what_the_catalogue_compiles_to() {
    let Some(folder) = catalogue() else { return skipped() };
    let compiled = compile(Tables {
        instances: &mut table(&folder, "instances.csv").as_bytes(),
        compute_prices: &mut table(&folder, "compute_prices.csv").as_bytes(),
        service_prices: &mut table(&folder, "service_prices.csv").as_bytes(),
        spot_interruption: &mut table(&folder, "aws_spot_interruption.csv").as_bytes(),
        published_monthly: &mut table(&folder, "published_monthly.csv").as_bytes(),
    })
    .expect("the catalogue is right");
    assert_eq!(compiled.unused, Vec::<String>::new());
    let digest = Book::open(compiled.bytes).expect("a compiled book is whole").digest();
    assert_eq!(digest, Book::builtin().digest(), "compile the book again (examples/compile.rs)");
}

#[test]
fn the_book_of_the_program_is_whole() {
    Book::builtin().verify().expect("the digest is right, and so is every row");
}
