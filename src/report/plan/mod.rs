//! A plan as text: what happens, why, and what it does to data; the most dangerous first.
//!
//! ```text
//! -/+ features (database): replaced, the old one is deleted first, because `version` differs
//!     ! the data of the old one is deleted
//!       version: "17" -> "18"
//!   ~ notebook (machine): changed, because `packages` differs
//!       + packages: "pandas"
//!     + grant["lake"] (local.grant): created
//! ```
//! The sign says it without colour, the words without the sign. A thousand alike are one block and a
//! number; what is deleted or replaced with its data is always named.

mod blocks;
mod leaves;

use super::style::{Ink, wrap};
use super::{Detail, Style, words};
use crate::diff::{Action, Mode, Reason};
use crate::plan::Plan;
use crate::plan::view::{self, Entry, Summary};
use blocks::{Aside, Block, Line, Rank};
use dsenv_sdk::Addr;
use dsenv_sdk::provider::DataFate;
use dsenv_sdk::schema::ReplaceOrder;
use leaves::{Leaf, What};
use unicode_width::UnicodeWidthStr;

/// How many blocks of one rank a brief report shows; more are named in one line. Data has no limit.
const BLOCKS_MAX: usize = 20;
/// How many names that line has.
const NAMES_MAX: usize = 10;
/// How many differences of one node a brief report shows.
const LEAVES_MAX: usize = 12;

/// Renders a plan. Ends with one line that counts everything; verdicts are not in it.
pub fn plan(plan: &Plan, style: &Style) -> String {
    let entries = view::entries(plan);
    let summary = view::summary(&entries);
    let (blocks, aside) = blocks::blocks(plan, &entries, style);
    let mut page = Page { style, text: String::new(), is_cut: false };
    if !blocks.is_empty() {
        page.heading(plan);
        page.blocks(&blocks);
        page.line("", Ink::None, "", 0);
    }
    page.notes(plan, &aside);
    page.summary(plan, &summary, blocks.is_empty());
    page.text
}

/// The text so far. Methods add whole lines.
struct Page<'s> {
    style: &'s Style,
    text: String,
    /// Whether something is named or counted instead of shown.
    is_cut: bool,
}

