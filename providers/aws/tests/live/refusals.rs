//! What an error means to the engine, in the shape of each service's protocol.
//!
//! Seen to fail: with a class taken out of its list in `failure`, and with `Retry-After` not read.

use super::bench::{Bench, ty, with_bench};
use super::ground;
use super::values::{id, list, map, text, with};
use dsenv_fake::aws_proxy::{On, What, quotas};
use dsenv_sdk::OpError;
use dsenv_sdk::provider::{OpErrorClass, Prior, Token};
use dsenv_sdk::value::{Map, Value};

/// One type of each protocol, with a call that reads it.
const PROTOCOLS: [(&str, &str, &str, &str); 6] = [
    ("ec2", "aws.vpc", "ec2", "DescribeVpcs"),
    ("query", "aws.database", "rds", "DescribeDBInstances"),
    ("query", "aws.role", "iam", "ListRoles"),
    ("query", "aws.scaling_group", "autoscaling", "DescribeAutoScalingGroups"),
    ("s3", "aws.bucket", "s3", "ListBuckets"),
    ("json", "aws.settings", "ssm", "DescribeParameters"),
];

async fn refused(bench: &Bench, name: &str) -> OpError {
    let token = Token::new("live", &"nobody".parse().expect("an address"), 1);
    bench.connection.find(ty(name), &token).await.expect_err("it is refused")
}

#[test]
fn throttling_says_when_to_ask_again_in_every_protocol() {
    with_bench("throttled", async |bench| {
        for (protocol, name, service, action) in PROTOCOLS {
            for (said, expected) in [(Some(7), Some(7_000)), (None, None)] {
                let fault = What::Throttled { retry_after_s: said };
                bench.proxy.inject(On::action(service, action).is(fault));
                let error = refused(&bench, name).await;
                let class = OpErrorClass::Throttled { retry_after_ms: expected };
                assert_eq!(error.class, class, "{protocol} {name}: {error}");
                assert!(error.request_id.is_some(), "{protocol} {name}: {error:?}");
                bench.proxy.clear_faults();
            }
        }
        // One call alone was made each time: the SDK does not try again by itself.
        assert_eq!(bench.proxy.calls().len(), 2 * PROTOCOLS.len());
    });
}

#[test]
fn the_missing_permission_is_named_in_every_protocol() {
    with_bench("denied", async |bench| {
        for (protocol, name, service, action) in PROTOCOLS {
            bench.proxy.inject(On::action(service, action).is(What::Denied));
            let error = refused(&bench, name).await;
            let permission = Some(format!("{service}:{action}"));
            let class = OpErrorClass::Denied { permission };
            assert_eq!(error.class, class, "{protocol}: {error}");
            let help = error.help.unwrap_or_default();
            assert!(help.contains(&format!("`{service}:{action}`")), "{help}");
            bench.proxy.clear_faults();
        }
        bench.proxy.inject(On::action("ec2", "RunInstances").is(What::Denied));
        let net = ground::network(&bench).await;
        let args = ground::instance(&bench, &net);
        let error = bench.try_create("aws.instance", "work", &args).await.expect_err("no");
        let permission = Some("ec2:RunInstances".to_owned());
        assert_eq!(error.class, OpErrorClass::Denied { permission });
        // What is denied for one type is denied for all: nothing else was tried.
        assert_eq!(bench.proxy.count(|call| call.is("ec2", "RunInstances")), 1);
    });
}

#[test]
fn a_lost_answer_is_unknown_in_every_protocol() {
    with_bench("unanswered", async |bench| {
        for (protocol, name, service, action) in PROTOCOLS {
            for fault in [What::LostReply, What::LostRequest] {
                bench.proxy.inject(On::action(service, action).is(fault));
                let error = refused(&bench, name).await;
                assert_eq!(error.class, OpErrorClass::Unknown, "{protocol}: {error}");
                bench.proxy.clear_faults();
            }
        }
    });
}

#[test]
fn what_something_stands_on_is_in_use() {
    with_bench("in-use", async |bench| {
        let net = ground::network(&bench).await;
        let args = ground::instance(&bench, &net);
        let instance = bench.try_create("aws.instance", "work", &args).await.expect("it");
        let groups = ground::database_groups(&bench, &net).await;
        let database = ground::database(&net, &groups);
        let database = bench.try_create("aws.database", "features", &database).await.expect("it");
        let held: [(&str, &Prior); 6] = [
            ("aws.vpc", &net.vpc),
            ("aws.route_table", &net.table),
            ("aws.subnet", &net.subnets[0]),
            ("aws.security_group", &net.group),
            ("aws.db_subnet_group", &groups[0]),
            ("aws.db_parameter_group", &groups[1]),
        ];
        for (name, prior) in held {
            let error = bench.delete(name, prior).await.expect_err("something stands on it");
            assert_eq!(error.class, OpErrorClass::InUse, "{name}: {error}");
            assert_eq!(bench.drift(name, prior).await, Vec::<String>::new(), "{name}");
        }
        // In the order of a plan it goes; a second delete of each is a success.
        for _ in 0..2 {
            bench.delete("aws.database", &database).await.expect("it goes");
            bench.delete("aws.instance", &instance).await.expect("it goes");
            for (name, prior) in [held[4], held[5], held[3], held[2]] {
                bench.delete(name, prior).await.expect("it goes");
            }
            bench.delete("aws.subnet", &net.subnets[1]).await.expect("it goes");
            bench.delete("aws.route_table", &net.table).await.expect("it goes");
            bench.delete("aws.internet_gateway", &net.gateway).await.expect("it goes");
            bench.delete("aws.vpc", &net.vpc).await.expect("it goes");
        }
    });
}

