//! `network`: address bookkeeping. A network is one block of 256 loopback addresses, 127.x.y.0.
//!
//! Nothing of it exists outside the books, and it isolates nobody: every process of this machine can
//! reach every loopback address. That is said in the findings.

use super::{LocalKind, Object, substitutes_where_set};
use crate::environment::{Environment, Record, disk_error};
use async_trait::async_trait;
use dsenv_sdk::OpError;
use dsenv_sdk::provider::{DataFate, Native, Watch};
use dsenv_sdk::schema::{Attribute, Class, Field, Format, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::{Map, Value};

pub(super) const KIND: LocalKind = LocalKind {
    name: "network",
    check: |resource| substitutes_where_set(resource, SUBSTITUTES),
    wants: |_| Vec::new(),
    lower: |resource, _| {
        let mut args = resource.fields.clone();
        args.retain(|name, _| NETWORK.field(name).is_some());
        vec![Native { part: None, ty: NETWORK.name, args, after: Vec::new() }]
    },
};

const SUBSTITUTES: &[(&str, &str)] = &[
    (
        "cidr",
        "on local a network is a block of loopback addresses (127.x.y.0/24), not this range, and \
         it isolates nothing",
    ),
    ("zones", "on local there is one zone, which is this computer"),
    ("nat", "on local machines reach out as this computer does, and nobody pays for a gateway"),
];

/// The native type.
pub(super) const NETWORK: NativeType = NativeType {
    name: "local.network",
    doc: "A block of loopback addresses.",
    fields: &[Field::new(
        "cidr",
        Type::Format(Format::Cidr),
        "The range asked for; kept, not used.",
    )
    .class(Class::Bind)],
    attributes: &[Attribute::new("id", "The block, `127.x.y.0/24`.")],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

pub(super) struct Network;

#[async_trait]
impl Object for Network {
    fn ty(&self) -> &'static NativeType {
        &NETWORK
    }

    async fn make(
        &self,
        env: &Environment,
        record: &mut Record,
        _watch: Watch<'_>,
    ) -> Result<(), OpError> {
        let block = env.addresses.block(record.token.as_str()).await.map_err(disk_error)?;
        record.values = Map::from([("id".to_owned(), Value::text(block.to_string()))]);
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
        env: &Environment,
        record: &Record,
        _data: DataFate,
        _watch: Watch<'_>,
    ) -> Result<(), OpError> {
        env.addresses.release_block(record.token.as_str()).await.map_err(disk_error)
    }
}
