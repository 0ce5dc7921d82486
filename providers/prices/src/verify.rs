//! Whether the rows of a book hold what look-ups rely on.
//!
//! Called for a book from outside and by a test for the one in the program. After it, every number of a
//! text, type, region or origin points at one, every closed set has a member, and what is searched is
//! sorted.

use crate::book::Book;
use crate::layout::{ENDLESS, UNKNOWN};
use crate::layout::{
    InterruptionRow, OriginRow, PriceRow, RateRow, RegionRow, Row, ShelfRow, TextEnd, TypeRow,
};
use crate::money::Currency;
use crate::price::{Price, Tier, Tiers};
use crate::shape::{Arch, Band, Cloud, Os, Purchase, flags};

type Checked = Result<(), &'static str>;

/// Returns what is wrong first.
pub(crate) fn content(book: &Book) -> Checked {
    texts(book)?;
    let text = |id: u32| (id as usize) < book.count::<TextEnd>();
    let origin = |at: u16| usize::from(at) < book.count::<OriginRow>();
    let region = |at: u16| usize::from(at) < book.count::<RegionRow>();
    let ty = |at: u16| usize::from(at) < book.count::<TypeRow>();
    every(book, "a source has no text", |row: &OriginRow| {
        [row.source, row.licence, row.url, row.note].into_iter().all(text)
    })?;
    every(book, "a region has no name or cloud", |row: &RegionRow| {
        Cloud::of_number(row.cloud).is_some() && text(row.name)
    })?;
    sorted(book, "regions are not sorted", |row: &RegionRow| (row.cloud, row.name))?;
    every(book, "a type is not complete", |row: &TypeRow| {
        let arch = Arch::of_number(row.arch).is_some() || row.arch == u8::MAX;
        let gpu = row.gpu == UNKNOWN || text(row.gpu);
        let known = Cloud::of_number(row.cloud).is_some() && row.flags <= flags::ALL;
        arch && gpu && known && text(row.name) && text(row.family) && origin(row.origin.into())
    })?;
    sorted(book, "types are not sorted", |row: &TypeRow| (row.cloud, row.name))?;
    every(book, "a price has no type or source", |row: &PriceRow| {
        ty(row.ty) && origin(row.origin) && row.ten_billionths >= 0
    })?;
    shelves(book)?;
    every(book, "an interruption has no region, type or band", |row: &InterruptionRow| {
        let band = Band::of_number(row.band).is_some();
        band && region(row.region) && ty(row.ty) && origin(row.origin)
    })?;
    sorted(book, "interruptions are not sorted", |row: &InterruptionRow| (row.region, row.ty))?;
    every(book, "a rate has no region, text or source", |row: &RateRow| {
        region(row.region)
            && text(row.key)
            && text(row.unit)
            && origin(row.origin)
            && row.ten_billionths >= 0
    })?;
    sorted(book, "rates are not sorted", |row: &RateRow| (row.region, row.key, row.from))?;
    steps(book)
}

fn every<R: Row>(book: &Book, wrong: &'static str, holds: impl Fn(&R) -> bool) -> Checked {
    let all = (0..book.count::<R>()).all(|at| holds(&book.row(at)));
    all.then_some(()).ok_or(wrong)
}

/// Whether keys grow: no two rows have one.
fn sorted<R: Row, K: Ord>(book: &Book, wrong: &'static str, key: impl Fn(&R) -> K) -> Checked {
    let grows = (1..book.count::<R>()).all(|at| key(&book.row(at - 1)) < key(&book.row(at)));
    grows.then_some(()).ok_or(wrong)
}

fn texts(book: &Book) -> Checked {
    let bytes = book.text_bytes();
    let mut start = 0;
    let mut before: Option<&str> = None;
    for at in 0..book.count::<TextEnd>() {
        let end = book.row::<TextEnd>(at).end as usize;
        let text = bytes.get(start..end).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let text = text.ok_or("a text is no UTF-8")?;
        if before.is_some_and(|before| before >= text) {
            return Err("texts are not sorted");
        }
        (start, before) = (end, Some(text));
    }
    Ok(())
}

fn shelves(book: &Book) -> Checked {
    every(book, "a shelf has no region, purchase option or system", |row: &ShelfRow| {
        usize::from(row.region) < book.count::<RegionRow>()
            && Purchase::of_number(row.purchase).is_some()
            && Os::of_number(row.os).is_some()
    })?;
    sorted(book, "shelves are not sorted", |row: &ShelfRow| (row.region, row.purchase, row.os))?;
    for at in 0..book.count::<ShelfRow>() {
        let shelf: ShelfRow = book.row(at);
        let end = shelf.first.checked_add(shelf.count).ok_or("a shelf has no end")?;
        if end as usize > book.count::<PriceRow>() {
            return Err("a shelf ends behind the prices");
        }
        let cloud = book.row::<RegionRow>(shelf.region.into()).cloud;
        let mut before = None;
        for at in shelf.first..end {
            let row: PriceRow = book.row(at as usize);
            if before >= Some(row.ty) {
                return Err("the prices of a shelf are not sorted");
            }
            if book.row::<TypeRow>(row.ty.into()).cloud != cloud {
                return Err("a price is of another cloud's type");
            }
            before = Some(row.ty);
        }
    }
    Ok(())
}

fn steps(book: &Book) -> Checked {
    let rows: Vec<RateRow> = (0..book.count::<RateRow>()).map(|at| book.row(at)).collect();
    let same = |one: &RateRow, other: &RateRow| (one.region, one.key) == (other.region, other.key);
    let tier = |row: &RateRow| Tier {
        from: row.from,
        to: (row.to != ENDLESS).then_some(row.to),
        price: Price { ten_billionths: row.ten_billionths, currency: Currency::USD },
    };
    for rows in rows.chunk_by(same) {
        if Tiers::new(rows.iter().map(tier).collect()).is_none() {
            return Err("the steps of a rate overlap");
        }
    }
    Ok(())
}
