//! Which sizes of machines satisfy what is needed, in the order in which they are tried.
//!
//! The price book places them: cheapest in the environment's region first; the lock pins the list. A size
//! that runs and still satisfies stays, whatever a newer book puts first (see `Field::taken`).
//!
//! ## What is left out of what nobody named
//! Sizes that take no premium disk (see `takes_premium`), confidential ones, which want an image and a disk
//! of their own, and for spot those that Azure does not sell as spot.

use crate::kinds::launch::Bought;
use crate::kinds::{known, refuses, text};
use dsenv_sdk::placement::{self, Market, Wrong};
use dsenv_sdk::prices::place::{Placement, Reason, Verdict};
use dsenv_sdk::prices::{Arch, Book, Cloud, Os, Purchase};
use dsenv_sdk::provider::{Finding, Neutral, Surroundings};
use dsenv_sdk::value::Value;
use rust_decimal::Decimal;

/// How machines are placed here. More are kept than are tried: some of them fall out here.
pub(crate) const MARKET: Market =
    Market { cloud: Cloud::Azure, usual_region: "westeurope", most: 20, by: Purchase::OnDemand };

/// A size in its parts: `Standard_D4ds_v5` has the line `D`, the traits `ds`.
struct Name<'a> {
    line: &'a str,
    traits: &'a str,
}

/// Reads a name; traits are the letters behind the number: <https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions>.
fn parsed(size: &str) -> Name<'_> {
    let bare = size.strip_prefix("Standard_").unwrap_or(size);
    let at = bare.find(|c: char| c.is_ascii_digit()).unwrap_or(bare.len());
    let (line, rest) = bare.split_at(at);
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
    let end = rest.find('_').unwrap_or(rest.len());
    Name { line, traits: &rest[..end] }
}

/// Says whether a size takes premium disks: those with an `s` in their traits, older ones with an `S` in
/// their line (`DS2_v2`), and all burstable ones.
pub(crate) fn takes_premium(size: &str) -> bool {
    let Name { line, traits } = parsed(size);
    line.starts_with('B') || line.ends_with('S') || traits.contains('s')
}

/// Says whether a size has a disk of its own that is lost with it.
pub(crate) fn has_own_disk(size: &str) -> bool {
    parsed(size).traits.contains('d')
}

/// Says whether a size reaches its disks by NVMe, as those from the sixth version on do.
pub(crate) fn has_nvme(size: &str) -> bool {
    let version = size.rsplit_once("_v").and_then(|(_, version)| version.parse::<u32>().ok());
    version.is_some_and(|version| version >= 6)
}

/// Says whether programs for it are compiled for ARM; so its image is another one.
pub(crate) fn is_arm(size: &str) -> bool {
    let shape_arch = Book::builtin().shape(Cloud::Azure, size).and_then(|shape| shape.arch);
    shape_arch == Some(Arch::Arm64)
}

/// Says whether a size is one of those that may be mixed in a scale set: the lines A, B, D, E and F.
/// <https://learn.microsoft.com/azure/virtual-machine-scale-sets/instance-mix-overview>
pub(crate) fn can_be_mixed(size: &str) -> bool {
    matches!(parsed(size).line.chars().next(), Some('A' | 'B' | 'D' | 'E' | 'F'))
}

/// Burstable ones and promotions are not sold as spot:
/// <https://learn.microsoft.com/azure/virtual-machines/spot-vms>
fn is_sold_as_spot(size: &str) -> bool {
    !parsed(size).line.starts_with('B') && !size.ends_with("Promo")
}

/// Says whether a size wants an image and a disk made for confidential machines: those with processors that
/// encrypt memory (`DC2as_v5`, `EC8es_v5`). Those with enclaves (`DC8ds_v3`), or that may have confidential
/// children (`_cc_`), take any. <https://learn.microsoft.com/azure/confidential-computing/virtual-machine-options>
fn needs_confidential_image(size: &str) -> bool {
    let Name { line, traits } = parsed(size);
    matches!(line, "DC" | "EC") && traits.contains(['a', 'e']) && !size.contains("_cc_")
}

fn is_usual(size: &str, bought: Bought) -> bool {
    takes_premium(size)
        && !needs_confidential_image(size)
        && (!bought.has_spot() || is_sold_as_spot(size))
}

