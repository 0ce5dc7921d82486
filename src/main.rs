//! The `dsenv` program.

use std::process::ExitCode;

/// A quarter of a plan is the making and dropping of small texts and maps, which the system's
/// allocator does at half the speed. Values that hold secrets clear themselves before they are freed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    // The local provider's supervisor is this same program under a hidden verb.
    if let Some(code) = dsenv_local::entry(&arguments) {
        return code;
    }
    ExitCode::from(dsenv::cli::run(arguments).code())
}
