//! What each neutral kind becomes in an account, and how its objects are made.
//!
//! One folder a kind and one line in [`KINDS`]; a test compares the two. `key`, `secret` and `value`
//! live in the state alone and come from the SDK. A folder holds both halves: the functions of [`AwsKind`]
//! are pure, those of [`Object`] make the calls.

mod bucket;
mod database;
mod flows;
mod launch;
mod machine;
mod network;
mod pool;
mod role;
mod settings;
mod share;
mod volume;

pub(crate) use machine::offers::{MARKET, cpus_of};
pub(crate) use machine::service_urls;
pub(crate) use pool::{MEMBER, TEMPLATE};
pub(crate) use role::path as role_path;

use crate::clients::Aws;
use crate::object::Object;
use dsenv_sdk::provider::{
    Finding, Native, Neutral, OpErrorClass, Surroundings, Want, refuses, substitutes,
};
use dsenv_sdk::schema::{Class, Field, NativeType, Type};
use dsenv_sdk::value::Value;
use dsenv_sdk::{OpError, Term, builtin};
use std::collections::BTreeMap;

/// The pure half of one kind.
pub(crate) struct AwsKind {
    pub(crate) name: &'static str,
    pub(crate) check: fn(&Neutral, &Surroundings<'_>) -> Vec<Finding>,
    pub(crate) wants: fn(&Neutral, &Surroundings<'_>) -> Vec<Want>,
    pub(crate) lower: fn(&Neutral, &Surroundings<'_>) -> Vec<Native>,
}

const KEY: AwsKind = builtin_kind("key");
const SECRET: AwsKind = builtin_kind("secret");
const VALUE: AwsKind = builtin_kind("value");

/// Every kind, by name.
pub(crate) const KINDS: &[&AwsKind] = &[
    &bucket::KIND,
    &database::KIND,
    &KEY,
    &machine::KIND,
    &network::KIND,
    &pool::KIND,
    &SECRET,
    &share::KIND,
    &VALUE,
    &volume::KIND,
];

/// The names of the kinds, in the same order.
pub(crate) const NAMES: &[&str] = &[
    "bucket", "database", "key", "machine", "network", "pool", "secret", "share", "value", "volume",
];

/// Every native type, by name.
pub(crate) const NATIVE_TYPES: &[&NativeType] = &[
    &volume::ATTACHMENT,
    &bucket::BUCKET,
    &database::DATABASE,
    &database::PARAMETER_GROUP,
    &database::SUBNET_GROUP,
    &network::ELASTIC_IP,
    &share::FILESYSTEM,
    &flows::INGRESS,
    &machine::INSTANCE,
    &network::INTERNET_GATEWAY,
    &pool::LAUNCH_TEMPLATE,
    &bucket::MAILBOX,
    &share::MOUNT_TARGETS,
    &network::NAT_GATEWAY,
    &network::NETWORK,
    &role::ROLE,
    &network::ROUTE_TABLE,
    &network::S3_ENDPOINT,
    &pool::SCALING_GROUP,
    &flows::SECURITY_GROUP,
    &settings::SETTINGS,
    &network::SUBNET,
    &volume::VOLUME,
    &network::VPC,
    &builtin::KEY,
    &builtin::SECRET,
    &builtin::VALUE,
];

/// What does the work, for every native type that is in an account.
pub(crate) const OBJECTS: &[&dyn Object] = &[
    &bucket::Bucket(&bucket::BUCKET),
    &bucket::Bucket(&bucket::MAILBOX),
    &database::Database,
    &database::ParameterGroup,
    &database::SubnetGroup,
    &flows::Ingress,
    &flows::SecurityGroup,
    &machine::Instance,
    &pool::LaunchTemplate,
    &pool::ScalingGroup,
    &role::RoleObject,
    &settings::Settings,
    &share::FileSystem,
    &share::MountTargets,
    &volume::Attachment,
    &volume::Volume,
    &network::ElasticIp,
    &network::InternetGateway,
    &network::NatGateway,
    &network::RouteTable,
    &network::S3Endpoint,
    &network::Subnet,
    &network::Vpc,
];

/// The user's own tags, which every type has.
pub(crate) const TAGS: Field =
    Field::new("tags", Type::Map(&Type::Text), "Tags of the user's own.").class(Class::Bind);

const fn builtin_kind(name: &'static str) -> AwsKind {
    AwsKind {
        name,
        check: |_, _| Vec::new(),
        wants: |_, _| Vec::new(),
        lower: |resource, _| builtin::lower(resource),
    }
}

/// The names of the types that others than their kinds know something of.
pub(crate) mod types {
    pub(crate) const BUCKET: &str = super::bucket::BUCKET.name;
    pub(crate) const DATABASE: &str = super::database::DATABASE.name;
    pub(crate) const ELASTIC_IP: &str = super::network::ELASTIC_IP.name;
    pub(crate) const INSTANCE: &str = super::machine::INSTANCE.name;
    pub(crate) const LAUNCH_TEMPLATE: &str = super::pool::LAUNCH_TEMPLATE.name;
    pub(crate) const MAILBOX: &str = super::bucket::MAILBOX.name;
    pub(crate) const NAT_GATEWAY: &str = super::network::NAT_GATEWAY.name;
    pub(crate) const SCALING_GROUP: &str = super::pool::SCALING_GROUP.name;
    pub(crate) const SUBNET: &str = super::network::SUBNET.name;
    pub(crate) const FILESYSTEM: &str = super::share::FILESYSTEM.name;
    pub(crate) const VOLUME: &str = super::volume::VOLUME.name;
    pub(crate) const VPC: &str = super::network::VPC.name;
}

/// Finds what does the work for a type.
pub(crate) fn object(ty: &str) -> Option<&'static dyn Object> {
    OBJECTS.iter().copied().find(|object| object.ty().name == ty)
}

/// What a resource's own tags are refused for: names that are AWS's or ours, and what not every service
/// takes. <https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html>
pub(crate) fn check_tags(resource: &Neutral) -> Vec<Finding> {
    const KEY_CHARS_MAX: usize = 128;
    const VALUE_CHARS_MAX: usize = 256;
    /// Fifty in all, and ours among them.
    const TAGS_MAX: usize = 40;
    let mut findings = Vec::new();
    if resource.tags.len() > TAGS_MAX {
        let message = format!(
            "{} tags are more than the {TAGS_MAX} that there is room for",
            resource.tags.len()
        );
        findings.push(refuses(&["tags"], message, "AWS takes 50, and some of them are dsenv's"));
    }
    for (name, value) in &resource.tags {
        let lower = name.to_ascii_lowercase();
        let taken = lower == "name" || lower.starts_with("aws:") || lower.starts_with("dsenv:");
        let plain =
            |text: &str| text.chars().all(|c| c.is_alphanumeric() || " +-=._:/@".contains(c));
        let why = if taken {
            "is written by AWS or dsenv"
        } else if name.chars().count() > KEY_CHARS_MAX || value.chars().count() > VALUE_CHARS_MAX {
            "is longer than AWS takes: 128 characters for the name, 256 for the value"
        } else if !plain(name) || !plain(value) {
            "has characters that not every service takes"
        } else {
            continue;
        };
        let message = format!("the tag `{name}` {why}");
        let help = "take another name, of letters, digits, spaces and `+ - = . _ : / @`";
        findings.push(refuses(&["tags", name], message, help));
    }
    findings
}

/// Puts the resource's tags and owner onto every node that takes tags.
pub(crate) fn add_tags(resource: &Neutral, natives: &mut [Native]) {
    let mut tags = resource.tags.clone();
    if let Some(owner) = &resource.owner {
        let has = tags.keys().any(|name| name.eq_ignore_ascii_case("owner"));
        if !has && owner.chars().all(|c| c.is_alphanumeric() || " +-=._:/@".contains(c)) {
            tags.insert("owner".to_owned(), owner.clone());
        }
    }
    if tags.is_empty() {
        return;
    }
    let tags = tags.into_iter().map(|(name, value)| (name, Value::Text(value)));
    let tags = Term::Known(Value::Map(tags.collect()));
    for native in natives {
        let takes = object(native.ty).is_some_and(|object| object.ty().field("tags").is_some());
        if takes {
            native.args.insert("tags".to_owned(), tags.clone());
        }
    }
}

/// Pins what the lock lacks.
pub(crate) async fn pin(aws: &Aws, want: &Want) -> Result<Value, OpError> {
    match want.what {
        network::ZONES_WHAT => network::pin_zones(aws).await,
        dsenv_sdk::placement::OFFERS => {
            let wrong = || OpError::new(OpErrorClass::Invalid, "the price book has no such offer");
            MARKET.pin(want).ok_or_else(wrong)
        }
        machine::images::WHAT => machine::images::pin(aws, &want.need).await,
        other => {
            let message = format!("provider `aws` does not know how to pin {other}");
            Err(OpError::new(OpErrorClass::Invalid, message))
        }
    }
}

/// Makes arguments from pairs; absent ones are left out.
fn args<const N: usize>(pairs: [(&str, Option<Term>); N]) -> BTreeMap<String, Term> {
    pairs.into_iter().filter_map(|(name, term)| Some((name.to_owned(), term?))).collect()
}

#[cfg(test)]
mod tests_of_kinds;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_is_a_kind_and_every_kind_a_folder_or_built_in() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kinds");
        let mut folders: Vec<String> = std::fs::read_dir(here)
            .expect("the folder of the kinds")
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .chain(builtin::KINDS.iter().map(|name| (*name).to_owned()))
            .collect();
        folders.sort();
        let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(folders, kinds);
        assert_eq!(kinds, NAMES);
    }

    #[test]
    fn every_native_type_is_built_in_or_has_somebody_to_make_it() {
        for ty in NATIVE_TYPES.iter().filter(|ty| !ty.state_only) {
            assert!(object(ty.name).is_some(), "{}", ty.name);
        }
    }

    #[test]
    fn every_native_type_says_which_permissions_it_takes() {
        const SERVICES: &[&str] =
            &["autoscaling", "ec2", "elasticfilesystem", "iam", "rds", "s3", "ssm"];
        for object in OBJECTS {
            let actions = object.actions();
            for list in [actions.look, actions.create, actions.update, actions.delete] {
                let name = object.ty().name;
                assert!(!list.is_empty() && list.is_sorted(), "{name}: {list:?}");
                for action in list {
                    let (service, verb) = action.split_once(':').expect("`service:Action`");
                    let named = SERVICES.contains(&service) && verb.starts_with(char::is_uppercase);
                    assert!(named, "{name}: {action}");
                }
            }
        }
    }
}
