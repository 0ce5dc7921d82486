//! The rules that a blueprint is held to, its own and those of packs: CEL over what it says, judged
//! before anything is planned, and over what a plan does (`on: plan`), judged by the guard.
//!
//! In: a [`View`] of what rules see, waivers and the day. Out: one [`Judged`] a rule, and [`findings`].
//! What cannot be judged is broken as well: a rule that reads what is known after apply, or a price that is
//! missing. A waived breach is a note; an advisory one a warning. No finding holds a value. Pure: the day
//! is given, and without one no waiver counts.

pub mod factors;
mod facts;

pub use facts::{Item, View};

use crate::blueprint::{Enforce, Over, Policy, Waiver};
use crate::diag::{Code, Diagnostic, Findings};
use crate::expr::{self, Compiled, Lookup, Outcome};
use crate::graph;
use crate::resolve::{Resolved, Resource};
use dsenv_sdk::Addr;
use dsenv_sdk::value::Value;
use jiff::civil::Date;
use std::collections::BTreeSet;

/// How many resources that break a rule are named and shown.
const NAMED_MAX: usize = 5;

/// What a rule sees of one item, when it is asked about each of a list: not a name that can be typed.
const ONE: &str = "@one";

/// What came of one rule.
#[derive(Clone, Debug)]
pub struct Judged<'a> {
    /// The rule.
    pub policy: &'a Policy,
    /// What came of it.
    pub verdict: Verdict,
    /// What breaks it and may, with what says so; `None` for the rule as a whole.
    pub waived: Vec<(Option<Addr>, &'a Waiver)>,
}

/// What came of a rule, once what is waived is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Held,
    /// It does not, or cannot be judged.
    Broken {
        /// Why, without any value.
        why: String,
        /// What breaks it, where the rule asks each of a list by itself.
        by: Vec<Addr>,
    },
    /// Everything that breaks it may.
    Waived {
        /// Why it would be broken.
        why: String,
    },
    /// It is no rule.
    Malformed(String),
}

/// Judges the rules over what the blueprint says, and says which waivers have ended.
pub fn judge(resolved: &Resolved, today: Option<Date>) -> Findings {
    let mut found = findings(&each(&View::of(resolved), Over::Blueprint, today), resolved);
    found.extend(resolved.waivers.iter().filter_map(|waiver| ended(waiver, today)));
    found
}

/// Judges every rule over one thing.
pub fn each<'a>(view: &View<'a>, over: Over, today: Option<Date>) -> Vec<Judged<'a>> {
    let policies = view.resolved.policies.iter().filter(|policy| policy.over == over);
    policies.map(|policy| one(policy, view, today)).collect()
}

fn one<'a>(policy: &'a Policy, view: &View<'a>, today: Option<Date>) -> Judged<'a> {
    let judged = |verdict| Judged { policy, verdict, waived: Vec::new() };
    let rule = match expr::compile_rule(&policy.rule.text) {
        Ok(rule) => rule,
        Err(error) => return judged(Verdict::Malformed(error.to_string())),
    };
    let Err(why) = holds(&rule, policy, view, None) else { return judged(Verdict::Held) };
    // What is asked of each resource by itself is broken by some of them.
    let culprits = view.lists().find_map(|(name, items)| {
        let alone = rule.asking_each_of(name, ONE)?;
        let breaks = |item: &&Item| holds(&alone, policy, view, Some(item)).is_err();
        Some(items.iter().filter(breaks).map(|item| item.addr.clone()).collect::<BTreeSet<_>>())
    });
    let counts = |waiver: &&Waiver| waiver.is_for(policy) && counts(waiver, today);
    let waivers: Vec<&'a Waiver> = view.resolved.waivers.iter().filter(counts).collect();
    let by: Vec<Addr> = culprits.into_iter().flatten().collect();
    if by.is_empty() {
        // A waiver that names a resource is for that one, and here nobody knows which it is.
        let whole = waivers.into_iter().find(|waiver| waiver.resource.is_none());
        let waived = whole.map(|waiver| (None, waiver)).into_iter().collect::<Vec<_>>();
        let verdict = match waived.is_empty() {
            true => Verdict::Broken { why, by },
            false => Verdict::Waived { why },
        };
        return Judged { policy, verdict, waived };
    }
    let (mut left, mut waived) = (Vec::new(), Vec::new());
    for addr in by {
        match waivers.iter().find(|waiver| covers(waiver, &addr)) {
            Some(waiver) => waived.push((Some(addr), *waiver)),
            None => left.push(addr),
        }
    }
    let verdict = match left.is_empty() {
        true => Verdict::Waived { why },
        false => Verdict::Broken { why, by: left },
    };
    Judged { policy, verdict, waived }
}

