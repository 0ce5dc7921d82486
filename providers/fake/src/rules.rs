//! What the cloud refuses, each rule a function of what exists and what is asked.

use crate::native;
use crate::world::{Object, Stage, World};
use dsenv_sdk::addr::Addr;
use dsenv_sdk::preflight::{Intent, Remark, Verdict};
use dsenv_sdk::provider::{OpError, OpErrorClass, Owner};
use dsenv_sdk::schema::{NativeType, Presence};
use dsenv_sdk::self_facts::SelfFacts;
use dsenv_sdk::term::Term;
use dsenv_sdk::value::{Map, Value};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// What every id begins with.
const ID_PREFIX: &str = "fake-";
/// How many digits an id ends in.
const ID_DIGITS: usize = 6;

/// Makes the id of the nth object ever.
pub(crate) fn object_id(ty: &NativeType, number: u64) -> String {
    let short = ty.name.rsplit('.').next().unwrap_or(ty.name);
    format!("{ID_PREFIX}{short}-{number:0width$}", width = ID_DIGITS)
}

/// Says whether a text has the form of an id.
pub(crate) fn is_object_id(text: &str) -> bool {
    let Some((short, number)) = text.strip_prefix(ID_PREFIX).and_then(|t| t.rsplit_once('-'))
    else {
        return false;
    };
    !short.is_empty() && number.len() >= ID_DIGITS && number.bytes().all(|b| b.is_ascii_digit())
}

/// Collects the ids that arguments name, at any depth.
pub(crate) fn references(args: &Map) -> BTreeSet<&str> {
    fn collect<'a>(value: &'a Value, ids: &mut BTreeSet<&'a str>) {
        match value {
            Value::Text(text) if is_object_id(text) => {
                ids.insert(text);
            }
            Value::List(items) => items.iter().for_each(|item| collect(item, ids)),
            Value::Map(map) => map.values().for_each(|item| collect(item, ids)),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Secret(_) => {}
        }
    }
    let mut ids = BTreeSet::new();
    args.values().for_each(|value| collect(value, &mut ids));
    ids
}

fn refuse(class: OpErrorClass, message: String) -> Result<(), OpError> {
    Err(OpError::new(class, message))
}

/// Refuses arguments that the type does not have, that are missing, or of another type.
pub(crate) fn check_args(ty: &'static NativeType, args: &Map) -> Result<(), OpError> {
    for (name, value) in args {
        let Some(field) = ty.field(name) else {
            return refuse(OpErrorClass::Invalid, format!("{} has no argument `{name}`", ty.name));
        };
        if let Some(mismatch) = field.ty.check(&Term::Known(value.clone())).first() {
            let message = format!("argument `{name}` of {}: {}", ty.name, mismatch.message);
            return refuse(OpErrorClass::Invalid, message);
        }
    }
    for field in ty.fields {
        if field.presence == Presence::Required && !args.contains_key(field.name) {
            let message = format!("{} needs the argument `{}`", ty.name, field.name);
            return refuse(OpErrorClass::Invalid, message);
        }
    }
    Ok(())
}

/// Refuses a machine whose services could not be started: a `${…}` in a command or variable that
/// does not stand for something the machine knows of itself should have been settled before.
pub(crate) fn check_workload(ty: &NativeType, args: &Map) -> Result<(), OpError> {
    let entries = |name: &str| args.get(name).and_then(Value::as_map).cloned().unwrap_or_default();
    if ty.name != native::MACHINE.name {
        return Ok(());
    }
    let workload = entries("workload");
    let port = |(name, service): (&String, &Value)| {
        let port = service.step("port").and_then(Value::as_int)?;
        Some((name.clone(), u16::try_from(port).ok()?))
    };
    let facts = SelfFacts {
        address: "10.0.0.1".to_owned(),
        name: "machine".to_owned(),
        index: 0,
        ports: workload.iter().filter_map(port).collect(),
    };
    let mut templates: Vec<Value> = entries("environment").into_values().collect();
    for service in workload.values() {
        templates.extend(service.step("run").cloned());
        let own = service.step("environment").and_then(Value::as_map);
        templates.extend(own.into_iter().flat_map(Map::values).cloned());
    }
    for template in &templates {
        if let Err(problem) = facts.fill_value(template) {
            return refuse(OpErrorClass::Invalid, format!("in a service: {problem}"));
        }
    }
    Ok(())
}

