//! What a database stands on: the subnets that it may be placed in, and how its server is set.
//!
//! Both are found by their names, which carry the token: RDS has no filter for either, and shows
//! their tags one group a call.

use super::rds::{self, NAME_CHARS_MAX};
use crate::clients::Aws;
use crate::ec2::pages;
use crate::failure::{failed, not_visible_yet};
use crate::kinds::TAGS;
use crate::object::{
    Actions, Change, Live, Make, Object, Remove, Select, Stage, Tags, begun, tags_of, text, values,
};
use crate::tags;
use async_trait::async_trait;
use aws_sdk_rds::types::{ApplyMethod, DbParameterGroup, DbSubnetGroup, Parameter};
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::{Map, Value};
use futures::future::try_join_all;
use futures::try_join;

/// How many groups are asked about together: RDS is quick to throttle.
const GROUPS_AT_A_TIME: usize = 8;

/// What is not there is no error here.
fn if_there<T>(reply: Result<T, OpError>) -> Result<Option<T>, OpError> {
    match reply {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.class == OpErrorClass::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Leaves those whose names may be meant, before anything more is asked about them.
fn may_be_meant(aws: &Aws, select: Select<'_>, name: Option<&str>) -> bool {
    let name = name.unwrap_or_default();
    match select {
        Select::Owner(_) => name.starts_with(&tags::name_prefix(&aws.owner, NAME_CHARS_MAX)),
        Select::Token(token) => tags::is_named_by(name, token),
        Select::Ids(ids) => ids.contains(&name),
    }
}

/// A create met its own name: what is there is ours, or it is an error that says whose it is.
async fn met(
    object: &dyn Object,
    aws: &Aws,
    make: Make<'_>,
    name: &str,
    error: OpError,
) -> Result<Live, OpError> {
    if error.class != OpErrorClass::Conflict {
        // Subnets and families are there already, or AWS does not see them yet.
        return Err(not_visible_yet(error));
    }
    let there = object.list(aws, Select::Ids(&[name])).await?.into_iter().next();
    match there {
        Some(live) if live.tags.get(tags::TOKEN).is_some_and(|it| it == make.token.as_str()) => {
            Ok(live)
        }
        Some(live) => Err(tags::taken(name, &live.tags)),
        None => Err(error),
    }
}

/// The ARN, which a type gives as an attribute: tags are written by it.
async fn arn(object: &dyn Object, aws: &Aws, name: &str) -> Result<String, OpError> {
    let live = object.list(aws, Select::Ids(&[name])).await?.into_iter().next();
    let arn = live.and_then(|live| Some(live.values.get("arn")?.as_text()?.to_owned()));
    arn.ok_or_else(|| OpError::new(OpErrorClass::NotFound, format!("{name} is not there")))
}

fn observed_arn<'a>(change: &'a Change<'_>) -> &'a str {
    change.observed.values.get("arn").and_then(Value::as_text).unwrap_or_default()
}

// ---------------------------------------------------------------- where it may stand

/// Where a database may stand.
pub(crate) const SUBNET_GROUP: NativeType = NativeType {
    name: "aws.db_subnet_group",
    doc: "The subnets that a database may be placed in; two zones at least.",
    fields: &[
        Field::new("subnets", Type::List(&Type::Text), "The subnets.")
            .required()
            .unordered()
            .class(Class::Bind),
        TAGS,
    ],
    attributes: &[
        Attribute::new("name", "Its name."),
        Attribute::new("arn", "Its name in policies."),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

pub(crate) struct SubnetGroup;

impl SubnetGroup {
    fn live(group: &DbSubnetGroup, tags: Tags) -> Live {
        let name = group.db_subnet_group_name().unwrap_or_default();
        let mut subnets: Vec<&str> =
            group.subnets().iter().filter_map(|subnet| subnet.subnet_identifier()).collect();
        subnets.sort_unstable();
        let values = values([
            ("subnets", Some(Value::List(subnets.into_iter().map(Value::text).collect()))),
            ("name", text(Some(name))),
            ("arn", text(group.db_subnet_group_arn())),
        ]);
        Live { remote_id: name.to_owned(), tags, stage: Stage::Ready, values }
    }

    async fn find(aws: &Aws, select: Select<'_>) -> Result<Vec<DbSubnetGroup>, OpError> {
        let doing = "looking at database subnet groups";
        let Select::Ids(names) = select else {
            return Ok(pages!(doing, aws.rds.describe_db_subnet_groups(), db_subnet_groups));
        };
        let one = async |name: &&str| {
            let request = aws.rds.describe_db_subnet_groups().db_subnet_group_name(*name);
            let reply = request.send().await.map_err(|e| failed(doing, e));
            Ok(if_there(reply)?.and_then(|reply| reply.db_subnet_groups).unwrap_or_default())
        };
        let mut found = Vec::new();
        for names in names.chunks(GROUPS_AT_A_TIME) {
            found.extend(try_join_all(names.iter().map(one)).await?.into_iter().flatten());
        }
        Ok(found)
    }
}

/// RDS wants two zones, and says so with a code alone.
fn too_few_zones(error: OpError) -> OpError {
    if error.message.contains("DBSubnetGroupDoesNotCoverEnoughAZs") {
        return error.help("write `zones: 2` in its network");
    }
    error
}

#[async_trait]
impl Object for SubnetGroup {
    fn ty(&self) -> &'static NativeType {
        &SUBNET_GROUP
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["rds:DescribeDBSubnetGroups", "rds:ListTagsForResource"],
            create: &["rds:AddTagsToResource", "rds:CreateDBSubnetGroup"],
            update: &[
                "rds:AddTagsToResource",
                "rds:ModifyDBSubnetGroup",
                "rds:RemoveTagsFromResource",
            ],
            delete: &["rds:DeleteDBSubnetGroup"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let found = SubnetGroup::find(aws, select).await?;
        let meant = found.iter().filter(|it| may_be_meant(aws, select, it.db_subnet_group_name()));
        let meant: Vec<&DbSubnetGroup> = meant.collect();
        let whole = async |group: &&DbSubnetGroup| {
            let arn = group.db_subnet_group_arn().unwrap_or_default();
            let tags = if_there(rds::tags_at(aws, arn).await)?;
            Ok::<_, OpError>(tags.map(|tags| SubnetGroup::live(group, tags)))
        };
        let mut found = Vec::new();
        for groups in meant.chunks(GROUPS_AT_A_TIME) {
            found.extend(try_join_all(groups.iter().map(whole)).await?.into_iter().flatten());
        }
        found.retain(|live| tags::are_meant(&live.tags, aws, select));
        Ok(found)
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let name = tags::unique_name(&aws.owner, make.addr, make.token, NAME_CHARS_MAX);
        let tags = tags::all(aws, make.addr, SUBNET_GROUP.name, make.token, tags_of(make.args));
        let request = aws
            .rds
            .create_db_subnet_group()
            .db_subnet_group_name(&name)
            .db_subnet_group_description(tags::display_name(&aws.owner, make.addr))
            .set_subnet_ids(Some(make.texts("subnets")))
            .set_tags(Some(rds::as_tags(&tags)));
        match request.send().await {
            Ok(reply) => {
                let none = || DbSubnetGroup::builder().build();
                Ok(SubnetGroup::live(&reply.db_subnet_group.unwrap_or_else(none), tags))
            }
            Err(error) => {
                let error = too_few_zones(failed(&format!("creating subnet group {name}"), error));
                met(self, aws, make, &name, error).await
            }
        }
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let name = &change.observed.remote_id;
        if change.changes("subnets") {
            let request = aws.rds.modify_db_subnet_group().db_subnet_group_name(name);
            let request = request.set_subnet_ids(Some(change.make.texts("subnets")));
            let reply = request.send().await;
            reply.map_err(|e| too_few_zones(failed(&format!("changing {name}"), e)))?;
        }
        let (before, after) = (tags_of(change.prior_args), tags_of(change.make.args));
        rds::retag(aws, observed_arn(&change), &before, &after).await?;
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let name = remove.remote_id();
        let reply = aws.rds.delete_db_subnet_group().db_subnet_group_name(name).send().await;
        reply.map_err(|e| failed(&format!("deleting subnet group {name}"), e))?;
        Ok(true)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        rds::tag(aws, &arn(self, aws, remote_id).await?, tags).await
    }
}

// ---------------------------------------------------------------- how it is set

/// How a database's server is set.
pub(crate) const PARAMETER_GROUP: NativeType = NativeType {
    name: "aws.db_parameter_group",
    doc: "How a database's server is set, where it is not as RDS has it.",
    fields: &[
        Field::new("family", Type::Text, "The engine and its major version: `postgres18`.")
            .required()
            .replaces(),
        Field::new("parameters", Type::Map(&Type::Text), "What is set, by name.").required(),
        TAGS,
    ],
    attributes: &[
        Attribute::new("name", "Its name."),
        Attribute::new("arn", "Its name in policies."),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

pub(crate) struct ParameterGroup;

impl ParameterGroup {
    /// A group with nothing set is one that somebody died over.
    fn live(group: &DbParameterGroup, tags: Tags, parameters: Map) -> Live {
        let name = group.db_parameter_group_name().unwrap_or_default();
        let stage = if parameters.is_empty() { Stage::Partial } else { Stage::Ready };
        let values = values([
            ("family", text(group.db_parameter_group_family())),
            ("parameters", Some(Value::Map(parameters))),
            ("name", text(Some(name))),
            ("arn", text(group.db_parameter_group_arn())),
        ]);
        Live { remote_id: name.to_owned(), tags, stage, values }
    }

    async fn find(aws: &Aws, select: Select<'_>) -> Result<Vec<DbParameterGroup>, OpError> {
        let doing = "looking at database parameter groups";
        let Select::Ids(names) = select else {
            return Ok(pages!(doing, aws.rds.describe_db_parameter_groups(), db_parameter_groups));
        };
        let one = async |name: &&str| {
            let request = aws.rds.describe_db_parameter_groups().db_parameter_group_name(*name);
            let reply = request.send().await.map_err(|e| failed(doing, e));
            Ok(if_there(reply)?.and_then(|reply| reply.db_parameter_groups).unwrap_or_default())
        };
        let mut found = Vec::new();
        for names in names.chunks(GROUPS_AT_A_TIME) {
            found.extend(try_join_all(names.iter().map(one)).await?.into_iter().flatten());
        }
        Ok(found)
    }

    /// What somebody has set, among the hundreds that there are.
    async fn parameters(aws: &Aws, name: &str) -> Result<Map, OpError> {
        let request = aws.rds.describe_db_parameters().db_parameter_group_name(name).source("user");
        let found = pages!(&format!("looking at parameter group {name}"), request, parameters);
        let pair = |it: &Parameter| {
            Some((it.parameter_name()?.to_owned(), Value::text(it.parameter_value()?)))
        };
        Ok(found.iter().filter_map(pair).collect())
    }

    /// Sets what is wanted, and what is wanted no more back to what RDS has.
    async fn set(aws: &Aws, name: &str, wanted: &Map, before: &Map) -> Result<(), OpError> {
        let doing = format!("setting parameter group {name}");
        // All that is ever set here can be changed while the server runs.
        let parameter = |name: &String| {
            Parameter::builder().parameter_name(name).apply_method(ApplyMethod::Immediate)
        };
        let differ = wanted.iter().filter(|(name, value)| before.get(*name) != Some(value));
        let set: Vec<Parameter> = differ
            .map(|(name, value)| {
                parameter(name).set_parameter_value(value.expose_text().map(Into::into))
            })
            .map(|parameter| parameter.build())
            .collect();
        if !set.is_empty() {
            let request = aws.rds.modify_db_parameter_group().db_parameter_group_name(name);
            let reply = request.set_parameters(Some(set)).send().await;
            reply.map_err(|e| not_visible_yet(failed(&doing, e)))?;
        }
        let gone = before.keys().filter(|name| !wanted.contains_key(*name));
        let gone: Vec<Parameter> = gone.map(|name| parameter(name).build()).collect();
        if !gone.is_empty() {
            let request = aws.rds.reset_db_parameter_group().db_parameter_group_name(name);
            let reply = request.set_parameters(Some(gone)).send().await;
            reply.map_err(|e| failed(&doing, e))?;
        }
        Ok(())
    }
}

fn parameters_of(args: &Map) -> Map {
    args.get("parameters").and_then(Value::as_map).cloned().unwrap_or_default()
}

#[async_trait]
impl Object for ParameterGroup {
    fn ty(&self) -> &'static NativeType {
        &PARAMETER_GROUP
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &[
                "rds:DescribeDBParameterGroups",
                "rds:DescribeDBParameters",
                "rds:ListTagsForResource",
            ],
            create: &[
                "rds:AddTagsToResource",
                "rds:CreateDBParameterGroup",
                "rds:ModifyDBParameterGroup",
            ],
            update: &[
                "rds:AddTagsToResource",
                "rds:ModifyDBParameterGroup",
                "rds:RemoveTagsFromResource",
                "rds:ResetDBParameterGroup",
            ],
            delete: &["rds:DeleteDBParameterGroup"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let found = ParameterGroup::find(aws, select).await?;
        let name = |it: &&DbParameterGroup| may_be_meant(aws, select, it.db_parameter_group_name());
        let meant: Vec<&DbParameterGroup> = found.iter().filter(name).collect();
        let whole = async |group: &&DbParameterGroup| {
            let arn = group.db_parameter_group_arn().unwrap_or_default();
            let name = group.db_parameter_group_name().unwrap_or_default();
            let seen = try_join!(rds::tags_at(aws, arn), ParameterGroup::parameters(aws, name));
            let seen = if_there(seen)?;
            Ok::<_, OpError>(seen.map(|(tags, set)| ParameterGroup::live(group, tags, set)))
        };
        let mut found = Vec::new();
        for groups in meant.chunks(GROUPS_AT_A_TIME) {
            found.extend(try_join_all(groups.iter().map(whole)).await?.into_iter().flatten());
        }
        found.retain(|live| tags::are_meant(&live.tags, aws, select));
        Ok(found)
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let name = tags::unique_name(&aws.owner, make.addr, make.token, NAME_CHARS_MAX);
        let tags = tags::all(aws, make.addr, PARAMETER_GROUP.name, make.token, tags_of(make.args));
        let request = aws
            .rds
            .create_db_parameter_group()
            .db_parameter_group_name(&name)
            .db_parameter_group_family(make.text("family")?)
            .description(tags::display_name(&aws.owner, make.addr))
            .set_tags(Some(rds::as_tags(&tags)));
        let mut live = match request.send().await {
            Ok(reply) => {
                let none = || DbParameterGroup::builder().build();
                let group = reply.db_parameter_group.unwrap_or_else(none);
                ParameterGroup::live(&group, tags, Map::new())
            }
            Err(error) => {
                let error = failed(&format!("creating parameter group {name}"), error);
                met(self, aws, make, &name, error).await?
            }
        };
        let wanted = parameters_of(make.args);
        let set = ParameterGroup::set(aws, &name, &wanted, &parameters_of(&live.values)).await;
        set.map_err(|error| begun(&live, error))?;
        live.values.insert("parameters".to_owned(), Value::Map(wanted));
        Ok(Live { stage: Stage::Ready, ..live })
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let name = &change.observed.remote_id;
        let there = ParameterGroup::parameters(aws, name).await?;
        ParameterGroup::set(aws, name, &parameters_of(change.make.args), &there).await?;
        let (before, after) = (tags_of(change.prior_args), tags_of(change.make.args));
        rds::retag(aws, observed_arn(&change), &before, &after).await?;
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let name = remove.remote_id();
        let reply = aws.rds.delete_db_parameter_group().db_parameter_group_name(name).send().await;
        reply.map_err(|e| failed(&format!("deleting parameter group {name}"), e))?;
        Ok(true)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        rds::tag(aws, &arn(self, aws, remote_id).await?, tags).await
    }
}
