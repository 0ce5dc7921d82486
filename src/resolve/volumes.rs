//! Who uses a volume: one machine, and no pool.
//!
//! In: every resource with what it uses. Out: one finding a volume that has more users than one, which
//! names two of them, and one a pool that uses a volume. Pure.
//!
//! ## Why here
//! A disk that two machines write to is broken at once, and clouds say so only when the second one
//! starts. It is a matter of the whole environment: of members of a `for_each` as of two blocks.

use super::Resource;
use crate::diag::{Code, Diagnostic, Findings, Span};
use dsenv_sdk::Addr;
use std::collections::BTreeMap;

/// The kind that has one user.
const VOLUME: &str = "volume";
/// The kind of user that is many.
const POOL: &str = "pool";

/// Judges every use of every volume. Who uses one wrongly is judged by nobody else.
pub(super) fn judge(resources: &mut BTreeMap<Addr, Resource>, findings: &mut Findings) {
    let mut users: BTreeMap<&Addr, Vec<&Resource>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for user in resources.values() {
        for used in user.uses.iter().filter(|used| used.kind == VOLUME) {
            if user.kind.name == POOL {
                findings.push(used_by_pool(user, &used.target));
                wrong.push(user.addr.clone());
            } else {
                users.entry(&used.target).or_default().push(user);
            }
        }
    }
    for (volume, users) in users {
        if let [first, second, more @ ..] = &users[..] {
            findings.push(used_twice(volume, first, second, more.len()));
            wrong.extend(users.iter().map(|user| user.addr.clone()));
        }
    }
    for addr in wrong {
        resources.get_mut(&addr).expect("it was just looked at").sound = false;
    }
}

fn used_by_pool(pool: &Resource, volume: &Addr) -> Diagnostic {
    let message = format!(
        "`{}` is a pool and uses `{volume}`, a volume, which one machine can use at a time",
        pool.addr
    );
    let wrong = Diagnostic::error(Code::E0310, message).at(place(pool, volume));
    wrong.address(pool.addr.to_string()).help(share_instead(volume))
}

fn used_twice(volume: &Addr, first: &Resource, second: &Resource, more: usize) -> Diagnostic {
    let (one, other) = (&first.addr, &second.addr);
    let rest = match more {
        0 => String::new(),
        1 => ", and so does another one".to_owned(),
        more => format!(", and so do {more} others"),
    };
    let message = format!(
        "`{one}` and `{other}` both use `{volume}`{rest}: a volume is used by one machine at a time"
    );
    let wrong = Diagnostic::error(Code::E0310, message).at(place(second, volume));
    let wrong = wrong.address(other.to_string()).help(share_instead(volume));
    match place(first, volume) {
        // Members of one `for_each` stand at one place.
        same if same == place(second, volume) => {
            wrong.help("or write a block for each machine, and a volume for each")
        }
        elsewhere => wrong.label(elsewhere, "and this is the first"),
    }
}

fn share_instead(volume: &Addr) -> String {
    format!("many machines see the same files in a share: `{}: {{kind: share}}`", volume.name)
}

/// Where the use stands, else the block's name.
fn place(user: &Resource, volume: &Addr) -> Span {
    let uses = user.node.as_map().and_then(|body| body.get("uses"));
    let entries = uses.and_then(|uses| uses.value.as_map());
    let names = [volume.to_string(), volume.name.to_string()];
    let entry = entries.and_then(|map| names.iter().find_map(|name| map.get(name)));
    entry.map_or(user.span, |entry| entry.key_span)
}
