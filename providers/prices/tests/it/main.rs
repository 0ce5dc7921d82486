//! The crate as others use it: compiled from a small catalogue, looked up, placed, searched; and held against
//! an oracle that reads the tables by itself.

mod compile;
mod lists;
mod lookups;
mod oracle;
mod place;
mod published;
mod search;
mod small;
