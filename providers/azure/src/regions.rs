//! Which regions there are, and which of them have availability zones.
//!
//! Regions are those of the price book. That a region has zones is in no price list, so it stands here:
//! <https://learn.microsoft.com/azure/reliability/regions-list>, as of November 2026. A region that gets
//! zones later works without them until it is added.

use crate::kinds::refuses;
use dsenv_sdk::prices::{Book, Cloud};
use dsenv_sdk::provider::{Finding, Neutral, Surroundings};

/// How many zones such a region has, for everybody.
pub(crate) const ZONES: i64 = 3;

const WITH_ZONES: &[&str] = &[
    "australiaeast",
    "austriaeast",
    "belgiumcentral",
    "brazilsouth",
    "canadacentral",
    "centralindia",
    "centralus",
    "chilecentral",
    "eastasia",
    "eastus",
    "eastus2",
    "francecentral",
    "germanywestcentral",
    "indonesiacentral",
    "israelcentral",
    "italynorth",
    "japaneast",
    "japanwest",
    "koreacentral",
    "malaysiawest",
    "mexicocentral",
    "newzealandnorth",
    "northeurope",
    "norwayeast",
    "polandcentral",
    "qatarcentral",
    "southafricanorth",
    "southcentralus",
    "southeastasia",
    "spaincentral",
    "swedencentral",
    "switzerlandnorth",
    "uaenorth",
    "uksouth",
    "westeurope",
    "westus2",
    "westus3",
];

/// Says whether a region has availability zones.
pub(crate) fn has_zones(region: &str) -> bool {
    WITH_ZONES.contains(&region)
}

/// What every resource with objects of its own is refused for: no region, or one that nobody knows.
pub(crate) fn check(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
    let help = "write `region: westeurope` below the environment";
    let Some(region) = around.region else {
        let message = format!("on azure a {} needs to know its region", resource.kind);
        return vec![refuses(&[], message, help)];
    };
    let book = Book::builtin();
    if book.regions(Cloud::Azure).any(|known| known == region) {
        return Vec::new();
    }
    // People write what the portal shows: `West Europe`.
    let plain: String = region.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    let meant = book.regions(Cloud::Azure).find(|known| *known == plain);
    let help = match meant {
        Some(meant) => format!("write `region: {meant}` below the environment"),
        None => help.to_owned(),
    };
    vec![refuses(&[], format!("azure has no region `{region}` in the price book"), help)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_with_zones_is_in_the_price_book() {
        let book = Book::builtin();
        for region in WITH_ZONES {
            assert!(book.regions(Cloud::Azure).any(|known| known == *region), "{region}");
        }
        assert!(WITH_ZONES.is_sorted() && !has_zones("westus"));
    }
}
