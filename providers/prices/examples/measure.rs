//! How long it takes to open the book, to look a price up, and to place.
//!
//! ```sh
//! cargo run --release -p dsenv-prices --example measure
//! ```

#![allow(clippy::disallowed_methods)] // This measures real time.

use dsenv_prices::need::{GpuNeed, Gpus, Need, parse_count, parse_memory};
use dsenv_prices::place::place;
use dsenv_prices::search::{Query, search};
use dsenv_prices::{Book, Cloud, Driver, Os, Purchase};
use std::hint::black_box;
use std::io::{self, Write};
use std::time::{Duration, Instant};

fn main() -> io::Result<()> {
    let mut out = io::stdout();
    let each = |times: u32, work: &mut dyn FnMut()| -> Duration {
        let start = Instant::now();
        (0..times).for_each(|_| work());
        start.elapsed() / times
    };
    let first = each(1, &mut || drop(black_box(Book::builtin())));
    writeln!(out, "open, the first time: {first:?}")?;
    let open = each(10_000, &mut || drop(black_box(Book::builtin())));
    writeln!(out, "open: {open:?}")?;
    let book = Book::builtin();
    let verify = each(10, &mut || book.verify().expect("it is whole"));
    writeln!(out, "digest and every row: {verify:?}")?;
    let compute = each(100_000, &mut || {
        let (os, purchase) = (Os::Linux, Purchase::OnDemand);
        black_box(book.compute(Cloud::Aws, black_box("eu-west-1"), "m7i.large", os, purchase));
    });
    writeln!(out, "price of an hour: {compute:?}")?;
    let rate = each(100_000, &mut || {
        black_box(book.rate(
            Cloud::Aws,
            black_box("us-east-1"),
            Driver::DiskSpace { class: "gp3" },
        ));
    });
    writeln!(out, "rate of a driver: {rate:?}")?;
    let needs = needs();
    for (cloud, region) in
        [(Cloud::Aws, "us-east-1"), (Cloud::Azure, "westeurope"), (Cloud::Gcp, "us-central1")]
    {
        let start = Instant::now();
        for need in needs.iter().cycle().take(10_000) {
            black_box(place(&book, cloud, region, need));
        }
        writeln!(out, "10,000 placements, {cloud} {region}: {:?}", start.elapsed())?;
    }
    let query = Query::default();
    let listed = search(&book, &query).len();
    let time = each(10, &mut || drop(black_box(search(&book, &query))));
    writeln!(out, "list of all {listed} offers: {time:?}")
}

fn needs() -> Vec<Need> {
    let sized = |cpus, memory| Need {
        cpus: Some(parse_count(cpus).expect("a count")),
        memory_mib: Some(parse_memory(memory).expect("a size")),
        ..Need::default()
    };
    let gpus = ["24GiB+", "A100:8", "T4"].map(|text| Need {
        gpus: Gpus::Ordered(vec![GpuNeed::parse(text).expect("a GPU")]),
        ..Need::default()
    });
    let sizes = [sized("2+", "8GiB+"), sized("16+", "64GiB+"), sized("4", "16GiB")];
    sizes.into_iter().chain(gpus).collect()
}
