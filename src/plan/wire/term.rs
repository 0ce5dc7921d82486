//! Data with holes as JSON.
//!
//! | term | JSON |
//! |---|---|
//! | known | as [`dsenv_sdk::value::wire`] has it |
//! | reference | `{"$ref": "db", "path": ["host"]}` |
//! | expression | `{"$expr": "http://${db.host}/", "form": "plain", "each": null, "refs": [...]}` |
//! | not locked | `{"$not_locked": "python:..."}` |
//!
//! Data can never be taken for one of these: a key of data that begins with `$` gets another one.

use super::file::PlanFileError;
use dsenv_sdk::term::{Each, Expr, Form, Ref, Term};
use dsenv_sdk::value::{Value, wire};
use dsenv_sdk::{Addr, Secret};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Any error, for what the caller's functions return.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Gives what stands for a secret: `{"$sealed": "..."}` in a file.
pub type Seal<'a> = &'a mut dyn FnMut(&Secret) -> Json;

/// Gives the secret for what stood under `$sealed`.
pub type Open<'a> = &'a mut dyn FnMut(&str) -> Result<Secret, BoxError>;

const REF: &str = "$ref";
const EXPR: &str = "$expr";
const NOT_LOCKED: &str = "$not_locked";

pub(super) type Object = serde_json::Map<String, Json>;

pub(super) fn encode(term: &Term, seal: Seal<'_>) -> Json {
    match term {
        Term::Known(value) => wire::encode(value, seal),
        Term::Ref(reference) => {
            let mut object = Object::new();
            object.insert(REF.to_owned(), Json::from(reference.addr.to_string()));
            object.insert("path".to_owned(), path_out(reference));
            Json::Object(object)
        }
        Term::Expr(expr) => encode_expr(expr, seal),
        Term::NotLocked(pin) => {
            Json::Object(Object::from_iter([(NOT_LOCKED.to_owned(), Json::from(pin.as_ref()))]))
        }
        Term::List(items) => items.iter().map(|item| encode(item, seal)).collect(),
        Term::Map(entries) => Json::Object(encode_all(entries, seal)),
    }
}

pub(super) fn encode_all(terms: &BTreeMap<String, Term>, seal: Seal<'_>) -> Object {
    terms.iter().map(|(key, term)| (wire::escape_key(key), encode(term, seal))).collect()
}

fn encode_expr(expr: &Expr, seal: Seal<'_>) -> Json {
    let form = match expr.form {
        Form::Plain => "plain",
        Form::SelfTemplate => "self_template",
    };
    let each = expr.each.as_ref().map_or(Json::Null, |each| {
        Json::Object(Object::from_iter([
            ("key".to_owned(), Json::from(each.key.as_str())),
            ("value".to_owned(), wire::encode(&each.value, seal)),
        ]))
    });
    let refs = expr.refs.iter().map(|reference| {
        Json::Array(vec![Json::from(reference.addr.to_string()), path_out(reference)])
    });
    Json::Object(Object::from_iter([
        (EXPR.to_owned(), Json::from(expr.source.as_ref())),
        ("form".to_owned(), Json::from(form)),
        ("each".to_owned(), each),
        ("refs".to_owned(), refs.collect()),
    ]))
}

fn path_out(reference: &Ref) -> Json {
    reference.path.iter().map(|step| Json::from(step.as_ref())).collect()
}

pub(super) fn decode(json: Json, open: Open<'_>) -> Result<Term, PlanFileError> {
    match json {
        Json::Array(items) => {
            let items = items.into_iter().map(|item| decode(item, open));
            Ok(Term::list(items.collect::<Result<_, _>>()?))
        }
        Json::Object(object) if object.contains_key(REF) => {
            let (addr, path) = (text(&object, REF)?, object.get("path"));
            Ok(Term::Ref(reference(&addr, path)?))
        }
        Json::Object(object) if object.contains_key(EXPR) => decode_expr(object, open),
        Json::Object(object) if object.contains_key(NOT_LOCKED) => {
            Ok(Term::NotLocked(text(&object, NOT_LOCKED)?.into()))
        }
        Json::Object(object) if !object.contains_key(wire::SEALED) => {
            Ok(Term::map(decode_all(object, open)?))
        }
        known => Ok(Term::Known(decode_value(known, open)?)),
    }
}

pub(super) fn decode_all(
    object: Object,
    open: Open<'_>,
) -> Result<BTreeMap<String, Term>, PlanFileError> {
    let entry = |(key, json)| Ok((wire::unescape_key(key), decode(json, open)?));
    object.into_iter().map(entry).collect()
}

pub(super) fn decode_value(json: Json, open: Open<'_>) -> Result<Value, PlanFileError> {
    wire::decode(json, open).map_err(|source| PlanFileError::Secret { source })
}

fn decode_expr(mut object: Object, open: Open<'_>) -> Result<Term, PlanFileError> {
    let source = text(&object, EXPR)?;
    let form = match text(&object, "form")?.as_str() {
        "plain" => Form::Plain,
        "self_template" => Form::SelfTemplate,
        other => return Err(wrong(&format!("`form` is `{other}`"))),
    };
    let each = match object.remove("each") {
        Some(Json::Object(mut each)) => {
            let key = text(&each, "key")?;
            let value = each.remove("value").ok_or_else(|| wrong("`each` has no value"))?;
            Some(Arc::new(Each { key, value: decode_value(value, open)? }))
        }
        _ => None,
    };
    let Some(Json::Array(refs)) = object.remove("refs") else {
        return Err(wrong("an expression has no `refs`"));
    };
    let refs = refs.iter().map(|json| match json.as_array().map(Vec::as_slice) {
        Some([Json::String(addr), path]) => reference(addr, Some(path)),
        _ => Err(wrong("a reference is not an address and a path")),
    });
    let refs = refs.collect::<Result<Vec<_>, _>>()?;
    Ok(Term::Expr(Expr { source: source.into(), form, each, refs: refs.into() }))
}

fn reference(addr: &str, path: Option<&Json>) -> Result<Ref, PlanFileError> {
    let path = path.and_then(Json::as_array).ok_or_else(|| wrong("a reference has no path"))?;
    let step =
        |json: &Json| json.as_str().map(Arc::from).ok_or_else(|| wrong("a path has no text"));
    Ok(Ref { addr: self::addr(addr)?, path: path.iter().map(step).collect::<Result<_, _>>()? })
}

pub(super) fn addr(text: &str) -> Result<Addr, PlanFileError> {
    text.parse().map_err(|error: dsenv_sdk::addr::AddrError| wrong(&error.to_string()))
}

fn text(object: &Object, key: &str) -> Result<String, PlanFileError> {
    let text = object.get(key).and_then(Json::as_str);
    text.map(str::to_owned).ok_or_else(|| wrong(&format!("`{key}` is not a text")))
}

/// What a file with a sound checksum can only be when another program wrote it.
pub(super) fn wrong(detail: &str) -> PlanFileError {
    PlanFileError::Malformed { detail: detail.to_owned() }
}
