//! The Google Cloud provider: what a blueprint becomes in a project, and what that is charged for.
//!
//! ```text
//! Neutral --kinds--> native nodes --costs--> charges         all of it pure
//! ```
//! | module | holds |
//! |---|---|
//! | `provider` | the pure half of the contract, over `kinds` and `costs` |
//! | `kinds` | what each neutral kind becomes here: one folder a kind |
//! | `costs` | what native nodes are charged for |
//! | `labels` | the user's own tags, in the letters that Google Cloud takes |
//! | `regions` | the regions that have a price, and their zones |
//!
//! ## What it must never do
//! Open anything to the world that no `access` names; give a machine a right that no `uses` names; put a
//! secret where metadata or a label would show it; leave out a charge because it has no price.
//!
//! ## What is not here
//! The live half: [`Provider::connect`] says so. Arguments are those of the APIs (compute v1, storage v1,
//! sqladmin v1, iam v1) in this project's spelling, so that the live half sends what is lowered and
//! decides nothing.

mod costs;
mod kinds;
mod labels;
mod provider;
mod regions;

use dsenv_sdk::Provider;
use std::sync::Arc;

/// Returns the provider's pure half; it has no live half yet, and [`Provider::connect`] says so.
pub fn provider() -> Arc<dyn Provider> {
    Arc::new(provider::GcpProvider)
}
