//! Placement: the types that satisfy a need in a region, cheapest first, and why each other one does not.
//!
//! A need and a region come in; the chosen offer, the ones that are tried after it, and a verdict on every
//! type of the cloud go out. It is one pass over the types of the cloud beside the prices of the region,
//! both sorted by type, and a sort of what fits. Nothing is random: equal prices are in the order of names.
//!
//! A type without a price in the region is never the cheapest; it is told as such. Only one that the need
//! names is taken without. Where no price is known at all, a need finds nothing: of spot, place it on demand;
//! of a region, place it in one that the book knows, and take the names without their prices.
//!
//! ## Why
//! A fallback has at most twice the processors and memory of the first choice: capacity is sought where it
//! is, but a machine that is far larger is nobody's wish. Bare metal takes minutes to start, and FPGAs
//! serve few: both are left to those who name them. GPU machines are no answer to a need without one, however cheap.

use crate::book::{Book, RegionId, TypeId};
use crate::layout::{PriceRow, TypeRow};
use crate::money::Money;
use crate::need::{Amount, Burstable, Generations, GpuLack, GpuNeed, Gpus, Need, PriceMax};
use crate::price::{Price, Priced};
use crate::shape::{Arch, Band, Cloud, Interruption, Purchase, Shape, flags};
use std::fmt;

/// A fallback has so many times the processors and memory of the first choice at most.
pub const LARGER_MAX: u64 = 2;

/// One type in one region, for a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer<'b> {
    /// Whose it is.
    pub cloud: Cloud,
    /// Where; `None` for a type of which no source says where it is offered.
    pub region: Option<&'b str>,
    /// What the cloud calls it.
    pub name: &'b str,
    /// What it is.
    pub shape: Shape<'b>,
    /// What an hour costs by the purchase option that was asked for; `None` when no source says.
    pub hourly: Option<Priced<'b>>,
    /// How often spot machines of it are taken back; `None` when no source says.
    pub interruption: Option<Interruption<'b>>,
}

impl Offer<'_> {
    /// Returns what an hour of one GPU costs; `None` without a GPU or a price.
    ///
    /// A share of a GPU costs more by this measure than its machine.
    pub fn per_gpu(&self) -> Option<Money> {
        self.hourly?.price.money().share(self.shape.gpu?.count())
    }
}

/// Why a type was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason<'b> {
    /// Other processors.
    Cpus {
        /// How many there are.
        has: u32,
        /// How many are needed.
        needed: Amount,
    },
    /// Other memory.
    Memory {
        /// How much there is.
        has_mib: u32,
        /// How much is needed.
        needed_mib: Amount,
    },
    /// Programs are compiled for something else; `None` when no source says for what.
    Arch(Option<Arch>),
    /// The accelerators are not the ones needed.
    Gpu(GpuLack),
    /// It has an accelerator, and none was asked for.
    UnwantedGpu,
    /// Google Cloud attaches the accelerator to such machines, at a price that is not in the book.
    AttachedGpu(&'static str),
    /// May be slowed down.
    Burstable,
    /// The whole server.
    BareMetal,
    /// Has hardware that was not asked for, such as FPGAs.
    Special,
    /// No source says what it costs here.
    NoPrice {
        /// Where.
        region: &'b str,
    },
    /// What may be paid is a share of the price on demand, which no source says here.
    NoOnDemandPrice {
        /// Where.
        region: &'b str,
    },
    /// An hour costs more than may be paid, or is priced in another currency.
    TooDear(Price),
    /// Is taken back too often; `None` when no source says how often.
    Interrupted(Option<Band>),
    /// Of a previous generation, and a current one satisfies too or is demanded.
    Previous,
    /// Satisfies, and is far larger than the first choice.
    TooLarge,
}

/// What came of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'b> {
    /// It is the first choice of its region or a fallback.
    Fits,
    /// It fell out.
    FallsOut(Reason<'b>),
}

/// A type that was looked at.
#[derive(Clone, Copy, Debug)]
pub struct Considered<'b> {
    book: &'b Book,
    region: RegionId,
    ty: TypeId,
    /// What an hour costs here.
    pub price: Option<Price>,
    /// What came of it.
    pub verdict: Verdict<'b>,
}

impl<'b> Considered<'b> {
    /// Returns what the cloud calls it.
    pub fn name(&self) -> &'b str {
        self.book.type_name(self.ty)
    }

    /// Returns where.
    pub fn region(&self) -> &'b str {
        self.book.region_name(self.region)
    }

    /// Returns what it is.
    pub fn shape(&self) -> Shape<'b> {
        self.book.shape_of(self.ty)
    }
}

