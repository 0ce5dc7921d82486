//! What a name may be.

use crate::diag::{Code, Diagnostic, Findings, Span};

/// The longest name, in bytes: it must fit a DNS label.
pub(crate) const NAME_BYTES_MAX: usize = 63;

/// Names that mean something else in an expression: the words that CEL reserves (its
/// specification, section "Syntax"), its literals, and the roots that dsenv adds.
pub const RESERVED: &[&str] = &[
    "as",
    "blueprint",
    "break",
    "const",
    "continue",
    "each",
    "else",
    "env",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "inputs",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "resources",
    "return",
    "self",
    "true",
    "var",
    "void",
    "while",
];

/// Checks a name that expressions use; `what` says of what it is.
pub fn check_name(name: &str, span: Span, what: &str, findings: &mut Findings) {
    let shaped = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if !shaped || name.len() > NAME_BYTES_MAX {
        let message = format!(
            "`{name}` is no name of {what}: a lower-case letter, then letters, digits and `_`, \
             {NAME_BYTES_MAX} at most"
        );
        let wrong = Diagnostic::error(Code::E0301, message).at(span);
        findings.push(match mended(name) {
            Some(better) => wrong.help(format!("`{better}` would do")),
            None => wrong,
        });
    } else if RESERVED.contains(&name) {
        let message = format!("`{name}` has a meaning of its own in expressions");
        let help = format!("`{name}_1` or another name would do");
        findings.push(Diagnostic::error(Code::E0302, message).at(span).help(help));
    }
}

/// The nearest name that would do: lower case, `_` for what is not allowed.
fn mended(name: &str) -> Option<String> {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let better: String = name.chars().map(allowed).take(NAME_BYTES_MAX).collect();
    let better = better.trim_start_matches(|c: char| !c.is_ascii_lowercase()).to_owned();
    (!better.is_empty() && !RESERVED.contains(&better.as_str())).then_some(better)
}
