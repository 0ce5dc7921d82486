//! `volume`: a managed disk, and its attachment to the machine that uses it.
//!
//! ```text
//! net (its first zone) -> data (the disk) -> desk.grant["data"] (the attachment) <- desk
//! ```
//! A disk stands in one zone, the first of its network, and a machine that uses one is made in that zone
//! alone. Without `iops` and `throughput` it is a premium disk, which has what its size has and is charged as
//! the next larger one that is sold; with either, one of the second version, where each is set apart and
//! charged apart. `class` says which one, by Azure's own name.

use super::{
    AzureKind, LOCATION, TAGS, args, check_known, check_network, fixed, fixed_text, id_of, known,
    location, node, of, refuses, substitutes, text,
};
use crate::charge::{self, Counts, DISK_GIB_MAX, PREMIUM};
use crate::regions;
use dsenv_sdk::Term;
use dsenv_sdk::addr::Part;
use dsenv_sdk::cost::{Charge, Costing, Planned, Rate, Time};
use dsenv_sdk::prices::Driver;
use dsenv_sdk::provider::{
    Finding, GRANT, Native, Neutral, OnDestroy, Surroundings, Use, grant_key,
};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type, parse_size};
use dsenv_sdk::value::Value;
use rust_decimal::Decimal;
use std::ops::RangeInclusive;

pub(super) const KIND: AzureKind =
    AzureKind { name: "volume", check, wants: |_, _| Vec::new(), lower };

const PREMIUM_V2: &str = "PremiumV2_LRS";
/// What a volume may be made of.
const CLASSES: &[&str] = &[PREMIUM, PREMIUM_V2, charge::STANDARD_SSD, charge::STANDARD_HDD];
/// What the price list calls it.
const PREMIUM_V2_CLASS: &str = "premium-v2";

/// What the second version may have, and has for nothing:
/// <https://learn.microsoft.com/azure/virtual-machines/disks-types#premium-ssd-v2>
const IOPS: RangeInclusive<i64> = 3_000..=80_000;
const MIB_A_SECOND: RangeInclusive<i64> = 125..=1_200;
/// More than the usual number takes so many GiB, and so many carry one MiB a second.
const IOPS_A_GIB: i64 = 500;
const IOPS_A_MIB: i64 = 4;
/// What the smallest sizes of machines take.
const A_MACHINE_MAX: usize = 4;