impl Page<'_> {
    /// Adds `lead`, painted, and a text behind it, broken into lines that hang `indent` columns in.
    fn line(&mut self, lead: &str, ink: Ink, text: &str, indent: usize) {
        let lines = wrap(text, lead.width(), indent, self.style.width);
        self.text.push_str(&self.style.paint(ink, lead));
        self.text.push_str(&lines.join("\n"));
        self.text.push('\n');
    }

    fn heading(&mut self, plan: &Plan) {
        let bound = &plan.bound;
        let mut text = format!("{} in {}", bound.blueprint, bound.environment);
        if let Some(binding) = &bound.binding {
            let (provider, account) = (&binding.provider, &binding.account);
            let region = &binding.region;
            text.push_str(&format!(" on {provider}, account {account}, region {region}"));
        }
        self.line("", Ink::None, &text, 2);
        self.line("", Ink::None, "", 0);
    }

    fn blocks(&mut self, blocks: &[Block<'_>]) {
        let mut rest = blocks;
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|block| block.rank == first.rank).count();
            let (of_rank, others) = rest.split_at(same);
            let all = self.style.detail == Detail::Full || first.rank == Rank::Data;
            // One more block is no longer than saying that there is one more.
            let max = if all || same <= BLOCKS_MAX + 1 { same } else { BLOCKS_MAX };
            for block in &of_rank[..max] {
                self.block(block);
            }
            if max < same {
                self.more(&of_rank[max..]);
            }
            rest = others;
        }
    }

    /// Names what is not shown.
    fn more(&mut self, blocks: &[Block<'_>]) {
        let (sign, ink) = sign(&blocks[0].lines[0].entry);
        let members = blocks.iter().flat_map(|b| std::iter::once(&b.owner).chain(&b.alike));
        let names: Vec<String> = members.map(Addr::to_string).collect();
        let what = what(&blocks[0].lines[0].entry);
        let what = what.split(',').next().unwrap_or_default();
        let text = format!(
            "{} more {what}: {}",
            words::number(names.len()),
            words::some(&names, NAMES_MAX)
        );
        self.line(&format!("{sign:>3} "), ink, &text, 6);
        self.is_cut = true;
    }

    fn block(&mut self, block: &Block<'_>) {
        let main = block.lines.iter().find(|line| line.entry.change.addr.part.is_none());
        let kind = &block.lines[0].entry.change.kind;
        match main {
            Some(line) => {
                let (sign, ink) = sign(&line.entry);
                let text = format!("({kind}): {}", what(&line.entry));
                self.line(&format!("{sign:>3} {} ", block.owner), ink, &text, 6);
                self.details(line, 4);
            }
            None => {
                let text = format!("({kind}): in its parts only");
                self.line(&format!("    {} ", block.owner), Ink::Strong, &text, 6);
            }
        }
        self.parts(block, main);
        if !block.alike.is_empty() {
            let names: Vec<String> = block.alike.iter().map(Addr::to_string).collect();
            let max = if block.rank == Rank::Data { names.len() } else { NAMES_MAX };
            self.is_cut = true;
            let number = words::number(names.len());
            let text = format!("and {number} more in the same way: {}", words::some(&names, max));
            self.line("    ", Ink::None, &text, 6);
        }
    }

    /// Parts that fare as their resource does are named; the others have lines of their own.
    fn parts(&mut self, block: &Block<'_>, main: Option<&Line<'_>>) {
        let mut with = Vec::new();
        for line in &block.lines {
            let entry = &line.entry;
            let is_main = main.is_some_and(|main| std::ptr::eq(main, line));
            if is_main {
                continue;
            }
            let name = part_name(&block.owner, &entry.change.addr);
            let follows = main.is_some_and(|main| {
                matches!(entry.action, Action::Create | Action::Delete)
                    && (entry.action, entry.reason) == (main.entry.action, main.entry.reason)
            });
            if follows && self.style.detail == Detail::Brief {
                with.push(name);
                continue;
            }
            let (sign, ink) = sign(entry);
            let text = match entry.change.addr.part {
                Some(_) => format!("({}): {}", entry.change.ty, what(entry)),
                None => format!("too: {}", what(entry)),
            };
            self.line(&format!("  {sign:>3} {name} "), ink, &text, 8);
            self.details(line, 6);
        }
        if !with.is_empty() {
            let text = format!("with {}", words::some(&with, NAMES_MAX));
            self.line("    ", Ink::None, &text, 6);
        }
    }

    /// What becomes of the data, what drifted, and what differs.
    fn details(&mut self, line: &Line<'_>, indent: usize) {
        if let Some(warning) = data(&line.entry) {
            self.line(&format!("{:indent$}! {warning}", ""), Ink::Danger, "", indent + 2);
        }
        let wins = match line.entry.action {
            Action::NoOp => "",
            _ => "; the blueprint wins",
        };
        for leaf in &line.drift {
            self.leaf(&format!("{:indent$}  drift: ", ""), leaf, wins);
        }
        let max = match self.style.detail {
            Detail::Brief if line.leaves.len() > LEAVES_MAX + 1 => LEAVES_MAX,
            Detail::Brief | Detail::Full => line.leaves.len(),
        };
        let is_new = line.entry.action == Action::Create;
        for leaf in &line.leaves[..max] {
            let sign = match leaf.what {
                What::Added(_) if !is_new => "+ ",
                What::Removed(_) => "- ",
                What::Added(_) | What::Changed(..) => "",
            };
            self.leaf(&format!("{:indent$}  {sign}", ""), leaf, "");
        }
        let hidden = line.leaves.len() - max;
        if hidden > 0 {
            self.is_cut = true;
            let text = format!("... {} more", words::number(hidden));
            self.line(&format!("{:indent$}  ", ""), Ink::None, &text, indent + 4);
        }
    }

    /// One difference: on one line when it fits, else the two values below each other.
    fn leaf(&mut self, lead: &str, leaf: &Leaf, end: &str) {
        let ink = match leaf.what {
            What::Added(_) => Ink::Good,
            What::Removed(_) => Ink::Bad,
            What::Changed(..) => Ink::Change,
        };
        let (old, new) = match &leaf.what {
            What::Added(text) | What::Removed(text) => (None, text),
            What::Changed(old, new) => (Some(old), new),
        };
        let arrow = old.map(|old| format!("{old} -> ")).unwrap_or_default();
        let whole = format!("{lead}{}: {arrow}{new}{end}", leaf.path);
        if whole.width() <= self.style.width {
            let painted = self.style.paint(ink, &format!("{lead}{}:", leaf.path));
            self.text.push_str(&format!("{painted} {arrow}{new}{end}\n"));
            return;
        }
        let indent = " ".repeat(lead.len() + 2);
        self.text.push_str(&self.style.paint(ink, &format!("{lead}{}:", leaf.path)));
        self.text.push('\n');
        if let Some(old) = old {
            self.text.push_str(&format!("{indent}   {old}\n{indent}-> {new}{end}\n"));
        } else {
            self.text.push_str(&format!("{indent}{new}{end}\n"));
        }
    }

    fn notes(&mut self, plan: &Plan, aside: &Aside) {
        let mut notes = Vec::new();
        if !plan.not_locked.is_empty() {
            notes.push(format!(
                "Not locked yet: {}. `dsenv apply` pins it first.",
                words::some(&plan.not_locked, NAMES_MAX)
            ));
        }
        if !plan.protect.is_empty() {
            let names: Vec<String> = plan.protect.iter().map(Addr::to_string).collect();
            notes.push(format!("Protected by this plan: {}.", words::some(&names, NAMES_MAX)));
        }
        if aside.ignored > 0 {
            notes.push(format!(
                "{} changed outside of dsenv that `lifecycle.ignore` leaves alone.",
                words::count(aside.ignored, "argument")
            ));
        }
        if aside.unused > 0 {
            notes.push(format!(
                "{} changed that nothing uses; `--json` lists them.",
                words::count(aside.unused, "attribute")
            ));
        }
        if self.is_cut {
            notes.push("`--full` shows what is only counted here.".to_owned());
        }
        for note in notes {
            self.line("", Ink::None, &note, 2);
        }
    }

    /// The last line. `is_quiet` says that there is nothing above it.
    fn summary(&mut self, plan: &Plan, summary: &Summary, is_quiet: bool) {
        let Summary { create, update, replace, delete, forget, unchanged, left_out } = *summary;
        let mut parts = Vec::new();
        for (count, what) in [
            (create, "to create"),
            (update, "to update"),
            (replace, "to replace"),
            (delete, "to delete"),
            (forget, "to forget"),
        ] {
            if count > 0 {
                parts.push(format!("{} {what}", words::number(count)));
            }
        }
        if parts.is_empty() {
            let text = match plan.mode {
                _ if !is_quiet => "Nothing is changed; the state takes over what was seen.",
                Mode::Apply => "No changes. What is there is what the blueprint says.",
                Mode::Destroy => "No changes. There is nothing to destroy.",
                Mode::RefreshOnly => "No changes. What is there is what the state says.",
            };
            self.line("", Ink::None, text, 0);
            return;
        }
        if unchanged > 0 {
            parts.push(format!("{} unchanged", words::number(unchanged)));
        }
        if left_out > 0 {
            parts.push(format!("{} left out", words::number(left_out)));
        }
        self.line("Plan: ", Ink::Strong, &format!("{}.", parts.join(", ")), 6);
    }
}

