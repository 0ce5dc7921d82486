//! Expressions: CEL inside `${ }`.
//!
//! In: the text of one scalar. Out: [`Compiled`], which lists what it refers to, and with a lookup
//! of those a [`Value`]. `$${` stands for a literal `${`. A scalar that is one `${ }` and nothing
//! else keeps the value's type; anything longer is text.
//!
//! Nothing here knows resources or environments: a path is a list of names, and the caller says
//! what it stands for. Pure.
//!
//! ## Why a fast path
//! Nine of ten expressions are a plain `${db.host}`. Compiling that as CEL costs ten microseconds
//! and evaluating it builds a map; splitting it at the dots costs one and nothing.
//!
//! ## Secrets
//! A value computed from a secret is a secret, and what cannot be kept secret is refused: numbers,
//! truths, names of keys ([`secrecy`] says why). CEL's own errors print the values they stumbled over,
//! so they are worded anew here, and never with a value.

mod cel_bridge;
mod functions;
mod limits;
mod money;
mod secrecy;
mod template;

use dsenv_sdk::Secret;
pub use dsenv_sdk::term::Form;
use dsenv_sdk::value::Value;
pub use limits::{
    EXPRESSION_DEPTH_MAX, EXPRESSION_STEPS_MAX, VALUE_DEPTH_MAX, VALUE_PARTS_MAX, fit,
};
pub use money::{AT_MOST, amount};
use template::Piece;

/// The longest scalar that may hold an expression, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 64 * 1024;

/// The way to a value: a root name, then keys of maps and positions of lists.
pub type Path = Vec<String>;

/// A scalar with at least one `${ }` in it.
#[derive(Debug)]
pub struct Compiled {
    segments: Vec<Segment>,
    paths: Vec<Path>,
}

#[derive(Debug)]
enum Segment {
    Literal(String),
    Code(Code),
}

#[derive(Debug)]
enum Code {
    /// `${a.b.c}`.
    Path(Path),
    /// Anything richer, with the paths that it needs.
    Program(Box<cel_bridge::Program>),
}

/// A scalar that is not a valid expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// Where it starts in the scalar, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// What is wrong, lower-case, no full stop.
    pub message: String,
}

/// What a path stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// This value.
    Known(Value),
    /// Something that is known after apply.
    Unknown,
    /// Nothing: why, and what there is instead.
    Missing(String),
}

/// What an expression comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// This value.
    Known(Value),
    /// Something that it refers to is known after apply.
    Unknown,
}

/// Reads one scalar; `None` when there is no `${ }` and no `$${` in it.
pub fn compile(text: &str) -> Result<Option<Compiled>, ExprError> {
    if !text.contains("${") {
        return Ok(None);
    }
    if text.len() > EXPRESSION_BYTES_MAX {
        let message = format!("an expression may be {EXPRESSION_BYTES_MAX} bytes long at most");
        return Err(ExprError { start: 0, end: text.len(), message });
    }
    let mut segments = Vec::new();
    let mut paths = Vec::new();
    for piece in template::split(text)? {
        match piece {
            Piece::Literal(literal) => segments.push(Segment::Literal(literal)),
            Piece::Code { start, source } => {
                let code = compile_code(source).map_err(|error| shift(error, start))?;
                match &code {
                    Code::Path(path) => paths.push(path.clone()),
                    Code::Program(program) => paths.extend(program.paths().iter().cloned()),
                }
                segments.push(Segment::Code(code));
            }
        }
    }
    paths.sort();
    paths.dedup();
    Ok(Some(Compiled { segments, paths }))
}

/// Compiles a bare CEL expression, without `${ }`: the rules of policies are written so.
pub fn compile_rule(source: &str) -> Result<Compiled, ExprError> {
    if source.trim_start().starts_with("${") {
        let message = "a rule is an expression as a whole, and is written without `${` and `}`";
        return Err(ExprError { start: 0, end: source.len(), message: message.to_owned() });
    }
    let code = Code::Program(Box::new(cel_bridge::compile(source)?));
    let Code::Program(program) = &code else { unreachable!("it was just made") };
    let paths = program.paths().to_vec();
    Ok(Compiled { segments: vec![Segment::Code(code)], paths })
}

fn compile_code(source: &str) -> Result<Code, ExprError> {
    match plain_path(source) {
        Some(path) => Ok(Code::Path(path)),
        None => Ok(Code::Program(Box::new(cel_bridge::compile(source)?))),
    }
}

fn shift(error: ExprError, by: usize) -> ExprError {
    ExprError { start: error.start + by, end: error.end + by, ..error }
}

/// Splits `a.b["c"].d[0]` without CEL; `None` for anything richer and for literals such as `true`.
fn plain_path(source: &str) -> Option<Path> {
    let source = source.trim();
    let mut path = Vec::new();
    let mut rest = source;
    loop {
        let end = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let name = &rest[..end];
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return None;
        }
        path.push(name.to_owned());
        rest = &rest[end..];
        while let Some(inner) = rest.strip_prefix('[') {
            let (key, tail) = match inner.strip_prefix('"') {
                Some(quoted) => {
                    let (key, tail) = quoted.split_once('"')?;
                    (key, tail.strip_prefix(']')?)
                }
                None => {
                    let (key, tail) = inner.split_once(']')?;
                    key.bytes().all(|b| b.is_ascii_digit()).then_some((key, tail))?
                }
            };
            if key.is_empty() || key.contains('\\') {
                return None;
            }
            path.push(key.to_owned());
            rest = tail;
        }
        match rest.strip_prefix('.') {
            Some(tail) => rest = tail,
            None if rest.is_empty() => break,
            None => return None,
        }
    }
    let literal = path.len() == 1 && ["true", "false", "null"].contains(&path[0].as_str());
    (!literal).then_some(path)
}

