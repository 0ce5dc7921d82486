//! What a machine is to be: an object in a bucket of its own for all to read who may, and a parameter
//! for what is secret. The machine looks for both and makes itself so (see `templates/boot/agent.py`).
//!
//! ```text
//! s3://MAILBOX/boot.json      services, variables, locked packages    written here, read there
//! ssm:/dsenv/...              secret variables                         written here, read there
//! s3://MAILBOX/status, logs   how it went                              written there, read here
//! ```

use super::machine::part;
use super::{TAGS, args, role, share};
use crate::clients::Aws;
use crate::failure::{failed, not_visible_yet};
use crate::kinds::bucket::MAILBOX;
use crate::kinds::launch::BUNDLE_KEY;
use crate::object::{
    Actions, Change, Live, Make, Object, Remove, Select, Stage, Tags, begun, dropped, tags_of,
    text, values,
};
use crate::tags::{self, tags_in};
use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_ssm::types::{
    ParameterMetadata, ParameterStringFilter, ParameterTier, ParameterType, ResourceTypeForTagging,
    Tag,
};
use dsenv_sdk::entry::people;
use dsenv_sdk::provider::{Native, Neutral, OpErrorClass, Right, Surroundings, Use, variable_stem};
use dsenv_sdk::reading::{bucket_terms, database_terms};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::software::Locked;
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, OpError, Term, software as packages};
use futures::future::try_join_all;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// The part that says what a machine is to be.
pub(crate) const PART: &str = "settings";
/// The part that is the bucket which it stands in.
pub(crate) const MAILBOX_PART: &str = "mailbox";

/// The tag that says in which bucket the other half stands.
const BUCKET_TAG: &str = "dsenv:mailbox";
/// The metadata of the object that says which content it was written with.
const DIGEST: &str = "dsenv-digest";
/// The metadata of the object that says which version of the parameter it was written with.
const SECRETS_VERSION: &str = "dsenv-secrets-version";

/// How long logs of machines that are gone are kept.
const LOG_DAYS: i64 = 30;

