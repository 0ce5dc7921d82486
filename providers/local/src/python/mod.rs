//! Locked Python environments: what a blueprint asks for, pinned with hashes, installed from them.
//!
//! Data flows one way: a [`PythonSpec`] is parsed from the blueprint, an [`Interpreter`] is found
//! for it, [`resolve`](resolve::resolve) pins every package with its hashes into a [`Locked`], and
//! [`install`](install::install) builds a venv that holds exactly that. What the lock file looks
//! like is the caller's; the requirement lines of [`Locked`] are what goes in and out of it.
//!
//! uv does the work where it is on the search path, else pip. Nothing here reads the environment,
//! names an index, or installs without a hash; an index, a proxy and certificates are the user's
//! settings for pip and uv, which reach them through [`ToolEnv`](crate::tool::ToolEnv).
//!
//! ## Why
//! A venv has no pip of its own unless the blueprint lists it: then what is installed is what is
//! locked, with either tool. uv locks for every platform at once; pip can only lock for the one it
//! runs on, and the lock says so.

pub mod failure;
pub mod install;
pub mod installer;
pub mod interpreter;
pub mod jupyter;
pub mod resolve;
pub mod tools;
pub(crate) mod venv;

pub use dsenv_sdk::software::{Locked, LockedPackage, PythonSpec, PythonVersion};
pub use install::{Installed, freeze, install, installed};
pub use installer::Installer;
pub use interpreter::Interpreter;
pub use resolve::resolve;
pub use tools::Tools;
