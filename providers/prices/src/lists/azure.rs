//! Azure Retail Prices: pages of prices, each with a link to the next.
//!
//! <https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices>. Spot is told by the
//! name of the SKU, Windows by the name of the product.

use super::{AZURE, Figure, Highest, ListError, What, number, price};
use crate::book::Book;
use crate::date::Date;
use crate::shape::{Cloud, Os, Purchase};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    items: Vec<Item>,
    next_page_link: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    currency_code: String,
    /// As it is written: a binary fraction would not be the published digits.
    retail_price: Box<RawValue>,
    arm_region_name: String,
    #[serde(default)]
    arm_sku_name: String,
    sku_name: String,
    product_name: String,
    service_name: String,
    unit_of_measure: String,
    #[serde(rename = "type")]
    sort: String,
    is_primary_meter_region: Option<bool>,
}

/// Reads a page: its figures, and the link to the next one. Types that the book does not know are left out.
pub fn page(
    text: &[u8],
    as_of: Date,
    book: &Book,
) -> Result<(Vec<Figure>, Option<String>), ListError> {
    let page: Page =
        serde_json::from_slice(text).map_err(|error| ListError::Json(error.to_string()))?;
    let mut found = Highest::default();
    for item in &page.items {
        let Some(what) = machine(item, book) else { continue };
        let amount = number(item.retail_price.get()).and_then(price);
        let amount = amount
            .ok_or_else(|| ListError::Json(format!("`{}` is no price", item.retail_price)))?;
        if amount.ten_billionths > 0 {
            found.add(&item.arm_region_name, what, amount);
        }
    }
    let next = page.next_page_link.filter(|link| !link.is_empty());
    Ok((found.figures(Cloud::Azure, AZURE, as_of), next))
}

/// The machine that an item is the price of an hour of.
fn machine(item: &Item, book: &Book) -> Option<What> {
    let hourly = item.sort == "Consumption"
        && item.currency_code == "USD"
        && item.unit_of_measure == "1 Hour"
        && item.service_name == "Virtual Machines"
        && item.is_primary_meter_region != Some(false);
    // Low priority is for batch pools and scale sets of old; cloud services are another product.
    let other = item.sku_name.contains("Low Priority")
        || item.product_name.contains("CloudServices")
        || item.product_name.contains("Cloud Services")
        || item.product_name.contains("Dedicated Host");
    if !hourly || other || book.shape(Cloud::Azure, &item.arm_sku_name).is_none() {
        return None;
    }
    let spot = item.sku_name.ends_with(" Spot");
    let windows = item.product_name.ends_with("Windows");
    Some(What::Machine {
        ty: item.arm_sku_name.clone(),
        os: if windows { Os::Windows } else { Os::Linux },
        purchase: if spot { Purchase::Spot } else { Purchase::OnDemand },
    })
}
