//! Reads the files beside a blueprint that say how it is used and what its owner pays.
//!
//! Text goes in, with its name in a [`Source`]; a value comes out beside every mistake in it, each with its
//! line, and the nearest valid name where one is known. Nothing here opens a file.

mod rates;
mod usage;

pub use rates::{Around, rates};
pub use usage::{Use, usage};

use crate::diag::{Code, Diagnostic, Findings, Source, Span, suggest};
use crate::yaml::{self, Map, Node};

/// What is wrong, gathered while a file is read.
struct Reader {
    findings: Findings,
}

impl Reader {
    /// Parses the text; `None` for what is no YAML at all, and for what says nothing.
    fn parse(source: &Source) -> (Reader, Option<Node>) {
        let (node, findings) = yaml::parse(source);
        // A blueprint must say something; these files need not.
        let says_nothing = findings.iter().all(|found| found.code == Code::E0006);
        match node {
            None if says_nothing => (Reader { findings: Findings::new() }, None),
            node => (Reader { findings }, node),
        }
    }

    fn wrong(&mut self, span: Span, message: impl Into<String>) {
        self.findings.push(Diagnostic::error(Code::E1002, message).at(span));
    }

    /// The mapping that must stand here, its keys checked.
    fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<&'n Map> {
        let map = self.map(node, what)?;
        for entry in map.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let message = format!("{what} has no `{}`", entry.key);
            let near = suggest(&entry.key, known.iter().copied());
            let unknown = Diagnostic::error(Code::E1002, message).at(entry.key_span);
            self.findings.push(match near {
                Some(_) => unknown.did_you_mean(near),
                None => unknown.help(format!("known are {}", crate::blueprint::listed(known))),
            });
        }
        Some(map)
    }

    /// The mapping that must stand here, with any keys.
    fn map<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n Map> {
        let map = node.as_map();
        if map.is_none() {
            let found = node.kind_name();
            self.wrong(node.span, format!("{what} is a mapping, not {found}"));
        }
        map
    }

    /// The text of a key, or what is wrong.
    fn text<'n>(&mut self, map: &'n Map, key: &str) -> Option<&'n str> {
        let node = map.value(key)?;
        let text = node.scalar_text().filter(|text| !text.is_empty());
        if text.is_none() {
            self.wrong(node.span, format!("`{key}` is a text, not {}", node.kind_name()));
        }
        text
    }

    /// A key that is read by a function; `valid` says what could stand there.
    fn read<T>(
        &mut self,
        map: &Map,
        key: &str,
        valid: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let node = map.value(key)?;
        let found = node.scalar_text().and_then(read);
        if found.is_none() {
            let shown = node.scalar_text().map_or_else(|| node.kind_name().to_owned(), quoted);
            self.wrong(node.span, format!("`{key}`: expected {valid}, found {shown}"));
        }
        found
    }

    /// The same of a key that must be there.
    fn must<T>(
        &mut self,
        map: &Map,
        whole: Span,
        key: &str,
        valid: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        if map.get(key).is_none() {
            self.wrong(whole, format!("`{key}` is missing: {valid}"));
            return None;
        }
        self.read(map, key, valid, read)
    }
}

fn quoted(text: &str) -> String {
    format!("`{text}`")
}
