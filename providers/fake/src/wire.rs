//! The JSON form of calls and answers: one line each, over loopback.
//!
//! Secrets pass in clear under the key of sealed ones. This is a cloud for tests, on a loopback
//! address, for as long as a test runs; nothing of it is written to a file.

use crate::native;
use crate::request::{Ask, Reply, Request};
use dsenv_sdk::addr::Addr;
use dsenv_sdk::preflight::{Intent, Remark, Verdict};
use dsenv_sdk::provider::{
    Accepted, DataFate, Found, Identity, Observed, OpError, OpErrorClass, Owned, Owner, Progress,
    Token,
};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::secret::Secret;
use dsenv_sdk::value::{Map, Value, wire};
use serde_json::{Value as Json, json};

/// A line that is not of this form: which part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(String);

impl From<Malformed> for OpError {
    fn from(malformed: Malformed) -> OpError {
        OpError::new(OpErrorClass::Unknown, format!("malformed line: {}", malformed.0))
    }
}

type Parsed<T> = Result<T, Malformed>;

// ---------------------------------------------------------------- requests

/// Writes a request as one line, without its end.
pub(crate) fn request_line(request: &Request) -> String {
    let Owner { blueprint, environment, lineage } = &request.owner;
    let mut json = match &request.ask {
        Ask::Identity => json!({}),
        Ask::Inventory { lineage } => json!({"lineage": lineage}),
        Ask::Close { kept } => {
            json!({"kept": kept.iter().map(Token::as_str).collect::<Vec<_>>()})
        }
        Ask::Find { ty, token } => json!({"type": ty.name, "token": token.as_str()}),
        Ask::ReadMany { ty, wanted } => {
            let pairs: Vec<_> =
                wanted.iter().map(|(addr, id)| json!([addr.to_string(), id])).collect();
            json!({"type": ty.name, "wanted": pairs})
        }
        Ask::Create { ty, addr, token, args } => json!({
            "type": ty.name, "addr": addr.to_string(), "token": token.as_str(),
            "args": map_json(args),
        }),
        Ask::Update { ty, addr, token, remote_id, args } => json!({
            "type": ty.name, "addr": addr.to_string(), "token": token.as_str(),
            "remote_id": remote_id, "args": map_json(args),
        }),
        Ask::Delete { ty, addr, token, remote_id, data } => json!({
            "type": ty.name, "addr": addr.to_string(), "token": token.as_str(),
            "remote_id": remote_id, "snapshot": *data == DataFate::Snapshot,
        }),
        Ask::Poll { ty, remote_id, operation } => {
            json!({"type": ty.name, "remote_id": remote_id, "operation": operation})
        }
        Ask::ReadForeign { ty, remote_id } => json!({"type": ty.name, "remote_id": remote_id}),
        Ask::Claim { ty, addr, token, remote_id } => json!({
            "type": ty.name, "addr": addr.to_string(), "token": token.as_str(),
            "remote_id": remote_id,
        }),
        Ask::Preflight { intended, check_permissions } => {
            let one = |(addr, ty, intent): &(Addr, &NativeType, Intent)| json!({"addr": addr.to_string(), "type": ty.name, "intent": intent_name(*intent)});
            let intended: Vec<_> = intended.iter().map(one).collect();
            json!({"intended": intended, "check_permissions": check_permissions})
        }
        Ask::Pin { pin, need } => json!({"pin": pin, "need": value_json(need)}),
    };
    json["verb"] = request.ask.verb().name().into();
    json["owner"] = json!([blueprint, environment, lineage]);
    json.to_string()
}

