//! `share`: a folder that many workspaces use at once; see `volume`.

use super::volume::{SHARE, check_folder, native};
use super::{LocalKind, substitutes_where_set};

pub(super) const KIND: LocalKind = LocalKind {
    name: "share",
    check: |resource| {
        let mut findings = check_folder(resource);
        findings.extend(substitutes_where_set(resource, SUBSTITUTES));
        findings
    },
    wants: |_| Vec::new(),
    lower: |_, _| vec![native(&SHARE)],
};

const SUBSTITUTES: &[(&str, &str)] =
    &[("size", "on local a share is a folder; `size` sets no limit")];
