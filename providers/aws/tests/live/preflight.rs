//! What is said of a plan before anybody sees it.

use dsenv_fake::aws_proxy::{On, What, quotas};
use dsenv_fake::{AwsProxy, Moto};
use dsenv_sdk::preflight::{Intended, Intent, Preflight, Remark, Verdict};
use dsenv_sdk::provider::{Owner, Setup};
use dsenv_sdk::seal::SealKey;
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Connection, Term};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// A moto server and a proxy of a test's own.
pub(crate) struct Cloud {
    pub(crate) moto: Moto,
    pub(crate) proxy: AwsProxy,
}

impl Cloud {
    /// Starts both; `None` when they are not to be had, which is said.
    #[expect(clippy::disallowed_methods, reason = "tests read CI, as the whole project's do")]
    pub(crate) fn start() -> Option<Cloud> {
        match Moto::start() {
            Ok(moto) => {
                let proxy = AwsProxy::start(&moto).expect("loopback has free ports");
                Some(Cloud { moto, proxy })
            }
            Err(missing) => {
                let in_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
                assert!(!in_ci, "SKIPPED in CI: {missing}");
                let _ = writeln!(std::io::stderr(), "SKIPPED: {missing}");
                None
            }
        }
    }

    /// Connects to the proxy as an environment whose provider keeps its files here.
    pub(crate) fn run<F>(&self, dir: &Path, test: impl FnOnce(Arc<dyn Connection>) -> F)
    where
        F: Future<Output = ()>,
    {
        let variables = [
            ("AWS_ENDPOINT_URL", &*self.proxy.endpoint()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ];
        let setup = Setup {
            owner: Owner {
                blueprint: "workbench".to_owned(),
                environment: "prod".to_owned(),
                lineage: "a-lineage".to_owned(),
            },
            dir: dir.to_owned(),
            cache: "unused".into(),
            key: SealKey::derive("dsenv aws tests", b"a fixed secret"),
            variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            account: None,
            region: Some("us-east-1".to_owned()),
            resolver: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let connection = dsenv_aws::provider().connect(setup).await.expect("a connection");
            test(connection).await;
        });
    }

    /// What a script of boto3 shows, from outside of what is tested.
    pub(crate) fn boto3(&self, script: &str) -> Json {
        let prelude = "import boto3, json\nec2 = boto3.client('ec2')\n";
        self.moto.boto3(&format!("{prelude}{script}")).expect("the script runs")
    }
}

/// Objects of a plan, each with what is known of its arguments.
#[derive(Default)]
struct Plan(Vec<(Addr, &'static str, Intent, BTreeMap<String, Term>)>);

impl Plan {
    fn with(
        mut self,
        addr: &str,
        ty: &'static str,
        intent: Intent,
        args: &[(&str, Value)],
    ) -> Plan {
        let args = args.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into()));
        self.0.push((addr.parse().expect("an address"), ty, intent, args.collect()));
        self
    }

    fn create(self, addr: &str, ty: &'static str, args: &[(&str, Value)]) -> Plan {
        self.with(addr, ty, Intent::Create, args)
    }

    fn machine(self, addr: &str, types: &[&str], markets: &[&str]) -> Plan {
        let args = [("types", list(types)), ("markets", list(markets))];
        self.create(addr, "aws.instance", &args)
    }

    async fn remarks(&self, connection: &dyn Connection, check_permissions: bool) -> Vec<Remark> {
        let provider = dsenv_aws::provider();
        let ty = |name| provider.native_type(name).expect("a native type");
        let intended: Vec<Intended<'_>> = self
            .0
            .iter()
            .map(|(addr, name, intent, args)| Intended {
                addr,
                ty: ty(name),
                intent: *intent,
                args,
            })
            .collect();
        let request = Preflight { intended: &intended, check_permissions };
        connection.preflight(request).await.expect("an answer")
    }
}

fn list(items: &[&str]) -> Value {
    Value::List(items.iter().map(|item| Value::text(*item)).collect())
}

fn line(remark: &Remark) -> String {
    let addr = remark.addr.as_ref().map(Addr::to_string).unwrap_or_default();
    let verdict = match remark.verdict {
        Verdict::Refuses => "refuses",
        Verdict::Warns => "warns",
    };
    format!("{addr}: {verdict}: {}", remark.message)
}

