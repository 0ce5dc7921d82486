//! The price book: what the clouds charge, from one file that is read in place.
//!
//! [`Book::builtin`] is part of the program, so that a plan is made offline and the same everywhere; a newer
//! one is handed to [`Book::open`] as bytes. Look-ups are binary searches over rows of a fixed width:
//! nothing is parsed or allocated at the start. Nothing here reads a file or the clock.
//!
//! What is not in the book is `None`. It is never zero, and never the figure of another region.
//!
//! ## Why
//! 110,000 prices as CSV take 60 ms to parse, which every command would pay. The book of the program is not
//! verified when it is opened (a test does that): it cannot differ from what was compiled in.

use crate::date::Date;
use crate::drivers::Driver;
use crate::layout::{
    self, InterruptionRow, OriginRow, PriceRow, RateRow, RegionRow, Row, TextEnd, TypeRow,
};
use crate::layout::{ENDLESS, ROWS_AT, SECTIONS, ShelfRow, UNKNOWN, u32_at};
use crate::money::Currency;
use crate::price::{Origin, Price, Priced, Tier, Tiers};
use crate::shape::{Arch, Band, Cloud, Gpu, Interruption, Os, Purchase, Shape, flags};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

static BUILTIN: &[u8] = include_bytes!("../prices.book");

/// Why bytes are no book.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// The beginning is not that of a book.
    #[error("not a price book: it does not begin with `dsenvpb`")]
    Magic,
    /// Written by another version of dsenv.
    #[error("a price book of version {0}; this dsenv reads version {VERSION}", VERSION = layout::VERSION)]
    Version(u32),
    /// The bytes are not those that were written.
    #[error("the price book is damaged: its digest is {found}, and it says {said}")]
    Digest {
        /// The digest of what is there.
        found: String,
        /// The digest that the file names.
        said: String,
    },
    /// The digest is right and the content is not: whoever wrote it made a mistake.
    #[error("the price book contradicts itself: {0}")]
    Content(&'static str),
}

/// What the clouds charge.
#[derive(Clone, Debug)]
pub struct Book {
    bytes: Cow<'static, [u8]>,
    /// Where each section begins, and how many rows it has.
    sections: [(usize, usize); SECTIONS],
    currency: Currency,
}

/// A rate per cost driver: what one unit costs, perhaps in steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate<'b> {
    /// Under which key it stands: `disk/gp3/GB-month`, or `SERVICE: ITEM per UNIT` for one without a driver.
    pub key: &'b str,
    /// For what it is due once, as the source says it.
    pub unit: &'b str,
    /// What it is, by quantity within a month.
    pub tiers: Tiers,
    /// Where it is from.
    pub origin: Origin<'b>,
    /// The source may have rounded a price of it, mostly to the cent.
    pub rounded: bool,
}

/// A region of a cloud, by its place in the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RegionId(pub(crate) u16);

/// A type of a cloud, by its place in the book: sorted by name within a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeId(pub(crate) u16);

impl Book {
    /// Returns the book that is part of the program.
    ///
    /// Takes microseconds, also the first time.
    pub fn builtin() -> Book {
        Book::sliced(Cow::Borrowed(BUILTIN)).expect("the book of the program is whole")
    }

    /// Opens a book that was read from somewhere.
    ///
    /// Its digest and every row are checked first (milliseconds), so that a look-up can fail in no other way
    /// than by finding nothing.
    pub fn open(bytes: Vec<u8>) -> Result<Book, BookError> {
        let book = Book::sliced(Cow::Owned(bytes))?;
        book.verify()?;
        Ok(book)
    }

    /// Checks the digest and every row of a book, also of the one in the program.
    pub fn verify(&self) -> Result<(), BookError> {
        let (before, behind) =
            (&self.bytes[..layout::DIGEST_AT], &self.bytes[layout::SECTIONS_AT..]);
        let found = layout::digest(before, behind).to_hex().to_string();
        let said = self.digest();
        if found != said {
            return Err(BookError::Digest { found, said });
        }
        crate::verify::content(self).map_err(BookError::Content)
    }

