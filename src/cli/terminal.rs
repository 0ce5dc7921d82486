//! The terminal: the only place that writes to it and asks at it.
//!
//! stdout is the answer, stderr the rest. A closed pipe is not an error: whoever read has what they
//! wanted.

use super::Exit;
use std::io::{self, IsTerminal, Write};

/// Writes to stdout.
pub(super) fn out(text: &str) {
    write(&mut io::stdout().lock(), text);
}

/// Writes to stderr.
pub(super) fn err(text: &str) {
    write(&mut io::stderr().lock(), text);
}

fn write(stream: &mut dyn Write, text: &str) {
    // A reader that has gone away has what it wanted; any other failure to print cannot be printed.
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// Says whether stdout is a terminal.
pub(super) fn out_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Says whether stderr is a terminal.
pub(super) fn err_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Says whether somebody can be asked.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks; only `yes` is yes.
pub(super) fn ask(question: &str) -> bool {
    err(&format!("{question} Only `yes` goes on: "));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}

/// Ends the process at once, whatever it is at.
pub(super) fn end(exit: Exit) -> ! {
    #[allow(clippy::disallowed_methods)] // Somebody asked three times.
    std::process::exit(i32::from(exit.code()))
}

/// Prints what the argument parser has to say.
pub(super) fn usage(error: &clap::Error) -> Exit {
    if error.use_stderr() {
        err(&error.render().to_string());
        Exit::Usage
    } else {
        out(&error.render().to_string());
        Exit::Done
    }
}
