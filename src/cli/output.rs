//! `dsenv output`: the blueprint's outputs after the last apply.

use super::setting::Setting;
use super::{Exit, terminal};
use crate::diag::{Code, Diagnostic, suggest};
use crate::drive::Problem;
use crate::report;
use clap::Args;
use dsenv_sdk::value::{Value, wire};
use serde_json::json;

#[derive(Args)]
pub(super) struct Typed {
    /// Only this one, its value alone.
    name: Option<String>,
    /// Prints secrets in clear.
    #[arg(long = "show-secrets")]
    show_secrets: bool,
    /// Prints lines that a shell or a `.env` file takes.
    #[arg(long = "env-file", conflicts_with = "name")]
    env_file: bool,
}

pub(super) async fn run(setting: &Setting, typed: &Typed) -> Result<Exit, Problem> {
    let front = setting.front()?;
    let loaded = setting.site.load(&front)?;
    let outputs = &loaded.state.outputs;
    let secrets =
        if typed.show_secrets { report::Secrets::Shown } else { report::Secrets::Hidden };
    let json_of = |value: &Value| match secrets {
        report::Secrets::Shown => wire::encode(value, &mut |secret| json!(secret.expose())),
        report::Secrets::Hidden => wire::shown(value),
    };
    if let Some(name) = &typed.name {
        let Some(value) = outputs.get(name) else {
            let message = format!("the last apply left no output `{name}`");
            let near = suggest(name, outputs.keys().map(String::as_str));
            let unknown = Diagnostic::error(Code::E0814, message).did_you_mean(near);
            return Err(Problem::refused(unknown));
        };
        setting.answer(
            || json!({"value": json_of(value), "secret": value.holds_secret()}),
            || match json_of(value) {
                serde_json::Value::String(text) => text + "\n",
                other => format!("{other}\n"),
            },
        );
        return Ok(Exit::Done);
    }
    if typed.env_file {
        terminal::out(&report::env_file(outputs, secrets));
        return Ok(Exit::Done);
    }
    setting.answer(
        || {
            let entry = |(name, value): (&String, &Value)| {
                let json = json!({"value": json_of(value), "secret": value.holds_secret()});
                (name.clone(), json)
            };
            serde_json::Value::Object(outputs.iter().map(entry).collect())
        },
        || report::outputs(outputs, secrets),
    );
    Ok(Exit::Done)
}
