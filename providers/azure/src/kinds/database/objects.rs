//! The flexible server, and the zone by which its name is found in the network.

use crate::kinds::{LOCATION, TAGS, id_of};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};

/// The largest storage that a server has, of either engine.
const STORAGE_GIB_MAX: i64 = 32_767;

/// A database server with one database.
pub(crate) const DATABASE: NativeType = NativeType {
    name: "azure.database",
    doc: "A flexible server with one database, which no one reaches from the internet.",
    fields: &[
        LOCATION,
        Field::new("engine", Type::Choice(&["postgres", "mysql"]), "Which database it is.")
            .required()
            .replaces(),
        Field::new("version", Type::Text, "Its major version; a newer one upgrades in place.")
            .required(),
        Field::new("classes", Type::List(&Type::Text), "The sizes that do, the best first.")
            .required()
            .class(Class::Scale)
            .of("size")
            .taken("server_class"),
        Field::new(
            "storage_gib",
            Type::Int { min: 20, max: STORAGE_GIB_MAX },
            "Its disk; it grows.",
        )
        .required()
        .class(Class::Scale)
        .of("storage"),
        Field::new("multi_zone", Type::Bool, "Whether a second server takes over.")
            .required()
            .class(Class::Scale),
        Field::new("backup_days", Type::Int { min: 1, max: 35 }, "How long backups are kept.")
            .required()
            .class(Class::Scale),
        Field::new("username", Type::Text, "Whom it belongs to.").required().replaces(),
        Field::new("password", Type::Text, "Their password.").required(),
        Field::new("database", Type::Text, "The database's name.").required().kept(),
        id_of("subnet", "Where it stands.").required().replaces(),
        id_of("dns_zone", "Where its name is found.").required().replaces(),
        TAGS,
    ],
    attributes: &[
        Attribute::new("id", "Its id."),
        Attribute::new("host", "Where it answers."),
        Attribute::new("port", "The port that it answers on."),
        Attribute::new("name", "The database's name on its server."),
        Attribute::new("server_version", "The exact version that runs.").changes(),
        Attribute::new("user", "Whom it belongs to."),
        Attribute::new("server_class", "The size of its server.").changes(),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: true,
};

/// Names that only a network finds.
pub(crate) const DNS_ZONE: NativeType = NativeType {
    name: "azure.dns_zone",
    doc: "Names that only the networks find which it is linked to.",
    fields: &[Field::new("zone", Type::Text, "How its names end.").required().kept(), TAGS],
    attributes: &[Attribute::new("id", "Its id."), Attribute::new("name", "Its name.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// That a network finds the names of a zone.
pub(crate) const DNS_LINK: NativeType = NativeType {
    name: "azure.dns_link",
    doc: "That a network finds the names of a zone.",
    fields: &[
        id_of("zone", "The zone.").required().replaces(),
        id_of("virtual_network", "The network.").required().replaces(),
        TAGS,
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};
