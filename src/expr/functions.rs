//! The functions of expressions, so that a misspelt one is told with the nearest name.
//!
//! CEL itself notices an unknown function only when it is called, and after it has computed what
//! stands in its brackets: `resources.al(r, ...)` would say that there is no `r`.

use super::ExprError;
use crate::diag::suggest;
use cel::common::ast::{EntryExpr, Expr, IdedExpr};

/// What CEL's standard library has here, and what we add; the times are left out with their table of zones.
const FUNCTIONS: &[&str] = &[
    super::AT_MOST,
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "hasValue",
    "int",
    "matches",
    "none",
    "of",
    "ofNonZeroValue",
    "or",
    "orValue",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
    "value",
];

/// The macros, with what they take. One that is left after parsing was called with something else.
const MACROS: &[(&str, &str)] = &[
    ("all", "a name and a condition: `list.all(x, x > 0)`"),
    ("exists", "a name and a condition: `list.exists(x, x > 0)`"),
    ("exists_one", "a name and a condition: `list.exists_one(x, x > 0)`"),
    ("filter", "a name and a condition: `list.filter(x, x > 0)`"),
    ("has", "one path: `has(a.b)`"),
    ("map", "a name and what is made of it: `list.map(x, x + 1)`"),
];

/// Finds a call of a function that does not exist.
pub(super) fn check(source: &str, node: &IdedExpr) -> Result<(), ExprError> {
    let each = |nodes: &[IdedExpr]| nodes.iter().try_for_each(|node| check(source, node));
    match &node.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Ok(()),
        Expr::Select(select) => check(source, &select.operand),
        Expr::List(list) => each(&list.elements),
        Expr::Call(call) => {
            check_name(source, &call.func_name)?;
            call.target.iter().try_for_each(|target| check(source, target))?;
            each(&call.args)
        }
        Expr::Map(map) => map.entries.iter().try_for_each(|e| check_entry(source, &e.expr)),
        Expr::Struct(make) => make.entries.iter().try_for_each(|e| check_entry(source, &e.expr)),
        Expr::Comprehension(each) => [&each.iter_range, &each.loop_step, &each.result]
            .into_iter()
            .try_for_each(|inner| check(source, inner)),
    }
}

fn check_entry(source: &str, entry: &EntryExpr) -> Result<(), ExprError> {
    match entry {
        EntryExpr::MapEntry(entry) => {
            check(source, &entry.key)?;
            check(source, &entry.value)
        }
        EntryExpr::StructField(field) => check(source, &field.value),
    }
}

/// Operators are calls too; their names are none that can be typed.
fn check_name(source: &str, name: &str) -> Result<(), ExprError> {
    let typed = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if !typed || FUNCTIONS.contains(&name) {
        return Ok(());
    }
    let message = match MACROS.iter().find(|(known, _)| *known == name) {
        Some((_, takes)) => format!("`{name}` takes {takes}"),
        None => {
            let known = FUNCTIONS.iter().copied().chain(MACROS.iter().map(|(name, _)| *name));
            match suggest(name, known) {
                Some(near) => format!("there is no function `{name}`; did you mean `{near}`?"),
                None => format!("there is no function `{name}`"),
            }
        }
    };
    let called = source.find(&format!("{name}("));
    let start = called.or_else(|| source.find(name)).unwrap_or(0);
    let end = if called.is_some() { start + name.len() } else { source.len() };
    Err(ExprError { start, end, message })
}
