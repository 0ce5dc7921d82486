//! `aws.instance`: one virtual machine.

use super::offers;
use crate::clients::Aws;
use crate::ec2::{self, filters, pages, specification};
use crate::failure::{failed, not_visible_yet};
use crate::kinds::TAGS;
use crate::kinds::launch::{self, RootDisk};
use crate::object::{
    Actions, Change, Live, Make, Object, Remove, Repeat, Select, Stage, Tags, tags_of, text,
    unnamed, values,
};
use crate::tags::{self, tags_in};
use async_trait::async_trait;
use aws_sdk_ec2::types::{
    AttributeValue, BlockDeviceMapping, CreditSpecificationRequest, EbsBlockDevice,
    HttpTokensState, IamInstanceProfileSpecification, Instance as Ec2Instance,
    InstanceInterruptionBehavior, InstanceMarketOptionsRequest, InstanceMetadataEndpointState,
    InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification, InstanceStateName,
    InstanceType, MarketType, ResourceType, SpotInstanceType, SpotMarketOptions,
};
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::{Map, Value};
use std::collections::BTreeMap;

const STARTING_MS: u64 = 2_000;
/// How soon to ask again whether an instance has stopped: most do within a minute.
const STOPPING_MS: u64 = 15_000;

/// What an instance is bought as.
const SPOT: &str = "spot";

