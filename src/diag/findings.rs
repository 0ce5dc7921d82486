//! The collection in which the layers of the compiler gather their diagnostics.

use super::{Diagnostic, Severity};

/// How many diagnostics are kept; more are only counted.
///
/// A generated blueprint with one mistake in a loop must not cost gigabytes, and nobody reads on.
pub const FINDINGS_MAX: usize = 1_000;

/// All that was noticed, in the order in which it was noticed.
///
/// Holds at most [`FINDINGS_MAX`] diagnostics and counts the rest, errors apart, so that
/// [`Findings::has_errors`] is right even when the error itself was not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    kept: Vec<Diagnostic>,
    omitted: usize,
    error_count: usize,
}

impl Findings {
    /// Makes an empty collection.
    pub fn new() -> Findings {
        Findings::default()
    }

    /// Adds a diagnostic.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.error_count += usize::from(diagnostic.severity == Severity::Error);
        if self.kept.len() < FINDINGS_MAX {
            self.kept.push(diagnostic);
        } else {
            self.omitted += 1;
        }
    }

    /// Adds all that another layer found.
    pub fn append(&mut self, other: Findings) {
        let omitted_errors = other.error_count - count_errors(&other.kept);
        self.extend(other.kept);
        self.omitted += other.omitted;
        self.error_count += omitted_errors;
    }

    /// Returns them all but those; what was counted and not kept stays counted.
    pub fn without(&self, unwanted: impl Fn(&&Diagnostic) -> bool) -> Findings {
        let kept = self.kept.iter().filter(|found| !unwanted(found)).cloned().collect();
        Findings { kept, omitted: self.omitted, error_count: self.error_count }
    }

    /// Tells whether the blueprint is refused.
    pub fn has_errors(&self) -> bool {
        self.error_count > 0
    }

    /// Returns the number of errors, those not kept included.
    pub fn error_count(&self) -> usize {
        self.error_count
    }

    /// Returns how many diagnostics were counted but not kept.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// Tells whether nothing at all was noticed.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Returns the number of diagnostics kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Returns the diagnostics in the order in which they were noticed.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.kept.iter()
    }

    /// Returns the diagnostics in the order of the text; those about the whole file come first.
    ///
    /// At one place errors precede warnings; otherwise the order of arrival decides.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut sorted: Vec<&Diagnostic> = self.kept.iter().collect();
        sorted.sort_by_key(|diagnostic| (diagnostic.span.map(|s| s.start), diagnostic.severity));
        sorted
    }
}

fn count_errors(diagnostics: &[Diagnostic]) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
}

impl Extend<Diagnostic> for Findings {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: I) {
        for diagnostic in diagnostics {
            self.push(diagnostic);
        }
    }
}

impl FromIterator<Diagnostic> for Findings {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(diagnostics: I) -> Findings {
        let mut findings = Findings::new();
        findings.extend(diagnostics);
        findings
    }
}

impl From<Diagnostic> for Findings {
    fn from(diagnostic: Diagnostic) -> Findings {
        Findings::from_iter([diagnostic])
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Findings {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.kept.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Code, Span};

    #[test]
    fn an_error_that_is_not_kept_still_counts() {
        let warning = Diagnostic::warning(Code::E0101, "odd");
        let mut findings = Findings::from_iter(vec![warning; FINDINGS_MAX]);
        assert!(!findings.has_errors());
        findings.push(Diagnostic::error(Code::E0101, "wrong"));
        assert!(findings.has_errors());
        assert_eq!((findings.len(), findings.omitted()), (FINDINGS_MAX, 1));

        let mut all = Findings::new();
        all.append(findings);
        assert!(all.has_errors());
        assert_eq!((all.len(), all.omitted(), all.error_count()), (FINDINGS_MAX, 1, 1));
    }

    #[test]
    fn sorting_follows_the_text_and_puts_the_whole_file_first() {
        let at = |start, text: &str| Diagnostic::error(Code::E0101, text).at(Span::at(start));
        let whole = Diagnostic::error(Code::E0001, "whole");
        let findings = Findings::from_iter([at(9, "late"), at(2, "early"), whole]);
        let order: Vec<&str> = findings.sorted().iter().map(|d| d.message.as_str()).collect();
        assert_eq!(order, ["whole", "early", "late"]);
    }
}
