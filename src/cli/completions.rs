//! `dsenv completions SHELL`.

use super::{Exit, setting::Setting, terminal};
use clap::Args;
use clap_complete::Shell;

#[derive(Args)]
pub(super) struct Typed {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(_setting: &Setting, typed: &Typed, mut command: clap::Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(typed.shell, &mut command, "dsenv", &mut script);
    terminal::out(&String::from_utf8_lossy(&script));
    Exit::Done
}
