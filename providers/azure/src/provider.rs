//! The pure half: what a neutral resource becomes in a subscription. No I/O, no credentials.

use crate::kinds::{self, AzureKind, Pays};
use async_trait::async_trait;
use dsenv_sdk::cost::{Charge, Costing};
use dsenv_sdk::placement::Market;
use dsenv_sdk::prices::Cloud;
use dsenv_sdk::provider::{Finding, Native, Neutral, OpErrorClass, Setup, Surroundings, Want};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::{Connection, OpError, Provider};
use std::sync::Arc;

/// The provider; it has no state.
pub(crate) struct AzureProvider;

fn kind(resource: &Neutral) -> &'static AzureKind {
    kinds::find(resource.kind).expect("the engine lowers the kinds that the provider lists")
}

#[async_trait]
impl Provider for AzureProvider {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn native_types(&self) -> &'static [&'static NativeType] {
        kinds::NATIVE_TYPES
    }

    fn kinds(&self) -> &'static [&'static str] {
        kinds::NAMES
    }

    fn check(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
        let mut findings = kinds::check_tags(resource);
        findings.extend((kind(resource).check)(resource, around));
        findings
    }

    fn wants(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Want> {
        (kind(resource).wants)(resource, around)
    }

    fn lower(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
        let mut natives = (kind(resource).lower)(resource, around);
        kinds::add_tags(resource, &mut natives);
        natives
    }

    fn cost(&self, resource: &Costing<'_>) -> Vec<Charge> {
        let charges = |node| match kinds::pays(node) {
            Some(Pays::Charges(charges)) => charges(node, resource),
            Some(Pays::Nothing(_)) | None => Vec::new(),
        };
        resource.nodes.iter().flat_map(charges).collect()
    }

    fn free(&self, ty: &NativeType) -> Option<&'static str> {
        kinds::TYPES.iter().find(|(known, _)| known.name == ty.name).and_then(
            |(_, pays)| match pays {
                Pays::Nothing(why) => Some(*why),
                Pays::Charges(_) => None,
            },
        )
    }

    fn market(&self) -> Option<&'static Market> {
        Some(&kinds::MARKET)
    }

    fn offers(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<String> {
        kinds::offers(resource, around)
    }

    fn cloud(&self) -> Option<Cloud> {
        Some(Cloud::Azure)
    }

    async fn connect(&self, _: Setup) -> Result<Arc<dyn Connection>, OpError> {
        let message = "azure: plans and prices; what makes it real is not built yet";
        let help = "`check`, `plan` and `cost` work offline; apply to an environment with \
                    `provider: aws` or `provider: local`";
        Err(OpError::new(OpErrorClass::Invalid, message).help(help))
    }
}
