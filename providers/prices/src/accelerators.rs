//! Names of accelerators: what sources and people call them, and the one name that the book uses.
//!
//! A name covers every variant of an accelerator: `A100` is one of 40 and of 80 GB, `H100` one of 80 GB and
//! the NVL of 94 GB, `V100` one of 16 and of 32 GB; the cheapest that satisfies is taken. A size behind the
//! name says which: `A100-80GB`. Names that differ are other cards: `A10G` is no `A10`, `T4G` (on arm64) no
//! `T4`, `L40S` no `L4`.
//!
//! ## Why
//! Who writes `A100:8` wants a machine today, and one with more memory does all that the other does; who
//! needs the memory writes it. SkyPilot means 40 GB by `A100`: it stays the cheaper one here too.

use crate::shape::closed;

closed! {
    /// What programs for an accelerator are written with.
    Interface {
        /// NVIDIA.
        Cuda = "CUDA",
        /// AMD.
        Rocm = "ROCm",
        /// AWS Inferentia and Trainium.
        Neuron = "Neuron",
        /// Intel Gaudi.
        Synapse = "SynapseAI",
    }
}

/// One accelerator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accelerator {
    /// The name of the book.
    pub name: &'static str,
    /// What it is programmed with.
    pub interface: Interface,
    /// Whether Google Cloud attaches it to N1 machines, at a price of its own.
    pub attached: bool,
    /// What else it is called, without spaces and dashes, in capitals.
    aliases: &'static [&'static str],
}

const fn cuda(name: &'static str, aliases: &'static [&'static str]) -> Accelerator {
    Accelerator { name, interface: Interface::Cuda, attached: false, aliases }
}

const fn attached(name: &'static str) -> Accelerator {
    Accelerator { name, interface: Interface::Cuda, attached: true, aliases: &[] }
}

const fn other(
    name: &'static str,
    interface: Interface,
    aliases: &'static [&'static str],
) -> Accelerator {
    Accelerator { name, interface, attached: false, aliases }
}

/// Every accelerator that the book can have, sorted by name.
pub const ACCELERATORS: &[Accelerator] = &[
    cuda("A10", &[]),
    cuda("A100", &["A100PCIE", "A100SXM", "A100SXM4"]),
    cuda("A10G", &["A10GTENSORCORE"]),
    cuda("B200", &[]),
    cuda("B300", &[]),
    other("Gaudi", Interface::Synapse, &["GAUDIHL205", "HL205", "GAUDI1"]),
    cuda("GB200", &[]),
    cuda("H100", &["H100NVL", "H100SXM", "H100SXM5", "H100PCIE", "H100MEGA"]),
    cuda("H200", &["H200SXM"]),
    other("Inferentia", Interface::Neuron, &["INF1", "INFERENTIA1"]),
    other("Inferentia2", Interface::Neuron, &["INF2"]),
    attached("K80"),
    cuda("L4", &[]),
    cuda("L40S", &[]),
    cuda("M60", &[]),
    other("MI25", Interface::Rocm, &["RADEONINSTINCTMI25", "INSTINCTMI25"]),
    other("MI300X", Interface::Rocm, &["INSTINCTMI300X", "MI300"]),
    attached("P100"),
    attached("P4"),
    cuda("RTX-PRO-4500", &[]),
    cuda("RTX-PRO-6000", &["RTXPROSERVER6000", "RTX6000PRO"]),
    attached("T4"),
    cuda("T4G", &[]),
    other("Trainium", Interface::Neuron, &["TRN1", "TRAINIUM1"]),
    other("Trainium2", Interface::Neuron, &["TRN2"]),
    attached("V100"),
    other("V520", Interface::Rocm, &["RADEONPROV520"]),
    other("V620", Interface::Rocm, &["RADEONPROV620"]),
    other("V710", Interface::Rocm, &["RADEONPROV710"]),
];

