//! What a machine said of itself, as the status of its services. Pure.
//!
//! In: the document that the agent writes (`dsenv-status/1`), and what EC2 says of the instance. What
//! is wrong with the machine as a whole is said of a service `boot`, whose log is the agent's own.

use super::machines::Machine;
use aws_sdk_ec2::types::InstanceStateName;
use dsenv_sdk::provider::ServiceStatus;
use serde_json::Value as Json;

/// The service that stands for the machine as a whole.
pub(super) const BOOT: &str = "boot";

const FORMAT: &str = "dsenv-status/1";
/// The agent writes once a minute at the least; after so many it is silent.
const SILENT_AFTER_S: i64 = 5 * 60;

/// What is known of one instance.
pub(super) struct Known<'a> {
    pub(super) machine: &'a Machine,
    /// Whether it was told anything, so that it has something to say.
    pub(super) has_mailbox: bool,
    /// What it said last, and how many seconds ago.
    pub(super) said: Option<(&'a Json, Option<i64>)>,
}

impl Known<'_> {
    fn status(&self, service: &str, state: &str) -> ServiceStatus {
        let Machine { addr, id, is_member, .. } = self.machine;
        let service = match is_member {
            true => format!("{service}@{id}"),
            false => service.to_owned(),
        };
        ServiceStatus {
            addr: addr.clone(),
            service,
            state: state.to_owned(),
            well: state == "healthy",
            // Its processes are not here.
            pid: None,
            restarts: 0,
            url: None,
            detail: None,
        }
    }

    fn boot(&self, state: &str, detail: impl Into<String>) -> ServiceStatus {
        ServiceStatus { detail: Some(detail.into()), ..self.status(BOOT, state) }
    }
}

/// How the services of an instance stand.
pub(super) fn services(known: &Known<'_>) -> Vec<ServiceStatus> {
    let id = &known.machine.id;
    match &known.machine.state {
        InstanceStateName::Stopped | InstanceStateName::Stopping => {
            let help = format!("{id} is stopped; `aws ec2 start-instances --instance-ids {id}`");
            return vec![known.boot("stopped", help)];
        }
        InstanceStateName::ShuttingDown | InstanceStateName::Terminated => return Vec::new(),
        _ if !known.has_mailbox => return Vec::new(),
        _ => {}
    }
    let Some((said, age_s)) = known.said else {
        return vec![known.boot("starting", format!("nothing was heard of {id} yet"))];
    };
    if said["format"] != FORMAT {
        let detail = format!("{id} speaks `{}`, and this dsenv `{FORMAT}`", said["format"]);
        return vec![known.boot("failed", detail)];
    }
    let mut all = Vec::new();
    all.extend(silence(known, age_s).or_else(|| boot(known, said)));
    let reports = said["services"].as_object().into_iter().flatten();
    all.extend(reports.map(|(name, report)| service(known, said, name, report)));
    all
}

/// A machine that has stopped talking: what it said last is no news.
fn silence(known: &Known<'_>, age_s: Option<i64>) -> Option<ServiceStatus> {
    let age_s = age_s.filter(|age_s| *age_s > SILENT_AFTER_S)?;
    let id = &known.machine.id;
    let detail = format!("{id} was last heard of {} minutes ago, and this is of then", age_s / 60);
    Some(known.boot("unhealthy", detail))
}

/// What is to be said of the machine as a whole; nothing when it is as it should be, or when a service
/// alone is in trouble.
fn boot(known: &Known<'_>, said: &Json) -> Option<ServiceStatus> {
    let failure = &said["failure"];
    match said["phase"].as_str().unwrap_or_default() {
        "ready" => None,
        "installing" => {
            let detail = match failure.is_null() {
                true => format!("{} is being set up", known.machine.id),
                false => trouble(failure),
            };
            Some(known.boot("starting", detail))
        }
        "failed" if failed_service(said).is_some() => None,
        "failed" => Some(known.boot("failed", trouble(failure))),
        "interrupted" => Some(known.boot("stopped", interrupted(known, said))),
        "stopped" => Some(known.boot("stopped", format!("{} is going down", known.machine.id))),
        other => Some(known.boot("failed", format!("its phase is `{other}`"))),
    }
}

/// What is said of an instance that AWS takes back.
pub(super) fn interruption(said: &Json) -> Option<String> {
    let notice = said["interruption"].as_object()?;
    let text = |name: &str| notice.get(name).and_then(Json::as_str).unwrap_or("unknown");
    Some(format!("AWS takes it back ({} at {})", text("action"), text("time")))
}

fn interrupted(known: &Known<'_>, said: &Json) -> String {
    let what = interruption(said).unwrap_or_else(|| "AWS takes it back".to_owned());
    format!("{}: {what}", known.machine.id)
}

/// Which service it is whose failure is the machine's.
fn failed_service(said: &Json) -> Option<&str> {
    let what = said["failure"]["what"].as_str()?;
    let name = what.strip_prefix("service `")?.strip_suffix("` does not work")?;
    said["services"].get(name).map(|_| name)
}

fn trouble(failure: &Json) -> String {
    let text = |name: &str| failure[name].as_str().unwrap_or_default();
    let mut trouble = format!("{}: {}", text("what"), text("cause"));
    for line in text("log_tail").lines() {
        trouble.push('\n');
        trouble.push_str(line);
    }
    trouble
}

