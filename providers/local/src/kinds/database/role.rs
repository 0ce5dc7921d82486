//! `local.role`: what a grant on a database is. A role of its own for each user of each database.

use super::postgres::{POSTGRES, known, known_here, leave_role, left_roles, session};
use super::{Object, plain_name};
use crate::environment::{Environment, Record, admin_error, disk_error};
use crate::postgres;
use async_trait::async_trait;
use dsenv_sdk::builtin::random_text;
use dsenv_sdk::provider::{DataFate, OpErrorClass, Right, Use, Watch};
use dsenv_sdk::schema::{Attribute, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::term::Ref;
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, OpError, Secret, Term};
use std::collections::BTreeMap;

/// The native type.
pub(crate) const ROLE: NativeType = NativeType {
    name: "local.role",
    doc: "A role that logs in, with a right in one database.",
    fields: &[
        Field::new("server", Type::Text, "Which server.").required().replaces(),
        Field::new("role", Type::Text, "The role's name.").required().replaces(),
        Field::new("right", Type::Choice(&["read", "read_write"]), "What it may do.").required(),
    ],
    attributes: &[
        Attribute::new("url", "All of it in one URL, password included.").secret(),
        Attribute::new("host", "Where the server answers."),
        Attribute::new("port", "The port that it answers on."),
        Attribute::new("name", "The database's name."),
        Attribute::new("user", "The role's name."),
        Attribute::new("password", "Its password.").secret(),
    ],
    replace: ReplaceOrder::DeleteFirst,
    state_only: false,
    holds_data: false,
};

/// PostgreSQL cuts longer names.
const ROLE_LENGTH_MAX: usize = 63;

/// Lowers one entry of `uses` on a database.
pub(crate) fn role_args(user: &Addr, used: &Use) -> (&'static str, BTreeMap<String, Term>) {
    let right = match used.right {
        Right::Read => "read",
        Right::ReadWrite => "read_write",
    };
    let server = Ref::attribute(used.target.clone(), "server");
    let args = BTreeMap::from([
        ("server".to_owned(), Term::Ref(server)),
        ("role".to_owned(), Term::text(plain_name(user, ROLE_LENGTH_MAX))),
        ("right".to_owned(), Term::text(right)),
    ]);
    (ROLE.name, args)
}

pub(crate) struct Role;

/// Finds the record of the server that a role is on; `None` when it is gone.
fn server_of(env: &Environment, role: &Record) -> Result<Option<Record>, OpError> {
    let servers = env.records.of_type(POSTGRES.name).map_err(disk_error)?;
    let server = role.arg_text("server").unwrap_or_default();
    Ok(servers.into_iter().find(|record| record.remote_id == server))
}

fn right(record: &Record) -> postgres::Right {
    match record.arg_text("right") {
        Some("read_write") => postgres::Right::ReadWrite,
        _ => postgres::Right::Read,
    }
}

