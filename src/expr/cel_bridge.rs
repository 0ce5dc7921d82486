//! The door to the CEL crate: values in, values out, errors in our words.

use super::{ExprError, Lookup, Outcome, Path};
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::{Context, ExecutionError};
use dsenv_sdk::Secret;
use dsenv_sdk::value::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A compiled expression and the paths that it needs.
pub(super) struct Program {
    program: cel::Program,
    paths: Vec<Path>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Program({})", self.program.source_info().source)
    }
}

pub(super) fn compile(source: &str) -> Result<Program, ExprError> {
    let program = cel::Program::compile(source).map_err(|errors| {
        let first = errors.errors.first();
        let message = first.map_or_else(|| errors.to_string(), |error| error.msg.clone());
        let start = first.map_or(0, |error| offset(source, error.pos)).min(source.len());
        let message = format!("not a CEL expression: {}", tidy_message(&message));
        ExprError { start, end: source.len(), message }
    })?;
    let mut paths = BTreeSet::new();
    collect(program.expression(), &mut Vec::new(), &mut paths);
    Ok(Program { program, paths: paths.into_iter().collect() })
}

/// The parser counts lines from 1 and columns from 0 or 1; only the byte is of use here.
fn offset(source: &str, (line, column): (isize, isize)) -> usize {
    let before: usize = source
        .split_inclusive('\n')
        .take(usize::try_from(line - 1).unwrap_or_default())
        .map(str::len)
        .sum();
    let tail = &source[before.min(source.len())..];
    let column = usize::try_from(column - 1).unwrap_or_default();
    before + tail.char_indices().nth(column).map_or(tail.len(), |(at, _)| at)
}

/// Words the parser's message for people: its lists of expected tokens are the grammar's, not theirs.
fn tidy_message(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = line.trim_start_matches("Syntax error: ").trim_end_matches('.');
    let quoted = line.split_once('\'').and_then(|(_, rest)| rest.split_once('\''));
    match quoted {
        Some(("<EOF>", _)) => "it ends too early".to_owned(),
        Some((token, _)) if line.contains(" input '") => format!("`{token}` cannot stand here"),
        _ => line.to_owned(),
    }
}

impl Program {
    pub(super) fn paths(&self) -> &[Path] {
        &self.paths
    }

    pub(super) fn evaluate(
        &self,
        lookup: &mut dyn FnMut(&[String]) -> Lookup,
    ) -> Result<Outcome, String> {
        let mut roots = Map::new();
        let mut secret = false;
        for path in &self.paths {
            match lookup(path) {
                Lookup::Known(value) => {
                    secret |= value.holds_secret();
                    plant(&mut roots, path, value);
                }
                Lookup::Unknown => return Ok(Outcome::Unknown),
                Lookup::Missing(why) => return Err(why),
            }
        }
        let mut context = Context::default();
        for (name, value) in &roots {
            context.add_variable_from_value(name.as_str(), to_cel(value));
        }
        let source = &self.program.source_info().source;
        let written = |key: &str| !secret && source.contains(key);
        let result = self.program.execute(&context).map_err(|error| word(&error, written))?;
        let value = from_cel(&result).ok_or("the result is not data")?;
        Ok(Outcome::Known(if secret { veil(value) } else { value }))
    }
}

/// Puts a value where its path says, making maps on the way.
fn plant(map: &mut Map, path: &[String], value: Value) {
    let (first, rest) = path.split_first().expect("a path is never empty");
    if rest.is_empty() {
        map.entry(first.clone()).or_insert(value);
        return;
    }
    let below = map.entry(first.clone()).or_insert_with(|| Value::Map(Map::new()));
    match below {
        Value::Map(below) => plant(below, rest, value),
        // The whole list is looked up too, since a list cannot be planted item by item.
        _ => debug_assert!(matches!(below, Value::List(_)), "only maps and lists have paths"),
    }
}

/// Makes every text of it a secret: which part came from the secret cannot be told.
fn veil(value: Value) -> Value {
    match value {
        Value::Text(text) => Value::Secret(Secret::new(text)),
        Value::List(items) => Value::List(items.into_iter().map(veil).collect()),
        Value::Map(map) => Value::Map(map.into_iter().map(|(k, v)| (k, veil(v))).collect()),
        other => other,
    }
}

fn to_cel(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(flag) => cel::Value::Bool(*flag),
        Value::Int(number) => cel::Value::Int(*number),
        Value::Float(number) => cel::Value::Float(*number),
        Value::Text(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Secret(secret) => cel::Value::String(Arc::new(secret.expose().to_owned())),
        Value::List(items) => cel::Value::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Map(map) => {
            let entries = map.iter().map(|(key, value)| (key.as_str().into(), to_cel(value)));
            cel::Value::Map(cel::objects::Map { map: Arc::new(entries.collect()) })
        }
    }
}

