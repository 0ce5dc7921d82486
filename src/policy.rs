//! The blueprint's own rules: CEL over what it says, judged before anything is planned.
//!
//! A rule sees `resources`, a list of maps with `name`, `kind`, `address`, `tier`, `owner`, `tags`, the
//! kind's arguments, and `inputs` and `env`. An argument that is known after apply is absent; a rule that reads one
//! cannot be judged, which refuses as well. Pure.

use crate::blueprint::Policy;
use crate::diag::{Code, Diagnostic, Findings};
use crate::expr::{self, Compiled, Lookup, Outcome};
use crate::resolve::{Resolved, Resource};
use dsenv_sdk::Term;
use dsenv_sdk::value::{Map, Value};

/// How many resources that break a rule are named and shown.
const NAMED_MAX: usize = 5;

/// Judges every rule.
pub fn judge(resolved: &Resolved) -> Findings {
    let mut findings = Findings::new();
    if resolved.policies.is_empty() {
        return findings;
    }
    let all: Vec<(&Resource, Value)> =
        resolved.resources.values().map(|resource| (resource, shown(resource))).collect();
    let resources = Value::List(all.iter().map(|(_, shown)| shown.clone()).collect());
    for policy in &resolved.policies {
        let rule = match expr::compile_rule(&policy.rule.text) {
            Ok(rule) => rule,
            Err(error) => {
                let message = format!("policy `{}`: {error}", policy.name.text);
                findings.push(Diagnostic::error(Code::E0401, message).at(policy.rule.span));
                continue;
            }
        };
        let Err(why) = holds(&rule, policy, resolved, &resources) else { continue };
        // What is asked of each resource by itself is broken by some of them.
        let broken: Vec<&Resource> = match rule.asks_each_of("resources") {
            true => all
                .iter()
                .filter(|(_, shown)| {
                    let alone = Value::List(vec![shown.clone()]);
                    holds(&rule, policy, resolved, &alone).is_err()
                })
                .map(|(resource, _)| *resource)
                .collect(),
            false => Vec::new(),
        };
        findings.push(word(policy, &why, &broken));
    }
    findings
}

/// Judges one rule over these resources; the error says why it does not hold.
fn holds(
    rule: &Compiled,
    policy: &Policy,
    resolved: &Resolved,
    resources: &Value,
) -> Result<(), String> {
    match rule.verdict(&mut |path| look_up(resolved, resources, path)) {
        Ok(Outcome::Known(Value::Bool(true))) => Ok(()),
        Ok(Outcome::Known(Value::Bool(false))) => {
            Err(policy.message.clone().unwrap_or_else(|| "the rule does not hold".to_owned()))
        }
        Ok(Outcome::Known(other)) => {
            Err(format!("the rule gives {}, not `true` or `false`", other.shape()))
        }
        Ok(Outcome::Unknown) => Err("the rule cannot be judged before apply".to_owned()),
        Err(error) => Err(format!("the rule cannot be judged: {error}")),
    }
}

fn word(policy: &Policy, why: &str, broken: &[&Resource]) -> Diagnostic {
    let mut message = format!("policy `{}`: {why}", policy.name.text);
    let names: Vec<_> =
        broken.iter().take(NAMED_MAX).map(|resource| format!("`{}`", resource.addr)).collect();
    if !names.is_empty() {
        message.push_str(&format!(" (broken by {}", names.join(", ")));
        let more = broken.len() - names.len();
        message.push_str(&if more > 0 { format!(" and {more} more)") } else { ")".to_owned() });
    }
    let mut found = Diagnostic::error(Code::E0603, message).at(policy.rule.span);
    for resource in broken.iter().take(NAMED_MAX) {
        found = found.label(resource.span, "breaks the rule");
    }
    match broken {
        [only] => found.address(only.addr.to_string()),
        _ => found,
    }
}