/// Reads a request.
pub(crate) fn parse_request(line: &str) -> Parsed<Request> {
    let json: Json = serde_json::from_str(line).map_err(|error| Malformed(error.to_string()))?;
    let json = &json;
    let owner = Owner {
        blueprint: text_at(&json["owner"][0], "owner")?,
        environment: text_at(&json["owner"][1], "owner")?,
        lineage: text_at(&json["owner"][2], "owner")?,
    };
    let remote_id = || text(json, "remote_id");
    let ask = match text(json, "verb")?.as_str() {
        "identity" => Ask::Identity,
        "inventory" => Ask::Inventory { lineage: json["lineage"].as_str().map(str::to_owned) },
        "close" => {
            let kept = array(json, "kept")?.iter();
            let kept = kept.map(|token| Ok(Token::from_text(&text_at(token, "kept")?)));
            Ask::Close { kept: kept.collect::<Parsed<_>>()? }
        }
        "find" => Ask::Find { ty: native_type(json)?, token: token(json)? },
        "read_many" => {
            let pairs = array(json, "wanted")?.iter();
            let pair = |pair: &Json| Ok((addr_at(&pair[0])?, text_at(&pair[1], "wanted")?));
            Ask::ReadMany {
                ty: native_type(json)?,
                wanted: pairs.map(pair).collect::<Parsed<_>>()?,
            }
        }
        "create" => Ask::Create {
            ty: native_type(json)?,
            addr: addr_at(&json["addr"])?,
            token: token(json)?,
            args: map(&json["args"])?,
        },
        "update" => Ask::Update {
            ty: native_type(json)?,
            addr: addr_at(&json["addr"])?,
            token: token(json)?,
            remote_id: remote_id()?,
            args: map(&json["args"])?,
        },
        "delete" => Ask::Delete {
            ty: native_type(json)?,
            addr: addr_at(&json["addr"])?,
            token: token(json)?,
            remote_id: remote_id()?,
            data: match &json["snapshot"] {
                Json::Bool(true) => DataFate::Snapshot,
                Json::Bool(false) => DataFate::Delete,
                _ => return Err(Malformed("snapshot".to_owned())),
            },
        },
        "poll" => Ask::Poll {
            ty: native_type(json)?,
            remote_id: json["remote_id"].as_str().map(str::to_owned),
            operation: text(json, "operation")?,
        },
        "read_foreign" => Ask::ReadForeign { ty: native_type(json)?, remote_id: remote_id()? },
        "claim" => Ask::Claim {
            ty: native_type(json)?,
            addr: addr_at(&json["addr"])?,
            token: token(json)?,
            remote_id: remote_id()?,
        },
        "preflight" => preflight(json)?,
        "pin" => Ask::Pin { pin: text(json, "pin")?, need: value(&json["need"]) },
        other => return Err(Malformed(format!("verb {other}"))),
    };
    Ok(Request { owner, ask })
}

fn preflight(json: &Json) -> Parsed<Ask> {
    let one = |json: &Json| Ok((addr_at(&json["addr"])?, native_type(json)?, intent(json)?));
    let intended = array(json, "intended")?.iter().map(one);
    Ok(Ask::Preflight {
        intended: intended.collect::<Parsed<_>>()?,
        check_permissions: json["check_permissions"].as_bool() == Some(true),
    })
}

// ---------------------------------------------------------------- answers

/// Writes an answer as one line, without its end.
pub(crate) fn reply_line(reply: &Result<Reply, OpError>) -> String {
    let json = match reply {
        Ok(reply) => json!({"ok": reply_json(reply)}),
        Err(error) => json!({"error": error_json(error)}),
    };
    json.to_string()
}

/// Reads an answer: the cloud's own, be it an error, or that the line is malformed.
pub(crate) fn parse_reply(line: &str) -> Parsed<Result<Reply, OpError>> {
    let json: Json = serde_json::from_str(line).map_err(|error| Malformed(error.to_string()))?;
    match (json.get("ok"), json.get("error")) {
        (Some(reply), None) => Ok(Ok(parse_answer(reply)?)),
        (None, Some(error)) => Ok(Err(parse_error(error)?)),
        _ => Err(Malformed("neither ok nor error".to_owned())),
    }
}

fn reply_json(reply: &Reply) -> Json {
    match reply {
        Reply::Identity(Identity { account, region }) => {
            json!({"is": "identity", "account": account, "region": region})
        }
        Reply::Found(None) => json!({"is": "found"}),
        Reply::Found(Some(Found { observed, complete })) => {
            json!({"is": "found", "object": observed_json(observed), "complete": complete})
        }
        Reply::Read(objects) => {
            let objects: Vec<_> =
                objects.iter().map(|object| object.as_ref().map(observed_json)).collect();
            json!({"is": "read", "objects": objects})
        }
        Reply::Progress(Progress::Done(object), note) => {
            json!({"is": "done", "object": object.as_ref().map(observed_json), "note": note})
        }
        Reply::Progress(Progress::Accepted(accepted), note) => json!({
            "is": "accepted", "remote_id": accepted.remote_id, "operation": accepted.operation,
            "waits_for": accepted.waits_for, "ask_again_ms": accepted.ask_again_ms, "note": note,
        }),
        Reply::Object(object) => {
            json!({"is": "object", "object": object.as_ref().map(observed_json)})
        }
        Reply::Owned(owned) => {
            let one = |owned: &Owned| {
                let Owned { addr, ty, token, remote_id, lineage } = owned;
                json!({
                    "addr": addr.to_string(), "type": ty, "token": token.as_str(),
                    "remote_id": remote_id, "lineage": lineage,
                })
            };
            json!({"is": "owned", "owned": owned.iter().map(one).collect::<Vec<_>>()})
        }
        Reply::Remarks(remarks) => {
            json!({"is": "remarks", "remarks": remarks.iter().map(remark_json).collect::<Vec<_>>()})
        }
        Reply::Pinned(pinned) => json!({"is": "pinned", "value": value_json(pinned)}),
        Reply::Nothing => json!({"is": "nothing"}),
    }
}

