//! Text that is never printed.
//!
//! A secret enters through [`Secret::new`] and leaves only through [`Secret::expose`], so that a
//! search for `expose` lists every place that sees one in clear. There is no `Display` and no
//! serde; `Debug` prints a fixed word.

use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A text that must not be seen: a password, a key, a token, or anything computed from one.
///
/// Cloning shares the memory; it is overwritten when the last clone is dropped. Equality compares
/// the text and leaks its length by timing, which is fine between two values of one's own.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes ownership of the text. An empty text is a valid secret.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(Arc::new(Zeroizing::new(text.into())))
    }

    /// Returns the text in clear. The caller answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_no_part_of_it() {
        let secret = Secret::new("correct horse");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)).matches("horse").count(), 0);
    }
}
