//! `dsenv import ADDR ID`: takes an existing object over.

use super::setting::{Setting, address};
use super::{Exit, terminal};
use crate::drive::Problem;
use clap::Args;

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
    terminal::out(&format!(
        "`{addr}` is `{}` now. `dsenv plan` shows what differs from the blueprint.\n",
        typed.remote_id
    ));
    Ok(Exit::Done)
}