fn lines(remarks: &[Remark]) -> Vec<String> {
    remarks.iter().map(line).collect()
}

fn unused() -> &'static Path {
    Path::new("unused")
}

#[test]
fn what_exceeds_a_quota_is_refused_with_how_to_raise_it() {
    let Some(cloud) = Cloud::start() else { return };
    cloud.proxy.set_quota("ec2", quotas::ON_DEMAND_VCPUS, 8);
    cloud.proxy.set_quota("ec2", quotas::ADDRESSES, 1);
    cloud.boto3(
        "image = ec2.describe_images(Owners=['amazon'])['Images'][0]['ImageId']\n\
         ec2.run_instances(ImageId=image, InstanceType='t3.medium', MinCount=2, MaxCount=2)\n\
         ec2.allocate_address(Domain='vpc')\n\
         print(json.dumps(None))",
    );
    cloud.run(unused(), async |connection| {
        let fits = Plan::default().machine("a", &["t3.xlarge"], &["on_demand"]).create(
            "net.vpc",
            "aws.vpc",
            &[],
        );
        assert_eq!(lines(&fits.remarks(&*connection, false).await), [""; 0]);
        let pool = [
            ("types", list(&["t3.xlarge"])),
            ("min", Value::Int(0)),
            ("max", Value::Int(2)),
            ("on_demand_base", Value::Int(1)),
            ("on_demand_percent", Value::Int(0)),
        ];
        let full = Plan::default()
            .machine("a", &["t3.medium"], &["on_demand"])
            .create("workers", "aws.scaling_group", &pool)
            .create("net.nat_address[0]", "aws.elastic_ip", &[]);
        let remarks = full.remarks(&*connection, false).await;
        assert_eq!(
            lines(&remarks),
            [
                "net.nat_address[0]: refuses: the quota L-0263D0A3 allows 1 elastic IPs in \
                 us-east-1, 1 are in use, and the plan adds 1",
                "workers: refuses: the quota L-1216C47A allows 8 vCPUs of on-demand instances of \
                 A, C, D, H, I, M, R, T, Z in us-east-1, 4 are in use, and the plan adds 6",
            ]
        );
        let help = "plan for fewer, or ask for more: `aws service-quotas \
                    request-service-quota-increase --service-code ec2 --quota-code L-1216C47A \
                    --desired-value 10 --region us-east-1`";
        assert_eq!(remarks[1].help.as_deref(), Some(help));
    });
}

#[test]
fn a_question_that_nobody_answers_is_one_warning() {
    let Some(cloud) = Cloud::start() else { return };
    cloud.proxy.inject(On::service("servicequotas").is(What::Denied));
    cloud.proxy.inject(On::action("ec2", "DescribeInstanceTypeOfferings").is(What::Denied));
    cloud.run(unused(), async |connection| {
        let plan = Plan::default().machine("a", &["t3.micro"], &["spot", "on_demand"]).create(
            "features",
            "aws.database",
            &[("engine", Value::text("postgres")), ("class", list(&["db.t4g.small"]))],
        );
        let remarks = plan.remarks(&*connection, false).await;
        let [remark] = &remarks[..] else { panic!("{:#?}", lines(&remarks)) };
        assert_eq!((remark.verdict, &remark.addr), (Verdict::Warns, &None));
        for what in ["quotas", "instance types", "classes of databases"] {
            let said = format!("{what} were not checked: ");
            assert!(remark.message.contains(&said), "{}", remark.message);
        }
    });
}