fn counts(waiver: &Waiver, today: Option<Date>) -> bool {
    today.is_some_and(|today| today <= waiver.until)
}

fn covers(waiver: &Waiver, addr: &Addr) -> bool {
    let Some(resource) = &waiver.resource else { return true };
    resource.parse::<Addr>().is_ok_and(|named| named.covers(addr))
}

fn ended(waiver: &Waiver, today: Option<Date>) -> Option<Diagnostic> {
    if counts(waiver, today) {
        return None;
    }
    let name = &waiver.policy.text;
    let message = match today {
        Some(_) => format!("the waiver of `{name}` ended on {}: it counts as none", waiver.until),
        None => format!("the waiver of `{name}` counts as none: nobody says which day it is"),
    };
    let ended = Diagnostic::warning(Code::E0522, message).at(waiver.span);
    Some(ended.help("take it out; if the reason still holds, give it another last day"))
}

/// Judges one rule, of everything or of one item; the error says why it does not hold.
fn holds(
    rule: &Compiled,
    policy: &Policy,
    view: &View<'_>,
    alone: Option<&Item>,
) -> Result<(), String> {
    let mut look_up = |path: &[String]| match (alone, path) {
        (Some(item), [root]) if root == ONE => Lookup::Known(Value::List(vec![item.shown.clone()])),
        _ => view.look_up(policy, path),
    };
    match rule.verdict(&mut look_up) {
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

/// Words what came of rules: errors, warnings for the advisory ones, and notes of what is waived.
pub fn findings(judged: &[Judged<'_>], resolved: &Resolved) -> Findings {
    let mut findings = Findings::new();
    for judged in judged {
        let policy = judged.policy;
        match &judged.verdict {
            Verdict::Held => {}
            Verdict::Malformed(error) => {
                let message = format!("policy `{}`: {error}", policy.name.text);
                findings.push(Diagnostic::error(Code::E0401, message).at(policy.rule.span));
            }
            Verdict::Broken { why, by } => {
                findings.push(broken(policy, why, by, resolved));
                findings.extend(waived(judged, why, resolved));
            }
            Verdict::Waived { why } => findings.extend(waived(judged, why, resolved)),
        }
    }
    findings
}

fn broken(policy: &Policy, why: &str, by: &[Addr], resolved: &Resolved) -> Diagnostic {
    let mut message = format!("policy `{}`: {why}", policy.name.text);
    let names: Vec<_> = by.iter().take(NAMED_MAX).map(|addr| format!("`{addr}`")).collect();
    if !names.is_empty() {
        message.push_str(&format!(" (broken by {}", names.join(", ")));
        let more = by.len() - names.len();
        message.push_str(&if more > 0 { format!(" and {more} more)") } else { ")".to_owned() });
    }
    let mut found = match policy.enforce {
        Enforce::Mandatory => Diagnostic::error(Code::E0603, message),
        Enforce::Advisory => Diagnostic::warning(Code::E0603, message),
    };
    found = place(found, policy, by, resolved);
    found.help.extend(policy.help.clone());
    found
}

/// What is to change stands first: the field of what breaks the rule, or the environment. The rule stands
/// beside it, since it may be what is wrong.
fn place(mut found: Diagnostic, policy: &Policy, by: &[Addr], resolved: &Resolved) -> Diagnostic {
    let own = by.iter().filter_map(|addr| resolved.resources.get(&addr.owner()));
    let spans: Vec<_> = own.take(NAMED_MAX).map(|it: &Resource| to_change(it, policy)).collect();
    if let [only] = by {
        found = found.address(only.to_string());
    }
    match (spans.split_first(), policy.pack, resolved.place) {
        (Some((first, more)), _, _) => {
            let mut found = found.at(*first).label(policy.rule.span, "the rule");
            for span in more {
                found = found.label(*span, "breaks it too");
            }
            found
        }
        // The rule of a pack is in no file of the user's.
        (None, Some(_), Some(place)) => found.at(place).label(policy.rule.span, "the pack"),
        (None, _, _) => found.at(policy.rule.span),
    }
}

fn to_change(resource: &Resource, policy: &Policy) -> crate::diag::Span {
    match &policy.field {
        Some(field) => graph::field_span(resource, field),
        None => resource.span,
    }
}

fn waived<'a>(
    judged: &'a Judged<'_>,
    why: &'a str,
    resolved: &'a Resolved,
) -> impl Iterator<Item = Diagnostic> + 'a {
    judged.waived.iter().map(move |(addr, waiver)| {
        let by = addr.as_ref().map_or(String::new(), |addr| format!(" (broken by `{addr}`)"));
        let message = format!(
            "policy `{}`: {why}{by}; waived until {}: {}",
            judged.policy.name.text, waiver.until, waiver.reason
        );
        let mut note = Diagnostic::note(Code::E0521, message).at(waiver.span);
        if let Some(addr) = addr {
            note = note.address(addr.to_string());
            if let Some(resource) = resolved.resources.get(&addr.owner()) {
                note = note.label(to_change(resource, judged.policy), "breaks the rule");
            }
        }
        note
    })
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
        let findings = judge(&resolved.expect("it has an environment"), None);
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
                E0603 policy `p3`: the rule cannot be judged: a rule sees `environment`, `resources`, `inputs`, `env` and `with`, not `lake`
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

    /// Judges a blueprint on a day: each finding with its severity, and where it is.
    fn on_day(yaml: &str, day: Option<&str>, expected: Expect) {
        let source = Source::new("dsenv.yaml", yaml);
        let (blueprint, found) = blueprint::parse(&source);
        assert!(!found.has_errors(), "{found:#?}");
        let blueprint = blueprint.expect("it is a blueprint");
        let (resolved, found) = resolve::resolve(&source, &blueprint, None, &[]);
        assert!(!found.has_errors(), "{found:#?}");
        let day = day.map(|day| day.parse().expect("a day"));
        let findings = judge(&resolved.expect("it has an environment"), day);
        let lines: Vec<_> = findings
            .iter()
            .map(|found| {
                let at = source.position(found.span.expect("a place").start);
                let severity = found.severity.as_str();
                format!("{severity} {} {}:{} {}\n", found.code, at.line, at.column, found.message)
            })
            .collect();
        expected.assert_eq(&lines.concat());
    }

    const WAIVED: &str = "blueprint: t
resources:
  a: {kind: bucket, encrypted: false}
  b: {kind: bucket, encrypted: false}
policies:
  - {name: e, field: encrypted, rule: 'resources.all(r, r.encrypted)', message: encrypted}
  - {name: one, enforce: advisory, rule: 'size(resources) == 1', message: one is enough}
waive:
  - {policy: e, resource: a, reason: public data, until: 2027-01-31}
";

    #[test]
    fn a_waived_breach_is_told_until_its_last_day() {
        let holds = expect![[r#"
            error E0603 4:32 policy `e`: encrypted (broken by `b`)
            note E0521 9:5 policy `e`: encrypted (broken by `a`); waived until 2027-01-31: public data
            warning E0603 7:42 policy `one`: one is enough
        "#]];
        on_day(WAIVED, Some("2027-01-31"), holds);
        let over = expect![[r#"
            error E0603 3:32 policy `e`: encrypted (broken by `a`, `b`)
            warning E0603 7:42 policy `one`: one is enough
            warning E0522 9:5 the waiver of `e` ended on 2027-01-31: it counts as none
        "#]];
        on_day(WAIVED, Some("2027-02-01"), over);
        let unknown = expect![[r#"
            error E0603 3:32 policy `e`: encrypted (broken by `a`, `b`)
            warning E0603 7:42 policy `one`: one is enough
            warning E0522 9:5 the waiver of `e` counts as none: nobody says which day it is
        "#]];
        on_day(WAIVED, None, unknown);
    }

    #[test]
    fn a_waiver_of_a_resource_is_none_of_a_rule_about_all_of_them() {
        let waive = |resource: &str| {
            format!(
                "blueprint: t
resources: {{a: {{kind: bucket}}}}
policies:
  - {{name: many, rule: 'size(resources) > 1'}}
waive:
  - {{policy: many, {resource}reason: why, until: 2027-01-31}}
"
            )
        };
        let one = expect![[r#"
            error E0603 4:24 policy `many`: the rule does not hold
        "#]];
        on_day(&waive("resource: a, "), Some("2026-12-01"), one);
        let all = expect![[r#"
            note E0521 6:5 policy `many`: the rule does not hold; waived until 2027-01-31: why
        "#]];
        on_day(&waive(""), Some("2026-12-01"), all);
    }

    #[test]
    fn amounts_are_compared_as_decimals_of_one_currency() {
        check(
            &[
                "at_most(\"1000 USD\", \"500 USD\")",
                "at_most(\"0.1 USD\", \"0.10 USD\")",
                "at_most(\"1 EUR\", \"5 USD\")",
                "at_most(1, \"5 USD\")",
            ],
            expect![[r#"
                E0603 policy `p0`: the rule does not hold
                E0603 policy `p2`: the rule cannot be judged: `at_most` compares amounts of one currency
                E0603 policy `p3`: the rule cannot be judged: `at_most` compares amounts: `at_most(cost.ceiling, "500 USD")`
            "#]],
        );
    }
}
