//! `volume`: a disk that outlives the machine that uses it.

use super::machine;
use crate::schema::{Attribute, Class, Field, Format, Kind, Type, Variable};

pub(super) const KIND: Kind = Kind {
    name: "volume",
    doc: "A disk that outlives its machine; one machine uses it at a time.",
    fields: &[
        Field::new("size", Type::Format(Format::Size), "How big it is; it grows in place.")
            .required()
            .class(Class::Scale),
        Field::new(
            "class",
            Type::Text,
            "What the disk is, by its provider's own name: `gp3`, `Premium_LRS`, `pd-balanced`; what is usual \
             there when absent.",
        )
        .class(Class::Scale),
        Field::new("encrypted", Type::Bool, "Whether it is encrypted at rest.").or("true"),
        Field::new(
            "iops",
            Type::Int { min: 1, max: 1_000_000 },
            "How many reads and writes a second; what the provider gives anyway when absent.",
        )
        .class(Class::Scale),
        Field::new(
            "throughput",
            Type::Format(Format::Size),
            "How much is read and written a second: `250MiB`; what the provider gives anyway when \
             absent.",
        )
        .class(Class::Scale),
        machine::NETWORK,
    ],
    attributes: &[Attribute::new("id", "The provider's name for it.")],
    connection: &[Variable { suffix: "PATH", doc: "The folder that it is mounted at." }],
    takes_uses: false,
    holds_data: true,
};
