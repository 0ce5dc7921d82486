//! What an answer of AWS that is no success means to the engine.
//!
//! The SDK's own retries are off, so each error is seen once, as it came. Codes are those of
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html> and of the error
//! tables of each service's reference.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;
use std::error::Error;

/// How long to wait for something that another call has just made and this one does not see yet.
const NOT_VISIBLE_YET_MS: u64 = 1_000;

/// Turns a failed call into what the engine acts on. `doing` is what was tried: `creating a VPC`.
pub(crate) fn failed<E>(doing: &str, error: SdkError<E, HttpResponse>) -> OpError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let raw = error.raw_response();
    let header = |name: &str| raw.and_then(|raw| raw.headers().get(name)).map(str::to_owned);
    let request_id = header("x-amzn-requestid").or_else(|| header("x-amz-request-id"));
    let status = raw.map(|raw| raw.status().as_u16());
    let retry_after_ms = header("retry-after").and_then(|text| text.trim().parse::<u64>().ok());
    let retry_after_ms = retry_after_ms.map(|seconds| seconds.saturating_mul(1_000));
    let mut failed = match &error {
        SdkError::ServiceError(service) => {
            let (code, message) = (service.err().code(), service.err().message());
            let answered = answered(doing, code, message, status, retry_after_ms);
            // An answer without a code is no answer of AWS: what the SDK thinks of it is all there is.
            if code.is_none() { answered.caused_by(&error) } else { answered }
        }
        SdkError::ConstructionFailure(_) => {
            OpError::new(OpErrorClass::Invalid, format!("{doing}: the request cannot be built"))
                .caused_by(&error)
        }
        SdkError::DispatchFailure(_) => undelivered(doing, &error),
        // A reply that is cut off or that no one can read may be of a call that was carried out.
        _ => {
            let message = match status {
                Some(status) => format!("{doing}: an answer that makes no sense, status {status}"),
                None => format!("{doing}: no answer"),
            };
            OpError::new(OpErrorClass::Unknown, message).caused_by(&error)
        }
    };
    failed.request_id = request_id;
    failed
}

/// The request found no one to answer it: no credentials, no network, a reply that never came.
fn undelivered(doing: &str, error: &(dyn Error + 'static)) -> OpError {
    let mut next = Some(error);
    while let Some(link) = next {
        let text = link.to_string();
        if link.is::<aws_credential_types::provider::error::CredentialsError>()
            || text.contains("credentials")
        {
            return no_credentials(doing).caused_by(error);
        }
        next = link.source();
    }
    OpError::new(OpErrorClass::Unknown, format!("{doing}: no answer")).caused_by(error)
}

/// Nothing can be asked without knowing who asks.
pub(crate) fn no_credentials(doing: &str) -> OpError {
    let message = format!("{doing}: there are no AWS credentials");
    OpError::new(OpErrorClass::Denied { permission: None }, message).help(
        "they are looked for as by every AWS tool: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
         AWS_PROFILE with `aws sso login`, a web identity, the role of this machine",
    )
}

/// An answer with a code.
fn answered(
    doing: &str,
    code: Option<&str>,
    message: Option<&str>,
    status: Option<u16>,
    retry_after_ms: Option<u64>,
) -> OpError {
    let class = classify(code, message.unwrap_or_default(), status, retry_after_ms);
    let told = match (code, message) {
        (Some(code), Some(message)) => format!("{code}: {}", message.trim_end_matches('.')),
        (Some(code), None) => code.to_owned(),
        (None, Some(message)) => message.trim_end_matches('.').to_owned(),
        (None, None) => format!("status {}", status.unwrap_or_default()),
    };
    let error = OpError::new(class.clone(), format!("{doing}: {told}"));
    match class {
        OpErrorClass::Denied { permission: Some(permission) } => {
            error.help(format!("the credentials need the permission `{permission}`"))
        }
        OpErrorClass::Quota => error
            .help("ask for more in the Service Quotas console of this region, or plan for fewer"),
        _ => error,
    }
}

/// One part of a call that was refused although the call as a whole was answered.
pub(crate) fn refused_item(doing: &str, code: Option<&str>, message: Option<&str>) -> OpError {
    answered(doing, code, message, Some(400), None)
}

const THROTTLED: &[&str] = &[
    "BandwidthLimitExceeded",
    "ConcurrentModification",
    "ConcurrentModificationException",
    "EC2ThrottledException",
    "OperationAborted",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TooManyUpdates",
    "Unavailable",
];

const NO_CAPACITY: &[&str] = &[
    "InsufficientCapacity",
    "InsufficientDBInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientFreeAddressesInSubnet",
    "InsufficientInstanceCapacity",
    "MaxSpotInstanceCountExceeded",
    "SpotMaxPriceTooLow",
    "StorageTypeNotAvailableFault",
    "Unsupported",
];

const IN_USE: &[&str] = &[
    "DBSubnetGroupNotAllowedFault",
    "DeleteConflict",
    "DependencyViolation",
    "FileSystemInUse",
    "IncorrectFileSystemLifeCycleState",
    "IncorrectInstanceState",
    "IncorrectMountTargetState",
    "IncorrectState",
    "InvalidDBInstanceState",
    "InvalidDBInstanceStateFault",
    "InvalidDBParameterGroupState",
    "InvalidDBParameterGroupStateFault",
    "InvalidDBSubnetGroupStateFault",
    "InvalidGroup.InUse",
    "InvalidIPAddress.InUse",
    "InvalidNetworkInterface.InUse",
    "ResourceContention",
    "ResourceContentionFault",
    "ResourceInUse",
    "ResourceInUseFault",
    "ScalingActivityInProgress",
    "VolumeInUse",
];

const CONFLICT: &[&str] = &[
    "AlreadyExists",
    "BucketAlreadyExists",
    "BucketAlreadyOwnedByYou",
    "BucketNotEmpty",
    "IdempotentParameterMismatch",
    "InvalidGroup.Duplicate",
    "InvalidLaunchTemplateName.AlreadyExistsException",
    "InvalidPermission.Duplicate",
    "ParameterAlreadyExists",
    "RouteAlreadyExists",
];

const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "Blocked",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "NotAuthorized",
    "OptInRequired",
    "PendingVerification",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnauthorizedAccess",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
];

