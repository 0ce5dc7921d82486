//! Whether a call may be done: every rule that moto lacks, in the order in which AWS seems to check.
//!
//! What must not be here: a rule that moto has.

use crate::aws_proxy::asked::Asked;
use crate::aws_proxy::refusal::Refusal;
use crate::aws_proxy::view::View;
use crate::aws_proxy::{arguments, dependents, existing, launches, quotas};

/// Refuses a call by the first rule that does.
pub(super) async fn judge(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    view.state().permissions.judge(asked)?;
    if !asked.is_mutating() {
        return Ok(());
    }
    arguments::judge(asked)?;
    view.state().readiness.judge(asked)?;
    view.state().groups.judge(asked)?;
    let (launches_are_checked, dependencies_hold) = {
        let state = view.state();
        (state.launches_are_checked, state.dependencies_hold)
    };
    existing::judge(view, asked).await?;
    launches::judge(view, asked, launches_are_checked).await?;
    quotas::judge(view, asked).await?;
    if dependencies_hold && let Err(refusal) = dependents::judge(view, asked).await {
        view.state().readiness.pass_time();
        return Err(refusal);
    }
    Ok(())
}