fn service(known: &Known<'_>, said: &Json, name: &str, report: &Json) -> ServiceStatus {
    let text = |name: &str| report[name].as_str().map(str::to_owned);
    let status = known.status(name, report["state"].as_str().unwrap_or("failed"));
    let failure = &said["failure"];
    let mut detail = text("detail");
    if failed_service(said) == Some(name) {
        let tail = failure["log_tail"].as_str().unwrap_or_default();
        let cause = detail.unwrap_or_else(|| failure["cause"].as_str().unwrap_or("").to_owned());
        detail = Some(format!("{cause}\n{tail}").trim_end().to_owned());
    }
    let restarts = report["restarts"].as_u64().and_then(|count| u32::try_from(count).ok());
    let outside = known.machine.urls.get(name).cloned();
    ServiceStatus {
        restarts: restarts.unwrap_or(0),
        url: outside.or_else(|| text("url")),
        detail: detail.filter(|_| !status.well),
        ..status
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsenv_sdk::Addr;
    use expect_test::{Expect, expect};
    use serde_json::json;
    use std::collections::BTreeMap;

    fn machine(state: InstanceStateName, is_member: bool) -> Machine {
        let (addr, id) = (Addr::resource("notebook"), "i-0abc".to_owned());
        Machine { addr, id, is_member, state, host: None, urls: BTreeMap::new() }
    }

    fn checked(machine: &Machine, said: Option<(&Json, Option<i64>)>, expected: Expect) {
        let line = |status: ServiceStatus| {
            let detail = status.detail.unwrap_or_default().replace('\n', " / ");
            let url = status.url.unwrap_or_default();
            let text = format!("{} {} {url} {detail}", status.service, status.state);
            format!("{}\n", text.trim_end())
        };
        let known = Known { machine, has_mailbox: true, said };
        expected.assert_eq(&services(&known).into_iter().map(line).collect::<String>());
    }

    fn said(phase: &str, failure: Json, state: &str) -> Json {
        json!({"format": "dsenv-status/1", "phase": phase, "failure": failure,
            "interruption": {"action": "terminate", "time": "2026-11-24T12:00:00Z"},
            "services": {"jupyter": {"state": state, "restarts": 3, "pid": 7,
                "url": "http://10.0.0.4:8888/", "detail": "it ended with exit code 1"}}})
    }

    #[test]
    fn services_are_as_the_machine_says() {
        let ready = said("ready", Json::Null, "healthy");
        let running = machine(InstanceStateName::Running, false);
        let now = Some((&ready, Some(20)));
        checked(
            &running,
            now,
            expect![["
            jupyter healthy http://10.0.0.4:8888/
        "]],
        );
        let member = machine(InstanceStateName::Running, true);
        checked(
            &member,
            now,
            expect![["
            jupyter@i-0abc healthy http://10.0.0.4:8888/
        "]],
        );
        checked(
            &running,
            Some((&ready, Some(720))),
            expect![["
            boot unhealthy  i-0abc was last heard of 12 minutes ago, and this is of then
            jupyter healthy http://10.0.0.4:8888/
        "]],
        );
    }

    #[test]
    fn what_fails_says_why() {
        let running = machine(InstanceStateName::Running, false);
        let failure = json!({"what": "the python packages cannot be installed",
            "cause": "no matching distribution", "log_tail": "one\ntwo"});
        let failed = said("failed", failure.clone(), "starting");
        checked(&running, Some((&failed, None)), expect![["
            boot failed  the python packages cannot be installed: no matching distribution / one / two
            jupyter starting http://10.0.0.4:8888/ it ended with exit code 1
        "]]);
        let trying = said("installing", failure, "starting");
        checked(&running, Some((&trying, None)), expect![["
            boot starting  the python packages cannot be installed: no matching distribution / one / two
            jupyter starting http://10.0.0.4:8888/ it ended with exit code 1
        "]]);
        let failure = json!({"what": "service `jupyter` does not work",
            "cause": "it ended with exit code 1", "log_tail": "Traceback"});
        let failed = said("failed", failure, "failed");
        checked(
            &running,
            Some((&failed, None)),
            expect![["
            jupyter failed http://10.0.0.4:8888/ it ended with exit code 1 / Traceback
        "]],
        );
    }

    #[test]
    fn a_machine_that_says_nothing_is_as_ec2_says() {
        let running = machine(InstanceStateName::Running, false);
        checked(
            &running,
            None,
            expect![["
            boot starting  nothing was heard of i-0abc yet
        "]],
        );
        let ready = said("ready", Json::Null, "healthy");
        let stopped = machine(InstanceStateName::Stopped, false);
        checked(
            &stopped,
            Some((&ready, None)),
            expect![["
            boot stopped  i-0abc is stopped; `aws ec2 start-instances --instance-ids i-0abc`
        "]],
        );
        let gone = said("interrupted", Json::Null, "stopped");
        checked(
            &running,
            Some((&gone, None)),
            expect![["
            boot stopped  i-0abc: AWS takes it back (terminate at 2026-11-24T12:00:00Z)
            jupyter stopped http://10.0.0.4:8888/ it ended with exit code 1
        "]],
        );
        let later = json!({"format": "dsenv-status/2"});
        checked(
            &running,
            Some((&later, None)),
            expect![[r#"
            boot failed  i-0abc speaks `"dsenv-status/2"`, and this dsenv `dsenv-status/1`
        "#]],
        );
    }
}
