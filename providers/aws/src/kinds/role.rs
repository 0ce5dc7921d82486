//! What a machine may do in the account: a role with exactly the rights that `uses` names, and the
//! profile by which an instance has it. No key is ever made.

use super::{TAGS, args};
use crate::clients::Aws;
use crate::failure::failed;
use crate::object::{
    Actions, Change, Live, Make, Object, Remove, Select, Stage, Tags, begun, dropped,
    in_our_own_way, tags_of, text, values,
};
use crate::tags::{self, tags_in};
use async_trait::async_trait;
use aws_sdk_iam::types::{InstanceProfile, Role, Tag};
use dsenv_sdk::addr::Part;
use dsenv_sdk::provider::{Native, Neutral, OpErrorClass, Right};
use dsenv_sdk::schema::{Attribute, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, OpError, Term};
use futures::future::try_join_all;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// The part that is a machine's role.
pub(crate) const PART: &str = "role";

/// The inline policy that holds every right; a role has this one alone.
const POLICY: &str = "dsenv";

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const NAME_CHARS_MAX: usize = 64;

/// Who may take the role on: instances.
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// A role and the instance profile of the same name.
pub(crate) const ROLE: NativeType = NativeType {
    name: "aws.role",
    doc: "What a machine may do in the account, and the profile by which it may.",
    fields: &[
        Field::new("statements", Type::List(&Type::Any), "What it may do with what.")
            .required()
            .unordered(),
        TAGS,
    ],
    attributes: &[
        Attribute::new("name", "The name of the role and of its profile."),
        Attribute::new("arn", "The role."),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// One thing that is allowed: what may be done, and where.
pub(crate) fn statement(actions: &[&str], resources: Vec<Term>) -> Term {
    let actions = actions.iter().map(|action| Value::text(*action)).collect();
    Term::map(BTreeMap::from([
        ("actions".to_owned(), Term::Known(Value::List(actions))),
        ("resources".to_owned(), Term::list(resources)),
    ]))
}

/// What a right on a bucket allows: on the bucket, and on its objects.
pub(crate) fn bucket_statements(bucket: &Addr, right: Right) -> Vec<Term> {
    const READ: &[&str] = &["s3:GetObject", "s3:GetObjectVersion"];
    const WRITE: &[&str] = &[
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
    ];
    const LIST: &[&str] =
        &["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"];
    let attribute = |name: &str| Term::Ref(Ref::attribute(bucket.clone(), name));
    let objects = if right == Right::ReadWrite { WRITE } else { READ };
    vec![
        statement(LIST, vec![attribute("arn")]),
        statement(objects, vec![attribute("objects_arn")]),
    ]
}

/// Lowers the role of a machine or pool.
pub(crate) fn role(statements: Vec<Term>) -> Native {
    let args = args([("statements", Some(Term::list(statements)))]);
    let part = Some(Part { name: PART.into(), key: None });
    Native { part, ty: ROLE.name, args, after: Vec::new() }
}

/// A reference to the name of a resource's profile.
pub(crate) fn profile(resource: &Neutral) -> Term {
    Term::Ref(Ref::attribute(resource.addr.part(PART, None), "name"))
}

pub(crate) struct RoleObject;

/// Everything of an environment stands below one path.
pub(crate) fn path(aws: &Aws) -> String {
    let plain = |text: &str| text.replace('_', "-");
    format!("/dsenv/{}/{}/", plain(&aws.owner.blueprint), plain(&aws.owner.environment))
}

/// The policy document of the statements.
fn document(statements: &[Value]) -> String {
    let texts = |value: Option<&Value>| -> Vec<String> {
        let items = value.and_then(Value::as_list).unwrap_or_default();
        items.iter().filter_map(Value::as_text).map(str::to_owned).collect()
    };
    let statement = |it: &Value| {
        json!({
            "Effect": "Allow",
            "Action": texts(it.step("actions")),
            "Resource": texts(it.step("resources")),
        })
    };
    let statements: Vec<Json> = statements.iter().map(statement).collect();
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// Reads a policy document back; a statement of another form is shown as it is, which is drift.
fn statements(document: &str) -> Value {
    let decoded = percent_decode(document);
    let parsed: Json = serde_json::from_str(&decoded).unwrap_or(Json::Null);
    let texts = |value: &Json| match value {
        Json::String(text) => Value::List(vec![Value::text(&**text)]),
        Json::Array(items) => {
            Value::List(items.iter().filter_map(Json::as_str).map(Value::text).collect())
        }
        _ => Value::Null,
    };
    let statement = |it: &Json| {
        let plain = it["Effect"] == "Allow" && it.as_object().is_some_and(|it| it.len() == 3);
        if !plain {
            return Value::Text(it.to_string());
        }
        Value::Map(Map::from([
            ("actions".to_owned(), texts(&it["Action"])),
            ("resources".to_owned(), texts(&it["Resource"])),
        ]))
    };
    Value::List(parsed["Statement"].as_array().into_iter().flatten().map(statement).collect())
}

/// IAM gives documents encoded as in a URL (RFC 3986).
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend(before.bytes());
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend(rest.bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

fn as_tags(tags: &Tags) -> Result<Vec<Tag>, OpError> {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    let tags: Result<Vec<Tag>, _> = tags.iter().map(tag).collect();
    tags.map_err(|e| OpError::new(OpErrorClass::Invalid, "a tag cannot be written").caused_by(&e))
}

impl RoleObject {
    /// The names of this environment's roles, in one call a thousand.
    async fn names(aws: &Aws) -> Result<Vec<String>, OpError> {
        let mut names = Vec::new();
        let mut pages = aws.iam.list_roles().path_prefix(path(aws)).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| failed("looking at roles", e))?;
            names.extend(page.roles.into_iter().map(|role| role.role_name));
        }
        Ok(names)
    }

    /// The names of this environment's profiles that have their role in them.
    async fn profiles(aws: &Aws) -> Result<Vec<String>, OpError> {
        let mut names = Vec::new();
        let request = aws.iam.list_instance_profiles().path_prefix(path(aws));
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| failed("looking at instance profiles", e))?;
            let complete = |it: &InstanceProfile| !it.roles().is_empty();
            let complete = page.instance_profiles.into_iter().filter(complete);
            names.extend(complete.map(|profile| profile.instance_profile_name));
        }
        Ok(names)
    }

    /// Looks at one role; `None` when it is not there.
    async fn look(aws: &Aws, name: &str, profiles: &[String]) -> Result<Option<Live>, OpError> {
        let doing = format!("looking at role {name}");
        let role = aws.iam.get_role().role_name(name).send();
        let policy = aws.iam.get_role_policy().role_name(name).policy_name(POLICY).send();
        let (role, policy) = futures::join!(role, policy);
        let role = match role.map_err(|e| failed(&doing, e)) {
            Ok(reply) => reply.role,
            Err(error) if error.class == OpErrorClass::NotFound => None,
            Err(error) => return Err(error),
        };
        let policy = match policy.map_err(|e| failed(&doing, e)) {
            Ok(reply) => Some(statements(&reply.policy_document)),
            Err(error) if error.class == OpErrorClass::NotFound => None,
            Err(error) => return Err(error),
        };
        let Some(role) = role else { return Ok(None) };
        let complete = policy.is_some() && profiles.iter().any(|profile| profile == name);
        // Without its profile no machine has any of its rights, and there are none to tell.
        Ok(Some(RoleObject::live(&role, policy.filter(|_| complete), complete)))
    }

    fn live(role: &Role, statements: Option<Value>, complete: bool) -> Live {
        // That there are none is told too: a hand that takes them away makes drift.
        let statements = Some(statements.unwrap_or(Value::Null));
        let values = values([
            ("statements", statements),
            ("name", text(Some(role.role_name()))),
            ("arn", text(Some(role.arn()))),
        ]);
        let stage = if complete { Stage::Ready } else { Stage::Partial };
        Live { remote_id: role.role_name().to_owned(), tags: tags_in!(role.tags()), stage, values }
    }

    async fn put_policy(aws: &Aws, name: &str, make: Make<'_>) -> Result<(), OpError> {
        let statements = make.arg("statements").and_then(Value::as_list).unwrap_or_default();
        let request = aws
            .iam
            .put_role_policy()
            .role_name(name)
            .policy_name(POLICY)
            .policy_document(document(statements));
        request.send().await.map_err(|e| failed(&format!("writing the rights of {name}"), e))?;
        Ok(())
    }

    /// The profile, with the role in it: each step may have been done before.
    async fn put_profile(aws: &Aws, name: &str, tags: &Tags) -> Result<(), OpError> {
        let doing = format!("making the instance profile {name}");
        let settled = |result: Result<(), OpError>| match result {
            Err(error) if error.class == OpErrorClass::Conflict => Ok(()),
            other => other,
        };
        let request = aws
            .iam
            .create_instance_profile()
            .instance_profile_name(name)
            .path(path(aws))
            .set_tags(Some(as_tags(tags)?));
        settled(request.send().await.map(drop).map_err(|e| failed(&doing, e)))?;
        let request =
            aws.iam.add_role_to_instance_profile().instance_profile_name(name).role_name(name);
        match request.send().await.map_err(|e| failed(&doing, e)) {
            Ok(_) => Ok(()),
            // It holds one role at most, and this name is ours alone: it is there.
            Err(error) if error.class == OpErrorClass::Quota => Ok(()),
            Err(error) => settled(Err(error)),
        }
    }

    async fn drop_profile(aws: &Aws, name: &str) -> Result<(), OpError> {
        let doing = format!("deleting the instance profile {name}");
        let absent_is_fine = |result: Result<(), OpError>| match result {
            Err(error) if error.class == OpErrorClass::NotFound => Ok(()),
            other => other,
        };
        let request =
            aws.iam.remove_role_from_instance_profile().instance_profile_name(name).role_name(name);
        absent_is_fine(request.send().await.map(drop).map_err(|e| failed(&doing, e)))?;
        let request = aws.iam.delete_instance_profile().instance_profile_name(name);
        absent_is_fine(request.send().await.map(drop).map_err(|e| failed(&doing, e)))
    }
}

