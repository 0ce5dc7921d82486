//! Databases, roles and rights of one server, over SQL.
//!
//! An [`Admin`] is a session of the superuser for one operation or a few: it holds a lock of the
//! server until it is dropped, so that two of them do not change the same roles at once. Passwords
//! go in as SCRAM verifiers. Every function can be repeated, and brings a role to exactly the right
//! that is asked for, also down from a higher one. No table and no row is ever dropped.
//!
//! ## Why groups
//! Each database has three roles that nobody logs in as: `NAME:read`, `NAME:read_write` and
//! `NAME:owner`, each with the rights of the one before (`:` is in no name of a blueprint). A login
//! role is a member of one of them per database. A writer's session acts as the group, so that what
//! one notebook creates belongs to all writers, who can alter and drop it, and outlives the
//! notebook; default privileges of the groups let readers see tables that are made later. A session
//! that leaves the group (`SET ROLE NONE`) creates as itself: default privileges of the login role
//! share the rows of those tables too.

use super::server::{ConnectError, MAINTENANCE_DATABASE, SUPERUSER, Server, verifier};
use dsenv_sdk::secret::Secret;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// Bytes of a name in PostgreSQL; a longer one would be cut, and two could become one.
const NAME_LENGTH_MAX: usize = 63;
/// Any number, the same in every dsenv: the lock that an [`Admin`] holds.
const LOCK: i64 = 0x6473_656e_7601;

/// What a role may do in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Select from every table, now and later.
    Read,
    /// And change rows; create tables in the schema `public`, and alter and drop those of writers.
    ReadWrite,
    /// And everything else within the database: schemas, extensions, the tables of others.
    Owner,
}

impl Right {
    const ALL: [Right; 3] = [Right::Read, Right::ReadWrite, Right::Owner];

    fn suffix(self) -> &'static str {
        match self {
            Right::Read => ":read",
            Right::ReadWrite => ":read_write",
            Right::Owner => ":owner",
        }
    }

    fn group(self, database: &str) -> String {
        format!("{database}{}", self.suffix())
    }
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its version, `15.14`.
    pub version: String,
    /// Its databases by name, without templates.
    pub databases: Vec<DatabaseFacts>,
    /// The roles that can log in, by name.
    pub roles: Vec<RoleFacts>,
}

/// One database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// Its name.
    pub name: String,
    /// Its size on disk.
    pub bytes: u64,
}

/// One role that can log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleFacts {
    /// Its name.
    pub name: String,
    /// Whether it may do anything.
    pub superuser: bool,
    /// What it may do, by database.
    pub rights: Vec<(String, Right)>,
}

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// A name that would be cut, clash with a group, or mean a role or database of the server.
    #[error("`{name}` cannot be the name of a {what}: {reason}")]
    Name {
        /// The name.
        name: String,
        /// `database` or `role`.
        what: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// There is no such database to have a right in.
    #[error("the server at {at} has no database `{database}`")]
    NoDatabase {
        /// The server.
        at: String,
        /// The name.
        database: String,
    },
    /// No session could be opened.
    #[error("cannot open a session of `{role}` in the database `{database}` at {at}")]
    Connect {
        /// The server.
        at: String,
        /// Who.
        role: String,
        /// Where.
        database: String,
        /// What the server or the system said.
        #[source]
        source: ConnectError,
    },
    /// The server refused a statement.
    #[error("the server at {at} refused to {doing}")]
    Sql {
        /// The server.
        at: String,
        /// What was being done.
        doing: String,
        /// What the server said.
        #[source]
        source: tokio_postgres::Error,
    },
}

/// A session of the superuser that holds the lock of the server's administration.
pub struct Admin<'a> {
    server: &'a Server,
    password: &'a Secret,
    client: Client,
}

impl Server {
    /// Opens a session for administration, after every other one has ended; for 30 s at most.
    pub async fn admin<'a>(&'a self, password: &'a Secret) -> Result<Admin<'a>, AdminError> {
        let client = open(self, password, MAINTENANCE_DATABASE).await?;
        let admin = Admin { server: self, password, client };
        let lock = format!("SELECT pg_advisory_lock({LOCK})");
        admin.run(&admin.client, "take its administration lock", &lock).await?;
        Ok(admin)
    }
}

