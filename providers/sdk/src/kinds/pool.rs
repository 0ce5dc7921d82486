//! `pool`: a number of machines that are all alike.

use super::machine;
use crate::schema::{Attribute, Class, Field, Format, Kind, Type};

const COUNT: Type = Type::Int { min: 0, max: 10_000 };

const RANGE: &[Field] = &[
    Field::new("min", COUNT, "The floor.").required(),
    Field::new("max", COUNT, "The ceiling; budgets are judged on it.").required(),
    Field::new("start", COUNT, "How many there are at first; the floor when absent."),
];

const SCALE: &[Field] = &[
    Field::new("on", Type::Choice(&["cpu", "gpu", "queue"]), "What is watched.").required(),
    Field::new("target", Type::Format(Format::Percent), "How busy members should be."),
    Field::new("idle_stop", Type::Format(Format::Duration), "After which idle time one goes."),
];

pub(super) const KIND: Kind = Kind {
    name: "pool",
    doc: "A number of machines that are all alike: workers, replicas.",
    fields: &[
        Field::new("count", Type::Either(&[COUNT, Type::Object(RANGE)]), "How many there are.")
            .required()
            .class(Class::Scale),
        Field::new("scale", Type::Object(SCALE), "When members are added and taken away.")
            .class(Class::Scale),
        machine::CPUS,
        machine::MEMORY,
        machine::GPU,
        machine::OFFER,
        machine::DISK,
        machine::DISK_CLASS,
        machine::IMAGE,
        machine::NETWORK,
        machine::PURCHASE_FIELD,
        machine::SOFTWARE_FIELD,
        machine::ENVIRONMENT,
        machine::SERVICES,
    ],
    attributes: &[Attribute::new("addresses", "The addresses of its members, in order.").changes()],
    connection: &[],
    takes_uses: true,
    holds_data: false,
};
