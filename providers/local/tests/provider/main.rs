//! The provider against the real things: PostgreSQL, the S3 endpoint, venvs, services.
//!
//! This binary is also guard, daemon and shim of the environments under test, and the services that
//! they run (`serve`); with none of these verbs it runs the tests. Every test has a folder of its
//! own, and fails when it leaves a process, a listening port or a file behind.

mod broken;
mod crashes;
mod lifecycles;
mod lowering;
mod place;
mod whole;

use libtest_mimic::{Arguments, Failed, Trial};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(code) = dsenv_local::entry(&args) {
        return code;
    }
    if args.first().is_some_and(|verb| verb == "serve") {
        return serve(&args[1..]);
    }
    let mut arguments = Arguments::from_args();
    // Each test runs a dozen processes.
    arguments.test_threads = arguments.test_threads.or(Some(3));
    let tests = [lowering::ALL, lifecycles::ALL, whole::ALL, crashes::ALL, broken::ALL];
    let trials = tests.into_iter().flatten().map(|(name, test)| trial(name, *test));
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

/// `serve ADDRESS:PORT` answers every request with its own environment.
fn serve(args: &[OsString]) -> ExitCode {
    let address = args[0].to_str().expect("an address");
    let listener = TcpListener::bind(address).expect("a free port");
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let _ = stream.read(&mut [0; 4096]);
        let body: String =
            std::env::vars().map(|(name, value)| format!("{name}={value}\n")).collect();
        let length = body.len();
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
    }
    ExitCode::SUCCESS
}
