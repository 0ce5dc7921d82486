//! What `adopt` and `state rebuild` take over, and what they leave.

use super::table;
use crate::diff::Action;
use crate::drive::{Adoption, Fate, How, Kept, Left, Planned, Rebuilt, Taken, Taking};
use dsenv_sdk::Addr;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Renders what an adoption would take, before anybody is asked.
pub fn adoption(adoption: &Adoption) -> String {
    let Taking { taken, left, .. } = &adoption.outcome;
    let mut text = String::new();
    if taken.is_empty() && left.is_empty() {
        text.push_str("The state knows everything that carries the tags of this environment.\n");
    }
    add_taken(&mut text, taken);
    add_left(&mut text, left);
    if !left.is_empty() {
        text.push_str(
            "`dsenv adopt --surplus` takes these too: the next plan deletes them, and asks where they \
             hold data.\n",
        );
    }
    add_others(&mut text, &adoption.others);
    text
}

/// Renders what a rebuilt state would hold, before anybody is asked.
pub fn rebuilt(rebuilt: &Rebuilt) -> String {
    let Taking { taken, left, state_only } = &rebuilt.outcome;
    let binding = &rebuilt.binding;
    let mut text = format!(
        "Lineage `{}`, account `{}`, region `{}`.\n\n",
        rebuilt.lineage, binding.account, binding.region
    );
    add_taken(&mut text, taken);
    for kept in state_only {
        text.push_str(&format!("`{}` ({}) {}.\n", kept.addr, kept.ty, fate_words(kept)));
    }
    add_left(&mut text, left);
    if !left.is_empty() {
        text.push_str(
            "Afterwards, `dsenv adopt --surplus` takes these for the next plan to delete.\n",
        );
    }
    add_others(&mut text, &rebuilt.others);
    if let Some(next) = &rebuilt.next {
        add_next(&mut text, next);
    }
    text
}

/// Makes the facts of `adopt --json`.
pub fn adoption_json(adoption: &Adoption) -> Json {
    let Taking { taken, left, .. } = &adoption.outcome;
    json!({
        "done": adoption.done,
        "taken": taken.iter().map(taken_json).collect::<Vec<_>>(),
        "left": left.iter().map(left_json).collect::<Vec<_>>(),
        "other_lineages": adoption.others,
    })
}

/// Makes the facts of `state rebuild --json`.
pub fn rebuilt_json(rebuilt: &Rebuilt) -> Json {
    let Taking { taken, left, state_only } = &rebuilt.outcome;
    json!({
        "done": rebuilt.serial.is_some(),
        "serial": rebuilt.serial,
        "lineage": rebuilt.lineage,
        "account": rebuilt.binding.account,
        "region": rebuilt.binding.region,
        "taken": taken.iter().map(taken_json).collect::<Vec<_>>(),
        "state_only": state_only.iter().map(kept_json).collect::<Vec<_>>(),
        "left": left.iter().map(left_json).collect::<Vec<_>>(),
        "other_lineages": rebuilt.others,
        "next": rebuilt.next.as_ref().map(|next| next_json(next)),
    })
}

fn add_taken(text: &mut String, taken: &[Taken]) {
    if taken.is_empty() {
        return;
    }
    let row = |taken: &Taken| {
        let owned = &taken.owned;
        let words = how_words(taken.how).to_owned();
        vec![owned.addr.to_string(), owned.ty.clone(), owned.remote_id.clone(), words]
    };
    let headings = ["ADDRESS", "TYPE", "ID", "TAKEN AS"];
    text.push_str(&table::table(&headings, taken.iter().map(row).collect()));
    text.push('\n');
}

fn how_words(how: How) -> &'static str {
    match how {
        How::Current => "its object",
        How::SecretLost => "its object; its secret cannot be read: the next apply gives it another",
        How::Unfinished => "its object, unfinished: the next apply finishes it",
        How::Stray => "not in the blueprint: the next plan deletes it",
        How::Surplus => "one too many: the next plan deletes it",
    }
}

fn how_name(how: How) -> &'static str {
    match how {
        How::Current => "current",
        How::SecretLost => "secret_lost",
        How::Unfinished => "unfinished",
        How::Stray => "stray",
        How::Surplus => "surplus",
    }
}

