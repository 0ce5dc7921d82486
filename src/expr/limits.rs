//! What an expression may cost: how deep it goes, and how much it computes.
//!
//! Both are told before harm is done: the depth from the text, before the parser recurses; the work
//! while it is done, by [`meter`]ing every comprehension, which is the only loop that CEL has.
//!
//! ## Why a stack of its own
//! CEL's parser takes up to 150 KiB of stack for each bracket in a debug build, so that fifteen end a
//! thread of 2 MiB, and a program that ends so shows no message. Expressions that go deep are rare;
//! they run on a thread with room for the deepest that is allowed, all others where they are.

use super::ExprError;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, operators};
use cel::common::types::{CelInt, CelList};
use cel::common::value::CowVal;
use cel::context::Context;
use cel::{ExecutionError, FunctionContext};
use dsenv_sdk::value::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many brackets and operators of an expression may stand inside each other.
pub const EXPRESSION_DEPTH_MAX: usize = 200;

/// How many items and bytes the comprehensions of one expression may go over, weighted: an item is
/// one, 64 bytes of a text are one.
pub const EXPRESSION_STEPS_MAX: usize = 500_000;

/// How many levels a value may have: what is written to a state must be readable again, and a reader
/// of JSON stops at 128.
pub const VALUE_DEPTH_MAX: usize = 64;

/// How large a value may be: each item and entry is one, and so are 64 bytes of a text.
pub const VALUE_PARTS_MAX: usize = 100_000;

/// What an expression that runs where it is may have at most: 800 KiB in a debug build, which a
/// thread of 2 MiB has left below everything else.
const SHALLOW: Depth = Depth { levels: 12, brackets: 3 };

/// Room for the deepest expression: 200 times 150 KiB, twice.
const DEEP_STACK_BYTES: usize = 64 * 1024 * 1024;

const BYTES_A_STEP: usize = 64;

/// The function that [`meter`] puts in: not a name that can be typed.
const CHARGE: &str = "@charge";

/// The same for what a comprehension goes over.
const RANGE: &str = "@range";

/// How deep an expression goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Depth {
    /// Brackets and operators that stand inside each other.
    pub(super) levels: usize,
    /// Brackets alone, which take four times the stack of an operator.
    brackets: usize,
}

/// Counts from the text how deep an expression goes. Never less than what the parser recurses: where
/// the parser would read the quotes otherwise than it is done here, the expression is refused.
pub(super) fn depth(source: &str) -> Result<Depth, ExprError> {
    let bytes = source.as_bytes();
    // What the brackets around this place add, and what the part since the last comma adds.
    let mut around: Vec<usize> = Vec::new();
    let mut deepest = Depth { levels: 0, brackets: 0 };
    let (mut here, mut at) = (0_usize, 0_usize);
    let mut was_name = false;
    while let Some(byte) = bytes.get(at) {
        let is_name = byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
        match byte {
            b'"' | b'\'' => at = end_of_text(source, at)? - 1,
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at += bytes[at..].iter().take_while(|byte| **byte != b'\n').count();
                continue;
            }
            b'(' | b'[' | b'{' => {
                around.push(here);
                here += 1;
            }
            b')' | b']' | b'}' => here = around.pop().unwrap_or_default() + 1,
            b',' => here = around.last().map_or(0, |before| before + 1),
            b'i' if !was_name && is_word_in(&bytes[at..]) => here += 1,
            byte if is_name || byte.is_ascii_whitespace() => {}
            // The second half of `==`, `<=`, `&&` and the like.
            b'=' | b'&' | b'|' if at > 0 && b"=!<>&|".contains(&bytes[at - 1]) => {}
            _ => here += 1,
        }
        was_name = is_name;
        deepest.levels = deepest.levels.max(here);
        deepest.brackets = deepest.brackets.max(around.len());
        at += 1;
    }
    Ok(deepest)
}

/// Returns the place behind the text in quotes that begins at `open`.
fn end_of_text(source: &str, open: usize) -> Result<usize, ExprError> {
    let bytes = source.as_bytes();
    let refuse = |start: usize, message: &str| {
        let message = format!("not a CEL expression: {message}");
        Err(ExprError { start, end: source.len(), message })
    };
    let quote = bytes[open];
    let tripled = bytes[open..].starts_with(&[quote; 3]);
    let width = if tripled { 3 } else { 1 };
    let raw = is_raw(&bytes[..open]);
    let mut at = open + width;
    while let Some(byte) = bytes.get(at) {
        match byte {
            byte if *byte == quote && (!tripled || bytes[at..].starts_with(&[quote; 3])) => {
                return Ok(at + width);
            }
            b'\n' | b'\r' if !tripled => break,
            b'\\' if !raw => match escape_length(&bytes[at + 1..]) {
                Some(length) => at += 1 + length,
                None => return refuse(at, "there is no such escape; a backslash is `\\\\`"),
            },
            _ => at += 1,
        }
    }
    refuse(open, "a text in quotes is not closed")
}

