//! The database server itself, an RDS DB instance.

use super::Engine;
use super::rds::{self, MINUTES_MS, NAME_CHARS_MAX};
use crate::clients::Aws;
use crate::ec2::pages;
use crate::failure::{failed, not_visible_yet};
use crate::kinds::TAGS;
use crate::object::{
    Actions, Change, Live, Make, Object, Remove, Select, Stage, Tags, tags_of, text, values,
};
use crate::tags::{self, tags_in};
use async_trait::async_trait;
use aws_sdk_rds::operation::modify_db_instance::builders::ModifyDBInstanceFluentBuilder as Modify;
use aws_sdk_rds::types::{DbInstance, Filter};
use dsenv_sdk::OpError;
use dsenv_sdk::provider::{DataFate, OpErrorClass};
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::Value;

/// The native type.
pub(crate) const DATABASE: NativeType = NativeType {
    name: "aws.database",
    doc: "A database server of RDS with one database, which no one reaches from the internet.",
    fields: &[
        Field::new("engine", Type::Text, "Which database it is.").required().replaces(),
        Field::new("version", Type::Text, "Its major version; a newer one upgrades in place.")
            .required(),
        Field::new("class", Type::List(&Type::Text), "The classes that do, the best first.")
            .required()
            .class(Class::Scale)
            .of("size")
            .taken("instance_class"),
        Field::new(
            "storage_gib",
            Type::Int { min: 20, max: 65_536 },
            "Its disk, in GiB; it grows.",
        )
        .required()
        .class(Class::Scale)
        .of("storage"),
        Field::new("multi_zone", Type::Bool, "Whether a second server takes over.")
            .class(Class::Scale),
        Field::new("backup_days", Type::Int { min: 0, max: 35 }, "How long backups are kept.")
            .class(Class::Scale),
        Field::new("encrypted", Type::Bool, "Whether it is encrypted at rest.").replaces(),
        Field::new("deletion_protection", Type::Bool, "Whether AWS itself refuses to delete it.")
            .class(Class::Policy),
        Field::new(
            "guarded",
            Type::Bool,
            "Whether it has no public address, upgrades only when asked, and tags its snapshots.",
        )
        .class(Class::Policy),
        Field::new("username", Type::Text, "Whom it belongs to.").required().replaces(),
        Field::new("password", Type::Text, "Their password.").required(),
        Field::new("database", Type::Text, "The database's name.").required().kept(),
        Field::new("subnet_group", Type::Text, "Where it may stand.")
            .required()
            .replaces()
            .class(Class::Bind),
        Field::new("parameter_group", Type::Text, "How it is set.").required().class(Class::Bind),
        Field::new("security_groups", Type::List(&Type::Text), "What says who reaches it.")
            .required()
            .unordered()
            .class(Class::Bind),
        TAGS,
    ],
    attributes: &[
        Attribute::new("host", "Where it answers."),
        Attribute::new("port", "The port that it answers on."),
        Attribute::new("name", "The database's name on its server."),
        Attribute::new("server_version", "The exact version that runs.").changes(),
        Attribute::new("user", "Whom it belongs to."),
        Attribute::new("instance_class", "The class of its server.").changes(),
        Attribute::new("arn", "Its name in policies."),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: true,
};

/// On how many classes one create may be refused before the engine hears of it.
const CLASSES_TRIED_MAX: usize = 4;
/// How many identifiers one question names; more, and all of the account's are asked for.
const IDS_A_CALL_MAX: usize = 100;
/// What is recommended for new databases, and is there everywhere.
const STORAGE_TYPE: &str = "gp3";

pub(crate) struct Database;

/// How far a server is, in the words of
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html>
fn stage(instance: &DbInstance) -> Stage {
    let pending = |waits_for| Stage::Pending(waits_for, MINUTES_MS);
    let status = instance.db_instance_status().unwrap_or_default();
    match status {
        // It can be used all the while, for hours.
        "storage-optimization" | "storage-config-upgrade" | "storage-full" | "stopped" => {
            Stage::Ready
        }
        // What was asked for shows here at once, and in the status a few seconds later.
        "available" if is_changing(instance) => pending("the database is being changed"),
        "available" => Stage::Ready,
        "creating" => pending("the database is being created"),
        "backing-up" => pending("the database is being backed up"),
        "modifying" => pending("the database is being changed"),
        "upgrading" => pending("the database is being upgraded"),
        "rebooting" | "starting" => pending("the database is being started"),
        "stopping" => pending("the database is being stopped"),
        "deleting" | "delete-precheck" => {
            Stage::Leaving("the database is being deleted", MINUTES_MS)
        }
        "failed" | "insufficient-capacity" | "restore-error" => {
            Stage::Failed(why(instance, status))
        }
        _ if status.starts_with("incompatible-") || status.starts_with("inaccessible-") => {
            Stage::Failed(why(instance, status))
        }
        _ => pending("the database is being worked on"),
    }
}

/// Whether anything waits to be applied. RDS applies at once what dsenv asks for, so it does not
/// wait for long; what somebody else has put off is applied with it.
fn is_changing(instance: &DbInstance) -> bool {
    let nothing = aws_sdk_rds::types::PendingModifiedValues::builder().build();
    instance.pending_modified_values().is_some_and(|pending| *pending != nothing)
}

fn why(instance: &DbInstance, status: &str) -> String {
    let said = instance.status_infos().iter().find_map(|info| info.message());
    match said {
        Some(said) => format!("its status is `{status}`: {}", said.trim_end_matches('.')),
        None => format!("its status is `{status}`"),
    }
}

/// Whether all that is never asked about is as it must be.
///
/// No upgrades by themselves: a database changes when a blueprint does, and a plan has said so.
fn is_guarded(instance: &DbInstance) -> bool {
    instance.publicly_accessible() == Some(false)
        && instance.auto_minor_version_upgrade() == Some(false)
        && instance.copy_tags_to_snapshot() == Some(true)
}

fn live(instance: &DbInstance) -> Live {
    let id = instance.db_instance_identifier().unwrap_or_default();
    let int = |number: Option<i32>| number.map(|number| Value::Int(number.into()));
    let flag = |flag: Option<bool>| flag.map(Value::Bool);
    let engine = instance.engine().and_then(Engine::parse);
    let version = instance.engine_version();
    let major = engine.zip(version).map(|(engine, version)| engine.major(version));
    let groups = instance.vpc_security_groups().iter().filter_map(|it| it.vpc_security_group_id());
    let mut groups: Vec<&str> = groups.collect();
    groups.sort_unstable();
    let subnets = instance.db_subnet_group().and_then(|it| it.db_subnet_group_name());
    let parameters = instance.db_parameter_groups().first();
    let endpoint = instance.endpoint();
    let values = values([
        ("engine", text(instance.engine())),
        ("version", text(major.as_deref())),
        ("storage_gib", int(instance.allocated_storage())),
        ("multi_zone", flag(instance.multi_az())),
        ("backup_days", int(instance.backup_retention_period())),
        ("encrypted", flag(instance.storage_encrypted())),
        ("deletion_protection", flag(instance.deletion_protection())),
        ("guarded", Some(Value::Bool(is_guarded(instance)))),
        ("username", text(instance.master_username())),
        ("database", text(instance.db_name())),
        ("subnet_group", text(subnets)),
        ("parameter_group", text(parameters.and_then(|it| it.db_parameter_group_name()))),
        ("security_groups", Some(Value::List(groups.into_iter().map(Value::text).collect()))),
        ("host", text(endpoint.and_then(|it| it.address()))),
        ("port", int(endpoint.and_then(|it| it.port()))),
        ("name", text(instance.db_name())),
        ("server_version", text(version)),
        ("user", text(instance.master_username())),
        ("instance_class", text(instance.db_instance_class())),
        ("arn", text(instance.db_instance_arn())),
    ]);
    let (tags, stage) = (tags_in!(instance.tag_list()), stage(instance));
    Live { remote_id: id.to_owned(), tags, stage, values }
}

fn nothing() -> DbInstance {
    DbInstance::builder().build()
}

impl Database {
    /// Sends one create, for one class.
    async fn create_as(
        aws: &Aws,
        make: Make<'_>,
        (name, class, tags): (&str, &str, &Tags),
    ) -> Result<Live, OpError> {
        let request = aws
            .rds
            .create_db_instance()
            .db_instance_identifier(name)
            .db_instance_class(class)
            .engine(make.text("engine")?)
            .engine_version(make.text("version")?)
            .set_allocated_storage(make.int("storage_gib"))
            .storage_type(STORAGE_TYPE)
            .storage_encrypted(make.flag("encrypted"))
            .multi_az(make.flag("multi_zone"))
            .set_backup_retention_period(make.int("backup_days"))
            .deletion_protection(make.flag("deletion_protection"))
            .master_username(make.text("username")?)
            .master_user_password(make.text("password")?)
            .db_name(make.text("database")?)
            .db_subnet_group_name(make.text("subnet_group")?)
            .db_parameter_group_name(make.text("parameter_group")?)
            .set_vpc_security_group_ids(Some(make.texts("security_groups")))
            .publicly_accessible(false)
            .auto_minor_version_upgrade(false)
            .copy_tags_to_snapshot(true)
            .set_tags(Some(rds::as_tags(tags)));
        let reply = request.send().await;
        let reply = reply.map_err(|e| failed(&format!("creating database {name}"), e))?;
        Ok(Live { tags: tags.clone(), ..live(&reply.db_instance.unwrap_or_else(nothing)) })
    }

    /// A create met its own name: what is there is ours, or it is an error that says whose it is.
    async fn met(aws: &Aws, make: Make<'_>, name: &str, error: OpError) -> Result<Live, OpError> {
        match Database.list(aws, Select::Ids(&[name])).await?.into_iter().next() {
            Some(live)
                if live.tags.get(tags::TOKEN).is_some_and(|it| it == make.token.as_str()) =>
            {
                Ok(live)
            }
            Some(live) => Err(tags::taken(name, &live.tags)),
            None => Err(error),
        }
    }

    async fn unprotect(aws: &Aws, name: &str) -> Result<(), OpError> {
        let request = aws.rds.modify_db_instance().db_instance_identifier(name);
        let request = request.deletion_protection(false).apply_immediately(true);
        let doing = format!("taking the protection off database {name}");
        request.send().await.map_err(|e| failed(&doing, e))?;
        Ok(())
    }
}

/// Whether this class is not to be had, and another may be.
fn lacks_class(error: &OpError) -> bool {
    error.class == OpErrorClass::NoCapacity
        || error.message.contains("does not support creating a DB instance")
        || error.message.contains("DB instance class")
            && error.message.contains("InvalidParameterCombination")
}

/// Refuses what RDS does not do, or does in a way that the next plan would trip over.
fn check_storage(change: &Change<'_>) -> Result<(), OpError> {
    let there = change.observed.values.get("storage_gib").and_then(Value::as_int);
    let wanted = change.make.int("storage_gib").map(i64::from);
    let (Some(there), Some(wanted)) = (there, wanted) else { return Ok(()) };
    // RDS rounds a smaller step up to a tenth:
    // https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html
    let least = there + (there + 9) / 10;
    let name = &change.observed.remote_id;
    if wanted < there {
        let message =
            format!("the disk of database {name} has {there}GiB and cannot shrink to {wanted}GiB");
        let help = format!("write `storage: {there}GiB`, or move the data to a new database");
        return Err(OpError::new(OpErrorClass::Invalid, message).help(help));
    }
    if there < wanted && wanted < least {
        let message = format!(
            "the disk of database {name} has {there}GiB and grows by a tenth at least, not to \
             {wanted}GiB"
        );
        let help = format!("write `storage: {least}GiB`");
        return Err(OpError::new(OpErrorClass::Invalid, message).help(help));
    }
    Ok(())
}

/// The class to change to, when the one that runs does no more.
fn class_wanted(change: &Change<'_>) -> Option<String> {
    let classes = change.make.texts("class");
    let runs = change.observed.values.get("instance_class").and_then(Value::as_text);
    let does = runs.is_some_and(|runs| classes.iter().any(|class| class == runs));
    if does { None } else { classes.into_iter().next() }
}

/// Puts what is to be another into the request; `None` when nothing is.
fn changed(request: Modify, change: &Change<'_>) -> Result<Option<Modify>, OpError> {
    let make = change.make;
    let mut request = Some(request);
    let mut changes = false;
    let mut set = |put: &dyn Fn(Modify) -> Modify| {
        request = request.take().map(put);
        changes = true;
    };
    if let Some(class) = class_wanted(change) {
        set(&|it| it.db_instance_class(&class));
    }
    if change.changes("version") {
        let version = make.text("version")?;
        set(&|it| it.engine_version(version).allow_major_version_upgrade(true));
    }
    if change.changes("storage_gib") {
        set(&|it| it.set_allocated_storage(make.int("storage_gib")));
    }
    if change.changes("multi_zone") {
        set(&|it| it.multi_az(make.flag("multi_zone")));
    }
    if change.changes("backup_days") {
        set(&|it| it.set_backup_retention_period(make.int("backup_days")));
    }
    if change.changes("deletion_protection") {
        set(&|it| it.deletion_protection(make.flag("deletion_protection")));
    }
    if change.changes("guarded") {
        set(&|it| {
            let it = it.publicly_accessible(false).auto_minor_version_upgrade(false);
            it.copy_tags_to_snapshot(true)
        });
    }
    if change.changes("password") {
        let password = make.text("password")?;
        set(&|it| it.master_user_password(password));
    }
    if change.changes("parameter_group") {
        let group = make.text("parameter_group")?;
        set(&|it| it.db_parameter_group_name(group));
    }
    if change.changes("security_groups") {
        set(&|it| it.set_vpc_security_group_ids(Some(make.texts("security_groups"))));
    }
    Ok(request.filter(|_| changes))
}

#[async_trait]
impl Object for Database {
    fn ty(&self) -> &'static NativeType {
        &DATABASE
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["rds:DescribeDBInstances"],
            create: &["rds:AddTagsToResource", "rds:CreateDBInstance"],
            update: &[
                "rds:AddTagsToResource",
                "rds:ModifyDBInstance",
                "rds:RemoveTagsFromResource",
            ],
            delete: &["rds:DeleteDBInstance"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let mut request = aws.rds.describe_db_instances();
        if let Select::Ids(ids) = select
            && ids.len() <= IDS_A_CALL_MAX
        {
            let ids = ids.iter().map(|id| (*id).to_owned()).collect();
            let filter = Filter::builder().name("db-instance-id").set_values(Some(ids)).build();
            request = request.filters(filter);
        }
        let found = pages!("looking at databases", request, db_instances);
        let mut found: Vec<Live> = found.iter().map(live).collect();
        // There is no filter by tag; each shows its own.
        found.retain(|live| match select {
            Select::Owner(lineage) => tags::is_owned(&live.tags, &aws.owner, lineage),
            Select::Token(token) => {
                live.tags.get(tags::TOKEN).is_some_and(|it| it == token.as_str())
            }
            Select::Ids(ids) => ids.contains(&&*live.remote_id),
        });
        Ok(found)
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let name = tags::unique_name(&aws.owner, make.addr, make.token, NAME_CHARS_MAX);
        let tags = tags::all(aws, make.addr, DATABASE.name, make.token, tags_of(make.args));
        let mut last = OpError::new(OpErrorClass::Invalid, "no class of server does");
        for class in make.texts("class").iter().take(CLASSES_TRIED_MAX) {
            match Database::create_as(aws, make, (&name, class, &tags)).await {
                Ok(live) => return Ok(live),
                Err(error) if error.class == OpErrorClass::Conflict => {
                    return Database::met(aws, make, &name, error).await;
                }
                // Nothing was made: the next one may be had.
                Err(error) if lacks_class(&error) => last = error,
                Err(error) => return Err(not_visible_yet(error)),
            }
        }
        Err(last)
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        check_storage(&change)?;
        let name = &change.observed.remote_id;
        let arn = change.observed.values.get("arn").and_then(Value::as_text).unwrap_or_default();
        let (before, after) = (tags_of(change.prior_args), tags_of(change.make.args));
        rds::retag(aws, arn, &before, &after).await?;
        let request = aws.rds.modify_db_instance().db_instance_identifier(name);
        let Some(request) = changed(request, &change)? else { return Ok(None) };
        let reply = request.apply_immediately(true).send().await;
        let reply = reply.map_err(|e| failed(&format!("changing database {name}"), e))?;
        let mut live = live(&reply.db_instance.unwrap_or_else(nothing));
        if live.stage == Stage::Ready {
            // The answer is as it was; how it is shows a moment later.
            live.stage = Stage::Pending("the database is being changed", MINUTES_MS);
        }
        Ok(Some(live))
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let name = remove.remote_id();
        let there = self.list(aws, Select::Ids(&[name])).await?.into_iter().next();
        let Some(live) = there else { return Ok(true) };
        if matches!(live.stage, Stage::Leaving(..)) {
            return Ok(false);
        }
        // That it may be deleted has been decided: what is protected is refused before.
        if live.values.get("deletion_protection") == Some(&Value::Bool(true)) {
            Database::unprotect(aws, name).await?;
        }
        let request = aws.rds.delete_db_instance().db_instance_identifier(name);
        let request = request.delete_automated_backups(true);
        let request = match remove.data {
            DataFate::Delete => request.skip_final_snapshot(true),
            DataFate::Snapshot => {
                let copy = format!("{name}-{}", remove.token);
                (remove.watch)(&format!("its last copy is the snapshot {copy}"));
                request.skip_final_snapshot(false).final_db_snapshot_identifier(copy)
            }
        };
        let Err(error) = request.send().await else { return Ok(false) };
        let error = failed(&format!("deleting database {name}"), error);
        // The protection was taken off a moment ago and is still seen.
        if error.message.contains("Cannot delete protected DB Instance") {
            return Err(OpError { class: OpErrorClass::InUse, ..error });
        }
        Err(error)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        let live = self.list(aws, Select::Ids(&[remote_id])).await?.into_iter().next();
        let arn = live.as_ref().and_then(|live| live.values.get("arn")).and_then(Value::as_text);
        let gone = || OpError::new(OpErrorClass::NotFound, format!("{remote_id} is not there"));
        rds::tag(aws, arn.ok_or_else(gone)?, tags).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_rds::types::PendingModifiedValues;
    use dsenv_sdk::Addr;
    use dsenv_sdk::provider::{Observed, Token};
    use dsenv_sdk::value::Map;

    fn instance(status: &str) -> DbInstance {
        DbInstance::builder().db_instance_status(status).build()
    }

    #[test]
    fn every_status_is_a_stage() {
        let name = |status: &str| match stage(&instance(status)) {
            Stage::Ready => "ready",
            Stage::Partial => "partial",
            Stage::Pending(..) => "pending",
            Stage::Leaving(..) => "leaving",
            Stage::Failed(_) => "failed",
            Stage::Gone(_) => "gone",
        };
        for (status, expected) in [
            ("available", "ready"),
            ("storage-optimization", "ready"),
            ("creating", "pending"),
            ("backing-up", "pending"),
            ("modifying", "pending"),
            ("configuring-enhanced-monitoring", "pending"),
            ("deleting", "leaving"),
            ("failed", "failed"),
            ("incompatible-network", "failed"),
            ("inaccessible-encryption-credentials", "failed"),
        ] {
            assert_eq!(name(status), expected, "{status}");
        }
    }

    #[test]
    fn what_is_asked_for_and_not_begun_is_pending() {
        let pending = PendingModifiedValues::builder().db_instance_class("db.r7g.large").build();
        let nothing = PendingModifiedValues::builder().build();
        let with = |values| {
            let instance = DbInstance::builder().db_instance_status("available");
            stage(&instance.pending_modified_values(values).build())
        };
        assert!(matches!(with(pending), Stage::Pending(..)));
        assert_eq!(with(nothing), Stage::Ready);
    }

    fn storage(there: i64, wanted: i64) -> Option<String> {
        let map = |gib| Map::from([("storage_gib".to_owned(), Value::Int(gib))]);
        let observed = Observed { remote_id: "db".to_owned(), values: map(there) };
        let (args, prior_args) = (map(wanted), map(there));
        let (addr, token) = (Addr::resource("db"), Token::from_text("t"));
        let make = Make { addr: &addr, ty: &DATABASE, token: &token, args: &args, again: false };
        let change = Change { make, observed: &observed, prior_args: &prior_args };
        check_storage(&change).err().map(|error| error.message)
    }

    #[test]
    fn a_disk_grows_by_a_tenth_and_never_shrinks() {
        assert_eq!(storage(20, 20), None);
        assert_eq!(storage(20, 22), None);
        let shrinks = "the disk of database db has 100GiB and cannot shrink to 50GiB";
        assert_eq!(storage(100, 50).as_deref(), Some(shrinks));
        let little =
            "the disk of database db has 100GiB and grows by a tenth at least, not to 105GiB";
        assert_eq!(storage(100, 105).as_deref(), Some(little));
    }
}
