//! Newer prices: the program asks a server on loopback that has the vendors' lists in their documented shapes,
//! with their pages, and is as slow, busy and unreliable as they are.

#![allow(clippy::disallowed_methods, reason = "these tests wait for a process")]

mod server;
mod shapes;

use crate::place::{Place, Ran, start, wait};
use crate::prices::shop;
use server::{Answer, Asked, Server};
use shapes::{AZURE_PAGE, Lists};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const KEY: &str = "a-key-that-nobody-may-see";

fn place() -> Place {
    // A proxy of whoever runs the tests has no say on loopback.
    shop().with_variable("NO_PROXY", "127.0.0.1".to_owned())
}

fn book(place: &Place) -> PathBuf {
    place.path("cache/dsenv/prices/prices.book")
}

/// Fetches the lists of one region of a vendor.
fn update(place: &Place, server: &Server, provider: &str, region: &str, more: &[&str]) -> Ran {
    let url = server.url();
    let arguments =
        ["catalog", "update", "--provider", provider, "--region", region, "--from", &url];
    place.run(&[&arguments[..], more].concat())
}

#[test]
fn a_fetched_book_is_used_from_then_on() {
    let place = place().with_variable("GOOGLE_API_KEY", KEY.to_owned());
    let lists = Lists::new();
    let server = Server::start(move |asked| lists.answer(asked));
    let search = |more: &[&str]| {
        let one = ["catalog", "search", "--type", "m7i.large", "--region", "us-east-1"];
        place.json(&[&one[..], more].concat())["offers"][0].clone()
    };
    assert_ne!(search(&[])["source"], "aws-price-list");

    let ran = update(&place, &server, "aws", "us-east-1", &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let report: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(report["format"], "dsenv-catalog-update/1");
    assert!(report["figures"]["aws"].as_u64() > Some(500), "{report:#}");
    assert_eq!((&report["gone"], &report["leaps"]), (&0.into(), &0.into()), "{report:#}");
    let spot = &report["skipped"][0];
    assert_eq!(spot["what"], "spot prices of aws", "{report:#}");
    assert!(spot["why"].as_str().expect("a text").contains("credentials"));

    let offer = search(&[]);
    assert_eq!(
        (&offer["source"], &offer["as_of"]),
        (&"aws-price-list".into(), &"2026-11-25".into())
    );
    assert_eq!(offer["hourly"], "0.2016", "twice what it was");
    assert_eq!(search(&["--builtin"])["hourly"], "0.1008");
    let cost = place.json(&["cost", "-e", "prod"]);
    assert!(cost["price_book"]["from"].as_str().expect("a text").ends_with("prices.book"));
    assert_eq!(cost["price_book"]["digest"], report["price_book"]["digest"]);
    let text = place.ok(&["cost", "-e", "prod"]).out;
    assert!(text.contains("cache/dsenv/prices/prices.book"), "{text}");

    // A class of databases that the book of the program has no price of.
    place.write(
        "db.yaml",
        "blueprint: db
resources:
  net: {kind: network, cidr: 10.1.0.0/16, nat: none}
  features: {kind: database, engine: postgres, version: \"18\", type: db.m7i.large}
environments:
  prod: {provider: aws, region: us-east-1}
",
    );
    let missing =
        |more: &[&str]| place.json(&[&["cost", "-f", "db.yaml"], more].concat())["missing"].clone();
    assert_eq!(missing(&["--builtin"])[0]["name"], "server");
    assert_eq!(missing(&[]), serde_json::json!([]));

    for (provider, region, ty) in
        [("azure", "westeurope", "Standard_D2s_v5"), ("gcp", "us-central1", "n2-standard-4")]
    {
        let ran = update(&place, &server, provider, region, &[]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let one = ["catalog", "search", "--provider", provider, "--region", region, "--type", ty];
        let offer = place.json(&one)["offers"][0].clone();
        assert!(offer["source"].as_str().is_some_and(|it| it.starts_with(provider)), "{offer}");
    }
    assert_eq!(search(&[])["hourly"], "0.2016", "each update keeps what the others fetched");
    let asked = server.asked();
    let pages = asked.iter().filter(|it| it.path.starts_with("/api/retail/prices")).count();
    assert!(pages > 1, "{pages}");
    let google: Vec<&Asked> = asked.iter().filter(|it| it.path.starts_with("/v1/")).collect();
    assert_eq!(google.len(), 2);
    for page in google {
        assert_eq!(page.header("x-goog-api-key"), Some(KEY));
        assert!(!page.path.contains(KEY), "it stands in no address: {}", page.path);
    }
    let folder = place.path("cache/dsenv/prices/prices.partial");
    assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), 0, "nothing is left of it");
}

#[test]
fn without_a_key_google_is_passed_over_and_with_a_wrong_one_it_is_not_shown() {
    let place = place();
    let server = Server::start(|_| Answer::status(403, "API key not valid"));
    let ran = update(&place, &server, "gcp", "us-central1", &[]);
    assert_eq!(ran.code, 1);
    ran.says(&["error[E1005]", "GOOGLE_API_KEY is not set"]);
    assert!(server.asked().is_empty());
    let place = place.with_variable("GOOGLE_API_KEY", KEY.to_owned());
    let ran = update(&place, &server, "gcp", "us-central1", &[]);
    ran.says(&["error[E1005]", "the server answers 403: API key not valid"]);
    assert!(!format!("{}{}", ran.out, ran.err).contains(KEY), "{}", ran.err);
    assert_eq!(server.asked().len(), 1, "a refusal is not asked again");
    assert!(!book(&place).exists());
}

#[test]
fn what_is_busy_or_cut_is_asked_again() {
    let place = place();
    let (lists, count) = (Lists::new(), AtomicUsize::new(0));
    let server = Server::start(move |asked| {
        let answer = lists.answer(asked);
        match count.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::status(429, "slow down").with("retry-after", "3"),
            1 => Answer { cut: Some(answer.body.len() / 2), ..answer },
            3 => Answer::status(503, ""),
            _ => answer,
        }
    });
    let ran = update(&place, &server, "azure", "westeurope", &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.says(&["the server answers 429; again in 3 s", "again in", "answers 503"]);
    assert!(ran.took >= Duration::from_secs(3), "{:?}", ran.took);
    assert!(book(&place).exists());
}

/// Waits until a download has so many bytes.
fn wait_for(place: &Place, bytes: u64) {
    for _ in 0..2_000 {
        let folder = std::fs::read_dir(place.path("cache/dsenv/prices/prices.partial"));
        let files = folder.into_iter().flatten().flatten();
        let mut downloads =
            files.filter(|it| it.path().extension().is_some_and(|e| e == "download"));
        if downloads.any(|it| it.metadata().is_ok_and(|it| it.len() >= bytes)) {
            return;
        }
        wait(Duration::from_millis(5));
    }
    panic!("the download does not come that far");
}

/// Stops a run in the middle of the table of EC2, with `kill -9`.
fn kill_in_the_middle(place: &Place, server: &Server, bytes: u64) {
    let mut command = place.command();
    command.args(["catalog", "update", "--provider", "aws", "--region", "us-east-1"]);
    command.args(["--from", &server.url()]);
    let mut running = start(command);
    wait_for(place, bytes);
    running.child.kill().expect("it runs");
    running.end();
    assert!(!book(place).exists(), "a book that is not whole is no book");
}

#[test]
fn a_download_that_was_killed_goes_on_where_it_was() {
    let place = place();
    let (lists, tables) = (Lists::new(), AtomicUsize::new(0));
    const FIRST: usize = 100_000;
    let server = Server::start(move |asked| {
        let answer = lists.answer(asked);
        let is_table = asked.path.contains("AmazonEC2") && asked.path.ends_with(".csv");
        match is_table && tables.fetch_add(1, Ordering::SeqCst) == 0 {
            true => Answer { stall: Some(FIRST), ..answer },
            false => answer,
        }
    });
    kill_in_the_middle(&place, &server, FIRST as u64);
    let ran = update(&place, &server, "aws", "us-east-1", &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let asked = server.asked();
    let tables = asked.iter().filter(|it| it.path.contains("EC2") && it.path.ends_with(".csv"));
    let ranges: Vec<_> = tables.map(|it| (it.header("range"), it.header("if-range"))).collect();
    assert_eq!(ranges, [(None, None), (Some("bytes=100000-"), Some("\"one\""))]);
    let one = ["catalog", "search", "--type", "m7i.large", "--region", "us-east-1"];
    assert_eq!(place.json(&one)["offers"][0]["hourly"], "0.2016");
}

#[test]
fn a_file_that_became_another_one_is_fetched_from_its_beginning() {
    let whole = place();
    let lists = Lists::new();
    let server = Server::start(move |asked| lists.answer(asked));
    assert_eq!(update(&whole, &server, "aws", "us-east-1", &[]).code, 0);

    let place = place();
    let (old, new, tables) =
        (Lists { times: 3, ..Lists::new() }, Lists::new(), AtomicUsize::new(0));
    let server = Server::start(move |asked| {
        let is_table = asked.path.contains("AmazonEC2") && asked.path.ends_with(".csv");
        match is_table && tables.fetch_add(1, Ordering::SeqCst) == 0 {
            true => Answer { stall: Some(50_000), ..old.answer_as(asked, "\"before\"") },
            false => new.answer_as(asked, "\"after\""),
        }
    });
    kill_in_the_middle(&place, &server, 50_000);
    let ran = update(&place, &server, "aws", "us-east-1", &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let bytes = |place: &Place| std::fs::read(book(place)).expect("a book");
    assert!(bytes(&place) == bytes(&whole), "no row is of the file before");
}

#[test]
fn pages_that_were_fetched_are_not_fetched_again() {
    let place = place();
    let (lists, count) = (Lists::new(), AtomicUsize::new(0));
    let server = Server::start(move |asked| match count.fetch_add(1, Ordering::SeqCst) {
        2 => Answer::status(200, "{\"Items\": [{\"half\": "),
        _ => lists.answer(asked),
    });
    let ran = update(&place, &server, "azure", "westeurope", &[]);
    assert_eq!(ran.code, 1);
    ran.says(&["error[E1005]", "not the documented JSON"]);
    let ran = update(&place, &server, "azure", "westeurope", &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let asked = server.asked();
    let firsts = asked.iter().filter(|it| !it.path.contains("skip=")).count();
    assert_eq!(firsts, 1, "the first page was kept");
    let second = format!("skip={AZURE_PAGE}");
    assert_eq!(asked.iter().filter(|it| it.path.ends_with(&second)).count(), 1);
}

#[test]
fn a_list_that_is_no_json_is_refused_and_nothing_is_replaced() {
    let place = place();
    let lists = Lists::new();
    let good = Server::start(move |asked| lists.answer(asked));
    assert_eq!(update(&place, &good, "azure", "westeurope", &[]).code, 0);
    let before = std::fs::read(book(&place)).expect("a book");
    for (body, why) in [
        ("<html>maintenance</html>", "not the documented JSON"),
        ("{\"error\": {\"code\": 1}}", "missing field `Items`"),
    ] {
        let server = Server::start(move |_| Answer::status(200, body));
        let ran = update(&place, &server, "azure", "westeurope", &[]);
        assert_eq!(ran.code, 1, "{}", ran.err);
        ran.says(&["error[E1005]", why]);
        let server = Server::start(move |_| Answer::status(200, body));
        let ran = update(&place, &server, "aws", "us-east-1", &[]);
        ran.says(&["error[E1005]", "not the documented JSON"]);
    }
    let elsewhere = "{\"Items\": [], \"NextPageLink\": \"https://evil.example/api/retail/prices\"}";
    let server = Server::start(move |_| Answer::status(200, elsewhere));
    let ran = update(&place, &server, "azure", "westeurope", &[]);
    ran.says(&["error[E1005]", "the next page is elsewhere: `https://evil.example/"]);
    assert_eq!(std::fs::read(book(&place)).expect("a book"), before);
}

#[test]
fn prices_that_differ_too_much_are_refused_without_force() {
    let place = place();
    let few = Lists { every: 2, ..Lists::new() };
    let server = Server::start(move |asked| few.answer(asked));
    let ran = update(&place, &server, "aws", "us-east-1", &[]);
    assert_eq!(ran.code, 1);
    ran.says(&["error[E1006]", "are gone and 0 changed tenfold", "is gone", "--force"]);
    assert!(!book(&place).exists());
    let ran = update(&place, &server, "aws", "us-east-1", &["--force"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let tables = server.asked().iter().filter(|it| it.path.ends_with(".csv")).count();
    assert_eq!(tables, 5, "what was fetched is not fetched again");

    let dear = Lists { times: 20, ..Lists::new() };
    let server = Server::start(move |asked| dear.answer(asked));
    let ran = update(&place, &server, "azure", "westeurope", &[]);
    ran.says(&["error[E1006]", "0 are gone", "changed tenfold", "->"]);
}

#[test]
fn one_update_at_a_time() {
    let place = place();
    let lists = Lists::new();
    let server = Server::start(move |asked| {
        let answer = lists.answer(asked);
        match asked.path.ends_with(".csv") {
            true => Answer { stall: Some(10_000), ..answer },
            false => answer,
        }
    });
    let mut command = place.command();
    command.args(["catalog", "update", "--provider", "aws", "--region", "us-east-1"]);
    command.args(["--from", &server.url()]);
    let mut running = start(command);
    wait_for(&place, 10_000);
    let ran = update(&place, &server, "azure", "westeurope", &[]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    ran.says(&["another"]);
    running.child.kill().expect("it runs");
    running.end();
}
