//! `dsenv adopt`: takes over what carries this environment's tags and the state does not know.

use super::Exit;
use super::apply::consent;
use super::setting::{Setting, address};
use crate::drive::{Adoption, Problem, Surplus};
use crate::report;
use clap::Args;
use serde_json::json;

#[derive(Args)]
pub(super) struct Typed {
    /// Takes only one object, as this resource of the blueprint.
    #[arg(value_name = "ADDR", requires = "remote_id", conflicts_with_all = ["surplus", "yes"])]
    address: Option<String>,
    /// The provider's own name for it.
    #[arg(value_name = "ID")]
    remote_id: Option<String>,
    /// Takes what is too much as well, for the next apply to delete.
    ///
    /// An object whose resource has another one, and one whose resource the blueprint does not have.
    /// They stand in the state among what was replaced: `dsenv plan` shows that they are deleted, and
    /// data is asked about.
    #[arg(long)]
    surplus: bool,
    /// Does not ask.
    #[arg(short, long)]
    yes: bool,
}

pub(super) async fn run(setting: &Setting, typed: &Typed) -> Result<Exit, Problem> {
    if let (Some(address), Some(remote_id)) = (&typed.address, &typed.remote_id) {
        return one(setting, address, remote_id, "adopt").await;
    }
    let compiled = setting.compile()?;
    let surplus = if typed.surplus { Surplus::Take } else { Surplus::List };
    let mut approve = |adoption: &Adoption| {
        setting.show(&report::taking::adoption(adoption));
        consent(typed.yes, "Take these over?")
    };
    let adoption = setting.site.adopt(&compiled, surplus, &mut approve).await?;
    if adoption.outcome.taken.is_empty() {
        setting.show(&report::taking::adoption(&adoption));
        if setting.general.json {
            setting.done("adopt", report::taking::adoption_json(&adoption), "");
        }
        return Ok(Exit::Done);
    }
    if !adoption.done {
        let facts = report::taking::adoption_json(&adoption);
        return setting.declined("adopt", facts, typed.yes);
    }
    let text = "They are in the state now. `dsenv plan` shows what differs from the blueprint.";
    setting.done("adopt", report::taking::adoption_json(&adoption), text);
    Ok(Exit::Done)
}

/// Takes one object over by its name; `import` does the same of what dsenv never made.
pub(super) async fn one(
    setting: &Setting,
    typed: &str,
    remote_id: &str,
    command: &str,
) -> Result<Exit, Problem> {
    let compiled = setting.compile()?;
    let addr = address(typed)?;
    setting.site.take_over(&compiled, &addr, remote_id, command).await?;
    let text = format!(
        "`{addr}` is `{remote_id}` now. `dsenv plan` shows what differs from the blueprint."
    );
    let facts = json!({"address": addr.to_string(), "remote_id": remote_id});
    setting.done(command, facts, &text);
    Ok(Exit::Done)
}
