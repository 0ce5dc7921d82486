//! What an hour of this computer comes to, for whoever says what that costs. Pure.
//!
//! There is one computer, however many machines stand on it: each workspace has an equal share of its hours,
//! so that an environment comes to one computer and not to ten.

use dsenv_sdk::Addr;
use dsenv_sdk::cost::{Charge, Costing, MACHINE_HOUR, Planned, Rate, Time};
use dsenv_sdk::prices::Decimal;

/// Shares have so many decimals: as many as the engine keeps of a quantity.
const SHARE_DECIMALS: u32 = 9;

/// Lists the shares of this computer that a resource has. Nobody but its owner has a price for them.
pub(crate) fn charges(costing: &Costing<'_>) -> Vec<Charge> {
    let is_workspace = |node: &Planned<'_>| node.ty.name == crate::kinds::WORKSPACE.name;
    let all: Vec<&Addr> =
        costing.all.values().filter(|node| is_workspace(node)).map(|node| node.addr).collect();
    let rate = Rate::Key(MACHINE_HOUR.to_owned());
    let charge = |node: &Planned<'_>| {
        let first = all.first().is_some_and(|first| *first == node.addr);
        let name = match all.len() {
            1 => "this computer".to_owned(),
            shared => format!("this computer, shared by {shared}"),
        };
        Charge::new(node.addr, &name, Time::Running, rate.clone(), share(all.len(), first))
    };
    costing.nodes.iter().filter(|node| is_workspace(node)).map(charge).collect()
}

/// The share of one of so many; the first has what rounding leaves, so that together they are one.
fn share(of: usize, first: bool) -> Decimal {
    let of = Decimal::from(of.max(1));
    let share = (Decimal::ONE / of).round_dp(SHARE_DECIMALS);
    if first { Decimal::ONE - share * (of - Decimal::ONE) } else { share }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_one_computer_together() {
        for of in 1..40 {
            let sum = (0..of).map(|at| share(of, at == 0)).sum::<Decimal>();
            assert_eq!(sum, Decimal::ONE, "{of}");
        }
    }
}
