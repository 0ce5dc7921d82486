//! `volume`: an EBS volume, and its attachment to the machine that uses it.
//!
//! ```text
//! net (its first zone) -> data (the volume) -> desk.grant["data"] (the attachment) <- desk (the instance)
//!                              \-> desk.settings (where it is mounted) -> desk
//! ```
//! A volume stands in one zone, the first of its network, and a machine that uses one is launched in
//! subnets of that zone alone. Another machine in the place of the first has the volume attached to it; the
//! volume stays. The machine itself makes a file system on a disk that has none and mounts it (see
//! `templates/boot/agent.py`).

mod attachment;
mod disk;

pub(crate) use attachment::{ATTACHMENT, Attachment};
pub(crate) use disk::{VOLUME, Volume};

use super::{AwsKind, args, refuses};
use dsenv_sdk::Term;
use dsenv_sdk::addr::Part;
use dsenv_sdk::provider::{Finding, GRANT, Native, Neutral, Surroundings, grant_key};
use dsenv_sdk::reading::known;
use dsenv_sdk::schema::parse_size;
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::Value;
use std::ops::RangeInclusive;

pub(super) const KIND: AwsKind = AwsKind { name: "volume", check, wants: |_, _| Vec::new(), lower };

/// What a volume may be, by EBS' own name, with its bounds:
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html>
struct Class {
    name: &'static str,
    gib: RangeInclusive<u64>,
    /// What it may be asked for; `None` for one whose speed follows its size.
    iops: Option<Iops>,
    /// The MiB a second that it may be asked for; the least it has without being asked.
    mib_a_second: Option<RangeInclusive<u64>>,
}

struct Iops {
    bounds: RangeInclusive<i64>,
    /// More than the least takes so many GiB.
    a_gib: u64,
    /// Whether it has the least without being asked.
    usual: bool,
}

const CLASSES: &[Class] = &[
    Class {
        name: disk::GP3,
        gib: 1..=65_536,
        iops: Some(Iops { bounds: 3_000..=80_000, a_gib: 500, usual: true }),
        mib_a_second: Some(125..=2_000),
    },
    Class { name: "gp2", gib: 1..=16_384, iops: None, mib_a_second: None },
    Class {
        name: "io1",
        gib: 4..=16_384,
        iops: Some(Iops { bounds: 100..=64_000, a_gib: 50, usual: false }),
        mib_a_second: None,
    },
    Class {
        name: "io2",
        gib: 4..=65_536,
        iops: Some(Iops { bounds: 100..=256_000, a_gib: 1_000, usual: false }),
        mib_a_second: None,
    },
    Class { name: "st1", gib: 125..=16_384, iops: None, mib_a_second: None },
    Class { name: "sc1", gib: 125..=16_384, iops: None, mib_a_second: None },
    Class { name: "standard", gib: 1..=1_024, iops: None, mib_a_second: None },
];

/// So many operations a second carry one MiB a second.
const IOPS_A_MIB: u64 = 4;

/// How many volumes one machine has: what there are names of devices for.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/device_naming.html>
const A_MACHINE_MAX: usize = attachment::DEVICES.len();

/// A size in whole units, rounded up.
fn size_in(resource: &Neutral, field: &str, unit_bytes: u64) -> Option<u64> {
    let bytes = known(resource, field).and_then(Value::as_text).and_then(parse_size)?;
    Some(bytes.div_ceil(unit_bytes))
}

/// What a volume is to be.
struct Wanted {
    class: &'static Class,
    gib: u64,
    iops: Option<i64>,
    mib_a_second: Option<u64>,
}

impl Wanted {
    /// Reads it; `None` for a class that there is none of.
    fn of(resource: &Neutral) -> Option<Wanted> {
        let name = known(resource, "class").and_then(Value::as_text).unwrap_or(disk::GP3);
        let class = CLASSES.iter().find(|class| class.name == name)?;
        let usual_iops = class.iops.as_ref().filter(|iops| iops.usual);
        let usual_mib = class.mib_a_second.as_ref().map(|bounds| *bounds.start());
        Some(Wanted {
            class,
            gib: size_in(resource, "size", 1 << 30).unwrap_or(*class.gib.start()),
            iops: known(resource, "iops")
                .and_then(Value::as_int)
                .or(usual_iops.map(|iops| *iops.bounds.start())),
            mib_a_second: size_in(resource, "throughput", 1 << 20).or(usual_mib),
        })
    }
}

fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for field in ["size", "class", "iops", "throughput", "encrypted"] {
        if resource.fields.get(field).is_some_and(|term| term.known().is_none()) {
            let message = format!("`{field}` of a volume must be known before apply");
            findings.push(refuses(&[field], message, "take it from an input, or write it out"));
        }
    }
    if resource.network.is_none() {
        let message = "on aws a volume stands in a zone of a network, and there is none";
        let help = "add one: `net: {kind: network, cidr: 10.20.0.0/16}`";
        findings.push(refuses(&[], message, help));
    }
    if around.region.is_none() {
        let message = "on aws a volume needs to know its region";
        findings.push(refuses(&[], message, "write `region: us-east-1` below the environment"));
    }
    match Wanted::of(resource) {
        Some(wanted) => findings.extend(check_bounds(&wanted)),
        None => {
            let name = known(resource, "class").expect("a class without a name is usual");
            let names: Vec<&str> = CLASSES.iter().map(|class| class.name).collect();
            let help = format!("write one of `{}`", names.join("`, `"));
            findings.push(refuses(&["class"], format!("on aws no volume is a {name}"), help));
        }
    }
    findings
}

fn check_bounds(wanted: &Wanted) -> Vec<Finding> {
    let Wanted { class, gib, .. } = wanted;
    let mut findings = Vec::new();
    if !class.gib.contains(gib) {
        let shown = |gib: u64| match gib {
            gib if gib >= 1_024 => format!("{}TiB", gib / 1_024),
            gib => format!("{gib}GiB"),
        };
        let (least, most) = (shown(*class.gib.start()), shown(*class.gib.end()));
        let what = of_class(class);
        let message = format!("on aws a volume{what} has from {least} to {most}, not {gib}GiB");
        let help = format!("write `size: {}GiB`", class.gib.start().max(&100));
        findings.push(refuses(&["size"], message, help));
    }
    findings.extend(check_speed(wanted));
    findings
}

/// ` of io1`, and nothing of the usual class.
fn of_class(class: &Class) -> String {
    if class.name == disk::GP3 { String::new() } else { format!(" of {}", class.name) }
}

fn check_speed(wanted: &Wanted) -> Option<Finding> {
    let Wanted { class, gib, iops, mib_a_second } = wanted;
    let what = of_class(class);
    let not_asked = |field: &'static str| {
        let message = format!("on aws `{field}` of a volume{what} cannot be asked for");
        refuses(&[field], message, "take it out, or write `class: gp3`")
    };
    match (&class.iops, iops) {
        (None, None) => {}
        (None, Some(_)) => return Some(not_asked("iops")),
        (Some(Iops { bounds, .. }), None) => {
            let message = format!("on aws a volume{what} is made with `iops`, and none are said");
            return Some(refuses(&["iops"], message, format!("write `iops: {}`", bounds.start())));
        }
        (Some(Iops { bounds, a_gib, .. }), Some(iops)) => {
            let least = *bounds.start();
            let by_size = i64::try_from(gib.saturating_mul(*a_gib)).unwrap_or(i64::MAX);
            let most = by_size.clamp(least, *bounds.end());
            if !(least..=most).contains(iops) {
                let message = format!(
                    "on aws a volume{what} of {gib}GiB has from {least} to {most} `iops`, not {iops}"
                );
                let help = format!("write `iops: {most}`, or less");
                return Some(refuses(&["iops"], message, help));
            }
        }
    }
    let (Some(iops), Some(mib)) = (iops, mib_a_second) else {
        return mib_a_second.map(|_| not_asked("throughput"));
    };
    let Some(bounds) = &class.mib_a_second else { return Some(not_asked("throughput")) };
    let carried = u64::try_from(*iops).expect("the bounds are positive") / IOPS_A_MIB;
    let (least, most) = (*bounds.start(), carried.min(*bounds.end()));
    if (least..=most).contains(mib) {
        return None;
    }
    let message =
        format!("on aws {iops} `iops` carry from {least}MiB to {most}MiB a second, not {mib}MiB");
    let help = format!("write `throughput: {most}MiB`, or less; more `iops` carry more");
    Some(refuses(&["throughput"], message, help))
}

/// What a machine that uses volumes is refused for.
pub(super) fn check_uses(resource: &Neutral) -> Vec<Finding> {
    let count = used(resource);
    if count <= A_MACHINE_MAX {
        return Vec::new();
    }
    let message = format!("on aws a machine has {A_MACHINE_MAX} volumes at most, not {count}");
    vec![refuses(&["uses"], message, "use fewer and larger ones, or a share")]
}

