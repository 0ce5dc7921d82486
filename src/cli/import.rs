//! `dsenv import ADDR ID`: takes an existing object over.

use super::Exit;
use super::setting::{Setting, address};
use crate::drive::Problem;
use clap::Args;
use serde_json::json;

#[derive(Args)]
pub(super) struct Typed {
    /// The resource of the blueprint that it becomes.
    #[arg(value_name = "ADDR")]
    address: String,
    /// The provider's own name for the object.
    #[arg(value_name = "ID")]
    remote_id: String,
}

pub(super) async fn run(setting: &Setting, typed: &Typed) -> Result<Exit, Problem> {
    let compiled = setting.compile()?;
    let addr = address(&typed.address)?;
    setting.site.import(&compiled, &addr, &typed.remote_id).await?;
    let text = format!(
        "`{addr}` is `{}` now. `dsenv plan` shows what differs from the blueprint.",
        typed.remote_id
    );
    let facts = json!({"address": addr.to_string(), "remote_id": typed.remote_id});
    setting.done("import", facts, &text);
    Ok(Exit::Done)
}