#[test]
fn an_address_in_use_is_in_use() {
    with_bench("address-in-use", async |bench| {
        let net = ground::network(&bench).await;
        let address = bench.create("aws.elastic_ip", "net.address", []).await;
        let nat = [("subnet", id(&net.subnets[0])), ("address", id(&address))];
        let nat = bench.create("aws.nat_gateway", "net.nat", nat).await;
        for (name, prior) in [("aws.elastic_ip", &address), ("aws.internet_gateway", &net.gateway)]
        {
            let error = bench.delete(name, prior).await.expect_err("it is in use");
            assert_eq!(error.class, OpErrorClass::InUse, "{name}: {error}");
        }
        bench.delete("aws.nat_gateway", &nat).await.expect("it goes");
        bench.delete("aws.elastic_ip", &address).await.expect("it goes");
    });
}

#[test]
fn what_cannot_be_launched_is_invalid_and_named() {
    with_bench("invalid", async |bench| {
        let net = ground::network(&bench).await;
        let good = ground::instance(&bench, &net);
        let image = ("image", text("ami-00000000"));
        for (changed, named) in
            [(("types", list(&["t3.none"])), "t3.none"), (image, "ami-00000000")]
        {
            let args = with(&good, &[changed]);
            let error = bench.try_create("aws.instance", "work", &args).await.expect_err("no");
            assert_eq!(error.class, OpErrorClass::Invalid, "{error}");
            assert!(error.message.contains(named), "{error}");
        }
        let template = ground::template(&bench, &net);
        let template = bench.try_create("aws.launch_template", "w.template", &template).await;
        let group = ground::scaling_group(&net, &template.expect("a template"));
        let group = with(&group, &[("types", list(&["t3.none"]))]);
        let error = bench.try_create("aws.scaling_group", "w", &group).await.expect_err("no");
        assert_eq!(error.class, OpErrorClass::Invalid, "{error}");
        assert!(error.message.contains("t3.none"), "{error}");
        let groups = ground::database_groups(&bench, &net).await;
        let database = with(&ground::database(&net, &groups), &[("class", list(&["db.none"]))]);
        let error = bench.try_create("aws.database", "features", &database).await;
        let error = error.expect_err("no");
        assert_eq!(error.class, OpErrorClass::Invalid, "{error}");
        assert!(error.message.contains("db.none"), "{error}");
    });
}

#[test]
fn a_limit_of_the_account_is_a_quota() {
    with_bench("quota", async |bench| {
        let net = ground::network(&bench).await;
        for (service, code) in
            [("vpc", quotas::VPCS), ("ec2", quotas::ADDRESSES), ("ec2", quotas::ON_DEMAND_VCPUS)]
        {
            bench.proxy.set_quota(service, code, 0);
        }
        let instance = ground::instance(&bench, &net);
        for (name, args) in [
            ("aws.vpc", map([("cidr", text("10.1.0.0/16"))])),
            ("aws.elastic_ip", Map::new()),
            ("aws.instance", instance),
        ] {
            let error = bench.try_create(name, "more", &args).await.expect_err("no more");
            assert_eq!(error.class, OpErrorClass::Quota, "{name}: {error}");
            let help = error.help.unwrap_or_default();
            assert!(help.contains("Service Quotas"), "{name}: {help}");
        }
        let refused = What::refused("DBInstanceQuotaExceeded", "DB Instance quota exceeded");
        bench.proxy.inject(On::action("rds", "CreateDBInstance").is(refused));
        let refused = What::refused("TooManyBuckets", "You have attempted to create more");
        bench.proxy.inject(On::action("s3", "CreateBucket").is(refused));
        let refused = What::Refused {
            status: 409,
            code: "LimitExceeded".to_owned(),
            message: "Cannot exceed quota for RolesPerAccount: 1000".to_owned(),
        };
        bench.proxy.inject(On::action("iam", "CreateRole").is(refused));
        let groups = ground::database_groups(&bench, &net).await;
        for (name, args) in [
            ("aws.database", ground::database(&net, &groups)),
            ("aws.bucket", map([("guarded", Value::Bool(true))])),
            ("aws.role", ground::role("lake")),
        ] {
            let error = bench.try_create(name, "more", &args).await.expect_err("no more");
            assert_eq!(error.class, OpErrorClass::Quota, "{name}: {error}");
        }
    });
}

#[test]
fn a_bucket_that_is_being_worked_on_is_asked_for_again() {
    with_bench("busy-bucket", async |bench| {
        let args = map([("versioning", Value::Bool(true)), ("guarded", Value::Bool(true))]);
        for action in ["CreateBucket", "PutBucketPublicAccessBlock", "PutPublicAccessBlock"] {
            bench.proxy.inject(On::action("s3", action).is(What::bucket_conflict()).next(1));
        }
        let class = OpErrorClass::Throttled { retry_after_ms: None };
        let error = bench.try_create("aws.bucket", "lake", &args).await.expect_err("not yet");
        assert_eq!(error.class, class, "{error}");
        // The second try makes it and meets the conflict at a setting; the third finds it.
        let error = bench.try_create("aws.bucket", "lake", &args).await.expect_err("not yet");
        assert_eq!(error.class, class, "{error}");
        let prior = bench.try_create("aws.bucket", "lake", &args).await.expect("a bucket");
        assert_eq!(bench.drift("aws.bucket", &prior).await, Vec::<String>::new());
        bench.proxy.inject(On::action("s3", "DeleteBucket").is(What::bucket_conflict()).next(1));
        let error = bench.delete("aws.bucket", &prior).await.expect_err("not yet");
        assert_eq!(error.class, class, "{error}");
        bench.delete("aws.bucket", &prior).await.expect("it goes");
    });
}