/// Returns the sizes that satisfy a resource, in the order in which they are tried, `most` at most: those of
/// the lock, else those of the price book.
pub(crate) fn sizes(resource: &Neutral, around: &Surroundings<'_>, most: usize) -> Vec<String> {
    if let Some(named) = text(resource, "type") {
        return vec![named.to_owned()];
    }
    let bought = Bought::of(resource);
    let mut names = MARKET.offers(resource, around);
    names.retain(|name| is_usual(name, bought));
    if names.is_empty()
        && let Ok(need) = placement::need(resource)
    {
        names = others(&MARKET.place(&Book::builtin(), around.region, &need), bought);
    }
    names.truncate(most);
    names
}

/// What falls out for being larger or older than what is left out here, cheapest first.
fn others(placement: &Placement<'_>, bought: Bought) -> Vec<String> {
    let may_do = |verdict| {
        let fallen = matches!(verdict, Verdict::FallsOut(Reason::TooLarge | Reason::Previous));
        fallen || verdict == Verdict::Fits
    };
    let mut others: Vec<_> = placement
        .considered
        .iter()
        .filter(|it| may_do(it.verdict) && is_usual(it.name(), bought))
        .map(|it| (it.price.map(|price| price.decimal()), it.name().to_owned()))
        .collect();
    others.sort();
    others.into_iter().map(|(_, name)| name).collect()
}

/// What a machine's needs are refused for.
pub(crate) fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let need = match placement::need(resource) {
        Ok(need) => need,
        Err(Wrong { field, message }) => {
            let help = "write counts as `2` or `2+`, sizes as `8GiB` or `8GiB+`, accelerators as \
                        `A100:8` or `24GiB+`";
            return vec![refuses(&[field], message, help)];
        }
    };
    if let Some(named) = &need.named {
        return check_named(resource, named).into_iter().collect();
    }
    if !sizes(resource, around, 1).is_empty() {
        return Vec::new();
    }
    let path = ["gpu", "memory", "cpus"].into_iter().find(|it| known(resource, it).is_some());
    let region = around.region.unwrap_or_default();
    let message = format!("in {region} azure has no size of machine with what is needed");
    let help = "ask for `+` instead of an exact number, or name one: `type: Standard_D4s_v5`";
    vec![refuses(path.as_slice(), message, help)]
}

/// What a named size is refused for. One that the price book does not know may be newer than the book.
fn check_named(resource: &Neutral, named: &str) -> Option<Finding> {
    let example = "write a size as Azure does: `type: Standard_D4s_v5`";
    let (message, help) = if !named.starts_with("Standard_") && !named.starts_with("Basic_") {
        (format!("`{named}` is no size of azure"), example)
    } else if needs_confidential_image(named) {
        (format!("`{named}` is a confidential machine, which is not built yet"), example)
    } else if Bought::of(resource).has_spot() && !is_sold_as_spot(named) {
        let help = "write `purchase: on_demand`, or name another line: `type: Standard_D4s_v5`";
        (format!("azure does not sell `{named}` as spot"), help)
    } else {
        return None;
    };
    Some(refuses(&["type"], message, help))
}

