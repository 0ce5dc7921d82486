//! `gcp.sql_instance`: a server of Cloud SQL with one database and one role.

use crate::labels::LABELS;
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};

/// A server of Cloud SQL. Creating one is three calls: the instance, the database, the role.
pub(crate) const DATABASE: NativeType = NativeType {
    name: "gcp.sql_instance",
    doc: "A server of Cloud SQL with a database, reached by its private address and TLS alone.",
    fields: &[
        Field::new("engine", Type::Choice(&["postgres", "mysql"]), "Which database it is.")
            .required()
            .replaces(),
        Field::new("database_version", Type::Text, "Its major version; a newer one upgrades it.")
            .required()
            .of("version"),
        Field::new("edition", Type::Choice(&["ENTERPRISE"]), "The edition.").required(),
        Field::new("tier", Type::Text, "How big it is.").required().class(Class::Scale).of("size"),
        Field::new("region", Type::Text, "Where it is.").required().replaces().class(Class::Bind),
        Field::new(
            "availability_type",
            Type::Choice(&["ZONAL", "REGIONAL"]),
            "Whether a second server in another zone takes over.",
        )
        .required()
        .class(Class::Scale)
        .of("multi_zone"),
        Field::new("storage_type", Type::Choice(&["PD_SSD"]), "What its disk is.")
            .required()
            .replaces(),
        Field::new("storage_gib", Type::Int { min: 10, max: 65_536 }, "Its disk; it grows.")
            .required()
            .class(Class::Scale)
            .of("storage"),
        Field::new("storage_auto_resize", Type::Bool, "Whether its disk grows by itself.")
            .required(),
        Field::new(
            "backup_days",
            Type::Int { min: 0, max: 35 },
            "How many daily backups are kept.",
        )
        .required()
        .class(Class::Scale),
        Field::new(
            "log_days",
            Type::Int { min: 0, max: 7 },
            "For how many days it can be brought back as it was at any moment.",
        )
        .required()
        .class(Class::Scale)
        .of("backup_days"),
        Field::new("public_address", Type::Bool, "Whether it is reached from outside.")
            .required()
            .class(Class::Policy),
        Field::new("private_network", Type::Text, "Whence it is reached.")
            .required()
            .replaces()
            .class(Class::Bind),
        Field::new("allocated_range", Type::Text, "The range that its address is of.")
            .required()
            .replaces()
            .class(Class::Bind),
        Field::new(
            "ssl_mode",
            Type::Choice(&["ENCRYPTED_ONLY"]),
            "That it is reached by TLS alone.",
        )
        .required(),
        Field::new("deletion_protection", Type::Bool, "Whether Google Cloud refuses to delete it.")
            .required()
            .class(Class::Policy),
        Field::new("username", Type::Text, "Whom it belongs to.").required().replaces(),
        Field::new("password", Type::Text, "Their password.").required(),
        Field::new("database", Type::Text, "The database's name.").required().kept(),
        LABELS,
    ],
    attributes: &[
        Attribute::new("host", "Where it answers."),
        Attribute::new("range", "Its address as a range, for rules."),
        Attribute::new("port", "The port that it answers on."),
        Attribute::new("name", "The database's name on its server."),
        Attribute::new("server_version", "The exact version that runs.").changes(),
        Attribute::new("user", "Whom it belongs to."),
        Attribute::new("connection_name", "What Google's own proxy calls it."),
    ],
    // The name of a server that is gone is taken for a week; names have the token in them.
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: true,
};