async fn open(server: &Server, password: &Secret, database: &str) -> Result<Client, AdminError> {
    let connect = |source| AdminError::Connect {
        at: server.at(),
        role: SUPERUSER.into(),
        database: database.into(),
        source,
    };
    let client = server.connect(SUPERUSER, password, database).await.map_err(connect)?;
    let limits = "SET lock_timeout = '30s'; SET statement_timeout = '60s'; \
                  SET client_min_messages = error";
    client.batch_execute(limits).await.map_err(|source| connect(source.into()))?;
    Ok(client)
}

impl Admin<'_> {
    /// Makes the database and its three groups, and brings their rights to what they should be.
    ///
    /// Tables that are there already, of whatever owner, are readable and writable by the groups
    /// afterwards. Nobody else may connect, to it or to the server's own databases.
    pub async fn ensure_database(&self, name: &str) -> Result<(), AdminError> {
        check_database(name)?;
        let doing = format!("set up the database `{name}`");
        let groups = groups_sql(name);
        self.run(&self.client, &doing, &groups).await?;
        if !self.exists("SELECT 1 FROM pg_database WHERE datname = $1", name).await? {
            // No transaction and no IF NOT EXISTS for this one; the lock keeps others out.
            let create = format!(
                "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'",
                quoted(name),
                quoted(&Right::Owner.group(name))
            );
            self.run(&self.client, &doing, &create).await?;
        }
        self.run(&self.client, &doing, &database_sql(name)).await?;
        let inside = open(self.server, self.password, name).await?;
        self.run(&inside, &doing, &schema_sql(name)).await
    }

    /// Adds an extension to a database; one that is there is left at its version.
    ///
    /// Most useful ones, pgvector among them, may be added by the superuser alone. The programs must
    /// have it: those of a package have no contrib modules.
    pub async fn ensure_extension(&self, database: &str, name: &str) -> Result<(), AdminError> {
        check_database(database)?;
        check_name(name, "extension", NAME_LENGTH_MAX)?;
        let inside = self.open_existing(database).await?;
        let sql = format!("CREATE EXTENSION IF NOT EXISTS {}", quoted(name));
        self.run(&inside, &format!("add the extension `{name}`"), &sql).await
    }

    async fn open_existing(&self, database: &str) -> Result<Client, AdminError> {
        if !self.exists("SELECT 1 FROM pg_database WHERE datname = $1", database).await? {
            let at = self.server.at();
            return Err(AdminError::NoDatabase { at, database: database.to_owned() });
        }
        open(self.server, self.password, database).await
    }

    /// Makes a role that logs in with this password and has exactly this right in the database.
    ///
    /// A role that is there gets the password and the right; a higher one that it had in this
    /// database is taken away, also from its open sessions, which end. Rights in other databases
    /// stay.
    pub async fn ensure_role(
        &self,
        role: &str,
        password: &Secret,
        right: Right,
        database: &str,
    ) -> Result<(), AdminError> {
        check_role(role)?;
        check_database(database)?;
        let inside = self.open_existing(database).await?;
        let existed = self.exists(ROLE_EXISTS, role).await?;
        let create = if existed { String::new() } else { format!("CREATE ROLE {};", quoted(role)) };
        // One message, one transaction: a role is never there without its limits.
        let sql = format!("{create}{}", role_sql(role, &verifier(password), right, database));
        let doing = format!("set up the role `{role}`");
        let before = self.right_of(role, database).await?;
        self.run(&inside, &doing, &sql).await?;
        if before.is_some_and(|before| before > right) {
            self.end_sessions(role, Some(database), &doing).await?;
        }
        Ok(())
    }

    /// Removes the role and ends its sessions; what it owned goes to the writers of its database.
    ///
    /// A role that does not exist is fine.
    pub async fn drop_role(&self, role: &str) -> Result<(), AdminError> {
        check_role(role)?;
        if !self.exists(ROLE_EXISTS, role).await? {
            return Ok(());
        }
        let doing = format!("drop the role `{role}`");
        let no_login = format!("ALTER ROLE {} NOLOGIN", quoted(role));
        self.run(&self.client, &doing, &no_login).await?;
        self.end_sessions(role, None, &doing).await?;
        let databases = "SELECT datname::text FROM pg_database WHERE datallowconn ORDER BY 1";
        let rows = self.client.query(databases, &[]).await;
        for row in rows.map_err(|source| self.refused(&doing, source))? {
            let database: String = row.get(0);
            let group = Right::ReadWrite.group(&database);
            let heir = if self.exists(ROLE_EXISTS, &group).await? { &group } else { SUPERUSER };
            let inside = open(self.server, self.password, &database).await?;
            let (role, heir) = (quoted(role), quoted(heir));
            let sql = format!("REASSIGN OWNED BY {role} TO {heir}; DROP OWNED BY {role}");
            self.run(&inside, &doing, &sql).await?;
        }
        self.run(&self.client, &doing, &format!("DROP ROLE {}", quoted(role))).await
    }

    /// Returns what the server has.
    pub async fn facts(&self) -> Result<Facts, AdminError> {
        let refused = |source| self.refused("say what it has", source);
        let version = self.client.query_one("SHOW server_version", &[]).await.map_err(refused)?;
        let version: String = version.get(0);
        let databases = self.client.query(DATABASES, &[]).await.map_err(refused)?;
        let roles = self.client.query(ROLES, &[]).await.map_err(refused)?;
        Ok(Facts {
            // Debian adds its own: `15.14 (Debian 15.14-0+deb12u1)`.
            version: version.split_whitespace().next().unwrap_or_default().to_owned(),
            databases: databases
                .iter()
                .map(|row| DatabaseFacts {
                    name: row.get(0),
                    bytes: u64::try_from(row.get::<_, i64>(1)).unwrap_or_default(),
                })
                .collect(),
            roles: roles
                .iter()
                .map(|row| RoleFacts {
                    name: row.get(0),
                    superuser: row.get(1),
                    rights: rights_of(&row.get::<_, Vec<String>>(2)),
                })
                .collect(),
        })
    }

    async fn right_of(&self, role: &str, database: &str) -> Result<Option<Right>, AdminError> {
        let facts = self.facts().await?;
        let found = facts.roles.iter().find(|it| it.name == role);
        let rights = found.map(|it| it.rights.as_slice()).unwrap_or_default();
        Ok(rights.iter().find(|(name, _)| name == database).map(|(_, right)| *right))
    }

    /// Ends the sessions of a role, in one database or in all.
    async fn end_sessions(
        &self,
        role: &str,
        database: Option<&str>,
        doing: &str,
    ) -> Result<(), AdminError> {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE usename = $1 AND ($2::text IS NULL OR datname = $2::text)";
        let ended = self.client.query(sql, &[&role, &database]).await;
        ended.map(|_| ()).map_err(|source| self.refused(doing, source))
    }

    async fn exists(&self, sql: &str, name: &str) -> Result<bool, AdminError> {
        let found = self.client.query_opt(sql, &[&name]).await;
        found.map(|row| row.is_some()).map_err(|it| self.refused(&format!("look for `{name}`"), it))
    }

    async fn run(&self, client: &Client, doing: &str, sql: &str) -> Result<(), AdminError> {
        client.batch_execute(sql).await.map_err(|source| self.refused(doing, source))
    }

    fn refused(&self, doing: &str, source: tokio_postgres::Error) -> AdminError {
        AdminError::Sql { at: self.server.at(), doing: doing.to_owned(), source }
    }
}

