//! Reads one resource: the fields that stand on every resource, then those of its kind.

use super::reader::Reader;
use super::{Members, Resource, agreement};
use crate::blueprint::{Block, listed};
use crate::diag::{Code, Diagnostic, Findings, Span, suggest};
use crate::yaml::{Map, Node};
use dsenv_sdk::cost::Usage;
use dsenv_sdk::provider::{Access, OnDestroy, Right, Use, variable_stem};
use dsenv_sdk::schema::{Field, Mismatch, Presence, ReplaceOrder, Rule, Type, parse_duration_s};
use dsenv_sdk::term::Term;
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, kinds};
use std::collections::{BTreeMap, BTreeSet};

/// How a resource is replaced, and what is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// The order that the blueprint asks for; `None` leaves it to the native type.
    pub replace: Option<ReplaceOrder>,
    /// Fields whose changes are left alone.
    pub ignore: Vec<String>,
}

/// Reads a resource. What could not be read is absent from it and in the findings.
pub(super) fn read(
    reader: &Reader<'_>,
    block: &Block,
    addr: &Addr,
    ephemeral: bool,
    findings: &mut Findings,
) -> Resource {
    let body = block.node.as_map().expect("a block was seen to be a mapping");
    refuse_unknown_fields(block, body, addr, findings);
    let shared = read_fields(reader, block, kinds::COMMON, findings);
    let mut fields = read_fields(reader, block, block.kind.fields, findings);
    for field in block.kind.fields {
        check_presence(field, &mut fields, block, addr, findings);
        if let Some(term) = fields.get_mut(field.name) {
            fill_defaults(&field.ty, term);
        }
    }
    agreement::judge(reader, block, addr, &mut fields, &shared, findings);
    let text = |name: &str| shared.get(name)?.known()?.as_text().map(str::to_owned);
    let network = match fields.get("network").and_then(Term::known) {
        Some(Value::Text(name)) => Some(name.clone()),
        _ => None,
    };
    Resource {
        addr: addr.clone(),
        kind: block.kind,
        span: block.name.span,
        node: block.node.clone(),
        depends_on: depends_on(reader, shared.get("depends_on"), block, findings),
        uses: uses(reader, shared.get("uses"), block, findings),
        network,
        tier: text("tier"),
        owner: text("owner").or_else(|| reader.blueprint.owner.clone()),
        tags: texts(shared.get("tags")),
        protect: must_be_known(shared.get("protect"), "protect", block, findings)
            .and_then(|value| value.as_bool())
            .unwrap_or(false),
        on_destroy: on_destroy(text("on_destroy").as_deref(), ephemeral),
        lifecycle: lifecycle(shared.get("lifecycle")),
        timeouts_s: ["create", "update", "delete"].map(|verb| {
            let term = shared.get("timeouts")?.step(verb)?;
            parse_duration_s(term.known()?.as_text()?)
        }),
        access: access(reader, shared.get("access")),
        usage: usage(shared.get("usage"), &fields),
        sound: true,
        fields: fields.into(),
    }
}

fn refuse_unknown_fields(block: &Block, body: &Map, addr: &Addr, findings: &mut Findings) {
    let names = || kinds::COMMON.iter().chain(block.kind.fields).map(|field| field.name);
    for entry in body {
        if names().any(|name| name == entry.key) {
            continue;
        }
        let kind = block.kind.name;
        let unknown = Diagnostic::error(
            Code::E0202,
            format!("`{}` of kind {kind} has no field `{}`", block.name.text, entry.key),
        );
        let unknown = unknown.at(entry.key_span).address(addr.to_string());
        findings.push(match suggest(&entry.key, names()) {
            Some(near) => unknown.did_you_mean(Some(near)),
            None => {
                let own: Vec<_> = block.kind.fields.iter().map(|field| field.name).collect();
                unknown.help(format!("a {kind} has {}", listed(&own)))
            }
        });
    }
}

/// Reads and type-checks the fields that the block has.
fn read_fields(
    reader: &Reader<'_>,
    block: &Block,
    fields: &'static [Field],
    findings: &mut Findings,
) -> BTreeMap<String, Term> {
    let body = block.node.as_map().expect("a block was seen to be a mapping");
    let mut terms = BTreeMap::new();
    for field in fields {
        // These were read before there was a resource.
        if ["kind", "when", "for_each"].contains(&field.name) {
            continue;
        }
        let path = [block.name.text.clone(), field.name.to_owned()];
        let Some(node) = reader.overlay.at(&path).or_else(|| body.value(field.name)) else {
            if reader.overlay.below(&path).next().is_none() {
                continue;
            }
            let message = format!("`{}` is not there to be set in part", path.join("."));
            findings.push(Diagnostic::error(Code::E0303, message).at(block.name.span));
            continue;
        };
        let errors = findings.error_count();
        let term = reader.field(node, &path, field, findings);
        if findings.error_count() > errors {
            continue;
        }
        let mismatches = field.ty.check(&term);
        if mismatches.is_empty() {
            terms.insert(field.name.to_owned(), term);
        }
        for mismatch in mismatches {
            findings.push(word(&mismatch, field, node, reader.addr.as_deref()));
        }
    }
    terms
}

