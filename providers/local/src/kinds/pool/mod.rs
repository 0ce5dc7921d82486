//! `pool`: workspaces that are all alike, each a part of its own; they share software and grants.

use super::machine::{
    MACHINE_SUBSTITUTES, check_machine, grants, member_workspace, software, software_wants,
};
use super::{LocalKind, Object, substitutes_where_set};
use crate::environment::{Environment, Record};
use async_trait::async_trait;
use dsenv_sdk::provider::{DataFate, Finding, Native, Neutral, Surroundings, Watch};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Key, OpError, Term};
use std::collections::BTreeMap;

pub(super) const KIND: LocalKind = LocalKind { name: "pool", check, wants: software_wants, lower };

const SUBSTITUTES: &[(&str, &str)] = &[(
    "scale",
    "on local nothing is added or taken away by load: the pool has `start` members, else `min`",
)];

/// The part that each member is.
const MEMBER: &str = "member";

fn check(resource: &Neutral) -> Vec<Finding> {
    let mut findings = check_machine(resource);
    findings.extend(substitutes_where_set(resource, MACHINE_SUBSTITUTES));
    findings.extend(substitutes_where_set(resource, SUBSTITUTES));
    if count(resource).is_none() {
        let help = "take it from an input, or write a number";
        findings.push(super::refuses(&["count"], "`count` must be known before apply", help));
    }
    findings
}

/// How many members there are at first; `None` when that depends on another resource.
fn count(resource: &Neutral) -> Option<u32> {
    let count = resource.fields.get("count")?.known()?;
    let number = match count {
        Value::Map(range) => range.get("start").or_else(|| range.get("min"))?,
        number => number,
    };
    u32::try_from(number.as_int()?).ok()
}

fn lower(resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
    let mut natives = grants(resource);
    natives.extend(software(resource, around));
    let mut addresses = Vec::new();
    for index in 0..count(resource).expect("a pool without a known count was refused") {
        let native = member_workspace(resource, MEMBER, index);
        let member = resource.addr.part(MEMBER, Some(Key::Index(index)));
        addresses.push(Term::Ref(Ref::attribute(member, "address")));
        natives.push(native);
    }
    let args = BTreeMap::from([("members".to_owned(), Term::list(addresses))]);
    natives.push(Native { part: None, ty: POOL.name, args, after: Vec::new() });
    natives
}

/// The native type.
pub(super) const POOL: NativeType = NativeType {
    name: "local.pool",
    doc: "The list of a pool's members; the members are workspaces.",
    fields: &[Field::new("members", Type::List(&Type::Text), "Their addresses, in order.")
        .required()
        .class(Class::Scale)],
    attributes: &[Attribute::new("addresses", "Their addresses, in order.").changes()],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

pub(super) struct Pool;

#[async_trait]
impl Object for Pool {
    fn ty(&self) -> &'static NativeType {
        &POOL
    }

    async fn make(
        &self,
        _env: &Environment,
        record: &mut Record,
        _watch: Watch<'_>,
    ) -> Result<(), OpError> {
        let members = record.args.get("members").cloned().unwrap_or(Value::List(Vec::new()));
        record.values = Map::from([("addresses".to_owned(), members)]);
        Ok(())
    }

    async fn look(
        &self,
        _env: &Environment,
        records: &[Record],
    ) -> Result<Vec<Option<Map>>, OpError> {
        Ok(records.iter().map(|record| Some(record.values.clone())).collect())
    }

    async fn remove(
        &self,
        _env: &Environment,
        _record: &Record,
        _data: DataFate,
        _watch: Watch<'_>,
    ) -> Result<(), OpError> {
        Ok(())
    }
}
