//! What lines come to, with list prices and with own ones.

mod lines;
mod rates;
