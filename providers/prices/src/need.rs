//! What a machine must be, and the texts by which the language says it.
//!
//! `2+` is at least two, `2` exactly two; `8GiB+` at least so much memory; `A100:8` eight of one
//! accelerator, `24GiB+` one or more with so much memory each. A text that is neither is an error that says
//! what is valid.
//!
//! ## Why
//! The memory of an accelerator is the one that it is sold with: drivers show less (an A10G of 24 GiB
//! shows 22.35), so what is shown may lack a tenth. A need that names no accelerator is met by CUDA ones
//! alone: programs are written for an interface, and the cheapest one with enough memory is often a
//! Neuron or ROCm card, on which they do not start.

use crate::accelerators::{self, Accelerator, Interface};
use crate::money::Money;
use crate::shape::{Arch, Band, Gpu, Os, Purchase};
use std::fmt;

/// A number, or at least a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Neither less nor more.
    Exactly(u64),
    /// So many or more.
    AtLeast(u64),
}

impl Amount {
    /// Whether what is there is what is needed.
    pub fn is_met_by(self, there: u64) -> bool {
        match self {
            Amount::Exactly(number) => there == number,
            Amount::AtLeast(number) => there >= number,
        }
    }

    fn parse(text: &str, unit: impl Fn(&str) -> Option<u64>) -> Option<Amount> {
        match text.strip_suffix('+') {
            Some(number) => unit(number).map(Amount::AtLeast),
            None => unit(text).map(Amount::Exactly),
        }
    }
}

/// Why a text says no need.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NeedError {
    /// Not a number of processors.
    #[error("`{0}` is no count: write `4`, or `4+` for four and more")]
    Count(String),
    /// Not a size.
    #[error("`{0}` is no size: write `8GiB`, or `8GiB+` for that and more")]
    Size(String),
    /// Not the form of an accelerator.
    #[error("`{0}` names no accelerator: write `A100:8`, `A100-80GB`, or `24GiB+`")]
    Gpu(String),
    /// Neither an amount nor a share.
    #[error("`{0}` is no limit on a price: write `0.5 USD`, or `80%` of the price on demand")]
    PriceMax(String),
    /// An accelerator that the book does not know.
    #[error("no accelerator is called `{0}`: known are {known}", known = known())]
    UnknownGpu(String),
}

fn known() -> String {
    accelerators::ACCELERATORS.iter().map(|one| one.name).collect::<Vec<_>>().join(", ")
}

/// Reads a count: `4`, `4+`.
pub fn parse_count(text: &str) -> Result<Amount, NeedError> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u64>().ok()).flatten().filter(|number| *number > 0)
    };
    Amount::parse(text, number).ok_or_else(|| NeedError::Count(text.to_owned()))
}

/// Reads a size in MiB, rounded down: `8GiB`, `8GiB+`, `512MiB`, `1TB`.
pub fn parse_memory(text: &str) -> Result<Amount, NeedError> {
    Amount::parse(text, mib).ok_or_else(|| NeedError::Size(text.to_owned()))
}

/// The units are those of the language; so is that a size is a whole number.
fn mib(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let unit: u64 = match text[digits..].trim_start() {
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    number.checked_mul(unit).map(|bytes| bytes >> 20).filter(|mib| *mib > 0)
}

/// One accelerator that would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GpuNeed {
    /// This one, exactly so many.
    Named {
        /// Which one, of any variant.
        accelerator: &'static Accelerator,
        /// How many whole ones.
        count: u32,
        /// Only the variant that is sold with so much memory.
        sold_gib: Option<u32>,
    },
    /// One or more of any CUDA kind, with so much memory each.
    Memory(Amount),
}

