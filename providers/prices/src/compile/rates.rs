//! Which published row is which cost driver, by the lines of `drivers.csv`.
//!
//! Every row of the table of services is kept under its raw name; one that a line asks for stands under the
//! driver's key too. Where two rows are one driver in one region, they must agree; an exact one goes before
//! one that is rounded, and a row of services before one of the written-out examples.

use super::cells::{Cells, each};
use super::write::Draft;
use super::{CompileError, origins, usd};
use crate::drivers::raw_key;
use crate::layout::{ENDLESS, RateRow};
use crate::price::Price;
use crate::shape::Cloud;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::io::Read;

const LINES: &str = include_str!("../../drivers.csv");
const DRIVERS: &str = "drivers.csv";
const SERVICES: &str = "service_prices.csv";
const PUBLISHED: &str = "published_monthly.csv";

/// What the table of services writes behind an item whose figure was rounded.
const ROUNDED: &str = " (display-rounded to cents)";

/// A cent in the units of a price.
const CENT: i64 = 100_000_000;

/// What came of the rows.
pub(super) struct Mapped {
    pub(super) mapped: usize,
    pub(super) services: usize,
    pub(super) unused: Vec<String>,
}

/// A line of `drivers.csv`.
struct Line {
    cloud: Cloud,
    service: String,
    /// The only region for which it holds.
    region: Option<String>,
    item: String,
    unit: String,
    key: String,
    per: Option<u32>,
    from: u64,
    to: u64,
    used: bool,
}

/// A published row.
struct Published<'p> {
    cloud: Cloud,
    region: &'p str,
    service: &'p str,
    item: &'p str,
    unit: &'p str,
    price: Price,
    rounded: bool,
    /// A row of services, and none of the written-out examples.
    listed: bool,
}

type Key = (Cloud, String, String, u64);

/// A step of a rate before it has numbers.
struct Step {
    to: u64,
    unit: String,
    price: Price,
    rounded: bool,
    listed: bool,
}

pub(super) fn services(
    draft: &mut Draft,
    services: &mut dyn Read,
    published: &mut dyn Read,
) -> Result<Mapped, CompileError> {
    const COLUMNS: &[&str] = &["provider", "region", "service", "item", "unit", "price_usd"];
    let mut lines = lines()?;
    let mut steps: BTreeMap<Key, Step> = BTreeMap::new();
    let mut origin = None;
    let (mut mapped, mut count) = (0, 0);
    each(SERVICES, COLUMNS, services, |cells| {
        let (item, rounded) = match cells.filled("item")?.strip_suffix(ROUNDED) {
            Some(item) => (item, true),
            None => (cells.text("item"), false),
        };
        let price = cells.price("price_usd")?;
        let row = Published {
            cloud: cells.cloud()?,
            region: cells.filled("region")?,
            service: cells.filled("service")?,
            item,
            unit: cells.filled("unit")?,
            price,
            rounded: rounded || may_be_rounded(price),
            listed: true,
        };
        let raw = (row.cloud, row.region.to_owned(), raw_key(row.service, item, row.unit), 0);
        let whole = Step {
            to: ENDLESS,
            unit: row.unit.to_owned(),
            price,
            rounded: row.rounded,
            listed: true,
        };
        if steps.insert(raw, whole).is_some() {
            return Err(cells.wrong("item", "stands there twice for this region"));
        }
        count += 1;
        mapped += usize::from(map(cells, &mut lines, &mut steps, &row)?);
        origin = Some(draft.origin(cells, origins::SERVICES, None)?);
        Ok(())
    })?;
    each(PUBLISHED, PUBLISHED_COLUMNS, published, |cells| {
        origin = Some(draft.origin(cells, origins::SERVICES, None)?);
        example(cells, &mut lines, &mut steps)
    })?;
    for ((cloud, region, key, from), step) in steps {
        let row = RateRow {
            region: 0,
            origin: origin.expect("a step came from a row"),
            rounded: step.rounded.into(),
            key: draft.text(&key),
            unit: draft.text(&step.unit),
            from,
            to: step.to,
            ten_billionths: step.price.ten_billionths,
        };
        let region = draft.region(cloud, &region);
        draft.rates.push((region, row));
    }
    let unused = lines.into_iter().filter(|line| !line.used);
    let unused =
        unused.map(|line| format!("{} {}: {}", line.cloud, line.service, line.item)).collect();
    Ok(Mapped { mapped, services: count, unused })
}

/// The data's own word: from a tenth upwards a figure may be rounded to the cent.
fn may_be_rounded(price: Price) -> bool {
    price.ten_billionths >= 10 * CENT && price.ten_billionths % CENT == 0
}

fn lines() -> Result<Vec<Line>, CompileError> {
    const COLUMNS: &[&str] = &["cloud", "service", "item", "unit", "key", "per", "from", "to"];
    // The comments that the file begins with stand before the names of its columns.
    let table = LINES.lines().skip_while(|line| line.starts_with('#'));
    let table = table.collect::<Vec<_>>().join("\n");
    let mut lines = Vec::new();
    each(DRIVERS, COLUMNS, &mut table.as_bytes(), |cells| {
        let number = |column| cells.optional(column, "a whole number", |text| text.parse().ok());
        let (service, region) = match cells.filled("service")?.split_once('@') {
            Some((service, region)) => (service, Some(region.to_owned())),
            None => (cells.text("service"), None),
        };
        lines.push(Line {
            cloud: cells.parse("cloud", "aws, azure or gcp", Cloud::parse)?,
            service: service.to_owned(),
            region,
            item: cells.filled("item")?.to_owned(),
            unit: cells.filled("unit")?.to_owned(),
            key: cells.filled("key")?.to_owned(),
            per: cells.optional("per", "a whole number", |text| text.parse().ok())?,
            from: number("from")?.unwrap_or(0),
            to: number("to")?.unwrap_or(ENDLESS),
            used: false,
        });
        Ok(())
    })?;
    Ok(lines)
}

