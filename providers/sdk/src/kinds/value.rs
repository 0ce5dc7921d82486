//! `value`: keeps its input and gives it as its output.
//!
//! It is BIND, although it may lead to what is FIXED: it is a step on the way, and what it reaches is judged
//! where it arrives.

use crate::schema::{Attribute, Class, Field, Kind, Type};

pub(super) const KIND: Kind = Kind {
    name: "value",
    doc: "Keeps `input` and gives it as `output`: a named step between resources.",
    fields: &[
        Field::new("input", Type::Any, "What it keeps.").class(Class::Bind),
        Field::new("replace_on", Type::Any, "It is created anew when this changes.")
            .class(Class::Bind),
    ],
    attributes: &[Attribute::new("output", "What `input` was when it was last applied.").changes()],
    connection: &[],
    takes_uses: false,
    holds_data: false,
};