fn word(mismatch: &Mismatch, field: &Field, node: &Node, addr: Option<&str>) -> Diagnostic {
    let code = match mismatch.rule {
        Rule::Type => Code::E0207,
        Rule::Bounds => Code::E0208,
        Rule::Choice => Code::E0205,
        Rule::Unknown => Code::E0202,
        Rule::Missing => Code::E0206,
    };
    let mut path = vec![field.name.to_owned()];
    path.extend(mismatch.path.iter().cloned());
    let message = format!("`{}`: {}", path.join("."), mismatch.message);
    let mut diagnostic = Diagnostic::error(code, message).at(locate(node, &mismatch.path, code));
    diagnostic.address = addr.map(str::to_owned);
    let last = mismatch.path.last().map(String::as_str);
    let written = if code == Code::E0205 { located(node, &mismatch.path) } else { last };
    let near = written.and_then(|written| suggest(written, mismatch.candidates.iter().copied()));
    let diagnostic = diagnostic.did_you_mean(near);
    match (near, code) {
        (None, Code::E0202) if !mismatch.candidates.is_empty() => {
            diagnostic.help(format!("it may have {}", listed(&mismatch.candidates)))
        }
        _ => diagnostic,
    }
}

/// The key at this path of a block, or the item of a list; what is above it where there is none.
pub(super) fn locate_key(block: &Block, path: &[&str]) -> Span {
    let mut span = block.name.span;
    let mut node = &block.node;
    for step in path {
        if let Some(entry) = node.as_map().and_then(|map| map.get(step)) {
            (span, node) = (entry.key_span, &entry.value);
        } else if let Some(item) =
            node.as_list().and_then(|items| items.get(step.parse::<usize>().ok()?))
        {
            (span, node) = (item.span, item);
        } else {
            break;
        }
    }
    span
}

/// Walks down a tree as far as the path goes; an unknown field is underlined at its key.
fn locate(node: &Node, path: &[String], code: Code) -> Span {
    let Some((step, rest)) = path.split_first() else { return node.span };
    if let Some(map) = node.as_map() {
        return match map.get(step) {
            Some(entry) if rest.is_empty() && code == Code::E0202 => entry.key_span,
            Some(entry) => locate(&entry.value, rest, code),
            None => node.span,
        };
    }
    let item = node.as_list().and_then(|items| items.get(step.parse::<usize>().ok()?));
    item.map_or(node.span, |item| locate(item, rest, code))
}

fn located<'a>(node: &'a Node, path: &[String]) -> Option<&'a str> {
    let Some((step, rest)) = path.split_first() else { return node.scalar_text() };
    if let Some(map) = node.as_map() {
        return located(map.value(step)?, rest);
    }
    located(node.as_list()?.get(step.parse::<usize>().ok()?)?, rest)
}

fn check_presence(
    field: &Field,
    fields: &mut BTreeMap<String, Term>,
    block: &Block,
    addr: &Addr,
    findings: &mut Findings,
) {
    let written = block.node.as_map().is_some_and(|body| body.get(field.name).is_some());
    if written || fields.contains_key(field.name) {
        return;
    }
    match field.presence {
        Presence::Optional => {}
        Presence::Default(json) => {
            fields.insert(field.name.to_owned(), Term::Known(default_value(json)));
        }
        Presence::Required => {
            let message = format!(
                "`{}` of kind {} needs `{}`: {}",
                block.name.text,
                block.kind.name,
                field.name,
                lower_first(field.doc)
            );
            let help = format!("it takes {}", field.ty.expected());
            let missing = Diagnostic::error(Code::E0206, message).at(block.name.span);
            findings.push(missing.address(addr.to_string()).help(help));
        }
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().collect::<String>() + chars.as_str())
}

/// Defaults of the kinds are constants; a test of each kind's schema reads them all.
fn default_value(json: &str) -> Value {
    let json = serde_json::from_str(json).expect("a default is JSON");
    let decoded = dsenv_sdk::value::wire::decode::<()>(json, &mut |_| Err(()));
    decoded.expect("a default holds no secret")
}

