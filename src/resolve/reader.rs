//! One tree becomes one [`Term`]: expressions are read, references checked, overlays applied.

use super::Scope;
use super::members::Members;
use super::overlay::Overlay;
use crate::blueprint::Blueprint;
use crate::diag::{Code, Diagnostic, Findings, Source, Span, suggest};
use crate::expr::{self, Compiled, Form, Lookup, Outcome};
use crate::yaml::{Node, NodeKind};
use dsenv_sdk::schema::{Kind, Type};
use dsenv_sdk::self_facts;
use dsenv_sdk::term::{Each, Expr, Ref, Term};
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Key};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a tree is read against.
pub(super) struct Reader<'a> {
    pub(super) source: &'a Source,
    pub(super) blueprint: &'a Blueprint,
    pub(super) members: &'a BTreeMap<String, Members>,
    pub(super) overlay: &'a Overlay,
    pub(super) scope: &'a Scope,
    pub(super) each: Option<Arc<Each>>,
    /// The resource that the tree belongs to, for diagnostics.
    pub(super) addr: Option<String>,
}

/// A mistake in a reference: the code, what is wrong, what to do.
struct Mistake {
    code: Code,
    message: String,
    help: Option<String>,
}

/// A mistake and the path of the expression that it is about; `None` is all of it.
type Placed = (Option<Vec<String>>, Mistake);

