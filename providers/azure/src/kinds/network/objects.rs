//! The objects of a network, and the node that stands for all of them.

use crate::kinds::{LOCATION, TAGS, id_of};
use dsenv_sdk::schema::{Attribute, Class, Field, Format, NativeType, ReplaceOrder, Type};

/// Stands for all of a network; lives in the state alone.
pub(crate) const NETWORK: NativeType = NativeType {
    name: "azure.network",
    doc: "What others refer to of a network; it lives in the state alone.",
    fields: &[
        id_of("virtual_network", "The virtual network.").required(),
        Field::new("subnets", Type::List(&Type::Text), "Where machines stand, by zone."),
        Field::new("zones", Type::List(&Type::Text), "The zones, in the same order."),
        Field::new("all_subnets", Type::List(&Type::Text), "The same subnets, each once."),
        Field::new("first_subnets", Type::List(&Type::Text), "The first of these."),
        Field::new("first_zones", Type::List(&Type::Text), "The first of those."),
        id_of("first_zone", "The same, where one is asked for."),
        id_of("first_subnet", "The same."),
        id_of("postgres_subnet", "The one that is delegated to PostgreSQL."),
        id_of("mysql_subnet", "The one that is delegated to MySQL."),
        id_of("data_group", "What guards both."),
        Field::new("machines_public", Type::Bool, "Whether machines reach out by themselves."),
    ],
    attributes: &[
        Attribute::new("id", "The virtual network.").of("virtual_network"),
        Attribute::new("machine_places", "Where machines stand, by zone.").of("subnets"),
        Attribute::new("machine_zones", "The zones, in the same order.").of("zones"),
        Attribute::new("all_places", "The same subnets, each once.").of("all_subnets"),
        Attribute::new("volume_places", "Where machines with a volume stand.").of("first_subnets"),
        Attribute::new("volume_zones", "Their zone.").of("first_zones"),
        Attribute::new("volume_zone", "The zone of volumes.").of("first_zone"),
        Attribute::new("pool_place", "Where pools stand.").of("first_subnet"),
        Attribute::new("postgres_place", "Where PostgreSQL stands.").of("postgres_subnet"),
        Attribute::new("mysql_place", "Where MySQL stands.").of("mysql_subnet"),
        Attribute::new("data_firewall", "What guards databases.").of("data_group"),
        Attribute::new("machine_addresses", "Whether machines get a public address.")
            .of("machines_public"),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: true,
    holds_data: false,
};

/// A virtual network.
pub(crate) const VIRTUAL_NETWORK: NativeType = NativeType {
    name: "azure.virtual_network",
    doc: "A virtual network.",
    fields: &[
        LOCATION,
        Field::new("cidr", Type::Format(Format::Cidr), "Its range.")
            .required()
            .replaces()
            .class(Class::Bind),
        TAGS,
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// A part of a network's range; it spans the zones of its region.
pub(crate) const SUBNET: NativeType = NativeType {
    name: "azure.subnet",
    doc: "A part of a network's range.",
    fields: &[
        id_of("virtual_network", "The network.").required().replaces(),
        Field::new("cidr", Type::Format(Format::Cidr), "Its range.")
            .required()
            .replaces()
            .class(Class::Bind),
        id_of("nat_gateway", "By what its machines reach out."),
        id_of("security_group", "What guards all of it."),
        Field::new("delegation", Type::Text, "The service that it is given to alone.").replaces(),
        Field::new("service_endpoints", Type::List(&Type::Text), "What is reached past the NAT."),
        Field::new("default_outbound", Type::Bool, "Whether Azure lends addresses to reach out."),
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

/// A public address that stays.
pub(crate) const PUBLIC_ADDRESS: NativeType = NativeType {
    name: "azure.public_address",
    doc: "A public IPv4 address that stays.",
    fields: &[
        LOCATION,
        Field::new("zones", Type::List(&Type::Text), "In which zones; all where nothing is said.")
            .replaces(),
        TAGS,
    ],
    attributes: &[Attribute::new("id", "Its id."), Attribute::new("address", "The address.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// What lets machines without a public address reach out.
pub(crate) const NAT_GATEWAY: NativeType = NativeType {
    name: "azure.nat_gateway",
    doc: "What lets machines without a public address reach out.",
    fields: &[
        LOCATION,
        Field::new("zones", Type::List(&Type::Text), "Its zone; Azure's choice when absent.")
            .replaces(),
        id_of("address", "The address that it reaches out by.").required(),
        TAGS,
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};