/// Letters and digits, in capitals, without the maker.
fn bare(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric();
    let text: String = text.chars().filter(plain).map(|c| c.to_ascii_uppercase()).collect();
    let makers = ["NVIDIA", "TESLA", "AMD", "AWS", "INTEL", "HABANA"];
    let mut rest = text.as_str();
    while let Some(behind) = makers.iter().find_map(|maker| rest.strip_prefix(maker)) {
        rest = behind;
    }
    rest.to_owned()
}

/// Returns the accelerator of a name, whatever its case, spaces, dashes and maker; `None` for one that is
/// not known.
pub fn named(text: &str) -> Option<&'static Accelerator> {
    let wanted = bare(text);
    ACCELERATORS
        .iter()
        .find(|one| bare(one.name) == wanted || one.aliases.contains(&wanted.as_str()))
}

/// Splits a size off a name: `A100-80GB` is `A100` and 80 GB.
///
/// The size is what the card is sold with.
pub(crate) fn split_size(text: &str) -> (&str, Option<u32>) {
    let sized = || {
        let (name, size) = text.rsplit_once(['-', '_', ' '])?;
        let digits = size
            .strip_suffix("GiB")
            .or_else(|| size.strip_suffix("GB"))
            .or_else(|| size.strip_suffix("gb"))?;
        Some((name, Some(digits.parse().ok()?)))
    };
    sized().unwrap_or((text, None))
}

/// Whether a card that drivers show so much memory of is sold as one of `sold_mib`.
///
/// Cards show less than they are sold with: an A10G of 24 GiB 22.35, a B300 of 288 GB 268.6.
pub(crate) fn is_sold_as(shown_mib: u32, sold_mib: u64) -> bool {
    let shown_mib = u64::from(shown_mib);
    shown_mib <= sold_mib && has_at_least(shown_mib, sold_mib)
}

/// Whether a card has at least so much of the memory that cards are sold with.
pub(crate) fn has_at_least(shown_mib: u64, sold_mib: u64) -> bool {
    shown_mib * 110 / 100 >= sold_mib
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_card_has_one_name_whoever_writes_it() {
        let name = |text: &str| named(text).map(|one| one.name);
        for text in ["A100", "a100", "NVIDIA A100", "nvidia-tesla-a100", "Tesla A100", "A100-SXM4"]
        {
            assert_eq!(name(text), Some("A100"), "{text}");
        }
        assert_eq!(name("RTX PRO Server 6000"), Some("RTX-PRO-6000"));
        assert_eq!(name("RTX PRO 6000"), Some("RTX-PRO-6000"));
        assert_eq!(name("T4g"), Some("T4G"));
        assert_eq!(name("t4"), Some("T4"));
        assert_eq!(name("A10g"), Some("A10G"));
        assert_eq!(name("Gaudi HL-205"), Some("Gaudi"));
        assert_eq!(name("A1000"), None);
        assert_eq!(name(""), None);
    }

    #[test]
    fn names_are_sorted_and_no_two_cards_share_one() {
        assert!(ACCELERATORS.is_sorted_by_key(|one| one.name.to_ascii_uppercase()));
        for (at, one) in ACCELERATORS.iter().enumerate() {
            for alias in one.aliases.iter().chain([&one.name]) {
                let first = named(alias).expect("it is known");
                assert_eq!(first, &ACCELERATORS[at], "{alias}");
                assert_eq!(
                    bare(alias).as_str(),
                    alias.replace(['-', ' '], "").to_ascii_uppercase()
                );
            }
        }
    }

    #[test]
    fn a_size_is_what_the_card_is_sold_with() {
        assert_eq!(split_size("A100-80GB"), ("A100", Some(80)));
        assert_eq!(split_size("V100-32gb"), ("V100", Some(32)));
        assert_eq!(split_size("RTX-PRO-6000"), ("RTX-PRO-6000", None));
        assert!(is_sold_as(22_888, 24 * 1024));
        assert!(is_sold_as(80 * 1024, 80 * 1024));
        assert!(!is_sold_as(94 * 1024, 80 * 1024));
        assert!(!is_sold_as(40 * 1024, 80 * 1024));
    }
}
