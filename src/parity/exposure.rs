//! Who may come in from where, and which of two is wider.

use dsenv_sdk::provider::Access;
use ipnet::IpNet;
use std::fmt;

/// One way in for people: `ssh from 203.0.113.0/24`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    how: String,
    /// From anywhere that the provider allows when absent.
    from: Option<String>,
}

impl Way {
    /// Returns the way that an entry of `access` opens, whoever it is for.
    pub fn of(access: &Access) -> Way {
        Way { how: access.how.clone(), from: access.from.clone() }
    }

    /// Says whether all that this way lets in comes in by that one too.
    fn within(&self, wider: &Way) -> bool {
        self.how == wider.how
            && match (&self.from, &wider.from) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(narrow), Some(wide)) => range_within(narrow, wide),
            }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.how, self.from.as_deref().unwrap_or("anywhere"))
    }
}

/// Says which way of the second is open wider than any of the first; `None` when none is.
pub(super) fn wider(one: &[Way], other: &[Way]) -> Option<String> {
    let opened = other.iter().find(|way| !one.iter().any(|known| way.within(known)))?;
    Some(format!("the second is open for {opened}, and the first is not"))
}

/// Says whether one range of addresses is inside another. What is no range is inside what reads the same.
fn range_within(narrow: &str, wide: &str) -> bool {
    match (narrow.parse::<IpNet>(), wide.parse::<IpNet>()) {
        (Ok(narrow), Ok(wide)) => wide.contains(&narrow),
        _ => narrow == wide,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_inside_a_wider_one_of_its_family() {
        for (narrow, wide, inside) in [
            ("10.1.0.0/16", "10.0.0.0/8", true),
            ("10.0.0.0/8", "10.1.0.0/16", false),
            ("11.0.0.0/8", "10.0.0.0/8", false),
            ("10.0.0.0/8", "10.0.0.0/8", true),
            ("10.0.0.1/32", "10.0.0.0/31", true),
            ("10.0.0.2/32", "10.0.0.0/31", false),
            ("203.0.113.0/24", "0.0.0.0/0", true),
            ("0.0.0.0/0", "203.0.113.0/24", false),
            ("2001:db8::/48", "2001:db8::/32", true),
            ("2001:db8::/48", "0.0.0.0/0", false),
        ] {
            assert_eq!(range_within(narrow, wide), inside, "{narrow} in {wide}");
        }
    }
}
