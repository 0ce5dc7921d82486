//! "did you mean": the nearest known name to one that is not known.

/// Returns the candidate that `name` was most likely meant to be, if any is near enough.
///
/// Near enough is rustc's rule: one edit in three characters, a transposition counting as one;
/// a name that differs only in case, `-`, `_` or spaces always is. Of equally near candidates the
/// first wins, so give them in a fixed order. Cost is linear in the candidates, most of which are
/// ruled out by their length alone.
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    let distance_max = length.max(3) / 3;
    let folded = fold(name);
    let mut nearest: Option<(usize, &str)> = None;
    for candidate in candidates {
        if candidate == name {
            continue;
        }
        if fold(candidate) == folded {
            return Some(candidate);
        }
        if candidate.chars().count().abs_diff(length) > distance_max {
            continue;
        }
        let distance = strsim::osa_distance(name, candidate);
        // One edit turns any one-letter name into any other: that is no suggestion.
        let meaningful = distance < length;
        if distance <= distance_max && meaningful && nearest.is_none_or(|(best, _)| distance < best)
        {
            nearest = Some((distance, candidate));
        }
    }
    nearest.map(|(_, candidate)| candidate)
}

fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let names = ["cpus", "memory", "versioning", "on_destroy"];
        assert_eq!(suggest("memroy", names), Some("memory"));
        assert_eq!(suggest("cpu", names), Some("cpus"));
        assert_eq!(suggest("onDestroy", names), Some("on_destroy"));
        assert_eq!(suggest("on-destroy", names), Some("on_destroy"));
    }

    #[test]
    fn nothing_is_better_than_a_far_guess() {
        assert_eq!(suggest("gpu", ["memory", "disk"]), None);
        assert_eq!(suggest("a", ["b"]), None);
        assert_eq!(suggest("", ["b"]), None);
        assert_eq!(suggest("lake", ["lake"]), None);
        assert_eq!(suggest("x", []), None);
    }

    #[test]
    fn of_equally_near_names_the_first_wins() {
        assert_eq!(suggest("nat", ["net", "nit"]), Some("net"));
    }
}
