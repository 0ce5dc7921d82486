//! `share`: files that many machines see at once.

use super::machine;
use crate::schema::{Attribute, Class, Field, Format, Kind, Type, Variable};

pub(super) const KIND: Kind = Kind {
    name: "share",
    doc: "A file system that many machines mount at once.",
    fields: &[
        Field::new("size", Type::Format(Format::Size), "How much is expected, for estimates.")
            .class(Class::Scale),
        Field::new("encrypted", Type::Bool, "Whether it is encrypted at rest.").or("true"),
        machine::NETWORK,
    ],
    attributes: &[Attribute::new("id", "The provider's name for it.")],
    connection: &[Variable { suffix: "PATH", doc: "The folder that it is mounted at." }],
    takes_uses: false,
    holds_data: true,
};
