//! What exists, as rules see it: moto is asked, and what is still becoming or going is shown so.
//!
//! A look of a rule is not a look of a caller: it does not bring anything nearer to its end. What
//! must not be here: a refusal for any other reason than that moto does not answer.

use crate::aws_proxy::answers;
use crate::aws_proxy::asked::Protocol;
use crate::aws_proxy::backend::{Answer, Backend};
use crate::aws_proxy::readiness::Readiness;
use crate::aws_proxy::refusal::Refusal;
use crate::aws_proxy::server::Shared;
use crate::aws_proxy::state::State;
use crate::aws_proxy::xml::Element;
use std::sync::MutexGuard;

pub(crate) struct View<'a> {
    shared: &'a Shared,
}

impl<'a> View<'a> {
    pub(super) fn new(shared: &'a Shared) -> View<'a> {
        View { shared }
    }

    pub(crate) fn state(&self) -> MutexGuard<'a, State> {
        self.shared.state()
    }

    fn backend(&self) -> Backend {
        self.shared.backend
    }

    /// Asks EC2 for the objects with this value of a filter.
    pub(crate) async fn ec2(
        &self,
        action: &str,
        filter: &str,
        value: &str,
    ) -> Result<Element, Refusal> {
        self.ask("ec2", action, &[("Filter.1.Name", filter), ("Filter.1.Value.1", value)]).await
    }

    /// Asks any service of the query protocol. What moto does not find is an empty answer: that
    /// it is not there is for moto to say to the caller.
    pub(crate) async fn ask(
        &self,
        service: &str,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<Element, Refusal> {
        let answer = self.backend().ask(service, action, params).await;
        let answer = answer.map_err(|error| Refusal::internal(Protocol::Ec2, error))?;
        let mut document = match answer.status.as_u16() {
            200 => answer.document(),
            400..=499 if is_missing(&answer) => Some(Element::default()),
            _ => None,
        };
        match &mut document {
            Some(document) => {
                let readiness: &Readiness = &self.state().readiness;
                readiness.show(service, action, document);
            }
            None => {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                let message = format!("{service} {action} of the proxy's own: {text}");
                return Err(Refusal::internal(Protocol::Ec2, message));
            }
        }
        Ok(document.unwrap_or_default())
    }

    /// Returns the instances that are not terminated and have this value of a filter.
    pub(crate) async fn instances(
        &self,
        filter: &str,
        value: &str,
    ) -> Result<Vec<Element>, Refusal> {
        let reply = self.ec2("DescribeInstances", filter, value).await?;
        let all = reply.all("reservationSet/item/instancesSet/item").into_iter();
        let live = all.filter(|item| item.text_at("instanceState/name") != "terminated");
        Ok(live.cloned().collect())
    }

    /// Returns the NAT gateways that are not deleted and have this value of a filter.
    pub(crate) async fn nat_gateways(
        &self,
        filter: &str,
        value: &str,
    ) -> Result<Vec<Element>, Refusal> {
        let reply = self.ec2("DescribeNatGateways", filter, value).await?;
        let all = reply.all("natGatewaySet/item").into_iter();
        let live = all.filter(|item| !matches!(item.text_at("state"), "deleted" | "failed"));
        Ok(live.cloned().collect())
    }

    /// Returns the VPC endpoints that are not deleted and have this value of a filter.
    pub(crate) async fn endpoints(
        &self,
        filter: &str,
        value: &str,
    ) -> Result<Vec<Element>, Refusal> {
        let reply = self.ec2("DescribeVpcEndpoints", filter, value).await?;
        let all = reply.all("vpcEndpointSet/item").into_iter();
        let live = all.filter(|item| !item.text_at("state").eq_ignore_ascii_case("deleted"));
        Ok(live.cloned().collect())
    }

    /// Returns the network interfaces with this value of a filter that something holds.
    ///
    /// One whose instance is terminated, or whose NAT gateway is deleted, is gone in EC2 and may
    /// stay in moto.
    pub(crate) async fn interfaces(
        &self,
        filter: &str,
        value: &str,
    ) -> Result<Vec<Element>, Refusal> {
        let reply = self.ec2("DescribeNetworkInterfaces", filter, value).await?;
        let mut held = Vec::new();
        for item in reply.all("networkInterfaceSet/item") {
            let instance = item.text_at("attachment/instanceId");
            let of_nobody = item.text_at("status") == "available";
            if instance.is_empty() && of_nobody && self.is_of_nat_gateway(item).await? {
                continue;
            }
            if instance.is_empty() || !self.instances("instance-id", instance).await?.is_empty() {
                held.push(item.clone());
            }
        }
        Ok(held)
    }

    /// Says whether an interface is one that moto made for a NAT gateway: those are counted by
    /// their gateway.
    async fn is_of_nat_gateway(&self, interface: &Element) -> Result<bool, Refusal> {
        let id = interface.text_at("networkInterfaceId");
        let subnet = interface.text_at("subnetId");
        let reply = self.ec2("DescribeNatGateways", "subnet-id", subnet).await?;
        let path = "natGatewaySet/item/natGatewayAddressSet/item/networkInterfaceId";
        Ok(reply.texts(path).contains(&id))
    }

    /// Returns the databases, those included that are being deleted.
    pub(crate) async fn databases(&self) -> Result<Vec<Element>, Refusal> {
        let reply = self.ask("rds", "DescribeDBInstances", &[]).await?;
        let all = reply.all("DescribeDBInstancesResult/DBInstances/DBInstance").into_iter();
        Ok(all.cloned().collect())
    }
}

/// Says whether moto found nothing, as against not understanding the question: a rule that asks
/// wrongly must not find everything allowed.
fn is_missing(answer: &Answer) -> bool {
    const WORDS: &[&str] = &["NotFound", "NoSuch", "Malformed", "InvalidInstanceType"];
    answers::error_code(answer).is_some_and(|code| WORDS.iter().any(|word| code.contains(word)))
}
