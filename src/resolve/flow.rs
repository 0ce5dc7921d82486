//! Where what differs between environments flows: `env.*`, and what `vary` lists.
//!
//! In: a [`Blueprint`], of no environment in particular. Out: one finding for each expression of a FIXED
//! field that such a thing reaches, with the way that it took: through `value` resources, through arguments
//! of others, and through `when` and `for_each`, which decide what there is. Pure.
//!
//! ## What is no flow
//! Attributes (an address, a database's host, the text of a secret) are another thing in every environment
//! by nature. The expression that takes one is the same everywhere, and that is what FIXED asks for. A
//! `value` is no place to stay: what reaches its `input` leaves by its `output`.

use super::vary::class_of;
use crate::blueprint::{Block, Blueprint};
use crate::diag::{Code, Diagnostic, Findings, Source, Span};
use crate::expr::{self, Path};
use crate::yaml::{Node, NodeKind};
use dsenv_sdk::schema::Class;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

/// One text with an expression in it.
struct Leaf<'a> {
    block: &'a Block,
    /// The way to it: the field first.
    path: Vec<String>,
    node: &'a Node,
    /// What it refers to.
    reads: Vec<Path>,
    /// Whether it is more than one plain reference, which there is only beside what it refers to.
    computes: bool,
}

/// How a leaf was reached.
struct Reached {
    /// What reaches it: `env.name`, `inputs.stage`, `features.size`.
    origin: String,
    /// Where that is read, or listed.
    enters: Span,
    /// The leaf before it; `None` for the first.
    before: Option<usize>,
    /// What the leaf refers to, as far as the flow goes.
    reads: Path,
}

/// Finds every flow into a field that is the same in every environment.
pub(super) fn check(source: &Source, blueprint: &Blueprint, findings: &mut Findings) {
    let mut leaves = Vec::new();
    for block in blueprint.resources.values() {
        collect(block, &block.node, &mut Vec::new(), &mut leaves);
    }
    let reached = trace(source, blueprint, &leaves);
    for (at, last) in reached.iter().filter(|(at, _)| is_fixed(&leaves[**at])) {
        findings.push(word(source, &leaves[*at], last, &way(&leaves, &reached, *at)));
    }
}

fn collect<'a>(block: &'a Block, node: &'a Node, path: &mut Path, leaves: &mut Vec<Leaf<'a>>) {
    match &node.kind {
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Int(_) | NodeKind::Float(_) => {}
        NodeKind::Text(text) => {
            // What cannot be read is found by whoever reads it.
            let Ok(Some(compiled)) = expr::compile(text) else { return };
            let computes = compiled.sole_path().is_none();
            let (path, reads) = (path.clone(), compiled.paths().to_vec());
            leaves.push(Leaf { block, path, node, reads, computes });
        }
        NodeKind::List(items) => {
            for (at, item) in items.iter().enumerate() {
                path.push(at.to_string());
                collect(block, item, path, leaves);
                path.pop();
            }
        }
        NodeKind::Map(map) => {
            for entry in map.iter() {
                path.push(entry.key.clone());
                collect(block, &entry.value, path, leaves);
                path.pop();
            }
        }
    }
}

/// Follows every flow, the shortest way first. What reaches a fixed field goes no further: one mistake is
/// one finding.
fn trace(source: &Source, blueprint: &Blueprint, leaves: &[Leaf<'_>]) -> BTreeMap<usize, Reached> {
    let mut of_block: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, leaf) in leaves.iter().enumerate() {
        of_block.entry(&leaf.block.name.text).or_default().push(at);
    }
    let mut readers: Vec<Vec<(usize, &Path)>> = vec![Vec::new(); leaves.len()];
    let mut reached: BTreeMap<usize, Reached> = BTreeMap::new();
    let mut queue = VecDeque::new();
    for (at, leaf) in leaves.iter().enumerate() {
        for read in &leaf.reads {
            let targets = targets(blueprint, leaf, read);
            if let Some((origin, enters)) = origin(source, blueprint, leaf, read, &targets) {
                let first = Reached { origin, enters, before: None, reads: read.clone() };
                if let Entry::Vacant(place) = reached.entry(at) {
                    place.insert(first);
                    queue.push_back(at);
                }
            }
            for (block, path) in &targets {
                for from in of_block.get(block).into_iter().flatten() {
                    if related(&leaves[*from].path, path) {
                        readers[*from].push((at, read));
                    }
                }
            }
        }
    }
    while let Some(from) = queue.pop_front() {
        if is_fixed(&leaves[from]) {
            continue;
        }
        for (to, read) in &readers[from] {
            if reached.contains_key(to) {
                continue;
            }
            let Reached { origin, enters, .. } = &reached[&from];
            let next = Reached {
                origin: origin.clone(),
                enters: *enters,
                before: Some(from),
                reads: (*read).clone(),
            };
            reached.insert(*to, next);
            queue.push_back(*to);
        }
    }
    reached
}

