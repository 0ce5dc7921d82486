//! A book with newer figures in it.
//!
//! A book and figures of the vendors' own lists go in; the bytes of another book come out, with what changed.
//! What a list is whole about (a [`Shelf`]) is replaced by what it says, so a price that it no longer has is
//! gone; everything else stays, with its source and day.

use super::CompileError;
use super::write::{Draft, PriceKey};
use crate::book::Book;
use crate::layout::{InterruptionRow, PriceRow, RateRow, RegionRow, ShelfRow, TypeRow, UNKNOWN};
use crate::lists::{Figure, What};
use crate::shape::{Cloud, Os, Purchase};
use std::collections::{BTreeMap, BTreeSet};

/// How many examples of a change are kept.
const EXAMPLES_MAX: usize = 5;

/// A price that is so many times another one is no change of prices.
const LEAP: i64 = 10;

/// Prices that a list is whole about: of one region, purchase option and system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shelf {
    /// Whose.
    pub cloud: Cloud,
    /// Where.
    pub region: String,
    /// How bought.
    pub purchase: Purchase,
    /// With which licence.
    pub os: Os,
}

/// What differs between a book and the one that it was revised to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Figures that are as they were.
    pub same: usize,
    /// Figures that changed, leaps among them.
    pub changed: usize,
    /// Figures that were not there.
    pub new: usize,
    /// Figures that are ten times or a tenth of what they were, or more and less.
    pub leaps: usize,
    /// Figures that are no longer there.
    pub gone: usize,
    /// The first leaps and the first that are gone, in words.
    pub examples: Vec<String>,
}

/// A revised book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revised {
    /// The file.
    pub bytes: Vec<u8>,
    /// What changed.
    pub compared: Comparison,
}

impl Comparison {
    /// Returns how many of the figures before were looked at.
    pub fn before(&self) -> usize {
        self.same + self.changed + self.gone
    }

    fn example(&mut self, text: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text());
        }
    }

    fn add(&mut self, name: impl Fn() -> String, before: Option<i64>, after: i64) {
        match before {
            None => self.new += 1,
            Some(before) if before == after => self.same += 1,
            Some(before) => {
                self.changed += 1;
                let (less, more) = (before.min(after), before.max(after));
                if less == 0 || more / less >= LEAP {
                    self.leaps += 1;
                    let price = |it: i64| rust_decimal::Decimal::new(it, 10).normalize();
                    self.example(|| format!("{} {} -> {}", name(), price(before), price(after)));
                }
            }
        }
    }
}

/// Steps of rates by region and key, with what they are called.
type Steps = BTreeMap<(u32, u32), (String, Vec<RateRow>)>;

/// Puts figures into a book. Those of types that it does not know are left out.
pub fn revise(
    book: &Book,
    figures: &[Figure],
    shelves: &BTreeSet<Shelf>,
) -> Result<Revised, CompileError> {
    let mut draft = Draft::default();
    let regions = copy(book, &mut draft)?;
    let mut compared = Comparison::default();
    let mut before = draft.prices.clone();
    let whole: BTreeSet<(u32, Purchase, Os)> =
        shelves.iter().map(|it| (draft.region(it.cloud, &it.region), it.purchase, it.os)).collect();
    draft.prices.retain(|key, _| !whole.contains(&(key.region, key.purchase, key.os)));
    let mut steps: Steps = BTreeMap::new();
    for figure in figures {
        let as_of = Some(figure.as_of);
        let origin = draft.known_origin(figure.source, as_of).expect("lists are known sources");
        let region = draft.region(figure.cloud, &figure.region);
        let ten_billionths = figure.price.ten_billionths;
        match &figure.what {
            What::Machine { ty, os, purchase } => {
                if !draft.types.contains_key(&(figure.cloud, ty.clone())) {
                    continue;
                }
                let key = PriceKey { region, purchase: *purchase, os: *os, ty: draft.text(ty) };
                let row = PriceRow { ty: 0, origin, ten_billionths };
                draft.prices.insert(key, row);
                let prior = before.remove(&key).map(|row| row.ten_billionths);
                let name = || format!("{} {} {ty} {purchase} {os}", figure.cloud, figure.region);
                compared.add(name, prior, ten_billionths);
            }
            What::Rate { key, unit, from, to } => {
                let name = format!("{} {} {key}", figure.cloud, figure.region);
                let (key, unit) = (draft.text(key), draft.text(unit));
                let row = RateRow {
                    region: 0,
                    origin,
                    rounded: 0,
                    key,
                    unit,
                    from: *from,
                    to: to.unwrap_or(crate::layout::ENDLESS),
                    ten_billionths,
                };
                steps.entry((region, key)).or_insert_with(|| (name, Vec::new())).1.push(row);
            }
        }
    }
    gone(&draft, &regions, &before, &whole, &mut compared);
    replace_rates(&mut draft, steps, &mut compared);
    let bytes = draft.write()?;
    Book::open(bytes.clone()).map_err(|error| failed(error.to_string()))?;
    Ok(Revised { bytes, compared })
}

