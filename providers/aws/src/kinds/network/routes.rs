//! Where subnets lead: route tables, and the way to S3 that costs nothing.

use super::objects::{SOON_MS, id_of};
use crate::clients::Aws;
use crate::ec2::{self, filters, pages, specification};
use crate::failure::{failed, not_visible_yet, refused_item};
use crate::kinds::TAGS;
use crate::object::{
    Actions, Change, Live, Make, Object, Remove, Select, Stage, Tags, begun, tags_of, text,
    unnamed, values,
};
use crate::tags::{self, tags_in};
use async_trait::async_trait;
use aws_sdk_ec2::operation::describe_vpc_endpoints::builders::DescribeVpcEndpointsFluentBuilder;
use aws_sdk_ec2::types::{ResourceType, VpcEndpointType};
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;
use dsenv_sdk::schema::{Attribute, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::Value;

const EVERYWHERE: &str = "0.0.0.0/0";

/// Where a subnet leads beyond its VPC; nowhere, without a gateway.
pub(crate) const ROUTE_TABLE: NativeType = NativeType {
    name: "aws.route_table",
    doc: "Where a subnet leads: to the internet, through NAT, or nowhere beyond the VPC.",
    fields: &[
        id_of("vpc", "The VPC.").required().replaces(),
        id_of("internet_gateway", "The gateway that everything beyond the VPC goes to."),
        id_of("nat_gateway", "The NAT gateway that everything beyond the VPC goes to."),
        TAGS,
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

pub(crate) struct RouteTable;

impl RouteTable {
    fn live(table: &aws_sdk_ec2::types::RouteTable) -> Live {
        let id = table.route_table_id().unwrap_or_default();
        let way_out =
            table.routes().iter().find(|route| route.destination_cidr_block() == Some(EVERYWHERE));
        // A route to S3 names an endpoint, `vpce-`, in the same field.
        let internet =
            way_out.and_then(|route| route.gateway_id()).filter(|id| id.starts_with("igw-"));
        // That there is no way out is told too: a route that somebody deleted is drift.
        let told = |id: Option<&str>| Some(id.map_or(Value::Null, Value::text));
        let values = values([
            ("vpc", text(table.vpc_id())),
            ("internet_gateway", told(internet)),
            ("nat_gateway", told(way_out.and_then(|route| route.nat_gateway_id()))),
            ("id", text(Some(id))),
        ]);
        let tags = tags_in!(table.tags());
        Live { remote_id: id.to_owned(), tags, stage: Stage::Ready, values }
    }

    async fn drop_table(aws: &Aws, id: &str) -> Result<(), OpError> {
        let request = aws.ec2.delete_route_table().route_table_id(id);
        request.send().await.map_err(|e| failed(&format!("deleting {id}"), e))?;
        Ok(())
    }

    /// Unties the table from subnets that are gone.
    async fn untie(aws: &Aws, id: &str) -> Result<(), OpError> {
        let doing = format!("untying {id}");
        let request = aws.ec2.describe_route_tables().route_table_ids(id);
        let reply = request.send().await.map_err(|e| failed(&doing, e))?;
        let ties = reply.route_tables().iter().flat_map(|table| table.associations());
        for tie in ties {
            let (Some(association), Some(subnet)) =
                (tie.route_table_association_id(), tie.subnet_id())
            else {
                continue;
            };
            let request = aws.ec2.describe_subnets();
            let filter = aws_sdk_ec2::types::Filter::builder().name("subnet-id").values(subnet);
            let there = request.filters(filter.build()).send().await;
            if there.map_err(|e| failed(&doing, e))?.subnets().is_empty() {
                let request = aws.ec2.disassociate_route_table().association_id(association);
                request.send().await.map_err(|e| failed(&doing, e))?;
            }
        }
        Ok(())
    }

    /// Makes everything beyond the VPC go where the arguments say.
    async fn lead(aws: &Aws, id: &str, make: Make<'_>, had_one: bool) -> Result<(), OpError> {
        let doing = format!("routing {id}");
        let internet = make.arg("internet_gateway").and_then(Value::as_text).map(str::to_owned);
        let nat = make.arg("nat_gateway").and_then(Value::as_text).map(str::to_owned);
        if internet.is_none() && nat.is_none() {
            if !had_one {
                return Ok(());
            }
            let request = aws.ec2.delete_route().route_table_id(id);
            let reply = request.destination_cidr_block(EVERYWHERE).send().await;
            return match reply.map_err(|e| failed(&doing, e)) {
                Err(error) if error.class != OpErrorClass::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let create = aws
            .ec2
            .create_route()
            .route_table_id(id)
            .destination_cidr_block(EVERYWHERE)
            .set_gateway_id(internet.clone())
            .set_nat_gateway_id(nat.clone());
        let Err(error) = create.send().await else { return Ok(()) };
        let error = failed(&doing, error);
        if error.class != OpErrorClass::Conflict {
            return Err(not_visible_yet(error));
        }
        let replace = aws
            .ec2
            .replace_route()
            .route_table_id(id)
            .destination_cidr_block(EVERYWHERE)
            .set_gateway_id(internet)
            .set_nat_gateway_id(nat);
        replace.send().await.map_err(|e| failed(&doing, e))?;
        Ok(())
    }
}

#[async_trait]
impl Object for RouteTable {
    fn ty(&self) -> &'static NativeType {
        &ROUTE_TABLE
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["ec2:DescribeRouteTables"],
            create: &["ec2:CreateRoute", "ec2:CreateRouteTable", "ec2:CreateTags"],
            update: &[
                "ec2:CreateRoute",
                "ec2:CreateTags",
                "ec2:DeleteRoute",
                "ec2:DeleteTags",
                "ec2:ReplaceRoute",
            ],
            delete: &["ec2:DeleteRouteTable"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let filters = filters(aws, select, "route-table-id");
        let request = aws.ec2.describe_route_tables().set_filters(Some(filters));
        let found = pages!("looking at route tables", request, route_tables);
        Ok(found.iter().map(RouteTable::live).collect())
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let tags = tags::all(aws, make.addr, ROUTE_TABLE.name, make.token, tags_of(make.args));
        let request = aws
            .ec2
            .create_route_table()
            .vpc_id(make.text("vpc")?)
            .client_token(make.token.as_str())
            .tag_specifications(specification(ResourceType::RouteTable, &tags));
        let doing = "creating a route table";
        let reply = request.send().await.map_err(|e| not_visible_yet(failed(doing, e)))?;
        let table = reply.route_table().ok_or_else(|| unnamed("route table"))?;
        let mut live = RouteTable::live(table);
        let led = RouteTable::lead(aws, &live.remote_id, make, false).await;
        led.map_err(|error| begun(&live, error))?;
        for way in ["internet_gateway", "nat_gateway"] {
            live.values.extend(make.arg(way).map(|id| (way.to_owned(), id.clone())));
        }
        Ok(Live { tags, ..live })
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let id = &change.observed.remote_id;
        let there = &change.observed.values;
        let leads = |way: &str| there.get(way).is_some_and(|id| *id != Value::Null);
        let had_one = leads("internet_gateway") || leads("nat_gateway");
        RouteTable::lead(aws, id, change.make, had_one).await?;
        ec2::retag(aws, id, &tags_of(change.prior_args), &tags_of(change.make.args)).await?;
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let id = remove.remote_id();
        match RouteTable::drop_table(aws, id).await {
            // What follows it was to be gone before; where its subnet is, the tie alone is left.
            Err(error) if error.class == OpErrorClass::InUse => {
                RouteTable::untie(aws, id).await?;
                RouteTable::drop_table(aws, id).await?;
            }
            other => other?,
        }
        Ok(true)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        ec2::tag(aws, remote_id, tags).await
    }
}

/// The way to S3 that goes through no NAT gateway and costs nothing.
/// <https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-s3.html>
pub(crate) const S3_ENDPOINT: NativeType = NativeType {
    name: "aws.s3_endpoint",
    doc: "The way to S3 that goes through no NAT gateway and costs nothing.",
    fields: &[
        id_of("vpc", "The VPC.").required().replaces(),
        dsenv_sdk::schema::Field::new(
            "route_tables",
            Type::List(&Type::Text),
            "The tables that lead to it.",
        )
        .unordered()
        .required(),
        TAGS,
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    // A table leads to one of them.
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

pub(crate) struct S3Endpoint;

impl S3Endpoint {
    async fn all(
        request: DescribeVpcEndpointsFluentBuilder,
    ) -> Result<Vec<aws_sdk_ec2::types::VpcEndpoint>, OpError> {
        Ok(pages!("looking at endpoints", request, vpc_endpoints))
    }

    fn live(endpoint: &aws_sdk_ec2::types::VpcEndpoint) -> Option<Live> {
        let id = endpoint.vpc_endpoint_id().unwrap_or_default();
        // The API mixes `Available` and `available`.
        let state = endpoint.state().map(|state| state.as_str().to_ascii_lowercase());
        let stage = match state.as_deref() {
            Some("deleted") => return None,
            Some("deleting") => Stage::Leaving("the way to S3 is being deleted", SOON_MS),
            Some("pending") => Stage::Pending("the way to S3 is being made", SOON_MS),
            Some("failed") => Stage::Failed("it failed".to_owned()),
            _ => Stage::Ready,
        };
        let mut tables: Vec<&String> = endpoint.route_table_ids().iter().collect();
        tables.sort();
        let tables = tables.into_iter().map(|id| Value::text(&**id)).collect();
        let values = values([
            ("vpc", text(endpoint.vpc_id())),
            ("route_tables", Some(Value::List(tables))),
            ("id", text(Some(id))),
        ]);
        Some(Live { remote_id: id.to_owned(), tags: tags_in!(endpoint.tags()), stage, values })
    }
}

#[async_trait]
impl Object for S3Endpoint {
    fn ty(&self) -> &'static NativeType {
        &S3_ENDPOINT
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["ec2:DescribeVpcEndpoints"],
            create: &["ec2:CreateTags", "ec2:CreateVpcEndpoint"],
            update: &["ec2:CreateTags", "ec2:DeleteTags", "ec2:ModifyVpcEndpoint"],
            delete: &["ec2:DeleteVpcEndpoints"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let request = aws.ec2.describe_vpc_endpoints();
        let (request, ids) = match select {
            // One by its id, which may not carry our tags; the answer to one that is gone is an error.
            Select::Ids([id]) => (request.vpc_endpoint_ids(*id), Some(&[*id][..])),
            Select::Ids(ids) => {
                let ours = filters(aws, Select::Owner(None), "");
                (request.set_filters(Some(ours)), Some(ids))
            }
            other => (request.set_filters(Some(filters(aws, other, ""))), None),
        };
        let found = match S3Endpoint::all(request).await {
            Err(error) if error.class == OpErrorClass::NotFound => Vec::new(),
            other => other?,
        };
        let mut found: Vec<Live> = found.iter().filter_map(S3Endpoint::live).collect();
        found.retain(|live| ids.is_none_or(|ids| ids.contains(&&*live.remote_id)));
        Ok(found)
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let tags = tags::all(aws, make.addr, S3_ENDPOINT.name, make.token, tags_of(make.args));
        let request = aws
            .ec2
            .create_vpc_endpoint()
            .vpc_endpoint_type(VpcEndpointType::Gateway)
            .vpc_id(make.text("vpc")?)
            .service_name(format!("com.amazonaws.{}.s3", aws.region))
            .set_route_table_ids(Some(make.texts("route_tables")))
            .client_token(make.token.as_str())
            .tag_specifications(specification(ResourceType::VpcEndpoint, &tags));
        let doing = "making the way to S3";
        let reply = request.send().await.map_err(|e| not_visible_yet(failed(doing, e)))?;
        let live = reply.vpc_endpoint().map(S3Endpoint::live).ok_or_else(|| unnamed("endpoint"))?;
        let gone = || OpError::new(OpErrorClass::NotFound, "it is gone");
        Ok(Live { tags, ..live.ok_or_else(gone)? })
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let id = &change.observed.remote_id;
        let wanted = change.make.texts("route_tables");
        let there = Make { args: &change.observed.values, ..change.make }.texts("route_tables");
        let without = |these: &[String], others: &[String]| -> Option<Vec<String>> {
            Some(these.iter().filter(|id| !others.contains(id)).cloned().collect())
        };
        let (add, remove) = (without(&wanted, &there), without(&there, &wanted));
        if [&add, &remove].into_iter().flatten().any(|ids| !ids.is_empty()) {
            let request = aws.ec2.modify_vpc_endpoint().vpc_endpoint_id(id);
            let request = request.set_add_route_table_ids(add).set_remove_route_table_ids(remove);
            request.send().await.map_err(|e| failed(&format!("changing {id}"), e))?;
        }
        ec2::retag(aws, id, &tags_of(change.prior_args), &tags_of(change.make.args)).await?;
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let request = aws.ec2.delete_vpc_endpoints().vpc_endpoint_ids(remove.remote_id());
        let doing = "deleting the way to S3";
        let reply = request.send().await.map_err(|e| failed(doing, e))?;
        // This call succeeds and says what it did not do.
        match reply.unsuccessful().iter().find_map(|it| it.error()) {
            Some(refused) => Err(refused_item(doing, refused.code(), refused.message())),
            None => Ok(false),
        }
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        ec2::tag(aws, remote_id, tags).await
    }
}
