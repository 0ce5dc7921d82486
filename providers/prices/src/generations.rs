//! Which generation a type is of, from its name, and which ones count as previous.
//!
//! A line is what a cloud goes on renewing: `m` at AWS, `D` at Azure, `n` at Google Cloud, for one
//! architecture. Its generations are the numbers in the names: `m7i` is 7, `Standard_D4s_v5` 5, `n2d` 2.
//! **The three newest generations of a line are current; what is older is previous.**
//!
//! ## Why
//! No source of ours says which types a cloud calls previous, and the clouds mean different things by it. The
//! rule needs nothing but names, so a newer catalogue moves it along without an edit. Two generations
//! would call the A100 machines of AWS and Google Cloud previous, which are the cheapest of their class;
//! four would keep machines of 2016. Architectures are apart because a newer Graviton makes no Intel type
//! old: programs do not move by themselves.

use crate::shape::{Arch, Cloud, flags};
use std::collections::{BTreeMap, BTreeSet};

/// So many generations of a line are current.
pub const CURRENT_MAX: usize = 3;

/// What a cloud goes on renewing: its letters and what its programs are compiled for.
pub(crate) type Line = (Cloud, String, Option<Arch>);

/// The line and the generation of a type.
pub(crate) fn line(cloud: Cloud, name: &str, family: &str, arch: Option<Arch>) -> (Line, u32) {
    let (letters, generation) = match cloud {
        Cloud::Aws | Cloud::Gcp => numbered(family),
        Cloud::Azure => versioned(name),
    };
    ((cloud, letters, arch), generation)
}

/// `m7i` is `m` and 7, `p6-b200` `p` and 6. `u-6tb1` says its generation last.
fn numbered(family: &str) -> (String, u32) {
    let letters: String = family.chars().take_while(char::is_ascii_lowercase).collect();
    let rest = &family[letters.len()..];
    let digits = match rest.starts_with(|c: char| c.is_ascii_digit()) {
        true => rest.split(|c: char| !c.is_ascii_digit()).next(),
        false => rest.rsplit(|c: char| !c.is_ascii_digit()).next(),
    };
    (letters, digits.and_then(|digits| digits.parse().ok()).unwrap_or(1))
}

/// `Standard_D4s_v5` is `D` and 5; without a version it is 1. `Standard_DS2_v2` is `D` too: the `S` says
/// only that it takes premium disks.
fn versioned(name: &str) -> (String, u32) {
    let plain = name.split_once('_').map_or(name, |(_, rest)| rest);
    let mut letters: String = plain.chars().take_while(char::is_ascii_uppercase).collect();
    if letters == "DS" || letters == "GS" {
        letters.pop();
    }
    let version =
        name.split('_').filter_map(|part| part.strip_prefix('v')?.parse().ok()).next_back();
    (letters, version.unwrap_or(1))
}

/// Returns the generations of each line that are previous.
pub(crate) fn previous(all: impl Iterator<Item = (Line, u32)>) -> BTreeSet<(Line, u32)> {
    let mut lines: BTreeMap<Line, BTreeSet<u32>> = BTreeMap::new();
    for (line, generation) in all {
        lines.entry(line).or_default().insert(generation);
    }
    let older = |(line, generations): (Line, BTreeSet<u32>)| {
        let older = generations.into_iter().rev().skip(CURRENT_MAX);
        older.map(move |generation| (line.clone(), generation)).collect::<Vec<_>>()
    };
    lines.into_iter().flat_map(older).collect()
}

/// Returns the flags that follow from a name: burstable, bare metal, special hardware.
pub(crate) fn traits(cloud: Cloud, name: &str, family: &str) -> u8 {
    let burstable = match cloud {
        Cloud::Aws => numbered(family).0 == "t",
        Cloud::Azure => versioned(name).0 == "B",
        Cloud::Gcp => ["micro", "small", "medium"].iter().any(|size| name.ends_with(size)),
    };
    let bare_metal = match cloud {
        Cloud::Aws => name.contains(".metal"),
        Cloud::Azure => false,
        Cloud::Gcp => name.ends_with("-metal"),
    };
    let special: &[&str] = match cloud {
        Cloud::Aws => &["f", "vt", "dl"],
        Cloud::Azure => &["NP"],
        Cloud::Gcp => &[],
    };
    let letters = line(cloud, name, family, None).0.1;
    let bit = |holds: bool, flag: u8| if holds { flag } else { 0 };
    bit(burstable, flags::BURSTABLE)
        | bit(bare_metal, flags::BARE_METAL)
        | bit(special.contains(&letters.as_str()), flags::SPECIAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(input: &str, expect: Expect) {
        let mut out = String::new();
        for word in input.split_whitespace() {
            let (cloud, name) = word.split_once(':').expect("CLOUD:NAME");
            let cloud = Cloud::parse(cloud).expect("a cloud");
            let family = name.split(['.', '-']).next().expect("a first part");
            let family = if name.starts_with("u-") { "u-6tb1" } else { family };
            let ((_, letters, _), generation) = line(cloud, name, family, None);
            let traits = traits(cloud, name, family);
            out += &format!("{name} {letters} {generation} {traits}\n");
        }
        expect.assert_eq(&out);
    }

    #[test]
    fn names_say_line_and_generation() {
        check(
            "aws:m7i.large aws:m7i-flex.large aws:p4de.24xlarge aws:u-6tb1.metal aws:t4g.nano aws:hpc7a.96xlarge
             azure:Standard_D4s_v5 azure:Standard_DS11-1_v2 azure:Standard_D1 azure:Standard_DS2_v2_Promo
             azure:Standard_ND96asr_v4 azure:Standard_M128bds_3_v3 azure:Standard_NC24ads_A100_v4 azure:Standard_B2ms
             gcp:n2d-standard-2 gcp:a2-highgpu-8g gcp:e2-micro gcp:c4-standard-288-metal gcp:g1-small aws:vt1.3xlarge azure:Standard_NP10s gcp:f1-micro aws:f2.6xlarge",
            expect![[r#"
                m7i.large m 7 0
                m7i-flex.large m 7 0
                p4de.24xlarge p 4 0
                u-6tb1.metal u 1 4
                t4g.nano t 4 2
                hpc7a.96xlarge hpc 7 0
                Standard_D4s_v5 D 5 0
                Standard_DS11-1_v2 D 2 0
                Standard_D1 D 1 0
                Standard_DS2_v2_Promo D 2 0
                Standard_ND96asr_v4 ND 4 0
                Standard_M128bds_3_v3 M 3 0
                Standard_NC24ads_A100_v4 NC 4 0
                Standard_B2ms B 1 2
                n2d-standard-2 n 2 0
                a2-highgpu-8g a 2 0
                e2-micro e 2 2
                c4-standard-288-metal c 4 4
                g1-small g 1 2
                vt1.3xlarge vt 1 8
                Standard_NP10s NP 1 8
                f1-micro f 1 2
                f2.6xlarge f 2 8
            "#]],
        );
    }

    #[test]
    fn the_three_newest_of_a_line_are_current() {
        let of = |family: &str, arch| line(Cloud::Aws, family, family, Some(arch));
        let x86 = ["m4", "m5", "m6i", "m6a", "m7i", "m8i"].map(|family| of(family, Arch::X86_64));
        let arm = ["m6g", "m9g"].map(|family| of(family, Arch::Arm64));
        let previous = previous(x86.into_iter().chain(arm));
        let generations: Vec<u32> = previous.iter().map(|(_, generation)| *generation).collect();
        assert_eq!(generations, [4, 5]);
    }
}
