//! What each neutral kind becomes in a subscription, and what each native type is charged for.
//!
//! One folder a kind and one line in [`KINDS`]; a test compares the two. `key`, `secret` and `value` live in
//! the state alone and come from the SDK.

mod bucket;
mod database;
mod flows;
mod identity;
mod launch;
mod machine;
mod network;
mod pool;
mod settings;
mod share;
mod volume;

pub(crate) use dsenv_sdk::provider::{refuses, substitutes};
pub(crate) use dsenv_sdk::reading::{check_known, known, text};
pub(crate) use machine::sizes::MARKET;

use dsenv_sdk::addr::Part;
use dsenv_sdk::cost::{Charge, Costing, Planned};
use dsenv_sdk::provider::{Finding, Native, Neutral, Surroundings, Want};
use dsenv_sdk::schema::{Class, Field, NativeType, Type};
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Term, builtin};
use std::collections::BTreeMap;

/// The pure half of one kind.
pub(crate) struct AzureKind {
    pub(crate) name: &'static str,
    pub(crate) check: fn(&Neutral, &Surroundings<'_>) -> Vec<Finding>,
    pub(crate) wants: fn(&Neutral, &Surroundings<'_>) -> Vec<Want>,
    pub(crate) lower: fn(&Neutral, &Surroundings<'_>) -> Vec<Native>,
}

const KEY: AzureKind = builtin_kind("key");
const SECRET: AzureKind = builtin_kind("secret");
const VALUE: AzureKind = builtin_kind("value");

/// Every kind, by name.
pub(crate) const KINDS: &[&AzureKind] = &[
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

/// What a native type is charged for.
pub(crate) enum Pays {
    /// Nothing by itself, and why.
    Nothing(&'static str),
    /// What these list for a node.
    Charges(fn(&Planned<'_>, &Costing<'_>) -> Vec<Charge>),
}

/// Every native type with what it is charged for, by name.
pub(crate) const TYPES: &[(&NativeType, Pays)] = &[
    (&flows::APPLICATION_GROUP, Pays::Nothing("Azure charges nothing for security groups")),
    (&volume::ATTACHMENT, Pays::Nothing("what is charged is the disk, attached or not")),
    (&pool::BOUNDS, Pays::Nothing("Azure charges nothing for autoscale settings")),
    (&bucket::BUCKET, Pays::Charges(bucket::charges)),
    (&database::DATABASE, Pays::Charges(database::charges)),
    (&volume::DISK, Pays::Charges(volume::charges)),
    (&database::DNS_LINK, Pays::Nothing("Azure charges for the zone, not for its links")),
    (&database::DNS_ZONE, Pays::Charges(database::zone_charges)),
    (&identity::IDENTITY, Pays::Nothing("Azure charges nothing for managed identities")),
    (&settings::MAILBOX, Pays::Charges(settings::charges)),
    (&network::NAT_GATEWAY, Pays::Charges(network::nat_charges)),
    (&network::NETWORK, Pays::Nothing("it lives in the state alone")),
    (&network::PUBLIC_ADDRESS, Pays::Charges(network::address_charges)),
    (&identity::ROLE_ASSIGNMENT, Pays::Nothing("Azure charges nothing for rights")),
    (&pool::SCALE_SET, Pays::Charges(pool::charges)),
    (&flows::SECURITY_GROUP, Pays::Nothing("Azure charges nothing for security groups")),
    (&flows::SECURITY_RULE, Pays::Nothing("Azure charges nothing for security rules")),
    (&settings::SETTINGS, Pays::Nothing("it stands in the mailbox, which is charged")),
    (&share::SHARE, Pays::Charges(share::charges)),
    (&flows::SHARED_GROUP, Pays::Nothing("it lives in the state alone")),
    (&bucket::STORAGE_ACCOUNT, Pays::Nothing("what is in it is charged: containers and shares")),
    (&network::SUBNET, Pays::Nothing("Azure charges nothing for subnets and service endpoints")),
    (&machine::VIRTUAL_MACHINE, Pays::Charges(machine::charges)),
    (
        &network::VIRTUAL_NETWORK,
        Pays::Nothing(
            "Azure charges nothing for a virtual network, nor for data between its zones",
        ),
    ),
    (&builtin::KEY, Pays::Nothing("it lives in the state alone")),
    (&builtin::SECRET, Pays::Nothing("it lives in the state alone")),
    (&builtin::VALUE, Pays::Nothing("it lives in the state alone")),
];

/// Every native type, in the same order.
pub(crate) const NATIVE_TYPES: &[&NativeType] = &{
    let mut types = [&builtin::VALUE; TYPES.len()];
    let mut at = 0;
    while at < TYPES.len() {
        types[at] = TYPES[at].0;
        at += 1;
    }
    types
};

/// The sizes that a machine or a pool is lowered to; none for another kind.
pub(crate) fn offers(resource: &Neutral, around: &Surroundings<'_>) -> Vec<String> {
    match resource.kind {
        "machine" => machine::offers(resource, around),
        "pool" => pool::offers(resource, around),
        _ => Vec::new(),
    }
}

/// Finds a kind.
pub(crate) fn find(name: &str) -> Option<&'static AzureKind> {
    KINDS.iter().copied().find(|kind| kind.name == name)
}

/// Says what a node is charged for.
pub(crate) fn pays(node: &Planned<'_>) -> Option<&'static Pays> {
    TYPES.iter().find(|(ty, _)| ty.name == node.ty.name).map(|(_, pays)| pays)
}

const fn builtin_kind(name: &'static str) -> AzureKind {
    AzureKind {
        name,
        check: |_, _| Vec::new(),
        wants: |_, _| Vec::new(),
        lower: |resource, _| builtin::lower(resource),
    }
}

// ---------------------------------------------------------------- fields that many types have

/// The user's own tags, which every type of its own has.
pub(crate) const TAGS: Field =
    Field::new("tags", Type::Map(&Type::Text), "Tags of the user's own.").class(Class::Bind);

/// Where it stands.
pub(crate) const LOCATION: Field =
    Field::new("location", Type::Text, "The region.").required().replaces().class(Class::Bind);

/// A text that names another object.
pub(crate) const fn id_of(name: &'static str, doc: &'static str) -> Field {
    Field::new(name, Type::Text, doc).class(Class::Bind)
}

// ---------------------------------------------------------------- lowering

/// Makes arguments from pairs; absent ones are left out.
pub(crate) fn args<const N: usize>(pairs: [(&str, Option<Term>); N]) -> BTreeMap<String, Term> {
    pairs.into_iter().filter_map(|(name, term)| Some((name.to_owned(), term?))).collect()
}

/// A node; its main one without a part.
pub(crate) fn node(
    part: Option<Part>,
    ty: &'static NativeType,
    args: BTreeMap<String, Term>,
) -> Native {
    Native { part, ty: ty.name, args, after: Vec::new() }
}

/// A part of a resource by its name alone.
pub(crate) fn part(name: &str) -> Option<Part> {
    Some(Part { name: name.into(), key: None })
}

/// A reference to an attribute of a node.
pub(crate) fn of(addr: &Addr, attribute: &str) -> Option<Term> {
    Some(Term::Ref(Ref::attribute(addr.clone(), attribute)))
}

/// A term that is known.
pub(crate) fn fixed(value: Value) -> Option<Term> {
    Some(Term::Known(value))
}

/// A text that is known.
pub(crate) fn fixed_text(text: &str) -> Option<Term> {
    Some(Term::text(text))
}

/// The region, of which `check` saw that it is said.
pub(crate) fn location(around: &Surroundings<'_>) -> Option<Term> {
    fixed_text(around.region.expect("a resource without a region was refused"))
}

/// Refuses a resource without the network that it stands in.
pub(crate) fn check_network(resource: &Neutral) -> Vec<Finding> {
    if resource.network.is_some() {
        return Vec::new();
    }
    let message = format!("on azure a {} stands in a network, and there is none", resource.kind);
    vec![refuses(&[], message, "add one: `net: {kind: network, cidr: 10.20.0.0/16}`")]
}

// ---------------------------------------------------------------- tags

/// What a resource's own tags are refused for: names that are Azure's or ours, and what not every service
/// takes. <https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources>
pub(crate) fn check_tags(resource: &Neutral) -> Vec<Finding> {
    /// What a storage account takes; others take more.
    const NAME_CHARS_MAX: usize = 128;
    const VALUE_CHARS_MAX: usize = 256;
    /// Fifty in all, and ours among them.
    const TAGS_MAX: usize = 40;
    const RESERVED: &[&str] = &["azure", "dsenv", "microsoft", "windows"];
    let mut findings = Vec::new();
    if resource.tags.len() > TAGS_MAX {
        let count = resource.tags.len();
        let message = format!("{count} tags are more than the {TAGS_MAX} that there is room for");
        findings.push(refuses(&["tags"], message, "Azure takes 50, and some of them are dsenv's"));
    }
    for (name, value) in &resource.tags {
        let lower = name.to_ascii_lowercase();
        let why = if RESERVED.iter().any(|reserved| lower.starts_with(reserved)) {
            "is written by Azure or dsenv"
        } else if name.chars().count() > NAME_CHARS_MAX || value.chars().count() > VALUE_CHARS_MAX {
            "is longer than Azure takes: 128 characters for the name, 256 for the value"
        } else if name.contains(['<', '>', '%', '&', '\\', '?', '/']) {
            "has one of `< > % & \\ ? /`, which Azure takes in no name"
        } else {
            continue;
        };
        let message = format!("the tag `{name}` {why}");
        findings.push(refuses(&["tags", name], message, "take another name or value"));
    }
    findings
}

/// Puts the resource's tags and owner onto every node that takes tags.
pub(crate) fn add_tags(resource: &Neutral, natives: &mut [Native]) {
    let mut tags = resource.tags.clone();
    if let Some(owner) = &resource.owner
        && !tags.keys().any(|name| name.eq_ignore_ascii_case("owner"))
    {
        tags.insert("owner".to_owned(), owner.clone());
    }
    if tags.is_empty() {
        return;
    }
    let tags = tags.into_iter().map(|(name, value)| (name, Value::Text(value)));
    let tags = Term::Known(Value::Map(tags.collect()));
    let takes_tags = |name: &str| {
        let ty = NATIVE_TYPES.iter().find(|ty| ty.name == name);
        ty.is_some_and(|ty| ty.field("tags").is_some())
    };
    for native in natives.iter_mut().filter(|native| takes_tags(native.ty)) {
        native.args.insert("tags".to_owned(), tags.clone());
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_kinds;
