//! States on the way: what moto has done at once is shown as under way for a while.
//!
//! moto makes a database that is available, an instance that runs, a gateway that routes, and
//! removes a database in the moment it is asked to. AWS takes minutes, and says so in the state of
//! the object; a deleted database is shown as `deleting` until it is gone.
//!
//! | shown | documented |
//! |---|---|
//! | `pending`, `shutting-down` | <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html> |
//! | `creating`, `modifying`, `deleting` | <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html> |
//! | `pending`, `deleting` of a NAT gateway | <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NatGateway.html> |
//! | `pending`, `deleting` of an endpoint | <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpcEndpoint.html> |
//! | `creating` of a volume | <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-describing-volumes.html> |
//!
//! What must not be here: an object that moto never had; scaling groups, which are `groups`.

use crate::aws_proxy::asked::Asked;
use crate::aws_proxy::pace::{Countdown, Pace};
use crate::aws_proxy::refusal::Refusal;
use crate::aws_proxy::xml::Element;
use std::collections::{BTreeMap, BTreeSet};

/// What can be slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slow {
    /// An RDS instance: to be made, changed, restarted, deleted. Without endpoint while it is made.
    Database,
    /// An EC2 instance: to start, stop, terminate.
    Instance,
    /// A NAT gateway: to be made and deleted.
    NatGateway,
    /// A scaling group: each instance to be in service, from the first look at it; the group to be
    /// deleted.
    ScalingGroup,
    /// A VPC endpoint: to be made and deleted.
    Endpoint,
    /// A volume: to be made.
    Volume,
}

/// Where a reply shows the state of something.
struct Shown {
    slow: Slow,
    service: &'static str,
    action: &'static str,
    items: &'static str,
    /// The filter by state, and every value that it takes.
    filter: Option<(&'static str, &'static [&'static str])>,
}

const INSTANCE_STATES: &[&str] =
    &["pending", "running", "shutting-down", "stopping", "stopped", "terminated"];

const SHOWN: &[Shown] = &[
    Shown {
        slow: Slow::Instance,
        service: "ec2",
        action: "DescribeInstances",
        items: "reservationSet/item/instancesSet/item",
        filter: Some(("instance-state-name", INSTANCE_STATES)),
    },
    Shown {
        slow: Slow::Instance,
        service: "ec2",
        action: "DescribeInstanceStatus",
        items: "instanceStatusSet/item",
        filter: Some(("instance-state-name", INSTANCE_STATES)),
    },
    Shown {
        slow: Slow::NatGateway,
        service: "ec2",
        action: "DescribeNatGateways",
        items: "natGatewaySet/item",
        filter: Some(("state", &["pending", "failed", "available", "deleting", "deleted"])),
    },
    Shown {
        slow: Slow::Endpoint,
        service: "ec2",
        action: "DescribeVpcEndpoints",
        items: "vpcEndpointSet/item",
        filter: Some(("vpc-endpoint-state", &["pending", "available", "deleting", "deleted"])),
    },
    Shown {
        slow: Slow::Volume,
        service: "ec2",
        action: "DescribeVolumes",
        items: "volumeSet/item",
        filter: Some(("status", &["creating", "available", "in-use", "deleting", "error"])),
    },
    Shown {
        slow: Slow::Database,
        service: "rds",
        action: "DescribeDBInstances",
        items: DATABASES,
        filter: None,
    },
];

const DATABASES: &str = "DescribeDBInstancesResult/DBInstances/DBInstance";

/// What begins with a call: where its reply names the objects, and what they are meanwhile.
const BEGUN: &[(&str, &str, &str, Slow, &str)] = &[
    ("ec2", "RunInstances", "instancesSet/item", Slow::Instance, "pending"),
    ("ec2", "StartInstances", "instancesSet/item", Slow::Instance, "pending"),
    ("ec2", "StopInstances", "instancesSet/item", Slow::Instance, "stopping"),
    ("ec2", "TerminateInstances", "instancesSet/item", Slow::Instance, "shutting-down"),
    ("ec2", "CreateNatGateway", "natGateway", Slow::NatGateway, "pending"),
    ("ec2", "DeleteNatGateway", "", Slow::NatGateway, "deleting"),
    ("ec2", "CreateVpcEndpoint", "vpcEndpoint", Slow::Endpoint, "pending"),
    ("ec2", "CreateVolume", "", Slow::Volume, "creating"),
    ("rds", "CreateDBInstance", "CreateDBInstanceResult/DBInstance", Slow::Database, "creating"),
    (
        "rds",
        "RestoreDBInstanceFromDBSnapshot",
        "RestoreDBInstanceFromDBSnapshotResult/DBInstance",
        Slow::Database,
        "creating",
    ),
    ("rds", "ModifyDBInstance", "ModifyDBInstanceResult/DBInstance", Slow::Database, "modifying"),
    ("rds", "RebootDBInstance", "RebootDBInstanceResult/DBInstance", Slow::Database, "rebooting"),
    ("rds", "StartDBInstance", "StartDBInstanceResult/DBInstance", Slow::Database, "starting"),
    ("rds", "StopDBInstance", "StopDBInstanceResult/DBInstance", Slow::Database, "stopping"),
    ("rds", "DeleteDBInstance", "DeleteDBInstanceResult/DBInstance", Slow::Database, "deleting"),
];

#[derive(Debug)]
struct Moving {
    word: &'static str,
    left: Countdown,
    /// What moto has no more and is still to be shown.
    gone: Option<Element>,
}

/// What is slow, and what is on its way.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    paces: BTreeMap<Slow, Pace>,
    moving: BTreeMap<(Slow, String), Moving>,
}

impl Readiness {
    pub(crate) fn set(&mut self, slow: Slow, pace: Option<Pace>) {
        match pace {
            Some(pace) => drop(self.paces.insert(slow, pace)),
            None => drop(self.paces.remove(&slow)),
        }
    }

