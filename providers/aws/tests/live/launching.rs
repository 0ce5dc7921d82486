//! Which type, subnet and market an instance gets when the first is not to be had.

use super::bench::with_bench;
use super::ground;
use super::values::{id, list, map, text, with};
use dsenv_fake::aws_proxy::{Call, On, Outcome, What};
use dsenv_sdk::provider::{OpErrorClass, Prior};
use dsenv_sdk::value::Value;
use serde_json::json;

fn runs(call: &Call) -> bool {
    call.is("ec2", "RunInstances")
}

fn taken(prior: &Prior) -> [String; 3] {
    ["instance_type", "subnet", "market"].map(|name| match &prior.observed.values[name] {
        Value::Text(text) => text.clone(),
        other => panic!("{name} is {other}"),
    })
}

/// Seen to fail: when the loops in `Instance::create` ran over subnets outside of types.
#[test]
fn the_next_choice_of_the_plan_is_taken_when_there_is_no_capacity() {
    with_bench("capacity", async |bench| {
        let net = ground::network(&bench).await;
        let Value::List(subnets) = net.subnet_ids() else { panic!("a list") };
        let subnets: Vec<&str> = subnets.iter().filter_map(Value::as_text).collect();
        let good = ground::instance(&bench, &net);
        let spot_first = with(&good, &[("markets", list(&["spot", "on_demand"]))]);
        let none_of = |param: &str, value: &str| {
            On::action("ec2", "RunInstances").with(param, value).is(What::no_capacity())
        };
        let in_subnet = "NetworkInterface.1.SubnetId";
        let market = "InstanceMarketOptions.MarketType";
        let cases: [(_, _, [&str; 3], usize); 5] = [
            (&good, vec![], ["t3.micro", subnets[0], "on_demand"], 1),
            // The other subnet comes before the other type.
            (&good, vec![none_of(in_subnet, subnets[0])], ["t3.micro", subnets[1], "on_demand"], 2),
            (
                &good,
                vec![none_of("InstanceType", "t3.micro")],
                ["t3.small", subnets[0], "on_demand"],
                3,
            ),
            (&spot_first, vec![], ["t3.micro", subnets[0], "spot"], 1),
            (&spot_first, vec![none_of(market, "spot")], ["t3.micro", subnets[0], "on_demand"], 5),
        ];
        for (number, (args, faults, expected, tried)) in cases.into_iter().enumerate() {
            bench.proxy.clear_log();
            faults.into_iter().for_each(|fault| bench.proxy.inject(fault));
            let made = bench.try_create("aws.instance", &format!("work[{number}]"), args).await;
            let made = made.expect("an instance");
            assert_eq!(taken(&made), expected.map(str::to_owned), "case {number}");
            assert_eq!(bench.proxy.count(runs), tried, "case {number}");
            bench.proxy.clear_faults();
        }
        let instances = bench.boto3("show(len(instances(ENV)))");
        assert_eq!(instances, json!(5));
    });
}

#[test]
fn when_nothing_is_to_be_had_the_engine_hears_of_it() {
    with_bench("no-capacity", async |bench| {
        let net = ground::network(&bench).await;
        bench.proxy.inject(On::action("ec2", "RunInstances").is(What::no_capacity()));
        let args = ground::instance(&bench, &net);
        let error = bench.try_create("aws.instance", "work", &args).await.expect_err("none");
        assert_eq!(error.class, OpErrorClass::NoCapacity, "{error}");
        assert_eq!(bench.proxy.count(runs), 4);
    });
}

/// Seen to fail: with the look before the second try left out, the first choice is asked for again,
/// and now it is to be had: two instances.
#[test]
fn a_choice_whose_answer_was_lost_is_not_made_twice_when_an_earlier_one_can_be_had_again() {
    with_bench("capacity-back", async |bench| {
        let net = ground::network(&bench).await;
        let args = ground::instance(&bench, &net);
        bench.proxy.inject(On::action("ec2", "RunInstances").is(What::no_capacity()).next(1));
        bench.proxy.inject(On::action("ec2", "RunInstances").is(What::LostReply).nth(2));
        let sent = bench.sent("aws.instance", "work", &args);
        let lost = bench.send(&sent, None).await.expect_err("no answer");
        assert_eq!(lost.class, OpErrorClass::Unknown, "{lost}");
        let prior = bench.send_again(&sent).await.expect("an instance");
        let instances = bench.boto3("show([i['InstanceId'] for i in instances(ENV)])");
        assert_eq!(instances, json!([prior.observed.remote_id]));
    });
}

