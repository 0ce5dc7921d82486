//! Compiles a price book from tables of published figures.
//!
//! Tables come in as readers and are read row by row; the bytes of a book go out. The same tables give the
//! same bytes, whatever the order of their rows. A cell that cannot be read stops the compiler with file,
//! line, column and what is valid there: a row is never skipped, and a hole never filled.
//!
//! ## Why
//! The compiler is part of the crate and not of its example, so that tests of this and other crates can make
//! a small book of a few rows.

mod cells;
mod origins;
mod rates;
mod revise;
mod write;

use crate::accelerators;
use crate::book::Book;
use crate::date::Date;
use crate::generations::{self, Line};
use crate::layout::{InterruptionRow, PriceRow, TypeRow, UNKNOWN};
use crate::money::Currency;
use crate::price::Price;
use crate::shape::{Arch, Band, Cloud, Os, Purchase, flags};
use cells::{Cells, each};
pub use revise::{Comparison, Revised, Shelf, revise};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;
use write::{Draft, PriceKey};

const INSTANCES: &str = "instances.csv";
const COMPUTE: &str = "compute_prices.csv";
const INTERRUPTIONS: &str = "aws_spot_interruption.csv";

/// The tables of a catalogue, as CSV text with a line of column names.
pub struct Tables<'t> {
    /// `instances.csv`: what each type is.
    pub instances: &'t mut dyn Read,
    /// `compute_prices.csv`: what an hour of each type costs.
    pub compute_prices: &'t mut dyn Read,
    /// `service_prices.csv`: everything else.
    pub service_prices: &'t mut dyn Read,
    /// `aws_spot_interruption.csv`: how often spot machines are taken back.
    pub spot_interruption: &'t mut dyn Read,
    /// `published_monthly.csv`: rates of written-out examples; only rows that a line of `drivers.csv` asks
    /// for are kept, and none that is marked as suspect.
    pub published_monthly: &'t mut dyn Read,
}

/// Why a table gives no book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    /// Which table.
    pub file: &'static str,
    /// In which line; zero is the whole of it.
    pub line: u64,
    /// In which column; empty when the line is not even one.
    pub column: String,
    /// What is wrong, and what is valid.
    pub message: String,
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CompileError { file, line, column, message } = self;
        match (line, column.as_str()) {
            (0, "") => write!(f, "{file}: {message}"),
            (0, column) => write!(f, "{file}: {column}: {message}"),
            (line, "") => write!(f, "{file}:{line}: {message}"),
            (line, column) => write!(f, "{file}:{line}: column `{column}`: {message}"),
        }
    }
}

impl std::error::Error for CompileError {}

/// A book, and what went into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The file.
    pub bytes: Vec<u8>,
    /// Types.
    pub types: usize,
    /// Prices of an hour.
    pub prices: usize,
    /// Rows of services that are a cost driver.
    pub mapped: usize,
    /// Rows of services in all.
    pub services: usize,
    /// Lines of `drivers.csv` for which there was no row.
    pub unused: Vec<String>,
}

/// Compiles the tables.
pub fn compile(tables: Tables<'_>) -> Result<Compiled, CompileError> {
    let mut draft = Draft::default();
    instances(&mut draft, tables.instances)?;
    compute_prices(&mut draft, tables.compute_prices)?;
    interruptions(&mut draft, tables.spot_interruption)?;
    let mapped = rates::services(&mut draft, tables.service_prices, tables.published_monthly)?;
    let (types, prices) = (draft.types.len(), draft.prices.len());
    let bytes = draft.write()?;
    // What is written is what can be read: a rate whose steps overlap, say, is seen here.
    let read = Book::open(bytes.clone());
    read.map_err(|error| CompileError {
        file: "the book",
        line: 0,
        column: String::new(),
        message: error.to_string(),
    })?;
    let rates::Mapped { mapped, services, unused } = mapped;
    Ok(Compiled { bytes, types, prices, mapped, services, unused })
}

fn instances(draft: &mut Draft, table: &mut dyn Read) -> Result<(), CompileError> {
    const COLUMNS: &[&str] = &[
        "provider",
        "instance_type",
        "vcpu",
        "memory_gib",
        "arch",
        "gpu_name",
        "gpu_count",
        "gpu_memory_gib_each",
        "local_nvme_gb",
        "network_gbps",
        "family",
        "source",
    ];
    let mut lines: BTreeMap<(Cloud, String), (Line, u32)> = BTreeMap::new();
    each(INSTANCES, COLUMNS, table, |cells| {
        let cloud = cells.cloud()?;
        let (name, family) = (cells.filled("instance_type")?, cells.text("family"));
        let arch = cells.optional("arch", "x86_64, arm64 or nothing", Arch::parse)?;
        let row = type_row(draft, cells, cloud, arch)?;
        lines.insert((cloud, name.to_owned()), generations::line(cloud, name, family, arch));
        match draft.types.insert((cloud, name.to_owned()), row) {
            None => Ok(()),
            Some(_) => Err(cells.wrong("instance_type", "stands there twice")),
        }
    })?;
    let previous = generations::previous(lines.values().cloned());
    for (name, line) in &lines {
        if previous.contains(line) {
            draft.types.get_mut(name).expect("both were filled together").flags |= flags::PREVIOUS;
        }
    }
    Ok(())
}

