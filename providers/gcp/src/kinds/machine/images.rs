//! Images by name: which one a family has now is found once, and pinned.
//! <https://cloud.google.com/compute/docs/images/os-details>

use dsenv_sdk::Term;
use dsenv_sdk::provider::{Surroundings, Want};
use dsenv_sdk::value::{Map, Value};

/// What these pins are called.
pub(crate) const WHAT: &str = "machine images";

/// What a machine runs when its block does not say.
pub(crate) const USUAL: &str = "debian-12";

/// The size of the root disk of each of these images, in GiB. A disk may be bigger and not smaller.
pub(crate) const IMAGE_GIB: i64 = 10;

/// A name that people write, and the project and family of its image.
const FAMILIES: &[(&str, &str, &str)] = &[
    ("debian-12", "debian-cloud", "debian-12"),
    ("debian-13", "debian-cloud", "debian-13"),
    ("ubuntu-22.04", "ubuntu-os-cloud", "ubuntu-2204-lts"),
    ("ubuntu-24.04", "ubuntu-os-cloud", "ubuntu-2404-lts-amd64"),
];

/// The names that people may write.
pub(crate) fn names() -> Vec<&'static str> {
    FAMILIES.iter().map(|(name, _, _)| *name).collect()
}

/// Says whether a name, or an image by its path, can be run.
pub(crate) fn is_known(name: &str) -> bool {
    name.starts_with("projects/") || FAMILIES.iter().any(|(known, _, _)| *known == name)
}

/// What the lock must pin for a name. A path is looked up too: its disk has a size. The same image is there
/// in every region.
pub(crate) fn want(name: &str) -> Want {
    let family = FAMILIES.iter().find(|(known, _, _)| *known == name);
    let image = match family {
        Some((_, project, family)) => format!("projects/{project}/global/images/family/{family}"),
        None => name.to_owned(),
    };
    let need = Map::from([("image".to_owned(), Value::Text(image))]);
    Want { pin: format!("gcp-image-{name}").into(), what: WHAT, need: Value::Map(need) }
}

/// What the lock has for a name: its `id`, the path of one image, and `gib`.
pub(crate) fn pinned(name: &str, around: &Surroundings<'_>) -> Term {
    let want = want(name);
    match around.pins.get(&*want.pin) {
        Some(pin) => Term::Known(pin.clone()),
        None => Term::NotLocked(want.pin),
    }
}
