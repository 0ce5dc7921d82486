//! The door to the CEL crate: values in, values out, errors in our words.

use super::secrecy::Veiled;
use super::{ExprError, Lookup, Outcome, Path, functions, limits, money, secrecy};
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::{Context, ExecutionError};
use dsenv_sdk::value::{Map, Value};
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

/// A compiled expression and the paths that it needs.
#[derive(Debug)]
pub(super) struct Program {
    tree: IdedExpr,
    source: String,
    depth: limits::Depth,
    paths: Vec<Path>,
}

pub(super) fn compile(source: &str) -> Result<Program, ExprError> {
    let depth = limits::depth(source)?;
    if depth.levels > limits::EXPRESSION_DEPTH_MAX {
        let message = format!(
            "the expression goes {} levels deep, and {} is the most: each bracket and each \
             operator inside another is one",
            depth.levels,
            limits::EXPRESSION_DEPTH_MAX
        );
        return Err(ExprError { start: 0, end: source.len(), message });
    }
    limits::with_room(depth, || {
        // Its own limit counts less; it is there for what the count over the text might miss.
        let most = u16::try_from(limits::EXPRESSION_DEPTH_MAX).unwrap_or(u16::MAX);
        let parser = cel::parser::Parser::default().max_recursion_depth(most);
        let mut tree = parser.parse(source).map_err(|errors| {
            let first = errors.errors.first();
            let message = first.map_or_else(|| errors.to_string(), |error| error.msg.clone());
            let start = first.map_or(0, |error| offset(source, error.pos)).min(source.len());
            let message = format!("not a CEL expression: {}", tidy_message(&message));
            ExprError { start, end: source.len(), message }
        })?;
        functions::check(source, &tree)?;
        let paths = needed(&tree);
        limits::meter(&mut tree);
        Ok(Program { tree, source: source.to_owned(), depth, paths })
    })
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

    pub(super) fn foresee(&self, is_secret: &dyn Fn(&[String]) -> bool) -> Option<String> {
        secrecy::foresee(&self.tree, is_secret)
    }

    /// The same question about `instead`, when it is `NAME.all(x, ...)` as a whole.
    pub(super) fn asking_each_of(&self, name: &str, instead: &str) -> Option<Program> {
        let mut tree = self.tree.clone();
        let Expr::Comprehension(each) = &mut tree.expr else { return None };
        let all = matches!(&each.loop_step.expr, Expr::Call(call)
            if call.func_name == operators::LOGICAL_AND);
        match &mut limits::uncharged_mut(&mut each.iter_range).expr {
            Expr::Ident(it) if it == name && all => instead.clone_into(it),
            _ => return None,
        }
        let paths = needed(&tree);
        Some(Program { tree, source: self.source.clone(), depth: self.depth, paths })
    }

    /// Computes the value of a field.
    pub(super) fn evaluate(
        &self,
        lookup: &mut dyn FnMut(&[String]) -> Lookup,
    ) -> Result<Outcome, String> {
        let Some(found) = self.look_up(lookup)? else { return Ok(Outcome::Unknown) };
        self.compute(&found, |compute| {
            Veiled { known: &found.roots, compute }.value(&self.tree).map(Outcome::Known)
        })
    }

    /// Computes what is put into the middle of a text, as a text or a secret.
    pub(super) fn evaluate_in_text(
        &self,
        lookup: &mut dyn FnMut(&[String]) -> Lookup,
    ) -> Result<Outcome, String> {
        let Some(found) = self.look_up(lookup)? else { return Ok(Outcome::Unknown) };
        self.compute(&found, |compute| {
            Veiled { known: &found.roots, compute }.text(&self.tree).map(Outcome::Known)
        })
    }

    /// Judges a rule: true or false, which says nothing of a secret but what the rule asks.
    pub(super) fn verdict(
        &self,
        lookup: &mut dyn FnMut(&[String]) -> Lookup,
    ) -> Result<Outcome, String> {
        let Some(found) = self.look_up(lookup)? else { return Ok(Outcome::Unknown) };
        self.compute(&found, |compute| {
            let value = from_cel(&compute(&self.tree)?)?;
            Ok(Outcome::Known(secrecy::hide_all_but_truth(value)))
        })
    }

    /// Looks every path up; `None` when one is known after apply. A path that leads nowhere is no
    /// mistake yet: `has(a.b) ? a.b : 1` never reads it.
    fn look_up(
        &self,
        lookup: &mut dyn FnMut(&[String]) -> Lookup,
    ) -> Result<Option<Found>, String> {
        let mut found = Found::default();
        for path in &self.paths {
            match lookup(path) {
                Lookup::Known(value) => plant(&mut found.roots, path, value),
                Lookup::Unknown => return Ok(None),
                Lookup::Missing(why) => {
                    found.missing.get_or_insert(why);
                }
            }
        }
        found.secret = found.roots.values().any(Value::holds_secret);
        Ok(Some(found))
    }

    /// Makes the machine that computes parts of the tree, and runs with it where there is room.
    fn compute<T: Send>(
        &self,
        found: &Found,
        run: impl FnOnce(&secrecy::Compute<'_>) -> Result<T, String> + Send,
    ) -> Result<T, String> {
        limits::with_room(self.depth, || {
            let mut context = Context::with_env(LANGUAGE.clone());
            limits::allow(&mut context);
            money::allow(&mut context);
            for (name, value) in &found.roots {
                context.add_variable_from_value(name.as_str(), to_cel(value));
            }
            let written = |key: &str| !found.secret && self.source.contains(key);
            run(&|node: &IdedExpr| {
                cel::Value::resolve(node, &context)
                    .map_err(|error| found.missing.clone().unwrap_or_else(|| word(&error, written)))
            })
        })
    }
}

/// CEL's own functions, built once: there are two hundred.
static LANGUAGE: LazyLock<Arc<cel::Env>> = LazyLock::new(|| Arc::new(cel::Env::stdlib()));

/// What the paths of an expression stand for.
#[derive(Default)]
struct Found {
    roots: Map,
    /// Why the first path that leads nowhere does.
    missing: Option<String>,
    secret: bool,
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

/// Refuses functions, bytes and other things that no field can hold.
pub(super) fn from_cel(value: &cel::Value) -> Result<Value, String> {
    Ok(match value {
        cel::Value::Null => Value::Null,
        cel::Value::Bool(flag) => Value::Bool(*flag),
        cel::Value::Int(number) => Value::Int(*number),
        cel::Value::UInt(number) => {
            Value::Int(i64::try_from(*number).map_err(|_| "the number is too large")?)
        }
        // JSON has no form for the others: they would be `null` in the state.
        cel::Value::Float(number) if !number.is_finite() => {
            return Err("the result is not a finite number".to_owned());
        }
        cel::Value::Float(number) => Value::Float(*number),
        cel::Value::String(text) => Value::Text(text.to_string()),
        cel::Value::List(items) => {
            Value::List(items.iter().map(from_cel).collect::<Result<_, _>>()?)
        }
        cel::Value::Map(map) => {
            let mut entries = Map::new();
            for (key, value) in map.map.iter() {
                entries.insert(key_text(key), from_cel(value)?);
            }
            Value::Map(entries)
        }
        _ => return Err("the result is not data".to_owned()),
    })
}

fn key_text(key: &cel::objects::Key) -> String {
    match key {
        cel::objects::Key::String(text) => text.to_string(),
        cel::objects::Key::Int(number) => number.to_string(),
        cel::objects::Key::Uint(number) => number.to_string(),
        cel::objects::Key::Bool(flag) => flag.to_string(),
    }
}

/// Words an error without the values in it. A key may have been computed, so it is named only when
/// `written` says that it stands in the expression anyway and no secret does.
fn word(error: &ExecutionError, written: impl Fn(&str) -> bool) -> String {
    if let Some(message) = limits::word(error) {
        return message;
    }
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
        ExecutionError::FunctionError { function, message } if function == money::AT_MOST => {
            message.clone()
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

/// The paths that must be looked up, sorted. What `has(a.b.c)` asks about is looked for in `a.b`,
/// also where the same expression goes on to read `a.b.c`.
fn needed(tree: &IdedExpr) -> Vec<Path> {
    let mut seen = Seen::default();
    collect(tree, &mut Vec::new(), &mut seen);
    let Seen { mut used, asked, whole } = seen;
    used.retain(|path| !asked.iter().any(|asked| path.starts_with(asked)));
    for mut path in asked {
        path.pop();
        used.insert(path);
    }
    used.extend(whole);
    used.into_iter().collect()
}

/// The paths that a part of an expression reads, those that `has` asks about left out.
pub(super) fn used(tree: &IdedExpr) -> BTreeSet<Path> {
    let mut seen = Seen::default();
    collect(tree, &mut Vec::new(), &mut seen);
    seen.used
}

#[derive(Default)]
struct Seen {
    used: BTreeSet<Path>,
    /// What stands in `has( )` and may be missing below something that is there.
    asked: BTreeSet<Path>,
    /// What stands in `has( )` and is one thing of a resource, of which there is a fixed set.
    whole: BTreeSet<Path>,
}

/// Collects every path whose root is not bound by a comprehension.
fn collect(node: &IdedExpr, bound: &mut Vec<String>, seen: &mut Seen) {
    if let Some(path) = chain(node) {
        if !bound.contains(&path[0]) {
            seen.used.insert(path);
        }
        return;
    }
    match &node.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => {}
        Expr::Select(select) => match chain(&select.operand) {
            Some(mut path) if select.test && !bound.contains(&path[0]) => {
                let open = path.len() > 1 || ["inputs", "env"].contains(&path[0].as_str());
                path.push(select.field.clone());
                if open {
                    seen.asked.insert(path)
                } else {
                    seen.whole.insert(path)
                };
            }
            _ => collect(&select.operand, bound, seen),
        },
        Expr::List(list) => list.elements.iter().for_each(|item| collect(item, bound, seen)),
        Expr::Call(call) => {
            call.target.iter().for_each(|target| collect(target, bound, seen));
            call.args.iter().for_each(|arg| collect(arg, bound, seen));
        }
        Expr::Map(map) => map.entries.iter().for_each(|e| collect_entry(&e.expr, bound, seen)),
        Expr::Struct(make) => {
            make.entries.iter().for_each(|e| collect_entry(&e.expr, bound, seen));
        }
        Expr::Comprehension(comprehension) => {
            collect(&comprehension.iter_range, bound, seen);
            collect(&comprehension.accu_init, bound, seen);
            let depth = bound.len();
            bound.push(comprehension.iter_var.clone());
            bound.extend(comprehension.iter_var2.clone());
            bound.push(comprehension.accu_var.clone());
            for inner in [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result]
            {
                collect(inner, bound, seen);
            }
            bound.truncate(depth);
        }
    }
}

fn collect_entry(entry: &EntryExpr, bound: &mut Vec<String>, seen: &mut Seen) {
    match entry {
        EntryExpr::MapEntry(entry) => {
            collect(&entry.key, bound, seen);
            collect(&entry.value, bound, seen);
        }
        EntryExpr::StructField(field) => collect(&field.value, bound, seen),
    }
}

/// Reads `a.b["c"]` off the tree; `None` when the node is anything else. An index that is not a
/// text literal ends it: the caller then sees the operand and the index as expressions of their
/// own. Positions end it too, since a list is looked up whole.
pub(super) fn chain(node: &IdedExpr) -> Option<Path> {
    match &node.expr {
        Expr::Ident(name) => Some(vec![name.clone()]),
        Expr::Select(select) if !select.test => {
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