fn type_row(
    draft: &mut Draft,
    cells: &Cells<'_>,
    cloud: Cloud,
    arch: Option<Arch>,
) -> Result<TypeRow, CompileError> {
    let family = cells.text("family");
    let gpu =
        cells.optional("gpu_name", "an accelerator of `accelerators.rs`, or nothing", |name| {
            accelerators::named(name).map(|one| one.name)
        })?;
    let count = cells.parse("gpu_count", "a count, or a share of one", scaled(1_000_000))?;
    if gpu.is_some() && count == 0 {
        return Err(cells.wrong("gpu_count", "is above zero where an accelerator is named"));
    }
    let gib = "a number of GiB";
    let gpu_memory = cells.optional("gpu_memory_gib_each", gib, scaled(1_024))?;
    let nvme = cells.optional("local_nvme_gb", "a number of GB, or nothing", scaled(1))?;
    let network =
        cells.optional("network_gbps", "a number of Gbit/s, or nothing", scaled(1_000))?;
    let origin = draft.origin(cells, cells.text("source"), None)?;
    let traits = generations::traits(cloud, cells.text("instance_type"), family);
    // What has an accelerator is described by it.
    let traits = if count > 0 { traits & !flags::SPECIAL } else { traits };
    Ok(TypeRow {
        cloud: cloud.number(),
        arch: arch.map_or(u8::MAX, Arch::number),
        flags: traits,
        origin: u8::try_from(origin).map_err(|_| cells.wrong("source", "is one of too many"))?,
        name: draft.text(cells.text("instance_type")),
        family: draft.text(family),
        cpus: cells.parse("vcpu", "a whole number", |text| text.parse().ok())?,
        memory_mib: cells.parse("memory_gib", gib, scaled(1_024))?,
        gpu: gpu.map_or(UNKNOWN, |name| draft.text(name)),
        gpu_count_millionths: count,
        gpu_memory_mib: gpu_memory.unwrap_or(UNKNOWN),
        local_nvme_gb: nvme.unwrap_or(UNKNOWN),
        network_mbps: network.unwrap_or(UNKNOWN),
    })
}

/// Reads a decimal as a number of parts, rounded to the nearest.
fn scaled(parts: u32) -> impl Fn(&str) -> Option<u32> {
    move |text| {
        let number = Decimal::from_str_exact(text).ok()?;
        let number = number.checked_mul(parts.into())?.round().to_u32()?;
        (number != UNKNOWN).then_some(number)
    }
}

fn compute_prices(draft: &mut Draft, table: &mut dyn Read) -> Result<(), CompileError> {
    const COLUMNS: &[&str] = &[
        "provider",
        "region",
        "instance_type",
        "os",
        "market",
        "price_usd_hour",
        "as_of",
        "source",
    ];
    each(COMPUTE, COLUMNS, table, |cells| {
        let cloud = cells.cloud()?;
        let ty = (cloud, cells.filled("instance_type")?.to_owned());
        if !draft.types.contains_key(&ty) {
            let message = format!("`{}` is no type of {INSTANCES}", ty.1);
            return Err(cells.wrong("instance_type", message));
        }
        let key = PriceKey {
            region: draft.region(cloud, cells.filled("region")?),
            purchase: cells.parse("market", "on_demand or spot", Purchase::parse)?,
            os: cells.parse("os", "linux or windows", Os::parse)?,
            ty: draft.text(&ty.1),
        };
        let price = cells.price("price_usd_hour")?;
        let as_of = cells.parse("as_of", "a day such as 2026-08-20", Date::parse)?;
        let origin = draft.origin(cells, cells.filled("source")?, Some(as_of))?;
        let row = PriceRow { ty: 0, origin, ten_billionths: price.ten_billionths };
        match draft.prices.insert(key, row) {
            None => Ok(()),
            Some(_) => Err(cells.wrong("price_usd_hour", "stands there twice")),
        }
    })
}

fn interruptions(draft: &mut Draft, table: &mut dyn Read) -> Result<(), CompileError> {
    const COLUMNS: &[&str] =
        &["region", "instance_type", "savings_percent", "interruption_band_monthly"];
    let mut seen = BTreeSet::new();
    each(INTERRUPTIONS, COLUMNS, table, |cells| {
        let ty = (Cloud::Aws, cells.filled("instance_type")?.to_owned());
        if !draft.types.contains_key(&ty) {
            let message = format!("`{}` is no type of {INSTANCES}", ty.1);
            return Err(cells.wrong("instance_type", message));
        }
        let (region, name) = (draft.region(Cloud::Aws, cells.filled("region")?), draft.text(&ty.1));
        if !seen.insert((region, name)) {
            return Err(cells.wrong("instance_type", "stands there twice for this region"));
        }
        let band = "one of <5%, 5-10%, 10-15%, 15-20%, >20%";
        let band = cells.parse("interruption_band_monthly", band, Band::parse)?;
        let savings = "a percentage of at most 100";
        let savings = cells.parse("savings_percent", savings, |text| {
            text.parse::<i8>().ok().filter(|percent| *percent <= 100)
        })?;
        let origin = draft.origin(cells, origins::SPOT_ADVISOR, None)?;
        let row = InterruptionRow {
            region: 0,
            ty: 0,
            origin,
            savings_percent: savings,
            band: band.number(),
        };
        draft.interruptions.push((region, name, row));
        Ok(())
    })
}

/// Reads a price of the catalogue, which is kept in dollars.
fn usd(text: &str) -> Option<Price> {
    Price::parse(text, Currency::USD)
}
