//! What an expression that mentions a secret may come to.
//!
//! In: the tree of an expression and the paths of it that hold a secret. Out: a value in which
//! everything that could have come from a secret is a [`Secret`], or the refusal to make one.
//!
//! ## Why refuse
//! A [`Secret`] is a text. A number, a truth or the name of a key that was computed from one has
//! nowhere to hide: it would stand in plans, states and outputs in clear. `string(…)` makes a text
//! of it, and a comparison may choose between texts: both stay possible, and are secrets.
//!
//! ## Why over the tree
//! `{'port': 5432, 'password': db.password}` is data beside a secret, and a list of two secrets has
//! no secret length. So lists, maps and ternaries are taken apart as far as they are written out;
//! only what is computed as one thing is hidden as one thing.

use super::cel_bridge::{chain, from_cel, used};
use super::limits::uncharged;
use super::plain_text;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, MapExpr, operators};
use dsenv_sdk::Secret;
use dsenv_sdk::value::{Map, Value};

/// Computes a part of the tree; the error is worded for the user.
pub(super) type Compute<'a> = dyn Fn(&IdedExpr) -> Result<cel::Value, String> + 'a;

/// What an expression is computed from, of which some may be secret.
pub(super) struct Veiled<'a> {
    /// What the paths stand for, each secret marked.
    pub(super) known: &'a Map,
    /// Computes a part, in clear.
    pub(super) compute: &'a Compute<'a>,
}

const WHY: &str = "a value computed from a secret is a secret, and only a text can be kept secret";

impl Veiled<'_> {
    /// Computes the value of a field.
    pub(super) fn value(&self, node: &IdedExpr) -> Result<Value, String> {
        if !self.mentions(node) {
            return from_cel(&(self.compute)(node)?);
        }
        if let Some(value) = self.stored(node) {
            return Ok(value);
        }
        match &node.expr {
            Expr::List(list) if list.optional_indices.is_empty() => list
                .elements
                .iter()
                .map(|item| self.value(item))
                .collect::<Result<_, _>>()
                .map(Value::List),
            Expr::Map(map) if map.entries.iter().all(|entry| !is_optional(&entry.expr)) => {
                self.map(map)
            }
            Expr::Call(call) if call.func_name == operators::CONDITIONAL => {
                match self.branch(&call.args)? {
                    Some(branch) => self.value(branch),
                    None => self.hidden(node),
                }
            }
            _ => self.hidden(node),
        }
    }

    /// Computes what stands in the middle of a text, which is a secret as a whole: any scalar will do.
    pub(super) fn text(&self, node: &IdedExpr) -> Result<Value, String> {
        let text = plain_text(&from_cel(&(self.compute)(node)?)?)?;
        let secret = self.mentions(node);
        Ok(if secret { Value::Secret(Secret::new(text)) } else { Value::Text(text) })
    }

    /// A path as it was looked up, with its own marks of what is secret in it.
    fn stored(&self, node: &IdedExpr) -> Option<Value> {
        let path = chain(node)?;
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.known.get(first)?, |value, step| value.step(step)).cloned()
    }

    fn map(&self, map: &MapExpr) -> Result<Value, String> {
        let mut entries = Map::new();
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
            if self.mentions(&entry.key) {
                return Err(format!("the name of a key cannot come from a secret: {WHY}"));
            }
            let key = match (self.compute)(&entry.key)? {
                cel::Value::String(key) => key.to_string(),
                cel::Value::Int(key) => key.to_string(),
                cel::Value::UInt(key) => key.to_string(),
                cel::Value::Bool(key) => key.to_string(),
                _ => return Err("the name of a key is a text".to_owned()),
            };
            if entries.insert(key, self.value(&entry.value)?).is_some() {
                return Err("a key stands twice in this map".to_owned());
            }
        }
        Ok(Value::Map(entries))
    }

    /// The branch that a ternary takes; `None` when a secret decides.
    fn branch<'e>(&self, args: &'e [IdedExpr]) -> Result<Option<&'e IdedExpr>, String> {
        let [condition, yes, no] = args else { return Ok(None) };
        if self.mentions(condition) {
            return Ok(None);
        }
        match (self.compute)(condition)? {
            cel::Value::Bool(true) => Ok(Some(yes)),
            cel::Value::Bool(false) => Ok(Some(no)),
            _ => Err("a condition is true or false".to_owned()),
        }
    }

    /// Computes a part as one thing and hides all of it.
    fn hidden(&self, node: &IdedExpr) -> Result<Value, String> {
        let value = from_cel(&(self.compute)(node)?)?;
        hide(value, self.has_open_length(node))
    }

    /// Says whether how many items a list has cannot have come from a secret.
    fn has_open_length(&self, node: &IdedExpr) -> bool {
        if !self.mentions(node) || chain(node).is_some() {
            return true;
        }
        match &node.expr {
            Expr::List(list) => list.optional_indices.is_empty(),
            Expr::Call(call) if call.func_name == operators::ADD => {
                call.args.iter().all(|arg| self.has_open_length(arg))
            }
            Expr::Call(call) if call.func_name == operators::CONDITIONAL => {
                !self.mentions(&call.args[0])
                    && call.args[1..].iter().all(|arg| self.has_open_length(arg))
            }
            // `map` without a condition: its step is `@result + [item]`.
            Expr::Comprehension(each) => {
                let appends = matches!(&each.loop_step.expr, Expr::Call(call)
                    if call.func_name == operators::ADD);
                appends && self.has_open_length(uncharged(&each.iter_range))
            }
            _ => false,
        }
    }

    /// Says whether a secret is read in it. Asking whether something is there reads nothing.
    fn mentions(&self, node: &IdedExpr) -> bool {
        used(node).iter().any(|path| {
            let mut found = self.known.get(&path[0]);
            for step in &path[1..] {
                found = match found {
                    Some(secret @ Value::Secret(_)) => Some(secret),
                    other => other.and_then(|value| value.step(step)),
                };
            }
            found.is_some_and(Value::holds_secret)
        })
    }
}

