//! `aws.database` and what it stands on, through their lives.

use super::bench::{Bench, ty, with_bench};
use super::values::{list, map, tags, with};
use dsenv_sdk::Addr;
use dsenv_sdk::conformance::{lifecycle, update};
use dsenv_sdk::provider::{DataFate, Observed, OpErrorClass, Prior};
use dsenv_sdk::secret::Secret;
use dsenv_sdk::value::{Map, Value};

fn credentials() -> aws_credential_types::Credentials {
    aws_credential_types::Credentials::new("test", "test", None, None, "test")
}

/// Two subnets of the account's own network, sorted, and its security group.
async fn network(endpoint: &str) -> (Vec<String>, String) {
    let config = aws_sdk_ec2::Config::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(credentials())
        .build();
    let ec2 = aws_sdk_ec2::Client::from_conf(config);
    let subnets = ec2.describe_subnets().send().await.expect("an answer").subnets;
    let subnets = subnets.expect("subnets").into_iter().filter_map(|subnet| subnet.subnet_id);
    let mut subnets: Vec<String> = subnets.take(2).collect();
    subnets.sort();
    let groups = ec2.describe_security_groups().send().await.expect("an answer").security_groups;
    let group = groups.expect("groups").into_iter().find_map(|group| group.group_id);
    (subnets, group.expect("a group"))
}

fn rds(endpoint: &str) -> aws_sdk_rds::Client {
    let config = aws_sdk_rds::Config::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(credentials())
        .build();
    aws_sdk_rds::Client::from_conf(config)
}

fn parameters(family: &str) -> Map {
    let set = Value::Map(map([("rds.force_ssl", Value::text("1"))]));
    map([("family", Value::text(family)), ("parameters", set)])
}

/// What a database stands on, made, and its arguments.
async fn ground(bench: &Bench) -> (Vec<Prior>, Map) {
    let (subnets, group) = network(&bench.direct()).await;
    let subnets: Vec<&str> = subnets.iter().map(|id| &**id).collect();
    let subnets = map([("subnets", list(&subnets))]);
    let made = [
        bench.try_create("aws.db_subnet_group", "features.subnets", &subnets).await,
        bench
            .try_create("aws.db_parameter_group", "features.parameters", &parameters("postgres18"))
            .await,
    ];
    let [subnets, parameters] = made.map(|prior| prior.expect("a group"));
    let args = map([
        ("engine", Value::text("postgres")),
        ("version", Value::text("17")),
        ("class", list(&["db.t4g.small", "db.t3.small"])),
        ("storage_gib", Value::Int(20)),
        ("multi_zone", Value::Bool(false)),
        ("backup_days", Value::Int(7)),
        ("encrypted", Value::Bool(true)),
        ("deletion_protection", Value::Bool(false)),
        ("guarded", Value::Bool(true)),
        ("username", Value::text("dsenv")),
        ("password", Value::Secret(Secret::new("a-password-of-tests"))),
        ("database", Value::text("features")),
        ("subnet_group", Value::text(&*subnets.observed.remote_id)),
        ("parameter_group", Value::text(&*parameters.observed.remote_id)),
        ("security_groups", list(&[&group])),
    ]);
    (vec![subnets, parameters], args)
}

