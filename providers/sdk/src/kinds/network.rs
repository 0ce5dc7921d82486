//! `network`: the addresses that machines and databases have.

use crate::schema::{Attribute, Class, Field, Format, Kind, Type};

/// Gateways cost by the hour and by the gigabyte.
const NAT: &[&str] = &["none", "one", "per_zone"];

pub(super) const KIND: Kind = Kind {
    name: "network",
    doc: "The range of addresses that machines, pools and databases are placed in.",
    fields: &[
        Field::new("cidr", Type::Format(Format::Cidr), "The address range.")
            .required()
            .class(Class::Bind),
        Field::new(
            "zones",
            Type::Int { min: 1, max: 6 },
            "Over how many availability zones it is spread; two when absent.",
        )
        .class(Class::Scale),
        Field::new(
            "nat",
            Type::Choice(NAT),
            "How what has no public address reaches out: one gateway, one a zone, or none, and then \
             machines have public addresses that nobody can come in by. `one` when absent.",
        )
        .class(Class::Scale),
    ],
    attributes: &[Attribute::new("id", "The provider's name for it.")],
    connection: &[],
    takes_uses: false,
    holds_data: false,
};
