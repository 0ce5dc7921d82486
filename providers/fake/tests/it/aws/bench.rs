//! A moto server, a proxy in front of it, and boto3 with neither retries nor patience.

use dsenv_fake::{AwsProxy, Moto};
use serde_json::Value;
use std::io::Write;

/// What every script starts with. `code(..)` is the error's code as botocore read it, or "" when
/// the call succeeded, or the name of the exception when no reply came.
const PRELUDE: &str = r#"
import json
import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

class Lazy:
    """A client that is made when it is used: to make all of them takes seconds."""

    def __init__(self, service):
        self.service = service

    def __getattr__(self, name):
        if name == "client":
            config = Config(retries={"total_max_attempts": 1})
            self.client = boto3.client(self.service, config=config)
            return self.client
        return getattr(self.client, name)

ec2, rds, iam, s3, ssm, efs, sqs = map(Lazy, ["ec2", "rds", "iam", "s3", "ssm", "efs", "sqs"])
autoscaling, quotas = Lazy("autoscaling"), Lazy("service-quotas")

def code(call, **params):
    try:
        call(**params)
    except ClientError as error:
        return error.response["Error"]["Code"]
    except BotoCoreError as error:
        return type(error).__name__
    return ""

def error(call, **params):
    try:
        call(**params)
    except ClientError as error:
        return error.response
    raise AssertionError("it did not fail")

def image():
    return ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]

def network():
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    # moto draws a zone where none is given.
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1a")
    return vpc, subnet["Subnet"]["SubnetId"]

def run(**params):
    params = {"ImageId": image(), "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1} | params
    return ec2.run_instances(**params)["Instances"][0]["InstanceId"]

def instances():
    pages = ec2.describe_instances()["Reservations"]
    return [i["InstanceId"] for r in pages for i in r["Instances"]]

def database(**params):
    params = {"DBInstanceIdentifier": "db", "Engine": "postgres", "AllocatedStorage": 20,
        "DBInstanceClass": "db.t3.micro", "MasterUsername": "u",
        "MasterUserPassword": "a-password"} | params
    return rds.create_db_instance(**params)["DBInstance"]

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
    "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]})

def show(value):
    print(json.dumps(value))
"#;

pub(crate) struct Bench {
    pub(crate) moto: Moto,
    pub(crate) proxy: AwsProxy,
}

impl Bench {
    /// Runs a script against the proxy and returns what it shows.
    pub(crate) fn proxied(&self, script: &str) -> Value {
        let script = format!("{PRELUDE}{script}");
        self.moto.boto3_at(&self.proxy.endpoint(), &script).expect("the script runs")
    }

    /// The same against moto itself: what there is, whatever the proxy says.
    pub(crate) fn direct(&self, script: &str) -> Value {
        self.moto.boto3(&format!("{PRELUDE}{script}")).expect("the script runs")
    }
}

/// Starts both; `None` when they are not to be had, which is said.
pub(crate) fn bench() -> Option<Bench> {
    match Moto::start() {
        Ok(moto) => {
            let proxy = AwsProxy::start(&moto).expect("loopback has free ports");
            Some(Bench { moto, proxy })
        }
        Err(missing) => {
            skipped(&missing);
            None
        }
    }
}

/// Says that a test could not run, and why; where everything must run, that is a failure.
#[allow(clippy::disallowed_methods, reason = "tests read CI, as the whole project's do")]
fn skipped(missing: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "SKIPPED in CI: {missing}");
    // Not `eprintln!`, which the test harness keeps to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {missing}");
}
