//! `dsenv output`: the blueprint's outputs after the last apply.

use super::setting::Setting;
use super::{Exit, terminal};
use crate::diag::{Code, Diagnostic, suggest};
use crate::drive::Problem;
use crate::report::outputs::{self, Secrets};
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
    let known = &loaded.state.outputs;
    let secrets = if typed.show_secrets { Secrets::Shown } else { Secrets::Hidden };
    let json_of = |value: &Value| match secrets {
        Secrets::Shown => wire::encode(value, &mut |secret| json!(secret.expose())),
        Secrets::Hidden => wire::shown(value),
    };
    if let Some(name) = &typed.name {
        let Some(value) = known.get(name) else {
            let message = format!("the last apply left no output `{name}`");
            let near = suggest(name, known.keys().map(String::as_str));
            let unknown = Diagnostic::error(Code::E0814, message).did_you_mean(near);
            return Err(Problem::refused(unknown));
        };
        setting.answer(
            || json!({"value": json_of(value), "secret": value.holds_secret()}),
            || outputs::one(value, secrets),
        );
        return Ok(Exit::Done);
    }
    if typed.env_file {
        terminal::out(&outputs::env_file(known, secrets));
        if !typed.show_secrets && known.values().any(Value::holds_secret) {
            terminal::err(
                "warning: secrets stand as `(secret)` in these lines; `--show-secrets` prints them\n",
            );
        }
        return Ok(Exit::Done);
    }
    setting.answer(|| outputs::json(known, secrets), || outputs::text(known, secrets));
    Ok(Exit::Done)
}
