//! The pure half: what a neutral resource becomes in an account. No I/O, no credentials.

use crate::clients::Aws;
use crate::connection::AwsConnection;
use crate::costs;
use crate::kinds::{self, AwsKind};
use async_trait::async_trait;
use dsenv_sdk::cost::{Charge, Costing};
use dsenv_sdk::placement::Market;
use dsenv_sdk::prices::Cloud;
use dsenv_sdk::provider::{Finding, Native, Neutral, Setup, Surroundings, Want};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::{Connection, OpError, Provider};
use std::sync::Arc;

/// The provider; it has no state.
pub(crate) struct AwsProvider;

fn kind(resource: &Neutral) -> &'static AwsKind {
    let found = kinds::KINDS.iter().copied().find(|kind| kind.name == resource.kind);
    found.expect("the engine lowers the kinds that the provider lists")
}

#[async_trait]
impl Provider for AwsProvider {
    fn name(&self) -> &'static str {
        "aws"
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

    fn cost(&self, costing: &Costing<'_>) -> Vec<Charge> {
        costs::charges(costing)
    }

    fn free(&self, ty: &NativeType) -> Option<&'static str> {
        costs::free(ty)
    }

    fn market(&self) -> Option<&'static Market> {
        Some(&kinds::MARKET)
    }

    fn cloud(&self) -> Option<Cloud> {
        Some(Cloud::Aws)
    }

    fn looks_ahead(&self) -> bool {
        true
    }

    async fn connect(&self, setup: Setup) -> Result<Arc<dyn Connection>, OpError> {
        let aws = Aws::new(&setup).await?;
        let Setup { dir, variables, resolver, .. } = setup;
        Ok(Arc::new(AwsConnection { aws, dir, variables, resolver }))
    }
}
