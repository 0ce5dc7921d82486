//! Lists of offers over regions and clouds, for whoever compares.
//!
//! One row a type and region that satisfies. Unlike placement it leaves nothing out for being old, large,
//! bare metal or without a price: what no source prices is listed last and has no price; of what no source says where it is
//! offered, one row without a region stands behind. With a limit on the price both are left out: nobody can
//! tell that they keep it.

use crate::book::{Book, RegionId, TypeId};
use crate::layout::PriceRow;
use crate::need::{Generations, Need};
use crate::place::{Offer, afford, judge};
use crate::shape::{Cloud, Os, Purchase, closed};
use std::cmp::Ordering;
use std::ops::Range;

closed! {
    /// By what offers are sorted; equal ones by price, cloud, region and name.
    SortBy {
        /// The hour, cheapest first; without a price last.
        Price = "price",
        /// Processors, fewest first.
        Cpus = "cpus",
        /// Memory, least first.
        Memory = "memory",
        /// The name of the type.
        Name = "name",
    }
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// One cloud, or `None` for all.
    pub cloud: Option<Cloud>,
    /// A pattern for regions: `us-*`, `eu-west-?`, `*`.
    pub region: String,
    /// What machines must be. Its further regions play no part.
    pub need: Need,
    /// The order of the answer.
    pub sort: SortBy,
}

impl Default for Query {
    /// Every offer of every cloud, cheapest first, of all generations and architectures.
    fn default() -> Query {
        let need = Need {
            arch: crate::need::Arches::Any,
            gpus: crate::need::Gpus::Whatever,
            generations: Generations::Any,
            ..Need::default()
        };
        Query { cloud: None, region: "*".to_owned(), need, sort: SortBy::Price }
    }
}

/// Lists the offers that satisfy.
pub fn search<'b>(book: &'b Book, query: &Query) -> Vec<Offer<'b>> {
    let mut offers = Vec::new();
    for cloud in Cloud::ALL.iter().filter(|cloud| query.cloud.is_none_or(|only| only == **cloud)) {
        search_cloud(book, *cloud, query, &mut offers);
    }
    offers.sort_by(|one, other| {
        let by = match query.sort {
            SortBy::Price => Ordering::Equal,
            SortBy::Cpus => one.shape.cpus.cmp(&other.shape.cpus),
            SortBy::Memory => one.shape.memory_mib.cmp(&other.shape.memory_mib),
            SortBy::Name => one.name.cmp(other.name),
        };
        let key = |offer: &Offer<'b>| {
            let price = offer.hourly.map(|hourly| hourly.price);
            (price.is_none(), price, offer.cloud, offer.region.is_none(), offer.region, offer.name)
        };
        by.then_with(|| key(one).cmp(&key(other)))
    });
    offers
}

fn search_cloud<'b>(book: &'b Book, cloud: Cloud, query: &Query, offers: &mut Vec<Offer<'b>>) {
    let need = &query.need;
    let limited = need.price_max.is_some() || need.band_max.is_some();
    let types = book.type_range(cloud);
    let named = |ty| need.named.as_deref().is_none_or(|only| only == book.type_name(ty));
    let fits = |at| {
        let ty = TypeId(at as u16);
        named(ty) && judge(book, need, &book.type_row(ty)).is_ok()
    };
    let fits: Vec<bool> = types.clone().map(fits).collect();
    let mut somewhere = vec![false; fits.len()];
    for region in book.region_ids(cloud) {
        let wanted = is_like(&query.region, book.region_name(region));
        // Where else a type is offered matters for those alone that may be offered nowhere.
        if !wanted && limited {
            continue;
        }
        let here = sold_in(book, region, &types);
        for (at, _) in here.iter().enumerate().filter(|(at, sold)| **sold && fits[*at]) {
            somewhere[at] = true;
        }
        if wanted {
            let sold = |at: &usize| here[*at - types.start] && fits[*at - types.start];
            let types = types.clone().filter(sold).map(|at| TypeId(at as u16));
            search_region(book, cloud, region, need, types, offers);
        }
    }
    if limited {
        return;
    }
    let nowhere = types.clone().filter(|at| fits[at - types.start] && !somewhere[at - types.start]);
    offers.extend(nowhere.map(|at| TypeId(at as u16)).map(|ty| Offer {
        cloud,
        region: None,
        name: book.type_name(ty),
        shape: book.shape_of(ty),
        hourly: None,
        interruption: None,
    }));
}

/// The offers of one region among types that satisfy and are sold there.
fn search_region<'b>(
    book: &'b Book,
    cloud: Cloud,
    region: RegionId,
    need: &Need,
    types: impl Iterator<Item = TypeId>,
    offers: &mut Vec<Offer<'b>>,
) {
    let limited = need.price_max.is_some() || need.band_max.is_some();
    let shelf = book.shelf(region, need.os, need.purchase);
    let mut prices = shelf.map(|at| book.row::<PriceRow>(at)).peekable();
    for ty in types {
        while prices.next_if(|row| row.ty < ty.0).is_some() {}
        let row = prices.next_if(|row| row.ty == ty.0);
        let price = row.map(|row| book.priced_at(row.ten_billionths));
        if limited && afford(book, region, need, ty, price).is_err() {
            continue;
        }
        offers.push(Offer {
            cloud,
            region: Some(book.region_name(region)),
            name: book.type_name(ty),
            shape: book.shape_of(ty),
            hourly: row.map(|row| book.priced(&row)),
            interruption: book.interruption_of(region, ty),
        });
    }
}

/// Which types have a price of any sort in a region: so they are offered there.
fn sold_in(book: &Book, region: RegionId, types: &Range<usize>) -> Vec<bool> {
    let mut sold = vec![false; types.len()];
    for purchase in Purchase::ALL {
        for os in Os::ALL {
            for at in book.shelf(region, *os, *purchase) {
                sold[usize::from(book.row::<PriceRow>(at).ty) - types.start] = true;
            }
        }
    }
    sold
}

/// Whether a text is like a pattern in which `*` is any text and `?` any one character.
pub fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` was, and up to where it has swallowed.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, swallowed)) = star else { return false };
                star = Some((at, swallowed + 1));
                (p, t) = (at + 1, swallowed + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