/// What came of a need.
#[derive(Clone, Debug, Default)]
pub struct Placement<'b> {
    /// The cheapest that satisfies; `None` when nothing does.
    pub chosen: Option<Offer<'b>>,
    /// What else satisfies, in the order in which it is tried.
    pub fallbacks: Vec<Offer<'b>>,
    /// Every type that was looked at, by region and name.
    pub considered: Vec<Considered<'b>>,
    /// What was asked for and is in no price list: a region or type that the book does not know, or any price
    /// by this purchase option there.
    pub unknown: Vec<String>,
}

/// A type that satisfies, in the order in which such are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// Which of the ordered accelerators it has.
    alternative: usize,
    previous: bool,
    /// Those without a price are last; only a named one is here without.
    price: (bool, i64),
    ty: TypeId,
    /// Where its verdict is.
    at: usize,
    row: Option<PriceRow>,
}

/// Picks types for a need, in one region and then in its further ones.
pub fn place<'b>(book: &'b Book, cloud: Cloud, region: &str, need: &Need) -> Placement<'b> {
    let mut placement = Placement::default();
    if let Some(named) = need.named.as_deref().filter(|named| book.type_id(cloud, named).is_none())
    {
        placement.unknown.push(format!("the type `{named}`"));
    }
    let mut offers = Vec::new();
    for region in std::iter::once(region).chain(need.further_regions.iter().map(String::as_str)) {
        match book.region_id(cloud, region) {
            Some(id) => {
                if book.shelf(id, need.os, need.purchase).is_empty() {
                    let what = format!("any {} price of {} in `{region}`", need.purchase, need.os);
                    placement.unknown.push(what);
                }
                place_in(book, cloud, id, need, &mut offers, &mut placement.considered);
            }
            None => placement.unknown.push(format!("the region `{region}`")),
        }
    }
    let mut offers = offers.into_iter();
    placement.chosen = offers.next();
    placement.fallbacks = offers.collect();
    placement
}

fn place_in<'b>(
    book: &'b Book,
    cloud: Cloud,
    region: RegionId,
    need: &Need,
    offers: &mut Vec<Offer<'b>>,
    considered: &mut Vec<Considered<'b>>,
) {
    let mut fits = judge_all(book, cloud, region, need, considered);
    fits.sort();
    let mut kept: Vec<Fit> = Vec::new();
    // Those of one alternative are judged by the first of them.
    for fits in fits.chunk_by(|one, other| one.alternative == other.alternative) {
        let first = book.type_row(fits[0].ty);
        for fit in fits {
            let reason = if fit.previous && !fits[0].previous {
                Some(Reason::Previous)
            } else {
                is_far_larger(&book.type_row(fit.ty), &first).then_some(Reason::TooLarge)
            };
            match reason {
                Some(reason) => considered[fit.at].verdict = Verdict::FallsOut(reason),
                None => kept.push(*fit),
            }
        }
    }
    offers.extend(kept.iter().map(|fit| Offer {
        cloud,
        region: Some(book.region_name(region)),
        name: book.type_name(fit.ty),
        shape: book.shape_of(fit.ty),
        hourly: fit.row.map(|row| book.priced(&row)),
        interruption: book.interruption_of(region, fit.ty),
    }));
}

fn is_far_larger(row: &TypeRow, first: &TypeRow) -> bool {
    let larger = |one: u32, other: u32| u64::from(one) > u64::from(other) * LARGER_MAX;
    larger(row.cpus, first.cpus) || larger(row.memory_mib, first.memory_mib)
}

/// Looks at every type of a cloud, beside the prices of a region.
fn judge_all<'b>(
    book: &'b Book,
    cloud: Cloud,
    region: RegionId,
    need: &Need,
    considered: &mut Vec<Considered<'b>>,
) -> Vec<Fit> {
    let named = need.named.as_deref();
    let types = match named {
        None => book.type_range(cloud),
        Some(name) => match book.type_id(cloud, name) {
            Some(id) => usize::from(id.0)..usize::from(id.0) + 1,
            None => return Vec::new(),
        },
    };
    let shelf = book.shelf(region, need.os, need.purchase);
    let mut prices = shelf.map(|at| book.row::<PriceRow>(at)).peekable();
    let mut fits = Vec::new();
    considered.reserve(types.len());
    for at in types {
        let ty = TypeId(at as u16);
        while prices.next_if(|row| row.ty < ty.0).is_some() {}
        let row = prices.next_if(|row| row.ty == ty.0);
        let price = row.map(|row| book.priced_at(row.ten_billionths));
        let traits = book.type_row(ty);
        let judged = judge(book, need, &traits)
            .and_then(|alternative| must_be_named(need, &traits).map(|()| alternative))
            .and_then(|alternative| afford(book, region, need, ty, price).map(|()| alternative));
        let verdict = match judged {
            Err(reason) => Verdict::FallsOut(reason),
            Ok(alternative) => {
                fits.push(Fit {
                    alternative,
                    previous: traits.flags & flags::PREVIOUS != 0
                        && need.generations != Generations::Any
                        && named.is_none(),
                    price: (price.is_none(), price.map_or(0, |price| price.ten_billionths)),
                    ty,
                    at: considered.len(),
                    row,
                });
                Verdict::Fits
            }
        };
        considered.push(Considered { book, region, ty, price, verdict });
    }
    fits
}