    /// Brings everything one look nearer to its end.
    ///
    /// A delete that is refused because something still goes is such a look: who waits by asking
    /// again would otherwise wait for ever.
    pub(crate) fn pass_time(&mut self) {
        for moving in self.moving.values_mut() {
            moving.left.look();
        }
        self.forget_done();
    }

    fn forget_done(&mut self) {
        self.moving.retain(|_, moving| moving.left.is_running());
    }

    /// Returns what an object is on its way to be, in the word for its state.
    pub(crate) fn word(&self, slow: Slow, id: &str) -> Option<&'static str> {
        let moving = self.moving.get(&key(slow, id))?;
        moving.left.is_running().then_some(moving.word)
    }

    /// Notes that an object is on its way.
    pub(crate) fn begin(&mut self, slow: Slow, id: &str, word: &'static str, pace: Pace) {
        let left = Countdown::new(pace);
        self.moving.insert(key(slow, id), Moving { word, left, gone: None });
    }

    /// Notes that an instance has come to the end of its way.
    pub(crate) fn end(&mut self, instance: &str) {
        self.moving.remove(&(Slow::Instance, instance.to_owned()));
    }

    /// Learns from the reply to a call that changes something what is on its way from now on, and
    /// shows it so in the reply.
    pub(crate) fn learn(&mut self, asked: &Asked, reply: &mut Element) {
        // The only reply that does not name what it is about.
        if asked.is("ec2", "DeleteVpcEndpoints")
            && let Some(pace) = self.paces.get(&Slow::Endpoint).copied()
        {
            for id in asked.list("VpcEndpointId") {
                self.begin(Slow::Endpoint, id, "deleting", pace);
            }
        }
        let begun = BEGUN.iter().find(|(service, action, ..)| asked.is(service, action));
        let Some((_, action, items, slow, word)) = begun else { return };
        let Some(pace) = self.paces.get(slow).copied() else { return };
        reply.each_mut(items, &mut |item| {
            let id = item.text_at(id_name(*slow)).to_owned();
            set_state(item, *slow, word);
            let gone = (*action == "DeleteDBInstance").then(|| item.clone());
            let left = Countdown::new(pace);
            if left.is_running() {
                self.moving.insert(key(*slow, &id), Moving { word, left, gone });
            }
        });
    }

    /// Shows states on the way in a reply, as one look of a caller.
    pub(crate) fn rewrite(&mut self, asked: &Asked, reply: &mut Element) {
        let shown = SHOWN.iter().find(|shown| asked.is(shown.service, shown.action));
        let Some(shown) = shown else { return };
        self.forget_done();
        self.show_gone(shown, reply, asked.param("DBInstanceIdentifier"));
        reply.each_mut(shown.items, &mut |item| {
            let key = key(shown.slow, item.text_at(id_name(shown.slow)));
            if let Some(moving) = self.moving.get_mut(&key)
                && moving.left.look()
            {
                set_state(item, shown.slow, moving.word);
            }
        });
        if let Some(wanted) = wanted_states(shown, asked) {
            reply.retain(shown.items, &mut |item| wanted.contains(state_of(item, shown.slow)));
            reply.retain("reservationSet/item", &mut |item| item.at("instancesSet/item").is_some());
        }
    }

