//! `bucket`: a bucket of Cloud Storage in the environment's region, closed to the public.
//!
//! ```text
//! lake (gcp.bucket)
//! ```
//! Rights on it are bindings (uniform access), and nothing in it can be made public, by whomever. What is
//! deleted is gone: the soft delete that Cloud Storage has by itself is off, because it is charged for.
//! Programs speak S3 to it, by the interface that Cloud Storage has for that.

use super::{GcpKind, args, flag, int};
use crate::labels::LABELS;
use crate::regions;
use dsenv_sdk::Term;
use dsenv_sdk::provider::{
    Finding, Native, Neutral, OnDestroy, Surroundings, refuses, substitutes,
};
use dsenv_sdk::reading;
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::Value;
use std::collections::BTreeMap;

pub(crate) const KIND: GcpKind = GcpKind { name: "bucket", check, wants: |_, _| Vec::new(), lower };

/// The storage class, in the words of the API and of the price book.
pub(crate) const CLASS: &str = "STANDARD";

const FIELDS: &[Field] = &[
    Field::new("location", Type::Text, "Where it is: a region.")
        .required()
        .replaces()
        .class(Class::Bind),
    Field::new("storage_class", Type::Choice(&[CLASS]), "The class of new objects.").required(),
    Field::new("uniform_access", Type::Bool, "Whether rights are on the bucket and on no object.")
        .required(),
    Field::new("public_access_prevention", Type::Choice(&["enforced"]), "That nothing is public.")
        .required(),
    Field::new("versioning", Type::Bool, "Whether overwritten and deleted objects are kept.")
        .required(),
    Field::new("expire", Type::Any, "Which objects are deleted by themselves, and when.").unordered(),
    Field::new(
        "retention_days",
        Type::Int { min: 1, max: 36_500 },
        "For how many days nobody may delete or overwrite an object. The policy is locked: it can be \
         made longer, never shorter.",
    )
    .class(Class::Policy)
    .of("immutable_days"),
    Field::new(
        "soft_delete_days",
        Type::Int { min: 0, max: 90 },
        "For how many days what was deleted can be had back.",
    )
    .required(),
    LABELS,
];

/// A bucket of the user's.
pub(crate) const BUCKET: NativeType = NativeType {
    name: "gcp.bucket",
    doc: "A bucket of Cloud Storage: encrypted, closed to the public.",
    fields: FIELDS,
    attributes: &[
        Attribute::new("name", "The bucket's name at its endpoint."),
        Attribute::new("url", "`s3://` and the name."),
        Attribute::new("endpoint", "Where its S3 interface answers."),
        Attribute::new("region", "The region that requests are signed for."),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: true,
};

/// The bucket by which a machine is told what to be, and tells how it went.
pub(crate) const MAILBOX: NativeType = NativeType {
    name: "gcp.mailbox",
    doc: "The bucket by which a machine is told what to be, and tells how it went.",
    attributes: &[Attribute::new("name", "The bucket's name.")],
    // What is in it is written anew, and logs are no one's data.
    holds_data: false,
    ..BUCKET
};

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = regions::check(resource, around).into_iter().collect();
    let field = |name: &str| resource.fields.get(name);
    if field("encrypted").and_then(Term::known) == Some(&Value::Bool(false)) {
        let message = "on gcp objects are encrypted all the same: Cloud Storage does so, and nobody can switch it off";
        findings.push(substitutes(&["encrypted"], message));
    }
    let set = |term: &&Term| term.known() != Some(&Value::Null);
    let versioned = field("versioning").and_then(Term::known) == Some(&Value::Bool(true));
    if field("immutable_days").filter(set).is_some() && !versioned {
        let message = "what is immutable is a version of an object, and this bucket has none";
        findings.push(refuses(&["immutable_days"], message, "write `versioning: true` beside it"));
    }
    findings.extend(reading::check_expire(resource));
    if resource.on_destroy == OnDestroy::Snapshot {
        let help = "write `on_destroy: retain`, which keeps the bucket, or `delete`";
        findings.push(refuses(&["on_destroy"], "gcp cannot keep a last copy of a bucket", help));
    }
    findings
}