/// Says whether one path leads to the other, or to a part of it.
fn related(one: &[String], other: &[String]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// The fields that a reference takes something of, by block.
fn targets<'a>(
    blueprint: &'a Blueprint,
    leaf: &Leaf<'a>,
    read: &[String],
) -> Vec<(&'a str, Vec<String>)> {
    if read[0] == "each" {
        return vec![(&leaf.block.name.text, vec!["for_each".to_owned()])];
    }
    let Some(block) = blueprint.resources.get(&read[0]) else { return Vec::new() };
    let name = block.name.text.as_str();
    let has = |field: &str| block.node.as_map().is_some_and(|body| body.get(field).is_some());
    // Behind a name with members stands the key of one.
    let rest = &read[1..];
    let rest = if has("for_each") { rest.get(1..).unwrap_or_default() } else { rest };
    let mut targets = Vec::new();
    if let Some((first, below)) = rest.split_first() {
        let field = match (block.kind.name, first.as_str()) {
            ("value", "output") => Some("input"),
            (_, first) => block.kind.field(first).map(|field| field.name),
        };
        targets.extend(field.map(|field| {
            (name, [field.to_owned()].into_iter().chain(below.iter().cloned()).collect())
        }));
    }
    // Whether it is there, or how many there are, can be asked only in something that computes.
    if leaf.computes || rest.is_empty() {
        targets.extend(["when", "for_each"].map(|field| (name, vec![field.to_owned()])));
    }
    targets
}

/// What a reference takes that differs by itself, and where that enters.
fn origin(
    source: &Source,
    blueprint: &Blueprint,
    leaf: &Leaf<'_>,
    read: &[String],
    targets: &[(&str, Vec<String>)],
) -> Option<(String, Span)> {
    let here = || span(source, leaf.node, read);
    match read[0].as_str() {
        "env" => return Some((read.join("."), here())),
        "inputs" => {
            let varied = blueprint.vary.iter().find(|(path, _)| {
                let name = path.strip_prefix("inputs.");
                name.is_some_and(|name| read.get(1).is_none_or(|read| read == name))
            });
            return varied.map(|(path, (listed, _))| (path.clone(), *listed));
        }
        _ => {}
    }
    blueprint.vary.iter().find_map(|(varied, (listed, _))| {
        let steps: Vec<String> = varied.split('.').map(str::to_owned).collect();
        let is_one =
            |(block, path): &(&str, Vec<String>)| steps[0] == *block && related(&steps[1..], path);
        targets.iter().any(is_one).then(|| (varied.clone(), *listed))
    })
}

fn is_fixed(leaf: &Leaf<'_>) -> bool {
    let steps: Vec<&str> = leaf.path.iter().map(String::as_str).collect();
    class_of(leaf.block.kind, &steps) == Ok(Class::Fixed)
}

/// The place of a plain path in its scalar; the whole scalar when it is not written plainly.
fn span(source: &Source, node: &Node, path: &[String]) -> Span {
    let written = path.join(".");
    let found = node.as_text().and_then(|text| text.find(&written));
    found.map_or(node.span, |start| node.text_span(source, start..start + written.len()))
}

