//! What lets machines without a public address reach out: a NAT gateway and its address.

use super::objects::id_of;
use crate::clients::Aws;
use crate::ec2::{self, filters, pages, specification};
use crate::failure::{failed, not_visible_yet};
use crate::kinds::TAGS;
use crate::object::{
    Actions, Change, Live, Make, Object, Remove, Repeat, Select, Stage, Tags, tags_of, text,
    unnamed, values,
};
use crate::tags::{self, tags_in};
use async_trait::async_trait;
use aws_sdk_ec2::types::{DomainType, NatGatewayState, ResourceType};
use dsenv_sdk::OpError;
use dsenv_sdk::schema::{Attribute, NativeType, ReplaceOrder};

/// A gateway takes two minutes to come and one to go.
const GATEWAY_MS: u64 = 5_000;

/// A public address that one pays for by the hour.
pub(crate) const ELASTIC_IP: NativeType = NativeType {
    name: "aws.elastic_ip",
    doc: "A public IPv4 address that stays.",
    fields: &[TAGS],
    attributes: &[
        Attribute::new("id", "Its allocation."),
        Attribute::new("address", "The address."),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

pub(crate) struct ElasticIp;

#[async_trait]
impl Object for ElasticIp {
    fn ty(&self) -> &'static NativeType {
        &ELASTIC_IP
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["ec2:DescribeAddresses"],
            create: &["ec2:AllocateAddress", "ec2:CreateTags"],
            update: &["ec2:CreateTags", "ec2:DeleteTags"],
            delete: &["ec2:ReleaseAddress"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        // This call has no pages.
        let filters = filters(aws, select, "allocation-id");
        let request = aws.ec2.describe_addresses().set_filters(Some(filters));
        let reply = request.send().await.map_err(|e| failed("looking at addresses", e))?;
        let live = |address: &aws_sdk_ec2::types::Address| {
            let id = address.allocation_id().unwrap_or_default();
            let values = values([("id", text(Some(id))), ("address", text(address.public_ip()))]);
            let tags = tags_in!(address.tags());
            Live { remote_id: id.to_owned(), tags, stage: Stage::Ready, values }
        };
        Ok(reply.addresses().iter().map(live).collect())
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let tags = tags::all(aws, make.addr, ELASTIC_IP.name, make.token, tags_of(make.args));
        let request = aws
            .ec2
            .allocate_address()
            .domain(DomainType::Vpc)
            .tag_specifications(specification(ResourceType::ElasticIp, &tags));
        let reply = request.send().await.map_err(|e| failed("allocating an address", e))?;
        let id = reply.allocation_id().unwrap_or_default();
        let values = values([("id", text(Some(id))), ("address", text(reply.public_ip()))]);
        Ok(Live { remote_id: id.to_owned(), tags, stage: Stage::Ready, values })
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let id = &change.observed.remote_id;
        ec2::retag(aws, id, &tags_of(change.prior_args), &tags_of(change.make.args)).await?;
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let request = aws.ec2.release_address().allocation_id(remove.remote_id());
        request.send().await.map_err(|e| failed("releasing an address", e))?;
        Ok(true)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        ec2::tag(aws, remote_id, tags).await
    }

    /// `AllocateAddress` takes no client token, and an address is like any other.
    fn repeat(&self) -> Repeat {
        Repeat::Waits
    }
}

/// The gateway.
pub(crate) const NAT_GATEWAY: NativeType = NativeType {
    name: "aws.nat_gateway",
    doc: "Lets machines in private subnets reach out; nobody comes in by it.",
    fields: &[
        id_of("subnet", "The public subnet that it stands in.").required().replaces(),
        id_of("address", "The allocation of its public address.").required().replaces(),
        TAGS,
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    // An address serves one gateway.
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

pub(crate) struct NatGateway;

impl NatGateway {
    fn live(gateway: &aws_sdk_ec2::types::NatGateway) -> Option<Live> {
        let id = gateway.nat_gateway_id().unwrap_or_default();
        let stage = match gateway.state() {
            // It is shown for an hour after it is gone.
            Some(NatGatewayState::Deleted) => return None,
            Some(NatGatewayState::Pending) => {
                Stage::Pending("the NAT gateway is being created", GATEWAY_MS)
            }
            Some(NatGatewayState::Deleting) => {
                Stage::Leaving("the NAT gateway is being deleted", GATEWAY_MS)
            }
            Some(NatGatewayState::Failed) => {
                Stage::Failed(gateway.failure_message().unwrap_or("it failed").to_owned())
            }
            _ => Stage::Ready,
        };
        let address = gateway.nat_gateway_addresses().iter().find_map(|it| it.allocation_id());
        let values = values([
            ("subnet", text(gateway.subnet_id())),
            ("address", text(address)),
            ("id", text(Some(id))),
        ]);
        Some(Live { remote_id: id.to_owned(), tags: tags_in!(gateway.tags()), stage, values })
    }
}

#[async_trait]
impl Object for NatGateway {
    fn ty(&self) -> &'static NativeType {
        &NAT_GATEWAY
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["ec2:DescribeNatGateways"],
            create: &["ec2:CreateNatGateway", "ec2:CreateTags"],
            update: &["ec2:CreateTags", "ec2:DeleteTags"],
            delete: &["ec2:DeleteNatGateway"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let filters = filters(aws, select, "nat-gateway-id");
        let request = aws.ec2.describe_nat_gateways().set_filter(Some(filters));
        let found = pages!("looking at NAT gateways", request, nat_gateways);
        let mut found: Vec<Live> = found.iter().filter_map(NatGateway::live).collect();
        // A server that plays EC2 may not know this filter: moto 5.2 gives all that there are.
        found.retain(|live| tags::are_meant(&live.tags, aws, select));
        Ok(found)
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let tags = tags::all(aws, make.addr, NAT_GATEWAY.name, make.token, tags_of(make.args));
        let request = aws
            .ec2
            .create_nat_gateway()
            .subnet_id(make.text("subnet")?)
            .allocation_id(make.text("address")?)
            .client_token(make.token.as_str())
            .tag_specifications(specification(ResourceType::Natgateway, &tags));
        let doing = "creating a NAT gateway";
        let reply = request.send().await.map_err(|e| not_visible_yet(failed(doing, e)))?;
        let live = reply.nat_gateway().map(NatGateway::live).ok_or_else(|| unnamed("gateway"))?;
        // The answer to a token that is used again may be of a gateway that is gone by now.
        let gone = || OpError::new(dsenv_sdk::provider::OpErrorClass::NotFound, "it is gone");
        Ok(Live { tags, ..live.ok_or_else(gone)? })
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let id = &change.observed.remote_id;
        ec2::retag(aws, id, &tags_of(change.prior_args), &tags_of(change.make.args)).await?;
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let request = aws.ec2.delete_nat_gateway().nat_gateway_id(remove.remote_id());
        request.send().await.map_err(|e| failed("deleting a NAT gateway", e))?;
        Ok(false)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        ec2::tag(aws, remote_id, tags).await
    }
}
