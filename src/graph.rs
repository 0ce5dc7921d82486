//! Resources and their edges, in an order in which they can be made.
//!
//! In: [`Resolved`]. Out: the addresses in topological order, ties broken by address, or the cycles,
//! each named edge by edge with the place that makes it. Pure.

use crate::diag::{Code, Diagnostic, Findings, Span};
use crate::resolve::{Resolved, Resource};
use crate::yaml::Node;
use dsenv_sdk::Addr;
use std::collections::{BTreeMap, BTreeSet};

/// Returns the resources that one resource needs, for whatever reason.
pub fn needs(resource: &Resource, network: Option<&Addr>) -> BTreeSet<Addr> {
    let mut needed = resource.depends_on.clone();
    needed.extend(resource.uses.iter().map(|used| used.target.clone()));
    needed.extend(network.cloned());
    needed.extend(resource.access.iter().flat_map(|access| access.keys.iter().cloned()));
    for term in resource.fields.values() {
        term.each_ref(&mut |reference| {
            needed.insert(reference.addr.owner());
        });
    }
    needed
}

/// Returns the network that a resource is placed in: the one it names, else the only one there is.
/// Networks themselves, and kinds without the field, are in none.
pub fn network_of(resolved: &Resolved, resource: &Resource) -> Option<Addr> {
    let placed = resource.kind.field("network").is_some() || resource.kind.name == "database";
    if !placed {
        return None;
    }
    let mut networks = resolved.resources.values().filter(|r| r.kind.name == "network");
    match &resource.network {
        Some(name) => networks.map(|r| &r.addr).find(|addr| &*addr.name == name).cloned(),
        None => match (networks.next(), networks.next()) {
            (Some(only), None) => Some(only.addr.clone()),
            _ => None,
        },
    }
}

/// Orders the resources so that each stands behind what it needs. With cycles, the order holds only
/// what is not in one, and each cycle is a finding.
pub fn order(resolved: &Resolved) -> (Vec<Addr>, Findings) {
    let mut findings = Findings::new();
    let mut edges = BTreeMap::new();
    for (addr, resource) in &resolved.resources {
        check_network(resolved, resource, &mut findings);
        let network = network_of(resolved, resource);
        let mut needed = needs(resource, network.as_ref());
        needed.retain(|needed| resolved.resources.contains_key(needed));
        edges.insert(addr.clone(), needed);
    }
    match topological(&edges) {
        Ok(order) => (order, findings),
        Err(cycle) => {
            findings.push(describe(resolved, &cycle));
            (Vec::new(), findings)
        }
    }
}

fn check_network(resolved: &Resolved, resource: &Resource, findings: &mut Findings) {
    let Some(name) = &resource.network else { return };
    if network_of(resolved, resource).is_none() {
        let message = format!("`network` names `{name}`, and there is no such network");
        let span = field_span(resource, "network");
        let unknown = Diagnostic::error(Code::E0303, message).at(span);
        findings.push(unknown.address(resource.addr.to_string()));
    }
}

/// Sorts a graph given as "needs" edges; `Err` is one cycle, each node needing the next and the
/// last the first. Every edge must lead to a node of the graph.
///
/// Linear but for the logarithm of the maps: each node is pushed and popped once.
pub fn topological(edges: &BTreeMap<Addr, BTreeSet<Addr>>) -> Result<Vec<Addr>, Vec<Addr>> {
    let names: Vec<&Addr> = edges.keys().collect();
    let index: BTreeMap<&Addr, usize> = names.iter().enumerate().map(|(at, a)| (*a, at)).collect();
    let needs: Vec<Vec<usize>> =
        edges.values().map(|needed| needed.iter().map(|addr| index[addr]).collect()).collect();
    let mut marks = vec![Mark::New; names.len()];
    let mut order = Vec::with_capacity(names.len());
    for start in 0..names.len() {
        let mut stack = vec![(start, 0)];
        while let Some((node, next)) = stack.pop() {
            if next == 0 {
                if marks[node] == Mark::Done {
                    continue;
                }
                marks[node] = Mark::Open;
            }
            let Some(&needed) = needs[node].get(next) else {
                marks[node] = Mark::Done;
                order.push(names[node].clone());
                continue;
            };
            stack.push((node, next + 1));
            match marks[needed] {
                Mark::New => stack.push((needed, 0)),
                Mark::Done => {}
                Mark::Open => {
                    let from = stack.iter().position(|(node, _)| *node == needed);
                    let from = from.expect("an open node is on the stack");
                    return Err(stack[from..].iter().map(|(n, _)| names[*n].clone()).collect());
                }
            }
        }
    }
    Ok(order)
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    Open,
    Done,
}