impl Compiled {
    /// Lists what it refers to, sorted, each once. A path that ends early refers to everything
    /// below it.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// Returns the path when the whole scalar is one plain `${a.b}`.
    pub fn sole_path(&self) -> Option<&Path> {
        match self.segments.as_slice() {
            [Segment::Code(Code::Path(path))] => Some(path),
            _ => None,
        }
    }

    /// Says whether `self` stands in it other than as a plain `${self.…}`, which nobody can fill in.
    pub fn computes_with_self(&self) -> bool {
        self.segments.iter().any(|segment| match segment {
            Segment::Code(Code::Program(program)) => {
                program.paths().iter().any(|path| path[0] == "self")
            }
            Segment::Code(Code::Path(_)) | Segment::Literal(_) => false,
        })
    }

    /// Says why it cannot be computed whatever its paths come to, when some of them are known to be
    /// secrets; `None` when that is not certain. See [`secrecy::foresee`].
    pub fn foresee(&self, is_secret: &dyn Fn(&[String]) -> bool) -> Option<String> {
        match self.segments.as_slice() {
            [Segment::Code(Code::Program(program))] => program.foresee(is_secret),
            _ => None,
        }
    }

    /// Returns the same rule about `instead`, when it is `NAME.all(x, ...)` as a whole: then it holds of a
    /// list when it holds of each item by itself. What it says of `NAME` elsewhere stays.
    pub fn asking_each_of(&self, name: &str, instead: &str) -> Option<Compiled> {
        let [Segment::Code(Code::Program(program))] = self.segments.as_slice() else { return None };
        let program = program.asking_each_of(name, instead)?;
        let paths = program.paths().to_vec();
        Some(Compiled { segments: vec![Segment::Code(Code::Program(Box::new(program)))], paths })
    }

    /// Judges a rule of [`compile_rule`]. Whether it holds is told also when it is about a secret:
    /// that is what the rule is there for. A text that it gives instead is hidden.
    pub fn verdict(&self, lookup: &mut dyn FnMut(&[String]) -> Lookup) -> Result<Outcome, String> {
        match self.segments.as_slice() {
            [Segment::Code(Code::Program(program))] => program.verdict(lookup),
            _ => self.evaluate(Form::Plain, lookup),
        }
    }

    /// Computes it. The error says what is wrong in words for the user, without any value.
    pub fn evaluate(
        &self,
        form: Form,
        lookup: &mut dyn FnMut(&[String]) -> Lookup,
    ) -> Result<Outcome, String> {
        if let ([Segment::Code(code)], Form::Plain) = (self.segments.as_slice(), form) {
            return evaluate_code(code, lookup);
        }
        let mut text = String::new();
        let mut secret = false;
        let mut unknown = false;
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => push_literal(&mut text, literal, form),
                Segment::Code(Code::Path(path))
                    if form == Form::SelfTemplate && path[0] == "self" =>
                {
                    text.push_str("${");
                    text.push_str(&path.join("."));
                    text.push('}');
                }
                Segment::Code(code) => match evaluate_in_text(code, lookup)? {
                    Outcome::Known(value) => {
                        secret |= value.holds_secret();
                        push_literal(&mut text, &plain_text(&value)?, form);
                    }
                    Outcome::Unknown => unknown = true,
                },
            }
        }
        if unknown {
            return Ok(Outcome::Unknown);
        }
        Ok(Outcome::Known(if secret {
            Value::Secret(Secret::new(text))
        } else {
            Value::Text(text)
        }))
    }
}

fn push_literal(text: &mut String, literal: &str, form: Form) {
    match form {
        Form::Plain => text.push_str(literal),
        Form::SelfTemplate => text.push_str(&literal.replace("${", "$${")),
    }
}

fn evaluate_code(
    code: &Code,
    lookup: &mut dyn FnMut(&[String]) -> Lookup,
) -> Result<Outcome, String> {
    match code {
        Code::Path(path) => match lookup(path) {
            Lookup::Known(value) => Ok(Outcome::Known(value)),
            Lookup::Unknown => Ok(Outcome::Unknown),
            Lookup::Missing(why) => Err(why),
        },
        Code::Program(program) => {
            let outcome = program.evaluate(lookup)?;
            if let Outcome::Known(value) = &outcome {
                fit(value)?;
            }
            Ok(outcome)
        }
    }
}

/// Computes what stands in the middle of a text. There a number that comes from a secret does no
/// harm, since the text is a secret as a whole.
fn evaluate_in_text(
    code: &Code,
    lookup: &mut dyn FnMut(&[String]) -> Lookup,
) -> Result<Outcome, String> {
    match code {
        Code::Path(_) => evaluate_code(code, lookup),
        Code::Program(program) => program.evaluate_in_text(lookup),
    }
}

/// Words a value for the middle of a text.
fn plain_text(value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        Value::Secret(secret) => Ok(secret.expose().to_owned()),
        Value::Int(_) | Value::Float(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) => {
            Err(format!("{} cannot stand inside a text", value.shape()))
        }
    }
}

#[cfg(test)]
mod tests;
