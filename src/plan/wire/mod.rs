//! Plans as JSON: what `plan --json` shows, and the file of `plan -o` that `apply` obeys.
//!
//! Two formats, because they have two readers. [`shown`] is for people's programs: every value
//! readable, secrets as `(secret)`, holes as `null`. [`save`] is for apply: holes as they are,
//! secrets sealed, every byte under a checksum. The first is never applied, the second is nobody's
//! to read. A change to either is a new number.

mod file;
mod parts;
mod schema;
mod shown;
mod term;
#[cfg(test)]
mod tests;

pub use file::{FILE_FORMAT, PLAN_FILE_BYTES_MAX, PlanFileError, digest, is_plan, load, save};
pub use schema::plan_schema;
pub use shown::{Document, FORMAT, path_text, shown};
pub use term::{BoxError, Open, Seal};
