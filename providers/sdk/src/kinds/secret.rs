//! `secret`: text that nobody sees, made by dsenv or given as an input.

use crate::schema::{Attribute, Class, Field, Kind, Type};

const GENERATE: &[Field] = &[Field::new(
    "length",
    Type::Int { min: 8, max: 1_024 },
    "How many characters, of A-Z, a-z and 0-9.",
)
.or("32")];

pub(super) const KIND: Kind = Kind {
    name: "secret",
    doc: "Text that nobody sees: generated once, kept encrypted.",
    fields: &[
        Field::new("generate", Type::Object(GENERATE), "Makes a random text, once."),
        Field::new("from", Type::Any, "Takes the text from an input or another resource.")
            .class(Class::Bind),
    ],
    attributes: &[Attribute::new("value", "The text.").secret().changes()],
    connection: &[],
    takes_uses: false,
    holds_data: false,
};