fn parse_answer(json: &Json) -> Parsed<Reply> {
    let note = json["note"].as_str().map(str::to_owned);
    Ok(match text(json, "is")?.as_str() {
        "identity" => Reply::Identity(Identity {
            account: text(json, "account")?,
            region: text(json, "region")?,
        }),
        "found" => {
            let complete = json["complete"].as_bool() == Some(true);
            let found = object(&json["object"])?;
            Reply::Found(found.map(|observed| Found { observed, complete }))
        }
        "read" => {
            let objects = array(json, "objects")?.iter().map(object);
            Reply::Read(objects.collect::<Parsed<_>>()?)
        }
        "done" => Reply::Progress(Progress::Done(object(&json["object"])?), note),
        "accepted" => {
            let accepted = Accepted {
                remote_id: json["remote_id"].as_str().map(str::to_owned),
                operation: text(json, "operation")?,
                waits_for: text(json, "waits_for")?,
                ask_again_ms: number(json, "ask_again_ms")?,
            };
            Reply::Progress(Progress::Accepted(accepted), note)
        }
        "object" => Reply::Object(object(&json["object"])?),
        "owned" => {
            let one = |json: &Json| {
                Ok(Owned {
                    addr: addr_at(&json["addr"])?,
                    ty: text(json, "type")?,
                    token: token(json)?,
                    remote_id: text(json, "remote_id")?,
                    lineage: text(json, "lineage")?,
                })
            };
            Reply::Owned(array(json, "owned")?.iter().map(one).collect::<Parsed<_>>()?)
        }
        "remarks" => {
            let remarks = array(json, "remarks")?.iter().map(remark);
            Reply::Remarks(remarks.collect::<Parsed<_>>()?)
        }
        "pinned" => Reply::Pinned(value(&json["value"])),
        "nothing" => Reply::Nothing,
        other => return Err(Malformed(format!("answer {other}"))),
    })
}

const INTENTS: [(Intent, &str); 4] = [
    (Intent::Create, "create"),
    (Intent::Update, "update"),
    (Intent::Replace, "replace"),
    (Intent::Delete, "delete"),
];

fn intent_name(intent: Intent) -> &'static str {
    INTENTS.iter().find(|(known, _)| *known == intent).expect("every intent is listed").1
}

fn intent(json: &Json) -> Parsed<Intent> {
    let name = text(json, "intent")?;
    let found = INTENTS.iter().find(|(_, known)| *known == name);
    found.map(|(intent, _)| *intent).ok_or_else(|| Malformed("intent".to_owned()))
}

fn remark_json(remark: &Remark) -> Json {
    json!({
        "addr": remark.addr.as_ref().map(Addr::to_string), "message": remark.message,
        "help": remark.help, "refuses": remark.verdict == Verdict::Refuses,
    })
}

fn remark(json: &Json) -> Parsed<Remark> {
    let refuses = json["refuses"].as_bool() == Some(true);
    Ok(Remark {
        addr: json["addr"].is_string().then(|| addr_at(&json["addr"])).transpose()?,
        verdict: if refuses { Verdict::Refuses } else { Verdict::Warns },
        message: text(json, "message")?,
        help: json["help"].as_str().map(str::to_owned),
    })
}

fn error_json(error: &OpError) -> Json {
    let mut json = json!({
        "class": error.class.name(), "message": error.message, "causes": error.causes,
        "help": error.help, "request_id": error.request_id,
    });
    match &error.class {
        OpErrorClass::Throttled { retry_after_ms } => {
            json["retry_after_ms"] = json!(retry_after_ms)
        }
        OpErrorClass::Denied { permission } => json["permission"] = json!(permission),
        OpErrorClass::Partial(observed) => json["object"] = observed_json(observed),
        OpErrorClass::NoCapacity
        | OpErrorClass::Quota
        | OpErrorClass::Invalid
        | OpErrorClass::Conflict
        | OpErrorClass::InUse
        | OpErrorClass::NotFound
        | OpErrorClass::Unknown => {}
    }
    json
}

