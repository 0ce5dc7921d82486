//! Everything that was read, and its bytes.

use super::cells::Cells;
use super::{CompileError, origins};
use crate::date::Date;
use crate::layout::{
    self, InterruptionRow, OriginRow, PriceRow, RateRow, RegionRow, Row, ShelfRow, TextEnd, TypeRow,
};
use crate::layout::{ROWS_AT, SECTIONS, SECTIONS_AT, UNKNOWN};
use crate::money::Currency;
use crate::shape::{Cloud, Os, Purchase};
use std::collections::BTreeMap;

/// Under what a price is found. Region and type by their numbers in the draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PriceKey {
    pub(super) region: u32,
    pub(super) purchase: Purchase,
    pub(super) os: Os,
    pub(super) ty: u32,
}

/// What was read. Texts and regions have numbers in the order in which they came; they get their final ones
/// when everything is there.
#[derive(Default)]
pub(super) struct Draft {
    texts: BTreeMap<String, u32>,
    regions: BTreeMap<(Cloud, String), u32>,
    origins: BTreeMap<(String, Option<Date>), u16>,
    pub(super) types: BTreeMap<(Cloud, String), TypeRow>,
    pub(super) prices: BTreeMap<PriceKey, PriceRow>,
    /// Region, type, and a row that still lacks both.
    pub(super) interruptions: Vec<(u32, u32, InterruptionRow)>,
    /// Region, and a row that still lacks it.
    pub(super) rates: Vec<(u32, RateRow)>,
}

impl Draft {
    pub(super) fn text(&mut self, text: &str) -> u32 {
        match self.texts.get(text) {
            Some(id) => *id,
            None => {
                let id = self.texts.len() as u32;
                self.texts.insert(text.to_owned(), id);
                id
            }
        }
    }

    pub(super) fn region(&mut self, cloud: Cloud, name: &str) -> u32 {
        let id = self.regions.len() as u32;
        self.text(name);
        *self.regions.entry((cloud, name.to_owned())).or_insert(id)
    }

    /// The number of a source and its day; a source without a licence is refused.
    pub(super) fn origin(
        &mut self,
        cells: &Cells<'_>,
        source: &str,
        as_of: Option<Date>,
    ) -> Result<u16, CompileError> {
        let unknown = || format!("`{source}` is no source whose licence is known (`origins.rs`)");
        self.known_origin(source, as_of).ok_or_else(|| cells.wrong("source", unknown()))
    }

    /// The same; `None` for a source without a licence.
    pub(super) fn known_origin(&mut self, source: &str, as_of: Option<Date>) -> Option<u16> {
        let key = (source.to_owned(), as_of);
        if let Some(id) = self.origins.get(&key) {
            return Some(*id);
        }
        let (licence, url, note) = origins::about(source)?;
        for text in [source, &licence, &url, &note] {
            self.text(text);
        }
        let id = u16::try_from(self.origins.len()).expect("sources are few");
        self.origins.insert(key, id);
        Some(id)
    }

    /// Returns the bytes of the book.
    pub(super) fn write(self) -> Result<Vec<u8>, CompileError> {
        let too_many = |what: &str| CompileError {
            file: "the book",
            line: 0,
            column: what.to_owned(),
            message: "has more entries than the layout has numbers for".to_owned(),
        };
        let fits = |count: usize| u16::try_from(count).is_ok();
        if !fits(self.types.len()) {
            return Err(too_many("types"));
        }
        // Types name their source in a byte.
        if u8::try_from(self.origins.len()).is_err() {
            return Err(too_many("sources"));
        }
        if !fits(self.regions.len()) {
            return Err(too_many("regions"));
        }
        Ok(Sections::new(&self).file())
    }
}

/// The rows of every section, by their final numbers.
struct Sections<'d> {
    draft: &'d Draft,
    /// By number in the draft.
    texts: Vec<u32>,
    regions: Vec<u16>,
    origins: Vec<u16>,
}