fn classify(
    code: Option<&str>,
    message: &str,
    status: Option<u16>,
    retry_after_ms: Option<u64>,
) -> OpErrorClass {
    let Some(code) = code else { return by_status(status, retry_after_ms) };
    let is = |codes: &[&str]| codes.contains(&code);
    let refers = code == "InvalidParameterValue" || code == "ValidationError";
    if is(THROTTLED) || refers && fresh_profile(message) {
        OpErrorClass::Throttled { retry_after_ms }
    } else if is(NO_CAPACITY) {
        OpErrorClass::NoCapacity
    } else if is(IN_USE) {
        OpErrorClass::InUse
    } else if is(DENIED) {
        OpErrorClass::Denied { permission: permission(message) }
    } else if is(CONFLICT) || code.ends_with("AlreadyExists") || code.ends_with(".Duplicate") {
        OpErrorClass::Conflict
    } else if is_quota(code) {
        OpErrorClass::Quota
    } else if is_not_found(code) {
        OpErrorClass::NotFound
    } else {
        // A code that nobody knows, with a status that says whose mistake it was.
        match by_status(status, retry_after_ms) {
            OpErrorClass::Denied { .. } => OpErrorClass::Denied { permission: permission(message) },
            class @ (OpErrorClass::Unknown | OpErrorClass::Throttled { .. }) => class,
            _ => OpErrorClass::Invalid,
        }
    }
}

/// IAM shows a new instance profile to EC2 only after some seconds:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html>, "Changes that I make are
/// not always immediately visible".
fn fresh_profile(message: &str) -> bool {
    ["Invalid IAM Instance Profile", "iamInstanceProfile", "has no associated IAM Roles"]
        .iter()
        .any(|words| message.contains(words))
}

fn is_quota(code: &str) -> bool {
    const OTHERS: &[&str] = &[
        "InstanceQuotaExceeded",
        "LimitExceeded",
        "QuotaExceeded",
        "QuotaExceededFault",
        "StorageQuotaExceeded",
        "TooManyBuckets",
    ];
    OTHERS.contains(&code)
        || code.ends_with("LimitExceeded")
        || code.ends_with("LimitExceededException")
        || code.ends_with("QuotaExceeded")
        || code.ends_with("QuotaExceededFault")
}

