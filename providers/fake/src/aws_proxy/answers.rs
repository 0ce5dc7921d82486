//! What becomes of a question before moto hears it, and of moto's answer before the caller does.
//!
//! What must not be here: an answer to a question that moto can answer.

use crate::aws_proxy::asked::Asked;
use crate::aws_proxy::backend::Answer;
use crate::aws_proxy::refusal::Refusal;
use crate::aws_proxy::state::State;
use crate::aws_proxy::xml::Element;
use hyper::StatusCode;
use hyper::body::Bytes;
use serde_json::Value;

/// Returns the answer to what moto does not know about at all; `None` for everything else.
pub(super) fn own(state: &State, asked: &Asked) -> Option<Result<Answer, Refusal>> {
    state.quotas.answer(asked).or_else(|| state.permissions.answer(asked))
}

/// Returns the body that moto is to get. It is the caller's own unless states are being shown
/// that moto does not know.
pub(super) fn body_to_pass(state: &State, asked: &Asked, body: Bytes) -> Bytes {
    state.readiness.body_to_pass(asked).map_or(body, Bytes::from)
}

/// Learns from moto's answer what was made and what is on its way, and returns the answer as the
/// caller is to see it. `before` is the scaling group that the call deleted.
pub(super) fn learnt_and_rewritten(
    state: &mut State,
    asked: &Asked,
    before: Option<Element>,
    mut answer: Answer,
) -> Result<Answer, Refusal> {
    let gone = (!answer.status.is_success()).then(|| state.readiness.of_gone(asked)).flatten();
    let is_gone = gone.is_some();
    let document = match gone {
        Some(gone) => {
            answer.status = StatusCode::OK;
            Some(gone)
        }
        None => answer.document().filter(|_| answer.status.is_success()),
    };
    // What is no XML and what failed is passed as it is.
    let Some(mut document) = document else { return Ok(answer) };
    let unchanged = document.clone();
    if asked.is_mutating() {
        state.eventual.learn(asked, &document);
        state.profiles.learn(asked);
        state.readiness.learn(asked, &mut document);
        state.groups.learn(before, &mut state.readiness);
    } else {
        state.eventual.rewrite(asked, &mut document)?;
        state.readiness.rewrite(asked, &mut document);
        state.groups.rewrite(asked, &mut document, &mut state.readiness);
    }
    match is_gone || document != unchanged {
        true => Ok(answer.with_document(&document)),
        // To the byte what moto said.
        false => Ok(answer),
    }
}

/// Returns the code of an error, for the log; `None` of a success, and of what has no body.
pub(super) fn error_code(answer: &Answer) -> Option<String> {
    if answer.status.is_success() {
        return None;
    }
    let of_json = || {
        let body: Value = serde_json::from_slice(&answer.body).ok()?;
        Some(body.get("__type")?.as_str()?.rsplit('#').next()?.to_owned())
    };
    let of_xml = |document: Element| {
        let paths = ["Errors/Error/Code", "Error/Code", "Code"];
        let code = paths.iter().find_map(|path| document.at(path))?;
        Some(code.text.clone())
    };
    answer.document().map_or_else(of_json, of_xml)
}
