//! The suite that every provider's native types must pass.
//!
//! [`schema`] needs no connection and is run for every provider; [`lifecycle`] drives one type
//! through its life on a live connection. Both return what is wrong, one line each, so that a
//! test shows all of it at once; an empty list is a pass.

use crate::addr::Addr;
use crate::kinds;
use crate::provider::{
    Connection, Create, DataFate, Delete, Observed, OpError, Prior, Progress, Provider, Token,
};
use crate::schema::NativeType;
use crate::value::Map;

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
        for field in native.fields {
            if native.attribute(field.name).is_some() {
                wrong.push(format!("`{}.{}` is argument and attribute", native.name, field.name));
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

/// Drives one type through its life: create, create again with the same token, find, read, delete,
/// delete again, read and find nothing. `settle` is awaited between polls.
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

async fn run_lifecycle(
    connection: &dyn Connection,
    ty: &'static NativeType,
    addr: &Addr,
    args: &Map,
    wrong: &mut Vec<String>,
) -> Result<(), OpError> {
    let token = Token::new("conformance", addr, 1);
    let create = Create { addr, ty, token: &token, args, watch: &|_| {} };
    let first = finish(connection, ty, connection.create(create).await?).await?;
    let again = finish(connection, ty, connection.create(create).await?).await?;
    let (Some(first), Some(again)) = (first, again) else {
        wrong.push(format!("{}: create gives no object", ty.name));
        return Ok(());
    };
    if first.remote_id != again.remote_id {
        wrong.push(format!("{}: one token made two objects", ty.name));
    }
    for attribute in ty.attributes {
        if !first.values.contains_key(attribute.name) {
            wrong.push(format!("{}: attribute `{}` is not observed", ty.name, attribute.name));
        }
    }
    for key in first.values.keys() {
        if ty.field(key).is_none() && ty.attribute(key).is_none() {
            wrong.push(format!("{}: observed `{key}` is not in the schema", ty.name));
        }
    }
    let prior = Prior { addr: addr.clone(), token: token.clone(), observed: first.clone() };
    if !ty.state_only {
        match connection.find(ty, &token).await? {
            Some(found) if !found.complete => {
                wrong.push(format!("{}: find says incomplete after create", ty.name));
            }
            Some(found) if found.observed.remote_id != first.remote_id => {
                wrong.push(format!("{}: find gives another object", ty.name));
            }
            Some(_) => {}
            None => wrong.push(format!("{}: find finds nothing after create", ty.name)),
        }
    }
    if connection.read_many(ty, std::slice::from_ref(&prior)).await? != [Some(first)] {
        wrong.push(format!("{}: read differs from what create observed", ty.name));
    }
    for _ in 0..2 {
        let data = DataFate::Delete;
        let delete = Delete { addr, ty, prior: &prior, prior_args: args, data, watch: &|_| {} };
        if let Progress::Accepted(accepted) = connection.delete(delete).await? {
            finish(connection, ty, Progress::Accepted(accepted)).await?;
        }
    }
    if !ty.state_only {
        if connection.read_many(ty, &[prior]).await? != [None] {
            wrong.push(format!("{}: read finds something after delete", ty.name));
        }
        if connection.find(ty, &token).await?.is_some() {
            wrong.push(format!("{}: find finds something after delete", ty.name));
        }
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
