//! `bucket`: a container in a storage account of its own, reached by identity and TLS alone.
//!
//! ```text
//! lake.account (the storage account) -- lake (the container)
//! ```
//! An account is what has versions, expiry and immutability; a container is what a right is on. So each
//! bucket has both.
//!
//! ## Why locally redundant
//! It is the one redundancy that every region has, and the one whose space, reads and writes all have
//! published prices. Three copies stand in one data centre: objects are as durable as eleven nines say, and
//! are out of reach while that one is. A neutral field for redundancy would choose `Standard_ZRS`.

use super::{
    AzureKind, LOCATION, TAGS, args, fixed, fixed_text, id_of, known, location, node, of, part,
    refuses, substitutes,
};
use crate::charge::{self, Counts};
use crate::regions;
use dsenv_sdk::Term;
use dsenv_sdk::cost::{Charge, Costing, Planned, Rate, Time};
use dsenv_sdk::prices::Driver;
use dsenv_sdk::provider::{Finding, Native, Neutral, OnDestroy, Surroundings};
use dsenv_sdk::reading;
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::Value;

pub(super) const KIND: AzureKind =
    AzureKind { name: "bucket", check, wants: |_, _| Vec::new(), lower };

/// The class of space in the price book: `SKU` below, in the hot tier.
pub(crate) const CLASS: &str = "hot-lrs";
const SKU: &str = "Standard_LRS";

const ACCOUNT_PART: &str = "account";
/// What every container is called: the account's name is what is chosen and unique.
const CONTAINER: &str = "data";
/// <https://learn.microsoft.com/azure/storage/blobs/immutable-policy-configure-version-scope>
const IMMUTABLE_DAYS_MAX: i64 = 36_500;

/// An account that nobody reaches by a key.
pub(crate) const STORAGE_ACCOUNT: NativeType = NativeType {
    name: "azure.storage_account",
    doc: "A storage account: encrypted, closed to the public, reached by identity and TLS alone.",
    fields: &[
        LOCATION,
        Field::new("account_kind", Type::Choice(&["StorageV2", "FileStorage"]), "What it is for.")
            .required()
            .replaces(),
        Field::new("sku", Type::Text, "How many copies there are, and on what.")
            .required()
            .replaces(),
        Field::new("tls_only", Type::Bool, "Whether plain HTTP is refused.").required(),
        Field::new("networks", Type::Any, "Subnets that alone reach it; all may when absent."),
        Field::new("versioning", Type::Bool, "Whether overwritten and deleted objects are kept."),
        Field::new("expire", Type::Any, "Which objects are deleted by themselves, and when.")
            .unordered(),
        Field::new("immutable", Type::Bool, "Whether versions can be kept from being deleted.")
            .replaces()
            .class(Class::Policy)
            .of("immutable_days"),
        Field::new(
            "immutable_days",
            Type::Int { min: 1, max: IMMUTABLE_DAYS_MAX },
            "For how many days nobody may delete or overwrite a new version of an object.",
        )
        .class(Class::Policy),
        TAGS,
    ],
    attributes: &[
        Attribute::new("id", "Its id."),
        Attribute::new("account", "Its name."),
        Attribute::new("host", "Where its files answer."),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: true,
};

/// A container of objects.
pub(crate) const BUCKET: NativeType = NativeType {
    name: "azure.bucket",
    doc: "A container of objects.",
    fields: &[
        id_of("account", "The account that it is in.").required().replaces(),
        Field::new("container", Type::Text, "What it is called there.").required().kept(),
        Field::new("expected_gib", Type::Int { min: 0, max: i64::MAX }, "For estimates.")
            .class(Class::Scale)
            .of("size"),
    ],
    attributes: &[
        Attribute::new("id", "Its id."),
        Attribute::new("name", "The container's name at its endpoint."),
        Attribute::new("url", "`abfss://`, the container and its account."),
        Attribute::new("endpoint", "Where its blob interface answers."),
        Attribute::new("region", "The region that it is in."),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: true,
};

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = regions::check(resource, around);
    // Who reads this was told of S3 by the kind.
    let message = "on azure objects are reached by the blob interface, not by S3: the bucket's `url` begins \
                   with `abfss://`, and programs use adlfs or azure-storage-blob with the machine's identity";
    findings.push(substitutes(&[], message));
    if known(resource, "encrypted") == Some(&Value::Bool(false)) {
        let message = "on azure objects are encrypted all the same, and nobody can switch it off";
        findings.push(substitutes(&["encrypted"], message));
    }
    findings.extend(super::check_known(resource, &["immutable_days", "versioning", "size"]));
    let versioned = known(resource, "versioning") == Some(&Value::Bool(true));
    if known(resource, "immutable_days").is_some() && !versioned {
        let message =
            "on azure what is immutable is a version of an object, and this bucket has none";
        findings.push(refuses(&["immutable_days"], message, "write `versioning: true` beside it"));
    }
    findings.extend(reading::check_expire(resource));
    if resource.on_destroy == OnDestroy::Snapshot {
        let help = "write `on_destroy: retain`, which keeps the bucket, or `delete`";
        findings.push(refuses(&["on_destroy"], "azure cannot keep a last copy of a bucket", help));
    }
    findings
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let field = |name: &str| resource.fields.get(name).cloned();
    let expire =
        field("expire").and_then(|term| reading::expire(&term)).filter(|rules| !rules.is_empty());
    let immutable_days = known(resource, "immutable_days").cloned();
    let account = args([
        ("location", location(around)),
        ("account_kind", fixed_text("StorageV2")),
        ("sku", fixed_text(SKU)),
        ("tls_only", fixed(Value::Bool(true))),
        ("versioning", field("versioning")),
        ("expire", expire.map(Term::list)),
        ("immutable", immutable_days.is_some().then_some(Term::Known(Value::Bool(true)))),
        ("immutable_days", immutable_days.map(Term::Known)),
    ]);
    let bucket = args([
        ("account", of(&resource.addr.part(ACCOUNT_PART, None), "id")),
        ("container", fixed_text(CONTAINER)),
        ("expected_gib", super::share::size_gib(resource).map(|gib| Term::Known(Value::Int(gib)))),
    ]);
    vec![node(part(ACCOUNT_PART), &STORAGE_ACCOUNT, account), node(None, &BUCKET, bucket)]
}

/// What a container is charged for: space, calls, what goes out.
pub(crate) fn charges(node: &Planned<'_>, costing: &Costing<'_>) -> Vec<Charge> {
    let addr = node.addr;
    let usage = |name, field, driver| charge::usage(addr, costing, name, field, driver);
    let space = Driver::BucketSpace { class: CLASS };
    // What was said of use counts more than the size that was expected.
    let stored = match (costing.usage.said("stored"), node.int("expected_gib")) {
        (None, Some(gib)) => Charge::new(addr, "storage", Time::Month, Rate::of(space), gib.into())
            .assuming(["it is as full as `size` expects".to_owned()]),
        _ => usage("storage", "stored", space),
    };
    vec![
        stored,
        usage("reads", "reads", Driver::BucketRead { class: CLASS }),
        // Lists cost the same as writes in this class, and `usage` counts both together.
        usage("writes and lists", "writes", Driver::BucketWrite { class: CLASS }),
        charge::egress(addr, costing, Counts::fixed(1)),
    ]
}

#[cfg(test)]
mod tests;
