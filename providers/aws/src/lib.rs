//! The AWS provider: the same blueprint in an account, through the official SDK.
//!
//! ```text
//! Neutral --kinds--> native nodes (pure)        Connection --object--> kinds --clients--> AWS
//! ```
//! | module | holds |
//! |---|---|
//! | `provider`, `connection` | the two halves of the contract, over `kinds` |
//! | `kinds` | what each neutral kind becomes here, and how its objects are made: one folder a kind |
//! | `object` | what every native type answers to: list, create, update, delete |
//! | `ec2` | what the types of EC2 share |
//! | `tags` | how an object says whose it is; names that follow from tokens |
//! | `preflight` | what stands in the way of a plan |
//! | `operate` | how an environment stands, its logs, a shell in it |
//! | `clients` | one configured client for each service |
//! | `failure` | what an error of AWS means to the engine |
//!
//! ## What it must never do
//! Retry, sleep, print; open anything to the world that no `access` names; make an object without its
//! owner's tags; put a secret where a tag, a description or user data would show it.
//!
//! ## Why it is a crate of its own
//! The SDK is the slowest thing to compile that there is: the rest of the workspace must not wait.

mod clients;
mod connection;
mod costs;
mod ec2;
mod failure;
mod kinds;
mod object;
mod operate;
mod preflight;
mod provider;
mod tags;

use dsenv_sdk::Provider;
use std::sync::Arc;

/// Returns the provider's pure half; its live half comes from [`Provider::connect`].
pub fn provider() -> Arc<dyn Provider> {
    Arc::new(provider::AwsProvider)
}
