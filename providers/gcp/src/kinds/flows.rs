//! Who may reach whom: firewall rules between service accounts, one for each flow that `uses` or `access`
//! names.
//!
//! A network of Google Cloud lets nothing in by itself and everything out. So a way in is a rule for the
//! service account of the machine. A database stands in Google's own network behind a peering, where rules
//! for what comes in do not count: what goes out to it is forbidden for all (see `network`), and allowed for
//! who uses it. <https://cloud.google.com/firewall/docs/firewalls>
//!
//! ## Why service accounts and not network tags
//! A rule takes one or the other, and anybody who may change an instance may give it a tag.

use super::{account, args, flag, int, of, part};
use dsenv_sdk::addr::Part;
use dsenv_sdk::entry::{SSH, SSH_PORT};
use dsenv_sdk::provider::{GRANT, Native, Neutral, grant_key};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Key, Term};
use std::collections::BTreeMap;

/// The part that is one way in for people.
const ENTRANCE: &str = "access";
/// A rule that allows comes before the ones that forbid: the lower number wins.
const ALLOWED_AT: i64 = 1_000;
const FORBIDDEN_AT: i64 = 60_000;

const RANGES: Type = Type::List(&Type::Text);

/// One rule of the network's firewall.
pub(crate) const FIREWALL: NativeType = NativeType {
    name: "gcp.firewall",
    doc: "One flow that the firewall of a network allows, or forbids.",
    fields: &[
        Field::new("network", Type::Text, "The network.").required().replaces().class(Class::Bind),
        Field::new("direction", Type::Choice(&["INGRESS", "EGRESS"]), "Which way it goes.")
            .required()
            .replaces(),
        Field::new("priority", Type::Int { min: 0, max: 65_535 }, "The lower one wins.").required(),
        Field::new("allow", Type::Bool, "Whether it is allowed; forbidden otherwise.")
            .required()
            .replaces(),
        Field::new("source_ranges", RANGES, "Who comes in by it, by their addresses.")
            .unordered()
            .class(Class::Policy),
        Field::new("destination_ranges", RANGES, "What is reached by it, by its addresses.")
            .unordered()
            .class(Class::Bind),
        Field::new(
            "target_service_accounts",
            RANGES,
            "Whose machines it is for; all of the network when absent.",
        )
        .unordered()
        .class(Class::Bind),
        Field::new(
            "ports",
            Type::List(&Type::Any),
            "To these ports by TCP; all traffic when absent.",
        ),
        Field::new("description", Type::Text, "What for.").kept(),
    ],
    attributes: &[Attribute::new("id", "Its id.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// A list of one.
fn one(term: Option<Term>) -> Option<Term> {
    term.map(|term| Term::list(vec![term]))
}

/// Forbids all machines of a network what is in a range, but for who is allowed it.
pub(crate) fn forbidden(network: &Addr, ranges: Term) -> Native {
    let vpc = network.part(super::network::VPC_PART, None);
    part(
        "firewall",
        None,
        FIREWALL.name,
        [
            ("network", of(&vpc, "self_link")),
            ("direction", Some(Term::text("EGRESS"))),
            ("priority", int(FORBIDDEN_AT)),
            ("allow", flag(false)),
            ("destination_ranges", Some(Term::list(vec![ranges]))),
            ("description", Some(Term::text("databases are for who uses them"))),
        ],
    )
}

/// Lowers the flow from a machine to the database that it uses.
pub(crate) fn flow(user: &Neutral, target: &Addr) -> Native {
    let network = user.network.as_ref().expect("a machine without a network was refused");
    let args = args([
        ("network", of(network, "id")),
        ("direction", Some(Term::text("EGRESS"))),
        ("priority", int(ALLOWED_AT)),
        ("allow", flag(true)),
        ("destination_ranges", one(of(target, "range"))),
        ("target_service_accounts", one(account::email(&user.addr))),
        ("ports", one(of(target, "port"))),
        ("description", Some(Term::text(format!("{} uses {target}", user.addr)))),
    ]);
    let part = Some(Part { name: GRANT.into(), key: Some(grant_key(target)) });
    Native { part, ty: FIREWALL.name, args, after: Vec::new() }
}

/// Lowers the ways in for people: `web` opens every port that a service of the resource has, `ssh` the
/// one of sshd.
pub(crate) fn entrances(resource: &Neutral, web_ports: &[(String, i64)]) -> Vec<Native> {
    let network = resource.network.as_ref().expect("a machine without a network was refused");
    // No service has this name: names have no spaces.
    let ssh_ports = [(format!("port {SSH_PORT}"), SSH_PORT)];
    let mut ways: BTreeMap<(String, &str), (i64, Vec<&str>)> = BTreeMap::new();
    for access in &resource.access {
        let Some(from) = &access.from else { continue };
        let ports = if access.how == SSH { &ssh_ports } else { web_ports };
        for (name, port) in ports.iter().cloned() {
            ways.entry((name, from)).or_insert((port, Vec::new())).1.push(&access.who);
        }
    }
    let native = |((name, from), (port, who)): ((String, &str), (i64, Vec<&str>))| {
        let key = Key::Text(format!("{name} from {from}").into());
        part(
            ENTRANCE,
            Some(key),
            FIREWALL.name,
            [
                ("network", of(network, "id")),
                ("direction", Some(Term::text("INGRESS"))),
                ("priority", int(ALLOWED_AT)),
                ("allow", flag(true)),
                ("source_ranges", one(Some(Term::text(from)))),
                ("target_service_accounts", one(account::email(&resource.addr))),
                ("ports", one(Some(Term::Known(Value::Int(port))))),
                ("description", Some(Term::text(format!("{} to {name}", who.join(" and "))))),
            ],
        )
    };
    ways.into_iter().map(native).collect()
}
