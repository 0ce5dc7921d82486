//! What there is to set on a bucket, as arguments and in the words of S3. Pure.

use super::rule;
use crate::object::values;
use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule, PublicAccessBlockConfiguration, ServerSideEncryption,
    ServerSideEncryptionConfiguration,
};
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;
use dsenv_sdk::value::{Map, Value};
use serde_json::{Value as Json, json};

/// How a bucket is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) versioning: bool,
    /// Sorted, none twice.
    pub(super) expire: Vec<Expire>,
    pub(super) immutable_days: Option<i32>,
    /// Whether all that is never asked about is as it must be.
    pub(super) guarded: bool,
}

/// One rule by which objects are deleted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Expire {
    /// Objects whose key begins so, that long after they were written.
    Rule(String, i32),
    /// One that dsenv never writes, by its name.
    Foreign(String),
}

impl Settings {
    /// Reads arguments, or an observation: they have the same names.
    pub(super) fn of(args: &Map) -> Result<Settings, OpError> {
        let wrong = |message: &str| OpError::new(OpErrorClass::Invalid, message);
        let flag = |name: &str| args.get(name).and_then(Value::as_bool).unwrap_or(false);
        let int = |value: &Value| value.as_int().and_then(|days| i32::try_from(days).ok());
        let mut expire = Vec::new();
        for item in args.get("expire").and_then(Value::as_list).unwrap_or_default() {
            if let Some(name) = item.as_text() {
                expire.push(Expire::Foreign(name.to_owned()));
                continue;
            }
            let days = item.step("days").and_then(int);
            let days = days.ok_or_else(|| wrong("`expire` is a list of `prefix` and `days`"))?;
            let prefix = item.step("prefix").and_then(Value::as_text).unwrap_or_default();
            expire.push(Expire::Rule(prefix.to_owned(), days));
        }
        expire.sort();
        expire.dedup();
        let immutable_days = args.get("immutable_days").and_then(int);
        let (versioning, guarded) = (flag("versioning"), flag("guarded"));
        Ok(Settings { versioning, expire, immutable_days, guarded })
    }

    /// The arguments that they are. What is not set is told as nothing: that it is gone is drift.
    pub(super) fn values(&self) -> Map {
        let expire = self.expire.iter().map(|it| match it {
            Expire::Rule(prefix, days) => rule(prefix, *days),
            Expire::Foreign(name) => Value::text(name.clone()),
        });
        let expire: Vec<Value> = expire.collect();
        let expire = if expire.is_empty() { Value::Null } else { Value::List(expire) };
        let days = self.immutable_days.map_or(Value::Null, |days| Value::Int(days.into()));
        values([
            ("versioning", Some(Value::Bool(self.versioning))),
            ("expire", Some(expire)),
            ("immutable_days", Some(days)),
            ("guarded", Some(Value::Bool(self.guarded))),
        ])
    }
}

// ---------------------------------------------------------------- in the words of S3

pub(super) fn is_versioned(status: Option<&BucketVersioningStatus>) -> bool {
    status == Some(&BucketVersioningStatus::Enabled)
}

/// The rules as S3 takes them.
///
/// Where objects have versions, what expires is hidden behind a delete marker and kept, as
/// `versioning` promises.
pub(super) fn lifecycle(rules: &[Expire]) -> Vec<LifecycleRule> {
    let rules = rules.iter().filter_map(|it| match it {
        Expire::Rule(prefix, days) => Some((prefix, *days)),
        Expire::Foreign(_) => None,
    });
    let rule = |(at, (prefix, days)): (usize, (&String, i32))| {
        LifecycleRule::builder()
            .id(format!("dsenv-{at}"))
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
            .expiration(LifecycleExpiration::builder().days(days).build())
            .build()
            .expect("a rule with a status")
    };
    rules.enumerate().map(rule).collect()
}

/// The rules as S3 has them.
pub(super) fn expire(rules: &[LifecycleRule]) -> Vec<Expire> {
    let mut rules: Vec<Expire> = rules.iter().map(read_rule).collect();
    rules.sort();
    rules.dedup();
    rules
}

fn read_rule(rule: &LifecycleRule) -> Expire {
    let days = rule.expiration().and_then(LifecycleExpiration::days);
    let prefix = rule.filter().and_then(LifecycleRuleFilter::prefix).unwrap_or_default();
    let id = rule.id().unwrap_or_default();
    if let Some(days) = days
        && let Some(mut ours) = lifecycle(&[Expire::Rule(prefix.to_owned(), days)]).pop()
    {
        ours.id = rule.id.clone();
        // Whatever else it may have: it is ours when it is what we would write.
        if ours == plain(rule) {
            return Expire::Rule(prefix.to_owned(), days);
        }
    }
    Expire::Foreign(format!("rule `{id}`, which dsenv did not write"))
}

