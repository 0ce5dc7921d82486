//! What is left when the process is killed: an answered write, whole, and nothing else.
//!
//! The killed server is this test binary again, told by an environment variable to serve. It is
//! killed by the `Child` that started it.

use super::{client, eventually, pass, server};
use dsenv_local::s3::{BucketFacts, Store};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SERVED_FOLDER: &str = "DSENV_TEST_S3_FOLDER";

const LISTENING: &str = "listening on ";

/// Serves for ever if this process was started by [`doomed`]. Returns at once in the real test.
fn serve_if_doomed() {
    #[allow(clippy::disallowed_methods, reason = "how the test tells its other half what it is")]
    let Ok(dir) = std::env::var(SERVED_FOLDER) else { return };
    let (store, keys) = server::prepare(Path::new(&dir));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    println!("\n{LISTENING}{}", listener.local_addr().expect("a bound listener has an address"));
    server::run(listener, store, keys, std::future::pending());
}

/// A server in a process of its own, killed when dropped.
struct Doomed {
    process: Child,
    address: SocketAddr,
}

fn doomed(test: &str, dir: &Path) -> Doomed {
    let mut process = Command::new(std::env::current_exe().expect("this binary has a path"))
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(SERVED_FOLDER, dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this binary starts again");
    let stdout = BufReader::new(process.stdout.take().expect("stdout is piped"));
    let mut lines = stdout.lines().map(|line| line.expect("the server prints text"));
    let line = lines.find_map(|line| line.strip_prefix(LISTENING).map(str::to_owned));
    let address = line.expect("the server listens").parse().expect("it prints an address");
    Doomed { process, address }
}

impl Doomed {
    /// Ends the process as `kill -9` does.
    fn kill(mut self) {
        self.process.kill().expect("the server was running");
        self.process.wait().expect("the server is a child");
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("the folder is readable");
    let names = entries.map(|entry| entry.expect("the folder is readable").file_name());
    names.map(|name| name.into_string().expect("names are ours")).collect()
}

fn facts(store: &Store) -> BucketFacts {
    store.bucket("lake").expect("the index answers").expect("the bucket is there")
}

#[test]
fn a_put_that_was_killed_leaves_nothing() {
    serve_if_doomed();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let served = dir.path().join("s3");
    let server = doomed("crash::a_put_that_was_killed_leaves_nothing", &served);
    let Some(mut command) = client("unfinished.py", server.address) else { return };
    let mut put =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the script starts");
    let mut started = String::new();
    let mut stdout = BufReader::new(put.stdout.take().expect("stdout is piped"));
    stdout.read_line(&mut started).expect("the script prints text");
    assert_eq!(started, "half sent\n");
    eventually("the put reaches the disk", || names_in(&served.join("tmp")).len() == 1);
    server.kill();
    let mut said = String::new();
    stdout.read_to_string(&mut said).expect("the script prints text");
    put.wait().expect("the script is a child");
    assert_eq!(said, "failed\n", "the client saw that its put failed");

    let store = Store::open(&served).expect("the store opens after a crash");
    let facts = facts(&store);
    assert_eq!((facts.objects, facts.bytes), (0, 0));
    assert_eq!(names_in(&served.join("tmp")), Vec::<String>::new());
    assert_eq!(names_in(&served.join("blobs")), Vec::<String>::new());
}

#[test]
fn every_answered_put_survives_a_kill() {
    serve_if_doomed();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let served = dir.path().join("s3");
    let server = doomed("crash::every_answered_put_survives_a_kill", &served);
    let Some(mut command) = client("busy.py", server.address) else { return };
    let mut put = command.stdout(Stdio::piped()).spawn().expect("the script starts");
    let mut answered = Vec::new();
    let mut lines = BufReader::new(put.stdout.take().expect("stdout is piped")).lines();
    while answered.len() < 40 {
        answered.push(lines.next().expect("the script goes on").expect("the script prints text"));
    }
    server.kill();
    answered.extend(lines.map(|line| line.expect("the script prints text")));
    put.wait().expect("the script is a child");

    let again = server::Server::start(&served);
    let objects = facts(&again.store).objects;
    assert!(objects >= answered.len() as u64, "{} answered, {objects} there", answered.len());
    assert_eq!(names_in(&served.join("blobs")).len() as u64, objects, "one file an object");
    let Some(mut command) = client("busy.py", again.address) else { return };
    pass(command.args(&answered));
}
