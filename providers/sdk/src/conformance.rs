//! The suite that every provider's native types must pass.
//!
//! [`schema`] needs no connection and is run for every provider; [`lifecycle`] drives one type
//! through its life on a live connection, and [`update`] through a change in place. All return
//! what is wrong, one line each, so that a test shows all of it at once; an empty list is a pass.

use crate::addr::Addr;
use crate::kinds;
use crate::provider::{
    Connection, Create, DataFate, Delete, Observed, OpError, Prior, Progress, Provider, Token,
    Update,
};
use crate::schema::{Field, NativeType, OnChange, Presence};
use crate::secret::Secret;
use crate::term::Term;
use crate::value::{Map, Value, wire};
use std::collections::BTreeSet;

/// How often an accepted operation is asked for before the suite gives up.
const POLLS_MAX: usize = 10_000;

/// Checks the tables: names, order, and that every kind the provider claims is a kind.
pub fn schema(provider: &dyn Provider) -> Vec<String> {
    let mut wrong = Vec::new();
    let types = provider.native_types();
    if !types.is_sorted_by_key(|native| native.name) {
        wrong.push("native types are not sorted by name".to_owned());
    }
    for native in types {
        let owned = native.name.strip_prefix(provider.name()).is_some_and(|r| r.starts_with('.'));
        if !owned && !native.name.starts_with("dsenv.") {
            wrong.push(format!("`{}` does not begin with `{}.`", native.name, provider.name()));
        }
        let mut names = BTreeSet::new();
        for field in native.fields {
            // One that is the same by its definition cannot say two things.
            let other = |it: &crate::schema::Attribute| it.of != Some(field.name);
            if native.attribute(field.name).is_some_and(other) {
                wrong.push(format!("`{}.{}` is argument and attribute", native.name, field.name));
            }
            if !names.insert(field.name) {
                wrong.push(format!("`{}.{}` is there twice", native.name, field.name));
            }
            if let Some(problem) = default_problem(field) {
                wrong.push(format!("`{}.{}`: {problem}", native.name, field.name));
            }
        }
        for attribute in native.attributes {
            if native.field(attribute.name).is_none() && !names.insert(attribute.name) {
                wrong.push(format!("`{}.{}` is there twice", native.name, attribute.name));
            }
        }
    }
    if !provider.kinds().is_sorted() {
        wrong.push("kinds are not sorted".to_owned());
    }
    for kind in provider.kinds() {
        if kinds::kind(kind).is_none() {
            wrong.push(format!("`{kind}` is not a neutral kind"));
        }
    }
    wrong
}

/// A default is JSON, and of the field's own type.
fn default_problem(field: &Field) -> Option<String> {
    let Presence::Default(text) = field.presence else { return None };
    let Ok(json) = serde_json::from_str(text) else {
        return Some(format!("the default `{text}` is not JSON"));
    };
    let Ok(value) = wire::decode(json, &mut |_| Err::<Secret, ()>(())) else {
        return Some("the default holds a secret".to_owned());
    };
    field
        .ty
        .check(&Term::Known(value))
        .first()
        .map(|mismatch| format!("default: {}", mismatch.message))
}

/// Drives one type through its life: find nothing, create, create again with the same token, find,
/// list, read, delete, delete again, read and find nothing. `args` are valid and are not those of
/// an object that exists.
pub async fn lifecycle(
    connection: &dyn Connection,
    ty: &'static NativeType,
    addr: &Addr,
    args: &Map,
) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Err(error) = run_lifecycle(connection, ty, addr, args, &mut wrong).await {
        wrong.push(format!("{}: {error} ({:?})", ty.name, error.causes));
    }
    wrong
}

/// Drives one type through a change in place, from one set of valid arguments to another that
/// differs in no field that replaces: the object stays, its stable attributes stay, it shows the
/// new arguments, and the same update again is a success. The object is deleted at the end.
pub async fn update(
    connection: &dyn Connection,
    ty: &'static NativeType,
    addr: &Addr,
    before: &Map,
    after: &Map,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for field in ty.fields.iter().filter(|field| field.on_change != OnChange::Update) {
        let (there, asked) = (before.get(field.name), after.get(field.name));
        let stays = field.on_change == OnChange::Keep || field.replaces_from(there, asked);
        if there != asked && stays {
            wrong.push(format!("{}: `{}` does not update; the test is wrong", ty.name, field.name));
        }
    }
    if let Err(error) = run_update(connection, ty, addr, (before, after), &mut wrong).await {
        wrong.push(format!("{}: {error} ({:?})", ty.name, error.causes));
    }
    wrong
}

