//! The `dsenv` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    // The local provider's supervisor is this same program under a hidden verb.
    if let Some(code) = dsenv_local::entry(&arguments) {
        return code;
    }
    ExitCode::from(dsenv::cli::run(arguments).code())
}
