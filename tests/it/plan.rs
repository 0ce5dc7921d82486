//! The planner against a checker that knows nothing of how it works: on small graphs with every mix
//! of changes, each rule that stands at the head of `plan` holds of each pair of steps.

use crate::lab::Lab;
use dsenv::diff::{Action, Mode, Wishes};
use dsenv::plan::{Plan, Verb};
use dsenv::state::State;
use dsenv_fake::{CallMatch, Values, What};
use dsenv_sdk::Addr;
use dsenv_sdk::schema::ReplaceOrder;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// One resource of a random blueprint.
#[derive(Clone, Debug)]
struct Node {
    there: bool,
    named: bool,
    input: u8,
    replace_on: u8,
    order: Option<bool>,
    /// For each node before it, whether it needs that: by a reference, or by `depends_on`.
    needs: Vec<Option<bool>>,
}

fn node(at: usize) -> impl Strategy<Value = Node> {
    let need = prop_oneof![3 => Just(None), 2 => Just(Some(true)), 1 => Just(Some(false))];
    (
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.3),
        0u8..2,
        0u8..2,
        prop_oneof![2 => Just(None), 1 => Just(Some(true)), 1 => Just(Some(false))],
        prop::collection::vec(need, at),
    )
        .prop_map(|(there, named, input, replace_on, order, needs)| Node {
            there,
            named,
            input,
            replace_on,
            order,
            needs,
        })
}

