//! The objects that a network is made of.

use dsenv_sdk::schema::{Attribute, Class, Field, Format, NativeType, ReplaceOrder, Type};

const NETWORK_OF: Field =
    Field::new("network", Type::Text, "The VPC.").required().replaces().class(Class::Bind);
const REGION_OF: Field =
    Field::new("region", Type::Text, "Its region.").required().replaces().class(Class::Bind);

/// What others refer to of a network.
pub(crate) const NETWORK: NativeType = NativeType {
    name: "gcp.network",
    doc: "What others refer to of a network; it lives in the state alone.",
    fields: &[
        Field::new("vpc", Type::Text, "The VPC.").required().class(Class::Bind),
        Field::new("subnet", Type::Text, "Where machines stand.").required().class(Class::Bind),
        Field::new("in_zones", Type::List(&Type::Text), "The zones that it is spread over.")
            .required()
            .class(Class::Scale)
            .of("zones"),
        Field::new("machines_public", Type::Bool, "Whether machines reach out by themselves.")
            .required(),
        Field::new("services", Type::Text, "The range that databases have addresses of.")
            .class(Class::Bind),
        Field::new("peering", Type::Text, "The way there.").class(Class::Bind),
    ],
    attributes: &[
        Attribute::new("id", "The VPC.").of("vpc"),
        Attribute::new("place", "The subnetwork that machines stand in.").of("subnet"),
        Attribute::new("zones", "The zones that machines stand in, in order.").of("in_zones"),
        Attribute::new("machine_addresses", "Whether machines get a public address.")
            .of("machines_public"),
        Attribute::new("service_range", "The range that databases have addresses of.")
            .of("services"),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: true,
    holds_data: false,
};

/// A VPC.
pub(crate) const VPC: NativeType = NativeType {
    name: "gcp.vpc",
    doc: "A VPC in custom mode: it has the subnetworks that it is given.",
    fields: &[
        Field::new("auto_subnetworks", Type::Bool, "Whether every region has a subnetwork.")
            .required()
            .replaces(),
        Field::new("routing_mode", Type::Choice(&["REGIONAL", "GLOBAL"]), "How far routes go.")
            .required(),
    ],
    attributes: &[Attribute::new("self_link", "Its name in the API.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// A range of addresses in a region.
pub(crate) const SUBNETWORK: NativeType = NativeType {
    name: "gcp.subnetwork",
    doc: "A range of addresses in one region, in all of its zones.",
    fields: &[
        NETWORK_OF,
        REGION_OF,
        Field::new("cidr", Type::Format(Format::Cidr), "Its range.")
            .required()
            .replaces()
            .class(Class::Bind),
        Field::new(
            "private_google_access",
            Type::Bool,
            "Whether Google's own services are reached \
             without a public address.",
        )
        .required(),
    ],
    attributes: &[Attribute::new("self_link", "Its name in the API.")],
    // Two that overlap cannot be.
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

/// The way out.
pub(crate) const ROUTER: NativeType = NativeType {
    name: "gcp.router",
    doc: "A Cloud Router with a Cloud NAT: how machines without a public address reach out.",
    fields: &[
        NETWORK_OF,
        REGION_OF,
        Field::new("nat_subnetworks", Type::List(&Type::Text), "Whose machines reach out by it.")
            .required()
            .unordered()
            .class(Class::Bind),
        Field::new(
            "nat_addresses",
            Type::Choice(&["AUTO_ONLY", "MANUAL_ONLY"]),
            "Whether Google Cloud gives it as many addresses as it needs.",
        )
        .required(),
    ],
    attributes: &[Attribute::new("name", "Its name.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// Addresses that are set aside for Google's own network.
pub(crate) const SERVICE_RANGE: NativeType = NativeType {
    name: "gcp.service_range",
    doc: "A range of addresses that databases in Google's own network have.",
    fields: &[
        NETWORK_OF,
        Field::new("address", Type::Text, "Where it begins.")
            .required()
            .replaces()
            .class(Class::Bind),
        Field::new("prefix_length", Type::Int { min: 8, max: 24 }, "How many bits it has.")
            .required()
            .replaces()
            .class(Class::Bind),
    ],
    attributes: &[Attribute::new("name", "Its name.")],
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

/// The way to Google's own network.
pub(crate) const PEERING: NativeType = NativeType {
    name: "gcp.service_peering",
    doc: "The peering between a VPC and the network that Google's databases stand in.",
    fields: &[
        NETWORK_OF,
        Field::new("ranges", Type::List(&Type::Text), "The ranges that may be used there.")
            .required()
            .unordered()
            .class(Class::Bind),
    ],
    attributes: &[Attribute::new("name", "Its name.")],
    // A VPC has one.
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};
