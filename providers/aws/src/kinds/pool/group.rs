//! `aws.scaling_group`: keeps as many instances of a template as are asked for.

use crate::clients::Aws;
use crate::failure::{failed, not_visible_yet};
use crate::kinds::TAGS;
use crate::object::{
    Actions, Busy, Change, Live, Make, Object, Remove, Select, Stage, Tags, tags_of, text, values,
};
use crate::tags::{self, tags_in};
use async_trait::async_trait;
use aws_sdk_autoscaling::types::{
    AutoScalingGroup, Filter, InstancesDistribution, LaunchTemplate, LaunchTemplateOverrides,
    LaunchTemplateSpecification, LifecycleState, MixedInstancesPolicy, Tag,
};
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::Value;

const SCALING_MS: u64 = 5_000;
/// <https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html>
const NAME_CHARS_MAX: usize = 255;
/// <https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html>
const NAMES_MAX: usize = 50;
const COUNT: Type = Type::Int { min: 0, max: 10_000 };

/// Looks at capacity first and at the price among what is left:
/// <https://docs.aws.amazon.com/autoscaling/ec2/userguide/allocation-strategies.html>
const SPOT_STRATEGY: &str = "price-capacity-optimized";
/// Types on demand are tried in our order.
const ON_DEMAND_STRATEGY: &str = "prioritized";

const fn count(name: &'static str, doc: &'static str) -> Field {
    Field::new(name, COUNT, doc).required().class(Class::Scale).of("count")
}