/// Whether a type is what is needed; tells which of the accelerators it has.
///
/// Works on the row: a shape has texts, which nobody reads of what falls out.
pub(crate) fn judge<'b>(book: &'b Book, need: &Need, row: &TypeRow) -> Result<usize, Reason<'b>> {
    let has = row.cpus;
    if let Some(needed) = need.cpus.filter(|needed| !needed.is_met_by(has.into())) {
        return Err(Reason::Cpus { has, needed });
    }
    let has_mib = row.memory_mib;
    if let Some(needed_mib) = need.memory_mib.filter(|needed| !needed.is_met_by(has_mib.into())) {
        return Err(Reason::Memory { has_mib, needed_mib });
    }
    let arch = Arch::of_number(row.arch);
    if !need.arch.is_met_by(arch, need.named.is_some()) {
        return Err(Reason::Arch(arch));
    }
    // Whoever names a type knows what it is.
    let named = need.named.is_some();
    let alternative = match &need.gpus {
        Gpus::Without if row.gpu_count_millionths > 0 && !named => return Err(Reason::UnwantedGpu),
        Gpus::Without | Gpus::Whatever => 0,
        Gpus::AnyOf(needs) => alternative(book, needs, row).map(|_| 0)?,
        Gpus::Ordered(needs) => alternative(book, needs, row)?,
    };
    if row.flags & flags::BURSTABLE != 0 && need.burstable == Burstable::Refused {
        return Err(Reason::Burstable);
    }

    let previous = row.flags & flags::PREVIOUS != 0;
    if previous && need.generations == Generations::CurrentOnly && !named {
        return Err(Reason::Previous);
    }
    Ok(alternative)
}

/// Whether a type is one of those that are left to who names them.
fn must_be_named<'b>(need: &Need, row: &TypeRow) -> Result<(), Reason<'b>> {
    if need.named.is_some() {
        return Ok(());
    }
    if row.flags & flags::BARE_METAL != 0 {
        return Err(Reason::BareMetal);
    }
    if row.flags & flags::SPECIAL != 0 {
        return Err(Reason::Special);
    }
    Ok(())
}

/// The first of the accelerators that a type has; what the first lacks otherwise.
fn alternative<'b>(book: &'b Book, needs: &[GpuNeed], row: &TypeRow) -> Result<usize, Reason<'b>> {
    let gpu = book.gpu_of(row);
    let mut lack = None;
    for (at, need) in needs.iter().enumerate() {
        match need.judge(gpu) {
            Ok(()) => return Ok(at),
            Err(first) => lack = lack.or(Some(first)),
        }
    }
    let attached = needs.iter().find_map(|need| match need {
        GpuNeed::Named { accelerator, .. } => accelerator.attached.then_some(accelerator.name),
        GpuNeed::Memory(_) => None,
    });
    let is_n1 = || row.cloud == Cloud::Gcp.number() && book.text(row.family) == "n1";
    match attached {
        Some(name) if is_n1() => Err(Reason::AttachedGpu(name)),
        _ => Err(Reason::Gpu(lack.unwrap_or(GpuLack::None))),
    }
}

/// Whether a type that is what is needed may be paid here.
pub(crate) fn afford<'b>(
    book: &'b Book,
    region: RegionId,
    need: &Need,
    ty: TypeId,
    price: Option<Price>,
) -> Result<(), Reason<'b>> {
    match (price, need.price_max) {
        (None, None) if need.named.is_some() => {}
        (None, _) => return Err(Reason::NoPrice { region: book.region_name(region) }),
        (Some(price), Some(PriceMax::Hour(most))) => {
            if is_dearer(price, most) {
                return Err(Reason::TooDear(price));
            }
        }
        (Some(price), Some(PriceMax::OfOnDemand(percent))) => {
            is_share(book, region, need, ty, price, percent)?;
        }
        (Some(_), None) => {}
    }
    if let Some(most) = need.band_max {
        let band = book.interruption_of(region, ty).map(|interruption| interruption.band);
        if band.is_none_or(|band| band > most) {
            return Err(Reason::Interrupted(band));
        }
    }
    Ok(())
}