/// What stands in front, and its colour.
fn sign(entry: &Entry<'_>) -> (&'static str, Ink) {
    match (entry.action, entry.change.order) {
        (Action::Create | Action::Resume, _) => ("+", Ink::Good),
        (Action::Update, _) => ("~", Ink::Change),
        (Action::Replace, ReplaceOrder::DeleteFirst) => ("-/+", Ink::Danger),
        (Action::Replace, ReplaceOrder::CreateFirst) => ("+/-", Ink::Danger),
        (Action::Delete, _) => ("-", Ink::Danger),
        (Action::Forget, _) => (".", Ink::Change),
        (Action::NoOp, _) => ("*", Ink::Change),
    }
}

/// What is done and why, in words; what comes first stands before a comma.
pub(in crate::report) fn what(entry: &Entry<'_>) -> String {
    let done = match (entry.action, entry.reason) {
        (Action::Create, Reason::New) => return "create".to_owned(),
        (Action::Create, _) => "create again",
        (Action::Update, _) => "change",
        (Action::Replace, _) => match entry.change.order {
            ReplaceOrder::DeleteFirst => "replace, deleting the old one first",
            ReplaceOrder::CreateFirst => "replace, creating the new one first",
        },
        (Action::Delete, Reason::Deposed) => "delete its old object",
        (Action::Delete, _) => "delete",
        (Action::Forget, Reason::GoneOutside) => "forget",
        (Action::Forget, _) => "forget, and leave it as it is",
        (Action::Resume, _) => "finish creating",
        (Action::NoOp, _) => return "changed outside of dsenv".to_owned(),
    };
    format!("{done}, because {}", why(entry.reason, entry.action))
}

