//! An estimate by tier, kind, owner or tag. Each resource is in one group, so the groups add up.

use crate::estimate::{Costed, Estimate, Total};
use std::collections::BTreeMap;
use std::str::FromStr;

/// By what resources are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The part of the platform.
    Tier,
    /// The kind.
    Kind,
    /// Who answers for it.
    Owner,
    /// The value of a tag.
    Tag(String),
}

impl FromStr for By {
    type Err = String;

    fn from_str(text: &str) -> Result<By, String> {
        match text.split_once(':') {
            None if text == "tier" => Ok(By::Tier),
            None if text == "kind" => Ok(By::Kind),
            None if text == "owner" => Ok(By::Owner),
            Some(("tag", name)) if !name.is_empty() => Ok(By::Tag(name.to_owned())),
            _ => Err("expected `tier`, `kind`, `owner` or `tag:NAME`".to_owned()),
        }
    }
}

/// Sums by group, the dearest first; what is in no group is under `(none)`.
pub fn groups(estimate: &Estimate, by: &By) -> Vec<(String, Total)> {
    let group = |resource: &Costed| match by {
        By::Tier => resource.tier.clone(),
        By::Kind => Some(resource.kind.clone()),
        By::Owner => resource.owner.clone(),
        By::Tag(name) => resource.tags.get(name).cloned(),
    };
    let mut sums: BTreeMap<String, Total> = BTreeMap::new();
    for resource in &estimate.resources {
        let name = group(resource).unwrap_or_else(|| "(none)".to_owned());
        sums.entry(name).or_default().join(&resource.total());
    }
    let mut sums: Vec<(String, Total)> = sums.into_iter().collect();
    sums.sort_by(|a, b| b.1.monthly.now.cmp(&a.1.monthly.now).then_with(|| a.0.cmp(&b.0)));
    sums
}
