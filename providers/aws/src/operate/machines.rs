//! The instances and mailboxes of the environment.

use crate::clients::Aws;
use crate::ec2::{filters, pages};
use crate::failure::failed;
use crate::kinds::{self, MEMBER, types};
use crate::object::{Select, Tags};
use crate::tags::{self, tags_in};
use aws_sdk_ec2::types::{Instance, InstanceStateName};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use dsenv_sdk::provider::OpErrorClass;
use dsenv_sdk::{Addr, OpError};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// One instance: a machine, or a member of a pool.
pub(super) struct Machine {
    /// The machine or the pool.
    pub(super) addr: Addr,
    pub(super) id: String,
    pub(super) is_member: bool,
    pub(super) state: InstanceStateName,
    /// Where it is reached from here, as far as one can know: its public address, else its own.
    pub(super) host: Option<String>,
    /// Where its services answer to people who come in from outside, by their names.
    pub(super) urls: BTreeMap<String, String>,
}

impl Machine {
    /// Whether it is not on its way out.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self.state, InstanceStateName::ShuttingDown | InstanceStateName::Terminated)
    }
}

/// Every instance of the environment; those that are gone are shown for about an hour.
pub(super) async fn instances(aws: &Aws) -> Result<Vec<Machine>, OpError> {
    let filters = filters(aws, Select::Owner(Some(&aws.owner.lineage)), "");
    let request = aws.ec2.describe_instances().set_filters(Some(filters));
    let reservations = pages!("looking at instances", request, reservations);
    let instances = reservations.iter().flat_map(|it| it.instances());
    let mut machines: Vec<Machine> = instances.filter_map(machine).collect();
    machines.sort_by(|a, b| (&a.addr, &a.id).cmp(&(&b.addr, &b.id)));
    Ok(machines)
}

fn machine(instance: &Instance) -> Option<Machine> {
    let tags: Tags = tags_in!(instance.tags());
    let is_member = tags.get(tags::TYPE).is_some_and(|ty| ty == MEMBER);
    Some(Machine {
        addr: tags::address(&tags)?.owner(),
        id: instance.instance_id()?.to_owned(),
        is_member,
        state: instance.state()?.name()?.clone(),
        host: instance.public_ip_address().or(instance.private_ip_address()).map(str::to_owned),
        urls: kinds::service_urls(instance),
    })
}

/// The mailbox of each machine and pool that has one.
pub(super) async fn mailboxes(aws: &Aws) -> Result<BTreeMap<Addr, String>, OpError> {
    let object = kinds::object(types::MAILBOX).expect("mailboxes are made by this provider");
    let found = object.list(aws, Select::Owner(Some(&aws.owner.lineage))).await?;
    let mailbox =
        |live: crate::object::Live| Some((tags::address(&live.tags)?.owner(), live.remote_id));
    Ok(found.into_iter().filter_map(mailbox).collect())
}

/// What somebody put into a mailbox.
pub(super) struct Letter {
    pub(super) bytes: Vec<u8>,
    /// How old it is, by the clock of S3, which dates its answers.
    pub(super) age_s: Option<i64>,
}

/// Reads an object of a mailbox, or its last bytes; `None` when it is not there.
pub(super) async fn read(
    aws: &Aws,
    bucket: &str,
    key: &str,
    last_bytes: Option<u32>,
) -> Result<Option<Letter>, OpError> {
    let doing = format!("reading {key} of {bucket}");
    let dated = Dated::default();
    let range = last_bytes.map(|count| format!("bytes=-{count}"));
    let request = aws.s3.get_object().bucket(bucket).key(key).set_range(range);
    let reply = request.customize().interceptor(dated.clone()).send().await;
    let reply = match reply.map_err(|e| failed(&doing, e)) {
        Ok(reply) => reply,
        Err(error) if error.class == OpErrorClass::NotFound => return Ok(None),
        // Nothing of an empty object can be read.
        Err(error) if error.message.contains("InvalidRange") => return Ok(None),
        Err(error) => return Err(error),
    };
    let written = reply.last_modified().map(DateTime::secs);
    let bytes = reply.body.collect().await.map_err(|error| {
        let class = OpErrorClass::Throttled { retry_after_ms: None };
        OpError::new(class, format!("{doing}: the answer breaks off")).caused_by(&error)
    })?;
    let age_s = dated.secs().zip(written).map(|(now, written)| now.saturating_sub(written));
    Ok(Some(Letter { bytes: bytes.to_vec(), age_s }))
}

/// Reads what an instance said last, and how old that is.
pub(super) async fn said(
    aws: &Aws,
    mailbox: &str,
    id: &str,
) -> Result<Option<(Json, Option<i64>)>, OpError> {
    let letter = read(aws, mailbox, &format!("status/{id}.json"), None).await?;
    Ok(letter.map(|letter| {
        let said = serde_json::from_slice(&letter.bytes).unwrap_or(Json::Null);
        (said, letter.age_s)
    }))
}

/// Keeps the date of an answer: this provider has no clock, and the one that counts is the cloud's.
#[derive(Clone, Debug, Default)]
struct Dated(Arc<Mutex<Option<String>>>);

impl Dated {
    fn secs(&self) -> Option<i64> {
        let date = self.0.lock().expect("nothing panics while it holds a date").take()?;
        DateTime::from_str(&date, Format::HttpDate).ok().map(|date| date.secs())
    }
}

impl Intercept for Dated {
    fn name(&self) -> &'static str {
        "date of the answer"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").map(str::to_owned);
        *self.0.lock().expect("nothing panics while it holds a date") = date;
        Ok(())
    }
}
