//! The `dsenv` program.
fn main() {}
