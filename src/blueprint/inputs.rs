//! Typed inputs: what a blueprint may be given from outside.

use super::{Text, check_name, listed, mapping, refuse_unknown_keys};
use crate::diag::{Code, Diagnostic, Findings};
use crate::yaml::{Map, Node, NodeKind};
use dsenv_sdk::Secret;
use dsenv_sdk::value::Value;
use std::collections::BTreeMap;

/// What an input may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputType {
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// A number with a fraction.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of texts.
    List,
    /// A text that nobody sees.
    Secret,
}

const TYPES: &[(&str, InputType)] = &[
    ("boolean", InputType::Boolean),
    ("integer", InputType::Integer),
    ("list", InputType::List),
    ("number", InputType::Number),
    ("secret", InputType::Secret),
    ("string", InputType::String),
];

/// One input.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its name, and where.
    pub name: Text,
    /// Its type.
    pub ty: InputType,
    /// What it is when nobody says; `None` makes it compulsory.
    pub default: Option<Value>,
    /// Whether it has a default that was refused: then nobody is asked for the input on top of it.
    pub default_refused: bool,
    /// The least that is accepted.
    pub min: Option<i64>,
    /// The most that is accepted.
    pub max: Option<i64>,
    /// The only values that are accepted.
    pub choices: Option<Vec<Value>>,
    /// What it is for.
    pub description: Option<String>,
}

pub(super) fn read(map: &Map, findings: &mut Findings) -> BTreeMap<String, Input> {
    let mut inputs = BTreeMap::new();
    let Some(entry) = map.get("inputs") else { return inputs };
    let Some(block) = mapping(&entry.value, "inputs", findings) else { return inputs };
    for entry in block {
        check_name(&entry.key, entry.key_span, "an input", findings);
        let name = Text { text: entry.key.clone(), span: entry.key_span };
        let Some(body) = mapping(&entry.value, &entry.key, findings) else { continue };
        if let Some(input) = read_one(name, body, findings) {
            inputs.insert(entry.key.clone(), input);
        }
    }
    inputs
}

fn read_one(name: Text, body: &Map, findings: &mut Findings) -> Option<Input> {
    const KNOWN: &[&str] = &["type", "default", "min", "max", "choices", "description"];
    refuse_unknown_keys(body, KNOWN, "an input", findings);
    let names: Vec<_> = TYPES.iter().map(|(name, _)| *name).collect();
    let written = body.value("type").and_then(Node::as_text);
    let Some((_, ty)) = TYPES.iter().find(|(name, _)| Some(*name) == written) else {
        let message = format!("input `{}` needs a `type`: one of {}", name.text, listed(&names));
        let span = body.value("type").map_or(name.span, |node| node.span);
        findings.push(Diagnostic::error(Code::E0501, message).at(span));
        return None;
    };
    let bound = |key: &str, findings: &mut Findings| {
        let node = body.value(key)?;
        match node.kind {
            NodeKind::Int(number) => Some(number),
            _ => {
                let message = format!("`{key}` is a whole number, not {}", node.kind_name());
                findings.push(Diagnostic::error(Code::E0501, message).at(node.span));
                None
            }
        }
    };
    let (min, max) = (bound("min", findings), bound("max", findings));
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        let message = format!("`min` is {min}, which is more than `max`, {max}: nothing fits");
        let span = body.get("min").map_or(name.span, |entry| entry.value.span);
        findings.push(Diagnostic::error(Code::E0501, message).at(span));
    }
    let mut input = Input {
        name,
        ty: *ty,
        default: None,
        default_refused: false,
        min,
        max,
        choices: None,
        description: body.value("description").and_then(Node::as_text).map(str::to_owned),
    };
    if let Some(node) = body.value("choices") {
        let items = node.as_list().unwrap_or_default();
        input.choices = Some(items.iter().filter_map(|item| plain_value(item, *ty)).collect());
    }
    if let Some(entry) = body.get("default") {
        let node = &entry.value;
        if *ty == InputType::Secret && node.as_text().is_some() {
            let message = format!(
                "the default of `{}` stands in the file in clear, for everybody who reads it",
                input.name.text
            );
            let clear = Diagnostic::warning(Code::E0210, message).at(entry.key_span);
            let help = "leave the default out, so that it must be given";
            findings.push(clear.conceal(node.span).help(help));
        }
        let value = plain_value(node, *ty).ok_or_else(|| expected(*ty));
        match value.and_then(|value| input.accept(value)) {
            Ok(value) => input.default = Some(value),
            Err(message) => {
                let message = format!("the default of input `{}`: {message}", input.name.text);
                findings.push(Diagnostic::error(Code::E0503, message).at(node.span));
                input.default_refused = true;
            }
        }
    }
    Some(input)
}

