//! Scaling groups on the way: instances that are not in service yet, and groups that go.
//!
//! moto has both in a moment. AWS shows a new instance as `Pending`
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html>), and a
//! group that is being deleted with the status `Delete in progress` until its instances are
//! terminated
//! (<https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AutoScalingGroup.html>). Until
//! then those instances are shown as `shutting-down`, so that nothing goes that they stand on.
//!
//! What must not be here: a group that moto never had.

use crate::aws_proxy::asked::Asked;
use crate::aws_proxy::pace::{Countdown, Pace};
use crate::aws_proxy::readiness::{Readiness, Slow};
use crate::aws_proxy::refusal::Refusal;
use crate::aws_proxy::view::View;
use crate::aws_proxy::xml::Element;
use std::collections::BTreeMap;

const GROUPS: &str = "DescribeAutoScalingGroupsResult/AutoScalingGroups/member";
const MEMBERS: &str = "Instances/member";

#[derive(Debug)]
struct Going {
    group: Element,
    left: Countdown,
}

/// How slow groups are, and what is on its way.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    pace: Option<Pace>,
    /// Every instance that was seen once, and what is left until it is in service.
    members: BTreeMap<String, Countdown>,
    /// By name.
    going: BTreeMap<String, Going>,
}

/// Returns the group that a call is about to delete, as it is before; `None` for other calls.
pub(super) async fn before(view: &View<'_>, asked: &Asked) -> Result<Option<Element>, Refusal> {
    if !asked.is("autoscaling", "DeleteAutoScalingGroup") {
        return Ok(None);
    }
    let name = [("AutoScalingGroupNames.member.1", asked.param("AutoScalingGroupName"))];
    let reply = view.ask("autoscaling", "DescribeAutoScalingGroups", &name).await?;
    Ok(reply.at(GROUPS).cloned())
}

impl Groups {
    pub(crate) fn set(&mut self, pace: Option<Pace>) {
        self.pace = pace;
    }

    /// Refuses what a group that goes does not take.
    /// <https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteAutoScalingGroup.html>
    pub(crate) fn judge(&self, asked: &Asked) -> Result<(), Refusal> {
        let name = asked.param("AutoScalingGroupName");
        let goes = self.going.get(name).is_some_and(|going| going.left.is_running());
        if asked.service != "autoscaling" || !goes {
            return Ok(());
        }
        match asked.action.as_str() {
            "CreateAutoScalingGroup" => {
                let lead = "AutoScalingGroup by this name already exists";
                let rest =
                    format!("A group with the name {name} already exists and is pending delete");
                Err(Refusal::new("AlreadyExists", format!("{lead} - {rest}")))
            }
            "DeleteAutoScalingGroup" => {
                let message = format!("The group {name} is being deleted");
                Err(Refusal::new("ScalingActivityInProgress", message))
            }
            _ => Ok(()),
        }
    }

    /// Learns that a group was deleted, which was like this before.
    pub(crate) fn learn(&mut self, before: Option<Element>, readiness: &mut Readiness) {
        let (Some(mut group), Some(pace)) = (before, self.pace) else { return };
        let left = Countdown::new(pace);
        if !left.is_running() {
            return;
        }
        group.set("Status", "Delete in progress");
        for id in instances(&group) {
            readiness.begin(Slow::Instance, &id, "shutting-down", pace);
        }
        self.going.insert(group.text_at("AutoScalingGroupName").to_owned(), Going { group, left });
    }

    /// Shows what is on its way in a reply, as one look of a caller.
    pub(crate) fn rewrite(
        &mut self,
        asked: &Asked,
        reply: &mut Element,
        readiness: &mut Readiness,
    ) {
        if !asked.is("autoscaling", "DescribeAutoScalingGroups") {
            return;
        }
        reply.each_mut(GROUPS, &mut |group| group.each_mut(MEMBERS, &mut |at| self.show(at)));
        let names = asked.list("AutoScalingGroupNames");
        let mut shown = Vec::new();
        self.going.retain(|name, going| {
            if !names.is_empty() && !names.contains(&name.as_str()) {
                return true;
            }
            let goes = going.left.look();
            match goes {
                true => shown.push(going.group.clone()),
                false => instances(&going.group).iter().for_each(|id| readiness.end(id)),
            }
            goes
        });
        reply.each_mut("DescribeAutoScalingGroupsResult/AutoScalingGroups", &mut |list| {
            list.children.append(&mut shown);
        });
    }

    /// Shows one instance as one look; the first look is where its way begins.
    fn show(&mut self, member: &mut Element) {
        let new = Countdown::new(self.pace.unwrap_or(Pace::Looks(0)));
        let id = member.text_at("InstanceId").to_owned();
        if self.members.entry(id).or_insert(new).look() {
            member.set("LifecycleState", "Pending");
        }
    }
}

fn instances(group: &Element) -> Vec<String> {
    let ids = group.all(MEMBERS).into_iter().map(|member| member.text_at("InstanceId").to_owned());
    ids.collect()
}