fn is_not_found(code: &str) -> bool {
    const OTHERS: &[&str] = &[
        "DBInstanceNotFoundFault",
        "DBParameterGroupNotFoundFault",
        "DBSubnetGroupNotFoundFault",
        "NoSuchBucket",
        "NoSuchEntity",
        "NoSuchKey",
        "NotFound",
        "ParameterNotFound",
    ];
    OTHERS.contains(&code)
        || code.ends_with(".NotFound")
        || code.ends_with("NotFound")
        || code.ends_with("NotFoundFault")
        || code.ends_with(".NotFoundException")
        || code.starts_with("NoSuch")
}

fn by_status(status: Option<u16>, retry_after_ms: Option<u64>) -> OpErrorClass {
    match status {
        Some(429 | 503) => OpErrorClass::Throttled { retry_after_ms },
        Some(403) => OpErrorClass::Denied { permission: None },
        Some(404) => OpErrorClass::NotFound,
        Some(409) => OpErrorClass::Conflict,
        Some(400..=499) => OpErrorClass::Invalid,
        // 500 may come after the work was done.
        _ => OpErrorClass::Unknown,
    }
}

/// Reads the action out of `... is not authorized to perform: ec2:RunInstances on resource: ...`.
fn permission(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let action = rest.split_whitespace().next()?;
    Some(action.trim_end_matches(['.', ',']).to_owned())
}

/// What a call refers to was made a moment ago and is not seen yet: EC2 and IAM are consistent only
/// after a while. To be asked again; when it never comes, the engine gives up with these words.
///
/// An image is none of ours, and a name that was mistyped never comes.
pub(crate) fn not_visible_yet(error: OpError) -> OpError {
    match error.class {
        OpErrorClass::NotFound if error.message.contains("InvalidAMIID.") => {
            OpError { class: OpErrorClass::Invalid, ..error }
        }
        OpErrorClass::NotFound => OpError {
            class: OpErrorClass::Throttled { retry_after_ms: Some(NOT_VISIBLE_YET_MS) },
            ..error
        },
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(code: &str, message: &str) -> &'static str {
        classify(Some(code), message, Some(400), None).name()
    }

    #[test]
    fn codes_are_what_the_engine_acts_on() {
        for (code, expected) in [
            ("RequestLimitExceeded", "throttled"),
            ("InsufficientInstanceCapacity", "no_capacity"),
            ("VcpuLimitExceeded", "quota"),
            ("AddressLimitExceeded", "quota"),
            ("DBInstanceQuotaExceeded", "quota"),
            ("DependencyViolation", "in_use"),
            ("InvalidVpcID.NotFound", "not_found"),
            ("InvalidGroup.NotFound", "not_found"),
            ("NoSuchEntity", "not_found"),
            ("DBInstanceNotFound", "not_found"),
            ("InvalidLaunchTemplateName.NotFoundException", "not_found"),
            ("EntityAlreadyExists", "conflict"),
            ("DBInstanceAlreadyExists", "conflict"),
            ("InvalidGroup.Duplicate", "conflict"),
            ("UnauthorizedOperation", "denied"),
            ("InvalidParameterValue", "invalid"),
            ("SomethingNew", "invalid"),
        ] {
            assert_eq!(class(code, ""), expected, "{code}");
        }
    }

    #[test]
    fn a_server_that_breaks_down_may_have_done_it() {
        let class = |code, status| classify(code, "", Some(status), None).name();
        assert_eq!(class(None, 500), "unknown");
        assert_eq!(class(Some("InternalFailure"), 500), "unknown");
        assert_eq!(class(None, 503), "throttled");
        assert_eq!(class(Some("SomethingNew"), 503), "throttled");
        assert_eq!(class(Some("SomethingNew"), 403), "denied");
    }

    #[test]
    fn the_missing_permission_is_named() {
        let message = "You are not authorized to perform this operation. User: \
                       arn:aws:iam::1:user/x is not authorized to perform: ec2:RunInstances on \
                       resource: arn:aws:ec2:us-east-1:1:instance/*";
        let error = answered("x", Some("UnauthorizedOperation"), Some(message), Some(403), None);
        let permission = Some("ec2:RunInstances".to_owned());
        assert_eq!(error.class, OpErrorClass::Denied { permission });
    }

    #[test]
    fn a_profile_that_iam_has_just_made_is_waited_for() {
        let message = "Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM \
                       Instance Profile name";
        assert_eq!(class("InvalidParameterValue", message), "throttled");
        // Auto Scaling has another code for the same.
        let message = "You must use a valid fully-formed launch template. Value (x) for parameter \
                       iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name";
        assert_eq!(class("ValidationError", message), "throttled");
    }
}
