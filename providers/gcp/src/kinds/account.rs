//! What a machine may do in the project: a service account of its own with exactly the rights that `uses`
//! names, each a binding on one bucket or secret. No role is given on the project.
//!
//! ```text
//! notebook.account (gcp.service_account)
//!   \- notebook.grant["lake"] (gcp.grant: a role on the bucket)      notebook.s3_key (gcp.hmac_key)
//! ```
//! ## Why there is a key
//! Programs speak S3 to a bucket on every provider. Google Cloud's S3 interface knows no service accounts,
//! only keys of theirs: <https://cloud.google.com/storage/docs/authentication/hmackeys>. The key may do
//! what the account may, and stands among the machine's secrets.

use super::{of, part};
use dsenv_sdk::provider::{GRANT as GRANT_PART, Native, Right, grant_key};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::{Addr, Key, Term};

/// The part that is a machine's account.
const PART: &str = "account";
/// The part that is the key by which it speaks S3.
const KEY_PART: &str = "s3_key";

/// Who a machine is.
pub(crate) const SERVICE_ACCOUNT: NativeType = NativeType {
    name: "gcp.service_account",
    doc: "Who a machine is: an account with no rights of its own.",
    fields: &[Field::new("display_name", Type::Text, "What people see.").required()],
    attributes: &[
        Attribute::new("email", "What it is called in rules and bindings."),
        Attribute::new("member", "What it is called in a policy: `serviceAccount:` and the email."),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// One right.
pub(crate) const GRANT: NativeType = NativeType {
    name: "gcp.grant",
    doc: "One binding: a role on one bucket or secret for one service account.",
    fields: &[
        Field::new("on", Type::Choice(&["bucket", "secret"]), "What it is a right on.")
            .required()
            .replaces(),
        Field::new("resource", Type::Text, "Its name.").required().replaces().class(Class::Bind),
        Field::new("role", Type::Text, "The role.").required().replaces(),
        Field::new("member", Type::Text, "Who has it.").required().replaces().class(Class::Bind),
        Field::new(
            "prefix",
            Type::Text,
            "Only for objects whose name begins so; for all of them when absent.",
        )
        .replaces(),
    ],
    attributes: &[Attribute::new("etag", "The version of the policy that it stands in.").changes()],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// The key by which a machine speaks S3.
pub(crate) const HMAC_KEY: NativeType = NativeType {
    name: "gcp.hmac_key",
    doc: "A key of a service account, for programs that speak S3.",
    fields: &[Field::new("service_account", Type::Text, "Whose it is.")
        .required()
        .replaces()
        .class(Class::Bind)],
    attributes: &[
        Attribute::new("access_id", "Its open half."),
        Attribute::new("secret", "Its secret half.").secret(),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

fn part_addr(owner: &Addr) -> Addr {
    owner.part(PART, None)
}

/// A reference to the email of a resource's account.
pub(crate) fn email(owner: &Addr) -> Option<Term> {
    of(&part_addr(owner), "email")
}

/// Lowers the account of a machine or pool. It always has one: the account that Google Cloud would take
/// otherwise may do everything in the project.
pub(crate) fn account(owner: &Addr) -> Native {
    let name = Term::text(format!("{owner} of dsenv"));
    part(PART, None, SERVICE_ACCOUNT.name, [("display_name", Some(name))])
}

/// Lowers the key by which programs on a machine speak S3.
pub(crate) fn s3_key(owner: &Addr) -> Native {
    part(KEY_PART, None, HMAC_KEY.name, [("service_account", email(owner))])
}

/// A reference to one half of that key.
pub(crate) fn of_s3_key(owner: &Addr, half: &str) -> Option<Term> {
    of(&owner.part(KEY_PART, None), half)
}

/// Lowers a right on a bucket that is used.
/// <https://cloud.google.com/storage/docs/access-control/iam-roles>
pub(crate) fn bucket_grant(user: &Addr, bucket: &Addr, right: Right) -> Native {
    let role = match right {
        Right::Read => "roles/storage.objectViewer",
        Right::ReadWrite => "roles/storage.objectUser",
    };
    part(
        GRANT_PART,
        Some(grant_key(bucket)),
        GRANT.name,
        [
            ("on", Some(Term::text("bucket"))),
            ("resource", of(bucket, "name")),
            ("role", Some(Term::text(role))),
            ("member", of(&part_addr(user), "member")),
        ],
    )
}

/// Lowers a right on what belongs to the machine itself: its mailbox and its secrets.
pub(crate) fn own_grant(
    owner: &Addr,
    name: &str,
    on: &str,
    resource: Option<Term>,
    role: &str,
    prefix: Option<&str>,
) -> Native {
    part(
        "right",
        Some(Key::Text(name.into())),
        GRANT.name,
        [
            ("on", Some(Term::text(on))),
            ("resource", resource),
            ("role", Some(Term::text(role))),
            ("member", of(&part_addr(owner), "member")),
            ("prefix", prefix.map(Term::text)),
        ],
    )
}
