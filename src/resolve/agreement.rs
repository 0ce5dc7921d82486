//! What the fields of one resource must say together, and what a type alone cannot hold them to.
//!
//! In: the fields of a resource that have the right types. Out: findings, and a literal secret
//! hidden. A field that is known after apply is taken on trust. Pure.
//!
//! ## Why here
//! All of this would fail only when the machine starts or the provider is asked: minutes into an
//! apply, on some providers and not on others.

use super::reader::Reader;
use super::shared_fields::locate_key;
use crate::blueprint::{Block, check_name, listed};
use crate::diag::{Code, Diagnostic, Findings, Span, suggest};
use crate::expr;
use crate::yaml::{Node, NodeKind};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Secret, Term, kinds};
use std::collections::BTreeMap;

/// Fields by name, as far as they could be read.
type Fields = BTreeMap<String, Term>;

/// What is judged: a resource's block and where it is in the environment.
struct Judged<'a> {
    reader: &'a Reader<'a>,
    block: &'a Block,
    addr: &'a Addr,
}

/// Judges a resource: the fields of its kind, and those that stand on every resource.
pub(super) fn judge(
    reader: &Reader<'_>,
    block: &Block,
    addr: &Addr,
    fields: &mut Fields,
    shared: &Fields,
    findings: &mut Findings,
) {
    let judged = Judged { reader, block, addr };
    match block.kind.name {
        "pool" => judged.range(fields.get("count"), findings),
        "secret" => judged.secret(fields, findings),
        _ => {}
    }
    judged.services(fields.get("services"), findings);
    judged.variable_names(&["environment"], fields.get("environment"), findings);
    judged.ports_of_self(findings);
    judged.ignored(shared.get("lifecycle"), findings);
    judged.on_destroy(shared.get("on_destroy"), findings);
}