    /// Shows the same in a reply to the proxy's own question, which is no look.
    pub(crate) fn show(&self, service: &str, action: &str, reply: &mut Element) {
        let is_asked = |shown: &&Shown| (shown.service, shown.action) == (service, action);
        let Some(shown) = SHOWN.iter().find(is_asked) else { return };
        self.show_gone(shown, reply, "");
        reply.each_mut(shown.items, &mut |item| {
            if let Some(word) = self.word(shown.slow, item.text_at(id_name(shown.slow))) {
                set_state(item, shown.slow, word);
            }
        });
    }

    /// Adds what moto has no more: all of it, or the one of this id.
    fn show_gone(&self, shown: &Shown, reply: &mut Element, id: &str) {
        if shown.slow != Slow::Database {
            return;
        }
        let gone = self.moving.iter().filter(|((_, name), moving)| {
            moving.left.is_running() && (id.is_empty() || *name == id.to_ascii_lowercase())
        });
        let gone: Vec<Element> = gone.filter_map(|(_, moving)| moving.gone.clone()).collect();
        reply.each_mut("DescribeDBInstancesResult/DBInstances", &mut |list| {
            list.children.extend(gone.iter().cloned());
        });
    }

    /// Returns the reply that shows a database which moto has no more; `None` when there is none
    /// of that name.
    pub(crate) fn of_gone(&self, asked: &Asked) -> Option<Element> {
        let id = asked.param("DBInstanceIdentifier");
        let moving = self.moving.get(&key(Slow::Database, id))?;
        let is_asked = asked.is("rds", "DescribeDBInstances") && moving.left.is_running();
        moving.gone.as_ref().filter(|_| is_asked)?;
        let list = Element::with("DBInstances", vec![]);
        let result = Element::with("DescribeDBInstancesResult", vec![list]);
        Some(Element::with("DescribeDBInstancesResponse", vec![result]))
    }

    /// Returns the body to pass for a question that filters by state: moto must not filter by a
    /// state that is not the one shown, so it is asked for all of them.
    pub(crate) fn body_to_pass(&self, asked: &Asked) -> Option<String> {
        let shown = SHOWN.iter().find(|shown| asked.is(shown.service, shown.action))?;
        let (name, states) = shown.filter?;
        let number = filter_number(asked, name)?;
        if !self.moving.keys().any(|(slow, _)| *slow == shown.slow) {
            return None;
        }
        let values = format!("Filter.{number}.Value.");
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", &asked.action).append_pair("Version", "2016-11-15");
        form.extend_pairs(asked.params.iter().filter(|(key, _)| !key.starts_with(&values)));
        for (index, state) in states.iter().enumerate() {
            form.append_pair(&format!("{values}{}", index + 1), state);
        }
        Some(form.finish())
    }

    /// Refuses what an object on its way cannot do yet.
    pub(crate) fn judge(&self, asked: &Asked) -> Result<(), Refusal> {
        match asked.service.as_str() {
            "rds" => self.judge_database(asked),
            "ec2" => self.judge_instance(asked),
            _ => Ok(()),
        }
    }

    /// After <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html>
    /// and its neighbours.
    fn judge_database(&self, asked: &Asked) -> Result<(), Refusal> {
        let id = asked.param("DBInstanceIdentifier");
        let Some(word) = self.word(Slow::Database, id) else { return Ok(()) };
        let state = |message: String| Err(Refusal::new("InvalidDBInstanceState", message));
        match (asked.action.as_str(), word) {
            ("CreateDBInstance" | "RestoreDBInstanceFromDBSnapshot", _) => {
                Err(Refusal::new("DBInstanceAlreadyExists", "DB instance already exists"))
            }
            ("DeleteDBInstance", "deleting") => {
                state(format!("Instance {id} is already being deleted."))
            }
            (
                "ModifyDBInstance" | "RebootDBInstance" | "StartDBInstance" | "StopDBInstance"
                | "CreateDBSnapshot",
                _,
            ) => state(format!("Database instance is not in available state: {id} is {word}.")),
            _ => Ok(()),
        }
    }

