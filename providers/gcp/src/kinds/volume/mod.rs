//! `volume`: a disk of its own, and its attachment to the machine that uses it.
//!
//! ```text
//! scratch (gcp.disk)  <--  notebook.grant["scratch"] (gcp.attached_disk)  -->  notebook
//! ```
//! A disk is in one zone, the first of its network, and so is the machine that uses it. It is a balanced
//! Persistent Disk, whose speed follows its size; where `iops` or `throughput` are said it is a balanced
//! Hyperdisk, which is given both. `class` says which disk it is, by Google Cloud's own name. Older families of machines take Persistent Disk, the newest ones
//! Hyperdisk alone: <https://cloud.google.com/compute/docs/disks/hyperdisks>.

use super::machine::offers::{HYPERDISK, PERSISTENT};
use super::{GcpKind, args, check_known, int, known, of, part, text};
use crate::labels::LABELS;
use crate::regions;
use dsenv_sdk::Term;
use dsenv_sdk::addr::Addr;
use dsenv_sdk::provider::{
    Finding, GRANT, Native, Neutral, Right, Surroundings, Use, grant_key, refuses, substitutes,
    variable_stem,
};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type, parse_size};
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::Value;

pub(crate) const KIND: GcpKind = GcpKind { name: "volume", check, wants: |_, _| Vec::new(), lower };

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
/// What a balanced Hyperdisk has without a charge: <https://cloud.google.com/compute/disks-image-pricing>.
pub(crate) const FREE_IOPS: i64 = 3_000;
pub(crate) const FREE_MIB_S: i64 = 140;

/// The most that it has: <https://cloud.google.com/compute/docs/disks/hd-types/hyperdisk-balanced>.
const IOPS_MAX: i64 = 160_000;
const IOPS_A_GIB_MAX: i64 = 500;
const MIB_S_MAX: i64 = 2_400;
/// So many operations a second are needed for each MiB a second.
const IOPS_A_MIB_S: i64 = 4;

/// What a volume may be, and how many GiB it has:
/// <https://cloud.google.com/compute/docs/disks/persistent-disks>,
/// <https://cloud.google.com/compute/docs/disks/hyperdisks#capacity>
const CLASSES: &[(&str, std::ops::RangeInclusive<u64>)] = &[
    (PERSISTENT, 10..=65_536),
    ("pd-ssd", 10..=65_536),
    ("pd-standard", 10..=65_536),
    (PD_EXTREME, 500..=65_536),
    (HYPERDISK, 4..=65_536),
    (HYPERDISK_EXTREME, 64..=65_536),
];
const CLASS_NAMES: &[&str] =
    &[PERSISTENT, "pd-ssd", "pd-standard", PD_EXTREME, HYPERDISK, HYPERDISK_EXTREME];

/// Disks whose operations a second are all given, and all charged.
const PD_EXTREME: &str = "pd-extreme";
const HYPERDISK_EXTREME: &str = "hyperdisk-extreme";

/// The operations a second that an extreme disk is given at least, at most and at most for each GiB.
fn extreme(class: &str) -> Option<(i64, i64, i64)> {
    match class {
        PD_EXTREME => Some((2_500, 120_000, 120_000)),
        HYPERDISK_EXTREME => Some((2, 350_000, 1_000)),
        _ => None,
    }
}

/// The operations a second that a disk of a class has without a charge.
pub(crate) fn free_iops(class: &str) -> i64 {
    if extreme(class).is_some() { 0 } else { FREE_IOPS }
}

