//! The native types that live in the state alone: `key`, `secret` and `value`, the same everywhere.
//!
//! A provider lists [`KEY`], [`SECRET`] and [`VALUE`] among its native types, lowers the neutral kinds with
//! [`lower`] and passes their calls on to [`create`] and [`read_many`]. They go through the same
//! trait, journal, sealing and scheduler as a machine; nothing of them exists outside the state,
//! so there is nothing to find after a crash, and creating one again leaves nothing behind.

use crate::provider::{Create, Native, Neutral, Observed, OpError, OpErrorClass, Prior};
use crate::schema::{Attribute, Field, NativeType, ReplaceOrder, Type};
use crate::secret::Secret;
use crate::term::Term;
use crate::value::{Map, Value};
use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore;

/// Keeps its input and gives it as its output.
pub const VALUE: NativeType = NativeType {
    name: "dsenv.value",
    doc: "Keeps `input` and gives it as `output`.",
    fields: &[
        Field::new("input", Type::Any, "What it keeps."),
        Field::new("replace_on", Type::Any, "It is created anew when this changes.").replaces(),
    ],
    attributes: &[Attribute::new("output", "What `input` was when it was last applied.").changes()],
    replace: ReplaceOrder::CreateFirst,
    state_only: true,
    holds_data: false,
};

/// Makes a random text once, or keeps one that was given.
pub const SECRET: NativeType = NativeType {
    name: "dsenv.secret",
    doc: "A random text, made once, or one that was given.",
    fields: &[
        Field::new("length", Type::Int { min: 8, max: 1_024 }, "How many characters.")
            .replaces()
            .of("generate"),
        Field::new("from", Type::Any, "The text, when it is not generated."),
    ],
    attributes: &[Attribute::new("value", "The text.").secret().changes()],
    replace: ReplaceOrder::CreateFirst,
    state_only: true,
    holds_data: false,
};

/// Keeps a person's public key; machines whose `access` names it are told of it.
pub const KEY: NativeType = NativeType {
    name: "dsenv.key",
    doc: "A person's public key.",
    fields: &[Field::new("public_key", Type::Text, "As OpenSSH writes it.").required()],
    attributes: &[Attribute::new("public_key", "As OpenSSH writes it.").changes().of("public_key")],
    replace: ReplaceOrder::CreateFirst,
    state_only: true,
    holds_data: false,
};

/// The neutral kinds that are lowered here.
pub const KINDS: &[&str] = &["key", "secret", "value"];

/// Says whether a native type is one of these, or one that is nothing but its arguments.
pub fn owns(ty: &NativeType) -> bool {
    ty.name == VALUE.name || ty.name == SECRET.name || ty.mirrors()
}

/// Lowers a `key`, a `secret` or a `value`.
pub fn lower(resource: &Neutral) -> Vec<Native> {
    let mut args = resource.fields.clone();
    let ty = match resource.kind {
        "key" => KEY.name,
        "secret" => SECRET.name,
        _ => VALUE.name,
    };
    if let Some(generate) = args.remove("generate") {
        let length = generate.step("length").unwrap_or(Term::Known(Value::Int(32)));
        args.insert("length".to_owned(), length);
    }
    vec![Native { part: None, ty, args, after: Vec::new() }]
}

/// Says whether its arguments alone tell what it is, so that one that was lost is had again by making
/// it anew. A secret that was generated is not had again.
pub fn follows_from_arguments(ty: &NativeType, args: &Map) -> bool {
    ty.name == VALUE.name || ty.mirrors() || ty.name == SECRET.name && args.contains_key("from")
}

/// Creates one, or settles it again after a change: both need nothing but the arguments.
pub fn create(request: Create<'_>) -> Result<Observed, OpError> {
    let id = request.token.to_string();
    if request.ty.name == VALUE.name {
        let output = request.args.get("input").cloned().unwrap_or(Value::Null);
        let values = Map::from([("output".to_owned(), output)]);
        return Ok(Observed { remote_id: id, values });
    }
    if request.ty.mirrors() {
        let of = |attribute: &Attribute| {
            let value = attribute.of.and_then(|argument| request.args.get(argument));
            (attribute.name.to_owned(), value.cloned().unwrap_or(Value::Null))
        };
        let values = request.ty.attributes.iter().map(of).collect();
        return Ok(Observed { remote_id: id, values });
    }
    let text = match (request.args.get("from"), request.args.get("length")) {
        (Some(Value::Secret(secret)), _) => secret.clone(),
        (Some(Value::Text(text)), _) => Secret::new(text.clone()),
        (Some(other), _) => {
            let message = format!("`from` of a secret is a text, not {}", other.shape());
            return Err(OpError::new(OpErrorClass::Invalid, message));
        }
        (None, Some(Value::Int(length))) => random_text(*length),
        (None, _) => {
            let message = "a secret has `generate` or `from`";
            return Err(OpError::new(OpErrorClass::Invalid, message));
        }
    };
    let values = Map::from([("value".to_owned(), Value::Secret(text))]);
    Ok(Observed { remote_id: id, values })
}

/// Updates one: a `value` takes its new input; a generated secret keeps its text.
pub fn update(prior: &Prior, request: Create<'_>) -> Result<Observed, OpError> {
    if request.ty.name == SECRET.name && !request.args.contains_key("from") {
        return Ok(prior.observed.clone());
    }
    let observed = create(request)?;
    Ok(Observed { remote_id: prior.observed.remote_id.clone(), ..observed })
}

/// Reads them again: they are what the state says.
pub fn read_many(wanted: &[Prior]) -> Vec<Option<Observed>> {
    wanted.iter().map(|prior| Some(prior.observed.clone())).collect()
}

/// Makes a text of letters and digits from the system's random source, each equally likely.
pub fn random_text(length: i64) -> Secret {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::new();
    while (text.len() as i64) < length {
        let mut bytes = [0u8; 64];
        OsRng.fill_bytes(&mut bytes);
        // 248 is the largest multiple of 62 in a byte: above it, some letters would be likelier.
        for byte in bytes.into_iter().filter(|byte| *byte < 248) {
            if (text.len() as i64) < length {
                text.push(LETTERS[usize::from(byte) % LETTERS.len()] as char);
            }
        }
    }
    Secret::new(text)
}
