//! What went wrong here, in the classes that the engine acts on.
//!
//! The engine retries what may pass by itself (`Throttled`), gives up on the rest, and asks `find`
//! after `Unknown`. Nothing here is `Unknown`: a call on this machine says how it ended.

use crate::postgres::admin::{AdminError, Cure};
use crate::postgres::binaries::FetchError;
use crate::postgres::{MissingPostgres, ServerError};
use crate::python::failure::FailureKind;
use crate::python::installer::InstallerError;
use crate::python::tools::ToolsError;
use crate::s3::StoreError;
use crate::supervisor::{SupervisorError, Unhealthy};
use crate::tool::ToolError;
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
    failure(io_class(&error), "a file of the environment cannot be used", &error)
}

/// The class of what the system said.
pub(crate) fn io_class(error: &io::Error) -> OpErrorClass {
    match error.kind() {
        io::ErrorKind::PermissionDenied => OpErrorClass::Denied { permission: None },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OpErrorClass::Quota,
        io::ErrorKind::AddrInUse | io::ErrorKind::AlreadyExists => OpErrorClass::Conflict,
        // Another command works on it.
        io::ErrorKind::TimedOut => OpErrorClass::Throttled { retry_after_ms: None },
        _ => OpErrorClass::Invalid,
    }
}

/// The class of what pip or uv could not do.
pub(crate) fn installer_class(error: &InstallerError) -> OpErrorClass {
    match error {
        InstallerError::Refused(refused) => match refused.kind {
            // The index may answer a moment later.
            FailureKind::IndexUnreachable => OpErrorClass::Throttled { retry_after_ms: None },
            FailureKind::DiskFull => OpErrorClass::Quota,
            FailureKind::NoSuchPackage { .. }
            | FailureKind::NoMatchingVersion
            | FailureKind::HashMismatch { .. }
            | FailureKind::Other => OpErrorClass::Invalid,
        },
        InstallerError::Io { source, .. } => io_class(source),
        InstallerError::NoInstaller { .. }
        | InstallerError::NoVenv { .. }
        | InstallerError::Tool(_) => OpErrorClass::Invalid,
    }
}

/// The class of what kept a PostgreSQL from being had.
pub(crate) fn missing_class(missing: &MissingPostgres) -> OpErrorClass {
    match &missing.why {
        Some(FetchError::Installer(error) | FetchError::Tools(ToolsError::Installer(error))) => {
            installer_class(error)
        }
        Some(FetchError::Cache { source, .. }) => io_class(source),
        Some(
            FetchError::Tools(ToolsError::Interpreter(_))
            | FetchError::Unreachable(_)
            | FetchError::DoesNotRun { .. },
        )
        | None => OpErrorClass::Invalid,
    }
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
        SupervisorError::Folder { source, .. } => (io_class(source), None),
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

/// A database's server could not be used.
pub(crate) fn server_error(error: ServerError) -> OpError {
    let class = match &error {
        ServerError::OtherServer { .. } | ServerError::NotData(_) => OpErrorClass::Conflict,
        ServerError::Unreachable { .. } | ServerError::OtherOwner { .. } => {
            OpErrorClass::Denied { permission: None }
        }
        ServerError::Io { source, .. } => io_class(source),
        ServerError::Initdb { source: ToolError::Failed { tail, .. }, .. }
            if tail.contains(NO_SPACE) =>
        {
            OpErrorClass::Quota
        }
        _ => OpErrorClass::Invalid,
    };
    failure(class, "the database's server cannot be used", &error)
}

/// What programs print of a full disk.
const NO_SPACE: &str = "No space left on device";

/// A database's server did not do what it was asked.
pub(crate) fn admin_error(error: AdminError) -> OpError {
    let class = match error.cure() {
        Cure::Time => OpErrorClass::Throttled { retry_after_ms: None },
        Cure::Room => OpErrorClass::Quota,
        Cure::Unknown => OpErrorClass::Invalid,
    };
    failure(class, "the database's server did not do it", &error)
}

/// The S3 store refused or could not.
pub(crate) fn store_error(error: StoreError) -> OpError {
    let class = match &error {
        StoreError::NoSuchBucket(_) => OpErrorClass::NotFound,
        StoreError::BucketNotEmpty { .. } | StoreError::Busy(_) => OpErrorClass::InUse,
        StoreError::Io { source, .. } => io_class(source),
        error if error.is_disk_full() => OpErrorClass::Quota,
        _ => OpErrorClass::Invalid,
    };
    failure(class, "the S3 endpoint's store refused", &error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::failure::explain;

    fn full() -> io::Error {
        io::ErrorKind::StorageFull.into()
    }

    #[test]
    fn a_full_disk_is_one_whoever_met_it() {
        let path = std::path::PathBuf::from("/x");
        let folder = SupervisorError::Folder { path: path.clone(), source: full() };
        let store = StoreError::Io { action: "write", path: path.clone(), source: full() };
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        let index = StoreError::Index(rusqlite::Error::SqliteFailure(code, None));
        let server = ServerError::Io { path: path.clone(), source: full() };
        let errors = [
            disk_error(full()),
            supervisor_error(folder),
            store_error(store),
            store_error(index),
            server_error(server),
        ];
        for error in errors {
            assert_eq!(error.class, OpErrorClass::Quota, "{error}");
        }
        let cache = FetchError::Cache { path, source: full() };
        assert_eq!(missing_class(&missing(cache)), OpErrorClass::Quota);
    }

    #[test]
    fn an_index_that_cannot_be_reached_is_asked_again() {
        let refused = explain("error: Failed to fetch: dns error: failed to lookup address");
        assert_eq!(refused.kind, FailureKind::IndexUnreachable);
        let fetch = FetchError::Installer(InstallerError::Refused(refused));
        let again = OpErrorClass::Throttled { retry_after_ms: None };
        assert_eq!(missing_class(&missing(fetch)), again);
    }

    fn missing(why: FetchError) -> MissingPostgres {
        MissingPostgres { major: 18, installed: Vec::new(), packaged: vec![18], why: Some(why) }
    }
}