/// One virtual machine.
pub(crate) const INSTANCE: NativeType = NativeType {
    name: "aws.instance",
    doc: "A virtual machine, asked about itself by tokens alone, with an encrypted disk.",
    fields: &[
        launch::IMAGE.replaces(),
        launch::ROOT.kept(),
        Field::new("types", Type::List(&Type::Text), "Types that do, the preferred one first.")
            .required()
            .taken("instance_type")
            .class(Class::Scale)
            .of("type"),
        Field::new("subnets", Type::List(&Type::Text), "Subnets that do, in order.")
            .required()
            .taken("subnet")
            .replaces()
            .class(Class::Bind),
        Field::new("groups", Type::List(&Type::Text), "Its security groups.")
            .required()
            .unordered()
            .class(Class::Bind),
        launch::PROFILE.replaces(),
        launch::SETTINGS_BUCKET.replaces(),
        launch::SETTINGS_PARAMETER.replaces(),
        launch::DISK.replaces(),
        launch::DISK_CLASS.replaces(),
        Field::new("name", Type::Text, "What it calls itself.").kept(),
        Field::new("public", Type::Bool, "Whether it has a public address.")
            .required()
            .replaces()
            .class(Class::Policy),
        Field::new("open", Type::Bool, "Whether people come in from outside the network.")
            .class(Class::Policy),
        Field::new("markets", Type::List(&Type::Text), "`spot` and `on_demand`, in order.")
            .required()
            .taken("market")
            .replaces()
            .class(Class::Scale)
            .of("purchase"),
        Field::new("spot_max_price", Type::Text, "The most that is paid for spot, USD an hour.")
            .kept()
            .of("purchase"),
        Field::new("ports", Type::Map(&Type::Any), "The ports of its services, by name."),
        TAGS,
    ],
    attributes: &[
        Attribute::new("id", "Its id."),
        Attribute::new("address", "Its address in the network."),
        Attribute::new("public_address", "Its public address, when it has one.").changes(),
        Attribute::new("instance_type", "The type that it is.").changes(),
        Attribute::new("subnet", "The subnet that it stands in."),
        Attribute::new("market", "`spot` or `on_demand`."),
        Attribute::new("services", "By name, `url` and `port` of its services.").changes(),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

pub(crate) struct Instance;

impl Instance {
    /// Reads one.
    fn live(instance: &Ec2Instance) -> Live {
        let id = instance.instance_id().unwrap_or_default();
        let stage = match instance.state().and_then(|state| state.name()) {
            // It is shown for an hour longer.
            Some(InstanceStateName::Terminated) => {
                let reason = instance.state_reason().and_then(|reason| reason.message());
                Stage::Gone(reason.unwrap_or("it was terminated").to_owned())
            }
            Some(InstanceStateName::ShuttingDown) => {
                Stage::Leaving("the instance is shutting down", STARTING_MS)
            }
            Some(InstanceStateName::Pending) => {
                Stage::Pending("the instance is starting", STARTING_MS)
            }
            Some(InstanceStateName::Stopping) => {
                Stage::Pending("the instance is stopping", STARTING_MS)
            }
            // A stopped one is there; that it does not run is for `status` to say.
            _ => Stage::Ready,
        };
        let tags = tags_in!(instance.tags());
        let groups = groups_of(instance);
        let spot = instance.instance_lifecycle().is_some_and(|it| it.as_str() == SPOT);
        let ports = ports_of(&tags);
        let public = instance.public_ip_address();
        let profile = instance.iam_instance_profile().and_then(|profile| profile.arn());
        let profile = profile.and_then(|arn| arn.rsplit('/').next());
        let address = instance.private_ip_address();
        let open = tags.get(tags::PORTS).is_some_and(|it| it.ends_with(OPEN));
        let host = if open { public.or(address) } else { address };
        let values = values([
            ("id", text(Some(id))),
            ("image", text(instance.image_id())),
            ("groups", Some(Value::List(groups.into_iter().map(Value::Text).collect()))),
            ("profile", Some(profile.map_or(Value::Null, Value::text))),
            ("address", Some(address.map_or(Value::Null, Value::text))),
            ("public_address", Some(public.map_or(Value::Null, Value::text))),
            ("instance_type", text(instance.instance_type().map(|ty| ty.as_str()))),
            ("subnet", text(instance.subnet_id())),
            ("market", text(Some(if spot { SPOT } else { "on_demand" }))),
            ("services", Some(services(&ports, host))),
        ]);
        Live { remote_id: id.to_owned(), tags, stage, values }
    }

    /// Asks for one of a type, in a subnet, bought one way.
    async fn run(
        aws: &Aws,
        make: Make<'_>,
        tags: &Tags,
        choice: Choice<'_>,
    ) -> Result<Live, OpError> {
        let mut request = aws
            .ec2
            .run_instances()
            .min_count(1)
            .max_count(1)
            .image_id(make.text("image")?)
            .instance_type(InstanceType::from(choice.ty))
            .client_token(choice.token(make))
            .metadata_options(metadata_options())
            .network_interfaces(network_interface(make, choice.subnet))
            .set_user_data(launch::user_data(aws, make)?)
            .tag_specifications(specification(ResourceType::Instance, tags))
            .tag_specifications(specification(ResourceType::Volume, tags));
        if let Some(disk) = launch::root_disk(make) {
            request = request.block_device_mappings(block_device(&disk));
        }
        if let Some(profile) = make.arg("profile").and_then(Value::as_text) {
            let profile = IamInstanceProfileSpecification::builder().name(profile).build();
            request = request.iam_instance_profile(profile);
        }
        if choice.ty.starts_with('t') {
            // Without this, what a burst costs on top is found on the bill alone.
            let credits = CreditSpecificationRequest::builder().cpu_credits("standard").build();
            request = request.credit_specification(credits);
        }
        if choice.market == SPOT {
            request = request.instance_market_options(spot_options(make));
        }
        let doing = format!("launching a {}", choice.ty);
        let reply = request.send().await.map_err(|e| not_visible_yet(failed(&doing, e)))?;
        let instance = reply.instances().first().ok_or_else(|| unnamed("instance"))?;
        Ok(Live { tags: tags.clone(), ..Instance::live(instance) })
    }

    /// Changes its type: it has to stand still for that.
    async fn resize(aws: &Aws, id: &str, make: Make<'_>) -> Result<(), OpError> {
        let types = make.texts("types");
        let Some(ty) = types.first() else { return Ok(()) };
        let doing = format!("changing the type of {id}");
        let reply = aws.ec2.describe_instances().instance_ids(id).send().await;
        let reply = reply.map_err(|e| failed(&doing, e))?;
        let instance = reply.reservations().iter().flat_map(|it| it.instances()).next();
        let there = instance.and_then(|it| it.instance_type()).map(|it| it.as_str());
        let state = instance.and_then(|it| it.state()).and_then(|it| it.name());
        if there.is_some_and(|there| types.iter().any(|ty| ty == there)) {
            // It was changed before, or by a hand; it only has to run.
            let request = aws.ec2.start_instances().instance_ids(id);
            request.send().await.map_err(|e| failed(&doing, e))?;
            return Ok(());
        }
        if state != Some(&InstanceStateName::Stopped) && state != Some(&InstanceStateName::Stopping)
        {
            let request = aws.ec2.stop_instances().instance_ids(id);
            request.send().await.map_err(|e| failed(&doing, e))?;
        }
        let value = AttributeValue::builder().value(ty).build();
        let request = aws.ec2.modify_instance_attribute().instance_id(id).instance_type(value);
        request.send().await.map_err(|e| match failed(&doing, e) {
            // It is stopping still, which may take longer than what is in use is asked for again.
            error if error.class == OpErrorClass::InUse => OpError {
                class: OpErrorClass::Throttled { retry_after_ms: Some(STOPPING_MS) },
                ..error
            },
            error => error,
        })?;
        let request = aws.ec2.start_instances().instance_ids(id);
        request.send().await.map_err(|e| failed(&doing, e))?;
        Ok(())
    }
}

/// Its groups, sorted. They are its first interface's, which some answers alone have them at.
fn groups_of(instance: &Ec2Instance) -> Vec<String> {
    let interface = instance.network_interfaces().first();
    let of_interface = interface.map(|interface| interface.groups()).unwrap_or_default();
    let groups = match instance.security_groups() {
        [] => of_interface,
        groups => groups,
    };
    let mut ids: Vec<String> =
        groups.iter().filter_map(|group| group.group_id().map(str::to_owned)).collect();
    ids.sort();
    ids
}

/// One way of having what was asked for.
#[derive(Clone, Copy)]
struct Choice<'a> {
    /// Which one in the order of preference.
    number: usize,
    market: &'a str,
    ty: &'a str,
    subnet: &'a str,
}

impl Choice<'_> {
    /// Another request must not carry the same token: EC2 refuses one with other parameters.
    fn token(&self, make: Make<'_>) -> String {
        match self.number {
            0 => make.token.to_string(),
            number => format!("{}-{number}", make.token),
        }
    }
}

