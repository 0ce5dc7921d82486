//! Rules that a blueprint is held to, and what may break one for a while.
//!
//! ```yaml
//! policies:
//!   - {name: encrypted, rule: 'resources.all(r, r.kind != "bucket" || r.encrypted)', message: buckets are encrypted}
//!   - {name: no_deletes, on: plan, enforce: advisory, rule: 'changes.all(c, c.action != "delete")'}
//!   - {pack: regions, with: {allowed: [us-east-1]}}
//! waive:
//!   - {policy: encrypted, resource: scratch, reason: public data, until: 2027-01-31}
//! ```
//!
//! A pack becomes its rules here, so that nothing behind this module knows the difference. What rules
//! mean is [`crate::policy`]'s. A waiver holds its last day; whether that is over is judged by whoever
//! has a clock.

use super::{Text, items_of, listed, mapping, packs, refuse_unknown_keys};
use crate::diag::{Code, Diagnostic, Findings, Span, suggest};
use crate::yaml::{Map, Node, NodeKind};
use dsenv_sdk::value::{self, Value};
use jiff::civil::Date;
use std::collections::BTreeSet;

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// What the blueprint says, before anything is planned.
    Blueprint,
    /// What a plan does and costs.
    Plan,
}

/// What becomes of a breach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforce {
    /// It is said.
    Advisory,
    /// It refuses.
    Mandatory,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name, `PACK.NAME` for one of a pack; and where, which is the pack's place then.
    pub name: Text,
    /// The pack that it is from.
    pub pack: Option<&'static str>,
    /// The CEL rule, and where it stands; that of a pack stands where the pack is asked for.
    pub rule: Text,
    /// What is said when it does not hold.
    pub message: Option<String>,
    /// What helps, in words that can be pasted.
    pub help: Option<String>,
    /// The field of a resource that is to change.
    pub field: Option<String>,
    /// What it is about.
    pub over: Over,
    /// What becomes of a breach.
    pub enforce: Enforce,
    /// What the rule sees as `with`.
    pub with: value::Map,
}

/// What may break a rule for a while.
#[derive(Clone, Debug)]
pub struct Waiver {
    /// The rule's name, or a pack's for all of its rules.
    pub policy: Text,
    /// The resource or member that may break it; all may when there is none.
    pub resource: Option<String>,
    /// Why.
    pub reason: String,
    /// The last day on which it counts.
    pub until: Date,
    /// Where it stands.
    pub span: Span,
}

impl Waiver {
    /// Says whether it is meant for a rule, whatever day it is.
    pub fn is_for(&self, policy: &Policy) -> bool {
        self.policy.text == policy.name.text || policy.pack == Some(&self.policy.text)
    }
}

/// The keys of a rule; a pack's may also say `help` and `field`.
const RULE_KEYS: &[&str] = &["name", "rule", "message", "help", "field", "on", "enforce", "with"];
const PACK_KEYS: &[&str] = &["pack", "enforce", "with"];
const WAIVER_KEYS: &[&str] = &["policy", "resource", "reason", "until"];

/// Reads the rules, those of packs among them.
pub(super) fn read(map: &Map, findings: &mut Findings) -> Vec<Policy> {
    let mut policies: Vec<Policy> = Vec::new();
    for item in items_of(map, "policies", findings) {
        let Some(body) = mapping(item, "policies", findings) else { continue };
        let found = match body.get("pack") {
            Some(_) => read_pack(body, findings),
            None => read_rule(item, body, findings).into_iter().collect(),
        };
        for policy in found {
            let name = &policy.name;
            if let Some(first) = policies.iter().find(|it| it.name.text == name.text) {
                let message = match policy.pack {
                    Some(pack) => format!("the pack `{pack}` is asked for already"),
                    None => format!("there is a policy `{}` already", name.text),
                };
                let twice = Diagnostic::error(Code::E0308, message).at(name.span);
                findings.push(twice.label(first.name.span, "first written here"));
                break;
            }
            policies.push(policy);
        }
    }
    policies
}

