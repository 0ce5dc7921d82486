//! The pure half: what a neutral resource becomes in a project. No I/O, no credentials.

use crate::kinds::{self, GcpKind};
use crate::{costs, labels};
use async_trait::async_trait;
use dsenv_sdk::cost::{Charge, Costing};
use dsenv_sdk::placement::Market;
use dsenv_sdk::prices::Cloud;
use dsenv_sdk::provider::{Finding, Native, Neutral, OpErrorClass, Setup, Surroundings, Want};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::{Connection, OpError, Provider};
use std::sync::Arc;

/// The provider; it has no state.
pub(crate) struct GcpProvider;

fn kind(resource: &Neutral) -> &'static GcpKind {
    let found = kinds::KINDS.iter().copied().find(|kind| kind.name == resource.kind);
    found.expect("the engine lowers the kinds that the provider lists")
}

#[async_trait]
impl Provider for GcpProvider {
    fn name(&self) -> &'static str {
        "gcp"
    }

    fn native_types(&self) -> &'static [&'static NativeType] {
        kinds::NATIVE_TYPES
    }

    fn kinds(&self) -> &'static [&'static str] {
        kinds::NAMES
    }

    fn check(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
        let mut findings = labels::check(resource);
        findings.extend((kind(resource).check)(resource, around));
        findings
    }

    fn wants(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Want> {
        (kind(resource).wants)(resource, around)
    }

    fn lower(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
        let mut natives = (kind(resource).lower)(resource, around);
        labels::add(resource, &mut natives);
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

    fn offers(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<String> {
        kinds::offers(resource, around)
    }

    fn cloud(&self) -> Option<Cloud> {
        Some(Cloud::Gcp)
    }

    async fn connect(&self, _: Setup) -> Result<Arc<dyn Connection>, OpError> {
        let message = "gcp: plans and prices; what makes it real is not built yet";
        let help = "look at it with `dsenv plan` and `dsenv cost`, and apply it in an environment with \
                    `provider: aws` or `provider: local`";
        Err(OpError::new(OpErrorClass::Invalid, message).help(help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsenv_sdk::conformance;

    #[test]
    fn the_tables_are_as_the_contract_wants_them() {
        let mut wrong = conformance::schema(&GcpProvider);
        // The SDK's own types answer for themselves.
        wrong.retain(|line| !line.starts_with("`dsenv."));
        assert_eq!(wrong, Vec::<String>::new());
    }
}
