//! Rules of the style guide that a machine can hold us to.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;

/// Files that may be longer, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[("src/report/tests.rs", "goldens")];

/// Functions that may be longer, each with its reason.
const LONG_FUNCTIONS: &[(&str, &str)] =
    &[("src/yaml/syntax.rs: words", "one table: a sentence for each way of being wrong")];

/// Uses of a later module that are known, as `module -> module`, each with its reason.
const AGAINST_THE_ORDER: &[(&str, &str)] = &[];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the workspace by its path from the root, sorted.
fn rust_files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["src", "providers", "tests"] {
        collect(&root().join(folder), &mut files);
    }
    files.sort();
    assert!(files.len() > 100, "the sources are where they were");
    files
}

fn collect(folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of this repository") {
        let path = entry.expect("a folder entry").path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).expect("it is below the root");
            let text = fs::read_to_string(&path).expect("a source file");
            files.push((name.to_string_lossy().into_owned(), text));
        }
    }
}

/// The modules in the order of the table of `src/ARCHITECTURE.md`.
fn layers() -> Vec<String> {
    let text = fs::read_to_string(root().join("src/ARCHITECTURE.md")).expect("it is there");
    let (_, table) = text.split_once("| module | is for | pure |").expect("the table of modules");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with("| `"));
    let name = |line: &str| line.split('`').nth(1).map(str::to_owned);
    rows.filter_map(name).collect()
}

fn module_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix("src/")?.split('/').next()?;
    Some(name.strip_suffix(".rs").unwrap_or(name))
}

#[test]
fn every_module_has_a_place_in_the_order() {
    let layers: BTreeSet<String> = layers().into_iter().collect();
    let files = rust_files();
    let modules = files.iter().filter_map(|(path, _)| module_of(path));
    let modules: BTreeSet<String> =
        modules.filter(|name| !["lib", "main"].contains(name)).map(str::to_owned).collect();
    assert_eq!(layers, modules, "left: the table of ARCHITECTURE.md; right: the folder");
}

#[test]
fn a_module_uses_only_modules_above_it() {
    let layers = layers();
    let place = |name: &str| layers.iter().position(|layer| layer == name);
    let mut wrong = BTreeSet::new();
    for (path, text) in rust_files() {
        // Tests of a module may look at how it is used.
        let Some(module) = module_of(&path).filter(|_| !path.contains("/tests")) else { continue };
        let Some(mine) = place(module) else { continue };
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + "crate::".len()..];
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let used = &rest[..end.unwrap_or(rest.len())];
                if place(used).is_some_and(|used| used > mine) {
                    wrong.insert(format!("{module} -> {used}"));
                }
            }
        }
    }
    let known = AGAINST_THE_ORDER.iter().map(|(edge, _)| (*edge).to_owned()).collect();
    assert_eq!(wrong, known);
}

#[test]
fn no_file_is_too_long_and_each_says_what_it_is_for() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files() {
        let lines = text.lines().count();
        if lines > LINES_MAX && !LONG_FILES.iter().any(|(long, _)| *long == path) {
            wrong.push(format!("{path} has {lines} lines"));
        }
        let tests = path.ends_with("tests.rs");
        if !tests && !text.starts_with("//!") && !text.starts_with("#![doc") {
            wrong.push(format!("{path} does not begin with `//!`"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_function_is_too_long() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files().iter().filter(|(path, _)| !path.contains("tests")) {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let head = line.trim_start();
            let is_fn = head.starts_with("fn ")
                || head.contains(" fn ") && (head.starts_with("pub") || head.starts_with("async"));
            // A declaration in a trait has no body to measure.
            if !is_fn || head.starts_with("//") || head.ends_with(';') {
                continue;
            }
            let close = format!("{}}}", " ".repeat(indent));
            let Some(end) = lines[at..].iter().position(|line| *line == close) else { continue };
            let name = head.split("fn ").nth(1).and_then(|rest| rest.split(['(', '<']).next());
            let name = format!("{path}: {}", name.unwrap_or_default());
            let known = LONG_FUNCTIONS.iter().any(|(long, _)| *long == name);
            if end + 1 > FUNCTION_LINES_MAX && !known {
                wrong.push(format!("{name} has {} lines", end + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_banned_is_not_there() {
    // Put together here, so that this file does not hold them.
    let hash_map = ["Hash", "Map"].concat();
    let hash_set = ["Hash", "Set"].concat();
    let to_do = ["TO", "DO"].concat();
    let mut wrong = Vec::new();
    for (path, text) in rust_files() {
        let tests = path.contains("tests") || text.contains("#[cfg(test)]");
        for (at, line) in text.lines().enumerate() {
            let place = format!("{path}:{}: {}", at + 1, line.trim());
            let named = line.contains(&format!("{to_do}("));
            let uses = |name: &str| {
                line.contains(&format!("{name}<")) || line.contains(&format!("{name}::"))
            };
            if uses(&hash_map) || uses(&hash_set) {
                wrong.push(format!("a map without order: {place}"));
            }
            if line.contains(&to_do) && !named {
                wrong.push(format!("nobody's name: {place}"));
            }
            if !tests && line.contains(".unwrap()") {
                wrong.push(format!("no invariant: {place}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn modules_are_named_by_what_they_hold() {
    let banned = ["core", "common", "util", "utils", "helpers", "types", "models", "manager"];
    for (path, _) in rust_files() {
        let parts = path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
        let named: Vec<_> = parts.filter(|part| banned.contains(part)).collect();
        assert!(named.is_empty(), "{path}");
    }
}

#[test]
fn every_provider_is_a_folder_and_a_crate_of_its_name() {
    for entry in fs::read_dir(root().join("providers")).expect("the folder of providers") {
        let path = entry.expect("a folder entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let manifest = fs::read_to_string(path.join("Cargo.toml")).expect("a manifest");
        assert!(manifest.contains(&format!("name = \"dsenv-{name}\"")), "{name}");
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace");
    assert!(manifest.contains("members = [\"providers/*\""), "a new provider needs no edit");
}
