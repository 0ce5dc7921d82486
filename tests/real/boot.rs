//! What runs on a machine of a cloud has tests of its own, in its own language: this runs them, so that
//! one command runs all of them.

use crate::place::skipped;
use std::path::Path;
use std::process::Command;

/// How `tests/boot/run.py` says that something cannot be had here.
const CANNOT_BE_HAD: i32 = 77;

#[test]
fn the_agent_makes_a_machine_what_its_blueprint_says() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let run = Command::new("python3")
        .arg(here.join("tests/boot/run.py"))
        .env("CARGO_TARGET_DIR", target)
        .output();
    let ran = match run {
        Ok(ran) => ran,
        Err(error) => return skipped(&format!("python3 does not run: {error}")),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&ran.stdout), text(&ran.stderr));
    if ran.status.code() == Some(CANNOT_BE_HAD) {
        return skipped(out.trim().trim_start_matches("SKIPPED: "));
    }
    assert!(ran.status.success(), "{out}\n{err}");
}
