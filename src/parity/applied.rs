//! L2: what was applied, as the states say.
//!
//! In: for each environment, what its plan would still change, from its state alone. Out: a leaf a resource. Two
//! environments that are behind by the same are no pair: what is declared has to be there. Needs no
//! connection; whether what the state says is still so is L3's, and `dsenv drift`'s.

use super::{Leaf, Leaves, Level, Parity, Row};
use dsenv_sdk::schema::Class;
use std::collections::BTreeMap;

/// What the state of an environment says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Why it says nothing: never applied, or an apply that did not come to its end.
    pub silent: Option<String>,
    /// What is still to be done, by resource, in a few words.
    pub pending: BTreeMap<String, String>,
    /// Every resource that is there.
    pub there: Vec<String>,
}

/// What is as it was declared.
const AS_DECLARED: &str = "as declared";

/// Holds the state of one environment against that of another; the error says why one of them tells nothing.
pub fn compare(
    names: [&str; 2],
    one: &Applied,
    other: &Applied,
    parity: &mut Parity,
) -> Result<(), String> {
    for (name, side) in names.iter().zip([one, other]) {
        if let Some(why) = &side.silent {
            return Err(format!("`{name}` {why}"));
        }
    }
    for (at, side) in [one, other].into_iter().enumerate() {
        parity.violations.extend(side.pending.iter().map(|(address, what)| {
            let text = Some(what.clone());
            Row {
                level: Level::Applied,
                address: address.clone(),
                path: "applied".to_owned(),
                class: Class::Fixed,
                one: if at == 0 { text.clone() } else { None },
                other: if at == 1 { text } else { None },
                why: format!("`{}` is not what the blueprint says yet: apply it", names[at]),
            }
        }));
    }
    let (ours, theirs) = (leaves(one), leaves(other));
    parity.add(Level::Applied, &ours, &theirs);
    Ok(())
}

/// What only one has was judged by L0: only what both have can differ here, and that is told above.
fn leaves(side: &Applied) -> Leaves {
    let leaf = |address: &String| {
        let text = side.pending.get(address).map_or(AS_DECLARED, String::as_str);
        ((address.clone(), "applied".to_owned()), Leaf::new(Class::Bind, text))
    };
    side.there.iter().map(leaf).collect()
}