    /// Finds the sections; says nothing of what is in them.
    fn sliced(bytes: Cow<'static, [u8]>) -> Result<Book, BookError> {
        if !bytes.starts_with(&layout::MAGIC) || bytes.len() < ROWS_AT {
            return Err(BookError::Magic);
        }
        let version = u32_at(&bytes, layout::VERSION_AT);
        if version != layout::VERSION {
            return Err(BookError::Version(version));
        }
        let code = std::str::from_utf8(&bytes[layout::CURRENCY_AT..layout::CURRENCY_AT + 3]).ok();
        let currency = code.and_then(Currency::parse);
        let currency = currency.ok_or(BookError::Content("its currency has no three letters"))?;
        let widths = [
            1,
            TextEnd::WIDTH,
            OriginRow::WIDTH,
            RegionRow::WIDTH,
            TypeRow::WIDTH,
            ShelfRow::WIDTH,
            PriceRow::WIDTH,
            InterruptionRow::WIDTH,
            RateRow::WIDTH,
        ];
        let mut sections = [(0, 0); SECTIONS];
        for (at, width) in widths.into_iter().enumerate() {
            let place = layout::SECTIONS_AT + at * 8;
            let (start, rows) =
                (u32_at(&bytes, place) as usize, u32_at(&bytes, place + 4) as usize);
            let end = rows.checked_mul(width).and_then(|length| length.checked_add(start));
            if start < ROWS_AT || end.is_none_or(|end| end > bytes.len()) {
                return Err(BookError::Content("a section ends behind the file"));
            }
            sections[at] = (start, rows);
        }
        Ok(Book { bytes, sections, currency })
    }

    /// Returns the blake3 digest in hexadecimal, as the file names it.
    pub fn digest(&self) -> String {
        let digest = &self.bytes[layout::DIGEST_AT..layout::SECTIONS_AT];
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns the currency of every price in it.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// Returns the earliest and the latest day of its figures; `None` when no source names one.
    pub fn as_of(&self) -> Option<(Date, Date)> {
        let dates = || self.origins().filter_map(|origin| origin.as_of);
        dates().min().zip(dates().max())
    }

    /// Returns every source with its licence: who passes the book on must name them.
    pub fn origins(&self) -> impl Iterator<Item = Origin<'_>> {
        (0..self.count::<OriginRow>()).map(|at| self.origin(at))
    }

    /// Returns the regions of a cloud that it knows, sorted.
    pub fn regions(&self, cloud: Cloud) -> impl Iterator<Item = &str> {
        self.region_range(cloud).map(|at| self.text(self.row::<RegionRow>(at).name))
    }

    /// Returns the names of a cloud's types, sorted.
    pub fn type_names(&self, cloud: Cloud) -> impl Iterator<Item = &str> {
        self.type_range(cloud).map(|at| self.text(self.row::<TypeRow>(at).name))
    }

    /// Returns what a machine of a type is; `None` for a type that no source lists.
    pub fn shape(&self, cloud: Cloud, ty: &str) -> Option<Shape<'_>> {
        self.type_id(cloud, ty).map(|id| self.shape_of(id))
    }

    /// Returns what an hour of a type costs; `None` when no source says, which is not the same as free.
    ///
    /// It is the list price of the machine alone: no disk, no traffic, no discount for long use.
    pub fn compute(
        &self,
        cloud: Cloud,
        region: &str,
        ty: &str,
        os: Os,
        purchase: Purchase,
    ) -> Option<Priced<'_>> {
        let shelf = self.shelf(self.region_id(cloud, region)?, os, purchase);
        let ty = self.type_id(cloud, ty)?;
        self.price_row(shelf, ty).map(|row| self.priced(&row))
    }

    /// Returns how often spot machines of a type are taken back; `None` when no source says. Only AWS
    /// publishes it.
    pub fn interruption(&self, cloud: Cloud, region: &str, ty: &str) -> Option<Interruption<'_>> {
        self.interruption_of(self.region_id(cloud, region)?, self.type_id(cloud, ty)?)
    }

    /// Returns the rate of a cost driver in a region; `None` when no source says.
    ///
    /// A region is named as the source does: buckets of Google Cloud stand under `EU` and `ASIA`.
    pub fn rate(&self, cloud: Cloud, region: &str, driver: Driver<'_>) -> Option<Rate<'_>> {
        self.rate_by_key(cloud, region, &driver.to_string())
    }

    /// Returns a rate by the key of its driver.
    pub fn rate_by_key(&self, cloud: Cloud, region: &str, key: &str) -> Option<Rate<'_>> {
        let key = self.text_id(key)?;
        let region = self.region_id(cloud, region)?;
        let order = |row: &RateRow| (row.region, row.key).cmp(&(region.0, key));
        let found = self.search(0..self.count::<RateRow>(), order)?;
        let same = |at: &usize| order(&self.row(*at)) == Ordering::Equal;
        let first = (0..found).rev().take_while(same).last().unwrap_or(found);
        let rows = (first..self.count::<RateRow>()).take_while(same);
        Some(self.rate_of(&rows.map(|at| self.row(at)).collect::<Vec<RateRow>>()))
    }

    /// Returns a published figure by the raw names of its source, also one that no driver stands for:
    /// `aws_kinesis_stream`, `Data ingested`, `GB`.
    pub fn service(
        &self,
        cloud: Cloud,
        region: &str,
        service: &str,
        item: &str,
        unit: &str,
    ) -> Option<Priced<'_>> {
        let key = crate::drivers::raw_key(service, item, unit);
        let rate = self.rate_by_key(cloud, region, &key)?;
        let Rate { unit, tiers, origin, rounded, .. } = rate;
        Some(Priced { price: tiers.flat()?, unit, origin, rounded })
    }

    /// Returns every rate of a region, sorted by key.
    pub fn rates(&self, cloud: Cloud, region: &str) -> Vec<Rate<'_>> {
        let Some(region) = self.region_id(cloud, region) else { return Vec::new() };
        let rows =
            self.equal(0..self.count::<RateRow>(), |row: &RateRow| row.region.cmp(&region.0));
        let rows: Vec<RateRow> = rows.map(|at| self.row(at)).collect();
        rows.chunk_by(|one, other| one.key == other.key).map(|rows| self.rate_of(rows)).collect()
    }
}

