//! `local.key`: what a grant on a bucket is. An access key of its own for each user of each bucket.

use super::super::Object;
use super::{BUCKET, control};
use crate::environment::{Environment, Record, disk_error};
use async_trait::async_trait;
use dsenv_sdk::builtin::random_text;
use dsenv_sdk::provider::{DataFate, OpErrorClass, Right, Use, Watch};
use dsenv_sdk::schema::{Attribute, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, OpError, Term};
use std::collections::BTreeMap;

/// The native type.
pub(crate) const KEY: NativeType = NativeType {
    name: "local.key",
    doc: "An access key with a right on one bucket.",
    fields: &[
        Field::new("bucket", Type::Text, "The bucket's name.").required().replaces(),
        Field::new("holder", Type::Text, "Who holds it, for people.").required(),
        Field::new("right", Type::Choice(&["read", "read_write"]), "What it may do.").required(),
    ],
    attributes: &[
        Attribute::new("url", "`s3://` and the bucket's name."),
        Attribute::new("name", "The bucket's name."),
        Attribute::new("endpoint", "Where the S3 interface answers."),
        Attribute::new("region", "The region that requests are signed for."),
        Attribute::new("access_key_id", "The key."),
        Attribute::new("secret_access_key", "Its secret half.").secret(),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

/// Lowers one entry of `uses` on a bucket.
pub(crate) fn key_args(user: &Addr, used: &Use) -> (&'static str, BTreeMap<String, Term>) {
    let right = match used.right {
        Right::Read => "read",
        Right::ReadWrite => "read_write",
    };
    let name = Ref::attribute(used.target.clone(), "name");
    let args = BTreeMap::from([
        ("bucket".to_owned(), Term::Ref(name)),
        ("holder".to_owned(), Term::text(user.to_string())),
        ("right".to_owned(), Term::text(right)),
    ]);
    (KEY.name, args)
}

pub(crate) struct Key;

#[async_trait]
impl Object for Key {
    fn ty(&self) -> &'static NativeType {
        &KEY
    }

    async fn make(
        &self,
        env: &Environment,
        record: &mut Record,
        _watch: Watch<'_>,
    ) -> Result<(), OpError> {
        let bucket = record.arg_text("bucket").unwrap_or_default().to_owned();
        let buckets = env.records.of_type(BUCKET.name).map_err(disk_error)?;
        let target = buckets.iter().find(|it| it.value_text("name") == Some(&bucket));
        let Some(target) = target else {
            let message = format!("there is no bucket `{bucket}` to make a key for");
            return Err(OpError::new(OpErrorClass::NotFound, message));
        };
        for name in ["url", "name", "endpoint", "region"] {
            let value = target.values.get(name).cloned().unwrap_or(Value::Null);
            record.values.insert(name.to_owned(), value);
        }
        if !record.values.contains_key("secret_access_key") {
            // The form that clients know: 20 capital letters and digits, and 40 characters.
            let id = format!("DSENV{}", random_text(15).expose().to_ascii_uppercase());
            record.values.insert("access_key_id".to_owned(), Value::text(id));
            let secret = Value::Secret(random_text(40));
            record.values.insert("secret_access_key".to_owned(), secret);
        }
        // On disk before the endpoint knows it: the records are where it reads keys from.
        env.records.save(record).map_err(disk_error)?;
        control::read_keys(env).await
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
        _record: &Record,
        _data: DataFate,
        _watch: Watch<'_>,
    ) -> Result<(), OpError> {
        // The record says `deleting` by now, so the endpoint reads it away.
        control::read_keys_if_running(env).await
    }
}
