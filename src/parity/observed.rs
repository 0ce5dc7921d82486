//! L3: what is found on the machines, through the same door as `dsenv exec` and `dsenv status`.
//!
//! In: what a probe printed on each machine, how each service stands, what the lock says is installed. Out:
//! leaves of packages, interpreters, processors, services and their ports. A machine that did not answer is
//! told, never passed over. The probe is `templates/probe/facts.py`; it reads and changes nothing.
//!
//! A package that is not what the lock says is a violation on its own: two machines that were changed by hand
//! alike are still not what was locked.

use super::{Leaf, Leaves, Level, Parity, Row};
use dsenv_sdk::provider::ServiceStatus;
use dsenv_sdk::schema::Class;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What is run on each machine, by `python`.
pub const PROBE: &str = include_str!("../../templates/probe/facts.py");

/// What comes with every Python environment and no lock names.
const INSTALLERS: &[&str] = &["pip", "setuptools", "uv", "wheel"];

/// What the probe said of one machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Facts {
    /// The interpreter's version: `3.11.9`.
    pub python: String,
    /// Which interpreter it is: `CPython`.
    pub implementation: String,
    /// The processor's architecture: `x86_64`.
    pub architecture: String,
    /// Versions by name, as indexes compare names.
    pub packages: BTreeMap<String, String>,
}

/// One environment as it was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// What each machine with software says, by address; else why it did not.
    pub machines: BTreeMap<String, Result<Facts, String>>,
    /// What the lock says is installed on each of them, by name, versions; several where a marker decides.
    /// Absent for a machine whose packages are not in the lock.
    pub locked: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// Every service; `Err` where nobody can tell.
    pub services: Result<Vec<ServiceStatus>, String>,
}

impl Default for Found {
    /// Nothing but services, of which there are none.
    fn default() -> Found {
        let (machines, locked) = (BTreeMap::new(), BTreeMap::new());
        Found { machines, locked, services: Ok(Vec::new()) }
    }
}

/// Reads what the probe printed: its last line.
pub fn read(printed: &str) -> Result<Facts, String> {
    let last = printed.lines().rev().find(|line| !line.trim().is_empty());
    let last = last.ok_or_else(|| "the probe printed nothing".to_owned())?;
    serde_json::from_str(last).map_err(|error| format!("the probe printed something else: {error}"))
}

/// Holds one environment as it was found against another. `names` are those of the two.
pub fn compare(names: [&str; 2], one: &Found, other: &Found, parity: &mut Parity) {
    let mut silent = false;
    for (name, found) in names.iter().zip([one, other]) {
        for (address, facts) in &found.machines {
            if let Err(why) = facts {
                parity.untested(Level::Observed, format!("{name}: {address}"), why);
                silent = true;
            }
        }
        if let Err(why) = &found.services {
            parity.untested(Level::Observed, format!("{name}: services"), why);
            silent = true;
        }
    }
    let sides = [leaves(one), leaves(other)];
    for at in [0, 1] {
        let found = [one, other][at];
        against_lock(found, at, &mut parity.violations);
        unwell(found, at, &mut parity.violations);
    }
    let [ours, theirs] = &sides;
    parity.add(Level::Observed, ours, theirs);
    if silent {
        // What was read says nothing of what was not.
        parity.digests.remove(&Level::Observed);
        parity.missed = Some(Level::Observed);
    }
    parity.untested(
        Level::Observed,
        "kernel, drivers and packages of the operating system",
        "they are not in the lock of this version",
    );
}

fn leaves(found: &Found) -> Leaves {
    let mut leaves = Leaves::new();
    let mut put = |address: &str, path: String, text: &str| {
        leaves.insert((address.to_owned(), path), Leaf::new(Class::Fixed, text));
    };
    for (address, facts) in &found.machines {
        let Ok(facts) = facts else { continue };
        let minor: Vec<&str> = facts.python.split('.').take(2).collect();
        put(address, "python".to_owned(), &minor.join("."));
        put(address, "python.implementation".to_owned(), &facts.implementation);
        put(address, "architecture".to_owned(), &facts.architecture);
        for (name, version) in &facts.packages {
            if !INSTALLERS.contains(&&**name) {
                put(address, format!("packages.{name}"), version);
            }
        }
    }
    for status in found.services.iter().flatten() {
        let address = status.addr.to_string();
        let place = format!("services.{}", status.service);
        put(&address, place.clone(), if status.well { "well" } else { &status.state });
        if let Some(port) = status.url.as_deref().and_then(port) {
            put(&address, format!("{place}.port"), port);
        }
    }
    leaves
}

/// The port of `http://127.0.0.1:8888/` and of `127.0.0.1:5432/features`.
fn port(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next()?;
    let (_, port) = host.rsplit_once(':')?;
    port.bytes().all(|byte| byte.is_ascii_digit()).then_some(port)
}

/// What is installed and not locked, what is locked and not installed, and other versions.
fn against_lock(found: &Found, at: usize, violations: &mut Vec<Row>) {
    for (address, facts) in &found.machines {
        let (Ok(facts), Some(locked)) = (facts, found.locked.get(address)) else { continue };
        let installed = facts.packages.keys().filter(|name| !INSTALLERS.contains(&&***name));
        let names: BTreeSet<&String> = installed.chain(locked.keys()).collect();
        for name in names {
            let there = facts.packages.get(name);
            let why = match (there, locked.get(name)) {
                (Some(version), Some(versions)) if versions.contains(version) => continue,
                // A marker may leave it out here.
                (None, Some(versions)) if versions.contains(MAYBE) => continue,
                (None, Some(_)) => "the lock has it, and it is not installed".to_owned(),
                (Some(_), None) => "it is installed, and the lock does not have it".to_owned(),
                (Some(_), Some(versions)) => {
                    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
                    format!("the lock has {}", versions.join(" or "))
                }
                (None, None) => unreachable!("it is in one of the two"),
            };
            violations.push(side_row(address, format!("packages.{name}"), at, there.cloned(), why));
        }
    }
}

/// Stands among the locked versions of a package that a marker may leave out.
pub const MAYBE: &str = "";

fn unwell(found: &Found, at: usize, violations: &mut Vec<Row>) {
    for status in found.services.iter().flatten().filter(|status| !status.well) {
        let path = format!("services.{}", status.service);
        let why = "it is not well, so it was not seen to work".to_owned();
        let state = Some(status.state.clone());
        violations.push(side_row(&status.addr.to_string(), path, at, state, why));
    }
}

fn side_row(address: &str, path: String, at: usize, text: Option<String>, why: String) -> Row {
    let (one, other) = if at == 0 { (text, None) } else { (None, text) };
    let (level, class) = (Level::Observed, Class::Fixed);
    Row { level, address: address.to_owned(), path, class, one, other, why }
}