async fn run_lifecycle(
    connection: &dyn Connection,
    ty: &'static NativeType,
    addr: &Addr,
    args: &Map,
    wrong: &mut Vec<String>,
) -> Result<(), OpError> {
    let token = Token::new("conformance", addr, 1);
    if connection.find(ty, &token).await?.is_some() {
        wrong.push(format!("{}: find finds something before create", ty.name));
    }
    let create = Create { addr, ty, token: &token, args, begun_before_ms: None, watch: &|_| {} };
    let first = finish(connection, ty, connection.create(create).await?).await?;
    let create = Create { begun_before_ms: Some(0), ..create };
    let again = finish(connection, ty, connection.create(create).await?).await?;
    let (Some(first), Some(again)) = (first, again) else {
        wrong.push(format!("{}: create gives no object", ty.name));
        return Ok(());
    };
    if first.remote_id != again.remote_id {
        wrong.push(format!("{}: one token made two objects", ty.name));
    }
    check_observed(ty, args, &first, wrong);
    let prior = Prior { addr: addr.clone(), token, observed: first };
    if !ty.state_only {
        check_known(connection, ty, &prior, wrong).await?;
    }
    check_read(connection, ty, &prior, wrong).await?;
    for _ in 0..2 {
        delete(connection, ty, &prior, args).await?;
    }
    if !ty.state_only {
        check_gone(connection, ty, &prior, wrong).await?;
    }
    Ok(())
}

async fn run_update(
    connection: &dyn Connection,
    ty: &'static NativeType,
    addr: &Addr,
    (before, after): (&Map, &Map),
    wrong: &mut Vec<String>,
) -> Result<(), OpError> {
    let token = Token::new("conformance of update", addr, 1);
    let begun_before_ms = None;
    let create = Create { addr, ty, token: &token, args: before, begun_before_ms, watch: &|_| {} };
    let Some(first) = finish(connection, ty, connection.create(create).await?).await? else {
        wrong.push(format!("{}: create gives no object", ty.name));
        return Ok(());
    };
    let mut prior = Prior { addr: addr.clone(), token, observed: first.clone() };
    for prior_args in [before, after] {
        let request = Update { addr, ty, prior: &prior, prior_args, args: after, watch: &|_| {} };
        let updated = finish(connection, ty, connection.update(request).await?).await?;
        let Some(updated) = updated else {
            wrong.push(format!("{}: update gives no object", ty.name));
            return Ok(());
        };
        if updated.remote_id != first.remote_id {
            wrong.push(format!("{}: update gives another object", ty.name));
        }
        for stable in ty.attributes.iter().filter(|attribute| attribute.stable) {
            if updated.values.get(stable.name) != first.values.get(stable.name) {
                wrong.push(format!("{}: update changes stable `{}`", ty.name, stable.name));
            }
        }
        check_observed(ty, after, &updated, wrong);
        prior.observed = updated;
        check_read(connection, ty, &prior, wrong).await?;
    }
    delete(connection, ty, &prior, after).await
}

/// An observation has every attribute and nothing that is not in the schema; a secret attribute is
/// a secret; an argument that the cloud tells is the one that was given, or the next plan would
/// show a change that nobody made.
fn check_observed(ty: &NativeType, args: &Map, observed: &Observed, wrong: &mut Vec<String>) {
    for attribute in ty.attributes {
        match observed.values.get(attribute.name) {
            None => {
                wrong.push(format!("{}: attribute `{}` is not observed", ty.name, attribute.name));
            }
            Some(Value::Secret(_)) => {}
            Some(_) if attribute.secret => {
                wrong.push(format!("{}: attribute `{}` is not secret", ty.name, attribute.name));
            }
            Some(_) => {}
        }
    }
    for (name, value) in &observed.values {
        let Some(field) = ty.field(name) else {
            if ty.attribute(name).is_none() {
                wrong.push(format!("{}: observed `{name}` is not in the schema", ty.name));
            }
            continue;
        };
        if !field.cloud_owned && args.get(name).is_some_and(|given| !field.agrees(given, value)) {
            wrong.push(format!("{}: observed `{name}` is not what was asked for", ty.name));
        }
    }
}

