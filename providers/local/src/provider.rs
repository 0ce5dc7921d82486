//! The pure half: what a neutral resource becomes on this machine. No I/O.

use crate::connection::LocalConnection;
use crate::kinds::{self, LocalKind};
use async_trait::async_trait;
use dsenv_sdk::cost::{Charge, Costing};
use dsenv_sdk::provider::{Finding, Native, Neutral, Setup, Surroundings, Want, Weight};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::{Connection, OpError, Provider};
use std::sync::Arc;

/// The provider; it has no state.
pub(crate) struct Local;

fn kind(resource: &Neutral) -> &'static LocalKind {
    let found = kinds::KINDS.iter().copied().find(|kind| kind.name == resource.kind);
    found.expect("the engine lowers the kinds that the provider lists")
}

#[async_trait]
impl Provider for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn native_types(&self) -> &'static [&'static NativeType] {
        kinds::NATIVE_TYPES
    }

    fn kinds(&self) -> &'static [&'static str] {
        kinds::NAMES
    }

    fn check(&self, resource: &Neutral, _: &Surroundings<'_>) -> Vec<Finding> {
        let mut findings = (kind(resource).check)(resource);
        if !resource.access.is_empty() {
            let message = "on local everything listens on loopback: whoever works on this computer \
                           is in, nobody else is, and `access` changes nothing of that";
            findings.push(Finding {
                path: vec!["access".to_owned()],
                weight: Weight::Substitutes,
                message: message.to_owned(),
                help: None,
            });
        }
        findings
    }

    fn cost(&self, costing: &Costing<'_>) -> Vec<Charge> {
        crate::costs::charges(costing)
    }

    fn free(&self, _: &NativeType) -> Option<&'static str> {
        Some("this computer is your own")
    }

    fn wants(&self, resource: &Neutral, _: &Surroundings<'_>) -> Vec<Want> {
        (kind(resource).wants)(resource)
    }

    fn lower(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
        (kind(resource).lower)(resource, around)
    }

    async fn connect(&self, setup: Setup) -> Result<Arc<dyn Connection>, OpError> {
        Ok(Arc::new(LocalConnection::open(setup)?))
    }
}