/// Reads one rule of one's own.
pub(super) fn read_rule(item: &Node, body: &Map, findings: &mut Findings) -> Option<Policy> {
    refuse_unknown_keys(body, RULE_KEYS, "a policy", findings);
    let text = |key: &str| body.value(key).and_then(Node::as_text);
    let (Some(name), Some(rule)) = (text("name"), text("rule")) else {
        let message = "a policy has a `name` and a `rule`, both text; or it is a `pack`";
        findings.push(Diagnostic::error(Code::E0206, message).at(item.span));
        return None;
    };
    let span_of = |key: &str| body.value(key).map_or(item.span, |node| node.span);
    Some(Policy {
        name: Text { text: name.to_owned(), span: span_of("name") },
        pack: None,
        rule: Text { text: rule.to_owned(), span: span_of("rule") },
        message: text("message").map(str::to_owned),
        help: text("help").map(str::to_owned),
        field: text("field").map(str::to_owned),
        over: one_of(body, "on", OVER, findings).unwrap_or(Over::Blueprint),
        enforce: one_of(body, "enforce", ENFORCE, findings).unwrap_or(Enforce::Mandatory),
        with: read_with(body, findings),
    })
}

const OVER: &[(&str, Over)] = &[("blueprint", Over::Blueprint), ("plan", Over::Plan)];
const ENFORCE: &[(&str, Enforce)] =
    &[("advisory", Enforce::Advisory), ("mandatory", Enforce::Mandatory)];

/// Reads one of a few words; `None` when it is absent, and when it is another word, which is found.
fn one_of<T: Copy>(
    body: &Map,
    key: &str,
    words: &[(&str, T)],
    findings: &mut Findings,
) -> Option<T> {
    let node = body.value(key)?;
    let written = node.scalar_text().unwrap_or_default();
    let found = words.iter().find(|(word, _)| *word == written);
    if found.is_none() {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let message = format!("`{key}` of a policy is one of {}", listed(&names));
        let wrong = Diagnostic::error(Code::E0205, message).at(node.span);
        findings.push(wrong.did_you_mean(suggest(written, names.iter().copied())));
    }
    found.map(|(_, value)| *value)
}

/// The rules of a pack, with what the blueprint gives it.
fn read_pack(body: &Map, findings: &mut Findings) -> Vec<Policy> {
    refuse_unknown_keys(body, PACK_KEYS, "a pack", findings);
    let node = body.value("pack").expect("the caller found one");
    let written = node.scalar_text().unwrap_or_default();
    let Some(pack) = packs::find(written) else {
        let names: Vec<&str> = packs::PACKS.iter().map(|(name, _)| *name).collect();
        let message = format!("there is no pack `{written}`");
        let unknown = Diagnostic::error(Code::E0524, message).at(node.span);
        findings.push(match suggest(written, names.iter().copied()) {
            Some(near) => unknown.did_you_mean(Some(near)),
            None => unknown.help(format!("the packs are {}", listed(&names))),
        });
        return Vec::new();
    };
    let given = read_with(body, findings);
    for name in given.keys().filter(|name| !pack.takes.contains_key(*name)) {
        let message = format!("the pack `{}` takes no `{name}`", pack.name);
        let known: Vec<&str> = pack.takes.keys().map(String::as_str).collect();
        let at = body.value("with").map_or(node.span, |node| node.span);
        let unknown = Diagnostic::error(Code::E0202, message).at(at);
        let near = suggest(name, known.iter().copied());
        findings.push(match near {
            Some(near) => unknown.did_you_mean(Some(near)),
            None => unknown.help(format!("it takes {}", listed(&known))),
        });
    }
    let mut with = pack.takes.clone();
    with.extend(given);
    // What has no default is nothing in the pack's own text.
    for (name, _) in with.iter().filter(|(_, value)| **value == Value::Null) {
        let message = format!("the pack `{}` needs `{name}`", pack.name);
        let missing = Diagnostic::error(Code::E0206, message).at(node.span);
        let help = format!("write `{{pack: {}, with: {{{name}: [...]}}}}`", pack.name);
        findings.push(missing.help(help));
    }
    let enforce = one_of(body, "enforce", ENFORCE, findings);
    let rules = pack.policies.into_iter().map(|policy| Policy {
        name: Text { text: format!("{}.{}", pack.name, policy.name.text), span: node.span },
        pack: Some(pack.name),
        rule: Text { span: node.span, ..policy.rule },
        enforce: enforce.unwrap_or(policy.enforce),
        with: with.clone(),
        ..policy
    });
    rules.collect()
}