/// `None` for functions, bytes and other things that no field can hold.
fn from_cel(value: &cel::Value) -> Option<Value> {
    Some(match value {
        cel::Value::Null => Value::Null,
        cel::Value::Bool(flag) => Value::Bool(*flag),
        cel::Value::Int(number) => Value::Int(*number),
        cel::Value::UInt(number) => Value::Int(i64::try_from(*number).ok()?),
        cel::Value::Float(number) => Value::Float(*number),
        cel::Value::String(text) => Value::Text(text.to_string()),
        cel::Value::List(items) => Value::List(items.iter().map(from_cel).collect::<Option<_>>()?),
        cel::Value::Map(map) => {
            let entry = |(key, value): (&cel::objects::Key, &cel::Value)| {
                let key = match key {
                    cel::objects::Key::String(text) => text.to_string(),
                    cel::objects::Key::Int(number) => number.to_string(),
                    cel::objects::Key::Uint(number) => number.to_string(),
                    cel::objects::Key::Bool(flag) => flag.to_string(),
                };
                Some((key, from_cel(value)?))
            };
            Value::Map(map.map.iter().map(entry).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Words an error without the values in it. A key may have been computed, so it is named only when
/// `written` says that it stands in the expression anyway and no secret does.
fn word(error: &ExecutionError, written: impl Fn(&str) -> bool) -> String {
    match error {
        ExecutionError::NoSuchKey(key) if written(key) => format!("there is no key `{key}`"),
        ExecutionError::NoSuchKey(_) => "there is no such key".to_owned(),
        ExecutionError::UndeclaredReference(name) => {
            format!("there is no function or variable `{name}`")
        }
        ExecutionError::NoSuchOverload(overload) => {
            let types = overload.argument_types().join(", ");
            format!("`{}` does not take ({types})", operator_sign(overload.function()))
        }
        // For arguments of functions, `got` is the value itself.
        ExecutionError::UnexpectedType { got, want } => match is_type_name(got) {
            true => format!("expected {want}, found {got}"),
            false => format!("expected {want}"),
        },
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("expected {expected} arguments, found {actual}")
        }
        ExecutionError::FunctionError { function, .. } => {
            format!("`{function}` cannot take this value")
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "the number is too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "there is no item at this position".to_owned(),
        ExecutionError::ValuesNotComparable(..) => "these cannot be compared".to_owned(),
        _ => "the operation does not fit these types".to_owned(),
    }
}

fn is_type_name(text: &str) -> bool {
    const TYPES: &[&str] = &[
        "bool",
        "bytes",
        "double",
        "int",
        "list",
        "map",
        "null_type",
        "optional_type",
        "string",
        "type",
        "uint",
    ];
    TYPES.contains(&text)
}

/// `_+_` is `+` to a person.
fn operator_sign(name: &str) -> &str {
    let sign = name.trim_matches('_');
    if sign.is_empty() { name } else { sign }
}

/// Collects every path whose root is not bound by a comprehension.
fn collect(node: &IdedExpr, bound: &mut Vec<String>, paths: &mut BTreeSet<Path>) {
    if let Some(path) = chain(node) {
        if !bound.contains(&path[0]) {
            paths.insert(path);
        }
        return;
    }
    match &node.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => {}
        Expr::Select(select) => collect(&select.operand, bound, paths),
        Expr::List(list) => list.elements.iter().for_each(|item| collect(item, bound, paths)),
        Expr::Call(call) => {
            call.target.iter().for_each(|target| collect(target, bound, paths));
            call.args.iter().for_each(|arg| collect(arg, bound, paths));
        }
        Expr::Map(map) => map.entries.iter().for_each(|e| collect_entry(&e.expr, bound, paths)),
        Expr::Struct(make) => {
            make.entries.iter().for_each(|e| collect_entry(&e.expr, bound, paths));
        }
        Expr::Comprehension(comprehension) => {
            collect(&comprehension.iter_range, bound, paths);
            collect(&comprehension.accu_init, bound, paths);
            let depth = bound.len();
            bound.push(comprehension.iter_var.clone());
            bound.extend(comprehension.iter_var2.clone());
            bound.push(comprehension.accu_var.clone());
            for inner in [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result]
            {
                collect(inner, bound, paths);
            }
            bound.truncate(depth);
        }
    }
}

fn collect_entry(entry: &EntryExpr, bound: &mut Vec<String>, paths: &mut BTreeSet<Path>) {
    match entry {
        EntryExpr::MapEntry(entry) => {
            collect(&entry.key, bound, paths);
            collect(&entry.value, bound, paths);
        }
        EntryExpr::StructField(field) => collect(&field.value, bound, paths),
    }
}

/// Reads `a.b["c"]` off the tree; `None` when the node is anything else. An index that is not a
/// text literal ends it: the caller then sees the operand and the index as expressions of their
/// own. Positions end it too, since a list is looked up whole.
fn chain(node: &IdedExpr) -> Option<Path> {
    match &node.expr {
        Expr::Ident(name) => Some(vec![name.clone()]),
        Expr::Select(select) => {
            let mut path = chain(&select.operand)?;
            path.push(select.field.clone());
            Some(path)
        }
        Expr::Call(call) if call.func_name == operators::INDEX => {
            let [operand, index] = call.args.as_slice() else { return None };
            let Expr::Literal(LiteralValue::String(key)) = &index.expr else { return None };
            let mut path = chain(operand)?;
            path.push(key.inner().to_owned());
            Some(path)
        }
        _ => None,
    }
}
