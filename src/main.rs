//! The `dsenv` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    // The local provider's supervisor is this same program under a hidden verb.
    if let Some(code) = dsenv_local::entry(&arguments) {
        return code;
    }
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("This is a bug in dsenv. {panic}");
        eprintln!("The journal beside the state holds what was begun; the next command finds it.");
    }));
    match std::panic::catch_unwind(|| dsenv::cli::run(arguments)) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(_) => ExitCode::from(70),
    }
}