    /// After <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>.
    fn judge_instance(&self, asked: &Asked) -> Result<(), Refusal> {
        let word = |id: &str| self.word(Slow::Instance, id);
        let of_one = asked.param("InstanceId");
        match asked.action.as_str() {
            "AttachVolume" => {
                let volume = asked.param("VolumeId");
                if self.word(Slow::Volume, volume).is_some() {
                    let message = format!("{volume} is not 'available'.");
                    return Err(Refusal::new("IncorrectState", message));
                }
                match word(of_one) {
                    Some(_) => {
                        let message = format!("Instance '{of_one}' is not 'running'.");
                        Err(Refusal::new("IncorrectState", message))
                    }
                    None => Ok(()),
                }
            }
            "AssociateAddress" if word(of_one) == Some("pending") => {
                let rest = "is not in a valid state for this operation.";
                let message = format!("The pending instance '{of_one}' {rest}");
                Err(Refusal::new("InvalidInstanceID", message))
            }
            "StartInstances" | "StopInstances" => {
                let on_way = asked.list("InstanceId").into_iter().find(|id| word(id).is_some());
                let Some(id) = on_way else { return Ok(()) };
                let verb = if asked.action == "StartInstances" { "started" } else { "stopped" };
                let rest = format!("is not in a state from which it can be {verb}.");
                let message = format!("The instance '{id}' {rest}");
                Err(Refusal::new("IncorrectInstanceState", message))
            }
            _ => Ok(()),
        }
    }
}

/// Identifiers of RDS are the same in any case.
fn key(slow: Slow, id: &str) -> (Slow, String) {
    match slow {
        Slow::Database => (slow, id.to_ascii_lowercase()),
        Slow::Instance | Slow::NatGateway | Slow::ScalingGroup | Slow::Endpoint | Slow::Volume => {
            (slow, id.to_owned())
        }
    }
}

fn id_name(slow: Slow) -> &'static str {
    match slow {
        Slow::Database => "DBInstanceIdentifier",
        Slow::Instance => "instanceId",
        Slow::NatGateway => "natGatewayId",
        Slow::ScalingGroup => "AutoScalingGroupName",
        Slow::Endpoint => "vpcEndpointId",
        Slow::Volume => "volumeId",
    }
}

fn state_of(item: &Element, slow: Slow) -> &str {
    match slow {
        Slow::Database => item.text_at("DBInstanceStatus"),
        Slow::Instance => item.text_at("instanceState/name"),
        Slow::NatGateway | Slow::Endpoint => item.text_at("state"),
        Slow::ScalingGroup => item.text_at("Status"),
        Slow::Volume => item.text_at("status"),
    }
}

fn set_state(item: &mut Element, slow: Slow, word: &str) {
    match slow {
        Slow::Database => {
            item.set("DBInstanceStatus", word);
            if word == "creating" {
                item.remove("Endpoint");
            }
        }
        // `currentState` in the replies to calls that start and stop.
        Slow::Instance => ["instanceState", "currentState"].iter().for_each(|name| {
            item.each_mut(name, &mut |state| {
                state.set("code", instance_code(word));
                state.set("name", word);
            });
        }),
        Slow::Endpoint => item.set("state", word),
        Slow::NatGateway if item.at("state").is_some() => item.set("state", word),
        // The reply to a delete has no state.
        Slow::NatGateway => {}
        Slow::ScalingGroup => item.set("Status", word),
        Slow::Volume => item.set("status", word),
    }
}

/// After <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html>.
fn instance_code(word: &str) -> &'static str {
    match word {
        "pending" => "0",
        "running" => "16",
        "shutting-down" => "32",
        "terminated" => "48",
        "stopping" => "64",
        _ => "80",
    }
}

fn filter_number(asked: &Asked, name: &str) -> Option<String> {
    asked.params.iter().find_map(|(key, value)| {
        let number = key.strip_prefix("Filter.")?.strip_suffix(".Name")?;
        (value == name).then(|| number.to_owned())
    })
}

/// Returns the states that a question asks for; `None` when it asks for any.
fn wanted_states(shown: &Shown, asked: &Asked) -> Option<BTreeSet<String>> {
    if let Some((name, _)) = shown.filter
        && let Some(number) = filter_number(asked, name)
    {
        let values = asked.list(&format!("Filter.{number}.Value"));
        return Some(values.into_iter().map(str::to_owned).collect());
    }
    // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceStatus.html
    let only_running =
        asked.action == "DescribeInstanceStatus" && asked.param("IncludeAllInstances") != "true";
    only_running.then(|| BTreeSet::from(["running".to_owned()]))
}
