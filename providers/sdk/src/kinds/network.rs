//! `network`: the addresses that machines and databases have.

use crate::schema::{Attribute, Class, Field, Format, Kind, Type};

pub(super) const KIND: Kind = Kind {
    name: "network",
    doc: "The range of addresses that machines, pools and databases are placed in.",
    fields: &[Field::new("cidr", Type::Format(Format::Cidr), "The address range.")
        .required()
        .class(Class::Bind)],
    attributes: &[Attribute::new("id", "The provider's name for it.")],
    connection: &[],
    takes_uses: false,
    holds_data: false,
};
