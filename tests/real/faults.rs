//! The machine is not as it should be: ports, disks, packages, databases.

use crate::daily::small;
use crate::place::{Place, postgres_version, skipped};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

/// Refused before anything is begun: no object is in the state, no process runs.
fn leaves_nothing(place: &Place) {
    let listed = place.run(&["state", "list"]);
    assert!(!listed.out.contains("ready"), "{}", listed.out);
}

#[test]
fn a_postgres_that_nobody_has_is_said_with_what_there_is() {
    // Newer ones than 18 will come, and 16 and 18 can be fetched.
    let is_here = |major: &&str| Path::new("/usr/lib/postgresql").join(major).exists();
    let Some(major) = ["14", "17"].into_iter().find(|major| !is_here(major)) else {
        return skipped("a PostgreSQL that is not here");
    };
    let version = |major: &str| format!("version: \"{major}\"");
    let yaml = small().replace(&version(&postgres_version()), &version(major));
    let place = Place::new(&yaml);
    let ran = place.run(&["apply", "--yes"]);
    assert!([1, 3].contains(&ran.code), "{}\n{}", ran.out, ran.err);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains(&format!("PostgreSQL {major}")) && said.contains("help: "), "{said}");
    assert!(said.contains("dsenv.yaml:7:"), "the place in the blueprint:\n{said}");
    let listed = place.resources();
    assert!(!listed.contains_key("features"), "{listed:?}");
    assert!(listed.contains_key("lake"), "what does not need it is made: {listed:?}");
    let errors = place.ok(&["errors"]).out;
    assert!(errors.contains("features"), "{errors}");
    // Mended, the next apply makes the rest and nothing twice.
    place.write("dsenv.yaml", &small());
    place.apply();
    place.is_settled();
    assert_eq!(place.resources().len(), 11);
}

#[test]
fn a_port_in_use_names_the_port_and_who_has_it() {
    let place = Place::new(&small());
    place.apply();
    let url = place.ok(&["output", "web"]).out;
    let address = url.trim().trim_start_matches("http://").trim_end_matches(":8000/").to_owned();
    let taken = TcpListener::bind(format!("{address}:8001")).expect("the port is free");
    place.edit("dsenv.yaml", "port: 8000", "port: 8001");
    let ran = place.run(&["apply", "--yes"]);
    let said = format!("{}{}", ran.out, ran.err);
    assert_eq!(ran.code, 1, "{said}");
    assert!(said.contains(&format!("port 8001 on {address} is in use by process")), "{said}");
    assert!(said.contains(&std::process::id().to_string()), "who has it: {said}");
    assert!(said.contains("help: end that process, or give the service another port"), "{said}");
    assert!(!said.contains("cause: "), "the log of the service before is no cause: {said}");
    drop(taken);
    place.apply();
    place.is_settled();
}

const WITH_PACKAGES: &str = r#"blueprint: small
resources:
  net: {kind: network, cidr: 10.20.0.0/16}
  tool:
    kind: machine
    cpus: 1+
    memory: 1GiB+
    image: debian-12
    software:
      python: "3.9+"
      packages: [PACKAGE]
environments:
  dev: {provider: local, ephemeral: true}
"#;

/// Whether a Python that can make an environment, and a package index, are there.
fn can_install() -> bool {
    let made = Command::new("python3").args(["-c", "import venv, ensurepip"]).output();
    let fetched = Command::new("python3")
        .args(["-m", "pip", "download", "--no-deps", "-q", "-d"])
        .arg(crate::place::kept("index"))
        .arg("iniconfig==2.0.0")
        .output();
    [made, fetched].into_iter().all(|ran| ran.is_ok_and(|ran| ran.status.success()))
}

#[test]
fn a_package_that_does_not_exist_is_named() {
    if !can_install() {
        return skipped("python3-venv or the package index");
    }
    let name = "dsenv-there-is-no-such-package";
    let place = Place::new(&WITH_PACKAGES.replace("PACKAGE", name));
    let ran = place.run(&["apply", "--yes"]);
    assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
    ran.says(&["error[E0901]", "dsenv.yaml:4:3", name, "help: "]);
    assert!(!place.path("small.lock").exists(), "nothing is pinned");
    leaves_nothing(&place);
}

