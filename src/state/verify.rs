//! The integrity check of a state: what must hold of any belief, whatever the cloud says.
//!
//! It is run before every write and after every read. A state that fails is written all the same,
//! since losing it would be worse; dsenv refuses to start from it.

use super::wire::value::unwritable;
use super::{Object, Resource, State};
use dsenv_sdk::Addr;
use dsenv_sdk::provider::Token;
use std::collections::{BTreeMap, BTreeSet};

/// Returns every broken invariant as a sentence; none for a sound state.
pub fn verify(state: &State) -> Vec<String> {
    let mut problems = Vec::new();
    if state.lineage.is_empty() && !state.resources.is_empty() {
        problems.push("there are resources and no lineage".to_owned());
    }
    let mut tokens: Vec<(&Token, &Addr)> = Vec::with_capacity(state.resources.len());
    for (addr, resource) in &state.resources {
        verify_resource(addr, resource, &mut problems);
        for object in objects(resource) {
            tokens.push((&object.token, addr));
        }
        for target in &resource.depends_on {
            if !state.resources.contains_key(target) {
                problems.push(format!("`{addr}` depends on `{target}`, which is not there"));
            }
        }
        if addr.to_string().parse().as_ref() != Ok(addr) {
            problems.push(format!("the address `{addr}` cannot be read back"));
        }
    }
    tokens.sort_unstable();
    for pair in tokens.windows(2) {
        let [(token, first), (again, other)] = pair else { unreachable!("windows of two") };
        if token == again {
            problems.push(format!("`{other}` and `{first}` share the token {token}"));
        }
    }
    if let Some(reason) = unwritable(&state.outputs) {
        problems.push(format!("an output cannot be read back: {reason}"));
    }
    if let Some(addr) = in_a_cycle(&state.resources) {
        problems.push(format!("`{addr}` depends on itself, over others or at once"));
    }
    problems
}

fn objects(resource: &Resource) -> impl Iterator<Item = &Object> {
    resource.current.iter().chain(&resource.deposed)
}

fn verify_resource(addr: &Addr, resource: &Resource, problems: &mut Vec<String>) {
    let mut generations = BTreeSet::new();
    for object in objects(resource) {
        let generation = object.generation;
        if generation == 0 || generation > resource.generation {
            let last = resource.generation;
            problems.push(format!("`{addr}` has generation {generation}, and the last is {last}"));
        }
        if !generations.insert(generation) {
            problems.push(format!("`{addr}` has two objects of generation {generation}"));
        }
        if object.token.as_str().is_empty() {
            problems.push(format!("`{addr}` has an object without a token"));
        }
        let values = unwritable(&object.args).or_else(|| unwritable(&object.observed.values));
        if let Some(reason) = values {
            problems.push(format!("a value of `{addr}` cannot be read back: {reason}"));
        }
    }
}

/// Returns a node that no order of creation has a place for. Takes nodes without open
/// dependencies away until none is left (Kahn). Counts by position: a state of 10,000 nodes is
/// checked on every read and write.
fn in_a_cycle(resources: &BTreeMap<Addr, Resource>) -> Option<&Addr> {
    let addrs: Vec<&Addr> = resources.keys().collect();
    let mut waits = vec![0usize; addrs.len()];
    let mut dependants: Vec<Vec<usize>> = vec![Vec::new(); addrs.len()];
    for (at, resource) in resources.values().enumerate() {
        for target in &resource.depends_on {
            if let Ok(target) = addrs.binary_search(&target) {
                waits[at] += 1;
                dependants[target].push(at);
            }
        }
    }
    let mut free: Vec<usize> = (0..addrs.len()).filter(|at| waits[*at] == 0).collect();
    while let Some(at) = free.pop() {
        for dependant in std::mem::take(&mut dependants[at]) {
            waits[dependant] -= 1;
            if waits[dependant] == 0 {
                free.push(dependant);
            }
        }
    }
    waits.iter().position(|waits| *waits > 0).map(|at| addrs[at])
}
