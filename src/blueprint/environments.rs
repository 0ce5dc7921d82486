//! Environments: the named sets of values that a blueprint is resolved against.

use super::budget::{self, Budget};
use super::{Text, mapping, refuse_unknown_keys};
use crate::diag::{Code, Diagnostic, Findings, Span};
use crate::yaml::{Map, Node, NodeKind};
use std::collections::BTreeMap;

/// One environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Its name, and where.
    pub name: Text,
    /// The provider's name, and where.
    pub provider: Text,
    /// The one account that it may act in.
    pub account: Option<String>,
    /// Its home region.
    pub region: Option<String>,
    /// Whether its data may go with it.
    pub ephemeral: bool,
    /// What it may cost.
    pub budget: Option<Budget>,
    /// How long it lives, as written; what it does is a later version's.
    pub ttl: Option<String>,
    /// What it sets, by path: `inputs.workers`, `features.size`.
    pub set: BTreeMap<String, (Span, Node)>,
    /// What it gives as inputs, by name.
    pub inputs: BTreeMap<String, (Span, Node)>,
    /// Fields of it that a later version builds, and where they stand.
    pub later: Vec<Text>,
}

const KNOWN: &[&str] = &["provider", "account", "region", "ephemeral", "budget", "set", "inputs"];

/// Fields that the language names, with what stands in for them until a later version.
const LATER: &[(&str, &str)] = &[
    ("approve", "ask for approval outside of dsenv until then"),
    ("import", "`dsenv import ADDR ID` takes an existing object over"),
    ("state", "this version keeps the state beside the blueprint"),
    ("ttl", "destroy the environment yourself until then"),
];

impl Environment {
    /// The one that there is when the blueprint names none: `default`, on this machine.
    pub fn embedded_default() -> Environment {
        let at = Span::at(0);
        Environment {
            name: Text { text: "default".to_owned(), span: at },
            provider: Text { text: "local".to_owned(), span: at },
            account: None,
            region: None,
            ephemeral: false,
            budget: None,
            ttl: None,
            set: BTreeMap::new(),
            inputs: BTreeMap::new(),
            later: Vec::new(),
        }
    }

    /// Where it stands; `None` for the one that no blueprint names.
    pub fn place(&self) -> Option<Span> {
        Some(self.name.span).filter(|span| span.start != span.end)
    }

    /// Says which of its fields this version does not build; asked only of the environment that is
    /// chosen, so that a `prod` with a budget does not stand in the way of `dev`.
    pub fn refuse_later(&self, findings: &mut Findings) {
        for field in &self.later {
            let later = LATER.iter().find(|(name, _)| *name == field.text);
            let (name, help) = later.expect("`later` holds names of the list");
            let message = format!("`{name}` is part of the language and not built in this version");
            findings.push(Diagnostic::error(Code::E0203, message).at(field.span).help(*help));
        }
    }
}

pub(super) fn read(map: &Map, findings: &mut Findings) -> BTreeMap<String, Environment> {
    let mut environments = BTreeMap::new();
    let Some(entry) = map.get("environments") else { return environments };
    let Some(block) = mapping(&entry.value, "environments", findings) else {
        return environments;
    };
    for entry in block {
        check_environment_name(&entry.key, entry.key_span, findings);
        let name = Text { text: entry.key.clone(), span: entry.key_span };
        let Some(body) = mapping(&entry.value, &entry.key, findings) else { continue };
        let known: Vec<_> =
            KNOWN.iter().copied().chain(LATER.iter().map(|(name, _)| *name)).collect();
        refuse_unknown_keys(body, &known, "an environment", findings);
        if let Some(environment) = read_one(name, body, findings) {
            environments.insert(entry.key.clone(), environment);
        }
    }
    environments
}

/// An environment's name may have hyphens: it is a folder, never a name in an expression.
fn check_environment_name(name: &str, span: Span, findings: &mut Findings) {
    let shaped = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= super::names::NAME_BYTES_MAX
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
    if !shaped {
        let message = format!(
            "`{name}` is no name of an environment: a lower-case letter, then letters, digits, \
             `_` and `-`, 63 at most"
        );
        findings.push(Diagnostic::error(Code::E0301, message).at(span));
    }
}

fn read_one(name: Text, body: &Map, findings: &mut Findings) -> Option<Environment> {
    let Some((provider, span)) =
        body.value("provider").and_then(|node| Some((node.as_text()?.to_owned(), node.span)))
    else {
        let message = format!("environment `{}` does not say which provider it is on", name.text);
        let help = "add `provider: local`";
        findings.push(Diagnostic::error(Code::E0206, message).at(name.span).help(help));
        return None;
    };
    let text = |key: &str, findings: &mut Findings| {
        let node = body.value(key)?;
        if node.as_text().is_none() {
            let message = format!("`{key}` is text, not {}", node.kind_name());
            let help = format!("put it in quotes: `{key}: \"...\"`");
            findings.push(Diagnostic::error(Code::E0207, message).at(node.span).help(help));
        }
        node.as_text().map(str::to_owned)
    };
    let ephemeral = match body.value("ephemeral").map(|node| (&node.kind, node.span)) {
        None => false,
        Some((NodeKind::Bool(flag), _)) => *flag,
        Some((_, span)) => {
            let message = "`ephemeral` is `true` or `false`";
            findings.push(Diagnostic::error(Code::E0207, message).at(span));
            false
        }
    };
    let nodes = |key: &str, findings: &mut Findings| {
        let Some(node) = body.value(key) else { return BTreeMap::new() };
        let Some(map) = mapping(node, key, findings) else { return BTreeMap::new() };
        map.iter().map(|e| (e.key.clone(), (e.key_span, e.value.clone()))).collect()
    };
    Some(Environment {
        name,
        provider: Text { text: provider, span },
        account: text("account", findings),
        region: text("region", findings),
        ephemeral,
        budget: body.value("budget").and_then(|node| budget::read(node, findings)),
        ttl: body.value("ttl").and_then(Node::scalar_text).map(str::to_owned),
        set: nodes("set", findings),
        inputs: nodes("inputs", findings),
        later: body
            .iter()
            .filter(|entry| LATER.iter().any(|(name, _)| *name == entry.key))
            .map(|entry| Text { text: entry.key.clone(), span: entry.key_span })
            .collect(),
    })
}
