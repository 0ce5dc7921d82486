//! What a blueprint asks of Python: a version and packages, as the user wrote them.
//!
//! Parsing is where bad input ends: a [`PythonSpec`] holds a version that exists in form, and
//! requirements that can be locked. An entry that pip would read as an option, a path or an address
//! is refused here, so that no later command line or requirements file can be steered by it.

use std::fmt;
use std::str::FromStr;

/// Packages that one environment may ask for.
const PACKAGES_MAX: usize = 2_000;
/// Characters of one requirement.
const REQUIREMENT_LENGTH_MAX: usize = 1_000;

/// A minor version of Python: `3.11`, or `3.11+` for that one or a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PythonVersion {
    /// The minor version, the 11 of 3.11.
    pub minor: u32,
    /// Whether a newer minor version will do as well.
    pub or_newer: bool,
}

impl PythonVersion {
    /// Says whether an interpreter of Python 3 with this minor version satisfies the request.
    pub fn accepts(self, minor: u32) -> bool {
        if self.or_newer { minor >= self.minor } else { minor == self.minor }
    }
}

impl FromStr for PythonVersion {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<PythonVersion, SpecError> {
        let (version, or_newer) = match text.strip_suffix('+') {
            Some(version) => (version, true),
            None => (text, false),
        };
        let minor = version
            .strip_prefix("3.")
            .filter(|minor| !minor.is_empty() && minor.len() <= 3)
            .filter(|minor| minor.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|minor| minor.parse().ok());
        match minor {
            Some(minor) => Ok(PythonVersion { minor, or_newer }),
            None => Err(SpecError::Version(text.to_owned())),
        }
    }
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "3.{}{}", self.minor, if self.or_newer { "+" } else { "" })
    }
}

/// A version and the packages asked for, in the order written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonSpec {
    version: PythonVersion,
    packages: Vec<String>,
}

impl PythonSpec {
    /// Checks a version and requirements; the first one that cannot be used is the error.
    ///
    /// No packages is a bare interpreter. Whether a package exists is for `resolve` to find out.
    pub fn new(version: &str, packages: &[String]) -> Result<PythonSpec, SpecError> {
        if packages.len() > PACKAGES_MAX {
            return Err(SpecError::TooMany(packages.len()));
        }
        for package in packages {
            check_requirement(package)?;
        }
        Ok(PythonSpec { version: version.parse()?, packages: packages.to_vec() })
    }

    /// Returns the version asked for.
    pub fn version(&self) -> PythonVersion {
        self.version
    }

    /// Returns the requirements as written.
    pub fn packages(&self) -> &[String] {
        &self.packages
    }
}

fn check_requirement(text: &str) -> Result<(), SpecError> {
    let refuse = |reason| Err(SpecError::Requirement { text: text.to_owned(), reason });
    if text.len() > REQUIREMENT_LENGTH_MAX {
        return refuse("it is longer than 1,000 characters");
    }
    if text.chars().any(char::is_control) {
        return refuse("it holds a line break or another control character");
    }
    let name_length = text
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
        .count();
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !starts_well || name_length == 0 {
        return refuse("it does not begin with a package's name");
    }
    let rest = text[name_length..].trim_start();
    if rest.starts_with('@') {
        return refuse("an address has no version to lock; name a version of the package instead");
    }
    if !rest.is_empty() && !rest.starts_with(['[', '<', '>', '=', '!', '~', ';', '(']) {
        return refuse("after the name comes a version (`>=2`), an extra (`[s3]`) or nothing");
    }
    if rest.contains("--") || rest.contains('#') {
        return refuse("it holds an option or a comment");
    }
    Ok(())
}

/// Why a version or a requirement cannot be used; the user's mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Not a version of Python.
    #[error("`{0}` is not a version of Python; write \"3.11\", or \"3.11+\" for that or newer")]
    Version(String),
    /// Not a requirement that can be locked.
    #[error("`{text}` cannot be locked: {reason}")]
    Requirement {
        /// The entry as written.
        text: String,
        /// Why, and what would do.
        reason: &'static str,
    },
    /// More requirements than one environment may have.
    #[error("{0} packages are listed, more than the {PACKAGES_MAX} that one environment may have")]
    TooMany(usize),
}

/// Returns the name as indexes compare it: lower case, runs of `-`, `_` and `.` as one `-`.
pub fn normalized(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            _ => out.push(letter.to_ascii_lowercase()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_a_minor_or_a_floor() {
        let exact: PythonVersion = "3.11".parse().expect("a version");
        let floor: PythonVersion = "3.11+".parse().expect("a version");
        assert!(exact.accepts(11) && !exact.accepts(12) && !exact.accepts(10));
        assert!(floor.accepts(11) && floor.accepts(14) && !floor.accepts(10));
        assert_eq!((exact.to_string(), floor.to_string()), ("3.11".into(), "3.11+".into()));
        for bad in ["3", "3.", "2.7", "3.11.2", "three", "3.x", "", "3.-1", "3.+1", ">=3.11"] {
            assert_eq!(bad.parse::<PythonVersion>(), Err(SpecError::Version(bad.into())));
        }
    }

    #[test]
    fn requirements_of_every_usual_form_are_taken() {
        for good in [
            "six",
            "psycopg[binary]",
            "pandas>=2,<3",
            "numpy ~= 2.1",
            "tomli; python_version < '3.11'",
            "ruamel.yaml==0.18.*",
            "x (>=1)",
        ] {
            assert!(PythonSpec::new("3.11", &[good.to_owned()]).is_ok(), "{good}");
        }
    }

    #[test]
    fn options_paths_and_addresses_are_refused() {
        for bad in [
            "",
            "--index-url=x",
            "-e .",
            "-r other.txt",
            "./local",
            "folder/x.whl",
            "six\n--extra-index-url x",
            "six @ file:///x",
            "six --hash=sha256:0",
            "six==1 --pre",
            "six # note",
            "[x]",
        ] {
            assert!(PythonSpec::new("3.11", &[bad.to_owned()]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_compared_as_indexes_do() {
        assert_eq!(normalized("Ruamel_.Yaml"), "ruamel-yaml");
    }
}
