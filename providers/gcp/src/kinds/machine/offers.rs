//! Which machine types satisfy what a machine needs, in the order in which they are tried, and which disk
//! they start from.
//!
//! The price book decides, so that a plan is made offline and the same everywhere; the lock pins the list.
//! A type that runs and still satisfies stays, whatever a newer book puts first (see `Field::taken`).
//!
//! ## Why two lists
//! What is spot here is charged as spot: no member of a group is on demand in its place, and the discounts
//! differ so much that the cheapest type is another one. So spot is put in order by its own price, and its
//! list has a pin of its own.
//!
//! ## Why the disk
//! Newer families start from Hyperdisk alone, the others from Persistent Disk, and the disk is made before
//! it is known which type is to be had. So all types of one list start from one kind of disk. Persistent
//! Disk comes first: the book has a price of it, and none of Hyperdisk Balanced, so that a machine which is
//! cheaper by itself may not be so with its disk.
//! <https://cloud.google.com/compute/docs/disks/hyperdisks#machine-type-support>

use crate::kinds::text;
use dsenv_sdk::placement::{self, Market, Wrong};
use dsenv_sdk::prices::need::{GpuNeed, Gpus, Need};
use dsenv_sdk::prices::{Book, Cloud, Purchase};
use dsenv_sdk::provider::{Finding, Neutral, Surroundings, Want, refuses};

/// What every machine starts from unless its type cannot: the middle way between price and speed.
pub(crate) const PERSISTENT: &str = "pd-balanced";
pub(crate) const HYPERDISK: &str = "hyperdisk-balanced";

/// What a machine may start from. Extreme disks are given operations a second, for which a machine has no
/// field.
pub(crate) const ROOT_CLASSES: &[&str] = &[PERSISTENT, HYPERDISK, "pd-ssd", "pd-standard"];

/// Which of these a resource names.
fn disk_class(resource: &Neutral) -> Option<&str> {
    text(resource, "disk_class").filter(|class| ROOT_CLASSES.contains(class))
}

/// What a root disk by its own name is refused for: what is no such disk, or one that no type starts from.
pub(crate) fn check_disk_class(
    resource: &Neutral,
    around: &Surroundings<'_>,
    ways: Ways,
) -> Option<Finding> {
    let class = text(resource, "disk_class")?;
    if !ROOT_CLASSES.contains(&class) {
        let message = format!("on gcp no machine starts from a `{class}`, or it is not built yet");
        let help = format!("write one of `{}`", ROOT_CLASSES.join("`, `"));
        return Some(refuses(&["disk_class"], message, help));
    }
    // Without it there may be some, and what is wrong is this alone.
    let mut bare = resource.clone();
    bare.fields.remove("disk_class");
    let others = offers(&bare, around, ways, 1);
    let lacks = offers(resource, around, ways, 1).types.is_empty() && !others.types.is_empty();
    let message = format!("on gcp a `{}` does not start from a `{class}`", others.types.first()?);
    let help = format!("write `disk_class: {}`, or take another type", others.disk);
    lacks.then(|| refuses(&["disk_class"], message, help))
}

/// Families that do not start from Persistent Disk.
const HYPERDISK_ALONE: &[&str] = &[
    "a3-ultragpu",
    "a4",
    "a4x",
    "c4",
    "c4a",
    "c4d",
    "c4n",
    "g4",
    "h4d",
    "m4",
    "m4n",
    "n4",
    "n4a",
    "n4d",
    "x4",
];

/// Types that are sold as spot or for a time that was agreed on, never on demand:
/// <https://cloud.google.com/compute/docs/accelerator-optimized-machines#consumption_option_availability_by_machine_type>
const SPOT_ALONE: &[&str] = &["a3-highgpu-1g", "a3-highgpu-2g", "a3-highgpu-4g"];

/// Families that have GPUs, for a type that the book does not know.
const GPU_FAMILIES: &[&str] = &["a2", "a3", "a4", "a4x", "g2", "g4"];

/// How a resource is bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ways {
    pub(crate) spot: bool,
    pub(crate) on_demand: bool,
}

/// The types that do, and what they start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offers {
    pub(crate) types: Vec<String>,
    pub(crate) disk: &'static str,
    /// Whether they have GPUs: such a machine cannot move to another host while it runs.
    pub(crate) has_gpu: bool,
}

fn family(ty: &str) -> &str {
    ty.split('-').next().unwrap_or(ty)
}