impl GpuNeed {
    /// Reads `A100`, `A100:8`, `A100-80GB:8`, `24GiB`, `24GiB+`.
    pub fn parse(text: &str) -> Result<GpuNeed, NeedError> {
        if let Ok(memory) = parse_memory(text) {
            return Ok(GpuNeed::Memory(memory));
        }
        let refused = || NeedError::Gpu(text.to_owned());
        let (name, count) = match text.rsplit_once(':') {
            Some((name, count)) => match parse_count(count) {
                Ok(Amount::Exactly(count)) => (name, u32::try_from(count).map_err(|_| refused())?),
                _ => return Err(refused()),
            },
            None => (text, 1),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || ['-', '_', ' '].contains(&c);
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(plain) {
            return Err(refused());
        }
        // `RTX-PRO-4500` ends in a number that is no size; a size has its unit.
        let (bare, sold_gib) = accelerators::split_size(name);
        let accelerator =
            accelerators::named(bare).ok_or_else(|| NeedError::UnknownGpu(name.to_owned()))?;
        Ok(GpuNeed::Named { accelerator, count, sold_gib })
    }

    /// Whether the accelerators of a type are the ones needed.
    pub(crate) fn judge(&self, gpu: Option<Gpu<'_>>) -> Result<(), GpuLack> {
        let gpu = gpu.ok_or(GpuLack::None)?;
        match self {
            GpuNeed::Named { accelerator, count, sold_gib } => {
                if gpu.name != Some(accelerator.name) {
                    return Err(GpuLack::Other);
                }
                if u64::from(gpu.count_millionths) != u64::from(*count) * 1_000_000 {
                    return Err(GpuLack::Count);
                }
                match (sold_gib, gpu.memory_mib) {
                    (None, _) => Ok(()),
                    (Some(_), None) => Err(GpuLack::MemoryUnknown),
                    (Some(sold), Some(shown)) => {
                        let fits = accelerators::is_sold_as(shown, u64::from(*sold) << 10);
                        fits.then_some(()).ok_or(GpuLack::Memory)
                    }
                }
            }
            GpuNeed::Memory(amount) => {
                let kind = gpu.name.and_then(accelerators::named).map(|one| one.interface);
                if kind != Some(Interface::Cuda) {
                    return Err(GpuLack::NotCuda);
                }
                let shown = gpu.memory_mib.ok_or(GpuLack::MemoryUnknown)?;
                let fits = match amount {
                    Amount::AtLeast(mib) => accelerators::has_at_least(shown.into(), *mib),
                    Amount::Exactly(mib) => accelerators::is_sold_as(shown, *mib),
                };
                fits.then_some(()).ok_or(GpuLack::Memory)
            }
        }
    }
}

/// What the accelerators of a type lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GpuLack {
    /// There is none.
    None,
    /// It is another one.
    Other,
    /// There are more or fewer, or a share of one.
    Count,
    /// It has another amount of memory.
    Memory,
    /// No source says how much memory it has.
    MemoryUnknown,
    /// It is not programmed with CUDA, and was not named.
    NotCuda,
}

impl fmt::Display for GpuLack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GpuLack::None => "no accelerator",
            GpuLack::Other => "another accelerator",
            GpuLack::Count => "another number of accelerators",
            GpuLack::Memory => "another amount of accelerator memory",
            GpuLack::MemoryUnknown => "accelerator memory not known",
            GpuLack::NotCuda => "an accelerator without CUDA, which must be named",
        })
    }
}

/// The accelerators that would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Gpus {
    /// None: types that have one are left out.
    #[default]
    Without,
    /// Whether there is one does not matter; for lists of offers.
    Whatever,
    /// The cheapest of any.
    AnyOf(Vec<GpuNeed>),
    /// The first of these that is offered, then the next.
    Ordered(Vec<GpuNeed>),
}

/// Which generations of a line are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generations {
    /// Previous ones only where nothing current satisfies.
    #[default]
    CurrentFirst,
    /// Never a previous one.
    CurrentOnly,
    /// All alike.
    Any,
}

/// Whether a machine may be slowed down when it has used up its credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Burstable {
    /// It may.
    #[default]
    Allowed,
    /// It must not.
    Refused,
}

/// The most that an hour may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceMax {
    /// So much; a price in another currency is dearer.
    Hour(Money),
    /// A share of what the same type costs on demand, in percent.
    OfOnDemand(u32),
}

impl PriceMax {
    /// Reads `80%`, `0.5 USD`, `$0.5`, and `20`, which is dollars.
    pub fn parse(text: &str) -> Result<PriceMax, NeedError> {
        let refused = || NeedError::PriceMax(text.to_owned());
        if let Some(percent) = text.strip_suffix('%') {
            return match parse_count(percent) {
                Ok(Amount::Exactly(percent @ 1..=1_000)) => {
                    Ok(PriceMax::OfOnDemand(percent as u32))
                }
                _ => Err(refused()),
            };
        }
        let money = text.parse().or_else(|_| format!("{text} USD").parse());
        money.map(PriceMax::Hour).map_err(|_| refused())
    }
}

/// What programs must be compiled for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arches {
    /// x86-64, for which images and packages are made unless a blueprint says otherwise; of a named type
    /// whatever it has.
    #[default]
    Usual,
    /// All the same, also where no source says.
    Any,
    /// This one alone.
    Only(Arch),
}

impl Arches {
    pub(crate) fn is_met_by(self, arch: Option<Arch>, named: bool) -> bool {
        match self {
            Arches::Usual => named || arch == Some(Arch::X86_64),
            Arches::Any => true,
            Arches::Only(only) => arch == Some(only),
        }
    }
}