#[test]
fn a_package_with_another_hash_is_refused() {
    if !can_install() {
        return skipped("python3-venv or the package index");
    }
    let place = Place::new(&WITH_PACKAGES.replace("PACKAGE", "iniconfig"));
    let ran = place.refuses(&["apply", "--yes", "--locked"], 1, "E0810");
    ran.says(&["help: "]);
    assert!(place.ok(&["plan"]).out.contains("Not locked yet"));
    place.apply();
    place.ok(&["exec", "tool", "--", "python", "-c", "import iniconfig"]);
    let lock = place.read("small.lock");
    place.ok(&["destroy", "--yes"]);
    assert_eq!(place.read("small.lock"), lock, "the lock outlives the environment");
    let at = lock.find("sha256").expect("the lock has hashes") + "sha256".len() + 1;
    let hash: String = lock[at..].chars().skip_while(|c| !c.is_ascii_hexdigit()).take(64).collect();
    assert_eq!(hash.len(), 64, "{lock}");
    place.write("small.lock", &lock.replace(&hash, &"0".repeat(64)));
    let ran = place.run(&["apply", "--yes"]);
    let said = format!("{}{}", ran.out, ran.err);
    assert!([1, 3].contains(&ran.code), "{said}");
    assert!(said.contains("its digest is not that of its packages"), "{said}");
    assert!(said.contains("help: take the lock file from version control again"), "{said}");
    assert!(!place.resources().contains_key("tool"));
    // The right lock again: it is applied.
    place.write("small.lock", &lock);
    place.ok(&["apply", "--yes", "--locked"]);
    place.is_settled();
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A mount that goes with the test.
struct Mount(std::path::PathBuf);

impl Mount {
    fn new(arguments: &[&str], at: std::path::PathBuf) -> Option<Mount> {
        let ran = Command::new("mount").args(arguments).arg(&at).output().ok()?;
        ran.status.success().then_some(Mount(at))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

const QUIET: &str = "blueprint: small
inputs:
  n: {type: integer, default: 1}
resources:
  token: {kind: secret, generate: {length: 20}}
  one: {kind: value, input: '${inputs.n}'}
environments:
  dev: {provider: local, ephemeral: true}
";

#[test]
fn a_disk_that_is_full_stops_an_apply_and_loses_nothing() {
    let place = Place::new(QUIET);
    std::fs::create_dir(place.path("disk")).expect("our folder");
    let options = ["-t", "tmpfs", "-o", "size=256k", "dsenv-test"];
    let Some(mount) = is_root().then(|| Mount::new(&options, place.path("disk"))).flatten() else {
        return skipped("the right to mount, for a small disk");
    };
    place.write("disk/dsenv.yaml", QUIET);
    place.ok(&["apply", "-f", "disk", "--yes"]);
    let state = place.read("disk/.dsenv/small/dev/state.json");
    // Fill it to the last byte.
    let mut size = 256 << 10;
    let mut filled = Vec::new();
    while size > 0 {
        let file = place.path(&format!("disk/fill-{size}"));
        match std::fs::write(&file, vec![0; size]) {
            Ok(()) => filled.push(file),
            Err(_) => {
                let _ = std::fs::remove_file(&file);
                size /= 2;
                continue;
            }
        }
        if filled.len() > 64 {
            break;
        }
        size /= 2;
    }
    let ran = place.run(&["apply", "-f", "disk", "--yes", "--input", "n=2"]);
    assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
    ran.says(&["error[E0812]", "help: "]);
    assert_eq!(place.read("disk/.dsenv/small/dev/state.json"), state);
    for file in filled {
        std::fs::remove_file(file).expect("it was written");
    }
    place.ok(&["apply", "-f", "disk", "--yes", "--input", "n=2"]);
    let ran = place.run(&["plan", "-f", "disk", "--input", "n=2", "--detailed-exitcode"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    place.ok(&["destroy", "-f", "disk", "--yes"]);
    drop(mount);
}

#[test]
fn a_folder_that_cannot_be_written_is_said_and_can_still_be_looked_at() {
    let place = Place::new(QUIET);
    place.apply();
    let state = place.path(".dsenv");
    let bound = state.to_str().expect("UTF-8");
    if !is_root() {
        return skipped("the right to mount, for a read-only folder");
    }
    let Some(first) = Mount::new(&["--bind", bound], state.clone()) else {
        return skipped("the right to mount, for a read-only folder");
    };
    let ran = Command::new("mount").args(["-o", "remount,ro,bind"]).arg(&state).output();
    if !ran.is_ok_and(|ran| ran.status.success()) {
        return skipped("a read-only bind mount");
    }
    for command in [&["apply", "--yes", "--input", "n=2"][..], &["destroy", "--yes"]] {
        let ran = place.refuses(command, 1, "E0812");
        ran.says(&[".dsenv", "help: make room, or make the folder writable"]);
    }
    place.ok(&["output"]);
    place.ok(&["state", "list"]);
    drop(first);
    place.is_settled();
}