/// A disk that outlives its machine.
pub(crate) const DISK: NativeType = NativeType {
    name: "azure.disk",
    doc: "A disk that outlives its machine.",
    fields: &[
        LOCATION,
        Field::new("zones", Type::Any, "The zone that it stands in, alone in a list.")
            .replaces()
            .class(Class::Bind),
        Field::new("disk_class", Type::Choice(CLASSES), "What it is made of.")
            .required()
            .replaces()
            .class(Class::Scale)
            .of("class"),
        Field::new("size_gib", Type::Int { min: 1, max: DISK_GIB_MAX }, "How big it is; it grows.")
            .required()
            .class(Class::Scale)
            .of("size"),
        Field::new("iops", Type::Int { min: 1, max: *IOPS.end() }, "Reads and writes a second.")
            .class(Class::Scale),
        Field::new(
            "throughput_mib",
            Type::Int { min: 1, max: *MIB_A_SECOND.end() },
            "MiB a second.",
        )
        .class(Class::Scale)
        .of("throughput"),
        TAGS,
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: true,
};

/// That a disk is attached to a machine.
pub(crate) const ATTACHMENT: NativeType = NativeType {
    name: "azure.attachment",
    doc: "That a disk is attached to a machine.",
    fields: &[
        id_of("machine", "The machine.").required().replaces(),
        id_of("disk", "The disk.").required().replaces(),
        Field::new("lun", Type::Int { min: 0, max: 63 }, "In which place.").required().replaces(),
    ],
    attributes: &[Attribute::new("id", "Which disk at which machine.")],
    // A disk is at one machine at a time.
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

/// What a volume is to be.
struct Wanted<'a> {
    class: Option<&'a str>,
    gib: i64,
    iops: Option<i64>,
    mib_a_second: Option<i64>,
}

impl<'a> Wanted<'a> {
    fn of(resource: &'a Neutral) -> Wanted<'a> {
        let units = |field: &str, unit: u64| {
            let bytes = text(resource, field).and_then(parse_size)?;
            i64::try_from(bytes.div_ceil(unit)).ok()
        };
        Wanted {
            class: text(resource, "class"),
            gib: units("size", 1 << 30).unwrap_or(1),
            iops: known(resource, "iops").and_then(Value::as_int),
            mib_a_second: units("throughput", 1 << 20),
        }
    }

    /// Whether its speed is set apart from its size.
    fn is_measured(&self) -> bool {
        self.class() == PREMIUM_V2
    }

    fn says_speed(&self) -> bool {
        self.iops.is_some() || self.mib_a_second.is_some()
    }

    /// What is said, else what has what is asked for.
    fn class(&self) -> &'a str {
        self.class.unwrap_or(if self.says_speed() { PREMIUM_V2 } else { PREMIUM })
    }
}

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = check_known(resource, &["size", "class", "iops", "throughput", "encrypted"]);
    findings.extend(check_network(resource));
    let lost = regions::check(resource, around);
    let wanted = Wanted::of(resource);
    let region = around.region.unwrap_or_default();
    if lost.is_empty() && wanted.is_measured() && !regions::has_zones(region) {
        let message =
            format!("`{region}` has no zones, and disks with `iops` of their own stand in one");
        let help = "take `iops` and `throughput` out, or take a region with zones";
        findings.push(refuses(&["iops"], message, help));
    }
    findings.extend(lost);
    findings.extend(check_class(&wanted));
    findings.extend(check_bounds(&wanted));
    if known(resource, "encrypted") == Some(&Value::Bool(false)) {
        let message = "on azure a disk is encrypted all the same, and nobody can switch it off";
        findings.push(substitutes(&["encrypted"], message));
    }
    if resource.on_destroy == OnDestroy::Snapshot {
        let message = "on azure a last copy of a volume is not built yet";
        let help = "write `on_destroy: retain`, which keeps the disk, or `delete`";
        findings.push(refuses(&["on_destroy"], message, help));
    }
    findings
}

fn check_class(wanted: &Wanted<'_>) -> Option<Finding> {
    let class = wanted.class?;
    if !CLASSES.contains(&class) {
        let message = format!("on azure no volume is a `{class}`, or it is not built yet");
        let help = format!("write one of `{}`", CLASSES.join("`, `"));
        return Some(refuses(&["class"], message, help));
    }
    if wanted.says_speed() && class != PREMIUM_V2 {
        let field = if wanted.iops.is_some() { "iops" } else { "throughput" };
        let message = format!("on azure a `{class}` has the speed that its size has");
        let help = format!("take `{field}` out, or write `class: {PREMIUM_V2}`");
        return Some(refuses(&[field], message, help));
    }
    None
}

fn check_bounds(wanted: &Wanted<'_>) -> Vec<Finding> {
    let gib = wanted.gib;
    if gib > DISK_GIB_MAX {
        let message = format!("on azure a volume has {DISK_GIB_MAX}GiB at most, not {gib}GiB");
        return vec![refuses(&["size"], message, "write `size: 100GiB`")];
    }
    let iops = wanted.iops.unwrap_or(*IOPS.start());
    let most = gib.saturating_mul(IOPS_A_GIB).clamp(*IOPS.start(), *IOPS.end());
    if !(*IOPS.start()..=most).contains(&iops) {
        let least = IOPS.start();
        let message =
            format!("on azure a volume of {gib}GiB has from {least} to {most} `iops`, not {iops}");
        return vec![refuses(&["iops"], message, format!("write `iops: {most}`, or less"))];
    }
    let mib = wanted.mib_a_second.unwrap_or(*MIB_A_SECOND.start());
    let most = (iops / IOPS_A_MIB).min(*MIB_A_SECOND.end());
    if !(*MIB_A_SECOND.start()..=most).contains(&mib) {
        let least = MIB_A_SECOND.start();
        let message = format!(
            "on azure {iops} `iops` carry from {least}MiB to {most}MiB a second, not {mib}MiB"
        );
        let help = format!("write `throughput: {most}MiB`, or less; more `iops` carry more");
        return vec![refuses(&["throughput"], message, help)];
    }
    Vec::new()
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let network = resource.network.as_ref().expect("a volume without a network was refused");
    let region = around.region.expect("a volume without a region was refused");
    let wanted = Wanted::of(resource);
    let measured = wanted.is_measured();
    let int = |number: i64| fixed(Value::Int(number));
    let zone = of(network, "volume_zone").map(|zone| Term::list(vec![zone]));
    let disk = args([
        ("location", location(around)),
        ("zones", zone.filter(|_| regions::has_zones(region))),
        ("disk_class", fixed_text(wanted.class())),
        ("size_gib", int(wanted.gib)),
        ("iops", int(wanted.iops.unwrap_or(*IOPS.start())).filter(|_| measured)),
        (
            "throughput_mib",
            int(wanted.mib_a_second.unwrap_or(*MIB_A_SECOND.start())).filter(|_| measured),
        ),
    ]);
    vec![node(None, &DISK, disk)]
}

