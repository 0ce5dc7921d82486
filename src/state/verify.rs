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
    let mut tokens: BTreeMap<&Token, &Addr> = BTreeMap::new();
    for (addr, resource) in &state.resources {
        verify_resource(addr, resource, &mut problems);
        for object in objects(resource) {
            if let Some(other) = tokens.insert(&object.token, addr) {
                let token = &object.token;
                problems.push(format!("`{addr}` and `{other}` share the token {token}"));
            }
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
/// dependencies away until none is left (Kahn).
fn in_a_cycle(resources: &BTreeMap<Addr, Resource>) -> Option<&Addr> {
    let mut open: BTreeMap<&Addr, usize> = BTreeMap::new();
    let mut dependants: BTreeMap<&Addr, Vec<&Addr>> = BTreeMap::new();
    for (addr, resource) in resources {
        let there = resource.depends_on.iter().filter(|target| resources.contains_key(target));
        open.insert(addr, 0);
        for target in there {
            *open.get_mut(addr).expect("it was inserted above") += 1;
            dependants.entry(target).or_default().push(addr);
        }
    }
    let mut free: Vec<&Addr> =
        open.iter().filter(|(_, count)| **count == 0).map(|(addr, _)| *addr).collect();
    while let Some(addr) = free.pop() {
        open.remove(addr);
        for dependant in dependants.remove(addr).unwrap_or_default() {
            let count = open.get_mut(dependant).expect("it waits for this one");
            *count -= 1;
            if *count == 0 {
                free.push(dependant);
            }
        }
    }
    open.keys().next().copied()
}
