//! The AWS Price List: an index of services, for each an index of regions, and a table for each region.
//!
//! <https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/price-changes.html>: the first five rows of a
//! table are facts about it, the sixth has the names of its columns. The table of EC2 has hundreds of megabytes
//! in one region, so it is read row by row.

use super::{AWS, Figure, Highest, ListError, What};
use crate::book::Book;
use crate::date::Date;
use crate::money::Currency;
use crate::price::Price;
use crate::shape::{Cloud, Os, Purchase};
use csv::StringRecord;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;

/// A table has no more rows; one that has is not what it seems to be.
const ROWS_MAX: u64 = 50_000_000;

/// The services whose tables are read.
pub const SERVICES: &[&str] = &["AmazonEC2", "AmazonEFS", "AmazonRDS", "AmazonS3", "AmazonVPC"];

/// Which usage is which cost driver: service, usage without the region before it, unit, key, by how much the
/// price is divided.
const USAGE: &[(&str, &str, &str, &str, i64)] = &[
    ("AmazonEC2", "EBS:VolumeUsage.gp3", "GB-Mo", "disk/gp3/GB-month", 1),
    ("AmazonEC2", "EBS:VolumeUsage.gp2", "GB-Mo", "disk/gp2/GB-month", 1),
    ("AmazonEC2", "EBS:VolumeUsage.piops", "GB-Mo", "disk/io1/GB-month", 1),
    ("AmazonEC2", "EBS:VolumeUsage.st1", "GB-Mo", "disk/st1/GB-month", 1),
    ("AmazonEC2", "EBS:VolumeUsage.sc1", "GB-Mo", "disk/sc1/GB-month", 1),
    ("AmazonEC2", "EBS:VolumeP-IOPS.gp3", "IOPS-Mo", "disk/gp3/IOPS-month", 1),
    ("AmazonEC2", "EBS:VolumeP-IOPS.piops", "IOPS-Mo", "disk/io1/IOPS-month", 1),
    ("AmazonEC2", "EBS:VolumeP-Throughput.gp3", "GiBps-mo", "disk/gp3/MBps-month", 1_024),
    ("AmazonEC2", "EBS:SnapshotUsage", "GB-Mo", "snapshot/GB-month", 1),
    ("AmazonEC2", "NatGateway-Hours", "Hrs", "nat/hour", 1),
    ("AmazonEC2", "NatGateway-Bytes", "GB", "nat/GB", 1),
    ("AmazonEFS", "TimedStorage-ByteHrs", "GB-Mo", "share/standard/GB-month", 1),
    ("AmazonEFS", "IATimedStorage-ByteHrs", "GB-Mo", "share/infrequent/GB-month", 1),
    ("AmazonEFS", "TimedStorage-Z-ByteHrs", "GB-Mo", "share/one-zone/GB-month", 1),
    ("AmazonEFS", "IATimedStorage-Z-ByteHrs", "GB-Mo", "share/one-zone-infrequent/GB-month", 1),
    ("AmazonS3", "TimedStorage-ByteHrs", "GB-Mo", "bucket/standard/GB-month", 1),
    ("AmazonS3", "TimedStorage-SIA-ByteHrs", "GB-Mo", "bucket/infrequent/GB-month", 1),
    ("AmazonS3", "TimedStorage-ZIA-ByteHrs", "GB-Mo", "bucket/one-zone-infrequent/GB-month", 1),
    ("AmazonS3", "Requests-Tier1", "Requests", "bucket/standard/write", 1),
    ("AmazonS3", "Requests-Tier2", "Requests", "bucket/standard/read", 1),
    ("AmazonVPC", "PublicIPv4:InUseAddress", "Hrs", "ipv4/hour", 1),
];

/// The same of RDS: usage, unit, and the key behind the engine. What has no engine is for each of them.
const DATABASE_USAGE: &[(&str, &str, &str)] = &[
    ("RDS:GP2-Storage", "GB-Mo", "storage/gp2/GB-month"),
    ("RDS:GP3-Storage", "GB-Mo", "storage/gp3/GB-month"),
    ("RDS:PIOPS-Storage", "GB-Mo", "storage/io1/GB-month"),
    ("RDS:StorageUsage", "GB-Mo", "storage/magnetic/GB-month"),
    ("RDS:Multi-AZ-GP2-Storage", "GB-Mo", "storage/gp2/ha/GB-month"),
    ("RDS:Multi-AZ-GP3-Storage", "GB-Mo", "storage/gp3/ha/GB-month"),
    ("RDS:PIOPS", "IOPS-Mo", "storage/io1/IOPS-month"),
    ("RDS:GP3-PIOPS", "IOPS-Mo", "storage/gp3/IOPS-month"),
    ("RDS:ChargedBackupUsage", "GB-Mo", "backup/GB-month"),
];

/// The engines of databases, by their names in the list.
const ENGINES: &[(&str, &str)] = &[("MySQL", "mysql"), ("PostgreSQL", "postgres")];

