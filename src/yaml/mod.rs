//! YAML text becomes a tree with a span on every node; and `fmt`, which tidies the text.
//!
//! [`decode`] turns the bytes of a file into a `Source`, [`parse`] a source into a [`Node`], both
//! beside all that they found wrong. The tree knows what was written, not what was meant: `18` is a
//! whole number and `"18"` text, and what a field accepts is for the schema, several layers up.
//!
//! Nothing here opens a file or knows what a blueprint is, and no input, however hostile, costs
//! more time or memory than the limits below allow.
//!
//! 10,000 resources (0.7 MB) take about 50 ms to read on one core, of which the parser has three
//! quarters; the time is linear in the text, and `reading_is_linear` counts the work.
//!
//! ## Why
//! - The tree is built from the events of granit-parser and not by serde: serde stops at the first
//!   mistake and loses positions, and a compiler that reports one mistake at a time wastes an
//!   afternoon.
//! - YAML 1.2, core schema: `yes`, `no`, `on` and `off` are text. So are `1:30` and dates.
//! - Aliases share their anchor's value (`Arc`), so an alias costs one node whatever it stands for;
//!   what they expand to is counted all the same, because later layers walk the expansion.

mod expression;
mod fmt;
mod node;
mod parse;
mod scalar;
mod syntax;

pub use fmt::fmt;
pub use node::{Entry, Map, Node, NodeKind, Style};
pub use parse::parse;

use crate::diag::{Code, Diagnostic, Findings, Source, Span};

/// The largest file that is read: the reader checks the length before it reads the rest.
pub const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How many values a file may hold, keys not counted: 10,000 resources of fifty.
pub const NODES_MAX: usize = 500_000;

/// How deep lists and mappings may nest. Recursion over the tree is bounded by it.
pub const DEPTH_MAX: usize = 64;

/// How many values all aliases and merges together may stand for.
pub const ALIAS_NODES_MAX: usize = 250_000;

/// How many bytes of text and keys all aliases and merges together may stand for.
pub const ALIAS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Refuses a file by its length alone.
///
/// Call it with the length from the directory before reading, and again (as [`decode`] does) with
/// what was read: a file may grow, and a pipe has no length.
pub fn check_length(bytes: u64) -> Result<(), Diagnostic> {
    if bytes <= FILE_BYTES_MAX {
        return Ok(());
    }
    const MIB: u64 = 1024 * 1024;
    let message = format!(
        "it has {} MiB; a blueprint may have {}",
        bytes.div_ceil(MIB),
        FILE_BYTES_MAX / MIB
    );
    Err(Diagnostic::error(Code::E0001, message)
        .help("replace repeated resources by one with `for_each`, and keep data in a bucket"))
}

/// Turns the bytes of a file into a source; a byte-order mark at the start is dropped.
///
/// Too many bytes, or bytes that are not UTF-8, give an empty source and an error; the source still
/// carries the name, so that the error can be rendered.
pub fn decode(name: &str, bytes: &[u8]) -> (Source, Findings) {
    if let Err(too_large) = check_length(bytes.len() as u64) {
        return (Source::new(name, ""), too_large.into());
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            (Source::new(name, text), Findings::new())
        }
        Err(error) => {
            let valid = &bytes[..error.valid_up_to()];
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            let message =
                format!("byte {:#04x} on line {line} is not part of UTF-8", bytes[valid.len()]);
            let diagnostic = Diagnostic::error(Code::E0002, message).help("save the file as UTF-8");
            (Source::new(name, ""), diagnostic.into())
        }
    }
}

/// The span that stands for "the file ends here".
fn end_of(source: &Source) -> Span {
    Span::at(source.text().trim_end().len())
}

#[cfg(test)]
mod tests;
