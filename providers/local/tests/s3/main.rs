//! The S3 endpoint as its clients meet it: real boto3 and the real aws CLI against a real server.
//!
//! What a client does and expects stands in `clients/*.py`, one function a behaviour; each test here
//! runs one of those files against an endpoint of its own. The rest is what only the owner sees:
//! restarts, crashes, keys that change.

#![allow(missing_docs, clippy::print_stdout, reason = "a test binary: its stdout is its report")]

mod crash;
mod python;
mod server;

use dsenv_local::s3::{Key, Right, Store};
use server::Server;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Returns a script of `clients/`, set up to run against `address`, or `None` if Python is missing.
fn client(script: &str, address: SocketAddr) -> Option<Command> {
    let python = match python::interpreter() {
        Ok(python) => python,
        Err(missing) => {
            python::skipped(&missing);
            return None;
        }
    };
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/s3/clients");
    let mut command = Command::new(python);
    command
        .arg("-B")
        .arg(scripts.join(script))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("NO_PROXY", "*")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("S3_ENDPOINT", format!("http://{address}"));
    Some(command)
}

/// Runs a script's functions against a fresh endpoint. Every one must pass.
fn check(script: &str) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(dir.path());
    let Some(mut command) = client(script, server.address) else { return };
    pass(&mut command);
}

fn pass(command: &mut Command) {
    let output = command.output().expect("the script starts");
    let shown = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&shown));
}

#[test]
fn boto3_puts_reads_and_deletes_objects() {
    check("objects.py");
}

#[test]
fn boto3_stores_any_key() {
    check("names.py");
}

#[test]
fn boto3_keeps_versions() {
    check("versions.py");
}

#[test]
fn boto3_uploads_in_parts() {
    check("uploads.py");
}

#[test]
fn boto3_writes_conditionally() {
    check("conditions.py");
}

#[test]
fn boto3_reaches_only_what_its_key_may() {
    check("access.py");
}

#[test]
fn presigned_urls_and_forms_work_without_a_client() {
    check("presigned.py");
}

#[test]
fn the_aws_cli_syncs_a_folder() {
    check("cli.py");
}

#[test]
fn what_was_stored_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for step in ["store", "find"] {
        let server = Server::start(dir.path());
        let Some(mut command) = client("restart.py", server.address) else { return };
        pass(command.arg(step));
    }
}

#[test]
fn a_key_that_is_taken_away_ends_at_once() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(dir.path());
    let Some(mut allowed) = client("rotated.py", server.address) else { return };
    pass(allowed.arg("allowed"));
    server.keys.remove("WRITER");
    let Some(mut refused) = client("rotated.py", server.address) else { return };
    pass(refused.arg("refused"));
    let rights = BTreeMap::from([("lake".to_owned(), Right::ReadWrite)]);
    server.keys.insert("WRITER", Key::new("another-secret", rights));
    let Some(mut refused) = client("rotated.py", server.address) else { return };
    pass(refused.arg("mismatched"));
}

#[test]
fn a_client_that_leaves_in_the_middle_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(dir.path());
    let Some(mut command) = client("unfinished.py", server.address) else { return };
    let mut put = command.stdout(Stdio::piped()).spawn().expect("the script starts");
    let mut started = String::new();
    let mut stdout = BufReader::new(put.stdout.take().expect("stdout is piped"));
    stdout.read_line(&mut started).expect("the script prints text");
    assert_eq!(started, "half sent\n");
    let drafts = dir.path().join("tmp");
    eventually("the put reaches the disk", || files_under(&drafts).len() == 1);
    put.kill().expect("the script was running");
    put.wait().expect("the script is a child");
    // The server learns of it from the network, in its own time.
    eventually("the draft is deleted", || files_under(&drafts).is_empty());
    let facts =
        server.store.bucket("lake").expect("the index answers").expect("the bucket is there");
    assert_eq!((facts.objects, facts.bytes), (0, 0));
}

#[test]
fn no_secret_is_in_the_folder() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(dir.path());
    let Some(mut command) = client("restart.py", server.address) else { return };
    pass(command.arg("store"));
    drop(server);
    let files = files_under(dir.path());
    assert!(files.len() > 2, "the index, the lock and a blob: {files:?}");
    for file in files {
        let bytes = std::fs::read(&file).expect("the file is readable");
        let secret = b"writer-secret";
        assert!(!bytes.windows(secret.len()).any(|part| part == secret), "in {}", file.display());
    }
}

#[test]
fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(dir.path());
    let second = Store::open(dir.path()).err().expect("the folder is taken");
    assert!(second.to_string().starts_with("another process has the store in "), "{second}");
    drop(server);
    Store::open(dir.path()).expect("the folder is free again");
}

#[test]
fn an_address_beyond_loopback_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (store, keys) = server::prepare(dir.path());
    let listener = std::net::TcpListener::bind("0.0.0.0:0").expect("a free port");
    let ran = std::thread::spawn(move || server::run(listener, store, keys, async {})).join();
    let panic = ran.expect_err("it must not serve");
    let message = panic.downcast_ref::<String>().expect("the assertion has a message");
    assert!(message.contains("listens on loopback only"), "{message}");
}

/// Looks again until the condition holds, and fails if it does not within ten seconds.
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let held = (0..1000).any(|_| {
        holds() || {
            std::thread::park_timeout(Duration::from_millis(10));
            false
        }
    });
    assert!(held, "{what}");
}

fn files_under(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).expect("the folder is readable");
    let paths = entries.map(|entry| entry.expect("the folder is readable").path());
    paths.flat_map(|path| if path.is_dir() { files_under(&path) } else { vec![path] }).collect()
}
