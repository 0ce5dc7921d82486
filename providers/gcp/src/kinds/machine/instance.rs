//! `gcp.instance`: one virtual machine; and what it shares with the template of a pool's members.

use crate::labels::LABELS;
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};

/// What both take.
pub(crate) const IMAGE: Field =
    Field::new("image", Type::Text, "The image that its root disk is made from.")
        .required()
        .replaces();
pub(crate) const SUBNETWORK: Field = Field::new("subnetwork", Type::Text, "Where it stands.")
    .required()
    .replaces()
    .class(Class::Bind);
pub(crate) const DISK_TYPE: Field = Field::new(
    "disk_type",
    Type::Choice(super::offers::ROOT_CLASSES),
    "What its root disk is; it goes with the machine.",
)
.required()
.replaces()
.class(Class::Scale)
.of("disk_class");
pub(crate) const DISK: Field = Field::new(
    "disk_gib",
    Type::Int { min: 10, max: 65_536 },
    "The size of the root disk; the image's own when nothing is said.",
)
.required()
.replaces()
.class(Class::Scale)
.of("disk");
pub(crate) const ACCOUNT: Field =
    Field::new("service_account", Type::Text, "Who it is in the project, for all of its scopes.")
        .required()
        .replaces()
        .class(Class::Bind);
pub(crate) const TERMINATION: Field = Field::new(
    "termination_action",
    Type::Choice(&["DELETE", "STOP"]),
    "What becomes of it when Google Cloud takes it back.",
)
.replaces()
.of("purchase");
pub(crate) const MAINTENANCE: Field = Field::new(
    "on_host_maintenance",
    Type::Choice(&["MIGRATE", "TERMINATE"]),
    "What becomes of it when its host is worked on. Spot is always terminated.",
)
.required();
pub(crate) const SECURE_BOOT: Field = Field::new(
    "secure_boot",
    Type::Bool,
    "Whether only signed code starts it. The measured start of a shielded VM is always on.",
)
.required()
.replaces();
/// The script that it starts from is the live half's; what it reads from there stands here.
pub(crate) const METADATA: Field =
    Field::new("metadata", Type::Map(&Type::Any), "What it may ask about itself; no secrets.")
        .required();
pub(crate) const PUBLIC: Field =
    Field::new("public", Type::Bool, "Whether it has a public address.")
        .required()
        .class(Class::Policy);

/// One virtual machine.
pub(crate) const INSTANCE: NativeType = NativeType {
    name: "gcp.instance",
    doc: "A shielded virtual machine with an account of its own and an encrypted disk.",
    fields: &[
        IMAGE,
        Field::new("types", Type::List(&Type::Text), "Types that do, the preferred one first.")
            .required()
            .taken("machine_type")
            .class(Class::Scale)
            .of("type"),
        Field::new("zones", Type::List(&Type::Text), "Zones that do, in order.")
            .required()
            .taken("zone")
            .replaces()
            .class(Class::Bind),
        SUBNETWORK,
        DISK_TYPE,
        DISK,
        ACCOUNT,
        PUBLIC,
        Field::new("open", Type::Bool, "Whether people come in from outside the network.")
            .class(Class::Policy),
        Field::new("markets", Type::List(&Type::Text), "`spot` and `on_demand`, in order.")
            .required()
            .taken("market")
            .replaces()
            .class(Class::Scale)
            .of("purchase"),
        TERMINATION,
        MAINTENANCE,
        SECURE_BOOT,
        METADATA,
        Field::new("deletion_protection", Type::Bool, "Whether Google Cloud refuses to delete it.")
            .required()
            .class(Class::Policy),
        Field::new("name", Type::Text, "What it calls itself.").kept(),
        Field::new("ports", Type::Map(&Type::Any), "The ports of its services, by name."),
        LABELS,
    ],
    attributes: &[
        Attribute::new("id", "Its id."),
        Attribute::new("self_link", "Its name in the API."),
        Attribute::new("address", "Its address in the network."),
        Attribute::new("public_address", "Its public address, when it has one.").changes(),
        Attribute::new("machine_type", "The type that it is.").changes(),
        Attribute::new("zone", "The zone that it stands in."),
        Attribute::new("market", "`spot` or `on_demand`."),
        Attribute::new("services", "By name, `url` and `port` of its services.").changes(),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};