fn look_up(resolved: &Resolved, resources: &Value, path: &[String]) -> Lookup {
    if let Some(found) = resolved.scope.lookup(path) {
        let missing = || Lookup::Missing(format!("there is no `{}`", path.join(".")));
        return found.map_or_else(missing, Lookup::Known);
    }
    match path {
        [root] if root == "resources" => Lookup::Known(resources.clone()),
        _ => Lookup::Missing(format!(
            "a rule sees `resources`, `inputs` and `env`, not `{}`",
            path[0]
        )),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Source;
    use crate::{blueprint, resolve};
    use expect_test::{Expect, expect};

    /// Judges rules over four resources and lists what is found.
    fn check(rules: &[&str], expected: Expect) {
        let items: Vec<_> = (0..)
            .zip(rules)
            .map(|(at, rule)| {
                format!("  - {{name: p{at}, rule: '{}'}}\n", rule.replace('\'', "''"))
            })
            .collect();
        let yaml = format!(
            "blueprint: t
inputs: {{n: {{type: integer, default: 3}}, key: {{type: secret, default: short}}}}
resources:
  a: {{kind: bucket, encrypted: false}}
  b: {{kind: bucket}}
  c: {{kind: bucket, encrypted: false}}
  d: {{kind: value, input: '${{b.name}}'}}
policies:
{}",
            items.concat()
        );
        let source = Source::new("dsenv.yaml", yaml);
        let (blueprint, _) = blueprint::parse(&source);
        let blueprint = blueprint.expect("it is a blueprint");
        let (resolved, _) = resolve::resolve(&source, &blueprint, None, &[]);
        let findings = judge(&resolved.expect("it has an environment"));
        let lines: Vec<_> =
            findings.iter().map(|found| format!("{} {}\n", found.code, found.message)).collect();
        expected.assert_eq(&lines.concat());
    }

    #[test]
    fn a_broken_rule_names_what_breaks_it() {
        check(
            &[
                "resources.all(r, r.kind != \"bucket\" || r.encrypted)",
                "resources.all(r, r.encrypted)",
                "resources.exists(r, r.name == \"z\")",
                "size(resources) == inputs.n",
                "resources.all(r, r.name.matches(\"^[a-d]$\"))",
            ],
            expect![[r#"
                E0603 policy `p0`: the rule does not hold (broken by `a`, `c`)
                E0603 policy `p1`: the rule does not hold (broken by `a`, `c`, `d`)
                E0603 policy `p2`: the rule does not hold
                E0603 policy `p3`: the rule does not hold
            "#]],
        );
    }

    #[test]
    fn a_rule_that_is_badly_written_says_what_is_wrong() {
        check(
            &[
                "resources.al(r, r.encrypted)",
                "resources.all(r)",
                "${env.name == \"prod\"}",
                "lake.encrypted",
                "size(resources)",
                "timestamp(\"2026-01-01T00:00:00Z\") < timestamp(\"2027-01-01T00:00:00Z\")",
            ],
            expect![[r#"
                E0401 policy `p0`: there is no function `al`; did you mean `all`?
                E0401 policy `p1`: `all` takes a name and a condition: `list.all(x, x > 0)`
                E0401 policy `p2`: a rule is an expression as a whole, and is written without `${` and `}`
                E0603 policy `p3`: the rule cannot be judged: a rule sees `resources`, `inputs` and `env`, not `lake`
                E0603 policy `p4`: the rule gives a whole number, not `true` or `false`
                E0401 policy `p5`: there is no function `timestamp`
            "#]],
        );
    }

    #[test]
    fn a_rule_may_ask_about_a_secret_and_shows_nothing_of_it() {
        check(
            &["size(inputs.key) >= 12", "inputs.key"],
            expect![[r#"
            E0603 policy `p0`: the rule does not hold
            E0603 policy `p1`: the rule gives a secret, not `true` or `false`
        "#]],
        );
    }
}
