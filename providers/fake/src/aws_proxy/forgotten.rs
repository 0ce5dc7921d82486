//! What moto overlooks in a request that it does, made good by a second call.
//!
//! What must not be here: what moto does not do at all.

use crate::aws_proxy::asked::Asked;
use crate::aws_proxy::backend::Answer;
use crate::aws_proxy::refusal::Refusal;
use crate::aws_proxy::view::View;

/// Does the rest of what a call asked for, once moto has done the call.
pub(super) async fn mend(view: &View<'_>, asked: &Asked, answer: &Answer) -> Result<(), Refusal> {
    // moto knows the protection of an instance, but not as a parameter of its launch.
    let protects = asked.param("DisableApiTermination") == "true";
    if !asked.is("ec2", "RunInstances") || !protects || !answer.status.is_success() {
        return Ok(());
    }
    let Some(reply) = answer.document() else { return Ok(()) };
    for id in reply.texts("instancesSet/item/instanceId") {
        let params = [("InstanceId", id), ("DisableApiTermination.Value", "true")];
        view.ask("ec2", "ModifyInstanceAttribute", &params).await?;
    }
    Ok(())
}