#[async_trait]
impl Object for Role {
    fn ty(&self) -> &'static NativeType {
        &ROLE
    }

    async fn make(
        &self,
        env: &Environment,
        record: &mut Record,
        watch: Watch<'_>,
    ) -> Result<(), OpError> {
        let server = server_of(env, record)?.ok_or_else(|| {
            let message = "the database's server is not there to make a role on";
            OpError::new(OpErrorClass::NotFound, message)
        })?;
        if !record.own.contains_key("password") {
            record.own.insert("password".to_owned(), Value::Secret(random_text(32)));
            env.records.save(record).map_err(disk_error)?;
        }
        let password = Secret::new(record.own_text("password").expect("it was just put there"));
        let role = record.arg_text("role").unwrap_or_default().to_owned();
        let known = known(env, &server, watch).await?;
        let database = server.arg_text("database").unwrap_or_default();
        let admin = session(env, &server, &known, watch).await?;
        let made = admin.ensure_role(&role, &password, right(record), database).await;
        made.map_err(admin_error)?;
        let at = known.server.at();
        let url = format!("postgresql://{role}:{}@{at}/{database}", password.expose());
        record.values = Map::from([
            ("url".to_owned(), Value::Secret(Secret::new(url))),
            ("host".to_owned(), server.values.get("host").cloned().unwrap_or(Value::Null)),
            ("port".to_owned(), server.values.get("port").cloned().unwrap_or(Value::Null)),
            ("name".to_owned(), Value::text(database)),
            ("user".to_owned(), Value::text(role)),
            ("password".to_owned(), Value::Secret(password)),
        ]);
        Ok(())
    }

    async fn look(
        &self,
        env: &Environment,
        records: &[Record],
    ) -> Result<Vec<Option<Map>>, OpError> {
        let mut roles: BTreeMap<String, Option<Vec<String>>> = BTreeMap::new();
        let mut seen = Vec::new();
        for record in records {
            let Some(server) = server_of(env, record)? else {
                seen.push(None);
                continue;
            };
            if !roles.contains_key(&server.remote_id) {
                roles.insert(server.remote_id.clone(), roles_on(env, &server).await);
            }
            let there = match &roles[&server.remote_id] {
                Some(names) => names.iter().any(|name| record.arg_text("role") == Some(name)),
                // It cannot be asked now; `status` starts it again.
                None => true,
            };
            seen.push(there.then(|| record.values.clone()));
        }
        Ok(seen)
    }

    async fn remove(
        &self,
        env: &Environment,
        record: &Record,
        _data: DataFate,
        watch: Watch<'_>,
    ) -> Result<(), OpError> {
        let Some(server) = server_of(env, record)? else { return Ok(()) };
        let data = server.own_text("data_dir");
        // Its data gone, its roles are gone.
        if !data.is_some_and(|data| std::path::Path::new(data).exists()) {
            return Ok(());
        }
        let role = record.arg_text("role").unwrap_or_default();
        // One after the other: that a server does not start is found out once, and not by each of its
        // roles, which would start it under each other's wait.
        let _lock = env.roles.lock().await;
        match drop_role(env, &server, role, watch).await {
            Ok(()) => Ok(()),
            Err(NotDropped::Refused(error)) => Err(error),
            // What does not run must not be in the way of its own removal.
            Err(NotDropped::OutOfReach(error)) => {
                watch(&format!("the role `{role}` is dropped at the next start: {error}"));
                leave_role(env, &server, role)
            }
        }
    }
}

/// Why a role is still there.
enum NotDropped {
    /// The server was asked, and did not do it.
    Refused(OpError),
    /// The server cannot be asked.
    OutOfReach(OpError),
}

async fn drop_role(
    env: &Environment,
    server: &Record,
    role: &str,
    watch: Watch<'_>,
) -> Result<(), NotDropped> {
    let known = known(env, server, watch).await.map_err(NotDropped::OutOfReach)?;
    // Roles are noted when it does not start, and the notes are gone once it did.
    if !left_roles(env, server).map_err(NotDropped::OutOfReach)?.is_empty() {
        let runs = known.server.admin(&known.password).await.map(drop);
        runs.map_err(|error| NotDropped::OutOfReach(admin_error(error)))?;
    }
    let admin = session(env, server, &known, watch).await.map_err(NotDropped::OutOfReach)?;
    admin.drop_role(role).await.map_err(|error| match error.is_out_of_reach() {
        true => NotDropped::OutOfReach(admin_error(error)),
        false => NotDropped::Refused(admin_error(error)),
    })
}

/// The roles of a server by name; `None` when it cannot be asked.
async fn roles_on(env: &Environment, server: &Record) -> Option<Vec<String>> {
    let known = known_here(env, server).await?;
    let admin = known.server.admin(&known.password).await.ok()?;
    let facts = admin.facts().await.ok()?;
    Some(facts.roles.into_iter().map(|role| role.name).collect())
}