/// Reads the most that is paid for an hour of spot: an amount in USD, or a share of what the size costs on
/// demand in the region; `None` for what is neither.
pub(crate) fn max_price(said: &Value, size: &str, region: &str) -> Option<Decimal> {
    /// What Azure takes: <https://learn.microsoft.com/azure/virtual-machines/spot-vms>.
    const DECIMALS: u32 = 5;
    let amount = match said {
        Value::Text(text) => match text.strip_suffix('%') {
            Some(share) => {
                let share: Decimal = share.trim().parse().ok()?;
                let book = Book::builtin();
                let priced =
                    book.compute(Cloud::Azure, region, size, Os::Linux, Purchase::OnDemand)?;
                priced.price.decimal().checked_mul(share)? / Decimal::ONE_HUNDRED
            }
            None => text.strip_suffix("USD/h").unwrap_or(text).trim().parse().ok()?,
        },
        Value::Int(usd) => Decimal::from(*usd),
        Value::Float(usd) => usd.to_string().parse().ok()?,
        _ => return None,
    };
    (amount > Decimal::ZERO).then(|| amount.round_dp(DECIMALS).normalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests_of_kinds::neutral;
    use std::collections::BTreeMap;

    fn placed(region: &str, fields: &[(&str, Value)]) -> Vec<String> {
        let pins = BTreeMap::new();
        let around = Surroundings { region: Some(region), ..Surroundings::new("b", "e", &pins) };
        sizes(&neutral("m", "machine", fields), &around, 3)
    }

    #[test]
    fn the_cheapest_that_satisfies_comes_first() {
        let two = [("cpus", Value::text("2+")), ("memory", Value::text("8GiB+"))];
        assert_eq!(placed("westeurope", &two)[0], "Standard_B2as_v2");
        assert_eq!(placed("westus", &[("type", Value::text("Standard_D4s_v5"))]).len(), 1);
        assert!(!placed("westeurope", &[]).is_empty());
    }

    #[test]
    fn what_the_lock_has_is_taken() {
        let machine = neutral("m", "machine", &[("cpus", Value::text("2+"))]);
        let none = BTreeMap::new();
        let around =
            Surroundings { region: Some("westeurope"), ..Surroundings::new("b", "e", &none) };
        let want = MARKET.want(&machine, &around).expect("it is pinned");
        let names = ["Standard_A2_v2", "Standard_DC2as_v5", "Standard_D2s_v3"].map(Value::text);
        let pins = BTreeMap::from([(want.pin.to_string(), Value::List(names.to_vec()))]);
        let around = Surroundings { pins: &pins, ..around };
        assert_eq!(sizes(&machine, &around, 9), ["Standard_D2s_v3"]);
    }

    #[test]
    fn spot_is_no_burstable_size() {
        let spot = [("cpus", Value::text("2+")), ("purchase", Value::text("spot"))];
        for region in ["westeurope", "westus"] {
            let sizes = placed(region, &spot);
            assert!(!sizes.is_empty() && sizes.iter().all(|size| is_sold_as_spot(size)));
        }
    }

    #[test]
    fn accelerators_are_taken_in_order_of_preference() {
        assert_eq!(placed("eastus", &[("gpu", Value::text("T4"))])[0], "Standard_NC4as_T4_v3");
        let ordered = Value::List(vec![Value::text("A100:8"), Value::text("T4")]);
        let sizes = placed("eastus", &[("gpu", ordered)]);
        assert!(sizes[0].starts_with("Standard_ND96"), "{sizes:?}");
    }

    #[test]
    fn names_say_which_disks_are_taken() {
        for size in [
            "Standard_D4s_v5",
            "Standard_B2ms",
            "Standard_DS2_v2",
            "Standard_E4-2ds_v5",
            "Standard_NC4as_T4_v3",
        ] {
            assert!(takes_premium(size), "{size}");
        }
        for size in ["Standard_D4_v5", "Standard_A1_v2", "Standard_NC6"] {
            assert!(!takes_premium(size), "{size}");
        }
        assert!(has_own_disk("Standard_D4ds_v5") && !has_own_disk("Standard_D4s_v5"));
        assert!(
            has_nvme("Standard_D4s_v6")
                && !has_nvme("Standard_D4s_v5")
                && !has_nvme("Standard_B2s")
        );
        assert!(can_be_mixed("Standard_D4s_v5") && !can_be_mixed("Standard_NC4as_T4_v3"));
    }

    #[test]
    fn confidential_machines_are_told_apart() {
        for size in ["Standard_DC2as_v5", "Standard_EC96iads_v5", "Standard_DC4es_v5"] {
            assert!(needs_confidential_image(size), "{size}");
        }
        for size in ["Standard_DC8ds_v3", "Standard_EC96ads_cc_v5", "Standard_D2as_v5"] {
            assert!(!needs_confidential_image(size), "{size}");
        }
    }

    #[test]
    fn a_price_is_exact() {
        let price = |said: Value| {
            max_price(&said, "Standard_D4s_v5", "westeurope").map(|price| price.to_string())
        };
        assert_eq!(price(Value::text("50%")).as_deref(), Some("0.115"));
        assert_eq!(price(Value::text("0.25 USD/h")).as_deref(), Some("0.25"));
        assert_eq!(price(Value::Int(2)).as_deref(), Some("2"));
        assert_eq!(price(Value::text("cheap")), None);
        assert_eq!(price(Value::text("0%")), None);
    }
}
