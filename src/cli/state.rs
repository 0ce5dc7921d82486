//! `dsenv state ...`: looks at the state, and mends it.

use super::Exit;
use super::apply::consent;
use super::setting::{Setting, address};
use crate::diag::{Code, Diagnostic};
use crate::drive::{Problem, Rebuilt, edit_refused};
use crate::report;
use crate::state::edit::{self, EditError};
use crate::state::lease::LeaseError;
use crate::state::{Operation, Outcome};
use crate::store::{History, StoreError};
use clap::Subcommand;
use dsenv_sdk::Addr;
use serde_json::json;

#[derive(Subcommand)]
pub(super) enum Typed {
    /// Lists every node.
    List,
    /// Shows one node.
    Show {
        /// The node.
        #[arg(value_name = "ADDR")]
        address: String,
    },
    /// Gives a resource another name, with everything below it.
    Mv {
        /// What it is called.
        from: String,
        /// What it is to be called.
        to: String,
    },
    /// Forgets a resource and leaves its objects alone.
    Rm {
        /// The resource or node.
        #[arg(value_name = "ADDR")]
        address: String,
    },
    /// Lists the operations, and the generations that are kept.
    History,
    /// Brings an earlier generation of the state back. Changes nothing but the state.
    Restore {
        /// Its serial.
        serial: u64,
    },
    /// Makes a lost state anew from the tags that every object carries.
    ///
    /// Refuses where there is a state with resources. What lived in the state alone is had again from
    /// its history or from the blueprint; a generated secret is lost, and the next apply makes another.
    Rebuild {
        /// Which history to go on with, where objects of several are found.
        #[arg(long, value_name = "NAME")]
        lineage: Option<String>,
        /// Does not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Frees a lock whose holder is gone.
    Unlock {
        /// Also when the holder may still live: it can change nothing afterwards.
        #[arg(long)]
        force: bool,
    },
    /// Encrypts every secret anew, with a new key for this user's identity.
    RotateKey,
}

pub(super) async fn run(setting: &Setting, typed: Typed) -> Result<Exit, Problem> {
    match typed {
        Typed::List => list(setting),
        Typed::Show { address } => show(setting, &address),
        Typed::Mv { from, to } => mv(setting, &from, &to).await,
        Typed::Rm { address } => rm(setting, &address).await,
        Typed::History => history(setting),
        Typed::Restore { serial } => {
            let front = setting.front()?;
            let at = setting.site.restore(&front, serial).await?;
            let text = format!(
                "The state knows again what it knew at serial {serial}, beside what was made or \
                 known since, and has serial {at} now. Nothing else was changed: `dsenv plan` shows \
                 what differs."
            );
            setting.done("state restore", json!({"restored": serial, "serial": at}), &text);
            Ok(Exit::Done)
        }
        Typed::Rebuild { lineage, yes } => rebuild(setting, lineage.as_deref(), yes).await,
        Typed::Unlock { force } => unlock(setting, force),
        Typed::RotateKey => {
            let front = setting.front()?;
            setting.site.rotate_key(&front).await?;
            setting.done("state rotate-key", json!({}), "Every secret is encrypted anew.");
            Ok(Exit::Done)
        }
    }
}

async fn rebuild(setting: &Setting, lineage: Option<&str>, yes: bool) -> Result<Exit, Problem> {
    let compiled = setting.compile()?;
    let mut approve = |rebuilt: &Rebuilt| {
        setting.show(&report::taking::rebuilt(rebuilt));
        consent(yes, "Make this the state?")
    };
    let rebuilt = setting.site.rebuild(&compiled, lineage, &mut approve).await?;
    let facts = report::taking::rebuilt_json(&rebuilt);
    let Some(serial) = rebuilt.serial else {
        return setting.declined("state rebuild", facts, yes);
    };
    let text = format!(
        "The state is made anew and has serial {serial}. `dsenv plan` shows what differs from the \
         blueprint."
    );
    setting.done("state rebuild", facts, &text);
    Ok(Exit::Done)
}

fn list(setting: &Setting) -> Result<Exit, Problem> {
    let front = setting.front()?;
    let loaded = setting.site.load(&front)?;
    setting
        .answer(|| report::state::list_json(&loaded.state), || report::state::list(&loaded.state));
    Ok(Exit::Done)
}

fn unknown(addr: &Addr) -> Problem {
    edit_refused(EditError::NotThere(addr.clone()))
}

fn show(setting: &Setting, typed: &str) -> Result<Exit, Problem> {
    let addr = address(typed)?;
    let front = setting.front()?;
    let loaded = setting.site.load(&front)?;
    let resource = loaded.state.resources.get(&addr).ok_or_else(|| unknown(&addr))?;
    let is_protected = loaded.state.protected.iter().any(|owner| owner.covers(&addr));
    setting.answer(
        || report::state::show_json(&addr, resource, is_protected),
        || report::state::show(&addr, resource, is_protected, &setting.style(true)),
    );
    Ok(Exit::Done)
}

async fn mv(setting: &Setting, from: &str, to: &str) -> Result<Exit, Problem> {
    let (from, to) = (address(from)?, address(to)?);
    let front = setting.front()?;
    setting.site.rename(&front, &from, &to).await?;
    let facts = json!({"from": from.to_string(), "to": to.to_string()});
    setting.done("state mv", facts, &format!("`{from}` is `{to}` now."));
    Ok(Exit::Done)
}

async fn rm(setting: &Setting, typed: &str) -> Result<Exit, Problem> {
    let addr = address(typed)?;
    let front = setting.front()?;
    let target = addr.clone();
    setting
        .site
        .edit(&front, "state rm", 0, move |state| {
            edit::forget(state, &target).map_err(edit_refused)
        })
        .await?;
    let text = format!(
        "`{addr}` is forgotten. Its objects are still there, and nobody looks after them now."
    );
    setting.done("state rm", json!({"address": addr.to_string()}), &text);
    Ok(Exit::Done)
}

fn history(setting: &Setting) -> Result<Exit, Problem> {
    let front = setting.front()?;
    let history = setting.site.store(&front)?.read_history()?;
    let rows: Vec<_> = history.operations.iter().rev().map(|done| row(&history, done)).collect();
    setting.answer(|| report::history::json(&rows), || report::history::text(&rows));
    Ok(Exit::Done)
}

fn row(history: &History, done: &Operation) -> report::history::Row {
    let outcome = match done.outcome {
        Outcome::Done => "done",
        Outcome::Partly => "partly",
        Outcome::Failed => "failed",
        Outcome::Interrupted => "interrupted",
    };
    report::history::Row {
        serial: done.serial_after,
        operation: done.id.clone(),
        started: done.started.to_string(),
        who: format!("{}@{}", done.user, done.host),
        outcome: outcome.to_owned(),
        command_line: done.command_line.clone(),
        kept: history.generations.iter().any(|kept| kept.serial == done.serial_after),
    }
}

fn unlock(setting: &Setting, force: bool) -> Result<Exit, Problem> {
    let front = setting.front()?;
    let store = setting.site.store(&front)?;
    let freed = if force { store.unlock_by_force() } else { store.unlock() };
    let freed = freed.map_err(|error| match error {
        StoreError::Lease(LeaseError::Held { holder, .. }) => {
            let message = format!("the lock belongs to {holder}, which is alive");
            let help = "wait for it, or end it; `--force` takes the lock from it all the same";
            Problem::refused(Diagnostic::error(Code::E0801, message).help(help))
        }
        error => error.into(),
    })?;
    let text = match &freed {
        Some(holder) => format!("The lock of {holder} is freed."),
        None => "Nobody holds the lock.".to_owned(),
    };
    let holder =
        freed.map(|holder| json!({"user": holder.user, "host": holder.host, "pid": holder.pid}));
    setting.done("state unlock", json!({"holder": holder}), &text);
    Ok(Exit::Done)
}
