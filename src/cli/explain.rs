//! `dsenv explain CODE`, and the text of a pack of policies.

use super::{Exit, setting::Setting, terminal};
use crate::blueprint::PACKS;
use crate::diag::Code;
use clap::Args;
use serde_json::json;

#[derive(Args)]
pub(super) struct Typed {
    /// The code, as it stands in brackets behind `error`, or a pack of policies; all codes when absent.
    code: Option<String>,
}

pub(super) fn run(setting: &Setting, typed: &Typed) -> Exit {
    let Some(text) = &typed.code else {
        for code in Code::ALL {
            terminal::out(&format!("{code}  {}\n", code.title()));
        }
        return Exit::Done;
    };
    if let Some((name, rules)) = PACKS.iter().find(|(name, _)| name == text) {
        setting.answer(|| json!({"pack": name, "text": rules}), || (*rules).to_owned());
        return Exit::Done;
    }
    let Some(code) = Code::parse(text) else {
        let near =
            Code::nearest(text).map_or(String::new(), |code| format!("; did you mean {code}?"));
        terminal::err(&format!("error: there is no code `{text}`{near}\n"));
        return Exit::Usage;
    };
    setting.answer(
        || json!({"code": code.as_str(), "title": code.title(), "page": code.page()}),
        || code.page().to_owned(),
    );
    Exit::Done
}