fn why(reason: &Reason, action: Action) -> String {
    let fields = |fields: &[String]| {
        let names: Vec<String> = fields.iter().map(|name| format!("`{name}`")).collect();
        words::and(&names)
    };
    match reason {
        Reason::New => "the blueprint has it".to_owned(),
        Reason::Changed(names) => {
            format!("{} {}", fields(names), if names.len() == 1 { "differs" } else { "differ" })
        }
        Reason::Drifted(names) => format!("{} changed outside of dsenv", fields(names)),
        Reason::GoneOutside => "it was deleted outside of dsenv".to_owned(),
        Reason::Tainted => "its creation did not finish well".to_owned(),
        Reason::ReplaceOutstanding => {
            "its old object is gone and the new one was not made".to_owned()
        }
        Reason::Interrupted if action == Action::Resume => {
            "its creation was interrupted".to_owned()
        }
        Reason::Interrupted => "it was interrupted before".to_owned(),
        Reason::Requested => "`--replace` names it".to_owned(),
        Reason::BlockGone => "the blueprint no longer has it".to_owned(),
        Reason::Destroy => "the environment is destroyed".to_owned(),
        Reason::Deposed => "it was replaced before".to_owned(),
        Reason::Same => "nothing differs".to_owned(),
        Reason::LeftOut => "it is left out".to_owned(),
    }
}

/// What becomes of data, when some is at stake.
fn data(entry: &Entry<'_>) -> Option<&'static str> {
    if !entry.holds_data() {
        return None;
    }
    match (entry.action, entry.fate) {
        (Action::Replace, Some(DataFate::Delete)) => Some("the data of the old one is deleted"),
        (Action::Replace, _) => {
            Some("a last snapshot of the old one is kept; its data moves nowhere")
        }
        (Action::Delete, Some(DataFate::Delete)) => Some("its data is deleted with it"),
        (Action::Delete, _) => Some("a last snapshot of its data is kept"),
        _ => None,
    }
}

fn part_name(owner: &Addr, addr: &Addr) -> String {
    let (owner, addr) = (owner.to_string(), addr.to_string());
    addr.strip_prefix(&owner).map_or(addr.clone(), |part| part.trim_start_matches('.').to_owned())
}
