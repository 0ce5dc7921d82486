//! Who may reach whom: security groups of machines, and a rule for each flow that `uses` names.
//!
//! ```text
//! desk.firewall (a group on its interface)   its own `access`, and nothing else
//! desk.group (whom rules mean by `desk`) --> desk.grant["features"] (a rule)
//!                            net.firewall <-- features.firewall <--/
//! ```
//! Azure lets everything in a virtual network reach everything by default. Every group of ours ends with a
//! rule that denies it (the live half writes it with the group, see `arm`), and the rules before it let in
//! what they name.
//!
//! ## Why machines have their rules in the group, and databases as nodes
//! Nobody can `use` a machine, so all of its rules are its own `access`. Who uses a database comes from
//! other resources, and each brings its own rule.
//!
//! ## What is weaker than one's own group for each database
//! Servers of one kind share a subnet that is delegated to them, and the group is the subnet's: a machine
//! that uses one PostgreSQL of a network reaches the port of the others there. It has no password to them.

use super::{LOCATION, TAGS, args, fixed, fixed_text, id_of, node, of, part};
use dsenv_sdk::addr::Part;
use dsenv_sdk::entry::{SSH, SSH_PORT};
use dsenv_sdk::provider::{GRANT, Native, Neutral, grant_key};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Term};
use std::collections::BTreeMap;

/// The part that is a resource's security group.
pub(crate) const FIREWALL: &str = "firewall";
/// The part by which rules mean a resource.
const GROUP: &str = "group";

/// The first of the numbers that say which rule goes first; all of ours let in, so their order is all the
/// same. <https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview>
const PRIORITY_FROM: i64 = 100;

/// What lets nothing in but what its rules say.
pub(crate) const SECURITY_GROUP: NativeType = NativeType {
    name: "azure.security_group",
    doc: "Lets nothing in but what its rules say, not even from its own network.",
    fields: &[
        LOCATION,
        Field::new("rules", Type::List(&Type::Any), "Who comes in, and to which port.")
            .class(Class::Policy)
            .of("access"),
        TAGS,
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// By what rules mean the machines of a resource.
pub(crate) const APPLICATION_GROUP: NativeType = NativeType {
    name: "azure.application_group",
    doc: "By what security rules mean the machines of a resource, whatever their addresses.",
    fields: &[LOCATION, TAGS],
    attributes: &[Attribute::new("id", "Its id.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// The group of a network that guards a resource which has none of its own; lives in the state alone.
pub(crate) const SHARED_GROUP: NativeType = NativeType {
    name: "azure.shared_group",
    doc: "The group that guards a database: its network's. It lives in the state alone.",
    fields: &[id_of("security_group", "The network's group.").required()],
    attributes: &[Attribute::new("id", "The network's group.").of("security_group")],
    replace: ReplaceOrder::CreateFirst,
    state_only: true,
    holds_data: false,
};

/// One flow that another resource's group lets in.
pub(crate) const SECURITY_RULE: NativeType = NativeType {
    name: "azure.security_rule",
    doc: "One flow that a security group lets in.",
    fields: &[
        id_of("security_group", "The group that lets it in.").required().replaces(),
        id_of("from_group", "Whose machines come in.").required().replaces(),
        Field::new("port", Type::Int { min: 1, max: 65_535 }, "To this port, by TCP.")
            .required()
            .replaces(),
        Field::new("description", Type::Text, "What for.").kept(),
    ],
    attributes: &[
        Attribute::new("id", "Its id."),
        Attribute::new(
            "priority",
            "Its number, the lowest that was free; all rules let in, so it decides nothing.",
        ),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// Lowers the two groups of a machine or pool, with its own ways in.
pub(crate) fn groups(
    resource: &Neutral,
    location: &Option<Term>,
    web_ports: &[(String, i64)],
) -> [Native; 2] {
    let rules = fixed(Value::List(entrances(resource, web_ports)));
    [
        node(
            part(FIREWALL),
            &SECURITY_GROUP,
            args([("location", location.clone()), ("rules", rules)]),
        ),
        node(part(GROUP), &APPLICATION_GROUP, args([("location", location.clone())])),
    ]
}

/// Lowers what others mean by the group of a resource that its network guards.
pub(crate) fn shared_group(network: &Addr) -> Native {
    let args = args([("security_group", of(network, "data_firewall"))]);
    node(part(FIREWALL), &SHARED_GROUP, args)
}

/// The arguments by which a machine stands behind its groups.
pub(crate) fn behind(addr: &Addr) -> [(&'static str, Option<Term>); 2] {
    [
        ("security_group", of(&addr.part(FIREWALL, None), "id")),
        ("application_group", of(&addr.part(GROUP, None), "id")),
    ]
}

/// One rule of a group; no port is every port.
pub(crate) fn rule(name: &str, from: &str, port: Option<i64>, number: i64) -> Value {
    let mut rule = Map::from([
        ("from".to_owned(), Value::text(from)),
        ("name".to_owned(), Value::text(name)),
        ("priority".to_owned(), Value::Int(PRIORITY_FROM + number)),
    ]);
    rule.extend(port.map(|port| ("port".to_owned(), Value::Int(port))));
    Value::Map(rule)
}

/// The ways in for people: `web` opens every port that a service of the resource has, `ssh` the one of
/// sshd. One rule for each port and range, whoever comes in by it.
fn entrances(resource: &Neutral, web_ports: &[(String, i64)]) -> Vec<Value> {
    let ssh_ports = [(SSH.to_owned(), SSH_PORT)];
    let mut ways: BTreeMap<(i64, &str), Vec<&str>> = BTreeMap::new();
    for access in &resource.access {
        let Some(from) = &access.from else { continue };
        let ports = if access.how == SSH { &ssh_ports } else { web_ports };
        for (_, port) in ports {
            ways.entry((*port, from)).or_default().push(&access.who);
        }
    }
    let numbered = ways.into_iter().zip(0..);
    numbered
        .map(|(((port, from), who), number)| rule(&who.join(" and "), from, Some(port), number))
        .collect()
}

/// Lowers the flow from a machine to what it uses: the group that guards the target lets it in.
pub(crate) fn flow(user: &Addr, target: &Addr, port: Option<Term>) -> Native {
    let args = args([
        ("security_group", of(&target.part(FIREWALL, None), "id")),
        ("from_group", of(&user.part(GROUP, None), "id")),
        ("port", port),
        ("description", fixed_text(&format!("{user} uses {target}"))),
    ]);
    let part = Some(Part { name: GRANT.into(), key: Some(grant_key(target)) });
    node(part, &SECURITY_RULE, args)
}
