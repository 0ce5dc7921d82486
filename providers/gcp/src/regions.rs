//! The regions of Google Cloud, and the zones of each.
//!
//! A region is known when the price book has prices of it. Zones are named after their region; which
//! letters there are is written down here and not pinned by the lock, because it is the same for every
//! project: <https://cloud.google.com/compute/docs/regions-zones>.

use dsenv_sdk::prices::{Book, Cloud};
use dsenv_sdk::provider::{Finding, Neutral, Surroundings, refuses};

/// Regions whose zones are other ones than `a`, `b` and `c`, as of November 2026.
const LETTERS: &[(&str, &[&str])] = &[
    ("europe-west1", &["b", "c", "d"]),
    ("us-central1", &["a", "b", "c", "f"]),
    ("us-east1", &["b", "c", "d"]),
];

/// The zones of a region, in order; the usual three for a region that is not known.
pub(crate) fn zones(region: &str) -> Vec<String> {
    let letters = LETTERS.iter().find(|(name, _)| *name == region);
    let letters = letters.map_or(["a", "b", "c"].as_slice(), |(_, letters)| letters);
    letters.iter().map(|letter| format!("{region}-{letter}")).collect()
}

/// Says whether the price book has prices of a region. Groups of regions, which buckets may have, are none.
fn is_known(region: &str) -> bool {
    names(&Book::builtin()).iter().any(|name| name == region)
}

fn names(book: &Book) -> Vec<String> {
    let is_region = |name: &&str| name.contains('-');
    book.regions(Cloud::Gcp).filter(is_region).map(str::to_owned).collect()
}

/// What a resource is refused for where its environment names no region, or one that nobody knows.
pub(crate) fn check(resource: &Neutral, around: &Surroundings<'_>) -> Option<Finding> {
    let Some(region) = around.region else {
        let message = format!("on gcp a {} needs to know its region", resource.kind);
        return Some(refuses(&[], message, "write `region: us-central1` below the environment"));
    };
    if is_known(region) {
        return None;
    }
    let message = format!("Google Cloud has no region `{region}` that this version knows");
    let known = names(&Book::builtin()).join(", ");
    Some(refuses(
        &[],
        message,
        format!("write one of these as the environment's `region`: {known}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_named_after_their_region() {
        assert_eq!(zones("us-east1"), ["us-east1-b", "us-east1-c", "us-east1-d"]);
        assert_eq!(zones("europe-north1").len(), 3);
        assert!(LETTERS.iter().all(|(region, _)| is_known(region)));
        assert!(!is_known("EU") && !is_known("europe") && !is_known("us-east-1"));
    }
}
