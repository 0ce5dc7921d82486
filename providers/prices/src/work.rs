//! Counts rows that are read, so that tests can hold look-ups and placement to their bound without a clock.

use std::cell::Cell;

thread_local! {
    static ROWS: Cell<u64> = const { Cell::new(0) };
}

/// One more row was read.
pub(crate) fn count() {
    ROWS.set(ROWS.get() + 1);
}

/// How many rows a function reads.
pub(crate) fn of<T>(function: impl FnOnce() -> T) -> (u64, T) {
    let before = ROWS.get();
    let value = function();
    (ROWS.get() - before, value)
}
