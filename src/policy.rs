//! The blueprint's own rules: CEL over what it says, judged before anything is planned.
//!
//! A rule sees `resources`, a list of maps with `name`, `kind`, `address`, `tier`, `owner`, `tags`, the
//! kind's arguments, and `env`. An argument that is known after apply is absent; a rule that reads one
//! cannot be judged, which refuses as well. Pure.

use crate::diag::{Code, Diagnostic, Findings};
use crate::expr::{self, Lookup, Outcome};
use crate::resolve::{Resolved, Resource};
use dsenv_sdk::Term;
use dsenv_sdk::value::{Map, Value};

/// Judges every rule.
pub fn judge(resolved: &Resolved) -> Findings {
    let mut findings = Findings::new();
    if resolved.policies.is_empty() {
        return findings;
    }
    let resources = Value::List(resolved.resources.values().map(shown).collect());
    for policy in &resolved.policies {
        let compiled = match expr::compile_rule(&policy.rule.text) {
            Ok(compiled) => compiled,
            Err(error) => {
                let message = format!("policy `{}`: {error}", policy.name.text);
                findings.push(Diagnostic::error(Code::E0401, message).at(policy.rule.span));
                continue;
            }
        };
        let mut lookup = |path: &[String]| look_up(resolved, &resources, path);
        let message = match compiled.verdict(&mut lookup) {
            Ok(Outcome::Known(Value::Bool(true))) => continue,
            Ok(Outcome::Known(Value::Bool(false))) => {
                policy.message.clone().unwrap_or_else(|| "the rule does not hold".to_owned())
            }
            Ok(Outcome::Known(other)) => {
                format!("the rule gives {}, not `true` or `false`", other.shape())
            }
            Ok(Outcome::Unknown) => "the rule cannot be judged before apply".to_owned(),
            Err(error) => format!("the rule cannot be judged: {error}"),
        };
        let message = format!("policy `{}`: {message}", policy.name.text);
        findings.push(Diagnostic::error(Code::E0603, message).at(policy.rule.span));
    }
    findings
}

fn look_up(resolved: &Resolved, resources: &Value, path: &[String]) -> Lookup {
    if let Some(found) = resolved.scope.lookup(path) {
        let missing = || Lookup::Missing(format!("there is no `{}`", path.join(".")));
        return found.map_or_else(missing, Lookup::Known);
    }
    match path {
        [root] if root == "resources" => Lookup::Known(resources.clone()),
        _ => Lookup::Missing(format!("a rule sees `resources` and `env`, not `{}`", path[0])),
    }
}

fn shown(resource: &Resource) -> Value {
    let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::Text);
    let tags = resource.tags.iter().map(|(k, v)| (k.clone(), Value::text(&**v))).collect();
    let mut map = Map::from([
        ("name".to_owned(), Value::text(&*resource.addr.name)),
        ("address".to_owned(), Value::text(resource.addr.to_string())),
        ("kind".to_owned(), Value::text(resource.kind.name)),
        ("tier".to_owned(), text(&resource.tier)),
        ("owner".to_owned(), text(&resource.owner)),
        ("tags".to_owned(), Value::Map(tags)),
        ("protect".to_owned(), Value::Bool(resource.protect)),
    ]);
    for (name, term) in &*resource.fields {
        if let Term::Known(value) = term {
            map.insert(name.clone(), value.clone());
        }
    }
    Value::Map(map)
}
