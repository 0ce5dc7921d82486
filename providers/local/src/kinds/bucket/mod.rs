//! `bucket`: a bucket of the environment's S3 endpoint; a grant on it is a key.
//!
//! The endpoint is one task of the supervisor for all buckets of the environment, started with the
//! first and ended with the last. It has the store open, so what is done to buckets is asked of it:
//! see `control`.

mod control;
mod endpoint;
mod key;

use super::{LocalKind, Object, Service, refuses, substitutes};
use crate::environment::{Environment, Record, disk_error};
use crate::s3::{BucketSettings, Expire};
use async_trait::async_trait;
use dsenv_sdk::OpError;
use dsenv_sdk::provider::{
    DataFate, Finding, Native, Neutral, OnDestroy, OpErrorClass, Surroundings, Watch,
};
use dsenv_sdk::schema::{Attribute, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Key as AddrKey, Term};
use std::collections::BTreeMap;

pub(super) use endpoint::EndpointHost;
pub(super) use key::{KEY, Key, key_args};

pub(super) const KIND: LocalKind =
    LocalKind { name: "bucket", check, wants: |_| Vec::new(), lower };

/// What requests are signed for; any would do, and this one is every client's default.
const REGION: &str = "us-east-1";

fn check(resource: &Neutral) -> Vec<Finding> {
    let mut findings = Vec::new();
    if resource.fields.get("encrypted").and_then(Term::known) == Some(&Value::Bool(true)) {
        findings.push(substitutes(
            &["encrypted"],
            "on local objects lie in a folder of this user's alone, as encrypted as the disk is",
        ));
    }
    if resource.fields.contains_key("immutable_days") {
        findings.push(substitutes(
            &["immutable_days"],
            "on local nothing keeps whoever owns this account from deleting what is immutable",
        ));
    }
    if resource.on_destroy == OnDestroy::Snapshot {
        let help = "write `on_destroy: retain`, which keeps its folder, or `delete`";
        let message = "local cannot keep a last copy of a bucket";
        findings.push(refuses(&["on_destroy"], message, help));
    }
    findings
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let name = bucket_name(around.blueprint, around.environment, &resource.addr);
    let mut args = BTreeMap::from([("bucket".to_owned(), Term::text(name))]);
    for field in ["versioning", "expire"] {
        if let Some(term) = resource.fields.get(field) {
            args.insert(field.to_owned(), term.clone());
        }
    }
    vec![Native { part: None, ty: BUCKET.name, args, after: Vec::new() }]
}

/// `workbench-dev-lake`: lower-case letters, digits and hyphens, at most 63 of them. Where
/// characters are lost, a hash keeps two names apart.
fn bucket_name(blueprint: &str, environment: &str, addr: &Addr) -> String {
    const LENGTH_MAX: usize = 63;
    let mut plain = format!("{blueprint}-{environment}-{}", addr.name).replace('_', "-");
    // A member and a resource may read alike: `lake["raw"]` and `lake_raw`.
    let of_member = addr.key.is_some();
    match &addr.key {
        Some(AddrKey::Text(key)) => plain += &format!("-{key}"),
        Some(AddrKey::Index(key)) => plain += &format!("-{key}"),
        None => {}
    }
    let mut name: String = plain
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    if of_member || name != plain || name.len() > LENGTH_MAX || name.ends_with('-') {
        let hash = blake3::hash(format!("{blueprint} {environment} {addr}").as_bytes()).to_hex();
        name.truncate(LENGTH_MAX - 9);
        name = format!("{}-{}", name.trim_end_matches('-'), &hash[..8]);
    }
    name
}

/// The native type.
pub(super) const BUCKET: NativeType = NativeType {
    name: "local.bucket",
    doc: "A bucket of the environment's S3 endpoint on loopback.",
    fields: &[
        Field::new("bucket", Type::Text, "Its name at the endpoint.").required().kept(),
        Field::new("versioning", Type::Bool, "Whether overwritten and deleted objects are kept."),
        Field::new("expire", Type::Any, "Which objects are deleted by themselves, and when."),
    ],
    attributes: &[
        Attribute::new("name", "The bucket's name at its endpoint."),
        Attribute::new("url", "`s3://` and the name."),
        Attribute::new("endpoint", "Where its S3 interface answers."),
        Attribute::new("region", "The region that requests are signed for."),
    ],
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: true,
};

pub(super) struct Bucket;

/// What the endpoint is told of a bucket.
fn settings(args: &Map) -> Result<BucketSettings, OpError> {
    let wrong = || OpError::new(OpErrorClass::Invalid, "`expire` is a list of `prefix` and `days`");
    let mut expire = Vec::new();
    for rule in args.get("expire").and_then(Value::as_list).unwrap_or_default() {
        let days = rule.step("days").and_then(Value::as_int).ok_or_else(wrong)?;
        let prefix = rule.step("prefix").and_then(Value::as_text).unwrap_or_default().to_owned();
        expire.push(Expire { prefix, days: u32::try_from(days).map_err(|_| wrong())? });
    }
    expire.sort();
    expire.dedup();
    let versioning = args.get("versioning").and_then(Value::as_bool).unwrap_or(false);
    Ok(BucketSettings { versioning, expire })
}

fn name(record: &Record) -> &str {
    record.arg_text("bucket").unwrap_or_default()
}