/// No version 1 of the metadata service: a request that a program was tricked into is no key.
fn metadata_options() -> InstanceMetadataOptionsRequest {
    InstanceMetadataOptionsRequest::builder()
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .http_tokens(HttpTokensState::Required)
        .http_put_response_hop_limit(1)
        .build()
}

fn network_interface(make: Make<'_>, subnet: &str) -> InstanceNetworkInterfaceSpecification {
    InstanceNetworkInterfaceSpecification::builder()
        .device_index(0)
        .subnet_id(subnet)
        .set_groups(Some(make.texts("groups")))
        .associate_public_ip_address(make.flag("public"))
        .delete_on_termination(true)
        .build()
}

fn block_device(disk: &RootDisk) -> BlockDeviceMapping {
    let ebs = EbsBlockDevice::builder()
        .volume_size(disk.gib)
        .volume_type(disk.class.clone())
        .encrypted(true)
        .delete_on_termination(true)
        .build();
    BlockDeviceMapping::builder().device_name(&disk.device).ebs(ebs).build()
}

fn spot_options(make: Make<'_>) -> InstanceMarketOptionsRequest {
    let max_price = make.arg("spot_max_price").and_then(Value::as_text).map(str::to_owned);
    let spot = SpotMarketOptions::builder()
        .spot_instance_type(SpotInstanceType::OneTime)
        .instance_interruption_behavior(InstanceInterruptionBehavior::Terminate)
        .set_max_price(max_price)
        .build();
    InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).spot_options(spot).build()
}

/// What stands behind the ports of a machine that people come in to from outside.
const OPEN: &str = " +open";

/// The ports of services as a tag, so that they are known of an instance that is only looked at.
fn ports_tag(make: Make<'_>) -> Option<String> {
    let ports = make.arg("ports").and_then(Value::as_map)?;
    let port = |(name, port): (&String, &Value)| format!("{name}={}", port.as_int().unwrap_or(0));
    let mut tag = ports.iter().map(port).collect::<Vec<_>>().join(" ");
    if make.flag("open") {
        tag.push_str(OPEN);
    }
    Some(tag)
}

fn ports_of(tags: &Tags) -> Vec<(String, i64)> {
    let tag = tags.get(tags::PORTS).map(String::as_str).unwrap_or_default();
    let port = |part: &str| {
        let (name, port) = part.split_once('=')?;
        Some((name.to_owned(), port.parse().ok()?))
    };
    tag.split(' ').filter_map(port).collect()
}

/// Where services answer to people who come in from outside, by their names; none of an instance that
/// nobody comes in to.
pub(crate) fn service_urls(instance: &Ec2Instance) -> BTreeMap<String, String> {
    let tags = tags_in!(instance.tags());
    let open = tags.get(tags::PORTS).is_some_and(|it| it.ends_with(OPEN));
    let Some(host) = instance.public_ip_address().filter(|_| open) else { return BTreeMap::new() };
    let url = |(name, port): (String, i64)| (name, format!("http://{host}:{port}/"));
    ports_of(&tags).into_iter().map(url).collect()
}

fn services(ports: &[(String, i64)], host: Option<&str>) -> Value {
    let service = |(name, port): &(String, i64)| {
        let url = host.map_or(Value::Null, |host| Value::Text(format!("http://{host}:{port}")));
        let entries = [("port", Value::Int(*port)), ("url", url)];
        let entries = entries.map(|(name, value)| (name.to_owned(), value));
        (name.clone(), Value::Map(Map::from(entries)))
    };
    Value::Map(ports.iter().map(service).collect())
}