/// What every bucket has.
fn always(location: &Term) -> BTreeMap<String, Term> {
    args([
        ("location", Some(location.clone())),
        ("storage_class", Some(Term::text(CLASS))),
        ("uniform_access", flag(true)),
        ("public_access_prevention", Some(Term::text("enforced"))),
        ("versioning", flag(false)),
        ("soft_delete_days", int(0)),
    ])
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let region = around.region.expect("a bucket without a region was refused");
    let field = |name: &str| resource.fields.get(name).cloned();
    let expire =
        field("expire").and_then(|term| reading::expire(&term)).filter(|rules| !rules.is_empty());
    let set = |term: &Term| term.known() != Some(&Value::Null);
    let mut bucket = always(&Term::text(region));
    bucket.extend(args([
        ("versioning", field("versioning").filter(set)),
        ("expire", expire.map(Term::list)),
        ("retention_days", field("immutable_days").filter(set)),
    ]));
    vec![Native { part: None, ty: BUCKET.name, args: bucket, after: Vec::new() }]
}

/// The arguments of a machine's mailbox, which loses its logs after so many days.
pub(super) fn mailbox(location: &Term, log_days: i64) -> BTreeMap<String, Term> {
    let logs = rule(Term::text("logs/"), Term::Known(Value::Int(log_days)));
    let mut mailbox = always(location);
    mailbox.insert("expire".to_owned(), Term::list(vec![logs]));
    mailbox
}

fn rule(prefix: Term, days: Term) -> Term {
    Term::map([("prefix".to_owned(), prefix), ("days".to_owned(), days)].into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests_of_kinds::{charges, findings, map, natives, neutral};
    use expect_test::{Expect, expect};

    fn checked(fields: &[(&str, Value)], on_destroy: OnDestroy, expected: Expect) {
        let resource = Neutral { on_destroy, ..neutral("lake", "bucket", fields) };
        expected.assert_eq(&findings(&KIND, &resource));
    }

    #[test]
    fn a_bucket_is_one_node_and_always_closed() {
        let tmp = || map([("prefix", Value::text("tmp/")), ("days", Value::Int(30))]);
        let expire = Value::List(vec![map([("days", Value::Int(3))]), tmp(), tmp()]);
        let fields = [
            ("versioning", Value::Bool(true)),
            ("expire", expire),
            ("immutable_days", Value::Int(7)),
        ];
        expect![[r#"
            lake: gcp.bucket
              expire = [{days: 3, prefix: ""}, {days: 30, prefix: "tmp/"}]
              location = "us-central1"
              public_access_prevention = "enforced"
              retention_days = 7
              soft_delete_days = 0
              storage_class = "STANDARD"
              uniform_access = true
              versioning = true
        "#]]
        .assert_eq(&natives(&KIND, &neutral("lake", "bucket", &fields)));
    }

    #[test]
    fn what_cloud_storage_cannot_do_is_refused_or_said() {
        checked(
            &[("immutable_days", Value::Int(7)), ("encrypted", Value::Bool(false))],
            OnDestroy::Snapshot,
            expect![[r#"
                encrypted: substitutes: on gcp objects are encrypted all the same: Cloud Storage does so, and nobody can switch it off
                immutable_days: refuses: what is immutable is a version of an object, and this bucket has none (write `versioning: true` beside it)
                on_destroy: refuses: gcp cannot keep a last copy of a bucket (write `on_destroy: retain`, which keeps the bucket, or `delete`)
            "#]],
        );
        let fields = [("immutable_days", Value::Int(7)), ("versioning", Value::Bool(true))];
        checked(&fields, OnDestroy::Retain, expect![""]);
    }

    #[test]
    fn a_bucket_is_charged_for_what_is_in_it_and_what_is_done_with_it() {
        expect![[r#"
            lake: storage (Month): bucket/standard/GB-month x 100 [`usage.stored` is 100 GiB a month]
            lake: writes and lists (class A) (Month): bucket/standard/write x 10000 [`usage.writes` is 10000 a month]
            lake: reads (class B) (Month): bucket/standard/read x 100000 [`usage.reads` is 100000 a month]
            lake: data to the internet (Month): bucket/egress/worldwide/GB x 10 [`usage.egress` is 10 GiB a month]
        "#]].assert_eq(&charges(&[&neutral("lake", "bucket", &[])], &[]));
        let usage = [("stored", Value::text("2TiB")), ("writes", Value::Int(5))];
        expect![[r#"
            lake: storage (Month): bucket/standard/GB-month x 2048
            lake: writes and lists (class A) (Month): bucket/standard/write x 5
            lake: reads (class B) (Month): bucket/standard/read x 100000 [`usage.reads` is 100000 a month]
            lake: data to the internet (Month): bucket/egress/worldwide/GB x 10 [`usage.egress` is 10 GiB a month]
        "#]].assert_eq(&charges(&[&neutral("lake", "bucket", &[])], &usage));
    }
}
