//! The Cloud Billing Catalog: pages of SKUs, each with a token for the next.
//!
//! <https://cloud.google.com/billing/v1/how-tos/catalog-api>. A machine has no price there: its processors and
//! its memory have, by series, and are added. Types that come with accelerators or local disks, and those that
//! share a processor, have parts that no description names; their prices stay as they are.

use super::{Figure, GCP, Highest, ListError, What, number, price};
use crate::book::Book;
use crate::date::Date;
use crate::shape::{Cloud, Os, Purchase};
use rust_decimal::Decimal;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The service that machines belong to.
pub const COMPUTE_ENGINE: &str = "6F81-5844-456A";

/// How a series is called in descriptions.
const SERIES: &[(&str, &str)] = &[
    ("N1 Predefined Instance", "n1"),
    ("N2 Instance", "n2"),
    ("N2D AMD Instance", "n2d"),
    ("N4 Instance", "n4"),
    ("E2 Instance", "e2"),
    ("Compute optimized", "c2"),
    ("C2D AMD Instance", "c2d"),
    ("C3 Instance", "c3"),
    ("C3D Instance", "c3d"),
    ("C4 Instance", "c4"),
    ("C4A Arm Instance", "c4a"),
    ("C4D Instance", "c4d"),
    ("T2A Arm Instance", "t2a"),
    ("T2D AMD Instance", "t2d"),
];

const MIB_A_GIB: i64 = 1_024;
const NANO_DECIMALS: u32 = 9;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    skus: Vec<Sku>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sku {
    description: String,
    category: Category,
    #[serde(default)]
    service_regions: Vec<String>,
    #[serde(default)]
    pricing_info: Vec<PricingInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Category {
    resource_family: String,
    usage_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PricingInfo {
    pricing_expression: Expression,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expression {
    usage_unit: String,
    #[serde(default)]
    tiered_rates: Vec<TieredRate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TieredRate {
    unit_price: UnitPrice,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UnitPrice {
    currency_code: String,
    /// A whole number in a text; left out where it is zero.
    units: Option<String>,
    #[serde(default)]
    nanos: i64,
}

/// What of a machine a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Core,
    Ram,
}

/// Prices of processors and memory, by region, series and purchase option.
#[derive(Clone, Debug, Default)]
pub struct Parts(BTreeMap<(String, &'static str, Purchase), BTreeMap<Of, Decimal>>);

/// Reads a page into the parts; returns the token of the next one.
pub fn page(text: &[u8], parts: &mut Parts) -> Result<Option<String>, ListError> {
    let page: Page =
        serde_json::from_slice(text).map_err(|error| ListError::Json(error.to_string()))?;
    for sku in &page.skus {
        let Some((series, of, purchase)) = part(sku) else { continue };
        let Some(price) = sku.pricing_info.last().and_then(|it| hourly(&it.pricing_expression, of))
        else {
            continue;
        };
        for region in &sku.service_regions {
            let there = parts.0.entry((region.clone(), series, purchase)).or_default();
            let there = there.entry(of).or_insert(price);
            *there = (*there).max(price);
        }
    }
    Ok(page.next_page_token.filter(|token| !token.is_empty()))
}

/// Which part of which series a SKU is the price of.
fn part(sku: &Sku) -> Option<(&'static str, Of, Purchase)> {
    if sku.category.resource_family != "Compute" {
        return None;
    }
    let (text, purchase) = match sku.description.strip_prefix("Spot Preemptible ") {
        Some(rest) if sku.category.usage_type == "Preemptible" => (rest, Purchase::Spot),
        None if sku.category.usage_type == "OnDemand" => (&*sku.description, Purchase::OnDemand),
        _ => return None,
    };
    let (what, _) = text.split_once(" running in ")?;
    let (name, of) = match (what.strip_suffix(" Core"), what.strip_suffix(" Ram")) {
        (Some(name), _) => (name, Of::Core),
        (_, Some(name)) => (name, Of::Ram),
        _ => return None,
    };
    let (_, series) = SERIES.iter().find(|(called, _)| *called == name)?;
    Some((series, of, purchase))
}

fn hourly(expression: &Expression, of: Of) -> Option<Decimal> {
    let unit = match of {
        Of::Core => "h",
        Of::Ram => "GiBy.h",
    };
    let [rate] = expression.tiered_rates.as_slice() else { return None };
    let UnitPrice { currency_code, units, nanos } = &rate.unit_price;
    if expression.usage_unit != unit || currency_code != "USD" {
        return None;
    }
    let whole = units.as_deref().map_or(Some(Decimal::ZERO), number)?;
    Some(whole + Decimal::new(*nanos, NANO_DECIMALS)).filter(|price| *price > Decimal::ZERO)
}

/// Adds processors and memory of every type of a series of which both are known.
pub fn prices(parts: &Parts, as_of: Date, book: &Book) -> Vec<Figure> {
    let mut found = Highest::default();
    for ((region, series, purchase), of) in &parts.0 {
        let (Some(core), Some(ram)) = (of.get(&Of::Core), of.get(&Of::Ram)) else { continue };
        for name in book.type_names(Cloud::Gcp) {
            let Some(shape) = book.shape(Cloud::Gcp, name).filter(|it| it.family == *series) else {
                continue;
            };
            let shared = ["e2-micro", "e2-small", "e2-medium"].contains(&name);
            let other = shape.gpu.is_some() || shared || name.contains("lssd");
            let gib = Decimal::from(shape.memory_mib) / Decimal::from(MIB_A_GIB);
            let sum = Decimal::from(shape.cpus) * core + gib * ram;
            let Some(sum) = price(sum).filter(|_| !other && !shape.bare_metal) else { continue };
            let what = What::Machine { ty: name.to_owned(), os: Os::Linux, purchase: *purchase };
            found.add(region, what, sum);
        }
    }
    found.figures(Cloud::Gcp, GCP, as_of)
}
