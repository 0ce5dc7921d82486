//! How long an estimate takes, and the opening of the price book.
//!
//! `cargo bench --bench estimate` prints a table: a blueprint of so many resources on AWS, half of them
//! machines that are placed by need, half of them buckets, compiled and planned from nothing; then the estimate
//! of the plan alone, the best of five. Nothing is asked over the network and nobody's credentials are used.

#![allow(clippy::print_stdout, clippy::disallowed_methods)] // It measures, and it prints a table.

use dsenv::drive::{Options, Request, Site};
use dsenv::estimate::{Moment, Terms, estimate};
use dsenv::registry::Registry;
use dsenv::world::real::RealWorld;
use dsenv_sdk::prices::Book;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;

fn blueprint(count: usize) -> String {
    let mut text =
        "blueprint: bench\nresources:\n  net: {kind: network, cidr: 10.0.0.0/16}\n".to_owned();
    for at in 0..count / 2 {
        writeln!(text, "  m{at}: {{kind: machine, cpus: 4+, memory: 16GiB+, disk: 50GiB}}")
            .expect("a text grows");
        writeln!(text, "  b{at}: {{kind: bucket, usage: {{stored: 1TiB}}}}").expect("a text grows");
    }
    text + "environments:\n  prod: {provider: aws, region: us-east-1}\n"
}

fn best(mut run: impl FnMut()) -> Duration {
    let once = |_| {
        let begun = Instant::now();
        run();
        begun.elapsed()
    };
    (0..ROUNDS).map(once).min().expect("there are rounds")
}

fn estimate_of(folder: &Path, count: usize) -> Duration {
    let file = folder.join("dsenv.yaml");
    std::fs::write(&file, blueprint(count)).expect("a file of our own");
    let site = Site {
        world: Arc::new(RealWorld::new()),
        file,
        here: folder.to_owned(),
        cache: folder.join("cache"),
        variables: BTreeMap::new(),
        registry: Registry::built_in(),
    };
    let (compiled, _) = site.compile(&Request::default()).expect("it compiles");
    let planned = site.foresee(&compiled, &Options::default()).expect("a plan");
    let (book, front) = (Book::builtin(), &compiled.front);
    let terms = Terms::of(&book);
    best(|| {
        let (plan, resolved) = (&planned.plan, &front.resolved);
        let estimate = estimate(plan, resolved, &*front.provider, &terms, Moment::After);
        assert!(estimate.resources.len() > count, "every resource is in it");
        std::hint::black_box(estimate.total());
    })
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    println!("| what | time |\n|---|---|");
    let opened = best(|| {
        std::hint::black_box(Book::builtin().currency());
    });
    println!("| open the price book | {} |", ms(opened));
    let few = estimate_of(folder.path(), 1_000);
    println!("| estimate 1,000 resources | {} |", ms(few));
    let many = estimate_of(folder.path(), 10_000);
    println!("| estimate 10,000 resources | {} |", ms(many));
    println!(
        "\nTen times the resources take {:.1} times as long.",
        many.as_secs_f64() / few.as_secs_f64()
    );
}
