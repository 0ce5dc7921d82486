//! The Azure provider, its pure half: what a blueprint becomes in a subscription, and what that will be
//! charged for.
//!
//! ```text
//! Neutral --kinds--> native nodes --arm--> bodies of Azure Resource Manager (the live half, later)
//!                         \--kinds (pays)--> charges
//! ```
//! | module | holds |
//! |---|---|
//! | `provider` | the contract's pure half, over `kinds` |
//! | `kinds` | what each neutral kind becomes here: one folder a kind |
//! | [`arm`] | for every native type, which objects of ARM it is and where each argument stands in them |
//! | `regions` | which regions have availability zones |
//! | `charge` | what charges of several types have in common |
//!
//! ## What it must never do
//! Retry, sleep, print; open anything to the world that no `access` names; lower to something that the live
//! half would have to lower again. A node is what ARM is asked for: what it is sent is in [`arm`].
//!
//! ## Where everything stands
//! Objects stand in one resource group an environment, which the live half makes before the first of them
//! and which costs nothing. It is in no node: a node belongs to one resource, and the group to all.

pub mod arm;

mod charge;
mod kinds;
mod provider;
mod regions;

use dsenv_sdk::Provider;
use std::sync::Arc;

/// Returns the provider's pure half.
pub fn provider() -> Arc<dyn Provider> {
    Arc::new(provider::AzureProvider)
}