/// How many volumes a machine uses.
pub(super) fn used(resource: &Neutral) -> usize {
    resource.uses.iter().filter(|used| used.kind == KIND.name).count()
}

fn lower(resource: &Neutral, _: &Surroundings<'_>) -> Vec<Native> {
    let network = resource.network.clone().expect("a volume without a network was refused");
    let wanted = Wanted::of(resource).expect("a class that there is none of was refused");
    let Wanted { class, gib, iops, mib_a_second } = wanted;
    let int = |number: u64| {
        let number = i64::try_from(number).expect("the bounds were checked");
        Some(Term::Known(Value::Int(number)))
    };
    let encrypted = resource.fields.get("encrypted").cloned();
    let volume = args([
        ("size_gib", int(gib)),
        ("disk_type", Some(Term::text(class.name))),
        ("iops", iops.map(|iops| Term::Known(Value::Int(iops)))),
        ("throughput_mib", mib_a_second.and_then(int)),
        ("encrypted", Some(encrypted.unwrap_or(Term::Known(Value::Bool(true))))),
        ("zone", Some(Term::Ref(Ref::attribute(network, "volume_zone")))),
    ]);
    vec![Native { part: None, ty: VOLUME.name, args: volume, after: Vec::new() }]
}

/// Lowers the attachments of all volumes that a machine uses.
pub(super) fn attachments(machine: &Neutral) -> Vec<Native> {
    let volumes = machine.uses.iter().filter(|used| used.kind == KIND.name);
    let attachment = |(number, used): (usize, &dsenv_sdk::provider::Use)| {
        let number = i64::try_from(number).expect("a machine has few volumes");
        let args = args([
            ("volume", Some(Term::Ref(Ref::attribute(used.target.clone(), "id")))),
            ("instance", Some(Term::Ref(Ref::attribute(machine.addr.clone(), "id")))),
            ("number", Some(Term::Known(Value::Int(number)))),
            ("outlives", Some(Term::Known(Value::Bool(true)))),
        ]);
        let part = Some(Part { name: GRANT.into(), key: Some(grant_key(&used.target)) });
        Native { part, ty: ATTACHMENT.name, args, after: Vec::new() }
    };
    volumes.enumerate().map(attachment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests_of_kinds::{findings, natives, neutral};
    use dsenv_sdk::Addr;
    use dsenv_sdk::provider::{Right, Use};
    use expect_test::{Expect, expect};

    fn volume(fields: &[(&str, Value)]) -> Neutral {
        Neutral { network: Some(Addr::resource("net")), ..neutral("data", "volume", fields) }
    }

    #[test]
    fn a_volume_is_one_node() {
        let fields = [("size", Value::text("100GB")), ("throughput", Value::text("250MiB"))];
        expect![[r#"
            data: aws.volume
              disk_type = "gp3"
              encrypted = true
              iops = 3000
              size_gib = 94
              throughput_mib = 250
              zone = <net.volume_zone>
        "#]]
        .assert_eq(&natives(lower, &volume(&fields)));
    }

    /// A machine that uses a volume and a share, as far as these are concerned.
    #[test]
    fn a_machine_stands_where_its_volume_does() {
        let used = |name: &str, kind, right| Use { target: Addr::resource(name), kind, right };
        let machine = |uses: Vec<Use>| {
            let network = Some(Addr::resource("net"));
            let machine = Neutral { network, uses, ..neutral("desk", "machine", &[]) };
            natives(super::super::machine::KIND.lower, &machine)
        };
        let both = machine(vec![
            used("data", "volume", Right::ReadWrite),
            used("files", "share", Right::Read),
            used("more", "volume", Right::Read),
        ]);
        let told =
            ["grant", "instance =", "volume =", "number", "outlives", "mounts", "port =", "group"];
        let lines: Vec<&str> = both
            .lines()
            .filter(|line| told.iter().chain(&["subnets"]).any(|told| line.contains(told)))
            .collect();
        expect![[r#"
            desk.firewall: aws.security_group
            desk.grant["files"]: aws.ingress
              from_group = <desk.firewall.id>
              group = <files.firewall.id>
              port = 2049
            desk.grant["data"]: aws.attachment
              instance = <desk.id>
              number = 0
              outlives = true
              volume = <data.id>
            desk.grant["more"]: aws.attachment
              instance = <desk.id>
              number = 1
              outlives = true
              volume = <more.id>
              mounts = {DATA: {path: "/mnt/data", readonly: false, size: <data.size>, volume: <data.id>}, FILES: {host: <files.targets.host>, path: "/mnt/files", readonly: true}, MORE: {path: "/mnt/more", readonly: true, size: <more.size>, volume: <more.id>}}
              groups = [<desk.firewall.id>]
              subnets = <net.volume_places>"#]].assert_eq(&lines.join("\n"));
        let alone = machine(vec![used("files", "share", Right::Read)]);
        assert!(alone.contains("subnets = <net.machine_places>"), "{alone}");
    }

    #[test]
    fn more_volumes_than_there_are_devices_are_refused() {
        let used = |number: usize| Use {
            target: Addr::resource(&format!("v{number}")),
            kind: "volume",
            right: Right::Read,
        };
        let machine = |count: usize| Neutral {
            uses: (0..count).map(used).collect(),
            ..neutral("m", "machine", &[])
        };
        assert!(check_uses(&machine(11)).is_empty());
        let refused = findings(|it, _| check_uses(it), &machine(12));
        assert!(refused.contains("a machine has 11 volumes at most, not 12"), "{refused}");
    }

    fn checked(fields: &[(&str, Value)], expected: Expect) {
        expected.assert_eq(&findings(check, &volume(fields)));
    }

    #[test]
    fn a_class_by_its_own_name_has_what_it_has() {
        let of = |class: &str, more: &[(&'static str, Value)]| {
            let mut fields = vec![("size", Value::text("30GiB")), ("class", Value::text(class))];
            fields.extend(more.iter().cloned());
            fields
        };
        let iops = [("iops", Value::Int(300))];
        expect![[r#"
            data: aws.volume
              disk_type = "gp2"
              encrypted = true
              size_gib = 30
              zone = <net.volume_zone>
        "#]]
        .assert_eq(&natives(lower, &volume(&of("gp2", &[]))));
        expect![[r#"
            data: aws.volume
              disk_type = "io1"
              encrypted = true
              iops = 300
              size_gib = 30
              zone = <net.volume_zone>
        "#]]
        .assert_eq(&natives(lower, &volume(&of("io1", &iops))));
        checked(
            &of("io2", &[]),
            expect![[r#"
            iops: refuses: on aws a volume of io2 is made with `iops`, and none are said (write `iops: 100`)
        "#]],
        );
        checked(
            &of("gp2", &iops),
            expect![[r#"
            iops: refuses: on aws `iops` of a volume of gp2 cannot be asked for (take it out, or write `class: gp3`)
        "#]],
        );
        checked(
            &of("st1", &[]),
            expect![[r#"
            size: refuses: on aws a volume of st1 has from 125GiB to 16TiB, not 30GiB (write `size: 125GiB`)
        "#]],
        );
        checked(
            &of("pd-ssd", &[]),
            expect![[r#"
            class: refuses: on aws no volume is a "pd-ssd" (write one of `gp3`, `gp2`, `io1`, `io2`, `st1`, `sc1`, `standard`)
        "#]],
        );
        checked(
            &of("io1", &[("iops", Value::Int(9_000))]),
            expect![[r#"
            iops: refuses: on aws a volume of io1 of 30GiB has from 100 to 1500 `iops`, not 9000 (write `iops: 1500`, or less)
        "#]],
        );
    }

    #[test]
    fn what_ebs_cannot_do_is_refused() {
        let size = |size: &str| ("size", Value::text(size));
        checked(
            &[size("65TiB")],
            expect![[r#"
                size: refuses: on aws a volume has from 1GiB to 64TiB, not 66560GiB (write `size: 100GiB`)
            "#]],
        );
        checked(
            &[size("10GiB"), ("iops", Value::Int(6_000))],
            expect![[r#"
                iops: refuses: on aws a volume of 10GiB has from 3000 to 5000 `iops`, not 6000 (write `iops: 5000`, or less)
            "#]],
        );
        checked(
            &[size("10GiB"), ("throughput", Value::text("1GiB"))],
            expect![[r#"
                throughput: refuses: on aws 3000 `iops` carry from 125MiB to 750MiB a second, not 1024MiB (write `throughput: 750MiB`, or less; more `iops` carry more)
            "#]],
        );
        checked(&[size("1GiB"), ("iops", Value::Int(3_000))], expect![""]);
        let alone = neutral("data", "volume", &[size("1GiB")]);
        expect![[r#"
            : refuses: on aws a volume stands in a zone of a network, and there is none (add one: `net: {kind: network, cidr: 10.20.0.0/16}`)
        "#]]
        .assert_eq(&findings(check, &alone));
    }
}