/// How many volumes a machine uses.
pub(super) fn used(resource: &Neutral) -> usize {
    resource.uses.iter().filter(|used| used.kind == KIND.name).count()
}

/// What a machine that uses volumes is refused for.
pub(super) fn check_uses(resource: &Neutral) -> Vec<Finding> {
    let count = used(resource);
    if count <= A_MACHINE_MAX {
        return Vec::new();
    }
    let message = format!("on azure a machine has {A_MACHINE_MAX} volumes at most, not {count}");
    vec![refuses(&["uses"], message, "use fewer and larger ones, or a share")]
}

/// Lowers the attachments of all volumes that a machine uses.
pub(super) fn attachments(machine: &Neutral) -> Vec<Native> {
    let volumes = machine.uses.iter().filter(|used| used.kind == KIND.name).zip(0..);
    let attachment = |(used, lun): (&Use, i64)| {
        let args = args([
            ("machine", of(&machine.addr, "id")),
            ("disk", of(&used.target, "id")),
            ("lun", fixed(Value::Int(lun))),
        ]);
        let part = Part { name: GRANT.into(), key: Some(grant_key(&used.target)) };
        node(Some(part), &ATTACHMENT, args)
    };
    volumes.map(attachment).collect()
}

/// What a volume is charged for: its size; of the second version, what is beyond its usual speed too.
pub(crate) fn charges(node: &Planned<'_>, costing: &Costing<'_>) -> Vec<Charge> {
    let gib = node.int("size_gib").unwrap_or_default();
    let disk_class = node.text("disk_class").unwrap_or(PREMIUM);
    if disk_class != PREMIUM_V2 {
        return charge::disk(node.addr, costing, ("disk", disk_class), gib, Counts::fixed(1));
    }
    let class = PREMIUM_V2_CLASS;
    let charge = |name: &str, driver, count: i64| {
        Charge::new(node.addr, name, Time::Month, Rate::of(driver), Decimal::from(count))
    };
    let beyond = |name: &str, usual: i64| (node.int(name).unwrap_or(usual) - usual).max(0);
    let mut charges = vec![charge("disk", Driver::DiskSpace { class }, gib)];
    let iops = beyond("iops", *IOPS.start());
    if iops > 0 {
        charges.push(charge("disk operations a second", Driver::DiskIops { class }, iops));
    }
    let mib = beyond("throughput_mib", *MIB_A_SECOND.start());
    if mib > 0 {
        charges.push(charge("disk throughput", Driver::DiskThroughput { class }, mib));
    }
    charges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests_of_kinds::{charged, findings, natives, neutral};
    use dsenv_sdk::Addr;
    use expect_test::expect;

    fn volume(fields: &[(&str, Value)]) -> Neutral {
        Neutral { network: Some(Addr::resource("net")), ..neutral("data", "volume", fields) }
    }

    #[test]
    fn a_volume_is_a_premium_disk() {
        let small = volume(&[("size", Value::text("100GB"))]);
        expect![[r#"
            data: azure.disk
              disk_class = "Premium_LRS"
              location = "westeurope"
              size_gib = 94
              zones = [<net.volume_zone>]
        "#]]
        .assert_eq(&natives(&small));
        expect![[r#"
            data: disk (P10): 1 x disk/P10/month
        "#]]
        .assert_eq(&charged(&small, &[], &[]));
    }

    #[test]
    fn speed_of_its_own_is_charged_beyond_what_is_usual() {
        let fast = volume(&[
            ("size", Value::text("100GiB")),
            ("iops", Value::Int(5_000)),
            ("throughput", Value::text("250MiB")),
        ]);
        expect![[r#"
            data: azure.disk
              disk_class = "PremiumV2_LRS"
              iops = 5000
              location = "westeurope"
              size_gib = 100
              throughput_mib = 250
              zones = [<net.volume_zone>]
        "#]]
        .assert_eq(&natives(&fast));
        expect![[r#"
            data: disk: 100 x disk/premium-v2/GB-month
            data: disk operations a second: 2000 x disk/premium-v2/IOPS-month
            data: disk throughput: 125 x disk/premium-v2/MBps-month
        "#]]
        .assert_eq(&charged(&fast, &[], &[]));
    }

    #[test]
    fn a_class_by_its_own_name_is_made_and_charged() {
        let of = |class: &str| {
            volume(&[("size", Value::text("1000GiB")), ("class", Value::text(class))])
        };
        expect![[r#"
            data: disk (E30): 1 x disk/E30/month
            data: disk operations: 1000000 x disk/standard-ssd/request (`usage.disk_requests` is 1000000 a month)
        "#]].assert_eq(&charged(&of("StandardSSD_LRS"), &[], &[]));
        let usage = [("disk_requests", Value::Int(20_000))];
        expect![[r#"
            data: disk (S30): 1 x disk/S30/month
            data: disk operations: 20000 x disk/standard-hdd/request
        "#]]
        .assert_eq(&charged(&of("Standard_LRS"), &[], &usage));
        expect![[r#"
            data: disk: 1000 x disk/premium-v2/GB-month
        "#]]
        .assert_eq(&charged(&of("PremiumV2_LRS"), &[], &[]));
        expect![[r#"
            class: refuses: on azure no volume is a `UltraSSD_LRS`, or it is not built yet (write one of `Premium_LRS`, `PremiumV2_LRS`, `StandardSSD_LRS`, `Standard_LRS`)
        "#]].assert_eq(&findings(&of("UltraSSD_LRS")));
        let fast = volume(&[
            ("size", Value::text("1TiB")),
            ("class", Value::text("Premium_LRS")),
            ("iops", Value::Int(5_000)),
        ]);
        expect![[r#"
            iops: refuses: on azure a `Premium_LRS` has the speed that its size has (take `iops` out, or write `class: PremiumV2_LRS`)
        "#]].assert_eq(&findings(&fast));
    }

    #[test]
    fn what_no_disk_has_is_refused() {
        let wrong = Neutral {
            on_destroy: OnDestroy::Snapshot,
            ..volume(&[
                ("size", Value::text("1GiB")),
                ("iops", Value::Int(90_000)),
                ("encrypted", Value::Bool(false)),
            ])
        };
        expect![[r#"
            iops: refuses: on azure a volume of 1GiB has from 3000 to 3000 `iops`, not 90000 (write `iops: 3000`, or less)
            encrypted: substitutes: on azure a disk is encrypted all the same, and nobody can switch it off
            on_destroy: refuses: on azure a last copy of a volume is not built yet (write `on_destroy: retain`, which keeps the disk, or `delete`)
        "#]].assert_eq(&findings(&wrong));
        let large = Neutral { network: None, ..volume(&[("size", Value::text("64TiB"))]) };
        expect![[r#"
            : refuses: on azure a volume stands in a network, and there is none (add one: `net: {kind: network, cidr: 10.20.0.0/16}`)
            size: refuses: on azure a volume has 32767GiB at most, not 65536GiB (write `size: 100GiB`)
        "#]].assert_eq(&findings(&large));
        let slow = volume(&[("size", Value::text("9GiB")), ("throughput", Value::text("900MiB"))]);
        expect![[r#"
            throughput: refuses: on azure 3000 `iops` carry from 125MiB to 750MiB a second, not 900MiB (write `throughput: 750MiB`, or less; more `iops` carry more)
        "#]].assert_eq(&findings(&slow));
    }
}
