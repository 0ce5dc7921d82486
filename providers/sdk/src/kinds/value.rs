//! `value`: keeps its input and gives it as its output.

use crate::schema::{Attribute, Field, Kind, Type};

pub(super) const KIND: Kind = Kind {
    name: "value",
    doc: "Keeps `input` and gives it as `output`: a named step between resources.",
    fields: &[
        Field::new("input", Type::Any, "What it keeps."),
        Field::new("replace_on", Type::Any, "It is created anew when this changes."),
    ],
    attributes: &[Attribute::new("output", "What `input` was when it was last applied.").changes()],
    connection: &[],
    takes_uses: false,
    holds_data: false,
};
