//! The lines as rows in columns of FOCUS, the FinOps Open Cost and Usage Specification, for spreadsheets and
//! for what reads bills: an estimate stands beside a bill without being translated.
//!
//! ## Facts
//! - <https://focus.finops.org/focus-specification/>: names of columns, and the closed sets of
//!   `ChargeCategory`, `PricingCategory` and `ServiceCategory`. Columns of one's own begin with `x_`.
//! - Nothing was billed, so there is no `BilledCost`. The list cost is by the public price, the contracted cost
//!   by the own one where `dsenv.rates.yaml` has one; nothing is prepaid, so the effective cost is the
//!   contracted one. What has no price is empty.

use super::{Report, build};
use crate::estimate::{Costed, Line, Service};
use dsenv_sdk::prices::Purchase;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::json;

/// The columns, in order.
pub const HEAD: &[&str] = &[
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ProviderName",
    "RegionId",
    "ServiceCategory",
    "ServiceName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ChargeCategory",
    "ChargeDescription",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ListUnitPrice",
    "ListCost",
    "ContractedUnitPrice",
    "ContractedCost",
    "EffectiveCost",
    "BillingCurrency",
    "Tags",
    "x_Blueprint",
    "x_Environment",
    "x_Tier",
    "x_Owner",
    "x_CostFloor",
    "x_CostCeiling",
    "x_PriceSource",
    "x_PriceAsOf",
    "x_Assumed",
];

/// Renders the lines of a report, one a row. What is free has no row; what has no price has empty costs.
pub fn csv(report: &Report) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = "a row is written to memory";
    writer.write_record(HEAD).expect(written);
    for (resource, line) in build::lines(&report.after) {
        writer.write_record(row(report, resource, line)).expect(written);
    }
    for resource in &report.after.resources {
        for (addr, ty) in &resource.unpriced {
            let row = unpriced(report, resource, &addr.to_string(), ty);
            writer.write_record(row).expect(written);
        }
    }
    let bytes = writer.into_inner().expect("memory is flushed");
    String::from_utf8(bytes).expect("text was written")
}

fn decimal(figure: Option<Decimal>) -> String {
    figure.map(|figure| figure.normalize().to_string()).unwrap_or_default()
}

/// The month that is estimated, as FOCUS has it: from its first moment to the first one after it.
fn month(made: Option<Date>) -> [String; 2] {
    let Some(first) = made.map(Date::first_of_month) else { return Default::default() };
    let next = first.last_of_month().tomorrow().ok();
    let moment = |day: Date| format!("{day}T00:00:00Z");
    [moment(first), next.map(moment).unwrap_or_default()]
}

fn row(report: &Report, resource: &Costed, line: &Line) -> Vec<String> {
    let category = match line.service {
        Service::Compute => "Compute",
        Service::Storage => "Storage",
        Service::Network => "Networking",
        Service::Database => "Databases",
        Service::Other => "Other",
    };
    let spot = line.machine.as_ref().is_some_and(|it| it.purchase == Purchase::Spot);
    let cost = decimal(line.monthly.now);
    let charge = [
        line.name.clone(),
        if spot { "Dynamic" } else { "Standard" }.to_owned(),
        decimal(Some(line.quantity.now)),
        line.unit.clone(),
        decimal(line.list_price),
        decimal(line.list_cost()),
        decimal(line.unit_price),
        cost.clone(),
        cost,
    ];
    let bounds = [decimal(line.monthly.floor), decimal(line.monthly.ceiling)];
    let source = [
        line.source.clone().unwrap_or_default(),
        line.as_of.map(|day| day.to_string()).unwrap_or_default(),
        line.assumed.join("; "),
    ];
    whole(report, resource, (&line.addr.to_string(), line.ty, category), charge, bounds, source)
}

fn unpriced(report: &Report, resource: &Costed, addr: &str, ty: &str) -> Vec<String> {
    let mut charge: [String; 9] = Default::default();
    charge[0] = ty.to_owned();
    whole(report, resource, (addr, ty, "Other"), charge, Default::default(), Default::default())
}

fn whole(
    report: &Report,
    resource: &Costed,
    (addr, ty, category): (&str, &str, &str),
    charge: [String; 9],
    bounds: [String; 2],
    source: [String; 3],
) -> Vec<String> {
    let after = &report.after;
    let mut row: Vec<String> = month(report.made).into();
    row.extend([
        after.provider.clone(),
        after.region.clone().unwrap_or_default(),
        category.to_owned(),
        resource.kind.clone(),
        addr.to_owned(),
        resource.addr.to_string(),
        ty.to_owned(),
        "Usage".to_owned(),
    ]);
    row.extend(charge);
    row.extend([after.currency.code().to_owned(), json!(resource.tags).to_string()]);
    row.extend([report.blueprint.clone(), report.environment.clone()]);
    row.extend([
        resource.tier.clone().unwrap_or_default(),
        resource.owner.clone().unwrap_or_default(),
    ]);
    row.extend(bounds);
    row.extend(source);
    assert_eq!(row.len(), HEAD.len(), "a row has every column");
    row
}