/// What a flow goes through, in its order.
fn way(leaves: &[Leaf<'_>], reached: &BTreeMap<usize, Reached>, at: usize) -> Vec<String> {
    let mut way = Vec::new();
    let mut before = reached[&at].before;
    while let Some(at) = before {
        let Leaf { block, path, .. } = &leaves[at];
        let name = &block.name.text;
        way.push(match (block.kind.name, path[0].as_str()) {
            (_, field @ ("when" | "for_each")) => format!("`{field}` of `{name}`"),
            ("value", _) => format!("value `{name}`"),
            (_, field) => format!("`{name}.{field}`"),
        });
        before = reached[&at].before;
    }
    way.reverse();
    way
}

fn word(source: &Source, leaf: &Leaf<'_>, reached: &Reached, through: &[String]) -> Diagnostic {
    let (name, field) = (&leaf.block.name.text, leaf.path.join("."));
    let way = match through {
        [] => String::new(),
        through => format!(", through {}", through.join(", then ")),
    };
    let message = format!(
        "`{}` reaches `{name}.{field}`{way}: a FIXED field of a {}, the same in every environment",
        reached.origin, leaf.block.kind.name
    );
    let found = Diagnostic::error(Code::E0520, message).at(span(source, leaf.node, &reached.reads));
    let found = found.address(name).help(match leaf.path.last().map(String::as_str) {
        Some("run") => "give it as a variable: `environment: {STAGE: \"${env.name}\"}`, and `$STAGE` in `run`",
        _ => "it may reach SCALE, BIND and POLICY fields: counts, sizes, variables, names, protection",
    });
    match reached.before {
        Some(_) => found.label(reached.enters, "it comes from here"),
        None => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blueprint;
    use expect_test::{Expect, expect};

    /// Lists what is found in resources, with `vary` of an input and of two fields.
    fn check(resources: &str, expected: Expect) {
        let yaml = format!(
            "blueprint: t
inputs:
  stage: {{type: string, default: dev}}
  still: {{type: string, default: same}}
  names: {{type: list, default: [a]}}
vary:
  inputs.stage: [dev, prod]
  inputs.names: [[a], [a, b]]
  db.size: [small, large]
  given.input: [one, two]
environments: {{dev: {{provider: local}}}}
resources:
  db: {{kind: database, engine: postgres, version: '18'}}
  given: {{kind: value, input: one}}
{resources}"
        );
        let source = Source::new("dsenv.yaml", yaml);
        let (blueprint, found) = blueprint::parse(&source);
        assert!(found.is_empty(), "{found:#?}");
        let mut findings = Findings::new();
        super::check(&source, &blueprint.expect("it is a blueprint"), &mut findings);
        let lines: Vec<_> = findings
            .iter()
            .map(|found| {
                let at = source.position(found.span.expect("a place").start);
                format!("{} {}:{} {}\n", found.code, at.line, at.column, found.message)
            })
            .collect();
        expected.assert_eq(&lines.concat());
    }

    #[test]
    fn what_differs_reaches_no_fixed_field() {
        check(
            "
  m:
    kind: machine
    image: 'debian-${env.name}'
    software: {python: '${inputs.stage}'}
    services:
      web: {run: 'serve --size ${db.size} ${given.output}', port: 80}
    uses: '${inputs}'
",
            expect![[r#"
                E0520 18:22 `env.name` reaches `m.image`: a FIXED field of a machine, the same in every environment
                E0520 19:27 `inputs.stage` reaches `m.software.python`: a FIXED field of a machine, the same in every environment
                E0520 21:34 `db.size` reaches `m.services.web.run`: a FIXED field of a machine, the same in every environment
                E0520 22:14 `inputs.names` reaches `m.uses`: a FIXED field of a machine, the same in every environment
            "#]],
        );
    }

    #[test]
    fn a_flow_is_followed_and_named_step_by_step() {
        check(
            "
  x: {kind: value, input: {deep: '${env.region}', same: '${inputs.still}'}}
  y: {kind: value, input: 'in ${x.output.deep}'}
  m: {kind: machine, image: '${y.output}'}
  n: {kind: machine, image: '${x.output.same}'}
  all_of: {kind: value, for_each: '${inputs.names}', input: '${each.key}'}
  b: {kind: machine, image: 'i-${all_of[\"a\"].output}'}
  c: {kind: machine, for_each: '${inputs.names}', image: 'i-${each.key}'}
  d: {kind: machine, image: 'i-${size(all_of)}'}
",
            expect![[r#"
                E0520 21:29 `inputs.names` reaches `b.image`, through `for_each` of `all_of`: a FIXED field of a machine, the same in every environment
                E0520 22:63 `inputs.names` reaches `c.image`, through `for_each` of `c`: a FIXED field of a machine, the same in every environment
                E0520 23:39 `inputs.names` reaches `d.image`, through `for_each` of `all_of`: a FIXED field of a machine, the same in every environment
                E0520 18:32 `env.region` reaches `m.image`, through value `x`, then value `y`: a FIXED field of a machine, the same in every environment
            "#]],
        );
    }

    #[test]
    fn whether_a_resource_is_there_flows_too() {
        check(
            "
  only: {kind: value, when: '${env.name == \"prod\"}', input: 1}
  m: {kind: machine, image: '${has(only.output) ? \"a\" : \"b\"}'}
  n: {kind: machine, image: '${only.output}'}
",
            expect![[r#"
                E0520 17:36 `env.name` reaches `m.image`, through `when` of `only`: a FIXED field of a machine, the same in every environment
            "#]],
        );
    }

    #[test]
    fn what_may_differ_takes_what_differs() {
        check(
            "
  net: {kind: network, cidr: '${inputs.stage}'}
  key: {kind: secret, from: '${inputs.stage}'}
  lake: {kind: bucket, tags: {env: '${env.name}'}, expire: [{days: '${db.size}'}], protect: '${env.name == \"prod\"}'}
  m:
    kind: machine
    when: '${env.name == \"prod\"}'
    cpus: '${inputs.stage}'
    environment: {STAGE: '${env.name}', KEY: '${key.value}'}
    services:
      web: {run: 'serve ${key.value} ${db.host}', environment: {STAGE: '${env.name}'}}
",
            expect![""],
        );
    }

    #[test]
    fn the_names_of_variables_are_fixed_and_their_values_are_not() {
        check(
            "
  m: {kind: machine, environment: '${given.output}'}
",
            expect![[r#"
                E0520 16:38 `given.input` reaches `m.environment`: a FIXED field of a machine, the same in every environment
            "#]],
        );
    }
}