/// What may help against an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    /// The same a moment later: the server starts, is full of sessions, or does something else.
    Time,
    /// Room on the disk.
    Room,
    /// Neither of these.
    Unknown,
}

/// The server's own codes for what passes by itself.
const PASSING: [SqlState; 5] = [
    SqlState::CANNOT_CONNECT_NOW,
    SqlState::ADMIN_SHUTDOWN,
    SqlState::CRASH_SHUTDOWN,
    SqlState::TOO_MANY_CONNECTIONS,
    SqlState::LOCK_NOT_AVAILABLE,
];

impl AdminError {
    /// Says what may help.
    pub fn cure(&self) -> Cure {
        let code = match self {
            AdminError::Connect { source, .. } => source.code(),
            AdminError::Sql { source, .. } => source.code(),
            AdminError::Name { .. } | AdminError::NoDatabase { .. } => return Cure::Unknown,
        };
        match code {
            // The connection was refused, or broke.
            None => Cure::Time,
            Some(code) if PASSING.contains(code) => Cure::Time,
            Some(code) if *code == SqlState::DISK_FULL => Cure::Room,
            Some(_) => Cure::Unknown,
        }
    }

    /// Says whether the server could not be asked, as opposed to what it refuses.
    pub fn is_out_of_reach(&self) -> bool {
        match self {
            AdminError::Connect { .. } => true,
            AdminError::Sql { source, .. } => source.as_db_error().is_none(),
            AdminError::Name { .. } | AdminError::NoDatabase { .. } => false,
        }
    }