/// Seen to fail: with the words of EC2 about profiles not known to `failure`.
#[test]
fn a_profile_that_ec2_has_not_heard_of_is_waited_for() {
    with_bench("fresh-profile", async |bench| {
        let net = ground::network(&bench).await;
        bench.proxy.set_profile_refusals(2);
        let role = bench.try_create("aws.role", "work.role", &ground::role("lake")).await;
        let profile = ("profile", id(&role.expect("a role")));
        let args = with(&ground::instance(&bench, &net), std::slice::from_ref(&profile));
        for _ in 0..2 {
            let error = bench.try_create("aws.instance", "work", &args).await.expect_err("not yet");
            assert!(matches!(error.class, OpErrorClass::Throttled { .. }), "{error}");
        }
        let made = bench.try_create("aws.instance", "work", &args).await.expect("an instance");
        assert_eq!(made.observed.values["profile"], profile.1);
        // A refusal for another reason is no reason to try the other types.
        assert_eq!(bench.proxy.count(runs), 3);
    });
}

/// The same in the words of Auto Scaling.
#[test]
fn a_group_whose_profile_is_not_heard_of_is_waited_for() {
    with_bench("fresh-profile-pool", async |bench| {
        let net = ground::network(&bench).await;
        bench.proxy.set_profile_refusals(1);
        let role = bench.try_create("aws.role", "workers.role", &ground::role("lake")).await;
        let profile = ("profile", id(&role.expect("a role")));
        let template = with(&ground::template(&bench, &net), &[profile]);
        let template = bench.try_create("aws.launch_template", "workers.template", &template).await;
        let args = ground::scaling_group(&net, &template.expect("a template"));
        let error = bench.try_create("aws.scaling_group", "workers", &args).await;
        let error = error.expect_err("not yet");
        assert!(matches!(error.class, OpErrorClass::Throttled { .. }), "{error}");
        bench.try_create("aws.scaling_group", "workers", &args).await.expect("a group");
    });
}

/// Seen to fail: when a lack of capacity was an error like any other.
#[test]
fn a_database_takes_the_next_class() {
    with_bench("db-capacity", async |bench| {
        let net = ground::network(&bench).await;
        let groups = ground::database_groups(&bench, &net).await;
        let args = ground::database(&net, &groups);
        let refused = What::refused("InsufficientDBInstanceCapacity", "none of that class left");
        let first = On::action("rds", "CreateDBInstance").with("DBInstanceClass", "db.t4g.small");
        bench.proxy.inject(first.is(refused));
        let made = bench.try_create("aws.database", "features", &args).await.expect("a database");
        assert_eq!(made.observed.values["instance_class"], text("db.t3.small"));
    });
}

/// What a machine is launched with, as EC2 has it.
#[test]
fn an_instance_is_launched_as_it_should_be() {
    with_bench("launched", async |bench| {
        let net = ground::network(&bench).await;
        let mailbox = map([("versioning", Value::Bool(false)), ("guarded", Value::Bool(true))]);
        let mailbox = bench.try_create("aws.mailbox", "work.mailbox", &mailbox).await;
        let mailbox = ("settings_bucket", id(&mailbox.expect("a mailbox")));
        let args = with(&ground::instance(&bench, &net), &[mailbox]);
        bench.try_create("aws.instance", "work", &args).await.expect("an instance");
        let seen = bench.boto3(
            r#"
import base64, gzip
instance, = instances(ENV)
volume = instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
volume, = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
data = ec2.describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute="userData")
data = base64.b64decode(data["UserData"]["Value"])
show([volume["Size"], volume["Encrypted"], volume["VolumeType"],
    instance["BlockDeviceMappings"][0]["DeviceName"],
    gzip.decompress(data).startswith(b"\x23cloud-config"), "PublicIpAddress" in instance])
"#,
        );
        assert_eq!(seen, json!([20, true, "gp3", "/dev/xvda", true, false]));
        let asked: Vec<Call> = bench.proxy.calls().into_iter().filter(runs).collect();
        let [asked] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!(asked.param("MetadataOptions.HttpTokens"), "required");
        assert_eq!(asked.outcome, Outcome::Answered { status: 200, code: None });
    });
}
