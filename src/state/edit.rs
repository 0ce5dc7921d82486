//! Edits of the state alone: another name, forgetting, protection.
//!
//! In: a state and what is asked. Out: the state changed, or a refusal and the state as it was. What
//! lives in the cloud is not touched; [`crate::store::Store::edit`] makes an operation of it.

use super::State;
use dsenv_sdk::Addr;
use dsenv_sdk::addr::{Key, Part};
use dsenv_sdk::provider::GRANT;

/// Why an edit is refused. The state is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Nothing has this address.
    #[error("the state has no `{0}`")]
    NotThere(Addr),
    /// Something has the new name.
    #[error("the state has `{0}` already")]
    Taken(Addr),
    /// A part of a resource was named.
    #[error("a resource is renamed whole, with everything below it")]
    Part,
    /// It is protected, under this address.
    #[error("`{addr}` is protected")]
    Protected {
        /// What was asked for.
        addr: Addr,
        /// The entry that protects it, or a part of it.
        by: Addr,
    },
    /// Nothing protects it.
    #[error("`{0}` is not protected")]
    NotProtected(Addr),
}

/// Renames a resource, its parts, and what is said of it elsewhere in the state.
///
/// The objects keep the tokens that they were made with. Generations of either name go on from the
/// higher count: whoever gets a name later must not be answered with an object that had it before.
pub fn rename(state: &mut State, from: &Addr, to: &Addr) -> Result<(), EditError> {
    if from.part.is_some() || to.part.is_some() {
        return Err(EditError::Part);
    }
    // A resource with `for_each` goes with all its members, and each keeps its key.
    let whole = from.key.is_none() && to.key.is_none();
    let belongs = |addr: &Addr| addr.owner() == *from || whole && from.covers(addr);
    let moved: Vec<Addr> = state.resources.keys().filter(|addr| belongs(addr)).cloned().collect();
    if moved.is_empty() {
        return Err(EditError::NotThere(from.clone()));
    }
    if state.resources.keys().any(|addr| to.covers(addr)) {
        return Err(EditError::Taken(to.clone()));
    }
    let own = |addr: &Addr| {
        if !belongs(addr) {
            return addr.clone();
        }
        let key = if whole { addr.key.clone() } else { to.key.clone() };
        Addr { name: to.name.clone(), key, part: addr.part.clone() }
    };
    // A grant is named after what it is to, by whoever uses it.
    let renamed = |addr: &Addr| {
        let mut addr = own(addr);
        if let Some(Part { name, key: Some(Key::Text(target)) }) = &mut addr.part
            && **name == *GRANT
            && let Ok(known) = target.parse::<Addr>()
        {
            *target = own(&known).to_string().into();
        }
        addr
    };
    let users = state.resources.keys().filter(|addr| renamed(addr) != **addr && !belongs(addr));
    let moved: Vec<Addr> = moved.into_iter().chain(users.cloned()).collect();
    for addr in moved {
        let resource = state.remove(&addr).expect("it was just listed");
        state.put(renamed(&addr), resource);
    }
    for resource in state.resources.values_mut() {
        resource.depends_on = resource.depends_on.iter().map(&renamed).collect();
    }
    // A member that its whole resource protected is protected under its new name too.
    let stays_protected = state.protected.iter().any(|entry| entry.covers(from));
    state.protected = state.protected.iter().map(&renamed).collect();
    if stays_protected {
        state.protected.insert(to.clone());
    }
    Ok(())
}

/// Forgets a resource, member or node, and leaves its objects alone. Refused when any of it is
/// protected.
pub fn forget(state: &mut State, addr: &Addr) -> Result<(), EditError> {
    let protects = |entry: &&Addr| entry.covers(addr) || addr.covers(entry);
    if let Some(by) = state.protected.iter().find(protects) {
        return Err(EditError::Protected { addr: addr.clone(), by: by.clone() });
    }
    let gone: Vec<Addr> =
        state.resources.keys().filter(|known| addr.covers(known)).cloned().collect();
    if gone.is_empty() {
        return Err(EditError::NotThere(addr.clone()));
    }
    for addr in gone {
        state.remove(&addr);
    }
    Ok(())
}