fn failed(message: String) -> CompileError {
    CompileError { file: "the book", line: 0, column: String::new(), message }
}

/// Copies everything of a book; returns the regions by their numbers in the draft.
fn copy(book: &Book, draft: &mut Draft) -> Result<BTreeMap<u32, String>, CompileError> {
    let rows = |count: usize| 0..count;
    let mut regions = Vec::new();
    for at in rows(book.count::<RegionRow>()) {
        let row: RegionRow = book.row(at);
        let cloud = Cloud::of_number(row.cloud).expect("clouds were verified");
        regions.push(draft.region(cloud, book.text(row.name)));
    }
    let origins: Vec<_> = book.origins().map(|it| (it.source.to_owned(), it.as_of)).collect();
    let origin = |draft: &mut Draft, at: usize| {
        let (source, as_of) = &origins[at];
        let unknown = || failed(format!("`{source}` is no source whose licence is known"));
        draft.known_origin(source, *as_of).ok_or_else(unknown)
    };
    let mut names = Vec::new();
    for at in rows(book.count::<TypeRow>()) {
        let row: TypeRow = book.row(at);
        let cloud = Cloud::of_number(row.cloud).expect("clouds were verified");
        let name = book.text(row.name).to_owned();
        let from = origin(draft, row.origin.into())?;
        let gpu = if row.gpu == UNKNOWN { UNKNOWN } else { draft.text(book.text(row.gpu)) };
        let copied = TypeRow {
            origin: u8::try_from(from).map_err(|_| failed("has too many sources".to_owned()))?,
            name: draft.text(&name),
            family: draft.text(book.text(row.family)),
            gpu,
            ..row
        };
        names.push(copied.name);
        draft.types.insert((cloud, name), copied);
    }
    for at in rows(book.count::<ShelfRow>()) {
        let shelf: ShelfRow = book.row(at);
        let purchase = Purchase::of_number(shelf.purchase).expect("they were verified");
        let os = Os::of_number(shelf.os).expect("they were verified");
        for at in shelf.first..shelf.first + shelf.count {
            let row: PriceRow = book.row(at as usize);
            let region = regions[usize::from(shelf.region)];
            let key = PriceKey { region, purchase, os, ty: names[usize::from(row.ty)] };
            let from = origin(draft, row.origin.into())?;
            draft.prices.insert(key, PriceRow { origin: from, ..row });
        }
    }
    for at in rows(book.count::<InterruptionRow>()) {
        let row: InterruptionRow = book.row(at);
        let place = (regions[usize::from(row.region)], names[usize::from(row.ty)]);
        let from = origin(draft, row.origin.into())?;
        draft.interruptions.push((place.0, place.1, InterruptionRow { origin: from, ..row }));
    }
    for at in rows(book.count::<RateRow>()) {
        let row: RateRow = book.row(at);
        let (key, unit) = (draft.text(book.text(row.key)), draft.text(book.text(row.unit)));
        let from = origin(draft, row.origin.into())?;
        let region = regions[usize::from(row.region)];
        draft.rates.push((region, RateRow { origin: from, key, unit, ..row }));
    }
    let names = book.region_names();
    Ok(regions.into_iter().zip(names).collect())
}

/// Counts what stood on a whole shelf and is in no figure.
fn gone(
    draft: &Draft,
    regions: &BTreeMap<u32, String>,
    before: &BTreeMap<PriceKey, PriceRow>,
    whole: &BTreeSet<(u32, Purchase, Os)>,
    compared: &mut Comparison,
) {
    let names: BTreeMap<u32, &str> =
        draft.types.iter().map(|((_, name), row)| (row.name, name.as_str())).collect();
    for key in before.keys().filter(|it| whole.contains(&(it.region, it.purchase, it.os))) {
        compared.gone += 1;
        let PriceKey { region, purchase, os, ty } = key;
        let region = regions.get(region).map_or("", String::as_str);
        compared.example(|| format!("{region} {} {purchase} {os} is gone", names[ty]));
    }
}

/// Puts rates in the place of those of the same region and key.
fn replace_rates(draft: &mut Draft, steps: Steps, compared: &mut Comparison) {
    let mut before: BTreeMap<(u32, u32), i64> = BTreeMap::new();
    for (region, row) in draft.rates.iter().filter(|(_, row)| row.from == 0) {
        before.insert((*region, row.key), row.ten_billionths);
    }
    draft.rates.retain(|(region, row)| !steps.contains_key(&(*region, row.key)));
    for ((region, key), (name, rows)) in steps {
        let first = rows.iter().find(|row| row.from == 0).map_or(0, |row| row.ten_billionths);
        let prior = before.get(&(region, key)).copied();
        compared.add(|| name.clone(), prior, first);
        draft.rates.extend(rows.into_iter().map(|row| (region, row)));
    }
}
