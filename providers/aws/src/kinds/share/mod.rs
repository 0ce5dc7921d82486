//! `share`: an EFS file system that is reached in every zone of its network.
//!
//! ```text
//! files (the file system) ----\
//! files.firewall (its group) --> files.targets (one address in each zone) -> desk.settings
//! desk.grant["files"] (a flow from desk.firewall to files.firewall, to the port of NFS)
//! ```
//! What goes over the network is not encrypted: the flow inside the network is all that may reach it.

mod efs;
mod filesystem;
mod targets;

pub(crate) use filesystem::{FILESYSTEM, FileSystem};
pub(crate) use targets::{MOUNT_TARGETS, MountTargets};

use super::{AwsKind, args, flows, refuses};
use dsenv_sdk::addr::Part;
use dsenv_sdk::provider::{Finding, Native, Neutral, OnDestroy, Surroundings};
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Term};

pub(super) const KIND: AwsKind = AwsKind { name: "share", check, wants: |_, _| Vec::new(), lower };

/// Where NFS listens.
pub(super) const PORT: i64 = 2_049;

/// The part that is where machines reach it.
const TARGETS: &str = "targets";

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if resource.fields.get("encrypted").is_some_and(|term| term.known().is_none()) {
        let message = "`encrypted` of a share must be known before apply";
        findings.push(refuses(&["encrypted"], message, "take it from an input, or write it out"));
    }
    if resource.network.is_none() {
        let message = "on aws a share is reached in a network, and there is none";
        let help = "add one: `net: {kind: network, cidr: 10.20.0.0/16}`";
        findings.push(refuses(&[], message, help));
    }
    if around.region.is_none() {
        let message = "on aws a share needs to know its region";
        findings.push(refuses(&[], message, "write `region: us-east-1` below the environment"));
    }
    if resource.on_destroy == OnDestroy::Snapshot {
        let message = "on aws a last copy of a share is not built yet";
        let help = "write `on_destroy: retain`, which keeps the file system, or `delete`";
        findings.push(refuses(&["on_destroy"], message, help));
    }
    findings
}

fn lower(resource: &Neutral, _: &Surroundings<'_>) -> Vec<Native> {
    let network = resource.network.clone().expect("a share without a network was refused");
    let encrypted = resource.fields.get("encrypted").cloned();
    let encrypted = encrypted.unwrap_or(Term::Known(Value::Bool(true)));
    let targets = args([
        ("filesystem", Some(Term::Ref(Ref::attribute(resource.addr.clone(), "id")))),
        ("subnets", Some(Term::Ref(Ref::attribute(network, "data_places")))),
        ("groups", Some(Term::list(vec![flows::group_id(&resource.addr)]))),
    ]);
    let native = |part: Option<&str>, ty, args| Native {
        part: part.map(|name| Part { name: name.into(), key: None }),
        ty,
        args,
        after: Vec::new(),
    };
    let mut natives: Vec<Native> = flows::group(resource).into_iter().collect();
    natives.push(native(Some(TARGETS), MOUNT_TARGETS.name, targets));
    natives.push(native(None, FILESYSTEM.name, args([("encrypted", Some(encrypted))])));
    natives
}

/// A reference to the name that machines find a share by; it is there once it can be reached.
pub(super) fn host(share: &Addr) -> Term {
    Term::Ref(Ref::attribute(share.part(TARGETS, None), "host"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests_of_kinds::{findings, natives, neutral};
    use expect_test::expect;

    #[test]
    fn a_share_is_three_nodes() {
        let fields = [("size", Value::text("1TiB")), ("encrypted", Value::Bool(false))];
        let network = Some(Addr::resource("net"));
        let share = Neutral { network, ..neutral("files", "share", &fields) };
        expect![[r#"
            files.firewall: aws.security_group
              description = "files of dsenv"
              vpc = <net.id>
            files.targets: aws.mount_targets
              filesystem = <files.id>
              groups = [<files.firewall.id>]
              subnets = <net.data_places>
            files: aws.filesystem
              encrypted = false
        "#]]
        .assert_eq(&natives(lower, &share));
    }

    #[test]
    fn what_efs_cannot_do_is_refused() {
        let share = Neutral { on_destroy: OnDestroy::Snapshot, ..neutral("files", "share", &[]) };
        expect![[r#"
            : refuses: on aws a share is reached in a network, and there is none (add one: `net: {kind: network, cidr: 10.20.0.0/16}`)
            on_destroy: refuses: on aws a last copy of a share is not built yet (write `on_destroy: retain`, which keeps the file system, or `delete`)
        "#]]
        .assert_eq(&findings(check, &share));
    }
}
