//! What a machine may do in the subscription: a managed identity, and one role assignment for each right
//! that `uses` names, on exactly the object that it names. No key is ever made.

use super::{LOCATION, TAGS, args, fixed_text, id_of, node, of, part};
use dsenv_sdk::addr::Part;
use dsenv_sdk::provider::{GRANT, Native, Right, grant_key};
use dsenv_sdk::schema::{Attribute, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::{Addr, Key, Term};

/// The part that is a machine's identity.
pub(crate) const PART: &str = "identity";
/// The part that is a right on what dsenv itself made for a machine.
const RIGHT: &str = "right";

/// Roles of Azure's own, and the ids that they have in every tenant:
/// <https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage>
pub(crate) const BLOB_READER: (&str, &str) =
    ("Storage Blob Data Reader", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1");
pub(crate) const BLOB_CONTRIBUTOR: (&str, &str) =
    ("Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe");

/// As whom a machine acts.
pub(crate) const IDENTITY: NativeType = NativeType {
    name: "azure.identity",
    doc: "As whom a machine acts: a user-assigned managed identity.",
    fields: &[LOCATION, TAGS],
    attributes: &[
        Attribute::new("id", "Its id."),
        Attribute::new("principal_id", "Whom role assignments name."),
        Attribute::new("client_id", "By what programs on the machine choose it."),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// One right of an identity on one object.
pub(crate) const ROLE_ASSIGNMENT: NativeType = NativeType {
    name: "azure.role_assignment",
    doc: "One right of an identity on one object.",
    fields: &[
        id_of("scope", "The object.").required().replaces(),
        Field::new("role", Type::Text, "The role's name, for people.").required().replaces(),
        Field::new("role_id", Type::Text, "The role's id, for Azure.").required().replaces(),
        id_of("principal", "Whose right it is.").required().replaces(),
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    // Azure refuses a second one that says the same.
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

/// Lowers the identity of a machine or pool.
pub(crate) fn identity(location: Option<Term>) -> Native {
    node(part(PART), &IDENTITY, args([("location", location)]))
}

fn assignment(user: &Addr, at: Part, scope: Option<Term>, role: (&str, &str)) -> Native {
    let (name, id) = role;
    let args = args([
        ("scope", scope),
        ("role", fixed_text(name)),
        ("role_id", fixed_text(id)),
        ("principal", of(&user.part(PART, None), "principal_id")),
    ]);
    node(Some(at), &ROLE_ASSIGNMENT, args)
}

/// Lowers the right of a machine on a bucket: on its one container, and not on the account.
pub(crate) fn bucket_grant(user: &Addr, bucket: &Addr, right: Right) -> Native {
    let role = match right {
        Right::Read => BLOB_READER,
        Right::ReadWrite => BLOB_CONTRIBUTOR,
    };
    let at = Part { name: GRANT.into(), key: Some(grant_key(bucket)) };
    assignment(user, at, of(bucket, "id"), role)
}

/// Lowers a right of a machine on what dsenv made for it.
pub(crate) fn own_right(
    user: &Addr,
    name: &str,
    scope: Option<Term>,
    role: (&str, &str),
) -> Native {
    let at = Part { name: RIGHT.into(), key: Some(Key::Text(name.into())) };
    assignment(user, at, scope, role)
}
