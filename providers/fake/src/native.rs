//! The native types of the fake cloud, and which of their arguments name other objects.
//!
//! Each type has the attributes of its neutral kind under the same names, so that `db.host` and
//! `net.id` mean the same as on any provider, and an `id` besides. An attribute may not be called
//! as an argument is: what the blueprint calls `services` is the argument `workload` here.

use dsenv_sdk::builtin;
use dsenv_sdk::schema::{Attribute, Field, Format, NativeType, ReplaceOrder, Type};

const ID: Attribute = Attribute::new("id", "The cloud's name for it; never used again.");

/// Rights on a bucket, with keys of their own.
pub const BUCKET_GRANT: NativeType = NativeType {
    name: "fake.bucket_grant",
    doc: "Lets one resource use a bucket.",
    fields: &[
        Field::new("principal", Type::Text, "Whom the right is given to.").required().replaces(),
        Field::new("target", Type::Text, "The bucket's id.").required().replaces(),
        Field::new("right", Type::Choice(dsenv_sdk::kinds::RIGHTS), "What it allows.").required(),
    ],
    attributes: &[
        ID,
        Attribute::new("url", "`s3://` and the bucket's name."),
        Attribute::new("name", "The bucket's name."),
        Attribute::new("endpoint", "Where its S3 interface answers."),
        Attribute::new("region", "The region that requests are signed for."),
        Attribute::new("access_key_id", "The key."),
        Attribute::new("secret_access_key", "Its secret half.").secret(),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// Rights on a database, with a role of their own.
pub const DATABASE_GRANT: NativeType = NativeType {
    name: "fake.database_grant",
    doc: "Lets one resource use a database.",
    fields: BUCKET_GRANT.fields,
    attributes: &[
        ID,
        Attribute::new("url", "All of it in one URL, password included.").secret(),
        Attribute::new("host", "Where it answers."),
        Attribute::new("port", "The port that it answers on."),
        Attribute::new("name", "The database's name."),
        Attribute::new("user", "The role."),
        Attribute::new("password", "Its password.").secret(),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// A bucket. Its creation is accepted first.
pub const BUCKET: NativeType = NativeType {
    name: "fake.bucket",
    doc: "A bucket; nothing can be stored in it.",
    fields: &[
        Field::new("versioning", Type::Bool, "Whether old versions are kept."),
        Field::new("encrypted", Type::Bool, "Whether it is encrypted.").replaces(),
        Field::new("expire", Type::List(&Type::Any), "What expires, and when."),
        Field::new("size", Type::Format(Format::Size), "How much is expected."),
    ],
    attributes: &[
        ID,
        Attribute::new("name", "The bucket's name at its endpoint."),
        Attribute::new("url", "`s3://` and the name."),
        Attribute::new("endpoint", "Where its S3 interface would answer."),
        Attribute::new("region", "The cloud's region."),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: true,
};

/// A database. Every change of it is accepted first.
pub const DATABASE: NativeType = NativeType {
    name: "fake.database",
    doc: "A database; nothing can be stored in it.",
    fields: &[
        Field::new("engine", Type::Choice(&["mysql", "postgres"]), "Which one.")
            .required()
            .replaces(),
        Field::new("version", Type::Format(Format::Version), "Its major version.").required(),
        Field::new("size", Type::Choice(&["small", "medium", "large"]), "How big it is."),
        Field::new("cpus", Type::Format(Format::CountNeed), "How many processors."),
        Field::new("memory", Type::Format(Format::SizeNeed), "How much memory."),
        Field::new("type", Type::Text, "The server by name."),
        Field::new("storage", Type::Format(Format::Size), "How much disk."),
        Field::new("encrypted", Type::Bool, "Whether it is encrypted.").replaces(),
        Field::new("network", Type::Text, "The network's id.").replaces(),
    ],
    attributes: &[
        ID,
        Attribute::new("host", "Where it would answer."),
        Attribute::new("port", "The port."),
        Attribute::new("name", "The database's name on its server."),
        Attribute::new("server_version", "The exact version.").changes(),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: true,
};

/// A machine, alone or in a pool.
pub const MACHINE: NativeType = NativeType {
    name: "fake.machine",
    doc: "A machine; nothing runs on it.",
    fields: &[
        Field::new("cpus", Type::Format(Format::CountNeed), "How many processors."),
        Field::new("memory", Type::Format(Format::SizeNeed), "How much memory."),
        Field::new("gpu", Type::Any, "Which accelerators.").replaces(),
        Field::new("type", Type::Text, "The offer by name."),
        Field::new("disk", Type::Format(Format::Size), "The root disk.").replaces(),
        Field::new("disk_class", Type::Text, "What the root disk is.").replaces(),
        Field::new("image", Type::Text, "The operating system.").replaces(),
        Field::new("network", Type::Text, "The network's id.").replaces(),
        Field::new("purchase", Type::Any, "How it is bought.").replaces(),
        Field::new("software", Type::Text, "The id of what is installed."),
        Field::new("environment", Type::Map(&Type::Any), "Variables of its services."),
        Field::new("workload", Type::Map(&Type::Any), "What would run on it, by name."),
    ],
    attributes: &[
        ID,
        Attribute::new("address", "The address that its services would listen on."),
        Attribute::new("services", "By name, `url` and `port` of what has a port.").changes(),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// An object under a fixed name, of which there is one at a time.
pub const NAMED: NativeType = NativeType {
    name: "fake.named",
    doc: "Keeps `input` and gives it as `output`, under a name that exists once.",
    fields: &[
        Field::new("name", Type::Text, "Its name; unique in the account.").required().replaces(),
        Field::new("input", Type::Any, "What it keeps."),
        Field::new("replace_on", Type::Any, "It is created anew when this changes.").replaces(),
        LINKS,
    ],
    attributes: OBJECT.attributes,
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

/// A network. It cannot be deleted while anything is in it.
pub const NETWORK: NativeType = NativeType {
    name: "fake.network",
    doc: "A range of addresses.",
    fields: &[Field::new("cidr", Type::Format(Format::Cidr), "The range.").required().replaces()],
    attributes: &[ID],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

const LINKS: Field =
    Field::new("links", Type::List(&Type::Text), "The ids of the objects that it refers to.")
        .replaces();

/// The plainest object there is.
pub const OBJECT: NativeType = NativeType {
    name: "fake.object",
    doc: "Keeps `input` and gives it as `output`.",
    fields: &[
        Field::new("input", Type::Any, "What it keeps."),
        Field::new("replace_on", Type::Any, "It is created anew when this changes.").replaces(),
        LINKS,
    ],
    attributes: &[ID, Attribute::new("output", "What `input` is.").changes()],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// What holds the members of a pool together.
pub const POOL: NativeType = NativeType {
    name: "fake.pool",
    doc: "Holds the members of a pool together.",
    fields: &[
        Field::new("members", Type::List(&Type::Text), "The ids of its members.").required(),
        Field::new("range", Type::Any, "Between which counts it would scale."),
        Field::new("scale", Type::Any, "When it would scale."),
    ],
    attributes: &[ID, Attribute::new("addresses", "Its members' addresses.").changes()],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// A file system of many users.
pub const SHARE: NativeType = NativeType {
    name: "fake.share",
    doc: "A file system; nothing can be stored in it.",
    fields: &[
        Field::new("size", Type::Format(Format::Size), "How much is expected."),
        Field::new("encrypted", Type::Bool, "Whether it is encrypted.").replaces(),
        Field::new("network", Type::Text, "The network's id.").replaces(),
    ],
    attributes: &[ID, Attribute::new("path", "Where it would be mounted.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: true,
};

/// A disk of one user. It grows and never shrinks.
pub const VOLUME: NativeType = NativeType {
    name: "fake.volume",
    doc: "A disk; nothing can be stored on it.",
    fields: &[
        Field::new("gib", Type::Int { min: 1, max: 65_536 }, "How big it is.")
            .required()
            .grows()
            .of("size"),
        Field::new("class", Type::Text, "What it is."),
        Field::new("encrypted", Type::Bool, "Whether it is encrypted.").replaces(),
        Field::new("iops", Type::Int { min: 1, max: 1_000_000 }, "How fast it is."),
        Field::new("throughput", Type::Format(Format::Size), "How wide it is."),
        Field::new("network", Type::Text, "The network's id.").replaces(),
    ],
    attributes: &[ID, Attribute::new("path", "Where it would be mounted.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: true,
};

/// A volume or a share at a machine.
pub const MOUNT: NativeType = NativeType {
    name: "fake.mount",
    doc: "Lets one resource use a volume or a share.",
    fields: BUCKET_GRANT.fields,
    attributes: &[ID, Attribute::new("path", "The folder that it would be mounted at.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// A text that nobody sees, kept by the cloud.
pub const SECRET: NativeType = NativeType {
    name: "fake.secret",
    doc: "A secret that the cloud keeps.",
    fields: &[
        Field::new("length", Type::Int { min: 8, max: 1_024 }, "How many characters.").replaces(),
        Field::new("from", Type::Any, "The text, when it is not generated."),
    ],
    attributes: &[ID, Attribute::new("value", "The text.").secret().changes()],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// What is installed on a machine.
pub const SOFTWARE: NativeType = NativeType {
    name: "fake.software",
    doc: "A set of packages, as the lock pinned them.",
    fields: &[
        Field::new("requirement", Type::Any, "What was asked for.").required(),
        Field::new("lock", Type::Any, "What it was pinned to.").required(),
    ],
    attributes: &[ID],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// Every native type, sorted by name.
pub static TYPES: &[&NativeType] = &[
    &builtin::KEY,
    &builtin::SECRET,
    &builtin::VALUE,
    &BUCKET,
    &BUCKET_GRANT,
    &DATABASE,
    &DATABASE_GRANT,
    &MACHINE,
    &MOUNT,
    &NAMED,
    &NETWORK,
    &OBJECT,
    &POOL,
    &SECRET,
    &SHARE,
    &SOFTWARE,
    &VOLUME,
];

/// Finds a native type by name.
pub fn find(name: &str) -> Option<&'static NativeType> {
    TYPES.iter().copied().find(|native| native.name == name)
}

/// Which types an argument must name by id; empty when it is no reference by its nature. A text
/// anywhere else that has the form of an id is a reference too, of any type.
pub(crate) fn referenced(ty: &str, field: &str) -> &'static [&'static str] {
    match (ty, field) {
        ("fake.machine" | "fake.database" | "fake.share" | "fake.volume", "network") => {
            &["fake.network"]
        }
        ("fake.machine", "software") => &["fake.software"],
        ("fake.bucket_grant", "target") => &["fake.bucket"],
        ("fake.database_grant", "target") => &["fake.database"],
        ("fake.mount", "target") => &["fake.share", "fake.volume"],
        ("fake.pool", "members") => &["fake.machine"],
        _ => &[],
    }
}
