//! The entries of a plan, put together as people think of them: one block a resource, its parts in it,
//! the most dangerous first, members that fare alike as one.

use super::leaves::{self, Leaf};
use crate::diff::{Action, Mode};
use crate::plan::Plan;
use crate::plan::view::Entry;
use crate::report::{Detail, Style};
use dsenv_sdk::schema::ReplaceOrder;
use dsenv_sdk::value::Map;
use dsenv_sdk::{Addr, Value};
use std::collections::BTreeMap;

/// How many characters of one value a brief report shows at most, and at least.
const TEXT_MAX: usize = 60;
const TEXT_MIN: usize = 20;
/// How many columns beside the value its line needs: indentation, quotes, the length in brackets.
const TEXT_BESIDE: usize = 38;

/// What a block is about, the most dangerous first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Something that holds data is deleted or replaced.
    Data,
    Delete,
    Replace,
    Forget,
    Update,
    Resume,
    Create,
    /// Nothing is done, and something was seen to differ.
    Drift,
}

/// One resource and what happens to it and its parts.
pub(super) struct Block<'a> {
    pub(super) owner: Addr,
    pub(super) rank: Rank,
    pub(super) lines: Vec<Line<'a>>,
    /// Other members of the same `for_each` that fare alike.
    pub(super) alike: Vec<Addr>,
}

/// One entry with what differs in it.
pub(super) struct Line<'a> {
    pub(super) entry: Entry<'a>,
    pub(super) leaves: Vec<Leaf>,
    /// Arguments that were changed outside, or attributes that somebody takes.
    pub(super) drift: Vec<Leaf>,
}

/// What is only counted.
#[derive(Default)]
pub(super) struct Aside {
    /// Attributes that changed and that nothing takes.
    pub(super) unused: usize,
    /// Arguments that changed and are left alone by `lifecycle.ignore`.
    pub(super) ignored: usize,
}

/// Puts the entries together. Blocks of one rank stand in the order of the plan.
pub(super) fn blocks<'a>(
    plan: &'a Plan,
    entries: &[Entry<'a>],
    style: &Style,
) -> (Vec<Block<'a>>, Aside) {
    let mut aside = Aside::default();
    let mut positions: BTreeMap<Addr, usize> = BTreeMap::new();
    let mut blocks: Vec<Block<'a>> = Vec::new();
    for entry in entries {
        let drift = drift(plan, entry, style, &mut aside);
        if entry.action == Action::NoOp && drift.is_empty() {
            continue;
        }
        let line = Line { leaves: differences(entry, style), entry: entry.clone(), drift };
        let rank = rank(entry);
        let owner = entry.change.addr.owner();
        if let Some(at) = positions.get(&owner) {
            let block = &mut blocks[*at];
            block.rank = block.rank.min(rank);
            block.lines.push(line);
        } else {
            positions.insert(owner.clone(), blocks.len());
            blocks.push(Block { owner, rank, lines: vec![line], alike: Vec::new() });
        }
    }
    for block in &mut blocks {
        block.lines.sort_by(|a, b| a.entry.change.addr.cmp(&b.entry.change.addr));
    }
    blocks.sort_by_key(|block| block.rank);
    match style.detail {
        Detail::Brief => (put_together(blocks), aside),
        Detail::Full => (blocks, aside),
    }
}

fn rank(entry: &Entry<'_>) -> Rank {
    match entry.action {
        Action::Delete | Action::Replace if entry.holds_data() => Rank::Data,
        Action::Delete => Rank::Delete,
        Action::Replace => Rank::Replace,
        Action::Forget => Rank::Forget,
        Action::Update => Rank::Update,
        Action::Resume => Rank::Resume,
        Action::Create => Rank::Create,
        Action::NoOp => Rank::Drift,
    }
}

fn text_max(style: &Style) -> usize {
    match style.detail {
        Detail::Brief => style.width.saturating_sub(TEXT_BESIDE).clamp(TEXT_MIN, TEXT_MAX),
        Detail::Full => usize::MAX,
    }
}

/// What differs in the arguments. Of what is deleted or forgotten only a full report tells them.
fn differences(entry: &Entry<'_>, style: &Style) -> Vec<Leaf> {
    let nothing = Map::new();
    let before = entry.change.before.as_ref().unwrap_or(&nothing);
    let text_max = text_max(style);
    match entry.action {
        Action::Create => leaves::leaves(&nothing, &entry.change.after, text_max),
        Action::Update | Action::Replace => leaves::leaves(before, &entry.change.after, text_max),
        Action::Delete | Action::Forget
            if style.detail == Detail::Full && entry.deposed.is_none() =>
        {
            leaves::leaves(before, &BTreeMap::new(), text_max)
        }
        Action::Delete | Action::Forget | Action::Resume | Action::NoOp => Vec::new(),
    }
}

/// What was changed outside and matters; the rest is counted.
fn drift(plan: &Plan, entry: &Entry<'_>, style: &Style, aside: &mut Aside) -> Vec<Leaf> {
    let change = entry.change;
    let mut shown = Vec::new();
    if entry.deposed.is_some() {
        return shown;
    }
    for drift in &change.drift {
        let is_argument = change.after.contains_key(&drift.name)
            || change.before.as_ref().is_some_and(|before| before.contains_key(&drift.name));
        if plan.mode != Mode::RefreshOnly {
            if !drift.relevant {
                aside.unused += 1;
                continue;
            }
            // The differ would have changed it back, were it not to be ignored.
            if is_argument && entry.action == Action::NoOp {
                aside.ignored += 1;
                continue;
            }
        }
        let (before, after): (&Value, &Value) = (&drift.before, &drift.after);
        shown.extend(leaves::of_values(&drift.name, before, after, text_max(style)));
    }
    shown
}

/// Makes one block of neighbours that are members of one `for_each` and fare alike.
fn put_together(blocks: Vec<Block<'_>>) -> Vec<Block<'_>> {
    let mut together: Vec<Block<'_>> = Vec::new();
    let mut at: BTreeMap<String, usize> = BTreeMap::new();
    for block in blocks {
        if block.owner.key.is_none() {
            together.push(block);
            continue;
        }
        let signature = signature(&block);
        match at.get(&signature) {
            Some(first) => together[*first].alike.push(block.owner),
            None => {
                at.insert(signature, together.len());
                together.push(block);
            }
        }
    }
    together
}

/// What two members must have in common: everything but their key and their values.
fn signature(block: &Block<'_>) -> String {
    let mut text = format!("{} {:?}", block.owner.name, block.rank);
    for line in &block.lines {
        let Entry { change, action, reason, fate, deposed } = &line.entry;
        let order = change.order == ReplaceOrder::CreateFirst;
        let part = &change.addr.part;
        text.push_str(&format!(
            "\n{part:?} {} {action:?} {reason:?} {fate:?} {} {order}",
            change.ty,
            deposed.is_some(),
        ));
        for leaf in line.leaves.iter().chain(&line.drift) {
            text.push(' ');
            text.push_str(&leaf.path);
        }
    }
    text
}