fn parse_error(json: &Json) -> Parsed<OpError> {
    let optional = |key: &str| json[key].as_str().map(str::to_owned);
    let class = match text(json, "class")?.as_str() {
        "throttled" => OpErrorClass::Throttled { retry_after_ms: json["retry_after_ms"].as_u64() },
        "no_capacity" => OpErrorClass::NoCapacity,
        "quota" => OpErrorClass::Quota,
        "denied" => OpErrorClass::Denied { permission: optional("permission") },
        "invalid" => OpErrorClass::Invalid,
        "conflict" => OpErrorClass::Conflict,
        "in_use" => OpErrorClass::InUse,
        "not_found" => OpErrorClass::NotFound,
        "partial" => match object(&json["object"])? {
            Some(observed) => OpErrorClass::Partial(Box::new(observed)),
            None => return Err(Malformed("object".to_owned())),
        },
        "unknown" => OpErrorClass::Unknown,
        other => return Err(Malformed(format!("class {other}"))),
    };
    let causes = array(json, "causes")?.iter().map(|cause| text_at(cause, "causes"));
    Ok(OpError {
        class,
        message: text(json, "message")?,
        causes: causes.collect::<Parsed<_>>()?,
        help: optional("help"),
        request_id: optional("request_id"),
    })
}

// ---------------------------------------------------------------- what both are made of

fn map_json(map: &Map) -> Json {
    Json::Object(wire::encode_map(map, &mut in_clear))
}

fn value_json(value: &Value) -> Json {
    wire::encode(value, &mut in_clear)
}

fn in_clear(secret: &Secret) -> Json {
    json!({ wire::SEALED: secret.expose() })
}

fn value(json: &Json) -> Value {
    let mut open = |text: &str| Ok::<_, std::convert::Infallible>(Secret::new(text));
    match wire::decode(json.clone(), &mut open) {
        Ok(value) => value,
    }
}

fn map(json: &Json) -> Parsed<Map> {
    match value(json) {
        Value::Map(map) => Ok(map),
        _ => Err(Malformed("expected an object".to_owned())),
    }
}

fn observed_json(observed: &Observed) -> Json {
    json!({"remote_id": observed.remote_id, "values": map_json(&observed.values)})
}

fn object(json: &Json) -> Parsed<Option<Observed>> {
    if json.is_null() {
        return Ok(None);
    }
    Ok(Some(Observed { remote_id: text(json, "remote_id")?, values: map(&json["values"])? }))
}

fn text(json: &Json, key: &str) -> Parsed<String> {
    text_at(&json[key], key)
}

fn text_at(json: &Json, what: &str) -> Parsed<String> {
    json.as_str().map(str::to_owned).ok_or_else(|| Malformed(what.to_owned()))
}

fn number(json: &Json, key: &str) -> Parsed<u64> {
    json[key].as_u64().ok_or_else(|| Malformed(key.to_owned()))
}

fn array<'a>(json: &'a Json, key: &str) -> Parsed<&'a [Json]> {
    json[key].as_array().map(Vec::as_slice).ok_or_else(|| Malformed(key.to_owned()))
}

fn addr_at(json: &Json) -> Parsed<Addr> {
    text_at(json, "addr")?.parse().map_err(|_| Malformed("addr".to_owned()))
}

fn token(json: &Json) -> Parsed<Token> {
    Ok(Token::from_text(&text(json, "token")?))
}

fn native_type(json: &Json) -> Parsed<&'static NativeType> {
    native::find(&text(json, "type")?).ok_or_else(|| Malformed("type".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends an error of each class through, and what it carries.
    #[test]
    fn each_class_of_error_survives_the_wire() {
        let values = Map::from([("value".to_owned(), Value::Secret(Secret::new("s")))]);
        let observed = Observed { remote_id: "fake-secret-000001".to_owned(), values };
        for class in [
            OpErrorClass::Throttled { retry_after_ms: Some(7) },
            OpErrorClass::NoCapacity,
            OpErrorClass::Quota,
            OpErrorClass::Denied { permission: Some("fake:create".to_owned()) },
            OpErrorClass::Invalid,
            OpErrorClass::Conflict,
            OpErrorClass::InUse,
            OpErrorClass::NotFound,
            OpErrorClass::Partial(Box::new(observed)),
            OpErrorClass::Unknown,
        ] {
            let sent = OpError::new(class.clone(), "so it is").help("do that");
            let line = reply_line(&Err(sent));
            let got = parse_reply(&line).expect("a reply").expect_err("an error");
            assert_eq!((got.class, got.help.as_deref()), (class, Some("do that")));
        }
    }

    #[test]
    fn half_a_line_is_malformed_and_not_believed() {
        let owner = Owner {
            blueprint: "b".to_owned(),
            environment: "e".to_owned(),
            lineage: "l".to_owned(),
        };
        let line = request_line(&Request { owner, ask: Ask::Identity });
        assert!(parse_request(&line).is_ok());
        for end in 0..line.len() {
            assert!(parse_request(&line[..end]).is_err(), "{}", &line[..end]);
        }
        let reply = reply_line(&Ok(Reply::Object(None)));
        assert!(parse_reply(&reply[..reply.len() - 1]).is_err());
    }
}