/// How many edges of a cycle are told: the way back to the first resource is told in any case.
const EDGES_SHOWN_MAX: usize = 6;

/// Words a cycle edge by edge, of a long one the first edges and the last.
fn describe(resolved: &Resolved, cycle: &[Addr]) -> Diagnostic {
    let told: Vec<usize> = match cycle.len() {
        length if length <= EDGES_SHOWN_MAX => (0..length).collect(),
        length => (0..EDGES_SHOWN_MAX - 1).chain([length - 1]).collect(),
    };
    let mut sentences = Vec::new();
    let mut labels = Vec::new();
    for at in &told {
        let (addr, next) = (&cycle[*at], &cycle[(at + 1) % cycle.len()]);
        let (field, span) = edge(&resolved.resources[addr], next);
        sentences.push(format!("`{addr}.{field}` needs `{next}`"));
        labels.push((span, format!("`{addr}` needs `{next}`")));
    }
    let left_out = cycle.len() - told.len();
    if left_out > 0 {
        let last = sentences.len() - 1;
        sentences.insert(last, format!("and so on over {left_out} more"));
    }
    let message = format!("{}: none of them can be the first", sentences.join(", "));
    let mut diagnostic = Diagnostic::error(Code::E0601, message).at(labels[0].0);
    for (span, text) in labels {
        diagnostic = diagnostic.label(span, text);
    }
    diagnostic.address(cycle[0].to_string()).help(
        "take one of these references away; what both need belongs in an input or a third resource",
    )
}

/// The field that makes an edge, and where it stands.
fn edge(resource: &Resource, to: &Addr) -> (String, Span) {
    for (name, term) in &*resource.fields {
        let mut found = false;
        term.each_ref(&mut |reference| found |= reference.addr.owner() == *to);
        if found {
            return (name.clone(), field_span(resource, name));
        }
    }
    let name =
        if resource.uses.iter().any(|used| &used.target == to) { "uses" } else { "depends_on" };
    (name.to_owned(), field_span(resource, name))
}

/// Where a field of a resource stands; its name when the field is not written.
pub fn field_span(resource: &Resource, field: &str) -> Span {
    let node = resource.node.as_map().and_then(|map| map.value(field));
    node.map_or(resource.span, |node: &Node| node.span)
}

/// Where the value at a path of a resource stands, as far as it is written out.
pub fn path_span(resource: &Resource, path: &[String]) -> Span {
    let Some((first, rest)) = path.split_first() else { return resource.span };
    let Some(mut node) = resource.node.as_map().and_then(|map| map.value(first)) else {
        return resource.span;
    };
    for step in rest {
        let item = || node.as_list()?.get(step.parse::<usize>().ok()?);
        match node.as_map().and_then(|map| map.value(step)).or_else(item) {
            Some(below) => node = below,
            None => break,
        }
    }
    node.span
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(text: &str) -> BTreeMap<Addr, BTreeSet<Addr>> {
        let addr = |name: &str| Addr::resource(name.trim());
        let line = |line: &str| {
            let (from, to) = line.split_once(':').expect("a colon");
            (addr(from), to.split_whitespace().map(addr).collect())
        };
        text.split(';').map(line).collect()
    }

    #[test]
    fn what_is_needed_comes_first() {
        let order = topological(&edges("a: c b; b: d; c: d; d:; e:")).expect("no cycle");
        let order: Vec<_> = order.iter().map(Addr::to_string).collect();
        assert_eq!(order.join(" "), "d b c a e");
    }

    #[test]
    fn a_cycle_is_given_in_order() {
        let cycle = topological(&edges("a: b; b: c; c: d; d: b")).expect_err("a cycle");
        let cycle: Vec<_> = cycle.iter().map(Addr::to_string).collect();
        assert_eq!(cycle.join(" "), "b c d");
    }

    #[test]
    fn a_chain_of_ten_thousand_does_not_exhaust_the_stack() {
        let name = |n: usize| Addr::resource(&format!("n{n}"));
        let mut edges: BTreeMap<Addr, BTreeSet<Addr>> = BTreeMap::new();
        edges.insert(name(0), BTreeSet::new());
        for n in 1..10_000 {
            edges.insert(name(n), BTreeSet::from([name(n - 1)]));
        }
        assert_eq!(topological(&edges).expect("no cycle").len(), 10_000);
    }
}