impl Reader<'_> {
    /// Reads the tree at `path` (the resource's name first) as a value of this type.
    pub(super) fn term(
        &self,
        node: &Node,
        path: &[String],
        ty: Option<&Type>,
        findings: &mut Findings,
    ) -> Term {
        self.read(node, &mut path.to_vec(), ty, Form::Plain, findings)
    }

    /// Reads the tree of a field, which may take `self`.
    pub(super) fn field(
        &self,
        node: &Node,
        path: &[String],
        field: &dsenv_sdk::schema::Field,
        findings: &mut Findings,
    ) -> Term {
        let form = if field.takes_self { Form::SelfTemplate } else { Form::Plain };
        self.read(node, &mut path.to_vec(), Some(&field.ty), form, findings)
    }

    fn read(
        &self,
        node: &Node,
        path: &mut Vec<String>,
        ty: Option<&Type>,
        form: Form,
        findings: &mut Findings,
    ) -> Term {
        let node = self.overlay.at(path).unwrap_or(node);
        match &node.kind {
            NodeKind::Null => Term::Known(Value::Null),
            NodeKind::Bool(flag) => Term::Known(Value::Bool(*flag)),
            NodeKind::Int(number) => Term::Known(Value::Int(*number)),
            NodeKind::Float(number) => Term::Known(Value::Float(*number)),
            NodeKind::Text(text) => self.text(node, text, form, findings),
            NodeKind::List(items) => {
                let ty = list_item(ty);
                let mut terms = Vec::with_capacity(items.len());
                for (at, item) in items.iter().enumerate() {
                    path.push(at.to_string());
                    terms.push(self.read(item, path, ty, form, findings));
                    path.pop();
                }
                Term::list(terms)
            }
            NodeKind::Map(map) => {
                let mut terms = BTreeMap::new();
                let set: BTreeSet<String> = self.overlay.below(path).map(str::to_owned).collect();
                let names = map.keys().map(str::to_owned).chain(set);
                for name in names.collect::<BTreeSet<_>>() {
                    let (ty, takes_self) = map_entry(ty, &name);
                    let form = if takes_self { Form::SelfTemplate } else { form };
                    path.push(name.clone());
                    let node = map.value(&name).unwrap_or(node);
                    let term = self.read(node, path, ty, form, findings);
                    path.pop();
                    terms.insert(name, term);
                }
                Term::map(terms)
            }
        }
    }

    fn text(&self, node: &Node, text: &str, form: Form, findings: &mut Findings) -> Term {
        let compiled = match expr::compile(text) {
            Ok(None) => return Term::text(text),
            Ok(Some(compiled)) => compiled,
            Err(error) => {
                let span = node.text_span(self.source, error.start..error.end);
                self.push(Code::E0401, error.message, span, None, findings);
                return Term::Known(Value::Null);
            }
        };
        match self.settle_or_keep(text, &compiled, form) {
            Ok(term) => term,
            Err(mistakes) => {
                for (path, mistake) in mistakes {
                    let span = path.map_or(node.span, |path| self.path_span(node, text, &path));
                    self.push(mistake.code, mistake.message, span, mistake.help, findings);
                }
                self.keep(text, form, BTreeSet::new())
            }
        }
    }

    /// An expression as it stands; after a mistake too, so that its type is taken on trust.
    fn keep(&self, text: &str, form: Form, refs: BTreeSet<Ref>) -> Term {
        let refs = refs.into_iter().collect();
        Term::Expr(Expr { source: text.into(), form, each: self.each.clone(), refs })
    }

    /// The place of a plain path in its scalar; the whole scalar when it is not written plainly.
    pub(super) fn path_span(&self, node: &Node, text: &str, path: &[String]) -> Span {
        match text.find(&path.join(".")).or_else(|| text.find(path[0].as_str())) {
            Some(start) => {
                let plain = text[start..].starts_with(&path.join("."));
                let length = if plain { path.join(".").len() } else { path[0].len() };
                node.text_span(self.source, start..start + length)
            }
            None => node.span,
        }
    }

    fn push(
        &self,
        code: Code,
        message: String,
        span: Span,
        help: Option<String>,
        findings: &mut Findings,
    ) {
        let mut diagnostic = Diagnostic::error(code, message).at(span);
        diagnostic.address.clone_from(&self.addr);
        diagnostic.help.extend(help);
        findings.push(diagnostic);
    }

    /// Settles an expression that needs no resource; keeps the others with their references.
    fn settle_or_keep(
        &self,
        text: &str,
        compiled: &Compiled,
        form: Form,
    ) -> Result<Term, Vec<Placed>> {
        if compiled.computes_with_self() {
            let message = "`self` is filled in by the machine, and nothing is computed with it";
            let mistake = Mistake { code: Code::E0403, message: message.to_owned(), help: None };
            return Err(vec![(None, mistake)]);
        }
        let mut refs = BTreeSet::new();
        let mut mistakes = Vec::new();
        for path in compiled.paths() {
            if self.was_refused(path) {
                return Ok(self.keep(text, form, BTreeSet::new()));
            }
            match self.references(path, form) {
                Ok(found) => refs.extend(found),
                Err(mistake) => mistakes.push((Some(path.clone()), mistake)),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        if refs.is_empty() {
            let outcome = compiled.evaluate(form, &mut |path| self.now(path));
            return match outcome {
                Ok(Outcome::Known(value)) => Ok(Term::Known(value)),
                Ok(Outcome::Unknown) => unreachable!("nothing in it is open"),
                Err(message) => {
                    Err(vec![(None, Mistake { code: Code::E0402, message, help: None })])
                }
            };
        }
        if let (Form::Plain, Some(message)) = (form, compiled.foresee(&|path| self.is_secret(path)))
        {
            return Err(vec![(None, Mistake { code: Code::E0402, message, help: None })]);
        }
        if let (Some(_), Form::Plain, 1) = (compiled.sole_path(), form, refs.len()) {
            let only = refs.into_iter().next().expect("there is one");
            return Ok(Term::Ref(only));
        }
        Ok(self.keep(text, form, refs))
    }

    /// Says whether a path leads to something whose own mistake was reported already: a resource
    /// that could not be read, an input without a value.
    fn was_refused(&self, path: &[String]) -> bool {
        let input = || {
            let name = path.get(1).map_or("", String::as_str);
            self.blueprint.inputs.contains_key(name) && !self.scope.inputs.contains_key(name)
        };
        self.blueprint.unread.contains(&path[0]) || path[0] == "inputs" && input()
    }

    /// What a path stands for that needs no resource.
    fn now(&self, path: &[String]) -> Lookup {
        lookup_now(self.scope, self.each.as_deref(), path).unwrap_or_else(|| {
            // Any other root is a resource, and without a reference it is one without members.
            let members = self.members.get(&path[0]);
            let is_empty = matches!(members, Some(Members::Keyed(keys)) if keys.is_empty());
            assert!(is_empty, "a resource with members is referred to");
            Lookup::Known(Value::Map(BTreeMap::new()))
        })
    }

    /// Says whether a path is known to lead to a secret, before there is any value.
    fn is_secret(&self, path: &[String]) -> bool {
        if let Some(Lookup::Known(value)) = lookup_now(self.scope, self.each.as_deref(), path) {
            return value.holds_secret();
        }
        let (Some(block), Some(members)) =
            (self.blueprint.resources.get(&path[0]), self.members.get(&path[0]))
        else {
            return false;
        };
        let at = if matches!(members, Members::Keyed(_)) { 2 } else { 1 };
        let attribute = path.get(at).and_then(|name| block.kind.attribute(name));
        attribute.is_some_and(|attribute| attribute.secret)
    }

    /// Checks a path; returns the resources' attributes that it refers to, if any.
    fn references(&self, path: &[String], form: Form) -> Result<Vec<Ref>, Mistake> {
        match path[0].as_str() {
            "self" => self.check_self(path, form).map(|()| Vec::new()),
            "inputs" | "env" | "each" => self.check_root(path).map(|()| Vec::new()),
            name => match self.members.get(name) {
                Some(members) => self.resource_refs(name, members, &path[1..]),
                None => {
                    let names = self.blueprint.resources.keys().map(String::as_str);
                    let near = suggest(name, names.chain(["inputs", "env"]));
                    Err(Mistake {
                        code: Code::E0303,
                        message: format!("there is no resource `{name}`"),
                        help: near.map(|near| format!("did you mean `{near}`?")),
                    })
                }
            },
        }
    }

    fn check_self(&self, path: &[String], form: Form) -> Result<(), Mistake> {
        let mistake = |message: String| {
            let help = "it may stand in `run` and in variables of a machine or pool".to_owned();
            Err(Mistake { code: Code::E0403, message, help: Some(help) })
        };
        if form == Form::Plain {
            return mistake("`self` is not known here".to_owned());
        }
        let rest: Vec<&str> = path[1..].iter().map(String::as_str).collect();
        match rest.as_slice() {
            [name] if self_facts::NAMES.contains(name) => Ok(()),
            ["ports", _] => Ok(()),
            _ => mistake(format!(
                "`{}` is none of `self.address`, `self.name`, `self.index`, `self.ports.NAME`",
                path.join(".")
            )),
        }
    }

    fn check_root(&self, path: &[String]) -> Result<(), Mistake> {
        if path[0] == "each" && self.each.is_none() {
            let message = "`each` stands for a member, and there is no `for_each` here".to_owned();
            return Err(Mistake { code: Code::E0303, message, help: None });
        }
        match lookup_now(self.scope, self.each.as_deref(), path) {
            Some(Lookup::Missing(message)) => {
                let candidates: Vec<&str> = match path[0].as_str() {
                    "inputs" => self.blueprint.inputs.keys().map(String::as_str).collect(),
                    "env" => self.scope.env.keys().map(String::as_str).collect(),
                    _ => vec!["key", "value"],
                };
                let last = path.get(1).map_or("", String::as_str);
                let near = suggest(last, candidates.iter().copied());
                let help = near.map(|near| format!("did you mean `{}.{near}`?", path[0]));
                Err(Mistake { code: Code::E0303, message, help })
            }
            _ => Ok(()),
        }
    }

    fn resource_refs(
        &self,
        name: &str,
        members: &Members,
        rest: &[String],
    ) -> Result<Vec<Ref>, Mistake> {
        let Some(block) = self.blueprint.resources.get(name) else { return Ok(Vec::new()) };
        let kind = block.kind;
        match members {
            Members::Absent => Err(Mistake {
                code: Code::E0305,
                message: format!(
                    "`{name}` has a `when` or `for_each` that leaves nothing of it here"
                ),
                help: None,
            }),
            Members::Single => {
                check_attribute(name, kind, rest)?;
                Ok(vec![make_ref(Addr::resource(name), rest)])
            }
            Members::Keyed(keys) => {
                let member = |key: &str| Addr::resource(name).member(Key::Text(key.into()));
                let Some((key, rest)) = rest.split_first() else {
                    return Ok(keys.keys().map(|key| make_ref(member(key), &[])).collect());
                };
                if !keys.contains_key(key) {
                    let known: Vec<_> =
                        keys.keys().take(5).map(|key| format!("`{name}[\"{key}\"]`")).collect();
                    let message = format!("`{name}` has no member `{key}`");
                    let help = match known.as_slice() {
                        [] => "its `for_each` is empty here, so it has no members".to_owned(),
                        known => format!("there is {}", known.join(", ")),
                    };
                    return Err(Mistake { code: Code::E0306, message, help: Some(help) });
                }
                check_attribute(name, kind, rest)?;
                Ok(vec![make_ref(member(key), rest)])
            }
        }
    }
}

fn make_ref(addr: Addr, rest: &[String]) -> Ref {
    Ref { addr, path: rest.iter().map(|step| step.as_str().into()).collect() }
}

/// Checks the first step behind a resource: an argument or an attribute of its kind.
fn check_attribute(name: &str, kind: &Kind, rest: &[String]) -> Result<(), Mistake> {
    let known = || kind.attributes.iter().map(|a| a.name).chain(kind.fields.iter().map(|f| f.name));
    let Some(first) = rest.first() else {
        let attributes: Vec<_> = kind.attributes.iter().map(|a| a.name).collect();
        return Err(Mistake {
            code: Code::E0304,
            message: format!(
                "`{name}` is a whole {}; an expression takes one thing of it",
                kind.name
            ),
            help: attributes.first().map(|first| format!("for example `{name}.{first}`")),
        });
    };
    if known().any(|known| known == first) {
        return Ok(());
    }
    let all: Vec<_> = known().map(|known| format!("`{known}`")).collect();
    let help = match suggest(first, known()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it has {}", all.join(", ")),
    };
    Err(Mistake {
        code: Code::E0304,
        message: format!("`{name}` of kind {} has no `{first}`", kind.name),
        help: Some(help),
    })
}

/// What a path under `inputs`, `env` or `each` stands for; `None` for other roots.
fn lookup_now(scope: &Scope, each: Option<&Each>, path: &[String]) -> Option<Lookup> {
    let missing = || Lookup::Missing(format!("there is no `{}`", path.join(".")));
    if let Some(found) = scope.lookup(path) {
        return Some(found.map_or_else(missing, Lookup::Known));
    }
    if path[0] != "each" {
        return None;
    }
    let each = each?;
    Some(match path.get(1).map(String::as_str) {
        Some("key") if path.len() == 2 => Lookup::Known(Value::text(&*each.key)),
        Some("value") => {
            let found = path[2..].iter().try_fold(&each.value, |value, step| value.step(step));
            found.map_or_else(missing, |value| Lookup::Known(value.clone()))
        }
        _ => missing(),
    })
}

/// Reads a tree that must be known before anything exists: `when`, `for_each`.
pub(super) fn value_now(
    source: &Source,
    scope: &Scope,
    node: &Node,
    field: &str,
    name: &str,
    findings: &mut Findings,
) -> Option<Value> {
    let refuse = |code, message: String, span, findings: &mut Findings| {
        findings.push(Diagnostic::error(code, message).at(span).address(name));
        None
    };
    match &node.kind {
        NodeKind::Null => Some(Value::Null),
        NodeKind::Bool(flag) => Some(Value::Bool(*flag)),
        NodeKind::Int(number) => Some(Value::Int(*number)),
        NodeKind::Float(number) => Some(Value::Float(*number)),
        NodeKind::List(items) => items
            .iter()
            .map(|item| value_now(source, scope, item, field, name, findings))
            .collect::<Option<_>>()
            .map(Value::List),
        NodeKind::Map(map) => map
            .iter()
            .map(|e| {
                Some((e.key.clone(), value_now(source, scope, &e.value, field, name, findings)?))
            })
            .collect::<Option<_>>()
            .map(Value::Map),
        NodeKind::Text(text) => {
            let compiled = match expr::compile(text) {
                Ok(None) => return Some(Value::text(text.as_str())),
                Ok(Some(compiled)) => compiled,
                Err(error) => {
                    let span = node.text_span(source, error.start..error.end);
                    return refuse(Code::E0401, error.message, span, findings);
                }
            };
            let later = |path: &&Vec<String>| !["inputs", "env"].contains(&path[0].as_str());
            if let Some(path) = compiled.paths().iter().find(later) {
                let message = format!(
                    "`{field}` decides how many resources there are, and `{}` is not known before \
                     they exist",
                    path.join(".")
                );
                return refuse(Code::E0404, message, node.span, findings);
            }
            let lookup = &mut |path: &[String]| {
                lookup_now(scope, None, path).expect("only inputs and env are left")
            };
            match compiled.evaluate(Form::Plain, lookup) {
                Ok(Outcome::Known(value)) => Some(value),
                Ok(Outcome::Unknown) => unreachable!("inputs and env are known"),
                Err(message) => refuse(Code::E0402, message, node.span, findings),
            }
        }
    }
}

fn list_item(ty: Option<&Type>) -> Option<&'static Type> {
    match ty {
        Some(Type::List(item)) => Some(item),
        Some(Type::Either(types)) => types.iter().find_map(|ty| list_item(Some(ty))),
        _ => None,
    }
}

/// The type of one entry of a map, and whether it takes `self`.
fn map_entry(ty: Option<&Type>, name: &str) -> (Option<&'static Type>, bool) {
    match ty {
        Some(Type::Map(item)) => (Some(item), false),
        Some(Type::Object(fields)) => match fields.iter().find(|field| field.name == name) {
            Some(field) => (Some(&field.ty), field.takes_self),
            None => (None, false),
        },
        Some(Type::Either(types)) => types
            .iter()
            .map(|ty| map_entry(Some(ty), name))
            .find(|(found, _)| found.is_some())
            .unwrap_or((None, false)),
        _ => (None, false),
    }
}
