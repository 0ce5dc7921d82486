//! `bucket`: object storage that speaks S3.

use crate::schema::{Attribute, Class, Field, Format, Kind, Type, Variable};

const EXPIRE: &[Field] = &[
    Field::new("prefix", Type::Any, "Which objects, by the start of their key; all when absent."),
    Field::new("days", Type::Int { min: 1, max: 36_500 }, "How many days after it was written.")
        .required()
        .class(Class::Scale),
];

pub(super) const KIND: Kind = Kind {
    name: "bucket",
    doc: "Object storage that speaks S3: a data lake, artefacts, backups.",
    fields: &[
        Field::new("versioning", Type::Bool, "Whether overwritten and deleted objects are kept.")
            .or("false"),
        Field::new("encrypted", Type::Bool, "Whether objects are encrypted at rest.").or("true"),
        Field::new(
            "expire",
            Type::List(&Type::Object(EXPIRE)),
            "Which objects are deleted by themselves, and when.",
        ),
        Field::new(
            "immutable_days",
            Type::Int { min: 1, max: 36_500 },
            "For how many days nobody may delete or overwrite a version of an object. Needs `versioning`.",
        )
        .class(Class::Policy),
        Field::new("size", Type::Format(Format::Size), "How much is expected, for estimates.")
            .class(Class::Scale),
    ],
    attributes: &[
        Attribute::new("name", "The bucket's name at its endpoint."),
        Attribute::new("url", "`s3://` and the name."),
        Attribute::new("endpoint", "Where its S3 interface answers."),
        Attribute::new("region", "The region that requests are signed for."),
    ],
    connection: &[
        Variable { suffix: "URL", doc: "`s3://` and the bucket's name." },
        Variable { suffix: "NAME", doc: "The bucket's name." },
        Variable { suffix: "ENDPOINT", doc: "Where its S3 interface answers." },
        Variable { suffix: "REGION", doc: "The region that requests are signed for." },
        Variable { suffix: "ACCESS_KEY_ID", doc: "The key that the grant made." },
        Variable { suffix: "SECRET_ACCESS_KEY", doc: "Its secret half." },
    ],
    takes_uses: false,
    holds_data: true,
};
