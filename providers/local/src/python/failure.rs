//! Reads from what pip or uv printed why it failed, in one line.
//!
//! Pure: text in, [`Failure`] out. pip says "no matching distribution" also when there is no
//! network, and repeats itself; uv puts the reason below a general title. What is not recognised
//! keeps the tool's own last error line, so that a new wording of theirs costs clarity and no more.

use std::fmt;

/// Lines of output that a failure keeps.
const TAIL_LINES_MAX: usize = 20;
/// Characters of a cause: pip lists every version there is.
const CAUSE_LENGTH_MAX: usize = 300;

/// Why a tool could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// The cause in one line.
    pub cause: String,
    /// The last lines that the tool printed.
    pub tail: String,
}

/// The kinds that a caller can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The index has no package of this name.
    NoSuchPackage {
        /// The name.
        package: String,
    },
    /// No set of versions satisfies every requirement on this version of Python.
    NoMatchingVersion,
    /// The index could not be asked.
    IndexUnreachable,
    /// A file is not the one that was locked.
    HashMismatch {
        /// Name and version, as `six==1.17.0`.
        package: String,
    },
    /// No space is left where packages are kept.
    DiskFull,
    /// Anything else.
    Other,
}

impl FailureKind {
    /// Returns what to do about it, where that is known.
    pub(super) fn help(&self) -> Option<&'static str> {
        match self {
            FailureKind::NoSuchPackage { .. } => Some("correct the name in `packages`"),
            FailureKind::NoMatchingVersion => {
                Some("loosen the versions in `packages`, or ask for another `python`")
            }
            FailureKind::IndexUnreachable => {
                Some("run it again when the index answers; nothing was begun that needs it")
            }
            FailureKind::HashMismatch { .. } => Some(
                "take the lock file from version control again; if it is right, the package was \
                 exchanged on the index and must not be trusted",
            ),
            FailureKind::DiskFull => Some("make room on the disk"),
            FailureKind::Other => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

/// Finds the cause in the output of pip or uv.
pub fn explain(output: &str) -> Failure {
    let kind = kind_of(output);
    let cause = match &kind {
        FailureKind::NoSuchPackage { package } => {
            format!("the package index has no package `{package}`")
        }
        FailureKind::HashMismatch { package } => {
            format!("the file of `{package}` is not the one that was locked: its hash differs")
        }
        FailureKind::IndexUnreachable => {
            format!("the package index cannot be reached: {}", reason_unreachable(output))
        }
        FailureKind::DiskFull => "no space is left on the disk".to_owned(),
        FailureKind::NoMatchingVersion | FailureKind::Other => stated_cause(output),
    };
    let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(TAIL_LINES_MAX)..].join("\n");
    Failure { kind, cause: shortened(&cause), tail }
}

/// The order matters: a full disk or a dead network makes the later texts appear as well.
fn kind_of(output: &str) -> FailureKind {
    if output.contains("No space left on device") || output.contains("os error 28)") {
        return FailureKind::DiskFull;
    }
    if let Some(package) = mismatched(output) {
        return FailureKind::HashMismatch { package };
    }
    if UNREACHABLE.iter().any(|text| output.contains(text)) {
        return FailureKind::IndexUnreachable;
    }
    if let Some(package) = absent(output) {
        return FailureKind::NoSuchPackage { package };
    }
    if UNSATISFIABLE.iter().any(|text| output.contains(text)) {
        return FailureKind::NoMatchingVersion;
    }
    FailureKind::Other
}

const UNREACHABLE: [&str; 8] = [
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
    "SSLError",
    "error sending request for url",
    "Failed to fetch:",
    "Network connectivity is disabled",
];
const UNSATISFIABLE: [&str; 5] = [
    "No matching distribution found for",
    "ResolutionImpossible",
    "conflicting dependencies",
    "No solution found",
    "requirements are unsatisfiable",
];

fn mismatched(output: &str) -> Option<String> {
    if let Some((_, rest)) = output.split_once("Hash mismatch for `") {
        return Some(first_until(rest, '`'));
    }
    let (_, rest) = output.split_once("DO NOT MATCH THE HASHES")?;
    let line = rest.lines().skip(1).find(|line| !line.trim().is_empty())?;
    Some(line.split_whitespace().next()?.to_owned())
}

fn absent(output: &str) -> Option<String> {
    if let Some((before, _)) = output.split_once(" was not found in the package registry") {
        return Some(before.split_whitespace().last()?.trim_matches('`').to_owned());
    }
    // pip: "... that satisfies the requirement NAME>=2 (from versions: none)"; with versions that
    // want another Python it lists those before, and then the package exists.
    let line = output.lines().find(|line| line.contains("(from versions: none)"))?;
    if output.contains("require a different python version") {
        return None;
    }
    let requirement = line.split_once("requirement ")?.1;
    let end = requirement.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
    Some(requirement[..end.unwrap_or(requirement.len())].to_owned())
}

fn first_until(text: &str, end: char) -> String {
    text.split(end).next().unwrap_or_default().to_owned()
}

fn reason_unreachable(output: &str) -> &str {
    let reasons = [
        "Name or service not known",
        "Temporary failure in name resolution",
        "Connection refused",
        "Network is unreachable",
        "CERTIFICATE_VERIFY_FAILED",
        "invalid peer certificate",
        "timed out",
        "tunnel error",
        "Network connectivity is disabled",
    ];
    reasons.into_iter().find(|reason| output.contains(reason)).unwrap_or("no answer")
}

/// The line that states the cause: uv's innermost one, else pip's first error.
fn stated_cause(output: &str) -> String {
    let lines: Vec<&str> = output.lines().map(str::trim).collect();
    if let Some(at) = lines.iter().position(|line| is_uv_cause(line)) {
        // Older versions of uv wrap the sentence.
        let wrapped = lines[at + 1..].iter().take_while(|line| !line.is_empty());
        let wrapped = wrapped.take_while(|line| !is_uv_cause(line) && !line.starts_with("hint"));
        let sentence: Vec<&str> = std::iter::once(&lines[at]).chain(wrapped).copied().collect();
        let sentence = sentence.join(" ");
        return sentence.trim_start_matches(['╰', '─', '▶', ' ']).replacen("cause: ", "", 1);
    }
    let is_error = |line: &&&str| line.starts_with("ERROR: ") || line.starts_with("error: ");
    let named = lines.iter().find(|line| line.starts_with("ERROR: No matching distribution"));
    let line = named.or_else(|| lines.iter().find(is_error));
    let line = line.or_else(|| lines.iter().rfind(|line| !line.is_empty()));
    let Some(line) = line else { return "the tool printed nothing".to_owned() };
    line.trim_start_matches("ERROR: ").trim_start_matches("error: ").to_owned()
}

fn is_uv_cause(line: &str) -> bool {
    line.starts_with("cause: ") || line.starts_with("╰─▶")
}

fn shortened(cause: &str) -> String {
    if cause.chars().count() <= CAUSE_LENGTH_MAX {
        return cause.to_owned();
    }
    cause.chars().take(CAUSE_LENGTH_MAX).chain(" ...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, kind: FailureKind, cause: &str) {
        let failure = explain(output);
        assert_eq!((failure.kind, failure.cause.as_str()), (kind, cause));
    }

    #[test]
    fn pip_without_such_a_package() {
        check(
            "ERROR: Could not find a version that satisfies the requirement nope-x>=2 (from versions: none)\n\
             ERROR: No matching distribution found for nope-x>=2",
            FailureKind::NoSuchPackage { package: "nope-x".into() },
            "the package index has no package `nope-x`",
        );
    }

    #[test]
    fn uv_without_such_a_package() {
        check(
            "error: No solution found when resolving dependencies\n  cause: Because nope-x was not \
             found in the package registry and you require nope-x, we can conclude that your \
             requirements are unsatisfiable.",
            FailureKind::NoSuchPackage { package: "nope-x".into() },
            "the package index has no package `nope-x`",
        );
    }

    #[test]
    fn a_dead_network_is_not_a_missing_package() {
        check(
            "WARNING: Retrying after connection broken by 'ProxyError('Cannot connect to proxy.', \
             NewConnectionError('Failed to establish: [Errno 111] Connection refused'))'\n\
             ERROR: Could not find a version that satisfies the requirement six (from versions: none)\n\
             ERROR: No matching distribution found for six",
            FailureKind::IndexUnreachable,
            "the package index cannot be reached: Connection refused",
        );
    }

    #[test]
    fn a_version_that_does_not_exist() {
        check(
            "ERROR: Could not find a version that satisfies the requirement six==99 (from versions: 1.0, 1.1)\n\
             ERROR: No matching distribution found for six==99",
            FailureKind::NoMatchingVersion,
            "No matching distribution found for six==99",
        );
        check(
            "  × No solution found when resolving dependencies:\n  ╰─▶ Because there is no version of \
             six==99 and you\n      require six==99, we can conclude it.\n",
            FailureKind::NoMatchingVersion,
            "Because there is no version of six==99 and you require six==99, we can conclude it.",
        );
    }

    #[test]
    fn another_file_than_the_locked_one() {
        let kind = FailureKind::HashMismatch { package: "six==1.17.0".into() };
        let cause = "the file of `six==1.17.0` is not the one that was locked: its hash differs";
        check(
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If\n    \
             six==1.17.0 from x (from -r bad.txt (line 1)):\n        Expected sha256 aa\n",
            kind.clone(),
            cause,
        );
        check(
            "error: Failed to download `six==1.17.0`\n  cause: Hash mismatch for `six==1.17.0`\n",
            kind,
            cause,
        );
    }

    #[test]
    fn what_is_not_known_keeps_the_words_of_the_tool() {
        check("note: x\nERROR: Something new.\nmore", FailureKind::Other, "Something new.");
        check("", FailureKind::Other, "the tool printed nothing");
    }
}
