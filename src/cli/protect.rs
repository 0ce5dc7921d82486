//! `dsenv protect` and `dsenv unprotect`.

use super::Exit;
use super::setting::{Setting, address};
use crate::drive::{Problem, edit_refused};
use crate::state::edit;
use clap::Args;
use serde_json::json;

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
            let edited = match wish {
                Wish::Protect => edit::protect(state, &target),
                Wish::Unprotect => edit::unprotect(state, &target),
            };
            edited.map_err(edit_refused)
        })
        .await?;
    let word = match wish {
        Wish::Protect => "is protected now",
        Wish::Unprotect => "may be deleted and replaced again",
    };
    let facts = json!({"address": addr.to_string()});
    setting.done(command, facts, &format!("`{addr}` {word}."));
    Ok(Exit::Done)
}
