//! What resolving and installing need, found once: an interpreter, an installer, variables, a cache.

use super::installer::{Installer, InstallerError};
use super::interpreter::{Interpreter, MissingInterpreter};
use crate::tool::{OnLine, ToolEnv};
use dsenv_sdk::software::spec::PythonVersion;
use std::path::{Path, PathBuf};

/// An interpreter and what fills venvs for it.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The interpreter that venvs are made of.
    pub interpreter: Interpreter,
    /// uv or pip.
    pub installer: Installer,
    /// The variables that every tool sees.
    pub env: ToolEnv,
    /// A folder for scratch files and for a private pip; shared between environments.
    pub cache: PathBuf,
}

/// What is missing on this machine.
#[derive(Debug, thiserror::Error)]
pub enum ToolsError {
    /// No interpreter of the version asked for.
    #[error(transparent)]
    Interpreter(#[from] MissingInterpreter),
    /// Nothing that installs packages.
    #[error(transparent)]
    Installer(#[from] InstallerError),
}

impl ToolsError {
    /// Says what the user can do, where that is known.
    pub fn help(&self) -> Option<String> {
        match self {
            ToolsError::Interpreter(missing) => Some(missing.help()),
            ToolsError::Installer(error) => error.help().map(str::to_owned),
        }
    }
}

impl Tools {
    /// Finds an interpreter of the version, and uv or pip for it. Creates the cache folder.
    ///
    /// Takes some 50 ms; on a machine whose Python has no pip it makes a private one, once, in
    /// seconds.
    pub async fn find(
        version: PythonVersion,
        env: &ToolEnv,
        cache: &Path,
        on_line: OnLine<'_>,
    ) -> Result<Tools, ToolsError> {
        let interpreter = Interpreter::find(version, env).await?;
        std::fs::create_dir_all(cache).map_err(super::installer::io_error(cache))?;
        let installer = Installer::find(&interpreter, env, cache, on_line).await?;
        Ok(Tools { interpreter, installer, env: env.clone(), cache: cache.to_owned() })
    }
}
