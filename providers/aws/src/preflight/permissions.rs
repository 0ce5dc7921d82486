//! Whether the caller may do all that a plan takes: what `--check-permissions` asks for.
//!
//! IAM is asked to play each action through the caller's own policies, on names like those that the
//! plan would make, so that rights on some names alone count. Nothing is done.
//!
//! ## What it cannot see
//! Policies with conditions that the question does not meet (tags, times, addresses), the policies of
//! what an action is done to, and session policies: so an action that is allowed may be refused all the
//! same, and the other way round.

use super::{Checked, quoted, refuses};
use crate::clients::Aws;
use crate::failure::failed;
use crate::kinds;
use crate::tags;
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use dsenv_sdk::preflight::{Intended, Remark, Verdict};
use dsenv_sdk::{Addr, OpError};
use futures::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};

/// How many answers a page has: the most, so that there is one page.
const ANSWERS_A_PAGE: i32 = 1_000;

/// Whose policies are asked.
#[derive(Debug, PartialEq, Eq)]
enum Principal {
    /// One that IAM knows policies of.
    Known(String),
    /// A role by the name that a session has of it. Sessions leave a role's path out.
    Session { account: String, role: String },
    /// One that has no policies of its own.
    Without(&'static str),
}

/// Reads an ARN of a caller: `arn:aws:sts::123456789012:assumed-role/NAME/SESSION`.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
fn principal(arn: &str) -> Principal {
    let mut parts = arn.splitn(6, ':');
    let (account, whom) = (parts.nth(4).unwrap_or_default(), parts.next().unwrap_or_default());
    match whom.split('/').collect::<Vec<_>>()[..] {
        ["root"] => Principal::Without("the credentials are the account's root, which may do all"),
        ["assumed-role", role, ..] => {
            Principal::Session { account: account.to_owned(), role: role.to_owned() }
        }
        ["federated-user", ..] => Principal::Without("IAM cannot say what a federated user may do"),
        _ => Principal::Known(arn.to_owned()),
    }
}

/// Checks every action of everything that is intended.
pub(super) async fn check(aws: &Aws, intended: &[Intended<'_>]) -> Result<Checked, OpError> {
    let caller = aws.caller().await?;
    let arn = match principal(&caller.arn) {
        Principal::Known(arn) => arn,
        Principal::Session { account, role } => role_arn(aws, &account, &role).await,
        Principal::Without(why) => {
            let open = Some(format!("permissions were not checked: {why}"));
            return Ok(Checked { remarks: Vec::new(), open });
        }
    };
    let wanted: Vec<(&Addr, BTreeSet<&'static str>)> = intended
        .iter()
        .filter_map(|it| Some((it.addr, kinds::object(it.ty.name)?.actions().of(it.intent))))
        .collect();
    let mut by_resource: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for action in wanted.iter().flat_map(|(_, actions)| actions) {
        let resource = resource(aws, &caller.account, action);
        by_resource.entry(resource).or_default().insert(action);
    }
    let asked = by_resource.iter().map(|(resource, it)| denied(aws, &arn, resource, it));
    let denied: BTreeMap<String, String> =
        try_join_all(asked).await?.into_iter().flatten().collect();
    let remarks = wanted.iter().filter_map(|(addr, actions)| remark(addr, actions, &denied, &arn));
    Ok(Checked { remarks: remarks.collect(), open: None })
}

fn remark(
    addr: &Addr,
    actions: &BTreeSet<&'static str>,
    denied: &BTreeMap<String, String>,
    arn: &str,
) -> Option<Remark> {
    let missing: Vec<&str> =
        actions.iter().copied().filter(|action| denied.contains_key(*action)).collect();
    if missing.is_empty() {
        return None;
    }
    let whereat: BTreeSet<&str> = missing.iter().map(|action| &*denied[*action]).collect();
    let message = format!("the credentials lack {}", quoted(missing));
    let help = format!("allow {arn} to do so on {}", quoted(whereat));
    Some(Remark { verdict: Verdict::Refuses, ..refuses(addr, message, help) })
}

/// The ARN of a role by its name. Whoever may not look at it is taken to have one without a path,
/// which most roles are; that of single sign-on is below `/aws-reserved/`.
async fn role_arn(aws: &Aws, account: &str, role: &str) -> String {
    let reply = aws.iam.get_role().role_name(role).send().await;
    match reply.ok().and_then(|reply| reply.role) {
        Some(role) => role.arn,
        None => format!("arn:{}:iam::{account}:role/{role}", aws.partition()),
    }
}

/// What an action would be done to: a name as this environment's objects have it, or anything.
fn resource(aws: &Aws, account: &str, action: &str) -> String {
    let (partition, region) = (aws.partition(), &aws.region);
    let name = tags::name_prefix(&aws.owner, 63);
    match action.split_once(':').unwrap_or_default() {
        ("iam", verb) if verb.starts_with("List") => "*".to_owned(),
        ("iam", verb) => {
            let what = if verb.contains("InstanceProfile") { "instance-profile" } else { "role" };
            let path = kinds::role_path(aws);
            format!("arn:{partition}:iam::{account}:{what}{path}{name}-preflight")
        }
        ("s3", "ListAllMyBuckets") => "*".to_owned(),
        ("s3", verb) if verb.contains("Object") && !verb.contains("Bucket") => {
            format!("arn:{partition}:s3:::{name}-preflight/boot.json")
        }
        ("s3", "AbortMultipartUpload") => {
            format!("arn:{partition}:s3:::{name}-preflight/boot.json")
        }
        ("s3", _) => format!("arn:{partition}:s3:::{name}-preflight"),
        ("ssm", "DescribeParameters") => "*".to_owned(),
        ("ssm", _) => {
            format!("arn:{partition}:ssm:{region}:{account}:parameter/dsenv/{name}-preflight")
        }
        _ => "*".to_owned(),
    }
}

/// Which of these are not allowed, each with the resource that was asked about.
async fn denied(
    aws: &Aws,
    arn: &str,
    resource: &str,
    actions: &BTreeSet<&'static str>,
) -> Result<Vec<(String, String)>, OpError> {
    let to_whom = ContextEntry::builder()
        .context_key_name("iam:PassedToService")
        .context_key_type(ContextKeyTypeEnum::String)
        .context_key_values("ec2.amazonaws.com")
        .build();
    let request = aws
        .iam
        .simulate_principal_policy()
        .policy_source_arn(arn)
        .set_action_names(Some(actions.iter().map(|action| (*action).to_owned()).collect()))
        .resource_arns(resource)
        .context_entries(to_whom)
        .max_items(ANSWERS_A_PAGE);
    let reply = request.send().await;
    let reply = reply.map_err(|e| failed("asking IAM what the credentials may do", e))?;
    let allowed = PolicyEvaluationDecisionType::Allowed;
    let refused = reply.evaluation_results().iter().filter(|it| *it.eval_decision() != allowed);
    Ok(refused.map(|it| (it.eval_action_name().to_owned(), resource.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_of_a_role() {
        let session = |account: &str, role: &str| Principal::Session {
            account: account.to_owned(),
            role: role.to_owned(),
        };
        let arn = "arn:aws:sts::123456789012:assumed-role/deployer/ada@example.org";
        assert_eq!(principal(arn), session("123456789012", "deployer"));
        let user = "arn:aws:iam::123456789012:user/team/ada";
        assert_eq!(principal(user), Principal::Known(user.to_owned()));
        assert!(matches!(principal("arn:aws:iam::1:root"), Principal::Without(_)));
        let federated = "arn:aws:sts::1:federated-user/ada";
        assert!(matches!(principal(federated), Principal::Without(_)));
    }

    #[test]
    fn what_is_missing_is_said_of_who_needs_it() {
        let denied =
            BTreeMap::from([("ec2:RunInstances", "*"), ("iam:PassRole", "arn:aws:iam::1:role/x")]);
        let denied = denied.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
        let addr = Addr::resource("notebook");
        let actions = BTreeSet::from(["ec2:DescribeInstances", "ec2:RunInstances", "iam:PassRole"]);
        let remark = |actions| super::remark(&addr, actions, &denied, "arn:aws:iam::1:user/ada");
        let missing = remark(&actions).expect("a remark");
        assert_eq!(missing.message, "the credentials lack `ec2:RunInstances`, `iam:PassRole`");
        let help = "allow arn:aws:iam::1:user/ada to do so on `*`, `arn:aws:iam::1:role/x`";
        assert_eq!(missing.help.as_deref(), Some(help));
        assert_eq!(remark(&BTreeSet::from(["ec2:DescribeInstances"])), None);
    }
}