#[test]
fn groups_live_and_change_as_the_contract_says() {
    with_bench("groups", async |bench| {
        let (connection, endpoint) = (&bench.connection, bench.direct());
        let (subnets, _) = network(&endpoint).await;
        let both = map([("subnets", list(&[&subnets[0], &subnets[1]]))]);
        let tagged = with(&both, &[("tags", tags(&[("team", "ml")]))]);
        // moto forgets a subnet group whose subnets are changed, so they are not.
        let other = with(&both, &[("tags", tags(&[("cost", "7")]))]);
        let ty_subnets = ty("aws.db_subnet_group");
        let addr: Addr = "features.subnets".parse().expect("an address");
        let mut wrong = lifecycle(&**connection, ty_subnets, &addr, &tagged).await;
        wrong.extend(update(&**connection, ty_subnets, &addr, &other, &tagged).await);
        let set = parameters("postgres18");
        let tagged = with(&set, &[("tags", tags(&[("team", "ml")]))]);
        let ty_parameters = ty("aws.db_parameter_group");
        let addr: Addr = "features.parameters".parse().expect("an address");
        wrong.extend(lifecycle(&**connection, ty_parameters, &addr, &tagged).await);
        wrong.extend(update(&**connection, ty_parameters, &addr, &set, &tagged).await);
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}

#[test]
fn a_parameter_group_that_was_not_set_is_finished() {
    with_bench("half", async |bench| {
        let (connection, endpoint) = (&bench.connection, bench.direct());
        let ty = ty("aws.db_parameter_group");
        let addr: Addr = "half.parameters".parse().expect("an address");
        let args = parameters("postgres18");
        let prior = bench.try_create(ty.name, "half.parameters", &args).await.expect("a group");
        let name = &*prior.observed.remote_id;
        // As a create leaves it that dies after its first call.
        let rds = rds(&endpoint);
        rds.delete_db_parameter_group().db_parameter_group_name(name).send().await.expect("gone");
        let token = bench.token(&addr);
        let tag = |key: &str, value: &str| {
            aws_sdk_rds::types::Tag::builder().key(key).value(value).build()
        };
        let request = rds.create_db_parameter_group().db_parameter_group_name(name);
        let request = request.db_parameter_group_family("postgres18").description("half");
        let request = request.tags(tag("dsenv:token", token.as_str()));
        request.send().await.expect("a group");
        let found = connection.find(ty, &token).await.expect("an answer").expect("it is found");
        assert!(!found.complete);
        let again = bench.try_create(ty.name, "half.parameters", &args).await.expect("it");
        assert_eq!(again.observed.values, prior.observed.values);
        bench.delete_as(ty.name, &again, DataFate::Delete).await.expect("it goes");
    });
}

#[test]
fn a_database_lives_and_changes_as_the_contract_says() {
    with_bench("database", async |bench| {
        let connection = &bench.connection;
        let (ground, args) = ground(&bench).await;
        let (ty, addr) = (ty("aws.database"), Addr::resource("features"));
        let tagged = with(&args, &[("tags", tags(&[("team", "ml")]))]);
        let mut wrong = lifecycle(&**connection, ty, &addr, &tagged).await;
        let bigger = with(
            &args,
            &[
                ("version", Value::text("18")),
                ("class", list(&["db.m7g.large", "db.m7i.large"])),
                ("storage_gib", Value::Int(40)),
                ("multi_zone", Value::Bool(true)),
                ("backup_days", Value::Int(0)),
                ("deletion_protection", Value::Bool(true)),
                ("password", Value::Secret(Secret::new("another-password"))),
                ("tags", tags(&[("cost", "7")])),
            ],
        );
        // The last step of it deletes a database that is protected.
        wrong.extend(update(&**connection, ty, &addr, &tagged, &bigger).await);
        assert!(wrong.is_empty(), "{wrong:#?}");
        for (name, prior) in ["aws.db_subnet_group", "aws.db_parameter_group"].iter().zip(&ground) {
            bench.delete(name, prior).await.expect("it goes");
        }
    });
}

#[test]
fn a_class_that_still_does_is_kept_and_a_disk_does_not_shrink() {
    with_bench("class", async |bench| {
        let connection = &bench.connection;
        let (_, args) = ground(&bench).await;
        let ty = ty("aws.database");
        let prior = bench.try_create(ty.name, "features", &args).await.expect("a database");
        let of_class = |prior: &Observed| prior.values["instance_class"].clone();
        assert_eq!(of_class(&prior.observed), Value::text("db.t4g.small"));
        assert!(prior.observed.remote_id.starts_with("work-bench-class-features-"));
        assert_eq!(prior.observed.values["port"], Value::Int(5432));
        let request = |wanted| dsenv_sdk::provider::Update {
            addr: &prior.addr,
            ty,
            prior: &prior,
            prior_args: &args,
            args: wanted,
            watch: &|_| {},
        };
        let kept = with(&args, &[("class", list(&["db.t4g.micro", "db.t4g.small"]))]);
        let progress = connection.update(request(&kept)).await.expect("an update");
        let dsenv_sdk::provider::Progress::Done(kept) = progress else { panic!("{progress:?}") };
        assert_eq!(of_class(&kept), Value::text("db.t4g.small"));
        let less = with(&args, &[("storage_gib", Value::Int(10))]);
        let refused = connection.update(request(&less)).await.expect_err("it does not shrink");
        assert_eq!(refused.class, OpErrorClass::Invalid);
        bench.delete_as(ty.name, &prior, DataFate::Delete).await.expect("it goes");
    });
}

#[test]
fn a_last_copy_is_kept_and_a_name_that_is_taken_is_refused() {
    with_bench("copy", async |bench| {
        let (connection, endpoint) = (&bench.connection, bench.direct());
        let (_, args) = ground(&bench).await;
        let (ty, rds) = (ty("aws.database"), rds(&endpoint));
        let args = with(&args, &[("deletion_protection", Value::Bool(true))]);
        let prior = bench.try_create(ty.name, "features", &args).await.expect("a database");
        let name = &*prior.observed.remote_id;
        bench.delete_as(ty.name, &prior, DataFate::Snapshot).await.expect("it goes");
        let copy = format!("{name}-{}", prior.token);
        let kept = rds.describe_db_snapshots().db_snapshot_identifier(copy).send().await;
        assert_eq!(kept.expect("an answer").db_snapshots().len(), 1);
        // Somebody else's, under our name.
        let request = rds.create_db_instance().db_instance_identifier(name).engine("postgres");
        let request = request.db_instance_class("db.t4g.small").allocated_storage(20);
        request.master_username("a").master_user_password("b-password").send().await.expect("it");
        let refused = bench.try_create(ty.name, "features", &args).await.expect_err("it is taken");
        assert_eq!(refused.class, OpErrorClass::Conflict);
        let said = format!("the name {name} is taken by something that dsenv did not make");
        assert_eq!(refused.message, said);
        assert!(connection.find(ty, &prior.token).await.expect("an answer").is_none());
        let foreign = connection.read_foreign(ty, name).await.expect("an answer");
        assert_eq!(foreign.expect("it is there").values["guarded"], Value::Bool(false));
    });
}
