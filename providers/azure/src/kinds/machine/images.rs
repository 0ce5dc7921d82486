//! Images by name: of whom they are in the marketplace. Which version it is now is found once, and pinned.

use super::sizes;
use crate::kinds::{known, refuses, text};
use dsenv_sdk::Term;
use dsenv_sdk::provider::{Finding, Neutral, Surroundings, Want};
use dsenv_sdk::value::{Map, Value};

/// What these pins are called.
const WHAT: &str = "machine images";
/// What a machine runs when its block does not say.
const USUAL: &str = "debian-12";

/// A name that people write, and what stands for it in the marketplace; of the second generation, without
/// which the newer sizes do not start. <https://wiki.debian.org/Cloud/MicrosoftAzure>,
/// <https://documentation.ubuntu.com/azure/azure-how-to/instances/find-ubuntu-images/>.
struct Family {
    name: &'static str,
    publisher: &'static str,
    offer: &'static str,
    sku: &'static str,
    /// The one for ARM.
    arm_sku: &'static str,
}

const FAMILIES: &[Family] = &[
    Family {
        name: "debian-12",
        publisher: "Debian",
        offer: "debian-12",
        sku: "12-gen2",
        arm_sku: "12-arm64",
    },
    Family {
        name: "debian-13",
        publisher: "Debian",
        offer: "debian-13",
        sku: "13-gen2",
        arm_sku: "13-arm64",
    },
    Family {
        name: "ubuntu-22.04",
        publisher: "Canonical",
        offer: "0001-com-ubuntu-server-jammy",
        sku: "22_04-lts-gen2",
        arm_sku: "22_04-lts-arm64",
    },
    Family {
        name: "ubuntu-24.04",
        publisher: "Canonical",
        offer: "ubuntu-24_04-lts",
        sku: "server",
        arm_sku: "server-arm64",
    },
];

fn family(resource: &Neutral) -> Option<&'static Family> {
    let name = text(resource, "image").unwrap_or(USUAL);
    FAMILIES.iter().find(|family| family.name == name)
}

/// Whether the size that was named is ARM; placement chooses none of these.
fn is_arm(resource: &Neutral) -> bool {
    text(resource, "type").is_some_and(sizes::is_arm)
}

fn sku(resource: &Neutral) -> Option<&'static str> {
    let family = family(resource)?;
    Some(if is_arm(resource) { family.arm_sku } else { family.sku })
}

/// What an image is refused for.
pub(crate) fn check(resource: &Neutral) -> Vec<Finding> {
    // One that is open is told already.
    let is_open = resource.fields.get("image").is_some_and(|term| term.known().is_none());
    if is_open || family(resource).is_some() {
        return Vec::new();
    }
    let names: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
    let value = known(resource, "image").cloned().unwrap_or(Value::Null);
    let message = format!("on azure there is no image {value}");
    vec![refuses(&["image"], message, format!("write one of `{}`", names.join("`, `")))]
}

/// What the lock must pin: which version is the newest in the region.
pub(crate) fn want(resource: &Neutral, around: &Surroundings<'_>) -> Option<Want> {
    let region = around.region?;
    let Family { name, publisher, offer, .. } = family(resource)?;
    let sku = sku(resource)?;
    let need = [("publisher", *publisher), ("offer", *offer), ("sku", sku), ("region", region)];
    let need = need.map(|(name, text)| (name.to_owned(), Value::text(text)));
    let arm = if is_arm(resource) { "-arm64" } else { "" };
    let pin = format!("azure-image-{region}-{name}{arm}").into();
    Some(Want { pin, what: WHAT, need: Value::Map(Map::from(need)) })
}

/// The image as ARM takes it, its version open until it is locked.
pub(crate) fn image(resource: &Neutral, around: &Surroundings<'_>) -> Term {
    let family = family(resource).expect("another image was refused");
    let want = want(resource, around).expect("a machine without a region was refused");
    let version = match around.pins.get(&*want.pin).and_then(|pin| pin.step("version")) {
        Some(version) => Term::Known(version.clone()),
        None => Term::NotLocked(want.pin),
    };
    let sku = sku(resource).expect("its family is known");
    let texts = [("publisher", family.publisher), ("offer", family.offer), ("sku", sku)];
    let texts = texts.map(|(name, text)| (name.to_owned(), Term::text(text)));
    Term::map(texts.into_iter().chain([("version".to_owned(), version)]).collect())
}