fn fate_words(kept: &Kept) -> String {
    match &kept.fate {
        Fate::FromHistory => "is as the history has it".to_owned(),
        Fate::Computed => "is computed anew from the blueprint".to_owned(),
        Fate::Lost(takers) => {
            let lost = "is lost: it was kept in the state alone, and the next apply makes another";
            if takers.is_empty() {
                return lost.to_owned();
            }
            format!("{lost}; {} it", with_verb(&names(takers), takers.len(), "takes", "take"))
        }
    }
}

fn with_verb(names: &str, count: usize, one: &str, many: &str) -> String {
    format!("{names} {}", if count == 1 { one } else { many })
}

fn names(addrs: &[Addr]) -> String {
    addrs.iter().map(|addr| format!("`{addr}`")).collect::<Vec<_>>().join(", ")
}

fn add_left(text: &mut String, left: &[Left]) {
    for Left { owned, why } in left {
        text.push_str(&format!("Not taken: `{}` ({}) {why}.\n", owned.remote_id, owned.ty));
    }
}

fn add_others(text: &mut String, others: &BTreeMap<String, usize>) {
    for (lineage, count) in others {
        let objects = if *count == 1 { "object" } else { "objects" };
        text.push_str(&format!(
            "{count} {objects} of lineage `{lineage}` carry the tags of this environment too; they \
             belong to another state, and are left alone. Where that one is lost and there is no other, \
             `dsenv state rebuild` makes it anew.\n"
        ));
    }
}

/// What the plan after a rebuild does, by what is done.
const DONE: [(Action, &str); 5] = [
    (Action::Create, "create"),
    (Action::Update, "update"),
    (Action::Replace, "replace"),
    (Action::Delete, "delete"),
    (Action::Resume, "finish"),
];

fn done(next: &Planned, action: Action) -> Vec<Addr> {
    let changes = next.plan.changes.iter().filter(|change| change.action == action);
    changes.map(|change| change.addr.clone()).collect()
}

fn add_next(text: &mut String, next: &Planned) {
    let parts: Vec<String> = DONE
        .iter()
        .map(|(action, word)| (word, done(next, *action)))
        .filter(|(_, addrs)| !addrs.is_empty())
        .map(|(word, addrs)| format!("{word} {}", names(&addrs)))
        .collect();
    match parts.is_empty() {
        true => text.push_str("The next plan changes nothing.\n"),
        false => text.push_str(&format!("The next plan would {}.\n", parts.join("; "))),
    }
    for verdict in next.verdicts.iter() {
        text.push_str(&format!(
            "It is refused until you decide: {} [{}].\n",
            verdict.message, verdict.code
        ));
        for help in &verdict.help {
            text.push_str(&format!("  {help}\n"));
        }
    }
}

fn next_json(next: &Planned) -> Json {
    let listed = |action| done(next, action).iter().map(Addr::to_string).collect::<Vec<_>>();
    let changes = DONE.iter().map(|(action, word)| ((*word).to_owned(), json!(listed(*action))));
    let refused: Vec<_> = next
        .verdicts
        .iter()
        .map(|it| json!({"code": it.code.as_str(), "address": it.address, "message": it.message}))
        .collect();
    let mut document: serde_json::Map<String, Json> = changes.collect();
    document.insert("verdicts".to_owned(), json!(refused));
    Json::Object(document)
}

fn taken_json(taken: &Taken) -> Json {
    let owned = &taken.owned;
    json!({"address": owned.addr.to_string(), "type": owned.ty, "remote_id": owned.remote_id,
        "as": how_name(taken.how)})
}

fn left_json(left: &Left) -> Json {
    let Left { owned, why } = left;
    json!({"address": owned.addr.to_string(), "type": owned.ty, "remote_id": owned.remote_id,
        "why": why})
}

fn kept_json(kept: &Kept) -> Json {
    let (fate, takers) = match &kept.fate {
        Fate::FromHistory => ("from_history", &[][..]),
        Fate::Computed => ("computed", &[][..]),
        Fate::Lost(takers) => ("lost", &takers[..]),
    };
    let takers: Vec<_> = takers.iter().map(Addr::to_string).collect();
    json!({"address": kept.addr.to_string(), "type": kept.ty, "fate": fate, "taken_by": takers})
}