/// Says whether `r` stands before the quote, alone or as `br`: then a backslash is one.
fn is_raw(before: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let Some((b'r' | b'R', rest)) = before.split_last() else { return false };
    match rest.split_last() {
        Some((b'b' | b'B', rest)) => !rest.last().is_some_and(is_name),
        Some((byte, _)) => !is_name(byte),
        None => true,
    }
}

/// How long what stands behind a backslash is, by CEL's grammar.
fn escape_length(bytes: &[u8]) -> Option<usize> {
    let digits = |count: usize, is_digit: fn(&u8) -> bool| {
        let all = bytes.get(1..=count)?.iter().all(is_digit);
        all.then_some(count + 1)
    };
    match bytes.first()? {
        b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'"' | b'\'' | b'\\' | b'?' | b'`' => {
            Some(1)
        }
        b'x' | b'X' => digits(2, u8::is_ascii_hexdigit),
        b'u' => digits(4, u8::is_ascii_hexdigit),
        b'U' => digits(8, u8::is_ascii_hexdigit),
        b'0'..=b'3' => digits(2, |byte| matches!(byte, b'0'..=b'7')),
        _ => None,
    }
}

fn is_word_in(bytes: &[u8]) -> bool {
    bytes.starts_with(b"in")
        && bytes.get(2).is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
}

/// Runs what recurses `depth` deep where there is room for it.
pub(super) fn with_room<T: Send>(depth: Depth, run: impl FnOnce() -> T + Send) -> T {
    if depth.levels <= SHALLOW.levels && depth.brackets <= SHALLOW.brackets {
        return run();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(DEEP_STACK_BYTES);
        let running = thread.spawn_scoped(scope, run).expect("the system gives a thread");
        running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Puts a charge on what each comprehension goes over and on each item that it makes.
pub(super) fn meter(node: &mut IdedExpr) {
    match &mut node.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => {}
        Expr::Select(select) => meter(&mut select.operand),
        Expr::List(list) => list.elements.iter_mut().for_each(meter),
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|target| meter(target));
            call.args.iter_mut().for_each(meter);
        }
        Expr::Map(map) => map.entries.iter_mut().for_each(|entry| meter_entry(&mut entry.expr)),
        Expr::Struct(make) => {
            make.entries.iter_mut().for_each(|entry| meter_entry(&mut entry.expr));
        }
        Expr::Comprehension(each) => {
            for inner in [&mut each.iter_range, &mut each.loop_step, &mut each.result] {
                meter(inner);
            }
            put_in(RANGE, &mut each.iter_range);
            charge_items(&mut each.loop_step);
        }
    }
}

fn meter_entry(entry: &mut EntryExpr) {
    match entry {
        EntryExpr::MapEntry(entry) => {
            meter(&mut entry.key);
            meter(&mut entry.value);
        }
        EntryExpr::StructField(field) => meter(&mut field.value),
    }
}

/// `@result + [item]`, also in the branch of a condition: the step of `map` and `filter`.
fn charge_items(step: &mut IdedExpr) {
    let Expr::Call(call) = &mut step.expr else { return };
    match (call.func_name.as_str(), call.args.as_mut_slice()) {
        (operators::CONDITIONAL, [_, taken, _]) => charge_items(taken),
        (operators::ADD, [_, added]) => {
            if let Expr::List(list) = &mut added.expr {
                list.elements.iter_mut().for_each(|item| put_in(CHARGE, item));
            }
        }
        _ => {}
    }
}

/// Puts a call of a function of ours around a node.
fn put_in(function: &str, node: &mut IdedExpr) {
    let inner = std::mem::take(node);
    node.id = inner.id;
    node.expr =
        Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args: vec![inner] });
}

/// What is inside a charge; the node itself when it is none.
pub(super) fn uncharged(node: &IdedExpr) -> &IdedExpr {
    match &node.expr {
        Expr::Call(call) if [CHARGE, RANGE].contains(&&*call.func_name) => &call.args[0],
        _ => node,
    }
}