fn disk_of(ty: &str) -> &'static str {
    let alone =
        HYPERDISK_ALONE.iter().any(|it| *it == family(ty) || ty.starts_with(&format!("{it}-")));
    if alone { HYPERDISK } else { PERSISTENT }
}

fn has_gpu(ty: &str) -> bool {
    match Book::builtin().shape(Cloud::Gcp, ty) {
        Some(shape) => shape.gpu.is_some(),
        None => GPU_FAMILIES.contains(&family(ty)),
    }
}

/// How machines are placed here. More are kept than are tried: some of them fall out here.
pub(crate) const MARKET: Market =
    Market { cloud: Cloud::Gcp, usual_region: "us-central1", most: 40, by: Purchase::OnDemand };
const SPOT_MARKET: Market = Market { by: Purchase::Spot, ..MARKET };

impl Ways {
    fn market(self) -> Market {
        if self.spot { SPOT_MARKET } else { MARKET }
    }
}

/// What the lock pins of what a machine or a pool needs; see [`Market::want`].
pub(crate) fn want(resource: &Neutral, around: &Surroundings<'_>, ways: Ways) -> Option<Want> {
    ways.market().want(resource, around)
}

/// Returns the types that satisfy a resource, `most` at most, those of the lock where it has a list; empty
/// where none does.
pub(crate) fn offers(
    resource: &Neutral,
    around: &Surroundings<'_>,
    ways: Ways,
    most: usize,
) -> Offers {
    let pinned = ways.market().offers(resource, around);
    let mut offers = usable(pinned, resource, ways);
    if offers.types.is_empty() {
        // What falls out here is not all that there is.
        let book = Book::builtin();
        let placed = placement::need(resource).map(|need| {
            let need = Need { purchase: ways.market().by, ..need };
            ways.market().place(&book, around.region, &need)
        });
        let all = placed.iter().flat_map(|placed| placed.chosen.iter().chain(&placed.fallbacks));
        offers = usable(all.map(|offer| offer.name.to_owned()).collect(), resource, ways);
    }
    offers.types.truncate(most);
    offers
}

/// Leaves out what is not sold so, or does not start from the one kind of disk.
fn usable(mut types: Vec<String>, resource: &Neutral, ways: Ways) -> Offers {
    if text(resource, "type").is_none() {
        types.retain(|name| !ways.on_demand || !SPOT_ALONE.contains(&name.as_str()));
    }
    // What is said decides, else the types do.
    let disk = match disk_class(resource).map(|class| class.starts_with("pd-")) {
        Some(true) => PERSISTENT,
        Some(false) => HYPERDISK,
        None if types.iter().any(|ty| disk_of(ty) == PERSISTENT) => PERSISTENT,
        None => HYPERDISK,
    };
    types.retain(|ty| disk_of(ty) == disk);
    let has_gpu = types.iter().any(|ty| has_gpu(ty));
    let disk =
        ROOT_CLASSES.iter().copied().find(|it| Some(*it) == disk_class(resource)).unwrap_or(disk);
    Offers { types, disk, has_gpu }
}

/// What a machine's needs are refused for.
pub(crate) fn check(resource: &Neutral, around: &Surroundings<'_>, ways: Ways) -> Vec<Finding> {
    let open = super::super::check_known(resource, &["cpus", "memory", "gpu", "type"]);
    if !open.is_empty() || around.region.is_none() {
        return open;
    }
    if let Some(named) = text(resource, "type") {
        return check_named(named, ways).into_iter().collect();
    }
    let need = match placement::need(resource) {
        Ok(need) => need,
        Err(Wrong { field, message }) => {
            let help =
                "write counts as `2` or `2+`, sizes as `8GiB` or `8GiB+`, accelerators as `L4:1`";
            return vec![refuses(&[field], message, help)];
        }
    };
    if !offers(resource, around, ways, 1).types.is_empty() {
        return Vec::new();
    }
    if let Some(name) = attached(&need) {
        let message = format!(
            "Google Cloud attaches a {name} to a machine at a price of its own, which is not in the price \
             book, so that this version does not offer it"
        );
        let help = "ask for one that comes with its machine: `gpu: L4`, `gpu: A100`, `gpu: H100`";
        return vec![refuses(&["gpu"], message, help)];
    }
    let path: &[&str] = if resource.fields.contains_key("gpu") { &["gpu"] } else { &["cpus"] };
    let spot = Ways { spot: true, on_demand: false };
    let of_spot = offers(resource, around, spot, 1).types;
    if let Some(ty) = of_spot.first().filter(|ty| SPOT_ALONE.contains(&ty.as_str())) {
        let message = format!("Google Cloud sells what is needed, `{ty}`, as spot alone");
        return vec![refuses(
            path,
            message,
            "write `purchase: spot`, or ask for eight: `gpu: H100:8`",
        )];
    }
    let message = format!(
        "no machine type that this version knows in {} has what is needed",
        around.region.unwrap_or_default()
    );
    let help = "ask for `+` instead of an exact number, or name one: `type: n2-standard-4`";
    vec![refuses(path, message, help)]
}

