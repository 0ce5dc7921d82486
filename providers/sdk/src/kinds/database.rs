//! `database`: a managed relational database.

use crate::schema::{Attribute, Class, Field, Format, Kind, Type, Variable};

pub(super) const KIND: Kind = Kind {
    name: "database",
    doc: "A managed relational database.",
    fields: &[
        Field::new("engine", Type::Choice(&["postgres", "mysql"]), "Which database it is.")
            .required(),
        Field::new("version", Type::Format(Format::Version), "Its major version, in quotes.")
            .required(),
        Field::new(
            "size",
            Type::Choice(&["small", "medium", "large"]),
            "How big the server is, where `cpus` and `memory` do not say.",
        )
        .or("\"small\"")
        .class(Class::Scale),
        Field::new("cpus", Type::Format(Format::CountNeed), "How many processors it needs.")
            .class(Class::Scale),
        Field::new("memory", Type::Format(Format::SizeNeed), "How much memory it needs.")
            .class(Class::Scale),
        Field::new(
            "type",
            Type::Text,
            "The server by its provider's own name, instead of `size`, `cpus` and `memory`: \
             `db.t3.large`, `GP_Standard_D2ds_v5`, `db-custom-2-7680`.",
        )
        .class(Class::Scale),
        Field::new("storage", Type::Format(Format::Size), "How much disk it has.")
            .or("\"20GiB\"")
            .class(Class::Scale),
        Field::new("encrypted", Type::Bool, "Whether it is encrypted at rest.").or("true"),
        Field::new(
            "multi_zone",
            Type::Bool,
            "Whether a second server in another zone takes over when the first one fails.",
        )
        .class(Class::Scale),
        Field::new(
            "backup_days",
            Type::Int { min: 0, max: 35 },
            "For how many days it can be brought back as it was; seven when absent, where there are backups.",
        )
        .class(Class::Scale),
    ],
    attributes: &[
        Attribute::new("host", "Where it answers."),
        Attribute::new("port", "The port that it answers on."),
        Attribute::new("name", "The database's name on its server."),
        Attribute::new("server_version", "The exact version that runs.").changes(),
    ],
    connection: &[
        Variable { suffix: "URL", doc: "All of it in one URL, password included." },
        Variable { suffix: "HOST", doc: "Where it answers." },
        Variable { suffix: "PORT", doc: "The port that it answers on." },
        Variable { suffix: "NAME", doc: "The database's name." },
        Variable { suffix: "USER", doc: "The role that the grant made." },
        Variable { suffix: "PASSWORD", doc: "Its password." },
    ],
    takes_uses: false,
    holds_data: true,
};