/// Refuses ids of what does not exist, is of another type than the argument takes, or is not
/// ready to be referred to.
pub(crate) fn check_references(
    world: &World,
    ty: &'static NativeType,
    args: &Map,
) -> Result<(), OpError> {
    for (name, value) in args {
        let types = native::referenced(ty.name, name);
        let texts = match value {
            Value::List(items) => items.as_slice(),
            single => std::slice::from_ref(single),
        };
        for text in texts.iter().filter(|_| !types.is_empty()) {
            let found = text.as_text().and_then(|id| world.objects.get(id));
            if !found.is_some_and(|object| types.contains(&object.ty.name)) {
                let message = format!("`{name}` of {} names no {}: {text}", ty.name, types[0]);
                return refuse(OpErrorClass::Invalid, message);
            }
        }
    }
    for id in references(args) {
        match world.objects.get(id).map(|object| &object.stage) {
            Some(Stage::Ready | Stage::Updating { .. }) => {}
            Some(Stage::Partial | Stage::Creating { .. } | Stage::Deleting { .. }) => {
                return refuse(OpErrorClass::Conflict, format!("{id} is not ready to be used"));
            }
            None => return refuse(OpErrorClass::Invalid, format!("{id} does not exist")),
        }
    }
    Ok(())
}

/// Refuses one more than the account may have.
pub(crate) fn check_quota(world: &World, ty: &NativeType) -> Result<(), OpError> {
    let Some(max) = world.settings.quotas.get(ty.name) else { return Ok(()) };
    let count = world.objects.values().filter(|object| object.ty.name == ty.name).count();
    if count >= *max {
        let message = format!("the account may have {max} of {}, and has {count}", ty.name);
        return refuse(OpErrorClass::Quota, message);
    }
    Ok(())
}

/// Something that a plan means to do.
type Intended = (Addr, &'static NativeType, Intent);

/// Tells before anything is begun which creates are more than the account may have, and which take
/// the last of it.
pub(crate) fn quota_remarks(world: &World, intended: &[Intended]) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for (ty, max) in &world.settings.quotas {
        let there = world.objects.values().filter(|object| object.ty.name == *ty).count();
        let new = |(_, of, intent): &&Intended| of.name == *ty && *intent == Intent::Create;
        for (at, (addr, ..)) in intended.iter().filter(new).enumerate() {
            let verdict = match (there + at + 1).cmp(max) {
                Ordering::Less => continue,
                Ordering::Equal => Verdict::Warns,
                Ordering::Greater => Verdict::Refuses,
            };
            let message = match verdict {
                Verdict::Warns => format!("it takes the last of {max} {ty}"),
                Verdict::Refuses => {
                    format!("the account may have {max} of {ty}, and has {there}")
                }
            };
            let help = Some("ask for a higher quota, or delete what is not needed".to_owned());
            remarks.push(Remark { addr: Some(addr.clone()), verdict, message, help });
        }
    }
    remarks
}

/// Tells which permissions are missing.
pub(crate) fn permission_remarks(world: &World, intended: &[Intended]) -> Vec<Remark> {
    let denied = |(_, ty, _): &&Intended| world.settings.denied.contains(ty.name);
    let remark = |(addr, ty, _): &Intended| Remark {
        addr: Some(addr.clone()),
        verdict: Verdict::Refuses,
        message: format!("the permission `{}` is missing", ty.name),
        help: None,
    };
    intended.iter().filter(denied).map(remark).collect()
}

/// Refuses a name that something else has. A name is taken until its object is gone.
pub(crate) fn check_name(world: &World, ty: &NativeType, args: &Map) -> Result<(), OpError> {
    let Some(name) = args.get("name") else { return Ok(()) };
    let taken =
        |object: &&Object| object.ty.name == ty.name && object.args.get("name") == Some(name);
    match world.objects.values().find(taken) {
        Some(other) => {
            let message = format!("the name {name} is taken by {}", other.remote_id);
            refuse(OpErrorClass::Conflict, message)
        }
        None => Ok(()),
    }
}

/// Refuses an update of what can only be replaced.
pub(crate) fn check_update(object: &Object, args: &Map) -> Result<(), OpError> {
    for field in object.ty.fields {
        let (there, asked) = (object.args.get(field.name), args.get(field.name));
        if there != asked && field.replaces_from(there, asked) {
            let message =
                format!("`{}` of {} cannot be changed in place", field.name, object.remote_id);
            return refuse(OpErrorClass::Invalid, message);
        }
    }
    Ok(())
}

/// Refuses to delete what something still refers to, be it on its way out itself.
pub(crate) fn check_unused(world: &World, remote_id: &str) -> Result<(), OpError> {
    match world.user_of(remote_id) {
        Some(user) => refuse(OpErrorClass::InUse, format!("{remote_id} is in use by {user}")),
        None => Ok(()),
    }
}

/// Refuses to change what belongs to nobody or to somebody else.
pub(crate) fn check_owner(object: &Object, owner: &Owner) -> Result<(), OpError> {
    if object.owner.as_ref() == Some(owner) {
        return Ok(());
    }
    let message = match &object.owner {
        Some(other) => {
            format!("{} belongs to {} in {}", object.remote_id, other.blueprint, other.environment)
        }
        None => format!("{} carries no owner's tags; it must be claimed first", object.remote_id),
    };
    refuse(OpErrorClass::Denied { permission: Some("fake:ChangeOthers".to_owned()) }, message)
}
