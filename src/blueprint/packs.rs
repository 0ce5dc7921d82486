//! The packs of rules that come with dsenv: `policies: [{pack: encryption}]`.
//!
//! A pack is a file below `templates/policies/`, in the language of blueprints and with the rules that
//! users write, so that whoever wants another rule reads it, copies it and changes it. `takes` lists
//! what `with:` may give it; what is nothing there must be given.

use super::policies::{self, Policy};
use super::{items_of, mapping};
use crate::diag::{Findings, Source};
use crate::yaml::{self, Node};
use dsenv_sdk::value;

macro_rules! packs {
    ($($name:literal,)*) => {
        /// Every pack, by name, with its text.
        pub const PACKS: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../templates/policies/", $name, ".yaml"))),)*
        ];
    };
}

packs! {
    "budget",
    "encryption",
    "exposure",
    "lifetime",
    "regions",
    "tags",
    "tiers",
}

/// A pack as its file has it.
pub(super) struct Pack {
    pub(super) name: &'static str,
    /// What it may be given, with what it takes instead.
    pub(super) takes: value::Map,
    pub(super) policies: Vec<Policy>,
}

/// Finds a pack and reads it.
pub(super) fn find(name: &str) -> Option<Pack> {
    let (name, text) = PACKS.iter().find(|(known, _)| *known == name)?;
    let (pack, findings) = read(name, text);
    assert!(findings.is_empty(), "the test of the packs reads each: {findings:?}");
    pack
}

fn read(name: &'static str, text: &str) -> (Option<Pack>, Findings) {
    let source = Source::new(name, text);
    let (node, mut findings) = yaml::parse(&source);
    let body = node.as_ref().and_then(Node::as_map);
    let pack = body.map(|body| {
        let takes = body.value("takes").and_then(policies::literal);
        let takes = takes.and_then(|takes| takes.as_map().cloned()).unwrap_or_default();
        let mut policies = Vec::new();
        for item in items_of(body, "policies", &mut findings) {
            let Some(rule) = mapping(item, "policies", &mut findings) else { continue };
            policies.extend(policies::read_rule(item, rule, &mut findings));
        }
        Pack { name, takes, policies }
    });
    (pack, findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr;

    #[test]
    fn every_pack_reads_and_says_what_each_rule_is_about() {
        assert!(PACKS.is_sorted_by_key(|(name, _)| name));
        for (name, text) in PACKS {
            let (pack, findings) = read(name, text);
            assert!(findings.is_empty(), "{name}: {findings:#?}");
            let pack = pack.expect("it is a mapping");
            assert!(!pack.policies.is_empty(), "{name}");
            for policy in &pack.policies {
                expr::compile_rule(&policy.rule.text).expect("it compiles");
                assert!(policy.message.is_some() && policy.help.is_some(), "{name}: {policy:?}");
            }
        }
    }
}
