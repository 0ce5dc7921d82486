//! What the caller may not do: refused when it is tried, and said by IAM when it is asked.
//!
//! moto plays no policies: everybody may do everything, and `SimulatePrincipalPolicy` is not there. A
//! test names actions by the names of IAM, and both hold: the answer to the question and the refusal.
//! Where an action of an API has another name in IAM (`ListBuckets`, `s3:ListAllMyBuckets`), the
//! answer alone does. What must not be here: policies.

use crate::aws_proxy::asked::Asked;
use crate::aws_proxy::backend::Answer;
use crate::aws_proxy::refusal::Refusal;
use crate::aws_proxy::xml::Element;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use std::collections::BTreeSet;

/// The actions that no policy allows.
#[derive(Debug, Default)]
pub(crate) struct Permissions {
    denied: BTreeSet<String>,
}

impl Permissions {
    pub(crate) fn set(&mut self, denied: &[&str]) {
        self.denied = denied.iter().map(|action| (*action).to_owned()).collect();
    }

    /// Refuses what is denied.
    pub(crate) fn judge(&self, asked: &Asked) -> Result<(), Refusal> {
        let action = format!("{}:{}", asked.service, asked.action);
        if self.denied.contains(&action) { Err(Refusal::denied(asked)) } else { Ok(()) }
    }

    /// Answers `SimulatePrincipalPolicy`; `None` for everything else.
    /// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>
    pub(crate) fn answer(&self, asked: &Asked) -> Option<Result<Answer, Refusal>> {
        if !asked.is("iam", "SimulatePrincipalPolicy") {
            return None;
        }
        let (actions, resources) = (asked.list("ActionNames"), asked.list("ResourceArns"));
        if asked.param("PolicySourceArn").is_empty() || actions.is_empty() {
            let message = "PolicySourceArn and ActionNames are required.";
            return Some(Err(Refusal::new("ValidationError", message)));
        }
        let resources = if resources.is_empty() { vec!["*"] } else { resources };
        let result = |action: &str, resource: &str| {
            let decision = if self.denied.contains(action) { "implicitDeny" } else { "allowed" };
            let pairs = [
                ("EvalActionName", action),
                ("EvalResourceName", resource),
                ("EvalDecision", decision),
            ];
            Element::with("member", pairs.map(|(name, text)| Element::with_text(name, text)).into())
        };
        let pairs = actions.iter().flat_map(|action| resources.iter().map(move |it| (action, it)));
        let results = pairs.map(|(action, resource)| result(action, resource)).collect();
        let results = Element::with("EvaluationResults", results);
        let complete = Element::with_text("IsTruncated", "false");
        let name = "SimulatePrincipalPolicyResult";
        let document = Element::with(
            "SimulatePrincipalPolicyResponse",
            vec![Element::with(name, vec![results, complete])],
        );
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
        let body = Bytes::from(document.document());
        Some(Ok(Answer { status: StatusCode::OK, headers, body }))
    }
}
