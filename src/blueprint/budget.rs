//! The budget of an environment: what it may cost in a month, as a whole, by tier and by owner.
//!
//! `budget: 4000 USD/month`, or
//!
//! ```yaml
//! budget:
//!   total: 4000 USD/month
//!   tiers: {job: 1000 USD/month}
//!   owners: {ada@example.org: 500 USD/month}
//!   missing: the price of the database is agreed by hand     # why a missing price may be passed over
//! ```

use super::{mapping, refuse_unknown_keys};
use crate::diag::{Code, Diagnostic, Findings, Span};
use crate::yaml::{Map, Node};
use dsenv_sdk::kinds::TIERS;
use dsenv_sdk::prices::Money;
use std::collections::BTreeMap;

/// What an environment may cost in a month.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// As a whole.
    pub total: Option<Money>,
    /// By part of the platform.
    pub tiers: BTreeMap<String, Money>,
    /// By who answers for it.
    pub owners: BTreeMap<String, Money>,
    /// Why a price that nobody knows is no reason to refuse.
    pub waived: Option<String>,
    /// Where it stands.
    pub span: Span,
}

const KEYS: &[&str] = &["total", "tiers", "owners", "missing"];

/// Reads a budget; `None` with errors among the findings.
pub(super) fn read(node: &Node, findings: &mut Findings) -> Option<Budget> {
    let nothing = Budget {
        total: None,
        tiers: BTreeMap::new(),
        owners: BTreeMap::new(),
        waived: None,
        span: node.span,
    };
    let Some(map) = node.as_map() else {
        return Some(Budget { total: Some(amount(node, findings)?), ..nothing });
    };
    refuse_unknown_keys(map, KEYS, "a budget", findings);
    let total = map.value("total").map(|node| amount(node, findings));
    let tiers = amounts(map, "tiers", findings);
    for (name, span) in tiers.keys().map(|name| (name, node.span)) {
        if !TIERS.contains(&name.as_str()) {
            let message = format!("there is no tier `{name}`");
            let help = format!("tiers are {}", TIERS.join(", "));
            findings.push(Diagnostic::error(Code::E0205, message).at(span).help(help));
        }
    }
    let waived = map.value("missing").and_then(|reason| {
        let said = reason.as_text().filter(|text| !text.trim().is_empty());
        if said.is_none() {
            let message = "`missing` is the reason why a missing price may be passed over";
            findings.push(Diagnostic::error(Code::E0207, message).at(reason.span));
        }
        said.map(str::to_owned)
    });
    let owners = amounts(map, "owners", findings);
    Some(Budget { total: total.flatten(), tiers, owners, waived, ..nothing })
}

fn amounts(map: &Map, key: &str, findings: &mut Findings) -> BTreeMap<String, Money> {
    let Some(node) = map.value(key) else { return BTreeMap::new() };
    let Some(entries) = mapping(node, key, findings) else { return BTreeMap::new() };
    let read = entries.iter().map(|it| (it.key.clone(), amount(&it.value, findings)));
    read.filter_map(|(name, amount)| Some((name, amount?))).collect()
}

fn amount(node: &Node, findings: &mut Findings) -> Option<Money> {
    let text = node.as_text().and_then(|text| text.trim().strip_suffix("/month"));
    let amount = text.and_then(|text| text.trim().parse::<Money>().ok());
    let amount = amount.filter(|money| !money.amount.is_sign_negative());
    if amount.is_none() {
        let message = "a budget is an amount a month, with its currency";
        let wrong = Diagnostic::error(Code::E0207, message).at(node.span);
        findings.push(wrong.help("write `4000 USD/month`"));
    }
    amount
}