fn read_with(body: &Map, findings: &mut Findings) -> value::Map {
    let Some(node) = body.value("with") else { return value::Map::new() };
    let Some(map) = mapping(node, "with", findings) else { return value::Map::new() };
    let mut with = value::Map::new();
    for entry in map {
        match literal(&entry.value) {
            Some(value) => {
                with.insert(entry.key.clone(), value);
            }
            None => {
                let message = format!("`with.{}` is written out, without `${{ }}`", entry.key);
                findings.push(Diagnostic::error(Code::E0207, message).at(entry.value.span));
            }
        }
    }
    with
}

/// A tree without expressions as a value.
pub(super) fn literal(node: &Node) -> Option<Value> {
    Some(match &node.kind {
        NodeKind::Null => Value::Null,
        NodeKind::Bool(flag) => Value::Bool(*flag),
        NodeKind::Int(number) => Value::Int(*number),
        NodeKind::Float(number) => Value::Float(*number),
        NodeKind::Text(text) if text.contains("${") => return None,
        NodeKind::Text(text) => Value::Text(text.clone()),
        NodeKind::List(items) => Value::List(items.iter().map(literal).collect::<Option<_>>()?),
        NodeKind::Map(map) => Value::Map(
            map.iter()
                .map(|entry| Some((entry.key.clone(), literal(&entry.value)?)))
                .collect::<Option<_>>()?,
        ),
    })
}

/// Reads what may break rules, which must be there.
pub(super) fn read_waivers(map: &Map, policies: &[Policy], findings: &mut Findings) -> Vec<Waiver> {
    let mut waivers = Vec::new();
    for item in items_of(map, "waive", findings) {
        let Some(body) = mapping(item, "waive", findings) else { continue };
        refuse_unknown_keys(body, WAIVER_KEYS, "a waiver", findings);
        let Some(waiver) = read_waiver(item, body, findings) else { continue };
        if !policies.iter().any(|policy| waiver.is_for(policy)) {
            let message = format!("there is no policy `{}` to be waived", waiver.policy.text);
            let unknown = Diagnostic::error(Code::E0523, message).at(waiver.policy.span);
            let packs = policies.iter().filter_map(|policy| policy.pack);
            let names: BTreeSet<&str> =
                policies.iter().map(|policy| policy.name.text.as_str()).chain(packs).collect();
            findings.push(unknown.did_you_mean(suggest(&waiver.policy.text, names)));
        }
        waivers.push(waiver);
    }
    waivers
}

fn read_waiver(item: &Node, body: &Map, findings: &mut Findings) -> Option<Waiver> {
    let text = |key: &str| body.value(key).and_then(Node::scalar_text).filter(|it| !it.is_empty());
    let help = "write `{policy: NAME, reason: \"why\", until: 2027-01-31}`";
    let mut need = |key: &str, why: &str| {
        let found = text(key);
        if found.is_none() {
            let message = format!("a waiver has `{key}`: {why}");
            findings.push(Diagnostic::error(Code::E0206, message).at(item.span).help(help));
        }
        found
    };
    let policy = need("policy", "the rule, or the pack, that may be broken");
    let reason = need("reason", "why that may be");
    let until = need("until", "the last day on which it counts");
    let until = until.and_then(|text| match text.parse::<Date>() {
        Ok(day) => Some(day),
        Err(_) => {
            let message = format!("`until` is a day such as `2027-01-31`, not `{text}`");
            let at = body.value("until").map_or(item.span, |node| node.span);
            findings.push(Diagnostic::error(Code::E0207, message).at(at));
            None
        }
    });
    let span = body.value("policy").map_or(item.span, |node| node.span);
    Some(Waiver {
        policy: Text { text: policy?.to_owned(), span },
        resource: text("resource").map(str::to_owned),
        reason: reason?.to_owned(),
        until: until?,
        span: item.span,
    })
}