/// Keeps as many instances of a template as are asked for.
pub(crate) const SCALING_GROUP: NativeType = NativeType {
    name: "aws.scaling_group",
    doc: "Keeps as many instances as are asked for, of several types in several zones.",
    fields: &[
        Field::new("template", Type::Text, "How a member is launched.").required(),
        Field::new("template_version", Type::Text, "Which version of it.").required(),
        Field::new("types", Type::List(&Type::Text), "Types that do, the preferred one first.")
            .required()
            .class(Class::Scale)
            .of("type"),
        Field::new("subnets", Type::List(&Type::Text), "Where members stand.")
            .required()
            .unordered()
            .class(Class::Bind),
        count("min", "The floor."),
        count("max", "The ceiling."),
        // The group changes it by itself when it scales, and people do by hand.
        count("desired", "How many there are at first.").cloud_owned(),
        Field::new("on_demand_base", COUNT, "How many are never spot.")
            .required()
            .class(Class::Scale)
            .of("purchase"),
        Field::new("on_demand_percent", Type::Int { min: 0, max: 100 }, "Of the others, how many.")
            .required()
            .class(Class::Scale)
            .of("purchase"),
        Field::new("spot_max_price", Type::Text, "The most that is paid for spot, USD an hour.")
            .class(Class::Scale)
            .of("purchase"),
        TAGS,
    ],
    attributes: &[
        Attribute::new("name", "Its name."),
        Attribute::new("addresses", "The addresses of its members.").changes(),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

pub(crate) struct ScalingGroup;

impl ScalingGroup {
    /// Reads one, without the addresses of its members.
    fn live(group: &AutoScalingGroup) -> Live {
        let name = group.auto_scaling_group_name().unwrap_or_default();
        let desired = group.desired_capacity().unwrap_or(0);
        let serving = group
            .instances()
            .iter()
            .filter(|it| it.lifecycle_state() == Some(&LifecycleState::InService))
            .count();
        let stage = match group.status() {
            Some(_) => Stage::Leaving("members are going", SCALING_MS),
            None if serving < usize::try_from(desired).unwrap_or(0) => {
                Stage::Pending("members are starting", SCALING_MS)
            }
            None => Stage::Ready,
        };
        let policy = group.mixed_instances_policy();
        let template = policy.and_then(|policy| policy.launch_template());
        let specification = template.and_then(|it| it.launch_template_specification());
        let types = template.map(|it| it.overrides()).unwrap_or_default();
        let types = types.iter().filter_map(|it| it.instance_type().map(Value::text));
        let distribution = policy.and_then(|policy| policy.instances_distribution());
        let int = |number: Option<i32>| number.map(|number| Value::Int(number.into()));
        let mut subnets: Vec<&str> =
            group.vpc_zone_identifier().unwrap_or_default().split(',').collect();
        subnets.retain(|subnet| !subnet.is_empty());
        subnets.sort_unstable();
        let price = distribution.and_then(|it| it.spot_max_price()).filter(|it| !it.is_empty());
        let values = values([
            ("template", text(specification.and_then(|it| it.launch_template_id()))),
            ("template_version", text(specification.and_then(|it| it.version()))),
            ("types", Some(Value::List(types.collect()))),
            ("subnets", Some(Value::List(subnets.into_iter().map(Value::text).collect()))),
            ("min", int(group.min_size())),
            ("max", int(group.max_size())),
            ("desired", Some(Value::Int(desired.into()))),
            ("on_demand_base", int(distribution.and_then(|it| it.on_demand_base_capacity()))),
            (
                "on_demand_percent",
                int(distribution.and_then(|it| it.on_demand_percentage_above_base_capacity())),
            ),
            ("spot_max_price", Some(price.map_or(Value::Null, Value::text))),
            ("name", text(Some(name))),
        ]);
        Live { remote_id: name.to_owned(), tags: tags_in!(group.tags()), stage, values }
    }

    /// Puts the addresses of members into each group's values, in one call for all of them.
    async fn add_addresses(
        aws: &Aws,
        groups: &[AutoScalingGroup],
        live: &mut [Live],
    ) -> Result<(), OpError> {
        let ids: Vec<String> = groups
            .iter()
            .flat_map(|group| group.instances())
            .filter_map(|it| it.instance_id().map(str::to_owned))
            .collect();
        let mut addresses = std::collections::BTreeMap::new();
        for ids in ids.chunks(crate::ec2::FILTER_VALUES_MAX) {
            let filter = aws_sdk_ec2::types::Filter::builder()
                .name("instance-id")
                .set_values(Some(ids.to_vec()))
                .build();
            let request = aws.ec2.describe_instances().filters(filter);
            let found = crate::ec2::pages!("looking at members", request, reservations);
            for instance in found.iter().flat_map(|it| it.instances()) {
                if let (Some(id), Some(ip)) =
                    (instance.instance_id(), instance.private_ip_address())
                {
                    addresses.insert(id.to_owned(), ip.to_owned());
                }
            }
        }
        for (group, live) in groups.iter().zip(live) {
            let ids = group.instances().iter().filter_map(|it| it.instance_id());
            let mut own: Vec<&String> = ids.filter_map(|id| addresses.get(id)).collect();
            own.sort();
            let own = own.into_iter().map(|ip| Value::text(&**ip)).collect();
            live.values.insert("addresses".to_owned(), Value::List(own));
        }
        Ok(())
    }

    fn policy(make: Make<'_>) -> Result<MixedInstancesPolicy, OpError> {
        let specification = LaunchTemplateSpecification::builder()
            .launch_template_id(make.text("template")?)
            .version(make.text("template_version")?)
            .build();
        let types = make.texts("types").into_iter();
        let overrides =
            types.map(|ty| LaunchTemplateOverrides::builder().instance_type(ty).build());
        let template = LaunchTemplate::builder()
            .launch_template_specification(specification)
            .set_overrides(Some(overrides.collect()))
            .build();
        // An empty text takes a price away that was there before.
        let price = make.arg("spot_max_price").and_then(Value::as_text).unwrap_or_default();
        let distribution = InstancesDistribution::builder()
            .on_demand_allocation_strategy(ON_DEMAND_STRATEGY)
            .spot_allocation_strategy(SPOT_STRATEGY)
            .set_on_demand_base_capacity(make.int("on_demand_base"))
            .set_on_demand_percentage_above_base_capacity(make.int("on_demand_percent"))
            .spot_max_price(price)
            .build();
        Ok(MixedInstancesPolicy::builder()
            .launch_template(template)
            .instances_distribution(distribution)
            .build())
    }

    async fn one(aws: &Aws, name: &str) -> Result<Option<Live>, OpError> {
        Ok(ScalingGroup.list(aws, Select::Ids(&[name])).await?.into_iter().next())
    }
}

/// Tags of a group. They go onto members too, whose own tags say that they are members.
fn as_tags(name: &str, tags: &Tags) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| {
        Tag::builder()
            .resource_id(name)
            .resource_type("auto-scaling-group")
            .key(key)
            .value(value)
            .propagate_at_launch(false)
            .build()
    };
    tags.iter().map(tag).collect()
}

#[async_trait]
impl Object for ScalingGroup {
    fn ty(&self) -> &'static NativeType {
        &SCALING_GROUP
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["autoscaling:DescribeAutoScalingGroups", "ec2:DescribeInstances"],
            create: &[
                "autoscaling:CreateAutoScalingGroup",
                "autoscaling:CreateOrUpdateTags",
                "ec2:CreateTags",
                "ec2:RunInstances",
                "iam:PassRole",
            ],
            update: &[
                "autoscaling:CreateOrUpdateTags",
                "autoscaling:DeleteTags",
                "autoscaling:UpdateAutoScalingGroup",
                "ec2:CreateTags",
                "ec2:RunInstances",
                "iam:PassRole",
            ],
            delete: &["autoscaling:DeleteAutoScalingGroup"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let filter = |name: &str, value: &str| {
            Filter::builder().name(format!("tag:{name}")).values(value).build()
        };
        let owner = |lineage: Option<&str>| {
            let mut filters = vec![
                filter(tags::BLUEPRINT, &tags::encode(&aws.owner.blueprint)),
                filter(tags::ENVIRONMENT, &tags::encode(&aws.owner.environment)),
            ];
            filters.extend(lineage.map(|lineage| filter(tags::LINEAGE, lineage)));
            Some(filters)
        };
        let ask = || aws.autoscaling.describe_auto_scaling_groups();
        let requests = match select {
            Select::Owner(lineage) => vec![ask().set_filters(owner(lineage))],
            Select::Token(token) => vec![ask().filters(filter(tags::TOKEN, token.as_str()))],
            Select::Ids(ids) => {
                let names = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
                let asked = ids.chunks(NAMES_MAX);
                asked.map(|ids| ask().set_auto_scaling_group_names(Some(names(ids)))).collect()
            }
        };
        let mut found = Vec::new();
        for request in requests {
            let doing = "looking at scaling groups";
            found.extend(crate::ec2::pages!(doing, request, auto_scaling_groups));
        }
        let mut live: Vec<Live> = found.iter().map(ScalingGroup::live).collect();
        ScalingGroup::add_addresses(aws, &found, &mut live).await?;
        Ok(live)
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let name = tags::unique_name(&aws.owner, make.addr, make.token, NAME_CHARS_MAX);
        let tags = tags::all(aws, make.addr, SCALING_GROUP.name, make.token, tags_of(make.args));
        let request = aws
            .autoscaling
            .create_auto_scaling_group()
            .auto_scaling_group_name(&name)
            .mixed_instances_policy(ScalingGroup::policy(make)?)
            .vpc_zone_identifier(make.texts("subnets").join(","))
            .set_min_size(make.int("min"))
            .set_max_size(make.int("max"))
            .set_desired_capacity(make.int("desired"))
            .capacity_rebalance(true)
            .set_tags(Some(as_tags(&name, &tags)));
        match request
            .send()
            .await
            .map_err(|e| not_visible_yet(failed("creating a scaling group", e)))
        {
            Ok(_) => {}
            // Its name is ours alone: an earlier try has made it.
            Err(error) if error.class == OpErrorClass::Conflict => {}
            Err(error) => return Err(error),
        }
        let known = ScalingGroup::one(aws, &name).await?;
        // Asked for a moment too early, it is not shown yet.
        let unseen = Live {
            remote_id: name.clone(),
            tags,
            stage: Stage::Pending("the group is being created", SCALING_MS),
            values: values([]),
        };
        Ok(known.unwrap_or(unseen))
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let (name, make) = (&change.observed.remote_id, change.make);
        // How many there are now is the group's own affair while it is within the bounds.
        let desired = change.prior_args.get("desired") != make.arg("desired");
        let request = aws
            .autoscaling
            .update_auto_scaling_group()
            .auto_scaling_group_name(name)
            .mixed_instances_policy(ScalingGroup::policy(make)?)
            .vpc_zone_identifier(make.texts("subnets").join(","))
            .set_min_size(make.int("min"))
            .set_max_size(make.int("max"))
            .set_desired_capacity(make.int("desired").filter(|_| desired));
        request.send().await.map_err(|e| failed(&format!("changing {name}"), e))?;
        let (before, after) = (tags_of(change.prior_args), tags_of(make.args));
        let gone: Tags = before.into_iter().filter(|(key, _)| !after.contains_key(key)).collect();
        if !gone.is_empty() {
            let request = aws.autoscaling.delete_tags().set_tags(Some(as_tags(name, &gone)));
            request.send().await.map_err(|e| failed(&format!("untagging {name}"), e))?;
        }
        if !after.is_empty() {
            self.tag(aws, name, &after).await?;
        }
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let name = remove.remote_id();
        let request = aws
            .autoscaling
            .delete_auto_scaling_group()
            .auto_scaling_group_name(name)
            .force_delete(true);
        let error = match request.send().await {
            Ok(_) => return Ok(false),
            Err(error) => failed(&format!("deleting {name}"), error),
        };
        // `ValidationError: AutoScalingGroup name not found` is how this service says so.
        if error.message.contains("not found") {
            return Ok(false);
        }
        Err(error)
    }

    /// A group that is deleted by force is gone before its members are, and what they stand on cannot
    /// go before them.
    async fn go_on_deleting(&self, aws: &Aws, remote_id: &str) -> Result<Option<Busy>, OpError> {
        let filter = |name: &str, values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            aws_sdk_ec2::types::Filter::builder().name(name).set_values(Some(values)).build()
        };
        let states = ["pending", "running", "shutting-down", "stopping", "stopped"];
        let request = aws
            .ec2
            .describe_instances()
            .filters(filter("tag:aws:autoscaling:groupName", &[remote_id]))
            .filters(filter("instance-state-name", &states));
        let found = crate::ec2::pages!("looking at members", request, reservations);
        let busy = Busy { waits_for: "members are going", most_ms: SCALING_MS };
        Ok((!found.is_empty()).then_some(busy))
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        let request = aws.autoscaling.create_or_update_tags();
        let request = request.set_tags(Some(as_tags(remote_id, tags)));
        request.send().await.map_err(|e| failed(&format!("tagging {remote_id}"), e))?;
        Ok(())
    }
}
