//! Data with holes: what a field holds before everything is known.
//!
//! The compiler turns each field into a [`Term`]: literal data is [`Term::Known`], `${a.output}`
//! is a [`Term::Ref`], and anything richer is a [`Term::Expr`] that remembers what it refers to.
//! The plan keeps terms as they are, and apply settles them once the referenced attributes exist:
//! so a saved plan holds no guess and no secret that came from a resource.
//!
//! Why not one type with an `Unknown` variant: providers would have to promise not to look at it.

use crate::addr::Addr;
use crate::value::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A value taken from another node of the graph.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ref {
    /// The node.
    pub addr: Addr,
    /// The way from there: an argument or attribute, then keys of maps and positions of lists.
    /// Never empty in a lowered graph.
    pub path: Vec<Arc<str>>,
}

impl Ref {
    /// Refers to one attribute of a node.
    pub fn attribute(addr: Addr, name: &str) -> Ref {
        Ref { addr, path: vec![name.into()] }
    }
}

impl std::fmt::Display for Ref {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.addr)?;
        for step in &self.path {
            write!(f, ".{step}")?;
        }
        Ok(())
    }
}

/// What `each` stands for in one member of a `for_each`.
#[derive(Clone, Debug, PartialEq)]
pub struct Each {
    /// The member's key.
    pub key: String,
    /// The member's value; the key again when the `for_each` was a list of texts.
    pub value: Value,
}

/// How the result of an expression is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Plain,
    /// As a text in which `${self.…}` still stands, for the machine itself to fill in when it
    /// starts; a literal `${` is written `$${` in it. See [`crate::self_facts`].
    SelfTemplate,
}

/// A text with `${ }` in it that cannot be settled yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// The whole scalar as the blueprint has it.
    pub source: Arc<str>,
    /// How the result is read.
    pub form: Form,
    /// The member that it stands in.
    pub each: Option<Arc<Each>>,
    /// Everything that it refers to, sorted: its edges.
    pub refs: Arc<[Ref]>,
}

/// Data with holes.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// Known, all of it.
    Known(Value),
    /// One attribute of another node.
    Ref(Ref),
    /// An expression over other nodes.
    Expr(Expr),
    /// What the lock must pin first and has not; the text is the name of the pin. Shown as
    /// `not locked`; a plan that holds one is never applied.
    NotLocked(Arc<str>),
    /// A list that has holes.
    List(Vec<Term>),
    /// A map that has holes.
    Map(BTreeMap<String, Term>),
}

impl Term {
    /// Makes a known text.
    pub fn text(text: impl Into<String>) -> Term {
        Term::Known(Value::Text(text.into()))
    }

    /// Returns the value when nothing in it is open.
    pub fn known(&self) -> Option<&Value> {
        match self {
            Term::Known(value) => Some(value),
            _ => None,
        }
    }

    /// Makes a map, known when all of its entries are.
    pub fn map(entries: BTreeMap<String, Term>) -> Term {
        if entries.values().all(|term| term.known().is_some()) {
            let known = |(key, term)| match term {
                Term::Known(value) => (key, value),
                _ => unreachable!("every entry was seen to be known"),
            };
            return Term::Known(Value::Map(entries.into_iter().map(known).collect()));
        }
        Term::Map(entries)
    }

    /// Makes a list, known when all of its items are.
    pub fn list(items: Vec<Term>) -> Term {
        if items.iter().all(|term| term.known().is_some()) {
            let known = |term| match term {
                Term::Known(value) => value,
                _ => unreachable!("every item was seen to be known"),
            };
            return Term::Known(Value::List(items.into_iter().map(known).collect()));
        }
        Term::List(items)
    }

    /// Calls `visit` for each reference in it, those of expressions included.
    pub fn each_ref(&self, visit: &mut dyn FnMut(&Ref)) {
        match self {
            Term::Known(_) | Term::NotLocked(_) => {}
            Term::Ref(reference) => visit(reference),
            Term::Expr(expr) => expr.refs.iter().for_each(visit),
            Term::List(items) => items.iter().for_each(|item| item.each_ref(visit)),
            Term::Map(entries) => entries.values().for_each(|term| term.each_ref(visit)),
        }
    }

    /// Follows one step of a path where the shape is known; `None` where it is not.
    pub fn step(&self, key: &str) -> Option<Term> {
        match self {
            Term::Known(value) => value.step(key).cloned().map(Term::Known),
            Term::Map(entries) => entries.get(key).cloned(),
            Term::List(items) => items.get(key.parse::<usize>().ok()?).cloned(),
            Term::Ref(_) | Term::Expr(_) | Term::NotLocked(_) => None,
        }
    }

    /// Says whether something the lock must pin first is in it.
    pub fn is_unlocked(&self) -> bool {
        match self {
            Term::NotLocked(_) => true,
            Term::List(items) => items.iter().any(Term::is_unlocked),
            Term::Map(entries) => entries.values().any(Term::is_unlocked),
            Term::Known(_) | Term::Ref(_) | Term::Expr(_) => false,
        }
    }
}

impl From<Value> for Term {
    fn from(value: Value) -> Term {
        Term::Known(value)
    }
}