/// The arguments that differ from the endpoint's, as it has them: drift.
fn drifted(record: &Record, found: &BucketSettings) -> Result<Map, OpError> {
    let wanted = settings(&record.args)?;
    let mut values = Map::new();
    if found.versioning != wanted.versioning {
        values.insert("versioning".to_owned(), Value::Bool(found.versioning));
    }
    if found.expire != wanted.expire {
        let rule = |rule: &Expire| {
            Value::Map(Map::from([
                ("prefix".to_owned(), Value::text(rule.prefix.clone())),
                ("days".to_owned(), Value::Int(i64::from(rule.days))),
            ]))
        };
        let rules = found.expire.iter().map(rule).collect();
        values.insert("expire".to_owned(), Value::List(rules));
    }
    Ok(values)
}

/// Refuses a name that another object has: one that was retained, and whose data this one must not
/// take over by accident.
fn refuse_second(env: &Environment, record: &Record) -> Result<(), OpError> {
    let buckets = env.records.of_type(BUCKET.name).map_err(disk_error)?;
    let other = buckets.iter().find(|it| it.token != record.token && name(it) == name(record));
    let Some(other) = other else { return Ok(()) };
    let message = format!("there is a bucket `{}` already, made for `{}`", name(other), other.addr);
    let help = format!("import it: its id is `{}`", other.remote_id);
    Err(OpError::new(OpErrorClass::Conflict, message).help(help))
}

#[async_trait]
impl Object for Bucket {
    fn ty(&self) -> &'static NativeType {
        &BUCKET
    }

    async fn make(
        &self,
        env: &Environment,
        record: &mut Record,
        watch: Watch<'_>,
    ) -> Result<(), OpError> {
        let settings = settings(&record.args)?;
        refuse_second(env, record)?;
        watch("waiting for the S3 endpoint");
        let url = endpoint::ensure(env).await?;
        control::ensure_bucket(env, name(record), &settings).await?;
        record.values = Map::from([
            ("name".to_owned(), Value::text(name(record))),
            ("url".to_owned(), Value::text(format!("s3://{}", name(record)))),
            ("endpoint".to_owned(), Value::text(url)),
            ("region".to_owned(), Value::text(REGION)),
        ]);
        Ok(())
    }

    async fn look(
        &self,
        env: &Environment,
        records: &[Record],
    ) -> Result<Vec<Option<Map>>, OpError> {
        let names: Vec<&str> = records.iter().map(name).collect();
        let found = control::settings_of(env, &names).await?;
        let mut seen = Vec::new();
        for (record, found) in records.iter().zip(found) {
            let Some(found) = found else {
                seen.push(None);
                continue;
            };
            let mut values = record.values.clone();
            values.extend(drifted(record, &found)?);
            seen.push(Some(values));
        }
        Ok(seen)
    }

    async fn remove(
        &self,
        env: &Environment,
        record: &Record,
        data: DataFate,
        _watch: Watch<'_>,
    ) -> Result<(), OpError> {
        if data == DataFate::Snapshot {
            let message = "local cannot keep a last copy of a bucket";
            return Err(OpError::new(OpErrorClass::Invalid, message));
        }
        // The last one goes with its store, whether that can be opened or not.
        if endpoint::end_with_last(env, &record.token).await? == endpoint::Left::Nothing {
            return Ok(());
        }
        // A name that was refused at creation is another object's.
        if env.dir.join(endpoint::STORE).exists() && refuse_second(env, record).is_ok() {
            control::delete_bucket(env, name(record)).await?;
        }
        endpoint::forget(env, &record.token).await
    }

    async fn restore(&self, env: &Environment, record: &Record) -> Result<(), OpError> {
        endpoint::restore(env, record).await
    }

    fn services(&self, env: &Environment, record: &Record) -> Vec<Service> {
        vec![Service {
            name: "s3".to_owned(),
            unit: endpoint::UNIT.to_owned(),
            log: endpoint::log(env),
            url: record.value_text("endpoint").map(str::to_owned),
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_s3_takes_and_two_addresses_never_share_one() {
        let name = |addr: &str| bucket_name("work_bench", "dev", &addr.parse().expect("address"));
        assert_eq!(name("lake"), "work-bench-dev-lake");
        assert_eq!(name("my_lake"), "work-bench-dev-my-lake");
        assert_ne!(name("lake[\"raw\"]"), name("lake_raw"));
        assert_ne!(name("lake[\"A\"]"), name("lake[\"a\"]"));
        assert_ne!(name("lake[\"a_b\"]"), name("lake[\"a-b\"]"));
        let long = name(&"l".repeat(90));
        assert!(long.len() <= 63 && s3s::path::check_bucket_name(&long), "{long}");
    }

    #[test]
    fn rules_are_compared_in_order_and_without_repetition() {
        let rule = |prefix: &str| {
            Value::Map(Map::from([
                ("prefix".to_owned(), Value::text(prefix)),
                ("days".to_owned(), Value::Int(3)),
            ]))
        };
        let list = |prefixes: &[&str]| {
            let rules = prefixes.iter().map(|prefix| rule(prefix)).collect();
            settings(&Map::from([("expire".to_owned(), Value::List(rules))])).expect("settings")
        };
        assert_eq!(list(&["b", "a", "b"]), list(&["a", "b"]));
    }
}
