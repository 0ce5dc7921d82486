//! What differs between two values, leaf by leaf; what is the same is left out.
//!
//! A map differs in some of its keys. A list differs between the items that it begins and ends with
//! alike: an item put in front is one new line, not a change of every item.

use crate::plan::wire::path_text;
use crate::report::words;
use dsenv_sdk::value::Map;
use dsenv_sdk::{Term, Value};
use std::collections::{BTreeMap, BTreeSet};

/// How many pairs of items are compared; lists that differ in more are only counted.
const COMPARISONS_MAX: usize = 1_000_000;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Where, from the argument on.
    pub(super) path: String,
    /// What.
    pub(super) what: What,
}

/// What is different, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It is there now.
    Added(String),
    /// It was there.
    Removed(String),
    /// It was the first and is the second.
    Changed(String, String),
}

/// Either side of a comparison.
#[derive(Clone, Copy)]
enum Side<'a> {
    Absent,
    Value(&'a Value),
    Hole(&'a Term),
}

impl<'a> Side<'a> {
    fn term(term: &'a Term) -> Side<'a> {
        match term {
            Term::Known(value) => Side::value(value),
            open => Side::Hole(open),
        }
    }

    fn value(value: &'a Value) -> Side<'a> {
        match value {
            Value::Null => Side::Absent,
            value => Side::Value(value),
        }
    }

    fn entries(self) -> Option<BTreeMap<&'a str, Side<'a>>> {
        match self {
            Side::Value(Value::Map(map)) => {
                Some(map.iter().map(|(key, value)| (key.as_str(), Side::value(value))).collect())
            }
            Side::Hole(Term::Map(map)) => {
                Some(map.iter().map(|(key, term)| (key.as_str(), Side::term(term))).collect())
            }
            _ => None,
        }
    }

    fn items(self) -> Option<Vec<Side<'a>>> {
        match self {
            Side::Value(Value::List(items)) => Some(items.iter().map(Side::value).collect()),
            Side::Hole(Term::List(items)) => Some(items.iter().map(Side::term).collect()),
            _ => None,
        }
    }

    fn same(self, other: Side<'_>) -> bool {
        match (self, other) {
            (Side::Absent, Side::Absent) => true,
            (Side::Value(a), Side::Value(b)) => a == b,
            _ => false,
        }
    }

    /// On one line.
    fn text(self, from: usize, max: usize) -> String {
        match self {
            Side::Absent => "(nothing)".to_owned(),
            Side::Value(Value::Text(text)) => words::quoted(text, from, max),
            Side::Value(value) => words::value(value, max),
            Side::Hole(Term::NotLocked(_)) => "(not locked)".to_owned(),
            Side::Hole(_) => "(known after apply)".to_owned(),
        }
    }
}

/// Compares what was with what is asked for. `text_max` is how many characters of a value are shown.
pub(super) fn leaves(before: &Map, after: &BTreeMap<String, Term>, text_max: usize) -> Vec<Leaf> {
    let mut leaves = Leaves { path: Vec::new(), text_max, found: Vec::new() };
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let old = before.get(name).map_or(Side::Absent, Side::value);
        let new = after.get(name).map_or(Side::Absent, Side::term);
        leaves.at(name, |leaves| leaves.compare(old, new));
    }
    leaves.found
}

/// Compares two values of one argument.
pub(super) fn of_values(name: &str, before: &Value, after: &Value, text_max: usize) -> Vec<Leaf> {
    let mut leaves = Leaves { path: vec![name.to_owned()], text_max, found: Vec::new() };
    leaves.compare(Side::value(before), Side::value(after));
    leaves.found
}

struct Leaves {
    path: Vec<String>,
    text_max: usize,
    found: Vec<Leaf>,
}

impl Leaves {
    fn at(&mut self, step: &str, run: impl FnOnce(&mut Leaves)) {
        self.path.push(step.to_owned());
        run(self);
        self.path.pop();
    }

    fn push(&mut self, what: What) {
        self.found.push(Leaf { path: path_text(&self.path), what });
    }

    fn compare(&mut self, before: Side<'_>, after: Side<'_>) {
        if before.same(after) {
            return;
        }
        match (before, after) {
            (Side::Absent, after) => return self.added(after),
            (before, Side::Absent) => {
                return self.push(What::Removed(before.text(0, self.text_max)));
            }
            _ => {}
        }
        if let (Some(before), Some(after)) = (before.entries(), after.entries()) {
            let keys: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
            for key in keys {
                let old = before.get(key).copied().unwrap_or(Side::Absent);
                let new = after.get(key).copied().unwrap_or(Side::Absent);
                self.at(key, |leaves| leaves.compare(old, new));
            }
            return;
        }
        if let (Some(before), Some(after)) = (before.items(), after.items()) {
            return self.compare_lists(&before, &after);
        }
        self.push(changed(before, after, self.text_max));
    }

    fn compare_lists(&mut self, before: &[Side<'_>], after: &[Side<'_>]) {
        let pairs = before.iter().zip(after);
        let start = pairs.take_while(|(a, b)| a.same(**b)).count();
        let (before, after) = (&before[start..], &after[start..]);
        let pairs = before.iter().rev().zip(after.iter().rev());
        let end = pairs.take_while(|(a, b)| a.same(**b)).count();
        let (before, after) = (&before[..before.len() - end], &after[..after.len() - end]);
        let mut told = self.removed_and_added(before, after);
        let is_moved = told.is_empty();
        if before.len() == after.len() && (is_moved || told.len() >= before.len()) {
            for (at, (old, new)) in before.iter().zip(after).enumerate() {
                self.at(&format!("[{}]", start + at), |leaves| leaves.compare(*old, *new));
            }
            return;
        }
        if is_moved {
            // The same items, and not as often.
            let text = |items: &[Side<'_>]| words::count(items.len(), "item");
            told.push(What::Changed(text(before), text(after)));
        }
        told.into_iter().for_each(|what| self.push(what));
    }

    /// Items of one list that are not in the other, wherever they stand.
    fn removed_and_added(&self, before: &[Side<'_>], after: &[Side<'_>]) -> Vec<What> {
        if before.len().saturating_mul(after.len()) > COMPARISONS_MAX {
            let text = |items: &[Side<'_>]| words::count(items.len(), "item");
            return vec![What::Changed(text(before), text(after))];
        }
        let is_in = |items: &[Side<'_>], item: &Side<'_>| items.iter().any(|i| i.same(*item));
        let removed = before.iter().filter(|old| !is_in(after, old));
        let added = after.iter().filter(|new| !is_in(before, new));
        let text = |side: &Side<'_>| side.text(0, self.text_max);
        let removed = removed.map(|old| What::Removed(text(old)));
        removed.chain(added.map(|new| What::Added(text(new)))).collect()
    }

    /// Something new: maps leaf by leaf, lists on one line unless their items are maps.
    fn added(&mut self, after: Side<'_>) {
        if let Some(entries) = after.entries().filter(|entries| !entries.is_empty()) {
            for (key, side) in entries {
                if !matches!(side, Side::Absent) {
                    self.at(key, |leaves| leaves.added(side));
                }
            }
            return;
        }
        if let Some(items) = after.items() {
            let is_deep =
                |side: &Side<'_>| side.entries().is_some() || matches!(side, Side::Hole(_));
            if items.iter().any(is_deep) {
                for (at, side) in items.into_iter().enumerate() {
                    self.at(&format!("[{at}]"), |leaves| leaves.added(side));
                }
                return;
            }
        }
        self.push(What::Added(after.text(0, self.text_max)));
    }
}

/// Two long texts are shown from a little before the place where they begin to differ.
fn changed(before: Side<'_>, after: Side<'_>, text_max: usize) -> What {
    const CONTEXT: usize = 12;
    let mut from = 0;
    if let (Side::Value(Value::Text(a)), Side::Value(Value::Text(b))) = (before, after) {
        let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
        from = same.saturating_sub(CONTEXT);
    }
    let old = before.text(from, text_max);
    let new = match (before, after) {
        (Side::Value(Value::Secret(_)), Side::Value(Value::Secret(_))) => {
            "(another secret)".to_owned()
        }
        _ => after.text(from, text_max),
    };
    What::Changed(old, new)
}