#[async_trait]
impl Object for Instance {
    fn ty(&self) -> &'static NativeType {
        &INSTANCE
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["ec2:DescribeInstances"],
            create: &["ec2:CreateTags", "ec2:RunInstances", "iam:PassRole"],
            update: &[
                "ec2:CreateTags",
                "ec2:DeleteTags",
                "ec2:ModifyInstanceAttribute",
                "ec2:StartInstances",
                "ec2:StopInstances",
            ],
            delete: &["ec2:TerminateInstances"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let filters = filters(aws, select, "instance-id");
        let request = aws.ec2.describe_instances().set_filters(Some(filters));
        let reservations = pages!("looking at instances", request, reservations);
        let instances = reservations.iter().flat_map(|it| it.instances());
        let found = instances.map(Instance::live);
        // Members of scaling groups carry the group's tags and are the group's own affair.
        let ours = |live: &Live| {
            matches!(select, Select::Ids(_))
                || live.tags.get(tags::TYPE).is_none_or(|ty| ty == INSTANCE.name)
        };
        Ok(found.filter(ours).collect())
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let mut tags = tags::all(aws, make.addr, INSTANCE.name, make.token, tags_of(make.args));
        tags.extend(ports_tag(make).map(|ports| (tags::PORTS.to_owned(), ports)));
        let (markets, types) = (make.texts("markets"), make.texts("types"));
        let subnets = make.texts("subnets");
        let mut number = 0;
        let mut refused = None;
        // The order is the plan's: the next one is taken for lack of capacity alone.
        for market in &markets {
            for ty in &types {
                for subnet in &subnets {
                    let choice = Choice { number, market, ty, subnet };
                    match Instance::run(aws, make, &tags, choice).await {
                        Err(error) if error.class == OpErrorClass::NoCapacity => {
                            refused = Some(error);
                        }
                        other => return other,
                    }
                    number += 1;
                }
            }
        }
        Err(refused.unwrap_or_else(|| {
            OpError::new(OpErrorClass::Invalid, "there is no type or no subnet to launch in")
        }))
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let (id, make) = (&change.observed.remote_id, change.make);
        let there = change.observed.values.get("instance_type");
        let fits = there.is_some_and(|there| {
            make.arg("types").and_then(Value::as_list).is_some_and(|types| types.contains(there))
        });
        if !fits {
            Instance::resize(aws, id, make).await?;
        }
        if change.changes("groups") {
            let request = aws.ec2.modify_instance_attribute().instance_id(id);
            let request = request.set_groups(Some(make.texts("groups")));
            request.send().await.map_err(|e| failed(&format!("changing groups of {id}"), e))?;
        }
        let with_ports = |make: Make<'_>| {
            let mut tags = tags_of(make.args);
            tags.extend(ports_tag(make).map(|ports| (tags::PORTS.to_owned(), ports)));
            tags
        };
        let before = with_ports(Make { args: change.prior_args, ..make });
        ec2::retag(aws, id, &before, &with_ports(make)).await?;
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let request = aws.ec2.terminate_instances().instance_ids(remove.remote_id());
        request.send().await.map_err(|e| failed("terminating an instance", e))?;
        Ok(false)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        ec2::tag(aws, remote_id, tags).await
    }

    /// Each way of having one has a token of its own: a second try could take another way.
    fn repeat(&self) -> Repeat {
        Repeat::Looks
    }
}

/// The most that is paid for spot, as AWS takes it: USD an hour with up to six digits behind the
/// point. A share is of what the preferred type costs on demand.
pub(crate) fn max_price(said: &Value, ty: &str, region: Option<&str>) -> Option<String> {
    let micro_usd = match said {
        Value::Text(text) => match text.strip_suffix('%') {
            Some(share) => {
                let share: u64 = share.trim().parse().ok()?;
                offers::micro_usd_of(ty, region)?.checked_mul(share)? / 100
            }
            None => parse_micro_usd(text.strip_suffix("USD/h").unwrap_or(text).trim())?,
        },
        Value::Int(usd) => u64::try_from(*usd).ok()?.checked_mul(1_000_000)?,
        Value::Float(usd) => parse_micro_usd(&usd.to_string())?,
        _ => return None,
    };
    Some(format!("{}.{:06}", micro_usd / 1_000_000, micro_usd % 1_000_000))
}

/// Reads `0.25` exactly.
fn parse_micro_usd(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 6 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_exact() {
        let price = |said: Value| max_price(&said, "t3.medium", None);
        assert_eq!(price(Value::text("80%")).as_deref(), Some("0.033280"));
        assert_eq!(price(Value::text("0.25 USD/h")).as_deref(), Some("0.250000"));
        assert_eq!(price(Value::Int(2)).as_deref(), Some("2.000000"));
        assert_eq!(max_price(&Value::text("80%"), "x9.huge", None), None);
        assert_eq!(price(Value::text("cheap")), None);
    }

    #[test]
    fn ports_survive_as_a_tag() {
        let tags = Tags::from([(tags::PORTS.to_owned(), "api=80 jupyter=8888 +open".to_owned())]);
        assert_eq!(ports_of(&tags), [("api".to_owned(), 80), ("jupyter".to_owned(), 8_888)]);
    }
}