    /// Says whether the server did not accept the password of the superuser.
    pub fn is_wrong_password(&self) -> bool {
        match self {
            AdminError::Connect { source, .. } => {
                source.code() == Some(&SqlState::INVALID_PASSWORD)
            }
            AdminError::Name { .. } | AdminError::NoDatabase { .. } | AdminError::Sql { .. } => {
                false
            }
        }
    }
}

const ROLE_EXISTS: &str = "SELECT 1 FROM pg_roles WHERE rolname = $1";
const DATABASES: &str = "SELECT datname::text, pg_database_size(oid) FROM pg_database \
    WHERE NOT datistemplate ORDER BY 1";
const ROLES: &str = "SELECT r.rolname::text, r.rolsuper, \
    COALESCE(array_agg(g.rolname::text ORDER BY g.rolname) FILTER (WHERE g.rolname IS NOT NULL), '{}') \
    FROM pg_roles r LEFT JOIN pg_auth_members m ON m.member = r.oid \
    LEFT JOIN pg_roles g ON g.oid = m.roleid WHERE r.rolcanlogin GROUP BY 1, 2 ORDER BY 1";

fn rights_of(groups: &[String]) -> Vec<(String, Right)> {
    let right = |group: &String| {
        let of = |right: &Right| Some((group.strip_suffix(right.suffix())?.to_owned(), *right));
        Right::ALL.iter().find_map(of)
    };
    groups.iter().filter_map(right).collect()
}

fn groups_sql(database: &str) -> String {
    let mut sql = String::new();
    for right in Right::ALL {
        let group = right.group(database);
        sql += &format!(
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {}) \
             THEN CREATE ROLE {} NOLOGIN; END IF; END $$;",
            literal(&group),
            quoted(&group)
        );
    }
    let [read, write, owner] = Right::ALL.map(|right| quoted(&right.group(database)));
    sql + &format!("GRANT {read} TO {write}; GRANT {write} TO {owner};")
}

fn database_sql(database: &str) -> String {
    let [read, write, owner] = Right::ALL.map(|right| quoted(&right.group(database)));
    let database = quoted(database);
    format!(
        "ALTER DATABASE {database} OWNER TO {owner};
         REVOKE ALL ON DATABASE {database} FROM PUBLIC;
         REVOKE ALL ON DATABASE {MAINTENANCE_DATABASE}, template1 FROM PUBLIC;
         GRANT CONNECT ON DATABASE {database} TO {read};
         GRANT TEMPORARY ON DATABASE {database} TO {write};"
    )
}

/// Rights in every schema that there is, and by default in what the groups and the superuser make.
fn schema_sql(database: &str) -> String {
    let [read, write, owner] = Right::ALL.map(|right| quoted(&right.group(database)));
    let creators = [SUPERUSER, &owner, &write];
    let defaults: String =
        creators.iter().map(|creator| default_privileges_sql(creator, database)).collect();
    format!(
        "ALTER SCHEMA public OWNER TO {owner};
         REVOKE ALL ON SCHEMA public FROM PUBLIC;
         GRANT CREATE ON SCHEMA public TO {write};
         DO $$ DECLARE s text; BEGIN
           FOR s IN SELECT quote_ident(nspname) FROM pg_namespace
                    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
             EXECUTE 'GRANT USAGE ON SCHEMA ' || s || ' TO {read}';
             EXECUTE 'GRANT SELECT ON ALL TABLES IN SCHEMA ' || s || ' TO {read}';
             EXECUTE 'GRANT SELECT ON ALL SEQUENCES IN SCHEMA ' || s || ' TO {read}';
             EXECUTE 'GRANT {ROWS} ON ALL TABLES IN SCHEMA ' || s || ' TO {write}';
             EXECUTE 'GRANT USAGE, UPDATE ON ALL SEQUENCES IN SCHEMA ' || s || ' TO {write}';
           END LOOP;
         END $$;
         {defaults}"
    )
}

/// What a writer may do with a table that is not its own.
const ROWS: &str = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER";