/// The same rule, where S3 has two ways of saying it: an empty prefix and none, `false` and nothing.
fn plain(rule: &LifecycleRule) -> LifecycleRule {
    let mut rule = rule.clone();
    let mut filter = rule.filter.unwrap_or_else(|| LifecycleRuleFilter::builder().build());
    filter.prefix.get_or_insert_default();
    rule.filter = Some(filter);
    if let Some(expiration) = &mut rule.expiration {
        expiration.expired_object_delete_marker.take_if(|on| !*on);
    }
    rule
}

/// The lock that keeps new versions for so many days; with none, the bucket can have locks and new
/// versions get none: once on, it cannot be taken off a bucket.
pub(super) fn lock(days: Option<i32>) -> ObjectLockConfiguration {
    let rule = days.map(|days| {
        // `GOVERNANCE` may be bypassed by whoever has the permission: that is not "nobody".
        let mode = ObjectLockRetentionMode::Compliance;
        let retention = DefaultRetention::builder().mode(mode).days(days).build();
        ObjectLockRule::builder().default_retention(retention).build()
    });
    let lock = ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled);
    lock.set_rule(rule).build()
}

/// For how many days new versions are kept from everybody.
pub(super) fn immutable_days(lock: &ObjectLockConfiguration) -> Option<i32> {
    let retention = lock.rule()?.default_retention()?;
    if retention.mode() != Some(&ObjectLockRetentionMode::Compliance) {
        return None;
    }
    let years = retention.years().filter(|years| *years > 0);
    let days = retention.days().filter(|days| *days > 0);
    days.or_else(|| years.map(|years| years.saturating_mul(365)))
}

pub(super) fn is_encrypted(encryption: &ServerSideEncryptionConfiguration) -> bool {
    let rules = encryption.rules().iter();
    let mut defaults = rules.filter_map(|it| it.apply_server_side_encryption_by_default());
    defaults.any(|it| *it.sse_algorithm() == ServerSideEncryption::Aes256)
}

pub(super) fn public_access_block() -> PublicAccessBlockConfiguration {
    PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .block_public_policy(true)
        .ignore_public_acls(true)
        .restrict_public_buckets(true)
        .build()
}

/// The bucket's name in policies: <https://docs.aws.amazon.com/general/latest/gr/aws-arns-and-namespaces.html>
pub(super) fn arn(region: &str, name: &str) -> String {
    let partition = crate::clients::partition(region);
    format!("arn:{partition}:s3:::{name}")
}

/// Refuses whoever does not come by TLS:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html>
pub(super) fn policy(arn: &str) -> Json {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, format!("{arn}/*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }],
    })
}

/// Says whether a policy is that one and nothing more: a statement that somebody added opens the
/// bucket to somebody, and no blueprint says to whom.
pub(super) fn is_policy(text: &str, arn: &str) -> bool {
    let Ok(mut seen) = serde_json::from_str::<Json>(text) else { return false };
    // The two ways of writing "everybody" are one.
    for statement in seen["Statement"].as_array_mut().into_iter().flatten() {
        if statement["Principal"] == json!({"AWS": "*"}) {
            statement["Principal"] = json!("*");
        }
    }
    seen == policy(arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_survive_the_way_to_s3_and_back() {
        let settings = Settings {
            versioning: true,
            expire: vec![Expire::Rule(String::new(), 3), Expire::Rule("tmp/".to_owned(), 30)],
            immutable_days: Some(7),
            guarded: true,
        };
        assert_eq!(Settings::of(&settings.values()).expect("settings"), settings);
        assert_eq!(expire(&lifecycle(&settings.expire)), settings.expire);
        assert_eq!(immutable_days(&lock(Some(7))), Some(7));
        assert_eq!(immutable_days(&lock(None)), None);
    }

    #[test]
    fn a_rule_that_does_more_is_not_ours() {
        let mut rules = lifecycle(&[Expire::Rule("a".to_owned(), 1)]);
        rules[0].status = ExpirationStatus::Disabled;
        let seen = expire(&rules);
        assert_eq!(seen, [Expire::Foreign("rule `dsenv-0`, which dsenv did not write".to_owned())]);
        let settings = Settings { expire: seen, ..Settings::default() };
        assert_eq!(Settings::of(&settings.values()).expect("settings"), settings);
    }

    #[test]
    fn a_policy_with_another_statement_is_another() {
        let arn = arn("us-east-1", "lake");
        let mut text = policy(&arn);
        assert!(is_policy(&text.to_string(), &arn));
        text["Statement"][0]["Principal"] = json!({"AWS": "*"});
        assert!(is_policy(&text.to_string(), &arn));
        let open = json!({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": arn});
        text["Statement"].as_array_mut().expect("a list").push(open);
        assert!(!is_policy(&text.to_string(), &arn));
        assert!(!is_policy("", &arn));
    }
}
