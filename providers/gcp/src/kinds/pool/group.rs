//! The objects that a pool is made of: a template, a group, an autoscaler.

use super::super::machine::{
    ACCOUNT, DISK, DISK_TYPE, IMAGE, MAINTENANCE, METADATA, PUBLIC, SECURE_BOOT, SUBNETWORK,
    TERMINATION,
};
use crate::labels::LABELS;
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};

const COUNT: Type = Type::Int { min: 0, max: 10_000 };
const MARKET: Field =
    Field::new("market", Type::Choice(&["spot", "on_demand"]), "How members are bought.")
        .required()
        .replaces()
        .class(Class::Scale)
        .of("purchase");

/// How a member is launched. A template never changes: another one takes its place.
pub(crate) const INSTANCE_TEMPLATE: NativeType = NativeType {
    name: "gcp.instance_template",
    doc: "How a member of a pool is launched.",
    fields: &[
        IMAGE,
        Field::new("machine_type", Type::Text, "The type, where the group names none.")
            .required()
            .replaces()
            .class(Class::Scale)
            .of("type"),
        MARKET,
        SUBNETWORK,
        DISK_TYPE,
        DISK,
        ACCOUNT,
        PUBLIC.replaces(),
        TERMINATION,
        MAINTENANCE.replaces(),
        SECURE_BOOT,
        METADATA.replaces(),
        Field::new("name", Type::Text, "What members call themselves.").kept(),
        LABELS.replaces(),
    ],
    attributes: &[Attribute::new("self_link", "Its name in the API.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// Keeps as many instances of a template as are asked for.
pub(crate) const INSTANCE_GROUP: NativeType = NativeType {
    name: "gcp.instance_group",
    doc: "A regional managed instance group: keeps as many instances as are asked for, of several types \
          in several zones.",
    fields: &[
        Field::new("template", Type::Text, "How a member is launched.").required(),
        Field::new("types", Type::List(&Type::Text), "Types that do, the preferred one first.")
            .required()
            .class(Class::Scale)
            .of("type"),
        MARKET,
        Field::new("region", Type::Text, "Its region.").required().replaces().class(Class::Bind),
        Field::new("zones", Type::List(&Type::Text), "Where members stand.")
            .required()
            .replaces()
            .unordered()
            .class(Class::Bind),
        Field::new(
            "target_shape",
            Type::Choice(&["ANY"]),
            "Where capacity is to be had comes first.",
        )
        .required(),
        // The autoscaler changes it, and people do by hand.
        Field::new("size", COUNT, "How many there are at first.")
            .required()
            .class(Class::Scale)
            .of("count")
            .cloud_owned(),
        Field::new(
            "update_type",
            Type::Choice(&["OPPORTUNISTIC", "PROACTIVE"]),
            "Whether members that run are replaced by those of a newer template.",
        )
        .required(),
        Field::new("base", Type::Text, "The group of the pool's other members.").class(Class::Bind),
    ],
    attributes: &[
        Attribute::new("name", "Its name."),
        Attribute::new("self_link", "Its name in the API."),
        Attribute::new("addresses", "The addresses of its members, after those of `base`.")
            .changes(),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// The bounds of a group.
pub(crate) const AUTOSCALER: NativeType = NativeType {
    name: "gcp.autoscaler",
    doc: "The bounds of an instance group, and what it is scaled by.",
    fields: &[
        Field::new("group", Type::Text, "The group.").required().replaces().class(Class::Bind),
        Field::new("min", COUNT, "The floor.").required().class(Class::Scale).of("count"),
        Field::new("max", COUNT, "The ceiling.").required().class(Class::Scale).of("count"),
        Field::new("mode", Type::Choice(&["ON", "OFF"]), "Whether it adds and takes away.")
            .required()
            .class(Class::Scale)
            .of("scale"),
        Field::new(
            "cpu_target_percent",
            Type::Int { min: 1, max: 100 },
            "How busy the processors of members are to be.",
        )
        .required()
        .class(Class::Scale)
        .of("scale"),
    ],
    attributes: &[Attribute::new("name", "Its name.")],
    // A group has one.
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};
