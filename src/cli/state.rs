//! `dsenv state ...`: looks at the state, and mends it.

use super::setting::{Setting, address};
use super::{Exit, terminal};
use crate::diag::{Code, Diagnostic};
use crate::drive::Problem;
use crate::report;
use crate::state::{Operation, Outcome};
use crate::store::History;
use clap::Subcommand;
use dsenv_sdk::Addr;

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
            terminal::out(&format!(
                "The state is what it was at serial {serial}, and has serial {at} now. Nothing \
                 else was changed: `dsenv plan` shows what differs.\n"
            ));
            Ok(Exit::Done)
        }
        Typed::Unlock { force } => unlock(setting, force),
        Typed::RotateKey => {
            let front = setting.front()?;
            setting.site.rotate_key(&front).await?;
            terminal::out("Every secret is encrypted anew.\n");
            Ok(Exit::Done)
        }
    }
}

fn list(setting: &Setting) -> Result<Exit, Problem> {
    let front = setting.front()?;
    let loaded = setting.site.load(&front)?;
    setting
        .answer(|| report::state::list_json(&loaded.state), || report::state::list(&loaded.state));
    Ok(Exit::Done)
}

fn unknown(addr: &Addr) -> Problem {
    let message = format!("the state has no `{addr}`");
    Problem::refused(Diagnostic::error(Code::E0814, message))
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
    let (old, new) = (from.clone(), to.clone());
    setting.site.edit(&front, "state mv", 0, move |state| rename(state, &old, &new)).await?;
    terminal::out(&format!("`{from}` is `{to}` now.\n"));
    Ok(Exit::Done)
}

/// Renames a resource, its parts, and what is said of it elsewhere in the state.
fn rename(state: &mut crate::state::State, from: &Addr, to: &Addr) -> Result<(), Problem> {
    if from.part.is_some() || to.part.is_some() {
        let message = "a resource is renamed whole, with everything below it";
        return Err(Problem::refused(Diagnostic::error(Code::E0814, message)));
    }
    let moved: Vec<Addr> =
        state.resources.keys().filter(|addr| addr.owner() == *from).cloned().collect();
    if moved.is_empty() {
        return Err(unknown(from));
    }
    if state.resources.keys().any(|addr| addr.owner() == *to) {
        let message = format!("the state has `{to}` already");
        return Err(Problem::refused(Diagnostic::error(Code::E0814, message)));
    }
    let renamed = |addr: &Addr| {
        if addr.owner() == *from {
            Addr { part: addr.part.clone(), ..to.clone() }
        } else {
            addr.clone()
        }
    };
    for addr in moved {
        let resource = state.resources.remove(&addr).expect("it was just listed");
        state.put(renamed(&addr), resource);
    }
    for resource in state.resources.values_mut() {
        resource.depends_on = resource.depends_on.iter().map(&renamed).collect();
    }
    state.protected = state.protected.iter().map(&renamed).collect();
    Ok(())
}

async fn rm(setting: &Setting, typed: &str) -> Result<Exit, Problem> {
    let addr = address(typed)?;
    let front = setting.front()?;
    let target = addr.clone();
    setting
        .site
        .edit(&front, "state rm", 0, move |state| {
            if state.protected.iter().any(|protected| protected.covers(&target)) {
                let message = format!("`{target}` is protected");
                let help = format!("`dsenv unprotect '{target}'` first");
                return Err(Problem::refused(Diagnostic::error(Code::E0808, message).help(help)));
            }
            let gone: Vec<Addr> =
                state.resources.keys().filter(|known| target.covers(known)).cloned().collect();
            if gone.is_empty() {
                return Err(unknown(&target));
            }
            for addr in gone {
                state.remove(&addr);
            }
            Ok(())
        })
        .await?;
    terminal::out(&format!(
        "`{addr}` is forgotten. Its objects are still there, and nobody looks after them now.\n"
    ));
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
    let freed = if force { store.unlock_by_force()? } else { store.unlock()? };
    terminal::out(&match freed {
        Some(holder) => format!("The lock of {holder} is freed.\n"),
        None => "Nobody holds the lock.\n".to_owned(),
    });
    Ok(Exit::Done)
}
