//! `volume`: a folder of its own, which outlives the workspace that uses it. `share` is one too.
//!
//! ```text
//! data (the folder) <- desk.grant["data"] (where it is) <- desk (the workspace: `DATA_PATH`)
//! ```
//! A folder has no size and cannot be read-only for one of two processes of the same user: both are said
//! in the findings.

mod folder;

pub(super) use folder::Folder;

use super::{LocalKind, substitutes, substitutes_where_set};
use dsenv_sdk::Term;
use dsenv_sdk::provider::{Finding, Native, Neutral, Right, Use};
use dsenv_sdk::schema::{Attribute, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::Value;
use std::collections::BTreeMap;

pub(super) const KIND: LocalKind = LocalKind {
    name: "volume",
    check: |resource| {
        let mut findings = check_folder(resource);
        findings.extend(substitutes_where_set(resource, SUBSTITUTES));
        findings
    },
    wants: |_| Vec::new(),
    lower: |_, _| vec![native(&VOLUME)],
};

const SUBSTITUTES: &[(&str, &str)] = &[
    ("size", "on local a volume is a folder; `size` sets no limit"),
    ("class", "on local a volume is on this computer's disk, whatever `class` says"),
    ("iops", "on local a volume is as fast as this computer's disk; `iops` sets no limit"),
    (
        "throughput",
        "on local a volume is as fast as this computer's disk, whatever `throughput` says",
    ),
];

/// What a folder puts in the place of what.
pub(super) fn check_folder(resource: &Neutral) -> Vec<Finding> {
    if resource.fields.get("encrypted").and_then(Term::known) != Some(&Value::Bool(true)) {
        return Vec::new();
    }
    let message = format!(
        "on local a {} is a folder of this user's alone, as encrypted as the disk is",
        resource.kind
    );
    vec![substitutes(&["encrypted"], message)]
}

/// What a machine that uses folders is told of them.
pub(super) fn check_uses(resource: &Neutral) -> Vec<Finding> {
    let read = |used: &&Use| {
        used.right == Right::Read
            && (used.kind == KIND.name || used.kind == super::share::KIND.name)
    };
    let finding = |used: &Use| {
        let message = format!(
            "on local nothing keeps `{}` from writing to `{}`: both belong to this user",
            resource.addr, used.target
        );
        substitutes(&["uses", &used.target.to_string()], message)
    };
    resource.uses.iter().filter(read).map(finding).collect()
}

/// The one node that a volume or a share is.
pub(super) fn native(ty: &NativeType) -> Native {
    Native { part: None, ty: ty.name, args: BTreeMap::new(), after: Vec::new() }
}

const ATTRIBUTES: &[Attribute] =
    &[Attribute::new("id", "Its name in this environment."), Attribute::new("path", "The folder.")];

const fn folder_type(name: &'static str, doc: &'static str) -> NativeType {
    NativeType {
        name,
        doc,
        fields: &[],
        attributes: ATTRIBUTES,
        replace: ReplaceOrder::CreateFirst,
        state_only: false,
        holds_data: true,
    }
}

/// The native types: alike but for their names.
pub(super) const VOLUME: NativeType =
    folder_type("local.volume", "A folder that outlives the machine that uses it.");
pub(super) const SHARE: NativeType =
    folder_type("local.share", "A folder that many machines use at once.");

/// What a use of one is: where the folder is. It lives in the state alone.
pub(super) const MOUNT: NativeType = NativeType {
    name: "local.mount",
    doc: "Where a machine finds a volume or a share; it lives in the state alone.",
    fields: &[Field::new("folder", Type::Text, "The folder.").required()],
    attributes: &[Attribute::new("path", "The folder.").of("folder")],
    replace: ReplaceOrder::CreateFirst,
    state_only: true,
    holds_data: false,
};

/// Lowers one entry of `uses` on a volume or a share.
pub(super) fn mount_args(used: &Use) -> (&'static str, BTreeMap<String, Term>) {
    let folder = Term::Ref(Ref::attribute(used.target.clone(), "path"));
    (MOUNT.name, BTreeMap::from([("folder".to_owned(), folder)]))
}
