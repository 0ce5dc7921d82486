//! Who may reach whom: security groups, and one rule for each flow that `uses` or `access` names.
//!
//! A group lets nothing in by itself. Rules are objects of their own with ids and tags, so that a flow
//! comes and goes without touching the others.

use super::{TAGS, args};
use crate::clients::Aws;
use crate::ec2::{self, filters, pages, specification};
use crate::failure::{failed, not_visible_yet};
use crate::object::{
    Actions, Change, Live, Make, Object, Remove, Select, Stage, Tags, in_our_own_way, tags_of,
    text, unnamed, values,
};
use crate::tags::{self, tags_in};
use async_trait::async_trait;
use aws_sdk_ec2::types::{IpPermission, IpRange, ResourceType, UserIdGroupPair};
use dsenv_sdk::addr::Part;
use dsenv_sdk::entry::{SSH, SSH_PORT};
use dsenv_sdk::provider::{GRANT, Native, Neutral, OpErrorClass, grant_key};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Key, OpError, Term};
use std::collections::BTreeMap;

/// The part that is a resource's group.
pub(crate) const FIREWALL: &str = "firewall";
/// The part that is one way in for people.
const ENTRANCE: &str = "access";

/// What lets nothing in but what rules say.
pub(crate) const SECURITY_GROUP: NativeType = NativeType {
    name: "aws.security_group",
    doc: "Lets nothing in by itself; rules do.",
    fields: &[
        Field::new("vpc", Type::Text, "The VPC.").required().replaces().class(Class::Bind),
        Field::new("description", Type::Text, "What it is of.").kept(),
        TAGS,
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// Lowers the group of a resource that stands in a network.
pub(crate) fn group(resource: &Neutral) -> Option<Native> {
    let network = resource.network.clone()?;
    let args = args([
        ("vpc", Some(Term::Ref(Ref::attribute(network, "id")))),
        ("description", Some(Term::text(format!("{} of dsenv", resource.addr)))),
    ]);
    let part = Some(Part { name: FIREWALL.into(), key: None });
    Some(Native { part, ty: SECURITY_GROUP.name, args, after: Vec::new() })
}

/// A reference to the group of a resource.
pub(crate) fn group_id(addr: &Addr) -> Term {
    Term::Ref(Ref::attribute(addr.part(FIREWALL, None), "id"))
}

/// Lowers the flow from a resource to what it uses, on the target's port.
pub(crate) fn flow(user: &Addr, target: &Addr, port: Term) -> Native {
    let args = args([
        ("group", Some(group_id(target))),
        ("from_group", Some(group_id(user))),
        ("port", Some(port)),
        ("description", Some(Term::text(format!("{user} uses {target}")))),
    ]);
    let part = Some(Part { name: GRANT.into(), key: Some(grant_key(target)) });
    Native { part, ty: INGRESS.name, args, after: Vec::new() }
}

/// Lowers the ways in for people: `web` opens every port that a service of the resource has, `ssh` the
/// one of sshd.
pub(crate) fn entrances(resource: &Neutral, web_ports: &[(String, i64)]) -> Vec<Native> {
    // No service has this name: names have no spaces.
    let ssh_ports = [(format!("port {SSH_PORT}"), SSH_PORT)];
    // One rule for each port and range, whoever comes in by it: two that say the same cannot be.
    let mut ways: BTreeMap<(String, &str), (i64, Vec<&str>)> = BTreeMap::new();
    for access in &resource.access {
        let Some(from) = &access.from else { continue };
        let ports = if access.how == SSH { &ssh_ports } else { web_ports };
        for (name, port) in ports.iter().cloned() {
            ways.entry((name, from)).or_insert((port, Vec::new())).1.push(&access.who);
        }
    }
    let mut natives = Vec::new();
    for ((name, from), (port, who)) in ways {
        let args = args([
            ("group", Some(group_id(&resource.addr))),
            ("from_cidr", Some(Term::text(from))),
            ("port", Some(Term::Known(Value::Int(port)))),
            ("description", Some(Term::text(format!("{} to {name}", who.join(" and "))))),
        ]);
        let key = Key::Text(format!("{name} from {from}").into());
        let part = Some(Part { name: ENTRANCE.into(), key: Some(key) });
        natives.push(Native { part, ty: INGRESS.name, args, after: Vec::new() });
    }
    natives
}

/// What it is for, in the letters and at the length that EC2 takes.
fn described(make: Make<'_>) -> String {
    const CHARS_MAX: usize = 255;
    let mut text = tags::encode(make.text("description").unwrap_or("dsenv"));
    text.truncate(CHARS_MAX);
    text
}

pub(crate) struct SecurityGroup;

impl SecurityGroup {
    fn live(group: &aws_sdk_ec2::types::SecurityGroup) -> Live {
        let id = group.group_id().unwrap_or_default();
        let values = values([("vpc", text(group.vpc_id())), ("id", text(Some(id)))]);
        let tags = tags_in!(group.tags());
        Live { remote_id: id.to_owned(), tags, stage: Stage::Ready, values }
    }
}

#[async_trait]
impl Object for SecurityGroup {
    fn ty(&self) -> &'static NativeType {
        &SECURITY_GROUP
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["ec2:DescribeSecurityGroups"],
            create: &["ec2:CreateSecurityGroup", "ec2:CreateTags"],
            update: &["ec2:CreateTags", "ec2:DeleteTags"],
            delete: &["ec2:DeleteSecurityGroup"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let filters = filters(aws, select, "group-id");
        let request = aws.ec2.describe_security_groups().set_filters(Some(filters));
        let found = pages!("looking at security groups", request, security_groups);
        Ok(found.iter().map(SecurityGroup::live).collect())
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let vpc = make.text("vpc")?;
        let tags = tags::all(aws, make.addr, SECURITY_GROUP.name, make.token, tags_of(make.args));
        let request = aws
            .ec2
            .create_security_group()
            .group_name(tags::unique_name(&aws.owner, make.addr, make.token, 255))
            .description(described(make))
            .vpc_id(vpc)
            .tag_specifications(specification(ResourceType::SecurityGroup, &tags));
        match request.send().await {
            Ok(reply) => {
                let id = reply.group_id().unwrap_or_default();
                let values = values([("vpc", text(Some(vpc))), ("id", text(Some(id)))]);
                Ok(Live { remote_id: id.to_owned(), tags, stage: Stage::Ready, values })
            }
            Err(error) => {
                // Its name is ours alone: what a lost reply made stands in the way.
                let error = not_visible_yet(failed("creating a security group", error));
                if error.class != OpErrorClass::Conflict {
                    return Err(error);
                }
                let known = self.list(aws, Select::Token(make.token)).await?.into_iter().next();
                known.ok_or_else(|| in_our_own_way(make, error))
            }
        }
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let id = &change.observed.remote_id;
        ec2::retag(aws, id, &tags_of(change.prior_args), &tags_of(change.make.args)).await?;
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let request = aws.ec2.delete_security_group().group_id(remove.remote_id());
        request.send().await.map_err(|e| failed("deleting a security group", e))?;
        Ok(true)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        ec2::tag(aws, remote_id, tags).await
    }
}

/// One flow: from a group or a range to a port.
pub(crate) const INGRESS: NativeType = NativeType {
    name: "aws.ingress",
    doc: "One flow that a security group lets in.",
    fields: &[
        Field::new("group", Type::Text, "The group that lets it in.")
            .required()
            .replaces()
            .class(Class::Bind),
        Field::new("from_group", Type::Text, "Whoever is in this group comes in.")
            .replaces()
            .class(Class::Bind),
        Field::new("from_cidr", Type::Text, "Whoever has one of these addresses comes in.")
            .replaces()
            .class(Class::Policy),
        Field::new("port", Type::Int { min: 1, max: 65_535 }, "To this port, by TCP.")
            .required()
            .replaces(),
        Field::new("description", Type::Text, "What for.").kept(),
        TAGS,
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    // Two that say the same cannot be.
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

pub(crate) struct Ingress;

impl Ingress {
    fn live(rule: &aws_sdk_ec2::types::SecurityGroupRule) -> Live {
        let id = rule.security_group_rule_id().unwrap_or_default();
        let from_group = rule.referenced_group_info().and_then(|group| group.group_id());
        let values = values([
            ("group", text(rule.group_id())),
            ("from_group", text(from_group)),
            ("from_cidr", text(rule.cidr_ipv4())),
            ("port", rule.to_port().map(|port| Value::Int(port.into()))),
            ("id", text(Some(id))),
        ]);
        Live { remote_id: id.to_owned(), tags: tags_in!(rule.tags()), stage: Stage::Ready, values }
    }

    /// The rule that lets in what the arguments say, whoever made it.
    async fn alike(&self, aws: &Aws, make: Make<'_>) -> Result<Option<Live>, OpError> {
        let group = make.text("group")?;
        let filter = aws_sdk_ec2::types::Filter::builder().name("group-id").values(group).build();
        let request = aws.ec2.describe_security_group_rules().filters(filter);
        let rules = pages!("looking at rules", request, security_group_rules);
        let inward = rules.iter().filter(|rule| rule.is_egress() != Some(true));
        let same = |live: &Live| {
            let names = ["from_group", "from_cidr", "port"];
            names.iter().all(|name| live.values.get(*name) == make.arg(name))
        };
        Ok(inward.map(Ingress::live).find(same))
    }
}

#[async_trait]
impl Object for Ingress {
    fn ty(&self) -> &'static NativeType {
        &INGRESS
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["ec2:DescribeSecurityGroupRules"],
            create: &["ec2:AuthorizeSecurityGroupIngress", "ec2:CreateTags"],
            update: &["ec2:CreateTags", "ec2:DeleteTags"],
            delete: &["ec2:RevokeSecurityGroupIngress"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let filters = filters(aws, select, "security-group-rule-id");
        let request = aws.ec2.describe_security_group_rules().set_filters(Some(filters));
        let found = pages!("looking at rules", request, security_group_rules);
        Ok(found.iter().map(Ingress::live).collect())
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let tags = tags::all(aws, make.addr, INGRESS.name, make.token, tags_of(make.args));
        let description = described(make);
        let port = make.int("port");
        let mut permission =
            IpPermission::builder().ip_protocol("tcp").set_from_port(port).set_to_port(port);
        if let Some(group) = make.arg("from_group").and_then(Value::as_text) {
            let pair = UserIdGroupPair::builder().group_id(group).description(&description).build();
            permission = permission.user_id_group_pairs(pair);
        }
        if let Some(cidr) = make.arg("from_cidr").and_then(Value::as_text) {
            let range = IpRange::builder().cidr_ip(cidr).description(&description).build();
            permission = permission.ip_ranges(range);
        }
        let request = aws
            .ec2
            .authorize_security_group_ingress()
            .group_id(make.text("group")?)
            .ip_permissions(permission.build())
            .tag_specifications(specification(ResourceType::SecurityGroupRule, &tags));
        match request.send().await {
            Ok(reply) => {
                let rule = reply.security_group_rules().first().ok_or_else(|| unnamed("rule"))?;
                Ok(Live { tags, ..Ingress::live(rule) })
            }
            Err(error) => {
                let error = not_visible_yet(failed("letting a flow in", error));
                if error.class != OpErrorClass::Conflict {
                    return Err(error);
                }
                // The flow is open already: by a reply that was lost, or by a hand. It becomes ours.
                let Some(alike) = self.alike(aws, make).await? else {
                    return Err(in_our_own_way(make, error));
                };
                if alike.tags.get(tags::TOKEN).is_some_and(|token| token != make.token.as_str()) {
                    return Err(tags::taken(&alike.remote_id, &alike.tags));
                }
                ec2::tag(aws, &alike.remote_id, &tags).await?;
                Ok(Live { tags, ..alike })
            }
        }
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let id = &change.observed.remote_id;
        ec2::retag(aws, id, &tags_of(change.prior_args), &tags_of(change.make.args)).await?;
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let group = remove.observed.values.get("group").and_then(Value::as_text);
        let request = aws
            .ec2
            .revoke_security_group_ingress()
            .set_group_id(group.map(str::to_owned))
            .security_group_rule_ids(remove.remote_id());
        request.send().await.map_err(|e| failed("closing a flow", e))?;
        Ok(true)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        ec2::tag(aws, remote_id, tags).await
    }
}