#[test]
fn types_are_looked_for_in_the_zones_of_the_environment() {
    let Some(cloud) = Cloud::start() else { return };
    // A type that some zones lack, as moto knows it.
    let found = cloud.boto3(
        "pages = ec2.get_paginator('describe_instance_type_offerings').paginate(\n\
         \tLocationType='availability-zone')\n\
         places = {}\n\
         for it in (it for page in pages for it in page['InstanceTypeOfferings']):\n\
         \tplaces.setdefault(it['InstanceType'], set()).add(it['Location'])\n\
         zones = places['t3.micro']\n\
         ty = min(ty for ty, has in places.items() if zones - has)\n\
         print(json.dumps([ty, min(zones - places[ty]), min(places[ty])]))",
    );
    let [ty, lacks, has] = [0, 1, 2].map(|at| found[at].as_str().expect("a text"));
    cloud.run(unused(), async |connection| {
        let in_zone = |zone: &str, types: &[&str]| {
            let subnet = [("zone", Value::text(zone))];
            let plan = Plan::default().create("net.subnet[\"private-0\"]", "aws.subnet", &subnet);
            plan.machine("a", types, &["spot"])
        };
        let remarks = in_zone(lacks, &[ty]).remarks(&*connection, false).await;
        let said = format!("a: refuses: `{ty}` is not offered in {lacks}");
        assert!(lines(&remarks).contains(&said), "{:#?}", lines(&remarks));
        for (zone, types) in [(has, &[ty][..]), (lacks, &[ty, "t3.micro"])] {
            let remarks = in_zone(zone, types).remarks(&*connection, false).await;
            assert!(!lines(&remarks).iter().any(|it| it.contains("offered")), "{remarks:#?}");
        }
        let nowhere = Plan::default().machine("a", &["x9.huge"], &["on_demand"]);
        let remarks = nowhere.remarks(&*connection, false).await;
        assert_eq!(lines(&remarks), ["a: refuses: `x9.huge` is not offered in us-east-1"]);
    });
}

#[test]
fn an_image_that_is_gone_is_refused() {
    let Some(cloud) = Cloud::start() else { return };
    let image = cloud.boto3("print(json.dumps(ec2.describe_images()['Images'][0]['ImageId']))");
    let image = image.as_str().expect("an id");
    cloud.run(unused(), async |connection| {
        let booting = |id: &str, intent| {
            let args = [("image", Value::text(id))];
            Plan::default().with("a", "aws.instance", intent, &args)
        };
        let there = booting(image, Intent::Create);
        assert_eq!(lines(&there.remarks(&*connection, false).await), [""; 0]);
        // What runs goes on running without its image.
        let running = booting("ami-0123456789abcdef0", Intent::Update);
        assert_eq!(lines(&running.remarks(&*connection, false).await), [""; 0]);
        let gone = booting("ami-0123456789abcdef0", Intent::Replace);
        assert_eq!(
            lines(&gone.remarks(&*connection, false).await),
            ["a: refuses: the image ami-0123456789abcdef0 is not there: it was deregistered, or \
              this account may not use it"]
        );
    });
}

#[test]
fn permissions_are_asked_for_when_they_are_to_be() {
    let Some(cloud) = Cloud::start() else { return };
    cloud.proxy.set_denied(&["ec2:CreateVpc", "ec2:CreateTags", "iam:PutRolePolicy"]);
    cloud.run(unused(), async |connection| {
        let plan = Plan::default()
            .create("net.vpc", "aws.vpc", &[])
            .with("a.role", "aws.role", Intent::Update, &[])
            .with("old", "aws.elastic_ip", Intent::Delete, &[]);
        assert_eq!(lines(&plan.remarks(&*connection, false).await), [""; 0]);
        assert_eq!(
            lines(&plan.remarks(&*connection, true).await),
            [
                "net.vpc: refuses: the credentials lack `ec2:CreateTags`, `ec2:CreateVpc`",
                "a.role: refuses: the credentials lack `iam:PutRolePolicy`",
            ]
        );
    });
}

#[test]
fn a_plan_is_looked_over_in_few_calls() {
    let Some(cloud) = Cloud::start() else { return };
    cloud.run(unused(), async |connection| {
        let mut plan = Plan::default();
        for number in 0..20 {
            plan = plan.machine(&format!("m[{number}]"), &["t3.micro"], &["spot", "on_demand"]);
        }
        cloud.proxy.clear_log();
        assert_eq!(lines(&plan.remarks(&*connection, false).await), [""; 0]);
        let calls: Vec<String> = cloud.proxy.calls().iter().map(|call| call.line()).collect();
        assert!(calls.len() <= 5, "{calls:#?}");
    });
}
