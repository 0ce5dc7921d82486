//! What went wrong here, in the classes that the engine acts on.
//!
//! The engine retries what may pass by itself (`Throttled`), gives up on the rest, and asks `find`
//! after `Unknown`. Nothing here is `Unknown`: a call on this machine says how it ended.

use crate::s3::StoreError;
use crate::supervisor::{SupervisorError, Unhealthy};
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;
use std::io;

/// Makes an error of this class, with the chain of what led to it.
pub(crate) fn failure(
    class: OpErrorClass,
    message: impl Into<String>,
    source: &dyn std::error::Error,
) -> OpError {
    OpError::new(class, message).caused_by(source)
}

/// A file or folder of the environment could not be used.
pub(crate) fn disk_error(error: io::Error) -> OpError {
    let class = match error.kind() {
        io::ErrorKind::PermissionDenied => OpErrorClass::Denied { permission: None },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OpErrorClass::Quota,
        io::ErrorKind::AddrInUse | io::ErrorKind::AlreadyExists => OpErrorClass::Conflict,
        // Another command works on it.
        io::ErrorKind::TimedOut => OpErrorClass::Throttled { retry_after_ms: None },
        _ => OpErrorClass::Invalid,
    };
    failure(class, "a file of the environment cannot be used", &error)
}

/// The supervisor could not do what was asked.
pub(crate) fn supervisor_error(error: SupervisorError) -> OpError {
    let (class, help) = match &error {
        SupervisorError::OtherUser { .. } => {
            let help = "run dsenv as the user whose environment it is";
            (OpErrorClass::Denied { permission: None }, Some(help))
        }
        SupervisorError::WrongKey { .. } => (OpErrorClass::Denied { permission: None }, None),
        SupervisorError::Left { .. } => (OpErrorClass::InUse, None),
        _ => {
            let help = "run `dsenv status`, which repairs what it can";
            (OpErrorClass::Invalid, Some(help))
        }
    };
    let failed = failure(class, "the environment's supervisor did not do it", &error);
    match help {
        Some(help) => failed.help(help),
        None => failed,
    }
}

/// A unit did not come up; the last lines of its log are the causes. A port in use is a conflict with
/// somebody else's process.
pub(crate) fn unhealthy(what: &str, ill: Unhealthy) -> OpError {
    let mut error =
        OpError::new(class_of(&ill.why), format!("{what} does not come up: {}", ill.why));
    if error.class == OpErrorClass::Conflict {
        // The log is of a service that never ran; its lines are of the one before.
        return error.help("end that process, or give the service another port");
    }
    error.causes = ill.log;
    error
}

/// The class of what kept a service from its port.
pub(crate) fn class_of(why: &str) -> OpErrorClass {
    if why.contains(" is in use by ") { OpErrorClass::Conflict } else { OpErrorClass::Invalid }
}

/// The S3 store refused or could not.
pub(crate) fn store_error(error: StoreError) -> OpError {
    let class = match &error {
        StoreError::NoSuchBucket(_) => OpErrorClass::NotFound,
        StoreError::BucketNotEmpty { .. } | StoreError::Busy(_) => OpErrorClass::InUse,
        _ => OpErrorClass::Invalid,
    };
    failure(class, "the S3 endpoint's store refused", &error)
}
