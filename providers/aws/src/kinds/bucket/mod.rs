//! `bucket`: an S3 bucket that only this account reaches, and only by TLS.
//!
//! ```text
//! lake (aws.bucket)
//! ```
//! Its settings are calls of their own in S3, so a bucket may be there and half set: `settings` says
//! what there is to set, `object` puts and looks, `emptying` deletes.

mod emptying;
mod object;
mod settings;

pub(crate) use object::Bucket;

use super::{AwsKind, TAGS, args, refuses, substitutes};
use dsenv_sdk::Term;
use dsenv_sdk::provider::{Finding, Native, Neutral, OnDestroy, Surroundings};
use dsenv_sdk::reading;
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::{Map, Value};

pub(super) const KIND: AwsKind = AwsKind { name: "bucket", check, wants: |_, _| Vec::new(), lower };

const FIELDS: &[Field] = &[
    Field::new("versioning", Type::Bool, "Whether overwritten and deleted objects are kept."),
    Field::new("expire", Type::Any, "Which objects are deleted by themselves, and when.")
        .unordered(),
    Field::new(
        "immutable_days",
        Type::Int { min: 1, max: 36_500 },
        "For how many days nobody may delete or overwrite a new version of an object.",
    )
    .class(Class::Policy),
    Field::new(
        "guarded",
        Type::Bool,
        "Whether encryption, the public access block, ownership and the TLS-only policy are as \
         dsenv sets them.",
    )
    .class(Class::Policy),
    TAGS,
];

/// A bucket of the user's.
pub(crate) const BUCKET: NativeType = NativeType {
    name: "aws.bucket",
    doc: "An S3 bucket: encrypted, closed to the public, reached by TLS alone.",
    fields: FIELDS,
    attributes: &[
        Attribute::new("name", "The bucket's name at its endpoint."),
        Attribute::new("url", "`s3://` and the name."),
        Attribute::new("endpoint", "Where its S3 interface answers."),
        Attribute::new("region", "The region that requests are signed for."),
        Attribute::new("arn", "Its name in policies."),
        Attribute::new("objects_arn", "What is in it, in policies."),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: true,
};

/// The bucket by which a machine is told what to be, and tells how it went.
pub(crate) const MAILBOX: NativeType = NativeType {
    name: "aws.mailbox",
    doc: "The bucket by which a machine is told what to be, and tells how it went.",
    attributes: &[
        Attribute::new("name", "The bucket's name."),
        Attribute::new("boot_arn", "What a machine is told, in policies."),
        Attribute::new("status_arn", "Where machines say how they are."),
        Attribute::new("logs_arn", "Where machines put their logs."),
    ],
    // What is in it is written anew, and logs are no one's data.
    holds_data: false,
    ..BUCKET
};

fn check(resource: &Neutral, _: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let field = |name: &str| resource.fields.get(name);
    if field("encrypted").and_then(Term::known) == Some(&Value::Bool(false)) {
        findings.push(substitutes(
            &["encrypted"],
            "on aws objects are encrypted all the same: S3 does so since January 2023, and nobody \
             can switch it off",
        ));
    }
    let set = |term: &&Term| term.known() != Some(&Value::Null);
    let versioned = field("versioning").and_then(Term::known) == Some(&Value::Bool(true));
    if field("immutable_days").filter(set).is_some() && !versioned {
        let message =
            "on aws what is immutable is a version of an object, and this bucket has none";
        findings.push(refuses(&["immutable_days"], message, "write `versioning: true` beside it"));
    }
    findings.extend(reading::check_expire(resource));
    if resource.on_destroy == OnDestroy::Snapshot {
        let help = "write `on_destroy: retain`, which keeps the bucket, or `delete`";
        findings.push(refuses(&["on_destroy"], "aws cannot keep a last copy of a bucket", help));
    }
    findings
}

fn lower(resource: &Neutral, _: &Surroundings<'_>) -> Vec<Native> {
    let field = |name: &str| resource.fields.get(name).cloned();
    let expire =
        field("expire").and_then(|term| reading::expire(&term)).filter(|rules| !rules.is_empty());
    let args = args([
        ("versioning", field("versioning")),
        ("expire", expire.map(Term::list)),
        ("immutable_days", field("immutable_days")),
        ("guarded", Some(Term::Known(Value::Bool(true)))),
    ]);
    vec![Native { part: None, ty: BUCKET.name, args, after: Vec::new() }]
}

/// One rule of `expire` as a value.
fn rule(prefix: &str, days: i32) -> Value {
    let days = Value::Int(days.into());
    Value::Map(Map::from([("prefix".into(), Value::text(prefix)), ("days".into(), days)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests_of_kinds::{findings, natives, neutral};
    use expect_test::{Expect, expect};

    fn checked(fields: &[(&str, Value)], on_destroy: OnDestroy, expected: Expect) {
        let resource = Neutral { on_destroy, ..neutral("lake", "bucket", fields) };
        expected.assert_eq(&findings(check, &resource));
    }

    #[test]
    fn a_bucket_is_one_node_and_always_guarded() {
        let expire = Value::List(vec![
            Value::Map(Map::from([("days".into(), Value::Int(3))])),
            rule("tmp/", 30),
            rule("tmp/", 30),
        ]);
        let fields = [("versioning", Value::Bool(true)), ("expire", expire)];
        let resource = neutral("lake", "bucket", &fields);
        expect![[r#"
            lake: aws.bucket
              expire = [{days: 3, prefix: ""}, {days: 30, prefix: "tmp/"}]
              guarded = true
              versioning = true
        "#]]
        .assert_eq(&natives(lower, &resource));
    }

    #[test]
    fn what_s3_cannot_do_is_refused_or_said() {
        checked(
            &[("immutable_days", Value::Int(7)), ("encrypted", Value::Bool(false))],
            OnDestroy::Snapshot,
            expect![[r#"
                encrypted: substitutes: on aws objects are encrypted all the same: S3 does so since January 2023, and nobody can switch it off
                immutable_days: refuses: on aws what is immutable is a version of an object, and this bucket has none (write `versioning: true` beside it)
                on_destroy: refuses: aws cannot keep a last copy of a bucket (write `on_destroy: retain`, which keeps the bucket, or `delete`)
            "#]],
        );
        checked(
            &[("immutable_days", Value::Int(7)), ("versioning", Value::Bool(true))],
            OnDestroy::Retain,
            expect![""],
        );
    }
}