/// Turns a tree without expressions into a value of the input's type.
pub(crate) fn plain_value(node: &Node, ty: InputType) -> Option<Value> {
    Some(match (&node.kind, ty) {
        (NodeKind::Text(text), InputType::Secret) => Value::Secret(Secret::new(text.as_str())),
        (NodeKind::Text(text), InputType::String) => Value::Text(text.clone()),
        (NodeKind::Int(number), InputType::Integer) => Value::Int(*number),
        (NodeKind::Int(number), InputType::Number) => Value::Float(*number as f64),
        (NodeKind::Float(number), InputType::Number) => Value::Float(*number),
        (NodeKind::Bool(flag), InputType::Boolean) => Value::Bool(*flag),
        (NodeKind::List(items), InputType::List) => Value::List(
            items
                .iter()
                .map(|item| item.scalar_text().map(Value::text))
                .collect::<Option<Vec<_>>>()?,
        ),
        _ => return None,
    })
}

fn expected(ty: InputType) -> String {
    match ty {
        InputType::String => "expected a text",
        InputType::Integer => "expected a whole number",
        InputType::Number => "expected a number",
        InputType::Boolean => "expected `true` or `false`",
        InputType::List => "expected a list of texts",
        InputType::Secret => "expected a text",
    }
    .to_owned()
}

/// Reads what was typed after `--input NAME=`: text as it is, lists as JSON when they begin with `[`,
/// else split at commas.
pub fn read_typed(input: &Input, typed: &str) -> Result<Value, String> {
    let value = match input.ty {
        InputType::String => Some(Value::text(typed)),
        InputType::Secret => Some(Value::Secret(Secret::new(typed))),
        InputType::Integer => typed.parse().ok().map(Value::Int),
        InputType::Number => typed.parse().ok().filter(|n: &f64| n.is_finite()).map(Value::Float),
        InputType::Boolean => typed.parse().ok().map(Value::Bool),
        InputType::List if typed.trim_start().starts_with('[') => {
            let items: Option<Vec<String>> = serde_json::from_str(typed).ok();
            items.map(|items| Value::List(items.into_iter().map(Value::Text).collect()))
        }
        InputType::List if typed.is_empty() => Some(Value::List(Vec::new())),
        InputType::List => Some(Value::List(typed.split(',').map(Value::text).collect())),
    };
    let found = match input.ty {
        InputType::Secret => String::new(),
        _ => format!(", found `{typed}`"),
    };
    input.accept(value.ok_or_else(|| format!("{}{found}", expected(input.ty)))?)
}

impl Input {
    /// Checks bounds and choices; gives the value back when it is accepted.
    pub fn accept(&self, value: Value) -> Result<Value, String> {
        if let Value::Int(number) = value {
            let low = self.min.is_some_and(|min| number < min);
            let high = self.max.is_some_and(|max| number > max);
            if low || high {
                let bounds = match (self.min, self.max) {
                    (Some(min), Some(max)) => format!("from {min} to {max}"),
                    (Some(min), None) => format!("from {min}"),
                    (None, Some(max)) => format!("up to {max}"),
                    (None, None) => unreachable!("one of the bounds was broken"),
                };
                return Err(format!("expected a whole number {bounds}, found `{number}`"));
            }
        }
        match &self.choices {
            Some(choices) if !choices.contains(&value) => {
                let choices: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
                Err(format!("expected one of {}, found `{value}`", choices.join(", ")))
            }
            _ => Ok(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Span;

    #[test]
    fn a_list_is_typed_with_commas_or_as_json() {
        let name = Text { text: "l".to_owned(), span: Span::at(0) };
        let list = Input {
            name,
            ty: InputType::List,
            default: None,
            default_refused: false,
            min: None,
            max: None,
            choices: None,
            description: None,
        };
        let read = |typed: &str| match read_typed(&list, typed) {
            Ok(value) => value.to_string(),
            Err(message) => message,
        };
        assert_eq!(read("b,c"), r#"["b", "c"]"#);
        assert_eq!(read(r#"["b","c, d"]"#), r#"["b", "c, d"]"#);
        assert_eq!(read(""), "[]");
        assert_eq!(read("[]"), "[]");
        assert_eq!(read("[b"), "expected a list of texts, found `[b`");
    }
}
