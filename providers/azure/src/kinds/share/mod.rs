//! `share`: files that many machines mount by NFS, in a storage account of its own.
//!
//! ```text
//! files.account (a premium account, open to the network's subnets alone) -- files (the share)
//! ```
//! NFS is had of premium accounts only, and a share there is sold by the size that it is given, a hundred GiB
//! at least. There is no key: who stands in the network mounts it. So subnets reach it by their service
//! endpoint, which costs nothing, and no private endpoint is paid by the hour.
//!
//! What goes over the network is not encrypted, as on AWS: the subnets are all that may reach it.

use super::bucket::STORAGE_ACCOUNT;
use super::{
    AzureKind, args, check_known, check_network, fixed, fixed_text, id_of, known, location, node,
    of, part, refuses, substitutes, text,
};
use crate::regions;
use dsenv_sdk::cost::{Charge, Costing, Planned, Rate, Time};
use dsenv_sdk::prices::Driver;
use dsenv_sdk::provider::{Finding, Native, Neutral, OnDestroy, Surroundings};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type, parse_size};
use dsenv_sdk::value::Value;

pub(super) const KIND: AzureKind =
    AzureKind { name: "share", check, wants: |_, _| Vec::new(), lower };

/// By which attributes machines mount it.
pub(super) const MOUNTED_BY: [&str; 2] = ["host", "path"];

const ACCOUNT_PART: &str = "account";
/// What every share is called: the account's name is what is chosen and unique.
const NAME: &str = "files";
const SKU: &str = "Premium_LRS";
/// The class of its space in the price book.
const CLASS: &str = "premium-lrs";
/// <https://learn.microsoft.com/azure/storage/files/storage-files-scale-targets>
const GIB_MIN: i64 = 100;
const GIB_MAX: i64 = 102_400;

/// Files that many machines see at once.
pub(crate) const SHARE: NativeType = NativeType {
    name: "azure.share",
    doc: "Files that many machines mount by NFS.",
    fields: &[
        id_of("account", "The account that it is in.").required().replaces(),
        Field::new("share", Type::Text, "What it is called there.").required().kept(),
        Field::new("quota_gib", Type::Int { min: GIB_MIN, max: GIB_MAX }, "What it is given.")
            .required()
            .class(Class::Scale)
            .of("size"),
    ],
    attributes: &[
        Attribute::new("id", "Its id."),
        Attribute::new("host", "Where it answers."),
        Attribute::new("path", "What is mounted from there."),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: true,
};

/// How much a resource is to hold, in GiB, rounded up.
pub(super) fn size_gib(resource: &Neutral) -> Option<i64> {
    let bytes = text(resource, "size").and_then(parse_size)?;
    i64::try_from(bytes.div_ceil(1 << 30)).ok()
}

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = check_known(resource, &["size", "encrypted"]);
    findings.extend(check_network(resource));
    findings.extend(regions::check(resource, around));
    match size_gib(resource) {
        Some(gib) if gib > GIB_MAX => {
            let message = format!("on azure a share has 100TiB at most, not {gib}GiB");
            findings.push(refuses(&["size"], message, "write `size: 100TiB`, or less"));
        }
        Some(gib) if gib >= GIB_MIN => {}
        _ => {
            let message = "on azure a share is given a hundred GiB at least, and that is charged";
            findings.push(substitutes(&["size"], message));
        }
    }
    if known(resource, "encrypted") == Some(&Value::Bool(false)) {
        let message = "on azure files are encrypted all the same, and nobody can switch it off";
        findings.push(substitutes(&["encrypted"], message));
    }
    if resource.on_destroy == OnDestroy::Snapshot {
        let message = "on azure a last copy of a share is not built yet";
        let help = "write `on_destroy: retain`, which keeps the share, or `delete`";
        findings.push(refuses(&["on_destroy"], message, help));
    }
    findings
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let network = resource.network.as_ref().expect("a share without a network was refused");
    let account = args([
        ("location", location(around)),
        ("account_kind", fixed_text("FileStorage")),
        ("sku", fixed_text(SKU)),
        // NFS is no HTTP, and an account that wants HTTPS refuses it.
        ("tls_only", fixed(Value::Bool(false))),
        ("networks", of(network, "all_places")),
    ]);
    let gib = size_gib(resource).unwrap_or(GIB_MIN).max(GIB_MIN);
    let share = args([
        ("account", of(&resource.addr.part(ACCOUNT_PART, None), "id")),
        ("share", fixed_text(NAME)),
        ("quota_gib", fixed(Value::Int(gib))),
    ]);
    vec![node(part(ACCOUNT_PART), &STORAGE_ACCOUNT, account), node(None, &SHARE, share)]
}

/// What a share is charged for: what it is given, full or not. Calls are in it.
pub(crate) fn charges(node: &Planned<'_>, _: &Costing<'_>) -> Vec<Charge> {
    let gib = node.int("quota_gib").unwrap_or_default();
    let rate = Rate::of(Driver::ShareSpace { class: CLASS });
    vec![Charge::new(node.addr, "space given", Time::Month, rate, gib.into())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests_of_kinds::{charged, findings, natives, neutral};
    use dsenv_sdk::Addr;
    use expect_test::expect;

    fn share(fields: &[(&str, Value)]) -> Neutral {
        Neutral { network: Some(Addr::resource("net")), ..neutral("files", "share", fields) }
    }

    #[test]
    fn a_share_is_an_account_and_what_it_is_given() {
        let share = share(&[("size", Value::text("1TiB"))]);
        expect![[r#"
            files.account: azure.storage_account
              account_kind = "FileStorage"
              location = "westeurope"
              networks = <net.all_places>
              sku = "Premium_LRS"
              tls_only = false
            files: azure.share
              account = <files.account.id>
              quota_gib = 1024
              share = "files"
        "#]]
        .assert_eq(&natives(&share));
        expect![[r#"
            files: space given: 1024 x share/premium-lrs/GB-month
        "#]]
        .assert_eq(&charged(&share, &[], &[]));
    }

    #[test]
    fn what_azure_files_cannot_do_is_refused_or_said() {
        let wrong = Neutral {
            network: None,
            on_destroy: OnDestroy::Snapshot,
            ..share(&[("encrypted", Value::Bool(false))])
        };
        expect![[r#"
            : refuses: on azure a share stands in a network, and there is none (add one: `net: {kind: network, cidr: 10.20.0.0/16}`)
            size: substitutes: on azure a share is given a hundred GiB at least, and that is charged
            encrypted: substitutes: on azure files are encrypted all the same, and nobody can switch it off
            on_destroy: refuses: on azure a last copy of a share is not built yet (write `on_destroy: retain`, which keeps the share, or `delete`)
        "#]].assert_eq(&findings(&wrong));
        expect![[r#"
            size: refuses: on azure a share has 100TiB at most, not 204800GiB (write `size: 100TiB`, or less)
        "#]].assert_eq(&findings(&share(&[("size", Value::text("200TiB"))])));
    }
}