/// The same, to be changed.
pub(super) fn uncharged_mut(node: &mut IdedExpr) -> &mut IdedExpr {
    let is_charge =
        matches!(&node.expr, Expr::Call(call) if [CHARGE, RANGE].contains(&&*call.func_name));
    if !is_charge {
        return node;
    }
    let Expr::Call(call) = &mut node.expr else { unreachable!("a charge is a call") };
    &mut call.args[0]
}

type Function = Box<
    dyn for<'context, 'call> Fn(
            &mut FunctionContext<'context, 'call>,
        ) -> Result<CowVal<'context, 'call>, ExecutionError>
        + Send
        + Sync,
>;

/// Gives an evaluation its budget: a charge that does not fit ends it.
pub(super) fn allow(context: &mut Context<'_, '_>) {
    let spent = Arc::new(AtomicUsize::new(0));
    let pays = spent.clone();
    let charge: Function = Box::new(move |call| {
        let value = call.args.remove(0);
        pay(&pays, &value)?;
        Ok(value)
    });
    let range: Function = Box::new(move |call| {
        let value = call.args.remove(0);
        pay(&spent, &value)?;
        Ok(in_order(value))
    });
    context.add_function(CHARGE, charge).expect("no other function has this name");
    context.add_function(RANGE, range).expect("no other function has this name");
}

fn pay(spent: &AtomicUsize, value: &CowVal<'_, '_>) -> Result<(), ExecutionError> {
    let size = value.as_sizer().map_or(0, |value| *value.size().inner());
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let is_text = value.get_type().name() == "string";
    let steps = if is_text { 1 + size / BYTES_A_STEP } else { size.max(1) };
    if spent.fetch_add(steps, Ordering::Relaxed) + steps > EXPRESSION_STEPS_MAX {
        return Err(ExecutionError::function_error(CHARGE, "the budget is spent"));
    }
    Ok(())
}

/// What a comprehension goes over: of a map the keys, sorted. CEL says nothing of their order, and
/// its maps give another one each time: a plan would never be the same twice (law 2).
fn in_order<'b, 'v>(value: CowVal<'b, 'v>) -> CowVal<'b, 'v> {
    if value.get_type().name() != "map" {
        return value;
    }
    let Some(iterable) = value.as_iterable() else { return value };
    let (mut keys, mut rest) = (Vec::new(), iterable.iter());
    while let Some(key) = rest.next() {
        keys.push(key.clone_as_boxed());
    }
    drop(rest);
    // Numbers by value, and before texts, which Debug quotes.
    keys.sort_by_cached_key(|key| {
        let number = key.downcast_ref::<CelInt>().map(|number| *number.inner());
        (number.is_none(), number, format!("{key:?}"))
    });
    CowVal::owned(CelList::from(keys))
}

/// Refuses a value that is too large or too deep; the error is worded for the user. Never shows it.
pub fn fit(value: &Value) -> Result<(), String> {
    let parts = parts(value, 1).ok_or_else(|| {
        format!("the value has more than {VALUE_DEPTH_MAX} levels, which is the most")
    })?;
    if parts > VALUE_PARTS_MAX {
        return Err(format!(
            "the value has {parts} parts, and {VALUE_PARTS_MAX} is the most: each item of a list, \
             each entry of a map and each 64 bytes of a text is one"
        ));
    }
    Ok(())
}

/// Counts; `None` when it goes too deep.
fn parts(value: &Value, level: usize) -> Option<usize> {
    if level > VALUE_DEPTH_MAX {
        return None;
    }
    let text = |text: &str| 1 + text.len() / BYTES_A_STEP;
    match value {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => Some(1),
        Value::Text(it) => Some(text(it)),
        Value::Secret(secret) => Some(text(secret.expose())),
        Value::List(items) => {
            items.iter().try_fold(1, |sum, item| Some(sum + parts(item, level + 1)?))
        }
        Value::Map(map) => map.iter().try_fold(1, |sum, (key, item)| {
            Some(sum + key.len() / BYTES_A_STEP + parts(item, level + 1)?)
        }),
    }
}

/// Words the end of a budget; `None` for every other error.
pub(super) fn word(error: &ExecutionError) -> Option<String> {
    match error {
        ExecutionError::FunctionError { function, .. } if function == CHARGE => Some(format!(
            "it goes over more than {EXPRESSION_STEPS_MAX} items in all, counting each round of \
             each `map`, `filter`, `all` and `exists`"
        )),
        _ => None,
    }
}