/// Fills the defaults of nested fields in, as deep as maps are known.
fn fill_defaults(ty: &Type, term: &mut Term) {
    match ty {
        Type::Object(fields) => {
            let mut entries: BTreeMap<String, Term> = match term {
                Term::Map(entries) => entries.clone(),
                Term::Known(Value::Map(map)) => {
                    map.iter().map(|(k, v)| (k.clone(), Term::Known(v.clone()))).collect()
                }
                _ => return,
            };
            for field in *fields {
                match (entries.get_mut(field.name), field.presence) {
                    (Some(term), _) => fill_defaults(&field.ty, term),
                    (None, Presence::Default(json)) => {
                        let value = Term::Known(default_value(json));
                        entries.insert(field.name.to_owned(), value);
                    }
                    (None, Presence::Required | Presence::Optional) => {}
                }
            }
            *term = Term::map(entries);
        }
        Type::Either(types) => {
            let fits = types.iter().find(|ty| ty.check(term).is_empty());
            if let Some(ty) = fits {
                fill_defaults(ty, term);
            }
        }
        _ => {}
    }
}

fn must_be_known(
    term: Option<&Term>,
    field: &str,
    block: &Block,
    findings: &mut Findings,
) -> Option<Value> {
    match term? {
        Term::Known(value) => Some(value.clone()),
        _ => {
            let message = format!("`{field}` takes inputs, `env` and literals only");
            let span = block.node.as_map().and_then(|body| body.value(field)).map(|n| n.span);
            let span = span.unwrap_or(block.name.span);
            findings.push(Diagnostic::error(Code::E0404, message).at(span));
            None
        }
    }
}

fn texts(term: Option<&Term>) -> BTreeMap<String, String> {
    let map = term.and_then(Term::known).and_then(Value::as_map);
    let entries = map.into_iter().flatten();
    entries.filter_map(|(key, v)| Some((key.clone(), v.as_text()?.to_owned()))).collect()
}

/// The entries were checked against their schema, so `who` and `how` are there.
fn access(reader: &Reader<'_>, term: Option<&Term>) -> Vec<Access> {
    let entries = term.and_then(Term::known).and_then(Value::as_list).unwrap_or_default();
    let text = |entry: &Value, name: &str| entry.step(name)?.as_text().map(str::to_owned);
    let read = |entry: &Value| {
        let (who, how) = (text(entry, "who")?, text(entry, "how")?);
        let keys = keys(reader, &who);
        Some(Access { who, keys, how, from: text(entry, "from"), until: text(entry, "until") })
    };
    entries.iter().filter_map(read).collect()
}

/// The keys that a name stands for: one, or all that a `for_each` makes. Who is let in otherwise than by
/// a key may have any name.
fn keys(reader: &Reader<'_>, who: &str) -> Vec<Addr> {
    let Ok(addr) = who.parse::<Addr>() else { return Vec::new() };
    let block = reader.blueprint.resources.get(&*addr.name);
    match (block, reader.members.get(&*addr.name)) {
        (Some(block), Some(members)) if block.kind.name == "key" => {
            let all = members.addresses(&addr.name).into_iter().map(|(addr, _)| addr);
            all.filter(|member| addr.covers(member)).collect()
        }
        _ => Vec::new(),
    }
}

/// What is said of its use. How much a bucket is expected to hold is said by its size too.
fn usage(term: Option<&Term>, fields: &BTreeMap<String, Term>) -> Usage {
    let said = term.and_then(Term::known).and_then(Value::as_map);
    let usage = said.map(Usage::read).unwrap_or_default();
    match fields.get("size").and_then(Term::known) {
        Some(size) => usage.or(&Usage::read(&[("stored".to_owned(), size.clone())].into())),
        None => usage,
    }
}

fn on_destroy(written: Option<&str>, ephemeral: bool) -> OnDestroy {
    match written {
        Some("refuse") => OnDestroy::Refuse,
        Some("snapshot") => OnDestroy::Snapshot,
        Some("retain") => OnDestroy::Retain,
        Some("delete") => OnDestroy::Delete,
        _ if ephemeral => OnDestroy::Delete,
        _ => OnDestroy::Refuse,
    }
}