/// What a machine is to be.
pub(crate) const SETTINGS: NativeType = NativeType {
    name: "aws.settings",
    doc: "What a machine is to be: an object that it reads, and a parameter with its secrets.",
    fields: &[
        Field::new("bucket", Type::Text, "The bucket that it stands in.").required().replaces(),
        Field::new("environment", Type::Map(&Type::Any), "Variables of all services."),
        Field::new("services", Type::Map(&Type::Any), "What runs, by name."),
        Field::new("software", Type::Any, "What the lock has for its packages."),
        Field::new("buckets", Type::Map(&Type::Any), "What it uses, by the start of variables."),
        Field::new("databases", Type::Map(&Type::Any), "What it uses, by the start of variables."),
        Field::new("people", Type::List(&Type::Any), "Who comes in by ssh, by which keys.")
            .class(Class::Policy)
            .of("access"),
        Field::new("mounts", Type::Map(&Type::Any), "What it mounts, by the start of variables."),
        Field::new("intact", Type::Bool, "Whether it is as it was written.").required(),
        TAGS,
    ],
    attributes: &[
        Attribute::new("parameter", "The parameter's name."),
        Attribute::new("parameter_arn", "The parameter."),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// Lowers the bucket and what stands in it; `None` for a machine that has nothing to be told.
pub(crate) fn settings(resource: &Neutral, around: &Surroundings<'_>) -> Option<[Native; 2]> {
    let field = |name: &str| resource.fields.get(name).cloned();
    let told = ["environment", "services", "software"].iter().any(|name| field(name).is_some());
    let people = people(resource);
    if !told && resource.uses.is_empty() && people.is_none() {
        return None;
    }
    let software = match resource.fields.get("software").and_then(packages::spec_of) {
        Some(Ok(spec)) => {
            let want = packages::want(&spec);
            let pinned = around.pins.get(&*want.pin).cloned().map(Term::Known);
            Some(pinned.unwrap_or(Term::NotLocked(want.pin)))
        }
        _ => None,
    };
    let expire = Value::Map(Map::from([
        ("prefix".to_owned(), Value::text("logs/")),
        ("days".to_owned(), Value::Int(LOG_DAYS)),
    ]));
    let mailbox = args([
        ("versioning", Some(Term::Known(Value::Bool(false)))),
        ("expire", Some(Term::Known(Value::List(vec![expire])))),
        ("guarded", Some(Term::Known(Value::Bool(true)))),
    ]);
    let of_kind = |kind: &str, terms: fn(&Use) -> Term| {
        let used = resource.uses.iter().filter(|used| used.kind == kind);
        let used: BTreeMap<String, Term> =
            used.map(|used| (variable_stem(&used.target), terms(used))).collect();
        (!used.is_empty()).then(|| Term::map(used))
    };
    let bucket = Ref::attribute(resource.addr.part(MAILBOX_PART, None), "name");
    let settings = args([
        ("bucket", Some(Term::Ref(bucket))),
        ("environment", field("environment")),
        ("services", field("services")),
        ("software", software),
        ("buckets", of_kind("bucket", |used| Term::map(bucket_terms(used)))),
        ("databases", of_kind("database", database_terms)),
        ("people", people),
        ("mounts", mounts(resource)),
        ("intact", Some(Term::Known(Value::Bool(true)))),
    ]);
    let native = |name: &str, ty, args| Native { part: part(name), ty, args, after: Vec::new() };
    Some([native(MAILBOX_PART, MAILBOX.name, mailbox), native(PART, SETTINGS.name, settings)])
}

/// What a machine mounts, and where: a volume by its id, a share by its host. The size of a volume is told
/// too, so that a file system grows once its disk has.
fn mounts(resource: &Neutral) -> Option<Term> {
    let mount = |used: &Use| {
        let of_target = |name: &str| Term::Ref(Ref::attribute(used.target.clone(), name));
        let mut terms = match used.kind {
            "volume" => vec![("volume", of_target("id")), ("size", of_target("size"))],
            "share" => vec![("host", share::host(&used.target))],
            _ => return None,
        };
        let stem = variable_stem(&used.target);
        let readonly = Term::Known(Value::Bool(used.right == Right::Read));
        terms.push(("path", Term::text(format!("/mnt/{}", stem.to_lowercase()))));
        terms.push(("readonly", readonly));
        let terms = terms.into_iter().map(|(name, term)| (name.to_owned(), term));
        Some((stem, Term::map(terms.collect())))
    };
    let mounts: BTreeMap<String, Term> = resource.uses.iter().filter_map(mount).collect();
    (!mounts.is_empty()).then(|| Term::map(mounts))
}

/// What a machine may do with its settings: read them, and say how it went.
pub(crate) fn statements(machine: &Addr) -> Vec<Term> {
    let of = |part: &str, name: &str| Term::Ref(Ref::attribute(machine.part(part, None), name));
    vec![
        role::statement(&["ssm:GetParameter"], vec![of(PART, "parameter_arn")]),
        role::statement(&["s3:GetObject"], vec![of(MAILBOX_PART, "boot_arn")]),
        role::statement(
            &["s3:PutObject"],
            vec![of(MAILBOX_PART, "status_arn"), of(MAILBOX_PART, "logs_arn")],
        ),
    ]
}

/// What a machine is told, apart.
#[derive(Debug, Default)]
struct Told {
    /// For the object: everything but what is secret.
    bundle: Json,
    /// For the parameter.
    secrets: Json,
}

impl Told {
    fn of(make: Make<'_>) -> Result<Told, OpError> {
        let mut environment = connections(make);
        environment.extend(map(make.arg("environment")));
        let (environment, secret_environment) = split(&environment);
        let mut services = serde_json::Map::new();
        let mut secret_services = serde_json::Map::new();
        for (name, service) in map(make.arg("services")) {
            let (own, secret) = split(&map(service.step("environment")));
            services.insert(name.clone(), service_json(make, &name, &service, own)?);
            if !secret.is_empty() {
                secret_services.insert(name, json!({"environment": secret}));
            }
        }
        let bundle = json!({
            "format": "dsenv-boot/1",
            "software": software_json(make)?,
            "environment": environment,
            "services": services,
            "people": make.arg("people").map(dsenv_sdk::value::wire::shown),
            "mounts": mounts_json(make),
        });
        let secrets = json!({"environment": secret_environment, "services": secret_services});
        Ok(Told { bundle, secrets })
    }
}

fn map(value: Option<&Value>) -> Map {
    value.and_then(Value::as_map).cloned().unwrap_or_default()
}

/// What is mounted, as the agent reads it.
fn mounts_json(make: Make<'_>) -> Vec<Json> {
    let text =
        |mount: &Value, name: &str| mount.step(name).and_then(Value::as_text).map(str::to_owned);
    let mount = |mount: &Value| {
        json!({
            "path": text(mount, "path"),
            "volume": text(mount, "volume"),
            "size": text(mount, "size"),
            "nfs": text(mount, "host").map(|host| format!("{host}:/")),
            "readonly": mount.step("readonly").and_then(Value::as_bool).unwrap_or(false),
        })
    };
    map(make.arg("mounts")).values().map(mount).collect()
}

/// Text as it is for a program: what is no text is written as JSON. A literal `${` of a value that
/// comes from elsewhere stays literal.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Text(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Parts variables that are secret from those that are not.
fn split(variables: &Map) -> (serde_json::Map<String, Json>, serde_json::Map<String, Json>) {
    let (mut open, mut secret) = (serde_json::Map::new(), serde_json::Map::new());
    for (name, value) in variables {
        match value {
            Value::Secret(text) => {
                secret.insert(name.clone(), Json::from(text.expose()));
            }
            other => {
                open.extend(plain(other).map(|text| (name.clone(), Json::from(text))));
            }
        }
    }
    (open, secret)
}

/// The variables that `uses` gives: the same names as everywhere. Keys of a bucket are not among
/// them: programs find the machine's role by themselves.
fn connections(make: Make<'_>) -> Map {
    let mut variables = Map::new();
    for (stem, bucket) in map(make.arg("buckets")) {
        for (name, value) in map(Some(&bucket)) {
            variables.insert(format!("{stem}_{}", name.to_uppercase()), literal(&value));
        }
    }
    for (stem, mount) in map(make.arg("mounts")) {
        let path = mount.step("path").cloned().unwrap_or(Value::Null);
        variables.insert(format!("{stem}_PATH"), path);
    }
    for (stem, database) in map(make.arg("databases")) {
        let text = |name: &str| database.step(name).and_then(plain).unwrap_or_default();
        let password = database.step("password").and_then(Value::expose_text).unwrap_or_default();
        let scheme = if text("engine") == "mysql" { "mysql" } else { "postgresql" };
        let (user, host, port, name) = (text("user"), text("host"), text("port"), text("name"));
        // Letters and digits alone: nothing of it has to be escaped in a URL.
        let url = format!("{scheme}://{user}:{password}@{host}:{port}/{name}");
        let secret = |text: String| Value::Secret(dsenv_sdk::Secret::new(text));
        let own = [
            ("URL", secret(url)),
            ("HOST", Value::Text(host)),
            ("PORT", Value::Text(port)),
            ("NAME", Value::Text(name)),
            ("USER", Value::Text(user)),
            ("PASSWORD", secret(password.to_owned())),
        ];
        variables.extend(own.map(|(suffix, value)| (format!("{stem}_{suffix}"), value)));
    }
    variables
}

/// A text in which nothing is to be filled in.
fn literal(value: &Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(text.replace("${", "$${")),
        other => other.clone(),
    }
}

fn service_json(
    make: Make<'_>,
    name: &str,
    service: &Value,
    environment: serde_json::Map<String, Json>,
) -> Result<Json, OpError> {
    let Some(Value::Text(run)) = service.step("run") else {
        let message = format!(
            "`run` of service `{name}` of `{}` holds a secret, and a command line is no secret",
            make.addr
        );
        let error = OpError::new(OpErrorClass::Invalid, message);
        return Err(error.help("give it as a variable: `environment: {TOKEN: ...}`"));
    };
    let health = service.step("health").map(dsenv_sdk::value::wire::shown);
    Ok(json!({
        "run": run,
        "port": service.step("port").and_then(Value::as_int),
        "health": health.filter(|health| !health.is_null()),
        "environment": environment,
    }))
}

fn software_json(make: Make<'_>) -> Result<Json, OpError> {
    let Some(pins) = make.arg("software") else { return Ok(Json::Null) };
    let locked = Locked::from_value(pins)?;
    Ok(json!({
        "python": locked.python,
        "platforms": locked.platforms.to_string(),
        "packages": locked.lines(),
    }))
}

pub(crate) struct Settings;

impl Settings {
    fn name(aws: &Aws, make: Make<'_>) -> String {
        // <https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html>
        format!("/dsenv/{}", tags::unique_name(&aws.owner, make.addr, make.token, 200))
    }

    /// Its name in policies. Not every answer has it.
    async fn arn(aws: &Aws, name: &str) -> Result<String, OpError> {
        let (partition, region, account) = (aws.partition(), &aws.region, aws.account_id().await?);
        Ok(format!("arn:{partition}:ssm:{region}:{account}:parameter{name}"))
    }

    /// Writes both halves; the secrets first, so that nothing starts without them. Tags go with a
    /// parameter that is new.
    async fn write(
        aws: &Aws,
        name: &str,
        make: Make<'_>,
        tags: Option<&Tags>,
    ) -> Result<(), OpError> {
        let Told { bundle, secrets } = Told::of(make)?;
        let put = |tags: Option<Vec<Tag>>| {
            aws.ssm
                .put_parameter()
                .name(name)
                .value(secrets.to_string())
                .r#type(ParameterType::SecureString)
                .tier(ParameterTier::IntelligentTiering)
                .overwrite(tags.is_none())
                .set_tags(tags)
        };
        let doing = "writing secrets of a machine";
        let first = put(tags.map(as_tags).transpose()?).send().await.map_err(|e| failed(doing, e));
        let written = match first {
            // An earlier try has made it, tags and all: its name is ours alone.
            Err(error) if tags.is_some() && error.class == OpErrorClass::Conflict => {
                put(None).send().await.map_err(|e| failed(doing, e))?
            }
            other => other?,
        };
        let text = bundle.to_string();
        let request = aws
            .s3
            .put_object()
            .bucket(make.text("bucket")?)
            .key(BUNDLE_KEY)
            .content_type("application/json")
            .metadata(DIGEST, digest(&text))
            .metadata(SECRETS_VERSION, written.version().to_string())
            .body(ByteStream::from(text.into_bytes()));
        let doing = "writing what a machine is to be";
        let sent = request.send().await.map_err(|e| not_visible_yet(failed(doing, e)));
        // Whatever it was, the parameter is there.
        let (tags, stage) = (Tags::new(), Stage::Partial);
        let half = Live { remote_id: name.to_owned(), tags, stage, values: Map::new() };
        sent.map(drop).map_err(|error| begun(&half, error))
    }

    async fn put_tags(aws: &Aws, name: &str, tags: &Tags) -> Result<(), OpError> {
        let request = aws
            .ssm
            .add_tags_to_resource()
            .resource_type(ResourceTypeForTagging::Parameter)
            .resource_id(name)
            .set_tags(Some(as_tags(tags)?));
        request.send().await.map_err(|e| failed(&format!("tagging {name}"), e))?;
        Ok(())
    }

    /// Looks at one; `None` when it has gone since it was listed.
    async fn look(aws: &Aws, found: &ParameterMetadata) -> Result<Option<Live>, OpError> {
        let name = found.name().unwrap_or_default();
        let doing = format!("looking at {name}");
        let request = aws
            .ssm
            .list_tags_for_resource()
            .resource_type(ResourceTypeForTagging::Parameter)
            .resource_id(name);
        let reply = match request.send().await.map_err(|e| failed(&doing, e)) {
            Err(error) if error.message.contains("InvalidResourceId") => return Ok(None),
            reply => reply?,
        };
        let tags: Tags = tags_in!(reply.tag_list());
        let bucket = tags.get(BUCKET_TAG).cloned().unwrap_or_default();
        let (there, intact) = Settings::bundle_stands(aws, &bucket, found.version()).await?;
        let values = values([
            ("bucket", text(Some(&bucket))),
            ("intact", Some(Value::Bool(intact))),
            ("parameter", text(Some(name))),
            ("parameter_arn", text(Some(&Settings::arn(aws, name).await?))),
        ]);
        let stage = if there { Stage::Ready } else { Stage::Partial };
        Ok(Some(Live { remote_id: name.to_owned(), tags, stage, values }))
    }

    /// Whether the object is there, and whether both halves are what was written: a hand that writes
    /// the object anew leaves the digest out, and one that writes the secrets makes another version.
    async fn bundle_stands(
        aws: &Aws,
        bucket: &str,
        secrets_version: i64,
    ) -> Result<(bool, bool), OpError> {
        if bucket.is_empty() {
            return Ok((false, false));
        }
        let reply = aws.s3.head_object().bucket(bucket).key(BUNDLE_KEY).send().await;
        match reply.map_err(|e| failed("looking at what a machine is to be", e)) {
            Ok(reply) => {
                let said = |name: &str| reply.metadata().and_then(|metadata| metadata.get(name));
                let written_with = said(SECRETS_VERSION).and_then(|it| it.parse().ok());
                Ok((true, said(DIGEST).is_some() && written_with == Some(secrets_version)))
            }
            Err(error) if error.class == OpErrorClass::NotFound => Ok((false, false)),
            Err(error) => Err(error),
        }
    }

    async fn describe(
        aws: &Aws,
        filter: ParameterStringFilter,
    ) -> Result<Vec<ParameterMetadata>, OpError> {
        let mut found = Vec::new();
        let request = aws.ssm.describe_parameters().parameter_filters(filter);
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| failed("looking at parameters", e))?;
            found.extend(page.parameters.unwrap_or_default());
        }
        Ok(found)
    }
}

fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

fn as_tags(tags: &Tags) -> Result<Vec<Tag>, OpError> {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    let tags: Result<Vec<Tag>, _> = tags.iter().map(tag).collect();
    tags.map_err(|e| OpError::new(OpErrorClass::Invalid, "a tag cannot be written").caused_by(&e))
}

#[async_trait]
impl Object for Settings {
    fn ty(&self) -> &'static NativeType {
        &SETTINGS
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["s3:GetObject", "ssm:DescribeParameters", "ssm:ListTagsForResource"],
            create: &["s3:PutObject", "ssm:AddTagsToResource", "ssm:PutParameter"],
            update: &[
                "s3:PutObject",
                "ssm:AddTagsToResource",
                "ssm:PutParameter",
                "ssm:RemoveTagsFromResource",
            ],
            delete: &["ssm:DeleteParameter"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let filter = |key: String, values: Vec<String>| {
            let filter = ParameterStringFilter::builder().key(key).set_values(Some(values));
            filter.build().map_err(|e| {
                OpError::new(OpErrorClass::Invalid, "a filter cannot be built").caused_by(&e)
            })
        };
        let tag = |name: &str, value: &str| filter(format!("tag:{name}"), vec![value.to_owned()]);
        let mut found = Vec::new();
        match select {
            Select::Owner(lineage) => {
                let blueprint = tags::encode(&aws.owner.blueprint);
                found = match lineage {
                    Some(lineage) => Settings::describe(aws, tag(tags::LINEAGE, lineage)?).await?,
                    None => Settings::describe(aws, tag(tags::BLUEPRINT, &blueprint)?).await?,
                };
            }
            Select::Token(token) => {
                found = Settings::describe(aws, tag(tags::TOKEN, token.as_str())?).await?;
            }
            Select::Ids(ids) => {
                // <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterStringFilter.html>
                for ids in ids.chunks(50) {
                    let names = ids.iter().map(|id| (*id).to_owned()).collect();
                    found.extend(Settings::describe(aws, filter("Name".to_owned(), names)?).await?);
                }
            }
        }
        let looks = found.iter().map(|found| Settings::look(aws, found));
        let mut found: Vec<Live> = try_join_all(looks).await?.into_iter().flatten().collect();
        if let Select::Owner(lineage) = select {
            found.retain(|live| tags::is_owned(&live.tags, &aws.owner, lineage));
        }
        Ok(found)
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let name = Settings::name(aws, make);
        let mut tags = tags::all(aws, make.addr, SETTINGS.name, make.token, tags_of(make.args));
        tags.insert(BUCKET_TAG.to_owned(), make.text("bucket")?.to_owned());
        Settings::write(aws, &name, make, Some(&tags)).await?;
        let values = values([
            ("bucket", make.arg("bucket").cloned()),
            ("intact", Some(Value::Bool(true))),
            ("parameter", text(Some(&name))),
            ("parameter_arn", text(Some(&Settings::arn(aws, &name).await?))),
        ]);
        Ok(Live { remote_id: name, tags, stage: Stage::Ready, values })
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let name = &change.observed.remote_id;
        Settings::write(aws, name, change.make, None).await?;
        let (before, after) = (tags_of(change.prior_args), tags_of(change.make.args));
        let gone = dropped(&before, &after);
        if !gone.is_empty() {
            let request = aws
                .ssm
                .remove_tags_from_resource()
                .resource_type(ResourceTypeForTagging::Parameter)
                .resource_id(name)
                .set_tag_keys(Some(gone));
            request.send().await.map_err(|e| failed(&format!("untagging {name}"), e))?;
        }
        if !after.is_empty() {
            Settings::put_tags(aws, name, &after).await?;
        }
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        // The object goes with its bucket.
        let request = aws.ssm.delete_parameter().name(remove.remote_id());
        request.send().await.map_err(|e| failed("deleting secrets of a machine", e))?;
        Ok(true)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        Settings::put_tags(aws, remote_id, tags).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsenv_sdk::Secret;
    use dsenv_sdk::provider::Token;

    fn told(args: &Map) -> Result<Told, OpError> {
        let addr = Addr::resource("notebook");
        let token = Token::new("l", &addr, 1);
        Told::of(Make { addr: &addr, ty: &SETTINGS, token: &token, args, again: false })
    }

    fn one(name: &str, value: Value) -> Value {
        Value::Map(Map::from([(name.to_owned(), value)]))
    }

    #[test]
    fn what_is_secret_is_told_apart() {
        let secret = || Value::Secret(Secret::new("hunter2"));
        let service = Value::Map(Map::from([
            ("run".to_owned(), Value::text("serve ${self.address}")),
            ("environment".to_owned(), one("KEY", secret())),
        ]));
        let database = Value::Map(Map::from([
            ("host".to_owned(), Value::text("h")),
            ("port".to_owned(), Value::Int(5_432)),
            ("name".to_owned(), Value::text("n")),
            ("user".to_owned(), Value::text("u")),
            ("engine".to_owned(), Value::text("postgres")),
            ("password".to_owned(), secret()),
        ]));
        let args = Map::from([
            ("environment".to_owned(), one("TOKEN", secret())),
            ("services".to_owned(), one("web", service)),
            ("databases".to_owned(), one("STORE", database)),
        ]);
        let Told { bundle, secrets } = told(&args).expect("it can be told");
        assert!(!bundle.to_string().contains("hunter2"), "{bundle}");
        assert_eq!(bundle["environment"]["STORE_PORT"], "5432");
        assert_eq!(secrets["environment"]["STORE_URL"], "postgresql://u:hunter2@h:5432/n");
        assert_eq!(secrets["environment"]["TOKEN"], "hunter2");
        assert_eq!(secrets["services"]["web"]["environment"]["KEY"], "hunter2");
    }

    #[test]
    fn a_secret_on_a_command_line_is_refused() {
        let run = one("run", Value::Secret(Secret::new("serve --token hunter2")));
        let args = Map::from([("services".to_owned(), one("web", run))]);
        let error = told(&args).expect_err("it is refused");
        assert!(!error.message.contains("hunter2"), "{error}");
    }

    #[test]
    fn what_is_mounted_is_told_with_its_variable() {
        let mount = |pairs: &[(&str, Value)]| {
            Value::Map(pairs.iter().map(|(name, it)| ((*name).to_owned(), it.clone())).collect())
        };
        let data = mount(&[
            ("path", Value::text("/mnt/data")),
            ("volume", Value::text("vol-1")),
            ("size", Value::text("20GiB")),
            ("readonly", Value::Bool(false)),
        ]);
        let files = mount(&[
            ("path", Value::text("/mnt/files")),
            ("host", Value::text("fs-1.efs.us-east-1.amazonaws.com")),
            ("readonly", Value::Bool(true)),
        ]);
        let both = mount(&[("DATA", data), ("FILES", files)]);
        let Told { bundle, .. } =
            told(&Map::from([("mounts".to_owned(), both)])).expect("it can be told");
        assert_eq!(bundle["environment"]["DATA_PATH"], "/mnt/data");
        assert_eq!(bundle["environment"]["FILES_PATH"], "/mnt/files");
        let expected = json!([
            {"path": "/mnt/data", "volume": "vol-1", "size": "20GiB", "nfs": null,
             "readonly": false},
            {"path": "/mnt/files", "volume": null, "size": null,
             "nfs": "fs-1.efs.us-east-1.amazonaws.com:/", "readonly": true},
        ]);
        assert_eq!(bundle["mounts"], expected);
    }

    #[test]
    fn nothing_is_filled_in_where_it_comes_from_elsewhere() {
        let bucket = one("url", Value::text("s3://a-${b}"));
        let args = Map::from([("buckets".to_owned(), one("LAKE", bucket))]);
        let Told { bundle, .. } = told(&args).expect("it can be told");
        assert_eq!(bundle["environment"]["LAKE_URL"], "s3://a-$${b}");
    }
}
