//! The neutral kinds: what people write, the same for every provider.
//!
//! One file a kind and one line in [`KINDS`]. A kind that is named in the language and not built
//! yet stands in [`LATER`], so that it is refused by name and never skipped. Fields that stand on
//! every resource (`for_each`, `tier`, `protect`, ...) are [`COMMON`].

mod bucket;
mod database;
mod key;
mod machine;
mod network;
mod pool;
mod secret;
mod share;
mod value;
mod volume;

use crate::cost::USAGE;
use crate::schema::{Class, Field, Kind, Type};

/// Every kind that is built, by name.
pub const KINDS: &[&Kind] = &[
    &bucket::KIND,
    &database::KIND,
    &key::KIND,
    &machine::KIND,
    &network::KIND,
    &pool::KIND,
    &secret::KIND,
    &share::KIND,
    &value::KIND,
    &volume::KIND,
];

/// Kinds that the language names and this version does not build.
pub const LATER: &[&str] = &["cache", "cluster", "firewall", "loadbalancer", "queue"];

/// Finds a kind that is built.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|kind| kind.name == name)
}

/// What data is done with when the resource goes.
pub const ON_DESTROY: &[&str] = &["refuse", "snapshot", "retain", "delete"];

/// The tiers of a data-science platform, each with its own rules.
pub const TIERS: &[&str] = &["directory", "job", "application", "data", "system", "research"];

/// Rights that `uses` gives.
pub const RIGHTS: &[&str] = &["read", "read_write"];

/// The fields that stand on every resource, whatever its kind.
pub const COMMON: &[Field] = &[
    Field::new("kind", Type::Text, "What it is: machine, bucket, database, ...").required(),
    Field::new(
        "for_each",
        Type::Either(&[Type::List(&Type::Text), Type::Map(&Type::Any)]),
        "One resource for each item; `each.key` and `each.value` stand for it.",
    )
    .class(Class::Scale),
    Field::new("when", Type::Bool, "Whether it exists in this environment.").class(Class::Scale),
    Field::new(
        "depends_on",
        Type::List(&Type::Text),
        "Resources that must exist first although nothing is taken from them.",
    ),
    Field::new("tier", Type::Choice(TIERS), "Which part of the platform it belongs to."),
    Field::new("owner", Type::Text, "Who answers for it and its cost.").class(Class::Policy),
    Field::new("tags", Type::Map(&Type::Text), "Names and values for the provider's own tags.")
        .class(Class::Bind),
    Field::new(
        "protect",
        Type::Bool,
        "Refuses to delete or replace it, also after its block is gone, until `dsenv unprotect`.",
    )
    .class(Class::Policy),
    Field::new("usage", Type::Object(USAGE), "How it is used in a month, for what that costs.")
        .class(Class::Scale),
    Field::new("lifecycle", Type::Object(LIFECYCLE), "How it is replaced, and what is ignored."),
    Field::new("timeouts", Type::Object(TIMEOUTS), "How long each operation may take.")
        .class(Class::Policy),
    Field::new(
        "on_destroy",
        Type::Choice(ON_DESTROY),
        "What becomes of its data; `refuse` unless the environment is ephemeral, then `delete`.",
    )
    .class(Class::Policy),
    Field::new(
        "uses",
        Type::Map(&Type::Choice(RIGHTS)),
        "What it may reach, and with which right.",
    ),
    Field::new(
        "access",
        Type::List(&Type::Object(ACCESS)),
        "Who may come in, how, from where and until when.",
    )
    .class(Class::Policy),
];

const LIFECYCLE: &[Field] = &[
    Field::new(
        "replace",
        Type::Choice(&["create_first", "delete_first"]),
        "Whether the new one is created before the old one is deleted.",
    ),
    Field::new("ignore", Type::List(&Type::Text), "Fields whose changes are left alone."),
];

const TIMEOUTS: &[Field] = &[
    Field::new("create", Type::Format(crate::schema::Format::Duration), "For creating it."),
    Field::new("update", Type::Format(crate::schema::Format::Duration), "For changing it."),
    Field::new("delete", Type::Format(crate::schema::Format::Duration), "For deleting it."),
];

const ACCESS: &[Field] = &[
    Field::new(
        "who",
        Type::Text,
        "A person or a group; for `ssh`, the resource that is their key.",
    )
    .required(),
    Field::new("how", Type::Choice(&["ssh", "web", "sql"]), "The way in.").required(),
    Field::new("from", Type::Format(crate::schema::Format::Cidr), "From which addresses."),
    Field::new("until", Type::Format(crate::schema::Format::Date), "The last day of it."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_sorted_and_none_hides_a_common_field() {
        assert!(KINDS.is_sorted_by_key(|kind| kind.name) && LATER.is_sorted());
        for kind in KINDS {
            assert!(!LATER.contains(&kind.name), "{}", kind.name);
            for field in kind.fields {
                let hidden = COMMON.iter().any(|common| common.name == field.name);
                assert!(!hidden, "{}.{}", kind.name, field.name);
            }
        }
    }
}