/// What the other modules of this crate read.
impl Book {
    pub(crate) fn count<R: Row>(&self) -> usize {
        self.sections[R::SECTION].1
    }

    pub(crate) fn row<R: Row>(&self, at: usize) -> R {
        let (start, rows) = self.sections[R::SECTION];
        debug_assert!(at < rows);
        let start = start + at * R::WIDTH;
        #[cfg(test)]
        crate::work::count();
        R::read(&self.bytes[start..start + R::WIDTH])
    }

    pub(crate) fn text_bytes(&self) -> &[u8] {
        let (start, length) = self.sections[layout::TEXT];
        &self.bytes[start..start + length]
    }

    pub(crate) fn text(&self, id: u32) -> &str {
        let end = |id: u32| self.row::<TextEnd>(id as usize).end as usize;
        let start = id.checked_sub(1).map_or(0, end);
        std::str::from_utf8(&self.text_bytes()[start..end(id)]).expect("texts were verified")
    }

    fn text_id(&self, text: &str) -> Option<u32> {
        let (mut low, mut high) = (0, self.count::<TextEnd>() as u32);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.text(middle).cmp(text) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    /// The first row of a sorted range that is not before what is looked for.
    fn bound<R: Row>(&self, range: Range<usize>, before: impl Fn(&R) -> bool) -> usize {
        let (mut low, mut high) = (range.start, range.end);
        while low < high {
            let middle = low + (high - low) / 2;
            match before(&self.row(middle)) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// The rows of a sorted range that compare as equal.
    fn equal<R: Row>(&self, range: Range<usize>, order: impl Fn(&R) -> Ordering) -> Range<usize> {
        let start = self.bound(range.clone(), |row| order(row) == Ordering::Less);
        start..self.bound(start..range.end, |row| order(row) != Ordering::Greater)
    }

    fn search<R: Row>(&self, range: Range<usize>, order: impl Fn(&R) -> Ordering) -> Option<usize> {
        let end = range.end;
        let at = self.bound(range, |row| order(row) == Ordering::Less);
        (at < end && order(&self.row(at)) == Ordering::Equal).then_some(at)
    }

    pub(crate) fn type_range(&self, cloud: Cloud) -> Range<usize> {
        self.equal(0..self.count::<TypeRow>(), |row: &TypeRow| row.cloud.cmp(&cloud.number()))
    }

    fn region_range(&self, cloud: Cloud) -> Range<usize> {
        self.equal(0..self.count::<RegionRow>(), |row: &RegionRow| row.cloud.cmp(&cloud.number()))
    }

    pub(crate) fn region_ids(&self, cloud: Cloud) -> impl Iterator<Item = RegionId> {
        self.region_range(cloud).map(|at| RegionId(at as u16))
    }

    pub(crate) fn region_id(&self, cloud: Cloud, region: &str) -> Option<RegionId> {
        let name = self.text_id(region)?;
        let order = |row: &RegionRow| (row.cloud, row.name).cmp(&(cloud.number(), name));
        let at = self.search(0..self.count::<RegionRow>(), order)?;
        Some(RegionId(at as u16))
    }

    pub(crate) fn region_name(&self, region: RegionId) -> &str {
        self.text(self.row::<RegionRow>(region.0.into()).name)
    }

    pub(crate) fn type_id(&self, cloud: Cloud, ty: &str) -> Option<TypeId> {
        let name = self.text_id(ty)?;
        let order = |row: &TypeRow| (row.cloud, row.name).cmp(&(cloud.number(), name));
        let at = self.search(0..self.count::<TypeRow>(), order)?;
        Some(TypeId(at as u16))
    }

    /// The names of every region, in the order of their numbers.
    pub(crate) fn region_names(&self) -> Vec<String> {
        let rows = 0..self.count::<RegionRow>();
        rows.map(|at| self.text(self.row::<RegionRow>(at).name).to_owned()).collect()
    }

    pub(crate) fn type_name(&self, ty: TypeId) -> &str {
        self.text(self.type_row(ty).name)
    }

    pub(crate) fn type_row(&self, ty: TypeId) -> TypeRow {
        self.row(ty.0.into())
    }

    pub(crate) fn gpu_of(&self, row: &TypeRow) -> Option<Gpu<'_>> {
        let known = |number: u32| (number != UNKNOWN).then_some(number);
        (row.gpu_count_millionths > 0).then(|| Gpu {
            name: known(row.gpu).map(|name| self.text(name)),
            count_millionths: row.gpu_count_millionths,
            memory_mib: known(row.gpu_memory_mib),
        })
    }

    pub(crate) fn shape_of(&self, ty: TypeId) -> Shape<'_> {
        let row = self.type_row(ty);
        let known = |number: u32| (number != UNKNOWN).then_some(number);
        Shape {
            cpus: row.cpus,
            memory_mib: row.memory_mib,
            arch: Arch::of_number(row.arch),
            gpu: self.gpu_of(&row),
            local_nvme_gb: known(row.local_nvme_gb),
            network_mbps: known(row.network_mbps),
            family: self.text(row.family),
            previous: row.flags & flags::PREVIOUS != 0,
            burstable: row.flags & flags::BURSTABLE != 0,
            bare_metal: row.flags & flags::BARE_METAL != 0,
            special: row.flags & flags::SPECIAL != 0,
            origin: self.origin(row.origin.into()),
        }
    }

    /// The rows of the prices of a region, by type.
    pub(crate) fn shelf(&self, region: RegionId, os: Os, purchase: Purchase) -> Range<usize> {
        let wanted = (region.0, purchase.number(), os.number());
        let order = |row: &ShelfRow| (row.region, row.purchase, row.os).cmp(&wanted);
        let Some(at) = self.search(0..self.count::<ShelfRow>(), order) else { return 0..0 };
        let shelf: ShelfRow = self.row(at);
        shelf.first as usize..(shelf.first + shelf.count) as usize
    }

    pub(crate) fn price_row(&self, shelf: Range<usize>, ty: TypeId) -> Option<PriceRow> {
        self.search(shelf, |row: &PriceRow| row.ty.cmp(&ty.0)).map(|at| self.row(at))
    }

    pub(crate) fn priced_at(&self, ten_billionths: i64) -> Price {
        Price { ten_billionths, currency: self.currency }
    }

    pub(crate) fn priced(&self, row: &PriceRow) -> Priced<'_> {
        let price = self.priced_at(row.ten_billionths);
        Priced { price, unit: "hour", origin: self.origin(row.origin.into()), rounded: false }
    }