#[derive(Deserialize)]
struct Index {
    offers: BTreeMap<String, Offer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Offer {
    current_region_index_url: Option<String>,
}

#[derive(Deserialize)]
struct Regions {
    regions: BTreeMap<String, Region>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    current_version_url: String,
}

fn json<T: for<'de> Deserialize<'de>>(text: &[u8]) -> Result<T, ListError> {
    serde_json::from_slice(text).map_err(|error| ListError::Json(error.to_string()))
}

/// Reads from the index of services where a service's index of regions is.
pub fn region_index(text: &[u8], service: &str) -> Result<String, ListError> {
    let index: Index = json(text)?;
    let offer = index.offers.get(service);
    let url = offer.and_then(|offer| offer.current_region_index_url.clone());
    url.ok_or_else(|| ListError::Lacks(format!("offers.{service}.currentRegionIndexUrl")))
}

/// Reads from an index of regions where the table of each region is.
pub fn tables(text: &[u8]) -> Result<BTreeMap<String, String>, ListError> {
    let index: Regions = json(text)?;
    let table = |(name, region): (String, Region)| {
        let url = region.current_version_url;
        let table = url.strip_suffix(".json").map(|rest| format!("{rest}.csv"));
        table.map(|table| (name, table)).ok_or_else(|| {
            ListError::Lacks("regions.*.currentVersionUrl that ends in `.json`".to_owned())
        })
    };
    index.regions.into_iter().map(table).collect()
}

/// Which columns hold what; those of a product are not in every service's table.
struct Columns {
    term: usize,
    unit: usize,
    price: usize,
    currency: usize,
    usage: usize,
    from: usize,
    to: usize,
    rest: BTreeMap<&'static str, usize>,
}

/// Columns that say which machine a price is for, and what they must hold.
const MACHINE: &[(&str, &[&str])] = &[
    ("productfamily", &["Compute Instance", "Compute Instance (bare metal)"]),
    ("tenancy", &["Shared"]),
    ("preinstalleds/w", &["NA"]),
    ("capacitystatus", &["Used"]),
    ("licensemodel", &["No License required"]),
    ("marketoption", &["OnDemand", ""]),
];

impl Columns {
    /// Names are compared without spaces and case: `usageType` is `Usage Type` in some tables.
    fn new(names: &StringRecord) -> Result<Columns, ListError> {
        let bare = |name: &str| name.replace(' ', "").to_ascii_lowercase();
        let at: BTreeMap<String, usize> =
            names.iter().enumerate().map(|(at, name)| (bare(name), at)).collect();
        let must = |name: &str| {
            let lacks = || ListError::Lacks(format!("column `{name}`"));
            at.get(&bare(name)).copied().ok_or_else(lacks)
        };
        let product = MACHINE.iter().map(|(name, _)| *name);
        let product = product.chain([
            "instancetype",
            "operatingsystem",
            "locationtype",
            "regioncode",
            "databaseengine",
        ]);
        Ok(Columns {
            term: must("TermType")?,
            unit: must("Unit")?,
            price: must("PricePerUnit")?,
            currency: must("Currency")?,
            usage: must("usageType")?,
            from: must("StartingRange")?,
            to: must("EndingRange")?,
            rest: product.filter_map(|name| Some((name, *at.get(name)?))).collect(),
        })
    }

    fn product<'r>(&self, row: &'r StringRecord, name: &str) -> Option<&'r str> {
        row.get(*self.rest.get(name)?)
    }
}

/// Reads the table of a service in a region, row by row. Types that the book does not know are left out.
pub fn prices(
    table: &mut dyn Read,
    service: &str,
    region: &str,
    book: &Book,
) -> Result<Vec<Figure>, ListError> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(table);
    let mut row = StringRecord::new();
    let mut published = None;
    let wrong = |error: csv::Error| ListError::Table(error.to_string());
    let columns = loop {
        if !reader.read_record(&mut row).map_err(wrong)? {
            return Err(ListError::Lacks("row of column names".to_owned()));
        }
        match row.get(0) {
            Some("Publication Date") => published = row.get(1).and_then(Date::of_moment),
            Some("SKU") => break Columns::new(&row)?,
            _ if row.position().is_some_and(|at| at.record() > 8) => {
                return Err(ListError::Lacks("row of column names".to_owned()));
            }
            _ => {}
        }
    };
    let published = published.ok_or_else(|| ListError::Lacks("Publication Date".to_owned()))?;
    let width = row.len();
    let mut found = Highest::default();
    let mut rows = 0;
    while reader.read_record(&mut row).map_err(wrong)? {
        rows += 1;
        if row.len() != width || rows > ROWS_MAX {
            let (has, at) = (row.len(), reader.position().line());
            let message = format!("the row before line {at} has {has} of {width} cells");
            return Err(ListError::Table(message));
        }
        // A region's table has its local zones too, under usages of the same names.
        let place = [("locationtype", "AWS Region"), ("regioncode", region)];
        let here =
            place.iter().all(|(name, it)| columns.product(&row, name).is_none_or(|has| has == *it));
        if !here {
            continue;
        }
        if let Some((all, price)) = figure(&columns, &row, service, book) {
            for what in all {
                found.add(region, what, price);
            }
        }
    }
    Ok(found.figures(Cloud::Aws, AWS, published))
}