fn check_named(named: &str, ways: Ways) -> Option<Finding> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !named.chars().all(plain) || !named.contains('-') {
        let message = format!("`{named}` is no machine type of Google Cloud");
        return Some(refuses(&["type"], message, "write one such as `type: n2-standard-4`"));
    }
    if ways.on_demand && SPOT_ALONE.contains(&named) {
        let message = format!("Google Cloud sells `{named}` as spot alone");
        let help = "write `purchase: spot`, or take `type: a3-highgpu-8g`";
        return Some(refuses(&["type"], message, help));
    }
    None
}

/// An accelerator that is needed and is only to be had at a price of its own.
fn attached(need: &Need) -> Option<&'static str> {
    let (Gpus::AnyOf(needs) | Gpus::Ordered(needs)) = &need.gpus else { return None };
    needs.iter().find_map(|need| match need {
        GpuNeed::Named { accelerator, .. } => accelerator.attached.then_some(accelerator.name),
        GpuNeed::Memory(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests_of_kinds::{around, map, neutral};
    use dsenv_sdk::value::Value;
    use expect_test::{Expect, expect};
    use std::collections::BTreeMap;

    fn checked(fields: &[(&str, Value)], ways: Ways, expected: Expect) {
        let pins = BTreeMap::new();
        let resource = neutral("m", "machine", fields);
        let found = offers(&resource, &around(&pins), ways, 4);
        let gpu = if found.has_gpu { ", with GPUs" } else { "" };
        let refused =
            crate::kinds::tests_of_kinds::shown_findings(check(&resource, &around(&pins), ways));
        expected.assert_eq(&format!(
            "{} from {}{gpu}\n{refused}",
            found.types.join(" "),
            found.disk
        ));
    }

    const ON_DEMAND: Ways = Ways { spot: false, on_demand: true };
    const SPOT: Ways = Ways { spot: true, on_demand: false };

    #[test]
    fn the_cheapest_comes_first_and_all_start_from_one_kind_of_disk() {
        let fields = [("cpus", Value::text("4+")), ("memory", Value::text("16GiB+"))];
        checked(
            &fields,
            ON_DEMAND,
            expect![[r#"
            e2-standard-4 n2d-standard-4 t2d-standard-4 e2-highmem-4 from pd-balanced
        "#]],
        );
        checked(
            &fields,
            SPOT,
            expect![[r#"
            c3d-standard-4 n2d-standard-4 c3-standard-4 c3d-highmem-4 from pd-balanced
        "#]],
        );
        checked(
            &[("type", Value::text("n4-standard-2"))],
            ON_DEMAND,
            expect![[r#"
            n4-standard-2 from hyperdisk-balanced
        "#]],
        );
        checked(
            &[("type", Value::text("e2-custom-4-8192"))],
            ON_DEMAND,
            expect![[r#"
            e2-custom-4-8192 from pd-balanced
        "#]],
        );
    }

    #[test]
    fn what_the_lock_has_is_taken() {
        let machine = neutral("m", "machine", &[("cpus", Value::text("2+"))]);
        let types =
            |pins: &BTreeMap<String, Value>, ways| offers(&machine, &around(pins), ways, 4).types;
        let mut pins = BTreeMap::new();
        let wants = [ON_DEMAND, SPOT].map(|ways| want(&machine, &around(&pins), ways));
        let [on_demand, spot] = wants.map(|want| want.expect("it is pinned"));
        assert_eq!(&*on_demand.pin, "gcp-offers-us-central1-cpus-2+");
        assert_eq!(&*spot.pin, "gcp-offers-us-central1-cpus-2+-by-spot");
        let unpinned = [ON_DEMAND, SPOT].map(|ways| types(&pins, ways));
        for want in [&on_demand, &spot] {
            pins.insert(want.pin.to_string(), MARKET.pin(want).expect("the book has some"));
        }
        assert_eq!([ON_DEMAND, SPOT].map(|ways| types(&pins, ways)), unpinned);
        // What starts from another disk than the others falls out, as of the book's own list.
        let older = ["n4-standard-2", "n1-standard-2", "m1-old"].map(Value::text);
        pins.insert(on_demand.pin.to_string(), Value::List(older.to_vec()));
        assert_eq!(types(&pins, ON_DEMAND), ["n1-standard-2", "m1-old"]);
        assert_eq!(types(&pins, SPOT), unpinned[1]);
    }

    #[test]
    fn a_list_of_which_nothing_is_left_is_no_list() {
        let class = ("disk_class", Value::text("pd-ssd"));
        let machine = neutral("m", "machine", &[("cpus", Value::text("2+")), class]);
        let none = BTreeMap::new();
        let want = want(&machine, &around(&none), ON_DEMAND).expect("it is pinned");
        let newer = Value::List(vec![Value::text("n4-standard-2")]);
        let pins = BTreeMap::from([(want.pin.to_string(), newer)]);
        let found = offers(&machine, &around(&pins), ON_DEMAND, 4);
        assert_eq!(found, offers(&machine, &around(&none), ON_DEMAND, 4));
    }

    #[test]
    fn gpus_come_with_their_machine() {
        checked(
            &[("gpu", Value::text("24GiB+"))],
            ON_DEMAND,
            expect![[r#"
            g2-standard-4 g2-standard-8 from pd-balanced, with GPUs
        "#]],
        );
        checked(
            &[("gpu", Value::text("A100:8"))],
            ON_DEMAND,
            expect![[r#"
            a2-highgpu-8g a2-ultragpu-8g from pd-balanced, with GPUs
        "#]],
        );
        checked(
            &[("gpu", Value::text("RTX-PRO-6000"))],
            ON_DEMAND,
            expect![[r#"
            g4-standard-48 from hyperdisk-balanced, with GPUs
        "#]],
        );
        checked(
            &[("gpu", Value::text("H100"))],
            SPOT,
            expect![[r#"
            a3-highgpu-1g from pd-balanced, with GPUs
        "#]],
        );
        let list = Value::List(vec![Value::text("A100"), Value::text("L4")]);
        checked(
            &[("gpu", map([("any_of", list)]))],
            ON_DEMAND,
            expect![[r#"
            g2-standard-4 g2-standard-8 from pd-balanced, with GPUs
        "#]],
        );
    }

    #[test]
    fn what_is_not_to_be_had_is_refused() {
        checked(
            &[("gpu", Value::text("T4"))],
            ON_DEMAND,
            expect![[r#"
             from hyperdisk-balanced
            gpu: refuses: Google Cloud attaches a T4 to a machine at a price of its own, which is not in the price book, so that this version does not offer it (ask for one that comes with its machine: `gpu: L4`, `gpu: A100`, `gpu: H100`)
        "#]],
        );
        checked(
            &[("gpu", Value::text("H100"))],
            ON_DEMAND,
            expect![[r#"
             from hyperdisk-balanced
            gpu: refuses: Google Cloud sells what is needed, `a3-highgpu-1g`, as spot alone (write `purchase: spot`, or ask for eight: `gpu: H100:8`)
        "#]],
        );
        checked(
            &[("type", Value::text("a3-highgpu-1g"))],
            ON_DEMAND,
            expect![[r#"
            a3-highgpu-1g from pd-balanced, with GPUs
            type: refuses: Google Cloud sells `a3-highgpu-1g` as spot alone (write `purchase: spot`, or take `type: a3-highgpu-8g`)
        "#]],
        );
        checked(
            &[("type", Value::text("m5.xlarge"))],
            ON_DEMAND,
            expect![[r#"
            m5.xlarge from pd-balanced
            type: refuses: `m5.xlarge` is no machine type of Google Cloud (write one such as `type: n2-standard-4`)
        "#]],
        );
        checked(
            &[("cpus", Value::text("9999+"))],
            ON_DEMAND,
            expect![[r#"
             from hyperdisk-balanced
            cpus: refuses: no machine type that this version knows in us-central1 has what is needed (ask for `+` instead of an exact number, or name one: `type: n2-standard-4`)
        "#]],
        );
        checked(
            &[("memory", Value::text("much"))],
            ON_DEMAND,
            expect![[r#"
             from hyperdisk-balanced
            memory: refuses: `much` is no size: write `8GiB`, or `8GiB+` for that and more (write counts as `2` or `2+`, sizes as `8GiB` or `8GiB+`, accelerators as `L4:1`)
        "#]],
        );
    }
}