/// An object that exists is found by its token and listed once among its owner's.
async fn check_known(
    connection: &dyn Connection,
    ty: &'static NativeType,
    prior: &Prior,
    wrong: &mut Vec<String>,
) -> Result<(), OpError> {
    let remote_id = &prior.observed.remote_id;
    match connection.find(ty, &prior.token).await? {
        Some(found) if !found.complete => {
            wrong.push(format!("{}: find says incomplete after create", ty.name));
        }
        Some(found) if found.observed.remote_id != *remote_id => {
            wrong.push(format!("{}: find gives another object", ty.name));
        }
        Some(_) => {}
        None => wrong.push(format!("{}: find finds nothing after create", ty.name)),
    }
    let mut owned = connection.inventory(None).await?;
    owned.retain(|owned| owned.token == prior.token);
    match owned.as_slice() {
        [one] if one.remote_id == *remote_id && one.addr == prior.addr && one.ty == ty.name => {}
        [] => wrong.push(format!("{}: it is not in the inventory", ty.name)),
        [_] => wrong.push(format!("{}: the inventory has it as something else", ty.name)),
        _ => wrong.push(format!("{}: the inventory has it twice", ty.name)),
    }
    Ok(())
}

/// Reading gives what was observed last, in the order of the question, and nothing for what is not
/// there.
async fn check_read(
    connection: &dyn Connection,
    ty: &'static NativeType,
    prior: &Prior,
    wrong: &mut Vec<String>,
) -> Result<(), OpError> {
    if connection.read_many(ty, std::slice::from_ref(prior)).await?
        != [Some(prior.observed.clone())]
    {
        wrong.push(format!("{}: read differs from what was observed", ty.name));
    }
    if ty.state_only {
        return Ok(());
    }
    let absent = Prior {
        addr: prior.addr.clone(),
        token: Token::new("conformance", &prior.addr, 2),
        observed: Observed { remote_id: "no-such-object".to_owned(), values: Map::new() },
    };
    let wanted = [absent.clone(), prior.clone(), absent];
    let there: Vec<_> =
        connection.read_many(ty, &wanted).await?.iter().map(Option::is_some).collect();
    if there != [false, true, false] {
        wrong.push(format!("{}: reads do not stand in the order of the question", ty.name));
    }
    Ok(())
}

async fn check_gone(
    connection: &dyn Connection,
    ty: &'static NativeType,
    prior: &Prior,
    wrong: &mut Vec<String>,
) -> Result<(), OpError> {
    if connection.read_many(ty, std::slice::from_ref(prior)).await? != [None] {
        wrong.push(format!("{}: read finds something after delete", ty.name));
    }
    if connection.find(ty, &prior.token).await?.is_some() {
        wrong.push(format!("{}: find finds something after delete", ty.name));
    }
    if connection.inventory(None).await?.iter().any(|owned| owned.token == prior.token) {
        wrong.push(format!("{}: the inventory has it after delete", ty.name));
    }
    Ok(())
}

async fn delete(
    connection: &dyn Connection,
    ty: &'static NativeType,
    prior: &Prior,
    prior_args: &Map,
) -> Result<(), OpError> {
    let (addr, data) = (&prior.addr, DataFate::Delete);
    let request = Delete { addr, ty, prior, prior_args, data, watch: &|_| {} };
    if let Progress::Accepted(accepted) = connection.delete(request).await? {
        finish(connection, ty, Progress::Accepted(accepted)).await?;
    }
    Ok(())
}

async fn finish(
    connection: &dyn Connection,
    ty: &'static NativeType,
    progress: Progress<Observed>,
) -> Result<Option<Observed>, OpError> {
    let mut accepted = match progress {
        Progress::Done(observed) => return Ok(Some(observed)),
        Progress::Accepted(accepted) => accepted,
    };
    for _ in 0..POLLS_MAX {
        match connection.poll(ty, &accepted).await? {
            Progress::Done(observed) => return Ok(observed),
            Progress::Accepted(next) => accepted = next,
        }
    }
    let message = format!("still accepted after {POLLS_MAX} polls");
    Err(OpError::new(crate::provider::OpErrorClass::Unknown, message))
}
