//! L1: what the lock pins for each environment.
//!
//! In: for each resource, what it wants pinned and what the lock has for it. Out: a leaf a pin. One lock is
//! beside the blueprint, so two environments that want the same thing have the same pin of it; what only one
//! provider wants, an image or an offer, is bound to that environment. Pure.
//!
//! The text of a leaf is the digest of the pin, so that a certificate is short and nothing of the lock is in
//! it.

use super::{Leaf, Leaves, Level, Parity};
use dsenv_sdk::schema::Class;
use dsenv_sdk::value::{Value, wire};
use std::collections::BTreeSet;

/// One thing that a resource wants pinned.
#[derive(Clone, Debug, PartialEq)]
pub struct Pin {
    /// The resource.
    pub address: String,
    /// The name of the pin: the same requirement has the same one in every environment.
    pub name: String,
    /// What kind of thing it is, in a word.
    pub what: &'static str,
    /// What the lock has for it; `None` when it has nothing.
    pub value: Option<Value>,
}

/// Holds the pins of one environment against those of another; the error says what is not pinned yet.
pub fn compare(one: &[Pin], other: &[Pin], parity: &mut Parity) -> Result<(), String> {
    let open: BTreeSet<String> = one
        .iter()
        .chain(other)
        .filter(|pin| pin.value.is_none())
        .map(|pin| format!("{} of `{}`", pin.what, pin.address))
        .collect();
    if !open.is_empty() {
        let open: Vec<String> = open.into_iter().collect();
        return Err(format!("the lock does not pin {}", open.join(", ")));
    }
    let names =
        |pins: &[Pin]| -> BTreeSet<String> { pins.iter().map(|it| it.name.clone()).collect() };
    let (ours, theirs) = (names(one), names(other));
    parity.add(Level::Locked, &leaves(one, &theirs), &leaves(other, &ours));
    Ok(())
}

/// What both want is the same thing; what one of them wants is bound to it.
fn leaves(pins: &[Pin], others: &BTreeSet<String>) -> Leaves {
    let leaf = |pin: &Pin| {
        let class = if others.contains(&pin.name) { Class::Fixed } else { Class::Bind };
        let value = pin.value.as_ref().expect("what is open was told before");
        let place = (pin.address.clone(), pin.what.to_owned());
        (place, Leaf::new(class, digest(value)))
    };
    pins.iter().map(leaf).collect()
}

/// The beginning of the digest of a pin: enough to tell two apart by eye.
fn digest(value: &Value) -> String {
    let text = wire::shown(value).to_string();
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}
