//! What stops a command, each with the code under which `dsenv explain` has a page.

use crate::diag::{Code, Diagnostic, Findings, Source};
use crate::journal::JournalError;
use crate::lock::LockError;
use crate::state::file::FileError;
use crate::state::lease::LeaseError;
use crate::store::StoreError;
use crate::vault::VaultError;
use crate::world::DiskError;
use dsenv_sdk::OpError;
use std::error::Error;
use std::path::PathBuf;

/// What stops a command.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The blueprint or the plan is refused; the findings say why.
    #[error("the blueprint or the plan is refused")]
    Refused(Findings),
    /// Another file than the blueprint is refused; the findings say where in it and why.
    #[error("`{}` is refused", .text.name())]
    File {
        /// The file.
        text: Source,
        /// What is wrong with it.
        findings: Findings,
    },
    /// The state cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secrets cannot be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A file cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The lock cannot be used.
    #[error("`{}` cannot be used", .path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why.
        source: LockError,
    },
    /// The provider refused a call that changes nothing.
    #[error("{doing}")]
    Provider {
        /// What was tried.
        doing: String,
        /// Why it failed.
        source: OpError,
    },
}

impl Problem {
    /// Refuses with one diagnostic.
    pub fn refused(diagnostic: Diagnostic) -> Problem {
        Problem::Refused(diagnostic.into())
    }

    /// Words it as findings, so that every problem is printed and coded in one way.
    pub fn into_findings(self) -> Findings {
        match self {
            Problem::Refused(findings) => findings,
            // Where the file itself is not at hand, each says where it is.
            Problem::File { text, findings } => findings
                .iter()
                .map(|found| {
                    let at = found.span.map_or_else(String::new, |span| {
                        let place = text.position(span.start);
                        format!(":{}:{}", place.line, place.column)
                    });
                    let message = format!("{}{at}: {}", text.name(), found.message);
                    Diagnostic { message, span: None, labels: Vec::new(), ..found.clone() }
                })
                .collect(),
            Problem::Provider { doing, source } => {
                let mut message = format!("{doing}: {source}");
                for cause in &source.causes {
                    message.push_str(&format!(": {cause}"));
                }
                let mut diagnostic = Diagnostic::error(Code::E0901, message);
                diagnostic.help.extend(source.help);
                diagnostic.into()
            }
            other => {
                let diagnostic = Diagnostic::error(other.code(), chain(&other));
                Findings::from(with_help(diagnostic, &other))
            }
        }
    }

    fn code(&self) -> Code {
        match self {
            Problem::Refused(_) | Problem::File { .. } | Problem::Provider { .. } => Code::E0901,
            Problem::Store(error) => store_code(error),
            Problem::Vault(error) => vault_code(error),
            Problem::Disk(_) => Code::E0812,
            Problem::Lock { .. } => Code::E0815,
        }
    }
}

fn store_code(error: &StoreError) -> Code {
    match error {
        StoreError::Disk(_) => Code::E0812,
        StoreError::File(error) => file_code(error),
        StoreError::Lease(error) => lease_code(error),
        StoreError::Journal(error) => journal_code(error),
        StoreError::Vault(error) => vault_code(error),
        StoreError::OtherBlueprint { .. } | StoreError::BadName { .. } => Code::E0804,
        StoreError::NotLost { .. } => Code::E0819,
        StoreError::NoGeneration { .. } => Code::E0814,
        StoreError::Fold { .. }
        | StoreError::Missing { .. }
        | StoreError::Unsound { .. }
        | StoreError::BadEdit { .. } => Code::E0802,
    }
}

fn file_code(error: &FileError) -> Code {
    match error {
        FileError::Newer { .. } => Code::E0803,
        FileError::Vault { .. } => Code::E0811,
        _ => Code::E0802,
    }
}

fn lease_code(error: &LeaseError) -> Code {
    match error {
        LeaseError::Disk(_) => Code::E0812,
        _ => Code::E0801,
    }
}

/// The code under which a failure of the journal is explained.
pub(crate) fn journal_code(error: &JournalError) -> Code {
    match error {
        JournalError::Disk(_) | JournalError::GivenUp { .. } => Code::E0812,
        JournalError::Lease(error) => lease_code(error),
        JournalError::Newer { .. } => Code::E0803,
        JournalError::Vault { .. } => Code::E0811,
        JournalError::Damaged { .. } | JournalError::Unwritable { .. } => Code::E0802,
    }
}

fn vault_code(error: &VaultError) -> Code {
    match error {
        VaultError::Disk(_) => Code::E0812,
        _ => Code::E0811,
    }
}

/// Joins an error and what led to it.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        // A transparent layer says what its source says.
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}

fn with_help(diagnostic: Diagnostic, problem: &Problem) -> Diagnostic {
    match problem.code() {
        Code::E0801 => diagnostic.help(
            "wait with `--lock-timeout 5m`; if the holder is gone for good: `dsenv state unlock`",
        ),
        Code::E0802 => diagnostic.help(
            "`dsenv state history` lists what is kept, `dsenv state restore SERIAL` brings it back; \
             `dsenv state rebuild` makes it anew from the tags of the objects",
        ),
        Code::E0819 => diagnostic.help("`dsenv adopt` takes over what a state does not know"),
        Code::E0811 => diagnostic.help(
            "the key is `dsenv/identity.age` in the configuration folder of whoever applied last; \
             `DSENV_IDENTITY` may hold it too",
        ),
        Code::E0812 => diagnostic.help("make room, or make the folder writable; then run it again"),
        Code::E0815 => diagnostic.help("take it from version control again, or delete it"),
        _ => diagnostic,
    }
}
