//! `key`: a person's public key. `access: [{who: NAME, how: ssh}]` lets in whoever has its other half.

use crate::schema::{Attribute, Class, Field, Format, Kind, Type};

pub(super) const KIND: Kind = Kind {
    name: "key",
    doc: "A person's public key, by which they come in to machines.",
    fields: &[Field::new(
        "public_key",
        Type::Format(Format::PublicKey),
        "The key as OpenSSH writes it: `ssh-ed25519 AAAA... ada@laptop`. The private half never leaves its owner.",
    )
    .required()
    .class(Class::Bind)],
    attributes: &[Attribute::new("public_key", "The key as OpenSSH writes it.").changes()],
    connection: &[],
    takes_uses: false,
    holds_data: false,
};