/// Shares what `creator` (quoted where needed) will make with the groups of the database.
fn default_privileges_sql(creator: &str, database: &str) -> String {
    let [read, write, _] = Right::ALL.map(|right| quoted(&right.group(database)));
    let rule = |grant: &str| format!("ALTER DEFAULT PRIVILEGES FOR ROLE {creator} GRANT {grant};");
    [
        rule(&format!("USAGE ON SCHEMAS TO {read}")),
        rule(&format!("SELECT ON TABLES TO {read}")),
        rule(&format!("SELECT ON SEQUENCES TO {read}")),
        rule(&format!("{ROWS} ON TABLES TO {write}")),
        rule(&format!("USAGE, UPDATE ON SEQUENCES TO {write}")),
    ]
    .concat()
}

fn role_sql(role: &str, verifier: &str, right: Right, database: &str) -> String {
    let revoke: String = Right::ALL
        .iter()
        .filter(|other| **other != right)
        .map(|other| format!("REVOKE {} FROM {};", quoted(&other.group(database)), quoted(role)))
        .collect();
    let write = quoted(&Right::ReadWrite.group(database));
    let group = quoted(&right.group(database));
    let defaults = default_privileges_sql(&quoted(role), database);
    let (role, verifier, database) = (quoted(role), literal(verifier), quoted(database));
    // A reader acts as itself. What it made when it was more goes to the writers.
    let acts_as = match right {
        Right::Read => format!(
            "ALTER ROLE {role} IN DATABASE {database} RESET role; REASSIGN OWNED BY {role} TO {write};"
        ),
        Right::ReadWrite | Right::Owner => {
            format!("ALTER ROLE {role} IN DATABASE {database} SET role TO {group};")
        }
    };
    format!(
        "ALTER ROLE {role} LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION \
         NOBYPASSRLS PASSWORD {verifier};
         {revoke} GRANT {group} TO {role}; {acts_as} {defaults}"
    )
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names were checked and a verifier has neither quotes nor backslashes; this holds all the same.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn check_database(name: &str) -> Result<(), AdminError> {
    let longest = Right::ReadWrite.suffix().len();
    check_name(name, "database", NAME_LENGTH_MAX - longest)?;
    let own = [MAINTENANCE_DATABASE, "template0", "template1"].contains(&name);
    refuse_when(own, name, "database", "it is the server's own")
}

fn check_role(name: &str) -> Result<(), AdminError> {
    check_name(name, "role", NAME_LENGTH_MAX)?;
    refuse_when(name == SUPERUSER, name, "role", "it is the server's own")?;
    let reserved = name == "public" || name == "none";
    refuse_when(reserved, name, "role", "the word means something else in SQL")
}

fn check_name(name: &str, what: &'static str, longest: usize) -> Result<(), AdminError> {
    refuse_when(name.is_empty(), name, what, "it is empty")?;
    refuse_when(name.len() > longest, name, what, "it is longer than PostgreSQL's names can be")?;
    refuse_when(name.starts_with("pg_"), name, what, "`pg_` is reserved by PostgreSQL")?;
    // Quotes and dollars would be harmless where names are quoted, but names also stand inside
    // statements that are strings themselves.
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.[]".contains(letter);
    refuse_when(!name.chars().all(plain), name, what, "letters, digits and `_-.[]` are allowed")
}

fn refuse_when(
    refused: bool,
    name: &str,
    what: &'static str,
    reason: &'static str,
) -> Result<(), AdminError> {
    if refused {
        return Err(AdminError::Name { name: name.to_owned(), what, reason });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_server_and_names_that_would_be_cut_are_refused() {
        for bad in ["", "postgres", "template1", "pg_x", "a:read", "a\"b", "a'b", "a$b", "ä"] {
            assert!(check_database(bad).is_err(), "{bad}");
        }
        assert!(check_database(&"d".repeat(52)).is_ok());
        assert!(check_database(&"d".repeat(53)).is_err(), "its group's name would be cut");
        for bad in ["", "postgres", "public", "none", "pg_monitor", "features:owner"] {
            assert!(check_role(bad).is_err(), "{bad}");
        }
        assert!(check_role(&"r".repeat(63)).is_ok() && check_role(&"r".repeat(64)).is_err());
    }

    #[test]
    fn rights_are_read_from_groups_and_others_passed_over() {
        let groups: Vec<String> =
            ["a:owner", "b:read", "c:read_write", "pg_monitor"].map(str::to_owned).into();
        let rights = [
            ("a".to_owned(), Right::Owner),
            ("b".to_owned(), Right::Read),
            ("c".to_owned(), Right::ReadWrite),
        ];
        assert_eq!(rights_of(&groups), rights);
    }
}