/// What a machine must be.
///
/// The default is anything without an accelerator, with Linux on x86-64, on demand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// One type, by its name: nothing else is considered, and nothing but the rest of the need is asked of
    /// it. It may be of a previous generation, and without a price.
    pub named: Option<String>,
    /// Processors.
    pub cpus: Option<Amount>,
    /// Memory in MiB.
    pub memory_mib: Option<Amount>,
    /// What programs are compiled for.
    pub arch: Arches,
    /// Accelerators.
    pub gpus: Gpus,
    /// Regions that are tried after the first one, in order.
    pub further_regions: Vec<String>,
    /// Which system's licence must be in the price.
    pub os: Os,
    /// How it is bought: this price decides.
    pub purchase: Purchase,
    /// The most that an hour may cost.
    pub price_max: Option<PriceMax>,
    /// The band of interruptions that is still borne; a type whose band no source says is left out.
    pub band_max: Option<Band>,
    /// Which generations are taken.
    pub generations: Generations,
    /// Whether it may be burstable.
    pub burstable: Burstable,
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(input: &str, expect: Expect) {
        let shown = match GpuNeed::parse(input) {
            Ok(GpuNeed::Named { accelerator, count, sold_gib }) => {
                format!("{} x {count}, sold with {sold_gib:?}", accelerator.name)
            }
            Ok(GpuNeed::Memory(amount)) => format!("{amount:?} MiB"),
            Err(error) => error.to_string().chars().take(76).collect(),
        };
        expect.assert_eq(&shown);
    }

    #[test]
    fn accelerators_are_named_or_measured() {
        check("A100:8", expect![["A100 x 8, sold with None"]]);
        check("a100", expect![["A100 x 1, sold with None"]]);
        check("A100-80GB:4", expect![["A100 x 4, sold with Some(80)"]]);
        check("NVIDIA Tesla V100", expect![["V100 x 1, sold with None"]]);
        check("RTX PRO 6000:2", expect![["RTX-PRO-6000 x 2, sold with None"]]);
        check("24GiB+", expect![["AtLeast(24576) MiB"]]);
        check("24GiB", expect![["Exactly(24576) MiB"]]);
    }

    #[test]
    fn what_is_no_accelerator_is_told_what_one_is() {
        check(
            "A100:0",
            expect![["`A100:0` names no accelerator: write `A100:8`, `A100-80GB`, or `24GiB+`"]],
        );
        check(
            "A100:8+",
            expect![["`A100:8+` names no accelerator: write `A100:8`, `A100-80GB`, or `24GiB+`"]],
        );
        check(
            "24+",
            expect![["`24+` names no accelerator: write `A100:8`, `A100-80GB`, or `24GiB+`"]],
        );
        check("", expect![["`` names no accelerator: write `A100:8`, `A100-80GB`, or `24GiB+`"]]);
        check(
            "A1000",
            expect!["no accelerator is called `A1000`: known are A10, A100, A10G, B200, B300, Gau"],
        );
        check(
            "A100:99999999999",
            expect![[
                "`A100:99999999999` names no accelerator: write `A100:8`, `A100-80GB`, or `24"
            ]],
        );
    }

    #[test]
    fn counts_and_sizes_are_exact_or_open() {
        assert_eq!(parse_count("2+"), Ok(Amount::AtLeast(2)));
        assert_eq!(parse_count("2"), Ok(Amount::Exactly(2)));
        for wrong in ["", "+", "0", "-2", "2.5", "2 +", "two", "+2", "99999999999999999999"] {
            assert_eq!(parse_count(wrong), Err(NeedError::Count(wrong.to_owned())), "{wrong}");
        }
        assert_eq!(parse_memory("8GiB+"), Ok(Amount::AtLeast(8_192)));
        assert_eq!(parse_memory("512MiB"), Ok(Amount::Exactly(512)));
        assert_eq!(parse_memory("1TB"), Ok(Amount::Exactly(953_674)));
        for wrong in ["", "8", "8G", "GiB", "8gib", "8.5GiB", "0GiB", "-8GiB", "99999999999999TiB"]
        {
            assert_eq!(parse_memory(wrong), Err(NeedError::Size(wrong.to_owned())), "{wrong}");
        }
        assert!(Amount::AtLeast(2).is_met_by(3));
        assert!(!Amount::Exactly(2).is_met_by(3));
        assert!(!Amount::AtLeast(2).is_met_by(1));
    }

    #[test]
    fn a_limit_is_an_amount_or_a_share_of_the_price_on_demand() {
        let hour = |text: &str| Ok(PriceMax::Hour(text.parse().expect("an amount")));
        assert_eq!(PriceMax::parse("80%"), Ok(PriceMax::OfOnDemand(80)));
        assert_eq!(PriceMax::parse("0.5 USD"), hour("0.5 USD"));
        assert_eq!(PriceMax::parse("20"), hour("20 USD"));
        assert_eq!(PriceMax::parse("$20"), hour("20 USD"));
        for wrong in ["", "%", "0%", "-5%", "8.5%", "80%+", "1001%", "cheap", "-1", "1 US"] {
            assert_eq!(
                PriceMax::parse(wrong),
                Err(NeedError::PriceMax(wrong.to_owned())),
                "{wrong}"
            );
        }
    }
}