fn lifecycle(term: Option<&Term>) -> Lifecycle {
    let step = |name: &str| term.and_then(|term| term.step(name));
    let replace = match step("replace").as_ref().and_then(Term::known).and_then(Value::as_text) {
        Some("create_first") => Some(ReplaceOrder::CreateFirst),
        Some("delete_first") => Some(ReplaceOrder::DeleteFirst),
        _ => None,
    };
    let ignore = match step("ignore") {
        Some(Term::Known(Value::List(items))) => {
            items.iter().filter_map(|item| item.as_text().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    };
    Lifecycle { replace, ignore }
}

/// Turns a name as people write it into the addresses that it stands for here.
fn named(
    reader: &Reader<'_>,
    text: &str,
    span: Span,
    what: &str,
    findings: &mut Findings,
) -> Vec<Addr> {
    let parsed = text.parse::<Addr>().ok();
    let known = parsed.as_ref().and_then(|addr| reader.members.get(&*addr.name));
    if parsed.as_ref().is_some_and(|addr| reader.blueprint.unread.contains(&*addr.name)) {
        return Vec::new();
    }
    let (Some(addr), Some(members)) = (parsed, known) else {
        let message = format!("`{what}` names `{text}`, and there is no such resource");
        let names = reader.blueprint.resources.keys().map(String::as_str);
        let mut unknown = Diagnostic::error(Code::E0303, message).at(span);
        unknown.address.clone_from(&reader.addr);
        findings.push(unknown.did_you_mean(suggest(text, names)));
        return Vec::new();
    };
    let all = members.addresses(&addr.name).into_iter().map(|(addr, _)| addr);
    let found: Vec<Addr> = all.filter(|member| addr.covers(member)).collect();
    // A `for_each` over nothing has no members, and all of them are there.
    let all_of_none =
        addr.key.is_none() && matches!(members, Members::Keyed(keys) if keys.is_empty());
    if found.is_empty() && !all_of_none {
        let message = format!("`{what}` names `{text}`, which is not there in this environment");
        let mut absent = Diagnostic::error(Code::E0305, message).at(span);
        absent.address.clone_from(&reader.addr);
        findings.push(absent);
    }
    found
}

fn depends_on(
    reader: &Reader<'_>,
    term: Option<&Term>,
    block: &Block,
    findings: &mut Findings,
) -> BTreeSet<Addr> {
    let Some(Term::Known(Value::List(items))) = term else { return BTreeSet::new() };
    let node = block.node.as_map().and_then(|body| body.value("depends_on"));
    let nodes = node.and_then(Node::as_list).unwrap_or_default();
    let mut found = BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        let span = nodes.get(at).map_or(block.name.span, |node| node.span);
        let text = item.as_text().unwrap_or_default();
        found.extend(named(reader, text, span, "depends_on", findings));
    }
    found
}

fn uses(
    reader: &Reader<'_>,
    term: Option<&Term>,
    block: &Block,
    findings: &mut Findings,
) -> Vec<Use> {
    let Some(Term::Known(Value::Map(entries))) = term else { return Vec::new() };
    let node = block.node.as_map().and_then(|body| body.get("uses"));
    let map = node.and_then(|entry| entry.value.as_map());
    let mut uses = Vec::new();
    let mut stems: BTreeMap<String, Addr> = BTreeMap::new();
    if let (false, Some(entry)) = (block.kind.takes_uses, node) {
        let message = format!("a {} uses nothing; machines and pools do", block.kind.name);
        findings.push(Diagnostic::error(Code::E0307, message).at(entry.key_span));
        return uses;
    }
    for (name, right) in entries {
        let span = map.and_then(|map| map.get(name)).map_or(block.name.span, |e| e.key_span);
        let right = match right.as_text() {
            Some("read_write") => Right::ReadWrite,
            _ => Right::Read,
        };
        for target in named(reader, name, span, "uses", findings) {
            let kind = reader.blueprint.resources[&*target.name].kind;
            if kind.connection.is_empty() {
                let message = format!("`{target}` is a {}, which grants nothing", kind.name);
                findings.push(Diagnostic::error(Code::E0307, message).at(span));
                continue;
            }
            if let Some(other) = stems.insert(variable_stem(&target), target.clone())
                && other != target
            {
                findings.push(alike(reader, &target, &other, span));
                continue;
            }
            uses.push(Use { target, kind: kind.name, right });
        }
    }
    uses
}

/// Two targets whose variables begin alike: one would overwrite the other's.
fn alike(reader: &Reader<'_>, target: &Addr, other: &Addr, span: Span) -> Diagnostic {
    let stem = variable_stem(target);
    let message = format!(
        "`{target}` and `{other}` would both be found in variables that begin with `{stem}_`"
    );
    let mut alike = Diagnostic::error(Code::E0309, message).at(span);
    alike.address.clone_from(&reader.addr);
    alike.help("give one of the two another name")
}