/// The key that a line gives an item; `None` when it is about another.
fn key_of(line: &Line, item: &str) -> Option<String> {
    let Some((before, behind)) = line.item.split_once("{}") else {
        return (line.item == item).then(|| line.key.clone());
    };
    let class = item.strip_prefix(before)?.strip_suffix(behind)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&c);
    (!class.is_empty() && class.chars().all(plain)).then(|| line.key.replace("{}", class))
}

/// Puts a row under every driver that it is; tells whether it is one.
fn map(
    cells: &Cells<'_>,
    lines: &mut [Line],
    steps: &mut BTreeMap<Key, Step>,
    row: &Published<'_>,
) -> Result<bool, CompileError> {
    let mut is_driver = false;
    for line in lines.iter_mut() {
        let here = line.region.as_deref().is_none_or(|region| region == row.region);
        let same = (line.cloud, line.service.as_str(), line.unit.as_str());
        if !here || same != (row.cloud, row.service, row.unit) {
            continue;
        }
        let Some(key) = key_of(line, row.item) else { continue };
        let price = match line.per {
            None => Some(row.price),
            Some(per) => divided(row.price, per),
        };
        let price =
            price.ok_or_else(|| cells.wrong("price_usd", "has too many decimals for one unit"))?;
        let counted = key.rsplit('/').next().expect("a key has parts");
        // Examples leave the month out of their units.
        let unit = if line.per.is_some() || !row.listed { counted } else { row.unit };
        let step = Step {
            to: line.to,
            unit: unit.to_owned(),
            price,
            rounded: row.rounded,
            listed: row.listed,
        };
        put(cells, steps, (row.cloud, row.region.to_owned(), key, line.from), step)?;
        line.used = true;
        is_driver = true;
    }
    Ok(is_driver)
}

/// A price divided without a rest.
fn divided(price: Price, per: u32) -> Option<Price> {
    let per = i64::from(per);
    let whole = per != 0 && price.ten_billionths % per == 0;
    whole.then(|| Price { ten_billionths: price.ten_billionths / per, ..price })
}

fn put(
    cells: &Cells<'_>,
    steps: &mut BTreeMap<Key, Step>,
    key: Key,
    step: Step,
) -> Result<(), CompileError> {
    let Some(there) = steps.get(&key) else {
        steps.insert(key, step);
        return Ok(());
    };
    // Rows of services are read first.
    if there.listed && !step.listed {
        return Ok(());
    }
    // What was rounded to the cent may differ by half of one.
    let apart = (there.price.ten_billionths - step.price.ten_billionths).abs();
    let near = apart == 0 || there.rounded != step.rounded && apart <= CENT / 2;
    if there.to == step.to && near {
        if there.rounded && !step.rounded {
            steps.insert(key, step);
        }
        return Ok(());
    }
    let message = format!("`{}` costs both {} and {} in {}", key.2, there.price, step.price, key.1);
    Err(cells.wrong("item", message))
}

const PUBLISHED_COLUMNS: &[&str] = &[
    "provider",
    "region",
    "resource_kind",
    "spec",
    "usage_assumptions",
    "unit",
    "hourly_or_unit_price_usd",
    "monthly_cost_usd",
    "golden_file_path",
    "monthly_qty",
    "unit_price_tolerance_usd",
    "caveat",
];

/// Takes the rate of a written-out example, unless its own table doubts it.
fn example(
    cells: &Cells<'_>,
    lines: &mut [Line],
    steps: &mut BTreeMap<Key, Step>,
) -> Result<(), CompileError> {
    let component = cells.text("spec").split("; ").find_map(|part| part.strip_prefix("component="));
    let (Some(component), "") = (component, cells.text("caveat")) else { return Ok(()) };
    let service = format!("published/{}", cells.text("resource_kind"));
    let cloud = cells.cloud()?;
    if !lines.iter().any(|line| (line.cloud, &line.service) == (cloud, &service)) {
        return Ok(());
    }
    let column = "hourly_or_unit_price_usd";
    let price = cells.parse(column, "a plain decimal with ten decimals at most", usd)?;
    let column = "unit_price_tolerance_usd";
    let tolerance = cells.parse(column, "a decimal", |text| {
        Decimal::from_scientific(text).or_else(|_| Decimal::from_str_exact(text)).ok()
    })?;
    let row = Published {
        cloud,
        region: cells.filled("region")?,
        service: &service,
        item: component,
        unit: cells.text("unit"),
        price,
        // The rate was found by dividing a sum that was rounded to the cent.
        rounded: tolerance * Decimal::ONE_THOUSAND > price.decimal(),
        listed: false,
    };
    map(cells, lines, steps, &row).map(|_| ())
}