/// A disk.
pub(crate) const DISK: NativeType = NativeType {
    name: "gcp.disk",
    doc: "A disk in one zone, encrypted.",
    fields: &[
        Field::new("zone", Type::Text, "Where it is.").required().replaces().class(Class::Bind),
        Field::new("disk_type", Type::Choice(CLASS_NAMES), "What it is.")
            .required()
            .replaces()
            .class(Class::Scale)
            .of("class"),
        Field::new("size_gib", Type::Int { min: 4, max: 65_536 }, "Its size; it grows in place.")
            .required()
            .class(Class::Scale)
            .of("size"),
        Field::new("iops", Type::Int { min: 1, max: 1_000_000 }, "Reads and writes a second.")
            .class(Class::Scale),
        Field::new("throughput_mib_s", Type::Int { min: 1, max: 1_000_000 }, "MiB a second.")
            .class(Class::Scale)
            .of("throughput"),
        LABELS,
    ],
    attributes: &[
        Attribute::new("id", "Its id."),
        Attribute::new("self_link", "Its name in the API."),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: true,
};

/// A disk on a machine.
pub(crate) const ATTACHED_DISK: NativeType = NativeType {
    name: "gcp.attached_disk",
    doc: "A disk that a machine has.",
    fields: &[
        Field::new("instance", Type::Text, "The machine.").required().replaces().class(Class::Bind),
        Field::new("disk", Type::Text, "The disk.").required().replaces().class(Class::Bind),
        Field::new("device_name", Type::Text, "What the machine calls it.").required().replaces(),
        Field::new(
            "mode",
            Type::Choice(&["READ_WRITE", "READ_ONLY"]),
            "Whether it may be written.",
        )
        .required()
        .replaces(),
    ],
    attributes: &[Attribute::new("path", "The folder that it is mounted at.")],
    // One machine has a disk at a time.
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

/// `scratch-eu`: under `/dev/disk/by-id/google-` on the machine.
pub(super) fn device_name(volume: &Addr) -> String {
    variable_stem(volume).to_lowercase().replace('_', "-")
}

/// The folder that a volume is mounted at.
pub(super) fn mount_path(volume: &Addr) -> String {
    format!("/mnt/{}", variable_stem(volume).to_lowercase())
}

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = check_known(resource, &["size", "class", "iops", "throughput"]);
    findings.extend(regions::check(resource, around));
    if resource.network.is_none() {
        let message = "on gcp a volume is in a zone of a network, and there is none";
        findings.push(refuses(&[], message, "add one: `net: {kind: network, cidr: 10.20.0.0/16}`"));
    }
    let class = class(resource);
    let Some((_, sold)) = CLASSES.iter().find(|(name, _)| *name == class) else {
        let message = format!("on gcp no volume is a `{class}`, or it is not built yet");
        let help = format!("write one of `{}`", CLASS_NAMES.join("`, `"));
        findings.push(refuses(&["class"], message, help));
        return findings;
    };
    if let Some(size) = text(resource, "size").filter(|_| size_gib(resource).is_none()) {
        let what = match text(resource, "class") {
            Some(class) => format!("volume of {class}"),
            None => "volume".to_owned(),
        };
        let message = format!("on gcp a {what} has from {}GiB to 64TiB, not {size}", sold.start());
        let help = format!("write `size: {}GiB`", sold.start().max(&100));
        findings.push(refuses(&["size"], message, help));
    }
    findings.extend(check_speed(resource));
    if known(resource, "encrypted") == Some(&Value::Bool(false)) {
        let message = "on gcp disks are encrypted all the same: nobody can switch it off";
        findings.push(substitutes(&["encrypted"], message));
    }
    findings
}

/// What is said that it is, else what has what is asked for.
fn class(resource: &Neutral) -> &str {
    let fast = ["iops", "throughput"].iter().any(|field| known(resource, field).is_some());
    text(resource, "class").unwrap_or(if fast { HYPERDISK } else { PERSISTENT })
}

fn said_iops(resource: &Neutral) -> Option<i64> {
    known(resource, "iops").and_then(Value::as_int)
}

/// What a disk is given: operations, and MiB a second; neither where its speed follows its size.
fn speed(resource: &Neutral) -> (Option<i64>, Option<i64>) {
    let iops = said_iops(resource);
    match class(resource) {
        HYPERDISK => {
            let throughput = text(resource, "throughput").and_then(parse_size);
            let throughput = throughput.and_then(|bytes| i64::try_from(bytes.div_ceil(MIB)).ok());
            let throughput = throughput.unwrap_or(FREE_MIB_S).max(FREE_MIB_S);
            let least = FREE_IOPS.max(throughput * IOPS_A_MIB_S);
            (Some(iops.unwrap_or(least).max(FREE_IOPS)), Some(throughput))
        }
        class if extreme(class).is_some() => (iops, None),
        _ => (None, None),
    }
}

fn check_speed(resource: &Neutral) -> Vec<Finding> {
    let class = class(resource);
    if class != HYPERDISK {
        return check_speed_of(resource, class).into_iter().collect();
    }
    let (Some(iops), Some(throughput)) = speed(resource) else { return Vec::new() };
    let mut findings = Vec::new();
    let size = size_gib(resource).unwrap_or(i64::MAX / IOPS_A_GIB_MAX);
    let most = IOPS_MAX.min(size * IOPS_A_GIB_MAX);
    // A small one has its share, and that is all there is.
    let most = most.max(FREE_IOPS);
    if iops > most {
        let message =
            format!("on gcp a volume of this size has {most} operations a second at most");
        findings.push(refuses(&["iops"], message, "make it bigger, or ask for less"));
    }
    let most = MIB_S_MAX.min(iops / IOPS_A_MIB_S);
    if throughput > most {
        let message =
            format!("on gcp a volume with {iops} operations a second has {most}MiB at most");
        findings.push(refuses(&["throughput"], message, "ask for more `iops`, or for less"));
    }
    findings
}

/// What a class is refused for that is given no throughput, and operations only if it is an extreme one.
fn check_speed_of(resource: &Neutral, class: &str) -> Option<Finding> {
    if known(resource, "throughput").is_some() {
        let message = format!("on gcp a `{class}` has the throughput that comes with it");
        let help = "take `throughput` out, or write `class: hyperdisk-balanced`";
        return Some(refuses(&["throughput"], message, help));
    }
    match (extreme(class), said_iops(resource)) {
        (None, None) => None,
        (None, Some(_)) => {
            let message = format!("on gcp the speed of a `{class}` follows its size");
            let help = "take `iops` out, or write `class: hyperdisk-balanced`";
            Some(refuses(&["iops"], message, help))
        }
        (Some((least, ..)), None) => {
            let message = format!("on gcp a `{class}` is made with `iops`, and none are said");
            Some(refuses(&["iops"], message, format!("write `iops: {}`", least.max(10_000))))
        }
        (Some((least, most, a_gib)), Some(iops)) => {
            let most = most.min(size_gib(resource)?.saturating_mul(a_gib));
            let message =
                format!("on gcp a `{class}` of this size has from {least} to {most} `iops`");
            let help = format!("write `iops: {most}`, or less");
            (!(least..=most).contains(&iops)).then(|| refuses(&["iops"], message, help))
        }
    }
}

/// The size in GiB; `None` where its class is not sold in that size.
fn size_gib(resource: &Neutral) -> Option<i64> {
    let gib = text(resource, "size").and_then(parse_size)?.div_ceil(GIB);
    let class = class(resource);
    let (_, sold) = CLASSES.iter().find(|(name, _)| *name == class)?;
    sold.contains(&gib).then(|| i64::try_from(gib).expect("it was bounded"))
}

fn lower(resource: &Neutral, _: &Surroundings<'_>) -> Vec<Native> {
    let network = resource.network.clone().expect("a volume without a network was refused");
    let size = size_gib(resource).expect("another size was refused");
    let (iops, throughput) = speed(resource);
    let zone = Ref { addr: network, path: vec!["zones".into(), "0".into()] };
    let disk = args([
        ("zone", Some(Term::Ref(zone))),
        ("disk_type", Some(Term::text(class(resource)))),
        ("size_gib", int(size)),
        ("iops", iops.and_then(int)),
        ("throughput_mib_s", throughput.and_then(int)),
    ]);
    vec![Native { part: None, ty: DISK.name, args: disk, after: Vec::new() }]
}

/// Lowers what `uses` of a volume is: the disk on the machine.
pub(super) fn attachment(machine: &Addr, used: &Use) -> Native {
    let mode = if used.right == Right::ReadWrite { "READ_WRITE" } else { "READ_ONLY" };
    part(
        GRANT,
        Some(grant_key(&used.target)),
        ATTACHED_DISK.name,
        [
            ("instance", of(machine, "self_link")),
            ("disk", of(&used.target, "self_link")),
            ("device_name", Some(Term::text(device_name(&used.target)))),
            ("mode", Some(Term::text(mode))),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::machine;
    use crate::kinds::tests_of_kinds::{charges, findings, natives, neutral};
    use expect_test::expect;

    fn volume(fields: &[(&str, Value)]) -> Neutral {
        Neutral { network: Some(Addr::resource("net")), ..neutral("scratch", "volume", fields) }
    }

    #[test]
    fn a_volume_is_a_disk_of_the_first_zone() {
        let plain = volume(&[("size", Value::text("100GiB"))]);
        expect![[r#"
            scratch: gcp.disk
              disk_type = "pd-balanced"
              size_gib = 100
              zone = <net.zones.0>
        "#]]
        .assert_eq(&natives(&KIND, &plain));
        expect![[r#"
            scratch: storage (Month): disk/pd-balanced/GB-month x 100
        "#]]
        .assert_eq(&charges(&[&plain], &[]));
    }

    #[test]
    fn speed_is_had_from_hyperdisk_and_charged_for_beyond_what_is_free() {
        let fields = [
            ("size", Value::text("1TiB")),
            ("iops", Value::Int(10_000)),
            ("throughput", Value::text("250MiB")),
        ];
        expect![[r#"
            scratch: gcp.disk
              disk_type = "hyperdisk-balanced"
              iops = 10000
              size_gib = 1024
              throughput_mib_s = 250
              zone = <net.zones.0>
        "#]]
        .assert_eq(&natives(&KIND, &volume(&fields)));
        expect![[r#"
            scratch: storage (Month): disk/hyperdisk-balanced/GB-month x 1024
            scratch: operations (Month): disk/hyperdisk-balanced/IOPS-month x 7000
            scratch: throughput (Month): disk/hyperdisk-balanced/MBps-month x 110
        "#]]
        .assert_eq(&charges(&[&volume(&fields)], &[]));
    }

    #[test]
    fn a_class_by_its_own_name_is_made_and_charged() {
        let of = |class: &str, more: &[(&str, Value)]| {
            let mut fields = vec![("size", Value::text("1TiB")), ("class", Value::text(class))];
            fields.extend(more.iter().cloned());
            volume(&fields)
        };
        expect![[r#"
            scratch: storage (Month): disk/pd-standard/GB-month x 1024
        "#]]
        .assert_eq(&charges(&[&of("pd-standard", &[])], &[]));
        let iops = [("iops", Value::Int(5_000))];
        expect![[r#"
            scratch: storage (Month): disk/pd-extreme/GB-month x 1024
            scratch: operations (Month): disk/pd-extreme/IOPS-month x 5000
        "#]]
        .assert_eq(&charges(&[&of("pd-extreme", &iops)], &[]));
        expect![[r#"
            iops: refuses: on gcp a `pd-extreme` is made with `iops`, and none are said (write `iops: 10000`)
        "#]].assert_eq(&findings(&KIND, &of("pd-extreme", &[])));
        expect![[r#"
            iops: refuses: on gcp the speed of a `pd-ssd` follows its size (take `iops` out, or write `class: hyperdisk-balanced`)
        "#]].assert_eq(&findings(&KIND, &of("pd-ssd", &iops)));
        expect![[r#"
            class: refuses: on gcp no volume is a `gp3`, or it is not built yet (write one of `pd-balanced`, `pd-ssd`, `pd-standard`, `pd-extreme`, `hyperdisk-balanced`, `hyperdisk-extreme`)
        "#]].assert_eq(&findings(&KIND, &of("gp3", &[])));
    }

    #[test]
    fn the_machine_that_uses_it_stands_in_its_zone() {
        let target = Addr::resource("scratch");
        let used = Use { target, kind: "volume", right: Right::ReadWrite };
        let network = Some(Addr::resource("net"));
        let fields = [("type", Value::text("e2-standard-2"))];
        let resource =
            Neutral { network, uses: vec![used], ..neutral("notebook", "machine", &fields) };
        let lowered = natives(&machine::KIND, &resource);
        let lines = |line: &&str| line.contains("zones") || line.contains("scratch");
        let lines: Vec<&str> = lowered.lines().filter(lines).collect();
        expect![[r#"
              volumes = {SCRATCH: {device: "scratch", path: "/mnt/scratch"}}
              zones = [<scratch.zone>]
            notebook.grant["scratch"]: gcp.attached_disk
              device_name = "scratch"
              disk = <scratch.self_link>"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn what_is_no_disk_is_refused() {
        let fields = [
            ("size", Value::text("10GiB")),
            ("iops", Value::Int(6_000)),
            ("throughput", Value::text("2GiB")),
        ];
        expect![[r#"
            iops: refuses: on gcp a volume of this size has 5000 operations a second at most (make it bigger, or ask for less)
            throughput: refuses: on gcp a volume with 6000 operations a second has 1500MiB at most (ask for more `iops`, or for less)
        "#]].assert_eq(&findings(&KIND, &volume(&fields)));
        let fields = [("size", Value::text("1GiB")), ("encrypted", Value::Bool(false))];
        let resource = Neutral { network: None, ..volume(&fields) };
        expect![[r#"
            : refuses: on gcp a volume is in a zone of a network, and there is none (add one: `net: {kind: network, cidr: 10.20.0.0/16}`)
            size: refuses: on gcp a volume has from 10GiB to 64TiB, not 1GiB (write `size: 100GiB`)
            encrypted: substitutes: on gcp disks are encrypted all the same: nobody can switch it off
        "#]].assert_eq(&findings(&KIND, &resource));
    }
}
