//! The local provider: the same blueprint for real, on this machine, with no account.
//!
//! A machine is a supervised workspace on a loopback address of its own, a database a real
//! PostgreSQL server, a bucket a real S3 endpoint. The modules stand in the order in which they use
//! each other:
//!
//! | module | holds |
//! |---|---|
//! | [`account`], [`tool`] | Unix accounts; programs of others, run to their end |
//! | [`postgres`], [`python`], [`s3`] | the real things, each knowing nothing of dsenv's engine |
//! | [`supervisor`] | what keeps services running past the command |
//! | `environment` | what the live half shares: records, addresses, the supervisor of one environment |
//! | `kinds` | what each neutral kind becomes here, and how its objects are made: one folder a kind |
//! | `provider`, `connection`, `operate` | the traits of the contract, over `kinds` |
//!
//! ## What it must never do
//! Listen beyond loopback, write a secret in clear, delete data that it was not told to delete, or
//! leave a process behind once the environment is closed.

pub mod account;
mod connection;
mod costs;
mod environment;
mod kinds;
mod operate;
pub mod postgres;
mod provider;
pub mod python;
pub mod s3;
pub mod supervisor;
pub mod tool;

use async_trait::async_trait;
use dsenv_sdk::provider::{Want, Watch};
use dsenv_sdk::software::Resolver;
use dsenv_sdk::{OpError, Provider, Value};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tool::ToolEnv;

/// Takes over when this process is to be a part of an environment's supervisor, and returns its exit
/// code; `None` when it is not, which is nearly always.
///
/// `args` are the arguments without the program. The main function calls this before anything else:
/// before threads, files and output. It must be called by the binary that uses the provider: the
/// supervisor runs that binary again under hidden verbs.
pub fn entry(args: &[OsString]) -> Option<ExitCode> {
    supervisor::entry(args, kinds::hosts)
}

/// Returns what pins software on this machine, for every provider: with the user's own pip or uv, as
/// `variables` set them up. What is fetched for it goes below `cache`.
pub fn resolver(variables: &BTreeMap<String, String>, cache: &Path) -> Arc<dyn Resolver> {
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    Arc::new(LocalResolver { tools: ToolEnv::chosen_from(variables), cache: cache.to_owned() })
}

#[derive(Debug)]
struct LocalResolver {
    tools: ToolEnv,
    cache: PathBuf,
}

#[async_trait]
impl Resolver for LocalResolver {
    async fn resolve(&self, want: &Want, watch: Watch<'_>) -> Result<Value, OpError> {
        let need = want.need.as_map().cloned().unwrap_or_default();
        kinds::pin_software(&self.tools, &self.cache, &need, watch).await
    }
}

/// Returns the provider's pure half; its live half comes from [`Provider::connect`].
pub fn provider() -> Arc<dyn Provider> {
    Arc::new(provider::Local)
}