    pub(crate) fn interruption_of(&self, region: RegionId, ty: TypeId) -> Option<Interruption<'_>> {
        let order = |row: &InterruptionRow| (row.region, row.ty).cmp(&(region.0, ty.0));
        let at = self.search(0..self.count::<InterruptionRow>(), order)?;
        let row: InterruptionRow = self.row(at);
        let band = Band::of_number(row.band).expect("bands were verified");
        let origin = self.origin(row.origin.into());
        Some(Interruption { band, savings_percent: row.savings_percent, origin })
    }

    fn origin(&self, at: usize) -> Origin<'_> {
        let row: OriginRow = self.row(at);
        Origin {
            source: self.text(row.source),
            licence: self.text(row.licence),
            url: self.text(row.url),
            as_of: Date::of_number(row.as_of),
            note: self.text(row.note),
        }
    }

    /// Rows of one key, in order; at least one.
    fn rate_of(&self, rows: &[RateRow]) -> Rate<'_> {
        let tier = |row: &RateRow| Tier {
            from: row.from,
            to: (row.to != ENDLESS).then_some(row.to),
            price: self.priced_at(row.ten_billionths),
        };
        Rate {
            key: self.text(rows[0].key),
            unit: self.text(rows[0].unit),
            tiers: Tiers::new(rows.iter().map(tier).collect()).expect("tiers were verified"),
            origin: self.origin(rows[0].origin.into()),
            rounded: rows.iter().any(|row| row.rounded != 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work;

    #[test]
    fn opening_reads_no_row_and_a_look_up_reads_few() {
        let (rows, book) = work::of(Book::builtin);
        assert_eq!(rows, 0);
        let (rows, priced) = work::of(|| {
            book.compute(Cloud::Aws, "eu-west-1", "m7i.large", Os::Linux, Purchase::OnDemand)
        });
        assert!(priced.is_some());
        assert!(rows < 150, "{rows} rows for a price among {}", book.count::<PriceRow>());
        let (rows, rate) = work::of(|| book.rate(Cloud::Gcp, "us-central1", Driver::NatData));
        assert!(rate.is_some());
        assert!(rows < 150, "{rows} rows for a rate among {}", book.count::<RateRow>());
    }
}