/// What a row is the price of, mostly one thing; `None` for one of another sort.
fn figure(
    columns: &Columns,
    row: &StringRecord,
    service: &str,
    book: &Book,
) -> Option<(Vec<What>, Price)> {
    if &row[columns.term] != "OnDemand" || &row[columns.currency] != "USD" {
        return None;
    }
    let price = Price::parse(&row[columns.price], Currency::USD)?;
    if service == "AmazonEC2"
        && columns.product(row, "instancetype").is_some_and(|ty| !ty.is_empty())
    {
        // A machine that costs nothing is one that another row is the price of.
        let hourly = &row[columns.unit] == "Hrs" && price.ten_billionths > 0;
        return machine(columns, row, book).filter(|_| hourly).map(|what| (vec![what], price));
    }
    if service == "AmazonRDS" {
        let keys = database(columns, row).filter(|_| price.ten_billionths > 0)?;
        let rates = keys.into_iter().map(|key| rate(columns, row, key));
        return Some((rates.collect::<Option<Vec<What>>>()?, price));
    }
    let usage = without_region(&row[columns.usage]);
    let known = USAGE.iter().find(|(of, name, unit, ..)| {
        *of == service && *name == usage && *unit == &row[columns.unit]
    });
    let (.., key, per) = known?;
    // Rounds half a ten-billionth up at most.
    let price = Price { ten_billionths: (price.ten_billionths + per / 2) / per, ..price };
    Some((vec![rate(columns, row, (*key).to_owned())?], price))
}

/// The step of a rate that a row is; `None` for one without bounds.
fn rate(columns: &Columns, row: &StringRecord, key: String) -> Option<What> {
    let bound = |text: &str| text.split('.').next().and_then(|whole| whole.parse::<u64>().ok());
    let from = bound(&row[columns.from])?;
    let to = &row[columns.to];
    let to = if to == "Inf" { None } else { Some(bound(to)?) };
    let unit = key.rsplit('/').next().unwrap_or(&key).to_owned();
    Some(What::Rate { key, unit, from, to })
}

/// The keys that a row of RDS is the price of: one, or one an engine where it is for any.
///
/// Usage names classes in short (`Multi-AZUsage:db.r5.12xl`), so a class is read from its own column. A
/// cluster with readable standbys (`Multi-AZClusterUsage`) is something else, and so are engines with a licence.
fn database(columns: &Columns, row: &StringRecord) -> Option<Vec<String>> {
    let usage = without_region(&row[columns.usage]);
    let of = columns.product(row, "databaseengine").unwrap_or("Any");
    let any = ["", "Any"].contains(&of);
    let engines = ENGINES.iter().filter(|(name, _)| any || *name == of).map(|(_, key)| *key);
    let class = match usage.split_once(':') {
        Some(("InstanceUsage", _)) => Some("hour"),
        Some(("Multi-AZUsage", _)) => Some("ha/hour"),
        _ => None,
    };
    let rest = match class {
        Some(hour) => {
            let ours =
                [("productfamily", "Database Instance"), ("licensemodel", "No license required")];
            let plain = ours.iter().all(|(name, it)| columns.product(row, name) == Some(*it));
            let name =
                columns.product(row, "instancetype").filter(|name| name.starts_with("db."))?;
            if any || !plain || &row[columns.unit] != "Hrs" {
                return None;
            }
            format!("{name}/{hour}")
        }
        None => {
            let (_, _, key) = DATABASE_USAGE
                .iter()
                .find(|(name, unit, _)| *name == usage && *unit == &row[columns.unit])?;
            (*key).to_owned()
        }
    };
    Some(engines.map(|engine| format!("database/{engine}/{rest}")).collect())
}

fn machine(columns: &Columns, row: &StringRecord, book: &Book) -> Option<What> {
    let plain = MACHINE
        .iter()
        .all(|(name, valid)| columns.product(row, name).is_none_or(|it| valid.contains(&it)));
    let os = match columns.product(row, "operatingsystem")? {
        "Linux" => Os::Linux,
        "Windows" => Os::Windows,
        _ => return None,
    };
    let ty = columns.product(row, "instancetype")?;
    let known = plain && book.shape(Cloud::Aws, ty).is_some();
    known.then(|| What::Machine { ty: ty.to_owned(), os, purchase: Purchase::OnDemand })
}

/// `EUC1-EBS:VolumeUsage.gp3` is the usage `EBS:VolumeUsage.gp3`; the first region has no name before it.
fn without_region(usage: &str) -> &str {
    match usage.split_once('-') {
        Some((region, rest))
            if region.len() <= 5
                && region.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) =>
        {
            rest
        }
        _ => usage,
    }
}
