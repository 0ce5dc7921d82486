//! A resolved set of packages: exact versions and the hashes of their files.
//!
//! A [`Locked`] is made by `resolve`, or read back from the requirement lines that a lock file
//! keeps. It is plain data in a fixed order, so that the same resolution gives the same bytes. Every
//! package has at least one hash; a line without one is an error, never a package to trust.

use super::spec::normalized;
use crate::provider::{OpError, OpErrorClass};
use crate::value::{Map, Value};
use std::fmt;

/// The set of packages for one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// The minor version that it was resolved for: `3.11`.
    pub python: String,
    /// What resolved it, for people: `uv 0.13.8`. No part of the digest.
    pub tool: String,
    /// Where it can be installed.
    pub platforms: Platforms,
    /// Its packages by name, then version, then marker.
    pub packages: Vec<LockedPackage>,
}

/// Where a [`Locked`] can be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Platforms {
    /// Everywhere: it holds the files of every platform, with markers.
    Universal,
    /// Only where Python calls its platform this, as `linux-x86_64`.
    Only(String),
}

impl fmt::Display for Platforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Platforms::Universal => f.write_str("universal"),
            Platforms::Only(tag) => f.write_str(tag),
        }
    }
}

impl From<&str> for Platforms {
    fn from(text: &str) -> Platforms {
        match text {
            "universal" => Platforms::Universal,
            tag => Platforms::Only(tag.to_owned()),
        }
    }
}

/// One package at one version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedPackage {
    /// Its name as indexes compare it.
    pub name: String,
    /// Its exact version.
    pub version: String,
    /// The condition under which it is installed; none when always.
    pub marker: Option<String>,
    /// `sha256:` and 64 hexadecimal digits, sorted; one for each file that may be installed.
    pub hashes: Vec<String>,
}

impl Locked {
    /// Brings the packages into their order and checks that each has a hash.
    pub fn new(
        python: String,
        tool: String,
        platforms: Platforms,
        mut packages: Vec<LockedPackage>,
    ) -> Result<Locked, LineError> {
        for package in &mut packages {
            package.hashes.sort();
            package.hashes.dedup();
            if package.hashes.is_empty() {
                let line = format!("{}=={}", package.name, package.version);
                return Err(LineError { line, reason: "it has no hash" });
            }
        }
        packages.sort();
        packages.dedup();
        Ok(Locked { python, tool, platforms, packages })
    }

    /// Returns one requirement line for each package, as pip and uv read it.
    pub fn lines(&self) -> Vec<String> {
        self.packages.iter().map(LockedPackage::line).collect()
    }

    /// Returns the text of a requirements file; empty for no packages.
    pub fn requirements(&self) -> String {
        self.lines().into_iter().map(|line| line + "\n").collect()
    }

    /// Returns `blake3:` and the digest of what is installed: Python's version, the platforms, the
    /// packages. Two locks with one digest make the same environment, whichever tool resolved them.
    pub fn digest(&self) -> String {
        let text = format!("{}\n{}\n{}", self.python, self.platforms, self.requirements());
        format!("blake3:{}", blake3::hash(text.as_bytes()).to_hex())
    }

    /// The form in the lock file: sorted, without anything of this machine but the platform's name.
    pub fn to_value(&self) -> Value {
        let package = |package: &LockedPackage| {
            let hashes = package.hashes.iter().map(|hash| Value::text(hash.clone())).collect();
            let mut fields = Map::from([
                ("name".to_owned(), Value::text(package.name.clone())),
                ("version".to_owned(), Value::text(package.version.clone())),
                ("hashes".to_owned(), Value::List(hashes)),
            ]);
            if let Some(marker) = &package.marker {
                fields.insert("marker".to_owned(), Value::text(marker.clone()));
            }
            Value::Map(fields)
        };
        Value::Map(Map::from([
            ("python".to_owned(), Value::text(self.python.clone())),
            ("tool".to_owned(), Value::text(self.tool.clone())),
            ("platforms".to_owned(), Value::text(self.platforms.to_string())),
            ("packages".to_owned(), Value::List(self.packages.iter().map(package).collect())),
            ("digest".to_owned(), Value::text(self.digest())),
        ]))
    }