/// Whether a price is at most a share of what the type costs on demand in the same place.
fn is_share<'b>(
    book: &'b Book,
    region: RegionId,
    need: &Need,
    ty: TypeId,
    price: Price,
    percent: u32,
) -> Result<(), Reason<'b>> {
    let shelf = book.shelf(region, need.os, Purchase::OnDemand);
    let Some(on_demand) = book.price_row(shelf, ty) else {
        return Err(Reason::NoOnDemandPrice { region: book.region_name(region) });
    };
    // One book has one currency. The products need more than 64 bits.
    let most = i128::from(on_demand.ten_billionths) * i128::from(percent);
    let dear = i128::from(price.ten_billionths) * 100 > most;
    if dear { Err(Reason::TooDear(price)) } else { Ok(()) }
}

/// Prices of two currencies cannot be compared: what cannot be shown to be cheap enough is dear.
fn is_dearer(price: Price, most: Money) -> bool {
    price.currency != most.currency || price.decimal() > most.amount
}

/// `4 vCPU` of an amount, `4 vCPU or more`.
struct Needed(Amount, &'static str, fn(u64) -> String);

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Needed(amount, unit, shown) = self;
        match amount {
            Amount::Exactly(number) => write!(f, "exactly {}{unit} needed", shown(*number)),
            Amount::AtLeast(number) => write!(f, "{}{unit} needed", shown(*number)),
        }
    }
}

/// Memory in the unit in which it is sold.
fn gib(mib: u64) -> String {
    match mib {
        mib if mib % 1_024 == 0 => format!("{} GiB", mib / 1_024),
        mib => format!("{mib} MiB"),
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Cpus { has, needed } => {
                write!(f, "{has} vCPU, {}", Needed(*needed, " vCPU", |number| number.to_string()))
            }
            Reason::Memory { has_mib, needed_mib } => {
                write!(f, "{} of memory, {}", gib((*has_mib).into()), Needed(*needed_mib, "", gib))
            }
            Reason::Arch(Some(arch)) => arch.fmt(f),
            Reason::Arch(None) => f.write_str("architecture not known"),
            Reason::Gpu(lack) => lack.fmt(f),
            Reason::UnwantedGpu => f.write_str("has an accelerator, and none is needed"),
            Reason::AttachedGpu(name) => {
                write!(
                    f,
                    "a {name} is attached at a price of its own, which is not in the price book"
                )
            }
            Reason::Burstable => f.write_str("burstable"),
            Reason::BareMetal => f.write_str("bare metal, which must be named"),
            Reason::Special => f.write_str("has FPGAs or the like, which must be named"),
            Reason::NoPrice { region } => write!(f, "no price in {region}"),
            Reason::NoOnDemandPrice { region } => write!(f, "no price on demand in {region}"),
            Reason::TooDear(price) => write!(f, "{price} an hour is more than may be paid"),
            Reason::Interrupted(Some(band)) => write!(f, "{band} are interrupted in a month"),
            Reason::Interrupted(None) => f.write_str("how often it is interrupted is not known"),
            Reason::Previous => f.write_str("previous generation"),
            Reason::TooLarge => f.write_str("satisfies, but is far larger than the first choice"),
        }
    }
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Fits => f.write_str("fits"),
            Verdict::FallsOut(reason) => reason.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work;

    /// Work is counted and not timed: it must grow with the types of one cloud and nothing else.
    #[test]
    fn placement_reads_a_few_rows_a_type() {
        let book = Book::builtin();
        let types = book.type_range(Cloud::Aws).len() as u64;
        let gpu = |text| Need {
            gpus: Gpus::Ordered(vec![GpuNeed::parse(text).expect("a GPU")]),
            ..Need::default()
        };
        let per_type = |need: &Need| {
            let (rows, placement) = work::of(|| place(&book, Cloud::Aws, "us-east-1", need));
            assert_eq!(placement.considered.len() as u64, types);
            assert!(placement.chosen.is_some());
            rows / types
        };
        assert!(per_type(&gpu("A100:8")) <= 3);
        assert!(per_type(&gpu("24GiB+")) <= 3);
        // Each of the hundred offers has its texts, and is looked for among the interruptions.
        assert!(per_type(&Need::default()) <= 8, "{}", per_type(&Need::default()));
    }
}