fn graph() -> impl Strategy<Value = Vec<Node>> {
    (node(0), node(1), node(2), node(3), node(4), node(5))
        .prop_map(|(a, b, c, d, e, f)| vec![a, b, c, d, e, f])
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// The blueprint of a graph; `turned` counts positions from the other end, so that edges turn round.
fn text(nodes: &[Node], turned: bool) -> String {
    let name = |at: usize| NAMES[if turned { NAMES.len() - 1 - at } else { at }];
    let mut text = String::from("z: {kind: value, input: 0}\n");
    for (at, node) in nodes.iter().enumerate().filter(|(_, node)| node.there) {
        let needs = |kind: bool| {
            let chosen = node.needs.iter().enumerate();
            let chosen = chosen.filter(|(to, need)| **need == Some(kind) && nodes[*to].there);
            chosen.map(|(to, _)| name(to)).collect::<Vec<_>>()
        };
        let refs: Vec<_> =
            needs(true).iter().map(|to| format!("r{to}: \"${{{to}.output.n}}\"")).collect();
        let mut input = format!("n: {}", node.input);
        if node.named {
            write!(input, ", name: {}", name(at)).expect("a text grows");
        }
        for part in refs {
            write!(input, ", {part}").expect("a text grows");
        }
        write!(
            text,
            "{}: {{kind: value, input: {{{input}}}, replace_on: {}, depends_on: [{}]",
            name(at),
            node.replace_on,
            needs(false).join(", ")
        )
        .expect("a text grows");
        if let Some(create_first) = node.order {
            let word = if create_first { "create_first" } else { "delete_first" };
            write!(text, ", lifecycle: {{replace: {word}}}").expect("a text grows");
        }
        text.push_str("}\n");
    }
    text
}

/// Everything that the rules ask of pairs of steps, by looking at each pair.
fn broken_rules(plan: &Plan, state: &State) -> Vec<String> {
    let reach = reachable(plan);
    let mut broken = Vec::new();
    let changes: BTreeMap<&Addr, _> = plan.changes.iter().map(|c| (&c.addr, c)).collect();
    let deletes = |verb: &Verb| matches!(verb, Verb::Delete { .. } | Verb::Forget);
    for (late, late_step) in plan.steps.iter().enumerate() {
        for (early, early_step) in plan.steps.iter().enumerate() {
            let mut must = |rule: &str| {
                if !reach[late].contains(&early) {
                    broken.push(format!("{rule}: {late_step:?} after {early_step:?}"));
                }
            };
            let (is, was) = (&late_step.addr, &early_step.addr);
            let needs_now =
                plan.nodes[is].depends_on.contains(was) && !changes[is].after.is_empty();
            let needed = |a: &Addr, b: &Addr| {
                state.resources.get(a).is_some_and(|prior| prior.depends_on.contains(b))
            };
            let delete_first = |addr: &Addr| {
                let change = changes[addr];
                change.action == Action::Replace && change.order == ReplaceOrder::DeleteFirst
            };
            let create_first =
                |addr: &Addr| changes[addr].action == Action::Replace && !delete_first(addr);
            match (deletes(&late_step.verb), deletes(&early_step.verb)) {
                (false, false) if needs_now => must("made after what it needs"),
                (true, true) if needed(was, is) => must("deleted after what needed it"),
                (false, true) if is == was && delete_first(is) => must("delete first"),
                (true, false) if is == was && create_first(is) => must("create first"),
                (true, false) if is != was => {
                    // What stood on it lets go by its own delete, or by this change, unless that
                    // comes later for a reason.
                    let too_late = reach[early].contains(&late);
                    if needed(was, is) && !delete_first(was) && !too_late {
                        must("deleted after who lets go");
                    }
                }
                _ => {}
            }
        }
    }
    broken
}

/// For each step, every step that comes before it; panics on a cycle.
fn reachable(plan: &Plan) -> Vec<BTreeSet<usize>> {
    let direct = |at: usize| plan.steps[at].after.iter().map(|n| *n as usize);
    let mut reach: Vec<BTreeSet<usize>> =
        (0..plan.steps.len()).map(|at| direct(at).collect()).collect();
    for _ in 0..plan.steps.len() {
        for at in 0..reach.len() {
            let more: BTreeSet<usize> =
                reach[at].iter().flat_map(|n| reach[*n].iter().copied()).collect();
            reach[at].extend(more);
        }
    }
    for (at, before) in reach.iter().enumerate() {
        assert!(!before.contains(&at), "a cycle through {:?}\n{}", plan.steps[at], steps_of(plan));
    }
    reach
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// From any graph to any other, and on from where a failure left it.
    #[test]
    fn every_plan_keeps_the_rules_and_can_be_obeyed(
        first in graph(),
        second in graph(),
        turned in any::<bool>(),
        failing in 0u32..12,
    ) {
        let mut lab = Lab::of(Values::Objects);
        lab.apply(&text(&first, false));
        let goal = text(&second, turned);
        let plan = lab.plan(&goal).plan;
        prop_assert_eq!(broken_rules(&plan, &lab.state()), Vec::<String>::new());
        lab.cloud.inject(CallMatch::default().nth(failing).fails(What::Quota));
        lab.write(&goal);
        // A read that fails refuses the run; a step that fails leaves something in between.
        let _ = lab.run();
        lab.cloud.clear_faults();
        let plan = lab.plan(&goal).plan;
        prop_assert_eq!(broken_rules(&plan, &lab.state()), Vec::<String>::new());
        // A fixed name under something that is create-first is a contradiction of the blueprint.
        if !goal.contains("name: ") {
            lab.apply_and_settle(&goal);
        }
        let wishes = Wishes { mode: Mode::Destroy, ..Wishes::default() };
        let plan = lab.with_wishes(wishes, |lab| lab.plan(&goal).plan);
        prop_assert_eq!(broken_rules(&plan, &lab.state()), Vec::<String>::new());
        prop_assert!(crate::lab::outcome(lab.destroy()).is_complete());
        prop_assert!(lab.cloud.objects().is_empty());
    }
}

fn steps_of(plan: &Plan) -> String {
    let line = |(at, step): (usize, &dsenv::plan::Step)| {
        let verb = format!("{:?}", step.verb);
        let verb = verb.split_whitespace().next().unwrap_or_default().to_owned();
        let change = plan.changes.iter().find(|change| change.addr == step.addr).expect("a change");
        let (action, order) = (change.action, change.order);
        format!("{at} {} {verb} after {:?} ({action:?} {order:?})\n", step.addr, step.after)
    };
    plan.steps.iter().enumerate().map(line).collect()
}