impl Judged<'_> {
    fn at(&self, path: &[&str]) -> Span {
        locate_key(self.block, path)
    }

    fn push(&self, diagnostic: Diagnostic, findings: &mut Findings) {
        findings.push(diagnostic.address(self.addr.to_string()));
    }

    /// `count: {min: 0, max: 8, start: 2}`.
    fn range(&self, count: Option<&Term>, findings: &mut Findings) {
        let number = |name: &str| count?.step(name)?.known()?.as_int();
        let (Some(min), Some(max)) = (number("min"), number("max")) else { return };
        if min > max {
            let message = format!("`count`: `min` is {min}, which is more than `max`, {max}");
            let wrong = Diagnostic::error(Code::E0208, message).at(self.at(&["count", "min"]));
            self.push(wrong, findings);
            return;
        }
        if let Some(start) = number("start").filter(|start| *start < min || *start > max) {
            let message = format!("`count`: `start` is {start}, which is not from {min} to {max}");
            let wrong = Diagnostic::error(Code::E0208, message).at(self.at(&["count", "start"]));
            self.push(wrong, findings);
        }
    }

    /// A secret has one source. One that stands in the file is hidden from here on all the same.
    fn secret(&self, fields: &mut Fields, findings: &mut Findings) {
        let body = self.block.node.as_map();
        let written = |name: &str| body.is_some_and(|body| body.get(name).is_some());
        match (written("generate"), written("from")) {
            (true, true) => {
                let message = "a secret is made or given: `generate` and `from` exclude each other";
                let wrong = Diagnostic::error(Code::E0209, message).at(self.at(&["from"]));
                let other = self.at(&["generate"]);
                self.push(wrong.label(other, "and this makes one"), findings);
            }
            (false, false) => {
                let message = "nothing says where the secret comes from";
                let wrong = Diagnostic::error(Code::E0206, message).at(self.block.name.span);
                let help = "add `generate: {length: 32}`, or `from: ${inputs.NAME}`";
                self.push(wrong.help(help), findings);
            }
            _ => {}
        }
        let Some(Term::Known(from)) = fields.get_mut("from") else { return };
        match from {
            Value::Secret(_) => {}
            Value::Text(text) => {
                *from = Value::Secret(Secret::new(std::mem::take(text)));
                let node = body.and_then(|body| body.value("from"));
                let literal =
                    node.filter(|node| node.as_text().is_some_and(|text| !text.contains("${")));
                if let Some(literal) = literal {
                    let message =
                        "the secret stands in the file in clear, for everybody who reads it";
                    let clear = Diagnostic::warning(Code::E0210, message).at(self.at(&["from"]));
                    let clear = clear.conceal(literal.span);
                    let help = "give it as an input: `inputs: {NAME: {type: secret}}` and \
                                `from: ${inputs.NAME}`";
                    self.push(clear.help(help), findings);
                }
            }
            other => {
                let message = format!("`from`: a secret is a text, not {}", other.shape());
                let wrong = Diagnostic::error(Code::E0207, message).at(self.at(&["from"]));
                self.push(wrong.help("put it in quotes"), findings);
            }
        }
    }

    fn services(&self, services: Option<&Term>, findings: &mut Findings) {
        let mut ports: BTreeMap<i64, String> = BTreeMap::new();
        for (name, service) in entries(services) {
            let span = self.at(&["services", &name]);
            let mut found = Findings::new();
            check_name(&name, span, "a service", &mut found);
            for diagnostic in found {
                self.push(diagnostic, findings);
            }
            let path = ["services", &name, "environment"];
            self.variable_names(&path, service.step("environment").as_ref(), findings);
            self.health(&name, &service, findings);
            let port = service.step("port");
            let Some(Term::Known(Value::Int(port))) = port else { continue };
            if let Some(first) = ports.insert(port, name.clone()) {
                let message = format!("`{first}` and `{name}` both listen on port {port}");
                let path = ["services", &name, "port"];
                let wrong = Diagnostic::error(Code::E0209, message).at(self.at(&path));
                let other = self.at(&["services", &first, "port"]);
                self.push(wrong.label(other, "taken here"), findings);
            }
        }
    }

    fn health(&self, name: &str, service: &Term, findings: &mut Findings) {
        let http = service.step("health").and_then(|health| health.step("http"));
        let Some(Term::Known(Value::Text(path))) = http else { return };
        if !path.starts_with('/') {
            let message = format!(
                "`services.{name}.health.http`: expected a path that begins with `/`, found `{path}`"
            );
            let wrong = Diagnostic::error(Code::E0207, message);
            let wrong = wrong.at(self.at(&["services", name, "health", "http"]));
            self.push(wrong.help(format!("write `http: /{path}`")), findings);
        }
    }

    /// A shell can name no other variables.
    fn variable_names(&self, path: &[&str], variables: Option<&Term>, findings: &mut Findings) {
        for (name, _) in entries(variables) {
            let shaped = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !shaped {
                let message = format!(
                    "`{name}` is no name of a variable: a letter or `_`, then letters, digits and `_`"
                );
                let at: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
                let wrong = Diagnostic::error(Code::E0301, message).at(self.at(&at));
                self.push(wrong, findings);
            }
        }
    }

    /// `${self.ports.NAME}` of a service that has no port is found by the machine only, as it starts.
    fn ports_of_self(&self, findings: &mut Findings) {
        let Some(body) = self.block.node.as_map() else { return };
        let services = body.value("services").and_then(Node::as_map);
        if services.is_none() && body.value("services").is_some() {
            return;
        }
        let with_port: Vec<&str> = services
            .into_iter()
            .flatten()
            .filter(|entry| entry.value.as_map().is_some_and(|it| it.get("port").is_some()))
            .map(|entry| entry.key.as_str())
            .collect();
        for field in ["services", "environment"] {
            let Some(node) = body.value(field) else { continue };
            each_text(node, &mut |node, text| {
                self.ports_in_text(node, text, &with_port, findings);
            });
        }
    }

    fn ports_in_text(&self, node: &Node, text: &str, with_port: &[&str], findings: &mut Findings) {
        let Ok(Some(compiled)) = expr::compile(text) else { return };
        for path in compiled.paths() {
            let [root, ports, name] = path.as_slice() else { continue };
            if root != "self" || ports != "ports" || with_port.contains(&name.as_str()) {
                continue;
            }
            let message = format!("no service `{name}` with a port is here");
            let span = self.reader.path_span(node, text, path);
            let wrong = Diagnostic::error(Code::E0403, message).at(span);
            let near = suggest(name, with_port.iter().copied());
            let wrong = match near {
                Some(near) => wrong.help(format!("did you mean `self.ports.{near}`?")),
                None if with_port.is_empty() => wrong.help("add `port:` to the service"),
                None => wrong.help(format!("there is {}", listed(with_port))),
            };
            self.push(wrong, findings);
        }
    }

    fn ignored(&self, lifecycle: Option<&Term>, findings: &mut Findings) {
        let ignore = lifecycle.and_then(|term| term.step("ignore"));
        let Some(Term::Known(Value::List(names))) = ignore else { return };
        let known: Vec<_> = self.block.kind.fields.iter().map(|field| field.name).collect();
        for (at, name) in names.iter().enumerate() {
            let Some(name) = name.as_text() else { continue };
            let first = name.split('.').next().unwrap_or_default();
            if known.contains(&first) {
                continue;
            }
            let message = format!("a {} has no field `{first}` to ignore", self.block.kind.name);
            let span = self.at(&["lifecycle", "ignore", &at.to_string()]);
            let wrong = Diagnostic::error(Code::E0202, message).at(span);
            let wrong = match suggest(first, known.iter().copied()) {
                Some(near) => wrong.did_you_mean(Some(near)),
                None => wrong.help(format!("it has {}", listed(&known))),
            };
            self.push(wrong, findings);
        }
    }

    fn on_destroy(&self, on_destroy: Option<&Term>, findings: &mut Findings) {
        let written = on_destroy.and_then(Term::known).and_then(Value::as_text);
        if self.block.kind.holds_data || written != Some("snapshot") {
            return;
        }
        let with_data = kinds::KINDS.iter().filter(|kind| kind.holds_data);
        let with_data: Vec<_> = with_data.map(|kind| kind.name).collect();
        let message =
            format!("`on_destroy: snapshot` keeps data, and a {} holds none", self.block.kind.name);
        let wrong = Diagnostic::error(Code::E0209, message).at(self.at(&["on_destroy"]));
        let help = format!("leave it out; these hold data: {}", listed(&with_data));
        self.push(wrong.help(help), findings);
    }
}

/// The entries of a map as far as they are known to be entries.
fn entries(term: Option<&Term>) -> Vec<(String, Term)> {
    match term {
        Some(Term::Map(entries)) => entries.clone().into_iter().collect(),
        Some(Term::Known(Value::Map(map))) => known_entries(map),
        _ => Vec::new(),
    }
}

fn known_entries(map: &Map) -> Vec<(String, Term)> {
    map.iter().map(|(name, value)| (name.clone(), Term::Known(value.clone()))).collect()
}

fn each_text(node: &Node, visit: &mut dyn FnMut(&Node, &str)) {
    match &node.kind {
        NodeKind::Text(text) => visit(node, text),
        NodeKind::List(items) => items.iter().for_each(|item| each_text(item, visit)),
        NodeKind::Map(map) => map.iter().for_each(|entry| each_text(&entry.value, visit)),
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Int(_) | NodeKind::Float(_) => {}
    }
}