#[async_trait]
impl Object for RoleObject {
    fn ty(&self) -> &'static NativeType {
        &ROLE
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &[
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:ListInstanceProfiles",
                "iam:ListRoles",
            ],
            create: &[
                "iam:AddRoleToInstanceProfile",
                "iam:CreateInstanceProfile",
                "iam:CreateRole",
                "iam:PutRolePolicy",
                "iam:TagInstanceProfile",
                "iam:TagRole",
            ],
            update: &["iam:PutRolePolicy", "iam:TagRole", "iam:UntagRole"],
            delete: &[
                "iam:DeleteInstanceProfile",
                "iam:DeleteRole",
                "iam:DeleteRolePolicy",
                "iam:RemoveRoleFromInstanceProfile",
            ],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let names = match select {
            Select::Ids(ids) => ids.iter().map(|id| (*id).to_owned()).collect(),
            Select::Owner(_) => RoleObject::names(aws).await?,
            Select::Token(token) => {
                let mut names = RoleObject::names(aws).await?;
                names.retain(|name| tags::is_named_by(name, token));
                names
            }
        };
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let profiles = RoleObject::profiles(aws).await?;
        let looks = names.iter().map(|name| RoleObject::look(aws, name, &profiles));
        let found = try_join_all(looks).await?.into_iter().flatten();
        let ours = |live: &Live| match select {
            Select::Ids(_) => true,
            Select::Owner(lineage) => tags::is_owned(&live.tags, &aws.owner, lineage),
            Select::Token(token) => {
                live.tags.get(tags::TOKEN).is_some_and(|it| it == token.as_str())
            }
        };
        Ok(found.filter(ours).collect())
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let name = tags::unique_name(&aws.owner, make.addr, make.token, NAME_CHARS_MAX);
        let tags = tags::all(aws, make.addr, ROLE.name, make.token, tags_of(make.args));
        let request = aws
            .iam
            .create_role()
            .role_name(&name)
            .path(path(aws))
            .assume_role_policy_document(TRUST)
            .description(format!("rights of {}, by dsenv", tags::encode(&make.addr.to_string())))
            .set_tags(Some(as_tags(&tags)?));
        let arn = match request.send().await.map_err(|e| failed("creating a role", e)) {
            Ok(reply) => reply.role.map(|role| role.arn).unwrap_or_default(),
            Err(error) if error.class == OpErrorClass::Conflict => {
                let known = self.list(aws, Select::Token(make.token)).await?.into_iter().next();
                let Some(known) = known else { return Err(in_our_own_way(make, error)) };
                known.values.get("arn").and_then(Value::as_text).unwrap_or_default().to_owned()
            }
            Err(error) => return Err(error),
        };
        let policy = RoleObject::put_policy(aws, &name, make);
        let profile = RoleObject::put_profile(aws, &name, &tags);
        let (policy, profile) = futures::join!(policy, profile);
        let values = values([
            ("statements", make.arg("statements").cloned()),
            ("name", text(Some(&name))),
            ("arn", text(Some(&arn))),
        ]);
        let live = Live { remote_id: name.clone(), tags, stage: Stage::Ready, values };
        policy.and(profile).map_err(|error| begun(&live, error))?;
        Ok(live)
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let name = &change.observed.remote_id;
        if change.changes("statements") {
            RoleObject::put_policy(aws, name, change.make).await?;
            if change.observed.values.get("statements") == Some(&Value::Null) {
                let Make { addr, token, args, .. } = change.make;
                let tags = tags::all(aws, addr, ROLE.name, token, tags_of(args));
                RoleObject::put_profile(aws, name, &tags).await?;
            }
        }
        let (before, after) = (tags_of(change.prior_args), tags_of(change.make.args));
        let gone = dropped(&before, &after);
        if !gone.is_empty() {
            let request = aws.iam.untag_role().role_name(name).set_tag_keys(Some(gone));
            request.send().await.map_err(|e| failed(&format!("untagging {name}"), e))?;
        }
        if !after.is_empty() {
            self.tag(aws, name, &after).await?;
        }
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let name = remove.remote_id();
        RoleObject::drop_profile(aws, name).await?;
        let request = aws.iam.delete_role_policy().role_name(name).policy_name(POLICY);
        match request.send().await.map_err(|e| failed(&format!("deleting rights of {name}"), e)) {
            Err(error) if error.class != OpErrorClass::NotFound => return Err(error),
            _ => {}
        }
        let request = aws.iam.delete_role().role_name(name);
        request.send().await.map_err(|e| failed(&format!("deleting role {name}"), e))?;
        Ok(true)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        let request = aws.iam.tag_role().role_name(remote_id).set_tags(Some(as_tags(tags)?));
        request.send().await.map_err(|e| failed(&format!("tagging {remote_id}"), e))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_back_as_they_were_written() {
        let wanted = Value::List(vec![Value::Map(Map::from([
            ("actions".to_owned(), Value::List(vec![Value::text("s3:GetObject")])),
            ("resources".to_owned(), Value::List(vec![Value::text("arn:aws:s3:::a/*")])),
        ]))]);
        let written = document(wanted.as_list().expect("a list"));
        assert_eq!(statements(&written), wanted);
        let encoded = written.replace('%', "%25").replace('{', "%7B").replace('"', "%22");
        assert_eq!(statements(&encoded), wanted);
    }

    #[test]
    fn a_right_that_a_hand_added_is_seen() {
        let text = r#"{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
        let Value::List(seen) = statements(text) else { panic!("a list") };
        assert!(matches!(&seen[0], Value::Text(text) if text.contains("Deny")));
    }
}
