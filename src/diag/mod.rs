//! What is wrong with the user's text, and how it is shown.
//!
//! Every layer of the compiler returns its value beside [`Findings`]: all that it noticed, not only
//! the first thing. A [`Diagnostic`] has a [`Code`] that users can look up, a message that names the
//! things involved, the place in the text, and help in words that can be pasted. [`render`] turns
//! findings into text for people, [`wire`] into JSON for programs.
//!
//! Nothing here prints, reads a file or knows a terminal: the caller says whether to use colour and
//! how wide a line is.
//!
//! ## Why
//! Diagnostics are data and not an error type: they do not stop anything, they carry positions, and
//! there may be hundreds. What stops the program is an error enum of the module that failed.

mod codes;
mod findings;
pub mod render;
mod source;
mod suggest;
pub mod wire;

pub use codes::{Case, Code, Example, explain};
pub use findings::{FINDINGS_MAX, Findings};
pub use source::{Position, Source, Span};
pub use suggest::suggest;

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The blueprint is refused.
    Error,
    /// The blueprint is accepted, and very likely not what was meant.
    Warning,
    /// Worth knowing; nothing to do.
    Note,
}

impl Severity {
    /// Returns the word that stands in text and JSON: `error`, `warning` or `note`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// One remark about the user's text.
///
/// The title is that of the code, so it never holds a name the user chose; the message does.
///
/// ```
/// use dsenv::diag::{Code, Diagnostic, Span};
/// let again = Diagnostic::error(Code::E0102, "`lake` is already a key of this mapping")
///     .at(Span::new(20, 24))
///     .label(Span::new(3, 7), "first written here")
///     .help("rename one of the two, or delete it");
/// assert_eq!(again.code.title(), "duplicate key");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of mistake it is.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong, with names: lower case, values in backticks, no full stop.
    pub message: String,
    /// Where; `None` when it concerns the file as a whole.
    pub span: Option<Span>,
    /// Other places that explain it.
    pub labels: Vec<(Span, String)>,
    /// The resource concerned, when it is known.
    pub address: Option<String>,
    /// What to do, each in words that can be pasted.
    pub help: Vec<String>,
    /// A secret that stands in the text: no line of it that is shown may show it.
    pub conceals: Option<Span>,
}

impl Diagnostic {
    /// Starts a diagnostic that refuses the blueprint.
    pub fn error(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, code, message.into())
    }

    /// Starts a diagnostic that lets the blueprint pass.
    pub fn warning(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, code, message.into())
    }

    /// Starts a remark.
    pub fn note(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Note, code, message.into())
    }

    fn new(severity: Severity, code: Code, message: String) -> Diagnostic {
        let (labels, help) = (Vec::new(), Vec::new());
        let (span, address, conceals) = (None, None, None);
        Diagnostic { code, severity, message, span, labels, address, help, conceals }
    }

    /// Says where; the last call counts.
    pub fn at(mut self, span: Span) -> Diagnostic {
        self.span = Some(span);
        self
    }

    /// Points at another place that explains the mistake.
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.labels.push((span, text.into()));
        self
    }

    /// Names the resource concerned; the last call counts.
    pub fn address(mut self, address: impl Into<String>) -> Diagnostic {
        self.address = Some(address.into());
        self
    }

    /// Says that a secret stands here, so that it is covered wherever the text is shown.
    pub fn conceal(mut self, span: Span) -> Diagnostic {
        self.conceals = Some(span);
        self
    }

    /// Adds a line of help.
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help.push(text.into());
        self
    }

    /// Adds the usual line of help when [`suggest`] found a name, nothing otherwise.
    pub fn did_you_mean(self, name: Option<&str>) -> Diagnostic {
        match name {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }
}