impl Sections<'_> {
    fn new(draft: &Draft) -> Sections<'_> {
        let mut texts = vec![0; draft.texts.len()];
        for (at, id) in draft.texts.values().enumerate() {
            texts[*id as usize] = at as u32;
        }
        let mut regions = vec![0; draft.regions.len()];
        for (at, id) in draft.regions.values().enumerate() {
            regions[*id as usize] = at as u16;
        }
        let mut origins = vec![0; draft.origins.len()];
        for (at, id) in draft.origins.values().enumerate() {
            origins[usize::from(*id)] = at as u16;
        }
        Sections { draft, texts, regions, origins }
    }

    fn file(&self) -> Vec<u8> {
        let sections: [(Vec<u8>, usize); SECTIONS] = self.sections();
        let mut table = Vec::new();
        let mut rows = Vec::new();
        for (bytes, count) in sections {
            table.extend_from_slice(&((ROWS_AT + rows.len()) as u32).to_le_bytes());
            table.extend_from_slice(&(count as u32).to_le_bytes());
            rows.extend_from_slice(&bytes);
        }
        let body = [table, rows].concat();
        let mut file = Vec::with_capacity(SECTIONS_AT + body.len());
        file.extend_from_slice(&layout::MAGIC);
        file.extend_from_slice(&layout::VERSION.to_le_bytes());
        file.extend_from_slice(&Currency::USD.bytes());
        file.push(0);
        let digest = layout::digest(&file, &body);
        file.extend_from_slice(digest.as_bytes());
        file.extend_from_slice(&body);
        file
    }

    /// In the order of their numbers.
    fn sections(&self) -> [(Vec<u8>, usize); SECTIONS] {
        let texts: Vec<u8> = self.draft.texts.keys().flat_map(|text| text.bytes()).collect();
        let length = texts.len();
        let mut end = 0;
        let ends = self.draft.texts.keys().map(|text| {
            end += text.len() as u32;
            TextEnd { end }
        });
        let ends = packed(ends);
        let regions = self.draft.regions.keys();
        let regions =
            regions.map(|(cloud, name)| RegionRow { cloud: cloud.number(), name: self.find(name) });
        let (shelves, prices) = self.shelves();
        [
            (texts, length),
            ends,
            packed(self.origins()),
            packed(regions),
            packed(self.draft.types.values().map(|row| self.type_row(row))),
            packed(shelves.into_iter()),
            packed(prices.into_iter()),
            packed(self.interruptions().into_iter()),
            packed(self.rates().into_iter()),
        ]
    }

    /// The final number of a text.
    fn find(&self, text: &str) -> u32 {
        self.texts[self.draft.texts[text] as usize]
    }

    fn origins(&self) -> impl Iterator<Item = OriginRow> {
        self.draft.origins.keys().map(|(source, as_of)| {
            let (licence, url, note) = origins::about(source).expect("it was looked up before");
            OriginRow {
                source: self.find(source),
                licence: self.find(&licence),
                url: self.find(&url),
                note: self.find(&note),
                as_of: Date::number(*as_of),
            }
        })
    }

    fn type_row(&self, row: &TypeRow) -> TypeRow {
        let text = |id: u32| self.texts[id as usize];
        TypeRow {
            name: text(row.name),
            family: text(row.family),
            gpu: if row.gpu == UNKNOWN { UNKNOWN } else { text(row.gpu) },
            origin: u8::try_from(self.origins[usize::from(row.origin)]).expect("sources are few"),
            ..*row
        }
    }

    fn shelves(&self) -> (Vec<ShelfRow>, Vec<PriceRow>) {
        let types = self.types();
        let clouds = self.clouds();
        let place = |(key, row): (&PriceKey, &PriceRow)| {
            let ty = types[&(clouds[key.region as usize], key.ty)];
            let origin = self.origins[usize::from(row.origin)];
            let region = self.regions[key.region as usize];
            ((region, key.purchase.number(), key.os.number()), PriceRow { ty, origin, ..*row })
        };
        let mut placed: Vec<_> = self.draft.prices.iter().map(place).collect();
        placed.sort();
        let mut shelves: Vec<ShelfRow> = Vec::new();
        for (at, ((region, purchase, os), _)) in placed.iter().enumerate() {
            let (region, purchase, os) = (*region, *purchase, *os);
            match shelves.last_mut() {
                Some(last) if (last.region, last.purchase, last.os) == (region, purchase, os) => {
                    last.count += 1;
                }
                _ => shelves.push(ShelfRow { region, purchase, os, first: at as u32, count: 1 }),
            }
        }
        (shelves, placed.into_iter().map(|(_, row)| row).collect())
    }

    /// The final number of a type by its cloud and its name's number in the draft.
    fn types(&self) -> BTreeMap<(Cloud, u32), u16> {
        let numbered = self.draft.types.keys().enumerate();
        numbered.map(|(at, (cloud, name))| ((*cloud, self.draft.texts[name]), at as u16)).collect()
    }

    /// The cloud of each region by its number in the draft.
    fn clouds(&self) -> Vec<Cloud> {
        let mut clouds = vec![Cloud::Aws; self.draft.regions.len()];
        for ((cloud, _), id) in &self.draft.regions {
            clouds[*id as usize] = *cloud;
        }
        clouds
    }

    fn interruptions(&self) -> Vec<InterruptionRow> {
        let types = self.types();
        let place = |(region, ty, row): &(u32, u32, InterruptionRow)| InterruptionRow {
            region: self.regions[*region as usize],
            ty: types[&(Cloud::Aws, *ty)],
            origin: self.origins[usize::from(row.origin)],
            ..*row
        };
        let mut rows: Vec<InterruptionRow> = self.draft.interruptions.iter().map(place).collect();
        rows.sort();
        rows
    }

    fn rates(&self) -> Vec<RateRow> {
        let place = |(region, row): &(u32, RateRow)| RateRow {
            region: self.regions[*region as usize],
            origin: self.origins[usize::from(row.origin)],
            key: self.texts[row.key as usize],
            unit: self.texts[row.unit as usize],
            ..*row
        };
        let mut rows: Vec<RateRow> = self.draft.rates.iter().map(place).collect();
        rows.sort_by_key(|row| (row.region, row.key, row.from));
        rows
    }
}

fn packed<R: Row>(rows: impl Iterator<Item = R>) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let mut count = 0;
    for row in rows {
        row.write(&mut bytes);
        count += 1;
    }
    (bytes, count)
}
