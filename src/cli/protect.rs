//! `dsenv protect` and `dsenv unprotect`.

use super::setting::{Setting, address};
use super::{Exit, terminal};
use crate::diag::{Code, Diagnostic};
use crate::drive::Problem;
use clap::Args;

#[derive(Args)]
pub(super) struct Typed {
    /// The resource.
    #[arg(value_name = "ADDR")]
    address: String,
}

/// Which of the two.
#[derive(Clone, Copy)]
pub(super) enum Wish {
    Protect,
    Unprotect,
}

pub(super) async fn run(setting: &Setting, typed: &Typed, wish: Wish) -> Result<Exit, Problem> {
    let addr = address(&typed.address)?.owner();
    let command = match wish {
        Wish::Protect => "protect",
        Wish::Unprotect => "unprotect",
    };
    let front = setting.front()?;
    let target = addr.clone();
    setting
        .site
        .edit(&front, command, 0, move |state| {
            let known = state.resources.keys().any(|known| target.covers(known));
            match wish {
                Wish::Protect if !known => {
                    let message = format!("the state has no `{target}`");
                    return Err(Problem::refused(Diagnostic::error(Code::E0814, message)));
                }
                Wish::Protect => drop(state.protected.insert(target)),
                Wish::Unprotect if !state.protected.remove(&target) => {
                    let message = format!("`{target}` is not protected");
                    return Err(Problem::refused(Diagnostic::error(Code::E0814, message)));
                }
                Wish::Unprotect => {}
            }
            Ok(())
        })
        .await?;
    let word = match wish {
        Wish::Protect => "is protected now",
        Wish::Unprotect => "may be deleted and replaced again",
    };
    if !setting.general.quiet {
        terminal::out(&format!("`{addr}` {word}.\n"));
    }
    Ok(Exit::Done)
}
