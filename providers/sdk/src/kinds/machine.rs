//! `machine`: one computer with software and services. `pool` shares most of its fields.

use crate::schema::{Attribute, Class, Field, Format, Kind, Type};

const SOFTWARE: &[Field] = &[
    Field::new("python", Type::Format(Format::Version), "Which Python: `\"3.11\"` or `\"3.11+\"`.")
        .required(),
    Field::new("packages", Type::List(&Type::Text), "Python packages, as pip writes them.")
        .or("[]"),
];

const HEALTH: &[Field] = &[
    Field::new("http", Type::Text, "A path that answers below status 500."),
    Field::new("tcp", Type::Bool, "Whether a connection to the port is enough."),
];

const SERVICE: &[Field] = &[
    Field::new("run", Type::Text, "The command; a shell reads it.").required().takes_self(),
    Field::new("port", Type::Int { min: 1, max: 65_535 }, "The port that it listens on."),
    Field::new("health", Type::Object(HEALTH), "How one sees that it works."),
    Field::new("environment", Type::Map(&Type::Any), "Variables of this service alone.")
        .class(Class::Bind)
        .fixed_keys()
        .takes_self(),
];

const PURCHASE: &[Field] = &[
    Field::new("spot", Type::Choice(&["never", "preferred", "only"]), "Whether spot is bought.")
        .class(Class::Scale),
    Field::new("on_demand_base", Type::Int { min: 0, max: 10_000 }, "How many are never spot.")
        .class(Class::Scale),
    Field::new("max_price", Type::Any, "The most for spot: a share of on demand, or an amount.")
        .class(Class::Scale),
    Field::new(
        "on_interruption",
        Type::Choice(&["terminate", "stop", "hibernate"]),
        "What becomes of an instance that the cloud takes back.",
    ),
];

pub(super) const CPUS: Field =
    Field::new("cpus", Type::Format(Format::CountNeed), "How many processors it needs: `2+`.")
        .class(Class::Scale);
pub(super) const MEMORY: Field =
    Field::new("memory", Type::Format(Format::SizeNeed), "How much memory it needs: `8GiB+`.")
        .class(Class::Scale);
pub(super) const GPU: Field = Field::new(
    "gpu",
    Type::Either(&[Type::Text, Type::List(&Type::Text), Type::Map(&Type::Any)]),
    "Which accelerators it needs: `A100:8`, `24GiB+`, or a list in order of preference.",
);
pub(super) const OFFER: Field =
    Field::new("type", Type::Text, "An offer by its provider's own name, instead of needs.")
        .class(Class::Scale);
pub(super) const DISK: Field = Field::new(
    "disk",
    Type::Format(Format::Size),
    "The root disk, which is replaced with the machine; what must stay is a volume.",
)
.class(Class::Scale);
pub(super) const DISK_CLASS: Field = Field::new(
    "disk_class",
    Type::Text,
    "What the root disk is, by its provider's own name: `gp3`, `StandardSSD_LRS`, `pd-standard`; what is usual \
     there when absent.",
)
.class(Class::Scale);
pub(super) const IMAGE: Field =
    Field::new("image", Type::Text, "The operating system, by name: `debian-12`.");
pub(super) const NETWORK: Field =
    Field::new("network", Type::Text, "The network's name, where there is more than one.");
pub(super) const PURCHASE_FIELD: Field = Field::new(
    "purchase",
    Type::Either(&[Type::Choice(&["on_demand", "spot"]), Type::Object(PURCHASE)]),
    "How it is bought.",
)
.class(Class::Scale);
pub(super) const SOFTWARE_FIELD: Field =
    Field::new("software", Type::Object(SOFTWARE), "What is installed, pinned by the lock.");
pub(super) const ENVIRONMENT: Field =
    Field::new("environment", Type::Map(&Type::Any), "Variables of all of its services.")
        .class(Class::Bind)
        .fixed_keys()
        .takes_self();
pub(super) const SERVICES: Field = Field::new(
    "services",
    Type::Map(&Type::Object(SERVICE)),
    "What runs on it, kept running, by name; `services.NAME.url` says where it answers.",
);

pub(super) const KIND: Kind = Kind {
    name: "machine",
    doc: "One computer with its software and services.",
    fields: &[
        CPUS,
        MEMORY,
        GPU,
        OFFER,
        DISK,
        DISK_CLASS,
        IMAGE,
        NETWORK,
        PURCHASE_FIELD,
        SOFTWARE_FIELD,
        ENVIRONMENT,
        SERVICES,
    ],
    attributes: &[
        Attribute::new("address", "The address that its services listen on."),
        Attribute::new("services", "By name, `url` and `port` of each service that has a port.")
            .changes(),
    ],
    connection: &[],
    takes_uses: true,
    holds_data: false,
};
