//! What a blueprint asks of Python, and what a lock says of it: the same on every provider.
//!
//! A provider's pure half reads the `software` field with [`spec`], wants its pin with [`want`], and
//! lowers what the lock has for it. Who resolves a want is one's own machine, whatever the provider
//! (see [`Resolver`]): so an environment on a laptop and one in a cloud install the same files.
//!
//! What must not be here: I/O, an installer, an index.

pub mod locked;
pub mod spec;

pub use locked::{Locked, LockedPackage, Platforms};
pub use spec::{PythonSpec, PythonVersion, SpecError};

use crate::provider::{OpError, Want, Watch};
use crate::term::Term;
use crate::value::{Map, Value};
use async_trait::async_trait;

/// What is pinned, for people.
pub const WHAT: &str = "python packages";

/// What the names of these pins begin with.
pub const PIN_PREFIX: &str = "python-";

/// Pins software on this machine, for every provider alike.
#[async_trait]
pub trait Resolver: Send + Sync + std::fmt::Debug {
    /// Pins one want that [`want`] made: the network may be used. The value goes into the lock as it
    /// is, and is what [`Locked::from_value`] reads.
    async fn resolve(&self, want: &Want, watch: Watch<'_>) -> Result<Value, OpError>;
}

/// Reads the field `software`; `None` when it is not all known.
pub fn spec_of(term: &Term) -> Option<Result<PythonSpec, SpecError>> {
    spec(term.known()?.as_map()?)
}

/// Reads `python` and `packages`; `None` when they have another shape.
pub fn spec(fields: &Map) -> Option<Result<PythonSpec, SpecError>> {
    let version = fields.get("python")?.as_text()?;
    let packages = match fields.get("packages") {
        Some(packages) => packages.as_list()?,
        None => &[],
    };
    let packages: Option<Vec<String>> =
        packages.iter().map(|package| package.as_text().map(str::to_owned)).collect();
    Some(PythonSpec::new(version, &packages?))
}

fn need(spec: &PythonSpec) -> Map {
    let packages = spec.packages().iter().map(|package| Value::text(package.clone())).collect();
    Map::from([
        ("python".to_owned(), Value::text(spec.version().to_string())),
        ("packages".to_owned(), Value::List(packages)),
    ])
}

/// What the lock must pin for these: the same version and packages are the same pin, wherever they
/// stand.
pub fn want(spec: &PythonSpec) -> Want {
    let need = need(spec);
    let digest = blake3::hash(Value::Map(need.clone()).to_string().as_bytes()).to_hex();
    let pin = format!("{PIN_PREFIX}{}", &digest[..16]).into();
    Want { pin, what: WHAT, need: Value::Map(need) }
}
