//! What a request asks for: the service, the action and the parameters, whichever of the AWS
//! protocols it is written in.
//!
//! The service is the one that the request is signed for: `Credential=AKID/date/region/ec2/...`
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html>). What must not
//! be here: anything that a call does or may not do.

use crate::aws_proxy::rest_names;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use serde_json::Value;
use std::collections::BTreeMap;

/// How a service writes requests and errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// A form in, XML out, `Response/Errors/Error`.
    Ec2,
    /// A form in, XML out, `ErrorResponse/Error`.
    Query,
    /// Paths in, XML out, `Error`: S3.
    RestXml,
    /// `X-Amz-Target` in, JSON out.
    Json,
    /// Paths in, JSON out: EFS.
    RestJson,
}

/// A request, named.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) service: String,
    pub(crate) protocol: Protocol,
    /// As the API reference has it: `RunInstances`, `PutBucketVersioning`.
    pub(crate) action: String,
    /// Of a form: as they are written, `Filter.1.Name`. Of JSON: the first level, lists and
    /// objects as JSON. Of paths: `Bucket`, `Key`, the query, the first level of a JSON body.
    pub(crate) params: BTreeMap<String, String>,
}

impl Asked {
    /// Says whether it is this action of this service.
    pub(crate) fn is(&self, service: &str, action: &str) -> bool {
        self.service == service && self.action == action
    }

    /// Returns a parameter; "" when it is absent, which AWS treats alike.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// Returns the values of a list: `InstanceId.1`, `InstanceId.2`, or with `.member.` between.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        let of_list = |key: &str| {
            let rest = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
            let is_number = |text: &str| text.parse::<u32>().is_ok();
            rest.is_some_and(|rest| match rest.split_once('.') {
                None => is_number(rest),
                // `member`, or another name where a service has one: RDS `Filters.Filter.1`.
                Some((member, number)) => !is_number(member) && is_number(number),
            })
        };
        let numbered = self.params.iter().filter(|(key, _)| of_list(key));
        numbered.map(|(_, value)| value.as_str()).collect()
    }

    /// Says whether the call asks for a change, whatever comes of it.
    pub(crate) fn is_mutating(&self) -> bool {
        const READING: &[&str] =
            &["Describe", "List", "Get", "Head", "Search", "Simulate", "Lookup", "Decode"];
        // A token for a role changes nothing that anyone can see.
        let reads = self.service == "sts"
            || READING.iter().any(|verb| self.action.starts_with(verb))
            || self.param("DryRun") == "true";
        !reads
    }
}

/// Names a request. What no protocol explains is named after its method and path, so that it
/// still stands in the log.
pub(crate) fn asked(head: &Parts, body: &Bytes) -> Asked {
    let service = signed_for(head).unwrap_or_default();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(target) = header("x-amz-target") {
        let action = target.rsplit('.').next().unwrap_or(target).to_owned();
        let params = first_level(body);
        return Asked { service, protocol: Protocol::Json, action, params };
    }
    let is_form = header("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if is_form {
        let mut params: BTreeMap<String, String> =
            form_urlencoded::parse(body).into_owned().collect();
        if let Some(action) = params.remove("Action") {
            params.remove("Version");
            let protocol = if service == "ec2" { Protocol::Ec2 } else { Protocol::Query };
            return Asked { service, protocol, action, params };
        }
    }
    match service.as_str() {
        "elasticfilesystem" => {
            let (action, mut params) = rest_names::efs(head);
            params.extend(first_level(body));
            Asked { service, protocol: Protocol::RestJson, action, params }
        }
        "s3" => {
            let (action, params) = rest_names::s3(head);
            Asked { service, protocol: Protocol::RestXml, action, params }
        }
        _ => {
            let action = format!("{} {}", head.method, head.uri.path());
            let params = first_level(body);
            Asked { service, protocol: Protocol::RestJson, action, params }
        }
    }
}

fn signed_for(head: &Parts) -> Option<String> {
    let header = head.headers.get("authorization").and_then(|value| value.to_str().ok());
    let scope = match header {
        Some(header) => header.split_once("Credential=")?.1.to_owned(),
        // A link that was signed beforehand.
        None => {
            let query = head.uri.query()?;
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(name, _)| name == "X-Amz-Credential")?.1.into_owned()
        }
    };
    Some(scope.split('/').nth(3)?.to_owned())
}

fn first_level(body: &Bytes) -> BTreeMap<String, String> {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else { return BTreeMap::new() };
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    members.into_iter().map(|(name, value)| (name, text(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::asked;
    use hyper::Request;
    use hyper::body::Bytes;

    const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

    fn form(service: &str, body: &'static str) -> super::Asked {
        let scope =
            format!("AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/{service}/aws4_request");
        let request =
            Request::post("/").header("authorization", scope).header("content-type", FORM);
        let head = request.body(()).expect("a request").into_parts().0;
        asked(&head, &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn lists_are_read_in_the_way_of_each_service() {
        let body = "Action=DescribeVpcs&Version=1&VpcId.1=a&VpcId.2=b&Filter.1.Value.1=c";
        let ec2 = form("ec2", body);
        assert!(ec2.is("ec2", "DescribeVpcs"));
        assert_eq!(ec2.list("VpcId"), ["a", "b"]);
        assert_eq!(ec2.list("Filter"), [""; 0]);
        assert_eq!(ec2.list("Filter.1.Value"), ["c"]);
        assert_eq!(ec2.param("Version"), "");
        let rds = form("rds", "Action=CreateDBSubnetGroup&SubnetIds.SubnetIdentifier.1=a");
        assert_eq!(rds.list("SubnetIds"), ["a"]);
    }

    #[test]
    fn a_call_that_only_tries_asks_for_no_change() {
        assert!(form("ec2", "Action=RunInstances").is_mutating());
        assert!(!form("ec2", "Action=RunInstances&DryRun=true").is_mutating());
        assert!(!form("sts", "Action=AssumeRole").is_mutating());
    }
}