fn is_optional(entry: &EntryExpr) -> bool {
    match entry {
        EntryExpr::MapEntry(entry) => entry.optional,
        EntryExpr::StructField(field) => field.optional,
    }
}

/// Hides a text, and each text of a list whose length is no secret; refuses what cannot be hidden.
fn hide(value: Value, open_length: bool) -> Result<Value, String> {
    match value {
        Value::Text(text) => Ok(Value::Secret(Secret::new(text))),
        Value::List(items) if open_length => items
            .into_iter()
            .map(|item| hide(item, false))
            .collect::<Result<_, _>>()
            .map(Value::List),
        Value::List(_) => Err(format!("how long a list is cannot come from a secret: {WHY}")),
        Value::Map(_) => Err(format!("the keys of a map cannot come from a secret: {WHY}")),
        Value::Secret(_) => unreachable!("CEL knows texts only"),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
            Err(format!("{} cannot come from a secret: {WHY}", value.shape()))
        }
    }
}

/// Hides every text; what is left is true, false or of the wrong shape.
pub(super) fn hide_all_but_truth(value: Value) -> Value {
    match value {
        Value::Text(text) => Value::Secret(Secret::new(text)),
        other => other,
    }
}

/// Says what is wrong with an expression whatever its paths will come to: that it makes of a secret
/// what cannot be hidden. `None` when that is not certain. So `size(token.value)` is refused by
/// check, and not by an apply that has made half of everything.
pub(super) fn foresee(node: &IdedExpr, is_secret: &dyn Fn(&[String]) -> bool) -> Option<String> {
    let mentions = |node: &IdedExpr| used(node).iter().any(|path| is_secret(path));
    if !mentions(node) || chain(node).is_some() {
        return None;
    }
    match &node.expr {
        Expr::List(list) => list.elements.iter().find_map(|item| foresee(item, is_secret)),
        Expr::Map(map) => map.entries.iter().find_map(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) if mentions(&entry.key) => {
                Some(format!("the name of a key cannot come from a secret: {WHY}"))
            }
            EntryExpr::MapEntry(entry) => foresee(&entry.value, is_secret),
            EntryExpr::StructField(_) => None,
        }),
        Expr::Call(call) if call.func_name == operators::CONDITIONAL => None,
        _ if is_never_text(node) => Some(format!("this cannot come from a secret: {WHY}")),
        _ => None,
    }
}

/// Says whether it gives a number or a truth, whatever it is computed from.
fn is_never_text(node: &IdedExpr) -> bool {
    const NAMED: &[&str] =
        &["bool", "contains", "double", "endsWith", "int", "matches", "size", "startsWith", "uint"];
    const SIGNS: &[&str] = &[
        operators::EQUALS,
        operators::NOT_EQUALS,
        operators::LESS,
        operators::LESS_EQUALS,
        operators::GREATER,
        operators::GREATER_EQUALS,
        operators::LOGICAL_AND,
        operators::LOGICAL_OR,
        operators::LOGICAL_NOT,
        operators::IN,
        operators::SUBSTRACT,
        operators::MULTIPLY,
        operators::DIVIDE,
        operators::MODULO,
        operators::NEGATE,
    ];
    match &node.expr {
        Expr::Call(call) => [NAMED, SIGNS].concat().contains(&call.func_name.as_str()),
        // `all` and `exists`.
        Expr::Comprehension(each) => is_never_text(&each.loop_step),
        _ => false,
    }
}