    /// Reads the form in the lock file back; the digest must be that of the rest.
    pub fn from_value(pins: &Value) -> Result<Locked, OpError> {
        let wrong = |what: &str| {
            let message = format!("the lock of the python packages cannot be used: {what}");
            OpError::new(OpErrorClass::Invalid, message).help(
                "take the lock file from version control again, or delete it: `dsenv apply` pins anew",
            )
        };
        let text =
            |value: &Value, key: &str| value.step(key).and_then(Value::as_text).map(str::to_owned);
        let mut packages = Vec::new();
        for entry in pins.step("packages").and_then(Value::as_list).unwrap_or_default() {
            let hashes = entry.step("hashes").and_then(Value::as_list).unwrap_or_default();
            let package = LockedPackage {
                name: text(entry, "name").ok_or_else(|| wrong("a package has no name"))?,
                version: text(entry, "version").ok_or_else(|| wrong("a package has no version"))?,
                marker: text(entry, "marker"),
                hashes: hashes.iter().filter_map(Value::as_text).map(str::to_owned).collect(),
            };
            // Read back through the line that the installer gets: an edited lock must not steer it.
            let read = LockedPackage::from_line(&package.line());
            packages.push(read.map_err(|error| wrong(&error.to_string()))?);
        }
        let python = text(pins, "python").ok_or_else(|| wrong("it names no version of Python"))?;
        let platforms = text(pins, "platforms").ok_or_else(|| wrong("it names no platform"))?;
        let tool = text(pins, "tool").unwrap_or_default();
        let locked = Locked::new(python, tool, platforms.as_str().into(), packages)
            .map_err(|error| wrong(&error.to_string()))?;
        if text(pins, "digest") != Some(locked.digest()) {
            return Err(wrong("its digest is not that of its packages"));
        }
        Ok(locked)
    }
}

impl LockedPackage {
    /// Returns `name==version ; marker --hash=sha256:...`.
    pub fn line(&self) -> String {
        let mut line = format!("{}=={}", self.name, self.version);
        if let Some(marker) = &self.marker {
            line += " ; ";
            line += marker;
        }
        for hash in &self.hashes {
            line += " --hash=";
            line += hash;
        }
        line
    }

    /// Reads what [`line`](LockedPackage::line) writes, and what `uv pip compile` prints once its
    /// continued lines are joined. Unlike both, it refuses a line without a hash.
    pub fn from_line(line: &str) -> Result<LockedPackage, LineError> {
        let refuse = |reason| Err(LineError { line: line.to_owned(), reason });
        let mut parts = line.split(" --hash=");
        let requirement = parts.next().unwrap_or_default().trim();
        let hashes: Vec<String> = parts.map(|hash| hash.trim().to_owned()).collect();
        let (pin, marker) = match requirement.split_once(';') {
            Some((pin, marker)) => (pin.trim(), Some(marker.trim().to_owned())),
            None => (requirement, None),
        };
        let Some((name, version)) = pin.split_once("==") else {
            return refuse("it does not pin a version with `==`");
        };
        if !is_word(name) || !is_word(version) {
            return refuse("its name or version is not one");
        }
        if marker.as_ref().is_some_and(|marker| marker.is_empty() || marker.contains("--")) {
            return refuse("its marker is empty or holds an option");
        }
        if hashes.is_empty() || !hashes.iter().all(|hash| is_sha256(hash)) {
            return refuse("it has no hash of the form `sha256:` and 64 hexadecimal digits");
        }
        Ok(LockedPackage { name: normalized(name), version: version.to_owned(), marker, hashes })
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+!".contains(&byte))
}

fn is_sha256(hash: &str) -> bool {
    hash.strip_prefix("sha256:").is_some_and(|digits| {
        digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// A line that is no locked package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{line}` is not a locked package: {reason}")]
pub struct LineError {
    /// The line.
    pub line: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    fn package(line: &str) -> LockedPackage {
        LockedPackage::from_line(line).expect("a locked package")
    }

    #[test]
    fn lines_come_back_as_they_went() {
        let line = format!(
            "colorama==0.4.6 ; sys_platform == 'win32' and python_version < '4' --hash={} --hash={}",
            hash('a'),
            hash('b')
        );
        assert_eq!(package(&line).line(), line);
        assert_eq!(
            package(&line).marker.as_deref(),
            line.split(" ; ")
                .nth(1)
                .map(|rest| { rest.split(" --hash").next().unwrap_or_default() })
        );
    }

    #[test]
    fn lines_that_trust_or_steer_are_refused() {
        let good = hash('a');
        for bad in [
            "six==1.17.0".to_owned(),
            format!("six>=1.17.0 --hash={good}"),
            format!("--index-url=x==1 --hash={good}"),
            format!("six==1.17.0 --pre --hash={good}"),
            format!("six==1.17.0 ; --pre --hash={good}"),
            format!("six @ file:///x==1 --hash={good}"),
            "six==1.17.0 --hash=sha256:abc".to_owned(),
            "six==1.17.0 --hash=md5:0123456789abcdef0123456789abcdef".to_owned(),
            format!("six==1.17.0 --hash={good} --no-deps"),
        ] {
            assert!(LockedPackage::from_line(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn order_and_tool_do_not_reach_the_digest_and_versions_do() {
        let (six, idna) =
            (format!("six==1 --hash={}", hash('a')), format!("idna==2 --hash={}", hash('b')));
        let lock = |tool: &str, lines: &[&str]| {
            let packages = lines.iter().map(|line| package(line)).collect();
            Locked::new("3.11".into(), tool.into(), Platforms::Universal, packages)
                .expect("every package has a hash")
        };
        let one = lock("uv", &[&six, &idna]);
        assert_eq!(one.digest(), lock("pip", &[&idna, &six, &six]).digest());
        assert_eq!(one.lines(), [idna.clone(), six.clone()]);
        assert_ne!(one.digest(), lock("uv", &[&six]).digest());
    }
}
