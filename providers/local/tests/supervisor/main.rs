//! The supervisor with real processes: each trap that a prototype fell into is a test.
//!
//! This binary is guard, daemon and shim of the supervisors under test, the commands that use
//! them (`cli`), and the services that they run (`serve`); with none of these verbs it runs the
//! tests. Every test has a folder of its own, and fails when it leaves a process behind.

mod cases;
mod cli;
mod crashes;
mod place;
mod postgres;

use dsenv_local::supervisor::{self, Host, HostedTask, Stop};
use libtest_mimic::{Arguments, Failed, Trial};
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(code) = supervisor::entry(&args, || vec![Arc::new(Listener)]) {
        return code;
    }
    match args.first().and_then(|verb| verb.to_str()) {
        Some("cli") => return cli::command(&args[1..]),
        Some("serve") => return cli::serve(&args[1..]),
        _ => {}
    }
    let mut arguments = Arguments::from_args();
    // Each test runs a dozen processes.
    arguments.test_threads = arguments.test_threads.or(Some(4));
    let trials = cases::ALL
        .iter()
        .chain(crashes::ALL)
        .chain(postgres::ALL)
        .map(|(name, test)| trial(name, *test));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        std::panic::catch_unwind(test).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into()));
            Failed::from(text.unwrap_or_else(|| "panicked".into()))
        })
    })
}

/// A host whose tasks accept connections on the address that is their spec.
struct Listener;

#[async_trait::async_trait]
impl Host for Listener {
    fn kind(&self) -> &'static str {
        "listener"
    }

    async fn run(&self, task: HostedTask, mut stop: Stop) -> Result<(), String> {
        let address = task.spec.expose().split(' ').next().expect("one word");
        let listener =
            tokio::net::TcpListener::bind(address).await.map_err(|error| error.to_string())?;
        loop {
            tokio::select! {
                () = stop.requested() => return Ok(()),
                accepted = listener.accept() => drop(accepted.map_err(|error| error.to_string())?),
            }
        }
    }
}