/// Protects a resource or member that is there. A second time changes nothing.
pub fn protect(state: &mut State, addr: &Addr) -> Result<(), EditError> {
    if !state.resources.keys().any(|known| addr.covers(known)) {
        return Err(EditError::NotThere(addr.clone()));
    }
    state.protected.insert(addr.clone());
    Ok(())
}

/// Takes the protection of a resource away, with that of each of its members.
pub fn unprotect(state: &mut State, addr: &Addr) -> Result<(), EditError> {
    let before = state.protected.len();
    state.protected.retain(|entry| !addr.covers(entry));
    if state.protected.len() == before {
        return Err(EditError::NotProtected(addr.clone()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Resource;

    fn addr(text: &str) -> Addr {
        text.parse().expect("an address")
    }

    fn state(addrs: &[&str], protected: &[&str]) -> State {
        let mut state = State::empty("demo", "test");
        for text in addrs {
            state.put(addr(text), resource(1));
        }
        state.protected = protected.iter().map(|text| addr(text)).collect();
        state
    }

    fn resource(generation: u64) -> Resource {
        Resource {
            kind: "value".to_owned(),
            ty: "dsenv.value".to_owned(),
            provider: "fake".to_owned(),
            generation,
            current: None,
            deposed: Vec::new(),
            depends_on: Default::default(),
            create_first: false,
            on_destroy: dsenv_sdk::provider::OnDestroy::Delete,
        }
    }

    #[test]
    fn a_name_that_was_given_away_never_counts_from_one_again() {
        let mut state = state(&["a"], &[]);
        state.retired.insert(addr("b"), 7);
        rename(&mut state, &addr("a"), &addr("b")).expect("b is free");
        assert_eq!(state.next_generation(&addr("a")), 2);
        assert_eq!(state.next_generation(&addr("b")), 8);
    }

    #[test]
    fn grants_and_members_go_along() {
        let mut state =
            state(&["db", "m", "m.grant[\"db\"]", "w[\"x\"]", "w[\"y\"]"], &["w[\"x\"]"]);
        rename(&mut state, &addr("db"), &addr("store")).expect("it is free");
        rename(&mut state, &addr("w"), &addr("v")).expect("it is free");
        let names: Vec<String> = state.resources.keys().map(Addr::to_string).collect();
        assert_eq!(names, ["m", "m.grant[\"store\"]", "store", "v[\"x\"]", "v[\"y\"]"]);
        assert!(state.protected.contains(&addr("v[\"x\"]")));
    }

    #[test]
    fn what_is_protected_as_a_member_is_not_forgotten_with_its_resource() {
        let mut state = state(&["w[\"x\"]", "w[\"y\"]"], &["w[\"x\"]"]);
        let before = state.clone();
        let refused = forget(&mut state, &addr("w")).expect_err("a member is protected");
        assert_eq!(refused, EditError::Protected { addr: addr("w"), by: addr("w[\"x\"]") });
        assert_eq!(state, before);
        forget(&mut state, &addr("w[\"y\"]")).expect("it is not protected");
    }

    #[test]
    fn protection_of_the_whole_goes_along_with_a_member() {
        let mut state = state(&["w[\"x\"]", "w[\"y\"]"], &["w"]);
        rename(&mut state, &addr("w[\"x\"]"), &addr("y")).expect("y is free");
        assert_eq!(state.protected, [addr("w"), addr("y")].into());
    }

    #[test]
    fn unprotecting_the_whole_unprotects_each_member() {
        let mut state = state(&["w[\"x\"]"], &["w[\"x\"]"]);
        unprotect(&mut state, &addr("w")).expect("a member is protected");
        assert!(state.protected.is_empty());
        assert_eq!(unprotect(&mut state, &addr("w")), Err(EditError::NotProtected(addr("w"))));
    }

    #[test]
    fn a_name_is_not_given_over_members_that_have_it() {
        let mut state = state(&["a", "w[\"x\"]"], &[]);
        let refused = rename(&mut state, &addr("a"), &addr("w")).expect_err("w has a member");
        assert_eq!(refused, EditError::Taken(addr("w")));
    }
}
