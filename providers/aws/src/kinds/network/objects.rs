//! The VPC, its gateway, its subnets, and the node that stands for all of them.

use crate::clients::Aws;
use crate::ec2::{self, filters, pages, specification};
use crate::failure::{failed, not_visible_yet};
use crate::kinds::TAGS;
use crate::object::{
    Actions, Change, Live, Make, Object, Remove, Repeat, Select, Stage, Tags, begun,
    in_our_own_way, tags_of, text, unnamed, values,
};
use crate::tags::{self, tags_in};
use async_trait::async_trait;
use aws_sdk_ec2::types::{
    AttachmentStatus, AttributeBooleanValue, ResourceType, SubnetState, VpcAttributeName, VpcState,
};
use dsenv_sdk::OpError;
use dsenv_sdk::schema::{Attribute, Class, Field, Format, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::Value;
use futures::future::try_join_all;

/// How soon to ask again for what takes seconds.
pub(super) const SOON_MS: u64 = 1_000;

/// A text that names another object.
pub(super) const fn id_of(name: &'static str, doc: &'static str) -> Field {
    Field::new(name, Type::Text, doc).class(Class::Bind)
}

// ---------------------------------------------------------------- the whole

/// Stands for all of a network; lives in the state alone.
pub(crate) const NETWORK: NativeType = NativeType {
    name: "aws.network",
    doc: "What others refer to of a network; it lives in the state alone.",
    fields: &[
        id_of("vpc", "The VPC.").required(),
        Field::new("private_subnets", Type::List(&Type::Text), "Those that nobody reaches."),
        Field::new("public_subnets", Type::List(&Type::Text), "Those with a way in and out."),
        Field::new("machine_subnets", Type::List(&Type::Text), "Those that machines stand in."),
        Field::new("first_zone", Type::Text, "The zone that volumes stand in.").class(Class::Bind),
        Field::new("first_machine_subnets", Type::List(&Type::Text), "The machines' in that zone."),
        Field::new(
            "first_public_subnets",
            Type::List(&Type::Text),
            "The public ones in that zone.",
        ),
        Field::new("machines_public", Type::Bool, "Whether machines reach out by themselves."),
    ],
    attributes: &[
        Attribute::new("id", "The VPC.").of("vpc"),
        Attribute::new("machine_places", "Where machines stand that nobody comes in to.")
            .of("machine_subnets"),
        Attribute::new("data_places", "Where databases stand.").of("private_subnets"),
        Attribute::new("open_places", "Where machines stand that somebody comes in to.")
            .of("public_subnets"),
        Attribute::new("volume_zone", "Where volumes stand.").of("first_zone"),
        Attribute::new("volume_places", "Where machines stand that use a volume.")
            .of("first_machine_subnets"),
        Attribute::new("volume_open_places", "The same of those that somebody comes in to.")
            .of("first_public_subnets"),
        Attribute::new("machine_addresses", "Whether machines get a public address.")
            .of("machines_public"),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: true,
    holds_data: false,
};

// ---------------------------------------------------------------- VPC

/// A VPC whose machines have names.
pub(crate) const VPC: NativeType = NativeType {
    name: "aws.vpc",
    doc: "A virtual private cloud with DNS names inside.",
    fields: &[
        Field::new("cidr", Type::Format(Format::Cidr), "Its range.")
            .required()
            .replaces()
            .class(Class::Bind),
        TAGS,
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

pub(crate) struct Vpc;

impl Vpc {
    fn live(vpc: &aws_sdk_ec2::types::Vpc) -> Live {
        let id = vpc.vpc_id().unwrap_or_default();
        let stage = match vpc.state() {
            Some(VpcState::Pending) => Stage::Pending("the VPC is being created", SOON_MS),
            _ => Stage::Ready,
        };
        let values = values([("cidr", text(vpc.cidr_block())), ("id", text(Some(id)))]);
        Live { remote_id: id.to_owned(), tags: tags_in!(vpc.tags()), stage, values }
    }

    /// Without names, nothing inside finds a database by its endpoint.
    async fn name_hosts(aws: &Aws, id: &str) -> Result<(), OpError> {
        let on = AttributeBooleanValue::builder().value(true).build();
        let request = aws.ec2.modify_vpc_attribute().vpc_id(id).enable_dns_hostnames(on);
        let doing = format!("switching names on in {id}");
        request.send().await.map_err(|e| not_visible_yet(failed(&doing, e)))?;
        Ok(())
    }

    async fn hosts_are_named(aws: &Aws, id: &str) -> Result<bool, OpError> {
        let request = aws.ec2.describe_vpc_attribute().vpc_id(id);
        let request = request.attribute(VpcAttributeName::EnableDnsHostnames);
        let reply = request.send().await;
        let reply = reply.map_err(|e| failed(&format!("looking at {id}"), e))?;
        Ok(reply.enable_dns_hostnames().and_then(|it| it.value()).unwrap_or(false))
    }
}

#[async_trait]
impl Object for Vpc {
    fn ty(&self) -> &'static NativeType {
        &VPC
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["ec2:DescribeVpcAttribute", "ec2:DescribeVpcs"],
            create: &["ec2:CreateTags", "ec2:CreateVpc", "ec2:ModifyVpcAttribute"],
            update: &["ec2:CreateTags", "ec2:DeleteTags", "ec2:ModifyVpcAttribute"],
            delete: &["ec2:DeleteVpc"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let filters = filters(aws, select, "vpc-id");
        let request = aws.ec2.describe_vpcs().set_filters(Some(filters));
        let found = pages!("looking at VPCs", request, vpcs);
        let complete = found.iter().map(|vpc| async {
            let mut live = Vpc::live(vpc);
            if live.stage == Stage::Ready && !Vpc::hosts_are_named(aws, &live.remote_id).await? {
                live.stage = Stage::Partial;
            }
            Ok::<_, OpError>(live)
        });
        try_join_all(complete).await
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let tags = tags::all(aws, make.addr, VPC.name, make.token, tags_of(make.args));
        let request = aws
            .ec2
            .create_vpc()
            .cidr_block(make.text("cidr")?)
            .tag_specifications(specification(ResourceType::Vpc, &tags));
        let reply = request.send().await.map_err(|e| failed("creating a VPC", e))?;
        let vpc = reply.vpc().ok_or_else(|| unnamed("VPC"))?;
        // Its machines have no names yet.
        Ok(Live { tags, stage: Stage::Partial, ..Vpc::live(vpc) })
    }

    async fn finish(&self, aws: &Aws, live: &Live) -> Result<(), OpError> {
        Vpc::name_hosts(aws, &live.remote_id).await
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let id = &change.observed.remote_id;
        Vpc::name_hosts(aws, id).await?;
        ec2::retag(aws, id, &tags_of(change.prior_args), &tags_of(change.make.args)).await?;
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let request = aws.ec2.delete_vpc().vpc_id(remove.remote_id());
        request.send().await.map_err(|e| failed("deleting a VPC", e))?;
        Ok(true)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        ec2::tag(aws, remote_id, tags).await
    }

    /// `CreateVpc` takes no client token.
    fn repeat(&self) -> Repeat {
        Repeat::Waits
    }
}

// ---------------------------------------------------------------- the way to the internet

/// The way to the internet.
pub(crate) const INTERNET_GATEWAY: NativeType = NativeType {
    name: "aws.internet_gateway",
    doc: "The VPC's way to the internet.",
    fields: &[id_of("vpc", "The VPC that it is attached to.").required().replaces(), TAGS],
    attributes: &[Attribute::new("id", "Its id.")],
    // A VPC has one.
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

pub(crate) struct InternetGateway;

impl InternetGateway {
    fn live(gateway: &aws_sdk_ec2::types::InternetGateway) -> Live {
        let id = gateway.internet_gateway_id().unwrap_or_default();
        let attached = gateway.attachments().iter().find(|it| {
            // The API says `available` of a gateway and `attached` of an interface.
            it.state().is_some_and(|state| {
                *state == AttachmentStatus::Attached || state.as_str() == "available"
            })
        });
        let stage = if attached.is_some() { Stage::Ready } else { Stage::Partial };
        let vpc = attached.and_then(|it| it.vpc_id());
        // That it is attached to nothing is told too: a hand that detaches it makes drift.
        let vpc = Some(vpc.map_or(Value::Null, Value::text));
        let values = values([("vpc", vpc), ("id", text(Some(id)))]);
        Live { remote_id: id.to_owned(), tags: tags_in!(gateway.tags()), stage, values }
    }

    async fn attach(aws: &Aws, id: &str, vpc: &str) -> Result<(), OpError> {
        let request = aws.ec2.attach_internet_gateway().internet_gateway_id(id).vpc_id(vpc);
        let doing = format!("attaching {id} to {vpc}");
        request.send().await.map_err(|e| not_visible_yet(failed(&doing, e)))?;
        Ok(())
    }
}

#[async_trait]
impl Object for InternetGateway {
    fn ty(&self) -> &'static NativeType {
        &INTERNET_GATEWAY
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["ec2:DescribeInternetGateways"],
            create: &["ec2:AttachInternetGateway", "ec2:CreateInternetGateway", "ec2:CreateTags"],
            update: &["ec2:CreateTags", "ec2:DeleteTags"],
            delete: &["ec2:DeleteInternetGateway", "ec2:DetachInternetGateway"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let filters = filters(aws, select, "internet-gateway-id");
        let request = aws.ec2.describe_internet_gateways().set_filters(Some(filters));
        let found = pages!("looking at internet gateways", request, internet_gateways);
        Ok(found.iter().map(InternetGateway::live).collect())
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let vpc = make.text("vpc")?;
        let mut tags =
            tags::all(aws, make.addr, INTERNET_GATEWAY.name, make.token, tags_of(make.args));
        // So that whoever finds it knows what it is still to be attached to.
        tags.insert(tags::FOR.to_owned(), vpc.to_owned());
        let tagged = specification(ResourceType::InternetGateway, &tags);
        let request = aws.ec2.create_internet_gateway().tag_specifications(tagged);
        let reply = request.send().await;
        let reply = reply.map_err(|e| failed("creating an internet gateway", e))?;
        let gateway = reply.internet_gateway().ok_or_else(|| unnamed("internet gateway"))?;
        Ok(Live { tags, ..InternetGateway::live(gateway) })
    }

    async fn finish(&self, aws: &Aws, live: &Live) -> Result<(), OpError> {
        let vpc = live.tags.get(tags::FOR).map(String::as_str).unwrap_or_default();
        match InternetGateway::attach(aws, &live.remote_id, vpc).await {
            // An earlier try has done it, and it is not shown yet.
            Err(error) if error.message.contains("Resource.AlreadyAssociated") => Ok(()),
            other => other,
        }
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let id = &change.observed.remote_id;
        ec2::retag(aws, id, &tags_of(change.prior_args), &tags_of(change.make.args)).await?;
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let id = remove.remote_id();
        let there = self.list(aws, Select::Ids(&[id])).await?.into_iter().next();
        let Some(live) = there else { return Ok(true) };
        if let Some(vpc) = live.values.get("vpc").and_then(Value::as_text) {
            let request = aws.ec2.detach_internet_gateway().internet_gateway_id(id).vpc_id(vpc);
            match request.send().await.map_err(|e| failed(&format!("detaching {id}"), e)) {
                // It was done before, and is shown late.
                Err(error) if !error.message.contains("Gateway.NotAttached") => return Err(error),
                _ => {}
            }
        }
        let request = aws.ec2.delete_internet_gateway().internet_gateway_id(id);
        request.send().await.map_err(|e| failed(&format!("deleting {id}"), e))?;
        Ok(true)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        ec2::tag(aws, remote_id, tags).await
    }

    /// `CreateInternetGateway` takes no client token.
    fn repeat(&self) -> Repeat {
        Repeat::Waits
    }
}

// ---------------------------------------------------------------- subnets

/// One block of a zone, with the table that says where it leads.
pub(crate) const SUBNET: NativeType = NativeType {
    name: "aws.subnet",
    doc: "A block of addresses in one zone, and the routes that it follows.",
    fields: &[
        id_of("vpc", "The VPC.").required().replaces(),
        Field::new("cidr", Type::Format(Format::Cidr), "Its range.")
            .required()
            .replaces()
            .class(Class::Bind),
        Field::new("zone", Type::Text, "Its availability zone.")
            .required()
            .replaces()
            .class(Class::Bind),
        id_of("route_table", "The routes that it follows.").required(),
        TAGS,
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    // Two may not overlap.
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

pub(crate) struct Subnet;

impl Subnet {
    fn live(subnet: &aws_sdk_ec2::types::Subnet) -> Live {
        let id = subnet.subnet_id().unwrap_or_default();
        let stage = match subnet.state() {
            Some(SubnetState::Pending) => Stage::Pending("the subnet is being created", SOON_MS),
            _ => Stage::Ready,
        };
        let values = values([
            ("vpc", text(subnet.vpc_id())),
            ("cidr", text(subnet.cidr_block())),
            ("zone", text(subnet.availability_zone())),
            ("id", text(Some(id))),
        ]);
        Live { remote_id: id.to_owned(), tags: tags_in!(subnet.tags()), stage, values }
    }

    /// Which table each subnet of a VPC follows, and by which association.
    async fn tables(aws: &Aws, vpcs: &[&str]) -> Result<Vec<Association>, OpError> {
        let vpcs = vpcs.iter().map(|vpc| (*vpc).to_owned()).collect();
        let filter =
            aws_sdk_ec2::types::Filter::builder().name("vpc-id").set_values(Some(vpcs)).build();
        let request = aws.ec2.describe_route_tables().filters(filter);
        let tables = pages!("looking at route tables", request, route_tables);
        let associations =
            tables.into_iter().flat_map(|table| table.associations.unwrap_or_default());
        let association = |it: aws_sdk_ec2::types::RouteTableAssociation| {
            Some(Association {
                subnet: it.subnet_id?,
                table: it.route_table_id?,
                id: it.route_table_association_id?,
            })
        };
        Ok(associations.filter_map(association).collect())
    }

    /// Makes it follow a table, whatever it follows now.
    async fn follow(aws: &Aws, id: &str, vpc: &str, table: &str) -> Result<(), OpError> {
        let doing = format!("giving {id} its routes");
        let request = aws.ec2.associate_route_table().subnet_id(id).route_table_id(table);
        let Err(error) = request.send().await else { return Ok(()) };
        let error = failed(&doing, error);
        if !error.message.contains("Resource.AlreadyAssociated") {
            return Err(not_visible_yet(error));
        }
        let known = Subnet::tables(aws, &[vpc]).await?;
        match known.into_iter().find(|it| it.subnet == id) {
            Some(it) if it.table == table => Ok(()),
            Some(it) => {
                let request = aws.ec2.replace_route_table_association().association_id(it.id);
                let reply = request.route_table_id(table).send().await;
                reply.map_err(|e| failed(&doing, e))?;
                Ok(())
            }
            None => Err(error),
        }
    }
}

/// That a subnet follows a table.
struct Association {
    subnet: String,
    table: String,
    id: String,
}

#[async_trait]
impl Object for Subnet {
    fn ty(&self) -> &'static NativeType {
        &SUBNET
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["ec2:DescribeRouteTables", "ec2:DescribeSubnets"],
            create: &["ec2:AssociateRouteTable", "ec2:CreateSubnet", "ec2:CreateTags"],
            update: &[
                "ec2:AssociateRouteTable",
                "ec2:CreateTags",
                "ec2:DeleteTags",
                "ec2:ReplaceRouteTableAssociation",
            ],
            delete: &["ec2:DeleteSubnet"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let filters = filters(aws, select, "subnet-id");
        let request = aws.ec2.describe_subnets().set_filters(Some(filters));
        let found = pages!("looking at subnets", request, subnets);
        let mut vpcs: Vec<&str> = found.iter().filter_map(|subnet| subnet.vpc_id()).collect();
        vpcs.sort_unstable();
        vpcs.dedup();
        let tables = match vpcs.is_empty() {
            true => Vec::new(),
            false => Subnet::tables(aws, &vpcs).await?,
        };
        let with_table = |subnet: &aws_sdk_ec2::types::Subnet| {
            let mut live = Subnet::live(subnet);
            let tie = tables.iter().find(|it| it.subnet == live.remote_id);
            if tie.is_none() && live.stage == Stage::Ready {
                live.stage = Stage::Partial;
            }
            // That it follows none is told too: a hand that unties it makes drift.
            let table = tie.map_or(Value::Null, |tie| Value::text(&*tie.table));
            live.values.insert("route_table".to_owned(), table);
            live
        };
        Ok(found.iter().map(with_table).collect())
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let (vpc, table) = (make.text("vpc")?, make.text("route_table")?);
        let tags = tags::all(aws, make.addr, SUBNET.name, make.token, tags_of(make.args));
        let request = aws
            .ec2
            .create_subnet()
            .vpc_id(vpc)
            .cidr_block(make.text("cidr")?)
            .availability_zone(make.text("zone")?)
            .tag_specifications(specification(ResourceType::Subnet, &tags));
        let mut live = match request.send().await {
            Ok(reply) => {
                let subnet = reply.subnet().ok_or_else(|| unnamed("subnet"))?;
                Live { tags, ..Subnet::live(subnet) }
            }
            Err(error) => {
                // Its range is its own: what a lost reply made stands in the way of the second try.
                let error = not_visible_yet(failed("creating a subnet", error));
                if !error.message.contains("InvalidSubnet.Conflict") {
                    return Err(error);
                }
                let known = self.list(aws, Select::Token(make.token)).await?.into_iter().next();
                known.ok_or_else(|| in_our_own_way(make, error))?
            }
        };
        let followed = Subnet::follow(aws, &live.remote_id, vpc, table).await;
        followed.map_err(|error| begun(&live, error))?;
        live.values.insert("route_table".to_owned(), Value::text(table));
        live.stage = Stage::Ready;
        Ok(live)
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let id = &change.observed.remote_id;
        let (vpc, table) = (change.make.text("vpc")?, change.make.text("route_table")?);
        Subnet::follow(aws, id, vpc, table).await?;
        ec2::retag(aws, id, &tags_of(change.prior_args), &tags_of(change.make.args)).await?;
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let request = aws.ec2.delete_subnet().subnet_id(remove.remote_id());
        request.send().await.map_err(|e| failed("deleting a subnet", e))?;
        Ok(true)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        ec2::tag(aws, remote_id, tags).await
    }
}
