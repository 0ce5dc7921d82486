//! Chooses the environment and settles its inputs.

use super::Scope;
use crate::blueprint::{Blueprint, Environment, Input, InputType, listed, read_typed};
use crate::diag::{Code, Diagnostic, Findings, Source, Span, suggest};
use crate::yaml::Node;
use dsenv_sdk::value::{Map, Value};

/// One input as somebody typed it: `--input workers=2`.
#[derive(Clone, Debug)]
pub struct InputSource {
    /// The input's name.
    pub name: String,
    /// The text behind `=`.
    pub typed: String,
}

/// Finds the environment; the only one there is when none is named.
pub(super) fn choose<'a>(
    blueprint: &'a Blueprint,
    wanted: Option<&str>,
    findings: &mut Findings,
) -> Option<&'a Environment> {
    let names: Vec<&str> = blueprint.environments.keys().map(String::as_str).collect();
    let Some(wanted) = wanted else {
        if let [only] = names.as_slice() {
            return blueprint.environments.get(*only);
        }
        let message = format!("the blueprint has {}; there is no current one", listed(&names));
        let flags: Vec<_> = names.iter().map(|name| format!("`-e {name}`")).collect();
        let help = format!("say which with {}", flags.join(" or "));
        findings.push(Diagnostic::error(Code::E0506, message).help(help));
        return None;
    };
    let found = blueprint.environments.get(wanted);
    if found.is_none() {
        let message = format!("there is no environment `{wanted}`; there is {}", listed(&names));
        let unknown = Diagnostic::error(Code::E0505, message);
        findings.push(unknown.did_you_mean(suggest(wanted, names.iter().copied())));
    }
    found
}

/// Settles every input: the command line wins over the environment, and that over the default.
pub(super) fn scope(
    source: &Source,
    blueprint: &Blueprint,
    environment: &Environment,
    typed: &[InputSource],
    findings: &mut Findings,
) -> Scope {
    for input in typed {
        if !blueprint.inputs.contains_key(&input.name) {
            let message = format!("the blueprint has no input `{}`", input.name);
            let names = blueprint.inputs.keys().map(String::as_str);
            let unknown = Diagnostic::error(Code::E0504, message);
            findings.push(unknown.did_you_mean(suggest(&input.name, names)));
        }
    }
    let mut inputs = Map::new();
    for (name, input) in &blueprint.inputs {
        if let Some(value) = settle(source, environment, input, typed, findings) {
            inputs.insert(name.clone(), value);
        }
    }
    for (name, (span, _)) in &environment.inputs {
        if !blueprint.inputs.contains_key(name) {
            let message = format!("the blueprint has no input `{name}`");
            let names = blueprint.inputs.keys().map(String::as_str);
            let unknown = Diagnostic::error(Code::E0504, message).at(*span);
            findings.push(unknown.did_you_mean(suggest(name, names)));
        }
    }
    Scope { inputs, env: facts(environment) }
}

fn settle(
    source: &Source,
    environment: &Environment,
    input: &Input,
    typed: &[InputSource],
    findings: &mut Findings,
) -> Option<Value> {
    let name = &input.name.text;
    if let Some(given) = typed.iter().rev().find(|given| &given.name == name) {
        let read = read_typed(input, &given.typed);
        return read.map_err(|message| refuse(name, message, None, findings)).ok();
    }
    let set = environment.set.get(&format!("inputs.{name}"));
    if let Some((key, node)) = set.or_else(|| environment.inputs.get(name)) {
        if input.ty == InputType::Secret {
            let message = format!(
                "secret input `{name}` stands in the file in clear, for everybody who reads it"
            );
            let clear = Diagnostic::warning(Code::E0210, message).at(*key).conceal(node.span);
            findings.push(clear.help(format!("give it with `--input {name}=...`")));
        }
        let read = read_node(source, input, node);
        return read.map_err(|message| refuse(name, message, Some(node.span), findings)).ok();
    }
    if input.default.is_none() && !input.default_refused {
        let message = format!("nobody gave input `{name}`, and it has no default");
        let help = format!("add `--input {name}=...`");
        let missing = Diagnostic::error(Code::E0502, message).at(input.name.span).help(help);
        findings.push(missing);
    }
    input.default.clone()
}

fn refuse(name: &str, message: String, span: Option<Span>, findings: &mut Findings) {
    let refused = Diagnostic::error(Code::E0503, format!("input `{name}`: {message}"));
    findings.push(match span {
        Some(span) => refused.at(span),
        None => refused,
    });
}

/// Reads a tree of the environment as an input: `env` may stand in it, nothing else.
fn read_node(_source: &Source, input: &Input, node: &Node) -> Result<Value, String> {
    let value = crate::blueprint::plain_value(node, input.ty);
    let expected = || format!("expected {:?}, found {}", input.ty, node.kind_name()).to_lowercase();
    input.accept(value.ok_or_else(expected)?)
}

fn facts(environment: &Environment) -> Map {
    let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::Text);
    Map::from([
        ("name".to_owned(), Value::text(&*environment.name.text)),
        ("provider".to_owned(), Value::text(&*environment.provider.text)),
        ("region".to_owned(), text(&environment.region)),
        ("account".to_owned(), text(&environment.account)),
        ("ephemeral".to_owned(), Value::Bool(environment.ephemeral)),
    ])
}
