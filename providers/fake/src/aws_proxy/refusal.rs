//! Errors as each service writes them, so that the official SDKs read the code out of them.
//!
//! | protocol | shape | documented |
//! |---|---|---|
//! | EC2 | `<Response><Errors><Error>` | <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html> |
//! | query | `<ErrorResponse><Error>` | <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html> |
//! | S3 | `<Error>` | <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html> |
//! | JSON | `{"__type": ..}` | <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html> |
//!
//! What must not be here: when something is refused.

use crate::aws_proxy::asked::{Asked, Protocol};
use crate::aws_proxy::backend::Answer;
use crate::aws_proxy::xml::Element;
use crate::moto::ACCOUNT;
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::json;

/// Why a call is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) retry_after_s: Option<u32>,
}

impl Refusal {
    /// Makes a refusal of the caller: status 400, which nearly all of them have.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Refusal {
        let message = message.into();
        Refusal { status: 400, code: code.to_owned(), message, retry_after_s: None }
    }

    /// Makes what a service says when it is asked too often.
    ///
    /// EC2: <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>, S3:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>, EFS 429:
    /// <https://docs.aws.amazon.com/efs/latest/ug/API_DescribeMountTargets.html>, the rest: their
    /// pages of common errors.
    pub(crate) fn throttled(protocol: Protocol, retry_after_s: Option<u32>) -> Refusal {
        let (status, code, message) = match protocol {
            Protocol::Ec2 => (503, "RequestLimitExceeded", "Request limit exceeded."),
            Protocol::Query => (400, "Throttling", "Rate exceeded"),
            Protocol::RestXml => (503, "SlowDown", "Please reduce your request rate."),
            Protocol::Json => (400, "ThrottlingException", "Rate exceeded"),
            Protocol::RestJson => (429, "ThrottlingException", "Rate exceeded"),
        };
        Refusal { status, retry_after_s, ..Refusal::new(code, message) }
    }

    /// Makes what a service says to a caller whose policies do not allow the action.
    ///
    /// The words are those of
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>.
    pub(crate) fn denied(asked: &Asked) -> Refusal {
        let Asked { service, action, .. } = asked;
        let who = format!("User: arn:aws:iam::{ACCOUNT}:user/x is not authorized to perform:");
        let what = format!("{service}:{action}");
        let whereat = format!("arn:aws:{service}:us-east-1:{ACCOUNT}:*");
        let why = format!("because no identity-based policy allows the {what} action");
        let text = format!("{who} {what} on resource: {whereat} {why}");
        let (status, code, message) = match asked.protocol {
            Protocol::Ec2 => {
                let lead = "You are not authorized to perform this operation.";
                (403, "UnauthorizedOperation", format!("{lead} {text}"))
            }
            Protocol::Query | Protocol::RestXml => (403, "AccessDenied", text),
            Protocol::Json => (400, "AccessDeniedException", text),
            Protocol::RestJson => (403, "AccessDeniedException", text),
        };
        Refusal { status, ..Refusal::new(code, message) }
    }

    /// Makes what a service says when it is at fault.
    pub(crate) fn internal(protocol: Protocol, message: impl Into<String>) -> Refusal {
        let (status, code) = match protocol {
            // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
            Protocol::Ec2 => (500, "InternalError"),
            Protocol::Query => (500, "InternalFailure"),
            Protocol::RestXml => (500, "InternalError"),
            Protocol::Json | Protocol::RestJson => (500, "InternalServerError"),
        };
        Refusal { status, ..Refusal::new(code, message) }
    }

    /// Writes it as the service of this call does. What answers HEAD has no body.
    pub(crate) fn answer(&self, asked: &Asked, method: &Method, request_id: &str) -> Answer {
        let body = match asked.protocol {
            _ if *method == Method::HEAD => String::new(),
            Protocol::Ec2 => self.ec2(request_id),
            Protocol::Query => self.query(request_id),
            Protocol::RestXml => self.s3(request_id),
            Protocol::Json | Protocol::RestJson => {
                json!({ "__type": self.code, "message": self.message }).to_string()
            }
        };
        let kind = match asked.protocol {
            Protocol::Ec2 => "text/xml;charset=UTF-8",
            Protocol::Query => "text/xml",
            Protocol::RestXml => "application/xml",
            Protocol::Json => "application/x-amz-json-1.1",
            Protocol::RestJson => "application/json",
        };
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: &str| {
            let value = HeaderValue::from_str(value).expect("codes and numbers are plain text");
            headers.insert(HeaderName::from_static(name), value);
        };
        put("content-type", kind);
        put("x-amzn-requestid", request_id);
        put("x-amz-request-id", request_id);
        if matches!(asked.protocol, Protocol::Json | Protocol::RestJson) {
            put("x-amzn-errortype", &self.code);
        }
        if let Some(seconds) = self.retry_after_s {
            // boto3 and curl read the first; the SDK for Rust reads the second alone.
            put("retry-after", &seconds.to_string());
            put("x-amz-retry-after", &(u64::from(seconds) * 1_000).to_string());
        }
        let status = StatusCode::from_u16(self.status).expect("a test gives a status of HTTP");
        Answer { status, headers, body: Bytes::from(body) }
    }

    fn error(&self) -> Element {
        let code = Element::with_text("Code", &self.code);
        let message = Element::with_text("Message", &self.message);
        Element::with("Error", vec![code, message])
    }

    fn ec2(&self, request_id: &str) -> String {
        let errors = Element::with("Errors", vec![self.error()]);
        let id = Element::with_text("RequestID", request_id);
        Element::with("Response", vec![errors, id]).document()
    }

    fn query(&self, request_id: &str) -> String {
        let mut error = self.error();
        let whose = if self.status < 500 { "Sender" } else { "Receiver" };
        error.children.insert(0, Element::with_text("Type", whose));
        let id = Element::with_text("RequestId", request_id);
        Element::with("ErrorResponse", vec![error, id]).document()
    }

    fn s3(&self, request_id: &str) -> String {
        let mut error = self.error();
        error.children.push(Element::with_text("RequestId", request_id));
        error.document()
    }
}
