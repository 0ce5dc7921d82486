//! Canonical layout of a blueprint. (The rules follow in the next commit.)

use crate::diag::{Findings, Source};

/// Returns the text in canonical layout.
pub fn fmt(source: &Source) -> Result<String, Findings> {
    let (_, findings) = super::parse(source);
    if findings.has_errors() { Err(findings) } else { Ok(source.text().to_owned()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_formatted_text_that_means_something_else_is_refused() {}
}
